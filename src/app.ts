/** Puts the house together: settings to registry, stores and server; starts it and stops it. */

import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { accessTokens } from './auth/access-token.ts'
import { bearerCheck, DEFAULT_TENANT, mintToken, tokenCheck } from './auth/bearer.ts'
import { certificateCheck } from './auth/client-certificate.ts'
import { expiryWatch } from './auth/expiry.ts'
import { jwtCheck } from './auth/jwt.ts'
import { tokenEndpoint } from './auth/oauth.ts'
import { limiter } from './auth/rate.ts'
import { sealer } from './auth/seal.ts'
import { type Config, ConfigFaults, DEFAULT_SETTINGS, type TenantSettings } from './config.ts'
import { ANSWER_LIMITS, type AnswerLimits, answersWithin } from './http/answers.ts'
import { forwarded, proxyCheck } from './http/forwarded.ts'
import { createMetricsServer, createServer } from './http/server.ts'
import type { Wire } from './http/wire.ts'
import { listen } from './listen.ts'
import { type Log, sparing } from './log.ts'
import { serverMetrics } from './metrics.ts'
import { nearestOf } from './nearest.ts'
import type { TenantView } from './operations/context.ts'
import { passwordHasher } from './operations/password.ts'
import { readSchemaFiles } from './schemas.ts'
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
import type { ControlStore, Tenant } from './store/control.ts'
import { lockDataDirectory, requireDataDirectory } from './store/data-directory.ts'
import { openLmdbControl } from './store/lmdb-control.ts'
import type { ConcealedData } from './store/lmdb-tenant.ts'
import { lmdbTenants } from './store/lmdb-tenants.ts'
import { presenceOf } from './store/presence.ts'
import { openRequestLog } from './store/request-log.ts'

/** A server that runs. */
export interface Running {
  /**
   * The base URL of the default tenant as the listening address gives it: http://HOST:PORT/scim/v2,
   * https with a certificate.
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
  /** How much answers may take where that is not what it is by default. */
  readonly answers?: Partial<AnswerLimits>
  /** Seconds after which a silent connection is closed, where that is not what it is by default. */
  readonly idleS?: number
  /** Told about long work at the start. */
  progress?(message: string): void
}

/** Milliseconds that requests in flight get to finish before their connections are closed. */
const STOP_TIMEOUT_MS = 30_000

/** How often the stores of tenants that were deleted are closed, and the files are looked for. */
const DELETED_LOOK_MS = 1_000

/** Always there, and in no list. */
const DEFAULT: Tenant = { name: DEFAULT_TENANT, created: 0 }

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
export function requireViews({ file, tenants }: Config, registry: Registry): void {
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
  const concealed = new Set<string>()
  const noteConcealed = (tenant: string, { type, name, count }: ConcealedData): void => {
    const known = registry.typeNamed(type)
    // What a tenant's own settings leave out is not missed.
    if (known && (name === undefined || known.resolve(name))) return
    const key = JSON.stringify([tenant, type, name])
    if (concealed.has(key)) return
    concealed.add(key)
    log('warn', 'data is kept out of sight that no schema knows; is --schemas missing?', {
      tenant,
      type,
      ...(name === undefined ? {} : { name }),
      resources: count,
    })
  }
  const control = openLmdbControl(join(config.data, 'control.mdb'))
  const isControlThere = presenceOf(join(config.data, 'control.mdb'))
  const missing = (): string | undefined => isControlThere() ?? tenants.missing()
  const tenants = lmdbTenants(join(config.data, 'tenants'), viewFor, (tenant) => ({
    progress: (type, done, total) =>
      surroundings.progress?.(`re-indexing ${tenant}: ${done} of ${total} ${type} resources`),
    faultOf: (type, document) => faultOf(viewFor(tenant).checks, type, document),
    concealed: (data) => noteConcealed(tenant, data),
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
    for (const { name, created } of [DEFAULT, ...control.tenants()]) {
      const lease = await tenants.lease(name, created)
      lease.end()
    }
    warnOfStrangers(config, control, log)
    const tenantOf = (name: string): Tenant | undefined =>
      name === DEFAULT_TENANT ? DEFAULT : control.tenant(name)
    const isThere = (name: string, created: number): boolean => tenantOf(name)?.created === created
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
    const baseUrlOf = (tenant: string): string =>
      tenant === DEFAULT_TENANT
        ? baseUrl
        : baseUrl.replace(/\/scim\/v2$/, () => `/t/${tenant}/scim/v2`)
    let certificateEnds: () => number | undefined = () => undefined
    const expiries = expiryWatch(control, certificate, log, now)
    function certificate() {
      const expires = certificateEnds()
      return expires === undefined || config.tls === undefined
        ? undefined
        : ({ kind: 'certificate', name: config.tls.cert, expires } as const)
    }
    const tokens = accessTokens(await control.key('access-tokens'), baseUrlOf, now)
    const wire: Wire = {
      service: { now, newId, ...passwordHasher(), ...seals },
      types: registry.types,
      viewOf: viewFor,
      log,
      sparingLog: sparing(log, now),
      limits: limitsOf(config, now),
      answers: answersWithin({ ...ANSWER_LIMITS, ...surroundings.answers }),
      check: tokenCheck(
        bearerCheck(control, config.token),
        jwtCheck({ tenants: config.tenants, tokens, control, now, log }),
      ),
      endpoint: tokenEndpoint({ control, tokens, now, log }),
      addressOf: forwarded(config.proxies, config.forwardedHeader),
      isSocket: config.listen.kind === 'unix',
      uncertified: uncertifiedBy(config, now),
      baseUrl: baseUrlOf,
      lease(name) {
        const tenant = tenantOf(name)
        if (!tenant) return undefined
        const leased = tenants.lease(name, tenant.created)
        if (!(leased instanceof Promise)) return leased
        return leased.then((lease) => {
          if (isThere(name, tenant.created)) return lease
          // Deleted meanwhile: nothing is to be written into a file that is gone.
          lease.end()
          return undefined
        })
      },
      isServed(name) {
        const tenant = tenantOf(name)
        return tenant !== undefined && tenant.isSuspended !== true
      },
      metrics: serverMetrics(config.rateLimit, now, expiries.soonest),
      hasMetrics: config.metricsListen === undefined,
      unready: () => (isReady ? missing() : 'the server starts or stops'),
      concealed: () => concealed.size,
      requests,
      isSecret: secretNames(registry.types),
      isTenant: (name) => control.tenant(name) !== undefined,
    }
    const { idleS } = surroundings
    const server = createServer(wire, config.tls !== undefined)
    const listener = await listen(server, { ...config, idleS }, log, now)
    const { metricsListen } = config
    const metricsListener =
      metricsListen &&
      (await listen(
        createMetricsServer(wire),
        { listen: metricsListen, tls: undefined, idleS },
        log,
        now,
      ).catch(async (error: unknown) => {
        await listener.stop(true)
        throw error
      }))
    if (metricsListener) {
      const at = metricsListener.url.replace(/\/scim\/v2$/, '/metrics')
      log('info', 'the metrics are served apart', { at })
    }
    const { url } = listener
    certificateEnds = listener.certificateEnds
    baseUrl ||= url
    if (/^(?:https?:\/\/(?:0\.0\.0\.0|\[::\]):|http:\/\/localhost\/)/.test(baseUrl)) {
      log('warn', 'every Location names an address that nobody can connect to; set --base-url', {
        baseUrl,
      })
    }
    // Only now: a token of a start that failed would have been shown to nobody.
    const firstToken = await mintFirstToken(control, config, now())
    let known: string | undefined
    const closing = setInterval(() => {
      tenants.closeOthers(isThere)
      const fault = missing()
      if (fault === known) return
      known = fault
      if (fault === undefined) log('info', 'the files of the data directory are there again')
      else log('error', 'nothing can be written: the data directory is not what it was', { fault })
    }, DELETED_LOOK_MS)
    closing.unref()
    const pruning = setInterval(() => void requests.prune(), REQUESTS_PRUNE_MS)
    void expiries.look()
    isReady = true
    return {
      url,
      firstToken,
      async stop() {
        isReady = false
        const stopped = listener.stop()
        const timer = setTimeout(() => void listener.stop(true), STOP_TIMEOUT_MS)
        await stopped
        await metricsListener?.stop(true)
        clearTimeout(timer)
        clearInterval(closing)
        clearInterval(pruning)
        await expiries.stop()
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

/** Settings of a tenant that does not exist are most often those of one whose name is mistyped. */
function warnOfStrangers({ tenants, file }: Config, control: ControlStore, log: Log): void {
  const known = [DEFAULT_TENANT, ...control.tenants().map(({ name }) => name)]
  for (const tenant of tenants.keys()) {
    if (known.includes(tenant)) continue
    const meant = nearestOf(tenant, known)
    log('warn', 'there are settings of a tenant that does not exist', {
      file,
      tenant,
      ...(meant === undefined ? {} : { meant }),
    })
  }
}

/** Certificates that are passed on are believed of named proxies, and of nobody else. */
function uncertifiedBy(
  { clientCertificates, proxies }: Config,
  now: () => number,
): Wire['uncertified'] {
  if (!clientCertificates) return undefined
  const isProxy = proxyCheck(proxies)
  const faultOf = certificateCheck(clientCertificates)
  return (peer, headers) =>
    isProxy(peer)
      ? faultOf(headers.get(clientCertificates.header), now())
      : 'the connection comes from no proxy that is named, so no certificate is believed'
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

/** With no token, no client and no issuer nobody could sign in: the first start makes a token. */
async function mintFirstToken(
  control: ControlStore,
  config: Config,
  now: number,
): Promise<string | undefined> {
  const hasIssuers = [...config.tenants.values()].some(({ issuers }) => issuers.length > 0)
  if (config.token !== undefined || hasIssuers) return undefined
  if (control.credentials().length > 0 || control.clients().length > 0) return undefined
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
