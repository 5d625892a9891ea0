/** Token buckets: what is taken comes back with time, and forgotten keys are full. */

import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { limiter } from '../../src/auth/rate.ts'

test('a burst may be taken at once, then one each interval', () => {
  let now = 0
  const { take } = limiter({ perSecond: 2, burst: 3, keysMax: 10 }, () => now)
  expect([take('a'), take('a'), take('a'), take('a')]).toEqual([0, 0, 0, 1])
  now += 499
  expect(take('a')).toBe(1)
  now += 1
  expect([take('a'), take('a')]).toEqual([0, 1])
  now += 60_000
  expect([take('a'), take('a'), take('a'), take('a')]).toEqual([0, 0, 0, 1])
})

test('the seconds to wait are whole and enough', () => {
  let now = 0
  const { take } = limiter({ perSecond: 1 / 30, burst: 1, keysMax: 10 }, () => now)
  expect([take('a'), take('a')]).toEqual([0, 30])
  now += 29_999
  expect(take('a')).toBe(1)
  now += 1
  expect(take('a')).toBe(0)
})

test('what is given back may be taken again, and no more than the burst', () => {
  const { take, giveBack } = limiter({ perSecond: 1, burst: 2, keysMax: 10 }, () => 0)
  expect([take('a'), take('a'), take('a')]).toEqual([0, 0, 1])
  giveBack('a')
  expect([take('a'), take('a')]).toEqual([0, 1])
  for (let count = 0; count < 5; count++) giveBack('a')
  expect([take('a'), take('a'), take('a')]).toEqual([0, 0, 1])
})

test('a clock that goes back takes nothing away', () => {
  let now = 10_000
  const { take } = limiter({ perSecond: 1, burst: 2, keysMax: 10 }, () => now)
  take('a')
  now = 0
  expect([take('a'), take('a')]).toEqual([0, 1])
})

test('of too many keys the one that was used least recently is forgotten', () => {
  const { take } = limiter({ perSecond: 1, burst: 1, keysMax: 2 }, () => 0)
  expect([take('a'), take('b'), take('a')]).toEqual([0, 0, 1])
  expect(take('c')).toBe(0)
  expect([take('a'), take('b')]).toEqual([1, 0])
})

test('in no time span more is taken than the burst and what came back in it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 100 }),
      (perSecond, burst, steps) => {
        let now = 0
        const { take } = limiter({ perSecond, burst, keysMax: 1 }, () => now)
        const taken: number[] = []
        for (const step of steps) {
          now += step
          if (take('a') === 0) taken.push(now)
        }
        for (const [index, time] of taken.entries()) {
          const upTo = taken.slice(0, index + 1).length
          expect(upTo).toBeLessThanOrEqual(burst + (time / 1000) * perSecond + 1e-6)
        }
      },
    ),
    { numRuns: 2000 },
  )
})
