/** Turns a request's body into JSON, within the limits. RFC 7644 sections 3.1 and 3.8. */

import { ScimError } from '../scim/error.ts'
import { type JsonValue, readJson } from '../scim/json.ts'
import { BODY_BYTES_MAX } from '../scim/limits.ts'
import { Abandoned } from '../store/slices.ts'

const MEDIA_TYPES = ['application/scim+json', 'application/json']

/**
 * Reads the body of a POST, PUT or PATCH. A request without Content-Type is taken to be SCIM.
 *
 * @throws ScimError 415 for another media type or a compressed body, 413 for too long a body,
 *   invalidSyntax for no JSON
 */
export async function readBody(request: Request): Promise<JsonValue> {
  requireMediaType(request.headers.get('content-type'))
  requirePlain(request.headers.get('content-encoding'))
  return readJson(await readBytes(request).catch(cutOff))
}

function requireMediaType(contentType: string | null): void {
  const mediaType = contentType?.split(';', 1)[0]?.trim().toLowerCase()
  if (!mediaType || MEDIA_TYPES.includes(mediaType)) return
  throw ScimError.status(
    415,
    `Content-Type: found "${mediaType}", expected ${MEDIA_TYPES.join(' or ')}`,
  )
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
 */
async function readBytes(request: Request): Promise<Uint8Array> {
  const declared = Number(request.headers.get('content-length') ?? Number.NaN)
  if (declared > BODY_BYTES_MAX) throw tooLarge(declared)
  if (declared <= BODY_BYTES_MAX) return new Uint8Array(await request.arrayBuffer())
  if (!request.body) return new Uint8Array(0)
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of request.body) {
    length += chunk.length
    if (length > BODY_BYTES_MAX) throw tooLarge(length)
    chunks.push(chunk)
  }
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
    `the body has ${length} bytes or more, expected at most ${BODY_BYTES_MAX}`,
    {
      Connection: 'close',
    },
  )
