/**
 * Turns assignments to a link attribute into edits of links: a member is a key, never an element.
 */

import { ScimError } from '../error.ts'
import { heldIdOf } from '../filter/evaluate.ts'
import type { TypedFilter } from '../filter/resolve.ts'
import type { LinkEdit, LinkedResource } from '../link.ts'
import type { AttributePath, Link } from '../registry.ts'
import { isAssigned, readLinkIds } from '../resource.ts'
import type { Rules } from '../tolerance.ts'
import type { JsonObject } from '../value.ts'
import { type Assignment, requireRemoveByValue, type Selection } from './assignment.ts'

/** The ids that link assignments name: what a store has to look up before the decision. */
export function linkIdsOf(assignments: readonly Assignment[], rules: Rules): string[] {
  const ids = new Set<string>()
  for (const { target, selection, value, at } of assignments) {
    if (target.kind !== 'attribute' || !target.link) continue
    const held = selection && heldId(target, selection)
    if (held !== undefined) ids.add(held)
    if (!target.sub && isAssigned(value)) {
      for (const id of readLinkIds(target.link, value, placeOf(target.link, at), rules)) ids.add(id)
    }
  }
  return [...ids]
}

/** The edits of one assignment. @throws ScimError invalidPath, mutability, invalidValue */
export function editLinks(link: Link, assignment: Assignment, rules: Rules): LinkEdit[] {
  const { op, target, selection, value, at } = assignment
  const sub = target.kind === 'attribute' ? target.sub : undefined
  if (sub && !selection) {
    throw ScimError.of(
      'invalidPath',
      `${at}: "${link.attribute.name}.${sub.name}" names no element`,
    )
  }
  const clears = op === 'remove' || (op === 'replace' && !isAssigned(value))
  if (sub || (selection && !clears)) {
    throw ScimError.of(
      'mutability',
      `${at}: what an element of ${link.attribute.name} holds is immutable; add and remove elements`,
    )
  }
  if (selection) {
    requireStored(selection.typed, at)
    const held = heldId(target as AttributePath, selection)
    if (held !== undefined) return [{ link, op: 'remove', ids: [held] }]
    return [{ link, op: 'removeWhere', matches: (member) => selection.matches(elementOf(member)) }]
  }
  if (op !== 'remove') {
    const ids = value === undefined ? [] : readLinkIds(link, value, placeOf(link, at), rules)
    return [{ link, op, ids }]
  }
  if (value === undefined || value === null) return [{ link, op: 'replace', ids: [] }]
  requireRemoveByValue(link.attribute, at, rules)
  return [{ link, op: 'remove', ids: readLinkIds(link, value, placeOf(link, at), rules) }]
}

/** Where a value stands, for messages: an operation with a path does not name the attribute. */
const placeOf = (link: Link, at: string): string => `${at}: ${link.attribute.name}`

/** The one id that a selection such as `members[value eq "x"]` means, if it means one. */
const heldId = (path: AttributePath, { typed }: Selection): string | undefined =>
  heldIdOf({ kind: 'valuePath', path, filter: typed })?.id

/** What a member is selected by has to be known inside the transaction, where no URL is. */
function requireStored(filter: TypedFilter, at: string): void {
  if ('operands' in filter) for (const operand of filter.operands) requireStored(operand, at)
  else if ('operand' in filter) requireStored(filter.operand, at)
  else if ('path' in filter && filter.path.leaf.name === '$ref') {
    throw ScimError.of(
      'invalidFilter',
      `${at}.path: "${filter.path.text}" is derived when it is answered; select by value`,
    )
  }
}

const elementOf = (member: LinkedResource): JsonObject => ({
  value: member.id,
  type: member.type.name,
  display: member.display,
})
