/** What an answer shows, whatever is asked for. RFC 7644 section 3.9, RFC 7643 section 7. */

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { JsonValue } from '../../src/scim/json.ts'
import { isPlain, namesIn, project, readProjection } from '../../src/scim/projection.ts'
import type { ResourceType } from '../../src/scim/registry.ts'
import type { Attribute } from '../../src/scim/schema.ts'
import { isJsonObject, type JsonObject } from '../../src/scim/value.ts'
import {
  anyCase,
  DOTTED,
  documentFor,
  ENTERPRISE,
  EXTRA,
  groupTypeOf,
  pathsOf,
  refusalOf,
  SEED,
  storedDocument,
  TYPES,
  USER,
  userTypeOf,
  WIDGET,
  widgetTypeOf,
} from './given.ts'

const ANN: JsonObject = {
  id: 'u1',
  ...documentFor(userTypeOf, {
    userName: 'ann',
    name: { givenName: 'Ann', familyName: 'Arbor' },
    emails: [
      { value: 'a@x', type: 'work', primary: true },
      { value: 'a@y', type: 'home' },
    ],
    password: 'secret',
    [ENTERPRISE]: { department: 'D', employeeNumber: '7' },
  }),
  meta: { resourceType: 'User', version: 'W/"1"' },
}

const BOX = { value: 'v', hush: 'h', asked: 'a', kept: 'k' }
const WIDGET_1: JsonObject = {
  id: 'w1',
  ...documentFor(widgetTypeOf, {
    code: 'c',
    note: 'n',
    hush: 'h',
    asked: 'a',
    kept: 'k',
    box: BOX,
    parts: [BOX, { value: 'w' }],
    [EXTRA]: { mark: 'm', hush: 'h', box: BOX },
    [DOTTED]: { note: 'n', asked: 'a', kept: 'k' },
  }),
}

const shownOf = (
  type: ResourceType,
  resource: JsonObject,
  request: { attributes?: string; excludedAttributes?: string },
): JsonObject =>
  project(
    type,
    resource,
    readProjection(type, {
      attributes: namesIn([request.attributes ?? '']),
      excludedAttributes: namesIn([request.excludedAttributes ?? '']),
    }),
  )

const ann = (attributes: string) => shownOf(userTypeOf, ANN, { attributes })
const annWithout = (excludedAttributes: string) => shownOf(userTypeOf, ANN, { excludedAttributes })
const MINIMUM = { id: 'u1', schemas: [USER, ENTERPRISE] }

describe('attributes', () => {
  test.each<[string, string, JsonObject]>([
    ['[R7644-3.4.2.5-02] shows what is named and the minimum', 'userName', { userName: 'ann' }],
    [
      '[R7644-3.4.2.5-04] is split at commas and trimmed',
      ' userName , userName',
      { userName: 'ann' },
    ],
    ['[R7644-3.4.2.5-05] knows no case', 'USERNAME', { userName: 'ann' }],
    ['[R7644-3.4.2.5-06] shows a sub-attribute', 'name.givenName', { name: { givenName: 'Ann' } }],
    [
      '[R7644-3.4.2.5-06] shows a complex attribute whole, a part of it named too or not',
      'name.givenName,name',
      { name: { givenName: 'Ann', familyName: 'Arbor' } },
    ],
    [
      '[R7644-3.4.2.5-07] shows sub-attributes of elements',
      'emails.value',
      { emails: [{ value: 'a@x' }, { value: 'a@y' }] },
    ],
    [
      '[R7644-3.4.2.5-07] leaves elements out of which nothing is shown',
      'emails.primary',
      { emails: [{ primary: true }] },
    ],
    [
      '[R7644-3.4.2.5-09] takes URNs',
      `${USER}:userName,${ENTERPRISE}:department`,
      { userName: 'ann', [ENTERPRISE]: { department: 'D' } },
    ],
    [
      '[R7644-3.4.2.5-10] takes the URN of an extension',
      ENTERPRISE.toUpperCase(),
      { [ENTERPRISE]: { employeeNumber: '7', department: 'D' } },
    ],
    ['[R7644-3.4.2.5-12] ignores unknown names', 'foo,name.foo,urn:x:y:foo', {}],
    ['[R7643-3.1-19] shows a part of meta', 'meta.version', { meta: { version: 'W/"1"' } }],
    ['[R7643-7-10] never shows what is never returned', 'password', {}],
  ])('%s', (_, names, shown) => {
    expect(ann(names)).toEqual({ ...MINIMUM, ...shown })
  })

  test('[R7644-3.4.2.5-11] shows what is returned on request alone', () => {
    expect(shownOf(widgetTypeOf, WIDGET_1, { attributes: 'asked,box.asked' })).toEqual({
      id: 'w1',
      schemas: [WIDGET, EXTRA, DOTTED],
      asked: 'a',
      kept: 'k',
      box: { asked: 'a', kept: 'k' },
      parts: [{ kept: 'k' }],
      [EXTRA]: { box: { kept: 'k' } },
      [DOTTED]: { kept: 'k' },
    })
  })

  test('[R7644-3.4.2.5-15] an empty list asks for nothing', () => {
    expect(shownOf(userTypeOf, ANN, { attributes: ' , ,' })).toEqual(ann(''))
    expect(ann('')).toEqual(shownOf(userTypeOf, ANN, {}))
  })
})

describe('excludedAttributes', () => {
  const { password: _, ...all } = ANN

  test.each<[string, string, readonly string[]]>([
    ['[R7644-3.4.2.5-03] keeps the minimum', 'id,userName,schemas', ['userName']],
    ['[R7644-3.4.2.5-10] takes the URN of an extension', ENTERPRISE, [ENTERPRISE]],
    ['[R7643-3.1-19] may leave meta out', 'META', ['meta']],
    ['ignores unknown names', 'foo,urn:x:foo', []],
  ])('%s', (_, names, gone) => {
    const left = Object.fromEntries(Object.entries(all).filter(([name]) => !gone.includes(name)))
    expect(annWithout(names)).toEqual(left)
  })

  test('[R7644-3.4.2.5-08] takes sub-attributes', () => {
    expect(annWithout('name.familyName,emails.type')).toMatchObject({
      name: { givenName: 'Ann' },
      emails: [{ value: 'a@x', primary: true }, { value: 'a@y' }],
    })
    expect(annWithout('name.familyName')['name']).toEqual({ givenName: 'Ann' })
  })

  test('[C47] one attribute of an extension leaves the others', () => {
    expect(annWithout(`${ENTERPRISE}:department`)[ENTERPRISE]).toEqual({ employeeNumber: '7' })
    expect(annWithout('emails')[ENTERPRISE]).toEqual(ANN[ENTERPRISE] as JsonObject)
  })

  test('[R7644-3.4.2.5-14] members are told to be left out before they are read', () => {
    const members = groupTypeOf.attributes.get('members')
    if (!members) throw new Error('no members')
    const excluding = (names: string[]) =>
      readProjection(groupTypeOf, { attributes: [], excludedAttributes: names })
    expect(excluding(['members']).shown(members, undefined)).toBe(false)
    expect(excluding(['MEMBERS']).shown(members, undefined)).toBe(false)
    expect(excluding([`${groupTypeOf.schema.id}:members`]).shown(members, undefined)).toBe(false)
    expect(excluding(['displayName']).shown(members, undefined)).toBe(true)
    expect(excluding([]).isDefault).toBe(true)
  })
})

test('[R7644-3.4.2.5-13] attributes and excludedAttributes exclude each other', () => {
  const refusal = refusalOf(() =>
    readProjection(userTypeOf, { attributes: ['a'], excludedAttributes: ['b'] }),
  )
  expect(refusal.scimType).toBe('invalidValue')
})

test('[R7643-7-13] without either, what is returned never or on request is not shown', () => {
  expect(shownOf(widgetTypeOf, WIDGET_1, {})).toEqual({
    id: 'w1',
    schemas: [WIDGET, EXTRA, DOTTED],
    code: 'c',
    note: 'n',
    kept: 'k',
    box: { value: 'v', kept: 'k' },
    parts: [{ value: 'v', kept: 'k' }, { value: 'w' }],
    [EXTRA]: { mark: 'm', box: { value: 'v', kept: 'k' } },
    [DOTTED]: { note: 'n', kept: 'k' },
  })
})

test('[R7643-7-11] [R7643-7-13] what is shown on request is shown beside its whole attribute', () => {
  const box = { value: 'v', asked: 'a', kept: 'k' }
  const shown = (attributes: string) => shownOf(widgetTypeOf, WIDGET_1, { attributes })
  expect(shown('box,box.asked')).toMatchObject({ box })
  expect(shown('box.asked,BOX')).toEqual(shown('box,box.asked'))
  expect(shown(`${EXTRA},${EXTRA}:box.asked`)).toMatchObject({ [EXTRA]: { mark: 'm', box } })
  expect(shown('box')).toMatchObject({ box: { value: 'v', kept: 'k' } })
  expect(shown('box')['box']).not.toHaveProperty('asked')
})

test('the stored text is the default answer only where nothing below the top is kept back', () => {
  expect([isPlain(userTypeOf), isPlain(groupTypeOf), isPlain(widgetTypeOf)]).toEqual([
    true,
    true,
    false,
  ])
})

describe.each(TYPES.map((type) => [type.name, type] as const))(
  `%s (SCIMD_SEED=${SEED})`,
  (_, type) => {
    const names = fc.oneof(
      fc.constantFrom(...pathsOf(type).map(({ text }) => text)).chain(anyCase),
      fc.constantFrom(
        'id',
        'schemas',
        'meta',
        'foo',
        'name.foo',
        ...type.extensions.map((e) => e.schema.id),
      ),
    )
    const request = fc.oneof(
      fc.array(names, { minLength: 1, maxLength: 4 }).map((attributes) => ({
        attributes,
        excludedAttributes: [],
      })),
      fc.array(names, { minLength: 1, maxLength: 4 }).map((excludedAttributes) => ({
        attributes: [],
        excludedAttributes,
      })),
      fc.constant({ attributes: [], excludedAttributes: [] }),
    )

    test('id and schemas are always shown, and what is never returned is not', () => {
      fc.assert(
        fc.property(storedDocument(type), request, (document, asked) => {
          const resource: JsonObject = { ...document, id: 'id-1' }
          const answer = project(type, resource, readProjection(type, asked))
          expect(answer['id']).toBe('id-1')
          expect(answer['schemas']).toEqual(document['schemas'] as JsonValue)
          for (const [attribute, value] of shownIn(type, answer)) {
            expect(attribute.returned).not.toBe('never')
            expect(value).not.toEqual({})
            expect(value).not.toEqual([])
            if (asked.attributes.length === 0) expect(attribute.returned).not.toBe('request')
          }
        }),
        { seed: SEED, numRuns: 500 },
      )
    })

    test('[R7644-3.4.2.5-11] it is what a plain reading of each name shows', () => {
      fc.assert(
        fc.property(storedDocument(type), request, (document, asked) => {
          const resource: JsonObject = { ...document, id: 'id-1' }
          const answer = project(type, resource, readProjection(type, asked))
          expect(answer).toEqual(plainlyShown(type, resource, asked))
        }),
        { seed: SEED, numRuns: 1500 },
      )
    })

    test('what is shown is part of what there is, and is there always if it is to be', () => {
      fc.assert(
        fc.property(storedDocument(type), request, (document, asked) => {
          const resource: JsonObject = { ...document, id: 'id-1' }
          const answer = project(type, resource, readProjection(type, asked))
          expect(isPartOf(answer, resource)).toBe(true)
          const kept = (values: JsonObject) =>
            [...shownIn(type, values)]
              .filter(([attribute]) => attribute.returned === 'always')
              .map(([, value]) => value)
          expect(kept(answer)).toEqual(kept(withoutNever(type, resource)))
        }),
        { seed: SEED, numRuns: 500 },
      )
    })
  },
)

interface Asked {
  readonly attributes: readonly string[]
  readonly excludedAttributes: readonly string[]
}

/** RFC 7643 section 7 and RFC 7644 section 3.9, asked anew for each value. */
function plainlyShown(type: ResourceType, resource: JsonObject, asked: Asked): JsonObject {
  const isNamed = (list: readonly string[], urn: string, name: string) => {
    const full = [`${urn}:${name}`, ...(urn === type.schema.id ? [name] : [])]
    return list.some((one) => full.some((text) => text.toLowerCase() === one.toLowerCase()))
  }
  const { attributes: only, excludedAttributes: without } = asked

  function isShown(urn: string, attribute: Attribute, sub: Attribute | undefined): boolean {
    const { name, returned } = attribute
    const path = `${name}.${sub?.name}`
    const inUrn = (list: readonly string[]) =>
      urn !== type.schema.id && list.some((one) => one.toLowerCase() === urn.toLowerCase())
    const isIn = (list: readonly string[]) => isNamed(list, urn, name) || inUrn(list)
    if (returned === 'never' || sub?.returned === 'never') return false
    if (sub && isNamed(only, urn, path)) return true
    const isWhole = returned === 'always' || isIn(only)
    if (returned === 'request' && !isWhole) return false
    if (sub?.returned === 'always') return true
    if (sub?.returned === 'request') return false
    if (only.length > 0 || returned === 'always') return isWhole
    return !isIn(without) && !(sub && isNamed(without, urn, path))
  }

  function part(urn: string, attribute: Attribute, value: JsonValue): JsonValue | undefined {
    if (attribute.subAttributes.length === 0)
      return isShown(urn, attribute, undefined) ? value : undefined
    if (Array.isArray(value)) {
      const elements = value.flatMap((element) => part(urn, attribute, element) ?? [])
      return elements.length > 0 ? elements : undefined
    }
    return assigned(value as JsonObject, (name, held) => {
      const sub = attribute.subs.get(name.toLowerCase())
      return sub && isShown(urn, attribute, sub) ? held : undefined
    })
  }

  return (
    assigned(resource, (name, value) => {
      const attribute = type.attributes.get(name.toLowerCase())
      if (attribute) return part(type.schema.id, attribute, value)
      const schema = type.extensions.find((candidate) => candidate.schema.id === name)?.schema
      return assigned(value as JsonObject, (key, held) => {
        const member = schema?.byName.get(key.toLowerCase())
        return member && part(name, member, held)
      })
    }) ?? {}
  )
}

/** An object of the members that are something, or undefined when there are none. */
function assigned(
  object: JsonObject,
  pick: (name: string, value: JsonValue) => JsonValue | undefined,
): JsonObject | undefined {
  const picked = Object.entries(object).flatMap(([name, value]) => {
    const held = pick(name, value)
    return held === undefined ? [] : [[name, held] as const]
  })
  return picked.length > 0 ? Object.fromEntries(picked) : undefined
}

/** Every attribute and sub-attribute that has a value, with the value. */
function* shownIn(type: ResourceType, resource: JsonObject): Generator<[Attribute, JsonValue]> {
  for (const [name, value] of Object.entries(resource)) {
    const attribute = type.attributes.get(name.toLowerCase())
    if (attribute) {
      yield* shownOfValue(attribute, value)
      continue
    }
    const schema = type.extensions.find((candidate) => candidate.schema.id === name)?.schema
    for (const [key, held] of Object.entries(isJsonObject(value) ? value : {})) {
      const member = schema?.byName.get(key.toLowerCase())
      if (member) yield* shownOfValue(member, held)
    }
  }
}

function* shownOfValue(attribute: Attribute, value: JsonValue): Generator<[Attribute, JsonValue]> {
  yield [attribute, value]
  for (const element of Array.isArray(value) ? value : [value]) {
    if (!isJsonObject(element)) continue
    for (const [name, held] of Object.entries(element)) {
      const sub = attribute.subs.get(name.toLowerCase())
      if (sub) yield [sub, held]
    }
  }
}

/** The resource without attributes that are never returned as a whole. */
const withoutNever = (type: ResourceType, resource: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(resource).filter(
      ([name]) => type.attributes.get(name.toLowerCase())?.returned !== 'never',
    ),
  )

/** Whether nothing but members and elements is missing from a value. */
function isPartOf(part: JsonValue, whole: JsonValue | undefined): boolean {
  if (Array.isArray(part)) {
    const left = Array.isArray(whole) ? [...whole] : []
    return part.every((element) => {
      const at = left.findIndex((candidate) => isPartOf(element, candidate))
      return at >= 0 && left.splice(0, at + 1).length > 0
    })
  }
  if (!isJsonObject(part)) return part === whole
  return (
    isJsonObject(whole) &&
    Object.entries(part).every(([name, value]) => isPartOf(value, whole[name]))
  )
}
