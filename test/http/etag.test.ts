/** Versions and conditional requests: RFC 7644 section 3.14. */

import { describe, expect, test } from 'bun:test'
import { TARGETS } from '../harness.ts'
import {
  ENTERPRISE,
  expectError,
  expectRefused,
  idsOf,
  PATCH_OP,
  sharedServer,
  USER,
} from './given.ts'

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
        const reply = await scim.get(`${place}?excludedAttributes=groups`, {
          'If-None-Match': header,
        })
        expect(reply.status, header).toBe(304)
        expect(reply.text).toBe('')
        expect(reply.headers.get('etag')).toBe(now)
        expect(reply.headers.get('content-location')).toBe(`${scim.url()}${place}`)
        expect(reply.headers.get('cache-control')).toBe('private, no-cache')
      }
    })

    /** What a client that holds the answer to this request is answered when it asks anew. */
    async function again(path: string, method = 'GET'): Promise<number> {
      const held = await scim.get(path)
      const headers = { 'If-None-Match': held.headers.get('etag') ?? '' }
      const reply = await scim.request(method, path, undefined, headers)
      if (reply.status === 304) expect((await scim.get(path)).body).toEqual(held.body)
      return reply.status
    }

    test('a user is never unchanged while its groups are shown, as they move no version', async () => {
      const { id } = await scim.user()
      const place = `/Users/${id}`
      const tag = await tagOf(place)
      const group = await scim.group()
      const members = (op: string) =>
        scim.patched(`/Groups/${group.id}`, { op, path: 'members', value: [{ value: id }] })
      for (const op of ['add', 'remove']) {
        await members(op)
        for (const header of [tag, `"a", ${tag}`, '*']) {
          const reply = await scim.get(place, { 'If-None-Match': header })
          expect([reply.status, reply.headers.get('etag')]).toEqual([200, tag])
          expect(idsOf(reply.body.groups ?? [])).toEqual(op === 'add' ? [group.id] : [])
        }
      }
      for (const query of [
        'attributes=groups',
        'attributes=groups.value',
        'attributes=USERNAME,Groups',
      ])
        expect(await again(`${place}?${query}`)).toBe(200)
      expect(await again(place, 'HEAD')).toBe(200)
      for (const query of ['excludedAttributes=groups', 'attributes=userName', 'attributes=meta'])
        for (const method of ['GET', 'HEAD'])
          expect(await again(`${place}?${query}`, method)).toBe(304)
    })

    test('a group is never unchanged while the names of members are shown', async () => {
      const user = await scim.user({ displayName: 'Before' })
      const { id } = await scim.group({ members: [{ value: user.id }] })
      const place = `/Groups/${id}`
      const tag = await tagOf(place)
      await scim.patched(`/Users/${user.id}`, {
        op: 'replace',
        path: 'displayName',
        value: 'After',
      })
      const reply = await scim.get(place, { 'If-None-Match': tag })
      expect([reply.status, reply.headers.get('etag')]).toEqual([200, tag])
      expect(reply.body.members[0].display).toBe('After')
      for (const query of [
        'attributes=members',
        'attributes=members.display',
        'attributes=members.$ref',
      ])
        expect(await again(`${place}?${query}`)).toBe(200)
      const covered = [
        'excludedAttributes=members',
        'excludedAttributes=members.display,members.$ref',
        'attributes=members.value,members.type',
        'attributes=displayName',
      ]
      for (const query of covered) expect(await again(`${place}?${query}`)).toBe(304)
      await scim.patched(place, { op: 'remove', path: 'members' })
      expect(await again(place)).toBe(304)
      expect((await scim.get(place, { 'If-None-Match': tag })).body.members).toEqual([])
    })

    test('a user is never unchanged while the name of a manager is shown', async () => {
      const boss = await scim.user({ displayName: 'Before' })
      const { id } = await scim.user({
        schemas: [USER, ENTERPRISE],
        [ENTERPRISE]: { manager: { value: boss.id }, department: 'D' },
      })
      const place = `/Users/${id}`
      const without = `${place}?excludedAttributes=groups`
      const tag = await tagOf(without)
      await scim.patched(`/Users/${boss.id}`, {
        op: 'replace',
        path: 'displayName',
        value: 'After',
      })
      const reply = await scim.get(without, { 'If-None-Match': tag })
      expect([reply.status, reply.headers.get('etag')]).toEqual([200, tag])
      expect(reply.body[ENTERPRISE].manager.displayName).toBe('After')
      for (const of of ['', ':manager', ':manager.displayName', ':manager.$ref'])
        expect(await again(`${place}?attributes=${ENTERPRISE}${of}`)).toBe(200)
      for (const of of [':manager.value', ':department'])
        expect(await again(`${place}?attributes=${ENTERPRISE}${of}`)).toBe(304)
      expect(await again(`${without},${ENTERPRISE}:manager`)).toBe(304)
      await scim.request('DELETE', `/Users/${boss.id}`)
      expect((await scim.get(without, { 'If-None-Match': tag })).status).toBe(200)
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

    test('If-None-Match with *, or with the tag, is refused to every write of what is there', async () => {
      const { place, userName, old, now } = await stale()
      const body = { schemas: [USER], userName }
      for (const header of ['*', now, now.slice(2), `${old}, ${now}`]) {
        const headers = { 'If-None-Match': header }
        for (const send of [
          () => scim.request('PUT', place, body, headers),
          () => scim.patch(place, title('N'), headers),
          () => scim.patch(place, [], headers),
          () => scim.patch(place, title('N'), { ...headers, 'If-Match': now }),
          () => scim.request('DELETE', place, undefined, headers),
        ])
          await expectRefused(scim, place, send, 412, undefined, header, now)
      }
      // If-Match is looked at first. RFC 9110 section 13.2.2.
      const both = { 'If-Match': old, 'If-None-Match': '*' }
      expectError(await scim.patch(place, title('N'), both), 412, undefined, old)
    })

    test('If-None-Match with another tag is granted, and what is not there is not found', async () => {
      const { place, userName, old } = await stale()
      const headers = { 'If-None-Match': old }
      const body = { schemas: [USER], userName }
      expect((await scim.patch(place, title('N'), headers)).status).toBe(200)
      expect((await scim.request('PUT', place, body, headers)).status).toBe(200)
      for (const header of ['*', 'W/"1"']) {
        const nowhere = { 'If-None-Match': header }
        expectError(await scim.request('PUT', '/Users/nope', body, nowhere), 404)
        expectError(await scim.patch('/Users/nope', title('N'), nowhere), 404)
        expectError(await scim.request('DELETE', '/Users/nope', undefined, nowhere), 404)
      }
      expect((await scim.request('DELETE', place, undefined, headers)).status).toBe(204)
    })

    test('the header of a bulk request, or of a POST, is about no resource', async () => {
      const { place, now } = await stale()
      const headers = { 'If-None-Match': '*', 'If-Match': '"none"' }
      const created = await scim.request(
        'POST',
        '/Users',
        { schemas: [USER], userName: scim.fresh() },
        headers,
      )
      expect(created.status).toBe(201)
      const operation = (version: string) => ({
        method: 'PATCH',
        path: place,
        version,
        data: { schemas: [PATCH_OP], Operations: title('T') },
      })
      const schemas = ['urn:ietf:params:scim:api:messages:2.0:BulkRequest']
      const Operations = [operation('W/"99"'), operation(now)]
      const { body } = await scim
        .server()
        .request('POST', '/Bulk', { schemas, Operations }, headers)
      expect(body.Operations.map(({ status }: { status: string }) => status)).toEqual([
        '412',
        '200',
      ])
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
