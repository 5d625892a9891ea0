/** Turns the body of a PATCH request into assignments. RFC 7644 section 3.5.2. */

import { ScimError } from '../error.ts'
import { elementPredicateOf } from '../filter/evaluate.ts'
import type { Filter } from '../filter/filter.ts'
import { parsePatchPath } from '../filter/parse.ts'
import { dottedPath, isBare, resolveFilter, resolvePath, withinElement } from '../filter/resolve.ts'
import type { JsonValue } from '../json.ts'
import { PATCH_KEY_FILTERS_MAX, PATCH_OPERATIONS_MAX, PATCH_PATHS_LENGTH_MAX } from '../limits.ts'
import { type AttributePath, isSimpleList, type ResourceType } from '../registry.ts'
import { isCoreUrn, isLeftEmpty, requireAccepted, requireContainer } from '../resource.ts'
import type { Attribute, Schema } from '../schema.ts'
import { finished, type Steps } from '../steps.ts'
import { type Rules, tolerated } from '../tolerance.ts'
import { namesUrn, URN } from '../urns.ts'
import {
  coerced,
  isJsonObject,
  type JsonObject,
  memberOf,
  quoted,
  readValue,
  shown,
} from '../value.ts'
import type { Assignment, PatchOp, Selection } from './assignment.ts'
import { withLinkIds } from './links.ts'

/**
 * Reads the body of a PATCH request. RFC 7644 section 3.5.2.
 *
 * @throws ScimError invalidSyntax for the structure, invalidPath, invalidFilter, noTarget (remove
 *   without a path), invalidValue (add and replace without a value), mutability (readOnly path)
 */
export const readPatch = (type: ResourceType, body: JsonValue, rules: Rules): Assignment[] =>
  finished(patchSteps(type, body, rules))

/** The same in steps: of many operations, or many links, there are several. */
export function* patchSteps(
  type: ResourceType,
  body: JsonValue,
  rules: Rules,
): Steps<Assignment[]> {
  if (!isJsonObject(body)) {
    throw ScimError.of('invalidSyntax', `the body is ${shown(body)}, expected a PatchOp object`)
  }
  requirePatchSchema(body, rules)
  const operations = memberOf(body, 'operations')
  if (!Array.isArray(operations)) {
    throw ScimError.of('invalidSyntax', `Operations: found ${shown(operations)}, expected a list`)
  }
  if (operations.length === 0 && !tolerated(rules, 'emptyOperations')) {
    throw ScimError.of('invalidSyntax', 'Operations: found an empty list, expected an operation')
  }
  if (operations.length > PATCH_OPERATIONS_MAX) {
    const detail = `Operations: found ${operations.length}, expected at most ${PATCH_OPERATIONS_MAX}`
    throw ScimError.status(413, detail)
  }
  requirePathsWithin(operations)
  const assignments: Assignment[] = []
  for (const [index, operation] of operations.entries()) {
    if (index % OPERATIONS_PER_STEP === OPERATIONS_PER_STEP - 1) yield
    for (const assignment of readOperation(type, operation, `Operations[${index}]`, rules)) {
      assignments.push(yield* withLinkIds(assignment, rules))
    }
    // An operation without a path counts as one for each attribute of its value.
    if (assignments.length > PATCH_OPERATIONS_MAX) throw tooMany('assignments')
  }
  return assignments
}

const OPERATIONS_PER_STEP = 20

const tooMany = (what: string): ScimError =>
  ScimError.status(413, `Operations: found more ${what} than ${PATCH_OPERATIONS_MAX}`)

function requirePathsWithin(operations: readonly JsonValue[]): void {
  let length = 0
  for (const operation of operations) {
    const path = isJsonObject(operation) ? memberOf(operation, 'path') : undefined
    if (typeof path === 'string') length += path.length
  }
  if (length <= PATCH_PATHS_LENGTH_MAX) return
  const detail = `paths: found ${length} characters, expected at most ${PATCH_PATHS_LENGTH_MAX}`
  throw ScimError.status(413, detail)
}

function requirePatchSchema(body: JsonObject, rules: Rules): void {
  const schemas = memberOf(body, 'schemas')
  const isMissing = schemas === undefined || (Array.isArray(schemas) && schemas.length === 0)
  if (isMissing && tolerated(rules, 'missingSchemas')) return
  if (namesUrn(schemas, URN.patchOp)) return
  throw ScimError.of(
    'invalidSyntax',
    `schemas: found ${quoted(schemas)}, expected ["${URN.patchOp}"]`,
  )
}

function readOperation(
  type: ResourceType,
  operation: JsonValue,
  at: string,
  rules: Rules,
): Assignment[] {
  if (!isJsonObject(operation)) {
    throw ScimError.of('invalidSyntax', `${at}: found ${shown(operation)}, expected an object`)
  }
  const named = memberOf(operation, 'op')
  const op = typeof named === 'string' ? named.toLowerCase() : undefined
  if (op !== 'add' && op !== 'remove' && op !== 'replace') {
    throw ScimError.of(
      'invalidSyntax',
      `${at}.op: found ${quoted(named)}, expected add, remove or replace`,
    )
  }
  const path = memberOf(operation, 'path')
  const isPathless = path === undefined || path === ''
  if (isPathless && !tolerated(rules, 'pathlessPatch')) {
    throw ScimError.of('invalidSyntax', `${at}: found no path, expected one in this tenant's mode`)
  }
  const key = Object.keys(operation).find((name) => name.toLowerCase() === 'value')
  const value = key === undefined ? undefined : operation[key]
  if (op !== 'remove' && value === undefined) {
    throw ScimError.of('invalidValue', `${at}.value: found nothing, expected the value to ${op}`)
  }
  if (isPathless) return readPathless(type, op, value, at, rules)
  if (typeof path !== 'string') {
    throw ScimError.of('invalidPath', `${at}.path: found ${quoted(path)}, expected a string`)
  }
  if (isCoreUrn(type, path)) {
    if (op !== 'remove') return readContainer(type, op, value ?? null, at, rules)
    const detail = `${at}.path: "${path}" is the core schema, which stays; name an attribute`
    throw ScimError.of('invalidPath', detail)
  }
  const { target, selection } = readTarget(type, path, at, rules)
  requireWritable(target, path, at)
  if (target.kind === 'extension' && op !== 'remove') {
    return readMembers(type, op, value ?? null, at, rules, target.extension)
  }
  return [{ op, target, selection, value: bare(op, target, value, rules), at }]
}

/**
 * A simple value out of the list that some clients wrap it in, and the text of a number: here
 * already, since a password is hashed before the operation is applied, and must not be missed.
 */
function bare(
  op: PatchOp,
  target: Assignment['target'],
  value: JsonValue | undefined,
  rules: Rules,
): JsonValue | undefined {
  if (op === 'remove' || target.kind === 'extension') return value
  if (!Array.isArray(value) && typeof value !== 'number') return value
  const { leaf } = target
  if (leaf.multiValued || leaf.type === 'complex') return value
  return readValue(leaf, value, target.text, rules) ?? null
}

/** Attributes of the core schema under its URN, as those of an extension stand under theirs. */
function readContainer(
  type: ResourceType,
  op: PatchOp,
  value: JsonValue,
  at: string,
  rules: Rules,
): Assignment[] {
  requireContainer(at, rules)
  return readMembers(type, op, value, at, rules, undefined)
}

/** An operation without a path: its value holds the attributes. RFC 7644 section 3.5.2.1. */
function readPathless(
  type: ResourceType,
  op: PatchOp,
  value: JsonValue | undefined,
  at: string,
  rules: Rules,
): Assignment[] {
  if (op === 'remove') {
    throw ScimError.of('noTarget', `${at}: remove has no path, expected the attribute to remove`)
  }
  return readMembers(type, op, value ?? null, at, rules, undefined)
}

/**
 * The members of an operation's value, each as an assignment of its own; readOnly ones are ignored.
 */
function readMembers(
  type: ResourceType,
  op: PatchOp,
  value: JsonValue,
  at: string,
  rules: Rules,
  extension: Schema | undefined,
): Assignment[] {
  if (value === null && extension) {
    if (op === 'add') return []
    return [
      {
        op: 'remove',
        target: { kind: 'extension', extension },
        selection: undefined,
        value: undefined,
        at,
      },
    ]
  }
  if (!isJsonObject(value)) {
    throw ScimError.of(
      'invalidValue',
      `${at}.value: found ${shown(value)}, expected an object of attributes`,
    )
  }
  const filters = Object.keys(value).filter((name) => name.includes('['))
  if (filters.length > PATCH_KEY_FILTERS_MAX) {
    const detail = `${at}.value: found ${filters.length} names with a filter, expected at most`
    throw ScimError.status(413, `${detail} ${PATCH_KEY_FILTERS_MAX}`)
  }
  return Object.entries(value).flatMap(([name, held]) => {
    const place = `${at}.value.${name}`
    if (!extension && isCoreUrn(type, name)) return readContainer(type, op, held, place, rules)
    const found = findMember(type, name, place, rules, extension)
    if (!found) {
      const isValue = held !== null && !isLeftEmpty(held, rules)
      if (isValue && !extension) requireAccepted(type, name, place, 'mutability', rules)
      if (tolerated(rules, 'unknownAttributes')) return []
      throw ScimError.of(
        'invalidSyntax',
        `${place}: no schema of ${type.name} defines this attribute`,
      )
    }
    const { target, selection } = found
    if (target.kind === 'extension')
      return readMembers(type, op, held, place, rules, target.extension)
    if (isReadOnly(target)) {
      if (held === null || tolerated(rules, 'readOnlyValues')) return []
      throw ScimError.of('mutability', `${place}: ${target.text} is readOnly`)
    }
    return [{ op, target, selection, value: bare(op, target, held, rules), at: place }]
  })
}

function findMember(
  type: ResourceType,
  name: string,
  at: string,
  rules: Rules,
  extension: Schema | undefined,
): Pick<Assignment, 'target' | 'selection'> | undefined {
  const plain = resolvePath(type.resolve, extension ? `${extension.id}:${name}` : name, rules)
  // In a body an extension's attribute stands under its URN, and is unknown anywhere else.
  const isAstray = plain?.kind === 'attribute' && plain.extension && !extension
  if (isAstray && !name.includes(':')) return undefined
  const isName = plain?.kind === 'extension' || (plain?.sub === undefined && !name.includes(':'))
  const isPath = plain ? !isName : name.includes('[') || dottedPath(type.resolve, name)
  // Not ignored as unknown names are: whoever sends it would be told that it has been done.
  if (isPath && !tolerated(rules, 'pathsAsKeys')) {
    throw ScimError.of('invalidPath', `${at}: found a path as a key, expected an attribute`)
  }
  if (plain) return { target: plain, selection: undefined }
  if (!isPath) return undefined
  return readTarget(type, extension ? `${extension.id}:${name}` : name, at, rules)
}

function readTarget(
  type: ResourceType,
  text: string,
  at: string,
  rules: Rules,
): Pick<Assignment, 'target' | 'selection'> {
  const { path, filter, sub } = parsePatchPath(text)
  const target = resolvePath(type.resolve, path.text, rules)
  if (!target) {
    if (dottedPath(type.resolve, path.text)) {
      const found = `${at}.path: found a dot behind the URN in "${path.text}"`
      throw ScimError.of('invalidPath', `${found}, expected a colon`)
    }
    requireAccepted(type, path.text, `${at}.path`, 'mutability', rules)
    throw unknownPath(`${at}.path: "${path.text}" is no attribute of ${type.name}`, rules)
  }
  if (isBare(path.text, target) && !tolerated(rules, 'bareNames')) {
    const found = `${at}.path: "${path.text}" is of an extension`
    throw ScimError.of('invalidPath', `${found}, expected "${target.text}"`)
  }
  const isOfValues = target.kind === 'attribute' && isSimpleList(target.leaf)
  if (!filter && isOfValues && /\.value$/i.test(path.text) && target.leaf.name !== 'value') {
    const expected = `${target.text} for all of them, or ${target.text}[value eq "…"]`
    throw ScimError.of(
      'invalidPath',
      `${at}.path: "${path.text}" names no value, expected ${expected}`,
    )
  }
  if (!filter) return { target, selection: undefined }
  if (target.kind === 'extension' || (target.leaf.type !== 'complex' && !isOfValues)) {
    throw ScimError.of(
      'invalidPath',
      `${at}.path: "${path.text}" is not complex, so it takes no [filter]`,
    )
  }
  const found = sub && withinElement(target)(sub.text)
  if (sub && found?.kind !== 'attribute') {
    throw unknownPath(`${at}.path: "${sub.text}" is no sub-attribute of ${target.text}`, rules)
  }
  if (!sub && !isOfValues && !tolerated(rules, 'elementPaths')) {
    const expected = `a sub-attribute behind it, such as ${target.text}[…].value`
    throw ScimError.of('invalidPath', `${at}.path: found a whole element, expected ${expected}`)
  }
  const typed = resolveFilter(filter, withinElement(target), { rules, isWithin: true })
  const selection = {
    typed,
    matches: elementPredicateOf(typed),
    isOfValues,
    seed: isOfValues ? undefined : seedOf(target.attribute, filter, rules),
  }
  const isSub = found?.kind === 'attribute' && !isOfValues
  return { target: isSub ? found : target, selection }
}

/** What the interop profile calls an undefined attribute, RFC 7644 calls a wrong path. */
const unknownPath = (detail: string, rules: Rules): ScimError =>
  ScimError.of(rules.tolerances.unknownAttributes ? 'invalidPath' : 'invalidSyntax', detail)

/** What an element has to hold to match: the terms of a filter that is a conjunction of `eq`. */
function seedOf(attribute: Attribute, filter: Filter, rules: Rules): Selection['seed'] {
  if (filter.kind === 'and') {
    const seeds = filter.operands.map((operand) => seedOf(attribute, operand, rules))
    return seeds.every((seed) => seed !== undefined) ? seeds.flat() : undefined
  }
  if (filter.kind !== 'compare' || filter.operator !== 'eq' || filter.value === null)
    return undefined
  const sub = attribute.subs.get(filter.path.text.toLowerCase())
  if (!sub) return undefined
  const value = coerced(sub, filter.value, rules)
  return [{ sub, value: sub.multiValued ? [value] : value }]
}

const isReadOnly = ({ attribute, sub }: AttributePath): boolean =>
  attribute.mutability === 'readOnly' || sub?.mutability === 'readOnly'

function requireWritable(target: Assignment['target'], path: string, at: string): void {
  if (target.kind === 'attribute' && isReadOnly(target)) {
    throw ScimError.of(
      'mutability',
      `${at}.path: "${path}" is readOnly and changes by the server alone`,
    )
  }
}
