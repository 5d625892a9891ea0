/** What is about to expire: told in good time, and replaced while the old one is still good. */

import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mintToken } from '../../src/auth/bearer.ts'
import { TOKENS_REPLACED_MAX } from '../../src/scim/limits.ts'
import { openLmdbControl } from '../../src/store/lmdb-control.ts'
import { makeCertificate } from '../certificates.ts'
import { send, startTestServer, TARGETS, type TestServer, TOKEN } from '../harness.ts'
import { printed, scimd, serving, TENANT_TOKEN, temporary } from './given.ts'

/** Processes start slowly on a machine that has much else to do. */
setDefaultTimeout(60_000)

const HOUR_MS = 60 * 60 * 1000
const DAY_MS = 24 * HOUR_MS
const prefixOf = (token: string): string => TENANT_TOKEN.exec(token)?.[1] ?? ''

interface Warning {
  readonly level: string
  readonly message: string
  readonly kind?: string
  readonly name?: string
}

/** Warnings of what expires, in text that holds JSON objects one after the other. */
const warningsIn = (text: string): Warning[] =>
  text
    .split(/\n|(?<=\})(?=\{)/)
    .filter((line) => line.includes('expires in'))
    .map((line) => JSON.parse(line))

const metricsOf = async (url: string): Promise<string[]> =>
  (await (await fetch(new URL('/metrics', url), { tls: { rejectUnauthorized: false } })).text())
    .split('\n')
    .filter((line) => line.startsWith('scimd_expiry_seconds{'))

async function withControl<T>(
  data: string,
  use: (control: ReturnType<typeof openLmdbControl>) => Promise<T>,
): Promise<T> {
  const control = openLmdbControl(join(data, 'control.mdb'))
  try {
    return await use(control)
  } finally {
    await control.close()
  }
}

describe.each(TARGETS)('from %s', (target) => {
  const at = (server: TestServer) => ({ cwd: server.data, env: { SCIMD_DATA: server.data } })
  const statusOf = async (server: TestServer, token: string) =>
    (await send(`${server.url}/Users`, 'GET', undefined, { Authorization: `Bearer ${token}` }))
      .status
  /** What a token is told whose user is nobody; whoever has no good token hears less. */
  const isKnown = async (server: TestServer, token: string) => {
    const headers = { Authorization: `Bearer ${token}` }
    const reply = await send(`${server.url}/Users`, 'GET', undefined, headers)
    return reply.headers.get('www-authenticate')?.includes('the user of the token') === true
  }

  test('a token is rotated: both are good at once, and the old one until its time', async () => {
    await using server = await startTestServer({ target })
    const place = at(server)
    await printed(target, ['tenant', 'create', 'acme'], place)
    const words = ['--tenant', 'acme', '--scope', 'read,users', '--user', 'U1', '--expires', '100d']
    const old = await printed(target, ['token', 'create', '--name', 'okta', ...words], place)
    const earliest = Date.now()
    const { status, out, err } = await scimd(target, ['token', 'rotate', 'okta'], place)
    const latest = Date.now()
    expect(status).toBe(0)
    const [was, is] = [old, out].map(prefixOf) as [string, string]
    expect(out).toMatch(new RegExp(`^${TENANT_TOKEN.source}\n$`))
    expect(is).not.toBe(was)
    expect(err).toInclude(`made token ${is} for "okta"`)
    expect(err).toInclude(`${was}, is good until `)

    const kept = await withControl(server.data, async (control) => control.credentials())
    const [before, after] = [was, is].map((prefix) => kept.find((one) => one.prefix === prefix))
    expect(before).toMatchObject({ replacedBy: is, name: 'okta' })
    expect(before?.expires).toBeWithin(earliest + DAY_MS, latest + DAY_MS + 1)
    const { prefix: _, hash: __, created = 0, expires = 0, lastUsed: ___, ...same } = after ?? {}
    expect(same).toEqual({ name: 'okta', tenant: 'acme', scope: 'read users', user: 'U1' })
    expect(expires - created).toBe(100 * DAY_MS)

    const own = { ...server, url: server.url.replace('/scim/v2', '/t/acme/scim/v2') }
    for (const token of [old, out]) expect(await isKnown(own, token.trim())).toBe(true)
    const listed = JSON.parse(await printed(target, ['token', 'list', '--json'], place))
    expect(listed.map((one: { state: string }) => one.state)).toEqual(['replaced', 'good'])
    expect(listed[0].warning).toBeNull()

    if (target === 'executable') return
    server.passTime((before?.expires ?? 0) - server.now() - 1)
    expect(await isKnown(own, old.trim())).toBe(true)
    server.passTime(1)
    expect(await isKnown(own, old.trim())).toBe(false)
    expect(await isKnown(own, out.trim())).toBe(true)
  })

  test('what may be meant by a name is asked, and a token is replaced once', async () => {
    using place = temporary()
    await printed(target, ['tenant', 'create', 'acme'], place)
    const create = (...words: string[]) =>
      printed(target, ['token', 'create', '--name', 'idp', ...words], place)
    const rotate = (...words: string[]) => scimd(target, ['token', 'rotate', ...words], place)
    const one = prefixOf(await create())
    const other = prefixOf(await create('--tenant', 'acme'))

    expect((await rotate('nobody')).err).toBe(
      'scimd: there is no token "nobody"\ntry: scimd token list shows all\n',
    )
    const several = await rotate('idp')
    expect(several).toMatchObject({ status: 1, out: '' })
    expect(several.err).toInclude('there are 2 tokens "idp"')
    for (const shown of [`${one} (default)`, `${other} (acme)`])
      expect(several.err).toInclude(shown)
    const made = await rotate('idp', '--tenant', 'acme', '--grace', '1h', '--json')
    expect(JSON.parse(made.out)).toMatchObject({ name: 'idp', tenant: 'acme', replaces: other })
    // It has no end of its own, so the new one has none.
    expect(JSON.parse(made.out).expires).toBeNull()
    const again = await rotate(other)
    expect(again).toMatchObject({ status: 1, out: '' })
    expect(again.err).toInclude(`the token ${other} was replaced by ${JSON.parse(made.out).prefix}`)
    expect((await rotate('idp', '--grace', '0')).status).toBe(2)
    expect((await rotate()).status).toBe(2)

    const listed = JSON.parse(await printed(target, ['token', 'list', '--json'], place))
    expect(listed).toHaveLength(3)
  })

  test('so many replaced tokens may wait for their end, and no more', async () => {
    using place = temporary()
    await printed(target, ['token', 'create', '--name', 'idp'], place)
    for (let count = 0; count < TOKENS_REPLACED_MAX; count++)
      await printed(target, ['token', 'rotate', 'idp'], place)
    const refused = await scimd(target, ['token', 'rotate', 'idp'], place)
    expect(refused).toMatchObject({ status: 1, out: '' })
    const cure = /try: (scimd token revoke [a-z0-9]{12})\n$/.exec(refused.err)?.[1] ?? ''
    await printed(target, cure.split(' ').slice(1), place)
    expect((await scimd(target, ['token', 'rotate', 'idp'], place)).status).toBe(0)
  })

  test('a secret of a client ends when it was meant to, and with it what was got by it', async () => {
    await using server = await startTestServer({ target })
    const place = at(server)
    const created = ['client', 'create', '--name', 'idp', '--expires', '5d', '--json']
    const client = JSON.parse(await printed(target, created, place))
    const signIn = (secret: string) =>
      send(
        new URL('/oauth/token', server.url).href,
        'POST',
        `grant_type=client_credentials&client_id=${client.client_id}&client_secret=${secret}`,
        { 'Content-Type': 'application/x-www-form-urlencoded', Authorization: undefined },
      )
    const granted = await signIn(client.client_secret)
    expect(granted.status).toBe(200)
    const added = ['client', 'secret', 'add', client.client_id, '--grace', '2h', '--json']
    const { client_secret: second } = JSON.parse(await printed(target, added, place))
    expect((await signIn(client.client_secret)).status).toBe(200)
    expect((await signIn(second)).status).toBe(200)
    const [kept] = await withControl(server.data, async (control) => control.clients())
    const [old, fresh] = kept?.secrets ?? []
    expect(old?.replacedBy).toBe(fresh?.prefix)
    expect((old?.expires ?? 0) - (fresh?.created ?? 0)).toBe(2 * HOUR_MS)
    expect(fresh?.expires).toBeUndefined()

    // As if the time had come; the executable has no clock that moves.
    await withControl(server.data, (control) =>
      control.changeSecrets(client.client_id, (secrets) =>
        secrets.map((one) => (one.prefix === old?.prefix ? { ...one, expires: 1 } : one)),
      ),
    )
    expect((await signIn(client.client_secret)).status).toBe(401)
    expect((await signIn(second)).status).toBe(200)
    expect(await statusOf(server, granted.body.access_token)).toBe(401)
    const [listed] = JSON.parse(await printed(target, ['client', 'list', '--json'], place))
    expect(listed.warning).toBe(`${old?.prefix} has expired`)
    const words = ['client', 'create', '--name', 'x', '--expires', '1h', '--issuer', 'https://i']
    const refused = await scimd(target, [...words, '--subject', 's', '--audience', 'a'], place)
    expect(refused).toMatchObject({ status: 2, out: '' })
  })

  test('what expires soon is told in the log once, in lists and in metrics', async () => {
    using place = temporary()
    const env = { SCIMD_TOKEN: TOKEN }
    const create = (...words: string[]) => printed(target, words, place)
    const soon = prefixOf(await create('token', 'create', '--name', 'soon', '--expires', '6d'))
    await create('token', 'create', '--name', 'later', '--expires', '200d')
    await create('token', 'create', '--name', 'never')
    await create('token', 'create', '--name', 'turned', '--expires', '6d')
    await create('token', 'rotate', 'turned')
    const client = JSON.parse(
      await create('client', 'create', '--name', 'c', '--expires', '12h', '--json'),
    )
    const to = new Date(Date.now() + 20 * DAY_MS)
    const { cert, key } = makeCertificate({ name: 'server', to })
    writeFileSync(join(place.cwd, 'cert.pem'), cert)
    writeFileSync(join(place.cwd, 'key.pem'), key, { mode: 0o600 })
    const tls = ['--tls-cert', 'cert.pem', '--tls-key', 'key.pem']

    await using server = await serving(target, { ...place, env }, ...tls)
    const count = () => warningsIn(server.errors()).length
    while (count() < 4) await Bun.sleep(20)
    const told = warningsIn(server.errors()).map(({ level, message }) => `${level} ${message}`)
    expect(told.map((one) => one.replace(/"turned".*/, '"turned"'))).toEqual([
      `warn client secret "c" expires in a day: make another with scimd client secret add ${client.client_id}`,
      `warn token "soon" expires in 6 days: make another with scimd token rotate ${soon}`,
      'warn token "turned"',
      'warn certificate "cert.pem" expires in 20 days: renew it; a new file is served without a start',
    ])
    const shown = await metricsOf(server.url)
    const names = shown.map((line) => line.replace(/ \d+$/, ''))
    expect(names.toSorted()).toEqual([
      'scimd_expiry_seconds{kind="certificate",name="cert.pem"}',
      'scimd_expiry_seconds{kind="client secret",name="c"}',
      'scimd_expiry_seconds{kind="token",name="later"}',
      'scimd_expiry_seconds{kind="token",name="soon"}',
      'scimd_expiry_seconds{kind="token",name="turned"}',
    ])
    const seconds = Number(
      shown
        .find((line) => line.includes('"soon"'))
        ?.split(' ')
        .at(-1),
    )
    expect(seconds).toBeWithin(5 * 86_400, 6 * 86_400 + 1)
    const listed: { name: string; warning: string | null }[] = JSON.parse(
      await create('token', 'list', '--json'),
    )
    expect(listed.map(({ name, warning }) => [name, warning])).toEqual([
      ['soon', 'expires in 6 days'],
      ['later', null],
      ['never', null],
      ['turned', null],
      ['turned', 'expires in 6 days'],
    ])
    const [idp] = JSON.parse(await create('client', 'list', '--json'))
    expect(idp.warning).toMatch(/^[a-z0-9]{12} expires in a day$/)
    expect((await server.end()).status).toBe(0)

    // The next start has nothing new to tell, but of what is new.
    await create('token', 'create', '--name', 'new', '--expires', '3d')
    await using again = await serving(target, { ...place, env }, ...tls)
    while (!again.errors().includes('"new\\"')) await Bun.sleep(20)
    const { err } = await again.end()
    expect(warningsIn(err).map(({ name }) => name)).toEqual(['new'])
    for (const text of [told.join(), err]) expect(text).not.toMatch(TENANT_TOKEN)
  })
})

test('30, 7 and 1 days before its end a token is told, once each, and not after it', async () => {
  await using server = await startTestServer()
  const expires = server.now() + 40 * DAY_MS
  const wanted = { name: 'idp', tenant: 'default', scope: 'read', created: server.now(), expires }
  await withControl(server.data, (control) => mintToken(control, wanted))
  const told: string[] = []
  const left = async (ms: number) => {
    server.passTime(expires - ms - server.now())
    const shown = await metricsOf(server.url)
    expect(shown).toEqual([`scimd_expiry_seconds{kind="token",name="idp"} ${ms / 1000}`])
    // What the look has to tell is told before the server ends; here it is read as it comes.
    const isDue = [30, 7, 1].some((days) => ms === days * DAY_MS)
    while (isDue && warningsIn(server.errors()).length === told.length) await Bun.sleep(5)
    const days = warningsIn(server.errors()).map(({ message }) => /in (.+?):/.exec(message)?.[1])
    told.splice(0, told.length, ...days.map(String))
  }
  await left(30 * DAY_MS + HOUR_MS)
  expect(told).toEqual([])
  await left(30 * DAY_MS)
  await left(29 * DAY_MS)
  await left(8 * DAY_MS)
  expect(told).toEqual(['30 days'])
  await left(7 * DAY_MS)
  await left(2 * DAY_MS)
  await left(1 * DAY_MS)
  await left(HOUR_MS)
  await left(-HOUR_MS)
  await server.stop()
  const all = warningsIn(server.errors()).map(({ message }) => /in (.+?):/.exec(message)?.[1])
  expect(all).toEqual(['30 days', '7 days', 'a day'])
})
