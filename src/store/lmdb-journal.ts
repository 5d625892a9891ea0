/** Appends what changed to the journal, in the transaction of the change, and reads it back. */

import { hash } from 'node:crypto'
import { knownPart } from '../scim/concealed.ts'
import type { JsonValue } from '../scim/json.ts'
import { JOURNAL_CHUNK_COUNT } from '../scim/limits.ts'
import type { ResourceType } from '../scim/registry.ts'
import type { Document } from '../scim/resource.ts'
import type { Attribute } from '../scim/schema.ts'
import { isJsonObject, type JsonObject, sameValue } from '../scim/value.ts'
import type { Bytes } from './lmdb-file.ts'
import { pairKey } from './lmdb-keys.ts'
import type { TenantFile } from './lmdb-tenant.ts'
import type { JournalEntry, LinkChange, Operation, Origin } from './store.ts'

/** What is counted within a tenant, kept in one record that each commit reads and writes once. */
export interface Counters {
  /** The handle that the next resource gets. */
  handle: number
  /** The number that the next generation of links, or set of journal chunks, gets. */
  generation: number
  /** The sequence number of the last journal entry. */
  sequence: number
  /** SHA-256 of the last journal entry. */
  hash: Buffer
}

const COUNTERS = Buffer.from('counters')

export function readCounters(meta: Bytes): Counters {
  const bytes = meta.getBinaryFast(COUNTERS)
  if (!bytes) return { handle: 1, generation: 1, sequence: 0, hash: Buffer.alloc(32) }
  return {
    handle: bytes.readUInt32BE(0),
    generation: bytes.readUInt32BE(4),
    sequence: bytes.readDoubleBE(8),
    hash: Buffer.from(bytes.subarray(16, 48)),
  }
}

export function writeCounters(meta: Bytes, counters: Counters): void {
  const bytes = Buffer.allocUnsafe(48)
  bytes.writeUInt32BE(counters.handle, 0)
  bytes.writeUInt32BE(counters.generation, 4)
  bytes.writeDoubleBE(counters.sequence, 8)
  counters.hash.copy(bytes, 16)
  meta.put(COUNTERS, bytes)
}

/** Sequence numbers outgrow four bytes within weeks of heavy use; six are enough for ever. */
function sequenceKey(sequence: number): Buffer {
  const key = Buffer.allocUnsafe(6)
  key.writeUIntBE(sequence, 0, 6)
  return key
}

/** Ids added to and removed from one link attribute. */
export interface LinkIds {
  readonly link: string
  readonly added: readonly string[]
  readonly removed: readonly string[]
  /** Set when the ids were written as chunks beforehand. */
  readonly chunks?: ChunkSet
}

export interface ChunkSet {
  readonly set: number
  readonly count: number
}

export interface Appended {
  readonly operation: Operation
  readonly type: ResourceType
  readonly id: string
  readonly version: number
  readonly before: Document
  readonly after: Document
  readonly links: readonly LinkIds[]
  readonly skipped: readonly string[]
  readonly left: JournalEntry['left']
}

/** An entry as it is stored: what its readers get, and where its further chunks are. */
type StoredEntry = Omit<JournalEntry, 'sequence' | 'links'> & {
  readonly links: Readonly<Record<string, LinkChange & { readonly set?: number }>>
}

/** Appends one entry. Runs within the transaction of the change. */
export function append(
  file: TenantFile,
  counters: Counters,
  appended: Appended,
  origin: Origin,
): void {
  const { operation, type, id, version, left } = appended
  const { before, after: next, secrets } = difference(type, appended.before, appended.after)
  const entry: StoredEntry = {
    epoch: file.epoch,
    time: new Date(origin.time).toISOString(),
    actor: origin.actor,
    address: origin.address,
    requestId: origin.requestId,
    operation,
    type: type.name,
    id,
    version,
    before,
    after: next,
    secrets,
    links: Object.fromEntries(
      appended.links.map((change) => [change.link, linkEntry(file, counters, change)]),
    ),
    skipped: appended.skipped,
    left,
    previous: counters.hash.toString('hex'),
  }
  const bytes = Buffer.from(JSON.stringify(entry))
  counters.sequence += 1
  counters.hash = hash('sha256', bytes, 'buffer')
  file.journal.put(sequenceKey(counters.sequence), bytes)
}

function linkEntry(file: TenantFile, counters: Counters, change: LinkIds) {
  if (change.chunks) {
    return { added: [], removed: [], chunks: change.chunks.count, set: change.chunks.set }
  }
  const { added, removed } = change
  if (added.length + removed.length <= JOURNAL_CHUNK_COUNT) return { added, removed, chunks: 0 }
  const set = counters.generation++
  const chunks = chunksOf(added, removed)
  for (const [index, chunk] of chunks.entries()) writeChunk(file, set, index + 1, chunk)
  return { added: [], removed: [], chunks: chunks.length, set }
}

/** Cuts added and removed ids into chunks of JOURNAL_CHUNK_COUNT. */
export function chunksOf(added: readonly string[], removed: readonly string[]): LinkChange[] {
  const chunks: LinkChange[] = []
  for (let at = 0; at < added.length; at += JOURNAL_CHUNK_COUNT) {
    chunks.push({ added: added.slice(at, at + JOURNAL_CHUNK_COUNT), removed: [], chunks: 0 })
  }
  for (let at = 0; at < removed.length; at += JOURNAL_CHUNK_COUNT) {
    chunks.push({ added: [], removed: removed.slice(at, at + JOURNAL_CHUNK_COUNT), chunks: 0 })
  }
  return chunks
}

export function writeChunk(file: TenantFile, set: number, chunk: number, change: LinkChange): void {
  const { added, removed } = change
  file.chunks.put(pairKey(set, chunk), Buffer.from(JSON.stringify({ added, removed })))
}

/** Which chunk tells that an id was added. */
export interface ChunkPlace {
  readonly set: number
  readonly chunk: number
  readonly id: string
}

/** Takes an added id out of a chunk that was written beforehand. */
export function dropFromChunk(file: TenantFile, { set, chunk, id }: ChunkPlace): void {
  const written = file.chunks.getBinary(pairKey(set, chunk))
  if (!written) return
  const change = JSON.parse(String(written)) as LinkChange
  writeChunk(file, set, chunk, { ...change, added: change.added.filter((added) => added !== id) })
}

/** The attributes that differ, as they were and as they are; those never returned by name alone. */
function difference(type: ResourceType, whole: Document, next: Document) {
  const before = knownPart(type, whole)
  const after = knownPart(type, next)
  const was: Document = {}
  const is: Document = {}
  const secrets: string[] = []
  for (const name of namesIn(before, after)) {
    if (sameValue(before[name], after[name])) continue
    const attribute = type.attributes.get(name.toLowerCase())
    const extension = type.extensions.find(({ schema }) => schema.id === name)?.schema
    const subs = extension?.byName ?? attribute?.subs
    const left = told(subs, before[name])
    const right = told(subs, after[name])
    const isSecret = attribute?.returned === 'never'
    if (isSecret || sameValue(left, right)) {
      secrets.push(name)
      continue
    }
    if (left !== undefined) was[name] = left
    if (right !== undefined) is[name] = right
  }
  return { before: was, after: is, secrets }
}

function namesIn(before: Document, after: Document): Iterable<string> {
  const names = Object.keys(after)
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) names.push(name)
  return names
}

const secretive = new WeakMap<ReadonlyMap<string, Attribute>, boolean>()

/** Whether any of these attributes is never returned, at whatever depth. */
function hasSecrets(subs: ReadonlyMap<string, Attribute>): boolean {
  const known = secretive.get(subs)
  if (known !== undefined) return known
  const found = [...subs.values()].some(
    (attribute) => attribute.returned === 'never' || hasSecrets(attribute.subs),
  )
  secretive.set(subs, found)
  return found
}

/** A value without what is never returned, at whatever depth; undefined when nothing is left. */
function told(
  subs: ReadonlyMap<string, Attribute> | undefined,
  value: JsonValue | undefined,
): JsonValue | undefined {
  if (!subs || value === undefined || !hasSecrets(subs)) return value
  if (Array.isArray(value)) return value.flatMap((element) => told(subs, element) ?? [])
  if (!isJsonObject(value)) return value
  const kept: JsonObject = {}
  for (const [name, held] of Object.entries(value)) {
    const attribute = subs.get(name.toLowerCase())
    const shown = attribute?.returned === 'never' ? undefined : told(attribute?.subs, held)
    if (shown !== undefined) kept[name] = shown
  }
  return Object.keys(kept).length > 0 ? kept : undefined
}

export function readJournal(
  file: TenantFile,
  afterSequence: number,
  countMax: number,
): JournalEntry[] {
  const range = {
    start: sequenceKey(afterSequence + 1),
    end: Buffer.alloc(7, 0xff),
    limit: countMax,
  }
  return [...file.journal.getRange(range)].map(({ key, value }) => {
    const { links, ...entry } = JSON.parse(String(value)) as StoredEntry
    return {
      sequence: key.readUIntBE(0, 6),
      ...entry,
      links: Object.fromEntries(
        Object.entries(links).map(([name, { added, removed, chunks }]) => [
          name,
          { added, removed, chunks },
        ]),
      ),
    }
  })
}

export function readChunk(
  file: TenantFile,
  sequence: number,
  link: string,
  chunk: number,
): LinkChange | undefined {
  const bytes = file.journal.getBinary(sequenceKey(sequence))
  const set = bytes && (JSON.parse(String(bytes)) as StoredEntry).links[link]?.set
  if (set === undefined) return undefined
  const written = file.chunks.getBinary(pairKey(set, chunk))
  return written && { ...(JSON.parse(String(written)) as LinkChange), chunks: 0 }
}

/**
 * Whether the hash of each entry is what the next one says, and that of the last what the counters
 * say: nothing was altered or taken out, but at the beginning, where old entries are purged.
 *
 * @returns the sequence number at which it is not so
 */
export function verifyJournal(file: TenantFile): number | undefined {
  const { sequence, hash: head } = readCounters(file.meta)
  let expected: string | undefined
  let last = sequence
  for (const { key, value } of file.journal.getRange({ start: sequenceKey(0) })) {
    last = key.readUIntBE(0, 6)
    const { previous } = JSON.parse(String(value)) as StoredEntry
    if (expected !== undefined && previous !== expected) return last
    expected = hash('sha256', value, 'hex')
  }
  const isWhole = expected === undefined || expected === head.toString('hex')
  return isWhole && last === sequence ? undefined : last
}
