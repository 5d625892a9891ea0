/** Turns the query of an address into its parameters, under the names that RFC 7644 gives them. */

import { ScimError } from './error.ts'
import { type Rules, tolerated } from './tolerance.ts'

const NAMES = [
  'attributes',
  'excludedAttributes',
  'filter',
  'sortBy',
  'sortOrder',
  'startIndex',
  'count',
  'cursor',
] as const

const BY_LOWER_CASE: ReadonlyMap<string, string> = new Map(
  NAMES.map((name) => [name.toLowerCase(), name]),
)

/** A question mark with a parameter behind it. */
const SECOND_MARK = new RegExp(`(?:\\?|%3f)(?=(?:${NAMES.join('|')})=)`, 'i')

/** A piece of a query, and what stands before it. */
export interface QueryPart {
  readonly before: string
  readonly text: string
}

/**
 * The parts of a query. A question mark begins one where a parameter's name follows it, but not
 * within the value of another of these: a filter may compare with any text.
 */
export function partsOf(query: string): readonly QueryPart[] {
  return query.split('&').flatMap((text, index) => {
    const before = index === 0 ? '' : '&'
    const mark = BY_LOWER_CASE.has(nameOf(text)) ? null : SECOND_MARK.exec(text)
    if (!mark) return [{ before, text }]
    const [written] = mark
    return [
      { before, text: text.slice(0, mark.index) },
      { before: written, text: text.slice(mark.index + written.length) },
    ]
  })
}

/** The lower-case name of a part, as far as it can be read. */
function nameOf(text: string): string {
  const name = text.split('=', 1)[0] ?? ''
  return (decodedOf(name) ?? name).toLowerCase()
}

/** Form-encoded text as what it stands for; undefined where that is not UTF-8. */
export function decodedOf(text: string): string | undefined {
  try {
    const decoded = decodeURIComponent(text.replaceAll('+', ' '))
    // What is in the place of bytes that were no UTF-8, whoever put it there.
    return decoded.includes('\ufffd') ? undefined : decoded
  } catch {
    return undefined
  }
}

/**
 * Reads a query. Parameters that RFC 7644 does not define are kept, and nobody asks for them.
 *
 * @throws ScimError invalidValue, or invalidFilter for a filter: bytes that are no UTF-8, a name in
 *   other letters or behind a second question mark where that is not tolerated
 */
export function readQuery(query: string, rules: Rules): URLSearchParams {
  const parameters = new URLSearchParams()
  for (const { before, text } of partsOf(query)) {
    if (before !== '' && before !== '&' && !tolerated(rules, 'secondQuestionMark')) {
      const detail = `the query: found a second "?" before ${nameOf(text)}, expected "&"`
      throw ScimError.of('invalidValue', detail)
    }
    if (text === '') continue
    const at = text.indexOf('=')
    const written = decodedOf(at < 0 ? text : text.slice(0, at))
    const name = BY_LOWER_CASE.get(written?.toLowerCase() ?? '')
    const value = decodedOf(at < 0 ? '' : text.slice(at + 1))
    if (written === undefined || value === undefined) throw undecodable(name)
    if (name !== undefined && name !== written && !tolerated(rules, 'parameterNames')) {
      throw ScimError.of('invalidValue', `the query: found ${written}, expected ${name}`)
    }
    parameters.append(name ?? written, value)
  }
  return parameters
}

const undecodable = (name: string | undefined): ScimError =>
  ScimError.of(
    name === 'filter' ? 'invalidFilter' : 'invalidValue',
    `${name ?? 'the query'}: found bytes that are not UTF-8, or a broken percent-escape; ` +
      'expected UTF-8, each byte of it that has to be escaped as % and two hexadecimal digits',
  )

/**
 * Refuses an address that does not say what it names, path and query: with what could not be read
 * of it left out, something else would be answered.
 *
 * @throws ScimError invalidValue, or invalidFilter for a filter
 */
export function requireReadable(address: string): void {
  // Bun writes the byte E9 as the escapes of U+FFFD; nothing else needs a look.
  if (!address.includes('%')) return
  const at = address.indexOf('?')
  const path = at < 0 ? address : address.slice(0, at)
  if (decodedOf(path) === undefined) {
    throw ScimError.of(
      'invalidValue',
      'the path: found bytes that are not UTF-8, or a broken percent-escape; expected UTF-8',
    )
  }
  if (at < 0) return
  for (const { text } of partsOf(address.slice(at + 1)))
    if (decodedOf(text) === undefined) throw undecodable(BY_LOWER_CASE.get(nameOf(text)))
}
