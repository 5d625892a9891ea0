/** Puts the house together: settings to registry, stores and server; starts it and stops it. */

import { lstatSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bearerCheck, DEFAULT_TENANT, mintToken } from './auth/bearer.ts'
import { limiter } from './auth/rate.ts'
import { sealer } from './auth/seal.ts'
import {
  type Config,
  ConfigFaults,
  DEFAULT_SETTINGS,
  type Listen,
  type TenantSettings,
} from './config.ts'
import type { Wire } from './http/exchange.ts'
import { errorReply } from './http/reply.ts'
import { createServer } from './http/server.ts'
import type { Log } from './log.ts'
import type { TenantView } from './operations/context.ts'
import { passwordHasher } from './operations/password.ts'
import { readSchemaFiles } from './schemas.ts'
import { ScimError } from './scim/error.ts'
import {
  RATE_KEYS_MAX,
  SIGN_INS_PER_SECOND,
  VERIFY_ATTEMPTS_MAX,
  VERIFY_PERIOD_S,
} from './scim/limits.ts'
import { secretNames } from './scim/redact.ts'
import { buildRegistry, type Registry } from './scim/registry.ts'
import { faultOf } from './scim/validate.ts'
import { faultsOfView, viewsOf } from './scim/view.ts'
import type { ControlStore } from './store/control.ts'
import { lockDataDirectory, requireDataDirectory } from './store/data-directory.ts'
import { openLmdbControl } from './store/lmdb-control.ts'
import { lmdbTenants } from './store/lmdb-tenants.ts'
import { openRequestLog } from './store/request-log.ts'

/** A server that runs. */
export interface Running {
  /**
   * The base URL of the default tenant as the listening address gives it: http://HOST:PORT/scim/v2.
   */
  readonly url: string
  /** The token of a first start, which is nowhere else. */
  readonly firstToken: string | undefined
  /** No new connections; what is in flight finishes; then all is closed. */
  stop(): Promise<void>
}

/** What the outside gives to a server, so that a test can hold it still. */
export interface Surroundings {
  readonly log: Log
  now(): number
  newId(): string
  /** Told about long work at the start. */
  progress?(message: string): void
}

/** Milliseconds that requests in flight get to finish before their connections are closed. */
const STOP_TIMEOUT_MS = 30_000

/** How often the log of requests is looked through for what is too old. */
const REQUESTS_PRUNE_MS = 60 * 60 * 1000

/**
 * Starts a server: everything is checked before anything listens.
 *
 * @throws SchemaFaults, ConfigFaults, StoreFileError, DataDirectoryError or ListenError
 */
export async function start(config: Config, surroundings: Surroundings): Promise<Running> {
  const files = readSchemaFiles(config.schemas)
  const registry = buildRegistry(files.schemas, files.types)
  requireViews(config, registry)
  const viewOf = viewsOf(files, registry)
  requireDataDirectory(config.data)
  const unlock = lockDataDirectory(config.data)
  try {
    return await startLocked(config, surroundings, { registry, viewOf }, unlock)
  } catch (error) {
    unlock()
    throw error
  }
}

/** @throws ConfigFaults for settings that name what no schema file has */
function requireViews({ file, tenants }: Config, registry: Registry): void {
  const faults = [...tenants].flatMap(([name, settings]) =>
    faultsOfView(registry, settings).map((fault) => `${file}: $.tenants.${name}${fault}`),
  )
  if (faults.length > 0) throw new ConfigFaults(faults)
}

/** The schemas of all tenants, and what each of them sees of these. */
interface Schemas {
  readonly registry: Registry
  readonly viewOf: ReturnType<typeof viewsOf>
}

async function startLocked(
  config: Config,
  surroundings: Surroundings,
  { registry, viewOf }: Schemas,
  unlock: () => void,
): Promise<Running> {
  const { log, now, newId } = surroundings
  const views = new Map<TenantSettings, TenantView>()
  const viewFor = (tenant: string): TenantView => {
    const rules = config.tenants.get(tenant) ?? DEFAULT_SETTINGS
    const view = views.get(rules) ?? { ...viewOf(rules), rules }
    views.set(rules, view)
    return view
  }
  const control = openLmdbControl(join(config.data, 'control.mdb'))
  const tenants = lmdbTenants(join(config.data, 'tenants'), viewFor, (tenant) => ({
    progress: (type, done, total) =>
      surroundings.progress?.(`re-indexing ${tenant}: ${done} of ${total} ${type} resources`),
    faultOf: (type, document) => faultOf(viewFor(tenant).checks, type, document),
    faulty: (type, id, fault) =>
      log('warn', 'a stored resource is not valid under the present schemas', {
        tenant,
        type,
        id,
        fault,
      }),
  }))
  try {
    // The default tenant and those known: whatever is wrong with their files is told now.
    for (const name of [DEFAULT_TENANT, ...control.tenants().map((tenant) => tenant.name)]) {
      const { end } = await tenants.lease(name)
      end()
    }
    const requests = openRequestLog(join(config.data, 'tenants'), {
      now,
      failed: (tenant, error) =>
        log('error', 'the log of requests cannot be written', { tenant, error }),
      recovered: (tenant) => log('info', 'the log of requests is written again', { tenant }),
    })
    await requests.prune()
    const seals = sealer(await control.key('cursor'), now)
    let isReady = false
    let baseUrl = config.baseUrl ?? ''
    const wire: Wire = {
      service: { now, newId, ...passwordHasher(), ...seals },
      types: registry.types,
      viewOf: viewFor,
      log,
      limits: limitsOf(config, now),
      check: bearerCheck(control, config.token),
      baseUrl: (tenant) =>
        tenant === DEFAULT_TENANT
          ? baseUrl
          : baseUrl.replace(/\/scim\/v2$/, () => `/t/${tenant}/scim/v2`),
      async lease(name) {
        return name === DEFAULT_TENANT || control.tenant(name) ? tenants.lease(name) : undefined
      },
      isReady: () => isReady,
      requests,
      isSecret: secretNames(registry.types),
      isTenant: (name) => control.tenant(name) !== undefined,
    }
    const listener = await listen(createServer(wire), config.listen, log)
    const url = urlOf(config.listen, listener.port)
    baseUrl ||= url
    if (/^http:\/\/(?:0\.0\.0\.0:|\[::\]:|localhost\/)/.test(baseUrl)) {
      log('warn', 'every Location names an address that nobody can connect to; set --base-url', {
        baseUrl,
      })
    }
    // Only now: a token of a start that failed would have been shown to nobody.
    const firstToken = await mintFirstToken(control, config, now())
    const pruning = setInterval(() => void requests.prune(), REQUESTS_PRUNE_MS)
    isReady = true
    return {
      url,
      firstToken,
      async stop() {
        isReady = false
        const stopped = listener.stop()
        const timer = setTimeout(() => void listener.stop(true), STOP_TIMEOUT_MS)
        await stopped
        clearTimeout(timer)
        clearInterval(pruning)
        await requests.close()
        await tenants.close()
        await control.close()
        unlock()
      },
    }
  } catch (error) {
    await tenants.close()
    await control.close()
    throw error
  }
}

/** A rate of 0 stands for none; what protects passwords stays. */
function limitsOf({ rateLimit }: Config, now: () => number): Wire['limits'] {
  const rateOf = (perSecond: number, seconds: number) =>
    limiter({ perSecond, burst: perSecond * seconds, keysMax: RATE_KEYS_MAX }, now)
  const isLimited = rateLimit > 0
  return {
    requests: isLimited ? rateOf(rateLimit, 2) : undefined,
    signIns: isLimited ? rateOf(SIGN_INS_PER_SECOND, 10) : undefined,
    attempts: rateOf(VERIFY_ATTEMPTS_MAX / VERIFY_PERIOD_S, VERIFY_PERIOD_S),
  }
}

/** With no token at all nobody could sign in: the first start makes one. */
async function mintFirstToken(
  control: ControlStore,
  config: Config,
  now: number,
): Promise<string | undefined> {
  if (config.token !== undefined || control.credentials().length > 0) return undefined
  const wanted = {
    name: 'first',
    tenant: DEFAULT_TENANT,
    scope: 'write',
    created: now,
    expires: undefined,
  } as const
  return (await mintToken(control, wanted)).token
}

/** Writes the first token to a file of the data directory that its owner alone may read. */
export function keepFirstToken(data: string, token: string): string {
  const path = join(data, 'first-token')
  // A mode is given to a new file only, and one of an earlier start may be of any.
  rmSync(path, { force: true })
  writeFileSync(path, `${token}\n`, { mode: 0o600, flag: 'wx' })
  return path
}

/** Bodies are limited where they are read; this only keeps Bun from answering before us. */
const BUN_BODY_BYTES_MAX = 2 ** 31

/** Longer than any answer takes; a body that is streamed slowly must not be cut off. */
const IDLE_TIMEOUT_S = 120

/** An address that cannot be listened on: the fault, and the cure. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  readonly cure: string

  constructor(fault: string, cure: string) {
    super(fault)
    this.cure = cure
  }
}

type Server = ReturnType<typeof createServer>

/** @throws ListenError */
async function listen(server: Server, where: Listen, log: Log): Promise<Bun.Server<undefined>> {
  try {
    if (where.kind === 'unix') await removeStale(where.path)
    return listenOn(server, where, log)
  } catch (error) {
    throw error instanceof ListenError ? error : listenFault(where, error)
  }
}

function listenFault(where: Listen, error: unknown): ListenError {
  const address = where.kind === 'unix' ? `unix:${where.path}` : `${hostIn(where)}:${where.port}`
  const { code, message = String(error) } = error as { code?: string; message?: string }
  if (code === 'EADDRINUSE') {
    return new ListenError(
      `another program listens on ${address}`,
      'stop it first, or name another address with --listen',
    )
  }
  return new ListenError(
    `${address} cannot be listened on: ${message}`,
    code === 'EACCES'
      ? 'use a port from 1024 up, or a directory that this user may write to'
      : 'name an address of this machine, or a socket in a directory that exists, with --listen',
  )
}

/** Removes a socket that a server left behind, and nothing else. */
async function removeStale(path: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (!stats) return
  if (!stats.isSocket()) {
    throw new ListenError(
      `${path} is there and is no socket`,
      'move it away, or name another path with --listen unix:PATH',
    )
  }
  // The server of another data directory may be using it.
  const socket = await Bun.connect({ unix: path, socket: { data() {} } }).catch(() => undefined)
  if (!socket) return unlinkSync(path)
  socket.end()
  throw Object.assign(new Error('in use'), { code: 'EADDRINUSE' })
}

function listenOn(server: Server, where: Listen, log: Log): Bun.Server<undefined> {
  const { fetch } = server
  const shared = {
    fetch,
    development: false,
    maxRequestBodySize: BUN_BODY_BYTES_MAX,
    // What fails before or behind our own handlers: a line in the log, and no source in the answer.
    error(error: Error) {
      log('error', 'a request failed outside of its handler', { error: error.message })
      return errorReply(ScimError.internal('no id'))
    },
  } as const
  if (where.kind === 'unix') return Bun.serve({ ...shared, unix: where.path })
  const listener = Bun.serve({
    ...shared,
    hostname: where.host,
    port: where.port,
    idleTimeout: IDLE_TIMEOUT_S,
  })
  // Handlers ask it for the address of their client.
  server.server = listener
  return listener
}

function urlOf(where: Listen, port: number | undefined): string {
  if (where.kind === 'unix') return 'http://localhost/scim/v2'
  return `http://${hostIn(where)}:${port}/scim/v2`
}

const hostIn = ({ host }: { readonly host: string }): string =>
  host.includes(':') ? `[${host}]` : host
