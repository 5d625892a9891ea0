/**
 * What the decisions of several verbs have in common: links that may be, values that may not
 * change.
 */

import { knownPart } from '../scim/concealed.ts'
import { ScimError } from '../scim/error.ts'
import { type Conditions, requireMatch } from '../scim/etag.ts'
import type { LinkEdit } from '../scim/link.ts'
import type { Link, ResourceType } from '../scim/registry.ts'
import type { Document } from '../scim/resource.ts'
import { type Rules, tolerated } from '../scim/tolerance.ts'
import { isValid, requireValid } from '../scim/validate.ts'
import { isJsonObject, sameValue } from '../scim/value.ts'
import type { Decision } from '../store/store.ts'
import { type Context, notFound } from './context.ts'

/** What a change of a resource begins with: it is there, and it is as the client has seen it. */
export function requireCurrent<T extends { readonly version: number }>(
  type: ResourceType,
  id: string,
  current: T | undefined,
  conditions: Conditions,
): T {
  if (!current) throw notFound(type, id)
  requireMatch(current.version, conditions)
  return current
}

/**
 * Refuses what the schemas do not allow, and notes when freeFormats alone lets a document pass; of
 * a change, only when what was there before would have passed without.
 *
 * @throws ScimError invalidValue
 */
export function requireAllowed(
  { checks, strictChecks, rules }: Pick<Context, 'checks' | 'strictChecks' | 'rules'>,
  type: ResourceType,
  document: Document,
  before?: Document,
): void {
  const known = knownPart(type, document)
  requireValid(checks, type, known)
  if (checks === strictChecks || isValid(strictChecks, type, known)) return
  if (!before || isValid(strictChecks, type, knownPart(type, before)))
    tolerated(rules, 'freeFormats')
}

/**
 * The decision to store a document and to link only to resources which exist and may be linked to.
 * RFC 7643 section 4.2. The store asks for each id as it looks it up.
 */
export function decision(document: Document, edits: readonly LinkEdit[], rules: Rules): Decision {
  const links = edits.map((edit): LinkEdit => {
    if (edit.op !== 'add' && edit.op !== 'replace') return edit
    return { ...edit, accepts: (id, type) => accepts(edit.link, id, type, rules) }
  })
  return { document, links }
}

/** The ids that edits name. Most types have one link, and its ids may be hundreds of thousands. */
export function mentionsOf(edits: readonly { readonly ids: readonly string[] }[]) {
  const [only] = edits
  return only && edits.length === 1 ? only.ids : edits.flatMap(({ ids }) => ids)
}

/** @throws ScimError invalidValue naming the id, unless the tenant skips unknown members */
function accepts(link: Link, id: string, type: string | undefined, rules: Rules): boolean {
  const { name } = link.attribute
  if (type === undefined) {
    if (rules.unknownMembers === 'skip') return false
    throw ScimError.of('invalidValue', `${name}.value: there is no resource with the id "${id}"`)
  }
  if (link.targets.length === 0 || link.targets.includes(type)) return true
  const expected = link.targets.join(' or ')
  throw ScimError.of('invalidValue', `${name}.value: "${id}" is a ${type}, expected a ${expected}`)
}

/** RFC 7643 section 7: an immutable value that is set stays as it is. */
export function requireImmutable(type: ResourceType, before: Document, after: Document): void {
  const check = (names: Iterable<Immutable>, was: Document, is: Document, prefix: string) => {
    for (const { name, mutability, subAttributes, multiValued } of names) {
      const old = was[name]
      if (old === undefined) continue
      if (mutability === 'immutable' && !sameValue(old, is[name])) {
        throw ScimError.of('mutability', `${prefix}${name} is immutable and has another value`)
      }
      if (multiValued || !isJsonObject(old)) continue
      check(subAttributes, old, isJsonObject(is[name]) ? is[name] : {}, `${prefix}${name}.`)
    }
  }
  check(type.attributes.values(), before, after, '')
  for (const { schema } of type.extensions) {
    const was = before[schema.id]
    const is = after[schema.id]
    if (isJsonObject(was))
      check(schema.attributes, was, isJsonObject(is) ? is : {}, `${schema.id}:`)
  }
}

interface Immutable {
  readonly name: string
  readonly mutability: string
  readonly multiValued: boolean
  readonly subAttributes: readonly Immutable[]
}
