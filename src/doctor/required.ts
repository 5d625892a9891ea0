/** Fills in what a server requires of its resources beside what identity providers send. */

import type { Json } from './answer.ts'
import type { Visit } from './visit.ts'

const USUAL: Readonly<Record<string, string>> = {
  locale: 'en-US',
  preferredlanguage: 'en-US',
  timezone: 'Europe/London',
  country: 'GB',
}

/** What a value is made for. */
interface Maker {
  /** Differs from resource to resource, and is the same whenever it is asked for. */
  readonly unique: string
  /** The same as a number. */
  readonly number: number
}

/** What a resource has to have, and where it is missing. */
export interface Filled {
  readonly body: Json
  /** The paths that were filled in, as one would map them. */
  readonly paths: readonly string[]
}

/**
 * A body with all that its schema and those extensions require that it has to have or does have.
 *
 * @param key tells resources of one visit apart: their unique values differ
 */
export function filledIn(visit: Visit, endpoint: string, key: string, body: Json): Filled {
  const { types, schemas } = visit.server
  const type = types.find((one) => String(one?.endpoint).toLowerCase() === endpoint.toLowerCase())
  const schemaOf = (id: unknown) =>
    schemas.find((one) => String(one?.id).toLowerCase() === String(id).toLowerCase())
  const maker = makerOf(visit.name, key)
  const paths: string[] = []

  const filled = missing(schemaOf(type?.schema), body, maker)
  paths.push(...Object.keys(filled))
  const extensions: Json = {}
  const used = listOf(body?.schemas).map((urn) => String(urn).toLowerCase())
  for (const { schema: urn, required } of listOf(type?.schemaExtensions)) {
    if (typeof urn !== 'string') continue
    if (required !== true && !used.includes(urn.toLowerCase())) continue
    const own = missing(schemaOf(urn), body[urn] ?? {}, maker)
    if (Object.keys(own).length === 0) continue
    extensions[urn] = { ...body[urn], ...own }
    paths.push(...Object.keys(own).map((name) => `${urn}:${name}`))
  }
  const added = Object.keys(extensions).filter((urn) => !used.includes(urn.toLowerCase()))
  return {
    body: {
      ...body,
      ...filled,
      ...extensions,
      ...(added.length > 0 && { schemas: [...listOf(body?.schemas), ...added] }),
    },
    paths,
  }
}

function makerOf(name: string, key: string): Maker {
  const unique = `${name}-${key}`
  // Of random letters: two visits at once must not meet.
  const number = [...unique].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 1e9, 7)
  return { unique, number }
}

const listOf = (value: Json): readonly Json[] => (Array.isArray(value) ? value : [])

const isRequired = ({ required, mutability }: Json): boolean =>
  required === true && mutability !== 'readOnly'

/** The required attributes of a schema that a body does not have, with a value for each. */
function missing(schema: Json, body: Json, maker: Maker): Json {
  const names = new Set(Object.keys(body ?? {}).map((name) => name.toLowerCase()))
  const attributes = listOf(schema?.attributes).filter(
    (one) => isRequired(one) && !names.has(String(one.name).toLowerCase()),
  )
  return Object.fromEntries(attributes.map((one) => [one.name, madeFor(one, maker)]))
}

function madeFor(attribute: Json, maker: Maker): Json {
  const one =
    attribute.type === 'complex' ? complexOf(attribute, maker) : simpleOf(attribute, maker)
  return attribute.multiValued === true ? [one] : one
}

/** What it requires, or its value, or the first that may be written. */
function complexOf({ subAttributes }: Json, maker: Maker): Json {
  const subs = listOf(subAttributes).filter(({ mutability }) => mutability !== 'readOnly')
  const required = subs.filter(isRequired)
  const value = subs.find(({ name }) => String(name).toLowerCase() === 'value') ?? subs[0]
  const chosen = required.length > 0 || !value ? required : [value]
  return Object.fromEntries(chosen.map((sub) => [sub.name, madeFor(sub, maker)]))
}

function simpleOf(attribute: Json, { unique, number }: Maker): Json {
  const name = String(attribute.name)
  const [canonical] = listOf(attribute.canonicalValues)
  if (canonical !== undefined) return canonical
  const isUnique = attribute.uniqueness !== undefined && attribute.uniqueness !== 'none'
  switch (attribute.type) {
    case 'boolean':
      return true
    case 'integer':
      return isUnique ? number : 1
    case 'decimal':
      return isUnique ? number + 0.5 : 1.5
    case 'dateTime':
      return new Date(isUnique ? number * 1000 : 0).toISOString()
    case 'binary':
      return Buffer.from(isUnique ? unique : 'doctor').toString('base64')
    case 'reference':
      return `https://doctor.example/${isUnique ? unique : 'doctor'}`
    default:
      return textOf(name, isUnique, { unique, number })
  }
}

/** A text that servers take for what the name of the attribute speaks of. */
function textOf(name: string, isUnique: boolean, { unique, number }: Maker): string {
  const usual = USUAL[name.toLowerCase()]
  if (usual !== undefined && !isUnique) return usual
  if (/password/i.test(name)) return `Dr-9-${unique}`
  if (/mail/i.test(name)) return `${unique}@doctor.example`
  if (/phone|mobile|fax/i.test(name)) return `+1555${String(number % 1e7).padStart(7, '0')}`
  return isUnique ? unique : 'doctor'
}
