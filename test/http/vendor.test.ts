/** What Entra ID and Okta rely on, step by step, beside the conversations in test/replays. */

import { describe, expect, test } from 'bun:test'
import { TARGETS } from '../harness.ts'
import { ENTERPRISE, expectError, GROUP, idsOf, sharedServer, USER } from './given.ts'

for (const target of TARGETS) {
  describe(`what identity providers rely on (${target})`, () => {
    const scim = sharedServer({ target })

    test('[ENTRA-18] [PROF-11] a user is disabled, then deleted, and keeps its groups in between', async () => {
      const { id, userName } = await scim.user()
      const group = await scim.group({ members: [{ value: id }] })
      const place = `/Users/${id}`
      await scim.patched(place, { op: 'Replace', path: 'active', value: 'False' })
      const disabled = await scim.get(place)
      expect(disabled.body.active).toBe(false)
      expect(idsOf(disabled.body.groups)).toEqual([group.id])
      expect(idsOf(await scim.find(`userName eq "${userName}"`))).toEqual([id])
      expect((await scim.request('DELETE', place)).status).toBe(204)
      expectError(await scim.get(place), 404)
      expect(await scim.find(`userName eq "${userName}"`)).toEqual([])
    })

    test('[ENTRA-07] a group comes with a foreign schema and without members', async () => {
      const group = await scim.group({
        schemas: [
          GROUP,
          'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group',
        ],
        externalId: crypto.randomUUID(),
        meta: { resourceType: 'Group' },
      })
      expect(group.schemas).toEqual([GROUP])
      expect(group.members).toEqual([])
    })

    test('[ENTRA-13] a typed element that is not there is made by Add and by Replace', async () => {
      for (const op of ['Add', 'Replace']) {
        const { id } = await scim.user()
        const after = await scim.patched(
          `/Users/${id}`,
          { op, path: 'emails[type eq "work"].value', value: 'a@b' },
          { op, path: 'emails[type eq "work"].primary', value: 'True' },
          { op, path: 'addresses[type eq "work"].locality', value: 'Berlin' },
          { op, path: 'phoneNumbers[type eq "mobile"].value', value: '+49 30' },
        )
        expect(after.emails).toEqual([{ value: 'a@b', type: 'work', primary: true }])
        expect(after.addresses).toEqual([{ locality: 'Berlin', type: 'work' }])
        expect(after.phoneNumbers).toEqual([{ value: '+49 30', type: 'mobile' }])
      }
    })

    test('[ENTRA-12] with aadOptscim062020 one operation has paths as keys, and a filter names the member', async () => {
      const { id } = await scim.user({ emails: [{ value: 'a@b', type: 'work' }] })
      const flag = '?aadOptscim062020'
      const reply = await scim.patch(`/Users/${id}${flag}`, [
        {
          op: 'replace',
          value: {
            displayName: 'D',
            active: false,
            'name.givenName': 'G',
            'emails[type eq "work"].value': 'c@d',
            [`${ENTERPRISE}:department`]: 'X',
          },
        },
      ])
      expect(reply.status).toBe(200)
      expect((await scim.get(`/Users/${id}${flag}`)).body).toMatchObject({
        displayName: 'D',
        active: false,
        name: { givenName: 'G' },
        emails: [{ value: 'c@d', type: 'work' }],
        [ENTERPRISE]: { department: 'X' },
      })
      const [one, two] = idsOf([await scim.user(), await scim.user()])
      const group = await scim.group()
      const place = `/Groups/${group.id}`
      const value = [
        { $ref: null, value: one },
        { $ref: null, value: two },
      ]
      for (const operation of [
        { op: 'add', path: 'members', value },
        { op: 'remove', path: `members[value eq "${one}"]` },
      ])
        expect((await scim.patch(`${place}${flag}`, [operation])).status).toBe(200)
      expect(idsOf((await scim.get(place)).body.members)).toEqual([two as string])
    })

    test.each([[''], [null]])(
      'an element that is not there is cleared with %j, and nothing is made',
      async (value) => {
        const user = await scim.user()
        const after = await scim.patched(
          `/Users/${user.id}`,
          { op: 'replace', path: 'emails[type eq "work"].value', value },
          { op: 'replace', path: 'title', value },
          { op: 'replace', path: `${ENTERPRISE}:manager`, value },
        )
        expect(after).toEqual(user)
      },
    )

    test('[ENTRA-16] [ENTRA-17] [ENTRA-22] what the validator makes up is kept as it was sent', async () => {
      const given = {
        roles: [{ value: 'r', type: 't', display: 'd' }],
        addresses: [{ country: 'Sierra Leone', type: 'work' }],
        profileUrl: 'IEYZQXPTJRMW',
        timezone: 'Africa/Nowhere',
        locale: 'xx-random',
        preferredLanguage: 'zz',
        phoneNumbers: [{ value: '55555555555', type: 'work' }],
      }
      const user = await scim.user({
        ...given,
        roles: [{ ...given.roles[0], primary: 'True' }],
        [ENTERPRISE]: { manager: 'ABCDEF' },
      })
      expect(user).toMatchObject({ ...given, roles: [{ ...given.roles[0], primary: true }] })
      expect(user[ENTERPRISE].manager).toEqual({ value: 'ABCDEF' })
    })

    test('[ENTRA-24] a hundred requests at once are all answered', async () => {
      const replies = await Promise.all(Array.from({ length: 100 }, () => scim.get('/Users')))
      expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]))
    })

    test('[OKTA-04] a whole resource comes back by PUT, with id, meta and groups', async () => {
      const { id, ...user } = await scim.user({ name: { givenName: 'A', familyName: 'B' } })
      const group = await scim.group({ members: [{ value: id }] })
      const put = await scim.request('PUT', `/Users/${id}`, {
        ...user,
        id,
        groups: [],
        active: false,
        name: { givenName: 'C', familyName: 'B' },
        meta: { resourceType: 'User' },
      })
      expect(put.status).toBe(200)
      expect(put.body).toMatchObject({ id, active: false, name: { givenName: 'C' } })
      expect(idsOf(put.body.groups)).toEqual([group.id])
    })

    test('[OKTA-05] [OKTA-09] a user is deactivated and comes back by PATCH without a path', async () => {
      const { id } = await scim.user()
      for (const active of [false, true]) {
        const reply = await scim.patch(`/Users/${id}`, [{ op: 'replace', value: { active } }])
        expect(reply.status).toBe(200)
        expect(reply.body.active).toBe(active)
      }
      const password = 'correct horse battery'
      const changed = await scim.patch(`/Users/${id}`, [{ op: 'replace', value: { password } }])
      expect([changed.status, changed.body.id]).toEqual([200, id])
      expect(changed.text).not.toInclude('password')
      const group = await scim.group({ members: [{ value: id }] })
      expect((await scim.request('DELETE', `/Groups/${group.id}`)).status).toBe(204)
      expectError(await scim.get(`/Groups/${group.id}`), 404)
      expect((await scim.get(`/Users/${id}`)).body.active).toBe(true)
    })

    test('[OKTA-06] [OKTA-07] [OKTA-08] groups are renamed, filled and emptied by PATCH', async () => {
      const [a, b, c] = idsOf([await scim.user(), await scim.user(), await scim.user()])
      const { id } = await scim.group({ members: [{ value: a }] })
      const place = `/Groups/${id}`
      const renamed = await scim.patched(place, {
        op: 'replace',
        value: { id, displayName: 'Renamed' },
      })
      expect(renamed).toMatchObject({ id, displayName: 'Renamed' })
      const moved = await scim.patched(
        place,
        { op: 'remove', path: `members[value eq "${a}"]` },
        { op: 'add', path: 'members', value: [{ value: b, display: 'b@x' }] },
      )
      expect(idsOf(moved.members)).toEqual([b as string])
      const pushed = await scim.patched(place, {
        op: 'replace',
        path: 'members',
        value: [{ value: a }, { value: c }],
      })
      expect(idsOf(pushed.members)).toEqual([a, c] as string[])
      expect((await scim.request('DELETE', place)).status).toBe(204)
    })

    test('[PROF-12] [OKTA-11] a name that is taken is 409 to POST and PATCH', async () => {
      const [first, second] = [await scim.user(), await scim.user()]
      const { userName } = first
      const post = await scim.request('POST', '/Users', { schemas: [USER], userName })
      expectError(post, 409, 'uniqueness', 'userName')
      const patch = [{ op: 'replace', path: 'userName', value: userName }]
      expectError(await scim.patch(`/Users/${second.id}`, patch), 409, 'uniqueness', 'userName')
    })

    test('[OKTA-12] a userName in upper case finds the user of the lower one', async () => {
      const { id, userName } = await scim.user({ userName: scim.fresh('okta.test') })
      const filter = encodeURIComponent(`userName eq "${userName.toUpperCase()}"`)
      const { status, body } = await scim.get(`/Users?filter=${filter}&startIndex=1&count=100`)
      expect([status, body.totalResults, body.Resources[0].id]).toEqual([200, 1, id])
    })

    test('[OKTA-14] what Okta never asks for is there for others all the same', async () => {
      const { body } = await scim.get('/ServiceProviderConfig')
      expect([body.bulk.supported, body.filter.supported]).toEqual([true, true])
      const schemas = ['urn:ietf:params:scim:api:messages:2.0:SearchRequest']
      expect((await scim.request('POST', '/Users/.search', { schemas })).status).toBe(200)
      expectError(await scim.get('/Me'), 501)
    })

    test('the journal tells each change, and nothing that was refused', async () => {
      await scim.expectJournalOfChanges()
    })
  })
}
