/** What each scope reaches, and what several of them do together: RFC 7644 section 2. */

import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import fc from 'fast-check'
import { reachesAnything, SCOPES, type Scope, scopesGranted } from '../../src/scim/scope.ts'
import { send, TARGETS } from '../harness.ts'
import { type Body, expectError, GROUP, sharedServer, tokenOf, USER } from './given.ts'

/** Processes start slowly on a machine that has much else to do. */
setDefaultTimeout(30_000)

const SEARCH = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest'
const BULK = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest'

for (const target of TARGETS) {
  describe(`scopes (${target})`, () => {
    const scim = sharedServer({ target })

    async function asker(scope: string) {
      const Authorization = `Bearer ${await tokenOf(scim.server(), { scope })}`
      return (method: string, path: string, body?: unknown) =>
        send(`${scim.url()}${path}`, method, body, { Authorization })
    }

    const typesIn = ({ Resources }: Body): string[] => [
      ...new Set<string>(Resources.map((one: Body) => one.meta.resourceType)),
    ]

    test('users and groups narrow what is reached to their type [R7644-2-06] [R7644-2-04]', async () => {
      const user = await scim.user()
      const group = await scim.group({ members: [{ value: user.id }] })
      for (const [scope, own, other, type] of [
        ['write users', `/Users/${user.id}`, `/Groups/${group.id}`, 'User'],
        ['write groups', `/Groups/${group.id}`, `/Users/${user.id}`, 'Group'],
        ['scim groups', `/Groups/${group.id}`, `/Users/${user.id}`, 'Group'],
      ] as const) {
        const ask = await asker(scope)
        const change = { Operations: [{ op: 'replace', path: 'displayName', value: scim.fresh() }] }
        expect((await ask('GET', own)).status).toBe(200)
        expect((await ask('PATCH', own, change)).status).toBeOneOf([200, 204])
        const before = (await scim.get(other)).body
        const endpoint = other.slice(0, other.lastIndexOf('/'))
        for (const [method, path, body] of [
          ['GET', other],
          ['PATCH', other, change],
          ['PUT', other, before],
          ['DELETE', other],
          ['GET', endpoint],
          ['POST', `${endpoint}/.search`, { schemas: [SEARCH] }],
          ['POST', endpoint, { userName: scim.fresh(), displayName: scim.fresh() }],
        ] as const) {
          const reply = await ask(method, path, body)
          expectError(reply, 403)
          expect(reply.headers.get('www-authenticate')).toInclude('error="insufficient_scope"')
        }
        expect((await scim.get(other)).body).toEqual(before)
        expect(typesIn((await ask('GET', '')).body)).toEqual([type])
        const searched = await ask('POST', '/.search', { schemas: [SEARCH] })
        expect(typesIn(searched.body)).toEqual([type])
        expect(searched.body.totalResults).toBe(await scim.total(endpointOf(own)))
      }
      const both = await asker('read users groups')
      expect(typesIn((await both('GET', '')).body)).toEqual(['User', 'Group'])
    })

    const endpointOf = (path: string): string => path.slice(0, path.lastIndexOf('/'))

    test('in a bulk request the other type is refused by itself', async () => {
      const ask = await asker('write users')
      const [userName, displayName] = [scim.fresh(), scim.fresh()]
      const { body } = await ask('POST', '/Bulk', {
        schemas: [BULK],
        Operations: [
          { method: 'POST', path: '/Users', bulkId: 'a', data: { schemas: [USER], userName } },
          { method: 'POST', path: '/Groups', bulkId: 'b', data: { schemas: [GROUP], displayName } },
        ],
      })
      expect(body.Operations.map(({ status }: Body) => status)).toEqual(['201', '403'])
      expect(await scim.find(`displayName eq "${displayName}"`, '/Groups')).toEqual([])
    })

    test('scopes that narrow, and those that are for later, reach nothing by themselves', async () => {
      for (const scope of ['users', 'groups users', 'feed', 'admin', 'feed admin']) {
        const ask = await asker(scope)
        for (const path of ['', '/Users', '/Groups', '/Me', '/Users/x'])
          expectError(await ask('GET', path), 403)
        expectError(await ask('POST', '/Users', { userName: scim.fresh() }), 403)
      }
    })
  })
}

test('a client never gets more than it holds', () => {
  const scopes = fc.subarray([...SCOPES]).map((names) => new Set<Scope>(names))
  const types = (of: ReadonlySet<Scope>) => (['users', 'groups'] as const).filter((t) => of.has(t))
  const verbs = (of: ReadonlySet<Scope>) =>
    new Set<Scope>(of.has('write') || of.has('scim') ? [...of, 'read', 'write', 'scim'] : of)
  fc.assert(
    fc.property(scopes, scopes, (held, asked) => {
      const granted = scopesGranted(held, asked)
      if (!granted) {
        const isMore = [...asked].some((scope) => !verbs(held).has(scope))
        return expect(isMore).toBe(true)
      }
      for (const scope of granted) {
        const isType = scope === 'users' || scope === 'groups'
        expect(isType || verbs(held).has(scope)).toBe(true)
      }
      if (types(held).length > 0) {
        expect(types(granted).length).toBeGreaterThan(0)
        for (const type of types(granted)) expect(held).toContain(type)
      }
      if (reachesAnything(asked)) for (const scope of asked) expect(granted).toContain(scope)
    }),
  )
  expect(scopesGranted(new Set(['scim', 'users']), new Set(['read']))).toEqual(
    new Set<Scope>(['read', 'users']),
  )
  expect(scopesGranted(new Set(['read']), new Set(['scim']))).toBeUndefined()
})
