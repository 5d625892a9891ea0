/**
 * Turns a member into its owners, direct and indirect ones, and an owner into those below it.
 *
 * What was read of owners is remembered, within bounds. Nothing that is remembered is believed
 * before the file has confirmed it, as other processes write to it too: a header when the record
 * is still of its version, and who is nested in whom when no nesting has moved since.
 */

import type { Link } from '../scim/registry.ts'
import type { ByHandle, Bytes } from './lmdb-file.ts'
import { after, reverseKey } from './lmdb-keys.ts'
import { type Member, membersOf } from './lmdb-links.ts'
import { decodeHeader, generationOf, versionOf } from './lmdb-record.ts'
import {
  type LinkFile,
  linkFileOf,
  type Place,
  type TenantFile,
  type TypeFile,
} from './lmdb-tenant.ts'
import { nextTurn, type Pause } from './slices.ts'
import type { Header, Owner } from './store.ts'

/** Owners that the search for indirect ones goes through. */
const OWNERS_COUNT_MAX = 10_000
/** Owners that are read in one go. */
const BATCH_COUNT = 1000
/** Headers of owners that are remembered; then all are forgotten. */
const HEADERS_KEPT_MAX = 10_000
/** Nestings that are remembered; then all are forgotten. */
const NESTINGS_KEPT_MAX = 100_000

/** What is remembered of the owners by one link attribute. */
interface Memory {
  readonly headers: Map<number, Header>
  /** By an owner, the owners that it is nested in. */
  readonly above: Map<number, readonly number[]>
  /** How many nestings there are in `above`, one more for each owner in it. */
  count: number
  /** When `above` and `isNested` were true; undefined before anything was read. */
  mark: number | undefined
  /** Whether any owner is itself a member: most directories have no nested groups at all. */
  isNested: boolean
}

const memories = new WeakMap<LinkFile, Memory>()

function memoryOf(links: LinkFile): Memory {
  const known = memories.get(links)
  if (known) return known
  const fresh = { headers: new Map(), above: new Map(), count: 0, mark: undefined, isNested: false }
  memories.set(links, fresh)
  return fresh
}

/**
 * Direct owners, then those that own them, each once; cycles end. RFC 7643 section 4.1.2 (groups).
 * Not for use within a write transaction, which may yet come to nothing.
 */
export async function ownersOf(file: TenantFile, link: Link, member: Member): Promise<Owner[]> {
  const links = linkFileOf(file, link)
  const owners = file.types.get(link.owner)
  if (!owners) return []
  const memory = memoryOf(links)
  const found: Owner[] = []
  const { start, end } = ownersRange(member)
  for (let from = start; ; ) {
    const keys = [...links.reverse.getKeys({ start: from, end, limit: BATCH_COUNT })]
    for (const key of keys) {
      const fields = ownerFields(owners, key)
      if (!fields) continue
      const header = headerOf(memory, owners, key.readUInt32BE(OWNER_AT), fields)
      found.push({ header, direct: true })
    }
    const last = keys.at(-1)
    if (!last || keys.length < BATCH_COUNT) break
    from = after(last)
    await nextTurn()
  }
  if (found.length === 0 || !confirmNesting(file, owners, links, memory)) return found
  const seen = new Set(found.map(({ header }) => header.handle))
  for (let at = 0; at < found.length; at++) {
    const { handle } = (found[at] as Owner).header
    for (const above of ownersAbove(memory, owners, links, handle)) {
      const fields = seen.has(above) ? undefined : fieldsAt(owners.records, above)
      if (!fields || found.length >= OWNERS_COUNT_MAX) continue
      seen.add(above)
      found.push({ header: headerOf(memory, owners, above, fields), direct: false })
    }
  }
  return found
}

/** The range of the keys that lead from a member to its owners. */
export function ownersRange({ type, handle }: Member): { start: Buffer; end: Buffer } {
  const [start, end] = [handle, handle + 1].map((member) => {
    const bytes = Buffer.allocUnsafe(OWNER_AT)
    bytes.writeUInt16BE(type, 0)
    bytes.writeUInt32BE(member, 2)
    return bytes
  }) as [Buffer, Buffer]
  return { start, end }
}

const OWNER_AT = 6
const GENERATION_AT = 10

/** The record of an owner that exists, and whose generation the link belongs to. */
function ownerFields({ records }: TypeFile, key: Buffer): Buffer | undefined {
  const fields = fieldsAt(records, key.readUInt32BE(OWNER_AT))
  return fields && generationOf(fields) === key.readUInt32BE(GENERATION_AT) ? fields : undefined
}

/** The owner in a reverse key; undefined when the link is not valid any more. */
export const ownerIn = (owners: TypeFile, key: Buffer): number | undefined =>
  ownerFields(owners, key) && key.readUInt32BE(OWNER_AT)

/** The bytes of a record, without a copy of them: good until something else is read. */
function fieldsAt(records: ByHandle, handle: number): Buffer | undefined {
  const bytes: Uint8Array | undefined = records.getBinaryFast(handle)
  // What does not fit into the buffer that lmdb reads into comes as a view of the file.
  if (!bytes || bytes instanceof Buffer) return bytes
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function headerOf({ headers }: Memory, { type }: TypeFile, handle: number, fields: Buffer): Header {
  const known = headers.get(handle)
  if (known?.version === versionOf(fields)) return known
  if (headers.size >= HEADERS_KEPT_MAX) headers.clear()
  const header = decodeHeader(fields, type, handle)
  headers.set(handle, header)
  return header
}

/** Forgets nestings that have moved; says whether there are any. */
function confirmNesting(
  { meta }: TenantFile,
  owners: TypeFile,
  { reverse }: LinkFile,
  memory: Memory,
): boolean {
  const mark = markIn(meta)
  if (memory.mark === mark) return memory.isNested
  forgetNesting(memory)
  const start = reverseKey(owners.number, 0, 0, 0)
  const end = reverseKey(owners.number + 1, 0, 0, 0)
  memory.isNested = !reverse.getKeys({ start, end, limit: 1 })[Symbol.iterator]().next().done
  memory.mark = mark
  return memory.isNested
}

function forgetNesting(memory: Memory): void {
  memory.above.clear()
  memory.count = 0
}

function ownersAbove(
  memory: Memory,
  owners: TypeFile,
  links: LinkFile,
  handle: number,
): readonly number[] {
  const known = memory.above.get(handle)
  if (known) return known
  const range = { ...ownersRange({ type: owners.number, handle }), limit: OWNERS_COUNT_MAX }
  const above = [...links.reverse.getKeys(range)].flatMap((key) => ownerIn(owners, key) ?? [])
  if (memory.count + above.length >= NESTINGS_KEPT_MAX) forgetNesting(memory)
  memory.above.set(handle, above)
  memory.count += above.length + 1
  return above
}

/** Under this name the file counts how often owners came to be nested otherwise. */
const NESTING = Buffer.from('nesting')

const markIn = (meta: Bytes): number => meta.getBinary(NESTING)?.readDoubleBE(0) ?? 0

/** Notes that owners are nested otherwise than before, in the transaction that makes it so. */
export function noteNesting({ meta }: TenantFile): void {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeDoubleBE(markIn(meta) + 1)
  meta.put(NESTING, bytes)
}

/** The owner itself and every owner below it, for finding whoever belongs to it indirectly. */
export async function ownersBelow(
  file: TenantFile,
  link: Link,
  place: Place,
  pause: Pause,
): Promise<ReadonlyMap<number, number>> {
  const links = linkFileOf(file, link)
  const below = new Map<number, number>()
  const waiting = [place.handle]
  for (let handle = waiting.pop(); handle !== undefined; handle = waiting.pop()) {
    const fields = below.has(handle) ? undefined : fieldsAt(place.file.records, handle)
    if (!fields || below.size >= OWNERS_COUNT_MAX) continue
    const generation = generationOf(fields)
    below.set(handle, generation)
    const nested = membersOf(links, handle, generation, OWNERS_COUNT_MAX, place.file.number)
    for (const member of nested) if (!below.has(member.handle)) waiting.push(member.handle)
    await pause()
  }
  return below
}
