/** `scimd serve`: runs the server until it is asked to end. */

import { keepFirstToken, type Running, start } from '../app.ts'
import { type Flags, processEnvironment, readConfig } from '../config.ts'
import { logTo } from '../log.ts'
import { SETTINGS, type SettingName } from '../settings.ts'
import { type Command, CommandError, type Options } from './command.ts'
import { reload, snapshotOf } from './reload.ts'

const names = Object.keys(SETTINGS) as SettingName[]

export const serve: Command = {
  name: 'serve',
  summary: 'Serves SCIM until the process is asked to end (SIGTERM or SIGINT).',
  options: names.flatMap((name) => {
    const { flag, variable, value, otherwise, meaning } = SETTINGS[name]
    if (flag === undefined) return []
    const text = `${meaning} (default: ${otherwise}; ${variable})`
    return [{ name: flag, meaning: text, ...(value === undefined ? {} : { value }) }]
  }),
  example:
    'scimd serve --data /var/lib/scimd --behind-proxy --listen 0.0.0.0:8880 --base-url https://scim.example.com/scim/v2',

  async run(terminal, options) {
    const read = () => readConfig(flagsOf(options), processEnvironment())
    const config = read()
    const log = logTo(terminal.err, terminal.now)
    const known = snapshotOf(config)
    terminal.onReload(() => reload(known, read, log))
    const running = await start(config, {
      log,
      now: terminal.now,
      newId: () => Bun.randomUUIDv7(),
      progress: (message) => {
        if (terminal.isInteractive) terminal.err(`\r${message}`)
      },
    })
    if (running.firstToken !== undefined) {
      if (terminal.isInteractive) terminal.err(welcome(running.url, running.firstToken))
      else log('info', `the first token is in ${await keep(config.data, running)}`)
    }
    terminal.out(`scimd listening on ${running.url}\n`)
    await terminal.ended
    await running.stop()
  },
}

/** Writes the first token to its file; a server whose token nobody has does not go on. */
async function keep(data: string, { firstToken = '', stop }: Running): Promise<string> {
  try {
    return keepFirstToken(data, firstToken)
  } catch (error) {
    await stop()
    const reason = error instanceof Error ? error.message : String(error)
    throw new CommandError(
      `the first token could not be kept: ${reason}`,
      'scimd token create --name NAME prints another one',
    )
  }
}

const flagsOf = (options: Options): Flags =>
  Object.fromEntries(
    names.flatMap((name) => {
      const { flag } = SETTINGS[name]
      const value = flag === undefined ? undefined : options[flag]
      return value === undefined ? [] : [[name, value]]
    }),
  )

const welcome = (url: string, token: string): string => `
This is the first start, so there is a first token. It is shown this once:

  ${token}

Paste it into your identity provider as the secret (bearer) token, beside the
base URL. From this machine, try:

  curl -H "Authorization: Bearer ${token}" ${url}/Users

`
