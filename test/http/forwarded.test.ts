/** The address of a client behind proxies: theirs is believed, and nobody else's. RFC 7239. */

import { describe, expect, test } from 'bun:test'
import { networkOf } from '../../src/auth/rate.ts'
import { forwarded } from '../../src/http/forwarded.ts'
import { startTestServer, TARGETS, TOKEN } from '../harness.ts'

const PROXIES = ['10.0.0.0/8', '192.0.2.1', 'fd00::/8', 'unix']

type Case = [peer: string, headers: Record<string, string>, address: string, isStandard?: true]
const CASES: readonly Case[] = [
  ['10.1.2.3', { 'X-Forwarded-For': '198.51.100.7' }, '198.51.100.7'],
  ['192.0.2.1', { 'X-Forwarded-For': '198.51.100.7:4711' }, '198.51.100.7'],
  ['192.0.2.2', { 'X-Forwarded-For': '198.51.100.7' }, '192.0.2.2'],
  ['::ffff:10.1.2.3', { 'X-Forwarded-For': '2001:db8::1' }, '2001:db8::1'],
  ['fd12::1', { 'X-Forwarded-For': '[2001:db8::1]:80' }, '2001:db8::1'],
  ['', { 'X-Forwarded-For': '198.51.100.7' }, '198.51.100.7'],
  // What a client wrote itself stands before what the proxies saw.
  ['10.1.2.3', { 'X-Forwarded-For': '6.6.6.6, 198.51.100.7, 10.9.9.9' }, '198.51.100.7'],
  ['10.1.2.3', { 'X-Forwarded-For': '10.9.9.9' }, '10.9.9.9'],
  ['10.1.2.3', { 'X-Forwarded-For': 'unknown' }, '10.1.2.3'],
  ['10.1.2.3', {}, '10.1.2.3'],
  ['10.1.2.3', { Forwarded: 'for=198.51.100.7;proto=https' }, '198.51.100.7', true],
  [
    '10.1.2.3',
    { Forwarded: 'proto=https; For="[2001:db8::1]:80", for=10.9.9.9' },
    '2001:db8::1',
    true,
  ],
  ['10.1.2.3', { Forwarded: 'for=_hidden' }, '10.1.2.3', true],
  [
    '10.1.2.3',
    { Forwarded: 'for=198.51.100.7', 'X-Forwarded-For': '6.6.6.6' },
    '198.51.100.7',
    true,
  ],
  // The other header is as a client has written it, and proxies pass it on.
  ['10.1.2.3', { Forwarded: 'for=6.6.6.6' }, '10.1.2.3'],
  ['10.1.2.3', { Forwarded: 'for=6.6.6.6', 'X-Forwarded-For': '198.51.100.7' }, '198.51.100.7'],
]

test.each(
  CASES.map(
    ([peer, headers, address, isStandard = false]) => [peer, headers, address, isStandard] as const,
  ),
)('the client behind %p with %p is %p', (peer, headers, address, isStandard) => {
  const header = isStandard ? 'Forwarded' : 'X-Forwarded-For'
  expect(forwarded(PROXIES, header)(peer, new Headers(headers))).toBe(address)
  expect(forwarded([])(peer, new Headers(headers))).toBe(peer)
})

test.each([
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::ffff', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
  ['192.0.2.7', '192.0.2.7'],
  ['', ''],
])('what counts for the rate of %p is %p', (address, network) => {
  expect(networkOf(address)).toBe(network)
})

test('the socket is no proxy unless it is named', () => {
  expect(forwarded(['10.0.0.0/8'])('', new Headers({ 'X-Forwarded-For': '6.6.6.6' }))).toBe('')
})

describe.each(TARGETS)('from %s', (target) => {
  const post = { 'X-Forwarded-For': '198.51.100.7', Authorization: `Bearer ${TOKEN}` }

  test('the journal has the address that a named proxy tells', async () => {
    await using server = await startTestServer({ target, config: { proxies: ['127.0.0.1/32'] } })
    await server.request('POST', '/Users', { userName: 'ada' }, post)
    const [entry] = await server.journal()
    expect(entry?.address).toBe('198.51.100.7')
  })

  test('the journal has the address of the connection where no proxy is named', async () => {
    await using server = await startTestServer({ target, config: { proxies: ['10.0.0.0/8'] } })
    await server.request('POST', '/Users', { userName: 'ada' }, post)
    const [entry] = await server.journal()
    expect(entry?.address).toBe('127.0.0.1')
  })

  test('failed sign-ins are counted for the client behind a named proxy', async () => {
    await using server = await startTestServer({
      target,
      config: { proxies: ['127.0.0.1'] },
      flags: { rateLimit: '2000' },
    })
    const attempt = async (address: string) => {
      const headers = { Authorization: 'Bearer wrong', 'X-Forwarded-For': address }
      return (await server.request('GET', '/Users', undefined, headers)).status
    }
    // At once: one after the other, a slow machine might never make too many.
    const attempts = Array.from({ length: 300 }, () => attempt('198.51.100.7'))
    expect(await Promise.all(attempts)).toContain(429)
    expect(await attempt('198.51.100.8')).toBe(401)
  })
})
