/**
 * Turns a value as a client sent it into the canonical value of its attribute. RFC 7643 section 2.
 */

import { ScimError } from './error.ts'
import { fold } from './fold.ts'
import type { JsonValue } from './json.ts'
import { VALUES_COUNT_MAX } from './limits.ts'
import type { Attribute } from './schema.ts'
import { SECRET_NAME } from './secret.ts'
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

/**
 * Names a value in a message. What is sent in a wrong place or shape may be a secret: objects and
 * lists are named by their kind and their members' names, and a simple value is quoted only as that
 * of an attribute that is no secret.
 */
export function shown(value: JsonValue | undefined, attribute?: Attribute): string {
  if (value === undefined || value === null || typeof value === 'object') return kindOf(value)
  if (!attribute || attribute.returned === 'never' || SECRET_NAME.test(attribute.name))
    return `a ${typeof value}`
  return quoted(value)
}

/** The same for a member of the protocol, such as `op`: simple values and URNs are quoted. */
export function quoted(value: JsonValue | undefined): string {
  if (Array.isArray(value) && value.length > 0 && value.every(isUrn))
    return `the list ${cut(JSON.stringify(value.slice(0, NAMES_SHOWN_MAX)))}`
  if (value === undefined || value === null || typeof value === 'object') return kindOf(value)
  const text = JSON.stringify(typeof value === 'string' ? value.slice(0, 61) : value)
  return `the ${typeof value} ${cut(text)}`
}

function kindOf(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value))
    return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value !== 'object') return `a ${typeof value}`
  const names = Object.keys(value)
  return names.length === 0 ? 'an object without members' : `an object with ${listed(names)}`
}

const isUrn = (value: JsonValue): boolean => typeof value === 'string' && /^urn:/i.test(value)

const cut = (text: string): string => (text.length > 60 ? `${text.slice(0, 57)}...` : text)

const wrong = (at: string, value: JsonValue, expected: string, attribute: Attribute) =>
  ScimError.of('invalidValue', `${at}: found ${shown(value, attribute)}, expected ${expected}`)

/**
 * Whether a value says that there is none: null, an empty list, or an empty string where that is
 * tolerated. RFC 7643 section 2.5. What is sent and not understood never says so.
 */
export const saysNone = (raw: JsonValue, rules: Rules): boolean =>
  raw === null ||
  (Array.isArray(raw) && raw.length === 0) ||
  (raw === '' && tolerated(rules, 'emptyStrings'))

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
 * The elements of a multi-valued attribute, repeated ones merged and shells left out, or undefined
 * when there are none.
 */
function readList(
  attribute: Attribute,
  raw: JsonValue,
  at: string,
  rules: Rules,
): JsonValue | undefined {
  const elements = elementsOf(attribute, raw, at, rules)
  if (elements.length > VALUES_COUNT_MAX) {
    const detail = `${at}: found ${elements.length} values, expected at most ${VALUES_COUNT_MAX}`
    throw ScimError.of('invalidValue', detail)
  }
  const read = readElements(attribute, elements, at, rules)
  const list = read.filter((element) => !isShell(attribute, element))
  if (list.length === 0) return undefined
  if (list.length === 1) return list
  return mergeElements(attribute, [], list).map((element) =>
    isJsonObject(element)
      ? inSchemaOrder(attribute.subAttributes, new Map(Object.entries(element)))
      : element,
  )
}

/**
 * Reads elements one by one, shells included; those that say that there is none are left out.
 *
 * @throws ScimError invalidValue for an element of which nothing is understood
 */
export function readElements(
  attribute: Attribute,
  elements: readonly JsonValue[],
  at: string,
  rules: Rules,
): JsonValue[] {
  const read: JsonValue[] = []
  elements.forEach((element, index) => {
    if (element === null && tolerated(rules, 'nullElements')) return
    const value = readSingle(attribute, element, `${at}[${index}]`, rules)
    if (value !== undefined) read.push(value)
  })
  // A template's gaps beside values are left out; a list of gaps alone is no empty list.
  const isGap = (element: JsonValue) => element === null || element === ''
  if (read.length === 0 && elements.length > 0 && elements.every(isGap))
    throw wrong(at, [...elements], 'values, or [] for none', attribute)
  return read
}

/**
 * A multi-valued attribute's value as a list. One object, or one value, stands for a list of one.
 */
export function elementsOf(
  attribute: Attribute,
  raw: JsonValue,
  at: string,
  rules: Rules,
): readonly JsonValue[] {
  if (Array.isArray(raw)) return raw
  if (saysNone(raw, rules)) return []
  const isOne = raw !== '' && tolerated(rules, isJsonObject(raw) ? 'objectForList' : 'valueForList')
  if (isOne) return [raw]
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

/**
 * Reads one value: that of a single-valued attribute, or one element of a multi-valued one. It is
 * undefined where it says by name that there is none; an element which says nothing at all, or
 * nothing that is understood, is refused, since to drop it would empty the list that it stands in.
 */
export function readSingle(
  attribute: Attribute,
  raw: JsonValue,
  at: string,
  rules: Rules,
): JsonValue | undefined {
  if (raw === null && !attribute.multiValued) return undefined
  if (raw === '' && tolerated(rules, 'emptyStrings')) return undefined
  if (attribute.type === 'complex') return readComplex(attribute, raw, at, rules)
  if (isJsonObject(raw) && attribute.multiValued) {
    const held = heldValue(attribute, raw, at, rules)
    if (saysNone(held, rules)) return undefined
    return coerced(attribute, held, rules)
  }
  // Here and not in the check of the resource, which an empty object would pass as unassigned.
  if (typeof raw === 'object') throw wrong(at, raw, `one ${attribute.type} value`, attribute)
  return coerced(attribute, raw, rules)
}

/** The value in an object that stands for it in a list of simple values, or null. */
function heldValue(attribute: Attribute, object: JsonObject, at: string, rules: Rules): JsonValue {
  const key = Object.keys(object).find((name) => name.toLowerCase() === 'value')
  const held = key === undefined ? undefined : object[key]
  const isValue = held !== undefined && (held === null || typeof held !== 'object')
  if (!isValue || !tolerated(rules, 'objectForValue'))
    throw wrong(at, object, `one ${attribute.type} value`, attribute)
  const beside = Object.keys(object).find((name) => name !== key && object[name] !== null)
  if (beside === undefined || tolerated(rules, 'unknownAttributes')) return held
  const detail = `${at}.${beside}: found a member beside "value", expected the value alone`
  throw ScimError.of('invalidSyntax', detail)
}

function readComplex(
  attribute: Attribute,
  raw: JsonValue,
  at: string,
  rules: Rules,
): JsonObject | undefined {
  const given = objectFor(attribute, raw, at, rules)
  const values = new Map<string, JsonValue>()
  let isNone = false
  let isLost = false
  for (const [name, rawSub] of Object.entries(given)) {
    const sub = attribute.subs.get(name.toLowerCase())
    if (!sub) {
      if (!tolerated(rules, 'unknownAttributes'))
        throw ScimError.of('invalidSyntax', `${at}.${name}: no schema defines this sub-attribute`)
      if (rawSub !== null) isLost = true
      continue
    }
    if (sub.mutability === 'readOnly') continue
    const value = readValue(sub, rawSub, `${at}.${sub.name}`, rules)
    if (value !== undefined) values.set(sub.name, value)
    else if (!attribute.multiValued || !isQualifier(sub)) isNone = true
  }
  if (isReference(attribute)) {
    const id = values.get('value') ?? idInReference(values.get('$ref'))
    if (id !== undefined) values.set('value', id)
    else if (values.has('$ref')) isLost = true
    // Derived from the value whenever it is answered, so that it is always true.
    values.delete('$ref')
  }
  const read = inSchemaOrder(attribute.subAttributes, values)
  if (values.size > 0 && !isShell(attribute, read)) return read
  if (isNone) return hasRequired(attribute) && attribute.multiValued ? read : undefined
  if (isLost || (values.size === 0 && attribute.multiValued)) {
    const names = Object.keys(given)
    const found = names.length === 0 ? 'an object without members' : `nothing but ${listed(names)}`
    const detail = `${at}: found ${found}, expected ${expectedMembers(attribute)}`
    throw ScimError.of('invalidValue', detail)
  }
  return values.size === 0 ? undefined : read
}

/** Names as a message lists them; of many, the first. */
const listed = (names: readonly string[], join = ', '): string => {
  const few = names.slice(0, NAMES_SHOWN_MAX).map((name) => JSON.stringify(name.slice(0, 40)))
  return `${few.join(join)}${names.length > NAMES_SHOWN_MAX ? `${join}…` : ''}`
}

const NAMES_SHOWN_MAX = 4

/** What an object of a complex attribute has to have to say anything, as a message says it. */
export function expectedMembers(attribute: Attribute): string {
  const value = attribute.subs.get('value')
  if (value && value.mutability !== 'readOnly') return `an object with "${value.name}"`
  const telling = attribute.subAttributes.filter(
    (sub) => sub.mutability !== 'readOnly' && !(attribute.multiValued && isQualifier(sub)),
  )
  const names = (telling.length > 0 ? telling : attribute.subAttributes).map(({ name }) => name)
  return `an object with ${listed(names, ' or ')}`
}

/** What says of an element which one it is, and nothing about itself. RFC 7643 section 2.4. */
const QUALIFIERS = new Set(['type', 'primary', 'display'])

const isQualifier = ({ name }: Attribute): boolean => QUALIFIERS.has(name.toLowerCase())

const hasRequired = ({ subAttributes }: Attribute): boolean =>
  subAttributes.some(({ required }) => required)

/**
 * Whether an element has nothing but qualifiers left, such as a type and `primary`, although its
 * schema has more to say: such an element is never stored. One that lacks what is required is left
 * for the check of the resource to refuse.
 */
export function isShell(attribute: Attribute, element: JsonValue): boolean {
  if (!attribute.multiValued || !isJsonObject(element)) return false
  for (const name in element) if (!QUALIFIERS.has(name.toLowerCase())) return false
  const telling = attribute.subAttributes.filter(
    (sub) => sub.mutability !== 'readOnly' && !isQualifier(sub),
  )
  // What is never returned may be all that an element has: who sends back what was shown keeps it.
  const isShown =
    attribute.subs.has('value') || telling.every(({ returned }) => returned !== 'never')
  return !hasRequired(attribute) && telling.length > 0 && isShown
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
  const mayBeString = attribute.subs.has('value') && raw !== ''
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

/**
 * Booleans and numbers that came as strings, and strings that came as numbers. Everything else is
 * as it was sent.
 */
export function coerced(attribute: Attribute, raw: JsonValue, rules: Rules): JsonValue {
  if (typeof raw === 'number') {
    // Of other numbers the digits that were sent are not known any more.
    const isExact = attribute.type === 'string' && Number.isSafeInteger(raw)
    return isExact && tolerated(rules, 'numberForString') ? String(raw) : raw
  }
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
 * one says is laid over the earlier one; what was present keeps its spelling of the pair. Elements
 * without a value repeat only when they are equal.
 */
export function mergeElements(
  attribute: Attribute,
  present: readonly JsonValue[],
  added: readonly JsonValue[],
): JsonValue[] {
  const merged = [...present]
  const places = new Map(merged.map((element, index) => [identityOf(attribute, element), index]))
  for (const element of added) {
    const identity = identityOf(attribute, element)
    const place = places.get(identity)
    if (place === undefined) {
      places.set(identity, merged.push(element) - 1)
      continue
    }
    const known = merged[place]
    if (!isJsonObject(known) || !isJsonObject(element)) continue
    merged[place] = { ...known, ...element }
    // To add what is there already changes nothing, its spelling included.
    if (place < present.length) Object.assign(merged[place], pairOf(known))
  }
  return merged
}

const pairOf = ({ value, type }: JsonObject): JsonObject => ({
  ...(value === undefined ? {} : { value }),
  ...(type === undefined ? {} : { type }),
})

/** What two elements have in common that are one: case counts where it is caseExact. */
export function identityOf(attribute: Attribute, element: JsonValue): string {
  if (!isJsonObject(element)) return JSON.stringify(comparable(attribute, element))
  const { value, type } = element
  if (value === undefined) {
    const members = Object.entries(element).sort(([left], [right]) => (left < right ? -1 : 1))
    return JSON.stringify(members)
  }
  const { subs } = attribute
  return JSON.stringify([comparable(subs.get('type'), type), comparable(subs.get('value'), value)])
}

const comparable = (
  attribute: Attribute | undefined,
  value: JsonValue | undefined,
): JsonValue | undefined =>
  typeof value === 'string' && attribute?.type === 'string' && !attribute.caseExact
    ? fold(value)
    : value

/** Whether an attribute's two values are one to a client. */
export const isSame = (
  attribute: Attribute | undefined,
  left: JsonValue | undefined,
  right: JsonValue | undefined,
): boolean => sameValue(comparable(attribute, left), comparable(attribute, right))

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
