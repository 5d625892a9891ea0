/**
 * Measures how long a request can keep the server from everybody else: heavy and hostile requests,
 * one after the other, against a server from source that watches its own event loop.
 *
 *     bun test/bench/blocks.ts               all of them, three rounds: some minutes
 *     bun test/bench/blocks.ts bulk filter   those whose names hold one of these words
 *
 * Of the longest block of each round the table shows the shortest, as other processes lengthen
 * blocks and never shorten them; `cpu` counts only what the server's own thread has worked.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Ask, CASES } from './blocks-cases.ts'
import type { Seen } from './seed.ts'

const ROUNDS = 3
const GOAL_MS = 20
const TOKEN = 'a-token-for-the-bench-0123456789-0123456789'

const words = process.argv.slice(2)
const data = mkdtempSync(join(tmpdir(), 'scimd-blocks-'))

/** What the child has sent and nobody has taken yet. */
const told: unknown[] = []
let waiting: ((message: unknown) => void) | undefined

const child = Bun.spawn([process.execPath, join(import.meta.dir, 'watched.ts'), data, TOKEN], {
  env: { PATH: process.env.PATH ?? '' },
  stdout: 'inherit',
  stderr: 'ignore',
  ipc(message) {
    if (waiting) waiting(message)
    else told.push(message)
  },
})

async function hear<T>(): Promise<T> {
  if (told.length > 0) return told.shift() as T
  const { promise, resolve } = Promise.withResolvers<unknown>()
  waiting = resolve
  const message = (await promise) as T
  waiting = undefined
  return message
}

/** One request; the answer is read to its end and thrown away, but for a few bytes of it. */
const askOf =
  (url: string): Ask =>
  async (method, path, body, signal) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/scim+json' },
      ...(body === undefined ? {} : { body }),
      ...(signal ? { signal } : {}),
    })
    const text = await response.text()
    return { status: response.status, text }
  }

interface Row {
  readonly name: string
  readonly status: string
  readonly wallMs: number
  readonly cpuMs: number
  readonly tookMs: number
  readonly rssMiB: number
}

try {
  const started = performance.now()
  console.error('filling the store')
  const { url } = await hear<{ url: string }>()
  console.error(`it took ${Math.round((performance.now() - started) / 1000)} s`)
  const rows: Row[] = []
  for (const { name, run } of CASES) {
    if (words.length > 0 && !words.some((word) => name.includes(word))) continue
    const rounds: Row[] = []
    for (let round = 0; round < ROUNDS; round++) rounds.push(await once(name, run, url, round))
    const least = (of: (row: Row) => number) => Math.min(...rounds.map(of))
    const row = {
      name,
      status: rounds[0]?.status ?? '',
      wallMs: least(({ wallMs }) => wallMs),
      cpuMs: least(({ cpuMs }) => cpuMs),
      tookMs: least(({ tookMs }) => tookMs),
      rssMiB: Math.max(...rounds.map(({ rssMiB }) => rssMiB)),
    }
    rows.push(row)
    print(row)
  }
  const over = rows.filter(({ wallMs }) => wallMs > GOAL_MS)
  console.log(`${over.length} of ${rows.length} block for more than ${GOAL_MS} ms`)
} finally {
  child.kill()
  await child.exited
  rmSync(data, { recursive: true, force: true })
}

async function once(
  name: string,
  run: (typeof CASES)[number]['run'],
  url: string,
  round: number,
): Promise<Row> {
  const ask = askOf(url)
  // What has to be made first, bodies above all, is made before the watch begins.
  const go = await run(ask, round)
  child.send('begin')
  await hear()
  const started = performance.now()
  const status = await go().catch((error: unknown) => String(error).slice(0, 20))
  const tookMs = performance.now() - started
  child.send('end')
  return { name, status: String(status), tookMs, ...(await hear<Seen>()) }
}

function print({ name, status, wallMs, cpuMs, tookMs, rssMiB }: Row): void {
  const numbers = [wallMs, cpuMs, tookMs, rssMiB].map((number) => number.toFixed(0).padStart(7))
  if (told.length === 0 && !print.hasHead) {
    print.hasHead = true
    const heads = ['block', 'cpu', 'took', 'MiB'].map((head) => head.padStart(7))
    console.log(`${'request'.padEnd(52)} ${'status'.padEnd(8)}${heads.join(' ')}`)
  }
  console.log(`${name.padEnd(52)} ${status.padEnd(8)}${numbers.join(' ')}`)
}
print.hasHead = false
