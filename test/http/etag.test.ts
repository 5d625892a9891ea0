/** Versions and conditional requests: RFC 7644 section 3.14. */

import { describe, expect, test } from 'bun:test'
import { TARGETS } from '../harness.ts'
import { expectError, expectRefused, sharedServer, USER } from './given.ts'

for (const target of TARGETS) {
  describe(`entity tags (${target})`, () => {
    const scim = sharedServer({ target })
    const tagOf = async (path: string) => (await scim.get(path)).headers.get('etag') ?? ''
    const title = (value: string) => [{ op: 'replace', path: 'title', value }]

    async function stale(): Promise<{ place: string; userName: string; old: string; now: string }> {
      const { id, userName, meta } = await scim.user()
      const place = `/Users/${id}`
      const { meta: after } = await scim.patched(place, ...title('T'))
      return { place, userName, old: meta.version, now: after.version }
    }

    test('[R7644-3.14-04] a tag moves exactly when the resource does', async () => {
      const { id, userName } = await scim.user()
      const place = `/Users/${id}`
      const tags = [await tagOf(place)]
      const step = async (...operations: { op: string; path: string; value?: unknown }[]) => {
        await scim.patched(place, ...operations)
        tags.push(await tagOf(place))
      }
      await step(...title('T'))
      await step({ op: 'remove', path: 'title' })
      await step({ op: 'add', path: 'emails', value: [{ value: 'a@b' }] })
      expect(new Set(tags).size).toBe(4)
      await step({ op: 'remove', path: 'title' })
      await step({ op: 'add', path: 'nickName', value: 'x' }, { op: 'remove', path: 'nickName' })
      await scim.request('PUT', place, { schemas: [USER], userName, emails: [{ value: 'a@b' }] })
      expect(new Set([...tags, await tagOf(place)]).size).toBe(4)
    })

    test('[R7644-3.14-04] a group’s tag moves with its members, a user’s does not with its groups', async () => {
      const user = await scim.user()
      const group = await scim.group()
      const patch = await scim.patch(`/Groups/${group.id}`, [
        { op: 'add', path: 'members', value: [{ value: user.id }] },
      ])
      expect(patch.headers.get('etag')).not.toBe(group.meta.version)
      expect(await tagOf(`/Groups/${group.id}`)).toBe(patch.headers.get('etag') ?? '')
      expect(await tagOf(`/Users/${user.id}`)).toBe(user.meta.version)
    })

    test('[R7644-3.14-05] [R7644-3.14-06] If-None-Match with the tag, in a list, or * answers 304', async () => {
      const { place, now } = await stale()
      for (const header of [now, now.slice(2), `"a", ${now}`, `${now},"b"`, '*']) {
        const reply = await scim.get(place, { 'If-None-Match': header })
        expect(reply.status, header).toBe(304)
        expect(reply.text).toBe('')
        expect(reply.headers.get('etag')).toBe(now)
      }
    })

    test('[R7644-3.14-07] If-None-Match with another tag answers the resource', async () => {
      const { place, old, now } = await stale()
      for (const header of [old, '"a"', '"a", "b"', 'garbage']) {
        const reply = await scim.get(place, { 'If-None-Match': header })
        expect(reply.status, header).toBe(200)
        expect(reply.body.meta.version).toBe(now)
      }
      expectError(await scim.get('/Users/nope', { 'If-None-Match': '*' }), 404)
    })

    test('[R7644-3.14-08] [R7644-3.6-06] [R7644-3.12-16] If-Match with an old tag is refused to every write', async () => {
      const { place, userName, old, now } = await stale()
      const headers = { 'If-Match': old }
      const body = { schemas: [USER], userName }
      for (const send of [
        () => scim.request('PUT', place, body, headers),
        () => scim.patch(place, title('U'), headers),
        () => scim.patch(place, [], headers),
        () => scim.request('DELETE', place, undefined, headers),
      ]) {
        await expectRefused(scim, place, send, 412, undefined, old, now)
      }
    })

    test('[R7644-3.14-09] [R7644-3.14-10] If-Match with the tag, weak or not, is granted', async () => {
      const { place, userName } = await stale()
      const body = { schemas: [USER], userName }
      const matching = async () => ({ 'If-Match': await tagOf(place) })
      expect((await scim.request('PUT', place, body, await matching())).status).toBe(200)
      const strong = { 'If-Match': (await tagOf(place)).slice(2) }
      expect((await scim.patch(place, title('V'), strong)).status).toBe(200)
      const listed = { 'If-Match': `"x", ${await tagOf(place)}` }
      expect((await scim.patch(place, title('W'), listed)).status).toBe(200)
      expect((await scim.request('DELETE', place, undefined, await matching())).status).toBe(204)
    })

    test('[R7644-3.14-11] If-Match * is granted where there is a resource, and only there', async () => {
      const { place } = await stale()
      const headers = { 'If-Match': '*' }
      expect((await scim.patch(place, title('X'), headers)).status).toBe(200)
      expectError(await scim.patch('/Users/nope', title('X'), headers), 404)
      expectError(await scim.request('DELETE', '/Users/nope', undefined, headers), 404)
    })

    test('[R7644-3.14-12] without If-Match a write is unconditional', async () => {
      const { place } = await stale()
      expect((await scim.patch(place, title('Y'))).status).toBe(200)
    })

    test('[R7644-3.14-13] of many writes at once with one tag, one is granted', async () => {
      const { place, now } = await stale()
      const replies = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          scim.patch(place, title(`at once ${index}`), { 'If-Match': now }),
        ),
      )
      const granted = replies.filter(({ status }) => status === 200)
      expect(granted).toHaveLength(1)
      for (const reply of replies) if (reply !== granted[0]) expectError(reply, 412)
      expect((await scim.get(place)).body.title).toBe(granted[0]?.body.title)
    })

    test('the journal tells each change, and nothing that was refused', async () => {
      await scim.expectJournalOfChanges()
    })
  })
}
