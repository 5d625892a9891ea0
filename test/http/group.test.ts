/** Groups and their members: RFC 7643 section 4.2. */

import { describe, expect, test } from 'bun:test'
import { TARGETS } from '../harness.ts'
import { expectRefused, GROUP, idsOf, namesOf, type Operation, sharedServer } from './given.ts'

const members = (...ids: string[]) => ids.map((value) => ({ value }))

for (const target of TARGETS) {
  describe(`groups (${target})`, () => {
    const scim = sharedServer({ target })

    async function users(count: number): Promise<string[]> {
      return idsOf(await Promise.all(Array.from({ length: count }, () => scim.user())))
    }
    const membersOf = async (id: string) =>
      idsOf((await scim.get(`/Groups/${id}`)).body.members).sort()
    const groupsOf = async (id: string): Promise<[string, string][]> => {
      const { groups = [] } = (await scim.get(`/Users/${id}`)).body
      return groups.map(({ value, type }: { value: string; type: string }) => [value, type])
    }

    test('[R7643-4.2-01] a group has to have a displayName', async () => {
      const total = await scim.total('/Groups')
      for (const displayName of [undefined, null, '']) {
        const reply = await scim.request('POST', '/Groups', { schemas: [GROUP], displayName })
        expect(reply.body).toMatchObject({ status: '400', scimType: 'invalidValue' })
        expect(reply.body.detail).toInclude('displayName')
      }
      expect(await scim.total('/Groups')).toBe(total)
    })

    test.each([[{}], [{ members: [] }], [{ members: null }]])(
      '[R7643-4.2-02] [ENTRA-07] a group given %j has no members and says so',
      async (given) => {
        const group = await scim.group(given)
        expect(group.members).toEqual([])
        expect((await scim.get(`/Groups/${group.id}`)).body).toEqual(group)
        expect(await scim.find(`members pr and id eq "${group.id}"`, '/Groups')).toEqual([])
      },
    )

    test('[R7643-4.2-03] [ENTRA-06] what is said of a member beside its value is derived, not kept', async () => {
      const { id } = await scim.user({ displayName: 'Ann' })
      const group = await scim.group({
        members: [{ value: id, $ref: null, type: 'Group', display: 'Nobody' }],
      })
      expect(group.members).toEqual([
        { value: id, $ref: `${scim.url()}/Users/${id}`, type: 'User', display: 'Ann' },
      ])
      await scim.patched(`/Users/${id}`, { op: 'replace', path: 'displayName', value: 'Bea' })
      const { body } = await scim.get(`/Groups/${group.id}`)
      expect(body.members[0].display).toBe('Bea')
      expect(body.meta).toEqual(group.meta)
    })

    test('[R7643-4.2-04] [R7644-3.5.2.3-17] an element of members is added or removed, never edited', async () => {
      const [a = '', b = ''] = await users(2)
      const { id } = await scim.group({ members: members(a) })
      const operations: Operation[] = [
        { op: 'replace', path: `members[value eq "${a}"].value`, value: b },
        { op: 'add', path: `members[value eq "${a}"].display`, value: 'X' },
        { op: 'replace', path: `members[value eq "${a}"]`, value: { value: b } },
        { op: 'remove', path: `members[value eq "${a}"].value` },
      ]
      for (const operation of operations) {
        const patch = () => scim.patch(`/Groups/${id}`, [operation])
        await expectRefused(scim, `/Groups/${id}`, patch, 400, 'mutability', 'members')
      }
    })

    test('a member is not selected by its $ref, which is refused rather than passed over', async () => {
      const [a = ''] = await users(1)
      const { id } = await scim.group({ members: members(a) })
      const place = `/Groups/${id}`
      for (const term of [`$ref ew "${a}"`, `value eq "${a}" and not ($ref pr)`]) {
        const patch = () => scim.patch(place, [{ op: 'remove', path: `members[${term}]` }])
        await expectRefused(scim, place, patch, 400, 'invalidFilter', 'members.$ref')
      }
      expect(idsOf(await scim.find(`members.$ref ew "${a}"`, '/Groups'))).toEqual([id])
    })

    test('members are selected by what is known of them', async () => {
      const ann = await scim.user({ displayName: 'Select Ann' })
      const inner = await scim.group()
      const [other = ''] = await users(1)
      const left = async (filter: string) => {
        const { id } = await scim.group({ members: members(ann.id, inner.id, other) })
        await scim.patched(`/Groups/${id}`, { op: 'remove', path: `members[${filter}]` })
        return membersOf(id)
      }
      expect(await left('display eq "select ANN"')).toEqual([inner.id, other].sort())
      expect(await left('type eq "group"')).toEqual([ann.id, other].sort())
      expect(await left(`not (value eq "${other}")`)).toEqual([other])
      expect(await left(`value eq "${other}" and type eq "Group"`)).toHaveLength(3)
    })

    test('[R7643-4.2-05] groups nest in a cycle, and everything about them ends', async () => {
      const [user = ''] = await users(1)
      const a = await scim.group({ members: members(user) })
      const b = await scim.group({ members: members(a.id) })
      const c = await scim.group({ members: members(b.id) })
      await scim.patched(`/Groups/${a.id}`, { op: 'add', path: 'members', value: members(c.id) })
      await scim.patched(`/Groups/${c.id}`, { op: 'add', path: 'members', value: members(c.id) })
      expect(await membersOf(a.id)).toEqual([user, c.id].sort())
      expect(await membersOf(c.id)).toEqual([b.id, c.id].sort())
      const groups = await groupsOf(user)
      expect(groups[0]).toEqual([a.id, 'direct'])
      expect(groups.slice(1).sort()).toEqual(
        [
          [b.id, 'indirect'],
          [c.id, 'indirect'],
        ].sort() as [string, string][],
      )
      for (const group of [a, b, c])
        expect(idsOf(await scim.find(`groups.value eq "${group.id}"`))).toEqual([user])
      await scim.request('DELETE', `/Groups/${b.id}`)
      expect(await groupsOf(user)).toEqual([[a.id, 'direct']])
    })

    test('a group that is both direct and indirect is told once, as direct', async () => {
      const [user = ''] = await users(1)
      const inner = await scim.group({ members: members(user) })
      const outer = await scim.group({ members: members(inner.id, user) })
      expect((await groupsOf(user)).sort()).toEqual(
        [
          [inner.id, 'direct'],
          [outer.id, 'direct'],
        ].sort() as [string, string][],
      )
      await scim.patched(`/Groups/${outer.id}`, {
        op: 'remove',
        path: `members[value eq "${user}"]`,
      })
      expect(await groupsOf(user)).toEqual([
        [inner.id, 'direct'],
        [outer.id, 'indirect'],
      ])
    })

    test('[R7643-4.2-06] a member that does not exist is refused, and named', async () => {
      const [known = ''] = await users(1)
      const { id } = await scim.group({ members: members(known) })
      const place = `/Groups/${id}`
      const wanted = members(known, 'no-such-id')
      const body = { schemas: [GROUP], displayName: scim.fresh(), members: wanted }
      for (const send of [
        () => scim.request('POST', '/Groups', body),
        () => scim.request('PUT', place, body),
        () => scim.patch(place, [{ op: 'add', path: 'members', value: wanted }]),
        () => scim.patch(place, [{ op: 'replace', path: 'members', value: wanted }]),
        () => scim.patch(place, [{ op: 'add', value: { members: wanted } }]),
      ]) {
        await expectRefused(scim, place, send, 400, 'invalidValue', 'members', 'no-such-id')
      }
    })

    test.each([[{}], [{ display: 'x' }], [{ value: 5 }], [{ value: '' }], [5], [[]]])(
      'a member given %j is refused',
      async (element) => {
        const group = await scim.group()
        const patch = () =>
          scim.patch(`/Groups/${group.id}`, [{ op: 'add', path: 'members', value: [element] }])
        await expectRefused(scim, `/Groups/${group.id}`, patch, 400, 'invalidValue', 'members')
      },
    )

    test('[R7643-4.2-07] [R7644-3.6-07] [R7644-3.14-04] a deleted member is gone from its groups, which get a new version', async () => {
      const [a = '', b = ''] = await users(2)
      const group = await scim.group({ members: members(a, b) })
      const other = await scim.group({ members: members(b) })
      expect((await scim.request('DELETE', `/Users/${a}`)).status).toBe(204)
      const after = (await scim.get(`/Groups/${group.id}`)).body
      expect(idsOf(after.members)).toEqual([b])
      expect(after.meta.version).not.toBe(group.meta.version)
      expect((await scim.get(`/Groups/${other.id}`)).body).toEqual(other)
      expect(await scim.find(`members eq "${a}"`, '/Groups')).toEqual([])
    })

    test('a deleted group is gone from its members and from the groups around it', async () => {
      const [user = ''] = await users(1)
      const inner = await scim.group({ members: members(user) })
      const outer = await scim.group({ members: members(inner.id) })
      await scim.request('DELETE', `/Groups/${inner.id}`)
      expect(await groupsOf(user)).toEqual([])
      expect(await membersOf(outer.id)).toEqual([])
      expect(await scim.find(`groups.value eq "${outer.id}" and id eq "${user}"`)).toEqual([])
    })

    test('[R7643-4.2-08] [ENTRA-15] a second group with the same name, in any case, is refused', async () => {
      const first = await scim.group({ displayName: 'Sales Team' })
      const second = await scim.group()
      const place = `/Groups/${second.id}`
      const body = { schemas: [GROUP], displayName: 'SALES TEAM' }
      for (const send of [
        () => scim.request('POST', '/Groups', body),
        () => scim.request('PUT', place, body),
        () => scim.patch(place, [{ op: 'replace', path: 'displayName', value: 'sales team' }]),
      ]) {
        await expectRefused(scim, place, send, 409, 'uniqueness', 'displayName')
      }
      expect(namesOf([(await scim.get(`/Groups/${first.id}`)).body])).toEqual(['Sales Team'])
    })

    test('of twenty groups created at once with one name, one is made', async () => {
      const displayName = scim.fresh('race')
      const replies = await Promise.all(
        Array.from({ length: 20 }, () =>
          scim.request('POST', '/Groups', { schemas: [GROUP], displayName }),
        ),
      )
      expect(replies.filter(({ status }) => status === 201)).toHaveLength(1)
      expect(replies.filter(({ status }) => status === 409)).toHaveLength(19)
    })

    test('[R7644-3.5.2.1-08] [R7644-3.5.2.1-09] [R7644-3.5.2.1-10] [R7644-3.5.2.1-11] a member that is there already changes nothing', async () => {
      const [a = '', b = ''] = await users(2)
      const group = await scim.group({ members: members(a) })
      const place = `/Groups/${group.id}`
      const same = await scim.patched(place, {
        op: 'add',
        path: 'members',
        value: { value: a, display: 'other' },
      })
      expect(same).toEqual(group)
      const more = await scim.patched(place, {
        op: 'add',
        path: 'members',
        value: [{ value: a }, { value: b }, { value: b }],
      })
      expect(idsOf(more.members).sort()).toEqual([a, b].sort())
      expect(more.meta.version).not.toBe(group.meta.version)
    })

    test('members are added at once by many requests, and none is lost', async () => {
      const ids = await users(30)
      const { id } = await scim.group()
      const replies = await Promise.all(
        ids.map((value) =>
          scim.patch(`/Groups/${id}`, [{ op: 'add', path: 'members', value: members(value) }]),
        ),
      )
      expect(replies.map(({ status }) => status)).toEqual(ids.map(() => 200))
      expect(await membersOf(id)).toEqual([...ids].sort())
    })

    test('[R7644-3.5.1-16] [R7644-3.5.1-17] a PUT replaces the members as a set', async () => {
      const [a = '', b = '', c = ''] = await users(3)
      const { id, displayName } = await scim.group({ members: members(a, b) })
      const put = await scim.request('PUT', `/Groups/${id}`, {
        schemas: [GROUP],
        displayName,
        members: [{ value: b, display: 'other', $ref: 'http://elsewhere/Users/x' }, { value: c }],
      })
      expect(put.status).toBe(200)
      expect(idsOf(put.body.members).sort()).toEqual([b, c].sort())
      expect(await groupsOf(a)).toEqual([])
      expect(await groupsOf(b)).toEqual([[id, 'direct']])
      expect(await groupsOf(c)).toEqual([[id, 'direct']])
      const again = await scim.request('PUT', `/Groups/${id}`, put.body)
      expect(again.body).toEqual(put.body)
      const cleared = await scim.request('PUT', `/Groups/${id}`, { schemas: [GROUP], displayName })
      expect(cleared.body.members).toEqual([])
    })

    test('[R7644-3.4.2.2-42] [R7644-3.4.2.2-49] [PROF-15] members and groups are searched by id', async () => {
      const [a = '', b = ''] = await users(2)
      const inner = await scim.group({ members: members(a) })
      const outer = await scim.group({ members: members(inner.id, b) })
      const groups = async (filter: string) => idsOf(await scim.find(filter, '/Groups'))
      expect(await groups(`members eq "${a}"`)).toEqual([inner.id])
      expect(await groups(`members.value eq "${a}"`)).toEqual([inner.id])
      expect(await groups(`members[value eq "${inner.id}"]`)).toEqual([outer.id])
      expect(await groups(`members[value eq "${b}" and type eq "User"]`)).toEqual([outer.id])
      expect(await groups(`members[value eq "${b}" and type eq "Group"]`)).toEqual([])
      expect(await groups(`members.type eq "Group" and id eq "${outer.id}"`)).toEqual([outer.id])
      expect(await groups(`id eq "${outer.id}" and members eq "${a}"`)).toEqual([])
      expect(idsOf(await scim.find(`groups.value eq "${outer.id}"`)).sort()).toEqual([a, b].sort())
      expect(idsOf(await scim.find(`groups[value eq "${inner.id}"]`))).toEqual([a])
      expect(idsOf(await scim.find(`groups[value eq "${outer.id}" and type eq "direct"]`))).toEqual(
        [b],
      )
      expect(idsOf(await scim.find(`groups.display eq "${outer.displayName}"`)).sort()).toEqual(
        [a, b].sort(),
      )
    })

    test('the journal tells each change, with the members that came and went', async () => {
      const [entry] = (await scim.expectJournalOfChanges()).filter(
        ({ operation, left }) => operation === 'delete' && left.length > 0,
      )
      expect(entry?.left[0]?.type).toBe('Group')
    })
  })
}
