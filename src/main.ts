/** Turns the words of the command line into a command, and its faults into an exit status. */

import { type Command, helpOf, readArguments, type Terminal, UsageError } from './cli/command.ts'
import { serve } from './cli/serve.ts'
import { tenantCreate, tenantList } from './cli/tenant.ts'
import { tokenCreate, tokenList, tokenRevoke } from './cli/token.ts'
import { told } from './cli/told.ts'
import { versionCommand } from './cli/version.ts'

const COMMANDS: readonly Command[] = [
  serve,
  tokenCreate,
  tokenList,
  tokenRevoke,
  tenantCreate,
  tenantList,
  versionCommand,
]

const terminal: Terminal = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  isInteractive: process.stderr.isTTY === true,
  ended: new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve())
  }),
  now: Date.now,
}

// LMDB leaves rejections behind that nobody awaits when a disk is full; the commit itself is told.
process.on('unhandledRejection', (reason) => {
  terminal.err(
    `${JSON.stringify({ level: 'error', message: 'unhandled rejection', error: String(reason) })}\n`,
  )
})

process.exit(await main(process.argv.slice(2)))

async function main(words: readonly string[]): Promise<0 | 1 | 2> {
  const [first] = words
  if (first === undefined || first === 'help' || first === '--help' || first === '-h') {
    terminal.out(overview())
    return 0
  }
  const command = commandIn(words)
  try {
    if (!command) throw new UsageError(groupHelp(words) ?? `there is no command "${first}"`)
    const rest = words.slice(command.name.split(' ').length)
    if (rest.includes('--help') || rest.includes('-h')) {
      terminal.out(helpOf(command))
      return 0
    }
    const { options, operands } = readArguments(command, rest)
    await command.run(terminal, options, operands)
    return 0
  } catch (error) {
    return told(terminal, error, command)
  }
}

/**
 * The command with the longest name that the words begin with; `--version` is asked for as well.
 */
function commandIn(words: readonly string[]): Command | undefined {
  const spoken = words[0] === '--version' ? 'version' : words.join(' ')
  return COMMANDS.find(({ name }) => spoken === name || spoken.startsWith(`${name} `))
}

function groupHelp([first]: readonly string[]): string | undefined {
  const group = COMMANDS.filter(({ name }) => name.startsWith(`${first} `))
  if (group.length === 0) return undefined
  return `expected one of: ${group.map(({ name }) => `scimd ${name}`).join(', ')}`
}

const overview = (): string =>
  [
    'scimd: a SCIM 2.0 server with its store inside',
    '',
    'usage: scimd COMMAND [options]',
    '',
    ...COMMANDS.map(({ name, summary }) => `  ${name.padEnd(14)}  ${summary}`),
    '',
    'scimd COMMAND --help shows the options of a command and an example.',
    '',
  ].join('\n')
