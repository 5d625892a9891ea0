/**
 * Turns assignments to a link attribute into edits of links: a member is a key, never an element.
 */

import { ScimError } from '../error.ts'
import { heldIdOf } from '../filter/evaluate.ts'
import type { TypedFilter } from '../filter/resolve.ts'
import type { LinkEdit, LinkedResource } from '../link.ts'
import type { AttributePath, Link } from '../registry.ts'
import { linkIdSteps } from '../resource.ts'
import type { Steps } from '../steps.ts'
import type { Rules } from '../tolerance.ts'
import { type JsonObject, saysNone } from '../value.ts'
import { type Assignment, requireRemoveByValue, type Selection } from './assignment.ts'

/** The same assignment with the ids that it names, if it is one to a link attribute. */
export function* withLinkIds(assignment: Assignment, rules: Rules): Steps<Assignment> {
  const { target, value, at } = assignment
  if (target.kind !== 'attribute' || !target.link || target.sub) return assignment
  if (value === undefined || saysNone(value, rules)) return assignment
  const ids = yield* linkIdSteps(target.link, value, placeOf(target.link, at), rules)
  return { ...assignment, ids }
}

/** The ids that link assignments name, as often as they do: what a store has to look up. */
export function linkIdsOf(assignments: readonly Assignment[]): string[] {
  const named: string[] = []
  for (const { target, selection, ids = [] } of assignments) {
    if (target.kind !== 'attribute' || !target.link) continue
    const held = selection && heldId(target, selection)
    if (held !== undefined) named.push(held)
    for (const id of ids) named.push(id)
  }
  return named
}

/** The edits of one assignment. @throws ScimError invalidPath, mutability, invalidValue */
export function editLinks(link: Link, assignment: Assignment, rules: Rules): LinkEdit[] {
  const { op, target, selection, value, ids = [], at } = assignment
  const sub = target.kind === 'attribute' ? target.sub : undefined
  if (sub && !selection) {
    throw ScimError.of(
      'invalidPath',
      `${at}: "${link.attribute.name}.${sub.name}" names no element`,
    )
  }
  const clears = op === 'remove' || (op === 'replace' && saysNone(value ?? null, rules))
  if (sub || (selection && !clears)) {
    throw ScimError.of(
      'mutability',
      `${at}: what an element of ${link.attribute.name} holds is immutable; add and remove elements`,
    )
  }
  if (selection) {
    requireStored(selection.typed, at)
    const held = heldId(target as AttributePath, selection)
    const matches = (member: LinkedResource) => selection.matches(elementOf(member))
    if (op === 'remove' && value !== undefined && value !== null) {
      // What fits both the filter and the value: no more than the value names.
      requireRemoveByValue(link.attribute, at, rules)
      return [{ link, op, ids, matches }]
    }
    if (held !== undefined) return [{ link, op: 'remove', ids: [held] }]
    return [{ link, op: 'removeWhere', matches }]
  }
  if (op !== 'remove') return [{ link, op, ids }]
  if (value === undefined || value === null) return [{ link, op: 'replace', ids: [] }]
  requireRemoveByValue(link.attribute, at, rules)
  return [{ link, op: 'remove', ids }]
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
