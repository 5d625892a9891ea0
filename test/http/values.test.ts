/**
 * How the values of lists are read, whatever sends them: no request that succeeds loses a value, or
 * deletes what is there because it was not understood. RFC 7643 sections 2.4 and 2.5.
 */

import { afterAll, describe, expect, test } from 'bun:test'
import { rmSync } from 'node:fs'
import userType from '../../schemas/resource-types/User.json'
import { MODES } from '../../src/scim/tolerance.ts'
import { type Reply, send, TARGETS } from '../harness.ts'
import {
  type Body,
  expectError,
  expectRefused,
  idsOf,
  type Operation,
  PATCH_OP,
  type Scim,
  sharedServer,
  tokenOf,
  USER,
} from './given.ts'
import { schemasDirectory } from './schema-files.ts'

const VERIFY = 'urn:scimd:api:messages:2.0:VerifyPassword'
const URN = 'urn:example:values:1.0'
const attribute = (name: string, type: string, more: object = {}) => ({ name, type, ...more })

/** What an installation adds to User: lists of simple values, alone and within objects. */
const VALUES_SCHEMA = {
  id: URN,
  name: 'Values',
  attributes: [
    attribute('tags', 'string', { multiValued: true }),
    attribute('codes', 'string', { multiValued: true, caseExact: true }),
    attribute('counts', 'integer', { multiValued: true }),
    attribute('box', 'complex', {
      subAttributes: [attribute('labels', 'string', { multiValued: true })],
    }),
    attribute('marks', 'complex', {
      multiValued: true,
      subAttributes: [
        attribute('value', 'string', { caseExact: true }),
        attribute('type', 'string'),
        attribute('labels', 'string', { multiValued: true }),
      ],
    }),
  ],
}

const WORK = { value: 'w@x', type: 'work', primary: true }
const HOME = { value: 'h@x', type: 'home' }
const SITE = { type: 'work', country: 'DE' }

const valuesDirectory = () =>
  schemasDirectory({
    'Values.json': VALUES_SCHEMA,
    'resource-types/User.json': {
      ...userType,
      schemaExtensions: [...userType.schemaExtensions, { schema: URN, required: false }],
    },
  })

/** What every verb makes of an attribute's value, on a user that holds what is given. */
const VERBS = {
  POST: (scim: Scim, _user: Body, body: object) =>
    scim.request('POST', '/Users', { schemas: [USER], userName: scim.fresh('v'), ...body }),
  PUT: (scim: Scim, { id, userName }: Body, body: object) =>
    scim.request('PUT', `/Users/${id}`, { schemas: [USER], userName, ...body }),
  'PATCH add': (scim: Scim, { id }: Body, body: object) =>
    scim.patch(`/Users/${id}`, at('add', body)),
  'PATCH replace': (scim: Scim, { id }: Body, body: object) =>
    scim.patch(`/Users/${id}`, at('replace', body)),
  'PATCH without a path': (scim: Scim, { id }: Body, body: object) =>
    scim.patch(`/Users/${id}`, [{ op: 'replace', value: body }]),
  'a bulk request': async (scim: Scim, { id }: Body, body: object): Promise<Reply> => {
    const data = { schemas: [PATCH_OP], Operations: at('replace', body) }
    const operation = { method: 'PATCH', path: `/Users/${id}`, data }
    const schemas = ['urn:ietf:params:scim:api:messages:2.0:BulkRequest']
    const reply = await scim.request('POST', '/Bulk', { schemas, Operations: [operation] })
    const [{ status, response }] = reply.body.Operations
    return { ...reply, status: Number(status), body: response }
  },
} as const

type Verb = keyof typeof VERBS

/** One operation with a path for each attribute of a body. */
const at = (op: string, body: object): Operation[] =>
  Object.entries(body).flatMap(([path, value]) =>
    path === URN
      ? Object.entries(value as object).map(([name, held]) => ({
          op,
          path: `${URN}:${name}`,
          value: held,
        }))
      : [{ op, path, value }],
  )

const everyVerb = Object.keys(VERBS) as Verb[]

for (const target of TARGETS) {
  describe(`values as interop reads them (${target})`, () => {
    const schemas = valuesDirectory()
    const scim = sharedServer({ target, flags: { schemas } })
    afterAll(() => rmSync(schemas, { recursive: true }))

    const shownOf = async (id: string) => (await scim.get(`/Users/${id}`)).body

    describe.each(everyVerb)('%s', (verb) => {
      /** What the resource holds after the verb, which has to succeed. */
      async function held(body: object, given: object = {}): Promise<Body> {
        const user = await scim.user(given)
        const reply = await VERBS[verb](scim, user, body)
        expect(reply.status, reply.text).toBeWithin(200, 300)
        return shownOf(verb === 'POST' ? reply.body.id : user.id)
      }

      test('takes the value of objects in lists of simple values', async () => {
        const body = {
          [URN]: {
            tags: [{ value: '1' }, { $ref: null, value: '2' }, '3'],
            counts: [{ value: 1 }, { value: '2' }],
            box: { labels: [{ value: 'a' }] },
            marks: [{ value: 'm', labels: [{ value: 'b' }, 'c'] }],
          },
        }
        expect((await held(body))[URN]).toEqual({
          tags: ['1', '2', '3'],
          counts: [1, 2],
          box: { labels: ['a'] },
          marks: [{ value: 'm', labels: ['b', 'c'] }],
        })
      })

      test('takes one value, or one object, for a list of one', async () => {
        const body = { roles: 'admin', [URN]: { tags: 'd', counts: 0, codes: { value: 'c' } } }
        const after = await held(body)
        expect(after.roles).toEqual([{ value: 'admin' }])
        expect(after[URN]).toEqual({ tags: ['d'], counts: [0], codes: ['c'] })
      })

      test('takes strings for elements that have a value', async () => {
        const after = await held({ roles: ['admin', 'b'], emails: ['a@b', { value: 'c@d' }] })
        expect(after.roles).toEqual([{ value: 'admin' }, { value: 'b' }])
        expect(after.emails).toEqual([{ value: 'a@b' }, { value: 'c@d' }])
      })

      test('[R7643-2.4-03] keeps values once that differ by case alone, where it does not count', async () => {
        const body = {
          emails: [
            { value: 'a@x', type: 'work' },
            { value: 'A@X', type: 'Work', display: 'A' },
            { value: 'A@x', type: 'home' },
          ],
          [URN]: { tags: ['D1', 'd1', 'É', 'é'], codes: ['D1', 'd1'] },
        }
        const after = await held(body)
        expect(after.emails).toMatchObject([{ display: 'A' }, { value: 'A@x', type: 'home' }])
        expect(after.emails[0].value.toLowerCase()).toBe('a@x')
        expect(after[URN]).toEqual({ tags: ['D1', 'É'], codes: ['D1', 'd1'] })
      })

      test('leaves elements out that say nothing but their type', async () => {
        const body = {
          emails: [{ value: '', type: 'work', primary: true }, { value: null }, HOME],
          phoneNumbers: [{ value: null, type: 'work', display: 'D' }],
          addresses: [{ type: 'home', primary: true, country: '', locality: null }, SITE],
          roles: [{ value: '' }],
          [URN]: { tags: [{ value: '' }, { $ref: null, value: 'a' }] },
        }
        const after = await held(body)
        expect(after.emails).toEqual([HOME])
        expect(after.addresses).toEqual([SITE])
        expect(after[URN]).toEqual({ tags: ['a'] })
        for (const name of ['phoneNumbers', 'roles']) expect(after).not.toHaveProperty(name)
      })

      test.each<[string, unknown]>([
        ['emails', {}],
        ['emails', [null]],
        ['emails', ['']],
        ['emails', [null, '']],
        ['emails', [{}]],
        ['emails', [[]]],
        ['emails', [WORK, {}]],
        ['emails', [{ email: 'b@x' }]],
        ['emails', [{ email: 'b@x', type: 'work' }]],
        ['emails', [WORK, { email: 'b@x', type: 'home' }]],
        ['emails', [{ type: null }]],
        ['addresses', [{ city: 'Ulm', type: 'work' }]],
        ['addresses', 'Ulm'],
        ['name', { bogus: 1 }],
        ['name', [{ bogus: 1 }]],
        [URN, { tags: [{ bogus: 'a' }] }],
        [URN, { tags: [{}] }],
        [URN, { tags: {} }],
        [URN, { tags: [null] }],
        [URN, { tags: [{ value: ['a'] }] }],
        [URN, { tags: [{ value: {} }] }],
        [URN, { marks: [{ labels: {} }] }],
        [URN, { box: { labels: [{}] } }],
      ])('never takes %s %j for nothing', async (name, value) => {
        const given = {
          name: { givenName: 'A' },
          emails: [WORK, HOME],
          addresses: [SITE],
          [URN]: { tags: ['t'], box: { labels: ['l'] }, marks: [{ value: 'm', labels: ['l'] }] },
        }
        const user = await scim.user(given)
        const total = await scim.total('/Users')
        const reply = await VERBS[verb](scim, user, { [name]: value })
        const path = name === URN ? Object.keys(value as object).join() : name
        expectError(reply, 400, 'invalidValue', path)
        expect(await shownOf(user.id)).toEqual(user)
        expect(await scim.total('/Users')).toBe(total)
      })
    })

    /** Refused, with the user as it was. */
    async function refused(given: object, operation: Operation) {
      const user = await scim.user(given)
      const place = `/Users/${user.id}`
      const act = () => scim.patch(place, [operation])
      await expectRefused(scim, place, act, 400, 'invalidValue', 'expected')
      expect(await shownOf(user.id)).toEqual(user)
    }

    test.each<[string, unknown]>([
      ['emails[type eq "work"]', {}],
      ['emails[type eq "work"]', [{}]],
      ['emails[type eq "work"]', [null]],
      ['emails[type eq "work"]', { email: 'b@x' }],
      ['emails[type eq "work"]', { email: 'b@x', type: 'work' }],
      ['emails[type eq "work"]', { primary: false }],
      ['emails[type eq "work"].value', {}],
      ['emails[type eq "work"].value', [{ bogus: 'b@x' }]],
      ['emails[type eq "none"]', {}],
      ['name[givenName eq "A"]', {}],
      ['name[givenName eq "A"]', { bogus: 1 }],
      ['emails', [{ type: 'work' }]],
    ])('a replace of %s by %j deletes nothing', async (path, value) => {
      const given = { name: { givenName: 'A' }, emails: [WORK, HOME] }
      await refused(given, { op: 'replace', path, value })
    })

    test.each<[string, unknown]>([
      ['emails', {}],
      ['emails', [null]],
      ['emails', [{ email: 'w@x' }]],
      ['emails', [{ email: 'w@x', type: 'work' }]],
      [`${URN}:tags`, [{ bogus: 'a' }]],
    ])('a remove of %s by %j deletes nothing', async (path, value) => {
      const given = { emails: [WORK, HOME], [URN]: { tags: ['a', 'b'] } }
      await refused(given, { op: 'remove', path, value })
    })

    test('a remove names elements by value, by objects, and in any case where it does not count', async () => {
      const given = { emails: [WORK, HOME], [URN]: { tags: ['A', 'b', 'c'], codes: ['A', 'a'] } }
      const { id } = await scim.user(given)
      const after = await scim.patched(
        `/Users/${id}`,
        { op: 'remove', path: `${URN}:tags`, value: [{ $ref: null, value: 'a' }] },
        { op: 'remove', path: `${URN}:tags`, value: 'B' },
        { op: 'remove', path: `${URN}:codes`, value: [{ value: 'a' }] },
        { op: 'remove', path: 'emails', value: [{ value: 'W@X', type: 'WORK' }] },
        { op: 'remove', path: 'emails', value: [{ value: '', type: 'home' }] },
      )
      expect(after[URN]).toEqual({ tags: ['c'], codes: ['A'] })
      expect(after.emails).toEqual([HOME])
    })

    test('[R7644-3.5.2-19] to add what is there in other letters changes nothing', async () => {
      const { id, meta } = await scim.user({ emails: [WORK], [URN]: { tags: ['D1'] } })
      const after = await scim.patched(
        `/Users/${id}`,
        { op: 'add', path: `${URN}:tags`, value: ['d1'] },
        { op: 'add', path: 'emails', value: [{ value: 'W@X', type: 'Work' }] },
      )
      expect(after.emails).toEqual([WORK])
      expect(after[URN]).toEqual({ tags: ['D1'] })
      expect(after.meta).toEqual(meta)
    })

    test('a suspension goes through beside the values of a list of one’s own', async () => {
      const { id } = await scim.user({ active: true })
      const after = await scim.patched(
        `/Users/${id}`,
        { op: 'Add', path: `${URN}:tags`, value: [{ value: '1' }] },
        { op: 'Replace', path: 'active', value: 'False' },
      )
      expect(after).toMatchObject({ active: false, [URN]: { tags: ['1'] } })
    })

    test('an element that a PATCH leaves nothing but its type is gone', async () => {
      const given = {
        emails: [{ ...WORK, display: 'W' }, HOME],
        addresses: [{ type: 'work', country: 'DE', primary: true }],
      }
      for (const [op, value] of [
        ['remove', undefined],
        ['replace', ''],
        ['replace', null],
      ] as const) {
        const { id } = await scim.user(given)
        const after = await scim.patched(
          `/Users/${id}`,
          { op, path: 'emails[type eq "work"].value', value },
          { op, path: 'addresses[type eq "work"].country', value },
        )
        expect(after.emails).toEqual([HOME])
        expect(after).not.toHaveProperty('addresses')
      }
      const { id } = await scim.user(given)
      const none = { op: 'replace', path: 'emails[type eq "work"]', value: { value: '' } }
      expect((await scim.patched(`/Users/${id}`, none)).emails).toEqual([HOME])
    })

    test('an element is made in several operations, its value last', async () => {
      const { id } = await scim.user()
      const path = (sub: string) => `emails[type eq "work"].${sub}`
      const after = await scim.patched(
        `/Users/${id}`,
        { op: 'replace', path: path('primary'), value: 'True' },
        { op: 'replace', path: path('display'), value: 'D' },
        { op: 'replace', path: path('value'), value: 'w@x' },
      )
      expect(after.emails).toEqual([{ ...WORK, display: 'D' }])
      const other = await scim.user()
      const only = { op: 'replace', path: path('primary'), value: true }
      expect(await scim.patched(`/Users/${other.id}`, only)).not.toHaveProperty('emails')
    })

    test('members are named by strings, and by one alone', async () => {
      const users = idsOf([await scim.user(), await scim.user(), await scim.user()])
      const [a, b, c] = users as [string, string, string]
      const { id } = await scim.group({ members: a })
      const membersAfter = async (operation: Operation) => {
        await scim.patched(`/Groups/${id}`, operation)
        return idsOf((await scim.get(`/Groups/${id}`)).body.members).sort()
      }
      const add = (value: unknown) => membersAfter({ op: 'add', path: 'members', value })
      expect(await add(b)).toEqual([a, b])
      expect(await add([c])).toEqual([a, b, c])
      expect(await membersAfter({ op: 'remove', path: 'members', value: b })).toEqual([a, c])
      expect(await membersAfter({ op: 'replace', path: 'members', value: b })).toEqual([b])
      const put = { schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'], displayName: id }
      const reply = await scim.request('PUT', `/Groups/${id}`, { ...put, members: [null, c] })
      expect(idsOf(reply.body.members)).toEqual([c])
    })

    test.each<[string, unknown]>([
      ['replace', {}],
      ['replace', [null]],
      ['replace', [{}]],
      ['replace', [{ id: 'x' }]],
      ['replace', [{ value: '', type: 'User' }]],
      ['replace', ['']],
      ['remove', {}],
      ['remove', [null]],
      ['remove', [{ id: 'x' }]],
      ['add', {}],
      ['add', [{}]],
    ])('a group keeps its members through %s members %j', async (op, value) => {
      const { id } = await scim.user()
      const group = await scim.group({ members: [{ value: id }] })
      const place = `/Groups/${group.id}`
      const patch = () => scim.patch(place, [{ op, path: 'members', value }])
      await expectRefused(scim, place, patch, 400, 'invalidValue', 'members')
      const some = () =>
        scim.patch(place, [{ op: 'replace', path: `members[value eq "${id}"]`, value: {} }])
      await expectRefused(scim, place, some, 400, 'invalidValue', 'members')
      const { schemas, displayName } = group
      const put = () => scim.request('PUT', place, { schemas, displayName, members: value })
      await expectRefused(scim, place, put, 400, 'invalidValue', 'members')
      expect(idsOf((await scim.get(place)).body.members)).toEqual([id])
    })

    test.each([[[]], [null], ['']])('%j empties a list in every way', async (none) => {
      const given = { emails: [WORK], [URN]: { tags: ['a'] } }
      const user = await scim.user(given)
      const emails = { op: 'replace', path: 'emails', value: none }
      const tags = { op: 'replace', value: { [URN]: { tags: none } } }
      const after = await scim.patched(`/Users/${user.id}`, emails, tags)
      for (const name of ['emails', URN]) expect(after).not.toHaveProperty(name)
      const { id } = await scim.group({ members: [{ value: user.id }] })
      await scim.patched(`/Groups/${id}`, { op: 'replace', path: 'members', value: none })
      expect((await scim.get(`/Groups/${id}`)).body.members).toEqual([])
    })

    test('a message says what was found, and what is missing of it', async () => {
      const detailOf = async (body: object) => {
        const sent = { schemas: [USER], userName: 'x', ...body }
        return (await scim.request('POST', '/Users', sent)).body.detail
      }
      expect(await detailOf({ emails: [{ bogus: 1, type: 'work' }] })).toBe(
        'emails[0]: found nothing but "bogus", "type", expected an object with "value"',
      )
      expect(await detailOf({ emails: {} })).toBe(
        'emails[0]: found an object without members, expected an object with "value"',
      )
      expect(await detailOf({ name: { bogus: 1 } })).toBe(
        'name: found nothing but "bogus", expected an object with "formatted" or "familyName" or "givenName" or "middleName" or …',
      )
      expect(await detailOf({ emails: [null] })).toBe(
        'emails: found a list of 1, expected values, or [] for none',
      )
    })
  })

  for (const mode of ['rfc', 'profile'] as const) {
    describe(`values in mode ${mode} (${target})`, () => {
      const schemas = valuesDirectory()
      const config = { tenants: { default: { mode } } }
      const scim = sharedServer({ target, config, flags: { schemas } })
      afterAll(() => rmSync(schemas, { recursive: true }))

      test.each<[string, unknown]>([
        [`${URN}:tags`, [{ value: '1' }]],
        [`${URN}:tags`, [{ $ref: null, value: '1' }]],
        [`${URN}:tags`, { value: '1' }],
        [`${URN}:tags`, 'd'],
        [`${URN}:counts`, ['1']],
        [`${URN}:tags`, [1]],
        [`${URN}:tags`, ['a', null]],
        ['emails', [null]],
        ['emails', [null, HOME]],
        ['emails', ['a@b']],
        ['emails', 'a@b'],
        ['emails', {}],
        ['emails', [{}]],
        ['roles', ['admin']],
      ])('%s %j is refused, and nothing is changed', async (path, value) => {
        const given = { schemas: [USER, URN], emails: [WORK], [URN]: { tags: ['t'] } }
        const user = await scim.user(given)
        const place = `/Users/${user.id}`
        for (const op of ['add', 'replace']) {
          const patch = () => scim.patch(place, [{ op, path, value }])
          await expectRefused(scim, place, patch, 400, 'invalidValue')
        }
        const name = path.replace(`${URN}:`, '')
        const body = path === name ? { [name]: value } : { [URN]: { [name]: value } }
        const { userName } = user
        const put = () => scim.request('PUT', place, { schemas: [USER, URN], userName, ...body })
        await expectRefused(scim, place, put, 400, 'invalidValue', name)
      })

      test('an object of which nothing is understood is refused, known to some schema or not', async () => {
        const user = await scim.user({ name: { givenName: 'A' }, emails: [WORK] })
        const place = `/Users/${user.id}`
        const scimType = MODES[mode].unknownAttributes ? 'invalidValue' : 'invalidSyntax'
        for (const [path, value] of [
          ['name', { bogus: 1 }],
          ['emails', [{ email: 'b@x' }]],
          ['emails', [{ email: 'b@x', type: 'work' }]],
        ] as const) {
          const patch = () => scim.patch(place, [{ op: 'replace', path, value }])
          await expectRefused(scim, place, patch, 400, scimType)
        }
      })

      test('elements that say null for their value are left out', async () => {
        const user = await scim.user({
          emails: [{ value: null, type: 'work', primary: true }, HOME],
          addresses: [{ type: 'home', country: null }],
        })
        expect(user.emails).toEqual([HOME])
        expect(user).not.toHaveProperty('addresses')
      })
    })
  }

  describe(`a number for a string, switched on (${target})`, () => {
    const schemas = valuesDirectory()
    const config = { tenants: { default: { tolerances: { numberForString: true } } } }
    const scim = sharedServer({ target, config, flags: { schemas } })
    afterAll(() => rmSync(schemas, { recursive: true }))
    const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'

    test.each(everyVerb)('is its digits for %s', async (verb) => {
      const user = await scim.user()
      const body = {
        title: 7,
        [URN]: { tags: [1, '1', { value: 2 }], box: { labels: [3] } },
        emails: [{ value: 12, type: 0 }],
      }
      const reply = await VERBS[verb](scim, user, body)
      expect(reply.status, reply.text).toBeWithin(200, 300)
      const id = verb === 'POST' ? reply.body.id : user.id
      expect((await scim.get(`/Users/${id}`)).body).toMatchObject({
        title: '7',
        [URN]: { tags: ['1', '2'], box: { labels: ['3'] } },
        emails: [{ value: '12', type: '0' }],
      })
    })

    test('counts in paths and filters as well', async () => {
      const { id } = await scim.user({ [ENTERPRISE]: { employeeNumber: 701984 } })
      expect(idsOf(await scim.find(`${ENTERPRISE}:employeeNumber eq 701984`))).toContain(id)
      expect(idsOf(await scim.find(`${ENTERPRISE}:employeeNumber eq "701984"`))).toContain(id)
    })

    test('is a password like any other: hashed, and not told', async () => {
      const { id } = await scim.user({ password: 12345678 })
      const Authorization = `Bearer ${await tokenOf(scim.server(), { scope: 'verify' })}`
      const expectRight = async (password: string) => {
        const url = `${scim.url()}/Users/${id}/.verifyPassword`
        const reply = await send(url, 'POST', { schemas: [VERIFY], password }, { Authorization })
        expect(reply.body).toMatchObject({ verified: true })
      }
      await expectRight('12345678')
      await scim.patched(`/Users/${id}`, { op: 'replace', path: 'password', value: 87654321 })
      await expectRight('87654321')
      await scim.patched(`/Users/${id}`, { op: 'replace', value: { password: 12121212 } })
      await expectRight('12121212')
      const records = Bun.spawnSync(['grep', '-rlaE', '87654321|12121212', scim.server().data])
      expect(records.stdout.toString()).toBe('')
    })

    test.each([[2 ** 53], [1.5], [1e21], [true]])('%j is no text', async (title) => {
      const user = await scim.user({ title: 'T' })
      const place = `/Users/${user.id}`
      const patch = () => scim.patch(place, [{ op: 'replace', path: 'title', value: title }])
      await expectRefused(scim, place, patch, 400, 'invalidValue', 'title')
    })
  })
}
