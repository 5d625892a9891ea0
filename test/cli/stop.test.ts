/** How a server ends: nobody new, everybody served, everything closed. */

import { expect, setDefaultTimeout, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { loadRegistry } from '../../src/schemas.ts'
import { TARGETS, TOKEN } from '../harness.ts'
import { held } from '../held.ts'
import { openStore } from '../store/given.ts'
import { faultsIn } from '../store/sound.ts'
import { serving, temporary } from './given.ts'

/** Processes start slowly on a machine that has much else to do. */
setDefaultTimeout(30_000)

/** More than are hashed at a time, so that some wait for the others. */
const IN_FLIGHT_COUNT = 8

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
    const password = 'a long enough password'
    // Each is in flight until its client lets go of the last byte, however fast anybody is.
    const requests = await Promise.all(
      sockets.map((socket, index) => held(socket, '/Users', { userName: `u${index}`, password })),
    )

    const ended = server.end(signal)
    while (await isLetIn(port)) await Bun.sleep(1)
    for (const answer of await Promise.all(requests.map((request) => request.finish()))) {
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

function opened(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.on('error', reject)
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
