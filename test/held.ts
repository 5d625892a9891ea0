/** A request whose body is held back, so that it is in flight for as long as a test likes. */

import type { Socket } from 'node:net'
import { TOKEN } from './harness.ts'

export interface Held {
  /** Sends the rest of the body; the whole answer, once the server has closed the connection. */
  finish(): Promise<string>
}

/**
 * Sends a POST but for the last byte of its body, on a connection that is there. The server asks
 * for the body (100 Continue) once it has read the head: from then on it answers this request.
 */
export async function held(socket: Socket, path: string, body: object): Promise<Held> {
  const text = Buffer.from(JSON.stringify(body))
  const head = [
    `POST /scim/v2${path} HTTP/1.1`,
    'Host: localhost',
    `Authorization: Bearer ${TOKEN}`,
    'Content-Type: application/scim+json',
    `Content-Length: ${text.length}`,
    'Expect: 100-continue',
    'Connection: close',
  ]
  const { promise: wanted, resolve: want, reject } = Promise.withResolvers<void>()
  const { promise: answer, resolve } = Promise.withResolvers<string>()
  let received = ''
  socket.on('data', (chunk) => {
    received += chunk
    const [interim = '', rest] = received.split('\r\n\r\n', 2)
    if (rest === undefined || !interim.startsWith('HTTP/1.1 100 ')) return
    received = received.slice(interim.length + 4)
    want()
  })
  socket.on('error', reject)
  socket.on('close', () => {
    reject(new Error(`closed before its body was asked for: ${received}`))
    resolve(received)
  })
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  await wanted
  socket.write(text.subarray(0, -1))
  return {
    finish() {
      socket.write(text.subarray(-1))
      return answer
    },
  }
}
