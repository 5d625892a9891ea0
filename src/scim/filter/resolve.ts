/**
 * Turns a filter's syntax tree into one that knows its attributes, refusing what the schema
 * refuses.
 */

import { ScimError } from '../error.ts'
import { fold } from '../fold.ts'
import { instantOf } from '../instant.ts'
import { type AttributePath, isSimpleList, type ResolvedPath } from '../registry.ts'
import type { Attribute } from '../schema.ts'
import { type Rules, tolerated } from '../tolerance.ts'
import { coerced } from '../value.ts'
import type { CompareOperator, Filter, Literal, PathText } from './filter.ts'

/**
 * A filter whose paths are resolved and whose values have the type of their attribute: strings
 * folded unless the attribute is caseExact, dateTimes as instants in milliseconds.
 */
export type TypedFilter =
  | { readonly kind: 'and' | 'or'; readonly operands: readonly TypedFilter[] }
  | { readonly kind: 'not'; readonly operand: TypedFilter }
  | { readonly kind: 'present'; readonly path: AttributePath }
  | Comparison
  | { readonly kind: 'valuePath'; readonly path: AttributePath; readonly filter: TypedFilter }
  /** What is true or false of every resource of a type. */
  | { readonly kind: 'constant'; readonly value: boolean }

export interface Comparison {
  readonly kind: 'compare'
  readonly path: AttributePath
  readonly operator: CompareOperator
  /** Never null: comparing with null is written as presence or its absence. */
  readonly value: string | number | boolean
}

/**
 * How a path in a filter is looked up: on a resource type, or within the elements of a value path.
 */
export type Lookup = (text: string) => ResolvedPath | undefined

export interface ResolveOptions {
  /** They say which departures from the grammar and the types are understood. */
  readonly rules: Rules
  /** Whether paths are those of an element's sub-attributes. */
  readonly isWithin?: boolean
  /** Whether an attribute that the type lacks is refused, or has no value (section 3.4.2.1). */
  readonly unknown?: 'refuse' | 'absent'
}

/** Every path that a filter looks at; of a value path, those of its filter too. */
export function pathsIn(filter: TypedFilter): AttributePath[] {
  if ('operands' in filter) return filter.operands.flatMap(pathsIn)
  if ('operand' in filter) return pathsIn(filter.operand)
  if (filter.kind === 'constant') return []
  return [filter.path, ...(filter.kind === 'valuePath' ? pathsIn(filter.filter) : [])]
}

const TEXTUAL: ReadonlySet<CompareOperator> = new Set(['co', 'sw', 'ew'])
const ORDERED: ReadonlySet<CompareOperator> = new Set(['gt', 'ge', 'lt', 'le'])

/**
 * Resolves a filter. RFC 7644 section 3.4.2.2, table 3.
 *
 * @throws ScimError invalidFilter for an attribute that no schema defines, a value of another type,
 *   or an operator that the attribute's type does not have; with the offset in the filter
 */
export function resolveFilter(
  filter: Filter,
  lookup: Lookup,
  options: ResolveOptions,
): TypedFilter {
  const isKnown = 'path' in filter && resolvePath(lookup, filter.path.text, options.rules)
  if (options.unknown === 'absent' && 'path' in filter && !isKnown) {
    return { kind: 'constant', value: isTrueOfAbsent(filter) }
  }
  switch (filter.kind) {
    case 'and':
    case 'or':
      return {
        kind: filter.kind,
        operands: filter.operands.map((operand) => resolveFilter(operand, lookup, options)),
      }
    case 'not':
      return { kind: 'not', operand: resolveFilter(filter.operand, lookup, options) }
    case 'present':
      return { kind: 'present', path: requirePath(filter.path, lookup, options) }
    case 'valuePath':
      return resolveValuePath(filter, lookup, options)
    case 'compare':
      return resolveComparison(filter, lookup, options)
  }
}

/** Looks a path up, with a dot in place of the colon behind its URN where that is tolerated. */
export function resolvePath(lookup: Lookup, text: string, rules: Rules): ResolvedPath | undefined {
  const found = lookup(text)
  if (found) return found
  const dotted = dottedPath(lookup, text)
  return dotted && tolerated(rules, 'dotAfterUrn') ? dotted : undefined
}

/** What a path means whose URN is followed by a dot instead of a colon. */
export function dottedPath(lookup: Lookup, text: string): ResolvedPath | undefined {
  if (!/^urn:/i.test(text)) return undefined
  for (let dot = text.indexOf('.'); dot >= 0; dot = text.indexOf('.', dot + 1)) {
    const path = lookup(`${text.slice(0, dot)}:${text.slice(dot + 1)}`)
    if (path) return path
  }
  return undefined
}

/** Whether an attribute of an extension is named without its URN. RFC 7644 section 3.10. */
export const isBare = (written: string, path: ResolvedPath): boolean =>
  path.extension !== undefined && !written.includes(':')

/** Without a value, an attribute is not equal to anything but null. */
const isTrueOfAbsent = (filter: Filter): boolean =>
  filter.kind === 'compare' &&
  (filter.operator === 'ne' || filter.operator === 'eq') &&
  (filter.operator === 'ne') !== (filter.value === null)

/**
 * Looks paths up among the sub-attributes of one complex attribute; an element of simple values has
 * its implied `value`, which is the element. RFC 7644 section 3.5.2.2.
 */
export const withinElement =
  (outer: AttributePath): Lookup =>
  (text) => {
    if (isSimpleList(outer.leaf))
      return text.toLowerCase() === 'value' ? { ...outer, sub: undefined } : undefined
    const sub = outer.attribute.subs.get(text.toLowerCase())
    return sub && { ...outer, text: `${outer.text}.${sub.name}`, sub, leaf: sub }
  }

function resolveValuePath(
  filter: Extract<Filter, { kind: 'valuePath' }>,
  lookup: Lookup,
  options: ResolveOptions,
): TypedFilter {
  const path = requirePath(filter.path, lookup, options)
  if (path.leaf.type !== 'complex' && !isSimpleList(path.leaf)) {
    throw invalid(filter.path, `is not complex, so it takes no [filter]`)
  }
  if (filter.isExtended && !tolerated(options.rules, 'extendedFilters')) {
    throw invalid(filter.path, 'takes nothing behind its [filter]; write it inside, behind "and"')
  }
  const within = { ...options, isWithin: true }
  return {
    kind: 'valuePath',
    path,
    filter: resolveFilter(filter.filter, withinElement(path), within),
  }
}

function resolveComparison(
  filter: Extract<Filter, { kind: 'compare' }>,
  lookup: Lookup,
  options: ResolveOptions,
): TypedFilter {
  const { operator, value } = filter
  const path = requirePath(filter.path, lookup, options)
  if (value === null) {
    if (operator === 'eq') return { kind: 'not', operand: { kind: 'present', path } }
    if (operator === 'ne') return { kind: 'present', path }
    throw ScimError.of(
      'invalidFilter',
      `null at offset ${filter.valueOffset} compares with eq and ne only, not with ${operator}`,
    )
  }
  const simple = simplePathOf(path, filter.path)
  const { type } = simple.leaf
  const textual = type === 'string' || type === 'reference' || type === 'dateTime'
  if (TEXTUAL.has(operator) && !textual) throw unsupported(filter, simple.leaf)
  if (ORDERED.has(operator) && (type === 'boolean' || type === 'binary'))
    throw unsupported(filter, simple.leaf)
  return {
    kind: 'compare',
    path: simple,
    operator,
    value: typedValue(filter, simple, value, options),
  }
}

/** A complex attribute in a comparison means its `value`: `emails co "x"`, `members eq "id"`. */
function simplePathOf(path: AttributePath, written: PathText): AttributePath {
  if (path.leaf.type !== 'complex') return path
  const value = path.attribute.subs.get('value')
  if (!value)
    throw invalid(written, 'is complex and has no "value" to compare; name a sub-attribute')
  return { ...path, text: `${path.text}.${value.name}`, sub: value, leaf: value }
}

function typedValue(
  filter: Extract<Filter, { kind: 'compare' }>,
  path: AttributePath,
  value: Exclude<Literal, null>,
  options: ResolveOptions,
): string | number | boolean {
  const { leaf } = path
  switch (leaf.type) {
    case 'boolean': {
      if (typeof value === 'boolean') return value
      const lower = typeof value === 'string' ? value.toLowerCase() : ''
      const isBoolean = lower === 'true' || lower === 'false'
      if (isBoolean && tolerated(options.rules, 'booleanStrings')) return lower === 'true'
      throw mismatch(filter, path, 'true or false')
    }
    case 'integer':
    case 'decimal':
      if (typeof value === 'number') return value
      throw mismatch(filter, path, 'a number')
    case 'dateTime': {
      if (typeof value === 'string' && TEXTUAL.has(filter.operator)) return value
      const instant = typeof value === 'string' ? instantOf(value) : undefined
      if (instant !== undefined) return instant
      throw mismatch(filter, path, 'a dateTime such as "2026-01-31T09:30:00Z"')
    }
    default: {
      const text = coerced(leaf, value, options.rules)
      if (typeof text !== 'string') throw mismatch(filter, path, 'a string in double quotes')
      return leaf.caseExact ? text : fold(text)
    }
  }
}

function requirePath(
  written: PathText,
  lookup: Lookup,
  { rules, isWithin }: ResolveOptions,
): AttributePath {
  const path = isWithin ? lookup(written.text) : resolvePath(lookup, written.text, rules)
  if (path?.kind !== 'attribute') throw invalid(written, 'is no attribute of this resource type')
  if (!isWithin && isBare(written.text, path) && !tolerated(rules, 'bareNames')) {
    throw invalid(written, `is of an extension, expected "${path.text}"`)
  }
  if (path.leaf.returned === 'never' || path.attribute.returned === 'never') {
    throw invalid(written, 'is never returned and so is never searched')
  }
  return path
}

const invalid = (path: PathText, why: string) =>
  ScimError.of('invalidFilter', `"${cut(path.text)}" at offset ${path.offset} ${why}`)

const unsupported = (filter: Extract<Filter, { kind: 'compare' }>, leaf: Attribute) =>
  ScimError.of(
    'invalidFilter',
    `${filter.operator} at offset ${filter.operatorOffset} does not compare ` +
      `"${cut(filter.path.text)}", which is ${leaf.type}`,
  )

const mismatch = (
  filter: Extract<Filter, { kind: 'compare' }>,
  path: AttributePath,
  expected: string,
) =>
  ScimError.of(
    'invalidFilter',
    `${cut(JSON.stringify(filter.value))} at offset ${filter.valueOffset} compares with ` +
      `"${path.text}", which is ${path.leaf.type}; expected ${expected}`,
  )

const cut = (text: string): string => (text.length > 80 ? `${text.slice(0, 77)}...` : text)
