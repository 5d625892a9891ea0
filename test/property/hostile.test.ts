/** Whatever text or JSON comes from outside: it is read, or refused by a 400, and nothing else. */

import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { tokenIn } from '../../src/auth/bearer.ts'
import { ConfigFaults, readConfig } from '../../src/config.ts'
import { readBulk, withIds } from '../../src/scim/bulk.ts'
import { ScimError } from '../../src/scim/error.ts'
import { etagOf, isKnown, requireMatch } from '../../src/scim/etag.ts'
import { matchSteps, predicateOf } from '../../src/scim/filter/evaluate.ts'
import { parseFilter } from '../../src/scim/filter/parse.ts'
import { planFilter } from '../../src/scim/filter/plan.ts'
import { resolveFilter } from '../../src/scim/filter/resolve.ts'
import { instantOf } from '../../src/scim/instant.ts'
import { type JsonValue, readJson } from '../../src/scim/json.ts'
import { readPatch } from '../../src/scim/patch/read.ts'
import { readProjection } from '../../src/scim/projection.ts'
import { buildRegistry } from '../../src/scim/registry.ts'
import { SchemaFaults } from '../../src/scim/schema.ts'
import { searchInBody, searchInQuery } from '../../src/scim/search-request.ts'
import { readSort } from '../../src/scim/sort.ts'
import { finished } from '../../src/scim/steps.ts'
import { DEFAULT_RULES } from '../../src/scim/tolerance.ts'
import { compileChecks } from '../../src/scim/validate.ts'
import type { JsonObject } from '../../src/scim/value.ts'
import { SEED } from '../cases.ts'
import { temporary } from '../cli/given.ts'
import { DEVICE_SCHEMA, DEVICE_TYPE, WARRANTY_SCHEMA } from '../http/schema-files.ts'
import { anyCase, fittingValue, INTEROP, pathsOf, RFC, storedDocument } from '../scim/given.ts'
import { WORLD } from './world.ts'

/** So that a slow machine is no fault. */
setDefaultTimeout(120_000)

const [USERS, GROUPS] = WORLD.types
if (!USERS || !GROUPS) throw new Error('there are users and groups')
const TYPES = [USERS, GROUPS]

/** Among others that are mostly refused. */
const often = <T>(arbitrary: fc.Arbitrary<T>) => ({ weight: 6, arbitrary })

/** What an act gives, or the refusal that it has to be, one of these; anything else fails. */
function readOr<T>(act: () => T, ...scimTypes: readonly string[]): T | undefined {
  try {
    return act()
  } catch (error) {
    if (!(error instanceof ScimError)) throw error
    expect([error.status, error.message]).toEqual([400, error.message])
    expect(scimTypes).toContain(error.scimType ?? '')
    expect(error.message).not.toMatch(/undefined|\[object/)
    return undefined
  }
}

const PATHS = TYPES.flatMap((type) => pathsOf(type).map(({ text }) => text))
const path = fc.oneof(fc.constantFrom(...PATHS), fc.constantFrom(...PATHS).chain(anyCase))
const literal = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }).map((text) => JSON.stringify(text)),
  fc.double().map(String),
  fc.constantFrom('true', 'False', 'null', '"2026-01-31T09:30:00Z"', '""', '"x', '1e999', '-0'),
)
/** One that the type of its attribute allows, but for attributes that nobody may search. */
const fitting = fc
  .constantFrom(...TYPES.flatMap(pathsOf))
  .filter(({ attribute, sub }) => (sub ?? attribute).type !== 'complex')
  .chain(({ text, attribute, sub }) =>
    fc
      .tuple(
        fc.constantFrom('eq', 'NE', 'gt', 'le'),
        fittingValue({ ...(sub ?? attribute), multiValued: false }),
      )
      .map(
        ([op, value]) =>
          `${text} ${typeof value === 'boolean' ? 'eq' : op} ${JSON.stringify(value)}`,
      ),
  )
const operator = fc.constantFrom('eq', 'ne', 'co', 'sw', 'ew', 'gt', 'GE', 'lt', 'le', 'is')
const clause = fc.oneof(
  fc.tuple(path, operator, literal).map((parts) => parts.join(' ')),
  path.map((text) => `${text} pr`),
  fc.tuple(path, operator, literal).map(([at, op, value]) => `${at}[value ${op} ${value}]`),
  fc
    .tuple(path, fc.constantFrom('value', 'type', '$ref', 'primary'), operator, literal)
    .map(([at, sub, op, value]) => `${at}[not (${sub} ${op} ${value}) or type pr].value eq "x"`),
)
const glue = fc.constantFrom(' and ', ' OR ', ' and not (', ') or (', ' ', '(', ')', '[', ']', '.')
const soup = fc
  .array(fc.oneof(clause, glue, fc.string({ unit: 'binary', maxLength: 4 })), { maxLength: 8 })
  .map((parts) => parts.join(''))
const repeated = fc
  .tuple(
    fc.constantFrom('(', 'not (', 'a[', 'a pr and ', '"', '\\"', ' ', 'a.', '\t', 'urn:', '-', '9'),
    fc.integer({ min: 1, max: 9000 }),
    soup,
  )
  .map(([part, count, end]) => part.repeat(count) + end)
const filterText = fc.oneof(
  { weight: 2, arbitrary: clause },
  { weight: 4, arbitrary: fitting },
  {
    weight: 6,
    arbitrary: fc
      .tuple(fitting, fc.constantFrom(' and ', ' or '), fitting, fc.boolean())
      .map(([left, word, right, isNot]) => `${isNot ? `not (${left})` : left}${word}${right}`),
  },
  { weight: 3, arbitrary: soup },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
)

describe(`hostile input (SCIMD_SEED=${SEED})`, () => {
  const runs = (numRuns: number) => ({ seed: SEED, numRuns })

  test('[R7644-3.4.2.2-50] [R7644-3.4.2.2-51] any filter is understood to the end, or refused', () => {
    let understood = 0
    const document = fc.constantFrom(
      ...TYPES.flatMap((type) =>
        fc
          .sample(storedDocument(type), { seed: SEED, numRuns: 30 })
          .map((held) => ({ type, held })),
      ),
    )
    const isRead = (text: string, { type, held }: { type: typeof USERS; held: JsonObject }) => {
      const resolved = readOr(() => {
        const booleanStrings = text.length % 2 === 0
        const tolerances = { ...DEFAULT_RULES.tolerances, booleanStrings }
        const options = { rules: { ...DEFAULT_RULES, tolerances }, unknown: 'refuse' } as const
        return resolveFilter(parseFilter(text), type.resolve, options)
      }, 'invalidFilter')
      if (!resolved) return
      understood++
      expect(planFilter(type, resolved).plan.kind).toBeString()
      const resource = { ...held, id: 'id-1' }
      const candidate = { resource, elements: () => [], holds: () => false }
      const matches = predicateOf(resolved)(candidate)
      expect(matches).toBeBoolean()
      // Of a resource that holds much it is asked in steps.
      expect(finished(matchSteps(resolved, candidate))).toBe(matches)
    }
    fc.assert(fc.property(filterText, document, isRead), runs(12_000))
    expect(understood).toBeGreaterThan(1000)
    fc.assert(fc.property(repeated, document, isRead), runs(400))
  })

  test('[R7644-3.5.2-07] any path of a PATCH is understood, or refused', () => {
    const text = fc.oneof(
      { weight: 4, arbitrary: path },
      filterText,
      fc.tuple(path, clause, path).map(([at, inner, sub]) => `${at}[${inner}].${sub}`),
      soup,
      fc.string({ unit: 'binary', maxLength: 20 }),
    )
    let understood = 0
    const isRead = (written: string, op: string, value: unknown, isStrict: boolean) => {
      const body = { Operations: [{ op, path: written, value: value as JsonValue }] }
      const sent = { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], ...body }
      for (const type of TYPES) {
        const read = () => readPatch(type, sent, isStrict ? RFC : INTEROP)
        const kinds = ['invalidPath', 'invalidFilter', 'invalidSyntax', 'invalidValue']
        if (readOr(read, ...kinds, 'noTarget', 'mutability')) understood++
      }
    }
    const op = fc.constantFrom('add', 'Replace', 'REMOVE', 'move', '')
    const values = fc.jsonValue({ maxDepth: 2 })
    fc.assert(fc.property(text, op, values, fc.boolean(), isRead), runs(8000))
    expect(understood).toBeGreaterThan(500)
    fc.assert(fc.property(repeated, op, values, fc.boolean(), isRead), runs(300))
  })

  test('any query is understood, or refused', () => {
    const name = fc.constantFrom(
      ...['filter', 'sortBy', 'sortOrder', 'startIndex', 'count', 'cursor'],
      ...['attributes', 'excludedAttributes', 'ATTRIBUTES', '__proto__', ''],
    )
    const value = fc.oneof(
      path,
      fc.array(path, { maxLength: 5 }).map((names) => names.join(', ')),
      fc.constantFrom('0', '-1', '+7', '1e3', '2147483648', '9'.repeat(15), '9'.repeat(16), ' 1'),
      fc.constantFrom('ascending', 'DESCENDING', 'up', '%', '%zz', 'NaN', 'Infinity', '0x10'),
      fc.string({ unit: 'binary', maxLength: 20 }),
    )
    const query = fc.array(fc.tuple(name, value), { maxLength: 5 })
    const text = fc.oneof(
      query.map((pairs) => String(new URLSearchParams(pairs))),
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc
        .array(fc.constantFrom('count', '=', '&', '%', '%c3', '+', '1', 'attributes', ','))
        .map((parts) => parts.join('')),
    )
    const isRead = (written: string) => {
      const asked = readOr(
        () => searchInQuery(new URLSearchParams(written)),
        ...['invalidValue', 'invalidCount', 'invalidFilter'],
      )
      if (!asked) return
      for (const index of [asked.startIndex, asked.count])
        expect(index === undefined || Number.isSafeInteger(index)).toBeTrue()
      for (const type of TYPES) {
        const projection = readOr(() => readProjection(type, asked), 'invalidValue')
        for (const attribute of projection ? type.attributes.values() : []) {
          const shown = projection?.shown(attribute, undefined)
          if (attribute.returned === 'never') expect(shown).toBe(false)
          if (attribute.returned === 'always') expect(shown).not.toBe(false)
        }
        readOr(() => readSort(type, asked.sortBy, asked.sortOrder), 'invalidValue', 'invalidPath')
      }
    }
    fc.assert(fc.property(text, isRead), runs(8000))
  })

  test('[R7644-3.4.3-01] any body of a search is understood, or refused', () => {
    const name = fc.constantFrom('filter', 'SORTBY', 'startIndex', 'count', 'attributes', 'cursor')
    const member = fc.oneof(path, fc.array(path, { maxLength: 3 }), fc.jsonValue({ maxDepth: 2 }))
    const body = fc.tuple(fc.dictionary(name, member as fc.Arbitrary<JsonValue>), fc.boolean())
    const isRead = ([members, isNamed]: [JsonObject, boolean]) => {
      const schemas = ['urn:ietf:params:scim:api:messages:2.0:SearchRequest']
      readOr(
        () => searchInBody({ ...members, ...(isNamed ? { schemas } : {}) }),
        ...['invalidValue', 'invalidSyntax', 'invalidCount'],
      )
    }
    fc.assert(fc.property(body, isRead), runs(4000))
  })

  test('[R7644-3.14-10] [R7644-3.14-11] a list of tags holds a version, or it does not', () => {
    const tag = fc
      .tuple(fc.constantFrom('W/', 'w/', ''), fc.constantFrom('"', ''), fc.integer({ max: 12 }))
      .map(([weak, quote, version]) => ({
        text: `${weak}${quote}${version}${quote}`,
        version,
        quote,
      }))
    const list = fc.array(tag, { maxLength: 4 })
    const blank = fc.constantFrom(',', ', ', ' ,', ' , ')
    fc.assert(
      fc.property(list, blank, fc.integer({ min: 1, max: 12 }), (tags, comma, version) => {
        const header = tags.map(({ text }) => text).join(comma)
        const holds = tags.some((one) => one.quote === '"' && one.version === version)
        expect(isKnown(etagOf(version), header)).toBe(holds)
        const match = () => requireMatch(version, { ifMatch: header, ifNoneMatch: undefined })
        if (holds) expect(match).not.toThrow()
        else expect(match).toThrow(ScimError)
      }),
      runs(8000),
    )
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (header) => {
        const holds = header.split(',').some((one) => /^\s*(?:W\/)?"7"\s*$/i.test(one))
        expect(isKnown('W/"7"', header)).toBe(holds || header.trim() === '*')
      }),
      runs(8000),
    )
  })

  test('a text is a dateTime exactly where a plain reading says so', () => {
    const digits = (length: number) =>
      fc.integer({ min: 0, max: 10 ** length - 1 }).map((n) => String(n).padStart(length, '0'))
    const two = fc.oneof(
      digits(2),
      fc.integer({ min: 0, max: 31 }).map((n) => String(n).padStart(2, '0')),
    )
    const zone = fc.oneof(
      fc.constantFrom('', 'Z', 'z', '+00:00', '-00:00', '+14:00', '+14:01', '-13:59', '+1:00'),
      fc.tuple(fc.constantFrom('+', '-'), two, two).map(([sign, h, m]) => `${sign}${h}:${m}`),
    )
    const fraction = fc.constantFrom('', '.5', '.123', '.999999', '.')
    const parts = fc.tuple(digits(4), two, two, two, two, two, fraction, zone)
    fc.assert(
      fc.property(parts, ([year, month, day, h, m, s, point, where]) => {
        const text = `${year}-${month}-${day}T${h}:${m}:${s}${point}${where}`
        const days = new Date(Date.UTC(2000 + (Number(year) % 400), Number(month), 0)).getUTCDate()
        const [zh = 0, zm = 0] = (/(\d\d):(\d\d)$/.exec(where) ?? []).slice(1).map(Number)
        const isTime =
          (Number(h) < 24 && Number(m) < 60 && Number(s) < 60) ||
          (`${h}${m}${s}` === '240000' && !/[1-9]/.test(point))
        const isOne =
          Number(month) >= 1 &&
          Number(month) <= 12 &&
          Number(day) >= 1 &&
          Number(day) <= days &&
          isTime &&
          point !== '.' &&
          (where === '' || where === 'Z' || /^[+-]\d\d:\d\d$/.test(where)) &&
          zm < 60 &&
          zh * 60 + zm <= 14 * 60
        const instant = instantOf(text)
        expect([text, instant !== undefined]).toEqual([text, isOne])
        if (instant === undefined || h === '24') return
        const parsed = Date.parse(where === '' ? `${text}Z` : text)
        // Either may have rounded the fraction of a millisecond.
        expect(Math.abs(instant - parsed)).toBeLessThanOrEqual(1)
      }),
      runs(10_000),
    )
  })

  test('any body of a bulk request is read operation by operation, or refused', () => {
    const any = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<JsonValue>
    const reference = fc.constantFrom('bulkId:a', 'bulkId:', 'bulkId:b', '/Users/bulkId:a', 'x')
    const links = fc.array(fc.record({ value: reference }), { minLength: 1, maxLength: 3 })
    const data = fc.oneof(
      fc.dictionary(
        fc.oneof(path, fc.constantFrom('members', 'Operations', 'path', 'value', 'manager')),
        fc.oneof(any, reference, fc.array(fc.record({ value: reference, path, op: reference }))),
        { maxKeys: 4 },
      ),
      fc.record({ members: links, displayName: reference }),
      fc.record({
        Operations: fc.array(
          fc.record({ path: fc.constantFrom('members', '', 'x'), value: links }),
        ),
      }),
    )
    const operation = fc.record(
      {
        method: fc.oneof(often(fc.constantFrom('POST', 'put', 'PATCH', 'DELETE', 'GET')), any),
        path: fc.oneof(
          often(fc.constantFrom('/Users', '/Groups/1', 'Users/%zz', '/', '/Users/a/b')),
          any,
        ),
        bulkId: fc.oneof(often(fc.constantFrom('a', 'b', 'c', '')), any),
        version: fc.oneof(often(fc.constant('W/"1"')), any),
        data: fc.oneof(often(data as fc.Arbitrary<JsonValue>), any),
      },
      { requiredKeys: [] },
    )
    const body = fc.record({
      schemas: fc.oneof(
        often(fc.constant(['urn:ietf:params:scim:api:messages:2.0:BulkRequest'])),
        any,
      ),
      Operations: fc.oneof({ weight: 5, arbitrary: fc.array(operation, { maxLength: 5 }) }, any),
      failOnErrors: fc.oneof(often(fc.constantFrom(undefined, 1, 7)), any),
    })
    let carried = 0
    let found = 0
    fc.assert(
      fc.property(body, (sent) => {
        const read = () => readBulk(WORLD, sent as JsonValue, DEFAULT_RULES)
        for (const one of readOr(read, 'invalidSyntax', 'invalidValue')?.operations ?? []) {
          if ('fault' in one) {
            expect(one.fault.status).toBe(400)
            continue
          }
          carried++
          const references = new Set<string>()
          const data = finished(
            withIds(one, (bulkId) => {
              references.add(bulkId)
              return 'id'
            }),
          )
          found += references.size
          // What is replaced is gone, and nothing else has changed.
          const again = new Set<string>()
          const same = finished(
            withIds({ ...one, data }, (bulkId) => {
              again.add(bulkId)
              return bulkId
            }),
          )
          expect([...again]).toEqual([])
          expect(same).toEqual(data)
          if (references.size === 0) expect(data).toEqual(one.data)
        }
      }),
      runs(4000),
    )
    expect(carried).toBeGreaterThan(20)
    expect(found).toBeGreaterThan(5)
  })

  test('[R7644-2-02] a header holds a bearer token in one form alone', () => {
    const word = fc.constantFrom('Bearer', 'bearer', 'BEARER', 'Basic', ' ', '  ', '\t', ',', 'a=b')
    const header = fc.oneof(
      fc
        .array(fc.oneof(word, fc.string({ maxLength: 6 })), { maxLength: 4 })
        .map((p) => p.join('')),
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc
        .tuple(fc.constantFrom('Bearer ', 'bearer  '), fc.string({ minLength: 1 }))
        .map((p) => p.join('')),
    )
    fc.assert(
      fc.property(header, (text) => {
        const token = tokenIn(text)
        const [scheme = '', ...rest] = text.split(' ').filter((one) => one !== '')
        const isOne =
          !text.startsWith(' ') &&
          scheme.toLowerCase() === 'bearer' &&
          rest.length === 1 &&
          [...(rest[0] ?? '')].every((one) => one > ' ' && one < '\u007f')
        expect([text, token]).toEqual([text, isOne ? rest[0] : undefined])
      }),
      runs(15_000),
    )
  })

  test('any text is JSON as JSON.parse reads it, or it is refused', () => {
    const token = fc.constantFrom(
      ...['{', '}', '[', ']', ',', ':', '"', '\\', '\\u', 'd83d', '\\ude00', '"a"', '"A"', 'null'],
      ...[
        'true',
        '0',
        '-',
        '1',
        '.',
        'e',
        '+',
        '9'.repeat(310),
        ' ',
        '\n',
        '\u00a0',
        '\ufeff',
        'é',
      ],
      ...['"__proto__"', '"\\u0000"', '\u0001', '\u007f', '\u2028', '//', 'NaN', "'", '😀'],
      ...['{"a":', '[[', '"b":1', '{}', '[]'],
    )
    const text = fc.array(token, { maxLength: 12 }).map((tokens) => tokens.join(''))
    const plainly = (written: string): unknown => {
      try {
        return { value: JSON.parse(written) }
      } catch {
        return undefined
      }
    }
    fc.assert(
      fc.property(text, (written) => {
        const value = readOr(
          () => ({ value: readJson(new TextEncoder().encode(written)) }),
          'invalidSyntax',
        )
        // One byte order mark is let pass, and a few things that JSON.parse lets pass are not.
        if (value !== undefined)
          expect(value).toEqual(plainly(written.replace(/^\ufeff/, '')) as never)
      }),
      runs(15_000),
    )
  })

  test('any schema file is served, or its faults are told', () => {
    const junk = fc.oneof(
      fc.jsonValue({ maxDepth: 1 }),
      fc.constantFrom('string', 'complex', 'never', 'writeOnly', 'User', 'value', 'id', 'meta'),
      fc.constantFrom('urn:x:y', '/Users', '/Schemas', true, '__proto__', 'toString', '$ref'),
    )
    const place = fc.array(fc.nat(40), { minLength: 1, maxLength: 5 })
    const damaged = fc.array(fc.tuple(fc.nat(2), place, junk), { minLength: 1, maxLength: 3 })
    let served = 0
    fc.assert(
      fc.property(damaged, (damages) => {
        const files: JsonValue[] = structuredClone([DEVICE_SCHEMA, WARRANTY_SCHEMA, DEVICE_TYPE])
        for (const [at, steps, value] of damages) damage(files[at], steps, value as JsonValue)
        const [device, warranty, type] = files.map((json) => ({ file: 'f.json', json }))
        if (!device || !warranty || !type) throw new Error('there are three files')
        try {
          compileChecks(buildRegistry([device, warranty], [type]).types)
          served++
        } catch (error) {
          if (!(error instanceof SchemaFaults)) throw error
          for (const { at, found, expected } of error.faults) {
            expect(at).toStartWith('$')
            expect(`${found} ${expected}`).not.toMatch(/undefined|\[object/)
          }
        }
      }),
      runs(3000),
    )
    expect(served).toBeGreaterThan(30)
  })

  test('any settings are read, or their faults are told', () => {
    using directory = temporary()
    const config = join(directory.cwd, 'scimd.json')
    const text = fc.oneof(fc.json(), fc.string({ unit: 'binary' }), fc.constant('{"tenants":{}}'))
    const flag = fc.oneof(
      fc.constantFrom('127.0.0.1:0', '[::1]:1', 'unix:', ':1', '0.0.0.0:80', 'https://h/scim/v2'),
      fc.string({ unit: 'binary' }),
      fc.constant(undefined),
    )
    fc.assert(
      fc.property(text, flag, flag, flag, (written, listen, baseUrl, token) => {
        writeFileSync(config, written)
        try {
          readConfig(
            { config, ...(listen === undefined ? {} : { listen }) },
            { SCIMD_BASE_URL: baseUrl, SCIMD_TOKEN: token },
          )
        } catch (error) {
          if (!(error instanceof ConfigFaults)) throw error
          for (const fault of error.faults) expect(fault).toMatch(/^(?:--|SCIMD_|\/).*: /s)
        }
      }),
      runs(1500),
    )
  })
})

/** Puts a value in place of whatever is somewhere within a document. */
function damage(within: JsonValue | undefined, steps: readonly number[], value: JsonValue): void {
  if (typeof within !== 'object' || within === null) return
  const keys = Object.keys(within)
  const key = keys[(steps[0] ?? 0) % keys.length]
  if (key === undefined) return
  const held = (within as JsonObject)[key]
  const isDeeper = steps.length > 1 && typeof held === 'object' && held !== null
  if (isDeeper) damage(held, steps.slice(1), value)
  else Object.assign(within, { [key]: value })
}
