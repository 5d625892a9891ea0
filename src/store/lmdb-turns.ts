/**
 * Write transactions that do not block others by their number.
 *
 * LMDB carries out everything that was queued while the last commit went to disk in one go. Here
 * that go has an end: what is left then, in the order in which it came, is for the next one.
 */

import { TRANSACTION_MS } from '../scim/limits.ts'
import type { Environment } from './lmdb-file.ts'

/**
 * Runs work in a write transaction. Resolves when it is on disk; rejects with what the work throws,
 * which is not rolled back, or with the fault of the disk.
 */
export type Transact = <T>(work: () => T) => Promise<T>

interface Job {
  run(): void
  /** Tells whoever waits for it, once it is on disk. */
  tell(): void
  fail(error: unknown): void
}

export function transactor(environment: Environment): Transact {
  const waiting: Job[] = []
  /** When the present go is over; undefined between two of them. */
  let end: number | undefined

  return (work) =>
    new Promise((resolve, reject) => {
      let tell = (): void => undefined
      waiting.push({
        run() {
          try {
            const result = work()
            tell = () => resolve(result)
          } catch (error) {
            tell = () => reject(error)
          }
        },
        tell: () => tell(),
        fail: reject,
      })
      void carryOut()
    })

  /** Carries out one job: the one that has waited longest. */
  async function carryOut(): Promise<void> {
    for (;;) {
      let job: Job | undefined
      try {
        await environment.transaction(() => {
          if (isOver()) return
          job = waiting.shift()
          job?.run()
        })
        if (!job) continue
        return job.tell()
      } catch (error) {
        if (job) return job.fail(error)
      }
    }
  }

  function isOver(): boolean {
    const now = performance.now()
    if (end !== undefined) return now >= end
    end = now + TRANSACTION_MS
    // All of one go runs back to back, and this when it has ended.
    queueMicrotask(() => {
      end = undefined
    })
    return false
  }
}
