/** Measures scimd against the peer: the same client, the same requests, the same data for both. */

import {
  byUserName,
  creating,
  type Directory,
  groupBody,
  idIn,
  loadGroup,
  loadUsers,
  patching,
  patchingMembers,
  userBody,
} from './directory.ts'
import { type Figure, type Goal, type Naming, rateFigure } from './figures.ts'
import type { Load, Request } from './load.ts'
import { type Memory, watchMemory } from './process-facts.ts'
import { PEER_NAME, type Peer } from './servers.ts'
import { numberText } from './table.ts'
import { type Pace, takeTurns, takeTurnsOfTwo, turnOf } from './turns.ts'

const CONNECTIONS = [1, 16, 64]
/** Users that take turns as members, one for each connection. */
const COMING_COUNT = 64
/** Times the length of a turn: no request of the peer is waited for longer; ten seconds in full. */
const PATIENCE = 20
/** Nor for the creation of a group. */
const CREATION_PATIENCE = 120
/** Nor for a turn that would take so many times longer, as connections wait for each other. */
const TURN_PATIENCE = 8

/** What both have to do. */
export interface Size {
  readonly users: number
  readonly groups: readonly number[]
}

/** One kind of request: makes the load of one side. */
interface Case {
  readonly name: string
  readonly goalOf: (connections: number) => Goal | undefined
  loadOf(side: Side): (connections: number) => Load
}

/** One server with the ids of its users, in the order of their numbers. */
interface Side {
  readonly directory: Directory
  readonly ids: readonly string[]
  /** How many users it will have been asked to create. */
  created: number
}

const readGoal = (connections: number): Goal | undefined =>
  connections === 16 ? { of: 'ratio', atLeast: 5 } : undefined
const writeGoal = (connections: number): Goal | undefined =>
  connections === 1 ? undefined : { of: 'ratio', atLeast: connections === 16 ? 1 : 2 }

/** One request after the other, about one user after the other, in an order that jumps about. */
const each =
  (requestOf: (side: Side, index: number, turn: number) => Request): Case['loadOf'] =>
  (side) => {
    let turn = 0
    return (connections) => ({
      connections,
      next() {
        turn++
        return requestOf(side, (turn * 7919) % side.ids.length, turn)
      },
    })
  }

const get = (path: string): Request => ({ method: 'GET', path })
const userOf = ({ ids }: Side, index: number): string => `Users/${ids[index]}`

const USER_CASES: readonly Case[] = [
  {
    name: 'get',
    goalOf: readGoal,
    loadOf: each((side, index) => get(`${side.directory.path}/${userOf(side, index)}`)),
  },
  {
    name: 'userName eq',
    goalOf: readGoal,
    loadOf: each(({ directory }, index) => get(byUserName(directory, index))),
  },
  {
    name: 'page of 100',
    goalOf: readGoal,
    loadOf: each(({ directory }) => get(`${directory.path}/Users?startIndex=501&count=100`)),
  },
  {
    name: 'PATCH one attribute',
    goalOf: writeGoal,
    loadOf: each((side, index, turn) =>
      patching(side.directory, userOf(side, index), {
        op: 'replace',
        path: 'title',
        value: `Engineer ${turn}`,
      }),
    ),
  },
  {
    name: 'replace',
    goalOf: writeGoal,
    loadOf: each((side, index, turn) => ({
      method: 'PUT',
      path: `${side.directory.path}/${userOf(side, index)}`,
      body: userBody(index, `Engineer ${turn}`),
    })),
  },
  {
    name: 'create',
    goalOf: writeGoal,
    loadOf: each((side) => creating(side.directory, side.created++)),
  },
]

/** Runs all cases of users: both sides begin empty. */
export async function usersAgainstPeer(
  ours: Directory,
  theirs: Directory,
  count: number,
  pace: Pace,
  say: (message: string) => void,
): Promise<Figure[]> {
  const sides: [Side, Side] = [
    { directory: ours, ids: await loadUsers(ours, 0, count), created: count },
    { directory: theirs, ids: await loadUsers(theirs, 0, count), created: count },
  ]
  const figures: Figure[] = []
  const memory = sides.map(({ directory }) => watchMemory(directory.pid))
  for (const one of USER_CASES) {
    say(`peer: ${one.name}`)
    const probe = await probeOf(one, sides[1], pace)
    figures.push(...(await compare(one, sides[0], sides[1], pace, probe)))
  }
  const [own, other] = memory.map((watch) => watch.end())
  return [...figures, ...memoryFigures(own, other)]
}

function memoryFigures(own: Memory | undefined, other: Memory | undefined): Figure[] {
  if (!own || !other) return []
  const figure = (name: string, value: number, reference: number): Figure => {
    const ratio = value / reference
    return {
      group: 'Peer',
      name,
      unit: 'MiB',
      value,
      reference: {
        name: PEER_NAME,
        value: reference,
        ratio: { median: ratio, low: ratio, high: ratio },
      },
    }
  }
  return [
    figure('memory of its own, most', own.anonymous, other.anonymous),
    figure('resident memory, most', own.residentMost, other.residentMost),
  ]
}

/**
 * Adds one member and takes it out again, in groups of each size. scimd's members are users, which
 * it looks up; the peer takes any id, and is spared the users.
 */
export async function membersAgainstPeer(
  ours: Directory,
  theirs: Peer,
  size: Size,
  pace: Pace,
  say: (message: string) => void,
): Promise<Figure[]> {
  const ids = await loadUsers(ours, 0, size.users)
  const coming = await loadUsers(ours, size.users, COMING_COUNT)
  const figures: Figure[] = []
  for (const count of size.groups) {
    const name = `PATCH one member of ${count.toLocaleString('en-US')}`
    say(`peer: ${name}`)
    const members = ids.slice(0, count)
    const group = await loadGroup(ours, name, members)
    const body = groupBody(name, members)
    const creation: Request = { method: 'POST', path: `${theirs.path}/Groups`, body }
    const made = await attempt(theirs, creation, CREATION_PATIENCE * pace.ms)
    const other = idIn(made.body)
    const one: Case = {
      name,
      goalOf: writeGoal,
      loadOf: ({ directory }) => toggling(directory, directory === ours ? group : other, coming),
    }
    const [own, their] = [ours, theirs].map((directory) => ({ directory, ids, created: 0 }))
    const probe = made.why === undefined ? await probeOf(one, their as Side, pace) : made
    // What nobody waits for any more would go on, and be in the way of what is measured.
    if (probe.why !== undefined) await theirs.stop()
    figures.push(...(await compare(one, own as Side, their as Side, pace, probe)))
  }
  return figures
}

/** Each connection puts its own user in and takes it out again. */
export function toggling(
  directory: Directory,
  group: string,
  coming: readonly string[],
): (connections: number) => Load {
  const isIn = coming.map(() => false)
  return (connections) => ({
    connections,
    next(connection) {
      const op = isIn[connection] ? 'remove' : 'add'
      isIn[connection] = !isIn[connection]
      return patchingMembers(directory, group, op, [coming[connection] as string])
    },
  })
}

/** How one request of the peer went. */
interface Attempt {
  readonly ms: number
  readonly body: string
  /** Why there is no answer that counts. */
  readonly why?: string
}

async function attempt(
  { port, token }: Directory,
  { method, path, body }: Request,
  patienceMs: number,
): Promise<Attempt> {
  const started = performance.now()
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/scim+json' },
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(patienceMs),
    })
    const answer = { body: await response.text(), ms: performance.now() - started }
    return response.ok ? answer : { ...answer, why: `answered ${response.status}` }
  } catch {
    const why = `more than ${numberText(patienceMs)} ms for one request`
    return { ms: patienceMs, body: '', why }
  }
}

/** Two requests of the peer, for they tell whether many can be waited for; the faster counts. */
async function probeOf({ loadOf }: Case, theirs: Side, pace: Pace): Promise<Attempt> {
  const { next } = loadOf(theirs)(1)
  const patienceMs = PATIENCE * pace.ms
  const first = await attempt(theirs.directory, next(0) as Request, patienceMs)
  if (first.why !== undefined) return first
  const second = await attempt(theirs.directory, next(0) as Request, patienceMs)
  return second.why !== undefined || second.ms < first.ms ? second : first
}

async function compare(
  { name, goalOf, loadOf }: Case,
  ours: Side,
  theirs: Side,
  pace: Pace,
  probe: Attempt,
): Promise<Figure[]> {
  const own = loadOf(ours)
  const other = loadOf(theirs)
  const figures: Figure[] = []
  for (const connections of CONNECTIONS) {
    const goal = goalOf(connections)
    const naming: Naming = {
      group: 'Peer',
      name: `${name}, ${connections} connection${connections === 1 ? '' : 's'}`,
      against: PEER_NAME,
      ...(goal ? { goal } : {}),
    }
    const turn = turnOf(ours.directory, own(connections), pace)
    const isTooLong = connections > 1 && probe.ms * connections > TURN_PATIENCE * pace.ms
    if (probe.why === undefined && !isTooLong) {
      const their = turnOf(theirs.directory, other(connections), pace)
      figures.push(rateFigure(naming, await takeTurnsOfTwo(turn, their, pace)))
      continue
    }
    const why = probe.why ?? `${numberText(probe.ms)} ms for one request, not waited for`
    const [rounds = []] = await takeTurns([turn], pace.rounds)
    const { reference: _, goal: __, ...alone } = rateFigure(naming, { ours: rounds, theirs: [] })
    figures.push({ ...alone, note: `${PEER_NAME}: ${why}` })
  }
  return figures
}
