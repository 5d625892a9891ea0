/**
 * Keeps a server that has run out of file descriptors from spinning: Bun tries to accept what it
 * cannot, over and over, as long as the listener is open.
 */

import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import type { Log } from './log.ts'
import { DESCRIPTORS_LOOK_MS, DESCRIPTORS_RESERVE } from './scim/limits.ts'

/** Where connections come in. */
export interface Gate {
  /** Closes connections that wait for a next request. */
  closeIdle(): void
  /** Takes no connections any more; those that are there go on. */
  shut(): void
  /** Takes connections again. @throws when the address cannot be listened on */
  open(): void
}

/**
 * Looks regularly whether there is a descriptor left. Where there is none, connections that wait
 * for a next request are closed, and where that frees nothing, the gate is shut until there is one
 * for a connection. A reserve that no connection can take is given to files meanwhile.
 *
 * @returns what ends the watch
 */
export function watchDescriptors(gate: Gate, log: Log): () => void {
  let isOpen = true
  let reserve = take(DESCRIPTORS_RESERVE)
  const giveUp = (): void => {
    release(reserve)
    reserve = []
    gate.shut()
    isOpen = false
    log('error', 'out of file descriptors: new connections are refused until one is free', {
      cure: 'raise ulimit -n, or LimitNOFILE of the service',
    })
  }
  const goOn = (): void => {
    // One more is for the listener, and one for a connection.
    const free = take(DESCRIPTORS_RESERVE + 2)
    reserve = free.splice(2)
    release(free)
    if (reserve.length < DESCRIPTORS_RESERVE) return release(reserve.splice(0))
    try {
      gate.open()
      isOpen = true
      log('info', 'there are file descriptors again, and connections are taken')
    } catch (error) {
      release(reserve.splice(0))
      log('error', 'connections cannot be taken again yet', { error: String(error) })
    }
  }
  const look = (): void => {
    if (!isOpen) return goOn()
    if (isAnyLeft()) return
    gate.closeIdle()
    if (isAnyLeft()) log('warn', 'out of file descriptors: idle connections were closed')
    else giveUp()
  }
  const timer = setInterval(look, DESCRIPTORS_LOOK_MS)
  timer.unref()
  return () => {
    clearInterval(timer)
    release(reserve.splice(0))
  }
}

function isAnyLeft(): boolean {
  const taken = take(1)
  release(taken)
  return taken.length > 0
}

/** As many descriptors as there are, up to a count. */
function take(count: number): number[] {
  const taken: number[] = []
  while (taken.length < count) {
    try {
      taken.push(openSync(devNull, 'r'))
    } catch (error) {
      const { code } = error as { code?: string }
      if (code === 'EMFILE' || code === 'ENFILE') return taken
      throw error
    }
  }
  return taken
}

function release(descriptors: readonly number[]): void {
  for (const descriptor of descriptors) closeSync(descriptor)
}
