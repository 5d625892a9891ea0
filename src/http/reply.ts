/**
 * Turns what operations return into responses. The media type is always application/scim+json,
 * bare.
 */

import { type Context, locationOf } from '../operations/context.ts'
import type { SearchResult } from '../operations/page.ts'
import { type Piece, represent } from '../operations/represent.ts'
import { errorBody, type ScimError } from '../scim/error.ts'
import { etagOf } from '../scim/etag.ts'
import type { Projection } from '../scim/projection.ts'
import type { ResourceType } from '../scim/registry.ts'
import { URN } from '../scim/urns.ts'
import type { JsonObject } from '../scim/value.ts'
import { slicer } from '../store/slices.ts'
import type { Stored } from '../store/store.ts'

/** The media type is bare, as two well-known test suites want it; and nobody else keeps a copy. */
const HEADERS = {
  'Content-Type': 'application/scim+json',
  'Cache-Control': 'private, no-cache',
}

/** One resource, with its entity tag and its URI. RFC 7644 sections 3.3, 3.4.1, 3.5 and 3.14. */
export async function resourceReply(
  context: Context,
  stored: Stored,
  projection: Projection,
  status: 200 | 201 = 200,
): Promise<Response> {
  const pieces = await represent(context, stored, projection)
  return new Response(bodyOf(context, pieces), {
    status,
    headers: resourceHeaders(context, stored),
  })
}

const resourceHeaders = (context: Context, stored: Stored): Record<string, string> => {
  const location = locationOf(context, stored.type, stored.id)
  return {
    ...HEADERS,
    ETag: etagOf(stored.version),
    Location: location,
    'Content-Location': location,
  }
}

/** 204 for a change whose result is not shown. */
export const changedReply = (stored: Stored): Response =>
  new Response(null, { status: 204, headers: { ETag: etagOf(stored.version) } })

export const deletedReply = (): Response => new Response(null, { status: 204 })

/** 304: the client has this answer already. RFC 9110 section 15.4.5 says what it repeats. */
export const notModifiedReply = (etag: string, contentLocation?: string): Response =>
  new Response(null, {
    status: 304,
    headers: {
      'Cache-Control': HEADERS['Cache-Control'],
      ETag: etag,
      ...(contentLocation === undefined ? {} : { 'Content-Location': contentLocation }),
    },
  })

/** 304 for a resource. */
export const unchangedReply = (context: Context, { type, id, version }: Stored): Response =>
  notModifiedReply(etagOf(version), locationOf(context, type, id))

/** A page of resources. RFC 7644 section 3.4.2, RFC 9865 section 2. */
export async function listReply(
  context: Context,
  { total, startIndex, nextCursor, page }: SearchResult,
  projectionOf: (type: ResourceType) => Projection,
): Promise<Response> {
  const pieces: Piece[] = [listHead(total, page.length, { startIndex, nextCursor })]
  const pause = slicer(context)
  for (const [index, stored] of page.entries()) {
    await pause()
    const resource = await represent(context, stored, projectionOf(stored.type))
    if (index > 0) resource.unshift(',')
    if (resource.every(isKnown)) {
      // Within the slice: all of a long page at once would take long.
      pieces.push(resource.join(''))
      continue
    }
    pieces.push(...resource)
    // One long list of members is held at a time: what comes after it is read when it is sent.
    pieces.push(remaining(context, page.slice(index + 1), projectionOf))
    break
  }
  pieces.push(']}')
  return new Response(bodyOf(context, pieces), { headers: HEADERS })
}

const isKnown = (piece: Piece): piece is string => typeof piece === 'string'

async function* remaining(
  context: Context,
  page: readonly Stored[],
  projectionOf: (type: ResourceType) => Projection,
): AsyncGenerator<string> {
  for (const stored of page) {
    yield ','
    for (const piece of await represent(context, stored, projectionOf(stored.type))) {
      if (isKnown(piece)) yield piece
      else yield* piece
    }
  }
}

/** RFC 7644 section 3.4.2 and, where the page was found by cursor, RFC 9865 section 2. */
function listHead(
  totalResults: number,
  itemsPerPage: number,
  place: Pick<SearchResult, 'startIndex' | 'nextCursor'>,
): string {
  const { startIndex, nextCursor } = place
  const schemas = [URN.listResponse]
  const head = JSON.stringify({ schemas, totalResults, startIndex, itemsPerPage, nextCursor })
  return `${head.slice(0, -1)},"Resources":[`
}

/** All of a few documents: discovery is never paged (RFC 7644 section 4). */
export const documentsReply = (documents: readonly JsonObject[]): Response =>
  new Response(
    `${listHead(documents.length, documents.length, { startIndex: 1, nextCursor: undefined })}${documents.map((d) => JSON.stringify(d)).join(',')}]}`,
    { headers: HEADERS },
  )

export const documentReply = (document: JsonObject): Response =>
  new Response(JSON.stringify(document), { headers: HEADERS })

export function errorReply(error: ScimError): Response {
  const { status, scimType, message, headers } = error
  return new Response(JSON.stringify(errorBody(status, scimType, message)), {
    status,
    headers: { ...HEADERS, ...headers },
  })
}

const encoder = new TextEncoder()

/** Characters; a longer answer is sent piece by piece, so that it is not in memory twice. */
const WHOLE_LENGTH_MAX = 4 * 1024 * 1024

/**
 * Text when all is known and not very long, else a stream that reads the store as the client reads
 * it.
 */
function bodyOf(context: Context, pieces: readonly Piece[]): string | ReadableStream<Uint8Array> {
  let length = 0
  for (const piece of pieces) {
    if (!isKnown(piece)) return streamOf(context, pieces)
    length += piece.length
  }
  return length > WHOLE_LENGTH_MAX ? streamOf(context, pieces) : pieces.join('')
}

function streamOf(context: Context, pieces: readonly Piece[]): ReadableStream<Uint8Array> {
  const chunks = chunksOf(pieces)
  const release = context.holdStore()
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await chunks.next()
        if (!done) return controller.enqueue(value)
        controller.close()
      } catch (error) {
        controller.error(error)
      }
      release()
    },
    async cancel() {
      release()
      await chunks.return(undefined)
    },
  })
}

async function* chunksOf(pieces: readonly Piece[]): AsyncGenerator<Uint8Array, undefined> {
  for (const piece of pieces) {
    if (isKnown(piece)) yield encoder.encode(piece)
    else for await (const text of piece) yield encoder.encode(text)
  }
}
