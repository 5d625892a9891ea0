/** The token endpoint: RFC 6749 section 4.4, RFC 7523, RFC 8414, RFC 9068. */

import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose'
import {
  ACCESS_TOKEN_LIFETIME_S,
  ASSERTION_LIFETIME_S_MAX,
  ASSERTIONS_KEPT_MAX,
  CLIENT_SECRETS_MAX,
  FEDERATED_LIFETIME_S_MAX,
  FORM_BYTES_MAX,
  SIGNING_KEY_PERIOD_MS,
} from '../../src/scim/limits.ts'
import type { Client } from '../../src/store/control.ts'
import { openLmdbControl } from '../../src/store/lmdb-control.ts'
import { readRequestLog, requestsDirectory } from '../../src/store/request-log.ts'
import { printed, scimd, serving, temporary } from '../cli/given.ts'
import { send, startTestServer, TARGETS, type TestServer } from '../harness.ts'
import { temporaryDirectory } from '../store/given.ts'
import { type SigningKey, signingKey, startIssuer, unsigned } from './issuer.ts'

/** Processes start slowly on a machine that has much else to do. */
setDefaultTimeout(60_000)

type Target = (typeof TARGETS)[number]
type Form = Readonly<Record<string, string>>

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const GRANT = { grant_type: 'client_credentials' }

/** http://HOST:PORT, with the path of a tenant. */
const rootOf = ({ url }: TestServer, tenant = 'default'): string =>
  url.replace('/scim/v2', tenant === 'default' ? '' : `/t/${tenant}`)

/** Asks the token endpoint; every answer is JSON that nobody keeps. */
async function token(
  server: TestServer,
  form: Form | string,
  { tenant = 'default', headers = {} as Form } = {},
) {
  const body = typeof form === 'string' ? form : new URLSearchParams(form).toString()
  const type = { 'Content-Type': 'application/x-www-form-urlencoded' }
  const given = { Authorization: undefined, ...type, ...headers }
  const reply = await send(`${rootOf(server, tenant)}/oauth/token`, 'POST', body, given)
  expect(reply.headers.get('content-type')).toBe('application/json')
  expect(reply.headers.get('cache-control')).toBe('no-store')
  return reply
}

const users = (server: TestServer, token: string, tenant = 'default', path = '/Users') =>
  send(`${rootOf(server, tenant)}/scim/v2${path}`, 'GET', undefined, {
    Authorization: `Bearer ${token}`,
  })

const basic = (id: string, secret: string): Form => ({
  Authorization: `Basic ${btoa(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`)}`,
})

interface Made {
  readonly client_id: string
  readonly client_secret: string
}

async function makeClient(server: TestServer, target: Target, ...words: string[]): Promise<Made> {
  const all = ['client', 'create', '--name', 'idp', '--json', '--data', server.data, ...words]
  return JSON.parse(await printed(target, all, { cwd: server.data }))
}

const run = (server: TestServer, target: Target, ...words: string[]) =>
  printed(target, [...words, '--data', server.data], { cwd: server.data })

const secondsOf = (server: TestServer, target: Target): number =>
  Math.floor((target === 'source' ? server.now() : Date.now()) / 1000)

/** A client that signs its assertions itself, and a form with one. */
async function keyedClient(server: TestServer, target: Target, ...words: string[]) {
  const key = await signingKey('own')
  const file = join(server.data, 'client-keys.json')
  writeFileSync(file, JSON.stringify({ keys: [key.jwk] }))
  const { client_id: id } = await makeClient(server, target, '--jwks', file, ...words)
  const now = secondsOf(server, target)
  const plain = {
    iss: id,
    sub: id,
    aud: `${rootOf(server)}/oauth/token`,
    iat: now,
    exp: now + 300,
  }
  const form = async (claims: object = {}, by: SigningKey = key): Promise<Form> => ({
    ...GRANT,
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: await new SignJWT({ ...plain, jti: crypto.randomUUID(), ...claims })
      .setProtectedHeader({ alg: by.alg, kid: by.kid })
      .sign(by.privateKey),
  })
  return { id, form, plain, now }
}

for (const target of TARGETS) {
  describe(`the token endpoint (${target})`, () => {
    test('metadata says where it is and what it takes, for any name of a tenant [PROF-13]', async () => {
      await using server = await startTestServer({ target })
      await run(server, target, 'tenant', 'create', 'acme')
      const origin = rootOf(server)
      const get = (path: string, method = 'GET') =>
        send(`${origin}${path}`, method, undefined, { Authorization: undefined })
      const wellKnown = '/.well-known/oauth-authorization-server'
      const { body, headers } = await get(wellKnown)
      expect(headers.get('content-type')).toBe('application/json')
      expect(body).toMatchObject({
        issuer: origin,
        token_endpoint: `${origin}/oauth/token`,
        response_types_supported: [],
        grant_types_supported: ['client_credentials'],
        token_endpoint_auth_methods_supported: [
          'client_secret_basic',
          'client_secret_post',
          'private_key_jwt',
        ],
      })
      expect(body.scopes_supported).toContain('scim')
      expect(body.token_endpoint_auth_signing_alg_values_supported).toContain('RS256')
      expect(body.token_endpoint_auth_signing_alg_values_supported).not.toContain('none')
      for (const name of ['acme', 'nobody']) {
        const expected = JSON.stringify(body).replaceAll(origin, `${origin}/t/${name}`)
        expect((await get(`${wellKnown}/t/${name}`)).text).toBe(expected)
        expect((await get(`/t/${name}${wellKnown}`)).text).toBe(expected)
      }
      for (const name of ['default', 'ACME', '%ff'])
        expect((await get(`${wellKnown}/t/${name}`)).status).toBe(404)
      expect((await get(wellKnown, 'POST')).status).toBe(405)
      const wrong = await get('/oauth/token')
      expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST'])
    })

    test('a secret gets a short-lived token, in the header or in the body, as the configuration says [PROF-13] [R7643-5-02] [ENTRA-21]', async () => {
      await using server = await startTestServer({ target })
      const { client_id, client_secret } = await makeClient(server, target)
      const inHeader = await token(server, GRANT, { headers: basic(client_id, client_secret) })
      const inBody = await token(server, { ...GRANT, client_id, client_secret, scope: 'scim' })
      for (const { status, body } of [inHeader, inBody]) {
        expect([status, body]).toEqual([
          200,
          {
            access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
            token_type: 'Bearer',
            expires_in: ACCESS_TOKEN_LIFETIME_S,
            scope: 'scim',
          },
        ])
        expect(decodeProtectedHeader(body.access_token)).toMatchObject({ typ: 'at+jwt' })
        const claims = decodeJwt(body.access_token)
        expect(claims).toMatchObject({ iss: rootOf(server), aud: server.url, sub: client_id })
        expect(body.access_token).not.toInclude(client_secret)
        expect((await users(server, body.access_token)).status).toBe(200)
      }
      const { authenticationSchemes } = (await server.request('GET', '/ServiceProviderConfig')).body
      const types = authenticationSchemes.map(({ type }: { type: string }) => type)
      expect(types).toEqual(['oauthbearertoken', 'oauth2'])
      const made = await send(
        `${server.url}/Users`,
        'POST',
        { userName: 'ada' },
        {
          Authorization: `Bearer ${inBody.body.access_token}`,
        },
      )
      expect(made.status).toBe(201)
      expect(await run(server, target, 'client', 'list')).toMatch(/idp +default +scim +a secret/)
      // A secret is for the token endpoint alone.
      expect((await users(server, client_secret)).status).toBe(401)
      expect((await server.journal()).map(({ actor }) => actor)).toEqual(['idp'])
    })

    test('what is wrong with a request is told by its code, and gets nothing', async () => {
      await using server = await startTestServer({ target })
      const { client_id, client_secret } = await makeClient(server, target, '--scope', 'read')
      const right = { client_id, client_secret }
      const headers = basic(client_id, client_secret)
      const oddSecret = `${client_secret.slice(0, -1)}${client_secret.endsWith('A') ? 'B' : 'A'}`
      for (const [code, form, given] of [
        ['invalid_request', right],
        ['invalid_request', { ...right, grant_type: '' }],
        ['unsupported_grant_type', { ...right, grant_type: 'password' }],
        ['unsupported_grant_type', { ...right, grant_type: 'authorization_code' }],
        ['invalid_client', GRANT],
        ['invalid_client', { ...GRANT, client_id }],
        ['invalid_client', { ...GRANT, client_id, client_secret: oddSecret }],
        ['invalid_client', { ...GRANT, client_id, client_secret: `${client_secret}x` }],
        ['invalid_client', { ...GRANT, client_id: 'nobody', client_secret }],
        ['invalid_client', { ...GRANT, client_id: 'x'.repeat(9000), client_secret }],
        ['invalid_client', { ...GRANT, client_id: '', client_secret }],
        ['invalid_client', GRANT, basic(client_id, oddSecret)],
        ['invalid_client', GRANT, basic('nobody', client_secret)],
        ['invalid_client', GRANT, { Authorization: 'Basic !' }],
        ['invalid_client', { ...GRANT, client_id }, { Authorization: 'Basic !' }],
        ['invalid_client', GRANT, { Authorization: `Basic ${btoa('a:%ff')}` }],
        ['invalid_client', GRANT, { Authorization: `Bearer ${client_secret}` }],
        ['invalid_request', { ...GRANT, client_secret }, headers],
        ['invalid_request', { ...GRANT, client_id: 'another' }, headers],
        ['invalid_request', `grant_type=client_credentials&grant_type=client_credentials`, headers],
        ['invalid_request', GRANT, { ...headers, 'Content-Type': 'application/json' }],
        ['invalid_request', 'grant_type=client_credentials&x=%E9', headers],
        ['invalid_request', 'grant_type=client_credentials&%', headers],
        ['invalid_request', { ...GRANT, x: 'x'.repeat(FORM_BYTES_MAX) }, headers],
        ['invalid_scope', { ...GRANT, scope: 'write' }, headers],
        ['invalid_scope', { ...GRANT, scope: 'read scim' }, headers],
        ['invalid_scope', { ...GRANT, scope: 'unknown' }, headers],
        ['invalid_request', { ...GRANT, client_assertion: 'a.b.c' }],
      ] as const) {
        const reply = await token(server, form, { headers: given ?? {} })
        expect([form, reply.body.error]).toEqual([form, code])
        const isBig = JSON.stringify(form).length > FORM_BYTES_MAX
        expect(reply.status).toBe(isBig ? 413 : code === 'invalid_client' ? 401 : 400)
        if (reply.status === 401)
          expect(reply.headers.get('www-authenticate')).toBe('Basic realm="scimd"')
        expect(reply.text).not.toInclude('access_token')
        expect(reply.text).not.toInclude(client_secret)
      }
      const padding = 'x'.repeat(FORM_BYTES_MAX - 'grant_type=client_credentials&x='.length)
      const atLimit = await token(server, { ...GRANT, x: padding }, { headers })
      expect(atLimit.body.scope).toBe('read')
      const narrowed = await token(server, { ...GRANT, scope: 'read users' }, { headers })
      expect(narrowed.body.scope).toBe('read users')
      const { access_token } = narrowed.body
      expect((await users(server, access_token)).status).toBe(200)
      expect((await users(server, access_token, 'default', '/Groups')).status).toBe(403)
    })

    test('a client signs in with its own key, and no assertion counts twice [PROF-13]', async () => {
      await using server = await startTestServer({ target })
      const { id, form, plain, now } = await keyedClient(server, target)
      const first = await form()
      const reply = await token(server, { ...first, scope: 'scim' })
      expect(reply.status, reply.text).toBe(200)
      expect((await users(server, reply.body.access_token)).status).toBe(200)
      const again = await token(server, first)
      expect([again.status, again.body.error]).toEqual([401, 'invalid_client'])
      expect(again.body.error_description).toInclude('used before')
      for (const claims of [
        { aud: rootOf(server) },
        { aud: [plain.aud, 'x'] },
        { jti: undefined },
        { iat: undefined },
        { exp: now + ASSERTION_LIFETIME_S_MAX },
      ]) {
        const other = await form(claims)
        expect([claims, (await token(server, { ...other, client_id: id })).status]).toEqual([
          claims,
          200,
        ])
        expect((await token(server, other)).status).toBe(401)
      }
      const stranger = await signingKey('own')
      const none = unsigned({ alg: 'none' }, plain)
      for (const [mention, wrong] of [
        ['expired', await form({ exp: now - 120 })],
        ['longer', await form({ exp: now + ASSERTION_LIFETIME_S_MAX + 600 })],
        ['expired', await form({ iat: now - ASSERTION_LIFETIME_S_MAX - 120 })],
        ['not valid yet', await form({ iat: now + 600 })],
        ['not valid yet', await form({ nbf: now + 600 })],
        ['audience', await form({ aud: server.url })],
        ['audience', await form({ aud: `${rootOf(server, 'acme')}/oauth/token` })],
        ['audience', await form({ aud: undefined })],
        ['claim', await form({ exp: undefined })],
        ['issuer', await form({ iss: 'another' })],
        ['claim', { ...(await form({ sub: 'another' })), client_id: id }],
        ['not known', await form({ sub: 'another' })],
        ['not known', { ...(await form()), client_id: 'another' }],
        ['signature', await form({}, stranger)],
        ['key', await form({}, { ...stranger, kid: 'another' })],
        ['not signed', { ...(await form()), client_assertion: none }],
        ['not known', { ...(await form()), client_assertion: 'a.b.c' }],
        ['expected urn', { ...(await form()), client_assertion_type: 'x' }],
      ] as const) {
        const refused = await token(server, wrong)
        expect(refused.status).toBeOneOf([400, 401])
        expect(refused.body.error_description).toInclude(mention)
      }
      // What signs the client in is no access token.
      expect((await users(server, (await form())['client_assertion'] ?? '')).status).toBe(401)
    })

    test("tokens of an identity provider stand for a client, as Entra ID's do [PROF-13]", async () => {
      await using idp = await startIssuer('RS256')
      await using server = await startTestServer({ target })
      const audience = 'api://b5ba7a93,b5ba7a93'
      const { client_id } = await makeClient(
        server,
        target,
        ...['--issuer', idp.issuer, '--subject', 'sync', '--audience', audience],
      )
      const now = secondsOf(server, target)
      const claims = { aud: 'api://b5ba7a93', sub: 'sync', iat: now, nbf: now, exp: now + 3900 }
      const form = async (other: object = {}, key?: SigningKey): Promise<Form> => ({
        ...GRANT,
        client_id,
        client_assertion_type: ASSERTION_TYPE,
        client_assertion: await idp.sign({ ...claims, ...other }, {}, key),
        scope: 'scim',
      })
      const assertion = await form()
      // Whoever keeps a token of its issuer sends it again until it ends.
      for (const one of [assertion, assertion, await form({ aud: 'b5ba7a93' })]) {
        const reply = await token(server, one)
        expect(reply.status, reply.text).toBe(200)
        expect((await users(server, reply.body.access_token)).status).toBe(200)
      }
      for (const [mention, wrong] of [
        ['claim', await form({ sub: 'another' })],
        ['audience', await form({ aud: 'api://another' })],
        ['issuer', await form({ iss: 'https://another.example' })],
        ['expired', await form({ exp: now - 120 })],
        ['longer', await form({ exp: now + FEDERATED_LIFETIME_S_MAX + 600 })],
        ['signature', await form({}, await signingKey('key-0', 'RS256'))],
        ['not known', { ...(await form()), client_id: '' }],
      ] as const) {
        const reply = await token(server, wrong)
        expect([mention, reply.status]).toEqual([mention, 401])
        expect(reply.body.error_description).toInclude(mention)
      }
      idp.keys = [await signingKey('rotated', 'RS256')]
      expect((await token(server, await form())).status).toBe(200)
      expect((await users(server, assertion['client_assertion'] ?? '')).status).toBe(401)
    })

    test('an issuer of assertions that cannot be reached is 503, and not the fault of the client', async () => {
      await using idp = await startIssuer()
      await using server = await startTestServer({ target })
      idp.fault = () => new Response('', { status: 500 })
      const words = ['--issuer', idp.issuer, '--subject', 's', '--audience', 'a']
      const { client_id } = await makeClient(server, target, ...words)
      const exp = secondsOf(server, target) + 60
      const reply = await token(server, {
        ...GRANT,
        client_id,
        client_assertion_type: ASSERTION_TYPE,
        client_assertion: await idp.sign({ sub: 's', aud: 'a', exp }),
      })
      expect([reply.status, reply.body.error]).toEqual([503, 'temporarily_unavailable'])
      expect(reply.headers.get('retry-after')).toBe('30')
    })

    test('requests for tokens are in the log of their tenant, without what they prove it with', async () => {
      await using server = await startTestServer({ target })
      await run(server, target, 'tenant', 'create', 'acme')
      const { client_id, client_secret } = await makeClient(server, target)
      const { id, form } = await keyedClient(server, target)
      const good = basic(client_id, client_secret)
      const wrong = `scimd_abcdefghijkl_${'S'.repeat(43)}`
      const secret = { ...GRANT, client_id, client_secret: wrong }
      const assertion: Form = { ...(await form({ aud: 'x' })), client_id: '' }
      await token(server, GRANT, { headers: good })
      await token(server, { ...GRANT, scope: 'nope' }, { headers: good })
      await token(server, secret)
      await token(server, { ...GRANT, client_id: wrong, client_secret: wrong })
      await token(server, assertion)
      await token(server, secret, { tenant: 'acme' })
      await token(server, secret, { tenant: 'nobody' })
      await send(`${rootOf(server)}/oauth/token?client_secret=${wrong}`, 'POST', '', {
        Authorization: undefined,
      })
      await server.stop()
      const logged = async (tenant: string) => {
        const directory = requestsDirectory(join(server.data, 'tenants'), tenant)
        const records: string[] = []
        for await (const { status, credential, error, ...rest } of readRequestLog(directory, 0)) {
          const { name = '?', prefix = '' } = (credential ?? {}) as Record<string, string>
          const { detail = '' } = (error ?? {}) as Record<string, string>
          records.push(`${status} ${name} ${prefix} ${detail.split(':', 1)}`.trimEnd())
          expect(rest['path']).toMatch(/\/oauth\/token(?:\?client_secret=|$)/)
          for (const text of [client_secret, wrong, assertion['client_assertion'] ?? ''])
            expect(JSON.stringify(rest)).not.toInclude(text)
        }
        return records
      }
      expect(await logged('default')).toEqual([
        `200 idp ${client_id}`,
        `400 ? ${client_id} invalid_scope`,
        `401 ? ${client_id} invalid_client`,
        '401 ?  invalid_client',
        `401 ? ${id} invalid_client`,
        '400 ?  invalid_request',
      ])
      expect(await logged('acme')).toEqual([`401 ? ${client_id} invalid_client`])
      expect(existsSync(requestsDirectory(join(server.data, 'tenants'), 'nobody'))).toBe(false)
    })

    test('secrets are changed without a gap, and what is revoked ends at once', async () => {
      await using server = await startTestServer({ target })
      const { client_id, client_secret } = await makeClient(server, target)
      const added = JSON.parse(
        await run(server, target, 'client', 'secret', 'add', client_id, '--json'),
      )
      const tokens: string[] = []
      for (const secret of [client_secret, added.client_secret]) {
        const { body } = await token(server, GRANT, { headers: basic(client_id, secret) })
        tokens.push(body.access_token)
      }
      const statuses = async () =>
        Promise.all(tokens.map(async (one) => (await users(server, one)).status))
      expect(await statuses()).toEqual([200, 200])
      const prefix = client_secret.split('_')[1] ?? ''
      await run(server, target, 'client', 'revoke', client_id, '--secret', prefix)
      expect(await statuses()).toEqual([401, 200])
      const old = await token(server, GRANT, { headers: basic(client_id, client_secret) })
      expect(old.body.error).toBe('invalid_client')
      await run(server, target, 'client', 'revoke', client_id)
      expect(await statuses()).toEqual([401, 401])
      const refused = await users(server, tokens[1] ?? '')
      expect(refused.headers.get('www-authenticate')).toInclude('revoked')
      const gone = await token(server, GRANT, { headers: basic(client_id, added.client_secret) })
      expect([gone.status, gone.body.error]).toEqual([401, 'invalid_client'])
    })

    test('no credential of a tenant is good for another, at any endpoint [R7644-6-01] [R7644-6-02]', async () => {
      await using server = await startTestServer({ target })
      const names = ['default', 'acme', 'other'] as const
      const clients = new Map<string, { made: Made; token: string }>()
      for (const name of names) {
        if (name !== 'default') await run(server, target, 'tenant', 'create', name)
        const made = await makeClient(server, target, '--tenant', name)
        const headers = basic(made.client_id, made.client_secret)
        const { body } = await token(server, GRANT, { tenant: name, headers })
        clients.set(name, { made, token: body.access_token })
      }
      const foreign = async (tenant: string, path: string, method: string, bearer: string) => {
        const body = ['POST', 'PUT', 'PATCH'].includes(method) ? { userName: 'eve' } : undefined
        const url = `${rootOf(server, tenant)}/scim/v2${path}`
        const reply = await send(url, method, body, { Authorization: `Bearer ${bearer}` })
        return [reply.status, reply.text, reply.headers.get('www-authenticate')]
      }
      for (const [owner, { made, token: bearer }] of clients) {
        for (const tenant of [...names, 'nobody']) {
          if (tenant === owner) continue
          for (const path of [
            '',
            '/Users',
            '/Users/x',
            '/Users/.search',
            '/Users/x/.verifyPassword',
            '/Groups',
            '/Groups/x',
            '/.search',
            '/Me',
            '/Bulk',
            '/Schemas',
            '/ResourceTypes',
            '/ServiceProviderConfig',
          ])
            for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
              const answer = await foreign(tenant, path, method, bearer)
              expect([owner, tenant, path, method, answer[0]]).toEqual([
                ...[owner, tenant, path, method],
                401,
              ])
              expect(answer).toEqual(await foreign('nobody', path, method, bearer))
            }
          const headers = basic(made.client_id, made.client_secret)
          const refused = await token(server, GRANT, { tenant, headers })
          const wrong = await token(server, GRANT, { tenant, headers: basic('nobody', 'x') })
          expect([refused.status, refused.text]).toEqual([401, wrong.text])
        }
        expect((await users(server, bearer, owner)).body.totalResults).toBe(0)
      }
      const { id, form } = await keyedClient(server, target, '--tenant', 'acme')
      const aud = `${rootOf(server, 'acme')}/oauth/token`
      for (const tenant of ['default', 'other', 'nobody']) {
        const reply = await token(server, { ...(await form({ aud })), client_id: id }, { tenant })
        expect([tenant, reply.status]).toEqual([tenant, 401])
        expect(reply.body.error_description).toInclude('not known')
      }
      expect((await token(server, await form({ aud }), { tenant: 'acme' })).status).toBe(200)
    })

    test('a suspended tenant answers its clients and their tokens as one that is not there', async () => {
      await using server = await startTestServer({ target })
      await run(server, target, 'tenant', 'create', 'acme')
      const made = await makeClient(server, target, '--tenant', 'acme', '--scope', 'read')
      const headers = basic(made.client_id, made.client_secret)
      const forms = [GRANT, { ...GRANT, scope: 'write' }, { ...GRANT, scope: 'unknown' }, {}]
      const at = async (tenant: string) => {
        const all = []
        for (const form of forms) {
          const { status, text } = await token(server, form, { tenant, headers })
          all.push([status, text])
        }
        return all
      }
      const { access_token } = (await token(server, GRANT, { tenant: 'acme', headers })).body
      expect((await users(server, access_token, 'acme')).status).toBe(200)
      await run(server, target, 'tenant', 'suspend', 'acme')
      const nowhere = await at('nobody')
      expect(nowhere.map(([status]) => status)).toEqual([401, 401, 401, 400])
      expect(await at('acme')).toEqual(nowhere)
      const refused = await users(server, access_token, 'nobody')
      expect(refused.status).toBe(401)
      const suspended = await users(server, access_token, 'acme')
      expect([suspended.status, suspended.text]).toEqual([401, refused.text])
      expect(suspended.headers.get('www-authenticate')).toBe(
        refused.headers.get('www-authenticate') ?? '',
      )
    })

    test('failed sign-ins are limited, and good ones go through all the same', async () => {
      await using server = await startTestServer({ target, flags: { rateLimit: '1000' } })
      const { client_id, client_secret } = await makeClient(server, target)
      const replies = await Promise.all(
        Array.from({ length: 300 }, () => token(server, GRANT, { headers: basic('nobody', 'x') })),
      )
      const limited = replies.filter(({ status }) => status === 429)
      expect(limited.length).toBeGreaterThan(0)
      expect(replies.filter(({ status }) => status === 401).length).toBeGreaterThanOrEqual(100)
      expect(limited[0]?.headers.get('retry-after')).toMatch(/^\d+$/)
      expect(limited[0]?.body.error).toBe('slow_down')
      const good = await token(server, GRANT, { headers: basic(client_id, client_secret) })
      expect(good.status).toBe(200)
    })
  })
}

test('a token ends after its lifetime, and its key may change meanwhile', async () => {
  await using server = await startTestServer({ keep: true })
  const { client_id, client_secret } = await makeClient(server, 'source')
  const get = async () => {
    const { body } = await token(server, GRANT, { headers: basic(client_id, client_secret) })
    return body.access_token as string
  }
  const untilChange = SIGNING_KEY_PERIOD_MS - (server.now() % SIGNING_KEY_PERIOD_MS)
  server.passTime(untilChange - 1000)
  const old = await get()
  server.passTime(2000)
  const young = await get()
  const kidOf = (one: string) => Number(decodeProtectedHeader(one).kid)
  expect(kidOf(young)).toBe(kidOf(old) + 1)
  expect([(await users(server, old)).status, (await users(server, young)).status]).toEqual([
    200, 200,
  ])
  server.passTime(ACCESS_TOKEN_LIFETIME_S * 1000 - 2000)
  const refused = await users(server, old)
  expect(refused.headers.get('www-authenticate')).toInclude('expired')
  expect((await users(server, young)).status).toBe(200)
  server.passTime(2000)
  expect((await users(server, young)).status).toBe(401)
})

test('a token is good after a restart, and an assertion stays used', async () => {
  const first = await startTestServer({ keep: true, flags: { baseUrl: 'https://a.b/scim/v2' } })
  const { client_id, client_secret } = await makeClient(first, 'source')
  const { form } = await keyedClient(first, 'source')
  const used = await form({ aud: 'https://a.b' })
  expect((await token(first, used)).status).toBe(200)
  const { body } = await token(first, GRANT, { headers: basic(client_id, client_secret) })
  expect(decodeJwt(body.access_token).iss).toBe('https://a.b')
  await first.stop()
  const flags = { baseUrl: 'https://a.b/scim/v2' }
  await using second = await startTestServer({ data: first.data, flags })
  expect((await users(second, body.access_token)).status).toBe(200)
  expect((await token(second, used)).body.error_description).toInclude('used before')
  // The token of another server is as good as none, though it names the same issuer.
  await using stranger = await startTestServer({ flags })
  const refused = await users(stranger, body.access_token)
  expect(refused.headers.get('www-authenticate')).toInclude('signature')
})

test('what was used is remembered until it ends, and so much of it at most', async () => {
  using directory = temporaryDirectory()
  const control = openLmdbControl(directory.file)
  expect(await control.useOnce('a', 2000, 1000)).toBe(true)
  expect(await control.useOnce('a', 2000, 1999)).toBe(false)
  expect(await control.useOnce('a', 3000, 2001)).toBe(true)
  const marks = Array.from({ length: ASSERTIONS_KEPT_MAX - 1 }, (_, index) => `mark-${index}`)
  const taken = await Promise.all(marks.map((mark) => control.useOnce(mark, 5000, 2500)))
  expect(taken.every((one) => one === true)).toBe(true)
  expect(await control.useOnce('one more', 5000, 2500)).toBeUndefined()
  expect(await control.useOnce('mark-7', 5000, 2500)).toBe(false)
  expect(await control.useOnce('one more', 9000, 5001)).toBe(true)
  await control.close()
})

test('a client has so many secrets at most, and none of them is kept', async () => {
  await using server = await startTestServer()
  const made = await makeClient(server, 'source')
  const place = { cwd: server.data }
  const words = ['client', 'secret', 'add', made.client_id, '--data', server.data]
  for (let n = 1; n < CLIENT_SECRETS_MAX; n++) await printed('source', words, place)
  const refused = await scimd('source', words, place)
  expect([refused.status, refused.out]).toEqual([1, ''])
  expect(refused.err).toInclude(`has ${CLIENT_SECRETS_MAX} secrets`)
  const control = openLmdbControl(join(server.data, 'control.mdb'))
  const kept = control.client(made.client_id) as Client
  expect(kept.secrets).toHaveLength(CLIENT_SECRETS_MAX)
  expect(JSON.stringify(kept)).not.toInclude(made.client_secret.slice(-20))
  await control.close()
})

test('a first start makes no token where a client or an issuer lets somebody in', async () => {
  const issuers = [{ issuer: 'https://idp.example', audience: 'a' }]
  for (const prepare of [
    (cwd: string) => printed('source', ['client', 'create', '--name', 'idp'], { cwd }),
    async (cwd: string) => {
      mkdirSync(join(cwd, 'data'), { mode: 0o700 })
      const config = JSON.stringify({ tenants: { default: { issuers } } })
      writeFileSync(join(cwd, 'data/scimd.json'), config)
    },
  ]) {
    using place = temporary()
    await prepare(place.cwd)
    await using server = await serving('source', place)
    await server.end()
    expect(server.errors()).not.toInclude('first token')
    expect(existsSync(join(place.cwd, 'data/first-token'))).toBe(false)
    expect(await printed('source', ['token', 'list', '--json'], place)).toBe('[]\n')
  }
})
