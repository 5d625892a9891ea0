/** Request bodies that readJson has to read as JSON.parse does, and those that it has to refuse. */

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { ScimError } from '../../src/scim/error.ts'
import { type JsonValue, readJson, readJsonSteps } from '../../src/scim/json.ts'
import { JSON_DEPTH_MAX, JSON_MEMBERS_MAX, JSON_TOKEN_LENGTH_MAX } from '../../src/scim/limits.ts'

const seed = Number(process.env['SCIMD_SEED'] ?? Date.now() % 2 ** 31)

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function read(text: string): JsonValue {
  return readJson(bytesOf(text))
}

/** The detail of the 400 invalidSyntax that the bytes are refused with. */
function refusal(body: string | Uint8Array): string {
  try {
    readJson(typeof body === 'string' ? bytesOf(body) : body)
  } catch (error) {
    if (!(error instanceof ScimError)) throw error
    expect(error.scimType).toBe('invalidSyntax')
    expect(error.status).toBe(400)
    return error.message
  }
  throw new Error(`was read: ${body}`)
}

describe('a body that is JSON', () => {
  test.each([
    'null',
    'true',
    'false',
    '0',
    '-0',
    '42.0',
    '-1.5e+3',
    '1E-2',
    '1e-999',
    '""',
    '"a"',
    '[]',
    '{}',
    ' \t\r\n[ 1 , { "a" : [ ] } ]\r\n',
    '{"":0}',
    '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83E\\udD8A\\u0000"',
    '"Zoë 🦊 山田 \u007f\u2028\ufeff"',
    '{"constructor":1,"toString":2,"hasOwnProperty":3}',
    `1${'0'.repeat(308)}`,
    `0.${'1'.repeat(400)}`,
  ])('is read as JSON.parse reads it: %j', (text) => {
    expect(read(text)).toEqual(JSON.parse(text))
  })

  test('keeps 42.0 the integer 42', () => {
    expect(read('{"count":42.0}')).toEqual({ count: 42 })
  })

  test('[R7644-3.8-08] may begin with one byte order mark', () => {
    expect(read('\ufeff{"a":1}')).toEqual({ a: 1 })
    expect(refusal('\ufeff\ufeff{"a":1}')).toContain('at line 1, column 1, expected a JSON value')
  })

  test('[R7644-3.8-09] holds "__proto__" as a plain member that pollutes nothing', () => {
    const value = read('{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}}}')
    expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor'])
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(Reflect.get({}, 'admin')).toBeUndefined()
    expect(refusal('{"__proto__":1,"__PROTO__":2}')).toContain('twice')
  })
})

describe('[R7644-3.3-09] a body that is not JSON is refused with the place of the fault', () => {
  test.each([
    ['', 'the body is empty'],
    [' \r\n\t', 'the body is empty'],
    ['\ufeff', 'the body is empty'],
    ['{', 'breaks off at line 1, column 2, expected a member name in double quotes'],
    ['[', 'breaks off at line 1, column 2, expected a JSON value'],
    ['{"a":1', 'breaks off at line 1, column 7, expected "," or "}"'],
    ['[1', 'breaks off at line 1, column 3, expected "," or "]"'],
    ['[1,]', 'found "]" at line 1, column 4, expected a JSON value'],
    ['[,1]', 'found "," at line 1, column 2, expected a JSON value'],
    ['{"a":1,}', 'found "}" at line 1, column 8, expected a member name'],
    ['{a:1}', 'found "a" at line 1, column 2, expected a member name'],
    ["{'a':1}", 'found "\'a\'" at line 1, column 2, expected a member name'],
    ['{"a" 1}', 'found "1" at line 1, column 6, expected ":"'],
    ['{"a":}', 'found "}" at line 1, column 6, expected a JSON value'],
    ['[1 2]', 'found "2" at line 1, column 4, expected "," or "]"'],
    ['[1}', 'found "}" at line 1, column 3, expected "," or "]"'],
    ['{"a":1]', 'found "]" at line 1, column 7, expected "," or "}"'],
    ['{} {}', 'found "{" at line 1, column 4, expected the end of the body'],
    ['nul', 'found "nul" at line 1, column 1, expected a JSON value'],
    ['True', 'found "True" at line 1, column 1, expected a JSON value'],
    ['nulll', 'found "l" at line 1, column 5, expected the end of the body'],
    ['NaN', 'found "NaN"'],
    ['-Infinity', 'found "-Infinity"'],
    ['undefined', 'found "undefined"'],
    ['// a\n1', 'found "//" at line 1, column 1'],
    ['[1] // a', 'found "//" at line 1, column 5'],
    ['\u00a01', 'at line 1, column 1'],
    ['01', 'a number begins with 0 and goes on at line 1, column 1'],
    ['-', 'found "-"'],
    ['+1', 'found "+1"'],
    ['.5', 'found ".5"'],
    ['1.', 'the number "1." breaks off'],
    ['1.e1', 'the number "1." breaks off'],
    ['1e', 'the number "1e" breaks off'],
    ['1e+', 'the number "1e+" breaks off'],
    ['0x10', 'found "x10" at line 1, column 2'],
    ['"abc', 'a string is not closed at line 1, column 1'],
    ['"\\', 'a string is not closed'],
    ['"\\"', 'a string is not closed'],
    ['"\\x41"', '"\\x" is not an escape at line 1, column 2'],
    ['"\\u12"', 'is not an escape at line 1, column 2'],
    ['"\\u12g4"', 'is not an escape at line 1, column 2'],
    ['"a\nb"', 'the bare control character U+000A at line 1, column 3'],
    ['"\0"', 'the bare control character U+0000'],
    ['{\n  "a": 1,\n  "b": tru\n}', 'found "tru" at line 3, column 8'],
    ['{\n "a": 1\n "b": 2}', 'found a double quote at line 3, column 2, expected "," or "}"'],
  ])('%j', (text, detail) => {
    expect(refusal(text)).toContain(detail)
  })
})

test('a number that no double holds is refused, wherever its digits stand', () => {
  expect(read('[1e308,1e-400]')).toEqual([1e308, 0])
  expect(refusal('[1e999]')).toContain('the number "1e999" is too large for a double at line 1')
  expect(refusal('-1E+309')).toContain('too large')
  expect(refusal('9'.repeat(400))).toContain('too large')
})

test('half of a surrogate pair is refused, a whole pair is one character', () => {
  expect(read('"\\ud83e\\udd8a"')).toBe('🦊')
  for (const half of ['\\ud83e', '\\udd8a', '\\ud83ex', '\\ud83e\\n', '\\udd8a\\ud83e']) {
    expect(refusal(`"${half}"`)).toContain('half of a surrogate pair at line 1, column 2')
  }
  expect(refusal('"\\ud83e\\u00e9"')).toContain('half of a surrogate pair')
  expect(refusal('{"\\ud83e":1}')).toContain('half of a surrogate pair')
})

describe('[R7644-3.8-01] bytes that are not UTF-8 are refused with their place', () => {
  test.each([
    ['a byte that begins nothing', [0x22, 0xff, 0x22], 1],
    ['a Latin-1 letter', [0x22, 0x5a, 0x6f, 0xeb, 0x22], 3],
    ['a sequence cut short', [0x22, 0xc3], 1],
    ['an overlong slash', [0x22, 0xc0, 0xaf, 0x22], 1],
    ['a surrogate in three bytes', [0x22, 0xed, 0xa0, 0x80, 0x22], 1],
    ['a code point past U+10FFFF', [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22], 1],
    ['UTF-16', [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00], 0],
  ])('%s', (_, bytes, at) => {
    expect(refusal(new Uint8Array(bytes))).toContain(`not UTF-8 near byte ${at}`)
  })

  test('and do not spoil the next body', () => {
    refusal(new Uint8Array([0x22, 0xe2, 0x82]))
    expect(read('"€"')).toBe('€')
  })
})

describe('a member that is named twice in one object is refused', () => {
  test.each([
    ['{"a":1,"a":2}', 'names the member "a" twice at line 1, column 8'],
    ['{"userName":1,"USERNAME":2}', 'names the member "USERNAME" twice at line 1, column 15'],
    ['{"\\u0061":1,"a":2}', 'names the member "a" twice'],
    ['{"a":1,"\\u0041":2}', 'names the member "\\u0041" twice'],
    ['{"é":1,"\\u00e9":2}', 'twice'],
    ['{"Éa":1,"ÉA":2}', 'twice'],
    ['{"":1,"":2}', 'names the member "" twice'],
    ['[{"x":{"b":1,"c":{},"B":2}}]', 'names the member "B" twice'],
    ['{"a":{"b":1},"c":{"b":1},"A":1}', 'names the member "A" twice'],
  ])('%s', (text, detail) => {
    expect(refusal(text)).toContain(detail)
  })

  test.each([
    '{"a":{"a":{"a":1}}}',
    '[{"a":1},{"a":2}]',
    '{"é":1,"É":2}',
    '{"K":1,"\u212a":2}',
    '{"@":1,"`":2,"[":3,"{":4}',
    '{"ab":1,"abc":2,"a":3}',
    '{"a":"a","b":"a"}',
  ])('and no other: %s', (text) => {
    expect(read(text)).toEqual(JSON.parse(text))
  })

  test('in an object of many names as well', () => {
    for (const count of [1, 15, 16, 17, 18, 40]) {
      const names = Array.from({ length: count }, (_, i) => `"Name${i}":{"x":${i}}`)
      expect(Object.keys(read(`{${names}}`) as object)).toHaveLength(count)
      expect(refusal(`{${names},"nAME0":1}`)).toContain('"nAME0" twice')
      expect(refusal(`{${names},"NAME${count - 1}":1}`)).toContain('twice')
      expect(refusal(`{${names},"n\\u0061me0":1}`)).toContain('twice')
    }
  })
})

test('nesting is read down to JSON_DEPTH_MAX and refused one level deeper', () => {
  const nested = (depth: number) => `${'[{"a":'.repeat(depth)}1${'}]'.repeat(depth)}`
  expect(read(nested(JSON_DEPTH_MAX / 2))).toEqual(JSON.parse(nested(JSON_DEPTH_MAX / 2)))
  expect(refusal(`[${nested(JSON_DEPTH_MAX / 2)}]`)).toMatch(
    /limit of 32 at line 1, column \d+, expected at most 32 levels/,
  )
  expect(read('['.repeat(JSON_DEPTH_MAX) + ']'.repeat(JSON_DEPTH_MAX))).toBeArray()
  expect(refusal('['.repeat(JSON_DEPTH_MAX + 1))).toContain('limit of 32')
  expect(refusal('['.repeat(5_000_000))).toContain('limit of 32')
  expect(refusal('{"a":'.repeat(JSON_DEPTH_MAX + 1))).toContain('limit of 32')
})

test('an object has as many members as the limit says, and no more', () => {
  const names = (count: number) => Array.from({ length: count }, (_, i) => `"name${i}":${i}`)
  expect(Object.keys(read(`{${names(JSON_MEMBERS_MAX)}}`) as object)).toHaveLength(JSON_MEMBERS_MAX)
  expect(refusal(`{${names(JSON_MEMBERS_MAX + 1)}}`)).toContain(`the limit of ${JSON_MEMBERS_MAX}`)
})

test('a long name is cut in the message', () => {
  const name = 'x'.repeat(100_000)
  expect(refusal(`{"${name}":1,"${name}":2}`).length).toBeLessThan(250)
})

describe(`on random JSON (SCIMD_SEED=${seed})`, () => {
  const json = fc
    .tuple(fc.jsonValue({ maxDepth: 6, stringUnit: 'binary' }), fc.constantFrom(0, 2))
    .map(([value, indent]) => JSON.stringify(value, null, indent))

  test('it agrees with JSON.parse where no name is there twice', () => {
    fc.assert(
      fc.property(json, (text) => {
        fc.pre(!hasTwins(JSON.parse(text)))
        expect(JSON.stringify(read(text))).toBe(JSON.stringify(JSON.parse(text)))
      }),
      { seed, numRuns: 2000 },
    )
  })

  test('it refuses an object exactly when two names are the same in ASCII lower case', () => {
    const letter = fc.constantFrom('a', 'A', '\\u0061', '\\u0041', 'k', 'K', '\u212a', 'é', 'É')
    const name = fc.array(letter, { minLength: 1, maxLength: 2 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(fc.array(name, { maxLength: 24 }), (names) => {
        const text = `{${names.map((written) => `"${written}":0`)}}`
        const keys = names.map((written) => lowered(JSON.parse(`"${written}"`)))
        if (new Set(keys).size === keys.length) expect(read(text)).toEqual(JSON.parse(text))
        else expect(refusal(text)).toContain('twice')
      }),
      { seed, numRuns: 2000 },
    )
  })

  test('damaged bytes are refused by a ScimError or read as JSON.parse reads them', () => {
    const damage = fc.tuple(fc.nat(), fc.nat(3), fc.uint8Array({ maxLength: 3 }))
    fc.assert(
      fc.property(json, fc.array(damage, { minLength: 1, maxLength: 3 }), (text, damages) => {
        const bytes = [...bytesOf(text)]
        for (const [at, removed, added] of damages) {
          bytes.splice(at % (bytes.length + 1), removed, ...added)
        }
        let value: JsonValue
        try {
          value = readJson(new Uint8Array(bytes))
        } catch (error) {
          if (!(error instanceof ScimError)) throw error
          expect(error.scimType).toBe('invalidSyntax')
          if (/twice|surrogate|too large|deeper/.test(error.message)) return
          expect(() => JSON.parse(strictly(bytes))).toThrow()
          return
        }
        expect(JSON.stringify(value)).toBe(JSON.stringify(JSON.parse(strictly(bytes))))
      }),
      { seed, numRuns: 5000 },
    )
  })
})

describe('a long body', () => {
  /** Enough white space to make any body a long one, which is parsed in runs. */
  const PADDING = ' '.repeat(100_000)

  test('is read in several steps, a short one in one', () => {
    expect([...readJsonSteps(bytesOf('[1,2,3]'))]).toHaveLength(0)
    expect([...readJsonSteps(bytesOf(`[${'1,'.repeat(100_000)}1]`))].length).toBeGreaterThan(5)
    expect([...readJsonSteps(bytesOf(`[${'\n'.repeat(1_000_000)}1]`))].length).toBeGreaterThan(5)
  })

  test('is refused for the same reasons, far in with the place by character', () => {
    for (const end of ['?', ',]', '"a', '1 1]', '{"a":1,"A":2}]', '"\\ud83e"]', '1e999]', 'nul]']) {
      const fault = refusal(`[${end}`).replace(/ at line \d+, column \d+/, '')
      expect(refusal(`[${PADDING}${end}`).replace(/ at character \d+/, '')).toBe(fault)
    }
    expect(refusal(`[${PADDING}?`)).toContain('found "?" at character 100002')
    expect(refusal(`[?${PADDING}`)).toContain('found "?" at line 1, column 2')
  })

  test('keeps "__proto__" a plain member, short or long itself', () => {
    for (const held of ['{"admin":true}', `["${'x'.repeat(20_000)}",1]`]) {
      const text = `{"a":"${'y'.repeat(100_000)}","__proto__":${held},"b":{"__proto__":${held}}}`
      const value = read(text)
      expect(Object.keys(value as object)).toEqual(['a', '__proto__', 'b'])
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
      expect(JSON.stringify(value)).toBe(text)
    }
  })

  test(`is read as JSON.parse reads it, wherever its runs end (SCIMD_SEED=${seed})`, () => {
    const length = fc.constantFrom(0, 1, 100, 8000, 16_383, 16_384, 16_385, 40_000)
    const leaf = fc.oneof(
      length.map((count) => 'x'.repeat(count)),
      length.map((count) => '\n"é'.repeat(count / 4)),
      fc.constantFrom(null, true, -1.5e3, '', '__proto__', {}, []),
      fc.integer({ min: 0, max: 3000 }).map((count) => Array.from({ length: count }, (_, i) => i)),
    )
    const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 5, withCrossShrink: true },
        leaf,
        fc.array(tie('value'), { maxLength: 8 }),
        fc
          .array(tie('value'), { maxLength: 8 })
          .map((list) =>
            JSON.parse(
              `{${list.map((held, i) => `"${i % 3 ? 'name' : 'N'}${i}":${JSON.stringify(held)}`)}}`,
            ),
          ),
      ),
    }))
    fc.assert(
      fc.property(value, fc.constantFrom(0, 2), fc.boolean(), (held, indent, isFirst) => {
        const text = JSON.stringify([held, held], null, indent)
        const long = isFirst ? `${PADDING}${text}` : `${text}${PADDING}`
        expect(JSON.stringify(read(long))).toBe(JSON.stringify(JSON.parse(text)))
      }),
      { seed, numRuns: 100 },
    )
  }, 60_000)

  test('holds strings and numbers as long as the limit says, and no longer', () => {
    const most = 'x'.repeat(JSON_TOKEN_LENGTH_MAX)
    expect(read(`["${most}",1]`)).toEqual([most, 1])
    const over = `longer than the limit of ${JSON_TOKEN_LENGTH_MAX} characters at line 1, column 2`
    expect(refusal(`["${most}x",1]`)).toContain(`a string is ${over}`)
    expect(refusal(`{"${most}x":1}`)).toContain(`a string is ${over}`)
    const number = `0.${'1'.repeat(JSON_TOKEN_LENGTH_MAX - 2)}`
    expect(read(`[${number},1]`)).toEqual([Number(number), 1])
    expect(refusal(`[${number}1,1]`)).toContain(`a number is ${over}`)
  })
})

function strictly(bytes: readonly number[]): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array(bytes))
}

function lowered(name: string): string {
  return [...name].map((c) => (c >= 'A' && c <= 'Z' ? c.toLowerCase() : c)).join('')
}

function hasTwins(value: JsonValue): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return value.some(hasTwins)
  const names = Object.keys(value)
  return new Set(names.map(lowered)).size < names.length || Object.values(value).some(hasTwins)
}
