/** Holds the databases of one tenant's file against each other, and says what does not agree. */

import { documentOf } from '../../src/scim/document.ts'
import { entriesOf } from '../../src/scim/entries.ts'
import { verifyJournal } from '../../src/store/lmdb-journal.ts'
import { entryKey, reverseKey, valueKey } from '../../src/store/lmdb-keys.ts'
import { memberIn } from '../../src/store/lmdb-links.ts'
import { decodeRecord } from '../../src/store/lmdb-record.ts'
import { placeOf, type TenantFile, type TypeFile } from '../../src/store/lmdb-tenant.ts'

/** Every disagreement; expects that nothing is left to be swept. */
export function faultsIn(file: TenantFile): string[] {
  return [
    ...[...file.types.values()].flatMap((type) => [
      ...recordFaults(file, type),
      ...indexFaults(type),
    ]),
    ...linkFaults(file),
    ...sweepFaults(file),
    ...journalFaults(file),
  ]
}

function recordsOf({ records, type }: TypeFile) {
  return [...records.getRange({})].map(({ key, value }) =>
    decodeRecord(Buffer.from(value), type, Number(key)),
  )
}

function recordFaults(file: TenantFile, type: TypeFile): string[] {
  return recordsOf(type).flatMap(({ id, handle }) => {
    const place = placeOf(file, id)
    if (place?.handle !== handle || place.file !== type) return [`${id} is not found by its id`]
    return file.tombstones.doesExist(handle) ? [`${id} is both alive and a tombstone`] : []
  })
}

/** Each index has the entries of the documents, and no others. */
function indexFaults(type: TypeFile): string[] {
  const expected = new Map(type.indexes.map(({ path }) => [path.text, new Set<string>()]))
  for (const { text, hidden, lastModified, handle } of recordsOf(type)) {
    for (const { path, key, sorts } of entriesOf(
      type.type,
      documentOf(text, hidden),
      lastModified,
    )) {
      expected.get(path.text)?.add(`${entryKey(valueKey(key), handle).toString('hex')} ${sorts}`)
    }
  }
  return type.indexes.flatMap(({ path, entries }) => {
    const held = new Set(
      [...entries.getRange({})].map(({ key, value }) => `${hex(key)} ${value.length > 0}`),
    )
    const wanted = expected.get(path.text) ?? new Set()
    const faults: string[] = []
    for (const entry of held) if (!wanted.has(entry)) faults.push(`${path.text}: ${entry} too many`)
    for (const entry of wanted) if (!held.has(entry)) faults.push(`${path.text}: ${entry} missing`)
    return faults
  })
}

const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex')

/** Both directions hold the same links, of resources and generations that exist. */
function linkFaults(file: TenantFile): string[] {
  const faults: string[] = []
  for (const [name, { link, forward, reverse }] of file.links) {
    const owners = file.types.get(link.owner)
    let count = 0
    for (const key of forward.getKeys({})) {
      count++
      const owner = key.readUInt32BE(0)
      const generation = key.readUInt32BE(4)
      const member = memberIn(key)
      const what = `${name} ${owner}/${generation} to ${member.type}/${member.handle}`
      const record = owners?.records.getBinary(owner)
      if (!owners || !record) faults.push(`${what}: the owner is gone`)
      else if (decodeRecord(record, owners.type, owner).generation !== generation) {
        faults.push(`${what}: the generation is not the valid one`)
      }
      if (!file.typeByNumber[member.type]?.records.doesExist(member.handle)) {
        faults.push(`${what}: the member is gone`)
      }
      if (!reverse.doesExist(reverseKey(member.type, member.handle, owner, generation))) {
        faults.push(`${what}: the other direction is missing`)
      }
    }
    const back = reverse.getKeysCount({})
    if (back !== count) faults.push(`${name}: ${count} links forward and ${back} back`)
  }
  return faults
}

const sweepFaults = (file: TenantFile): string[] =>
  [...file.sweeps.getKeys({})].map((key) => `still to be swept: ${key}`)

interface StoredLinks {
  readonly links: Readonly<Record<string, { readonly chunks: number; readonly set?: number }>>
}

/** The chain of hashes holds, and there are the chunks that entries speak of, and no others. */
function journalFaults(file: TenantFile): string[] {
  const broken = verifyJournal(file)
  const faults = broken === undefined ? [] : [`the journal's chain breaks at ${broken}`]
  const expected = new Set<string>()
  for (const { value } of file.journal.getRange({})) {
    const { links } = JSON.parse(String(value)) as StoredLinks
    for (const { chunks, set } of Object.values(links)) {
      for (let chunk = 1; chunk <= chunks; chunk++) expected.add(`${set}/${chunk}`)
    }
  }
  for (const key of file.chunks.getKeys({})) {
    const chunk = `${key.readUInt32BE(0)}/${key.readUInt32BE(4)}`
    if (!expected.delete(chunk)) faults.push(`journal chunk ${chunk} belongs to no entry`)
  }
  for (const chunk of expected) faults.push(`journal chunk ${chunk} is missing`)
  return faults
}
