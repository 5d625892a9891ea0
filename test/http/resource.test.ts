/** What a resource is, whatever its type: names, values, schemas. RFC 7643 sections 2 and 3. */

import { describe, expect, test } from 'bun:test'
import { TARGETS } from '../harness.ts'
import {
  ENTERPRISE,
  expectError,
  expectRefused,
  GROUP,
  idsOf,
  sharedServer,
  USER,
} from './given.ts'

const CERTIFICATE = 'MIIDQzCCAqygAwIBAgICEAAwDQYJKoZIhvcNAQEFBQA'

for (const target of TARGETS) {
  describe(`resources (${target})`, () => {
    const scim = sharedServer({ target })
    const post = (body: unknown) => scim.request('POST', '/Users', body)

    /** A POST that has to be refused, after which there are as many users as before. */
    async function refused(body: unknown, status: number, scimType: string, ...at: string[]) {
      const total = await scim.total('/Users')
      expectError(await post(body), status, scimType, ...at)
      expect(await scim.total('/Users')).toBe(total)
    }

    test('[R7643-2.1-01] names match in any case and are answered as the schema spells them', async () => {
      const userName = scim.fresh()
      const { status, body } = await post({
        SCHEMAS: [USER],
        USERNAME: userName,
        Name: { GIVENNAME: 'x' },
        eMails: [{ VALUE: 'a@b', Type: 'work' }],
      })
      expect(status).toBe(201)
      expect(body).toMatchObject({
        schemas: [USER],
        userName,
        name: { givenName: 'x' },
        emails: [{ value: 'a@b', type: 'work' }],
      })
      expect(Object.keys(body)).not.toContain('USERNAME')
    })

    test('[R7643-2.1-03] two members whose names differ by case alone are refused', async () => {
      await refused(
        { schemas: [USER], userName: 'a', USERNAME: 'b' },
        400,
        'invalidSyntax',
        'USERNAME',
      )
      const same = `{"schemas":["${USER}"],"userName":"a","userName":"a"}`
      await refused(same, 400, 'invalidSyntax', 'userName')
    })

    test('[R7643-2.1-05] schema URIs match in any case and are echoed as registered', async () => {
      const user = await scim.user({ schemas: [USER.toUpperCase()] })
      expect(user.schemas).toEqual([USER])
    })

    test('[R7643-2.3-01] [R7644-3.8-01] [ENTRA-22] strings are kept as they were sent', async () => {
      const displayName = '  Zoë 🦊 山田 e\u0301 \u00e9\t"\\/\u2028 '
      const { id } = await scim.user({ displayName })
      expect((await scim.get(`/Users/${id}`)).body.displayName).toBe(displayName)
    })

    test.each([
      ['a number', 123],
      ['a boolean', true],
      ['an object', { a: 1 }],
    ])('[R7643-2.3-02] a string attribute given %s is refused', async (_what, value) => {
      await refused({ schemas: [USER], userName: value }, 400, 'invalidValue', 'userName')
      await refused(
        { schemas: [USER], userName: scim.fresh(), title: value },
        400,
        'invalidValue',
        'title',
      )
    })

    test.each([['yes'], [1], ['TRUE '], [[]]])(
      '[R7643-2.3-03] a boolean given %j is refused',
      async (active) => {
        await refused({ schemas: [USER], userName: 'x', active }, 400, 'invalidValue', 'active')
      },
    )

    test('[R7643-2.3-07] binary values are base64, with or without padding', async () => {
      for (const value of [CERTIFICATE, `${CERTIFICATE}=`]) {
        const user = await scim.user({ x509Certificates: [{ value }] })
        expect(user.x509Certificates).toEqual([{ value }])
      }
      for (const value of ['***', 'a', 'YW-_', 'YWI===']) {
        await refused(
          { schemas: [USER], userName: 'x', x509Certificates: [{ value }] },
          400,
          'invalidValue',
          'x509Certificates[0].value',
        )
      }
    })

    test('[R7643-2.3-08] references compare case-exactly', async () => {
      const { userName } = await scim.user({ profileUrl: 'https://example.com/Ann' })
      expect(await scim.find('profileUrl eq "https://example.com/Ann"')).toMatchObject([
        { userName },
      ])
      expect(await scim.find('profileUrl eq "https://example.com/ann"')).toEqual([])
    })

    test('[R7643-2.3-09] a reference is any string, absolute or not, and nothing else', async () => {
      const user = await scim.user({ profileUrl: 'no address at all' })
      expect(user.profileUrl).toBe('no address at all')
      await refused(
        { schemas: [USER], userName: 'x', profileUrl: 5 },
        400,
        'invalidValue',
        'profileUrl',
      )
    })

    test('[R7643-2.3-10] [R7643-2.4-06] a $ref names its member, relative or under another version', async () => {
      const users = await Promise.all([scim.user(), scim.user(), scim.user()])
      const [a, b, c] = idsOf(users)
      const group = await scim.group({ members: [{ $ref: `Users/${a}` }] })
      const place = `/Groups/${group.id}`
      await scim.patch(place, [
        { op: 'add', path: 'members', value: [{ $ref: `../Users/${b}` }] },
        { op: 'add', path: 'members', value: [{ $ref: `https://host/v2/Users/${c}` }] },
      ])
      const { body } = await scim.get(place)
      expect(idsOf(body.members)).toEqual(idsOf(users))
      expect(body.members[0].$ref).toBe(`${scim.url()}/Users/${a}`)
    })

    test('[R7643-2.3-11] every $ref that is answered can be followed', async () => {
      const boss = await scim.user()
      const user = await scim.user({ [ENTERPRISE]: { manager: { value: boss.id } } })
      const group = await scim.group({ members: [{ value: user.id }] })
      const { body } = await scim.get(`/Users/${user.id}`)
      const refs = [group.members[0].$ref, body.groups[0].$ref, body[ENTERPRISE].manager.$ref]
      for (const [index, ref] of refs.entries()) {
        const followed = await scim.get(ref.slice(scim.url().length))
        expect(followed.status).toBe(200)
        expect(followed.body.id).toBe([user.id, group.id, boss.id][index])
        expect(followed.body.meta.location).toBe(ref)
      }
    })

    test('[R7643-2.3-12] [R7643-3-04] neither the order of members nor that of schemas matters', async () => {
      const reply = await post({
        emails: [{ type: 'work', value: 'a@b' }],
        [ENTERPRISE]: { department: 'D' },
        userName: scim.fresh(),
        schemas: [ENTERPRISE, USER],
      })
      expect(reply.status).toBe(201)
      expect(reply.body.schemas).toEqual([USER, ENTERPRISE])
    })

    test('[R7643-2.3-13] an object within a complex attribute is refused', async () => {
      await refused(
        { schemas: [USER], userName: 'x', name: { givenName: { a: 1 } } },
        400,
        'invalidValue',
        'name.givenName',
      )
    })

    test.each([
      ['addresses', 'a@b'],
      ['addresses', ['a@b']],
      ['emails', {}],
      ['emails', [{}]],
      ['emails', [[{ value: 'a@b' }]]],
      ['name', { bogus: 1 }],
      ['userName', ['a']],
      ['name', 'Ann'],
      ['name', [{ givenName: 'a' }, { givenName: 'b' }]],
      ['emails', 5],
    ])('[R7643-2.3-14] %s given %j has the wrong shape', async (name, value) => {
      await refused({ schemas: [USER], userName: 'x', [name]: value }, 400, 'invalidValue', name)
    })

    test('[R7643-2.4-01] of one list at most one element may be primary', async () => {
      const emails = [
        { value: 'a@b', primary: true },
        { value: 'c@d', primary: true },
      ]
      await refused({ schemas: [USER], userName: 'x', emails }, 400, 'invalidValue', 'emails')
    })

    test('[R7643-2.4-02] an element that does not say so is not primary', async () => {
      const { userName } = await scim.user({ ims: [{ value: 'only-here' }] })
      const found = await scim.find('ims[primary eq false and value eq "only-here"]')
      expect(found).toMatchObject([{ userName }])
      expect(await scim.find('ims[primary eq true and value eq "only-here"]')).toEqual([])
    })

    test('[R7643-2.4-03] elements that repeat a type and value are kept once', async () => {
      const emails = [
        { value: 'a@b', type: 'work' },
        { value: 'a@b', type: 'work' },
      ]
      const user = await scim.user({ emails })
      expect(user.emails).toEqual([{ value: 'a@b', type: 'work' }])
      const after = await scim.patched(`/Users/${user.id}`, {
        op: 'add',
        path: 'emails',
        value: [{ type: 'work', value: 'a@b' }],
      })
      expect(after.emails).toHaveLength(1)
      expect(after.meta).toEqual(user.meta)
    })

    test('[R7643-2.4-04] one value may stand under two types', async () => {
      const emails = [
        { value: 'a@b', type: 'work' },
        { value: 'a@b', type: 'home' },
      ]
      expect((await scim.user({ emails })).emails).toEqual(emails)
    })

    test('[R7643-2.4-05] a member is answered with $ref, type and display; an address as it was sent', async () => {
      const user = await scim.user({
        displayName: 'Ann',
        emails: [{ value: 'ANN@Example.COM' }],
        phoneNumbers: [{ value: '55555555555' }],
      })
      expect(user.emails).toEqual([{ value: 'ANN@Example.COM' }])
      expect(user.phoneNumbers).toEqual([{ value: '55555555555' }])
      const { members } = await scim.group({ members: [{ value: user.id }] })
      const $ref = `${scim.url()}/Users/${user.id}`
      expect(members).toEqual([{ value: user.id, $ref, type: 'User', display: 'Ann' }])
    })

    test('[R7643-2.4-07] display is what the published schema says: the client may set it', async () => {
      const user = await scim.user({ emails: [{ value: 'a@b', display: 'A' }] })
      const after = await scim.patched(`/Users/${user.id}`, {
        op: 'replace',
        path: 'emails[value eq "a@b"].display',
        value: 'B',
      })
      expect(after.emails).toEqual([{ value: 'a@b', display: 'B' }])
    })

    test('[R7643-2.5-01] [R7643-2.5-03] absent, null and [] are one state, and null is never answered', async () => {
      const user = await scim.user({ nickName: 'N', emails: [{ value: 'a@b' }] })
      const { userName } = user
      const reply = await scim.request('PUT', `/Users/${user.id}`, {
        schemas: [USER],
        userName,
        nickName: null,
        emails: [],
        name: {},
      })
      expect(reply.status).toBe(200)
      expect(reply.text).not.toInclude('null')
      for (const name of ['nickName', 'emails', 'name']) {
        expect(reply.body).not.toHaveProperty(name)
        expect(await scim.find(`${name} pr and userName eq "${userName}"`)).toEqual([])
      }
    })

    test('[R7643-2.5-02] assigning null or [] unassigns', async () => {
      const user = await scim.user({ nickName: 'N', emails: [{ value: 'a@b' }], title: 'T' })
      const after = await scim.patched(
        `/Users/${user.id}`,
        { op: 'replace', path: 'nickName', value: null },
        { op: 'replace', path: 'emails', value: [] },
      )
      expect(after).not.toHaveProperty('nickName')
      expect(after).not.toHaveProperty('emails')
      expect(after.title).toBe('T')
    })

    test.each([[null], [[]], [{}], ['']])(
      '[R7643-2.5-04] [R7643-4.1-01] [R7644-3.3-11] [R7644-3.12-12] userName %j is a missing required value',
      async (userName) => {
        await refused({ schemas: [USER], userName }, 400, 'invalidValue', 'userName')
        await refused({ schemas: [USER] }, 400, 'invalidValue', 'userName')
      },
    )

    test('[R7643-2.5-05] a complex value without any sub-attribute is unassigned', async () => {
      const user = await scim.user({ name: { givenName: null }, emails: [{ value: null }] })
      expect(user).not.toHaveProperty('name')
      expect(user).not.toHaveProperty('emails')
      expect(await scim.find(`name pr and userName eq "${user.userName}"`)).toEqual([])
    })

    test('[R7643-3-01] [R7643-3.1-01] every representation has schemas and an id', async () => {
      const { id, userName } = await scim.user()
      const filter = encodeURIComponent(`userName eq "${userName}"`)
      for (const path of [
        `/Users/${id}`,
        `/Users/${id}?attributes=userName`,
        `/Users/${id}?excludedAttributes=schemas,id`,
        `/Users?filter=${filter}`,
        `/Users?filter=${filter}&attributes=title`,
      ]) {
        const { body } = await scim.get(path)
        const resource = body.Resources?.[0] ?? body
        expect(resource.id, path).toBe(id)
        expect(resource.schemas, path).toEqual([USER])
      }
    })

    test('[R7643-3-02] unknown URIs in schemas are dropped, and alone they are refused', async () => {
      const foreign = 'urn:scim:schemas:core:1.0'
      expect((await scim.user({ schemas: [foreign, USER] })).schemas).toEqual([USER])
      await refused({ schemas: [foreign], userName: 'x' }, 400, 'invalidSyntax', 'schemas')
    })

    test('[R7643-3-03] a URI that is given twice is answered once', async () => {
      expect((await scim.user({ schemas: [USER, USER] })).schemas).toEqual([USER])
    })

    test('[R7643-3-05] externalId is there on every type, with its own rules', async () => {
      const group = await scim.group({ externalId: 'G-1' })
      expect((await scim.get(`/Groups/${group.id}`)).body.externalId).toBe('G-1')
    })

    test('[R7643-3-06] [R7643-3-07] an extension lives under its URN only', async () => {
      const user = await scim.user({
        department: 'astray',
        [ENTERPRISE]: { department: 'D', userName: 'astray' },
      })
      expect(user).not.toHaveProperty('department')
      expect(user[ENTERPRISE]).toEqual({ department: 'D' })
    })

    test('[R7643-3-08] [R7644-3.5.1-19] unknown attributes are ignored and never echoed', async () => {
      const { userName, id } = await scim.user({ foo: 1, emails: [{ value: 'a', foo: 1 }] })
      for (const body of [
        (await scim.get(`/Users/${id}`)).text,
        (await scim.request('PUT', `/Users/${id}`, { schemas: [USER], userName, foo: 1, id: 'x' }))
          .text,
      ]) {
        expect(body).not.toInclude('foo')
        expect(JSON.parse(body).id).toBe(id)
      }
    })

    test('[R7643-3.3-01] [R7644-3.3-10] [R7644-3.12-09] a body of another schema is refused', async () => {
      await refused({ schemas: [ENTERPRISE], userName: 'x' }, 400, 'invalidSyntax', USER)
      await refused({ schemas: [GROUP], userName: 'x', displayName: 'x' }, 400, 'invalidSyntax')
    })

    test('[R7643-3.3-02] [R7643-3.3-03] extension data implies its URI', async () => {
      const { id } = await scim.user({ [ENTERPRISE.toLowerCase()]: { department: 'D' } })
      const { body } = await scim.get(`/Users/${id}`)
      expect(body.schemas).toEqual([USER, ENTERPRISE])
      expect(body[ENTERPRISE]).toEqual({ department: 'D' })
    })

    test.each([[{}], [null], [{ department: null }], [{ foo: 1 }]])(
      '[R7643-3.3-04] an extension that holds %j is not there',
      async (held) => {
        const user = await scim.user({ schemas: [USER, ENTERPRISE], [ENTERPRISE]: held })
        expect(user.schemas).toEqual([USER])
        expect(user).not.toHaveProperty([ENTERPRISE])
      },
    )

    test('[R7643-3.3-05] [R7644-3.5.2.2-14] with its last value an extension leaves schemas', async () => {
      const user = await scim.user({ [ENTERPRISE]: { department: 'D' } })
      const after = await scim.patched(`/Users/${user.id}`, {
        op: 'remove',
        path: `${ENTERPRISE}:department`,
      })
      expect(after.schemas).toEqual([USER])
      expect(after).not.toHaveProperty([ENTERPRISE])
    })

    test('an extension that is no object is refused', async () => {
      await refused(
        { schemas: [USER], userName: 'x', [ENTERPRISE]: 'D' },
        400,
        'invalidValue',
        ENTERPRISE,
      )
    })

    test('[R7644-3.1-04] [R7644-3.1-05] what a GET answers may be sent back as it is', async () => {
      const boss = await scim.user()
      const user = await scim.user({
        name: { givenName: 'A' },
        emails: [{ value: 'a@b', primary: true }],
        [ENTERPRISE]: { manager: { value: boss.id } },
      })
      await scim.group({ members: [{ value: user.id }] })
      const { body } = await scim.get(`/Users/${user.id}`)
      const put = await scim.request('PUT', `/Users/${user.id}`, body)
      expect(put.status).toBe(200)
      expect(put.body).toEqual(body)
      expect(body).toEqual({ ...user, groups: body.groups })
    })

    test('a PUT that is refused changes nothing', async () => {
      const { id, userName } = await scim.user({ title: 'T' })
      const put = (body: object) => () =>
        scim.request('PUT', `/Users/${id}`, { schemas: [USER], userName, ...body })
      const place = `/Users/${id}`
      await expectRefused(scim, place, put({ active: 'maybe' }), 400, 'invalidValue', 'active')
      await expectRefused(scim, place, put({ schemas: [GROUP] }), 400, 'invalidSyntax', 'schemas')
    })

    test('the journal tells each change, and nothing that was refused', async () => {
      const entries = await scim.expectJournalOfChanges()
      expect(entries.every(({ actor }) => actor !== '')).toBe(true)
    })
  })
}
