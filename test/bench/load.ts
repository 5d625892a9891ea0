/** Sends requests over kept-alive connections and measures how fast they are answered. */

import { readFileSync } from 'node:fs'

/** One request to send. `body` is JSON text. */
export interface Request {
  readonly method: 'GET' | 'POST' | 'PATCH'
  readonly path: string
  readonly body?: string
}

/** Who is asked: a port of this machine, the bearer token, and the process that answers. */
export interface Server {
  readonly port: number
  readonly token: string
  readonly pid: number
}

/** What was measured. Latencies are in milliseconds, sorted. */
export interface Measured {
  readonly count: number
  readonly perSecond: number
  readonly latencies: readonly number[]
  /** Processor time of the server for each request, in microseconds; undefined where unknown. */
  readonly cpuMicros: number | undefined
}

export interface Load {
  readonly connections: number
  /** Ends after this many milliseconds, or when `next` has nothing more. */
  readonly ms?: number
  /** The next request of one connection; undefined ends it. */
  next(connection: number): Request | undefined
}

interface Connection {
  readonly number: number
  sentAt: number
  received: string
  end(): void
}

/**
 * Runs a load. Sockets are written by hand, as fetch would cost more than the server that it asks.
 *
 * @throws Error for any answer but a 2xx
 */
export async function run(server: Server, { connections, ms, next }: Load): Promise<Measured> {
  const latencies: number[] = []
  const started = performance.now()
  const end = ms === undefined ? Number.POSITIVE_INFINITY : started + ms
  const cpuBefore = cpuMicrosOf(server.pid)
  await Promise.all(Array.from({ length: connections }, (_, number) => serve(number)))
  const seconds = (performance.now() - started) / 1000
  const cpuAfter = cpuMicrosOf(server.pid)
  const { length: count } = latencies
  const hasCpu = cpuBefore !== undefined && cpuAfter !== undefined
  return {
    count,
    perSecond: count / seconds,
    latencies: latencies.sort((left, right) => left - right),
    cpuMicros: hasCpu ? (cpuAfter - cpuBefore) / count : undefined,
  }

  function serve(number: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const opening = Bun.connect<Connection>({
      hostname: '127.0.0.1',
      port: server.port,
      data: { number, sentAt: 0, received: '', end: resolve },
      socket: {
        open: (socket) => send(socket),
        data(socket, bytes) {
          const { data } = socket
          data.received += bytes.toString('latin1')
          if (!isWhole(data.received)) return
          latencies.push(performance.now() - data.sentAt)
          if (!data.received.startsWith('HTTP/1.1 2')) {
            reject(new Error(`the server refused: ${data.received}`))
            socket.end()
            return
          }
          data.received = ''
          if (performance.now() < end) send(socket)
          else finish(socket)
        },
        close: () => reject(new Error('the server closed a connection')),
        error: (_socket, error) => reject(error),
      },
    })
    opening.catch(reject)
    return promise
  }

  function send(socket: Bun.Socket<Connection>): void {
    const request = next(socket.data.number)
    if (!request) return finish(socket)
    socket.data.sentAt = performance.now()
    const text = requestText(server, request)
    const written = socket.write(text)
    if (written !== Buffer.byteLength(text)) throw new Error('a request did not fit the socket')
  }

  function finish(socket: Bun.Socket<Connection>): void {
    socket.data.end()
    socket.end()
  }
}

function requestText({ port, token }: Server, { method, path, body }: Request): string {
  const head =
    `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n` +
    `Authorization: Bearer ${token}\r\nAccept: application/scim+json\r\n`
  if (body === undefined) return `${head}\r\n`
  const length = Buffer.byteLength(body)
  return `${head}Content-Type: application/scim+json\r\nContent-Length: ${length}\r\n\r\n${body}`
}

/** Whether an answer has come completely. Answers of a stream are not for this client. */
function isWhole(received: string): boolean {
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd < 0) return false
  const length = /\r\ncontent-length: *(\d+)/i.exec(received.slice(0, headEnd))?.[1]
  if (length === undefined) {
    if (received.startsWith('HTTP/1.1 204')) return true
    throw new Error(`an answer has no length: ${received.slice(0, headEnd)}`)
  }
  return received.length >= headEnd + 4 + Number(length)
}

/** /proc counts in hundredths of a second, on every machine that has it. */
const TICK_MICROS = 10_000

/** Processor time that a process has used: user and system, all threads. Linux alone tells. */
function cpuMicrosOf(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS
}
