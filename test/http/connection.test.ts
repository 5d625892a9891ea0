/** When a connection ends: RFC 9112 section 9.6, over whatever the server listens on. */

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { makeCertificate } from '../certificates.ts'
import { startTestServer, TARGETS, type TestServer, TOKEN } from '../harness.ts'
import { PATCH_OP, USER } from './given.ts'

const TRANSPORTS = ['tcp', 'tls', 'unix'] as const
type Transport = (typeof TRANSPORTS)[number]

/** More members than are read before an answer begins. */
const STREAMED = 1001

interface Asked {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: object
  readonly status: number
}

/** A request as it is sent. */
function textOf({ method, path, headers, body }: Asked, connection: string, version = '1.1') {
  const text = body === undefined ? '' : JSON.stringify(body)
  const lines = [
    `${method} ${path} HTTP/${version}`,
    'Host: localhost',
    `Authorization: Bearer ${TOKEN}`,
    ...Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`),
    ...(connection === '' ? [] : [connection]),
    ...(body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(text)}`]),
  ]
  return `${lines.join('\r\n')}\r\n\r\n${text}`
}

/** All that comes until the server ends the connection. */
function untilEnd(socket: Socket, text: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const received: Buffer[] = []
  socket.on('data', (chunk: Buffer) => void received.push(chunk))
  socket.on('end', () => resolve(Buffer.concat(received).toString('utf8')))
  socket.on('error', reject)
  socket.write(text)
  return promise
}

const headOf = (answer: string): string => answer.slice(0, answer.indexOf('\r\n\r\n') + 2)

for (const target of TARGETS) {
  describe.each(TRANSPORTS)(`connections (${target}, %s)`, (transport: Transport) => {
    const directory = mkdtempSync(join(tmpdir(), 'scimd-connection-'))
    const path = join(directory, 'socket')
    const authority = makeCertificate({ name: 'authority', isAuthority: true })
    const { cert, key } = makeCertificate({ name: 'localhost', by: authority })
    let server: TestServer
    let user = ''
    let etag = ''

    const ask = async (asked: Asked, connection = '', version = '1.1') =>
      untilEnd(open(), textOf(asked, connection, version))

    function open(): Socket {
      if (transport === 'unix') return connect(path)
      const port = Number(new URL(server.url).port)
      if (transport === 'tcp') return connect(port, '127.0.0.1')
      return connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: authority.cert })
    }

    const close = 'Connection: close'

    beforeAll(async () => {
      writeFileSync(join(directory, 'cert.pem'), cert)
      writeFileSync(join(directory, 'key.pem'), key)
      const flags = {
        tcp: {},
        tls: { tlsCert: join(directory, 'cert.pem'), tlsKey: join(directory, 'key.pem') },
        unix: { listen: `unix:${path}` },
      }[transport]
      server = await startTestServer({ target, flags })
      const body = { schemas: [USER], userName: 'ada' }
      const made = await ask({ method: 'POST', path: '/scim/v2/Users', body, status: 201 }, close)
      user = /^Location: .*(\/scim\/v2\/Users\/.*)\r$/im.exec(made)?.[1] ?? ''
      etag = /^ETag: (.*)\r$/im.exec(made)?.[1] ?? ''
    })
    afterAll(async () => {
      await server[Symbol.asyncDispose]()
      rmSync(directory, { recursive: true })
    })

    const asked = (): Asked[] => {
      const patch = { schemas: [PATCH_OP], Operations: [{ op: 'add', path: 'title', value: 'T' }] }
      return [
        { method: 'GET', path: user, status: 200 },
        { method: 'HEAD', path: user, status: 200 },
        { method: 'GET', path: '/scim/v2/Users', status: 200 },
        {
          method: 'GET',
          path: `${user}?excludedAttributes=groups`,
          headers: { 'If-None-Match': etag },
          status: 304,
        },
        { method: 'GET', path: '/scim/v2/Schemas', status: 200 },
        { method: 'PATCH', path: user, body: patch, status: 200 },
        { method: 'POST', path: '/scim/v2/Users', body: { schemas: [USER] }, status: 400 },
        { method: 'GET', path: '/scim/v2/Users/nobody', status: 404 },
        { method: 'GET', path: '/nothing', status: 404 },
        { method: 'GET', path: '/t/acme/scim/v2/Users', status: 401 },
        { method: 'DELETE', path: '/scim/v2/Users', status: 405 },
        { method: 'POST', path: '/oauth/token', body: {}, status: 400 },
        { method: 'GET', path: '/.well-known/oauth-authorization-server', status: 200 },
        { method: 'GET', path: '/health', status: 200 },
        { method: 'GET', path: '/ready', status: 200 },
        { method: 'GET', path: '/metrics', status: 200 },
        { method: 'DELETE', path: user, status: 204 },
      ]
    }

    test('an answer to Connection: close says so, and is the last on its connection', async () => {
      for (const one of asked()) {
        const answer = await ask(one, close)
        const what = `${one.method} ${one.path}`
        expect(answer.split(' ')[1], what).toBe(String(one.status))
        expect(headOf(answer).match(/^connection: .*$/gim), what).toEqual(['Connection: close'])
      }
    })

    test('so is one to a list with close in it, in any letters, and to HTTP/1.0', async () => {
      const health = { method: 'GET', path: '/scim/v2/Users', status: 200 }
      for (const [connection, version] of [
        ['connection: CLOSE', '1.1'],
        ['Connection: TE, close', '1.1'],
        ['Connection: Keep-Alive , Close,x', '1.1'],
        ['Connection: close', '1.0'],
      ] as const) {
        const head = headOf(await ask(health, connection, version))
        expect(head.match(/^connection: .*$/gim), connection).toEqual(['Connection: close'])
      }
      // By its version the client knows: nothing else keeps such a connection.
      expect(await ask(health, '', '1.0')).toStartWith('HTTP/1.1 200')
    })

    test('without it a connection is kept, whatever else its header names', async () => {
      const one = { method: 'GET', path: '/scim/v2/Users/nobody', status: 404 }
      const kept = [
        '',
        'Connection: keep-alive',
        'Connection: closed, x-close',
        'X-Connection: close',
      ]
      const text = [...kept, close].map((connection) => textOf(one, connection))
      const socket = open()
      const answers = await untilEnd(socket, text.join(''))
      const heads = answers.split('HTTP/1.1 404 ').slice(1)
      expect(heads.map((head) => /^connection: close\r$/im.test(headOf(head)))).toEqual([
        ...kept.map(() => false),
        true,
      ])
    })

    if (transport !== 'tcp') return
    test('a long answer comes whole before its connection ends', async () => {
      const ids = await membersOf(server)
      const group = { displayName: 'long', members: ids.map((value) => ({ value })) }
      const { body } = await server.request('POST', '/Groups', group)
      const place = new URL(body.meta.location).pathname
      const answer = await ask({ method: 'GET', path: place, status: 200 }, close)
      expect(headOf(answer).match(/^connection: .*$/gim)).toEqual(['Connection: close'])
      expect(headOf(answer)).toMatch(/^transfer-encoding: chunked\r$/im)
      expect(answer).toEndWith('\r\n0\r\n\r\n')
      expect(answer.match(/"type":"User"/g)).toHaveLength(STREAMED)
    })
  })
}

/** So many users. */
async function membersOf(server: TestServer): Promise<string[]> {
  const ids: string[] = []
  for (let from = 0; from < STREAMED; from += 500) {
    const count = Math.min(500, STREAMED - from)
    const Operations = Array.from({ length: count }, (_, index) => ({
      method: 'POST',
      path: '/Users',
      bulkId: `b${index}`,
      data: { schemas: [USER], userName: `member-${from + index}` },
    }))
    const schemas = ['urn:ietf:params:scim:api:messages:2.0:BulkRequest']
    const { body } = await server.request('POST', '/Bulk', { schemas, Operations })
    for (const { location } of body.Operations)
      ids.push(location.slice(location.lastIndexOf('/') + 1))
  }
  return ids
}
