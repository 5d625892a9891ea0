/** DELETE: RFC 7644 section 3.6. */

import type { Conditions } from '../scim/etag.ts'
import type { ResourceType } from '../scim/registry.ts'
import type { Context } from './context.ts'
import { requireCurrent } from './decide.ts'

/** Deletes a resource; whatever referred to it no longer does. */
export async function remove(
  context: Context,
  type: ResourceType,
  id: string,
  conditions: Conditions,
): Promise<void> {
  const { store, origin } = context
  context.requireAccess('write', type, id)
  await store.commit(
    [
      {
        operation: 'delete',
        type,
        id,
        mentions: [],
        decide(current) {
          requireCurrent(type, id, current, conditions)
          return undefined
        },
      },
    ],
    origin,
  )
}
