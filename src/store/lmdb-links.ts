/** Turns an owner into its members, and removes links that nobody sees any more. */

import type { Link } from '../scim/registry.ts'
import { after, forwardKey, pairKey, reverseKey } from './lmdb-keys.ts'
import { decodeHeader, generationOf } from './lmdb-record.ts'
import { type LinkFile, linkFileOf, placeOf, type TenantFile, typeFileOf } from './lmdb-tenant.ts'
import { nextTurn, slicer } from './slices.ts'
import type { Client, Header, Stored } from './store.ts'

/** Links that are read in one go; of longer lists the handles are captured in slices. */
const CAPTURE_COUNT = 1000
/** Links of which the handles, the headers and the text make no small answer. */
const SMALL_COUNT = 100
/** Headers that are read at a time when a long list is streamed. */
const BATCH_COUNT = 500
/** Keys that one sweeping transaction removes. */
const SWEEP_COUNT = 500

/** A linked resource: the number of its type, and its handle. */
export interface Member {
  readonly type: number
  readonly handle: number
}

const TYPE_AT = 8
const MEMBER_AT = 10

export const memberIn = (key: Buffer): Member => ({
  type: key.readUInt16BE(TYPE_AT),
  handle: key.readUInt32BE(MEMBER_AT),
})

/** The range of the links of one generation; of one type of member, when that is given. */
export function memberRange(owner: number, generation: number, type?: number) {
  const from = forwardKey(owner, generation, type ?? 0, 0)
  return { start: from, end: after(from.subarray(0, type === undefined ? TYPE_AT : MEMBER_AT)) }
}

/** Members in key order, as far as `countMax`. Dead links are among them. */
export function membersOf(
  links: LinkFile,
  owner: number,
  generation: number,
  countMax: number,
  type?: number,
): Member[] {
  const range = { ...memberRange(owner, generation, type), limit: countMax }
  return [...links.forward.getKeys(range)].map((key) => memberIn(key))
}

export function headerOf(file: TenantFile, member: Member): Header | undefined {
  const type = file.typeByNumber[member.type]
  const bytes = type?.records.getBinary(member.handle)
  return type && bytes && decodeHeader(bytes, type.type, member.handle)
}

/** The members of a resource in batches, from one moment's state however long the list is. */
export async function* linked(
  file: TenantFile,
  owner: Stored,
  link: Link,
  client?: Client,
): AsyncGenerator<readonly Header[]> {
  const members = await capture(file, owner, link, client)
  for (let at = 0; at < members.length; at += BATCH_COUNT) {
    if (at > 0) await nextTurn()
    const batch = members.slice(at, at + BATCH_COUNT)
    yield batch.flatMap((member) => headerOf(file, unpacked(member)) ?? [])
  }
}

/** A member as one number: eight bytes, as there may be a hundred thousand and many readers. */
export const packed = ({ type, handle }: Member): number => type * 2 ** 32 + handle

const unpacked = (number: number): Member => ({
  type: Math.floor(number / 2 ** 32),
  handle: number % 2 ** 32,
})

async function capture(
  file: TenantFile,
  owner: Stored,
  link: Link,
  client: Client | undefined,
): Promise<number[]> {
  const links = linkFileOf(file, link)
  const { records } = typeFileOf(file, owner.type)
  const firstOf = (countMax: number): Member[] => {
    const record = records.getBinary(owner.handle)
    return record ? membersOf(links, owner.handle, generationOf(record), countMax) : []
  }
  const few = firstOf(SMALL_COUNT)
  if (few.length < SMALL_COUNT) return few.map(packed)
  await client?.turn?.()
  const first = firstOf(CAPTURE_COUNT)
  if (first.length < CAPTURE_COUNT) return first.map(packed)

  // A bounded read transaction: a few milliseconds of work, with other requests in between.
  const transaction = file.environment.useReadTransaction()
  try {
    const now = records.get(owner.handle, { transaction })
    if (!now) return []
    const members: number[] = []
    const { start, end } = memberRange(owner.handle, generationOf(now))
    const pause = slicer()
    let from = start
    for (;;) {
      const range = { start: from, end, limit: CAPTURE_COUNT, transaction }
      const keys = [...links.forward.getKeys(range)]
      for (const key of keys) members.push(packed(memberIn(key)))
      const last = keys.at(-1)
      if (!last || keys.length < CAPTURE_COUNT) return members
      from = after(last)
      await pause()
    }
  } finally {
    transaction.done()
  }
}

export function isLinked(file: TenantFile, owner: Stored, link: Link, id: string): boolean {
  const place = placeOf(file, id)
  if (!place?.file.records.doesExist(place.handle)) return false
  // By now the owner may be of another generation than when it was read, and that one swept.
  const record = typeFileOf(file, owner.type).records.getBinary(owner.handle)
  if (!record) return false
  const key = forwardKey(owner.handle, generationOf(record), place.file.number, place.handle)
  return linkFileOf(file, link).forward.doesExist(key)
}

/**
 * How many members an owner has, counted up to a maximum. Links to what was deleted do not count;
 * of more of them than are read in one go, which are about to be swept, the maximum is told.
 */
export function linkCount(file: TenantFile, owner: Header, link: Link, countMax: number): number {
  const record = typeFileOf(file, owner.type).records.getBinary(owner.handle)
  if (!record) return 0
  const read = (limit: number) =>
    membersOf(linkFileOf(file, link), owner.handle, generationOf(record), limit)
  const isThere = ({ type, handle }: Member): boolean =>
    file.typeByNumber[type]?.records.doesExist(handle) === true
  const first = read(countMax)
  const there = first.filter(isThere).length
  if (first.length < countMax || there === countMax) return there
  const more = read(CAPTURE_COUNT)
  if (more.length === CAPTURE_COUNT) return countMax
  return Math.min(countMax, more.filter(isThere).length)
}

/**
 * Links to be removed: of an owner's generation (of all, when it was deleted), or of a deleted
 * member.
 */
export type Sweep =
  | { readonly link: string; readonly owner: number; readonly generation?: number }
  | { readonly link: string; readonly member: number; readonly type: number }
  /** The chunks that a large change had written to the journal when it was given up. */
  | { readonly chunks: number }

export const sweepKey = (sweep: Sweep): Buffer => Buffer.from(JSON.stringify(sweep))

/**
 * Removes all links that are listed by now, in slices. Ends early when the environment is closing.
 *
 * What is listed later is not touched: another process may be building it, and if this one went on
 * as long as there is something, the other would never come to an end.
 */
export async function sweepAll(file: TenantFile, isClosing: () => boolean): Promise<void> {
  const listed = file.sweeps.getKeys({ start: Buffer.from([0]), end: Buffer.from([0xff]) })
  for (const key of [...listed]) {
    if (file.building.has(String(key)) || !isServed(file, key)) continue
    while (!isClosing() && (await sweepSlice(file, key))) await nextTurn()
    if (isClosing()) return
  }
}

/** What belongs to a type that is not served at present waits until it is. */
function isServed(file: TenantFile, key: Buffer): boolean {
  const sweep = JSON.parse(String(key)) as Sweep
  return 'chunks' in sweep || file.links.has(sweep.link)
}

/** Marks what is being swept: whoever is still building it begins anew (see requireFresh). */
const BEGUN = Buffer.from([1])

/** Removes some of the links; true when there may be more. */
function sweepSlice(file: TenantFile, key: Buffer): Promise<boolean> {
  return file.transact(() => {
    // Another process may have come first, or have switched to the generation in question.
    if (!file.sweeps.doesExist(key)) return false
    const hasMore = removeSome(file, JSON.parse(String(key)) as Sweep)
    if (hasMore) file.sweeps.put(key, BEGUN)
    else file.sweeps.remove(key)
    return hasMore
  })
}

function removeSome(file: TenantFile, sweep: Sweep): boolean {
  if ('chunks' in sweep) return sweepChunks(file, sweep.chunks)
  const links = file.links.get(sweep.link)
  if (!links) return false
  return 'owner' in sweep ? sweepOwner(links, sweep) : sweepMember(links, sweep)
}

function sweepChunks(file: TenantFile, set: number): boolean {
  const prefix = pairKey(set, 0).subarray(0, 4)
  const keys = [...file.chunks.getKeys({ start: prefix, end: after(prefix), limit: SWEEP_COUNT })]
  for (const key of keys) file.chunks.remove(key)
  return keys.length === SWEEP_COUNT
}

function sweepOwner(links: LinkFile, sweep: { owner: number; generation?: number }): boolean {
  const { owner, generation } = sweep
  const prefix = forwardKey(owner, generation ?? 0, 0, 0).subarray(
    0,
    generation === undefined ? 4 : 8,
  )
  const keys = [...links.forward.getKeys({ start: prefix, end: after(prefix), limit: SWEEP_COUNT })]
  for (const key of keys) {
    const member = memberIn(key)
    links.forward.remove(key)
    links.reverse.remove(reverseKey(member.type, member.handle, owner, key.readUInt32BE(4)))
  }
  return keys.length === SWEEP_COUNT
}

function sweepMember(links: LinkFile, sweep: { type: number; member: number }): boolean {
  const { type, member } = sweep
  const prefix = reverseKey(type, member, 0, 0).subarray(0, 6)
  const keys = [...links.reverse.getKeys({ start: prefix, end: after(prefix), limit: SWEEP_COUNT })]
  for (const key of keys) {
    links.reverse.remove(key)
    links.forward.remove(forwardKey(key.readUInt32BE(6), key.readUInt32BE(10), type, member))
  }
  return keys.length === SWEEP_COUNT
}
