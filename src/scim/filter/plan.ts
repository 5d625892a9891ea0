/** Turns a resolved filter into the narrowest ranges of entries that hold every match. */

import { type EntryKey, isWholeKey } from '../entries.ts'
import type { AttributePath, Link, ResourceType } from '../registry.ts'
import { heldIdOf, isDefaultFalse } from './evaluate.ts'
import type { Comparison, TypedFilter } from './resolve.ts'

/** Where the candidates are. Every match is among them; not every candidate need match. */
export type Plan =
  | { readonly kind: 'all' }
  | { readonly kind: 'id'; readonly id: string }
  | Range
  /** Resources that link to this id, by a link of this type: `members eq "x"`. */
  | { readonly kind: 'ownersOf'; readonly link: Link; readonly id: string }
  /** Resources that this id links to, directly or through others of its type: `groups eq "x"`. */
  | { readonly kind: 'membersOf'; readonly link: Link; readonly id: string }
  | { readonly kind: 'union'; readonly plans: readonly Plan[] }
  /**
   * Each of these alone holds every match: the adapter takes the one with the fewest candidates.
   */
  | { readonly kind: 'anyOf'; readonly plans: readonly Plan[] }
  /** All but those of a plan that is exact: `not`, and `ne` where there is one value at most. */
  | { readonly kind: 'except'; readonly plan: Plan }

/** A range of one index; a bound that is not there is open. */
export interface Range {
  readonly kind: 'range'
  readonly path: AttributePath
  readonly from?: { readonly key: EntryKey; readonly inclusive: boolean }
  readonly to?: { readonly key: EntryKey; readonly inclusive: boolean }
  /** Only keys that begin with this text. */
  readonly prefix?: string
  /** Only keys that hold this text; a key that is cut may. All keys of the range are looked at. */
  readonly text?: { readonly at: 'anywhere' | 'end'; readonly value: string }
}

export interface Planned {
  readonly plan: Plan
  /** Whether the candidates are exactly the matches, so that no document need be read. */
  readonly exact: boolean
}

const ALL: Planned = { plan: { kind: 'all' }, exact: false }
const EVERY: Planned = { plan: { kind: 'all' }, exact: true }
const NONE: Planned = { plan: { kind: 'union', plans: [] }, exact: true }

/**
 * Plans a filter over the indexes that a resource type declares. Without a filter, all are matches.
 *
 * - `eq`, `gt`, `ge`, `lt`, `le`, `sw`, `pr` of an indexed attribute: one range of its index, which
 *   is exact unless the value is so long that the index cuts it.
 * - `co`, `ew`: all keys of its index, of which those with the text are candidates.
 * - `ne`, where there is one value at most: all but those of `eq`.
 * - `id eq`, and which ids links hold: read from ids and links; exact.
 * - `and`: whichever operand has the fewest. `or`: all operands, if each has a plan; exact if all
 *   of these are.
 * - `not`: all but those of the operand, if that is exact.
 * - a value path: as its filter, but for `ne` and `not`; exact for one comparison.
 * - anything else: all.
 */
export function planFilter(type: ResourceType, filter: TypedFilter | undefined): Planned {
  return filter ? planTerm(type, filter, false) : EVERY
}

/**
 * @param inElement whether the filter is asked of one element at a time, of which a resource may
 *   have several: that no element matches the opposite says nothing then
 */
function planTerm(type: ResourceType, filter: TypedFilter, inElement: boolean): Planned {
  const held = heldIdOf(filter)
  if (held) return planHeldId(held.path, held.id)
  switch (filter.kind) {
    case 'and': {
      const planned = filter.operands.map((operand) => planTerm(type, operand, inElement))
      const plans = planned.map(({ plan }) => plan).filter((plan) => plan.kind !== 'all')
      const [only] = plans
      if (!only) return ALL
      return { plan: plans.length === 1 ? only : { kind: 'anyOf', plans }, exact: false }
    }
    case 'or': {
      const planned = filter.operands.map((operand) => planTerm(type, operand, inElement))
      if (planned.some(({ plan }) => plan.kind === 'all')) return ALL
      const plans = planned.map(({ plan }) => plan)
      return { plan: { kind: 'union', plans }, exact: planned.every(({ exact }) => exact) }
    }
    case 'not':
      return inElement ? ALL : allBut(planTerm(type, filter.operand, false))
    case 'constant':
      return filter.value ? EVERY : NONE
    case 'present':
      return planPresent(type, filter.path)
    case 'compare':
      return planComparison(type, filter, inElement)
    case 'valuePath': {
      const inner = planTerm(type, filter.filter, true)
      const { kind } = filter.filter
      return { plan: inner.plan, exact: inner.exact && (kind === 'compare' || kind === 'present') }
    }
  }
}

function allBut({ plan, exact }: Planned): Planned {
  if (!exact) return ALL
  if (plan.kind === 'all') return NONE
  if (plan === NONE.plan) return EVERY
  return { plan: { kind: 'except', plan }, exact: true }
}

function planHeldId(path: AttributePath, id: string): Planned {
  if (path.link) return { plan: { kind: 'ownersOf', link: path.link, id }, exact: true }
  if (path.reverse) return { plan: { kind: 'membersOf', link: path.reverse, id }, exact: true }
  return ALL
}

const isIndexed = (type: ResourceType, path: AttributePath): boolean =>
  type.indexed.some(({ text }) => text === path.text)

function planPresent(type: ResourceType, path: AttributePath): Planned {
  if (!isIndexed(type, path)) return ALL
  const { type: leafType } = path.leaf
  const textual = leafType === 'string' || leafType === 'reference'
  // An empty string is a value, and is not present.
  const from = textual ? { from: { key: '', inclusive: false } } : {}
  return { plan: { kind: 'range', path, ...from }, exact: true }
}

function planComparison(type: ResourceType, comparison: Comparison, inElement: boolean): Planned {
  const { path, operator, value } = comparison
  if (path.text === 'id' && operator === 'eq' && typeof value === 'string') {
    return { plan: { kind: 'id', id: value }, exact: true }
  }
  if (path.text === 'meta.resourceType' && operator === 'eq') {
    return value === type.name ? EVERY : NONE
  }
  // What is absent has no entry, and yet matches where it means false.
  if (!isIndexed(type, path) || isDefaultFalse(comparison)) return ALL
  const isText = path.leaf.type !== 'dateTime' && typeof value === 'string'
  const exact = isWholeKey(value)
  const at = { key: value, inclusive: true }
  const beside = { key: value, inclusive: false }
  const range = (bounds: Omit<Range, 'kind' | 'path'>): Planned => ({
    plan: { kind: 'range', path, ...bounds },
    exact,
  })
  switch (operator) {
    case 'eq':
      return range({ from: at, to: at })
    case 'ne':
      return inElement || hasMany(path) ? ALL : allBut(range({ from: at, to: at }))
    // Of an instant the index does not know how it was written.
    case 'sw':
      return isText ? range({ prefix: value }) : ALL
    case 'co':
      return isText ? { ...range({ text: { at: 'anywhere', value } }), exact: false } : ALL
    case 'ew':
      return isText ? { ...range({ text: { at: 'end', value } }), exact: false } : ALL
    case 'ge':
      return range({ from: at })
    case 'gt':
      // Of a cut key the index does not know what follows: the documents decide.
      return range({ from: exact ? beside : at })
    case 'le':
      return range({ to: at })
    case 'lt':
      return range({ to: exact ? beside : at })
  }
}

/** Whether a resource may have more than one value there. */
const hasMany = ({ attribute, sub }: AttributePath): boolean =>
  attribute.multiValued || sub?.multiValued === true
