/** Compiles a resource type's schemas into one check, and explains what the check refused. */

import { FormatRegistry, type TSchema, Type } from '@sinclair/typebox'
import { type TypeCheck, TypeCompiler, type ValueError } from '@sinclair/typebox/compiler'
import { ScimError } from './error.ts'
import { FORMATS, type Format } from './format.ts'
import { instantOf } from './instant.ts'
import { STRING_LENGTH_MAX, UNIQUE_LENGTH_MAX, VALUES_COUNT_MAX } from './limits.ts'
import { disallowedIn } from './precis.ts'
import type { ResourceType } from './registry.ts'
import { concealedIn, type Document } from './resource.ts'
import type { Attribute, Schema } from './schema.ts'
import { isJsonObject, shown } from './value.ts'

const BASE64 =
  /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3})?$|^(?:[A-Za-z0-9+/]{4})*[A-Za-z0-9+/]{2}(?:==|[A-Za-z0-9+/]=)$/

FormatRegistry.Set('scim-dateTime', (text) => instantOf(text) !== undefined)
// RFC 7643 section 2.3.6: base64 of RFC 4648 section 4; the padding may be left out.
FormatRegistry.Set('scim-binary', (text) => BASE64.test(text))
FormatRegistry.Set('scim-identifier', (text) => disallowedIn(text) === undefined)
for (const [name, { matches }] of Object.entries(FORMATS))
  FormatRegistry.Set(`scim-${name}`, matches)

/** What a value of each simple type has to be, as a message says it. */
const EXPECTED: Record<Attribute['type'], string> = {
  string: 'a string',
  boolean: 'true or false',
  decimal: 'a number',
  integer: `a whole number of at most ${Number.MAX_SAFE_INTEGER}`,
  dateTime: 'a dateTime such as 2026-01-31T09:30:00Z',
  reference: 'a URI as a string',
  binary: 'base64 as a string',
  complex: 'an object',
}

/** What a name to sign in with is made of: RFC 8265, as far as it is asked for. */
const IDENTIFIER = 'characters that are assigned and seen where they stand, no space at either end'

/** The compiled checks of every resource type, made once at the start. */
export type Checks = ReadonlyMap<ResourceType, TypeCheck<TSchema>>

/** @param formats whether the forms of a type's `formats`, and those of URIs, are checked */
export const compileChecks = (types: readonly ResourceType[], formats = false): Checks =>
  new Map(
    types.map((type) => {
      const formatOf = formats ? formatIn(type) : () => undefined
      return [type, TypeCompiler.Compile(documentSchema(type, formatOf))]
    }),
  )

type FormatOf = (attribute: Attribute) => Format | undefined

/** Section 2.3.7: a reference is a URI, absolute or relative. */
const formatIn =
  (type: ResourceType): FormatOf =>
  (attribute) =>
    type.formats.get(attribute) ?? (attribute.type === 'reference' ? 'uri' : undefined)

/**
 * Refuses a document that its schemas do not allow: a required attribute is missing, a value has
 * the wrong type or is too long, or more than one element is primary. RFC 7643 sections 2.3, 2.4,
 * 7.
 *
 * @throws ScimError invalidValue with the attribute path, what was found and what was expected
 */
export function requireValid(checks: Checks, type: ResourceType, document: Document): void {
  const fault = faultOf(checks, type, document)
  if (fault !== undefined) throw ScimError.of('invalidValue', fault)
}

/** Whether types, lengths and forms of a document's values are as the checks want them. */
export const isValid = (checks: Checks, type: ResourceType, document: Document): boolean =>
  checks.get(type)?.Check(document) === true

/** What is wrong with a document, or undefined. The slow path runs only when something is. */
export function faultOf(
  checks: Checks,
  type: ResourceType,
  document: Document,
): string | undefined {
  const check = checks.get(type)
  if (!check) throw new Error(`no check was compiled for ${type.name}`)
  if (!check.Check(document)) {
    const [error] = check.Errors(document)
    return error ? explain(type, document, error) : `the ${type.name} is not valid`
  }
  return (
    primaryFault(type.attributes.values(), document, '') ?? extensionPrimaryFault(type, document)
  )
}

function documentSchema(type: ResourceType, formatOf: FormatOf): TSchema {
  const own = [...type.attributes.values()].filter((a) => !isKeptElsewhere(type, a))
  const properties: Record<string, TSchema> = {
    schemas: Type.Array(Type.String()),
    ...propertiesOf(own, formatOf),
  }
  for (const { schema, required } of type.extensions) {
    const held = propertiesOf(schema.attributes, formatOf)
    const object = Type.Object(held, { additionalProperties: false })
    properties[schema.id] = required ? object : Type.Optional(object)
  }
  for (const name of concealedIn(type)) properties[name] = Type.Optional(Type.Unknown())
  return Type.Object(properties, { additionalProperties: false })
}

const isKeptElsewhere = (type: ResourceType, attribute: Attribute): boolean =>
  attribute.name === 'schemas' || type.links.some((link) => link.attribute === attribute)

function propertiesOf(
  attributes: readonly Attribute[],
  formatOf: FormatOf,
): Record<string, TSchema> {
  const properties: Record<string, TSchema> = {}
  for (const attribute of attributes) {
    if (attribute.mutability === 'readOnly') continue
    const single = valueSchema(attribute, formatOf)
    const schema = attribute.multiValued
      ? Type.Array(single, { minItems: 1, maxItems: VALUES_COUNT_MAX })
      : single
    properties[attribute.name] = attribute.required ? schema : Type.Optional(schema)
  }
  return properties
}

function valueSchema(attribute: Attribute, formatOf: FormatOf): TSchema {
  const format = formatOf(attribute)
  switch (attribute.type) {
    case 'boolean':
      return Type.Boolean()
    case 'decimal':
      return Type.Number()
    case 'integer':
      // A double holds no others exactly, and writes large ones with an exponent (section 2.3.4).
      return Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER })
    case 'dateTime':
      return Type.String({ format: 'scim-dateTime' })
    case 'binary':
      return Type.String({
        format: `scim-${format ?? 'binary'}`,
        maxLength: STRING_LENGTH_MAX,
      })
    case 'complex':
      return Type.Object(propertiesOf(attribute.subAttributes, formatOf), {
        additionalProperties: false,
      })
    default: {
      const form = format ?? (isIdentifier(attribute) ? 'identifier' : undefined)
      return Type.String({
        maxLength: lengthMaxOf(attribute),
        ...(form === undefined ? {} : { format: `scim-${form}` }),
        ...(attribute.required ? { minLength: 1 } : {}),
      })
    }
  }
}

/** RFC 7644 section 5: names that are compared without case are prepared as PRECIS says. */
const isIdentifier = ({ type, uniqueness, caseExact }: Attribute): boolean =>
  type === 'string' && uniqueness === 'server' && !caseExact

const lengthMaxOf = (attribute: Attribute): number =>
  attribute.uniqueness === 'server' ? UNIQUE_LENGTH_MAX : STRING_LENGTH_MAX

/** At most one element is primary: RFC 7643 section 2.4. */
function primaryFault(
  attributes: Iterable<Attribute>,
  values: Document,
  prefix: string,
): string | undefined {
  for (const attribute of attributes) {
    if (!attribute.multiValued || !attribute.subs.has('primary')) continue
    const elements = values[attribute.name]
    if (!Array.isArray(elements)) continue
    const count = elements.filter((e) => isJsonObject(e) && e['primary'] === true).length
    if (count > 1) {
      return `${prefix}${attribute.name}: found ${count} elements with primary true, expected at most one`
    }
  }
  return undefined
}

function extensionPrimaryFault(type: ResourceType, document: Document): string | undefined {
  for (const { schema } of type.extensions) {
    const values = document[schema.id]
    const fault = isJsonObject(values)
      ? primaryFault(schema.attributes, values, `${schema.id}:`)
      : undefined
    if (fault) return fault
  }
  return undefined
}

/** Says where and why, in the words of the schema rather than of the checker. */
function explain(type: ResourceType, document: Document, error: ValueError): string {
  const segments = error.path.split('/').slice(1).map(unescapePointer)
  let value: unknown = document
  let attribute: Attribute | undefined
  let names: ReadonlyMap<string, Attribute> = type.attributes
  let path = ''
  for (const segment of segments) {
    const extension: Schema | undefined = type.extensions.find(
      ({ schema }) => schema.id === segment,
    )?.schema
    if (Array.isArray(value)) path += `[${segment}]`
    else path += path === '' ? segment : `${path.endsWith(':') ? '' : '.'}${segment}`
    if (extension && path === segment) {
      names = extension.byName
      path += ':'
    } else if (!Array.isArray(value)) {
      attribute = names.get(segment.toLowerCase())
      names = attribute?.subs ?? new Map()
    }
    value = typeof value === 'object' && value !== null ? Reflect.get(value, segment) : undefined
  }
  const at = path.replace(/:$/, '')
  if (!attribute) {
    return value === undefined
      ? `${at}: found nothing, expected this required extension`
      : `${at}: ${error.message}`
  }
  if (Array.isArray(value) && value.length > VALUES_COUNT_MAX) {
    return `${at}: found ${value.length} values, expected at most ${VALUES_COUNT_MAX}`
  }
  if (typeof value === 'string' && value.length > lengthMaxOf(attribute)) {
    return `${at}: found ${value.length} characters, expected at most ${lengthMaxOf(attribute)}`
  }
  if (typeof value === 'string' && isIdentifier(attribute)) {
    const disallowed = disallowedIn(value)
    if (disallowed !== undefined) return `${at}: found ${disallowed}, expected ${IDENTIFIER}`
  }
  const found = value === '' ? 'an empty string' : shown(value as never, attribute)
  const isWhole = attribute.multiValued && !/\]$/.test(at)
  const needs = isWhole ? 'a list of at least one' : expectedOf(type, attribute, value, error)
  return `${at}: found ${found}, expected ${needs}${attribute.required ? ', as the attribute is required' : ''}`
}

/** What the check asked for: the form of the attribute, where it knows one, or its type. */
function expectedOf(
  type: ResourceType,
  attribute: Attribute,
  value: unknown,
  { schema }: ValueError,
): string {
  const format = formatIn(type)(attribute)
  if (value === '' && attribute.type === 'string') return 'one that is not empty'
  const isForm = typeof value === 'string' && schema['format'] === `scim-${format}`
  return isForm && format ? FORMATS[format].expected : EXPECTED[attribute.type]
}

const unescapePointer = (segment: string): string =>
  segment.replaceAll('~1', '/').replaceAll('~0', '~')
