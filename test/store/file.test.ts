/** Files that cannot be opened, or that other versions or other schemas have written. */

import { Database } from 'bun:sqlite'
import { expect, setDefaultTimeout, test } from 'bun:test'
import {
  chmodSync,
  copyFileSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { parseFilter } from '../../src/scim/filter/parse.ts'
import { planFilter } from '../../src/scim/filter/plan.ts'
import { resolveFilter } from '../../src/scim/filter/resolve.ts'
import type { Registry } from '../../src/scim/registry.ts'
import { DEFAULT_RULES } from '../../src/scim/tolerance.ts'
import { compileChecks, faultOf } from '../../src/scim/validate.ts'
import { openBytes, openEnvironment, StoreFileError } from '../../src/store/lmdb-file.ts'
import type { ReindexWatch } from '../../src/store/lmdb-reindex.ts'
import { type LmdbStore, openLmdbStore } from '../../src/store/lmdb-store.ts'
import { openTenantFile, TENANT_FORMAT, type Upgrade } from '../../src/store/lmdb-tenant.ts'
import {
  attribute,
  createUsers,
  creation,
  deletion,
  edit,
  editMembers,
  GROUP,
  group,
  linkedIds,
  linkOf,
  membersOf,
  modification,
  numbered,
  openStore,
  originAt,
  registryOf,
  stored,
  temporaryDirectory,
  typeOf,
  USER,
  user,
} from './given.ts'
import { predicateOver } from './predicate.ts'
import { faultsIn } from './sound.ts'

/** So that a slow machine is no fault. */
setDefaultTimeout(120_000)

/** A good file with 300 users in it, some hundred kilobytes long. */
async function goodFile() {
  const directory = temporaryDirectory()
  const store = await openStore(directory.file)
  await createUsers(store, numbered('u', 300))
  await store.close()
  return directory
}

/** Opens a file in a process of its own, as the fault may be one that nobody can catch. */
async function opened(file: string, as: 'tenant' | 'control' = 'tenant') {
  const script = join(import.meta.dir, 'opener.ts')
  const opener = Bun.spawn([process.execPath, script, file, as], { stdout: 'pipe', stderr: 'pipe' })
  const [text, errors] = await Promise.all([
    new Response(opener.stdout).text(),
    new Response(opener.stderr).text(),
  ])
  await opener.exited
  return { signal: opener.signalCode, errors, said: text.trim() }
}

const DAMAGES: [how: string, damage: (file: string) => void][] = [
  ['empty', (file) => writeFileSync(file, '')],
  ['of one byte', (file) => writeFileSync(file, 'x')],
  ['of random bytes', (file) => writeFileSync(file, crypto.getRandomValues(Buffer.alloc(65_536)))],
  ['of zeros', (file) => writeFileSync(file, Buffer.alloc(65_536))],
  ['of text', (file) => writeFileSync(file, '{"not": "a store"}\n'.repeat(1000))],
  ['an SQLite database', (file) => sqlite(file)],
  ['cut off within the first page', (file) => truncateSync(file, 100)],
  ['cut off after the first page', (file) => truncateSync(file, 4096)],
  ['cut off after the second page', (file) => truncateSync(file, 8192)],
  ['cut off in the middle', (file) => truncateSync(file, Math.floor(statSync(file).size / 2))],
  ['cut off by one byte', (file) => truncateSync(file, statSync(file).size - 1)],
  ['of another magic number', (file) => patched(file, 24, 0xdeadbeef)],
  ['of another layout', (file) => patched(file, 28, 77)],
  ['of pages of no size', (file) => patched(file, 48, 0)],
  ['of pages of 3 GB', (file) => patched(file, 48, 3_000_000_000)],
  ['of a damaged second page', (file) => patched(file, 4096 + 24, 0)],
]

function sqlite(file: string): void {
  writeFileSync(file, '')
  const database = new Database(file)
  database.run('CREATE TABLE t (c)')
  database.close()
}

function patched(file: string, offset: number, value: number): void {
  const bytes = readFileSync(file)
  bytes.writeUInt32LE(value, offset)
  writeFileSync(file, bytes)
}

test.each(DAMAGES)(
  'a file that is %s is refused with its name and a cure',
  async (_how, damage) => {
    using good = await goodFile()
    damage(good.file)
    const before = readFileSync(good.file)
    for (const as of ['tenant', 'control'] as const) {
      const { signal, errors, said } = await opened(good.file, as)
      expect({ signal, errors }).toEqual({ signal: null, errors: '' })
      expect(said).toStartWith(`StoreFileError: ${good.file} `)
      expect(said).toContain('restore it from a backup, or move it away to begin anew')
    }
    // And it is left as it was, for whoever wants to have a look.
    expect(readFileSync(good.file).equals(before)).toBe(true)
  },
)

test('a directory in place of a file is refused with its name and a cure', async () => {
  using directory = temporaryDirectory()
  const { signal, said } = await opened(join(directory.file, '..'))
  expect(signal).toBeNull()
  expect(said).toStartWith('StoreFileError: ')
})

test('a good file opens in a process of its own', async () => {
  using good = await goodFile()
  expect(await opened(good.file)).toEqual({ signal: null, errors: '', said: 'opened' })
})

test('a file that another process is writing is not taken for one that was cut off', async () => {
  using good = await goodFile()
  const store = await openStore(good.file)
  const opening = opened(good.file, 'tenant')
  let isDone = false
  void opening.finally(() => {
    isDone = true
  })
  for (let round = 0; !isDone; round++) await createUsers(store, numbered(`v${round}-`, 50))
  expect(await opening).toEqual({ signal: null, errors: '', said: 'opened' })
  await store.close()
})

test('a file of a later format is refused, and says which scimd to use', async () => {
  using good = await goodFile()
  await setFormat(good.file, TENANT_FORMAT + 1)
  const { signal, errors, said } = await opened(good.file)
  expect({ signal, errors }).toEqual({ signal: null, errors: '' })
  expect(said).toStartWith(`StoreFileError: ${good.file} has format ${TENANT_FORMAT + 1}`)
  expect(said).toContain('use the scimd that wrote it, or a newer one')
})

async function setFormat(file: string, format: number): Promise<void> {
  const environment = openEnvironment(file)
  await openBytes(environment, 'meta').put(Buffer.from('format'), Buffer.from(String(format)))
  await environment.close()
}

test('both files of a store are for their owner alone, whatever they were before', async () => {
  using good = await goodFile()
  const modes = () =>
    [good.file, `${good.file}-lock`].map((file) => (statSync(file).mode & 0o777).toString(8))
  expect(modes()).toEqual(['600', '600'])
  for (const file of [good.file, `${good.file}-lock`]) chmodSync(file, 0o644)
  await (await openStore(good.file)).close()
  expect(modes()).toEqual(['600', '600'])
})

const MARK = Buffer.from('upgraded')

/** Adds a letter to a mark in the file, so that the order of the upgrades can be read off it. */
const writes =
  (letter: string): Upgrade =>
  (environment) => {
    const meta = openBytes(environment, 'meta')
    void meta.put(MARK, Buffer.from(`${meta.getBinary(MARK) ?? ''}${letter}`))
  }

const openAs = (file: string, upgrades: Readonly<Record<number, Upgrade>>, format: number) =>
  openTenantFile(file, 'test', registryOf(), DEFAULT_RULES, upgrades, format)

/** The format of a file and its mark. */
async function stateOf(file: string) {
  const environment = openEnvironment(file)
  const meta = openBytes(environment, 'meta')
  const [format, mark] = [Buffer.from('format'), MARK].map((key) => String(meta.getBinary(key)))
  await environment.close()
  return { format, mark }
}

test('an older file is upgraded step by step, each step once', async () => {
  using good = await goodFile()
  const upgrades = { 1: writes('a'), 2: writes('b'), 3: writes('c'), 4: writes('d') }
  await openAs(good.file, upgrades, 3).environment.close()
  expect(await stateOf(good.file)).toEqual({ format: '3', mark: 'ab' })
  await openAs(good.file, upgrades, 3).environment.close()
  await openAs(good.file, upgrades, 4).environment.close()
  expect(await stateOf(good.file)).toEqual({ format: '4', mark: 'abc' })
})

test('a step that fails leaves nothing of it, and the steps before it done', async () => {
  using good = await goodFile()
  const failing: Upgrade = (environment) => {
    writes('half')(environment)
    throw new Error('no space')
  }
  expect(() => openAs(good.file, { 1: writes('a'), 2: failing }, 3)).toThrow('no space')
  await Bun.sleep(0)
  expect(await stateOf(good.file)).toEqual({ format: '2', mark: 'a' })
  await openAs(good.file, { 2: writes('b') }, 3).environment.close()
  expect(await stateOf(good.file)).toEqual({ format: '3', mark: 'ab' })
})

test('a file too old to be upgraded is refused', async () => {
  using good = await goodFile()
  expect(() => openAs(good.file, { 2: writes('b') }, 3)).toThrow(StoreFileError)
  expect(() => openAs(good.file, { 2: writes('b') }, 3)).toThrow(good.file)
  await Bun.sleep(0)
  expect(await stateOf(good.file)).toEqual({ format: '1', mark: 'undefined' })
})

test('a new file has the present format, and needs no upgrade', async () => {
  using directory = temporaryDirectory()
  await openAs(directory.file, {}, 7).environment.close()
  expect(await stateOf(directory.file)).toEqual({ format: '7', mark: 'undefined' })
})

const THING = 'urn:example:2.0:Thing'

const thingSchema = (...attributes: object[]) => ({ id: THING, name: 'Thing', attributes })

/** A registry with a resource type whose attributes and indexes differ from test to test. */
const registryFor = (attributes: object[], indexed: readonly string[], more: object = {}) =>
  registryOf(
    [thingSchema(...attributes)],
    [{ name: 'Thing', endpoint: '/Things', schema: THING, indexed, ...more }],
  )

const NAME = attribute('name', 'string')
const CODE = attribute('code', 'string')

interface Watched extends Required<ReindexWatch> {
  readonly told: string[]
  readonly faults: string[]
}

function watchOf(registry: Registry): Watched {
  const checks = compileChecks(registry.types)
  const told: string[] = []
  const faults: string[] = []
  return {
    told,
    faults,
    progress: (type, done, total) => told.push(`${type} ${done}/${total}`),
    faultOf: (type, document) => faultOf(checks, type, document),
    faulty: (type, id, fault) => faults.push(`${type} ${id}: ${fault}`),
    concealed: () => {},
  }
}

async function openAnew(file: string, registry: Registry) {
  const watch = watchOf(registry)
  const store = await openLmdbStore(file, 'test', registry, DEFAULT_RULES, watch)
  return { ...watch, store }
}

/** Holds filters against a scan, and returns how many plans went by an index. */
async function compareFilters(
  store: LmdbStore,
  registry: Registry,
  filters: readonly string[],
): Promise<number> {
  const type = typeOf('Thing', registry)
  let planned = 0
  for (const text of filters) {
    const filter = resolveFilter(parseFilter(text), type.resolve, { rules: DEFAULT_RULES })
    const all = { type, skip: 0, count: 1000 }
    const matches = predicateOver(store, filter)
    const scan = await store.search({ ...all, plan: { kind: 'all' }, matches })
    const { plan, exact } = planFilter(type, filter)
    const found = await store.search({ ...all, plan, matches: exact ? undefined : matches })
    expect({ text, total: found.total, ids: found.page.map(({ id }) => id) }).toEqual({
      text,
      total: scan.total,
      ids: scan.page.map(({ id }) => id),
    })
    if (plan.kind !== 'all') planned++
  }
  expect(faultsIn(store.file)).toEqual([])
  return planned
}

const VALUES = [
  'a',
  'A',
  'b',
  'B',
  'ab',
  '1',
  '10',
  '9',
  '2026-01-31T09:30:00Z',
  'straße',
  'STRASSE',
]
const TEXT_FILTERS = ['eq', 'ne', 'sw', 'ew', 'co', 'gt', 'ge', 'lt', 'le'].flatMap((operator) =>
  VALUES.map((value) => `code ${operator} "${value}"`),
)

async function createThings(store: LmdbStore, registry: Registry, count = 450): Promise<void> {
  const type = typeOf('Thing', registry)
  for (let at = 0; at < count; at += 50) {
    const changes = numbered('t', 50, at).map((id, index) =>
      creation(type, id, { name: id, code: VALUES[(at + index) % VALUES.length] ?? '' }),
    )
    await store.commit(changes, originAt(1))
  }
}

test('an index that is newly declared is built when the file is opened, and tells how far it is', async () => {
  using directory = temporaryDirectory()
  const without = registryFor([NAME, CODE], ['name'])
  const first = await openAnew(directory.file, without)
  await createThings(first.store, without)
  expect(await compareFilters(first.store, without, TEXT_FILTERS)).toBe(0)
  await first.store.close()

  const withCode = registryFor([NAME, CODE], ['name', 'code'])
  const second = await openAnew(directory.file, withCode)
  // Two hundred in one go at most, fewer where these take long.
  expect(second.told.length).toBeGreaterThanOrEqual(3)
  const done = second.told.map((text) => Number(/^Thing (\d+)\/450$/.exec(text)?.[1]))
  expect(done).toEqual([...new Set(done)].sort((a, b) => a - b))
  expect(done.at(-1)).toBe(450)
  expect(await compareFilters(second.store, withCode, TEXT_FILTERS)).toBeGreaterThan(50)
  await second.store.close()

  // Nothing has changed: nothing is done.
  const third = await openAnew(directory.file, withCode)
  expect(third.told).toEqual([])
  await third.store.close()
})

test('an index that was dropped and comes back knows of what happened meanwhile', async () => {
  using directory = temporaryDirectory()
  const withCode = registryFor([NAME, CODE], ['name', 'code'])
  const without = registryFor([NAME, CODE], ['name'])
  const first = await openAnew(directory.file, withCode)
  await createThings(first.store, withCode, 100)
  await first.store.close()

  const second = await openAnew(directory.file, without)
  const type = typeOf('Thing', without)
  await second.store.commit([modification(type, 't0', { code: 'b' })], originAt(2))
  await second.store.commit([deletion(type, 't1')], originAt(2))
  await second.store.close()

  const third = await openAnew(directory.file, withCode)
  expect(third.told.at(-1)).toBe('Thing 99/99')
  expect(await compareFilters(third.store, withCode, TEXT_FILTERS)).toBeGreaterThan(50)
  await third.store.close()
})

test('an index whose attribute changes its case, its type or its number is built anew', async () => {
  using directory = temporaryDirectory()
  const registries = [
    attribute('code', 'string'),
    attribute('code', 'string', { caseExact: true }),
    attribute('code', 'integer'),
    attribute('code', 'dateTime'),
    attribute('code', 'boolean'),
    attribute('code', 'string', { multiValued: true }),
    attribute('code', 'reference'),
    attribute('code', 'string'),
  ].map((code) => registryFor([NAME, code], ['name', 'code']))
  const [original] = registries
  if (!original) throw new Error('there is no registry')
  const first = await openAnew(directory.file, original)
  await createThings(first.store, original, 100)
  await first.store.close()

  const filtersFor = (type: string): string[] => {
    if (type === 'integer')
      return ['code eq 1', 'code gt 0', 'code le 9', 'code pr', 'not (code pr)']
    if (type === 'boolean') return ['code eq true', 'code pr', 'code ne false']
    if (type !== 'dateTime') return [...TEXT_FILTERS, 'code pr']
    return [
      'code eq "2026-01-31T09:30:00Z"',
      'code gt "2020-01-31T09:30:00Z"',
      'code pr',
      'code sw "2"',
    ]
  }
  for (const [index, registry] of registries.entries()) {
    const { store, told } = await openAnew(directory.file, registry)
    expect(told.at(-1)).toBe(index === 0 ? undefined : 'Thing 100/100')
    const path = typeOf('Thing', registry).resolve('code')
    const type = path?.kind === 'attribute' ? path.leaf.type : ''
    expect(await compareFilters(store, registry, filtersFor(type))).toBeGreaterThan(0)
    await store.close()
  }
})

test('an index half built when the process ended is not taken for a good one by the old schemas', async () => {
  using directory = temporaryDirectory()
  const folded = registryFor([NAME, CODE], ['name', 'code'])
  const exact = registryFor(
    [NAME, attribute('code', 'string', { caseExact: true })],
    ['name', 'code'],
  )
  const none = registryFor([NAME, CODE], ['name'])
  const first = await openAnew(directory.file, folded)
  await createThings(first.store, folded)
  await first.store.close()

  for (const interrupted of [exact, none]) {
    // Whoever watches throws after the first slice: the process has ended there.
    const progress = () => {
      throw new Error('ended')
    }
    const opening = openLmdbStore(directory.file, 'test', interrupted, DEFAULT_RULES, { progress })
    await expect(opening).rejects.toThrow('ended')
    const again = await openAnew(directory.file, folded)
    expect(await compareFilters(again.store, folded, TEXT_FILTERS)).toBeGreaterThan(50)
    await again.store.close()
  }
})

test('what is unique stays so when its index has been built anew', async () => {
  using directory = temporaryDirectory()
  const plain = registryFor([NAME, CODE], [])
  const first = await openAnew(directory.file, plain)
  const create = (registry: Registry, id: string, code: string) =>
    creation(typeOf('Thing', registry), id, { code })
  await first.store.commit([create(plain, 'a', 'x'), create(plain, 'b', 'X')], originAt(1))
  await first.store.close()

  const unique = registryFor([NAME, attribute('code', 'string', { uniqueness: 'server' })], [])
  const second = await openAnew(directory.file, unique)
  await expect(second.store.commit([create(unique, 'c', 'x')], originAt(2))).rejects.toMatchObject({
    scimType: 'uniqueness',
  })
  // Two that have the same value from before stay as they are, until one is to get it anew.
  const rename = modification(typeOf('Thing', unique), 'a', { name: 'renamed' })
  await second.store.commit([rename], originAt(3))
  await second.store.close()
})

test('stored documents that the present schemas no longer allow are told once, and stay', async () => {
  using directory = temporaryDirectory()
  const plain = registryFor([NAME, CODE], [])
  const first = await openAnew(directory.file, plain)
  const type = typeOf('Thing', plain)
  await first.store.commit(
    [
      creation(type, 'good', { name: 'n', code: 'c' }),
      creation(type, 'nameless', { code: 'c' }),
      creation(type, 'coded', { name: 'n', code: 'c' }),
    ],
    originAt(1),
  )
  expect(first.faults).toEqual([])
  await first.store.close()

  const strict = registryFor([attribute('name', 'string', { required: true }), CODE], [])
  const second = await openAnew(directory.file, strict)
  expect(second.faults).toEqual([expect.stringMatching(/^Thing nameless: .*name/)])
  expect((await stored(second.store, typeOf('Thing', strict), 'nameless')).version).toBe(1)
  await second.store.close()

  const third = await openAnew(directory.file, strict)
  expect(third.faults).toEqual([])
  await third.store.close()

  const numbers = registryFor([NAME, attribute('code', 'integer')], [])
  const fourth = await openAnew(directory.file, numbers)
  expect(fourth.faults.map((fault) => fault.split(':')[0])).toEqual([
    'Thing good',
    'Thing nameless',
    'Thing coded',
  ])
  await fourth.store.close()
})

test('what becomes secret leaves the text of plain answers, and no version moves', async () => {
  using directory = temporaryDirectory()
  const open = registryFor([NAME, CODE], [])
  const first = await openAnew(directory.file, open)
  await first.store.commit(
    [creation(typeOf('Thing', open), 't', { name: 'n', code: 'c' })],
    originAt(1),
  )
  await first.store.close()

  const secret = registryFor([NAME, attribute('code', 'string', { returned: 'never' })], [])
  const second = await openAnew(directory.file, secret)
  const type = typeOf('Thing', secret)
  const thing = await stored(second.store, type, 't')
  expect(String(thing.text)).toContain('"name":"n"')
  expect(String(thing.text)).not.toContain('code')
  expect(String(thing.hidden)).toBe('{"code":"c"}')
  expect(thing.version).toBe(1)
  const [same] = await second.store.commit([modification(type, 't', {})], originAt(2))
  expect(same?.changed).toBe(false)
  await second.store.close()
})

test('the names of resources follow when another attribute is to name them', async () => {
  using directory = temporaryDirectory()
  const byName = registryFor([NAME, CODE], [], { display: ['name'] })
  const first = await openAnew(directory.file, byName)
  const change = creation(typeOf('Thing', byName), 't', { name: 'n', code: 'c' })
  await first.store.commit([change], originAt(1))
  expect((await first.store.find('t'))?.display).toBe('n')
  await first.store.close()

  const second = await openAnew(
    directory.file,
    registryFor([NAME, CODE], [], { display: ['code'] }),
  )
  expect(await second.store.find('t')).toMatchObject({ display: 'c', version: 1 })
  await second.store.close()
})

test('a resource type that goes and comes back finds its resources and links, and no ids were given away', async () => {
  using directory = temporaryDirectory()
  const holders = attribute('holders', 'complex', {
    multiValued: true,
    subAttributes: [
      attribute('value', 'string', { caseExact: true }),
      attribute('$ref', 'reference', { referenceTypes: ['User'] }),
    ],
  })
  const withThing = registryFor([NAME, CODE, holders], ['name'], {
    links: [{ attribute: 'holders' }],
  })
  const type = typeOf('Thing', withThing)
  const link = linkOf(type, 'holders')
  const first = await openAnew(directory.file, withThing)
  const edits = [{ link, op: 'add', ids: ['u1', 'u2'] }] as const
  await first.store.commit([user('u1'), user('u2')], originAt(1))
  await first.store.commit([creation(type, 't', { name: 'n' }, edits)], originAt(1))
  await first.store.commit([creation(type, 'other', { name: 'm' }, edits)], originAt(1))
  await first.store.commit([deletion(type, 'other')], originAt(1))
  await first.store.close()

  const second = await openStore(directory.file)
  await expect(second.commit([user('t')], originAt(2))).rejects.toThrow('taken')
  await second.commit([deletion(USER, 'u1')], originAt(2))
  await second.close()

  const third = await openAnew(directory.file, withThing)
  const thing = await stored(third.store, type, 't')
  expect(await linkedIds(third.store, thing, link)).toEqual(['u2'])
  await third.store.close()
})

test('what is to be swept of a type that is not served waits until it is', async () => {
  using directory = temporaryDirectory()
  const key = Buffer.from(JSON.stringify({ link: 'Thing.holders', owner: 1 }))
  const other = Buffer.from(JSON.stringify({ link: 'Group.members', owner: 1 }))
  const first = await openStore(directory.file)
  await first.file.sweeps.put(key, Buffer.alloc(0))
  await first.file.sweeps.put(other, Buffer.alloc(0))
  await first.close()

  const second = await openStore(directory.file)
  await second.swept()
  expect([...second.file.sweeps.getKeys({})].map(String)).toEqual([String(key)])
  await second.close()
})

test('to close a store waits for what is being written', async () => {
  using directory = temporaryDirectory()
  const store = await openStore(directory.file)
  const ids = numbered('u', 6000)
  await createUsers(store, ids)
  await store.commit([group('g')], originAt(1))
  const commits = [
    store.commit([user('one')], originAt(2)),
    store.commit([editMembers('g', edit('replace', ids))], originAt(2)),
    store.commit([user('two')], originAt(2)),
  ]
  await store.close()
  await Promise.all(commits)

  const again = await openStore(directory.file)
  expect(await again.find('one')).toBeDefined()
  expect(await again.find('two')).toBeDefined()
  expect(await membersOf(again, 'g')).toEqual(ids)
  await again.swept()
  expect(faultsIn(again.file)).toEqual([])
  await again.close()
})

test('a store goes on where it was closed', async () => {
  using directory = temporaryDirectory()
  const first = await openStore(directory.file)
  await first.commit([user('a'), user('b'), group('g', ['a'])], originAt(1))
  const [before] = await first.journal(0, 1)
  await first.close()

  const second = await openStore(directory.file)
  await second.commit([editMembers('g', edit('add', ['b']))], originAt(2))
  expect(await membersOf(second, 'g')).toEqual(['a', 'b'])
  expect((await stored(second, GROUP, 'g')).version).toBe(2)
  const entries = await second.journal(0, 10)
  expect(entries.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4])
  for (const { epoch } of entries) expect(epoch).toBe(before?.epoch ?? '')
  expect(faultsIn(second.file)).toEqual([])
  await second.close()
})

test('a copy of a file that is in use opens as of its last commit', async () => {
  using directory = temporaryDirectory()
  using other = temporaryDirectory()
  const store = await openStore(directory.file)
  await createUsers(store, numbered('u', 100))
  copyFileSync(directory.file, other.file)
  await store.commit([user('later')], originAt(2))
  await store.close()

  const copy = await openStore(other.file)
  expect(await copy.find('u99')).toBeDefined()
  expect(await copy.find('later')).toBeUndefined()
  await copy.close()
})
