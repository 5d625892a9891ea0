/** A set of handles is what a Set of them would be, in order. */

import { expect, test } from 'bun:test'
import { HandleSet } from '../../src/store/handles.ts'
import { HANDLE_MAX } from '../../src/store/lmdb-keys.ts'
import { Random, seeds } from './given.ts'

test.each(seeds(3))('handles come once each and in order (SCIMD_SEED=%d)', (seed) => {
  const random = new Random(seed)
  const expected = new Set<number>([0, 31, 32, 65_535, 65_536, 2 ** 31, HANDLE_MAX - 1])
  while (expected.size < 5000) {
    expected.add(random.chance(0.9) ? random.below(200_000) : random.below(HANDLE_MAX))
  }
  const set = new HandleSet()
  for (const handle of expected) set.add(handle)
  for (const handle of expected) set.add(handle)

  const sorted = [...expected].sort((a, b) => a - b)
  expect(set.size).toBe(sorted.length)
  expect([...set.batches(1000)].map(({ length }) => length)).toEqual(new Array(5).fill(1000))
  expect([...set.batches(777)].flat()).toEqual(sorted)
  for (const after of [-1, 0, 31, 65_535, sorted[2500] as number, HANDLE_MAX]) {
    const rest = sorted.filter((handle) => handle > after)
    expect([...set.batches(777, after)].flat()).toEqual(rest)
  }
  for (let count = 0; count < 1000; count++) {
    const handle = random.below(200_000)
    expect(set.has(handle)).toBe(expected.has(handle))
  }
  expect(set.has(HANDLE_MAX - 1)).toBe(true)
  expect(set.has(2 ** 31 + 1)).toBe(expected.has(2 ** 31 + 1))
})
