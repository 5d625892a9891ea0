/** Owners of a member: what is remembered of them is true, whoever has written meanwhile. */

import { expect, test } from 'bun:test'
import type { LmdbStore } from '../../src/store/lmdb-store.ts'
import type { Change, Header } from '../../src/store/store.ts'
import {
  createUsers,
  deletion,
  edit,
  editMembers,
  GROUP,
  group,
  MEMBERS,
  modification,
  numbered,
  openStore,
  originAt,
  stored,
  temporaryStore,
  USER,
} from './given.ts'

/** Names of the groups of a user; of indirect ones in brackets. */
async function groupsOf(store: LmdbStore, id: string): Promise<string[]> {
  const owners = await store.owners(await stored(store, USER, id), MEMBERS)
  return owners.map(({ header, direct }) => (direct ? header.display : `(${header.display})`))
}

test('groups of a user are those of the file, whichever process has changed them', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  const other = await openStore(opened.file)
  try {
    await createUsers(store, ['u', ...numbered('v', 2100)])
    await store.commit([group('team', ['u'])], originAt(1))
    expect(await groupsOf(store, 'u')).toEqual(['team'])

    const seenAfter = async (change: Change) => {
      await other.commit([change], originAt(2))
      // What a process reads in one turn of its event loop is of one moment, the one before maybe.
      await Bun.sleep(1)
      const seen = await groupsOf(store, 'u')
      expect(await groupsOf(other, 'u')).toEqual(seen)
      return seen
    }
    expect(await seenAfter(group('unit', ['team']))).toEqual(['team', '(unit)'])
    expect(await seenAfter(group('all', ['unit']))).toEqual(['team', '(unit)', '(all)'])
    expect(await seenAfter(modification(GROUP, 'unit', { displayName: 'Unit' }))).toEqual([
      'team',
      '(Unit)',
      '(all)',
    ])
    expect(await seenAfter(editMembers('all', edit('remove', ['unit'])))).toEqual([
      'team',
      '(Unit)',
    ])
    expect(await seenAfter(editMembers('all', edit('add', ['team'])))).toEqual([
      'team',
      '(Unit)',
      '(all)',
    ])
    // So many that they become a new generation of links, which team is not in.
    expect(await seenAfter(editMembers('all', edit('replace', numbered('v', 2100))))).toEqual([
      'team',
      '(Unit)',
    ])
    expect(await seenAfter(deletion(GROUP, 'unit'))).toEqual(['team'])
    expect(await seenAfter(modification(GROUP, 'team', { displayName: 'T' }))).toEqual(['T'])
    expect(await seenAfter(group('top', ['team']))).toEqual(['T', '(top)'])
    expect(await seenAfter(group('pair', ['u', 'v1']))).toEqual(['T', 'pair', '(top)'])
    expect(await seenAfter(deletion(USER, 'v1'))).toEqual(['T', 'pair', '(top)'])
    expect(await seenAfter(editMembers('pair', edit('replace', ['v2'])))).toEqual(['T', '(top)'])
    expect(await seenAfter(deletion(GROUP, 'team'))).toEqual([])
  } finally {
    await other.close()
  }
})

test('groups in a circle, and a group whose record is long, are told once each', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await createUsers(store, ['u'])
  const long = 'x'.repeat(50_000)
  await store.commit([group('a', ['u']), group('b', ['a']), group('c', ['b'])], originAt(1))
  await store.commit([editMembers('a', edit('add', ['c']))], originAt(2))
  await store.commit([modification(GROUP, 'b', { displayName: long })], originAt(3))
  for (let time = 0; time < 2; time++) {
    expect(await groupsOf(store, 'u')).toEqual(['a', `(${long})`, '(c)'])
  }
})

test('long names of groups do not stay in memory, and are told all the same', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await createUsers(store, ['u', 'v', 'w'])
  const kept = 'k'.repeat(1024)
  const long = `l${kept}`
  await store.commit([group('short', ['u'], kept)], originAt(1))
  await store.commit([group('long', ['v'], long)], originAt(2))
  const ownersOf = async (id: string) => store.owners(await stored(store, USER, id), MEMBERS)
  const headerOf = async (id: string) => (await ownersOf(id))[0]?.header
  const [short, other] = [await headerOf('u'), await headerOf('v')]
  expect([short?.display, other?.display]).toEqual([kept, long])
  // A change elsewhere, so that lists are read anew; what is remembered of a group itself stays.
  await store.commit([group('elsewhere', ['w'])], originAt(3))
  expect(await headerOf('u')).toBe(short as Header)
  expect(await headerOf('v')).not.toBe(other as Header)
  expect((await headerOf('v'))?.display).toBe(long)
})

test('a list of groups with very long names is remembered up to its limit and no further', async () => {
  await using opened = await temporaryStore()
  const { store } = opened
  await createUsers(store, ['light', 'heavy'])
  // Of 65,000 characters each weighs 1,016 of 20,000.
  const name = (index: number) => `${index}`.padEnd(65_000, 'x')
  const groups = numbered('g', 20)
  for (const [index, id] of groups.entries()) {
    const members = index < 19 ? ['light', 'heavy'] : ['heavy']
    await store.commit([group(id, members, name(index))], originAt(index))
  }
  const ownersOf = async (id: string) => store.owners(await stored(store, USER, id), MEMBERS)
  const light = await ownersOf('light')
  expect(light).toHaveLength(19)
  expect(await ownersOf('light')).toBe(light)
  const heavy = await ownersOf('heavy')
  expect(heavy).toHaveLength(20)
  expect(await ownersOf('heavy')).not.toBe(heavy)
})
