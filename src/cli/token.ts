/**
 * `scimd token`: makes, lists and revokes bearer tokens. Beside a running server it takes effect at
 * once.
 */

import { DEFAULT_TENANT, mintToken } from '../auth/bearer.ts'
import type { Scope } from '../store/control.ts'
import { type Command, CommandError, recordsText, UsageError } from './command.ts'
import { DATA_OPTION, JSON_OPTION, withControl } from './control.ts'

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
      meaning: 'read, or write which includes read (default: write)',
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

  run: (terminal, options) =>
    withControl(options, async (control) => {
      const { name, tenant = DEFAULT_TENANT, scope = 'write', expires } = options
      if (typeof name !== 'string' || name.trim() === '') throw new UsageError('--name is empty')
      if (scope !== 'read' && scope !== 'write')
        throw new UsageError(`--scope ${scope}: expected read or write`)
      const lifetime = typeof expires === 'string' ? readDuration(expires) : undefined
      if (tenant !== DEFAULT_TENANT && !control.tenant(String(tenant))) {
        throw new CommandError(`there is no tenant "${tenant}"`, `scimd tenant create ${tenant}`)
      }
      const created = terminal.now()
      const { token, credential } = await mintToken(control, {
        name: name.trim(),
        tenant: String(tenant),
        scope: scope as Scope,
        created,
        expires: lifetime === undefined ? undefined : created + lifetime,
      })
      if (options['json']) {
        const { prefix, expires } = credential
        terminal.out(
          `${JSON.stringify({ token, prefix, name, tenant, scope, expires: timeText(expires) })}\n`,
        )
        return
      }
      terminal.out(`${token}\n`)
      terminal.err(`scimd: made token ${credential.prefix} for "${name}"; it is not shown again\n`)
    }),
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
        .map(({ prefix, name, tenant, scope, created, lastUsed, expires }) => ({
          prefix,
          name,
          tenant,
          scope,
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
      // Who has the whole token at hand may give that.
      const prefix = given.replace(/^scimd_/, '').split('_', 1)[0] ?? ''
      if (!(await control.removeCredential(prefix))) {
        throw new CommandError(
          `there is no token with the prefix "${prefix}"`,
          'scimd token list shows all prefixes',
        )
      }
      terminal.err(`scimd: revoked ${prefix}\n`)
    }),
}

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A duration such as 30m, 12h or 180d, in milliseconds. @throws UsageError */
function readDuration(text: string): number {
  const match = /^([1-9]\d{0,5})([mhd])$/.exec(text)
  const unit = UNIT_MS[match?.[2] ?? '']
  if (match && unit !== undefined) return Number(match[1]) * unit
  throw new UsageError(`--expires ${text}: expected a number and m, h or d, such as 180d`)
}

const timeText = (time: number | undefined): string | null =>
  time === undefined ? null : new Date(time).toISOString()
