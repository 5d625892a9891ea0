/** What a command is, and how its options are read and its help is written. */

import { parseArgs } from 'node:util'
import { nearestOf } from '../nearest.ts'
import { visibleCell } from './visible.ts'

/** What a command may touch of the world outside; passed in, so that nothing below main exits. */
export interface Terminal {
  /** Standard output: what was asked for. */
  out(text: string): void
  /** Standard error: what happened meanwhile. */
  err(text: string): void
  readonly isInteractive: boolean
  /** Resolves when the process is asked to end. */
  readonly ended: Promise<void>
  /** Calls back when the process is asked to read its settings again. */
  onReload(reload: () => void): void
  now(): number
}

export interface Option {
  readonly name: string
  /** What stands for the value in the help; a switch has none. */
  readonly value?: string
  readonly meaning: string
  readonly required?: boolean
}

export type Options = Readonly<Record<string, string | boolean | undefined>>

export interface Command {
  /** The words that call it, such as `token create`. */
  readonly name: string
  readonly summary: string
  readonly options: readonly Option[]
  readonly example: string
  /** Names of arguments that stand without an option; in brackets, those that may be left out. */
  readonly operands?: readonly string[]
  run(terminal: Terminal, options: Options, operands: readonly string[]): Promise<void>
}

/** Wrong use of the command line: exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** A fault with its cure: exit status 1. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly cure: string | undefined

  constructor(fault: string, cure?: string) {
    super(fault)
    this.cure = cure
  }
}

/** Reads the words behind a command's name. @throws UsageError */
export function readArguments(
  command: Command,
  words: readonly string[],
): { options: Options; operands: string[] } {
  const declared = command.options.map(
    ({ name, value }) => [name, { type: value ? 'string' : 'boolean' }] as const,
  )
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      options: Object.fromEntries(declared),
      allowPositionals: true,
      strict: true,
    })
    for (const { name, required } of command.options) {
      if (required && values[name] === undefined) throw new UsageError(`--${name} is missing`)
      if (values[name] === '') throw new UsageError(`--${name} is empty`)
    }
    const expected = command.operands ?? []
    const required = expected.filter((operand) => !operand.startsWith('['))
    if (positionals.length > expected.length || positionals.length < required.length) {
      const wanted = expected.length === 0 ? 'nothing more' : expected.join(' ')
      throw new UsageError(`found ${positionals.join(' ') || 'nothing'}, expected ${wanted}`)
    }
    return { options: values as Options, operands: positionals }
  } catch (error) {
    if (error instanceof UsageError) throw error
    const [, option] =
      /^Option '(?:-\w, )?(--[^ ']+).*' argument is ambiguous/.exec(
        String((error as Error).message),
      ) ?? []
    if (option !== undefined)
      throw new UsageError(
        `${option}: found a value that begins with -; write ${option}=VALUE if you mean it`,
      )
    // Node adds advice to the fault that is of no use here.
    const [fault = ''] = String(error instanceof Error ? error.message : error).split(/\n|\. To /)
    throw new UsageError(`${fault}${suggestion(command, fault)}`)
  }
}

/** The option that somebody meant who mistyped one. */
function suggestion({ options }: Command, fault: string): string {
  const [, unknown] = /^Unknown option '--([^'=]+)/.exec(fault) ?? []
  const names = options.map(({ name }) => name)
  const meant = unknown === undefined ? undefined : nearestOf(unknown, names)
  return meant === undefined ? '' : `; did you mean --${meant}?`
}

/** A command's help: its summary, its options, an example. */
export function helpOf({ name, summary, options, operands, example }: Command): string {
  const labels = options.map(({ name, value }) => `  --${name}${value ? ` ${value}` : ''}`)
  const width = Math.max(0, ...labels.map((label) => label.length))
  const lines = options.map(
    ({ meaning, required }, index) =>
      `${labels[index]?.padEnd(width)}  ${meaning}${required ? ' (required)' : ''}`,
  )
  const usage = [
    'scimd',
    name,
    ...(operands ?? []),
    ...(options.length > 0 ? ['[options]'] : []),
  ].join(' ')
  return [
    summary,
    '',
    `usage: ${usage}`,
    ...(lines.length > 0 ? ['', 'options:', ...lines] : []),
    '',
    'example:',
    `  ${example}`,
    '',
  ].join('\n')
}

/** Records as aligned columns for people, or as JSON for programs. */
export function recordsText(
  records: readonly Readonly<Record<string, string | null>>[],
  asJson: boolean,
): string {
  if (asJson) return `${JSON.stringify(records, null, 2)}\n`
  const [first] = records
  if (!first) return ''
  const names = Object.keys(first)
  const rows = [
    names.map((name) => name.toUpperCase()),
    ...records.map((r) => names.map((n) => visibleCell(r[n] ?? '-'))),
  ]
  const widths = names.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}
