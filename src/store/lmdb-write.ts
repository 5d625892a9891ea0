/** Carries changes out: reads what is there, lets them decide on it, compares, and then writes. */

import { displayOf, documentOf, textOf } from '../scim/document.ts'
import { entriesOf } from '../scim/entries.ts'
import { ScimError } from '../scim/error.ts'
import { JOURNAL_CHUNK_COUNT, LINKS_PER_COMMIT_MAX, RESOURCE_BYTES_MAX } from '../scim/limits.ts'
import type { ResourceType } from '../scim/registry.ts'
import type { Document } from '../scim/resource.ts'
import {
  type EntryDiff,
  entryDiff,
  moveLastModified,
  requireUnique,
  writeEntries,
} from './lmdb-entries.ts'
import {
  append,
  type ChunkPlace,
  type Counters,
  dropFromChunk,
  type LinkIds,
  readCounters,
  writeCounters,
} from './lmdb-journal.ts'
import { forwardKey, idKey, reverseKey } from './lmdb-keys.ts'
import { diffLinks, type LinkDiff, TooManyLinks } from './lmdb-link-diff.ts'
import { sweepKey } from './lmdb-links.ts'
import { noteOwners } from './lmdb-owners.ts'
import {
  decodeHeader,
  encodeRecord,
  generationOf,
  lastModifiedOf,
  type RecordFields,
  touchedRecord,
} from './lmdb-record.ts'
import {
  linkFileOf,
  type Place,
  placeOf,
  recordAt,
  type TenantFile,
  type TypeFile,
  typeFileOf,
} from './lmdb-tenant.ts'
import type { Change, Committed, Current, Header, JournalEntry, Origin, Stored } from './store.ts'

/** A change that has been decided and compared, and that nothing refuses any more. */
interface Staged {
  readonly change: Change
  readonly type: TypeFile
  readonly handle: number
  readonly current: Stored | undefined
  readonly before: Document
  /** What to write; undefined for a deletion. */
  readonly next: RecordFields | undefined
  readonly after: Document
  readonly entries: EntryDiff
  readonly links: readonly LinkDiff[]
  readonly skipped: readonly string[]
  readonly prepared: Prepared | undefined
}

/** A large change of links, worked out and mostly written beforehand (lmdb-large.ts). */
export interface Prepared {
  /** The state that it was worked out on. */
  readonly base: Stored | undefined
  /** The handle set aside for a resource that is being created. */
  readonly handle: number
  /** Differences that are left for the commit to write. */
  readonly diffs: readonly LinkDiff[]
  /** Ids that were asked for and are not linked to. */
  readonly skipped: readonly string[]
  /** What was deleted meanwhile: a link to it may have been written after its links were swept. */
  readonly departed: readonly Place[]
  /** Set when all links were written as a new generation, to be switched to. */
  readonly generation?: {
    readonly number: number
    readonly journal: readonly LinkIds[]
    /** Where the journal's chunks tell of an added member, by its handle; a map for each link. */
    readonly told: readonly ReadonlyMap<number, ChunkPlace>[]
    /** What removes the new generation if it is given up; taken back by the commit. */
    readonly sweeps: readonly Buffer[]
  }
}

/** The resource is no longer as it was when a large change was worked out: work it out again. */
export class Stale extends Error {
  override readonly name = 'Stale'
}

/** What the changes of one commit have already staged, for those that come after them. */
interface Overlay {
  readonly created: Map<string, Place>
  readonly unique: Map<string, number>
}

/**
 * Applies all changes, or throws and has written nothing. Runs within a write transaction and is
 * synchronous: whatever were awaited here would run inside the transaction. Each change is decided
 * on the state before the first of them; only links may be to what others of them create.
 *
 * @throws ScimError whatever the decisions throw, and 409 uniqueness
 * @throws TooManyLinks when a change touches more links than one transaction should
 */
export function applyChanges(
  file: TenantFile,
  changes: readonly Change[],
  origin: Origin,
  prepared?: Prepared,
): Committed[] {
  const counters = readCounters(file.meta)
  const overlay: Overlay = { created: new Map(), unique: new Map() }
  if (new Set(changes.map(({ id }) => id)).size < changes.length) {
    throw new Error('one commit changes the same resource twice')
  }
  // Ids first, so that changes of one commit can link to each other in a circle.
  for (const change of changes) {
    if (change.operation !== 'create') continue
    const type = typeFileOf(file, change.type)
    overlay.created.set(change.id, { file: type, handle: prepared?.handle ?? counters.handle++ })
  }
  const staged = changes.map((change) => stage(file, change, origin, overlay, prepared))
  // Deletions last: they give a new version to owners that others of these changes may write.
  const ordered = [...staged].sort((left, right) => Number(!left.next) - Number(!right.next))
  const committed = new Map(ordered.map((one) => [one, write(file, one, counters, origin)]))
  const results = staged.flatMap((one) => committed.get(one) ?? [])
  if (results.some(({ changed }) => changed)) writeCounters(file.meta, counters)
  return results
}

function stage(
  file: TenantFile,
  change: Change,
  origin: Origin,
  overlay: Overlay,
  prepared: Prepared | undefined,
): Staged {
  const { id, type } = change
  const typeFile = typeFileOf(file, type)
  const created = overlay.created.get(id)
  const known = created ? undefined : placeOf(file, id)
  // Of a type that is not served at present there is an id, but no place.
  if (created && file.ids.doesExist(idKey(id))) throw new Error(`the id ${id} is taken`)
  const place = created ?? (known?.file === typeFile ? known : undefined)
  const current = !created && place ? recordAt(place) : undefined
  if (prepared) requireFresh(file, prepared, current)
  const before = current ? documentOf(current.text, current.hidden) : {}
  const decision = change.decide(current && currentOf(current))
  if (!place || !(created || current)) {
    throw new Error(`the decision on ${id} passed over that there is no such ${type.name}`)
  }
  const oldEntries = current ? entriesOf(type, before, current.lastModified) : []
  const shared = { change, type: typeFile, handle: place.handle, current, before, prepared }
  if (!decision) {
    if (!current) throw new Error(`the decision creates ${id} and deletes it`)
    const entries = { added: [], removed: oldEntries }
    return { ...shared, next: undefined, after: {}, links: [], skipped: [], entries }
  }

  const { links, skipped } = prepared
    ? { links: diffsLeft(prepared), skipped: prepared.skipped }
    : diffLinks(file, place, current, decision.links, overlay.created)
  const touched = links.reduce((sum, diff) => sum + diff.added.length + diff.removed.length, 0)
  if (touched > LINKS_PER_COMMIT_MAX) throw new TooManyLinks()
  const fields = sizedText(type, id, decision.document)
  if (fields.size > RESOURCE_BYTES_MAX) {
    const detail = `the ${type.name} has ${fields.size} bytes, expected at most ${RESOURCE_BYTES_MAX}`
    throw ScimError.status(413, detail)
  }
  const lastModified = Math.max(origin.time, current?.lastModified ?? 0)
  const entries = entryDiff(oldEntries, entriesOf(type, decision.document, lastModified))
  requireUnique(file, typeFile, place.handle, entries.added, overlay.unique)
  const next: RecordFields = {
    id,
    ...fields,
    version: (current?.version ?? 0) + 1,
    created: current?.created ?? origin.time,
    lastModified,
    generation: prepared?.generation?.number ?? current?.generation ?? 0,
    display: displayOf(type, decision.document),
  }
  return { ...shared, next, after: decision.document, entries, links, skipped }
}

/** A resource as a decision sees it: a document of its own, which it may change. */
export const currentOf = (stored: Stored): Current => ({
  version: stored.version,
  document: documentOf(stored.text, stored.hidden),
})

/**
 * @throws Stale when the resource has changed since, or when another process, which takes a
 *   generation that is being written for one that was given up, has begun to sweep it
 */
function requireFresh(file: TenantFile, prepared: Prepared, current: Stored | undefined): void {
  const sweeps = prepared.generation?.sweeps ?? []
  const isSwept = sweeps.some((key) => file.sweeps.getBinary(key)?.length !== 0)
  if (isSwept || !isSameState(prepared.base, current)) throw new Stale()
}

/** The differences without links to what was deleted since they were worked out. */
function diffsLeft({ diffs, departed }: Prepared): readonly LinkDiff[] {
  if (departed.length === 0) return diffs
  const gone = new Set(departed.filter(isGone).map(({ handle }) => handle))
  return diffs.map((diff) => ({
    ...diff,
    added: diff.added.filter(({ handle }) => !gone.has(handle)),
  }))
}

/** A deletion is noted before it is on disk, and may have failed. */
const isGone = ({ file, handle }: Place): boolean => !file.records.doesExist(handle)

/** A deletion of a member moves the version of its owners; what they hold stays the same. */
const isSameState = (base: Stored | undefined, current: Stored | undefined): boolean =>
  base === undefined || current === undefined
    ? base === current
    : base.generation === current.generation &&
      base.text === current.text &&
      base.hidden === current.hidden

function write(file: TenantFile, staged: Staged, counters: Counters, origin: Origin): Committed {
  const { change, type, handle, current, next, prepared } = staged
  if (!next) return remove(file, staged, counters, origin)
  const generation = prepared?.generation
  const hasLinks = ({ added, removed }: LinkDiff) => added.length + removed.length > 0
  const linksDiffer = staged.links.some(hasLinks) || generation !== undefined
  if (current && !linksDiffer && current.text === next.text && current.hidden === next.hidden) {
    return { stored: current, changed: false }
  }
  type.records.put(handle, encodeRecord(next))
  if (!current) file.ids.put(idKey(change.id), placeBytes(type.number, handle))
  writeEntries(type, handle, staged.entries)
  for (const diff of staged.links) writeLinks(file, handle, next.generation, diff)
  if (prepared && generation) switchTo(file, staged, prepared)
  const nests = ({ link, added, removed }: LinkDiff) =>
    [...added, ...removed].some((member) => file.types.get(link.owner)?.number === member.type)
  if (type.type.links.length > 0) {
    noteOwners(file, generation !== undefined || staged.links.some(nests))
  }
  append(
    file,
    counters,
    {
      operation: change.operation,
      type: type.type,
      id: change.id,
      version: next.version,
      before: staged.before,
      after: staged.after,
      links: generation?.journal ?? staged.links.filter(hasLinks).map(linkIdsOf),
      skipped: staged.skipped.slice(0, JOURNAL_CHUNK_COUNT),
      left: [],
    },
    origin,
  )
  return { stored: { type: type.type, handle, ...next }, changed: true }
}

/** Leaves the new generation of links alone, and the one before it to be swept. */
function switchTo(file: TenantFile, staged: Staged, { generation, departed }: Prepared): void {
  const { type, handle, current } = staged
  for (const key of generation?.sweeps ?? []) file.sweeps.remove(key)
  for (const { name } of type.type.links) {
    if (current) {
      const { generation: old } = current
      file.sweeps.put(sweepKey({ link: name, owner: handle, generation: old }), PLAIN)
    }
    for (const { file: memberType, handle: member } of departed.filter(isGone)) {
      file.sweeps.put(sweepKey({ link: name, member, type: memberType.number }), PLAIN)
    }
  }
  for (const told of generation?.told ?? []) {
    for (const place of departed.filter(isGone)) {
      const at = told.get(place.handle)
      // The journal has told of the deletion already, and is not to tell of an addition after it.
      if (at) dropFromChunk(file, at)
    }
  }
}

/** The stored text of a document, and how long it is. */
export function sizedText(type: ResourceType, id: string, document: Document) {
  const { text, hidden } = textOf(type, id, document)
  return { text, hidden, size: Buffer.byteLength(text) + Buffer.byteLength(hidden) }
}

function placeBytes(type: number, handle: number): Buffer {
  const bytes = Buffer.allocUnsafe(6)
  bytes.writeUInt16BE(type, 0)
  bytes.writeUInt32BE(handle, 2)
  return bytes
}

const PLAIN = Buffer.alloc(0)

function writeLinks(file: TenantFile, owner: number, generation: number, diff: LinkDiff): void {
  const { forward, reverse } = linkFileOf(file, diff.link)
  for (const { type, handle } of diff.added) {
    forward.put(forwardKey(owner, generation, type, handle), PLAIN)
    reverse.put(reverseKey(type, handle, owner, generation), PLAIN)
  }
  for (const { type, handle } of diff.removed) {
    forward.remove(forwardKey(owner, generation, type, handle))
    reverse.remove(reverseKey(type, handle, owner, generation))
  }
}

const linkIdsOf = (diff: LinkDiff): LinkIds => ({
  link: diff.link.attribute.name,
  added: diff.added.map(({ id }) => id),
  removed: diff.removed.map(({ id }) => id),
})

/** Hides the record, keeps it as a tombstone, and gives each owner that loses it a new version. */
function remove(file: TenantFile, staged: Staged, counters: Counters, origin: Origin): Committed {
  const { change, type, handle } = staged
  // Another deletion of this commit may have given it a new version since it was staged.
  const record = type.records.getBinary(handle)
  if (!record) throw new Error(`${change.id} went away while it was being deleted`)
  const { version, lastModified } = decodeHeader(record, type.type, handle)
  const stamp = Buffer.allocUnsafe(10)
  stamp.writeDoubleBE(origin.time, 0)
  stamp.writeUInt16BE(type.number, 8)
  file.tombstones.put(handle, Buffer.concat([stamp, record]))
  type.records.remove(handle)
  const removed = entriesOf(type.type, staged.before, lastModified)
  writeEntries(type, handle, { added: [], removed })
  for (const departed of file.departures) departed.push({ file: type, handle })

  /** By handle: who holds it by two links gets one new version. */
  const left = new Map<number, JournalEntry['left'][number]>()
  for (const [name, { link, forward, reverse }] of file.links) {
    if (link.owner === type.type.name) {
      for (const _key of forward.getKeys({
        start: forwardKey(handle, 0, 0, 0),
        end: forwardKey(handle + 1, 0, 0, 0),
        limit: 1,
      })) {
        file.sweeps.put(sweepKey({ link: name, owner: handle }), PLAIN)
      }
    }
    const range = {
      start: reverseKey(type.number, handle, 0, 0),
      end: reverseKey(type.number, handle + 1, 0, 0),
    }
    const owners = [...reverse.getKeys(range)]
    if (owners.length === 0) continue
    file.sweeps.put(sweepKey({ link: name, member: handle, type: type.number }), PLAIN)
    const ownerType = file.types.get(link.owner)
    for (const key of owners) {
      const owner = key.readUInt32BE(6)
      if (!ownerType || left.has(owner)) continue
      const header = touch(ownerType, owner, key.readUInt32BE(10), origin)
      if (header) left.set(owner, { type: link.owner, id: header.id, version: header.version })
    }
  }
  const isOwner = type.type.links.length > 0
  if (isOwner || left.size > 0) noteOwners(file, isOwner)
  append(
    file,
    counters,
    {
      operation: change.operation,
      type: type.type,
      id: change.id,
      version: version + 1,
      before: staged.before,
      after: {},
      links: [],
      skipped: [],
      left: [...left.values()],
    },
    origin,
  )
  return { stored: undefined, changed: true }
}

/** Gives a resource a new version, as one of its links went away. */
function touch(
  type: TypeFile,
  handle: number,
  generation: number,
  origin: Origin,
): Header | undefined {
  const bytes = type.records.getBinary(handle)
  if (!bytes || generationOf(bytes) !== generation) return undefined
  const before = lastModifiedOf(bytes)
  const lastModified = Math.max(origin.time, before)
  const touched = touchedRecord(bytes, lastModified)
  type.records.put(handle, touched)
  moveLastModified(type, handle, before, lastModified)
  return decodeHeader(touched, type.type, handle)
}
