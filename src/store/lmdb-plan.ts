/** Turns a plan into candidates: which of several ranges has the fewest, how many, and all. */

import { KEY_BYTES_MAX } from '../scim/entries.ts'
import type { Plan, Range } from '../scim/filter/plan.ts'
import { HandleSet } from './handles.ts'
import type { Bytes } from './lmdb-file.ts'
import {
  handleOf,
  KEY_END,
  LOWEST,
  notAbove,
  notBelow,
  prefixRange,
  textPart,
  valueEnd,
  valueKey,
} from './lmdb-keys.ts'
import { type Member, memberIn, memberRange } from './lmdb-links.ts'
import { ownerIn, ownersBelow, ownersRange } from './lmdb-owners.ts'
import { generationOf } from './lmdb-record.ts'
import { allHandles, entryCountOf, mayLackValues } from './lmdb-sort.ts'
import {
  type IndexFile,
  linkFileOf,
  type Place,
  placeOf,
  type TenantFile,
  type TypeFile,
} from './lmdb-tenant.ts'
import type { Pause } from './slices.ts'
import type { Account, Client } from './store.ts'

/**
 * How far candidates are counted to find the plan that has fewest: further only where all have as
 * many. Counting a hundred keys costs less than reading one document.
 */
export const COUNTS_MAX = [1000, 10_000, 100_000] as const
/** Keys that are read in one go. */
const BATCH_COUNT = 1000
/** Keys that are passed over in one go, without being read. */
const SKIP_COUNT = 10_000

interface Bounds {
  readonly start: Buffer
  readonly end: Buffer
}

/** Replaces each choice between plans by the one with the fewest candidates. */
export async function choose(
  file: TenantFile,
  type: TypeFile,
  plan: Plan,
  pause: Pause,
  account?: Account,
): Promise<Plan> {
  switch (plan.kind) {
    case 'union': {
      const plans: Plan[] = []
      for (const part of plan.plans) plans.push(await choose(file, type, part, pause, account))
      return { kind: 'union', plans }
    }
    case 'except':
      return besides(type, plan.plan) ?? plan
    case 'anyOf': {
      const options: Plan[] = []
      for (const part of plan.plans) options.push(await choose(file, type, part, pause, account))
      for (const countMax of COUNTS_MAX) {
        const counts: number[] = []
        for (const option of options) {
          counts.push(await estimate(file, type, option, countMax, pause))
        }
        const least = Math.min(...counts)
        if (least === countMax && countMax !== COUNTS_MAX.at(-1)) continue
        const chosen = options[counts.indexOf(least)] as Plan
        for (const [at, option] of options.entries()) {
          if (option !== chosen)
            account?.passed.push({ plan: option, counted: counts[at] ?? 0, countMax })
        }
        return chosen
      }
      return plan
    }
    default:
      return plan
  }
}

/** All but those of one value, as the ranges beside it: where each resource has one value. */
function besides(type: TypeFile, plan: Plan): Plan | undefined {
  if (plan.kind !== 'range' || !isOneValue(plan) || !plan.from) return undefined
  if (mayLackValues(type, indexOf(type, plan))) return undefined
  const { path, from } = plan
  const bound = { key: from.key, inclusive: false }
  return {
    kind: 'union',
    plans: [
      { kind: 'range', path, to: bound },
      { kind: 'range', path, from: bound },
    ],
  }
}

/** How many candidates a plan has at most, counted as far as `countMax`. */
export async function estimate(
  file: TenantFile,
  type: TypeFile,
  plan: Plan,
  countMax: number,
  pause: Pause,
): Promise<number> {
  const capped = (count: number) => Math.min(count, countMax)
  switch (plan.kind) {
    case 'all':
      return capped(entryCountOf(type.records))
    case 'id':
      return 1
    case 'range': {
      const { entries } = indexOf(type, plan)
      if (plan.text) return capped(textEstimate(entries, plan.text))
      return keysUpTo(entries, boundsOf(plan), countMax, pause)
    }
    case 'ownersOf': {
      const place = placeOf(file, plan.id)
      if (!place) return 0
      return keysUpTo(
        linkFileOf(file, plan.link).reverse,
        ownersRange(memberAt(place)),
        countMax,
        pause,
      )
    }
    case 'membersOf': {
      const place = placeOf(file, plan.id)
      const record = place?.file.records.getBinary(place.handle)
      if (!place || !record) return 0
      const bounds = memberRange(place.handle, generationOf(record))
      return keysUpTo(linkFileOf(file, plan.link).forward, bounds, countMax, pause)
    }
    case 'union':
    case 'anyOf': {
      let sum = 0
      for (const part of plan.plans) {
        if (sum >= countMax) break
        sum += await estimate(file, type, part, countMax, pause)
      }
      return capped(sum)
    }
    case 'except': {
      const all = entryCountOf(type.records)
      return capped(all - (await estimate(file, type, plan.plan, Math.min(all, countMax), pause)))
    }
  }
}

const memberAt = ({ file, handle }: Place): Member => ({ type: file.number, handle })

export function indexOf(type: TypeFile, { path }: Range): IndexFile {
  const index = type.indexOf.get(path.text)
  if (!index) throw new Error(`a plan names ${path.text}, which has no index`)
  return index
}

export const isOneValue = ({ from, to }: Range): boolean =>
  from !== undefined && to !== undefined && from.inclusive && to.inclusive && from.key === to.key

/** The byte range of a plan's range. */
export function boundsOf(range: Range): Bounds {
  const { from, to, prefix } = range
  if (prefix !== undefined) return prefixRange(prefix)
  if (from && isOneValue(range)) return { start: valueKey(from.key), end: valueEnd(from.key) }
  return {
    start: !from ? LOWEST : from.inclusive ? notBelow(from.key) : valueEnd(from.key),
    end: !to ? KEY_END : to.inclusive ? notAbove(to.key) : valueKey(to.key),
  }
}

/** A database, or an index, whose keys are walked along. */
interface Keyed<K> {
  getKeys(range: { start: K; end: K; offset: number; limit: number }): Iterable<K>
  getKeysCount(range: { start: K; end: K }): number
}

/** The key that so many others of a range stand before; undefined when there is none. */
export async function keyAt<K>(
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

/** Counts the keys of a range, as far as `countMax`; LMDB passes over them without reading them. */
export async function keysUpTo<K>(
  keyed: Keyed<K>,
  { start, end }: { start: K; end: K },
  countMax: number,
  pause: Pause,
): Promise<number> {
  let counted = 0
  for (let from = start; counted < countMax; ) {
    const step = Math.min(countMax - counted, SKIP_COUNT)
    const next = await keyAt(keyed, { start: from, end }, step, pause)
    if (next === undefined) return counted + keyed.getKeysCount({ start: from, end })
    from = next
    counted += step
    await pause()
  }
  return countMax
}

/** What looking at a key costs, where reading a document costs 1. */
export const KEY_COST = 1 / 16

/** As many as among the first keys, and what it costs to look at all of them. */
function textEstimate(entries: Bytes, text: NonNullable<Range['text']>): number {
  const holds = holderOf(text)
  const first = [...entries.getKeys({ start: LOWEST, end: KEY_END, limit: BATCH_COUNT })]
  const share = first.filter(holds).length / Math.max(1, first.length)
  return Math.ceil(entryCountOf(entries) * (share + KEY_COST))
}

/** The handles of a plan's candidates. */
export async function gather(
  file: TenantFile,
  type: TypeFile,
  plan: Plan,
  pause: Pause,
  client?: Client,
): Promise<HandleSet> {
  const handles = new HandleSet()
  const turn = async (): Promise<void> => {
    await client?.turn?.()
    await pause()
  }
  const paced: Pause = () => (handles.size > SMALL_SET_COUNT ? turn() : pause())
  await collect(file, type, plan, handles, client ? paced : pause)
  return handles
}

/** Handles that lie in a few blocks of bits; of more there may not be very many sets at a time. */
const SMALL_SET_COUNT = 100_000

async function collect(
  file: TenantFile,
  type: TypeFile,
  plan: Plan,
  handles: HandleSet,
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
    case 'range':
      return collectRanges(indexOf(type, plan), [plan], handles, pause)
    case 'ownersOf': {
      const place = placeOf(file, plan.id)
      if (!place?.file.records.doesExist(place.handle)) return
      const { reverse } = linkFileOf(file, plan.link)
      await eachKey(reverse, ownersRange(memberAt(place)), pause, (key) => {
        const owner = ownerIn(type, key)
        if (owner !== undefined) handles.add(owner)
      })
      return
    }
    case 'membersOf': {
      const place = placeOf(file, plan.id)
      if (!place || place.file.type.name !== plan.link.owner) return
      const { forward } = linkFileOf(file, plan.link)
      const below = await ownersBelow(file, plan.link, place, pause)
      for (const [owner, generation] of below) {
        const range = memberRange(owner, generation, type.number)
        await eachKey(forward, range, pause, (key) => {
          const member = memberIn(key)
          if (type.records.doesExist(member.handle)) handles.add(member.handle)
        })
      }
      return
    }
    case 'union': {
      const ranges = plan.plans.filter((part) => part.kind === 'range')
      for (const index of new Set(ranges.map((range) => indexOf(type, range)))) {
        const own = ranges.filter((range) => indexOf(type, range) === index)
        await collectRanges(index, own, handles, pause)
      }
      for (const part of plan.plans) {
        if (part.kind !== 'range') await collect(file, type, part, handles, pause)
      }
      return
    }
    case 'anyOf':
      throw new Error('a choice between plans was not made')
    case 'except': {
      const left = await gather(file, type, plan.plan, pause)
      for await (const batch of allHandles(type, pause)) {
        for (const handle of batch) if (!left.has(handle)) handles.add(handle)
      }
    }
  }
}

/** Walks each part of an index once, however many ranges it is in. */
async function collectRanges(
  { entries }: IndexFile,
  ranges: readonly Range[],
  handles: HandleSet,
  pause: Pause,
): Promise<void> {
  const plain = ranges.filter(({ text }) => text === undefined)
  for (const bounds of merged(plain.map(boundsOf))) {
    await eachKey(entries, bounds, pause, (key) => handles.add(handleOf(key)))
  }
  const holders = ranges.flatMap(({ text }) => (text ? [holderOf(text)] : []))
  if (holders.length === 0) return
  await eachKey(entries, { start: LOWEST, end: KEY_END }, pause, (key) => {
    if (holders.some((holds) => holds(key))) handles.add(handleOf(key))
  })
}

function merged(bounds: readonly Bounds[]): readonly Bounds[] {
  const apart: { start: Buffer; end: Buffer }[] = []
  for (const { start, end } of [...bounds].sort((a, b) => Buffer.compare(a.start, b.start))) {
    const last = apart.at(-1)
    if (!last || Buffer.compare(last.end, start) < 0) apart.push({ start, end })
    else if (Buffer.compare(last.end, end) < 0) last.end = end
  }
  return apart
}

/** Whether an entry's value holds a text. Of one that was cut nobody knows: it may. */
function holderOf({ at, value }: NonNullable<Range['text']>): (key: Buffer) => boolean {
  const text = textPart(value)
  // Behind the value are the byte that ends it and the handle.
  return (key) => {
    const held = key.subarray(0, key.length - 5)
    if (held.length > KEY_BYTES_MAX || text.length === 0) return true
    if (at === 'anywhere') return held.includes(text)
    return held.length >= text.length && held.subarray(-text.length).equals(text)
  }
}

async function eachKey(
  database: Bytes,
  range: Bounds,
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
