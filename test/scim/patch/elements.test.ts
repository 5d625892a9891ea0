/**
 * What every verb makes of elements of whatever shape, held against a naive model: no request that
 * succeeds loses a value that was sent, or one that was stored and not spoken of.
 */

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { ScimError } from '../../../src/scim/error.ts'
import type { JsonValue } from '../../../src/scim/json.ts'
import { readDraft } from '../../../src/scim/resource.ts'
import { requireValid } from '../../../src/scim/validate.ts'
import { isJsonObject, type JsonObject } from '../../../src/scim/value.ts'
import {
  CHECKS,
  documentFor,
  INTEROP,
  patchBody,
  patched,
  SEED,
  USER,
  userTypeOf,
} from '../given.ts'

/** What an element means: a value of a type, no value said by name, a gap, or nothing known. */
type Meaning =
  | { readonly is: 'value'; readonly value: string; readonly type: string | undefined }
  | { readonly is: 'bare'; readonly type: string | undefined; readonly hasMore: boolean }
  | { readonly is: 'none' | 'gap' | 'nothing' }

const NOTHING: Meaning = { is: 'nothing' }

function meaningOf(element: JsonValue): Meaning {
  if (element === null || element === '') return { is: 'gap' }
  if (typeof element === 'string') return { is: 'value', value: element, type: undefined }
  if (!isJsonObject(element)) return NOTHING
  const { value, type, display, primary, email } = element
  const textOf = (held: JsonValue | undefined) =>
    typeof held === 'string' && held !== '' ? held : undefined
  if (typeof value === 'object' && value !== null) return NOTHING
  if (typeof value === 'string' && value !== '') return { is: 'value', value, type: textOf(type) }
  if (value !== undefined) return { is: 'none' }
  if (email !== undefined && email !== null) return NOTHING
  const hasMore = [display, primary].some((held) => (held ?? '') !== '')
  const isBare = hasMore || textOf(type) !== undefined
  return isBare ? { is: 'bare', type: textOf(type), hasMore } : NOTHING
}

const orAbsent = <T extends JsonValue>(...values: readonly T[]) =>
  fc.option(fc.constantFrom(...values), { nil: undefined, freq: 2 })

const anObject: fc.Arbitrary<JsonValue> = fc
  .record({
    value: orAbsent<JsonValue>('a', 'A', 'b', 'ß', 'SS', '', null, {}, ['a']),
    type: orAbsent('work', 'Work', 'home', '', null),
    display: orAbsent('D', '', null),
    primary: orAbsent<JsonValue>(false, 'False', '', null),
    email: orAbsent('e@x', null),
  })
  .map(
    (object) =>
      Object.fromEntries(
        Object.entries(object).filter(([, held]) => held !== undefined),
      ) as JsonObject,
  )

const anElement: fc.Arbitrary<JsonValue> = fc.oneof(
  { weight: 6, arbitrary: anObject },
  fc.constantFrom<JsonValue[]>('a', 'B', '', null, {}, [], ['a'], 7, true),
)

const aList: fc.Arbitrary<JsonValue> = fc.oneof(
  { weight: 6, arbitrary: fc.array(anElement, { maxLength: 4 }) },
  anElement,
)

/** Elements as they are stored, from few values, so that they meet. */
const stored = fc
  .uniqueArray(
    fc.record({
      value: fc.constantFrom('a', 'B', 'ß', 'z'),
      type: fc.constantFrom('work', 'home'),
    }),
    { minLength: 1, maxLength: 4, selector: ({ value, type }) => keyOf(value, type) },
  )
  .map((list) => list as JsonObject[])

const keyOf = (value: JsonValue | undefined, type: JsonValue | undefined): string =>
  `${String(value).toUpperCase()} ${String(type ?? '-').toUpperCase()}`

const keysOf = (list: readonly JsonObject[]): string[] =>
  [...new Set(list.map(({ value, type }) => keyOf(value, type)))].sort()

type Outcome = readonly string[] | 'refused'

/** What a list means: the keys of its values, or that it is refused. */
function listMeaning(raw: JsonValue): readonly Meaning[] | 'refused' {
  if (raw === null || raw === '') return []
  const meanings = (Array.isArray(raw) ? raw : [raw]).map(meaningOf)
  if (meanings.some(({ is }) => is === 'nothing')) return 'refused'
  if (meanings.length > 0 && meanings.every(({ is }) => is === 'gap')) return 'refused'
  return meanings
}

const keysIn = (meanings: readonly Meaning[]): string[] => [
  ...new Set(meanings.flatMap((one) => (one.is === 'value' ? [keyOf(one.value, one.type)] : []))),
]

type Verb = (held: readonly JsonObject[], raw: JsonValue) => Outcome

const MODEL: Record<string, Verb> = {
  POST: (_, raw) => {
    const meanings = listMeaning(raw)
    return meanings === 'refused' ? meanings : keysIn(meanings).sort()
  },
  add: (held, raw) => {
    const meanings = listMeaning(raw)
    if (meanings === 'refused') return meanings
    return [...new Set([...keysOf(held), ...keysIn(meanings)])].sort()
  },
  replace: (_, raw) => {
    const meanings = listMeaning(raw)
    if (meanings === 'refused') return meanings
    const keys = keysIn(meanings)
    if (keys.length === 0 && meanings.some(({ is }) => is === 'bare')) return 'refused'
    return keys.sort()
  },
  remove: (held, raw) => {
    const meanings = raw === null ? [] : listMeaning(raw)
    if (raw === null) return []
    if (meanings === 'refused') return meanings
    const isNamed = ({ value, type }: JsonObject) =>
      meanings.some((one) => {
        if (one.is !== 'value' && one.is !== 'bare') return false
        const isType = one.type === undefined || sameText(one.type, type)
        if (one.is === 'value') return isType && sameText(one.value, value)
        // Nothing that is stored has a display, or says that it is not primary.
        return isType && !one.hasMore
      })
    return keysOf(held.filter((element) => !isNamed(element)))
  },
  'replace where the type is work': (held, raw) => {
    if (Array.isArray(raw) && raw.length > 1) return 'refused'
    const isNone = raw === null || raw === '' || (Array.isArray(raw) && raw.length === 0)
    const others = held.filter(({ type }) => type !== 'work')
    if (isNone) return keysOf(others)
    const single = Array.isArray(raw) ? (raw[0] ?? null) : raw
    const one = single === '' ? ({ is: 'none' } as const) : meaningOf(single)
    if (typeof single === 'string' && single !== '') return 'refused'
    if (one.is === 'none') return keysOf(others)
    if (one.is !== 'value') return 'refused'
    const type = one.type ?? 'work'
    return [...new Set([...keysOf(others), keyOf(one.value, type)])].sort()
  },
}

const sameText = (left: JsonValue | undefined, right: JsonValue | undefined): boolean =>
  String(left).toUpperCase() === String(right).toUpperCase()

/** What the verb really leaves, as the keys of the values. */
function outcomeOf(verb: string, attribute: string, held: readonly JsonObject[], raw: JsonValue) {
  try {
    if (verb === 'POST') {
      const { document } = readDraft(
        userTypeOf,
        { schemas: [USER], userName: 'ann', [attribute]: raw },
        INTEROP,
      )
      requireValid(CHECKS, userTypeOf, document)
      return listIn(document, attribute)
    }
    const [op, ...where] = verb.split(' ')
    const path = where.length > 0 ? `${attribute}[type eq "work"]` : attribute
    const before = documentFor(userTypeOf, { userName: 'ann', [attribute]: [...held] })
    const operation = { op: op ?? '', path, value: raw }
    return listIn(patched(userTypeOf, before, patchBody(operation)).document, attribute)
  } catch (error) {
    if (!(error instanceof ScimError)) throw error
    expect(error.status).toBe(400)
    return 'refused'
  }
}

const listIn = (document: JsonObject, attribute: string): JsonObject[] =>
  (document[attribute] ?? []) as JsonObject[]

describe.each(Object.keys(MODEL))(`%s (SCIMD_SEED=${SEED})`, (verb) => {
  test.each(['emails', 'roles', 'ims'])(
    'loses no value of %s, and stores no shell',
    (attribute) => {
      let accepted = 0
      let refused = 0
      fc.assert(
        fc.property(stored, aList, (held, raw) => {
          // What a path makes that selects nothing is told elsewhere.
          if (verb.includes('where')) fc.pre(held.some(({ type }) => type === 'work'))
          const left = outcomeOf(verb, attribute, held, raw)
          const wanted = MODEL[verb]?.(held, raw)
          if (left === 'refused') {
            refused++
            expect(wanted).toBe('refused')
            return
          }
          accepted++
          for (const { value } of left) expect(value).toBeString()
          const keys = left.map(({ value, type }) => keyOf(value, type)).sort()
          expect(keys).toEqual(wanted as string[])
        }),
        { seed: SEED, numRuns: 1500 },
      )
      expect(accepted).toBeGreaterThan(100)
      expect(refused).toBeGreaterThan(100)
    },
  )
})
