/** Filters that are refused, never answered with all or nothing: RFC 7644 section 3.4.2.2. */

import { describe, expect, test } from 'bun:test'
import { FILTER_BYTES_MAX, FILTER_CLAUSES_MAX, FILTER_DEPTH_MAX } from '../../src/scim/limits.ts'
import { TARGETS } from '../harness.ts'
import { ENTERPRISE, expectError, query, sharedServer } from './given.ts'

/** Ids proven, filter, and what the message has to name. */
const REFUSED: readonly (readonly [ids: string, filter: string, ...mentions: string[]])[] = [
  ['R7644-3.4.2.2-12', 'active co "t"', 'active', 'co'],
  ['R7644-3.4.2.2-12', 'emails.primary sw "t"', 'primary', 'sw'],
  ['R7644-3.4.2.2-12', 'x509Certificates.value ew "t"', 'x509Certificates', 'ew'],
  ['R7644-3.4.2.2-23', 'active gt true', 'active', 'gt', '7'],
  ['R7644-3.4.2.2-23', 'active le true', 'le'],
  ['R7644-3.4.2.2-24', 'x509Certificates.value gt "a"', 'binary'],
  ['R7644-3.4.2.2-26', 'title gt null', 'null', 'gt'],
  ['R7644-3.4.2.2-27', 'userName eq 5', '5', 'offset 12', 'userName'],
  ['R7644-3.4.2.2-27', 'userName eq true', 'true'],
  ['R7644-3.4.2.2-27', 'active eq "yes"', '"yes"', 'active'],
  ['R7644-3.4.2.2-27', 'active eq 1', 'active'],
  ['R7644-3.4.2.2-28', 'meta.created gt "yesterday"', '"yesterday"', 'offset 16'],
  ['R7644-3.4.2.2-28', 'meta.created gt "2026-02-30T00:00:00Z"', 'dateTime'],
  ['R7644-3.4.2.2-28', 'meta.created gt "2026-01-01"', 'dateTime'],
  ['R7644-3.4.2.2-37', 'emails[type eq "a" and x[y eq 1]]', 'offset'],
  ['R7644-3.4.2.2-37', 'emails[emails[type eq "a"]]', 'offset'],
  ['R7644-3.4.2.2-40', 'userName[value eq "x"]', 'userName'],
  ['R7644-3.4.2.2-40', 'emails.value[value eq "x"]', 'emails.value'],
  ['R7644-3.4.2.2-43', 'name eq "x"', 'name'],
  ['R7644-3.4.2.2-43', 'meta co "x"', 'meta'],
  ['R7644-3.4.2.2-50 R7644-3.12-05', 'userName regex "x"', 'regex', 'offset 9'],
  ['R7644-3.4.2.2-50', 'userName zz "a"', 'zz'],
  ['R7644-3.4.2.2-50', 'userName = "a"', '=', 'offset 9'],
  ['R7644-3.4.2.2-51', 'userName eq', 'offset 11'],
  ['R7644-3.4.2.2-51', 'userName', 'offset'],
  ['R7644-3.4.2.2-51', '"userName"', 'offset 0'],
  ['R7644-3.4.2.2-51', '(userName pr', 'offset'],
  ['R7644-3.4.2.2-51', 'userName pr)', 'offset 11'],
  ['R7644-3.4.2.2-51', 'userName eq "a" and', 'offset'],
  ['R7644-3.4.2.2-51', 'and userName eq "a"', 'offset'],
  ['R7644-3.4.2.2-51', 'not userName pr', 'offset'],
  ['R7644-3.4.2.2-51', '()', 'offset 1'],
  ['R7644-3.4.2.2-51', 'emails[]', 'offset 7'],
  ['R7644-3.4.2.2-51', 'emails[type eq "work"', 'offset'],
  ['R7644-3.4.2.2-51', 'emails[type eq "work"].', 'offset'],
  ['R7644-3.4.2.2-51', 'userName eq "a', 'offset'],
  ['R7644-3.4.2.2-51', 'userName eq "\\x"', 'offset'],
  ['R7644-3.4.2.2-51', 'userName eq ["a"]', 'offset 12'],
  ['R7644-3.4.2.2-51', 'userName eq {}', 'offset 12'],
  ['R7644-3.4.2.2-51', 'emails..value pr', 'emails'],
  ['R7644-3.4.2.2-51', 'userName pr "x"', 'offset 12'],
  ['R7644-3.4.2.2-52', '', 'empty'],
  ['R7644-3.4.2.2-52', '   ', 'empty'],
  ['R7644-3.4.2.2-53', 'userName eq "a" foo', 'offset 16'],
  ['R7644-3.4.2.2-53', 'userName eq "a" "b"', 'offset 16'],
  ['R7644-3.4.2.2-54', 'userName eq a', 'offset 12'],
  ['R7644-3.4.2.2-54', "userName eq 'a'", 'offset 12'],
  ['R7644-3.4.2.2-57', 'userName eq 01', 'offset'],
  ['R7644-3.4.2.2-58 PROF-06', 'foo eq "x"', 'foo', 'offset 0'],
  ['R7644-3.4.2.2-58', 'userName eq "a" or foo pr', 'foo', 'offset 19'],
  ['R7644-3.4.2.2-58', 'emails[foo eq "x"]', 'foo', 'offset 7'],
  ['R7644-3.4.2.2-58', 'members eq "x"', 'members'],
  ['R7644-3.4.2.2-58', `${ENTERPRISE}:foo eq "x"`, 'foo'],
  ['R7644-3.4.2.2-58', 'urn:nothing:here:userName eq "x"', 'urn:nothing'],
  ['R7644-3.4.2.2-59', 'userName.foo eq "x"', 'userName.foo'],
  ['R7644-3.4.2.2-59', 'name.foo eq "x"', 'name.foo'],
  ['R7644-3.4.2.2-59', 'emails.value.x eq "x"', 'emails.value.x'],
  ['R7644-3.4.2.2-63', 'password eq "a"', 'password'],
]

const clauses = (count: number) => Array(count).fill('userName eq "ann"').join(' or ')
const nested = (depth: number) => `${'('.repeat(depth)}userName eq "ann"${')'.repeat(depth)}`
const long = (bytes: number) => `userName eq "ann"${' '.repeat(bytes - 'userName eq "ann"'.length)}`

for (const target of TARGETS) {
  describe(`refused filters (${target})`, () => {
    const scim = sharedServer({ target })
    const ask = async (filter: string) => scim.get(`/Users${query({ filter })}`)

    test.each(REFUSED)('[%s] "%s" is refused', async (_ids, filter, ...mentions) => {
      const reply = await ask(filter)
      expectError(reply, 400, 'invalidFilter', ...mentions.filter(Boolean))
      expect(reply.body).not.toHaveProperty('Resources')
    })

    test('a filter that is refused is refused for groups and for a page of none as well', async () => {
      expectError(await scim.get('/Groups?filter=userName+pr'), 400, 'invalidFilter', 'userName')
      expectError(await scim.get('/Users?count=0&filter=foo+pr'), 400, 'invalidFilter', 'foo')
    })

    test('[R7644-3.4.2.2-66] a filter has so many clauses, and no more', async () => {
      const { id } = await scim.user({ userName: 'ann' })
      const found = await ask(clauses(FILTER_CLAUSES_MAX))
      expect(found.body.Resources.map((user: { id: string }) => user.id)).toEqual([id])
      const refused = await ask(clauses(FILTER_CLAUSES_MAX + 1))
      expectError(refused, 400, 'invalidFilter', String(FILTER_CLAUSES_MAX))
    })

    test('[R7644-3.4.2.2-66] a filter nests so deep, and no deeper', async () => {
      expect((await ask(nested(FILTER_DEPTH_MAX))).body.totalResults).toBe(1)
      for (const depth of [FILTER_DEPTH_MAX + 1, 1000]) {
        const refused = await ask(nested(depth))
        expectError(refused, 400, 'invalidFilter', String(FILTER_DEPTH_MAX))
      }
      const nots = `${'not('.repeat(1000)}userName pr${')'.repeat(1000)}`
      expectError(await ask(nots), 400, 'invalidFilter')
    })

    test('[R7644-3.4.2.2-66] a filter is so long, in bytes, and no longer', async () => {
      expect((await ask(long(FILTER_BYTES_MAX))).body.totalResults).toBe(1)
      const refused = await ask(long(FILTER_BYTES_MAX + 1))
      expectError(refused, 400, 'invalidFilter', String(FILTER_BYTES_MAX))
    })
  })
}
