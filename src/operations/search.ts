/** Searches of one type or of all: RFC 7644 sections 3.4.2 and 3.4.3. */

import { documentOf, hasMarks } from '../scim/document.ts'
import type { EntryKey } from '../scim/entries.ts'
import { type Candidate, type Needs, needsOf, predicateOf } from '../scim/filter/evaluate.ts'
import type { Filter } from '../scim/filter/filter.ts'
import { parseFilter } from '../scim/filter/parse.ts'
import { planFilter } from '../scim/filter/plan.ts'
import { resolveFilter, type TypedFilter } from '../scim/filter/resolve.ts'
import type { JsonValue } from '../scim/json.ts'
import { PAGE_COUNT_DEFAULT, PAGE_COUNT_MAX } from '../scim/limits.ts'
import { compareKeys } from '../scim/order.ts'
import type { AttributePath, ResourceType } from '../scim/registry.ts'
import type { SearchRequest } from '../scim/search-request.ts'
import { readSort, type Sort, sortKeyOf } from '../scim/sort.ts'
import { isReference, type JsonObject } from '../scim/value.ts'
import type { Predicate, Stored } from '../store/store.ts'
import type { Context } from './context.ts'
import { filledDocument, linkElement, metaOf } from './represent.ts'

export interface SearchResult {
  readonly total: number
  /** From 1. */
  readonly startIndex: number
  readonly page: readonly Stored[]
}

/**
 * Finds the resources of one type that a filter matches.
 *
 * @throws ScimError invalidFilter; invalidValue for a sort that cannot be
 */
export async function search(
  context: Context,
  type: ResourceType,
  request: SearchRequest,
): Promise<SearchResult> {
  const { startIndex, count } = rangeOf(request)
  const filter = request.filter === undefined ? undefined : parseFilter(request.filter)
  const sort = readSort(type, request.sortBy, request.sortOrder)
  const query = queryOf(context, type, filter, 'refuse')
  const found = await context.store.search({ ...query, sort, skip: startIndex - 1, count })
  return { ...found, startIndex }
}

/**
 * Finds resources of all types, one type after the other, or all in one order. An attribute that a
 * type lacks has no value there. RFC 7644 section 3.4.2.1.
 */
export async function searchAll(
  context: Context,
  types: readonly ResourceType[],
  request: SearchRequest,
): Promise<SearchResult> {
  const { startIndex, count } = rangeOf(request)
  const filter = request.filter === undefined ? undefined : parseFilter(request.filter)
  const sorts = readSorts(types, request)
  let total = 0
  let skip = startIndex - 1
  const page: Sortable[] = []
  for (const type of types) {
    const query = queryOf(context, type, filter, 'absent')
    const sort = sorts?.get(type)
    // In one order over all types, any of the first ones may come from any type.
    const range = sorts
      ? { skip: 0, count: startIndex - 1 + count }
      : { skip, count: count - page.length }
    const found = await context.store.search({ ...query, sort, ...range })
    total += found.total
    skip = Math.max(0, skip - found.total)
    for (const stored of found.page)
      page.push({ stored, key: sort && keyUnder(context, sort, stored) })
  }
  if (!sorts) return { total, startIndex, page: page.map(({ stored }) => stored) }
  const isDescending = [...sorts.values()].some((sort) => sort?.isDescending)
  page.sort((a, b) => compareSortable(a, b, isDescending))
  const wanted = page.slice(startIndex - 1, startIndex - 1 + count)
  return { total, startIndex, page: wanted.map(({ stored }) => stored) }
}

interface Sortable {
  readonly stored: Stored
  readonly key: EntryKey | undefined
}

function compareSortable(a: Sortable, b: Sortable, isDescending: boolean): number {
  const sign = isDescending ? -1 : 1
  const byKey =
    a.key === undefined || b.key === undefined
      ? Number(a.key === undefined) - Number(b.key === undefined)
      : compareKeys(a.key, b.key)
  return sign * byKey || a.stored.handle - b.stored.handle
}

function keyUnder(context: Context, sort: Sort, stored: Stored): EntryKey | undefined {
  const document = documentOf(stored.text, NOTHING)
  return sortKeyOf(sort, { ...document, id: stored.id, meta: metaOf(context, stored) })
}

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

/** RFC 7644 section 3.4.2.4: startIndex from 1, and no more results than a page holds. */
const rangeOf = ({ startIndex = 1, count = PAGE_COUNT_DEFAULT }: SearchRequest) => ({
  startIndex: Math.max(1, startIndex),
  count: Math.min(Math.max(0, count), PAGE_COUNT_MAX),
})

/** What the store is asked for a filter on one type. */
function queryOf(
  context: Context,
  type: ResourceType,
  parsed: Filter | undefined,
  unknown: 'refuse' | 'absent',
) {
  const { booleanStrings } = context.store.rules.tolerances
  const filter = parsed && resolveFilter(parsed, type.resolve, { booleanStrings, unknown })
  const { plan, exact } = planFilter(type, filter)
  const matches = exact || !filter ? undefined : matcher(context, filter)
  return { type, plan, matches, signal: context.signal }
}

/** A predicate over stored resources, fetching of links only what the filter looks at. */
function matcher(context: Context, filter: TypedFilter): Predicate {
  const matches = predicateOf(filter)
  const needs = needsOf(filter)
  const asksReferences = looksBehindReferences(filter)
  if (needs.elements.length === 0 && needs.ids.length === 0 && !asksReferences) {
    return (stored) => matches(candidateOf(context, stored, documentOf(stored.text, NOTHING)))
  }
  return async (stored) => {
    const document =
      asksReferences && hasMarks(stored.text)
        ? (JSON.parse(`${await filledDocument(context, stored)}}`) as JsonObject)
        : documentOf(stored.text, NOTHING)
    const elements = new Map<string, JsonValue[]>()
    for (const path of needs.elements) {
      elements.set(path.attribute.name, await elementsOf(context, stored, path))
    }
    const held = await heldIds(context, stored, needs.ids)
    return matches({
      ...candidateOf(context, stored, document),
      elements: (path) => elements.get(path.attribute.name) ?? [],
      holds: (path, id) => held.has(`${path.attribute.name}/${id}`),
    })
  }
}

const NOTHING = new Uint8Array(0)

const candidateOf = (context: Context, stored: Stored, document: JsonObject): Candidate => ({
  resource: { ...document, id: stored.id, meta: metaOf(context, stored) },
  elements: () => [],
  holds: () => false,
})

/** Whether a filter asks for what is derived about a resource referred to: manager.displayName. */
function looksBehindReferences(filter: TypedFilter): boolean {
  if ('operands' in filter) return filter.operands.some(looksBehindReferences)
  if ('operand' in filter) return looksBehindReferences(filter.operand)
  if (filter.kind === 'constant') return false
  const { attribute, sub, link, reverse } = filter.path
  if (filter.kind === 'valuePath') return looksBehindReferences(filter.filter)
  return !link && !reverse && isReference(attribute) && sub !== undefined && sub.name !== 'value'
}

async function elementsOf(
  context: Context,
  stored: Stored,
  path: AttributePath,
): Promise<JsonValue[]> {
  const elements: JsonValue[] = []
  if (path.link) {
    for await (const batch of context.store.linked(stored, path.link)) {
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
