/**
 * A resource type and a User extension that have every attribute type with every characteristic,
 * and what may be sent about them.
 */

import fc from 'fast-check'
import enterpriseUser from '../../schemas/EnterpriseUser.json'
import group from '../../schemas/Group.json'
import groupType from '../../schemas/resource-types/Group.json'
import userType from '../../schemas/resource-types/User.json'
import user from '../../schemas/User.json'
import type { JsonValue } from '../../src/scim/json.ts'
import { buildRegistry, type ResourceType } from '../../src/scim/registry.ts'
import { ATTRIBUTE_TYPES, type Attribute } from '../../src/scim/schema.ts'
import { isReference, type JsonObject } from '../../src/scim/value.ts'
import { schemasDirectory } from '../http/schema-files.ts'
import { anyCase, anyValue, attribute, filterWithin, fittingValue, pathsOf } from '../scim/given.ts'

export const GADGET = 'urn:example:property:2.0:Gadget'
export const GADGET_EXTRA = 'urn:example:property:2.0:Gadget:Extra'
export const BADGE = 'urn:example:property:2.0:Badge'

const SIMPLE = ATTRIBUTE_TYPES.filter((type) => type !== 'complex')
const RETURNED = ['always', 'never', 'default', 'request'] as const

/** Every pair of mutability and returned that a schema may have: writeOnly is never returned. */
const ACCESSES = [
  ...(['readOnly', 'readWrite', 'immutable'] as const).flatMap((mutability) =>
    RETURNED.map((returned) => ({ mutability, returned })),
  ),
  { mutability: 'writeOnly', returned: 'never' } as const,
]

const capital = (word: string) => word[0]?.toUpperCase() + word.slice(1)

/** Such as stringImmutableAlways: each simple type with each mutability and returned. */
const everySimple = (more: object = {}, suffix = '') =>
  SIMPLE.flatMap((type) =>
    ACCESSES.map((access) =>
      attribute(`${type}${capital(access.mutability)}${capital(access.returned)}${suffix}`, type, {
        ...access,
        ...more,
      }),
    ),
  )

const SMALL_SUBS = [
  attribute('value', 'string'),
  attribute('type', 'string', { canonicalValues: ['work', 'home'] }),
  attribute('primary', 'boolean'),
  attribute('count', 'integer'),
  attribute('kept', 'string', { returned: 'always' }),
  attribute('asked', 'string', { returned: 'request' }),
]
const SECRET_SUB = attribute('hush', 'string', { returned: 'never', mutability: 'writeOnly' })

const everyComplex = (multiValued: boolean) =>
  ACCESSES.map((access) =>
    attribute(
      `box${capital(access.mutability)}${capital(access.returned)}${multiValued ? 'List' : ''}`,
      'complex',
      {
        ...access,
        multiValued,
        subAttributes: multiValued ? SMALL_SUBS : [...SMALL_SUBS, SECRET_SUB],
      },
    ),
  )

const NEEDED = SIMPLE.map((type) => attribute(`need${capital(type)}`, type, { required: true }))

const REFERENCE_SUBS = [
  attribute('value', 'string', { caseExact: true }),
  attribute('$ref', 'reference', { referenceTypes: ['User', 'Group', 'Gadget'] }),
  attribute('display', 'string', { mutability: 'readOnly' }),
  attribute('type', 'string'),
  attribute('primary', 'boolean'),
]

const LINK_SUBS = (...referenceTypes: string[]) => [
  attribute('value', 'string', { caseExact: true, mutability: 'immutable' }),
  attribute('$ref', 'reference', { referenceTypes, mutability: 'immutable' }),
  attribute('type', 'string', { mutability: 'immutable' }),
  attribute('display', 'string', { mutability: 'immutable' }),
]

const everyAttribute = () => [
  ...everySimple(),
  ...everySimple({ multiValued: true }, 'List'),
  ...everyComplex(false),
  ...everyComplex(true),
  attribute('box', 'complex', { subAttributes: [...SMALL_SUBS, SECRET_SUB, ...everySimple()] }),
  attribute('boxes', 'complex', {
    multiValued: true,
    subAttributes: [
      ...SMALL_SUBS,
      SECRET_SUB,
      ...everySimple(),
      attribute('labels', 'string', { multiValued: true }),
    ],
  }),
  attribute('full', 'complex', { subAttributes: NEEDED }),
  attribute('fulls', 'complex', { multiValued: true, subAttributes: NEEDED }),
  attribute('exact', 'string', { caseExact: true }),
  attribute('kind', 'string', { canonicalValues: ['small', 'large'] }),
  attribute('parent', 'reference', { referenceTypes: ['Gadget', 'User'] }),
  attribute('keeper', 'complex', { subAttributes: REFERENCE_SUBS }),
  attribute('keepers', 'complex', { multiValued: true, subAttributes: REFERENCE_SUBS }),
]

const UNIQUE = [
  attribute('uniqueExact', 'string', { uniqueness: 'server', caseExact: true }),
  attribute('uniqueText', 'string', { uniqueness: 'server' }),
  attribute('uniqueNumber', 'integer', { uniqueness: 'server' }),
  attribute('uniqueMoment', 'dateTime', { uniqueness: 'server' }),
  attribute('uniqueAddress', 'reference', { uniqueness: 'server', referenceTypes: ['uri'] }),
]

const GADGET_SCHEMA = {
  id: GADGET,
  name: 'Gadget',
  attributes: [
    attribute('code', 'string', { required: true, uniqueness: 'server', caseExact: true }),
    ...NEEDED,
    attribute('needList', 'string', { required: true, multiValued: true }),
    ...everyAttribute(),
    ...UNIQUE,
    attribute('crew', 'complex', { multiValued: true, subAttributes: LINK_SUBS('User') }),
    attribute('next', 'complex', { multiValued: true, subAttributes: LINK_SUBS('Gadget') }),
    attribute('previous', 'complex', {
      multiValued: true,
      mutability: 'readOnly',
      subAttributes: LINK_SUBS('Gadget'),
    }),
  ],
}

const extension = (id: string, name: string, more: readonly object[] = []) => ({
  id,
  name,
  attributes: [...more, ...everyAttribute()],
})

const GADGET_TYPE = {
  name: 'Gadget',
  endpoint: '/Gadgets',
  schema: GADGET,
  schemaExtensions: [{ schema: GADGET_EXTRA, required: false }],
  display: ['code'],
  indexed: [
    'stringReadWriteDefault',
    'integerReadWriteDefault',
    'decimalReadWriteDefaultList',
    'dateTimeReadWriteDefault',
    'booleanReadWriteDefault',
    'boxes.value',
    `${GADGET_EXTRA}:exact`,
  ],
  links: [{ attribute: 'crew' }, { attribute: 'next', reverse: { Gadget: 'previous' } }],
  defaults: { kind: 'small' },
}

const USER_TYPE = {
  ...userType,
  schemaExtensions: [...userType.schemaExtensions, { schema: BADGE, required: false }],
}

const EXTRA_SCHEMA = extension(GADGET_EXTRA, 'GadgetExtra')
const BADGE_SCHEMA = extension(BADGE, 'Badge', [
  attribute('number', 'string', { required: true, uniqueness: 'server' }),
])

/** The files of this world, for --schemas. */
export const worldDirectory = (): string =>
  schemasDirectory({
    'Gadget.json': GADGET_SCHEMA,
    'GadgetExtra.json': EXTRA_SCHEMA,
    'Badge.json': BADGE_SCHEMA,
    'resource-types/Gadget.json': GADGET_TYPE,
    'resource-types/User.json': USER_TYPE,
  })

export const WORLD = buildRegistry(
  [user, group, enterpriseUser, GADGET_SCHEMA, EXTRA_SCHEMA, BADGE_SCHEMA].map((json) => ({
    file: `${json.name}.json`,
    json,
  })),
  [USER_TYPE, groupType, GADGET_TYPE].map((json) => ({ file: `types/${json.name}.json`, json })),
)

/** A number that looks random in a name, so that unique values seldom meet and sometimes do. */
const UNIQUE_COUNT = 100_000

/** A value that the attribute allows; one that has to be unique seldom meets another. */
function suitable(attribute: Attribute): fc.Arbitrary<JsonValue> {
  const isName = attribute.name === 'displayName' || attribute.name === 'externalId'
  if (attribute.uniqueness !== 'server' && !isName) return fittingValue(attribute)
  const number = fc.nat(UNIQUE_COUNT)
  if (attribute.type === 'integer') return number
  if (attribute.type === 'dateTime') return number.map((n) => new Date(n * 1e7).toISOString())
  return fc.tuple(number, fc.constantFrom('n', 'N')).map(([n, letter]) => `${letter}${n}`)
}

/** Hashing takes longer than all else that is tested here, and has its own tests. */
const isSent = ({ name }: Attribute) => name !== 'password' && name !== 'schemas'

const attributesOf = (type: ResourceType): Attribute[] =>
  [...type.attributes.values()].filter(isSent)

/** An empty list is no value, and what is required has to have one. */
const assigned = (value: JsonValue): JsonValue =>
  Array.isArray(value) && value.length === 0 ? ['x'] : value

/** Values for what is required, and for some of the rest. */
function someOf(
  attributes: readonly Attribute[],
  value: (attribute: Attribute) => fc.Arbitrary<JsonValue>,
): fc.Arbitrary<JsonObject> {
  const required = attributes.filter((one) => one.required)
  const some = fc.uniqueArray(fc.constantFrom(...attributes), { maxLength: 8 })
  return some.chain((chosen) =>
    fc.record(
      Object.fromEntries(
        [...required, ...chosen].map((one) => [
          one.name,
          one.required ? suitable(one).map(assigned) : value(one),
        ]),
      ),
    ),
  ) as fc.Arbitrary<JsonObject>
}

/** A body for POST or PUT: what is required, some of the rest, and now and then an extension. */
function bodyWith(
  type: ResourceType,
  value: (attribute: Attribute) => fc.Arbitrary<JsonValue>,
): fc.Arbitrary<JsonObject> {
  const held = fc.tuple(
    ...type.extensions.map(({ schema }) =>
      fc.option(someOf(schema.attributes.filter(isSent), value), { nil: undefined, freq: 1 }),
    ),
  )
  return fc.tuple(someOf(attributesOf(type), value), held).map(([base, extensions]) => ({
    schemas: [type.schema.id],
    ...base,
    ...Object.fromEntries(
      type.extensions.flatMap(({ schema }, index) => {
        const values = extensions[index]
        return values === undefined ? [] : [[schema.id, values] as const]
      }),
    ),
  }))
}

/** A body that is nearly always accepted. */
export const fittingBody = (type: ResourceType): fc.Arbitrary<JsonObject> =>
  bodyWith(type, suitable)

/** A body in which some values may be anything. */
export const anyBody = (type: ResourceType): fc.Arbitrary<JsonObject> =>
  fc.oneof(
    { weight: 3, arbitrary: fittingBody(type) },
    bodyWith(type, (one) => fc.oneof({ weight: 4, arbitrary: suitable(one) }, anyValue(one))),
  )

/** One PATCH operation on any attribute, with any value. */
export function anyOperation(type: ResourceType): fc.Arbitrary<JsonObject> {
  const op = fc.constantFrom('add', 'replace', 'remove', 'Add')
  const places = pathsOf(type).filter(({ attribute }) => isSent(attribute))
  const place = fc.oneof(
    fc.constantFrom(...places),
    // The few that matter most would be lost among the many.
    fc.constantFrom(
      ...places.filter(({ attribute }) =>
        /^(?:box(?:es)?|code|crew|next|members|emails|name|active|keepers?|fulls?|manager|need.*)$/.test(
          attribute.name,
        ),
      ),
    ),
  )
  const withPath = place.chain(({ text, attribute, sub }) => {
    const whole = sub ? text.slice(0, -sub.name.length - 1) : text
    const written =
      attribute.type === 'complex' && attribute.multiValued
        ? fc.oneof(
            fc.constant(text),
            filterWithin(attribute).map((f) => `${whole}[${f}]${sub ? `.${sub.name}` : ''}`),
          )
        : fc.oneof({ weight: 4, arbitrary: fc.constant(text) }, anyCase(text))
    const value = fc.oneof(
      { weight: 3, arbitrary: sub ? suitable(sub) : suitable(attribute) },
      anyValue(sub ?? attribute),
    )
    return fc
      .tuple(op, written, value)
      .map(
        ([verb, path, held]): JsonObject =>
          verb === 'remove' ? { op: verb, path } : { op: verb, path, value: held },
      )
  })
  const pathless = fc
    .tuple(fc.constantFrom('add', 'replace'), someOf(attributesOf(type), suitable))
    .map(([verb, value]): JsonObject => ({ op: verb, value }))
  const underUrn = fc
    .constantFrom(...type.extensions, { schema: type.schema })
    .chain(({ schema }) =>
      fc
        .tuple(op, someOf(schema.attributes.filter(isSent), suitable))
        .map(
          ([verb, value]): JsonObject =>
            verb === 'remove'
              ? { op: verb, path: schema.id }
              : { op: verb, path: schema.id, value },
        ),
    )
  return fc.oneof({ weight: 6, arbitrary: withPath }, pathless, underUrn)
}

/** Puts ids of real resources where a generated value refers to one. */
export function withIds(type: ResourceType, value: JsonValue, ids: readonly string[]): JsonValue {
  const names = new Set(
    [type.schema, ...type.extensions.map(({ schema }) => schema)].flatMap(({ attributes }) =>
      attributes.filter(isReference).map(({ name }) => name.toLowerCase()),
    ),
  )
  let turn = 0
  const next = (): string => ids[turn++ % ids.length] ?? ''
  const filled = (held: JsonValue): JsonValue => {
    if (Array.isArray(held)) return held.map(filled)
    if (typeof held !== 'object' || held === null) return held
    return typeof held['value'] === 'string' ? { ...held, value: next() } : held
  }
  const walk = (held: JsonValue): JsonValue => {
    if (Array.isArray(held)) return held.map(walk)
    if (typeof held !== 'object' || held === null) return held
    const path = typeof held['path'] === 'string' ? held['path'].replace(/[.[].*$/, '') : ''
    const isPath = names.has(path.slice(path.lastIndexOf(':') + 1).toLowerCase())
    return Object.fromEntries(
      Object.entries(held).map(([name, one]) => [
        name,
        names.has(name.toLowerCase()) || (isPath && name === 'value') ? filled(one) : walk(one),
      ]),
    )
  }
  return walk(value)
}
