/**
 * The one error type that may cross a layer. RFC 7644 section 3.12, tables 8 and 9; RFC 9865 table
 * 3.
 *
 * Anything else that is thrown is a bug, and the HTTP layer answers it with a bare 500.
 */

import { URN } from './urns.ts'

/** Every scimType there is, with the status it is always sent with. */
const STATUS_OF = {
  invalidFilter: 400,
  tooMany: 400,
  uniqueness: 409,
  mutability: 400,
  invalidSyntax: 400,
  invalidPath: 400,
  noTarget: 400,
  invalidValue: 400,
  invalidVers: 400,
  sensitive: 403,
  invalidCursor: 400,
  expiredCursor: 400,
  invalidCount: 400,
} as const

export type ScimType = keyof typeof STATUS_OF

/** Statuses that are sent without a scimType. */
export type BareStatus = 400 | 401 | 403 | 404 | 405 | 409 | 412 | 413 | 415 | 429 | 501 | 503 | 507

/** Response headers that belong to a fault, such as Allow or WWW-Authenticate. */
export type ErrorHeaders = Readonly<Record<string, string>>

export class ScimError extends Error {
  override readonly name = 'ScimError'
  readonly status: number
  readonly scimType: ScimType | undefined
  readonly headers: ErrorHeaders

  private constructor(
    status: number,
    scimType: ScimType | undefined,
    detail: string,
    headers: ErrorHeaders,
  ) {
    super(detail)
    this.status = status
    this.scimType = scimType
    this.headers = headers
  }

  /** A fault that has a scimType. `detail` says what was found, what was expected and where. */
  static of(scimType: ScimType, detail: string): ScimError {
    return new ScimError(STATUS_OF[scimType], scimType, detail, {})
  }

  /** A fault that RFC 7644 names by status alone. */
  static status(status: BareStatus, detail: string, headers: ErrorHeaders = {}): ScimError {
    return new ScimError(status, undefined, detail, headers)
  }

  /** A fault of the server: it tells nothing but where the log tells more. */
  static internal(requestId: string): ScimError {
    return new ScimError(
      500,
      undefined,
      `the server failed; its log says why under ${requestId}`,
      {},
    )
  }
}

/** The body of an error response; `status` is a string by RFC 7644 section 3.12. */
export function errorBody(status: number, scimType: ScimType | undefined, detail: string) {
  return {
    schemas: [URN.error],
    status: String(status),
    ...(scimType === undefined ? {} : { scimType }),
    detail,
  }
}
