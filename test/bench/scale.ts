/**
 * Measures how cost grows: with the users of a directory, with the members of a group, with the
 * groups of a user; and an initial sync, memory and the start where there are a million users.
 */

import { groupsCurves, membersCurves } from './by-members.ts'
import { type Filled, fill, memoryUnderLoad, usersCurves } from './by-users.ts'
import { inWords, type Say } from './curves.ts'
import { ask, type Directory, loadUsers } from './directory.ts'
import { comparison, type Figure } from './figures.ts'
import { learnUser } from './floors.ts'
import type { Result } from './report.ts'
import { fileOf, type Started, scratch, startBare, startScimd, tenantOf } from './servers.ts'
import { bareSync, learnSync, type Synced, type SyncSize, sync, syncFigures } from './sync.ts'
import { type Pace, takeTurns } from './turns.ts'

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
    pace: { rounds: 9, ms: 250 },
  },
  rehearsal: {
    users: [1000, 3000, 10_000],
    members: [10, 100, 1000],
    groupsOfUser: [1, 10],
    sync: { users: 2000, groups: 20 },
    pace: { rounds: 2, ms: 100 },
  },
}

const STARTS = 5

/** All of it; the largest directory is the default tenant's. */
export async function measureScale(sizes: Sizes, say: Say): Promise<Result> {
  const { pace } = sizes
  const data = scratch()
  const scimd = await startScimd(data)
  const filled: Filled[] = []
  for (const count of sizes.users) {
    const isLargest = count === sizes.users.at(-1)
    const tenant = isLargest ? tenantOf(scimd, data) : tenantOf(scimd, data, `users-${count}`)
    filled.push(await fill(tenant, count, say))
  }
  const largest = filled.at(-1) as Filled
  const users = await usersCurves(filled, pace, say)
  say('memory under load')
  const memory = await memoryUnderLoad(largest, pace)

  say(`initial sync: ${inWords(sizes.sync.users)} users`)
  const own = tenantOf(scimd, data, 'sync')
  const { figures: syncing, synced } = await syncOnce(scimd, data, own, sizes.sync)
  const members = await membersCurves(own, synced, sizes.members, pace, say)
  const groups = await groupsCurves(own, synced, sizes.groupsOfUser, pace, say)
  await scimd.stop()
  say('start')
  const start = await coldStarts(data, largest.count)

  const drawn = [users, members, groups]
  return {
    figures: [...drawn.flatMap(({ figures }) => figures), ...syncing, ...memory, start],
    panels: drawn.map(({ panel }) => panel),
  }
}

/** It takes too long to be repeated; the bare store does its writes before and after. */
async function syncOnce(
  scimd: Started,
  data: string,
  own: Directory,
  size: SyncSize,
): Promise<{ synced: Synced; figures: Figure[] }> {
  const bare = await startBare(own.token)
  const learning = tenantOf(scimd, data, 'learning')
  const file = fileOf(data, 'learning')
  await loadUsers(learning, 8_000_000, 1)
  await learnUser(bare, learning, file, 8_000_001)
  await learnSync(bare, learning, file)
  const before = await bareSync(bare, size)
  const synced = await sync(own, size)
  const after = await bareSync(bare, size)
  const rounds = [{ ours: synced, bareSeconds: (before + after) / 2 }]
  return { synced, figures: syncFigures(size, rounds) }
}

/** From nothing until ready, with the full data directory and with an empty one. */
async function coldStarts(data: string, count: number): Promise<Figure> {
  const startOf = (where: string) => async (): Promise<number> => {
    const from = performance.now()
    const { port, pid, stop } = await startScimd(where)
    await ask({ port, pid, token: '' }, { method: 'GET', path: '/ready' })
    const took = performance.now() - from
    await stop()
    return took
  }
  const [full = [], empty = []] = await takeTurns([startOf(data), startOf(scratch())], STARTS)
  const users = `${inWords(count)} users`
  const naming = {
    group: 'Memory and start',
    name: `start until ready, ${users}`,
    against: 'empty directory',
    goal: { of: 'ratio', atMost: 3 },
    target: `cold start with ${users}`,
  } as const
  return comparison(naming, 'ms', full, empty)
}
