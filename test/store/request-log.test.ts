/** The files of the log of requests: batches, rotation, pruning, and what goes wrong with them. */

import { expect, test } from 'bun:test'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  openRequestLog,
  REQUEST_LOG_LIMITS,
  readRequestLog,
  requestsDirectory,
} from '../../src/store/request-log.ts'

const DAY_MS = 24 * 60 * 60 * 1000

type Limits = Partial<typeof REQUEST_LOG_LIMITS>

/** A log in a directory of its own, with a clock that is moved and a list of what it told. */
function opened(limits: Limits = {}) {
  const root = mkdtempSync(join(tmpdir(), 'scimd-requests-'))
  const clock = { now: Date.UTC(2026, 0, 31) }
  const told: string[] = []
  const world = {
    now: () => clock.now,
    failed: (tenant: string, reason: string) => void told.push(`failed ${tenant}: ${reason}`),
    recovered: (tenant: string) => void told.push(`recovered ${tenant}`),
  }
  const open = (own: Limits = {}) =>
    openRequestLog(root, world, { ...REQUEST_LOG_LIMITS, ...limits, ...own })
  const directory = requestsDirectory(root, 'default')
  return {
    root,
    directory,
    clock,
    told,
    log: open(),
    open,
    segments: () => readdirSync(directory).sort(),
    async read(since = 0, place = { name: '', offset: 0 }) {
      const records: Record<string, unknown>[] = []
      for await (const record of readRequestLog(directory, since, place)) records.push(record)
      return records
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  }
}

const numbers = (records: readonly Record<string, unknown>[]) => records.map(({ n }) => n)

/** A record of exactly so many bytes, with its line feed. */
const ofBytes = (n: number, bytes: number) => ({
  n,
  x: 'x'.repeat(bytes - JSON.stringify({ n, x: '' }).length - 1),
})

test('records are written in their order, for their owner alone', async () => {
  using given = opened()
  const { log, directory, segments, read } = given
  for (let n = 0; n < 100; n++) log.append('default', { n })
  log.append('acme', { n: -1 })
  await log.close()
  expect(numbers(await read())).toEqual(Array.from({ length: 100 }, (_, n) => n))
  expect(segments()).toEqual(['2026-01-31T00-00-00.000Z.ndjson'])
  expect(statSync(directory).mode & 0o777).toBe(0o700)
  expect(statSync(join(directory, segments()[0] ?? '')).mode & 0o777).toBe(0o600)
})

test('records wait for others, and no longer than a batch does', async () => {
  using given = opened({ batchMs: 20 })
  given.log.append('default', { n: 1 })
  // In the same turn, so that no timer can have run.
  expect(existsSync(given.directory)).toBe(false)
  while ((await given.read()).length === 0) await Bun.sleep(5)
  await given.log.close()
})

test('a batch of enough bytes does not wait', async () => {
  using given = opened({ batchMs: 1_000_000, batchBytes: 100 })
  given.log.append('default', ofBytes(1, 50))
  given.log.append('default', ofBytes(2, 50))
  while ((await given.read()).length < 2) await Bun.sleep(1)
  await given.log.close()
})

test('what comes while a batch is written waits for a batch of its own', async () => {
  using given = opened({ batchMs: 1_000_000, batchBytes: 100 })
  for (const n of [1, 2, 3]) given.log.append('default', ofBytes(n, 50))
  while ((await given.read()).length < 2) await Bun.sleep(1)
  for (let look = 0; look < 20; look++) expect(numbers(await given.read())).toEqual([1, 2])
  given.log.append('default', ofBytes(4, 50))
  while ((await given.read()).length < 4) await Bun.sleep(1)
  await given.log.close()
})

test('a segment is filled to its limit, and one byte more begins another', async () => {
  using given = opened({ segmentBytesMax: 200, batchBytes: 1 })
  for (const bytes of [100, 100, 199, 2]) {
    given.log.append('default', ofBytes(bytes, bytes === 2 ? 20 : bytes))
    await given.log.close()
    given.clock.now += 1000
  }
  expect(given.segments().map((name) => statSync(join(given.directory, name)).size)).toEqual([
    200, 199, 20,
  ])
  expect(numbers(await given.read())).toEqual([100, 100, 199, 2])
})

test('segments of the same millisecond, or of a clock that goes back, keep their order', async () => {
  using given = opened({ segmentBytesMax: 20 })
  for (let n = 0; n < 5; n++) {
    given.log.append('default', { n, x: 'x'.repeat(10) })
    await given.log.close()
    given.clock.now -= n * 1000
  }
  expect(given.segments()).toHaveLength(5)
  expect(numbers(await given.read())).toEqual([0, 1, 2, 3, 4])
})

test('the oldest segments go when there is too much', async () => {
  using given = opened({ segmentBytesMax: 100, bytesMax: 300 })
  for (let n = 0; n < 10; n++) {
    given.log.append('default', ofBytes(n, 100))
    await given.log.close()
    given.clock.now += 1000
    const sizes = given.segments().map((name) => statSync(join(given.directory, name)).size)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(300)
  }
  expect(numbers(await given.read())).toEqual([7, 8, 9])
})

test('segments go when their last record is too old, and not before', async () => {
  using given = opened()
  given.log.append('default', { n: 0 })
  await given.log.close()
  given.clock.now += DAY_MS
  given.log.append('default', { n: 1 })
  await given.log.close()
  expect(given.segments()).toHaveLength(2)
  given.clock.now += 14 * DAY_MS
  await given.log.prune()
  expect(numbers(await given.read())).toEqual([0, 1])
  given.clock.now += 1
  await given.log.prune()
  expect(numbers(await given.read())).toEqual([1])
  given.clock.now += DAY_MS
  await given.log.prune()
  expect(given.segments()).toEqual([])
})

test('what has no room is dropped, and the next record says how much', async () => {
  using given = opened({ waitingBytesMax: 100 })
  for (let n = 0; n < 5; n++) given.log.append('default', ofBytes(n, 50))
  await given.log.close()
  given.log.append('default', { n: 5 })
  given.log.append('default', { n: 6 })
  await given.log.close()
  const records = await given.read()
  expect(numbers(records)).toEqual([0, 1, 5, 6])
  expect(records.map(({ dropped }) => dropped)).toEqual([undefined, undefined, 3, undefined])
})

test('what cannot be written is told once, counted as dropped, and told when it is over', async () => {
  using given = opened()
  writeFileSync(given.directory, 'in the way')
  for (let n = 0; n < 3; n++) {
    given.log.append('default', { n })
    await given.log.close()
  }
  expect(given.told).toEqual([expect.stringContaining('failed default: ')])
  rmSync(given.directory)
  given.log.append('default', { n: 3 })
  given.log.append('default', { n: 4 })
  await given.log.close()
  expect(given.told.slice(1)).toEqual(['recovered default'])
  expect(await given.read()).toEqual([{ n: 3, dropped: 3 }, { n: 4 }])
})

test('a directory that was removed is made again', async () => {
  using given = opened()
  for (let n = 0; n < 3; n++) {
    given.log.append('default', { n })
    await given.log.close()
    if (n === 0) rmSync(given.directory, { recursive: true })
  }
  expect(await given.read()).toEqual([{ n: 2, dropped: 1 }])
})

test('a line that was cut off is passed over, and what comes after it is read', async () => {
  using given = opened()
  given.log.append('default', { n: 0 })
  await given.log.close()
  const path = join(given.directory, given.segments()[0] ?? '')
  appendFileSync(path, '{"n": 1, "x')
  expect(numbers(await given.read())).toEqual([0])
  const next = given.open()
  next.append('default', { n: 2 })
  await next.close()
  expect(given.segments()).toHaveLength(1)
  expect(numbers(await given.read())).toEqual([0, 2])
})

test('a reader goes on where it was, through segments, and waits for the end of a line', async () => {
  using given = opened({ segmentBytesMax: 50 })
  const place = { name: '', offset: 0 }
  for (let n = 0; n < 3; n++) {
    given.log.append('default', ofBytes(n, 40))
    await given.log.close()
    given.clock.now += 1000
    expect(numbers(await given.read(0, place))).toEqual([n])
    expect(await given.read(0, place)).toEqual([])
  }
  const last = join(given.directory, given.segments().at(-1) ?? '')
  appendFileSync(last, '{"n":')
  expect(await given.read(0, place)).toEqual([])
  appendFileSync(last, '3}\n')
  expect(numbers(await given.read(0, place))).toEqual([3])
})

test('segments from before are not read', async () => {
  using given = opened({ segmentBytesMax: 50 })
  for (let n = 0; n < 3; n++) {
    given.log.append('default', ofBytes(n, 40))
    await given.log.close()
    given.clock.now += 1000
  }
  const start = given.clock.now - 3000
  expect(numbers(await given.read(start + 999))).toEqual([0, 1, 2])
  expect(numbers(await given.read(start + 1000))).toEqual([1, 2])
})

test('other files are left alone, and a log of nobody is empty', async () => {
  using given = opened({ bytesMax: 10, segmentBytesMax: 5 })
  expect(await given.read()).toEqual([])
  mkdirSync(given.directory)
  writeFileSync(join(given.directory, 'notes.txt'), 'of the administrator')
  chmodSync(given.directory, 0o700)
  given.log.append('default', { n: 0 })
  await given.log.close()
  expect(readFileSync(join(given.directory, 'notes.txt'), 'utf8')).toBe('of the administrator')
  expect(numbers(await given.read())).toEqual([0])
})
