/** `scimd serve`: what it makes, what it says, where it listens, and whom it refuses. */

import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { isBuilt, QUICKEST, TARGETS, TOKEN } from '../harness.ts'
import { printed, scimd, serving, TENANT_TOKEN, temporary } from './given.ts'

/** Processes start slowly on a machine that has much else to do. */
setDefaultTimeout(30_000)

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)

/** Every file and directory below one, with its mode. */
const modesBelow = (directory: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => [
      name,
      modeOf(join(directory, name)),
    ]),
  )

const STATIC = { SCIMD_TOKEN: TOKEN }
const ada = { userName: 'ada' }

describe.each(TARGETS)('from %s', (target) => {
  test('the first start writes a token to a file that only its owner reads, the second makes none', async () => {
    using place = temporary()
    const path = join(place.cwd, 'data/first-token')
    {
      await using server = await serving(target, place)
      const line = JSON.parse(server.errors())
      expect(line.message).toBe('the first token is in data/first-token')
      const token = readFileSync(path, 'utf8').trim()
      expect(token).toMatch(TENANT_TOKEN)
      expect(modeOf(path)).toBe('600')
      expect((await server.request('POST', '/Users', token, ada)).status).toBe(201)
      expect((await server.end()).status).toBe(0)
    }
    const written = readFileSync(path, 'utf8')
    await using server = await serving(target, place)
    expect(server.errors()).toBe('')
    expect(readFileSync(path, 'utf8')).toBe(written)
    const found = await server.request('GET', '/Users', written.trim())
    expect(found.body.totalResults).toBe(1)
  })

  test('a file left by an earlier first start does not lend its mode to the next', async () => {
    using place = temporary()
    mkdirSync(join(place.cwd, 'data'))
    const path = join(place.cwd, 'data/first-token')
    writeFileSync(path, 'old\n', { mode: 0o644 })
    await using server = await serving(target, place)
    expect(server.errors()).toContain('data/first-token')
    expect(modeOf(path)).toBe('600')
    expect(readFileSync(path, 'utf8')).toMatch(TENANT_TOKEN)
  })

  test('on a terminal the first token is shown once, with where to paste it, and written nowhere', async () => {
    using place = temporary()
    const first = await onTerminal(target, place.cwd)
    const [token = '', prefix] = TENANT_TOKEN.exec(first) ?? []
    expect(first.split(token)).toHaveLength(3)
    expect(first).toContain('shown this once')
    expect(first).toMatch(/curl -H "Authorization: Bearer \S+" http:\/\/127\.0\.0\.1:\d+\/scim\/v2/)
    expect(existsSync(join(place.cwd, 'data/first-token'))).toBe(false)
    expect(await printed(target, ['token', 'list'], place)).toContain(`${prefix}  first`)

    const second = await onTerminal(target, place.cwd)
    expect(second).toMatch(/^scimd listening on \S+\r?\n$/)
  })

  test('SCIMD_TOKEN is the token of the default tenant, and no other is minted [ENTRA-21]', async () => {
    using place = temporary()
    await using server = await serving(target, { ...place, env: STATIC })
    expect(server.errors()).toBe('')
    expect((await server.request('GET', '/Users', TOKEN)).status).toBe(200)
    expect((await server.request('GET', '/Users', `${TOKEN}x`)).status).toBe(401)
    expect(existsSync(join(place.cwd, 'data/first-token'))).toBe(false)
    expect(await printed(target, ['token', 'list'], place)).toBe('')
  })

  test('the address that was listened on is what the line, Location and meta.location say', async () => {
    using place = temporary()
    for (const [listen, shown] of [
      ['127.0.0.1:0', '127.0.0.1'],
      ['localhost:0', 'localhost'],
      ['[::1]:0', '[::1]'],
    ] as const) {
      await using server = await serving(target, { ...place, env: STATIC }, '--listen', listen)
      const { protocol, hostname, port, pathname } = new URL(server.url)
      expect(`${protocol}//${hostname}${pathname}`).toBe(`http://${shown}/scim/v2`)
      expect(Number(port)).toBeGreaterThan(0)
      const host = { Host: 'evil.example' }
      const made = await server.request('POST', '/Users', TOKEN, { userName: listen }, host)
      expect(made.status).toBe(201)
      expect(made.headers.get('location')).toBe(`${server.url}/Users/${made.body.id}`)
      expect(made.body.meta.location).toBe(`${server.url}/Users/${made.body.id}`)
    }
  })

  test('the data directory is for its owner alone, and so is every file in it', async () => {
    using place = temporary()
    mkdirSync(join(place.cwd, 'data'), { mode: 0o755 })
    await printed(target, ['tenant', 'create', 'acme'], place)
    await using server = await serving(target, place)
    const token = await printed(target, ['token', 'create', '--name', 'x'], place)
    await server.request('POST', '/Users', token.trim(), ada)
    expect(modeOf(join(place.cwd, 'data'))).toBe('700')
    const modes = modesBelow(join(place.cwd, 'data'))
    expect(Object.keys(modes).sort()).toEqual(
      [
        'control.mdb',
        'control.mdb-lock',
        'first-token',
        'serve.lock',
        'tenants',
        'tenants/acme.mdb',
        'tenants/acme.mdb-lock',
        'tenants/default.mdb',
        'tenants/default.mdb-lock',
      ].filter((name) => name !== 'first-token' || server.errors() !== ''),
    )
    const { tenants, ...files } = modes
    expect(tenants).toBe('700')
    expect(new Set(Object.values(files))).toEqual(new Set(['600']))
  })

  test('a second server on the same data directory is refused, until the first has been killed', async () => {
    using place = temporary()
    await using first = await serving(target, { ...place, env: STATIC })
    const second = await scimd(target, ['serve', '--listen', '127.0.0.1:0'], {
      ...place,
      env: STATIC,
    })
    expect(second).toEqual({
      status: 1,
      out: '',
      err:
        'scimd: another scimd serves the data directory ./data\n' +
        'try: stop it first, or name another directory with --data DIR\n',
    })
    expect((await first.request('POST', '/Users', TOKEN, ada)).status).toBe(201)
    await first.end('SIGKILL')

    await using third = await serving(target, { ...place, env: STATIC })
    expect((await third.request('GET', '/Users', TOKEN)).body.totalResults).toBe(1)
  })

  test('a port that another program has is told, and no token is minted', async () => {
    using place = temporary()
    using taken = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() })
    const listen = `127.0.0.1:${taken.port}`
    expect(await scimd(target, ['serve', '--listen', listen], place)).toEqual({
      status: 1,
      out: '',
      err:
        `scimd: another program listens on ${listen}\n` +
        'try: stop it first, or name another address with --listen\n',
    })
    expect(await printed(target, ['token', 'list'], place)).toBe('')
  })

  test('a Unix socket is served, taken over when it is stale, and left alone when it is in use', async () => {
    using place = temporary()
    const path = join(place.cwd, 'scimd.socket')
    const unix = ['--listen', 'unix:scimd.socket', '--base-url', 'https://scim.example/scim/v2']
    const ask = (method: string, body?: object) =>
      fetch('http://localhost/scim/v2/Users', {
        unix: path,
        method,
        headers: { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/scim+json' },
        ...(body && { body: JSON.stringify(body) }),
      })
    await using first = await serving(target, { ...place, env: STATIC }, ...unix)
    expect(first.errors()).toBe('')
    const made = await ask('POST', ada)
    expect(made.status).toBe(201)
    expect(made.headers.get('location')).toStartWith('https://scim.example/scim/v2/Users/')

    const other = ['serve', '--data', 'other', ...unix]
    const refused = await scimd(target, other, { ...place, env: STATIC })
    expect(refused).toMatchObject({ status: 1, out: '' })
    expect(refused.err).toStartWith('scimd: another program listens on unix:scimd.socket\ntry: ')
    expect((await ask('GET')).status).toBe(200)

    await first.end('SIGKILL')
    expect(statSync(path).isSocket()).toBe(true)
    await using second = await serving(target, { ...place, env: STATIC }, ...unix)
    expect((await ask('GET')).status).toBe(200)
    expect((await second.end()).status).toBe(0)
    expect(existsSync(path)).toBe(false)
  })

  test('a file in the place of a Unix socket is not touched', async () => {
    using place = temporary()
    const path = join(place.cwd, 'precious')
    writeFileSync(path, 'precious')
    const { status, err } = await scimd(target, ['serve', '--listen', 'unix:precious'], place)
    expect(status).toBe(1)
    expect(err).toContain('precious is there and is no socket')
    expect(readFileSync(path, 'utf8')).toBe('precious')
  })

  test('every Location begins with --base-url, whatever Host says [R7644-2-01]', async () => {
    using place = temporary()
    const base = 'https://scim.example.com/tenants/a/scim/v2'
    await printed(target, ['tenant', 'create', 'acme'], place)
    const words = ['token', 'create', '--name', 'x', '--tenant', 'acme']
    const acme = (await printed(target, words, place)).trim()
    await using server = await serving(target, { ...place, env: STATIC }, '--base-url', `${base}/`)
    const host = { Host: 'evil.example', 'X-Forwarded-Host': 'evil.example', Forwarded: 'host=e' }
    const made = await server.request('POST', '/Users', TOKEN, ada, host)
    expect(made.headers.get('location')).toBe(`${base}/Users/${made.body.id}`)
    expect(made.body.meta.location).toBe(`${base}/Users/${made.body.id}`)
    const types = await server.request('GET', '/ResourceTypes', undefined, undefined, host)
    expect(types.text).not.toContain('evil')
    for (const { meta } of types.body.Resources) expect(meta.location).toStartWith(base)

    const ofTenant = server.url.replace('/scim/v2', '/t/acme/scim/v2')
    const other = await fetch(`${ofTenant}/Users`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${acme}`, 'Content-Type': 'application/scim+json' },
      body: JSON.stringify(ada),
    })
    const location = 'https://scim.example.com/tenants/a/t/acme/scim/v2/Users/'
    expect(other.headers.get('location')).toStartWith(location)
  })

  test('plain HTTP off loopback is served behind a proxy only', async () => {
    using place = temporary()
    const open = ['--listen', '0.0.0.0:0']
    const refused = await scimd(target, ['serve', ...open], { ...place, env: STATIC })
    expect(refused).toMatchObject({ status: 1, out: '' })
    expect(refused.err).toContain('say --behind-proxy')
    expect(existsSync(join(place.cwd, 'data'))).toBe(false)

    await using server = await serving(
      target,
      {
        ...place,
        env: { ...STATIC, SCIMD_BEHIND_PROXY: 'yes', SCIMD_BASE_URL: 'https://a/scim/v2' },
      },
      ...open,
    )
    expect(server.errors()).toBe('')
    const url = server.url.replace('0.0.0.0', '127.0.0.1')
    expect((await fetch(`${url}/ServiceProviderConfig`)).status).toBe(200)
  })

  test('a base URL that nobody can connect to is warned of', async () => {
    using place = temporary()
    for (const words of [
      ['--listen', '0.0.0.0:0', '--behind-proxy'],
      ['--listen', '[::]:0', '--behind-proxy'],
      ['--listen', 'unix:scimd.socket'],
    ]) {
      await using server = await serving(target, { ...place, env: STATIC }, ...words)
      const { err } = await server.end()
      expect(JSON.parse(err)).toMatchObject({ level: 'warn', baseUrl: server.url })
    }
  })

  test('flags win over the environment, and the environment over what is built in', async () => {
    using place = temporary()
    const env = { ...STATIC, SCIMD_DATA: 'from-env', SCIMD_BASE_URL: 'https://env/scim/v2' }
    await using server = await serving(
      target,
      { ...place, env },
      '--base-url',
      'https://flag/scim/v2',
    )
    const made = await server.request('POST', '/Users', TOKEN, ada)
    expect(made.headers.get('location')).toStartWith('https://flag/scim/v2/Users/')
    expect(readdirSync(place.cwd)).toEqual(['from-env'])
  })

  test('a fault in a schema file stops the start before anything is made', async () => {
    using place = temporary()
    mkdirSync(join(place.cwd, 'schemas'))
    writeFileSync(
      join(place.cwd, 'schemas/X.json'),
      JSON.stringify({ id: 'urn:example:X', name: 'X', attributes: [{ name: 'a', type: 'text' }] }),
    )
    const { status, out, err } = await scimd(target, ['serve', '--schemas', 'schemas'], place)
    expect({ status, out }).toEqual({ status: 1, out: '' })
    expect(err).toMatch(
      /^scimd: schemas\/X\.json: \$\.attributes\[0\]\.type: found "text", expected one of string, /,
    )
    expect(existsSync(join(place.cwd, 'data'))).toBe(false)
  })

  test.skipIf(process.getuid?.() !== 0)(
    'a command of a user who would leave files that the server cannot open is refused',
    async () => {
      using place = temporary()
      await printed(target, ['token', 'create', '--name', 'app'], place)
      const data = join(place.cwd, 'data')
      for (const name of ['', ...readdirSync(data)]) chownSync(join(data, name), 12345, 12345)
      const before = modesBelow(data)
      for (const words of [['serve'], ['token', 'list'], ['tenant', 'create', 'acme']]) {
        expect(await scimd(target, words, place)).toEqual({
          status: 1,
          out: '',
          err:
            'scimd: the data directory ./data belongs to user 12345, and this is user root: ' +
            'files made now could not be opened by the server\n' +
            "try: run it as that user, for example: sudo -u '#12345' scimd …\n",
        })
      }
      expect(modesBelow(data)).toEqual(before)
    },
  )
})

test.each(['control.mdb', 'tenants/default.mdb', 'tenants/acme.mdb'])(
  'a damaged %s is told by its name, and nothing listens',
  async (name) => {
    using place = temporary()
    const path = join(place.cwd, 'data', name)
    await printed(QUICKEST, ['tenant', 'create', 'acme'], place)
    await using server = await serving(QUICKEST, { ...place, env: STATIC })
    await server.end()
    const whole = readFileSync(path)
    const refusal = async () => scimd(QUICKEST, ['serve'], { ...place, env: STATIC })
    const told = (how: string) => ({
      status: 1,
      out: '',
      err: expect.stringMatching(
        RegExp(`^scimd: data/${name} ${how}; restore it from a backup, .+\n$`),
      ),
    })

    truncateSync(path, whole.length / 2)
    expect(await refusal()).toEqual(told('has \\d+ bytes and should have \\d+: it was cut off'))
    truncateSync(path, 100)
    expect(await refusal()).toEqual(told('is shorter than the header of a store'))
    writeFileSync(path, Buffer.alloc(whole.length, 'scim'))
    expect(await refusal()).toEqual(told('does not begin like a store of scimd'))
    writeFileSync(path, whole)
    writeSync(openSync(path, 'r+'), Buffer.alloc(8), 0, 8, 24)
    expect(await refusal()).toEqual(told('does not begin like a store of scimd'))
    writeFileSync(path, whole)
    await using again = await serving(QUICKEST, { ...place, env: STATIC })
    expect(again.errors()).toBe('')
  },
)

test.skipIf(!isBuilt || process.getuid?.() !== 0 || Bun.which('setpriv') === null)(
  'a server that is no root says what it may not do, and does it as the owner',
  async () => {
    using place = temporary()
    chmodSync(place.cwd, 0o755)
    const before = ['setpriv', '--reuid=12345', '--regid=12345', '--clear-groups']
    const anybody = { ...place, before, env: STATIC }
    const refused = await scimd('executable', ['serve', '--listen', '127.0.0.1:0'], anybody)
    expect(refused).toMatchObject({ status: 1, out: '' })
    expect(refused.err).toMatch(
      /^scimd: the data directory \.\/data cannot be made: .+\ntry: .+\n$/,
    )

    mkdirSync(join(place.cwd, 'data'))
    chownSync(join(place.cwd, 'data'), 12345, 12345)
    const low = await scimd('executable', ['serve', '--listen', 'unix:denied'], anybody)
    expect(low).toMatchObject({ status: 1, out: '' })
    expect(low.err).toMatch(/^scimd: unix:denied cannot be listened on: .+\ntry: use a port .+\n$/)

    await using server = await serving('executable', anybody)
    expect((await server.request('POST', '/Users', TOKEN, ada)).status).toBe(201)
    expect((await server.end()).status).toBe(0)
  },
)

/** Runs the server on a terminal until it listens; what it wrote there. */
async function onTerminal(target: (typeof TARGETS)[number], cwd: string): Promise<string> {
  const program =
    target === 'source'
      ? `${process.execPath} ${join(import.meta.dir, '../../src/main.ts')}`
      : join(import.meta.dir, '../../dist/scimd')
  // The shell ends with the server, and names its process first.
  const line = `echo $$; exec ${program} serve --listen 127.0.0.1:0`
  const child = Bun.spawn(['script', '-qec', line, '/dev/null'], {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', SHELL: '/bin/sh' },
    stdin: 'ignore',
    stdout: 'pipe',
  })
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of child.stdout) {
    const listened = text.includes('scimd listening on')
    text += decoder.decode(chunk)
    if (listened || !/scimd listening on \S+\r?\n/.test(text)) continue
    process.kill(Number.parseInt(text, 10), 'SIGTERM')
  }
  expect(await child.exited).toBe(0)
  return text.replace(/^\d+\r?\n/, '')
}
