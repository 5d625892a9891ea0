/**
 * Turns the body of a bulk request into operations that say what they refer to. RFC 7644
 * section 3.7.
 */

import { ScimError } from './error.ts'
import type { JsonValue } from './json.ts'
import { BULK_OPERATIONS_MAX, FILTER_BYTES_MAX } from './limits.ts'
import type { AttributePath, Registry, ResourceType } from './registry.ts'
import type { Attribute, Schema } from './schema.ts'
import type { Steps } from './steps.ts'
import { type Rules, tolerated } from './tolerance.ts'
import { namesUrn, URN } from './urns.ts'
import { isJsonObject, isReference, type JsonObject, memberOf, quoted, shown } from './value.ts'

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
  /** What its path names, as far as that could be read. */
  readonly place: BulkPlace | undefined
  readonly fault: ScimError
}

interface BulkPlace {
  readonly type: ResourceType
  readonly id: string | undefined
}

export interface BulkRequest {
  /** How many failed operations end the request; infinite when the client says 0 or nothing. */
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
export function readBulk(registry: Registry, body: JsonValue, rules: Rules): BulkRequest {
  if (!isJsonObject(body)) {
    throw ScimError.of('invalidSyntax', `the body is ${shown(body)}, expected a BulkRequest object`)
  }
  const schemas = memberOf(body, 'schemas')
  if (!namesUrn(schemas, URN.bulkRequest)) {
    throw ScimError.of(
      'invalidSyntax',
      `schemas: found ${quoted(schemas)}, expected ["${URN.bulkRequest}"]`,
    )
  }
  const operations = memberOf(body, 'operations')
  if (!Array.isArray(operations)) {
    throw ScimError.of('invalidSyntax', `Operations: found ${shown(operations)}, expected a list`)
  }
  if (operations.length === 0) {
    const detail = 'Operations: found an empty list, expected at least one operation'
    throw ScimError.of('invalidSyntax', detail)
  }
  if (operations.length > BULK_OPERATIONS_MAX) {
    throw ScimError.status(
      413,
      `Operations: found ${operations.length}, expected at most ${BULK_OPERATIONS_MAX} (maxOperations)`,
    )
  }
  const failOnErrors = memberOf(body, 'failonerrors') ?? 0
  if (typeof failOnErrors !== 'number' || !Number.isInteger(failOnErrors) || failOnErrors < 0) {
    throw ScimError.of(
      'invalidValue',
      `failOnErrors: found ${quoted(failOnErrors)}, expected a whole number, or 0 for no limit`,
    )
  }
  const read = operations.map((operation, index) =>
    readOperation({ registry, rules }, operation, `Operations[${index}]`),
  )
  requireDistinct(read)
  return {
    failOnErrors: failOnErrors === 0 ? Number.POSITIVE_INFINITY : failOnErrors,
    operations: read,
  }
}

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

/** What a path is read by. */
interface Reading {
  readonly registry: Registry
  readonly rules: Rules
}

function readOperation(
  reading: Reading,
  operation: JsonValue,
  at: string,
): BulkOperation | BulkFault {
  const members = isJsonObject(operation) ? operation : {}
  const named = memberOf(members, 'method')
  const method = typeof named === 'string' ? named.toUpperCase() : undefined
  const givenId = memberOf(members, 'bulkid')
  const bulkId = typeof givenId === 'string' && givenId !== '' ? givenId : undefined
  let place: BulkPlace | undefined
  try {
    if (method === undefined || !METHODS.includes(method)) {
      throw ScimError.of(
        'invalidSyntax',
        `${at}.method: found ${quoted(named)}, expected ${METHODS.join(', ')}`,
      )
    }
    if (method === 'POST' && bulkId === undefined) {
      throw ScimError.of('invalidSyntax', `${at}.bulkId: found ${quoted(givenId)}, expected a text`)
    }
    place = readPath(reading, memberOf(members, 'path'), method, at)
    const data = memberOf(members, 'data') ?? null
    if (method !== 'DELETE' && !isJsonObject(data)) {
      throw ScimError.of('invalidSyntax', `${at}.data: found ${shown(data)}, expected an object`)
    }
    const version = memberOf(members, 'version')
    // Passed over, it would let a client write over what it has not seen.
    if (version !== undefined && typeof version !== 'string') {
      throw ScimError.of(
        'invalidSyntax',
        `${at}.version: found ${quoted(version)}, expected a text`,
      )
    }
    return { method: method as BulkMethod, bulkId, version, ...place, data }
  } catch (error) {
    if (error instanceof ScimError) return { method, bulkId, place, fault: error }
    throw error
  }
}

/** `/Users` for a POST, `/Users/ID` for the others; relative to the base URL. */
function readPath(
  { registry, rules }: Reading,
  path: JsonValue | undefined,
  method: string,
  at: string,
): BulkPlace {
  const match = typeof path === 'string' ? /^\/?([^/?#]+)(?:\/([^/?#]+))?\/?$/.exec(path) : null
  const type = typeAt(registry, `/${match?.[1]}`, rules)
  const [, , segment] = match ?? []
  if (type && (method === 'POST') === (segment === undefined)) {
    const id = segment === undefined ? undefined : decoded(segment)
    if (segment === undefined || id !== undefined) return { type, id }
    throw ScimError.of(
      'invalidSyntax',
      `${at}.path: found ${quoted(path)}, expected an id in percent-escapes of UTF-8`,
    )
  }
  const endpoints = registry.types.map(({ endpoint }) => endpoint).join(' or ')
  throw ScimError.of(
    'invalidSyntax',
    `${at}.path: found ${quoted(path)}, expected ${endpoints}${method === 'POST' ? '' : ' with an id behind it'}`,
  )
}

function typeAt(registry: Registry, path: string, rules: Rules): ResourceType | undefined {
  const { types } = registry
  const named = types.find(({ endpoint }) => endpoint.toLowerCase() === path.toLowerCase())
  if (named && named.endpoint !== path && !tolerated(rules, 'endpointNames')) return undefined
  return named
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

const PREFIX = 'bulkId:'

/** The bulkId that a text refers to, or undefined. */
export const bulkIdIn = (text: string): string | undefined =>
  text.startsWith(PREFIX) && text.length > PREFIX.length ? text.slice(PREFIX.length) : undefined

/** Gives the id that takes the place of a bulkId. */
export type IdOf = (bulkId: string) => string

/**
 * The data of an operation with every reference to a bulkId replaced; only where the schema has a
 * reference, so that a displayName "bulkId:x" stays as it is.
 */
export function* withIds(operation: BulkOperation, idOf: IdOf): Steps<JsonValue> {
  const { method, type, data } = operation
  if (!isJsonObject(data)) return data
  if (method !== 'PATCH') return yield* inBody(type, undefined, data, idOf)
  return yield* mapInSteps(data, function* (name, held) {
    if (name.toLowerCase() !== 'operations' || !Array.isArray(held)) return held
    const operations: JsonValue[] = []
    for (const one of held) {
      operations.push(isJsonObject(one) ? yield* inPatch(type, one, idOf) : one)
      if (operations.length % OPERATIONS_PER_STEP === 0) yield
    }
    return operations
  })
}

const OPERATIONS_PER_STEP = 20
const ELEMENTS_PER_STEP = 1000

function* inPatch(type: ResourceType, operation: JsonObject, idOf: IdOf): Steps<JsonObject> {
  const path = memberOf(operation, 'path') ?? ''
  if (typeof path !== 'string' || path.length > FILTER_BYTES_MAX) return operation
  const target = type.resolve(withoutFilter(path))
  return yield* mapInSteps(operation, function* (name, held) {
    const key = name.toLowerCase()
    if (key === 'path' && target?.kind === 'attribute') return inPath(type, target, path, idOf)
    if (key !== 'value') return held
    if (target?.kind === 'attribute') return yield* inTarget(type, target, held, idOf)
    const isBody = isJsonObject(held) && (path === '' || target !== undefined)
    return isBody ? yield* inBody(type, target?.extension, held, idOf) : held
  })
}

/** `members[type eq "User"].value` to `members.value`. */
function withoutFilter(path: string): string {
  const start = path.indexOf('[')
  const end = path.lastIndexOf(']')
  return start < 0 || end < start ? path : `${path.slice(0, start)}${path.slice(end + 1)}`
}

/** The ids that a filter compares with: `members[value eq "bulkId:x"]`. */
function inPath(type: ResourceType, target: AttributePath, path: string, idOf: IdOf): string {
  // A string that does not end runs to the end of the path: the parser of paths tells.
  return path.replace(/"(?:[^"\\]|\\.)*(?:"|\\?$)/gs, (quoted, at: number) => {
    const before = path.slice(Math.max(0, at - COMPARISON_LENGTH_MAX), at)
    const name = /([\w$]+)\s+[a-z]+\s+$/i.exec(before)?.[1]
    const sub = name === undefined ? undefined : target.attribute.subs.get(name.toLowerCase())
    if (!sub || !refers(type, target.attribute, sub)) return quoted
    const text = jsonText(quoted)
    return text === undefined ? quoted : JSON.stringify(withId(text, idOf))
  })
}

/** More than the name of a sub-attribute, an operator and the space around them take. */
const COMPARISON_LENGTH_MAX = 100

/** The text of a JSON string, or undefined where it is none, which the parser of paths tells. */
function jsonText(quoted: string): string | undefined {
  try {
    return JSON.parse(quoted) as string
  } catch {
    return undefined
  }
}

/** Members of a resource or of an extension, which may be extensions themselves. */
function* inBody(
  type: ResourceType,
  extension: Schema | undefined,
  body: JsonObject,
  idOf: IdOf,
): Steps<JsonObject> {
  return yield* mapInSteps(body, function* (name, held) {
    const path = type.resolve(extension ? `${extension.id}:${name}` : name)
    if (path?.kind === 'attribute') return yield* inTarget(type, path, held, idOf)
    return path && isJsonObject(held) ? yield* inBody(type, path.extension, held, idOf) : held
  })
}

function* inTarget(
  type: ResourceType,
  { attribute, sub }: AttributePath,
  value: JsonValue,
  idOf: IdOf,
): Steps<JsonValue> {
  if (sub) return refers(type, attribute, sub) ? inTexts(value, idOf) : value
  if (Array.isArray(value)) {
    const elements: JsonValue[] = []
    for (const element of value) {
      elements.push(inElement(type, attribute, element, idOf))
      if (elements.length % ELEMENTS_PER_STEP === 0) yield
    }
    return elements
  }
  return inElement(type, attribute, value, idOf)
}

function inElement(
  type: ResourceType,
  attribute: Attribute,
  element: JsonValue,
  idOf: IdOf,
): JsonValue {
  if (!isJsonObject(element)) return refers(type, attribute) ? inTexts(element, idOf) : element
  return mapMembers(element, (name, held) => {
    const sub = attribute.subs.get(name.toLowerCase())
    return sub && refers(type, attribute, sub) ? inTexts(held, idOf) : held
  })
}

/**
 * Whether a text of this attribute, or of this sub-attribute of it, names a resource: `value` and
 * `$ref` of a reference, or the URI of a resource. What is readOnly is never looked at.
 */
function refers(type: ResourceType, attribute: Attribute, sub?: Attribute): boolean {
  const leaf = sub ?? attribute
  if (attribute.mutability === 'readOnly' || leaf.mutability === 'readOnly') return false
  const { referenceTypes } = leaf
  const isExternal = referenceTypes.includes('external') || referenceTypes.includes('uri')
  if (leaf.type === 'reference' && referenceTypes.length > 0 && !isExternal) return true
  if (sub && sub.name !== 'value' && sub.name !== '$ref') return false
  return isReference(attribute) || type.links.some((link) => link.attribute === attribute)
}

function* mapInSteps(
  object: JsonObject,
  map: (name: string, value: JsonValue) => Steps<JsonValue>,
): Steps<JsonObject> {
  const members: [string, JsonValue][] = []
  for (const [name, value] of Object.entries(object)) {
    members.push([name, yield* map(name, value)])
  }
  return Object.fromEntries(members)
}

function mapMembers(
  object: JsonObject,
  map: (name: string, value: JsonValue) => JsonValue,
): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, map(name, value)]))
}

/** Every text within the value of a reference. */
function inTexts(value: JsonValue, idOf: IdOf): JsonValue {
  if (Array.isArray(value)) return value.map((element) => inTexts(element, idOf))
  if (isJsonObject(value)) return mapMembers(value, (_name, held) => inTexts(held, idOf))
  return typeof value === 'string' ? withId(value, idOf) : value
}

/** `bulkId:x`, or a URI that ends in it, percent-encoded then as URIs are. */
function withId(text: string, idOf: IdOf): string {
  const own = bulkIdIn(text)
  if (own !== undefined) return idOf(own)
  const at = text.lastIndexOf(`/${PREFIX}`) + 1
  const bulkId = at === 0 ? undefined : bulkIdIn(text.slice(at))
  return bulkId === undefined ? text : `${text.slice(0, at)}${idOf(decoded(bulkId) ?? bulkId)}`
}
