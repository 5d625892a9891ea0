/** What is counted, and shown without a token: nothing that names anybody. */

import { describe, expect, test } from 'bun:test'
import { send, startTestServer, TARGETS } from '../harness.ts'
import { tokenOf, USER } from './given.ts'

for (const target of TARGETS) {
  describe(`metrics (${target})`, () => {
    async function shown(url: string): Promise<Map<string, number>> {
      const response = await fetch(`${new URL(url).origin}/metrics`)
      expect(response.status).toBe(200)
      expect(response.headers.get('content-type')).toStartWith('text/plain')
      const lines = (await response.text()).split('\n').filter((line) => /^[a-z]/.test(line))
      return new Map(
        lines.map((line) => {
          const at = line.lastIndexOf(' ')
          return [line.slice(0, at), Number(line.slice(at + 1))]
        }),
      )
    }

    test('requests are counted by method and status', async () => {
      await using server = await startTestServer({ target })
      const before = await shown(server.url)
      expect([...before.keys()].filter((name) => name.startsWith('scimd_requests_total'))).toEqual(
        [],
      )
      await server.request('POST', '/Users', { schemas: [USER], userName: 'ada' })
      await server.request('POST', '/Users', { schemas: [USER], userName: 'ADA' })
      await server.request('GET', '/Users')
      await server.request('GET', '/Users', undefined, { Authorization: 'Bearer wrong' })
      await fetch(`${server.url}/Users`, { method: 'OPTIONS' })
      const after = await shown(server.url)
      const counted = (method: string, status: number) =>
        after.get(`scimd_requests_total{method="${method}",status="${status}"}`)
      expect([counted('POST', 201), counted('POST', 409)]).toEqual([1, 1])
      expect([counted('GET', 200), counted('GET', 401), counted('other', 401)]).toEqual([1, 1, 1])
      expect(after.get('scimd_request_duration_seconds_count{method="POST"}')).toBe(2)
      expect(after.get('process_resident_memory_bytes')).toBeGreaterThan(1e6)
    })

    test('requests past the rate are seen, and the rate', async () => {
      await using server = await startTestServer({ target, flags: { rateLimit: '1' } })
      // At once, as the bucket fills again while a slow machine answers one after the other.
      const replies = Array.from({ length: 40 }, () => server.request('GET', '/Users'))
      const statuses = (await Promise.all(replies)).map(({ status }) => status)
      const after = await shown(server.url)
      expect(after.get('scimd_rate_limit_requests_per_second')).toBe(1)
      const refused = after.get('scimd_requests_total{method="GET",status="429"}')
      expect(refused).toBeGreaterThan(0)
      expect(refused).toBe(statuses.filter((status) => status === 429).length)
    })

    test('no tenant, credential or user is in it', async () => {
      await using server = await startTestServer({ target })
      const token = await tokenOf(server, { tenant: 'secret-tenant', name: 'secret-name' })
      const url = server.url.replace('/scim/v2', '/t/secret-tenant/scim/v2')
      const body = { schemas: [USER], userName: 'secret-user' }
      const reply = await send(`${url}/Users`, 'POST', body, { Authorization: `Bearer ${token}` })
      expect(reply.status).toBe(201)
      const text = await (await fetch(`${new URL(server.url).origin}/metrics`)).text()
      expect(text).not.toInclude('secret')
    })
  })
}

test.each(TARGETS)(
  'with an address of their own the metrics are nowhere else (%s)',
  async (target) => {
    await using server = await startTestServer({ target, flags: { metricsListen: '127.0.0.1:0' } })
    if (target === 'executable') {
      const at = /"at":"([^"]*)"/.exec(server.errors())?.[1] ?? ''
      expect(await (await fetch(at)).text()).toInclude('scimd_')
      const elsewhere = await fetch(at.replace('/metrics', '/scim/v2/Users'))
      expect(elsewhere.status).toBe(404)
    }
    expect((await fetch(`${new URL(server.url).origin}/metrics`)).status).toBe(404)
    expect((await fetch(`${new URL(server.url).origin}/health`)).status).toBe(200)
  },
)
