/** PATCH: RFC 7644 section 3.5.2. */

import type { Conditions } from '../scim/etag.ts'
import type { JsonValue } from '../scim/json.ts'
import { ANSWER_SMALL_BYTES_MAX } from '../scim/limits.ts'
import { applyPatch } from '../scim/patch/apply.ts'
import { linkIdsOf } from '../scim/patch/links.ts'
import { patchSteps } from '../scim/patch/read.ts'
import type { ResourceType } from '../scim/registry.ts'
import { inSlices } from '../store/slices.ts'
import type { Stored } from '../store/store.ts'
import { commitOne } from './commit.ts'
import type { Context } from './context.ts'
import { decision, requireAllowed, requireCurrent, requireImmutable } from './decide.ts'
import { withHashedPasswords } from './password.ts'

/** Applies all operations of a request body or none, and returns the resource as it is stored. */
export async function patch(
  context: Context,
  type: ResourceType,
  id: string,
  body: JsonValue,
  conditions: Conditions,
): Promise<Stored> {
  const { store, rules } = context
  context.requireAccess('write', type, id)
  const read = await inSlices(patchSteps(type, body, rules), context)
  const mentions = linkIdsOf(read)
  // Before any password is hashed; the decision asks again, on the state that it changes.
  const { size } = requireCurrent(type, id, await store.read(type, id), conditions)
  if (size > ANSWER_SMALL_BYTES_MAX) await context.reserve(size)
  const assignments = await withHashedPasswords(context, read)

  return commitOne(context, {
    operation: 'modify',
    type,
    id,
    mentions,
    decide(found) {
      const current = requireCurrent(type, id, found, conditions)
      const { document, links } = applyPatch(type, current.document, assignments, rules)
      requireImmutable(type, current.document, document)
      requireAllowed(context, type, document, current.document)
      return decision(document, links, rules)
    },
  })
}
