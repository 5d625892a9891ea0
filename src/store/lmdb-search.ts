/** Carries a plan out: from ranges of entries to handles, to the matches and the page asked for. */

import type { Plan, Range } from '../scim/filter/plan.ts'
import type { Sort } from '../scim/sort.ts'
import {
  HANDLE_MAX,
  handleOf,
  KEY_END,
  notAbove,
  notBelow,
  prefixRange,
  valueEnd,
  valueKey,
} from './lmdb-keys.ts'
import { directOwners, memberIn, memberRange, ownersBelow } from './lmdb-links.ts'
import { decodeRecord } from './lmdb-record.ts'
import { entryCountOf, sorter, sortIndexOf, walk } from './lmdb-sort.ts'
import { linkFileOf, placeOf, type TenantFile, type TypeFile, typeFileOf } from './lmdb-tenant.ts'
import { type Pause, slicer } from './slices.ts'
import type { Found, Query, Stored } from './store.ts'

/** Entries that are counted to find out which of several ranges is the narrowest. */
const ESTIMATE_COUNT_MAX = 1000
/** Keys that are read in one go. */
const BATCH_COUNT = 1000

/** Finds what a query asks for. Matches come in the order of their creation. */
export async function search(file: TenantFile, query: Query): Promise<Found> {
  const type = typeFileOf(file, query.type)
  const plan = narrowest(file, type, query.plan)
  const pause = slicer(query.signal)
  if (query.sort) return sorted(file, type, plan, query.sort, query, pause)
  if (plan.kind === 'all' && !query.matches) return pageOfAll(type, query)
  if (plan.kind === 'range' && !query.matches && isOneValue(plan))
    return pageOfValue(type, plan, query)
  const handles =
    plan.kind === 'all' ? allHandles(type, pause) : await gather(file, type, plan, pause)
  return query.matches ? filtered(type, handles, query) : unfiltered(type, handles, query)
}

/** The matches in the order of a sort: along an index of it where all are candidates. */
async function sorted(
  file: TenantFile,
  type: TypeFile,
  plan: Plan,
  sort: Sort,
  query: Query,
  pause: Pause,
): Promise<Found> {
  const index = plan.kind === 'all' ? sortIndexOf(type, sort) : undefined
  if (index) {
    const handles = walk(type, index, sort.isDescending, pause, () => allHandles(type, pause))
    if (query.matches) return filtered(type, handles, query)
    return unfiltered(type, handles, query, entryCountOf(type.records))
  }
  const handles =
    plan.kind === 'all' ? allHandles(type, pause) : await gather(file, type, plan, pause)
  const matches = sorter(sort)
  for await (const stored of matching(type, handles, query)) matches.add(stored)
  const ordered = matches.handles()
  return {
    total: ordered.length,
    page: records(type, ordered.slice(query.skip, query.skip + query.count)),
  }
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
      return directOwners(file, plan.link, member, ESTIMATE_COUNT_MAX).length
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

const allRange = { start: 0, end: HANDLE_MAX }

function pageOfAll(type: TypeFile, { skip, count: limit }: Query): Found {
  const total = entryCountOf(type.records)
  if (limit === 0 || skip >= total) return { total, page: [] }
  const range = type.records.getRange({ ...allRange, offset: skip, limit })
  const page = [...range].map(({ key, value }) => decodeRecord(Buffer.from(value), type.type, key))
  return { total, page }
}

/** All entries of one value: the index itself counts them, and holds them in the right order. */
function pageOfValue(type: TypeFile, plan: Range, { skip, count: limit }: Query): Found {
  const index = indexOf(type, plan)
  if (!index) throw new Error(`a plan names ${plan.path.text}, which has no index`)
  const bounds = boundsOf(plan)
  // LMDB counts an offset in 32 bits; there are never more handles than that.
  const isBeyond = limit === 0 || skip > HANDLE_MAX
  const keys = isBeyond
    ? []
    : [...index.entries.getKeys({ ...bounds, offset: skip, limit })].map(handleOf)
  const isWhole = skip === 0 && keys.length < limit
  const total = isWhole ? keys.length : index.entries.getKeysCount({ ...bounds })
  return { total, page: records(type, keys) }
}

function records(type: TypeFile, handles: Iterable<number>): Stored[] {
  const found: Stored[] = []
  for (const handle of handles) {
    const bytes = type.records.getBinary(handle)
    if (bytes) found.push(decodeRecord(bytes, type.type, handle))
  }
  return found
}

/** Candidates in slices, in the order of their creation. */
type Handles = AsyncIterable<readonly number[]> | Iterable<readonly number[]>

async function* allHandles(type: TypeFile, pause: Pause): AsyncGenerator<readonly number[]> {
  let start = 0
  for (;;) {
    const handles = [...type.records.getKeys({ start, end: HANDLE_MAX, limit: BATCH_COUNT })]
    const last = handles.at(-1)
    if (last === undefined) return
    yield handles
    start = last + 1
    await pause()
  }
}

/** The handles of a plan's candidates, each once, four bytes for each. */
async function gather(
  file: TenantFile,
  type: TypeFile,
  plan: Plan,
  pause: Pause,
): Promise<Iterable<readonly number[]>> {
  const handles: number[] = []
  await collect(file, type, plan, handles, pause)
  const ordered = Uint32Array.from(handles).sort()
  return distinct(ordered)
}

function* distinct(ordered: Uint32Array): Generator<readonly number[]> {
  let batch: number[] = []
  let before: number | undefined
  for (const handle of ordered) {
    if (handle === before) continue
    before = handle
    batch.push(handle)
    if (batch.length < BATCH_COUNT) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

async function collect(
  file: TenantFile,
  type: TypeFile,
  plan: Plan,
  handles: number[],
  pause: Pause,
): Promise<void> {
  switch (plan.kind) {
    case 'all':
      for await (const batch of allHandles(type, pause)) handles.push(...batch)
      return
    case 'id': {
      const place = placeOf(file, plan.id)
      if (place?.file === type && type.records.doesExist(place.handle)) handles.push(place.handle)
      return
    }
    case 'range': {
      const index = indexOf(type, plan)
      if (!index) throw new Error(`a plan names ${plan.path.text}, which has no index`)
      await keysInSlices(index.entries, boundsOf(plan), pause, (key) => handles.push(handleOf(key)))
      return
    }
    case 'ownersOf': {
      const place = placeOf(file, plan.id)
      if (!place?.file.records.doesExist(place.handle)) return
      const member = { type: place.file.number, handle: place.handle }
      for (const owner of directOwners(file, plan.link, member)) handles.push(owner.handle)
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
          if (type.records.doesExist(member.handle)) handles.push(member.handle)
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

/** The plan decides alone: only the page's records are read. */
async function unfiltered(
  type: TypeFile,
  handles: Handles,
  query: Query,
  knownTotal?: number,
): Promise<Found> {
  const wanted: number[] = []
  let total = 0
  for await (const batch of handles) {
    const from = Math.max(query.skip - total, 0)
    const room = query.count - wanted.length
    if (room > 0 && from < batch.length) wanted.push(...batch.slice(from, from + room))
    total += batch.length
    if (knownTotal !== undefined && wanted.length === query.count) break
  }
  return { total: knownTotal ?? total, page: records(type, wanted) }
}

async function filtered(type: TypeFile, handles: Handles, query: Query): Promise<Found> {
  const page: Stored[] = []
  let total = 0
  for await (const match of matching(type, handles, query)) {
    if (total >= query.skip && page.length < query.count) page.push(match)
    total++
  }
  return { total, page }
}

/** The candidates that match, in slices. */
async function* matching(
  type: TypeFile,
  handles: Handles,
  { matches, signal }: Query,
): AsyncGenerator<Stored> {
  const pause = slicer(signal)
  for await (const batch of handles) {
    for (const handle of batch) {
      const bytes = type.records.getBinary(handle)
      if (!bytes) continue
      const candidate = decodeRecord(bytes, type.type, handle)
      const answer = matches ? matches(candidate) : true
      if (typeof answer === 'object' ? await answer : answer) yield candidate
      await pause()
    }
  }
}
