/**
 * Seals text that clients carry for the server and cannot read or make: the cursors of RFC 9865.
 */

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const DAY_BYTES = 4
const DAY_MS = 24 * 60 * 60 * 1000

/** What `open` takes a text for at all: base64url, which is of RFC 3986's unreserved characters. */
const SEALED = /^[A-Za-z0-9_-]{1,8192}$/

export interface Sealer {
  /** The text sealed, and bound to another one which is not in it. */
  seal(text: string, bound: string): string
  /** The text, or undefined for what was not sealed here or was bound to something else. */
  open(sealed: string, bound: string): string | undefined
}

/**
 * Seals with AES-256-GCM. Each day has a key of its own, made from the one that is kept: a key
 * must not meet a nonce twice, and random ones are safe for no more than some billion texts.
 *
 * @param kept 32 secret bytes
 * @param now milliseconds since 1970
 */
export function sealer(kept: Uint8Array, now: () => number): Sealer {
  let last = { day: -1, key: Buffer.alloc(KEY_BYTES) }
  const keyOf = (day: number): Buffer => {
    if (last.day !== day) {
      const key = hkdfSync('sha256', kept, new Uint8Array(0), `cursor/${day}`, KEY_BYTES)
      last = { day, key: Buffer.from(key) }
    }
    return last.key
  }

  return {
    seal(text, bound) {
      const day = Buffer.alloc(DAY_BYTES)
      day.writeUInt32BE(Math.floor(now() / DAY_MS))
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(CIPHER, keyOf(day.readUInt32BE()), nonce)
      cipher.setAAD(Buffer.from(bound))
      const sealed = [cipher.update(text, 'utf8'), cipher.final()]
      return Buffer.concat([day, nonce, ...sealed, cipher.getAuthTag()]).toString('base64url')
    },
    open(sealed, bound) {
      if (!SEALED.test(sealed)) return undefined
      const bytes = Buffer.from(sealed, 'base64url')
      // Base64 has several spellings of its last bytes, and only one of them was handed out.
      const isWhole = bytes.length >= DAY_BYTES + NONCE_BYTES + TAG_BYTES
      if (!isWhole || bytes.toString('base64url') !== sealed) return undefined
      const nonce = bytes.subarray(DAY_BYTES, DAY_BYTES + NONCE_BYTES)
      const end = bytes.length - TAG_BYTES
      const decipher = createDecipheriv(CIPHER, keyOf(bytes.readUInt32BE()), nonce)
      decipher.setAAD(Buffer.from(bound))
      decipher.setAuthTag(bytes.subarray(end))
      try {
        const text = decipher.update(bytes.subarray(DAY_BYTES + NONCE_BYTES, end))
        return Buffer.concat([text, decipher.final()]).toString('utf8')
      } catch {
        return undefined
      }
    },
  }
}
