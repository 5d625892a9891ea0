/** Turns a resource into the bytes of its record, a fixed header before the texts, and back. */

import type { ResourceType } from '../scim/registry.ts'
import type { Header, Stored } from './store.ts'

/*
 * Offset  Size  Field
 *  0      1     format of the record
 *  1      1     reserved
 *  2      2     length of the id
 *  4      4     version
 *  8      8     created, milliseconds since 1970
 * 16      8     lastModified
 * 24      4     generation of the links
 * 28      4     length of the display name
 * 32      4     length of the text
 * 36            id, display name, text, hidden text: UTF-8
 */
const FORMAT = 1
const FIXED = 36

export interface RecordFields {
  readonly id: string
  readonly version: number
  readonly created: number
  readonly lastModified: number
  readonly generation: number
  readonly display: string
  readonly text: string
  readonly hidden: string
  /** Bytes of text and hidden text as UTF-8. */
  readonly size: number
}

export function encodeRecord(fields: RecordFields): Buffer {
  const { id, display, text, hidden } = fields
  const start = FIXED + Buffer.byteLength(id) + Buffer.byteLength(display)
  const buffer = Buffer.allocUnsafe(start + fields.size)
  const displayAt = FIXED + buffer.write(id, FIXED)
  buffer.write(display, displayAt)
  const textLength = buffer.write(text, start)
  if (hidden !== '') buffer.write(hidden, start + textLength)
  buffer[0] = FORMAT
  buffer[1] = 0
  buffer.writeUInt16BE(displayAt - FIXED, 2)
  buffer.writeUInt32BE(fields.version, 4)
  buffer.writeDoubleBE(fields.created, 8)
  buffer.writeDoubleBE(fields.lastModified, 16)
  buffer.writeUInt32BE(fields.generation, 24)
  buffer.writeUInt32BE(start - displayAt, 28)
  buffer.writeUInt32BE(textLength, 32)
  return buffer
}

/** The header alone: what references and links show. */
export function decodeHeader(bytes: Buffer, type: ResourceType, handle: number): Header {
  const idEnd = FIXED + bytes.readUInt16BE(2)
  return {
    type,
    handle,
    id: bytes.toString('utf8', FIXED, idEnd),
    version: bytes.readUInt32BE(4),
    created: bytes.readDoubleBE(8),
    lastModified: bytes.readDoubleBE(16),
    display: bytes.toString('utf8', idEnd, idEnd + bytes.readUInt32BE(28)),
  }
}

/** The whole record. The result keeps nothing of the bytes, which LMDB may only have lent. */
export function decodeRecord(bytes: Buffer, type: ResourceType, handle: number): Stored {
  const { length } = bytes
  const textStart = FIXED + bytes.readUInt16BE(2) + bytes.readUInt32BE(28)
  const textEnd = textStart + bytes.readUInt32BE(32)
  return {
    ...decodeHeader(bytes, type, handle),
    generation: bytes.readUInt32BE(24),
    text: bytes.toString('utf8', textStart, textEnd),
    hidden: textEnd === length ? '' : bytes.toString('utf8', textEnd, length),
    size: length - textStart,
  }
}

/** The same record with another version and lastModified, and nothing decoded. */
export function touchedRecord(bytes: Buffer, lastModified: number): Buffer {
  const touched = Buffer.from(bytes)
  touched.writeUInt32BE(bytes.readUInt32BE(4) + 1, 4)
  touched.writeDoubleBE(lastModified, 16)
  return touched
}

export const versionOf = (bytes: Buffer): number => bytes.readUInt32BE(4)

export const lastModifiedOf = (bytes: Buffer): number => bytes.readDoubleBE(16)

/** Which generation of links is valid, without reading the rest. */
export const generationOf = (bytes: Buffer): number => bytes.readUInt32BE(24)
