/** Carries changes out: gathers facts, lets them decide, compares, and only then writes. */

import { displayOf, documentOf, textOf } from '../scim/document.ts'
import { type Entry, entriesOf } from '../scim/entries.ts'
import { ScimError } from '../scim/error.ts'
import { LINKS_PER_COMMIT_MAX, RESOURCE_BYTES_MAX } from '../scim/limits.ts'
import type { AttributePath, Link } from '../scim/registry.ts'
import type { Document } from '../scim/resource.ts'
import { append, type Counters, type LinkIds, readCounters, writeCounters } from './lmdb-journal.ts'
import {
  entryKey,
  forwardKey,
  handleOf,
  idKey,
  reverseKey,
  valueEnd,
  valueKey,
} from './lmdb-keys.ts'
import { diffLinks, type LinkDiff, TooManyLinks } from './lmdb-link-diff.ts'
import { sweepKey } from './lmdb-links.ts'
import {
  decodeHeader,
  decodeRecord,
  encodeRecord,
  generationOf,
  type RecordFields,
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
import type {
  Change,
  Committed,
  Current,
  Facts,
  Header,
  JournalEntry,
  Origin,
  Stored,
} from './store.ts'

const NOTHING = new Uint8Array(0)
const encoder = new TextEncoder()

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
  readonly link: Link
  /** The state that it was worked out on. */
  readonly base: Stored | undefined
  /** The handle set aside for a resource that is being created. */
  readonly handle: number
  /** Differences that are left for the commit to write. */
  readonly diffs: readonly LinkDiff[]
  /** Set when all links were written as a new generation, to be switched to. */
  readonly generation?: {
    readonly number: number
    readonly journal: LinkIds
    /** What removes the new generation if it is given up; taken back by the commit. */
    readonly sweeps: readonly Buffer[]
  }
}

/** The resource is no longer as it was when a large change was worked out: work it out again. */
export class Stale extends Error {
  override readonly name = 'Stale'
}

interface EntryDiff {
  readonly added: readonly Entry[]
  readonly removed: readonly Entry[]
}

/** What the changes of one commit have already staged, for those that come after them. */
interface Overlay {
  readonly created: Map<string, Place>
  readonly unique: Map<string, number>
}

/**
 * Applies all changes, or throws and has written nothing. Runs within a write transaction and is
 * synchronous: whatever were awaited here would run inside the transaction.
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
  // Ids first, so that changes of one commit can link to each other in a circle.
  for (const change of changes) {
    if (change.operation !== 'create') continue
    const type = typeFileOf(file, change.type)
    overlay.created.set(change.id, { file: type, handle: prepared?.handle ?? counters.handle++ })
  }
  const staged = changes.map((change) => stage(file, change, origin, overlay, prepared))
  const committed = staged.map((one) => write(file, one, counters, origin))
  if (committed.some(({ changed }) => changed)) writeCounters(file.meta, counters)
  return committed
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
  const known = placeOf(file, id)
  const created = overlay.created.get(id)
  if (created && known) throw new Error(`the id ${id} is taken`)
  const place = created ?? (known?.file === typeFile ? known : undefined)
  const current = !created && place ? recordAt(place) : undefined
  if (prepared && !isSameState(prepared.base, current)) throw new Stale()
  const before = current ? documentOf(current.text, current.hidden) : {}
  const decision = change.decide(current && currentOf(current), factsOf(file, overlay))
  if (!place)
    throw new Error(`the decision on ${id} passed over that there is no such ${type.name}`)
  const oldEntries = current ? entriesOf(type, before, current.lastModified) : []
  const shared = { change, type: typeFile, handle: place.handle, current, before, prepared }
  if (!decision) {
    return {
      ...shared,
      next: undefined,
      after: {},
      links: [],
      skipped: [],
      entries: { added: [], removed: oldEntries },
    }
  }

  const links = prepared?.diffs ?? diffLinks(file, place, current, decision.links, overlay.created)
  const touched = links.reduce((sum, diff) => sum + diff.added.length + diff.removed.length, 0)
  if (touched > LINKS_PER_COMMIT_MAX) throw new TooManyLinks()
  const { text, hidden } = textOf(type, id, decision.document)
  const fields = {
    text: encoder.encode(text),
    hidden: hidden === '' ? NOTHING : encoder.encode(hidden),
  }
  const size = fields.text.length + fields.hidden.length
  if (size > RESOURCE_BYTES_MAX) {
    const detail = `the ${type.name} has ${size} bytes, expected at most ${RESOURCE_BYTES_MAX}`
    throw ScimError.status(413, detail)
  }
  const lastModified = Math.max(origin.time, current?.lastModified ?? 0)
  const entries = entryDiff(oldEntries, entriesOf(type, decision.document, lastModified))
  requireUnique(file, typeFile, place.handle, entries.added, overlay)
  const next: RecordFields = {
    id,
    ...fields,
    version: (current?.version ?? 0) + 1,
    created: current?.created ?? origin.time,
    lastModified,
    generation: prepared?.generation?.number ?? current?.generation ?? 0,
    display: displayOf(type, decision.document),
  }
  const { document, skipped = [] } = decision
  return { ...shared, next, after: document, entries, links, skipped }
}

/** A resource as a decision sees it: a document of its own, which it may change. */
export const currentOf = (stored: Stored): Current => ({
  version: stored.version,
  document: documentOf(stored.text, stored.hidden),
})

/** A deletion of a member moves the version of its owners; what they hold stays the same. */
const isSameState = (base: Stored | undefined, current: Stored | undefined): boolean =>
  base === undefined || current === undefined
    ? base === current
    : base.generation === current.generation &&
      sameBytes(base.text, current.text) &&
      sameBytes(base.hidden, current.hidden)

const factsOf = (file: TenantFile, overlay: Overlay): Facts => ({
  typeOf(id) {
    const created = overlay.created.get(id)
    if (created) return created.file.type.name
    const place = placeOf(file, id)
    return place?.file.records.doesExist(place.handle) ? place.file.type.name : undefined
  },
})

function entryDiff(before: readonly Entry[], after: readonly Entry[]): EntryDiff {
  const same = (left: Entry, right: Entry) =>
    left.path === right.path && left.key === right.key && left.sorts === right.sorts
  return {
    added: after.filter((entry) => !before.some((old) => same(old, entry))),
    removed: before.filter((entry) => !after.some((next) => same(next, entry))),
  }
}

/** RFC 7643 section 7: uniqueness "server", and what the tenant keeps unique beside it. */
function requireUnique(
  file: TenantFile,
  type: TypeFile,
  handle: number,
  added: readonly Entry[],
  overlay: Overlay,
): void {
  for (const { path, key } of added) {
    const asked =
      path.leaf.uniqueness === 'server' ||
      (file.rules.uniqueNames && type.type.unique.includes(path))
    if (!asked) continue
    const name = `${type.number}/${path.text}/${String(key)}`
    const staged = overlay.unique.get(name)
    const other =
      staged !== undefined && staged !== handle ? staged : holderOf(type, path, key, handle)
    if (other !== undefined) {
      throw ScimError.of(
        'uniqueness',
        `${path.text}: another ${type.type.name} has this value already`,
      )
    }
    overlay.unique.set(name, handle)
  }
}

/** A resource other than this one that has the value. */
function holderOf(
  type: TypeFile,
  path: AttributePath,
  key: Entry['key'],
  handle: number,
): number | undefined {
  const index = type.indexes.find((candidate) => candidate.path.text === path.text)
  const range = { start: valueKey(key), end: valueEnd(key), limit: 2 }
  for (const found of index?.entries.getKeys(range) ?? []) {
    if (handleOf(found) !== handle) return handleOf(found)
  }
  return undefined
}

function write(file: TenantFile, staged: Staged, counters: Counters, origin: Origin): Committed {
  const { change, type, handle, current, next, prepared } = staged
  if (!next) return remove(file, staged, counters, origin)
  const generation = prepared?.generation
  const linksDiffer = staged.links.length > 0 || generation !== undefined
  if (
    current &&
    !linksDiffer &&
    sameBytes(current.text, next.text) &&
    sameBytes(current.hidden, next.hidden)
  ) {
    return { stored: current, changed: false }
  }
  const record = encodeRecord(next)
  type.records.put(handle, record)
  if (!current) file.ids.put(idKey(change.id), placeBytes(type.number, handle))
  writeEntries(type, handle, staged.entries)
  for (const diff of staged.links) writeLinks(file, handle, next.generation, diff)
  if (prepared && generation) {
    for (const key of generation.sweeps) file.sweeps.remove(key)
    // The generation before this one is nobody's any more.
    const old = { link: prepared.link.name, owner: handle, generation: current?.generation ?? 0 }
    if (current) file.sweeps.put(sweepKey(old), PLAIN)
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
      links: generation ? [generation.journal] : staged.links.map(linkIdsOf),
      skipped: staged.skipped,
      left: [],
    },
    origin,
  )
  return { stored: decodeRecord(record, type.type, handle), changed: true }
}

const sameBytes = (left: Uint8Array, right: Uint8Array): boolean =>
  Buffer.compare(left, right) === 0

function placeBytes(type: number, handle: number): Buffer {
  const bytes = Buffer.allocUnsafe(6)
  bytes.writeUInt16BE(type, 0)
  bytes.writeUInt32BE(handle, 2)
  return bytes
}

const SORTS = Buffer.from([1])
const PLAIN = Buffer.alloc(0)

export function writeEntries(type: TypeFile, handle: number, { added, removed }: EntryDiff): void {
  for (const { path, entries } of type.indexes) {
    for (const entry of removed) {
      if (entry.path.text === path.text) entries.remove(entryKey(valueKey(entry.key), handle))
    }
    for (const entry of added) {
      if (entry.path.text !== path.text) continue
      entries.put(entryKey(valueKey(entry.key), handle), entry.sorts ? SORTS : PLAIN)
    }
  }
}

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
  const { change, type, handle, current } = staged
  if (!current) throw new Error(`the decision deletes ${change.id}, which does not exist`)
  const record = type.records.getBinary(handle)
  const stamp = Buffer.allocUnsafe(10)
  stamp.writeDoubleBE(origin.time, 0)
  stamp.writeUInt16BE(type.number, 8)
  file.tombstones.put(handle, Buffer.concat([stamp, record ?? Buffer.alloc(0)]))
  type.records.remove(handle)
  writeEntries(type, handle, staged.entries)

  const left: JournalEntry['left'][number][] = []
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
      const header =
        ownerType && touch(ownerType, key.readUInt32BE(6), key.readUInt32BE(10), origin)
      if (header) left.push({ type: link.owner, id: header.id, version: header.version })
    }
  }
  append(
    file,
    counters,
    {
      operation: change.operation,
      type: type.type,
      id: change.id,
      version: current.version + 1,
      before: staged.before,
      after: {},
      links: [],
      skipped: [],
      left,
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
  const record = decodeRecord(bytes, type.type, handle)
  const lastModified = Math.max(origin.time, record.lastModified)
  const touched = encodeRecord({ ...record, version: record.version + 1, lastModified })
  type.records.put(handle, touched)
  const index = type.indexes.find(({ path }) => path.text === 'meta.lastModified')
  if (index && lastModified !== record.lastModified) {
    index.entries.remove(entryKey(valueKey(record.lastModified), handle))
    index.entries.put(entryKey(valueKey(lastModified), handle), SORTS)
  }
  return decodeHeader(touched, type.type, handle)
}
