/**
 * Turns what operations return into responses. The media type is always application/scim+json,
 * bare.
 */

import { type Context, locationOf } from '../operations/context.ts'
import type { SearchResult } from '../operations/page.ts'
import { type Piece, represent } from '../operations/represent.ts'
import { errorBody, type ScimError } from '../scim/error.ts'
import { etagOf } from '../scim/etag.ts'
import { ANSWER_PIECE_LENGTH, ANSWER_SMALL_BYTES_MAX } from '../scim/limits.ts'
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
  const length = pieces.reduce((sum, piece) => sum + (isKnown(piece) ? piece.length : 0), 0)
  const isWhole = length <= ANSWER_SMALL_BYTES_MAX && pieces.every(isKnown)
  if (!isWhole) await context.room(pieces.every(isKnown) ? length : length + LINKS_BYTES)
  const body = isWhole ? pieces.join('') : await bodyOf(context, inPieces([pieces]))
  return new Response(body, { status, headers: resourceHeaders(context, stored) })
}

/** About what it takes to go through a long list of links as it was at one moment. */
const LINKS_BYTES = 1024 * 1024

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
  const bytes = page.reduce((sum, { size }) => sum + size + HEADER_BYTES, 0)
  if (bytes > ANSWER_SMALL_BYTES_MAX) await context.room(bytes)
  const head = listHead(total, page.length, { startIndex, nextCursor })
  const body = await bodyOf(context, inPieces(listTexts(context, head, page, projectionOf)))
  return new Response(body, { headers: HEADERS })
}

/** About what a resource takes beside its text. */
const HEADER_BYTES = 256

/** What has been told of the page is let go of, so that a slow reader holds less and less. */
async function* listTexts(
  context: Context,
  head: string,
  page: readonly Stored[],
  projectionOf: (type: ResourceType) => Projection,
): AsyncGenerator<readonly Piece[]> {
  const rest = page.toReversed()
  const pause = slicer(context)
  let pieces: Piece[] = [head]
  let length = 0
  for (let stored = rest.pop(); stored; stored = rest.pop()) {
    await pause()
    for (const piece of await represent(context, stored, projectionOf(stored.type))) {
      pieces.push(piece)
      // One long list of members is held at a time: what comes after it is read when it is sent.
      length += isKnown(piece) ? piece.length : ANSWER_PIECE_LENGTH
    }
    if (rest.length > 0) pieces.push(',')
    if (length < ANSWER_PIECE_LENGTH) continue
    yield pieces
    pieces = []
    length = 0
  }
  yield [...pieces, ']}']
}

const isKnown = (piece: Piece): piece is string => typeof piece === 'string'

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

/** The text of a few documents, all at once: discovery is never paged (RFC 7644 section 4). */
export const documentsText = (documents: readonly JsonObject[]): string =>
  `${listHead(documents.length, documents.length, { startIndex: 1, nextCursor: undefined })}${documents.map((d) => JSON.stringify(d)).join(',')}]}`

/** A document that is no resource of the store, as text. */
export async function documentReply(
  context: Context,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  if (text.length > ANSWER_SMALL_BYTES_MAX) await context.room(text.length)
  const body = await bodyOf(context, inPieces([[text]]))
  return new Response(body, { headers: { ...HEADERS, ...headers } })
}

export function errorReply(error: ScimError): Response {
  const { status, scimType, message, headers } = error
  return new Response(JSON.stringify(errorBody(status, scimType, message)), {
    status,
    headers: { ...HEADERS, ...headers },
  })
}

/** The text of an answer, bit by bit, none of them very long. */
type Texts = AsyncGenerator<string, undefined>

/** Puts short pieces together and takes long ones apart. */
async function* inPieces(
  parts: AsyncIterable<readonly Piece[]> | Iterable<readonly Piece[]>,
): Texts {
  let text = ''
  for await (const pieces of parts) {
    for (const piece of pieces) {
      if (isKnown(piece)) text += piece
      else {
        for await (const more of piece) {
          text += more
          if (text.length >= ANSWER_PIECE_LENGTH) {
            yield text
            text = ''
          }
        }
      }
    }
    while (text.length >= ANSWER_PIECE_LENGTH) {
      const end = cutBefore(text, ANSWER_PIECE_LENGTH)
      yield text.slice(0, end)
      text = text.slice(end)
    }
  }
  if (text !== '') yield text
  return undefined
}

/** Where a text may be cut: between the two halves of a character each would become another one. */
const cutBefore = (text: string, end: number): number =>
  (text.charCodeAt(end - 1) & 0xfc00) === 0xd800 ? end - 1 : end

/**
 * A small answer as it is; of any other a stream, that goes on as its client reads. The beginning
 * is made in either case, so that what fails at once is told by a status.
 */
async function bodyOf(
  context: Context,
  texts: Texts,
): Promise<string | ReadableStream<Uint8Array>> {
  const first = await texts.next()
  const text = first.value ?? ''
  // No piece is so short but the last one.
  if (text.length <= ANSWER_SMALL_BYTES_MAX) return text
  await context.room(text.length)
  return streamOf(context, texts, text)
}

/**
 * Bun keeps of a text all that its client has not read, and never says when that has changed; of a
 * stream of this type it tells when each piece has gone out, which is when room may be given back.
 */
function streamOf(context: Context, texts: Texts, first: string): ReadableStream<Uint8Array> {
  const held = context.hold()
  let isOver = false
  const end = (): void => {
    isOver = true
    held.release()
  }
  return new ReadableStream<Uint8Array>({
    type: 'direct',
    async pull(sink) {
      /** A client that does not read is cut off; it must not take this for the end. */
      const cut = (error: unknown): void => {
        if (isOver) return
        end()
        sink.close(error instanceof Error ? error : new Error(String(error)))
      }
      try {
        for (let text: string | undefined = first; text; text = (await texts.next()).value) {
          const timer = setTimeout(() => cut(new Error('not read')), held.stallMs)
          sink.write(text)
          await sink.flush(true)
          clearTimeout(timer)
          if (isOver) return
        }
        end()
        sink.close()
      } catch (error) {
        cut(error)
      } finally {
        await texts.return(undefined)
      }
    },
    cancel() {
      end()
      return void texts.return(undefined)
    },
  })
}
