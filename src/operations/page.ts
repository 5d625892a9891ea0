/**
 * Which part of a query's matches is asked for: by index, RFC 7644 section 3.4.2.4, or by cursor,
 * RFC 9865.
 */

import { ScimError } from '../scim/error.ts'
import type { TypedFilter } from '../scim/filter/resolve.ts'
import { CURSOR_LIFETIME_MS, PAGE_COUNT_DEFAULT, PAGE_COUNT_MAX } from '../scim/limits.ts'
import type { ResourceType } from '../scim/registry.ts'
import type { SearchRequest } from '../scim/search-request.ts'
import type { Position, Sort } from '../scim/sort.ts'
import type { Stored } from '../store/store.ts'
import type { Context } from './context.ts'

/** A resource that was found, and where it stands in the order of the query. */
export interface Match {
  readonly stored: Stored
  readonly position: Position
}

/** The last resource of an earlier page. */
export interface Mark extends Position {
  /** The name of its resource type. */
  readonly type: string
  /** How many matches there were. */
  readonly total: number
}

/** A page of an answer. */
export interface SearchResult {
  readonly total: number
  /** From 1; undefined for a page by cursor. */
  readonly startIndex: number | undefined
  /** Where the next page goes on; undefined for the last one, and for a page by index. */
  readonly nextCursor: string | undefined
  readonly page: readonly Stored[]
}

export interface Pager {
  readonly skip: number
  readonly mark: Mark | undefined
  /** How many matches to find: by cursor one more than on the page, to know if it is the last. */
  readonly count: number
  /** The answer made of what was found. */
  result(total: number, found: readonly Match[], isCut: boolean): SearchResult
}

/**
 * Reads startIndex, count and cursor. A cursor is good for the query that it was handed out for,
 * as parsed, and for the credential that asked, as long as that may do what it could do then.
 *
 * @throws ScimError invalidCursor, expiredCursor, or invalidCount for another count than that of
 *   the first page
 */
export function readPager(
  context: Context,
  request: SearchRequest,
  types: readonly ResourceType[],
  filters: readonly (TypedFilter | undefined)[],
  sort: Sort | undefined,
): Pager {
  const { cursor } = request
  if (cursor === undefined) return byIndex(request)
  const order = sort && [sort.path.text, sort.isDescending]
  const names = types.map(({ name }) => name)
  const bound = JSON.stringify([context.subject, names, filters, order], withPathsAsText)
  const opened = cursor === '' ? undefined : openCursor(context, cursor, bound)
  return byCursor(context, bound, countOf(request, opened?.count), opened?.mark)
}

/** Spelled as the schema spells it, so that the same query written otherwise is the same. */
const withPathsAsText = (name: string, value: unknown): unknown =>
  name === 'path' ? (value as { text: string }).text : value

/** No more results than a page holds, and none for a negative count. */
const capped = (count: number): number => Math.min(Math.max(0, count), PAGE_COUNT_MAX)

function byIndex({ startIndex = 1, count = PAGE_COUNT_DEFAULT }: SearchRequest): Pager {
  const from = Math.max(1, startIndex)
  return {
    skip: from - 1,
    mark: undefined,
    count: capped(count),
    result: (total, found) => ({
      total,
      startIndex: from,
      nextCursor: undefined,
      page: found.map(({ stored }) => stored),
    }),
  }
}

function byCursor(context: Context, bound: string, count: number, mark: Mark | undefined): Pager {
  return {
    skip: 0,
    mark,
    count: count === 0 ? 0 : count + 1,
    result(total, found, isCut) {
      const page = found.slice(0, count)
      // A page may also end for its size.
      const last = found.length > count || isCut ? page.at(-1) : undefined
      const nextCursor = last && sealCursor(context, bound, { count, total, last })
      return { total, startIndex: undefined, nextCursor, page: page.map(({ stored }) => stored) }
    },
  }
}

/** RFC 9865 section 2.1: all pages of a query have one size; who does not name it keeps it. */
function countOf({ count }: SearchRequest, first: number | undefined): number {
  if (first === undefined) return capped(count ?? PAGE_COUNT_DEFAULT)
  if (count === undefined || capped(count) === first) return first
  throw ScimError.of(
    'invalidCount',
    `count: found ${count}, expected ${first} as on the first page`,
  )
}

/** What a cursor holds, as JSON: no name is longer than it has to be, as it goes into a URL. */
type Sealed = readonly [
  expires: number,
  count: number,
  total: number,
  type: string,
  handle: number,
  /** Base64. */
  key: string | null,
]

function sealCursor(
  context: Context,
  bound: string,
  { count, total, last }: { count: number; total: number; last: Match },
): string {
  const { stored, position } = last
  const key = position.key === undefined ? null : btoa(position.key)
  const expires = context.now() + CURSOR_LIFETIME_MS
  const sealed: Sealed = [expires, count, total, stored.type.name, position.handle, key]
  return context.seal(JSON.stringify(sealed), bound)
}

function openCursor(context: Context, cursor: string, bound: string) {
  const text = context.open(cursor, bound)
  // One text for all: whether a forged cursor is another's is not told.
  if (text === undefined) {
    throw ScimError.of(
      'invalidCursor',
      'cursor: expected the nextCursor of an earlier page of the same query, or nothing',
    )
  }
  const [expires, count, total, type, handle, key] = JSON.parse(text) as Sealed
  if (expires <= context.now()) {
    const limit = `${CURSOR_LIFETIME_MS / 1000} seconds`
    throw ScimError.of('expiredCursor', `cursor: it was good for ${limit}; begin anew without one`)
  }
  const mark: Mark = { key: key === null ? undefined : atob(key), handle, type, total }
  return { count, mark }
}
