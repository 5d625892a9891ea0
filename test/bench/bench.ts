/**
 * Measures the executable through HTTP, each figure as a ratio to something measured in the same
 * run.
 *
 *     bun run bench            against the floors and a peer: under ten minutes
 *     bun run bench --quick    the same in less than a minute, with more noise
 *     bun run bench --scale    up to a million users, and a chart: ten to thirty minutes
 *                              (with --quick as well: a rehearsal of it in a minute)
 *     bun run bench --readme   writes the figures of the last two into README.md; measures nothing
 *
 * The two sides of a ratio take turns, so that whatever else the machine does falls on both. Ratios
 * are of neighbouring rounds; the table shows their median, and the lowest and the highest.
 */

import { parseArgs } from 'node:util'
import { longWork } from './beside.ts'
import { type Directory, loadUsers } from './directory.ts'
import type { Figure } from './figures.ts'
import { clientCeiling, learnUser, readFloors, writeFloors } from './floors.ts'
import type { Server } from './load.ts'
import { membersAgainstPeer, type Size, usersAgainstPeer } from './peer.ts'
import { type Mode, type Result, report, writeReadme } from './report.ts'
import { measureScale, SIZES } from './scale.ts'
import {
  cleanUp,
  cleanUpOnSignals,
  fileOf,
  installPeer,
  requireExecutable,
  type Started,
  scratch,
  startBare,
  startPeer,
  startScimd,
  tenantOf,
} from './servers.ts'
import { bareSync, learnSync, type Synced, type SyncSize, sync, syncFigures } from './sync.ts'
import type { Pace } from './turns.ts'
import { startWatched } from './watch.ts'

interface Plan {
  readonly pace: Pace
  readonly peer: Size & { readonly pagedUsers: number }
  readonly sync: SyncSize
  readonly syncRounds: number
  /** Rounds of long work; none in a quick run, as its store takes half a minute to fill. */
  readonly workRounds: number
}

const PLANS: Record<'full' | 'quick', Plan> = {
  full: {
    pace: { rounds: 5, ms: 300 },
    peer: { users: 100_000, groups: [10, 1000, 100_000], pagedUsers: 2000 },
    sync: { users: 5000, groups: 50 },
    syncRounds: 3,
    workRounds: 3,
  },
  quick: {
    pace: { rounds: 2, ms: 100 },
    peer: { users: 10_000, groups: [10, 1000, 10_000], pagedUsers: 2000 },
    sync: { users: 1000, groups: 10 },
    syncRounds: 2,
    workRounds: 0,
  },
}

const started = performance.now()
const secondsGone = (): number => (performance.now() - started) / 1000

/** Progress, for whoever waits. */
function say(message: string): void {
  console.error(`${secondsGone().toFixed(0).padStart(4)} s  ${message}`)
}

/** Against the floors, then the peer; then a sync, and what long work does to others. */
async function compareAll({ pace, peer, syncRounds, workRounds, ...plan }: Plan): Promise<Result> {
  say('installing the peer')
  installPeer()
  const data = scratch()
  const scimd = await startScimd(data)
  const own = tenantOf(scimd, data)
  const bare = await startBare(own.token)
  const figures: Figure[] = []

  const ceiling = await clientCeiling(bare, pace)
  say(`this client sends up to ${Math.round(ceiling).toLocaleString('en-US')} requests a second`)

  say('floors')
  const learning = tenantOf(scimd, data, 'learning')
  await loadUsers(learning, 8_000_000, 1)
  const learned = await learnUser(bare, learning, fileOf(data, 'learning'), 8_000_001)
  figures.push(...(await readFloors(own, bare, pace, 0)))
  figures.push(...(await writeFloors(own, bare, learned, pace, 1_000_000)))

  const users = await startPeer(own.token)
  const userTenant = tenantOf(scimd, data, 'users')
  figures.push(...(await usersAgainstPeer(userTenant, users, peer.pagedUsers, pace, say)))
  await users.stop()
  const members = await startPeer(own.token)
  const memberTenant = tenantOf(scimd, data, 'members')
  figures.push(...(await membersAgainstPeer(memberTenant, members, peer, pace, say)))
  await members.stop()

  say('initial sync')
  await learnSync(bare, learning, fileOf(data, 'learning'))
  figures.push(...(await syncInTurns(scimd, data, bare, plan.sync, syncRounds)))
  await scimd.stop()

  if (workRounds > 0) {
    say('filling a store of 100,000 users, to watch long work')
    const watched = await startWatched(scratch(), own.token)
    try {
      figures.push(...(await longWork(watched, workRounds, say)))
    } finally {
      await watched.stop()
    }
  }
  return { figures, ceiling }
}

/** Syncs of fresh tenants, each between two of the bare store. */
async function syncInTurns(
  scimd: Started,
  data: string,
  bare: Server,
  size: SyncSize,
  rounds: number,
): Promise<Figure[]> {
  const took: { ours: Synced; bareSeconds: number }[] = []
  for (let round = 0; round < rounds; round++) {
    const tenant: Directory = tenantOf(scimd, data, `sync-${round}`)
    const before = await bareSync(bare, size)
    const ours = await sync(tenant, size)
    const after = await bareSync(bare, size)
    took.push({ ours, bareSeconds: (before + after) / 2 })
  }
  return syncFigures(size, took)
}

async function bench(mode: Mode): Promise<void> {
  cleanUpOnSignals()
  try {
    await requireExecutable()
    const result =
      mode === 'scale' || mode === 'rehearsal'
        ? await measureScale(SIZES[mode], say)
        : await compareAll(PLANS[mode])
    report(mode, secondsGone(), result)
  } finally {
    await cleanUp()
  }
}

const { quick, scale, readme } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    scale: { type: 'boolean', default: false },
    readme: { type: 'boolean', default: false },
  },
}).values
if (readme) writeReadme()
else if (scale) await bench(quick ? 'rehearsal' : 'scale')
else await bench(quick ? 'quick' : 'full')
