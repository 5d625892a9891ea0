/** `scimd doctor`: does what an identity provider would do, and tells what it would say. */

import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { DEFAULT_TENANT, mintToken, prefixOf } from '../auth/bearer.ts'
import { readAuthorities } from '../certificate.ts'
import { processEnvironment, readConfig, TENANT_NAME } from '../config.ts'
import { type Check, examine } from '../doctor/examine.ts'
import { IDENTITY_PROVIDERS, type IdentityProviderName } from '../doctor/identity-providers.ts'
import { openLmdbControl } from '../store/lmdb-control.ts'
import { type Command, CommandError, type Options, type Terminal, UsageError } from './command.ts'
import { DATA_OPTION, JSON_OPTION, requireData } from './control.ts'

const NAMES = Object.keys(IDENTITY_PROVIDERS) as IdentityProviderName[]

/** How long the token lives that the doctor makes for itself, if it cannot revoke it. */
const TOKEN_MS = 15 * 60_000

export const doctor: Command = {
  name: 'doctor',
  summary: 'Does what an identity provider does, and tells what it would say of the server.',
  options: [
    {
      name: 'url',
      value: 'URL',
      meaning: 'the base URL of any SCIM server (default: the server of the data directory)',
    },
    {
      name: 'token',
      value: 'TOKEN',
      meaning: 'a bearer token (default: one of our own, revoked afterwards; SCIMD_DOCTOR_TOKEN)',
    },
    {
      name: 'idp',
      value: 'NAME',
      meaning: `the identity provider: ${NAMES.join(', ')} (default: all of them)`,
    },
    {
      name: 'ca',
      value: 'FILE',
      meaning:
        'authorities (PEM) to believe beside those of the system, for a certificate of theirs',
    },
    { name: 'tenant', value: 'T', meaning: 'the tenant of our own server (default: default)' },
    DATA_OPTION,
    JSON_OPTION,
  ],
  example: 'scimd doctor --idp entra',

  async run(terminal, options) {
    const providers = providersIn(options)
    const authorities = authoritiesIn(options)
    const broken = new AbortController()
    void terminal.ended.then(() => {
      broken.abort()
      terminal.err('scimd: breaking off; what was made is deleted first\n')
    })
    await using patient = await patientOf(terminal, options)
    const { url, token, isScimd } = patient
    const checks: Check[] = []
    const { now } = terminal
    const { signal } = broken
    const examination = { url, token, isScimd, authorities, providers, now, signal }
    for await (const check of examine(examination)) {
      checks.push(check)
      if (options['json'] !== true) terminal.out(linesOf(check))
    }
    if (options['json'] === true) terminal.out(`${JSON.stringify(checks, null, 2)}\n`)
    if (broken.signal.aborted) throw new CommandError('the examination was broken off')
    const bad = checks.filter(({ outcome }) => outcome === 'fail').length
    if (bad === 0) return
    const titles = providers.map((name) => IDENTITY_PROVIDERS[name].title).join(' or ')
    throw new CommandError(
      `${bad} of ${checks.length} checks failed; ${titles} would not be content`,
    )
  },
}

/** @throws UsageError */
function providersIn({ idp }: Options): readonly IdentityProviderName[] {
  if (idp === undefined) return NAMES
  const chosen = NAMES.find((name) => name === idp)
  if (chosen) return [chosen]
  throw new UsageError(`--idp ${idp}: expected one of ${NAMES.join(', ')}`)
}

/** @throws CommandError */
function authoritiesIn({ ca }: Options): readonly string[] | undefined {
  if (typeof ca !== 'string') return undefined
  const own = readAuthorities('--ca', ca)
  if ('fault' in own) throw new CommandError(own.fault)
  return [...rootCertificates, ...own]
}

interface Patient extends AsyncDisposable {
  readonly url: string
  readonly token: string
  /** Whether it is known to be scimd, as it is ours or its token has that form. */
  readonly isScimd: boolean
}

/** The server that is examined, with a token that is gone afterwards where none was given. */
async function patientOf(terminal: Terminal, options: Options): Promise<Patient> {
  const { url: given, tenant = DEFAULT_TENANT } = options
  const environment = processEnvironment()
  const token = options['token'] ?? environment['SCIMD_DOCTOR_TOKEN']
  if (typeof tenant !== 'string' || !TENANT_NAME.test(tenant))
    throw new UsageError(`--tenant ${tenant}: a name is 1 to 63 of a-z, 0-9 and -`)
  if (typeof given === 'string' && !/^https?:\/\/./.test(given))
    throw new UsageError(`--url ${given}: expected https://HOST/scim/v2`)
  if (typeof given === 'string' && !URL.canParse(given))
    throw new UsageError(`--url ${given}: is no URL`)
  if (typeof given === 'string' && typeof token === 'string')
    return {
      url: given,
      token,
      isScimd: prefixOf(token) !== undefined,
      async [Symbol.asyncDispose]() {},
    }
  // A token of our own server is nothing to send to an address that may be anybody's.
  if (typeof given === 'string') throw new UsageError('--url: expected --token beside it')

  const { data } = options
  const config = readConfig(typeof data === 'string' ? { data } : {}, environment)
  const url = urlOf(config, tenant)
  if (typeof token === 'string')
    return { url, token, isScimd: true, async [Symbol.asyncDispose]() {} }
  requireData(config.data)
  const control = openLmdbControl(join(config.data, 'control.mdb'))
  if (tenant !== DEFAULT_TENANT && !control.tenant(tenant)) {
    await control.close()
    throw new CommandError(`there is no tenant "${tenant}"`, 'scimd tenant list shows all')
  }
  const created = terminal.now()
  const expires = created + TOKEN_MS
  const wanted = { name: 'doctor', tenant, scope: 'write', created, expires }
  const minted = await mintToken(control, wanted)
  return {
    url,
    token: minted.token,
    isScimd: true,
    async [Symbol.asyncDispose]() {
      await control.removeCredential(minted.credential.prefix)
      await control.close()
    },
  }
}

/** Where the server of these settings is: its public URL, or else where it listens. */
function urlOf({ baseUrl, listen, tls }: ReturnType<typeof readConfig>, tenant: string): string {
  const path = tenant === DEFAULT_TENANT ? '/scim/v2' : `/t/${tenant}/scim/v2`
  if (baseUrl !== undefined) return baseUrl.replace(/\/scim\/v2$/, () => path)
  if (listen.kind === 'unix') {
    throw new CommandError(
      'the server listens on a Unix socket, which no identity provider reaches',
      'scimd doctor --url https://… with the public URL, or set --base-url for the server',
    )
  }
  const host = /^(?:0\.0\.0\.0|::)$/.test(listen.host) ? '127.0.0.1' : listen.host
  const shown = host.includes(':') ? `[${host}]` : host
  return `${tls ? 'https' : 'http'}://${shown}:${listen.port}${path}`
}

function linesOf({ check, outcome, found, shows = {}, cure }: Check): string {
  const first = `${outcome.padEnd(4)}  ${check}${found === undefined ? '' : `: ${found}`}`
  const shown = Object.entries(shows).map(([title, text]) => `      ${title}: ${text}`)
  return [first, ...shown, ...(cure === undefined ? [] : [`      try: ${cure}`]), ''].join('\n')
}
