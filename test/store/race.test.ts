/** Many changes at the same time: each is decided on what those before it have left. */

import { expect, setDefaultTimeout, test } from 'bun:test'
import type { JsonValue } from '../../src/scim/json.ts'
import type { Committed } from '../../src/store/store.ts'
import {
  createUsers,
  creation,
  DEVICE_REGISTRY,
  deletion,
  edit,
  editMembers,
  GROUP,
  group,
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

/** The values of what succeeded, and the errors of what did not. */
function settled(results: readonly PromiseSettledResult<readonly Committed[]>[]) {
  return {
    done: results.flatMap((one) => (one.status === 'fulfilled' ? one.value : [])),
    errors: results.flatMap((one) => (one.status === 'rejected' ? [one.reason] : [])),
  }
}

/** The same name in as many spellings as there are subsets of its letters. */
const spelling = (name: string, index: number) =>
  [...name].map((letter, at) => ((index >> at) & 1 ? letter.toUpperCase() : letter)).join('')

test('of 50 users with one name in different case, created at once, one is created', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  for (let round = 0; round < 10; round++) {
    const ids = numbered(`u${round}-`, 50)
    const name = `straße.σίσυφος${round}`
    const results = await Promise.allSettled(
      ids.map((id, index) =>
        store.commit([user(id, { userName: spelling(name, index) })], originAt(1)),
      ),
    )

    const { done, errors } = settled(results)
    expect(done.map(({ changed }) => changed)).toEqual([true])
    expect(errors).toHaveLength(49)
    for (const error of errors) {
      expect(error).toMatchObject({ name: 'ScimError', status: 409, scimType: 'uniqueness' })
    }
    const found = await Promise.all(ids.map((id) => store.find(id)))
    expect(found.filter((header) => header !== undefined)).toHaveLength(1)
  }
  expect(await store.journal(0, 100)).toHaveLength(10)
  expect(faultsIn(store.file)).toEqual([])
})

test('of two with one name in one commit, neither is created', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  const changes = [user('a', { userName: 'Anna' }), user('b', { userName: 'ANNA' })]
  await expect(store.commit(changes, originAt(1))).rejects.toMatchObject({ scimType: 'uniqueness' })
  expect(await store.find('a')).toBeUndefined()
  expect(await store.journal(0, 1)).toEqual([])
})

test('a name is free as soon as its holder is deleted or renamed, and not before', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await store.commit([user('a', { userName: 'Anna' })], originAt(1))
  const results = await Promise.allSettled([
    store.commit([user('b', { userName: 'anna' })], originAt(2)),
    store.commit([modification(USER, 'a', { userName: 'other' })], originAt(2)),
    store.commit([user('c', { userName: 'anna' })], originAt(2)),
    store.commit([user('d', { userName: 'anna' })], originAt(2)),
    store.commit([deletion(USER, 'c')], originAt(2)),
    store.commit([user('e', { userName: 'anna' })], originAt(2)),
  ])
  const refused = results.map(({ status }) => status === 'rejected')
  expect(refused).toEqual([true, false, false, true, false, false])
})

test('a value that differs only behind its first thousand bytes is another one', async () => {
  await using opened = await temporaryStore(DEVICE_REGISTRY)
  const { store } = opened
  const device = typeOf('Device', DEVICE_REGISTRY)
  const create = (id: string, serial: string) =>
    store.commit([creation(device, id, { serial })], originAt(1))
  const long = 'é'.repeat(600)
  await create('a', `${long}a`)
  await create('b', `${long}b`)
  await create('c', long)
  // caseExact: another case is another value.
  await create('d', `${long}A`)
  for (const serial of [long, `${long}a`, `${long}b`, `${long}A`]) {
    await expect(create('e', serial)).rejects.toMatchObject({ scimType: 'uniqueness' })
  }
})

test('members added to one group at once are all in it, and each addition is a version', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  const ids = numbered('u', 200)
  await createUsers(store, ids)
  await store.commit([group('g')], originAt(1))

  const results = await Promise.all(
    ids.map((id) => store.commit([editMembers('g', edit('add', [id]))], originAt(2))),
  )

  expect(results.flat().map((committed) => committed.stored?.version)).toEqual(
    ids.map((_id, index) => index + 2),
  )
  expect((await stored(store, GROUP, 'g')).version).toBe(201)
  expect(await membersOf(store, 'g')).toEqual(ids)
  const entries = await store.journal(201, 1000)
  expect(entries.map(({ links }) => links['members']?.added)).toEqual(ids.map((id) => [id]))
})

test('one member added many times at once is added once', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await store.commit([user('u'), group('g')], originAt(1))
  const results = await Promise.all(
    numbered('', 20).map(() => store.commit([editMembers('g', edit('add', ['u']))], originAt(2))),
  )
  expect(results.flat().filter(({ changed }) => changed)).toHaveLength(1)
  expect((await stored(store, GROUP, 'g')).version).toBe(2)
  expect(await store.journal(2, 10)).toHaveLength(1)
})

test('changes of one attribute made on what is read in the same change are all there', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await store.commit([user('u', { title: '' })], originAt(1))
  const letters = [...'abcdefghijklmnopqrstuvwxyz']
  await Promise.all(
    letters.map((letter) => {
      const change = modification(USER, 'u', {})
      return store.commit(
        [
          {
            ...change,
            decide(current) {
              const title: JsonValue = `${current?.document['title'] ?? ''}${letter}`
              return { document: { ...current?.document, title }, links: [] }
            },
          },
        ],
        originAt(2),
      )
    }),
  )
  const { text, version } = await stored(store, USER, 'u')
  expect(String(text)).toContain(letters.join(''))
  expect(version).toBe(27)
})

test('a member that is added while it is deleted is nowhere in the end', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  const ids = numbered('u', 60)
  await createUsers(store, ids)
  await store.commit([group('g')], originAt(1))
  const commits = ids.flatMap((id) => [
    store.commit([editMembers('g', edit('add', [id]))], originAt(2)),
    store.commit([deletion(USER, id)], originAt(2)),
  ])
  await Promise.all(commits)
  expect(await membersOf(store, 'g')).toEqual([])
  expect((await stored(store, GROUP, 'g')).version).toBe(121)
  await store.swept()
  expect(faultsIn(store.file)).toEqual([])
})

test('a refused commit takes nothing of those queued with it along', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await store.commit([user('taken')], originAt(1))
  const results = await Promise.allSettled(
    numbered('n', 40).map((id, index) => {
      const second = index % 2 === 0 ? user(`${id}-2`) : user(`${id}-2`, { userName: 'TAKEN' })
      return store.commit([user(id), second], originAt(2))
    }),
  )
  expect(results.map(({ status }) => status === 'fulfilled')).toEqual(
    numbered('', 40).map((_id, index) => index % 2 === 0),
  )
  for (const [index, id] of numbered('n', 40).entries()) {
    expect((await store.find(id)) !== undefined).toBe(index % 2 === 0)
    expect((await store.find(`${id}-2`)) !== undefined).toBe(index % 2 === 0)
  }
  expect(await store.journal(1, 100)).toHaveLength(40)
  expect(faultsIn(store.file)).toEqual([])
})
