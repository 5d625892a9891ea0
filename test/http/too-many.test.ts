/** Too many matches to sort: RFC 7644 sections 3.4.2.1 and 3.12, at the limit and past it. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadRegistry } from '../../src/schemas.ts'
import { SORT_COUNT_MAX } from '../../src/scim/limits.ts'
import { DEFAULT_RULES } from '../../src/scim/tolerance.ts'
import { openLmdbStore } from '../../src/store/lmdb-store.ts'
import type { Change } from '../../src/store/store.ts'
import { TARGETS } from '../harness.ts'
import { expectError, namesOf, sharedServer, USER } from './given.ts'

/** A hundred thousand users are written once, and looked at by each request. */
setDefaultTimeout(120_000)

const CHANGES_PER_COMMIT = 10_000

describe('more matches than a sort takes', () => {
  let data = ''
  beforeAll(async () => {
    data = mkdtempSync(join(tmpdir(), 'scimd-too-many-'))
    await fill(data)
  })
  afterAll(() => rmSync(data, { recursive: true, force: true }))

  for (const target of TARGETS) {
    describe(`from ${target}`, () => {
      const scim = sharedServer(() => ({ target, data, keep: true }))
      const farInto = (startIndex: number) =>
        scim.get(`?sortBy=userName&count=2&attributes=userName&startIndex=${startIndex}`)
      const sorted = (filter = '') => scim.get(`/Users?sortBy=title&count=2${filter}`)

      test('[R7644-3.12-06] [R7644-3.4.2.1-03] as many as the limit are sorted, one more is refused', async () => {
        const before = await sorted()
        expect(before.body.totalResults).toBe(SORT_COUNT_MAX)
        expect(namesOf(before.body.Resources)).toEqual(lastNames(2))

        expect((await farInto(SORT_COUNT_MAX)).body.itemsPerPage).toBe(1)
        expect((await farInto(1e12)).body).toMatchObject({ totalResults: SORT_COUNT_MAX })

        const { id } = await scim.user({ userName: 'one-more', title: 'a' })
        const limit = String(SORT_COUNT_MAX)
        expectError(await sorted(), 400, 'tooMany', limit, 'title')
        // The limit is that of the whole query, however many types it is over.
        const everywhere = await scim.request('POST', '/.search', {
          schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'],
          sortBy: 'title',
        })
        expectError(everywhere, 400, 'tooMany', limit)

        // Nor is more put in order before a page by index over all types, with an index or without.
        expect((await farInto(SORT_COUNT_MAX - 1)).body.itemsPerPage).toBe(2)
        expectError(await farInto(SORT_COUNT_MAX), 400, 'tooMany', limit, 'userName')
        expectError(await farInto(1e12), 400, 'tooMany', limit)

        // What needs no order in memory goes on: no sort, an index, or fewer matches.
        expect((await scim.total('/Users')) - 1).toBe(SORT_COUNT_MAX)
        expect((await scim.get('/Users?sortBy=userName&count=1')).status).toBe(200)
        const narrowed = await sorted('&filter=userName+ne+%22one-more%22')
        expect(narrowed.body.totalResults).toBe(SORT_COUNT_MAX)
        // The filter has a range of more matches than that, and the index of the sort is walked.
        const along = await scim.get('/Users?sortBy=userName&count=2&filter=userName+lt+%22v%22')
        expect(along.body.totalResults).toBe(SORT_COUNT_MAX + 1)
        expect(namesOf(along.body.Resources)).toEqual(['one-more', 'user-0'])

        expect((await scim.request('DELETE', `/Users/${id}`)).status).toBe(204)
        expect(namesOf((await sorted()).body.Resources)).toEqual(lastNames(2))
      })
    })
  }
})

/** Titles go down as users are made, so that the last one made is the first one sorted. */
const changeOf = (type: Change['type'], number: number): Change => ({
  operation: 'create',
  type,
  id: `u-${number}`,
  mentions: [],
  decide: () => ({
    document: {
      schemas: [USER],
      userName: `user-${number}`,
      title: String(SORT_COUNT_MAX - number).padStart(6, '0'),
    },
    links: [],
  }),
})

const lastNames = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `user-${SORT_COUNT_MAX - 1 - index}`)

/** Writes as many users as a sort takes, past the front door: through it would take minutes. */
async function fill(data: string): Promise<void> {
  const registry = loadRegistry(undefined)
  const type = registry.types.find(({ name }) => name === 'User')
  if (!type) throw new Error('there is no User')
  const file = join(data, 'tenants', 'default.mdb')
  const store = await openLmdbStore(file, 'default', registry, DEFAULT_RULES)
  const origin = { time: 0, actor: 'test', address: '', requestId: 'r' }
  for (let from = 0; from < SORT_COUNT_MAX; from += CHANGES_PER_COMMIT) {
    const numbers = Array.from({ length: CHANGES_PER_COMMIT }, (_, index) => from + index)
    await store.commit(
      numbers.map((number) => changeOf(type, number)),
      origin,
    )
  }
  await store.close()
}
