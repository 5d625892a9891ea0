/**
 * Turns a stored resource into the text of an answer: document, links, meta, as far as they are
 * shown.
 */

import {
  documentOf,
  filledText,
  hasMarks,
  nameSubOf,
  type Referred,
  referencesIn,
} from '../scim/document.ts'
import { etagOf } from '../scim/etag.ts'
import { isoOf } from '../scim/instant.ts'
import { isPlain, type Projection, project, type Shown } from '../scim/projection.ts'
import type { Link, ResourceType } from '../scim/registry.ts'
import type { Document } from '../scim/resource.ts'
import type { Attribute } from '../scim/schema.ts'
import { isJsonObject, isReference, type JsonObject } from '../scim/value.ts'
import type { Header, Owner, Stored } from '../store/store.ts'
import { type Context, locationOf } from './context.ts'

/** A piece of an answer: text, or text that is still to be read from the store. */
export type Piece = string | AsyncIterable<string>

/** Batches of links that are read before the answer is begun; of more, the rest is streamed. */
const BATCHES_INLINE = 2

/** The pieces of one resource's JSON text. RFC 7643 section 3, RFC 7644 section 3.9. */
export async function represent(
  context: Context,
  stored: Stored,
  projection: Projection,
): Promise<Piece[]> {
  const { type } = stored
  const isAsStored = projection.isDefault && isPlain(type) && !hasMarks(stored.text)
  const document = isAsStored ? stored.text : await shownDocument(context, stored, projection)
  const pieces: Piece[] = [document]
  for (const link of type.links) {
    const shown = projection.shown(link.attribute, undefined)
    if (shown !== false) pieces.push(...(await linkPieces(context, stored, link, shown)))
  }
  for (const { attribute, link } of type.reverse) {
    const shown = projection.shown(attribute, undefined)
    if (shown === false) continue
    const owners = await context.store.owners(stored, link)
    if (owners.length > 0) pieces.push(ownersText(context, owners, attribute, shown))
  }
  pieces.push(metaText(context, stored, projection), '}')
  return pieces
}

/**
 * Whether the version alone says what an answer shows. It does not say to whom others link, nor how
 * the resources that this one links or refers to are called by now, and where they are.
 */
export async function isOfVersion(
  { store }: Context,
  stored: Stored,
  projection: Projection,
): Promise<boolean> {
  const { type, text } = stored
  if (type.reverse.some(({ attribute }) => projection.shown(attribute, undefined) !== false))
    return false
  for (const link of type.links) {
    const shown = shownSubs(link.attribute, projection.shown(link.attribute, undefined))
    if (!shown.some(({ name }) => MOVING.has(name))) continue
    if ((await store.linkCount(stored, link, 1)) > 0) return false
  }
  return !hasMarks(text) || !showsDerived(type, documentOf(text), projection)
}

/** Whether a projection shows something of a document's references that is derived. */
function showsDerived(type: ResourceType, document: Document, projection: Projection): boolean {
  const isShown = (attribute: Attribute, extension: string | undefined): boolean =>
    isReference(attribute) &&
    shownSubs(attribute, projection.shown(attribute, extension)).some(
      (sub) => sub.name === '$ref' || sub === nameSubOf(attribute),
    )
  return Object.entries(document).some(([name, value]) => {
    const attribute = type.attributes.get(name.toLowerCase())
    if (attribute) return isShown(attribute, undefined)
    const schema = type.extensions.find((extension) => extension.schema.id === name)?.schema
    return Object.keys(isJsonObject(value) ? value : {}).some((key) => {
      const member = schema?.byName.get(key.toLowerCase())
      return member !== undefined && isShown(member, schema?.id)
    })
  })
}

/** The document as it is shown where that is not as it is stored, without its closing brace. */
async function shownDocument(
  context: Context,
  stored: Stored,
  projection: Projection,
): Promise<string> {
  const { type } = stored
  const filled = await filledDocument(context, stored)
  if (projection.isDefault && isPlain(type)) return filled
  const shown = project(type, JSON.parse(`${filled}}`) as JsonObject, projection)
  return JSON.stringify(shown).slice(0, -1)
}

/**
 * The document's text with `$ref` and the names of what it refers to, without its closing brace.
 */
export async function filledDocument(context: Context, { text }: Stored): Promise<string> {
  const referred = new Map<string, Referred>()
  for (const id of new Set(referencesIn(text))) {
    const header = await context.store.find(id)
    if (!header) continue
    referred.set(id, { location: locationOf(context, header.type, id), display: header.display })
  }
  return filledText(text, (id) => referred.get(id))
}

/**
 * The elements of a link attribute; an empty list is shown as such (DESIGN: a group's `members`).
 */
async function linkPieces(
  context: Context,
  owner: Stored,
  link: Link,
  shown: Shown,
): Promise<Piece[]> {
  const elementText = elementWriter(link.attribute, shown)
  const batches = context.store.linked(owner, link, context)[Symbol.asyncIterator]()
  const textOf = (batch: readonly Header[]) =>
    batch.map((member) => elementText(linkElement(context, member, member.type.name))).join(',')

  const texts: string[] = []
  for (let count = 0; count < BATCHES_INLINE; count++) {
    const { done, value } = await batches.next()
    if (done)
      return [`,${JSON.stringify(link.attribute.name)}:[`, texts.filter(Boolean).join(','), ']']
    texts.push(textOf(value))
  }
  return [`,${JSON.stringify(link.attribute.name)}:[`, texts.filter(Boolean).join(','), rest(), ']']

  async function* rest(): AsyncGenerator<string> {
    for (let next = await batches.next(); !next.done; next = await batches.next()) {
      if (next.value.length > 0) yield `,${textOf(next.value)}`
    }
  }
}

/** The other side of links: a user's groups, direct ones first. RFC 7643 section 4.1.2. */
function ownersText(
  context: Context,
  owners: readonly Owner[],
  attribute: Attribute,
  shown: Shown,
): string {
  const known = shown === true ? ownersTexts.get(owners) : undefined
  if (known !== undefined) return known
  const elementText = elementWriter(attribute, shown)
  const texts = owners.map(({ header, direct }) =>
    elementText(linkElement(context, header, direct ? 'direct' : 'indirect')),
  )
  const text = `,${JSON.stringify(attribute.name)}:[${texts.join(',')}]`
  if (shown === true) ownersTexts.set(owners, text)
  return text
}

/** By the list that the store gives: the very same one as long as nothing in it changes. */
const ownersTexts = new WeakMap<readonly Owner[], string>()

/** What is derived about a linked resource: all that an element of a link attribute may hold. */
export const linkElement = (context: Context, header: Header, kind: string): JsonObject => ({
  value: header.id,
  $ref: locationOf(context, header.type, header.id),
  type: kind,
  display: header.display,
})

/** What of that may differ while links and version stay. */
const MOVING: ReadonlySet<string> = new Set(['$ref', 'display'])

/** The sub-attributes of which something is shown. */
function shownSubs({ subAttributes }: Attribute, shown: Shown): readonly Attribute[] {
  if (shown === false) return []
  return subAttributes.filter(
    ({ name, returned }) =>
      returned === 'always' ||
      (returned !== 'never' &&
        (shown === true ? returned === 'default' : shown.has(name.toLowerCase()))),
  )
}

function elementWriter(attribute: Attribute, shown: Shown): (element: JsonObject) => string {
  const names = shownSubs(attribute, shown).map(({ name }) => [name, JSON.stringify(name)] as const)
  return (element) => {
    let text = ''
    for (const [name, written] of names) {
      const value = element[name]
      if (value === undefined) continue
      text += `${text === '' ? '' : ','}${written}:${JSON.stringify(value)}`
    }
    return `{${text}}`
  }
}

/** The whole of meta. RFC 7643 section 3.1. */
export const metaOf = (context: Context, stored: Header): JsonObject => ({
  resourceType: stored.type.name,
  created: isoOf(stored.created),
  lastModified: isoOf(stored.lastModified),
  location: locationOf(context, stored.type, stored.id),
  version: etagOf(stored.version),
})

function metaText(context: Context, stored: Stored, projection: Projection): string {
  const attribute = stored.type.attributes.get('meta')
  const shown = attribute ? projection.shown(attribute, undefined) : false
  if (shown === false) return ''
  const meta = metaOf(context, stored)
  if (shown === true) return `,"meta":${JSON.stringify(meta)}`
  const part = Object.entries(meta).filter(([name]) => shown.has(name.toLowerCase()))
  return part.length === 0 ? '' : `,"meta":${JSON.stringify(Object.fromEntries(part))}`
}
