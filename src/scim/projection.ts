/** Turns `attributes` and `excludedAttributes` into what an answer shows. RFC 7644 section 3.9. */

import { ScimError } from './error.ts'
import type { JsonValue } from './json.ts'
import { PROJECTION_LENGTH_MAX } from './limits.ts'
import type { ResourceType } from './registry.ts'
import type { Attribute } from './schema.ts'
import { isJsonObject, type JsonObject, memberOf } from './value.ts'

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
  return only || without ? { isDefault: false, shown } : WHOLE

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
    if (!without || returned === 'always' || returned === 'request')
      return WHOLE.shown(attribute, extension)
    if (without.extensions.has(extension ?? '') || without.attributes.has(key))
      return alwaysSubs(attribute)
    const excluded = without.subs.get(key)
    return excluded === undefined ? true : remaining(attribute, excluded)
  }
}

/** What is shown of any type when nothing is asked for. */
export const WHOLE: Projection = {
  isDefault: true,
  shown: ({ returned }) => returned === 'always' || returned === 'default',
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
  const known = plainTypes.get(type)
  if (known !== undefined) return known
  const open = (attribute: Attribute): boolean =>
    (attribute.returned === 'default' || attribute.returned === 'always') &&
    attribute.subAttributes.every(open)
  const answer =
    [...type.attributes.values()].every(
      (attribute) => attribute.returned === 'never' || open(attribute),
    ) && type.extensions.every(({ schema }) => schema.attributes.every(open))
  plainTypes.set(type, answer)
  return answer
}

/** Asked with every answer, and always the same for a type. */
const plainTypes = new WeakMap<ResourceType, boolean>()

/**
 * The projection of an answer to a write: beside what is shown by default, what is returned on
 * request and named by this very body. Who asks for attributes gets these and no others. RFC 7643
 * section 7, "returned".
 *
 * @param body which was carried out, so its structure is known
 */
export function projectionOfWrite(
  type: ResourceType,
  projection: Projection,
  method: 'POST' | 'PUT' | 'PATCH',
  body: JsonValue,
): Projection {
  if (!projection.isDefault || isPlain(type) || !isJsonObject(body)) return projection
  const operations = method === 'PATCH' ? memberOf(body, 'operations') : [{ value: body }]
  const requested: Requested = new Map()
  for (const operation of Array.isArray(operations) ? operations : []) {
    if (!isJsonObject(operation)) continue
    const path = memberOf(operation, 'path')
    const value = memberOf(operation, 'value')
    addRequested(requested, type, typeof path === 'string' ? path : '', value)
  }
  return {
    isDefault: true,
    shown(attribute, extension) {
      const subs = requested.get(keyOf(attribute, extension))
      const shown = projection.shown(attribute, extension)
      if (!subs || attribute.returned === 'never') return shown
      return new Set([...remaining(attribute, new Set()), ...subs])
    },
  }
}

/** Attributes with something returned on request that a body names, and which sub-attributes. */
type Requested = Map<string, Set<string>>

/** Adds what a path names, or what the value that goes there does. */
function addRequested(
  requested: Requested,
  type: ResourceType,
  path: string,
  value: JsonValue | undefined,
): void {
  const target = path === '' ? undefined : type.resolve(path.replace(/\[.*\]/s, ''))
  if (path === '' || target?.kind === 'extension') {
    const prefix = target?.kind === 'extension' ? `${target.extension.id}:` : ''
    for (const [name, held] of isJsonObject(value) ? Object.entries(value) : [])
      if (name !== '') addRequested(requested, type, `${prefix}${name}`, held)
    return
  }
  if (!target) return
  const { attribute, sub, extension } = target
  const elements = (Array.isArray(value) ? value : [value]).filter(isJsonObject)
  const isNamed = (name: string) =>
    sub ? sub.name === name : elements.some((element) => memberOf(element, name) !== undefined)
  const subs = attribute.subAttributes
    .filter(({ name, returned }) => returned === 'request' && isNamed(name))
    .map(({ name }) => name.toLowerCase())
  if (attribute.returned !== 'request' && subs.length === 0) return
  const key = keyOf(attribute, extension?.id)
  requested.set(key, new Set([...(requested.get(key) ?? []), ...subs]))
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
