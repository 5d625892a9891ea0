/** GET of many resources: RFC 7644 section 3.4.2. */

import { documentOf, hasMarks } from '../scim/document.ts'
import { ScimError } from '../scim/error.ts'
import { type Candidate, needsOf, predicateOf } from '../scim/filter/evaluate.ts'
import { parseFilter } from '../scim/filter/parse.ts'
import { planFilter } from '../scim/filter/plan.ts'
import { resolveFilter, type TypedFilter } from '../scim/filter/resolve.ts'
import type { JsonValue } from '../scim/json.ts'
import { PAGE_COUNT_DEFAULT, PAGE_COUNT_MAX } from '../scim/limits.ts'
import type { AttributePath, ResourceType } from '../scim/registry.ts'
import { isReference, type JsonObject } from '../scim/value.ts'
import type { Predicate, Stored } from '../store/store.ts'
import type { Context } from './context.ts'
import { filledDocument, linkElement, metaOf } from './represent.ts'

/** The query parameters as they were sent; undefined where there was none. */
export interface SearchRequest {
  readonly filter: string | undefined
  readonly startIndex: string | undefined
  readonly count: string | undefined
}

export interface SearchResult {
  readonly total: number
  /** From 1. */
  readonly startIndex: number
  readonly page: readonly Stored[]
}

/**
 * Finds the resources of one type that a filter matches, in the order of their creation.
 *
 * @throws ScimError invalidFilter; invalidValue for startIndex or count that are no whole numbers
 */
export async function search(
  context: Context,
  type: ResourceType,
  request: SearchRequest,
): Promise<SearchResult> {
  const startIndex = Math.max(1, readInteger('startIndex', request.startIndex) ?? 1)
  const wanted = Math.max(0, readInteger('count', request.count) ?? PAGE_COUNT_DEFAULT)
  const filter =
    request.filter === undefined ? undefined : readFilter(context, type, request.filter)
  const { plan, exact } = planFilter(type, filter)
  const { total, page } = await context.store.search({
    type,
    plan,
    matches: exact || !filter ? undefined : matcher(context, filter),
    skip: startIndex - 1,
    count: Math.min(wanted, PAGE_COUNT_MAX),
    signal: context.signal,
  })
  return { total, startIndex, page }
}

function readFilter(context: Context, type: ResourceType, text: string): TypedFilter {
  const { booleanStrings } = context.store.rules.tolerances
  return resolveFilter(parseFilter(text), type.resolve, { booleanStrings })
}

/**
 * Section 3.4.2.4 asks for integers; anything else is a client's mistake that it should hear of.
 */
function readInteger(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[+-]?\d{1,15}$/.test(text)) return Number(text)
  throw ScimError.of(
    'invalidValue',
    `${name}: found "${text.slice(0, 40)}", expected a whole number`,
  )
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
    const held = new Set<string>()
    for (const { path, id } of needs.ids) {
      if (await holds(context, stored, path, id)) held.add(`${path.attribute.name}/${id}`)
    }
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

async function holds(
  context: Context,
  stored: Stored,
  path: AttributePath,
  id: string,
): Promise<boolean> {
  if (path.link) return context.store.isLinked(stored, path.link, id)
  if (!path.reverse) return false
  const owners = await context.store.owners(stored, path.reverse)
  return owners.some(({ header }) => header.id === id)
}
