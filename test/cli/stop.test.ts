/** How a server ends: nobody new, everybody served, everything closed. */

import { expect, setDefaultTimeout, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { loadRegistry } from '../../src/schemas.ts'
import { TARGETS, TOKEN } from '../harness.ts'
import { openStore } from '../store/given.ts'
import { faultsIn } from '../store/sound.ts'
import { serving, temporary } from './given.ts'

/** Processes start slowly on a machine that has much else to do. */
setDefaultTimeout(30_000)

/**
 * Each waits for the hash of its password, which is slow on purpose, and they are two at a time: so
 * many that some still wait when a slow machine comes to see that nobody is let in.
 */
const IN_FLIGHT_COUNT = 24

const CASES = TARGETS.flatMap((target) =>
  (['SIGTERM', 'SIGINT'] as const).map((signal) => [signal, target] as const),
)

test.each(CASES)(
  'at %s nobody new is let in, requests in flight are answered, and the store is closed: %s',
  async (signal, target) => {
    using place = temporary()
    await using server = await serving(target, { ...place, env: { SCIMD_TOKEN: TOKEN } })
    const port = Number(new URL(server.url).port)
    const idle = await opened(port)
    const sockets = await Promise.all(Array.from({ length: IN_FLIGHT_COUNT }, () => opened(port)))
    let answered = 0
    const answers = sockets.map(async (socket, index) => {
      const answer = await answerTo(socket, creation(`user-${index}`))
      answered++
      return answer
    })
    // The server reads in turns: what was sent before the last of these has been read.
    for (let turn = 0; turn < 3; turn++) await fetch(new URL('/health', server.url))

    const ended = server.end(signal)
    while (await isLetIn(port)) await Bun.sleep(1)
    expect(answered).toBeLessThan(IN_FLIGHT_COUNT)
    for (const answer of await Promise.all(answers)) {
      expect(answer).toStartWith('HTTP/1.1 201 ')
      expect(answer).toEndWith('}')
    }
    expect(await ended).toEqual({ status: 0, out: '', err: '' })
    idle.destroy()

    const file = join(place.cwd, 'data/tenants/default.mdb')
    const store = await openStore(file, loadRegistry(undefined))
    expect(await store.journal(0, 100)).toHaveLength(IN_FLIGHT_COUNT)
    expect(faultsIn(store.file)).toEqual([])
    await store.close()
  },
)

function creation(userName: string): string {
  const body = JSON.stringify({ userName, password: 'a long enough password' })
  return [
    'POST /scim/v2/Users HTTP/1.1',
    'Host: localhost',
    `Authorization: Bearer ${TOKEN}`,
    'Content-Type: application/scim+json',
    `Content-Length: ${body.length}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}

function opened(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.on('error', reject)
  })
}

function answerTo(socket: Socket, request: string): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.on('close', () => resolve(text))
    socket.write(request)
  })
}

async function isLetIn(port: number): Promise<boolean> {
  try {
    const socket = await opened(port)
    socket.destroy()
    return true
  } catch {
    return false
  }
}
