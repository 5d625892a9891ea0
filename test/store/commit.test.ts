/** What a commit does and leaves undone, rule by rule: each of these has once been otherwise. */

import { expect, setDefaultTimeout, test } from 'bun:test'
import type { JsonValue } from '../../src/scim/json.ts'
import { JOURNAL_CHUNK_COUNT, RESOURCE_BYTES_MAX } from '../../src/scim/limits.ts'
import { verifyJournal } from '../../src/store/lmdb-journal.ts'
import type { LmdbStore } from '../../src/store/lmdb-store.ts'
import { Abandoned } from '../../src/store/slices.ts'
import type { Change } from '../../src/store/store.ts'
import {
  createUsers,
  creation,
  DEVICE_EXTRA,
  DEVICE_REGISTRY,
  deletion,
  edit,
  editMembers,
  GROUP,
  group,
  linkedIds,
  linkOf,
  MEMBERS,
  membersOf,
  modification,
  numbered,
  originAt,
  stored,
  temporaryStore,
  typeOf,
  USER,
  user,
} from './given.ts'
import { faultsIn } from './sound.ts'

/** So that a slow machine is no fault. */
setDefaultTimeout(120_000)

const DEVICES = typeOf('Device', DEVICE_REGISTRY)

const commitAt = (store: LmdbStore, time: number, ...changes: readonly Change[]) =>
  store.commit(changes, originAt(time))

async function expectSound(store: LmdbStore): Promise<void> {
  await store.swept()
  expect(faultsIn(store.file)).toEqual([])
}

/** How many entries each database has. */
const countsOf = ({ file }: LmdbStore): number[] =>
  [
    ...[file.ids, file.tombstones, file.journal, file.chunks, file.sweeps],
    ...[...file.types.values()].flatMap(({ records, indexes }) => [
      records,
      ...indexes.map(({ entries }) => entries),
    ]),
    ...[...file.links.values()].flatMap(({ forward, reverse }) => [forward, reverse]),
  ].map((database) => (database.getStats() as { entryCount: number }).entryCount)

/** Runs a commit that has to fail, and holds that it has left nothing. */
async function expectRefused(store: LmdbStore, message: string, ...changes: Change[]) {
  const before = countsOf(store)
  const told = await store.journal(0, 1000)
  await expect(commitAt(store, 99, ...changes)).rejects.toThrow(message)
  expect(await store.journal(0, 1000)).toEqual(told)
  expect(countsOf(store)).toEqual(before)
  await expectSound(store)
}

test('a member and its owner deleted in one commit leave no entries, in whichever order', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  for (const [round, deletions] of [
    [deletion(USER, 'u0'), deletion(GROUP, 'g0')],
    [deletion(GROUP, 'g1'), deletion(USER, 'u1')],
  ].entries()) {
    await commitAt(store, 1, user(`u${round}`), group(`g${round}`, [`u${round}`]))
    await commitAt(store, 2, ...deletions)
    expect(await store.find(`u${round}`)).toBeUndefined()
    expect(await store.find(`g${round}`)).toBeUndefined()
    await expectSound(store)
  }
})

test('a group changed in the commit that deletes its member keeps the change, and counts both', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await commitAt(store, 1, user('u'), user('v'), group('g', ['u']))
  await commitAt(store, 2, deletion(USER, 'u'), editMembers('g', edit('add', ['v'])))
  expect(await membersOf(store, 'g')).toEqual(['v'])
  expect((await stored(store, GROUP, 'g')).version).toBe(3)
  await expectSound(store)
})

test('a commit that changes a resource twice is refused as the mistake that it is', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await commitAt(store, 1, user('u'))
  const twice = [modification(USER, 'u', { title: 'a' }), modification(USER, 'u', { title: 'b' })]
  await expectRefused(store, 'twice', ...twice)
  await expectRefused(store, 'twice', user('n'), user('n', { userName: 'm' }))
  await expectRefused(store, 'twice', user('n'), deletion(USER, 'n'))
})

test('a decision that deletes or changes what is not there is refused before anything is written', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await commitAt(store, 1, user('gone'), group('g'))
  await commitAt(store, 2, deletion(USER, 'gone'))
  for (const id of ['never', 'gone', 'g']) {
    const decide = () => ({ document: {}, links: [] })
    await expectRefused(store, 'no such User', user('new'), deletion(USER, id))
    await expectRefused(store, 'no such User', user('new'), { ...deletion(USER, id), decide })
  }
  const nothing = { ...user('x'), decide: () => undefined }
  await expectRefused(store, 'creates x and deletes it', user('new'), nothing)
})

test('an id is never given again, not even after its resource is gone', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await commitAt(store, 1, user('u'), user('gone'))
  await commitAt(store, 2, deletion(USER, 'gone'))
  await expectRefused(store, 'taken', user('u', { userName: 'other' }))
  await expectRefused(store, 'taken', user('gone', { userName: 'other' }))
  await expectRefused(store, 'taken', creation(GROUP, 'gone', { displayName: 'other' }))
})

test('to ask for the empty id finds nothing, and does not fail', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await commitAt(store, 1, user('u'), group('g', ['u']))
  expect(await store.find('')).toBeUndefined()
  expect(await store.read(USER, '')).toBeUndefined()
  expect(await store.isLinked(await stored(store, GROUP, 'g'), MEMBERS, '')).toBe(false)
  const query = { matches: undefined, skip: 0, count: 1 }
  for (const plan of [
    { kind: 'id', id: '' },
    { kind: 'ownersOf', link: MEMBERS, id: '' },
  ] as const) {
    expect(await store.search({ ...query, type: GROUP, plan })).toMatchObject({
      total: 0,
      page: [],
    })
  }
})

test('ids of many kinds are kept apart and found', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  const long = 'x'.repeat(1000)
  const ids = [
    'a',
    'A',
    '\u0000',
    '\u0000\u0000',
    'a\u0000',
    'é',
    'e\u0301',
    `${long}1`,
    `${long}2`,
  ]
  ids.push(long, '\u0000'.repeat(1024), '😀'.repeat(512), '../x', '%2F')
  await commitAt(store, 1, ...ids.map((id, index) => user(id, { userName: `u${index}` })))
  for (const [index, id] of ids.entries()) {
    expect(await store.find(id)).toMatchObject({ id, display: `u${index}` })
  }
  await expectSound(store)
})

test('a resource at the limit of its size is stored, and one byte more is refused', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await commitAt(store, 1, user('u', { title: '' }))
  const bare = (await stored(store, USER, 'u')).text.length
  const title = 'x'.repeat(RESOURCE_BYTES_MAX - bare)
  await commitAt(store, 2, modification(USER, 'u', { title }))
  expect((await stored(store, USER, 'u')).text.length).toBe(RESOURCE_BYTES_MAX)
  await expectRefused(store, 'expected at most', modification(USER, 'u', { title: `${title}x` }))
})

test('what was read stays what it was while the resource changes', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  const texts = new Map<string, string>()
  for (const [round, size] of [10, 5000, 100_000, 900_000, 3, 70_000].entries()) {
    const title = String(round).repeat(size)
    await commitAt(
      store,
      1,
      round === 0 ? user('u', { title }) : modification(USER, 'u', { title }),
    )
    const { text } = await stored(store, USER, 'u')
    texts.set(title, text)
  }
  for (const [title, text] of texts) expect(text).toEndWith(`"title":"${title}"`)
})

test('the time of the last change never goes back', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await commitAt(store, 1000, user('u'), group('g', ['u']))
  await commitAt(store, 500, modification(USER, 'u', { title: 'earlier' }))
  await commitAt(store, 400, deletion(USER, 'u'))
  expect(await stored(store, GROUP, 'g')).toMatchObject({ version: 2, lastModified: 1000 })
  await expectSound(store)
})

test('whoever holds a deleted resource by two links gets one new version', async () => {
  await using opened = await temporaryStore(DEVICE_REGISTRY)
  const { store } = opened
  const links = DEVICES.links.map((link) => ({ link, op: 'add', ids: ['part', 'd'] }) as const)
  await commitAt(store, 1, creation(DEVICES, 'd', {}, links), creation(DEVICES, 'part', {}))

  await commitAt(store, 2, deletion(DEVICES, 'part'))

  expect((await stored(store, DEVICES, 'd')).version).toBe(2)
  const [entry] = await store.journal(2, 1)
  expect(entry?.left).toEqual([{ type: 'Device', id: 'd', version: 2 }])
  // It holds itself by both: it leaves nobody.
  await commitAt(store, 3, deletion(DEVICES, 'd'))
  expect((await store.journal(3, 1))[0]?.left).toEqual([])
  await expectSound(store)
})

test('resources of one commit may link to each other in a circle', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await commitAt(store, 1, group('a', ['b']), group('b', ['c', 'u']), group('c', ['a']), user('u'))
  expect(await membersOf(store, 'b')).toEqual(['u', 'c'])
  const owners = await store.owners(await stored(store, USER, 'u'), MEMBERS)
  expect(owners.map(({ header, direct }) => `${header.id} ${direct}`)).toEqual([
    'b true',
    'a false',
    'c false',
  ])
  await expectSound(store)
})

test('members come by type, and of one type in the order of their creation', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await commitAt(store, 1, group('first'), user('second'), group('third'), user('fourth'))
  await commitAt(store, 2, group('g', ['fourth', 'third', 'second', 'first']))
  expect(await membersOf(store, 'g')).toEqual(['second', 'fourth', 'first', 'third'])
})

test('a list of members of any length comes whole and in order', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  const ids = numbered('u', 2501)
  await createUsers(store, ids)
  for (const count of [0, 1, 499, 500, 501, 999, 1000, 1001, 2000, 2500, 2501]) {
    await commitAt(store, 2, group(`g${count}`, ids.slice(0, count)))
    expect(await membersOf(store, `g${count}`)).toEqual(ids.slice(0, count))
  }
})

test('the journal never tells a secret, at whatever depth it is', async () => {
  await using opened = await temporaryStore(DEVICE_REGISTRY)
  const { store } = opened
  const secrets = ['hunter2', 'boxpin', 'extrapin', 'vaultkey']
  const values = (suffix: string): Record<string, JsonValue> => ({
    secret: `hunter2${suffix}`,
    box: { code: 'c', pin: `boxpin${suffix}` },
    [DEVICE_EXTRA]: {
      shelf: 's',
      pin: `extrapin${suffix}`,
      vault: { label: 'l', key: `vaultkey${suffix}`, pin: 'not secret' },
    },
  })
  await commitAt(store, 1, creation(DEVICES, 'd', values('')))
  await commitAt(store, 2, modification(DEVICES, 'd', values('!')))
  await commitAt(store, 3, modification(DEVICES, 'd', { box: undefined }))
  await commitAt(store, 4, deletion(DEVICES, 'd'))

  const entries = await store.journal(0, 10)
  const shown = {
    box: { code: 'c' },
    [DEVICE_EXTRA]: { shelf: 's', vault: { label: 'l', pin: 'not secret' } },
  }
  const told = entries.map((entry) => ({
    before: entry.before,
    after: entry.after,
    secrets: [...entry.secrets].sort(),
  }))
  expect(told).toEqual([
    { before: {}, after: expect.objectContaining(shown), secrets: ['secret'] },
    { before: {}, after: {}, secrets: ['box', 'secret', DEVICE_EXTRA] },
    { before: { box: { code: 'c' } }, after: {}, secrets: [] },
    { before: expect.anything(), after: {}, secrets: ['secret'] },
  ])
  for (const { value } of store.file.journal.getRange({})) {
    for (const secret of secrets) expect(String(value)).not.toContain(secret)
  }
})

test('an entry holds as many links as a chunk, and of one more it holds none', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  const ids = numbered('u', JOURNAL_CHUNK_COUNT + 1)
  await createUsers(store, ids)
  await commitAt(store, 2, group('full', ids.slice(1)))
  await commitAt(store, 2, group('over', ids))

  const [full, over] = await store.journal(ids.length, 2)
  expect(full?.links).toEqual({ members: { added: ids.slice(1), removed: [], chunks: 0 } })
  expect(over?.links).toEqual({ members: { added: [], removed: [], chunks: 2 } })
  const chunk = (number: number) => store.journalChunk(ids.length + 2, 'members', number)
  expect(await chunk(1)).toEqual({ added: ids.slice(0, -1), removed: [], chunks: 0 })
  expect(await chunk(2)).toEqual({ added: ids.slice(-1), removed: [], chunks: 0 })
  expect(await chunk(3)).toBeUndefined()
  expect(await store.journalChunk(ids.length + 1, 'members', 1)).toBeUndefined()
  expect(await store.journalChunk(999_999, 'members', 1)).toBeUndefined()
})

test('who asked, when and in which request stands in each entry', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  const origin = { time: 86_400_000, actor: 'entra', address: '192.0.2.1', requestId: 'r-1' }
  await store.commit([user('u')], origin)
  expect((await store.journal(0, 1))[0]).toMatchObject({
    sequence: 1,
    epoch: store.file.epoch,
    time: '1970-01-02T00:00:00.000Z',
    actor: 'entra',
    address: '192.0.2.1',
    requestId: 'r-1',
    previous: '0'.repeat(64),
  })
})

test('the journal is read from where one likes, as far as one likes', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await createUsers(store, numbered('u', 10))
  const sequences = async (after: number, countMax: number) =>
    (await store.journal(after, countMax)).map(({ sequence }) => sequence)
  expect(await sequences(0, 3)).toEqual([1, 2, 3])
  expect(await sequences(8, 3)).toEqual([9, 10])
  expect(await sequences(10, 3)).toEqual([])
  expect(await sequences(2 ** 40, 3)).toEqual([])
  expect(await sequences(0, 0)).toEqual([])
})

test.each([
  ['altered in the middle', 2, (entry: Buffer) => Buffer.from(String(entry).replace('u1', 'u9'))],
  ['altered at the end', 5, (entry: Buffer) => Buffer.from(String(entry).replace('u4', 'u9'))],
  ['taken out of the middle', 3, undefined],
  ['taken off the end', 5, undefined],
] as const)('an entry of the journal that was %s is found', async (_how, sequence, alter) => {
  await using opened = await temporaryStore()
  const { store } = opened
  await createUsers(store, numbered('u', 5))
  const { journal } = store.file
  expect(verifyJournal(store.file)).toBeUndefined()
  const key = Buffer.from([0, 0, 0, 0, 0, sequence])
  const entry = journal.getBinary(key)
  if (alter && entry) await journal.put(key, alter(entry))
  else await journal.remove(key)
  expect(verifyJournal(store.file)).toBeGreaterThanOrEqual(sequence - 1)
})

test('a journal that was purged at its beginning is whole', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await createUsers(store, numbered('u', 5))
  for (const sequence of [1, 2])
    await store.file.journal.remove(Buffer.from([0, 0, 0, 0, 0, sequence]))
  expect(verifyJournal(store.file)).toBeUndefined()
})

test('a resource with thousands of indexed values changes by those that differ', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  const emails = numbered('mail', 8000).map((value) => ({ value }))
  await commitAt(store, 1, user('u', { emails }))
  await expectSound(store)
  await commitAt(store, 2, modification(USER, 'u', { emails: emails.slice(1).reverse() }))
  await expectSound(store)
})

test('a search that nobody waits for any more is given up', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await createUsers(store, numbered('u', 50))
  const client = new AbortController()
  const matches = async () => {
    client.abort()
    await Bun.sleep(5)
    return true
  }
  const query = { type: USER, plan: { kind: 'all' }, matches, skip: 0, count: 50 } as const
  await expect(store.search({ ...query, client })).rejects.toBeInstanceOf(Abandoned)
})

test('edits of links that end where they began change nothing', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await commitAt(store, 1, user('u'), user('v'), group('g', ['u']))
  const edits = [
    [edit('add', ['u'])],
    [edit('remove', ['v'])],
    [edit('remove', ['u']), edit('add', ['u'])],
    [edit('add', ['v']), edit('remove', ['v'])],
    [edit('replace', ['v']), edit('replace', ['u'])],
    [edit('replace', ['u', 'u'])],
    [edit('remove', ['nobody'])],
  ]
  for (const [index, one] of edits.entries()) {
    const [committed] = await commitAt(store, 2, editMembers('g', ...one))
    expect({ index, changed: committed?.changed }).toEqual({ index, changed: false })
  }
  expect(await store.journal(3, 1)).toEqual([])
})

test('a link attribute of one type reaches members of several, and back by its reverse', async () => {
  await using opened = await temporaryStore(DEVICE_REGISTRY)
  const { store } = opened
  const holders = linkOf(DEVICES, 'holders')
  const spares = linkOf(DEVICES, 'spares')
  await commitAt(
    store,
    1,
    creation(typeOf('User', DEVICE_REGISTRY), 'u', { userName: 'u' }),
    creation(DEVICES, 'd', {}, [
      { link: holders, op: 'add', ids: ['u', 'e'] },
      { link: spares, op: 'add', ids: ['e'] },
    ]),
    creation(DEVICES, 'e', {}, [{ link: spares, op: 'add', ids: ['d'] }]),
  )
  const device = await stored(store, DEVICES, 'd')
  expect(await linkedIds(store, device, holders)).toEqual(['u', 'e'])
  expect(await linkedIds(store, device, spares)).toEqual(['e'])
  const owners = await store.owners(device, spares)
  expect(owners.map(({ header, direct }) => [header.id, direct])).toEqual([
    ['e', true],
    ['d', false],
  ])
  const [entry] = await store.journal(1, 1)
  expect(entry?.links).toEqual({
    holders: { added: ['u', 'e'], removed: [], chunks: 0 },
    spares: { added: ['e'], removed: [], chunks: 0 },
  })
  await expectSound(store)
})
