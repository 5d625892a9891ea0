/** What a tenant keeps out of addresses: RFC 7644 sections 3.4.2.2 and 7.5.2, erratum 6893. */

import { describe, expect, test } from 'bun:test'
import { TARGETS } from '../harness.ts'
import { ENTERPRISE, expectError, idsOf, query, sharedServer, USER } from './given.ts'

const SEARCH = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest'

for (const target of TARGETS) {
  describe(`sensitive (${target})`, () => {
    const sensitive = ['name.familyName', 'emails', `${ENTERPRISE}:employeeNumber`]
    const scim = sharedServer({ target, config: { tenants: { default: { sensitive } } } })
    const search = (filter: string, path = '/Users/.search') =>
      scim.request('POST', path, { schemas: [SEARCH], filter })

    test.each([
      'name.familyName eq "King"',
      'NAME.FAMILYNAME sw "k"',
      `${USER}:name.familyName eq "King"`,
      'name[familyName eq "King"]',
      'userName eq "x" and not (name.familyName pr)',
      'emails co "king"',
      'emails.value eq "king@x"',
      'emails[type eq "work" and value eq "king@x"]',
      `${ENTERPRISE}:employeeNumber eq "7"`,
    ])(
      '[R7644-3.4.2.2-64] [R7644-3.12-14] %s is refused in an address, and found by POST',
      async (filter) => {
        const user = await scim.user({
          name: { familyName: 'King' },
          emails: [{ value: 'king@x', type: 'work' }],
          [ENTERPRISE]: { employeeNumber: '7' },
        })
        for (const path of ['/Users', '/']) {
          const reply = await scim.get(`${path}${query({ filter })}`)
          expectError(reply, 403, 'sensitive', '.search')
          expect(reply.body).not.toHaveProperty('Resources')
        }
        const isFound = !filter.includes('not (')
        for (const path of ['/Users/.search', '/.search']) {
          const found = await search(filter, path)
          expect(found.status, found.text).toBe(200)
          expect(idsOf(found.body.Resources).includes(user.id)).toBe(isFound)
        }
        await scim.request('DELETE', `/Users/${user.id}`)
      },
    )

    test('other attributes, and those of other types, may be asked for', async () => {
      const { userName, id } = await scim.user({ name: { givenName: 'Ada', familyName: 'K' } })
      expect(idsOf(await scim.find(`userName eq "${userName}"`))).toEqual([id])
      for (const filter of ['name.givenName eq "Ada"', 'name pr', `${ENTERPRISE}:department pr`])
        expect((await scim.get(`/Users${query({ filter })}`)).status, filter).toBe(200)
      expect((await scim.get(`/Groups${query({ filter: 'displayName pr' })}`)).status).toBe(200)
      const sorted = await scim.get('/Users?sortBy=name.familyName&attributes=name.familyName')
      expect(sorted.status).toBe(200)
    })

    test('what is no filter is told as such', async () => {
      const reply = await scim.get(`/Users${query({ filter: 'name.familyName is "x"' })}`)
      expectError(reply, 400, 'invalidFilter')
    })
  })

  describe(`sensitive by default (${target})`, () => {
    const scim = sharedServer({ target })

    test('[R7644-3.4.2.2-64] nothing is', async () => {
      const { id } = await scim.user({ name: { familyName: 'King' } })
      expect(idsOf(await scim.find('name.familyName eq "king"'))).toEqual([id])
    })
  })
}
