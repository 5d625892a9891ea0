/** Starts a server on a fresh data directory, from source or as the executable, and talks to it. */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Running, type Surroundings, start } from '../src/app.ts'
import { type Flags, readConfig } from '../src/config.ts'
import { loadRegistry } from '../src/schemas.ts'
import { DEFAULT_RULES } from '../src/scim/tolerance.ts'
import { openLmdbStore } from '../src/store/lmdb-store.ts'
import type { JournalEntry } from '../src/store/store.ts'

export const EXECUTABLE = resolve(import.meta.dir, '../dist/scimd')

export type Target = 'source' | 'executable'

/**
 * What a test can run against. `bun run test` builds the executable before the tests; a plain
 * `bun test` without one tests the source alone.
 */
export const TARGETS: readonly Target[] = existsSync(EXECUTABLE)
  ? ['source', 'executable']
  : ['source']

/** The executable where it is built, as it starts faster: for what is the same on both. */
export const QUICKEST: Target = TARGETS.at(-1) ?? 'source'
export const isBuilt = TARGETS.includes('executable')

/** The static token of every test server. */
export const TOKEN = 'a-token-for-tests-0123456789-0123456789'

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /**
   * The parsed body, or undefined when there is none. Tests look into answers without declaring
   * their shape.
   */
  readonly body: ReturnType<typeof JSON.parse>
}

export interface TestOptions {
  readonly target?: Target
  /** The content of scimd.json. */
  readonly config?: object
  readonly flags?: Flags
  /** What a server from source is given beside its settings. */
  readonly given?: Pick<Surroundings, 'answers' | 'idleS'>
  /** A data directory to go on with. */
  readonly data?: string
  /** Keeps the data directory when the server stops. */
  readonly keep?: boolean
}

export interface TestServer extends AsyncDisposable {
  /** http://HOST:PORT/scim/v2 */
  readonly url: string
  readonly data: string
  /** What the server wrote to standard error. */
  errors(): string
  /** Sends JSON with the test token. A path is relative to the base URL of the default tenant. */
  request(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string | undefined>>,
  ): Promise<Reply>
  /** Moves the clock of a server from source; the executable has the real one. */
  passTime(ms: number): void
  /** What that clock shows. */
  now(): number
  stop(): Promise<void>
  /** Stops the server and reads what the default tenant's journal holds. */
  journal(): Promise<readonly JournalEntry[]>
}

const START = Date.UTC(2026, 0, 31, 9, 30)

/** Starts a server on a free port. Dispose of it with `await using`. */
export async function startTestServer(options: TestOptions = {}): Promise<TestServer> {
  const { target = 'source' } = options
  const data = options.data ?? mkdtempSync(join(tmpdir(), 'scimd-test-'))
  if (options.config) writeFileSync(join(data, 'scimd.json'), JSON.stringify(options.config))
  const clock = { now: START }
  const errors: string[] = []
  const flags: Flags = { data, listen: '127.0.0.1:0', rateLimit: '0', ...options.flags }
  const { url, stop } =
    target === 'source'
      ? await startSource(flags, clock, errors, options.given)
      : await startExecutable(flags, errors)
  let stopping: Promise<void> | undefined
  const stopOnce = () => {
    stopping ??= stop()
    return stopping
  }
  return {
    url,
    data,
    errors: () => errors.join(''),
    request: (method, path, body, headers) => send(`${url}${path}`, method, body, headers),
    passTime(ms) {
      if (target !== 'source') throw new Error('only a server from source has a clock that moves')
      clock.now += ms
    },
    now: () => clock.now,
    stop: stopOnce,
    async journal() {
      await stopOnce()
      return readJournal(data, options.flags?.['schemas'])
    },
    async [Symbol.asyncDispose]() {
      await stopOnce()
      if (!options.keep) rmSync(data, { recursive: true, force: true })
    },
  }
}

/**
 * Sends one request. A string or bytes go as they are, anything else as JSON; a header that is
 * undefined is left out.
 */
export async function send(
  url: string,
  method: string,
  body?: unknown,
  headers: Readonly<Record<string, string | undefined>> = {},
): Promise<Reply> {
  const isRaw = typeof body === 'string' || body instanceof Uint8Array
  const given = {
    Authorization: `Bearer ${TOKEN}`,
    ...(body === undefined ? {} : { 'Content-Type': 'application/scim+json' }),
    ...headers,
  }
  const response = await fetch(url, {
    method,
    headers: Object.entries(given).filter(
      (header): header is [string, string] => header[1] !== undefined,
    ),
    ...(body === undefined
      ? {}
      : { body: isRaw ? (body as string | Uint8Array<ArrayBuffer>) : JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: text === '' ? undefined : JSON.parse(text),
  }
}

async function startSource(
  flags: Flags,
  clock: { now: number },
  errors: string[],
  given: TestOptions['given'],
) {
  const running: Running = await start(readConfig(flags, { SCIMD_TOKEN: TOKEN }), {
    log: (level, message, facts) => void errors.push(JSON.stringify({ level, message, ...facts })),
    now: () => clock.now,
    newId: () => Bun.randomUUIDv7(),
    ...given,
  })
  return { url: running.url, stop: () => running.stop() }
}

const FLAG_OF: Readonly<Record<string, string>> = {
  baseUrl: 'base-url',
  behindProxy: 'behind-proxy',
  metricsListen: 'metrics-listen',
  rateLimit: 'rate-limit',
  tlsCert: 'tls-cert',
  tlsKey: 'tls-key',
  tlsClientCa: 'tls-client-ca',
}

async function startExecutable(flags: Flags, errors: string[]) {
  if (!existsSync(EXECUTABLE)) throw new Error(`${EXECUTABLE} is not built: bun run build`)
  const words = Object.entries(flags).flatMap(([name, value]) => {
    const flag = `--${FLAG_OF[name] ?? name}`
    return value === true ? [flag] : [flag, String(value)]
  })
  const child = Bun.spawn([EXECUTABLE, 'serve', ...words], {
    env: { PATH: process.env.PATH ?? '', SCIMD_TOKEN: TOKEN },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  void collect(child.stderr, errors)
  const url = await listeningUrl(child.stdout, errors)
  return {
    url,
    async stop() {
      child.kill('SIGTERM')
      const status = await child.exited
      if (status !== 0) throw new Error(`the executable ended with ${status}: ${errors.join('')}`)
    },
  }
}

async function collect(stream: ReadableStream<Uint8Array>, into: string[]): Promise<void> {
  const decoder = new TextDecoder()
  for await (const chunk of stream) into.push(decoder.decode(chunk))
}

/** Waits for the line that says where the server listens. */
export async function listeningUrl(
  stdout: ReadableStream<Uint8Array>,
  errors: readonly string[] = [],
): Promise<string> {
  let text = ''
  const decoder = new TextDecoder()
  const reader = stdout.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    text += value ? decoder.decode(value) : ''
    const url = /scimd listening on (\S+)\n/.exec(text)?.[1]
    if (url !== undefined) {
      reader.releaseLock()
      return url
    }
    if (done) throw new Error(`the server did not start: ${text}${errors.join('')}`)
  }
}

async function readJournal(
  data: string,
  schemas: string | boolean | undefined,
): Promise<readonly JournalEntry[]> {
  const registry = loadRegistry(typeof schemas === 'string' ? schemas : undefined)
  const path = join(data, 'tenants', 'default.mdb')
  const store = await openLmdbStore(path, 'default', registry, DEFAULT_RULES)
  const entries = await store.journal(0, 1_000_000)
  await store.close()
  return entries
}
