/** That a fault in a resource is told with its path, what was found and what was expected. */

import { describe, expect, test } from 'bun:test'
import type { JsonValue } from '../../src/scim/json.ts'
import { STRING_LENGTH_MAX, UNIQUE_LENGTH_MAX } from '../../src/scim/limits.ts'
import { buildRegistry, type ResourceType } from '../../src/scim/registry.ts'
import { compileChecks, faultOf } from '../../src/scim/validate.ts'
import type { JsonObject } from '../../src/scim/value.ts'
import {
  attribute,
  CHECKS,
  DOTTED,
  documentFor,
  EXTRA,
  EXTRA_SCHEMA,
  USER,
  userTypeOf,
  WIDGET,
  WIDGET_SCHEMA,
  widgetTypeOf,
} from './given.ts'

const faultIn = (type: ResourceType, body: JsonObject): string | undefined =>
  faultOf(CHECKS, type, documentFor(type, body))
const inWidget = (body: JsonObject) => faultIn(widgetTypeOf, { code: 'w', ...body })

describe('a fault is told in the words of the schema', () => {
  test.each<[string, JsonObject, string]>([
    ['of a simple attribute', { note: 5 }, 'note: found the number 5, expected a string'],
    ['of each type: boolean', { flag: 'x' }, 'flag: found the string "x", expected true or false'],
    ['of each type: decimal', { ratio: 'x' }, 'ratio: found the string "x", expected a number'],
    [
      'of each type: integer',
      { count: 1.5 },
      'count: found the number 1.5, expected a whole number of at most 9007199254740991',
    ],
    [
      'of each type: dateTime',
      { moment: 'now' },
      'moment: found the string "now", expected a dateTime such as 2026-01-31T09:30:00Z',
    ],
    [
      'of each type: reference',
      { address: true },
      'address: found the boolean true, expected a URI as a string',
    ],
    [
      'of each type: binary',
      { blob: '*' },
      'blob: found the string "*", expected base64 as a string',
    ],
    [
      'of a sub-attribute',
      { box: { count: 'x' } },
      'box.count: found the string "x", expected a whole number of at most 9007199254740991',
    ],
    [
      'of an element, by its index',
      { parts: [{ value: 'a' }, { ratio: 'x' }, { blob: 1 }] },
      'parts[1].ratio: found the string "x", expected a number',
    ],
    ['of a simple element', { tags: ['a', 2] }, 'tags[1]: found the number 2, expected a string'],
    [
      'of a list in an element',
      { parts: [{ labels: ['a', 2] }] },
      'parts[0].labels[1]: found the number 2, expected a string',
    ],
    [
      'of an attribute of an extension, under its URN',
      { [EXTRA]: { mark: 'm', grade: 'x' } },
      `${EXTRA}:grade: found the string "x", expected a whole number of at most 9007199254740991`,
    ],
    [
      'of a sub-attribute there',
      { [EXTRA]: { mark: 'm', box: { count: 'x' } } },
      `${EXTRA}:box.count: found the string "x", expected a whole number of at most 9007199254740991`,
    ],
    [
      'of an element there, whose URN holds dots',
      { [DOTTED]: { tags: ['a', 1] } },
      `${DOTTED}:tags[1]: found the number 1, expected a string`,
    ],
    [
      'of something that is missing in an extension',
      { [EXTRA]: { grade: 1 } },
      `${EXTRA}:mark: found nothing, expected a string, as the attribute is required`,
    ],
    [
      'of something that is missing in an element',
      { plates: [{ text: 't' }, { size: 1 }] },
      'plates[1].text: found nothing, expected a string, as the attribute is required',
    ],
    [
      'of two primary elements',
      {
        parts: [
          { value: 'a', primary: true },
          { value: 'b', primary: true },
        ],
      },
      'parts: found 2 elements with primary true, expected at most one',
    ],
    [
      'of two primary elements in an extension',
      {
        [EXTRA]: {
          mark: 'm',
          parts: [
            { value: 'a', primary: true },
            { value: 'b', primary: true },
          ],
        },
      },
      `${EXTRA}:parts: found 2 elements with primary true, expected at most one`,
    ],
    ['of a secret without the secret', { hush: 12345 }, 'hush: found a number, expected a string'],
    [
      'of a long value, cut',
      { flag: 'x'.repeat(100) },
      `flag: found the string "${'x'.repeat(56)}..., expected true or false`,
    ],
  ])('%s', (_, body, fault) => {
    expect(inWidget(body)).toBe(fault)
  })

  test('of what is required and missing', () => {
    expect(faultIn(userTypeOf, {})).toBe(
      'userName: found nothing, expected a string, as the attribute is required',
    )
  })

  test('of what is required and empty', () => {
    expect(faultOf(CHECKS, userTypeOf, { schemas: [USER], userName: '' })).toBe(
      'userName: found an empty string, expected one that is not empty, as the attribute is required',
    )
  })
})

describe('a limit holds at its value and not one past it', () => {
  const of = (length: number) => 'x'.repeat(length)

  test.each([
    ['a string', STRING_LENGTH_MAX, (value: string) => ({ note: value }), 'note'],
    ['a unique string', UNIQUE_LENGTH_MAX, (value: string) => ({ code: value }), 'code'],
    ['a sub-attribute', STRING_LENGTH_MAX, (value: string) => ({ box: { value } }), 'box.value'],
    ['a binary', STRING_LENGTH_MAX, (value: string) => ({ blob: value }), 'blob'],
    ['a reference', STRING_LENGTH_MAX, (value: string) => ({ address: value }), 'address'],
  ] as const)('the length of %s', (_, max, bodyOf, path) => {
    expect(inWidget(bodyOf(of(max)))).toBeUndefined()
    // Base64 comes in fours.
    const longer = of(path === 'blob' ? max + 4 : max + 1)
    expect(inWidget(bodyOf(longer))).toBe(
      `${path}: found ${longer.length} characters, expected at most ${max}`,
    )
  })
})

describe('a required extension', () => {
  const registry = buildRegistry(
    [WIDGET_SCHEMA, EXTRA_SCHEMA].map((json) => ({ file: json.name, json })),
    [
      {
        file: 'type',
        json: {
          name: 'Widget',
          endpoint: '/Widgets',
          schema: WIDGET,
          schemaExtensions: [{ schema: EXTRA, required: true }],
        },
      },
      {
        file: 'user',
        json: { name: 'User', endpoint: '/Users', schema: WIDGET },
      },
    ],
  )
  const [type] = registry.types
  if (!type) throw new Error('no type')
  const checks = compileChecks(registry.types)

  test('[R7643-3.3-06] has to be there', () => {
    const fault = (body: JsonObject) => faultOf(checks, type, documentFor(type, body))
    expect(fault({ code: 'w' })).toBe(`${EXTRA}: found nothing, expected this required extension`)
    expect(fault({ code: 'w', [EXTRA]: {} })).toBe(
      `${EXTRA}: found nothing, expected this required extension`,
    )
    expect(fault({ code: 'w', [EXTRA]: { mark: 'm' } })).toBeUndefined()
  })
})

test('what no schema defines is not valid, nor is a readOnly value or a link in a document', () => {
  const documents: JsonValue[] = [
    { zz: 1 },
    { seen: 'x' },
    { neighbours: [{ value: 'a' }] },
    { box: { seen: 'x' } },
    { tags: [] },
    { id: 'x' },
  ]
  for (const more of documents) {
    const document = { schemas: [WIDGET], code: 'w', ...(more as JsonObject) }
    expect(faultOf(CHECKS, widgetTypeOf, document)).toBeString()
  }
})

test('an extension whose URN holds a slash, as JSON pointers do, is told by its URN', () => {
  const id = 'urn:example:a/b.c'
  const registry = buildRegistry(
    [
      { file: 'a', json: WIDGET_SCHEMA },
      { file: 'b', json: { id, name: 'B', attributes: [attribute('mark', 'integer')] } },
    ],
    [
      {
        file: 'type',
        json: {
          name: 'Widget',
          endpoint: '/W',
          schema: WIDGET,
          schemaExtensions: [{ schema: id }],
        },
      },
      { file: 'user', json: { name: 'User', endpoint: '/Users', schema: WIDGET } },
    ],
  )
  const [type] = registry.types
  if (!type) throw new Error('no type')
  const document = documentFor(type, { code: 'w', [id]: { mark: 'x' } })
  expect(faultOf(compileChecks(registry.types), type, document)).toBe(
    `${id}:mark: found the string "x", expected a whole number of at most 9007199254740991`,
  )
})

test('the form of a string is checked where the rules ask for it, and told in its own words', () => {
  const strict = compileChecks([...CHECKS.keys()], true)
  const faultIn = (values: JsonObject, checks = strict) =>
    faultOf(checks, userTypeOf, { schemas: [USER], userName: 'ann', ...values })
  for (const [values, fault] of [
    [
      { addresses: [{ country: 'CH' }, { country: 'USA' }] },
      'addresses[1].country: found the string "USA", expected a country as two capital letters of ' +
        'ISO 3166-1, such as "CH"',
    ],
    [{ locale: '?' }, 'locale: found the string "?", expected a language tag such as "en-US"'],
    [{ profileUrl: 'a b' }, 'profileUrl: found the string "a b", expected a URI'],
    [
      { x509Certificates: [{ value: 'QUJD' }] },
      'x509Certificates[0].value: found the string "QUJD", expected one DER-encoded certificate in base64',
    ],
  ] as const) {
    expect(faultIn(values as JsonObject)).toBe(fault)
    expect(faultIn(values as JsonObject, CHECKS)).toBeUndefined()
  }
  expect(faultIn({ locale: 5 })).toBe('locale: found the number 5, expected a string')
})

test('[R7644-5-03] a name to sign in with holds no character that nobody can have', () => {
  const fault = (userName: string) =>
    faultOf(CHECKS, userTypeOf, { schemas: [USER], userName, displayName: userName })
  expect(fault('a\u0000b')).toBe(
    'userName: found U+0000 at character 2, expected characters that are assigned and seen where they stand, no space at either end',
  )
  expect(fault('\u{10fffe}')).toContain('U+10FFFE')
  expect(fault('Zoë O’Neil 🦊')).toBeUndefined()
})
