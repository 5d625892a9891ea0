/** DELETE: RFC 7644 section 3.6. */

import { requireMatch } from '../scim/etag.ts'
import type { ResourceType } from '../scim/registry.ts'
import { type Context, notFound } from './context.ts'

/** Deletes a resource; whatever referred to it no longer does. */
export async function remove(
  { store, origin }: Context,
  type: ResourceType,
  id: string,
  ifMatch: string | undefined,
): Promise<void> {
  await store.commit(
    [
      {
        operation: 'delete',
        type,
        id,
        mentions: [],
        decide(current) {
          if (!current) throw notFound(type, id)
          requireMatch(current.version, ifMatch)
          return undefined
        },
      },
    ],
    origin,
  )
}
