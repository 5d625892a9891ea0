/** Turns an operation on a list into its next elements. RFC 7644 section 3.5.2. */

import { ScimError } from '../error.ts'
import type { JsonValue } from '../json.ts'
import type { Attribute } from '../schema.ts'
import type { Rules } from '../tolerance.ts'
import {
  elementsOf,
  expectedMembers,
  isJsonObject,
  isSame,
  mergeElements,
  readElements,
  readValue,
  saysNone,
} from '../value.ts'
import { type Assignment, requireRemoveByValue, type Selection } from './assignment.ts'
import { demoted, primariesOf } from './primary.ts'

/** @throws ScimError invalidValue */
export function patchList(
  current: JsonValue | undefined,
  attribute: Attribute,
  assignment: Assignment,
  rules: Rules,
): JsonValue | undefined {
  const { op, value, at } = assignment
  const elements = Array.isArray(current) ? current : []
  if (op === 'remove') {
    if (value === undefined || value === null) return undefined
    requireRemoveByValue(attribute, at, rules)
    return withoutValues(elements, attribute, value, `${at}: ${attribute.name}`, rules)
  }
  const given = readValue(attribute, value ?? null, attribute.name, rules)
  const added = Array.isArray(given) ? given : []
  if (op === 'replace') {
    if (added.length === 0) requireSaidNone(attribute, value ?? null, at, rules)
    return added
  }
  const merged = mergeElements(attribute, elements, added)
  const primary = primariesOf(added, attribute, at)
  return mergeElements(attribute, [], demoted(attribute, merged, primary, merged))
}

/** A list of shells replaces nothing: only what says so by name empties a list. */
function requireSaidNone(attribute: Attribute, value: JsonValue, at: string, rules: Rules): void {
  const elements = elementsOf(attribute, value, attribute.name, rules)
  const [shell] = readElements(attribute, elements, attribute.name, rules)
  if (shell !== undefined) throw onlyQualifiers(attribute, shell, `${at}: ${attribute.name}`)
}

export const onlyQualifiers = (attribute: Attribute, shell: JsonValue, at: string): ScimError => {
  const names = isJsonObject(shell) ? Object.keys(shell).join(' and ') : ''
  const expected = expectedMembers(attribute)
  return ScimError.of('invalidValue', `${at}: found nothing but ${names}, expected ${expected}`)
}

/** Removes the elements that a value list names: those that hold all that one of its items says. */
function withoutValues(
  elements: readonly JsonValue[],
  attribute: Attribute,
  value: JsonValue,
  at: string,
  rules: Rules,
): JsonValue[] {
  const items = itemsOf(attribute, value, at, rules)
  return elements.filter((element) => !items.some((item) => says(attribute, element, item)))
}

/** The elements that the value of a removal names. */
function itemsOf(attribute: Attribute, value: JsonValue, at: string, rules: Rules): JsonValue[] {
  if (saysNone(value, rules)) return []
  const isList = isJsonObject(value) || Array.isArray(value)
  const listed = (isList ? elementsOf(attribute, value, at, rules) : [value]).map((item) =>
    attribute.type === 'complex' && typeof item === 'string' && item !== ''
      ? { value: item }
      : item,
  )
  return readElements(attribute, listed, at, rules)
}

function says(attribute: Attribute, element: JsonValue, item: JsonValue): boolean {
  if (!isJsonObject(item) || !isJsonObject(element)) return isSame(attribute, element, item)
  // The value identifies an element; only without one does the rest of what is said count.
  const names = item['value'] === undefined ? Object.keys(item) : ['value', 'type']
  return names.every((name) => {
    const held = item[name]
    return held === undefined || isSame(attribute.subs.get(name.toLowerCase()), element[name], held)
  })
}

/**
 * Which elements a removal with a filter in its path means by its value too: what fits both goes.
 *
 * @throws ScimError invalidValue where removal by value is not tolerated
 */
export function namedBy(
  attribute: Attribute,
  sub: Attribute | undefined,
  value: JsonValue | undefined,
  at: string,
  rules: Rules,
): (element: JsonValue) => boolean {
  if (value === undefined || value === null) return () => true
  requireRemoveByValue(attribute, at, rules)
  // Of a list within the element its own elements are removed, by their values.
  if (sub?.multiValued) return () => true
  if (sub) {
    const named = readValue(sub, value, `${attribute.name}.${sub.name}`, rules)
    return (element) =>
      named !== undefined && isJsonObject(element) && isSame(sub, element[sub.name], named)
  }
  const items = itemsOf(attribute, value, `${at}: ${attribute.name}`, rules)
  return (element) => items.some((item) => says(attribute, element, item))
}

/**
 * The values of a list of simple ones after an operation on those that a filter selects: they are
 * removed, or the new ones stand where the first of them stood.
 *
 * @throws ScimError noTarget where there is nothing to replace
 */
export function patchSelectedValues(
  current: JsonValue | undefined,
  attribute: Attribute,
  { op, value, at }: Assignment,
  { matches }: Selection,
  rules: Rules,
): JsonValue[] {
  const elements = Array.isArray(current) ? current : []
  const isMeant = op === 'remove' ? namedBy(attribute, undefined, value, at, rules) : () => true
  const selected = elements.map((element) => matches(element) && isMeant(element))
  const kept = elements.filter((_, index) => !selected[index])
  if (op === 'remove' || (op === 'replace' && saysNone(value ?? null, rules))) return kept
  const given = readValue(attribute, value ?? null, attribute.name, rules)
  const added = Array.isArray(given) ? given : []
  if (op === 'add') return mergeElements(attribute, elements, added)
  const place = selected.indexOf(true)
  if (place < 0) {
    const detail = `${at}: no value of ${attribute.name} matches the filter of the path`
    throw ScimError.of('noTarget', detail)
  }
  return mergeElements(attribute, [], [...kept.slice(0, place), ...added, ...kept.slice(place)])
}
