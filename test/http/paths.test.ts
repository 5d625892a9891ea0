/**
 * What paths, filters and null mean in requests, whatever sends them: nothing goes that was not
 * named, and the three spellings of nothing are one. RFC 7643 section 2.5, RFC 7644 section 3.5.2.
 */

import { afterAll, describe, expect, test } from 'bun:test'
import { rmSync } from 'node:fs'
import { TARGETS } from '../harness.ts'
import { ENTERPRISE, expectError, idsOf, query, sharedServer, tokenOf, USER } from './given.ts'
import { schemasDirectory } from './schema-files.ts'

const VERIFY = 'urn:scimd:api:messages:2.0:VerifyPassword'
const URN = 'urn:example:paths:1.0'
const attribute = (name: string, type: string, more: object = {}) => ({ name, type, ...more })

const directory = schemasDirectory({
  'Paths.json': {
    id: URN,
    name: 'Paths',
    attributes: [
      attribute('tags', 'string', { multiValued: true }),
      attribute('plain', 'string', { multiValued: true }),
      attribute('counts', 'integer', { multiValued: true }),
      attribute('box', 'complex', {
        subAttributes: [attribute('labels', 'string', { multiValued: true })],
      }),
    ],
  },
  'User.json': {
    extends: 'User',
    schemaExtensions: [{ schema: URN, required: false }],
    indexed: [`${URN}:tags`],
  },
})
afterAll(() => rmSync(directory, { recursive: true }))

describe.each(TARGETS)('%s', (target) => {
  const scim = sharedServer({ target, flags: { schemas: directory } })
  const create = (body: object) => scim.user(body)
  const read = async (id: string) => (await scim.get(`/Users/${id}`)).body
  const found = async (filter: string) => idsOf(await scim.find(filter)).sort()
  const verified = async (id: string, password: string): Promise<boolean> => {
    const token = await tokenOf(scim.server(), { scope: 'verify' })
    const body = { schemas: [VERIFY], password }
    const headers = { Authorization: `Bearer ${token}` }
    const reply = await scim.request('POST', `/Users/${id}/.verifyPassword`, body, headers)
    return reply.body.verified
  }

  describe('a filter on the implied value of simple values [R7644-3.5.2.2-04]', () => {
    test.each([
      ['remove', `${URN}:tags[value eq "B"]`, undefined, ['a', 'c']],
      ['remove', `${URN}:tags[value sw "b" or value eq "c"]`, undefined, ['a']],
      ['remove', `${URN}:tags[not (value eq "b")]`, undefined, ['b']],
      ['replace', `${URN}:tags[value eq "b"]`, 'x', ['a', 'x', 'c']],
      ['replace', `${URN}:tags[value eq "b"]`, ['x', 'A'], ['a', 'x', 'c']],
      ['replace', `${URN}:tags[value eq "b"]`, null, ['a', 'c']],
      ['add', `${URN}:tags[value eq "nobody"]`, ['d'], ['a', 'b', 'c', 'd']],
      ['remove', `${URN}:tags[value pr]`, ['c', 'nobody'], ['a', 'b']],
      ['remove', `${URN}:tags[value eq "nobody"]`, undefined, ['a', 'b', 'c']],
    ] as const)('%s %s %p', async (op, path, value, left) => {
      const { id } = await create({ [URN]: { tags: ['a', 'b', 'c'], counts: [1] } })
      const operation = value === undefined ? { op, path } : { op, path, value }
      const reply = await scim.patch(`/Users/${id}`, [operation])
      expect(reply.status).toBe(200)
      expect((await read(id))[URN]).toEqual({ tags: left, counts: [1] })
    })

    test('numbers, and lists within an object', async () => {
      const { id } = await create({ [URN]: { counts: [1, 2, 3], box: { labels: ['x', 'y'] } } })
      await scim.patch(`/Users/${id}`, [
        { op: 'remove', path: `${URN}:counts[value gt 1 and value lt 3]` },
        { op: 'replace', path: `${URN}:box.labels[value eq "x"]`, value: 'z' },
      ])
      expect((await read(id))[URN]).toEqual({ counts: [1, 3], box: { labels: ['z', 'y'] } })
    })

    test('a value that is not there is no target, and nothing changes', async () => {
      const { id, meta } = await create({ [URN]: { tags: ['a'] } })
      const path = `${URN}:tags[value eq "b"]`
      const reply = await scim.patch(`/Users/${id}`, [{ op: 'replace', path, value: 'x' }])
      expectError(reply, 400, 'noTarget')
      expect((await read(id)).meta.version).toBe(meta.version)
    })

    test('a path that names no value is refused: to replace all was not asked', async () => {
      const { id } = await create({ [URN]: { tags: ['a', 'b'] } })
      const path = `${URN}:tags.value`
      for (const op of ['add', 'replace', 'remove'])
        expectError(
          await scim.patch(`/Users/${id}`, [{ op, path, value: 'x' }]),
          400,
          'invalidPath',
        )
      expect((await read(id))[URN].tags).toEqual(['a', 'b'])
    })

    test.each(['tags', 'plain'])('in filters, with an index and without: %s', async (name) => {
      const mark = scim.fresh('tag')
      const one = await create({ [URN]: { [name]: [`${mark}-One`, `${mark}-both`] } })
      const two = await create({ [URN]: { [name]: [`${mark}-two`, `${mark}-both`] } })
      const both = [one.id, two.id].sort()
      expect(await found(`${URN}:${name}[value eq "${mark}-one"]`)).toEqual([one.id])
      expect(await found(`${URN}:${name}.value eq "${mark}-ONE"`)).toEqual([one.id])
      expect(await found(`${URN}:${name}[value sw "${mark}"]`)).toEqual(both)
      expect(
        await found(`${URN}:${name}[value eq "${mark}-one" and value eq "${mark}-both"]`),
      ).toEqual([])
      expect(
        await found(`${URN}:${name} eq "${mark}-one" and ${URN}:${name} eq "${mark}-both"`),
      ).toEqual([one.id])
      expect(await found(`${URN}:${name}[value sw "${mark}" and not (value ew "both")]`)).toEqual(
        both,
      )
      const refused = await scim.get(`/Users${query({ filter: `${URN}:${name}[type eq "x"]` })}`)
      expectError(refused, 400, 'invalidFilter')
    })
  })

  describe('remove with a filter in the path and a value takes what fits both [R7644-3.5.2.2-05]', () => {
    const WORK = { value: 'w@x', type: 'work' }
    const OTHER = { value: 'o@x', type: 'work' }
    const HOME = { value: 'h@x', type: 'home' }

    test.each([
      ['emails[type eq "work"]', [{ value: 'W@X' }], [OTHER, HOME]],
      ['emails[type eq "work"]', [{ value: 'h@x' }], [WORK, OTHER, HOME]],
      ['emails[type eq "work"]', 'o@x', [WORK, HOME]],
      ['emails[type eq "work"]', [], [WORK, OTHER, HOME]],
      ['emails[type eq "work"]', null, [HOME]],
      ['emails[type eq "work"].value', 'w@x', [OTHER, HOME]],
      ['emails[type eq "work"].value', 'nobody', [WORK, OTHER, HOME]],
      ['emails[type eq "work"].value', [{ $ref: null, value: 'o@x' }], [WORK, HOME]],
    ] as const)('%s %j', async (path, value, left) => {
      const { id } = await create({ emails: [WORK, OTHER, HOME] })
      const reply = await scim.patch(`/Users/${id}`, [{ op: 'Remove', path, value }])
      expect(reply.status).toBe(200)
      expect((await read(id)).emails).toEqual(left)
    })

    test('of the members of a group', async () => {
      const users = [await create({}), await create({}), await create({})]
      const [first, second] = users.map(({ id }) => id)
      const inner = await scim.group()
      const members = [...users, inner].map(({ id }) => ({ value: id }))
      const group = await scim.group({ members })
      const left = async () => {
        return idsOf((await scim.get(`/Groups/${group.id}`)).body.members).sort()
      }
      const remove = (path: string, value: unknown) =>
        scim.patch(`/Groups/${group.id}`, [{ op: 'remove', path, value }])

      await remove('members[type eq "User"]', [{ value: first }, { value: inner.id }])
      expect(await left()).toEqual(idsOf(members.slice(1)).sort())
      await remove(`members[value eq "${second}"]`, [{ value: inner.id }])
      expect(await left()).toEqual(idsOf(members.slice(1)).sort())
      await remove(`members[value eq "${second}"]`, [{ value: second }])
      expect(await left()).toEqual(idsOf(members.slice(2)).sort())
    })
  })

  describe('null, "" and left out are one [R7643-2.5-01]', () => {
    const NONE = [
      ['null', { active: null }],
      ['an empty string', { active: '' }],
      ['left out', {}],
    ] as const

    test.each(NONE)('POST: %s is the default, which is shown and found', async (_, body) => {
      const user = await create(body)
      expect(user.active).toBe(true)
      expect(await found(`active eq true and id eq "${user.id}"`)).toEqual([user.id])
    })

    test.each(NONE)(
      'PUT: %s keeps who is suspended suspended, and the password',
      async (_, body) => {
        const { id, userName } = await create({ active: false, password: 'correct horse' })
        const nothing = 'active' in body ? { ...body, password: body.active } : body
        const put = { schemas: [USER], userName, ...nothing }
        expect((await scim.request('PUT', `/Users/${id}`, put)).status).toBe(200)
        expect((await read(id)).active).toBe(false)
        await scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'active', value: true }])
        expect(await verified(id, 'correct horse')).toBe(true)
      },
    )

    test.each([
      ['replace with null', { op: 'replace', path: 'active', value: null }],
      ['replace with ""', { op: 'replace', path: 'active', value: '' }],
      ['remove', { op: 'remove', path: 'active' }],
      ['replace without a path', { op: 'replace', value: { active: null } }],
    ])('PATCH: %s stores the default; a suspended user stays suspended', async (_, operation) => {
      for (const active of [true, false]) {
        const { id } = await create({ active })
        expect((await scim.patch(`/Users/${id}`, [operation])).body.active).toBe(active)
        expect(await found(`active eq ${active} and id eq "${id}"`)).toEqual([id])
      }
    })

    test('PATCH: who is suspended by the same request stays so', async () => {
      const { id } = await create({ active: true })
      const reply = await scim.patch(`/Users/${id}`, [
        { op: 'replace', path: 'active', value: false },
        { op: 'remove', path: 'active' },
      ])
      expect(reply.body.active).toBe(false)
    })
  })

  test('replace creates the element that its filter names, of any type, and a later operation sees it', async () => {
    const { id } = await create({})
    const reply = await scim.patch(`/Users/${id}`, [
      { op: 'Replace', path: 'addresses[type eq "untyped"].locality', value: 'Paris' },
      { op: 'Replace', path: 'addresses[type eq "untyped"].country', value: 'FR' },
      { op: 'Replace', path: 'roles[type eq "x" and primary eq true].value', value: 'admin' },
    ])
    expect(reply.status).toBe(200)
    expect(reply.body.addresses).toEqual([{ type: 'untyped', locality: 'Paris', country: 'FR' }])
    expect(reply.body.roles).toEqual([{ type: 'x', primary: true, value: 'admin' }])
  })

  describe('the URN of the core schema as a container', () => {
    test('holds core attributes in a POST, a PUT and a PATCH', async () => {
      const userName = scim.fresh('c')
      const posted = await scim.request('POST', '/Users', {
        schemas: [USER],
        [USER]: { userName, title: 'A' },
      })
      expect(posted.body).toMatchObject({ userName, title: 'A' })
      expect(posted.body[USER]).toBeUndefined()
      const { id } = posted.body
      const value = { [USER]: { title: 'B', [`name.givenName`]: 'G' }, nickName: 'N' }
      const patched = await scim.patch(`/Users/${id}`, [{ op: 'replace', value }])
      expect(patched.body).toMatchObject({ title: 'B', name: { givenName: 'G' }, nickName: 'N' })
    })

    test('twice the same attribute is refused, and nothing is written', async () => {
      const userName = scim.fresh('c')
      const body = { schemas: [USER], userName, [USER]: { userName: 'other' } }
      expectError(await scim.request('POST', '/Users', body), 400, 'invalidSyntax')
      expect(await found(`userName eq "${userName}"`)).toEqual([])
    })

    test('what is no object is refused', async () => {
      const { id } = await create({})
      for (const value of ['x', 5, []]) {
        const body = { schemas: [USER], userName: scim.fresh('c'), [USER]: value }
        expectError(await scim.request('POST', '/Users', body), 400, 'invalidValue')
        const operation = { op: 'replace', value: { [USER]: value } }
        expectError(await scim.patch(`/Users/${id}`, [operation]), 400, 'invalidValue')
      }
      expectError(
        await scim.patch(`/Users/${id}`, [{ op: 'remove', path: USER }]),
        400,
        'invalidPath',
      )
    })
  })

  test('a manager behind a URN and a dot is set, found and removed', async () => {
    const boss = await create({})
    const { id } = await create({})
    const path = `${ENTERPRISE}.manager`
    const set = await scim.patch(`/Users/${id}`, [{ op: 'Add', path, value: boss.id }])
    expect(set.body[ENTERPRISE].manager.value).toBe(boss.id)
    expect(await found(`${path} eq "${boss.id}"`)).toEqual([id])
    const removed = await scim.patch(`/Users/${id}`, [{ op: 'Remove', path }])
    expect(removed.body[ENTERPRISE]).toBeUndefined()
  })
})
