/** Tells in good time what is about to expire: tokens, secrets of clients, the certificate. */

import type { Log } from '../log.ts'
import { EXPIRIES_SHOWN_MAX, EXPIRY_LOOK_MS } from '../scim/limits.ts'
import type { Client, ClientSecret, ControlStore, Credential } from '../store/control.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/** How many days before the end it is told, the nearest first. */
const THRESHOLDS_DAYS = [1, 7, 30] as const

/** Something that is good until a time, in milliseconds since 1970. */
export interface Expiring {
  readonly kind: 'token' | 'client secret' | 'certificate'
  /** Of the credential, or of the certificate's file. */
  readonly name: string
  readonly expires: number
}

/** The same, with what its administrator has to know. */
interface Told extends Expiring {
  /** Tells it from all others, and from itself with another end. */
  readonly mark: string
  readonly facts: Readonly<Record<string, string>>
  readonly cure: string
}

export interface ExpiryWatch {
  /** What expires soonest, as of the last look; there is another one when that is long ago. */
  soonest(): readonly Expiring[]
  /** Looks, and tells what has not been told yet. */
  look(): Promise<void>
  stop(): Promise<void>
}

/** The whole days until then, rounded up; undefined where nothing has to be told of it. */
export function daysLeft(expires: number | undefined, now: number): number | undefined {
  return expires === undefined || thresholdOf(expires, now) === undefined
    ? undefined
    : Math.ceil((expires - now) / DAY_MS)
}

/** What a list shows of it. */
export function expiryWarning(expires: number | undefined, now: number): string | undefined {
  const days = daysLeft(expires, now)
  return days === undefined ? undefined : `expires in ${days === 1 ? 'a day' : `${days} days`}`
}

function thresholdOf(expires: number, now: number): number | undefined {
  const left = expires - now
  return left <= 0 ? undefined : THRESHOLDS_DAYS.find((days) => left <= days * DAY_MS)
}

/** Whether a credential or a secret is not good any more. */
export const isPast = ({ expires }: Pick<Credential | ClientSecret, 'expires'>, now: number) =>
  expires !== undefined && expires <= now

/** What has been replaced is good for a while only, as its administrator wanted it. */
export const isReplaced = ({ replacedBy }: Credential | ClientSecret): boolean =>
  replacedBy !== undefined

/**
 * Looks from time to time what expires, and logs it once 30, 7 and 1 days before: what has been
 * told is kept, so that neither the next look nor the next start tells it again.
 *
 * @param certificate the file of the server's certificate, and when that which is served ends
 */
export function expiryWatch(
  control: ControlStore,
  certificate: () => Expiring | undefined,
  log: Log,
  now: () => number,
): ExpiryWatch {
  let known: readonly Told[] = []
  let looked = Number.NEGATIVE_INFINITY
  let telling = Promise.resolve()

  const tell = async (time: number): Promise<void> => {
    const due = known.flatMap((one) => {
      const days = thresholdOf(one.expires, time)
      return days === undefined ? [] : [{ ...one, days }]
    })
    const fresh = new Set(await control.warned(due.map(({ mark, days }) => ({ mark, days }))))
    for (const { mark, kind, name, expires, facts, cure } of due) {
      if (!fresh.has(mark)) continue
      const end = new Date(expires).toISOString()
      const when = expiryWarning(expires, time)
      log('warn', `${kind} "${name}" ${when}: ${cure}`, { kind, name, expires: end, ...facts })
    }
  }

  const look = (): Promise<void> => {
    looked = now()
    const time = looked
    known = toldOf(control, certificate())
    // A full disk is told elsewhere; the next look tries again.
    telling = telling.then(() => tell(time)).catch(() => undefined)
    return telling
  }
  const timer = setInterval(look, EXPIRY_LOOK_MS)
  timer.unref()

  return {
    soonest() {
      if (now() - looked >= EXPIRY_LOOK_MS) void look()
      return known.slice(0, EXPIRIES_SHOWN_MAX)
    },
    look,
    stop() {
      clearInterval(timer)
      return telling
    },
  }
}

/** All that expires, the soonest first. */
function toldOf(control: ControlStore, certificate: Expiring | undefined): Told[] {
  const tokens = control.credentials().flatMap((one) => tokenTold(one) ?? [])
  const secrets = control
    .clients()
    .flatMap((client) => client.secrets.flatMap((secret) => secretTold(client, secret) ?? []))
  const own: Told[] = certificate
    ? [
        {
          ...certificate,
          mark: `certificate/${certificate.expires}`,
          facts: {},
          cure: 'renew it; a new file is served without a start',
        },
      ]
    : []
  return [...tokens, ...secrets, ...own].sort((a, b) => a.expires - b.expires)
}

function tokenTold(credential: Credential): Told | undefined {
  const { prefix, name, tenant, expires } = credential
  if (expires === undefined || isReplaced(credential)) return undefined
  const cure = `make another with scimd token rotate ${prefix}`
  const mark = `token/${prefix}/${expires}`
  return { kind: 'token', name, expires, mark, facts: { prefix, tenant }, cure }
}

function secretTold({ id, name, tenant }: Client, secret: ClientSecret): Told | undefined {
  const { prefix, expires } = secret
  if (expires === undefined || isReplaced(secret)) return undefined
  const cure = `make another with scimd client secret add ${id}`
  const mark = `secret/${prefix}/${expires}`
  return { kind: 'client secret', name, expires, mark, facts: { client: id, prefix, tenant }, cure }
}
