/** How often a credential may ask, and an address fail to sign in. */

import { describe, expect, test } from 'bun:test'
import { RATE_PER_SECOND_DEFAULT, SIGN_INS_PER_SECOND } from '../../src/scim/limits.ts'
import { type Reply, send, startTestServer, TARGETS } from '../harness.ts'
import { expectError, tokenOf, USER } from './given.ts'

const withToken = (token: string) => ({ Authorization: `Bearer ${token}` })

/** More than a slow machine gets through while the bucket fills again. */
const MANY = 40

const atOnce = (length: number, ask: (index: number) => Promise<Reply>): Promise<Reply[]> =>
  Promise.all(Array.from({ length }, (_, index) => ask(index)))

function expectTooMany(reply: Reply): void {
  expectError(reply, 429)
  expect(reply.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
}

for (const target of TARGETS) {
  describe(`rates (${target})`, () => {
    test('[R7644-3.12-17] [OKTA-16] [PROF-17] past its rate a credential is told when to come again, and no other one', async () => {
      await using server = await startTestServer({ target, flags: { rateLimit: '1' } })
      const other = await tokenOf(server)
      const create = (name: string) =>
        server.request('POST', '/Users', { schemas: [USER], userName: name })
      // The burst is twice the rate; the executable's clock may give more in the meantime.
      const replies = [await create('a'), await create('b')]
      expect(replies.map(({ status }) => status)).toEqual([201, 201])
      const more = await atOnce(MANY, (index) => create(`more-${index}`))
      const refused = more.filter(({ status }) => status === 429)
      if (target === 'source') expect(refused).toHaveLength(MANY)
      expect(refused.length).toBeGreaterThan(0)
      for (const reply of refused) expectTooMany(reply)
      const users = `${server.url}/Users?count=0`
      const { status, body } = await send(users, 'GET', undefined, withToken(other))
      expect(status).toBe(200)
      expect(body.totalResults).toBe(2 + more.length - refused.length)
      if (target === 'executable') return
      server.passTime(1000)
      expect((await create('g')).status).toBe(201)
      expectTooMany(await create('h'))
    })

    test('visitors share the rate of their address, and leave that of credentials alone', async () => {
      await using server = await startTestServer({ target, flags: { rateLimit: '1' } })
      const visit = () =>
        send(`${server.url}/ServiceProviderConfig`, 'GET', undefined, { Authorization: undefined })
      const replies = [await visit(), await visit()]
      expect(replies.map(({ status }) => status)).toEqual([200, 200])
      const more = await atOnce(MANY, visit)
      expect(more.filter(({ status }) => status === 429).length).toBeGreaterThan(0)
      expect((await server.request('GET', '/Users')).status).toBe(200)
    })

    test('who fails to sign in too often is told so, while good credentials are taken', async () => {
      await using server = await startTestServer({ target, flags: { rateLimit: '100000' } })
      const fail = () => send(`${server.url}/Users`, 'GET', undefined, withToken('wrong'))
      const burst = SIGN_INS_PER_SECOND * 10
      const replies = await atOnce(burst, fail)
      expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 401))
      const more = await atOnce(burst * 3, fail)
      const refused = more.filter(({ status }) => status === 429)
      expect(refused.length).toBeGreaterThan(0)
      for (const reply of refused) expectTooMany(reply)
      expect((await server.request('GET', '/Users')).status).toBe(200)
    })

    test('[PROF-17] [ENTRA-24] a hundred bulk requests at once are within the rate that is set by itself', async () => {
      const rateLimit = String(RATE_PER_SECOND_DEFAULT)
      await using server = await startTestServer({ target, flags: { rateLimit } })
      const bulk = (index: number) => ({
        schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
        Operations: [
          {
            method: 'POST',
            path: '/Users',
            bulkId: 'u',
            data: { schemas: [USER], userName: `user-${index}` },
          },
        ],
      })
      const replies = await Promise.all(
        Array.from({ length: 100 }, (_, index) => server.request('POST', '/Bulk', bulk(index))),
      )
      expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200))
      expect(replies.every(({ body }) => body.Operations[0].status === '201')).toBe(true)
      expect((await server.request('GET', '/Users?count=0')).body.totalResults).toBe(100)
    })

    test('a rate of 0 is none', async () => {
      await using server = await startTestServer({ target, flags: { rateLimit: '0' } })
      const replies = await Promise.all(
        Array.from({ length: 300 }, () => server.request('GET', '/Users?count=0')),
      )
      expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]))
    })
  })
}
