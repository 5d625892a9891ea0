/**
 * `scimd token`: makes, lists and revokes bearer tokens. Beside a running server it takes effect at
 * once.
 */

import { DEFAULT_TENANT, mintToken, type NewToken, prefixIn } from '../auth/bearer.ts'
import { TENANT_NAME } from '../config.ts'
import { ID_LENGTH_MAX } from '../scim/limits.ts'
import { reachesAnything, SCOPES, scopesIn } from '../scim/scope.ts'
import { type Command, CommandError, type Options, recordsText, UsageError } from './command.ts'
import { DATA_OPTION, JSON_OPTION, withControl, withControlBegun } from './control.ts'
import { readDuration } from './duration.ts'

export const tokenCreate: Command = {
  name: 'token create',
  summary: 'Makes a bearer token and prints it. It is shown this once and kept as a hash only.',
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
      meaning:
        'read; write, which includes read; scim, the same; verify (passwords); me (what --user ' +
        'names); users or groups beside them, for these alone; feed and admin, which reach ' +
        'nothing yet; several with commas (default: write, or me with --user)',
    },
    {
      name: 'user',
      value: 'ID',
      meaning: 'the user that /Me stands for, by id',
    },
    {
      name: 'expires',
      value: 'TIME',
      meaning: 'how long it is good for, such as 12h or 180d (default: for ever)',
    },
    DATA_OPTION,
    JSON_OPTION,
  ],
  example: 'scimd token create --name entra --expires 180d',

  async run(terminal, options) {
    const wanted = readWanted(options, terminal.now())
    const { tenant } = wanted
    // What is wrong with the words is told before anything is opened, or made.
    await withControlBegun(terminal, options, async (control) => {
      if (tenant !== DEFAULT_TENANT && !control.tenant(tenant)) {
        throw new CommandError(`there is no tenant "${tenant}"`, `scimd tenant create ${tenant}`)
      }
      const { token, credential } = await mintToken(control, wanted)
      const { prefix, name, scope, user, expires } = credential
      if (options['json']) {
        const made = { token, prefix, name, tenant, scope, user, expires: timeText(expires) }
        terminal.out(`${JSON.stringify(made)}\n`)
        return
      }
      terminal.out(`${token}\n`)
      terminal.err(`scimd: made token ${prefix} for "${name}"; it is not shown again\n`)
    })
  },
}

/** @throws UsageError */
function readWanted(options: Options, created: number): NewToken {
  const { tenant = DEFAULT_TENANT, user, expires } = options
  const scope = readScope(options['scope'] ?? (user === undefined ? 'write' : 'me'))
  const name = String(options['name'] ?? '').trim()
  if (name === '') throw new UsageError('--name is empty')
  if (scope.split(' ').includes('me') && user === undefined)
    throw new UsageError('--scope me: expected --user too, whose own resource it reaches')
  if (user !== undefined && !isId(user))
    throw new UsageError(`--user: expected an id of 1 to ${ID_LENGTH_MAX} characters`)
  if (typeof tenant !== 'string' || !TENANT_NAME.test(tenant))
    throw new UsageError(`--tenant ${tenant}: a name is 1 to 63 of a-z, 0-9 and -`)
  const lifetime = typeof expires === 'string' ? readDuration('expires', expires) : undefined
  return {
    name,
    tenant,
    scope,
    ...(user === undefined ? {} : { user }),
    created,
    expires: lifetime === undefined ? undefined : created + lifetime,
  }
}

const isId = (user: string | boolean): user is string =>
  typeof user === 'string' && user !== '' && user.length <= ID_LENGTH_MAX

/** Scopes with a space between them, each once. @throws UsageError */
export function readScope(given: string | boolean): string {
  const names = String(given).split(/[, ]+/)
  for (const name of names) {
    if (scopesIn(name).size === 0)
      throw new UsageError(`--scope ${name}: expected ${SCOPES.join(', ')}`)
  }
  const scopes = scopesIn(names.join(' '))
  if (!reachesAnything(scopes))
    throw new UsageError(`--scope ${given}: expected read, write or verify beside it`)
  return [...scopes].join(' ')
}

export const tokenList: Command = {
  name: 'token list',
  summary:
    'Lists bearer tokens by the prefix that begins each of them; never the tokens themselves.',
  options: [DATA_OPTION, JSON_OPTION],
  example: 'scimd token list',

  run: (terminal, options) =>
    withControl(options, async (control) => {
      const now = terminal.now()
      const records = control
        .credentials()
        .toSorted((a, b) => a.created - b.created)
        .map(({ prefix, name, tenant, scope, user, created, lastUsed, expires }) => ({
          prefix,
          name,
          tenant,
          scope,
          user: user ?? null,
          created: timeText(created),
          'last used': timeText(lastUsed),
          expires: timeText(expires),
          state: expires !== undefined && expires <= now ? 'expired' : 'good',
        }))
      terminal.out(recordsText(records, options['json'] === true))
    }),
}

export const tokenRevoke: Command = {
  name: 'token revoke',
  summary: 'Revokes a bearer token: the next request with it is refused.',
  operands: ['PREFIX'],
  options: [DATA_OPTION],
  example: 'scimd token revoke k3v9x2m4q7ab',

  run: (terminal, options, [given = '']) =>
    withControl(options, async (control) => {
      const prefix = prefixIn(given)
      if (prefix === undefined || !(await control.removeCredential(prefix))) {
        throw new CommandError(
          `there is no token with the prefix "${prefix ?? given}"`,
          'scimd token list shows all prefixes',
        )
      }
      terminal.err(`scimd: revoked ${prefix}\n`)
    }),
}

export const timeText = (time: number | undefined): string | null =>
  time === undefined ? null : new Date(time).toISOString()
