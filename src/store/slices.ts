/** Cuts long work into slices, so that other requests are answered between them. */

import { SLICE_MS } from '../scim/limits.ts'
import type { Steps } from '../scim/steps.ts'

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
 * @throws Abandoned after the signal was aborted
 */
export function slicer(signal?: AbortSignal): Pause {
  let end = performance.now() + SLICE_MS
  return () => (performance.now() < end ? undefined : pause())

  async function pause(): Promise<void> {
    await nextTurn()
    if (signal?.aborted) throw new Abandoned('the client has gone')
    end = performance.now() + SLICE_MS
  }
}

/**
 * Does work of many steps, with pauses between them.
 *
 * @throws Abandoned after the signal was aborted, and whatever the work throws
 */
export async function inSlices<T>(work: Steps<T>, signal?: AbortSignal): Promise<T> {
  const pause = slicer(signal)
  let step = work.next()
  for (; !step.done; step = work.next()) await pause()
  return step.value
}
