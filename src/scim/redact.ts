/** Takes secrets out of what the log of requests keeps of a request, and cuts it to a length. */

import { parseFilter } from './filter/parse.ts'
import type { JsonValue } from './json.ts'
import { partsOf } from './query.ts'
import type { ResourceType } from './registry.ts'
import type { Attribute } from './schema.ts'
import { SECRET_NAME } from './secret.ts'
import { isJsonObject, type JsonObject } from './value.ts'

/** Stands where something was left out. */
export const LEFT_OUT = '…'

/** Whether a text, such as the name or the path of an attribute, speaks of what is not logged. */
export type Names = (text: string) => boolean

/** The bearer tokens that this server makes; the prefix may be shown. */
const TOKEN = /scimd_([a-z0-9]{12})_[A-Za-z0-9_-]{43}/g

/** Tells names of attributes that no client reads back, at any depth, or that sound like it. */
export function secretNames(types: readonly ResourceType[]): Names {
  const names = new Set<string>()
  const collect = (attributes: Iterable<Attribute>): void => {
    for (const { name, returned, mutability, subAttributes } of attributes) {
      if (returned === 'never' || mutability === 'writeOnly') names.add(name.toLowerCase())
      collect(subAttributes)
    }
  }
  for (const { attributes, extensions } of types) {
    collect(attributes.values())
    for (const { schema } of extensions) collect(schema.attributes)
  }
  return remembered(
    (text) => SECRET_NAME.test(text) || wordsIn(text).some((word) => names.has(word)),
  )
}

/** Texts that an answer is remembered for, and how long they may be. */
const REMEMBERED_COUNT_MAX = 10_000
const REMEMBERED_LENGTH_MAX = 100

/** The same answers, looked up where the text was asked for before: names come again and again. */
function remembered(names: Names): Names {
  const answers = new Map<string, boolean>()
  return (text) => {
    const known = answers.get(text)
    if (known !== undefined) return known
    const answer = names(text)
    if (text.length > REMEMBERED_LENGTH_MAX) return answer
    if (answers.size >= REMEMBERED_COUNT_MAX) answers.clear()
    answers.set(text, answer)
    return answer
  }
}

/**
 * The attributes that a tenant keeps out of addresses, by their names: attribute and sub-attribute
 * alike, as a filter may name both or one. `value` alone would mean every attribute.
 */
export function sensitiveNames(paths: readonly string[]): Names {
  if (paths.length === 0) return () => false
  const names = new Set(
    paths.flatMap((path) => wordsIn(path.slice(path.lastIndexOf(':') + 1))).filter(isTelling),
  )
  return (text) => wordsIn(text).some((word) => names.has(word))
}

const isTelling = (word: string): boolean => word !== 'value' && word !== ''

const wordsIn = (text: string): string[] => text.toLowerCase().split(/[^\p{L}\p{N}_$-]+/u)

/** A text without the secrets of bearer tokens. */
export const withoutTokens = (text: string): string =>
  text.includes('scimd_') ? text.replace(TOKEN, `scimd_$1_${LEFT_OUT}`) : text

/** Whether a filter or a path names such an attribute; what it compares with is no name. */
const isNamedIn = (text: string, names: Names): boolean =>
  names(text.replace(/"(?:\\.|[^"\\])*"?/g, ' '))

/** A filter without the values that it compares with, if it names what is hidden. */
export function redactedFilter(filter: string, isHidden: Names): string {
  if (!isNamedIn(filter, isHidden)) return filter
  try {
    parseFilter(filter)
  } catch {
    // Of what is no filter, nobody knows which part is a value.
    return LEFT_OUT
  }
  return filter
    .replace(/"(?:\\.|[^"\\])*"/g, `"${LEFT_OUT}"`)
    .replace(/\b(eq|ne|co|sw|ew|gt|ge|lt|le)([ \t]+)-?\d[\d.eE+-]*/gi, `$1$2${LEFT_OUT}`)
}

/** Path and query of an address, with filters that name what is hidden redacted. */
export function redactedAddress(address: string, isSecret: Names, isHidden: Names): string {
  const at = address.indexOf('?')
  if (at < 0) return withoutTokens(address)
  const kept = partsOf(address.slice(at + 1)).map(({ before, text }) => before + shown(text))
  return withoutTokens(`${address.slice(0, at)}?${kept.join('')}`)

  function shown(part: string): string {
    const plain = /^(\w+)=/.exec(part)?.[1]
    if (plain && plain.toLowerCase() !== 'filter' && !isSecret(plain)) return part
    const [[name, value] = ['', '']] = new URLSearchParams(part)
    if (isSecret(name)) return `${encodeURIComponent(name)}=${LEFT_OUT}`
    if (name.toLowerCase() !== 'filter' || !isNamedIn(value, isHidden)) return part
    return `${name}=${encodeURIComponent(redactedFilter(value, isHidden))}`
  }
}

/** Members whose text may name an attribute that stands in `value` or `data` beside it. */
const NAMING = /^(?:path|name|key|field|attribute\w*)$/i

/** What a naming member says, also in a wrong shape; of a long one, the beginning. */
const textOf = (held: JsonValue): string =>
  typeof held === 'string'
    ? held
    : JSON.stringify(held).slice(0, NAMING_LENGTH_MAX).replaceAll('"', ' ')

const NAMING_LENGTH_MAX = 1000

/**
 * A body as it is logged: values of secrets left out wherever a name or a path speaks of them, and
 * no more of it than about so many characters of JSON. What is cut off is never looked at.
 */
export function redactedBody(
  body: JsonValue,
  isSecret: Names,
  isHidden: Names,
  lengthMax: number,
): { readonly body: JsonValue; readonly isCut: boolean; readonly isRedacted: boolean } {
  let left = lengthMax
  let isCut = false
  let isRedacted = false

  const kept = (text: string): string => {
    const isWhole = text.length <= left
    const part = isWhole ? text : `${text.slice(0, Math.max(0, left)).toWellFormed()}${LEFT_OUT}`
    left -= part.length
    if (!isWhole) isCut = true
    return withoutTokens(part)
  }

  const isFull = (): boolean => {
    if (left <= 0) isCut = true
    return left <= 0
  }

  const copy = (value: JsonValue): JsonValue => {
    if (typeof value === 'string') return kept(value)
    if (isJsonObject(value)) return copyObject(value)
    if (!Array.isArray(value)) {
      left -= String(value).length
      return value
    }
    const list: JsonValue[] = []
    for (const element of value) {
      if (isFull()) break
      left -= 1
      list.push(copy(element))
    }
    return list
  }

  const copyObject = (object: JsonObject): JsonObject => {
    const members: [string, JsonValue][] = []
    const entries = Object.entries(object)
    const namesSecret = entries.some(
      ([name, held]) => NAMING.test(name) && isNamedIn(textOf(held), isSecret),
    )
    for (const [name, held] of entries) {
      if (isFull()) break
      left -= 4
      const isValue = /^(?:value|data)$/i.test(name)
      if (isSecret(name) || (isValue && namesSecret)) {
        isRedacted = true
        members.push([kept(name), LEFT_OUT])
      } else members.push([kept(name), copyMember(name.toLowerCase(), held)])
    }
    return Object.fromEntries(members)
  }

  const copyMember = (name: string, held: JsonValue): JsonValue => {
    if (typeof held !== 'string') {
      // A filter or a path in a wrong shape: nobody knows which part of it is a value.
      const speaks = /^(?:filter|path)$/.test(name) && isNamedIn(textOf(held), isHidden)
      if (!speaks) return copy(held)
      isRedacted = true
      return LEFT_OUT
    }
    const isPath = name === 'path' && isNamedIn(held, isHidden)
    let shown = isPath ? held.replace(/\[.*/s, `[${LEFT_OUT}]`) : held
    if (name === 'filter') shown = redactedFilter(held, isHidden)
    if (shown !== held) isRedacted = true
    return kept(shown)
  }

  const copied = copy(body)
  return { body: copied, isCut, isRedacted }
}
