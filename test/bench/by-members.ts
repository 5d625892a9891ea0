/** Measures what requests cost by the members of a group, and by the groups of a user. */

import { type Curve, curveOf, type Drawn, inWords, panelOf, type Say } from './curves.ts'
import { ask, type Directory, loadGroup, loadUsers, patchingMembers } from './directory.ts'
import { type Figure, latencyFigure } from './figures.ts'
import { type Load, type Measured, run } from './load.ts'
import { toggling } from './peer.ts'
import { type Memory, watchMemory } from './process-facts.ts'
import type { Synced } from './sync.ts'
import { type Pace, reading, takeTurns, turnOf } from './turns.ts'

const DELETIONS_MAX = 4
/** What a larger group may take more, which is what a collection of garbage may be late. */
const MEMORY_RATIO = 1.2
/** Rounds for which memory is watched. */
const MEMORY_TURNS = 4
/** So that what a deletion leaves behind is swept before something else is measured. */
const SWEEP_MS = 1500

const TOGGLE = 'add or remove one member'

/** Groups of all sizes in a directory that a sync has filled. */
export async function membersCurves(
  own: Directory,
  { userIds }: Synced,
  sizes: readonly number[],
  pace: Pace,
  say: Say,
): Promise<Drawn> {
  const coming = await loadUsers(own, 6_000_000, 1)
  const groups: string[] = []
  for (const count of sizes) {
    say(`a group of ${inWords(count)} members`)
    groups.push(await loadGroup(own, `Of ${count}`, userIds.slice(0, count)))
  }
  const { path } = own
  const get = (resource: string): Load => reading(1, [`${path}/${resource}`], String)
  const filtered = (type: string, filter: string, more: string): Load =>
    get(`${type}?filter=${encodeURIComponent(filter)}&${more}`)
  const kinds: readonly (readonly [name: string, loadOf: (group: string) => Load])[] = [
    [TOGGLE, (group) => toggling(own, group, coming)(1)],
    [
      'is this user a member?',
      (group) => {
        const filter = `id eq "${group}" and members.value eq "${userIds[0]}"`
        return filtered('Groups', filter, 'excludedAttributes=members')
      },
    ],
    [
      'ten users by groups.value eq',
      (group) => filtered('Users', `groups.value eq "${group}"`, 'count=10'),
    ],
    ['read without members', (group) => get(`Groups/${group}?excludedAttributes=members`)],
    ['read with all members', (group) => get(`Groups/${group}`)],
  ]
  const held = [groups[0], groups.at(-1)].map((group) => toggling(own, group as string, coming)(1))
  const [few, many] = await memoryOfEach(own, held, pace)
  const watch = watchMemory(own.pid)
  const curves: Curve[] = []
  for (const [name, loadOf] of kinds) {
    say(name)
    curves.push(await curveOf(name, groups, () => own, loadOf, pace))
  }
  const most = watch.end()
  say('delete the group')
  curves.push(await groupDeletions(own, userIds, sizes, pace))

  const size = `of ${inWords(sizes.at(-1) as number)}`
  const against = `of ${inWords(sizes[0] as number)}`
  const figures: Figure[] = curves.map(({ name, rounds }) => {
    const goal = {
      goal: { of: 'ratio', atMost: 1.5 },
      target: `PATCH of one member ${size}`,
    } as const
    const asked = name === TOGGLE ? goal : {}
    const naming = {
      group: 'Size of a group',
      name: `${name}, ${size}`,
      against,
      ...asked,
    } as const
    return latencyFigure(naming, { ours: rounds.at(-1) ?? [], theirs: rounds[0] ?? [] })
  })
  if (most && few && many) {
    const ratio = many.anonymous / few.anonymous
    const spread = { median: ratio, low: ratio, high: ratio }
    figures.push(
      {
        group: 'Memory and start',
        name: `anonymous memory, one member added and removed, ${size}`,
        unit: 'MiB',
        value: many.anonymous,
        reference: { name: against, value: few.anonymous, ratio: spread },
        goal: { of: 'ratio', atMost: MEMORY_RATIO },
        target: 'memory does not grow with the group',
      },
      {
        group: 'Memory and start',
        name: `anonymous memory, groups of up to ${inWords(sizes.at(-1) as number)} read whole`,
        unit: 'MiB',
        value: most.anonymous,
      },
    )
  }
  const title = 'Cost of a request, by the members of the group'
  return { figures, panel: panelOf(title, 'members', curves, sizes) }
}

/** The most memory that the server had during each of these loads. */
async function memoryOfEach(
  own: Directory,
  loads: readonly Load[],
  { ms }: Pace,
): Promise<(Memory | undefined)[]> {
  const memories: (Memory | undefined)[] = []
  // The first time warms up: whatever is measured first would seem to need less.
  for (const load of [...loads, ...loads]) {
    const watch = watchMemory(own.pid)
    await run(own, { ...load, ms: ms * MEMORY_TURNS })
    memories.push(watch.end())
  }
  return memories.slice(loads.length)
}

/** Groups that are made to be deleted, of each size in turn. */
async function groupDeletions(
  own: Directory,
  userIds: readonly string[],
  sizes: readonly number[],
  { rounds }: Pace,
): Promise<Curve> {
  let made = 0
  const turns = sizes.map((count) => async () => {
    const group = await loadGroup(own, `To delete ${made++}`, userIds.slice(0, count))
    return deletion(own, `Groups/${group}`)
  })
  const name = 'delete the group'
  return { name, rounds: await takeTurns(turns, Math.min(DELETIONS_MAX, rounds)) }
}

async function deletion(own: Directory, resource: string): Promise<Measured> {
  let isSent = false
  const measured = await run(own, {
    connections: 1,
    next() {
      if (isSent) return undefined
      isSent = true
      return { method: 'DELETE', path: `${own.path}/${resource}` }
    },
  })
  await Bun.sleep(SWEEP_MS)
  return measured
}

/** Users in as many groups as each size says. */
export async function groupsCurves(
  own: Directory,
  { groupIds }: Synced,
  sizes: readonly number[],
  pace: Pace,
  say: Say,
): Promise<Drawn> {
  const rounds = Math.min(DELETIONS_MAX, pace.rounds)
  // One for each round, and one to warm up.
  const each = rounds + 1
  const users = await loadUsers(own, 7_000_000, sizes.length * each)
  const usersOf = sizes.map((_, index) => users.slice(index * each, (index + 1) * each))
  say(`users in up to ${inWords(sizes.at(-1) as number)} groups`)
  for (const [number, group] of groupIds.entries()) {
    const members = usersOf.filter((_, index) => number < (sizes[index] as number)).flat()
    if (members.length > 0) await ask(own, patchingMembers(own, group, 'add', members))
  }
  const readings = usersOf.map((ids) =>
    turnOf(
      own,
      reading(1, ids, (id) => `${own.path}/Users/${id}`),
      pace,
    ),
  )
  const removals = usersOf.map((ids) => {
    const left = [...ids]
    return () => deletion(own, `Users/${left.pop()}`)
  })
  const curves: Curve[] = [
    { name: 'GET the user', rounds: await takeTurns(readings, rounds) },
    { name: 'delete the user', rounds: await takeTurns(removals, rounds) },
  ]
  const size = `in ${inWords(sizes.at(-1) as number)} groups`
  const figures = curves.map((curve) => {
    const against = `in ${sizes[0]}`
    const naming = { group: 'Size of a group', name: `${curve.name}, ${size}`, against } as const
    return latencyFigure(naming, { ours: curve.rounds.at(-1) ?? [], theirs: curve.rounds[0] ?? [] })
  })
  const title = 'Cost of a request, by the groups of the user'
  return { figures, panel: panelOf(title, 'groups', curves, sizes) }
}
