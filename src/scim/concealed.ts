/**
 * Parts a stored document into what the schemas of its type know, and what they do not know at
 * present, or the tenant does not see: that is kept and not shown, and is there again when its
 * schema is.
 */

import type { JsonValue } from './json.ts'
import type { ResourceType } from './registry.ts'
import type { Attribute } from './schema.ts'
import { identityOf, isJsonObject, type JsonObject } from './value.ts'

/**
 * The part of a document that its type knows: what is answered, validated and told. The same
 * object, if that is all of it.
 */
export const knownPart = (type: ResourceType, document: JsonObject): JsonObject =>
  known(document, (name, value) => {
    if (name === 'schemas') return value
    const attribute = type.attributes.get(name.toLowerCase())
    if (attribute) return knownValue(attribute, value)
    const subs = type.extensions.find(({ schema }) => schema.id === name)?.schema.byName
    return subs && isJsonObject(value) ? filled(knownMembers(subs, value)) : undefined
  })

/** Members by what becomes of each; undefined for one that is not known. */
function known(
  object: JsonObject,
  of: (name: string, value: JsonValue) => JsonValue | undefined,
): JsonObject {
  let parted: JsonObject | undefined
  for (const name in object) {
    const value = object[name] as JsonValue
    const part = of(name, value)
    if (part === value) continue
    parted ??= { ...object }
    if (part === undefined) delete parted[name]
    else parted[name] = part
  }
  return parted ?? object
}

const knownMembers = (subs: ReadonlyMap<string, Attribute>, object: JsonObject): JsonObject =>
  known(object, (name, value) => {
    const sub = subs.get(name.toLowerCase())
    return sub && knownValue(sub, value)
  })

function knownValue(attribute: Attribute, value: JsonValue): JsonValue | undefined {
  if (attribute.type !== 'complex') return value
  if (!Array.isArray(value))
    return isJsonObject(value) ? filled(knownMembers(attribute.subs, value), value) : value
  const elements = value.flatMap((element) => knownValue(attribute, element) ?? [])
  const isSame =
    elements.length === value.length && elements.every((element, i) => element === value[i])
  return isSame ? value : elements.length > 0 ? elements : undefined
}

/** An object of which something is left; one that was empty before stays as it was. */
const filled = (part: JsonObject, whole?: JsonObject): JsonObject | undefined =>
  part === whole || Object.keys(part).length > 0 ? part : undefined

/** The names of what a document holds and its type does not know: `foo`, `URN:foo`, `name.foo`. */
export function concealedNames(type: ResourceType, document: JsonObject): Set<string> {
  const names = new Set<string>()
  if (knownPart(type, document) === document) return names
  for (const [name, value] of Object.entries(document)) {
    if (name === 'schemas') continue
    const attribute = type.attributes.get(name.toLowerCase())
    const subs = type.extensions.find(({ schema }) => schema.id === name)?.schema.byName
    if (attribute) nameSubs(attribute, value, attribute.name, names)
    else if (!subs || !isJsonObject(value)) names.add(name)
    else {
      for (const [key, held] of Object.entries(value)) {
        const sub = subs.get(key.toLowerCase())
        if (sub) nameSubs(sub, held, `${name}:${sub.name}`, names)
        else names.add(`${name}:${key}`)
      }
    }
  }
  return names
}

function nameSubs(attribute: Attribute, value: JsonValue, at: string, names: Set<string>): void {
  if (attribute.type !== 'complex') return
  for (const element of Array.isArray(value) ? value : [value]) {
    if (!isJsonObject(element)) continue
    for (const key of Object.keys(element))
      if (!attribute.subs.has(key.toLowerCase())) names.add(`${at}.${key}`)
  }
}

/** What of an object is not among these attributes. */
export function unknownIn(
  subs: ReadonlyMap<string, Attribute>,
  object: JsonValue | undefined,
): JsonObject {
  if (!isJsonObject(object)) return {}
  return Object.fromEntries(
    Object.entries(object).filter(([name]) => !subs.has(name.toLowerCase())),
  )
}

/**
 * A new value of a complex attribute with what the one before held out of sight: of a list, in the
 * elements that are still there.
 */
export function withUnknown(
  attribute: Attribute,
  value: JsonValue,
  was: JsonValue | undefined,
): JsonValue {
  if (attribute.type !== 'complex') return value
  if (isJsonObject(value)) return { ...value, ...unknownIn(attribute.subs, was) }
  if (!Array.isArray(value) || !Array.isArray(was)) return value
  const held = was.filter((element) => Object.keys(unknownIn(attribute.subs, element)).length > 0)
  if (held.length === 0) return value
  const byIdentity = new Map(held.map((element) => [identityOf(attribute, element), element]))
  return value.map((element) => {
    const before = byIdentity.get(identityOf(attribute, element))
    return before === undefined ? element : withUnknown(attribute, element, before)
  })
}
