/**
 * Turns passwords into hashes before a transaction begins. RFC 7643 section 4.1.1, OWASP's
 * argon2id.
 */

import { ScimError } from '../scim/error.ts'
import type { JsonValue } from '../scim/json.ts'
import { PASSWORD_HASHES_MAX, PASSWORD_QUEUE_MAX, STRING_LENGTH_MAX } from '../scim/limits.ts'
import type { Assignment } from '../scim/patch/assignment.ts'
import type { ResourceType } from '../scim/registry.ts'
import type { Document } from '../scim/resource.ts'
import { isPassword } from '../scim/schema.ts'
import type { Service } from './context.ts'

/** OWASP's recommendation for argon2id: 19 MiB, two passes, one lane. */
const ARGON2ID = { algorithm: 'argon2id', memoryCost: 19_456, timeCost: 2 } as const

/**
 * A hasher that works at most PASSWORD_HASHES_MAX at a time, so that a first synchronisation does
 * not take all processors and memory.
 */
export function passwordHasher(): Service['hashPassword'] {
  let running = 0
  const waiting: (() => void)[] = []

  return async function hashPassword(password) {
    if (running >= PASSWORD_HASHES_MAX) {
      if (waiting.length >= PASSWORD_QUEUE_MAX) {
        const detail = `${PASSWORD_QUEUE_MAX} passwords wait to be hashed; try again later`
        throw ScimError.status(503, detail, { 'Retry-After': '10' })
      }
      // Whoever finishes hands its place over.
      await new Promise<void>((resolve) => waiting.push(resolve))
    } else running++
    try {
      // RFC 8265 section 4.2 (OpaqueString) compares passwords in Normalization Form C.
      return await Bun.password.hash(password.normalize('NFC'), ARGON2ID)
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
}

/** The same document with a hash in place of its password. The document has been validated. */
export async function withHashedPassword(
  service: Service,
  type: ResourceType,
  document: Document,
): Promise<Document> {
  for (const attribute of type.attributes.values()) {
    const value = isPassword(attribute) ? document[attribute.name] : undefined
    if (value !== undefined) return { ...document, [attribute.name]: await hashed(service, value) }
  }
  return document
}

/** The same assignments with hashes in place of passwords. */
export const withHashedPasswords = (
  service: Service,
  assignments: readonly Assignment[],
): Promise<Assignment[]> =>
  Promise.all(
    assignments.map(async (assignment) => {
      const { op, target, value } = assignment
      const isSet = op !== 'remove' && target.kind === 'attribute' && isPassword(target.attribute)
      if (!isSet || value === undefined || value === null) return assignment
      return { ...assignment, value: await hashed(service, value) }
    }),
  )

async function hashed(service: Service, value: JsonValue): Promise<JsonValue> {
  // What is no string, or empty, is for the check of the whole resource to refuse or to unassign.
  if (typeof value !== 'string' || value === '') return value
  if (value.length > STRING_LENGTH_MAX) {
    const detail = `password: found ${value.length} characters, expected at most ${STRING_LENGTH_MAX}`
    throw ScimError.of('invalidValue', detail)
  }
  return service.hashPassword(value)
}
