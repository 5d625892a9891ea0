/** Keeps the stores of tenants: opened when first asked for, closed when least recently used. */

import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Registry } from '../scim/registry.ts'
import type { Rules } from '../scim/tolerance.ts'
import { openByHandle, openBytes, openEnvironment } from './lmdb-file.ts'
import type { ReindexWatch } from './lmdb-reindex.ts'
import { type LmdbStore, openLmdbStore } from './lmdb-store.ts'
import { numberedTypes } from './lmdb-tenant.ts'
import type { Soon } from './store.ts'

/** Stores that are open at the same time, those in use not counted against it. */
const OPEN_COUNT_MAX = 100

interface Entry {
  readonly opening: Promise<LmdbStore>
  /** Set when it is open. */
  store?: LmdbStore
  /** When the tenant was made: one of the same name that is made later has another file. */
  readonly created: number
  users: number
  /** Called when the last lease has ended. */
  whenUnused?: () => void
}

export interface TenantLease {
  readonly store: LmdbStore
  share(): () => void
  end(): void
}

export interface Tenants {
  /**
   * Opens the store of a tenant, or finds it open. The store stays open until the lease has ended.
   *
   * @param created tells tenants apart that had the same name one after the other
   */
  lease(name: string, created: number): Soon<TenantLease>
  /** Closes the stores of tenants that are gone, which frees the space of their files. */
  closeOthers(isThere: (name: string, created: number) => boolean): void
  /** What is wrong with the path of a file that is open, or undefined. */
  missing(): string | undefined
  /** Closes all stores, after what they are writing. */
  close(): Promise<void>
}

/**
 * @param directory where the files are: DIRECTORY/NAME.mdb
 * @param viewOf what a tenant sees, and its rules
 */
export function lmdbTenants(
  directory: string,
  viewOf: (name: string) => { readonly registry: Registry; readonly rules: Rules },
  watchOf: (name: string) => ReindexWatch,
): Tenants {
  if (!existsSync(directory)) mkdirSync(directory, { recursive: true, mode: 0o700 })
  /** In the order of their last use. */
  const entries = new Map<string, Entry>()
  /** A file is opened again only after it has been closed. */
  const closing = new Map<string, Promise<unknown>>()

  return {
    lease(name, created) {
      const entry = enter(name, created)
      if (entry.store) return new Lease(entry, entry.store)
      return entry.opening.then(
        (store) => {
          entry.store = store
          return new Lease(entry, store)
        },
        (error) => {
          release(entry)
          if (entries.get(name) === entry) entries.delete(name)
          throw error
        },
      )
    },
    closeOthers(isThere) {
      for (const [name, entry] of entries) if (!isThere(name, entry.created)) retire(name, entry)
    },
    missing() {
      for (const { store } of entries.values()) {
        const fault = store?.missing()
        if (fault !== undefined) return fault
      }
      return undefined
    },
    async close() {
      const stores = await Promise.allSettled([...entries.values()].map(({ opening }) => opening))
      entries.clear()
      for (const store of stores) if (store.status === 'fulfilled') await store.value.close()
      await Promise.allSettled(closing.values())
    },
  }

  function enter(name: string, created: number): Entry {
    const known = entries.get(name)
    if (known && known.created !== created) retire(name, known)
    const entry = entries.get(name) ?? { opening: open(name), created, users: 0 }
    entries.delete(name)
    entries.set(name, entry)
    entry.users++
    if (entries.size > OPEN_COUNT_MAX) closeLeastUsed()
    return entry
  }

  async function open(name: string): Promise<LmdbStore> {
    await closing.get(name)
    const { registry, rules } = viewOf(name)
    return openLmdbStore(fileOf(directory, name), name, registry, rules, watchOf(name))
  }

  function closeLeastUsed(): void {
    for (const [name, entry] of entries) {
      if (entry.users === 0) return retire(name, entry)
    }
  }

  /** Nobody gets this store any more; it is closed when those who have it are done. */
  function retire(name: string, entry: Entry): void {
    entries.delete(name)
    const unused =
      entry.users === 0
        ? Promise.resolve()
        : new Promise<void>((resolve) => {
            entry.whenUnused = resolve
          })
    const closed = unused
      .then(async () => (await entry.opening).close())
      .catch(() => undefined)
      .finally(() => {
        if (closing.get(name) === closed) closing.delete(name)
      })
    closing.set(name, closed)
  }
}

function release(entry: Entry): void {
  entry.users--
  if (entry.users === 0) entry.whenUnused?.()
}

const fileOf = (directory: string, name: string): string => join(directory, `${name}.mdb`)

/**
 * Removes the file of a tenant. A server that has it open goes on with what has no name any more,
 * until it closes it; so the tenant has to be gone from the control store before.
 */
export function removeTenantFile(directory: string, name: string): void {
  const path = fileOf(directory, name)
  for (const file of [path, `${path}-lock`]) rmSync(file, { force: true })
}

export interface TenantFileFacts {
  readonly bytes: number
  /** Resources that exist, by the name of their type. */
  readonly resources: Readonly<Record<string, number>>
}

/**
 * Looks into the file of a tenant, beside a running server, and changes nothing in it.
 *
 * @throws StoreFileError when the file is damaged
 */
export async function factsOfTenantFile(directory: string, name: string): Promise<TenantFileFacts> {
  const path = fileOf(directory, name)
  if (!existsSync(path)) return { bytes: 0, resources: {} }
  const environment = openEnvironment(path)
  try {
    const counts = numberedTypes(openBytes(environment, 'meta')).map((type) => {
      const { entryCount } = openByHandle(environment, `records/${type}`).getStats() as {
        entryCount: number
      }
      return [type, entryCount] as const
    })
    return { bytes: statSync(path).size, resources: Object.fromEntries(counts) }
  } finally {
    await environment.close()
  }
}

/** Keeps a store open until it has ended, and each share of it as well. */
class Lease implements TenantLease {
  readonly store: LmdbStore
  readonly #entry: Entry
  #isOpen = true

  constructor(entry: Entry, store: LmdbStore) {
    this.#entry = entry
    this.store = store
  }

  share(): () => void {
    this.#entry.users++
    const share = new Lease(this.#entry, this.store)
    return () => share.end()
  }

  end(): void {
    if (this.#isOpen) release(this.#entry)
    this.#isOpen = false
  }
}
