/** Turns one HTTP request into a question to the operations, and faults into SCIM errors. */

import type { AnyElysia } from 'elysia'
import {
  type Access,
  type Actor,
  forbidden,
  may,
  mayAtAll,
  requireAccess,
  unauthorized,
  uncertified,
} from '../auth/actor.ts'
import { DEFAULT_TENANT, type Found, isBearer, type TokenCheck, tokenIn } from '../auth/bearer.ts'
import type { TokenEndpoint } from '../auth/oauth.ts'
import { type Limiter, requireRate } from '../auth/rate.ts'
import { TENANT_NAME } from '../config.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Context, Service, TenantView } from '../operations/context.ts'
import { requireActive, userNamed } from '../operations/subject.ts'
import { ScimError } from '../scim/error.ts'
import type { JsonValue } from '../scim/json.ts'
import { type Projection, readProjection } from '../scim/projection.ts'
import type { Names } from '../scim/redact.ts'
import type { ResourceType } from '../scim/registry.ts'
import { projectionInQuery } from '../scim/search-request.ts'
import type { Rules, Tolerance } from '../scim/tolerance.ts'
import type { JsonObject } from '../scim/value.ts'
import type { RequestLog } from '../store/request-log.ts'
import { Abandoned } from '../store/slices.ts'
import type { Store } from '../store/store.ts'
import { bodyBytesOf, readBody, releaseBody } from './body.ts'
import type { AddressOf } from './forwarded.ts'
import { type Noted, recordOf } from './record.ts'
import { errorReply } from './reply.ts'

/** A tenant's store, which stays open until the lease and every share of it have ended. */
export interface Lease {
  readonly store: Store
  /** For a body that is still being sent; the result ends the share. */
  share(): () => void
  end(): void
}

/** What the server needs of the rest of the house. */
export interface Wire {
  readonly service: Service
  /** The resource types of all tenants: each of them sees all of these or some. */
  readonly types: readonly ResourceType[]
  readonly log: Log
  readonly check: TokenCheck
  readonly endpoint: TokenEndpoint
  readonly addressOf: AddressOf
  /** Why a connection is not let in, for want of a client's certificate that a proxy passes on. */
  readonly uncertified: ((peer: string, headers: Headers) => string | undefined) | undefined
  /** What is limited; requests and failed sign-ins are not when a setting says so. */
  readonly limits: {
    readonly requests: Limiter | undefined
    readonly signIns: Limiter | undefined
    readonly attempts: Limiter
  }
  viewOf(tenant: string): TenantView
  /** The base URL of a tenant, without a slash at its end. */
  baseUrl(tenant: string): string
  /** The store of a tenant, or undefined when there is no such tenant. */
  lease(tenant: string): Promise<Lease | undefined>
  /** Whether there is such a tenant, and it is not suspended. */
  isServed(tenant: string): boolean
  readonly metrics: Metrics
  isReady(): boolean
  /** Where each request of a tenant is noted, for its administrator. */
  readonly requests: RequestLog
  /** What speaks of a secret, in any tenant. */
  readonly isSecret: Names
  isTenant(name: string): boolean
}

/** What is asked: the request, and what has been read from its path, query and headers. */
export interface Ask {
  readonly request: Request
  readonly id: string
  readonly query: URLSearchParams
  readonly context: Context
  header(name: string): string | undefined
  /** The body as JSON. @throws ScimError see readBody */
  body(): Promise<JsonValue>
  /** Notes what became of the operations of a bulk request, which the status does not tell. */
  noteResults(answer: JsonObject): void
  /** The type of this name as the tenant sees it. @throws ScimError 404 when it does not */
  typeNamed(name: string): ResourceType
  projection(type: ResourceType): Projection
}

type Handler = (ask: Ask) => Promise<Response>
type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** The methods of one path. */
export type Handlers = Partial<Record<Method, Handler>> & {
  /** Whether a request without a credential is answered. */
  readonly isPublic?: boolean
  /** What its POST needs, if that is not writing. */
  readonly needs?: Access['verb']
}

const METHODS: readonly Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/**
 * What Elysia hands on. Parameters are decoded once, null when they cannot be; a fixed path has
 * none.
 */
export interface Raw {
  readonly request: Request
  readonly params: Readonly<Record<string, string | null>> | undefined
  readonly server: { requestIP(request: Request): { address: string } | null } | null
}

/** Serves one path: the methods that it has, HEAD with GET, and 405 for all others. */
export function route(server: AnyElysia, wire: Wire, path: string, handlers: Handlers): void {
  const options = { parse: 'none' } as const
  for (const method of METHODS) {
    const handler = handlers[method]
    if (!handler) continue
    server.route(
      method,
      path,
      ({ request, params, server }) =>
        exchange(wire, { request, params, server } as Raw, handlers, handler),
      options,
    )
  }
  const allowed = METHODS.filter((method) => handlers[method])
  if (handlers.GET) allowed.push('HEAD' as Method)
  server.all(
    path,
    ({ request, params, server }) =>
      exchange(wire, { request, params, server } as Raw, handlers, async (ask) => {
        if (request.method === 'HEAD' && handlers.GET) return withoutBody(await handlers.GET(ask))
        throw ScimError.status(
          405,
          `${request.method} is not for this path, expected ${allowed.join(', ')}`,
          {
            Allow: allowed.join(', '),
          },
        )
      }),
    options,
  )
}

async function withoutBody(response: Response): Promise<Response> {
  await response.body?.cancel()
  return new Response(null, { status: response.status, headers: response.headers })
}

async function exchange(
  wire: Wire,
  raw: Raw,
  handlers: Handlers,
  handler: Handler,
): Promise<Response> {
  const { request } = raw
  const requestId = crypto.randomUUID()
  const verb = verbOf(request.method, handlers)
  const noted: Noted = { requestId, time: wire.service.now(), begun: performance.now(), verb }
  let lease: Lease | undefined
  let reply: Response
  try {
    const tenant = tenantOf(raw)
    noted.tenant = tenant
    if (wire.uncertified) requireCertificate(wire, raw)
    const entered =
      handlers.isPublic && verb === 'read' ? visitor(wire, raw, tenant) : enter(wire, raw, tenant)
    const entrant = entered instanceof Promise ? await entered : entered
    noted.actor = entrant
    const { requests } = wire.limits
    if (requests) requireRate(requests, rateKeyOf(wire, entrant, raw), 'requests')
    // What exactly is asked for, the operations say; this is what can be said before the body.
    if (!handlers.isPublic && !mayAtAll(entrant, verb)) throw forbidden(entrant, { verb })
    lease = handlers.isPublic ? undefined : await wire.lease(tenant)
    if (!lease && !handlers.isPublic) throw unauthorized(true)
    const named = lease ? known(wire, raw, entrant, tenant, lease, noted) : entrant
    const actor = named instanceof Promise ? await named : named
    if (lease && actor.user !== undefined) {
      const isMeAlone = actor.scopes.size === 1 && actor.scopes.has('me')
      await requireActive(lease.store, actor.user, isMeAlone)
    }
    reply = await handler(askOf(wire, raw, actor, tenant, lease, noted))
  } catch (error) {
    noted.fault = error
    reply = faultReply(wire, error, requestId)
  } finally {
    lease?.end()
  }
  note(wire, raw, noted, reply)
  wire.metrics.answered(request.method, reply.status, (performance.now() - noted.begun) / 1000)
  releaseBody(request)
  return reply
}

/**
 * Notes a request in its tenant's log. A tenant that is not there gets none: nobody makes
 * directories by asking. Nor are requests noted that were refused for the rate of their address,
 * which the refused sign-ins before them have told of: nobody pushes out others' records so.
 */
export function note(wire: Wire, raw: Raw, noted: Noted, reply: Response): void {
  const { tenant, actor } = noted
  if (tenant === undefined || (!actor && reply.status === 429)) return
  if (!actor && tenant !== DEFAULT_TENANT && !wire.isTenant(tenant)) return
  noted.bodyBytes = bodyBytesOf(raw.request)
  const names = { isSecret: wire.isSecret, sensitive: wire.viewOf(tenant).rules.sensitive }
  wire.requests.append(tenant, recordOf(raw.request, addressOf(wire, raw), noted, reply, names))
}

/**
 * Notes a request to a path that is none, as of an identity provider with a wrong base URL, if its
 * credential is good: anybody else is nobody's concern. A JWT is good for a tenant, and such a path
 * names none.
 */
export function noteStray(wire: Wire, raw: Raw, fault: ScimError): void {
  const time = wire.service.now()
  const token = tokenIn(raw.request.headers.get('authorization'))
  const actor = token === undefined ? undefined : wire.check(token, DEFAULT_TENANT, time)
  if (typeof actor !== 'object' || actor instanceof Promise) return
  const { tenant } = actor
  const requestId = crypto.randomUUID()
  const begun = performance.now()
  note(
    wire,
    raw,
    { requestId, time, begun, verb: 'write', tenant, actor, fault },
    errorReply(fault),
  )
}

/** The same actor with the id of the user whom the credential names by something else. */
function known(
  wire: Wire,
  raw: Raw,
  actor: Actor,
  tenant: string,
  lease: Lease,
  noted: Noted,
): Actor | Promise<Actor> {
  const { alias } = actor
  if (!alias) return actor
  const { context } = askOf(wire, raw, actor, tenant, lease, noted)
  return userNamed(context, alias).then((user) => ({ ...actor, user }))
}

function verbOf(method: string, { needs = 'write' }: Handlers): Access['verb'] {
  if (method === 'GET' || method === 'HEAD') return 'read'
  return method === 'POST' ? needs : 'write'
}

/** Credentials have a rate of their own each; visitors share that of their address. */
const rateKeyOf = (wire: Wire, { id, tenant }: Actor, raw: Raw): string =>
  id === '' ? `/${addressOf(wire, raw)}` : `${tenant}/${id}`

/** The address of a client; empty for a Unix socket. */
export const addressOf = (
  wire: Wire,
  { request, server }: Pick<Raw, 'request' | 'server'>,
): string => wire.addressOf(peerOf({ request, server }), request.headers)

/** The other end of the connection; empty for a Unix socket. */
export const peerOf = ({ request, server }: Pick<Raw, 'request' | 'server'>): string =>
  server?.requestIP(request)?.address ?? ''

function faultReply(wire: Wire, error: unknown, requestId: string): Response {
  if (error instanceof ScimError) {
    if (error.status === 503 || error.status === 507)
      wire.log('error', error.message, { requestId })
    return errorReply(error)
  }
  if (error instanceof Abandoned) {
    return errorReply(ScimError.status(503, 'the client has gone', { 'Retry-After': '1' }))
  }
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: '' }
  wire.log('error', 'a request failed for a fault of the server', {
    requestId,
    error: message,
    stack,
  })
  return errorReply(ScimError.internal(requestId))
}

/** The tenant that the path names. `/t/default` is not served: one tenant has one address. */
function tenantOf({ params, request }: Raw): string {
  if (!params || !('tenant' in params)) return DEFAULT_TENANT
  const { tenant } = params
  if (tenant && TENANT_NAME.test(tenant) && tenant !== DEFAULT_TENANT) return tenant
  throw unauthorized(isBearer(request.headers.get('authorization')))
}

/** Refuses who has no certificate that is listed; it counts as a failed sign-in. */
function requireCertificate(wire: Wire, raw: Raw): void {
  const fault = wire.uncertified?.(peerOf(raw), raw.request.headers)
  if (fault === undefined) return
  const { signIns } = wire.limits
  if (signIns) requireRate(signIns, addressOf(wire, raw), 'failed sign-ins')
  throw uncertified(fault)
}

/**
 * Who asks, for a path that needs a credential of this very tenant. A good credential is taken
 * however many bad ones its address has sent: behind a proxy, all have the same address.
 */
function enter(wire: Wire, raw: Raw, tenant: string): Actor | Promise<Actor> {
  const authorization = raw.request.headers.get('authorization')
  const token = tokenIn(authorization)
  const found = token === undefined ? undefined : wire.check(token, tenant, wire.service.now())
  const failed = (): void => {
    const { signIns } = wire.limits
    if (signIns) requireRate(signIns, addressOf(wire, raw), 'failed sign-ins')
  }
  const admitted = (found: Found): Actor => {
    const actor = typeof found === 'object' ? found : undefined
    if (actor?.tenant === tenant && wire.isServed(tenant)) return actor
    failed()
    throw unauthorized(isBearer(authorization), typeof found === 'string' ? found : undefined)
  }
  if (!(found instanceof Promise)) return admitted(found)
  return found.then(admitted, (error: unknown) => {
    failed()
    throw error
  })
}

/**
 * Who asks, for discovery: anybody, but a credential that is given has to be good. Other tenants
 * than the default one want it: each sees its own schemas, which would tell that it is there.
 */
function visitor(wire: Wire, raw: Raw, tenant: string): Actor | Promise<Actor> {
  if (raw.request.headers.has('authorization') || tenant !== DEFAULT_TENANT)
    return enter(wire, raw, tenant)
  return { id: '', name: '', tenant, scopes: new Set(), user: undefined }
}

function askOf(
  wire: Wire,
  raw: Raw,
  actor: Actor,
  tenant: string,
  lease: Lease | undefined,
  noted: Noted,
): Ask {
  const { request, params } = raw
  const { url } = request
  const at = url.indexOf('?')
  const query = new URLSearchParams(at < 0 ? '' : url.slice(at + 1))
  const baseUrl = wire.baseUrl(tenant)
  const { service } = wire
  const id = params?.['id'] ?? ''
  const view = wire.viewOf(tenant)
  const { requestId } = noted
  let rules: Rules | undefined
  const context: Context = {
    ...service,
    registry: view.registry,
    checks: view.checks,
    strictChecks: view.strictChecks,
    // Made for those who ask: reading one resource does not.
    get rules() {
      noted.needed ??= new Set<Tolerance>()
      rules ??= { ...view.rules, needed: noted.needed }
      return rules
    },
    baseUrl,
    subject: `${tenant}/${actor.id}/${[...actor.scopes].join(' ')}`,
    user: actor.user,
    requireAccess: (verb, { name }, id) => requireAccess(actor, { verb, type: name, id }),
    maySearch: ({ name }) => may(actor, { verb: 'read', type: name }),
    attempts: {
      take: (id) => requireRate(wire.limits.attempts, `${tenant}/${id}`, 'attempts at a password'),
      giveBack: (id) => wire.limits.attempts.giveBack(`${tenant}/${id}`),
    },
    // Making a signal costs as much as reading a resource; only long work looks at it.
    get signal() {
      return request.signal
    },
    get store() {
      if (!lease) throw new Error('discovery asks for a store')
      return lease.store
    },
    holdStore: () => lease?.share() ?? (() => undefined),
    get origin() {
      return { time: service.now(), actor: actor.name, address: addressOf(wire, raw), requestId }
    },
  }
  return {
    request,
    id,
    query,
    context,
    header: (name) => request.headers.get(name) ?? undefined,
    async body() {
      noted.body = await readBody(request)
      return noted.body
    },
    noteResults(answer) {
      noted.results = answer
    },
    projection: (type) => readProjection(type, projectionInQuery(query)),
    typeNamed(name) {
      const type = view.registry.typeNamed(name)
      if (!type) throw ScimError.status(404, `there is no resource type ${name}`)
      return type
    },
  }
}
