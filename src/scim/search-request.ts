/**
 * Turns a query string, or the body of a POST to /.search, into search parameters. RFC 7644
 * sections 3.4.2 and 3.4.3, RFC 9865 section 2.
 */

import { ScimError, type ScimType } from './error.ts'
import type { JsonValue } from './json.ts'
import { namesIn, type ProjectionRequest } from './projection.ts'
import { namesUrn, URN } from './urns.ts'
import { isJsonObject, type JsonObject, memberOf, quoted } from './value.ts'

/** What is searched for; undefined where the client does not say. */
export interface SearchRequest extends ProjectionRequest {
  readonly filter: string | undefined
  readonly sortBy: string | undefined
  readonly sortOrder: string | undefined
  readonly startIndex: number | undefined
  readonly count: number | undefined
  /** Empty for the first page by cursor; undefined for paging by index. */
  readonly cursor: string | undefined
}

/**
 * @throws ScimError invalidValue for startIndex or count that are no whole numbers, or startIndex
 *   beside a cursor; invalidCount for such a count beside a cursor; invalidFilter for two filters,
 *   and invalidValue for two of another parameter that has one value
 */
export function searchInQuery(query: URLSearchParams): SearchRequest {
  const text = (name: string) => onlyOf(query, name)
  const cursor = text('cursor')
  return {
    ...projectionInQuery(query),
    filter: text('filter'),
    sortBy: text('sortBy'),
    sortOrder: text('sortOrder'),
    startIndex: noneBeside(cursor, wholeNumber('startIndex', text('startIndex'), 'invalidValue')),
    count: wholeNumber('count', text('count'), countFault(cursor)),
    cursor,
  }
}

/** To take one of several filters, or cursors, would answer what was not asked. */
function onlyOf(query: URLSearchParams, name: string): string | undefined {
  const [value, ...others] = query.getAll(name)
  if (others.length === 0) return value
  const scimType = name === 'filter' ? 'invalidFilter' : 'invalidValue'
  throw ScimError.of(scimType, `${name}: found ${others.length + 1} of them, expected one`)
}

/** RFC 9865 section 2.1 has a scimType of its own for the count of a page by cursor. */
const countFault = (cursor: string | undefined) =>
  cursor === undefined ? 'invalidValue' : 'invalidCount'

/** A client that asks for both ways of paging would be surprised by either. */
function noneBeside(cursor: string | undefined, startIndex: number | undefined) {
  if (cursor === undefined || startIndex === undefined) return startIndex
  throw ScimError.of('invalidValue', 'startIndex: found beside cursor, expected one of the two')
}

export const projectionInQuery = (query: URLSearchParams): ProjectionRequest => ({
  attributes: namesIn(query.getAll('attributes')),
  excludedAttributes: namesIn(query.getAll('excludedAttributes')),
})

/** Section 3.4.2.4 asks for integers; anything else is a mistake that the client should hear of. */
function wholeNumber(
  name: string,
  text: string | undefined,
  scimType: ScimType,
): number | undefined {
  if (text === undefined) return undefined
  if (/^[+-]?\d{1,15}$/.test(text)) return Number(text)
  throw ScimError.of(scimType, `${name}: found "${text.slice(0, 40)}", expected a whole number`)
}

/**
 * @throws ScimError invalidSyntax for no SearchRequest, invalidValue for a member of the wrong type
 *   (invalidCount for a count beside a cursor), or startIndex beside a cursor
 */
export function searchInBody(body: JsonValue): SearchRequest {
  const schemas = isJsonObject(body) ? memberOf(body, 'schemas') : undefined
  if (!isJsonObject(body) || !namesUrn(schemas, URN.searchRequest)) {
    throw ScimError.of(
      'invalidSyntax',
      `schemas: found ${quoted(schemas)}, expected ["${URN.searchRequest}"]`,
    )
  }
  const cursor = text(body, 'cursor')
  return {
    attributes: names(body, 'attributes'),
    excludedAttributes: names(body, 'excludedAttributes'),
    filter: text(body, 'filter'),
    sortBy: text(body, 'sortBy'),
    sortOrder: text(body, 'sortOrder'),
    startIndex: noneBeside(cursor, integer(body, 'startIndex', 'invalidValue')),
    count: integer(body, 'count', countFault(cursor)),
    cursor,
  }
}

const expected = (
  name: string,
  value: JsonValue,
  what: string,
  scimType: ScimType = 'invalidValue',
) => ScimError.of(scimType, `${name}: found ${quoted(value)}, expected ${what}`)

function text(body: JsonObject, name: string): string | undefined {
  const value = memberOf(body, name.toLowerCase())
  if (value === undefined || typeof value === 'string') return value
  throw expected(name, value, 'a string')
}

function integer(body: JsonObject, name: string, scimType: ScimType): number | undefined {
  const value = memberOf(body, name.toLowerCase())
  if (value === undefined || (typeof value === 'number' && Number.isInteger(value))) return value
  throw expected(name, value, 'a whole number', scimType)
}

/** A list of names; one string of names is understood as well. */
function names(body: JsonObject, name: string): string[] {
  const value = memberOf(body, name.toLowerCase())
  if (value === undefined) return []
  const listed = typeof value === 'string' ? [value] : value
  if (Array.isArray(listed) && listed.every((one) => typeof one === 'string'))
    return namesIn(listed)
  throw expected(name, value, 'a list of attribute names')
}
