/** Limits of values and resources, each at the limit and one past it. */

import { describe, expect, test } from 'bun:test'
import {
  ID_LENGTH_MAX,
  RESOURCE_BYTES_MAX,
  STRING_LENGTH_MAX,
  UNIQUE_LENGTH_MAX,
  VALUES_COUNT_MAX,
} from '../../src/scim/limits.ts'
import { TARGETS } from '../harness.ts'
import { ENTERPRISE, expectError, expectRefused, PATCH_OP, sharedServer, USER } from './given.ts'

for (const target of TARGETS) {
  describe(`limits (${target})`, () => {
    const scim = sharedServer({ target })
    const post = (body: object) => scim.request('POST', '/Users', { schemas: [USER], ...body })

    async function refused(
      body: object,
      status: number,
      type: string | undefined,
      ...at: string[]
    ) {
      const total = await scim.total('/Users')
      expectError(await post(body), status, type, ...at)
      expect(await scim.total('/Users')).toBe(total)
    }

    test('a string has so many characters, and no more', async () => {
      const user = await scim.user({
        title: 'x'.repeat(STRING_LENGTH_MAX),
        emails: [{ value: 'é'.repeat(STRING_LENGTH_MAX) }],
        [ENTERPRISE]: { department: '🦊'.repeat(STRING_LENGTH_MAX / 2) },
      })
      expect((await scim.get(`/Users/${user.id}`)).body).toEqual(user)
      const over = 'x'.repeat(STRING_LENGTH_MAX + 1)
      const max = String(STRING_LENGTH_MAX)
      const at = { userName: scim.fresh() }
      await refused({ ...at, title: over }, 400, 'invalidValue', 'title', max)
      await refused(
        { ...at, emails: [{ value: over }] },
        400,
        'invalidValue',
        'emails[0].value',
        max,
      )
      await refused(
        { ...at, [ENTERPRISE]: { department: over } },
        400,
        'invalidValue',
        'department',
      )
      await refused({ ...at, profileUrl: over }, 400, 'invalidValue', 'profileUrl')
      await refused({ ...at, password: over }, 400, 'invalidValue', 'password', max)
      const patch = () =>
        scim.patch(`/Users/${user.id}`, [{ op: 'replace', path: 'title', value: over }])
      await expectRefused(scim, `/Users/${user.id}`, patch, 400, 'invalidValue', 'title', max)
    })

    test('a unique value has so many characters, and no more', async () => {
      const name = 'n'.repeat(UNIQUE_LENGTH_MAX)
      const { id } = await scim.user({ userName: name })
      const again = () => post({ userName: name.toUpperCase() })
      await expectRefused(scim, `/Users/${id}`, again, 409, 'uniqueness', 'userName')
      const other = `${name.slice(1)}m`
      expect((await post({ userName: other })).status).toBe(201)
      const [found] = await scim.find(`userName eq "${name}"`)
      expect(found.id).toBe(id)
      await refused(
        { userName: `${name}n` },
        400,
        'invalidValue',
        'userName',
        String(UNIQUE_LENGTH_MAX),
      )
    })

    test('unique values that fold to more characters are told apart to the last one', async () => {
      const name = 'ß'.repeat(UNIQUE_LENGTH_MAX - 1)
      await scim.user({ userName: `${name}a` })
      await scim.user({ userName: `${name}b` })
      await refused({ userName: `${name}B` }, 409, 'uniqueness', 'userName')
    })

    test('the id of a member has so many characters, and no more', async () => {
      const { id } = await scim.group()
      const add = (length: number) => () =>
        scim.patch(`/Groups/${id}`, [
          { op: 'add', path: 'members', value: [{ value: 'x'.repeat(length) }] },
        ])
      const place = `/Groups/${id}`
      await expectRefused(scim, place, add(ID_LENGTH_MAX), 400, 'invalidValue', 'no resource')
      await expectRefused(
        scim,
        place,
        add(ID_LENGTH_MAX + 1),
        400,
        'invalidValue',
        'members',
        String(ID_LENGTH_MAX),
      )
    })

    test('schemas names so many URIs, and no more', async () => {
      const { id } = await scim.user()
      const search = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest'
      const bulk = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest'
      for (const [method, path, urn, body, status] of [
        ['POST', '/Users', USER, {}, 201],
        ['PUT', `/Users/${id}`, USER, {}, 200],
        ['PATCH', `/Users/${id}`, PATCH_OP, { Operations: [] }, 200],
        ['POST', '/.search', search, { count: 0 }, 200],
        ['POST', '/Bulk', bulk, { Operations: [{}] }, 200],
      ] as const) {
        const named = (count: number) =>
          scim.request(method, path, {
            schemas: [...Array(count - 1).fill('urn:x:y'), urn],
            userName: scim.fresh(),
            ...body,
          })
        expect((await named(VALUES_COUNT_MAX)).status).toBe(status)
        expectError(await named(VALUES_COUNT_MAX + 1), 400, 'invalidSyntax', 'schemas')
      }
    })

    test('a resource has so many bytes, and no more', async () => {
      const sized = (count: number, last: number) => ({
        userName: 'large',
        emails: Array.from({ length: count }, (_, index) => ({
          value: 'e'.repeat(index === count - 1 ? last : 50_000),
          type: `t${String(index).padStart(3, '0')}`,
        })),
      })
      // What is stored beside the addresses is found by asking: it is the server's own matter.
      const fits = async (last: number) => {
        const reply = await post(sized(21, last))
        if (reply.status === 201) await scim.request('DELETE', `/Users/${reply.body.id}`)
        else expectError(reply, 413, undefined, String(RESOURCE_BYTES_MAX))
        return reply.status === 201
      }
      let low = 1
      let high = 50_000
      expect(await fits(low)).toBe(true)
      expect(await fits(high)).toBe(false)
      while (high - low > 1) {
        const middle = (low + high) >> 1
        if (await fits(middle)) low = middle
        else high = middle
      }
      const reply = await post(sized(21, low))
      const { meta: _meta, ...document } = reply.body
      const bytes = Buffer.byteLength(JSON.stringify(document))
      expect(Math.abs(bytes - RESOURCE_BYTES_MAX)).toBeLessThan(100)
      const place = `/Users/${reply.body.id}`
      const grow = () =>
        scim.patch(place, [{ op: 'add', path: 'nickName', value: 'n'.repeat(100) }])
      await expectRefused(scim, place, grow, 413, undefined, String(RESOURCE_BYTES_MAX))
    })

    test('the journal tells each change, and nothing that was refused', async () => {
      await scim.expectJournalOfChanges()
    })
  })
}
