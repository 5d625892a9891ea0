/** The listener: a port of its own, its certificate renewed under load, its last descriptor. */

import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ConnectionOptions, connect } from 'node:tls'
import { isShared } from '../../src/port.ts'
import { type Made, makeCertificate } from '../certificates.ts'
import { startTestServer, TARGETS, TOKEN } from '../harness.ts'
import { type Served, scimd, serving, temporary } from './given.ts'

/** Processes start slowly on a machine that has much else to do. */
setDefaultTimeout(60_000)

const TLS = ['--tls-cert', 'cert.pem', '--tls-key', 'key.pem']
const env = { SCIMD_TOKEN: TOKEN }

const authority = makeCertificate({ name: 'authority', isAuthority: true })
const ours = makeCertificate({ name: 'ours', by: authority })
const renewed = makeCertificate({ name: 'renewed', by: authority })

function place(cwd: string, { cert, key }: Pick<Made, 'cert' | 'key'>): void {
  writeFileSync(join(cwd, 'cert.pem'), cert)
  writeFileSync(join(cwd, 'key.pem'), key, { mode: 0o600 })
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await Bun.sleep(50)
}

const portOf = ({ url }: { readonly url: string }): number => Number(new URL(url).port)

/** Whether `/health` is answered, on a connection of its own. */
const isHealthy = ({ url }: Served): Promise<boolean> =>
  fetch(`${new URL(url).origin}/health`, {
    keepalive: false,
    signal: AbortSignal.timeout(1000),
  }).then(
    ({ status }) => status === 200,
    () => false,
  )

/** The suite that a client and the server agree on; undefined when there is none. */
const suiteOf = (port: number, options: ConnectionOptions): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, ca: authority.cert, ...options }, () => {
      resolve(socket.getCipher().name)
      socket.end()
    })
    socket.on('error', () => resolve(undefined))
    socket.on('close', () => resolve(undefined))
  })

describe.each(TARGETS)('from %s', (target) => {
  test.each(['plain', 'TLS'])(
    'a second server does not share the port of another (%s)',
    async (kind) => {
      using directory = temporary()
      place(directory.cwd, ours)
      const words = kind === 'TLS' ? TLS : []
      await using first = await serving(target, { ...directory, env }, ...words)
      const listen = `127.0.0.1:${portOf(first)}`
      const second = ['serve', '--data', 'other', '--listen', listen, ...words]
      expect(await scimd(target, second, { ...directory, env })).toEqual({
        status: 1,
        out: '',
        err:
          `scimd: another program listens on ${listen}\n` +
          'try: stop it first, or name another address with --listen\n',
      })
      // Each request comes to the first one still.
      const ca = kind === 'TLS' ? { tls: { ca: authority.cert } } : {}
      const headers = { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/scim+json' }
      const body = '{"userName": "ada"}'
      const init = { method: 'POST', headers, body, keepalive: false, ...ca } as RequestInit
      const statuses = []
      for (let count = 0; count < 10; count++) {
        statuses.push((await fetch(`${first.url}/Users`, init)).status)
      }
      expect(statuses).toEqual([201, ...Array(9).fill(409)])
    },
  )

  test.each(['plain', 'TLS'])('nor that of a program that would share it (%s)', async (kind) => {
    using directory = temporary()
    place(directory.cwd, ours)
    using taken = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      reusePort: true,
      fetch: () => new Response('not scimd'),
    })
    const words = ['serve', '--listen', `127.0.0.1:${taken.port}`, ...(kind === 'TLS' ? TLS : [])]
    const { status, err } = await scimd(target, words, { ...directory, env })
    expect(status).toBe(1)
    expect(err).toStartWith('scimd: another program listens on ')
  })

  test('no connection is refused while a certificate is renewed', async () => {
    using directory = temporary()
    place(directory.cwd, ours)
    await using server = await serving(target, { ...directory, env }, ...TLS)
    const faults = new Map<string, number>()
    let answered = 0
    let isOver = false
    const ask = async (): Promise<void> => {
      while (!isOver) {
        try {
          const init = { keepalive: false, tls: { ca: authority.cert } } as RequestInit
          const reply = await fetch(`${server.url}/ServiceProviderConfig`, init)
          if (reply.status === 200) answered++
          else faults.set(String(reply.status), 1)
          await reply.text()
        } catch (error) {
          const { code = String(error) } = error as { code?: string }
          faults.set(code, (faults.get(code) ?? 0) + 1)
        }
      }
    }
    const asking = Array.from({ length: 8 }, ask)
    const served = () => server.errors().split('serving a renewed certificate').length - 1
    for (let round = 0; round < 4; round++) {
      place(directory.cwd, round % 2 === 0 ? renewed : ours)
      await until(() => served() > round)
      const before = answered
      await until(() => answered > before + 20)
    }
    isOver = true
    await Promise.all(asking)
    // One on which nothing was sent may be closed, and its client makes it again.
    faults.delete('ECONNRESET')
    expect(Object.fromEntries(faults)).toEqual({})
    expect(answered).toBeGreaterThan(80)
    expect((await server.end()).status).toBe(0)
  })

  test('TLS 1.2 is spoken with forward secrecy alone', async () => {
    for (const isRsa of [true, false]) {
      using directory = temporary()
      place(directory.cwd, makeCertificate({ name: 'ours', by: authority, isRsa }))
      await using server = await serving(target, { ...directory, env }, ...TLS)
      const port = portOf(server)
      const older = (ciphers: string) =>
        suiteOf(port, { ciphers, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })
      const kind = isRsa ? 'RSA' : 'ECDSA'
      for (const suite of ['AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'CHACHA20-POLY1305']) {
        const name = `ECDHE-${kind}-${suite}`
        expect(await older(name)).toBe(name)
      }
      const without = ['AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'AES128-SHA', 'AES256-SHA']
      const chained = [`ECDHE-${kind}-AES128-SHA`, `ECDHE-${kind}-AES256-SHA`]
      for (const name of [...without, ...chained]) {
        expect({ name, found: await older(name) }).toEqual({ name, found: undefined })
      }
      expect(await suiteOf(port, { minVersion: 'TLSv1.3' })).toStartWith('TLS_')
    }
  })

  test('without a free descriptor it does not spin, and is there as soon as one is free', async () => {
    using directory = temporary()
    // The shell sets the limit for what it becomes.
    const before = ['sh', '-c', 'ulimit -n 128; exec "$@"', 'sh']
    await using server = await serving(target, { ...directory, env, before })
    const open = new Set<{ terminate(): void }>()
    for (let count = 0; count < 400; count++) {
      await Bun.connect({
        hostname: '127.0.0.1',
        port: portOf(server),
        socket: {
          open: (socket) => void open.add(socket),
          data() {},
          error() {},
          close: (socket) => void open.delete(socket),
        },
      }).catch(() => undefined)
    }
    await until(() => server.errors().includes('out of file descriptors: new connections'))
    expect(server.errors()).toContain('LimitNOFILE')
    // Those that nobody had accepted are closed; the others hold all descriptors.
    await until(() => open.size < 128)
    expect(open.size).toBeGreaterThan(50)
    await until(async () => {
      const begun = cpuMs(server.pid)
      await Bun.sleep(500)
      return cpuMs(server.pid) - begun < 100
    })
    expect(await isHealthy(server)).toBe(false)

    for (const socket of [...open].slice(0, 1)) socket.terminate()
    await until(() => isHealthy(server))
    expect(server.errors()).toContain('there are file descriptors again')
    for (const socket of open) socket.terminate()
    await until(() => open.size === 0)
    expect((await server.request('GET', '/Users', TOKEN)).status).toBe(200)
    expect((await server.end()).status).toBe(0)
  })

  test('connections that wait for a next request give way to new ones', async () => {
    using directory = temporary()
    const before = ['sh', '-c', 'ulimit -n 128; exec "$@"', 'sh']
    await using server = await serving(target, { ...directory, env, before })
    let closed = 0
    for (let count = 0; count < 200; count++) {
      await Bun.connect({
        hostname: '127.0.0.1',
        port: portOf(server),
        socket: {
          open: (socket) => void socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n'),
          data() {},
          error() {},
          close: () => void closed++,
        },
      })
    }
    await until(() => server.errors().includes('idle connections were closed'))
    await until(() => closed > 50)
    await until(() => isHealthy(server))
    expect(server.errors()).not.toContain('are refused')
  })
})

/** Processor time of a process, in milliseconds. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

test('two servers that share a port are told from one that has it alone', () => {
  const listening = { hostname: '127.0.0.1', reusePort: true, fetch: () => new Response() }
  using first = Bun.serve({ ...listening, port: 0 })
  expect(isShared(first.port)).toBe(false)
  const { port = 0 } = first
  using second = Bun.serve({ ...listening, port })
  expect(second.port).toBe(port)
  expect(isShared(port)).toBe(true)
})

describe.each(['tcp', 'unix'])('a silent connection (%s)', (kind) => {
  test('is closed when its time has come', async () => {
    using directory = temporary()
    const path = join(directory.cwd, 'socket')
    const listen = kind === 'unix' ? { listen: `unix:${path}` } : {}
    await using server = await startTestServer({ flags: listen, given: { idleS: 1 } })
    const closed = Promise.withResolvers<void>()
    const socket = { data() {}, close: () => closed.resolve() }
    await (kind === 'unix'
      ? Bun.connect({ unix: path, socket })
      : Bun.connect({ hostname: '127.0.0.1', port: portOf(server), socket }))
    await closed.promise
  })
})
