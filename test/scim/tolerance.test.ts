/** Each tolerance by name: understood as its row says where it is on, refused where it is off. */

import { describe, expect, test } from 'bun:test'
import { ScimError } from '../../src/scim/error.ts'
import { predicateOf } from '../../src/scim/filter/evaluate.ts'
import { parseFilter } from '../../src/scim/filter/parse.ts'
import { resolveFilter } from '../../src/scim/filter/resolve.ts'
import type { JsonValue } from '../../src/scim/json.ts'
import { readDraft } from '../../src/scim/resource.ts'
import { MODES, type Rules, TOLERANCES, type Tolerance } from '../../src/scim/tolerance.ts'
import { compileChecks, requireValid } from '../../src/scim/validate.ts'
import type { JsonObject } from '../../src/scim/value.ts'
import {
  CHECKS,
  DOTTED,
  documentFor,
  ENTERPRISE,
  groupTypeOf,
  INTEROP,
  patchBody,
  patched,
  RFC,
  rulesWith,
  USER,
  userTypeOf,
  WIDGET,
  widgetTypeOf,
} from './given.ts'

const STRICT_CHECKS = compileChecks([...CHECKS.keys()], true)

const STORED = {
  userName: 'ann',
  title: 'Clerk',
  emails: [{ value: 'a' }, { value: 'b', type: 'home' }],
}

/** What a POST stores, without schemas. */
function posted(rules: Rules, body: JsonObject, type = userTypeOf): JsonObject {
  const { document } = readDraft(type, body, rules)
  requireValid(rules.tolerances.freeFormats ? CHECKS : STRICT_CHECKS, type, document)
  const { schemas: _, ...rest } = document
  return rest
}

const user = (rules: Rules, body: JsonObject): JsonObject =>
  posted(rules, { schemas: [USER], userName: 'ann', ...body })

const widget = (rules: Rules, body: JsonObject): JsonObject =>
  posted(rules, { schemas: [WIDGET], code: 'w', ...body }, widgetTypeOf)

/** What a PATCH leaves of the stored user. */
function patchedUser(rules: Rules, ...operations: readonly JsonValue[]): JsonObject {
  const body = patchBody(...operations)
  const { schemas: _, ...rest } = patched(
    userTypeOf,
    documentFor(userTypeOf, STORED),
    body,
    rules,
  ).document
  return rest
}

/** Whether a filter finds the stored user. */
function found(rules: Rules, filter: string): boolean {
  const typed = resolveFilter(parseFilter(filter), userTypeOf.resolve, { rules })
  const resource = documentFor(userTypeOf, STORED)
  return predicateOf(typed)({ resource, elements: () => [], holds: () => false })
}

/** What is sent, and what is stored where the tolerance is on. */
interface Case {
  readonly send: (rules: Rules) => JsonValue
  readonly understood: JsonValue
}

const CASES: Record<Tolerance, readonly Case[]> = {
  missingSchemas: [
    { send: (rules) => posted(rules, { userName: 'ann' }), understood: { userName: 'ann' } },
    {
      send: (rules) => {
        const body = { Operations: [{ op: 'remove', path: 'title' }] }
        return patched(
          userTypeOf,
          documentFor(userTypeOf, { userName: 'ann', title: 'x' }),
          body,
          rules,
        ).document
      },
      understood: { schemas: [USER], userName: 'ann' },
    },
  ],
  unknownSchemas: [
    {
      send: (rules) =>
        posted(rules, { schemas: [USER, 'urn:scim:schemas:core:1.0'], userName: 'ann' }),
      understood: { userName: 'ann' },
    },
  ],
  unknownAttributes: [
    { send: (rules) => user(rules, { foo: 1 }), understood: { userName: 'ann' } },
    { send: (rules) => user(rules, { 'urn:x:y': {} }), understood: { userName: 'ann' } },
    {
      send: (rules) => user(rules, { name: { givenName: 'A', foo: 1 } }),
      understood: { userName: 'ann', name: { givenName: 'A' } },
    },
    { send: (rules) => user(rules, { [ENTERPRISE]: { foo: 1 } }), understood: { userName: 'ann' } },
    { send: (rules) => patchedUser(rules, { op: 'add', value: { foo: 1 } }), understood: STORED },
  ],
  emptyOperations: [{ send: (rules) => patchedUser(rules), understood: STORED }],
  booleanStrings: [
    {
      send: (rules) => user(rules, { active: 'True' }),
      understood: { userName: 'ann', active: true },
    },
    {
      send: (rules) => patchedUser(rules, { op: 'replace', path: 'active', value: 'False' }),
      understood: { ...STORED, active: false },
    },
    {
      send: (rules) => patchedUser(rules, { op: 'remove', path: 'emails[primary ne "True"]' }),
      understood: { userName: 'ann', title: 'Clerk' },
    },
  ],
  numericStrings: [
    { send: (rules) => widget(rules, { count: '7' }), understood: { code: 'w', count: 7 } },
    { send: (rules) => widget(rules, { ratio: '-1.5e2' }), understood: { code: 'w', ratio: -150 } },
  ],
  emptyStrings: [
    {
      send: (rules) => patchedUser(rules, { op: 'replace', path: 'emails', value: '' }),
      understood: { userName: 'ann', title: 'Clerk' },
    },
    {
      send: (rules) => user(rules, { emails: '' }),
      understood: { userName: 'ann' },
    },
  ],
  numberForString: [
    {
      send: (rules) => user(rules, { [ENTERPRISE]: { employeeNumber: 701984 } }),
      understood: { userName: 'ann', [ENTERPRISE]: { employeeNumber: '701984' } },
    },
    {
      send: (rules) => patchedUser(rules, { op: 'replace', path: 'title', value: -7 }),
      understood: { ...STORED, title: '-7' },
    },
    {
      send: (rules) => user(rules, { password: 12345678 }),
      understood: { userName: 'ann', password: '12345678' },
    },
    {
      send: (rules) => user(rules, { roles: [{ value: 1 }] }),
      understood: { userName: 'ann', roles: [{ value: '1' }] },
    },
    {
      send: (rules) => widget(rules, { tags: [1, 'a', 1] }),
      understood: { code: 'w', tags: ['1', 'a'] },
    },
    { send: (rules) => found(rules, 'title eq 7'), understood: false },
  ],
  stringForComplex: [
    {
      send: (rules) => user(rules, { roles: ['admin', { value: 'x' }] }),
      understood: { userName: 'ann', roles: [{ value: 'admin' }, { value: 'x' }] },
    },
    {
      send: (rules) => patchedUser(rules, { op: 'add', path: 'emails', value: ['a', 'c'] }),
      understood: { ...STORED, emails: [...STORED.emails, { value: 'c' }] },
    },
    {
      send: (rules) => user(rules, { [ENTERPRISE]: { manager: 'm' } }),
      understood: { userName: 'ann', [ENTERPRISE]: { manager: { value: 'm' } } },
    },
    {
      send: (rules) =>
        posted(
          rules,
          { schemas: [groupTypeOf.schema.id], displayName: 'g', members: ['u1'] },
          groupTypeOf,
        ),
      understood: { displayName: 'g' },
    },
  ],
  listForSingular: [
    {
      send: (rules) => user(rules, { name: [{ givenName: 'A' }] }),
      understood: { userName: 'ann', name: { givenName: 'A' } },
    },
    {
      send: (rules) =>
        patchedUser(rules, { op: 'replace', path: 'title', value: [{ $ref: null, value: 'X' }] }),
      understood: { ...STORED, title: 'X' },
    },
  ],
  objectForList: [
    {
      send: (rules) => user(rules, { emails: { value: 'a' } }),
      understood: { userName: 'ann', emails: [{ value: 'a' }] },
    },
  ],
  nullElements: [
    {
      send: (rules) => user(rules, { emails: [null, { value: 'a' }] }),
      understood: { userName: 'ann', emails: [{ value: 'a' }] },
    },
    {
      send: (rules) => widget(rules, { tags: ['a', null] }),
      understood: { code: 'w', tags: ['a'] },
    },
  ],
  valueForList: [
    { send: (rules) => widget(rules, { tags: 'a' }), understood: { code: 'w', tags: ['a'] } },
    { send: (rules) => widget(rules, { counts: 0 }), understood: { code: 'w', counts: [0] } },
    {
      send: (rules) => widget(rules, { flags: false }),
      understood: { code: 'w', flags: [false] },
    },
    {
      send: (rules) => patchedUser(rules, { op: 'replace', path: 'emails', value: 'c' }),
      understood: { ...STORED, emails: [{ value: 'c' }] },
    },
    {
      send: (rules) => {
        const body = patchBody({ op: 'add', path: 'members', value: 'u1' })
        const before = documentFor(groupTypeOf, { displayName: 'g' })
        const [edit] = patched(groupTypeOf, before, body, rules).links
        return edit?.op === 'add' ? [...edit.ids] : null
      },
      understood: ['u1'],
    },
  ],
  objectForValue: [
    {
      send: (rules) => widget(rules, { tags: [{ $ref: null, value: '1' }, '2'] }),
      understood: { code: 'w', tags: ['1', '2'] },
    },
    {
      send: (rules) =>
        widget(rules, { counts: [{ value: '1' }], box: { labels: [{ value: 'l' }] } }),
      understood: { code: 'w', counts: [1], box: { labels: ['l'] } },
    },
    {
      send: (rules) => {
        const body = patchBody(
          { op: 'Add', path: `${DOTTED}:tags`, value: [{ value: '1' }] },
          { op: 'Add', value: { [DOTTED]: { tags: [{ $ref: null, value: '2' }] } } },
          { op: 'Add', path: `${DOTTED}:tags`, value: { value: '3' } },
          { op: 'Remove', path: `${DOTTED}:tags`, value: [{ value: '1' }] },
        )
        const before = documentFor(widgetTypeOf, { code: 'w' })
        return patched(widgetTypeOf, before, body, rules).document[DOTTED] ?? null
      },
      understood: { tags: ['2', '3'] },
    },
  ],
  pathsAsKeys: [
    {
      send: (rules) => patchedUser(rules, { op: 'add', value: { 'name.givenName': 'A' } }),
      understood: { ...STORED, name: { givenName: 'A' } },
    },
    {
      send: (rules) =>
        patchedUser(rules, { op: 'add', value: { [`${ENTERPRISE}:division`]: 'D' } }),
      understood: { ...STORED, [ENTERPRISE]: { division: 'D' } },
    },
    {
      send: (rules) =>
        patchedUser(rules, { op: 'add', value: { 'emails[type eq "home"].display': 'D' } }),
      understood: {
        ...STORED,
        emails: [{ value: 'a' }, { value: 'b', display: 'D', type: 'home' }],
      },
    },
  ],
  pathlessPatch: [
    {
      send: (rules) => patchedUser(rules, { op: 'add', value: { title: 'X' } }),
      understood: { ...STORED, title: 'X' },
    },
  ],
  removeByValue: [
    {
      send: (rules) =>
        patchedUser(rules, { op: 'Remove', path: 'emails', value: [{ value: 'a' }] }),
      understood: { ...STORED, emails: [{ value: 'b', type: 'home' }] },
    },
    {
      send: (rules) => {
        const body = patchBody({ op: 'Remove', path: 'members', value: [{ value: 'u1' }] })
        const before = documentFor(groupTypeOf, { displayName: 'g' })
        const [edit] = patched(groupTypeOf, before, body, rules).links
        return edit?.op === 'remove' ? [...edit.ids] : null
      },
      understood: ['u1'],
    },
  ],
  createOnReplace: [
    {
      send: (rules) =>
        patchedUser(rules, { op: 'replace', path: 'emails[type eq "work"].value', value: 'w' }),
      understood: { ...STORED, emails: [...STORED.emails, { value: 'w', type: 'work' }] },
    },
  ],
  // Switched off it means something else, and is not refused: see below.
  mergeOnReplace: [],
  elementPaths: [
    {
      send: (rules) => patchedUser(rules, { op: 'remove', path: 'emails[type eq "home"]' }),
      understood: { ...STORED, emails: [{ value: 'a' }] },
    },
  ],
  extendedFilters: [
    {
      send: (rules) => found(rules, 'emails[type eq "home"].value eq "b"'),
      understood: true,
    },
    {
      send: (rules) => found(rules, 'not (emails[type eq "home"].value eq "a")'),
      understood: true,
    },
  ],
  bareNames: [
    { send: (rules) => found(rules, 'department eq "x"'), understood: false },
    { send: (rules) => found(rules, 'not (manager.value pr)'), understood: true },
    { send: (rules) => found(rules, 'manager[value eq "m"]'), understood: false },
    {
      send: (rules) => patchedUser(rules, { op: 'add', path: 'manager.value', value: 'm' }),
      understood: { ...STORED, [ENTERPRISE]: { manager: { value: 'm' } } },
    },
  ],
  dotAfterUrn: [
    { send: (rules) => found(rules, `${ENTERPRISE}.department eq "x"`), understood: false },
    {
      send: (rules) =>
        patchedUser(rules, { op: 'add', path: `${ENTERPRISE}.manager.value`, value: 'm' }),
      understood: { ...STORED, [ENTERPRISE]: { manager: { value: 'm' } } },
    },
    {
      send: (rules) =>
        patchedUser(rules, { op: 'add', value: { [`${ENTERPRISE}.department`]: 'X' } }),
      understood: { ...STORED, [ENTERPRISE]: { department: 'X' } },
    },
  ],
  coreContainer: [
    {
      send: (rules) => user(rules, { [USER]: { title: 'T' } }),
      understood: { userName: 'ann', title: 'T' },
    },
    {
      send: (rules) =>
        patchedUser(rules, { op: 'replace', value: { [USER.toUpperCase()]: { title: 'T' } } }),
      understood: { ...STORED, title: 'T' },
    },
  ],
  readOnlyValues: [
    {
      send: (rules) => patchedUser(rules, { op: 'replace', value: { id: 'x', title: 'T' } }),
      understood: { ...STORED, title: 'T' },
    },
  ],
  unlistedExtensions: [
    {
      send: (rules) => user(rules, { [ENTERPRISE]: { department: 'X' } }),
      understood: { userName: 'ann', [ENTERPRISE]: { department: 'X' } },
    },
  ],
  freeFormats: [
    {
      send: (rules) => user(rules, { addresses: [{ country: 'USA' }], locale: 'none at all' }),
      understood: { userName: 'ann', addresses: [{ country: 'USA' }], locale: 'none at all' },
    },
  ],
  // What an address says, and the names of endpoints: test/http/address.test.ts.
  parameterNames: [],
  endpointNames: [],
  secondQuestionMark: [],
}

/** What comes of a request: what is stored, or the word "refused". */
function outcome({ send }: Case, rules: Rules): JsonValue {
  try {
    return send(rules)
  } catch (error) {
    if (error instanceof ScimError && error.status === 400) return 'refused'
    throw error
  }
}

const REFUSED = (Object.keys(TOLERANCES) as Tolerance[]).filter((name) => CASES[name].length > 0)

describe.each(REFUSED)('%s', (name) => {
  const cases = CASES[name].map((one, index) => [index, one] as const)

  test.each(cases)('is understood where it is on (%d)', (_, one) => {
    if (MODES.interop[name]) expect(outcome(one, INTEROP)).toEqual(one.understood)
    expect(outcome(one, rulesWith({ [name]: true }))).toEqual(one.understood)
  })

  test.each(cases)('is refused where it is off (%d)', (_, one) => {
    expect(outcome(one, rulesWith({ [name]: false }))).toBe('refused')
  })

  test('says what is sent, what is understood, and who sends it', () => {
    const { sent, understood, source } = TOLERANCES[name]
    for (const text of [sent, understood, source]) expect(text.length).toBeGreaterThan(5)
  })
})

test('the modes are presets over all switches', () => {
  const names = Object.keys(TOLERANCES).sort()
  for (const preset of Object.values(MODES)) expect(Object.keys(preset).sort()).toEqual(names)
  const off = names.filter((name) => !MODES.interop[name as Tolerance])
  expect(off).toEqual(['numberForString'])
  const kept = names.filter((name) => MODES.rfc[name as Tolerance])
  expect(kept).toEqual(['elementPaths', 'mergeOnReplace', 'pathlessPatch', 'unknownAttributes'])
  expect(names.filter((name) => MODES.profile[name as Tolerance])).toEqual(['removeByValue'])
})

test('a number of which the digits are not known is refused all the same', () => {
  const rules = rulesWith({ numberForString: true })
  for (const title of [2 ** 53, 1.5, 1e21, -(2 ** 53)])
    expect(outcome({ send: (r) => user(r, { title }), understood: null }, rules)).toBe('refused')
  expect(user(rules, { title: 2 ** 53 - 1 })).toMatchObject({ title: '9007199254740991' })
})

test('an object in a list of simple values has nothing but its value where that is strict', () => {
  const beside = { tags: [{ value: '1', display: 'One' }] }
  expect(widget(INTEROP, beside)).toEqual({ code: 'w', tags: ['1'] })
  const strict = rulesWith({ unknownAttributes: false })
  expect(outcome({ send: (rules) => widget(rules, beside), understood: null }, strict)).toBe(
    'refused',
  )
})

test('without emptyStrings an empty string is a value, to be kept', () => {
  expect(user(RFC, { title: '' })).toEqual({ userName: 'ann', title: '' })
  expect(user(INTEROP, { title: '' })).toEqual({ userName: 'ann' })
  const kept = patchedUser(rulesWith({ emptyStrings: false }), {
    op: 'replace',
    path: 'title',
    value: '',
  })
  expect(kept).toEqual({ ...STORED, title: '' })
})
