/**
 * The form of the recorded conversations in test/replays, and what its parts mean: names that are
 * filled in, paths into an answer, and expectations of what is found there.
 */

export type Json = string | number | boolean | null | Json[] | { [name: string]: Json }
export type JsonRecord = { [name: string]: Json }

export interface Scenario {
  readonly name: string
  readonly client: string
  readonly headers?: JsonRecord
  readonly steps: readonly Step[]
  readonly cleanup?: readonly (ScenarioRequest & { readonly repeat?: number })[]
}

export interface ScenarioRequest {
  readonly method: string
  readonly path: string
  /** A header of null is one that the client does not send. */
  readonly headers?: JsonRecord
  readonly body?: Json
  readonly rawBody?: string
}

export interface Step {
  readonly title: string
  readonly request: ScenarioRequest
  /** How often it is sent; {{i}} counts from 1. */
  readonly repeat?: number
  /** Name → where its value is found: a path, or `header:NAME`. */
  readonly save?: Readonly<Record<string, string>>
  readonly expect?: Expectation
}

export interface Expectation {
  readonly status?: number | readonly number[]
  readonly headers?: JsonRecord
  readonly body?: JsonRecord
  readonly noBody?: boolean
  readonly why?: string
}

export const isRecord = (value: Json | undefined): value is JsonRecord =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Fills in names. A text that is one name alone takes the saved value with its type. */
export function fill<T extends Json | undefined>(value: T, lookUp: (name: string) => Json): T {
  const filled = (held: Json): Json => {
    if (typeof held === 'string') return fillText(held, lookUp)
    if (Array.isArray(held)) return held.map(filled)
    if (!isRecord(held)) return held
    return Object.fromEntries(
      Object.entries(held).map(([name, one]) => [String(fillText(name, lookUp)), filled(one)]),
    )
  }
  return (value === undefined ? undefined : filled(value)) as T
}

function fillText(text: string, lookUp: (name: string) => Json): Json {
  const alone = /^\{\{([^{}]+)\}\}$/.exec(text)?.[1]
  if (alone !== undefined) return lookUp(alone)
  return text.replace(/\{\{([^{}]+)\}\}/g, (_all, name: string) => {
    const value = lookUp(name)
    return typeof value === 'string' ? value : JSON.stringify(value)
  })
}

const SEGMENT =
  /\.([A-Za-z_$][\w$-]*)|\[(-?\d+)\]|\['([^']*)'\]|\["([^"]*)"\]|\[\?([^=\]]+)=([^\]]*)\]/y

/** What a path such as `$.emails[?type=work].value` or `$['urn:x'].a[-1]` leads to. */
export function valueAt(root: Json | undefined, path: string): Json | undefined {
  if (!path.startsWith('$')) throw new Error(`a path begins with $: ${path}`)
  let value = root
  for (let at = 1; at < path.length; ) {
    SEGMENT.lastIndex = at
    const found = SEGMENT.exec(path)
    if (!found) throw new Error(`cannot read ${path} from ${path.slice(at)}`)
    const [all, plain, index, single, double, field, wanted] = found
    const name = plain ?? single ?? double
    if (name !== undefined) value = isRecord(value) ? ownOf(value, name) : undefined
    else if (!Array.isArray(value)) value = undefined
    else if (index !== undefined) value = value.at(Number(index))
    else {
      value = value.find((one) => isRecord(one) && String(ownOf(one, field ?? '')) === wanted)
    }
    at += all.length
  }
  return value
}

const ownOf = (object: JsonRecord, name: string): Json | undefined =>
  Object.hasOwn(object, name) ? object[name] : undefined

type Test = (found: Json | undefined, wanted: Json) => boolean

const isNothing = (value: Json | undefined): boolean =>
  value === undefined || value === null || (Array.isArray(value) && value.length === 0)

const isEmpty = (value: Json | undefined): boolean =>
  isNothing(value) || value === '' || (isRecord(value) && Object.keys(value).length === 0)

const lengthOf = (value: Json | undefined): number =>
  typeof value === 'string' || Array.isArray(value) ? value.length : Number.NaN

const contains: Test = (found, wanted) =>
  Array.isArray(found)
    ? found.some((one) => includes(one, wanted))
    : typeof found === 'string' && found.includes(String(wanted))

/** What an object of expectations may ask. All that it asks has to hold. */
const TESTS: Readonly<Record<string, Test>> = {
  equals: (found, wanted) => Bun.deepEquals(found, wanted, true),
  ci: (found, wanted) =>
    typeof found === 'string' && found.toLowerCase() === String(wanted).toLowerCase(),
  oneOf: (found, wanted) =>
    Array.isArray(wanted) && wanted.some((one) => Bun.deepEquals(found, one, true)),
  type: (found, wanted) => typeOf(found, wanted),
  length: (found, wanted) => lengthOf(found) === wanted,
  minLength: (found, wanted) => lengthOf(found) >= Number(wanted),
  maxLength: (found, wanted) => lengthOf(found) <= Number(wanted),
  gte: (found, wanted) => typeof found === 'number' && found >= Number(wanted),
  lte: (found, wanted) => typeof found === 'number' && found <= Number(wanted),
  matches: (found, wanted) => typeof found === 'string' && new RegExp(String(wanted)).test(found),
  present: (found, wanted) => isNothing(found) !== wanted,
  absent: (found, wanted) => isNothing(found) === wanted,
  missing: (found, wanted) => (found === undefined) === wanted,
  empty: (found, wanted) => isEmpty(found) === wanted,
  contains,
  notContains: (found, wanted) =>
    (isNothing(found) || Array.isArray(found) || typeof found === 'string') &&
    !contains(found, wanted),
}

/** Notes beside the tests; `ifStatus` limits them to some statuses. */
const NOTES = new Set(['basis', 'why', 'ifStatus'])

const isMatcher = (value: Json): value is JsonRecord =>
  isRecord(value) &&
  Object.keys(value).length > 0 &&
  Object.keys(value).every((key) => Object.hasOwn(TESTS, key) || NOTES.has(key))

function typeOf(found: Json | undefined, wanted: Json): boolean {
  if (wanted === 'array') return Array.isArray(found)
  if (wanted === 'object') return isRecord(found)
  if (wanted === 'integer') return Number.isInteger(found)
  return wanted === 'null' ? found === null : typeof found === wanted
}

function includes(whole: Json, part: Json): boolean {
  if (!isRecord(whole) || !isRecord(part)) return Bun.deepEquals(whole, part, true)
  return Object.entries(part).every(
    ([name, held]) => Object.hasOwn(whole, name) && includes(whole[name] as Json, held),
  )
}

/** Whether an expectation speaks of answers with this status. */
export const isAsked = (expected: Json, status: number): boolean =>
  !isMatcher(expected) ||
  expected['ifStatus'] === undefined ||
  [expected['ifStatus']].flat().includes(status)

/** What differs from what is expected, or undefined. */
export function differenceOf(found: Json | undefined, expected: Json): string | undefined {
  const tests = isMatcher(expected) ? expected : { equals: expected }
  for (const [name, wanted] of Object.entries(tests)) {
    const holds = NOTES.has(name) || TESTS[name]?.(found, wanted)
    if (!holds) return `expected ${name} ${JSON.stringify(wanted)}, found ${JSON.stringify(found)}`
  }
  return undefined
}
