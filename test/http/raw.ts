/**
 * Sends one HTTP request exactly as it is written, header for header, and reads the answer: what
 * fetch would add or mend is what some tests are about.
 */

import { connect } from 'node:net'

export interface RawRequest {
  readonly method: string
  /** Path and query as they stand in the request line. */
  readonly target: string
  /** Host, Connection and Content-Length are added; a name given here wins over those. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

export interface RawReply {
  readonly status: number
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

/** Sends a request on a connection of its own, to the host of this URL. */
export async function sendRaw(url: string, request: RawRequest): Promise<RawReply> {
  const { hostname, port } = new URL(url)
  const body = Buffer.from(request.body ?? '')
  const headers = new Map([['host', `Host: ${hostname}:${port}`]])
  headers.set('connection', 'Connection: close')
  if (request.body !== undefined) headers.set('content-length', `Content-Length: ${body.length}`)
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    headers.set(name.toLowerCase(), `${name}: ${value}`)
    if (name.toLowerCase() === 'transfer-encoding') headers.delete('content-length')
  }
  const head = [`${request.method} ${request.target} HTTP/1.1`, ...headers.values(), '', '']
  const sent = Buffer.concat([Buffer.from(head.join('\r\n'), 'latin1'), body])
  return parseReply(await sendBytes(hostname, Number(port), sent))
}

/** Sends bytes and gives all that comes back until the server closes the connection. */
export function sendBytes(host: string, port: number, bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const received: Buffer[] = []
    const socket = connect(port, host, () => void socket.write(bytes))
    socket.on('data', (chunk: Buffer) => void received.push(chunk))
    socket.on('error', (error) => {
      // A server that refuses a body may close before all of it has been sent.
      if (received.length > 0) resolve(Buffer.concat(received))
      else reject(error)
    })
    socket.on('close', () => resolve(Buffer.concat(received)))
  })
}

/** Sends a request, and gives its answer and whether all of it was sent when that began to come. */
export async function sendWatched(
  url: string,
  request: Uint8Array,
): Promise<RawReply & { readonly wasSent: boolean }> {
  const { hostname, port } = new URL(url)
  const { promise, resolve } = Promise.withResolvers<Buffer>()
  const received: Buffer[] = []
  let sent = 0
  let wasSent = false
  // node:net says of bytes that wait in the process that they were written.
  const write = (socket: { write(bytes: Uint8Array): number }) => {
    sent += Math.max(0, socket.write(request.subarray(sent)))
  }
  await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      open: write,
      drain: write,
      data(_socket, chunk) {
        if (received.length === 0) wasSent = sent === request.length
        received.push(chunk)
      },
      close: () => resolve(Buffer.concat(received)),
    },
  })
  return { ...parseReply(await promise), wasSent }
}

function parseReply(bytes: Buffer): RawReply {
  const end = bytes.indexOf('\r\n\r\n')
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const rest = bytes.subarray(end + 4)
  const isChunked = headers['transfer-encoding']?.toLowerCase() === 'chunked'
  const text = (isChunked ? joinChunks(rest) : rest).toString('utf8')
  return { status: Number(first.split(' ')[1]), headers, text }
}

function joinChunks(bytes: Buffer): Buffer {
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    const size = Number.parseInt(bytes.subarray(at, lineEnd).toString('latin1'), 16)
    if (!(size > 0)) break
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = lineEnd + 2 + size + 2
  }
  return Buffer.concat(chunks)
}
