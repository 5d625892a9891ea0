/**
 * Turns a value as a client sent it into the canonical value of its attribute. RFC 7643 section 2.
 */

import { ScimError } from './error.ts'
import type { JsonValue } from './json.ts'
import { VALUES_COUNT_MAX } from './limits.ts'
import type { Attribute } from './schema.ts'
import { type Rules, tolerated } from './tolerance.ts'

export type JsonObject = { [name: string]: JsonValue }

export const isJsonObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A member by name without regard to case; null counts as absent. */
export function memberOf(object: JsonObject, name: string): JsonValue | undefined {
  const exact = object[name]
  if (exact !== undefined) return exact ?? undefined
  const key = Object.keys(object).find((candidate) => candidate.toLowerCase() === name)
  return key === undefined ? undefined : (object[key] ?? undefined)
}

/** Names a value in a message, cut to a length that people read, without ever showing a secret. */
export function shown(value: JsonValue | undefined, attribute?: Attribute): string {
  if (value === undefined || value === null) return 'nothing'
  if (attribute?.returned === 'never') return `a ${Array.isArray(value) ? 'list' : typeof value}`
  const text = beginningOf(value)
  const kind = Array.isArray(value) ? 'list' : typeof value
  return `the ${kind} ${text.length > 60 ? `${text.slice(0, 57)}...` : text}`
}

/** The JSON of a value, or of a long one more than 60 characters of it. */
function beginningOf(value: JsonValue): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 61))
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const isList = Array.isArray(value)
  let text = ''
  for (const [name, held] of isList ? value.entries() : Object.entries(value)) {
    if (text.length > 60) break
    if (text !== '') text += ','
    text += isList ? beginningOf(held) : `${JSON.stringify(name)}:${beginningOf(held)}`
  }
  return isList ? `[${text}]` : `{${text}}`
}

const wrong = (at: string, value: JsonValue, expected: string, attribute: Attribute) =>
  ScimError.of('invalidValue', `${at}: found ${shown(value, attribute)}, expected ${expected}`)

/**
 * Reads the value of an attribute: names spelled as in the schema, tolerated forms understood,
 * unassigned values (null, [], {}) as undefined, readOnly sub-attributes left out.
 *
 * Types of simple values are not checked here but by the compiled check of the whole resource.
 *
 * @param at the attribute's path, for messages
 * @throws ScimError invalidValue where plurality or structure is wrong; invalidSyntax for unknown
 *   sub-attributes when they are not tolerated
 */
export function readValue(
  attribute: Attribute,
  raw: JsonValue,
  at: string,
  rules: Rules,
): JsonValue | undefined {
  if (raw === null) return undefined
  if (attribute.multiValued) return readList(attribute, raw, at, rules)
  return readSingle(attribute, unwrapped(attribute, raw, at, rules), at, rules)
}

/**
 * The elements of a multi-valued attribute, repeated ones merged, or undefined when there are none.
 */
function readList(
  attribute: Attribute,
  raw: JsonValue,
  at: string,
  rules: Rules,
): JsonValue | undefined {
  const list: JsonValue[] = []
  const elements = elementsOf(attribute, raw, at, rules)
  if (elements.length > VALUES_COUNT_MAX) {
    const detail = `${at}: found ${elements.length} values, expected at most ${VALUES_COUNT_MAX}`
    throw ScimError.of('invalidValue', detail)
  }
  elements.forEach((element, index) => {
    const value = readSingle(attribute, element, `${at}[${index}]`, rules)
    if (value !== undefined) list.push(value)
  })
  if (list.length === 0) return undefined
  if (list.length === 1) return list
  return mergeElements([], list).map((element) =>
    isJsonObject(element)
      ? inSchemaOrder(attribute.subAttributes, new Map(Object.entries(element)))
      : element,
  )
}

/** A multi-valued attribute's value as a list. One object stands for a list of one. */
export function elementsOf(
  attribute: Attribute,
  raw: JsonValue,
  at: string,
  rules: Rules,
): readonly JsonValue[] {
  if (Array.isArray(raw)) return raw
  if (raw === null) return []
  if (raw === '' && tolerated(rules, 'emptyStrings')) return []
  if (attribute.type === 'complex' && isJsonObject(raw) && tolerated(rules, 'objectForList'))
    return [raw]
  throw wrong(at, raw, 'a list, as the attribute is multi-valued', attribute)
}

/** Takes a single-valued attribute's value out of the list that some clients wrap it in. */
function unwrapped(attribute: Attribute, raw: JsonValue, at: string, rules: Rules): JsonValue {
  if (!Array.isArray(raw)) return raw
  const [only] = raw
  if (raw.length === 1 && isJsonObject(only)) {
    const held = attribute.type === 'complex' ? only : only['value']
    if (held !== undefined && tolerated(rules, 'listForSingular')) return held
  }
  throw wrong(at, raw, `one ${attribute.type} value, as the attribute is single-valued`, attribute)
}

/** Reads one value: that of a single-valued attribute, or one element of a multi-valued one. */
export function readSingle(
  attribute: Attribute,
  raw: JsonValue,
  at: string,
  rules: Rules,
): JsonValue | undefined {
  if (raw === null) return undefined
  if (raw === '' && tolerated(rules, 'emptyStrings')) return undefined
  if (attribute.type === 'complex') return readComplex(attribute, raw, at, rules)
  // Here and not in the check of the resource, which an empty object would pass as unassigned.
  if (typeof raw === 'object') throw wrong(at, raw, `one ${attribute.type} value`, attribute)
  return coerced(attribute, raw, rules)
}

function readComplex(
  attribute: Attribute,
  raw: JsonValue,
  at: string,
  rules: Rules,
): JsonObject | undefined {
  const given = objectFor(attribute, raw, at, rules)
  const values = new Map<string, JsonValue>()
  for (const [name, rawSub] of Object.entries(given)) {
    const sub = attribute.subs.get(name.toLowerCase())
    if (!sub) {
      if (tolerated(rules, 'unknownAttributes')) continue
      throw ScimError.of('invalidSyntax', `${at}.${name}: no schema defines this sub-attribute`)
    }
    if (sub.mutability === 'readOnly') continue
    const value = readValue(sub, rawSub, `${at}.${sub.name}`, rules)
    if (value !== undefined) values.set(sub.name, value)
  }
  if (isReference(attribute)) {
    const id = values.get('value') ?? idInReference(values.get('$ref'))
    if (id !== undefined) values.set('value', id)
    // Derived from the value whenever it is answered, so that it is always true.
    values.delete('$ref')
  }
  return values.size === 0 ? undefined : inSchemaOrder(attribute.subAttributes, values)
}

/**
 * Whether a complex attribute refers to resources of this server, such as manager. RFC 7643 section
 * 2.4.
 */
export function isReference({ subs }: Attribute): boolean {
  const types = subs.get('$ref')?.referenceTypes
  if (!types || types.length === 0 || !subs.has('value')) return false
  return !types.includes('external') && !types.includes('uri')
}

/** The id at the end of a `$ref`, absolute or relative to the base URL, or undefined. */
export function idInReference(ref: JsonValue | undefined): string | undefined {
  if (typeof ref !== 'string') return undefined
  const segment = /(?:^|\/)[^/?#]+\/([^/?#]+)\/?$/.exec(ref)?.[1]
  if (segment === undefined) return undefined
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

function objectFor(attribute: Attribute, raw: JsonValue, at: string, rules: Rules): JsonObject {
  if (isJsonObject(raw)) return raw
  const value = attribute.subs.get('value')
  // For a list, only elements that are references: "emails": ["a@b"] is a mistake to be told.
  const mayBeString = value && (!attribute.multiValued || attribute.subs.has('$ref'))
  if (typeof raw === 'string' && mayBeString && tolerated(rules, 'stringForComplex'))
    return { value: raw }
  throw wrong(at, raw, 'an object, as the attribute is complex', attribute)
}

/** Members in the order of the schema, so that equal values have equal text. */
export function inSchemaOrder(
  attributes: Iterable<Attribute>,
  values: ReadonlyMap<string, JsonValue>,
): JsonObject {
  const ordered: JsonObject = {}
  for (const { name } of attributes) {
    const value = values.get(name)
    if (value !== undefined) ordered[name] = value
  }
  return ordered
}

const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/

/** Booleans and numbers that came as strings. Everything else is as it was sent. */
export function coerced(attribute: Attribute, raw: JsonValue, rules: Rules): JsonValue {
  if (typeof raw !== 'string') return raw
  if (attribute.type === 'boolean') {
    const lower = raw.toLowerCase()
    const isBoolean = lower === 'true' || lower === 'false'
    return isBoolean && tolerated(rules, 'booleanStrings') ? lower === 'true' : raw
  }
  const numeric = attribute.type === 'integer' || attribute.type === 'decimal'
  return numeric && NUMBER.test(raw) && tolerated(rules, 'numericStrings') ? Number(raw) : raw
}

/**
 * Elements that repeat a (type, value) pair are one element (RFC 7643 section 2.4): what the later
 * one says is laid over the earlier one. Elements without a value repeat only when they are equal.
 */
export function mergeElements(
  present: readonly JsonValue[],
  added: readonly JsonValue[],
): JsonValue[] {
  const merged = [...present]
  const places = new Map(merged.map((element, index) => [identityOf(element), index]))
  for (const element of added) {
    const identity = identityOf(element)
    const place = places.get(identity)
    if (place === undefined) {
      places.set(identity, merged.push(element) - 1)
      continue
    }
    const known = merged[place]
    if (isJsonObject(known) && isJsonObject(element)) merged[place] = { ...known, ...element }
  }
  return merged
}

function identityOf(element: JsonValue): string {
  if (!isJsonObject(element)) return JSON.stringify(element)
  if (element['value'] === undefined) {
    const members = Object.entries(element).sort(([left], [right]) => (left < right ? -1 : 1))
    return JSON.stringify(members)
  }
  const type = element['type']
  return JSON.stringify([typeof type === 'string' ? type.toLowerCase() : type, element['value']])
}

/**
 * Equality of canonical values; the order of an object's members does not matter, that of a list
 * does.
 */
export function sameValue(left: JsonValue | undefined, right: JsonValue | undefined): boolean {
  if (left === right) return true
  if (Array.isArray(left)) {
    if (!Array.isArray(right) || left.length !== right.length) return false
    return left.every((element, index) => sameValue(element, right[index]))
  }
  if (!isJsonObject(left) || !isJsonObject(right)) return false
  const names = Object.keys(left)
  if (names.length !== Object.keys(right).length) return false
  return names.every((name) => Object.hasOwn(right, name) && sameValue(left[name], right[name]))
}
