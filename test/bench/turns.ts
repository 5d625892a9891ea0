/** Lets measurements take turns, so that whatever else the machine does falls on all of them. */

import type { Rounds } from './figures.ts'
import { type Load, type Measured, run, type Server } from './load.ts'

/** How often each side has its turn, and how long one lasts. */
export interface Pace {
  readonly rounds: number
  readonly ms: number
}

export type Turn<T = Measured> = () => Promise<T>

/** A load of one server as a turn. */
export const turnOf =
  (server: Server, load: Load, { ms }: Pace): Turn =>
  () =>
    run(server, { ...load, ms })

/** One after the other, forth and back. The first turns warm up and do not count. */
export async function takeTurns<T>(turns: readonly Turn<T>[], rounds: number): Promise<T[][]> {
  const measured = turns.map((): T[] => [])
  for (const turn of turns) await turn()
  for (let round = 0; round < rounds; round++) {
    const order = [...turns.keys()]
    for (const index of round % 2 === 0 ? order : order.reverse()) {
      measured[index]?.push(await (turns[index] as Turn<T>)())
    }
  }
  return measured
}

export async function takeTurnsOfTwo(ours: Turn, theirs: Turn, { rounds }: Pace): Promise<Rounds> {
  const [first = [], second = []] = await takeTurns([ours, theirs], rounds)
  return { ours: first, theirs: second }
}

/** Requests one after the other, in an order that jumps about. */
export function reading<T>(
  connections: number,
  keys: readonly T[],
  pathOf: (key: T) => string,
): Load {
  let at = 0
  return {
    connections,
    next() {
      at = (at + 7919) % keys.length
      return { method: 'GET', path: pathOf(keys[at] as T) }
    },
  }
}
