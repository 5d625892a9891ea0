/** PATCH add, remove and replace: RFC 7644 sections 3.5.2.1 to 3.5.2.3. */

import { describe, expect, test } from 'bun:test'
import { TARGETS } from '../harness.ts'
import {
  type Body,
  ENTERPRISE,
  expectRefused,
  idsOf,
  type Operation,
  sharedServer,
} from './given.ts'

const WORK = { value: 'w@x', type: 'work', primary: true, display: 'W' }
const HOME = { value: 'h@x', type: 'home' }
const GIVEN = {
  nickName: 'N',
  name: { givenName: 'A', familyName: 'B' },
  emails: [WORK, HOME],
  addresses: [{ streetAddress: 'S', country: 'DE', type: 'work' }],
  [ENTERPRISE]: { department: 'D', costCenter: 'C' },
}

/** Ids proven, the operation, and what it leaves of the attributes named. */
type Case = readonly [ids: string, operation: Operation, leaves: Readonly<Record<string, unknown>>]

const ADD: readonly Case[] = [
  [
    'R7644-3.5.2.1-02',
    { op: 'add', value: { emails: [{ value: 'n@x' }], nickName: 'M' } },
    { emails: [WORK, HOME, { value: 'n@x' }], nickName: 'M', name: GIVEN.name },
  ],
  ['R7644-3.5.2.1-04', { op: 'add', path: 'title', value: 'T' }, { title: 'T' }],
  ['R7644-3.5.2.1-05', { op: 'add', path: 'nickName', value: 'M' }, { nickName: 'M' }],
  [
    'R7644-3.5.2.1-06',
    { op: 'add', path: 'name', value: { givenName: 'X' } },
    { name: { givenName: 'X', familyName: 'B' } },
  ],
  [
    'R7644-3.5.2.1-07',
    { op: 'add', path: 'emails', value: [{ value: 'n@x', type: 'other' }] },
    { emails: [WORK, HOME, { value: 'n@x', type: 'other' }] },
  ],
  [
    'R7644-3.5.2.1-08',
    { op: 'add', path: 'emails', value: { value: 'n@x' } },
    { emails: [WORK, HOME, { value: 'n@x' }] },
  ],
  [
    'R7644-3.5.2.1-12',
    { op: 'add', path: 'emails[type eq "home"]', value: { display: 'H' } },
    { emails: [WORK, { ...HOME, display: 'H' }] },
  ],
  [
    'R7644-3.5.2.1-13',
    { op: 'add', path: 'emails[type eq "work"].value', value: 'n@x' },
    { emails: [{ ...WORK, value: 'n@x' }, HOME] },
  ],
  [
    'R7644-3.5.2.1-14',
    { op: 'add', path: 'phoneNumbers[type eq "work"].value', value: '1' },
    { phoneNumbers: [{ value: '1', type: 'work' }] },
  ],
  [
    'R7644-3.5.2.1-14',
    { op: 'add', path: 'phoneNumbers[type eq "x" and primary eq "True"].value', value: '1' },
    { phoneNumbers: [{ value: '1', type: 'x', primary: true }] },
  ],
  [
    'R7644-3.5.2.1-14',
    { op: 'add', path: 'phoneNumbers[type eq "x"]', value: { value: '1' } },
    { phoneNumbers: [{ value: '1', type: 'x' }] },
  ],
  [
    'R7644-3.5.2.1-16',
    { op: 'add', path: 'name.middleName', value: 'M' },
    {
      name: { ...GIVEN.name, middleName: 'M' },
    },
  ],
]

const REMOVE: readonly Case[] = [
  ['R7644-3.5.2.2-02', { op: 'remove', path: 'nickName' }, { nickName: undefined }],
  ['R7644-3.5.2.2-03', { op: 'remove', path: 'emails' }, { emails: undefined }],
  ['R7644-3.5.2.2-03', { op: 'remove', path: 'emails', value: null }, { emails: undefined }],
  [
    'R7644-3.5.2.2-04',
    { op: 'Remove', path: 'emails', value: [{ value: 'h@x' }] },
    { emails: [WORK] },
  ],
  [
    'R7644-3.5.2.2-04',
    { op: 'remove', path: 'emails', value: [{ value: 'nobody' }] },
    { emails: [WORK, HOME] },
  ],
  ['R7644-3.5.2.2-05', { op: 'remove', path: 'emails[type eq "work"]' }, { emails: [HOME] }],
  ['R7644-3.5.2.2-05', { op: 'remove', path: 'emails[value ew "x"]' }, { emails: undefined }],
  [
    'R7644-3.5.2.2-06',
    { op: 'remove', path: 'emails[type eq "work"].display' },
    { emails: [{ value: 'w@x', type: 'work', primary: true }, HOME] },
  ],
  ['R7644-3.5.2.2-13', { op: 'remove', path: 'name' }, { name: undefined }],
  ['R7644-3.5.2.2-13', { op: 'remove', path: 'name.givenName' }, { name: { familyName: 'B' } }],
  [
    'R7644-3.5.2.2-14',
    { op: 'remove', path: `${ENTERPRISE}:department` },
    { [ENTERPRISE]: { costCenter: 'C' } },
  ],
]

const REPLACE: readonly Case[] = [
  [
    'R7644-3.5.2.3-02',
    { op: 'replace', value: { emails: [HOME], nickName: 'M' } },
    { emails: [HOME], nickName: 'M', name: GIVEN.name },
  ],
  ['R7644-3.5.2.3-03', { op: 'replace', path: 'nickName', value: 'M' }, { nickName: 'M' }],
  ['R7644-3.5.2.3-04', { op: 'replace', path: 'emails', value: [HOME] }, { emails: [HOME] }],
  ['R7644-3.5.2.3-05', { op: 'replace', path: 'title', value: 'T' }, { title: 'T' }],
  [
    'R7644-3.5.2.3-06',
    { op: 'replace', path: 'name', value: { givenName: 'X', middleName: 'Y' } },
    { name: { familyName: 'B', givenName: 'X', middleName: 'Y' } },
  ],
  [
    'R7644-3.5.2.3-06',
    { op: 'replace', path: 'name', value: { givenName: null } },
    { name: { familyName: 'B' } },
  ],
  [
    'R7644-3.5.2.3-07',
    {
      op: 'replace',
      path: 'addresses[type eq "work"]',
      value: { type: 'work', country: 'US' },
    },
    { addresses: [{ country: 'US', type: 'work' }] },
  ],
  [
    'R7644-3.5.2.3-08',
    { op: 'replace', path: 'addresses[type eq "work"].streetAddress', value: 'X' },
    { addresses: [{ streetAddress: 'X', country: 'DE', type: 'work' }] },
  ],
  [
    'R7644-3.5.2.3-08',
    { op: 'replace', path: 'emails[value ew "x"].display', value: 'D' },
    {
      emails: [
        { ...WORK, display: 'D' },
        { ...HOME, display: 'D' },
      ],
    },
  ],
  ['R7644-3.5.2.3-10', { op: 'replace', path: 'emails', value: HOME }, { emails: [HOME] }],
  ['R7644-3.5.2.3-11', { op: 'replace', path: 'nickName', value: null }, { nickName: undefined }],
  ['R7644-3.5.2.3-11', { op: 'replace', path: 'emails', value: [] }, { emails: undefined }],
  ['R7644-3.5.2.3-11', { op: 'replace', path: 'name', value: null }, { name: undefined }],
  [
    'R7644-3.5.2.3-12',
    { op: 'replace', path: 'emails[type eq "work"]', value: null },
    { emails: [HOME] },
  ],
  [
    'R7644-3.5.2.3-16',
    { op: 'replace', path: ENTERPRISE, value: { department: 'E' } },
    { [ENTERPRISE]: { costCenter: 'C', department: 'E' } },
  ],
  [
    'R7644-3.5.2-32 ENTRA-12',
    {
      op: 'replace',
      value: {
        'name.givenName': 'K',
        [`${ENTERPRISE}:department`]: 'E',
        'emails[type eq "home"].value': 'k@x',
        [ENTERPRISE]: { costCenter: 'F' },
      },
    },
    {
      name: { familyName: 'B', givenName: 'K' },
      [ENTERPRISE]: { costCenter: 'F', department: 'E' },
      emails: [WORK, { ...HOME, value: 'k@x' }],
    },
  ],
  ['R7644-3.5.2-31 ENTRA-04', { op: 'replace', path: 'active', value: 'False' }, { active: false }],
  ['R7644-3.5.2-31', { op: 'replace', path: 'active', value: 'TRUE' }, { active: true }],
  ['R7644-3.5.2-33', { op: 'replace', value: { foo: 1, nickName: 'M' } }, { nickName: 'M' }],
  ['OKTA-05', { op: 'replace', value: { active: false } }, { active: false }],
]

/** What changes nothing: no value, no version. */
const NOTHING: readonly (readonly [ids: string, operation: Operation])[] = [
  ['R7644-3.5.2.1-09 R7644-3.5.2.1-10', { op: 'add', path: 'nickName', value: 'N' }],
  ['R7644-3.5.2.1-09 R7644-3.5.2.1-10', { op: 'add', path: 'emails', value: [HOME] }],
  ['R7644-3.5.2.1-15', { op: 'add', path: 'nickName', value: null }],
  ['R7644-3.5.2.1-15', { op: 'add', path: 'emails', value: [] }],
  ['R7644-3.5.2.1-15', { op: 'add', path: 'name', value: { givenName: null } }],
  ['R7644-3.5.2.2-08', { op: 'remove', path: 'emails[type eq "nope"]' }],
  ['R7644-3.5.2.2-08', { op: 'remove', path: 'emails[type eq "nope"].value' }],
  ['R7644-3.5.2.2-09', { op: 'remove', path: 'title' }],
  ['R7644-3.5.2.2-09', { op: 'remove', path: 'name.middleName' }],
  ['R7644-3.5.2.3-14 R7644-3.5.2-27', { op: 'replace', path: 'nickName', value: 'N' }],
  ['R7644-3.5.2.3-14', { op: 'replace', path: 'name', value: { givenName: 'A' } }],
  ['R7644-3.5.2.3-14', { op: 'replace', path: 'emails', value: [WORK, HOME] }],
  ['R7644-3.5.2.3-14', { op: 'replace', path: 'emails[type eq "home"].value', value: 'h@x' }],
  ['R7644-3.5.2.3-14', { op: 'replace', path: ENTERPRISE, value: { department: 'D' } }],
  ['R7644-3.5.2.3-14', { op: 'replace', path: 'active', value: 'True' }],
]

const REFUSED: readonly (readonly [ids: string, operation: Operation, type: string, at: string])[] =
  [
    ['R7644-3.5.2.1-01', { op: 'add', path: 'title' }, 'invalidValue', 'Operations[0].value'],
    ['R7644-3.5.2.1-01', { op: 'add' }, 'invalidValue', 'Operations[0].value'],
    ['R7644-3.5.2.1-03', { op: 'add', value: 'x' }, 'invalidValue', 'Operations[0].value'],
    ['R7644-3.5.2.1-03', { op: 'add', value: null }, 'invalidValue', 'Operations[0].value'],
    ['R7644-3.5.2.1-03', { op: 'replace', value: [1] }, 'invalidValue', 'Operations[0].value'],
    [
      'R7644-3.5.2.1-14',
      { op: 'add', path: 'phoneNumbers[type ne "work"].value', value: '1' },
      'noTarget',
      'phoneNumbers',
    ],
    [
      'R7644-3.5.2.1-14',
      { op: 'add', path: 'ims[type eq "a" or type eq "b"].value', value: '1' },
      'noTarget',
      'ims',
    ],
    ['R7644-3.5.2.1-17', { op: 'add', path: 'emails.value', value: 'x' }, 'invalidPath', 'emails'],
    ['R7644-3.5.2.1-17', { op: 'remove', path: 'emails.value' }, 'invalidPath', 'emails'],
    ['R7644-3.5.2.2-01', { op: 'remove' }, 'noTarget', 'Operations[0]'],
    ['R7644-3.5.2.2-01', { op: 'remove', path: '' }, 'noTarget', 'Operations[0]'],
    ['R7644-3.5.2.2-10', { op: 'remove', path: 'userName' }, 'mutability', 'userName'],
    ['R7644-3.5.2.3-01', { op: 'replace', path: 'title' }, 'invalidValue', 'Operations[0].value'],
    [
      'R7644-3.5.2.3-09 R7644-3.12-11 ENTRA-13',
      { op: 'replace', path: 'emails[type eq "a" or type eq "b"].value', value: 'x' },
      'noTarget',
      'emails',
    ],
    [
      'R7644-3.5.2.3-09',
      { op: 'replace', path: 'emails[value sw "nope"].display', value: 'x' },
      'noTarget',
      'emails',
    ],
    ['R7644-3.5.2.3-13', { op: 'replace', path: 'active', value: 5 }, 'invalidValue', 'active'],
    ['R7644-3.5.2.3-13', { op: 'replace', path: 'active', value: 'x' }, 'invalidValue', 'active'],
    ['R7644-3.5.2.3-13', { op: 'replace', path: 'title', value: {} }, 'invalidValue', 'title'],
    ['R7644-3.5.2.3-13', { op: 'replace', path: 'emails', value: {} }, 'invalidValue', 'emails'],
    ['R7644-3.5.2.3-13', { op: 'replace', path: 'emails', value: [5] }, 'invalidValue', 'emails'],
    ['R7644-3.5.2.3-13', { op: 'replace', path: 'name', value: 'x' }, 'invalidValue', 'name'],
    [
      'R7644-3.5.2.3-13',
      { op: 'replace', path: 'emails[type eq "work"]', value: 'x' },
      'invalidValue',
      'emails',
    ],
    [
      'R7644-3.5.2.3-13',
      { op: 'replace', path: 'emails[type eq "work"].value', value: 7 },
      'invalidValue',
      'emails',
    ],
    [
      'R7644-3.5.2.3-13',
      { op: 'replace', path: ENTERPRISE, value: 'x' },
      'invalidValue',
      'Operations[0].value',
    ],
  ]

for (const target of TARGETS) {
  describe(`PATCH operations (${target})`, () => {
    const scim = sharedServer({ target })

    test.each([...ADD, ...REMOVE, ...REPLACE])('[%s] %j', async (_ids, operation, leaves) => {
      const user = await scim.user(GIVEN)
      const after: Body = await scim.patched(`/Users/${user.id}`, operation)
      for (const [name, value] of Object.entries(leaves)) expect(after[name]).toEqual(value)
      // And nothing else has changed.
      const { meta: _before, ...was } = user
      const { meta: _after, ...is } = after
      expect({ ...is, ...leaves }).toEqual({ ...was, ...leaves })
      expect(after.meta.created).toBe(user.meta.created)
    })

    test.each(NOTHING)('[%s] %j changes nothing', async (_ids, operation) => {
      const user = await scim.user(GIVEN)
      expect(await scim.patched(`/Users/${user.id}`, operation)).toEqual(user)
    })

    test.each(REFUSED)('[%s] %j is refused with %s', async (_ids, operation, scimType, at) => {
      const place = `/Users/${(await scim.user(GIVEN)).id}`
      await expectRefused(scim, place, () => scim.patch(place, [operation]), 400, scimType, at)
    })

    test('[R7644-3.5.2.1-16] a sub-attribute of an absent complex attribute makes it', async () => {
      const { id } = await scim.user()
      const after = await scim.patched(`/Users/${id}`, {
        op: 'add',
        path: 'name.givenName',
        value: 'A',
      })
      expect(after.name).toEqual({ givenName: 'A' })
    })

    test('[R7644-3.5.2.2-07] with its last element an attribute is unassigned', async () => {
      const { id } = await scim.user(GIVEN)
      const after = await scim.patched(
        `/Users/${id}`,
        { op: 'remove', path: 'emails[type eq "work"]' },
        { op: 'remove', path: 'emails[type eq "home"]' },
      )
      expect(after).not.toHaveProperty('emails')
      expect(await scim.find(`emails pr and id eq "${id}"`)).toEqual([])
    })

    test('[R7644-3.5.2.2-12] where the primary element goes nobody takes its place', async () => {
      const { id } = await scim.user(GIVEN)
      const after = await scim.patched(`/Users/${id}`, {
        op: 'remove',
        path: 'emails[primary eq true]',
      })
      expect(after.emails).toEqual([HOME])
    })

    test('[R7644-3.5.2.2-03] [R7644-3.5.2.2-04] [R7644-3.5.2.2-05] [R7644-3.5.2.2-08] [ENTRA-05] [OKTA-07] members are removed all, by list or by filter', async () => {
      const [a, b, c] = idsOf([await scim.user(), await scim.user(), await scim.user()])
      const all = [{ value: a }, { value: b }, { value: c }]
      const left = async (...operations: Operation[]) => {
        const { id } = await scim.group({ members: all })
        return idsOf((await scim.patched(`/Groups/${id}`, ...operations)).members).sort()
      }
      const path = 'members'
      expect(await left({ op: 'remove', path })).toEqual([])
      expect(await left({ op: 'remove', path, value: null })).toEqual([])
      expect(await left({ op: 'Remove', path, value: [{ $ref: null, value: a }] })).toEqual(
        [b, c].sort() as string[],
      )
      expect(await left({ op: 'remove', path, value: { value: a } })).toEqual(
        [b, c].sort() as string[],
      )
      expect(await left({ op: 'remove', path, value: [] })).toHaveLength(3)
      expect(await left({ op: 'remove', path, value: [{ value: 'nobody' }] })).toHaveLength(3)
      expect(await left({ op: 'remove', path: `members[value eq "${b}"]` })).toEqual(
        [a, c].sort() as string[],
      )
      expect(await left({ op: 'remove', path: 'members[value eq "nobody"]' })).toHaveLength(3)
      expect(await left({ op: 'remove', path: 'members[type eq "User"]' })).toEqual([])
      const either = `members[value eq "${a}" or value eq "${c}"]`
      expect(await left({ op: 'remove', path: either })).toEqual([b as string])
      const swap = [
        { op: 'remove', path: `members[value eq "${a}"]` },
        { op: 'add', path, value: [{ value: a, display: 'A' }] },
      ]
      expect(await left(...swap)).toHaveLength(3)
    })

    test('[R7644-3.5.2.3-04] [OKTA-08] replace of members is the whole set', async () => {
      const [a, b, c] = idsOf([await scim.user(), await scim.user(), await scim.user()])
      const group = await scim.group({ members: [{ value: a }, { value: b }] })
      const place = `/Groups/${group.id}`
      const replace = (...ids: (string | undefined)[]) => ({
        op: 'replace',
        path: 'members',
        value: ids.map((value) => ({ value })),
      })
      expect(await scim.patched(place, replace(b, a))).toEqual(group)
      const after = await scim.patched(place, replace(b, c))
      expect(idsOf(after.members).sort()).toEqual([b, c].sort() as string[])
      expect((await scim.patched(place, replace())).members).toEqual([])
    })

    test('the journal tells each change, and nothing that was refused', async () => {
      await scim.expectJournalOfChanges()
    })
  })
}
