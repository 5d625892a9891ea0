/** The public keys of an issuer: fetched, renewed as they rotate, kept while it is out of reach. */

import { readFileSync } from 'node:fs'
import { createLocalJWKSet, errors, type JWTVerifyGetKey, type LocalJWKSet } from 'jose'
import { isKeySet, isSafeUrl, type Keys } from '../issuers.ts'
import type { Log } from '../log.ts'
import { ScimError } from '../scim/error.ts'
import {
  JWKS_BYTES_MAX,
  JWKS_COOLDOWN_S,
  JWKS_FETCHES_MAX,
  JWKS_FRESH_MS,
  JWKS_STALE_MS,
  JWKS_TIMEOUT_MS,
} from '../scim/limits.ts'
import { limiter } from './rate.ts'

/** Finds the key that a token names. @throws ScimError 503 where no keys are to be had */
export type KeySource = JWTVerifyGetKey

interface Held {
  readonly find: LocalJWKSet
  /** When they were fetched, in milliseconds since 1970. */
  readonly at: number
}

/**
 * The keys of one issuer, fetched when they are first asked for. Old ones are renewed beside the
 * request that finds them old; a key that is not among them makes that request wait for new ones.
 * How often is limited, as anybody can send tokens that name keys.
 */
export function keySource(issuer: string, keys: Keys, now: () => number, log: Log): KeySource {
  const fetches = limiter(
    { perSecond: 1 / JWKS_COOLDOWN_S, burst: JWKS_FETCHES_MAX, keysMax: 1 },
    now,
  )
  let held: Held | undefined
  let pending: Promise<void> | undefined

  async function renew(): Promise<void> {
    if (!pending && fetches.take(issuer) > 0) return
    pending ??= fetchKeys(issuer, keys)
      .then((set) => {
        held = { find: createLocalJWKSet(set), at: now() }
      })
      .catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error)
        log('warn', 'the keys of an issuer could not be fetched', { issuer, reason })
      })
      .finally(() => {
        pending = undefined
      })
    await pending
  }

  const ageOf = (kept: Held | undefined): number => (kept ? now() - kept.at : Infinity)

  return async (header, token) => {
    if (ageOf(held) > JWKS_STALE_MS) await renew()
    else if (ageOf(held) > JWKS_FRESH_MS) void renew()
    const kept = held
    if (!kept || ageOf(kept) > JWKS_STALE_MS) throw outOfReach()
    try {
      return await kept.find(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      await renew()
      if (!held || held === kept) throw error
      return await held.find(header, token)
    }
  }
}

const outOfReach = (): ScimError =>
  ScimError.status(503, "the keys of the token's issuer cannot be fetched; try again later", {
    'Retry-After': String(JWKS_COOLDOWN_S),
  })

type KeySet = Parameters<typeof createLocalJWKSet>[0]

async function fetchKeys(issuer: string, keys: Keys): Promise<KeySet> {
  if (keys.kind === 'file') return keySetIn(JSON.parse(readFileSync(keys.path, 'utf8')))
  const url = keys.kind === 'url' ? keys.url : await discover(issuer)
  return keySetIn(await fetchJson(url))
}

/** @throws Error for what is no set of public keys */
export function keySetIn(json: unknown): KeySet {
  if (isKeySet(json)) return json as KeySet
  throw new Error('found no JWK Set of public keys')
}

/**
 * Where an issuer says that its keys are: OpenID Connect's address of its metadata, then that of
 * RFC 8414 section 3.1. What it says has to be its own (section 3.3).
 */
async function discover(issuer: string): Promise<string> {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  const metadata = await fetchJson(`${origin}${path}/.well-known/openid-configuration`).catch(() =>
    fetchJson(`${origin}/.well-known/oauth-authorization-server${path}`),
  )
  const { issuer: named, jwks_uri: url } = (metadata ?? {}) as Record<string, unknown>
  if (named !== issuer) throw new Error(`its metadata is of the issuer ${JSON.stringify(named)}`)
  // An issuer elsewhere has nothing to say about what is asked of this machine.
  const mayBeHttp = issuer.startsWith('http:')
  if (typeof url === 'string' && isSafeUrl(url) && (mayBeHttp || url.startsWith('https:')))
    return url
  throw new Error('its metadata has no jwks_uri that is an https URL')
}

/** JSON from an address: no redirects, no long wait and no long answer. */
async function fetchJson(url: string): Promise<unknown> {
  const signal = AbortSignal.timeout(JWKS_TIMEOUT_MS)
  const headers = { Accept: 'application/json' }
  const response = await fetch(url, { headers, redirect: 'error', signal })
  if (!response.ok || !response.body) throw new Error(`${url} answered ${response.status}`)
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body) {
    length += chunk.length
    if (length > JWKS_BYTES_MAX) throw new Error(`${url} sent more than ${JWKS_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'))
}
