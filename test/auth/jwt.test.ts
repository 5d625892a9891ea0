/** JWTs of a tenant's issuers as bearer tokens: RFC 6750, RFC 7519, RFC 8725. */

import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { createHmac, createPublicKey } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { accessTokens } from '../../src/auth/access-token.ts'
import { jwtCheck } from '../../src/auth/jwt.ts'
import { readConfig } from '../../src/config.ts'
import {
  ID_LENGTH_MAX,
  JWKS_BYTES_MAX,
  JWKS_FRESH_MS,
  JWKS_STALE_MS,
  JWTS_CHECKED_MAX,
  SIGN_INS_PER_SECOND,
} from '../../src/scim/limits.ts'
import { openLmdbControl } from '../../src/store/lmdb-control.ts'
import { makeCertificate } from '../certificates.ts'
import { printed, serving, temporary } from '../cli/given.ts'
import {
  QUICKEST,
  type Reply,
  send,
  startTestServer,
  TARGETS,
  type TestServer,
  TOKEN,
} from '../harness.ts'
import { signingKey, startIssuer, unsigned } from './issuer.ts'

/** Processes start slowly on a machine that has much else to do. */
setDefaultTimeout(30_000)

type Target = (typeof TARGETS)[number]

const AUDIENCE = 'https://scim.example.com'

/** A server whose tenants trust issuers, with the tenants made. */
async function started(target: Target, tenants: Record<string, object>): Promise<TestServer> {
  const settings = Object.entries(tenants).map(([name, issuers]) => [name, { issuers }])
  const config = { tenants: Object.fromEntries(settings) }
  const server = await startTestServer({ target, config })
  const control = openLmdbControl(join(server.data, 'control.mdb'))
  for (const name of Object.keys(tenants))
    if (name !== 'default') await control.addTenant({ name, created: 0 })
  await control.close()
  return server
}

const urlOf = ({ url }: TestServer, tenant: string): string =>
  tenant === 'default' ? url : url.replace('/scim/v2', `/t/${tenant}/scim/v2`)

const ask = (
  server: TestServer,
  token: string,
  { tenant = 'default', method = 'GET', path = '/Users', body = undefined as unknown } = {},
) => send(`${urlOf(server, tenant)}${path}`, method, body, { Authorization: `Bearer ${token}` })

const secondsOf = (server: TestServer, target: Target): number =>
  Math.floor((target === 'source' ? server.now() : Date.now()) / 1000)

/** A refusal of this class, in the form of RFC 6750 section 3. */
function expectRefused(reply: Reply, mention: string): void {
  expect(reply.status, reply.text).toBe(401)
  const challenge = reply.headers.get('www-authenticate') ?? ''
  expect(challenge).toStartWith('Bearer realm="scimd", error="invalid_token", error_description="')
  expect(challenge).toInclude(mention)
  expect(reply.body.status).toBe('401')
}

for (const target of TARGETS) {
  describe(`JWTs of issuers (${target})`, () => {
    test('a token of a trusted issuer is good for what its scope says, and named in the journal [R7644-2-04] [R7644-2-06]', async () => {
      await using idp = await startIssuer('ES256', 'RS256', 'PS256', 'EdDSA')
      const { issuer } = idp
      await using server = await started(target, { default: [{ issuer, audience: AUDIENCE }] })
      const now = secondsOf(server, target)
      const claims = { aud: AUDIENCE, sub: 'the-provisioner', exp: now + 600, iat: now }
      for (const [index, key] of idp.keys.entries()) {
        const token = await idp.sign({ ...claims, scope: 'openid scim' }, {}, key)
        const body = { userName: `user-${index}` }
        const reply = await ask(server, token, { method: 'POST', body })
        expect([key.alg, reply.status]).toEqual([key.alg, 201])
        // From what was remembered, too.
        expect((await ask(server, token)).body.totalResults).toBe(index + 1)
      }
      for (const [scope, method, status] of [
        [{ scope: 'read' }, 'GET', 200],
        [{ scope: 'read' }, 'POST', 403],
        [{ scp: ['write', 'other'] }, 'POST', 201],
        [{ scope: 'openid profile' }, 'GET', 403],
        [{}, 'GET', 403],
        [{ scope: 'read groups' }, 'GET', 403],
      ] as const) {
        const token = await idp.sign({ ...claims, ...scope })
        const body = method === 'POST' ? { userName: `user-${method}` } : undefined
        const reply = await ask(server, token, { method, body })
        expect([scope, reply.status]).toEqual([scope, status])
        if (status === 403)
          expect(reply.headers.get('www-authenticate')).toInclude('error="insufficient_scope"')
      }
      expect((await ask(server, TOKEN)).status).toBe(200)
      const actors = new Set((await server.journal()).map(({ actor }) => actor))
      expect(actors).toEqual(new Set(['the-provisioner']))
    })

    test('whatever is wrong with a token, it is refused and its class is told [R7644-2-05] [R7644-2-02]', async () => {
      await using idp = await startIssuer()
      await using other = await startIssuer()
      const { issuer } = idp
      const algorithms = ['ES256']
      await using server = await started(target, {
        default: [{ issuer, audience: [AUDIENCE, 'second'], algorithms, clockSkew: 0 }],
      })
      const now = secondsOf(server, target)
      const good = { iss: issuer, aud: AUDIENCE, sub: 's', scope: 'write', exp: now + 600 }
      const without = (claim: keyof typeof good): Record<string, unknown> => ({
        ...good,
        [claim]: undefined,
      })
      const header = { alg: 'ES256', kid: 'key-0' }
      const [stranger, rsa] = [await signingKey('key-0'), await signingKey('key-0', 'RS256')]
      const unknownKey = await signingKey('key-9')
      const signed = await idp.sign(good)
      const [head = '', payload = '', signature = ''] = signed.split('.')
      const changed = Buffer.from(JSON.stringify({ ...good, sub: 'x' })).toString('base64url')
      const hmac = (key: string) =>
        createHmac('sha256', key)
          .update(unsigned({ ...header, alg: 'HS256' }, good).slice(0, -1))
          .digest('base64url')
      const publicKey = JSON.stringify(idp.keys[0]?.jwk)
      for (const [mention, token] of [
        ['expired', await idp.sign({ ...good, exp: now - 5 })],
        ['expired', await idp.sign({ ...good, exp: now })],
        ['not valid yet', await idp.sign({ ...good, nbf: now + 300 })],
        ['audience', await idp.sign({ ...good, aud: 'https://other.example' })],
        ['audience', await idp.sign({ ...good, aud: `${AUDIENCE}/` })],
        ['claim', await idp.sign(without('exp'))],
        ['issuer', await idp.sign({ ...good, iss: other.issuer })],
        ['issuer', await idp.sign({ ...good, iss: `${issuer}/` })],
        ['issuer', await idp.sign(without('iss'))],
        ['signature', await other.sign(good)],
        ['signature', await idp.sign(good, {}, stranger)],
        ['signature', `${head}.${changed}.${signature}`],
        ['key', await idp.sign(good, {}, unknownKey)],
        ['algorithm', await idp.sign(good, {}, rsa)],
        ['not signed', unsigned({ alg: 'none' }, good)],
        ['not signed', unsigned({ alg: 'none' }, good, 'AAAA')],
        ['algorithm', unsigned({ ...header, alg: 'HS256' }, good, hmac(publicKey))],
        ['algorithm', unsigned({ ...header, alg: 'HS256' }, good, hmac(''))],
        ['signature', `${head}.${payload}.`],
        ['read', 'a.b.c'],
        ['read', unsigned(header, []).replace(/\.$/, '.AAAA')],
        ['signature', await idp.sign(good).then((token) => `${token.slice(0, -4)}AAAA`)],
        ['read', await idp.sign(good, { crit: ['exp'] }).catch(() => 'a.b.c')],
      ] as const) {
        const reply = await ask(server, token, { method: 'POST', body: { userName: 'eve' } })
        expectRefused(reply, mention)
        expect((await ask(server, token, { path: '/Schemas' })).status).toBe(401)
      }
      expect((await ask(server, signed)).body.totalResults).toBe(0)
      const second = await idp.sign({ ...good, aud: ['x', 'second'] })
      expect((await ask(server, second)).status).toBe(200)
    })

    test('what a header says of its key is not believed, and nothing is fetched for it', async () => {
      await using idp = await startIssuer('RS256')
      await using evil = await startIssuer('RS256')
      const { issuer } = idp
      await using server = await started(target, {
        default: [{ issuer, audience: AUDIENCE, grants: 'write' }],
      })
      const claims = { iss: issuer, aud: AUDIENCE, exp: secondsOf(server, target) + 600 }
      expect((await ask(server, await idp.sign(claims))).status).toBe(200)
      const [own] = evil.keys
      const jwk = idp.keys[0]?.jwk as Record<string, string>
      const pem = createPublicKey({ key: jwk, format: 'jwk' }).export({
        type: 'spki',
        format: 'pem',
      })
      const hmac = (key: string | Buffer, header: object) => {
        const text = unsigned(header, claims).slice(0, -1)
        return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
      }
      const hs256 = { alg: 'HS256', kid: 'key-0', typ: 'JWT' }
      const url = `${evil.issuer}/keys`
      for (const token of [
        // The public key of the issuer, taken for a shared secret.
        hmac(String(pem), hs256),
        hmac(String(pem).trim(), hs256),
        hmac(Buffer.from(String(jwk['n']), 'base64url'), hs256),
        hmac(JSON.stringify({ keys: [jwk] }), hs256),
        // A key of the attacker's own, beside the token.
        await evil.sign(claims, { jwk: own?.jwk }),
        await evil.sign(claims, { jwk: own?.jwk, kid: undefined }),
        await evil.sign(claims, { jku: url }),
        await evil.sign(claims, { jku: url, kid: 'another' }),
        await evil.sign(claims, { x5u: url, x5c: ['AAAA'], x5t: 'AAAA' }),
        ...(await Promise.all(
          ['../../../../dev/null', '/dev/null', "' OR 1=1 --", '\u0000', '', url, '__proto__'].map(
            (kid) => evil.sign(claims, { kid }),
          ),
        )),
        unsigned({ alg: 'nOnE' }, claims),
        unsigned({ alg: ['none'] }, claims),
        unsigned({ alg: '' }, claims),
        unsigned({ alg: 'RS256', kid: 'key-0' }, claims, 'A'.repeat(8000)),
        unsigned({ alg: 'RS256', kid: 'k'.repeat(8000) }, claims, 'AAAA'),
        `${'e'.repeat(5000)}.${'e'.repeat(5000)}.e`,
      ]) {
        const reply = await ask(server, token, { method: 'POST', body: { userName: 'eve' } })
        expect([token.slice(0, 60), reply.status]).toEqual([token.slice(0, 60), 401])
      }
      expect(evil.fetches()).toBe(0)
      expect((await ask(server, await idp.sign(claims))).body.totalResults).toBe(0)
    })

    test('keys of an https issuer come by https, and not from an address of this machine', async () => {
      using place = temporary()
      const authority = makeCertificate({ name: 'authority', isAuthority: true })
      const { cert, key } = makeCertificate({ name: 'issuer', by: authority })
      writeFileSync(join(place.cwd, 'ca.pem'), authority.cert)
      await using inside = await startIssuer()
      const metadata = { issuer: '', jwks_uri: `${inside.issuer}/keys` }
      const listener = Bun.serve({
        hostname: '127.0.0.1',
        port: 0,
        tls: { cert, key },
        fetch(request) {
          if (request.url.endsWith('/keys'))
            return Response.json({ keys: inside.keys.map(({ jwk }) => jwk) })
          return Response.json(metadata)
        },
      })
      const issuer = `https://127.0.0.1:${listener.port}`
      metadata.issuer = issuer
      const file = join(place.cwd, 'scimd.json')
      const issuers = [{ issuer, audience: AUDIENCE, grants: 'read' }]
      writeFileSync(file, JSON.stringify({ tenants: { default: { issuers } } }))
      const env = { NODE_EXTRA_CA_CERTS: 'ca.pem', SCIMD_CONFIG: file }
      await using server = await serving(target, { ...place, env })
      const exp = Math.floor(Date.now() / 1000) + 600
      const token = await inside.sign({ iss: issuer, aud: AUDIENCE, exp })
      const users = () =>
        send(`${server.url}/Users`, 'GET', undefined, { Authorization: `Bearer ${token}` })
      expect((await users()).status).toBe(503)
      expect(inside.fetches()).toBe(0)
      metadata.jwks_uri = `${issuer}/keys`
      const reply = await users()
      expect([reply.status, inside.fetches()]).toEqual([200, 0])
      await listener.stop(true)
    })

    test('a token opens the tenants that trust its issuer for its audience, and no other [R7644-6-01]', async () => {
      await using one = await startIssuer()
      await using two = await startIssuer()
      await using server = await started(target, {
        default: [{ issuer: one.issuer, audience: 'for-default', grants: 'write' }],
        acme: [
          { issuer: one.issuer, audience: 'for-acme', grants: 'write' },
          { issuer: two.issuer, audience: 'for-acme', grants: 'write' },
        ],
        other: [],
      })
      const exp = secondsOf(server, target) + 600
      const tenants = ['default', 'acme', 'other', 'nobody'] as const
      const good = new Set(['one for-default default', 'one for-acme acme', 'two for-acme acme'])
      for (const [name, idp] of [
        ['one', one],
        ['two', two],
      ] as const) {
        for (const aud of ['for-default', 'for-acme', 'for-other']) {
          const token = await idp.sign({ aud, exp, sub: 's' })
          const replies = await Promise.all(
            tenants.map(async (tenant) => [tenant, await ask(server, token, { tenant })] as const),
          )
          for (const [tenant, reply] of replies) {
            const isGood = good.has(`${name} ${aud} ${tenant}`)
            expect([name, aud, tenant, reply.status]).toEqual([
              name,
              aud,
              tenant,
              isGood ? 200 : 401,
            ])
            // The same to a tenant that is not there as to one that does not trust it.
            if (!isGood) expectRefused(reply, 'audience')
          }
        }
      }
      const forged = await one.sign({ aud: 'for-acme', exp }, {}, await signingKey('key-0'))
      for (const tenant of tenants)
        expectRefused(await ask(server, forged, { tenant }), 'signature')
    })

    test('why a token is refused tells nobody which tenants there are, nor whom they trust', async () => {
      await using idp = await startIssuer('ES256', 'RS256')
      const { issuer } = idp
      const audience = 'for-acme'
      await using server = await started(target, {
        default: [{ issuer, audience: 'for-default', grants: 'write' }],
        acme: [
          {
            issuer,
            audience,
            grants: 'write',
            algorithms: ['ES256'],
            clockSkew: 0,
            claims: { appid: 'a' },
          },
        ],
        other: [{ issuer, audience: 'for-other', grants: 'write', clockSkew: 300 }],
      })
      const now = secondsOf(server, target)
      const claims = { aud: audience, exp: now + 600, appid: 'a' }
      const good = await idp.sign(claims)
      const wrong = [
        ['algorithm', await idp.sign(claims, {}, idp.keys[1])],
        ['claim', await idp.sign({ ...claims, appid: 'b' })],
        ['expired', await idp.sign({ ...claims, exp: now - 60 })],
        ['not valid yet', await idp.sign({ ...claims, nbf: now + 200 })],
        ['audience', await idp.sign({ ...claims, aud: 'for-other' })],
        ['signature', await idp.sign(claims, {}, await signingKey('key-0'))],
      ] as const
      const unknown = ['nobody', 'acm', 'acme-2']
      const at = async (token: string, tenant: string, method = 'GET', path = '/Users') => {
        const { status, headers, text } = await ask(server, token, { tenant, method, path })
        headers.delete('date')
        return { status, text, headers: headers.toJSON() }
      }
      expect((await at(good, 'acme')).status).toBe(200)
      for (const [why, token] of wrong) {
        for (const [method, path] of [
          ['GET', '/Users'],
          ['DELETE', '/Groups/x'],
          ['GET', '/Schemas'],
          ['GET', '/schemas'],
        ] as const) {
          const nowhere = await at(token, 'nobody', method, path)
          expect(nowhere.status).toBe(401)
          expect(nowhere.text).toInclude(why)
          const others = why === 'audience' ? ['acme'] : ['acme', 'other']
          for (const tenant of [...others, ...unknown])
            expect([tenant, await at(token, tenant, method, path)]).toEqual([tenant, nowhere])
        }
      }
      // Nor which are suspended, to who may go in otherwise.
      const elsewhere = await at(good, 'nobody')
      expect(elsewhere.status).toBe(401)
      await printed(QUICKEST, ['tenant', 'suspend', 'acme', '--data', server.data], {
        cwd: server.data,
      })
      for (const tenant of ['acme', 'other', ...unknown])
        expect([tenant, await at(good, tenant)]).toEqual([tenant, elsewhere])
    })

    test('keys rotate without a restart, and new ones are not fetched for each token', async () => {
      await using idp = await startIssuer()
      const { issuer } = idp
      const trust = { issuer, audience: AUDIENCE, grants: 'read' }
      await using server = await started(target, { default: [trust] })
      const claims = { aud: AUDIENCE, exp: secondsOf(server, target) + 600 }
      expect((await ask(server, await idp.sign({ ...claims, n: 1 }))).status).toBe(200)
      expect((await ask(server, await idp.sign({ ...claims, n: 2 }))).status).toBe(200)
      expect(idp.fetches()).toBe(1)
      const [old] = idp.keys
      idp.keys = [await signingKey('key-new', 'RS256')]
      expect((await ask(server, await idp.sign(claims))).status).toBe(200)
      expect(idp.fetches()).toBe(2)
      expectRefused(await ask(server, await idp.sign(claims, {}, old)), 'key')
      for (let n = 0; n < 20; n++) {
        const forged = await idp.sign({ ...claims, n }, { kid: `no-${n}` })
        expectRefused(await ask(server, forged), 'key')
      }
      expect(idp.fetches()).toBeLessThanOrEqual(6)
      expect((await ask(server, await idp.sign({ ...claims, n: 3 }))).status).toBe(200)
    })

    test('an issuer that was never reached is 503, a fault of its own, and is tried again', async () => {
      for (const fault of [
        () => new Response('', { status: 500 }),
        () => new Response('no json'),
        () => Response.json({ keys: [] }),
        () => Response.json({ keys: [{ kty: 'oct', k: 'AAAA' }] }),
        () => Response.redirect('/keys?again'),
        () => new Response('x'.repeat(JWKS_BYTES_MAX + 1)),
      ]) {
        await using idp = await startIssuer()
        const trust = { issuer: idp.issuer, audience: AUDIENCE, grants: 'read' }
        await using server = await started(target, { default: [trust] })
        const token = await idp.sign({ aud: AUDIENCE, exp: secondsOf(server, target) + 600 })
        idp.fault = fault
        const reply = await ask(server, token)
        expect([String(fault), reply.status]).toEqual([String(fault), 503])
        expect(reply.headers.get('retry-after')).toBe('30')
        expect(server.errors()).toInclude('the keys of an issuer could not be fetched')
        idp.fault = undefined
        expect((await ask(server, token)).status).toBe(200)
      }
    })

    test('a token on a path that is none has no keys fetched, and leaves no fault behind', async () => {
      await using idp = await startIssuer()
      const trust = { issuer: idp.issuer, audience: AUDIENCE, grants: 'read' }
      await using server = await started(target, { default: [trust] })
      const token = await idp.sign({ aud: AUDIENCE, exp: secondsOf(server, target) + 600 })
      idp.fault = () => new Response('', { status: 500 })
      const { origin } = new URL(server.url)
      const headers = { Authorization: `Bearer ${token}` }
      expect((await fetch(`${origin}/nothing/here`, { headers })).status).toBe(404)
      expect([idp.fetches(), server.errors()]).toEqual([0, ''])
    })

    test('metadata that is of another issuer, or names keys that anybody could change, is not believed', async () => {
      for (const metadata of [
        { issuer: 'https://other.example' },
        { jwks_uri: 'http://keys.example/keys' },
        { jwks_uri: undefined },
        { jwks_uri: 'file:///etc/passwd' },
      ]) {
        await using idp = await startIssuer()
        const trust = { issuer: idp.issuer, audience: AUDIENCE, grants: 'read' }
        await using server = await started(target, { default: [trust] })
        idp.metadata = metadata
        const token = await idp.sign({ aud: AUDIENCE, exp: secondsOf(server, target) + 600 })
        expect((await ask(server, token)).status).toBe(503)
        expect(idp.fetches()).toBe(0)
        idp.metadata = {}
        idp.path = '/.well-known/oauth-authorization-server'
        expect((await ask(server, token)).status).toBe(200)
      }
    })

    test('keys come from an address or a file as well, and claims decide what else they have to', async () => {
      using place = temporary()
      await using idp = await startIssuer()
      const { issuer } = idp
      const file = join(place.cwd, 'keys.json')
      writeFileSync(file, JSON.stringify({ keys: idp.keys.map(({ jwk }) => jwk) }))
      const more = {
        scope: { claim: 'roles', map: { 'SCIM.Write': 'write', 'SCIM.Read': 'read users' } },
        claims: { appid: 'the-app' },
        subject: 'appid',
      }
      const sub = 'not the name'
      await using server = await started(target, {
        default: [{ issuer, audience: AUDIENCE, jwks: `${issuer}/keys`, ...more }],
        acme: [{ issuer: 'urn:acme', audience: AUDIENCE, jwks: file, ...more }],
      })
      const exp = secondsOf(server, target) + 600
      const claims = { aud: AUDIENCE, exp, sub, appid: 'the-app', roles: ['SCIM.Write', 'x'] }
      const body = { userName: 'ada' }
      for (const [tenant, iss] of [
        ['default', issuer],
        ['acme', 'urn:acme'],
      ] as const) {
        const asking = async (other: object, method = 'GET', path = '/Users') =>
          ask(server, await idp.sign({ ...claims, iss, ...other }), {
            tenant,
            method,
            path,
            ...(method === 'POST' ? { body } : {}),
          })
        expect((await asking({}, 'POST')).status).toBe(201)
        expectRefused(await asking({ appid: 'another' }), 'claim')
        expectRefused(await asking({ appid: undefined }), 'claim')
        expect((await asking({ roles: ['write'] })).status).toBe(403)
        expect((await asking({ roles: 'SCIM.Read' })).status).toBe(200)
        expect((await asking({ roles: 'SCIM.Read' }, 'GET', '/Groups')).status).toBe(403)
        expect((await asking({ roles: 'SCIM.Read' }, 'POST')).status).toBe(403)
      }
      expect(idp.fetches()).toBe(1)
      expect((await server.journal()).map(({ actor }) => actor)).toEqual(['the-app'])
    })

    test('a claim names the user that /Me stands for, by id or by another attribute', async () => {
      await using idp = await startIssuer()
      const { issuer } = idp
      const [id, externalId, userName] = ['id', 'externalId', 'userName'].map((attribute) => ({
        issuer,
        audience: attribute,
        grants: 'me',
        user: { claim: 'who', attribute },
      }))
      const short = { issuer, audience: 'short', grants: 'me', user: 'who' }
      await using server = await started(target, { default: [id, externalId, userName, short] })
      const make = async (body: object) => (await server.request('POST', '/Users', body)).body
      const ada = await make({ userName: 'Ada', externalId: 'e"1' })
      await make({ userName: 'bob', externalId: 'twice' })
      await make({ userName: 'eve', externalId: 'twice' })
      await server.request('POST', '/Groups', { displayName: 'g', externalId: 'of-a-group' })
      const exp = secondsOf(server, target) + 600
      const me = async (aud: string, who: unknown, path = '/Me') =>
        ask(server, await idp.sign({ aud, exp, sub: 's', who }), { path })
      for (const [aud, who] of [
        ['id', ada.id],
        ['short', ada.id],
        ['externalId', 'e"1'],
        ['userName', 'ADA'],
      ] as const) {
        const reply = await me(aud, who)
        expect([aud, reply.status, reply.body.id]).toEqual([aud, 200, ada.id])
        expect((await me(aud, who, `/Users/${ada.id}`)).status).toBe(200)
        expect((await me(aud, who, '/Users')).status).toBe(403)
      }
      for (const [aud, who, status] of [
        ['id', 'nobody', 401],
        ['externalId', 'twice', 401],
        ['externalId', 'of-a-group', 401],
        ['userName', 'nobody', 401],
        ['userName', 'x'.repeat(ID_LENGTH_MAX), 401],
        ['userName', 'x'.repeat(9000), 401],
        ['id', 'x'.repeat(ID_LENGTH_MAX + 1), 401],
        ['userName', '', 403],
        ['userName', 7, 403],
        ['userName', undefined, 403],
      ] as const)
        expect([aud, who, (await me(aud, who)).status]).toEqual([aud, who, status])
    })
  })
}

test("Entra ID's own token is taken in both of its forms, for its tenant alone", async () => {
  const tid = '11111111-2222-3333-4444-555555555555'
  const audience = '8adf8e6e-67b2-4cf2-a259-e3dc5476c621'
  using place = temporary()
  const config = join(place.cwd, 'scimd.json')
  const issuers = [{ entraTenant: tid.toUpperCase() }]
  writeFileSync(config, JSON.stringify({ tenants: { acme: { issuers } } }))
  const read = readConfig({ data: place.cwd, config }, {}).tenants.get('acme')?.issuers
  expect(read).toMatchObject([
    {
      issuer: `https://sts.windows.net/${tid}/`,
      audience: [audience],
      keys: { url: `https://login.microsoftonline.com/${tid}/discovery/keys` },
      grants: 'write',
    },
    {
      issuer: `https://login.microsoftonline.com/${tid}/v2.0`,
      audience: [audience],
      keys: { url: `https://login.microsoftonline.com/${tid}/discovery/v2.0/keys` },
      grants: 'write',
    },
  ])

  // Its keys are Microsoft's; everything else is as it would be.
  await using idp = await startIssuer('RS256')
  const path = join(place.cwd, 'keys.json')
  writeFileSync(path, JSON.stringify({ keys: idp.keys.map(({ jwk }) => jwk) }))
  const keyed = (read ?? []).map((one) => ({ ...one, keys: { kind: 'file', path } as const }))
  const tenants = new Map([['acme', { issuers: keyed }]])
  const control = openLmdbControl(join(place.cwd, 'control.mdb'))
  const now = () => 1_000_000
  const tokens = accessTokens(new Uint8Array(32), () => 'https://a.b/scim/v2', now)
  const check = jwtCheck({ tenants, tokens, control, now, log: () => undefined })
  const asked = async (claims: object, tenant = 'acme') => {
    const token = await idp.sign({ aud: audience, nbf: 900, exp: 2000, tid, ...claims })
    const found = await check(token, tenant, now())
    return typeof found === 'string' ? found : [found.name, ...found.scopes]
  }
  const [v1, v2] = [
    { iss: `https://sts.windows.net/${tid}/`, ver: '1.0', appid: 'a-1', sub: 's-1' },
    { iss: `https://login.microsoftonline.com/${tid}/v2.0`, ver: '2.0', azp: 'a-2' },
  ]
  expect([await asked(v1), await asked(v2)]).toEqual([
    ['s-1', 'write'],
    ['a-2', 'write'],
  ])
  const other = '99999999-2222-3333-4444-555555555555'
  for (const claims of [v1, v2]) {
    expect(await asked({ ...claims, iss: claims.iss.replace(tid, other) })).toBe('issuer')
    expect(await asked({ ...claims, aud: 'api://another' })).toBe('audience')
    expect(await asked(claims, 'default')).toBe('audience')
  }
  await control.close()
})

test('an outage is survived with the keys that are known, for as long as the limit says', async () => {
  await using idp = await startIssuer()
  const trust = { issuer: idp.issuer, audience: AUDIENCE, grants: 'read' }
  await using server = await started('source', { default: [trust] })
  const asking = async () =>
    (
      await ask(
        server,
        await idp.sign({ aud: AUDIENCE, exp: Math.floor(server.now() / 1000) + 60, jti: nextId() }),
      )
    ).status
  expect(await asking()).toBe(200)
  idp.fault = () => new Response('', { status: 503 })
  server.passTime(JWKS_FRESH_MS + 1)
  expect(await asking()).toBe(200)
  server.passTime(JWKS_STALE_MS - JWKS_FRESH_MS - 1)
  expect(await asking()).toBe(200)
  server.passTime(1)
  expect(await asking()).toBe(503)
  idp.fault = undefined
  server.passTime(60_000)
  expect(await asking()).toBe(200)
})

test('while an issuer is out of reach, nobody fills the log with its tokens', async () => {
  await using idp = await startIssuer()
  idp.fault = () => new Response('', { status: 503 })
  const issuers = [{ issuer: idp.issuer, audience: AUDIENCE, grants: 'read' }]
  await using server = await startTestServer({
    config: { tenants: { default: { issuers } } },
    flags: { rateLimit: '2000' },
  })
  const exp = Math.floor(server.now() / 1000) + 600
  const token = await idp.sign({ aud: AUDIENCE, exp })
  const statuses: number[] = []
  for (let n = 0; n <= SIGN_INS_PER_SECOND * 10; n++)
    statuses.push((await ask(server, token)).status)
  expect([statuses.at(-2), statuses.at(-1)]).toEqual([503, 429])
})

let ids = 0
const nextId = (): string => `id-${++ids}`

test('a token that was taken is refused once it has expired, and once its key is withdrawn', async () => {
  await using idp = await startIssuer()
  const trust = { issuer: idp.issuer, audience: AUDIENCE, grants: 'read', clockSkew: 5 }
  await using server = await started('source', { default: [trust] })
  const now = Math.floor(server.now() / 1000)
  const short = await idp.sign({ aud: AUDIENCE, exp: now + 60 })
  const long = await idp.sign({ aud: AUDIENCE, exp: now + 36_000 })
  expect((await ask(server, short)).status).toBe(200)
  expect((await ask(server, long)).status).toBe(200)
  server.passTime(64_999)
  expect((await ask(server, short)).status).toBe(200)
  server.passTime(1)
  expectRefused(await ask(server, short), 'expired')
  idp.keys = [await signingKey('key-new')]
  expect((await ask(server, long)).status).toBe(200)
  server.passTime(JWKS_FRESH_MS)
  // The first request after that finds the keys old, and has them renewed beside itself.
  await ask(server, long)
  await waitFor(() => idp.fetches() === 2)
  // They may have been fetched and not yet be taken.
  let last = await ask(server, long)
  while (last.status === 200) {
    server.passTime(JWKS_FRESH_MS)
    last = await ask(server, long)
  }
  expectRefused(last, 'key')
})

/** Waits for what happens beside the requests. */
async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

test('whatever stands in the place of a token, it is refused and the server goes on', async () => {
  await using idp = await startIssuer()
  const trust = { issuer: idp.issuer, audience: AUDIENCE, grants: 'write' }
  await using server = await started('source', { default: [trust] })
  const value = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.array(fc.string()))
  const names = fc.constantFrom('iss', 'aud', 'exp', 'nbf', 'sub', 'scope', 'alg', 'kid', 'typ')
  const json = fc.oneof(fc.dictionary(names, value), fc.jsonValue())
  const own = server.url.replace('/scim/v2', '')
  const aimed = fc
    .tuple(fc.dictionary(names, value), fc.constantFrom(idp.issuer, own, `${own}/t/acme`))
    .map(([claims, iss]) => ({ ...claims, iss }))
  await fc.assert(
    fc.asyncProperty(json, fc.oneof(aimed, json), fc.base64String(), async (head, claims, end) => {
      const signature = Buffer.from(end, 'base64').toString('base64url')
      const token = unsigned(head as object, claims as object, signature)
      expect((await ask(server, token)).status).toBe(401)
    }),
    { numRuns: 200 },
  )
})

test('keys that cannot be used refuse the token, and are no fault of the server', async () => {
  await using idp = await startIssuer()
  const trust = { issuer: idp.issuer, audience: AUDIENCE, grants: 'read' }
  await using server = await started('source', { default: [trust] })
  const exp = Math.floor(server.now() / 1000) + 600
  const short = { kty: 'RSA', kid: 'short', n: 'x'.repeat(171), e: 'AQAB' }
  const keys = [
    { kty: 'EC', kid: 'bad', crv: 'P-256', x: 'AAAA', y: 'AAAA' },
    { kty: 'EC', kid: 'empty' },
    { kty: 'OKP', kid: 'odd', crv: 'X25519', x: 'AAAA' },
    short,
  ]
  idp.fault = () => Response.json({ keys })
  for (const [alg, kid] of [
    ['ES256', 'bad'],
    ['ES256', 'empty'],
    ['EdDSA', 'odd'],
    ['RS256', 'short'],
  ]) {
    const token = unsigned({ alg, kid }, { iss: idp.issuer, aud: AUDIENCE, exp }, 'AAAA')
    const reply = await ask(server, token)
    expect([kid, reply.status]).toEqual([kid, 401])
  }
  expect(server.errors()).not.toInclude('"level":"error"')
})

test('an answer with keys has so many bytes at most, and is not waited for without end', async () => {
  const trusted = async (fault: (keys: string) => Response | Promise<Response>) => {
    await using idp = await startIssuer()
    const trust = { issuer: idp.issuer, audience: AUDIENCE, grants: 'read' }
    await using server = await started('source', { default: [trust] })
    const keys = JSON.stringify({ keys: idp.keys.map(({ jwk }) => jwk) })
    idp.fault = () => fault(keys)
    const exp = Math.floor(server.now() / 1000) + 600
    return (await ask(server, await idp.sign({ aud: AUDIENCE, exp }))).status
  }
  expect(await trusted((keys) => new Response(keys.padEnd(JWKS_BYTES_MAX)))).toBe(200)
  expect(await trusted((keys) => new Response(keys.padEnd(JWKS_BYTES_MAX + 1)))).toBe(503)
  expect(await trusted(() => new Promise<Response>(() => {}))).toBe(503)
})

test('so many tokens are remembered as checked, and the one checked first is forgotten first', async () => {
  using place = temporary()
  await using idp = await startIssuer('EdDSA')
  const file = join(place.cwd, 'keys.json')
  writeFileSync(file, JSON.stringify({ keys: idp.keys.map(({ jwk }) => jwk) }))
  const config = join(place.cwd, 'scimd.json')
  const issuers = [{ issuer: 'urn:idp', audience: AUDIENCE, jwks: file, grants: 'read' }]
  writeFileSync(config, JSON.stringify({ tenants: { default: { issuers } } }))
  const { tenants } = readConfig({ data: place.cwd, config }, {})
  const control = openLmdbControl(join(place.cwd, 'control.mdb'))
  const now = () => 1_000_000
  const tokens = accessTokens(new Uint8Array(32), () => 'https://a.b/scim/v2', now)
  const check = jwtCheck({ tenants, tokens, control, now, log: () => undefined })
  const made: string[] = []
  for (let n = 0; n <= JWTS_CHECKED_MAX; n++)
    made.push(await idp.sign({ iss: 'urn:idp', aud: AUDIENCE, exp: 2000, n }))
  const [first = '', second = ''] = made
  const last = made.pop() ?? ''
  const isKnown = (token: string) => !(check(token, 'default', now()) instanceof Promise)
  for (const token of made) await check(token, 'default', now())
  expect([first, second, last].map(isKnown)).toEqual([true, true, false])
  await check(last, 'default', now())
  expect([second, last, first].map(isKnown)).toEqual([true, true, false])
  await check(first, 'default', now())
  await control.close()
})
