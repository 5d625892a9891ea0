/** Paging by cursor: RFC 9865. */

import { beforeAll, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { mintToken } from '../../src/auth/bearer.ts'
import { sealer } from '../../src/auth/seal.ts'
import { CURSOR_LIFETIME_MS, PAGE_COUNT_DEFAULT, PAGE_COUNT_MAX } from '../../src/scim/limits.ts'
import { openLmdbControl } from '../../src/store/lmdb-control.ts'
import { send, TARGETS } from '../harness.ts'
import {
  type Body,
  expectError,
  GROUP,
  type Scim,
  SERVICE_PROVIDER_CONFIG,
  sharedServer,
  USER,
} from './given.ts'

const SEARCH = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest'
const UNRESERVED = /^[A-Za-z0-9._~-]+$/
const COUNT = 23

type Parameters = Readonly<Record<string, string>>

const namesIn = ({ Resources }: Body): string[] =>
  Resources.map((one: Body) => one.userName ?? one.displayName)

/** Users of whom some have a title, some the same one; and groups, made by turns with them. */
async function fill(scim: Scim): Promise<void> {
  for (let index = 0; index < COUNT; index++) {
    const title = index % 3 === 0 ? {} : { title: `t${index % 4}` }
    await scim.user({ userName: `user-${(index * 7) % COUNT}`, displayName: `d${index}`, ...title })
    if (index % 2 === 0) await scim.group({ displayName: `group-${(index * 5) % COUNT}` })
  }
}

for (const target of TARGETS) {
  describe(`paging by cursor (${target})`, () => {
    const scim = sharedServer({ target })
    beforeAll(() => fill(scim))

    const ask = (parameters: Parameters, path = '/Users') =>
      scim.get(`${path}?${new URLSearchParams(parameters)}`)
    const page = async (parameters: Parameters, path?: string): Promise<Body> => {
      const reply = await ask(parameters, path)
      expect(reply.status, reply.text).toBe(200)
      return reply.body
    }
    /** All pages of a query, in order. */
    async function walk(parameters: Parameters, path?: string): Promise<Body[]> {
      const pages = [await page({ cursor: '', ...parameters }, path)]
      for (;;) {
        const cursor = pages.at(-1).nextCursor
        if (cursor === undefined) return pages
        pages.push(await page({ ...parameters, cursor }, path))
      }
    }
    const refuse = async (parameters: Parameters, scimType: string, path?: string) => {
      const reply = await ask(parameters, path)
      expectError(reply, 400, scimType)
      return reply.body.detail as string
    }

    test('[R9865-2-01] a cursor without a value begins, with and without an equals sign', async () => {
      for (const query of ['cursor&count=10', 'cursor=&count=10', 'count=10&cursor']) {
        const { body, status } = await scim.get(`/Users?${query}`)
        expect(status).toBe(200)
        expect(body).toMatchObject({ totalResults: COUNT, itemsPerPage: 10 })
        expect(body.nextCursor).toMatch(UNRESERVED)
      }
    })

    test('[R9865-2-02] [R9865-2-11] [R9865-2-14] the pages are the list, and each tells the total', async () => {
      const whole = namesIn(await page({ count: '1000' }))
      for (const count of [1, 2, 7, COUNT - 1, COUNT, COUNT + 1]) {
        const pages = await walk({ count: String(count) })
        expect(pages.flatMap(namesIn)).toEqual(whole)
        expect(pages).toBeArrayOfSize(Math.ceil(COUNT / count))
        for (const { totalResults } of pages) expect(totalResults).toBe(COUNT)
        for (const { nextCursor } of pages.slice(0, -1)) expect(nextCursor).toBeString()
      }
    })

    test('[R9865-2-03] a last page that is exactly full has no nextCursor', async () => {
      const pages = await walk({ count: String(COUNT) })
      expect(pages).toBeArrayOfSize(1)
      expect(pages[0]).not.toHaveProperty('nextCursor')
      const none = await page({ cursor: '', filter: 'userName eq "nobody"' })
      expect(none).toMatchObject({ totalResults: 0, itemsPerPage: 0, Resources: [] })
      expect(none).not.toHaveProperty('nextCursor')
    })

    test('[R9865-2-04] [R9865-2-12] no page has previousCursor or startIndex', async () => {
      for (const one of await walk({ count: '10' })) {
        expect(one).not.toHaveProperty('previousCursor')
        expect(one).not.toHaveProperty('startIndex')
      }
    })

    test('[R9865-2-05] a cursor has unreserved characters only, also after a long sort value', async () => {
      const long = '\u0001\u00ff 😀'.repeat(700)
      const { id } = await scim.user({ userName: 'long', nickName: long })
      const first = await page({ cursor: '', count: '1', sortBy: 'nickName' })
      expect(first.nextCursor).toMatch(UNRESERVED)
      expect(first.nextCursor.length).toBeLessThan(4096)
      await scim.request('DELETE', `/Users/${id}`)
    })

    test('[R9865-2-06] [R9865-2.1-01] a changed cursor is refused', async () => {
      const { nextCursor } = await page({ cursor: '', count: '2' })
      for (let at = 0; at < nextCursor.length; at += 5) {
        const flipped = nextCursor[at] === 'A' ? 'B' : 'A'
        const changed = nextCursor.slice(0, at) + flipped + nextCursor.slice(at + 1)
        await refuse({ cursor: changed, count: '2' }, 'invalidCursor')
      }
      for (const cursor of ['zzz', 'MTIz', '=', ' ', '%', `${nextCursor}A`, 'a'.repeat(9000)])
        await refuse({ cursor, count: '2' }, 'invalidCursor')
    })

    test('[R9865-2-06] a cursor is good for its own query only', async () => {
      const query = { count: '2', filter: 'userName sw "user"', sortBy: 'userName' }
      const { nextCursor: cursor } = await page({ cursor: '', ...query })
      const others: Parameters[] = [
        { count: '2', sortBy: 'userName' },
        { count: '2', filter: query.filter },
        { ...query, filter: 'userName sw "use"' },
        { ...query, filter: 'userName co "user"' },
        { ...query, filter: 'displayName sw "user"' },
        { ...query, filter: 'not (userName sw "user")' },
        { ...query, sortBy: 'displayName' },
        { ...query, sortOrder: 'descending' },
      ]
      for (const other of others) await refuse({ ...other, cursor }, 'invalidCursor')
      for (const path of ['/Groups', ''])
        await refuse({ count: '2', cursor, sortBy: 'externalId' }, 'invalidCursor', path)
      expect(namesIn(await page({ ...query, cursor }))).toBeArrayOfSize(2)
    })

    test('[R9865-2-06] the same query in other words is the same query', async () => {
      const query = { count: '2', filter: 'userName sw "user" and not (title eq "t1")' }
      const { nextCursor: cursor } = await page({ cursor: '', ...query, sortBy: 'title' })
      const expected = namesIn(await page({ ...query, sortBy: 'title', cursor }))
      const filter = `( ${USER}:USERNAME  SW "USER")  AND NOT(TITLE EQ "T1")`
      const again = { count: '2', filter, sortBy: `${USER}:Title`, sortOrder: 'ASCENDING' }
      expect(namesIn(await page({ ...again, cursor }))).toEqual(expected)
    })

    test('[R9865-2-07] a page has no more than count', async () => {
      const { itemsPerPage, Resources } = await page({ cursor: '', count: '3' })
      expect([itemsPerPage, Resources.length]).toEqual([3, 3])
    })

    test('[R9865-2-08] a count of 0 or less tells the total and nothing else', async () => {
      for (const count of ['0', '-1', '-999']) {
        const reply = await page({ cursor: '', count })
        expect(reply).toMatchObject({ totalResults: COUNT, itemsPerPage: 0, Resources: [] })
        expect(reply).not.toHaveProperty('nextCursor')
      }
    })

    test('[R9865-2-10] [R9865-2.1-03] a later page has the count of the first, or names none', async () => {
      const { nextCursor: cursor } = await page({ cursor: '', count: '4' })
      for (const count of ['5', '3', '0', '-4', '1000'])
        await refuse({ cursor, count }, 'invalidCount')
      const named = await page({ cursor, count: '4' })
      const unnamed = await page({ cursor })
      expect(named.itemsPerPage).toBe(4)
      expect(namesIn(unnamed)).toEqual(namesIn(named))
    })

    test('[R9865-2.1-03] a count that is no number is invalidCount beside a cursor', async () => {
      for (const count of ['abc', '', '1.5', '1e1'])
        await refuse({ cursor: '', count }, 'invalidCount')
      await refuse({ count: 'abc' }, 'invalidValue')
      for (const count of ['1', 1.5, true, [1]]) {
        const body = { schemas: [SEARCH], cursor: '', count }
        expectError(await scim.request('POST', '/Users/.search', body), 400, 'invalidCount')
      }
    })

    test('[R9865-2-13] cursor and startIndex exclude each other', async () => {
      await refuse({ cursor: '', startIndex: '1' }, 'invalidValue')
      const body = { schemas: [SEARCH], cursor: '', startIndex: 1 }
      expectError(await scim.request('POST', '/Users/.search', body), 400, 'invalidValue')
    })

    test('[R9865-2-15] pages of any sort and filter are the list of that sort and filter', async () => {
      const sorts = ['title', 'userName', 'displayName', 'externalId', 'meta.created', 'id']
      const filters = ['', 'title pr', 'title eq "t1" or userName sw "user-1"', 'not (title pr)']
      for (const filter of filters) {
        for (const sortBy of ['', ...sorts]) {
          for (const sortOrder of ['ascending', 'descending']) {
            const query = {
              ...(filter && { filter }),
              ...(sortBy && { sortBy, sortOrder }),
              attributes: 'userName',
            }
            const whole = await page({ ...query, count: '1000' })
            const pages = await walk({ ...query, count: '5' })
            expect({ query, names: pages.flatMap(namesIn) }).toEqual({
              query,
              names: namesIn(whole),
            })
            for (const { totalResults } of pages) expect(totalResults).toBe(whole.totalResults)
          }
        }
      }
    })

    test('[R9865-2-15] [R7644-3.4.2.1-01] pages over all types are the list over all types', async () => {
      const whole = await page({ count: '1000' }, '')
      expect(whole.totalResults).toBe(COUNT + Math.ceil(COUNT / 2))
      for (const sort of [
        '',
        'displayName',
        'userName',
        'title',
        'members.value',
        'meta.created',
      ]) {
        for (const sortOrder of ['ascending', 'descending']) {
          const query: Parameters = sort ? { sortBy: sort, sortOrder } : {}
          const expected = await ask({ ...query, count: '1000' }, '')
          if (expected.status !== 200) {
            await refuse({ ...query, cursor: '' }, expected.body.scimType, '')
            continue
          }
          for (const count of ['1', '4', '30']) {
            const pages = await walk({ ...query, count }, '')
            expect(pages.flatMap(namesIn)).toEqual(namesIn(expected.body))
            for (const { totalResults } of pages) expect(totalResults).toBe(whole.totalResults)
          }
        }
      }
    })

    test('[R9865-2-14] who does not change while pages are read is met once', async () => {
      const kept = namesIn(await page({ count: '1000' })).toSorted()
      for (const query of [
        {},
        { sortBy: 'userName' },
        { sortBy: 'title', sortOrder: 'descending' },
      ]) {
        const met: string[] = []
        const made: Body[] = []
        let cursor: string | undefined = ''
        for (let round = 0; cursor !== undefined; round++) {
          const { nextCursor, ...one }: Body = await page({ ...query, count: '3', cursor })
          met.push(...namesIn(one))
          cursor = nextCursor
          if (round > 4) continue
          // One before all, one in between, one after all; and one goes that was just met.
          for (const name of ['a', 'user-1', 'zz'])
            made.push(await scim.user({ userName: `${name}-${round}!`, title: 't1' }))
          const gone = made.shift()
          await scim.request('DELETE', `/Users/${gone.id}`)
          await scim.patched(`/Users/${made[0].id}`, {
            op: 'replace',
            path: 'title',
            value: `t${round}`,
          })
        }
        expect(met.filter((name) => !name.endsWith('!')).toSorted()).toEqual(kept)
        for (const { id } of made) await scim.request('DELETE', `/Users/${id}`)
      }
    })

    test('[R9865-2-14] a page goes on where the last one ended when its last resource is gone', async () => {
      const made: Body[] = []
      for (const name of ['1', '2', '3', '4'])
        made.push(await scim.user({ userName: `gone-${name}`, title: 'gone' }))
      for (const sort of [{}, { sortBy: 'userName' }, { sortBy: 'title' }]) {
        const query = { filter: 'userName sw "gone"', count: '2', ...sort }
        const first = await page({ ...query, cursor: '' })
        const [, last] = first.Resources
        await scim.request('DELETE', `/Users/${last.id}`)
        const next = await page({ ...query, cursor: first.nextCursor })
        expect(namesIn(next)).toEqual(['gone-3', 'gone-4'].slice(0, next.Resources.length))
        expect(next.Resources.length).toBe(2)
        await scim.user({ userName: last.userName, title: 'gone' })
        const all = await page({ ...query, count: '10', sortBy: 'userName' })
        for (const { id } of all.Resources) await scim.request('DELETE', `/Users/${id}`)
        for (const name of ['1', '2', '3', '4'])
          await scim.user({ userName: `gone-${name}`, title: 'gone' })
      }
      const left = await page({ filter: 'userName sw "gone"' })
      for (const { id } of left.Resources) await scim.request('DELETE', `/Users/${id}`)
    })

    test('[R9865-2-17] without a cursor, paging is by index and names none', async () => {
      for (const parameters of [{}, { count: '2' }, { startIndex: '2' }]) {
        const body = await page(parameters)
        expect(body.startIndex).toBe(Number(parameters['startIndex' as never] ?? 1))
        expect(body).not.toHaveProperty('nextCursor')
      }
    })

    test('[R9865-3-01] a search by POST pages by cursor', async () => {
      for (const path of ['/Users/.search', '/.search']) {
        const names: string[] = []
        let cursor: string | undefined = ''
        while (cursor !== undefined) {
          const body = { schemas: [SEARCH], cursor, count: 10, sortBy: 'userName' }
          const reply = await scim.request('POST', path, body)
          expect(reply.status, reply.text).toBe(200)
          names.push(...namesIn(reply.body))
          cursor = reply.body.nextCursor
        }
        const whole = await page(
          { count: '1000', sortBy: 'userName' },
          path.replace('/.search', ''),
        )
        expect(names).toEqual(namesIn(whole))
      }
      for (const cursor of [5, true, ['']]) {
        const reply = await scim.request('POST', '/Users/.search', { schemas: [SEARCH], cursor })
        expectError(reply, 400, 'invalidValue')
      }
    })

    test('[R9865-3-01] a cursor from a GET goes on in a POST of the same query', async () => {
      const query = { filter: 'userName sw "user"', sortBy: 'userName' }
      const { nextCursor: cursor } = await page({ ...query, cursor: '', count: '2' })
      const body = { schemas: [SEARCH], ...query, cursor }
      const reply = await scim.request('POST', '/Users/.search', body)
      expect(namesIn(reply.body)).toEqual(namesIn(await page({ ...query, cursor })))
    })

    test('[R9865-3-02] ServiceProviderConfig tells both ways of paging', async () => {
      const { body } = await scim.get('/ServiceProviderConfig')
      expect(body.pagination).toEqual({
        cursor: true,
        index: true,
        defaultPaginationMethod: 'index',
        defaultPageSize: PAGE_COUNT_DEFAULT,
        maxPageSize: PAGE_COUNT_MAX,
        cursorTimeout: CURSOR_LIFETIME_MS / 1000,
      })
    })

    test('[R9865-3-03] the published schema of ServiceProviderConfig has what is told', async () => {
      const { body: schema } = await scim.get(`/Schemas/${SERVICE_PROVIDER_CONFIG}`)
      const { body: config } = await scim.get('/ServiceProviderConfig')
      const published = schema.attributes.find(({ name }: Body) => name === 'pagination')
      const names = published.subAttributes.map(({ name }: Body) => name)
      expect(names.toSorted()).toEqual(Object.keys(config.pagination).toSorted())
      const required = published.subAttributes.filter((sub: Body) => sub.required)
      expect(required.map(({ name }: Body) => name).toSorted()).toEqual(['cursor', 'index'])
    })

    test('[R9865-3-04] [R9865-3-05] [R9865-3-06] a cursor grants nothing to anybody else', async () => {
      const control = openLmdbControl(join(scim.server().data, 'control.mdb'))
      const tokenOf = async (scope: 'read' | 'write', tenant = 'default') => {
        const wanted = { name: 'same', tenant, scope, created: 0, expires: undefined }
        return (await mintToken(control, wanted as never)).token
      }
      await control.addTenant({ name: 'other', created: 0 })
      const [own, same, more] = [
        await tokenOf('read'),
        await tokenOf('read'),
        await tokenOf('write'),
      ]
      const foreign = await tokenOf('read', 'other')
      const as = (token: string, cursor: string, url = scim.url()) =>
        send(`${url}/Users?count=2&cursor=${cursor}`, 'GET', undefined, {
          Authorization: `Bearer ${token}`,
        })
      const { nextCursor } = (await as(own, '')).body
      expect((await as(own, nextCursor)).status).toBe(200)
      const details = new Set<string>()
      for (const token of [same, more]) {
        const reply = await as(token, nextCursor)
        expectError(reply, 400, 'invalidCursor')
        details.add(reply.body.detail)
      }
      const elsewhere = scim.url().replace('/scim/v2', '/t/other/scim/v2')
      const reply = await as(foreign, nextCursor, elsewhere)
      expectError(reply, 400, 'invalidCursor')
      details.add(reply.body.detail)
      details.add(await refuse({ cursor: 'forged', count: '2' }, 'invalidCursor'))
      expect([...details]).toBeArrayOfSize(1)

      await control.removeCredential(own.split('_')[1] ?? '')
      expect((await as(own, nextCursor)).status).toBe(401)
      await control.close()
    })

    test('[R9865-2.1-02] a cursor that is too old has expired', async () => {
      const server = scim.server()
      const control = openLmdbControl(join(server.data, 'control.mdb'))
      // The clock of the executable does not move, so the cursor is made as it was an hour ago.
      const { now } = target === 'source' ? server : Date
      const { seal, open } = sealer(await control.key('cursor'), now)
      await control.close()
      const earliest = now()
      const { nextCursor } = await page({ cursor: '', count: '2' })
      const latest = now()
      const bound = JSON.stringify(['default/SCIMD_TOKEN/write', ['User'], [null], null])
      const [expires, ...rest] = JSON.parse(open(nextCursor, bound) ?? '[]')
      expect(expires - CURSOR_LIFETIME_MS).toBeWithin(earliest, latest + 1)
      const cursorUntil = (time: number) => seal(JSON.stringify([time, ...rest]), bound)
      const good = await page({ cursor: cursorUntil(now() + 60_000), count: '2' })
      expect(good.itemsPerPage).toBe(2)
      await refuse({ cursor: cursorUntil(now()), count: '2' }, 'expiredCursor')
      await refuse({ cursor: cursorUntil(now() - 1), count: '2' }, 'expiredCursor')
    })

    test('[R9865-3-07] cursors take no memory: thousands of first pages are handed out', async () => {
      for (let round = 0; round < 20; round++) {
        const pages = await Promise.all(
          Array.from({ length: 100 }, () => page({ cursor: '', count: '1', attributes: 'id' })),
        )
        expect(new Set(pages.map(({ nextCursor }) => nextCursor)).size).toBe(100)
      }
    })

    test('resources show as the projection says, which may differ from page to page', async () => {
      const first = await page({ cursor: '', count: '2', attributes: 'userName' })
      expect(Object.keys(first.Resources[0]).toSorted()).toEqual(['id', 'schemas', 'userName'])
      const cursor = first.nextCursor
      const second = await page({ cursor, count: '2', excludedAttributes: 'meta' })
      expect(second.Resources[0]).not.toHaveProperty('meta')
      expect(second.Resources[0].displayName).toBeString()
    })
  })
}

test('[R9865-2.1-02] the clock decides when a cursor expires, to the millisecond', async () => {
  const { startTestServer } = await import('../harness.ts')
  await using server = await startTestServer()
  for (const name of ['a', 'b', 'c'])
    await server.request('POST', '/Groups', { schemas: [GROUP], displayName: name })
  const first = await server.request('GET', '/Groups?cursor&count=1')
  server.passTime(CURSOR_LIFETIME_MS - 1)
  const path = `/Groups?count=1&cursor=${first.body.nextCursor}`
  expect((await server.request('GET', path)).status).toBe(200)
  server.passTime(1)
  expectError(await server.request('GET', path), 400, 'expiredCursor')
})
