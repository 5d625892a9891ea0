/** JWTs as bearer tokens: of a tenant's issuers, and of the server itself. RFC 7519, RFC 8725. */

import { createHash } from 'node:crypto'
import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose'
import type { IssuerSettings } from '../issuers.ts'
import type { Log } from '../log.ts'
import { ID_LENGTH_MAX, JWKS_FRESH_MS, JWTS_CHECKED_MAX } from '../scim/limits.ts'
import { type Scope, scopesIn } from '../scim/scope.ts'
import type { ControlStore } from '../store/control.ts'
import type { AccessTokens, Grant } from './access-token.ts'
import type { Actor, Refusal } from './actor.ts'
import { isPast } from './expiry.ts'
import { type KeySource, keySource } from './jwks.ts'

/** Finds who asks a tenant by a JWT, or why it is refused. At once for one that was seen lately. */
export type JwtCheck = (
  token: string,
  tenant: string,
  now: number,
) => Actor | Refusal | Promise<Actor | Refusal>

/** One tenant's trust in an issuer. */
interface Trust {
  readonly tenant: string
  readonly settings: IssuerSettings
}

/** All that trust one issuer's same keys: a signature is checked once for all of them. */
interface Group {
  readonly source: KeySource
  readonly trusts: Trust[]
}

/** A token whose signature was right and whose time had come: of an issuer, or the server's own. */
type Checked =
  | { readonly kind: 'issuer'; readonly group: Group; readonly claims: JWTPayload; alg: string }
  | { readonly kind: 'own'; readonly grant: Grant }

interface Kept {
  readonly checked: readonly Checked[]
  /** When it is checked again, in milliseconds since 1970. */
  readonly until: number
}

export const JWT = /^[\w-]+\.[\w-]+\.[\w-]*$/

export interface JwtHouse {
  readonly tenants: ReadonlyMap<string, { readonly issuers: readonly IssuerSettings[] }>
  readonly tokens: AccessTokens
  readonly control: ControlStore
  readonly now: () => number
  readonly log: Log
}

/**
 * The check of JWTs. What is said of a token depends on the token alone, and not on the tenant that
 * is asked, unless it is good there: otherwise answers would tell which tenants there are.
 */
export function jwtCheck(house: JwtHouse): JwtCheck {
  const groups = groupsOf(house)
  // In the order in which they were checked.
  const kept = new Map<string, Kept>()

  function remember(hash: string, checked: readonly Checked[], until: number): void {
    kept.delete(hash)
    kept.set(hash, { checked, until })
    if (kept.size > JWTS_CHECKED_MAX) kept.delete(kept.keys().next().value as string)
  }

  const answer = (checked: readonly Checked[], tenant: string, now: number): Actor | Refusal => {
    const refusals = new Set<Refusal>()
    for (const one of checked) {
      const found =
        one.kind === 'own' ? ownActor(house, one.grant, tenant, now) : actorOf(one, tenant, now)
      if (typeof found !== 'string') return found
      refusals.add(found)
    }
    const [refusal = 'audience'] = refusals
    return refusals.has('audience') ? 'audience' : refusal
  }

  async function check(token: string, hash: string, tenant: string, now: number) {
    const result = await checkAnew(token, groups, house)
    if (typeof result === 'string') return result
    remember(hash, result.checked, Math.min(result.expires, now + JWKS_FRESH_MS))
    return answer(result.checked, tenant, now)
  }

  return (token, tenant, now) => {
    const hash = createHash('sha256').update(token).digest('base64')
    const known = kept.get(hash)
    if (known && now < known.until) return answer(known.checked, tenant, now)
    return check(token, hash, tenant, now)
  }
}

/** The groups of each issuer; there are several where tenants have other keys for the same name. */
function groupsOf({ tenants, now, log }: JwtHouse): ReadonlyMap<string, readonly Group[]> {
  const groups = new Map<string, Map<string, Group>>()
  for (const [tenant, { issuers }] of tenants) {
    for (const settings of issuers) {
      const { issuer, keys } = settings
      const own = groups.get(issuer) ?? new Map<string, Group>()
      const name = JSON.stringify(keys)
      const group = own.get(name) ?? { source: keySource(issuer, keys, now, log), trusts: [] }
      group.trusts.push({ tenant, settings })
      groups.set(issuer, own.set(name, group))
    }
  }
  return new Map([...groups].map(([issuer, own]) => [issuer, [...own.values()]]))
}

type Result = Refusal | { readonly checked: readonly Checked[]; readonly expires: number }

async function checkAnew(
  token: string,
  groups: ReadonlyMap<string, readonly Group[]>,
  { tokens, now }: JwtHouse,
): Promise<Result> {
  let issuer: string | undefined
  try {
    issuer = decodeJwt(token).iss
  } catch {
    return 'malformed'
  }
  if (typeof issuer !== 'string') return 'issuer'
  try {
    if (tokens.tenantOf(issuer) !== undefined) {
      const { grant, expires } = await tokens.verify(token, issuer)
      return { checked: [{ kind: 'own', grant }], expires }
    }
  } catch (error) {
    return refusalOf(error)
  }
  let refusal: Refusal = 'issuer'
  const checked: Checked[] = []
  let expires = Infinity
  for (const group of groups.get(issuer) ?? []) {
    try {
      const settings = group.trusts.map((trust) => trust.settings)
      const clockTolerance = Math.max(...settings.map(({ clockSkewS }) => clockSkewS))
      const { payload, protectedHeader } = await jwtVerify(token, group.source, {
        issuer,
        audience: settings.flatMap(({ audience }) => audience),
        algorithms: settings.flatMap(({ algorithms }) => algorithms),
        clockTolerance,
        requiredClaims: ['exp'],
        currentDate: new Date(now()),
      })
      checked.push({ kind: 'issuer', group, claims: payload, alg: protectedHeader.alg })
      expires = Math.min(expires, ((payload.exp ?? 0) + clockTolerance) * 1000)
    } catch (error) {
      refusal = refusalOf(error)
    }
  }
  return checked.length > 0 ? { checked, expires } : refusal
}

/** The class of what jose found. @throws whatever is not about the token */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof errors.JWTExpired) return 'expired'
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim } = error
    if (claim === 'nbf') return 'early'
    if (claim === 'aud') return 'audience'
    return claim === 'iss' ? 'issuer' : 'claims'
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return 'algorithm'
  if (error instanceof errors.JWKSNoMatchingKey) return 'key'
  if (error instanceof errors.JWKSMultipleMatchingKeys) return 'key'
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature'
  if (error instanceof errors.JOSEError) return 'malformed'
  // A key that is too short, or no key at all, whatever its issuer calls it.
  if (error instanceof TypeError || error instanceof DOMException) return 'key'
  throw error
}

/** Who has a token of the server's own. It is looked up each time whether the client still is. */
function ownActor(
  { control }: JwtHouse,
  grant: Grant,
  tenant: string,
  now: number,
): Actor | Refusal {
  const client = control.client(grant.client)
  const secret = client?.secrets.find(({ prefix }) => prefix === grant.secret)
  const isRevoked = client?.tenant !== grant.tenant || (grant.secret !== undefined && !secret)
  if (isRevoked) return 'revoked'
  if (secret && isPast(secret, now)) return 'expired'
  if (grant.tenant !== tenant) return 'audience'
  control.used(client.id, now)
  const { id, name } = client
  return { id, name, tenant, scopes: scopesIn(grant.scope), user: undefined }
}

/**
 * Who has a token of an issuer. Where it is not good, all that trust the issuer say why, and not
 * the tenant that is asked: `audience` when it is good for another of them, or for none.
 */
function actorOf(
  { group, claims, alg }: Checked & { readonly kind: 'issuer' },
  tenant: string,
  now: number,
): Actor | Refusal {
  let refusal: Refusal | undefined
  let isGoodElsewhere = false
  let actor: Actor | undefined
  const audiences = [claims.aud ?? []].flat()
  for (const trust of group.trusts) {
    const { settings } = trust
    if (!audiences.some((one) => settings.audience.includes(one))) continue
    const fault = faultOf(settings, claims, alg, now)
    if (fault) refusal ??= fault
    else if (trust.tenant !== tenant) isGoodElsewhere = true
    else actor ??= actorBy(settings, claims, tenant)
  }
  return actor ?? (isGoodElsewhere ? 'audience' : (refusal ?? 'audience'))
}

/** What one tenant asks more of a token than all that trust its issuer do together. */
function faultOf(
  { algorithms, clockSkewS, claims: wanted, subject }: IssuerSettings,
  claims: JWTPayload,
  alg: string,
  now: number,
): Refusal | undefined {
  const skew = clockSkewS * 1000
  if (!algorithms.includes(alg)) return 'algorithm'
  if ((claims.exp ?? 0) * 1000 + skew <= now) return 'expired'
  if ((claims.nbf ?? 0) * 1000 - skew > now) return 'early'
  if (![...wanted].every(([name, value]) => claims[name] === value)) return 'claims'
  return subject !== undefined && typeof claims[subject] !== 'string' ? 'claims' : undefined
}

/** The claims that name who asks, where no setting says which. */
const SUBJECTS = ['sub', 'client_id', 'azp', 'appid']

function actorBy(settings: IssuerSettings, claims: JWTPayload, tenant: string): Actor {
  const { issuer, subject, user } = settings
  const names = subject === undefined ? SUBJECTS : [subject]
  const name = names.map((one) => claims[one]).find((value) => typeof value === 'string') ?? issuer
  const value = user && claims[user.claim]
  const named = typeof value === 'string' && value !== '' ? value : undefined
  return {
    id: `${issuer}#${name}`,
    name: String(name).slice(0, ID_LENGTH_MAX),
    tenant,
    scopes: scopesBy(settings, claims),
    ...userBy(user?.attribute, named),
  }
}

function userBy(
  attribute: 'id' | 'externalId' | 'userName' | undefined,
  value: string | undefined,
): Pick<Actor, 'user' | 'alias'> {
  if (value === undefined || attribute === undefined) return { user: undefined }
  // Nobody has such a name, and nothing of any length is looked for.
  if (value.length > ID_LENGTH_MAX) return { user: '' }
  return attribute === 'id' ? { user: value } : { user: '', alias: { attribute, value } }
}

/** A claim has names with a space between them, or a list of names. RFC 8693 section 4.2. */
function scopesBy(
  { grants, scopeClaims, scopeMap }: IssuerSettings,
  claims: JWTPayload,
): ReadonlySet<Scope> {
  if (grants !== undefined) return scopesIn(grants)
  const value = scopeClaims.map((claim) => claims[claim]).find((one) => one !== undefined)
  const names = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : []
  const own = names.map((name) => (scopeMap ? scopeMap.get(name) : String(name)) ?? '')
  return scopesIn(own.join(' '))
}
