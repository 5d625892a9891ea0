/** Turns one tenant's file into its open databases, and brings an older file up to date. */

import { randomUUID } from 'node:crypto'
import { FOLD_VERSION } from '../scim/fold.ts'
import type { AttributePath, Link, Registry, ResourceType } from '../scim/registry.ts'
import type { Rules } from '../scim/tolerance.ts'
import {
  type ByHandle,
  type Bytes,
  type Environment,
  openByHandle,
  openBytes,
  openEnvironment,
  StoreFileError,
} from './lmdb-file.ts'
import { idKey } from './lmdb-keys.ts'
import { decodeRecord } from './lmdb-record.ts'
import { type Transact, transactor } from './lmdb-turns.ts'
import type { Stored } from './store.ts'

/** The layout of a tenant's file. A change of it comes with an entry in UPGRADES. */
export const TENANT_FORMAT = 1

/** UPGRADES[n] turns a file of format n into one of format n + 1, inside one transaction. */
export type Upgrade = (environment: Environment) => void
export const UPGRADES: Readonly<Record<number, Upgrade>> = {}

export interface IndexFile {
  readonly path: AttributePath
  readonly entries: Bytes
}

export interface TypeFile {
  readonly type: ResourceType
  /** Stands for the type in ids and links. */
  readonly number: number
  /** Handle to record (lmdb-record.ts), of resources that exist. */
  readonly records: ByHandle
  readonly indexes: readonly IndexFile[]
  /** The same by the text of their paths. */
  readonly indexOf: ReadonlyMap<string, IndexFile>
}

export interface LinkFile {
  readonly link: Link
  /** Owner to member, see forwardKey. */
  readonly forward: Bytes
  /** Member to owner, see reverseKey. */
  readonly reverse: Bytes
}

/** Every database of one tenant's file. */
export interface TenantFile {
  readonly name: string
  readonly path: string
  readonly environment: Environment
  /** Every write of a request goes through here. */
  readonly transact: Transact
  readonly rules: Rules
  readonly epoch: string
  readonly meta: Bytes
  /** Id to type number and handle; kept for deleted resources too, as ids are never reused. */
  readonly ids: Bytes
  /** Handle to time of deletion, type number and record. */
  readonly tombstones: ByHandle
  /** Sequence to entry, see lmdb-journal.ts. */
  readonly journal: Bytes
  readonly chunks: Bytes
  /** Links that nobody sees any more and that are to be removed. */
  readonly sweeps: Bytes
  /** Sweeps that wait for a large change in progress, as text. */
  readonly building: Set<string>
  /** To each of these lists a deletion adds what it deletes, for large changes in progress. */
  readonly departures: Set<Place[]>
  readonly types: ReadonlyMap<string, TypeFile>
  readonly typeByNumber: readonly (TypeFile | undefined)[]
  readonly links: ReadonlyMap<string, LinkFile>
}

/** Where a resource is. */
export interface Place {
  readonly file: TypeFile
  readonly handle: number
}

const META = {
  format: Buffer.from('format'),
  fold: Buffer.from('fold'),
  epoch: Buffer.from('epoch'),
  types: Buffer.from('types'),
  indexes: Buffer.from('indexes'),
  concealed: Buffer.from('concealed'),
}

/**
 * Opens a tenant's file, making it when it is not there.
 *
 * @throws StoreFileError when the file is damaged, or was written by a later version of scimd
 */
export function openTenantFile(
  path: string,
  name: string,
  registry: Registry,
  rules: Rules,
  upgrades: Readonly<Record<number, Upgrade>> = UPGRADES,
  format = TENANT_FORMAT,
): TenantFile {
  const environment = openEnvironment(path)
  try {
    const meta = openBytes(environment, 'meta')
    upgrade(environment, meta, path, upgrades, format)
    const numbers = numberTypes(environment, meta, registry)
    return filesOf({ environment, meta, numbers, path, name, registry, rules })
  } catch (error) {
    void environment.close()
    throw error
  }
}

/**
 * Opens a tenant's file to read it beside a server, or whatever else writes to it. Nothing is
 * written: a file that the server would first bring up to date is refused.
 *
 * @throws StoreFileError when the file is damaged or of another format, or when the schemas name
 *   what is not in it yet
 */
export function openTenantReader(
  path: string,
  name: string,
  registry: Registry,
  rules: Rules,
): TenantFile {
  const environment = openEnvironment(path, true)
  try {
    const meta = openBytes(environment, 'meta')
    const written = String(meta?.getBinary(META.format))
    if (written !== String(TENANT_FORMAT)) {
      throw new StoreFileError(
        `${path} has format ${written}, and this scimd reads ${TENANT_FORMAT}; ` +
          'use the scimd that serves it, or start this one once with scimd serve',
      )
    }
    const types = meta.getBinary(META.types)
    const numbers: Record<string, number> = types ? JSON.parse(String(types)) : {}
    if (registry.types.some((type) => numbers[type.name] === undefined)) throw stale(path)
    const file = filesOf({ environment, meta, numbers, path, name, registry, rules })
    // LMDB makes no database for a reader.
    const databases = [
      ...[...file.types.values()].flatMap(({ records, indexes }) => [
        records,
        ...indexes.map(({ entries }) => entries),
      ]),
      ...[...file.links.values()].flatMap(({ forward, reverse }) => [forward, reverse]),
    ]
    if (databases.some((database) => database === undefined)) throw stale(path)
    return file
  } catch (error) {
    void environment.close()
    throw error
  }
}

/** The schemas are not those that the file was last served with. */
export const stale = (path: string): StoreFileError =>
  new StoreFileError(
    `the indexes of ${path} are of other schemas or settings than those given; ` +
      'name those that the server has, with --schemas and --config, or start it with these',
  )

interface Opened extends Pick<TenantFile, 'environment' | 'meta' | 'path' | 'name' | 'rules'> {
  readonly numbers: Record<string, number>
  readonly registry: Registry
}

/** Every database of an open environment. */
function filesOf({ numbers, registry, ...opened }: Opened): TenantFile {
  const { environment, meta } = opened
  const types = new Map<string, TypeFile>()
  const typeByNumber: (TypeFile | undefined)[] = []
  for (const type of registry.types) {
    const number = numbers[type.name] as number
    const indexes = type.indexed.map((path) => ({
      path,
      entries: openBytes(environment, `index/${type.name}/${path.text}`),
    }))
    const file: TypeFile = {
      type,
      number,
      records: openByHandle(environment, `records/${type.name}`),
      indexes,
      indexOf: new Map(indexes.map((index) => [index.path.text, index])),
    }
    types.set(type.name, file)
    typeByNumber[number] = file
  }
  const links = registry.types
    .flatMap((type) => type.links)
    .map((link) => ({
      link,
      forward: openBytes(environment, `links/${link.name}`),
      reverse: openBytes(environment, `owners/${link.name}`),
    }))
  return {
    ...opened,
    transact: transactor(environment),
    epoch: String(meta.getBinary(META.epoch)),
    ids: openBytes(environment, 'ids'),
    tombstones: openByHandle(environment, 'tombstones'),
    journal: openBytes(environment, 'journal'),
    chunks: openBytes(environment, 'journal/links'),
    sweeps: openBytes(environment, 'sweeps'),
    building: new Set(),
    departures: new Set(),
    types,
    typeByNumber,
    links: new Map(links.map((file) => [file.link.name, file])),
  }
}

function upgrade(
  environment: Environment,
  meta: Bytes,
  path: string,
  upgrades: Readonly<Record<number, Upgrade>>,
  format: number,
): void {
  const written = meta.getBinary(META.format)
  if (!written) {
    environment.transactionSync(() => {
      meta.put(META.format, Buffer.from(String(format)))
      meta.put(META.epoch, Buffer.from(randomUUID()))
    })
    return
  }
  const found = Number(String(written))
  if (found > format) {
    throw new StoreFileError(
      `${path} has format ${found}, and this scimd knows formats up to ${format}; use the scimd that wrote it, or a newer one`,
    )
  }
  for (let from = found; from < format; from++) {
    const step = upgrades[from]
    if (!step)
      throw new StoreFileError(`${path} has format ${from}, which this scimd can no longer upgrade`)
    environment.transactionSync(() => {
      step(environment)
      meta.put(META.format, Buffer.from(String(from + 1)))
    })
  }
}

/** The names of all types whose resources a file has or had. */
export function numberedTypes(meta: Bytes): readonly string[] {
  const written = meta.getBinary(META.types)
  return written ? Object.keys(JSON.parse(String(written))) : []
}

/** Type numbers are given once and kept: a type that goes and comes back finds its resources. */
function numberTypes(
  environment: Environment,
  meta: Bytes,
  registry: Registry,
): Record<string, number> {
  const written = meta.getBinary(META.types)
  const numbers: Record<string, number> = written ? JSON.parse(String(written)) : {}
  const fresh = registry.types.filter((type) => numbers[type.name] === undefined)
  if (fresh.length === 0) return numbers
  let next = Math.max(0, ...Object.values(numbers)) + 1
  for (const type of fresh) numbers[type.name] = next++
  environment.transactionSync(() => {
    meta.put(META.types, Buffer.from(JSON.stringify(numbers)))
  })
  return numbers
}

/**
 * What the entries of an index depend on: when it differs from what is written, the index is stale.
 */
export const signatureOf = ({ leaf, attribute }: AttributePath): string =>
  `${leaf.type}/${leaf.caseExact ? 'exact' : `fold${FOLD_VERSION}`}/${attribute.multiValued ? 'many' : 'one'}`

export type IndexSignatures = Record<string, Record<string, string>>

export function readSignatures(file: TenantFile): IndexSignatures {
  const written = file.meta.getBinary(META.indexes)
  return written ? JSON.parse(String(written)) : {}
}

export function writeSignatures(file: TenantFile, signatures: IndexSignatures): void {
  file.environment.transactionSync(() => {
    file.meta.put(META.indexes, Buffer.from(JSON.stringify(signatures)))
  })
}

/** What resources of a type held that no schema knew, by name, when the schemas changed last. */
type ConcealedCounts = Record<string, Record<string, number>>

function readConcealed({ meta }: TenantFile): ConcealedCounts {
  const written = meta.getBinary(META.concealed)
  return written ? JSON.parse(String(written)) : {}
}

export function writeConcealed(
  file: TenantFile,
  type: string,
  counts: Readonly<Record<string, number>>,
): void {
  const all = { ...readConcealed(file), [type]: counts }
  file.environment.transactionSync(() => {
    file.meta.put(META.concealed, Buffer.from(JSON.stringify(all)))
  })
}

/** What a file keeps out of sight, as no schema knows it at present. */
export interface ConcealedData {
  readonly type: string
  /** The path of an attribute, or the URN of an extension; undefined for all of the type. */
  readonly name: string | undefined
  /** How many resources have it. */
  readonly count: number
}

/** Of whole types as they are; of attributes as they were when the schemas changed last. */
export function concealedData(file: TenantFile): ConcealedData[] {
  const types = numberedTypes(file.meta).flatMap((type) => {
    if (file.types.has(type)) return []
    const records = openByHandle(file.environment, `records/${type}`)
    const { entryCount } = records.getStats() as { entryCount: number }
    return entryCount > 0 ? [{ type, name: undefined, count: entryCount }] : []
  })
  const attributes = Object.entries(readConcealed(file)).flatMap(([type, counts]) =>
    file.types.has(type)
      ? Object.entries(counts).map(([name, count]) => ({ type, name, count }))
      : [],
  )
  return [...types, ...attributes]
}

/** Where a resource with this id is or was; whether it exists is for its record to say. */
export function placeOf(file: TenantFile, id: string): Place | undefined {
  // LMDB has no empty keys, and no resource has an empty id.
  const found = id === '' ? undefined : file.ids.getBinaryFast(idKey(id))
  if (!found) return undefined
  const type = file.typeByNumber[found.readUInt16BE(0)]
  return type && { file: type, handle: found.readUInt32BE(2) }
}

/** The record at a place, or undefined when the resource was deleted. */
export function recordAt(place: Place): Stored | undefined {
  return readRecord(place.file, place.handle)
}

/** The record at a handle of one type, read from the bytes that LMDB lends until the next read. */
export function readRecord({ records, type }: TypeFile, handle: number): Stored | undefined {
  const bytes = records.getBinaryFast(handle)
  return bytes && decodeRecord(bytes, type, handle)
}

export function typeFileOf(file: TenantFile, type: ResourceType): TypeFile {
  const found = file.types.get(type.name)
  if (!found) throw new Error(`tenant ${file.name} was opened without the type ${type.name}`)
  return found
}

export function linkFileOf(file: TenantFile, link: Link): LinkFile {
  const found = file.links.get(link.name)
  if (!found) throw new Error(`tenant ${file.name} was opened without the link ${link.name}`)
  return found
}
