/** Turns the body of a POST or PUT into a draft: a canonical document and the links beside it. */

import { knownPart, unknownIn } from './concealed.ts'
import { ScimError, type ScimType } from './error.ts'
import type { JsonValue } from './json.ts'
import { ID_LENGTH_MAX, VALUES_COUNT_MAX } from './limits.ts'
import type { Link, ResourceType } from './registry.ts'
import type { Attribute, Schema } from './schema.ts'
import { finished, type Steps } from './steps.ts'
import { type Rules, tolerated } from './tolerance.ts'
import {
  elementsOf,
  idInReference,
  inSchemaOrder,
  isJsonObject,
  isShell,
  type JsonObject,
  memberOf,
  quoted,
  readValue,
  shown,
} from './value.ts'

/**
 * The stored part of a resource: `schemas`, externalId, the attributes of the base schema, and each
 * extension under its URN; no id, no meta, no links, nothing readOnly, names as the schema spells
 * them.
 */
export type Document = JsonObject

/** What a request body asserts about a resource. */
export interface Draft {
  readonly document: Document
  /**
   * The ids asserted for each link attribute; an attribute that the body does not name is not here.
   */
  readonly links: ReadonlyMap<Link, readonly string[]>
}

/**
 * Reads the body of a POST or PUT. RFC 7643 sections 2 and 3, RFC 7644 sections 3.3 and 3.5.1.
 *
 * @throws ScimError invalidSyntax for the wrong structure, invalidValue for a wrong value
 */
export const readDraft = (type: ResourceType, body: JsonValue, rules: Rules): Draft =>
  finished(draftSteps(type, body, rules))

/** The same in steps: of a resource with many links there are several. */
export function* draftSteps(type: ResourceType, body: JsonValue, rules: Rules): Steps<Draft> {
  if (!isJsonObject(body)) {
    throw ScimError.of(
      'invalidSyntax',
      `the body is ${shown(body)}, expected a ${type.name} object`,
    )
  }
  const listed = readSchemas(type, body, rules)
  const base = new Map<string, JsonValue>()
  const extensions = new Map<Schema, JsonObject>()
  const links = new Map<Link, readonly string[]>()

  for (const [name, raw] of membersOf(type, body, rules)) {
    const key = name.toLowerCase()
    if (key === 'schemas') continue
    const attribute = type.attributes.get(key)
    if (!attribute) {
      if (raw !== null && !isLeftEmpty(raw, rules))
        requireAccepted(type, name, name, 'invalidValue', rules)
      readExtension(type, name, raw, extensions, rules)
      requireListed(type, name, raw, listed, rules)
      continue
    }
    if (attribute.mutability === 'readOnly') continue
    const link = type.links.find((candidate) => candidate.attribute === attribute)
    if (link) {
      links.set(link, yield* linkIdSteps(link, raw, attribute.name, rules))
      continue
    }
    const value = readValue(attribute, raw, attribute.name, rules)
    if (value !== undefined) base.set(attribute.name, value)
  }
  return { document: arrange(type, base, extensions), links }
}

/** Whether a name is the URN of the core schema, under which nothing stands in a resource. */
export const isCoreUrn = ({ schema }: ResourceType, name: string): boolean =>
  name.toLowerCase() === schema.id.toLowerCase()

/** @throws ScimError invalidSyntax where the core schema's URN holds no attributes */
export function requireContainer(at: string, rules: Rules): void {
  if (tolerated(rules, 'coreContainer')) return
  const detail = `${at}: found the core schema as a container, expected its attributes outside of it`
  throw ScimError.of('invalidSyntax', detail)
}

/** The members of a body, those that stand under the URN of the core schema among them. */
function membersOf(type: ResourceType, body: JsonObject, rules: Rules): [string, JsonValue][] {
  const members = Object.entries(body)
  const index = members.findIndex(([name]) => isCoreUrn(type, name))
  const [container, held] = members[index] ?? []
  if (container === undefined || held === undefined || held === null) return members
  requireContainer(container, rules)
  if (!isJsonObject(held)) {
    const detail = `${container}: found ${shown(held)}, expected an object of attributes`
    throw ScimError.of('invalidValue', detail)
  }
  const named = new Set(members.map(([name]) => name.toLowerCase()))
  const twice = Object.keys(held).find((name) => named.has(name.toLowerCase()))
  if (twice !== undefined) {
    const detail = `${container}.${twice}: found it outside of the container too, expected it once`
    throw ScimError.of('invalidSyntax', detail)
  }
  return members.toSpliced(index, 1, ...Object.entries(held))
}

/** An extension has to be listed in `schemas` (RFC 7643 section 3), where they are there at all. */
function requireListed(
  type: ResourceType,
  name: string,
  raw: JsonValue,
  listed: ReadonlySet<string> | undefined,
  rules: Rules,
): void {
  const lower = name.toLowerCase()
  if (!listed || listed.has(lower) || raw === null) return
  if (!type.extensions.some(({ schema }) => schema.id.toLowerCase() === lower)) return
  if (tolerated(rules, 'unlistedExtensions')) return
  const detail = `${name}: found data of an extension, expected its URN in "schemas"`
  throw ScimError.of('invalidSyntax', detail)
}

/** Whether a value is what a template leaves where it has none. */
export const isLeftEmpty = (raw: JsonValue, rules: Rules): boolean =>
  raw === '' && tolerated(rules, 'emptyStrings')

/**
 * Refuses a value for an attribute that the tenant does not have, rather than drop it as one that
 * nobody has: whoever sets a password has to hear that there is none.
 *
 * @param name as sent, with the URN of the base schema or without
 * @throws ScimError of this scimType; invalidSyntax where undefined attributes are refused
 */
export function requireAccepted(
  type: ResourceType,
  name: string,
  at: string,
  scimType: ScimType,
  { tolerances }: Rules,
): void {
  const lower = name.toLowerCase()
  const prefix = `${type.schema.id.toLowerCase()}:`
  const bare = lower.startsWith(prefix) ? lower.slice(prefix.length) : lower
  for (const refused of type.concealed.attributes) {
    if (refused.toLowerCase() !== bare) continue
    const detail = `${at}: this tenant takes no ${refused}`
    throw ScimError.of(tolerances.unknownAttributes ? scimType : 'invalidSyntax', detail)
  }
}

function readExtension(
  type: ResourceType,
  name: string,
  raw: JsonValue,
  extensions: Map<Schema, JsonObject>,
  rules: Rules,
): void {
  const found = type.extensions.find(({ schema }) => schema.id.toLowerCase() === name.toLowerCase())
  if (!found) {
    if (tolerated(rules, 'unknownAttributes')) return
    throw ScimError.of('invalidSyntax', `${name}: no schema of ${type.name} defines this attribute`)
  }
  const value = readExtensionObject(found.schema, raw, rules)
  if (value) extensions.set(found.schema, value)
}

/** Reads the object under an extension's URN, or undefined when nothing in it has a value. */
export function readExtensionObject(
  schema: Schema,
  raw: JsonValue,
  rules: Rules,
): JsonObject | undefined {
  if (raw === null) return undefined
  if (!isJsonObject(raw)) {
    throw ScimError.of('invalidValue', `${schema.id}: found ${shown(raw)}, expected an object`)
  }
  const values = new Map<string, JsonValue>()
  for (const [name, rawValue] of Object.entries(raw)) {
    const attribute = schema.byName.get(name.toLowerCase())
    if (!attribute) {
      if (tolerated(rules, 'unknownAttributes')) continue
      throw ScimError.of(
        'invalidSyntax',
        `${schema.id}:${name}: the schema defines no such attribute`,
      )
    }
    if (attribute.mutability === 'readOnly') continue
    const value = readValue(attribute, rawValue, `${schema.id}:${attribute.name}`, rules)
    if (value !== undefined) values.set(attribute.name, value)
  }
  return values.size === 0 ? undefined : inSchemaOrder(schema.attributes, values)
}

/**
 * `schemas` has to name the base schema; what else it may name is a matter of tolerance.
 *
 * @returns the URIs in lower case, or undefined where the body has none
 */
function readSchemas(
  type: ResourceType,
  body: JsonObject,
  rules: Rules,
): ReadonlySet<string> | undefined {
  const key = Object.keys(body).find((name) => name.toLowerCase() === 'schemas')
  const named = key === undefined ? undefined : body[key]
  const missing =
    named === undefined || named === null || (Array.isArray(named) && named.length === 0)
  if (missing) {
    if (tolerated(rules, 'missingSchemas')) return undefined
    throw ScimError.of('invalidSyntax', `schemas: found nothing, expected ["${type.schema.id}"]`)
  }
  if (!Array.isArray(named)) {
    throw ScimError.of('invalidSyntax', `schemas: found ${quoted(named)}, expected a list of URIs`)
  }
  if (named.length > VALUES_COUNT_MAX) {
    const detail = `schemas: found ${named.length} URIs, expected at most ${VALUES_COUNT_MAX}`
    throw ScimError.of('invalidSyntax', detail)
  }
  const base = type.schema.id.toLowerCase()
  const known = new Set([base, ...type.extensions.map(({ schema }) => schema.id.toLowerCase())])
  const lower = named.map((uri) => (typeof uri === 'string' ? uri.toLowerCase() : ''))
  if (!lower.includes(base)) {
    throw ScimError.of(
      'invalidSyntax',
      `schemas: found ${quoted(named)}, expected "${type.schema.id}" among them`,
    )
  }
  const foreign = lower.findIndex((uri) => !known.has(uri))
  if (foreign < 0 || tolerated(rules, 'unknownSchemas')) return new Set(lower)
  throw ScimError.of(
    'invalidSyntax',
    `schemas: ${quoted(named[foreign] ?? null)} is no schema of ${type.name}`,
  )
}

/**
 * The ids that a link attribute's value names, each once. An element is an object with `value`, or
 * with a `$ref` that ends in the id; what else it says is derived by the server and dropped.
 */
export function* linkIdSteps(
  link: Link,
  raw: JsonValue,
  at: string,
  rules: Rules,
): Steps<readonly string[]> {
  const ids = new Set<string>()
  let index = 0
  for (const element of elementsOf(link.attribute, raw, at, rules)) {
    if (element !== null || !tolerated(rules, 'nullElements'))
      ids.add(readLinkId(element, at, index, rules))
    if (++index % LINKS_PER_STEP === 0) yield
  }
  if (ids.size === 0 && index > 0)
    throw ScimError.of(
      'invalidValue',
      `${at}: found ${shown(raw, link.attribute)}, expected ids, or [] for none`,
    )
  return [...ids]
}

const LINKS_PER_STEP = 1000

function readLinkId(element: JsonValue, list: string, index: number, rules: Rules): string {
  if (!isJsonObject(element) && !tolerated(rules, 'stringForComplex')) {
    const detail = `${list}[${index}]: found ${shown(element)}, expected an object with "value"`
    throw ScimError.of('invalidValue', detail)
  }
  const id = isJsonObject(element) ? memberOf(element, 'value') : element
  const named = id ?? (isJsonObject(element) ? idInReference(memberOf(element, '$ref')) : undefined)
  if (typeof named !== 'string' || named === '' || named.length > ID_LENGTH_MAX) {
    const expected = `the id of a resource, of 1 to ${ID_LENGTH_MAX} characters`
    const at = `${list}[${index}].value`
    throw ScimError.of('invalidValue', `${at}: found ${shown(named)}, expected ${expected}`)
  }
  return named
}

/**
 * Arranges values in the order of the schemas, with `schemas` naming those that are in use
 * (RFC 7643 section 3): equal resources have equal text.
 */
export function arrange(
  type: ResourceType,
  base: ReadonlyMap<string, JsonValue>,
  extensions: ReadonlyMap<Schema, JsonObject>,
): Document {
  const inUse = type.extensions
    .map(({ schema }) => schema)
    .filter((schema) => extensions.has(schema))
  const document: Document = {
    schemas: [type.schema.id, ...inUse.map((schema) => schema.id)],
    ...inSchemaOrder(type.attributes.values(), base),
  }
  for (const schema of inUse) document[schema.id] = extensions.get(schema) as JsonObject
  return document
}

/** Names under which a document holds what its type does not know, or the tenant does not see. */
const concealedIn = (type: ResourceType, document: Document): readonly string[] =>
  Object.keys(document).filter(
    (name) =>
      name !== 'schemas' &&
      !type.attributes.has(name.toLowerCase()) &&
      !type.extensions.some(({ schema }) => schema.id === name),
  )

/** A document with what another one holds out of sight. */
export function withConcealed(type: ResourceType, document: Document, from: Document): Document {
  const hidden = concealedIn(type, from).filter((name) => from[name] !== undefined)
  if (hidden.length === 0) return document
  return {
    ...document,
    ...Object.fromEntries(hidden.map((name) => [name, from[name] as JsonValue])),
  }
}

/**
 * A stored document as the type has it at present: an extension that came back into view takes its
 * place again, and what went out of view comes last and is not among `schemas`.
 */
export function withExtensionsInView(type: ResourceType, document: Document): Document {
  const { schemas, ...held } = document
  const known = type.extensions.map(({ schema }) => schema.id)
  const shown = knownPart(type, held)
  const inUse = known.filter((id) => shown[id] !== undefined)
  const moved = new Set([...known, ...concealedIn(type, held)])
  const listed = Array.isArray(schemas) ? schemas.filter((uri) => !moved.has(String(uri))) : []
  const next: Document = { schemas: [...listed, ...inUse] }
  for (const [name, value] of Object.entries(held)) if (!moved.has(name)) next[name] = value
  for (const id of known) if (held[id] !== undefined) next[id] = held[id]
  return withConcealed(type, next, held)
}

/** The same document arranged anew, after a PATCH has changed it in place. */
export function rearrange(type: ResourceType, document: Document): Document {
  const base = new Map<string, JsonValue>()
  for (const attribute of type.attributes.values()) {
    if (attribute.name === 'schemas') continue
    const value = ordered(attribute, document[attribute.name])
    if (isAssigned(value)) base.set(attribute.name, value)
  }
  const extensions = new Map<Schema, JsonObject>()
  for (const { schema } of type.extensions) {
    const held = document[schema.id]
    if (!isJsonObject(held)) continue
    const values = new Map<string, JsonValue>()
    for (const attribute of schema.attributes) {
      const value = ordered(attribute, held[attribute.name])
      if (isAssigned(value)) values.set(attribute.name, value)
    }
    if (values.size > 0) extensions.set(schema, inSchemaOrder(schema.attributes, values))
  }
  const arranged = withConcealed(type, arrange(type, base, extensions), document)
  for (const { schema } of type.extensions) {
    const unknown = unknownIn(schema.byName, document[schema.id])
    if (!isAssigned(unknown)) continue
    const held = arranged[schema.id]
    arranged[schema.id] = { ...(isJsonObject(held) ? held : {}), ...unknown }
  }
  return arranged
}

/** A value with its members in order, and without the shells that a PATCH has left in its list. */
function ordered(attribute: Attribute, value: JsonValue | undefined): JsonValue | undefined {
  const inOrder = (object: JsonObject): JsonObject => ({
    ...inSchemaOrder(attribute.subAttributes, new Map(Object.entries(object))),
    ...unknownIn(attribute.subs, object),
  })
  if (isJsonObject(value)) return inOrder(value)
  if (!Array.isArray(value)) return value
  return value
    .filter((element) => !isShell(attribute, element))
    .map((element) => (isJsonObject(element) ? inOrder(element) : element))
}

/** RFC 7643 section 2.5: null, an empty list and an object without members are all unassigned. */
export function isAssigned(value: JsonValue | undefined): value is JsonValue {
  if (value === undefined || value === null) return false
  if (Array.isArray(value)) return value.length > 0
  return typeof value !== 'object' || Object.keys(value).length > 0
}
