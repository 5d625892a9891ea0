/** Reading one and many resources, page by page: RFC 7644 sections 3.4.1, 3.4.2 and 3.4.2.4. */

import { beforeAll, describe, expect, test } from 'bun:test'
import { PAGE_COUNT_DEFAULT, PAGE_COUNT_MAX } from '../../src/scim/limits.ts'
import { TARGETS } from '../harness.ts'
import {
  ENTERPRISE,
  expectError,
  GROUP,
  idsOf,
  LIST_RESPONSE,
  namesOf,
  query,
  sharedServer,
  USER,
} from './given.ts'

for (const target of TARGETS) {
  describe(`reading one resource (${target})`, () => {
    const scim = sharedServer({ target })

    test('[R7644-3.4.1-01] [R7644-3.3-01] [R7644-3.3-02] [R7644-3.3-07] what a POST answers is what a GET reads', async () => {
      const create = await scim.request('POST', '/Users', { schemas: [USER], userName: 'ann' })
      expect(create.status).toBe(201)
      const read = await scim.get(`/Users/${create.body.id}`)
      expect(read.status).toBe(200)
      expect(read.body).toEqual(create.body)
      for (const name of ['etag', 'location', 'content-location', 'content-type']) {
        expect(read.headers.get(name)).toBe(create.headers.get(name))
        expect(read.headers.get(name)).toBeString()
      }
    })

    test('[R7644-3.4.1-02] [OKTA-10] an id that nobody has is not found, and named', async () => {
      for (const id of ['nope', '00919288221112222', 'a%2Fb', '%00', 'é', 'x'.repeat(2000)]) {
        const reply = await scim.get(`/Users/${id}`)
        expectError(reply, 404)
      }
      expectError(await scim.get('/Users/nope'), 404, undefined, 'nope')
    })

    test('[R7644-3.4.1-03] an id of another type is not found', async () => {
      const [user, group] = [await scim.user(), await scim.group()]
      for (const method of ['GET', 'DELETE']) {
        expectError(await scim.request(method, `/Groups/${user.id}`), 404)
        expectError(await scim.request(method, `/Users/${group.id}`), 404)
      }
      const body = { schemas: [GROUP], displayName: 'x' }
      expectError(await scim.request('PUT', `/Groups/${user.id}`, body), 404)
      const patch = [{ op: 'replace', path: 'displayName', value: 'x' }]
      expectError(await scim.patch(`/Groups/${user.id}`, patch), 404)
      expect((await scim.get(`/Users/${user.id}`)).body).toEqual(user)
    })

    test('[R7644-3.4.1-04] a path is decoded once, and a name is no id', async () => {
      const { id, userName } = await scim.user({ userName: 'by-name' })
      expectError(await scim.get(`/Users/${userName}`), 404)
      expect((await scim.get(`/Users/${id.replaceAll('-', '%2D')}`)).status).toBe(200)
      expectError(await scim.get(`/Users/${id.replaceAll('-', '%252D')}`), 404)
    })

    test('[R7644-3.4.1-05] HEAD answers as GET does, without a body', async () => {
      const { id } = await scim.user()
      for (const path of [`/Users/${id}`, '/Users', '/Schemas']) {
        const get = await scim.get(path)
        const head = await scim.request('HEAD', path)
        expect(head.status).toBe(200)
        expect(head.text).toBe('')
        for (const name of ['etag', 'location', 'content-type'])
          expect(head.headers.get(name)).toBe(get.headers.get(name))
      }
      expect((await scim.request('HEAD', '/Users/nope')).status).toBe(404)
    })

    test('[R7644-3.4.2.1-04] parameters that are not for one resource are ignored', async () => {
      const user = await scim.user()
      const { status, body } = await scim.get(`/Users/${user.id}?filter=x&count=abc&startIndex=z`)
      expect(status).toBe(200)
      expect(body).toEqual(user)
    })
  })

  describe(`empty lists (${target})`, () => {
    const scim = sharedServer({ target })

    test('[R7644-3.4.2-01] [R7644-3.4.2-04] [R7644-3.4.2-05] [OKTA-03] [ENTRA-01] an empty list is a ListResponse', async () => {
      const empty = {
        schemas: [LIST_RESPONSE],
        totalResults: 0,
        startIndex: 1,
        itemsPerPage: 0,
        Resources: [],
      }
      expect((await scim.get('/Users')).body).toEqual(empty)
      const filter = `userName eq "${crypto.randomUUID()}"`
      expect((await scim.get(`/Users${query({ filter })}`)).body).toEqual(empty)
      expect((await scim.get('/Groups')).body).toEqual(empty)
    })
  })

  describe(`lists (${target})`, () => {
    const scim = sharedServer({ target })
    const COUNT = 25
    const list = async (parameters: Record<string, string> = {}) => {
      const reply = await scim.get(`/Users${query(parameters)}`)
      expect(reply.status, reply.text).toBe(200)
      return reply.body
    }

    beforeAll(async () => {
      for (let index = 0; index < COUNT; index++) {
        await scim.user({ title: index % 2 ? 'odd' : 'even', [ENTERPRISE]: { department: 'D' } })
      }
    })

    test('[R7644-3.4.2-02] [R7644-3.4.2-03] [R7644-3.4.2.4-03] [R7644-3.4.2.4-09] totalResults counts all, whatever the page', async () => {
      for (const startIndex of ['1', '11', '21']) {
        const page = await list({ startIndex, count: '10' })
        expect(page.totalResults).toBe(COUNT)
        expect(page.Resources.length).toBe(startIndex === '21' ? 5 : 10)
      }
    })

    test('[R7644-3.4.2.4-01] [R7644-3.4.2.4-11] startIndex counts from 1 and is told', async () => {
      const all = await list()
      expect(all.startIndex).toBe(1)
      const page = await list({ startIndex: '2', count: '1' })
      expect(page.startIndex).toBe(2)
      expect(page.Resources).toEqual([all.Resources[1]])
    })

    test.each(['0', '-5', '-0'])('[R7644-3.4.2.4-02] startIndex %s means 1', async (startIndex) => {
      const page = await list({ startIndex, count: '1' })
      expect(page.startIndex).toBe(1)
      expect(page.Resources).toEqual((await list({ count: '1' })).Resources)
    })

    test.each(['0', '-1', '-100'])(
      '[R7644-3.4.2.4-04] [R7644-3.4.2.4-05] count %s asks for the total alone',
      async (count) => {
        expect(await list({ count })).toEqual({
          schemas: [LIST_RESPONSE],
          totalResults: COUNT,
          startIndex: 1,
          itemsPerPage: 0,
          Resources: [],
        })
      },
    )

    test('[R7644-3.4.2.4-08] itemsPerPage is what is returned', async () => {
      expect(await list({ startIndex: '21', count: '10' })).toMatchObject({ itemsPerPage: 5 })
      expect(await list({ count: '10' })).toMatchObject({ itemsPerPage: 10 })
    })

    test('[R7644-3.4.2.4-10] past the end the page is empty and the total true', async () => {
      for (const startIndex of [`${COUNT + 1}`, '9999', '999999999999999']) {
        const page = await list({ startIndex })
        expect(page).toMatchObject({ totalResults: COUNT, itemsPerPage: 0, Resources: [] })
        expect(page.startIndex).toBe(Number(startIndex))
      }
    })

    test.each([
      ['count', 'abc'],
      ['count', '1.5'],
      ['count', ''],
      ['count', '1e3'],
      ['startIndex', 'x'],
      ['startIndex', '1.0'],
      ['startIndex', '0x1'],
    ])('[R7644-3.4.2.4-12] %s=%s is no whole number', async (name, value) => {
      expectError(await scim.get(`/Users?${name}=${value}`), 400, 'invalidValue', name)
    })

    test('two filters, or two of another parameter that has one value, are refused', async () => {
      const twice = (name: string, value: string) => `/Users?${name}=${value}&${name}=${value}`
      expectError(await scim.get(twice('filter', 'userName+pr')), 400, 'invalidFilter', 'filter')
      for (const [name, value] of [
        ['sortBy', 'id'],
        ['sortOrder', 'ascending'],
        ['startIndex', '1'],
        ['count', '1'],
        ['cursor', ''],
      ] as const)
        expectError(await scim.get(twice(name, value)), 400, 'invalidValue', name)
    })

    test('[R7644-3.4.2.4-13] [OKTA-01] paging by startIndex meets every resource once', async () => {
      const met: string[] = []
      for (let startIndex = 1; startIndex <= COUNT; startIndex += 4)
        met.push(...idsOf((await list({ startIndex: `${startIndex}`, count: '4' })).Resources))
      expect(met).toEqual(idsOf((await list()).Resources))
      expect(new Set(met).size).toBe(COUNT)
      // What Okta asks to try its credentials, and what it imports by.
      expect(idsOf((await list({ startIndex: '1', count: '2' })).Resources)).toEqual(
        met.slice(0, 2),
      )
      expect(idsOf((await list({ startIndex: '1', count: '100' })).Resources)).toEqual(met)
    })

    test('a change in between moves nobody to another page', async () => {
      const before = idsOf((await list()).Resources)
      await scim.patched(`/Users/${before[3]}`, { op: 'replace', path: 'nickName', value: 'N' })
      expect(idsOf((await list()).Resources)).toEqual(before)
    })

    test('[R7644-3.4.2.4-14] [OKTA-02] pages, filters and projections go together', async () => {
      const page = await list({
        filter: 'title eq "odd"',
        startIndex: '3',
        count: '2',
        attributes: 'title',
      })
      expect(page).toMatchObject({ totalResults: 12, startIndex: 3, itemsPerPage: 2 })
      for (const resource of page.Resources)
        expect(Object.keys(resource).sort()).toEqual(['id', 'schemas', 'title'])
    })

    test('[R7644-3.4.2-06] unknown parameters are ignored', async () => {
      expect(await list({ foo: 'bar', aadOptscim062020: '' })).toEqual(await list())
    })

    test('[R7644-3.4.2-07] [R7644-3.4.2-08] [R7644-3.14-14] an item is what a GET of it answers', async () => {
      for (const item of (await list({ count: '3' })).Resources)
        expect((await scim.get(`/Users/${item.id}`)).body).toEqual(item)
    })

    test('[OKTA-13] an item holds what was sent', async () => {
      const given = {
        userName: 'full',
        name: { givenName: 'A', familyName: 'B' },
        emails: [{ value: 'a@b', primary: true, type: 'work' }],
      }
      await scim.user(given)
      const { Resources } = await list({ filter: 'userName eq "FULL"' })
      expect(Resources).toMatchObject([{ ...given, active: true }])
    })

    test('lists of groups hold their members', async () => {
      const [ann, bea] = [await scim.user(), await scim.user()]
      await scim.group({ displayName: 'one', members: [{ value: ann.id }, { value: bea.id }] })
      await scim.group({ displayName: 'two' })
      await scim.group({ displayName: 'three', members: [{ value: bea.id }] })
      const { body } = await scim.get('/Groups')
      expect(namesOf(body.Resources)).toEqual(['one', 'two', 'three'])
      const counts = body.Resources.map(({ members }: { members: unknown[] }) => members.length)
      expect(counts).toEqual([2, 0, 1])
    })

    test('the journal tells each change, and no read', async () => {
      await scim.expectJournalOfChanges()
    })
  })

  describe(`long lists (${target})`, () => {
    const scim = sharedServer({ target })
    const COUNT = PAGE_COUNT_MAX + 1
    beforeAll(async () => {
      for (let index = 0; index < COUNT; index += 100) {
        const length = Math.min(100, COUNT - index)
        await Promise.all(Array.from({ length }, () => scim.user()))
      }
    })

    test('[R7644-3.4.2.4-06] [R7644-3.4.2.4-07] [R7643-5-04] [PROF-07] a page has 100 items unless asked, and never more than maxResults', async () => {
      const sizes: [string, number][] = [
        ['', PAGE_COUNT_DEFAULT],
        [`?count=${PAGE_COUNT_MAX - 1}`, PAGE_COUNT_MAX - 1],
        [`?count=${PAGE_COUNT_MAX}`, PAGE_COUNT_MAX],
        [`?count=${PAGE_COUNT_MAX + 1}`, PAGE_COUNT_MAX],
        ['?count=100000', PAGE_COUNT_MAX],
        [`?count=1000&startIndex=${PAGE_COUNT_MAX + 1}`, 1],
      ]
      for (const [parameters, size] of sizes) {
        const { body } = await scim.get(`/Users${parameters}`)
        expect(body.Resources.length, parameters).toBe(size)
        expect(body.itemsPerPage).toBe(size)
        expect(body.totalResults).toBe(COUNT)
      }
      const { body } = await scim.get('/ServiceProviderConfig')
      expect(body.filter.maxResults).toBe(PAGE_COUNT_MAX)
    })

    test('[R9865-2-09] a page by cursor is no longer either, and the next one has as many or the rest', async () => {
      const first = await scim.get(`/Users?cursor=&count=${PAGE_COUNT_MAX + 1}&attributes=id`)
      expect(first.body).toMatchObject({ totalResults: COUNT, itemsPerPage: PAGE_COUNT_MAX })
      expect(first.body.Resources).toHaveLength(PAGE_COUNT_MAX)
      for (const count of [PAGE_COUNT_MAX, PAGE_COUNT_MAX + 1]) {
        const rest = `/Users?cursor=${first.body.nextCursor}&count=${count}&attributes=id`
        const { body } = await scim.get(rest)
        expect(body).toMatchObject({ totalResults: COUNT, itemsPerPage: 1 })
        expect(body).not.toHaveProperty('nextCursor')
      }
    })

    test('a group of more members than are read at once is answered whole', async () => {
      const ids: string[] = []
      for (const startIndex of ['1', '1001']) {
        const { body } = await scim.get(`/Users?count=1000&startIndex=${startIndex}&attributes=id`)
        ids.push(...idsOf(body.Resources))
      }
      const group = await scim.group({ members: ids.map((value) => ({ value })) })
      expect(idsOf(group.members).sort()).toEqual([...ids].sort())
      expect((await scim.get(`/Groups/${group.id}`)).body).toEqual(group)
      expect((await scim.get('/Groups')).body.Resources).toEqual([group])
      const [last = ''] = ids.slice(-1)
      const after = await scim.patched(`/Groups/${group.id}`, {
        op: 'remove',
        path: `members[value eq "${last}"]`,
      })
      expect(idsOf(after.members)).not.toContain(last)
      expect(after.members).toHaveLength(ids.length - 1)
    })
  })
}
