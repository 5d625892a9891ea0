/** Carries a plan out: from ranges of entries to handles, to the matches and the page asked for. */

import type { Plan, Range } from '../scim/filter/plan.ts'
import { PAGE_BYTES_MAX, SORT_COUNT_MAX } from '../scim/limits.ts'
import { comparePositions, type Position, type Sort } from '../scim/sort.ts'
import {
  entryKey,
  HANDLE_MAX,
  handleOf,
  KEY_END,
  notAbove,
  notBelow,
  prefixRange,
  valueEnd,
  valueKey,
} from './lmdb-keys.ts'
import { memberIn, memberRange } from './lmdb-links.ts'
import { directOwners, ownersBelow } from './lmdb-owners.ts'
import { decodeRecord } from './lmdb-record.ts'
import { allHandles, entryCountOf, sorter, sortIndexOf, type Walk, walk } from './lmdb-sort.ts'
import { linkFileOf, placeOf, type TenantFile, type TypeFile, typeFileOf } from './lmdb-tenant.ts'
import { type Pause, slicer, sortInSlices } from './slices.ts'
import type { Found, Query, Stored } from './store.ts'

/** Entries that are counted to find out which of several ranges is the narrowest. */
const ESTIMATE_COUNT_MAX = 1000
/** Keys that are read in one go. */
const BATCH_COUNT = 1000
/** Keys that are passed over in one go, without being read. */
const SKIP_COUNT = 10_000

/** Finds what a query asks for. Without a sort, matches come in the order of their creation. */
export async function search(file: TenantFile, query: Query): Promise<Found> {
  const type = typeFileOf(file, query.type)
  const plan = narrowest(file, type, query.plan)
  const pause = slicer(query.signal)
  if (query.sort) return sorted(file, type, plan, query.sort, query, pause)
  if (plan.kind === 'all' && !query.matches) return pageOfAll(type, query, pause)
  if (plan.kind === 'range' && !query.matches && isOneValue(plan))
    return pageOfValue(type, plan, query, pause)
  const handle = query.after?.position.handle
  if (plan.kind === 'all') return filtered(type, unsorted(allHandles(type, pause, handle)), query)
  const handles = await gather(file, type, plan, pause)
  const rest = handle === undefined ? handles : handles.filter((each) => each > handle)
  const places = unsorted(batches(rest))
  return query.matches
    ? filtered(type, places, query)
    : pageOf(type, places, query, handles.length, pause)
}

/**
 * The matches in the order of a sort: along an index of it where all are candidates, or more than
 * are sorted in memory.
 */
async function sorted(
  file: TenantFile,
  type: TypeFile,
  plan: Plan,
  sort: Sort,
  query: Query,
  pause: Pause,
): Promise<Found> {
  const { after, matches } = query
  const index = sortIndexOf(type, sort)
  const handles = plan.kind === 'all' ? undefined : await gather(file, type, plan, pause)
  if (index && (!handles || handles.length > SORT_COUNT_MAX)) {
    const whole = walk(type, index, sort, pause, after?.position)
    const among = handles ? within(new Set(handles), whole) : whole
    if (matches) return filtered(type, among, query)
    const total = handles?.length ?? entryCountOf(type.records)
    return pageOf(type, among, query, total, pause)
  }
  const order = sorter(sort)
  const candidates = unsorted(handles ? batches(handles) : allHandles(type, pause))
  for await (const { stored } of matching(type, candidates, query)) order.add(stored)
  const ordered = await order.positions(pause)
  const rest = after
    ? ordered.filter((position) => comparePositions(sort, position, after.position) > 0)
    : ordered
  return pageOf(type, [rest], query, ordered.length, pause)
}

async function* within(handles: ReadonlySet<number>, whole: Walk): Walk {
  for await (const batch of whole) yield batch.filter(({ handle }) => handles.has(handle))
}

/** Replaces each choice between plans by the one with the fewest candidates. */
function narrowest(file: TenantFile, type: TypeFile, plan: Plan): Plan {
  if (plan.kind === 'union') {
    return { kind: 'union', plans: plan.plans.map((part) => narrowest(file, type, part)) }
  }
  if (plan.kind !== 'anyOf') return plan
  const options = plan.plans.map((option) => narrowest(file, type, option))
  const estimates = options.map((option) => estimate(file, type, option))
  return options[estimates.indexOf(Math.min(...estimates))] ?? { kind: 'all' }
}

/** How many candidates a plan has, counted as far as ESTIMATE_COUNT_MAX. */
function estimate(file: TenantFile, type: TypeFile, plan: Plan): number {
  switch (plan.kind) {
    case 'all':
      return Number.POSITIVE_INFINITY
    case 'id':
      return 1
    case 'range': {
      const index = indexOf(type, plan)
      const range = { ...boundsOf(plan), limit: ESTIMATE_COUNT_MAX }
      return index ? count(index.entries.getKeys(range)) : Number.POSITIVE_INFINITY
    }
    case 'ownersOf': {
      const place = placeOf(file, plan.id)
      if (!place) return 0
      const member = { type: place.file.number, handle: place.handle }
      return directOwners(type, linkFileOf(file, plan.link), member, ESTIMATE_COUNT_MAX).length
    }
    case 'membersOf': {
      const place = placeOf(file, plan.id)
      const record = place?.file.records.getBinary(place.handle)
      if (!place || !record) return 0
      const range = memberRange(
        place.handle,
        decodeRecord(record, place.file.type, place.handle).generation,
      )
      return count(
        linkFileOf(file, plan.link).forward.getKeys({ ...range, limit: ESTIMATE_COUNT_MAX }),
      )
    }
    case 'union':
      return plan.plans.reduce((sum, part) => sum + estimate(file, type, part), 0)
    case 'anyOf':
      return Math.min(...plan.plans.map((part) => estimate(file, type, part)))
  }
}

function count(keys: Iterable<unknown>): number {
  let total = 0
  for (const _key of keys) total++
  return total
}

const indexOf = (type: TypeFile, { path }: Range) =>
  type.indexes.find((index) => index.path.text === path.text)

const isOneValue = ({ from, to }: Range): boolean =>
  from !== undefined && to !== undefined && from.inclusive && to.inclusive && from.key === to.key

/** The byte range of a plan's range. */
function boundsOf(range: Range): { start: Buffer; end: Buffer } {
  const { from, to, prefix } = range
  if (prefix !== undefined) return prefixRange(prefix)
  if (from && isOneValue(range)) return { start: valueKey(from.key), end: valueEnd(from.key) }
  const beginning = Buffer.from([0])
  return {
    start: !from ? beginning : from.inclusive ? notBelow(from.key) : valueEnd(from.key),
    end: !to ? KEY_END : to.inclusive ? notAbove(to.key) : valueKey(to.key),
  }
}

/** Collects the part of the matches that a query asks for. */
function pageFor({ count, placesOnly = false }: Query) {
  const page: Stored[] = []
  const positions: Position[] = []
  let bytes = 0
  const isCut = () => bytes >= PAGE_BYTES_MAX && positions.length < count
  return {
    isFull: () => positions.length >= count || isCut(),
    add(position: Position, stored: Stored): void {
      positions.push(position)
      if (placesOnly) return
      page.push(stored)
      bytes += stored.text.length + stored.hidden.length
    },
    found: (total: number): Found => ({ total, page, positions, isCut: isCut() }),
  }
}

async function pageOfAll(type: TypeFile, query: Query, pause: Pause): Promise<Found> {
  const { skip, after, count } = query
  const { records } = type
  const total = entryCountOf(records)
  const page = pageFor(query)
  if (count === 0 || skip >= total) return page.found(total)
  const end = HANDLE_MAX
  const first = after ? after.position.handle + 1 : 0
  let start = await keyAt<number>(records, { start: first, end }, skip, pause)
  // A query over all types may look behind many pages of one type.
  while (start !== undefined && !page.isFull()) {
    const from: number = start
    start = undefined
    for (const { key, value } of records.getRange({ start: from, end, limit: BATCH_COUNT })) {
      const stored = decodeRecord(Buffer.from(value), type.type, key)
      page.add(inOrderOfCreation(stored), stored)
      start = key + 1
      if (page.isFull()) break
    }
    await pause()
  }
  return page.found(total)
}

const inOrderOfCreation = ({ handle }: { handle: number }): Position => ({ key: undefined, handle })

/** All entries of one value: the index itself counts them, and holds them in the right order. */
async function pageOfValue(
  type: TypeFile,
  plan: Range,
  query: Query,
  pause: Pause,
): Promise<Found> {
  const { skip, after, count } = query
  const index = indexOf(type, plan)
  if (!index) throw new Error(`a plan names ${plan.path.text}, which has no index`)
  const { entries } = index
  const bounds = boundsOf(plan)
  const from = after ? entryKey(bounds.start, after.position.handle + 1) : bounds.start
  const isBeyond = count === 0 || skip > HANDLE_MAX
  const start = isBeyond ? undefined : await keyAt(entries, { ...bounds, start: from }, skip, pause)
  const range = start && { ...bounds, start, limit: count }
  const keys = range ? [...entries.getKeys(range)].map(handleOf) : []
  const isWhole = skip === 0 && !after && keys.length < count
  const total = isWhole ? keys.length : await keyCountOf(entries, bounds, pause)
  return pageOf(type, unsorted([keys]), { ...query, skip: 0 }, total, pause)
}

/** A database, or an index, whose keys are walked along. */
interface Keyed<K> {
  getKeys(range: { start: K; end: K; offset: number; limit: number }): Iterable<K>
}

/** The key that so many others of a range stand before; undefined when there is none. */
async function keyAt<K>(
  keyed: Keyed<K>,
  { start, end }: { start: K; end: K },
  skip: number,
  pause: Pause,
): Promise<K | undefined> {
  let at: K | undefined = start
  for (let left = skip; at !== undefined; left -= SKIP_COUNT) {
    const offset = Math.min(left, SKIP_COUNT)
    const [key]: K[] = [...keyed.getKeys({ start: at, end, offset, limit: 1 })]
    if (left <= SKIP_COUNT) return key
    at = key
    await pause()
  }
  return undefined
}

async function keyCountOf<K>(
  keyed: Keyed<K> & { getKeysCount(range: { start: K; end: K }): number },
  { start, end }: { start: K; end: K },
  pause: Pause,
): Promise<number> {
  let counted = 0
  for (let from = start; ; counted += SKIP_COUNT) {
    const next = await keyAt(keyed, { start: from, end }, SKIP_COUNT, pause)
    if (next === undefined) return counted + keyed.getKeysCount({ start: from, end })
    from = next
    await pause()
  }
}

/** What stands at a handle. */
export function recordOf(type: TypeFile, handle: number): Stored | undefined {
  const bytes = type.records.getBinary(handle)
  return bytes && decodeRecord(bytes, type.type, handle)
}

async function* unsorted(
  handles: AsyncIterable<readonly number[]> | Iterable<readonly number[]>,
): AsyncGenerator<readonly Position[]> {
  for await (const batch of handles) yield batch.map((handle) => ({ key: undefined, handle }))
}

/** The handles of a plan's candidates, each once, in the order of creation. */
async function gather(
  file: TenantFile,
  type: TypeFile,
  plan: Plan,
  pause: Pause,
): Promise<readonly number[]> {
  const handles = new Set<number>()
  await collect(file, type, plan, handles, pause)
  return sortInSlices([...handles], (a, b) => a - b, pause)
}

function* batches(handles: readonly number[]): Generator<readonly number[]> {
  for (let at = 0; at < handles.length; at += BATCH_COUNT) yield handles.slice(at, at + BATCH_COUNT)
}

async function collect(
  file: TenantFile,
  type: TypeFile,
  plan: Plan,
  handles: Set<number>,
  pause: Pause,
): Promise<void> {
  switch (plan.kind) {
    case 'all':
      for await (const batch of allHandles(type, pause))
        for (const handle of batch) handles.add(handle)
      return
    case 'id': {
      const place = placeOf(file, plan.id)
      if (place?.file === type && type.records.doesExist(place.handle)) handles.add(place.handle)
      return
    }
    case 'range': {
      const index = indexOf(type, plan)
      if (!index) throw new Error(`a plan names ${plan.path.text}, which has no index`)
      await keysInSlices(index.entries, boundsOf(plan), pause, (key) => {
        handles.add(handleOf(key))
      })
      return
    }
    case 'ownersOf': {
      const place = placeOf(file, plan.id)
      if (!place?.file.records.doesExist(place.handle)) return
      const member = { type: place.file.number, handle: place.handle }
      const owners = directOwners(type, linkFileOf(file, plan.link), member)
      for (const owner of owners) handles.add(owner)
      return
    }
    case 'membersOf': {
      const place = placeOf(file, plan.id)
      if (!place || place.file.type.name !== plan.link.owner) return
      const { forward } = linkFileOf(file, plan.link)
      for (const [owner, generation] of ownersBelow(file, plan.link, place)) {
        const range = memberRange(owner, generation, type.number)
        await keysInSlices(forward, range, pause, (key) => {
          const member = memberIn(key)
          if (type.records.doesExist(member.handle)) handles.add(member.handle)
        })
      }
      return
    }
    case 'union':
    case 'anyOf':
      for (const part of plan.plans) await collect(file, type, part, handles, pause)
  }
}

async function keysInSlices(
  database: TypeFile['indexes'][number]['entries'],
  range: { start: Buffer; end: Buffer },
  pause: Pause,
  each: (key: Buffer) => void,
): Promise<void> {
  let { start } = range
  for (;;) {
    const keys = [...database.getKeys({ start, end: range.end, limit: BATCH_COUNT })]
    for (const key of keys) each(key)
    const last = keys.at(-1)
    if (!last || keys.length < BATCH_COUNT) return
    start = Buffer.concat([last, Buffer.from([0])])
    await pause()
  }
}

/** The page asked for out of a walk of matches alone: only the page's records are read. */
async function pageOf(
  type: TypeFile,
  places: Walk | Iterable<readonly Position[]>,
  query: Query,
  total: number,
  pause: Pause,
): Promise<Found> {
  const { skip, count } = query
  const page = pageFor(query)
  let passed = 0
  if (count === 0) return page.found(total)
  for await (const batch of places) {
    const from = Math.min(Math.max(skip - passed, 0), batch.length)
    for (let at = from; at < batch.length && !page.isFull(); at++) {
      const position = batch[at] as Position
      const stored = recordOf(type, position.handle)
      if (stored) page.add(position, stored)
      await pause()
    }
    passed += batch.length
    if (page.isFull()) break
  }
  return page.found(total)
}

/** The page of a walk of candidates; all matches are counted unless an earlier page has done it. */
async function filtered(type: TypeFile, places: Walk, query: Query): Promise<Found> {
  const { skip, after } = query
  const page = pageFor(query)
  let total = 0
  for await (const { stored, position } of matching(type, places, query)) {
    if (total++ < skip || page.isFull()) continue
    page.add(position, stored)
    if (after && page.isFull()) break
  }
  return page.found(after?.total ?? total)
}

/** The candidates that match, in slices. */
async function* matching(
  type: TypeFile,
  places: Walk,
  { matches, signal }: Query,
): AsyncGenerator<{ stored: Stored; position: Position }> {
  const pause = slicer(signal)
  for await (const batch of places) {
    for (const position of batch) {
      const stored = recordOf(type, position.handle)
      if (!stored) continue
      const answer = matches ? matches(stored) : true
      if (typeof answer === 'object' ? await answer : answer) yield { stored, position }
      await pause()
    }
  }
}
