/** Which texts are dateTimes, and when two of them are the same moment. RFC 7643 section 2.3.5. */

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { instantOf, isoOf } from '../../src/scim/instant.ts'
import { SEED } from './given.ts'

describe('[R7643-2.3-06] a dateTime', () => {
  test.each([
    ['in UTC', '2008-01-23T04:56:22Z', Date.UTC(2008, 0, 23, 4, 56, 22)],
    ['without a zone is in UTC', '2008-01-23T04:56:22', Date.UTC(2008, 0, 23, 4, 56, 22)],
    ['east of UTC', '2008-01-23T04:56:22+02:00', Date.UTC(2008, 0, 23, 2, 56, 22)],
    ['west of UTC', '2008-01-23T04:56:22-05:30', Date.UTC(2008, 0, 23, 10, 26, 22)],
    ['with an unknown zone', '2008-01-23T04:56:22-00:00', Date.UTC(2008, 0, 23, 4, 56, 22)],
    ['in the farthest zone', '2008-01-23T14:00:00+14:00', Date.UTC(2008, 0, 23)],
    ['with milliseconds', '2008-01-23T04:56:22.25Z', Date.UTC(2008, 0, 23, 4, 56, 22, 250)],
    ['with less than a millisecond', '1970-01-01T00:00:00.0005Z', 0.5],
    ['with seven digits, as .NET writes it', '1970-01-01T00:00:01.0000000Z', 1000],
    ['on a leap day', '2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
    ['on the leap day of a century', '2000-02-29T00:00:00Z', Date.UTC(2000, 1, 29)],
    ['at the end of a day', '2008-01-23T24:00:00Z', Date.UTC(2008, 0, 24)],
    ['at the end of a year', '2008-12-31T24:00:00.000Z', Date.UTC(2009, 0, 1)],
    ['before 1970', '1969-12-31T23:59:59Z', -1000],
    ['in a year of two digits', '0099-01-01T00:00:00Z', yearStart(99)],
    ['before Christ', '-0001-01-01T00:00:00Z', yearStart(-1)],
    ['after year 9999', '12345-01-01T00:00:00Z', Date.UTC(12345, 0, 1)],
  ])('%s', (_, text, instant) => {
    expect(instantOf(text)).toBe(instant)
  })

  test.each([
    ['a date alone', '2008-01-23'],
    ['a time alone', '04:56:22Z'],
    ['nothing', ''],
    ['a blank for the T', '2008-01-23 04:56:22Z'],
    ['small letters', '2008-01-23t04:56:22z'],
    ['blanks around it', ' 2008-01-23T04:56:22Z '],
    ['a line break behind it', '2008-01-23T04:56:22Z\n'],
    ['no seconds', '2008-01-23T04:56Z'],
    ['a year of three digits', '208-01-23T04:56:22Z'],
    ['a plus before the year', '+2008-01-23T04:56:22Z'],
    ['month 0', '2008-00-23T04:56:22Z'],
    ['month 13', '2008-13-23T04:56:22Z'],
    ['day 0', '2008-01-00T04:56:22Z'],
    ['30 February', '2008-02-30T04:56:22Z'],
    ['29 February of a common year', '2023-02-29T00:00:00Z'],
    ['29 February of a common century', '1900-02-29T00:00:00Z'],
    ['31 April', '2008-04-31T04:56:22Z'],
    ['hour 25', '2008-01-23T25:00:00Z'],
    ['a moment past 24:00', '2008-01-23T24:00:01Z'],
    ['a fraction past 24:00', '2008-01-23T24:00:00.001Z'],
    ['minute 60', '2008-01-23T04:60:22Z'],
    ['second 60', '2008-12-31T23:59:60Z'],
    ['a fraction without digits', '2008-01-23T04:56:22.Z'],
    ['a comma', '2008-01-23T04:56:22,5Z'],
    ['a zone without a colon', '2008-01-23T04:56:22+0200'],
    ['a zone past 14 hours', '2008-01-23T04:56:22+14:01'],
    ['a zone of minute 60', '2008-01-23T04:56:22+02:60'],
    ['a year that no clock reaches', '999999999-01-01T00:00:00Z'],
    ['other digits', '２００８-01-23T04:56:22Z'],
  ])('but not %s', (_, text) => {
    expect(instantOf(text)).toBeUndefined()
  })
})

function yearStart(year: number): number {
  const date = new Date(0)
  date.setUTCFullYear(year, 0, 1)
  return date.getTime()
}

test(`what a clock writes is read back to the millisecond (SCIMD_SEED=${SEED})`, () => {
  const range = { min: new Date('0000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z') }
  fc.assert(
    fc.property(fc.date({ ...range, noInvalidDate: true }), (date) => {
      expect(instantOf(date.toISOString())).toBe(date.getTime())
    }),
    { seed: SEED, numRuns: 1000 },
  )
})

test(`no text is read as no number (SCIMD_SEED=${SEED})`, () => {
  const part = fc.constantFrom(...'0123456789-:TZ+.', '2026-01-31T', '09:30:00', '+01:00')
  const text = fc.array(part, { maxLength: 12 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(text, (written) => {
      expect(instantOf(written)).not.toBeNaN()
    }),
    { seed: SEED, numRuns: 2000 },
  )
})

test(`a moment is written as Date writes it (SCIMD_SEED=${SEED})`, () => {
  const moments = fc.oneof(fc.integer({ min: -1e14, max: 1e14 }), fc.integer({ min: 0, max: 2e12 }))
  fc.assert(
    fc.property(moments, fc.nat(2 * 86_400_000), (moment, later) => {
      for (const time of [moment, moment + later]) {
        expect(isoOf(time)).toBe(new Date(time).toISOString())
      }
    }),
    { seed: SEED, numRuns: 2000 },
  )
})
