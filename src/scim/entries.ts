/**
 * Turns a document into the entries by which it is found: one for each value of an indexed path.
 */

import { fold } from './fold.ts'
import { instantOf } from './instant.ts'
import type { JsonValue } from './json.ts'
import type { AttributePath, ResourceType } from './registry.ts'
import type { Document } from './resource.ts'
import { isJsonObject, isReference } from './value.ts'

/** A value as an index orders it: text folded unless caseExact, a dateTime as its instant. */
export type EntryKey = string | number | boolean

export interface Entry {
  readonly path: AttributePath
  readonly key: EntryKey
  /** Whether a sort by this path goes by this value: the primary one, else the first. */
  readonly sorts: boolean
}

/**
 * UTF-8 bytes of a text that an index keeps whole; of a longer one it keeps a prefix and a hash.
 */
export const KEY_BYTES_MAX = 1000

/**
 * Whether an index keeps this key whole, so that the key alone decides. U+0000 counts for two
 * bytes, as an index has to escape it.
 */
export function isWholeKey(key: EntryKey): boolean {
  if (typeof key !== 'string' || key.length * 3 <= KEY_BYTES_MAX) return true
  const bytes = new TextEncoder().encode(key)
  if (bytes.length > KEY_BYTES_MAX) return false
  return bytes.length + bytes.filter((byte) => byte === 0).length <= KEY_BYTES_MAX
}

/**
 * Whether a path may have entries. Documents hold neither their id nor links, nor what is derived
 * of resources that they refer to; nor meta, of which lastModified is indexed all the same.
 */
export function mayBeIndexed({ attribute, sub, leaf, link, reverse }: AttributePath): boolean {
  if (link || reverse || leaf.type === 'complex' || leaf.type === 'binary') return false
  if (attribute.name === 'meta') return sub?.name === 'lastModified'
  if (attribute.name === 'id') return false
  return !isReference(attribute) || (sub?.name !== '$ref' && sub?.mutability !== 'readOnly')
}

/** The entries of a document. RFC 7643 section 2.4 for the value that stands for many in a sort. */
export function entriesOf(type: ResourceType, document: Document, lastModified: number): Entry[] {
  const entries: Entry[] = []
  for (const path of type.indexed) {
    if (path.attribute.name === 'meta') {
      if (path.sub?.name === 'lastModified') entries.push({ path, key: lastModified, sorts: true })
      continue
    }
    const held = path.extension ? document[path.extension.id] : document
    const value = isJsonObject(held) ? held[path.attribute.name] : undefined
    if (value === undefined || value === null) continue
    addValues(entries, path, Array.isArray(value) ? value : [value])
  }
  return entries
}

function addValues(entries: Entry[], path: AttributePath, elements: readonly JsonValue[]): void {
  const [only] = elements
  if (elements.length === 1 && only !== undefined && !path.sub?.multiValued) {
    const [key] = keysOf(path, only)
    if (key !== undefined) entries.push({ path, key, sorts: true })
    return
  }
  const keys = new Set(elements.flatMap((element) => keysOf(path, element)))
  const isPrimary = (element: JsonValue) => isJsonObject(element) && element['primary'] === true
  const chosen = elements.find(isPrimary) ?? elements[0] ?? null
  const [sorting] = path.sub?.multiValued ? [] : keysOf(path, chosen)
  for (const key of keys) entries.push({ path, key, sorts: key === sorting })
}

/** The keys of one element; several where a sub-attribute is multi-valued itself. */
function keysOf(path: AttributePath, element: JsonValue): EntryKey[] {
  const held = path.sub === undefined ? element : subOf(path.sub.name, element)
  if (Array.isArray(held)) return held.flatMap((value) => keyOf(path, value) ?? [])
  const key = keyOf(path, held)
  return key === undefined ? [] : [key]
}

const subOf = (name: string, element: JsonValue): JsonValue | undefined =>
  isJsonObject(element) ? element[name] : undefined

/** A value as its index orders it, or undefined when the index does not hold it. */
export function keyOf({ leaf }: AttributePath, value: JsonValue | undefined): EntryKey | undefined {
  switch (leaf.type) {
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined
    case 'integer':
    case 'decimal':
      return typeof value === 'number' ? value : undefined
    case 'dateTime':
      return typeof value === 'string' ? instantOf(value) : undefined
    case 'string':
    case 'reference':
      if (typeof value !== 'string') return undefined
      return leaf.caseExact ? value : fold(value)
    default:
      return undefined
  }
}
