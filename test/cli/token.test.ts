/** `scimd token` and `scimd tenant` beside a running server: what they change is so at once. */

import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { mintToken } from '../../src/auth/bearer.ts'
import { openLmdbControl } from '../../src/store/lmdb-control.ts'
import { send, startTestServer, TARGETS, TOKEN } from '../harness.ts'
import { printed, scimd, serving, TENANT_TOKEN, temporary } from './given.ts'

/** Processes start slowly on a machine that has much else to do. */
setDefaultTimeout(30_000)

const ada = { userName: 'ada' }

interface Listed {
  readonly prefix: string
  readonly name: string
  readonly scope: string
  readonly user: string | null
  readonly 'last used': string | null
  readonly state: string
}

describe.each(TARGETS)('from %s', (target) => {
  const create = async (cwd: string, ...words: string[]) =>
    (await printed(target, ['token', 'create', ...words], { cwd })).trim()
  const list = async (cwd: string): Promise<Listed[]> =>
    JSON.parse(await printed(target, ['token', 'list', '--json'], { cwd }))

  test('a new token is good for the next request, and a revoked one for none [R7644-2-05]', async () => {
    using place = temporary()
    await using server = await serving(target, { ...place, env: { SCIMD_TOKEN: TOKEN } })
    const status = async (token: string) => (await server.request('GET', '/Users', token)).status
    const one = await create(place.cwd, '--name', 'one')
    expect(await status(one)).toBe(200)
    const two = await create(place.cwd, '--name', 'two', '--expires', '1h')
    const three = await create(place.cwd, '--name', 'three')
    expect(await Promise.all([one, two, three, TOKEN].map(status))).toEqual([200, 200, 200, 200])

    const revoked = await scimd(
      target,
      ['token', 'revoke', TENANT_TOKEN.exec(two)?.[1] ?? ''],
      place,
    )
    expect(revoked).toMatchObject({ status: 0, out: '' })
    const refused = await server.request('GET', '/Users', two)
    expect(refused.status).toBe(401)
    expect(refused.headers.get('www-authenticate')).toContain('error="invalid_token"')
    expect(await Promise.all([one, three].map(status))).toEqual([200, 200])

    await printed(target, ['token', 'revoke', one], place)
    expect(await status(one)).toBe(401)
    expect(await status(three)).toBe(200)
    expect((await list(place.cwd)).map(({ name }) => name)).toEqual(['three'])
  })

  test('when a token was last used is listed', async () => {
    using place = temporary()
    await using server = await serving(target, { ...place, env: { SCIMD_TOKEN: TOKEN } })
    const token = await create(place.cwd, '--name', 'used')
    await create(place.cwd, '--name', 'unused')
    expect((await list(place.cwd)).map((one) => one['last used'])).toEqual([null, null])
    await server.request('GET', '/Users', token)
    // It is written behind the answer.
    let [used, unused] = await list(place.cwd)
    while (!used?.['last used']) [used, unused] = await list(place.cwd)
    expect(used['last used']).toMatch(/^\d{4}-\d\d-\d\dT.+Z$/)
    expect(unused?.['last used']).toBeNull()
  })

  test('a token to read may not write [R7644-2-04] [R7644-2-05]', async () => {
    using place = temporary()
    await using server = await serving(target, { ...place, env: { SCIMD_TOKEN: TOKEN } })
    const { body } = await server.request('POST', '/Users', TOKEN, ada)
    const token = await create(place.cwd, '--name', 'audit', '--scope', 'read')
    expect((await server.request('GET', `/Users/${body.id}`, token)).status).toBe(200)
    for (const [method, path] of [
      ['POST', '/Users'],
      ['PUT', `/Users/${body.id}`],
      ['PATCH', `/Users/${body.id}`],
      ['DELETE', `/Users/${body.id}`],
    ] as const) {
      const refused = await server.request(method, path, token, { userName: 'eve' })
      expect([method, path, refused.status]).toEqual([method, path, 403])
      expect(refused.headers.get('www-authenticate')).toContain(
        'error="insufficient_scope", scope="write"',
      )
      expect(refused.body).toMatchObject({
        schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
        status: '403',
        detail: expect.stringContaining('audit'),
      })
    }
    const bulk = await server.request('POST', '/Bulk', token, {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
      Operations: [{ method: 'DELETE', path: `/Users/${body.id}` }],
    })
    expect(bulk.body.Operations).toMatchObject([{ status: '403' }])
    const after = await server.request('GET', '/Users', TOKEN)
    expect(after.body.Resources.map((one: typeof ada) => one.userName)).toEqual(['ada'])
  })

  test('a token made for a user stands for that user [R7644-3.11-03] [R7644-3.11-04]', async () => {
    using place = temporary()
    await using server = await serving(target, { ...place, env: { SCIMD_TOKEN: TOKEN } })
    const { body: user } = await server.request('POST', '/Users', TOKEN, ada)
    const token = await create(place.cwd, '--name', 'ada', '--user', user.id)
    const reading = await create(
      place.cwd,
      '--name',
      'b',
      '--user',
      user.id,
      '--scope',
      'verify,read',
    )
    for (const one of [token, reading])
      expect((await server.request('GET', '/Me', one)).body).toEqual(user)
    expect((await server.request('GET', '/Users', token)).status).toBe(403)
    expect((await server.request('DELETE', '/Me', reading)).status).toBe(403)
    expect((await server.request('GET', '/Me', TOKEN)).status).toBe(501)
    const listed = await list(place.cwd)
    expect(listed.map(({ name, scope, user }) => [name, scope, user])).toEqual([
      ['ada', 'me', user.id],
      ['b', 'read verify', user.id],
    ])
  })

  test('neither tokens nor passwords are in the data directory or the logs in clear [R7643-9-01] [R7644-7-05]', async () => {
    using place = temporary()
    await using server = await serving(target, place)
    const first = readFileSync(join(place.cwd, 'data/first-token'), 'utf8').trim()
    const minted = await create(place.cwd, '--name', 'minted')
    const secrets = ['correct horse battery', 'staple of another day', 'never shown anybody']
    const headers = { 'X-Request-Id': 'r' }
    const user = { userName: 'ada', password: secrets[0] }
    const { body } = await server.request('POST', '/Users', minted, user, headers)
    const patch = {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'replace', path: 'password', value: secrets[1] }],
    }
    const patched = await server.request('PATCH', `/Users/${body.id}`, minted, patch)
    expect(patched.status).toBe(200)
    const put = { userName: 'ada', password: secrets[2] }
    expect((await server.request('PUT', `/Users/${body.id}`, first, put)).status).toBe(200)
    await server.request('GET', `/Users?access_token=${minted}`, minted)
    const { err } = await server.end()

    const hidden = [...secrets, minted, first]
    const files = filesBelow(join(place.cwd, 'data'))
    expect(files.map(({ name }) => name)).toContain('tenants/default.mdb')
    for (const { name, bytes } of files.filter((file) => file.name !== 'first-token')) {
      for (const secret of hidden) {
        expect([name, bytes.includes(secret.replace(/^scimd_.{12}_/, ''))]).toEqual([name, false])
        expect(bytes.includes(Buffer.from(secret).toString('base64'))).toBe(false)
      }
    }
    for (const secret of hidden) expect(err).not.toContain(secret)
    const listed = await printed(target, ['token', 'list', '--json'], place)
    for (const secret of hidden) expect(listed).not.toContain(secret.replace(/^scimd_.{12}_/, ''))
    expect(listed).not.toMatch(/hash|[0-9a-f]{64}/)
  })

  test('a token is 256 bits that nobody can guess, for as long as it was made for [R7644-7-02]', async () => {
    using place = temporary()
    await using server = await serving(target, { ...place, env: { SCIMD_TOKEN: TOKEN } })
    const words = (name: string) => ['token', 'create', '--name', name, '--expires', '1h']
    const tokens: string[] = []
    for (const name of ['a', 'b', 'c'])
      tokens.push((await printed(target, words(name), place)).trim())
    const secrets = tokens.map((token) => token.split('_').slice(2).join('_'))
    expect(new Set(secrets).size).toBe(3)
    for (const secret of secrets) expect(Buffer.from(secret, 'base64url')).toHaveLength(32)

    const control = openLmdbControl(join(place.cwd, 'data/control.mdb'))
    const made = { tenant: 'default', scope: 'write', created: Date.now() } as const
    const old = await mintToken(control, { ...made, name: 'old', expires: Date.now() - 1 })
    await control.close()
    for (const token of tokens)
      expect((await server.request('GET', '/Users', token)).status).toBe(200)
    const refused = await server.request('GET', '/Users', old.token)
    expect(refused.status).toBe(401)
    expect(refused.headers.get('www-authenticate')).toContain('error="invalid_token"')
  })

  test('a tenant is served from the moment it is made', async () => {
    using place = temporary()
    await using server = await serving(target, { ...place, env: { SCIMD_TOKEN: TOKEN } })
    const ask = (token: string) =>
      fetch(`${server.url.replace('/scim/v2', '/t/acme/scim/v2')}/Users`, {
        headers: { Authorization: `Bearer ${token}` },
      })
    expect((await ask(TOKEN)).status).toBe(401)
    await printed(target, ['tenant', 'create', 'acme'], place)
    const token = await create(place.cwd, '--name', 'entra', '--tenant', 'acme')
    expect((await ask(token)).status).toBe(200)
    expect((await ask(TOKEN)).status).toBe(401)
    expect((await server.request('GET', '/Users', token)).status).toBe(401)
  })

  test('several commands at once all have their effect', async () => {
    using place = temporary()
    await using server = await serving(target, { ...place, env: { SCIMD_TOKEN: TOKEN } })
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    const tokens = await Promise.all(names.map((name) => create(place.cwd, '--name', name)))
    expect(new Set(tokens).size).toBe(names.length)
    const replies = await Promise.all(tokens.map((one) => server.request('GET', '/Users', one)))
    expect(replies.map(({ status }) => status)).toEqual(names.map(() => 200))
    expect((await list(place.cwd)).map(({ name }) => name).sort()).toEqual(names)
  })
})

test('a token that has expired is listed as such', async () => {
  using place = temporary()
  await printed('source', ['token', 'create', '--name', 'good', '--expires', '1h'], place)
  const control = openLmdbControl(join(place.cwd, 'data/control.mdb'))
  const past = { name: 'old', tenant: 'default', scope: 'read', created: 1, expires: 2 } as const
  await mintToken(control, past)
  await control.close()
  const listed: Listed[] = JSON.parse(await printed('source', ['token', 'list', '--json'], place))
  expect(listed.map(({ name, state }) => [name, state])).toEqual([
    ['old', 'expired'],
    ['good', 'good'],
  ])
})

test('a token is good until the moment it expires [R7644-2-05] [R7644-7-02]', async () => {
  await using server = await startTestServer()
  const words = ['token', 'create', '--name', 'short', '--expires', '30m', '--data', server.data]
  const token = (await printed('source', words, { cwd: server.data })).trim()
  const ask = async (url = server.url) =>
    send(`${url}/Users`, 'GET', undefined, { Authorization: `Bearer ${token}` })
  const status = async () => (await ask()).status
  const [{ expires }] = JSON.parse(
    await printed('source', ['token', 'list', '--json', '--data', server.data], {
      cwd: server.data,
    }),
  )
  // The command has the real clock, and the server one that is held still.
  server.passTime(Date.parse(expires) - server.now() - 1)
  expect(await status()).toBe(200)
  server.passTime(1)
  for (const url of [server.url, server.url.replace('/scim', '/t/nobody/scim')]) {
    const refused = await ask(url)
    expect(refused.status).toBe(401)
    expect(refused.headers.get('www-authenticate')).toInclude('the token has expired')
  }
})

const filesBelow = (directory: string): { name: string; bytes: Buffer }[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(directory, name)).isFile())
    .map((name) => ({ name, bytes: readFileSync(join(directory, name)) }))
