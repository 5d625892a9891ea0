/** The heavy and hostile requests of blocks.ts. */

import { SEED, times, USER_URN } from './seed.ts'

export interface Answer {
  readonly status: number
  readonly text: string
}

export type Ask = (
  method: string,
  path: string,
  body?: string,
  signal?: AbortSignal,
) => Promise<Answer>

/** What is sent while the watch is on; gives the status, or statuses, of the answers. */
type Go = () => Promise<string | number>

export interface Case {
  readonly name: string
  /** Makes ready, outside of what is measured. */
  run(ask: Ask, round: number): Promise<Go> | Go
}

const GROUP_URN = 'urn:ietf:params:scim:schemas:core:2.0:Group'
const PATCH_URN = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'
const BULK_URN = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest'
const SEARCH_URN = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest'

const BODY_BYTES = 16 * 1024 * 1024 - 4096
const IDS_MANY = 100_000
/** As many as fit into a body. */
const IDS_MOST = 300_000

let names = 0
const fresh = (): string => `fresh-${++names}`

const json = (value: unknown): string => JSON.stringify(value)
const members = (ids: readonly string[]) => ids.map((value) => ({ value }))
const unknownIds = (count: number): string[] => times(count, (index) => `nobody-${index}`)
const user = (more: object = {}) => ({ schemas: [USER_URN], userName: fresh(), ...more })
const group = (ids: readonly string[]) => ({
  schemas: [GROUP_URN],
  displayName: fresh(),
  members: members(ids),
})
const patchOf = (...Operations: object[]) => ({ schemas: [PATCH_URN], Operations })
const bulkOf = (Operations: object[]) => json({ schemas: [BULK_URN], Operations })

/** A body of 16 MiB: a resource with an attribute that nobody knows, full of one small value. */
function stuffed(piece: string, countMax = Number.POSITIVE_INFINITY): string {
  const count = Math.min(countMax, Math.floor(BODY_BYTES / (piece.length + 1)) - 100)
  const head = json(user()).slice(0, -1)
  return `${head},"x":[${`${piece},`.repeat(count)}${piece}]}`
}

const one =
  (method: string, path: string, body: () => string): Case['run'] =>
  (ask) => {
    const text = body()
    return async () => (await ask(method, path, text)).status
  }

async function made(ask: Ask, path: string, body: object): Promise<string> {
  const { status, text } = await ask('POST', path, json(body))
  if (status !== 201) throw new Error(`${path}: ${status} ${text.slice(0, 200)}`)
  return `${path}/${(JSON.parse(text.slice(0, 400).replace(/,"members.*|,"meta.*/s, '}')) as { id: string }).id}`
}

/** The statuses of the results of a bulk request, counted. */
function bulkStatus({ status, text }: Answer): string {
  if (status !== 200) return String(status)
  const { Operations } = JSON.parse(text) as { Operations: { status: string }[] }
  return [...new Set(Operations.map((result) => result.status))].join('/')
}

const bulk =
  (operations: (ask: Ask) => Promise<object[]> | object[]): Case['run'] =>
  async (ask) => {
    const text = bulkOf(await operations(ask))
    return async () => bulkStatus(await ask('POST', '/Bulk', text))
  }

const create = (data: object, bulkId = fresh()) => ({
  method: 'POST',
  path: '/Users',
  bulkId,
  data,
})

const longFilter = (attribute: string, count: number): string =>
  times(count, (index) => `${attribute} co "zq${index}"`).join(' or ')

const search = (request: object): Case['run'] =>
  one('POST', '/Users/.search', () => json({ schemas: [SEARCH_URN], ...request }))

const parallel =
  (count: number, body: (index: number) => [string, string, string]): Case['run'] =>
  (ask) => {
    const bodies = times(count, body)
    return async () => {
      const answers = await Promise.all(bodies.map((parts) => ask(...parts)))
      return [...new Set(answers.map(({ status }) => status))].join('/')
    }
  }

export const CASES: readonly Case[] = [
  {
    name: 'nothing at all, for two seconds',
    run: () => async () => {
      await Bun.sleep(2000)
      return '-'
    },
  },
  {
    name: '1,000 small requests, one after the other',
    run: (ask) => async () => {
      for (let index = 0; index < 1000; index++) await ask('GET', `/Users/${SEED.userId(index)}`)
      return 200
    },
  },
  { name: 'body: 1,000,000 numbers', run: one('POST', '/Users', () => stuffed('1', 999_000)) },
  { name: 'body: 16 MiB of numbers', run: one('POST', '/Users', () => stuffed('1')) },
  {
    name: 'body: 16 MiB of 900,000 strings',
    run: one('POST', '/Users', () => stuffed('"abcdefghijklmno"')),
  },
  {
    name: 'body: 16 MiB of 450,000 objects',
    run: one('POST', '/Users', () => stuffed('{"a":1,"b":"abcdefghijklmnopqr"}')),
  },
  {
    name: 'body: 16 MiB of objects of no members',
    run: one('POST', '/Users', () => stuffed('{}', 990_000)),
  },
  {
    name: 'body: 16 MiB of escapes',
    run: one('POST', '/Users', () => stuffed(`"${'\\n'.repeat(500)}"`)),
  },
  {
    name: 'body: 16 MiB of surrogates',
    run: one('POST', '/Users', () => stuffed(`"${'\\ud83e\\udd8a'.repeat(500)}"`)),
  },
  {
    name: 'body: 16 MiB of three-byte letters',
    run: one('POST', '/Users', () => stuffed(`"${'山'.repeat(500)}"`, 10_000)),
  },
  {
    name: 'body: one string of 16 MiB',
    run: one('POST', '/Users', () => stuffed('x', 0).replace('[x]', `"${'x'.repeat(BODY_BYTES)}"`)),
  },
  {
    name: 'body: 16 MiB of white space',
    run: one('POST', '/Users', () =>
      stuffed('1', 0).replace('[1]', `[${' '.repeat(BODY_BYTES)}1]`),
    ),
  },
  {
    name: 'body: a number of 16 MiB',
    run: one('POST', '/Users', () => stuffed('1', 0).replace('[1]', '1'.repeat(BODY_BYTES))),
  },
  {
    name: 'body: 16 MiB of open brackets',
    run: one('POST', '/Users', () => '['.repeat(BODY_BYTES)),
  },
  {
    name: 'body: 16 MiB, a fault at the end',
    run: one('POST', '/Users', () => `${stuffed('"abcdefghijklmno"').slice(0, -2)}?`),
  },
  {
    name: 'body: 16 MiB of lines, a fault at the end',
    run: one('POST', '/Users', () => `${'\n'.repeat(BODY_BYTES)}?`),
  },
  {
    name: 'body: not UTF-8 at the end',
    run: one('POST', '/Users', () => `${'é'.repeat(BODY_BYTES / 2)}\ud800`),
  },
  {
    name: 'body: 100 objects of 10,000 members',
    run: one('POST', '/Users', () => stuffed(`{${times(9999, (i) => `"k${i}":1`).join(',')}}`, 40)),
  },
  {
    name: 'body: wrong root, a list of 1,000,000',
    run: one('POST', '/Users', () => `[${'1,'.repeat(999_000)}1]`),
  },
  {
    name: 'body: schemas is a list of 1,000,000',
    run: one('POST', '/Users', () =>
      json(user()).replace(/\["[^\]]*\]/, `[${'1,'.repeat(999_000)}1]`),
    ),
  },
  {
    name: 'body: emails, 450,000 of them',
    run: one('POST', '/Users', () =>
      stuffed('{"value":"abcdefghijkl@abc.defg"}').replace('"x":', '"emails":'),
    ),
  },
  {
    name: 'body: userName of 16 MiB',
    run: one('POST', '/Users', () => json(user({ userName: 'x'.repeat(BODY_BYTES) }))),
  },
  {
    name: 'body: PUT 16 MiB of strings',
    run: one('PUT', `/Users/${SEED.userId(5)}`, () => stuffed('"abcdefghijklmno"')),
  },
  {
    name: 'body: PATCH 16 MiB of strings',
    run: one('PATCH', `/Users/${SEED.userId(5)}`, () =>
      json(patchOf({ op: 'add', value: { title: 'a', x: 0 } })).replace(
        '"x":0',
        `"x":[${'"abcdefghijklmno",'.repeat(900_000)}1]`,
      ),
    ),
  },
  {
    name: 'body: search 16 MiB of strings',
    run: one('POST', '/Users/.search', () =>
      json({ schemas: [SEARCH_URN], count: 1, x: 0 }).replace(
        '"x":0',
        `"x":[${'"abcdefghijklmno",'.repeat(900_000)}1]`,
      ),
    ),
  },
  {
    name: 'body: bulk 16 MiB of strings',
    run: one('POST', '/Bulk', () =>
      bulkOf([create(user({ x: 0 }))]).replace(
        '"x":0',
        `"x":[${'"abcdefghijklmno",'.repeat(900_000)}1]`,
      ),
    ),
  },
  {
    name: 'bodies: 32 of 16 MiB at the same time',
    run: parallel(32, () => ['POST', '/Users', stuffed('"abcdefghijklmno"')]),
  },
  {
    name: 'group: POST 100,000 members',
    run: one('POST', '/Groups', () => json(group(SEED.userIds(IDS_MANY)))),
  },
  {
    name: 'group: POST 300,000 unknown members',
    run: one('POST', '/Groups', () => json(group(unknownIds(IDS_MOST)))),
  },
  {
    name: 'group: PUT 300,000 unknown members',
    run: one('PUT', `/Groups/${SEED.otherGroup}`, () => json(group(unknownIds(IDS_MOST)))),
  },
  {
    name: 'group: PUT 100,000 members as they are',
    run: one('PUT', `/Groups/${SEED.bigGroup}`, () =>
      json({ ...group(SEED.userIds(IDS_MANY)), displayName: 'big' }),
    ),
  },
  {
    name: 'group: PUT 100,000 members, 50,000 of them new',
    run: async (ask) => {
      const path = await made(ask, '/Groups', group(SEED.userIds(IDS_MANY / 2)))
      const text = json(group(SEED.userIds(IDS_MANY)))
      return async () => (await ask('PUT', path, text)).status
    },
  },
  ...[1000, 5000, 20_000].flatMap((count): Case[] => [
    {
      name: `group: PATCH adds ${count} members`,
      run: async (ask) => {
        const path = await made(ask, '/Groups', group([]))
        const text = json(
          patchOf({ op: 'add', path: 'members', value: members(SEED.userIds(count)) }),
        )
        return async () => (await ask('PATCH', path, text)).status
      },
    },
    {
      name: `group: PATCH removes ${count} members`,
      run: async (ask) => {
        const path = await made(ask, '/Groups', group(SEED.userIds(count)))
        const text = json(
          patchOf({ op: 'remove', path: 'members', value: members(SEED.userIds(count)) }),
        )
        return async () => (await ask('PATCH', path, text)).status
      },
    },
    {
      name: `group: POST ${count} members`,
      run: one('POST', '/Groups', () => json(group(SEED.userIds(count)))),
    },
  ]),
  {
    name: 'group: PATCH adds 300,000 unknown members',
    run: one('PATCH', `/Groups/${SEED.otherGroup}`, () =>
      json(patchOf({ op: 'add', path: 'members', value: members(unknownIds(IDS_MOST)) })),
    ),
  },
  {
    name: 'group: PATCH removes 100 filters on 100,000 members',
    run: one('PATCH', `/Groups/${SEED.bigGroup}`, () =>
      json(patchOf(...times(100, (i) => ({ op: 'remove', path: `members[display co "zq${i}"]` })))),
    ),
  },
  {
    name: 'group: PATCH 100 filters on 4,900 members',
    run: async (ask) => {
      const path = await made(ask, '/Groups', group(SEED.userIds(4900)))
      const text = json(
        patchOf(...times(100, (i) => ({ op: 'remove', path: `members[display co "zq${i}"]` }))),
      )
      return async () => (await ask('PATCH', path, text)).status
    },
  },
  {
    name: 'group: 64 PATCHes of 1,000 members at once',
    run: async (ask) => {
      const paths: string[] = []
      for (let index = 0; index < 64; index++) paths.push(await made(ask, '/Groups', group([])))
      const text = json(patchOf({ op: 'add', path: 'members', value: members(SEED.userIds(1000)) }))
      return async () => {
        const answers = await Promise.all(paths.map((path) => ask('PATCH', path, text)))
        return [...new Set(answers.map(({ status }) => status))].join('/')
      }
    },
  },
  {
    name: 'group: 256 PATCHes of one member at once',
    run: parallel(256, (i) => [
      'PATCH',
      `/Groups/${SEED.otherGroup}`,
      json(patchOf({ op: 'add', path: 'members', value: members([SEED.userId(i)]) })),
    ]),
  },
  {
    name: 'group: GET of 100,000 members',
    run: (ask) => async () => (await ask('GET', `/Groups/${SEED.bigGroup}`)).status,
  },
  {
    name: 'group: DELETE of 100,000 members',
    run: async (ask) => {
      const path = await made(ask, '/Groups', group(SEED.userIds(IDS_MANY)))
      return async () => {
        const { status } = await ask('DELETE', path)
        await Bun.sleep(3000)
        return status
      }
    },
  },
  {
    name: 'user: DELETE of one in 5,000 groups',
    run: (ask, round) => async () => {
      const { status } = await ask('DELETE', `/Users/${SEED.popularId(round)}`)
      await Bun.sleep(500)
      return status
    },
  },
  {
    name: 'user: GET of one in 100 groups',
    run: (ask) => async () => (await ask('GET', `/Users/${SEED.userId(3)}`)).status,
  },
  {
    name: 'user: POST with 1,000 emails',
    run: one('POST', '/Users', () =>
      json(
        user({ emails: times(1000, (i) => ({ value: `${fresh()}@example.com`, type: `t${i}` })) }),
      ),
    ),
  },
  {
    name: 'user: POST of 1 MiB, emails indexed',
    run: one('POST', '/Users', () =>
      json(
        user({
          emails: times(950, (i) => ({
            value: `${'é'.repeat(480)}${fresh()}@example.com`,
            type: `t${i}`,
          })),
        }),
      ),
    ),
  },
  {
    name: 'user: 32 POSTs of 1 MiB at once',
    run: parallel(32, () => [
      'POST',
      '/Users',
      json(
        user({
          emails: times(950, (i) => ({
            value: `${'e'.repeat(980)}${fresh()}@example.com`,
            type: `t${i}`,
          })),
        }),
      ),
    ]),
  },
  {
    name: 'patch: 5,000 operations on a user',
    run: one('PATCH', `/Users/${SEED.userId(6)}`, () =>
      json(patchOf(...times(5000, (i) => ({ op: 'replace', path: 'title', value: `t${i}` })))),
    ),
  },
  {
    name: 'patch: 5,000 operations on an extension',
    run: one('PATCH', `/Users/${SEED.userId(6)}`, () =>
      json(
        patchOf(
          ...times(5000, (i) => ({
            op: 'replace',
            path: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department',
            value: `t${i}`,
          })),
        ),
      ),
    ),
  },
  {
    name: 'patch: 200 filters on 1,000 emails',
    run: one('PATCH', `/Users/${SEED.fullId(0)}`, () =>
      json(
        patchOf(
          ...times(200, (i) => ({
            op: 'replace',
            path: `emails[value eq "0-${i}@example.com"].display`,
            value: `t${i}`,
          })),
        ),
      ),
    ),
  },
  {
    name: 'patch: long filters on 1,000 emails',
    run: one('PATCH', `/Users/${SEED.fullId(1)}`, () =>
      json(
        patchOf(
          ...times(100, () => ({ op: 'remove', path: `emails[${longFilter('display', 190)}]` })),
        ),
      ),
    ),
  },
  {
    name: 'patch: 5,000 long filters on a user',
    run: one('PATCH', `/Users/${SEED.userId(7)}`, () =>
      json(
        patchOf(
          ...times(130, () => ({ op: 'remove', path: `emails[${longFilter('value', 200)}]` })),
        ),
      ),
    ),
  },
  {
    name: 'patch: 200 additions of 900 emails',
    run: one('PATCH', `/Users/${SEED.userId(8)}`, () =>
      json(
        patchOf(
          ...times(100, () => ({
            op: 'add',
            path: 'emails',
            value: times(900, (i) => ({ value: `${i}@example.org`, type: `t${i}` })),
          })),
        ),
      ),
    ),
  },
  {
    name: 'patch: 5,000 operations that add one member each',
    run: one('PATCH', `/Groups/${SEED.otherGroup}`, () =>
      json(
        patchOf(
          ...times(5000, (i) => ({ op: 'add', path: 'members', value: members([SEED.userId(i)]) })),
        ),
      ),
    ),
  },
  { name: 'bulk: 1,000 users', run: bulk(() => times(1000, () => create(user()))) },
  {
    name: 'bulk: 1,000 users with passwords',
    run: bulk(() => times(1000, () => create(user({ password: 'a password' })))),
  },
  {
    name: 'bulk: 1,000 PATCHes of one group of 100,000',
    run: bulk(() =>
      times(1000, (index) => ({
        method: 'PATCH',
        path: `/Groups/${SEED.bigGroup}`,
        data: patchOf({
          op: index % 2 ? 'add' : 'remove',
          path: 'members',
          value: members([SEED.userId(index)]),
        }),
      })),
    ),
  },
  {
    name: 'bulk: 1,000 groups in a circle',
    run: bulk(() =>
      times(1000, (index) => ({
        method: 'POST',
        path: '/Groups',
        bulkId: `g${index}`,
        data: group([`bulkId:g${(index + 1) % 1000}`]),
      })),
    ),
  },
  {
    name: 'bulk: 1,000 groups in a chain, last first',
    run: bulk(() =>
      times(1000, (index) => ({
        method: 'POST',
        path: '/Groups',
        bulkId: `g${index}`,
        data: group(index === 999 ? [] : [`bulkId:g${index + 1}`]),
      })),
    ),
  },
  {
    name: 'bulk: 1,000 groups with 300 references each',
    run: bulk(() =>
      times(1000, (index) => ({
        method: 'POST',
        path: '/Groups',
        bulkId: `g${index}`,
        data: group(times(300, (to) => `bulkId:g${to}`)),
      })),
    ),
  },
  {
    name: 'bulk: a group of 100,000 members',
    run: bulk(() => [
      { method: 'POST', path: '/Groups', bulkId: 'g', data: group(SEED.userIds(IDS_MANY)) },
    ]),
  },
  {
    name: 'bulk: 16 groups of 4,900 members',
    run: bulk(() =>
      times(16, () => ({
        method: 'POST',
        path: '/Groups',
        bulkId: fresh(),
        data: group(SEED.userIds(4900)),
      })),
    ),
  },
  {
    name: 'bulk: 16 users of 1 MiB',
    run: bulk(() =>
      times(15, () =>
        create(
          user({
            emails: times(950, (i) => ({
              value: `${'e'.repeat(980)}${fresh()}@example.com`,
              type: `t${i}`,
            })),
          }),
        ),
      ),
    ),
  },
  {
    name: 'bulk: a circle of 15 users of 1 MiB',
    run: bulk(() =>
      times(15, (index) =>
        create(
          user({
            emails: times(950, (i) => ({
              value: `${'e'.repeat(980)}${fresh()}@example.com`,
              type: `t${i}`,
            })),
            'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User': {
              manager: { value: `bulkId:u${(index + 1) % 15}` },
            },
          }),
          `u${index}`,
        ),
      ),
    ),
  },
  {
    name: 'filter: 200 clauses over 100,000 users',
    run: search({ filter: longFilter('title', 200), count: 1 }),
  },
  {
    name: 'filter: 200 clauses over users with 1,000 emails',
    run: search({ filter: `userName sw "full" and (${longFilter('emails.display', 190)})` }),
  },
  {
    name: 'filter: value path over users with 1,000 emails',
    run: search({ filter: `userName sw "full" and emails[${longFilter('value', 190)}]` }),
  },
  {
    name: 'filter: 190 clauses over users of 900 KiB',
    run: search({
      filter: `userName sw "bulky" and (${longFilter('addresses.formatted', 190)})`,
    }),
  },
  {
    name: 'filter: 200 indexed clauses',
    run: search({
      filter: longFilter('userName', 200).replaceAll(' co ', ' gt ').replaceAll('zq', ''),
      count: 1,
    }),
  },
  {
    name: 'filter: 200 ranges that hold everybody',
    run: search({ filter: times(200, () => 'userName sw "user"').join(' or '), count: 1 }),
  },
  {
    name: 'filter: groups.value of 200 groups',
    run: search({
      filter: times(200, () => `groups.value eq "${SEED.bigGroup}"`).join(' or '),
      count: 1,
    }),
  },
  {
    name: 'filter: members.display of all groups',
    run: one('POST', '/Groups/.search', () =>
      json({ schemas: [SEARCH_URN], filter: 'members.display co "zq"', count: 1 }),
    ),
  },
  { name: 'list: 1,000 users in 100 groups each', run: search({ count: 1000 }) },
  {
    name: 'list: 1,000 users, projected',
    run: search({ count: 1000, attributes: ['userName', 'groups.value'] }),
  },
  { name: 'list: 100 users with 1,000 emails', run: search({ filter: 'userName sw "full"' }) },
  {
    name: 'list: 200 users of 900 KiB',
    run: search({ filter: 'userName sw "bulky"', count: 200 }),
  },
  {
    name: 'list: 200 users of 900 KiB, projected',
    run: search({ filter: 'userName sw "bulky"', count: 200, attributes: ['addresses.type'] }),
  },
  {
    name: 'list: 1,000 groups, members and all',
    run: one('POST', '/Groups/.search', () => json({ schemas: [SEARCH_URN], count: 1000 })),
  },
  { name: 'list: from 100,000 on', run: search({ startIndex: 100_000, count: 100 }) },
  {
    name: 'sort: 100,000 by an attribute without an index',
    run: search({ filter: 'userName sw "user"', sortBy: 'title', count: 100 }),
  },
  {
    name: 'sort: by an index, from 100,000 on',
    run: search({ sortBy: 'userName', startIndex: 100_000, count: 100 }),
  },
  {
    name: 'sort: by an index, descending',
    run: search({ sortBy: 'userName', sortOrder: 'descending', count: 100 }),
  },
  {
    name: 'sort: by emails, descending',
    run: search({ sortBy: 'emails.value', sortOrder: 'descending', count: 100 }),
  },
]
