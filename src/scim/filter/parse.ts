/**
 * The text of a filter, or of a PATCH path, to its syntax tree. RFC 7644 sections 3.4.2.2 and
 * 3.5.2.
 */

import { ScimError, type ScimType } from '../error.ts'
import { FILTER_BYTES_MAX, FILTER_CLAUSES_MAX, FILTER_DEPTH_MAX } from '../limits.ts'
import { SECRET_NAME } from '../secret.ts'
import type { CompareOperator, Filter, Literal, PathText } from './filter.ts'

/** A PATCH path: `path`, `path[filter]` or `path[filter].sub`. RFC 7644 figure 7. */
export interface PatchPath {
  readonly path: PathText
  readonly filter?: Filter
  readonly sub?: PathText
}

/**
 * Parses a filter. Grouping binds tighter than `not`, that than `and`, that than `or`; keywords and
 * operators are case-insensitive. Chains of one connective become one node with its operands in the
 * order written, whether or not parentheses stand between them. Whether a path exists is for the
 * schemas to say.
 *
 * Beyond figure 1 of RFC 7644 it accepts `not (` and any filter in a value path (errata 7319 and
 * 7322), spaces and tabs around the tokens, and what Entra sends to match on an address:
 * `emails[type eq "work"].value eq "a"`, which becomes the value path
 * `emails[type eq "work" and value eq "a"]`. Unlike figure 1 it refuses a value path within a value
 * path (erratum 4690).
 *
 * Throws 400 invalidFilter with the offset, in UTF-16 units from 0, of what was found, and where
 * FILTER_BYTES_MAX, FILTER_DEPTH_MAX or FILTER_CLAUSES_MAX is passed.
 */
export function parseFilter(text: string): Filter {
  requireLength('filter', text, 'invalidFilter')
  const parser = new Parser('filter', text)
  parser.space()
  if (parser.isAtEnd()) {
    throw ScimError.of('invalidFilter', `the filter is empty at offset 0, expected ${ATTRIBUTE}`)
  }
  const filter = parser.filter(0, false)
  if (!parser.isAtEnd()) throw parser.unexpected('and, or or the end of the filter')
  return filter
}

/**
 * Parses the path of a PATCH operation, which may be the bare URN of a schema; spaces around it are
 * ignored. Unlike in a filter, the sub-attribute behind the brackets is kept apart from them: they
 * select the elements, it is what the operation is aimed at.
 *
 * Throws 400 invalidPath where the path as such is at fault, array indexes and JSON Pointers among
 * the faults, and 400 invalidFilter where the text within the brackets is.
 */
export function parsePatchPath(text: string): PatchPath {
  requireLength('path', text, 'invalidPath')
  const parser = new Parser('path', text)
  parser.space()
  if (parser.isAtEnd()) {
    throw ScimError.of('invalidPath', `the path is empty at offset 0, expected ${ATTRIBUTE}`)
  }
  const path = parser.path('invalidPath')
  parser.space()
  if (parser.isAtEnd()) return { path }
  if (parser.next() !== '[') throw parser.unexpected('"[" or the end of the path', 'invalidPath')
  requireFilterBrackets(text, parser.offset())
  const filter = parser.brackets(0)
  const sub = parser.take('.') ? parser.subAttribute('invalidPath') : undefined
  parser.space()
  if (!parser.isAtEnd()) {
    const expected = sub === undefined ? '"." or the end of the path' : 'the end of the path'
    throw parser.unexpected(expected, 'invalidPath')
  }
  return sub === undefined ? { path, filter } : { path, filter, sub }
}

const ATTRIBUTE = 'an attribute'
const LITERAL = 'a string in double quotes, a number, true, false or null'
const OPERATOR = 'eq, ne, co, sw, ew, gt, ge, lt, le or pr'
const OPERATORS: ReadonlyMap<string, CompareOperator | 'pr'> = new Map(
  (['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le', 'pr'] as const).map((name) => [
    name,
    name,
  ]),
)
const CONNECTIVES: ReadonlyMap<string, 'and' | 'or'> = new Map([
  ['and', 'and'],
  ['or', 'or'],
])
const WORDS: ReadonlyMap<string, Literal> = new Map([
  ['true', true],
  ['false', false],
  ['null', null],
])

/** Everything that can be a path: a name, name.sub, or either behind a URN. */
const PATH = /[A-Za-z$][A-Za-z0-9:._$-]*/y
/** ATTRNAME of RFC 7643 section 2.1, to which `$ref` adds the dollar. */
const NAME = /[A-Za-z$][A-Za-z0-9_$-]*/y
/** Whatever stands where a keyword, an operator or a value without quotes should. */
const WORD = /[^ \t()[\]"]+/y
const SPACE = /[ \t]+/y
/** `not` is negation where a parenthesis follows, else an attribute of that name. */
const NEGATION = /not[ \t]*(?=\()/iy
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})/y
const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/
const PLAIN_PATH = /^[A-Za-z$][A-Za-z0-9_$-]*(?:\.[A-Za-z$][A-Za-z0-9_$-]*)?$/
/**
 * A path with a URI in front, none of its parts empty; a URN has a namespace and a name. Where the
 * URI ends and the attribute begins cannot be seen here, since both may hold dots.
 */
const URI_PATH = /^(?!urn:[^:]*$)[^:.]+(?:[:.][^:.]+)+$/i

/** How much of what was found goes into a message, in UTF-16 units. */
const QUOTED_LENGTH_MAX = 60

/** Reads one text from left to right; recursion is bounded by FILTER_DEPTH_MAX. */
class Parser {
  readonly #noun: 'filter' | 'path'
  readonly #text: string
  #at = 0
  #clauses = 0

  constructor(noun: 'filter' | 'path', text: string) {
    this.#noun = noun
    this.#text = text
  }

  offset(): number {
    return this.#at
  }

  isAtEnd(): boolean {
    return this.#at === this.#text.length
  }

  next(): string {
    return this.#text.charAt(this.#at)
  }

  take(character: string): boolean {
    if (this.next() !== character) return false
    this.#at++
    return true
  }

  /** Skips spaces and tabs; tells whether there were any. */
  space(): boolean {
    return this.#match(SPACE) !== undefined
  }

  /**
   * A whole filter and the spaces behind it, up to a character that cannot continue it.
   *
   * @param depth how many parentheses, `not` and brackets are open around it
   */
  filter(depth: number, isInValuePath: boolean): Filter {
    const alternatives: Filter[] = []
    let terms = [this.#operand(depth, isInValuePath)]
    for (;;) {
      const connective = this.#connective()
      if (connective === undefined) break
      if (connective === 'or') {
        alternatives.push(chain('and', terms))
        terms = []
      }
      terms.push(this.#operand(depth, isInValuePath))
    }
    alternatives.push(chain('and', terms))
    return chain('or', alternatives)
  }

  /** The filter of a value path, with its brackets. */
  brackets(depth: number): Filter {
    this.#open(depth)
    const filter = this.filter(depth + 1, true)
    if (!this.take(']')) throw this.unexpected('and, or or "]"')
    return filter
  }

  path(scimType: ScimType): PathText {
    const offset = this.#at
    const text = this.#match(PATH)
    if (text === undefined) throw this.unexpected(ATTRIBUTE, scimType)
    if (!(text.includes(':') ? URI_PATH : PLAIN_PATH).test(text)) {
      throw ScimError.of(
        scimType,
        `${quote(text, this.#text)} is not an attribute path at offset ${offset}, expected name, name.sub or either behind a schema URN and a colon`,
      )
    }
    return { text, offset }
  }

  subAttribute(scimType: ScimType): PathText {
    const offset = this.#at
    const text = this.#match(NAME)
    if (text === undefined) throw this.unexpected('the name of a sub-attribute', scimType)
    return { text, offset }
  }

  /** The error that says what stands at this place instead of what was expected. */
  unexpected(expected: string, scimType: ScimType = 'invalidFilter'): ScimError {
    const offset = this.#at
    const found = this.#match(WORD) ?? this.next()
    const fault = found === '' ? `the ${this.#noun} ends` : `found ${quote(found, this.#text)}`
    return ScimError.of(scimType, `${fault} at offset ${offset}, expected ${expected}`)
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    if (!pattern.test(this.#text)) return undefined
    const text = this.#text.slice(this.#at, pattern.lastIndex)
    this.#at = pattern.lastIndex
    return text
  }

  /** `and` or `or` with the spaces it needs on both sides; without one, only spaces are skipped. */
  #connective(): 'and' | 'or' | undefined {
    const isSpaced = this.space()
    const offset = this.#at
    const word = this.#match(WORD)
    const connective = word === undefined ? undefined : CONNECTIVES.get(word.toLowerCase())
    if (word === undefined || connective === undefined) {
      this.#at = offset
      return undefined
    }
    if (!isSpaced) {
      throw ScimError.of(
        'invalidFilter',
        `found ${quote(word, this.#text)} at offset ${offset}, expected a space before it`,
      )
    }
    if (!this.space()) throw this.unexpected(`a space and ${ATTRIBUTE}`)
    return connective
  }

  #operand(depth: number, isInValuePath: boolean): Filter {
    if (this.next() === '(') return this.#group(depth, isInValuePath)
    if (this.#match(NEGATION) !== undefined) {
      return { kind: 'not', operand: this.#group(depth, isInValuePath) }
    }
    const path = this.path('invalidFilter')
    const isSpaced = this.space()
    if (this.next() !== '[') return this.#expression(path, isSpaced)
    if (isInValuePath) {
      throw ScimError.of(
        'invalidFilter',
        `found "[" at offset ${this.#at}, expected no value path within a value path`,
      )
    }
    const filter = this.brackets(depth)
    if (!this.take('.')) return { kind: 'valuePath', path, filter }
    const sub = this.subAttribute('invalidFilter')
    const wanted = this.#expression(sub, this.space())
    return { kind: 'valuePath', path, filter: chain('and', [filter, wanted]), isExtended: true }
  }

  #group(depth: number, isInValuePath: boolean): Filter {
    this.#open(depth)
    const filter = this.filter(depth + 1, isInValuePath)
    if (!this.take(')')) throw this.unexpected('and, or or ")"')
    return filter
  }

  /** Takes a parenthesis or bracket that opens one level more than `depth`. */
  #open(depth: number): void {
    if (depth === FILTER_DEPTH_MAX) {
      throw ScimError.of(
        'invalidFilter',
        `the ${this.#noun} nests deeper than the limit at offset ${this.#at}, expected at most ${FILTER_DEPTH_MAX} levels of parentheses and brackets`,
      )
    }
    this.#at++
    this.space()
  }

  /** The operator and the value behind a path. */
  #expression(path: PathText, isSpaced: boolean): Filter {
    if (++this.#clauses > FILTER_CLAUSES_MAX) {
      throw ScimError.of(
        'invalidFilter',
        `the ${this.#noun} has more attribute expressions than the limit at offset ${path.offset}, expected at most ${FILTER_CLAUSES_MAX}`,
      )
    }
    const operatorOffset = this.#at
    const word = isSpaced ? this.#match(WORD) : undefined
    if (word === undefined) throw this.unexpected(isSpaced ? OPERATOR : `a space and ${OPERATOR}`)
    const operator = OPERATORS.get(word.toLowerCase())
    if (operator === undefined) {
      const negation = path.text.toLowerCase() === 'not' ? ', or "(" after not' : ''
      throw ScimError.of(
        'invalidFilter',
        `${quote(word, this.#text)} is not an operator at offset ${operatorOffset}, expected ${OPERATOR}${negation}`,
      )
    }
    if (operator === 'pr') return { kind: 'present', path }
    if (!this.space()) throw this.unexpected(`a space and ${LITERAL}`)
    const valueOffset = this.#at
    const value = this.#literal()
    return { kind: 'compare', path, operator, operatorOffset, value, valueOffset }
  }

  #literal(): Literal {
    if (this.next() === '"') return this.#string()
    const offset = this.#at
    const word = this.#match(WORD)
    if (word === undefined) throw this.unexpected(LITERAL)
    // The keywords are ABNF strings and so case-insensitive (RFC 5234 section 2.3), unlike JSON's.
    const known = WORDS.get(word.toLowerCase())
    if (known !== undefined) return known
    const number = NUMBER.test(word) ? Number(word) : Number.NaN
    if (!Number.isFinite(number)) {
      throw ScimError.of(
        'invalidFilter',
        `${quote(word, this.#text)} is not a JSON value at offset ${offset}, expected ${LITERAL}`,
      )
    }
    return number + 0 // No filter can tell -0 from 0.
  }

  #string(): string {
    const start = this.#at
    for (this.#at++; this.next() !== '"'; ) {
      if (this.isAtEnd()) {
        throw ScimError.of(
          'invalidFilter',
          `the string at offset ${start} is not closed, expected a double quote at its end`,
        )
      }
      if (this.next() === '\\') {
        if (this.#match(ESCAPE) !== undefined) continue
        const found = quote(this.#text.slice(this.#at, this.#at + 2), this.#text)
        throw ScimError.of(
          'invalidFilter',
          `${found} is not an escape at offset ${this.#at}, expected one of JSON, such as \\\\ or \\u005c`,
        )
      }
      if (this.next() < ' ') {
        throw ScimError.of(
          'invalidFilter',
          `a string holds a bare control character at offset ${this.#at}, expected a \\u escape`,
        )
      }
      this.#at++
    }
    this.#at++
    const value: string = JSON.parse(this.#text.slice(start, this.#at))
    if (!value.isWellFormed()) {
      throw ScimError.of(
        'invalidFilter',
        `the string at offset ${start} holds half of a surrogate pair, expected Unicode characters`,
      )
    }
    return value
  }
}

/** One node for all operands, those of the same kind being dissolved in it; one stays as it is. */
function chain(kind: 'and' | 'or', operands: readonly Filter[]): Filter {
  const [only] = operands
  if (only !== undefined && operands.length === 1) return only
  return {
    kind,
    operands: operands.flatMap((operand) => (operand.kind === kind ? operand.operands : operand)),
  }
}

function requireLength(noun: string, text: string, scimType: ScimType): void {
  // A UTF-16 unit takes at most three bytes, so most texts need no counting.
  if (text.length * 3 <= FILTER_BYTES_MAX) return
  if (text.length > FILTER_BYTES_MAX || new TextEncoder().encode(text).length > FILTER_BYTES_MAX) {
    throw ScimError.of(
      scimType,
      `the ${noun} is longer than the limit at offset 0, expected at most ${FILTER_BYTES_MAX} bytes of UTF-8`,
    )
  }
}

/**
 * Requires that the bracket at `open` is closed, quotation marks heeded, and holds no array index:
 * faults of the path, whereas what is wrong with the filter inside is told by parsing it.
 */
function requireFilterBrackets(text: string, open: number): void {
  let isQuoted = false
  for (let at = open + 1; at < text.length; at++) {
    const character = text.charAt(at)
    if (isQuoted && character === '\\') at++
    else if (character === '"') isQuoted = !isQuoted
    else if (character === ']' && !isQuoted) {
      const inside = text.slice(open + 1, at).trim()
      if (!/^-?[0-9]+$/.test(inside)) return
      throw ScimError.of(
        'invalidPath',
        `found the index ${quote(inside, text)} in the brackets at offset ${open}, expected a filter, since SCIM has no array indexes`,
      )
    }
  }
  throw ScimError.of('invalidPath', `the bracket at offset ${open} is not closed, expected "]"`)
}

/** A word of a filter or path; not of one that speaks of a secret, which it may be. */
function quote(found: string, all: string): string {
  if (SECRET_NAME.test(all)) return 'a word'
  if (found === '"') return 'a double quote'
  const cut = found.length > QUOTED_LENGTH_MAX
  return `"${found.slice(0, QUOTED_LENGTH_MAX).toWellFormed()}${cut ? '…' : ''}"`
}
