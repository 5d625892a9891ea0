/**
 * Turns handles, entry keys and links into LMDB keys whose byte order is the order of what they
 * name.
 */

import { createHash } from 'node:crypto'
import { type EntryKey, isWholeKey, KEY_BYTES_MAX } from '../scim/entries.ts'

/** Above every handle: no handle begins with the byte FF, which ends ranges. */
export const HANDLE_MAX = 0xff000000

const encoder = new TextEncoder()

/**
 * A text as bytes: UTF-8 with 00 escaped as 00 FF, so that a 00 alone can end it. Of a text over
 * KEY_BYTES_MAX the beginning and a hash are kept; who finds it compares the record itself.
 */
function textBytes(text: string): Buffer {
  // Nearly all are short, and as their UTF-8 is.
  if (text.length * 3 < KEY_BYTES_MAX && !text.includes('\0')) return Buffer.from(text)
  const head = headBytes(text)
  if (head.length < KEY_BYTES_MAX || isWholeKey(text)) return Buffer.from(head)
  return Buffer.concat([head, Buffer.from(createHash('sha256').update(text).digest('hex'))])
}

/**
 * The first KEY_BYTES_MAX bytes of a text's key, and one more rather than half of an escape. Cut
 * as bytes, not as characters: a key that is kept whole is then never as long as the beginning of
 * one that is cut, without being in order with it.
 */
function headBytes(text: string): Uint8Array {
  const bytes = encoder.encode(text).subarray(0, KEY_BYTES_MAX + 1)
  const escaped = escapedBytes(bytes)
  return escaped.subarray(0, escaped[KEY_BYTES_MAX - 1] === 0 ? KEY_BYTES_MAX + 1 : KEY_BYTES_MAX)
}

const escapedBytes = (bytes: Uint8Array): Uint8Array =>
  bytes.includes(0)
    ? Uint8Array.from([...bytes].flatMap((byte) => (byte === 0 ? [0, 0xff] : [byte])))
    : bytes

/** A part of a text, as it stands in the key of any text that is kept whole. */
export const textPart = (text: string): Buffer => Buffer.from(escapedBytes(encoder.encode(text)))

/** The key of an id in the database of ids. No id is empty; LMDB does not let one ask for it. */
export const idKey = (id: string): Buffer => (id === '' ? Buffer.from([0]) : textBytes(id))

/** The value part of an index key: what all entries of one value have in common. */
export function valueKey(key: EntryKey): Buffer {
  if (typeof key === 'boolean') return Buffer.from([key ? 1 : 0])
  if (typeof key === 'number') return numberBytes(key)
  const bytes = textBytes(key)
  const buffer = Buffer.allocUnsafe(bytes.length + 1)
  buffer.set(bytes)
  buffer[bytes.length] = 0
  return buffer
}

/** Beyond all entries of one value, and before those of the next. */
export const valueEnd = (key: EntryKey): Buffer =>
  Buffer.concat([valueKey(key), Buffer.from([0xff])])

/**
 * IEEE 754 made to order as bytes: positive numbers get the sign bit, negative ones are inverted.
 */
function numberBytes(value: number): Buffer {
  const buffer = Buffer.allocUnsafe(8)
  buffer.writeDoubleBE(value === 0 ? 0 : value)
  if (value < 0) for (let i = 0; i < 8; i++) buffer[i] = ~(buffer[i] as number) & 0xff
  else buffer[0] = (buffer[0] as number) | 0x80
  return buffer
}

/** One index entry: the value, then the handle. */
export function entryKey(value: Buffer, handle: number): Buffer {
  const buffer = Buffer.allocUnsafe(value.length + 4)
  value.copy(buffer)
  buffer.writeUInt32BE(handle, value.length)
  return buffer
}

export const handleOf = (entry: Uint8Array): number =>
  Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength).readUInt32BE(entry.length - 4)

/** Where keys that are not below this one begin; of a key that is cut, all that begin like it. */
export const notBelow = (key: EntryKey): Buffer =>
  typeof key === 'string' && !isWholeKey(key) ? Buffer.from(headBytes(key)) : valueKey(key)

/** Where keys that are not above this one end. */
export const notAbove = (key: EntryKey): Buffer =>
  typeof key === 'string' && !isWholeKey(key) ? prefixRange(key).end : valueEnd(key)

/** Where the texts with this prefix begin and end. No byte of UTF-8 is FF, so that is the end. */
export function prefixRange(prefix: string): { start: Buffer; end: Buffer } {
  if (prefix === '') return { start: Buffer.from([0]), end: KEY_END }
  const start = Buffer.from(headBytes(prefix))
  return { start, end: Buffer.concat([start, Buffer.from([0xff])]) }
}

/** The key that follows every key that begins with these bytes. */
export function after(bytes: Buffer): Buffer {
  const end = Buffer.from(bytes)
  for (let i = end.length - 1; i >= 0; i--) {
    if (end[i] === 0xff) continue
    end[i] = (end[i] as number) + 1
    return end.subarray(0, i + 1)
  }
  return Buffer.alloc(bytes.length + 1, 0xff)
}

/** Owner to member: owner, generation, type of the member, member. */
export function forwardKey(
  owner: number,
  generation: number,
  type: number,
  member: number,
): Buffer {
  const buffer = Buffer.allocUnsafe(14)
  buffer.writeUInt32BE(owner, 0)
  buffer.writeUInt32BE(generation, 4)
  buffer.writeUInt16BE(type, 8)
  buffer.writeUInt32BE(member, 10)
  return buffer
}

/** Member to owner: type of the member, member, owner, generation of the owner's links. */
export function reverseKey(
  type: number,
  member: number,
  owner: number,
  generation: number,
): Buffer {
  const buffer = Buffer.allocUnsafe(14)
  buffer.writeUInt16BE(type, 0)
  buffer.writeUInt32BE(member, 2)
  buffer.writeUInt32BE(owner, 6)
  buffer.writeUInt32BE(generation, 10)
  return buffer
}

/** Two numbers, each of four bytes. */
export function pairKey(first: number, second: number): Buffer {
  const buffer = Buffer.allocUnsafe(8)
  buffer.writeUInt32BE(first, 0)
  buffer.writeUInt32BE(second, 4)
  return buffer
}

/** Before every key of an index: LMDB has no empty keys. */
export const LOWEST = Buffer.from([0])

/** Beyond every key of an index. */
export const KEY_END = Buffer.alloc(KEY_BYTES_MAX + 100, 0xff)
