/**
 * Holds the program to what the files of `transcripts` show, each of which is one session.
 *
 *     + FILE TEXT      the file is there, with this text; a FILE that ends in / is a directory
 *     $ scimd …        is run in an empty directory
 *     …                what it prints on standard output
 *     ! …              what it prints on standard error
 *     ? 2              its exit status, when that is not 0
 *
 * Tokens, their prefixes, client ids, times and versions stand as <token>, <prefix>, <client>,
 * <time> and <version>; in a command, <prefix>, <token> and <client> are the last ones seen.
 * SCIMD_RECORD=1 writes what is printed into the files: read the difference before you keep it.
 */

import { expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { TARGETS, type Target } from '../harness.ts'
import { scimd, TENANT_TOKEN, temporary } from './given.ts'

/** Processes start slowly on a machine that has much else to do. */
setDefaultTimeout(180_000)

const DIRECTORY = join(import.meta.dir, 'transcripts')

const SESSIONS = TARGETS.flatMap((target) =>
  readdirSync(DIRECTORY).map((file) => [target, file] as const),
)

test.each(SESSIONS)('the program does what its transcript shows: %s, %s', async (target, file) => {
  const path = join(DIRECTORY, file)
  const expected = readFileSync(path, 'utf8')
  using place = temporary()
  const found = await replay(target, expected, place.cwd)
  if (process.env['SCIMD_RECORD'] && target === 'source') writeFileSync(path, found)
  else expect(found).toBe(expected)
})

/** Runs what stands in a session, and writes the session anew. */
async function replay(target: Target, session: string, cwd: string): Promise<string> {
  const seen = new Seen()
  let found = ''
  for (const line of session.split('\n')) {
    if (line.startsWith('#') || line.startsWith('+ ')) found += `${line}\n`
    if (line.startsWith('+ ')) make(cwd, line.slice(2))
    if (!line.startsWith('$ scimd')) continue
    const words = wordsIn(seen.filledIn(line.slice('$ scimd'.length)))
    const { status, out, err } = await scimd(target, words, { cwd })
    const told = err === '' ? '' : err.replace(/^/gm, '! ').replace(/! $/, '')
    const ended = status === 0 ? '' : `? ${status}\n`
    found += `${line}\n${seen.leftOut(out)}${seen.leftOut(told)}${ended}\n`
  }
  return `${found.trimEnd()}\n`
}

function make(cwd: string, line: string): void {
  const [name = '', ...text] = line.split(' ')
  const path = join(cwd, name)
  mkdirSync(name.endsWith('/') ? path : dirname(path), { recursive: true, mode: 0o700 })
  if (!name.endsWith('/')) writeFileSync(path, text.join(' '))
}

/** Words between spaces; in single quotes, spaces belong to a word, and a word may be empty. */
const wordsIn = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|([^\s']+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '')

const CLIENT = /client_[a-z0-9]{12}\b/g

/** What differs from run to run. */
class Seen {
  readonly #prefixes: string[] = []
  #token = ''
  #client = ''

  leftOut(text: string): string {
    for (const [token, prefix = ''] of text.matchAll(new RegExp(TENANT_TOKEN, 'g'))) {
      this.#token = token
      this.#prefixes.push(prefix)
    }
    this.#client = text.match(CLIENT)?.at(-1) ?? this.#client
    let rest = text.replaceAll(new RegExp(TENANT_TOKEN, 'g'), '<token>')
    for (const prefix of this.#prefixes) rest = rest.replaceAll(prefix, '<prefix>')
    return rest
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '<time>')
      .replace(CLIENT, '<client>')
      .replace(/scimd \d+\.\d+\.\d+ \(bun [^,]+, [^)]+\)/g, 'scimd <version>')
  }

  filledIn(text: string): string {
    return text
      .replaceAll('<token>', this.#token)
      .replaceAll('<prefix>', this.#prefixes.at(-1) ?? '')
      .replaceAll('<client>', this.#client)
  }
}
