/** Opens the control store for the commands that work beside a running server. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_TENANT } from '../auth/bearer.ts'
import { dataDirectory, processEnvironment, TENANT_NAME } from '../config.ts'
import type { ControlStore } from '../store/control.ts'
import { requireDataDirectory } from '../store/data-directory.ts'
import { openLmdbControl } from '../store/lmdb-control.ts'
import { CommandError, type Option, type Options, type Terminal, UsageError } from './command.ts'

export const DATA_OPTION: Option = {
  name: 'data',
  value: 'DIR',
  meaning: 'where everything is kept (default: ./data; SCIMD_DATA)',
}

export const JSON_OPTION: Option = { name: 'json', meaning: 'print records as JSON' }

export const TENANT_OPTION: Option = {
  name: 'tenant',
  value: 'T',
  meaning: 'the tenant that is asked about (default: default)',
}

/** The tenant that is asked about. @throws UsageError for no name, CommandError for no tenant */
export async function requireTenant(options: Options): Promise<string> {
  const { tenant = DEFAULT_TENANT } = options
  if (typeof tenant !== 'string' || !TENANT_NAME.test(tenant))
    throw new UsageError(`--tenant ${tenant}: a name is 1 to 63 of a-z, 0-9 and -`)
  await withControl(options, async (control) => {
    if (tenant === DEFAULT_TENANT || control.tenant(tenant)) return
    throw new CommandError(`there is no tenant "${tenant}"`, 'scimd tenant list shows all')
  })
  return tenant
}

/**
 * Does something with the control store and closes it, whatever happens.
 *
 * @throws CommandError where no data is: else a wrong directory would look like an empty one
 */
export async function withControl<T>(
  options: Options,
  use: (control: ControlStore) => Promise<T>,
): Promise<T> {
  const directory = directoryOf(options)
  requireData(directory)
  return opened(directory, use)
}

/** The same for a command that makes something: it may begin the data directory, and tells so. */
export async function withControlBegun<T>(
  terminal: Terminal,
  options: Options,
  use: (control: ControlStore) => Promise<T>,
): Promise<T> {
  const directory = directoryOf(options)
  requireDataDirectory(directory)
  if (!existsSync(controlFile(directory)))
    terminal.err(`scimd: begins a new data directory, ${directory}\n`)
  return opened(directory, use)
}

const directoryOf = ({ data }: Options): string =>
  dataDirectory(typeof data === 'string' ? { data } : {}, processEnvironment())

async function opened<T>(
  directory: string,
  use: (control: ControlStore) => Promise<T>,
): Promise<T> {
  const control = openLmdbControl(controlFile(directory))
  try {
    return await use(control)
  } finally {
    await control.close()
  }
}

/**
 * What every command but those that make something needs to be there already.
 *
 * @throws CommandError, DataDirectoryError
 */
export function requireData(directory: string): void {
  // Of a directory of somebody else's nothing can be seen; that is said first.
  if (existsSync(directory)) requireDataDirectory(directory)
  if (existsSync(controlFile(directory))) return
  throw new CommandError(
    `there is no data of scimd in ${directory}`,
    "name the server's data directory with --data DIR or SCIMD_DATA; " +
      'scimd serve and scimd token create begin one',
  )
}

const controlFile = (directory: string): string => join(directory, 'control.mdb')
