/** Turns what a run has measured into a table on the terminal, JSON in dist, and README.md. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { type Panel, svgOf } from './chart.ts'
import type { Figure } from './figures.ts'
import { DIST, PEER_NAME, peerRuntimeName } from './servers.ts'
import { markdownOf, numberText, textOf } from './table.ts'

export type Mode = 'full' | 'quick' | 'scale' | 'rehearsal'

/** What is measured. */
export interface Result {
  readonly figures: readonly Figure[]
  /** Requests in a second that the client can send. */
  readonly ceiling?: number
  readonly panels?: readonly Panel[]
}

/** A run, as it is kept in dist. */
interface Run extends Result {
  readonly mode: Mode
  readonly time: string
  readonly seconds: number
  readonly machine: {
    readonly processor: string
    readonly processors: number
    readonly memoryGiB: number
    readonly platform: string
    readonly bun: string
    readonly peer: string
  }
}

const REPORTS: Record<Mode, string> = {
  full: 'bench.json',
  quick: 'bench-quick.json',
  scale: 'bench-scale.json',
  rehearsal: 'bench-rehearsal.json',
}
const CHARTS: Partial<Record<Mode, string>> = {
  scale: 'bench-scale.svg',
  rehearsal: 'bench-rehearsal.svg',
}
const README = join(import.meta.dir, '../../README.md')
/** The chart that the README shows. */
const SHOWN_CHART = join(import.meta.dir, 'scale.svg')
const MARKS = ['<!-- figures of the benchmark -->', '<!-- end of the figures -->'] as const
const GIB = 1024 ** 3

const LEGEND =
  'ratio: median of rounds, with the lowest and highest. cpu: processor time of one request, as a\n' +
  'ratio. In requests a second more is better, in ms less is.'

/** Prints a run and keeps it. */
export function report(mode: Mode, seconds: number, result: Result): void {
  const run: Run = {
    mode,
    time: new Date().toISOString(),
    seconds: Math.round(seconds),
    machine: {
      processor: cpus()[0]?.model ?? 'unknown',
      processors: cpus().length,
      memoryGiB: Math.round(totalmem() / GIB),
      platform: `${process.platform}-${process.arch}`,
      bun: Bun.version,
      peer: `${PEER_NAME} on ${peerRuntimeName()}`,
    },
    ...result,
  }
  console.log(`\n${textOf(run.figures)}\n\n${LEGEND}\n${originOf(run)}`)
  writeFileSync(join(DIST, REPORTS[mode]), `${JSON.stringify(run, null, 2)}\n`)
  console.log(`kept in dist/${REPORTS[mode]}`)
  const chart = CHARTS[mode]
  if (chart === undefined || !run.panels) return
  writeFileSync(join(DIST, chart), svgOf(run.panels))
  console.log(`drawn in dist/${chart}`)
}

/** When and where a run was made. */
function originOf({ mode, time, seconds, machine, ceiling }: Run): string {
  const { processor, processors, memoryGiB, platform, bun, peer } = machine
  const client =
    ceiling === undefined
      ? ''
      : ` The client can send ${numberText(ceiling)} requests a second. The peer is ${peer}.`
  return (
    `${mode}: ${time.slice(0, 10)}, ${seconds} s on ${processors} x ${processor}, ` +
    `${memoryGiB} GiB, ${platform}, Bun ${bun}.${client}`
  )
}

/**
 * Writes the last runs, full and scale, into README.md between its marks.
 *
 * @throws Error when neither has been made
 */
export function writeReadme(): void {
  const runs = (['full', 'scale'] as const).flatMap((mode) => {
    const path = join(DIST, REPORTS[mode])
    return existsSync(path) ? [JSON.parse(readFileSync(path, 'utf8')) as Run] : []
  })
  if (runs.length === 0) throw new Error('nothing measured yet: bun run bench, then --scale')
  for (const { panels } of runs) if (panels) writeFileSync(SHOWN_CHART, svgOf(panels))
  const text = readFileSync(README, 'utf8')
  writeFileSync(README, betweenMarks(text, markdownOfRuns(runs)))
  console.log(`README.md shows ${runs.map(({ mode }) => mode).join(' and ')}`)
}

function markdownOfRuns(runs: readonly Run[]): string {
  const origins = runs.map((run) => `- ${originOf(run)}`)
  return [...origins, '', markdownOf(runs.flatMap(({ figures }) => figures))].join('\n')
}

/**
 * Exchanges what is between the marks of a text.
 *
 * @throws Error when it has none
 */
export function betweenMarks(text: string, inner: string): string {
  const [begin, end] = MARKS
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`README.md lacks ${begin} … ${end}`)
  return `${text.slice(0, from + begin.length)}\n\n${inner}\n\n${text.slice(to)}`
}
