/**
 * `scimd client`: makes, lists and revokes clients of the token endpoint, and changes their
 * secrets. Beside a running server it takes effect at once.
 */

import { readFileSync } from 'node:fs'
import {
  DEFAULT_TENANT,
  hashOf,
  isClientId,
  newClientId,
  newSecret,
  prefixIn,
} from '../auth/bearer.ts'
import { isPast } from '../auth/expiry.ts'
import { TENANT_NAME } from '../config.ts'
import { isKeySet, isSafeUrl } from '../issuers.ts'
import { CLIENT_SECRETS_MAX } from '../scim/limits.ts'
import type { Client, ClientSecret, ControlStore, Federation } from '../store/control.ts'
import {
  type Command,
  CommandError,
  type Option,
  type Options,
  recordsText,
  type Terminal,
  UsageError,
} from './command.ts'
import { DATA_OPTION, JSON_OPTION, withControl, withControlBegun } from './control.ts'
import { readDuration } from './duration.ts'
import { readScope, timeText, warningOf } from './token.ts'

const EXPIRES_OPTION: Option = {
  name: 'expires',
  value: 'TIME',
  meaning: 'how long the secret is good for, such as 180d (default: for ever)',
}

export const clientCreate: Command = {
  name: 'client create',
  summary:
    'Makes a client of the token endpoint, which gets short-lived tokens there. Without --jwks and ' +
    '--issuer it has a secret, which is shown this once and kept as a hash only.',
  options: [
    {
      name: 'name',
      value: 'NAME',
      meaning: 'who will use it; the journal shows this name',
      required: true,
    },
    { name: 'tenant', value: 'T', meaning: 'the tenant it is good for (default: default)' },
    {
      name: 'scope',
      value: 'SCOPE',
      meaning: 'the most that its tokens may do, as for token create (default: scim)',
    },
    { name: 'jwks', value: 'FILE', meaning: 'public keys that it signs its assertions with' },
    { name: 'issuer', value: 'URL', meaning: 'the identity provider whose tokens stand for it' },
    { name: 'subject', value: 'S', meaning: 'the sub of these tokens' },
    { name: 'audience', value: 'A', meaning: 'the aud of these tokens; several with commas' },
    EXPIRES_OPTION,
    DATA_OPTION,
    JSON_OPTION,
  ],
  example: 'scimd client create --name entra',

  async run(terminal, options) {
    const wanted = readWanted(options)
    const lifetime = lifetimeIn(options)
    if (lifetime !== undefined && (wanted.jwks || wanted.federation))
      throw new UsageError('--expires: is for a secret, and this client has none')
    const { tenant } = wanted
    await withControlBegun(terminal, options, async (control) => {
      if (tenant !== DEFAULT_TENANT && !control.tenant(tenant)) {
        throw new CommandError(`there is no tenant "${tenant}"`, `scimd tenant create ${tenant}`)
      }
      const created = terminal.now()
      const hasSecret = !wanted.jwks && !wanted.federation
      const made = hasSecret ? madeSecret(created, lifetime) : undefined
      const secrets = made ? [made.kept] : []
      const client = await added(control, { ...wanted, created, secrets })
      show(terminal, options, client, made?.secret)
      const note = made ? '; its secret is not shown again' : ''
      terminal.err(`scimd: made client ${client.id} for "${client.name}"${note}\n`)
    })
  },
}

async function added(control: ControlStore, client: Omit<Client, 'id'>): Promise<Client> {
  for (;;) {
    const named = { id: newClientId(), ...client }
    if (await control.addClient(named)) return named
  }
}

/** @throws UsageError */
const lifetimeIn = ({ expires }: Options): number | undefined =>
  typeof expires === 'string' ? readDuration('expires', expires) : undefined

function madeSecret(
  created: number,
  lifetime: number | undefined,
): { secret: string; kept: ClientSecret } {
  const { prefix, secret } = newSecret()
  const hash = hashOf(secret).toString('hex')
  const end = lifetime === undefined ? {} : { expires: created + lifetime }
  return { secret, kept: { prefix, hash, created, ...end } }
}

/** Lines that a shell can read as they are, or JSON. */
function show(terminal: Terminal, options: Options, client: Client, secret: string | undefined) {
  const { id, name, tenant, scope } = client
  const made = { client_id: id, ...(secret === undefined ? {} : { client_secret: secret }) }
  if (options['json']) terminal.out(`${JSON.stringify({ ...made, name, tenant, scope })}\n`)
  else for (const [key, value] of Object.entries(made)) terminal.out(`${key}=${value}\n`)
}

/** @throws UsageError, CommandError for a file that holds no public keys */
function readWanted(options: Options): Omit<Client, 'id' | 'created' | 'secrets'> {
  const { tenant = DEFAULT_TENANT, jwks } = options
  const name = String(options['name'] ?? '').trim()
  if (name === '') throw new UsageError('--name is empty')
  if (typeof tenant !== 'string' || !TENANT_NAME.test(tenant))
    throw new UsageError(`--tenant ${tenant}: a name is 1 to 63 of a-z, 0-9 and -`)
  const scope = readScope(options['scope'] ?? 'scim')
  if (scope.split(' ').includes('me'))
    throw new UsageError('--scope me: a client stands for no user; use scimd token create --user')
  const federation = readFederation(options)
  if (federation && jwks !== undefined)
    throw new UsageError('--jwks: expected either that or --issuer')
  return {
    name,
    tenant,
    scope,
    ...(typeof jwks === 'string' ? { jwks: keysIn(jwks) } : {}),
    ...(federation ? { federation } : {}),
  }
}

function readFederation({ issuer, subject, audience }: Options): Federation | undefined {
  if (issuer === undefined && subject === undefined && audience === undefined) return undefined
  if (typeof issuer !== 'string' || typeof subject !== 'string' || typeof audience !== 'string')
    throw new UsageError('--issuer, --subject and --audience: expected all three of them')
  if (!isSafeUrl(issuer)) throw new UsageError(`--issuer ${issuer}: expected an https URL`)
  const audiences = audience.split(',').filter((one) => one !== '')
  if (audiences.length === 0) throw new UsageError('--audience is empty')
  return { issuer, subject, audience: audiences }
}

function keysIn(path: string): object {
  let json: unknown
  try {
    json = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CommandError(`${path} cannot be read: ${reason}`)
  }
  if (isKeySet(json)) return json
  throw new CommandError(
    `${path} is no JWK Set of public keys`,
    'write {"keys": [ … ]} with the public keys alone; private ones stay with the client',
  )
}

export const clientList: Command = {
  name: 'client list',
  summary: 'Lists the clients of the token endpoint, and the prefixes of their secrets.',
  options: [DATA_OPTION, JSON_OPTION],
  example: 'scimd client list',

  run: (terminal, options) =>
    withControl(options, async (control) => {
      const now = terminal.now()
      const records = control
        .clients()
        .toSorted((a, b) => a.created - b.created)
        .map((client) => ({
          'client id': client.id,
          name: client.name,
          tenant: client.tenant,
          scope: client.scope,
          'signs in with': proofOf(client),
          secrets: client.secrets.map(({ prefix }) => prefix).join(',') || null,
          created: timeText(client.created),
          'last used': timeText(client.lastUsed),
          'secrets expire':
            client.secrets.flatMap(({ expires }) => timeText(expires) ?? []).join(',') || null,
          warning: warningsOf(client, now).join(', ') || null,
        }))
      terminal.out(recordsText(records, options['json'] === true))
    }),
}

const warningsOf = ({ secrets }: Client, now: number): string[] =>
  secrets.flatMap((secret) => {
    const warning = isPast(secret, now) ? 'has expired' : warningOf(secret, now)
    return warning === null ? [] : [`${secret.prefix} ${warning}`]
  })

function proofOf({ jwks, federation }: Client): string {
  if (federation) return `tokens of ${federation.issuer}`
  return jwks ? 'its key' : 'a secret'
}

export const clientRevoke: Command = {
  name: 'client revoke',
  summary:
    'Revokes a client, or one of its secrets: what it got with it is refused by the next request.',
  operands: ['CLIENT_ID'],
  options: [
    { name: 'secret', value: 'PREFIX', meaning: 'the secret to revoke (default: the client)' },
    DATA_OPTION,
  ],
  example: 'scimd client revoke client_k3v9x2m4q7ab --secret p5d8w1n6z3tc',

  run: (terminal, options, [id = '']) =>
    withControl(options, async (control) => {
      if (!isClientId(id)) throw noClient(id)
      const { secret } = options
      if (typeof secret !== 'string') {
        if (!(await control.removeClient(id))) throw noClient(id)
        terminal.err(`scimd: revoked ${id}\n`)
        return
      }
      const prefix = prefixIn(secret) ?? ''
      if (!control.client(id)) throw noClient(id)
      const changed = await control.changeSecrets(id, (secrets) => {
        const rest = secrets.filter((one) => one.prefix !== prefix)
        return rest.length < secrets.length ? rest : undefined
      })
      if (!changed) {
        throw new CommandError(
          `the client ${id} has no secret with the prefix "${prefix || secret}"`,
          'scimd client list shows all prefixes',
        )
      }
      terminal.err(`scimd: revoked the secret ${prefix} of ${id}\n`)
    }),
}

export const clientSecretAdd: Command = {
  name: 'client secret add',
  summary:
    'Gives a client another secret and prints it; those that it has stay good, or with --grace ' +
    'for a while.',
  operands: ['CLIENT_ID'],
  options: [
    EXPIRES_OPTION,
    {
      name: 'grace',
      value: 'TIME',
      meaning: 'how long those that it has stay good, such as 24h (default: as long as before)',
    },
    DATA_OPTION,
    JSON_OPTION,
  ],
  example: 'scimd client secret add client_k3v9x2m4q7ab --grace 24h',

  async run(terminal, options, [id = '']) {
    const lifetime = lifetimeIn(options)
    const { grace: given } = options
    const grace = typeof given === 'string' ? readDuration('grace', given) : undefined
    await withControl(options, async (control) => {
      const client = isClientId(id) ? control.client(id) : undefined
      if (!client) throw noClient(id)
      if (client.jwks || client.federation)
        throw new CommandError(`the client ${id} signs in with ${proofOf(client)}, not a secret`)
      const now = terminal.now()
      const { secret, kept } = madeSecret(now, lifetime)
      const ending = (one: ClientSecret): ClientSecret =>
        grace === undefined
          ? one
          : {
              ...one,
              expires: Math.min(one.expires ?? Number.POSITIVE_INFINITY, now + grace),
              replacedBy: one.replacedBy ?? kept.prefix,
            }
      const changed = await control.changeSecrets(id, (secrets) => {
        // What is over makes room by itself.
        const good = secrets.filter((one) => !isPast(one, now))
        return good.length < CLIENT_SECRETS_MAX ? [...good.map(ending), kept] : undefined
      })
      if (!changed) {
        throw new CommandError(
          `the client ${id} has ${CLIENT_SECRETS_MAX} secrets, which is as many as it may have`,
          `scimd client revoke ${id} --secret PREFIX`,
        )
      }
      show(terminal, options, changed, secret)
      terminal.err(`scimd: made secret ${kept.prefix} of ${id}; it is not shown again\n`)
      const until = timeText(grace === undefined ? undefined : now + grace)
      if (until !== null) terminal.err(`scimd: all others of ${id} end at ${until} at the latest\n`)
    })
  },
}

const noClient = (id: string): CommandError =>
  new CommandError(`there is no client "${id}"`, 'scimd client list shows all')
