/** What the body of a POST or PUT comes to: RFC 7643 section 2, and bodies that nobody expected. */

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { ScimType } from '../../src/scim/error.ts'
import { type JsonValue, readJson } from '../../src/scim/json.ts'
import { ID_LENGTH_MAX } from '../../src/scim/limits.ts'
import { type Document, readDraft } from '../../src/scim/resource.ts'
import type { Attribute } from '../../src/scim/schema.ts'
import { faultOf, requireValid } from '../../src/scim/validate.ts'
import { isJsonObject, type JsonObject } from '../../src/scim/value.ts'
import {
  anyCase,
  anyValue,
  CHECKS,
  documentFor,
  ENTERPRISE,
  EXTRA,
  fittingValue,
  GROUP,
  groupTypeOf,
  INTEROP,
  pathsOf,
  RFC,
  refusalOf,
  SEED,
  TYPES,
  USER,
  userTypeOf,
  WIDGET,
  widgetTypeOf,
} from './given.ts'

const user = (body: JsonObject): Document => {
  const document = documentFor(userTypeOf, { userName: 'a', ...body })
  requireValid(CHECKS, userTypeOf, document)
  return document
}

const widget = (body: JsonObject): Document => {
  const document = documentFor(widgetTypeOf, { code: 'w', ...body })
  requireValid(CHECKS, widgetTypeOf, document)
  return document
}

const draft = (body: JsonValue) => readDraft(userTypeOf, body, INTEROP)

describe('names and schemas', () => {
  test('[R7643-2.1-01] names are known in any case, and spelled as in the schema', () => {
    expect(draft({ SCHEMAS: [USER], USERNAME: 'a', Name: { GIVENNAME: 'x' } }).document).toEqual({
      schemas: [USER],
      userName: 'a',
      name: { givenName: 'x' },
    })
  })

  test('[R7643-2.1-03] a name twice in two cases is refused before it is read', () => {
    const twice = new TextEncoder().encode('{"userName":"a","USERNAME":"b"}')
    expect(refusalOf(() => readJson(twice)).scimType).toBe('invalidSyntax')
  })

  test('[R7643-2.1-05] URIs are known in any case, and spelled as registered', () => {
    const body = {
      schemas: [USER.toUpperCase()],
      userName: 'a',
      [ENTERPRISE.toUpperCase()]: { division: 'd' },
    }
    expect(draft(body).document).toEqual({
      schemas: [USER, ENTERPRISE],
      userName: 'a',
      [ENTERPRISE]: { division: 'd' },
    })
  })

  test('[R7643-2.1-04] a body without schemas is that of the endpoint, but in rfc mode', () => {
    for (const body of [{ userName: 'a' }, { schemas: null }, { schemas: [] }]) {
      expect(draft(body).document['schemas']).toEqual([USER])
      expect(refusalOf(() => readDraft(userTypeOf, body, RFC)).scimType).toBe('invalidSyntax')
    }
  })

  test.each<[string, JsonValue]>([
    ['names the extension alone', [ENTERPRISE]],
    ['names unknown schemas alone', ['urn:x:y']],
    ['names another type', [GROUP]],
    ['is no list', USER],
    ['holds no strings', [5, null, {}]],
  ])('[R7643-3.3-01] schemas that %s are refused', (_, schemas) => {
    expect(refusalOf(() => draft({ schemas, userName: 'a' })).scimType).toBe('invalidSyntax')
  })

  test('[R7643-3.3-03] an extension that has values is listed, listed by the client or not', () => {
    expect(user({ [ENTERPRISE]: { division: 'd' } })['schemas']).toEqual([USER, ENTERPRISE])
  })

  test('[R7643-3.3-04] an extension without values is not there', () => {
    for (const empty of [{}, null, { division: null }, { manager: {} }, { foo: 1 }]) {
      const document = draft({ schemas: [USER, ENTERPRISE], [ENTERPRISE]: empty }).document
      expect(document).toEqual({ schemas: [USER] })
    }
  })

  test('[R7643-3.1-21] a schema that lists a common attribute changes nothing about it', () => {
    expect(userTypeOf.attributes.get('id')?.mutability).toBe('readOnly')
    expect(userTypeOf.attributes.get('externalid')?.caseExact).toBe(true)
  })

  test('[R7644-3.3-03] what is readOnly is ignored, at every level', () => {
    expect(
      user({
        id: 'mine',
        meta: { created: 'x' },
        groups: [{ value: 'g' }],
        [ENTERPRISE]: { manager: { value: 'm', displayName: 'M' } },
      }),
    ).toEqual({
      schemas: [USER, ENTERPRISE],
      userName: 'a',
      [ENTERPRISE]: { manager: { value: 'm' } },
    })
  })
})

describe('types of values', () => {
  const refusals: readonly (readonly [string, JsonObject])[] = [
    ['[R7643-2.3-02] a number for a string', { userName: 123 }],
    ['[R7643-2.3-02] a boolean for a string', { title: true }],
    ['[R7643-2.3-02] an object for a string', { title: { value: 'x' } }],
    ['[R7643-2.3-03] another word for a boolean', { active: 'yes' }],
    ['[R7643-2.3-03] a number for a boolean', { active: 1 }],
    ['[R7643-2.3-07] no base64 for binary', { x509Certificates: [{ value: '***' }] }],
    ['[R7643-2.3-07] base64url for binary', { x509Certificates: [{ value: 'a-_b' }] }],
    [
      '[R7643-2.3-07] one character too many for binary',
      { x509Certificates: [{ value: 'QUJDR' }] },
    ],
    ['[R7643-2.3-09] a number for a reference', { profileUrl: 5 }],
    ['[R7643-2.3-13] an object within an object', { name: { givenName: { value: 'x' } } }],
    ['[R7643-2.3-14] a string for a list of what has no value', { addresses: 'a' }],
    ['[R7643-2.3-14] a list for a string', { userName: ['a'] }],
    ['[R7643-2.3-14] a list of two for a complex value', { name: [{ givenName: 'a' }, {}] }],
    ['[R7643-2.3-14] a string for a complex value that has no value', { name: 'Ann' }],
    ['[R7643-2.3-14] strings as elements that have no value', { addresses: ['a'] }],
    ['an element without members', { emails: [{}] }],
    ['an object without members for a list', { emails: {} }],
    ['an element of which nothing is understood', { emails: [{ email: 'b@x' }] }],
    ['and of which only a type is', { emails: [{ email: 'b@x', type: 'work' }] }],
    ['such an element beside others', { emails: [{ value: 'a@x' }, { email: 'b@x' }] }],
    ['an object of which nothing is understood', { name: { bogus: 1 } }],
    ['a list of null', { emails: [null] }],
    ['a list of nothing but gaps', { emails: [null, ''] }],
    ['an element of gaps for qualifiers', { emails: [{ type: null, primary: null }] }],
    ['[R7643-2.3-14] lists as elements', { emails: [[{ value: 'a@b' }]] }],
    [
      '[R7643-2.4-01] two primary elements',
      {
        emails: [
          { value: 'a', primary: true },
          { value: 'b', primary: true },
        ],
      },
    ],
    ['[R7643-2.5-04] null for what is required', { userName: null }],
    ['[R7643-2.5-04] nothing for what is required', { userName: '' }],
  ]
  test.each(refusals)('%s is refused', (_, body) => {
    expect(refusalOf(() => user(body)).scimType).toBe('invalidValue')
  })

  const customRefusals: readonly (readonly [string, JsonObject])[] = [
    ['[R7643-2.3-05] a fraction for an integer', { count: 1.5 }],
    ['[R7643-2.3-05] a fraction in quotes for an integer', { count: '1.5' }],
    ['[R7643-2.3-04] a word for a decimal', { ratio: 'much' }],
    ['[R7643-2.3-04] a number that no double holds', { ratio: '1e999' }],
    ['[R7643-2.3-04] a number in another notation', { count: '0x10' }],
    ['[R7643-2.3-06] a date for a dateTime', { moment: '2008-01-23' }],
    ['[R7643-2.3-06] a number for a dateTime', { moment: 1 }],
    ['[R7643-2.4-08] a number among strings', { tags: ['a', 1] }],
    ['[R7643-2.4-08] a word among booleans', { flags: [true, 'yes'] }],
    ['[R7643-2.4-08] objects without a value among strings', { tags: [{ bogus: 'a' }] }],
    ['[R7643-2.4-08] lists within a list', { tags: [{ value: ['a'] }] }],
    ['[R7643-2.4-08] an object of another type', { flags: [{ value: 'yes' }] }],
    ['a $ref without an id, alone', { owner: { $ref: 'u1' } }],
    ['a $ref without an id, in a list', { keepers: [{ $ref: 'u1', type: 'first' }] }],
    ['nothing for what an element requires', { plates: [{ text: null, primary: true }] }],
    [
      '[R7643-2.4-01] two primary elements in an extension',
      {
        [EXTRA]: {
          mark: 'm',
          parts: [
            { value: 'a', primary: true },
            { value: 'b', primary: true },
          ],
        },
      },
    ],
    ['[R7643-3.3-07] an extension without what it requires', { [EXTRA]: { grade: 1 } }],
    ['an element without what it requires', { plates: [{ size: 1 }] }],
    ['an extension that is no object', { [EXTRA]: 'x' }],
  ]
  test.each(customRefusals)('%s is refused', (_, body) => {
    expect(refusalOf(() => widget(body)).scimType).toBe('invalidValue')
  })

  test('[R7643-2.3-01] strings are kept as they came', () => {
    const displayName = '  Zoë 🦊 山田\u0000 '
    expect(user({ displayName })['displayName']).toBe(displayName)
  })

  test.each<[string, JsonObject, JsonObject]>([
    [
      '[R7643-2.3-03] booleans in quotes',
      { flag: 'TRUE', flags: ['False', true] },
      { flag: true, flags: [false, true] },
    ],
    ['[R7643-2.3-04] decimals', { ratio: 1.25 }, { ratio: 1.25 }],
    [
      '[R7643-2.3-05] integers, and in quotes',
      { count: 42, counts: ['-7', 1e3] },
      { count: 42, counts: [-7, 1000] },
    ],
    [
      '[R7643-2.3-06] dateTimes, as they were written',
      { moment: '2008-01-23T04:56:22+02:00', moments: ['2008-01-23T04:56:22.5'] },
      { moment: '2008-01-23T04:56:22+02:00', moments: ['2008-01-23T04:56:22.5'] },
    ],
    [
      '[R7643-2.3-07] base64 with and without padding',
      { blobs: ['QQ==', 'QQ', 'QUI=', 'QUI'] },
      { blobs: ['QQ==', 'QQ', 'QUI=', 'QUI'] },
    ],
    [
      '[R7643-2.3-09] any text as a reference',
      { address: 'random text' },
      { address: 'random text' },
    ],
    [
      '[R7643-2.4-08] lists of simple values, each once',
      { tags: ['a', 'b', 'a', null, ''] },
      { tags: ['a', 'b'] },
    ],
    [
      '[R7643-2.4-03] one element for each type and value',
      {
        parts: [
          { value: 'a', type: 'X' },
          { type: 'x', value: 'a', count: 1 },
        ],
      },
      { parts: [{ value: 'a', type: 'x', count: 1 }] },
    ],
    [
      '[R7643-2.4-03] one for equal ones, whatever the order',
      {
        plates: [
          { text: 't', size: 1 },
          { size: 1, text: 't' },
        ],
      },
      { plates: [{ text: 't', size: 1 }] },
    ],
    [
      '[R7643-2.4-04] one value under two types',
      {
        parts: [
          { value: 'a', type: 'x' },
          { value: 'a', type: 'y' },
        ],
      },
      {
        parts: [
          { value: 'a', type: 'x' },
          { value: 'a', type: 'y' },
        ],
      },
    ],
    [
      '[R7643-2.5-01] null, [] and {} as nothing',
      { note: null, tags: [], box: {}, plates: [] },
      {},
    ],
    [
      'elements that say that they have no value as none',
      {
        parts: [{ value: null, type: 'work' }, { value: '', primary: true }, { type: 'home' }],
        tags: [{ $ref: null, value: '' }],
      },
      {},
    ],
    [
      'objects, a number and a boolean for lists of simple values',
      { tags: [{ $ref: null, value: 'a' }, { VALUE: 'b' }], counts: 7, flags: { value: 'True' } },
      { tags: ['a', 'b'], counts: [7], flags: [true] },
    ],
    [
      'values that differ by case alone once, where it does not count',
      {
        tags: ['D1', 'd1', 'D2'],
        parts: [
          { value: 'A@X', type: 'work' },
          { value: 'a@x', type: 'WORK', count: 1 },
        ],
        keepers: [{ value: 'u1' }, { value: 'U1' }],
      },
      {
        tags: ['D1', 'D2'],
        parts: [{ value: 'a@x', type: 'WORK', count: 1 }],
        keepers: [{ value: 'u1' }, { value: 'U1' }],
      },
    ],
    [
      '[R7643-2.5-05] a complex value of which nothing is left',
      { box: { value: null, labels: [], seen: 'x' } },
      {},
    ],
    [
      'a reference by its $ref alone',
      { owner: { $ref: 'https://h/scim/v2/Users/u%201' } },
      { owner: { value: 'u 1' } },
    ],
    [
      'a reference without its $ref',
      { keepers: [{ value: 'u1', $ref: 'x', display: 'D' }] },
      { keepers: [{ value: 'u1' }] },
    ],
  ])('%s are taken', (_, body, document) => {
    expect(widget(body)).toEqual({ schemas: [WIDGET], code: 'w', ...document })
  })
})

describe('links', () => {
  const linksOf = (members: JsonValue) => {
    const { links } = readDraft(
      groupTypeOf,
      { schemas: [GROUP], displayName: 'g', members },
      INTEROP,
    )
    return [...links.values()].flat()
  }

  test('are ids beside the document, each once', () => {
    const body = {
      schemas: [GROUP],
      displayName: 'g',
      members: [{ value: 'a' }, 'b', { value: 'a' }],
    }
    const read = readDraft(groupTypeOf, body, INTEROP)
    expect(read.document).toEqual({ schemas: [GROUP], displayName: 'g' })
    expect([...read.links.values()]).toEqual([['a', 'b']])
  })

  test('that are not named are not asserted, and those that are empty are', () => {
    expect(readDraft(groupTypeOf, { schemas: [GROUP] }, INTEROP).links.size).toBe(0)
    for (const none of [null, [], '']) expect(linksOf(none)).toEqual([])
    expect(readDraft(groupTypeOf, { schemas: [GROUP], members: null }, INTEROP).links.size).toBe(1)
  })

  test('have an id of the longest length there is, and none longer', () => {
    const longest = 'x'.repeat(ID_LENGTH_MAX)
    expect(linksOf([{ value: longest }])).toEqual([longest])
    expect(refusalOf(() => linksOf([{ value: `${longest}x` }])).scimType).toBe('invalidValue')
  })

  test.each<[string, JsonValue, ScimType]>([
    ['without a value', [{ display: 'x' }], 'invalidValue'],
    ['with a number for a value', [{ value: 1 }], 'invalidValue'],
    ['with an empty value', [{ value: '' }], 'invalidValue'],
    ['that are a list', [['a']], 'invalidValue'],
    ['that are a number', 7, 'invalidValue'],
    ['that are an object without members', {}, 'invalidValue'],
    ['without members', [{}], 'invalidValue'],
    ['of which nothing is understood', [{ value: 'a' }, { bogus: 'b' }], 'invalidValue'],
    ['that are null', [null], 'invalidValue'],
  ])('%s are refused', (_, members, scimType) => {
    expect(refusalOf(() => linksOf(members)).scimType).toBe(scimType)
  })
})

describe.each(TYPES.map((type) => [type.name, type] as const))(
  `%s (SCIMD_SEED=${SEED})`,
  (_, type) => {
    const member = fc
      .constantFrom(...pathsOf(type))
      .chain(({ text, attribute }) =>
        fc.tuple(
          fc.oneof(anyCase(attribute.name), fc.constant(attribute.name), fc.constant(text)),
          anyMember(attribute),
        ),
      )
    const extension = fc.tuple(
      fc.constantFrom(type.schema.id, ...type.extensions.map(({ schema }) => schema.id)),
      fc.oneof(fc.array(member, { maxLength: 3 }).map(Object.fromEntries), fc.jsonValue()),
    )
    // Without what is required hardly any body would be accepted.
    const needed = type.schema.attributes.filter(({ required }) => required)
    const required = fc.record(
      Object.fromEntries(needed.map((attribute) => [attribute.name, fittingValue(attribute)])),
    )
    const body = fc
      .tuple(
        fc.array(fc.oneof({ weight: 3, arbitrary: member }, extension), { maxLength: 5 }),
        fc.boolean(),
        fc.option(required, { nil: {} }),
      )
      .map(
        ([members, isNamed, given]): JsonObject => ({
          ...given,
          ...(isNamed ? { schemas: [type.schema.id] } : {}),
          ...Object.fromEntries(members),
        }),
      )

    test('whatever is sent is read, or refused with a reason', () => {
      let accepted = 0
      fc.assert(
        fc.property(
          fc.oneof({ weight: 5, arbitrary: body }, fc.jsonValue() as fc.Arbitrary<JsonValue>),
          fc.constantFrom(INTEROP, RFC),
          (sent, rules) => {
            const before = JSON.stringify(sent)
            let document: Document
            try {
              document = readDraft(type, sent, rules).document
            } catch (error) {
              expect(error).toMatchObject({ name: 'ScimError', status: 400 })
              return
            }
            expect(JSON.stringify(sent)).toBe(before)
            const fault = faultOf(CHECKS, type, document)
            if (fault !== undefined) {
              expect(fault).toMatch(/^\S.*: found .*, expected /s)
              return
            }
            accepted++
            const again = readDraft(type, document, rules).document
            expect(JSON.stringify(again)).toBe(JSON.stringify(document))
          },
        ),
        { seed: SEED, numRuns: 2000 },
      )
      expect(accepted).toBeGreaterThan(20)
    })

    test('no attribute that a schema does not define gets in', () => {
      fc.assert(
        fc.property(body, fc.jsonValue() as fc.Arbitrary<JsonValue>, (sent, junk) => {
          const read = (value: JsonValue): string | undefined => {
            try {
              return JSON.stringify(readDraft(type, value, INTEROP).document)
            } catch {
              return undefined
            }
          }
          const crowded: JsonObject = { ...sent, zz: junk, constructor: junk, 'urn:x:y': junk }
          for (const [name, value] of Object.entries(crowded)) {
            // One that says nothing else is refused.
            const alone = read({ schemas: [type.schema.id], [name]: value })
            const isSaid = alone !== undefined && alone !== read({ schemas: [type.schema.id] })
            if (isSaid && isJsonObject(value) && type.attributes.has(name.toLowerCase())) {
              crowded[name] = { ...value, zz: junk }
            }
          }
          expect(read(crowded)).toBe(read(sent) as string)
        }),
        { seed: SEED, numRuns: 300 },
      )
    })
  },
)

/** A value for an attribute, which may be anything. */
function anyMember(attribute: Attribute): fc.Arbitrary<JsonValue> {
  return fc.oneof(
    { weight: 3, arbitrary: anyValue(attribute) },
    fc.jsonValue() as fc.Arbitrary<JsonValue>,
  )
}
