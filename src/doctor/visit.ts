/** Turns an address and a token into a visit: requests, what they made, and its removal. */

import type { Answer, Json } from './answer.ts'
import type { Habit } from './identity-providers.ts'

/** No identity provider waits longer. */
const TIMEOUT_MS = 60_000

/** Thrown by the next request when the visit is broken off. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

/** What the server has said of itself so far. */
export interface Served {
  isScimd: boolean
  types: readonly Json[]
  schemas: readonly Json[]
}

export interface Ask {
  /** Another token than that of the visit; null for none. */
  readonly token?: string | null
}

/** One examination of one server. Steps note in it what later steps need. */
export interface Visit {
  readonly url: URL
  /** A name that nothing on the server has. */
  readonly name: string
  readonly habits: ReadonlySet<Habit>
  readonly server: Served
  /** Authorities that are believed beside those of the system, as PEM. */
  readonly authorities: readonly string[] | undefined
  /** Milliseconds since 1970. */
  now(): number
  ask(method: string, path: string, body?: object, ask?: Ask): Promise<Answer>
  /** What can be lived with. */
  warn(found: string, cure: string): void
  /** Every answer so far. */
  readonly answers: readonly Answer[]
  /** Ids by the names that steps give to what they made. */
  readonly made: Map<string, string>
}

export interface VisitOptions {
  /** The base URL; a query in it goes with each request, as Entra ID's flags do. */
  readonly url: string
  readonly token: string
  readonly authorities: readonly string[] | undefined
  /** Whether it is known to be scimd before it is asked. */
  readonly isScimd: boolean
  readonly habits: ReadonlySet<Habit>
  readonly now: () => number
  /** Ends the visit before its next request. */
  readonly signal: AbortSignal
  readonly warn: (found: string, cure: string) => void
}

export function visitTo(options: VisitOptions): Visit {
  const { url, token, authorities, isScimd, habits, now, signal, warn } = options
  const answers: Answer[] = []
  return {
    url: new URL(url),
    name: `scimd-doctor-${crypto.randomUUID().slice(0, 13)}`,
    habits,
    server: { isScimd, types: [], schemas: [] },
    authorities,
    now,
    warn,
    answers,
    made: new Map(),
    async ask(method, path, body, options = {}) {
      if (signal.aborted) throw new Interrupted('the examination was broken off')
      const bearer = options.token === undefined ? token : options.token
      const answer = await send({ base: new URL(url), authorities }, bearer, method, path, body)
      answers.push(answer)
      return answer
    },
  }
}

interface Destination {
  readonly base: URL
  readonly authorities: readonly string[] | undefined
}

async function send(
  { base, authorities }: Destination,
  token: string | null,
  method: string,
  path: string,
  body: object | undefined,
): Promise<Answer> {
  const query = base.search.slice(1)
  const address = `${base.origin}${base.pathname.replace(/\/+$/, '')}${path}`
  const whole = query === '' ? address : `${address}${path.includes('?') ? '&' : '?'}${query}`
  const began = performance.now()
  const response = await fetch(whole, {
    method,
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: {
      Accept: 'application/scim+json',
      'User-Agent': 'scimd doctor',
      ...(token !== null && { Authorization: `Bearer ${token}` }),
      ...(body && { 'Content-Type': 'application/scim+json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
    ...(authorities && { tls: { ca: [...authorities] } }),
  })
  const text = await response.text()
  const { status, headers } = response
  const ms = performance.now() - began
  return { method, path, status, headers, text, body: parsed(text), ms }
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The query that finds a value: `?filter=userName eq "…"`. */
export const filterOf = (attribute: string, value: string): string =>
  `?filter=${encodeURIComponent(`${attribute} eq "${value}"`)}`

/**
 * Deletes what the visit made, known or not: a request that was given up may have made something.
 * Only what bears the visit's own name is touched, whatever a filter finds.
 *
 * @returns what is left over, by its path
 */
export async function cleanUp(
  { name, made, authorities }: Visit,
  token: string,
  url: string,
): Promise<string[]> {
  const to = { base: new URL(url), authorities }
  const left: string[] = []
  const remove = async (path: string) => {
    const answer = await send(to, token, 'DELETE', path, undefined).catch(() => undefined)
    if (!answer || ![200, 202, 204, 404].includes(answer.status)) left.push(path)
  }
  // Groups first, so that no deletion of a user has to look for them.
  const paths = [...made].map(([key, id]) => `${endpointOf(key)}/${encodeURIComponent(id)}`)
  for (const path of paths.toSorted()) await remove(path)
  for (const key of ['group', 'user', 'second', 'third']) {
    const attribute = endpointOf(key) === '/Groups' ? 'displayName' : 'userName'
    const wanted = nameOf({ name }, key).toLowerCase()
    const query = filterOf(attribute, nameOf({ name }, key))
    const path = `${endpointOf(key)}${query}`
    const answer = await send(to, token, 'GET', path, undefined).catch(() => undefined)
    const found: Json[] = Array.isArray(answer?.body?.Resources) ? answer.body.Resources : []
    for (const resource of found) {
      if (String(resource[attribute]).toLowerCase() !== wanted) continue
      const own = `${endpointOf(key)}/${encodeURIComponent(resource.id)}`
      if (!paths.includes(own)) await remove(own)
    }
  }
  return left
}

const endpointOf = (key: string): string => (key === 'group' ? '/Groups' : '/Users')

/** The userName or displayName of what a step makes under this key. */
export const nameOf = ({ name }: Pick<Visit, 'name'>, key: string): string =>
  key === 'group' ? name : `${name}-${key}@doctor.example`
