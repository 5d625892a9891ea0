/** Opens the control store for the commands that work beside a running server. */

import { join } from 'node:path'
import { dataDirectory, processEnvironment } from '../config.ts'
import type { ControlStore } from '../store/control.ts'
import { requireDataDirectory } from '../store/data-directory.ts'
import { openLmdbControl } from '../store/lmdb-control.ts'
import type { Option, Options } from './command.ts'

export const DATA_OPTION: Option = {
  name: 'data',
  value: 'DIR',
  meaning: 'where everything is kept (default: ./data; SCIMD_DATA)',
}

export const JSON_OPTION: Option = { name: 'json', meaning: 'print records as JSON' }

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
