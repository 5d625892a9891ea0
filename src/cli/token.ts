/**
 * `scimd token`: makes, rotates, lists and revokes bearer tokens. Beside a running server it takes
 * effect at once.
 */

import {
  DEFAULT_TENANT,
  hashOf,
  mintToken,
  type NewToken,
  newSecret,
  prefixIn,
} from '../auth/bearer.ts'
import { expiryWarning, isPast, isReplaced } from '../auth/expiry.ts'
import { TENANT_NAME } from '../config.ts'
import { ID_LENGTH_MAX, TOKENS_REPLACED_MAX } from '../scim/limits.ts'
import { reachesAnything, SCOPES, scopesIn } from '../scim/scope.ts'
import type { ClientSecret, ControlStore, Credential } from '../store/control.ts'
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
        .map((credential) => ({
          prefix: credential.prefix,
          name: credential.name,
          tenant: credential.tenant,
          scope: credential.scope,
          user: credential.user ?? null,
          created: timeText(credential.created),
          'last used': timeText(credential.lastUsed),
          expires: timeText(credential.expires),
          state: stateOf(credential, now),
          warning: warningOf(credential, now),
        }))
      terminal.out(recordsText(records, options['json'] === true))
    }),
}

function stateOf(credential: Credential, now: number): string {
  if (isPast(credential, now)) return 'expired'
  return isReplaced(credential) ? 'replaced' : 'good'
}

/** What is to be done about it soon; nothing for what has been replaced already. */
export function warningOf(one: Credential | ClientSecret, now: number): string | null {
  return isReplaced(one) ? null : (expiryWarning(one.expires, now) ?? null)
}

/** How long what is replaced stays good, so that whoever uses it has time to take the new one. */
export const GRACE = '24h'

export const tokenRotate: Command = {
  name: 'token rotate',
  summary:
    'Makes another token in place of one, and prints it, once: of the same name, tenant, scope, ' +
    'user and time to live. The old one stays good for a while.',
  operands: ['NAME|PREFIX'],
  options: [
    { name: 'tenant', value: 'T', meaning: 'the tenant of the token, where several have the name' },
    {
      name: 'grace',
      value: 'TIME',
      meaning: `how long the old one stays good, such as 1h or 7d (default: ${GRACE})`,
    },
    DATA_OPTION,
    JSON_OPTION,
  ],
  example: 'scimd token rotate entra --grace 7d',

  async run(terminal, options, [given = '']) {
    const grace = readDuration('grace', String(options['grace'] ?? GRACE))
    await withControl(options, async (control) => {
      const now = terminal.now()
      const { prefix: old } = tokenCalled(control, given, options, now)
      let token = ''
      let made: { readonly changed: Credential; readonly added: Credential } | undefined
      // Another prefix, should this one be taken.
      for (;;) {
        const fresh = newSecret()
        token = fresh.secret
        let isThere = false
        const isDone = await control.replaceCredential(old, (credential) => {
          if (isReplaced(credential)) return undefined
          isThere = true
          made = successor(credential, fresh, now, grace)
          return made
        })
        if (isDone) break
        if (!isThere)
          throw new CommandError(`the token ${old} was replaced or revoked in the meantime`)
      }
      if (!made) return
      const { prefix, name, tenant, scope, user, expires } = made.added
      const until = timeText(made.changed.expires)
      if (options['json']) {
        const added = { token, prefix, name, tenant, scope, user, expires: timeText(expires) }
        terminal.out(`${JSON.stringify({ ...added, replaces: old, until })}\n`)
        return
      }
      terminal.out(`${token}\n`)
      terminal.err(`scimd: made token ${prefix} for "${name}"; it is not shown again\n`)
      terminal.err(`scimd: the old one, ${old}, is good until ${until}\n`)
    })
  },
}

/** The new one lives as long as the old one was meant to; the old one for a while, at most. */
function successor(
  credential: Credential,
  { prefix, secret }: ReturnType<typeof newSecret>,
  now: number,
  grace: number,
): { changed: Credential; added: Credential } {
  const { expires, created } = credential
  return {
    changed: {
      ...credential,
      expires: Math.min(expires ?? Number.POSITIVE_INFINITY, now + grace),
      replacedBy: prefix,
    },
    added: {
      ...credential,
      prefix,
      hash: hashOf(secret).toString('hex'),
      created: now,
      expires: expires === undefined ? undefined : now + (expires - created),
    },
  }
}

/**
 * The token of a name that has not been replaced, or of a prefix. One that has expired counts only
 * where there is no other.
 *
 * @throws CommandError for none, for several, and where too many wait for their end
 */
function tokenCalled(
  control: ControlStore,
  given: string,
  { tenant }: Options,
  now: number,
): Credential {
  const all = control.credentials().filter((one) => tenant === undefined || one.tenant === tenant)
  const named = all.filter(({ name }) => name === given.trim())
  const current = named.filter((one) => !isReplaced(one))
  const good = current.filter((one) => !isPast(one, now))
  const found = good.length > 0 ? good : current
  const prefix = prefixIn(given)
  const chosen = named.length > 0 ? found : all.filter((one) => one.prefix === prefix)
  const [credential, ...others] = chosen
  if (!credential) {
    throw new CommandError(`there is no token "${given}"`, 'scimd token list shows all')
  }
  if (others.length > 0) {
    const prefixes = chosen.map((one) => `${one.prefix} (${one.tenant})`).join(', ')
    throw new CommandError(
      `there are ${chosen.length} tokens "${given}"`,
      `scimd token rotate PREFIX, with the prefix of one of them: ${prefixes}`,
    )
  }
  if (credential.replacedBy !== undefined) {
    throw new CommandError(
      `the token ${credential.prefix} was replaced by ${credential.replacedBy}`,
      `scimd token rotate ${credential.replacedBy}`,
    )
  }
  const { name } = credential
  const waiting = all.filter(
    (one) => one.name === name && one.tenant === credential.tenant && isReplaced(one),
  )
  const stillGood = waiting.filter((one) => !isPast(one, now))
  if (stillGood.length >= TOKENS_REPLACED_MAX) {
    throw new CommandError(
      `${TOKENS_REPLACED_MAX} tokens "${name}" were replaced and are still good, which is the most`,
      `scimd token revoke ${stillGood[0]?.prefix}`,
    )
  }
  return credential
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
