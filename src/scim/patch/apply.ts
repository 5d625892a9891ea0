/** Turns assignments and a document into the next document and the edits of its links. */

import { ScimError } from '../error.ts'
import type { TypedFilter } from '../filter/resolve.ts'
import type { JsonValue } from '../json.ts'
import { PATCH_LINK_FILTERS_MAX, PATCH_VISIT_COMPARISONS, PATCH_VISITS_MAX } from '../limits.ts'
import type { LinkEdit } from '../link.ts'
import type { AttributePath, ResourceType } from '../registry.ts'
import { type Document, isAssigned, rearrange } from '../resource.ts'
import type { Attribute } from '../schema.ts'
import { type Rules, tolerated } from '../tolerance.ts'
import {
  expectedMembers,
  idInReference,
  isJsonObject,
  isReference,
  isShell,
  type JsonObject,
  mergeElements,
  readSingle,
  readValue,
  sameValue,
  saysNone,
  shown,
} from '../value.ts'
import type { Assignment, Selection } from './assignment.ts'
import { editLinks } from './links.ts'
import { namedBy, onlyQualifiers, patchList, patchSelectedValues } from './list.ts'
import { demoted, primariesOf } from './primary.ts'

/**
 * Applies assignments in their order. RFC 7644 section 3.5.2.
 *
 * @throws ScimError noTarget, mutability, invalidPath, invalidValue; the caller drops everything
 *   then
 */
export function applyPatch(
  type: ResourceType,
  current: Document,
  assignments: readonly Assignment[],
  rules: Rules,
): { readonly document: Document; readonly links: readonly LinkEdit[] } {
  // What changes is copied on the way down: the current document stays as it is.
  const document = { ...current }
  const links: LinkEdit[] = []
  let visits = 0
  for (const assignment of assignments) {
    const { target } = assignment
    if (target.kind === 'extension') delete document[target.extension.id]
    else if (target.link) links.push(...editLinks(target.link, assignment, rules))
    else if (target.attribute.name === 'schemas') patchSchemas(type, assignment)
    else {
      visits += visitsOf(document, target, assignment)
      if (visits > PATCH_VISITS_MAX) throw tooMuch('elements to look at', PATCH_VISITS_MAX)
      assign(document, target, assignment, rules, type.defaults)
    }
  }
  const filters = links.filter(({ op }) => op === 'removeWhere').length
  if (filters > PATCH_LINK_FILTERS_MAX) throw tooMuch('filters on links', PATCH_LINK_FILTERS_MAX)
  return { document: rearrange(type, document), links }
}

/** `schemas` follows from the data (section 3.5.2); a PATCH may say what is so, and no more. */
function patchSchemas(type: ResourceType, { op, value, at }: Assignment): void {
  const named = Array.isArray(value) ? value : [value]
  const base = type.schema.id.toLowerCase()
  const keepsBase = named.some((uri) => typeof uri === 'string' && uri.toLowerCase() === base)
  if (op === 'add' || (op === 'replace' && keepsBase)) return
  if (op === 'remove' && isAssigned(value) && !keepsBase) return
  throw ScimError.of('mutability', `${at}: schemas has to hold "${type.schema.id}"`)
}

const tooMuch = (what: string, countMax: number): ScimError =>
  ScimError.status(413, `Operations: more ${what} than ${countMax}; send several requests`)

/** How many elements an assignment looks at: what a list of values costs. */
function visitsOf(document: Document, path: AttributePath, { op, selection, value }: Assignment) {
  const { attribute, extension } = path
  if (!attribute.multiValued) return 0
  const held = extension ? document[extension.id] : document
  const elements = isJsonObject(held) ? held[attribute.name] : undefined
  const present = Array.isArray(elements) ? elements.length : 0
  const given = Array.isArray(value) ? value.length : 1
  if (!selection && op !== 'remove') return present + given
  const comparisons = selection ? clausesOf(selection.typed) : given
  return present * Math.max(1, comparisons / PATCH_VISIT_COMPARISONS)
}

function clausesOf(filter: TypedFilter): number {
  if ('operands' in filter) return filter.operands.reduce((sum, one) => sum + clausesOf(one), 0)
  if ('operand' in filter) return clausesOf(filter.operand)
  return filter.kind === 'valuePath' ? clausesOf(filter.filter) : 1
}

function assign(
  document: Document,
  path: AttributePath,
  assignment: Assignment,
  rules: Rules,
  defaults: ResourceType['defaults'],
): void {
  const { attribute, sub, extension } = path
  const held = extension ? document[extension.id] : document
  const container: JsonObject = extension ? { ...(isJsonObject(held) ? held : {}) } : document
  const next = nextValue(container[attribute.name], path, assignment, rules)
  if (isAssigned(next)) container[attribute.name] = next
  else {
    if (assignment.op === 'remove' && attribute.required && !sub && !assignment.selection) {
      throw ScimError.of(
        'mutability',
        `${assignment.at}: ${path.text} is required and cannot be removed`,
      )
    }
    const kept = extension ? undefined : clearedTo(attribute, container[attribute.name], defaults)
    if (kept === undefined) delete container[attribute.name]
    else container[attribute.name] = kept
  }
  if (extension) document[extension.id] = container
}

/**
 * What an attribute that has a default becomes when it is cleared: the default, so that what is
 * shown is what filters find. Nobody who is suspended becomes active by it.
 */
function clearedTo(
  { name }: Attribute,
  was: JsonValue | undefined,
  defaults: ResourceType['defaults'],
): JsonValue | undefined {
  if (was === undefined || !Object.hasOwn(defaults, name)) return undefined
  return name === 'active' && was === false ? was : defaults[name]
}

function nextValue(
  current: JsonValue | undefined,
  path: AttributePath,
  assignment: Assignment,
  rules: Rules,
): JsonValue | undefined {
  const { attribute, sub } = path
  const { op, selection, value } = assignment
  if (selection?.isOfValues) return patchValues(current, path, assignment, selection, rules)
  if (selection) return patchSelected(current, path, assignment, selection, rules)
  if (attribute.multiValued) {
    if (sub) throw namesNoElement(path, assignment)
    return patchList(current, attribute, assignment, rules)
  }
  if (sub) {
    const object = isJsonObject(current) ? current : {}
    return withSub(
      object,
      attribute,
      sub,
      op === 'remove' ? null : (value ?? null),
      assignment,
      rules,
    )
  }
  if (op === 'remove') return undefined
  if (attribute.type === 'complex') {
    const isWhole =
      op === 'replace' && keepsMore(current, value) && !tolerated(rules, 'mergeOnReplace')
    const base = isWhole ? unchangeable(current, attribute) : current
    return patchComplex(base, attribute, value ?? null, assignment, rules)
  }
  const read = readValue(attribute, value ?? null, path.text, rules)
  return read === undefined && op === 'add' ? current : read
}

const namesNoElement = ({ text, attribute, sub }: AttributePath, { at }: Assignment): ScimError =>
  ScimError.of(
    'invalidPath',
    `${at}: "${text}" names no element; use ${attribute.name}[filter].${sub?.name}`,
  )

/**
 * A single complex value: what is given is laid over what is there (sections 3.5.2.1 and 3.5.2.3).
 */
function patchComplex(
  current: JsonValue | undefined,
  attribute: Attribute,
  value: JsonValue,
  assignment: Assignment,
  rules: Rules,
): JsonValue | undefined {
  const given = Array.isArray(value) && value.length === 1 ? (value[0] ?? null) : value
  if (isJsonObject(given)) {
    // Read once for its faults; then member by member, since null unassigns a sub-attribute.
    const read = readValue(attribute, value, attribute.name, rules)
    // A reference is its value; a `$ref` beside it, or null, says nothing more.
    const isKnown = isReference(attribute) && isJsonObject(read) && read['value'] !== undefined
    let merged: JsonObject = isJsonObject(current) ? current : {}
    for (const [name, held] of Object.entries(given)) {
      const sub = attribute.subs.get(name.toLowerCase())
      if (!sub || sub.mutability === 'readOnly') continue
      if (isReference(attribute) && (sub.name === '$ref' || (isKnown && sub.name === 'value')))
        continue
      merged = withSub(merged, attribute, sub, held, assignment, rules)
    }
    const target = attribute.subs.get('value')
    if (!isKnown || !target) return merged
    return withSub(merged, attribute, target, read['value'] ?? null, assignment, rules)
  }
  const read = readValue(attribute, value, attribute.name, rules)
  if (read === undefined) return assignment.op === 'add' ? current : undefined
  return { ...(isJsonObject(current) ? current : {}), ...(read as JsonObject) }
}

/** Whether a value leaves out some of what is there: then merging it makes a difference. */
function keepsMore(current: JsonValue | undefined, value: JsonValue | undefined): boolean {
  if (!isJsonObject(current)) return false
  const given = Array.isArray(value) ? value[0] : value
  // Unlike these, an object without members unassigns nothing when it is merged.
  if (given === undefined || given === null || given === '') return false
  const names = isJsonObject(given)
    ? Object.keys(given).map((name) => name.toLowerCase())
    : ['value']
  return Object.keys(current).some((name) => !names.includes(name.toLowerCase()))
}

/** What a replacement of the whole leaves: sub-attributes that the client may not set anew. */
const unchangeable = (current: JsonValue | undefined, attribute: Attribute): JsonObject =>
  isJsonObject(current) ? membersOf(current, (name) => isImmutable(attribute, name)) : {}

/** An object with one sub-attribute set or, for null, unset. */
function withSub(
  object: JsonObject,
  attribute: Attribute,
  sub: Attribute,
  raw: JsonValue,
  assignment: Assignment,
  rules: Rules,
): JsonObject {
  const { op, at } = assignment
  const name = `${attribute.name}.${sub.name}`
  const target =
    sub.name === '$ref' && isReference(attribute) ? attribute.subs.get('value') : undefined
  if (target) {
    if (raw === null || raw === '') return object
    const id = idInReference(raw)
    if (id !== undefined) return withSub(object, attribute, target, id, assignment, rules)
    throw ScimError.of(
      'invalidValue',
      `${at}: ${name}: found ${shown(raw)}, expected the URI of a resource`,
    )
  }
  const present = object[sub.name]
  const value = readSub(sub, present, raw, name, assignment, rules)
  if (value === undefined && (op === 'add' || present === undefined)) return object
  if (sub.mutability === 'immutable' && present !== undefined && !sameValue(present, value)) {
    throw ScimError.of('mutability', `${at}: ${name} is immutable and has a value`)
  }
  if (value !== undefined) return { ...object, [sub.name]: value }
  if (sub.required && op === 'remove') {
    throw ScimError.of('mutability', `${at}: ${name} is required and cannot be removed`)
  }
  const { [sub.name]: _unset, ...rest } = object
  return rest
}

/** The next value of a sub-attribute, one that is multi-valued being patched as a list. */
function readSub(
  sub: Attribute,
  present: JsonValue | undefined,
  raw: JsonValue,
  name: string,
  assignment: Assignment,
  rules: Rules,
): JsonValue | undefined {
  if (!sub.multiValued) return readValue(sub, raw, name, rules)
  const value = assignment.op === 'remove' ? assignment.value : raw
  const next = patchList(present, sub, { ...assignment, value }, rules)
  return isAssigned(next) ? next : undefined
}

/** A filter on the values of a list of simple ones: `tags[value eq "x"]`, `box.labels[…]`. */
function patchValues(
  current: JsonValue | undefined,
  path: AttributePath,
  assignment: Assignment,
  selection: Selection,
  rules: Rules,
): JsonValue | undefined {
  const { attribute, sub, leaf } = path
  if (sub && attribute.multiValued) throw namesNoElement(path, assignment)
  const object = sub && isJsonObject(current) ? current : {}
  const next = patchSelectedValues(
    sub ? object[sub.name] : current,
    leaf,
    assignment,
    selection,
    rules,
  )
  if (!sub) return next
  const { [sub.name]: _before, ...rest } = object
  return isAssigned(next) ? { ...rest, [sub.name]: next } : rest
}

function patchSelected(
  current: JsonValue | undefined,
  path: AttributePath,
  assignment: Assignment,
  selection: Selection,
  rules: Rules,
): JsonValue | undefined {
  const { attribute, sub } = path
  const { op } = assignment
  const elements = Array.isArray(current) ? current : current === undefined ? [] : [current]
  const { value, at } = assignment
  const isMeant = op === 'remove' ? namedBy(attribute, sub, value, at, rules) : () => true
  const selected = elements.map((element) => selection.matches(element) && isMeant(element))
  const raw = op === 'remove' ? null : (assignment.value ?? null)
  const isNone = saysNone(raw, rules)
  const given = sub || isNone ? undefined : readGiven(attribute, raw, assignment, rules)
  const clears = isNone || (!sub && given === undefined)

  let next: JsonValue[]
  if (!selected.includes(true)) {
    if (clears) return current
    next = [...elements, newElement(path, assignment, selection, { raw, given }, rules)]
  } else if (!sub && !given) {
    if (op === 'add') return current
    next = elements.filter((_, index) => !selected[index])
  } else {
    next = elements.map((element, index) => {
      if (!selected[index]) return element
      const object = isJsonObject(element) ? element : {}
      if (sub) return withSub(object, attribute, sub, raw, assignment, rules)
      if (!given) return element
      const fixed = membersOf(object, (name) => isImmutable(attribute, name))
      requireUnchanged(attribute, fixed, given, assignment)
      if (op === 'add') return { ...object, ...given }
      // What the path says of the element holds on, or the same request would not find it again.
      const named = membersOf(object, (name) =>
        selection.seed?.some(({ sub }) => sub.name === name),
      )
      return { ...fixed, ...named, ...given }
    })
  }
  const before = new Set(elements)
  const isLeft = (element: JsonValue) => isAssigned(element) && !isShell(attribute, element)
  const kept = clears ? next.filter((element) => before.has(element) || isLeft(element)) : next
  if (!attribute.multiValued) return kept[0]
  const touched = next.filter((element) => !before.has(element))
  const primary = primariesOf(touched, attribute, assignment.at)
  return mergeElements(attribute, [], demoted(attribute, kept, primary, touched))
}

const membersOf = (
  object: JsonObject,
  isWanted: (name: string) => boolean | undefined,
): JsonObject => Object.fromEntries(Object.entries(object).filter(([name]) => isWanted(name)))

const isImmutable = (attribute: Attribute, name: string): boolean =>
  attribute.subs.get(name.toLowerCase())?.mutability === 'immutable'

function requireUnchanged(
  attribute: Attribute,
  fixed: JsonObject,
  given: JsonObject,
  { at }: Assignment,
): void {
  for (const [name, held] of Object.entries(fixed)) {
    if (given[name] === undefined || sameValue(held, given[name])) continue
    const path = `${attribute.name}.${name}`
    throw ScimError.of('mutability', `${at}: ${path} is immutable and has a value`)
  }
}

/**
 * The element that a path selects as the value gives it, or undefined where it says that there is
 * none.
 */
function readGiven(
  attribute: Attribute,
  raw: JsonValue,
  { op, at }: Assignment,
  rules: Rules,
): JsonObject | undefined {
  const single = Array.isArray(raw) && raw.length === 1 ? (raw[0] ?? null) : raw
  const place = `${at}: ${attribute.name}`
  // A string would take the place of all members; `.value` behind the filter is for it.
  const isString = typeof single === 'string' && single !== '' && !isReference(attribute)
  const given = isString || single === null ? null : readSingle(attribute, single, place, rules)
  // An object without members, or of what is readOnly, does not say that there is none.
  const isSaid = !isJsonObject(single) || Object.values(single).some((v) => saysNone(v, rules))
  if (given === undefined && isSaid) return undefined
  if (!isJsonObject(given)) {
    const expected = expectedMembers(attribute)
    throw ScimError.of('invalidValue', `${place}: found ${shown(raw)}, expected ${expected}`)
  }
  // What is there would be lost with its value.
  if (op === 'replace' && isShell(attribute, given)) throw onlyQualifiers(attribute, given, place)
  return given
}

/**
 * An element for a value path that selects none: `add` makes it from the `eq` terms of the filter;
 * so does `replace`, where that is tolerated.
 */
function newElement(
  path: AttributePath,
  assignment: Assignment,
  { seed, matches }: Selection,
  { raw, given }: { readonly raw: JsonValue; readonly given: JsonObject | undefined },
  rules: Rules,
): JsonObject {
  const { attribute, sub } = path
  const { op, at } = assignment
  const noTarget = `${at}: no element of ${attribute.name} matches the filter of the path`
  if (!seed || !attribute.multiValued) throw ScimError.of('noTarget', noTarget)
  const mayCreate = op === 'add' || tolerated(rules, 'createOnReplace')
  if (!mayCreate) throw ScimError.of('noTarget', noTarget)
  const settable = seed.filter((term) => term.sub.mutability !== 'readOnly')
  const terms = Object.fromEntries(settable.map((term) => [term.sub.name, term.value]))
  const read = settable.length > 0 ? readSingle(attribute, terms, at, rules) : undefined
  const seeded = isJsonObject(read) ? read : {}
  const element = sub
    ? withSub(seeded, attribute, sub, raw, assignment, rules)
    : { ...seeded, ...given }
  // What contradicts its own path, or asks for what the server derives, makes no such element.
  if (matches(element)) return element
  throw ScimError.of('noTarget', `${noTarget}, nor would the new one`)
}
