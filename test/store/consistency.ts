/**
 * Holds a whole tenant's file against itself: what sound.ts compares, ids and counters, and the
 * journal, which told from its beginning must end in what is stored.
 */

import { createHash } from 'node:crypto'
import { documentOf } from '../../src/scim/document.ts'
import type { Document } from '../../src/scim/resource.ts'
import { readChunk, readCounters, readJournal } from '../../src/store/lmdb-journal.ts'
import { handleOf } from '../../src/store/lmdb-keys.ts'
import { headerOf, membersOf } from '../../src/store/lmdb-links.ts'
import { decodeRecord } from '../../src/store/lmdb-record.ts'
import type { LmdbStore } from '../../src/store/lmdb-store.ts'
import type { TenantFile } from '../../src/store/lmdb-tenant.ts'
import type { JournalEntry } from '../../src/store/store.ts'
import { faultsIn } from './sound.ts'

/** Every disagreement in a store whose journal has never been cut. */
export async function inconsistenciesIn(store: LmdbStore): Promise<string[]> {
  await store.swept()
  const { file } = store
  return [...faultsIn(file), ...idFaults(file), ...counterFaults(file), ...toldFaults(file)]
}

/** Each id leads to a record or a tombstone, and each of these has an id. */
function idFaults({ ids, tombstones, types, typeByNumber }: TenantFile): string[] {
  const faults: string[] = []
  let alive = 0
  let dead = 0
  for (const { key, value } of ids.getRange({})) {
    const handle = handleOf(value)
    if (typeByNumber[value.readUInt16BE(0)]?.records.doesExist(handle)) alive++
    else if (tombstones.doesExist(handle)) dead++
    else faults.push(`the id ${key} leads to nothing`)
  }
  const records = [...types.values()].reduce((sum, type) => sum + type.records.getKeysCount({}), 0)
  if (records !== alive) faults.push(`${records} records and ${alive} ids of such`)
  const buried = tombstones.getKeysCount({})
  if (buried !== dead) faults.push(`${buried} tombstones and ${dead} ids of such`)
  return faults
}

/** Counters are beyond what they have given away, and know the end of the journal. */
function counterFaults({ meta, types, tombstones, links, journal }: TenantFile): string[] {
  const faults: string[] = []
  const { handle, generation, sequence, hash } = readCounters(meta)
  const handles = [...types.values()].map(({ records }) => records)
  for (const given of [...handles, tombstones].flatMap((all) => [...all.getKeys({})])) {
    if (given >= handle) faults.push(`handle ${given} was given, and ${handle} is the next`)
  }
  for (const { forward } of links.values()) {
    for (const key of forward.getKeys({})) {
      const given = key.readUInt32BE(4)
      if (given >= generation) faults.push(`generation ${given}, and ${generation} is the next`)
    }
  }
  let count = 0
  let end = Buffer.alloc(32)
  for (const { key, value } of journal.getRange({})) {
    count++
    if (key.readUIntBE(0, 6) !== count) faults.push(`entry ${key.readUIntBE(0, 6)} is no ${count}`)
    end = createHash('sha256').update(value).digest()
  }
  if (count !== sequence) faults.push(`${count} entries in the journal, counted as ${sequence}`)
  if (!end.equals(hash)) faults.push('the hash of the last entry is not the one that is noted')
  return faults
}

interface Told {
  readonly type: string
  readonly version: number
  readonly document: Document
  readonly members: ReadonlySet<string>
}

function toldFaults(file: TenantFile): string[] {
  const faults: string[] = []
  const told = tellAll(file, faults)
  const shown = ({ type, version, document, members }: Told) =>
    JSON.stringify([type, version, Object.entries(document).sort(), [...members].sort()])
  let count = 0
  for (const { type, records } of file.types.values()) {
    const link = [...file.links.values()].find((one) => one.link.owner === type.name)
    for (const { key, value } of records.getRange({})) {
      count++
      const stored = decodeRecord(Buffer.from(value), type, Number(key))
      const { id, version, handle, generation } = stored
      const ids = link
        ? membersOf(link, handle, generation, Number.MAX_SAFE_INTEGER).flatMap(
            (member) => headerOf(file, member)?.id ?? [],
          )
        : []
      // What is never returned is in the journal by its name alone.
      const document = documentOf(stored.text)
      const is = shown({ type: type.name, version, document, members: new Set(ids) })
      const entry = told.get(id)
      const was = entry ? shown(entry) : 'nothing'
      if (is !== was) faults.push(`${id} is ${is}, and the journal tells ${was}`)
    }
  }
  if (count !== told.size) faults.push(`${count} resources, and the journal tells ${told.size}`)
  return faults
}

/** What there must be after every entry, one after another. */
function tellAll(file: TenantFile, faults: string[]): Map<string, Told> {
  const told = new Map<string, Told>()
  for (const entry of readJournal(file, 0, Number.MAX_SAFE_INTEGER)) {
    const { id, type, version, before, after, operation, sequence } = entry
    const last = told.get(id)
    if ((operation === 'create') !== (last === undefined)) {
      faults.push(`entry ${sequence} is a ${operation} of ${last ? 'what is' : 'what is not'}`)
    }
    if (operation === 'delete') {
      told.delete(id)
      for (const one of entry.left) {
        const owner = told.get(one.id)
        if (!owner?.members.has(id)) faults.push(`entry ${sequence}: ${one.id} had no ${id}`)
        if (owner) {
          const members = new Set(owner.members)
          members.delete(id)
          told.set(one.id, { ...owner, version: one.version, members })
        }
      }
      continue
    }
    const expected = (last?.version ?? 0) + 1
    if (version !== expected) faults.push(`entry ${sequence}: ${version}, expected ${expected}`)
    const kept = Object.entries(last?.document ?? {}).filter(([name]) => !(name in before))
    const document = { ...Object.fromEntries(kept), ...after }
    const members = new Set(last?.members)
    for (const { added, removed } of linkChanges(file, entry)) {
      for (const member of removed) members.delete(member)
      for (const member of added) members.add(member)
    }
    told.set(id, { type, version, document, members })
  }
  return told
}

const linkChanges = (file: TenantFile, { sequence, links }: JournalEntry) =>
  Object.entries(links).flatMap(([link, change]) => [
    change,
    ...Array.from(
      { length: change.chunks },
      (_, index) => readChunk(file, sequence, link, index + 1) ?? { added: [], removed: [] },
    ),
  ])
