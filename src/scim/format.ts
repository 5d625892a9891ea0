/** Tells whether a string has the form that RFC 7643 gives to its attribute. */

import type { AttributeType } from './schema.ts'

/** Alpha-2 codes of ISO 3166-1. */
const COUNTRIES = new Set(
  `AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS
   BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE
   EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM
   HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC
   LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
   NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
   SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO
   TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW`.split(/\s+/),
)

/** Section 4.1.1 lets a locale have "_"; tags that nobody knows are not refused. RFC 5646. */
const LOCALE = /^[A-Za-z]{1,8}(?:[-_][A-Za-z0-9]{1,8})*$/

/** A range of Accept-Language, and its weight. RFC 9110 section 12.5.4. */
const LANGUAGE_RANGE = /^(?:\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)$/
const WEIGHT = /^q=(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/i

/** The characters of a URI or a relative reference. RFC 3986 section 2. */
const URI_REFERENCE = /^(?:[!#$&-;=?-[\]_a-z~]|%[0-9a-f]{2})+$/i

interface FormatRule {
  /** What type an attribute of this format has. */
  readonly type: AttributeType
  /** What a value has to be, as a message says it. */
  readonly expected: string
  matches(text: string): boolean
}

/**
 * The formats that a resource type file may give to a path. Those that RFC 7643 only recommends to
 * senders (addresses by RFC 5321, numbers by RFC 3966) are not among them.
 */
export const FORMATS = {
  country: {
    type: 'string',
    expected: 'a country as two capital letters of ISO 3166-1, such as "CH"',
    matches: (text) => COUNTRIES.has(text),
  },
  locale: {
    type: 'string',
    expected: 'a language tag such as "en-US"',
    matches: (text) => LOCALE.test(text),
  },
  languageRange: {
    type: 'string',
    expected: 'languages as in Accept-Language, such as "da, en-gb;q=0.8"',
    matches: (text) => text.split(',').every(isWeightedRange),
  },
  timeZone: {
    type: 'string',
    expected: 'a name of the IANA time zone database, such as "Europe/Zurich"',
    matches: isTimeZone,
  },
  uri: {
    type: 'reference',
    expected: 'a URI',
    matches: (text) => URI_REFERENCE.test(text),
  },
  certificate: {
    type: 'binary',
    expected: 'one DER-encoded certificate in base64',
    matches: isCertificate,
  },
} as const satisfies Record<string, FormatRule>

export type Format = keyof typeof FORMATS

function isWeightedRange(text: string): boolean {
  const [range = '', weight, ...more] = text.split(';').map((part) => part.trim())
  const isWeight = weight === undefined || WEIGHT.test(weight)
  return LANGUAGE_RANGE.test(range) && isWeight && more.length === 0
}

function isTimeZone(text: string): boolean {
  // Offsets such as +01:00 are known to Intl and are no names.
  if (!/^[A-Za-z]/.test(text)) return false
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }) !== undefined
  } catch {
    return false
  }
}

const SEQUENCE = 0x30
const BIT_STRING = 0x03

/**
 * Whether base64 text is one certificate and nothing behind it: a SEQUENCE of a SEQUENCE, a
 * SEQUENCE and a BIT STRING (RFC 5280 section 4.1).
 */
function isCertificate(text: string): boolean {
  let bytes: Uint8Array
  try {
    bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch {
    return false
  }
  const whole = elementAt(bytes, 0)
  if (!whole || bytes[0] !== SEQUENCE || whole.end !== bytes.length) return false
  let at = whole.start
  for (const tag of [SEQUENCE, SEQUENCE, BIT_STRING]) {
    const part = elementAt(bytes, at)
    if (!part || bytes[at] !== tag) return false
    at = part.end
  }
  return at === whole.end
}

/** Where the content of a DER element begins and ends, or undefined when it is cut off. */
function elementAt(bytes: Uint8Array, at: number): { start: number; end: number } | undefined {
  const first = bytes[at + 1]
  if (first === undefined) return undefined
  const count = first < 0x80 ? 0 : first & 0x7f
  // Four bytes of length are more than any request body has.
  if (first === 0x80 || count > 4) return undefined
  const start = at + 2 + count
  let length = count === 0 ? first : 0
  for (const byte of bytes.subarray(at + 2, start)) length = length * 256 + byte
  const end = start + length
  return end > bytes.length ? undefined : { start, end }
}
