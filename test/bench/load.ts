/** Sends requests over kept-alive connections and measures how fast they are answered. */

import { cpuMicrosOf } from './process-facts.ts'

/** One request to send. `body` is JSON text. */
export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
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
  /** Told the body of each answer, where somebody wants it. */
  answered?(connection: number, body: string): void
}

interface Connection {
  readonly number: number
  sentAt: number
  /** What the socket has not taken yet. */
  unsent: Buffer | undefined
  answer: Answer
  end(): void
}

/**
 * Runs a load. Sockets are written by hand, as fetch would cost more than the server that it asks.
 *
 * @throws Error for any answer but a 2xx
 */
export async function run(server: Server, load: Load): Promise<Measured> {
  const { connections, ms, next, answered } = load
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
      data: {
        number,
        sentAt: 0,
        unsent: undefined,
        answer: answerReader(answered !== undefined),
        end: resolve,
      },
      socket: {
        open: (socket) => send(socket),
        drain: (socket) => flush(socket),
        data(socket, bytes) {
          const { data } = socket
          if (!data.answer.take(bytes)) return
          latencies.push(performance.now() - data.sentAt)
          if (!data.answer.isSuccess()) {
            reject(new Error(`the server refused: ${data.answer.text()}`))
            socket.end()
            return
          }
          answered?.(data.number, data.answer.body())
          data.answer = answerReader(answered !== undefined)
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
    const text = requestText(server, request)
    socket.data.sentAt = performance.now()
    const written = socket.write(text)
    const length = Buffer.byteLength(text)
    if (written < length) socket.data.unsent = Buffer.from(text).subarray(written)
  }

  function flush(socket: Bun.Socket<Connection>): void {
    const { unsent } = socket.data
    if (!unsent) return
    const written = socket.write(unsent)
    socket.data.unsent = written < unsent.length ? unsent.subarray(written) : undefined
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

/** One answer as it comes in, piece by piece. */
interface Answer {
  /** Takes a piece; says whether the answer is whole now. */
  take(piece: Buffer): boolean
  isSuccess(): boolean
  /** The text of the head, and what was kept of the body. */
  text(): string
  body(): string
}

const HEAD_END = '\r\n\r\n'
const LAST_CHUNK = '0\r\n\r\n'
/** Of a body that nobody wants, so that a refusal can be shown. */
const KEPT_LENGTH = 2000

/** Reads one answer: with a length, without a body, or in chunks. */
export function answerReader(keepsBody: boolean): Answer {
  let head = ''
  let kept = ''
  let hasHead = false
  /** Bytes of the body still to come; undefined for chunks. */
  let left: number | undefined
  let tail = ''

  return {
    take(piece) {
      if (hasHead) return takeBody(piece, 0)
      const text = head + piece.toString('latin1')
      const end = text.indexOf(HEAD_END)
      if (end < 0) {
        head = text
        return false
      }
      // Bytes of this piece that belonged to the head.
      const used = end + HEAD_END.length - head.length
      head = text.slice(0, end)
      hasHead = true
      left = lengthIn(head)
      return takeBody(piece, used)
    },
    isSuccess: () => head.startsWith('HTTP/1.1 2'),
    text: () => `${head}${HEAD_END}${kept}`,
    body: () => (left === undefined ? unchunked(kept) : kept),
  }

  function takeBody(piece: Buffer, from: number): boolean {
    if (keepsBody || kept.length < KEPT_LENGTH) kept += piece.toString('latin1', from)
    if (left !== undefined) {
      left -= piece.length - from
      return left <= 0
    }
    // No request follows before the answer is whole, and JSON has no bare line feeds in it.
    const { length } = LAST_CHUNK
    tail = (tail + piece.toString('latin1', Math.max(from, piece.length - length))).slice(-length)
    return tail === LAST_CHUNK
  }
}

/** Bytes of the body that a head announces; undefined when it comes in chunks. */
function lengthIn(head: string): number | undefined {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length !== undefined) return Number(length)
  if (/^HTTP\/1\.1 (?:204|304)/.test(head)) return 0
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return undefined
  throw new Error(`an answer has no length: ${head}`)
}

/** The data of chunks, put together. */
function unchunked(text: string): string {
  let data = ''
  for (let at = 0; at < text.length; ) {
    const lineEnd = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    if (!(size > 0)) break
    data += text.slice(lineEnd + 2, lineEnd + 2 + size)
    at = lineEnd + 2 + size + 2
  }
  return data
}
