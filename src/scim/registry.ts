/**
 * Turns schema and resource type files into the registry that answers every question about
 * attributes.
 */

import { COMMON_ATTRIBUTES } from './common-attributes.ts'
import { mayBeIndexed } from './entries.ts'
import { FORMATS, type Format } from './format.ts'
import {
  type Attribute,
  FileReader,
  faultNesting,
  isObject,
  type Origin,
  readSchema,
  type Schema,
  type SchemaFault,
  SchemaFaults,
} from './schema.ts'
import { URN } from './urns.ts'

/** A file as it was read: its name for messages, and its JSON. */
export interface SchemaFile {
  readonly file: string
  readonly json: unknown
  /** Parts that other files have added (extend.ts). */
  readonly origins?: readonly Origin[]
  /** It is embedded in the executable. */
  readonly isBuiltIn?: true
}

/** Where an attribute is: in the base schema, or in an extension under its URN. */
export interface AttributePath {
  readonly kind: 'attribute'
  /** The canonical notation of RFC 7644 section 3.10; extension attributes are URN-qualified. */
  readonly text: string
  readonly extension: Schema | undefined
  readonly attribute: Attribute
  readonly sub: Attribute | undefined
  /** What a filter compares: the sub-attribute, else the attribute. */
  readonly leaf: Attribute
  /** Set when the attribute is kept as links and not in the document. */
  readonly link: Link | undefined
  /** Set when the attribute is the reverse side of links. */
  readonly reverse: Link | undefined
}

/** A path that names a whole extension by its URN. */
export interface ExtensionPath {
  readonly kind: 'extension'
  readonly text: string
  readonly extension: Schema
}

export type ResolvedPath = AttributePath | ExtensionPath

/** An attribute that is kept as keys in both directions, such as Group.members and User.groups. */
export interface Link {
  /** Unique within the server: the owner's type and the attribute. */
  readonly name: string
  readonly owner: string
  readonly attribute: Attribute
  /** Names of the resource types that may be linked to. */
  readonly targets: readonly string[]
  /** The reverse attribute of each target type that has one. */
  readonly reverse: ReadonlyMap<string, Attribute>
}

export interface ResourceType {
  readonly name: string
  readonly endpoint: string
  readonly description: string
  readonly schema: Schema
  readonly extensions: readonly { readonly schema: Schema; readonly required: boolean }[]
  /** Paths whose first present value names the resource to people, most wanted first. */
  readonly display: readonly AttributePath[]
  readonly indexed: readonly AttributePath[]
  /** Paths kept unique while the tenant's setting `uniqueNames` is on. */
  readonly unique: readonly AttributePath[]
  readonly links: readonly Link[]
  /** Links of other types whose reverse attribute is here. */
  readonly reverse: readonly { readonly attribute: Attribute; readonly link: Link }[]
  /**
   * Values of attributes that a POST leaves out; a PUT that leaves them out keeps what is there.
   */
  readonly defaults: Readonly<Record<string, boolean | string | number>>
  /** Attributes and sub-attributes whose strings have a form of their own (format.ts). */
  readonly formats: ReadonlyMap<Attribute, Format>
  /** What a tenant's view leaves out of this type (view.ts): it stays stored and is not shown. */
  readonly concealed: Concealed
  /** Common attributes and those of the base schema, by lower-case name. */
  readonly attributes: ReadonlyMap<string, Attribute>
  /** Finds what a path names, or undefined. Case does not matter. RFC 7644 section 3.10. */
  resolve(text: string): ResolvedPath | undefined
}

export interface Concealed {
  /** Names of attributes of the base schema. A value for one of them is refused. */
  readonly attributes: ReadonlySet<string>
  /** URNs of extensions. */
  readonly extensions: ReadonlySet<string>
}

export const NOTHING_CONCEALED: Concealed = { attributes: new Set(), extensions: new Set() }

export interface Registry {
  readonly schemas: readonly Schema[]
  readonly types: readonly ResourceType[]
  typeNamed(name: string): ResourceType | undefined
}

/**
 * Builds the registry from schema and resource type files. A later file of the same id or name
 * takes the place of an earlier one, so that an administrator's file extends a built-in one.
 *
 * @param concealed what a tenant's view has left out of the types, by their names
 * @throws SchemaFaults with every fault of every file.
 */
export function buildRegistry(
  schemaFiles: readonly SchemaFile[],
  typeFiles: readonly SchemaFile[],
  concealed: ReadonlyMap<string, Concealed> = new Map(),
): Registry {
  const faults: SchemaFault[] = []
  const schemas = new Map<string, Schema>()
  for (const { file, json, origins } of schemaFiles) {
    const reader = new FileReader(file, faults, origins)
    const schema = readSchema(json, reader)
    // RFC 7643's own Schema schema is the one place where complex attributes nest.
    if (schema.id !== URN.schema) faultNesting(schema, reader)
    schemas.set(schema.id.toLowerCase(), schema)
  }

  const drafts = new Map<string, TypeDraft>()
  for (const { file, json, origins } of typeFiles) {
    const reader = new FileReader(file, faults, origins)
    const draft = readType(json, reader, schemas)
    if (draft) drafts.set(draft.name.toLowerCase(), draft)
  }
  const endpoints = new Map<string, TypeDraft>()
  for (const draft of drafts.values()) {
    const other = endpoints.get(draft.endpoint.toLowerCase())
    if (other)
      draft.reader.fault(
        '$.endpoint',
        draft.endpoint,
        `an endpoint that ${other.name} does not have`,
      )
    endpoints.set(draft.endpoint.toLowerCase(), draft)
  }
  const links = [...drafts.values()].flatMap((draft) => readLinks(draft, drafts))
  const types = [...drafts.values()].map((draft) =>
    finishType(draft, links, concealed.get(draft.name) ?? NOTHING_CONCEALED),
  )
  if (faults.length > 0) throw new SchemaFaults(faults)

  const byName = new Map(types.map((type) => [type.name.toLowerCase(), type]))
  return {
    schemas: [...schemas.values()],
    types,
    typeNamed: (name) => byName.get(name.toLowerCase()),
  }
}

interface TypeDraft {
  readonly json: Record<string, unknown>
  readonly reader: FileReader
  readonly name: string
  readonly endpoint: string
  readonly schema: Schema
  readonly extensions: { schema: Schema; required: boolean }[]
  readonly attributes: Map<string, Attribute>
}

/**
 * What may stand in a resource type file: RFC 7643 section 6, and what tells scimd how to keep it.
 */
const TYPE_KEYWORDS = new Set([
  'schemas',
  'id',
  'name',
  'endpoint',
  'description',
  'schema',
  'schemaExtensions',
  'meta',
  'display',
  'indexed',
  'unique',
  'links',
  'defaults',
  'formats',
])

/** First segments that the protocol itself uses below the base URL. */
const RESERVED_ENDPOINTS = new Set([
  '/schemas',
  '/resourcetypes',
  '/serviceproviderconfig',
  '/bulk',
  '/me',
  '/.search',
])

function readType(
  json: unknown,
  reader: FileReader,
  schemas: Map<string, Schema>,
): TypeDraft | undefined {
  if (!isObject(json)) {
    reader.fault('$', json, 'a JSON object, one ResourceType document of RFC 7643 section 6')
    return undefined
  }
  for (const key of Object.keys(json)) {
    if (!TYPE_KEYWORDS.has(key))
      reader.fault(`$.${key}`, key, `one of ${[...TYPE_KEYWORDS].join(', ')}`)
  }
  const name = reader.text(json, 'name', '$')
  if (name !== '' && !/^[A-Za-z][A-Za-z0-9_-]*$/.test(name)) {
    reader.fault('$.name', name, 'a letter, then letters, digits, "-" or "_"')
  }
  const endpoint = reader.text(json, 'endpoint', '$')
  if (endpoint !== '' && !/^\/[A-Za-z0-9][A-Za-z0-9_-]*$/.test(endpoint)) {
    reader.fault('$.endpoint', endpoint, 'one path segment such as "/Devices"')
  }
  // A version in the path is one of the protocol's own names as well: RFC 7644 section 3.13.
  if (RESERVED_ENDPOINTS.has(endpoint.toLowerCase()) || /^\/v\d+$/i.test(endpoint)) {
    reader.fault('$.endpoint', endpoint, 'an endpoint that the protocol itself does not use')
  }
  const schemaOf = (urn: string, at: string): Schema | undefined => {
    const schema = schemas.get(urn.toLowerCase())
    if (!schema && urn !== '') reader.fault(at, urn, 'the id of a schema file that is there')
    return schema
  }
  const schema = schemaOf(reader.text(json, 'schema', '$'), '$.schema')
  const used = new Set([schema])
  const extensions = reader.objects(json, 'schemaExtensions', '$').flatMap((extension, index) => {
    const at = `$.schemaExtensions[${index}]`
    const found = schemaOf(reader.text(extension, 'schema', at), `${at}.schema`)
    if (found && used.has(found)) {
      const expected = 'a schema that this resource type does not have yet'
      reader.fault(`${at}.schema`, extension['schema'], expected)
    }
    used.add(found)
    return found ? [{ schema: found, required: reader.flag(extension, 'required', at, false) }] : []
  })
  if (!schema || name === '' || endpoint === '') return undefined

  const attributes = new Map(COMMON_ATTRIBUTES.map((a) => [a.name.toLowerCase(), a]))
  // Section 3.1: the characteristics of common attributes win over a schema that lists them too.
  for (const [key, attribute] of schema.byName) {
    if (!attributes.has(key)) attributes.set(key, attribute)
  }
  return { json, reader, name, endpoint, schema, extensions, attributes }
}

function readLinks(draft: TypeDraft, drafts: Map<string, TypeDraft>): Link[] {
  const { reader, json, name } = draft
  return reader.objects(json, 'links', '$').flatMap((declared, index) => {
    const at = `$.links[${index}]`
    const attributeName = reader.text(declared, 'attribute', at)
    const attribute = draft.attributes.get(attributeName.toLowerCase())
    if (!attribute?.multiValued || !attribute.subs.has('value')) {
      reader.fault(
        `${at}.attribute`,
        attributeName,
        'a multi-valued complex attribute with a "value"',
      )
      return []
    }
    const targets = attribute.subs.get('$ref')?.referenceTypes ?? []
    targets.forEach((target) => {
      if (drafts.has(target.toLowerCase())) return
      reader.fault(
        `${at}.attribute`,
        target,
        `referenceTypes of ${attribute.name}.$ref that are resource types`,
      )
    })
    const reverse = new Map<string, Attribute>()
    const declaredReverse = declared['reverse'] ?? {}
    if (!isObject(declaredReverse)) {
      reader.fault(`${at}.reverse`, declaredReverse, 'an object such as {"User": "groups"}')
      return []
    }
    for (const [target, reverseName] of Object.entries(declaredReverse)) {
      const found = drafts
        .get(target.toLowerCase())
        ?.attributes.get(String(reverseName).toLowerCase())
      if (found?.multiValued && found.mutability === 'readOnly') reverse.set(target, found)
      else {
        reader.fault(
          `${at}.reverse.${target}`,
          reverseName,
          `a multi-valued readOnly attribute of ${target}`,
        )
      }
    }
    return [{ name: `${name}.${attribute.name}`, owner: name, attribute, targets, reverse }]
  })
}

function finishType(
  draft: TypeDraft,
  allLinks: readonly Link[],
  concealed: Concealed,
): ResourceType {
  const { json, reader, name, schema, extensions, attributes } = draft
  const links = allLinks.filter((link) => link.owner === name)
  const reverse = allLinks.flatMap((link) => {
    const attribute = link.reverse.get(name)
    return attribute ? [{ attribute, link }] : []
  })
  const resolve = resolverOf(schema, extensions, attributes, links, reverse)

  const simplePaths = (key: string): AttributePath[] =>
    reader.texts(json, key, '$').flatMap((text, index) => {
      const path = resolve(text)
      if (
        path?.kind === 'attribute' &&
        path.leaf.type !== 'complex' &&
        !path.link &&
        !path.reverse
      ) {
        return [path]
      }
      reader.fault(
        `$.${key}[${index}]`,
        text,
        'the path of a simple attribute of this resource type',
      )
      return []
    })

  const unique = simplePaths('unique')
  const indexed = new Map(simplePaths('indexed').map((path) => [path.text, path]))
  // What has to be unique has to be found, listed as indexed or not.
  for (const path of [...uniquePathsOf(schema, extensions, resolve), ...unique]) {
    // An id is found without an index, should a schema list it.
    if (path.attribute.name !== 'id') indexed.set(path.text, path)
  }
  for (const path of indexed.values()) {
    if (path.leaf.returned !== 'never' && mayBeIndexed(path)) continue
    const at = reader.texts(json, 'indexed', '$').findIndex((text) => resolve(text) === path)
    reader.fault(
      at < 0 ? '$.indexed' : `$.indexed[${at}]`,
      path.text,
      'attributes that are stored and may be searched: neither secret, binary nor derived',
    )
  }

  const defaults = json['defaults'] ?? {}
  if (!isObject(defaults))
    reader.fault('$.defaults', defaults, 'an object such as {"active": true}')
  for (const [key, value] of Object.entries(isObject(defaults) ? defaults : {})) {
    const attribute = attributes.get(key.toLowerCase())
    if (attribute && attribute.name === key && typeof value === DEFAULT_TYPE[attribute.type])
      continue
    reader.fault(
      `$.defaults.${key}`,
      value,
      'a value of the type of a simple attribute, spelled as in the schema',
    )
  }

  const formats = new Map<Attribute, Format>()
  const named = json['formats'] ?? {}
  if (!isObject(named)) reader.fault('$.formats', named, 'an object such as {"locale": "locale"}')
  for (const [text, format] of Object.entries(isObject(named) ? named : {})) {
    const path = resolve(text)
    const known = Object.keys(FORMATS).find((one) => one === format) as Format | undefined
    const leaf = path?.kind === 'attribute' ? path.leaf : undefined
    if (leaf && known && FORMATS[known].type === leaf.type) formats.set(leaf, known)
    else reader.fault(`$.formats.${text}`, format, FORMATS_EXPECTED)
  }

  return {
    name,
    endpoint: draft.endpoint,
    description: reader.text(json, 'description', '$', ''),
    schema,
    extensions,
    display: simplePaths('display'),
    indexed: [...indexed.values()],
    unique,
    links,
    reverse,
    defaults: (isObject(defaults) ? defaults : {}) as ResourceType['defaults'],
    formats,
    concealed,
    attributes,
    resolve,
  }
}

const FORMATS_EXPECTED = `one of ${Object.keys(FORMATS).join(', ')}, for an attribute of its type`

const DEFAULT_TYPE: Partial<Record<Attribute['type'], string>> = {
  string: 'string',
  boolean: 'boolean',
  integer: 'number',
  decimal: 'number',
}

/**
 * Every path whose attribute has uniqueness "server", sub-attributes included; id has its own
 * index.
 */
function uniquePathsOf(
  schema: Schema,
  extensions: TypeDraft['extensions'],
  resolve: ResourceType['resolve'],
): AttributePath[] {
  return [schema, ...extensions.map((extension) => extension.schema)].flatMap((owner) =>
    owner.attributes.flatMap((attribute) =>
      [attribute, ...attribute.subAttributes]
        .filter((candidate) => candidate.uniqueness === 'server' && candidate.type !== 'complex')
        .flatMap((candidate) => {
          const text =
            candidate === attribute ? candidate.name : `${attribute.name}.${candidate.name}`
          const path = resolve(`${owner.id}:${text}`)
          return path?.kind === 'attribute' ? [path] : []
        }),
    ),
  )
}

/**
 * Paths are looked up often and are few: one answer is kept for each text, up to this many texts.
 */
const RESOLVED_COUNT_MAX = 2000
/** A longer text is looked up anew each time: no path of a schema needs it. */
const RESOLVED_LENGTH_MAX = 200

/** Whether an attribute is a list of simple values, each of which is its implied `value`. */
export const isSimpleList = ({ multiValued, type }: Attribute): boolean =>
  multiValued && type !== 'complex'

function resolverOf(
  base: Schema,
  extensions: TypeDraft['extensions'],
  attributes: ReadonlyMap<string, Attribute>,
  links: readonly Link[],
  reverse: readonly { attribute: Attribute; link: Link }[],
): ResourceType['resolve'] {
  // The longest URN first: urn:x:1.0:User:Ext must not be read as attribute Ext of urn:x:1.0:User.
  const owners = [base, ...extensions.map((extension) => extension.schema)]
    .map((schema) => ({ schema, prefix: schema.id.toLowerCase() }))
    .sort((a, b) => b.prefix.length - a.prefix.length)
  const known = new Map<string, ResolvedPath | undefined>()

  return function resolve(text: string): ResolvedPath | undefined {
    if (known.has(text)) return known.get(text)
    const path = lookUp(text.toLowerCase())
    if (known.size < RESOLVED_COUNT_MAX && text.length <= RESOLVED_LENGTH_MAX) known.set(text, path)
    return path
  }

  function lookUp(lower: string): ResolvedPath | undefined {
    for (const { schema, prefix } of owners) {
      if (lower === prefix) {
        return schema === base
          ? undefined
          : { kind: 'extension', text: schema.id, extension: schema }
      }
      if (!lower.startsWith(`${prefix}:`)) continue
      return attributeIn(schema === base ? undefined : schema, lower.slice(prefix.length + 1))
    }
    if (lower.includes(':')) return undefined
    return attributeIn(undefined, lower) ?? bareExtensionAttribute(lower)
  }

  /** Section 3.10 asks for the URN; without it a name counts if one extension alone has it. */
  function bareExtensionAttribute(name: string): AttributePath | undefined {
    const found = extensions.flatMap(({ schema }) => attributeIn(schema, name) ?? [])
    return found.length === 1 ? found[0] : undefined
  }

  function attributeIn(extension: Schema | undefined, name: string): AttributePath | undefined {
    const dot = name.indexOf('.')
    const attribute = (extension?.byName ?? attributes).get(dot < 0 ? name : name.slice(0, dot))
    if (!attribute) return undefined
    const sub = dot < 0 ? undefined : attribute.subs.get(name.slice(dot + 1))
    const isImplied = name.slice(dot + 1) === 'value' && isSimpleList(attribute)
    if (dot >= 0 && !sub && !isImplied) return undefined
    const short = sub ? `${attribute.name}.${sub.name}` : attribute.name
    return {
      kind: 'attribute',
      text: extension ? `${extension.id}:${short}` : short,
      extension,
      attribute,
      sub,
      leaf: sub ?? attribute,
      link: extension ? undefined : links.find((link) => link.attribute === attribute),
      reverse: extension
        ? undefined
        : reverse.find((candidate) => candidate.attribute === attribute)?.link,
    }
  }
}
