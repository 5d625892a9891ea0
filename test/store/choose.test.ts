/** Which of several plans a search carries out, and how far it reads: told by its account. */

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { parseFilter } from '../../src/scim/filter/parse.ts'
import { type Plan, planFilter } from '../../src/scim/filter/plan.ts'
import { resolveFilter } from '../../src/scim/filter/resolve.ts'
import { SORT_COUNT_MAX } from '../../src/scim/limits.ts'
import { readSort } from '../../src/scim/sort.ts'
import { DEFAULT_RULES } from '../../src/scim/tolerance.ts'
import type { Account, Query } from '../../src/store/store.ts'
import { numbered, originAt, temporaryStore, USER, user } from './given.ts'
import { predicateOver } from './predicate.ts'

/** So that a slow machine is no fault. */
setDefaultTimeout(60_000)

/** More than are counted at first, twice over. */
const COUNT = 2400

type Opened = Awaited<ReturnType<typeof temporaryStore>>

let opened: Opened

/** All are active but the first ten; half are in a family of 1,200, one in eight has a number. */
beforeAll(async () => {
  opened = await temporaryStore()
  const changes = numbered('u', COUNT).map((id, index) =>
    user(id, {
      active: index >= 10,
      displayName: `${index % 100} of all`,
      name: { familyName: index % 2 ? 'Odd' : 'Even' },
      ...(index % 8 === 0 ? { externalId: `x${index}` } : {}),
    }),
  )
  for (let at = 0; at < COUNT; at += 400) {
    await opened.store.commit(changes.slice(at, at + 400), originAt(1))
  }
})

afterAll(() => opened[Symbol.asyncDispose]())

async function accountOf(
  text: string,
  more: Partial<Query> = {},
): Promise<Account & { total: number }> {
  const filter = resolveFilter(parseFilter(text), USER.resolve, { rules: DEFAULT_RULES })
  const { plan, exact } = planFilter(USER, filter)
  const matches = exact ? undefined : predicateOver(opened.store, filter)
  const account: Account = {
    plan,
    passed: [],
    estimate: undefined,
    order: 'creation',
    candidates: 0,
    read: 0,
  }
  const query = { type: USER, plan, matches, skip: 0, count: 10, account }
  const { total } = await opened.store.search({ ...query, ...more })
  return { ...account, total }
}

const pathsIn = (plan: Plan): string[] =>
  plan.kind === 'range'
    ? [plan.path.text]
    : 'plans' in plan
      ? plan.plans.flatMap(pathsIn)
      : 'plan' in plan
        ? ['not', ...pathsIn(plan.plan)]
        : [plan.kind]

test('of several ranges the narrowest is taken, in whatever order and though all are wide', async () => {
  const terms = ['active eq true', 'name.familyName eq "odd"', 'meta.lastModified pr']
  for (const order of [terms, [...terms].reverse()]) {
    const { plan, passed, estimate, candidates, read, total } = await accountOf(order.join(' and '))
    expect(pathsIn(plan)).toEqual(['name.familyName'])
    expect(passed.map(({ counted }) => counted).sort()).toEqual([COUNT - 10, COUNT])
    expect(estimate?.counted).toBe(COUNT / 2)
    expect({ candidates, read, total }).toEqual({ candidates: 1200, read: 1200, total: 1195 })
  }
})

test('the keys of an index are gone through for a text, unless a range has fewer than hold it', async () => {
  const rare = await accountOf('userName co "u239" and name.familyName eq "odd"')
  expect(pathsIn(rare.plan)).toEqual(['userName'])
  expect(rare).toMatchObject({ candidates: 11, read: 11, total: 6 })

  const common = await accountOf('displayName ew "of all" and externalId sw "x1"')
  expect(pathsIn(common.plan)).toEqual(['externalId'])
  expect(common.read).toBe(common.candidates)
})

test('ranges of one index that overlap are walked as one', async () => {
  const { plan, candidates, read, total } = await accountOf(
    'userName ge "u" or userName sw "u1" or userName lt "u5" or userName eq "u7"',
  )
  expect(pathsIn(plan)).toEqual(['userName', 'userName', 'userName', 'userName'])
  expect({ candidates, read, total }).toEqual({ candidates: COUNT, read: 0, total: COUNT })
})

test('all but one value are found beside it, where each has a value, and by exclusion elsewhere', async () => {
  for (const text of ['active ne true', 'not (active eq true)']) {
    const { plan, candidates, read, total } = await accountOf(text)
    expect(pathsIn(plan)).toEqual(['active', 'active'])
    expect({ candidates, read, total }).toEqual({ candidates: 10, read: 0, total: 10 })
  }
  for (const text of ['externalId ne "x8"', 'externalId eq null', 'not (externalId co "x")']) {
    const { plan, total } = await accountOf(text)
    const isExact = !text.includes('co')
    expect(pathsIn(plan)).toEqual(isExact ? ['not', 'externalId'] : ['all'])
    expect(total).toBe(text.includes('ne') ? COUNT - 1 : COUNT - COUNT / 8)
  }
})

test('an index of the sort is walked unless there are few candidates to read', async () => {
  const sort = readSort(USER, 'userName', undefined)
  const many = await accountOf('name.familyName eq "odd"', { sort })
  expect(many).toMatchObject({ order: 'index', candidates: 1200, read: 0, total: 1200 })

  const few = await accountOf('active eq false', { sort })
  expect(few).toMatchObject({ order: 'memory', candidates: 10, read: 10, total: 10 })

  const unindexed = readSort(USER, 'title', undefined)
  const collected = await accountOf('name.familyName eq "odd"', { sort: unindexed })
  expect(collected).toMatchObject({ order: 'memory', read: 1200 })
  expect(COUNT).toBeLessThan(SORT_COUNT_MAX)

  // A walk for the first page looks at all candidates to count the matches, for a later one it
  // ends with the page.
  const text = 'name.familyName eq "odd" and displayName co "1"'
  const first = await accountOf(text, { sort })
  const { candidates, total } = first
  const last = await opened.store.search({
    ...{ type: USER, plan: { kind: 'all' }, matches: undefined },
    ...{ sort, skip: COUNT / 2, count: 1 },
  })
  const position = last.positions[0]
  if (!position) throw new Error('no position')
  const later = await accountOf(text, { sort, after: { position, total } })
  expect(first.read).toBe(candidates)
  expect(later.read).toBeLessThan(candidates / 2)
  expect(later.total).toBe(total)
})
