/** The LMDB adapter: one tenant's file behind the port of store.ts. */

import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { ScimError } from '../scim/error.ts'
import { LINKS_PER_COMMIT_MAX } from '../scim/limits.ts'
import type { Registry } from '../scim/registry.ts'
import type { Rules } from '../scim/tolerance.ts'
import { readChunk, readJournal } from './lmdb-journal.ts'
import { commitLarge } from './lmdb-large.ts'
import { hasManyOwners, leavesBefore } from './lmdb-leave.ts'
import { TooManyLinks } from './lmdb-link-diff.ts'
import { headerOf, isLinked, linkCount, linked, sweepAll } from './lmdb-links.ts'
import { ownersOf } from './lmdb-owners.ts'
import { isIndexed, type ReindexWatch, reindex } from './lmdb-reindex.ts'
import { search } from './lmdb-search.ts'
import {
  openTenantFile,
  openTenantReader,
  placeOf,
  readRecord,
  recordAt,
  stale,
  type TenantFile,
  typeFileOf,
} from './lmdb-tenant.ts'
import { applyChanges, Stale } from './lmdb-write.ts'
import type { Change, Client, Committed, Origin, Store } from './store.ts'

/** A store that can be closed. */
export interface LmdbStore extends Store {
  readonly file: TenantFile
  /** Resolves when nothing is left to be swept. */
  swept(): Promise<void>
  close(): Promise<void>
}

/**
 * Opens a tenant's store and brings its indexes in line with the registry.
 *
 * @throws StoreFileError when the file is damaged or of a later format
 */
export async function openLmdbStore(
  path: string,
  name: string,
  registry: Registry,
  rules: Rules,
  watch: ReindexWatch = {},
): Promise<LmdbStore> {
  const file = openTenantFile(path, name, registry, rules)
  try {
    await reindex(file, watch)
  } catch (error) {
    await file.environment.close()
    throw error
  }
  return storeOver(file)
}

/** What is read, beside a server or within it. */
export interface LmdbReader extends Omit<Store, 'commit'> {
  close(): Promise<void>
}

/**
 * Opens a tenant's store to read it and nothing else, beside a server that writes to it.
 *
 * @throws StoreFileError when the file is damaged or of another format, or when a server with these
 *   schemas would first bring its indexes in line
 */
export async function openLmdbReader(
  path: string,
  name: string,
  registry: Registry,
  rules: Rules,
): Promise<LmdbReader> {
  const file = openTenantReader(path, name, registry, rules)
  const close = () => file.environment.close()
  if (isIndexed(file)) return { ...readsOf(file), close }
  await close()
  throw stale(path)
}

const readsOf = (file: TenantFile): Omit<Store, 'commit'> => ({
  read(type, id) {
    const place = placeOf(file, id)
    return place?.file === typeFileOf(file, type) ? recordAt(place) : undefined
  },
  find(id) {
    const place = placeOf(file, id)
    return place && headerOf(file, { type: place.file.number, handle: place.handle })
  },
  search: (query) => search(file, query),
  at: (type, { handle }) => readRecord(typeFileOf(file, type), handle),
  linked: (owner, link, client) => linked(file, owner, link, client),
  isLinked: (owner, link, id) => isLinked(file, owner, link, id),
  linkCount: (owner, link, countMax) => linkCount(file, owner, link, countMax),
  owners(member, link) {
    const { number } = typeFileOf(file, member.type)
    return ownersOf(file, link, { type: number, handle: member.handle })
  },
  journal: async (after, countMax) => readJournal(file, after, countMax),
  journalChunk: async (sequence, link, chunk) => readChunk(file, sequence, link, chunk),
})

function storeOver(file: TenantFile): LmdbStore {
  /** Resources that a large change is working on; other changes of them wait. */
  const held = new Map<string, Promise<unknown>>()
  let isClosing = false
  let sweeping: Promise<void> | undefined
  sweep()

  return {
    ...readsOf(file),
    file,
    commit,
    async swept() {
      for (let last: Promise<void> | undefined; last !== sweeping; ) {
        last = sweeping
        await last
      }
    },
    async close() {
      isClosing = true
      await sweeping
      await Promise.allSettled(held.values())
      await file.environment.close()
    },
  }

  async function commit(
    changes: readonly Change[],
    origin: Origin,
    client?: Client,
  ): Promise<readonly Committed[]> {
    const firstHeld = () => changes.find(({ id }) => held.has(id))
    for (let one = firstHeld(); one; one = firstHeld()) {
      await held.get(one.id)?.catch(() => undefined)
    }
    const only = changes.length === 1 ? changes[0] : undefined
    if (only && only.mentions.length > LINKS_PER_COMMIT_MAX) return hold(only, origin, client)
    if (only && hasManyOwners(file, only)) await leaveOwners(only, origin, client)
    try {
      const committed = await file.transact(() => applyChanges(file, changes, origin))
      if (changes.some(({ operation }) => operation === 'delete')) sweep()
      return committed
    } catch (error) {
      if (!(error instanceof TooManyLinks)) throw storageFault(file, error)
      if (only) return hold(only, origin, client)
      const detail = `one of several changes has more than ${LINKS_PER_COMMIT_MAX} links`
      throw ScimError.status(413, `${detail}; make it on its own`)
    }
  }

  /** Takes what is to be deleted out of the owners that are too many for one transaction. */
  async function leaveOwners(
    deletion: Change,
    origin: Origin,
    client: Client | undefined,
  ): Promise<void> {
    for (;;) {
      try {
        for await (const changes of leavesBefore(file, deletion, client)) {
          await commit(changes, origin)
        }
        return
      } catch (error) {
        if (!(error instanceof Stale)) throw error
      }
    }
  }

  /** Keeps other changes away from a resource while a large one of it is worked out. */
  async function hold(
    change: Change,
    origin: Origin,
    client: Client | undefined,
  ): Promise<readonly Committed[]> {
    while (held.has(change.id)) await held.get(change.id)?.catch(() => undefined)
    const done = commitLarge(file, change, origin, client)
    held.set(change.id, done)
    try {
      return await done
    } catch (error) {
      throw storageFault(file, error)
    } finally {
      held.delete(change.id)
      sweep()
    }
  }

  function sweep(): void {
    if (isClosing) return
    sweeping = (sweeping ?? Promise.resolve())
      .then(() => sweepAll(file, () => isClosing))
      // What could not be removed stays listed, and is tried again at the next start.
      .catch(() => undefined)
  }
}

/** LMDB's own faults: 507 when the disk is full, else 503. Both are worth another try later. */
function storageFault(file: TenantFile, error: unknown): unknown {
  if (!(error instanceof Error) || !('commitError' in error)) return error
  void Promise.resolve(error.commitError).catch(() => undefined)
  const { bavail, bsize } = statfsSync(dirname(file.path))
  const isFull = bavail * bsize < DISK_BYTES_MIN
  const detail = isFull ? 'the disk is full; nothing was written' : 'the store could not be written'
  return ScimError.status(isFull ? 507 : 503, detail, { 'Retry-After': '60' })
}

/** Less free space than this counts as a full disk. */
const DISK_BYTES_MIN = 1024 * 1024
