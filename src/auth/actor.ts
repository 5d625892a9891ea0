/** Who asks: the subject that a credential stands for. RFC 7644 section 2. */

import { ScimError } from '../scim/error.ts'
import type { Scope } from '../store/control.ts'

export interface Actor {
  /** Tells credentials apart, as names do not; empty for a visitor without one. */
  readonly id: string
  /** The name of the credential, as it is written to the journal. */
  readonly name: string
  readonly tenant: string
  readonly scope: Scope
}

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

/** 403 for an actor whose scope does not reach. RFC 6750 section 3.1. */
export function requireScope(actor: Actor, scope: Scope): void {
  if (actor.scope === 'write' || actor.scope === scope) return
  throw ScimError.status(
    403,
    `the credential "${actor.name}" may ${actor.scope} only, expected scope ${scope}`,
    {
      'WWW-Authenticate': `${CHALLENGE}, error="insufficient_scope", scope="${scope}"`,
    },
  )
}
