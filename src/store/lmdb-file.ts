/** Turns a path into an open LMDB environment, refusing damaged files before LMDB maps them. */

import { chmodSync, closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { type Database, open, type RootDatabase } from 'lmdb'

export type Bytes = Database<Buffer, Buffer>
export type ByHandle = Database<Buffer, number>
export type Environment = RootDatabase<Buffer, Buffer>

/** A file that cannot be opened: what is wrong with it, and what to do. */
export class StoreFileError extends Error {
  override readonly name = 'StoreFileError'
}

const DATABASES_MAX = 512
const READERS_MAX = 1024
const MAP_BYTES_INITIAL = 16 * 1024 * 1024

/** Where the two meta pages keep what is checked: mdb.c, MDB_page_header and MDB_meta. */
const META = { magic: 24, version: 28, pageSize: 48, lastPage: 144, txnId: 152, bytes: 168 }
const MAGIC = 0xbeefc0de
const DATA_VERSION = 2

/**
 * Opens an environment of one file.
 *
 * `overlappingSync` is off: with it, a second process that is killed takes acknowledged writes of
 * the first with it. A commit is on disk when its promise resolves.
 *
 * @throws StoreFileError when the file is no LMDB file, or shorter than it says that it is
 */
export function openEnvironment(path: string, isReadOnly = false): Environment {
  if (existsSync(path)) requireIntact(path)
  const environment = open<Buffer, Buffer>({
    path,
    noSubdir: true,
    overlappingSync: false,
    maxDbs: DATABASES_MAX,
    maxReaders: READERS_MAX,
    mapSize: MAP_BYTES_INITIAL,
    encoding: 'binary',
    keyEncoding: 'binary',
    readOnly: isReadOnly,
  })
  for (const file of [path, `${path}-lock`]) if (existsSync(file)) chmodSync(file, 0o600)
  return environment
}

export const openBytes = (environment: Environment, name: string): Bytes =>
  environment.openDB<Buffer, Buffer>(name, { encoding: 'binary', keyEncoding: 'binary' })

export const openByHandle = (environment: Environment, name: string): ByHandle =>
  environment.openDB<Buffer, number>(name, { encoding: 'binary', keyEncoding: 'uint32' })

/**
 * A value that is text. LMDB lends its bytes in one long buffer, whose `length` it sets to theirs:
 * good until the next read, and only for what is told where to end.
 */
export function textAt(database: Bytes, key: Buffer): string | undefined {
  const bytes = database.getBinaryFast(key)
  return bytes?.toString('utf8', 0, bytes.length)
}

/** The same bytes as a Buffer: those of a range are plain arrays. */
export const bufferOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength)

/**
 * LMDB maps a file without looking at it: a foreign file is a segmentation fault, a truncated one
 * a bus error, and neither can be caught. So the meta pages are read first.
 */
function requireIntact(path: string): void {
  const file = openSync(path, 'r')
  try {
    if (!fstatSync(file).isFile()) throw damaged(path, 'is not a file')
    const first = readMeta(file, 0, path)
    const second = readMeta(file, first.pageSize, path)
    // Last: another process may be writing, and the file grows before its meta pages say so.
    const { size } = fstatSync(file)
    const { lastPage } = first.txnId > second.txnId ? first : second
    const expected = (lastPage + 1) * first.pageSize
    if (size >= expected) return
    throw damaged(path, `has ${size} bytes and should have ${expected}: it was cut off`)
  } finally {
    closeSync(file)
  }
}

function readMeta(file: number, offset: number, path: string) {
  const page = Buffer.alloc(META.bytes)
  if (readSync(file, page, 0, META.bytes, offset) < META.bytes) {
    throw damaged(path, 'is shorter than the header of a store')
  }
  const magic = page.readUInt32LE(META.magic)
  const version = page.readUInt32LE(META.version)
  const pageSize = page.readUInt32LE(META.pageSize)
  if (magic !== MAGIC) throw damaged(path, 'does not begin like a store of scimd')
  if (version !== DATA_VERSION || pageSize < 512 || pageSize > 65536) {
    throw damaged(path, `has an unknown layout (version ${version}, pages of ${pageSize} bytes)`)
  }
  return {
    pageSize,
    lastPage: Number(page.readBigUInt64LE(META.lastPage)),
    txnId: page.readBigUInt64LE(META.txnId),
  }
}

const damaged = (path: string, how: string) =>
  new StoreFileError(`${path} ${how}; restore it from a backup, or move it away to begin anew`)
