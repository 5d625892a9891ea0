/** Measures scimd against the least that Elysia and LMDB can do: the floors of bare.ts. */

import {
  ask,
  byUserName,
  creating,
  type Directory,
  loadGroup,
  loadUsers,
  numberText,
} from './directory.ts'
import { type Figure, type Naming, rateFigure } from './figures.ts'
import type { Measured, Server } from './load.ts'
import { type Pace, reading, takeTurns, takeTurnsOfTwo, turnOf } from './turns.ts'

const READ_COUNT = 1000
const GROUPS_OF_USER = 10
const USERS_IN_GROUPS = 100
const READ_CONNECTIONS = 16
const POST_CONNECTIONS = [1, 16, 64]

const CEILING_CONNECTIONS = 64

/** How many requests this client can send in a second: to a server that answers a fixed string. */
export async function clientCeiling(bare: Server, pace: Pace): Promise<number> {
  const load = reading(CEILING_CONNECTIONS, ['/fixed'], (path) => path)
  const [rounds = []] = await takeTurns([turnOf(bare, load, pace)], pace.rounds)
  return Math.max(...rounds.map(({ perSecond }) => perSecond))
}

/** GET, look-up and page against a route that returns the very same bytes. */
export async function readFloors(
  directory: Directory,
  bare: Server,
  pace: Pace,
  numberFrom: number,
): Promise<Figure[]> {
  const alone = await loadUsers(directory, numberFrom, READ_COUNT)
  const inGroups = await loadUsers(directory, numberFrom + READ_COUNT, USERS_IN_GROUPS)
  for (let group = 1; group <= GROUPS_OF_USER; group++) {
    await loadGroup(directory, `Group ${group}`, inGroups)
  }
  const pathOf = (id: string): string => `${directory.path}/Users/${id}`
  const numbers = Array.from({ length: 100 }, (_, index) => numberFrom + index)
  const page = `${directory.path}/Users?startIndex=501&count=100`
  const cases = [
    {
      name: 'GET by id',
      paths: alone.map(pathOf),
      goal: { of: 'ratio', atLeast: 0.85 },
      target: 'GET by id, a user without groups',
    },
    {
      name: `GET by id, in ${GROUPS_OF_USER} groups`,
      paths: inGroups.map(pathOf),
      goal: { of: 'ratio', atLeast: 0.6 },
      target: 'GET by id, a user in ten groups',
    },
    { name: 'userName eq', paths: numbers.map((number) => byUserName(directory, number)) },
    { name: 'page of 100', paths: [page] },
  ] as const
  const figures: Figure[] = []
  for (const { paths, ...naming } of cases) {
    const keys = [...paths.keys()].map(String)
    await Promise.all(keys.map((key) => copy(directory, paths[Number(key)] as string, bare, key)))
    const rounds = await takeTurnsOfTwo(
      turnOf(directory, reading(READ_CONNECTIONS, paths, String), pace),
      turnOf(
        bare,
        reading(READ_CONNECTIONS, keys, (key) => `/resources/${key}`),
        pace,
      ),
      pace,
    )
    figures.push(rateFigure(named(naming, 'bare route, same bytes'), rounds))
  }
  return figures
}

const named = (naming: Omit<Naming, 'group' | 'against'>, against: string): Naming => ({
  ...naming,
  group: 'Floors',
  against,
})

/** Gives the bare route the very bytes that scimd answers. */
async function copy(from: Server, path: string, bare: Server, key: string): Promise<void> {
  const body = await ask(from, { method: 'GET', path })
  await ask(bare, { method: 'PUT', path: `/resources/${key}`, body })
}

/** What a change writes, as the bare store has learned it. */
export interface Learned {
  readonly keys: number
  readonly bytes: number
}

/** Lets the bare store learn what a change writes to a tenant's file. */
export async function learn(
  bare: Server,
  name: string,
  file: string,
  change: () => Promise<{ id?: string; number?: string }>,
): Promise<Learned> {
  const put = (path: string, body: object) =>
    ask(bare, { method: 'PUT', path, body: JSON.stringify(body) })
  await put('/snapshot', { file })
  const { id = '', number = '' } = await change()
  return JSON.parse(await put(`/template/${name}`, { file, id, number })) as Learned
}

/** POST against the bare transaction, which has learned to write `user`. */
export async function writeFloors(
  directory: Directory,
  bare: Server,
  learned: Learned,
  pace: Pace,
  numberFrom: number,
): Promise<Figure[]> {
  const figures: Figure[] = []
  let number = numberFrom
  for (const connections of POST_CONNECTIONS) {
    const ours = { connections, next: () => creating(directory, number++) }
    const theirs = {
      connections,
      next: () => ({ ...creating(directory, number++), path: '/resources' }),
    }
    const [scimd = [], transactions = [], behindHttp = []] = await takeTurns<Measured>(
      [
        turnOf(directory, ours, pace),
        () => bareWrites(bare, `user?writers=${connections}&ms=${pace.ms}`),
        turnOf(bare, theirs, pace),
      ],
      pace.rounds,
    )
    const name = `POST, ${connections} connection${connections === 1 ? '' : 's'}`
    const { keys, bytes } = learned
    const goal = { goal: { of: 'ratio', atLeast: 0.5 }, target: name } as const
    const first = { name, ...(connections === 1 ? {} : goal) }
    figures.push(
      rateFigure(named(first, `bare transaction, ${keys} keys, ${bytes} bytes`), {
        ours: scimd,
        theirs: transactions,
      }),
      rateFigure(named({ name }, 'the same behind a bare route'), {
        ours: scimd,
        theirs: behindHttp,
      }),
    )
  }
  return figures
}

/** Transactions of the bare store, past HTTP. */
export async function bareWrites(bare: Server, query: string): Promise<Measured> {
  const answer = await ask(bare, { method: 'GET', path: `/write/${query}` })
  const { count, seconds } = JSON.parse(answer) as Record<'count' | 'seconds', number>
  return { count, perSecond: count / seconds, latencies: [], cpuMicros: undefined }
}

/** Creates one user, for the bare store to learn from. */
export async function learnUser(bare: Server, directory: Directory, file: string, number: number) {
  return learn(bare, 'user', file, async () => {
    const [id = ''] = await loadUsers(directory, number, 1)
    return { id, number: numberText(number) }
  })
}
