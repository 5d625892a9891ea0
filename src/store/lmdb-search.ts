/** Turns a query into the page asked for: matches among the candidates of its plan, in order. */

import type { Plan, Range } from '../scim/filter/plan.ts'
import {
  ANSWER_SMALL_BYTES_MAX,
  PAGE_BYTES_MAX,
  PAGE_COUNT_MAX,
  SORT_COUNT_MAX,
} from '../scim/limits.ts'
import { comparePositions, type Position, type Sort } from '../scim/sort.ts'
import type { HandleSet } from './handles.ts'
import { bufferOf } from './lmdb-file.ts'
import { entryKey, HANDLE_MAX, handleOf } from './lmdb-keys.ts'
import {
  boundsOf,
  COUNTS_MAX,
  choose,
  estimate,
  gather,
  indexOf,
  isOneValue,
  KEY_COST,
  keyAt,
  keysUpTo,
} from './lmdb-plan.ts'
import { decodeRecord } from './lmdb-record.ts'
import { allHandles, entryCountOf, sorter, sortIndexOf, type Walk, walk } from './lmdb-sort.ts'
import { readRecord, type TenantFile, type TypeFile, typeFileOf } from './lmdb-tenant.ts'
import { type Pause, slicer } from './slices.ts'
import type { Account, Found, Query, Stored } from './store.ts'

/** Handles and records that are read in one go. */
const BATCH_COUNT = 1000

/** Finds what a query asks for. Without a sort, matches come in the order of their creation. */
export async function search(file: TenantFile, query: Query): Promise<Found> {
  const { account, matches, sort } = query
  const type = typeFileOf(file, query.type)
  const pause = slicer(query.client)
  const plan = await choose(file, type, query.plan, pause, account)
  if (account) await expect(account, file, type, plan, pause)
  if (sort) return sorted(file, type, plan, sort, query, pause)
  if (plan.kind === 'all' && !matches) return pageOfAll(type, query, pause)
  if (plan.kind === 'range' && !matches && isOneValue(plan))
    return pageOfValue(type, plan, query, pause)
  const after = query.after?.position.handle
  if (plan.kind === 'all') {
    await turnFor(query, entryCountOf(type.records), matches)
    return filtered(type, unsorted(allHandles(type, pause, after)), query)
  }
  const handles = await gather(file, type, plan, pause, query.client)
  if (account) account.candidates = handles.size
  await turnFor(query, handles.size, matches)
  const places = unsorted(handles.batches(BATCH_COUNT, after))
  return matches ? filtered(type, places, query) : pageOf(type, places, query, handles.size, pause)
}

/** Resources of which a page is no small answer, and documents that are not quickly looked at. */
const SMALL_PAGE_COUNT = 20
const SMALL_SCAN_COUNT = 1000

/**
 * Who looks at many documents, or gives many out, waits for a turn while it still holds nothing.
 * What a page really takes is seen when it is read (pageFor).
 */
function turnFor(
  { client, count }: Query,
  candidates: number,
  matches: Query['matches'],
): Promise<void> | undefined {
  const isLong = matches !== undefined && candidates > SMALL_SCAN_COUNT
  const isLarge = Math.min(count, candidates) > SMALL_PAGE_COUNT
  return isLong || isLarge ? client?.turn?.() : undefined
}

async function expect(
  account: Account,
  file: TenantFile,
  type: TypeFile,
  plan: Plan,
  pause: Pause,
): Promise<void> {
  const countMax = Math.max(...COUNTS_MAX)
  account.plan = plan
  account.candidates = entryCountOf(type.records)
  account.estimate = { counted: await estimate(file, type, plan, countMax, pause), countMax }
}

/** The matches in the order of a sort: along an index of it, or collected and sorted in memory. */
async function sorted(
  file: TenantFile,
  type: TypeFile,
  plan: Plan,
  sort: Sort,
  query: Query,
  pause: Pause,
): Promise<Found> {
  const { account, after, matches } = query
  const index = sortIndexOf(type, sort)
  const handles =
    plan.kind === 'all' ? undefined : await gather(file, type, plan, pause, query.client)
  if (account && handles) account.candidates = handles.size
  if (index && (!handles || isWalkCheaper(type, handles.size, query))) {
    if (account) account.order = 'index'
    const whole = walk(type, index, sort, pause, after?.position)
    const among = handles ? within(handles, whole) : whole
    await turnFor(query, handles?.size ?? entryCountOf(type.records), matches)
    if (matches) return filtered(type, among, query)
    const total = handles?.size ?? entryCountOf(type.records)
    return pageOf(type, among, query, total, pause)
  }
  if (account) account.order = 'memory'
  const order = sorter(sort)
  const count = handles?.size ?? entryCountOf(type.records)
  if (count > SMALL_PAGE_COUNT) await query.client?.turn?.()
  const candidates = unsorted(handles ? handles.batches(BATCH_COUNT) : allHandles(type, pause))
  for await (const { stored } of matching(type, candidates, query)) order.add(stored)
  const ordered = await order.positions(pause)
  const rest = after
    ? ordered.filter((position) => comparePositions(sort, position, after.position) > 0)
    : ordered
  return pageOf(type, [rest], query, ordered.length, pause)
}

/**
 * Whether walking the index of a sort, and looking at the candidates on the way, costs less than
 * reading all candidates to sort them; always, where they are more than are sorted in memory.
 */
function isWalkCheaper({ records }: TypeFile, candidates: number, query: Query): boolean {
  if (candidates > SORT_COUNT_MAX) return true
  const all = entryCountOf(records)
  // Where the total is known, a walk ends with the page.
  const isWhole = query.matches !== undefined && !query.after
  const share = isWhole ? 1 : Math.min(1, (query.skip + query.count) / Math.max(1, candidates))
  return all * share * KEY_COST <= candidates
}

async function* within(handles: HandleSet, whole: Walk): Walk {
  for await (const batch of whole) yield batch.filter(({ handle }) => handles.has(handle))
}

/** Collects the part of the matches that a query asks for. */
function pageFor({ count, placesOnly = false, client }: Query) {
  const page: Stored[] = []
  const positions: Position[] = []
  let bytes = 0
  let isAdmitted = client?.turn === undefined
  const isCut = () => bytes >= PAGE_BYTES_MAX && positions.length < count
  return {
    isFull: () => positions.length >= count || isCut(),
    /** Whether it holds more than a small answer, and nobody has said yet that it may. */
    isWaiting: () =>
      !isAdmitted && (bytes > ANSWER_SMALL_BYTES_MAX || positions.length > PAGE_COUNT_MAX),
    async turn(): Promise<void> {
      await client?.turn?.()
      isAdmitted = true
    },
    add(position: Position, stored: Stored): void {
      positions.push(position)
      if (placesOnly) return
      page.push(stored)
      bytes += stored.size
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
  await turnFor(query, total, undefined)
  const end = HANDLE_MAX
  const first = after ? after.position.handle + 1 : 0
  let start = await keyAt<number>(records, { start: first, end }, skip, pause)
  // A query over all types may look behind many pages of one type.
  while (start !== undefined && !page.isFull()) {
    const from: number = start
    start = undefined
    for (const { key, value } of records.getRange({ start: from, end, limit: BATCH_COUNT })) {
      const stored = decodeRecord(bufferOf(value), type.type, key)
      page.add(inOrderOfCreation(stored), stored)
      start = key + 1
      if (page.isFull() || page.isWaiting()) break
    }
    if (page.isWaiting()) await page.turn()
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
  const { entries } = indexOf(type, plan)
  const bounds = boundsOf(plan)
  const from = after ? entryKey(bounds.start, after.position.handle + 1) : bounds.start
  const isBeyond = count === 0 || skip > HANDLE_MAX
  const start = isBeyond ? undefined : await keyAt(entries, { ...bounds, start: from }, skip, pause)
  const range = start && { ...bounds, start, limit: count }
  const keys = range ? [...entries.getKeys(range)].map(handleOf) : []
  const isWhole = skip === 0 && !after && keys.length < count
  const known = after?.total ?? (isWhole ? keys.length : undefined)
  const total = known ?? (await keysUpTo(entries, bounds, Number.POSITIVE_INFINITY, pause))
  if (query.account) query.account.candidates = total
  await turnFor(query, keys.length, undefined)
  return pageOf(type, unsorted([keys]), { ...query, skip: 0 }, total, pause)
}

async function* unsorted(
  handles: AsyncIterable<readonly number[]> | Iterable<readonly number[]>,
): AsyncGenerator<readonly Position[]> {
  for await (const batch of handles) yield batch.map((handle) => ({ key: undefined, handle }))
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
      const stored = readRecord(type, position.handle)
      if (stored) page.add(position, stored)
      if (page.isWaiting()) await page.turn()
      await pause()
    }
    passed += batch.length
    if (page.isFull()) break
    await pause()
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
    if (page.isWaiting()) await page.turn()
    if (after && page.isFull()) break
  }
  return page.found(after?.total ?? total)
}

/** The candidates that match, in slices. */
async function* matching(
  type: TypeFile,
  places: Walk,
  { matches, client, account }: Query,
): AsyncGenerator<{ stored: Stored; position: Position }> {
  const pause = slicer(client)
  for await (const batch of places) {
    for (const position of batch) {
      const stored = readRecord(type, position.handle)
      if (!stored) continue
      if (account) account.read++
      const answer = matches ? matches(stored) : true
      if (typeof answer === 'object' ? await answer : answer) yield { stored, position }
      await pause()
    }
  }
}
