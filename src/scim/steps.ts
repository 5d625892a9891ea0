/**
 * Work that may be long, cut into steps: whoever drives it may do something else between two of
 * them. The protocol says where to pause, and nothing of when or how.
 */

export type Steps<T> = Generator<undefined, T, undefined>

/** Does all of it at once. */
export function finished<T>(steps: Steps<T>): T {
  let step = steps.next()
  while (!step.done) step = steps.next()
  return step.value
}
