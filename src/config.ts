/**
 * Turns flags, environment and the optional file into settings, or lists all that is wrong with
 * them.
 */

import { existsSync, readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { type CertificateFiles, readCertificate } from './certificate.ts'
import { type IssuerSettings, readIssuers } from './issuers.ts'
import { RATE_PER_SECOND_DEFAULT } from './scim/limits.ts'
import {
  DEFAULT_RULES,
  MODES,
  type Mode,
  type Rules,
  TOLERANCES,
  type Tolerances,
} from './scim/tolerance.ts'
import { type ViewSettings, WHOLE_VIEW } from './scim/view.ts'
import { SETTINGS, type SettingName } from './settings.ts'

/** Where to listen: a host and port, or a Unix socket. */
export type Listen =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

export interface Config {
  readonly data: string
  readonly listen: Listen
  /** Where the metrics are instead of beside SCIM, if anywhere else. */
  readonly metricsListen: Listen | undefined
  /** Without a slash at its end; undefined to derive it from the address that is listened on. */
  readonly baseUrl: string | undefined
  /** Where certificate and key are; undefined to serve plain HTTP. */
  readonly tls: CertificateFiles | undefined
  /** Addresses and networks of proxies, whose word on a client's address is taken. */
  readonly proxies: readonly string[]
  /** The header in which these proxies note the address of a client. */
  readonly forwardedHeader: ForwardedHeader
  /** The certificates of clients that these proxies have to pass on; undefined to ask for none. */
  readonly clientCertificates: PassedCertificates | undefined
  readonly schemas: string | undefined
  readonly token: string | undefined
  /** Requests per second of one credential; 0 for no limit. */
  readonly rateLimit: number
  /** Where the tenants' settings are from, or would be. */
  readonly file: string
  /** The settings of the tenants that the file names. */
  readonly tenants: ReadonlyMap<string, TenantSettings>
}

/** Where proxies note addresses: by custom, or as RFC 7239 has it. */
export const FORWARDED_HEADERS = ['X-Forwarded-For', 'Forwarded'] as const
export type ForwardedHeader = (typeof FORWARDED_HEADERS)[number]

/** Which certificates of clients are taken, and where a proxy writes them. */
export interface PassedCertificates {
  /** The name of the header; what a client writes there itself, the proxy has to replace. */
  readonly header: string
  /** SHA-256 of the whole certificates (DER), as 64 hexadecimal digits in lower case. */
  readonly fingerprints: readonly string[]
}

/**
 * How a tenant's requests are understood, which resource types and schemas it sees, and whose
 * tokens it takes.
 */
export interface TenantSettings extends Rules, ViewSettings {
  readonly issuers: readonly IssuerSettings[]
}

export const DEFAULT_SETTINGS: TenantSettings = { ...DEFAULT_RULES, ...WHOLE_VIEW, issuers: [] }

/** Everything that is wrong with the settings, each with its cure. */
export class ConfigFaults extends Error {
  override readonly name = 'ConfigFaults'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(faults.join('\n'))
    this.faults = faults
  }
}

export type Flags = Readonly<Partial<Record<SettingName, string | boolean>>>
export type Environment = Readonly<Record<string, string | undefined>>

const TOKEN_LENGTH_MIN = 32
export const TENANT_NAME = /^[a-z0-9-]{1,63}$/
/** RFC 9110 section 5.1, but for those that mean something else already. */
const HEADER_NAME = /^(?!(?:authorization|host|forwarded|x-forwarded-for)$)[a-z0-9-]{1,64}$/i
const FINGERPRINT = /^[0-9a-f]{2}(?::?[0-9a-f]{2}){31}$/i

/** The environment of this process. Nothing else reads it. */
export const processEnvironment = (): Environment => process.env

/** Where everything is kept: what the commands beside the server need to know. */
export const dataDirectory = (flags: Flags, environment: Environment): string =>
  text(flags, environment, 'data') ?? './data'

/**
 * Reads all settings. Flags win over the environment, that over the file, that over the defaults.
 *
 * @throws ConfigFaults with every fault, before anything has been started
 */
export function readConfig(flags: Flags, environment: Environment): Config {
  const faults: string[] = []
  const data = dataDirectory(flags, environment)
  const said = (name: SettingName) => saidAs(flags, name)
  const listen = readListen(
    said('listen'),
    text(flags, environment, 'listen') ?? '127.0.0.1:8880',
    faults,
  )
  const metricsAt = text(flags, environment, 'metricsListen')
  const metricsListen =
    metricsAt === undefined ? undefined : readListen(said('metricsListen'), metricsAt, faults)
  const behindProxy = readSwitch(flags, environment, 'behindProxy', faults)
  const tls = readTls(flags, environment, listen, faults)
  if (listen?.kind === 'tcp' && !behindProxy && !tls && !isLoopback(listen.host)) {
    faults.push(
      `${said('listen')} ${listen.host}: plain HTTP off loopback would send tokens in the clear; ` +
        'listen on 127.0.0.1, give --tls-cert and --tls-key, ' +
        'or put a TLS proxy in front and say --behind-proxy',
    )
  }
  const token = text(flags, environment, 'token')
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    faults.push('SCIMD_TOKEN: has characters that no header can carry; use letters and digits')
  } else if (token !== undefined && token.length < TOKEN_LENGTH_MIN) {
    faults.push(
      `SCIMD_TOKEN: has ${token.length} characters, expected at least ${TOKEN_LENGTH_MIN}`,
    )
  }
  const rateLimit = readRateLimit(said('rateLimit'), text(flags, environment, 'rateLimit'), faults)
  const baseUrl = readBaseUrl(said('baseUrl'), text(flags, environment, 'baseUrl'), faults)
  const schemas = text(flags, environment, 'schemas')
  if (schemas !== undefined && !statSync(schemas, { throwIfNoEntry: false })?.isDirectory()) {
    faults.push(`${said('schemas')} ${schemas}: there is no such directory`)
  }
  const given = text(flags, environment, 'config')
  const file = given ?? join(data, 'scimd.json')
  const inFile = readFile(file, given === undefined ? undefined : said('config'), faults)
  if (!listen || faults.length > 0) throw new ConfigFaults(faults)
  const settings = { data, listen, metricsListen, baseUrl, tls, schemas, token, rateLimit, file }
  return { ...settings, ...inFile }
}

function text(flags: Flags, environment: Environment, name: SettingName): string | undefined {
  const flag = flags[name]
  if (typeof flag === 'string') return flag
  const variable = environment[SETTINGS[name].variable]
  return variable === '' ? undefined : variable
}

/** How a setting was given, for its fault: by its flag, or else by its variable. */
function saidAs(flags: Flags, name: SettingName): string {
  const { flag, variable } = SETTINGS[name]
  return flags[name] === undefined ? variable : `--${flag}`
}

function readSwitch(
  flags: Flags,
  environment: Environment,
  name: SettingName,
  faults: string[],
): boolean {
  if (flags[name] === true) return true
  const { variable } = SETTINGS[name]
  const value = environment[variable]?.toLowerCase()
  if (value === undefined || ['', '0', 'false', 'no', 'off'].includes(value)) return false
  if (['1', 'true', 'yes', 'on'].includes(value)) return true
  faults.push(`${variable}: found "${value}", expected 1 or 0`)
  return false
}

function readRateLimit(said: string, given: string | undefined, faults: string[]): number {
  if (given === undefined) return RATE_PER_SECOND_DEFAULT
  if (!/^\d{1,9}$/.test(given))
    faults.push(`${said} ${given}: expected a whole number of requests per second, or 0`)
  return Number(given)
}

function readListen(said: string, address: string, faults: string[]): Listen | undefined {
  if (address.startsWith('unix:') && address.length > 'unix:'.length) {
    return { kind: 'unix', path: address.slice('unix:'.length) }
  }
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(address)
  const port = Number(match?.[3])
  if (match && port <= 65535) return { kind: 'tcp', host: match[1] ?? match[2] ?? '', port }
  faults.push(`${said} ${address}: expected host:port, [ipv6]:port or unix:path`)
  return undefined
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host)

function readTls(
  flags: Flags,
  environment: Environment,
  listen: Listen | undefined,
  faults: string[],
): CertificateFiles | undefined {
  const cert = text(flags, environment, 'tlsCert')
  const key = text(flags, environment, 'tlsKey')
  const clientCa = text(flags, environment, 'tlsClientCa')
  if (cert === undefined && key === undefined) {
    if (clientCa !== undefined)
      faults.push(
        `${saidAs(flags, 'tlsClientCa')} ${clientCa}: expected --tls-cert and --tls-key beside it`,
      )
    return undefined
  }
  if (cert === undefined || key === undefined) {
    const [given, missing] =
      cert === undefined
        ? [`${saidAs(flags, 'tlsKey')} ${key}`, '--tls-cert']
        : [`${saidAs(flags, 'tlsCert')} ${cert}`, '--tls-key']
    faults.push(`${given}: expected ${missing} beside it`)
    return undefined
  }
  if (listen?.kind === 'unix')
    faults.push(
      `${saidAs(flags, 'tlsCert')} ${cert}: a Unix socket takes no TLS; listen on host:port, or omit it`,
    )
  const files = { cert, key, clientCa }
  // Only faults matter here, and what has expired is none; it is read again when it is served.
  const read = readCertificate(files, 0)
  if ('faults' in read) faults.push(...read.faults)
  return files
}

function readBaseUrl(
  said: string,
  given: string | undefined,
  faults: string[],
): string | undefined {
  if (given === undefined) return undefined
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (
    !url ||
    !/^https?:$/.test(url.protocol) ||
    url.search !== '' ||
    url.hash !== '' ||
    url.username !== '' ||
    url.password !== ''
  ) {
    faults.push(`${said} ${given}: expected a URL such as https://scim.example.com/scim/v2`)
    return undefined
  }
  const bare = url.href.replace(/\/+$/, '')
  if (!/\/scim\/v2$/.test(bare)) {
    faults.push(
      `${said} ${given}: expected it to end in /scim/v2, where the default tenant is served`,
    )
    return undefined
  }
  return bare
}

/** What the file says. */
type InFile = Pick<Config, 'tenants' | 'proxies' | 'forwardedHeader' | 'clientCertificates'>

/** @param said how the file was named, or undefined where it is the usual one */
function readFile(file: string, said: string | undefined, faults: string[]): InFile {
  const tenants = new Map<string, TenantSettings>()
  const [usual] = FORWARDED_HEADERS
  const nothing: InFile = {
    tenants,
    proxies: [],
    forwardedHeader: usual,
    clientCertificates: undefined,
  }
  if (!existsSync(file)) {
    if (said !== undefined) faults.push(`${said} ${file}: there is no such file`)
    return nothing
  }
  let json: unknown
  try {
    json = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error)
    faults.push(`${file}: found ${found}, expected a JSON object`)
    return nothing
  }
  const root = members(
    json,
    file,
    '$',
    ['tenants', 'proxies', 'forwardedHeader', 'clientCertificates'],
    faults,
  )
  const named = members(root['tenants'] ?? {}, file, '$.tenants', undefined, faults)
  for (const [name, settings] of Object.entries(named)) {
    const at = `$.tenants.${name}`
    if (!TENANT_NAME.test(name))
      faults.push(`${file}: ${at}: a tenant's name is 1 to 63 of a-z, 0-9 and -`)
    tenants.set(name, readSettings(settings, file, at, faults))
  }
  const proxies = readProxies(root['proxies'], file, faults)
  const clientCertificates = readPassed(root['clientCertificates'], file, proxies, faults)
  const wanted = root['forwardedHeader'] ?? usual
  const forwardedHeader = FORWARDED_HEADERS.find(
    (name) => name.toLowerCase() === String(wanted).toLowerCase(),
  )
  if (!forwardedHeader)
    faults.push(`${file}: $.forwardedHeader: expected ${FORWARDED_HEADERS.join(' or ')}`)
  return { tenants, proxies, forwardedHeader: forwardedHeader ?? usual, clientCertificates }
}

/** A fingerprint without colons, in lower case. */
export const bareFingerprint = (text: string): string => text.replaceAll(':', '').toLowerCase()

function readPassed(
  json: unknown,
  file: string,
  proxies: readonly string[],
  faults: string[],
): PassedCertificates | undefined {
  if (json === undefined) return undefined
  const at = '$.clientCertificates'
  const { header = 'Client-Cert', fingerprints } = members(
    json,
    file,
    at,
    ['header', 'fingerprints'],
    faults,
  )
  if (proxies.length === 0)
    faults.push(`${file}: ${at}: expected proxies beside it, as nobody else is believed`)
  if (typeof header !== 'string' || !HEADER_NAME.test(header))
    faults.push(`${file}: ${at}.header: expected the name of a header such as "Client-Cert"`)
  const listed = Array.isArray(fingerprints) ? fingerprints : []
  if (listed.length === 0 || !listed.every((one) => FINGERPRINT.test(String(one))))
    faults.push(
      `${file}: ${at}.fingerprints: expected a list of SHA-256 fingerprints, as of ` +
        'openssl x509 -in client.pem -noout -fingerprint -sha256',
    )
  return { header: String(header), fingerprints: listed.map((one) => bareFingerprint(String(one))) }
}

function readProxies(json: unknown, file: string, faults: string[]): readonly string[] {
  const listed = json ?? []
  if (Array.isArray(listed) && listed.every(isNetwork)) return listed
  faults.push(
    `${file}: $.proxies: expected a list of addresses and networks such as "10.0.0.0/8", or "unix"`,
  )
  return []
}

function isNetwork(json: unknown): boolean {
  if (json === 'unix') return true
  const [address = '', bits, ...more] = typeof json === 'string' ? json.split('/') : []
  const family = isIP(address)
  if (family === 0 || more.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

/** A JSON object, with a fault for everything in it that is not known. */
function members(
  json: unknown,
  file: string,
  at: string,
  known: readonly string[] | undefined,
  faults: string[],
): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    faults.push(`${file}: ${at}: expected an object`)
    return {}
  }
  for (const key of Object.keys(json)) {
    if (known && !known.includes(key)) {
      faults.push(`${file}: ${at}.${key}: expected one of ${known.join(', ')}`)
    }
  }
  return json as Record<string, unknown>
}

const TENANT_SETTINGS = [
  'mode',
  'tolerances',
  'unknownMembers',
  'patchAnswers',
  'uniqueNames',
  'resourceTypes',
  'extensions',
  'passwords',
  'sensitive',
  'issuers',
]

const PATCH_ANSWERS = ['auto', 'always', 'never'] as const

function readSettings(json: unknown, file: string, at: string, faults: string[]): TenantSettings {
  const settings = members(json, file, at, TENANT_SETTINGS, faults)
  const fault = (name: string, expected: string) =>
    void faults.push(`${file}: ${at}.${name}: expected ${expected}`)
  const { mode, unknownMembers, patchAnswers, uniqueNames, passwords } = {
    ...DEFAULT_SETTINGS,
    ...settings,
  }
  if (typeof mode !== 'string' || !Object.hasOwn(MODES, mode)) {
    fault('mode', `one of ${Object.keys(MODES).join(', ')}`)
  }
  if (unknownMembers !== 'refuse' && unknownMembers !== 'skip') {
    fault('unknownMembers', '"refuse" or "skip"')
  }
  const answers = PATCH_ANSWERS.find((one) => one === patchAnswers)
  if (!answers) fault('patchAnswers', PATCH_ANSWERS.map((one) => `"${one}"`).join(' or '))
  if (typeof uniqueNames !== 'boolean') fault('uniqueNames', 'true or false')
  if (passwords !== 'accept' && passwords !== 'refuse') fault('passwords', '"accept" or "refuse"')
  const names = Object.keys(TOLERANCES)
  const switches = members(settings['tolerances'] ?? {}, file, `${at}.tolerances`, names, faults)
  for (const [name, on] of Object.entries(switches)) {
    if (typeof on !== 'boolean') fault(`tolerances.${name}`, 'true or false')
  }
  const texts = (name: string): readonly string[] | undefined => {
    const listed = settings[name]
    if (listed === undefined) return undefined
    if (Array.isArray(listed) && listed.every((one) => typeof one === 'string')) return listed
    fault(name, 'a list of strings')
    return undefined
  }
  return {
    mode: mode as Mode,
    tolerances: { ...MODES[mode as Mode], ...(switches as Partial<Tolerances>) },
    unknownMembers: unknownMembers === 'skip' ? 'skip' : 'refuse',
    patchAnswers: answers ?? 'auto',
    uniqueNames: uniqueNames !== false,
    sensitive: texts('sensitive') ?? [],
    resourceTypes: texts('resourceTypes'),
    extensions: texts('extensions'),
    passwords: passwords === 'refuse' ? 'refuse' : 'accept',
    issuers: readIssuers(settings['issuers'], file, fault),
  }
}
