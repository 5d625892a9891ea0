/** Turns a duration of the command line, such as 30m, 12h or 180d, into milliseconds. */

import { UsageError } from './command.ts'

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** @param option the name of the option that it is given to, for the message. @throws UsageError */
export function readDuration(option: string, text: string): number {
  const match = /^([1-9]\d{0,5})([mhd])$/.exec(text)
  const unit = UNIT_MS[match?.[2] ?? '']
  if (match && unit !== undefined) return Number(match[1]) * unit
  throw new UsageError(`--${option} ${text}: expected a number and m, h or d, such as 180d`)
}
