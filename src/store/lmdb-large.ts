/**
 * Carries out a change of very many links without blocking anybody.
 *
 * Members are looked up and compared in slices. If few links really differ, they are written in one
 * ordinary commit. Otherwise all links are written anew under another generation, in slices that
 * nobody sees, and the commit that writes the resource's record switches to it.
 */

import { ScimError } from '../scim/error.ts'
import { JOURNAL_CHUNK_COUNT, LINKS_PER_COMMIT_MAX } from '../scim/limits.ts'
import type { LinkEdit } from '../scim/link.ts'
import type { Link } from '../scim/registry.ts'
import {
  type ChunkPlace,
  chunksOf,
  type LinkIds,
  readCounters,
  writeChunk,
  writeCounters,
} from './lmdb-journal.ts'
import { after, forwardKey, reverseKey } from './lmdb-keys.ts'
import { isAccepted, isMeant, type LinkDiff, type LinkedMember } from './lmdb-link-diff.ts'
import { headerOf, type Member, memberIn, memberRange, sweepKey } from './lmdb-links.ts'
import {
  linkFileOf,
  type Place,
  placeOf,
  recordAt,
  type TenantFile,
  type TypeFile,
  typeFileOf,
} from './lmdb-tenant.ts'
import { applyChanges, currentOf, type Prepared, Stale } from './lmdb-write.ts'
import { nextTurn, type Pause, slicer } from './slices.ts'
import type { Change, Client, Committed, Origin } from './store.ts'

/** Links or chunks that one transaction of the preparation writes. */
const SLICE_COUNT = 1000
/** How often a change is worked out anew because somebody else changed the resource meanwhile. */
const ATTEMPTS_MAX = 5

/** What one attempt leaves behind however it ends. */
interface Attempt {
  /** What others delete while it is worked out. */
  readonly departed: Place[]
  /** Sweeps that remove what it has written, not to be begun while it lasts. */
  readonly building: Buffer[]
}

/** Carries out one change. The caller keeps other changes away from the resource meanwhile. */
export async function commitLarge(
  file: TenantFile,
  change: Change,
  origin: Origin,
  client?: Client,
): Promise<readonly Committed[]> {
  for (let count = 1; count <= ATTEMPTS_MAX; count++) {
    const attempt: Attempt = { departed: [], building: [] }
    file.departures.add(attempt.departed)
    try {
      // Whatever was queued before has been applied when this returns.
      await file.transact(() => undefined)
      const prepared = await prepare(file, change, attempt, client)
      return await file.transact(() => applyChanges(file, [change], origin, prepared))
    } catch (error) {
      if (!(error instanceof Stale)) throw error
      // Another process may have swept what was there, and taken it off the list too early.
      await file.transact(() => {
        for (const key of attempt.building) file.sweeps.put(key, EMPTY)
      })
    } finally {
      file.departures.delete(attempt.departed)
      for (const key of attempt.building) file.building.delete(String(key))
    }
  }
  const detail = `${change.id} was changed by others all the time; nothing was written`
  throw ScimError.status(503, detail, { 'Retry-After': '60' })
}

async function prepare(
  file: TenantFile,
  change: Change,
  attempt: Attempt,
  client: Client | undefined,
): Promise<Prepared> {
  const type = typeFileOf(file, change.type)
  const found = placeOf(file, change.id)
  const place = found?.file === type ? found : undefined
  const base = place && recordAt(place)
  const edits = change.decide(base && currentOf(base))?.links ?? []
  const owner = place ?? (await setAside(file, type))
  const before = { owner, generation: base?.generation }
  const lists: MemberList[] = []
  const skipped: string[] = []
  for (const link of change.type.links) {
    const own = edits.filter((edit) => edit.link === link)
    if (own.length > 0) lists.push(await work(file, link, before, own, skipped, slicer(client)))
  }
  const diffs = lists.map(({ diff }) => diff)
  const { departed } = attempt
  const prepared = { base, handle: owner.handle, departed, diffs, skipped }
  const touched = diffs.reduce((sum, diff) => sum + diff.added.length + diff.removed.length, 0)
  if (touched <= LINKS_PER_COMMIT_MAX) return prepared
  // A generation is one of all the links of a resource: those that stay are written anew as well.
  for (const link of change.type.links) {
    if (diffs.some((diff) => diff.link === link)) continue
    lists.push(await work(file, link, before, [], skipped, slicer(client)))
  }
  return { ...prepared, diffs: [], generation: await writeGeneration(file, owner, lists, attempt) }
}

function memberOf(file: TenantFile, id: string): LinkedMember | undefined {
  const place = placeOf(file, id)
  if (!place?.file.records.doesExist(place.handle)) return undefined
  return { id, type: place.file.number, handle: place.handle }
}

/** A handle for a resource that is being created: its links are written before its record. */
function setAside(file: TenantFile, type: TypeFile): Promise<Place> {
  return file.transact(() => {
    const counters = readCounters(file.meta)
    const handle = counters.handle++
    writeCounters(file.meta, counters)
    return { file: type, handle }
  })
}

/** The links of one attribute as they will be, and how that differs from what they are. */
interface MemberList {
  readonly diff: LinkDiff
  readonly members: readonly Member[]
}

async function work(
  file: TenantFile,
  link: Link,
  { owner, generation }: { readonly owner: Place; readonly generation: number | undefined },
  edits: readonly LinkEdit[],
  skipped: string[],
  pause: Pause,
): Promise<MemberList> {
  const { stored, hidden } = await storedMembers(file, link, owner, generation)
  const members = new Map<number, Member>(stored)
  for (const edit of edits) {
    if (edit.op === 'replace') members.clear()
    if (edit.op === 'removeWhere') {
      for (const [handle, member] of [...members]) {
        const header = headerOf(file, member)
        if (!header || edit.matches(header)) members.delete(handle)
        await pause()
      }
      continue
    }
    for (const id of edit.ids) {
      const member = memberOf(file, id)
      if (edit.op === 'remove') {
        if (member && isMeant(file, edit.matches, member)) members.delete(member.handle)
      } else if (isAccepted(file, edit.accepts, id, member) && member) {
        members.set(member.handle, member)
      } else skipped.push(id)
      await pause()
    }
  }
  const added: LinkedMember[] = []
  const removed: LinkedMember[] = []
  for (const [from, against, into] of [
    [members, stored, added],
    [stored, members, removed],
  ] as const) {
    for (const [handle, member] of from) {
      const header = against.has(handle) ? undefined : headerOf(file, member)
      if (header) into.push({ ...member, id: header.id })
      await pause()
    }
  }
  return { diff: { link, added, removed }, members: [...members.values(), ...hidden] }
}

interface StoredMembers {
  readonly stored: Map<number, Member>
  /** Of types that are not served at present: no edit means them, each generation keeps them. */
  readonly hidden: readonly Member[]
}

async function storedMembers(
  file: TenantFile,
  link: Link,
  owner: Place,
  generation: number | undefined,
): Promise<StoredMembers> {
  const stored = new Map<number, Member>()
  const hidden: Member[] = []
  if (generation === undefined) return { stored, hidden }
  const { forward } = linkFileOf(file, link)
  const { start, end } = memberRange(owner.handle, generation)
  for (let from = start; ; ) {
    const keys = [...forward.getKeys({ start: from, end, limit: SLICE_COUNT })]
    for (const key of keys) {
      const member = memberIn(key)
      const type = file.typeByNumber[member.type]
      if (!type) hidden.push(member)
      // The links of what was deleted may not have been swept yet.
      else if (type.records.doesExist(member.handle)) stored.set(member.handle, member)
    }
    const last = keys.at(-1)
    if (!last || keys.length < SLICE_COUNT) return { stored, hidden }
    from = after(last)
    await nextTurn()
  }
}

/** Writes all links under a new generation, and the journal's chunks, in slices. */
async function writeGeneration(
  file: TenantFile,
  owner: Place,
  lists: readonly MemberList[],
  attempt: Attempt,
): Promise<NonNullable<Prepared['generation']>> {
  // What removes all this again is on disk before any of it, should the process end in between.
  const numbers = await file.transact(() => {
    const counters = readCounters(file.meta)
    const generation = counters.generation++
    const sets = lists.map(() => counters.generation++)
    writeCounters(file.meta, counters)
    attempt.building.push(
      ...lists.map(({ diff }) =>
        sweepKey({ link: diff.link.name, owner: owner.handle, generation }),
      ),
      ...sets.map((chunks) => sweepKey({ chunks })),
    )
    for (const key of attempt.building) {
      file.building.add(String(key))
      file.sweeps.put(key, EMPTY)
    }
    return { generation, sets }
  })
  const journal: LinkIds[] = []
  const told: ReadonlyMap<number, ChunkPlace>[] = []
  for (const [index, { diff, members }] of lists.entries()) {
    await writeLinks(file, diff.link, owner.handle, numbers.generation, members)
    const set = numbers.sets[index] as number
    const count = await writeChunks(file, set, diff)
    const link = diff.link.attribute.name
    if (count > 0) journal.push({ link, added: [], removed: [], chunks: { set, count } })
    told.push(await placesOf(set, diff.added))
  }
  return { number: numbers.generation, journal, told, sweeps: attempt.building }
}

/** The places of added ids, by handle: chunksOf begins with those that were added. */
async function placesOf(
  set: number,
  added: readonly LinkedMember[],
): Promise<ReadonlyMap<number, ChunkPlace>> {
  const places = new Map<number, ChunkPlace>()
  const pause = slicer()
  for (const { handle, id } of added) {
    places.set(handle, { set, chunk: 1 + Math.floor(places.size / JOURNAL_CHUNK_COUNT), id })
    await pause()
  }
  return places
}

const EMPTY = Buffer.alloc(0)

async function writeLinks(
  file: TenantFile,
  link: Link,
  owner: number,
  generation: number,
  members: readonly Member[],
): Promise<void> {
  const { forward, reverse } = linkFileOf(file, link)
  for (let at = 0; at < members.length; at += SLICE_COUNT) {
    const slice = members.slice(at, at + SLICE_COUNT)
    await file.transact(() => {
      for (const { type, handle } of slice) {
        forward.put(forwardKey(owner, generation, type, handle), EMPTY)
        reverse.put(reverseKey(type, handle, owner, generation), EMPTY)
      }
    })
  }
}

/** Writes what was added and removed as one set of chunks; returns how many there are. */
async function writeChunks(file: TenantFile, set: number, diff: LinkDiff): Promise<number> {
  const ids = (changed: readonly LinkedMember[]) => changed.map(({ id }) => id)
  const chunks = chunksOf(ids(diff.added), ids(diff.removed))
  for (const [index, chunk] of chunks.entries()) {
    await file.transact(() => writeChunk(file, set, index + 1, chunk))
  }
  return chunks.length
}
