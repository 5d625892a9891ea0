/**
 * Turns a member into its owners, direct and indirect ones, and an owner into those below it.
 *
 * What was read of owners is remembered, within bounds: a page of users asks for the same groups a
 * hundred times. Other processes write as well, so nothing that is remembered is believed before
 * the file has confirmed it: the owners of a member as long as no owner has changed at all; a
 * header as long as the record is of its version; who is nested in whom as long as no nesting has
 * changed.
 */

import type { Link } from '../scim/registry.ts'
import type { ByHandle, Bytes } from './lmdb-file.ts'
import { after, reverseKey } from './lmdb-keys.ts'
import { type Member, membersOf, packed } from './lmdb-links.ts'
import { decodeHeader, generationOf, versionOf } from './lmdb-record.ts'
import {
  type LinkFile,
  linkFileOf,
  type Place,
  type TenantFile,
  type TypeFile,
} from './lmdb-tenant.ts'
import { nextTurn, type Pause } from './slices.ts'
import type { Header, Owner, Soon } from './store.ts'

/** Owners that the search for indirect ones goes through. */
const OWNERS_COUNT_MAX = 10_000
/** Owners that are read in one go. */
const BATCH_COUNT = 1000
/** What is remembered of the owners by one link attribute; what would be more, replaces it. */
const HEADERS_KEPT_MAX = 2000
/** Characters of a name; an owner with a longer one is read anew each time. */
const NAME_KEPT_LENGTH_MAX = 1024
const OWNERS_KEPT_MAX = 20_000
const NESTINGS_KEPT_MAX = 20_000

interface Memory {
  readonly headers: Map<number, Header>
  /** By a member, its owners. */
  readonly owners: Shelf<readonly Owner[]>
  /** By an owner, those that it is nested in directly. */
  readonly above: Shelf<readonly number[]>
  /** Whether any owner is itself a member: most directories have no nested groups at all. */
  isNested: boolean
  /** As of when `owners`, `above` and `isNested` are true. */
  marks: Marks
}

/** Lists by number, until together they weigh so much that all are let go of. */
class Shelf<T extends readonly unknown[]> {
  readonly #lists = new Map<number, T>()
  readonly #weightMax: number
  #weight = 0

  constructor(weightMax: number) {
    this.#weightMax = weightMax
  }

  get = (number: number): T | undefined => this.#lists.get(number)

  /** @param weight of the elements; one that is too heavy by itself is not kept */
  put(number: number, list: T, weight = list.length): void {
    if (weight >= this.#weightMax) return
    if (this.#weight + weight >= this.#weightMax) this.clear()
    this.#lists.set(number, list)
    this.#weight += weight + 1
  }

  clear(): void {
    this.#lists.clear()
    this.#weight = 0
  }
}

/** What a list of owners weighs: one for each, and one for so many characters of their names. */
const NAME_LENGTH_PER_WEIGHT = 64

const weightOf = (owners: readonly Owner[]): number =>
  owners.reduce(
    (sum, { header }) => sum + 1 + Math.floor(header.display.length / NAME_LENGTH_PER_WEIGHT),
    0,
  )

/** How often owners have changed in a file, and how often in a way that concerns nesting. */
interface Marks {
  readonly changes: number
  readonly nestings: number
}

const UNSEEN: Marks = { changes: -1, nestings: -1 }

const memories = new WeakMap<LinkFile, Memory>()

function memoryOf(links: LinkFile): Memory {
  const known = memories.get(links)
  if (known) return known
  const fresh: Memory = {
    headers: new Map(),
    owners: new Shelf(OWNERS_KEPT_MAX),
    above: new Shelf(NESTINGS_KEPT_MAX),
    isNested: false,
    marks: UNSEEN,
  }
  memories.set(links, fresh)
  return fresh
}

/**
 * Direct owners, then those that own them, each once; cycles end. RFC 7643 section 4.1.2 (groups).
 * Not for use within a write transaction, which may yet come to nothing.
 */
export function ownersOf(file: TenantFile, link: Link, member: Member): Soon<readonly Owner[]> {
  const links = linkFileOf(file, link)
  const owners = file.types.get(link.owner)
  if (!owners) return []
  const memory = memoryOf(links)
  confirm(file, owners, links, memory)
  return memory.owners.get(packed(member)) ?? readOwners(links, owners, memory, member)
}

/** What a file tells of the owners of one member; at once unless there are very many. */
function readOwners(
  links: LinkFile,
  owners: TypeFile,
  memory: Memory,
  member: Member,
): Soon<readonly Owner[]> {
  const found: Owner[] = []
  const { start, end } = ownersRange(member)
  const next = readBatch(start)
  if (next) return readOn(next)
  if (memory.isNested) addIndirect(memory, owners, links, found)
  memory.owners.put(packed(member), found, weightOf(found))
  return found

  /** Reads some owners; returns where there may be more. */
  function readBatch(from: Buffer): Buffer | undefined {
    const keys = [...links.reverse.getKeys({ start: from, end, limit: BATCH_COUNT })]
    for (const key of keys) {
      const fields = ownerFields(owners, key)
      if (!fields) continue
      const header = headerOf(memory, owners, key.readUInt32BE(OWNER_AT), fields)
      found.push({ header, direct: true })
    }
    const last = keys.at(-1)
    return last && keys.length === BATCH_COUNT ? after(last) : undefined
  }

  /** What is read in several turns is not of one moment, and therefore not remembered. */
  async function readOn(from: Buffer): Promise<readonly Owner[]> {
    for (let next: Buffer | undefined = from; next; next = readBatch(next)) await nextTurn()
    if (memory.isNested) addIndirect(memory, owners, links, found)
    return found
  }
}

function addIndirect(memory: Memory, owners: TypeFile, links: LinkFile, found: Owner[]): void {
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
const fieldsAt = (records: ByHandle, handle: number): Buffer | undefined =>
  records.getBinaryFast(handle)

function headerOf({ headers }: Memory, { type }: TypeFile, handle: number, fields: Buffer): Header {
  const known = headers.get(handle)
  if (known?.version === versionOf(fields)) return known
  if (headers.size >= HEADERS_KEPT_MAX) headers.clear()
  const header = decodeHeader(fields, type, handle)
  if (header.display.length <= NAME_KEPT_LENGTH_MAX) headers.set(handle, header)
  return header
}

/** Forgets what is not true any more. */
function confirm(
  { meta }: TenantFile,
  owners: TypeFile,
  { reverse }: LinkFile,
  memory: Memory,
): void {
  const marks = marksIn(meta)
  if (marks.changes === memory.marks.changes) return
  memory.owners.clear()
  if (marks.nestings !== memory.marks.nestings) {
    memory.above.clear()
    const start = reverseKey(owners.number, 0, 0, 0)
    const end = reverseKey(owners.number + 1, 0, 0, 0)
    memory.isNested = [...reverse.getKeys({ start, end, limit: 1 })].length > 0
  }
  memory.marks = marks
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
  memory.above.put(handle, above)
  return above
}

/** Under this name a file keeps its marks: two numbers. */
const OWNERS = Buffer.from('owners')

function marksIn(meta: Bytes): Marks {
  const bytes = meta.getBinaryFast(OWNERS)
  if (!bytes) return { changes: 0, nestings: 0 }
  return { changes: bytes.readDoubleBE(0), nestings: bytes.readDoubleBE(8) }
}

/**
 * Notes that an owner has changed, or has lost or gained a member, in the transaction that does it;
 * and whether other owners may be nested otherwise by it.
 */
export function noteOwners({ meta }: TenantFile, isNesting: boolean): void {
  const { changes, nestings } = marksIn(meta)
  const bytes = Buffer.allocUnsafe(16)
  bytes.writeDoubleBE(changes + 1, 0)
  bytes.writeDoubleBE(nestings + Number(isNesting), 8)
  meta.put(OWNERS, bytes)
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
