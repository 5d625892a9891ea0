/** Who may ask, where, and under which address: RFC 7644 sections 2 and 6, RFC 6750. */

import { describe, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { EXECUTABLE, send, TARGETS, type Target } from '../harness.ts'
import { expectError, idsOf, sharedServer, USER } from './given.ts'
import { sendRaw } from './raw.ts'

const MAIN = resolve(import.meta.dir, '../../src/main.ts')

/** Runs a command beside the server, and gives what it prints. */
async function command(target: Target, data: string, ...words: string[]): Promise<string> {
  const program = target === 'source' ? [process.execPath, MAIN] : [EXECUTABLE]
  const child = Bun.spawn([...program, ...words, '--data', data], {
    env: { PATH: process.env['PATH'] ?? '' },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [status, out, errors] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  expect(status, errors).toBe(0)
  return out.trim()
}

for (const target of TARGETS) {
  describe(`access (${target})`, () => {
    const scim = sharedServer({ target })
    const ask = (authorization: string | undefined, method = 'GET', path = '/Users') =>
      sendRaw(scim.url(), {
        method,
        target: `/scim/v2${path}`,
        headers: authorization === undefined ? {} : { Authorization: authorization },
        ...(method === 'POST'
          ? { body: JSON.stringify({ schemas: [USER], userName: 'intruder' }) }
          : {}),
      })

    test('[R7644-2-02] [R7644-2-03] [R7644-2-07] [OKTA-10] without a token there is a 401 that names the scheme', async () => {
      const total = await scim.total('/Users')
      const { id } = await scim.user()
      for (const [method, path] of [
        ['GET', '/Users'],
        ['GET', `/Users/${id}`],
        ['GET', '/Users/nope'],
        ['POST', '/Users'],
        ['DELETE', `/Users/${id}`],
      ] as const) {
        const reply = await ask(undefined, method, path)
        expect(reply.status).toBe(401)
        expect(reply.headers['www-authenticate']).toMatch(/^Bearer realm="[^"]+"$/)
        expect(reply.headers['content-type']).toBe('application/scim+json')
        expect(JSON.parse(reply.text)).toMatchObject({ status: '401' })
        expect(JSON.parse(reply.text).detail).not.toBe('')
      }
      expect(await scim.total('/Users')).toBe(total + 1)
    })

    test.each([
      'Bearer wrong',
      'Bearer scimd_aaaaaaaaaaaa_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
      'Bearer ',
      'Bearer',
      'Basic dXNlcjpwYXNz',
      'a-token-for-tests-0123456789-0123456789',
    ])('[R7644-2-05] the credential "%s" is refused as invalid', async (authorization) => {
      const reply = await ask(authorization, 'POST')
      expect(reply.status).toBe(401)
      expect(reply.headers['www-authenticate']).toInclude('Bearer')
      expect(await scim.find('userName eq "intruder"')).toEqual([])
    })

    test('a token in the query is none', async () => {
      const reply = await ask(undefined, 'GET', '/Users?access_token=a-token-for-tests-0123456789')
      expect(reply.status).toBe(401)
    })

    test('[R7644-2-04] [R7644-2-05] a token to read with may not write', async () => {
      const { data } = scim.server()
      const token = await command(target, data, 'token', 'create', '--name', 'r', '--scope', 'read')
      const user = await scim.user()
      const headers = { Authorization: `Bearer ${token}` }
      expect((await scim.get(`/Users/${user.id}`, headers)).body).toEqual(user)
      const body = { schemas: [USER], userName: scim.fresh() }
      for (const [method, path] of [
        ['POST', '/Users'],
        ['PUT', `/Users/${user.id}`],
        ['PATCH', `/Users/${user.id}`],
        ['DELETE', `/Users/${user.id}`],
      ] as const) {
        const reply = await scim.request(method, path, body, headers)
        expectError(reply, 403)
        expect(reply.headers.get('www-authenticate')).toInclude('error="insufficient_scope"')
      }
      expect((await scim.get(`/Users/${user.id}`)).body).toEqual(user)
      expect(await scim.find(`userName eq "${body.userName}"`)).toEqual([])
    })

    test('[R7643-3.1-11] [R7643-9-02] [R7644-2-01] tenants share neither resources, names nor ids', async () => {
      const { data } = scim.server()
      await command(target, data, 'tenant', 'create', 'acme')
      const words = ['token', 'create', '--name', 'acme', '--tenant', 'acme']
      const token = await command(target, data, ...words)
      const origin = new URL(scim.url()).origin
      const acme = (method: string, path: string, body?: unknown, bearer = token) =>
        send(`${origin}/t/acme/scim/v2${path}`, method, body, { Authorization: `Bearer ${bearer}` })

      const mine = await scim.user({ externalId: 'shared' })
      const filter = '/Users?filter=externalId+eq+%22shared%22'
      expect((await acme('GET', filter)).body.totalResults).toBe(0)
      expectError(await acme('GET', `/Users/${mine.id}`), 404)
      expectError(await acme('DELETE', `/Users/${mine.id}`), 404)

      const theirs = await acme('POST', '/Users', { schemas: [USER], userName: mine.userName })
      expect(theirs.status).toBe(201)
      expect(theirs.body.meta.location).toBe(`${origin}/t/acme/scim/v2/Users/${theirs.body.id}`)
      expect(theirs.headers.get('location')).toBe(theirs.body.meta.location)
      expectError(await scim.get(`/Users/${theirs.body.id}`), 404)
      expect(idsOf(await scim.find('externalId eq "shared"'))).toEqual([mine.id])
      const schemas = await acme('GET', '/Schemas')
      expect(schemas.body.Resources[0].meta.location).toStartWith(`${origin}/t/acme/scim/v2/`)

      // A good token on another tenant's path is refused like a wrong one.
      const own = 'a-token-for-tests-0123456789-0123456789'
      const refusals = [
        await acme('GET', '/Users', undefined, own),
        await acme('GET', '/Users', undefined, 'wrong'),
        await scim.get('/Users', { Authorization: `Bearer ${token}` }),
        await send(`${origin}/t/nobody/scim/v2/Users`, 'GET', undefined, {
          Authorization: `Bearer ${token}`,
        }),
        await send(`${origin}/t/default/scim/v2/Users`, 'GET'),
      ]
      for (const reply of refusals) {
        expectError(reply, 401)
        expect(reply.text).toBe(refusals[0]?.text ?? '')
      }
    })

    test('the journal tells who changed what, and nothing that was refused', async () => {
      const entries = await scim.expectJournalOfChanges()
      expect(new Set(entries.map(({ actor }) => actor))).toEqual(new Set(['SCIMD_TOKEN']))
    })
  })

  describe(`a public address (${target})`, () => {
    const baseUrl = 'https://scim.example.com/app/scim/v2'
    const scim = sharedServer({ target, flags: { baseUrl } })

    test('[R7644-2-01] every location begins with the base URL, whatever Host says', async () => {
      const create = await scim.request(
        'POST',
        '/Users',
        { schemas: [USER], userName: 'ann' },
        { Host: 'evil.example', 'X-Forwarded-Host': 'evil.example' },
      )
      const { id } = create.body
      const group = await scim.group({ members: [{ value: id }] })
      const texts = [
        create.text,
        JSON.stringify(group),
        (await scim.get(`/Users/${id}`, { Host: 'evil.example' })).text,
        (await scim.get('/Users')).text,
        (await scim.get('/Schemas')).text,
        (await scim.get('/ResourceTypes')).text,
        (await scim.get('/ServiceProviderConfig')).text,
      ]
      expect(create.headers.get('location')).toBe(`${baseUrl}/Users/${id}`)
      expect(group.members[0].$ref).toBe(`${baseUrl}/Users/${id}`)
      for (const text of texts) {
        expect(text).toInclude(baseUrl)
        expect(text).not.toMatch(/evil|127\.0\.0\.1/)
      }
    })
  })
}
