/** PUT: RFC 7644 section 3.5.1. */

import { documentOf } from '../scim/document.ts'
import type { Conditions } from '../scim/etag.ts'
import type { JsonValue } from '../scim/json.ts'
import type { ResourceType } from '../scim/registry.ts'
import {
  type Document,
  type Draft,
  draftSteps,
  isAssigned,
  rearrange,
  withConcealed,
} from '../scim/resource.ts'
import type { Attribute } from '../scim/schema.ts'
import { isJsonObject, type JsonObject } from '../scim/value.ts'
import { inSlices } from '../store/slices.ts'
import type { Stored } from '../store/store.ts'
import { commitOne } from './commit.ts'
import type { Context } from './context.ts'
import { decision, mentionsOf, requireAllowed, requireCurrent, requireImmutable } from './decide.ts'
import { withHashedPassword } from './password.ts'

/** Replaces a resource by a request body and returns it as it is stored. */
export async function replace(
  context: Context,
  type: ResourceType,
  id: string,
  body: JsonValue,
  conditions: Conditions,
): Promise<Stored> {
  const { store, rules } = context
  context.requireAccess('write', type, id)
  const draft = await inSlices(draftSteps(type, body, rules), context)
  const known = requireCurrent(type, id, await store.read(type, id), conditions)
  // Checked before the transaction too, so that no password is hashed for a body that is refused.
  requireAllowed(context, type, withKept(type, draft, documentOf(known.text, known.hidden)))
  const document = await withHashedPassword(context, type, draft.document)
  const edits = type.links.map(
    (link) => ({ link, op: 'replace', ids: draft.links.get(link) ?? [] }) as const,
  )

  return commitOne(context, {
    operation: 'replace',
    type,
    id,
    mentions: mentionsOf(edits),
    decide(found) {
      const current = requireCurrent(type, id, found, conditions)
      const next = withKept(type, { ...draft, document }, current.document)
      requireImmutable(type, current.document, next)
      requireAllowed(context, type, next)
      return decision(next, edits, rules)
    },
  })
}

/**
 * What a PUT leaves out is cleared, with three exceptions: what the client can never read back
 * (password), what has a default (active: omission neither suspends nor reactivates), and what is
 * immutable and set.
 */
function withKept(type: ResourceType, { document }: Draft, current: Document): Document {
  const next: Document = { ...document }
  for (const attribute of type.attributes.values()) {
    const { name } = attribute
    const hasDefault = Object.hasOwn(type.defaults, name)
    next[name] = keptOf(attribute, current[name], next[name], hasDefault)
  }
  for (const { schema } of type.extensions) {
    const was = current[schema.id]
    if (!isJsonObject(was)) continue
    const is = next[schema.id]
    const held: JsonObject = isJsonObject(is) ? { ...is } : {}
    for (const attribute of schema.attributes) {
      held[attribute.name] = keptOf(attribute, was[attribute.name], held[attribute.name])
    }
    next[schema.id] = held
  }
  return withConcealed(type, rearrange(type, next), current)
}

/** The value of one attribute after a PUT; null for none. Sub-attributes are kept as well. */
function keptOf(
  attribute: Attribute,
  was: JsonValue | undefined,
  is: JsonValue | undefined,
  hasDefault = false,
): JsonValue {
  const { mutability, multiValued, returned, subAttributes } = attribute
  if (is === undefined) {
    const isKept = returned === 'never' || hasDefault
    if (mutability === 'immutable' || isKept) return was ?? null
  }
  if (multiValued || !isJsonObject(was)) return is ?? null
  const held: JsonObject = isJsonObject(is) ? { ...is } : {}
  for (const sub of subAttributes) {
    held[sub.name] = keptOf(sub, was[sub.name], held[sub.name])
  }
  return Object.fromEntries(Object.entries(held).filter(([, value]) => isAssigned(value)))
}
