/** Limits how often something is done under a key: token buckets, bounded in number. */

import { isIPv6 } from 'node:net'
import { ScimError } from '../scim/error.ts'

export interface Rate {
  /** What comes back in a second. */
  readonly perSecond: number
  /** What may be taken at once. */
  readonly burst: number
  /** Keys that are remembered; the one that was used least recently is forgotten first. */
  readonly keysMax: number
}

export interface Limiter {
  /** Takes one: 0, or the whole seconds after which there is one again. */
  take(key: string): number
  /** Gives one back. */
  giveBack(key: string): void
}

/** One, but for what the sums of fractions lose. */
const WHOLE = 1 - 1e-9

interface Bucket {
  left: number
  /** When `left` was right, in milliseconds since 1970. */
  at: number
}

/** A bucket for each key, full when the key is first seen. */
export function limiter({ perSecond, burst, keysMax }: Rate, now: () => number): Limiter {
  // In the order of their last use.
  const buckets = new Map<string, Bucket>()
  const bucketOf = (key: string): Bucket => {
    const time = now()
    const bucket = buckets.get(key) ?? { left: burst, at: time }
    const gained = (Math.max(0, time - bucket.at) / 1000) * perSecond
    bucket.left = Math.min(burst, bucket.left + gained)
    bucket.at = time
    buckets.delete(key)
    buckets.set(key, bucket)
    if (buckets.size > keysMax) buckets.delete(buckets.keys().next().value as string)
    return bucket
  }
  return {
    take(key) {
      const bucket = bucketOf(key)
      if (bucket.left < WHOLE) return Math.max(1, Math.ceil((1 - bucket.left) / perSecond))
      bucket.left -= 1
      return 0
    },
    giveBack(key) {
      const bucket = bucketOf(key)
      bucket.left = Math.min(burst, bucket.left + 1)
    },
  }
}

/** @throws ScimError 429 with Retry-After in whole seconds when none is left; RFC 6585 section 4 */
export function requireRate(limit: Limiter, key: string, what: string): void {
  const seconds = limit.take(key)
  if (seconds === 0) return
  throw ScimError.status(429, `too many ${what}; try again in ${seconds} s`, {
    'Retry-After': String(seconds),
  })
}

/**
 * Whose an address is, for a rate: of IPv6 everybody has a whole /64, so that counts as one; an
 * IPv4 address that is written as one of IPv6 is the IPv4 address.
 */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+(?:\.\d+){3})$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!isIPv6(address)) return address
  const [front = [], back] = address.replace(/%.*$/, '').split('::').map(groupsOf)
  const missing = back ? 8 - front.length - back.length : 0
  const groups = [...front, ...new Array<string>(missing).fill('0'), ...(back ?? [])]
  return `${groups.slice(0, 4).join(':')}::/64`
}

/** Groups without leading zeros; an IPv4 address at the end stands for two of them. */
const groupsOf = (text: string): string[] =>
  text
    .split(':')
    .filter((group) => group !== '')
    .flatMap((group) =>
      group.includes('.') ? ['0', '0'] : [Number.parseInt(group, 16).toString(16)],
    )
