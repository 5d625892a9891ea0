/** attributes and excludedAttributes: RFC 7644 sections 3.4.2.5 and 3.9. */

import { describe, expect, test } from 'bun:test'
import { TARGETS } from '../harness.ts'
import { type Body, ENTERPRISE, expectError, idsOf, query, sharedServer, USER } from './given.ts'

const GIVEN = {
  userName: 'ann',
  name: { givenName: 'Ann', familyName: 'Bee', formatted: 'Ann Bee' },
  displayName: 'Ann',
  emails: [
    { value: 'a@b', type: 'work', primary: true },
    { value: 'c@d', type: 'home' },
  ],
  [ENTERPRISE]: { department: 'D', employeeNumber: '1' },
}

for (const target of TARGETS) {
  describe(`projection (${target})`, () => {
    const scim = sharedServer({ target })
    let user: Body
    const ann = async (): Promise<Body> => {
      user ??= await scim.user(GIVEN)
      return user
    }
    const read = async (parameters: Record<string, string>) => {
      const { status, body } = await scim.get(`/Users/${(await ann()).id}${query(parameters)}`)
      expect(status).toBe(200)
      return body
    }
    const minimum = async () => ({ schemas: [USER, ENTERPRISE], id: (await ann()).id })

    test('[R7644-3.4.2.5-01] [R7644-3.3-08] [R7644-3.4.2.5-17] [R7644-3.5.2-16] both parameters shape the answer of every verb', async () => {
      const create = await scim.request('POST', '/Users?attributes=userName', {
        schemas: [USER],
        userName: 'verbs',
        title: 'T',
      })
      const { id } = create.body
      const expected = { schemas: [USER], id, userName: 'verbs' }
      expect(create.body).toEqual(expected)
      const body = { schemas: [USER], userName: 'verbs', title: 'U' }
      const replies = [
        await scim.request('PUT', `/Users/${id}?attributes=userName`, body),
        await scim.patch(`/Users/${id}?attributes=userName`, [
          { op: 'replace', path: 'title', value: 'V' },
        ]),
        await scim.get(`/Users/${id}?attributes=userName`),
        await scim.get(`/Users/${id}?excludedAttributes=title,active,meta`),
      ]
      for (const reply of replies) {
        expect(reply.status).toBe(200)
        expect(reply.body).toEqual(expected)
      }
      const list = await scim.get('/Users?filter=userName+eq+%22verbs%22&attributes=userName')
      expect(list.body.Resources).toEqual([expected])
      const group = await scim.group()
      const patch = await scim.patch(`/Groups/${group.id}?attributes=displayName`, [
        { op: 'replace', path: 'displayName', value: 'renamed' },
      ])
      expect(patch.status).toBe(200)
      expect(patch.body).toEqual({ schemas: group.schemas, id: group.id, displayName: 'renamed' })
    })

    test('[R7644-3.4.2.5-02] [R7643-7-09] [R7643-7-12] attributes names all that is shown but the minimum', async () => {
      expect(await read({ attributes: 'userName' })).toEqual({
        ...(await minimum()),
        userName: 'ann',
      })
    })

    test('[R7644-3.4.2.5-03] excludedAttributes takes away from the default, never from the minimum', async () => {
      const { userName: _out, ...rest } = await ann()
      expect(await read({ excludedAttributes: 'id,schemas,userName' })).toEqual(rest)
    })

    test('[R7644-3.4.2.5-04] [R7644-3.4.2.5-05] names are listed with commas and spaces, in any case, and more than once', async () => {
      const expected = { ...(await minimum()), userName: 'ann', displayName: 'Ann' }
      expect(await read({ attributes: ' USERNAME , displayname ,,' })).toEqual(expected)
      const { body } = await scim.get(
        `/Users/${expected.id}?attributes=userName&attributes=displayName`,
      )
      expect(body).toEqual(expected)
    })

    test('[R7644-3.4.2.5-06] [R7644-3.4.2.5-07] a dotted name selects sub-attributes, in each element', async () => {
      expect(await read({ attributes: 'name' })).toEqual({ ...(await minimum()), name: GIVEN.name })
      expect(await read({ attributes: 'name.givenName,emails.VALUE' })).toEqual({
        ...(await minimum()),
        name: { givenName: 'Ann' },
        emails: [{ value: 'a@b' }, { value: 'c@d' }],
      })
      expect((await read({ attributes: 'emails.primary' })).emails).toEqual([{ primary: true }])
    })

    test('[R7644-3.4.2.5-08] a dotted name is excluded from what is shown', async () => {
      const body = await read({ excludedAttributes: 'name.familyName,emails.type,emails.primary' })
      expect(body.name).toEqual({ givenName: 'Ann', formatted: 'Ann Bee' })
      expect(body.emails).toEqual([{ value: 'a@b' }, { value: 'c@d' }])
      expect(body.displayName).toBe('Ann')
    })

    test('[R7644-3.4.2.5-09] [R7644-3.10-01] [R7644-3.10-04] URNs work, in any case', async () => {
      expect(await read({ attributes: `${USER.toUpperCase()}:username` })).toEqual({
        ...(await minimum()),
        userName: 'ann',
      })
      expect(await read({ attributes: `${ENTERPRISE}:DEPARTMENT` })).toEqual({
        ...(await minimum()),
        [ENTERPRISE]: { department: 'D' },
      })
      expect(await read({ attributes: `${USER}:name.givenName` })).toEqual({
        ...(await minimum()),
        name: { givenName: 'Ann' },
      })
      const without = await read({ excludedAttributes: `${ENTERPRISE}:department` })
      expect(without[ENTERPRISE]).toEqual({ employeeNumber: '1' })
    })

    test('[R7644-3.4.2.5-10] an extension’s URN selects or excludes the whole of it', async () => {
      expect(await read({ attributes: ENTERPRISE })).toEqual({
        ...(await minimum()),
        [ENTERPRISE]: GIVEN[ENTERPRISE],
      })
      const without = await read({ excludedAttributes: ENTERPRISE })
      expect(without).not.toHaveProperty([ENTERPRISE])
      expect(without.userName).toBe('ann')
    })

    test('[R7644-3.4.2.5-12] unknown names are ignored', async () => {
      expect(await read({ attributes: 'foo' })).toEqual(await minimum())
      expect(await read({ attributes: 'foo.bar,urn:x:y,userName' })).toEqual({
        ...(await minimum()),
        userName: 'ann',
      })
      expect(await read({ excludedAttributes: 'foo' })).toEqual(await ann())
    })

    test('[R7644-3.4.2.5-13] both parameters together are refused, and nothing is written', async () => {
      const { id, userName } = await ann()
      const both = '?attributes=userName&excludedAttributes=title'
      const total = await scim.total('/Users')
      const body = { schemas: [USER], userName: 'other' }
      for (const reply of [
        await scim.get(`/Users/${id}${both}`),
        await scim.get(`/Users${both}`),
        await scim.request('POST', `/Users${both}`, body),
        await scim.request('PUT', `/Users/${id}${both}`, body),
        await scim.patch(`/Users/${id}${both}`, [{ op: 'remove', path: 'displayName' }]),
      ]) {
        expectError(reply, 400, 'invalidValue', 'excludedAttributes')
      }
      expect((await scim.get(`/Users/${id}`)).body.userName).toBe(userName)
      expect(await scim.total('/Users')).toBe(total)
    })

    test('[R7644-3.4.2.5-14] [ENTRA-08] members may be left out, of one group and of lists', async () => {
      const { id } = await ann()
      const group = await scim.group({ members: [{ value: id }] })
      const { members: _members, ...rest } = group
      const one = await scim.get(`/Groups/${group.id}?excludedAttributes=members`)
      expect(one.body).toEqual(rest)
      const filter = `displayName eq "${group.displayName}"`
      const list = await scim.get(`/Groups${query({ filter, excludedAttributes: 'members' })}`)
      expect(list.body.Resources).toEqual([rest])
      const part = await scim.get(`/Groups/${group.id}?attributes=members.value`)
      expect(part.body.members).toEqual([{ value: id }])
      const less = await scim.get(`/Groups/${group.id}?excludedAttributes=members.$ref`)
      expect(less.body.members).toEqual([{ value: id, type: 'User', display: 'Ann' }])
    })

    test('groups may be selected, and selected in part', async () => {
      const { id } = await ann()
      expect(Object.keys(await read({ attributes: 'groups' })).sort()).toEqual([
        'groups',
        'id',
        'schemas',
      ])
      const { groups } = await read({ attributes: 'groups.value' })
      expect(Object.keys(groups[0])).toEqual(['value'])
      expect(idsOf(groups)).toEqual(idsOf((await scim.get(`/Users/${id}`)).body.groups))
    })

    test('[R7644-3.4.2.5-15] an empty parameter asks for nothing', async () => {
      const { body } = await scim.get(`/Users/${(await ann()).id}`)
      expect(await read({ attributes: '' })).toEqual(body)
      expect(await read({ excludedAttributes: '' })).toEqual(body)
      expect(await read({ attributes: '', excludedAttributes: 'name' })).not.toHaveProperty('name')
    })

    test('[R7644-3.4.2.5-16] the tag is the same whatever is shown', async () => {
      const { id, meta } = await ann()
      const reply = await scim.get(`/Users/${id}?attributes=userName`)
      expect(reply.headers.get('etag')).toBe(meta.version)
    })

    test('the journal tells each change, and nothing that was refused', async () => {
      await scim.expectJournalOfChanges()
    })
  })
}
