/**
 * The bytes of a request body to a JSON value, stricter than JSON.parse. RFC 8259, RFC 7493 section
 * 2.
 */

import { ScimError } from './error.ts'
import { Scan, type Sink } from './json-scan.ts'
import { finished, type Steps } from './steps.ts'

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | JsonValue[]
  | { [member: string]: JsonValue }

/**
 * Reads a request body. Beyond JSON.parse it refuses, with 400 invalidSyntax: bytes that are not
 * UTF-8, nesting past JSON_DEPTH_MAX, escapes of lone surrogates, numbers that no double can hold,
 * and two members of one object whose names differ by ASCII case alone or not at all, because SCIM
 * names are case-insensitive (RFC 7643 section 2.1) and nobody could say which of the two was
 * meant. One byte order mark is skipped. `__proto__` becomes an own member like any other.
 *
 * A scan decides and explains, then the native parser, which is far faster at building objects
 * than anything written here, makes the value of a text that is known to be good.
 */
export const readJson = (bytes: Uint8Array): JsonValue => finished(readJsonSteps(bytes))

/** The same in steps; only of a long body there are several. */
export function* readJsonSteps(bytes: Uint8Array): Steps<JsonValue> {
  const text = textOf(bytes)
  const scan = new Scan(text)
  if (text.length <= WHOLE_LENGTH_MAX) {
    yield* scan.steps()
    return JSON.parse(text) as JsonValue
  }
  // To decode 16 MiB is a step of its own.
  yield
  const builder = new Builder(text)
  yield* scan.steps(builder)
  return builder.value()
}

/** A longer text is parsed in runs. In UTF-16 units. */
const WHOLE_LENGTH_MAX = 64 * 1024
const RUN_LENGTH = 16 * 1024

/** An array or object that is not closed yet. */
interface Open {
  readonly isObject: boolean
  /** What has been parsed of it; undefined while nothing has. */
  value: JsonValue[] | { [name: string]: JsonValue } | undefined
  /** Where what has not been parsed begins and ends; -1 when there is nothing. */
  from: number
  to: number
  /** Where its latest element or member begins, and where the name of a member ends. */
  at: number
  nameEnd: number
}

/**
 * Makes the value of a long text while it is scanned. Neighbours are parsed together by the native
 * parser as soon as they are a run; what is shorter than a run is part of the run around it.
 */
class Builder implements Sink {
  readonly #text: string
  readonly #opens: Open[] = []
  #open: Open | undefined
  #root: JsonValue | undefined

  constructor(text: string) {
    this.#text = text
  }

  begins(at: number, nameEnd: number): void {
    const open = this.#open as Open
    open.at = at
    open.nameEnd = nameEnd
    if (open.from >= 0) return
    open.from = at
    open.to = at
  }

  opened(isObject: boolean): void {
    this.#open = { isObject, value: undefined, from: -1, to: -1, at: -1, nameEnd: -1 }
    this.#opens.push(this.#open)
  }

  closed(): void {
    const closed = this.#opens.pop() as Open
    this.#open = this.#opens.at(-1)
    if (!closed.value) return
    this.#parseRun(closed)
    const { value } = closed
    const open = this.#open
    if (!open) {
      this.#root = value
      return
    }
    this.#parseRun(open)
    if (Array.isArray(open.value)) open.value.push(value)
    else put(open, JSON.parse(this.#text.slice(open.at, open.nameEnd)) as string, value)
  }

  ended(end: number): void {
    const open = this.#open
    if (!open || open.from < 0) return
    open.to = end
    if (end - open.from >= RUN_LENGTH) this.#parseRun(open)
  }

  value(): JsonValue {
    return this.#root ?? (JSON.parse(this.#text) as JsonValue)
  }

  /** Parses the elements or members that have ended. */
  #parseRun(open: Open): void {
    const { isObject, from, to } = open
    open.value ??= isObject ? {} : []
    open.from = -1
    if (from < 0 || from === to) return
    const run = this.#text.slice(from, to)
    if (Array.isArray(open.value)) {
      for (const element of JSON.parse(`[${run}]`) as JsonValue[]) open.value.push(element)
      return
    }
    for (const [name, value] of Object.entries(JSON.parse(`{${run}}`) as object)) {
      put(open, name, value as JsonValue)
    }
  }
}

/** As JSON.parse does it: `__proto__` is a member like any other. */
function put({ value: object }: Open, name: string, value: JsonValue): void {
  if (name !== '__proto__') (object as { [name: string]: JsonValue })[name] = value
  else {
    const plain = { value, writable: true, enumerable: true, configurable: true }
    Object.defineProperty(object, name, plain)
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })

function textOf(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes)
  } catch {
    const at = invalidByteOffset(bytes)
    throw ScimError.of('invalidSyntax', `the body is not UTF-8 near byte ${at}, expected UTF-8`)
  }
}

/** Where the bytes first differ from what a forgiving decoder makes of them, at most 2 too far. */
function invalidByteOffset(bytes: Uint8Array): number {
  const forgiven = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  const mended = new TextEncoder().encode(forgiven)
  let at = 0
  while (at < bytes.length && bytes[at] === mended[at]) at++
  return at
}
