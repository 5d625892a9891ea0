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
