/**
 * The bytes of a request body to a JSON value, stricter than JSON.parse. RFC 8259, RFC 7493 section
 * 2.
 */

import { ScimError } from './error.ts'
import { JSON_DEPTH_MAX, JSON_MEMBERS_MAX, JSON_VALUES_MAX } from './limits.ts'

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | JsonValue[]
  | { [member: string]: JsonValue }

/**
 * Reads a request body. Beyond JSON.parse it refuses, with 400 invalidSyntax: bytes that are not
 * UTF-8, nesting past JSON_DEPTH_MAX, escapes of lone surrogates, numbers that no double can hold,
 * and two members of one object whose names differ by ASCII case alone or not at all, because SCIM
 * names are case-insensitive (RFC 7643 section 2.1) and nobody could say which of the two was
 * meant. One byte order mark is skipped. `__proto__` becomes an own member like any other.
 *
 * A scan decides and explains, then the native parser, which is far faster at building objects
 * than anything written here, makes the value of a text that is known to be good.
 */
export function readJson(bytes: Uint8Array): JsonValue {
  const text = textOf(bytes)
  new Scan(text).body()
  const value: JsonValue = JSON.parse(text)
  return value
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })

function textOf(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes)
  } catch {
    const at = invalidByteOffset(bytes)
    throw ScimError.of('invalidSyntax', `the body is not UTF-8 near byte ${at}, expected UTF-8`)
  }
}

/** Where the bytes first differ from what a forgiving decoder makes of them, at most 2 too far. */
function invalidByteOffset(bytes: Uint8Array): number {
  const forgiven = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  const mended = new TextEncoder().encode(forgiven)
  let at = 0
  while (at < bytes.length && bytes[at] === mended[at]) at++
  return at
}

const TAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const QUOTE = 0x22
const PLUS = 0x2b
const COMMA = 0x2c
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const UPPER_E = 0x45
const BRACKET_OPEN = 0x5b
const BACKSLASH = 0x5c
const BRACKET_CLOSE = 0x5d
const LOWER_A = 0x61
const LOWER_E = 0x65
const LOWER_F = 0x66
const LOWER_N = 0x6e
const LOWER_T = 0x74
const LOWER_U = 0x75
const LOWER_Z = 0x7a
const BRACE_OPEN = 0x7b
const BRACE_CLOSE = 0x7d

/** Up to so many names of one object are compared one by one; beyond, a set is cheaper. */
const NAMES_COMPARED_MAX = 16
/** A double has no more than 309 digits before its point; below this a plain number is finite. */
const FINITE_DIGITS_MAX = 300
/** How much of a name or of a wrong text goes into a message, in UTF-16 units. */
const QUOTED_LENGTH_MAX = 60

/**
 * One pass over a text, which either is JSON by the rules of readJson or throws where it is not.
 */
class Scan {
  readonly #text: string
  readonly #length: number
  #at = 0
  #escaped = false
  #values = 0
  /** Where the names of the open objects begin and end, innermost object last. */
  readonly #names: number[] = []

  constructor(text: string) {
    this.#text = text
    this.#length = text.length
  }

  body(): void {
    this.#space()
    if (this.#at === this.#length) {
      throw ScimError.of('invalidSyntax', 'the body is empty, expected JSON')
    }
    this.#value(0)
    this.#space()
    if (this.#at < this.#length) throw this.#unexpected('the end of the body')
  }

  #space(): void {
    const text = this.#text
    let at = this.#at
    while (at < this.#length) {
      const code = text.charCodeAt(at)
      if (code !== SPACE && code !== LF && code !== CR && code !== TAB) break
      at++
    }
    this.#at = at
  }

  /** @param depth how many arrays and objects are open around the value */
  #value(depth: number): void {
    if (++this.#values > JSON_VALUES_MAX) {
      throw this.#fault(
        `the body holds more values than the limit of ${JSON_VALUES_MAX}`,
        this.#at,
        `at most ${JSON_VALUES_MAX}`,
      )
    }
    switch (this.#text.charCodeAt(this.#at)) {
      case QUOTE:
        return this.#string()
      case BRACE_OPEN:
        return this.#object(depth)
      case BRACKET_OPEN:
        return this.#array(depth)
      case LOWER_T:
        return this.#word('true')
      case LOWER_F:
        return this.#word('false')
      case LOWER_N:
        return this.#word('null')
      default:
        return this.#number()
    }
  }

  #word(word: string): void {
    if (!this.#text.startsWith(word, this.#at)) throw this.#unexpected('a JSON value')
    this.#at += word.length
  }

  #array(depth: number): void {
    this.#deepen(depth)
    if (this.#take(BRACKET_CLOSE)) return
    for (;;) {
      this.#value(depth + 1)
      this.#space()
      const code = this.#text.charCodeAt(this.#at)
      if (code !== COMMA && code !== BRACKET_CLOSE) throw this.#unexpected('"," or "]"')
      this.#at++
      if (code === BRACKET_CLOSE) return
      this.#space()
    }
  }

  #object(depth: number): void {
    this.#deepen(depth)
    if (this.#take(BRACE_CLOSE)) return
    const names = this.#names
    const first = names.length
    let seen: Set<string> | undefined
    for (let count = 1; ; count++) {
      const start = this.#at
      if (count > JSON_MEMBERS_MAX) {
        throw this.#fault(
          `an object has more members than the limit of ${JSON_MEMBERS_MAX}`,
          start,
          `at most ${JSON_MEMBERS_MAX}`,
        )
      }
      if (this.#text.charCodeAt(start) !== QUOTE) {
        throw this.#unexpected('a member name in double quotes')
      }
      this.#string()
      const end = this.#at
      if (
        seen === undefined &&
        (this.#escaped || names.length - first === 2 * NAMES_COMPARED_MAX)
      ) {
        seen = this.#keysFrom(first)
      }
      if (seen !== undefined) {
        const key = keyOf(this.#text.slice(start, end))
        if (seen.has(key)) throw this.#twice(start, end)
        seen.add(key)
      } else {
        if (this.#isNamedFrom(first, start, end)) throw this.#twice(start, end)
        names.push(start, end)
      }
      this.#space()
      if (this.#text.charCodeAt(this.#at) !== COLON) throw this.#unexpected('":"')
      this.#at++
      this.#space()
      this.#value(depth + 1)
      this.#space()
      const code = this.#text.charCodeAt(this.#at)
      if (code !== COMMA && code !== BRACE_CLOSE) throw this.#unexpected('"," or "}"')
      this.#at++
      if (code === BRACE_CLOSE) break
      this.#space()
    }
    names.length = first
  }

  #deepen(depth: number): void {
    if (depth === JSON_DEPTH_MAX) {
      throw this.#fault(
        `arrays and objects nest deeper than the limit of ${JSON_DEPTH_MAX}`,
        this.#at,
        `at most ${JSON_DEPTH_MAX} levels`,
      )
    }
    this.#at++
    this.#space()
  }

  #take(code: number): boolean {
    if (this.#text.charCodeAt(this.#at) !== code) return false
    this.#at++
    return true
  }

  /**
   * Whether a name of the object that began its names at `first` equals the one at start to end.
   */
  #isNamedFrom(first: number, start: number, end: number): boolean {
    const names = this.#names
    for (let i = first; i < names.length; i += 2) {
      const other = names[i] ?? 0
      const otherEnd = names[i + 1] ?? 0
      if (otherEnd - other === end - start && this.#isSameName(other, start, end)) return true
    }
    return false
  }

  #isSameName(other: number, start: number, end: number): boolean {
    const text = this.#text
    for (let a = other, b = start; b < end; a++, b++) {
      const x = text.charCodeAt(a)
      const y = text.charCodeAt(b)
      if (x === y) continue
      const lower = x | 0x20
      if (lower !== (y | 0x20) || lower < LOWER_A || lower > LOWER_Z) return false
    }
    return true
  }

  #keysFrom(first: number): Set<string> {
    const keys = new Set<string>()
    const names = this.#names
    for (let i = first; i < names.length; i += 2) {
      keys.add(keyOf(this.#text.slice(names[i], names[i + 1])))
    }
    return keys
  }

  #string(): void {
    const text = this.#text
    const length = this.#length
    const start = this.#at
    let at = start + 1
    let escaped = false
    while (at < length) {
      const code = text.charCodeAt(at)
      if (code === QUOTE) {
        this.#at = at + 1
        this.#escaped = escaped
        return
      }
      if (code === BACKSLASH) {
        escaped = true
        at = this.#escape(at)
      } else if (code < SPACE) {
        throw this.#fault(`a string holds the bare control character ${hexOf(code)}`, at)
      } else {
        at++
      }
    }
    throw this.#fault('a string is not closed', start)
  }

  /** Where the escape that begins at `at` ends; a high surrogate takes its low one along. */
  #escape(at: number): number {
    const code = this.#text.charCodeAt(at + 1)
    if (code !== LOWER_U) {
      // At the end of the text charAt is empty and passes; the string is then found unclosed.
      if (!'"\\/bfnrt'.includes(this.#text.charAt(at + 1))) {
        throw this.#fault(`${this.#quote(at, at + 2)} is not an escape`, at)
      }
      return at + 2
    }
    const unit = this.#hexUnit(at)
    if (unit < 0xd800 || unit > 0xdfff) return at + 6
    const low = this.#text.startsWith('\\u', at + 6) ? this.#hexUnit(at + 6) : 0
    if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff) {
      throw this.#fault(`${this.#quote(at, at + 6)} is half of a surrogate pair`, at)
    }
    return at + 12
  }

  #hexUnit(at: number): number {
    const digits = this.#text.slice(at + 2, at + 6)
    if (!/^[0-9A-Fa-f]{4}$/.test(digits)) {
      throw this.#fault(`${this.#quote(at, at + 6)} is not an escape`, at)
    }
    return Number.parseInt(digits, 16)
  }

  #number(): void {
    const text = this.#text
    const start = this.#at
    let at = start
    if (text.charCodeAt(at) === MINUS) at++
    const whole = at
    at = this.#digits(at)
    if (at === whole) throw this.#unexpected('a JSON value')
    if (at > whole + 1 && text.charCodeAt(whole) === ZERO) {
      throw this.#fault('a number begins with 0 and goes on', start)
    }
    if (text.charCodeAt(at) === DOT) at = this.#fraction(at + 1, start)
    const code = text.charCodeAt(at)
    const exponential = code === LOWER_E || code === UPPER_E
    if (exponential) {
      const sign = text.charCodeAt(at + 1)
      at = this.#fraction(sign === PLUS || sign === MINUS ? at + 2 : at + 1, start)
    }
    this.#at = at
    if (!exponential && at - start < FINITE_DIGITS_MAX) return
    if (!Number.isFinite(Number(text.slice(start, at)))) {
      throw this.#fault(`the number ${this.#quote(start, at)} is too large for a double`, start)
    }
  }

  /** Skips the digits that have to follow a decimal point or an exponent. */
  #fraction(at: number, start: number): number {
    const end = this.#digits(at)
    if (end === at) throw this.#fault(`the number ${this.#quote(start, at)} breaks off`, start)
    return end
  }

  #digits(from: number): number {
    let at = from
    while (at < this.#length) {
      const code = this.#text.charCodeAt(at)
      if (code < ZERO || code > NINE) break
      at++
    }
    return at
  }

  #twice(start: number, end: number): ScimError {
    return this.#fault(
      `an object names the member ${this.#quote(start + 1, end - 1)} twice`,
      start,
      'names that differ by more than case',
    )
  }

  #unexpected(expected: string): ScimError {
    const at = this.#at
    if (at >= this.#length) return this.#fault('the text breaks off', at, expected)
    const word = /[^\s"{}[\],:]+/y
    word.lastIndex = at
    const end = word.test(this.#text) ? word.lastIndex : at + 1
    return this.#fault(`found ${this.#quote(at, end)}`, at, expected)
  }

  #fault(found: string, at: number, expected?: string): ScimError {
    const tail = expected === undefined ? '' : `, expected ${expected}`
    return ScimError.of('invalidSyntax', `in the body, ${found} ${this.#where(at)}${tail}`)
  }

  /** Lines and columns from 1, columns in UTF-16 units. */
  #where(at: number): string {
    let line = 1
    let lineStart = 0
    for (;;) {
      const feed = this.#text.indexOf('\n', lineStart)
      if (feed === -1 || feed >= at) break
      lineStart = feed + 1
      line++
    }
    return `at line ${line}, column ${at - lineStart + 1}`
  }

  #quote(start: number, end: number): string {
    if (end === start + 1 && this.#text.charCodeAt(start) === QUOTE) return 'a double quote'
    const cut = end - start > QUOTED_LENGTH_MAX
    const text = this.#text.slice(start, cut ? start + QUOTED_LENGTH_MAX : end)
    return `"${text.toWellFormed()}${cut ? '…' : ''}"`
  }
}

/** What makes two member names the same: the decoded name in ASCII lower case. */
function keyOf(literal: string): string {
  const name: string = literal.includes('\\') ? JSON.parse(literal) : literal.slice(1, -1)
  // toLowerCase would also fold letters outside ASCII, such as the Kelvin sign.
  return /[^\0-\x7f]/.test(name) ? name.replace(/[A-Z]+/g, asciiLower) : name.toLowerCase()
}

function asciiLower(letters: string): string {
  return letters.toLowerCase()
}

function hexOf(code: number): string {
  return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
}
