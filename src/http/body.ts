/** Turns a request's body into JSON, within the limits. RFC 7644 sections 3.1 and 3.8. */

import { ScimError } from '../scim/error.ts'
import { type JsonValue, readJson, readJsonSteps } from '../scim/json.ts'
import { BODIES_BYTES_MAX, BODY_BYTES_MAX, BODY_DISCARDED_BYTES_MAX } from '../scim/limits.ts'
import { Abandoned, inSlices, nextTurn } from '../store/slices.ts'
import { contentTypeIn, isUtf8 } from './media-type.ts'

const MEDIA_TYPES = ['application/scim+json', 'application/json']

/**
 * Reads the body of a POST, PUT or PATCH. A request without Content-Type is taken to be SCIM.
 *
 * What it takes of the memory for bodies is given back by releaseBody, when nothing of it is used
 * any more.
 *
 * @throws ScimError 415 for another media type, another charset or a compressed body, 413 for too
 *   long a body, 503 while others have too many bytes, invalidSyntax for no JSON
 */
export async function readBody(request: Request): Promise<JsonValue> {
  requireMediaType(request.headers.get('content-type'))
  requirePlain(request.headers.get('content-encoding'))
  const bytes = await readBytes(request).catch(cutOff)
  // Making a signal costs more than reading a short body.
  if (bytes.length <= SHORT_BYTES_MAX) return readJson(bytes)
  await nextTurn()
  return inSlices(readJsonSteps(bytes), request)
}

const SHORT_BYTES_MAX = 16 * 1024

/** Bytes of the bodies that are read or used at present, of all requests and of each. */
let taken = 0
const takenBy = new WeakMap<Request, number>()

function take(request: Request, length: number): void {
  if (taken + length > BODIES_BYTES_MAX) {
    const detail = `the bodies of other requests take ${taken} of ${BODIES_BYTES_MAX} bytes`
    const headers = { 'Retry-After': '1', Connection: 'close' }
    throw ScimError.status(503, `${detail}; send this one again later`, headers)
  }
  taken += length
  takenBy.set(request, (takenBy.get(request) ?? 0) + length)
}

/** Gives back what readBody has taken for this request, if anything. */
export function releaseBody(request: Request): void {
  taken -= takenBy.get(request) ?? 0
  takenBy.delete(request)
}

/** How many bytes the body of a request has, as far as that is known. */
export function bodyBytesOf(request: Request): number | undefined {
  const declared = request.headers.get('content-length')
  return takenBy.get(request) ?? (declared === null ? undefined : Number(declared))
}

function requireMediaType(contentType: string | null): void {
  const { mediaType, charset } = contentTypeIn(contentType)
  if (mediaType !== '' && !MEDIA_TYPES.includes(mediaType)) {
    throw ScimError.status(
      415,
      `Content-Type: found "${mediaType}", expected ${MEDIA_TYPES.join(' or ')}`,
    )
  }
  // Read as UTF-8, its letters would be others, or nothing that can be read.
  if (!isUtf8(charset))
    throw ScimError.status(415, `Content-Type: found the charset "${charset}", expected UTF-8`)
}

/** RFC 9110 section 8.4: nothing is unpacked here, so that what was counted is what is read. */
function requirePlain(contentEncoding: string | null): void {
  const coding = contentEncoding?.trim().toLowerCase()
  if (!coding || coding === 'identity') return
  const detail = `Content-Encoding: found "${coding}", expected a body as it is`
  throw ScimError.status(415, detail, { 'Accept-Encoding': 'identity' })
}

/**
 * A declared length is believed as a reason to refuse; what really arrives is counted all the same.
 * Of a long body no more is counted than has arrived: whoever only announces bodies, or sends them
 * slowly, takes no room from others.
 *
 * What is too long is read on and thrown away, up to a limit: a client that still writes when the
 * connection closes gets a reset in place of the answer, and never hears of the limit.
 */
async function readBytes(request: Request): Promise<Uint8Array> {
  const declared = Number(request.headers.get('content-length') ?? Number.NaN)
  if (declared > BODY_DISCARDED_BYTES_MAX) throw tooLarge(declared)
  if (declared <= SHORT_BYTES_MAX) {
    take(request, declared)
    return new Uint8Array(await request.arrayBuffer())
  }
  if (!request.body) return new Uint8Array(0)
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of request.body) {
    length += chunk.length
    if (length > BODY_DISCARDED_BYTES_MAX) break
    if (declared > BODY_BYTES_MAX) continue
    if (length > BODY_BYTES_MAX) {
      chunks.length = 0
      releaseBody(request)
    } else {
      take(request, chunk.length)
      chunks.push(chunk)
    }
  }
  if (length > BODY_BYTES_MAX) throw tooLarge(length)
  // To put 16 MiB together is a piece of work, and others may have come to their end with it.
  if (length > SHORT_BYTES_MAX) await nextTurn()
  return Buffer.concat(chunks)
}

/** Whatever else ends the reading of a body is its client's doing. */
function cutOff(error: unknown): never {
  if (error instanceof ScimError) throw error
  throw new Abandoned('the body was cut off')
}

const tooLarge = (length: number): ScimError =>
  ScimError.status(
    413,
    `the body has ${length} bytes or more, expected at most ${BODY_BYTES_MAX} (maxPayloadSize)`,
    {
      Connection: 'close',
    },
  )
