/** Puts candidates into the order of a sort: by walking an index, else by sorting in memory. */

import { documentOf } from '../scim/document.ts'
import type { EntryKey } from '../scim/entries.ts'
import { ScimError } from '../scim/error.ts'
import { SORT_COUNT_MAX } from '../scim/limits.ts'
import { compareKeys } from '../scim/order.ts'
import { type Sort, sortKeyOf } from '../scim/sort.ts'
import { handleOf, KEY_END } from './lmdb-keys.ts'
import type { IndexFile, TypeFile } from './lmdb-tenant.ts'
import type { Pause } from './slices.ts'
import type { Stored } from './store.ts'

/** Keys that are read in one go. */
const BATCH_COUNT = 1000

const NOTHING = new Uint8Array(0)

export const sortIndexOf = (type: TypeFile, { path }: Sort): IndexFile | undefined =>
  type.indexes.find((index) => index.path.text === path.text)

/**
 * All resources of a type in the order of an index. Those that have no value come last, in a
 * descending order first (RFC 7644 section 3.4.2.3), in the order of their creation.
 */
export async function* walk(
  type: TypeFile,
  index: IndexFile,
  isDescending: boolean,
  pause: Pause,
  all: () => AsyncIterable<readonly number[]>,
): AsyncGenerator<readonly number[]> {
  const seen = new Set<number>()
  if (isDescending) {
    if (mayLackValues(type, index)) {
      for await (const batch of valuedUp(index, LOWEST, KEY_END, pause))
        for (const handle of batch) seen.add(handle)
      yield* without(seen, all())
    }
    yield* valuedDown(index, pause)
    return
  }
  for await (const batch of valuedUp(index, LOWEST, KEY_END, pause)) {
    for (const handle of batch) seen.add(handle)
    yield batch
  }
  if (mayLackValues(type, index)) yield* without(seen, all())
}

/** With one entry for each resource, none lacks a value. Many-valued indexes do not tell. */
function mayLackValues({ records }: TypeFile, { path, entries }: IndexFile): boolean {
  if (path.attribute.multiValued) return true
  return entryCountOf(records) !== entryCountOf(entries)
}

/** How many keys a database has, without counting them. */
export const entryCountOf = (database: { getStats(): object }): number =>
  (database.getStats() as { entryCount: number }).entryCount

async function* without(
  seen: ReadonlySet<number>,
  batches: AsyncIterable<readonly number[]>,
): AsyncGenerator<readonly number[]> {
  for await (const batch of batches) yield batch.filter((handle) => !seen.has(handle))
}

/** Entries with a mark for those that a sort goes by: of many values, one. */
const sortingHandles = (batch: readonly { key: Buffer; value: Uint8Array }[]): number[] =>
  batch.filter(({ value }) => value.length > 0).map(({ key }) => handleOf(key))

/** Handles in the order of their entries between two keys. */
async function* valuedUp(
  { entries }: IndexFile,
  from: Buffer,
  end: Buffer,
  pause: Pause,
): AsyncGenerator<readonly number[]> {
  let start = from
  for (;;) {
    const range = { start, end, exclusiveStart: true, limit: BATCH_COUNT }
    const batch = [...entries.getRange(range)]
    yield sortingHandles(batch)
    const last = batch.at(-1)
    if (!last || batch.length < BATCH_COUNT) return
    start = last.key
    await pause()
  }
}

/** Handles from the highest value down; those of one value in the order of their creation. */
async function* valuedDown(index: IndexFile, pause: Pause): AsyncGenerator<readonly number[]> {
  let start: Buffer = KEY_END
  for (;;) {
    const range = { start, end: LOWEST, exclusiveStart: true, reverse: true, limit: BATCH_COUNT }
    const batch = [...index.entries.getRange(range)].reverse()
    const [lowest] = batch
    if (!lowest) return
    // Of the lowest value there may be more than this batch holds.
    const value = valuePartOf(lowest.key)
    const above = batch.findIndex(({ key }) => !valuePartOf(key).equals(value))
    if (above > 0) yield sortingHandles(runsDown(batch.slice(above)))
    yield* valuedUp(index, value, Buffer.concat([value, Buffer.from([0xff])]), pause)
    start = value
    await pause()
  }
}

const LOWEST = Buffer.from([0])

const valuePartOf = (key: Buffer): Buffer => key.subarray(0, key.length - 4)

/** Turns entries in ascending order around, but for those of one value. */
function runsDown<T extends { key: Buffer }>(batch: readonly T[]): T[] {
  const runs: T[][] = []
  for (const entry of batch) {
    const run = runs.at(-1)
    const [first] = run ?? []
    if (run && first && valuePartOf(first.key).equals(valuePartOf(entry.key))) run.push(entry)
    else runs.push([entry])
  }
  return runs.reverse().flat()
}

/** Collects matches with their keys, and gives their handles out in order. */
export function sorter(sort: Sort) {
  const found: { readonly key: EntryKey | undefined; readonly handle: number }[] = []
  return {
    add(stored: Stored): void {
      if (found.length >= SORT_COUNT_MAX) {
        const detail = `sortBy: more than ${SORT_COUNT_MAX} resources match, and "${sort.path.text}"`
        throw ScimError.of('tooMany', `${detail} has no index; narrow the filter`)
      }
      const document = documentOf(stored.text, NOTHING)
      const key = sortKeyOf(sort, { ...document, id: stored.id, meta: metaIn(stored) })
      found.push({ key, handle: stored.handle })
    },
    /** Ties are in the order of creation, whichever way the sort goes. */
    handles(): number[] {
      const sign = sort.isDescending ? -1 : 1
      found.sort((a, b) => sign * compareOptional(a.key, b.key) || a.handle - b.handle)
      return found.map(({ handle }) => handle)
    },
  }
}

function compareOptional(a: EntryKey | undefined, b: EntryKey | undefined): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined)
  return compareKeys(a, b)
}

/** What there is of meta to sort by. The location follows the id, and so does the order by it. */
const metaIn = (stored: Stored): { [name: string]: string } => ({
  resourceType: stored.type.name,
  created: new Date(stored.created).toISOString(),
  lastModified: new Date(stored.lastModified).toISOString(),
  location: stored.id,
  version: String(stored.version),
})
