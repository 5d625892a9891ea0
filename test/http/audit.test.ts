/** What is kept of a request, and what is not: RFC 7644 section 7. */

import { describe, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { scimd, temporary } from '../cli/given.ts'
import { send, startTestServer, TARGETS, type Target, TOKEN } from '../harness.ts'
import { PATCH_OP, tokenOf, USER } from './given.ts'

for (const target of TARGETS) {
  describe(`what is kept (${target})`, () => {
    test('[R7644-7-06] every write is in the journal with who, when, what and to whom', async () => {
      await using server = await startTestServer({ target, keep: false })
      const actor = 'the journal reads this name'
      const Authorization = `Bearer ${await tokenOf(server, { name: actor })}`
      const ask = (method: string, path: string, body?: unknown) =>
        send(`${server.url}${path}`, method, body, { Authorization })
      const earliest = target === 'source' ? server.now() : Date.now()
      const { body: user } = await ask('POST', '/Users', { schemas: [USER], userName: 'ada' })
      const path = `/Users/${user.id}`
      await ask('GET', path)
      await ask('PUT', path, { schemas: [USER], userName: 'ada', title: 'Countess' })
      const Operations = [{ op: 'replace', path: 'title', value: 'Lady' }]
      await ask('PATCH', path, { schemas: [PATCH_OP], Operations })
      await ask('PATCH', path, { schemas: [PATCH_OP], Operations })
      await ask('DELETE', path)
      const latest = target === 'source' ? server.now() : Date.now()
      const entries = await server.journal()
      expect(entries.map(({ operation }) => operation)).toEqual([
        'create',
        'replace',
        'modify',
        'delete',
      ])
      for (const entry of entries) {
        expect(entry).toMatchObject({ actor, address: '127.0.0.1', type: 'User', id: user.id })
        expect(entry.requestId).toMatch(/^[0-9a-f-]{36}$/)
        expect(Date.parse(entry.time)).toBeGreaterThanOrEqual(earliest)
        expect(Date.parse(entry.time)).toBeLessThanOrEqual(latest)
      }
      expect(entries[2]).toMatchObject({ before: { title: 'Countess' }, after: { title: 'Lady' } })
      expect(new Set(entries.map(({ requestId }) => requestId)).size).toBe(entries.length)
    })

    test('who hangs up after sending is in the journal with the address all the same', async () => {
      await using server = await startTestServer({ target, keep: false })
      const { hostname, port, pathname } = new URL(server.url)
      // A password takes long enough to hash for the connection to be gone by then.
      const body = JSON.stringify({ schemas: [USER], userName: 'gone', password: 'Pw-1-of-many' })
      const head = [
        `POST ${pathname}/Users HTTP/1.1`,
        `Host: ${hostname}`,
        `Authorization: Bearer ${TOKEN}`,
        `Content-Length: ${body.length}`,
      ]
      const socket = connect(Number(port), hostname)
      socket.on('error', () => undefined)
      await new Promise((sent) => socket.write(`${head.join('\r\n')}\r\n\r\n${body}`, sent))
      // The server reads in turns: what was sent before these has been read when they are answered.
      for (let turn = 0; turn < 2; turn++) await fetch(new URL('/health', server.url))
      socket.destroy()
      const isThere = async () => (await server.request('GET', '/Users')).body.totalResults === 1
      while (!(await isThere())) await Bun.sleep(10)
      const entries = await server.journal()
      expect(entries).toMatchObject([{ operation: 'create', address: '127.0.0.1' }])
    })

    test('[R7644-7-03] nothing of a filter, a path or a body gets into the log', async () => {
      await using server = await startTestServer({ target })
      const marks = {
        name: 'lovelace-in-a-filter',
        id: 'lovelace-in-a-path',
        body: 'lovelace-body',
      }
      const filter = encodeURIComponent(`userName eq "${marks.name}"`)
      const { request } = server
      const replies = [
        await request('GET', `/Users?filter=${filter}`),
        await request('GET', `/Users?filter=${filter}%20and`),
        await request('GET', `/Users?filter=${filter}&sortBy=${marks.name}`),
        await request('GET', `/Users/${marks.id}`),
        await request('GET', `/Nothing/${marks.id}?${marks.name}`),
        await request('POST', '/Users', `{"userName": "${marks.body}`),
        await request('POST', '/Users', { schemas: [USER], userName: [marks.body] }),
        await request('POST', '/Users', { schemas: [USER], userName: marks.body }),
        await request('GET', '/Users', undefined, { Authorization: `Bearer ${marks.name}` }),
      ]
      expect(replies.map(({ status }) => status)).toEqual([
        200, 400, 400, 404, 404, 400, 400, 201, 401,
      ])
      await server.stop()
      expect(server.errors()).not.toInclude('lovelace')
    })

    test('[R7644-7-01] plain HTTP off loopback is refused, but behind a declared proxy', async () => {
      using directory = temporary()
      const refused = await scimd(target as Target, ['serve', '--listen', '0.0.0.0:0'], directory)
      expect(refused.status).toBe(1)
      expect(refused.out).toBe('')
      expect(refused.err).toInclude('would send tokens in the clear')
      await using server = await startTestServer({
        target,
        flags: { listen: '0.0.0.0:0', behindProxy: true },
      })
      const port = new URL(server.url).port
      expect((await fetch(`http://127.0.0.1:${port}/ready`)).status).toBe(200)
    })
  })
}
