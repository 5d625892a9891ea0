/**
 * Measures what a server keeps in memory while many connections ask for long answers that nobody
 * reads, and whether others are answered meanwhile.
 *
 *     bun test/bench/answers.ts                 the executable of this tree
 *     bun test/bench/answers.ts --scimd PATH    another one, to compare with
 *
 * 2,000 connections share one token that may read. In the first round each asks for 1,000 users
 * and goes away at once, again and again; in the second it stays and reads nothing; in the third
 * nobody reads a group of all users. The rate limit stands as it is by default.
 */

import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Socket } from 'bun'
import { loadRegistry } from '../../src/schemas.ts'
import { DEFAULT_RULES } from '../../src/scim/tolerance.ts'
import { openLmdbStore } from '../../src/store/lmdb-store.ts'
import type { Change } from '../../src/store/store.ts'
import { userBody } from './directory.ts'
import {
  cleanUp,
  cleanUpOnSignals,
  fileOf,
  mintToken,
  requireExecutable,
  scratch,
  startScimd,
} from './servers.ts'

const CONNECTIONS = 2000
const USERS = 5000
const ROUND_MS = 15_000
const GOAL_MIB = 400
/** How often memory is looked at, and another client asks for a user. */
const LOOK_MS = 50
const HEALTHY_MS = 5000
const GROUP = 'everybody'

/** A filter that no index answers, and that nobody matches. */
const SCAN = `/Users?filter=${encodeURIComponent('title co "nobody" or title eq "none"')}`

const { values } = parseArgs({ options: { scimd: { type: 'string' } } })

interface Attack {
  readonly name: string
  readonly path: string
  /** Whether a client goes away as soon as it has asked, and comes again. */
  readonly leaves: boolean
}

const ATTACKS: readonly Attack[] = [
  { name: '1,000 users, and gone', path: '/Users?count=1000', leaves: true },
  { name: '1,000 users, never read', path: '/Users?count=1000', leaves: false },
  { name: 'sorted in memory, never read', path: '/Users?count=1000&sortBy=title', leaves: false },
  { name: 'scanned, never read', path: SCAN, leaves: false },
  { name: `a group of ${USERS}, never read`, path: `/Groups/${GROUP}`, leaves: false },
]

cleanUpOnSignals()
try {
  if (values.scimd === undefined) await requireExecutable()
  const data = scratch()
  const ids = await fill(data)
  console.log(`${CONNECTIONS} connections, ${USERS} users; anonymous memory in MiB`)
  let isMissed = false
  for (const attack of ATTACKS) {
    const { idle, peak, answered, missed, slowestMs } = await measure(data, ids, attack)
    isMissed ||= peak > GOAL_MIB || missed > 0 || answered === 0
    const meanwhile = `others: ${answered} answered, ${missed} not, slowest ${slowestMs} ms`
    console.log(`${attack.name.padEnd(32)} idle ${idle}  peak ${peak}  ${meanwhile}`)
  }
  console.log(isMissed ? `the goal of ${GOAL_MIB} MiB is missed` : 'the goal is reached')
} finally {
  await cleanUp()
}

/** Writes users, and a group of all of them, past the front door. Gives the ids of the users. */
async function fill(data: string): Promise<readonly string[]> {
  const registry = loadRegistry(undefined)
  const typeNamed = (name: string): Change['type'] => {
    const type = registry.types.find((one) => one.name === name)
    if (!type) throw new Error(`there is no type ${name}`)
    return type
  }
  const store = await openLmdbStore(fileOf(data), 'default', registry, DEFAULT_RULES)
  const origin = { time: Date.now(), actor: 'bench', address: '', requestId: 'bench' }
  const ids = Array.from({ length: USERS }, () => Bun.randomUUIDv7())
  const creating = (type: string, id: string, document: object, links: object[] = []): Change =>
    ({
      operation: 'create',
      type: typeNamed(type),
      id,
      mentions: links.length > 0 ? ids : [],
      decide: () => ({ document, links }),
    }) as Change
  await store.commit(
    ids.map((id, number) => creating('User', id, JSON.parse(userBody(number)))),
    origin,
  )
  const [link] = typeNamed('Group').links
  const schemas = ['urn:ietf:params:scim:schemas:core:2.0:Group']
  const members = { link, op: 'add', ids }
  const group = creating('Group', GROUP, { schemas, displayName: GROUP }, [members])
  await store.commit([group], origin)
  await store.close()
  return ids
}

async function measure(data: string, ids: readonly string[], attack: Attack) {
  const server = await startScimd(data, { ...values, rateLimit: 'default' })
  const { port, pid } = server
  const [attackers, own] = [mintToken(data), mintToken(data)]
  const idle = anonymousMiB(pid)
  const attacking = startAttack(port, attackers, attack)
  let peak = idle
  let answered = 0
  let missed = 0
  let slowestMs = 0
  const end = performance.now() + ROUND_MS
  while (performance.now() < end) {
    const begun = performance.now()
    const id = ids[answered % ids.length] ?? ''
    const isAnswered = await isServed(port, own, id)
    const ms = Math.round(performance.now() - begun)
    if (isAnswered) answered++
    else missed++
    slowestMs = Math.max(slowestMs, ms)
    peak = Math.max(peak, anonymousMiB(pid))
    await Bun.sleep(LOOK_MS)
  }
  attacking.stop()
  await server.stop()
  return { idle, peak, answered, missed, slowestMs }
}

/** Whether another client with another credential is told of a user. */
async function isServed(port: number, token: string, id: string): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/scim/v2/Users/${id}`, {
      headers: { Authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(HEALTHY_MS),
      keepalive: false,
    })
    return response.status === 200 && ((await response.json()) as { id: string }).id === id
  } catch {
    return false
  }
}

/** What is allocated, without the mapped files of the stores. */
function anonymousMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Math.round(Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024)
}

function startAttack(port: number, token: string, { path, leaves }: Attack) {
  const open = new Set<Socket>()
  const head = `Host: 127.0.0.1\r\nAuthorization: Bearer ${token}`
  const request = `GET /scim/v2${path} HTTP/1.1\r\n${head}\r\n\r\n`
  let isOver = false
  const connect = (): void => {
    if (isOver) return
    const again = (): void => void setTimeout(connect, 200)
    Bun.connect({
      hostname: '127.0.0.1',
      port,
      socket: {
        open(socket) {
          open.add(socket)
          socket.pause()
          socket.write(request)
          if (leaves) setTimeout(() => socket.terminate(), 100)
        },
        data() {},
        error() {},
        close(socket) {
          open.delete(socket)
          again()
        },
      },
    }).catch(again)
  }
  for (let number = 0; number < CONNECTIONS; number++) connect()
  return {
    stop() {
      isOver = true
      for (const socket of open) socket.terminate()
    },
  }
}
