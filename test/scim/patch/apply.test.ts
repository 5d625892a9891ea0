/**
 * What becomes of a resource by a PATCH: scenarios of RFC 7644 section 3.5.2, and of what the field
 * has got wrong. Rows 3.5.2-01, -15, -16, -17 and -28 are about statuses and headers, so not here.
 */

import { describe, expect, test } from 'bun:test'
import type { ScimType } from '../../../src/scim/error.ts'
import type { JsonValue } from '../../../src/scim/json.ts'
import type { ResourceType } from '../../../src/scim/registry.ts'
import type { Document } from '../../../src/scim/resource.ts'
import type { JsonObject } from '../../../src/scim/value.ts'
import {
  DOTTED,
  documentFor,
  ENTERPRISE,
  EXTRA,
  frozen,
  GROUP,
  groupTypeOf,
  patchBody,
  patched,
  refusalOf,
  rulesWith,
  USER,
  userTypeOf,
  WIDGET,
  widgetTypeOf,
} from '../given.ts'

const ANN: JsonObject = {
  userName: 'ann',
  name: { familyName: 'Arbor', givenName: 'Ann' },
  title: 'Clerk',
  active: true,
  emails: [
    { value: 'a@work', display: 'W', type: 'work', primary: true },
    { value: 'a@home', type: 'home' },
  ],
  phoneNumbers: [{ value: '1', type: 'mobile' }],
  [ENTERPRISE]: { employeeNumber: '7', department: 'D', manager: { value: 'm1' } },
}

const BOX: JsonObject = {
  code: 'w',
  note: 'n',
  fixed: 'f',
  tags: ['a', 'b'],
  box: { value: 'v', fixed: 'f', count: 1, labels: ['x', 'y'] },
  parts: [
    { value: 'v1', type: 'work', fixed: 'f', labels: ['x'] },
    { value: 'v2', type: 'home' },
  ],
  plates: [{ text: 't1', size: 1 }, { text: 't2' }],
  keepers: [{ value: 'u1', type: 'first' }],
  [EXTRA]: { mark: 'm', grade: 1 },
}

/** The operations on a resource with this body, and what becomes of it or why they are refused. */
type Scenario = readonly [
  name: string,
  operations: JsonObject | readonly JsonObject[],
  outcome: JsonObject | ScimType,
]

const add = (path: string | undefined, value: JsonValue): JsonObject =>
  path === undefined ? { op: 'add', value } : { op: 'add', path, value }
const replace = (path: string | undefined, value: JsonValue): JsonObject =>
  path === undefined ? { op: 'replace', value } : { op: 'replace', path, value }
const remove = (path: string, value?: JsonValue): JsonObject =>
  value === undefined ? { op: 'remove', path } : { op: 'remove', path, value }

/** Marks an attribute that the outcome has not. */
const GONE = null

function run(type: ResourceType, body: JsonObject, scenario: Scenario): void {
  const [, operations, outcome] = scenario
  const before = frozen(documentFor(type, body))
  const list = Array.isArray(operations) ? operations : [operations]
  const act = () => patched(type, before, patchBody(...(list as readonly JsonObject[]))).document
  if (typeof outcome === 'string') {
    expect(refusalOf(act).scimType).toBe(outcome)
    return
  }
  expect(act()).toEqual(expectedOf(type, before, outcome))
}

/** The document before with the top-level attributes of an outcome in the place of its own. */
function expectedOf(type: ResourceType, before: Document, outcome: JsonObject): Document {
  const merged: JsonObject = { ...before, ...outcome }
  for (const name of Object.keys(merged)) if (merged[name] === GONE) delete merged[name]
  const used = type.extensions.flatMap(({ schema }) =>
    merged[schema.id] === undefined ? [] : [schema.id],
  )
  return { ...merged, schemas: [type.schema.id, ...used] }
}

const scenarios = (
  title: string,
  type: ResourceType,
  body: JsonObject,
  list: readonly Scenario[],
): void => {
  describe(title, () => {
    test.each(list.map((scenario) => [scenario[0], scenario] as const))('%s', (_, scenario) =>
      run(type, body, scenario),
    )
  })
}

const WORK = { value: 'a@work', display: 'W', type: 'work', primary: true }
const HOME = { value: 'a@home', type: 'home' }
const EXT = ANN[ENTERPRISE] as JsonObject

scenarios('PATCH in general', userTypeOf, ANN, [
  [
    '[R7644-3.5.2-05] operations are told apart without regard to case',
    [
      { op: 'Replace', path: 'title', value: 'X' },
      { op: 'REMOVE', path: 'name' },
      { op: 'Add', path: 'nickName', value: 'N' },
    ],
    { title: 'X', name: GONE, nickName: 'N' },
  ],
  ['[R7644-3.5.2-06] a path of other grammar is refused', replace('a..b', 1), 'invalidPath'],
  [
    '[R7644-3.5.2-06] a value path that does not end is refused',
    remove('emails[type eq'),
    'invalidPath',
  ],
  ['[R7644-3.5.2-07] a path to nothing is refused', replace('foo', 1), 'invalidPath'],
  [
    '[R7644-3.5.2-07] a sub-attribute that there is not is refused',
    add('name.foo', 1),
    'invalidPath',
  ],
  ['[R7644-3.5.2-08] a wrong filter is refused', remove('emails[type zz "a"]'), 'invalidFilter'],
  [
    '[R7644-3.5.2-09] a path knows no case, and may have the URN of the base schema',
    replace(`${USER.toUpperCase()}:Name.GIVENNAME`, 'X'),
    { name: { familyName: 'Arbor', givenName: 'X' } },
  ],
  [
    '[R7644-3.5.2-09] a path may have the URN of an extension, in any case',
    replace(`${ENTERPRISE.toLowerCase()}:DEPARTMENT`, 'X'),
    { [ENTERPRISE]: { ...EXT, department: 'X' } },
  ],
  [
    '[R7644-3.5.2-09] filters have their URN in front as well',
    replace(`${USER}:emails[type eq "work"].display`, 'X'),
    { emails: [{ ...WORK, display: 'X' }, HOME] },
  ],
  [
    '[R7644-3.10-03] an attribute of one extension alone is found without its URN',
    replace('department', 'X'),
    { [ENTERPRISE]: { ...EXT, department: 'X' } },
  ],
  [
    '[R7644-3.5.2-10] the URN of an extension is all of it',
    remove(ENTERPRISE.toUpperCase()),
    { [ENTERPRISE]: GONE },
  ],
  [
    '[R7644-3.5.2-11] a literal in a path may hold brackets, quotes and colons',
    [add('emails', { value: 'a]b:"c' }), replace('emails[value eq "a]b:\\"c"].type', 'other')],
    { emails: [WORK, HOME, { value: 'a]b:"c', type: 'other' }] },
  ],
  [
    '[R7644-3.5.2-12] operations run in order',
    [add('nickName', 'N'), remove('nickName'), replace('title', 'A'), replace('title', 'B')],
    { title: 'B' },
  ],
  [
    '[R7644-3.5.2-12] a later operation selects what an earlier one made',
    [
      replace('emails[type eq "other"].value', 'o'),
      replace('emails[type eq "other"].display', 'O'),
    ],
    { emails: [WORK, HOME, { value: 'o', display: 'O', type: 'other' }] },
  ],
  [
    '[R7644-3.5.2-13] one failure undoes all',
    [replace('title', 'X'), remove('userName')],
    'mutability',
  ],
  [
    '[R7644-3.5.2-18] a new primary element takes it from the old one',
    add('emails', [{ value: 'n', primary: true }]),
    { emails: [{ ...WORK, primary: false }, HOME, { value: 'n', primary: true }] },
  ],
  [
    '[R7644-3.5.2-18] with a value path too',
    replace('emails[type eq "home"].primary', true),
    {
      emails: [
        { ...WORK, primary: false },
        { ...HOME, primary: true },
      ],
    },
  ],
  [
    '[R7644-3.5.2-19] two primary elements in one value are refused',
    replace('emails', [
      { value: 'x', primary: true },
      { value: 'y', primary: true },
    ]),
    'invalidValue',
  ],
  [
    '[R7644-3.5.2-19] and in an added one',
    add('emails', [
      { value: 'x', primary: true },
      { value: 'y', primary: 'True' },
    ]),
    'invalidValue',
  ],
  [
    '[R7644-3.5.2-19] and by a filter that selects two',
    replace('emails[type pr].primary', true),
    'invalidValue',
  ],
  ['[R7644-3.5.2-20] id is readOnly', replace('id', 'x'), 'mutability'],
  [
    '[R7644-3.5.2-20] meta.created is readOnly',
    replace('meta.created', '2026-01-31T09:30:00Z'),
    'mutability',
  ],
  ['[R7644-3.5.2-20] groups is readOnly, a remove included', remove('groups'), 'mutability'],
  [
    '[R7644-3.5.2-20] a sub-attribute may be readOnly',
    replace(`${ENTERPRISE}:manager.displayName`, 'x'),
    'mutability',
  ],
  [
    '[R7644-3.5.2-21] what is readOnly in a value without a path is ignored',
    replace(undefined, { id: 'other', meta: { created: 'x' }, groups: [], title: 'X' }),
    { title: 'X' },
  ],
  ['[R7644-3.5.2-23] a password is replaced', replace('password', 'p'), { password: 'p' }],
  [
    '[R7644-3.5.2-24] an extension that is used is listed in schemas',
    [remove(ENTERPRISE), add(`${ENTERPRISE}:division`, 'X')],
    { [ENTERPRISE]: { division: 'X' } },
  ],
  ['[R7644-3.5.2-25] schemas keeps the base schema', remove('schemas'), 'mutability'],
  ['[R7644-3.5.2-25] in a replace too', replace('schemas', [ENTERPRISE]), 'mutability'],
  ['[R7644-3.5.2-25] and in a remove of it', remove('schemas', [USER.toUpperCase()]), 'mutability'],
  [
    '[R7644-3.5.2-25] to say what is so changes nothing',
    replace('schemas', [USER, ENTERPRISE]),
    {},
  ],
  ['[R7644-3.5.2-25] nor to add it', add('schemas', [ENTERPRISE]), {}],
  ['[R7644-3.5.2-26] what is required stays', replace('userName', ''), 'invalidValue'],
  ['[R7644-3.5.2-27] a value that is there changes nothing', replace('title', 'Clerk'), {}],
  ['[R7644-3.5.2-29] a JSON pointer is no path', replace('/emails/0', 'x'), 'invalidPath'],
  ['[R7644-3.5.2-29] nor is an index', replace('emails[0]', 'x'), 'invalidPath'],
  [
    '[R7644-3.5.2-29] nor is a move an operation',
    { op: 'move', path: 'a', from: 'b' },
    'invalidSyntax',
  ],
  ['[R7644-3.5.2-31] "False" in a boolean is false', replace('active', 'False'), { active: false }],
  ['[R7644-3.5.2-31] any other string is refused', replace('active', 'no'), 'invalidValue'],
  [
    '[R7644-3.5.2-32] keys without a path may be paths',
    replace(undefined, {
      'name.givenName': 'K',
      [`${ENTERPRISE}:employeeNumber`]: '1',
      'emails[type eq "work"].value': 'k@work',
      [`${USER}:nickName`]: 'N',
    }),
    {
      name: { familyName: 'Arbor', givenName: 'K' },
      [ENTERPRISE]: { ...EXT, employeeNumber: '1' },
      emails: [{ ...WORK, value: 'k@work' }, HOME],
      nickName: 'N',
    },
  ],
  [
    '[R7644-3.5.2-33] unknown keys without a path are ignored',
    replace(undefined, {
      foo: 1,
      'name.foo': 1,
      'urn:x:y:foo': { a: 1 },
      department: 'X',
      title: 'X',
    }),
    { title: 'X' },
  ],
])

test('[R7644-3.5.2-33] unknown keys are refused where that is not tolerated', () => {
  const strict = rulesWith({ unknownAttributes: false })
  const act = (value: JsonObject) =>
    patched(userTypeOf, documentFor(userTypeOf, ANN), patchBody(replace(undefined, value)), strict)
  expect(refusalOf(() => act({ foo: 1 })).scimType).toBe('invalidSyntax')
  expect(refusalOf(() => act({ name: { foo: 1 } })).scimType).toBe('invalidSyntax')
  expect(refusalOf(() => act({ [ENTERPRISE]: { foo: 1 } })).scimType).toBe('invalidSyntax')
})

scenarios('elements that become equal are one from then on', userTypeOf, { userName: 'ann' }, [
  [
    '[R7643-2.4-03] because one is no longer primary',
    [
      add('addresses', [
        { country: 'DE', primary: false },
        { country: 'DE', primary: true },
      ]),
      add('addresses', [{ locality: 'd', primary: true }]),
    ],
    {
      addresses: [
        { country: 'DE', primary: false },
        { locality: 'd', primary: true },
      ],
    },
  ],
  [
    '[R7643-2.4-03] because one is given what the other has, in whatever order',
    [
      add('addresses', [
        { country: 'DE', primary: false },
        { locality: 'd', country: 'DE', primary: false },
      ]),
      add('addresses[not (locality pr)].locality', 'd'),
    ],
    { addresses: [{ locality: 'd', country: 'DE', primary: false }] },
  ],
])

scenarios('PATCH on immutable attributes', widgetTypeOf, BOX, [
  [
    '[R7644-3.5.2-22] an unset one is set',
    add(`${EXTRA}:fixed`, 'x'),
    { [EXTRA]: { mark: 'm', grade: 1, fixed: 'x' } },
  ],
  ['[R7644-3.5.2-22] a set one is not changed', replace('fixed', 'g'), 'mutability'],
  ['[R7644-3.5.2-22] nor added to', add('fixed', 'g'), 'mutability'],
  ['[R7644-3.5.2-22] nor removed', remove('fixed'), 'mutability'],
  ['[R7644-3.5.2-22] to give it its own value is no change', add('fixed', 'f'), {}],
  ['[R7644-3.5.2-22] the same for a sub-attribute', replace('box.fixed', 'g'), 'mutability'],
  ['[R7644-3.5.2-22] and for one in a value', replace('box', { fixed: 'g' }), 'mutability'],
  ['[R7644-3.5.2-22] and for null', replace('box', { fixed: null }), 'mutability'],
  ['[R7644-3.5.2-22] but for an added null, which says nothing', add('box', { fixed: null }), {}],
  [
    '[R7644-3.5.2-22] the same for an element',
    replace('parts[value eq "v1"].fixed', 'g'),
    'mutability',
  ],
  [
    '[R7644-3.5.2-22] and for the whole of it',
    replace('parts[value eq "v1"]', { value: 'z', fixed: 'g' }),
    'mutability',
  ],
  [
    '[R7644-3.5.2-22] what is left out of a new element stays',
    replace('parts[value eq "v1"]', { value: 'z' }),
    {
      parts: [
        { value: 'z', fixed: 'f' },
        { value: 'v2', type: 'home' },
      ],
    },
  ],
])

scenarios('add', userTypeOf, ANN, [
  ['[R7644-3.5.2.1-01] needs a value', { op: 'add', path: 'title' }, 'invalidValue'],
  [
    '[R7644-3.5.2.1-02] without a path merges the value into the resource',
    add(undefined, { emails: [{ value: 'n' }], nickName: 'N' }),
    { emails: [WORK, HOME, { value: 'n' }], nickName: 'N' },
  ],
  ['[R7644-3.5.2.1-03] without a path takes an object only', add(undefined, 'x'), 'invalidValue'],
  ['[R7644-3.5.2.1-04] makes what is absent', add('nickName', 'N'), { nickName: 'N' }],
  [
    '[R7644-3.5.2.1-05] replaces a single simple value',
    add('userName', 'Dave'),
    { userName: 'Dave' },
  ],
  [
    '[R7644-3.5.2.1-06] lays a complex value over what is there',
    add('name', { givenName: 'X' }),
    { name: { familyName: 'Arbor', givenName: 'X' } },
  ],
  [
    '[R7644-3.5.2.1-07] appends to a list',
    add('emails', [{ value: 'n' }]),
    { emails: [WORK, HOME, { value: 'n' }] },
  ],
  [
    '[R7644-3.5.2.1-08] takes one object for a list',
    add('emails', { value: 'n' }),
    { emails: [WORK, HOME, { value: 'n' }] },
  ],
  ['[R7644-3.5.2.1-09] of what is there changes nothing', add('emails', [WORK, HOME]), {}],
  [
    '[R7644-3.5.2.1-11] lays an element over that of the same type and value',
    add('emails', [{ display: 'H', type: 'home', value: 'a@home' }]),
    { emails: [WORK, { ...HOME, display: 'H' }] },
  ],
  [
    '[R7643-2.4-04] keeps one value under two types apart',
    add('emails', [{ value: 'a@home', type: 'other' }]),
    { emails: [WORK, HOME, { value: 'a@home', type: 'other' }] },
  ],
  [
    '[R7644-3.5.2.1-12] merges into the elements that a filter selects',
    add('emails[type eq "home"]', { display: 'H' }),
    { emails: [WORK, { ...HOME, display: 'H' }] },
  ],
  [
    '[R7644-3.5.2.1-13] sets a sub-attribute of the elements that a filter selects',
    add('emails[type eq "work"].value', 'n@work'),
    { emails: [{ ...WORK, value: 'n@work' }, HOME] },
  ],
  [
    '[R7644-3.5.2.1-14] makes the element that no filter selects',
    add('phoneNumbers[type eq "work"].value', '2'),
    {
      phoneNumbers: [
        { value: '1', type: 'mobile' },
        { value: '2', type: 'work' },
      ],
    },
  ],
  [
    '[R7644-3.5.2.1-14] from all terms, whatever their values',
    add('roles[type eq "x" and display eq "y"].value', 'z'),
    { roles: [{ value: 'z', display: 'y', type: 'x' }] },
  ],
  [
    '[R7644-3.5.2.1-14] from a whole value',
    add('addresses[type eq "work"]', { country: 'DE' }),
    { addresses: [{ country: 'DE', type: 'work' }] },
  ],
  [
    '[R7644-3.5.2.1-14] in several operations, of which the first give it no value',
    [
      add('roles[primary eq "True"].type', 'x'),
      add('roles[primary eq "True"].display', 'y'),
      add('roles[primary eq "True"].value', 'z'),
    ],
    { roles: [{ value: 'z', display: 'y', type: 'x', primary: true }] },
  ],
  [
    '[R7644-3.5.2.1-14] but none that is never given a value',
    add('roles[primary eq "True"].type', 'x'),
    {},
  ],
  [
    '[R7644-3.5.2.1-14] not from a filter with or',
    add('roles[type eq "x" or type eq "y"].value', 'z'),
    'noTarget',
  ],
  ['[R7644-3.5.2.1-14] nor from other operators', add('roles[type sw "x"].value', 'z'), 'noTarget'],
  [
    '[R7644-3.5.2.1-14] nor one that contradicts its own path',
    add('roles[type eq "x"].type', 'y'),
    'noTarget',
  ],
  ['[R7644-3.5.2.1-15] of null changes nothing', add('title', null), {}],
  ['[R7644-3.5.2.1-15] of an empty list changes nothing', add('emails', []), {}],
  ['[R7644-3.5.2.1-15] of null to an extension changes nothing', add(ENTERPRISE, null), {}],
  [
    '[R7644-3.5.2.1-15] nor without a path',
    add(undefined, { [ENTERPRISE]: null, name: null, emails: null }),
    {},
  ],
  ['[R7644-3.5.2.1-15] nor of null to selected elements', add('emails[type eq "work"]', null), {}],
  [
    '[R7644-3.5.2.1-15] nor of null to what they hold',
    add('emails[type eq "work"].display', null),
    {},
  ],
  [
    '[R7644-3.5.2.1-16] makes the complex attribute around a sub-attribute',
    [remove('name'), add('name.givenName', 'X')],
    { name: { givenName: 'X' } },
  ],
  [
    '[R7644-3.5.2.1-17] a sub-attribute of no element in particular is refused',
    add('emails.value', 'x'),
    'invalidPath',
  ],
  [
    '[R7644-3.5.2.1-17] without a path as well',
    add(undefined, { 'emails.value': 'x' }),
    'invalidPath',
  ],
  [
    '[R7644-3.5.2.1-18] of a primary element leaves no other',
    add('emails[type eq "other"]', { value: 'o', primary: true }),
    { emails: [{ ...WORK, primary: false }, HOME, { value: 'o', type: 'other', primary: true }] },
  ],
])

scenarios('remove', userTypeOf, ANN, [
  ['[R7644-3.5.2.2-01] needs a path', { op: 'remove' }, 'noTarget'],
  ['[R7644-3.5.2.2-02] unassigns a single value', remove('title'), { title: GONE }],
  ['[R7644-3.5.2.2-03] unassigns a list', remove('emails'), { emails: GONE }],
  [
    '[R7644-3.5.2.2-04] with values takes these from a list',
    remove('emails', [{ value: 'a@home' }]),
    { emails: [WORK] },
  ],
  [
    '[R7644-3.5.2.2-04] of that type only, where it is said',
    remove('emails', [{ value: 'a@home', type: 'work' }]),
    {},
  ],
  [
    '[R7644-3.5.2.2-04] by other parts where there is no value',
    remove('emails', [{ type: 'HOME' }]),
    { emails: [WORK] },
  ],
  [
    '[R7644-3.5.2.2-04] in the case in which they compare',
    remove('emails', [{ value: 'A@HOME' }]),
    { emails: [WORK] },
  ],
  ['[R7644-3.5.2.2-04] with an empty list takes nothing', remove('emails', []), {}],
  [
    '[R7644-3.5.2.2-04] with values that are not there takes nothing',
    remove('emails', [{ value: 'x' }]),
    {},
  ],
  [
    '[R7644-3.5.2.2-05] takes the elements that a filter selects',
    remove('emails[type eq "work"]'),
    { emails: [HOME] },
  ],
  [
    '[R7644-3.5.2.2-06] takes a sub-attribute from them',
    remove('emails[type eq "work"].display'),
    { emails: [{ value: 'a@work', type: 'work', primary: true }, HOME] },
  ],
  ['[R7644-3.5.2.2-07] leaves no empty list', remove('emails[value pr]'), { emails: GONE }],
  ['[R7644-3.5.2.2-08] of nothing is no fault', remove('emails[type eq "x"]'), {}],
  [
    '[R7644-3.5.2.2-09] of what is absent is no fault',
    [remove('nickName'), remove('addresses')],
    {},
  ],
  ['[R7644-3.5.2.2-10] of a required attribute is refused', remove('userName'), 'mutability'],
  ['[R7644-3.5.2.2-10] of a readOnly one too', remove('id'), 'mutability'],
  [
    '[R7644-3.5.2.2-12] of the primary element makes no other primary',
    remove('emails[primary eq true]'),
    { emails: [HOME] },
  ],
  ['[R7644-3.5.2.2-13] of a complex attribute takes all of it', remove('name'), { name: GONE }],
  [
    '[R7644-3.5.2.2-13] of a sub-attribute takes that',
    remove('name.givenName'),
    { name: { familyName: 'Arbor' } },
  ],
  [
    '[R7644-3.5.2.2-13] of the last sub-attribute leaves no empty object',
    [remove('name.givenName'), remove('name.familyName')],
    { name: GONE },
  ],
  [
    '[R7644-3.5.2.2-14] of the last attribute of an extension takes its URN from schemas',
    ['employeeNumber', 'department', 'manager'].map((name) => remove(`${ENTERPRISE}:${name}`)),
    { [ENTERPRISE]: GONE },
  ],
  [
    '[R7644-3.5.2.2-15] of the manager leaves nothing of it',
    remove(`${ENTERPRISE}:manager`),
    { [ENTERPRISE]: { employeeNumber: '7', department: 'D' } },
  ],
  [
    '[R7644-3.5.2.2-15] nor does that of its value',
    remove(`${ENTERPRISE}:manager.value`),
    { [ENTERPRISE]: { employeeNumber: '7', department: 'D' } },
  ],
])

scenarios('remove of what a custom type has', widgetTypeOf, BOX, [
  ['[R7644-3.5.2.2-04] values of a simple list', remove('tags', ['A']), { tags: ['b'] }],
  ['[R7644-3.5.2.2-04] one value of it', remove('tags', 'a'), { tags: ['b'] }],
  [
    '[R7644-3.5.2.2-04] values of a list in a complex attribute',
    remove('box.labels', ['x']),
    { box: { value: 'v', fixed: 'f', count: 1, labels: ['y'] } },
  ],
  [
    '[R7644-3.5.2.2-04] values of a list in an element',
    remove('parts[value eq "v1"].labels', ['x', 'z']),
    {
      parts: [
        { value: 'v1', type: 'work', fixed: 'f' },
        { value: 'v2', type: 'home' },
      ],
    },
  ],
  [
    '[R7644-3.5.2.2-11] a required sub-attribute stays',
    remove('plates[text eq "t1"].text'),
    'mutability',
  ],
  [
    '[R7644-3.5.2.2-11] where there is none, none is missed',
    [remove('plates'), remove('plates[size eq 1].text')],
    { plates: GONE },
  ],
  ['[R7643-3.3-07] what an extension requires stays', remove(`${EXTRA}:mark`), 'mutability'],
  [
    '[R7643-3.3-07] its replacement by null is refused as invalid',
    replace(`${EXTRA}:mark`, null),
    'invalidValue',
  ],
  ['[R7643-3.3-05] the whole extension goes', remove(EXTRA), { [EXTRA]: GONE }],
  [
    'an element without its value and type is left where another goes',
    [add('parts', [{ count: 1 }]), remove('parts[value eq "v1"]')],
    { parts: [{ value: 'v2', type: 'home' }, { count: 1 }] },
  ],
])

scenarios('replace', userTypeOf, ANN, [
  ['[R7644-3.5.2.3-01] needs a value', { op: 'replace', path: 'title' }, 'invalidValue'],
  [
    '[R7644-3.5.2.3-02] without a path replaces each attribute that is named',
    replace(undefined, { emails: [{ value: 'n' }], nickName: 'N' }),
    { emails: [{ value: 'n' }], nickName: 'N' },
  ],
  ['[R7644-3.5.2.3-03] replaces a single value', replace('title', 'X'), { title: 'X' }],
  [
    '[R7644-3.5.2.3-04] replaces a list',
    replace('emails', [{ value: 'n' }]),
    { emails: [{ value: 'n' }] },
  ],
  ['[R7644-3.5.2.3-05] adds what is absent', replace('nickName', 'N'), { nickName: 'N' }],
  [
    '[R7644-3.5.2.3-06] keeps the sub-attributes that are not named',
    replace('name', { givenName: 'X' }),
    { name: { familyName: 'Arbor', givenName: 'X' } },
  ],
  [
    '[R7644-3.5.2.3-06] and unassigns those that are null',
    replace('name', { givenName: null, middleName: 'M' }),
    { name: { familyName: 'Arbor', middleName: 'M' } },
  ],
  [
    '[R7644-3.5.2.3-07] puts a whole element in the place of each selected one',
    replace('emails[type eq "work"]', { value: 'n', type: 'work' }),
    { emails: [{ value: 'n', type: 'work' }, HOME] },
  ],
  [
    '[R7644-3.5.2.3-07] which makes one of two that become the same',
    replace('emails[type pr]', { value: 'n', type: 'work' }),
    { emails: [{ value: 'n', type: 'work' }] },
  ],
  [
    '[R7644-3.5.2.3-07] which goes on to hold what its path says of it',
    replace('emails[type eq "work"]', { value: 'n' }),
    { emails: [{ value: 'n', type: 'work' }, HOME] },
  ],
  [
    '[R7644-3.5.2.3-08] sets a sub-attribute of all selected elements',
    replace('emails[type pr].display', 'X'),
    {
      emails: [
        { ...WORK, display: 'X' },
        { value: 'a@home', display: 'X', type: 'home' },
      ],
    },
  ],
  [
    '[R7644-3.5.2.3-09] of an element that is not there makes it, whatever its type is called',
    replace('emails[type eq "nope"].value', 'x'),
    {
      emails: [
        { value: 'a@work', display: 'W', type: 'work', primary: true },
        { value: 'a@home', type: 'home' },
        { value: 'x', type: 'nope' },
      ],
    },
  ],
  [
    '[R7644-3.5.2.3-09] for roles, which have no canonical types, too',
    replace('roles[type eq "work" and primary eq true].value', 'x'),
    { roles: [{ value: 'x', type: 'work', primary: true }] },
  ],
  [
    '[R7644-3.5.2.3-09] but not where the terms contradict each other',
    replace('emails[type eq "a" and type eq "b"].value', 'x'),
    'noTarget',
  ],
  [
    '[R7644-3.5.2.3-09] and where a term is not eq',
    replace('emails[type eq "work" and value ne "a@work"].display', 'x'),
    'noTarget',
  ],
  [
    '[R7644-3.5.2.3-09] and for a single attribute',
    replace('name[givenName eq "x"].familyName', 'x'),
    'noTarget',
  ],
  [
    '[R7644-3.5.2.3-10] takes one object for a list',
    replace('emails', { value: 'x' }),
    { emails: [{ value: 'x' }] },
  ],
  ['[R7644-3.5.2.3-11] null unassigns', replace('title', null), { title: GONE }],
  ['[R7644-3.5.2.3-11] an empty list does', replace('emails', []), { emails: GONE }],
  [
    '[R7644-3.5.2.3-11] and null for an extension',
    replace(ENTERPRISE, null),
    { [ENTERPRISE]: GONE },
  ],
  ['[R7644-3.5.2.3-11] not what is required', replace('userName', null), 'invalidValue'],
  [
    '[R7644-3.5.2.3-12] null removes the elements that a filter selects',
    replace('emails[type eq "work"]', null),
    { emails: [HOME] },
  ],
  [
    '[R7644-3.5.2.3-12] an empty list does',
    replace('emails[type eq "work"]', []),
    { emails: [HOME] },
  ],
  ['[R7644-3.5.2.3-12] of nothing it is no fault', replace('emails[type eq "x"]', null), {}],
  ['[R7644-3.5.2.3-13] a wrong type is refused', replace('active', 5), 'invalidValue'],
  [
    '[R7644-3.5.2.3-13] in an element too',
    replace('emails[type eq "work"].value', 5),
    'invalidValue',
  ],
  ['[R7644-3.5.2.3-13] and a list for a single value', replace('title', ['x']), 'invalidValue'],
  ['[R7644-3.5.2.3-13] and a string for a list', replace('addresses', 'x'), 'invalidValue'],
  ['[R7644-3.5.2.3-13] and strings as elements', replace('addresses', ['x']), 'invalidValue'],
  ['an object without members is no empty list', replace('emails', {}), 'invalidValue'],
  ['nor is a list of null', replace('emails', [null]), 'invalidValue'],
  ['nor one of an empty string', replace('emails', ['']), 'invalidValue'],
  ['nor one of what is not understood', replace('emails', [{ email: 'b@x' }]), 'invalidValue'],
  ['nor one of a type alone', replace('emails', [{ type: 'work' }]), 'invalidValue'],
  ['nor an element of nothing', replace('emails[type eq "work"]', {}), 'invalidValue'],
  ['nor of nothing that is known', replace('emails[type eq "work"]', { a: 1 }), 'invalidValue'],
  ['nor of no value', replace('emails[type eq "work"]', { primary: true }), 'invalidValue'],
  ['nor a value that is an object', replace('emails[type eq "work"].value', {}), 'invalidValue'],
  ['nothing that is known is no complex value', replace('name', { bogus: 1 }), 'invalidValue'],
  ['nor is it one that a filter selects', replace('name[givenName pr]', { a: 1 }), 'invalidValue'],
  ['nor one without members there', replace('name[givenName pr]', {}), 'invalidValue'],
  [
    'an element that says that it has no value takes it away',
    replace('emails[type eq "work"]', { value: '', primary: true }),
    { emails: [HOME] },
  ],
  [
    'and so does a value of nothing',
    replace('emails[type eq "work"].value', ''),
    { emails: [HOME] },
  ],
  [
    'elements without a value are left out of a new list',
    replace('emails', [{ value: null, type: 'work' }, { type: 'home' }, { value: 'n' }]),
    { emails: [{ value: 'n' }] },
  ],
  [
    'and of one that says so there is none',
    replace('emails', [{ value: '', type: 'work', primary: true }]),
    { emails: GONE },
  ],
  ['[R7644-3.5.2.3-14] by the same value changes nothing', replace('emails', [WORK, HOME]), {}],
  [
    '[R7644-3.5.2.3-15] of primary leaves no other',
    replace('emails[type eq "home"].primary', 'true'),
    {
      emails: [
        { ...WORK, primary: false },
        { ...HOME, primary: true },
      ],
    },
  ],
  [
    '[R7644-3.5.2.3-16] of an extension keeps what is not named',
    replace(ENTERPRISE, { department: 'X' }),
    { [ENTERPRISE]: { ...EXT, department: 'X' } },
  ],
  [
    '[R7644-3.5.2.3-16] and unassigns what is null in it',
    replace(undefined, { [ENTERPRISE]: { department: null, division: 'V' } }),
    { [ENTERPRISE]: { employeeNumber: '7', division: 'V', manager: { value: 'm1' } } },
  ],
  ['[R7644-3.5.2.3-16] takes an object only', replace(ENTERPRISE, 'x'), 'invalidValue'],
  [
    'a $ref alone is a new reference',
    replace(`${ENTERPRISE}:manager`, { $ref: 'https://h/scim/v2/Users/m2' }),
    { [ENTERPRISE]: { ...EXT, manager: { value: 'm2' } } },
  ],
  [
    'a $ref as a path is one as well',
    replace(`${ENTERPRISE}:manager.$ref`, '../Users/m2'),
    { [ENTERPRISE]: { ...EXT, manager: { value: 'm2' } } },
  ],
  [
    'a $ref that refers to nothing is refused',
    replace(`${ENTERPRISE}:manager.$ref`, 'm2'),
    'invalidValue',
  ],
  [
    'a value beside a $ref wins, whichever comes first',
    replace(`${ENTERPRISE}:manager`, { VALUE: 'm3', $ref: '../Users/m2' }),
    { [ENTERPRISE]: { ...EXT, manager: { value: 'm3' } } },
  ],
])

scenarios('lists within complex attributes', widgetTypeOf, BOX, [
  [
    'add appends to them',
    add('box.labels', ['z']),
    { box: { ...(BOX['box'] as JsonObject), labels: ['x', 'y', 'z'] } },
  ],
  [
    'in a value too',
    add('box', { labels: ['y', 'z'] }),
    { box: { ...(BOX['box'] as JsonObject), labels: ['x', 'y', 'z'] } },
  ],
  [
    'replace replaces them',
    replace('box.labels', ['z']),
    { box: { ...(BOX['box'] as JsonObject), labels: ['z'] } },
  ],
  ['remove takes all', remove('box.labels'), { box: { value: 'v', fixed: 'f', count: 1 } }],
  [
    'add appends to those of selected elements',
    add('parts[value eq "v1"].labels', ['y']),
    {
      parts: [
        { value: 'v1', type: 'work', fixed: 'f', labels: ['x', 'y'] },
        { value: 'v2', type: 'home' },
      ],
    },
  ],
  [
    'and a new element begins with what its filter says',
    add('parts[labels eq "q"].value', 'v3'),
    { parts: [...(BOX['parts'] as JsonValue[]), { value: 'v3', labels: ['q'] }] },
  ],
  [
    'a $ref is derived, so no filter on it makes an element',
    add('keepers[$ref eq "../Users/u1"].type', 'x'),
    'noTarget',
  ],
  ['nor does one on what is readOnly', add('parts[seen eq "x"].value', 'y'), 'noTarget'],
  ['[R7644-3.10-03] a name that two extensions have is none', replace('grade', 1), 'invalidPath'],
  [
    '[R7644-3.10-06] the longest URN wins',
    replace(`${EXTRA}:grade`, 2),
    { [EXTRA]: { mark: 'm', grade: 2 } },
  ],
  [
    '[R7644-3.10-06] a URN may hold dots',
    replace(`${DOTTED}:tags`, ['t']),
    { [DOTTED]: { tags: ['t'] } },
  ],
])

/** What the edits of a group's links come to, as `op ids`. */
function linkEdits(...operations: readonly JsonObject[]): string[] {
  const before = documentFor(groupTypeOf, { displayName: 'G' })
  const { links } = patched(groupTypeOf, before, patchBody(...operations))
  return links.map((edit) =>
    edit.op === 'removeWhere' ? 'removeWhere' : [edit.op, ...edit.ids].join(' '),
  )
}

describe('members are keys, added and removed', () => {
  test.each<[string, JsonObject | readonly JsonObject[], string[]]>([
    ['[R7644-3.5.2.1-08] one object', add('members', { value: 'u1' }), ['add u1']],
    [
      '[R7644-3.5.2.1-11] each once',
      add('members', [{ value: 'u1' }, { value: 'u1', display: 'x' }]),
      ['add u1'],
    ],
    ['[R7643-4.2-03] with a null $ref', add('members', [{ $ref: null, value: 'u1' }]), ['add u1']],
    [
      '[R7643-2.3-10] by their $ref alone',
      add('members', [{ $ref: '../Users/u%201' }]),
      ['add u 1'],
    ],
    ['[R7644-3.5.2.2-03] all are removed', remove('members'), ['replace']],
    ['[R7644-3.5.2.2-04] some are removed', remove('members', [{ value: 'u1' }]), ['remove u1']],
    ['[R7644-3.5.2.2-04] none are removed', remove('members', []), ['remove']],
    [
      '[R7644-3.5.2.2-05] one is removed by its path',
      remove('members[value eq "u1"]'),
      ['remove u1'],
    ],
    [
      '[R7644-3.5.2.2-05] some are removed by a path',
      remove('members[type eq "User"]'),
      ['removeWhere'],
    ],
    ['[R7644-3.5.2.3-04] all are replaced', replace('members', [{ value: 'u1' }]), ['replace u1']],
    ['[R7644-3.5.2.3-11] by an empty list', replace('members', []), ['replace']],
    ['[R7644-3.5.2.3-11] by null', replace('members', null), ['replace']],
    [
      '[R7644-3.5.2.3-12] one is removed by null',
      replace('members[value eq "u1"]', null),
      ['remove u1'],
    ],
    ['[R7644-3.5.2.1-15] null adds nobody', add('members', null), ['add']],
    ['without a path', replace(undefined, { members: [{ value: 'u1' }] }), ['replace u1']],
    [
      '[R7644-3.5.2-12] in their order',
      [remove('members'), add('members', [{ value: 'u1' }])],
      ['replace', 'add u1'],
    ],
  ])('%s', (_, operations, edits) => {
    const list = Array.isArray(operations) ? operations : [operations]
    expect(linkEdits(...(list as readonly JsonObject[]))).toEqual(edits)
  })

  test.each<[string, JsonObject, ScimType]>([
    [
      '[R7644-3.5.2.3-17] what one holds is not edited',
      replace('members[value eq "a"].value', 'b'),
      'mutability',
    ],
    [
      '[R7644-3.5.2.3-17] nor replaced as a whole',
      replace('members[value eq "a"]', { value: 'b' }),
      'mutability',
    ],
    ['[R7644-3.5.2.1-17] a part of no member is refused', remove('members.value'), 'invalidPath'],
    ['a member without an id is refused', add('members', [{ display: 'x' }]), 'invalidValue'],
    ['a member whose id is no string is refused', add('members', [{ value: 5 }]), 'invalidValue'],
    ['a number for the list is refused', add('members', 7), 'invalidValue'],
    ['an object without members replaces none', replace('members', {}), 'invalidValue'],
    ['nor does a list of null', replace('members', [null]), 'invalidValue'],
    ['nor of what is not understood', replace('members', [{ id: 'u1' }]), 'invalidValue'],
    ['nor where a filter selects', replace('members[value eq "u1"]', {}), 'invalidValue'],
    ['an object without members removes none', remove('members', {}), 'invalidValue'],
  ])('%s', (_, operation, scimType) => {
    expect(refusalOf(() => linkEdits(operation)).scimType).toBe(scimType)
  })

  test('a path selects members by what the server tells of them', () => {
    const { links } = patched(
      groupTypeOf,
      documentFor(groupTypeOf, { displayName: 'G' }),
      patchBody(remove('members[type eq "user" and display sw "A"]')),
    )
    const [edit] = links
    if (edit?.op !== 'removeWhere') throw new Error('no removeWhere')
    expect(edit.matches({ id: 'u1', type: { name: 'User' }, display: 'Ann' })).toBe(true)
    expect(edit.matches({ id: 'u1', type: { name: 'User' }, display: 'Bob' })).toBe(false)
    expect(edit.matches({ id: 'u1', type: { name: 'Group' }, display: 'Ann' })).toBe(false)
  })
})

/** Complaints about other servers, from their issue threads: reference/user-complaints.md. */
scenarios('what others got wrong with users', userTypeOf, ANN, [
  [
    '[A1] replace makes the typed value that is not there yet',
    [remove('emails[type eq "work"]'), replace('emails[type eq "work"].value', 'n@work')],
    { emails: [HOME, { value: 'n@work', type: 'work' }] },
  ],
  [
    '[A1] of several terms, each canonical or primary',
    replace('emails[type eq "other" and primary eq "True"].value', 'o'),
    { emails: [{ ...WORK, primary: false }, HOME, { value: 'o', type: 'other', primary: true }] },
  ],
  [
    "[A2] Microsoft's validator adds a typed value and means a new element",
    [remove('emails'), add('emails[type eq "work"].value', 'n@work')],
    { emails: [{ value: 'n@work', type: 'work' }] },
  ],
  [
    '[A3] a new work e-mail leaves the others alone',
    replace('emails[type eq "work"].value', 'n@work'),
    { emails: [{ ...WORK, value: 'n@work' }, HOME] },
  ],
  [
    '[A4] a list of one object stands for a single value',
    [
      { op: 'Replace', path: 'displayName', value: [{ $ref: null, value: 'X' }] },
      { op: 'Add', path: 'name.givenName', value: [{ value: 'Y' }] },
    ],
    { displayName: 'X', name: { familyName: 'Arbor', givenName: 'Y' } },
  ],
  [
    '[A5] a dotted key is a path, never a name',
    add(undefined, { 'name.givenName': 'K', 'Name.familyName': 'L' }),
    { name: { familyName: 'L', givenName: 'K' } },
  ],
  [
    '[A6] a key with a URN is a path, never a root attribute',
    add(undefined, {
      [`${ENTERPRISE}:employeeNumber`]: '8',
      [`${ENTERPRISE}:manager.value`]: 'm2',
    }),
    { [ENTERPRISE]: { ...EXT, employeeNumber: '8', manager: { value: 'm2' } } },
  ],
  [
    '[A7] the URN itself is a container',
    add(undefined, { [ENTERPRISE.toUpperCase()]: { costCenter: 'C' } }),
    {
      [ENTERPRISE]: {
        employeeNumber: '7',
        costCenter: 'C',
        department: 'D',
        manager: { value: 'm1' },
      },
    },
  ],
  [
    '[A14] a string for the manager is its value',
    replace(`${ENTERPRISE}:manager`, 'm2'),
    { [ENTERPRISE]: { ...EXT, manager: { value: 'm2' } } },
  ],
  [
    '[A14] an empty one is none',
    replace(`${ENTERPRISE}:manager`, ''),
    { [ENTERPRISE]: { employeeNumber: '7', department: 'D' } },
  ],
  [
    '[A15] an extension that is not there yet is made',
    [
      remove(ENTERPRISE),
      replace(ENTERPRISE, { department: 'X' }),
      add(`${ENTERPRISE}:division`, 'V'),
    ],
    { [ENTERPRISE]: { division: 'V', department: 'X' } },
  ],
  [
    '[A16] a filter stands behind a URN with dots',
    [
      replace(`${USER}:emails[type eq "work"].value`, 'n'),
      remove(`${USER}:phoneNumbers[value eq "1"]`),
    ],
    { emails: [{ ...WORK, value: 'n' }, HOME], phoneNumbers: GONE },
  ],
  [
    '[A17] roles[primary eq "True"] is made, in parts',
    [
      replace('roles[primary eq "True"].display', 'Admin'),
      replace('roles[primary eq "True"].value', 'admin'),
      replace('roles[primary eq "True"].type', 'X'),
    ],
    { roles: [{ value: 'admin', display: 'Admin', type: 'X', primary: true }] },
  ],
  [
    '[A17] in whatever order, the type first',
    [
      replace('roles[primary eq "True"].type', 'X'),
      replace('roles[primary eq "True"].value', 'admin'),
    ],
    { roles: [{ value: 'admin', type: 'X', primary: true }] },
  ],
  [
    '[A18] "False" deprovisions',
    { op: 'Replace', path: 'active', value: 'False' },
    { active: false },
  ],
  ['[A18] without a path too', replace(undefined, { active: 'false' }), { active: false }],
  [
    '[A19] capitals are no other operations',
    { op: 'Replace', path: 'title', value: 'X' },
    { title: 'X' },
  ],
  ['[A20] no change is no fault', [], {}],
  [
    '[A20] nor is what is so already',
    [replace('active', true), add('emails', [HOME]), remove('nickName')],
    {},
  ],
  ['[A21] active false is applied', replace(undefined, { active: false }), { active: false }],
  ['[A22] active false by a path is applied', replace('active', false), { active: false }],
  [
    '[A24] readOnly attributes in a value are ignored',
    replace(undefined, { id: 'x', title: 'X' }),
    { title: 'X' },
  ],
  ['[A24] those in a path are refused', replace('groups', []), 'mutability'],
])

describe('what others got wrong with groups', () => {
  test('[A8] a remove with values never clears the group', () => {
    const entra = { op: 'Remove', path: 'members', value: [{ $ref: null, value: 'u1' }] }
    expect(linkEdits(entra)).toEqual(['remove u1'])
    expect(linkEdits({ op: 'remove', path: 'members', value: { value: 'u1' } })).toEqual([
      'remove u1',
    ])
    expect(linkEdits({ op: 'remove', path: 'members', value: [] })).toEqual(['remove'])
  })

  test('[A9] a replace that does not name members leaves them', () => {
    expect(linkEdits(replace(undefined, { displayName: 'H' }))).toEqual([])
    expect(linkEdits(replace('displayName', 'H'))).toEqual([])
    expect(linkEdits(replace(undefined, { externalId: 'x', schemas: [GROUP] }))).toEqual([])
  })

  test('[A11] an empty list clears the members', () => {
    expect(linkEdits(replace('members', []))).toEqual(['replace'])
    expect(linkEdits(replace(undefined, { members: [] }))).toEqual(['replace'])
  })

  test('[A12] a member needs no type', () => {
    expect(linkEdits(add('members', [{ value: 'u1' }]))).toEqual(['add u1'])
  })

  test('[A13] what else is said of a member is taken and dropped', () => {
    const member = { value: 'u1', display: 'Ann', displayName: 'Ann', type: 'x', foo: { bar: 1 } }
    expect(linkEdits(add('members', [member]))).toEqual(['add u1'])
  })

  test("[A24] Okta's rename, with the id in it, is a rename", () => {
    const before = documentFor(groupTypeOf, { displayName: 'G' })
    const rename = patchBody(replace(undefined, { id: 'g1', displayName: 'H' }))
    expect(patched(groupTypeOf, before, rename)).toEqual({
      document: { schemas: [GROUP], displayName: 'H' },
      links: [],
    })
  })
})

test('[A16] the attribute of a URN that is no schema of the type is refused, not guessed', () => {
  const paths = [
    `${USER}:foo`,
    `${USER}:userName:foo`,
    'urn:ietf:params:scim:schemas:core:1.0:User:userName',
    `${ENTERPRISE}User:department`,
    GROUP,
    WIDGET,
  ]
  for (const path of paths) {
    run(userTypeOf, ANN, [path, replace(path, 'x'), 'invalidPath'])
  }
})

test('a refusal says which operation, which attribute, what was found and what was expected', () => {
  const messageOf = (...operations: readonly JsonObject[]) =>
    refusalOf(() => patched(userTypeOf, documentFor(userTypeOf, ANN), patchBody(...operations)))
      .message
  expect(messageOf(replace('title', 'X'), remove('userName'))).toBe(
    'Operations[1]: userName is required and cannot be removed',
  )
  expect(messageOf(replace('emails[type ne "x" and value eq "y"].value', 'y'))).toBe(
    'Operations[0]: no element of emails matches the filter of the path',
  )
  expect(messageOf(add('emails.value', 'y'))).toBe(
    'Operations[0]: "emails.value" names no element; use emails[filter].value',
  )
  expect(messageOf(replace('id', 'y'))).toBe(
    'Operations[0].path: "id" is readOnly and changes by the server alone',
  )
  expect(messageOf(replace('active', 'maybe'))).toBe(
    'active: found the string "maybe", expected true or false',
  )
})
