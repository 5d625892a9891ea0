/** When a version that a client names is the version that there is. RFC 7644 section 3.14. */

import { describe, expect, test } from 'bun:test'
import { etagOf, isKnown, requireMatch } from '../../src/scim/etag.ts'
import { refusalOf } from './given.ts'

test('[R7644-3.14-03] a tag is weak and quoted', () => {
  expect(etagOf(7)).toBe('W/"7"')
})

describe('If-Match', () => {
  test.each([
    ['[R7644-3.14-09] the tag itself', 'W/"7"'],
    ['[R7644-3.14-10] the same tag as a strong one', '"7"'],
    ['[R7644-3.14-10] with a small letter', 'w/"7"'],
    ['[R7644-3.14-11] any version', '*'],
    ['[R7644-3.14-11] any version, with blanks', ' * '],
    ['a list with the tag in it', 'W/"1", "2" ,W/"7"'],
    ['[R7644-3.14-12] nothing', undefined],
  ])('%s matches', (_, ifMatch) => {
    expect(() => requireMatch(7, { ifMatch, ifNoneMatch: undefined })).not.toThrow()
  })

  test.each([
    ['[R7644-3.14-08] another version', 'W/"8"'],
    ['one that begins like it', 'W/"77"'],
    ['a tag without quotes', '7'],
    ['an empty header', ''],
    ['a list of others', 'W/"1","2"'],
  ])('%s does not', (_, ifMatch) => {
    const refusal = refusalOf(() => requireMatch(7, { ifMatch, ifNoneMatch: undefined }))
    expect([refusal.status, refusal.scimType]).toEqual([412, undefined])
    expect(refusal.message).toBe(`the resource is at W/"7", the request expects ${ifMatch}`)
  })
})

describe('If-None-Match', () => {
  test.each([
    ['[R7644-3.14-05] the tag', 'W/"7"', true],
    ['[R7644-3.14-06] a list', '"1", W/"7"', true],
    ['[R7644-3.14-06] any version', '*', true],
    ['[R7644-3.14-07] another version', 'W/"8"', false],
    ['nothing', undefined, false],
    ['an empty header', '', false],
  ])('%s is known or not', (_, ifNoneMatch, known) => {
    expect(isKnown('W/"7"', ifNoneMatch)).toBe(known)
  })

  test('a write is refused exactly where a read would be told that the version is known', () => {
    for (const ifNoneMatch of ['W/"7"', '"1", W/"7"', '*', 'W/"8"', '', undefined]) {
      const write = () => requireMatch(7, { ifMatch: undefined, ifNoneMatch })
      if (isKnown('W/"7"', ifNoneMatch)) expect(refusalOf(write).status).toBe(412)
      else expect(write).not.toThrow()
    }
  })
})
