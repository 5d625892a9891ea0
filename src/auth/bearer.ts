/** Bearer tokens: minting them, and finding out whose one is. RFC 6750. */

import { hash, timingSafeEqual } from 'node:crypto'
import { scopesIn } from '../scim/scope.ts'
import type { ControlStore, Credential } from '../store/control.ts'
import type { Actor, Refusal } from './actor.ts'
import { isPast } from './expiry.ts'
import { JWT, type JwtCheck } from './jwt.ts'

/*
 * scimd_PREFIX_SECRET: the prefix finds the credential and may be shown; the secret has 256 bits.
 * A hash without salt is enough for a secret that nobody can guess.
 */
const TOKEN = /^scimd_([a-z0-9]{12})_[A-Za-z0-9_-]{43}$/
const PREFIX_LENGTH = 12
const PREFIX_ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** The tenant of the paths without a tenant in them. */
export const DEFAULT_TENANT = 'default'

export interface NewToken {
  readonly name: string
  readonly tenant: string
  /** Names of scopes with a space between them. */
  readonly scope: string
  /** The id of the resource that `/Me` stands for. */
  readonly user?: string | undefined
  /** Milliseconds since 1970. */
  readonly created: number
  readonly expires: number | undefined
}

/** Makes a token. The token itself is in the result and nowhere else: it is shown once. */
export async function mintToken(
  control: ControlStore,
  wanted: NewToken,
): Promise<{ token: string; credential: Credential }> {
  for (;;) {
    const { prefix, secret: token } = newSecret()
    const credential = { prefix, ...wanted, hash: hashOf(token).toString('hex') }
    if (await control.addCredential(credential)) return { token, credential }
  }
}

/** The prefix, from itself or from a whole token; undefined when it is neither. */
export const prefixIn = (text: string): string | undefined =>
  /^[a-z0-9]{12}$/.exec(text)?.[0] ?? TOKEN.exec(text)?.[1]

/** The prefix of a whole token; a client's secret has the same form. */
export const prefixOf = (token: string): string | undefined => TOKEN.exec(token)?.[1]

/** Text of a token's form with a new prefix and a new secret. */
export function newSecret(): { prefix: string; secret: string } {
  const prefix = randomPrefix()
  const bytes = Buffer.from(crypto.getRandomValues(new Uint8Array(32)))
  return { prefix, secret: `scimd_${prefix}_${bytes.toString('base64url')}` }
}

/** An id for a client of the token endpoint. */
export const newClientId = (): string => `client_${randomPrefix()}`

/** Whether this can be a client's id at all: the store takes no key of any length. */
export const isClientId = (text: string): boolean => /^client_[a-z0-9]{12}$/.test(text)

function randomPrefix(): string {
  const { length } = PREFIX_ALPHABET
  let prefix = ''
  while (prefix.length < PREFIX_LENGTH) {
    for (const byte of crypto.getRandomValues(new Uint8Array(PREFIX_LENGTH))) {
      // Bytes beyond the last whole run of the alphabet would make its beginning likelier.
      if (byte < 256 - (256 % length) && prefix.length < PREFIX_LENGTH)
        prefix += PREFIX_ALPHABET[byte % length]
    }
  }
  return prefix
}

/** SHA-256: enough for what nobody can guess. */
export const hashOf = (token: string): Buffer => hash('sha256', token, 'buffer')

/** Who comes with the static token. */
const STATIC_ACTOR: Actor = {
  id: 'SCIMD_TOKEN',
  name: 'SCIMD_TOKEN',
  tenant: DEFAULT_TENANT,
  scopes: scopesIn('write'),
  user: undefined,
}

/**
 * Finds the actor of a token, or undefined; of a right token that has expired, that it has. Asked
 * with every request, so that revoking is immediate.
 */
export type BearerCheck = (token: string, now: number) => Actor | 'expired' | undefined

/**
 * The check of tokens against the control store, and against the static token if there is one.
 * Secrets are compared as hashes, in constant time.
 */
export function bearerCheck(control: ControlStore, staticToken: string | undefined): BearerCheck {
  const staticHash = staticToken === undefined ? undefined : hashOf(staticToken)
  // The control store gives the same object as long as a credential is the same.
  const bearers = new WeakMap<Credential, Bearer>()
  return (token, now) => {
    const given = hashOf(token)
    if (staticHash && timingSafeEqual(given, staticHash)) {
      return STATIC_ACTOR
    }
    const prefix = TOKEN.exec(token)?.[1]
    const credential = prefix === undefined ? undefined : control.credential(prefix)
    if (!credential) return undefined
    const known = bearers.get(credential)
    const bearer = known ?? bearerOf(credential)
    if (!known) bearers.set(credential, bearer)
    if (!timingSafeEqual(given, bearer.hash)) return undefined
    if (isPast(credential, now)) return 'expired'
    control.used(credential.prefix, now)
    return bearer.actor
  }
}

/** A credential as it is compared, and who comes with it. */
interface Bearer {
  readonly hash: Buffer
  readonly actor: Actor
}

const bearerOf = ({ prefix, name, tenant, scope, user, hash }: Credential): Bearer => ({
  hash: Buffer.from(hash, 'hex'),
  actor: { id: prefix, name, tenant, scopes: scopesIn(scope), user },
})

/** Who asks a tenant, or why the token was refused; undefined for one that nobody knows. */
export type Found = Actor | Refusal | undefined

/** The check of every kind of token; at once but for a JWT that was not seen lately. */
export type TokenCheck = (token: string, tenant: string, now: number) => Found | Promise<Found>

/** Takes a token for a JWT only when it is none of the server's opaque ones. */
export const tokenCheck =
  (opaque: BearerCheck, jwt: JwtCheck): TokenCheck =>
  (token, tenant, now) =>
    opaque(token, now) ?? (JWT.test(token) ? jwt(token, tenant, now) : undefined)

/** Whether a header speaks of a bearer token at all: only then can it hold an invalid one. */
export const isBearer = (header: string | null): boolean => /^Bearer(?: |$)/i.test(header ?? '')

/**
 * The token in an Authorization header; the scheme's case does not matter. RFC 9110 section 11.1.
 */
export function tokenIn(header: string | null): string | undefined {
  const match = header === null ? null : /^Bearer +([\x21-\x7e]+) *$/i.exec(header)
  return match?.[1]
}
