/** Measures scimd against the peer: the same client, the same requests, the same data for both. */

import {
  byUserName,
  creating,
  type Directory,
  groupBody,
  idIn,
  loadUsers,
  patching,
  patchingMembers,
  userBody,
} from './directory.ts'
import { type Figure, type Goal, type Naming, rateFigure } from './figures.ts'
import type { Load, Request } from './load.ts'
import { type Memory, watchMemory } from './process-facts.ts'
import { PEER_NAME } from './servers.ts'
import { type Pace, takeTurnsOfTwo, turnOf } from './turns.ts'

const CONNECTIONS = [1, 16, 64]
/** Users that take turns as members, one for each connection. */
const COMING_COUNT = 64
/** Times the length of a turn: no request of the peer is waited for longer; ten seconds in full. */
const PATIENCE = 20
/** Nor for the creation of a group. */
const CREATION_PATIENCE = 120
/** Nor for a turn that would take longer, as connections wait for each other. */
const TURN_PATIENCE_MS = 3000

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
    figures.push(...(await compare(one, sides[0], sides[1], pace)))
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
  theirs: Directory,
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
    const group = (await createGroup(ours, name, members, Number.POSITIVE_INFINITY)) as string
    const other = await createGroup(theirs, name, members, CREATION_PATIENCE * pace.ms)
    const one: Case = {
      name,
      goalOf: writeGoal,
      loadOf: ({ directory }) => toggling(directory, directory === ours ? group : other, coming),
    }
    const sides = [ours, theirs].map((directory) => ({ directory, ids, created: 0 }))
    figures.push(...(await compare(one, sides[0] as Side, sides[1] as Side, pace, other === '')))
  }
  return figures
}

/** Gives the id; an empty one when it was refused, or took too long. */
async function createGroup(
  { port, token, path }: Directory,
  displayName: string,
  members: readonly string[],
  patienceMs: number,
): Promise<string> {
  const signal = Number.isFinite(patienceMs) ? { signal: AbortSignal.timeout(patienceMs) } : {}
  const response = await fetch(`http://127.0.0.1:${port}${path}/Groups`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/scim+json' },
    body: groupBody(displayName, members),
    ...signal,
  }).catch(() => undefined)
  return response?.ok ? idIn(await response.text()) : ''
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

async function compare(
  { name, goalOf, loadOf }: Case,
  ours: Side,
  theirs: Side,
  pace: Pace,
  isRefused = false,
): Promise<Figure[]> {
  const own = loadOf(ours)
  const other = loadOf(theirs)
  const patienceMs = PATIENCE * pace.ms
  // One request first, for it tells whether many can be waited for.
  const probeMs = isRefused ? undefined : await timeOf(theirs.directory, other(1), patienceMs)
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
    const isPatient = connections === 1 || (probeMs ?? 0) * connections < TURN_PATIENCE_MS
    if (probeMs !== undefined && probeMs < patienceMs && isPatient) {
      const their = turnOf(theirs.directory, other(connections), pace)
      figures.push(rateFigure(naming, await takeTurnsOfTwo(turn, their, pace)))
      continue
    }
    const alone = rateFigure(naming, await takeTurnsOfTwo(turn, turn, pace))
    const { reference: _, goal: __, ...figure } = alone
    const why =
      probeMs === undefined ? 'could not make such a group' : slowText(probeMs, patienceMs)
    figures.push({ ...figure, note: `${PEER_NAME}: ${why}` })
  }
  return figures
}

const slowText = (probeMs: number, patienceMs: number): string => {
  const isOver = probeMs >= patienceMs
  const seconds = ((isOver ? patienceMs : probeMs) / 1000).toFixed(1)
  return `${isOver ? 'more than ' : ''}${seconds} s for one request, not waited for`
}

/** How long one request of a load takes, in milliseconds: the faster of two, or the patience. */
async function timeOf(
  { port, token }: Directory,
  { next }: Load,
  patienceMs: number,
): Promise<number> {
  let fastest = patienceMs
  for (let time = 0; time < 2; time++) {
    const { method, path, body } = next(0) as Request
    const started = performance.now()
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/scim+json' },
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(patienceMs),
    }).catch(() => undefined)
    await response?.arrayBuffer()
    if (!response?.ok) return patienceMs
    fastest = Math.min(fastest, performance.now() - started)
  }
  return fastest
}
