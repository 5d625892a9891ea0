/**
 * That each fault in a schema file is told with its file, its place, what is there and the cure.
 */

import { describe, expect, test } from 'bun:test'
import { buildRegistry } from '../../src/scim/registry.ts'
import {
  FileReader,
  faultNesting,
  publishedAttribute,
  readSchema,
  type Schema,
  type SchemaFault,
  SchemaFaults,
} from '../../src/scim/schema.ts'
import { attribute, WIDGET_SCHEMA } from './given.ts'

const FILE = 'schemas/Thing.json'
const ID = 'urn:example:2.0:Thing'
const thing = (...attributes: readonly unknown[]) => ({ id: ID, name: 'Thing', attributes })
const NAME = attribute('name', 'string')

function read(json: unknown): { schema: Schema; faults: SchemaFault[] } {
  const faults: SchemaFault[] = []
  const reader = new FileReader(FILE, faults)
  const schema = readSchema(json, reader)
  faultNesting(schema, reader)
  return { schema, faults }
}

const ALL_KEYWORDS =
  'name, type, multiValued, description, required, caseExact, mutability, returned, uniqueness, ' +
  'canonicalValues, referenceTypes, subAttributes'
const TYPE_NAMES = 'string, boolean, decimal, integer, dateTime, reference, binary, complex'

describe('a schema file is refused for', () => {
  test.each<[string, unknown, at: string, found: string, expected: string]>([
    ['being no object', [], '$', '[]', 'a JSON object, one Schema document of RFC 7643 section 7'],
    ['being null', null, '$', 'null', 'a JSON object, one Schema document of RFC 7643 section 7'],
    ['having no id', { name: 'T', attributes: [NAME] }, '$.id', 'nothing', 'a string'],
    ['an id that is no string', { id: 5, name: 'T', attributes: [NAME] }, '$.id', '5', 'a string'],
    [
      'an id that is no URN',
      { id: 'http://x/y', name: 'T', attributes: [NAME] },
      '$.id',
      '"http://x/y"',
      'a URN such as urn:example:2.0:Device',
    ],
    ['having no name', { id: ID, attributes: [NAME] }, '$.name', 'nothing', 'a string'],
    ['having an empty name', { id: ID, name: '', attributes: [NAME] }, '$.name', '""', 'a string'],
    [
      'a description that is no string',
      { ...thing(NAME), description: 5 },
      '$.description',
      '5',
      'a string',
    ],
    [
      'having no attributes',
      { id: ID, name: 'T' },
      '$.attributes',
      'nothing',
      'at least one attribute',
    ],
    ['an empty list of them', thing(), '$.attributes', '[]', 'at least one attribute'],
    [
      'an attribute without a name',
      thing({ type: 'string' }),
      '$.attributes[0].name',
      'nothing',
      'a string',
    ],
    [
      '[R7643-2.1-02] a name that begins with a digit',
      thing(NAME, attribute('2nd', 'string')),
      '$.attributes[1].name',
      '"2nd"',
      'a letter, then letters, digits, "-", "_" or "$"',
    ],
    [
      '[R7643-2.1-02] a name with a dot',
      thing(attribute('a.b', 'string')),
      '$.attributes[0].name',
      '"a.b"',
      'a letter, then letters, digits, "-", "_" or "$"',
    ],
    [
      'a name that every object has in JavaScript',
      thing(attribute('constructor', 'string')),
      '$.attributes[0].name',
      '"constructor"',
      'a name that JavaScript objects do not have',
    ],
    [
      'two attributes of one name, in two cases',
      thing(NAME, attribute('NAME', 'string')),
      '$.attributes[1].name',
      '"NAME"',
      'a name that no other attribute here has',
    ],
    [
      'two sub-attributes of one name',
      thing(attribute('box', 'complex', { subAttributes: [NAME, NAME] })),
      '$.attributes[0].subAttributes[1].name',
      '"name"',
      'a name that no other attribute here has',
    ],
    [
      'a keyword that there is not',
      thing(attribute('a', 'string', { multivalued: true })),
      '$.attributes[0].multivalued',
      '"multivalued"',
      `one of ${ALL_KEYWORDS}`,
    ],
    [
      '[R7643-7-02] a type that there is not',
      thing(attribute('a', 'number')),
      '$.attributes[0].type',
      '"number"',
      `one of ${TYPE_NAMES}`,
    ],
    [
      'a flag that is no boolean',
      thing(attribute('a', 'string', { required: 'yes' })),
      '$.attributes[0].required',
      '"yes"',
      'true or false',
    ],
    [
      'another flag that is none',
      thing(attribute('a', 'string', { multiValued: null })),
      '$.attributes[0].multiValued',
      'null',
      'true or false',
    ],
    [
      'caseExact that is no boolean',
      thing(attribute('a', 'string', { caseExact: 1 })),
      '$.attributes[0].caseExact',
      '1',
      'true or false',
    ],
    [
      'a mutability that there is not',
      thing(attribute('a', 'string', { mutability: 'readwrite' })),
      '$.attributes[0].mutability',
      '"readwrite"',
      'one of readOnly, readWrite, immutable, writeOnly',
    ],
    [
      'a returned that there is not',
      thing(attribute('a', 'string', { returned: 'maybe' })),
      '$.attributes[0].returned',
      '"maybe"',
      'one of always, never, default, request',
    ],
    [
      '[R7643-7-08] what is writeOnly and yet returned',
      thing(attribute('a', 'string', { mutability: 'writeOnly' })),
      '$.attributes[0].returned',
      'nothing',
      '"never", as the attribute is writeOnly',
    ],
    [
      'a uniqueness that there is not',
      thing(attribute('a', 'string', { uniqueness: 'tenant' })),
      '$.attributes[0].uniqueness',
      '"tenant"',
      'one of none, server',
    ],
    [
      'uniqueness over all tenants',
      thing(attribute('a', 'string', { uniqueness: 'global' })),
      '$.attributes[0].uniqueness',
      '"global"',
      '"server": tenants share nothing, so nothing can be unique over all',
    ],
    [
      'canonicalValues that are no strings',
      thing(attribute('a', 'string', { canonicalValues: ['x', 1] })),
      '$.attributes[0].canonicalValues',
      '["x",1]',
      'a list of strings',
    ],
    [
      'referenceTypes that are no list',
      thing(attribute('a', 'reference', { referenceTypes: 'User' })),
      '$.attributes[0].referenceTypes',
      '"User"',
      'a list of strings',
    ],
    [
      '[R7643-7-03] a complex attribute without sub-attributes',
      thing(attribute('a', 'complex')),
      '$.attributes[0].subAttributes',
      'nothing',
      'sub-attributes of this complex attribute',
    ],
    [
      'sub-attributes of what is not complex',
      thing(attribute('a', 'string', { subAttributes: [NAME] })),
      '$.attributes[0].type',
      '"string"',
      '"complex", as there are subAttributes',
    ],
    [
      '[R7643-2.3-13] a complex attribute within one',
      thing(
        attribute('a', 'complex', {
          subAttributes: [NAME, attribute('b', 'complex', { subAttributes: [NAME] })],
        }),
      ),
      '$.attributes[0].subAttributes[1].type',
      '"complex"',
      'a simple type: a complex attribute holds no complex sub-attributes',
    ],
    [
      'a fault in a sub-attribute',
      thing(NAME, attribute('a', 'complex', { subAttributes: [attribute('b', 'int')] })),
      '$.attributes[1].subAttributes[0].type',
      '"int"',
      `one of ${TYPE_NAMES}`,
    ],
  ])('%s', (_, json, at, found, expected) => {
    expect(read(json).faults).toEqual([{ file: FILE, at, found, expected }])
  })

  test.each<[string, unknown]>([
    ['attributes that are no list', { id: ID, name: 'T', attributes: {} }],
    ['attributes that are no objects', thing('a')],
  ])('%s', (_, json) => {
    expect(read(json).faults[0]).toMatchObject({
      at: '$.attributes',
      expected: 'a list of objects',
    })
  })
})

test('all faults of all files are told at once, each on a line of its own', () => {
  let told: unknown
  try {
    buildRegistry(
      [
        { file: 'a.json', json: thing(attribute('x', 'number'), attribute('y', 'text')) },
        { file: 'b.json', json: 5 },
      ],
      [{ file: 'types/c.json', json: { name: '9', endpoint: 'x', schema: 'urn:x:none' } }],
    )
  } catch (error) {
    told = error
  }
  if (!(told instanceof SchemaFaults)) throw new Error('no faults')
  expect(told.faults.map(({ file, at }) => `${file} ${at}`)).toEqual([
    'a.json $.attributes[0].type',
    'a.json $.attributes[1].type',
    'b.json $',
    'types/c.json $.name',
    'types/c.json $.endpoint',
    'types/c.json $.schema',
  ])
  expect(told.message.split('\n')).toHaveLength(6)
  expect(told.message.split('\n')[0]).toBe(
    `a.json: $.attributes[0].type: found "number", expected one of ${TYPE_NAMES}`,
  )
})

test('a long value is cut in a message', () => {
  const [fault] = read(thing(attribute('a', 'x'.repeat(500)))).faults
  expect(fault?.found).toHaveLength(80)
})

describe('what a definition leaves out', () => {
  test('[R7643-2.2-01] has the defaults of the RFC, and they are published', () => {
    const { schema, faults } = read(thing({ name: 'x' }))
    expect(faults).toEqual([])
    const [x] = schema.attributes
    if (!x) throw new Error('no attribute')
    expect(publishedAttribute(x)).toEqual({
      name: 'x',
      type: 'string',
      multiValued: false,
      description: '',
      required: false,
      caseExact: false,
      mutability: 'readWrite',
      returned: 'default',
      uniqueness: 'none',
    })
  })

  test('[R7643-2.3-08] references and binaries are caseExact whatever is said', () => {
    const { schema } = read(
      thing(
        attribute('a', 'reference'),
        attribute('b', 'binary', { caseExact: false }),
        attribute('c', 'string', { caseExact: true }),
      ),
    )
    expect(schema.attributes.map(({ caseExact }) => caseExact)).toEqual([true, true, true])
  })

  test('[R7643-7-18] complex attributes publish no uniqueness and no caseExact', () => {
    const { schema, faults } = read(WIDGET_SCHEMA)
    expect(faults).toEqual([])
    const box = schema.byName.get('box')
    const flag = schema.byName.get('flag')
    if (!box || !flag) throw new Error('no attribute')
    for (const published of [publishedAttribute(box), publishedAttribute(flag)]) {
      expect(published).not.toHaveProperty('uniqueness')
      expect(published).not.toHaveProperty('caseExact')
    }
    expect(publishedAttribute(box)['subAttributes']).toHaveLength(box.subAttributes.length)
  })

  test('[R7643-2.1-02] $ref is a name, and attributes are found in any case', () => {
    const { schema, faults } = read(
      thing(attribute('aB-c_$1', 'complex', { subAttributes: [attribute('$ref', 'reference')] })),
    )
    expect(faults).toEqual([])
    expect(schema.byName.get('ab-c_$1')?.subs.has('$ref')).toBe(true)
  })
})
