/**
 * The token endpoint's grant: a client's credentials against an access token. RFC 6749 section 4.4,
 * with secrets (section 2.3.1) or assertions (RFC 7523 section 2.2).
 */

import { createHash, timingSafeEqual } from 'node:crypto'
import { createLocalJWKSet, decodeJwt, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { ALGORITHMS } from '../issuers.ts'
import type { Log } from '../log.ts'
import {
  ACCESS_TOKEN_LIFETIME_S,
  ASSERTION_LIFETIME_S_MAX,
  FEDERATED_LIFETIME_S_MAX,
  JWKS_SOURCES_MAX,
} from '../scim/limits.ts'
import { SCOPES, type Scope, scopesGranted, scopesIn } from '../scim/scope.ts'
import type { Client, ControlStore } from '../store/control.ts'
import type { AccessTokens } from './access-token.ts'
import { REFUSALS, type Refusal } from './actor.ts'
import { hashOf, isClientId, prefixOf } from './bearer.ts'
import { isPast } from './expiry.ts'
import { type KeySource, keySetIn, keySource } from './jwks.ts'
import { refusalOf } from './jwt.ts'

/** The codes of RFC 6749 section 5.2, and two for a server that is asked too much. */
type Code =
  | 'invalid_request'
  | 'invalid_client'
  | 'unsupported_grant_type'
  | 'invalid_scope'
  | 'slow_down'
  | 'temporarily_unavailable'

/** A request that gets no token: what the answer says. */
export class OAuthError extends Error {
  override readonly name = 'OAuthError'
  readonly status: number
  readonly code: Code
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    code: Code,
    description: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(description)
    this.status = status
    this.code = code
    this.headers = headers
  }
}

const badRequest = (description: string): OAuthError =>
  new OAuthError(400, 'invalid_request', description)

/** Section 5.2: also for a client of another tenant, and for a tenant that is not there. */
export const wrongClient = (
  description = 'the client is not known here, or did not prove to be it',
) =>
  new OAuthError(401, 'invalid_client', description, {
    'WWW-Authenticate': 'Basic realm="scimd"',
  })

export interface TokenRequest {
  /** Undefined for one that is not served: no client is of it. */
  readonly tenant: string | undefined
  readonly authorization: string | null
  readonly form: URLSearchParams
}

/** Section 5.1. */
export interface TokenAnswer {
  readonly access_token: string
  readonly token_type: 'Bearer'
  readonly expires_in: number
  readonly scope: string
}

export interface TokenEndpoint {
  /** Answers a client. @throws OAuthError */
  grant(request: TokenRequest): Promise<{ client: Client; answer: TokenAnswer }>
  /** What clients have to know of the endpoint. RFC 8414 section 2. */
  metadata(tenant: string): object
}

export interface TokenEndpointHouse {
  readonly control: ControlStore
  readonly tokens: AccessTokens
  readonly now: () => number
  readonly log: Log
}

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const CLOCK_SKEW_S = 60

/** The token endpoint of all tenants. */
export function tokenEndpoint(house: TokenEndpointHouse): TokenEndpoint {
  const { tokens } = house
  const sources = new Map<string, KeySource>()
  const sourceOf = (issuer: string): KeySource => {
    const { now, log } = house
    const source = sources.get(issuer) ?? keySource(issuer, { kind: 'discovery' }, now, log)
    sources.set(issuer, source)
    if (sources.size > JWKS_SOURCES_MAX) sources.delete(sources.keys().next().value as string)
    return source
  }
  return {
    metadata: (tenant) => ({
      issuer: tokens.issuerOf(tenant),
      token_endpoint: endpointOf(tokens, tenant),
      scopes_supported: SCOPES,
      response_types_supported: [],
      grant_types_supported: ['client_credentials'],
      token_endpoint_auth_methods_supported: [
        'client_secret_basic',
        'client_secret_post',
        'private_key_jwt',
      ],
      token_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
    }),
    async grant(request) {
      requireEachOnce(request.form)
      const grantType = request.form.get('grant_type')
      if (!grantType) throw badRequest('grant_type is missing, expected client_credentials')
      if (grantType !== 'client_credentials') {
        throw new OAuthError(400, 'unsupported_grant_type', 'expected client_credentials')
      }
      const { client, secret } = await signedIn(house, sourceOf, request)
      const scope = [...scopesFor(client, request.form.get('scope') ?? '')].join(' ')
      const { tenant } = client
      const token = await tokens.sign({ tenant, client: client.id, secret, scope })
      return {
        client,
        answer: {
          access_token: token,
          token_type: 'Bearer',
          expires_in: ACCESS_TOKEN_LIFETIME_S,
          scope,
        },
      }
    },
  }
}

const endpointOf = (tokens: AccessTokens, tenant: string): string =>
  `${tokens.issuerOf(tenant)}/oauth/token`

/** Section 3.2: no parameter may be there twice. */
function requireEachOnce(form: URLSearchParams): void {
  for (const name of new Set(form.keys())) {
    if (form.getAll(name).length > 1) throw badRequest('a parameter is there more than once')
  }
}

/** Section 3.3: what is asked for, or all that the client holds. */
function scopesFor({ scope }: Client, asked: string): ReadonlySet<Scope> {
  const names = asked.split(' ').filter((name) => name !== '')
  const isKnown = names.every((name) => SCOPES.includes(name as Scope))
  const granted = isKnown ? scopesGranted(scopesIn(scope), scopesIn(asked)) : undefined
  if (granted) return granted
  throw new OAuthError(400, 'invalid_scope', `the client may ask for: ${scope}`)
}

interface SignedIn {
  readonly client: Client
  /** The prefix of the secret, if it was one. */
  readonly secret: string | undefined
}

/** Who asks; a client proves it in one way, not in two. Section 2.3. */
async function signedIn(
  house: TokenEndpointHouse,
  sourceOf: (issuer: string) => KeySource,
  { tenant, authorization, form }: TokenRequest,
): Promise<SignedIn> {
  const [secret, assertion] = [form.get('client_secret'), form.get('client_assertion')]
  const proofs = [authorization, secret, assertion].filter((proof) => proof)
  if (proofs.length > 1) throw badRequest('the client proves who it is in more ways than one')
  // A parameter without a value counts as left out. Section 3.2.
  const id = form.get('client_id') || undefined
  if (assertion) {
    if (form.get('client_assertion_type') !== ASSERTION_TYPE)
      throw badRequest(`client_assertion_type: expected ${ASSERTION_TYPE}`)
    return byAssertion(house, sourceOf, tenant, id, assertion)
  }
  const given = authorization ? basicIn(authorization) : { id, secret }
  if (given && id !== undefined && given.id !== id) throw badRequest('there are two client ids')
  const client = clientNamed(house.control, given?.id)
  const found = given?.secret ? secretOf(client, given.secret, house.now()) : undefined
  if (!client || client.tenant !== tenant || found === undefined) throw wrongClient()
  return { client, secret: found }
}

/** The id by which a client names itself, if it can be one; good for nothing but to tell it. */
export function clientIdIn(
  authorization: string | null,
  form: URLSearchParams,
): string | undefined {
  const assertion = form.get('client_assertion')
  const id =
    (authorization ? basicIn(authorization)?.id : form.get('client_id')) ||
    (assertion ? subjectIn(assertion) : undefined)
  return id && isClientId(id) ? id : undefined
}

const clientNamed = (control: ControlStore, id: string | undefined): Client | undefined =>
  id !== undefined && isClientId(id) ? control.client(id) : undefined

/** Both parts are form-encoded before they are joined. Section 2.3.1. */
function basicIn(header: string): { id: string; secret: string } | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/]+=*) *$/i.exec(header)?.[1]
  if (encoded === undefined) return undefined
  const parts = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8'))
  try {
    const [id, secret] = [parts?.[1] ?? '', parts?.[2] ?? ''].map((part) =>
      decodeURIComponent(part.replaceAll('+', ' ')),
    )
    return { id: id ?? '', secret: secret ?? '' }
  } catch {
    return undefined
  }
}

/** The prefix of the client's good secret that this is. Hashes are compared, in constant time. */
function secretOf(client: Client | undefined, secret: string, now: number): string | undefined {
  const hash = hashOf(secret)
  const prefix = prefixOf(secret)
  const kept = client?.secrets.find((one) => one.prefix === prefix)
  if (!kept || !timingSafeEqual(hash, Buffer.from(kept.hash, 'hex'))) return undefined
  return isPast(kept, now) ? undefined : kept.prefix
}

/**
 * A client by its assertion: signed with its own key, or by the issuer that it is registered with.
 * What is said of an assertion does not depend on the tenant that is asked.
 */
async function byAssertion(
  house: TokenEndpointHouse,
  sourceOf: (issuer: string) => KeySource,
  tenant: string | undefined,
  id: string | undefined,
  assertion: string,
): Promise<SignedIn> {
  const { control, now } = house
  const client = clientNamed(control, id ?? subjectIn(assertion))
  const rules = client && rulesOf(client, house.tokens, sourceOf)
  if (!client || !rules) throw wrongClient()
  const { keys, lifetimeMaxS, ...expected } = rules
  const { payload } = await jwtVerify(assertion, keys, {
    ...expected,
    algorithms: [...ALGORITHMS],
    clockTolerance: CLOCK_SKEW_S,
    requiredClaims: ['exp', 'iss', 'sub', 'aud'],
    currentDate: new Date(now()),
  }).catch((error: unknown) => {
    throw wrongClient(toldOf(refusalOf(error)))
  })
  const { exp = 0, iat, jti } = payload
  const second = now() / 1000
  if (exp > second + lifetimeMaxS + CLOCK_SKEW_S) throw wrongClient(TOO_LONG)
  if (iat !== undefined && iat > second + CLOCK_SKEW_S) throw wrongClient(toldOf('early'))
  if (iat !== undefined && iat < second - lifetimeMaxS - CLOCK_SKEW_S)
    throw wrongClient(toldOf('expired'))
  if (client.tenant !== tenant) throw wrongClient()
  // An issuer's token is used again by whoever keeps it, as Entra ID does, and has no jti there.
  if (client.federation) return { client, secret: undefined }
  const mark = createHash('sha256').update(JSON.stringify([client.id, jti ?? assertion]))
  const until = (exp + CLOCK_SKEW_S) * 1000
  const isFirst = await control.useOnce(mark.digest('base64'), until, now())
  if (isFirst === undefined) {
    throw new OAuthError(503, 'temporarily_unavailable', 'too many assertions are in use', {
      'Retry-After': String(CLOCK_SKEW_S),
    })
  }
  if (!isFirst) throw wrongClient('the assertion was used before')
  return { client, secret: undefined }
}

const TOO_LONG = 'the assertion is valid for longer than is taken here'

const toldOf = (refusal: Refusal): string => REFUSALS[refusal].replace('token', 'assertion')

function subjectIn(assertion: string): string | undefined {
  try {
    return decodeJwt(assertion).sub
  } catch {
    return undefined
  }
}

interface Rules {
  readonly keys: JWTVerifyGetKey
  readonly issuer: string
  readonly subject: string
  readonly audience: string[]
  readonly lifetimeMaxS: number
}

/** What a client's assertions are held against. RFC 7523 section 3. */
function rulesOf(
  { id, tenant, jwks, federation }: Client,
  tokens: AccessTokens,
  sourceOf: (issuer: string) => KeySource,
): Rules | undefined {
  if (federation) {
    const { issuer, subject, audience } = federation
    const lifetimeMaxS = FEDERATED_LIFETIME_S_MAX
    return { keys: sourceOf(issuer), issuer, subject, audience: [...audience], lifetimeMaxS }
  }
  if (!jwks) return undefined
  return {
    keys: createLocalJWKSet(keySetIn(jwks)),
    issuer: id,
    subject: id,
    audience: [endpointOf(tokens, tenant), tokens.issuerOf(tenant)],
    lifetimeMaxS: ASSERTION_LIFETIME_S_MAX,
  }
}
