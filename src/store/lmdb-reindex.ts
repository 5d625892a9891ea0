/** Brings a tenant's indexes in line with the schemas, in slices, when these have changed. */

import { createHash } from 'node:crypto'
import { concealedNames, knownPart } from '../scim/concealed.ts'
import { displayOf, documentOf } from '../scim/document.ts'
import { entriesOf } from '../scim/entries.ts'
import { SLICE_MS } from '../scim/limits.ts'
import type { ResourceType } from '../scim/registry.ts'
import { type Document, withExtensionsInView } from '../scim/resource.ts'
import { publishedAttribute } from '../scim/schema.ts'
import { writeEntries } from './lmdb-entries.ts'
import { HANDLE_MAX } from './lmdb-keys.ts'
import { encodeRecord } from './lmdb-record.ts'
import {
  type ConcealedData,
  type IndexFile,
  readRecord,
  readSignatures,
  signatureOf,
  type TenantFile,
  type TypeFile,
  writeConcealed,
  writeSignatures,
} from './lmdb-tenant.ts'
import { sizedText } from './lmdb-write.ts'
import { nextTurn } from './slices.ts'
import type { Stored } from './store.ts'

/** Resources that one transaction indexes at most, and as long as a slice lasts. */
const SLICE_COUNT = 200

/** Who wants to know how it goes. */
export interface ReindexWatch {
  progress?(type: string, done: number, total: number): void
  /** Says what is wrong with a stored document under the present schemas, or undefined. */
  faultOf?(type: ResourceType, document: Document): string | undefined
  /** Told of each stored resource that the present schemas do not allow. */
  faulty?(type: string, id: string, fault: string): void
  /** Told of what is kept out of sight, at each opening. */
  concealed?(data: ConcealedData): void
}

/**
 * The key under which the signature of a type's whole schema is kept, beside those of its indexes.
 */
const SCHEMA = '$schema'

/** Whether nothing would be indexed anew: the file is as these schemas want it. */
export function isIndexed(file: TenantFile): boolean {
  const written = readSignatures(file)
  return [...file.types.values()].every((type) =>
    sameSignatures(written[type.type.name] ?? {}, signaturesOf(type)),
  )
}

function signaturesOf({ type, indexes }: TypeFile): Record<string, string> {
  const signatures: Record<string, string> = { [SCHEMA]: schemaSignature(type) }
  for (const { path } of indexes) signatures[path.text] = signatureOf(path)
  return signatures
}

/**
 * Builds what is missing and clears what is no longer declared. Does nothing when nothing changed.
 */
export async function reindex(file: TenantFile, watch: ReindexWatch = {}): Promise<void> {
  const written = readSignatures(file)
  for (const type of file.types.values()) {
    const wanted = signaturesOf(type)
    const known = written[type.type.name] ?? {}
    if (sameSignatures(known, wanted)) continue
    // First: should this end in between, no index is taken for a good one by whatever schemas.
    const kept = Object.entries(known).filter(([text, signature]) => wanted[text] === signature)
    writeSignatures(file, { ...written, [type.type.name]: Object.fromEntries(kept) })
    await dropUndeclared(file, type, known, wanted)
    const stale = type.indexes.filter(({ path }) => known[path.text] !== wanted[path.text])
    const isSchemaChanged = known[SCHEMA] !== wanted[SCHEMA]
    const concealed: Record<string, number> = {}
    await rebuild(file, type, stale, { isSchemaChanged, concealed }, watch)
    if (isSchemaChanged) writeConcealed(file, type.type.name, concealed)
    written[type.type.name] = wanted
    writeSignatures(file, written)
  }
}

/** Of all that a record is made by: the attributes, and which of them name a resource. */
function schemaSignature({ schema, extensions, display }: ResourceType): string {
  const schemas = [schema, ...extensions.map((extension) => extension.schema)]
  const attributes = schemas.map((one) => one.attributes.map(publishedAttribute))
  const text = JSON.stringify([attributes, display.map((path) => path.text)])
  return createHash('sha256').update(text).digest('hex')
}

function sameSignatures(left: Record<string, string>, right: Record<string, string>): boolean {
  const names = Object.keys(left)
  return (
    names.length === Object.keys(right).length && names.every((name) => left[name] === right[name])
  )
}

/** An index that is not kept up any more must not be taken for a good one later. */
async function dropUndeclared(
  file: TenantFile,
  { type }: TypeFile,
  known: Record<string, string>,
  wanted: Record<string, string>,
): Promise<void> {
  for (const text of Object.keys(known)) {
    if (text === SCHEMA || wanted[text] !== undefined) continue
    await file.environment
      .openDB(`index/${type.name}/${text}`, { keyEncoding: 'binary' })
      .clearAsync()
  }
}

async function rebuild(
  file: TenantFile,
  type: TypeFile,
  stale: readonly IndexFile[],
  { isSchemaChanged, concealed }: { isSchemaChanged: boolean; concealed: Record<string, number> },
  watch: ReindexWatch,
): Promise<void> {
  const { entryCount: total } = type.records.getStats() as { entryCount: number }
  for (const { entries } of stale) await entries.clearAsync()
  const paths = new Set(stale.map(({ path }) => path))
  const renew = (handle: number): void => {
    const record = readRecord(type, handle)
    if (!record) return
    const document = withExtensionsInView(type.type, documentOf(record.text, record.hidden))
    const added = entriesOf(type.type, document, record.lastModified)
    writeEntries(type, handle, {
      added: added.filter(({ path }) => paths.has(path)),
      removed: [],
    })
    if (!isSchemaChanged) return
    rewrite(type, record, document)
    for (const name of concealedNames(type.type, document))
      concealed[name] = (concealed[name] ?? 0) + 1
    const fault = watch.faultOf?.(type.type, knownPart(type.type, document))
    if (fault) watch.faulty?.(type.type.name, record.id, fault)
  }
  for (let start = 0, done = 0; done < total; ) {
    const handles = [...type.records.getKeys({ start, end: HANDLE_MAX, limit: SLICE_COUNT })]
    if (handles.length === 0) return
    await file.environment.transaction(() => {
      // Other tenants are served meanwhile, and a resource may have a thousand entries.
      const end = performance.now() + SLICE_MS
      for (const handle of handles) {
        renew(handle)
        done++
        start = handle + 1
        if (performance.now() >= end) break
      }
    })
    watch.progress?.(type.type.name, done, total)
    await nextTurn()
  }
}

/**
 * Writes a record as the present schemas would have it. What it holds stays the same, and so does
 * its version; but what is no longer returned must not stand in the text of plain answers.
 */
function rewrite({ type, records }: TypeFile, record: Stored, document: Document): void {
  const fields = sizedText(type, record.id, document)
  const display = displayOf(type, document)
  const isSame =
    display === record.display && fields.text === record.text && fields.hidden === record.hidden
  if (!isSame) records.put(record.handle, encodeRecord({ ...record, ...fields, display }))
}
