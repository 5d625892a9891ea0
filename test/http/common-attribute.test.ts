/** id, externalId and meta, which every resource has: RFC 7643 section 3.1. */

import { describe, expect, test } from 'bun:test'
import { TARGETS } from '../harness.ts'
import { expectError, idsOf, sharedServer, USER } from './given.ts'

for (const target of TARGETS) {
  describe(`common attributes (${target})`, () => {
    const scim = sharedServer({ target })
    const post = (body: unknown) => scim.request('POST', '/Users', body)

    /** Makes the server's clock show more than this instant. */
    async function later(instant: string): Promise<void> {
      if (target === 'source') return scim.server().passTime(1000)
      while (Date.now() <= Date.parse(instant)) await Bun.sleep(1)
    }

    test('[R7643-3.1-02] users and groups share one namespace of ids', async () => {
      const ids = idsOf([await scim.user(), await scim.group(), await scim.user()])
      expect(new Set(ids).size).toBe(3)
      for (const id of ids) expect(id).not.toMatch(/bulkid/i)
    })

    test('[R7643-3.1-03] [R7643-3.1-05] the server chooses the id and keeps it', async () => {
      const user = await scim.user({ id: 'mine' })
      expect(user.id).not.toBe('mine')
      const put = await scim.request('PUT', `/Users/${user.id}`, {
        schemas: [USER],
        userName: scim.fresh(),
        id: 'other',
      })
      expect(put.body.id).toBe(user.id)
      const renamed = await scim.patched(`/Users/${user.id}`, {
        op: 'replace',
        value: { id: 'third', userName: scim.fresh() },
      })
      expect(renamed.id).toBe(user.id)
      expect((await scim.get('/Users/mine')).status).toBe(404)
      expect((await scim.get('/Users/other')).status).toBe(404)
    })

    test('[R7643-3.1-04] an id is never given twice', async () => {
      const first = await scim.user()
      await scim.request('DELETE', `/Users/${first.id}`)
      const second = await scim.user({ userName: first.userName })
      expect(second.id).not.toBe(first.id)
      expect((await scim.get(`/Users/${first.id}`)).status).toBe(404)
    })

    test('[R7643-3.1-06] no id holds "bulkId"', async () => {
      const users = await Promise.all(Array.from({ length: 50 }, () => scim.user()))
      expect(idsOf(users).filter((id) => /bulkid/i.test(id))).toEqual([])
    })

    test('[R7643-3.1-07] ids are told apart by case', async () => {
      const { id } = await scim.user()
      const upper = id.toUpperCase()
      expect(upper).not.toBe(id)
      expectError(await scim.get(`/Users/${upper}`), 404, undefined, upper)
      expect(await scim.find(`id eq "${upper}"`)).toEqual([])
      expect(await scim.find(`id eq "${id}"`)).toHaveLength(1)
    })

    test('[R7643-3.1-08] the server invents no externalId', async () => {
      expect(await scim.user()).not.toHaveProperty('externalId')
    })

    test('[R7643-3.1-09] [R7643-7-05] externalId is case exact, writable and searchable', async () => {
      const { id } = await scim.user({ externalId: 'AbC' })
      expect(idsOf(await scim.find('externalId eq "AbC"'))).toEqual([id])
      expect(await scim.find('externalId eq "abc"')).toEqual([])
      const after = await scim.patched(`/Users/${id}`, {
        op: 'replace',
        path: 'externalId',
        value: 'DeF',
      })
      expect(after.externalId).toBe('DeF')
      expect(await scim.find('externalId eq "AbC"')).toEqual([])
    })

    test('[R7643-3.1-10] two users may have one externalId', async () => {
      const users = [await scim.user({ externalId: 'two' }), await scim.user({ externalId: 'two' })]
      expect(idsOf(await scim.find('externalId eq "two"'))).toEqual(idsOf(users))
    })

    test('[R7643-3.1-12] [R7643-3.1-13] [R7644-3.3-03] meta is the server’s, whatever the client says', async () => {
      const meta = {
        resourceType: 'Foo',
        created: '1999-01-01T00:00:00Z',
        lastModified: '1999-01-01T00:00:00Z',
        location: 'http://elsewhere/',
        version: 'W/"9"',
      }
      const user = await scim.user({ meta, groups: [{ value: 'x' }], id: 'x' })
      expect(user.meta.resourceType).toBe('User')
      expect(user.meta.created).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      expect(user.meta.created).not.toStartWith('1999')
      expect(user.meta.lastModified).toBe(user.meta.created)
      expect(user.meta.version).not.toBe(meta.version)
      expect(user.meta.location).toBe(`${scim.url()}/Users/${user.id}`)
      expect(user.id).not.toBe('x')
      expect(user).not.toHaveProperty('groups')
    })

    test('[R7643-3.1-14] [R7643-3.1-15] created stays, and lastModified begins as created', async () => {
      const user = await scim.user()
      expect(user.meta.lastModified).toBe(user.meta.created)
      const after = await scim.patched(`/Users/${user.id}`, {
        op: 'replace',
        path: 'title',
        value: 'T',
      })
      expect(after.meta.created).toBe(user.meta.created)
    })

    test('[R7643-3.1-16] [R7644-3.5.2-27] what changes nothing moves neither version nor lastModified', async () => {
      const user = await scim.user({ title: 'T' })
      await later(user.meta.lastModified)
      const same = await scim.patched(`/Users/${user.id}`, {
        op: 'replace',
        path: 'title',
        value: 'T',
      })
      expect(same.meta).toEqual(user.meta)
      const changed = await scim.patched(`/Users/${user.id}`, {
        op: 'replace',
        path: 'title',
        value: 'U',
      })
      expect(changed.meta.version).not.toBe(user.meta.version)
      expect(Date.parse(changed.meta.lastModified)).toBeGreaterThan(
        Date.parse(user.meta.lastModified),
      )
    })

    test('[R7643-3.1-17] [R7643-3.1-18] [R7644-3.14-01] [R7644-3.14-02] [R7644-3.14-03] headers say what meta says', async () => {
      const userName = scim.fresh()
      const create = await post({ schemas: [USER], userName })
      const place = `/Users/${create.body.id}`
      const replies = [
        create,
        await scim.get(place),
        await scim.request('PUT', place, { schemas: [USER], userName, title: 'T' }),
        await scim.patch(place, [{ op: 'replace', path: 'title', value: 'U' }]),
      ]
      for (const { headers, body } of replies) {
        expect(headers.get('location')).toBe(`${scim.url()}${place}`)
        expect(headers.get('content-location')).toBe(body.meta.location)
        expect(body.meta.location).toBe(`${scim.url()}${place}`)
        expect(headers.get('etag')).toBe(body.meta.version)
        expect(body.meta.version).toMatch(/^W\/"[^"]+"$/)
      }
    })

    test('[R7643-3.1-19] meta is returned by default, and in part when asked for', async () => {
      const { id, meta } = await scim.user()
      const read = async (parameters: string) => (await scim.get(`/Users/${id}${parameters}`)).body
      expect(await read('?attributes=userName')).not.toHaveProperty('meta')
      expect(await read('?excludedAttributes=meta')).not.toHaveProperty('meta')
      expect((await read('?attributes=meta.version')).meta).toEqual({ version: meta.version })
      expect((await read('?excludedAttributes=meta.version')).meta).not.toHaveProperty('version')
      expect((await read('?excludedAttributes=meta.version')).meta.created).toBe(meta.created)
    })

    test('[R7643-3.1-20] [R7644-3.3-13] meta.resourceType follows the endpoint', async () => {
      expect((await scim.user()).meta.resourceType).toBe('User')
      expect((await scim.group()).meta.resourceType).toBe('Group')
    })
    test('the journal tells each change, and no read', async () => {
      await scim.expectJournalOfChanges()
    })
  })
}
