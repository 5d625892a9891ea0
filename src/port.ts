/** Whether a port is ours alone, and when a listener of it is best given up for another one. */

import { existsSync, readFileSync } from 'node:fs'

/**
 * Calls back when the event loop has had nothing to do, or after a while. A listener that ends
 * resets the connections that it has not accepted yet, and at such a moment there are the fewest.
 */
export function whenQuiet(act: () => void): void {
  const begun = performance.now()
  let last = begun
  const look = (): void => {
    const now = performance.now()
    if (now - last < QUIET_MS || now - begun > QUIET_WAIT_MS) return act()
    last = now
    setImmediate(look)
  }
  setImmediate(look)
}

const QUIET_MS = 0.2
const QUIET_WAIT_MS = 1000

interface Address {
  readonly host: string
  readonly port: number
}

/**
 * Two listeners of one port, as a renewed certificate needs them for a moment, both have to say
 * that they share it; and whoever else says so would get a part of the requests. So it is first
 * seen whether the port is free for one that shares it with nobody.
 */
export function requireUnshared({ host: hostname, port }: Address): void {
  if (port === 0) return
  void Bun.serve({ hostname, port, reusePort: false, fetch: () => new Response() }).stop(true)
}

/** Whether two listeners have one address, as when two servers start in the same moment. */
export function isShared(port: number | undefined): boolean {
  const suffix = `:${(port ?? 0).toString(16).toUpperCase().padStart(4, '0')}`
  const seen = new Set<string>()
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    if (!existsSync(table)) continue
    for (const line of readFileSync(table, 'utf8').split('\n')) {
      const [, local = '', , state] = line.trim().split(/\s+/)
      if (state !== LISTENING || !local.endsWith(suffix)) continue
      if (seen.has(local)) return true
      seen.add(local)
    }
  }
  return false
}

/** TCP_LISTEN, as Linux writes it there. */
const LISTENING = '0A'
