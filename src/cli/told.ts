/** Turns what a command threw into lines on standard error, fault then cure, and an exit status. */

import { ConfigFaults } from '../config.ts'
import { ListenError } from '../listen.ts'
import { SchemaFaults } from '../scim/schema.ts'
import { DataDirectoryError } from '../store/data-directory.ts'
import { StoreFileError } from '../store/lmdb-file.ts'
import { type Command, CommandError, type Terminal, UsageError } from './command.ts'

/** Tells a fault. 1 for a fault, 2 for wrong use of the command line. */
export function told(terminal: Terminal, error: unknown, command: Command | undefined): 1 | 2 {
  const say = (line: string) => terminal.err(`scimd: ${line}\n`)
  const tryThis = (cure: string) => terminal.err(`try: ${cure}\n`)
  if (error instanceof UsageError) {
    say(error.message)
    tryThis(`scimd ${command ? `${command.name} ` : ''}--help`)
    return 2
  }
  if (error instanceof ConfigFaults) {
    for (const fault of error.faults) say(fault)
    return 1
  }
  if (error instanceof SchemaFaults) {
    for (const { file, at, found, expected } of error.faults) {
      say(`${file}: ${at}: found ${found}, expected ${expected}`)
    }
    return 1
  }
  say(error instanceof Error ? error.message : String(error))
  const cure = cureOf(error)
  if (cure !== undefined) tryThis(cure)
  else if (!isExpected(error) && error instanceof Error) terminal.err(`${error.stack}\n`)
  return 1
}

/** Faults whose message says all; of any other the stack is shown, as it is a bug. */
const isExpected = (error: unknown): boolean =>
  error instanceof StoreFileError || error instanceof CommandError || isOfSystem(error)

/** A full disk, a file that may not be read: the operating system's faults have such codes. */
const isOfSystem = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && /^E[A-Z0-9]+$/.test(String(error.code))

function cureOf(error: unknown): string | undefined {
  if (
    error instanceof CommandError ||
    error instanceof DataDirectoryError ||
    error instanceof ListenError
  ) {
    return error.cure
  }
  return undefined
}
