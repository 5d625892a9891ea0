/**
 * Turns files that only add to a resource type or a schema (`"extends": "User"`) into whole
 * documents, each addition with the place that it comes from.
 */

import { COMMON_ATTRIBUTES } from './common-attributes.ts'
import type { SchemaFile } from './registry.ts'
import {
  FileReader,
  isObject,
  type Origin,
  publishedAttribute,
  readSchema,
  type SchemaFault,
} from './schema.ts'
import type { SchemaFiles } from './view.ts'

type Json = Record<string, unknown>

/** Members of a resource type that are lists, and what tells two elements of them apart. */
const LISTS = {
  schemaExtensions: (one) => (one as Json)['schema'],
  display: (one) => one,
  indexed: (one) => one,
  unique: (one) => one,
  links: (one) => (one as Json)['attribute'],
} as const satisfies Record<string, (one: unknown) => unknown>

/** Members of a resource type that are objects. */
const MAPS = ['defaults', 'formats'] as const

const SCHEMA_KEYWORDS = ['attributes'] as const
const TYPE_KEYWORDS = [...Object.keys(LISTS), ...MAPS, ...SCHEMA_KEYWORDS]

const COMMON_NAMES = new Set(COMMON_ATTRIBUTES.map(({ name }) => name.toLowerCase()))

/** A document that is added to. */
interface Draft {
  readonly file: string
  readonly json: Json
  readonly origins: Origin[]
  readonly isBuiltIn?: true
}

/** Whether a file adds to a document, and is none itself. */
const isAddition = ({ json }: SchemaFile): boolean => isObject(json) && 'extends' in json

/**
 * The same files, with those that extend others merged into these. Additions come in the order of
 * their files; two that say the same are one, two that contradict each other are a fault.
 *
 * @param faults gets what is wrong with the additions themselves; what is wrong with the whole
 *   documents, the registry tells with the place in the addition
 */
export function extended(files: SchemaFiles, faults: SchemaFault[]): SchemaFiles {
  const additions = [...files.schemas, ...files.types].filter(isAddition)
  if (additions.length === 0) return files
  const whole = (given: readonly SchemaFile[]) => given.filter((file) => !isAddition(file))
  const types = draftsOf(whole(files.types), 'name')
  const schemas = draftsOf(whole(files.schemas), 'id')

  for (const { file, json } of additions) {
    const reader = new FileReader(file, faults)
    const addition = json as Json
    const name = reader.text(addition, 'extends', '$')
    if (name === '') continue
    const type = types.latest.get(name.toLowerCase())
    const schema = type
      ? schemas.latest.get(String(type.json['schema']).toLowerCase())
      : schemas.latest.get(name.toLowerCase())
    if (!type && !schema) {
      const names = [...types.latest.values()].map((draft) => draft.json['name']).join(', ')
      reader.fault(
        '$.extends',
        name,
        `the name of a resource type (${names}) or the id of a schema`,
      )
      continue
    }
    requireKeywords(addition, type ? TYPE_KEYWORDS : SCHEMA_KEYWORDS, reader)
    if (type) addToType(type, addition, reader)
    if (schema) addAttributes(schema, addition, reader)
  }
  return { schemas: schemas.files, types: types.files }
}

/** The files as drafts, and the last of each name, which is the one that counts. */
function draftsOf(files: readonly SchemaFile[], key: string) {
  const latest = new Map<string, Draft>()
  const drafts = files.map((file) => {
    // What is no object is no draft: the registry tells of it.
    if (!isObject(file.json)) return file
    const draft = { ...file, json: { ...file.json }, origins: [] }
    latest.set(String(file.json[key]).toLowerCase(), draft)
    return draft
  })
  return { files: drafts, latest }
}

function requireKeywords(addition: Json, allowed: readonly string[], reader: FileReader): void {
  const names = Object.keys(addition).filter((key) => key !== 'extends')
  for (const key of names) {
    if (!allowed.includes(key))
      reader.fault(`$.${key}`, key, `what may be added: one of ${allowed.join(', ')}`)
  }
  if (names.length === 0)
    reader.fault('$', addition, `something to add: one of ${allowed.join(', ')}`)
}

function addToType(type: Draft, addition: Json, reader: FileReader): void {
  for (const [key, keyOf] of Object.entries(LISTS)) {
    const isOfObjects = key === 'schemaExtensions' || key === 'links'
    const added = isOfObjects
      ? reader.objects(addition, key, '$')
      : reader.texts(addition, key, '$')
    const comparable = (one: unknown) =>
      // An extension is optional unless it says otherwise.
      isOfObjects ? textOf(isObject(one) ? { required: false, ...one } : one) : ''
    addToList(type, key, added, reader, keyOf, comparable)
  }
  for (const key of MAPS) addToMap(type, key, addition[key], reader)
}

function addAttributes(schema: Draft, addition: Json, reader: FileReader): void {
  const added = reader.objects(addition, 'attributes', '$')
  added.forEach(({ name }, index) => {
    if (COMMON_NAMES.has(String(name).toLowerCase()))
      reader.fault(`$.attributes[${index}].name`, name, 'a name that no common attribute has')
  })
  addToList(schema, 'attributes', added, reader, (one) => (one as Json)['name'], definitionOf)
}

/** What an attribute is, every characteristic spelled out, whatever it is described as. */
function definitionOf(attribute: unknown): string {
  const reader = new FileReader('', [])
  const { attributes } = readSchema({ attributes: [attribute] }, reader)
  const bare = ({ description: _, subAttributes, ...rest }: Json): Json => ({
    ...rest,
    ...(Array.isArray(subAttributes) && { subAttributes: subAttributes.map(bare) }),
  })
  return textOf(attributes.map((one) => bare(publishedAttribute(one))))
}

/**
 * @param keyOf what tells elements apart; case does not matter
 * @param comparable the same for two elements of one key that do not contradict each other
 */
function addToList(
  draft: Draft,
  key: string,
  added: readonly unknown[],
  reader: FileReader,
  keyOf: (one: unknown) => unknown,
  comparable: (one: unknown) => string,
): void {
  const given = draft.json[key] ?? []
  if (added.length === 0 || !Array.isArray(given)) return
  const list = [...given]
  const nameOf = (one: unknown) =>
    typeof one === 'string' || isObject(one) ? String(keyOf(one)).toLowerCase() : undefined
  added.forEach((one, index) => {
    const from = `$.${key}[${index}]`
    const other = list.findIndex((present) => nameOf(present) === nameOf(one))
    if (other < 0) {
      draft.origins.push({ at: `$.${key}[${list.length}]`, file: reader.file, from })
      list.push(one)
    } else if (comparable(list[other]) !== comparable(one)) {
      conflict(draft, `$.${key}[${other}]`, list[other], reader, from, one)
    }
  })
  draft.json[key] = list
}

function addToMap(draft: Draft, key: string, added: unknown, reader: FileReader): void {
  const given = draft.json[key] ?? {}
  if (added === undefined || !isObject(given)) return
  if (!isObject(added)) return reader.fault(`$.${key}`, added, 'an object')
  const map = { ...given }
  for (const [name, value] of Object.entries(added)) {
    const at = `$.${key}.${name}`
    const other = Object.keys(map).find((one) => one.toLowerCase() === name.toLowerCase())
    if (other === undefined) {
      draft.origins.push({ at, file: reader.file, from: at })
      map[name] = value
    } else if (map[other] !== value) {
      conflict(draft, `$.${key}.${other}`, map[other], reader, at, value)
    }
  }
  draft.json[key] = map
}

function conflict(
  { file, origins, isBuiltIn }: Draft,
  at: string,
  present: unknown,
  reader: FileReader,
  from: string,
  found: unknown,
): void {
  const origin = origins.find((one) => one.at === at)
  const where = `${origin?.file ?? file}, ${origin?.from ?? at}`
  const shown = JSON.stringify(present).slice(0, 80)
  const cure =
    isBuiltIn && !origin
      ? 'leave it out, or put a whole file of your own in place of that one (scimd schema print)'
      : 'leave it out here, or there'
  reader.fault(from, found, `nothing here, as ${where} says otherwise: ${shown}; ${cure}`)
}

/** JSON whose members are in one order. */
const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) =>
    isObject(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  )
