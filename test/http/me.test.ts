/** /Me, and credentials that reach one resource alone: RFC 7644 sections 3.11 and 2. */

import { describe, expect, test } from 'bun:test'
import { type Reply, send, TARGETS } from '../harness.ts'
import { type Body, expectError, GROUP, PATCH_OP, sharedServer, tokenOf, USER } from './given.ts'

const BULK = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest'
const SEARCH = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest'

/** 401 as RFC 6750 section 3.1 has it: the token is of nobody. */
function expectGone(reply: Reply): void {
  const why = 'the user of the token is not here, or not any more'
  expectError(reply, 401, undefined, why)
  expect(reply.headers.get('www-authenticate')).toBe(
    `Bearer realm="scimd", error="invalid_token", error_description="${why}"`,
  )
}

for (const target of TARGETS) {
  describe(`the subject's own resource (${target})`, () => {
    const scim = sharedServer({ target })

    /** A user, and requests with a token that is linked to it. */
    async function person(scope = 'me') {
      const user = await scim.user({ userName: scim.fresh('me'), displayName: 'Me' })
      const token = await tokenOf(scim.server(), { user: user.id, scope })
      const ask = (method: string, path: string, body?: unknown, headers = {}) =>
        send(`${scim.url()}${path}`, method, body, {
          Authorization: `Bearer ${token}`,
          ...headers,
        })
      return { user, ask, token }
    }
    const rename = (value: string) => ({
      schemas: [PATCH_OP],
      Operations: [{ op: 'replace', path: 'displayName', value }],
    })

    test('[R7644-3.11-01] a credential that stands for no user is told 501', async () => {
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'POST']) {
        const body = method === 'GET' || method === 'DELETE' ? undefined : rename('x')
        expectError(await scim.request(method, '/Me', body), 501)
      }
      expect(
        (await send(`${scim.url()}/Me`, 'GET', undefined, { Authorization: undefined })).status,
      ).toBe(401)
    })

    test('[R7644-3.11-02] [R7644-3.11-03] /Me is the resource itself, at its permanent URI', async () => {
      const { user, ask } = await person()
      const mine = await ask('GET', '/Me')
      expect(mine.status).toBe(200)
      expect(mine.body).toEqual(user)
      const location = `${scim.url()}/Users/${user.id}`
      expect(mine.headers.get('location')).toBe(location)
      expect(mine.headers.get('content-location')).toBe(location)
      expect(mine.body.meta.location).toBe(location)
    })

    test('[R7644-3.11-04] GET, PUT, PATCH and DELETE are those of the resource', async () => {
      const { user, ask } = await person()
      const patched = await ask('PATCH', '/Me', rename('Patched'))
      expect(patched.status).toBe(200)
      expect(patched.headers.get('location')).toBe(`${scim.url()}/Users/${user.id}`)
      expect((await scim.get(`/Users/${user.id}`)).body.displayName).toBe('Patched')

      const stale = await ask('PATCH', '/Me', rename('Stale'), { 'If-Match': 'W/"1"' })
      expectError(stale, 412)
      const tag = patched.headers.get('etag') ?? ''
      const bare = '/Me?excludedAttributes=groups'
      const known = await ask('GET', bare, undefined, { 'If-None-Match': tag })
      expect([known.status, known.headers.get('location')]).toEqual([304, user.meta.location])

      const { userName } = user
      const put = await ask('PUT', '/Me', { schemas: [USER], userName, displayName: 'Put' })
      expect(put.status).toBe(200)
      expect((await scim.get(`/Users/${user.id}`)).body.displayName).toBe('Put')

      const gone = await ask('DELETE', '/Me')
      expect([gone.status, gone.headers.get('location')]).toEqual([204, user.meta.location])
      expect((await scim.get(`/Users/${user.id}`)).status).toBe(404)
      for (const reply of [await ask('GET', '/Me'), await ask('PATCH', '/Me', rename('Gone'))])
        expectGone(reply)
    })

    test('a user who is suspended can neither read nor activate itself', async () => {
      const { user, ask } = await person()
      const path = `/Users/${user.id}`
      await scim.patched(path, { op: 'replace', path: 'active', value: false })
      const Operations = [{ op: 'replace', path: 'active', value: true }]
      for (const own of ['/Me', path]) {
        expectError(await ask('GET', own), 403)
        expectError(await ask('PATCH', own, { schemas: [PATCH_OP], Operations }), 403)
      }
      expect((await scim.get(path)).body.active).toBe(false)
      await scim.patched(path, { op: 'replace', path: 'active', value: true })
      expect((await ask('GET', '/Me')).status).toBe(200)
    })

    test('who is suspended or deleted does not read on by a wider scope of the same credential', async () => {
      for (const scope of ['read', 'write', 'read me']) {
        const { user, ask } = await person(scope)
        const path = `/Users/${user.id}`
        const other = await scim.user()
        expect((await ask('GET', '/Users')).status).toBe(200)
        await scim.patched(path, { op: 'replace', path: 'active', value: false })
        for (const asked of ['/Me', '/Users', `/Users/${other.id}`])
          expectError(await ask('GET', asked), 403)
        await scim.patched(path, { op: 'replace', path: 'active', value: true })
        expect((await ask('GET', '/Users')).status).toBe(200)
        await scim.request('DELETE', path)
        for (const asked of ['/Me', '/Users', `/Users/${other.id}`, path, '/Schemas', '/Bulk'])
          expectGone(await ask('GET', asked))
        expectGone(await ask('DELETE', `/Users/${other.id}`))
        expectGone(await ask('POST', '/Users', { schemas: [USER], userName: scim.fresh('never') }))
        expect((await scim.get(`/Users/${other.id}`)).status).toBe(200)
      }
    })

    test('[R7644-3.11-05] nobody registers by POST to /Me', async () => {
      const before = await scim.total('/Users')
      for (const scope of ['me', 'write']) {
        const { ask } = await person(scope)
        expectError(await ask('POST', '/Me', { schemas: [USER], userName: 'me-too' }), 501)
      }
      expect(await scim.total('/Users')).toBe(before + 2)
    })

    test('[R7644-3.11-06] attributes and excludedAttributes are those of any GET', async () => {
      const { user, ask } = await person()
      const { id, schemas, userName } = user
      expect((await ask('GET', '/Me?attributes=userName')).body).toEqual({ schemas, id, userName })
      expect((await ask('GET', '/Me?excludedAttributes=meta')).body).not.toHaveProperty('meta')
    })

    test('the token of a user that never was is good for nothing, in every tenant and without a version too', async () => {
      const token = await tokenOf(scim.server(), { user: 'no-such-id', scope: 'me' })
      const Authorization = `Bearer ${token}`
      for (const url of [scim.url(), scim.url().replace('/v2', '')])
        expectGone(await send(`${url}/Me`, 'GET', undefined, { Authorization }))
      const other = await tokenOf(scim.server(), { user: 'x', scope: 'me', tenant: 'other' })
      const url = scim.url().replace('/scim/v2', '/t/other/scim/v2')
      const reply = await send(`${url}/Me`, 'GET', undefined, { Authorization: `Bearer ${other}` })
      expectGone(reply)
    })

    test('[R7644-2-04] the scope me reaches its own resource by either path, and nothing else', async () => {
      const { user, ask } = await person()
      const other = await scim.user({ displayName: 'Other' })
      const group = await scim.group({ members: [{ value: user.id }] })
      const own = `/Users/${user.id}`
      expect((await ask('GET', own)).status).toBe(200)
      expect((await ask('PATCH', own, rename('Own'))).status).toBe(200)
      const newUser = { schemas: [USER], userName: scim.fresh() }
      const refused: [string, string, unknown?][] = [
        ['GET', `/Users/${other.id}`],
        ['GET', `/Groups/${group.id}`],
        ['GET', '/Users'],
        ['GET', '/Users?filter=userName%20pr'],
        ['GET', ''],
        ['POST', '/.search', { schemas: [SEARCH] }],
        ['POST', '/Users/.search', { schemas: [SEARCH] }],
        ['POST', '/Users', newUser],
        ['POST', '/Groups', { schemas: [GROUP], displayName: 'x' }],
        ['PUT', `/Users/${other.id}`, newUser],
        ['PATCH', `/Users/${other.id}`, rename('Mine')],
        ['PATCH', `/Groups/${group.id}`, rename('Mine')],
        ['DELETE', `/Users/${other.id}`],
        ['DELETE', `/Users/no-such-id`],
        ['POST', `${own}/.verifyPassword`, { password: 'x' }],
      ]
      const before = await scim.total('/Users')
      for (const [method, path, body] of refused) {
        const reply = await ask(method, path, body)
        expectError(reply, 403)
        expect(reply.headers.get('www-authenticate')).toInclude('error="insufficient_scope"')
      }
      expect((await scim.get(`/Users/${other.id}`)).body).toEqual(other)
      expect(await scim.total('/Users')).toBe(before)
    })

    test('[R7644-2-06] scopes are what the token was given, alone or several', async () => {
      const { user, ask } = await person('read')
      expect((await ask('GET', '/Me')).body).toEqual(user)
      expect((await ask('GET', '/Users?count=1')).status).toBe(200)
      expectError(await ask('PATCH', '/Me', rename('x')), 403)
      const both = await person('read me')
      expect((await both.ask('PATCH', '/Me', rename('x'))).status).toBe(200)
      expect((await both.ask('GET', `/Users/${user.id}`)).status).toBe(200)
      expectError(await both.ask('PATCH', `/Users/${user.id}`, rename('x')), 403)
      for (const scope of ['', 'verify', 'unknown']) {
        const none = await person(scope)
        for (const path of ['/Users', `/Users/${user.id}`, '/Me']) {
          const reply = await none.ask('GET', path)
          expectError(reply, 403)
          expect(reply.headers.get('www-authenticate')).toInclude('error="insufficient_scope"')
        }
        expect((await none.ask('GET', '/ServiceProviderConfig')).status).toBe(200)
      }
    })

    test('[R7644-3.7-30] each operation of a bulk is allowed or refused as it would be alone', async () => {
      const { user, ask } = await person()
      const other = await scim.user({ displayName: 'Other' })
      const before = await scim.total('/Users')
      const data = { schemas: [USER], userName: scim.fresh() }
      const operations = [
        { method: 'PATCH', path: `/Users/${other.id}`, data: rename('Mine') },
        { method: 'PATCH', path: `/Users/${user.id}`, data: rename('Bulk') },
        { method: 'POST', path: '/Users', bulkId: 'a', data },
        { method: 'DELETE', path: `/Users/${other.id}` },
        { method: 'PUT', path: `/Users/${user.id}`, data: { ...data, displayName: 'Put' } },
        {
          method: 'POST',
          path: '/Groups',
          bulkId: 'b',
          data: { schemas: [GROUP], displayName: 'b', members: [{ value: 'bulkId:b' }] },
        },
      ]
      const reply = await ask('POST', '/Bulk', { schemas: [BULK], Operations: operations })
      expect(reply.status).toBe(200)
      const statuses = reply.body.Operations.map(({ status }: Body) => status)
      expect(statuses).toEqual(['403', '200', '403', '403', '200', '403'])
      for (const { status, response } of reply.body.Operations.filter((o: Body) => o.response))
        expect(response).toMatchObject({
          status,
          detail: expect.stringContaining('expected write'),
        })
      expect((await scim.get(`/Users/${other.id}`)).body).toEqual(other)
      expect((await scim.get(`/Users/${user.id}`)).body.displayName).toBe('Put')
      expect(await scim.total('/Users')).toBe(before)
    })
  })
}
