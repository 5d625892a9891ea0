/** Measures what requests cost by the number of users in the directory. */

import { type Curve, curveOf, type Drawn, inWords, panelOf, type Say } from './curves.ts'
import {
  byUserName,
  creating,
  type Directory,
  loadUsers,
  numberText,
  patching,
} from './directory.ts'
import { type Figure, latencyFigure, latencyOf, type Naming } from './figures.ts'
import { type Load, type Request, run } from './load.ts'
import { watchMemory } from './process-facts.ts'
import { type Pace, reading, takeTurns } from './turns.ts'

/** Ids that are kept of a directory, evenly over it, and cursors into it. */
const SAMPLE_COUNT = 1000
const CURSOR_COUNT = 10
const PAGE = 100
const LOAD_STEP = 100_000
const CREATED_PER_TURN = 60
/** The size that the largest is compared with. */
const REFERENCE_COUNT = 10_000
const MEMORY_MIB = 200
const LOAD_CONNECTIONS = 64
const LOAD_TURNS = 40

/** A directory with what is known of it. */
export interface Filled {
  readonly directory: Directory
  readonly count: number
  readonly ids: readonly string[]
  readonly cursors: readonly string[]
}

/** Creates users through HTTP, as everybody else has to. */
export async function fill(directory: Directory, count: number, say: Say): Promise<Filled> {
  const every = Math.max(1, Math.floor(count / SAMPLE_COUNT))
  const ids: string[] = []
  for (let from = 0; from < count; from += LOAD_STEP) {
    say(`${inWords(from)} of ${inWords(count)} users`)
    const loaded = await loadUsers(directory, from, Math.min(LOAD_STEP, count - from))
    ids.push(...loaded.filter((_, index) => (from + index) % every === 0))
  }
  return { directory, count, ids, cursors: await cursorsInto(directory, count) }
}

const cursorPath = ({ path }: Directory, cursor: string): string =>
  `${path}/Users?cursor=${encodeURIComponent(cursor)}&count=${PAGE}`

/** Cursors at even distances, by walking through all pages. */
async function cursorsInto(directory: Directory, count: number): Promise<string[]> {
  const pages = Math.ceil(count / PAGE)
  const every = Math.max(1, Math.floor(pages / CURSOR_COUNT))
  const cursors: string[] = []
  let page = 0
  let cursor: string | undefined = ''
  await run(directory, {
    connections: 1,
    next: () =>
      cursor === undefined
        ? undefined
        : { method: 'GET', path: `${cursorPath(directory, cursor)}&attributes=id` },
    answered(_, body) {
      page++
      cursor = /"nextCursor":"([^"]+)"/.exec(body)?.[1]
      if (cursor !== undefined && page % every === 0) cursors.push(cursor)
    },
  })
  return cursors
}

const USER_NAME = 'userName eq'
const CURSOR = 'page of 100 by cursor, at any depth'
/** What the design asks of the largest directory against REFERENCE_COUNT users. */
const TARGETS = new Map([
  [USER_NAME, USER_NAME],
  [CURSOR, 'a page by cursor at any depth'],
])

/** The requests that read, each on one connection. */
const READS: readonly { readonly name: string; loadOf(filled: Filled): Load }[] = [
  {
    name: 'GET by id',
    loadOf: ({ directory, ids }) => reading(1, ids, (id) => `${directory.path}/Users/${id}`),
  },
  {
    name: USER_NAME,
    loadOf({ directory, count, ids }) {
      const numbers = ids.map((_, index) => Math.floor((index * count) / ids.length))
      return reading(1, numbers, (number) => byUserName(directory, number))
    },
  },
  {
    name: CURSOR,
    loadOf: ({ directory, cursors }) =>
      reading(1, cursors, (cursor) => cursorPath(directory, cursor)),
  },
  {
    name: 'page of 100 by index, in the middle',
    loadOf: ({ directory, count }) =>
      same(`${directory.path}/Users?startIndex=${Math.floor(count / 2)}&count=${PAGE}`),
  },
  {
    name: 'count of everybody',
    loadOf: ({ directory }) => same(`${directory.path}/Users?count=0`),
  },
  {
    name: 'count of half, by a range',
    loadOf({ directory, count }) {
      const filter = `userName ge "user${numberText(Math.floor(count / 2))}"`
      return same(`${directory.path}/Users?filter=${encodeURIComponent(filter)}&count=0`)
    },
  },
]

/** One request again and again. */
const same = (path: string): Load => reading(1, [path], String)

/** Curves over directories of all sizes, the largest last. */
export async function usersCurves(filled: readonly Filled[], pace: Pace, say: Say): Promise<Drawn> {
  const curves: Curve[] = []
  for (const { name, loadOf } of READS) {
    say(name)
    curves.push(await curveOf(name, filled, ({ directory }) => directory, loadOf, pace))
  }
  // The last, since it changes the sizes, if by little.
  say('create')
  curves.push(await creations(filled, pace))
  const sizes = filled.map(({ count }) => count)
  return {
    figures: figuresOf(curves, sizes),
    panel: panelOf('Cost of a request, by the users of the directory', 'users', curves, sizes),
  }
}

/** A few each time, or the small directories would not stay small. */
async function creations(filled: readonly Filled[], { rounds }: Pace): Promise<Curve> {
  const turns = filled.map(({ directory, count }) => {
    let number = count
    return () => {
      const end = number + CREATED_PER_TURN
      const next = () => (number < end ? creating(directory, number++) : undefined)
      return run(directory, { connections: 1, next })
    }
  })
  return { name: 'create', rounds: await takeTurns(turns, rounds) }
}

function figuresOf(curves: readonly Curve[], sizes: readonly number[]): Figure[] {
  const largest = `${inWords(sizes.at(-1) as number)} users`
  const reference = Math.max(0, sizes.slice(0, -1).indexOf(REFERENCE_COUNT))
  const against = `${inWords(sizes[reference] as number)} users`
  return curves.flatMap(({ name, rounds }) => {
    const pair = { ours: rounds.at(-1) ?? [], theirs: rounds[reference] ?? [] }
    const naming = (suffix: string, which: string, atMost: number): Naming => {
      const target = TARGETS.get(name)
      const asked = target && {
        goal: { of: 'ratio', atMost } as const,
        target: `${target}, ${largest} against ${against}: ${which}`,
      }
      return {
        group: 'Size of the directory',
        name: `${name}, ${largest}${suffix}`,
        against,
        ...asked,
      }
    }
    return [
      latencyFigure(naming('', 'median', 1.5), pair),
      latencyFigure(naming(', p99', 'p99', 3), pair, 0.99),
    ]
  })
}

/** The memory of the server while everything is asked at once, over many connections. */
export async function memoryUnderLoad(
  { directory, ids, cursors, count }: Filled,
  pace: Pace,
): Promise<Figure[]> {
  const { path } = directory
  const userOf = (index: number): string => `Users/${ids[index % ids.length]}`
  const get = (path: string): Request => ({ method: 'GET', path })
  const kinds: readonly ((index: number) => Request)[] = [
    (index) => get(`${path}/${userOf(index)}`),
    (index) => get(byUserName(directory, (index * 7919) % count)),
    (index) => get(cursorPath(directory, cursors[index % cursors.length] ?? '')),
    (index) => creating(directory, 5_000_000 + index),
    (index) =>
      patching(directory, userOf(index), { op: 'replace', path: 'title', value: `Of ${index}` }),
  ]
  let turn = 0
  const next = () => {
    turn++
    return kinds[turn % kinds.length]?.(turn)
  }
  const watch = watchMemory(directory.pid)
  const load = { connections: LOAD_CONNECTIONS, ms: pace.ms * LOAD_TURNS, next }
  const measured = await run(directory, load)
  const most = watch.end()
  if (!most) return []
  const users = `${inWords(count)} users`
  return [
    {
      group: 'Memory and start',
      name: `anonymous memory, ${users}, reads and writes at ${LOAD_CONNECTIONS} connections`,
      unit: 'MiB',
      value: most.anonymous,
      latency: latencyOf([measured]),
      goal: { of: 'value', atMost: MEMORY_MIB },
      target: `memory with ${users} under load`,
    },
  ]
}
