/** Who asks: the subject that a credential stands for. RFC 7644 section 2. */

import { ScimError } from '../scim/error.ts'
import { mayWrite, type Scope, TYPE_OF } from '../scim/scope.ts'

export interface Actor {
  /** Tells credentials apart, as names do not; empty for a visitor without one. */
  readonly id: string
  /** The name of the credential, as it is written to the journal. */
  readonly name: string
  readonly tenant: string
  readonly scopes: ReadonlySet<Scope>
  /** The id of the resource that `/Me` stands for; empty when it is known by its alias alone. */
  readonly user: string | undefined
  /** Another attribute of that resource, and its value there. */
  readonly alias?: Alias | undefined
}

/** What names a user: its id, or the value of an attribute that tells users apart. */
export interface Alias {
  readonly attribute: 'externalId' | 'userName'
  readonly value: string
}

/** What is asked for. A search, and whatever names no resource, has no id. */
export interface Access {
  readonly verb: 'read' | 'write' | 'verify'
  /** The name of the resource type; undefined where it is not known yet. */
  readonly type?: string | undefined
  readonly id?: string | undefined
}

const CHALLENGE = 'Bearer realm="scimd"'

/** Why a token was refused: its class, never which part of it was right. */
export const REFUSALS = {
  unknown: 'the token is not known here: wrong, revoked, or of another tenant',
  malformed: 'the token is no signed JWT that can be read',
  issuer: 'the token is of an issuer that is not known here',
  algorithm: 'the token is not signed, or by an algorithm that is not allowed',
  key: 'the token names no key of its issuer that can be used',
  signature: 'the signature of the token is wrong',
  expired: 'the token has expired',
  early: 'the token is not valid yet',
  audience: 'the token is for another audience or tenant',
  claims: 'the token lacks a claim, or has another value of it',
  revoked: 'the client of the token has been revoked',
  gone: 'the user of the token is not here, or not any more',
} as const
export type Refusal = keyof typeof REFUSALS

/**
 * 401: no credential, or none that is good here, of which the class of the fault is told. RFC 6750
 * section 3.
 */
export function unauthorized(isGiven: boolean, refusal: Refusal = 'unknown'): ScimError {
  if (isGiven) return refused(REFUSALS[refusal])
  return ScimError.status(401, 'expected an Authorization header with a bearer token', {
    'WWW-Authenticate': CHALLENGE,
  })
}

/** 401 for whoever comes without the client's certificate that is asked for beside the token. */
export const uncertified = (fault: string): ScimError => refused(fault)

const refused = (why: string): ScimError =>
  ScimError.status(401, why, {
    'WWW-Authenticate': `${CHALLENGE}, error="invalid_token", error_description="${why}"`,
  })

/** Whether these scopes leave this type: those that are narrowed to none leave all. */
function reachesType(scopes: ReadonlySet<Scope>, type: string): boolean {
  let isNarrowed = false
  for (const [scope, name] of TYPE_OF) {
    if (!scopes.has(scope)) continue
    if (name === type) return true
    isNarrowed = true
  }
  return !isNarrowed
}

/** Whether an actor may do what is asked for. */
export function may({ scopes, user }: Actor, { verb, type, id }: Access): boolean {
  if (type !== undefined && !reachesType(scopes, type)) return false
  if (verb !== 'verify' && mayWrite(scopes)) return true
  if (verb !== 'write' && scopes.has(verb)) return true
  return verb !== 'verify' && id !== undefined && id === user && scopes.has('me')
}

/** Whether an actor may do this to anything at all: what is asked for may not be known yet. */
export const mayAtAll = (actor: Actor, verb: Access['verb']): boolean =>
  may(actor, { verb, id: actor.user })

/** Refuses what no scope of the actor reaches. RFC 6750 section 3.1. @throws ScimError 403 */
export function requireAccess(actor: Actor, access: Access): void {
  if (!may(actor, access)) throw forbidden(actor, access)
}

/** 403 for an actor whose scopes do not reach. */
export function forbidden({ name, scopes }: Actor, { verb, type }: Access): ScimError {
  const held = [...scopes].join(' ') || 'none'
  const isOfType = type !== undefined && scopes.has(verb)
  const wanted = isOfType ? `${verb} for ${type}` : verb
  return ScimError.status(
    403,
    `the credential "${name}" has the scope ${held}, expected ${wanted}`,
    {
      'WWW-Authenticate': `${CHALLENGE}, error="insufficient_scope", scope="${verb}"`,
    },
  )
}
