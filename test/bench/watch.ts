/** Starts the watched server of watched.ts and asks it how long its event loop was blocked. */

import { join } from 'node:path'
import type { Ask } from './blocks-cases.ts'
import type { Directory } from './directory.ts'
import type { Seen } from './seed.ts'
import { track } from './servers.ts'

/** A server that watches itself. */
export interface Watched {
  readonly directory: Directory
  /** One request by fetch; the answer is read to its end. */
  readonly ask: Ask
  begin(): Promise<void>
  end(): Promise<Seen>
  stop(): Promise<void>
}

/** Fills a store in this directory, which takes half a minute, and serves it with this token. */
export async function startWatched(data: string, token: string): Promise<Watched> {
  /** What the child has sent and nobody has taken yet. */
  const told: unknown[] = []
  let waiting: ((message: unknown) => void) | undefined
  const script = join(import.meta.dir, 'watched.ts')
  const child = Bun.spawn([process.execPath, script, data, token], {
    env: { PATH: process.env.PATH ?? '' },
    stdout: 'inherit',
    stderr: 'ignore',
    ipc(message) {
      if (waiting) waiting(message)
      else told.push(message)
    },
  })
  track(child)
  const { url } = await hear<{ url: string }>()
  const { port, pathname } = new URL(url)
  return {
    directory: { port: Number(port), pid: child.pid, token, path: pathname },
    async ask(method, path, body, signal) {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/scim+json' },
        ...(body === undefined ? {} : { body }),
        ...(signal ? { signal } : {}),
      })
      return { status: response.status, text: await response.text() }
    },
    async begin() {
      child.send('begin')
      await hear()
    },
    end() {
      child.send('end')
      return hear<Seen>()
    },
    async stop() {
      child.kill()
      await child.exited
    },
  }

  async function hear<T>(): Promise<T> {
    if (told.length > 0) return told.shift() as T
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    waiting = resolve
    void child.exited.then((status) => reject(new Error(`the watched server ended: ${status}`)))
    const message = (await promise) as T
    waiting = undefined
    return message
  }
}
