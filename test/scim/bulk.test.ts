/** Bulk requests as they are read, and where a bulkId is a reference: RFC 7644 section 3.7. */

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  type BulkOperation,
  bulkIdIn,
  readBulk as readBulkBy,
  withIds,
} from '../../src/scim/bulk.ts'
import type { JsonValue } from '../../src/scim/json.ts'
import { BULK_OPERATIONS_MAX } from '../../src/scim/limits.ts'
import type { Registry } from '../../src/scim/registry.ts'
import { finished } from '../../src/scim/steps.ts'
import { DEFAULT_RULES } from '../../src/scim/tolerance.ts'
import type { JsonObject } from '../../src/scim/value.ts'
import {
  DOTTED,
  ENTERPRISE,
  EXTRA,
  frozen,
  GROUP,
  patchBody,
  REGISTRY,
  refusalOf,
  SEED,
  USER,
} from './given.ts'

const BULK = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest'

const post = (more: JsonObject = {}): JsonObject => ({
  method: 'POST',
  path: '/Users',
  bulkId: 'u',
  data: { schemas: [USER], userName: 'ann' },
  ...more,
})

const request = (...operations: JsonValue[]): JsonObject => ({
  schemas: [BULK],
  Operations: operations,
})

const readBulk = (registry: Registry, body: JsonValue) => readBulkBy(registry, body, DEFAULT_RULES)

const read = (...operations: JsonValue[]) => readBulk(REGISTRY, request(...operations)).operations

const faultOf = (operation: JsonValue) => {
  const [only] = read(operation)
  if (!only || !('fault' in only)) throw new Error('was accepted')
  return only
}

describe('the request as a whole', () => {
  test.each([
    ['a text', 'x'],
    ['a list', [request(post())]],
    ['nothing', null],
    ['no schemas', { Operations: [post()] }],
    ['schemas that are a text', { schemas: BULK, Operations: [post()] }],
    ['another message', { schemas: [USER], Operations: [post()] }],
  ])('[R7644-3.7-01] %s is no BulkRequest', (_what, body) => {
    expect(refusalOf(() => readBulk(REGISTRY, body))).toMatchObject({ scimType: 'invalidSyntax' })
  })

  test('[R7644-3.7-01] its URN matches in any case, among others', () => {
    const body = { SCHEMAS: [5, USER, BULK.toUpperCase()], operations: [post()] }
    expect(readBulk(REGISTRY, body).operations).toHaveLength(1)
  })

  test.each([
    ['left out', {}],
    ['null', { Operations: null }],
    ['empty', { Operations: [] }],
    ['one object', { Operations: post() }],
  ])('[R7644-3.7-02] Operations that are %s are refused', (_what, members) => {
    expect(refusalOf(() => readBulk(REGISTRY, { schemas: [BULK], ...members }))).toMatchObject({
      scimType: 'invalidSyntax',
      message: expect.stringContaining('Operations'),
    })
  })

  test('[R7644-3.7-28] as many operations as the limit says, and not one more', () => {
    const many = (count: number) =>
      request(...Array.from({ length: count }, (_, index) => post({ bulkId: `u${index}` })))
    expect(readBulk(REGISTRY, many(BULK_OPERATIONS_MAX)).operations).toHaveLength(1000)
    expect(refusalOf(() => readBulk(REGISTRY, many(BULK_OPERATIONS_MAX + 1)))).toMatchObject({
      status: 413,
      scimType: undefined,
      message: expect.stringContaining('1000'),
    })
  })

  test.each([[-1], [1.5], ['1'], ['x'], [true], [[1]], [{}]])(
    '[R7644-3.7-12] failOnErrors %j is refused',
    (failOnErrors) => {
      const body = { ...request(post()), failOnErrors }
      expect(refusalOf(() => readBulk(REGISTRY, body))).toMatchObject({
        scimType: 'invalidValue',
        message: expect.stringContaining('failOnErrors'),
      })
    },
  )

  test('[R7644-3.7-12] failOnErrors is a whole number; without it, or with 0, nothing ends the job', () => {
    expect(readBulk(REGISTRY, { ...request(post()), FAILONERRORS: 2 }).failOnErrors).toBe(2)
    for (const members of [{}, { failOnErrors: null }, { failOnErrors: 0 }]) {
      const { failOnErrors } = readBulk(REGISTRY, { ...request(post()), ...members })
      expect(failOnErrors).toBe(Number.POSITIVE_INFINITY)
    }
  })

  test('[R7644-3.7-05] a bulkId that is there twice is refused, and case tells two apart', () => {
    const twice = request(post(), { method: 'DELETE', path: '/Users/1', bulkId: 'u' })
    expect(refusalOf(() => readBulk(REGISTRY, twice))).toMatchObject({
      scimType: 'invalidSyntax',
      message: expect.stringContaining('"u"'),
    })
    expect(read(post(), post({ bulkId: 'U' }))).toHaveLength(2)
  })
})

describe('one operation', () => {
  test('[R7644-3.7-03] methods match in any case', () => {
    const named = ['post', 'Put', 'pAtch', 'delete'].map((method) => ({
      METHOD: method,
      path: method === 'post' ? '/Users' : '/Users/1',
      data: {},
      ...(method === 'post' ? { BULKID: 'u' } : {}),
    }))
    expect(read(...named).map(({ method }) => method)).toEqual(['POST', 'PUT', 'PATCH', 'DELETE'])
  })

  test.each([
    ['[R7644-3.7-03] method GET', post({ method: 'GET' }), 'method'],
    ['[R7644-3.7-03] method HEAD', post({ method: 'HEAD' }), 'method'],
    ['[R7644-3.7-03] no method', post({ method: null }), 'method'],
    ['[R7644-3.7-03] method 5', post({ method: 5 }), 'method'],
    ['[R7644-3.7-03] a text in place of an operation', 'POST', 'method'],
    ['[R7644-3.7-03] null in place of an operation', null, 'method'],
    ['[R7644-3.7-04] a POST without a bulkId', post({ bulkId: null }), 'bulkId: found nothing'],
    ['[R7644-3.7-04] a POST with an empty bulkId', post({ bulkId: '' }), 'bulkId'],
    ['[R7644-3.7-04] a POST with a number as its bulkId', post({ bulkId: 5 }), 'the number 5'],
    ['[R7644-3.7-06] no path', post({ path: null }), 'path'],
    ['[R7644-3.7-06] a path that is a list', post({ path: ['/Users'] }), 'path'],
    ['[R7644-3.7-06] a POST to a resource', post({ path: '/Users/x' }), '/Users or /Groups'],
    ['[R7644-3.7-06] a POST to a search', post({ path: '/Users/.search' }), 'path'],
    ['[R7644-3.7-06] a PUT to a type', post({ method: 'PUT' }), 'with an id behind it'],
    ['[R7644-3.7-06] a DELETE of a type', post({ method: 'DELETE', path: '/Users/' }), 'path'],
    ['[R7644-3.7-06] an absolute path', post({ path: 'https://h/scim/v2/Users' }), 'path'],
    ['[R7644-3.7-06] a path with a query', post({ path: '/Users?attributes=id' }), 'path'],
    ['[R7644-3.7-06] a path with more segments', post({ path: '/Users/1/2' }), 'path'],
    ['[R7644-3.7-06] a path of no resource type', post({ path: '/undefined' }), 'path'],
    ['[R7644-3.7-06] the root', post({ path: '/' }), 'path'],
    ['[R7644-3.7-32] /Bulk', post({ path: '/Bulk' }), 'path'],
    ['[R7644-3.7-32] /Me', post({ path: '/Me' }), 'path'],
    ['[R7644-3.7-32] /Schemas', post({ path: '/Schemas' }), 'path'],
    ['[R7644-3.7-32] /.search', post({ path: '/.search' }), 'path'],
    [
      '[R7644-3.7-32] a schema',
      post({ method: 'PUT', path: `/Schemas/${USER}` }),
      'expected /Users',
    ],
    [
      '[R7644-3.7-32] the configuration',
      post({ method: 'PATCH', path: '/ServiceProviderConfig' }),
      'path',
    ],
    ['[R7644-3.7-07] a POST without data', post({ data: null }), 'data: found nothing'],
    ['[R7644-3.7-07] a PUT without data', { method: 'PUT', path: '/Users/1' }, 'data'],
    ['[R7644-3.7-07] a PATCH without data', { method: 'PATCH', path: '/Users/1' }, 'data'],
    ['[R7644-3.7-07] data that is a list', post({ data: [] }), 'data'],
    ['[R7644-3.7-07] data that is a text', post({ data: '{}' }), 'data'],
    [
      '[R7644-3.7-19] a version that is no text',
      { method: 'DELETE', path: '/Users/1', version: 1 },
      'version',
    ],
  ])('%s is a fault of the operation alone', (_what, operation, detail) => {
    const { fault } = faultOf(operation)
    expect(fault).toMatchObject({ status: 400, scimType: 'invalidSyntax' })
    expect(fault.message).toInclude('Operations[0]')
    expect(fault.message).toInclude(detail)
    expect(read(post({ bulkId: 'other' }), operation)[0]).toMatchObject({ bulkId: 'other' })
  })

  test('[R7644-3.7-13] [R7644-3.7-15] a fault keeps what its result repeats', () => {
    expect(faultOf(post({ data: null }))).toMatchObject({ method: 'POST', bulkId: 'u' })
    expect(faultOf({ method: 'put', path: '/Users/7' })).toMatchObject({
      method: 'PUT',
      place: { type: REGISTRY.typeNamed('User'), id: '7' },
    })
    expect(faultOf(post({ path: '/Me' })).place).toBeUndefined()
  })

  test('[R7644-3.7-06] a path may lack its slash, end in one, and is decoded once', () => {
    const paths = ['Users/a%2Fb', '/Users/a%2Fb', '/Users/a%2Fb/', '/Users/a%252Fb']
    const ids = read(...paths.map((path) => ({ method: 'DELETE', path }))).map((operation) =>
      'id' in operation ? operation.id : undefined,
    )
    expect(ids).toEqual(['a/b', 'a/b', 'a/b', 'a%2Fb'])
  })

  test('a broken escape in a path names nothing', () => {
    for (const path of ['/Users/a%Zb', '/Users/%', '/Users/%C3'])
      expect(faultOf({ method: 'DELETE', path }).fault.message).toInclude('percent-escapes')
  })

  test('[R7644-3.7-07] a DELETE needs no data', () => {
    expect(read({ method: 'DELETE', path: '/Users/1' })[0]).toMatchObject({ id: '1' })
  })
})

/** The data with each bulkId x replaced by <x>, and which ones were asked for. */
function replaced(path: string, method: string, data: JsonObject) {
  const [operation] = read({ method, path, bulkId: 'own', data: frozen(data) })
  if (!operation || 'fault' in operation) throw new Error('was refused')
  const asked: string[] = []
  const steps = withIds(operation as BulkOperation, (bulkId) => {
    asked.push(bulkId)
    return `<${bulkId}>`
  })
  const result = finished(steps)
  return { result, asked }
}

const body = (path: string, data: JsonObject) => replaced(path, 'POST', data)
const patched = (path: string, ...operations: JsonObject[]) => {
  const { result, asked } = replaced(`${path}/1`, 'PATCH', patchBody(...operations))
  return { asked, operations: (result as JsonObject)['Operations'] as JsonValue[] }
}

describe('references in a body', () => {
  test.each<[string, string, JsonObject, JsonObject]>([
    [
      'members',
      '/Groups',
      { members: [{ value: 'bulkId:a', type: 'User' }, { value: '7' }] },
      { members: [{ value: '<a>', type: 'User' }, { value: '7' }] },
    ],
    [
      'members in any case',
      '/Groups',
      { MEMBERS: [{ VALUE: 'bulkId:a', $REF: 'bulkId:b' }] },
      { MEMBERS: [{ VALUE: '<a>', $REF: '<b>' }] },
    ],
    [
      'one member alone',
      '/Groups',
      { members: { value: 'bulkId:a' } },
      { members: { value: '<a>' } },
    ],
    ['a member that is a text', '/Groups', { members: ['bulkId:a'] }, { members: ['<a>'] }],
    [
      'a URI of a member',
      '/Groups',
      {
        members: [{ $ref: 'https://h/scim/v2/Users/bulkId:a' }, { $ref: '../Users/bulkId:b%20c' }],
      },
      { members: [{ $ref: 'https://h/scim/v2/Users/<a>' }, { $ref: '../Users/<b c>' }] },
    ],
    [
      'a bulkId with a slash, a colon and a quote',
      '/Groups',
      { members: [{ value: 'bulkId:a/b' }, { value: 'bulkId:bulkId:a' }, { value: 'bulkId:"' }] },
      { members: [{ value: '<a/b>' }, { value: '<bulkId:a>' }, { value: '<">' }] },
    ],
    [
      'manager under the URN of its extension',
      '/Users',
      { [ENTERPRISE.toUpperCase()]: { manager: { value: 'bulkId:a' } } },
      { [ENTERPRISE.toUpperCase()]: { manager: { value: '<a>' } } },
    ],
    [
      'manager as a text',
      '/Users',
      { [ENTERPRISE]: { manager: 'bulkId:a' } },
      { [ENTERPRISE]: { manager: '<a>' } },
    ],
    [
      'an extension of which another has an attribute of the same name',
      '/Widgets',
      { owner: { value: 'bulkId:a' }, [EXTRA]: { owner: { value: 'bulkId:b' } } },
      { owner: { value: '<a>' }, [EXTRA]: { owner: { value: '<b>' } } },
    ],
    [
      'references of many values that are no links',
      '/Widgets',
      { keepers: [{ value: 'bulkId:a', type: 'first' }] },
      { keepers: [{ value: '<a>', type: 'first' }] },
    ],
  ])('[R7644-3.7-20] are replaced: %s', (_what, path, given, expected) => {
    expect(body(path, given).result).toEqual(expected)
  })

  test.each<[string, string, JsonObject]>([
    ['a name', '/Groups', { displayName: 'bulkId:a' }],
    ['the value of an e-mail address', '/Users', { emails: [{ value: 'bulkId:a' }] }],
    [
      'a title, and a name within a name',
      '/Users',
      { title: 'bulkId:a', name: { givenName: 'bulkId:a' } },
    ],
    ['a URI of something else', '/Users', { profileUrl: 'https://h/Users/bulkId:a' }],
    ['another case', '/Groups', { members: [{ value: 'BulkId:a' }, { value: 'bulkid:a' }] }],
    ['a text around it', '/Groups', { members: [{ value: ' bulkId:a' }, { value: 'xbulkId:a' }] }],
    [
      'a bulkId of no characters',
      '/Groups',
      { members: [{ value: 'bulkId:' }, { $ref: '/bulkId:' }] },
    ],
    [
      'what is said about a reference',
      '/Groups',
      { members: [{ value: '1', display: 'bulkId:a' }] },
    ],
    ['the type of a reference', '/Widgets', { keepers: [{ value: '1', type: 'bulkId:a' }] }],
    ['a reference that is readOnly', '/Users', { groups: [{ value: 'bulkId:a' }] }],
    ['an id', '/Users', { id: 'bulkId:a', externalId: 'bulkId:a' }],
    ['what is outside of its extension', '/Users', { manager: { displayName: 'bulkId:a' } }],
    ['an extension without references', '/Widgets', { [DOTTED]: { note: 'bulkId:a' } }],
    ['an unknown attribute', '/Users', { unknown: { value: 'bulkId:a' } }],
    ['numbers, null and nothing', '/Groups', { members: [5, null, true], displayName: null }],
  ])('[R7644-3.7-25] stay as they are: %s', (_what, path, given) => {
    const { result, asked } = body(path, given)
    expect(result).toEqual(given)
    expect(asked).toEqual([])
  })

  test('[R7644-3.7-25] anything without the prefix stays as it is', () => {
    const text = fc.string().filter((value) => !value.includes('bulkId:'))
    fc.assert(
      fc.property(fc.array(text), text, (values, display) => {
        const given = {
          displayName: `bulkId:${display}`,
          members: values.map((value) => ({ value })),
        }
        expect(body('/Groups', given)).toEqual({ result: given, asked: [] })
      }),
      { seed: SEED },
    )
  })

  test(`[R7644-3.7-20] any bulkId is found again (SCIMD_SEED=${SEED})`, () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 }), { maxLength: 5 }), (bulkIds) => {
        const members = bulkIds.map((bulkId) => ({ value: `bulkId:${bulkId}` }))
        expect(body('/Groups', { members }).asked).toEqual(bulkIds)
      }),
      { seed: SEED },
    )
  })
})

describe('references in a PATCH', () => {
  test.each<[string, string, JsonObject, JsonObject]>([
    [
      'a list of values',
      '/Groups',
      { op: 'add', path: 'members', value: [{ value: 'bulkId:a' }] },
      { op: 'add', path: 'members', value: [{ value: '<a>' }] },
    ],
    [
      'one value under a path with its URN',
      '/Groups',
      { op: 'add', path: `${GROUP}:members`, VALUE: { value: 'bulkId:a' } },
      { op: 'add', path: `${GROUP}:members`, VALUE: { value: '<a>' } },
    ],
    [
      'a filter in the path',
      '/Groups',
      { op: 'remove', path: 'members[value eq "bulkId:a"]' },
      { op: 'remove', path: 'members[value eq "<a>"]' },
    ],
    [
      'a filter of several terms',
      '/Groups',
      {
        op: 'remove',
        path: 'members[VALUE  EQ "bulkId:a" or (value ne "1" and $ref eq "/U/bulkId:b")]',
      },
      { op: 'remove', path: 'members[VALUE  EQ "<a>" or (value ne "1" and $ref eq "/U/<b>")]' },
    ],
    [
      'a bulkId that a filter has to escape',
      '/Groups',
      { op: 'remove', path: 'members[value eq "bulkId:a\\"\\\\\\u0062"]' },
      { op: 'remove', path: 'members[value eq "<a\\"\\\\b>"]' },
    ],
    [
      'a value without a path',
      '/Groups',
      { op: 'add', value: { members: [{ value: 'bulkId:a' }], displayName: 'bulkId:x' } },
      { op: 'add', value: { members: [{ value: '<a>' }], displayName: 'bulkId:x' } },
    ],
    [
      'a value with an empty path',
      '/Groups',
      { op: 'add', path: '', value: { members: ['bulkId:a'] } },
      { op: 'add', path: '', value: { members: ['<a>'] } },
    ],
    [
      'an extension in a value without a path',
      '/Users',
      { op: 'add', value: { [ENTERPRISE]: { manager: { value: 'bulkId:a' } } } },
      { op: 'add', value: { [ENTERPRISE]: { manager: { value: '<a>' } } } },
    ],
    [
      'a path as a key',
      '/Users',
      { op: 'add', value: { [`${ENTERPRISE}:manager`]: 'bulkId:a', 'name.givenName': 'bulkId:x' } },
      { op: 'add', value: { [`${ENTERPRISE}:manager`]: '<a>', 'name.givenName': 'bulkId:x' } },
    ],
    [
      'a path as a key within an extension',
      '/Users',
      { op: 'add', value: { [ENTERPRISE]: { 'manager.value': 'bulkId:a' } } },
      { op: 'add', value: { [ENTERPRISE]: { 'manager.value': '<a>' } } },
    ],
    [
      'the path of an extension, of which another has the same name',
      '/Widgets',
      { op: 'add', path: EXTRA, value: { owner: { value: 'bulkId:a' } } },
      { op: 'add', path: EXTRA, value: { owner: { value: '<a>' } } },
    ],
    [
      'the path of a reference',
      '/Users',
      { op: 'replace', path: `${ENTERPRISE}:manager`, value: 'bulkId:a' },
      { op: 'replace', path: `${ENTERPRISE}:manager`, value: '<a>' },
    ],
    [
      'the path of the value of a reference',
      '/Users',
      { op: 'replace', path: `${ENTERPRISE}:manager.value`, value: 'bulkId:a' },
      { op: 'replace', path: `${ENTERPRISE}:manager.value`, value: '<a>' },
    ],
    [
      'the path of the URI of a reference',
      '/Users',
      { op: 'replace', path: `${ENTERPRISE}:manager.$ref`, value: '/Users/bulkId:a' },
      { op: 'replace', path: `${ENTERPRISE}:manager.$ref`, value: '/Users/<a>' },
    ],
    [
      'a value wrapped as Entra ID wraps it',
      '/Users',
      { op: 'add', path: `${ENTERPRISE}:manager`, value: [{ $ref: null, value: 'bulkId:a' }] },
      { op: 'add', path: `${ENTERPRISE}:manager`, value: [{ $ref: null, value: '<a>' }] },
    ],
    [
      'the value of elements that a filter selects',
      '/Widgets',
      { op: 'replace', path: 'keepers[type eq "first"].value', value: 'bulkId:a' },
      { op: 'replace', path: 'keepers[type eq "first"].value', value: '<a>' },
    ],
  ])('[R7644-3.7-20] are replaced: %s', (_what, path, given, expected) => {
    expect(patched(path, given).operations).toEqual([expected])
  })

  test.each<[string, string, JsonObject]>([
    ['a name', '/Groups', { op: 'replace', path: 'displayName', value: 'bulkId:a' }],
    ['an e-mail address', '/Users', { op: 'add', path: 'emails', value: [{ value: 'bulkId:a' }] }],
    ['a filter on addresses', '/Users', { op: 'remove', path: 'emails[value eq "bulkId:a"]' }],
    ['a filter on names', '/Groups', { op: 'remove', path: 'members[display eq "bulkId:a"]' }],
    [
      'what only looks like a comparison',
      '/Groups',
      { op: 'remove', path: 'members[display eq "value eq " and display eq "bulkId:a"]' },
    ],
    [
      'the type of a reference',
      '/Widgets',
      { op: 'replace', path: 'keepers[value eq "1"].type', value: 'bulkId:a' },
    ],
    ['an unknown path', '/Groups', { op: 'add', path: 'no[such "bulkId:a"', value: 'bulkId:a' }],
    ['a path that is no text', '/Groups', { op: 'add', path: 5, value: [{ value: 'bulkId:a' }] }],
    ['an op', '/Groups', { op: 'bulkId:a', path: 'members' }],
    ['a text without a path', '/Groups', { op: 'add', value: 'bulkId:a' }],
  ])('[R7644-3.7-25] stay as they are: %s', (_what, path, given) => {
    const { operations, asked } = patched(path, given)
    expect(operations).toEqual([given])
    expect(asked).toEqual([])
  })

  test('[R7644-3.7-08] Operations that are no list of objects are left for the PATCH to refuse', () => {
    for (const data of [{ Operations: 'x' }, { Operations: ['bulkId:a', null] }, {}]) {
      expect(replaced('/Groups/1', 'PATCH', data).result).toEqual(data)
    }
  })

  test('a path of any length is passed over quickly', () => {
    for (const path of ['['.repeat(200_000), `members[${'"'.repeat(200_000)}`]) {
      expect(patched('/Groups', { op: 'remove', path }).asked).toEqual([])
    }
  })
})

test('[R7644-3.7-20] a reference to a bulkId begins with the literal', () => {
  expect(bulkIdIn('bulkId:a')).toBe('a')
  expect(bulkIdIn('bulkId:bulkId:')).toBe('bulkId:')
  for (const text of ['bulkId:', 'BULKID:a', 'a', '']) expect(bulkIdIn(text)).toBeUndefined()
})
