/** Certificates of clients that a proxy passes on in a header. RFC 9440. */

import { describe, expect, test } from 'bun:test'
import { X509Certificate } from 'node:crypto'
import { certificateCheck } from '../../src/auth/client-certificate.ts'
import { bareFingerprint } from '../../src/config.ts'
import { CERTIFICATES_SEEN_MAX, SIGN_INS_PER_SECOND } from '../../src/scim/limits.ts'
import { makeCertificate } from '../certificates.ts'
import { printed, scimd } from '../cli/given.ts'
import { send, startTestServer, TARGETS } from '../harness.ts'

const derOf = (cert: string): string => cert.replace(/-----[A-Z ]+-----/g, '').replaceAll('\n', '')
const fingerprintOf = (cert: string): string => new X509Certificate(cert).fingerprint256
/** The form of RFC 9440. */
const passed = (cert: string): string => `:${derOf(cert)}:`

/** Good by the clock that stands still, and by the real one. */
const YEARS = { from: new Date('2026-01-01T00:00:00Z'), to: new Date('2046-01-01T00:00:00Z') }
const ours = makeCertificate({ name: 'idp', ...YEARS })
const theirs = makeCertificate({ name: 'idp', ...YEARS })

describe('a certificate in a header', () => {
  const check = certificateCheck({
    header: 'Client-Cert',
    fingerprints: [bareFingerprint(fingerprintOf(ours.cert))],
  })
  const now = Date.now()

  test('is taken in each form in which proxies write it, and if it is listed', () => {
    const forms = (cert: string) => [passed(cert), derOf(cert), encodeURIComponent(cert)]
    for (const value of forms(ours.cert))
      for (let again = 0; again < 2; again++) expect(check(value, now)).toBeUndefined()
    for (const value of forms(theirs.cert)) expect(check(value, now)).toInclude('not listed')
  })

  test('is refused when there is none, two, or one that cannot be read', () => {
    for (const none of [null, ''])
      expect(check(none, now)).toBe('there is no certificate of the client in Client-Cert')
    const two = `${passed(theirs.cert)}, ${passed(ours.cert)}`
    const fingerprint = fingerprintOf(ours.cert)
    for (const value of [':', '::', ':AAAA:', `:${derOf(ours.cert)}`, two, '%', fingerprint])
      expect([value, check(value, now)]).toEqual([
        value,
        'Client-Cert holds no certificate that can be read',
      ])
  })

  test('is good from its first second to its last, also when it has been seen', () => {
    const [from, to] = [new Date('2030-01-01T00:00:00Z'), new Date('2031-01-01T00:00:00Z')]
    const { cert } = makeCertificate({ name: 'idp', from, to })
    const timed = certificateCheck({
      header: 'Client-Cert',
      fingerprints: [bareFingerprint(fingerprintOf(cert))],
    })
    const at = (time: Date, ms = 0) => timed(passed(cert), time.getTime() + ms)
    expect(at(from)).toBeUndefined()
    expect(at(from, -1)).toInclude('not valid yet')
    expect(at(to)).toBeUndefined()
    expect(at(to, 1)).toInclude('has expired')
  })

  test('is read again when too many were seen, with the same answer', () => {
    const spelt = (n: number) => `${encodeURIComponent(ours.cert)}${'%0A'.repeat(n % 500)}`
    for (let n = 0; n <= CERTIFICATES_SEEN_MAX; n++) expect(check(spelt(n), now)).toBeUndefined()
    expect(check(passed(ours.cert), now)).toBeUndefined()
  })
})

describe.each(TARGETS)('from %s', (target) => {
  const clientCertificates = { header: 'X-Certificate', fingerprints: [fingerprintOf(ours.cert)] }
  const started = (proxies: readonly string[]) =>
    startTestServer({ target, config: { proxies, clientCertificates } })

  test('nobody comes in without a certificate that is listed, and none without a token', async () => {
    await using server = await started(['127.0.0.1'])
    const users = (headers: Readonly<Record<string, string | undefined>>) =>
      server.request('GET', '/Users', undefined, headers)
    const good = { 'X-Certificate': passed(ours.cert) }
    expect((await users(good)).status).toBe(200)
    expect((await users({ ...good, Authorization: 'Bearer wrong' })).status).toBe(401)
    expect((await users({ ...good, Authorization: undefined })).status).toBe(401)
    for (const [says, headers] of [
      ['no certificate', {}],
      ['no certificate', { 'Client-Cert': passed(ours.cert) }],
      ['not listed', { 'X-Certificate': passed(theirs.cert) }],
      ['that can be read', { 'X-Certificate': '-----BEGIN CERTIFICATE-----' }],
    ] as const)
      for (const path of ['/Users', '/Schemas', '/Bulk', '/Me']) {
        const reply = await server.request('GET', path, undefined, headers)
        const challenge = reply.headers.get('www-authenticate')
        expect([path, reply.status, challenge]).toEqual([
          path,
          401,
          expect.stringContaining('Bearer realm="scimd", error="invalid_token"'),
        ])
        expect(reply.body.detail).toInclude(says)
      }
    // What a proxy has to see of the server needs none.
    const root = new URL(server.url).origin
    for (const path of ['/health', '/ready'])
      expect((await fetch(`${root}${path}`)).status).toBe(200)
    await server.stop()
    const words = ['requests', '--data', server.data, '--status', '401', '--since', '3650d']
    const log = await scimd(target, words, { cwd: server.data })
    expect(log.err).toBe('')
    expect(log.out).toInclude('the certificate of the client is not listed')
  })

  test('a certificate is believed from a named proxy alone', async () => {
    await using server = await started(['10.0.0.0/8'])
    for (const more of [{}, { 'X-Forwarded-For': '10.0.0.1' }]) {
      const headers = { 'X-Certificate': passed(ours.cert), ...more }
      const reply = await server.request('GET', '/Users', undefined, headers)
      expect(reply.status).toBe(401)
      expect(reply.body.detail).toInclude('no proxy that is named')
    }
  })

  test('the token endpoint asks for it too', async () => {
    await using server = await started(['127.0.0.1'])
    const words = ['client', 'create', '--name', 'idp', '--json', '--data', server.data]
    const { client_id, client_secret } = JSON.parse(
      await printed(target, words, { cwd: server.data }),
    )
    const url = server.url.replace('/scim/v2', '/oauth/token')
    const form = { grant_type: 'client_credentials', client_id, client_secret }
    const ask = (certificate: string | undefined) =>
      send(url, 'POST', new URLSearchParams(form).toString(), {
        Authorization: undefined,
        'Content-Type': 'application/x-www-form-urlencoded',
        'X-Certificate': certificate,
      })
    const refused = await ask(passed(theirs.cert))
    expect([refused.status, refused.body.error]).toEqual([401, 'invalid_client'])
    const { status, body } = await ask(passed(ours.cert))
    expect(status).toBe(200)
    const headers = { Authorization: `Bearer ${body.access_token}` }
    expect((await server.request('GET', '/Users', undefined, headers)).status).toBe(401)
    const both = { ...headers, 'X-Certificate': passed(ours.cert) }
    expect((await server.request('GET', '/Users', undefined, both)).status).toBe(200)
  })
})

test('who comes without one is limited like who fails to sign in', async () => {
  const config = {
    proxies: ['127.0.0.1'],
    clientCertificates: { fingerprints: [fingerprintOf(ours.cert)] },
  }
  await using server = await startTestServer({ config, flags: { rateLimit: '2000' } })
  const statuses: number[] = []
  for (let n = 0; n <= SIGN_INS_PER_SECOND * 10; n++)
    statuses.push((await server.request('GET', '/Users')).status)
  expect([statuses.at(-2), statuses.at(-1)]).toEqual([401, 429])
  const headers = { 'Client-Cert': passed(ours.cert) }
  expect((await server.request('GET', '/Users', undefined, headers)).status).toBe(200)
})
