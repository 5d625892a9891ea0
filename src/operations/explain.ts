/** Turns a query into an account of how it is answered: for who asks why it takes long. */

import { mayBeIndexed } from '../scim/entries.ts'
import { parseFilter } from '../scim/filter/parse.ts'
import { planFilter } from '../scim/filter/plan.ts'
import { pathsIn, type TypedFilter } from '../scim/filter/resolve.ts'
import { PAGE_COUNT_DEFAULT, PAGE_COUNT_MAX } from '../scim/limits.ts'
import type { AttributePath, ResourceType } from '../scim/registry.ts'
import type { SearchRequest } from '../scim/search-request.ts'
import { readSort } from '../scim/sort.ts'
import type { Account } from '../store/store.ts'
import type { Context } from './context.ts'
import { queryOf } from './search.ts'

export interface Explanation {
  readonly account: Account
  /** Whether the ranges alone decide, and no document is read to find matches. */
  readonly isExact: boolean
  readonly matched: number
  /** Where all documents are read: the paths with whose indexes they would not be, if any. */
  readonly missing: Missing | undefined
}

export interface Missing {
  readonly paths: readonly string[]
  /** Whether each of them would do by itself; else it takes all. */
  readonly isAnyEnough: boolean
}

/**
 * Carries a query out as a search by index does, and tells how.
 *
 * @throws ScimError as a search does
 */
export async function explain(
  context: Context,
  type: ResourceType,
  request: SearchRequest,
): Promise<Explanation> {
  const filter = request.filter === undefined ? undefined : parseFilter(request.filter)
  const sort = readSort(type, request.sortBy, request.sortOrder)
  const { typed, ...query } = queryOf(context, type, filter, 'refuse')
  const account: Account = {
    plan: query.plan,
    passed: [],
    estimate: undefined,
    order: 'creation',
    candidates: 0,
    read: 0,
  }
  const { startIndex = 1, count = PAGE_COUNT_DEFAULT } = request
  const range = { skip: Math.max(0, startIndex - 1), count: Math.min(count, PAGE_COUNT_MAX) }
  const { total } = await context.store.search({ ...query, ...range, sort, account })
  const isScan = account.plan.kind === 'all' && query.matches !== undefined
  const missing = isScan && typed ? missingFor(type, typed) : undefined
  const unsorted = account.order === 'memory' && sort && !isIndexed(type, sort.path)
  return {
    account,
    isExact: query.matches === undefined,
    matched: total,
    missing: missing ?? (unsorted ? { paths: [sort.path.text], isAnyEnough: true } : undefined),
  }
}

/** Which indexes would keep a filter from reading everything: found by planning as if they were. */
function missingFor(type: ResourceType, filter: TypedFilter): Missing {
  const paths = [...new Map(pathsIn(filter).map((path) => [path.text, path])).values()]
  const able = paths.filter((path) => !isIndexed(type, path) && mayBeIndexed(path))
  const serves = (added: readonly AttributePath[]) =>
    planFilter({ ...type, indexed: [...type.indexed, ...added] }, filter).plan.kind !== 'all'
  const single = able.filter((path) => serves([path]))
  if (single.length > 0) return { paths: single.map(({ text }) => text), isAnyEnough: true }
  return { paths: serves(able) ? able.map(({ text }) => text) : [], isAnyEnough: false }
}

const isIndexed = ({ indexed }: ResourceType, { text }: AttributePath): boolean =>
  indexed.some((path) => path.text === text)
