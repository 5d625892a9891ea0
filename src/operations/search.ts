/** Searches of one type or of all: RFC 7644 sections 3.4.2 and 3.4.3, RFC 9865. */

import { documentOf, hasMarks } from '../scim/document.ts'
import { ScimError } from '../scim/error.ts'
import {
  type Candidate,
  matchSteps,
  type Needs,
  needsOf,
  predicateOf,
  termsIn,
} from '../scim/filter/evaluate.ts'
import type { Filter } from '../scim/filter/filter.ts'
import { parseFilter } from '../scim/filter/parse.ts'
import { planFilter } from '../scim/filter/plan.ts'
import { pathsIn, resolveFilter, type TypedFilter } from '../scim/filter/resolve.ts'
import type { JsonValue } from '../scim/json.ts'
import { PAGE_BYTES_MAX, SORT_COUNT_MAX } from '../scim/limits.ts'
import type { AttributePath, ResourceType } from '../scim/registry.ts'
import type { SearchRequest } from '../scim/search-request.ts'
import { comparePositions, type Position, readSort, type Sort } from '../scim/sort.ts'
import { isReference, type JsonObject } from '../scim/value.ts'
import { inSlices, slicer, sortInSlices } from '../store/slices.ts'
import type { Found, Predicate, Stored } from '../store/store.ts'
import type { Context } from './context.ts'
import { type Match, type Pager, readPager, type SearchResult } from './page.ts'
import { filledDocument, linkElement, metaOf } from './represent.ts'

/**
 * Finds the resources of one type that a filter matches.
 *
 * @throws ScimError invalidFilter; invalidValue for a sort that cannot be; invalidCursor,
 *   expiredCursor and invalidCount
 */
export async function search(
  context: Context,
  type: ResourceType,
  request: SearchRequest,
): Promise<SearchResult> {
  context.requireAccess('read', type)
  const filter = request.filter === undefined ? undefined : parseFilter(request.filter)
  const sort = readSort(type, request.sortBy, request.sortOrder)
  const { typed, ...query } = queryOf(context, type, filter, 'refuse')
  const pager = readPager(context, request, [type], [typed], sort)
  const { skip, mark, count } = pager
  const after = mark && { position: mark, total: mark.total }
  const found = await context.store.search({ ...query, sort, skip, after, count })
  return pager.result(found.total, matchesOf(found), found.isCut)
}

/**
 * Finds resources of all types, one type after the other, or all in one order. An attribute that a
 * type lacks has no value there. RFC 7644 section 3.4.2.1.
 *
 * @throws ScimError as `search`, and tooMany for a page by index far into a sorted list
 */
export async function searchAll(
  context: Context,
  types: readonly ResourceType[],
  request: SearchRequest,
): Promise<SearchResult> {
  for (const type of types) context.requireAccess('read', type)
  const filter = request.filter === undefined ? undefined : parseFilter(request.filter)
  const sorts = readSorts(types, request)
  const sort = [...(sorts?.values() ?? [])].find((one) => one !== undefined)
  const queries = types.map((type) => queryOf(context, type, filter, 'absent'))
  const filters = queries.map(({ typed }) => typed)
  const pager = readPager(context, request, types, filters, sort)
  return sorts && sort
    ? inOneOrder(context, pager, queries, sorts, sort)
    : typeByType(context, pager, queries)
}

type TypeQuery = ReturnType<typeof queryOf>

async function typeByType(
  context: Context,
  pager: Pager,
  queries: readonly TypeQuery[],
): Promise<SearchResult> {
  const { mark } = pager
  const first = mark ? queries.findIndex(({ type }) => type.name === mark.type) : 0
  const page: Match[] = []
  let total = 0
  let { skip } = pager
  let isCut = false
  for (const [index, query] of queries.slice(first).entries()) {
    const count = isCut ? 0 : pager.count - page.length
    // A later page by cursor knows the total, and need not look at what does not fit.
    if (mark && count === 0) break
    const after = mark && { position: index === 0 ? mark : BEFORE_ALL, total: 0 }
    const found = await context.store.search({ ...query, skip, after, count })
    total += found.total
    skip = Math.max(0, skip - found.total)
    page.push(...matchesOf(found))
    isCut ||= found.isCut
  }
  return pager.result(mark?.total ?? total, page, isCut)
}

/**
 * Any of the first matches may come from any type, so each gives as many as the page holds. A type
 * without the attribute stands where resources without a value do.
 */
async function inOneOrder(
  context: Context,
  pager: Pager,
  queries: readonly TypeQuery[],
  sorts: ReadonlyMap<ResourceType, Sort | undefined>,
  sort: Sort,
): Promise<SearchResult> {
  const { mark, skip } = pager
  const places: { readonly type: ResourceType; readonly position: Position }[] = []
  let total = 0
  for (const query of queries) {
    const own = sorts.get(query.type)
    const isPassed = !own && sort.isDescending && mark?.key !== undefined
    if (isPassed) continue
    const position = own || mark?.key === undefined ? mark : BEFORE_ALL
    const after = position && { position, total: 0 }
    const count = Math.min(skip + pager.count, SORT_COUNT_MAX + 1)
    const range = { skip: 0, after, count, placesOnly: true }
    const found = await context.store.search({ ...query, sort: own, ...range })
    if (found.positions.length > SORT_COUNT_MAX) throw tooFar(sort)
    total += found.total
    for (const one of found.positions) places.push({ type: query.type, position: one })
  }
  const pause = slicer(context)
  const ordered = await sortInSlices(
    places,
    (a, b) => comparePositions(sort, a.position, b.position),
    pause,
  )
  const page: Match[] = []
  let bytes = 0
  for (const { type, position } of ordered.slice(skip, skip + pager.count)) {
    const stored = context.store.at(type, position)
    if (stored) page.push({ stored, position })
    bytes += stored?.size ?? 0
    if (bytes >= PAGE_BYTES_MAX) break
    await pause()
  }
  const isCut = bytes >= PAGE_BYTES_MAX && page.length < pager.count
  return pager.result(mark?.total ?? total, page, isCut)
}

/** All that comes before a page has to be put in order, as it may come from any type. */
const tooFar = ({ path }: Sort): ScimError =>
  ScimError.of(
    'tooMany',
    `sortBy: "${path.text}" is sorted over all types for the first ${SORT_COUNT_MAX} resources alone; go on by cursor`,
  )

const BEFORE_ALL: Position = { key: undefined, handle: -1 }

const matchesOf = ({ page, positions }: Found): Match[] =>
  page.map((stored, at) => ({ stored, position: positions[at] as Position }))

/** The sort of each type that has the attribute; undefined when no order is asked for. */
function readSorts(
  types: readonly ResourceType[],
  { sortBy, sortOrder }: SearchRequest,
): Map<ResourceType, Sort | undefined> | undefined {
  const able = types.filter((type) => sortBy !== undefined && type.resolve(sortBy))
  const [first] = types
  if (first && able.length === 0 && readSort(first, sortBy, sortOrder) === undefined)
    return undefined
  return new Map(
    types.map((type) => [
      type,
      able.includes(type) ? readSort(type, sortBy, sortOrder) : undefined,
    ]),
  )
}

/** What the store is asked for a filter on one type. */
export function queryOf(
  context: Context,
  type: ResourceType,
  parsed: Filter | undefined,
  unknown: 'refuse' | 'absent',
) {
  const { rules } = context
  const typed = parsed && resolveFilter(parsed, type.resolve, { rules, unknown })
  const { plan, exact } = planFilter(type, typed)
  const matches = exact || !typed ? undefined : matcher(context, typed)
  return { type, plan, matches, client: context, typed }
}

/** A predicate over stored resources, fetching of links only what the filter looks at. */
function matcher(context: Context, filter: TypedFilter): Predicate {
  const atOnce = predicateOf(filter)
  const terms = termsIn(filter)
  const matches = (candidate: Candidate, length: number): boolean | Promise<boolean> =>
    length * terms <= LENGTH_AT_ONCE_MAX
      ? atOnce(candidate)
      : inSlices(matchSteps(filter, candidate), context)
  const needs = needsOf(filter)
  const paths = pathsIn(filter)
  const asksReferences = paths.some(looksBehind)
  const asksMeta = paths.some(({ attribute }) => attribute.name === 'meta')
  const candidateOf = (stored: Stored, document: JsonObject): Candidate => ({
    // It is made of times and a URI for each candidate, and few filters ask for it.
    resource: asksMeta
      ? { ...document, id: stored.id, meta: metaOf(context, stored) }
      : { ...document, id: stored.id },
    elements: () => [],
    holds: () => false,
  })
  if (needs.elements.length === 0 && needs.ids.length === 0 && !asksReferences) {
    return (stored) => matches(candidateOf(stored, documentOf(stored.text)), stored.text.length)
  }
  return async (stored) => {
    const document =
      asksReferences && hasMarks(stored.text)
        ? (JSON.parse(`${await filledDocument(context, stored)}}`) as JsonObject)
        : documentOf(stored.text)
    const elements = new Map<string, JsonValue[]>()
    let { length } = stored.text
    for (const path of needs.elements) {
      const list = await elementsOf(context, stored, path)
      elements.set(path.attribute.name, list)
      length += list.length * ELEMENT_LENGTH
    }
    const held = await heldIds(context, stored, needs.ids)
    const candidate = {
      ...candidateOf(stored, document),
      elements: (path: AttributePath) => elements.get(path.attribute.name) ?? [],
      holds: (path: AttributePath, id: string) => held.has(`${path.attribute.name}/${id}`),
    }
    return matches(candidate, length)
  }
}

/**
 * Characters of a resource times terms of a filter that are compared in one go: some milliseconds.
 * What is more is compared in steps.
 */
const LENGTH_AT_ONCE_MAX = 1024 * 1024
/** About what a member of a group is. */
const ELEMENT_LENGTH = 128

/** Whether a path asks for what is derived about a resource referred to: manager.displayName. */
const looksBehind = ({ attribute, sub, link, reverse }: AttributePath): boolean =>
  !link && !reverse && isReference(attribute) && sub !== undefined && sub.name !== 'value'

async function elementsOf(
  context: Context,
  stored: Stored,
  path: AttributePath,
): Promise<JsonValue[]> {
  const elements: JsonValue[] = []
  if (path.link) {
    for await (const batch of context.store.linked(stored, path.link, context)) {
      for (const member of batch) elements.push(linkElement(context, member, member.type.name))
    }
  } else if (path.reverse) {
    for (const { header, direct } of await context.store.owners(stored, path.reverse)) {
      elements.push(linkElement(context, header, direct ? 'direct' : 'indirect'))
    }
  }
  return elements
}

/** Which of the ids are in the link attributes that a filter asks about; each list is read once. */
async function heldIds(
  context: Context,
  stored: Stored,
  asked: Needs['ids'],
): Promise<ReadonlySet<string>> {
  const held = new Set<string>()
  const owners = new Map<AttributePath['attribute'], ReadonlySet<string>>()
  for (const { path, id } of asked) {
    const { attribute, link, reverse } = path
    if (reverse && !owners.has(attribute)) {
      const found = await context.store.owners(stored, reverse)
      owners.set(attribute, new Set(found.map(({ header }) => header.id)))
    }
    const isHeld = link
      ? await context.store.isLinked(stored, link, id)
      : owners.get(attribute)?.has(id)
    if (isHeld) held.add(`${attribute.name}/${id}`)
  }
  return held
}
