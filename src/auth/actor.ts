/** Who asks: the subject that a credential stands for. RFC 7644 section 2. */

import { ScimError } from '../scim/error.ts'

/**
 * What a credential may do: read everything; write everything, and read it (`scim` is the name that
 * the IPSIE profile gives this); verify passwords; read and write the one resource that it is
 * linked to. `feed` and `admin` may be given and reach nothing yet. `users` and `groups` allow
 * nothing by themselves: they narrow the others to resources of that type.
 */
export const SCOPES = [
  'read',
  'write',
  'scim',
  'verify',
  'me',
  'users',
  'groups',
  'feed',
  'admin',
] as const
export type Scope = (typeof SCOPES)[number]

/** The scopes that narrow others, each with the name of the resource type that it leaves. */
const TYPE_OF: ReadonlyMap<Scope, string> = new Map([
  ['users', 'User'],
  ['groups', 'Group'],
])

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

/** The scopes in a text such as "read verify"; names that are none are left out. */
export const scopesIn = (text: string): ReadonlySet<Scope> =>
  new Set(SCOPES.filter((scope) => text.split(' ').includes(scope)))

/** Whether these scopes allow anything; those that narrow others do not. */
export const reachesAnything = (scopes: ReadonlySet<Scope>): boolean =>
  [...scopes].some((scope) => !TYPE_OF.has(scope))

/**
 * The scopes that a client gets which holds some and asks for some, or undefined when it asks for
 * more than it holds. What narrows it stays, whether it asks for that or not. RFC 6749 section 3.3.
 */
export function scopesGranted(
  held: ReadonlySet<Scope>,
  asked: ReadonlySet<Scope>,
): ReadonlySet<Scope> | undefined {
  const heldTypes = [...held].filter((scope) => TYPE_OF.has(scope))
  const isHeld = (scope: Scope): boolean => {
    if (TYPE_OF.has(scope)) return heldTypes.length === 0 || held.has(scope)
    return held.has(scope) || (EVERYTHING.includes(scope) && mayWrite(held))
  }
  if (![...asked].every(isHeld)) return undefined
  const types = [...asked].filter((scope) => TYPE_OF.has(scope))
  const others = reachesAnything(asked) ? asked : held
  return new Set([
    ...[...others].filter((scope) => !TYPE_OF.has(scope)),
    ...(types.length > 0 ? types : heldTypes),
  ])
}

const EVERYTHING: readonly Scope[] = ['read', 'write', 'scim']

const mayWrite = (scopes: ReadonlySet<Scope>): boolean => scopes.has('write') || scopes.has('scim')

const CHALLENGE = 'Bearer realm="scimd"'

/** Why a JWT was refused: its class, never which part of it was right. */
export const REFUSALS = {
  malformed: 'the token is no signed JWT that can be read',
  issuer: 'the token is of an issuer that is not known here',
  algorithm: 'the token is not signed, or by an algorithm that is not allowed',
  key: 'the token names no key of its issuer',
  signature: 'the signature of the token is wrong',
  expired: 'the token has expired',
  early: 'the token is not valid yet',
  audience: 'the token is for another audience or tenant',
  claims: 'the token lacks a claim, or has another value of it',
  revoked: 'the client of the token has been revoked',
} as const
export type Refusal = keyof typeof REFUSALS

/**
 * 401: no credential, or none that is good here. Of a JWT the class of the fault is told. RFC 6750
 * section 3.
 */
export function unauthorized(isGiven: boolean, refusal?: Refusal): ScimError {
  if (refusal) {
    return ScimError.status(401, REFUSALS[refusal], {
      'WWW-Authenticate': `${CHALLENGE}, error="invalid_token", error_description="${REFUSALS[refusal]}"`,
    })
  }
  return isGiven
    ? ScimError.status(
        401,
        'the bearer token is not valid here: unknown, expired, revoked, or of another tenant',
        {
          'WWW-Authenticate': `${CHALLENGE}, error="invalid_token"`,
        },
      )
    : ScimError.status(401, 'expected an Authorization header with a bearer token', {
        'WWW-Authenticate': CHALLENGE,
      })
}

/** Whether an actor may do what is asked for. */
export function may({ scopes, user }: Actor, { verb, type, id }: Access): boolean {
  const isNarrowed = [...TYPE_OF.keys()].some((scope) => scopes.has(scope))
  if (isNarrowed && type !== undefined) {
    const isReached = [...TYPE_OF].some(([scope, name]) => name === type && scopes.has(scope))
    if (!isReached) return false
  }
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
