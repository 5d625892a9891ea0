/**
 * The order of values, the same in filters, sorts and indexes. RFC 7644 sections 3.4.2.2 and
 * 3.4.2.3.
 */

/** Orders text by Unicode code points, which is also the order of its UTF-8 bytes in an index. */
export function compareText(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let index = 0; index < length; index++) {
    const a = left.charCodeAt(index)
    const b = right.charCodeAt(index)
    if (a !== b) return rankOf(a) - rankOf(b)
  }
  return left.length - right.length
}

/** UTF-16 puts surrogates before U+E000 to U+FFFF; as code points they come after. */
const rankOf = (unit: number): number =>
  unit >= 0xe000 ? unit - 0x800 : unit >= 0xd800 ? unit + 0x2000 : unit

/** Orders two values of one attribute: numbers and instants by size, false before true. */
export function compareKeys(
  left: string | number | boolean,
  right: string | number | boolean,
): number {
  if (typeof left === 'string' && typeof right === 'string') return compareText(left, right)
  return Number(left) - Number(right)
}
