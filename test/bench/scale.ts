/**
 * Measures how cost grows: with the users of a directory, with the members of a group, with the
 * groups of a user. Draws curves of it.
 */

import type { Panel } from './chart.ts'
import {
  ask,
  byUserName,
  creating,
  type Directory,
  idIn,
  loadGroup,
  loadUsers,
  patching,
  patchingMembers,
} from './directory.ts'
import { comparison, type Figure, type Latency, latencyFigure, latencyOf } from './figures.ts'
import { learnUser } from './floors.ts'
import { type Load, type Measured, type Request, run } from './load.ts'
import { toggling } from './peer.ts'
import { watchMemory } from './process-facts.ts'
import type { Result } from './report.ts'
import { fileOf, type Started, scratch, startBare, startScimd, tenantOf } from './servers.ts'
import { bareSync, learnSync, type Synced, type SyncSize, sync, syncFigures } from './sync.ts'
import { type Pace, reading, takeTurns, turnOf } from './turns.ts'

/** What is measured; the last of each list is compared with one before. */
export interface Sizes {
  readonly users: readonly number[]
  readonly members: readonly number[]
  readonly groupsOfUser: readonly number[]
  readonly sync: SyncSize
  readonly pace: Pace
}

export const SIZES: Record<'scale' | 'rehearsal', Sizes> = {
  scale: {
    users: [1000, 10_000, 100_000, 1_000_000],
    members: [10, 100, 1000, 10_000, 100_000],
    groupsOfUser: [1, 10, 100, 1000],
    sync: { users: 100_000, groups: 1000 },
    pace: { rounds: 5, ms: 500 },
  },
  rehearsal: {
    users: [1000, 3000, 10_000],
    members: [10, 100, 1000],
    groupsOfUser: [1, 10],
    sync: { users: 2000, groups: 20 },
    pace: { rounds: 2, ms: 100 },
  },
}

type Say = (message: string) => void

/** Ids that are kept of a directory, evenly over it, and cursors into it. */
const SAMPLE_COUNT = 1000
const CURSOR_COUNT = 10
const PAGE = 100
const LOAD_STEP = 100_000
const CREATED_PER_TURN = 60
const DELETIONS = 4
const MEMORY_MIB = 200
const LOAD_CONNECTIONS = 64
const LOAD_TURNS = 10
const STARTS = 5
/** So that what a deletion leaves behind is swept before something else is measured. */
const SWEEP_MS = 1500

const inWords = (count: number): string => count.toLocaleString('en-US')

/** A directory with what is known of it. */
interface Filled {
  readonly directory: Directory
  readonly count: number
  readonly ids: readonly string[]
  readonly cursors: readonly string[]
}

/** All of it; the largest directory is the default tenant's. */
export async function measureScale(sizes: Sizes, say: Say): Promise<Result> {
  const data = scratch()
  let scimd = await startScimd(data)
  const filled: Filled[] = []
  for (const count of sizes.users) {
    const isLargest = count === sizes.users.at(-1)
    const directory = tenantOf(scimd, data, isLargest ? 'default' : `users-${count}`)
    filled.push(await fill(directory, count, say))
  }
  const users = await usersCurves(filled, sizes.pace, say)
  const memory = await memoryUnderLoad(filled.at(-1) as Filled, sizes.pace, say)

  say(`initial sync: ${inWords(sizes.sync.users)} users`)
  const own = tenantOf(scimd, data, 'sync')
  const { figures: syncing, synced } = await syncOnce(scimd, data, own, sizes.sync)
  const members = await membersCurves(own, synced, sizes, say)
  const groups = await groupsCurves(own, synced, sizes, say)
  await scimd.stop()
  say('start')
  const starts = await coldStarts(data, filled.at(-1) as Filled)
  scimd = starts.last
  await scimd.stop()

  return {
    figures: [
      ...users.figures,
      ...members.figures,
      ...groups.figures,
      ...syncing,
      ...memory,
      ...starts.figures,
    ],
    panels: [users.panel, members.panel, groups.panel],
  }
}

async function fill(directory: Directory, count: number, say: Say): Promise<Filled> {
  const every = Math.max(1, Math.floor(count / SAMPLE_COUNT))
  const ids: string[] = []
  for (let from = 0; from < count; from += LOAD_STEP) {
    say(`${inWords(from)} of ${inWords(count)} users`)
    const loaded = await loadUsers(directory, from, Math.min(LOAD_STEP, count - from))
    ids.push(...loaded.filter((_, index) => (from + index) % every === 0))
  }
  return { directory, count, ids, cursors: await cursorsInto(directory, count) }
}

/** Cursors at even distances, by walking through all pages. */
async function cursorsInto(directory: Directory, count: number): Promise<string[]> {
  const pages = Math.ceil(count / PAGE)
  const every = Math.max(1, Math.floor(pages / CURSOR_COUNT))
  const cursors: string[] = []
  let page = 0
  let cursor: string | undefined = ''
  await run(directory, {
    connections: 1,
    next() {
      if (cursor === undefined) return undefined
      const at = encodeURIComponent(cursor)
      return {
        method: 'GET',
        path: `${directory.path}/Users?cursor=${at}&count=${PAGE}&attributes=id`,
      }
    },
    answered(_, body) {
      page++
      cursor = /"nextCursor":"([^"]+)"/.exec(body)?.[1]
      if (cursor !== undefined && page % every === 0) cursors.push(cursor)
    },
  })
  return cursors
}

/** One kind of request over all sizes. */
interface Curve {
  readonly name: string
  /** The sizes in their order, each with its rounds. */
  readonly rounds: readonly (readonly Measured[])[]
}

async function usersCurves(filled: readonly Filled[], pace: Pace, say: Say) {
  const { length } = filled
  const curve = async (name: string, loadOf: (one: Filled) => Load): Promise<Curve> => {
    say(name)
    const turns = filled.map((one) => turnOf(one.directory, loadOf(one), pace))
    return { name, rounds: await takeTurns(turns, pace.rounds) }
  }
  const pathOf = ({ directory }: Filled, query: string) => `${directory.path}/Users?${query}`
  const curves = [
    await curve('GET by id', (one) =>
      reading(1, one.ids, (id) => `${one.directory.path}/Users/${id}`),
    ),
    await curve('userName eq', ({ directory, count, ids }) => {
      const numbers = ids.map((_, index) => Math.floor((index * count) / ids.length))
      return reading(1, numbers, (number) => byUserName(directory, number))
    }),
    await curve('page of 100 by cursor, at any depth', (one) =>
      reading(1, one.cursors, (cursor) =>
        pathOf(one, `cursor=${encodeURIComponent(cursor)}&count=${PAGE}`),
      ),
    ),
    await curve('page of 100 by index, in the middle', (one) => {
      const startIndex = Math.floor(one.count / 2)
      return reading(1, [startIndex], (index) => pathOf(one, `startIndex=${index}&count=${PAGE}`))
    }),
    await curve('count of everybody', (one) => reading(1, [0], () => pathOf(one, 'count=0'))),
    await curve('count of half, by a range', (one) => {
      const middle = `userName ge "user${String(Math.floor(one.count / 2)).padStart(7, '0')}"`
      const path = pathOf(one, `filter=${encodeURIComponent(middle)}&count=0`)
      return reading(1, [path], String)
    }),
  ]
  // The last, since it changes the sizes, if by little.
  say('create')
  const numbers = filled.map(({ count }) => count)
  const creations = filled.map(({ directory }, index) => () => {
    let left = CREATED_PER_TURN
    const next = () =>
      left-- > 0 ? creating(directory, (numbers[index] as number) + nextNumber(index)) : undefined
    return run(directory, { connections: 1, next })
  })
  const made = numbers.map(() => 0)
  const nextNumber = (index: number): number => {
    const number = made[index] as number
    made[index] = number + 1
    return number
  }
  curves.push({ name: 'create', rounds: await takeTurns(creations, pace.rounds) })

  const small = filled.findIndex(({ count }) => count === 10_000)
  const reference = small >= 0 && small < length - 1 ? small : 0
  const against = `${inWords((filled[reference] as Filled).count)} users`
  const size = `${inWords((filled[length - 1] as Filled).count)} users`
  const target = new Map([
    ['userName eq', 'userName eq'],
    ['page of 100 by cursor, at any depth', 'a page by cursor at any depth'],
  ])
  const figures = curves.flatMap(({ name, rounds }) => {
    const pair = { ours: rounds.at(-1) ?? [], theirs: rounds[reference] ?? [] }
    const naming = { group: 'Size of the directory', against } as const
    const asked = target.get(name)
    const goals = (atMost: number, which: string) =>
      asked === undefined
        ? {}
        : {
            goal: { of: 'ratio', atMost } as const,
            target: `${asked}, ${size} against ${against}: ${which}`,
          }
    return [
      latencyFigure({ ...naming, name: `${name}, ${size}`, ...goals(1.5, 'median') }, pair),
      latencyFigure({ ...naming, name: `${name}, ${size}, p99`, ...goals(3, 'p99') }, pair, 0.99),
    ]
  })
  const panel = panelOf('Cost of a request, by the users of the directory', 'users', curves, [
    ...filled.map(({ count }) => count),
  ])
  return { figures, panel }
}

/** Medians of all rounds. */
function panelOf(
  title: string,
  across: string,
  curves: readonly Curve[],
  sizes: readonly number[],
): Panel {
  return {
    title,
    across,
    up: 'median, ms',
    series: curves.map(({ name, rounds }) => ({
      name,
      points: rounds.map((some, index) => [sizes[index] as number, latencyOf(some).p50] as const),
    })),
  }
}

/** Everything at once, over many connections. */
async function memoryUnderLoad(one: Filled, pace: Pace, say: Say): Promise<Figure[]> {
  say('memory under load')
  const { directory, ids, cursors, count } = one
  const { path } = directory
  let turn = 0
  const kinds: ((index: number) => Request)[] = [
    (index) => ({ method: 'GET', path: `${path}/Users/${ids[index % ids.length]}` }),
    (index) => ({ method: 'GET', path: byUserName(directory, (index * 7919) % count) }),
    (index) => ({
      method: 'GET',
      path: `${path}/Users?cursor=${encodeURIComponent(cursors[index % cursors.length] ?? '')}&count=${PAGE}`,
    }),
    (index) => creating(directory, 5_000_000 + index),
    (index) =>
      patching(directory, `Users/${ids[index % ids.length]}`, {
        op: 'replace',
        path: 'title',
        value: `Engineer ${index}`,
      }),
  ]
  const watch = watchMemory(directory.pid)
  const ms = pace.ms * LOAD_TURNS
  const next = () => {
    turn++
    return (kinds[turn % kinds.length] as (index: number) => Request)(turn)
  }
  const measured = await run(directory, { connections: LOAD_CONNECTIONS, ms, next })
  const most = watch.end()
  if (!most) return []
  return [
    {
      group: 'Memory and start',
      name: `anonymous memory at ${inWords(count)} users, reads and writes at ${LOAD_CONNECTIONS} connections`,
      unit: 'MiB',
      value: most.anonymous,
      latency: latencyOf([measured]),
      goal: { of: 'value', atMost: MEMORY_MIB },
      target: `memory with ${inWords(count)} users under load`,
    },
  ]
}

async function syncOnce(scimd: Started, data: string, own: Directory, size: SyncSize) {
  const bare = await startBare(own.token)
  const learning = tenantOf(scimd, data, 'learning')
  await loadUsers(learning, 8_000_000, 1)
  await learnUser(bare, learning, fileOf(data, 'learning'), 8_000_001)
  await learnSync(bare, learning, fileOf(data, 'learning'))
  const before = await bareSync(bare, size)
  const synced = await sync(own, size)
  const after = await bareSync(bare, size)
  const rounds = [{ ours: synced, bareSeconds: (before + after) / 2 }]
  return { synced, figures: syncFigures(size, rounds) }
}

async function membersCurves(own: Directory, synced: Synced, sizes: Sizes, say: Say) {
  const { pace, members } = sizes
  const coming = await loadUsers(own, 6_000_000, 1)
  const groups: string[] = []
  for (const count of members) {
    say(`a group of ${inWords(count)} members`)
    groups.push(await loadGroup(own, `Of ${count}`, synced.userIds.slice(0, count)))
  }
  const memory = watchMemory(own.pid)
  const curve = async (name: string, loadOf: (group: string) => Load): Promise<Curve> => {
    say(name)
    const turns = groups.map((group) => turnOf(own, loadOf(group), pace))
    return { name, rounds: await takeTurns(turns, pace.rounds) }
  }
  const { path } = own
  const one = (request: string): Load => reading(1, [request], String)
  const filtered = (type: string, filter: string, more: string) =>
    one(`${path}/${type}?filter=${encodeURIComponent(filter)}&${more}`)
  const someone = synced.userIds[5]
  const curves = [
    await curve('add or remove one member', (group) => toggling(own, group, coming)(1)),
    await curve('is this user a member?', (group) =>
      filtered(
        'Groups',
        `id eq "${group}" and members.value eq "${someone}"`,
        'excludedAttributes=members',
      ),
    ),
    await curve('ten users of the group (groups.value eq)', (group) =>
      filtered('Users', `groups.value eq "${group}"`, 'count=10'),
    ),
    await curve('read without members', (group) =>
      one(`${path}/Groups/${group}?excludedAttributes=members`),
    ),
    await curve('read with all members', (group) => one(`${path}/Groups/${group}`)),
    await deletions(own, synced, members, pace, say),
  ]
  const most = memory.end()
  const size = `of ${inWords(members.at(-1) as number)}`
  const least = `of ${inWords(members[0] as number)}`
  const figures = curves.map(({ name, rounds }) =>
    latencyFigure(
      {
        group: 'Size of a group',
        name: `${name}, ${size}`,
        against: least,
        ...(name === 'add or remove one member'
          ? {
              goal: { of: 'ratio', atMost: 1.5 } as const,
              target: `PATCH of one member, ${size} against ${least}: median`,
            }
          : {}),
      },
      { ours: rounds.at(-1) ?? [], theirs: rounds[0] ?? [] },
    ),
  )
  const memoryFigure: Figure[] = most
    ? [
        {
          group: 'Memory and start',
          name: `anonymous memory while groups of up to ${inWords(members.at(-1) as number)} are read and changed`,
          unit: 'MiB',
          value: most.anonymous,
          goal: { of: 'value', atMost: MEMORY_MIB },
          target: `memory while groups ${size} are read and changed`,
        },
      ]
    : []
  const title = 'Cost of a request, by the members of the group'
  return {
    figures: [...figures, ...memoryFigure],
    panel: panelOf(title, 'members', curves, members),
  }
}

/** Groups that are made to be deleted, of each size in turn. */
async function deletions(
  own: Directory,
  synced: Synced,
  members: readonly number[],
  { rounds }: Pace,
  say: Say,
): Promise<Curve> {
  const name = 'delete the group'
  say(name)
  let made = 0
  const turns = members.map((count) => async () => {
    const group = await loadGroup(own, `To delete ${made++}`, synced.userIds.slice(0, count))
    const measured = await deleting(own, [`Groups/${group}`])
    await Bun.sleep(SWEEP_MS)
    return measured
  })
  return { name, rounds: await takeTurns(turns, Math.min(DELETIONS, rounds)) }
}

/** Deletes one after the other. */
function deleting(own: Directory, resources: readonly string[]): Promise<Measured> {
  const left = [...resources]
  return run(own, {
    connections: 1,
    next() {
      const resource = left.shift()
      return resource === undefined
        ? undefined
        : { method: 'DELETE', path: `${own.path}/${resource}` }
    },
  })
}

async function groupsCurves(own: Directory, synced: Synced, sizes: Sizes, say: Say) {
  const { groupsOfUser, pace } = sizes
  const rounds = Math.min(DELETIONS, pace.rounds)
  // One for each round, and one to warm up.
  const users = await loadUsers(own, 7_000_000, groupsOfUser.length * (rounds + 1))
  const of = (index: number) => users.slice(index * (rounds + 1), (index + 1) * (rounds + 1))
  say(`users in up to ${inWords(groupsOfUser.at(-1) as number)} groups`)
  for (const [number, group] of synced.groupIds.entries()) {
    const members = groupsOfUser.flatMap((count, index) => (number < count ? of(index) : []))
    if (members.length === 0) break
    const { method, path, body } = patchingMembers(own, group, 'add', members)
    await ask(own, { method, path, ...(body === undefined ? {} : { body }) })
  }
  const readings = groupsOfUser.map((_, index) => {
    const load = reading(1, of(index), (id) => `${own.path}/Users/${id}`)
    return turnOf(own, load, pace)
  })
  const read: Curve = { name: 'GET the user', rounds: await takeTurns(readings, rounds) }
  const found = await ask(own, { method: 'GET', path: `${own.path}/Users/${of(0)[0]}` })
  if (idIn(found) === '') throw new Error('a user is lost')
  const left = groupsOfUser.map((_, index) => [...of(index)])
  const turns = left.map((ids) => async () => {
    const measured = await deleting(own, [`Users/${ids.pop()}`])
    await Bun.sleep(SWEEP_MS)
    return measured
  })
  const removed: Curve = { name: 'delete the user', rounds: await takeTurns(turns, rounds) }
  const curves = [read, removed]
  const size = `in ${inWords(groupsOfUser.at(-1) as number)} groups`
  const figures = curves.map((curve) =>
    latencyFigure(
      {
        group: 'Size of a group',
        name: `${curve.name}, ${size}`,
        against: `in ${groupsOfUser[0]}`,
      },
      { ours: curve.rounds.at(-1) ?? [], theirs: curve.rounds[0] ?? [] },
    ),
  )
  const title = 'Cost of a request, by the groups of the user'
  return { figures, panel: panelOf(title, 'groups', curves, groupsOfUser) }
}

/** From nothing to the first answer, of the full data directory and of an empty one. */
async function coldStarts(data: string, { count }: Filled) {
  const empty = scratch()
  let last: Started = await startScimd(empty)
  const starting = (where: string) => async (): Promise<Latency> => {
    await last.stop()
    const from = performance.now()
    last = await startScimd(where)
    const own = { port: last.port, pid: last.pid, token: '' }
    await ask(own, { method: 'GET', path: '/ready' })
    return { p50: last.tookMs, p99: performance.now() - from }
  }
  const [full = [], none = []] = await takeTurns([starting(data), starting(empty)], STARTS)
  const ready = (some: readonly Latency[]) => some.map(({ p99 }) => p99)
  const figure = comparison(
    {
      group: 'Memory and start',
      name: `start until ready, ${inWords(count)} users`,
      against: 'empty directory',
      goal: { of: 'ratio', atMost: 3 },
      target: `cold start with ${inWords(count)} users`,
    },
    'ms',
    ready(full),
    ready(none),
  )
  return { figures: [figure], last }
}
