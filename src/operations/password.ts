/**
 * Turns passwords into hashes before a transaction begins. RFC 7643 section 4.1.1, OWASP's
 * argon2id.
 */

import { ScimError } from '../scim/error.ts'
import type { JsonValue } from '../scim/json.ts'
import { PASSWORD_HASHES_MAX, PASSWORD_QUEUE_MAX, STRING_LENGTH_MAX } from '../scim/limits.ts'
import type { Assignment } from '../scim/patch/assignment.ts'
import { preparedPassword } from '../scim/precis.ts'
import type { ResourceType } from '../scim/registry.ts'
import type { Document } from '../scim/resource.ts'
import { isPassword } from '../scim/schema.ts'
import type { Service } from './context.ts'

/** OWASP's recommendation for argon2id: 19 MiB, two passes, one lane. */
const ARGON2ID = { algorithm: 'argon2id', memoryCost: 19_456, timeCost: 2 } as const

/** A hash of ARGON2ID's cost to compare with where there is none, so that time does not tell. */
const DECOY =
  '$argon2id$v=19$m=19456,t=2,p=1$JpLd+4+6oivO2vCYewo+/ex+cV+yEWBcshN855jPiJo$xLGRznlvLnsnz1j459BmjpWpy1l6Y1944l0kIpt/cdw'

/**
 * Hashes and verifies passwords, at most PASSWORD_HASHES_MAX at a time, so that neither a first
 * synchronisation nor an attack takes all processors and memory.
 */
export function passwordHasher(): Pick<Service, 'hashPassword' | 'verifyPassword'> {
  let running = 0
  const waiting: (() => void)[] = []

  return {
    hashPassword: (password) =>
      inTurn(() => Bun.password.hash(requirePrepared(password), ARGON2ID)),
    async verifyPassword(password, hash) {
      // What cannot be a password is nobody's, at the cost of any other.
      const prepared = preparedPassword(password) ?? '\0'
      const isSame = await inTurn(() => Bun.password.verify(prepared, hash ?? DECOY))
      return isSame && hash !== undefined
    },
  }

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running >= PASSWORD_HASHES_MAX) {
      if (waiting.length >= PASSWORD_QUEUE_MAX) {
        const detail = `${PASSWORD_QUEUE_MAX} passwords wait to be hashed; try again later`
        throw ScimError.status(503, detail, { 'Retry-After': '10' })
      }
      // Whoever finishes hands its place over.
      await new Promise<void>((resolve) => waiting.push(resolve))
    } else running++
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
}

/** @throws ScimError invalidValue for a password that nobody could type in again */
function requirePrepared(password: string): string {
  const prepared = preparedPassword(password)
  if (prepared !== undefined) return prepared
  throw ScimError.of('invalidValue', 'password: found a control character or one not assigned')
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
