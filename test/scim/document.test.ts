/** That a document comes back from its text as it was, and that equal documents have equal text. */

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  displayOf,
  documentOf,
  filledText,
  hasMarks,
  referencesIn,
  textOf,
} from '../../src/scim/document.ts'
import type { JsonValue } from '../../src/scim/json.ts'
import { type Document, readDraft, rearrange } from '../../src/scim/resource.ts'
import { isJsonObject, type JsonObject } from '../../src/scim/value.ts'
import {
  bodyOf,
  documentFor,
  ENTERPRISE,
  groupTypeOf,
  INTEROP,
  SEED,
  storedDocument,
  TYPES,
  USER,
  userTypeOf,
  WIDGET,
  widgetTypeOf,
} from './given.ts'

const storedOf = (type: (typeof TYPES)[number], document: Document) =>
  textOf(type, 'id-1', document)

/** The same value with the members of its objects in another order. */
function shuffled(value: JsonValue, random: () => number): JsonValue {
  if (Array.isArray(value)) return value.map((element) => shuffled(element, random))
  if (!isJsonObject(value)) return value
  const entries = Object.entries(value).map(([name, held]) => ({
    name,
    held: shuffled(held, random),
    place: random(),
  }))
  entries.sort((left, right) => left.place - right.place)
  return Object.fromEntries(entries.map(({ name, held }) => [name, held]))
}

describe.each(TYPES.map((type) => [type.name, type] as const))(
  `%s (SCIMD_SEED=${SEED})`,
  (_, type) => {
    test('a document comes back from its text', () => {
      fc.assert(
        fc.property(storedDocument(type), (document) => {
          const { text, hidden } = storedOf(type, document)
          const back = documentOf(text, hidden)
          expect(back).toEqual(document)
          expect(JSON.stringify(rearrange(type, back))).toBe(JSON.stringify(document))
          expect(textOf(type, 'id-1', rearrange(type, back))).toEqual(
            textOf(type, 'id-1', document),
          )
        }),
        { seed: SEED, numRuns: 500 },
      )
    })

    test('arranging a document anew changes nothing more', () => {
      fc.assert(
        fc.property(storedDocument(type), fc.nat(), (document, salt) => {
          const text = JSON.stringify(document)
          expect(JSON.stringify(rearrange(type, document))).toBe(text)
          const other = shuffled(document, dice(salt)) as Document
          const once = rearrange(type, other)
          expect(JSON.stringify(rearrange(type, once))).toBe(JSON.stringify(once))
          expect(JSON.stringify(once)).toBe(text)
        }),
        { seed: SEED, numRuns: 500 },
      )
    })

    test('[R7643-2.3-12] the order of members makes no difference to what is stored', () => {
      fc.assert(
        fc.property(bodyOf(type), fc.nat(), (body, salt) => {
          const one = readDraft(type, body, INTEROP)
          const other = readDraft(type, shuffled(body, dice(salt)), INTEROP)
          expect(textOf(type, 'id-1', other.document)).toEqual(textOf(type, 'id-1', one.document))
          expect([...other.links.values()]).toEqual([...one.links.values()])
        }),
        { seed: SEED, numRuns: 500 },
      )
    })

    test('a PUT of what was read stores what is there', () => {
      fc.assert(
        fc.property(storedDocument(type), (document) => {
          const { text } = storedOf(type, document)
          const filled = filledText(text, (id) => ({
            location: `https://h/scim/v2/Users/${encodeURIComponent(id)}`,
            display: 'Someone',
          }))
          const read: JsonObject = {
            ...(JSON.parse(`${filled}}`) as JsonObject),
            groups: [{ value: 'g-1', $ref: '../Groups/g-1', type: 'direct', display: 'G' }],
            meta: { resourceType: type.name, version: 'W/"1"', location: 'https://h/x' },
          }
          const draft = readDraft(type, read, INTEROP)
          // What is never returned is not in what was read; the decision of a PUT keeps it.
          const { hush: _hush, password: _password, ...visible } = document
          expect(JSON.stringify(draft.document)).toBe(JSON.stringify(visible))
          expect(draft.links.size).toBe(0)
        }),
        { seed: SEED, numRuns: 500 },
      )
    })
  },
)

/** Numbers that depend on a salt alone. */
function dice(salt: number): () => number {
  let state = (salt % 2147483646) + 1
  return () => {
    state = (state * 48271) % 2147483647
    return state
  }
}

describe('the text of a document', () => {
  test('begins with schemas and id, and lacks its closing brace', () => {
    expect(textOf(userTypeOf, 'u"1', documentFor(userTypeOf, { userName: 'ann' }))).toEqual({
      text: `{"schemas":["${USER}"],"id":"u\\"1","userName":"ann"`,
      hidden: '',
    })
  })

  test('holds nothing of what is never returned', () => {
    const document = documentFor(userTypeOf, { userName: 'ann', password: 'secret' })
    const { text, hidden } = textOf(userTypeOf, 'u1', document)
    expect(text).not.toContain('secret')
    expect(JSON.parse(hidden)).toEqual({ password: 'secret' })
  })

  test('is the same for a document without marks as the answer to a GET', () => {
    const { text } = storedOf(userTypeOf, documentFor(userTypeOf, { userName: 'ann' }))
    expect(hasMarks(text)).toBe(false)
    expect(referencesIn(text)).toEqual([])
    expect(filledText(text, () => undefined)).toBe(text)
  })
})

describe('a reference to another resource', () => {
  const document = documentFor(userTypeOf, {
    userName: 'ann',
    [ENTERPRISE]: { manager: { value: 'm"\u0001\u00021' } },
  })
  const { text, hidden } = storedOf(userTypeOf, document)

  test('is marked, and its mark is filled when it is answered', () => {
    expect(hasMarks(text)).toBe(true)
    expect(referencesIn(text)).toEqual(['m"\u0001\u00021'])
    const filled = filledText(text, () => ({ location: 'https://h/Users/m', display: 'Mo "M"' }))
    expect(JSON.parse(`${filled}}`)[ENTERPRISE].manager).toEqual({
      value: 'm"\u0001\u00021',
      $ref: 'https://h/Users/m',
      displayName: 'Mo "M"',
    })
  })

  test('stays a bare value when it refers to nothing', () => {
    const filled = filledText(text, () => undefined)
    expect(JSON.parse(`${filled}}`)[ENTERPRISE].manager).toEqual({ value: 'm"\u0001\u00021' })
    expect(documentOf(text, hidden)).toEqual(document)
  })

  test('[R7643-2.4-05] is filled in each element of a multi-valued attribute', () => {
    const widget = documentFor(widgetTypeOf, {
      code: 'w',
      keepers: [{ value: 'u1', type: 'first' }, { value: 'u2' }],
    })
    const text = storedOf(widgetTypeOf, widget).text
    expect(referencesIn(text)).toEqual(['u1', 'u2'])
    const filled = filledText(text, (id) =>
      id === 'u1' ? { location: '/Users/u1', display: 'One' } : undefined,
    )
    expect(JSON.parse(`${filled}}`)).toEqual({
      schemas: [WIDGET],
      id: 'id-1',
      code: 'w',
      keepers: [{ value: 'u1', type: 'first', $ref: '/Users/u1', display: 'One' }, { value: 'u2' }],
    })
  })
})

describe('the name of a resource', () => {
  test.each([
    [
      'the first display path that has a value',
      { displayName: 'Ann', name: { formatted: 'A. A.' } },
      'Ann',
    ],
    ['the next one, where the first has none', { name: { formatted: 'A. A.' } }, 'A. A.'],
    ['the last one at the end', { name: { familyName: 'A.' } }, 'ann'],
  ])('is %s', (_, body, name) => {
    expect(displayOf(userTypeOf, documentFor(userTypeOf, { userName: 'ann', ...body }))).toBe(name)
  })

  test('is empty where no path has a value', () => {
    expect(displayOf(groupTypeOf, documentFor(groupTypeOf, {}))).toBe('')
  })
})
