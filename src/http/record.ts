/** Turns a request and what became of it into a record for the log of requests. */

import type { Access, Actor } from '../auth/actor.ts'
import { prefixIn, tokenIn } from '../auth/bearer.ts'
import { OAuthError } from '../auth/oauth.ts'
import { ScimError } from '../scim/error.ts'
import { isoOf } from '../scim/instant.ts'
import type { JsonValue } from '../scim/json.ts'
import { REQUESTS_BODY_LENGTH_MAX } from '../scim/limits.ts'
import {
  LEFT_OUT,
  type Names,
  redactedAddress,
  redactedBody,
  sensitiveNames,
  withoutTokens,
} from '../scim/redact.ts'
import type { Tolerance } from '../scim/tolerance.ts'
import { isJsonObject, type JsonObject } from '../scim/value.ts'

/** What is noted of a request while it is answered. */
export interface Noted {
  readonly requestId: string
  /** Milliseconds since 1970. */
  readonly time: number
  /** By the clock that measures. */
  readonly begun: number
  readonly verb: Access['verb']
  tenant?: string
  /** Of the client, once somebody has asked for it. */
  address?: string
  actor?: Actor
  /** The id by which a client of the token endpoint named itself. */
  client?: string | undefined
  needed?: Set<Tolerance>
  /** As it was read; absent when it was not, or could not be. */
  body?: JsonValue
  bodyBytes?: number | undefined
  /** The answer to a bulk request. */
  results?: JsonObject
  fault?: unknown
}

/** One line of the log of requests. */
export interface RequestRecord {
  readonly time: string
  readonly requestId: string
  /** By name and prefix; of one that is not good here, by the prefix alone. */
  readonly credential?: { readonly name?: string; readonly prefix: string }
  /** Of a write, and of whatever failed. */
  readonly address?: string
  readonly method: string
  /** With the query. */
  readonly path: string
  readonly status: number
  readonly ms: number
  /** What was created. */
  readonly location?: string
  /** What the request needed that the RFCs, or the interop profile, do not allow. */
  readonly tolerances?: readonly Tolerance[]
  readonly error?: { readonly scimType?: string; readonly detail: string }
  /** Of a write, and of whatever failed. */
  readonly body?: JsonValue
  readonly isBodyCut?: true
  /** Of a body that was not logged. */
  readonly bodyBytes?: number
  /** Operations of a bulk request that failed. */
  readonly failed?: JsonValue
}

/** What is kept out of a record. */
export interface Hidden {
  /** What speaks of a secret, in names and paths. */
  readonly isSecret: Names
  /** The paths that the tenant keeps out of addresses. */
  readonly sensitive: readonly string[]
}

/** Makes the record of a request. Nothing of its headers is in it. */
export function recordOf(
  request: Request,
  address: () => string,
  noted: Noted,
  reply: Response,
  hidden: Hidden,
): RequestRecord {
  const { time, requestId, needed, verb } = noted
  const { status } = reply
  const asked = withoutHost(request.url)
  const credential = credentialOf(request, noted.actor, noted.client)
  const record: Writable<RequestRecord> = {
    time: isoOf(time),
    requestId,
    method: request.method,
    path: asked,
    status,
    ms: Math.round((performance.now() - noted.begun) * 10) / 10,
  }
  if (credential) record.credential = credential
  if (needed && needed.size > 0) record.tolerances = [...needed]
  // Most requests read one resource, and there is no more to say of them.
  if (verb === 'read' && status < 400 && !asked.includes('?')) return record
  const { isSecret } = hidden
  const isSensitive = sensitiveNames(hidden.sensitive)
  const isHidden: Names = (text) => isSecret(text) || isSensitive(text)
  const path = redactedAddress(asked, isSecret, isHidden)
  record.path = path.slice(0, REQUESTS_BODY_LENGTH_MAX)
  if (verb === 'read' && status < 400) return record
  const details = detailsOf(noted, reply, path !== asked, isSecret, isHidden)
  return { ...record, address: address(), ...details }
}

type Writable<T> = { -readonly [name in keyof T]: T[name] }

/** What is kept of a write, and of whatever failed. */
function detailsOf(
  noted: Noted,
  reply: Response,
  isPathRedacted: boolean,
  isSecret: Names,
  isHidden: Names,
): Partial<RequestRecord> {
  const kept =
    noted.verb !== 'verify' && isJsonObject(noted.body)
      ? redactedBody(noted.body, isSecret, isHidden, REQUESTS_BODY_LENGTH_MAX)
      : undefined
  const location = reply.status === 201 ? reply.headers.get('location') : null
  return {
    ...(location === null ? {} : { location }),
    ...errorOf(noted, reply.status, isPathRedacted || kept?.isRedacted === true),
    ...bodyOf(noted, reply.status, kept),
    ...failedIn(noted.results, isSecret, isHidden),
  }
}

/** Path and query. Of an odd Host header Bun makes no whole URL. */
const withoutHost = (url: string): string => url.replace(/^[a-z]+:\/\/[^/?#]*/i, '')

/** A token that is not good here still shows by its prefix which one it is, or was. */
function credentialOf(
  request: Request,
  actor: Actor | undefined,
  client: string | undefined,
): RequestRecord['credential'] {
  if (actor) return actor.id === '' ? undefined : { name: actor.name, prefix: actor.id }
  if (client !== undefined) return { prefix: client }
  const token = tokenIn(request.headers.get('authorization'))
  const prefix = token?.startsWith('scimd_') ? prefixIn(token) : undefined
  return prefix === undefined ? undefined : { prefix }
}

function errorOf(
  { fault, verb, body, bodyBytes = 0 }: Noted,
  status: number,
  isRedacted: boolean,
): Pick<RequestRecord, 'error'> {
  if (fault === undefined) return {}
  if (fault instanceof OAuthError) return { error: { detail: `${fault.code}: ${fault.message}` } }
  if (!(fault instanceof ScimError)) {
    return { error: { detail: `status ${status}; the server's own log may tell more` } }
  }
  const { scimType, message } = fault
  // It may repeat what is left out: a value of the filter, or a part of a body that is not logged.
  const repeats = isRedacted && scimType === 'invalidFilter'
  const isOfBody = scimType === 'invalidSyntax' || scimType === 'invalidValue'
  const isUnlogged = isOfBody && bodyBytes > 0 && (verb === 'verify' || !isJsonObject(body))
  const told = isUnlogged ? message.replace(/"[^"]*(?:"|$)/g, `"${LEFT_OUT}"`) : message
  const detail = repeats ? LEFT_OUT : withoutTokens(told.slice(0, REQUESTS_BODY_LENGTH_MAX))
  return { error: { ...(scimType === undefined ? {} : { scimType }), detail } }
}

/**
 * The body of a write, and of whatever failed. A body that asks for a password's verification is
 * left out wholly; of one that could not be read the length alone is told, as it may hold anything.
 */
function bodyOf(
  { verb, bodyBytes = 0 }: Noted,
  status: number,
  kept: ReturnType<typeof redactedBody> | undefined,
): Pick<RequestRecord, 'body' | 'isBodyCut' | 'bodyBytes'> {
  if (kept) return { body: kept.body, ...(kept.isCut ? { isBodyCut: true, bodyBytes } : {}) }
  return verb === 'verify' || status < 400 || bodyBytes === 0 ? {} : { bodyBytes }
}

/** The results of operations that failed, as their client was told. */
function failedIn(
  results: JsonObject | undefined,
  isSecret: Names,
  isHidden: Names,
): Pick<RequestRecord, 'failed'> {
  const operations = results?.['Operations']
  if (!Array.isArray(operations)) return {}
  const failed = operations.filter((one) => isJsonObject(one) && Number(one['status']) >= 400)
  if (failed.length === 0) return {}
  return { failed: redactedBody(failed, isSecret, isHidden, REQUESTS_BODY_LENGTH_MAX).body }
}
