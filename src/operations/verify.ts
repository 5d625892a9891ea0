/** Verifies a user's password for the application, which cannot read it. RFC 7643 section 4.1.1. */

import { documentOf } from '../scim/document.ts'
import { ScimError } from '../scim/error.ts'
import type { JsonValue } from '../scim/json.ts'
import { STRING_LENGTH_MAX } from '../scim/limits.ts'
import type { ResourceType } from '../scim/registry.ts'
import { isPassword } from '../scim/schema.ts'
import { namesUrn, URN } from '../scim/urns.ts'
import { isJsonObject, type JsonObject, memberOf, quoted } from '../scim/value.ts'
import type { Stored } from '../store/store.ts'
import { type Context, notFound } from './context.ts'
import { isActive } from './subject.ts'

/**
 * The answer to "may this user sign in with this password": no for a wrong password, for a user
 * without one, and for one who is not active. Each takes as long as the other. Attempts that fail
 * are limited for each resource.
 *
 * @throws ScimError 404 for no such resource, or a type without passwords; 429 after too many
 *   attempts; 503 when too many others wait; invalidSyntax and invalidValue for the body
 */
export async function verify(
  context: Context,
  type: ResourceType,
  id: string,
  body: JsonValue,
): Promise<JsonObject> {
  context.requireAccess('verify', type, id)
  const attribute = [...type.attributes.values()].find(isPassword)
  if (!attribute) throw ScimError.status(404, `${type.name} has no password`)
  const password = passwordIn(body)
  const stored = await context.store.read(type, id)
  if (!stored) throw notFound(type, id)
  context.attempts.take(id)
  const hash = documentOf(stored.text, stored.hidden)[attribute.name]
  let isWrong = false
  try {
    const isSame = await context.verifyPassword(
      password,
      typeof hash === 'string' ? hash : undefined,
    )
    isWrong = !isSame || !(await isStill(context, stored, attribute.name, hash))
  } finally {
    // What could not be tried has not failed.
    if (!isWrong) context.attempts.giveBack(id)
  }
  return { schemas: [URN.verifyPasswordResponse], verified: !isWrong }
}

/**
 * Whether the hash is that of an active user now: passwords wait to be hashed, and whoever was
 * deleted, suspended or given another password meanwhile does not sign in with this one.
 *
 * @throws ScimError 404
 */
async function isStill(
  context: Context,
  { type, id }: Stored,
  name: string,
  hash: JsonValue | undefined,
): Promise<boolean> {
  const stored = await context.store.read(type, id)
  if (!stored) throw notFound(type, id)
  const document = documentOf(stored.text, stored.hidden)
  return document[name] === hash && isActive(type, document)
}

function passwordIn(body: JsonValue): string {
  if (!isJsonObject(body)) {
    // What it is instead may be the password.
    throw ScimError.of('invalidSyntax', 'expected an object with the password as a member')
  }
  const schemas = memberOf(body, 'schemas')
  if (schemas !== undefined && !namesUrn(schemas, URN.verifyPassword)) {
    const detail = `schemas: found ${quoted(schemas)}, expected ["${URN.verifyPassword}"] or nothing`
    throw ScimError.of('invalidSyntax', detail)
  }
  const password = memberOf(body, 'password')
  if (typeof password !== 'string' || password === '' || password.length > STRING_LENGTH_MAX) {
    const detail = `password: expected a string of 1 to ${STRING_LENGTH_MAX} characters`
    throw ScimError.of('invalidValue', detail)
  }
  return password
}
