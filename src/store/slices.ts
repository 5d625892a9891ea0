/** Cuts long work into slices, so that other requests are answered between them. */

import { SLICE_MS } from '../scim/limits.ts'

/** Thrown into long work when nobody waits for its result any more. */
export class Abandoned extends Error {
  override readonly name = 'Abandoned'
}

/** Called within a loop: a promise when it is time to give way to others. */
export type Pause = () => Promise<void> | undefined

/** Lets everything that waits run before going on. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

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
