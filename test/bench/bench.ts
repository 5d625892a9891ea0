/**
 * Measures the executable through HTTP, each figure as a ratio to something measured in the same
 * run.
 *
 *     bun run bench            about two minutes
 *     bun run bench --quick    under a minute, with more noise
 *
 * The two sides of a ratio take turns, so that whatever else the machine does falls on both. Ratios
 * are of neighbouring rounds; the table shows their median, and the lowest and the highest.
 */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Figure, latencyFigure, type Rounds, rateFigure, tableOf } from './figures.ts'
import { type Load, type Measured, type Request, run, type Server } from './load.ts'

const ROOT = resolve(import.meta.dir, '../..')
const EXECUTABLE = join(ROOT, 'dist/scimd')
const REPORT = join(ROOT, 'dist/bench.json')

const { quick } = parseArgs({ options: { quick: { type: 'boolean', default: false } } }).values
/** Rounds of each side, and how long one lasts. */
const ROUNDS = quick ? 4 : 7
const ROUND_MS = quick ? 250 : 600

const USERS_MANY = 10_000
const USERS_FEW = 1000
const MEMBERS_PER_PATCH = 1000
/** Users that are read in GET by id, and in how many groups some of them are. */
const NUMBERS_OF_GET = 9_000_000
const READ_COUNT = 1000
const GROUPS_OF_USER = 10
const USERS_IN_GROUPS = 100
/** Beyond the users that are in several groups. */
const PAGE_START = 501
const PATCH_CONNECTIONS = 8
const CONNECTIONS = 16
const DEFAULT_TENANT = 'default'

/** A tenant as the load reaches it. */
interface Tenant extends Server {
  readonly path: string
  readonly name: string
}

const data = mkdtempSync(join(tmpdir(), 'scimd-bench-'))
const figures: Figure[] = []
const children: Bun.Subprocess[] = []
const started = performance.now()

async function bench(): Promise<void> {
  if (!existsSync(EXECUTABLE)) {
    const built = Bun.spawnSync([process.execPath, join(ROOT, 'test/build.ts')], { cwd: ROOT })
    if (!built.success) throw new Error(`dist/scimd could not be built: ${built.stderr}`)
  }
  const server = await startScimd()
  const own = tenant(server, DEFAULT_TENANT)
  const many = tenant(server, 'many')
  const few = tenant(server, 'few')
  const bare = await startBare(own.token)

  say(`loading ${USERS_MANY} users, ${USERS_FEW} in another tenant`)
  const manyIds = await loadUsers(many, 0, USERS_MANY)
  const fewIds = await loadUsers(few, 0, USERS_FEW)
  say(`loading a group of ${USERS_MANY} members, ${MEMBERS_PER_PATCH} at a time`)
  const big = await loadGroup(many, 'Everybody', manyIds)
  const small = await loadGroup(many, 'Ten', manyIds.slice(-10))
  // So that a page of either tenant holds users of one group.
  await loadGroup(few, 'Everybody', fewIds)

  say('PATCH of one member')
  await patchMembers(many, big, small, manyIds)
  say('filter and pages')
  await searches(many, few, bare)
  say('POST')
  await post(own, bare)
  say('GET by id')
  await getById(own, bare)
  report()
}

function report(): void {
  const machine = {
    processor: cpus()[0]?.model ?? 'unknown',
    processors: cpus().length,
    platform: `${process.platform}-${process.arch}`,
    bun: Bun.version,
  }
  const seconds = Math.round((performance.now() - started) / 1000)
  console.log(`\n${tableOf(figures)}\n`)
  console.log(
    'ratio: median of rounds, with the lowest and highest; cpu: processor time of one request,\n' +
      'as a ratio; goal: of the ratio. In req/s more is better, in ms less is.',
  )
  console.log(`${seconds} s on ${machine.processors} x ${machine.processor}, bun ${machine.bun}`)
  const time = new Date().toISOString()
  const json = { time, quick, seconds, machine, figures }
  writeFileSync(REPORT, `${JSON.stringify(json, null, 2)}\n`)
}

/** Progress, for whoever waits. */
function say(message: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  console.error(`${seconds.padStart(4)} s  ${message}`)
}

type Turn = () => Promise<Measured>

/** A load of one server as a turn of ROUND_MS. */
const turnOf =
  (server: Server, load: Load): Turn =>
  () =>
    run(server, { ...load, ms: ROUND_MS })

/** A turn that ends when its load has nothing more to send. */
const wholeTurnOf =
  (server: Server, load: Load): Turn =>
  () =>
    run(server, load)

/** Lets loads take turns, forth and back. The first turns warm up. */
async function takeTurns(turns: readonly Turn[]): Promise<Measured[][]> {
  const measured = turns.map((): Measured[] => [])
  for (const turn of turns) await turn()
  for (let round = 0; round < ROUNDS; round++) {
    const order = [...turns.keys()]
    for (const index of round % 2 === 0 ? order : order.reverse()) {
      measured[index]?.push(await (turns[index] as Turn)())
    }
  }
  return measured
}

async function takeTurnsOfTwo(ours: Turn, theirs: Turn): Promise<Rounds> {
  const [first = [], second = []] = await takeTurns([ours, theirs])
  return { ours: first, theirs: second }
}

/** A member of ten thousand costs what one of ten does. */
async function patchMembers(
  tenant: Tenant,
  big: string,
  small: string,
  ids: readonly string[],
): Promise<void> {
  const members = ids.slice(-10)
  const load = (group: string, connections: number, ops: number): Load => {
    // Each connection takes its own member out and puts it back.
    const turns = new Array<number>(connections).fill(0)
    return {
      connections,
      next(connection) {
        const turn = turns[connection] ?? 0
        if (turn === ops) {
          turns[connection] = 0
          return undefined
        }
        turns[connection] = turn + 1
        const value = [{ value: members[connection] }]
        return patchOf(tenant, group, turn % 2 === 0 ? 'remove' : 'add', value)
      },
    }
  }
  const goal = { atMost: 1.5 }
  const against = 'group of 10'
  const ops = quick ? 60 : 150
  const single = await takeTurnsOfTwo(
    wholeTurnOf(tenant, load(big, 1, ops)),
    wholeTurnOf(tenant, load(small, 1, ops)),
  )
  const name = 'PATCH one member of 10,000'
  figures.push(latencyFigure({ name: `${name}, median`, against, goal }, single))
  figures.push(latencyFigure({ name: `${name}, p95`, against }, single, 0.95))
  const crowd = await takeTurnsOfTwo(
    wholeTurnOf(tenant, load(big, PATCH_CONNECTIONS, ops)),
    wholeTurnOf(tenant, load(small, PATCH_CONNECTIONS, ops)),
  )
  figures.push(rateFigure({ name: `${name}, ${PATCH_CONNECTIONS} connections`, against }, crowd))
}

const patchOf = (tenant: Tenant, group: string, op: string, value: unknown): Request => ({
  method: 'PATCH',
  path: `${tenant.path}/Groups/${group}`,
  body: JSON.stringify({
    schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
    Operations: [{ op, path: 'members', value }],
  }),
})

async function getById(tenant: Tenant, bare: Server): Promise<void> {
  const alone = await loadUsers(tenant, NUMBERS_OF_GET, READ_COUNT)
  const inGroups = await loadUsers(tenant, NUMBERS_OF_GET + READ_COUNT, USERS_IN_GROUPS)
  for (let group = 1; group <= GROUPS_OF_USER; group++) {
    await loadGroup(tenant, `Group ${group}`, inGroups)
  }
  const against = 'bare route, same bytes'
  for (const [name, users, goal] of [
    ['GET by id', alone, { atLeast: 0.85 }],
    [`GET by id, in ${GROUPS_OF_USER} groups`, inGroups, { atLeast: 0.6 }],
  ] as const) {
    for (const id of users) await copy(tenant, `${tenant.path}/Users/${id}`, bare, id)
    const rounds = await takeTurnsOfTwo(
      turnOf(
        tenant,
        reading(users, (id) => `${tenant.path}/Users/${id}`),
      ),
      turnOf(
        bare,
        reading(users, (id) => `/resources/${id}`),
      ),
    )
    figures.push(rateFigure({ name, against, goal }, rounds))
  }
}

/** Reads one after the other, in an order that jumps about. */
function reading(keys: readonly string[], pathOf: (key: string) => string): Load {
  let at = 0
  return {
    connections: CONNECTIONS,
    next() {
      at = (at + 7919) % keys.length
      return { method: 'GET', path: pathOf(keys[at] as string) }
    },
  }
}

/** Gives the bare route the very bytes that scimd answers. */
async function copy(from: Server, path: string, bare: Server, key: string): Promise<void> {
  const response = await ask(from, path)
  await ask(bare, `/resources/${key}`, 'PUT', await response.arrayBuffer())
}

async function post(tenant: Tenant, bare: Server): Promise<void> {
  const [id = ''] = await loadUsers(tenant, 0, 1)
  const file = join(data, 'tenants', `${tenant.name}.mdb`)
  const user = JSON.stringify({ file, id, number: numberText(0) })
  const template = await ask(bare, '/template', 'PUT', user)
  const { keys, bytes } = (await template.json()) as Record<'keys' | 'bytes', number>
  let number = 0
  const creating = (path: string, connections: number): Load => ({
    connections,
    next: () => ({ method: 'POST', path, body: userBody(++number) }),
  })
  for (const connections of [1, 16, 64]) {
    const [ours = [], transactions = [], behindHttp = []] = await takeTurns([
      turnOf(tenant, creating(`${tenant.path}/Users`, connections)),
      () => bareWrites(bare, connections),
      turnOf(bare, creating('/resources', connections)),
    ])
    const name = `POST, ${connections} connection${connections === 1 ? '' : 's'}`
    const against = `bare transaction, ${keys} keys, ${bytes} bytes`
    const goal = connections === 1 ? {} : { goal: { atLeast: 0.5 } }
    figures.push(rateFigure({ name, against, ...goal }, { ours, theirs: transactions }))
    const behind = { name, against: 'the same behind a bare route' }
    figures.push(rateFigure(behind, { ours, theirs: behindHttp }))
  }
}

async function bareWrites(bare: Server, writers: number): Promise<Measured> {
  const response = await ask(bare, `/write?writers=${writers}&ms=${ROUND_MS}`)
  const { count, seconds } = (await response.json()) as Record<'count' | 'seconds', number>
  return { count, perSecond: count / seconds, latencies: [], cpuMicros: undefined }
}

async function searches(many: Tenant, few: Tenant, bare: Server): Promise<void> {
  const byName = (tenant: Tenant, count: number) => {
    const numbers = Array.from({ length: count }, (_, number) => numberText(number))
    const path = (number: string) =>
      `${tenant.path}/Users?filter=${encodeURIComponent(`userName eq "${userNameOf(number)}"`)}`
    return turnOf(tenant, reading(numbers, path))
  }
  const page = (tenant: Tenant, startIndex: number) => {
    const path = `${tenant.path}/Users?startIndex=${startIndex}&count=100`
    return turnOf(
      tenant,
      reading(['page'], () => path),
    )
  }
  await copy(few, `${few.path}/Users?startIndex=${PAGE_START}&count=100`, bare, 'page')
  const barePage = turnOf(
    bare,
    reading(['page'], (key) => `/resources/${key}`),
  )

  const names = await takeTurnsOfTwo(byName(many, USERS_MANY), byName(few, USERS_FEW))
  figures.push(
    latencyFigure(
      { name: 'userName eq, 10,000 users', against: '1,000 users', goal: { atMost: 1.5 } },
      names,
    ),
  )
  const sizes = await takeTurnsOfTwo(page(many, PAGE_START), page(few, PAGE_START))
  figures.push(latencyFigure({ name: 'page of 100, 10,000 users', against: '1,000 users' }, sizes))
  const deep = await takeTurnsOfTwo(page(many, USERS_MANY - 199), page(many, PAGE_START))
  figures.push(
    latencyFigure({ name: 'page of 100, near the end', against: 'near the beginning' }, deep),
  )
  const bytes = await takeTurnsOfTwo(page(few, PAGE_START), barePage)
  figures.push(
    rateFigure({ name: 'page of 100, 1,000 users', against: 'bare route, same bytes' }, bytes),
  )
}

const numberText = (number: number): string => String(number).padStart(7, '0')
const userNameOf = (number: string): string => `user${number}@example.com`

/** A user as Entra ID sends one. */
function userBody(number: number): string {
  const text = numberText(number)
  return JSON.stringify({
    schemas: [
      'urn:ietf:params:scim:schemas:core:2.0:User',
      'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User',
    ],
    externalId: `00000000-0000-4000-8000-00000${text}`,
    userName: userNameOf(text),
    displayName: `Ada Example ${text}`,
    name: { formatted: `Ada Example ${text}`, familyName: 'Example', givenName: 'Ada' },
    emails: [{ value: userNameOf(text), type: 'work', primary: true }],
    phoneNumbers: [{ value: '+44 20 7946 0000', type: 'work' }],
    title: 'Engineer',
    preferredLanguage: 'en-GB',
    active: true,
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User': {
      employeeNumber: text,
      department: 'Engines',
    },
  })
}

/** Creates users through HTTP and returns their ids in the order of their creation. */
async function loadUsers(tenant: Tenant, from: number, count: number): Promise<string[]> {
  let number = from
  const next = () =>
    number < from + count
      ? ({ method: 'POST', path: `${tenant.path}/Users`, body: userBody(number++) } as const)
      : undefined
  const { totalResults } = await list(tenant, 'count=0')
  await run(tenant, { connections: 32, next })
  const ids: string[] = []
  while (ids.length < count) {
    const startIndex = totalResults + ids.length + 1
    const page = await list(tenant, `startIndex=${startIndex}&count=1000&attributes=id`)
    ids.push(...page.Resources.map(({ id }) => id))
  }
  return ids
}

interface List {
  readonly totalResults: number
  readonly Resources: readonly { readonly id: string }[]
}

const list = async (tenant: Tenant, query: string): Promise<List> =>
  (await (await ask(tenant, `${tenant.path}/Users?${query}`)).json()) as List

/** Creates a group through HTTP, its members a thousand at a time. */
async function loadGroup(
  tenant: Tenant,
  displayName: string,
  ids: readonly string[],
): Promise<string> {
  const body = JSON.stringify({
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'],
    displayName,
  })
  const created = await ask(tenant, `${tenant.path}/Groups`, 'POST', body)
  const { id } = (await created.json()) as { id: string }
  for (let at = 0; at < ids.length; at += MEMBERS_PER_PATCH) {
    const value = ids.slice(at, at + MEMBERS_PER_PATCH).map((member) => ({ value: member }))
    const { path, body } = patchOf(tenant, id, 'add', value)
    await ask(tenant, path, 'PATCH', body)
  }
  return id
}

/** One request by fetch, outside of what is measured. */
async function ask(
  { port, token }: Server,
  path: string,
  method = 'GET',
  body?: string | ArrayBuffer,
): Promise<Response> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/scim+json' },
    ...(body === undefined ? {} : { body }),
  })
  if (!response.ok)
    throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
  return response
}

async function startScimd(): Promise<{ port: number; pid: number }> {
  const words = ['serve', '--data', data, '--listen', '127.0.0.1:0', '--rate-limit', '0']
  return startProcess([EXECUTABLE, ...words], /scimd listening on http:\/\/127\.0\.0\.1:(\d+)/)
}

async function startBare(token: string): Promise<Server> {
  const script = join(import.meta.dir, 'bare.ts')
  const words = [process.execPath, script, data, token]
  return { ...(await startProcess(words, /bare listening on (\d+)/)), token }
}

/** Starts a process and waits for the line that tells its port. */
async function startProcess(words: string[], line: RegExp): Promise<{ port: number; pid: number }> {
  const child = Bun.spawn(words, {
    stdout: 'pipe',
    stderr: 'ignore',
    env: { PATH: process.env.PATH ?? '', NODE_ENV: 'production' },
  })
  children.push(child)
  let text = ''
  for await (const chunk of child.stdout) {
    text += new TextDecoder().decode(chunk)
    const port = line.exec(text)?.[1]
    if (port !== undefined) return { port: Number(port), pid: child.pid }
  }
  throw new Error(`${words[0]} did not start: ${text}`)
}

/** Makes a tenant, if it is not there, and its token, with the commands beside the server. */
function tenant(server: { port: number; pid: number }, name: string): Tenant {
  const isDefault = name === DEFAULT_TENANT
  if (!isDefault) scimd('tenant', 'create', name)
  const token = scimd('token', 'create', '--name', 'bench', '--tenant', name).trim()
  return { ...server, name, token, path: isDefault ? '/scim/v2' : `/t/${name}/scim/v2` }
}

function scimd(...words: string[]): string {
  const { success, stdout, stderr } = Bun.spawnSync([EXECUTABLE, ...words, '--data', data])
  if (!success) throw new Error(`scimd ${words.join(' ')}: ${stderr}`)
  return String(stdout)
}

// At the end, since it uses everything above.
try {
  await bench()
} finally {
  for (const child of children) child.kill('SIGTERM')
  await Promise.all(children.map(({ exited }) => exited))
  rmSync(data, { recursive: true, force: true })
}
