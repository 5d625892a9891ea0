/** Access tokens of the server's own token endpoint: JWTs as in RFC 9068, signed and checked. */

import { createPrivateKey, createPublicKey, hkdfSync, type KeyObject } from 'node:crypto'
import { errors, jwtVerify, SignJWT } from 'jose'
import { ACCESS_TOKEN_LIFETIME_S, SIGNING_KEY_PERIOD_MS } from '../scim/limits.ts'
import { DEFAULT_TENANT } from './bearer.ts'

/** Whom an access token was given, and for what. */
export interface Grant {
  readonly tenant: string
  /** The client's id. */
  readonly client: string
  /** The prefix of the secret that it signed in with, if with one. */
  readonly secret: string | undefined
  readonly scope: string
}

export interface AccessTokens {
  sign(grant: Grant): Promise<string>
  /** What a token of this issuer grants, and when it ends. @throws JOSEError when it is not good */
  verify(token: string, issuer: string): Promise<{ grant: Grant; expires: number }>
  /** The tenant whose tokens are of this issuer; undefined for any other issuer. */
  tenantOf(issuer: string): string | undefined
  /** The issuer of a tenant's tokens: the base URL without the path of SCIM. RFC 8414 section 2. */
  issuerOf(tenant: string): string
}

const ALGORITHM = 'EdDSA'
const TYPE = 'at+jwt'
const SEED_BYTES = 32

/** What stands before the seed in a private key of Ed25519. RFC 8410 section 7. */
const ED25519_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')

/**
 * Signs with a key that changes every 30 days by itself: each is made from the secret that is kept
 * and the number of the period, which is its kid. Tokens of the period before are good still.
 *
 * @param kept 32 secret bytes
 * @param baseUrl the base URL of a tenant, which ends in /scim/v2
 * @param now milliseconds since 1970
 */
export function accessTokens(
  kept: Uint8Array,
  baseUrl: (tenant: string) => string,
  now: () => number,
): AccessTokens {
  const issuerOf = (tenant: string): string => baseUrl(tenant).replace(/\/scim\/v2$/, '')
  const pairs = new Map<number, KeyPair>()
  const pairOf = (period: number): KeyPair => {
    const pair = pairs.get(period) ?? keyPair(kept, period)
    pairs.set(period, pair)
    return pair
  }
  const periodNow = (): number => Math.floor(now() / SIGNING_KEY_PERIOD_MS)

  return {
    issuerOf,
    tenantOf(issuer) {
      const own = issuerOf(DEFAULT_TENANT)
      if (issuer === own) return DEFAULT_TENANT
      return issuer.startsWith(`${own}/t/`) ? issuer.slice(own.length + '/t/'.length) : undefined
    },
    sign({ tenant, client, secret, scope }) {
      const period = periodNow()
      const issued = Math.floor(now() / 1000)
      return new SignJWT({
        client_id: client,
        scope,
        ...(secret === undefined ? {} : { secret_prefix: secret }),
      })
        .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid: String(period) })
        .setIssuer(issuerOf(tenant))
        .setAudience(baseUrl(tenant))
        .setSubject(client)
        .setIssuedAt(issued)
        .setExpirationTime(issued + ACCESS_TOKEN_LIFETIME_S)
        .setJti(crypto.randomUUID())
        .sign(pairOf(period).privateKey)
    },
    async verify(token, issuer) {
      const tenant = this.tenantOf(issuer) ?? ''
      const { payload } = await jwtVerify(
        token,
        ({ kid }) => {
          const period = periodNow()
          const named = [period, period - 1].find((one) => String(one) === kid)
          if (named === undefined) throw new errors.JWKSNoMatchingKey()
          return pairOf(named).publicKey
        },
        {
          algorithms: [ALGORITHM],
          typ: TYPE,
          issuer,
          audience: baseUrl(tenant),
          requiredClaims: ['exp', 'sub', 'scope'],
          currentDate: new Date(now()),
        },
      )
      const { sub, scope, secret_prefix: secret, exp = 0 } = payload
      const grant: Grant = {
        tenant,
        client: String(sub),
        scope: String(scope),
        secret: secret === undefined ? undefined : String(secret),
      }
      return { grant, expires: exp * 1000 }
    },
  }
}

interface KeyPair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

function keyPair(kept: Uint8Array, period: number): KeyPair {
  const info = `access-token/${period}`
  const seed = Buffer.from(hkdfSync('sha256', kept, new Uint8Array(0), info, SEED_BYTES))
  const key = Buffer.concat([ED25519_HEAD, seed])
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  return { privateKey, publicKey: createPublicKey(privateKey) }
}
