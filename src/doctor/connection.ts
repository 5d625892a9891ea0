/** Connects to a server, and turns what goes wrong with that into what it is, and its cure. */

import { connect as connectPlain } from 'node:net'
import { connect as connectTls, type PeerCertificate } from 'node:tls'
import { Fault } from './answer.ts'

/** No identity provider waits longer for a connection. */
const CONNECT_TIMEOUT_MS = 15_000

/** Thrown where nothing came in time. */
class Late extends Error {
  override readonly name = 'TimeoutError'
}

interface Place {
  readonly host: string
  readonly port: number
}

function placeOf({ hostname, port, protocol }: URL): Place {
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(port || (protocol === 'https:' ? 443 : 80)) }
}

/** Opens a connection and closes it again. @throws Fault */
export async function reach(url: URL): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const socket = connectPlain(placeOf(url), resolve)
  socket.setTimeout(CONNECT_TIMEOUT_MS, () => reject(new Late()))
  socket.on('error', reject)
  try {
    await promise
  } catch (error) {
    throw connectionFault(error, url)
  } finally {
    socket.destroy()
  }
}

export interface Shaken {
  readonly certificate: PeerCertificate
  /** The code of what is wrong with the certificate, but for its name. */
  readonly code: string | undefined
  readonly protocol: string | null
}

/**
 * Shakes hands and looks at the certificate; nothing is sent, so that one that is bad can be told.
 *
 * @param ca authorities that are believed, as PEM; those of the system without it
 * @throws Fault where there is no TLS to look at
 */
export async function shakeHands(url: URL, ca?: readonly string[]): Promise<Shaken> {
  const { promise, resolve, reject } = Promise.withResolvers<Shaken>()
  const { host, port } = placeOf(url)
  const isName = !/^[\d.]+$|:/.test(host)
  const socket = connectTls(
    {
      host,
      port,
      rejectUnauthorized: false,
      ...(isName && { servername: host }),
      ...(ca && { ca: [...ca] }),
    },
    () => {
      const error: unknown = socket.authorizationError
      const code = error instanceof Error && 'code' in error ? error.code : error
      resolve({
        certificate: socket.getPeerCertificate(),
        code: socket.authorized || !code ? undefined : String(code),
        protocol: socket.getProtocol(),
      })
    },
  )
  socket.setTimeout(CONNECT_TIMEOUT_MS, () => reject(new Late()))
  socket.on('error', reject)
  try {
    return await promise
  } catch (error) {
    throw (await isPlain(url)) ? plainFault(url) : connectionFault(error, url)
  } finally {
    socket.destroy()
  }
}

/** Whether plain HTTP is spoken at the port of an https URL. */
async function isPlain({ host }: URL): Promise<boolean> {
  const port = /:\d+$/.test(host) ? '' : ':443'
  try {
    const signal = AbortSignal.timeout(CONNECT_TIMEOUT_MS)
    await fetch(`http://${host}${port}/`, { method: 'HEAD', redirect: 'manual', signal })
    return true
  } catch {
    return false
  }
}

function plainFault({ host }: URL): Fault {
  return new Fault(
    `${host} speaks plain HTTP at this port, and no TLS`,
    'give the port at which HTTPS is served, or put TLS there: at the server, or at a proxy in front',
  )
}

/** Whether TLS is spoken at the port of an http URL. */
export async function speaksTls(url: URL): Promise<boolean> {
  try {
    await shakeHands(url)
    return true
  } catch {
    return false
  }
}

const isCode = (code: string, ...codes: readonly string[]): boolean => codes.includes(code)

/** What an error of a connection is: never the certificate's fault where it is none. */
export function connectionFault(error: unknown, url: URL): Fault {
  if (error instanceof Fault) return error
  const { name, message, code: given = '' } = error as Error & { code?: unknown }
  const code = String(given)
  const { origin, hostname } = url
  if (isCode(code, 'ECONNREFUSED', 'ConnectionRefused')) {
    return new Fault(
      `nothing listens at ${origin}`,
      'start the server, or the proxy in front of it, or give the address at which it listens',
    )
  }
  if (isCode(code, 'ENOTFOUND', 'EAI_AGAIN', 'EAI_NODATA', 'ENODATA', 'ESERVFAIL')) {
    return new Fault(
      `the name ${hostname} leads to no address (${code})`,
      'look for a misspelling in the URL, and whether the name is in the DNS',
    )
  }
  if (name === 'TimeoutError' || isCode(code, 'ETIMEDOUT')) {
    return new Fault(
      `${origin} does not answer in time`,
      'look whether a firewall drops what is sent to it, and whether the server is busy',
    )
  }
  if (isCode(code, 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL')) {
    return new Fault(
      `there is no way from this machine to ${origin} (${code})`,
      'look at the network of this machine, or run the doctor on another one',
    )
  }
  if (isCode(code, 'ECONNRESET', 'EPIPE', 'ConnectionClosed')) {
    return new Fault(
      `${origin} closes the connection without an answer`,
      'look whether the port is that of the server, and into the log of the server or proxy there',
    )
  }
  if (code === 'EPROTO' && url.protocol === 'https:') {
    return new Fault(
      `${origin} breaks TLS off once hands are shaken: it may demand a certificate of its clients`,
      'let it take clients without a certificate, or give the identity provider one',
    )
  }
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO') {
    return new Fault(
      `${origin} and this machine agree on no TLS (${code})`,
      'let TLS 1.2 or 1.3 be spoken at that port, and look whether it is that of the server',
    )
  }
  if (isCode(code, 'Malformed_HTTP_Response', 'InvalidHTTPResponse')) {
    return new Fault(
      `${origin} speaks something else than HTTP`,
      'give the port at which the SCIM server listens',
    )
  }
  return new Fault(`${origin}: ${message}`)
}
