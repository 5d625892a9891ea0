/** What the body of a PATCH request has to look like, and who else's verdicts we share. */

import { describe, expect, test } from 'bun:test'
import { ScimError, type ScimType } from '../../../src/scim/error.ts'
import type { JsonValue } from '../../../src/scim/json.ts'
import { PATCH_OPERATIONS_MAX } from '../../../src/scim/limits.ts'
import { applyPatch } from '../../../src/scim/patch/apply.ts'
import { linkIdsOf } from '../../../src/scim/patch/links.ts'
import { readPatch } from '../../../src/scim/patch/read.ts'
import { buildRegistry, type ResourceType } from '../../../src/scim/registry.ts'
import type { Rules } from '../../../src/scim/tolerance.ts'
import { URN } from '../../../src/scim/urns.ts'
import { compileChecks, faultOf } from '../../../src/scim/validate.ts'
import type { JsonObject } from '../../../src/scim/value.ts'
import vectors from '../../vectors/patch-validate.json'
import {
  attribute,
  documentFor,
  ENTERPRISE,
  groupTypeOf,
  INTEROP,
  patchBody,
  RFC,
  refusalOf,
  rulesWith,
  USER,
  userTypeOf,
} from '../given.ts'

const OPERATION = { op: 'replace', path: 'title', value: 'X' }

/** What readPatch makes of a body: one `op path` for each assignment. */
const read = (body: JsonValue, rules: Rules = INTEROP, type: ResourceType = userTypeOf): string[] =>
  readPatch(type, body, rules).map(
    ({ op, target }) => `${op} ${target.kind === 'extension' ? target.extension.id : target.text}`,
  )

const refused = (body: JsonValue, rules: Rules = INTEROP): ScimError =>
  refusalOf(() => readPatch(userTypeOf, body, rules))

describe('the body', () => {
  test.each<[string, JsonValue, ScimType]>([
    [
      '[R7644-3.5.2-02] of another schema is refused',
      { schemas: [USER], Operations: [OPERATION] },
      'invalidSyntax',
    ],
    [
      '[R7644-3.5.2-02] and with schemas that are no list',
      { schemas: URN.patchOp, Operations: [OPERATION] },
      'invalidSyntax',
    ],
    ['[R7644-3.5.2-03] without operations is refused', { schemas: [URN.patchOp] }, 'invalidSyntax'],
    [
      '[R7644-3.5.2-03] with one operation for the list',
      { schemas: [URN.patchOp], Operations: OPERATION },
      'invalidSyntax',
    ],
    ['[R7644-3.5.2-03] that is a list', [OPERATION], 'invalidSyntax'],
    ['[R7644-3.5.2-03] that is null', null, 'invalidSyntax'],
    ['[R7644-3.5.2-04] with an operation that is none', patchBody('x'), 'invalidSyntax'],
    ['[R7644-3.5.2-04] without op', patchBody({ path: 'title', value: 'X' }), 'invalidSyntax'],
    ['[R7644-3.5.2-04] with another op', patchBody({ op: 'move', path: 'title' }), 'invalidSyntax'],
    ['[R7644-3.5.2-04] with an op that is no string', patchBody({ op: ['add'] }), 'invalidSyntax'],
    [
      '[R7644-3.5.2-06] with a path that is no string',
      patchBody({ op: 'add', path: 1, value: 1 }),
      'invalidPath',
    ],
    [
      '[R7644-3.5.2-06] with a path of blanks',
      patchBody({ op: 'remove', path: ' ' }),
      'invalidPath',
    ],
    [
      '[R7644-3.5.2.2-01] with a remove of an empty path',
      patchBody({ op: 'remove', path: '' }),
      'noTarget',
    ],
    [
      '[R7644-3.5.2.1-01] with an add of nothing',
      patchBody({ op: 'add', path: 'title' }),
      'invalidValue',
    ],
    [
      '[R7644-3.5.2.1-03] with a list for all attributes',
      patchBody({ op: 'add', value: [{}] }),
      'invalidValue',
    ],
    [
      '[R7644-3.5.2.1-03] with null for all attributes',
      patchBody({ op: 'add', value: null }),
      'invalidValue',
    ],
  ])('%s', (_, body, scimType) => {
    expect(refused(body).scimType).toBe(scimType)
  })

  test('[R7644-3.5.2-02] names PatchOp in any case, beside others', () => {
    const schemas = ['x', URN.patchOp.toUpperCase()]
    expect(read({ schemas, Operations: [OPERATION] })).toEqual(['replace title'])
  })

  test('[R7644-3.5.2-02] may lack schemas, but in rfc mode', () => {
    expect(read({ Operations: [OPERATION] })).toEqual(['replace title'])
    expect(refused({ Operations: [OPERATION] }, RFC).scimType).toBe('invalidSyntax')
  })

  test('[R7644-3.5.2-03] spells its members in any case', () => {
    const operation = { OP: 'Replace', Path: 'title', VALUE: 'X' }
    expect(read({ SCHEMAS: [URN.patchOp], operations: [operation] })).toEqual(['replace title'])
  })

  test('[R7644-3.5.2-03] may have no operations, but in rfc mode', () => {
    expect(read(patchBody())).toEqual([])
    expect(refused(patchBody(), RFC).scimType).toBe('invalidSyntax')
  })

  test('[R7644-3.5.2-30] holds as many operations as the limit says, and no more', () => {
    const most = Array.from({ length: PATCH_OPERATIONS_MAX }, () => OPERATION)
    expect(read(patchBody(...most))).toHaveLength(PATCH_OPERATIONS_MAX)
    expect(refused(patchBody(...most, OPERATION)).status).toBe(413)
  })

  test('a message says where, what was found and what was expected', () => {
    expect(refused({ schemas: [URN.patchOp] }).message).toBe(
      'Operations: found nothing, expected a list',
    )
    expect(refused(patchBody(OPERATION, { op: 5 })).message).toBe(
      'Operations[1].op: found the number 5, expected add, remove or replace',
    )
    expect(refused(patchBody({ op: 'add', path: 'foo', value: 1 })).message).toBe(
      'Operations[0].path: "foo" is no attribute of User',
    )
    expect(refused(patchBody({ op: 'add', path: 'title[x pr]', value: 1 })).message).toBe(
      'Operations[0].path: "title" is not complex, so it takes no [filter]',
    )
    expect(refused(patchBody({ op: 'add', path: 'emails[type pr].foo', value: 1 })).message).toBe(
      'Operations[0].path: "foo" is no sub-attribute of emails',
    )
  })
})

describe('an operation without a path', () => {
  test('is one assignment for each member of its value', () => {
    const value = {
      USERNAME: 'x',
      'name.givenName': 'y',
      id: 'ignored',
      foo: 'ignored',
      [ENTERPRISE]: { department: 'D', foo: 1, manager: { displayName: 'ignored' } },
      [`${ENTERPRISE}:division`]: 'V',
    }
    expect(read(patchBody({ op: 'Add', value }))).toEqual([
      'add userName',
      'add name.givenName',
      `add ${ENTERPRISE}:department`,
      `add ${ENTERPRISE}:manager`,
      `add ${ENTERPRISE}:division`,
    ])
  })

  test('tells in messages which member is meant', () => {
    const body = patchBody({ op: 'add', value: { 'emails.value': 'x' } })
    const [assignment] = readPatch(userTypeOf, body, INTEROP)
    expect(assignment?.at).toBe('Operations[0].value.emails.value')
  })
})

test('a password in a list is bare by the time it is hashed', () => {
  const wrapped = [{ $ref: null, value: 'secret' }]
  for (const operation of [
    { op: 'replace', path: 'password', value: wrapped },
    { op: 'add', value: { password: wrapped } },
    { op: 'add', value: { [`${USER}:PASSWORD`]: wrapped } },
  ]) {
    const [assignment] = readPatch(userTypeOf, patchBody(operation), INTEROP)
    expect(assignment?.value).toBe('secret')
  }
})

test('the ids that a PATCH of links mentions are known before the store is asked', () => {
  const assignments = readPatch(
    groupTypeOf,
    patchBody(
      { op: 'add', path: 'members', value: [{ value: 'u1' }, { value: 'u2' }] },
      { op: 'remove', path: 'members[value eq "u3"]' },
      { op: 'remove', path: 'members', value: [{ value: 'u1' }, { value: 'u4' }] },
      { op: 'remove', path: 'members[type eq "User"]' },
      { op: 'replace', value: { displayName: 'X' } },
    ),
    INTEROP,
  )
  expect([...new Set(linkIdsOf(assignments))].sort()).toEqual(['u1', 'u2', 'u3', 'u4'])
})

/** The schemas that elimity-com/scim's tests are written against; their ids are no URNs. */
const ENTITY = buildRegistry(
  [
    {
      file: 'PatchEntity',
      json: {
        id: 'urn:test:PatchEntity',
        name: 'PatchEntity',
        attributes: [
          attribute('attr1', 'string'),
          attribute('attr2', 'integer'),
          attribute('attr3', 'decimal'),
          attribute('attr4', 'boolean'),
          attribute('complex', 'complex', { subAttributes: [attribute('attr1', 'string')] }),
          attribute('multiValued', 'string', { multiValued: true }),
          attribute('complexMultiValued', 'complex', {
            multiValued: true,
            subAttributes: [attribute('attr1', 'string')],
          }),
        ],
      },
    },
    {
      file: 'PatchExtension',
      json: {
        id: 'urn:test:PatchExtension',
        name: 'PatchExtension',
        attributes: [attribute('attr1', 'string')],
      },
    },
  ],
  [
    {
      file: 'type',
      json: {
        name: 'PatchEntity',
        endpoint: '/PatchEntities',
        schema: 'urn:test:PatchEntity',
        schemaExtensions: [{ schema: 'urn:test:PatchExtension' }],
      },
    },
  ],
)

const [entityType] = ENTITY.types
if (!entityType) throw new Error('no type')
/** scimmy's tests have one attribute, of which they say no more. */
const anything = buildRegistry(
  [
    {
      file: 'Anything',
      json: {
        id: 'urn:test:Anything',
        name: 'Anything',
        attributes: [
          attribute('test', 'complex', { subAttributes: [attribute('value', 'string')] }),
        ],
      },
    },
  ],
  [{ file: 'type', json: { name: 'Any', endpoint: '/Any', schema: 'urn:test:Anything' } }],
).types
const [anythingType] = anything
if (!anythingType) throw new Error('no type')
const CHECKS = compileChecks([entityType, anythingType, userTypeOf, groupTypeOf])

interface Vector {
  readonly id: string
  readonly source: number
  readonly request: JsonValue
  readonly schema?: string
  readonly valid: boolean
}

/** A resource that has what the vectors remove and replace. */
function resourceFor({ source, schema, request }: Vector): [ResourceType, JsonObject] {
  if (schema?.endsWith(':Group')) return [groupTypeOf, { displayName: 'G' }]
  if (schema?.endsWith('PatchEntity')) {
    return [entityType as ResourceType, { complexMultiValued: [{ attr1: 'value' }] }]
  }
  const isTheirs = source === 0 && JSON.stringify(request).includes('"test"')
  if (isTheirs) return [anythingType as ResourceType, {}]
  const work = { type: 'work', country: 'NL' }
  return [userTypeOf, { userName: 'ann', addresses: [work] }]
}

/** Whether a request is accepted and what it leaves is valid, or the refusal. */
function verdict(vector: Vector, rules: Rules): true | ScimError | string {
  const [type, body] = resourceFor(vector)
  const text = JSON.stringify(vector.request).replaceAll('"test:', '"urn:test:')
  const request = JSON.parse(text) as JsonValue
  try {
    const whole = vector.schema === undefined ? request : patchBody(request)
    const assignments = readPatch(type, whole, rules)
    const { document } = applyPatch(type, documentFor(type, body), assignments, rules)
    return faultOf(CHECKS, type, document) ?? true
  } catch (error) {
    if (error instanceof ScimError) return error
    throw error
  }
}

/** Requests that their validators refuse and ours takes. */
const TAKEN_HERE = {
  'no schemas, as Okta sends it; rfc mode refuses it': ['v0025'],
  "no operations, as Microsoft's validator sends it; rfc mode refuses it": ['v0004', 'v0033'],
  'another URI beside the one of PatchOp': ['v0001'],
  'unknown attributes in a value without a path, which are ignored': ['v0099', 'v0100'],
} as const

/** Requests that their validators take and ours refuses. */
const REFUSED_HERE = {
  'an operation that is not in the vector: an empty string': ['v0044', 'v0067'],
  'a readOnly attribute in a path': ['v0125'],
} as const

describe("others' requests are judged as their validators judge them", () => {
  const taken = new Set<string>(Object.values(TAKEN_HERE).flat())
  const refusedHere = new Set<string>(Object.values(REFUSED_HERE).flat())
  const list = vectors.vectors as readonly Vector[]

  test.each(list.map((vector) => [vector.id, JSON.stringify(vector.request), vector] as const))(
    '%s %s',
    (id, _, vector) => {
      const ours = verdict(vector, INTEROP)
      if (refusedHere.has(id) || (!vector.valid && !taken.has(id))) {
        expect(ours).not.toBe(true)
        expect(refusedHere.has(id)).toBe(vector.valid)
      } else {
        expect(ours).toBe(true)
        expect(taken.has(id)).toBe(!vector.valid)
      }
    },
  )

  test('rfc mode refuses what is missing, with the error that the RFC names', () => {
    for (const id of ['v0025', 'v0004', 'v0033']) {
      const vector = list.find((candidate) => candidate.id === id)
      if (!vector) throw new Error(`no vector ${id}`)
      expect(verdict(vector, RFC)).toMatchObject({ scimType: 'invalidSyntax' })
    }
    const strict = rulesWith({ unknownAttributes: false })
    for (const id of ['v0099', 'v0100']) {
      const vector = list.find((candidate) => candidate.id === id)
      if (!vector) throw new Error(`no vector ${id}`)
      expect(verdict(vector, strict)).toMatchObject({ scimType: 'invalidSyntax' })
    }
  })

  test('and the lists of differences name vectors that exist', () => {
    const ids = new Set(list.map((vector) => vector.id))
    expect([...taken, ...refusedHere].filter((id) => !ids.has(id))).toEqual([])
  })
})
