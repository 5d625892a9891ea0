/** A server that is killed at any moment loses nothing that it has acknowledged. */

import { expect, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { documentOf } from '../../src/scim/document.ts'
import type { LmdbStore } from '../../src/store/lmdb-store.ts'
import { EXECUTABLE, isBuilt, listeningUrl, send, TOKEN } from '../harness.ts'
import { inconsistenciesIn } from './consistency.ts'
import { GROUP, linkedIds, MEMBERS, openStore, Random, seeds, USER } from './given.ts'

const LIVES = 5
const KILLS_IN_A_LIFE = 10
const CLIENTS = 8
const ACKNOWLEDGED_MAX = 200
/** One kill in so many strikes before the server listens. */
const EARLY_KILLS = 5

const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'
const SHARED = ['shared-0', 'shared-1', 'shared-2']

/**
 * All that is stored, flat, so that a change is a handful of keys: `user NAME` to its display name
 * and version, `group NAME`, and `member GROUP USER`. Undefined removes.
 */
type State = Map<string, string>
type Writes = Readonly<Record<string, string | undefined>>

interface Act {
  readonly method: string
  readonly path: string
  readonly body?: object
  readonly expected: number
  /** What it writes, once all of it, or nothing at all. */
  readonly writes: Writes
}

test.skipIf(!isBuilt).each(seeds(1))(
  'no acknowledged write is lost, and nothing is torn, by fifty kills under load (SCIMD_SEED=%d)',
  async (seed) => {
    const random = new Random(seed)
    for (let life = 0; life < LIVES; life++) {
      const data = mkdtempSync(join(tmpdir(), 'scimd-crash-'))
      try {
        await live(data, random)
      } finally {
        rmSync(data, { recursive: true, force: true })
      }
    }
  },
  60_000,
)

async function live(data: string, random: Random): Promise<void> {
  const history = new History(random)
  for (let kill = 0; kill < KILLS_IN_A_LIFE; kill++) {
    if (random.below(EARLY_KILLS) === 0) await killEarly(data, random)
    else await killUnderLoad(data, random, history)
    await compare(data, history)
  }
  // Whatever it went through, it still ends in order.
  const { child } = await startIn(data)
  child.kill('SIGTERM')
  expect(await child.exited).toBe(0)
}

function spawn(data: string) {
  const words = ['serve', '--data', data, '--listen', '127.0.0.1:0']
  return Bun.spawn([EXECUTABLE, ...words], {
    env: { SCIMD_TOKEN: TOKEN },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
  })
}

async function startIn(data: string) {
  const child = spawn(data)
  return { child, url: await listeningUrl(child.stdout) }
}

async function killEarly(data: string, random: Random): Promise<void> {
  const child = spawn(data)
  await Bun.sleep(random.fraction() * 60)
  child.kill('SIGKILL')
  await child.exited
}

async function killUnderLoad(data: string, random: Random, history: History): Promise<void> {
  const { child, url } = await startIn(data)
  for (const act of history.founding()) {
    const { status, body } = await send(`${url}${act.path}`, act.method, act.body)
    expect(status).toBe(act.expected)
    history.acknowledge(act, body.id)
  }
  let left = 1 + random.below(ACKNOWLEDGED_MAX)
  const { promise: enough, resolve } = Promise.withResolvers<void>()
  const clients = Array.from({ length: CLIENTS }, async (_, client) => {
    for (;;) {
      const act = history.next(client)
      history.begin(client, act)
      let reply: Awaited<ReturnType<typeof send>>
      try {
        reply = await send(`${url}${act.path}`, act.method, act.body)
      } catch {
        return
      }
      if (reply.status !== act.expected) {
        resolve()
        throw new Error(`${act.method} ${act.path}: ${reply.status} ${reply.text}`)
      }
      history.acknowledge(act, reply.body?.id)
      history.begin(client, undefined)
      if (--left === 0) resolve()
    }
  })
  const ended = Promise.all(clients)
  await Promise.race([enough, ended])
  // Others are being written while the last one is acknowledged; strike anywhere in there.
  await Bun.sleep(random.fraction() * 4)
  child.kill('SIGKILL')
  await child.exited
  await ended
}

/** Opens the file as the next start would, and holds it against what was acknowledged. */
async function compare(data: string, history: History): Promise<void> {
  const path = join(data, 'tenants/default.mdb')
  if (!existsSync(path)) return expect(history.state.size).toBe(0)
  const store = await openStore(path)
  try {
    expect(await inconsistenciesIn(store)).toEqual([])
    const { state, ids } = await stateOf(store)
    history.settle(state, ids)
    expect(state).toEqual(history.state)
  } finally {
    await store.close()
  }
}

async function stateOf(store: LmdbStore): Promise<{ state: State; ids: Map<string, string> }> {
  const state: State = new Map()
  const ids = new Map<string, string>()
  const nameOf = new Map<string, string>()
  for (const type of [USER, GROUP]) {
    const { page } = await store.search({
      type,
      plan: { kind: 'all' },
      matches: undefined,
      skip: 0,
      count: 1_000_000,
    })
    for (const stored of page) {
      const { userName, displayName } = documentOf(stored.text, stored.hidden)
      const name = String(userName ?? displayName)
      ids.set(name, stored.id)
      nameOf.set(stored.id, name)
      if (type === USER) state.set(`user ${name}`, `${displayName} ${stored.version}`)
      else state.set(`group ${name}`, '')
      if (type === USER) continue
      for (const id of await linkedIds(store, stored, MEMBERS)) {
        state.set(`member ${name} ${nameOf.get(id)}`, '')
      }
    }
  }
  return { state, ids }
}

/** What was acknowledged, and what clients ask next: each of its own users, and its own group. */
class History {
  readonly state: State = new Map()
  readonly #random: Random
  readonly #ids = new Map<string, string>()
  readonly #users = new Map<number, string[]>()
  readonly #inFlight = new Map<number, Act>()
  #count = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** The groups that all clients share, and one for each, as far as they are not there. */
  founding(): Act[] {
    const own = Array.from({ length: CLIENTS }, (_, client) => `own-${client}`)
    return [...SHARED, ...own]
      .filter((name) => !this.state.has(`group ${name}`))
      .map((displayName) => ({
        method: 'POST',
        path: '/Groups',
        body: { displayName },
        expected: 201,
        writes: { [`group ${displayName}`]: '' },
      }))
  }

  begin(client: number, act: Act | undefined): void {
    if (act) this.#inFlight.set(client, act)
    else this.#inFlight.delete(client)
  }

  acknowledge({ writes }: Act, id?: string): void {
    for (const [key, value] of Object.entries(writes)) {
      if (value === undefined) this.state.delete(key)
      else this.state.set(key, value)
      const [kind, name = ''] = key.split(' ')
      if (kind !== 'member' && value !== undefined && id !== undefined) this.#ids.set(name, id)
    }
  }

  /** What was in flight at the kill is there as a whole, or not at all. */
  settle(found: State, ids: ReadonlyMap<string, string>): void {
    for (const act of this.#inFlight.values()) {
      const all = Object.entries(act.writes)
      if (all.every(([key, value]) => found.get(key) === value)) this.acknowledge(act)
    }
    this.#inFlight.clear()
    for (const [name, id] of ids) this.#ids.set(name, id)
    for (let client = 0; client < CLIENTS; client++) {
      const mine = [...this.state.keys()].filter((key) => key.startsWith(`user ${client}-`))
      this.#users.set(
        client,
        mine.map((key) => key.slice('user '.length)),
      )
    }
  }

  next(client: number): Act {
    const random = this.#random
    const users = this.#known(client)
    const dice = random.fraction()
    if (users.length < 3 || dice < 0.35) return this.#creation(client)
    const name = random.pick(users)
    if (dice < 0.45) return this.#deletion(name)
    if (dice < 0.6) return this.#renaming(name, 'PATCH')
    if (dice < 0.7) return this.#renaming(name, 'PUT')
    if (dice < 0.9) return this.#membership(random.pick(SHARED), name)
    return this.#members(`own-${client}`, random.some(users, 8))
  }

  /** The users of a client whose ids are known to it. */
  #known(client: number): string[] {
    const mine = (this.#users.get(client) ?? []).filter((name) => this.state.has(`user ${name}`))
    this.#users.set(client, mine)
    return mine.filter((name) => this.#ids.has(name))
  }

  #creation(client: number): Act {
    const name = `${client}-${this.#count++}`
    this.#users.set(client, [...(this.#users.get(client) ?? []), name])
    const displayName = `d${this.#random.below(1000)}`
    const emails = [{ value: `${name}@example.com`, type: 'work', primary: true }]
    return {
      method: 'POST',
      path: '/Users',
      body: { userName: name, displayName, emails, active: this.#random.chance(0.5) },
      expected: 201,
      writes: { [`user ${name}`]: `${displayName} 1` },
    }
  }

  #deletion(name: string): Act {
    const ends = ` ${name}`
    const links = [...this.state.keys()].filter((k) => k.startsWith('member ') && k.endsWith(ends))
    return {
      method: 'DELETE',
      path: `/Users/${this.#ids.get(name)}`,
      expected: 204,
      writes: Object.fromEntries([`user ${name}`, ...links].map((key) => [key, undefined])),
    }
  }

  /** Always to another name, so that the version moves. */
  #renaming(name: string, method: 'PATCH' | 'PUT'): Act {
    const [, version] = (this.state.get(`user ${name}`) ?? '').split(' ')
    const displayName = `n${this.#count++}`
    const operation = { op: 'replace', path: 'displayName', value: displayName }
    return {
      method,
      path: `/Users/${this.#ids.get(name)}`,
      body:
        method === 'PUT'
          ? { userName: name, displayName }
          : { schemas: [PATCH], Operations: [operation] },
      expected: 200,
      writes: { [`user ${name}`]: `${displayName} ${Number(version) + 1}` },
    }
  }

  #membership(group: string, name: string): Act {
    const key = `member ${group} ${name}`
    const value = this.#ids.get(name)
    const operation = this.state.has(key)
      ? { op: 'remove', path: `members[value eq "${value}"]` }
      : { op: 'add', path: 'members', value: [{ value }] }
    return {
      method: 'PATCH',
      path: `/Groups/${this.#ids.get(group)}?attributes=id`,
      body: { schemas: [PATCH], Operations: [operation] },
      expected: 200,
      writes: { [key]: this.state.has(key) ? undefined : '' },
    }
  }

  #members(group: string, names: readonly string[]): Act {
    const prefix = `member ${group} `
    const held = [...this.state.keys()].filter((key) => key.startsWith(prefix))
    return {
      method: 'PUT',
      path: `/Groups/${this.#ids.get(group)}`,
      body: {
        displayName: group,
        members: [...new Set(names)].map((name) => ({ value: this.#ids.get(name) })),
      },
      expected: 200,
      writes: {
        ...Object.fromEntries(held.map((key) => [key, undefined])),
        ...Object.fromEntries(names.map((name) => [`${prefix}${name}`, ''])),
      },
    }
  }
}
