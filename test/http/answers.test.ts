/** The memory that answers may take: who waits for it, who is refused, and who is cut off. */

import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { ANSWER_LIMITS, type AnswerLimits, answersWithin } from '../../src/http/answers.ts'
import { ScimError } from '../../src/scim/error.ts'
import { Abandoned } from '../../src/store/slices.ts'
import { type Reply, send, startTestServer, TARGETS, type TestServer, TOKEN } from '../harness.ts'
import { expectError, GROUP, PATCH_OP, tokenOf, USER } from './given.ts'
import { sendRaw } from './raw.ts'

/** The executable waits as long as it does by default. */
setDefaultTimeout(120_000)

const MIB = 1024 * 1024
/** More than the buffers of a connection take in, of one who does not read. */
const BULKY_COUNT = 19
const SEARCH = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest'

/** A client that has gone is told of by its signal. */
const client = () => {
  const gone = new AbortController()
  return { request: { signal: gone.signal }, leave: () => gone.abort() }
}

const within = (limits: Partial<AnswerLimits>) => {
  const answers = answersWithin({ ...ANSWER_LIMITS, waitMs: 60_000, ...limits })
  return (credential: string, request = client().request) => answers.share(credential, request)
}

const faultOf = (work: () => Promise<void> | undefined): Promise<unknown> =>
  (async () => {
    try {
      await work()
    } catch (error) {
      return error
    }
    throw new Error('it was not refused')
  })()

/** Whether a promise has come to its end, once all that could end it has run. */
async function hasEnded(promise: Promise<void> | undefined): Promise<boolean> {
  let isOver = false
  promise?.then(
    () => {
      isOver = true
    },
    () => undefined,
  )
  await new Promise((resolve) => setImmediate(resolve))
  return isOver
}

describe('the budget of answers', () => {
  test('is taken up to its limit, by one credential up to half, and given back', async () => {
    const share = within({ bytesMax: 100 })
    const first = share('a')
    expect(first.room(30, false)).toBeUndefined()
    expect(share('a').room(20, false)).toBeUndefined()
    const beyond = share('a')
    const waits = beyond.room(1, false)
    expect(await hasEnded(waits)).toBe(false)
    // Another one has its own half, and passes by; a third finds nothing left.
    expect(share('b').room(50, false)).toBeUndefined()
    const third = share('c').room(1, false)
    expect(await hasEnded(third)).toBe(false)

    const release = first.stream()
    first.made()
    expect(await hasEnded(waits)).toBe(false)
    release()
    await waits
    await third
    // Given back once, however often it is said.
    release()
    first.made()
    const last = share('d').room(30, false)
    expect(await hasEnded(last)).toBe(false)
    beyond.made()
    expect(await hasEnded(last)).toBe(false)
  })

  test('an answer beyond a half is sent where nothing is beside it', async () => {
    const share = within({ bytesMax: 100 })
    const large = share('a')
    expect(large.room(1000, false)).toBeUndefined()
    const other = share('b').room(1, false)
    expect(await hasEnded(other)).toBe(false)
    large.made()
    await other
  })

  test('what was written is told even where there is no room', () => {
    const share = within({ bytesMax: 100 })
    expect(share('a').room(1000, false)).toBeUndefined()
    expect(share('a').room(1000, true)).toBeUndefined()
  })

  test('large answers are made in order of arrival, half of them of one credential', async () => {
    const share = within({ madeMax: 2 })
    const [first, second, third] = [share('a'), share('a'), share('a')]
    expect(first.turn()).toBeUndefined()
    // It has its turn, and needs no other one.
    expect(first.turn()).toBeUndefined()
    const [two, three] = [second.turn(), third.turn()]
    expect(share('b').turn()).toBeUndefined()
    expect(await hasEnded(two)).toBe(false)
    first.made()
    await two
    expect(await hasEnded(three)).toBe(false)
    second.made()
    await three
  })

  test('clients that have gone are dropped before their answer is made', async () => {
    const share = within({ madeMax: 2, waitingMax: 4 })
    const first = share('a')
    expect(first.turn()).toBeUndefined()
    const leaving = client()
    const dropped = faultOf(() => share('a', leaving.request).turn())
    const stays = share('a').turn()
    const full = await faultOf(() => share('a').turn())
    expect(full).toMatchObject({ status: 503, headers: { 'Retry-After': '5' } })
    // One credential does not take the places of others.
    expect(share('b').turn()).toBeUndefined()
    expect(await hasEnded(share('b').turn())).toBe(false)
    leaving.leave()
    expect(await dropped).toBeInstanceOf(Abandoned)
    const gone = client()
    gone.leave()
    expect(await faultOf(() => share('a', gone.request).turn())).toBeInstanceOf(Abandoned)
    // There is a place again for one who waits.
    const next = share('a').turn()
    first.made()
    await stays
    expect(await hasEnded(next)).toBe(false)
  })

  test('who has waited too long is told to come again', async () => {
    const share = within({ madeMax: 2, waitMs: 1 })
    expect(share('a').turn()).toBeUndefined()
    const fault = await faultOf(() => share('a').turn())
    expect(fault).toBeInstanceOf(ScimError)
    expect(fault).toMatchObject({ status: 503, headers: { 'Retry-After': '5' } })
  })
})

const users = (server: TestServer, count: number, attributes: object = {}) =>
  Promise.all(
    Array.from({ length: count }, (_, number) =>
      made(server, '/Users', { schemas: [USER], userName: `user-${number}`, ...attributes }),
    ),
  )

async function made(server: TestServer, path: string, body: object): Promise<string> {
  const { status, body: created } = await server.request('POST', path, body)
  expect(status).toBe(201)
  return created.id
}

async function bulky(server: TestServer): Promise<string> {
  const addresses = Array.from({ length: 14 }, (_, index) => ({
    formatted: 'x'.repeat(65_000),
    type: `t${index}`,
  }))
  let id = ''
  for (let number = 0; number < BULKY_COUNT; number++) {
    id = await made(server, '/Users', { schemas: [USER], userName: `bulky-${number}`, addresses })
  }
  return id
}

/** A client that asks, sees its answer begin, and reads no more until it is told to. */
async function unread(url: string, path: string) {
  const { hostname, port, pathname } = new URL(url)
  const begun = Promise.withResolvers<string>()
  const over = Promise.withResolvers<string>()
  let isReading = false
  let tail = ''
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data(socket, bytes) {
        if (!isReading) socket.pause()
        begun.resolve(bytes.toString('latin1').slice(0, 20))
        tail = (tail + bytes.toString('latin1')).slice(-20)
      },
      close: () => over.resolve(tail),
      error: () => over.resolve(tail),
    },
  })
  const head = `Host: ${hostname}\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`
  socket.write(`GET ${pathname}${path} HTTP/1.1\r\n${head}`)
  expect(await begun.promise).toStartWith('HTTP/1.1 200 ')
  return {
    leave: () => socket.terminate(),
    /** Reads on; gives the end of what came before the connection was closed. */
    async readToEnd(): Promise<string> {
      isReading = true
      socket.resume()
      return over.promise
    },
  }
}

async function until<T>(ask: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await ask()
    if (holds(value)) return value
    await Bun.sleep(50)
  }
}

function expectBusy(reply: Reply): void {
  expectError(reply, 503, undefined, 'later')
  expect(reply.headers.get('retry-after')).toBe('5')
}

/** What the executable has by default is more than this, and serves as well. */
const SOURCE: Partial<AnswerLimits> = { bytesMax: 24 * MIB, waitMs: 100 }

describe.each(TARGETS)('answers that nobody reads (%s)', (target) => {
  test('past the budget 503, and others are answered meanwhile', async () => {
    await using server = await startTestServer({
      target,
      ...(target === 'source' && { given: { answers: { ...SOURCE, stallMs: 600_000 } } }),
    })
    const { url } = server
    const large = await bulky(server)
    const small = await made(server, '/Users', { schemas: [USER], userName: 'small' })
    const other = { Authorization: `Bearer ${await tokenOf(server)}` }
    const all = '/Users?count=1000'
    const one = await unread(url, all)

    expectBusy(await server.request('GET', all))
    expectBusy(await server.request('POST', '/Users/.search', { schemas: [SEARCH], count: 1000 }))
    // Small answers wait for nobody, and another credential has its own half.
    expect((await server.request('GET', `/Users/${small}`)).status).toBe(200)
    expect((await server.request('GET', '/Users?filter=userName+eq+%22small%22')).status).toBe(200)
    expect((await server.request('GET', `/Users/${small}`, undefined, other)).status).toBe(200)
    const nobody = { Authorization: undefined }
    expect((await server.request('GET', '/Schemas', undefined, nobody)).status).toBe(200)
    expect((await send(`${url}/Users/${large}`, 'GET', undefined, other)).status).toBe(200)

    one.leave()
    const whole = await until(
      () => server.request('GET', all),
      ({ status }) => status === 200,
    )
    expect(whole.body.totalResults).toBe(BULKY_COUNT + 1)
    const { nextCursor, itemsPerPage, Resources } = whole.body
    expect(nextCursor).toBeUndefined()
    expect(Resources).toHaveLength(itemsPerPage)
  })

  test('who does not read is cut off, does not take it for the end, and the room is free', async () => {
    await using server = await startTestServer({
      target,
      ...(target === 'source' && { given: { answers: { ...SOURCE, stallMs: 200 } } }),
    })
    await bulky(server)
    const all = '/Users?count=1000'
    const one = await unread(server.url, all)
    const whole = await until(
      () => server.request('GET', all),
      ({ status }) => status === 200,
    )
    expect(whole.body.totalResults).toBe(BULKY_COUNT)
    expect(await one.readToEnd()).not.toEndWith('\r\n0\r\n\r\n')
  })
})

describe('a write where answers have taken the memory', () => {
  test('is refused before anything is written, if its answer is large', async () => {
    const answers = { ...SOURCE, stallMs: 600_000 }
    await using server = await startTestServer({ given: { answers } })
    const large = await bulky(server)
    const small = await made(server, '/Users', { schemas: [USER], userName: 'small' })
    const all = '/Users?count=1000'
    const held = [await unread(server.url, all)]
    const titled = { op: 'replace', path: 'title', value: 'Changed' }
    const patch = { schemas: [PATCH_OP], Operations: [titled] }
    const addresses = [{ formatted: 'x'.repeat(60_000) }]
    const changed = { schemas: [USER], userName: 'changed', addresses }

    expectBusy(await server.request('PATCH', `/Users/${large}`, patch))
    expectBusy(await server.request('PUT', `/Users/${small}`, changed))
    expectBusy(await server.request('POST', '/Users', changed))
    expect((await server.request('PATCH', `/Users/${small}`, patch)).body.title).toBe('Changed')
    for (const { leave } of held) leave()
    const read = await until(
      () => server.request('GET', `/Users/${large}`),
      ({ status }) => status === 200,
    )
    expect(read.body.title).toBeUndefined()
    expect(read.body.meta.version).toBe('W/"1"')
    const found = await server.request('GET', '/Users?filter=userName+eq+%22changed%22')
    expect(found.body.totalResults).toBe(0)
    expect((await server.request('PATCH', `/Users/${large}`, patch)).body.title).toBe('Changed')
  })
})

describe('what takes a turn', () => {
  test('long pages, sorts, scans and lists of members do, and small answers do not', async () => {
    await using server = await startTestServer({
      given: { answers: { madeMax: 0, waitMs: 1 } },
    })
    const ids = await users(server, 100, { title: 'Engineer' })
    const group = (count: number) =>
      made(server, '/Groups?excludedAttributes=members', {
        schemas: [GROUP],
        displayName: `${count}`,
        members: ids.slice(0, count).map((value) => ({ value })),
      })
    const few = await group(99)
    const many = await group(100)
    const search = { schemas: [SEARCH], count: 21 }
    const get = (path: string) => server.request('GET', path)
    for (const path of [
      '/Users?count=20',
      '/Users?count=19&cursor',
      '/Users?count=20&sortBy=userName',
      '/Users?count=20&filter=title+eq+%22Engineer%22',
      '/Users?filter=userName+eq+%22user-7%22&sortBy=title',
      '/Users?filter=userName+eq+%22user-7%22',
      '/Users?count=0',
      `/Users/${ids[0]}`,
      `/Groups/${few}`,
      `/Groups/${many}?excludedAttributes=members`,
      '/Schemas',
    ]) {
      expect({ path, status: (await get(path)).status }).toEqual({ path, status: 200 })
    }
    for (const path of [
      '/Users?count=21',
      '/Users?count=20&cursor',
      '/Users?count=21&sortBy=userName',
      '/Users?count=1&sortBy=nickName',
      '/Users?count=21&filter=title+eq+%22Engineer%22',
      '/?count=21',
      `/Groups/${many}`,
      '/Groups',
    ]) {
      expect({ path, status: (await get(path)).status }).toEqual({ path, status: 503 })
    }
    expectBusy(await server.request('POST', '/Users/.search', search))
    expectBusy(await server.request('POST', '/.search', search))
  })
})

describe.each(TARGETS)('an answer that is sent piece by piece (%s)', (target) => {
  test('is whole for old clients, for HEAD, and where a character lies on a seam', async () => {
    await using server = await startTestServer({ target })
    // Four bytes each, so that some piece ends within one, wherever it begins.
    await users(server, 100, { title: '🜁'.repeat(1000) })
    const { pathname } = new URL(server.url)
    const target100 = { method: 'GET', target: `${pathname}/Users?count=100` }
    const headers = { Authorization: `Bearer ${TOKEN}` }
    const whole = await server.request('GET', '/Users?count=100')
    expect(whole.body.Resources).toHaveLength(100)
    for (const { title } of whole.body.Resources) expect(title).toBe('🜁'.repeat(1000))

    const raw = await sendRaw(server.url, { ...target100, headers })
    expect(raw.headers['transfer-encoding']).toBe('chunked')
    expect(raw.headers['content-length']).toBeUndefined()
    expect(JSON.parse(raw.text)).toEqual(whole.body)

    const head = await server.request('HEAD', '/Users?count=100')
    expect({ status: head.status, text: head.text }).toEqual({ status: 200, text: '' })
    expect(head.headers.get('content-type')).toBe('application/scim+json')
  })
})
