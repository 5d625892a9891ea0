/** Media types, bytes and methods on the wire: RFC 7644 sections 3.1, 3.2, 3.8 and 3.12. */

import { describe, expect, test } from 'bun:test'
import {
  BODY_BYTES_MAX,
  BODY_DISCARDED_BYTES_MAX,
  BULK_OPERATIONS_MAX,
  JSON_DEPTH_MAX,
} from '../../src/scim/limits.ts'
import { type Reply, TARGETS, TOKEN } from '../harness.ts'
import { ERROR, expectError, sharedServer, USER } from './given.ts'
import { sendRaw, sendWatched } from './raw.ts'

const AUTHORIZATION = { Authorization: `Bearer ${TOKEN}` }
const SCIM_JSON = 'application/scim+json'

for (const target of TARGETS) {
  describe(`the wire (${target})`, () => {
    const scim = sharedServer({ target })
    const userText = (more = '') =>
      `{"schemas":["${USER}"],"userName":"${scim.fresh('wire')}"${more}}`
    const raw = (method: string, path: string, headers = {}, body?: string | Uint8Array) =>
      sendRaw(scim.url(), {
        method,
        target: `/scim/v2${path}`,
        headers: { ...AUTHORIZATION, ...headers },
        ...(body === undefined ? {} : { body }),
      })

    test.each([
      'application/scim+json',
      'application/json',
      'application/scim+json; charset=utf-8',
      'Application/JSON;charset=UTF-8',
      'application/json ; Charset="Utf-8"',
      'application/json; charset=utf8; x="; charset=latin1"',
      'application/json; charset="u\\tf-8"',
      'application/json;',
      'application/json; charset',
    ])('[R7644-3.8-05] a body of %s is taken', async (type) => {
      const reply = await raw('POST', '/Users', { 'Content-Type': type }, userText())
      expect(reply.status).toBe(201)
      expect(reply.headers['content-type']).toBe(SCIM_JSON)
    })

    test('[R7644-3.8-05] a body without Content-Type is taken', async () => {
      expect((await raw('POST', '/Users', {}, userText())).status).toBe(201)
    })

    test.each([
      'text/xml',
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
    ])('[R7644-3.8-05] a body of %s is refused', async (type) => {
      const total = await scim.total('/Users')
      for (const method of ['POST', 'PUT', 'PATCH']) {
        const path = method === 'POST' ? '/Users' : '/Users/x'
        const reply = await raw(method, path, { 'Content-Type': type }, userText())
        expect(reply.status).toBe(415)
        expect(reply.headers['content-type']).toBe(SCIM_JSON)
        expect(JSON.parse(reply.text).detail).toInclude(type)
      }
      expect(await scim.total('/Users')).toBe(total)
    })

    test.each([
      'application/scim+json; charset=ISO-8859-1',
      'application/json;charset="utf-16"',
      'application/json; v=1; CHARSET=Windows-1252',
      'application/json; charset=utf-8; charset=latin1',
      'application/json; x="\\""; charset=utf-7',
    ])('a body of %s is refused by whatever takes one', async (type) => {
      const { id } = await scim.user()
      const total = await scim.total('/Users')
      const message = (name: string) => `urn:ietf:params:scim:api:messages:2.0:${name}`
      const text = JSON.stringify({ schemas: [message('SearchRequest')] })
      const Operations = [{ method: 'DELETE', path: `/Users/${id}` }]
      const bulk = JSON.stringify({ schemas: [message('BulkRequest')], Operations })
      for (const [method, path, body] of [
        ['POST', '/Users', userText()],
        ['PUT', `/Users/${id}`, userText()],
        ['PATCH', `/Users/${id}`, JSON.stringify({ Operations: [] })],
        ['POST', '/.search', text],
        ['POST', '/Users/.search', text],
        ['POST', '/Bulk', bulk],
      ] as const) {
        const reply = await raw(method, path, { 'Content-Type': type }, body)
        expect(reply.status, `${method} ${path}`).toBe(415)
        expect(JSON.parse(reply.text).detail).toInclude('charset')
      }
      expect(await scim.total('/Users')).toBe(total)
      const form = await sendRaw(scim.url(), {
        method: 'POST',
        target: '/oauth/token',
        headers: { 'Content-Type': type.replace(/^[^;]+/, 'application/x-www-form-urlencoded') },
        body: 'grant_type=client_credentials',
      })
      expect([form.status, JSON.parse(form.text).error]).toEqual([415, 'invalid_request'])
    })

    test('a compressed body is refused as such', async () => {
      const text = userText()
      const total = await scim.total('/Users')
      const headers = { 'Content-Encoding': 'gzip' }
      const packed = await scim.request('POST', '/Users', Bun.gzipSync(text), headers)
      expectError(packed, 415, undefined, 'gzip')
      expect(packed.headers.get('accept-encoding')).toBe('identity')
      expect(await scim.total('/Users')).toBe(total)
      const plain = { 'Content-Encoding': 'identity' }
      expect((await scim.request('POST', '/Users', text, plain)).status).toBe(201)
    })

    test.each([
      [SCIM_JSON],
      ['application/json'],
      ['*/*'],
      ['text/html'],
      ['application/scim+json;q=0.5, text/html'],
      [undefined],
    ])(
      '[R7644-3.8-02] [R7644-3.8-03] [R7644-3.8-04] [R7644-3.8-06] [ENTRA-19] Accept %s is answered with SCIM',
      async (accept) => {
        const headers = accept === undefined ? {} : { Accept: accept }
        for (const path of ['/Users', '/Users/nope', '/Schemas', '/nothing']) {
          const reply = await raw('GET', path, headers)
          expect(reply.headers['content-type'], path).toBe(SCIM_JSON)
          expect(JSON.parse(reply.text).schemas).toBeArray()
        }
      },
    )

    test('[R7644-3.8-07] a .scim suffix is part of an id', async () => {
      const { id } = await scim.user()
      expectError(await scim.get(`/Users/${id}.scim`), 404)
    })

    test('[R7644-3.8-08] a byte order mark at the beginning is skipped, and only one there', async () => {
      const type = { 'Content-Type': SCIM_JSON }
      expect((await raw('POST', '/Users', type, `\ufeff${userText()}`)).status).toBe(201)
      const twice = await raw('POST', '/Users', type, `\ufeff\ufeff${userText()}`)
      expect(JSON.parse(twice.text)).toMatchObject({ status: '400', scimType: 'invalidSyntax' })
    })

    test('[R7644-3.8-09] __proto__ and constructor are names that nobody knows', async () => {
      const text = userText(',"__proto__":{"admin":1},"constructor":{"prototype":{"admin":1}}')
      const { status, body } = await scim.request('POST', '/Users', text)
      expect(status).toBe(201)
      expect(JSON.stringify(body)).not.toInclude('admin')
      const after = await scim.patched(`/Users/${body.id}`, {
        op: 'add',
        value: JSON.parse('{"__proto__":{"title":"x"},"toString":1}'),
      })
      expect(after).toEqual(body)
      expect((await scim.get('/ResourceTypes/constructor')).status).toBe(404)
      expectError(await scim.get('/Users?filter=__proto__+pr'), 400, 'invalidFilter', '__proto__')
      const path = [{ op: 'add', path: 'constructor', value: 'x' }]
      expectError(await scim.patch(`/Users/${body.id}`, path), 400, 'invalidPath', 'constructor')
    })

    test.each([
      ['', 'empty'],
      ['   ', 'empty'],
      ['{', 'line 1'],
      ['[]', 'body'],
      ['"x"', 'body'],
      ['null', 'body'],
      ['5', 'body'],
      ['{"a":1,}', 'line 1'],
      ["{'a':1}", 'line 1'],
      ['{"a":1} x', 'line 1'],
      ['{"a":NaN}', 'line 1'],
      ['{"a":01}', 'line 1'],
      ['{"a":1e999}', 'line 1'],
      ['{"a":"\\ud800"}', 'line 1'],
      ['{"a":"\n"}', 'line 1'],
      ['<xml/>', 'line 1'],
    ])('[R7644-3.3-09] the body %j is refused', async (body, mention) => {
      const user = await scim.user()
      const total = await scim.total('/Users')
      for (const [method, path] of [
        ['POST', '/Users'],
        ['PUT', `/Users/${user.id}`],
        ['PATCH', `/Users/${user.id}`],
      ] as const) {
        const reply = await scim.request(method, path, body)
        expectError(reply, 400, 'invalidSyntax')
        expect(reply.body.detail).toMatch(new RegExp(`${mention}|offset|body`))
      }
      expect(await scim.total('/Users')).toBe(total)
      expect((await scim.get(`/Users/${user.id}`)).body).toEqual(user)
    })

    test('[R7644-3.8-01] bytes that are not UTF-8 are refused', async () => {
      const total = await scim.total('/Users')
      const text = Buffer.from(userText(',"title":"é"'), 'latin1')
      const reply = await scim.request('POST', '/Users', new Uint8Array(text))
      expectError(reply, 400, 'invalidSyntax', 'UTF-8')
      expect(await scim.total('/Users')).toBe(total)
    })

    test('a body nests so deep, and no deeper', async () => {
      const nested = (depth: number) =>
        userText(`,"foo":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}`)
      expect((await scim.request('POST', '/Users', nested(JSON_DEPTH_MAX))).status).toBe(201)
      for (const depth of [JSON_DEPTH_MAX + 1, 1_000_000]) {
        const reply = await scim.request('POST', '/Users', nested(depth))
        expectError(reply, 400, 'invalidSyntax', String(JSON_DEPTH_MAX))
      }
    })

    test('a body has so many bytes, and no more', async () => {
      const text = userText()
      const padded = (bytes: number) => text + ' '.repeat(bytes - text.length)
      const total = await scim.total('/Users')
      const over = await scim.request('POST', '/Users', padded(BODY_BYTES_MAX + 1))
      expectError(over, 413, undefined, String(BODY_BYTES_MAX))
      expect(await scim.total('/Users')).toBe(total)
      expect((await scim.request('POST', '/Users', padded(BODY_BYTES_MAX))).status).toBe(201)
    })

    test('a body that does not say how long it is is counted as it comes', async () => {
      const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
      const headers = { 'Content-Type': SCIM_JSON, 'Transfer-Encoding': 'chunked' }
      const small = userText()
      const inParts = `${chunk(small.slice(0, 9))}${chunk(small.slice(9))}0\r\n\r\n`
      expect((await raw('POST', '/Users', headers, inParts)).status).toBe(201)
      const total = await scim.total('/Users')
      const large = `${chunk(userText() + ' '.repeat(BODY_BYTES_MAX))}0\r\n\r\n`
      expect((await raw('POST', '/Users', headers, large)).status).toBe(413)
      expect(await scim.total('/Users')).toBe(total)
    })

    test('too long a body is read to its end, so that a client which sends it first hears why it was refused', async () => {
      const head = (length: string) =>
        Buffer.from(
          [
            'POST /scim/v2/Users HTTP/1.1',
            `Host: ${new URL(scim.url()).host}`,
            `Authorization: Bearer ${TOKEN}`,
            'Connection: close',
            length,
            '\r\n',
          ].join('\r\n'),
        )
      const declared = (length: number, sent: number) =>
        sendWatched(
          scim.url(),
          Buffer.concat([head(`Content-Length: ${length}`), Buffer.alloc(sent, ' ')]),
        )
      const chunked = Buffer.concat([
        head('Transfer-Encoding: chunked'),
        Buffer.from(`${(BODY_BYTES_MAX + 1).toString(16)}\r\n`),
        Buffer.alloc(BODY_BYTES_MAX + 1, ' '),
        Buffer.from('\r\n0\r\n\r\n'),
      ])
      const replies = [
        await declared(BODY_BYTES_MAX + 1, BODY_BYTES_MAX + 1),
        await declared(BODY_DISCARDED_BYTES_MAX, BODY_DISCARDED_BYTES_MAX),
        await sendWatched(scim.url(), chunked),
      ]
      // Of what is longer nothing is read.
      const longer = await declared(BODY_DISCARDED_BYTES_MAX + 1, 0)
      for (const { status, text } of [...replies, longer]) {
        expect(status).toBe(413)
        expect(JSON.parse(text).detail).toInclude(`${BODY_BYTES_MAX} (maxPayloadSize)`)
      }
      expect(replies.map(({ wasSent }) => wasSent)).toEqual([true, true, true])
    })

    test.each([
      ['DELETE', '/Users', 'GET, POST, HEAD'],
      ['PATCH', '/Users', 'GET, POST, HEAD'],
      ['PUT', '/Groups', 'GET, POST, HEAD'],
      ['POST', '/Users/x', 'GET, PUT, PATCH, DELETE, HEAD'],
      ['POST', '/Schemas', 'GET, HEAD'],
      ['PUT', '/ServiceProviderConfig', 'GET, HEAD'],
    ])('[R7644-3.2-02] [R7644-3.3-14] %s %s is not for this path', async (method, path, allow) => {
      const reply = await scim.request(method, path, {})
      expectError(reply, 405, undefined, method)
      expect(reply.headers.get('allow')).toBe(allow)
    })

    test('[R7644-3.2-04] an unknown endpoint is not found, as a SCIM error', async () => {
      for (const path of ['/Nope', '/user', '/Users/a/b', '/Users//', '/..%2f', '/Usersx'])
        expectError(await scim.get(path), 404)
      const outside = await fetch(new URL('/nothing/at/all', scim.url()))
      expect(outside.status).toBe(404)
      expect(((await outside.json()) as { schemas: string[] }).schemas).toEqual([ERROR])
    })

    test('[R7644-3.12-15] [R7644-3.12-16] each kind of refusal has its status', async () => {
      const user = await scim.user()
      const place = `/Users/${user.id}`
      const stale = { 'If-Match': 'W/"99"' }
      const stranger = { Authorization: 'Bearer wrong' }
      const bulk = {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
        Operations: Array(BULK_OPERATIONS_MAX + 1).fill({ method: 'DELETE', path: '/Users/nope' }),
      }
      const refused: [Reply, number][] = [
        [await scim.request('GET', place, undefined, stranger), 401],
        [await scim.get('/Schemas?filter=id+pr'), 403],
        [await scim.get('/Users/nope'), 404],
        [await scim.request('POST', '/Users', { ...user }), 409],
        [await scim.request('DELETE', place, undefined, stale), 412],
        [await scim.request('POST', '/Bulk', bulk), 413],
        [await scim.request('POST', '/Me', {}), 501],
      ]
      for (const [reply, status] of refused)
        expectError(reply, status, status === 409 ? 'uniqueness' : undefined)
      expect((await scim.get(place)).body).toEqual(user)
    })

    test('[R7644-3.2-03] [R7644-3.12-01] [R7644-3.12-02] [R7644-3.12-03] [R7644-3.12-04] [R7644-3.1-01] [R7644-3.1-02] [R7644-3.12-15] an error tells its status as a string, and nothing of the inside', async () => {
      const user = await scim.user()
      const replies = [
        [await scim.get('/Users/nope'), 404, undefined],
        [await scim.get('/Users?filter=x'), 400, 'invalidFilter'],
        [await scim.request('POST', '/Users', '{'), 400, 'invalidSyntax'],
        [await scim.request('POST', '/Users', { schemas: [USER] }), 400, 'invalidValue'],
        [await scim.request('POST', '/Users', { ...user }), 409, 'uniqueness'],
        [await scim.request('DELETE', '/Users'), 405, undefined],
        [await scim.patch(`/Users/${user.id}`, [{ op: 'remove' }]), 400, 'noTarget'],
        [await scim.get('/Schemas?filter=x'), 403, undefined],
      ] as const
      for (const [reply, status, scimType] of replies) {
        expectError(reply, status, scimType)
        const known = ['schemas', 'status', 'detail', ...(scimType ? ['scimType'] : [])]
        expect(Object.keys(reply.body).sort()).toEqual(known.sort())
        expect(reply.text).not.toMatch(/\bat .*\.ts|node_modules|lmdb|\/tmp|Error:/)
      }
    })

    test('[R7644-3.13-04] a version anywhere but before the endpoint is not found', async () => {
      for (const path of [
        '/v2/scim/Users',
        '/scim/Users/v2',
        '/scim/v2/v2/Users',
        '/scim/2/Users',
      ]) {
        const reply = await sendRaw(scim.url(), {
          method: 'GET',
          target: path,
          headers: AUTHORIZATION,
        })
        expect(reply.status).toBe(404)
        expect(JSON.parse(reply.text).schemas).toEqual([ERROR])
      }
    })

    test('a slash at the end of a path changes nothing', async () => {
      const user = await scim.user()
      expect((await scim.get(`/Users/${user.id}/`)).body).toEqual(user)
      expect((await scim.get('/Users/?count=0')).status).toBe(200)
      const body = { schemas: [USER], userName: scim.fresh() }
      expect((await scim.request('POST', '/Users/', body)).status).toBe(201)
    })

    test('[R7644-3.12-18] no request is sent elsewhere, so none loses its method or body', async () => {
      const { id } = await scim.user()
      const paths = ['', '/', '/Users', '/Users/', `/Users/${id}`, `/Users/${id}/`, '/Users/nope']
      const others = ['/users', '//Users', '/Me', '/Bulk', '/Schemas/', '/.search', '/Nope']
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        for (const path of [...paths, ...others]) {
          const reply = await raw(method, path, { 'Content-Type': SCIM_JSON }, '{}')
          expect([method, path, Math.floor(reply.status / 100)]).not.toEqual([method, path, 3])
          if (reply.status >= 400) expect(reply.headers['location']).toBeUndefined()
        }
      }
    })

    test('a fault of a client never becomes one of the server', async () => {
      expect(scim.server().errors()).not.toInclude('fault of the server')
    })

    test('the health of the server is told without a token', async () => {
      for (const path of ['/health', '/ready']) {
        const reply = await fetch(new URL(path, scim.url()))
        expect(reply.status).toBe(200)
      }
    })
  })
}
