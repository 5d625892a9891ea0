/** The enterprise extension and its manager: RFC 7643 section 4.3. */

import { describe, expect, test } from 'bun:test'
import { TARGETS } from '../harness.ts'
import { ENTERPRISE, expectRefused, idsOf, namesOf, sharedServer, USER } from './given.ts'

for (const target of TARGETS) {
  describe(`the enterprise extension (${target})`, () => {
    const scim = sharedServer({ target })
    const managerOf = async (id: string) =>
      (await scim.get(`/Users/${id}`)).body[ENTERPRISE]?.manager
    const reference = (boss: { id: string; displayName: string }) => ({
      value: boss.id,
      $ref: `${scim.url()}/Users/${boss.id}`,
      displayName: boss.displayName,
    })

    test('[R7643-4.3-01] its attributes are free text', async () => {
      const held = {
        employeeNumber: '007',
        costCenter: 'C 1',
        organization: 'O',
        division: 'Dv',
        department: 'Dp',
      }
      const user = await scim.user({ [ENTERPRISE]: held })
      expect(user.schemas).toEqual([USER, ENTERPRISE])
      expect(user[ENTERPRISE]).toEqual(held)
      expect((await scim.get(`/Users/${user.id}`)).body).toEqual(user)
    })

    test('[R7643-4.3-02] manager.value is searched as it is spelled', async () => {
      const boss = await scim.user({ displayName: 'Boss' })
      const { id } = await scim.user({ [ENTERPRISE]: { manager: { value: boss.id } } })
      const path = `${ENTERPRISE}:manager`
      expect(idsOf(await scim.find(`${path}.value eq "${boss.id}"`))).toEqual([id])
      expect(idsOf(await scim.find(`${path} eq "${boss.id}"`))).toEqual([id])
      expect(await scim.find(`${path}.value eq "${boss.id.toUpperCase()}"`)).toEqual([])
      expect(idsOf(await scim.find(`id eq "${id}" and manager eq "${boss.id}"`))).toEqual([id])
    })

    test('[R7643-4.3-03] [R7643-4.3-04] [R7643-7-06] $ref and displayName of a manager are derived', async () => {
      const boss = await scim.user({ displayName: 'Boss' })
      const manager = { value: boss.id, displayName: 'x', $ref: 'http://elsewhere/Users/y' }
      const { id, userName, meta } = await scim.user({ [ENTERPRISE]: { manager } })
      expect(await managerOf(id)).toEqual(reference(boss))
      const put = await scim.request('PUT', `/Users/${id}`, {
        schemas: [USER],
        userName,
        [ENTERPRISE]: { manager: { value: boss.id, displayName: 'y' } },
      })
      expect(put.body[ENTERPRISE].manager).toEqual(reference(boss))
      expect(put.body.meta).toEqual(meta)
      const renamed = await scim.patched(`/Users/${boss.id}`, {
        op: 'replace',
        path: 'displayName',
        value: 'Chief',
      })
      expect(await managerOf(id)).toEqual(reference(renamed))
      expect((await scim.get(`/Users/${id}`)).body.meta).toEqual(meta)
      const found = await scim.find(`${ENTERPRISE}:manager.displayName eq "chief"`)
      expect(idsOf(found)).toEqual([id])
    })

    test('displayName of a manager is not patched', async () => {
      const boss = await scim.user({ displayName: 'Boss' })
      const { id } = await scim.user({ [ENTERPRISE]: { manager: { value: boss.id } } })
      const path = `${ENTERPRISE}:manager.displayName`
      const patch = () => scim.patch(`/Users/${id}`, [{ op: 'replace', path, value: 'x' }])
      await expectRefused(scim, `/Users/${id}`, patch, 400, 'mutability', path)
    })

    test('[ENTRA-17] a manager who does not exist is kept, without what cannot be derived', async () => {
      const { id } = await scim.user({ [ENTERPRISE]: { manager: { value: 'nobody' } } })
      expect(await managerOf(id)).toEqual({ value: 'nobody' })
    })

    test('a manager who is deleted leaves the bare value', async () => {
      const boss = await scim.user()
      const { id, meta } = await scim.user({ [ENTERPRISE]: { manager: { value: boss.id } } })
      await scim.request('DELETE', `/Users/${boss.id}`)
      expect(await managerOf(id)).toEqual({ value: boss.id })
      expect((await scim.get(`/Users/${id}`)).body.meta).toEqual(meta)
    })

    test('[R7643-4.3-05] [ENTRA-11] a manager may come as a string or in a list of one', async () => {
      const boss = await scim.user({ displayName: 'Boss' })
      const path = `${ENTERPRISE}:manager`
      const forms = [
        boss.id,
        [{ value: boss.id }],
        [{ $ref: null, value: boss.id }],
        { value: boss.id },
        { $ref: `${scim.url()}/Users/${boss.id}` },
        { $ref: `../Users/${boss.id}` },
      ]
      for (const op of ['add', 'replace']) {
        for (const value of forms) {
          const { id } = await scim.user()
          const after = await scim.patched(`/Users/${id}`, { op, path, value })
          expect(after[ENTERPRISE].manager).toEqual(reference(boss))
          expect(after.schemas).toEqual([USER, ENTERPRISE])
        }
      }
      expect((await scim.user({ [ENTERPRISE]: { manager: boss.id } }))[ENTERPRISE].manager).toEqual(
        reference(boss),
      )
    })

    test('one manager takes the place of another, in every form', async () => {
      const [a, b, c] = [await scim.user(), await scim.user(), await scim.user()]
      const { id } = await scim.user({ [ENTERPRISE]: { manager: { value: a.id } } })
      const path = `${ENTERPRISE}:manager`
      const valueAfter = async (value: unknown, at = path) =>
        (await scim.patched(`/Users/${id}`, { op: 'replace', path: at, value }))[ENTERPRISE].manager
          .value
      expect(await valueAfter(b.id)).toBe(b.id)
      expect(await valueAfter({ $ref: `${scim.url()}/Users/${c.id}` })).toBe(c.id)
      expect(await valueAfter(a.id, `${path}.value`)).toBe(a.id)
      expect(await valueAfter({ value: b.id, $ref: `${scim.url()}/Users/${c.id}` })).toBe(b.id)
    })

    test.each([
      [{ op: 'remove', path: `${ENTERPRISE}:manager` }],
      [{ op: 'replace', path: `${ENTERPRISE}:manager`, value: '' }],
      [{ op: 'replace', path: `${ENTERPRISE}:manager`, value: null }],
      [{ op: 'replace', path: `${ENTERPRISE}:manager`, value: { value: null } }],
      [{ op: 'replace', value: { [`${ENTERPRISE}:manager`]: '' } }],
    ])('[R7644-3.5.2.2-15] %j leaves no manager', async (operation) => {
      const boss = await scim.user()
      const user = await scim.user({ [ENTERPRISE]: { manager: { value: boss.id } } })
      const after = await scim.patched(`/Users/${user.id}`, operation)
      expect(after.schemas).toEqual([USER])
      expect(after).not.toHaveProperty([ENTERPRISE])
      const pr = `${ENTERPRISE}:manager pr and id eq "${user.id}"`
      expect(await scim.find(pr)).toEqual([])
    })

    test('[R7644-3.4.2.2-45] [R7644-3.4.2.2-47] [R7644-3.10-03] its attributes are searched under the URN', async () => {
      const user = await scim.user({ [ENTERPRISE]: { department: 'Search-me' } })
      for (const filter of [
        `${ENTERPRISE}:department eq "search-ME"`,
        `${ENTERPRISE.toUpperCase()}:DEPARTMENT eq "search-me"`,
        'department eq "search-me"',
        `schemas eq "${ENTERPRISE}" and userName eq "${user.userName}"`,
        `schemas eq "${ENTERPRISE.toUpperCase()}" and id eq "${user.id}"`,
      ]) {
        expect(namesOf(await scim.find(filter)), filter).toEqual([user.userName])
      }
    })

    test('the journal tells each change, and nothing that was refused', async () => {
      await scim.expectJournalOfChanges()
    })
  })
}
