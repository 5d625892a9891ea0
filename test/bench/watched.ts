/**
 * A server from source that watches its own event loop, for blocks.ts. Fills its store before it
 * listens; told to `begin` by its parent, it reports at `end` how long it was blocked in between.
 */

import { join } from 'node:path'
import { start } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { loadRegistry } from '../../src/schemas.ts'
import type { ResourceType } from '../../src/scim/registry.ts'
import type { Document } from '../../src/scim/resource.ts'
import { DEFAULT_RULES } from '../../src/scim/tolerance.ts'
import { openLmdbStore } from '../../src/store/lmdb-store.ts'
import type { Change } from '../../src/store/store.ts'
import { SEED, type Seen, USER_URN } from './seed.ts'

const [data, token] = process.argv.slice(2)
if (data === undefined || token === undefined) throw new Error('watched.ts DATA TOKEN')

const CHANGES_PER_COMMIT = 1000
const MIB = 1024 * 1024

/** Resources as the seed describes them, written past HTTP as that would take minutes. */
async function fill(path: string): Promise<void> {
  const registry = loadRegistry(undefined)
  const store = await openLmdbStore(join(path, 'tenants', 'default.mdb'), 'default', registry, {
    ...DEFAULT_RULES,
  })
  const typeOf = (endpoint: string): ResourceType => {
    const type = registry.types.find((one) => one.endpoint === endpoint)
    if (!type) throw new Error(`there is no ${endpoint}`)
    return type
  }
  const users = typeOf('/Users')
  const groups = typeOf('/Groups')
  const origin = { time: Date.now(), actor: 'bench', address: '', requestId: 'seed' }
  let changes: Change[] = []
  const flush = async () => {
    if (changes.length > 0) await store.commit(changes, origin)
    changes = []
  }
  const create = async (
    type: ResourceType,
    id: string,
    document: Document,
    ids: readonly string[] = [],
  ) => {
    const links = type.links.map((link) => ({ link, op: 'add', ids }) as const)
    const change: Change = {
      operation: 'create',
      type,
      id,
      mentions: ids,
      decide: () => ({ document, links }),
    }
    if (ids.length > SEED.membersSmall) await flush()
    changes.push(change)
    if (ids.length > SEED.membersSmall || changes.length === CHANGES_PER_COMMIT) await flush()
  }
  for (const [id, more] of SEED.users()) {
    await create(users, id, { schemas: [USER_URN], userName: id, ...more })
  }
  await flush()
  for (const [id, members] of SEED.groups()) {
    const document = { schemas: [groups.schema.id], displayName: id }
    await create(groups, id, document, members)
  }
  await flush()
  await store.swept()
  await store.close()
}

/** Gaps between ticks of a timer, as seen by a clock and by the processor time of this thread. */
let last = { time: performance.now(), cpu: cpuMs() }
let seen: Seen = { wallMs: 0, cpuMs: 0, rssMiB: 0 }
let rssAtBegin = 0

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

function tick(): void {
  const now = { time: performance.now(), cpu: cpuMs() }
  const rss = process.memoryUsage.rss() / MIB
  seen = {
    wallMs: Math.max(seen.wallMs, now.time - last.time),
    cpuMs: Math.max(seen.cpuMs, now.cpu - last.cpu),
    rssMiB: Math.max(seen.rssMiB, rss - rssAtBegin),
  }
  last = now
}

await fill(data)
const { url } = await start(
  readConfig({ data, listen: '127.0.0.1:0', rateLimit: '0' }, { SCIMD_TOKEN: token }),
  {
    log: (level, message, facts) => console.error(level, message, facts),
    now: Date.now,
    newId: () => Bun.randomUUIDv7(),
  },
)
setInterval(tick, 1)
process.on('message', (message) => {
  if (message === 'begin') {
    Bun.gc(true)
    rssAtBegin = process.memoryUsage.rss() / MIB
    seen = { wallMs: 0, cpuMs: 0, rssMiB: 0 }
    last = { time: performance.now(), cpu: cpuMs() }
    process.send?.({})
  } else {
    tick()
    process.send?.(seen)
  }
})
// Whoever watches may be gone, however it went.
process.on('disconnect', () => process.exit())
process.send?.({ url })
