/** The LMDB adapter of the control store: data/control.mdb. */

import { randomBytes } from 'node:crypto'
import { ASSERTIONS_KEPT_MAX } from '../scim/limits.ts'
import type { Client, ControlStore, Credential, Tenant } from './control.ts'
import {
  type Bytes,
  bufferOf,
  openBytes,
  openEnvironment,
  StoreFileError,
  textAt,
} from './lmdb-file.ts'

const CONTROL_FORMAT = 1
const FORMAT = Buffer.from('format')

/** How old the noted time of last use may get before it is written again. */
const USED_STEP_MS = 60_000

const KEY_BYTES = 32

/** What is over is forgotten so many at a time, which is more than are added. */
const SWEEP_COUNT = 100
const NOTHING = Buffer.alloc(0)

const EVERYTHING = { start: Buffer.from([0]), end: Buffer.from([0xff]) }

/**
 * Opens the control store, making it when it is not there. Safe beside a running server: what
 * one process writes, the other reads with its next request.
 *
 * @throws StoreFileError when the file is damaged or of a later format
 */
export function openLmdbControl(path: string): ControlStore {
  const environment = openEnvironment(path)
  const meta = openBytes(environment, 'meta')
  const credentials = openBytes(environment, 'credentials')
  const lastUsed = openBytes(environment, 'credentials/used')
  const clients = openBytes(environment, 'clients')
  const spent = openBytes(environment, 'spent')
  const spentByTime = openBytes(environment, 'spent/until')
  const warnings = openBytes(environment, 'warnings')
  const tenants = openBytes(environment, 'tenants')
  const keys = openBytes(environment, 'keys')
  const written = meta.getBinary(FORMAT)
  if (!written) {
    environment.transactionSync(() => {
      meta.put(FORMAT, Buffer.from(String(CONTROL_FORMAT)))
    })
  } else if (Number(String(written)) > CONTROL_FORMAT) {
    void environment.close()
    throw new StoreFileError(
      `${path} has format ${written}, and this scimd knows ${CONTROL_FORMAT}; use a newer scimd`,
    )
  }
  /** What this process has noted, so that a busy credential costs one write a minute. */
  const noted = new Map<string, number>()

  let isFresh = false
  /**
   * Sees what others have committed before this turn of the event loop: LMDB's view is renewed by a
   * timer, and a request comes before a timer that is late.
   */
  const renew = (): void => {
    if (isFresh) return
    isFresh = true
    environment.resetReadTxn()
    setImmediate(() => {
      isFresh = false
    })
  }

  const credentialNamed = reader<Credential>(credentials)
  const tenantNamed = reader<KeptTenant>(tenants)

  return {
    credential(prefix) {
      renew()
      return credentialNamed(prefix)
    },
    credentials: () =>
      [...credentials.getRange(EVERYTHING)].map(({ key, value }) => ({
        ...(JSON.parse(String(value)) as Credential),
        lastUsed: timeIn(lastUsed.getBinary(key)),
      })),
    addCredential: (credential) => add(credentials, credential.prefix, credential),
    replaceCredential: (prefix, next) =>
      environment.transaction(() => {
        const credential = read<Credential>(credentials, prefix)
        const replaced = credential && next(credential)
        if (!replaced) return false
        const { changed, added } = replaced
        if (credentials.doesExist(Buffer.from(added.prefix))) return false
        for (const one of [changed, added])
          credentials.put(Buffer.from(one.prefix), Buffer.from(JSON.stringify(one)))
        return true
      }),
    removeCredential: (prefix) =>
      environment.transaction(() => {
        const key = Buffer.from(prefix)
        if (!credentials.doesExist(key)) return false
        credentials.remove(key)
        lastUsed.remove(key)
        return true
      }),
    used(prefix, time) {
      if (time - (noted.get(prefix) ?? 0) < USED_STEP_MS) return
      noted.set(prefix, time)
      // Nobody waits for this, and a request must not fail for it.
      lastUsed.put(Buffer.from(prefix), timeBytes(time)).catch(() => undefined)
    },
    client(id) {
      renew()
      return read<Client>(clients, id)
    },
    clients: () =>
      [...clients.getRange(EVERYTHING)].map(({ key, value }) => ({
        ...(JSON.parse(String(value)) as Client),
        lastUsed: timeIn(lastUsed.getBinary(key)),
      })),
    addClient: (client) => add(clients, client.id, client),
    changeSecrets: (id, next) =>
      environment.transaction(() => {
        const client = read<Client>(clients, id)
        const secrets = client && next(client.secrets)
        if (!client || !secrets) return undefined
        const changed = { ...client, secrets }
        clients.put(Buffer.from(id), Buffer.from(JSON.stringify(changed)))
        return changed
      }),
    removeClient: (id) =>
      environment.transaction(() => {
        const key = Buffer.from(id)
        if (!clients.doesExist(key)) return false
        clients.remove(key)
        lastUsed.remove(key)
        return true
      }),
    useOnce: (mark, until, now) =>
      environment.transaction(() => {
        const over = { start: timeBytes(0), end: timeBytes(now), limit: SWEEP_COUNT }
        for (const { key } of [...spentByTime.getRange(over)]) {
          spentByTime.remove(key)
          spent.remove(key.subarray(TIME_BYTES))
        }
        const name = Buffer.from(mark)
        if (spent.doesExist(name)) return false
        if ((spent.getStats() as { entryCount: number }).entryCount >= ASSERTIONS_KEPT_MAX)
          return undefined
        spent.put(name, NOTHING)
        spentByTime.put(Buffer.concat([timeBytes(until), name]), NOTHING)
        return true
      }),
    warned(due) {
      const daysOf = new Map(due.map(({ mark, days }) => [mark, days]))
      const isKnown = ({ mark, days }: (typeof due)[number]) =>
        Number(warnings.getBinary(Buffer.from(mark)) ?? Infinity) <= days
      const isOver = ({ key }: { readonly key: Uint8Array }) => !daysOf.has(String(bufferOf(key)))
      // Nearly always there is nothing new, and nothing is written.
      const isSame = due.every(isKnown) && ![...warnings.getRange(EVERYTHING)].some(isOver)
      if (isSame) return Promise.resolve([])
      return environment.transaction(() => {
        for (const { key } of [...warnings.getRange(EVERYTHING)].filter(isOver))
          warnings.remove(bufferOf(key))
        const fresh = due.filter((one) => !isKnown(one))
        for (const { mark, days } of fresh) warnings.put(Buffer.from(mark), Buffer.from(`${days}`))
        return fresh.map(({ mark }) => mark)
      })
    },
    tenant(name) {
      renew()
      return present(tenantNamed(name))
    },
    tenants: () =>
      [...tenants.getRange(EVERYTHING)].flatMap(
        ({ value }) => present(JSON.parse(String(value)) as KeptTenant) ?? [],
      ),
    addTenant: (tenant) => add(tenants, tenant.name, tenant),
    suspendTenant: (name, isSuspended) =>
      environment.transaction(() => {
        const tenant = present(read<KeptTenant>(tenants, name))
        if (!tenant) return false
        putTenant({ ...tenant, isSuspended })
        return true
      }),
    beginTenantRemoval: (name) =>
      environment.transaction(() => {
        const tenant = read<KeptTenant>(tenants, name)
        if (!tenant) return undefined
        const keys = [...credentials.getRange(EVERYTHING)]
          .filter(({ value }) => (JSON.parse(String(value)) as Credential).tenant === name)
          .map(({ key }) => Buffer.from(key))
        for (const key of keys) {
          credentials.remove(key)
          lastUsed.remove(key)
        }
        for (const { key, value } of [...clients.getRange(EVERYTHING)]) {
          if ((JSON.parse(String(value)) as Client).tenant !== name) continue
          clients.remove(key)
          lastUsed.remove(key)
        }
        putTenant({ ...tenant, isDeleting: true })
        return keys.length
      }),
    async endTenantRemoval(name) {
      await tenants.remove(Buffer.from(name))
    },
    key: (purpose) =>
      environment.transaction(() => {
        const name = Buffer.from(purpose)
        const kept = keys.getBinary(name)
        if (kept) return Buffer.from(kept)
        const key = randomBytes(KEY_BYTES)
        keys.put(name, key)
        return key
      }),
    close: () => environment.close(),
  }

  function putTenant(tenant: KeptTenant): void {
    tenants.put(Buffer.from(tenant.name), Buffer.from(JSON.stringify(tenant)))
  }

  function add(database: Bytes, name: string, value: object): Promise<boolean> {
    return environment.transaction(() => {
      const key = Buffer.from(name)
      if (database.doesExist(key)) return false
      database.put(key, Buffer.from(JSON.stringify(value)))
      return true
    })
  }
}

/** A tenant whose removal has begun stays until its file is gone. */
interface KeptTenant extends Tenant {
  readonly isDeleting?: boolean
}

const present = (tenant: KeptTenant | undefined): Tenant | undefined =>
  tenant?.isDeleting ? undefined : tenant

function read<T>(database: Bytes, name: string): T | undefined {
  const bytes = database.getBinary(Buffer.from(name))
  return bytes && (JSON.parse(String(bytes)) as T)
}

/** Values that a reader remembers. */
const PARSED_COUNT_MAX = 1000

/**
 * Reads values that are asked for with every request. The bytes are read each time, since another
 * process may have changed them, and are parsed only when it has.
 *
 * @returns the very same object as long as the bytes are the same
 */
function reader<T>(database: Bytes): (name: string) => T | undefined {
  const parsed = new Map<string, { readonly text: string; readonly value: T }>()
  return (name) => {
    const text = textAt(database, Buffer.from(name))
    if (text === undefined) {
      parsed.delete(name)
      return undefined
    }
    const known = parsed.get(name)
    if (known?.text === text) return known.value
    const value = JSON.parse(text) as T
    if (parsed.size >= PARSED_COUNT_MAX) parsed.clear()
    parsed.set(name, { text, value })
    return value
  }
}

const TIME_BYTES = 8

/** Of times after 1970 the bytes sort as the times do. */
function timeBytes(time: number): Buffer {
  const bytes = Buffer.alloc(TIME_BYTES)
  bytes.writeDoubleBE(time)
  return bytes
}

const timeIn = (bytes: Buffer | undefined): number | undefined => bytes?.readDoubleBE(0)
