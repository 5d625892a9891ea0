/** Puts candidates into the order of a sort: by walking an index, else by sorting in memory. */

import { documentOf } from '../scim/document.ts'
import { ScimError } from '../scim/error.ts'
import { SORT_COUNT_MAX } from '../scim/limits.ts'
import { comparePositions, type Position, type Sort, sortKeyOf } from '../scim/sort.ts'
import { HandleSet } from './handles.ts'
import { entryKey, HANDLE_MAX, handleOf, KEY_END, LOWEST, valueKey } from './lmdb-keys.ts'
import type { IndexFile, TypeFile } from './lmdb-tenant.ts'
import { type Pause, sortInSlices } from './slices.ts'
import type { Stored } from './store.ts'

/** Keys that are read in one go; at first fewer, as most walks end with a page. */
const BATCH_COUNT = 1000
const FIRST_BATCH_COUNT = 128

/** Positions in batches, in the order of a sort. */
export type Walk = AsyncIterable<readonly Position[]>

export const sortIndexOf = (type: TypeFile, { path }: Sort): IndexFile | undefined =>
  type.indexOf.get(path.text)

/**
 * All resources of a type in the order of an index, or those after a position. Those that have no
 * value come last, in a descending order first (RFC 7644 section 3.4.2.3), in the order of their
 * creation; so do those of one value.
 */
export async function* walk(
  type: TypeFile,
  index: IndexFile,
  { isDescending }: Sort,
  pause: Pause,
  after: Position | undefined,
): AsyncGenerator<readonly Position[]> {
  const isAmongValues = after?.key !== undefined
  if (isDescending) {
    if (!isAmongValues) yield* lacking(type, index, pause, after)
    yield* valuedDown(index, pause, isAmongValues ? after : undefined)
  } else {
    if (!after || isAmongValues) yield* valuedUp(index, after && entryOf(after), KEY_END, pause)
    yield* lacking(type, index, pause, isAmongValues ? undefined : after)
  }
}

/** The resources that an index has no entry for, found without entries for absence. */
async function* lacking(
  type: TypeFile,
  index: IndexFile,
  pause: Pause,
  after: Position | undefined,
): AsyncGenerator<readonly Position[]> {
  if (!mayLackValues(type, index)) return
  const valued = new HandleSet()
  for await (const batch of valuedUp(index, undefined, KEY_END, pause))
    for (const { handle } of batch) valued.add(handle)
  for await (const handles of allHandles(type, pause, after?.handle)) {
    const absent = handles.filter((handle) => !valued.has(handle))
    yield absent.map((handle) => ({ key: undefined, handle }))
  }
}

/**
 * With one entry for each resource, none lacks a value. Indexes of many values do not tell, neither
 * do those of a sub-attribute of many values, by none of which a resource is sorted.
 */
export function mayLackValues({ records }: TypeFile, { path, entries }: IndexFile): boolean {
  if (path.attribute.multiValued || path.leaf.multiValued) return true
  return entryCountOf(records) !== entryCountOf(entries)
}

/** How many keys a database has, without counting them. */
export const entryCountOf = (database: { getStats(): object }): number =>
  (database.getStats() as { entryCount: number }).entryCount

/** Handles in the order of creation, from the beginning or after one of them. */
export async function* allHandles(
  type: TypeFile,
  pause: Pause,
  after = -1,
): AsyncGenerator<readonly number[]> {
  let start = after + 1
  for (;;) {
    const handles = [...type.records.getKeys({ start, end: HANDLE_MAX, limit: BATCH_COUNT })]
    const last = handles.at(-1)
    if (last === undefined) return
    yield handles
    start = last + 1
    await pause()
  }
}

/** The entry of a position that has a value: the bytes of the value stand in it as Latin-1. */
const entryOf = ({ key = '', handle }: Position): Buffer =>
  entryKey(Buffer.from(key, 'latin1'), handle)

const valuePartOf = (entry: Buffer): Buffer => entry.subarray(0, entry.length - 4)

/** Entries with a mark are those that a sort goes by: of many values, one. */
const sorting = (batch: readonly { key: Buffer; value: Uint8Array }[]): Position[] =>
  batch
    .filter(({ value }) => value.length > 0)
    .map(({ key }) => ({ key: valuePartOf(key).toString('latin1'), handle: handleOf(key) }))

/** What has a value, in the order of the entries after one of them and before another. */
async function* valuedUp(
  { entries }: IndexFile,
  after: Buffer = LOWEST,
  end: Buffer,
  pause: Pause,
): AsyncGenerator<readonly Position[]> {
  let start = after
  for (let limit = FIRST_BATCH_COUNT; ; limit = BATCH_COUNT) {
    const range = { start, end, exclusiveStart: true, limit }
    const batch = [...entries.getRange(range)]
    yield sorting(batch)
    const last = batch.at(-1)
    if (!last || batch.length < limit) return
    start = last.key
    await pause()
  }
}

/** From the highest value down, or from a position; of one value in the order of creation. */
async function* valuedDown(
  index: IndexFile,
  pause: Pause,
  after: Position | undefined,
): AsyncGenerator<readonly Position[]> {
  let start: Buffer = KEY_END
  if (after) {
    const entry = entryOf(after)
    start = valuePartOf(entry)
    yield* valuedUp(index, entry, endOf(start), pause)
  }
  for (let limit = FIRST_BATCH_COUNT; ; limit = BATCH_COUNT) {
    const range = { start, end: LOWEST, exclusiveStart: true, reverse: true, limit }
    const batch = [...index.entries.getRange(range)].reverse()
    const [lowest] = batch
    if (!lowest) return
    // Of the lowest value there may be more than this batch holds.
    const value = valuePartOf(lowest.key)
    const above = batch.findIndex(({ key }) => !valuePartOf(key).equals(value))
    if (above > 0) yield sorting(runsDown(batch.slice(above)))
    yield* valuedUp(index, value, endOf(value), pause)
    start = value
    await pause()
  }
}

const endOf = (value: Buffer): Buffer => Buffer.concat([value, Buffer.from([0xff])])

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

/** Collects matches, and gives their positions out in order. */
export function sorter(sort: Sort) {
  const found: Position[] = []
  return {
    /** @throws ScimError tooMany past SORT_COUNT_MAX */
    add(stored: Stored): void {
      if (found.length >= SORT_COUNT_MAX) {
        const detail = `sortBy: more than ${SORT_COUNT_MAX} resources match, and "${sort.path.text}"`
        throw ScimError.of('tooMany', `${detail} has no index; narrow the filter`)
      }
      found.push(positionOf(sort, stored))
    },
    positions: (pause: Pause): Promise<Position[]> =>
      sortInSlices(found, (a, b) => comparePositions(sort, a, b), pause),
  }
}

function positionOf(sort: Sort, stored: Stored): Position {
  const document = documentOf(stored.text)
  const key = sortKeyOf(sort, { ...document, id: stored.id, meta: metaIn(stored) })
  return {
    key: key === undefined ? undefined : valueKey(key).toString('latin1'),
    handle: stored.handle,
  }
}

/** What there is of meta to sort by. The location follows the id, and so does the order by it. */
const metaIn = (stored: Stored): { [name: string]: string } => ({
  resourceType: stored.type.name,
  created: new Date(stored.created).toISOString(),
  lastModified: new Date(stored.lastModified).toISOString(),
  location: stored.id,
  version: String(stored.version),
})
