/** Turns a schema document (RFC 7643 section 7) into attribute definitions, or into its faults. */

export const ATTRIBUTE_TYPES = [
  'string',
  'boolean',
  'decimal',
  'integer',
  'dateTime',
  'reference',
  'binary',
  'complex',
] as const

export type AttributeType = (typeof ATTRIBUTE_TYPES)[number]
export type Mutability = 'readOnly' | 'readWrite' | 'immutable' | 'writeOnly'
export type Returned = 'always' | 'never' | 'default' | 'request'
export type Uniqueness = 'none' | 'server'

/**
 * One attribute or sub-attribute with all its characteristics, the defaults of section 2.2 filled
 * in.
 */
export interface Attribute {
  readonly name: string
  readonly type: AttributeType
  readonly multiValued: boolean
  readonly description: string
  readonly required: boolean
  readonly caseExact: boolean
  readonly mutability: Mutability
  readonly returned: Returned
  readonly uniqueness: Uniqueness
  readonly canonicalValues: readonly string[]
  readonly referenceTypes: readonly string[]
  readonly subAttributes: readonly Attribute[]
  /** Sub-attributes by lower-case name. */
  readonly subs: ReadonlyMap<string, Attribute>
}

/** Whether an attribute is the password of RFC 7643 section 4.1.1. */
export const isPassword = ({ name, mutability, type }: Attribute): boolean =>
  mutability === 'writeOnly' && type === 'string' && name.toLowerCase() === 'password'

export interface Schema {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly attributes: readonly Attribute[]
  /** Attributes by lower-case name. */
  readonly byName: ReadonlyMap<string, Attribute>
}

/** A fault in a schema or resource type file: where, what was found, what would be right. */
export interface SchemaFault {
  readonly file: string
  /** JSON path, such as `$.attributes[3].type`. */
  readonly at: string
  readonly found: string
  readonly expected: string
}

/** All the faults of all the files, in one error: nothing starts with a faulty schema. */
export class SchemaFaults extends Error {
  override readonly name = 'SchemaFaults'
  readonly faults: readonly SchemaFault[]

  constructor(faults: readonly SchemaFault[]) {
    super(
      faults.map((f) => `${f.file}: ${f.at}: found ${f.found}, expected ${f.expected}`).join('\n'),
    )
    this.faults = faults
  }
}

/**
 * Attribute names by RFC 7643 section 2.1; `$ref` is the one exception that the RFC itself makes.
 */
const ATTRIBUTE_NAME = /^(?:[A-Za-z][A-Za-z0-9_$-]*|\$ref)$/
const SCHEMA_URI = /^urn:[A-Za-z0-9][A-Za-z0-9-]{0,31}:[A-Za-z0-9()+,\-.:=@;$_!*'%/]+$/

/** What may stand in an attribute definition; anything else is a misspelling. */
const KEYWORDS = new Set([
  'name',
  'type',
  'multiValued',
  'description',
  'required',
  'caseExact',
  'mutability',
  'returned',
  'uniqueness',
  'canonicalValues',
  'referenceTypes',
  'subAttributes',
])

/** A part of a document that stands in another file: what is wrong with it is told of there. */
export interface Origin {
  /** Where it is in the document, such as `$.attributes[21]`. */
  readonly at: string
  readonly file: string
  /** Where it is in that file. */
  readonly from: string
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Reads members of a schema file and notes each fault with its place, instead of stopping at the
 * first.
 */
export class FileReader {
  readonly faults: SchemaFault[]
  readonly file: string
  readonly #origins: readonly Origin[]

  constructor(file: string, faults: SchemaFault[], origins: readonly Origin[] = []) {
    this.file = file
    this.faults = faults
    this.#origins = origins
  }

  fault(at: string, found: unknown, expected: string): void {
    const shown =
      found === undefined ? 'nothing' : (JSON.stringify(found)?.slice(0, 80) ?? 'nothing')
    const origin = this.#origins.find(
      (one) => at === one.at || at.startsWith(`${one.at}.`) || at.startsWith(`${one.at}[`),
    )
    const place = origin
      ? { file: origin.file, at: `${origin.from}${at.slice(origin.at.length)}` }
      : { file: this.file, at }
    this.faults.push({ ...place, found: shown, expected })
  }

  text(from: Record<string, unknown>, key: string, at: string, otherwise?: string): string {
    const value = from[key]
    if (value === undefined && otherwise !== undefined) return otherwise
    if (typeof value === 'string' && (value !== '' || otherwise === '')) return value
    this.fault(`${at}.${key}`, value, 'a string')
    return ''
  }

  flag(from: Record<string, unknown>, key: string, at: string, otherwise: boolean): boolean {
    const value = from[key]
    if (value === undefined) return otherwise
    if (typeof value === 'boolean') return value
    this.fault(`${at}.${key}`, value, 'true or false')
    return otherwise
  }

  oneOf<T extends string>(
    from: Record<string, unknown>,
    key: string,
    at: string,
    allowed: readonly T[],
    otherwise: T,
  ): T {
    const value = from[key]
    if (value === undefined) return otherwise
    const match = allowed.find((candidate) => candidate === value)
    if (match !== undefined) return match
    this.fault(`${at}.${key}`, value, `one of ${allowed.join(', ')}`)
    return otherwise
  }

  texts(from: Record<string, unknown>, key: string, at: string): string[] {
    const value = from[key]
    if (value === undefined) return []
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
    this.fault(`${at}.${key}`, value, 'a list of strings')
    return []
  }

  objects(from: Record<string, unknown>, key: string, at: string): Record<string, unknown>[] {
    const value = from[key]
    if (value === undefined) return []
    if (Array.isArray(value) && value.every(isObject)) return value
    this.fault(`${at}.${key}`, value, 'a list of objects')
    return []
  }
}

/**
 * Reads one schema document. Faults go to the reader; the result counts only where there are none.
 */
export function readSchema(document: unknown, reader: FileReader): Schema {
  if (!isObject(document)) {
    reader.fault('$', document, 'a JSON object, one Schema document of RFC 7643 section 7')
    return { id: '', name: '', description: '', attributes: [], byName: new Map() }
  }
  const id = reader.text(document, 'id', '$')
  if (id !== '' && !SCHEMA_URI.test(id))
    reader.fault('$.id', id, 'a URN such as urn:example:2.0:Device')
  const attributes = readAttributes(document, 'attributes', '$', reader, 0)
  if (attributes.length === 0)
    reader.fault('$.attributes', document['attributes'], 'at least one attribute')
  return {
    id,
    name: reader.text(document, 'name', '$'),
    description: reader.text(document, 'description', '$', ''),
    attributes,
    byName: byLowerName(attributes),
  }
}

function readAttributes(
  from: Record<string, unknown>,
  key: string,
  at: string,
  reader: FileReader,
  depth: number,
): Attribute[] {
  const seen = new Set<string>()
  return reader.objects(from, key, at).map((definition, index) => {
    const place = `${at}.${key}[${index}]`
    const attribute = readAttribute(definition, place, reader, depth)
    const name = attribute.name.toLowerCase()
    if (seen.has(name))
      reader.fault(`${place}.name`, attribute.name, 'a name that no other attribute here has')
    seen.add(name)
    return attribute
  })
}

function readAttribute(
  definition: Record<string, unknown>,
  at: string,
  reader: FileReader,
  depth: number,
): Attribute {
  for (const key of Object.keys(definition)) {
    if (!KEYWORDS.has(key)) reader.fault(`${at}.${key}`, key, `one of ${[...KEYWORDS].join(', ')}`)
  }
  const name = reader.text(definition, 'name', at)
  if (name !== '' && !ATTRIBUTE_NAME.test(name)) {
    reader.fault(`${at}.name`, name, 'a letter, then letters, digits, "-", "_" or "$"')
  }
  if (name in {}) reader.fault(`${at}.name`, name, 'a name that JavaScript objects do not have')
  const type = reader.oneOf(definition, 'type', at, ATTRIBUTE_TYPES, 'string')
  const exact = type === 'reference' || type === 'binary'
  const subAttributes = readAttributes(definition, 'subAttributes', at, reader, depth + 1)
  if (type === 'complex' && subAttributes.length === 0) {
    reader.fault(
      `${at}.subAttributes`,
      definition['subAttributes'],
      'sub-attributes of this complex attribute',
    )
  }
  if (type !== 'complex' && subAttributes.length > 0) {
    reader.fault(`${at}.type`, type, '"complex", as there are subAttributes')
  }
  const returned = definition['returned']
  if (definition['mutability'] === 'writeOnly' && returned !== 'never') {
    reader.fault(`${at}.returned`, returned, '"never", as the attribute is writeOnly')
  }
  return {
    name,
    type,
    multiValued: reader.flag(definition, 'multiValued', at, false),
    description: reader.text(definition, 'description', at, ''),
    required: reader.flag(definition, 'required', at, false),
    // Section 2.3: binary and reference values are case exact whatever the characteristic says.
    caseExact: reader.flag(definition, 'caseExact', at, exact) || exact,
    mutability: reader.oneOf(
      definition,
      'mutability',
      at,
      ['readOnly', 'readWrite', 'immutable', 'writeOnly'],
      'readWrite',
    ),
    returned: reader.oneOf(
      definition,
      'returned',
      at,
      ['always', 'never', 'default', 'request'],
      'default',
    ),
    uniqueness: readUniqueness(definition, at, reader),
    canonicalValues: reader.texts(definition, 'canonicalValues', at),
    referenceTypes: reader.texts(definition, 'referenceTypes', at),
    subAttributes,
    subs: byLowerName(subAttributes),
  }
}

/** `global` is refused: nothing is shared between tenants, so it could not be kept. */
function readUniqueness(
  definition: Record<string, unknown>,
  at: string,
  reader: FileReader,
): Uniqueness {
  if (definition['uniqueness'] === 'global') {
    reader.fault(
      `${at}.uniqueness`,
      'global',
      '"server": tenants share nothing, so nothing can be unique over all',
    )
    return 'server'
  }
  return reader.oneOf(definition, 'uniqueness', at, ['none', 'server'], 'none')
}

const byLowerName = (attributes: readonly Attribute[]): ReadonlyMap<string, Attribute> =>
  new Map(attributes.map((attribute) => [attribute.name.toLowerCase(), attribute]))

/**
 * A complex attribute within a complex attribute: RFC 7643 section 2.3.8 allows it nowhere in
 * resources.
 */
export function faultNesting(schema: Schema, reader: FileReader): void {
  schema.attributes.forEach((attribute, index) => {
    attribute.subAttributes.forEach((sub, subIndex) => {
      if (sub.type === 'complex') {
        reader.fault(
          `$.attributes[${index}].subAttributes[${subIndex}].type`,
          'complex',
          'a simple type: a complex attribute holds no complex sub-attributes',
        )
      }
    })
  })
}

/** An attribute as section 7 publishes it, every characteristic spelled out. */
export function publishedAttribute(attribute: Attribute): Record<string, unknown> {
  const { type } = attribute
  const textual = type === 'string' || type === 'reference' || type === 'binary'
  return {
    name: attribute.name,
    type,
    multiValued: attribute.multiValued,
    description: attribute.description,
    required: attribute.required,
    ...(attribute.canonicalValues.length > 0 ? { canonicalValues: attribute.canonicalValues } : {}),
    ...(textual ? { caseExact: attribute.caseExact } : {}),
    mutability: attribute.mutability,
    returned: attribute.returned,
    ...(textual || type === 'integer' || type === 'decimal'
      ? { uniqueness: attribute.uniqueness }
      : {}),
    ...(attribute.referenceTypes.length > 0 ? { referenceTypes: attribute.referenceTypes } : {}),
    ...(type === 'complex'
      ? { subAttributes: attribute.subAttributes.map(publishedAttribute) }
      : {}),
  }
}
