/**
 * Bounds the memory that answers take, of all requests together: how many large ones are made at
 * the same time, and how much of those that are being sent waits to be read.
 *
 * A small answer asks for nothing here, and so waits for nobody.
 */

import { ScimError } from '../scim/error.ts'
import {
  ANSWER_STALL_MS,
  ANSWER_WAIT_MS,
  ANSWERS_BYTES_MAX,
  ANSWERS_MADE_MAX,
  ANSWERS_WAITING_MAX,
} from '../scim/limits.ts'
import { Abandoned } from '../store/slices.ts'

/** How much answers may take; tests take less. */
export interface AnswerLimits {
  /** Large answers that are made at the same time. */
  readonly madeMax: number
  /** Bytes of the answers that are being sent. */
  readonly bytesMax: number
  /** Requests that wait for either, half of them of one credential. */
  readonly waitingMax: number
  /** How long one of them waits. */
  readonly waitMs: number
  /** How long a client may leave what was sent unread. */
  readonly stallMs: number
}

export const ANSWER_LIMITS: AnswerLimits = {
  madeMax: ANSWERS_MADE_MAX,
  bytesMax: ANSWERS_BYTES_MAX,
  waitingMax: ANSWERS_WAITING_MAX,
  waitMs: ANSWER_WAIT_MS,
  stallMs: ANSWER_STALL_MS,
}

/** What one answer takes of the memory. */
export interface AnswerShare {
  /**
   * Waits until this is one of the large answers that are made, in order of arrival, and has room
   * for so many bytes. Undefined when there is nothing to wait for.
   *
   * @throws ScimError 503 with Retry-After when too many wait, or it has waited too long
   * @throws Abandoned when its client has gone
   */
  turn(bytes?: number): Promise<void> | undefined
  /**
   * Waits for room for so many bytes in all. What was written has to be told: its answer takes
   * room even where there is none.
   *
   * @throws as turn
   */
  room(bytes: number, isWritten: boolean): Promise<void> | undefined
  /** The answer goes on as it is read, and gives its room back by the result. */
  stream(): () => void
  /** The answer is made; unless it goes on as a stream, its room is free. */
  made(): void
}

export interface Answers {
  readonly limits: AnswerLimits
  /** For one request of a credential. The signal is asked for when it has to wait. */
  share(credential: string, request: { readonly signal: AbortSignal }): AnswerShare
}

interface Waiting {
  readonly credential: string
  readonly turns: 0 | 1
  readonly bytes: number
  admit(): void
}

/** What is taken, by all or by one credential. */
interface Taken {
  turns: number
  bytes: number
}

/**
 * One credential takes at most half, so that there is something left for others; but for an answer
 * that nothing else is beside, however large it is.
 */
const SHARES = 2

export function answersWithin(limits: AnswerLimits): Answers {
  const all: Taken = { turns: 0, bytes: 0 }
  const byCredential = new Map<string, Taken>()
  /** The longest waiting first. */
  const waiting = new Set<Waiting>()
  const waitingBy = new Map<string, number>()
  const isQueueFull = (credential: string): boolean =>
    waiting.size >= limits.waitingMax ||
    (waitingBy.get(credential) ?? 0) >= Math.ceil(limits.waitingMax / SHARES)
  const countWaiting = (credential: string, more: 1 | -1): void => {
    const count = (waitingBy.get(credential) ?? 0) + more
    if (count === 0) waitingBy.delete(credential)
    else waitingBy.set(credential, count)
  }

  const fits = (taken: Taken, most: Taken, { turns, bytes }: Taken): boolean =>
    (turns === 0 || taken.turns + turns <= most.turns) &&
    (bytes === 0 || taken.bytes === 0 || taken.bytes + bytes <= most.bytes)
  const most = { turns: limits.madeMax, bytes: limits.bytesMax }
  const mostOfOne = {
    turns: Math.ceil(most.turns / SHARES),
    bytes: Math.ceil(most.bytes / SHARES),
  }

  function add(credential: string, turns: number, bytes: number): void {
    const taken = byCredential.get(credential) ?? { turns: 0, bytes: 0 }
    for (const one of [all, taken]) {
      one.turns += turns
      one.bytes += bytes
    }
    if (taken.turns === 0 && taken.bytes === 0) byCredential.delete(credential)
    else byCredential.set(credential, taken)
  }

  function giveBack(credential: string, turns: number, bytes: number): void {
    if (turns === 0 && bytes === 0) return
    add(credential, -turns, -bytes)
    admitWaiting()
  }

  /** Nobody is passed by who came later, but for those whose credential has had its share. */
  function admitWaiting(): void {
    const passed: Taken = { turns: 0, bytes: 0 }
    for (const one of waiting) {
      if (passed.turns > 0 && passed.bytes > 0) return
      if (!fits(byCredential.get(one.credential) ?? NOTHING, mostOfOne, one)) continue
      const isPassing = (one.turns > 0 && passed.turns > 0) || (one.bytes > 0 && passed.bytes > 0)
      if (isPassing || !fits(all, most, one)) {
        passed.turns += one.turns
        passed.bytes += one.bytes
        continue
      }
      waiting.delete(one)
      add(one.credential, one.turns, one.bytes)
      one.admit()
    }
  }

  /** Whether who comes now would have to stand behind somebody. */
  const hasWaiting = (credential: string, { turns, bytes }: Taken): boolean => {
    for (const one of waiting) {
      const isSame = (turns > 0 && one.turns > 0) || (bytes > 0 && one.bytes > 0)
      const isWithinShare = fits(byCredential.get(one.credential) ?? NOTHING, mostOfOne, one)
      if (isSame && (isWithinShare || one.credential === credential)) return true
    }
    return false
  }

  function take(
    credential: string,
    turns: 0 | 1,
    bytes: number,
    signalOf: () => AbortSignal,
  ): Promise<void> | undefined {
    const wanted = { turns, bytes }
    const own = byCredential.get(credential) ?? NOTHING
    const isFree = fits(all, most, wanted) && fits(own, mostOfOne, wanted)
    if (isFree && (waiting.size === 0 || !hasWaiting(credential, wanted))) {
      add(credential, turns, bytes)
      return undefined
    }
    if (isQueueFull(credential)) {
      throw busy(`${waitingBy.get(credential) ?? 0} requests wait for their answers already`)
    }
    return new Promise((resolve, reject) => {
      const signal = signalOf()
      let isQueued = false
      const end = (): void => {
        if (isQueued) countWaiting(credential, -1)
        isQueued = false
        waiting.delete(one)
        clearTimeout(timer)
        signal.removeEventListener('abort', gone)
      }
      const one: Waiting = {
        credential,
        turns,
        bytes,
        admit() {
          end()
          resolve()
        },
      }
      const gone = (): void => {
        end()
        reject(new Abandoned('the client has gone'))
        admitWaiting()
      }
      const timer = setTimeout(() => {
        end()
        reject(busy(`other answers have taken the memory for ${limits.waitMs} ms`))
        admitWaiting()
      }, limits.waitMs)
      if (signal.aborted) return gone()
      signal.addEventListener('abort', gone)
      waiting.add(one)
      isQueued = true
      countWaiting(credential, 1)
    })
  }

  return {
    limits,
    share(credential, request) {
      let turns: 0 | 1 = 0
      let bytes = 0
      let isMade = false
      let isStream = false
      const grow = (more: 0 | 1, total: number): Promise<void> | undefined => {
        const beyond = Math.max(0, total - bytes)
        if (isMade || (more === 0 && beyond === 0)) return undefined
        const waited = take(credential, more, beyond, () => request.signal)
        const taken = (): void => {
          if (more === 1) turns = 1
          bytes += beyond
        }
        if (waited !== undefined) return waited.then(taken)
        taken()
        return undefined
      }
      const release = (): void => {
        const last = bytes
        bytes = 0
        giveBack(credential, 0, last)
      }
      return {
        turn: (total = 0) => grow(turns === 1 ? 0 : 1, total),
        room(total, isWritten) {
          if (!isWritten) return grow(0, total)
          const beyond = Math.max(0, total - bytes)
          bytes += beyond
          add(credential, 0, beyond)
          return undefined
        },
        stream() {
          isStream = true
          return release
        },
        made() {
          isMade = true
          giveBack(credential, turns, 0)
          turns = 0
          if (!isStream) release()
        },
      }
    },
  }
}

const NOTHING: Taken = { turns: 0, bytes: 0 }

const busy = (why: string): ScimError =>
  ScimError.status(503, `${why}; send this one again later`, { 'Retry-After': '5' })
