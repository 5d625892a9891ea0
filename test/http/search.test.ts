/** Queries by POST, and over all resource types: RFC 7644 sections 3.4.3 and 3.4.2.1. */

import { beforeAll, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import fc from 'fast-check'
import { mintToken } from '../../src/auth/bearer.ts'
import { openLmdbControl } from '../../src/store/lmdb-control.ts'
import { send, TARGETS } from '../harness.ts'
import {
  type Body,
  ENTERPRISE,
  expectError,
  GROUP,
  LIST_RESPONSE,
  namesOf,
  query,
  type Scim,
  sharedServer,
  USER,
} from './given.ts'

const SEED = Number(process.env['SCIMD_SEED'] ?? Date.now() % 2 ** 31)
const SEARCH = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest'

/** Users and groups by turns, so that no type comes first by its age. */
async function fill(scim: Scim): Promise<void> {
  for (const [index, name] of ['Ada', 'bob', 'Smith-Cy', 'dan', 'Smith-Eve'].entries()) {
    const { id } = await scim.user({
      userName: `user${index}`,
      displayName: name,
      ...(index % 2 ? {} : { title: `T${5 - index}`, active: false }),
      emails: [{ value: `${name}@x`, type: 'work' }],
      [ENTERPRISE]: { department: index < 3 ? 'A' : 'B' },
    })
    const externalId = index % 2 ? { externalId: `x${index}` } : {}
    const displayName = index === 4 ? 'Smiths' : `Group ${'zyxwv'[index]}`
    await scim.group({ displayName, ...externalId, members: index < 2 ? [{ value: id }] : [] })
  }
}

for (const target of TARGETS) {
  describe(`queries by POST (${target})`, () => {
    const scim = sharedServer({ target })
    beforeAll(() => fill(scim))
    const search = (path: string, body: object = {}) =>
      scim.request('POST', path, { schemas: [SEARCH], ...body })
    const found = async (path: string, body: object = {}): Promise<Body> => {
      const reply = await search(path, body)
      expect(reply.status, reply.text).toBe(200)
      return reply.body
    }

    test('[R7644-3.4.3-01] [R7644-3.4.3-07] a search of nothing but its schema lists the first page', async () => {
      for (const [path, total] of [
        ['/Users/.search', 5],
        ['/Groups/.search', 5],
        ['/.search', 10],
      ] as const) {
        const reply = await search(path)
        expect(reply.status).toBe(200)
        expect(reply.headers.get('content-type')).toBe('application/scim+json')
        const { Resources, ...head } = reply.body
        expect(head).toEqual({
          schemas: [LIST_RESPONSE],
          totalResults: total,
          startIndex: 1,
          itemsPerPage: total,
        })
        expect(Resources).toHaveLength(total)
      }
    })

    test('[R7644-3.4.3-10] a search creates nothing, and is at no location', async () => {
      const body = { userName: 'created-by-search', filter: 'userName eq "created-by-search"' }
      const reply = await search('/Users/.search', body)
      expect(reply.status).toBe(200)
      expect(reply.headers.get('location')).toBeNull()
      expect(reply.headers.get('etag')).toBeNull()
      expect(reply.body.totalResults).toBe(0)
      expect(await scim.total('/Users')).toBe(5)
    })

    test.each<[string, unknown]>([
      ['no schemas', { count: 1 }],
      ['empty schemas', { schemas: [], count: 1 }],
      ['schemas as a text', { schemas: SEARCH }],
      ['another schema', { schemas: [USER] }],
      ['a list', [{ schemas: [SEARCH] }]],
      ['null', null],
      ['a text', '"x"'],
      ['no JSON', '{'],
      ['nothing', ''],
    ])('[R7644-3.4.3-02] %s is no SearchRequest', async (_what, body) => {
      for (const path of ['/Users/.search', '/.search']) {
        const text = typeof body === 'string' ? body : JSON.stringify(body)
        expectError(await scim.request('POST', path, text), 400, 'invalidSyntax')
      }
    })

    test('[R7644-3.4.3-02] the URN and the names of members match in any case', async () => {
      const body = { SCHEMAS: [SEARCH.toLowerCase(), 'urn:x'], COUNT: 2, StartIndex: 2 }
      const reply = await scim.request('POST', '/Users/.search', body)
      expect(reply.body).toMatchObject({ totalResults: 5, itemsPerPage: 2, startIndex: 2 })
    })

    test('[R7644-3.4.3-03] attributes are a list of names, or a text of them', async () => {
      for (const attributes of [['userName', 'TITLE'], 'userName, title', ['userName,title']]) {
        const { Resources } = await found('/Users/.search', { attributes, count: 1 })
        expect(Resources).toEqual([
          { schemas: [USER, ENTERPRISE], id: Resources[0].id, userName: 'user0', title: 'T5' },
        ])
      }
      const excludedAttributes = [`${ENTERPRISE}:department`, 'meta', 'emails.type']
      const { Resources } = await found('/Users/.search', { excludedAttributes, count: 1 })
      expect(Resources[0]).not.toHaveProperty('meta')
      expect(Resources[0]).not.toHaveProperty([ENTERPRISE])
      expect(Resources[0].emails).toEqual([{ value: 'Ada@x' }])
    })

    test.each<[string, unknown]>([
      ['attributes', 5],
      ['attributes', [5]],
      ['attributes', { userName: true }],
      ['excludedAttributes', [null]],
      ['filter', 5],
      ['filter', ['userName pr']],
      ['sortBy', ['userName']],
      ['sortOrder', 1],
      ['sortOrder', 'up'],
      ['startIndex', '1'],
      ['startIndex', 1.5],
      ['startIndex', true],
      ['count', '10'],
      ['count', 0.5],
      ['count', [1]],
    ])('[R7644-3.4.3-05] %s of %j is refused and named', async (name, value) => {
      for (const path of ['/Users/.search', '/.search']) {
        expectError(await search(path, { [name]: value }), 400, 'invalidValue', name)
      }
    })

    test('[R7644-3.4.3-05] null is as good as nothing', async () => {
      const names = ['attributes', 'excludedAttributes', 'filter', 'sortBy', 'startIndex', 'count']
      const nothing = Object.fromEntries(names.map((name) => [name, null]))
      expect((await found('/Users/.search', nothing)).Resources).toHaveLength(5)
    })

    test('[R7644-3.4.3-05] whole numbers of any size are understood', async () => {
      for (const startIndex of [6, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER, 1e300]) {
        for (const more of [
          {},
          { sortBy: 'userName' },
          { filter: 'title pr or userName pr' },
          { filter: 'active eq false' },
        ]) {
          for (const path of ['/Users/.search', '/.search']) {
            const startAt = path === '/.search' && startIndex === 6 ? 11 : startIndex
            const body = await found(path, { startIndex: startAt, ...more })
            expect(body.totalResults).toBeGreaterThan(2)
            expect(body.Resources).toEqual([])
          }
        }
      }
      for (const number of [-1, -(2 ** 40), -1e300]) {
        const body = await found('/Users/.search', { startIndex: number })
        expect(body).toMatchObject({ startIndex: 1, itemsPerPage: 5 })
        expect((await found('/Users/.search', { count: number })).Resources).toEqual([])
      }
      expect((await found('/Users/.search', { count: 1e300 })).Resources).toHaveLength(5)
    })

    test('[R7644-3.4.3-06] [R7644-3.4.2.1-01] a search at the root spans the types', async () => {
      const { Resources } = await found('/.search', { filter: 'displayName sw "smith"' })
      const kinds = Resources.map(({ meta }: Body) => meta.resourceType)
      expect(Resources.map(({ displayName }: Body) => displayName).sort()).toEqual([
        'Smith-Cy',
        'Smith-Eve',
        'Smiths',
      ])
      expect(kinds.sort()).toEqual(['Group', 'User', 'User'])
    })

    test.each([['userName'], ['userName eq'], ['foo eq "x"'], ['userName eq x'], ['']])(
      '[R7644-3.4.3-08] the filter %j is refused as in a GET',
      async (filter) => {
        const post = await search('/Users/.search', { filter })
        expectError(post, 400, 'invalidFilter')
        const get = await scim.get(`/Users${query({ filter })}`)
        expect(post.body).toEqual(get.body)
      },
    )

    test.each([['/Users/.search'], ['/Groups/.search'], ['/.search']])(
      '[R7644-3.4.3-09] %s is for POST alone',
      async (path) => {
        for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'HEAD']) {
          const body = method === 'GET' || method === 'HEAD' ? undefined : { schemas: [SEARCH] }
          const reply = await scim.request(method, path, body)
          expect(reply.status).toBe(405)
          expect(reply.headers.get('allow')).toBe('POST')
          if (method !== 'HEAD') expectError(reply, 405)
        }
      },
    )

    test('[R7644-3.4.3-01] there is a search at a type or the root, and nowhere else', async () => {
      const { id } = await scim.user({ userName: 'gone' })
      for (const path of [`/Users/${id}/.search`, '/Foo/.search', '/.search/.search']) {
        expectError(await search(path), 404)
      }
      for (const path of ['/Schemas/.search', '/ResourceTypes/.search']) {
        expect((await search(path)).status).toBe(405)
      }
      await scim.request('DELETE', `/Users/${id}`)
    })

    test('a credential that may only read may search', async () => {
      const control = openLmdbControl(join(scim.server().data, 'control.mdb'))
      const wanted = { name: 'r', tenant: 'default', scope: 'read', created: 0 } as const
      const { token } = await mintToken(control, { ...wanted, expires: undefined })
      await control.close()
      const headers = { Authorization: `Bearer ${token}` }
      const body = { schemas: [SEARCH] }
      for (const path of ['/Users/.search', '/.search']) {
        expect((await scim.request('POST', path, body, headers)).body.schemas).toEqual([
          LIST_RESPONSE,
        ])
        const strange = await send(`${scim.url()}${path}`, 'POST', body, {
          Authorization: 'Bearer x',
        })
        expectError(strange, 401)
      }
      const user = { schemas: [USER], userName: 'x' }
      expectError(await scim.request('POST', '/Users', user, headers), 403)
    })

    test(`[R7644-3.4.3-04] a POST answers what the GET of the same parameters answers (SCIMD_SEED=${SEED})`, async () => {
      const optional = <T>(...choices: T[]) =>
        fc.option(fc.constantFrom(...choices), { nil: undefined, freq: 2 })
      const parameters = fc.record({
        filter: optional(
          'userName sw "user"',
          'displayName co "M"',
          'title pr and active eq false',
          `${ENTERPRISE}:department eq "a"`,
          'meta.resourceType eq "Group"',
          'members pr',
          'not (externalId pr)',
          'emails[type eq "work" and value ew "x"]',
          'nonsense',
          'foo eq 1',
          '',
        ),
        sortBy: optional('userName', 'DISPLAYNAME', 'title', 'emails', 'meta.created', 'foo', ''),
        sortOrder: optional('ascending', 'Descending', 'up'),
        startIndex: optional(-3, 0, 1, 2, 5, 9, 12, 2 ** 32 + 1),
        count: optional(-1, 0, 1, 3, 7, 1000, 5000),
        attributes: optional(['userName'], ['displayName', 'emails.value'], [], ['foo']),
        excludedAttributes: optional(['meta'], ['displayName', 'members'], []),
      })
      const endpoint = fc.constantFrom('/Users', '/Groups', '')
      const statuses = new Set<number>()
      const isSame = async (path: string, asked: Record<string, unknown>) => {
        const given = Object.entries(asked).filter(([, value]) => value !== undefined)
        const get = await scim.get(
          `${path}${query(Object.fromEntries(given.map(([k, v]) => [k, String(v)])))}`,
        )
        const post = await search(`${path}/.search`, asked)
        expect(post.body).toEqual(get.body)
        expect(post.status).toBe(get.status)
        statuses.add(get.status)
      }
      await fc.assert(fc.asyncProperty(endpoint, parameters, isSame), { seed: SEED, numRuns: 250 })
      expect([...statuses].sort()).toEqual([200, 400])
    })
  })

  describe(`queries over all types (${target})`, () => {
    const scim = sharedServer({ target })
    beforeAll(() => fill(scim))
    const list = async (parameters: Record<string, string> = {}): Promise<Body> => {
      const reply = await scim.get(`${query(parameters)}`)
      expect(reply.status, reply.text).toBe(200)
      return reply.body
    }
    const names = async (parameters: Record<string, string>): Promise<string[]> =>
      namesOf((await list(parameters)).Resources)

    test('[R7644-3.4.2.1-01] the root lists every resource, with a slash at its end or without', async () => {
      for (const path of ['', '/']) {
        const { status, body } = await scim.get(path)
        expect(status).toBe(200)
        expect(body).toMatchObject({ totalResults: 10, itemsPerPage: 10, startIndex: 1 })
        const schemas = body.Resources.map((resource: Body) => resource.schemas[0])
        expect(schemas.filter((uri: string) => uri === USER)).toHaveLength(5)
        expect(schemas.filter((uri: string) => uri === GROUP)).toHaveLength(5)
      }
    })

    test('[R7644-3.4.2.1-01] meta.resourceType narrows to types', async () => {
      const groups = await list({ filter: 'meta.resourceType eq "Group"' })
      expect(groups.totalResults).toBe(5)
      expect(new Set(groups.Resources.map((one: Body) => one.meta.resourceType))).toEqual(
        new Set(['Group']),
      )
      const both = '(meta.resourceType eq "User") or (meta.resourceType eq "Group")'
      expect((await list({ filter: both })).totalResults).toBe(10)
      expect((await list({ filter: 'meta.resourceType eq "Foo"' })).totalResults).toBe(0)
    })

    test('[R7644-3.4.2.1-01] a resource looks as it does at its own endpoint', async () => {
      const { Resources } = await list()
      for (const resource of Resources) {
        const path = resource.meta.location.slice(scim.url().length)
        expect((await scim.get(path)).body).toEqual(resource)
      }
    })

    test.each([
      ['userName pr', 5],
      ['members pr', 2],
      ['not (userName pr)', 5],
      ['userName eq "user1"', 1],
      ['userName ne "user1"', 9],
      ['userName eq null', 5],
      ['userName gt "a" or members pr', 7],
      ['title pr and displayName pr', 3],
      ['emails[type eq "work"]', 5],
      ['not (emails[type eq "work"])', 5],
      ['active eq false', 3],
      ['active ne true', 8],
      [`${ENTERPRISE}:department eq "b"`, 2],
      ['externalId pr', 2],
      ['displayName sw "smith"', 3],
      ['fooBar pr', 0],
      ['fooBar eq "x" or externalId pr', 2],
      ['fooBar ne "x"', 10],
      ['not (fooBar[a eq 1])', 10],
      ['urn:x:y:z eq 5', 0],
    ])('[R7644-3.4.2.1-02] what a type lacks has no value: %s finds %i', async (filter, total) => {
      expect((await list({ filter })).totalResults).toBe(total)
      expect((await list({ filter })).Resources).toHaveLength(total)
    })

    test.each([['userName eq'], ['userName gt true'], ['password pr'], ['displayName eq 5']])(
      '[R7644-3.4.2.1-02] a filter that is wrong for the type that has the attribute is refused: %s',
      async (filter) => {
        expectError(await scim.get(query({ filter })), 400, 'invalidFilter')
      },
    )

    test('[R7644-3.4.2.1-01] pages go on from one type to the next', async () => {
      for (const order of [
        {},
        { sortBy: 'displayName' },
        { sortBy: 'title', sortOrder: 'descending' },
      ]) {
        for (const filter of [{}, { filter: 'displayName pr' }, { filter: 'not (title pr)' }]) {
          const whole = await list({ ...order, ...filter })
          for (const count of [1, 3, 4, 5, 9]) {
            const paged: Body[] = []
            for (let startIndex = 1; startIndex <= whole.totalResults; startIndex += count) {
              const range = { startIndex: String(startIndex), count: String(count) }
              const page = await list({ ...order, ...filter, ...range })
              expect(page).toMatchObject({ totalResults: whole.totalResults, startIndex })
              paged.push(...page.Resources)
            }
            expect(paged).toEqual(whole.Resources)
          }
        }
      }
      expect(await list({ startIndex: '11' })).toMatchObject({ totalResults: 10, Resources: [] })
      expect(await list({ count: '0', sortBy: 'title', startIndex: '4' })).toMatchObject({
        totalResults: 10,
        Resources: [],
      })
    })

    test('[R7644-3.4.2.3-11] [R7644-3.4.2.3-07] one order goes through all types', async () => {
      const ascending = ['Ada', 'bob', 'dan', 'Group w', 'Group x', 'Group y', 'Group z']
      const sorted = [...ascending, 'Smith-Cy', 'Smith-Eve', 'Smiths']
      const shown = async (sortOrder: string) => {
        const { Resources } = await list({ sortBy: 'displayName', sortOrder })
        return Resources.map(({ displayName }: Body) => displayName)
      }
      expect(await shown('ascending')).toEqual(sorted)
      expect(await shown('descending')).toEqual(sorted.reverse())
    })

    test('[R7644-3.4.2.3-09] [R7644-3.4.2.3-06] [R7644-3.4.2.3-10] a type without the attribute counts as without value', async () => {
      const all = await names({ sortBy: 'meta.created' })
      const isTitled = (name: string) => ['user0', 'user2', 'user4'].includes(name)
      const untitled = all.filter((name) => !isTitled(name))
      expect(untitled).toHaveLength(7)
      const byTitle = ['user4', 'user2', 'user0']
      expect(await names({ sortBy: 'title' })).toEqual([...byTitle, ...untitled])
      expect(await names({ sortBy: 'title', sortOrder: 'descending' })).toEqual([
        ...untitled,
        ...byTitle.reverse(),
      ])
      expect(all.slice(0, 4)).toEqual(['user0', 'Group z', 'user1', 'Group y'])
    })

    test('[R7644-3.4.2.3-09] a sort that no type has, or that one type cannot be sorted by, is refused', async () => {
      for (const sortBy of ['foo', 'members', 'groups', 'password', 'name', 'urn:x:y:z']) {
        expectError(await scim.get(query({ sortBy })), 400, 'invalidValue', sortBy)
      }
      const wrong = query({ sortBy: 'displayName', sortOrder: 'up' })
      expectError(await scim.get(wrong), 400, 'invalidValue', 'sortOrder')
      expectError(await scim.get(query({ sortOrder: 'up' })), 400, 'invalidValue', 'sortOrder')
    })

    test('[R7644-3.4.2.1-01] a projection is read for each type', async () => {
      const { Resources } = await list({ attributes: 'userName,members' })
      for (const resource of Resources) {
        const shown = Object.keys(resource).filter((name) => name !== 'schemas' && name !== 'id')
        expect(shown).toEqual([resource.schemas[0] === USER ? 'userName' : 'members'])
      }
    })

    test('the root takes nothing but queries', async () => {
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
        const reply = await scim.request(method, '', { schemas: [USER], userName: 'x' })
        expectError(reply, 405)
        expect(reply.headers.get('allow')).toBe('GET, HEAD')
      }
      expect((await scim.request('HEAD', '')).status).toBe(200)
      expect(await scim.total('/Users')).toBe(5)
      expectError(await send(`${scim.url()}`, 'GET', undefined, { Authorization: '' }), 401)
    })
  })
}
