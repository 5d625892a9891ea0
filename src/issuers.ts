/** Turns `issuers` of a tenant in scimd.json into what JWTs are held against, or into faults. */

import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { CLOCK_SKEW_S_MAX } from './scim/limits.ts'
import { isScope } from './scim/scope.ts'

/** Signatures that are by a private key: whoever can check one cannot make one. RFC 8725, 3.1. */
export const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const

/** Where an issuer's keys are: told by its metadata, at an address, or in a file. */
export type Keys =
  | { readonly kind: 'discovery' }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'file'; readonly path: string }

/** What names the user that `/Me` stands for: a claim that holds this attribute's value. */
export interface UserClaim {
  readonly claim: string
  readonly attribute: 'id' | 'externalId' | 'userName'
}

/** Whose access tokens a tenant takes, and what they may do. */
export interface IssuerSettings {
  /** Exactly as the claim iss has it. */
  readonly issuer: string
  readonly audience: readonly string[]
  readonly keys: Keys
  readonly algorithms: readonly string[]
  /** The claims that hold scopes, of which the first that is there counts. */
  readonly scopeClaims: readonly string[]
  /** The scopes of scimd that a name in there stands for; without it, names of scimd's own. */
  readonly scopeMap: ReadonlyMap<string, string> | undefined
  /** What every token may do, whatever its claims are. */
  readonly grants: string | undefined
  /** The claim that names who asks in the journal. */
  readonly subject: string | undefined
  readonly user: UserClaim | undefined
  /** Further claims, and the value that each has to have. */
  readonly claims: ReadonlyMap<string, string>
  readonly clockSkewS: number
}

/** What Entra ID's provisioning service signs in to, where no secret token is entered. */
const ENTRA_AUDIENCE = '8adf8e6e-67b2-4cf2-a259-e3dc5476c621'
const ENTRA = 'https://login.microsoftonline.com'
const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const MEMBERS = [
  'issuer',
  'entraTenant',
  'audience',
  'jwks',
  'algorithms',
  'scope',
  'grants',
  'subject',
  'user',
  'claims',
  'clockSkew',
]

/** Tells a fault: where, from the settings of the tenant on, and what was expected. */
type Tell = (at: string, expected: string) => void
type Json = Record<string, unknown>

/**
 * Reads the issuers of one tenant. Key files are read too, so that a wrong one is told at the
 * start.
 *
 * @param file scimd.json, in whose directory paths begin
 */
export function readIssuers(json: unknown, file: string, tell: Tell): readonly IssuerSettings[] {
  if (json === undefined) return []
  if (!Array.isArray(json)) {
    tell('issuers', 'a list of issuers')
    return []
  }
  return json.flatMap((one: unknown, index) =>
    readIssuer(one, file, (at, expected) => tell(`issuers[${index}]${at}`, expected)),
  )
}

function readIssuer(json: unknown, file: string, tell: Tell): IssuerSettings[] {
  if (!isObject(json)) {
    tell('', 'an object')
    return []
  }
  requireKnown(json, '', MEMBERS, tell)
  const tenant = json['entraTenant']
  const shared = {
    audience: readAudience(json, tell),
    algorithms: readAlgorithms(json, tell),
    ...readScopes(json, tell),
    subject: readText(json, 'subject', tell),
    user: readUser(json['user'], tell),
    claims: readTexts(json, 'claims', tell) ?? new Map<string, string>(),
    clockSkewS: readSkew(json, tell),
  }
  if (tenant !== undefined) return entraIssuers(json, shared, tell)
  const issuer = readText(json, 'issuer', tell)
  if (issuer === undefined) {
    if (json['issuer'] === undefined)
      tell('.issuer', 'the issuer as its tokens name it, or entraTenant in its place')
    return []
  }
  const keys = readKeys(json['jwks'], issuer, file, tell)
  return [{ ...shared, issuer, keys }]
}

/** Both forms of Entra ID's tokens: of an application's manifest it depends which one is sent. */
function entraIssuers(
  json: Json,
  shared: Omit<IssuerSettings, 'issuer' | 'keys'>,
  tell: Tell,
): IssuerSettings[] {
  const { entraTenant: tenant } = json
  for (const name of ['issuer', 'jwks']) {
    if (json[name] !== undefined) tell(`.${name}`, 'nothing, as entraTenant says it')
  }
  if (typeof tenant !== 'string' || !GUID.test(tenant)) {
    tell('.entraTenant', 'the tenant id, a GUID')
    return []
  }
  const hasRule = json['scope'] !== undefined || shared.grants !== undefined
  const all = { ...shared, grants: hasRule ? shared.grants : 'write' }
  const id = tenant.toLowerCase()
  return [
    {
      ...all,
      issuer: `https://sts.windows.net/${id}/`,
      keys: { kind: 'url', url: `${ENTRA}/${id}/discovery/keys` },
    },
    {
      ...all,
      issuer: `${ENTRA}/${id}/v2.0`,
      keys: { kind: 'url', url: `${ENTRA}/${id}/discovery/v2.0/keys` },
    },
  ]
}

function readAudience(json: Json, tell: Tell): readonly string[] {
  const { audience } = json
  if (audience === undefined && json['entraTenant'] !== undefined) return [ENTRA_AUDIENCE]
  const listed = typeof audience === 'string' ? [audience] : audience
  if (Array.isArray(listed) && listed.length > 0 && listed.every(isText)) return listed
  tell('.audience', "a string or a list of strings: what the tokens' aud names this server by")
  return []
}

function readAlgorithms({ algorithms }: Json, tell: Tell): readonly string[] {
  if (algorithms === undefined) return ALGORITHMS
  const isAllowed = (name: unknown): boolean => ALGORITHMS.includes(name as never)
  if (Array.isArray(algorithms) && algorithms.length > 0 && algorithms.every(isAllowed))
    return algorithms
  tell('.algorithms', `a list of ${ALGORITHMS.join(', ')}`)
  return []
}

function readScopes(json: Json, tell: Tell) {
  const { scope, grants } = json
  const none = { scopeClaims: ['scope', 'scp'], scopeMap: undefined, grants: undefined }
  if (grants !== undefined) {
    if (scope !== undefined) tell('.grants', 'nothing beside scope: one of the two decides')
    if (typeof grants === 'string' && isScope(grants)) return { ...none, grants }
    tell('.grants', 'names of scopes, such as "write" or "read users"')
    return none
  }
  if (scope === undefined) return none
  if (!isObject(scope)) {
    tell('.scope', 'an object with claim and map')
    return none
  }
  requireKnown(scope, '.scope', ['claim', 'map'], tell)
  const at: Tell = (name, expected) => tell(`.scope${name}`, expected)
  const claim = readText(scope, 'claim', at)
  const scopeMap = readTexts(scope, 'map', at)
  for (const [name, scopes] of scopeMap ?? []) {
    if (!isScope(scopes)) at(`.map.${name}`, 'names of scopes, such as "write" or "read users"')
  }
  return { ...none, scopeClaims: claim === undefined ? none.scopeClaims : [claim], scopeMap }
}

function readUser(user: unknown, tell: Tell): UserClaim | undefined {
  if (user === undefined) return undefined
  if (isText(user)) return { claim: user, attribute: 'id' }
  if (!isObject(user)) {
    tell('.user', 'a claim, or an object with claim and attribute')
    return undefined
  }
  requireKnown(user, '.user', ['claim', 'attribute'], tell)
  const { claim, attribute = 'id' } = user
  if (!isText(claim)) tell('.user.claim', 'the name of a claim')
  if (attribute === 'id' || attribute === 'externalId' || attribute === 'userName')
    return { claim: String(claim), attribute }
  tell('.user.attribute', 'id, externalId or userName')
  return undefined
}

function readSkew({ clockSkew = 60 }: Json, tell: Tell): number {
  const isRight = Number.isInteger(clockSkew) && Number(clockSkew) >= 0
  if (isRight && Number(clockSkew) <= CLOCK_SKEW_S_MAX) return Number(clockSkew)
  tell('.clockSkew', `whole seconds from 0 to ${CLOCK_SKEW_S_MAX}`)
  return 0
}

function readKeys(jwks: unknown, issuer: string, file: string, tell: Tell): Keys {
  if (jwks === undefined || jwks === 'discovery') {
    if (!isSafeUrl(issuer)) tell('.issuer', 'an https URL, or jwks to say where its keys are')
    return { kind: 'discovery' }
  }
  if (!isText(jwks)) {
    tell('.jwks', '"discovery", a URL or the path of a file')
    return { kind: 'discovery' }
  }
  if (/^[a-z]+:\/\//i.test(jwks)) {
    if (!isSafeUrl(jwks)) tell('.jwks', 'an https URL; http is for loopback alone')
    return { kind: 'url', url: jwks }
  }
  const path = resolve(dirname(file), jwks)
  const fault = faultOfKeyFile(path)
  if (fault !== undefined) tell('.jwks', `a file with a JWK Set; ${path} ${fault}`)
  return { kind: 'file', path }
}

function faultOfKeyFile(path: string): string | undefined {
  try {
    const set: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return isKeySet(set) ? undefined : 'has no list of public keys under "keys"'
  } catch (error) {
    return `cannot be read: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** Whether this is a JWK Set (RFC 7517 section 5) of public keys, with one at least. */
export function isKeySet(json: unknown): json is { keys: Json[] } {
  const keys = isObject(json) ? json['keys'] : undefined
  const isPublic = (key: unknown): boolean =>
    isObject(key) && ['RSA', 'EC', 'OKP'].includes(String(key['kty'])) && key['d'] === undefined
  return Array.isArray(keys) && keys.length > 0 && keys.every(isPublic)
}

/** Whether nobody on the way can change what comes from there: https, or http on loopback. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password, hash } = new URL(text)
  if (username !== '' || password !== '' || hash !== '') return false
  const isLoopback = /^(?:localhost|\[::1\]|127(?:\.\d{1,3}){3})$/.test(hostname)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback)
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function requireKnown(json: Json, at: string, known: readonly string[], tell: Tell): void {
  for (const name of Object.keys(json)) {
    if (!known.includes(name)) tell(`${at}.${name}`, `one of ${known.join(', ')}`)
  }
}

function readText(json: Json, name: string, tell: Tell): string | undefined {
  const value = json[name]
  if (value === undefined || isText(value)) return value
  tell(`.${name}`, 'a string that is not empty')
  return undefined
}

function readTexts(json: Json, name: string, tell: Tell): Map<string, string> | undefined {
  const value = json[name]
  if (value === undefined) return undefined
  if (isObject(value)) {
    const members = Object.entries(value)
    if (members.every((member): member is [string, string] => isText(member[1])))
      return new Map(members)
  }
  tell(`.${name}`, 'an object whose values are strings')
  return undefined
}
