/** Plays what identity providers do against a server, and tells what they would say to it. */

import { Fault } from './answer.ts'
import { connectionFault } from './connection.ts'
import { CONNECTION_STEPS } from './connection-steps.ts'
import { GROUP_STEPS } from './group-steps.ts'
import {
  type Habit,
  IDENTITY_PROVIDERS,
  type IdentityProvider,
  type IdentityProviderName,
} from './identity-providers.ts'
import type { Step } from './step.ts'
import { DELETION_STEPS, USER_STEPS } from './user-steps.ts'
import { cleanUp, Interrupted, type Visit, visitTo } from './visit.ts'

/** What came out of one step. */
export interface Check {
  readonly check: string
  readonly outcome: 'ok' | 'warn' | 'fail' | 'skip'
  readonly found?: string
  readonly cure?: string
  /** What each identity provider shows its administrator, by its title. */
  readonly shows?: Readonly<Record<string, string>>
}

export interface Examination {
  /** The base URL of the server. */
  readonly url: string
  readonly token: string
  /** Authorities that are believed beside those of the system, as PEM. */
  readonly authorities?: readonly string[] | undefined
  /** Whether the server is known to be scimd. */
  readonly isScimd?: boolean
  /** For whom; each of them is played. */
  readonly providers: readonly IdentityProviderName[]
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Breaks the examination off; what it made is deleted all the same. */
  readonly signal: AbortSignal
}

/** Answers that take their time: one check over all that were asked for. */
function speedStep(providers: readonly IdentityProvider[]): Step {
  const slowMs = Math.min(...providers.map((provider) => provider.slowMs))
  const slowGroupsMs = Math.min(...providers.map((provider) => provider.slowGroupsMs))
  const cure = 'look for what slows the server or the way to it down, and examine it again'
  return {
    title: 'answers are quick enough',
    area: 'connect',
    cure,
    async run({ answers, warn }) {
      for (const { method, path, ms } of answers) {
        const limit = method === 'GET' && path.startsWith('/Groups?') ? slowGroupsMs : slowMs
        if (ms <= limit) continue
        return warn(`${method} ${path}: took ${Math.round(ms)} ms, expected ${limit}`, cure)
      }
    },
  }
}

const STEPS = [...CONNECTION_STEPS, ...USER_STEPS, ...GROUP_STEPS, ...DELETION_STEPS]

/** Yields each check as it is made; the last one says whether anything was left behind. */
export async function* examine(examination: Examination): AsyncGenerator<Check> {
  const { url, token, authorities, isScimd = false, now, signal } = examination
  const providers: readonly IdentityProvider[] = examination.providers.map(
    (name) => IDENTITY_PROVIDERS[name],
  )
  const habits = new Set<Habit>(providers.flatMap((provider) => provider.habits))
  const warnings: { found: string; cure: string }[] = []
  const warn = (found: string, cure: string) => void warnings.push({ found, cure })
  const visit = visitTo({ url, token, authorities, isScimd, habits, now, signal, warn })
  let isMaking = false
  try {
    for (const step of [...STEPS, speedStep(providers)]) {
      if (signal.aborted) return
      if (step.habits && !step.habits.some((habit) => habits.has(habit))) continue
      const missing = step.needs?.find((key) => !visit.made.has(key))
      if (missing !== undefined) {
        yield { check: step.title, outcome: 'skip', found: `there is no ${missing} to try it with` }
        continue
      }
      isMaking ||= !CONNECTION_STEPS.includes(step)
      const fault = await faultOf(step, visit)
      if (signal.aborted) return
      if (fault) {
        yield {
          check: step.title,
          outcome: 'fail',
          found: fault.message,
          cure: fault.cure ?? cureOf(step, visit),
          shows: shownBy(providers, step),
        }
        if (step.isVital) return
      } else if (warnings.length === 0) {
        yield { check: step.title, outcome: 'ok' }
      }
      for (const warning of warnings.splice(0))
        yield { check: step.title, outcome: 'warn', ...warning }
    }
  } finally {
    if (isMaking) yield* leftBy(visit, token, url)
  }
}

async function* leftBy(visit: Visit, token: string, url: string): AsyncGenerator<Check> {
  const left = await cleanUp(visit, token, url)
  const check = 'what was made for this examination is deleted'
  if (left.length === 0) yield { check, outcome: 'ok' }
  else
    yield { check, outcome: 'warn', found: `left: ${left.join(', ')}`, cure: 'delete it by hand' }
}

async function faultOf(step: Step, visit: Visit): Promise<Fault | undefined> {
  try {
    await step.run(visit)
    return undefined
  } catch (error) {
    if (error instanceof Fault) return error
    if (error instanceof Interrupted) return new Fault(error.message)
    return connectionFault(error, visit.url)
  }
}

/** In terms of scimd where the server is that. */
function cureOf({ cure, scimd }: Step, { server, url }: Visit): string {
  if (!server.isScimd || scimd === undefined) return cure
  const tenant = /^\/t\/([a-z0-9-]+)\//.exec(url.pathname)?.[1] ?? 'default'
  return scimd.replaceAll('TENANT', () => tenant)
}

const shownBy = (
  providers: readonly IdentityProvider[],
  { area, habits }: Step,
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    providers
      .filter((provider) => !habits || habits.some((habit) => provider.habits.includes(habit)))
      .map(({ title, shows }) => [title, shows[area]]),
  )
