/** Turns rounds of measurements into figures: medians, spreads, and ratios that have goals. */

import type { Measured } from './load.ts'

/** What is measured together, in the order of the report. */
export const GROUPS = [
  'Floors',
  'Peer',
  'Initial sync',
  'Long work beside other requests',
  'Size of the directory',
  'Size of a group',
  'Memory and start',
] as const
export type Group = (typeof GROUPS)[number]

export type Unit = 'req/s' | 'ms' | 's' | 'MiB'

/** One line of the report: what scimd did, and how that compares with something else. */
export interface Figure {
  readonly group: Group
  readonly name: string
  readonly unit: Unit
  readonly value: number
  /** What half of the requests did not exceed, and 99 of 100. */
  readonly latency?: Latency
  readonly reference?: Reference
  readonly goal?: Goal
  /** What the design asks for, in words, where this figure shows it. */
  readonly target?: string
  readonly note?: string
}

/** What a figure is compared with. */
export interface Reference {
  readonly name: string
  readonly value: number
  readonly latency?: Latency
  /** The median of the ratios of neighbouring rounds, with the lowest and the highest. */
  readonly ratio: Spread
  /** Processor time of one request, as a ratio: little disturbed by what else the machine does. */
  readonly cpuRatio?: number
}

/** In milliseconds. */
export interface Latency {
  readonly p50: number
  readonly p99: number
}

export interface Spread {
  readonly median: number
  readonly low: number
  readonly high: number
}

/** What the ratio, or the value itself, should be. */
export interface Goal {
  readonly of: 'ratio' | 'value'
  readonly atLeast?: number
  readonly atMost?: number
}

/** Two loads that took turns. */
export interface Rounds {
  readonly ours: readonly Measured[]
  readonly theirs: readonly Measured[]
}

/** What a figure is called, and what it is held against. */
export interface Naming extends Pick<Figure, 'group' | 'name' | 'goal' | 'target' | 'note'> {
  readonly against: string
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}

export const spreadOf = (values: readonly number[]): Spread => ({
  median: median(values),
  low: Math.min(...values),
  high: Math.max(...values),
})

/** The value that this part of them does not exceed. */
export const quantileOf = (sorted: readonly number[], quantile: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))] ?? Number.NaN

/** Of all rounds together. */
export function latencyOf(rounds: readonly Measured[]): Latency {
  const all = Float64Array.from(rounds.flatMap(({ latencies }) => latencies as number[])).sort()
  const sorted = [...all]
  return { p50: quantileOf(sorted, 0.5), p99: quantileOf(sorted, 0.99) }
}

/** Requests in a second, as a ratio to the reference: more is better. */
export const rateFigure = (naming: Naming, rounds: Rounds): Figure =>
  figureOf(naming, 'req/s', rounds, ({ perSecond }) => perSecond)

/** How long one request takes (a quantile), as a ratio to the reference: less is better. */
export const latencyFigure = (naming: Naming, rounds: Rounds, quantile = 0.5): Figure =>
  figureOf(naming, 'ms', rounds, ({ latencies }) => quantileOf(latencies, quantile))

function figureOf(
  { against, ...naming }: Naming,
  unit: Unit,
  { ours, theirs }: Rounds,
  measureOf: (measured: Measured) => number,
): Figure {
  const cpu = cpuOf(ours)
  const theirCpu = cpuOf(theirs)
  return {
    ...comparison({ against, ...naming }, unit, ours.map(measureOf), theirs.map(measureOf)),
    ...withLatency(ours),
    reference: {
      name: against,
      value: median(theirs.map(measureOf)),
      ...withLatency(theirs),
      ratio: spreadOf(ratiosOf(ours.map(measureOf), theirs.map(measureOf))),
      ...(cpu === undefined || !theirCpu ? {} : { cpuRatio: cpu / theirCpu }),
    },
  }
}

/** What runs past HTTP has no latency of a request. */
const withLatency = (rounds: readonly Measured[]): { latency?: Latency } =>
  rounds.some(({ latencies }) => latencies.length > 0) ? { latency: latencyOf(rounds) } : {}

/** A figure of plain numbers, those at the same place measured one after the other. */
export function comparison(
  { against, ...naming }: Naming,
  unit: Unit,
  ours: readonly number[],
  theirs: readonly number[],
): Figure {
  const reference = {
    name: against,
    value: median(theirs),
    ratio: spreadOf(ratiosOf(ours, theirs)),
  }
  return { ...naming, unit, value: median(ours), reference }
}

const ratiosOf = (ours: readonly number[], theirs: readonly number[]): number[] =>
  ours.map((one, round) => one / (theirs[round] ?? Number.NaN))

/** Over all rounds at once, as the clock of the processor is coarse. */
function cpuOf(rounds: readonly Measured[]): number | undefined {
  let micros = 0
  let count = 0
  for (const round of rounds) {
    if (round.cpuMicros === undefined) return undefined
    micros += round.cpuMicros * round.count
    count += round.count
  }
  return micros / count
}

/** Whether the goal is met; undefined where there is none. */
export function isMet({ goal, reference, value }: Figure): boolean | undefined {
  if (!goal) return undefined
  const found = goal.of === 'value' ? value : reference?.ratio.median
  if (found === undefined || Number.isNaN(found)) return false
  return found >= (goal.atLeast ?? Number.NEGATIVE_INFINITY) && found <= (goal.atMost ?? found)
}
