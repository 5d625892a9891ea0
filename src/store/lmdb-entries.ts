/** Writes what a document has gained and lost in the indexes, and keeps unique what has to be. */

import type { Entry } from '../scim/entries.ts'
import { ScimError } from '../scim/error.ts'
import type { AttributePath } from '../scim/registry.ts'
import { entryKey, handleOf, valueEnd, valueKey } from './lmdb-keys.ts'
import type { TenantFile, TypeFile } from './lmdb-tenant.ts'

export interface EntryDiff {
  readonly added: readonly Entry[]
  readonly removed: readonly Entry[]
}

export function entryDiff(before: readonly Entry[], after: readonly Entry[]): EntryDiff {
  if (before.length === 0 || after.length === 0) return { added: after, removed: before }
  // By text, as there may be tens of thousands of each.
  const nameOf = ({ path, key, sorts }: Entry) => `${path.text} ${sorts} ${String(key)}`
  const old = new Set(before.map(nameOf))
  const next = new Set(after.map(nameOf))
  return {
    added: after.filter((entry) => !old.has(nameOf(entry))),
    removed: before.filter((entry) => !next.has(nameOf(entry))),
  }
}

/**
 * RFC 7643 section 7: uniqueness "server", and what the tenant keeps unique beside it.
 *
 * @param claimed values that other changes of the same commit claim, with their handles
 * @throws ScimError 409 uniqueness
 */
export function requireUnique(
  file: TenantFile,
  type: TypeFile,
  handle: number,
  added: readonly Entry[],
  claimed: Map<string, number>,
): void {
  for (const { path, key } of added) {
    const asked =
      path.leaf.uniqueness === 'server' ||
      (file.rules.uniqueNames && type.type.unique.includes(path))
    if (!asked) continue
    const name = `${type.number}/${path.text}/${String(key)}`
    const staged = claimed.get(name)
    const other =
      staged !== undefined && staged !== handle ? staged : holderOf(type, path, key, handle)
    if (other !== undefined) {
      throw ScimError.of(
        'uniqueness',
        `${path.text}: another ${type.type.name} has this value already`,
      )
    }
    claimed.set(name, handle)
  }
}

/** A resource other than this one that has the value. */
function holderOf(
  type: TypeFile,
  path: AttributePath,
  key: Entry['key'],
  handle: number,
): number | undefined {
  const range = { start: valueKey(key), end: valueEnd(key), limit: 2 }
  for (const found of type.indexOf.get(path.text)?.entries.getKeys(range) ?? []) {
    if (handleOf(found) !== handle) return handleOf(found)
  }
  return undefined
}

const SORTS = Buffer.from([1])
const PLAIN = Buffer.alloc(0)

export function writeEntries(type: TypeFile, handle: number, { added, removed }: EntryDiff): void {
  for (const { path, key } of removed) {
    type.indexOf.get(path.text)?.entries.remove(entryKey(valueKey(key), handle))
  }
  for (const { path, key, sorts } of added) {
    const index = type.indexOf.get(path.text)
    index?.entries.put(entryKey(valueKey(key), handle), sorts ? SORTS : PLAIN)
  }
}

/** Moves the entry of a resource that got a new version and nothing else. */
export function moveLastModified(type: TypeFile, handle: number, from: number, to: number): void {
  const index = type.indexOf.get('meta.lastModified')
  if (!index || from === to) return
  index.entries.remove(entryKey(valueKey(from), handle))
  index.entries.put(entryKey(valueKey(to), handle), SORTS)
}
