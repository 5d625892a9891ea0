/**
 * The log of requests: records to files of one JSON object per line, DIRECTORY/NAME.requests/*, and
 * back. Plain files, as writes to LMDB would wait for those of the requests themselves.
 */

import { appendFile, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  REQUESTS_AGE_MAX_MS,
  REQUESTS_BATCH_BYTES,
  REQUESTS_BATCH_MS,
  REQUESTS_BYTES_MAX,
  REQUESTS_SEGMENT_AGE_MAX_MS,
  REQUESTS_SEGMENT_BYTES_MAX,
  REQUESTS_WAITING_BYTES_MAX,
} from '../scim/limits.ts'

/** Takes records. Nobody waits for it, and nothing that goes wrong with it is thrown. */
export interface RequestLog {
  append(tenant: string, record: object): void
}

export interface RequestLogFiles extends RequestLog {
  /** Removes what is too old or too much, of all tenants. */
  prune(): Promise<void>
  /** Writes what waits. */
  close(): Promise<void>
}

/** How much is kept, and how it is written; tests have smaller ones. */
export const REQUEST_LOG_LIMITS = {
  ageMaxMs: REQUESTS_AGE_MAX_MS,
  bytesMax: REQUESTS_BYTES_MAX,
  segmentBytesMax: REQUESTS_SEGMENT_BYTES_MAX,
  segmentAgeMaxMs: REQUESTS_SEGMENT_AGE_MAX_MS,
  waitingBytesMax: REQUESTS_WAITING_BYTES_MAX,
  batchMs: REQUESTS_BATCH_MS,
  batchBytes: REQUESTS_BATCH_BYTES,
}

/** What the log needs of the world around it. */
export interface RequestLogWorld {
  now(): number
  /** Told once when records cannot be written, and once when they can again. */
  failed(tenant: string, reason: string): void
  recovered(tenant: string): void
}

/** One tenant's records that wait, and the file that is written to. */
interface Writer {
  readonly directory: string
  waiting: string[]
  waitingBytes: number
  /** Records that were given up since the last one that waits, and those that waiting ones tell. */
  dropped: number
  toldDropped: number
  timer: ReturnType<typeof setTimeout> | undefined
  writing: Promise<void> | undefined
  segment: Segment | undefined
  hasFailed: boolean
}

interface Segment {
  readonly time: number
  readonly path: string
  bytes: number
  /** Whether its last line may have been cut off, by the end of a process or a full disk. */
  isTorn: boolean
}

/** The directory of a tenant's records. */
export const requestsDirectory = (directory: string, tenant: string): string =>
  join(directory, `${tenant}.requests`)

/**
 * Opens the log. Records are written some time after they are taken; a record that follows dropped
 * ones says how many they were, in `dropped`.
 *
 * @param directory where the tenants' files are
 */
export function openRequestLog(
  directory: string,
  world: RequestLogWorld,
  limits: typeof REQUEST_LOG_LIMITS = REQUEST_LOG_LIMITS,
): RequestLogFiles {
  const writers = new Map<string, Writer>()
  let waitingBytes = 0

  return {
    append(tenant, record) {
      const writer = writerOf(tenant)
      const { dropped } = writer
      const line = `${JSON.stringify(dropped > 0 ? { ...record, dropped } : record)}\n`
      const bytes = Buffer.byteLength(line)
      if (waitingBytes + bytes > limits.waitingBytesMax) {
        writer.dropped++
        return
      }
      writer.dropped = 0
      writer.toldDropped += dropped
      writer.waiting.push(line)
      writer.waitingBytes += bytes
      waitingBytes += bytes
      schedule(tenant, writer)
    },
    async prune() {
      const names = await readdir(directory).catch(() => [])
      for (const name of names.filter((name) => name.endsWith('.requests'))) {
        await pruneSegments(join(directory, name), 0).catch(() => undefined)
      }
    },
    async close() {
      for (const [tenant, writer] of writers) {
        while (writer.writing !== undefined || writer.waiting.length > 0)
          await flush(tenant, writer)
      }
    },
  }

  function writerOf(tenant: string): Writer {
    const known = writers.get(tenant)
    if (known) return known
    const writer: Writer = {
      directory: requestsDirectory(directory, tenant),
      waiting: [],
      waitingBytes: 0,
      dropped: 0,
      toldDropped: 0,
      timer: undefined,
      writing: undefined,
      segment: undefined,
      hasFailed: false,
    }
    writers.set(tenant, writer)
    return writer
  }

  /** What waits is written at once when it is a batch, and else when it has waited long enough. */
  function schedule(tenant: string, writer: Writer): void {
    if (writer.writing !== undefined) return
    if (writer.waitingBytes >= limits.batchBytes) void flush(tenant, writer)
    else writer.timer ??= setTimeout(() => void flush(tenant, writer), limits.batchMs)
  }

  /** Writes what waits at present; what comes meanwhile waits for a batch of its own. */
  function flush(tenant: string, writer: Writer): Promise<void> {
    clearTimeout(writer.timer)
    writer.timer = undefined
    writer.writing ??= writeBatch(tenant, writer).finally(() => {
      writer.writing = undefined
      if (writer.waiting.length > 0) schedule(tenant, writer)
    })
    return writer.writing
  }

  async function writeBatch(tenant: string, writer: Writer): Promise<void> {
    const { waiting: lines, waitingBytes: bytes, toldDropped } = writer
    Object.assign(writer, { waiting: [], waitingBytes: 0, toldDropped: 0 })
    try {
      await write(writer, lines.join(''), bytes)
      if (writer.hasFailed) world.recovered(tenant)
      writer.hasFailed = false
    } catch (error) {
      writer.dropped += lines.length + toldDropped
      // It may end in a part of a line, and its directory may have been removed.
      writer.segment = undefined
      if (!writer.hasFailed)
        world.failed(tenant, error instanceof Error ? error.message : String(error))
      writer.hasFailed = true
    }
    waitingBytes -= bytes
  }

  async function write(writer: Writer, text: string, bytes: number): Promise<void> {
    const segment = await segmentFor(writer, bytes)
    // An empty line ends what may have been cut off; readers pass over it.
    await appendFile(segment.path, segment.isTorn ? `\n${text}` : text, { mode: 0o600 })
    segment.bytes += bytes + (segment.isTorn ? 1 : 0)
    segment.isTorn = false
  }

  async function segmentFor(writer: Writer, bytes: number): Promise<Segment> {
    const { directory } = writer
    writer.segment ??= await lastSegment(directory)
    const now = world.now()
    const { segment } = writer
    const hasRoom =
      segment &&
      segment.bytes + bytes <= limits.segmentBytesMax &&
      now - segment.time < limits.segmentAgeMaxMs
    if (hasRoom) return segment
    // Not recursive: a data directory that was moved away is not begun anew by its log.
    await mkdir(directory, { mode: 0o700 }).catch((error) => {
      if (error.code !== 'EEXIST') throw error
    })
    await pruneSegments(directory, limits.segmentBytesMax)
    // Names are in the order of writing, whatever the clock does.
    const time = Math.max(now, (segment?.time ?? 0) + 1)
    const fresh = { time, path: join(directory, nameOf(time)), bytes: 0, isTorn: false }
    writer.segment = fresh
    return fresh
  }

  /** Leaves room for so many bytes more. */
  async function pruneSegments(path: string, room: number): Promise<void> {
    const names = await segmentNames(path)
    const oldest = world.now() - limits.ageMaxMs
    const sizes = await Promise.all(names.map((name) => sizeOf(join(path, name))))
    let total = sizes.reduce((sum, size) => sum + size, room)
    for (const [index, name] of names.entries()) {
      const next = names[index + 1]
      // Its last record is older than the first of the next, or else than the age of a segment.
      const end = next ? timeOf(next) : timeOf(name) + limits.segmentAgeMaxMs
      if (total <= limits.bytesMax && end >= oldest) return
      await rm(join(path, name), { force: true })
      total -= sizes[index] ?? 0
    }
  }
}

async function lastSegment(directory: string): Promise<Segment | undefined> {
  const name = (await segmentNames(directory)).at(-1)
  if (name === undefined) return undefined
  const path = join(directory, name)
  return { time: timeOf(name), path, bytes: await sizeOf(path), isTorn: true }
}

/** A segment's name is the time of its first record, without what some file systems refuse. */
const nameOf = (time: number): string =>
  `${new Date(time).toISOString().replaceAll(':', '-')}.ndjson`

const timeOf = (name: string): number =>
  Date.parse(name.replace(/T(\d\d)-(\d\d)-(.*)\.ndjson$/, 'T$1:$2:$3'))

const SEGMENT = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z\.ndjson$/

/** The segments of a directory, oldest first; none when there is no directory. */
async function segmentNames(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (isMissing(error)) return []
    throw error
  })
  return names.filter((name) => SEGMENT.test(name)).sort()
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT'

const sizeOf = async (path: string): Promise<number> =>
  (await stat(path).catch(() => undefined))?.size ?? 0

/** How far a reader has come. */
export interface ReadPlace {
  /** The segment, and the bytes of it that were read. */
  name: string
  offset: number
}

const CHUNK_BYTES = 256 * 1024

/**
 * The records of a directory, oldest first, from a place that is moved along, so that a later call
 * goes on behind it. A line that is no JSON was cut off and is left out; the last one, not yet
 * ended, is left for a later call.
 *
 * @param since milliseconds since 1970; segments that end before it are not read
 */
export async function* readRequestLog(
  directory: string,
  since: number,
  place: ReadPlace = { name: '', offset: 0 },
): AsyncGenerator<Record<string, unknown>> {
  const names = await segmentNames(directory)
  for (const [index, name] of names.entries()) {
    const next = names[index + 1]
    if (name < place.name || (next && timeOf(next) <= since)) continue
    if (name !== place.name) Object.assign(place, { name, offset: 0 })
    for await (const line of linesIn(join(directory, name), place)) {
      const record = recordIn(line)
      if (record) yield record
    }
  }
}

async function* linesIn(path: string, place: ReadPlace): AsyncGenerator<string> {
  const file = await open(path, 'r').catch((error: unknown) => {
    // Removed meanwhile, for its age.
    if (isMissing(error)) return undefined
    throw error
  })
  if (!file) return
  try {
    let rest = Buffer.alloc(0)
    for (let at = place.offset; ; ) {
      const chunk = Buffer.alloc(CHUNK_BYTES)
      const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, at)
      if (bytesRead === 0) return
      at += bytesRead
      rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)])
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        const line = rest.toString('utf8', 0, end)
        rest = rest.subarray(end + 1)
        place.offset = at - rest.length
        yield line
      }
    }
  } finally {
    await file.close()
  }
}

function recordIn(line: string): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(line)
    return typeof json === 'object' && json !== null ? { ...json } : undefined
  } catch {
    return undefined
  }
}
