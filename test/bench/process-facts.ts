/** Reads from /proc what a process has used. Linux alone tells. */

import { readFileSync } from 'node:fs'

/** /proc counts in hundredths of a second, on every machine that has it. */
const TICK_MICROS = 10_000
const KIB_PER_MIB = 1024
const WATCH_MS = 20

/** Processor time that a process has used: user and system, all threads. */
export function cpuMicrosOf(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS
}

/** Memory of a process, in MiB. */
export interface Memory {
  /** What is its own: heap and the like. What maps a file is not in it, as it can be let go. */
  readonly anonymous: number
  /** The most that was ever resident, pages of mapped files included. */
  readonly residentMost: number
}

/** Undefined where nothing tells. */
export function memoryOf(pid: number): Memory | undefined {
  if (process.platform !== 'linux') return undefined
  return memoryIn(readFileSync(`/proc/${pid}/status`, 'latin1'))
}

/** What the text of /proc/PID/status says. */
export function memoryIn(status: string): Memory {
  const mib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) / KIB_PER_MIB
  return { anonymous: mib('RssAnon'), residentMost: mib('VmHWM') }
}

/** Looks at a process again and again; `end` gives the most that it had meanwhile. */
export function watchMemory(pid: number): { end(): Memory | undefined } {
  let most = memoryOf(pid)
  const look = () => {
    const now = memoryOf(pid)
    if (!now || !most) return
    most = {
      anonymous: Math.max(most.anonymous, now.anonymous),
      residentMost: Math.max(most.residentMost, now.residentMost),
    }
  }
  const timer = setInterval(look, WATCH_MS)
  return {
    end() {
      clearInterval(timer)
      look()
      return most
    },
  }
}
