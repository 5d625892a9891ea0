/** What user names and passwords are made of: PRECIS, RFC 8264 and RFC 8265. */

import { misplacedIn } from './precis-context.ts'

/**
 * Controls, surrogates, private use, and code points that mean no character: not assigned, or
 * never to be.
 */
const MEANINGLESS = /[\p{Cc}\p{Cs}\p{Co}\p{Cn}]/u

/**
 * What RFC 8264 section 9 disallows in identifiers (UsernameCaseMapped, RFC 8265) and nobody sees:
 * beside the meaningless ones what is ignored by default, such as U+200B, and formats, such as
 * those of bidirectional text. Joiners depend on what they stand between. The symbols, and the
 * spaces between words, that it disallows as well are taken, since directories hold them.
 */
const DISALLOWED =
  /(?![\u200c\u200d])[\p{Cc}\p{Cs}\p{Co}\p{Cn}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u

const SPACE_AT_END = /^\p{Zs}|\p{Zs}$/u
/** What most names are. */
const PLAIN = /^[\x21-\x7e]*$/

/**
 * The first character that an identifier may not hold where it stands, as "U+200B at character 3";
 * or undefined. RFC 7644 section 5.
 */
export function disallowedIn(text: string): string | undefined {
  if (PLAIN.test(text)) return undefined
  const places = [text.search(DISALLOWED), text.search(SPACE_AT_END), misplacedIn(text)]
  const first = Math.min(...places.filter((place) => place >= 0))
  const code = Number.isFinite(first) ? text.codePointAt(first) : undefined
  if (code === undefined) return undefined
  const hex = code.toString(16).toUpperCase().padStart(4, '0')
  return `U+${hex} at character ${[...text.slice(0, first)].length + 1}`
}

/**
 * A password as it is compared: other spaces than U+0020 become that one, then Normalization Form
 * C; undefined for one that is empty or holds a disallowed character. OpaqueString, RFC 8265
 * section 4.2.
 */
export function preparedPassword(text: string): string | undefined {
  if (text === '' || MEANINGLESS.test(text)) return undefined
  return text.replace(/\p{Zs}/gu, ' ').normalize('NFC')
}
