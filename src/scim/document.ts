/**
 * Turns a document into the text that is stored, and back.
 *
 * The text is the JSON that a plain answer begins with, so that a GET parses nothing. Where it
 * refers to another resource (manager), a mark holds the place of what is derived when it is
 * answered: `$ref` and the name. A mark stands between two control characters, which JSON text
 * itself never contains.
 */

import { knownPart } from './concealed.ts'
import type { JsonValue } from './json.ts'
import type { ResourceType } from './registry.ts'
import type { Document } from './resource.ts'
import type { Attribute } from './schema.ts'
import { isJsonObject, isReference, type JsonObject } from './value.ts'

const MARK_START = '\u0001'
const MARK = /\u0001(\[[^\u0002]*\])\u0002/g

/** Sub-attributes that carry the name of the resource referred to. */
const NAME_SUBS = ['displayname', 'display']

export interface DocumentText {
  /** `{"schemas":[…],"id":"…",…` without the closing brace. */
  readonly text: string
  /** A JSON object with what is never returned, or "". */
  readonly hidden: string
}

/** The stored text of a document. Equal documents have equal text. */
export function textOf(type: ResourceType, id: string, document: Document): DocumentText {
  const head = `{"schemas":${JSON.stringify(document['schemas'])}`
  const whole = JSON.stringify(document)
  const known = knownPart(type, document)
  // Most documents hide nothing and refer to nothing, and are written in one go.
  if (known === document && whole.startsWith(head) && isShownAsItIs(type, document)) {
    const text = `${head},"id":${JSON.stringify(id)}${whole.slice(head.length, -1)}`
    return { text, hidden: '' }
  }
  let text = ''
  const hidden: JsonObject = {}
  for (const name of Object.keys(document)) {
    const attribute = type.attributes.get(name.toLowerCase())
    const value = attribute?.returned === 'never' ? undefined : known[name]
    // All of it, where a part is concealed: what is hidden counts when the document is read.
    if (value !== document[name]) hidden[name] = document[name] as JsonValue
    if (value === undefined) continue
    const extension = attribute
      ? undefined
      : type.extensions.find(({ schema }) => schema.id === name)
    const written =
      extension && isJsonObject(value)
        ? `{${Object.entries(value)
            .map(([key, held]) => member(key, extension.schema.byName.get(key.toLowerCase()), held))
            .join(',')}}`
        : valueText(attribute, value)
    text += `${text === '' ? '{' : ','}${JSON.stringify(name)}:${written}`
    if (name === 'schemas') text += `,"id":${JSON.stringify(id)}`
  }
  return { text, hidden: Object.keys(hidden).length > 0 ? JSON.stringify(hidden) : '' }
}

/** Whether all of a document is returned, and none of it refers to another resource. */
function isShownAsItIs(type: ResourceType, document: Document): boolean {
  for (const name in document) {
    const attribute = type.attributes.get(name.toLowerCase())
    if (attribute) {
      if (attribute.returned === 'never' || isReference(attribute)) return false
      continue
    }
    const subs = type.extensions.find(({ schema }) => schema.id === name)?.schema.byName
    for (const key in document[name] as JsonObject) {
      const sub = subs?.get(key.toLowerCase())
      if (sub && isReference(sub)) return false
    }
  }
  return true
}

const member = (name: string, attribute: Attribute | undefined, value: JsonValue): string =>
  `${JSON.stringify(name)}:${valueText(attribute, value)}`

function valueText(attribute: Attribute | undefined, value: JsonValue): string {
  if (attribute?.type !== 'complex' || !isReference(attribute)) return JSON.stringify(value)
  if (Array.isArray(value))
    return `[${value.map((element) => referenceText(attribute, element)).join(',')}]`
  return referenceText(attribute, value)
}

/** The sub-attribute of a reference that is answered with the name of what it refers to. */
export const nameSubOf = ({ subAttributes }: Attribute): Attribute | undefined =>
  subAttributes.find(
    ({ name, mutability }) => mutability === 'readOnly' && NAME_SUBS.includes(name.toLowerCase()),
  )

function referenceText(attribute: Attribute, value: JsonValue): string {
  const text = JSON.stringify(value)
  if (!isJsonObject(value) || typeof value['value'] !== 'string') return text
  const mark = JSON.stringify([value['value'], nameSubOf(attribute)?.name ?? null])
  return `${text.slice(0, -1)}\u0001${mark}\u0002}`
}

/** The document that was stored, with what is never returned, without what is derived. */
export function documentOf(text: string, hidden = ''): Document {
  const bare = hasMarks(text) ? text.replace(MARK, '') : text
  const parsed = JSON.parse(`${bare}}`) as Document
  delete parsed['id']
  if (hidden === '') return parsed
  return { ...parsed, ...(JSON.parse(hidden) as Document) }
}

/** What is derived about a resource that is referred to. */
export interface Referred {
  readonly location: string
  readonly display: string
}

export const hasMarks = (text: string): boolean => text.includes(MARK_START)

/** Fills the marks in: the text of the answer. References to nothing stay bare values. */
export function filledText(text: string, referred: (id: string) => Referred | undefined): string {
  return text.replace(MARK, (_mark, json: string) => {
    const [id, nameSub] = JSON.parse(json) as [string, string | null]
    const target = referred(id)
    if (!target) return ''
    const ref = `,"$ref":${JSON.stringify(target.location)}`
    return nameSub === null
      ? ref
      : `${ref},${JSON.stringify(nameSub)}:${JSON.stringify(target.display)}`
  })
}

/** The ids that the marks of a text refer to. */
export function referencesIn(text: string): string[] {
  if (!hasMarks(text)) return []
  return [...text.matchAll(MARK)].map(([, json]) => (JSON.parse(json as string) as [string])[0])
}

/** The name of a resource: the first of its type's display paths that has a value. */
export function displayOf(type: ResourceType, document: Document): string {
  for (const { attribute, sub, extension } of type.display) {
    const held = extension ? document[extension.id] : document
    const value = isJsonObject(held) ? held[attribute.name] : undefined
    const leaf = sub && isJsonObject(value) ? value[sub.name] : sub ? undefined : value
    if (typeof leaf === 'string' && leaf !== '') return leaf
  }
  return ''
}
