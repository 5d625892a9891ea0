/** `scimd doctor`: content with scimd, and not with servers that have one fault each. */

import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { IDENTITY_PROVIDERS } from '../../src/doctor/identity-providers.ts'
import { makeCertificate } from '../certificates.ts'
import { startTestServer, TARGETS, type Target, type TestServer, TOKEN } from '../harness.ts'
import { schemasDirectory } from '../http/schema-files.ts'
import { type Place, scimd, serving, temporary } from './given.ts'

/** Processes start slowly on a machine that has much else to do. */
setDefaultTimeout(60_000)

interface Check {
  readonly check: string
  readonly outcome: string
  readonly found?: string
  readonly cure?: string
  readonly shows?: Readonly<Record<string, string>>
}

/** Examines a server; what failed, and how the command ended. */
async function examined(target: Target, url: string, idp: string | undefined, place?: Place) {
  using own = temporary()
  const words = ['doctor', '--url', url, '--token', TOKEN, '--json', ...(idp ? ['--idp', idp] : [])]
  const { status, out, err } = await scimd(target, words, place ?? own)
  const checks: readonly Check[] = JSON.parse(out)
  return { status, err, checks, failed: checks.filter(({ outcome }) => outcome === 'fail') }
}

const totals = async (server: TestServer): Promise<number[]> =>
  Promise.all(
    ['/Users', '/Groups'].map(async (path) => {
      return (await server.request('GET', `${path}?count=0`)).body.totalResults
    }),
  )

type Answered = (request: Request, pass: () => Promise<Response>) => Promise<Response>

/** A server in front of another one, with a fault of its own. */
function faulty(server: TestServer, answer: Answered) {
  const origin = new URL(server.url).origin
  return Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname, search } = new URL(request.url)
      const body = await request.clone().text()
      return answer(request, () => {
        const { method } = request
        const headers = new Headers(request.headers)
        headers.set('Accept-Encoding', 'identity')
        const rest = method === 'GET' ? {} : { body }
        return fetch(`${origin}${pathname}${search}`, { method, headers, ...rest })
      })
    },
  })
}

/** The answer with another body, status or type. */
async function altered(
  response: Response,
  change: (text: string) => string,
  init: { status?: number; type?: string } = {},
): Promise<Response> {
  const text = await response.text()
  return new Response(text === '' ? null : change(text), {
    status: init.status ?? response.status,
    headers: { 'Content-Type': init.type ?? 'application/scim+json' },
  })
}

const isLookUp = ({ method, url }: Request): boolean => method === 'GET' && url.includes('filter=')

/** One fault each: who is not content, which step says so, and with which words. */
const FAULTS: readonly [string, idp: string, step: string, says: string, Answered][] = [
  [
    'answers of another media type',
    'entra',
    'answers are application/scim+json',
    'found "application/json"',
    async (_, pass) => altered(await pass(), (text) => text, { type: 'application/json' }),
  ],
  [
    'a 404 for a filter that finds nothing',
    'entra',
    'Test connection: a user who is not there is an empty list',
    'found 404',
    async (request, pass) => {
      const answer = await pass()
      const isEmpty = (await answer.clone().text()).includes('"totalResults":0')
      return isLookUp(request) && isEmpty ? new Response(null, { status: 404 }) : answer
    },
  ],
  [
    'filters that find others as well',
    'okta',
    'the user is found by userName, in another case too',
    'expected 1',
    async (request, pass) => {
      const isFound = request.url.includes('userName') && !/[0-9a-f]{8}-.{27}%22$/.test(request.url)
      return isLookUp(request) && isFound && !request.url.includes('DOCTOR')
        ? altered(await pass(), (text) => text.replace(/\[\{/, '[{"id":"other"},{'))
        : pass()
    },
  ],
  [
    'a status that is a number',
    'okta',
    'a wrong token, and none, are refused with 401 and a SCIM error',
    'status: found 401, expected "401" as a string',
    async (_, pass) =>
      altered(await pass(), (text) => text.replace(/"status":"(\d+)"/, '"status":$1')),
  ],
  [
    'a suspension that deletes',
    'entra',
    'the user is suspended, and stays: PATCH with "False" for a boolean',
    'the user is gone (404)',
    async (request, pass) => {
      const isSuspension = (await request.clone().text()).includes('"value":"False"')
      if (request.method !== 'PATCH' || !isSuspension) return pass()
      const headers = { Authorization: `Bearer ${TOKEN}` }
      const path = new URL(request.url).pathname.replace('/scim/v2', '')
      await backend.request('DELETE', path, undefined, headers)
      return new Response(null, { status: 204 })
    },
  ],
  [
    'active as a string',
    'okta',
    'the user is suspended, and stays: PATCH without a path',
    'active: found "false", expected false',
    async (_, pass) =>
      altered(await pass(), (text) => text.replace('"active":false', '"active":"false"')),
  ],
  [
    'a create without a body',
    'okta',
    'a user is created',
    'found an empty body',
    async (request, pass) => {
      const answer = await pass()
      const isCreate = request.method === 'POST' && answer.status === 201
      return isCreate ? new Response(null, { status: 201 }) : answer
    },
  ],
  [
    'a duplicate that is taken for the same',
    'onelogin',
    'a second user of the same userName is refused with 409',
    'found 200',
    async (_, pass) => {
      const answer = await pass()
      return answer.status === 409 ? altered(answer, () => '{}', { status: 200 }) : answer
    },
  ],
  [
    'pages that all begin at the beginning',
    'okta',
    'pages hold each user once, in the same order each time',
    'is on the first page and on the second',
    async (request, pass) => {
      const { url } = request
      if (!url.includes('startIndex=3')) return pass()
      const first = await fetch(url.replace('startIndex=3', 'startIndex=1'), request)
      return altered(first, (text) => text.replace('"startIndex":1', '"startIndex":3'))
    },
  ],
  [
    'an order that changes',
    'okta',
    'pages hold each user once, in the same order each time',
    'the first page, asked again',
    async (request, pass) => {
      const answer = await pass()
      if (!request.url.includes('startIndex=1&count=2') || ++asked % 2 === 0) return answer
      const { Resources, ...list } = (await answer.json()) as { Resources: unknown[] }
      return Response.json({ ...list, Resources: Resources.toReversed() })
    },
  ],
  [
    'a removal that empties the group',
    'entra',
    'one member is taken out by a list of values, and the others stay',
    'members: found 0',
    async (request, pass) => {
      const answer = await pass()
      const isRemoval = (await request.clone().text()).includes('"op":"Remove"')
      if (request.method !== 'PATCH' || !isRemoval) return answer
      const path = new URL(request.url).pathname.replace('/scim/v2', '')
      const Operations = [{ op: 'remove', path: 'members' }]
      await backend.request('PATCH', path, { Operations })
      return answer
    },
  ],
  [
    'a PATCH that is answered and not done',
    'entra',
    'attributes are changed by one operation with paths as keys',
    'displayName: found "Doctor One", expected "Doctor Two"',
    async (request, pass) => {
      const isKeyed = (await request.clone().text()).includes('"name.givenName":"Two"')
      return isKeyed ? new Response(null, { status: 204 }) : pass()
    },
  ],
  [
    'a filter for groups that is ignored',
    'entra',
    'the group is found by displayName, without its members',
    'found 2 groups, expected 1',
    async (request, pass) => {
      if (!isLookUp(request) || !request.url.includes('/Groups?')) return pass()
      return altered(await pass(), (text) => text.replace('[{', '[{"id":"other"},{'))
    },
  ],
  [
    'a redirection',
    'entra',
    'a right token is taken',
    'which no identity provider follows',
    async (request) =>
      new Response(null, { status: 308, headers: { Location: `${request.url}/` } }),
  ],
]

/** Counts the requests for a first page. */
let asked = 0

/** What can be lived with: for whom, what is said of it, and how it comes about. */
const WARNINGS: readonly [string, idp: string, step: string, says: string, Answered][] = [
  [
    'a clock that is wrong',
    'entra',
    'the server answers, and its clock is right',
    'differ by',
    async (_, pass) => {
      const answer = await pass()
      const headers = new Headers(answer.headers)
      headers.set('Date', new Date(Date.now() - 3_600_000).toUTCString())
      return new Response(await answer.text(), { status: answer.status, headers })
    },
  ],
  [
    'a list of groups that takes its time',
    'okta',
    'answers are quick enough',
    'GET /Groups?',
    async (request, pass) => {
      if (request.url.includes('/Groups?startIndex')) await Bun.sleep(700)
      return pass()
    },
  ],
  [
    'no PATCH by its own account',
    'entra',
    'ServiceProviderConfig, ResourceTypes and Schemas describe the server',
    'patch is not supported',
    async (request, pass) => {
      const answer = await pass()
      return request.url.endsWith('/ServiceProviderConfig')
        ? altered(answer, (text) =>
            text.replace('"patch":{"supported":true', '"patch":{"supported":false'),
          )
        : answer
    },
  ],
]

/** How quick answers are, depends on what else the machine does. */
const isSpeed = ({ check }: Check): boolean => check === 'answers are quick enough'

/** The server behind the faulty one. */
let backend: TestServer

describe.each(TARGETS)('from %s', (target) => {
  test.each(['entra', 'okta', 'onelogin', undefined])(
    'scimd makes %s content, and nothing is left of the examination',
    async (idp) => {
      await using server = await startTestServer({ target })
      const { status, err, checks } = await examined(target, server.url, idp)
      const known = [expect.objectContaining({ check: expect.stringContaining('base URL') })]
      const told = checks.filter((check) => check.outcome !== 'ok' && !isSpeed(check))
      expect(told).toEqual(known)
      expect({ status, err }).toEqual({ status: 0, err: '' })
      expect(checks.length).toBeGreaterThan(15)
      expect(await totals(server)).toEqual([0, 0])
    },
  )

  test.each([
    ['booleanStrings', 'entra', 'PATCH with "False" for a boolean'],
    ['removeByValue', 'entra', 'one member is taken out by a list of values'],
    ['createOnReplace', 'entra', 'an element that is not there is created'],
    ['stringForComplex', 'entra', 'a manager is set by the bare id'],
    ['pathsAsKeys', 'entra', 'one operation with paths as keys'],
    ['unknownSchemas', 'entra', 'a group is created'],
    ['pathlessPatch', 'okta', 'the user is suspended, and stays: PATCH without a path'],
    ['missingSchemas', 'okta', 'a PATCH without "schemas" (Push now)'],
    ['elementPaths', 'okta', 'one member is taken out by a path with a filter'],
    ['removeByValue', 'onelogin', 'one member is taken out by a list of values'],
  ])('scimd without %s does not make %s content, and a step says so: %s', async (...row) => {
    const [name, idp, step] = row
    const config = { tenants: { default: { tolerances: { [name]: false } } } }
    await using server = await startTestServer({ target, config })
    const { status, failed } = await examined(target, server.url, idp)
    expect(status).toBe(1)
    expect(failed.map(({ check }) => check)).toContainEqual(expect.stringContaining(step))
    const { title } = IDENTITY_PROVIDERS[idp as keyof typeof IDENTITY_PROVIDERS]
    for (const { shows, cure } of failed) {
      expect(Object.keys(shows ?? {})).toEqual([title])
      expect(cure).not.toBe('')
    }
    expect(await totals(server)).toEqual([0, 0])
  })
})

describe('a server', () => {
  test.each(FAULTS)('with %s is told from a good one', async (_, idp, step, says, answer) => {
    await using server = await startTestServer()
    backend = server
    const others = await server.request('POST', '/Users', { userName: 'somebody-else' })
    expect(others.status).toBe(201)
    using front = faulty(server, answer)
    const { status, err, failed } = await examined('source', `${front.url}scim/v2`, idp)
    const fault = failed.find(({ check }) => check === step)
    expect(fault?.found, JSON.stringify(failed)).toInclude(says)
    expect(fault?.cure).not.toBe('')
    expect(status).toBe(1)
    expect(err).toMatch(/^scimd: \d+ of \d+ checks failed; .+ would not be content\n$/)
    // Whatever a filter finds, nothing is deleted that the examination has not made.
    expect((await server.request('GET', `/Users/${others.body.id}`)).status).toBe(200)
    expect(await totals(server)).toEqual([1, 0])
  })

  test.each(WARNINGS)('with %s is warned of, and is good enough', async (...row) => {
    const [, idp, step, says, answer] = row
    await using server = await startTestServer()
    using front = faulty(server, answer)
    const { status, checks } = await examined('source', `${front.url}scim/v2`, idp)
    const told = checks.find(({ check, outcome }) => check === step && outcome === 'warn')
    expect(told?.found, JSON.stringify(checks)).toInclude(says)
    expect(told?.cure).not.toBe('')
    expect(status).toBe(0)
    expect(await totals(server)).toEqual([0, 0])
  })

  test.each(['http', 'https'])('that nobody started is told, over %s', async (protocol) => {
    const url = `${protocol}://127.0.0.1:1/scim/v2`
    const { status, failed } = await examined('source', url, 'okta')
    expect(status).toBe(1)
    expect(failed.map(({ found }) => found)).toEqual([
      `nothing listens at ${protocol}://127.0.0.1:1`,
    ])
    expect(failed[0]?.cure).not.toInclude('certificate')
  })

  test.each(['http', 'https'])('whose name nobody knows is told, over %s', async (protocol) => {
    const url = `${protocol}://nobody.invalid/scim/v2`
    const { failed } = await examined('source', url, 'okta')
    expect(failed).toHaveLength(1)
    expect(failed[0]?.check).toBe('the server is reached')
    expect(failed[0]?.found).toMatch(/^the name nobody\.invalid leads to no address \(E[A-Z_]+\)$/)
    expect(failed[0]?.cure).toInclude('misspelling')
  })

  test('that speaks plain HTTP where TLS is expected, and the other way round, is told', async () => {
    await using server = await startTestServer()
    const { host } = new URL(server.url)
    const plain = await examined('source', `https://${host}/scim/v2`, 'okta')
    expect(plain.failed).toMatchObject([
      {
        found: `${host} speaks plain HTTP at this port, and no TLS`,
        cure: expect.stringContaining('the port at which HTTPS is served'),
      },
    ])
    const { cert, key } = makeCertificate({ name: 'server' })
    using secure = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      tls: { cert, key },
      fetch: () => new Response('{}'),
    })
    const at = `127.0.0.1:${secure.port}`
    const tls = await examined('source', `http://${at}/scim/v2`, 'okta')
    expect(tls.failed).toMatchObject([
      {
        found: `${at} speaks TLS at this port, and was asked for plain HTTP`,
        cure: `give https://${at}/scim/v2`,
      },
    ])
  })

  test.each<[string, (socket: Socket) => void]>([
    ['resets', (socket) => void socket.once('data', () => socket.resetAndDestroy())],
    ['ends', (socket) => void socket.end()],
  ])('that %s each connection is told, over http and https', async (_, act) => {
    const listener = createServer((socket) => {
      socket.on('error', () => undefined)
      act(socket)
    })
    await new Promise<void>((resolve) => void listener.listen(0, '127.0.0.1', resolve))
    const { port } = listener.address() as AddressInfo
    for (const protocol of ['http', 'https']) {
      const origin = `${protocol}://127.0.0.1:${port}`
      const { failed } = await examined('source', `${origin}/scim/v2`, 'okta')
      expect(failed).toMatchObject([
        {
          found: `${origin} closes the connection without an answer`,
          cure: expect.stringContaining('look whether the port is that of the server'),
        },
      ])
    }
    listener.close()
  })

  test('that takes no client without a certificate is told', async () => {
    const authority = makeCertificate({ name: 'authority', isAuthority: true })
    const { cert, key } = makeCertificate({ name: 'server', by: authority })
    using place = temporary()
    writeFileSync(join(place.cwd, 'ca.pem'), authority.cert)
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      tls: { cert, key, ca: authority.cert, requestCert: true, rejectUnauthorized: true },
      fetch: () => new Response('{}'),
    })
    const url = `https://127.0.0.1:${server.port}/scim/v2`
    const env = { NODE_EXTRA_CA_CERTS: 'ca.pem' }
    const { failed } = await examined('source', url, 'okta', { ...place, env })
    expect(failed).toMatchObject([
      { found: expect.stringContaining('it may demand a certificate of its clients') },
    ])
  })
})

/** Required attributes of every type, and what else an administrator can ask for. */
const REQUIRED = [
  { name: 'costBearer', required: true },
  { name: 'badge', required: true, uniqueness: 'server' },
  { name: 'slot', type: 'integer', required: true, uniqueness: 'server' },
  { name: 'level', type: 'integer', required: true },
  { name: 'share', type: 'decimal', required: true, uniqueness: 'server' },
  { name: 'isStaff', type: 'boolean', required: true },
  { name: 'hired', type: 'dateTime', required: true },
  { name: 'seal', type: 'binary', required: true },
  { name: 'page', type: 'reference', referenceTypes: ['external'], required: true },
  { name: 'shirt', canonicalValues: ['small', 'large'], required: true },
  { name: 'pin', required: true, mutability: 'writeOnly', returned: 'never' },
  { name: 'origin', required: true, mutability: 'immutable' },
  { name: 'hidden', required: true, returned: 'request' },
  { name: 'teams', required: true, multiValued: true },
  { name: 'made', required: true, mutability: 'readOnly' },
  {
    name: 'desk',
    type: 'complex',
    required: true,
    subAttributes: [{ name: 'room', required: true }, { name: 'note' }],
  },
  {
    name: 'keys',
    type: 'complex',
    required: true,
    multiValued: true,
    subAttributes: [{ name: 'value', uniqueness: 'server' }, { name: 'type' }],
  },
]

describe.each(TARGETS)('from %s', (target) => {
  test('what a server requires besides is filled in, as its schemas say, and told', async () => {
    const schemas = schemasDirectory({
      'Badge.json': { id: 'urn:example:Badge', name: 'Badge', attributes: REQUIRED },
      'user.json': {
        extends: 'User',
        attributes: REQUIRED,
        schemaExtensions: [{ schema: 'urn:example:Badge', required: true }],
      },
      'group.json': { extends: 'Group', attributes: REQUIRED },
    })
    await using server = await startTestServer({ target, flags: { schemas } })
    const { status, err, checks, failed } = await examined(target, server.url, undefined)
    expect(failed).toEqual([])
    expect({ status, err }).toEqual({ status: 0, err: '' })
    const told = checks.filter(({ found }) => found?.startsWith('requires what'))
    expect(told.map(({ check }) => check)).toEqual(['a user is created', 'a group is created'])
    for (const { found, cure } of told) {
      for (const { name, mutability } of REQUIRED)
        if (mutability === 'readOnly') expect(found).not.toInclude(name)
        else expect(found).toInclude(name)
      expect(cure).toInclude('map each of them')
    }
    expect(told[0]?.found).toInclude('urn:example:Badge:costBearer')
    expect(await totals(server)).toEqual([0, 0])
    rmSync(schemas, { recursive: true })
  })

  test('a private authority is believed when it is named, and told of', async () => {
    using place = temporary()
    const authority = makeCertificate({ name: 'authority', isAuthority: true })
    const { cert, key } = makeCertificate({ name: 'ours', by: authority })
    for (const [name, text] of Object.entries({ cert, key, ca: authority.cert, none: 'no PEM' }))
      writeFileSync(join(place.cwd, `${name}.pem`), text, { mode: 0o600 })
    const tls = ['--tls-cert', 'cert.pem', '--tls-key', 'key.pem']
    await using server = await serving(target, { ...place, env: { SCIMD_TOKEN: TOKEN } }, ...tls)
    const words = ['doctor', '--url', server.url, '--token', TOKEN, '--idp', 'okta']
    const bad = await scimd(target, words, place)
    expect(bad.out).toInclude('is of an authority that is not known here')
    expect(bad.out).toInclude('--ca FILE')
    const good = await scimd(target, [...words, '--ca', 'ca.pem'], place)
    expect(good).toMatchObject({ status: 0, err: '' })
    expect(good.out).toMatch(/^warn {2}the certificate is good.*of the authority that you name/m)
    expect(good.out).toInclude('ok    a user is created\n')
    expect(await scimd(target, [...words, '--ca', 'nowhere.pem'], place)).toEqual({
      status: 1,
      out: '',
      err: 'scimd: --ca nowhere.pem: there is no such file\n',
    })
    const none = await scimd(target, [...words, '--ca', 'none.pem'], place)
    expect(none).toMatchObject({ status: 1, out: '' })
    expect(none.err).toInclude('--ca none.pem: found no certificate')
  })

  test('what to do is said in terms of scimd where the server is that, and of no server else', async () => {
    const tenants = { default: { tolerances: { booleanStrings: false } } }
    await using server = await startTestServer({ target, config: { tenants } })
    const step = 'the user is suspended, and stays: PATCH with "False" for a boolean'
    const own = await examined(target, server.url, 'entra')
    expect(own.failed.find(({ check }) => check === step)?.cure).toBe(
      'scimd tenant set default tolerances.booleanStrings on, and start the server anew',
    )
    using front = faulty(server, async (_, pass) =>
      altered(await pass(), (text) => text.replaceAll('scimd', 'other')),
    )
    const other = await examined(target, `${front.url}scim/v2`, 'entra')
    const cures = other.checks.flatMap(({ cure }) => cure ?? [])
    expect(cures.join('\n')).toInclude('ask the maker of the server')
    // The advice on a loopback address names the command that is being run, and nothing else does.
    expect(cures.filter((cure) => /scimd (?!doctor)/.test(cure))).toEqual([])
  })
})

const DAY_MS = 24 * 60 * 60 * 1000
const inDays = (days: number): Date => new Date(Date.now() + days * DAY_MS)

describe.each(TARGETS)('from %s', (target) => {
  test.each<[string, string, string, { isOwn?: boolean; from?: Date; to?: Date }]>([
    ['signed by itself', 'fail', 'is signed by itself', { isOwn: true }],
    ['expired', 'fail', 'has expired', { from: inDays(-9), to: inDays(-1) }],
    ['not valid yet', 'fail', 'is not valid yet', { from: inDays(1) }],
    ['near its end', 'warn', 'expires in 2 days', { to: inDays(2.5) }],
  ])('a certificate that is %s is told', async (_, outcome, says, { isOwn = false, ...dates }) => {
    using place = temporary()
    const authority = makeCertificate({ name: 'authority', isAuthority: true })
    const by = isOwn ? {} : { by: authority }
    const { cert, key } = makeCertificate({ name: 'server', ...by, ...dates })
    writeFileSync(join(place.cwd, 'ca.pem'), authority.cert)
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      tls: { cert, key },
      fetch: () => new Response(null, { status: 404 }),
    })
    const env = { NODE_EXTRA_CA_CERTS: 'ca.pem' }
    const url = `https://127.0.0.1:${server.port}/scim/v2`
    const { status, checks } = await examined(target, url, 'entra', { ...place, env })
    expect(checks.find(({ check }) => check.includes('certificate'))).toMatchObject({
      outcome,
      found: expect.stringContaining(says),
      cure: expect.any(String),
    })
    expect(status).toBe(1)
  })

  test('a wrong base URL is told from a wrong token', async () => {
    await using server = await startTestServer({ target })
    const wrong = server.url.replace('/scim/v2', '/v2')
    const { status, failed } = await examined(target, wrong, 'entra')
    expect(failed.at(-1)).toMatchObject({
      check: 'a right token is taken',
      found: expect.stringContaining('found 404, expected 200'),
      cure: expect.stringContaining('give the base URL'),
    })
    expect(status).toBe(1)
  })

  test('broken off by Ctrl-C, it deletes what it made', async () => {
    await using server = await startTestServer()
    using place = temporary()
    const reached = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    using front = faulty(server, async (request, pass) => {
      if (request.method !== 'POST' || !request.url.endsWith('/Groups')) return pass()
      reached.resolve()
      await goOn.promise
      return pass()
    })
    const program =
      target === 'source'
        ? [process.execPath, join(import.meta.dir, '../../src/main.ts')]
        : [join(import.meta.dir, '../../dist/scimd')]
    const words = ['doctor', '--url', `${front.url}scim/v2`, '--token', TOKEN]
    const child = Bun.spawn([...program, ...words], {
      cwd: place.cwd,
      env: { PATH: process.env['PATH'] ?? '' },
      stdout: 'pipe',
      stderr: 'pipe',
    })
    await reached.promise
    child.kill('SIGINT')
    const decoder = new TextDecoder()
    let told = ''
    for await (const chunk of child.stderr) {
      told += decoder.decode(chunk)
      if (told.includes('breaking off')) goOn.resolve()
    }
    expect(await child.exited).toBe(1)
    expect(await new Response(child.stdout).text()).toEndWith(
      'ok    what was made for this examination is deleted\n',
    )
    expect(told).toInclude('was broken off')
    expect(await totals(server)).toEqual([0, 0])
  })

  test('without --url it examines its own server, over TLS too, with a token that it revokes', async () => {
    using place = temporary()
    const authority = makeCertificate({ name: 'authority', isAuthority: true })
    const { cert, key } = makeCertificate({ name: 'ours', by: authority })
    const files = { cert, key, ca: authority.cert }
    for (const [name, text] of Object.entries(files))
      writeFileSync(join(place.cwd, `${name}.pem`), text, { mode: 0o600 })
    const tls = { SCIMD_TLS_CERT: 'cert.pem', SCIMD_TLS_KEY: 'key.pem' }
    await using server = await serving(target, { ...place, env: { ...tls, SCIMD_TOKEN: TOKEN } })
    const listen = new URL(server.url).host
    const trusting = { ...tls, SCIMD_LISTEN: listen, NODE_EXTRA_CA_CERTS: 'ca.pem' }
    const good = await scimd(target, ['doctor'], { ...place, env: trusting })
    expect(good.out).not.toMatch(/^(?:fail|warn {2}(?!answers are quick enough))/m)
    expect(good).toMatchObject({ status: 0, err: '' })
    expect((await scimd(target, ['token', 'list'], place)).out).toBe('')

    const { NODE_EXTRA_CA_CERTS: _, ...doubting } = trusting
    const bad = await scimd(target, ['doctor', '--idp', 'okta'], { ...place, env: doubting })
    expect(bad.status).toBe(1)
    const told =
      'the certificate is good, for https: the certificate is of an authority that is not'
    expect(bad.out).toInclude(`\nfail  ${told}`)
    expect(bad.out).toMatch(/\n {6}Okta: .+\n {6}try: .+\n$/)
    expect(bad.out).not.toContain('a user is created')
    expect((await scimd(target, ['token', 'list'], place)).out).toBe('')
  })
})
