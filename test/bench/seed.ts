/** What the store of blocks.ts holds before anything is measured. */

import type { JsonObject } from '../../src/scim/value.ts'

export const USER_URN = 'urn:ietf:params:scim:schemas:core:2.0:User'

/** What the watched server has seen of itself between `begin` and `end`. */
export interface Seen {
  /** The longest time between two ticks of its loop: includes what other processes took. */
  readonly wallMs: number
  /** The most processor time of its own thread between two ticks. */
  readonly cpuMs: number
  /** By how much its memory has grown at most. */
  readonly rssMiB: number
}

const USERS_COUNT = 100_000
const NESTED_COUNT = 50
/** Users that are in all of the NESTED_COUNT groups. */
const NESTING_COUNT = 1000
const POPULAR_GROUPS_COUNT = 5000
const POPULAR_COUNT = 3
const FULL_COUNT = 100
const BULKY_COUNT = 200

const numbered = (prefix: string, number: number): string =>
  `${prefix}${String(number).padStart(6, '0')}`

export const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index))

const userId = (number: number): string => numbered('user-', number)

/** Ids are their own userName and displayName. */
export const SEED = {
  /** More members than that are a commit of their own. */
  membersSmall: 100,
  userId,
  userIds: (count: number, from = 0): string[] => times(count, (index) => userId(from + index)),
  /** In POPULAR_GROUPS_COUNT groups each. */
  popularId: (number: number): string => numbered('popular-', number),
  /** With 1,000 emails. */
  fullId: (number: number): string => numbered('full-', number),
  bigGroup: 'big',
  otherGroup: 'other',

  *users(): Generator<readonly [string, JsonObject]> {
    for (let number = 0; number < USERS_COUNT; number++) {
      const text = String(number)
      const emails = [{ value: `${text}@example.com`, type: 'work', primary: true }]
      yield [userId(number), { displayName: `Ada ${text}`, title: `Title ${number % 977}`, emails }]
    }
    for (let number = 0; number < POPULAR_COUNT; number++) yield [SEED.popularId(number), {}]
    for (let number = 0; number < FULL_COUNT; number++) {
      const emails = times(1000, (index) => ({
        value: `${number}-${index}@example.com`,
        type: `type${index}`,
      }))
      yield [SEED.fullId(number), { emails }]
    }
    const addresses = times(14, (index) => ({ formatted: 'x'.repeat(65_000), type: `t${index}` }))
    for (let number = 0; number < BULKY_COUNT; number++) {
      yield [numbered('bulky-', number), { title: 'Bulky', addresses }]
    }
  },

  *groups(): Generator<readonly [string, readonly string[]]> {
    const members = SEED.userIds(NESTING_COUNT)
    for (let number = 0; number < NESTED_COUNT; number++) {
      yield [numbered('nesting-', number), members]
    }
    for (let number = 0; number < NESTED_COUNT; number++) {
      const below = number === 0 ? [] : [numbered('nested-', number - 1)]
      yield [numbered('nested-', number), [numbered('nesting-', number), ...below]]
    }
    const popular = times(POPULAR_COUNT, (number) => SEED.popularId(number))
    for (let number = 0; number < POPULAR_GROUPS_COUNT; number++) {
      yield [numbered('popular-group-', number), popular]
    }
    yield [SEED.bigGroup, SEED.userIds(USERS_COUNT)]
    yield [SEED.otherGroup, SEED.userIds(10, USERS_COUNT - 10)]
  },
} as const
