/** Turns `attributes` and `excludedAttributes` into what an answer shows. RFC 7644 section 3.9. */

import { ScimError } from './error.ts'
import type { JsonValue } from './json.ts'
import { PROJECTION_LENGTH_MAX } from './limits.ts'
import type { ResourceType } from './registry.ts'
import type { Attribute } from './schema.ts'
import { isJsonObject, type JsonObject } from './value.ts'

/**
 * What is shown of one attribute: nothing, all of it, or the sub-attributes of these lower-case
 * names.
 */
export type Shown = false | true | ReadonlySet<string>

export interface Projection {
  /** True when nothing was asked for: the answer is the stored text as it is. */
  readonly isDefault: boolean
  /** What to show of an attribute of the base schema, or of an extension. */
  shown(attribute: Attribute, extension: string | undefined): Shown
}

export interface ProjectionRequest {
  readonly attributes: readonly string[]
  readonly excludedAttributes: readonly string[]
}

/** Splits a comma-separated parameter; an empty one asks for nothing. */
export function namesIn(parameters: readonly string[]): string[] {
  const length = parameters.reduce((sum, parameter) => sum + parameter.length, 0)
  if (length > PROJECTION_LENGTH_MAX) {
    const detail = `attributes: found ${length} characters, expected at most ${PROJECTION_LENGTH_MAX}`
    throw ScimError.of('invalidValue', detail)
  }
  return parameters
    .flatMap((parameter) => parameter.split(','))
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

/** Names that are asked for or excluded: whole attributes, sub-attributes, whole extensions. */
interface Named {
  readonly extensions: Set<string>
  readonly attributes: Set<string>
  /** Lower-case names of sub-attributes that are named themselves, by their attribute. */
  readonly subs: Map<string, Set<string>>
}

/**
 * Reads the two parameters for one resource type. Names that no schema defines are ignored.
 *
 * @throws ScimError invalidValue when both are given: they exclude each other
 */
export function readProjection(type: ResourceType, request: ProjectionRequest): Projection {
  const { attributes, excludedAttributes } = request
  if (attributes.length > 0 && excludedAttributes.length > 0) {
    throw ScimError.of(
      'invalidValue',
      'attributes and excludedAttributes exclude each other; send one of them',
    )
  }
  const only = attributes.length > 0 ? namedIn(type, attributes) : undefined
  const without = excludedAttributes.length > 0 ? namedIn(type, excludedAttributes) : undefined
  const isDefault = !only && !without
  return { isDefault, shown }

  function shown(attribute: Attribute, extension: string | undefined): Shown {
    const { returned } = attribute
    if (returned === 'never') return false
    const key = keyOf(attribute, extension)
    if (only) {
      const subs = only.subs.get(key)
      const isWhole =
        returned === 'always' || only.extensions.has(extension ?? '') || only.attributes.has(key)
      if (isWhole) return subs ? withDefaultSubs(attribute, subs) : true
      return subs ?? (returned === 'request' ? false : alwaysSubs(attribute))
    }
    if (returned === 'always') return true
    if (returned === 'request') return false
    if (!without) return true
    if (without.extensions.has(extension ?? '') || without.attributes.has(key))
      return alwaysSubs(attribute)
    const excluded = without.subs.get(key)
    return excluded === undefined ? true : remaining(attribute, excluded)
  }
}

const keyOf = (attribute: Attribute, extension: string | undefined): string =>
  `${extension ?? ''}:${attribute.name}`

/** Sub-attributes with returned "always" stay whatever is asked for. */
function alwaysSubs(attribute: Attribute): Shown {
  const always = attribute.subAttributes.filter((sub) => sub.returned === 'always')
  return always.length === 0 ? false : new Set(always.map((sub) => sub.name.toLowerCase()))
}

/** A whole attribute, and those of its sub-attributes that are shown only where they are named. */
const withDefaultSubs = (attribute: Attribute, named: ReadonlySet<string>): ReadonlySet<string> =>
  new Set([...remaining(attribute, new Set()), ...named])

function remaining(attribute: Attribute, excluded: ReadonlySet<string>): ReadonlySet<string> {
  const subs = attribute.subAttributes.filter(
    (sub) =>
      sub.returned === 'always' ||
      (sub.returned === 'default' && !excluded.has(sub.name.toLowerCase())),
  )
  return new Set(subs.map((sub) => sub.name.toLowerCase()))
}

function namedIn(type: ResourceType, names: readonly string[]): Named {
  const named: Named = { extensions: new Set(), attributes: new Set(), subs: new Map() }
  for (const name of names) {
    const path = type.resolve(name)
    if (!path) continue
    if (path.kind === 'extension') {
      named.extensions.add(path.extension.id)
      continue
    }
    const key = keyOf(path.attribute, path.extension?.id)
    if (!path.sub) named.attributes.add(key)
    else named.subs.set(key, (named.subs.get(key) ?? new Set()).add(path.sub.name.toLowerCase()))
  }
  return named
}

/**
 * Whether the default answer of this type is its stored text as it is: no attribute below the top
 * level is kept back, and none is shown only on request.
 */
export function isPlain(type: ResourceType): boolean {
  const open = (attribute: Attribute): boolean =>
    (attribute.returned === 'default' || attribute.returned === 'always') &&
    attribute.subAttributes.every(open)
  return (
    [...type.attributes.values()].every(
      (attribute) => attribute.returned === 'never' || open(attribute),
    ) && type.extensions.every(({ schema }) => schema.attributes.every(open))
  )
}

/** The shown part of a resource that holds everything but links. */
export function project(
  type: ResourceType,
  resource: JsonObject,
  projection: Projection,
): JsonObject {
  const answer: JsonObject = {}
  for (const [name, value] of Object.entries(resource)) {
    const attribute = type.attributes.get(name.toLowerCase())
    if (attribute) {
      const part = projectValue(attribute, value, projection.shown(attribute, undefined))
      if (part !== undefined) answer[name] = part
      continue
    }
    const extension = type.extensions.find(({ schema }) => schema.id === name)?.schema
    if (!extension || !isJsonObject(value)) continue
    const held: JsonObject = {}
    for (const [key, sub] of Object.entries(value)) {
      const member = extension.byName.get(key.toLowerCase())
      const part = member && projectValue(member, sub, projection.shown(member, extension.id))
      if (part !== undefined) held[key] = part
    }
    if (Object.keys(held).length > 0) answer[name] = held
  }
  return answer
}

/** The shown part of one attribute's value, or undefined when nothing of it is shown. */
export function projectValue(
  attribute: Attribute,
  value: JsonValue,
  shown: Shown,
): JsonValue | undefined {
  if (shown === false) return undefined
  if (attribute.subAttributes.length === 0) return value
  if (Array.isArray(value)) {
    const elements = value.flatMap((element) => projectValue(attribute, element, shown) ?? [])
    return elements.length > 0 ? elements : undefined
  }
  if (!isJsonObject(value)) return value
  const part: JsonObject = {}
  for (const [name, held] of Object.entries(value)) {
    const sub = attribute.subs.get(name.toLowerCase())
    if (!sub || sub.returned === 'never') continue
    const wanted = shown === true ? sub.returned !== 'request' : shown.has(name.toLowerCase())
    if (wanted || sub.returned === 'always') part[name] = held
  }
  return Object.keys(part).length > 0 ? part : undefined
}
