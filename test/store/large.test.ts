/** Changes of so many links that they are written as a new generation, in slices. */

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { ScimError } from '../../src/scim/error.ts'
import { JOURNAL_CHUNK_COUNT, LINKS_PER_COMMIT_MAX } from '../../src/scim/limits.ts'
import type { LinkEdit } from '../../src/scim/link.ts'
import type { Registry } from '../../src/scim/registry.ts'
import { DEFAULT_RULES } from '../../src/scim/tolerance.ts'
import { viewsOf, WHOLE_VIEW } from '../../src/scim/view.ts'
import { forwardKey, reverseKey } from '../../src/store/lmdb-keys.ts'
import { sweepAll } from '../../src/store/lmdb-links.ts'
import type { LmdbStore } from '../../src/store/lmdb-store.ts'
import { linkFileOf, typeFileOf } from '../../src/store/lmdb-tenant.ts'
import type { Change, Store } from '../../src/store/store.ts'
import {
  BUILT_IN_SCHEMAS,
  BUILT_IN_TYPES,
  createUsers,
  creation,
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
  openStore,
  originAt,
  REGISTRY,
  stored,
  temporaryDirectory,
  typeOf,
  USER,
  user,
} from './given.ts'
import { faultsIn } from './sound.ts'

/** So that a slow machine is no fault. */
setDefaultTimeout(120_000)

const USERS = numbered('u', 20_000)
const HALF = USERS.slice(0, 10_000)
const OTHER_HALF = USERS.slice(10_000)
/** Half of these are in HALF too. */
const MIDDLE = USERS.slice(5000, 15_000)

const template = temporaryDirectory()

beforeAll(async () => {
  const store = await openStore(template.file)
  await createUsers(store, USERS)
  await store.close()
})

afterAll(() => template[Symbol.dispose]())

/** A store of its own with the 20,000 users. */
async function storeOfUsers(registry: Registry = REGISTRY) {
  const directory = temporaryDirectory()
  copyFileSync(template.file, directory.file)
  const store = await openStore(directory.file, registry)
  return {
    store,
    file: directory.file,
    async [Symbol.asyncDispose]() {
      await store.close()
      directory[Symbol.dispose]()
    },
  }
}

const commitAt = (store: Store, time: number, ...changes: readonly Change[]) =>
  store.commit(changes, originAt(time))

const generationOf = async (store: Store, id: string) => (await stored(store, GROUP, id)).generation

async function expectSound(store: LmdbStore): Promise<void> {
  await store.swept()
  expect(faultsIn(store.file)).toEqual([])
}

/** What the last entry of the journal tells of one link attribute, its chunks read to the end. */
async function lastLinkChange(store: Store, name = 'members') {
  return linkChangeAt(store, (await store.journal(0, 100_000)).length, name)
}

async function linkChangeAt(store: Store, sequence: number, name = 'members') {
  const [entry] = await store.journal(sequence - 1, 1)
  const change = entry?.links[name]
  const added = [...(change?.added ?? [])]
  const removed = [...(change?.removed ?? [])]
  for (let chunk = 1; chunk <= (change?.chunks ?? 0); chunk++) {
    const further = await store.journalChunk(sequence, name, chunk)
    expect((further?.added.length ?? 0) + (further?.removed.length ?? 0)).toBeGreaterThan(0)
    expect(further?.added.length).toBeLessThanOrEqual(JOURNAL_CHUNK_COUNT)
    expect(further?.removed.length).toBeLessThanOrEqual(JOURNAL_CHUNK_COUNT)
    added.push(...(further?.added ?? []))
    removed.push(...(further?.removed ?? []))
  }
  expect(await store.journalChunk(sequence, name, (change?.chunks ?? 0) + 1)).toBeUndefined()
  return { version: entry?.version, added: added.sort(), removed: removed.sort() }
}

/** A tenant that sees groups alone. */
const GROUPS_ALONE = viewsOf(
  { schemas: BUILT_IN_SCHEMAS, types: BUILT_IN_TYPES },
  REGISTRY,
)({ ...DEFAULT_RULES, ...WHOLE_VIEW, resourceTypes: ['Group'] }).registry

test('members of a type that is out of view stay members, whatever becomes of the others', async () => {
  const groups = numbered('g', LINKS_PER_COMMIT_MAX + 1)
  const directory = temporaryDirectory()
  copyFileSync(template.file, directory.file)
  const inView = async <T>(registry: Registry, act: (store: LmdbStore) => Promise<T>) => {
    const store = await openStore(directory.file, registry)
    const result = await act(store)
    if (registry === REGISTRY) await expectSound(store)
    await store.close()
    return result
  }
  const users = USERS.slice(0, 3)
  await inView(REGISTRY, async (store) => {
    for (let at = 0; at < groups.length; at += 500)
      await store.commit(
        groups.slice(at, at + 500).map((id) => group(id)),
        originAt(1),
      )
    await commitAt(store, 2, group('all', users))
  })
  const type = typeOf('Group', GROUPS_ALONE)
  const link = linkOf(type, 'members')
  const replaced = (ids: readonly string[]) =>
    modification(type, 'all', {}, [{ link, op: 'replace', ids }])
  await inView(GROUPS_ALONE, async (store) => {
    await commitAt(store, 3, replaced(groups))
    const shown = await linkedIds(store, await stored(store, type, 'all'), link)
    expect(sorted(shown)).toEqual(sorted(groups))
  })
  const members = await inView(REGISTRY, (store) => membersOf(store, 'all'))
  expect(sorted(members)).toEqual(sorted([...users, ...groups]))
  await inView(GROUPS_ALONE, (store) => commitAt(store, 4, replaced([])))
  expect(await inView(REGISTRY, (store) => membersOf(store, 'all'))).toEqual(users)
  directory[Symbol.dispose]()
})

const sorted = (ids: readonly string[]) => [...ids].sort()

const LIMIT = USERS.slice(0, LINKS_PER_COMMIT_MAX)
const PAST_LIMIT = USERS.slice(0, LINKS_PER_COMMIT_MAX + 1)

test('as many links as one commit may change are changed within the generation there is', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('g'))
  await commitAt(store, 3, editMembers('g', edit('add', LIMIT)))

  expect(await generationOf(store, 'g')).toBe(0)
  expect(await membersOf(store, 'g')).toEqual(LIMIT)
  expect(await lastLinkChange(store)).toEqual({ version: 2, added: sorted(LIMIT), removed: [] })

  await commitAt(store, 4, editMembers('g', edit('remove', LIMIT)))
  expect(await generationOf(store, 'g')).toBe(0)
  expect(await membersOf(store, 'g')).toEqual([])
  expect(await lastLinkChange(store)).toEqual({ version: 3, added: [], removed: sorted(LIMIT) })
  await expectSound(store)
})

test('one link more than that makes a new generation, whichever edit makes it', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('g', ['u19999']))
  let generation = 0
  const expectSwitch = async (members: readonly string[]) => {
    expect(await generationOf(store, 'g')).toBeGreaterThan(generation)
    generation = await generationOf(store, 'g')
    expect(await membersOf(store, 'g')).toEqual([...members])
    await expectSound(store)
  }

  await commitAt(store, 3, editMembers('g', edit('add', PAST_LIMIT)))
  await expectSwitch([...PAST_LIMIT, 'u19999'])
  expect(await lastLinkChange(store)).toEqual({
    version: 2,
    added: sorted(PAST_LIMIT),
    removed: [],
  })

  await commitAt(store, 4, editMembers('g', edit('remove', PAST_LIMIT)))
  await expectSwitch(['u19999'])
  expect(await lastLinkChange(store)).toEqual({
    version: 3,
    added: [],
    removed: sorted(PAST_LIMIT),
  })

  await commitAt(store, 5, editMembers('g', edit('replace', USERS)))
  await expectSwitch(USERS)
  await commitAt(store, 6, editMembers('g', edit('replace', [])))
  await expectSwitch([])
  expect(await lastLinkChange(store)).toEqual({ version: 5, added: [], removed: sorted(USERS) })
})

test('few differences in a large list are an ordinary commit, however many members are named', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('g', HALF))
  const generation = await generationOf(store, 'g')

  await commitAt(store, 3, editMembers('g', edit('replace', [...HALF.slice(2), 'u19999'])))

  expect(await generationOf(store, 'g')).toBe(generation)
  expect(await membersOf(store, 'g')).toEqual([...HALF.slice(2), 'u19999'])
  expect(await lastLinkChange(store)).toEqual({
    version: 2,
    added: ['u19999'],
    removed: ['u0', 'u1'],
  })
  await expectSound(store)
})

test('several edits of one large change apply in their order', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  const isEven = (id: string) => Number(id.slice(1)) % 2 === 0
  const matches: LinkEdit = { link: MEMBERS, op: 'removeWhere', matches: ({ id }) => isEven(id) }
  await commitAt(store, 2, group('g', HALF))

  await commitAt(store, 3, editMembers('g', matches))
  expect(await membersOf(store, 'g')).toEqual(HALF.filter((id) => !isEven(id)))

  const edits = [edit('add', HALF), edit('remove', MIDDLE), matches, edit('add', ['u0', 'u19999'])]
  await commitAt(store, 4, editMembers('g', ...edits))
  const left = HALF.slice(0, 5000).filter((id) => !isEven(id))
  expect(await membersOf(store, 'g')).toEqual(['u0', ...left, 'u19999'])

  await commitAt(
    store,
    5,
    editMembers('g', edit('add', USERS), { ...matches, matches: () => true }),
  )
  expect(await membersOf(store, 'g')).toEqual([])
  await expectSound(store)
})

test('a reader sees all of the old members or all of the new ones, and no mixture', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('g', HALF))
  await commitAt(store, 2, group('above', ['g']))
  const old = HALF.join()
  const next = MIDDLE.join()
  const seen = new Set<string>()
  let isDone = false
  const replaced = commitAt(store, 3, editMembers('g', edit('replace', MIDDLE))).then(() => {
    isDone = true
  })

  while (!isDone) {
    const before = await stored(store, GROUP, 'g')
    const members = (await membersOf(store, 'g')).join()
    if (members !== old && members !== next) expect(members).toBe('the old or the new ones')
    seen.add(members)
    // u5000 is in both: it is a member all the time, directly and indirectly.
    expect(await store.isLinked(before, MEMBERS, 'u5000')).toBe(true)
    const owners = await store.owners(await stored(store, USER, 'u5000'), MEMBERS)
    expect(owners.map(({ header }) => header.id)).toEqual(['g', 'above'])
  }
  await replaced

  expect(seen).toContain(old)
  expect((await membersOf(store, 'g')).join()).toBe(next)
  expect((await stored(store, GROUP, 'g')).version).toBe(2)
  expect(await lastLinkChange(store)).toEqual({
    version: 2,
    added: sorted(MIDDLE.slice(5000)),
    removed: sorted(HALF.slice(0, 5000)),
  })
  await expectSound(store)
})

test('a list read before a switch of generations answers as the one after it', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('g', HALF))
  const before = await stored(store, GROUP, 'g')
  await commitAt(store, 3, editMembers('g', edit('replace', MIDDLE)))
  await store.swept()

  expect(await linkedIds(store, before, MEMBERS)).toEqual(MIDDLE)
  expect(await store.isLinked(before, MEMBERS, 'u5000')).toBe(true)
  expect(await store.isLinked(before, MEMBERS, 'u0')).toBe(false)
})

test('to replace 20,000 members by the same ones changes nothing', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('g', USERS))
  const before = await stored(store, GROUP, 'g')
  const told = (await store.journal(0, 100_000)).length

  const [same] = await commitAt(store, 3, editMembers('g', edit('replace', [...USERS].reverse())))

  expect(same?.changed).toBe(false)
  expect(await stored(store, GROUP, 'g')).toEqual(before)
  expect(await store.journal(told, 1)).toEqual([])
  await expectSound(store)
})

test('other changes of the resource wait for a large one, and none is lost', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('g', HALF))

  const versions: (number | undefined)[] = []
  const commit = async (...changes: Change[]) => {
    const [committed] = await commitAt(store, 3, ...changes)
    versions.push(committed?.stored?.version)
  }
  await Promise.all([
    commit(editMembers('g', edit('remove', ['u0']))),
    commit(editMembers('g', edit('replace', OTHER_HALF))),
    commit(editMembers('g', edit('add', ['u1', 'u2']))),
    commit(modification(GROUP, 'g', { displayName: 'renamed' })),
    commit(user('someone else'), editMembers('g', edit('add', ['someone else']))),
    commit(editMembers('g', edit('remove', ['u10000', 'u2']))),
    commit(editMembers('g', edit('add', HALF.slice(0, 6000)))),
    commit(editMembers('g', edit('remove', ['u3']))),
  ])

  const g = await stored(store, GROUP, 'g')
  expect(g.version).toBe(9)
  expect(g.display).toBe('renamed')
  const members = new Set(await membersOf(store, 'g'))
  for (const id of ['u1', 'u19999', 'someone else', 'u5999']) expect(members).toContain(id)
  for (const id of ['u6000', 'u9999']) expect(members).not.toContain(id)
  const told = await store.journal(USERS.length, 100)
  expect(told.filter(({ id }) => id === 'g').map(({ version }) => version)).toEqual(
    Array.from({ length: 9 }, (_, index) => index + 1),
  )
  await expectSound(store)
})

test('large changes of one resource at the same time apply one after the other', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('g'))

  await Promise.all([
    commitAt(store, 3, editMembers('g', edit('add', HALF))),
    commitAt(store, 3, editMembers('g', edit('add', OTHER_HALF))),
    commitAt(store, 3, editMembers('g', edit('add', MIDDLE))),
  ])

  expect(await membersOf(store, 'g')).toEqual(USERS)
  expect((await stored(store, GROUP, 'g')).version).toBe(3)
  await expectSound(store)
})

test('whoever is deleted while a generation is being written leaves no dead link in it', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('g', HALF))
  let isDone = false
  const replaced = commitAt(store, 3, editMembers('g', edit('replace', MIDDLE))).finally(() => {
    isDone = true
  })
  // From both ends: some are written already when they are deleted, some are written afterwards.
  const gone: string[] = []
  for (let at = 0; !isDone; at++) {
    const ids = [`u${5000 + at}`, `u${14_999 - at}`, `u${10_000 + at}`, `u${at}`]
    gone.push(...ids)
    await Promise.all(ids.map((id) => commitAt(store, 4, deletion(USER, id))))
  }
  await replaced

  const left = new Set(gone)
  expect(await membersOf(store, 'g')).toEqual(MIDDLE.filter((id) => !left.has(id)))
  // Nor does the journal tell that anybody was added who was deleted before.
  const entries = await store.journal(USERS.length, 100_000)
  const at = entries.findIndex(({ operation, id }) => operation === 'modify' && id === 'g')
  const deleted = new Set(entries.slice(0, at).map(({ id }) => id))
  const told = await linkChangeAt(store, USERS.length + 1 + at)
  expect(deleted.size).toBeGreaterThan(0)
  expect(told.added).toEqual(sorted(MIDDLE.slice(5000).filter((id) => !deleted.has(id))))
  await expectSound(store)
})

test('whoever is deleted while few differences are worked out does not come back', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('g', HALF))
  let isDone = false
  const added = OTHER_HALF.slice(0, 100)
  const change = editMembers('g', edit('replace', [...HALF, ...added]))
  const replaced = commitAt(store, 3, change).finally(() => {
    isDone = true
  })
  const left = new Set<string>()
  for (const id of added.slice(0, 50)) {
    if (isDone) break
    left.add(id)
    await commitAt(store, 4, deletion(USER, id))
  }
  await replaced

  const there = [...HALF, ...added].filter((id) => !left.has(id))
  expect(await membersOf(store, 'g')).toEqual(there)
  await expectSound(store)
})

test('a dead link that is not swept yet is not carried over into a new generation', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, user('dead'), group('g', ['u0']))
  const { handle } = await stored(store, USER, 'dead')
  await commitAt(store, 3, deletion(USER, 'dead'))
  const { forward, reverse } = linkFileOf(store.file, MEMBERS)
  const { number } = typeFileOf(store.file, USER)
  const g = await stored(store, GROUP, 'g')
  await forward.put(forwardKey(g.handle, g.generation, number, handle), Buffer.alloc(0))
  await reverse.put(reverseKey(number, handle, g.handle, g.generation), Buffer.alloc(0))
  expect(await membersOf(store, 'g')).toEqual(['u0'])

  await commitAt(store, 4, editMembers('g', edit('add', HALF)))

  expect(await membersOf(store, 'g')).toEqual(HALF)
  await expectSound(store)
})

test('links of the generation before are nobody’s, swept or not', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('g', HALF))
  await commitAt(store, 3, editMembers('g', edit('replace', OTHER_HALF)))
  // Links are swept in their order: those of the last member are there for a while.
  const last = await stored(store, USER, 'u9999')
  expect(await store.owners(last, MEMBERS)).toEqual([])
  const query = { matches: undefined, skip: 0, count: 1 }
  const owners = { kind: 'ownersOf', link: MEMBERS, id: 'u9999' } as const
  expect(await store.search({ ...query, type: GROUP, plan: owners })).toMatchObject({ total: 0 })
  await commitAt(store, 4, deletion(USER, 'u9999'))
  expect((await stored(store, GROUP, 'g')).version).toBe(2)
  await expectSound(store)
})

test('links to what is deleted find nothing, swept or not', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('g', HALF))
  await commitAt(store, 3, deletion(USER, 'u1'), deletion(USER, 'u2'))
  const query = { matches: undefined, skip: 0, count: 3 }
  const members = { kind: 'membersOf', link: MEMBERS, id: 'g' } as const
  const owners = { kind: 'ownersOf', link: MEMBERS, id: 'u1' } as const
  const found = await Promise.all([
    store.search({ ...query, type: USER, plan: members }),
    store.search({ ...query, type: GROUP, plan: owners }),
    store.isLinked(await stored(store, GROUP, 'g'), MEMBERS, 'u1'),
    membersOf(store, 'g'),
  ])
  expect(found[0].total).toBe(9998)
  expect(found[0].page.map(({ id }) => id)).toEqual(['u0', 'u3', 'u4'])
  expect(found[1].total).toBe(0)
  expect(found[2]).toBe(false)
  expect(found[3]).toHaveLength(9998)
  await commitAt(store, 4, deletion(GROUP, 'g'))
  expect(await store.search({ ...query, type: USER, plan: members })).toMatchObject({ total: 0 })
  await expectSound(store)
})

test('a process beside the server does not sweep away what the server is writing', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('g', HALF))
  let isDone = false
  const replaced = commitAt(store, 3, editMembers('g', edit('replace', USERS))).finally(() => {
    isDone = true
  })
  const { forward } = linkFileOf(store.file, MEMBERS)
  const countOf = () => (forward.getStats() as { entryCount: number }).entryCount
  while (countOf() < HALF.length + 4000 && !isDone) await Bun.sleep(0)
  expect(isDone).toBe(false)
  // What another process knows: all that is listed, and nothing of what this one is building.
  await sweepAll({ ...store.file, building: new Set() }, () => false)
  await replaced

  expect(await membersOf(store, 'g')).toEqual(USERS)
  expect((await stored(store, GROUP, 'g')).version).toBe(2)
  await expectSound(store)
})

test('a large change that is refused in the end leaves nothing behind', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('taken'))
  await commitAt(store, 2, group('g', HALF))
  const told = (await store.journal(0, 100_000)).length
  const replace = edit('replace', MIDDLE)

  const attempts = [
    commitAt(store, 3, modification(GROUP, 'g', { displayName: 'TAKEN' }, [replace])),
    commitAt(store, 3, creation(GROUP, 'new', { displayName: 'Taken' }, [edit('add', USERS)])),
  ]
  for (const attempt of await Promise.allSettled(attempts)) {
    expect(attempt).toMatchObject({ status: 'rejected', reason: { scimType: 'uniqueness' } })
  }

  expect(await membersOf(store, 'g')).toEqual(HALF)
  expect(await store.find('new')).toBeUndefined()
  expect(await store.journal(told, 1)).toEqual([])
  await expectSound(store)
})

test('an edit of very many links is told the truth about each of them', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('g'), group('inner'))
  const ids = [...HALF, 'inner', 'nobody']
  const asked = new Map<string, string | undefined>()
  const accepts = (id: string, type: string | undefined): boolean => {
    asked.set(id, type)
    if (type === undefined) throw ScimError.of('invalidValue', 'there is nobody')
    return true
  }
  const change = editMembers('g', { link: MEMBERS, op: 'add', ids, accepts })

  await expect(commitAt(store, 3, change)).rejects.toMatchObject({ scimType: 'invalidValue' })
  expect([...asked.keys()]).toEqual(ids)
  expect(asked.get(HALF[0] as string)).toBe('User')
  expect(asked.get('inner')).toBe('Group')
  expect(asked.get('nobody')).toBeUndefined()

  expect(await membersOf(store, 'g')).toEqual([])
  await expectSound(store)
})

test('a large change that decides to change no links, or to delete, does so', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('g', HALF))

  await commitAt(store, 3, { ...modification(GROUP, 'g', { displayName: 'h' }), mentions: USERS })
  expect((await stored(store, GROUP, 'g')).display).toBe('h')
  expect(await membersOf(store, 'g')).toEqual(HALF)

  await commitAt(store, 4, { ...deletion(GROUP, 'g'), mentions: USERS })
  expect(await store.find('g')).toBeUndefined()
  await expectSound(store)
})

test('a large change on what is not there, or is of another type, is decided as such', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('gone'))
  await commitAt(store, 3, deletion(GROUP, 'gone'))
  for (const id of ['gone', 'never', 'u0']) {
    const change: Change = {
      ...editMembers(id, edit('add', HALF)),
      decide(current) {
        expect(current).toBeUndefined()
        throw ScimError.status(404, `there is no group ${id}`)
      },
    }
    await expect(commitAt(store, 4, change)).rejects.toMatchObject({ status: 404 })
  }
  await expectSound(store)
})

test('several changes in one commit are not cut down to one because one of them is large', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('g', HALF))
  const told = (await store.journal(0, 100_000)).length

  // Too many differences for one transaction: all are refused.
  const changes = [user('a'), editMembers('g', edit('replace', OTHER_HALF)), user('b')]
  await expect(commitAt(store, 3, ...changes)).rejects.toMatchObject({ status: 413 })
  expect(await store.find('a')).toBeUndefined()
  expect(await membersOf(store, 'g')).toEqual(HALF)
  expect(await store.journal(told, 1)).toEqual([])

  // Many named and few different: all are applied.
  const results = await commitAt(
    store,
    4,
    user('a'),
    editMembers('g', edit('add', HALF)),
    user('b'),
  )
  expect(results.map(({ changed }) => changed)).toEqual([true, false, true])
  expect(await store.find('b')).toBeDefined()
  await expectSound(store)
})

test('a new generation of one link attribute keeps the links of the others', async () => {
  await using opened = await storeOfUsers(DEVICE_REGISTRY)
  const { store } = opened
  const device = typeOf('Device', DEVICE_REGISTRY)
  const holders = linkOf(device, 'holders')
  const spares = linkOf(device, 'spares')
  await commitAt(
    store,
    2,
    creation(device, 'd', {}, [
      { link: holders, op: 'add', ids: ['u0'] },
      { link: spares, op: 'add', ids: ['e', 'f'] },
    ]),
    creation(device, 'e', {}),
    creation(device, 'f', {}),
  )

  await commitAt(
    store,
    3,
    modification(device, 'd', {}, [{ link: holders, op: 'replace', ids: USERS }]),
  )

  const d = await stored(store, device, 'd')
  expect(d.generation).toBeGreaterThan(0)
  expect(await linkedIds(store, d, holders)).toEqual(USERS)
  expect(await linkedIds(store, d, spares)).toEqual(['e', 'f'])
  const owners = await store.owners(await stored(store, device, 'e'), spares)
  expect(owners.map(({ header }) => header.id)).toEqual(['d'])

  // And one large change may be of several link attributes.
  await commitAt(
    store,
    4,
    modification(device, 'd', {}, [
      { link: spares, op: 'remove', ids: ['e'] },
      { link: holders, op: 'remove', ids: HALF },
    ]),
  )
  expect(await linkedIds(store, d, holders)).toEqual(OTHER_HALF)
  expect(await linkedIds(store, d, spares)).toEqual(['f'])
  expect(await lastLinkChange(store, 'spares')).toMatchObject({ added: [], removed: ['e'] })
  expect(await lastLinkChange(store, 'holders')).toMatchObject({ added: [], removed: sorted(HALF) })
  await expectSound(store)
})

test('a process that is killed while it writes a generation leaves the old one, and no rest', async () => {
  await using opened = await storeOfUsers()
  const { store, file } = opened
  await commitAt(store, 2, group('g', HALF))
  await store.close()
  const told = USERS.length + 1

  const script = join(import.meta.dir, 'killed-writer.ts')
  const killed = Bun.spawn([process.execPath, script, file], { stdout: 'pipe', stderr: 'pipe' })
  await killed.exited
  expect({ signal: killed.signalCode, error: await new Response(killed.stderr).text() }).toEqual({
    signal: 'SIGKILL',
    error: '',
  })

  const again = await openStore(file)
  expect([...again.file.sweeps.getKeys({})].length).toBeGreaterThan(0)
  expect(await membersOf(again, 'g')).toEqual(HALF)
  expect((await stored(again, GROUP, 'g')).version).toBe(1)
  expect(await again.journal(told, 1)).toEqual([])
  await expectSound(again)
  await again.close()
})

test('what was listed to be swept when the store was closed is swept when it is opened', async () => {
  await using opened = await storeOfUsers()
  const { store, file } = opened
  await commitAt(store, 2, group('g', USERS))
  await commitAt(store, 3, editMembers('g', edit('replace', [])))
  // Closing does not wait for all of it.
  await store.close()

  const again = await openStore(file)
  expect(await membersOf(again, 'g')).toEqual([])
  await expectSound(again)
  await again.close()
})

test('a group of 20,000 members is gone at once when it is deleted', async () => {
  await using opened = await storeOfUsers()
  const { store } = opened
  await commitAt(store, 2, group('g', USERS))
  await commitAt(store, 2, group('above', ['g']))
  const before = await stored(store, GROUP, 'g')

  await commitAt(store, 3, deletion(GROUP, 'g'))

  expect(await store.read(GROUP, 'g')).toBeUndefined()
  expect(await linkedIds(store, before, MEMBERS)).toEqual([])
  expect(await store.isLinked(before, MEMBERS, 'u0')).toBe(false)
  for (const id of ['u0', 'u19999']) {
    expect(await store.owners(await stored(store, USER, id), MEMBERS)).toEqual([])
  }
  expect(await membersOf(store, 'above')).toEqual([])
  expect((await stored(store, GROUP, 'above')).version).toBe(2)
  expect((await stored(store, USER, 'u0')).version).toBe(1)
  await expectSound(store)
})

/** A store with so many groups that two users are in, both made at time 2. */
async function storeOfGroups(count: number) {
  const opened = await storeOfUsers()
  const groups = numbered('g', count)
  for (let at = 0; at < groups.length; at += 500) {
    const changes = groups.slice(at, at + 500).map((id) => group(id, ['u0', 'u1']))
    await commitAt(opened.store, 2, ...changes)
  }
  return { ...opened, groups }
}

test('a user is gone at once from as many groups as a commit may change links of', async () => {
  const { groups, ...opened } = await storeOfGroups(LINKS_PER_COMMIT_MAX)
  await using _ = opened
  const { store } = opened

  await commitAt(store, 3, deletion(USER, 'u0'))

  for (const id of groups) {
    const { version, lastModified } = await stored(store, GROUP, id)
    expect({ version, lastModified }).toEqual({ version: 2, lastModified: 3 })
  }
  expect(await membersOf(store, 'g7')).toEqual(['u1'])
  const owners = await store.owners(await stored(store, USER, 'u1'), MEMBERS)
  expect(owners.length).toBe(groups.length)
  const [entry, ...more] = await store.journal(USERS.length + groups.length, 10)
  expect(more).toEqual([])
  expect(entry).toMatchObject({ operation: 'delete', id: 'u0', version: 2 })
  expect(entry?.left.map(({ id }) => id)).toEqual(groups)
  expect(entry?.left.every(({ version }) => version === 2)).toBe(true)
  await expectSound(store)
})

test('of more groups a user is taken out one by one before, and each gets one new version', async () => {
  const { groups, ...opened } = await storeOfGroups(LINKS_PER_COMMIT_MAX + 301)
  await using _ = opened
  const { store } = opened

  // Groups that others delete, and change, while the user leaves them.
  await Promise.all([
    commitAt(store, 3, deletion(USER, 'u0')),
    commitAt(store, 3, deletion(GROUP, groups.at(-1) as string)),
    commitAt(store, 3, editMembers('g2200', edit('add', ['u2']))),
  ])

  expect(await store.find('u0')).toBeUndefined()
  for (const id of groups.slice(0, -1)) {
    const { version, lastModified } = await stored(store, GROUP, id)
    const expected = id === 'g2200' ? 3 : 2
    expect({ id, version, lastModified }).toEqual({ id, version: expected, lastModified: 3 })
  }
  expect(await membersOf(store, 'g2200')).toEqual(['u1', 'u2'])
  const told = await store.journal(USERS.length + groups.length, 1000)
  const left = told.filter(({ links }) => links['members']?.removed.includes('u0'))
  const last = told.at(-1)
  expect(last).toMatchObject({ operation: 'delete', id: 'u0' })
  expect(last?.left).toHaveLength(LINKS_PER_COMMIT_MAX)
  expect(left).toHaveLength(300)
  expect(
    left.every(
      ({ operation, requestId }) => operation === 'modify' && requestId === last?.requestId,
    ),
  ).toBe(true)
  await expectSound(store)
})

test('a deletion that is refused takes its user out of no group', async () => {
  const { groups, ...opened } = await storeOfGroups(LINKS_PER_COMMIT_MAX + 1)
  await using _ = opened
  const { store } = opened
  const refused: Change = {
    ...deletion(USER, 'u0'),
    decide() {
      throw ScimError.status(412, 'another version')
    },
  }
  await expect(commitAt(store, 3, refused)).rejects.toThrow('another version')
  const owners = await store.owners(await stored(store, USER, 'u0'), MEMBERS)
  expect(owners.length).toBe(groups.length)
  await expectSound(store)
})
