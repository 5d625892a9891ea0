/**
 * Turns sortBy and sortOrder into the value by which a resource is ordered. RFC 7644 section
 * 3.4.2.3.
 */

import { type EntryKey, keyOf } from './entries.ts'
import { ScimError } from './error.ts'
import type { JsonValue } from './json.ts'
import { PROJECTION_LENGTH_MAX } from './limits.ts'
import type { AttributePath, ResourceType } from './registry.ts'
import { isJsonObject, type JsonObject } from './value.ts'

export interface Sort {
  /** Always that of a simple attribute. */
  readonly path: AttributePath
  readonly isDescending: boolean
}

/**
 * Where a resource stands in an order. What does not change stays before or after it, whatever
 * else changes.
 */
export interface Position {
  /**
   * The value that a sort goes by, as Latin-1 text whose order is that of the values; undefined
   * where there is none, or no sort.
   */
  readonly key: string | undefined
  /** The order of creation, which decides between equal values, whichever way the sort goes. */
  readonly handle: number
}

/** Compares as section 3.4.2.3 says: without a value last, in a descending order first. */
export function comparePositions({ isDescending }: Sort, a: Position, b: Position): number {
  if (a.key === b.key) return a.handle - b.handle
  const isLess = a.key !== undefined && (b.key === undefined || a.key < b.key)
  return isLess === isDescending ? 1 : -1
}

/**
 * Reads the two parameters; without sortBy the order is that of creation.
 *
 * @throws ScimError invalidValue for an attribute that nothing can be sorted by, or an unknown
 *   order
 */
export function readSort(
  type: ResourceType,
  sortBy: string | undefined,
  sortOrder: string | undefined,
): Sort | undefined {
  const order = sortOrder?.toLowerCase() ?? 'ascending'
  if (order !== 'ascending' && order !== 'descending') {
    throw ScimError.of(
      'invalidValue',
      `sortOrder: found "${sortOrder}", expected ascending or descending`,
    )
  }
  if (sortBy === undefined || sortBy === '') return undefined
  return { path: requireSortable(type, sortBy), isDescending: order === 'descending' }
}

/** A complex attribute of many values is sorted by its `value`. */
function requireSortable(type: ResourceType, sortBy: string): AttributePath {
  const path = sortBy.length > PROJECTION_LENGTH_MAX ? undefined : type.resolve(sortBy)
  const refused = (why: string) =>
    ScimError.of('invalidValue', `sortBy: "${sortBy.slice(0, 80)}" ${why}`)
  if (path?.kind !== 'attribute') throw refused(`is no attribute of ${type.name}`)
  if (path.link || path.reverse) throw refused('is a list of other resources, which has no order')
  const value = path.attribute.multiValued ? path.attribute.subs.get('value') : undefined
  const leaf = path.leaf.type === 'complex' ? value : path.leaf
  if (!leaf) throw refused('is complex; name one of its sub-attributes')
  if (leaf.returned === 'never' || path.attribute.returned === 'never') {
    throw refused('is never returned and so is never sorted by')
  }
  if (leaf.type === 'binary') throw refused('is binary, which has no order')
  if (leaf === path.leaf) return path
  return { ...path, text: `${path.text}.${leaf.name}`, sub: leaf, leaf }
}

/**
 * The key of a resource under a sort: of many values the primary one's, else the first one's; the
 * resource holds id and meta.
 */
export function sortKeyOf({ path }: Sort, resource: JsonObject): EntryKey | undefined {
  const held = path.extension ? resource[path.extension.id] : resource
  const value = isJsonObject(held) ? held[path.attribute.name] : undefined
  const one = Array.isArray(value) ? (value.find(isPrimary) ?? value[0]) : value
  return keyOf(
    path,
    path.sub && isJsonObject(one) ? one[path.sub.name] : path.sub ? undefined : one,
  )
}

const isPrimary = (element: JsonValue): boolean =>
  isJsonObject(element) && element['primary'] === true
