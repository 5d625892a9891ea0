/**
 * Measures an initial sync as an identity provider does it: each user is looked up by userName and
 * created, each group created and filled, over eight connections; against the bare store doing the
 * same writes.
 */

import {
  byUserName,
  creating,
  type Directory,
  groupBody,
  idIn,
  loadUsers,
  patchingMembers,
} from './directory.ts'
import { comparison, type Figure, median } from './figures.ts'
import { bareWrites, learn } from './floors.ts'
import { type Measured, type Request, run, type Server } from './load.ts'

const CONNECTIONS = 8
/** Members that one PATCH adds, and PATCHes that fill a group. */
const MEMBERS_PER_PATCH = 20
const PATCHES_PER_GROUP = 5
const MEMBERS_PER_GROUP = MEMBERS_PER_PATCH * PATCHES_PER_GROUP
const SLOWEST_MS = 1000

export interface SyncSize {
  readonly users: number
  readonly groups: number
}

/** What a sync left behind. */
export interface Synced {
  readonly seconds: number
  readonly slowestMs: number
  readonly userIds: readonly string[]
  readonly groupIds: readonly string[]
}

/** Fills an empty directory. */
export async function sync(directory: Directory, { users, groups }: SyncSize): Promise<Synced> {
  const userIds = new Array<string>(users)
  const found = await pairs(users, userIds, (number) => [
    { method: 'GET', path: byUserName(directory, number) },
    creating(directory, number),
  ])
  const groupIds = new Array<string>(groups)
  const filled = await pairs(groups, groupIds, (number) => [
    {
      method: 'POST',
      path: `${directory.path}/Groups`,
      body: groupBody(`Group ${number}`),
    },
  ])
  const patches = groups * PATCHES_PER_GROUP
  let patch = 0
  const patched = await run(directory, {
    connections: CONNECTIONS,
    next() {
      if (patch === patches) return undefined
      const group = groupIds[Math.floor(patch / PATCHES_PER_GROUP)] as string
      const first = (patch++ * MEMBERS_PER_PATCH) % users
      const members = userIds.slice(first, first + MEMBERS_PER_PATCH)
      return patchingMembers(directory, group, 'add', members)
    },
  })
  const parts = [found, filled, patched]
  return {
    seconds: parts.reduce((sum, { count, perSecond }) => sum + count / perSecond, 0),
    slowestMs: Math.max(...parts.map(({ latencies }) => latencies.at(-1) ?? 0)),
    userIds,
    groupIds,
  }

  /** The requests of one thing after the other, by whichever connection is free. */
  function pairs(
    count: number,
    ids: string[],
    requestsOf: (number: number) => Request[],
  ): Promise<Measured> {
    let begun = 0
    const at: number[] = []
    const waiting: Request[][] = []
    return run(directory, {
      connections: CONNECTIONS,
      next(connection) {
        const left = waiting[connection] ?? []
        if (left.length === 0) {
          if (begun === count) return undefined
          at[connection] = begun
          left.push(...requestsOf(begun++))
          waiting[connection] = left
        }
        return left.shift()
      },
      answered(connection, body) {
        if (waiting[connection]?.length === 0) ids[at[connection] as number] = idIn(body)
      },
    })
  }
}

/** Lets the bare store learn what a sync writes; `user` it knows. */
export async function learnSync(bare: Server, directory: Directory, file: string): Promise<void> {
  const members = await loadUsers(directory, 9_900_000, MEMBERS_PER_PATCH)
  let group = ''
  await learn(bare, 'group', file, async () => {
    await run(directory, {
      connections: 1,
      next: () =>
        group === ''
          ? { method: 'POST', path: `${directory.path}/Groups`, body: groupBody('Learned') }
          : undefined,
      answered: (_, body) => {
        group = idIn(body)
      },
    })
    return { id: group }
  })
  await learn(bare, 'members', file, async () => {
    let isSent = false
    await run(directory, {
      connections: 1,
      next() {
        if (isSent) return undefined
        isSent = true
        return patchingMembers(directory, group, 'add', members)
      },
    })
    return {}
  })
}

/** The writes of a sync by the bare store, in seconds. */
export async function bareSync(bare: Server, { users, groups }: SyncSize): Promise<number> {
  let seconds = 0
  for (const [name, count] of [
    ['user', users],
    ['group', groups],
    ['members', groups * PATCHES_PER_GROUP],
  ] as const) {
    const wrote = await bareWrites(bare, `${name}?writers=${CONNECTIONS}&count=${count}`)
    seconds += wrote.count / wrote.perSecond
  }
  return seconds
}

/** The figures of syncs that took turns with the bare store. */
export function syncFigures(
  { users, groups }: SyncSize,
  rounds: readonly { ours: Synced; bareSeconds: number }[],
): Figure[] {
  const size =
    `${users.toLocaleString('en-US')} users, ${groups.toLocaleString('en-US')} groups of ` +
    `${MEMBERS_PER_GROUP}`
  const group = 'Initial sync'
  const seconds = rounds.map(({ ours }) => ours.seconds)
  const bare = rounds.map(({ bareSeconds }) => bareSeconds)
  const slowest = rounds.map(({ ours }) => ours.slowestMs)
  const against = 'bare store, the same writes'
  return [
    comparison({ group, name: size, against }, 's', seconds, bare),
    {
      group,
      name: 'slowest request',
      unit: 'ms',
      value: median(slowest),
      goal: { of: 'value', atMost: SLOWEST_MS },
      target: `initial sync of ${size}: no request over one second`,
    },
  ]
}
