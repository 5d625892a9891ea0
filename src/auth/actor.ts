/** Who asks: the subject that a credential stands for. RFC 7644 section 2. */

import { ScimError } from '../scim/error.ts'

/**
 * What a credential may do: read everything; write everything, and read it; verify passwords; read
 * and write the one resource that it is linked to.
 */
export const SCOPES = ['read', 'write', 'verify', 'me'] as const
export type Scope = (typeof SCOPES)[number]

export interface Actor {
  /** Tells credentials apart, as names do not; empty for a visitor without one. */
  readonly id: string
  /** The name of the credential, as it is written to the journal. */
  readonly name: string
  readonly tenant: string
  readonly scopes: ReadonlySet<Scope>
  /** The id of the resource that `/Me` stands for. */
  readonly user: string | undefined
}

/** What is asked for. A search, and whatever names no resource, has no id. */
export interface Access {
  readonly verb: 'read' | 'write' | 'verify'
  readonly id?: string | undefined
}

/** The scopes in a text such as "read verify"; names that are none are left out. */
export const scopesIn = (text: string): ReadonlySet<Scope> =>
  new Set(SCOPES.filter((scope) => text.split(' ').includes(scope)))

const CHALLENGE = 'Bearer realm="scimd"'

/**
 * 401: no credential, or none that is good here. Which part was wrong is not told. RFC 6750 section
 * 3.
 */
export const unauthorized = (isGiven: boolean): ScimError =>
  isGiven
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

/** Whether an actor may do what is asked for. */
function may({ scopes, user }: Actor, { verb, id }: Access): boolean {
  if (scopes.has(verb) || (verb === 'read' && scopes.has('write'))) return true
  return verb !== 'verify' && id !== undefined && id === user && scopes.has('me')
}

/** Whether an actor may do this to anything at all: what is asked for may not be known yet. */
export const mayAtAll = (actor: Actor, verb: Access['verb']): boolean =>
  may(actor, { verb, id: actor.user })

/** Refuses what no scope of the actor reaches. RFC 6750 section 3.1. @throws ScimError 403 */
export function requireAccess(actor: Actor, access: Access): void {
  if (!may(actor, access)) throw forbidden(actor, access.verb)
}

/** 403 for an actor whose scopes do not reach. */
export function forbidden({ name, scopes }: Actor, verb: Access['verb']): ScimError {
  const held = [...scopes].join(' ') || 'none'
  return ScimError.status(403, `the credential "${name}" has the scope ${held}, expected ${verb}`, {
    'WWW-Authenticate': `${CHALLENGE}, error="insufficient_scope", scope="${verb}"`,
  })
}
