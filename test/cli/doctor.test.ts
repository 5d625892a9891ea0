/** `scimd doctor`: content with scimd, and not with servers that have one fault each. */

import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { IDENTITY_PROVIDERS } from '../../src/doctor/identity-providers.ts'
import { makeCertificate } from '../certificates.ts'
import { startTestServer, TARGETS, type Target, type TestServer, TOKEN } from '../harness.ts'
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

  test('that nobody started is told', async () => {
    const { status, failed } = await examined('source', 'http://127.0.0.1:1/scim/v2', 'okta')
    expect(status).toBe(1)
    expect(failed.map(({ found }) => found)).toEqual(['nothing listens at http://127.0.0.1:1'])
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
    await Bun.sleep(100)
    goOn.resolve()
    expect(await child.exited).toBe(1)
    expect(await new Response(child.stdout).text()).toEndWith(
      'ok    what was made for this examination is deleted\n',
    )
    expect(await new Response(child.stderr).text()).toInclude('was broken off')
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
