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

/** One key that a creation writes, as it was found in the file of a tenant with one user. */
interface Written {
  readonly database: string
  readonly key: Buffer | number
  readonly value: Buffer
}

/** How a creation writes: which keys, and what in them differs from user to user. */
interface Template {
  readonly written: readonly Written[]
  readonly id: string
  readonly number: string
}

const [directory = '', token = ''] = process.argv.slice(2)
const environment = openEnvironment(join(directory, 'bare.mdb'))
const resources = openBytes(environment, 'resources')
let write: () => void = () => {
  throw new Error('no template')
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
  /** The reference of POST behind HTTP: a body is parsed, the same keys are written. */
  .post(
    '/resources',
    async ({ request, headers }) => {
      if (headers['authorization'] !== authorization) return new Response(null, { status: 401 })
      const body: unknown = await request.json()
      await environment.transaction(() => write())
      return new Response(JSON.stringify(body), { status: 201, headers: HEADERS })
    },
    { parse: 'none' },
  )
  /** Learns from a tenant's file that holds one user what a creation writes. */
  .put(
    '/template',
    async ({ request }) => {
      const { file, id, number } = (await request.json()) as Record<
        'file' | 'id' | 'number',
        string
      >
      const template = { written: writtenIn(file), id, number }
      write = writerOf(environment, template)
      const sizes = template.written.map(
        ({ key, value }) => (typeof key === 'number' ? 4 : key.length) + value.length,
      )
      return { keys: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) }
    },
    { parse: 'none' },
  )
  /** The reference of POST: so many writers, each waiting for its transaction to be on disk. */
  .get('/write', async ({ query }) => {
    const end = performance.now() + Number(query['ms'])
    const started = performance.now()
    let count = 0
    const writer = async () => {
      while (performance.now() < end) {
        await environment.transaction(() => write())
        count++
      }
    }
    await Promise.all(Array.from({ length: Number(query['writers']) }, writer))
    return { count, seconds: (performance.now() - started) / 1000 }
  })
  .listen({ port: 0, hostname: '127.0.0.1' })

process.stdout.write(`bare listening on ${app.server?.port}\n`)

const isByHandle = (database: string): boolean => database.startsWith('records/')

/** Every key of a tenant's file, but for what is written once; `counters` is with every commit. */
function writtenIn(path: string): Written[] {
  const file = openEnvironment(path)
  const written: Written[] = []
  for (const name of [...file.getKeys({})].map(String)) {
    if (isByHandle(name)) {
      for (const { key, value } of openByHandle(file, name).getRange({})) {
        written.push({ database: name, key, value: Buffer.from(value) })
      }
      continue
    }
    for (const { key, value } of openBytes(file, name).getRange({})) {
      if (name === 'meta' && String(key) !== 'counters') continue
      written.push({ database: name, key: Buffer.from(key), value: Buffer.from(value) })
    }
  }
  void file.close()
  return written
}

/** Writes the same keys for user after user: each with a number, an id and a handle of its own. */
function writerOf(into: Environment, { written, id, number }: Template): () => void {
  const ready = written.map(({ database, key, value }) => {
    if (typeof key === 'number') {
      const records = openByHandle(into, database)
      return (handle: number) => void records.put(handle, value)
    }
    const bytes = openBytes(into, database)
    const numberAt = key.indexOf(number)
    const idAt = key.indexOf(id)
    const isIndex = database.startsWith('index/')
    return (handle: number) => {
      const own = Buffer.from(key)
      if (numberAt >= 0) own.write(String(handle).padStart(number.length, '0'), numberAt)
      if (idAt >= 0) own.write(Bun.randomUUIDv7(), idAt)
      if (isIndex) own.writeUInt32BE(handle, own.length - 4)
      if (database === 'journal') own.writeUIntBE(handle, 0, 6)
      void bytes.put(own, value)
    }
  })
  let handle = 0
  return () => {
    handle++
    for (const put of ready) put(handle)
  }
}
