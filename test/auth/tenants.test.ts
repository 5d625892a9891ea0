/** Tenants share nothing: a credential of one opens nothing of another, nor shows that it is. */

import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import fc from 'fast-check'
import { printed } from '../cli/given.ts'
import {
  QUICKEST,
  type Reply,
  send,
  startTestServer,
  TARGETS,
  type TestServer,
  TOKEN,
} from '../harness.ts'

/** Processes start slowly on a machine that has much else to do. */
setDefaultTimeout(30_000)

interface Tenant {
  readonly name: string
  readonly url: string
  readonly token: string
}

const ADA = { userName: 'ada', externalId: 'e1' }

/** A server with the tenants acme and other beside the default one. */
async function startWithTenants(target: (typeof TARGETS)[number], config = {}) {
  const server = await startTestServer({ target, config })
  const tenants: Tenant[] = [{ name: 'default', url: server.url, token: TOKEN }]
  const place = { cwd: server.data }
  for (const name of ['acme', 'other']) {
    await printed(QUICKEST, ['tenant', 'create', name, '--data', server.data], place)
    const words = ['token', 'create', '--name', name, '--tenant', name, '--data', server.data]
    const token = (await printed(QUICKEST, words, place)).trim()
    tenants.push({ name, url: urlOf(server, name), token })
  }
  return { server, tenants }
}

const urlOf = ({ url }: TestServer, tenant: string): string =>
  url.replace('/scim/v2', `/t/${tenant}/scim/v2`)

const ask = (url: string, token: string, method = 'GET', path = '/Users', body?: unknown) =>
  send(`${url}${path}`, method, body, { Authorization: `Bearer ${token}` })

/** What can be told of an answer. */
const shown = ({ status, headers, text }: Reply) => ({
  status,
  text,
  headers: Object.fromEntries([...headers].filter(([name]) => name !== 'date')),
})

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

describe.each(TARGETS)('from %s', (target) => {
  test('a token opens the paths of its tenant alone, whatever is asked [R7644-6-01] [R7644-6-02]', async () => {
    const { server, tenants } = await startWithTenants(target)
    await using _ = server
    const ids: string[] = []
    for (const { url, token } of tenants) {
      ids.push((await ask(url, token, 'POST', '/Users', ADA)).body.id)
      ids.push((await ask(url, token, 'POST', '/Groups', { displayName: 'all' })).body.id)
    }
    const path = fc.oneof(
      fc.constantFrom('', '/.search', '/Bulk', '/Me', '/Users?filter=userName pr'),
      fc.constantFrom('/Users', '/Groups', '/Users/.search', '/Groups/.search'),
      fc.constantFrom('/Schemas', '/ResourceTypes', '/ServiceProviderConfig'),
      fc.constantFrom('/Schemas/urn:x', '/ResourceTypes/User'),
      fc
        .tuple(
          fc.constantFrom('/Users', '/Groups'),
          fc.constantFrom(...ids, 'nobody'),
          fc.constantFrom('', '/.verifyPassword'),
        )
        .map(([endpoint, id, rest]) => `${endpoint}/${id}${rest}`),
    )
    const asked = fc.record({
      method: fc.constantFrom(...METHODS),
      path,
      from: fc.constantFrom(...tenants),
      to: fc.constantFrom(...tenants),
      // Without a version, the newest one is meant.
      isVersioned: fc.boolean(),
    })
    const body = JSON.stringify({ userName: 'eve', displayName: 'eve' })
    await fc.assert(
      fc.asyncProperty(asked, async ({ method, path, from, to, isVersioned }) => {
        fc.pre(from !== to)
        const isBare = ['GET', 'HEAD', 'OPTIONS', 'DELETE'].includes(method)
        const url = isVersioned ? to.url : to.url.replace(/\/v2$/, '')
        const reply = await ask(url, from.token, method, path, isBare ? undefined : body)
        expect(reply.status).toBe(401)
        expect(reply.headers.get('www-authenticate')).toContain('error="invalid_token"')
        const wrong = await ask(url, `${from.token}x`, method, path, isBare ? undefined : body)
        expect(shown(reply)).toEqual(shown(wrong))
      }),
      { numRuns: 300 },
    )
    for (const { url, token } of tenants) {
      const { body } = await ask(url, token)
      expect(body.totalResults).toBe(1)
      expect(body.Resources[0]).toMatchObject(ADA)
    }
  })

  test('an unknown tenant answers like a wrong token, and /t/default is not served [R7644-6-01]', async () => {
    const { server, tenants } = await startWithTenants(target)
    await using _ = server
    const wrong = shown(await ask(urlOf(server, 'acme'), 'wrong'))
    expect(wrong.status).toBe(401)
    const names = ['nobody', 'default', 'Acme', 'acme%20', '%ff', '..', '-', 'a'.repeat(64)]
    for (const name of [...names, 'a'.repeat(6000)]) {
      for (const { token } of [...tenants, { token: 'wrong' }]) {
        // A client resolves dots before it sends anything.
        if (name === '..') continue
        const reply = shown(await ask(urlOf(server, name), token))
        expect([name.slice(0, 70), reply]).toEqual([name.slice(0, 70), wrong])
      }
    }
    const none = { Authorization: undefined }
    const known = shown(await send(`${urlOf(server, 'acme')}/Users`, 'GET', undefined, none))
    const unknown = shown(await send(`${urlOf(server, 'nobody')}/Users`, 'GET', undefined, none))
    const unserved = shown(await send(`${urlOf(server, 'default')}/Users`, 'GET', undefined, none))
    expect([unknown, unserved]).toEqual([known, known])
  })

  test('nobody learns from discovery which tenants there are [R7644-4-13] [R7643-5-03]', async () => {
    const own = { resourceTypes: ['User'], mode: 'profile' }
    const { server } = await startWithTenants(target, { tenants: { acme: own, nobody: own } })
    await using _ = server
    const none = { Authorization: undefined }
    const paths = ['/Schemas', '/Schemas/urn:x', '/ResourceTypes', '/ResourceTypes/Group']
    for (const path of [...paths, '/ServiceProviderConfig', '/Schemas?filter=id pr']) {
      const at = async (tenant: string) =>
        shown(await send(`${urlOf(server, tenant)}${path}`, 'GET', undefined, none))
      const known = await at('acme')
      expect(known.status).toBe(401)
      expect(known.headers['www-authenticate']).toContain('Bearer')
      for (const tenant of ['other', 'nobody', 'default', 'nowhere'])
        expect([path, tenant, await at(tenant)]).toEqual([path, tenant, known])
    }
    const open = await send(`${server.url}/ServiceProviderConfig`, 'GET', undefined, none)
    expect(open.status).toBe(200)
  })

  test('each tenant has its own view and its own rules [R7644-4-13] [R7643-5-04] [PROF-01]', async () => {
    const acme = { resourceTypes: ['User'], mode: 'profile', passwords: 'refuse' }
    const { server, tenants } = await startWithTenants(target, { tenants: { acme } })
    await using _ = server
    for (const { name, url, token } of tenants) {
      const isOwn = name === 'acme'
      const { Resources } = (await ask(url, token, 'GET', '/ResourceTypes')).body
      expect(Resources.map(({ id }: { id: string }) => id)).toEqual(
        isOwn ? ['User'] : ['User', 'Group'],
      )
      const config = (await ask(url, token, 'GET', '/ServiceProviderConfig')).body
      expect(config.interopProfileConformant).toBe(isOwn ? true : undefined)
      expect(config.changePassword.supported).toBe(!isOwn)
      expect(config.meta.location).toBe(`${url}/ServiceProviderConfig`)
      const group = await ask(url, token, 'POST', '/Groups', { displayName: 'g' })
      expect(group.status).toBe(isOwn ? 404 : 201)
      const schemas = ['urn:ietf:params:scim:schemas:core:2.0:User']
      const user = { schemas, userName: 'eve', password: 'correct horse', more: 1 }
      expect((await ask(url, token, 'POST', '/Users', user)).status).toBe(isOwn ? 400 : 201)
    }
  })

  test('the same names in two tenants are different users [R7644-6-03] [R7643-3.1-11]', async () => {
    const { server, tenants } = await startWithTenants(target)
    await using _ = server
    const ids = new Set<string>()
    for (const { url, token } of tenants) {
      const made = await ask(url, token, 'POST', '/Users', ADA)
      expect(made.status).toBe(201)
      expect(made.body.meta.location).toBe(`${url}/Users/${made.body.id}`)
      ids.add(made.body.id)
      expect((await ask(url, token, 'POST', '/Users', ADA)).status).toBe(409)
    }
    expect(ids.size).toBe(tenants.length)
    const [, acme, other] = tenants
    if (!acme || !other) throw new Error('there are three tenants')
    await ask(acme.url, acme.token, 'POST', '/Users', { userName: 'bob', externalId: 'e2' })
    const seen = await ask(other.url, other.token, 'GET', '/Users?filter=externalId eq "e2"')
    expect(seen.body.totalResults).toBe(0)
  })

  test('a resource of one tenant is not there for another [R7643-9-02] [R7644-6-02]', async () => {
    const { server, tenants } = await startWithTenants(target)
    await using _ = server
    const [, acme, other] = tenants
    if (!acme || !other) throw new Error('there are three tenants')
    const { id } = (await ask(acme.url, acme.token, 'POST', '/Users', ADA)).body
    const patch = {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'replace', path: 'active', value: false }],
    }
    for (const [method, body] of [
      ['GET', undefined],
      ['PUT', ADA],
      ['PATCH', patch],
      ['DELETE', undefined],
    ] as const) {
      const path = `/Users/${id}`
      const reply = await ask(other.url, other.token, method, path, body)
      const nobody = await ask(other.url, other.token, method, '/Users/nobody', body)
      expect([method, reply.status]).toEqual([method, 404])
      expect(reply.text.replaceAll(id, 'nobody')).toBe(nobody.text)
    }
    const member = { displayName: 'g', members: [{ value: id }] }
    expect((await ask(other.url, other.token, 'POST', '/Groups', member)).status).toBe(400)
    expect((await ask(other.url, other.token)).body.totalResults).toBe(0)
    const kept = await ask(acme.url, acme.token, 'GET', `/Users/${id}`)
    expect(kept.body.meta.version).toBe('W/"1"')
  })
})
