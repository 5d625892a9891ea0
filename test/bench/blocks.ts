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
import { CASES } from './blocks-cases.ts'
import { startWatched, type Watched } from './watch.ts'

const ROUNDS = 3
const GOAL_MS = 20
const TOKEN = 'a-token-for-the-bench-0123456789-0123456789'

const words = process.argv.slice(2)
const data = mkdtempSync(join(tmpdir(), 'scimd-blocks-'))

interface Row {
  readonly name: string
  readonly status: string
  readonly wallMs: number
  readonly cpuMs: number
  readonly tookMs: number
  readonly rssMiB: number
}

let watched: Watched | undefined
try {
  const started = performance.now()
  console.error('filling the store')
  watched = await startWatched(data, TOKEN)
  console.error(`it took ${Math.round((performance.now() - started) / 1000)} s`)
  const rows: Row[] = []
  for (const { name, run } of CASES) {
    if (words.length > 0 && !words.some((word) => name.includes(word))) continue
    const rounds: Row[] = []
    for (let round = 0; round < ROUNDS; round++) rounds.push(await once(name, run, watched, round))
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
  await watched?.stop()
  rmSync(data, { recursive: true, force: true })
}

async function once(
  name: string,
  run: (typeof CASES)[number]['run'],
  { ask, begin, end }: Watched,
  round: number,
): Promise<Row> {
  // What has to be made first, bodies above all, is made before the watch begins.
  const go = await run(ask, round)
  await begin()
  const started = performance.now()
  const status = await go().catch((error: unknown) => String(error).slice(0, 20))
  const tookMs = performance.now() - started
  return { name, status: String(status), tookMs, ...(await end()) }
}

function print({ name, status, wallMs, cpuMs, tookMs, rssMiB }: Row): void {
  const numbers = [wallMs, cpuMs, tookMs, rssMiB].map((number) => number.toFixed(0).padStart(7))
  if (!print.hasHead) {
    print.hasHead = true
    const heads = ['block', 'cpu', 'took', 'MiB'].map((head) => head.padStart(7))
    console.log(`${'request'.padEnd(52)} ${'status'.padEnd(8)}${heads.join(' ')}`)
  }
  console.log(`${name.padEnd(52)} ${status.padEnd(8)}${numbers.join(' ')}`)
}
print.hasHead = false
