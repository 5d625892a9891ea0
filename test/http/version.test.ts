/** The version of the protocol in a path: RFC 7644 section 3.13. */

import { describe, expect, test } from 'bun:test'
import { send, TARGETS } from '../harness.ts'
import { expectError, sharedServer, USER } from './given.ts'

for (const target of TARGETS) {
  describe(`versions (${target})`, () => {
    const scim = sharedServer({ target })
    const at = (path: string, method = 'GET', body?: object) =>
      send(`${new URL(scim.url()).origin}${path}`, method, body)

    test.each(['/scim/v1', '/scim/v9/Users', '/scim/v1/Nothing', '/t/acme/scim/v3/Users/x'])(
      '[R7644-3.13-02] [R7644-3.12-13] %s names a version that there is not',
      async (path) => {
        const reply = await at(path)
        expectError(reply, 400, 'invalidVers', /v\d/.exec(path)?.[0] ?? '', 'v2')
        expectError(await at(path, 'POST', {}), 400, 'invalidVers')
      },
    )

    test.each([
      '/v2/scim/Users',
      '/scim/vv2/Users',
      '/scim/v/Users',
      '/scim/v2/v1/Users',
      '/Users',
    ])('[R7644-3.13-04] there is nothing at %s', async (path) => {
      expectError(
        await at(path),
        404,
        undefined,
        path,
        'expected an endpoint such as /scim/v2/Users',
      )
    })

    test('[R7644-3.13-01] [R7644-3.13-03] without a version the newest one is served', async () => {
      const body = { schemas: [USER], userName: scim.fresh() }
      const made = await at('/scim/Users', 'POST', body)
      expect(made.status).toBe(201)
      const { id, meta } = made.body
      expect(meta.location).toBe(`${scim.url()}/Users/${id}`)
      expect(made.headers.get('location')).toBe(meta.location)
      expect((await at(`/scim/Users/${id}`)).body).toEqual((await scim.get(`/Users/${id}`)).body)
      const schemas = ['urn:ietf:params:scim:api:messages:2.0:PatchOp']
      const off = { schemas, Operations: [{ op: 'replace', path: 'active', value: false }] }
      expect((await at(`/scim/Users/${id}`, 'PATCH', off)).body.active).toBe(false)
      for (const path of ['', '/Users', '/Groups', '/Schemas', '/ServiceProviderConfig'])
        expect((await at(`/scim${path}`)).text, path).toBe((await scim.get(path)).text)
      expect((await at(`/scim/Users/${id}`, 'DELETE')).status).toBe(204)
      expectError(await scim.get(`/Users/${id}`), 404)
    })

    test('[R7644-2-02] an unversioned path wants a credential as well', async () => {
      const { origin } = new URL(scim.url())
      for (const path of ['/scim/Users', '/t/acme/scim/Users', '/t/acme/scim/Schemas']) {
        const none = await send(`${origin}${path}`, 'GET', undefined, { Authorization: undefined })
        expectError(none, 401)
      }
    })
  })
}
