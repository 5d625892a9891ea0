/** Opens the control store for the commands that work beside a running server. */

import { join } from 'node:path'
import { DEFAULT_TENANT } from '../auth/bearer.ts'
import { dataDirectory, processEnvironment, TENANT_NAME } from '../config.ts'
import type { ControlStore } from '../store/control.ts'
import { requireDataDirectory } from '../store/data-directory.ts'
import { openLmdbControl } from '../store/lmdb-control.ts'
import { CommandError, type Option, type Options, UsageError } from './command.ts'

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

/** Does something with the control store and closes it, whatever happens. */
export async function withControl<T>(
  options: Options,
  use: (control: ControlStore) => Promise<T>,
): Promise<T> {
  const { data } = options
  const directory = dataDirectory(typeof data === 'string' ? { data } : {}, processEnvironment())
  requireDataDirectory(directory)
  const control = openLmdbControl(join(directory, 'control.mdb'))
  try {
    return await use(control)
  } finally {
    await control.close()
  }
}
