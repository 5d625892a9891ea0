/** Runs the program, from source or as the executable, as a shell would. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { EXECUTABLE, listeningUrl, type Reply, send, type Target } from '../harness.ts'

const MAIN = resolve(import.meta.dir, '../../src/main.ts')

const PROGRAM: Readonly<Record<Target, readonly string[]>> = {
  source: [process.execPath, MAIN],
  executable: [EXECUTABLE],
}

export const TENANT_TOKEN = /scimd_([a-z0-9]{12})_[A-Za-z0-9_-]{43}/

export interface Place {
  /** The working directory. */
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** Words before the program's own, such as those of `setpriv`. */
  readonly before?: readonly string[]
}

export interface Ended {
  readonly status: number | null
  readonly out: string
  readonly err: string
}

/** A directory that is gone when the test's scope ends. */
export function temporary(): Disposable & { readonly cwd: string } {
  const cwd = mkdtempSync(join(tmpdir(), 'scimd-cli-'))
  return { cwd, [Symbol.dispose]: () => rmSync(cwd, { recursive: true, force: true }) }
}

function spawn(target: Target, words: readonly string[], { cwd, env, before = [] }: Place) {
  return Bun.spawn([...before, ...PROGRAM[target], ...words], {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
}

/** Runs a command to its end. */
export async function scimd(
  target: Target,
  words: readonly string[],
  place: Place,
): Promise<Ended> {
  const child = spawn(target, words, place)
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  await child.exited
  return { status: child.signalCode ? null : child.exitCode, out, err }
}

/** What a command prints; throws when it fails. */
export async function printed(
  target: Target,
  words: readonly string[],
  place: Place,
): Promise<string> {
  const { status, out, err } = await scimd(target, words, place)
  if (status !== 0) throw new Error(`scimd ${words.join(' ')} ended with ${status}: ${err}`)
  return out
}

export interface Served extends AsyncDisposable {
  readonly url: string
  readonly pid: number
  /** What is on standard error by now. */
  errors(): string
  request(
    method: string,
    path: string,
    token: string | undefined,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Reply>
  /** Sends a signal and waits for the end. */
  end(signal?: NodeJS.Signals): Promise<Ended>
}

/** Starts `scimd serve` on a free port, in the data directory `data` of the working directory. */
export async function serving(
  target: Target,
  place: Place,
  ...words: readonly string[]
): Promise<Served> {
  const listen = words.includes('--listen') ? [] : ['--listen', '127.0.0.1:0']
  const child = spawn(target, ['serve', ...listen, ...words], place)
  const errors: string[] = []
  const collected = collect(child.stderr, errors)
  const url = await listeningUrl(child.stdout, errors)
  return {
    url,
    pid: child.pid,
    errors: () => errors.join(''),
    request: (method, path, token, body, headers) =>
      send(`${url}${path}`, method, body, {
        Authorization: token === undefined ? undefined : `Bearer ${token}`,
        ...headers,
      }),
    async end(signal = 'SIGTERM') {
      child.kill(signal)
      await Promise.all([child.exited, collected])
      return { status: child.signalCode ? null : child.exitCode, out: '', err: errors.join('') }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await child.exited
    },
  }
}

async function collect(stream: ReadableStream<Uint8Array>, into: string[]): Promise<void> {
  const decoder = new TextDecoder()
  for await (const chunk of stream) into.push(decoder.decode(chunk))
}
