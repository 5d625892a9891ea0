/** What filters find: RFC 7644 section 3.4.2.2. What is refused is in filter-fault.test.ts. */

import { describe, expect, test } from 'bun:test'
import { TARGETS } from '../harness.ts'
import { type Body, ENTERPRISE, namesOf, query, sharedServer, USER } from './given.ts'

/** The users that every filter below is asked of. */
const USERS = [
  {
    userName: 'Ann',
    externalId: 'Ext-1',
    displayName: 'Babs "Bee" \\ [a and (b)]',
    title: 'Boss',
    userType: 'Employee',
    name: { givenName: 'Ann', familyName: 'Smith' },
    emails: [
      { value: 'a@x.com', type: 'work', primary: true },
      { value: 'b@y.com', type: 'home' },
    ],
    phoneNumbers: [{ value: '1' }],
    [ENTERPRISE]: { department: 'Sales', employeeNumber: '7' },
  },
  {
    userName: 'bob',
    active: false,
    externalId: 'ext-2',
    displayName: 'Bob é',
    name: { familyName: 'Young' },
    emails: [{ value: 'bob@x.com', type: 'work' }],
    x509Certificates: [{ value: 'YWJj' }],
  },
  { userName: 'cy+d', displayName: 'Cy 🦊', title: 'Aide', userType: 'Employee' },
  { userName: 'dan', emails: [{ value: 'dan@z.org', type: 'other' }], userType: 'Intern' },
] as const

const ALL = USERS.map(({ userName }) => userName)

/** Ids proven, filter, userNames found. */
const FOUND: readonly (readonly [ids: string, filter: string, names: readonly string[]])[] = [
  ['R7644-3.4.2.2-01', 'userName eq "Ann"', ['Ann']],
  ['R7644-3.4.2.2-01', 'userName eq "nobody"', []],
  ['R7644-3.4.2.2-02', 'USERNAME eq "Ann" and NAME.familyname eq "smith"', ['Ann']],
  [
    'R7644-3.4.2.2-03',
    'userName Eq "Ann" or userName SW "bo" or userName eQ "dan"',
    ['Ann', 'bob', 'dan'],
  ],
  [
    'R7644-3.4.2.2-04',
    'title PR AND NOT (userName EQ "Ann") OR userName eq "dan"',
    ['cy+d', 'dan'],
  ],
  ['R7644-3.4.2.2-05 R7643-7-04 R7644-3.4.2.2-60', 'userName eq "ANN"', ['Ann']],
  ['R7644-3.4.2.2-05 R7643-7-04 R7644-3.4.2.2-60', 'externalId eq "EXT-1"', []],
  ['R7644-3.4.2.2-05', 'externalId eq "Ext-1"', ['Ann']],
  ['R7644-3.4.2.2-06', 'title ne "boss"', ['bob', 'cy+d', 'dan']],
  ['R7644-3.4.2.2-06', 'active ne true', ['bob']],
  ['R7644-3.4.2.2-07', 'emails.type ne "work"', ['Ann', 'cy+d', 'dan']],
  ['R7644-3.4.2.2-07', 'not (emails.type eq "work")', ['cy+d', 'dan']],
  // An element that does not say so is not primary, and what it does not hold differs.
  ['R7643-2.4-02 R7644-3.4.2.2-07', 'emails.primary eq false', ['Ann', 'bob', 'dan']],
  ['R7644-3.4.2.2-07', 'emails.primary ne true', ['Ann', 'bob', 'cy+d', 'dan']],
  ['R7644-3.4.2.2-08', 'userName co "N"', ['Ann', 'dan']],
  ['R7644-3.4.2.2-09', 'userName sw "an"', ['Ann']],
  ['R7644-3.4.2.2-09', 'userName sw "Ann"', ['Ann']],
  ['R7644-3.4.2.2-09', 'externalId sw "ext"', ['bob']],
  ['R7644-3.4.2.2-10', 'emails.value ew "X.com"', ['Ann', 'bob']],
  ['R7644-3.4.2.2-10', 'userName ew "dan"', ['dan']],
  ['R7644-3.4.2.2-11', 'displayName co "BABS"', ['Ann']],
  ['R7644-3.4.2.2-11', 'externalId co "EXT"', []],
  ['R7644-3.4.2.2-13', 'displayName co ""', ['Ann', 'bob', 'cy+d']],
  ['R7644-3.4.2.2-13', 'displayName sw "" and displayName ew ""', ['Ann', 'bob', 'cy+d']],
  ['R7644-3.4.2.2-14', 'title pr', ['Ann', 'cy+d']],
  ['R7644-3.4.2.2-16', 'name pr', ['Ann', 'bob']],
  ['R7644-3.4.2.2-16', 'name.givenName pr', ['Ann']],
  ['R7644-3.4.2.2-17', 'emails pr', ['Ann', 'bob', 'dan']],
  ['R7644-3.4.2.2-17', 'emails.primary pr', ['Ann']],
  ['R7644-3.4.2.2-17', 'phoneNumbers.type pr', []],
  ['R7644-3.4.2.2-18', 'active pr', ALL],
  ['R7644-3.4.2.2-18 R7644-3.4.2.2-62', 'active eq true', ['Ann', 'cy+d', 'dan']],
  ['R7644-3.4.2.2-19', 'userName gt "BOB"', ['cy+d', 'dan']],
  ['R7644-3.4.2.2-19', 'userName ge "bob" and userName lt "DAN"', ['bob', 'cy+d']],
  ['R7644-3.4.2.2-19', 'userName le "ann"', ['Ann']],
  ['R7644-3.4.2.2-19', 'externalId lt "a"', ['Ann']],
  ['R7644-3.4.2.2-25', 'title gt "a"', ['Ann', 'cy+d']],
  ['R7644-3.4.2.2-25', 'title lt "z"', ['Ann', 'cy+d']],
  ['R7644-3.4.2.2-26', 'title eq null', ['bob', 'dan']],
  ['R7644-3.4.2.2-26', 'title ne null', ['Ann', 'cy+d']],
  ['R7644-3.4.2.2-26', 'name eq null', ['cy+d', 'dan']],
  ['R7644-3.4.2.2-27 ENTRA-04', 'active eq "False"', ['bob']],
  ['R7644-3.4.2.2-27', 'emails.primary eq "true"', ['Ann']],
  ['R7644-3.4.2.2-29', 'active eq true and title pr', ['Ann', 'cy+d']],
  ['R7644-3.4.2.2-30', 'userName eq "ann" or userName eq "dan"', ['Ann', 'dan']],
  ['R7644-3.4.2.2-31', 'not (active eq true)', ['bob']],
  [
    'R7644-3.4.2.2-32',
    'userName eq "bob" or userType eq "employee" and title eq "aide"',
    ['bob', 'cy+d'],
  ],
  [
    'R7644-3.4.2.2-32',
    'title eq "aide" and userType eq "employee" or userName eq "bob"',
    ['bob', 'cy+d'],
  ],
  ['R7644-3.4.2.2-32', 'not (title pr) and active eq true', ['dan']],
  ['R7644-3.4.2.2-32', 'not (title pr) or userName eq "Ann"', ['Ann', 'bob', 'dan']],
  ['R7644-3.4.2.2-33', '(userName eq "bob" or title eq "aide") and userType pr', ['cy+d']],
  ['R7644-3.4.2.2-33', '((((userName eq "bob"))))', ['bob']],
  ['R7644-3.4.2.2-33', ' ( userName eq "bob" ) ', ['bob']],
  ['R7644-3.4.2.2-34', 'not(title pr)', ['bob', 'dan']],
  ['R7644-3.4.2.2-34', 'not (not (title pr))', ['Ann', 'cy+d']],
  ['R7644-3.4.2.2-35', 'emails[type eq "work" and value eq "b@y.com"]', []],
  ['R7644-3.4.2.2-35', 'emails.type eq "work" and emails.value eq "b@y.com"', ['Ann']],
  ['R7644-3.4.2.2-35', 'emails[type eq "home" and value eq "b@y.com"]', ['Ann']],
  ['R7644-3.4.2.2-35', 'not (emails[type eq "work" and value sw "a"])', ['bob', 'cy+d', 'dan']],
  [
    'R7644-3.4.2.2-36',
    'emails[type eq "other" or (type eq "home" and value ew "y.com")]',
    ['Ann', 'dan'],
  ],
  ['R7644-3.4.2.2-36', 'emails[not (type eq "work")]', ['Ann', 'dan']],
  ['R7644-3.4.2.2-36', 'emails[value pr and not(primary pr) and type ne "home"]', ['bob', 'dan']],
  ['R7644-3.4.2.2-38', 'userType eq "Employee" and emails[type eq "work"]', ['Ann']],
  ['R7644-3.4.2.2-38', 'emails[type eq "other"] or emails[type eq "home"]', ['Ann', 'dan']],
  ['R7644-3.4.2.2-39 ENTRA-02', 'emails[type eq "work"].value eq "BOB@x.com"', ['bob']],
  ['R7644-3.4.2.2-39', 'emails[type eq "home"].value eq "a@x.com"', []],
  ['R7644-3.4.2.2-39', 'emails[type eq "work"].value co "x" and active eq true', ['Ann']],
  ['R7644-3.4.2.2-40', 'name[givenName eq "ann" and familyName pr]', ['Ann']],
  ['R7644-3.4.2.2-41 PROF-14', 'emails[value eq "b@y.com"]', ['Ann']],
  ['R7644-3.4.2.2-41', 'emails.value eq "B@y.com"', ['Ann']],
  ['R7644-3.4.2.2-42', 'emails co "x.com"', ['Ann', 'bob']],
  ['R7644-3.4.2.2-42', 'emails eq "dan@z.org"', ['dan']],
  ['R7644-3.4.2.2-43', 'name ne null and title pr', ['Ann']],
  ['R7644-3.4.2.2-44 R7644-3.10-01 R7644-3.10-02', `${USER}:userName sw "A"`, ['Ann']],
  ['R7644-3.4.2.2-44 R7644-3.10-04', `${USER}:name.familyName eq "young"`, ['bob']],
  ['R7644-3.4.2.2-44', `${USER}:emails[type eq "home"]`, ['Ann']],
  ['R7644-3.4.2.2-45', `${ENTERPRISE}:department eq "SALES"`, ['Ann']],
  ['R7644-3.4.2.2-45', `${ENTERPRISE}:employeeNumber eq "7"`, ['Ann']],
  ['R7644-3.4.2.2-45', `not (${ENTERPRISE}:department pr)`, ['bob', 'cy+d', 'dan']],
  ['R7644-3.4.2.2-46 R7644-3.10-04', `${USER.toUpperCase()}:USERNAME eq "dan"`, ['dan']],
  ['R7644-3.4.2.2-47', `schemas eq "${ENTERPRISE}"`, ['Ann']],
  ['R7644-3.4.2.2-47', `schemas eq "${USER}"`, ALL],
  ['R7644-3.4.2.2-47', 'schemas co "enterprise"', ['Ann']],
  ['R7644-3.4.2.2-48 R7644-3.10-05', `${USER}:meta.resourceType eq "User"`, ALL],
  ['R7644-3.4.2.2-48', 'meta.resourceType eq "Group"', []],
  ['R7644-3.4.2.2-48', 'meta.lastModified gt "2000-01-01T00:00:00Z"', ALL],
  ['R7644-3.4.2.2-48', 'meta.lastModified lt "2000-01-01T00:00:00Z"', []],
  ['R7644-3.4.2.2-48', 'meta.created pr and externalId pr', ['Ann', 'bob']],
  ['R7644-3.4.2.2-55', 'displayName sw "Babs \\"Bee\\" \\\\ "', ['Ann']],
  ['R7644-3.4.2.2-55', 'displayName eq "BOB \\u00e9"', ['bob']],
  ['R7644-3.4.2.2-55', 'displayName co "\\ud83e\\udd8a"', ['cy+d']],
  ['R7644-3.4.2.2-56', 'displayName ew "[a and (b)]"', ['Ann']],
  ['R7644-3.4.2.2-61', 'displayName eq "bob e\u0301"', ['bob']],
  ['R7644-3.4.2.2-65 ENTRA-02', 'userName eq "cy+d"', ['cy+d']],
  ['ENTRA-14 OKTA-12', 'userName eq "DAN"', ['dan']],
  ['ENTRA-02 PROF-14', 'externalId eq "ext-2"', ['bob']],
]

for (const target of TARGETS) {
  describe(`filters (${target})`, () => {
    const scim = sharedServer({ target })
    let users: Body[] | undefined
    async function given(): Promise<Body[]> {
      if (users) return users
      users = []
      for (const user of USERS) users.push(await scim.user(user))
      return users
    }

    test.each(FOUND)('[%s] %s', async (_ids, filter, names) => {
      await given()
      expect(namesOf(await scim.find(filter))).toEqual([...names])
    })

    test('[R7644-3.4.2.2-15] "" is not present, nor are null and []', async () => {
      const { id } = await scim.user({ displayName: '', nickName: null, emails: [], name: {} })
      for (const name of ['displayName', 'nickName', 'emails', 'name']) {
        const found = await scim.find(`${name} pr and id eq "${id}"`)
        expect(found).toEqual([])
      }
      await scim.request('DELETE', `/Users/${id}`)
    })

    test('[R7644-3.4.2.2-20] [R7644-3.4.2.2-21] dates compare as instants, across zones and fractions', async () => {
      const [ann] = await given()
      const created = Date.parse(ann.meta.created)
      const utc = new Date(created).toISOString()
      const east = new Date(created + 2 * 3600_000).toISOString().replace('Z', '+02:00')
      const long = utc.replace('Z', '000Z')
      const after = new Date(created + 1).toISOString()
      const holds = async (filter: string) =>
        (await scim.find(`userName eq "Ann" and ${filter}`)).length === 1
      for (const instant of [utc, east, long, utc.replace('Z', '')]) {
        expect(await holds(`meta.created eq "${instant}"`), instant).toBe(true)
        expect(await holds(`meta.created ge "${instant}"`)).toBe(true)
        expect(await holds(`meta.created gt "${instant}"`)).toBe(false)
        expect(await holds(`meta.lastModified ge "${instant}"`)).toBe(true)
        expect(await holds(`meta.lastModified gt "${instant}"`)).toBe(false)
      }
      expect(await holds(`meta.created lt "${after}"`)).toBe(true)
      expect(await holds(`meta.lastModified lt "${after}"`)).toBe(true)
      expect(await holds(`meta.created ne "${east}"`)).toBe(false)
    })

    test('[R7644-3.4.2.2-48] ids, versions and locations are found', async () => {
      const [ann] = await given()
      for (const filter of [
        `id eq "${ann.id}"`,
        `id eq "${ann.id}" and userName eq "ann"`,
        `meta.version eq "${ann.meta.version.replaceAll('"', '\\"')}" and userName sw "A"`,
        `meta.location ew "/Users/${ann.id}"`,
      ]) {
        expect(namesOf(await scim.find(filter)), filter).toEqual(['Ann'])
      }
      expect(await scim.find(`id eq "${ann.id}" and userName eq "bob"`)).toEqual([])
    })

    test('[R7644-3.4.2.2-65] a query is decoded as a form, once', async () => {
      await given()
      for (const encoded of ['cy%2Bd', 'c%79%2bd']) {
        const { body } = await scim.get(`/Users?filter=userName+eq%20%22${encoded}%22`)
        expect(namesOf(body.Resources)).toEqual(['cy+d'])
      }
      const { body } = await scim.get('/Users?filter=userName+eq+%22cy+d%22')
      expect(body.totalResults).toBe(0)
    })

    test('a change is found at once, by what it is now', async () => {
      const { id } = await scim.user({ userName: 'eve', title: 'Old' })
      await scim.patched(`/Users/${id}`, {
        op: 'replace',
        value: { userName: 'eva', title: 'New' },
      })
      expect(await scim.find('userName eq "eve"')).toEqual([])
      expect(await scim.find('title eq "old"')).toEqual([])
      expect(namesOf(await scim.find('userName eq "eva" and title eq "new"'))).toEqual(['eva'])
      await scim.request('DELETE', `/Users/${id}`)
      expect(await scim.find('userName eq "eva"')).toEqual([])
    })

    test('[ENTRA-02] [ENTRA-14] groups are found by displayName in any case, and by externalId', async () => {
      const { id } = await scim.group({ displayName: 'Sales Team', externalId: 'G1' })
      for (const filter of [
        'displayName eq "SALES team"',
        'externalId eq "G1"',
        'displayName sw "s"',
      ]) {
        const { body } = await scim.get(
          `/Groups${query({ filter, excludedAttributes: 'members' })}`,
        )
        expect(body.Resources.map((group: Body) => group.id)).toEqual([id])
      }
      expect(await scim.find('externalId eq "g1"', '/Groups')).toEqual([])
    })

    test('the journal tells each change, and no search', async () => {
      await scim.expectJournalOfChanges()
    })
  })
}
