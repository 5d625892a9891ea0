/** The forms that RFC 7643 gives to some strings. */

import { expect, test } from 'bun:test'
import { FORMATS, type Format } from '../../src/scim/format.ts'

/** The DER encoding of a value. */
function der(tag: number, ...content: number[]): number[] {
  const { length } = content
  const head = length < 0x80 ? [length] : [0x82, length >> 8, length & 0xff]
  return [tag, ...head, ...content]
}

const base64 = (bytes: number[]): string => Buffer.from(bytes).toString('base64')
const PARTS = [...der(0x30, ...new Array(300).fill(0)), ...der(0x30), ...der(0x03, 0)]
const CERTIFICATE = der(0x30, ...PARTS)

const GOOD: Readonly<Record<Format, readonly string[]>> = {
  country: ['CH', 'US', 'SL', 'AX'],
  locale: ['en', 'en-US', 'en_US', 'zh-Hant-TW', 'i-klingon', 'xx-YY', 'x-own'],
  languageRange: ['en', 'da, en-gb;q=0.8', '*', 'de-CH;q=1.000 , fr ; q=0.5', 'en-US'],
  timeZone: ['Europe/Zurich', 'UTC', 'America/Argentina/Buenos_Aires', 'america/los_angeles'],
  uri: ['https://example.com/a?b=c#d', '../Users/1', 'urn:a:b', 'a', 'http://[::1]/', '%20'],
  certificate: [base64(CERTIFICATE), base64(CERTIFICATE).replace(/=+$/, '')],
}

const BAD: Readonly<Record<Format, readonly string[]>> = {
  country: ['', 'ch', 'USA', 'XX', 'UK', 'EU', 'C', 'CH AT', 'Sierra Leone'],
  locale: ['', 'English (US)', 'en-', '-', 'en--US', 'abcdefghi', 'en-US.UTF-8'],
  languageRange: ['', 'en;q=2', 'en;q', 'en;q=0.1234', 'en,', 'en;q=1;q=1', 'en_US', 'a b'],
  timeZone: ['', 'Europe/Nowhere', '+01:00', 'Pacific Time', 'Europe/'],
  uri: ['', 'a b', 'a\nb', 'https://exämple.com', '%2', '%zz', 'a<b>', '"'],
  certificate: [
    '',
    'QUJD',
    '%%',
    base64([...CERTIFICATE, ...CERTIFICATE]),
    base64(CERTIFICATE.slice(0, -1)),
    base64(der(0x31, ...PARTS)),
    base64(der(0x30, ...PARTS, ...der(0x05))),
    base64(der(0x30, ...der(0x30), ...der(0x30))),
    base64([0x30, 0x80, ...PARTS]),
    base64([0x30, 0x88, 0, 0, 0, 0, 0, 0, 0, 0]),
    base64([0x30]),
  ],
}

test.each(Object.keys(FORMATS) as Format[])('%s: right forms and wrong ones', (format) => {
  const { matches } = FORMATS[format]
  for (const text of GOOD[format]) expect([text, matches(text)]).toEqual([text, true])
  for (const text of BAD[format]) expect([text, matches(text)]).toEqual([text, false])
})
