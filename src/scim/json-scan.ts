/** Decides whether a text is JSON by the rules of readJson, and explains where it is not. */

import { ScimError } from './error.ts'
import {
  JSON_DEPTH_MAX,
  JSON_MEMBERS_MAX,
  JSON_TOKEN_LENGTH_MAX,
  JSON_VALUES_MAX,
} from './limits.ts'
import { SECRET_NAME } from './secret.ts'
import type { Steps } from './steps.ts'

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
/** Lines are counted up to here; of what is further on, a message tells the character. */
const LINES_LENGTH_MAX = 64 * 1024
/** Characters that are scanned between two pauses. */
const STEP_LENGTH = 16 * 1024
/** White space that is skipped in one go. */
const SPACE_LENGTH = 64 * 1024

/** Is told what a scan finds, in the order of the text. Positions are in UTF-16 units. */
export interface Sink {
  /** An element, or a member, whose name ends at `nameEnd`, begins. */
  begins(at: number, nameEnd: number): void
  /** The bracket of an array or object that is the value which has begun. */
  opened(isObject: boolean): void
  /** Behind its closing bracket. */
  closed(end: number): void
  /** The value which has begun ended, whatever it is. */
  ended(end: number): void
}

/** An array or object that is not closed yet. */
interface Open {
  readonly isObject: boolean
  /** Where its names begin in the list of all names. */
  readonly first: number
  /** Its names, once they are too many to be compared one by one. */
  seen: Set<string> | undefined
  count: number
}

/** One pass over a text, which is JSON by the rules of readJson, or throws where it is not. */
export class Scan {
  readonly #text: string
  readonly #length: number
  #at = 0
  #escaped = false
  /** Where the names of the open objects begin and end, innermost object last. */
  readonly #names: number[] = []

  constructor(text: string) {
    this.#text = text
    this.#length = text.length
  }

  /** @throws ScimError invalidSyntax */
  *steps(sink?: Sink): Steps<void> {
    const text = this.#text
    const opens: Open[] = []
    let open: Open | undefined
    let values = 0
    let pauseAt = STEP_LENGTH
    while (this.#space()) yield
    if (this.#at === this.#length) {
      throw ScimError.of('invalidSyntax', 'the body is empty, expected JSON')
    }
    for (;;) {
      if (open) {
        const start = this.#at
        if (open.isObject) this.#name(open)
        sink?.begins(start, this.#at)
        if (open.isObject) {
          while (this.#space()) yield
          if (text.charCodeAt(this.#at) !== COLON) throw this.#unexpected('":"')
          this.#at++
          while (this.#space()) yield
        }
      }
      if (this.#at >= pauseAt) {
        yield
        pauseAt = this.#at + STEP_LENGTH
      }
      if (++values > JSON_VALUES_MAX)
        throw this.#tooMuch('the body holds more values', JSON_VALUES_MAX)
      const code = text.charCodeAt(this.#at)
      const isObject = code === BRACE_OPEN
      if (isObject || code === BRACKET_OPEN) {
        if (opens.length === JSON_DEPTH_MAX) throw this.#tooDeep()
        open = { isObject, first: this.#names.length, seen: undefined, count: 0 }
        opens.push(open)
        sink?.opened(isObject)
        this.#at++
        while (this.#space()) yield
        const end = isObject ? BRACE_CLOSE : BRACKET_CLOSE
        if (text.charCodeAt(this.#at) !== end) continue
        this.#at++
        opens.pop()
        open = opens.at(-1)
        sink?.closed(this.#at)
      } else this.#scalar(code)
      // And one has ended, with all that ends with it.
      for (;;) {
        sink?.ended(this.#at)
        while (this.#space()) yield
        if (!open) {
          if (this.#at < this.#length) throw this.#unexpected('the end of the body')
          return
        }
        const next = text.charCodeAt(this.#at)
        const end = open.isObject ? BRACE_CLOSE : BRACKET_CLOSE
        if (next !== COMMA && next !== end) {
          throw this.#unexpected(open.isObject ? '"," or "}"' : '"," or "]"')
        }
        this.#at++
        if (next === COMMA) {
          while (this.#space()) yield
          break
        }
        this.#names.length = open.first
        opens.pop()
        open = opens.at(-1)
        sink?.closed(this.#at)
      }
    }
  }

  /** The name of a member, which no other member of its object may have. */
  #name(open: Open): void {
    const start = this.#at
    if (++open.count > JSON_MEMBERS_MAX) {
      throw this.#tooMuch('an object has more members', JSON_MEMBERS_MAX)
    }
    if (this.#text.charCodeAt(start) !== QUOTE) {
      throw this.#unexpected('a member name in double quotes')
    }
    this.#string()
    const end = this.#at
    const names = this.#names
    if (this.#escaped || names.length - open.first === 2 * NAMES_COMPARED_MAX) {
      open.seen ??= this.#keysFrom(open.first)
    }
    if (open.seen) {
      const key = keyOf(this.#text.slice(start, end))
      if (open.seen.has(key)) throw this.#twice(start, end)
      open.seen.add(key)
    } else {
      if (this.#isNamedFrom(open.first, start, end)) throw this.#twice(start, end)
      names.push(start, end)
    }
  }

  #scalar(code: number): void {
    if (code === QUOTE) this.#string()
    else if (code === LOWER_T) this.#word('true')
    else if (code === LOWER_F) this.#word('false')
    else if (code === LOWER_N) this.#word('null')
    else this.#number()
  }

  #word(word: string): void {
    if (!this.#text.startsWith(word, this.#at)) throw this.#unexpected('a JSON value')
    this.#at += word.length
  }

  /** Skips white space; true when there may be more of it. */
  #space(): boolean {
    const text = this.#text
    const end = Math.min(this.#length, this.#at + SPACE_LENGTH)
    let at = this.#at
    while (at < end) {
      const code = text.charCodeAt(at)
      if (code !== SPACE && code !== LF && code !== CR && code !== TAB) break
      at++
    }
    this.#at = at
    return at === end && at < this.#length
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
    const start = this.#at
    const end = Math.min(this.#length, start + JSON_TOKEN_LENGTH_MAX + 2)
    let at = start + 1
    let escaped = false
    while (at < end) {
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
    if (end < this.#length) throw this.#tooLong('a string')
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
    const text = this.#text
    const end = Math.min(this.#length, from + JSON_TOKEN_LENGTH_MAX + 1)
    let at = from
    while (at < end) {
      const code = text.charCodeAt(at)
      if (code < ZERO || code > NINE) break
      at++
    }
    if (at - this.#at > JSON_TOKEN_LENGTH_MAX) throw this.#tooLong('a number')
    return at
  }

  #tooMuch(what: string, countMax: number): ScimError {
    const found = `${what} than the limit of ${countMax}`
    return this.#fault(found, this.#at, `at most ${countMax}`)
  }

  #tooLong(what: string): ScimError {
    const found = `${what} is longer than the limit of ${JSON_TOKEN_LENGTH_MAX} characters`
    return this.#fault(found, this.#at)
  }

  #tooDeep(): ScimError {
    const found = `arrays and objects nest deeper than the limit of ${JSON_DEPTH_MAX}`
    return this.#fault(found, this.#at, `at most ${JSON_DEPTH_MAX} levels`)
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
    const word = /[^\s"{}[\],:]{1,100}/y
    word.lastIndex = at
    const end = word.test(this.#text) ? word.lastIndex : at + 1
    return this.#fault(`found ${this.#quote(at, end)}`, at, expected)
  }

  #fault(found: string, at: number, expected?: string): ScimError {
    const tail = expected === undefined ? '' : `, expected ${expected}`
    return ScimError.of('invalidSyntax', `in the body, ${found} ${this.#where(at)}${tail}`)
  }

  /** Lines, columns and characters from 1, columns and characters in UTF-16 units. */
  #where(at: number): string {
    if (at > LINES_LENGTH_MAX) return `at character ${at + 1}`
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
    // What stands near such a name may be its value, without its quotes.
    if (SECRET_NAME.test(this.#text.slice(Math.max(0, start - SECRET_DISTANCE), start)))
      return 'text'
    const cut = end - start > QUOTED_LENGTH_MAX
    const text = this.#text.slice(start, cut ? start + QUOTED_LENGTH_MAX : end)
    return `"${text.toWellFormed()}${cut ? '…' : ''}"`
  }
}

/** Characters before a quotation in which the name of a secret is looked for. */
const SECRET_DISTANCE = 200

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
