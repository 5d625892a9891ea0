/** GET of one resource: RFC 7644 section 3.4.1. */

import { ANSWER_SMALL_BYTES_MAX } from '../scim/limits.ts'
import type { ResourceType } from '../scim/registry.ts'
import type { Stored } from '../store/store.ts'
import { type Context, notFound } from './context.ts'

/** @throws ScimError 404 for an id that no resource of this type has */
export async function read(context: Context, type: ResourceType, id: string): Promise<Stored> {
  const { store } = context
  context.requireAccess('read', type, id)
  const stored = await store.read(type, id)
  if (!stored) throw notFound(type, id)
  const { size } = stored
  return size > ANSWER_SMALL_BYTES_MAX ? readLarge(context, type, id, size) : stored
}

/** Reads it anew when there is room for it, so that those who wait hold nothing. */
async function readLarge(
  context: Context,
  type: ResourceType,
  id: string,
  size: number,
): Promise<Stored> {
  await context.reserve(size)
  const stored = await context.store.read(type, id)
  if (!stored) throw notFound(type, id)
  return stored
}
