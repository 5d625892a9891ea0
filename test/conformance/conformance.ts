/**
 * Runs every test and prints what is proven of RFC 7643, 7644 and 9865, by section, and of what
 * Entra ID and Okta need.
 *
 *     bun run conformance
 *
 * The last line is `N proven, N not applicable, N missing`. The exit status is 0 only if nothing is
 * missing and no test failed.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { NOT_APPLICABLE } from './not-applicable.ts'
import { outcomesIn, report } from './proofs.ts'
import requirements from './requirements.json' with { type: 'json' }

const ROOT = resolve(import.meta.dir, '../..')

/** Runs the tests; what fails is told on standard error. */
async function runTests(): Promise<{ readonly junit: string; readonly status: number }> {
  const directory = mkdtempSync(join(tmpdir(), 'scimd-conformance-'))
  try {
    const outfile = join(directory, 'junit.xml')
    const reporter = ['--reporter=junit', `--reporter-outfile=${outfile}`]
    const child = Bun.spawn(
      [process.execPath, 'test', '--timeout', '30000', '--only-failures', ...reporter],
      {
        cwd: ROOT,
        stdout: Bun.file('/dev/stderr'),
        stderr: 'inherit',
      },
    )
    const status = await child.exited
    return { junit: await Bun.file(outfile).text(), status }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const { junit, status } = await runTests()
const { lines, isComplete } = report(outcomesIn(junit), requirements, NOT_APPLICABLE)
// A fault outside of any test, as in a file that cannot be loaded, shows in the status alone.
const told = status === 0 ? lines : [`bun test ended with status ${status}`, ...lines]
console.log(told.join('\n'))
process.exitCode = isComplete && status === 0 ? 0 : 1
