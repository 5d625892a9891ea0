/** Turns the words of the command line into a command, and its faults into an exit status. */

import { writeSync } from 'node:fs'
import { clientCreate, clientList, clientRevoke, clientSecretAdd } from './cli/client.ts'
import { type Command, helpOf, readArguments, type Terminal, UsageError } from './cli/command.ts'
import { doctor } from './cli/doctor.ts'
import { explain } from './cli/explain.ts'
import { get } from './cli/get.ts'
import { requests } from './cli/requests.ts'
import { schemaList, schemaPrint } from './cli/schema.ts'
import { search } from './cli/search.ts'
import { serve } from './cli/serve.ts'
import {
  tenantCreate,
  tenantDelete,
  tenantList,
  tenantResume,
  tenantSuspend,
} from './cli/tenant.ts'
import { tenantSet, tenantShow } from './cli/tenant-settings.ts'
import { tokenCreate, tokenList, tokenRevoke, tokenRotate } from './cli/token.ts'
import { told } from './cli/told.ts'
import { versionCommand } from './cli/version.ts'
import { visible } from './cli/visible.ts'
import { logTo, sparing } from './log.ts'
import { nearestOf } from './nearest.ts'

const COMMANDS: readonly Command[] = [
  serve,
  tokenCreate,
  tokenRotate,
  tokenList,
  tokenRevoke,
  clientCreate,
  clientList,
  clientRevoke,
  clientSecretAdd,
  tenantCreate,
  tenantList,
  tenantShow,
  tenantSet,
  tenantSuspend,
  tenantResume,
  tenantDelete,
  doctor,
  requests,
  get,
  search,
  explain,
  schemaList,
  schemaPrint,
  versionCommand,
]

const terminal: Terminal = {
  out: (text) => writeAll(visible(text)),
  err: (text) => void process.stderr.write(visible(text)),
  isInteractive: process.stderr.isTTY === true,
  ended: new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve())
  }),
  onReload: (reload) => void process.on('SIGHUP', reload),
  now: Date.now,
}

/** What would end a process, and is no wish that the server end. */
const PASSED_OVER = [
  'SIGHUP',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGPIPE',
  'SIGQUIT',
  'SIGVTALRM',
] as const
if (process.argv[2] === 'serve') for (const signal of PASSED_OVER) process.on(signal, () => {})

// On a full disk LMDB prints its errors, with the source around them, and leaves rejections behind
// that nobody awaits; the commit itself is told where it was asked for.
const stray = sparing(logTo(terminal.err, terminal.now), terminal.now)
const firstLineOf = (part: unknown): string => String(part).split('\n', 1)[0] ?? ''
const tellStray = (...parts: readonly unknown[]): void => {
  // A command tells the fault itself, and has no log.
  if (process.argv[2] !== 'serve') return
  stray('error', 'a library reports a fault', { error: parts.map(firstLineOf).join(' ') })
}
process.on('unhandledRejection', tellStray)
console.error = tellStray
console.warn = tellStray

process.exit(await main(process.argv.slice(2)))

async function main(words: readonly string[]): Promise<0 | 1 | 2> {
  const isHelp = words.some((word) => word === '--help' || word === '-h') || words[0] === 'help'
  const spoken = isHelp ? words.filter((word) => !/^(?:help|--help|-h)$/.test(word)) : words
  const command = commandIn(spoken)
  try {
    if (isHelp || spoken.length === 0) {
      terminal.out(command ? helpOf(command) : overviewOf(spoken))
      return 0
    }
    if (!command) throw new UsageError(expectedAfter(spoken))
    const { options, operands } = readArguments(command, spoken.slice(wordsOf(command).length))
    await command.run(terminal, options, operands)
    return 0
  } catch (error) {
    return told(terminal, error, command)
  }
}

function wordsOf({ name }: Command): string[] {
  return name.split(' ')
}

/** The command whose name the words begin with; `--version` is asked for as well. */
function commandIn(words: readonly string[]): Command | undefined {
  const spoken = words[0] === '--version' ? ['version'] : words
  return COMMANDS.find((command) => wordsOf(command).every((word, index) => word === spoken[index]))
}

function groupOf([first]: readonly string[]): readonly Command[] {
  return COMMANDS.filter((command) => wordsOf(command)[0] === first)
}

function expectedAfter(words: readonly string[]): string {
  const names = groupOf(words).map(({ name }) => `scimd ${name}`)
  if (names.length === 0) {
    const meant = nearestOf(words[0] ?? '', new Set(COMMANDS.map((one) => wordsOf(one)[0] ?? '')))
    const question = meant === undefined ? '' : `; did you mean scimd ${meant}?`
    return `there is no command "${words[0]}"${question}`
  }
  return `found scimd ${words.join(' ')}, expected one of: ${names.join(', ')}`
}

/** All commands, or those of one group, such as `token`. @throws UsageError */
function overviewOf(words: readonly string[]): string {
  const commands = words.length === 0 ? COMMANDS : groupOf(words)
  if (commands.length === 0) throw new UsageError(expectedAfter(words))
  return [
    'scimd: a SCIM 2.0 server with its store inside',
    '',
    `usage: scimd ${words.length === 0 ? '' : `${words[0]} `}COMMAND [options]`,
    '',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(17)}  ${summary}`),
    '',
    'scimd COMMAND --help shows the options of a command and an example.',
    '',
  ].join('\n')
}

/** Writes all of it, however slowly it is read: process.exit does not wait for what is buffered. */
function writeAll(text: string): void {
  let rest: Uint8Array = Buffer.from(text)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      // Whoever read it has seen enough, as in `scimd token list | head -1`.
      if (code === 'EPIPE') return
      if (code !== 'EAGAIN') throw error
      Bun.sleepSync(1)
    }
  }
}
