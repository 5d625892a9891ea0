/** Finds the address of a client whose request came through proxies. RFC 7239. */

import { BlockList, isIP } from 'node:net'
import type { ForwardedHeader } from '../config.ts'

/**
 * The address of the client behind a connection.
 *
 * @param peer the address at the other end of the connection; empty for a Unix socket, and none of
 *   any kind once the client has gone
 */
export type AddressOf = (peer: string, headers: Headers) => string

/**
 * Headers of anybody could name any address, so they are read only where the connection comes from
 * one of these proxies; and from the last address on, as each proxy adds the one that it saw, back
 * to the first that is no such proxy.
 *
 * One header is believed, that which the proxies set: the other one passes through them as a client
 * has written it.
 *
 * @param proxies addresses, networks such as 10.0.0.0/8, and `unix` for whoever uses the socket
 */
export function forwarded(
  proxies: readonly string[],
  header: ForwardedHeader = 'X-Forwarded-For',
): AddressOf {
  if (proxies.length === 0) return (peer) => peer
  const isProxy = proxyCheck(proxies)
  return (peer, headers) => {
    let last = peer
    const named = addressesIn(headers, header)
    while (isProxy(last)) {
      const before = named.pop()
      // "unknown", or a name that a proxy made up, says no more than the proxy's own address.
      if (before === undefined || isIP(before) === 0) break
      last = before
    }
    return last
  }
}

/** Whether an address is one of these proxies; the empty one is that of a Unix socket. */
export function proxyCheck(proxies: readonly string[]): (address: string) => boolean {
  const known = new BlockList()
  for (const proxy of proxies) {
    const [address = '', bits] = proxy.split('/')
    const family = isIP(address)
    if (family === 0) continue
    const name = family === 4 ? 'ipv4' : 'ipv6'
    known.addSubnet(address, Number(bits ?? (family === 4 ? 32 : 128)), name)
  }
  return (address) => {
    const family = isIP(address)
    if (family === 0) return address === '' && proxies.includes('unix')
    return known.check(address, family === 4 ? 'ipv4' : 'ipv6')
  }
}

/** The addresses that proxies noted, the nearest one last. */
function addressesIn(headers: Headers, header: ForwardedHeader): string[] {
  const list = headers.get(header) ?? ''
  return list.split(',').map((element) => {
    const isPlain = header === 'X-Forwarded-For'
    const node = isPlain ? element : /(?:^|;)\s*for\s*=([^;]*)/i.exec(element)?.[1]
    return bareAddress((node ?? '').trim())
  })
}

/** An address without quotes, brackets and port. RFC 7239 section 6. */
function bareAddress(node: string): string {
  const text = node.replace(/^"(.*)"$/, '$1')
  return (
    /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? /^(\d+(?:\.\d+){3}):\d+$/.exec(text)?.[1] ?? text
  )
}
