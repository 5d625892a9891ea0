/**
 * A string to the form in which attributes that are not caseExact are compared, sorted and indexed.
 */

/**
 * Which rules made a folded string. It is stored beside every index of folded keys: whoever changes
 * `fold`, or moves to a runtime whose Unicode tables differ (a test tells), raises it, and the
 * indexes are built anew.
 */
export const FOLD_VERSION = 1

/**
 * Folds away what a reader would not call a difference: case, canonical composition and width, as
 * the UsernameCaseMapped profile of PRECIS does (RFC 8265 section 3.3, RFC 7643 section 2.3.1).
 * The result is in NFC, depends on no locale, and folding it again changes nothing.
 *
 * Case is lowered, raised and lowered. Raising makes ß and SS, or σ and ς, agree. Lowering first is
 * for ẞ, the one code point whose capital is itself and which would become the unstable ß
 * otherwise.
 */
export function fold(text: string): string {
  if (!/[^\0-\x7f]/.test(text)) return text.toLowerCase()
  return text
    .normalize('NFC')
    .replace(WIDE_OR_NARROW, ordinaryWidth)
    .toLowerCase()
    .toUpperCase()
    .toLowerCase()
    .replaceAll('ς', 'σ') // A whole word, unlike one code point, is lowered to a final sigma.
    .normalize('NFC')
}

const WIDE_OR_NARROW = /[\u3000\uff01-\uffdc\uffe0-\uffee]/g

/**
 * The ordinary character of a fullwidth or halfwidth one, which is its decomposition in Unicode.
 */
function ordinaryWidth(character: string): string {
  const code = character.charCodeAt(0)
  // NFKC takes these further than to their ordinary width: to a space with a combining macron,
  if (code === 0xffe3) return '\u00af'
  // and to conjoining Jamo, which the ordinary letters U+3131 and on never equal. They are laid out
  // in rows of six with two unused places in front of each row from U+FFC2 on.
  if (code === 0xffa0) return '\u3164'
  if (code >= 0xffa1 && code <= 0xffbe) return String.fromCharCode(code - 0xffa1 + 0x3131)
  if (code >= 0xffc2 && code <= 0xffdc) {
    const row = (code - 0xffc2) >> 3
    const place = (code - 0xffc2) & 7
    return place < 6 ? String.fromCharCode(0x314f + 6 * row + place) : character
  }
  return character.normalize('NFKC')
}
