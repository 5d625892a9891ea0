/** DELETE: RFC 7644 section 3.6. */

import { describe, expect, test } from 'bun:test'
import { TARGETS } from '../harness.ts'
import { expectError, idsOf, PATCH_OP, sharedServer, USER } from './given.ts'

for (const target of TARGETS) {
  describe(`removal (${target})`, () => {
    const scim = sharedServer({ target })
    const remove = (path: string) => scim.request('DELETE', path)

    test('[R7644-3.6-01] a DELETE answers 204 and no body', async () => {
      for (const path of [
        `/Users/${(await scim.user()).id}`,
        `/Groups/${(await scim.group()).id}`,
      ]) {
        const reply = await remove(path)
        expect(reply.status).toBe(204)
        expect(reply.text).toBe('')
        expect(reply.headers.get('content-type')).toBeNull()
      }
    })

    test('[R7644-3.6-02] [R7644-3.6-08] [ENTRA-23] [PROF-11] nothing is left at the id', async () => {
      const { id, userName } = await scim.user()
      const place = `/Users/${id}`
      await remove(place)
      const body = { schemas: [USER], userName }
      const patch = { schemas: [PATCH_OP], Operations: [{ op: 'add', path: 'title', value: 'T' }] }
      expectError(await scim.get(place), 404, undefined, id)
      expectError(await scim.request('PUT', place, body), 404)
      expectError(await scim.request('PATCH', place, patch), 404)
      expectError(await remove(place), 404)
      expect((await scim.request('HEAD', place)).status).toBe(404)
    })

    test('[R7644-3.6-03] [R7644-3.6-05] what is gone is in no answer', async () => {
      const user = await scim.user({ externalId: 'gone' })
      const total = await scim.total('/Users')
      await remove(`/Users/${user.id}`)
      expect(await scim.total('/Users')).toBe(total - 1)
      for (const filter of [
        `userName eq "${user.userName}"`,
        `id eq "${user.id}"`,
        'externalId eq "gone"',
        'externalId pr',
      ])
        expect(await scim.find(filter)).toEqual([])
      const schemas = ['urn:ietf:params:scim:api:messages:2.0:SearchRequest']
      for (const { status, body } of [
        await scim.get('/Users?count=1000'),
        await scim.get('/?count=1000'),
        await scim.request('POST', '/Users/.search', { schemas, count: 1000 }),
        await scim.request('POST', '/.search', { schemas, count: 1000 }),
      ]) {
        expect(status).toBe(200)
        expect(idsOf(body.Resources)).not.toContain(user.id)
      }
    })

    test('[R7644-3.6-04] [PROF-11] unique values are free again, for a new id', async () => {
      const user = await scim.user()
      const group = await scim.group()
      await remove(`/Users/${user.id}`)
      await remove(`/Groups/${group.id}`)
      const again = await scim.user({ userName: user.userName.toUpperCase() })
      expect(again.id).not.toBe(user.id)
      const second = await scim.group({ displayName: group.displayName })
      expect(second.id).not.toBe(group.id)
      expect(idsOf(await scim.find(`userName eq "${user.userName}"`))).toEqual([again.id])
    })

    test('a user who comes back is in none of the groups that it was in', async () => {
      const user = await scim.user()
      const group = await scim.group({ members: [{ value: user.id }] })
      await remove(`/Users/${user.id}`)
      const again = await scim.user({ userName: user.userName })
      expect(again).not.toHaveProperty('groups')
      expect((await scim.get(`/Groups/${group.id}`)).body.members).toEqual([])
      const add = await scim.patch(`/Groups/${group.id}`, [
        { op: 'add', path: 'members', value: [{ value: user.id }] },
      ])
      expectError(add, 400, 'invalidValue', user.id)
    })

    test('of many DELETEs at once, one is granted', async () => {
      const place = `/Users/${(await scim.user()).id}`
      const replies = await Promise.all(Array.from({ length: 5 }, () => remove(place)))
      expect(replies.map(({ status }) => status).sort()).toEqual([204, 404, 404, 404, 404])
    })

    test('[R7644-3.6-07] the journal tells each removal, and which groups lost a member', async () => {
      const user = await scim.user()
      const group = await scim.group({ members: [{ value: user.id }] })
      await remove(`/Users/${user.id}`)
      const { version } = (await scim.get(`/Groups/${group.id}`)).body.meta
      const last = (await scim.expectJournalOfChanges()).at(-1)
      expect(last).toMatchObject({ operation: 'delete', type: 'User', id: user.id })
      expect(last?.before).toMatchObject({ userName: user.userName })
      const left = { type: 'Group', id: group.id, version: Number(version.slice(3, -1)) }
      expect(last?.left).toEqual([left])
    })
  })
}
