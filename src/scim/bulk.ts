/**
 * Turns the body of a bulk request into operations that say what they refer to. RFC 7644
 * section 3.7.
 */

import { ScimError } from './error.ts'
import type { JsonValue } from './json.ts'
import { BULK_OPERATIONS_MAX } from './limits.ts'
import type { Registry, ResourceType } from './registry.ts'
import type { Attribute } from './schema.ts'
import { URN } from './urns.ts'
import { isJsonObject, isReference, type JsonObject, memberOf, shown } from './value.ts'

export type BulkMethod = 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface BulkOperation {
  readonly method: BulkMethod
  readonly bulkId: string | undefined
  /** What If-Match would say. */
  readonly version: string | undefined
  readonly type: ResourceType
  /** The id in the path, which may be `bulkId:…`; undefined for a POST. */
  readonly id: string | undefined
  readonly data: JsonValue
}

/** An operation that cannot be carried out, with as much of it as its result has to repeat. */
export interface BulkFault {
  readonly method: string | undefined
  readonly bulkId: string | undefined
  readonly fault: ScimError
}

export interface BulkRequest {
  /** How many failed operations end the request; infinite when the client does not say. */
  readonly failOnErrors: number
  readonly operations: readonly (BulkOperation | BulkFault)[]
}

const METHODS: readonly string[] = ['POST', 'PUT', 'PATCH', 'DELETE'] satisfies BulkMethod[]

/**
 * Reads a bulk request. What is wrong with one operation is told in its own result.
 *
 * @throws ScimError 413 for too many operations, invalidSyntax for the structure of the whole,
 *   invalidValue for failOnErrors
 */
export function readBulk(registry: Registry, body: JsonValue): BulkRequest {
  if (!isJsonObject(body)) {
    throw ScimError.of('invalidSyntax', `the body is ${shown(body)}, expected a BulkRequest object`)
  }
  const schemas = memberOf(body, 'schemas')
  if (!Array.isArray(schemas) || !schemas.some(isBulkUrn)) {
    throw ScimError.of(
      'invalidSyntax',
      `schemas: found ${shown(schemas)}, expected ["${URN.bulkRequest}"]`,
    )
  }
  const operations = memberOf(body, 'operations')
  if (!Array.isArray(operations) || operations.length === 0) {
    throw ScimError.of('invalidSyntax', `Operations: found ${shown(operations)}, expected a list`)
  }
  if (operations.length > BULK_OPERATIONS_MAX) {
    throw ScimError.status(
      413,
      `Operations: found ${operations.length}, expected at most ${BULK_OPERATIONS_MAX} (maxOperations)`,
    )
  }
  const failOnErrors = memberOf(body, 'failonerrors')
  if (failOnErrors !== undefined && !(Number.isInteger(failOnErrors) && Number(failOnErrors) > 0)) {
    throw ScimError.of(
      'invalidValue',
      `failOnErrors: found ${shown(failOnErrors)}, expected a whole number from 1`,
    )
  }
  const read = operations.map((operation, index) =>
    readOperation(registry, operation, `Operations[${index}]`),
  )
  requireDistinct(read)
  return {
    failOnErrors: failOnErrors === undefined ? Number.POSITIVE_INFINITY : Number(failOnErrors),
    operations: read,
  }
}

const isBulkUrn = (uri: JsonValue): boolean =>
  typeof uri === 'string' && uri.toLowerCase() === URN.bulkRequest.toLowerCase()

/** Two operations of one bulkId would leave open which of them is referred to. */
function requireDistinct(operations: readonly (BulkOperation | BulkFault)[]): void {
  const seen = new Set<string>()
  for (const { bulkId } of operations) {
    if (bulkId === undefined) continue
    if (seen.has(bulkId)) {
      throw ScimError.of('invalidSyntax', `bulkId "${bulkId}" is used twice, expected it once`)
    }
    seen.add(bulkId)
  }
}

function readOperation(
  registry: Registry,
  operation: JsonValue,
  at: string,
): BulkOperation | BulkFault {
  const members = isJsonObject(operation) ? operation : {}
  const named = memberOf(members, 'method')
  const method = typeof named === 'string' ? named.toUpperCase() : undefined
  const givenId = memberOf(members, 'bulkid')
  const bulkId = typeof givenId === 'string' && givenId !== '' ? givenId : undefined
  try {
    if (method === undefined || !METHODS.includes(method)) {
      throw ScimError.of(
        'invalidSyntax',
        `${at}.method: found ${shown(named)}, expected ${METHODS.join(', ')}`,
      )
    }
    if (method === 'POST' && bulkId === undefined) {
      throw ScimError.of('invalidSyntax', `${at}.bulkId: found nothing, expected one for a POST`)
    }
    const { type, id } = readPath(registry, memberOf(members, 'path'), method, at)
    const data = memberOf(members, 'data') ?? null
    if (method !== 'DELETE' && !isJsonObject(data)) {
      throw ScimError.of('invalidSyntax', `${at}.data: found ${shown(data)}, expected an object`)
    }
    const version = memberOf(members, 'version')
    return {
      method: method as BulkMethod,
      bulkId,
      version: typeof version === 'string' ? version : undefined,
      type,
      id,
      data,
    }
  } catch (error) {
    if (error instanceof ScimError) return { method, bulkId, fault: error }
    throw error
  }
}

/** `/Users` for a POST, `/Users/ID` for the others; relative to the base URL. */
function readPath(registry: Registry, path: JsonValue | undefined, method: string, at: string) {
  const match = typeof path === 'string' ? /^\/?([^/?#]+)(?:\/([^/?#]+))?\/?$/.exec(path) : null
  const type = registry.types.find(({ endpoint }) => endpoint === `/${match?.[1]}`)
  const id = match?.[2]
  if (type && (method === 'POST') === (id === undefined)) {
    return { type, id: id === undefined ? undefined : decoded(id) }
  }
  const endpoints = registry.types.map(({ endpoint }) => endpoint).join(' or ')
  throw ScimError.of(
    'invalidSyntax',
    `${at}.path: found ${shown(path)}, expected ${endpoints}${method === 'POST' ? '' : ' with an id behind it'}`,
  )
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

const PREFIX = 'bulkId:'

/** The bulkId that a text refers to, or undefined. */
export const bulkIdIn = (text: string): string | undefined =>
  text.startsWith(PREFIX) && text.length > PREFIX.length ? text.slice(PREFIX.length) : undefined

/**
 * The data of an operation with every reference to a bulkId replaced; only where the schema has a
 * reference, so that a displayName "bulkId:x" stays as it is.
 *
 * @param idOf the id that takes the place of a bulkId; it may throw
 */
export function withIds(operation: BulkOperation, idOf: (bulkId: string) => string): JsonValue {
  const { method, type, data } = operation
  if (!isJsonObject(data)) return data
  if (method !== 'PATCH') return withIdsInBody(type, data, idOf)
  return mapMembers(data, (name, held) =>
    name.toLowerCase() === 'operations' && Array.isArray(held)
      ? held.map((one) => (isJsonObject(one) ? withIdsInPatch(type, one, idOf) : one))
      : held,
  )
}

function withIdsInPatch(
  type: ResourceType,
  operation: JsonObject,
  idOf: (bulkId: string) => string,
): JsonObject {
  const path = memberOf(operation, 'path')
  const target =
    typeof path === 'string' ? type.resolve(path.replace(/\[.*$|\.\$ref$/s, '')) : undefined
  return mapMembers(operation, (name, held) => {
    const key = name.toLowerCase()
    if (key === 'path' && typeof held === 'string') {
      return held.replace(/"bulkId:([^"\\]+)"/g, (_text, bulkId: string) =>
        JSON.stringify(idOf(bulkId)),
      )
    }
    if (key !== 'value') return held
    if (path === undefined || target?.kind === 'extension') {
      return isJsonObject(held) ? withIdsInBody(type, held, idOf) : held
    }
    return target && refers(type, target.attribute) ? mapTexts(held, idOf) : held
  })
}

/**
 * Members of a resource: those that are references, and those of extensions, which may hold some.
 */
function withIdsInBody(
  type: ResourceType,
  body: JsonObject,
  idOf: (bulkId: string) => string,
): JsonObject {
  return mapMembers(body, (name, held) => {
    const path = type.resolve(name)
    if (path?.kind === 'attribute')
      return refers(type, path.attribute) ? mapTexts(held, idOf) : held
    if (!path || !isJsonObject(held)) return held
    return mapMembers(held, (key, value) => {
      const attribute = path.extension.byName.get(key.toLowerCase())
      return attribute && refers(type, attribute) ? mapTexts(value, idOf) : value
    })
  })
}

const refers = (type: ResourceType, attribute: Attribute): boolean =>
  isReference(attribute) || type.links.some((link) => link.attribute === attribute)

function mapMembers(
  object: JsonObject,
  map: (name: string, value: JsonValue) => JsonValue,
): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, map(name, value)]))
}

/** Every text within a reference: `bulkId:x`, or a `$ref` that ends in it. */
function mapTexts(value: JsonValue, idOf: (bulkId: string) => string): JsonValue {
  if (Array.isArray(value)) return value.map((element) => mapTexts(element, idOf))
  if (isJsonObject(value)) return mapMembers(value, (_name, held) => mapTexts(held, idOf))
  if (typeof value !== 'string') return value
  const at = value.lastIndexOf('/') + 1
  const bulkId = bulkIdIn(value.slice(at))
  return bulkId === undefined ? value : `${value.slice(0, at)}${idOf(bulkId)}`
}
