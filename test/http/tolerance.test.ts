/** What clients send against the RFCs: each tolerance on, as in interop, and off, as in rfc. */

import { afterAll, describe, expect, test } from 'bun:test'
import { rmSync } from 'node:fs'
import { MODES, TOLERANCES, type Tolerance } from '../../src/scim/tolerance.ts'
import { type Reply, TARGETS } from '../harness.ts'
import {
  type Body,
  ENTERPRISE,
  expectError,
  idsOf,
  LIST_RESPONSE,
  PATCH_OP,
  type Scim,
  schemasOf,
  sharedServer,
  USER,
} from './given.ts'
import {
  DEVICE,
  DEVICE_EXTENSION,
  DEVICE_SCHEMA,
  DEVICE_TYPE,
  schemasDirectory,
  WARRANTY_SCHEMA,
} from './schema-files.ts'

/** One thing that is sent to a user, and what is made of it. */
interface Case {
  readonly source: string
  /** What the user holds before. */
  readonly given?: object
  readonly send: (scim: Scim, user: Body) => Promise<Reply>
  /** With the switch on: what the resource then holds. */
  readonly understood: object
  /** With the switch off: the scimType, or what the resource then holds. */
  readonly otherwise: string | object
}

const put = (body: object) => (scim: Scim, user: Body) =>
  scim.request('PUT', `/Users/${user.id}`, {
    schemas: schemasOf(USER, body),
    userName: user.userName,
    ...body,
  })

const patch =
  (...operations: object[]) =>
  (scim: Scim, user: Body) =>
    scim.request('PATCH', `/Users/${user.id}`, { schemas: [PATCH_OP], Operations: operations })

const HOME = { value: 'h@x', type: 'home' }

const CASES: Readonly<Record<Tolerance, readonly Case[]>> = {
  missingSchemas: [
    {
      source: 'OneLogin [R7643-2.1-04] [R7644-3.5.1-13]',
      send: (scim, { id, userName }) =>
        scim.request('PUT', `/Users/${id}`, { userName, title: 'T' }),
      understood: { title: 'T' },
      otherwise: 'invalidSyntax',
    },
    {
      source: 'an empty list says as little [R7643-2.1-04]',
      send: put({ schemas: [], title: 'T' }),
      understood: { title: 'T' },
      otherwise: 'invalidSyntax',
    },
    {
      source: 'Okta (push now) [R7644-3.5.2-02]',
      send: (scim, { id }) =>
        scim.request('PATCH', `/Users/${id}`, {
          Operations: [{ op: 'replace', path: 'title', value: 'T' }],
        }),
      understood: { title: 'T' },
      otherwise: 'invalidSyntax',
    },
  ],
  unknownSchemas: [
    {
      source: 'Google [R7643-3-02]',
      send: put({ schemas: [USER, 'urn:scim:schemas:core:1.0'], title: 'T' }),
      understood: { title: 'T', schemas: [USER] },
      otherwise: 'invalidSyntax',
    },
  ],
  unknownAttributes: [
    {
      source: 'Entra ID [R7643-3-08]',
      send: put({ foo: 1, title: 'T', name: { foo: 1, givenName: 'A' } }),
      understood: { title: 'T', name: { givenName: 'A' }, foo: undefined },
      otherwise: 'invalidSyntax',
    },
    {
      source: 'Polis [R7644-3.5.2-33]',
      send: patch({ op: 'replace', value: { foo: 1, title: 'T' } }),
      understood: { title: 'T', foo: undefined },
      otherwise: 'invalidSyntax',
    },
    {
      source: 'an extension is no place for others either',
      send: put({ [ENTERPRISE]: { foo: 1, department: 'D' } }),
      understood: { [ENTERPRISE]: { department: 'D' } },
      otherwise: 'invalidSyntax',
    },
  ],
  emptyOperations: [
    {
      source: 'Microsoft’s validator [R7644-3.5.2-03]',
      given: { title: 'T' },
      send: patch(),
      understood: { title: 'T' },
      otherwise: 'invalidSyntax',
    },
  ],
  booleanStrings: [
    {
      source: 'Entra ID [ENTRA-04] [R7643-2.3-03] [R7644-3.5.2-31]',
      send: patch({ op: 'Replace', path: 'active', value: 'False' }),
      understood: { active: false },
      otherwise: 'invalidValue',
    },
    {
      source: 'Microsoft’s validator [ENTRA-16]',
      send: put({ roles: [{ value: 'r', primary: 'True' }] }),
      understood: { roles: [{ value: 'r', primary: true }] },
      otherwise: 'invalidValue',
    },
    {
      source: 'Entra ID, in a path',
      given: { roles: [{ value: 'r', primary: true }] },
      send: patch({ op: 'replace', path: 'roles[primary eq "True"].value', value: 's' }),
      understood: { roles: [{ value: 's', primary: true }] },
      otherwise: 'invalidFilter',
    },
  ],
  numericStrings: [],
  emptyStrings: [
    {
      source: 'OneLogin',
      given: { nickName: 'N' },
      send: put({ title: '', nickName: '' }),
      understood: { title: undefined, nickName: undefined },
      otherwise: { title: '', nickName: '' },
    },
    {
      source: 'Entra ID (null update)',
      given: { title: 'T' },
      send: patch({ op: 'replace', path: 'title', value: '' }),
      understood: { title: undefined },
      otherwise: { title: '' },
    },
    {
      source: 'Entra ID (manager)',
      given: { [ENTERPRISE]: { manager: { value: 'x' } } },
      send: patch({ op: 'replace', path: `${ENTERPRISE}:manager`, value: '' }),
      understood: { [ENTERPRISE]: undefined },
      // A string for a complex attribute is the next thing to be refused.
      otherwise: 'invalidValue',
    },
  ],
  // Off in every mode: see below.
  numberForString: [],
  stringForComplex: [
    {
      source: 'templates (strings as elements)',
      given: { roles: [{ value: 'r' }] },
      send: patch({ op: 'add', path: 'roles', value: ['admin', 'r'] }),
      understood: { roles: [{ value: 'r' }, { value: 'admin' }] },
      otherwise: 'invalidValue',
    },
    {
      source: 'Entra ID (manager) [ENTRA-11] [R7643-4.3-05]',
      send: patch({ op: 'add', path: `${ENTERPRISE}:manager`, value: 'boss' }),
      understood: { [ENTERPRISE]: { manager: { value: 'boss' } } },
      otherwise: 'invalidValue',
    },
  ],
  listForSingular: [
    {
      source: 'Entra ID (manager)',
      send: patch({
        op: 'add',
        path: `${ENTERPRISE}:manager`,
        value: [{ $ref: null, value: 'boss' }],
      }),
      understood: { [ENTERPRISE]: { manager: { value: 'boss' } } },
      otherwise: 'invalidValue',
    },
    {
      source: 'Entra ID (a string)',
      send: patch({ op: 'add', path: 'title', value: [{ $ref: null, value: 'T' }] }),
      understood: { title: 'T' },
      otherwise: 'invalidValue',
    },
  ],
  objectForList: [
    {
      source: 'Rippling [R7643-2.3-14]',
      send: put({ emails: HOME }),
      understood: { emails: [HOME] },
      otherwise: 'invalidValue',
    },
  ],
  nullElements: [
    {
      source: 'templates',
      send: put({ emails: [null, HOME] }),
      understood: { emails: [HOME] },
      otherwise: 'invalidValue',
    },
  ],
  valueForList: [
    {
      source: 'scripts',
      given: { emails: [HOME] },
      send: patch({ op: 'replace', path: 'emails', value: 'w@x' }),
      understood: { emails: [{ value: 'w@x' }] },
      otherwise: 'invalidValue',
    },
    {
      source: 'templates [R7643-2.3-14]',
      send: put({ emails: 'h@x' }),
      understood: { emails: [{ value: 'h@x' }] },
      otherwise: 'invalidValue',
    },
  ],
  // No list of a user holds simple values: see values.test.ts.
  objectForValue: [],
  pathsAsKeys: [
    {
      source: 'Entra ID with aadOptscim062020 [ENTRA-12] [R7644-3.5.2-32]',
      given: { emails: [HOME] },
      send: patch({
        op: 'replace',
        value: {
          'name.givenName': 'A',
          [`${ENTERPRISE}:department`]: 'D',
          'emails[type eq "home"].display': 'H',
        },
      }),
      understood: {
        name: { givenName: 'A' },
        [ENTERPRISE]: { department: 'D' },
        emails: [{ ...HOME, display: 'H' }],
      },
      otherwise: 'invalidPath',
    },
  ],
  pathlessPatch: [
    {
      source: 'Okta [OKTA-05]',
      send: patch({ op: 'replace', value: { active: false } }),
      understood: { active: false },
      otherwise: 'invalidSyntax',
    },
  ],
  removeByValue: [
    {
      source: 'authentik, JumpCloud [R7644-3.5.2.2-04]',
      given: { emails: [HOME, { value: 'w@x' }] },
      send: patch({ op: 'remove', path: 'emails', value: [{ value: 'w@x' }] }),
      understood: { emails: [HOME] },
      otherwise: 'invalidValue',
    },
  ],
  createOnReplace: [
    {
      source: 'Entra ID [ENTRA-13] [R7644-3.5.2.3-09]',
      given: { emails: [HOME] },
      send: patch({ op: 'Replace', path: 'emails[type eq "work"].value', value: 'w@x' }),
      understood: { emails: [HOME, { value: 'w@x', type: 'work' }] },
      otherwise: 'noTarget',
    },
    {
      source: 'Entra ID (primary)',
      send: patch({ op: 'replace', path: 'roles[primary eq true].value', value: 'r' }),
      understood: { roles: [{ value: 'r', primary: true }] },
      otherwise: 'noTarget',
    },
  ],
  mergeOnReplace: [
    {
      source: 'RFC 7644 [R7644-3.5.2.3-05] [PROF-09]',
      given: { name: { givenName: 'A', familyName: 'B' } },
      send: patch({ op: 'replace', path: 'name', value: { familyName: 'C' } }),
      understood: { name: { givenName: 'A', familyName: 'C' } },
      otherwise: { name: { familyName: 'C' } },
    },
  ],
  elementPaths: [
    {
      source: 'RFC 7644 [PROF-10]',
      given: { emails: [HOME, { value: 'w@x', type: 'work' }] },
      send: patch({ op: 'remove', path: 'emails[type eq "work"]' }),
      understood: { emails: [HOME] },
      otherwise: 'invalidPath',
    },
    {
      source: 'RFC 7644, with a value [PROF-10]',
      given: { emails: [HOME] },
      send: patch({ op: 'replace', path: 'emails[type eq "home"]', value: { value: 'n@x' } }),
      understood: { emails: [{ value: 'n@x', type: 'home' }] },
      otherwise: 'invalidPath',
    },
  ],
  extendedFilters: [],
  bareNames: [
    {
      source: 'Entra ID [R7644-3.10-01]',
      send: patch({ op: 'replace', path: 'department', value: 'X' }),
      understood: { [ENTERPRISE]: { department: 'X' } },
      otherwise: 'invalidPath',
    },
  ],
  dotAfterUrn: [
    {
      source: 'Microsoft’s collection',
      send: patch({ op: 'replace', path: `${ENTERPRISE}.department`, value: 'X' }),
      understood: { [ENTERPRISE]: { department: 'X' } },
      otherwise: 'invalidPath',
    },
  ],
  coreContainer: [
    {
      source: 'a PATCH with the URN as its path',
      send: patch({ op: 'add', path: USER, value: { title: 'T' } }),
      understood: { title: 'T', [USER]: undefined },
      otherwise: 'invalidSyntax',
    },
    {
      source: 'a body',
      send: put({ [USER]: { title: 'T' } }),
      understood: { title: 'T', [USER]: undefined },
      otherwise: 'invalidSyntax',
    },
  ],
  readOnlyValues: [
    {
      source: 'Okta, authentik',
      send: patch({ op: 'replace', value: { id: 'other', groups: [], title: 'T' } }),
      understood: { title: 'T', groups: undefined },
      otherwise: 'mutability',
    },
  ],
  unlistedExtensions: [
    {
      source: 'Entra ID (extensions of one’s own)',
      send: put({ schemas: [USER], [ENTERPRISE]: { department: 'X' } }),
      understood: { [ENTERPRISE]: { department: 'X' } },
      otherwise: 'invalidSyntax',
    },
  ],
  freeFormats: [
    {
      source: 'Okta [R7643-4.1-17]',
      send: put({ addresses: [{ country: 'USA' }] }),
      understood: { addresses: [{ country: 'USA' }] },
      otherwise: 'invalidValue',
    },
    {
      source: 'Microsoft’s validator [R7643-4.1-17]',
      send: patch({ op: 'add', path: 'addresses', value: [{ country: 'Sierra Leone' }] }),
      understood: { addresses: [{ country: 'Sierra Leone' }] },
      otherwise: 'invalidValue',
    },
    {
      source: 'templates',
      send: patch({ op: 'add', path: 'timezone', value: 'Pacific Time' }),
      understood: { timezone: 'Pacific Time' },
      otherwise: 'invalidValue',
    },
  ],
  // test/http/address.test.ts
  parameterNames: [],
  endpointNames: [],
  secondQuestionMark: [],
}

const NAMES = Object.keys(TOLERANCES) as Tolerance[]

/** Sends one case and looks at the answer, and at what is stored. */
async function expectCase(scim: Scim, { given, send, understood, otherwise }: Case, isOn: boolean) {
  const user = await scim.user(given)
  const reply = await send(scim, user)
  const after = (await scim.get(`/Users/${user.id}`)).body
  const outcome = isOn ? understood : otherwise
  if (typeof outcome === 'string') {
    expectError(reply, 400, outcome)
    expect(after).toEqual(user)
    return
  }
  expect(reply.status, reply.text).toBe(200)
  expect(reply.body).toEqual(after)
  for (const [name, value] of Object.entries(outcome)) expect(after[name], name).toEqual(value)
}

/** What is said of operations without a path asks for `pathlessPatch` first. */
const WITHOUT_PATH: ReadonlySet<Tolerance> = new Set(['pathsAsKeys', 'readOnlyValues'])

const inMode = (mode: string) => ({ config: { tenants: { default: { mode } } } })

for (const target of TARGETS) {
  for (const mode of ['interop', 'rfc', 'profile'] as const) {
    describe(`tolerances in mode ${mode} (${target})`, () => {
      const schemas = schemasDirectory({
        'Device.json': DEVICE_SCHEMA,
        'Warranty.json': WARRANTY_SCHEMA,
        'resource-types/Device.json': DEVICE_TYPE,
      })
      const scim = sharedServer({ target, ...inMode(mode), flags: { schemas } })
      afterAll(() => rmSync(schemas, { recursive: true }))

      // Without pathless operations there is no value that could hold paths as keys.
      const named = NAMES.filter((name) => !WITHOUT_PATH.has(name) || MODES[mode].pathlessPatch)
      for (const name of named) {
        for (const one of CASES[name]) {
          const isOn = MODES[mode][name]
          test(`${name}, as from ${one.source}, is ${isOn ? 'understood' : 'not understood'}`, () =>
            expectCase(scim, one, isOn))
        }
      }

      test('[R7643-2.3-04] numericStrings, as from templates, are numbers or refused', async () => {
        const total = await scim.total('/Devices')
        const reply = await scim.request('POST', '/Devices', {
          schemas: [DEVICE, DEVICE_EXTENSION],
          serial: scim.fresh(),
          count: '42',
          weight: '-1.5e2',
          [DEVICE_EXTENSION]: { vendor: 'V' },
        })
        if (MODES[mode].numericStrings) {
          expect(reply.body).toMatchObject({ count: 42, weight: -150 })
        } else {
          expectError(reply, 400, 'invalidValue', 'count')
          expect(await scim.total('/Devices')).toBe(total)
        }
      })

      test('[R7643-2.3-02] numberForString: a number for a string is refused', async () => {
        const total = await scim.total('/Users')
        const body = { schemas: [USER], userName: scim.fresh(), title: 701984 }
        expectError(await scim.request('POST', '/Users', body), 400, 'invalidValue', 'title')
        expect(await scim.total('/Users')).toBe(total)
      })

      test('[R7644-3.4.2.2-27] booleanStrings count in filters as well', async () => {
        const reply = await scim.get('/Users?filter=active+eq+%22True%22')
        if (MODES[mode].booleanStrings) expect(reply.body.schemas).toEqual([LIST_RESPONSE])
        else expectError(reply, 400, 'invalidFilter', 'active')
      })

      test('[R7644-3.4.2.2-39] [R7644-3.4.2.2-45] extendedFilters and bareNames are understood in filters or refused', async () => {
        const user = await scim.user({
          emails: [{ value: 'e@x', type: 'work' }],
          [ENTERPRISE]: { manager: { value: 'm' } },
        })
        const both = `userName eq "${user.userName}" and`
        for (const [name, filter, strict] of [
          [
            'extendedFilters',
            `${both} emails[type eq "work"].value eq "E@x"`,
            `${both} emails[type eq "work" and value eq "E@x"]`,
          ],
          ['bareNames', `${both} manager eq "m"`, `${both} ${ENTERPRISE}:manager eq "m"`],
          ['bareNames', `${both} manager[value eq "m"]`, `${both} ${ENTERPRISE}:manager pr`],
        ] as const) {
          expect(idsOf(await scim.find(strict))).toEqual([user.id])
          const reply = await scim.get(`/Users?filter=${encodeURIComponent(filter)}`)
          if (MODES[mode][name]) expect(idsOf(reply.body.Resources)).toEqual([user.id])
          else expectError(reply, 400, 'invalidFilter')
        }
      })

      test('[R7644-3.5.2.2-04] removeByValue never empties a group', async () => {
        const users = idsOf([await scim.user(), await scim.user()])
        const [first] = users
        const group = await scim.group({ members: users.map((value) => ({ value })) })
        const reply = await scim.patch(`/Groups/${group.id}`, [
          { op: 'remove', path: 'members', value: [{ value: first }] },
        ])
        const after = (await scim.get(`/Groups/${group.id}`)).body
        if (MODES[mode].removeByValue) expect(idsOf(after.members)).toEqual(users.slice(1))
        else {
          expectError(reply, 400, 'invalidValue', 'members')
          expect(after).toEqual(group)
        }
      })

      test('[R7643-2.1-04] a new resource names its schemas, unless that is tolerated', async () => {
        const total = await scim.total('/Users')
        for (const more of [{}, { schemas: [] }, { schemas: null }]) {
          const userName = scim.fresh('bare')
          const reply = await scim.request('POST', '/Users', { userName, ...more })
          if (mode === 'interop') expect(reply.body).toMatchObject({ schemas: [USER], userName })
          else expectError(reply, 400, 'invalidSyntax', 'schemas')
        }
        expect(await scim.total('/Users')).toBe(total + (mode === 'interop' ? 3 : 0))
      })

      test('what no tolerance covers is refused in every mode', async () => {
        const total = await scim.total('/Users')
        for (const [body, scimType] of [
          [{ schemas: ['urn:nope'], userName: 'x' }, 'invalidSyntax'],
          [{ schemas: [USER], userName: 5 }, 'invalidValue'],
          [{ schemas: [USER], userName: 'x', active: 'yes' }, 'invalidValue'],
          [{ schemas: [USER], userName: 'x', addresses: ['a@b'] }, 'invalidValue'],
        ] as const) {
          expectError(await scim.request('POST', '/Users', body), 400, scimType)
        }
        expect(await scim.total('/Users')).toBe(total)
      })

      test('[R7644-3.5.2-05] [R7644-3.5.2-21] op names and read-only attributes of a body are understood in every mode', async () => {
        const user = await scim.user({ id: 'x', groups: [] })
        expect(user.id).not.toBe('x')
        const after = await scim.patched(`/Users/${user.id}`, {
          op: 'Replace',
          path: 'title',
          value: 'T',
        })
        expect(after.title).toBe('T')
      })

      test('the journal tells each change, and nothing that was refused', async () => {
        await scim.expectJournalOfChanges()
      })
    })
  }

  describe(`single switches (${target})`, () => {
    const off = NAMES.filter((name) => MODES.rfc[name])
    const scim = sharedServer({
      target,
      config: {
        tenants: {
          default: { tolerances: Object.fromEntries(off.map((name) => [name, false])) },
        },
      },
    })

    for (const name of off) {
      for (const one of CASES[name]) {
        test(`${name} switched off, as from ${one.source}, is not understood`, () =>
          expectCase(scim, one, false))
      }
    }

    test('the other tolerances stay as the mode has them', async () => {
      const on = NAMES.filter((name) => MODES.interop[name] && !off.includes(name))
      for (const name of on.filter((name) => !WITHOUT_PATH.has(name)))
        for (const one of CASES[name]) await expectCase(scim, one, true)
    })
  })
}

test('every tolerance has a case here, or a test of its own', () => {
  const without = NAMES.filter((name) => CASES[name].length === 0)
  const elsewhere: Tolerance[] = [
    'numericStrings',
    'numberForString',
    'objectForValue',
    'extendedFilters',
    'parameterNames',
    'endpointNames',
    'secondQuestionMark',
  ]
  expect(without.sort()).toEqual(elsewhere.sort())
})
