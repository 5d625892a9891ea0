/** Many operations in one request: RFC 7644 section 3.7. */

import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import fc from 'fast-check'
import { mintToken } from '../../src/auth/bearer.ts'
import { BODY_BYTES_MAX, BULK_OPERATIONS_MAX, LINKS_PER_COMMIT_MAX } from '../../src/scim/limits.ts'
import { openLmdbControl } from '../../src/store/lmdb-control.ts'
import { type Reply, send, startTestServer, TARGETS, type TestServer, TOKEN } from '../harness.ts'
import {
  type Body,
  ENTERPRISE,
  ERROR,
  expectError,
  GROUP,
  idsOf,
  PATCH_OP,
  query,
  sharedServer,
  USER,
} from './given.ts'

const SEED = Number(process.env['SCIMD_SEED'] ?? Date.now() % 2 ** 31)
const BULK_REQUEST = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest'
const BULK_RESPONSE = 'urn:ietf:params:scim:api:messages:2.0:BulkResponse'

interface Operation {
  readonly method?: string
  readonly path?: string
  readonly bulkId?: string
  readonly version?: string
  readonly data?: unknown
}

const bulkOf = (operations: readonly unknown[], more: object = {}) => ({
  schemas: [BULK_REQUEST],
  Operations: operations,
  ...more,
})

const postUser = (bulkId: string, userName: string, more: object = {}): Operation => ({
  method: 'POST',
  path: '/Users',
  bulkId,
  data: { schemas: [USER], userName, ...more },
})

const postGroup = (bulkId: string, displayName: string, ...members: string[]): Operation => ({
  method: 'POST',
  path: '/Groups',
  bulkId,
  data: { schemas: [GROUP], displayName, members: members.map((value) => ({ value })) },
})

const patchOf = (path: string, ...operations: readonly object[]): Operation => ({
  method: 'PATCH',
  path,
  data: { schemas: [PATCH_OP], Operations: operations },
})

/** The last segment of a location. */
const idOf = (result: Body): string => result.location.slice(result.location.lastIndexOf('/') + 1)

/** A failed result: its status as a text, and the whole error beside it. */
function expectFailed(result: Body, status: number, scimType?: string, mention = ''): void {
  expect(result.status, JSON.stringify(result)).toBe(String(status))
  expect(result.response).toMatchObject({ schemas: [ERROR], status: String(status) })
  expect(result.response.scimType).toBe(scimType)
  expect(result.response.detail).toInclude(mention)
  expect(result.version).toBeUndefined()
}

for (const target of TARGETS) {
  describe(`bulk (${target})`, () => {
    const scim = sharedServer({ target })
    const ask = (operations: readonly unknown[], more: object = {}) =>
      scim.request('POST', '/Bulk', bulkOf(operations, more))

    /** The results of a bulk that is carried out, whatever becomes of its operations. */
    async function bulk(operations: readonly unknown[], more: object = {}): Promise<Body[]> {
      const reply = await ask(operations, more)
      expect(reply.status, reply.text).toBe(200)
      expect(Object.keys(reply.body)).toEqual(['schemas', 'Operations'])
      expect(reply.body.schemas).toEqual([BULK_RESPONSE])
      return reply.body.Operations
    }
    const statuses = (results: readonly Body[]): string[] => results.map(({ status }) => status)
    const membersOf = async (id: string): Promise<string[]> =>
      idsOf((await scim.get(`/Groups/${id}`)).body.members)
    const managerOf = async (id: string): Promise<string> =>
      (await scim.get(`/Users/${id}`)).body[ENTERPRISE].manager.value
    const total = async (): Promise<number> =>
      (await scim.total('/Users')) + (await scim.total('/Groups'))

    /** A bulk that is refused as a whole changes nothing. */
    async function refused(body: unknown, status: number, scimType?: string, ...at: string[]) {
      const before = await total()
      expectError(await scim.request('POST', '/Bulk', body), status, scimType, ...at)
      expect(await total()).toBe(before)
    }

    test('[R7644-3.7-09] [R7644-3.7-14] [R7644-3.7-16] [R7644-3.7-18] [R7644-3.7-19] each operation has its result, in the order of the request', async () => {
      const [user, gone] = [await scim.user(), await scim.user()]
      const name = scim.fresh()
      const results = await bulk([
        postUser('a', name),
        {
          method: 'PUT',
          path: `/Users/${user.id}`,
          data: { schemas: [USER], userName: user.userName, title: 'x' },
        },
        patchOf(`/Users/${user.id}`, { op: 'replace', path: 'title', value: 'y' }),
        { method: 'DELETE', path: `/Users/${gone.id}` },
      ])
      const { body: created } = await scim.get(`/Users/${idOf(results[0])}`)
      const at = (id: string) => `${scim.url()}/Users/${id}`
      expect(results).toEqual([
        { method: 'POST', bulkId: 'a', version: 'W/"1"', location: at(created.id), status: '201' },
        { method: 'PUT', version: 'W/"2"', location: at(user.id), status: '200' },
        { method: 'PATCH', version: 'W/"3"', location: at(user.id), status: '200' },
        { method: 'DELETE', location: at(gone.id), status: '204' },
      ])
      expect(created).toMatchObject({ userName: name, meta: { location: results[0].location } })
      expect((await scim.get(`/Users/${user.id}`)).body.title).toBe('y')
      expectError(await scim.get(`/Users/${gone.id}`), 404)
    })

    test.each<[string, unknown]>([
      ['a list', []],
      ['no schemas', { Operations: [postUser('a', 'never')] }],
      ['another schema', { schemas: [BULK_RESPONSE], Operations: [postUser('a', 'never')] }],
      ['no JSON', '{'],
    ])('[R7644-3.7-01] %s is no BulkRequest', async (_what, body) => {
      await refused(body, 400, 'invalidSyntax')
    })

    test.each([[undefined], [[]], [{}], ['x']])(
      '[R7644-3.7-02] Operations %j are refused',
      async (Operations) => {
        await refused({ schemas: [BULK_REQUEST], Operations }, 400, 'invalidSyntax', 'Operations')
      },
    )

    test('[R7644-3.7-03] [R7644-3.7-04] [R7644-3.7-06] [R7644-3.7-07] [R7644-3.7-32] a malformed operation fails alone, and the others are carried out', async () => {
      const { id } = await scim.user()
      const malformed: readonly [unknown, string][] = [
        [{ ...postUser('m1', 'x'), method: 'GET' }, 'method'],
        [{ path: '/Users' }, 'method'],
        [null, 'method'],
        [[], 'method'],
        [{ method: 'POST', path: '/Users', data: { userName: 'x' } }, 'bulkId'],
        [{ ...postUser('m2', 'x'), path: `/Users/${id}` }, 'path'],
        [{ ...postUser('m3', 'x'), path: undefined }, 'path'],
        [{ ...postUser('m4', 'x'), path: `${scim.url()}/Users` }, 'path'],
        [{ method: 'PUT', path: '/Users', data: {} }, 'path'],
        [{ method: 'DELETE', path: '/' }, 'path'],
        [{ ...postUser('m5', 'x'), path: '/Bulk' }, 'path'],
        [{ ...postUser('m6', 'x'), path: '/Me' }, 'path'],
        [{ ...postUser('m7', 'x'), path: '/Schemas' }, 'path'],
        [{ method: 'PUT', path: '/ResourceTypes/User', data: {} }, 'path'],
        [{ method: 'PATCH', path: '/ServiceProviderConfig', data: {} }, 'path'],
        [{ ...postUser('m8', 'x'), data: undefined }, 'data'],
        [{ ...postUser('m9', 'x'), data: 'x' }, 'data'],
        [{ method: 'PUT', path: `/Users/${id}` }, 'data'],
        [{ method: 'PATCH', path: `/Users/${id}`, data: [] }, 'data'],
        [{ method: 'DELETE', path: `/Users/${id}`, version: 1 }, 'version'],
      ]
      const before = await scim.total('/Users')
      const results = await bulk([
        ...malformed.map(([operation]) => operation),
        postUser('good', scim.fresh()),
      ])
      expect(results).toHaveLength(malformed.length + 1)
      for (const [index, [, mention]] of malformed.entries()) {
        expectFailed(results[index], 400, 'invalidSyntax', `Operations[${index}].${mention}`)
      }
      expect(results.at(-1).status).toBe('201')
      expect(await scim.total('/Users')).toBe(before + 1)
      expect((await scim.get(`/Users/${id}`)).body.meta.version).toBe('W/"1"')
    })

    test('[R7644-3.7-03] a method matches in any case', async () => {
      const [result] = await bulk([{ ...postUser('a', scim.fresh()), method: 'post' }])
      expect(result).toMatchObject({ method: 'POST', status: '201' })
    })

    test('[R7644-3.7-05] a bulkId that is there twice refuses the whole', async () => {
      const twice = [postUser('a', 'never'), postUser('a', 'never-too')]
      await refused(bulkOf(twice), 400, 'invalidSyntax', '"a"')
    })

    test('[R7644-3.7-08] the data of a PATCH is a PatchOp', async () => {
      const { id } = await scim.user()
      const [list, wrong, good] = await bulk([
        { method: 'PATCH', path: `/Users/${id}`, data: [{ op: 'add', path: 'title', value: 'x' }] },
        { method: 'PATCH', path: `/Users/${id}`, data: { schemas: [USER], Operations: [] } },
        patchOf(`/Users/${id}`, { op: 'add', path: 'title', value: 'x' }),
      ])
      expectFailed(list, 400, 'invalidSyntax')
      expectFailed(wrong, 400, 'invalidSyntax', 'schemas')
      expect(good.status).toBe('200')
    })

    test('[R7644-3.7-09] [R7644-3.7-10] [R7644-3.7-27] failures stop nothing, and all may fail', async () => {
      const taken = (await scim.user()).userName
      const [bad, good, worse] = await bulk([
        postUser('a', taken),
        postUser('b', scim.fresh()),
        { method: 'DELETE', path: '/Users/nobody' },
      ])
      expectFailed(bad, 409, 'uniqueness')
      expect((await scim.get(`/Users/${idOf(good)}`)).status).toBe(200)
      expectFailed(worse, 404)
      expect(statuses(await bulk([postUser('a', taken), postUser('b', taken)]))).toEqual([
        '409',
        '409',
      ])
    })

    test('[R7644-3.7-27] each operation is carried out as a whole or not at all', async () => {
      const { id } = await scim.user()
      const patches = [
        { op: 'add', path: 'title', value: 'half' },
        { op: 'add', path: 'active', value: 'perhaps' },
      ]
      const [failed] = await bulk([patchOf(`/Users/${id}`, ...patches)])
      expectFailed(failed, 400, 'invalidValue')
      expect((await scim.get(`/Users/${id}`)).body.title).toBeUndefined()
    })

    test('[R7644-3.7-11] failOnErrors ends the job after so many errors, and what was done stays', async () => {
      const taken = (await scim.user()).userName
      const names = [scim.fresh(), scim.fresh(), scim.fresh()]
      const [a, b, c] = names.map((name, index) => postUser(`n${index}`, name))
      const bad = (index: number) => postUser(`bad${index}`, taken)
      expect(statuses(await bulk([a, bad(1), b], { failOnErrors: 1 }))).toEqual(['201', '409'])
      const two = [bad(1), b, { method: 'GET' }, c]
      expect(statuses(await bulk(two, { failOnErrors: 2 }))).toEqual(['409', '201', '400'])
      const found = await Promise.all(names.map((name) => scim.find(`userName eq "${name}"`)))
      expect(found.map((list) => list.length)).toEqual([1, 1, 0])
      const many = await bulk([bad(1), bad(2), c], { failOnErrors: 3 })
      expect(statuses(many)).toEqual(['409', '409', '201'])
    })

    test('failOnErrors 0 is no limit, and not one that is reached at once', async () => {
      const taken = (await scim.user()).userName
      const [name, other] = [scim.fresh(), scim.fresh()]
      const operations = [
        postUser('bad1', taken),
        postUser('bad2', taken),
        postUser('a', name),
        { method: 'GET' },
        postUser('b', other),
      ]
      const results = await bulk(operations, { failOnErrors: 0 })
      expect(statuses(results)).toEqual(['409', '409', '201', '400', '201'])
      for (const one of [name, other])
        expect(await scim.find(`userName eq "${one}"`)).toHaveLength(1)
    })

    test('an empty list of operations is told from what is no list', async () => {
      await refused(bulkOf([]), 400, 'invalidSyntax', 'found an empty list', 'one operation')
      const body = { ...bulkOf([]), Operations: {} }
      await refused(body, 400, 'invalidSyntax', 'an object without members', 'a list')
    })

    test('[R7644-3.7-11] [R7644-3.7-14] what a failed operation needed was processed, and has its result', async () => {
      const taken = (await scim.user()).userName
      const never = scim.fresh()
      const results = await bulk(
        [
          postGroup('g', scim.fresh(), 'bulkId:good', 'bulkId:bad'),
          postUser('never', never),
          postUser('good', scim.fresh()),
          postGroup('unknown', scim.fresh(), 'bulkId:nowhere'),
          postUser('bad', taken),
        ],
        { failOnErrors: 1 },
      )
      expect(results.map(({ bulkId, status }) => [bulkId, status])).toEqual([
        ['g', '400'],
        ['good', '201'],
        ['bad', '409'],
      ])
      expect(await scim.find(`userName eq "${never}"`)).toEqual([])
    })

    test.each([[-1], [1.5], ['x'], ['1'], [true]])(
      '[R7644-3.7-12] failOnErrors %j is refused',
      async (failOnErrors) => {
        const body = bulkOf([postUser('a', 'never')], { failOnErrors })
        await refused(body, 400, 'invalidValue', 'failOnErrors')
      },
    )

    test('[R7644-3.7-13] [R7644-3.7-15] [R7644-3.7-17] a failed POST has its bulkId and no location, all others a location', async () => {
      const { id, userName } = await scim.user()
      const at = `${scim.url()}/Users/${id}`
      const results = await bulk([
        postUser('a', userName),
        { method: 'POST', path: '/Users', bulkId: 'b' },
        { method: 'PUT', path: `/Users/${id}`, data: { schemas: [USER] } },
        { method: 'PUT', path: `/Users/${id}`, bulkId: 'c' },
        patchOf(`/Users/${id}`, { op: 'add', path: 'nothing', value: 1 }),
        { method: 'DELETE', path: `/Users/${id}`, version: 'W/"77"' },
        { method: 'DELETE', path: '/Users/nobody' },
        { method: 'DELETE', path: '/Users/a%2Fb%20c' },
      ])
      for (const result of results) expect(result.response.schemas).toEqual([ERROR])
      expect(results.map(({ bulkId, location }) => [bulkId, location])).toEqual([
        ['a', undefined],
        ['b', undefined],
        [undefined, at],
        ['c', at],
        [undefined, at],
        [undefined, at],
        [undefined, `${scim.url()}/Users/nobody`],
        [undefined, `${scim.url()}/Users/a%2Fb%20c`],
      ])
      expect(statuses(results)).toEqual(['409', '400', '400', '400', '400', '412', '404', '404'])
    })

    test('[R7644-3.7-19] version is to an operation what If-Match is to a request', async () => {
      const { id, userName } = await scim.user()
      const title = (value: string) =>
        patchOf(`/Users/${id}`, { op: 'replace', path: 'title', value })
      const put = { method: 'PUT', path: `/Users/${id}`, data: { schemas: [USER], userName } }
      const results = await bulk([
        { ...title('a'), version: 'W/"1"' },
        { ...title('b'), version: 'W/"1"' },
        { ...put, version: 'W/"9"' },
        { method: 'DELETE', path: `/Users/${id}`, version: 'W/"1"' },
        { ...put, version: '*' },
        { ...title('c'), version: 'W/"3"' },
      ])
      expect(statuses(results)).toEqual(['200', '412', '412', '412', '200', '200'])
      expectFailed(results[1], 412, undefined, 'W/"2"')
      const { body } = await scim.get(`/Users/${id}`)
      expect(body).toMatchObject({ title: 'c', meta: { version: results[5].version } })
      const last = { method: 'DELETE', path: `/Users/${id}`, version: results[5].version }
      expect(statuses(await bulk([last]))).toEqual(['204'])
    })

    test('[R7644-3.7-20] a bulkId is replaced wherever a reference may stand', async () => {
      const old = await scim.user()
      const group = await scim.group({ members: [{ value: old.id }] })
      const results = await bulk([
        postUser('boss', scim.fresh()),
        postUser('ann', scim.fresh(), { [ENTERPRISE]: { manager: { value: 'bulkId:boss' } } }),
        postUser('bob', scim.fresh(), {
          [ENTERPRISE]: { manager: { $ref: `${scim.url()}/Users/bulkId:boss` } },
        }),
        postUser('cy', scim.fresh(), { [ENTERPRISE]: { manager: 'bulkId:boss' } }),
        postUser('dan', scim.fresh()),
        postGroup('g', scim.fresh(), 'bulkId:ann', old.id),
        patchOf(`/Groups/${group.id}`, {
          op: 'add',
          path: 'members',
          value: [{ value: 'bulkId:ann' }],
        }),
        patchOf(`/Groups/${group.id}`, {
          op: 'add',
          value: { members: [{ value: 'bulkId:bob' }] },
        }),
        patchOf(`/Groups/${group.id}`, {
          op: 'add',
          path: 'members',
          value: [{ $ref: '../Users/bulkId:cy' }],
        }),
        patchOf(`/Groups/${group.id}`, { op: 'remove', path: 'members[value eq "bulkId:ann"]' }),
        patchOf(`/Users/${old.id}`, {
          op: 'add',
          path: `${ENTERPRISE}:manager`,
          value: { value: 'bulkId:ann' },
        }),
        patchOf('/Users/bulkId:dan', {
          op: 'add',
          path: `${ENTERPRISE}:manager.value`,
          value: 'bulkId:cy',
        }),
      ])
      expect(new Set(statuses(results))).toEqual(new Set(['200', '201']))
      const [boss, ann, bob, cy, dan, created] = results.slice(0, 6).map(idOf) as [...string[]] as [
        string,
        string,
        string,
        string,
        string,
        string,
      ]
      for (const id of [ann, bob, cy]) expect(await managerOf(id)).toBe(boss)
      expect(await managerOf(old.id)).toBe(ann)
      expect(await managerOf(dan)).toBe(cy)
      expect((await membersOf(created)).sort()).toEqual([ann, old.id].sort())
      expect((await membersOf(group.id)).sort()).toEqual([old.id, bob, cy].sort())
      for (const id of [boss, ann, bob, cy, dan, created]) expect(id).not.toInclude('bulkId')
    })

    test('[R7644-3.7-20] a PUT takes bulkIds as well', async () => {
      const { id, displayName } = await scim.group()
      const data = { schemas: [GROUP], displayName, members: [{ value: 'bulkId:u/1 "x"' }] }
      const [user, put] = await bulk([
        postUser('u/1 "x"', scim.fresh()),
        { method: 'PUT', path: `/Groups/${id}`, data },
      ])
      expect(put.status).toBe('200')
      expect(await membersOf(id)).toEqual([idOf(user)])
    })

    test('[R7644-3.7-21] a bulkId may stand in the path of other operations, before or after', async () => {
      const name = scim.fresh()
      const results = await bulk([
        patchOf('/Groups/bulkId:g', { op: 'replace', path: 'displayName', value: name }),
        postGroup('g', scim.fresh()),
        postUser('a b', scim.fresh()),
        { method: 'DELETE', path: '/Users/bulkId:a%20b' },
        { method: 'DELETE', path: '/Groups/bulkId:a%20b' },
      ])
      expect(statuses(results)).toEqual(['200', '201', '201', '204', '404'])
      expect(results[0].location).toBe(results[1].location)
      expect(results[3].location).toBe(results[2].location)
      expect((await scim.get(`/Groups/${idOf(results[1])}`)).body.displayName).toBe(name)
      expectError(await scim.get(`/Users/${idOf(results[2])}`), 404)
    })

    test('[R7644-3.7-22] [R7644-3.7-26] what is referred to may come later, over many steps', async () => {
      const names = Array.from({ length: 60 }, () => scim.fresh())
      const chain = names.map((name, index) =>
        postGroup(`c${index}`, name, ...(index < 59 ? [`bulkId:c${index + 1}`] : [])),
      )
      const results = await bulk(chain)
      expect(results.map(({ bulkId }) => bulkId)).toEqual(chain.map(({ bulkId }) => bulkId))
      for (const [index, result] of results.slice(0, -1).entries()) {
        expect(await membersOf(idOf(result))).toEqual([idOf(results[index + 1])])
      }
    })

    test('[R7644-3.7-23] groups that hold each other are created with their members', async () => {
      for (const count of [2, 3, 7]) {
        const names = Array.from({ length: count }, () => scim.fresh())
        const results = await bulk(
          names.map((name, index) =>
            postGroup(`g${index}`, name, `bulkId:g${(index + 1) % count}`),
          ),
        )
        expect(statuses(results)).toEqual(names.map(() => '201'))
        for (const [index, result] of results.entries()) {
          const { body, headers } = await scim.get(`/Groups/${idOf(result)}`)
          expect(body.displayName).toBe(names[index])
          expect(idsOf(body.members)).toEqual([idOf(results[(index + 1) % count])])
          expect(headers.get('etag')).toBe(result.version)
        }
      }
    })

    test('[R7644-3.7-23] users that manage each other are created, and what hangs on a circle too', async () => {
      const managed = (bulkId: string) => ({
        [ENTERPRISE]: { manager: { value: `bulkId:${bulkId}` } },
      })
      const results = await bulk([
        postGroup('g', scim.fresh(), 'bulkId:a', 'bulkId:b'),
        postUser('a', scim.fresh(), managed('b')),
        postUser('b', scim.fresh(), managed('a')),
      ])
      expect(statuses(results)).toEqual(['201', '201', '201'])
      const [g, a, b] = results.map(idOf) as [string, string, string]
      expect([await managerOf(a), await managerOf(b)]).toEqual([b, a])
      expect((await membersOf(g)).sort()).toEqual([a, b].sort())
    })

    test('[R7644-3.7-23] a circle links to as many resources as one commit may write, and not one more', async () => {
      const before = await total()
      const circle = (count: number) => {
        const strangers = Array.from({ length: count / 2 - 1 }, (_, index) => `nobody${index}`)
        return [
          postGroup('a', scim.fresh(), 'bulkId:b', ...strangers),
          postGroup('b', scim.fresh(), 'bulkId:a', ...strangers),
        ]
      }
      const most = await bulk(circle(LINKS_PER_COMMIT_MAX))
      expectFailed(most[0], 400, 'invalidValue', '"nobody0"')
      for (const result of await bulk(circle(LINKS_PER_COMMIT_MAX + 2))) {
        expectFailed(result, 409, undefined, String(LINKS_PER_COMMIT_MAX))
      }
      expect(await total()).toBe(before)
    })

    test('[R7644-3.7-23] a group may hold itself', async () => {
      const [result] = await bulk([postGroup('g', scim.fresh(), 'bulkId:g')])
      expect(result.status).toBe('201')
      expect(await membersOf(idOf(result))).toEqual([idOf(result)])
    })

    test.each<[string, (taken: string, name: string) => Operation]>([
      ['whose name is taken', (taken) => postGroup('z', taken, 'bulkId:a')],
      ['without a name', () => postGroup('z', '', 'bulkId:a')],
      ['with an unknown member', (_taken, name) => postGroup('z', name, 'bulkId:a', 'nobody')],
      ['with an unknown bulkId', (_taken, name) => postGroup('z', name, 'bulkId:no', 'bulkId:a')],
      ['with a failed member', (_taken, name) => postGroup('z', name, 'bulkId:a', 'bulkId:bad')],
    ])(
      '[R7644-3.7-23] [R7644-3.7-24] a circle with a partner %s is not created at all',
      async (what, partner) => {
        const taken = (await scim.group()).displayName
        const { userName } = await scim.user()
        const before = await total()
        const results = await bulk([
          postGroup('a', scim.fresh(), 'bulkId:b'),
          postGroup('b', scim.fresh(), 'bulkId:z'),
          partner(taken, scim.fresh()),
          postUser('bad', userName),
          postGroup('after', scim.fresh(), 'bulkId:b'),
        ])
        for (const result of results.slice(0, 3)) expect(result.location).toBeUndefined()
        expect(results[2].status).toBe(what === 'whose name is taken' ? '409' : '400')
        for (const result of results.slice(0, 2)) expectFailed(result, 409, undefined, '"z"')
        expectFailed(results[4], 400, 'invalidValue', '"b"')
        expect(await total()).toBe(before)
      },
    )

    test('[R7644-3.7-24] a reference to nothing, or to what failed, fails what refers', async () => {
      const { id: group } = await scim.group()
      const { userName } = await scim.user()
      const before = await total()
      const results = await bulk([
        postGroup('a', scim.fresh(), 'bulkId:nobody'),
        postGroup('b', scim.fresh(), 'bulkId:bad'),
        postUser('bad', userName),
        patchOf('/Groups/bulkId:nobody', { op: 'replace', path: 'displayName', value: 'x' }),
        patchOf('/Groups/bulkId:b', { op: 'replace', path: 'displayName', value: 'x' }),
        patchOf(`/Groups/${group}`, { op: 'add', path: 'members', value: [{ value: 'bulkId:b' }] }),
        { method: 'DELETE', path: '/Users/bulkId:bad' },
        { method: 'POST', path: '/Users', bulkId: 'malformed' },
        postGroup('c', scim.fresh(), 'bulkId:malformed'),
      ])
      expect(results[2].status).toBe('409')
      for (const index of [0, 1, 3, 4, 5, 6, 8])
        expectFailed(results[index], 400, 'invalidValue', '"')
      expect(results[3].location).toBeUndefined()
      expect(await total()).toBe(before)
      expect(await membersOf(group)).toEqual([])
    })

    test('[R7644-3.7-25] a text that is no reference stays, bulkId or not', async () => {
      const displayName = scim.fresh('bulkId:qwerty')
      const results = await bulk([
        postGroup('g', displayName),
        postUser('qwerty', `bulkId:${scim.fresh()}`, {
          title: 'bulkId:g',
          nickName: 'bulkId:none',
        }),
        patchOf('/Users/bulkId:qwerty', {
          op: 'add',
          path: 'emails',
          value: [{ value: 'bulkId:g', type: 'work' }],
        }),
        patchOf('/Users/bulkId:qwerty', {
          op: 'replace',
          path: 'emails[value eq "bulkId:g"].type',
          value: 'home',
        }),
      ])
      expect(statuses(results)).toEqual(['201', '201', '200', '200'])
      const { body } = await scim.get(`/Users/${idOf(results[1])}`)
      expect(body).toMatchObject({
        title: 'bulkId:g',
        nickName: 'bulkId:none',
        emails: [{ value: 'bulkId:g', type: 'home' }],
      })
      expect((await scim.get(`/Groups/${idOf(results[0])}`)).body.displayName).toBe(displayName)
    })

    test('[R7644-3.7-28] as many operations as told, and not one more', async () => {
      const { body } = await scim.get('/ServiceProviderConfig')
      expect(body.bulk).toEqual({
        supported: true,
        maxOperations: BULK_OPERATIONS_MAX,
        maxPayloadSize: BODY_BYTES_MAX,
      })
      const many = (count: number) =>
        Array.from({ length: count }, (_, index) => postUser(`u${index}`, `many-${index}`))
      await refused(bulkOf(many(1001)), 413, undefined, '1000')
      const before = await scim.total('/Users')
      expect(new Set(statuses(await bulk(many(1000))))).toEqual(new Set(['201']))
      expect(await scim.total('/Users')).toBe(before + 1000)
    })

    test('[R7644-3.7-29] a payload as long as told, and not one byte more, declared or streamed', async () => {
      const text = JSON.stringify(bulkOf([postUser('a', scim.fresh())]))
      const whole = new TextEncoder().encode(text.padEnd(BODY_BYTES_MAX, ' '))
      const before = await scim.total('/Users')
      const longer = new Uint8Array(BODY_BYTES_MAX + 1).fill(0x20)
      longer.set(whole)
      const headers = { 'Content-Type': 'application/scim+json' }
      const declared = await send(`${scim.url()}/Bulk`, 'POST', longer, headers)
      expectError(declared, 413, undefined, String(BODY_BYTES_MAX))
      const streamed = await fetch(`${scim.url()}/Bulk`, {
        method: 'POST',
        headers: { ...headers, Authorization: `Bearer ${TOKEN}` },
        body: new Blob([longer]).stream(),
      })
      expect(streamed.status).toBe(413)
      expect(await scim.total('/Users')).toBe(before)
      const most = await send(`${scim.url()}/Bulk`, 'POST', whole, headers)
      expect(most.body.Operations[0].status).toBe('201')
    })

    test('[R7644-3.7-30] who may only read is refused operation by operation, and who may not even that at once', async () => {
      const control = openLmdbControl(join(scim.server().data, 'control.mdb'))
      const tokenOf = async (scope: 'read' | 'verify') => {
        const wanted = { name: 'r', tenant: 'default', scope, created: 0 } as const
        return (await mintToken(control, { ...wanted, expires: undefined })).token
      }
      const [reader, verifier] = [await tokenOf('read'), await tokenOf('verify')]
      await control.close()
      const user = await scim.user()
      const before = await total()
      const place = `/Users/${user.id}`
      const body = bulkOf([
        postUser('a', scim.fresh()),
        postGroup('b', scim.fresh(), 'bulkId:c'),
        postGroup('c', scim.fresh(), 'bulkId:b'),
        { method: 'PUT', path: place, data: { schemas: [USER], userName: 'x' } },
        patchOf(place, { op: 'add', path: 'title', value: 'x' }),
        { method: 'DELETE', path: place },
        { method: 'DELETE', path: '/Users/nobody' },
      ])
      const ask = (token: string) =>
        scim.request('POST', '/Bulk', body, { Authorization: `Bearer ${token}` })
      const reply = await ask(reader)
      expect(reply.status).toBe(200)
      expect(reply.body.Operations).toHaveLength(body.Operations.length)
      for (const { status, response } of reply.body.Operations) {
        expect(status).toBe('403')
        expect(response.detail).toInclude('expected write')
      }
      expectError(await ask(verifier), 403)
      expectError(await ask('x'), 401)
      expect(await total()).toBe(before)
      expect((await scim.get(place)).body).toEqual(user)
    })

    test('[R7644-3.7-31] [R7644-3.7-17] an error within is the error of the request by itself', async () => {
      const user = await scim.user({ [ENTERPRISE]: { department: 'x' } })
      const group = await scim.group()
      const wrong: readonly Operation[] = [
        postUser('a', user.userName),
        postUser('b', ''),
        postGroup('c', scim.fresh(), 'nobody'),
        {
          method: 'POST',
          path: '/Users',
          bulkId: 'd',
          data: { schemas: ['urn:x'], userName: 'x' },
        },
        { method: 'PUT', path: `/Users/${group.id}`, data: { schemas: [USER], userName: 'x' } },
        { method: 'PUT', path: `/Users/${user.id}`, data: { schemas: [USER], userName: 5 } },
        patchOf(`/Users/${user.id}`, { op: 'remove' }),
        patchOf(`/Users/${user.id}`, { op: 'replace', path: 'id', value: 'x' }),
        patchOf(`/Users/${user.id}`, { op: 'replace', path: 'foo', value: 'x' }),
        patchOf(`/Users/${user.id}`, { op: 'add', path: 'emails[type eq', value: 'x' }),
        patchOf(`/Users/${user.id}`, { op: 'replace', path: 'ims[type sw "x"].value', value: 'x' }),
        { method: 'DELETE', path: `/Groups/${user.id}` },
      ]
      const results = await bulk(wrong)
      for (const [index, { method = '', path = '', data }] of wrong.entries()) {
        const single = await scim.request(method, path, data)
        expect(results[index].status).toBe(String(single.status))
        expect(results[index].response).toEqual(single.body)
      }
    })

    test('[R7644-3.7-33] what a query asks to be shown does not concern the results', async () => {
      const path = `/Bulk${query({ attributes: 'userName', excludedAttributes: 'meta' })}`
      const reply = await scim.request('POST', path, bulkOf([postUser('a', scim.fresh())]))
      expect(reply.status).toBe(200)
      expect(Object.keys(reply.body.Operations[0])).toEqual([
        'method',
        'bulkId',
        'version',
        'location',
        'status',
      ])
    })

    test('[R7644-3.7-34] [R7644-3.7-26] who is deleted can be created again after it', async () => {
      const { id, userName } = await scim.user()
      const results = await bulk([
        postUser('early', userName),
        { method: 'DELETE', path: `/Users/${id}` },
        postUser('again', userName),
        { method: 'DELETE', path: '/Users/bulkId:again' },
        postUser('more', userName),
      ])
      expect(statuses(results)).toEqual(['409', '204', '201', '204', '201'])
      expect(idsOf(await scim.find(`userName eq "${userName}"`))).toEqual([idOf(results[4])])
    })

    test('[R7644-3.7-18] a password is in no result', async () => {
      const { id } = await scim.user()
      const password = 'Secr3t-of-the-bulk'
      const reply = await ask([
        postUser('a', scim.fresh(), { password }),
        postUser('b', '', { password }),
        postUser('c', scim.fresh(), { password: [password] }),
        patchOf(`/Users/${id}`, { op: 'replace', path: 'password', value: password }),
        patchOf(`/Users/${id}`, { op: 'replace', path: 'password', value: { x: password } }),
      ])
      expect(statuses(reply.body.Operations)).toEqual(['201', '400', '400', '200', '400'])
      expect(reply.text).not.toInclude(password)
      expect(scim.server().errors()).not.toInclude(password)
    })

    test('a bulk is a POST, of JSON', async () => {
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
        const body = method === 'GET' ? undefined : bulkOf([postUser('a', 'x')])
        const reply = await scim.request(method, '/Bulk', body)
        expectError(reply, 405)
        expect(reply.headers.get('allow')).toBe('POST')
      }
      const headers = { 'Content-Type': 'text/plain' }
      expectError(await scim.request('POST', '/Bulk', bulkOf([postUser('a', 'x')]), headers), 415)
    })
  })
}

const NAMES = ['ann', 'Bob', 'BOB', 'cy']
const place = fc.constantFrom('0', '1', '2', 'nobody')
const title = fc.constantFrom('x', 'y', 5, '')
const version = fc.constantFrom(undefined, undefined, 'W/"1"', 'W/"2"', '*')
const member = fc.array(
  place.map((value) => ({ value: `@User${value}` })),
  { maxLength: 3 },
)

/** One request without bulkIds; @User1 stands for the id of the second user on either server. */
const request: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ name: fc.constantFrom(...NAMES), title }).map(({ name, title: value }) => ({
    method: 'POST',
    path: '/Users',
    data: { schemas: [USER], userName: name, title: value },
  })),
  fc.record({ name: fc.constantFrom(...NAMES), members: member }).map(({ name, members }) => ({
    method: 'POST',
    path: '/Groups',
    data: { schemas: [GROUP], displayName: name, members },
  })),
  fc.record({ at: place, name: fc.constantFrom(...NAMES), version }).map((one) => ({
    method: 'PUT',
    path: `/Users/@User${one.at}`,
    ...(one.version ? { version: one.version } : {}),
    data: { schemas: [USER], userName: one.name },
  })),
  fc.record({ at: place, title, version }).map((one) => ({
    ...patchOf(`/Users/@User${one.at}`, { op: 'replace', path: 'title', value: one.title }),
    ...(one.version ? { version: one.version } : {}),
  })),
  fc
    .record({ at: place, op: fc.constantFrom('add', 'replace', 'remove'), members: member })
    .map(({ at, op, members }) =>
      patchOf(`/Groups/@Group${at}`, { op, path: 'members', value: members }),
    ),
  fc.record({ kind: fc.constantFrom('User', 'Group'), at: place, version }).map((one) => ({
    method: 'DELETE',
    path: `/${one.kind}s/@${one.kind}${one.at}`,
    ...(one.version ? { version: one.version } : {}),
  })),
)

/** A server, and the ids that names stand for on it. */
class Side {
  readonly ids = new Map<string, string>()

  readonly server: TestServer

  constructor(server: TestServer) {
    this.server = server
  }

  /** Nothing but three users and three groups. */
  async reset(): Promise<void> {
    const { body } = await this.server.request('GET', '?count=1000')
    for (const { meta } of body.Resources) {
      await this.server.request('DELETE', meta.location.slice(this.server.url.length))
    }
    this.ids.clear()
    for (const index of [0, 1, 2]) {
      const user = { schemas: [USER], userName: `u${index}` }
      this.note(`@User${index}`, await this.server.request('POST', '/Users', user))
      const group = { schemas: [GROUP], displayName: `g${index}` }
      this.note(`@Group${index}`, await this.server.request('POST', '/Groups', group))
    }
  }

  note(name: string, { body }: Pick<Reply, 'body'>): void {
    this.ids.set(name, body.id)
  }

  /** With ids in place of names. */
  here<T>(value: T): T {
    const text = JSON.stringify(value)
    return JSON.parse(text.replace(/@\w+/g, (name) => this.ids.get(name) ?? 'nobody'))
  }

  /** With names in place of ids, without times and without the address of the server. */
  plain(value: unknown): unknown {
    let text = JSON.stringify(value) ?? 'null'
    for (const [name, id] of this.ids) text = text.replaceAll(id, name)
    text = text.replaceAll(this.server.url, '')
    return JSON.parse(text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'time'))
  }

  async state(): Promise<unknown> {
    const { body } = await this.server.request('GET', '?count=1000')
    return this.plain(body)
  }
}

for (const target of TARGETS) {
  test(`[R7644-3.7-26] [R7644-3.7-31] a bulk does what its requests do one by one (${target}, SCIMD_SEED=${SEED})`, async () => {
    await using one = await startTestServer({ target })
    await using other = await startTestServer({ target })
    const [together, apart] = [new Side(one), new Side(other)]

    /** The results that the requests have by themselves, in the form of bulk results. */
    async function singly(operations: readonly Operation[], failOnErrors: number) {
      const results: unknown[] = []
      let errors = 0
      for (const [index, operation] of apart.here(operations).entries()) {
        if (errors >= failOnErrors) break
        const { method = '', path = '', data, version: tag } = operation
        const headers: Record<string, string> = tag ? { 'If-Match': tag } : {}
        const reply = await other.request(method, path, data, headers)
        const isFailed = reply.status >= 400
        if (isFailed) errors++
        else if (method === 'POST') apart.note(`@new${index}`, reply)
        const location = reply.headers.get('location') ?? `${other.url}${path}`
        const etag = reply.headers.get('etag')
        results.push({
          method,
          ...(method === 'POST' ? { bulkId: `b${index}` } : {}),
          ...(etag && !isFailed ? { version: etag } : {}),
          ...(isFailed && method === 'POST' ? {} : { location }),
          // RFC 7644 section 3.5.2 leaves open which of the two a PATCH answers.
          status: method === 'PATCH' && !isFailed ? '200' : String(reply.status),
          ...(isFailed ? { response: reply.body } : {}),
        })
      }
      return apart.plain(results)
    }

    const isSame = async (operations: readonly Operation[], failOnErrors: number) => {
      await Promise.all([together.reset(), apart.reset()])
      const named = together.here(operations).map((operation, index) => ({
        ...operation,
        ...(operation.method === 'POST' ? { bulkId: `b${index}` } : {}),
      }))
      const { status, body } = await one.request('POST', '/Bulk', bulkOf(named, { failOnErrors }))
      expect(status).toBe(200)
      for (const result of body.Operations) {
        if (result.method !== 'POST' || result.status !== '201') continue
        together.ids.set(`@new${result.bulkId.slice(1)}`, idOf(result))
      }
      const expected = await singly(operations, failOnErrors)
      expect(together.plain(body.Operations)).toEqual(expected)
      expect(await together.state()).toEqual(await apart.state())
    }
    const operations = fc.array(request, { minLength: 1, maxLength: 12 })
    const failOnErrors = fc.constantFrom(1, 3, 100)
    await fc.assert(fc.asyncProperty(operations, failOnErrors, isSame), { seed: SEED, numRuns: 60 })
    expect((await one.journal()).length).toBe((await other.journal()).length)
  }, 60_000)
}
