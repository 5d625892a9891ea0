/** POST: RFC 7644 section 3.3. */

import type { JsonValue } from '../scim/json.ts'
import type { ResourceType } from '../scim/registry.ts'
import { arrange, type Draft, draftSteps } from '../scim/resource.ts'
import { isJsonObject } from '../scim/value.ts'
import { inSlices } from '../store/slices.ts'
import type { Change, Stored } from '../store/store.ts'
import { commitOne } from './commit.ts'
import type { Context } from './context.ts'
import { decision, mentionsOf, requireAllowed } from './decide.ts'
import { withHashedPassword } from './password.ts'

/** Creates a resource from a request body and returns it as it is stored. */
export const create = async (
  context: Context,
  type: ResourceType,
  body: JsonValue,
): Promise<Stored> => commitOne(context, await createChange(context, type, body, context.newId()))

/** The change that creates a resource with this id from a request body, which is checked here. */
export async function createChange(
  context: Context,
  type: ResourceType,
  body: JsonValue,
  id: string,
): Promise<Change> {
  const { rules } = context
  context.requireAccess('write', type)
  const draft = await inSlices(draftSteps(type, body, rules), context)
  const complete = withDefaults(type, draft)
  requireAllowed(context, type, complete)
  const document = await withHashedPassword(context, type, complete)

  const edits = [...draft.links].map(([link, ids]) => ({ link, op: 'add', ids }) as const)
  return {
    operation: 'create',
    type,
    id,
    mentions: mentionsOf(edits),
    decide: () => decision(document, edits, rules),
  }
}

/**
 * Attributes with a default get it unless the body gives them a value: null is the same as left out
 * (RFC 7643 section 2.5).
 */
function withDefaults(type: ResourceType, { document }: Draft) {
  const missing = Object.entries(type.defaults).filter(([name]) => document[name] === undefined)
  if (missing.length === 0) return document
  const base = new Map([...Object.entries(document), ...missing])
  const extensions = type.extensions.flatMap(({ schema }) => {
    const held = document[schema.id]
    return isJsonObject(held) ? [[schema, held] as const] : []
  })
  return arrange(type, base, new Map(extensions))
}
