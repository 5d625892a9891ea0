/**
 * Long bodies: how many at the same time, and clients that go before the work on them has ended.
 */

import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import {
  BODIES_BYTES_MAX,
  BODY_BYTES_MAX,
  BULK_CIRCLE_LENGTH_MAX,
  BULK_CIRCLE_MAX,
} from '../../src/scim/limits.ts'
import { readRequestLog, requestsDirectory } from '../../src/store/request-log.ts'
import { TARGETS, TOKEN } from '../harness.ts'
import { GROUP, sharedServer, USER } from './given.ts'

const BULK = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest'

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index))

for (const target of TARGETS) {
  describe(`long bodies (${target})`, () => {
    const scim = sharedServer({ target })

    /** A request whose body has not come whole; `finish` sends the rest, `cut` goes away. */
    async function begun(path: string, text: string, held: number) {
      const { hostname, port } = new URL(scim.url())
      const { promise: answer, resolve } = Promise.withResolvers<string>()
      let received = ''
      const socket = await Bun.connect({
        hostname,
        port: Number(port),
        socket: {
          data(_socket, bytes) {
            received += bytes.toString('latin1')
            resolve(received)
          },
          close: () => resolve(received),
          drain: () => flush(),
        },
      })
      const head = [
        `POST /scim/v2${path} HTTP/1.1`,
        `Host: ${hostname}`,
        `Authorization: Bearer ${TOKEN}`,
        'Content-Type: application/scim+json',
        `Content-Length: ${text.length}`,
        '',
        '',
      ].join('\r\n')
      let left = Buffer.from(head + text.slice(0, text.length - held))
      const flush = () => {
        left = left.subarray(socket.write(left))
      }
      flush()
      while (left.length > 0) await Bun.sleep(5)
      return {
        answer,
        finish() {
          left = Buffer.from(text.slice(text.length - held))
          flush()
        },
        cut: () => socket.terminate(),
      }
    }

    /** Waits until the server has ended so many requests of this kind, and noted them. */
    async function ended(method: string, path: string, count: number): Promise<void> {
      const directory = requestsDirectory(join(scim.server().data, 'tenants'), 'default')
      for (let noted = 0; noted < count; await Bun.sleep(20)) {
        noted = 0
        for await (const record of readRequestLog(directory, 0))
          if (record['method'] === method && record['path'] === `/scim/v2${path}`) noted++
      }
    }

    const padded = (body: object) => {
      const text = JSON.stringify(body)
      return text + ' '.repeat(BODY_BYTES_MAX - text.length)
    }

    test('so many bytes of them are in work at the same time, and no more', async () => {
      const most = BODIES_BYTES_MAX / BODY_BYTES_MAX
      const user = () => ({ schemas: [USER], userName: scim.fresh() })
      const total = await scim.total('/Users')
      const open = await Promise.all(times(most, () => begun('/Users', padded(user()), 1)))
      // What is not refused for it is refused for itself, and makes nothing.
      const bad = { schemas: [USER] }
      let refused = await scim.request('POST', '/Users', bad)
      while (refused.status === 400) refused = await scim.request('POST', '/Users', bad)
      expect(refused.status).toBe(503)
      expect(refused.headers.get('retry-after')).toBe('1')
      expect(refused.body.detail).toContain(String(BODIES_BYTES_MAX))
      expect(await scim.total('/Users')).toBe(total)

      for (const one of open) one.finish()
      for (const one of open) expect(await one.answer).toStartWith('HTTP/1.1 201')
      for (const one of open) one.cut()
      expect((await scim.request('POST', '/Users', user())).status).toBe(201)
      expect(await scim.total('/Users')).toBe(total + most + 1)
    }, 60_000)

    test('what clients that went away had begun to send is not counted any longer', async () => {
      const most = BODIES_BYTES_MAX / BODY_BYTES_MAX
      const body = padded({ schemas: [USER], userName: scim.fresh() })
      const total = await scim.total('/Users')
      const open = await Promise.all(times(most, () => begun('/Users', body, 1)))
      for (const one of open) one.cut()
      let status = 503
      while (status === 503) {
        const user = { schemas: [USER], userName: scim.fresh() }
        status = (await scim.request('POST', '/Users', user)).status
      }
      expect(status).toBe(201)
      expect(await scim.total('/Users')).toBe(total + 1)
    }, 60_000)

    test('a client that goes during a bulk request ends it after whole operations', async () => {
      const prefix = scim.fresh()
      const operations = times(1000, (index) => ({
        method: 'POST',
        path: '/Users',
        bulkId: `b${index}`,
        data: {
          schemas: [USER],
          userName: `${prefix}-${index}`,
          // Hashes are slow on purpose: all would take a minute, and the client is gone by then.
          ...(index >= 20 && { password: 'a long enough password' }),
        },
      }))
      const total = await scim.total('/Users')
      const sent = await begun(
        '/Bulk',
        JSON.stringify({ schemas: [BULK], Operations: operations }),
        0,
      )
      while ((await scim.total('/Users')) < total + 10) await Bun.sleep(1)
      sent.cut()
      await ended('POST', '/Bulk', 1)
      const now = await scim.total('/Users')
      expect(now).toBeLessThan(total + 1000)
      const names = await scim.find(`userName sw "${prefix}-"`)
      expect(names.map(({ userName }) => userName)).toEqual(
        times(now - total, (index) => `${prefix}-${index}`),
      )
    }, 60_000)

    test('a client that goes while a large group is made leaves nothing of it', async () => {
      const users = await scim.request('POST', '/Bulk', {
        schemas: [BULK],
        Operations: times(1000, (index) => ({
          method: 'POST',
          path: '/Users',
          bulkId: `b${index}`,
          data: { schemas: [USER], userName: scim.fresh() },
        })),
      })
      const ids: string[] = users.body.Operations.map(({ location }: { location: string }) =>
        location.slice(location.lastIndexOf('/') + 1),
      )
      const nobody = times(200_000, (index) => ({ value: `nobody-${index}` }))
      const members = [...ids.map((value) => ({ value })), ...nobody]
      const displayName = scim.fresh()
      const sent = await begun(
        '/Groups',
        JSON.stringify({ schemas: [GROUP], displayName, members }),
        0,
      )
      sent.cut()
      await ended('POST', '/Groups', 1)
      expect(await scim.total('/Groups')).toBe(0)
      expect((await scim.group({ members: members.slice(0, 1000) })).members).toHaveLength(1000)
    }, 60_000)

    test('so many bulk operations refer to each other in a circle, and no more', async () => {
      const circle = (count: number, more: object = {}) => ({
        schemas: [BULK],
        Operations: times(count, (index) => ({
          method: 'POST',
          path: '/Groups',
          bulkId: `g${index}`,
          data: {
            schemas: [GROUP],
            displayName: scim.fresh(),
            members: [{ value: `bulkId:g${(index + 1) % count}` }],
            ...more,
          },
        })),
      })
      const statusesOf = async (body: object) => {
        const reply = await scim.request('POST', '/Bulk', body)
        expect(reply.status).toBe(200)
        return [...new Set(reply.body.Operations.map((one: { status: string }) => one.status))]
      }
      const total = await scim.total('/Groups')
      expect(await statusesOf(circle(BULK_CIRCLE_MAX + 1))).toEqual(['409'])
      const long = 'x'.repeat(BULK_CIRCLE_LENGTH_MAX / 2)
      expect(await statusesOf(circle(2, { unknown: long }))).toEqual(['409'])
      expect(await scim.total('/Groups')).toBe(total)
      expect(await statusesOf(circle(BULK_CIRCLE_MAX))).toEqual(['201'])
      expect(await statusesOf(circle(2, { unknown: long.slice(500) }))).toEqual(['201'])
      expect(await scim.total('/Groups')).toBe(total + BULK_CIRCLE_MAX + 2)
    })
  })
}
