/** That faults in resource type files are told, and that paths are found as RFC 7644 has them. */

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { buildRegistry, type Registry, type SchemaFile } from '../../src/scim/registry.ts'
import { SchemaFaults } from '../../src/scim/schema.ts'
import {
  anyCase,
  attribute,
  DOTTED,
  ENTERPRISE,
  EXTRA,
  groupTypeOf,
  pathsOf,
  REGISTRY,
  SEED,
  TYPES,
  USER,
  userTypeOf,
  WIDGET,
  widgetTypeOf,
} from './given.ts'

const THING = 'urn:example:2.0:Thing'
const MORE = 'urn:example:2.0:Thing:More'

const REFERENCE = (...targets: string[]) =>
  attribute('links', 'complex', {
    multiValued: true,
    subAttributes: [
      attribute('value', 'string'),
      attribute('$ref', 'reference', { referenceTypes: targets }),
    ],
  })

const SCHEMAS: readonly SchemaFile[] = [
  {
    file: 'Thing.json',
    json: {
      id: THING,
      name: 'Thing',
      attributes: [
        attribute('code', 'string', { uniqueness: 'server' }),
        attribute('more', 'string'),
        attribute('count', 'integer'),
        attribute('hush', 'string', { mutability: 'writeOnly', returned: 'never' }),
        attribute('blob', 'binary'),
        attribute('box', 'complex', { subAttributes: [attribute('code', 'string')] }),
        REFERENCE('Thing'),
        attribute('back', 'complex', {
          multiValued: true,
          mutability: 'readOnly',
          subAttributes: [attribute('value', 'string', { mutability: 'readOnly' })],
        }),
      ],
    },
  },
  {
    file: 'More.json',
    json: {
      id: MORE,
      name: 'More',
      attributes: [
        attribute('grade', 'string'),
        attribute('serial', 'complex', {
          subAttributes: [attribute('value', 'string', { uniqueness: 'server' })],
        }),
      ],
    },
  },
]

const FORMATS_EXPECTED =
  'one of country, locale, languageRange, timeZone, uri, certificate, for an attribute of its type'
const TYPE = { name: 'Thing', endpoint: '/Things', schema: THING }
const build = (...types: readonly unknown[]): Registry =>
  buildRegistry(
    SCHEMAS,
    types.map((json, index) => ({ file: `types/${index}.json`, json })),
  )

function faultsOf(...types: readonly unknown[]): string[] {
  try {
    build(...types)
  } catch (error) {
    if (error instanceof SchemaFaults) {
      return error.faults.map((f) => `${f.file} ${f.at}: ${f.found}, expected ${f.expected}`)
    }
    throw error
  }
  return []
}

describe('a resource type file is refused for', () => {
  const simple = 'the path of a simple attribute of this resource type'
  test.each<[string, unknown, string]>([
    [
      'being no object',
      [],
      '$: [], expected a JSON object, one ResourceType document of RFC 7643 section 6',
    ],
    ['having no name', { ...TYPE, name: undefined }, '$.name: nothing, expected a string'],
    [
      'a name that is no word',
      { ...TYPE, name: '9x' },
      '$.name: "9x", expected a letter, then letters, digits, "-" or "_"',
    ],
    [
      'having no endpoint',
      { ...TYPE, endpoint: undefined },
      '$.endpoint: nothing, expected a string',
    ],
    [
      'an endpoint without a slash',
      { ...TYPE, endpoint: 'Things' },
      '$.endpoint: "Things", expected one path segment such as "/Devices"',
    ],
    [
      'an endpoint that reads as a version',
      { ...TYPE, endpoint: '/V3' },
      '$.endpoint: "/V3", expected an endpoint that the protocol itself does not use',
    ],
    [
      'formats that are no object',
      { ...TYPE, formats: ['country'] },
      '$.formats: ["country"], expected an object such as {"locale": "locale"}',
    ],
    [
      'a format that there is not',
      { ...TYPE, formats: { code: 'postcode' } },
      `$.formats.code: "postcode", expected ${FORMATS_EXPECTED}`,
    ],
    [
      'a format of another type',
      { ...TYPE, formats: { code: 'certificate' } },
      `$.formats.code: "certificate", expected ${FORMATS_EXPECTED}`,
    ],
    [
      'a format for what there is not',
      { ...TYPE, formats: { foo: 'country' } },
      `$.formats.foo: "country", expected ${FORMATS_EXPECTED}`,
    ],
    [
      'an endpoint of two segments',
      { ...TYPE, endpoint: '/a/b' },
      '$.endpoint: "/a/b", expected one path segment such as "/Devices"',
    ],
    [
      'an endpoint of the protocol',
      { ...TYPE, endpoint: '/schemas' },
      '$.endpoint: "/schemas", expected an endpoint that the protocol itself does not use',
    ],
    ['having no schema', { ...TYPE, schema: undefined }, '$.schema: nothing, expected a string'],
    [
      'a schema that there is not',
      { ...TYPE, schema: 'urn:x:y' },
      '$.schema: "urn:x:y", expected the id of a schema file that is there',
    ],
    [
      'an extension that there is not',
      { ...TYPE, schemaExtensions: [{ schema: 'urn:x:y' }] },
      '$.schemaExtensions[0].schema: "urn:x:y", expected the id of a schema file that is there',
    ],
    [
      'extensions that are no objects',
      { ...TYPE, schemaExtensions: [MORE] },
      `$.schemaExtensions: ["${MORE}"], expected a list of objects`,
    ],
    [
      'an extension that is required and not',
      { ...TYPE, schemaExtensions: [{ schema: MORE, required: 1 }] },
      '$.schemaExtensions[0].required: 1, expected true or false',
    ],
    [
      'its own schema as an extension',
      { ...TYPE, schemaExtensions: [{ schema: THING }] },
      `$.schemaExtensions[0].schema: "${THING}", expected a schema that this resource type does not have yet`,
    ],
    [
      'an extension twice',
      { ...TYPE, schemaExtensions: [{ schema: MORE }, { schema: MORE.toUpperCase() }] },
      `$.schemaExtensions[1].schema: "${MORE.toUpperCase()}", expected a schema that this resource type does not have yet`,
    ],
    [
      'a display path that there is not',
      { ...TYPE, display: ['code', 'foo'] },
      `$.display[1]: "foo", expected ${simple}`,
    ],
    [
      'a display path that is complex',
      { ...TYPE, display: ['box'] },
      `$.display[0]: "box", expected ${simple}`,
    ],
    [
      'an indexed path that is a link',
      { ...TYPE, links: [{ attribute: 'links' }], indexed: ['links.value'] },
      `$.indexed[0]: "links.value", expected ${simple}`,
    ],
    [
      'an indexed path that is an extension',
      { ...TYPE, schemaExtensions: [{ schema: MORE }], indexed: [MORE] },
      `$.indexed[0]: "${MORE}", expected ${simple}`,
    ],
    [
      'an indexed secret',
      { ...TYPE, indexed: ['hush'] },
      '$.indexed[0]: "hush", expected attributes that are stored and may be searched: neither secret, binary nor derived',
    ],
    [
      'an indexed binary',
      { ...TYPE, indexed: ['blob'] },
      '$.indexed[0]: "blob", expected attributes that are stored and may be searched: neither secret, binary nor derived',
    ],
    [
      'an indexed id, which documents do not hold',
      { ...TYPE, indexed: ['id'] },
      '$.indexed[0]: "id", expected attributes that are stored and may be searched: neither secret, binary nor derived',
    ],
    [
      'an indexed meta.created, which documents do not hold',
      { ...TYPE, indexed: ['meta.created'] },
      '$.indexed[0]: "meta.created", expected attributes that are stored and may be searched: neither secret, binary nor derived',
    ],
    [
      'indexed that is no list',
      { ...TYPE, indexed: 'code' },
      '$.indexed: "code", expected a list of strings',
    ],
    [
      'a unique path that there is not',
      { ...TYPE, unique: ['foo'] },
      `$.unique[0]: "foo", expected ${simple}`,
    ],
    [
      'a link that there is not',
      { ...TYPE, links: [{ attribute: 'foo' }] },
      '$.links[0].attribute: "foo", expected a multi-valued complex attribute with a "value"',
    ],
    [
      'a link that is single',
      { ...TYPE, links: [{ attribute: 'box' }] },
      '$.links[0].attribute: "box", expected a multi-valued complex attribute with a "value"',
    ],
    [
      'a reverse that is no object',
      { ...TYPE, links: [{ attribute: 'links', reverse: 'back' }] },
      '$.links[0].reverse: "back", expected an object such as {"User": "groups"}',
    ],
    [
      'a reverse that there is not',
      { ...TYPE, links: [{ attribute: 'links', reverse: { Thing: 'foo' } }] },
      '$.links[0].reverse.Thing: "foo", expected a multi-valued readOnly attribute of Thing',
    ],
    [
      'a reverse that clients write',
      { ...TYPE, links: [{ attribute: 'links', reverse: { Thing: 'links' } }] },
      '$.links[0].reverse.Thing: "links", expected a multi-valued readOnly attribute of Thing',
    ],
    [
      'a reverse in no type',
      { ...TYPE, links: [{ attribute: 'links', reverse: { Foo: 'back' } }] },
      '$.links[0].reverse.Foo: "back", expected a multi-valued readOnly attribute of Foo',
    ],
    [
      'defaults that are no object',
      { ...TYPE, defaults: [] },
      '$.defaults: [], expected an object such as {"active": true}',
    ],
    [
      'a default of another type',
      { ...TYPE, defaults: { count: 'x' } },
      '$.defaults.count: "x", expected a value of the type of a simple attribute, spelled as in the schema',
    ],
    [
      'a default in another case',
      { ...TYPE, defaults: { CODE: 'x' } },
      '$.defaults.CODE: "x", expected a value of the type of a simple attribute, spelled as in the schema',
    ],
    [
      'a default for what there is not',
      { ...TYPE, defaults: { foo: 'x' } },
      '$.defaults.foo: "x", expected a value of the type of a simple attribute, spelled as in the schema',
    ],
    [
      'a default that is complex',
      { ...TYPE, defaults: { box: {} } },
      '$.defaults.box: {}, expected a value of the type of a simple attribute, spelled as in the schema',
    ],
    [
      'a description that is no string',
      { ...TYPE, description: 1 },
      '$.description: 1, expected a string',
    ],
  ])('%s', (_, json, fault) => {
    expect(faultsOf(json)).toContain(`types/0.json ${fault}`)
  })

  test('a keyword that there is not', () => {
    expect(faultsOf({ ...TYPE, index: [] })).toEqual([
      expect.stringMatching(/^types\/0.json \$\.index: "index", expected one of schemas, id, name/),
    ])
  })

  test('a link to types that there are not', () => {
    const file = {
      file: 'X.json',
      json: { id: 'urn:x:X', name: 'X', attributes: [REFERENCE('Y')] },
    }
    const json = { name: 'X', endpoint: '/X', schema: 'urn:x:X', links: [{ attribute: 'links' }] }
    expect(() => buildRegistry([file], [{ file: 'types/x.json', json }])).toThrow(
      'types/x.json: $.links[0].attribute: found "Y", expected referenceTypes of links.$ref',
    )
  })

  test('an endpoint that another type has, in any case', () => {
    expect(faultsOf(TYPE, { ...TYPE, name: 'Other', endpoint: '/THINGS' })).toEqual([
      'types/1.json $.endpoint: "/THINGS", expected an endpoint that Thing does not have',
    ])
  })
})

describe('a later file', () => {
  test('of the same id or name, in any case, takes the place of an earlier one', () => {
    const registry = buildRegistry(
      [
        ...SCHEMAS,
        {
          file: 'mine.json',
          json: {
            id: THING.replace('urn:example', 'urn:EXAMPLE'),
            name: 'Mine',
            attributes: [attribute('mine', 'string')],
          },
        },
      ],
      [
        { file: 'a', json: TYPE },
        { file: 'b', json: { ...TYPE, name: 'THING', endpoint: '/Mine' } },
      ],
    )
    expect(registry.types.map(({ name, endpoint }) => [name, endpoint])).toEqual([
      ['THING', '/Mine'],
    ])
    expect(registry.typeNamed('thing')?.resolve('mine')?.kind).toBe('attribute')
    expect(registry.typeNamed('Thing')?.resolve('code')).toBeUndefined()
  })
})

describe('what is unique is indexed', () => {
  test('listed or not, in extensions and sub-attributes too', () => {
    const { types } = build({ ...TYPE, schemaExtensions: [{ schema: MORE }], unique: ['more'] })
    expect(types[0]?.indexed.map(({ text }) => text).sort()).toEqual(
      ['code', 'more', `${MORE}:serial.value`].sort(),
    )
  })
})

describe('links', () => {
  test('are found from both sides', () => {
    const path = groupTypeOf.resolve('MEMBERS.value')
    const reverse = userTypeOf.resolve('groups')
    if (path?.kind !== 'attribute' || reverse?.kind !== 'attribute') throw new Error('no path')
    expect(path.link?.name).toBe('Group.members')
    expect(path.link?.targets).toEqual(['User', 'Group'])
    expect(reverse.reverse).toBe(path.link as NonNullable<typeof path.link>)
    expect(reverse.link).toBeUndefined()
  })
})

const found = (type: (typeof TYPES)[number], text: string): string | undefined => {
  const path = type.resolve(text)
  return path && `${path.kind} ${path.text}`
}

describe('a path', () => {
  test.each<[string, string, string | undefined]>([
    ['[R7644-3.10-02] needs no URN in the base schema', 'userName', 'attribute userName'],
    ['[R7644-3.10-01] may have it', `${USER}:name.givenName`, 'attribute name.givenName'],
    [
      '[R7644-3.10-04] knows no case',
      `${USER.toUpperCase()}:NAME.GIVENNAME`,
      'attribute name.givenName',
    ],
    [
      '[R7644-3.10-05] may have it before common attributes',
      `${USER}:meta.lastModified`,
      'attribute meta.lastModified',
    ],
    ['[R7644-3.10-05] and before id', `${USER}:id`, 'attribute id'],
    [
      '[R7644-3.10-01] has it in an extension',
      `${ENTERPRISE}:manager.value`,
      `attribute ${ENTERPRISE}:manager.value`,
    ],
    [
      '[R7644-3.10-03] or not, where one extension alone has it',
      'DEPARTMENT',
      `attribute ${ENTERPRISE}:department`,
    ],
    [
      '[R7644-3.10-03] with a sub-attribute',
      'manager.value',
      `attribute ${ENTERPRISE}:manager.value`,
    ],
    ['[R7644-3.5.2-10] may be an extension', ENTERPRISE.toLowerCase(), `extension ${ENTERPRISE}`],
    ['is not the base schema', USER, undefined],
    ['does not begin with an extension and go on', `${ENTERPRISE}x`, undefined],
    ['does not end with a colon', `${USER}:`, undefined],
    ['does not end with a dot', 'name.', undefined],
    ['has no third part', 'name.givenName.x', undefined],
    ['is not empty', '', undefined],
    ['is not of an extension behind the base URN', `${USER}:department`, undefined],
    ['is not common behind an extension', `${ENTERPRISE}:id`, undefined],
    [
      'is not of another schema',
      'urn:ietf:params:scim:schemas:core:2.0:Group:displayName',
      undefined,
    ],
    ['is not what every object has', 'constructor', undefined],
    ['nor __proto__', '__proto__', undefined],
  ])('%s', (_, text, path) => {
    expect(found(userTypeOf, text)).toBe(path as string)
    // Asked again, it is the same answer: answers are kept.
    expect(userTypeOf.resolve(text)).toBe(userTypeOf.resolve(text) as never)
  })

  test('[R7644-3.10-06] belongs to the longest URN that it begins with', () => {
    expect(found(widgetTypeOf, EXTRA)).toBe(`extension ${EXTRA}`)
    expect(found(widgetTypeOf, `${EXTRA}:grade`)).toBe(`attribute ${EXTRA}:grade`)
    expect(found(widgetTypeOf, `${WIDGET}:note`)).toBe('attribute note')
    expect(found(widgetTypeOf, `${WIDGET}:Extra.grade`)).toBeUndefined()
    // The base schema has no attribute More; the extension's URN is not cut at it.
    const { types } = build({ ...TYPE, schemaExtensions: [{ schema: MORE }] })
    expect(types[0]?.resolve(`${THING}:more`)).toMatchObject({ kind: 'extension' })
    expect(types[0]?.resolve('more')).toMatchObject({ kind: 'attribute', extension: undefined })
  })

  test('[R7644-3.5.2-09] may hold dots in its URN', () => {
    expect(found(widgetTypeOf, `${DOTTED}:tags`)).toBe(`attribute ${DOTTED}:tags`)
    expect(found(widgetTypeOf, DOTTED)).toBe(`extension ${DOTTED}`)
    expect(found(widgetTypeOf, 'urn:example:widget.more:2')).toBeUndefined()
  })

  test('[R7644-3.10-03] without a URN is none where two extensions have it', () => {
    expect(found(widgetTypeOf, 'grade')).toBeUndefined()
    expect(found(widgetTypeOf, 'only')).toBe(`attribute ${DOTTED}:only`)
    expect(found(widgetTypeOf, 'note')).toBe('attribute note')
  })
})

test(`[R7644-3.10-04] every path is found in any case (SCIMD_SEED=${SEED})`, () => {
  const place = fc
    .constantFrom(...TYPES)
    .chain((type) =>
      fc
        .tuple(fc.constant(type), fc.constantFrom(...pathsOf(type)))
        .chain(([owner, at]) =>
          fc.tuple(fc.constant(owner), fc.constant(at.text), anyCase(at.text)),
        ),
    )
  fc.assert(
    fc.property(place, ([type, text, written]) => {
      expect(found(type, written)).toBe(found(type, text) as string)
      expect(found(type, written)).toStartWith('attribute ')
      const path = type.resolve(written)
      if (path?.kind !== 'attribute') return
      // The canonical notation leads back to the same place.
      expect(found(type, path.text)).toBe(`attribute ${path.text}`)
    }),
    { seed: SEED, numRuns: 2000 },
  )
})

test('types are found by name in any case', () => {
  expect(REGISTRY.typeNamed('USER')?.name).toBe('User')
  expect(REGISTRY.typeNamed('nobody')).toBeUndefined()
})
