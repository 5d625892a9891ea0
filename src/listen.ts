/** Turns an address into a server that listens there, over TLS where there is a certificate. */

import { lstatSync, unlinkSync } from 'node:fs'
import { type Certificate, type CertificateFiles, readCertificate, stampOf } from './certificate.ts'
import { ConfigFaults, type Listen } from './config.ts'
import { watchDescriptors } from './descriptors.ts'
import { sayingClose } from './http/connection.ts'
import { errorReply } from './http/reply.ts'
import type { createMetricsServer, createServer } from './http/server.ts'
import type { Log } from './log.ts'
import { isShared, requireUnshared, whenQuiet } from './port.ts'
import { ScimError } from './scim/error.ts'

/** Bodies are limited where they are read; this only keeps Bun from answering before us. */
const BUN_BODY_BYTES_MAX = 2 ** 31

/** Longer than any answer takes; a body that is streamed slowly must not be cut off. */
const IDLE_TIMEOUT_S = 120

/** How often the files of the certificate are looked at. */
const CERTIFICATE_LOOK_MS = 1_000

/** An address that cannot be listened on: the fault, and the cure. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  readonly cure: string

  constructor(fault: string, cure: string) {
    super(fault)
    this.cure = cure
  }
}

/** A server that listens. */
export interface Listening {
  /** Where the default tenant is, by the address: http://HOST:PORT/scim/v2, or https://… */
  readonly url: string
  /** When the certificate that is served ends, in milliseconds since 1970. */
  certificateEnds(): number | undefined
  /** No new connections; resolves when what is in flight has finished, or is cut off by `now`. */
  stop(now?: boolean): Promise<void>
}

type Server = ReturnType<typeof createServer> | ReturnType<typeof createMetricsServer>
type Listener = Bun.Server<undefined>

interface Place {
  readonly listen: Listen
  readonly tls: CertificateFiles | undefined
  /** Seconds after which a connection on which nothing is sent is closed. */
  readonly idleS?: number | undefined
}

/**
 * Listens, and with a certificate serves the new one when its files have changed.
 *
 * @param now milliseconds since 1970
 * @throws ListenError, or ConfigFaults for files that have gone wrong since they were read
 */
export async function listen(
  server: Server,
  { listen: where, tls, idleS = IDLE_TIMEOUT_S }: Place,
  log: Log,
  now: () => number,
): Promise<Listening> {
  let certificate = tls && requireCertificate(tls, log, now)
  let listener: Listener
  try {
    if (where.kind === 'unix') await removeStale(where.path)
    else if (tls) requireUnshared(where)
    listener = listenOn(server, where, { certificate, idleTimeout: idleS }, log)
    if (tls && isShared(listener.port)) {
      void listener.stop(true)
      throw Object.assign(new Error('in use'), { code: 'EADDRINUSE' })
    }
  } catch (error) {
    throw error instanceof ListenError ? error : listenFault(where, error)
  }
  const { port } = listener
  const place = where.kind === 'unix' ? where : { ...where, port: port ?? where.port }
  /** Those that answer their last requests. */
  const ending = new Set<Listener>()
  const end = (last: Listener): void => void last.stop().finally(() => ending.delete(last))
  let isOpen = true
  const unwatchDescriptors = watchDescriptors(
    {
      closeIdle: () => listener.closeIdleConnections(),
      shut() {
        isOpen = false
        ending.add(listener)
        end(listener)
      },
      open() {
        if (tls && place.kind === 'tcp') requireUnshared(place)
        listener = listenOn(server, place, { certificate, idleTimeout: idleS }, log)
        isOpen = true
      },
    },
    log,
  )
  const watch =
    tls &&
    watchCertificate(tls, log, now, (renewed) => {
      certificate = renewed
      if (!isOpen) return
      const last = listener
      ending.add(last)
      listener = listenOn(server, place, { certificate, idleTimeout: idleS }, log)
      whenQuiet(() => end(last))
    })
  return {
    url: urlOf(where, port, tls !== undefined),
    certificateEnds: () => certificate?.validTo,
    async stop(now) {
      unwatchDescriptors()
      clearInterval(watch)
      await Promise.all([listener, ...ending].map((one) => one.stop(now)))
    },
  }
}

/** @throws ConfigFaults */
function requireCertificate(files: CertificateFiles, log: Log, now: () => number): Certificate {
  const read = readCertificate(files, now())
  if ('faults' in read) throw new ConfigFaults(read.faults)
  for (const warning of read.warnings) log('warn', warning)
  return read
}

/**
 * Calls `use` with a certificate whenever its files have changed and are good. Files that were
 * seen once only may still be being written, or the key may be waiting for its certificate.
 *
 * Bun.serve cannot exchange the certificate of a server that listens (oven-sh/bun 43815), so `use`
 * starts another listener beside the old one, and then ends that: what is in flight goes on in it,
 * and no connection is refused.
 */
function watchCertificate(
  files: CertificateFiles,
  log: Log,
  now: () => number,
  use: (certificate: Certificate) => void,
): NodeJS.Timeout {
  let used = stampOf(files)
  let last = used
  const look = () => {
    const stamp = stampOf(files)
    const isSettled = stamp === last
    last = stamp
    if (stamp === used || !isSettled) return
    used = stamp
    const read = readCertificate(files, now())
    if ('faults' in read) {
      for (const fault of read.faults) {
        log('error', `the certificate was not renewed, the old one is kept: ${fault}`)
      }
      return
    }
    for (const warning of read.warnings) log('warn', warning)
    try {
      use(read)
      log('info', 'serving a renewed certificate', {
        expires: new Date(read.validTo).toISOString(),
      })
    } catch (error) {
      // Somebody took the port in between, or Bun refuses what we do not: tried at the next look.
      used = ''
      log('error', 'the renewed certificate cannot be served', { error: String(error) })
    }
  }
  const timer = setInterval(look, CERTIFICATE_LOOK_MS)
  timer.unref()
  return timer
}

function listenFault(where: Listen, error: unknown): ListenError {
  const address = where.kind === 'unix' ? `unix:${where.path}` : `${hostIn(where)}:${where.port}`
  const { code, message = String(error) } = error as { code?: string; message?: string }
  if (code === 'EADDRINUSE') {
    return new ListenError(
      `another program listens on ${address}`,
      'stop it first, or name another address with --listen',
    )
  }
  return new ListenError(
    `${address} cannot be listened on: ${message}`,
    code === 'EACCES'
      ? 'use a port from 1024 up, or a directory that this user may write to'
      : 'name an address of this machine, or a socket in a directory that exists, with --listen',
  )
}

/** Removes a socket that a server left behind, and nothing else. */
async function removeStale(path: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (!stats) return
  if (!stats.isSocket()) {
    throw new ListenError(
      `${path} is there and is no socket`,
      'move it away, or name another path with --listen unix:PATH',
    )
  }
  // The server of another data directory may be using it.
  const socket = await Bun.connect({ unix: path, socket: { data() {} } }).catch(() => undefined)
  if (!socket) return unlinkSync(path)
  socket.end()
  throw Object.assign(new Error('in use'), { code: 'EADDRINUSE' })
}

function listenOn(
  server: Server,
  where: Listen,
  { certificate, idleTimeout }: { certificate: Certificate | undefined; idleTimeout: number },
  log: Log,
): Listener {
  const shared = {
    fetch: sayingClose(server.fetch),
    development: false,
    maxRequestBodySize: BUN_BODY_BYTES_MAX,
    // What fails before or behind our own handlers: a line in the log, and no source in the answer.
    error(error: Error) {
      log('error', 'a request failed outside of its handler', { error: error.message })
      return errorReply(ScimError.internal('no id'))
    },
  } as const
  if (where.kind === 'unix') {
    // Bun heeds it there as well, though its types do not know.
    const options: Parameters<typeof Bun.serve>[0] = { ...shared, unix: where.path }
    return Bun.serve(Object.assign(options, { idleTimeout }))
  }
  const listener = Bun.serve({
    ...shared,
    hostname: where.host,
    port: where.port,
    idleTimeout,
    // Others that listen there would be told nothing, and get a part of the requests.
    reusePort: certificate !== undefined,
    ...(certificate && { tls: tlsOf(certificate) }),
  })
  // Handlers ask it for the address of their client.
  server.server = listener
  return listener
}

/**
 * Of TLS 1.2, the oldest version that Bun speaks by itself (RFC 7644 section 7.1), the suites with
 * forward secrecy and authenticated encryption (RFC 9325 section 4.2). Those of TLS 1.3 all are so.
 */
const CIPHERS = ['AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'CHACHA20-POLY1305']
  .flatMap((suite) => [`ECDHE-ECDSA-${suite}`, `ECDHE-RSA-${suite}`])
  .join(':')

function tlsOf({ cert, key, clientCa }: Certificate): Bun.TLSOptions {
  const own = { cert, key, ciphers: CIPHERS }
  if (clientCa === undefined) return own
  return { ...own, ca: clientCa, requestCert: true, rejectUnauthorized: true }
}

function urlOf(where: Listen, port: number | undefined, isTls: boolean): string {
  if (where.kind === 'unix') return 'http://localhost/scim/v2'
  return `${isTls ? 'https' : 'http'}://${hostIn(where)}:${port}/scim/v2`
}

const hostIn = ({ host }: { readonly host: string }): string =>
  host.includes(':') ? `[${host}]` : host
