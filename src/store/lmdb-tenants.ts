/** Keeps the stores of tenants: opened when first asked for, closed when least recently used. */

import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Registry } from '../scim/registry.ts'
import type { Rules } from '../scim/tolerance.ts'
import type { ReindexWatch } from './lmdb-reindex.ts'
import { type LmdbStore, openLmdbStore } from './lmdb-store.ts'

/** Stores that are open at the same time, those in use not counted against it. */
const OPEN_COUNT_MAX = 100

interface Entry {
  readonly opening: Promise<LmdbStore>
  users: number
}

export interface TenantLease {
  readonly store: LmdbStore
  share(): () => void
  end(): void
}

export interface Tenants {
  /**
   * Opens the store of a tenant, or finds it open. The store stays open until the lease has ended.
   */
  lease(name: string): Promise<TenantLease>
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
    async lease(name) {
      const entry = enter(name)
      try {
        return leaseOf(entry, await entry.opening)
      } catch (error) {
        entry.users--
        entries.delete(name)
        throw error
      }
    },
    async close() {
      const stores = await Promise.allSettled([...entries.values()].map(({ opening }) => opening))
      entries.clear()
      for (const store of stores) if (store.status === 'fulfilled') await store.value.close()
      await Promise.allSettled(closing.values())
    },
  }

  function enter(name: string): Entry {
    const entry = entries.get(name) ?? { opening: open(name), users: 0 }
    entries.delete(name)
    entries.set(name, entry)
    entry.users++
    if (entries.size > OPEN_COUNT_MAX) closeLeastUsed()
    return entry
  }

  async function open(name: string): Promise<LmdbStore> {
    await closing.get(name)
    const { registry, rules } = viewOf(name)
    return openLmdbStore(join(directory, `${name}.mdb`), name, registry, rules, watchOf(name))
  }

  function closeLeastUsed(): void {
    for (const [name, { opening, users }] of entries) {
      if (users > 0) continue
      entries.delete(name)
      const closed = opening.then((store) => store.close()).finally(() => closing.delete(name))
      closing.set(
        name,
        closed.catch(() => undefined),
      )
      return
    }
  }
}

function leaseOf(entry: Entry, store: LmdbStore): TenantLease {
  const once = () => {
    let isOpen = true
    return () => {
      if (isOpen) entry.users--
      isOpen = false
    }
  }
  return {
    store,
    end: once(),
    share() {
      entry.users++
      return once()
    },
  }
}
