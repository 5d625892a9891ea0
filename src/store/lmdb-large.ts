/**
 * Carries out a change of very many links without blocking anybody.
 *
 * Members are looked up and compared in slices. If few links really differ, they are written in one
 * ordinary commit. Otherwise all links are written anew under another generation, in slices that
 * nobody sees, and the commit that writes the resource's record switches to it.
 */

import { LINKS_PER_COMMIT_MAX } from '../scim/limits.ts'
import type { LinkEdit } from '../scim/link.ts'
import type { Link } from '../scim/registry.ts'
import { chunksOf, readCounters, writeChunk, writeCounters } from './lmdb-journal.ts'
import { after, forwardKey, reverseKey } from './lmdb-keys.ts'
import type { LinkDiff, LinkedMember } from './lmdb-link-diff.ts'
import { headerOf, type Member, memberIn, memberRange, sweepKey } from './lmdb-links.ts'
import {
  linkFileOf,
  type Place,
  placeOf,
  recordAt,
  type TenantFile,
  typeFileOf,
} from './lmdb-tenant.ts'
import { applyChanges, currentOf, type Prepared, Stale } from './lmdb-write.ts'
import { nextTurn, slicer } from './slices.ts'
import type { Change, Committed, Origin } from './store.ts'

/** Links or chunks that one transaction of the preparation writes. */
const SLICE_COUNT = 1000
/** How often a change is worked out anew because somebody else changed the resource meanwhile. */
const ATTEMPTS_MAX = 5

type Resolved = ReadonlyMap<string, LinkedMember & { readonly typeName: string }>

/** Carries out one change. The caller keeps other changes away from the resource meanwhile. */
export async function commitLarge(
  file: TenantFile,
  change: Change,
  origin: Origin,
): Promise<readonly Committed[]> {
  for (let attempt = 1; ; attempt++) {
    const prepared = await prepare(file, change)
    try {
      return await file.environment.transaction(() =>
        applyChanges(file, [change], origin, prepared),
      )
    } catch (error) {
      if (!(error instanceof Stale) || attempt === ATTEMPTS_MAX) throw error
    } finally {
      for (const key of prepared.generation?.sweeps ?? []) file.building.delete(String(key))
    }
  }
}

async function prepare(file: TenantFile, change: Change): Promise<Prepared> {
  const resolved = await resolve(file, change.mentions)
  const place = placeOf(file, change.id)
  const base = place && recordAt(place)
  const facts = { typeOf: (id: string) => resolved.get(id)?.typeName }
  const decision = change.decide(base && currentOf(base), facts)
  const edits = decision?.links ?? []
  const link = edits[0]?.link
  if (!link || edits.some((edit) => edit.link !== link)) {
    throw new Error(`${change.id}: a large change has to be one of one link attribute`)
  }
  const owner = place ?? (await setAside(file, change))
  const { diff, members } = await work(file, link, owner, base?.generation, edits, resolved)
  const shared = { link, base, handle: owner.handle }
  const touched = diff.added.length + diff.removed.length
  if (touched === 0) return { ...shared, diffs: [] }
  if (touched <= LINKS_PER_COMMIT_MAX) return { ...shared, diffs: [diff] }
  return {
    ...shared,
    diffs: [],
    generation: await writeGeneration(file, link, owner, members, diff),
  }
}

async function resolve(file: TenantFile, ids: readonly string[]): Promise<Resolved> {
  const resolved = new Map<string, LinkedMember & { typeName: string }>()
  const pause = slicer()
  for (const id of ids) {
    const place = placeOf(file, id)
    if (place?.file.records.doesExist(place.handle)) {
      const { number, type } = place.file
      resolved.set(id, { id, type: number, handle: place.handle, typeName: type.name })
    }
    await pause()
  }
  return resolved
}

/** A handle for a resource that is being created: its links are written before its record. */
function setAside(file: TenantFile, change: Change): Promise<Place> {
  return file.environment.transaction(() => {
    const counters = readCounters(file.meta)
    const handle = counters.handle++
    writeCounters(file.meta, counters)
    return { file: typeFileOf(file, change.type), handle }
  })
}

/** Works out which members there will be, and how that differs from those there are. */
async function work(
  file: TenantFile,
  link: Link,
  owner: Place,
  generation: number | undefined,
  edits: readonly LinkEdit[],
  resolved: Resolved,
): Promise<{ diff: LinkDiff; members: readonly Member[] }> {
  const pause = slicer()
  const stored =
    generation === undefined ? new Map() : await storedMembers(file, link, owner, generation)
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
      const member = resolved.get(id)
      if (member && edit.op === 'remove') members.delete(member.handle)
      else if (member) members.set(member.handle, member)
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
  return { diff: { link, added, removed }, members: [...members.values()] }
}

async function storedMembers(
  file: TenantFile,
  link: Link,
  owner: Place,
  generation: number,
): Promise<Map<number, Member>> {
  const { forward } = linkFileOf(file, link)
  const { start, end } = memberRange(owner.handle, generation)
  const stored = new Map<number, Member>()
  for (let from = start; ; ) {
    const keys = [...forward.getKeys({ start: from, end, limit: SLICE_COUNT })]
    for (const key of keys) {
      const member = memberIn(key)
      stored.set(member.handle, member)
    }
    const last = keys.at(-1)
    if (!last || keys.length < SLICE_COUNT) return stored
    from = after(last)
    await nextTurn()
  }
}

/** Writes all members under a new generation, and the journal's chunks, in slices. */
async function writeGeneration(
  file: TenantFile,
  link: Link,
  owner: Place,
  members: readonly Member[],
  diff: LinkDiff,
): Promise<NonNullable<Prepared['generation']>> {
  const { forward, reverse } = linkFileOf(file, link)
  const empty = Buffer.alloc(0)
  // What removes all this again is on disk before any of it, should the process end in between.
  const { generation, set, sweeps } = await file.environment.transaction(() => {
    const counters = readCounters(file.meta)
    const generation = counters.generation++
    const set = counters.generation++
    writeCounters(file.meta, counters)
    const sweeps = [
      sweepKey({ link: link.name, owner: owner.handle, generation }),
      sweepKey({ chunks: set }),
    ]
    for (const key of sweeps) {
      file.building.add(String(key))
      file.sweeps.put(key, empty)
    }
    return { generation, set, sweeps }
  })
  for (let at = 0; at < members.length; at += SLICE_COUNT) {
    const slice = members.slice(at, at + SLICE_COUNT)
    await file.environment.transaction(() => {
      for (const { type, handle } of slice) {
        forward.put(forwardKey(owner.handle, generation, type, handle), empty)
        reverse.put(reverseKey(type, handle, owner.handle, generation), empty)
      }
    })
  }
  const ids = (changed: readonly LinkedMember[]) => changed.map(({ id }) => id)
  const chunks = chunksOf(ids(diff.added), ids(diff.removed))
  for (const [index, chunk] of chunks.entries()) {
    await file.environment.transaction(() => writeChunk(file, set, index + 1, chunk))
  }
  const journal = {
    link: link.attribute.name,
    added: [],
    removed: [],
    chunks: { set, count: chunks.length },
  }
  return { number: generation, journal, sweeps }
}
