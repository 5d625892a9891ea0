/** Cuts long work into slices, so that other requests are answered between them. */

import { SLICE_MS } from '../scim/limits.ts'
import type { Steps } from '../scim/steps.ts'
import type { Client } from './store.ts'

/** Thrown into long work when nobody waits for its result any more. */
export class Abandoned extends Error {
  override readonly name = 'Abandoned'
}

/** Called within a loop: a promise when it is time to give way to others. */
export type Pause = () => Promise<void> | undefined

/** What waits for its turn, the longest waiting first. */
const waiting: (() => void)[] = []

/**
 * Lets everything else run before going on. Of all that wait here one goes on in each round of the
 * event loop: ten pieces of long work together block no longer than one does.
 */
export const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    if (waiting.push(resolve) === 1) setImmediate(letOneGoOn)
  })

function letOneGoOn(): void {
  waiting.shift()?.()
  if (waiting.length > 0) setImmediate(letOneGoOn)
}

/**
 * A pause for loops: returns at once while the slice lasts, and gives way to others when it is
 * over.
 *
 * @throws Abandoned after the client's signal was aborted
 */
export function slicer(client?: Client): Pause {
  let end = performance.now() + SLICE_MS
  return () => (performance.now() < end ? undefined : pause())

  async function pause(): Promise<void> {
    // Asked for before the turn, so that it is there for whatever happens in it.
    const signal = client?.signal
    await nextTurn()
    if (signal?.aborted) throw new Abandoned('the client has gone')
    end = performance.now() + SLICE_MS
  }
}

/** Items that are sorted, or merged, in one go. */
const RUN_COUNT = 4096

/** Sorts as Array.prototype.sort does, which knows no pause: runs of a few, then merged by two. */
export async function sortInSlices<T>(
  items: readonly T[],
  compare: (a: T, b: T) => number,
  pause: Pause,
): Promise<T[]> {
  let runs: T[][] = []
  for (let start = 0; start < items.length; start += RUN_COUNT) {
    runs.push(items.slice(start, start + RUN_COUNT).sort(compare))
    await pause()
  }
  while (runs.length > 1) {
    const merged: T[][] = []
    for (let at = 0; at < runs.length; at += 2) {
      const [left = [], right = []] = runs.slice(at, at + 2)
      merged.push(await merge(left, right, compare, pause))
    }
    runs = merged
  }
  return runs[0] ?? []
}

async function merge<T>(
  left: readonly T[],
  right: readonly T[],
  compare: (a: T, b: T) => number,
  pause: Pause,
): Promise<T[]> {
  const merged: T[] = []
  let l = 0
  let r = 0
  while (l < left.length || r < right.length) {
    const isLeft =
      r === right.length || (l < left.length && compare(left[l] as T, right[r] as T) <= 0)
    merged.push((isLeft ? left[l++] : right[r++]) as T)
    if (merged.length % RUN_COUNT === 0) await pause()
  }
  return merged
}

/**
 * Does work of many steps, with pauses between them.
 *
 * @throws Abandoned after the signal was aborted, and whatever the work throws
 */
export async function inSlices<T>(work: Steps<T>, client?: Client): Promise<T> {
  let step = work.next()
  // Most work is of one step, for which a signal would only cost.
  if (step.done) return step.value
  const pause = slicer(client)
  await nextTurn()
  for (step = work.next(); !step.done; step = work.next()) await pause()
  return step.value
}
