/** PUT: RFC 7644 section 3.5.1. Custom schemas have their own tests of immutable attributes. */

import { describe, expect, test } from 'bun:test'
import { TARGETS } from '../harness.ts'
import { ENTERPRISE, expectError, expectRefused, GROUP, sharedServer, USER } from './given.ts'

for (const target of TARGETS) {
  describe(`replacement (${target})`, () => {
    const scim = sharedServer({ target })
    const put = (id: string, body: unknown) => scim.request('PUT', `/Users/${id}`, body)

    test('[R7644-3.5.1-01] [R7644-3.5.1-12] a PUT answers 200, the whole resource and a new tag', async () => {
      const user = await scim.user({ title: 'T' })
      const reply = await put(user.id, { schemas: [USER], userName: user.userName, title: 'U' })
      expect(reply.status).toBe(200)
      expect(reply.body).toEqual({ ...user, title: 'U', meta: reply.body.meta })
      expect(reply.headers.get('etag')).not.toBe(user.meta.version)
      expect((await scim.get(`/Users/${user.id}`)).body).toEqual(reply.body)
    })

    test('[R7644-3.5.1-02] [R7644-3.2-01] a PUT never creates', async () => {
      const total = await scim.total('/Users')
      const body = { schemas: [USER], userName: scim.fresh() }
      expectError(await put('unknown', body), 404, undefined, 'unknown')
      expect(await scim.total('/Users')).toBe(total)
      expect(await scim.find(`userName eq "${body.userName}"`)).toEqual([])
    })

    test('[R7644-3.5.1-03] [R7644-3.5.1-04] [R7644-3.5.1-05] what a PUT leaves out is cleared', async () => {
      const { id, userName } = await scim.user({
        nickName: 'N',
        emails: [{ value: 'a@b', type: 'work' }],
        name: { givenName: 'A', familyName: 'B' },
        externalId: 'E',
        [ENTERPRISE]: { department: 'D' },
      })
      const { body } = await put(id, {
        schemas: [USER],
        userName,
        emails: [{ value: 'c@d' }],
        name: { givenName: 'C' },
      })
      const { meta, ...rest } = body
      expect(rest).toEqual({
        schemas: [USER],
        id,
        userName,
        active: true,
        emails: [{ value: 'c@d' }],
        name: { givenName: 'C' },
      })
      expect(meta.version).toBeString()
      expect(await scim.find('externalId eq "E"')).toEqual([])
      expect(await scim.find('emails.value eq "a@b"')).toEqual([])
    })

    test.each([[true], [false]])(
      '[R7644-3.5.1-04] active %j stays where a PUT leaves it out',
      async (active) => {
        const { id, userName } = await scim.user({ active })
        expect((await put(id, { schemas: [USER], userName })).body.active).toBe(active)
        const cleared = await put(id, { schemas: [USER], userName, active: null })
        expect(cleared.body.active).toBe(active)
        const again = await put(id, { schemas: [USER], userName })
        expect(again.body.active).toBe(active)
      },
    )

    test('[R7644-3.5.1-06] null and [] clear', async () => {
      const { id, userName } = await scim.user({ emails: [{ value: 'a@b' }], title: 'T' })
      const { body } = await put(id, { schemas: [USER], userName, emails: [], title: null })
      expect(body).not.toHaveProperty('emails')
      expect(body).not.toHaveProperty('title')
    })

    test('[R7644-3.5.1-10] [R7644-3.5.1-19] readOnly values are ignored, another id among them', async () => {
      const user = await scim.user()
      const { status, body } = await put(user.id, {
        ...user,
        id: 'other',
        meta: { created: '1999-01-01T00:00:00Z', version: 'W/"99"', resourceType: 'Group' },
        groups: [{ value: 'x' }],
      })
      expect(status).toBe(200)
      expect(body).toEqual(user)
    })

    test.each([
      ['R7644-3.5.1-11', { schemas: [USER] }, 'invalidValue', 'userName'],
      ['R7644-3.5.1-11', { schemas: [USER], userName: null }, 'invalidValue', 'userName'],
      ['R7644-3.5.1-13', { schemas: 'x', userName: 'x' }, 'invalidSyntax', 'schemas'],
      ['R7644-3.5.1-13', { schemas: [GROUP], userName: 'x' }, 'invalidSyntax', 'schemas'],
      ['R7644-3.5.1-18', { schemas: [USER], userName: 'x', name: 5 }, 'invalidValue', 'name'],
      ['R7644-3.5.1-18', [], 'invalidSyntax', 'body'],
      ['R7644-3.5.1-18', 'no json', 'invalidSyntax', 'body'],
    ])('[%s] a PUT of %j is refused and changes nothing', async (_id, body, scimType, mention) => {
      const { id } = await scim.user({ title: 'T' })
      await expectRefused(scim, `/Users/${id}`, () => put(id, body), 400, scimType, mention)
    })

    test('[R7644-3.5.1-15] a PUT that says what is so moves nothing, whatever the order', async () => {
      const user = await scim.user({
        emails: [{ value: 'a@b', type: 'work', primary: true }],
        name: { givenName: 'A', familyName: 'B' },
        [ENTERPRISE]: { department: 'D' },
      })
      const reply = await put(user.id, {
        [ENTERPRISE]: { department: 'D' },
        name: { familyName: 'B', givenName: 'A' },
        emails: [{ primary: true, type: 'work', value: 'a@b' }],
        active: true,
        userName: user.userName,
        schemas: [ENTERPRISE, USER],
      })
      expect(reply.body).toEqual(user)
    })

    test('a PUT to a collection is not for this path', async () => {
      const reply = await scim.request('PUT', '/Users', { schemas: [USER], userName: 'x' })
      expectError(reply, 405, undefined, 'PUT')
      expect(reply.headers.get('allow')).toInclude('POST')
    })

    test('the journal tells each change as it was and as it is', async () => {
      const { id, userName } = await scim.user({ title: 'T', nickName: 'N' })
      await put(id, { schemas: [USER], userName, title: 'U' })
      const last = (await scim.expectJournalOfChanges()).at(-1)
      expect(last).toMatchObject({ operation: 'replace', id })
      expect(last?.before).toEqual({ title: 'T', nickName: 'N' })
      expect(last?.after).toEqual({ title: 'U' })
    })
  })
}
