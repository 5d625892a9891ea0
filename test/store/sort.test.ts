/** Sorted walks over more entries than are read in one go: the index has to give the plain sort. */

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { readSort } from '../../src/scim/sort.ts'
import type { JsonObject } from '../../src/scim/value.ts'
import { numbered, originAt, Random, seeds, temporaryStore, USER, user, walkedBy } from './given.ts'

/** So that a slow machine is no fault. */
setDefaultTimeout(60_000)

/** More than two batches of a walk. */
const USERS = 2600

const [seed = 0] = seeds(1)
const random = new Random(seed)

/** What users are sorted by: all of one value, values of many users, and one value for each. */
const valuesOf = (id: string): JsonObject => ({
  active: random.chance(0.9),
  ...(random.chance(0.7) ? { displayName: `n${random.below(3)}` } : {}),
  ...(random.chance(0.5) ? { externalId: `e${random.below(40)}` } : {}),
  name: { familyName: 'Same' },
  emails: [{ value: `${id}@a` }, { value: `m${random.below(5)}`, primary: random.chance(0.5) }],
})

const PATHS: readonly [string, (values: JsonObject) => unknown][] = [
  ['active', ({ active }) => Number(active)],
  ['displayName', ({ displayName }) => displayName],
  ['externalId', ({ externalId }) => externalId],
  ['name.familyName', () => 'Same'],
  ['userName', ({ userName }) => userName],
  [
    'emails.value',
    ({ emails }) => {
      const list = emails as JsonObject[]
      return (list.find((email) => email['primary'] === true) ?? list[0])?.['value']
    },
  ],
]

type Opened = Awaited<ReturnType<typeof temporaryStore>>

let opened: Opened
const all: { readonly id: string; readonly values: JsonObject }[] = []

beforeAll(async () => {
  opened = await temporaryStore()
  for (const id of numbered('u', USERS)) {
    all.push({ id, values: { userName: `${random.below(10)}-${id}`, ...valuesOf(id) } })
  }
  for (let at = 0; at < USERS; at += 500) {
    const some = all.slice(at, at + 500)
    await opened.store.commit(
      some.map(({ id, values }) => user(id, values)),
      originAt(1),
    )
  }
})

afterAll(() => opened[Symbol.asyncDispose]())

function plainSort(sortedBy: (values: JsonObject) => unknown, isDescending: boolean): string[] {
  const sign = isDescending ? -1 : 1
  const keyed = all.map(({ id, values }) => ({ id, key: sortedBy(values) as string | undefined }))
  keyed.sort(({ key: left }, { key: right }) => {
    if (left === right) return 0
    if (left === undefined || right === undefined) return sign * (left === undefined ? 1 : -1)
    return sign * (left < right ? -1 : 1)
  })
  return keyed.map(({ id }) => id)
}

test.each(PATHS)(
  `[R7644-3.4.2.3-10] [R7644-3.4.2.3-11] a walk along the index of %s is the plain sort (SCIMD_SEED=${seed})`,
  async (sortBy, sortedBy) => {
    for (const sortOrder of ['ascending', 'descending']) {
      const sort = readSort(USER, sortBy, sortOrder)
      const query = { type: USER, plan: { kind: 'all' }, sort } as const
      const expected = plainSort(sortedBy, sortOrder === 'descending')
      const whole = { ...query, skip: 0, count: USERS + 1 }
      for (const matches of [undefined, () => true, async () => true]) {
        const { total, page } = await opened.store.search({ ...whole, matches })
        expect(total).toBe(USERS)
        expect(page.map(({ id }) => id)).toEqual(expected)
      }
      for (const matches of [undefined, () => true]) {
        const paged = { ...query, skip: 0, count: 613, matches }
        expect(await walkedBy(opened.store, paged)).toEqual(expected)
      }
      for (const skip of [0, 1, 999, 1000, 1001, 2000, 2599, 2600, 5000]) {
        const range = { skip, count: 3, matches: undefined }
        const { total, page } = await opened.store.search({ ...query, ...range })
        expect(total).toBe(USERS)
        expect(page.map(({ id }) => id)).toEqual(expected.slice(skip, skip + 3))
      }
    }
  },
)

test('[R7644-3.4.2.4-01] a page behind tens of thousands of others is the right one, unsorted and of one value', async () => {
  await using deep = await temporaryStore()
  // More than are passed over in one go, and more than twice as many.
  const ids = numbered('deep', 20_500)
  for (let at = 0; at < ids.length; at += 2500) {
    const some = ids.slice(at, at + 2500)
    await deep.store.commit(
      some.map((id) => user(id, { userName: id, active: true })),
      originAt(1),
    )
  }
  const active = USER.resolve('active')
  if (active?.kind !== 'attribute') throw new Error('no active')
  const at = { key: true, inclusive: true }
  const plans = [{ kind: 'all' }, { kind: 'range', path: active, from: at, to: at }] as const
  for (const plan of plans) {
    const query = { type: USER, plan, matches: undefined }
    for (const skip of [0, 9_999, 10_000, 10_001, 19_999, 20_000, 20_001, 20_499, 20_500, 40_000]) {
      const { total, page } = await deep.store.search({ ...query, skip, count: 2 })
      expect(total).toBe(ids.length)
      expect(page.map(({ id }) => id)).toEqual(ids.slice(skip, skip + 2))
    }
    const { page } = await deep.store.search({ ...query, skip: 10_000, count: 2500 })
    expect(page.map(({ id }) => id)).toEqual(ids.slice(10_000, 12_500))
    const paged = { ...query, skip: 0, count: 7001 }
    expect(await walkedBy(deep.store, paged)).toEqual(ids)
  }
})
