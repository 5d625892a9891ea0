/** What is left out of the log of requests, and where a body is cut. */

import { describe, expect, test } from 'bun:test'
import { loadRegistry } from '../../src/schemas.ts'
import type { JsonValue } from '../../src/scim/json.ts'
import { REQUESTS_BODY_LENGTH_MAX } from '../../src/scim/limits.ts'
import {
  redactedAddress,
  redactedBody,
  redactedFilter,
  secretNames,
  sensitiveNames,
  withoutTokens,
} from '../../src/scim/redact.ts'

const USER = 'urn:ietf:params:scim:schemas:core:2.0:User'
const isSecret = secretNames(loadRegistry(undefined).types)
const isSensitive = sensitiveNames(['name.familyName', 'emails.value', `${USER}:title`])
const isHidden = (text: string) => isSecret(text) || isSensitive(text)
const TOKEN = `scimd_abcdefghijkl_${'A'.repeat(43)}`

const redacted = (body: JsonValue, lengthMax = REQUESTS_BODY_LENGTH_MAX) =>
  redactedBody(body, isSecret, isHidden, lengthMax)

describe('bodies', () => {
  test.each<[string, JsonValue]>([
    ['a member', { password: 'hunter2' }],
    ['another case', { PassWord: 'hunter2' }],
    ['a deep member', { a: [{ b: { password: { c: 'hunter2' } } }] }],
    ['a name with a URN', { [`${USER}:password`]: 'hunter2' }],
    ['a name that no schema has', { clientSecret: 'hunter2', pwd: ['hunter2'] }],
    ['a PATCH path', { Operations: [{ op: 'replace', path: 'password', value: 'hunter2' }] }],
    ['a value before its path', { Operations: [{ VALUE: 'hunter2', Path: `${USER}:Password` }] }],
    ['a PATCH value', { Operations: [{ op: 'add', value: { password: 'hunter2' } }] }],
    ['a list of names and values', { attributes: [{ name: 'password', value: 'hunter2' }] }],
    [
      'a filter in a path',
      { Operations: [{ op: 'remove', path: 'password[value eq "hunter2"]' }] },
    ],
    ['a filter in a path that is none', { path: 'x[password eq hunter2' }],
    ['a bulk request', { Operations: [{ method: 'POST', data: { password: 'hunter2' } }] }],
    ['a bulk path', { Operations: [{ path: '/Users/x/.verifyPassword', data: 'hunter2' }] }],
    ['a search', { filter: 'password eq "hunter2"' }],
    ['a search for what is sensitive', { filter: 'name[familyName eq "hunter2"]' }],
    ['a member named __proto__', JSON.parse('{"__proto__": {"password": "hunter2"}}')],
  ])('a secret is left out of %s', (_, body) => {
    expect(JSON.stringify(body)).toInclude('hunter2')
    const { body: kept, isCut, isRedacted } = redacted(body)
    expect(JSON.stringify(kept)).not.toInclude('hunter2')
    expect(JSON.stringify(kept)).toInclude('…')
    expect(isCut).toBe(false)
    expect(isRedacted).toBe(true)
  })

  test('everything else stays as it was sent', () => {
    const body = {
      schemas: [USER],
      userName: 'ada',
      active: 'True',
      n: 1.5,
      none: null,
      emails: [{ value: 'a@x', type: 'work', primary: true }],
      Operations: [{ op: 'add', path: 'emails[value eq "a@x"].display', value: ['x'] }],
      filter: 'userName eq "ada"',
    }
    expect(sensitiveNames([])('name.familyName')).toBe(false)
    expect(redactedBody(body, isSecret, isSecret, 10_000)).toEqual({
      body,
      isCut: false,
      isRedacted: false,
    })
  })

  test('a token shows its prefix only', () => {
    const { body } = redacted({ note: `it is ${TOKEN}.`, [TOKEN]: 1 })
    const prefix = 'scimd_abcdefghijkl_…'
    expect(body).toEqual({ note: `it is ${prefix}.`, [prefix]: 1 })
  })

  test('a text is kept to the limit, and cut one past it', () => {
    const text = 'x'.repeat(REQUESTS_BODY_LENGTH_MAX)
    expect(redacted(text)).toMatchObject({ body: text, isCut: false })
    expect(redacted(`${text}x`)).toMatchObject({ body: `${text}…`, isCut: true })
  })

  test('of a long body no more than its beginning is looked at', () => {
    const list = Array.from({ length: 100_000 }, (_, n) => ({ value: `id-${n}` }))
    const { body, isCut } = redacted({ members: list })
    const text = JSON.stringify(body)
    expect(isCut).toBe(true)
    expect(text).toStartWith('{"members":[{"value":"id-0"},{"value":"id-1"}')
    expect(text.length).toBeLessThan(2 * REQUESTS_BODY_LENGTH_MAX)
  })
})

describe('filters and addresses', () => {
  test.each([
    ['password eq "hunter2"', 'password eq "…"'],
    [
      'userName eq "x" and name.familyName co "a\\"b"',
      'userName eq "…" and name.familyName co "…"',
    ],
    ['emails[type eq "work" and value eq "a"]', 'emails[type eq "…" and value eq "…"]'],
    [`${USER}:TITLE gt 12.5e3`, `${USER}:TITLE gt …`],
    ['name.familyName is King', '…'],
  ])('%s is kept as %s', (filter, kept) => {
    expect(redactedFilter(filter, isHidden)).toBe(kept)
  })

  test('a filter that names nothing of the kind stays', () => {
    const filter = 'userName eq "secretary" and meta.created gt "2026-01-01T00:00:00Z"'
    expect(redactedFilter(filter, isHidden)).toBe(filter)
  })

  test.each([
    ['/Users?count=1&filter=name.familyName+eq+%22King%22', 'King'],
    ['/Users?FILTER=name.familyName+eq+%22King%22', 'King'],
    ['/Users?%66ilter=n%61me.familyName+eq+%22King%22', 'King'],
    ['/Users?filter=%', 'nothing'],
    ['/Users?flag?filter=name.familyName+eq+%22King%22', 'King'],
    ['/Users?flag%3fFilter=name.familyName+eq+%22King%22', 'King'],
    ['/Users?filter=name.familyName+eq+%22x?filter=King%22', 'King'],
    ['/Users?access_token=King', 'King'],
    ['/Users?p%61ssword=King', 'King'],
    [`/Users/${TOKEN}?x=${TOKEN}`, 'AAAA'],
  ])('of %s nothing secret is left', (address, secret) => {
    const kept = redactedAddress(address, isSecret, isHidden)
    expect(decodeURIComponent(kept.replace(/%(?![0-9A-F]{2})/g, ''))).not.toInclude(secret)
    expect(kept).toStartWith('/Users')
  })

  test('an address with nothing to hide stays as it is', () => {
    for (const address of [
      '/Users/x',
      '/Users?filter=userName+eq+%22a%22&count=2',
      '/?',
      '/Users?a?count=1&&b',
    ])
      expect(redactedAddress(address, isSecret, isHidden)).toBe(address)
    expect(withoutTokens('scimd_ is no token')).toBe('scimd_ is no token')
  })
})
