/** Keys of values: their byte order is the order of the values, and none is too long for LMDB. */

import { expect, setDefaultTimeout, test } from 'bun:test'
import fc from 'fast-check'
import { isWholeKey, KEY_BYTES_MAX } from '../../src/scim/entries.ts'
import { compareText } from '../../src/scim/order.ts'
import {
  entryKey,
  HANDLE_MAX,
  handleOf,
  idKey,
  notAbove,
  notBelow,
  prefixRange,
  valueEnd,
  valueKey,
} from '../../src/store/lmdb-keys.ts'

/** So that a slow machine is no fault. */
setDefaultTimeout(120_000)

/** LMDB's own limit, for the page size that lmdb uses. */
const LMDB_KEY_BYTES_MAX = 1978

const character = fc.constantFrom(
  '\u0000',
  '\u0001',
  'a',
  'b',
  'ÿ',
  'é',
  '\uffff',
  '😀',
  '\u{10ffff}',
)
const short = fc.string({ unit: character, maxLength: 8 })
/** Texts around the length at which keys are cut, many of which share a long beginning. */
const long = fc
  .tuple(
    fc.constantFrom('', 'x', 'xx', 'xxx'),
    fc.constantFrom('x', '\u0000', 'é', '😀'),
    fc.nat(8),
    short,
  )
  .map(([head, unit, less, tail]) => {
    const bytes = unit === '\u0000' ? 2 : Buffer.byteLength(unit)
    return head + unit.repeat(Math.floor(KEY_BYTES_MAX / bytes) - less + 2) + tail
  })
const text = fc.oneof(short, long, fc.string({ unit: 'binary', maxLength: 20 }))
const handle = fc.nat(HANDLE_MAX - 1)

const byteOrder = (left: Buffer, right: Buffer) => Math.sign(Buffer.compare(left, right))

test('entries of texts that are kept whole stand in the order of the texts, then of the handles', () => {
  const whole = text.filter(isWholeKey)
  fc.assert(
    fc.property(whole, whole, handle, handle, (left, right, first, second) => {
      const order = Math.sign(compareText(left, right)) || Math.sign(first - second)
      const keys = [entryKey(valueKey(left), first), entryKey(valueKey(right), second)] as const
      expect(byteOrder(...keys)).toBe(order)
    }),
    { numRuns: 3000 },
  )
})

test('entries of numbers stand in the order of the numbers', () => {
  const number = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer())
  fc.assert(
    fc.property(number, number, handle, handle, (left, right, first, second) => {
      const keys = [entryKey(valueKey(left), first), entryKey(valueKey(right), second)] as const
      expect(byteOrder(...keys)).toBe(Math.sign(left - right) || Math.sign(first - second))
    }),
    { numRuns: 2000 },
  )
})

test('the range of one value holds its entries and no others', () => {
  fc.assert(
    fc.property(text, text, handle, (value, tail, at) => {
      for (const other of [value, tail, value + tail]) {
        const key = entryKey(valueKey(other), at)
        const isWithin = byteOrder(valueKey(value), key) <= 0 && byteOrder(key, valueEnd(value)) < 0
        expect(isWithin).toBe(value === other)
        expect(handleOf(key)).toBe(at)
      }
    }),
    { numRuns: 3000 },
  )
})

test('the range of a prefix holds every text that begins with it, and no other if it is whole', () => {
  fc.assert(
    fc.property(text, text, handle, (prefix, other, at) => {
      for (const value of [other, prefix + other]) {
        const { start, end } = prefixRange(prefix)
        const key = entryKey(valueKey(value), at)
        const isWithin = byteOrder(start, key) <= 0 && byteOrder(key, end) < 0
        if (value.startsWith(prefix) || isWholeKey(prefix)) {
          expect(isWithin).toBe(value.startsWith(prefix))
        }
      }
    }),
    { numRuns: 3000 },
  )
})

test('whatever is above or below a text is found there, however long both are', () => {
  fc.assert(
    fc.property(text, text, handle, (one, tail, at) => {
      for (const [bound, value] of [
        [one, tail],
        [one, one + tail],
        [one + tail, one],
      ] as const) {
        const key = entryKey(valueKey(value), at)
        const order = compareText(value, bound)
        if (order >= 0) expect(byteOrder(notBelow(bound), key)).toBeLessThanOrEqual(0)
        if (order <= 0) expect(byteOrder(key, notAbove(bound))).toBe(-1)
        // The key of a whole bound alone decides.
        if (!isWholeKey(bound)) continue
        expect(byteOrder(notBelow(bound), key) <= 0).toBe(order >= 0)
        expect(byteOrder(valueEnd(bound), key) <= 0).toBe(order > 0)
      }
    }),
    { numRuns: 5000 },
  )
})

test('no key is too long for LMDB, or empty, and different ids have different keys', () => {
  const longer = fc.oneof(text, fc.string({ unit: character, minLength: 900, maxLength: 2000 }))
  fc.assert(
    fc.property(longer, longer, (left, right) => {
      for (const key of [entryKey(valueKey(left), HANDLE_MAX), valueEnd(left), idKey(left)]) {
        expect(key.length).toBeGreaterThan(0)
        expect(key.length).toBeLessThanOrEqual(LMDB_KEY_BYTES_MAX)
      }
      expect(byteOrder(idKey(left), idKey(right)) === 0).toBe(left === right)
    }),
  )
  expect(idKey('\u0000'.repeat(1024)).length).toBeLessThanOrEqual(LMDB_KEY_BYTES_MAX)
})
