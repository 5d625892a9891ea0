/** What a credential may be allowed: names of scopes. RFC 7644 section 2, RFC 6749 section 3.3. */

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
export const TYPE_OF: ReadonlyMap<Scope, string> = new Map([
  ['users', 'User'],
  ['groups', 'Group'],
])

/** The scopes in a text such as "read verify"; names that are none are left out. */
export const scopesIn = (text: string): ReadonlySet<Scope> =>
  new Set(SCOPES.filter((scope) => text.split(' ').includes(scope)))

/** Whether a text is names of scopes with a space between them that reach something. */
export const isScope = (text: string): boolean =>
  text.split(' ').every((name) => SCOPES.includes(name as Scope)) && reachesAnything(scopesIn(text))

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

/** Whether these scopes allow to read and write. */
export const mayWrite = (scopes: ReadonlySet<Scope>): boolean =>
  scopes.has('write') || scopes.has('scim')
