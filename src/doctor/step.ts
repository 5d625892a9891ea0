/** What a step of the examination is. */

import type { Area, Habit } from './identity-providers.ts'
import type { Visit } from './visit.ts'

export interface Step {
  /** What holds when the step has gone well. */
  readonly title: string
  /** The step is for identity providers with one of these habits; without them, for all. */
  readonly habits?: readonly Habit[]
  /** What has to be there: names under which earlier steps noted what they made. */
  readonly needs?: readonly string[]
  /** Where the identity provider shows that it failed. */
  readonly area: Area
  /** What its administrator does when it failed, whatever server it is. */
  readonly cure: string
  /** What does it where the server is scimd; TENANT stands for the tenant that is examined. */
  readonly scimd?: string
  /** Nothing after it can succeed when it failed. */
  readonly isVital?: boolean
  /** Looks, and throws a Fault. */
  run(visit: Visit): Promise<void>
}

/** What an administrator does about a server that does not do what it should. */
export const askMaker = (what: string): string =>
  `look whether a proxy in front changes the answer; otherwise ask the maker of the server to ${what}`

/** What of scimd's own settings makes it take what the step sends. */
export const tolerance = (name: string): string =>
  `scimd tenant set TENANT tolerances.${name} on, and start the server anew`

/** The PATCH body of some operations. RFC 7644 section 3.5.2. */
export const patchOf = (...operations: readonly object[]): object => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: operations,
})
