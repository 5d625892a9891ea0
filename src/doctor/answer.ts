/** Turns an answer into what it says, or into a fault: what was found, and what was expected. */

import { URN } from '../scim/urns.ts'

/** Something that the identity provider would stumble over. */
export class Fault extends Error {
  override readonly name = 'Fault'
  /** What to do about it, where the step has nothing better to say. */
  readonly cure: string | undefined

  constructor(found: string, cure?: string) {
    super(found)
    this.cure = cure
  }
}

/** Any JSON; servers of others send what they like. */
export type Json = ReturnType<typeof JSON.parse>

export interface Answer {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body, or undefined when it is empty or no JSON. */
  readonly body: Json
  readonly ms: number
}

/** @throws Fault for an answer of another status */
export function requireStatus(answer: Answer, ...expected: readonly number[]): void {
  if (expected.includes(answer.status)) return
  const { method, path, status, headers, body } = answer
  const where = headers.get('location')
  const told = isRedirect(status)
    ? `a redirection to ${where}, which no identity provider follows`
    : (textOf(body?.detail) ?? 'no detail')
  throw new Fault(
    `${method} ${path}: found ${status} (${told}), expected ${expected.join(' or ')}`,
    isRedirect(status) ? `give the address that is redirected to: ${where}` : undefined,
  )
}

const isRedirect = (status: number): boolean => status >= 300 && status < 400 && status !== 304

const textOf = (json: Json): string | undefined =>
  typeof json === 'string' && json !== '' ? json : undefined

/** The object in the body. @throws Fault */
export function objectIn({ method, path, body, text }: Answer): Json {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body
  const found = text === '' ? 'an empty body' : `"${text.slice(0, 40)}"`
  throw new Fault(`${method} ${path}: found ${found}, expected a JSON object`)
}

/** The resources of a ListResponse. RFC 7644 section 3.4.2. @throws Fault */
export function listIn(answer: Answer): readonly Json[] {
  requireStatus(answer, 200)
  const { method, path } = answer
  const body = objectIn(answer)
  const expect = (holds: boolean, name: string, expected: string) => {
    if (holds) return
    const found = JSON.stringify(body[name])?.slice(0, 60) ?? 'nothing'
    throw new Fault(`${method} ${path}: ${name}: found ${found}, expected ${expected}`)
  }
  const names = Array.isArray(body.schemas) ? body.schemas : []
  expect(names.includes(URN.listResponse), 'schemas', URN.listResponse)
  expect(Number.isInteger(body.totalResults), 'totalResults', 'a whole number')
  // RFC 7644 lets an empty list be left out; Entra ID and Okta do not.
  expect(Array.isArray(body.Resources), 'Resources', 'a list, also when it is empty')
  for (const name of ['startIndex', 'itemsPerPage']) {
    expect(body[name] === undefined || Number.isInteger(body[name]), name, 'a whole number')
  }
  return body.Resources
}

/** Looks whether an answer is a SCIM error. RFC 7644 section 3.12. @throws Fault */
export function requireError(answer: Answer, ...statuses: readonly number[]): void {
  requireStatus(answer, ...statuses)
  const { method, path, status } = answer
  const { schemas, status: told } = objectIn(answer)
  if (!Array.isArray(schemas) || !schemas.includes(URN.error)) {
    throw new Fault(`${method} ${path}: ${status} without a SCIM error, expected ${URN.error}`)
  }
  if (told !== String(status)) {
    const found = JSON.stringify(told)
    throw new Fault(`${method} ${path}: status: found ${found}, expected "${status}" as a string`)
  }
}

/** @throws Fault when a value is another one */
export function requireValue(at: string, found: unknown, expected: unknown): void {
  if (found === expected) return
  const shown = JSON.stringify(found) ?? 'nothing'
  throw new Fault(`${at}: found ${shown}, expected ${JSON.stringify(expected)}`)
}
