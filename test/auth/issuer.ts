/** An issuer of tokens on loopback, with metadata, and keys that rotate or are out of reach. */

import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'

export interface SigningKey {
  readonly kid: string
  readonly alg: string
  readonly privateKey: CryptoKey
  readonly jwk: object
}

/** Makes a key pair; the private part is for signing, the JWK for showing. */
export async function signingKey(kid: string, alg = 'ES256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' }
  return { kid, alg, privateKey, jwk }
}

export interface TestIssuer extends AsyncDisposable {
  readonly issuer: string
  /** The keys that it shows. */
  keys: readonly SigningKey[]
  /** What it answers in place of its keys. */
  fault: (() => Response | Promise<Response>) | undefined
  /** What its metadata says beside, or in place of, the truth. */
  metadata: object
  /** Where metadata is. */
  path: string
  /** How often the keys were fetched. */
  fetches(): number
  /** Signs claims with the first key. */
  sign(claims: JWTPayload, header?: object, key?: SigningKey): Promise<string>
}

/** Starts an issuer with one key. */
export async function startIssuer(...algorithms: readonly string[]): Promise<TestIssuer> {
  const names = algorithms.length > 0 ? algorithms : ['ES256']
  let fetches = 0
  const listener = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url)
      if (pathname === self.path) {
        const jwks_uri = `${self.issuer}/keys`
        return Response.json({ issuer: self.issuer, jwks_uri, ...self.metadata })
      }
      if (pathname !== '/keys') return new Response('', { status: 404 })
      fetches++
      if (self.fault) return self.fault()
      return Response.json({ keys: self.keys.map(({ jwk }) => jwk) })
    },
  })
  const self: TestIssuer = {
    issuer: `http://127.0.0.1:${listener.port}`,
    keys: await Promise.all(names.map((alg, index) => signingKey(`key-${index}`, alg))),
    fault: undefined,
    metadata: {},
    path: '/.well-known/openid-configuration',
    fetches: () => fetches,
    sign(claims, header = {}, key = self.keys[0] as SigningKey) {
      return new SignJWT({ iss: self.issuer, ...claims })
        .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header })
        .sign(key.privateKey)
    },
    async [Symbol.asyncDispose]() {
      await listener.stop(true)
    },
  }
  return self
}

const part = (json: unknown): string => Buffer.from(JSON.stringify(json)).toString('base64url')

/** A token with this header and these claims, and whatever as its signature. */
export const unsigned = (header: object, claims: object, signature = ''): string =>
  `${part(header)}.${part(claims)}.${signature}`
