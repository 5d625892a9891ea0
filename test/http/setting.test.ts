/** A tenant's settings: unknownMembers and uniqueNames. DESIGN section 6. */

import { describe, expect, test } from 'bun:test'
import { TARGETS } from '../harness.ts'
import { expectRefused, GROUP, idsOf, sharedServer, USER } from './given.ts'

const members = (...ids: string[]) => ids.map((value) => ({ value }))

for (const target of TARGETS) {
  describe(`unknownMembers: skip (${target})`, () => {
    const scim = sharedServer({
      target,
      config: { tenants: { default: { unknownMembers: 'skip' } } },
    })

    test('members that do not exist are skipped, and the others are kept', async () => {
      const [a = '', b = ''] = idsOf([await scim.user(), await scim.user()])
      const group = await scim.group({ members: members(a, 'nobody') })
      const place = `/Groups/${group.id}`
      expect(idsOf(group.members)).toEqual([a])
      const more = await scim.patched(place, {
        op: 'add',
        path: 'members',
        value: members('nobody-2', b),
      })
      expect(idsOf(more.members)).toEqual([a, b])
      const put = await scim.request('PUT', place, {
        schemas: [GROUP],
        displayName: group.displayName,
        members: members('nobody-3', b),
      })
      expect(idsOf(put.body.members)).toEqual([b])
    })

    test('where all are skipped nothing changes', async () => {
      const group = await scim.group()
      const after = await scim.patched(`/Groups/${group.id}`, {
        op: 'add',
        path: 'members',
        value: members('nobody'),
      })
      expect(after).toEqual(group)
    })

    test('a member that has no id at all is refused all the same', async () => {
      const { id } = await scim.group()
      const patch = () =>
        scim.patch(`/Groups/${id}`, [{ op: 'add', path: 'members', value: [{ display: 'x' }] }])
      await expectRefused(scim, `/Groups/${id}`, patch, 400, 'invalidValue', 'members')
    })

    test('what was skipped is in the journal', async () => {
      const entries = await scim.server().journal()
      const skipped = entries.flatMap((entry) => entry.skipped)
      expect(skipped).toEqual(expect.arrayContaining(['nobody', 'nobody-2', 'nobody-3']))
    })
  })

  describe(`uniqueNames: false (${target})`, () => {
    const scim = sharedServer({
      target,
      config: { tenants: { default: { uniqueNames: false } } },
    })

    test('[R7643-4.2-08] groups may share a name, and both are found by it', async () => {
      const groups = [
        await scim.group({ displayName: 'Same' }),
        await scim.group({ displayName: 'SAME' }),
        await scim.group({ displayName: 'Other' }),
      ]
      const found = await scim.find('displayName eq "same"', '/Groups')
      expect(idsOf(found)).toEqual(idsOf(groups.slice(0, 2)))
      const after = await scim.patched(`/Groups/${groups[2].id}`, {
        op: 'replace',
        path: 'displayName',
        value: 'same',
      })
      expect(after.displayName).toBe('same')
      expect(await scim.find('displayName eq "same"', '/Groups')).toHaveLength(3)
    })

    test('userName stays unique, as its schema says', async () => {
      const { id, userName } = await scim.user()
      const again = () => scim.request('POST', '/Users', { schemas: [USER], userName })
      await expectRefused(scim, `/Users/${id}`, again, 409, 'uniqueness', 'userName')
    })

    test('the journal tells each change, and nothing that was refused', async () => {
      await scim.expectJournalOfChanges()
    })
  })
}
