/** Turns a resolved filter into a predicate over one resource. RFC 7644 section 3.4.2.2. */

import { fold } from '../fold.ts'
import { instantOf } from '../instant.ts'
import type { JsonValue } from '../json.ts'
import { compareText } from '../order.ts'
import type { AttributePath } from '../registry.ts'
import type { Steps } from '../steps.ts'
import { isJsonObject, type JsonObject } from '../value.ts'
import type { Comparison, TypedFilter } from './resolve.ts'

/** A resource as a filter sees it. */
export interface Candidate {
  /** The document with id and meta; without links. */
  readonly resource: JsonObject
  /** Elements of a link attribute or of its reverse; asked for only as `needsOf` announces. */
  elements(path: AttributePath): readonly JsonValue[]
  /**
   * Whether a link attribute, or its reverse, holds this id; asked for only as `needsOf` announces.
   */
  holds(path: AttributePath, id: string): boolean
}

/** What has to be fetched beside the document before a filter can be evaluated. */
export interface Needs {
  /** Link attributes whose elements are looked at one by one. */
  readonly elements: readonly AttributePath[]
  /** Ids looked up in link attributes. */
  readonly ids: readonly { readonly path: AttributePath; readonly id: string }[]
}

export function needsOf(filter: TypedFilter): Needs {
  const elements = new Map<string, AttributePath>()
  const ids: { path: AttributePath; id: string }[] = []
  const visit = (node: TypedFilter): void => {
    const held = heldIdOf(node)
    if (held) {
      ids.push(held)
      return
    }
    if ('operands' in node) node.operands.forEach(visit)
    else if ('operand' in node) visit(node.operand)
    else if (node.kind !== 'constant' && isLinked(node.path))
      elements.set(node.path.attribute.name, node.path)
  }
  visit(filter)
  return { elements: [...elements.values()], ids }
}

/**
 * A term that asks whether a link attribute holds one id: `members eq "x"`, `members[value eq
 * "x"]`.
 */
export function heldIdOf(node: TypedFilter): { path: AttributePath; id: string } | undefined {
  const term = node.kind === 'valuePath' && isLinked(node.path) ? node.filter : node
  if (term.kind !== 'compare' || term.operator !== 'eq' || !isLinked(term.path)) return undefined
  if (term.path.sub?.name !== 'value' || typeof term.value !== 'string') return undefined
  return { path: term.path, id: term.value }
}

const isLinked = (path: AttributePath): boolean =>
  path.link !== undefined || path.reverse !== undefined

/** Compiles a filter once, to be asked of many resources. */
export function predicateOf(filter: TypedFilter): (candidate: Candidate) => boolean {
  const held = heldIdOf(filter)
  if (held) return (candidate) => candidate.holds(held.path, held.id)
  switch (filter.kind) {
    case 'and': {
      const operands = filter.operands.map(predicateOf)
      return (candidate) => operands.every((operand) => operand(candidate))
    }
    case 'or': {
      const operands = filter.operands.map(predicateOf)
      return (candidate) => operands.some((operand) => operand(candidate))
    }
    case 'not': {
      const operand = predicateOf(filter.operand)
      return (candidate) => !operand(candidate)
    }
    case 'constant':
      return () => filter.value
    default: {
      const { values, matches, ofNone } = termOf(filter, fold)
      return (candidate) => {
        const held = values(candidate)
        return held.length === 0 ? ofNone : held.some(matches)
      }
    }
  }
}

/** Like `fold`. */
type Folding = (text: string) => string

/** How many terms a filter has. */
export function termsIn(filter: TypedFilter): number {
  if ('operands' in filter) return filter.operands.reduce((sum, one) => sum + termsIn(one), 0)
  if ('operand' in filter) return termsIn(filter.operand)
  return filter.kind === 'valuePath' ? termsIn(filter.filter) : 1
}

/**
 * Whether a filter matches a resource, in steps: for many terms over much text, or many elements.
 * Each text is folded once, whatever many terms look at it.
 */
export function* matchSteps(
  filter: TypedFilter,
  candidate: Candidate,
  folding: Folding = rememberedFold(),
): Steps<boolean> {
  const held = heldIdOf(filter)
  if (held) return candidate.holds(held.path, held.id)
  switch (filter.kind) {
    case 'and':
      for (const operand of filter.operands)
        if (!(yield* matchSteps(operand, candidate, folding))) return false
      return true
    case 'or':
      for (const operand of filter.operands)
        if (yield* matchSteps(operand, candidate, folding)) return true
      return false
    case 'not':
      return !(yield* matchSteps(filter.operand, candidate, folding))
    case 'constant':
      return filter.value
    default: {
      const { values, matches, ofNone } = termOf(filter, folding)
      const all = values(candidate)
      if (all.length === 0) return ofNone
      const perStep = filter.kind === 'valuePath' ? 1 : VALUES_PER_STEP
      for (const [index, value] of all.entries()) {
        if (index % perStep === 0) yield
        if (matches(value)) return true
      }
      return false
    }
  }
}

const VALUES_PER_STEP = 64

function rememberedFold(): Folding {
  const folded = new Map<string, string>()
  return (text) => {
    const known = folded.get(text) ?? fold(text)
    folded.set(text, known)
    return known
  }
}

/** Which values a term looks at: it holds when one of them matches, or for none as it says. */
interface Term {
  values(candidate: Candidate): readonly JsonValue[]
  matches(value: JsonValue): boolean
  readonly ofNone: boolean
}

function termOf(
  filter: Extract<TypedFilter, { kind: 'present' | 'compare' | 'valuePath' }>,
  folding: Folding,
): Term {
  const { path } = filter
  const elements = (candidate: Candidate) => elementsOf(candidate, path)
  const leaves = (candidate: Candidate) => leavesOf(candidate, path)
  switch (filter.kind) {
    case 'present':
      return { values: leaves, matches: presenceOf(path), ofNone: false }
    case 'valuePath': {
      const matches = elementPredicateOf(filter.filter, folding)
      const isSimple = path.leaf.type !== 'complex'
      return { values: isSimple ? leaves : elements, matches, ofNone: false }
    }
    case 'compare': {
      // `ne` on many values: one that differs, or none at all (conformance R7644-3.4.2.2-07).
      const ofNone = filter.operator === 'ne'
      return path.attribute.multiValued && path.sub !== undefined
        ? { values: elements, matches: elementPredicateOf(filter, folding), ofNone }
        : { values: leaves, matches: comparisonOf(filter, folding), ofNone }
    }
  }
}

/**
 * Whether one element of a complex attribute matches: all terms are asked of the same element
 * (RFC 7644 section 3.4.2.2, value paths). Also what a PATCH value path selects by.
 */
export function elementPredicateOf(
  filter: TypedFilter,
  folding: Folding = fold,
): (element: JsonValue) => boolean {
  switch (filter.kind) {
    case 'and': {
      const operands = filter.operands.map((operand) => elementPredicateOf(operand, folding))
      return (element) => operands.every((operand) => operand(element))
    }
    case 'or': {
      const operands = filter.operands.map((operand) => elementPredicateOf(operand, folding))
      return (element) => operands.some((operand) => operand(element))
    }
    case 'not': {
      const operand = elementPredicateOf(filter.operand, folding)
      return (element) => !operand(element)
    }
    case 'constant':
      return () => filter.value
    case 'present':
      return (element) => valuesWithin(element, filter.path).some(presenceOf(filter.path))
    case 'compare': {
      const matches = comparisonOf(filter, folding)
      const absentMatches = filter.operator === 'ne' || isDefaultFalse(filter)
      return (element) => {
        const values = valuesWithin(element, filter.path)
        return values.length === 0 ? absentMatches : values.some(matches)
      }
    }
    case 'valuePath':
      throw new Error('a value path within a value path passed the parser')
  }
}

/** RFC 7643 section 2.4: an element that does not say it is primary is not. */
export const isDefaultFalse = ({ path, operator, value }: Comparison): boolean =>
  path.sub?.name === 'primary' && operator === 'eq' && value === false

/** The values of an attribute, as a list: none when it is unassigned. */
function elementsOf(candidate: Candidate, path: AttributePath): readonly JsonValue[] {
  if (isLinked(path)) return candidate.elements(path)
  const held = path.extension ? candidate.resource[path.extension.id] : candidate.resource
  return listed(isJsonObject(held) ? held[path.attribute.name] : undefined)
}

function leavesOf(candidate: Candidate, path: AttributePath): readonly JsonValue[] {
  const elements = elementsOf(candidate, path)
  return path.sub === undefined ? elements : elements.flatMap((element) => subsOf(element, path))
}

const subsOf = (element: JsonValue, path: AttributePath): readonly JsonValue[] =>
  isJsonObject(element) && path.sub ? listed(element[path.sub.name]) : []

/** What a path within an element leads to: a simple element is the value that it has. */
const valuesWithin = (element: JsonValue, path: AttributePath): readonly JsonValue[] =>
  path.sub ? subsOf(element, path) : listed(element)

const NONE: readonly JsonValue[] = []
const listed = (value: JsonValue | undefined): readonly JsonValue[] =>
  value === undefined || value === null ? NONE : Array.isArray(value) ? value : [value]

/** A value that was stored when its attribute had another type is as little present as indexed. */
function presenceOf({ leaf }: AttributePath): (value: JsonValue) => boolean {
  switch (leaf.type) {
    case 'boolean':
      return (value) => typeof value === 'boolean'
    case 'integer':
    case 'decimal':
      return (value) => typeof value === 'number'
    case 'dateTime':
      return (value) => typeof value === 'string' && instantOf(value) !== undefined
    case 'string':
    case 'reference':
      return (value) => typeof value === 'string' && value !== ''
    default:
      return isPresent
  }
}

/** `pr`: not null, not "", and for a complex value some sub-attribute that is present. */
function isPresent(value: JsonValue): boolean {
  if (isJsonObject(value)) return Object.values(value).some((sub) => listed(sub).some(isPresent))
  return value !== null && value !== ''
}

/**
 * Compares one value with the filter's. A value of another type than its schema's never matches.
 */
function comparisonOf(
  { path, operator, value }: Comparison,
  folding: Folding,
): (candidate: JsonValue) => boolean {
  const keyOf = keyFunction(path, operator, folding)
  switch (operator) {
    case 'eq':
      return (candidate) => keyOf(candidate) === value
    case 'ne':
      return (candidate) => keyOf(candidate) !== value
    case 'co':
      return (candidate) => textIn(keyOf(candidate))?.includes(String(value)) === true
    case 'sw':
      return (candidate) => textIn(keyOf(candidate))?.startsWith(String(value)) === true
    case 'ew':
      return (candidate) => textIn(keyOf(candidate))?.endsWith(String(value)) === true
    case 'gt':
      return (candidate) => orderOf(keyOf(candidate), value) > 0
    case 'ge':
      return (candidate) => orderOf(keyOf(candidate), value) >= 0
    case 'lt':
      return (candidate) => orderOf(keyOf(candidate), value) < 0
    case 'le':
      return (candidate) => orderOf(keyOf(candidate), value) <= 0
  }
}

const textIn = (value: JsonValue): string | undefined =>
  typeof value === 'string' ? value : undefined

function keyFunction(
  { leaf }: AttributePath,
  operator: Comparison['operator'],
  folding: Folding,
): (value: JsonValue) => JsonValue {
  const asText = operator === 'co' || operator === 'sw' || operator === 'ew'
  if (leaf.type === 'dateTime' && !asText) {
    return (value) => (typeof value === 'string' ? (instantOf(value) ?? null) : null)
  }
  if (leaf.type !== 'string' && leaf.type !== 'reference') return (value) => value
  return leaf.caseExact
    ? (value) => value
    : (value) => (typeof value === 'string' ? folding(value) : value)
}

/** Negative, zero or positive; NaN, which is neither, for values that have no common order. */
function orderOf(left: JsonValue, right: string | number | boolean): number {
  if (typeof left === 'number' && typeof right === 'number') return left - right
  if (typeof left === 'string' && typeof right === 'string') return compareText(left, right)
  return Number.NaN
}
