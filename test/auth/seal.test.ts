/** What is sealed comes back to whom it was handed out, and to nobody else, nor changed. */

import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { sealer } from '../../src/auth/seal.ts'

const KEY = new Uint8Array(32).fill(7)
const DAY_MS = 24 * 60 * 60 * 1000

test('[R9865-2-05] what is sealed opens again, and has unreserved characters only', () => {
  const { seal, open } = sealer(KEY, () => 1000)
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (text, bound) => {
      const sealed = seal(text, bound)
      expect(sealed).toMatch(/^[A-Za-z0-9._~-]+$/)
      expect(open(sealed, bound)).toBe(text.toWellFormed())
      expect(open(sealed, `${bound}.`)).toBeUndefined()
    }),
    { numRuns: 2000 },
  )
})

test('[R9865-2-06] no other spelling of a sealed text opens', () => {
  const { seal, open } = sealer(KEY, () => 1000)
  // Three lengths, as base64 has a different last group for each.
  for (const text of ['a', 'ab', 'abc']) {
    const sealed = seal(text, '')
    for (let at = 0; at < sealed.length; at++) {
      for (const other of ['A', 'B', 'g', '_', '=', '.', '']) {
        const changed = sealed.slice(0, at) + other + sealed.slice(at + 1)
        expect(open(changed, '')).toBe(changed === sealed ? text : undefined)
      }
    }
    expect(open(`${sealed}=`, '')).toBeUndefined()
    expect(open(`${sealed} `, '')).toBeUndefined()
  }
})

test('random texts never open, and never throw', () => {
  const { open } = sealer(KEY, () => 1000)
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), fc.base64String({ maxLength: 200 }), (one, two) => {
      for (const text of [one, two, two.replaceAll('=', '')]) expect(open(text, '')).toBeUndefined()
    }),
    { numRuns: 2000 },
  )
})

test('another key does not open it, and each day has a key of its own', () => {
  let now = 1000
  const { seal, open } = sealer(KEY, () => now)
  const sealed = seal('text', 'bound')
  expect(sealer(new Uint8Array(32), () => now).open(sealed, 'bound')).toBeUndefined()
  now += DAY_MS
  expect(open(sealed, 'bound')).toBe('text')
  const moved = Buffer.from(sealed, 'base64url')
  moved.writeUInt32BE(moved.readUInt32BE() + 1)
  expect(open(moved.toString('base64url'), 'bound')).toBeUndefined()
})

test('the same text is never sealed alike', () => {
  const { seal } = sealer(KEY, () => 1000)
  expect(new Set(Array.from({ length: 1000 }, () => seal('text', ''))).size).toBe(1000)
})
