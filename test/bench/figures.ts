/** Turns rounds of measurements into figures, a table for people and a file for programs. */

import type { Measured } from './load.ts'

/** One line of the report: what scimd did, and how that compares with something else. */
export interface Figure {
  readonly name: string
  readonly unit: 'req/s' | 'ms'
  readonly value: number
  readonly against: string
  readonly reference: number
  /** The median of the ratios of neighbouring rounds, with the lowest and the highest. */
  readonly ratio: Spread
  /** Processor time of one request, as a ratio: little disturbed by what else the machine does. */
  readonly cpuRatio: number | undefined
  readonly cpuMicros: number | undefined
  readonly goal: Goal | undefined
}

export interface Spread {
  readonly median: number
  readonly low: number
  readonly high: number
}

/** What the ratio should be. */
export interface Goal {
  readonly atLeast?: number
  readonly atMost?: number
}

/** Two loads that took turns. */
export interface Rounds {
  readonly ours: readonly Measured[]
  readonly theirs: readonly Measured[]
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}

const spreadOf = (values: readonly number[]): Spread => ({
  median: median(values),
  low: Math.min(...values),
  high: Math.max(...values),
})

interface Naming {
  readonly name: string
  readonly against: string
  readonly goal?: Goal
}

/** Requests in a second, as a ratio to the reference: more is better. */
export const rateFigure = (naming: Naming, rounds: Rounds): Figure =>
  figure(naming, 'req/s', rounds, ({ perSecond }) => perSecond)

/** How long one request takes (a quantile), as a ratio to the reference: less is better. */
export const latencyFigure = (naming: Naming, rounds: Rounds, quantile = 0.5): Figure =>
  figure(naming, 'ms', rounds, ({ latencies }) => quantileOf(latencies, quantile))

const quantileOf = (sorted: readonly number[], quantile: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))] ?? Number.NaN

function figure(
  { name, against, goal }: Naming,
  unit: Figure['unit'],
  { ours, theirs }: Rounds,
  measureOf: (measured: Measured) => number,
): Figure {
  const ratios = ours.map((one, round) => measureOf(one) / measureOf(theirs[round] as Measured))
  const cpuMicros = cpuOf(ours)
  const theirCpu = cpuOf(theirs)
  return {
    name,
    unit,
    value: median(ours.map(measureOf)),
    against,
    reference: median(theirs.map(measureOf)),
    ratio: spreadOf(ratios),
    cpuMicros,
    cpuRatio: cpuMicros === undefined || !theirCpu ? undefined : cpuMicros / theirCpu,
    goal,
  }
}

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

const digits = (value: number, unit: Figure['unit']): string =>
  unit === 'ms' ? `${value.toFixed(2)} ms` : `${Math.round(value)}/s`

const goalText = ({ atLeast, atMost }: Goal): string =>
  atLeast === undefined ? `<= ${atMost}` : `>= ${atLeast}`

/** The report as aligned columns. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, unit, value, against, reference, ratio, cpuRatio, goal }) => [
    name,
    digits(value, unit),
    against,
    digits(reference, unit),
    ratio.median.toFixed(2),
    `${ratio.low.toFixed(2)}-${ratio.high.toFixed(2)}`,
    cpuRatio === undefined ? '-' : cpuRatio.toFixed(2),
    goal ? goalText(goal) : '',
  ])
  const all = [['figure', 'scimd', 'against', '', 'ratio', 'spread', 'cpu', 'goal'], ...rows]
  const widths = (all[0] ?? []).map((_, column) =>
    Math.max(...all.map((row) => row[column]?.length ?? 0)),
  )
  const isNumber = (column: number) => [1, 3, 4, 5, 6].includes(column)
  return all
    .map((row) =>
      row
        .map((cell, column) =>
          isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
