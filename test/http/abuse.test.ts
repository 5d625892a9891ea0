/**
 * Requests built to cost much: each is refused at a limit that has a name, one below it is taken.
 */

import { describe, expect, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import {
  BODIES_BYTES_MAX,
  BODY_BYTES_MAX,
  JSON_MEMBERS_MAX,
  JSON_VALUES_MAX,
  PATCH_KEY_FILTERS_MAX,
  PATCH_LINK_FILTERS_MAX,
  PATCH_PATHS_LENGTH_MAX,
  PATCH_VISITS_MAX,
  PROJECTION_LENGTH_MAX,
  VALUES_COUNT_MAX,
} from '../../src/scim/limits.ts'
import { type Reply, startTestServer, TARGETS, type TestServer, TOKEN } from '../harness.ts'
import { PATCH_OP, USER } from './given.ts'
import { sendRaw } from './raw.ts'

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index))

const mails = (count: number) => times(count, (i) => ({ value: `m${i}@example.com`, type: 'work' }))

const patch = (...Operations: object[]) => ({ schemas: [PATCH_OP], Operations })

/** A POST that announces the longest body, of which only this has been sent. */
async function begun({ url }: TestServer, sent: string | Uint8Array): Promise<Socket> {
  const { hostname, port, pathname } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  const head = [
    `POST ${pathname}/Users HTTP/1.1`,
    `Host: ${hostname}`,
    `Authorization: Bearer ${TOKEN}`,
    `Content-Length: ${BODY_BYTES_MAX}`,
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  await new Promise((resolve) => socket.write(sent, resolve))
  return socket
}

/** Asks again until this is the status of the answer. */
async function until(ask: () => Promise<Reply>, status: number): Promise<Reply> {
  for (;;) {
    const reply = await ask()
    if (reply.status === status) return reply
    await Bun.sleep(20)
  }
}

async function made(server: TestServer, path: string, body: object): Promise<string> {
  const reply = await server.request('POST', path, body)
  expect(reply.status).toBe(201)
  return `${path}/${reply.body.id}`
}

for (const target of TARGETS) {
  describe(`${target}: what would cost too much`, () => {
    test('bodies that are announced and not sent keep nobody from writing', async () => {
      await using server = await startTestServer({ target })
      const count = BODIES_BYTES_MAX / BODY_BYTES_MAX + 1
      const sockets = await Promise.all(times(count, () => begun(server, '{')))
      for (const index of times(20, (i) => i))
        await made(server, '/Users', { userName: `u${index}` })
      for (const socket of sockets) socket.destroy()
    })

    test('the bodies in work take so many bytes and no more, until one of them ends', async () => {
      await using server = await startTestServer({ target })
      const most = Buffer.alloc(BODY_BYTES_MAX - 1, ' ')
      const count = BODIES_BYTES_MAX / BODY_BYTES_MAX
      const sockets = await Promise.all(times(count, () => begun(server, most)))
      let posts = 0
      const body = () => ({ schemas: [USER], userName: `u${posts++}` })
      const post = () => server.request('POST', '/Users', body())
      const refused = await until(post, 503)
      expect(refused.headers.get('retry-after')).toBe('1')
      for (const socket of sockets) socket.destroy()
      await until(post, 201)
    })

    test('an object has so many members and no more', async () => {
      await using server = await startTestServer({ target })
      const body = (count: number) => {
        const rest = times(count - 1, (i) => `"k${i}":1`).join(',')
        return `{"userName":"u${count}",${rest}}`
      }
      expect((await server.request('POST', '/Users', body(JSON_MEMBERS_MAX))).status).toBe(201)
      const refused = await server.request('POST', '/Users', body(JSON_MEMBERS_MAX + 1))
      expect(refused.status).toBe(400)
      expect(refused.body.detail).toContain(`the limit of ${JSON_MEMBERS_MAX}`)
    })

    test('a body has so many values and no more', async () => {
      await using server = await startTestServer({ target })
      // The object, userName and the list are values themselves.
      const body = (count: number) => `{"userName":"u${count}","x":[${'1,'.repeat(count - 4)}1]}`
      expect((await server.request('POST', '/Users', body(JSON_VALUES_MAX))).status).toBe(201)
      const refused = await server.request('POST', '/Users', body(JSON_VALUES_MAX + 1))
      expect(refused.status).toBe(400)
      expect(refused.body.detail).toContain(`the limit of ${JSON_VALUES_MAX}`)
    })

    test('an attribute has so many values and no more, by POST and by PATCH', async () => {
      await using server = await startTestServer({ target })
      const full = { userName: 'full', emails: mails(VALUES_COUNT_MAX) }
      const path = await made(server, '/Users', full)
      const over = { userName: 'over', emails: mails(VALUES_COUNT_MAX + 1) }
      const refused = await server.request('POST', '/Users', over)
      expect(refused.body.scimType).toBe('invalidValue')
      expect(refused.body.detail).toStartWith('emails: found 1001 values')
      const one = patch({ op: 'add', path: 'emails', value: [{ value: 'one@more' }] })
      const grown = await server.request('PATCH', path, one)
      expect(grown.body.detail).toBe('emails: found 1001 values, expected at most 1000')
      expect((await server.request('GET', path)).body.emails).toHaveLength(VALUES_COUNT_MAX)
    })

    test('a PATCH looks at so many elements and no more, and then nothing is changed', async () => {
      await using server = await startTestServer({ target })
      const path = await made(server, '/Users', { userName: 'u', emails: mails(VALUES_COUNT_MAX) })
      const one = { op: 'remove', path: 'emails[value eq "nobody"]' }
      const most = PATCH_VISITS_MAX / VALUES_COUNT_MAX
      const taken = await server.request('PATCH', path, patch(...times(most, () => one)))
      expect(taken.status).toBe(200)
      const title = { op: 'replace', path: 'title', value: 'changed' }
      const refused = await server.request(
        'PATCH',
        path,
        patch(title, ...times(most + 1, () => one)),
      )
      expect(refused.status).toBe(413)
      expect((await server.request('GET', path)).body.title).toBeUndefined()
      const product = { op: 'remove', path: 'emails', value: mails(VALUES_COUNT_MAX) }
      expect((await server.request('PATCH', path, patch(product))).status).toBe(413)
    })

    test('a PATCH has so many filters on members and no more', async () => {
      await using server = await startTestServer({ target })
      const path = await made(server, '/Groups', { displayName: 'g' })
      const one = { op: 'remove', path: 'members[display co "x"]' }
      const most = times(PATCH_LINK_FILTERS_MAX, () => one)
      expect((await server.request('PATCH', path, patch(...most))).status).toBe(200)
      expect((await server.request('PATCH', path, patch(...most, one))).status).toBe(413)
    })

    test('the paths of a PATCH have so many characters and no more', async () => {
      await using server = await startTestServer({ target })
      const path = await made(server, '/Users', { userName: 'u' })
      const long = (length: number) => `emails[value eq "${'x'.repeat(length - 19)}"]`
      const operations = times(PATCH_PATHS_LENGTH_MAX / 4096, () => ({
        op: 'remove',
        path: long(4096),
      }))
      expect((await server.request('PATCH', path, patch(...operations))).status).toBe(200)
      const over = patch(...operations, { op: 'remove', path: 'title' })
      const refused = await server.request('PATCH', path, over)
      expect(refused.status).toBe(413)
      expect(refused.body.detail).toContain(`at most ${PATCH_PATHS_LENGTH_MAX}`)
    })

    test('a value without a path has so many names with a filter and no more', async () => {
      await using server = await startTestServer({ target })
      const path = await made(server, '/Users', { userName: 'u' })
      const value = (count: number) =>
        Object.fromEntries(
          times(count, (i) => [`emails[type eq "work" and value eq "${i}"]`, null]),
        )
      const body = (count: number) => patch({ op: 'replace', value: value(count) })
      const taken = await server.request('PATCH', path, body(PATCH_KEY_FILTERS_MAX))
      expect(taken.status).toBe(200)
      const refused = await server.request('PATCH', path, body(PATCH_KEY_FILTERS_MAX + 1))
      expect(refused.status).toBe(413)
    })

    test('attributes and sortBy have so many characters and no more', async () => {
      await using server = await startTestServer({ target })
      const schemas = ['urn:ietf:params:scim:api:messages:2.0:SearchRequest']
      const search = (members: object) =>
        server.request('POST', '/Users/.search', { schemas, ...members })
      const names = 'x'.repeat(PROJECTION_LENGTH_MAX)
      expect((await search({ attributes: [names] })).status).toBe(200)
      for (const members of [{ attributes: [names, 'x'] }, { excludedAttributes: `${names}x` }]) {
        expect((await search(members)).body.scimType).toBe('invalidValue')
      }
      const sorted = await search({ sortBy: `${names}x` })
      expect(sorted.body.scimType).toBe('invalidValue')
      expect(sorted.text.length).toBeLessThan(500)
    })

    test('the most terms over the longest resource are compared as any others are', async () => {
      await using server = await startTestServer({ target })
      const long = times(900, (i) => ({ value: `É${'e'.repeat(960)}${i}`, type: 'work' }))
      await made(server, '/Users', { userName: 'long', emails: long })
      await made(server, '/Users', { userName: 'short', emails: [{ value: 'x', type: 'home' }] })
      const found = async (filter: string) => {
        const schemas = ['urn:ietf:params:scim:api:messages:2.0:SearchRequest']
        const body = { schemas, filter, attributes: ['userName'], sortBy: 'userName' }
        const reply = await server.request('POST', '/Users/.search', body)
        expect(reply.status, reply.text).toBe(200)
        return reply.body.Resources.map(({ userName }: { userName: string }) => userName)
      }
      const terms = (word: string, last: string, make: (i: number) => string) =>
        [...times(195, make), last].join(` ${word} `)
      const last = `"é${'E'.repeat(960)}899"`
      const no = (i: number) => `emails.value co "zq${i}"`
      for (const [filter, names] of [
        [terms('or', `emails.value eq ${last}`, no), ['long']],
        [terms('or', 'emails.value sw "y"', no), []],
        [terms('and', 'emails pr', (i) => `not (${no(i)})`), ['long', 'short']],
        [terms('and', 'emails.type eq "HOME"', (i) => `emails.value ne "zq${i}"`), ['short']],
        [`emails[${terms('or', `value eq ${last}`, (i) => `value sw "zq${i}"`)}]`, ['long']],
        [`not (emails[${terms('or', 'type eq "work"', (i) => `value ew "zq${i}"`)}])`, ['short']],
      ] as const)
        expect(await found(filter), filter.slice(0, 40)).toEqual([...names])
    })

    test('a string without an end in the path of a bulk operation is refused as a path', async () => {
      await using server = await startTestServer({ target })
      const path = await made(server, '/Users', { userName: 'u' })
      const data = patch({ op: 'remove', path: `emails["${'\\"'.repeat(4000)}]` })
      const reply = await server.request('POST', '/Bulk', {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
        Operations: [{ method: 'PATCH', path, data }],
      })
      expect(reply.status).toBe(200)
      expect(reply.body.Operations[0].status).toBe('400')
    })

    test.each([['['], ['a b'], ['x/y'], ['']])(
      'Host "%s" is refused and leaves no stack',
      async (host) => {
        await using server = await startTestServer({ target })
        const headers = { Host: host, Authorization: `Bearer ${TOKEN}` }
        for (const path of ['/scim/v2/Users', '/nothing']) {
          const reply = await sendRaw(server.url, { method: 'GET', target: path, headers })
          expect([200, 400, 404]).toContain(reply.status)
          expect(reply.text).not.toContain('Something went wrong')
        }
        expect(server.errors()).toBe('')
      },
    )
  })
}
