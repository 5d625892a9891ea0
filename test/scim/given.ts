/**
 * What the tests of the protocol begin with: a registry with a type that has everything, and
 * values.
 */

import fc from 'fast-check'
import enterpriseUser from '../../schemas/EnterpriseUser.json'
import group from '../../schemas/Group.json'
import groupType from '../../schemas/resource-types/Group.json'
import userType from '../../schemas/resource-types/User.json'
import user from '../../schemas/User.json'
import { requireImmutable } from '../../src/operations/decide.ts'
import { ScimError } from '../../src/scim/error.ts'
import type { JsonValue } from '../../src/scim/json.ts'
import type { LinkEdit } from '../../src/scim/link.ts'
import { applyPatch } from '../../src/scim/patch/apply.ts'
import { readPatch } from '../../src/scim/patch/read.ts'
import { buildRegistry, type ResourceType } from '../../src/scim/registry.ts'
import { type Document, readDraft } from '../../src/scim/resource.ts'
import type { Attribute } from '../../src/scim/schema.ts'
import { DEFAULT_RULES, MODES, type Rules, type Tolerance } from '../../src/scim/tolerance.ts'
import { URN } from '../../src/scim/urns.ts'
import { compileChecks, requireValid } from '../../src/scim/validate.ts'
import { isReference, type JsonObject } from '../../src/scim/value.ts'

export const USER = 'urn:ietf:params:scim:schemas:core:2.0:User'
export const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group'
export const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
export const WIDGET = 'urn:example:2.0:Widget'
/** Longer than the base URN by one segment, which is no attribute of it. */
export const EXTRA = 'urn:example:2.0:Widget:Extra'
/** With dots and a version at its end, as vendors have them. */
export const DOTTED = 'urn:example:widget.more:2.5'

/** One definition; what is not said is as in RFC 7643 section 2.2. */
export const attribute = (name: string, type: string, more: object = {}) => ({
  name,
  type,
  ...more,
})

const REFERENCE_SUBS = (nameSub: string, ...targets: string[]) => [
  attribute('value', 'string', { caseExact: true }),
  attribute('$ref', 'reference', { referenceTypes: targets }),
  attribute(nameSub, 'string', { mutability: 'readOnly' }),
]

const EVERY_SUB = [
  attribute('value', 'string'),
  attribute('type', 'string', { canonicalValues: ['work', 'home'] }),
  attribute('primary', 'boolean'),
  attribute('fixed', 'string', { mutability: 'immutable' }),
  attribute('seen', 'string', { mutability: 'readOnly' }),
  attribute('hush', 'string', { mutability: 'writeOnly', returned: 'never' }),
  attribute('asked', 'string', { returned: 'request' }),
  attribute('kept', 'string', { returned: 'always' }),
  attribute('count', 'integer'),
  attribute('ratio', 'decimal'),
  attribute('moment', 'dateTime'),
  attribute('blob', 'binary'),
  attribute('labels', 'string', { multiValued: true }),
]

/** Every type, single and multi-valued, with every characteristic. */
export const WIDGET_SCHEMA = {
  id: WIDGET,
  name: 'Widget',
  attributes: [
    attribute('code', 'string', { required: true, uniqueness: 'server', caseExact: true }),
    attribute('note', 'string'),
    attribute('fixed', 'string', { mutability: 'immutable' }),
    attribute('seen', 'string', { mutability: 'readOnly' }),
    attribute('hush', 'string', { mutability: 'writeOnly', returned: 'never' }),
    attribute('asked', 'string', { returned: 'request' }),
    attribute('kept', 'string', { returned: 'always' }),
    attribute('flag', 'boolean'),
    attribute('count', 'integer'),
    attribute('ratio', 'decimal'),
    attribute('moment', 'dateTime'),
    attribute('address', 'reference', { referenceTypes: ['external'] }),
    attribute('blob', 'binary'),
    attribute('tags', 'string', { multiValued: true }),
    attribute('flags', 'boolean', { multiValued: true }),
    attribute('counts', 'integer', { multiValued: true }),
    attribute('moments', 'dateTime', { multiValued: true }),
    attribute('blobs', 'binary', { multiValued: true }),
    attribute('keepsakes', 'string', { multiValued: true, mutability: 'immutable' }),
    attribute('box', 'complex', { subAttributes: EVERY_SUB }),
    attribute('parts', 'complex', { multiValued: true, subAttributes: EVERY_SUB }),
    attribute('plates', 'complex', {
      multiValued: true,
      subAttributes: [
        attribute('text', 'string', { required: true }),
        attribute('size', 'integer'),
        attribute('primary', 'boolean'),
      ],
    }),
    attribute('seal', 'complex', {
      mutability: 'immutable',
      subAttributes: [attribute('value', 'string'), attribute('year', 'integer')],
    }),
    attribute('owner', 'complex', { subAttributes: REFERENCE_SUBS('displayName', 'User') }),
    attribute('keepers', 'complex', {
      multiValued: true,
      subAttributes: [
        ...REFERENCE_SUBS('display', 'User', 'Group'),
        attribute('type', 'string', { canonicalValues: ['first', 'second'] }),
        attribute('primary', 'boolean'),
      ],
    }),
    attribute('neighbours', 'complex', {
      multiValued: true,
      subAttributes: [
        attribute('value', 'string', { caseExact: true, mutability: 'immutable' }),
        attribute('$ref', 'reference', { referenceTypes: ['Widget'], mutability: 'immutable' }),
        attribute('type', 'string', { mutability: 'immutable' }),
        attribute('display', 'string', { mutability: 'immutable' }),
      ],
    }),
  ],
}

export const EXTRA_SCHEMA = {
  id: EXTRA,
  name: 'WidgetExtra',
  attributes: [
    attribute('mark', 'string', { required: true }),
    attribute('grade', 'integer'),
    attribute('fixed', 'string', { mutability: 'immutable' }),
    attribute('seen', 'string', { mutability: 'readOnly' }),
    attribute('hush', 'string', { mutability: 'writeOnly', returned: 'never' }),
    attribute('box', 'complex', { subAttributes: EVERY_SUB }),
    attribute('parts', 'complex', { multiValued: true, subAttributes: EVERY_SUB }),
    attribute('owner', 'complex', { subAttributes: REFERENCE_SUBS('displayName', 'User') }),
  ],
}

export const DOTTED_SCHEMA = {
  id: DOTTED,
  name: 'WidgetMore',
  attributes: [
    attribute('note', 'string'),
    attribute('grade', 'integer'),
    attribute('only', 'string', { canonicalValues: ['a', 'b'] }),
    attribute('tags', 'string', { multiValued: true }),
    attribute('asked', 'string', { returned: 'request' }),
    attribute('kept', 'string', { returned: 'always' }),
  ],
}

export const WIDGET_TYPE = {
  name: 'Widget',
  endpoint: '/Widgets',
  schema: WIDGET,
  schemaExtensions: [
    { schema: EXTRA, required: false },
    { schema: DOTTED, required: false },
  ],
  display: ['code'],
  indexed: ['code', 'tags', 'parts.value'],
  links: [{ attribute: 'neighbours' }],
  defaults: { flag: true },
}

export const REGISTRY = buildRegistry(
  [user, group, enterpriseUser, WIDGET_SCHEMA, EXTRA_SCHEMA, DOTTED_SCHEMA].map((json) => ({
    file: `${json.name}.json`,
    json,
  })),
  [userType, groupType, WIDGET_TYPE].map((json) => ({ file: `types/${json.name}.json`, json })),
)

function typeNamed(name: string): ResourceType {
  const type = REGISTRY.typeNamed(name)
  if (!type) throw new Error(`no resource type ${name}`)
  return type
}

export const userTypeOf = typeNamed('User')
export const groupTypeOf = typeNamed('Group')
export const widgetTypeOf = typeNamed('Widget')
export const TYPES: readonly ResourceType[] = [userTypeOf, groupTypeOf, widgetTypeOf]
export const CHECKS = compileChecks(REGISTRY.types)

export const INTEROP = DEFAULT_RULES
export const RFC: Rules = { ...DEFAULT_RULES, mode: 'rfc', tolerances: MODES.rfc }
export const PROFILE: Rules = { ...DEFAULT_RULES, mode: 'profile', tolerances: MODES.profile }

/** The default rules with single switches the other way. */
export const rulesWith = (
  tolerances: Partial<Record<Tolerance, boolean>>,
  from: Rules = INTEROP,
): Rules => ({ ...from, tolerances: { ...from.tolerances, ...tolerances } })

/** The seed of the random tests, for their names; SCIMD_SEED sets it. */
export const SEED = Number(process.env['SCIMD_SEED'] ?? Date.now() % 2 ** 31)

export const patchBody = (...operations: readonly JsonValue[]): JsonObject => ({
  schemas: [URN.patchOp],
  Operations: [...operations],
})

export interface Patched {
  readonly document: Document
  readonly links: readonly LinkEdit[]
}

/** What the decision of a PATCH comes to, without the store: read, apply, check. */
export function patched(
  type: ResourceType,
  current: Document,
  body: JsonValue,
  rules: Rules = INTEROP,
): Patched {
  const result = applyPatch(type, current, readPatch(type, body, rules), rules)
  requireImmutable(type, current, result.document)
  requireValid(CHECKS, type, result.document)
  return result
}

/** The canonical document of a body. */
export const documentFor = (
  type: ResourceType,
  body: JsonObject,
  rules: Rules = INTEROP,
): Document => readDraft(type, { schemas: [type.schema.id], ...body }, rules).document

/** The ScimError that something throws; anything else thrown goes on. */
export function refusalOf(act: () => unknown): ScimError {
  try {
    act()
  } catch (error) {
    if (error instanceof ScimError) return error
    throw error
  }
  throw new Error('was accepted')
}

/** A copy that nobody can change unnoticed. */
export function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(frozen)
    Object.freeze(value)
  }
  return value
}

const WORDS = ['a', 'b', 'A', 'work', 'home', 'x y', 'Zoë 🦊', 'O"B\\]', '\u0000\u0001']

/** A value that the type of a simple attribute allows, from few, so that values meet. */
function simpleValue(attribute: Attribute): fc.Arbitrary<JsonValue> {
  const { type, canonicalValues, uniqueness, caseExact } = attribute
  switch (type) {
    case 'boolean':
      return fc.boolean()
    case 'integer':
      return fc.constantFrom(0, 1, 2, -7, 2 ** 40)
    case 'decimal':
      return fc.constantFrom(0, 1.25, -3, 1e-7, 1e21)
    case 'dateTime':
      return fc.constantFrom('2026-01-31T09:30:00Z', '2026-01-31T10:30:00+01:00')
    case 'binary':
      return fc.constantFrom('', 'QUJD', 'QUI=', 'QUI', 'QQ').filter((text) => text !== '')
    case 'reference':
      return fc.constantFrom('https://h/x/1', '../Users/u-1', 'random text')
    default:
      // What somebody signs in with holds no controls.
      if (uniqueness === 'server' && !caseExact) return fc.constantFrom(...WORDS.slice(0, -1))
      return fc.constantFrom(...WORDS, ...canonicalValues)
  }
}

/** A value that an attribute allows, in canonical form or nearly so. */
export function fittingValue(attribute: Attribute): fc.Arbitrary<JsonValue> {
  const single = attribute.type === 'complex' ? fittingObject(attribute) : simpleValue(attribute)
  return attribute.multiValued ? fc.array(single, { maxLength: 4 }) : single
}

function fittingObject(attribute: Attribute): fc.Arbitrary<JsonValue> {
  const subs = attribute.subAttributes.filter((sub) => sub.name !== '$ref')
  return membersOf(subs).map((object) => {
    // An object that a required sub-attribute is missing from is no valid value.
    const value = isReference(attribute) ? { value: object['value'] ?? 'u-1' } : {}
    // Nor is an element that says nothing.
    const spare = attribute.subAttributes.find((sub) => sub.name === 'value') ?? subs[0]
    const isEmpty = !subs.some(
      ({ name, mutability }) => mutability !== 'readOnly' && name in object,
    )
    const filled = attribute.multiValued && isEmpty && spare ? { [spare.name]: 'QUJD' } : {}
    return { ...object, ...filled, ...value }
  })
}

function membersOf(attributes: readonly Attribute[]): fc.Arbitrary<JsonObject> {
  const entries = attributes.map((attribute): [string, fc.Arbitrary<JsonValue | undefined>] => [
    attribute.name,
    attribute.required
      ? fittingValue(attribute)
      : fc.option(fittingValue(attribute), { nil: undefined, freq: 2 }),
  ])
  return fc.record(Object.fromEntries(entries)).map(
    (object) =>
      Object.fromEntries(
        Object.entries(object).filter((entry): entry is [string, JsonValue] => {
          return entry[1] !== undefined
        }),
      ) as JsonObject,
  )
}

/** A body of a POST that is valid but for elements that are all primary. */
export function bodyOf(type: ResourceType): fc.Arbitrary<JsonObject> {
  const base = [...type.attributes.values()].filter(({ name }) => name !== 'schemas')
  const extensions = fc.tuple(
    ...type.extensions.map(({ schema }) =>
      fc.option(membersOf(schema.attributes), { nil: undefined }),
    ),
  )
  return fc.tuple(membersOf(base), extensions).map(([body, held]) => {
    const under = type.extensions.flatMap(({ schema }, index) => {
      const values = held[index]
      return values === undefined ? [] : [[schema.id, values] as const]
    })
    const whole: JsonObject = {
      ...body,
      schemas: [type.schema.id],
      ...Object.fromEntries(under),
    }
    return onePrimary(whole) as JsonObject
  })
}

/** The same value with at most one primary element in each of its lists. */
function onePrimary(value: JsonValue): JsonValue {
  if (Array.isArray(value)) {
    let seen = false
    return value.map((element) => {
      if (typeof element !== 'object' || element === null || Array.isArray(element)) return element
      const { primary, ...rest } = element
      if (primary === undefined) return element
      if (primary !== true || seen) return { ...rest, primary: false }
      seen = true
      return element
    })
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, held]) => [name, onePrimary(held)]))
}

/** A document as it may be stored. */
export const storedDocument = (type: ResourceType): fc.Arbitrary<Document> =>
  bodyOf(type).map((body) => readDraft(type, body, INTEROP).document)

export interface Place {
  readonly text: string
  readonly attribute: Attribute
  readonly sub: Attribute | undefined
}

/** Every path that a schema of the type gives, sub-attributes and extensions included. */
export function pathsOf(type: ResourceType): Place[] {
  const within = (attributes: Iterable<Attribute>, prefix: string): Place[] =>
    [...attributes].flatMap((attribute) => [
      { text: `${prefix}${attribute.name}`, attribute, sub: undefined },
      ...attribute.subAttributes.map((sub) => ({
        text: `${prefix}${attribute.name}.${sub.name}`,
        attribute,
        sub,
      })),
    ])
  return [
    ...within(type.attributes.values(), ''),
    ...within(type.schema.attributes, `${type.schema.id}:`),
    ...type.extensions.flatMap(({ schema }) => within(schema.attributes, `${schema.id}:`)),
  ]
}

const literal = (value: JsonValue): string => JSON.stringify(value)

/** A filter over the sub-attributes of a complex attribute. */
export function filterWithin(attribute: Attribute): fc.Arbitrary<string> {
  const subs = attribute.subAttributes.filter((sub) => sub.returned !== 'never')
  const compare = fc.constantFrom(...subs).chain((sub) => {
    const value = simpleValue(sub)
    const operators =
      sub.type === 'boolean' || sub.type === 'binary'
        ? ['eq', 'ne']
        : ['eq', 'eq', 'ne', 'gt', 'le']
    return fc
      .tuple(fc.constantFrom(...operators), value)
      .map(([operator, held]) => `${sub.name} ${operator} ${literal(held)}`)
  })
  const present = fc.constantFrom(...subs).map((sub) => `${sub.name} pr`)
  return fc.oneof(
    { weight: 4, arbitrary: compare },
    present,
    fc.tuple(compare, compare).map(([left, right]) => `${left} and ${right}`),
    fc.tuple(compare, present).map(([left, right]) => `${left} or not (${right})`),
  )
}

/** What clients send where a value is expected, fitting or not. */
export function anyValue(attribute: Attribute): fc.Arbitrary<JsonValue> {
  const fitting = fittingValue(attribute)
  return fc.oneof(
    { weight: 6, arbitrary: fitting },
    { weight: 1, arbitrary: fitting.map((value): JsonValue => [value]) },
    { weight: 1, arbitrary: fitting.map((value): JsonValue => [{ $ref: null, value }]) },
    { weight: 1, arbitrary: fitting.map((value): JsonValue => ({ value })) },
    { weight: 2, arbitrary: fc.constantFrom<JsonValue[]>(null, '', [], {}, [null], [''], [{}]) },
    {
      weight: 2,
      arbitrary: fc.constantFrom<JsonValue[]>('True', 'False', '12', '1.5', 7, true, 'work', 'u-1'),
    },
    { weight: 2, arbitrary: fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<JsonValue> },
  )
}

/** The same text in letters of random case. */
export const anyCase = (text: string): fc.Arbitrary<string> =>
  fc.mixedCase(fc.constant(text)).map(String)
