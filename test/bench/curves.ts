/** Curves: one kind of request measured at several sizes, in turns, as figures and as a panel. */

import type { Panel } from './chart.ts'
import type { Directory } from './directory.ts'
import { type Figure, latencyOf } from './figures.ts'
import type { Load, Measured } from './load.ts'
import { type Pace, takeTurns, turnOf } from './turns.ts'

/** Progress, for whoever waits. */
export type Say = (message: string) => void

export interface Curve {
  readonly name: string
  /** The sizes in their order, each with its rounds. */
  readonly rounds: readonly (readonly Measured[])[]
}

/** What a set of curves comes to. */
export interface Drawn {
  readonly figures: readonly Figure[]
  readonly panel: Panel
}

/** A number as the report writes it: 100,000. */
export const inWords = (count: number): string => count.toLocaleString('en-US')

/** Measures one kind of request at every place. */
export async function curveOf<T>(
  name: string,
  places: readonly T[],
  directoryOf: (place: T) => Directory,
  loadOf: (place: T) => Load,
  pace: Pace,
): Promise<Curve> {
  const turns = places.map((place) => turnOf(directoryOf(place), loadOf(place), pace))
  return { name, rounds: await takeTurns(turns, pace.rounds) }
}

/** Draws medians of all rounds together. */
export function panelOf(
  title: string,
  across: string,
  curves: readonly Curve[],
  sizes: readonly number[],
): Panel {
  return {
    title,
    across,
    up: 'median, ms',
    series: curves.map(({ name, rounds }) => ({
      name,
      points: rounds.map((some, index) => [sizes[index] as number, latencyOf(some).p50] as const),
    })),
  }
}
