/** Writes one JSON object per line to standard error: what the administrator reads at night. */

export type Level = 'info' | 'warn' | 'error'

/** Facts of a log line. Secrets and personal data have no place here. */
export type Facts = Readonly<Record<string, string | number | boolean | undefined>>

export type Log = (level: Level, message: string, facts?: Facts) => void

/** A log that writes lines such as `{"time":"…","level":"error","message":"…","requestId":"…"}`. */
export const logTo =
  (write: (line: string) => void, now: () => number): Log =>
  (level, message, facts = {}) =>
    write(`${JSON.stringify({ time: new Date(now()).toISOString(), level, message, ...facts })}\n`)

/** How long a message that was told is not told again, and how many of them are remembered. */
const REPEAT_MS = 10_000
const MESSAGES_MAX = 100

/**
 * A log for what may happen with every request, such as a full disk: a message is told once in ten
 * seconds, and then how often it came meanwhile.
 */
export function sparing(log: Log, now: () => number): Log {
  const told = new Map<string, { readonly until: number; repeated: number }>()
  return (level, message, facts = {}) => {
    const last = told.get(message)
    if (last && now() < last.until) {
      last.repeated++
      return
    }
    if (told.size >= MESSAGES_MAX) told.clear()
    told.set(message, { until: now() + REPEAT_MS, repeated: 0 })
    log(level, message, last?.repeated ? { ...facts, repeated: last.repeated } : facts)
  }
}
