/** Who is let in with a bearer token, and what is said to everybody else. */

import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { bearerCheck, mintToken, prefixIn, tokenIn } from '../../src/auth/bearer.ts'
import { openLmdbControl } from '../../src/store/lmdb-control.ts'
import { startTestServer, TARGETS, TOKEN } from '../harness.ts'
import { temporaryDirectory } from '../store/given.ts'

/** Processes start slowly on a machine that has much else to do. */
setDefaultTimeout(30_000)

const ERROR = 'urn:ietf:params:scim:api:messages:2.0:Error'

const wanted = {
  name: 'entra',
  tenant: 'default',
  scope: 'write',
  created: 1000,
  expires: undefined,
} as const

describe.each(TARGETS)('from %s', (target) => {
  test('a request without a credential is told the scheme, in a SCIM error [R7644-2-02] [R7644-2-03] [R7644-2-07] [OKTA-10]', async () => {
    await using server = await startTestServer({ target })
    for (const [method, path] of [
      ['GET', '/Users'],
      ['POST', '/Users'],
      ['GET', '/Users/x'],
      ['PUT', '/Users/x'],
      ['PATCH', '/Users/x'],
      ['DELETE', '/Users/x'],
      ['HEAD', '/Groups'],
      ['POST', '/Bulk'],
      ['POST', '/Schemas'],
    ] as const) {
      const reply = await server.request(method, path, undefined, { Authorization: undefined })
      expect([method, path, reply.status]).toEqual([method, path, 401])
      expect(reply.headers.get('www-authenticate')).toBe('Bearer realm="scimd"')
      expect(reply.headers.get('content-type')).toBe('application/scim+json')
      if (method === 'HEAD') continue
      expect(reply.body).toEqual({
        schemas: [ERROR],
        status: '401',
        detail: expect.stringMatching(/bearer token/),
      })
    }
  })

  test.each([
    ['of another text', 'Bearer nonsense'],
    ['nearly the right one', `Bearer ${TOKEN.slice(0, -1)}`],
    ['a longer one', `Bearer ${TOKEN}x`],
    ['in another case', `Bearer ${TOKEN.toUpperCase()}`],
    ['twice', `Bearer ${TOKEN} ${TOKEN}`],
    ['in quotes', `Bearer "${TOKEN}"`],
    ['of the right form', `Bearer scimd_abcdefghijkl_${'A'.repeat(43)}`],
    ['very long', `Bearer ${'x'.repeat(8000)}`],
    ['not ASCII', 'Bearer tökén'],
    ['missing behind the scheme', 'Bearer'],
  ])('a token that is %s is refused as invalid [R7644-2-05]', async (_, header) => {
    await using server = await startTestServer({ target })
    const reply = await server.request('GET', '/Users', undefined, { Authorization: header })
    expect(reply.status).toBe(401)
    expect(reply.headers.get('www-authenticate')).toBe(
      'Bearer realm="scimd", error="invalid_token", ' +
        'error_description="the token is not known here: wrong, revoked, or of another tenant"',
    )
    expect(reply.body).toMatchObject({ schemas: [ERROR], status: '401' })
    expect(reply.text).not.toContain(TOKEN)
  })

  test('the scheme is known in any case, and spaces around the token do not matter', async () => {
    await using server = await startTestServer({ target })
    for (const header of [`bearer ${TOKEN}`, `BEARER ${TOKEN}`, `Bearer   ${TOKEN}  `]) {
      const reply = await server.request('GET', '/Users', undefined, { Authorization: header })
      expect([header, reply.status]).toEqual([header, 200])
    }
  })

  test('a token is taken from the header and from nowhere else [R7644-7-04]', async () => {
    await using server = await startTestServer({ target })
    const without = { Authorization: undefined }
    const asked = await server.request('GET', `/Users?access_token=${TOKEN}`, undefined, without)
    expect(asked.status).toBe(401)
    const form = { ...without, 'Content-Type': 'application/x-www-form-urlencoded' }
    const posted = await server.request('POST', '/Users', `access_token=${TOKEN}`, form)
    expect(posted.status).toBe(401)
    const cookie = { ...without, Cookie: `access_token=${TOKEN}; Authorization=Bearer ${TOKEN}` }
    expect((await server.request('GET', '/Users', undefined, cookie)).status).toBe(401)
    const basic = { Authorization: `Basic ${btoa(`scimd:${TOKEN}`)}` }
    expect((await server.request('GET', '/Users', undefined, basic)).status).toBe(401)
  })

  test('discovery answers anybody, but not a credential that is wrong', async () => {
    await using server = await startTestServer({ target })
    for (const path of ['/ServiceProviderConfig', '/Schemas', '/ResourceTypes']) {
      const ask = async (header: string | undefined) =>
        (await server.request('GET', path, undefined, { Authorization: header })).status
      expect(await Promise.all([ask(undefined), ask(`Bearer ${TOKEN}`), ask('Bearer x')])).toEqual([
        200, 200, 401,
      ])
    }
  })
})

test('a minted token has 256 random bits, and only its hash is kept [R7644-7-02] [R7644-7-05]', async () => {
  using directory = temporaryDirectory()
  const control = openLmdbControl(directory.file)
  const minted = await Promise.all(Array.from({ length: 50 }, () => mintToken(control, wanted)))
  const secrets = minted.map(({ token }) => token.split('_').slice(2).join('_'))
  expect(new Set(secrets).size).toBe(50)
  for (const secret of secrets) expect(Buffer.from(secret, 'base64url')).toHaveLength(32)
  for (const { token, credential } of minted) {
    expect(prefixIn(token)).toBe(credential.prefix)
    expect(prefixIn(credential.prefix)).toBe(credential.prefix)
    expect(credential.hash).toMatch(/^[0-9a-f]{64}$/)
    expect(JSON.stringify(credential)).not.toContain(token.slice(-20))
  }
  expect(control.credentials()).toHaveLength(50)
  await control.close()
})

test('the right prefix with another secret, and the right secret with another prefix, are refused', async () => {
  using directory = temporaryDirectory()
  const control = openLmdbControl(directory.file)
  const check = bearerCheck(control, undefined)
  const [one, two] = [await mintToken(control, wanted), await mintToken(control, wanted)]
  const [, prefix, ...rest] = one.token.split('_')
  const mixed = `scimd_${prefix}_${two.token.split('_').slice(2).join('_')}`
  const flipped = one.token.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))
  expect(check(one.token, 2000)).toEqual({
    id: one.credential.prefix,
    name: 'entra',
    tenant: 'default',
    scopes: new Set(['write']),
    user: undefined,
  })
  expect([mixed, flipped, rest.join('_'), prefix ?? '', ''].map((t) => check(t, 2000))).toEqual(
    new Array<undefined>(5).fill(undefined),
  )
  await control.close()
})

test('a token expires on the millisecond, and is gone when it is revoked', async () => {
  using directory = temporaryDirectory()
  const control = openLmdbControl(directory.file)
  const check = bearerCheck(control, undefined)
  const { token, credential } = await mintToken(control, { ...wanted, expires: 5000 })
  expect([4999, 5000, 5001].map((now) => check(token, now))).toEqual([
    expect.objectContaining({ name: 'entra' }),
    'expired',
    'expired',
  ])
  // Nobody learns that from a prefix: the secret has to be right.
  expect(
    check(
      token.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
      5000,
    ),
  ).toBeUndefined()
  expect(await control.removeCredential(credential.prefix)).toBe(true)
  expect(check(token, 4999)).toBeUndefined()
  expect(await control.removeCredential(credential.prefix)).toBe(false)
  await control.close()
})

test('what another process writes is seen by the next check', async () => {
  using directory = temporaryDirectory()
  const control = openLmdbControl(directory.file)
  const check = bearerCheck(control, undefined)
  const script = `
    import { openLmdbControl } from ${JSON.stringify(join(import.meta.dir, '../../src/store/lmdb-control.ts'))}
    import { mintToken } from ${JSON.stringify(join(import.meta.dir, '../../src/auth/bearer.ts'))}
    const control = openLmdbControl(${JSON.stringify(directory.file)})
    const { token } = await mintToken(control, ${JSON.stringify(wanted)})
    await control.close()
    console.log(token)`
  const child = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe' })
  const token = (await new Response(child.stdout).text()).trim()
  expect(await child.exited).toBe(0)
  expect(check(token, 2000)).toMatchObject({ name: 'entra' })
  await control.close()
})

test('the token is what stands behind the scheme, and nothing else', () => {
  expect(
    [null, '', 'Bearer', 'Bearer ', 'Bearer a b', 'Basic a', 'Bearera', 'Bearer é'].map(tokenIn),
  ).toEqual(new Array<undefined>(8).fill(undefined))
  expect(['Bearer a', 'bEARER   a  '].map(tokenIn)).toEqual(['a', 'a'])
})
