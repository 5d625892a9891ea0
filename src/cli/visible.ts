/** Makes visible in a text what a terminal would act on, or show elsewhere than it stands. */

/**
 * Control characters but for line feed, tab and, on a line that is written over, carriage return;
 * C1; marks of direction; separators of lines and paragraphs.
 */
const UNSEEN =
  /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g

/** The same text with escapes as JSON has them, so that JSON stays what it was. */
export const visible = (text: string): string =>
  text.replace(UNSEEN, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** A cell of a table or part of a line: without line breaks and tabs as well. */
export const visibleCell = (text: string): string =>
  visible(text).replace(/[\n\r\t]/g, (character) => JSON.stringify(character).slice(1, -1))
