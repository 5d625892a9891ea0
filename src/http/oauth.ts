/** The routes of the token endpoint and of its metadata: RFC 6749 section 3.2, RFC 8414. */

import { isUtf8 as isUtf8Text } from 'node:buffer'
import type { AnyElysia } from 'elysia'
import { DEFAULT_TENANT } from '../auth/bearer.ts'
import { clientIdIn, OAuthError, wrongClient } from '../auth/oauth.ts'
import { networkOf, requireRate } from '../auth/rate.ts'
import { TENANT_NAME } from '../config.ts'
import { ScimError } from '../scim/error.ts'
import { FORM_BYTES_MAX } from '../scim/limits.ts'
import { decodedOf } from '../scim/query.ts'
import { note } from './exchange.ts'
import { contentTypeIn, isUtf8 } from './media-type.ts'
import type { Noted } from './record.ts'
import { notedAddress, peerOf, type Raw, type Wire } from './wire.ts'

const WELL_KNOWN = '/.well-known/oauth-authorization-server'

/**
 * Serves the endpoint of each tenant. Metadata says nothing but what follows from the tenant's
 * name, so it is there for names that no tenant has.
 */
export function oauthRoutes(server: AnyElysia, wire: Wire): void {
  const serve = (path: string, methods: readonly string[], answer: Answer) =>
    server.all(path, (raw) => reply(wire, raw as Raw, methods, answer), { parse: 'none' })
  for (const path of ['/oauth/token', '/t/:tenant/oauth/token']) serve(path, ['POST'], token)
  // RFC 8414 puts the tenant behind; in front, a proxy that serves a path alone finds it as well.
  for (const path of [WELL_KNOWN, `${WELL_KNOWN}/t/:tenant`, `/t/:tenant${WELL_KNOWN}`])
    serve(path, ['GET', 'HEAD'], async (_, { endpoint }, tenant) =>
      json(200, endpoint.metadata(tenant)),
    )
}

type Answer = (raw: Raw, wire: Wire, tenant: string) => Promise<Response>

async function reply(
  wire: Wire,
  raw: Raw,
  methods: readonly string[],
  answer: Answer,
): Promise<Response> {
  const begun = performance.now()
  const answered = await answerOf(wire, raw, methods, answer)
  const seconds = (performance.now() - begun) / 1000
  wire.metrics.answered(raw.request.method, answered.status, seconds)
  return answered
}

async function answerOf(
  wire: Wire,
  raw: Raw,
  methods: readonly string[],
  answer: Answer,
): Promise<Response> {
  try {
    if (!methods.includes(raw.request.method)) {
      const allowed = methods.join(', ')
      throw new OAuthError(405, 'invalid_request', `expected ${allowed}`, { Allow: allowed })
    }
    return await answer(raw, wire, tenantOf(raw))
  } catch (error) {
    return faultReply(wire, error)
  }
}

/** As for SCIM, `/t/default` is not served; neither is what can be no tenant's name. */
function tenantOf({ params }: Raw): string {
  if (!params || !('tenant' in params)) return DEFAULT_TENANT
  const { tenant } = params
  if (tenant && TENANT_NAME.test(tenant) && tenant !== DEFAULT_TENANT) return tenant
  throw new OAuthError(404, 'invalid_request', 'there is nothing here')
}

/** Answers a client, and notes it in the log of its tenant, as that of any other request. */
async function token(raw: Raw, wire: Wire, tenant: string): Promise<Response> {
  const requestId = crypto.randomUUID()
  const time = wire.service.now()
  const noted: Noted = { requestId, time, begun: performance.now(), verb: 'write', tenant }
  notedAddress(wire, raw, noted)
  let answered: Response
  try {
    answered = json(200, await granted(raw, wire, tenant, noted))
  } catch (error) {
    answered = faultReply(wire, error)
    noted.fault = error
  }
  note(wire, raw, noted, answered)
  return answered
}

async function granted(
  { request, server }: Raw,
  wire: Wire,
  tenant: string,
  noted: Noted,
): Promise<object> {
  const authorization = request.headers.get('authorization')
  const { requests, signIns } = wire.limits
  try {
    const fault = wire.uncertified?.(peerOf(wire, { request, server }), request.headers)
    if (fault !== undefined) throw wrongClient(fault)
    const form = await readForm(request)
    noted.client = clientIdIn(authorization, form)
    // As for SCIM, a tenant that is suspended answers as if it were not there.
    const served = wire.isServed(tenant) ? tenant : undefined
    const { client, answer } = await wire.endpoint.grant({ tenant: served, authorization, form })
    const { id, name } = client
    noted.actor = { id, name, tenant, scopes: new Set(), user: undefined }
    if (requests) requireRate(requests, `${tenant}/${client.id}`, 'requests')
    return answer
  } catch (error) {
    // Whatever is wrong: nobody fills the log of a tenant with requests that prove nothing.
    if (signIns && !noted.actor)
      requireRate(
        signIns,
        networkOf(notedAddress(wire, { request, server }, noted)),
        'failed sign-ins',
      )
    throw error
  }
}

async function readForm(request: Request): Promise<URLSearchParams> {
  const { mediaType, charset } = contentTypeIn(request.headers.get('content-type'))
  if (!isUtf8(charset)) {
    const detail = 'Content-Type: found another charset, expected UTF-8'
    throw new OAuthError(415, 'invalid_request', detail)
  }
  if (mediaType !== 'application/x-www-form-urlencoded') {
    throw new OAuthError(
      400,
      'invalid_request',
      'Content-Type: expected application/x-www-form-urlencoded',
    )
  }
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of request.body ?? []) {
    length += chunk.length
    if (length > FORM_BYTES_MAX) {
      const detail = `the body has more than ${FORM_BYTES_MAX} bytes`
      throw new OAuthError(413, 'invalid_request', detail, { Connection: 'close' })
    }
    chunks.push(chunk)
  }
  return formIn(Buffer.concat(chunks))
}

/** RFC 6749 appendix B: UTF-8, so that a broken escape is told and not taken for a wrong secret. */
function formIn(bytes: Buffer): URLSearchParams {
  const text = isUtf8Text(bytes) ? bytes.toString('utf8') : undefined
  if (text === undefined || decodedOf(text) === undefined) {
    const detail = 'the body is not UTF-8, or has a broken percent-escape'
    throw new OAuthError(400, 'invalid_request', detail)
  }
  return new URLSearchParams(text)
}

/** Section 5.2; what is not about the client at all is logged and answered with a bare 500. */
function faultReply(wire: Wire, error: unknown): Response {
  if (error instanceof OAuthError) return errorReply(error)
  if (error instanceof ScimError) {
    const { status, message, headers } = error
    const code = status === 429 ? 'slow_down' : 'temporarily_unavailable'
    return errorReply(new OAuthError(status, code, message, headers))
  }
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: '' }
  wire.log('error', 'a request for a token failed for a fault of the server', {
    error: message,
    stack,
  })
  return json(500, { error: 'server_error' })
}

const errorReply = ({ status, code, message, headers }: OAuthError): Response =>
  json(status, { error: code, error_description: message }, headers)

const json = (status: number, body: object, headers: Readonly<Record<string, string>> = {}) =>
  new Response(JSON.stringify(body), {
    status,
    headers: {
      'Content-Type': 'application/json',
      'Cache-Control': 'no-store',
      Pragma: 'no-cache',
      ...headers,
    },
  })
