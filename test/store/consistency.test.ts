/** The checker that judges what a crash has left has to find what is wrong. */

import { expect, test } from 'bun:test'
import { readCounters, writeCounters } from '../../src/store/lmdb-journal.ts'
import type { LmdbStore } from '../../src/store/lmdb-store.ts'
import { linkFileOf, typeFileOf } from '../../src/store/lmdb-tenant.ts'
import { inconsistenciesIn } from './consistency.ts'
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
  originAt,
  temporaryStore,
  USER,
} from './given.ts'

/** Users, groups, changes and deletions, so that every database holds something. */
async function furnish(store: LmdbStore): Promise<void> {
  await createUsers(store, numbered('u', 1500))
  await store.commit([group('g', numbered('u', 1200)), group('h', ['u1', 'g'])], originAt(2))
  await store.commit([modification(USER, 'u2', { displayName: 'Two' })], originAt(3))
  await store.commit([editMembers('g', edit('remove', ['u1', 'u2']))], originAt(4))
  await store.commit([deletion(USER, 'u3'), deletion(GROUP, 'h')], originAt(5))
}

test('a store that nobody has touched has no inconsistency', async () => {
  await using given = await temporaryStore()
  await furnish(given.store)
  expect(await inconsistenciesIn(given.store)).toEqual([])
})

/** The first key of a database. */
const firstOf = <K>(database: { getKeys(options: { limit: number }): Iterable<K> }): K => {
  for (const key of database.getKeys({ limit: 1 })) return key
  throw new Error('the database is empty')
}

test.each<[what: string, damage: (store: LmdbStore) => unknown]>([
  [
    'an index entry that is missing',
    ({ file }) => {
      const [index] = typeFileOf(file, USER).indexes
      return index?.entries.remove(firstOf(index.entries))
    },
  ],
  [
    'an index entry that is too many',
    ({ file }) => {
      const [index] = typeFileOf(file, USER).indexes
      return index?.entries.put(Buffer.from('zz\u0000\u0000\u0000\u0000\u0001'), Buffer.alloc(0))
    },
  ],
  [
    'a link without its reverse',
    ({ file }) => {
      const { reverse } = linkFileOf(file, MEMBERS)
      return reverse.remove(firstOf(reverse))
    },
  ],
  [
    'a reverse without its link',
    ({ file }) => {
      const { forward } = linkFileOf(file, MEMBERS)
      return forward.remove(firstOf(forward))
    },
  ],
  ['a record without its id', ({ file }) => file.ids.remove(firstOf(file.ids))],
  [
    'an id without its record',
    ({ file }) => {
      const { records } = typeFileOf(file, USER)
      return records.remove(firstOf(records))
    },
  ],
  ['a tombstone that is missing', ({ file }) => file.tombstones.remove(firstOf(file.tombstones))],
  ['a journal entry that is missing', ({ file }) => file.journal.remove(firstOf(file.journal))],
  [
    'a journal entry that was altered',
    ({ file }) => {
      const key = firstOf(file.journal)
      const text = String(file.journal.getBinary(key))
      return file.journal.put(key, Buffer.from(text.replace('"test"', '"eve!"')))
    },
  ],
  [
    'a chunk of the journal that is missing',
    ({ file }) => file.chunks.remove(firstOf(file.chunks)),
  ],
  [
    'a handle that would be given twice',
    ({ file }) =>
      file.environment.transaction(() => {
        writeCounters(file.meta, { ...readCounters(file.meta), handle: 7 })
      }),
  ],
  [
    'a counter behind the journal',
    ({ file }) =>
      file.environment.transaction(() => {
        const counters = readCounters(file.meta)
        writeCounters(file.meta, { ...counters, sequence: counters.sequence - 1 })
      }),
  ],
])('%s is found', async (_, damage) => {
  await using given = await temporaryStore()
  await furnish(given.store)
  await damage(given.store)
  expect(await inconsistenciesIn(given.store)).not.toEqual([])
})
