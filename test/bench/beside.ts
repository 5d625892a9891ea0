/**
 * Measures what long work does to others: the longest block of the event loop, and how long other
 * requests take meanwhile, against the same requests when nothing else goes on.
 */

import type { Ask } from './blocks-cases.ts'
import { type Figure, type Goal, latencyFigure, median } from './figures.ts'
import { type Measured, run } from './load.ts'
import { SEED, type Seen, times, USER_URN } from './seed.ts'
import { reading } from './turns.ts'
import type { Watched } from './watch.ts'

/** The requests beside: GET by id. Few, as each of them is in the way of the work as well. */
const BESIDE_CONNECTIONS = 2
const BESIDE_USERS = 500
/** How long sweeping is watched after a deletion. */
const SWEEP_MS = 2000
const REST_MS = 1000
/** No shorter, or a p99 is the slowest of a handful. */
const WATCH_MS = 1000
const BLOCK_MS = 20
const MEMBERS = 100_000
const BULK_COUNT = 1000

const GROUP_URN = 'urn:ietf:params:scim:schemas:core:2.0:Group'
const BULK_URN = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest'

/** Makes ready, then gives the work itself. */
interface Work {
  readonly name: string
  ready(ask: Ask): Promise<() => Promise<void>>
}

let names = 0
const fresh = (): string => `beside-${++names}`
const json = (value: unknown): string => JSON.stringify(value)

const groupBody = (displayName: string, ids: readonly string[]): string =>
  json({ schemas: [GROUP_URN], displayName, members: ids.map((value) => ({ value })) })

async function must(ask: Ask, method: string, path: string, body?: string): Promise<string> {
  const { status, text } = await ask(method, path, body)
  if (status < 200 || status > 299) throw new Error(`${method} ${path}: ${status} ${text}`)
  return text
}

async function bigGroup(ask: Ask): Promise<string> {
  const body = groupBody(fresh(), SEED.userIds(MEMBERS))
  const text = await must(ask, 'POST', '/Groups?excludedAttributes=members', body)
  return `/Groups/${(JSON.parse(text) as { id: string }).id}`
}

/** The same request again and again, for as long as it takes to see something. */
const repeated =
  (method: string, path: string): Work['ready'] =>
  async (ask) =>
  async () => {
    const end = performance.now() + WATCH_MS
    do await must(ask, method, path)
    while (performance.now() < end)
  }

const search = (filter: string, count: number): string =>
  `/Users?filter=${encodeURIComponent(filter)}&count=${count}`

const WORKS: readonly Work[] = [
  {
    name: 'scan of 100,000 users by a filter without an index',
    ready: repeated('GET', search('title co "zq"', 10)),
  },
  {
    name: 'count of 100,000 matches of a range',
    ready: repeated('GET', search('userName sw "user"', 0)),
  },
  {
    name: 'creation of a group of 100,000 members',
    async ready(ask) {
      const body = groupBody(fresh(), SEED.userIds(MEMBERS))
      return async () => void (await must(ask, 'POST', '/Groups?excludedAttributes=members', body))
    },
  },
  {
    name: 'replacement of 100,000 members by 50,000',
    async ready(ask) {
      const path = await bigGroup(ask)
      const body = groupBody(fresh(), SEED.userIds(MEMBERS / 2))
      return async () => void (await must(ask, 'PUT', `${path}?excludedAttributes=members`, body))
    },
  },
  {
    name: 'deletion of a group of 100,000 members, and the sweep after it',
    async ready(ask) {
      const path = await bigGroup(ask)
      return async () => {
        await must(ask, 'DELETE', path)
        await Bun.sleep(SWEEP_MS)
      }
    },
  },
  {
    name: 'bulk request that creates 1,000 users',
    async ready(ask) {
      const Operations = times(BULK_COUNT, () => {
        const userName = fresh()
        const data = { schemas: [USER_URN], userName }
        return { method: 'POST', path: '/Users', bulkId: userName, data }
      })
      const body = json({ schemas: [BULK_URN], Operations })
      return async () => void (await must(ask, 'POST', '/Bulk', body))
    },
  },
  {
    name: 'reading a group of 100,000 members',
    ready: repeated('GET', `/Groups/${SEED.bigGroup}`),
  },
]

interface Noticed extends Seen {
  readonly others: Measured
}

const GROUP = 'Long work beside other requests'
const GOAL: Goal = { of: 'value', atMost: BLOCK_MS }

/**
 * All of the long work, each with a rest before it. A block counts by the processor time of the
 * server's own thread, as other processes lengthen what a clock shows; the note tells the clock.
 */
export async function longWork(
  watched: Watched,
  rounds: number,
  say: (message: string) => void,
): Promise<Figure[]> {
  const figures: Figure[] = []
  const blocks: number[] = []
  for (const { name, ready } of WORKS) {
    say(`beside others: ${name}`)
    const during: Noticed[] = []
    const resting: Noticed[] = []
    for (let round = 0; round < rounds; round++) {
      const go = await ready(watched.ask)
      // What the preparation left behind is not to be measured.
      await Bun.sleep(REST_MS)
      resting.push(await besides(watched, () => Bun.sleep(REST_MS)))
      during.push(await besides(watched, go))
    }
    const block = median(during.map(({ cpuMs }) => cpuMs))
    const clock = median(during.map(({ wallMs }) => wallMs)).toFixed(1)
    const atRest = median(resting.map(({ wallMs }) => wallMs)).toFixed(1)
    const note = `by the clock ${clock} ms; ${atRest} ms when nothing goes on`
    blocks.push(block)
    figures.push(
      { group: GROUP, name: `${name}: longest block`, unit: 'ms', value: block, goal: GOAL, note },
      latencyFigure(
        { group: GROUP, name: `${name}: p99 of other GETs`, against: 'nothing else going on' },
        { ours: during.map(({ others }) => others), theirs: resting.map(({ others }) => others) },
        0.99,
      ),
    )
  }
  const value = Math.max(...blocks)
  const target = 'the event loop is never blocked for more than 20 ms'
  const longest = { group: GROUP, name: 'longest block of all of these', target } as const
  return [...figures, { ...longest, unit: 'ms', value, goal: GOAL }]
}

/** Work with other requests beside it, for as long as it lasts. */
async function besides(
  { directory, begin, end }: Watched,
  go: () => Promise<void>,
): Promise<Noticed> {
  const ids = SEED.userIds(BESIDE_USERS)
  const load = reading(BESIDE_CONNECTIONS, ids, (id) => `${directory.path}/Users/${id}`)
  let isOver = false
  await begin()
  const others = run(directory, {
    ...load,
    next: (number) => (isOver ? undefined : load.next(number)),
  })
  try {
    await go()
  } finally {
    isOver = true
  }
  const measured = await others
  return { ...(await end()), others: measured }
}
