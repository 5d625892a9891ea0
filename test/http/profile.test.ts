/** Mode profile: the SCIM interop profile's rules, and what IPSIE asks of a server beside them. */

import { describe, expect, test } from 'bun:test'
import { MODES } from '../../src/scim/tolerance.ts'
import { startTestServer, TARGETS } from '../harness.ts'
import {
  type Body,
  ENTERPRISE,
  expectError,
  expectRefused,
  GROUP,
  idsOf,
  namesOf,
  query,
  sharedServer,
  USER,
} from './given.ts'

const inMode = (settings: object) => ({ config: { tenants: { default: settings } } })

const members = (ids: readonly string[]) => ids.map((value) => ({ value }))

/** One DER SEQUENCE of a SEQUENCE, a SEQUENCE and a BIT STRING: the frame of a certificate. */
const CERTIFICATE = Buffer.from([0x30, 7, 0x30, 0, 0x30, 0, 0x03, 1, 0])

for (const target of TARGETS) {
  describe(`mode profile (${target})`, () => {
    const scim = sharedServer({ target, ...inMode({ mode: 'profile', passwords: 'refuse' }) })
    const post = (body: object) =>
      scim.request('POST', '/Users', { schemas: [USER], userName: scim.fresh(), ...body })

    test('[PROF-01] the configuration says that the profile is kept', async () => {
      const { body } = await scim.get('/ServiceProviderConfig')
      expect(body.interopProfileConformant).toBe(true)
      const published = (await scim.get(`/Schemas/${body.schemas[0]}`)).body.attributes
      const attribute = published.find(({ name }: Body) => name === 'interopProfileConformant')
      expect(attribute).toMatchObject({ type: 'boolean', multiValued: false, required: false })
      expect(attribute).toMatchObject({ mutability: 'readOnly', returned: 'default' })
    })

    test('[PROF-02] the id of a resource type is its name', async () => {
      const { Resources } = (await scim.get('/ResourceTypes')).body
      expect(Resources).toHaveLength(2)
      for (const { id, name } of Resources) expect(id).toBe(name)
    })

    test('[PROF-03] what a filter finds is what conflicts, by the same case rule', async () => {
      const user = await scim.user({ userName: 'Case.Rule', externalId: 'Ext-1' })
      expect(namesOf(await scim.find('userName eq "cASE.rULE"'))).toEqual([user.userName])
      expectError(await post({ userName: 'CASE.RULE' }), 409, 'uniqueness', 'userName')
      expect(await scim.find('externalId eq "ext-1"')).toEqual([])
      expect(idsOf(await scim.find('externalId eq "Ext-1"'))).toEqual([user.id])
      expect((await post({ externalId: 'ext-1' })).status).toBe(201)
    })

    test.each<[name: string, body: object]>([
      ['an attribute', { foo: 1 }],
      ['an attribute without a value', { foo: null }],
      ['a sub-attribute', { name: { foo: 1 } }],
      ['a sub-attribute of an element', { emails: [{ value: 'a@b', foo: 1 }] }],
      ['an attribute of an extension', { schemas: [USER, ENTERPRISE], [ENTERPRISE]: { foo: 1 } }],
      ['an extension', { 'urn:example:2.0:Nothing': { a: 1 } }],
      ['a schema', { schemas: [USER, 'urn:example:2.0:Nothing'] }],
    ])('[PROF-04] a POST or PUT with %s that is not defined is refused', async (_, body) => {
      const { id } = await scim.user()
      const place = `/Users/${id}`
      await expectRefused(scim, place, () => post(body), 400, 'invalidSyntax')
      const whole = { schemas: [USER], userName: scim.fresh(), ...body }
      const put = () => scim.request('PUT', place, whole)
      await expectRefused(scim, place, put, 400, 'invalidSyntax')
    })

    test.each([
      ['foo', 'x'],
      ['name.foo', 'x'],
      ['name', { foo: 'x' }],
      ['emails', [{ value: 'a@b', foo: 1 }]],
      ['emails[type eq "work"].foo', 'x'],
      [`${ENTERPRISE}:foo`, 'x'],
      ['urn:example:2.0:Nothing:foo', 'x'],
    ])('[PROF-04] a PATCH of %s is refused where it is not defined', async (path, value) => {
      const { id } = await scim.user()
      const place = `/Users/${id}`
      const patch = () => scim.patch(place, [{ op: 'add', path, value }])
      await expectRefused(scim, place, patch, 400, 'invalidSyntax')
    })

    test('[PROF-05] each type of an element says what it may be', async () => {
      const { Resources } = (await scim.get('/Schemas')).body
      let count = 0
      for (const { id, attributes } of Resources) {
        if (![USER, GROUP, ENTERPRISE].includes(id)) continue
        for (const { name, multiValued, subAttributes = [] } of attributes) {
          const type = subAttributes.find((sub: Body) => sub.name === 'type')
          if (!multiValued || !type) continue
          count++
          expect(type.canonicalValues, name).not.toBeEmpty()
        }
      }
      expect(count).toBeGreaterThan(8)
    })

    test('[PROF-06] filters take eq and and, and refuse what no schema defines', async () => {
      const { userName, id } = await scim.user({ externalId: scim.fresh(), active: true })
      expect(idsOf(await scim.find(`userName eq "${userName}" and active eq true`))).toEqual([id])
      expect(await scim.find(`userName eq "${userName}" and active eq false`)).toEqual([])
      for (const name of ['foo', 'name.foo', `${ENTERPRISE}:foo`, 'emails.foo', 'password']) {
        const reply = await scim.get(`/Users${query({ filter: `${name} eq "x"` })}`)
        expectError(reply, 400, 'invalidFilter', name)
      }
    })

    test('[PROF-07] a page has 100 results unless more are asked for, and no more than it may', async () => {
      const names = Array.from({ length: 101 }, () => ({ userName: scim.fresh() }))
      for (const name of names) await scim.user(name)
      expect((await scim.get('/Users')).body.Resources).toHaveLength(100)
      expect((await scim.get('/Users?count=101')).body.Resources).toHaveLength(101)
      const capped = await scim.get('/Users?count=1000000')
      expect(capped.status).toBe(200)
      expect(capped.body.itemsPerPage).toBeLessThanOrEqual(1000)
    })

    test.each(['add', 'replace', 'remove'])(
      '[PROF-08] %s without a path is refused',
      async (op) => {
        const { id } = await scim.user()
        const place = `/Users/${id}`
        const bare = () => scim.patch(place, [{ op }])
        await expectRefused(scim, place, bare, 400, 'invalidSyntax', 'path')
        const title = [{ op: 'add', path: 'title', value: 'T' }]
        const patch = () => scim.patch(place, [...title, { op, value: { nickName: 'N' } }])
        await expectRefused(scim, place, patch, 400, 'invalidSyntax', 'Operations[1]', 'path')
      },
    )

    test('[PROF-09] replace makes a complex attribute what it says, and add lays it over', async () => {
      const name = { givenName: 'Ada', familyName: 'King' }
      const { id } = await scim.user({ name })
      const place = `/Users/${id}`
      const add = { op: 'add', path: 'name', value: { middleName: 'B', givenName: 'A' } }
      expect((await scim.patched(place, add)).name).toEqual({
        familyName: 'King',
        givenName: 'A',
        middleName: 'B',
      })
      const replace = { op: 'replace', path: 'name', value: { familyName: 'Lovelace' } }
      expect((await scim.patched(place, replace)).name).toEqual({ familyName: 'Lovelace' })
      const one = { op: 'replace', path: 'name.givenName', value: 'Augusta' }
      expect((await scim.patched(place, one)).name).toEqual({
        familyName: 'Lovelace',
        givenName: 'Augusta',
      })
      const none = { op: 'replace', path: 'name', value: {} }
      expect(await scim.patched(place, none)).not.toHaveProperty('name')
    })

    test('[PROF-09] a manager is replaced whole as well', async () => {
      const [a, b] = [await scim.user(), await scim.user()]
      const { id } = await scim.user()
      for (const { id: value } of [a, b]) {
        const path = `${ENTERPRISE}:manager`
        const after = await scim.patched(`/Users/${id}`, { op: 'replace', path, value: { value } })
        expect(after[ENTERPRISE].manager.value).toBe(value)
      }
    })

    test('[PROF-10] a filter in a path has a sub-attribute behind it', async () => {
      const { id } = await scim.user({ emails: [{ value: 'w@x', type: 'work' }] })
      const place = `/Users/${id}`
      for (const operation of [
        { op: 'remove', path: 'emails[type eq "work"]' },
        { op: 'replace', path: 'emails[type eq "work"]', value: { value: 'n@x' } },
        { op: 'add', path: 'emails[type eq "home"]', value: { value: 'n@x' } },
      ]) {
        const patch = () => scim.patch(place, [operation])
        await expectRefused(scim, place, patch, 400, 'invalidPath', 'Operations[0]')
      }
      const part = { op: 'replace', path: 'emails[type eq "work"].value', value: 'n@x' }
      expect((await scim.patched(place, part)).emails).toEqual([{ value: 'n@x', type: 'work' }])
    })

    test('[PROF-10] [PROF-15] members go by a list of values, and not by a filter', async () => {
      const ids = idsOf([await scim.user(), await scim.user(), await scim.user()])
      const [first, ...others] = ids
      const { id } = await scim.group({ members: members(ids) })
      const place = `/Groups/${id}`
      const path = `members[value eq "${first}"]`
      const element = () => scim.patch(place, [{ op: 'remove', path }])
      await expectRefused(scim, place, element, 400, 'invalidPath')
      const listed = { op: 'remove', path: 'members', value: members([first as string]) }
      expect(idsOf((await scim.patched(place, listed)).members)).toEqual(others)
      const all = { op: 'remove', path: 'members' }
      expect((await scim.patched(place, all)).members).toEqual([])
    })

    test('[PROF-11] a DELETE deletes, a PATCH never does, and the name is free again', async () => {
      const user = await scim.user()
      const place = `/Users/${user.id}`
      const off = { op: 'replace', path: 'active', value: false }
      expect((await scim.patched(place, off)).active).toBe(false)
      expect(await scim.find(`userName eq "${user.userName}"`)).toHaveLength(1)
      expect((await scim.request('DELETE', place)).status).toBe(204)
      expectError(await scim.get(place), 404)
      expectError(await scim.patch(place, [off]), 404)
      expectError(await scim.request('DELETE', place), 404)
      expect(await scim.find(`userName eq "${user.userName}"`)).toEqual([])
      const again = await scim.user({ userName: user.userName })
      expect(again.id).not.toBe(user.id)
    })

    test('[PROF-12] a value that is taken is refused with 409, by POST and by PATCH', async () => {
      const [{ userName }, other] = [await scim.user(), await scim.user()]
      const place = `/Users/${other.id}`
      await expectRefused(scim, place, () => post({ userName }), 409, 'uniqueness')
      const patch = () => scim.patch(place, [{ op: 'replace', path: 'userName', value: userName }])
      await expectRefused(scim, place, patch, 409, 'uniqueness')
    })

    test('[PROF-14] users are found by the four filters of AL1', async () => {
      const externalId = scim.fresh('ext')
      const value = `${scim.fresh()}@x`
      const emails = [{ value, type: 'work' }]
      const { id, userName } = await scim.user({ externalId, emails })
      await scim.user({ emails: [{ value: `${value}.other`, type: 'work' }] })
      for (const filter of [
        `username eq "${userName}"`,
        `externalId eq "${externalId}"`,
        `emails[value eq "${value}"]`,
        `emails[type eq "work" and value eq "${value}"]`,
      ]) {
        expect(idsOf(await scim.find(filter)), filter).toEqual([id])
      }
    })

    test('[PROF-15] groups are found by the three filters of AL2, and may be empty', async () => {
      const user = await scim.user()
      const externalId = scim.fresh('ext')
      const group = await scim.group({ externalId, members: members([user.id]) })
      const empty = await scim.group()
      expect(empty.members).toEqual([])
      for (const filter of [
        `displayName eq "${group.displayName}"`,
        `externalId eq "${externalId}"`,
        `members[value eq "${user.id}"]`,
      ]) {
        expect(idsOf(await scim.find(filter, '/Groups')), filter).toEqual([group.id])
      }
    })

    test('[PROF-15] one PATCH adds and removes members by 100 operations', async () => {
      const ids: string[] = []
      for (let count = 0; count < 50; count++) ids.push((await scim.user()).id)
      const { id } = await scim.group()
      const operations = (op: string) =>
        ids.map((value) => ({ op, path: 'members', value: [{ value }] }))
      const last = ids.at(-1) as string
      await scim.patched(`/Groups/${id}`, ...operations('add'))
      expect(idsOf((await scim.get(`/Groups/${id}`)).body.members)).toEqual(ids)
      const both = [...operations('add'), ...operations('remove').slice(0, -1)]
      const after = await scim.patched(`/Groups/${id}`, ...both)
      expect(idsOf(after.members)).toEqual([last])
    })

    test('[PROF-16] there is no password, and who sends one hears of it', async () => {
      const { id } = await scim.user()
      const place = `/Users/${id}`
      const user = (await scim.get(`/Schemas/${USER}`)).body
      expect(user.attributes.map(({ name }: Body) => name)).not.toContain('password')
      const { changePassword } = (await scim.get('/ServiceProviderConfig')).body
      expect(changePassword).toEqual({ supported: false })
      const secret = 'correct horse'
      const sent = () => post({ password: secret })
      await expectRefused(scim, place, sent, 400, 'invalidSyntax', 'password')
      const patch = () => scim.patch(place, [{ op: 'add', path: 'password', value: secret }])
      await expectRefused(scim, place, patch, 400, 'invalidSyntax', 'password')
    })

    test.each<[id: string, body: object]>([
      ['R7643-4.1-17', { addresses: [{ country: 'USA' }] }],
      ['R7643-4.1-17', { addresses: [{ country: 'us' }] }],
      ['R7643-4.1-17', { addresses: [{ country: 'XX' }] }],
      ['R7643-4.1-23', { x509Certificates: [{ value: twice(CERTIFICATE) }] }],
      ['R7643-4.1-23', { x509Certificates: [{ value: 'QUJD' }] }],
      ['R7643-2.3-09', { profileUrl: 'no address at all' }],
      ['R7643-4.1-10', { preferredLanguage: 'da;q=2' }],
      ['R7643-4.1-09', { locale: 'English (US)' }],
      ['R7643-4.1-09', { timezone: 'Europe/Nowhere' }],
    ])('[%s] the form of %j is refused', async (_, body) => {
      const { id } = await scim.user()
      const [name = ''] = Object.keys(body)
      await expectRefused(scim, `/Users/${id}`, () => post(body), 400, 'invalidValue', name)
    })

    test('[R7643-4.1-09] [R7643-4.1-10] [R7643-4.1-17] [R7643-4.1-23] [R7643-2.3-07] right forms are taken and kept as sent', async () => {
      const body = {
        addresses: [{ country: 'SL', type: 'work' }],
        x509Certificates: [{ value: CERTIFICATE.toString('base64').replace(/=+$/, '') }],
        profileUrl: '../people/ada?x=%20',
        photos: [{ value: 'https://example.com/ada.jpg', type: 'photo' }],
        preferredLanguage: 'da, en-gb;q=0.8, *;q=0',
        locale: 'en_US',
        timezone: 'Europe/Zurich',
      }
      expect(await scim.user(body)).toMatchObject(body)
      const emails = [{ value: 'not an address', type: 'work' }]
      const phoneNumbers = [{ value: '0041 44 000 00 00', type: 'work' }]
      expect(await scim.user({ emails, phoneNumbers })).toMatchObject({ emails, phoneNumbers })
    })

    test('the journal tells each change, and nothing that was refused', async () => {
      await scim.expectJournalOfChanges()
    })
  })

  test.each<[settings: object, isConformant: boolean]>([
    [{}, false],
    [{ mode: 'rfc' }, false],
    [{ mode: 'profile' }, true],
    [{ mode: 'profile', uniqueNames: false, passwords: 'refuse' }, true],
    [{ mode: 'profile', tolerances: { pathlessPatch: true } }, false],
    [{ mode: 'profile', tolerances: { emptyStrings: true } }, false],
    [{ mode: 'interop', tolerances: MODES.profile }, true],
  ])(
    `[PROF-01] [R7643-5-04] %j has interopProfileConformant %p (${target})`,
    async (settings, isConformant) => {
      await using server = await startTestServer({ target, ...inMode(settings) })
      const { body } = await server.request('GET', '/ServiceProviderConfig')
      expect(body.interopProfileConformant).toBe(isConformant ? true : undefined)
      expect(body.changePassword.supported).toBe(!('passwords' in settings))
      const { userName, id } = (
        await server.request('POST', '/Users', { schemas: [USER], userName: 'ada' })
      ).body
      const pathless = { op: 'replace', value: { title: 'T' } }
      const schemas = ['urn:ietf:params:scim:api:messages:2.0:PatchOp']
      const patch = { schemas, Operations: [pathless] }
      const reply = await server.request('PATCH', `/Users/${id}`, patch)
      if (isConformant) expectError(reply, 400, 'invalidSyntax')
      expect(userName).toBe('ada')
    },
  )
}

const twice = (bytes: Buffer): string => Buffer.concat([bytes, bytes]).toString('base64')
