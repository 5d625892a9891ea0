/** HTTPS by scimd itself: certificates, their renewal, clients with one, and what is wrong. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type SecureVersion, type TLSSocket } from 'node:tls'
import { type Made, makeCertificate } from '../certificates.ts'
import { TARGETS, TOKEN } from '../harness.ts'
import { held } from '../held.ts'
import { type Served, scimd, serving, temporary } from './given.ts'

/** Processes start slowly on a machine that has much else to do. */
setDefaultTimeout(30_000)

const TLS = ['--tls-cert', 'cert.pem', '--tls-key', 'key.pem']
const env = { SCIMD_TOKEN: TOKEN }

const authority = makeCertificate({ name: 'authority', isAuthority: true })
const ours = makeCertificate({ name: 'ours', by: authority })
const renewed = makeCertificate({ name: 'renewed', by: authority })

function place(cwd: string, { cert, key }: Pick<Made, 'cert' | 'key'>): void {
  writeFileSync(join(cwd, 'cert.pem'), cert)
  writeFileSync(join(cwd, 'key.pem'), key, { mode: 0o600 })
}

/** Asks on a connection of its own; what the client says of itself is in `tls`. */
const ask = (url: string, tls: object = {}, path = '/Users', init: RequestInit = {}) =>
  fetch(`${url}${path}`, {
    headers: { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/scim+json' },
    ...init,
    keepalive: false,
    tls: { ca: authority.cert, ...tls },
  } as RequestInit)

const portOf = (url: string): number => Number(new URL(url).port)

interface Shaken {
  readonly name: string | undefined
  readonly protocol: string | null
}

/** Shakes hands: whose certificate the server has, and which TLS it speaks. */
const shakeHands = (url: string, version?: SecureVersion): Promise<Shaken> =>
  new Promise((resolve, reject) => {
    const versions = version && { minVersion: version, maxVersion: version }
    const socket = connect(
      { host: '127.0.0.1', port: portOf(url), ca: authority.cert, ...versions },
      () => {
        const name = socket.getPeerCertificate().subject.CN
        resolve({ name: name && String(name), protocol: socket.getProtocol() })
        socket.end()
      },
    )
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed')))
  })

/** A connection whose hands have been shaken. */
const opened = (url: string): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: portOf(url), ca: authority.cert }, () =>
      resolve(socket),
    )
    socket.on('error', reject)
  })

/** Whose certificate the server has; of a connection that came while it was exchanged, nobody's. */
const nameNow = (url: string): Promise<string | undefined> =>
  shakeHands(url).then(
    ({ name }) => name,
    () => undefined,
  )

/** Waits until something holds. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await Bun.sleep(50)
}

describe.each(TARGETS)('from %s', (target) => {
  describe('with a certificate', () => {
    const directory = temporary()
    let server: Served
    beforeAll(async () => {
      place(directory.cwd, ours)
      server = await serving(target, { ...directory, env }, ...TLS)
    })
    afterAll(async () => {
      await server[Symbol.asyncDispose]()
      directory[Symbol.dispose]()
    })

    test('the server speaks HTTPS, and says so [R7644-7-01]', async () => {
      expect(server.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/scim\/v2$/)
      const made = await ask(server.url, {}, '/Users', {
        method: 'POST',
        body: JSON.stringify({ userName: 'ada' }),
      })
      expect(made.status).toBe(201)
      expect(made.headers.get('location')).toStartWith(`${server.url}/Users/`)
      expect(server.errors()).not.toContain('warn')
    })

    test('TLS 1.2 and 1.3 are spoken, nothing older, and no plain HTTP [R7644-7-01]', async () => {
      expect((await shakeHands(server.url, 'TLSv1.3')).protocol).toBe('TLSv1.3')
      expect((await shakeHands(server.url, 'TLSv1.2')).protocol).toBe('TLSv1.2')
      await expect(shakeHands(server.url, 'TLSv1.1')).rejects.toThrow()
      await expect(shakeHands(server.url, 'TLSv1')).rejects.toThrow()
      const plain = fetch(`${server.url.replace('https', 'http')}/ServiceProviderConfig`)
      await expect(plain.then(({ ok }) => ok)).rejects.toThrow()
    })
  })

  test('a renewed certificate is served without a start, and a bad one is not', async () => {
    using directory = temporary()
    place(directory.cwd, ours)
    await using server = await serving(target, { ...directory, env }, ...TLS)
    const { url } = server
    expect((await shakeHands(url)).name).toBe('ours')

    // A request whose body is still being sent is answered by the listener that it came to.
    const inFlight = await held(await opened(url), '/Users', { userName: 'ada' })
    place(directory.cwd, renewed)
    await until(async () => (await nameNow(url)) === 'renewed')
    expect(server.errors()).toContain('serving a renewed certificate')
    expect(await inFlight.finish()).toStartWith('HTTP/1.1 201 ')
    expect((await ask(url)).status).toBe(200)

    place(directory.cwd, { cert: ours.cert, key: renewed.key })
    await until(() => server.errors().includes('the old one is kept'))
    expect(server.errors()).toContain('--tls-key key.pem: is not the key of cert.pem')
    expect((await shakeHands(url)).name).toBe('renewed')
    rmSync(join(directory.cwd, 'key.pem'))
    await until(() => server.errors().includes('there is no such file'))
    expect((await shakeHands(url)).name).toBe('renewed')

    place(directory.cwd, ours)
    await until(async () => (await nameNow(url)) === 'ours')
    expect((await server.end()).status).toBe(0)
  })

  test('with an authority for clients, nobody without a certificate of it comes in', async () => {
    using directory = temporary()
    place(directory.cwd, ours)
    const clients = makeCertificate({ name: 'clients', isAuthority: true })
    writeFileSync(join(directory.cwd, 'ca.pem'), clients.cert)
    const good = makeCertificate({ name: 'entra', by: clients })
    const foreign = makeCertificate({ name: 'entra', by: authority })
    const forged = makeCertificate({
      name: 'entra',
      by: makeCertificate({ name: 'clients', isAuthority: true }),
    })
    const words = [...TLS, '--tls-client-ca', 'ca.pem']
    await using server = await serving(target, { ...directory, env }, ...words)
    const { url } = server
    const made = await ask(url, good, '/Users', { method: 'POST', body: '{"userName": "ada"}' })
    expect(made.status).toBe(201)
    for (const tls of [{}, foreign, forged]) {
      const { name: _, secret: __, ...given } = { name: '', secret: '', ...tls }
      const asked = ask(url, given, '/Users', { method: 'POST', body: '{"userName": "eve"}' })
      await expect(asked.then(({ status }) => status)).rejects.toThrow()
    }
    const listed = await ask(url, good)
    expect(await listed.json()).toMatchObject({ totalResults: 1 })
  })

  test('with a certificate of its own, a server may be listened for off loopback', async () => {
    using directory = temporary()
    place(directory.cwd, ours)
    const open = ['--listen', '0.0.0.0:0', '--base-url', 'https://localhost/scim/v2']
    await using server = await serving(target, { ...directory, env }, ...open, ...TLS)
    expect(server.errors()).toBe('')
    expect((await ask(server.url.replace('0.0.0.0', '127.0.0.1'))).status).toBe(200)
  })

  test('what is wrong with the files is told at the start, all at once, with its cure', async () => {
    using directory = temporary()
    const { cwd } = directory
    const start = async (...words: readonly string[]) => {
      const { status, out, err } = await scimd(target, ['serve', ...words], { cwd, env })
      expect({ status, out }).toEqual({ status: 1, out: '' })
      return err
    }
    expect(await start(...TLS, '--tls-client-ca', 'ca.pem')).toBe(
      'scimd: --tls-cert cert.pem: there is no such file\n' +
        'scimd: --tls-key key.pem: there is no such file\n' +
        'scimd: --tls-client-ca ca.pem: there is no such file\n',
    )
    place(cwd, { cert: 'no', key: 'no' })
    expect(await start(...TLS)).toBe(
      'scimd: --tls-cert cert.pem: found no certificate, ' +
        'expected PEM (-----BEGIN CERTIFICATE-----)\n' +
        'scimd: --tls-key key.pem: found no private key, ' +
        'expected PEM (-----BEGIN PRIVATE KEY-----)\n',
    )
    place(cwd, { cert: ours.cert, key: renewed.key })
    expect(await start(...TLS)).toBe(
      'scimd: --tls-key key.pem: is not the key of cert.pem; ' +
        'name the key that the certificate was asked for with\n',
    )
    place(cwd, ours)
    expect(await start('--tls-cert', 'cert.pem')).toBe(
      'scimd: --tls-cert cert.pem: expected --tls-key beside it\n',
    )
    expect(await start('--tls-client-ca', 'cert.pem')).toBe(
      'scimd: --tls-client-ca cert.pem: expected --tls-cert and --tls-key beside it\n',
    )
    expect(await start(...TLS, '--listen', 'unix:socket')).toStartWith(
      'scimd: --tls-cert cert.pem: a Unix socket takes no TLS',
    )
    const encrypted = ours.secret.export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'x',
    })
    place(cwd, { cert: ours.cert, key: String(encrypted) })
    expect(await start(...TLS)).toContain('openssl pkey -in KEY -out NEW')
  })

  test('a certificate that has expired and a key that others may read are warned of', async () => {
    using directory = temporary()
    const to = new Date(Date.UTC(2026, 0, 1))
    const from = new Date(Date.UTC(2025, 0, 1))
    place(directory.cwd, makeCertificate({ name: 'old', by: authority, from, to }))
    chmodSync(join(directory.cwd, 'key.pem'), 0o644)
    await using server = await serving(target, { ...directory, env }, ...TLS)
    const warnings = (await server.end()).err.split('\n').filter((line) => line !== '')
    expect(warnings.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({
        level: 'warn',
        message: 'cert.pem: expired on 2026-01-01; renew it, as no client will connect',
      }),
      expect.objectContaining({
        level: 'warn',
        message: 'key.pem: every user of this machine may read the key; chmod o= key.pem',
      }),
    ])
  })
})
