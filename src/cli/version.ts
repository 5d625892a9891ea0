/** `scimd version`: what this executable is. */

import { version } from '../../package.json'
import type { Command } from './command.ts'

export const versionCommand: Command = {
  name: 'version',
  summary: 'Prints the version of scimd and of the Bun that it runs on.',
  options: [],
  example: 'scimd version',

  async run(terminal) {
    terminal.out(`scimd ${version} (bun ${Bun.version}, ${process.platform}-${process.arch})\n`)
  },
}
