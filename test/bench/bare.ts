/**
 * What scimd is measured against: an Elysia route and an LMDB transaction that do as little as can
 * be. A process of its own, started by bench.ts with a directory and a token.
 */

import { join } from 'node:path'
import { Elysia } from 'elysia'
import {
  type Environment,
  openByHandle,
  openBytes,
  openEnvironment,
} from '../../src/store/lmdb-file.ts'

/** One key that a change writes, as it was found in the file of a tenant. */
interface Written {
  readonly database: string
  readonly key: Buffer | number
  readonly value: Buffer
}

/** How a change writes: which keys, and what in them differs from one resource to the next. */
interface Template {
  readonly written: readonly Written[]
  readonly id: string
  readonly number: string
}

/** What a body of /template or /snapshot names. */
interface Asked {
  readonly file: string
  readonly id: string
  readonly number: string
}

const [directory = '', token = ''] = process.argv.slice(2)
const environment = openEnvironment(join(directory, 'bare.mdb'))
const resources = openBytes(environment, 'resources')
/** What a tenant's file held before the change that is learned: place of a key → value. */
let before = new Map<string, Buffer>()
/** Handles count over all templates, so that none writes what another has written. */
let handle = 0
const writers = new Map<string, () => void>()

function writerNamed(name: string): () => void {
  const writer = writers.get(name)
  if (!writer) throw new Error(`there is no template ${name}`)
  return writer
}

const HEADERS = { 'Content-Type': 'application/scim+json' }
const authorization = `Bearer ${token}`

const app = new Elysia()
  /** The reference of GET: a header is checked, bytes are read and returned. */
  .get('/resources/:id', ({ params, headers }) => {
    if (headers['authorization'] !== authorization) return new Response(null, { status: 401 })
    const bytes = resources.getBinary(Buffer.from(params.id))
    return new Response(new Uint8Array(bytes ?? []), {
      status: bytes ? 200 : 404,
      headers: HEADERS,
    })
  })
  .put(
    '/resources/:id',
    async ({ params, request }) => {
      await resources.put(Buffer.from(params.id), Buffer.from(await request.arrayBuffer()))
      return new Response(null, { status: 204 })
    },
    { parse: 'none' },
  )
  /** The least that a server can do: tells how fast the client is. */
  .get('/fixed', () => 'a fixed string')
  /** The reference of POST behind HTTP: a body is parsed, the same keys are written. */
  .post(
    '/resources',
    async ({ request, headers }) => {
      if (headers['authorization'] !== authorization) return new Response(null, { status: 401 })
      const body: unknown = await request.json()
      await environment.transaction(writerNamed('user'))
      return new Response(JSON.stringify(body), { status: 201, headers: HEADERS })
    },
    { parse: 'none' },
  )
  /** Remembers what a tenant's file holds, so that the next change can be told. */
  .put(
    '/snapshot',
    async ({ request }) => {
      const { file } = (await request.json()) as Asked
      before = new Map(writtenIn(file).map((written) => [placeOf(written), written.value]))
      return {}
    },
    { parse: 'none' },
  )
  /** Learns what has been written to a tenant's file since. */
  .put(
    '/template/:name',
    async ({ request, params }) => {
      const { file, id, number } = (await request.json()) as Asked
      const written = writtenIn(file).filter((one) => !before.get(placeOf(one))?.equals(one.value))
      writers.set(params.name, writerOf(environment, { written, id, number }))
      const sizes = written.map(
        ({ key, value }) => (typeof key === 'number' ? 4 : key.length) + value.length,
      )
      return { keys: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) }
    },
    { parse: 'none' },
  )
  /**
   * The reference of a write: so many writers, each waiting for its transaction to be on disk, for
   * so many milliseconds, or so many times altogether.
   */
  .get('/write/:name', async ({ params, query }) => {
    const write = writerNamed(params.name)
    const end = performance.now() + Number(query['ms'] ?? Number.POSITIVE_INFINITY)
    const countMax = Number(query['count'] ?? Number.POSITIVE_INFINITY)
    const started = performance.now()
    let begun = 0
    const writer = async () => {
      while (performance.now() < end && begun < countMax) {
        begun++
        await environment.transaction(write)
      }
    }
    await Promise.all(Array.from({ length: Number(query['writers']) }, writer))
    return { count: begun, seconds: (performance.now() - started) / 1000 }
  })
  // A long row of writes answers late.
  .listen({ port: 0, hostname: '127.0.0.1', idleTimeout: 0, reusePort: false })

process.stdout.write(`bare listening on ${app.server?.port}\n`)

const isByHandle = (database: string): boolean => database.startsWith('records/')

const placeOf = ({ database, key }: Written): string =>
  `${database} ${typeof key === 'number' ? key : key.toString('hex')}`

/** Every key of a tenant's file. */
function writtenIn(path: string): Written[] {
  const file = openEnvironment(path)
  const written: Written[] = []
  // LMDB tells the names of databases with the zero that ends them.
  for (const name of [...file.getKeys({})].map((key) => String(key).replace('\0', ''))) {
    if (isByHandle(name)) {
      for (const { key, value } of openByHandle(file, name).getRange({})) {
        written.push({ database: name, key, value: Buffer.from(value) })
      }
      continue
    }
    for (const { key, value } of openBytes(file, name).getRange({})) {
      written.push({ database: name, key: Buffer.from(key), value: Buffer.from(value) })
    }
  }
  void file.close()
  return written
}

const HANDLE_BYTES = 4
/** Between the handles of two changes, so that the links of one do not meet those of another. */
const HANDLE_STRIDE = 1000
/** Where the bytes of a sequence are in a key of the journal. */
const SEQUENCE_BYTES = 6

/** Writes the same keys again and again: each time with a number, an id and a handle of its own. */
function writerOf(into: Environment, { written, id, number }: Template): () => void {
  const ready = written.map(({ database, key, value }) => {
    if (typeof key === 'number') {
      const records = openByHandle(into, database)
      return () => void records.put(handle, value)
    }
    const bytes = openBytes(into, database)
    const numberAt = number === '' ? -1 : key.indexOf(number)
    const idAt = id === '' ? -1 : key.indexOf(id)
    const endsInHandle = /^(?:index|links|owners)\//.test(database)
    const last = endsInHandle ? key.readUInt32BE(key.length - HANDLE_BYTES) : 0
    return () => {
      const own = Buffer.from(key)
      if (numberAt >= 0) own.write(String(handle).padStart(number.length, '0'), numberAt)
      if (idAt >= 0) own.write(Bun.randomUUIDv7(), idAt)
      if (endsInHandle) {
        const next = (last + handle * HANDLE_STRIDE) % 2 ** 32
        own.writeUInt32BE(next, own.length - HANDLE_BYTES)
      }
      if (database === 'journal') own.writeUIntBE(handle, 0, SEQUENCE_BYTES)
      void bytes.put(own, value)
    }
  })
  return () => {
    handle++
    for (const put of ready) put()
  }
}
