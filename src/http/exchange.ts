/** Turns one HTTP request into a question to the operations, and faults into SCIM errors. */

import type { AnyElysia } from 'elysia'
import {
  type Access,
  type Actor,
  type Alias,
  forbidden,
  mayAtAll,
  unauthorized,
  uncertified,
} from '../auth/actor.ts'
import { DEFAULT_TENANT, type Found, isBearer, tokenIn } from '../auth/bearer.ts'
import { JWT } from '../auth/jwt.ts'
import { networkOf, requireRate } from '../auth/rate.ts'
import { TENANT_NAME } from '../config.ts'
import { requireActive, userNamed } from '../operations/subject.ts'
import { ScimError } from '../scim/error.ts'
import { requireReadable } from '../scim/query.ts'
import { type Tolerance, tolerated } from '../scim/tolerance.ts'
import { Abandoned } from '../store/slices.ts'
import { Ask, type Asking } from './ask.ts'
import { bodyBytesOf, releaseBody } from './body.ts'
import { type Noted, recordOf } from './record.ts'
import { errorReply } from './reply.ts'
import { type Lease, notedAddress, peerOf, type Raw, rateKeyOf, type Wire } from './wire.ts'

type Handler = (ask: Ask) => Promise<Response>
type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** The methods of one path. */
export type Handlers = Partial<Record<Method, Handler>> & {
  /** Whether a request without a credential is answered. */
  readonly isPublic?: boolean
  /** What its POST needs, if that is not writing. */
  readonly needs?: Access['verb']
  /** What lets its POST in, where each part of it is allowed or refused by itself. */
  readonly admits?: Access['verb']
}

const METHODS: readonly Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

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
  const others = otherMethods(handlers)
  server.all(
    path,
    ({ request, params, server }) =>
      exchange(wire, { request, params, server } as Raw, handlers, others),
    options,
  )
}

/** Answers HEAD as GET, and 405 to what the path has no method for. */
function otherMethods({ GET, ...handlers }: Handlers): Handler {
  const allowed = METHODS.filter((method) => (method === 'GET' ? GET : handlers[method]))
  const expected = [...allowed, ...(GET ? ['HEAD'] : [])].join(', ')
  return async (ask) => {
    const { method } = ask.request
    if (method === 'HEAD' && GET) return withoutBody(await GET(ask))
    throw ScimError.status(405, `${method} is not for this path, expected ${expected}`, {
      Allow: expected,
    })
  }
}

/**
 * Answers a request to a path that is none to the letter, where the tenant tolerates that, and with
 * the fault where it does not.
 */
export function exchangeIf(
  tolerance: Tolerance,
  wire: Wire,
  raw: Raw,
  handlers: Handlers,
  fault: ScimError,
): Promise<Response> {
  const method = METHODS.find((one) => one === raw.request.method)
  const handler = (method && handlers[method]) ?? otherMethods(handlers)
  return exchange(wire, raw, handlers, async (ask) => {
    if (!tolerated(ask.context.rules, tolerance)) throw fault
    return handler(ask)
  })
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
  // Before anything is waited for: of a client that has gone nobody knows the address any more.
  if (request.method !== 'GET') notedAddress(wire, raw, noted)
  let lease: Lease | undefined
  let asking: Asking | undefined
  let reply: Response
  try {
    const tenant = tenantOf(raw)
    noted.tenant = tenant
    if (wire.uncertified) requireCertificate(wire, raw, noted)
    const isVisitor = handlers.isPublic && verb === 'read'
    const entered = (isVisitor ? visitor : enter)(wire, raw, tenant, noted)
    const entrant = entered instanceof Promise ? await entered : entered
    noted.actor = entrant
    const { requests } = wire.limits
    if (requests) requireRate(requests, rateKeyOf(wire, entrant, raw, noted), 'requests')
    if (!handlers.isPublic || entrant.user !== undefined) {
      const leased = wire.lease(tenant)
      lease = leased instanceof Promise ? await leased : leased
      if (!lease) throw unauthorized(true)
    }
    const actor =
      lease && entrant.alias
        ? await known({ wire, raw, actor: entrant, tenant, lease, noted }, entrant.alias)
        : entrant
    if (lease && actor.user !== undefined) await requireActive(lease.store, actor.user)
    // What exactly is asked for, the operations say; this is what can be said before the body.
    const { admits = verb } = handlers
    if (!handlers.isPublic && !mayAtAll(actor, admits)) throw forbidden(actor, { verb })
    requireReadable(request.url)
    asking = { wire, raw, actor, tenant, lease, noted }
    reply = await handler(new Ask(asking))
  } catch (error) {
    noted.fault = error
    reply = faultReply(wire, error, requestId)
  } finally {
    asking?.share?.made()
    lease?.end()
  }
  note(wire, raw, noted, reply)
  wire.metrics.answered(request.method, reply.status, (performance.now() - noted.begun) / 1000)
  if (request.method !== 'GET') releaseBody(request)
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
  if (raw.request.method !== 'GET') noted.bodyBytes = bodyBytesOf(raw.request)
  const { sensitive } = wire.viewOf(tenant).rules
  const hidden = { isSecret: wire.isSecret, sensitive }
  const address = () => notedAddress(wire, raw, noted)
  // Made for any name, so that the time that it takes tells nobody which tenants there are.
  const record = recordOf(raw.request, address, noted, reply, hidden)
  if (actor || tenant === DEFAULT_TENANT || wire.isTenant(tenant))
    wire.requests.append(tenant, record)
}

/**
 * Notes a request to a path that is none, as of an identity provider with a wrong base URL, if its
 * credential is good: anybody else is nobody's concern. A JWT is good for a tenant, and such a path
 * names none.
 */
export function noteStray(wire: Wire, raw: Raw, fault: ScimError): void {
  const time = wire.service.now()
  const token = tokenIn(raw.request.headers.get('authorization'))
  if (token === undefined || JWT.test(token)) return
  const actor = wire.check(token, DEFAULT_TENANT, time)
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
async function known(asking: Asking, alias: Alias): Promise<Actor> {
  const user = await userNamed(new Ask(asking).context, alias)
  return { ...asking.actor, user }
}

function verbOf(method: string, { needs = 'write' }: Handlers): Access['verb'] {
  if (method === 'GET' || method === 'HEAD') return 'read'
  return method === 'POST' ? needs : 'write'
}

function faultReply(wire: Wire, error: unknown, requestId: string): Response {
  if (error instanceof ScimError) {
    if (error.status === 503 || error.status === 507)
      wire.sparingLog('error', error.message, { requestId })
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
function requireCertificate(wire: Wire, raw: Raw, noted: Noted): void {
  const fault = wire.uncertified?.(peerOf(wire, raw), raw.request.headers)
  if (fault === undefined) return
  const { signIns } = wire.limits
  if (signIns) requireRate(signIns, networkOf(notedAddress(wire, raw, noted)), 'failed sign-ins')
  throw uncertified(fault)
}

/**
 * Who asks, for a path that needs a credential of this very tenant. A good credential is taken
 * however many bad ones its address has sent: behind a proxy, all have the same address.
 */
function enter(wire: Wire, raw: Raw, tenant: string, noted: Noted): Actor | Promise<Actor> {
  const authorization = raw.request.headers.get('authorization')
  const token = tokenIn(authorization)
  const found = token === undefined ? undefined : wire.check(token, tenant, wire.service.now())
  const failed = (): void => {
    const { signIns } = wire.limits
    if (signIns) requireRate(signIns, networkOf(notedAddress(wire, raw, noted)), 'failed sign-ins')
  }
  const admitted = (found: Found): Actor => {
    const actor = typeof found === 'object' ? found : undefined
    if (actor?.tenant === tenant && wire.isServed(tenant)) return actor
    failed()
    // Of a tenant that is suspended, or is gone, what is said of any other.
    const elsewhere = token !== undefined && JWT.test(token) ? 'audience' : undefined
    throw unauthorized(isBearer(authorization), typeof found === 'string' ? found : elsewhere)
  }
  if (!(found instanceof Promise)) return admitted(found)
  notedAddress(wire, raw, noted)
  return found.then(admitted, (error: unknown) => {
    failed()
    throw error
  })
}

/**
 * Who asks, for discovery: anybody, but a credential that is given has to be good. Other tenants
 * than the default one want it: each sees its own schemas, which would tell that it is there.
 */
function visitor(wire: Wire, raw: Raw, tenant: string, noted: Noted): Actor | Promise<Actor> {
  if (raw.request.headers.has('authorization') || tenant !== DEFAULT_TENANT)
    return enter(wire, raw, tenant, noted)
  return { id: '', name: '', tenant, scopes: new Set(), user: undefined }
}
