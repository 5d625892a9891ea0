/** What user names and passwords are made of: PRECIS, RFC 8264 and RFC 8265. */

/**
 * Controls, surrogates, private use, and code points that mean no character: not assigned, or
 * never to be. RFC 8264 section 9 disallows them in identifiers (UsernameCaseMapped, RFC 8265). The
 * spaces, symbols and joiners that it disallows as well are taken, since directories hold them.
 */
const DISALLOWED = /[\p{Cc}\p{Cs}\p{Co}\p{Cn}]/u

/** The first disallowed character of a text as "U+0000", or undefined. RFC 7644 section 5. */
export function disallowedIn(text: string): string | undefined {
  const code = DISALLOWED.exec(text)?.[0].codePointAt(0)
  return code === undefined ? undefined : `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
}

/**
 * A password as it is compared: other spaces than U+0020 become that one, then Normalization Form
 * C; undefined for one that is empty or holds a disallowed character. OpaqueString, RFC 8265
 * section 4.2.
 */
export function preparedPassword(text: string): string | undefined {
  if (text === '' || DISALLOWED.test(text)) return undefined
  return text.replace(/\p{Zs}/gu, ' ').normalize('NFC')
}
