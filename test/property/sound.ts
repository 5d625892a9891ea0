/**
 * Whether an answer is what the schemas say that this very server publishes: a naive check, which
 * shares nothing with the one under test.
 */

import { expect } from 'bun:test'
import type { Reply } from '../harness.ts'
import type { Body, Scim } from '../http/given.ts'
import { ERROR } from '../http/given.ts'

interface Published {
  readonly endpoint: string
  readonly name: string
  readonly schema: string
  readonly attributes: readonly Body[]
  readonly extensions: readonly { schema: string; required: boolean; attributes: Body[] }[]
}

/** What /ResourceTypes and /Schemas say, by endpoint. */
export type Discovered = ReadonlyMap<string, Published>

export async function discover(scim: Scim): Promise<Discovered> {
  const types = (await scim.get('/ResourceTypes')).body.Resources
  const schemas = (await scim.get('/Schemas')).body.Resources
  const attributesOf = (urn: string) => schemas.find(({ id }: Body) => id === urn).attributes
  return new Map(
    types.map(({ name, endpoint, schema, schemaExtensions }: Body) => [
      endpoint,
      {
        name,
        endpoint,
        schema,
        attributes: attributesOf(schema),
        extensions: schemaExtensions.map((one: Body) => ({
          ...one,
          attributes: attributesOf(one.schema),
        })),
      },
    ]),
  )
}

/** Attributes that the server itself gives a value. */
const DERIVED = ['groups', 'previous', 'display', 'displayName']
/** Links are told even when there are none. */
const MAY_BE_EMPTY = ['members', 'crew', 'next']

/** Everything that is wrong with a resource as it was answered by default, or nothing. */
export function faultsIn(types: Discovered, endpoint: string, resource: Body): string[] {
  const faults: string[] = []
  const type = types.get(endpoint)
  if (!type) return [`${endpoint} is no endpoint`]
  const { schemas, id, externalId, meta, ...rest } = resource
  if (typeof id !== 'string' || id === '') faults.push(`id: ${id}`)
  if (externalId !== undefined && typeof externalId !== 'string') faults.push('externalId')
  if (meta?.resourceType !== type.name) faults.push(`meta.resourceType: ${meta?.resourceType}`)
  if (!meta?.location?.endsWith(`${endpoint}/${encodeURIComponent(id)}`)) faults.push('location')
  if (!(Date.parse(meta?.created) <= Date.parse(meta?.lastModified))) faults.push('meta times')
  if (!/^W\/"\d+"$/.test(meta?.version)) faults.push(`meta.version: ${meta?.version}`)

  const urns = new Map(type.extensions.map((one) => [one.schema, one]))
  const base = Object.entries(rest).filter(([name]) => !urns.has(name))
  membersFaults(type.attributes, Object.fromEntries(base), '', faults)
  if (schemas?.[0] !== type.schema) faults.push(`schemas: ${schemas}`)
  if (new Set(schemas).size !== schemas?.length) faults.push(`schemas twice: ${schemas}`)
  for (const urn of schemas?.slice(1) ?? []) {
    const extension = urns.get(urn)
    if (!extension) faults.push(`schemas: ${urn} is none of its schemas`)
    // All that it holds may be secret, or told only where it is asked for.
    const isOpen = extension?.attributes.every(({ returned }) => returned === 'default')
    if (isOpen && !(urn in rest)) faults.push(`schemas: ${urn} is not in use`)
  }
  for (const { schema, required, attributes } of type.extensions) {
    const held = rest[schema]
    if (held === undefined) {
      if (required) faults.push(`${schema} is required`)
      continue
    }
    if (!schemas?.includes(schema)) faults.push(`schemas: ${schema} is in use and not named`)
    membersFaults(attributes, held, `${schema}:`, faults)
    if (Object.keys(held).length === 0) faults.push(`${schema} is empty`)
  }
  return faults
}

function membersFaults(
  attributes: readonly Body[],
  values: Body,
  prefix: string,
  faults: string[],
): void {
  const known = new Map(attributes.map((attribute) => [attribute.name, attribute]))
  for (const [name, value] of Object.entries(values)) {
    const attribute = known.get(name)
    if (attribute) valueFaults(attribute, value, prefix + name, faults)
    else faults.push(`${prefix}${name}: no schema defines it`)
  }
  for (const { name, required, returned, mutability } of attributes) {
    const isTold = returned === 'default' || returned === 'always'
    if (required && isTold && mutability !== 'readOnly' && !(name in values))
      faults.push(`${prefix}${name} is required and absent`)
  }
}

function valueFaults(attribute: Body, value: Body, at: string, faults: string[]): void {
  const { name, returned, mutability, multiValued } = attribute
  if (returned === 'never') faults.push(`${at} is never returned`)
  if (returned === 'request') faults.push(`${at} was not asked for`)
  if (mutability === 'readOnly' && !DERIVED.includes(name)) faults.push(`${at} is readOnly`)
  if (!multiValued) return singleFaults(attribute, value, at, faults)
  if (!Array.isArray(value)) return void faults.push(`${at} is no list`)
  if (value.length === 0 && !MAY_BE_EMPTY.includes(name)) faults.push(`${at} is empty`)
  value.forEach((element, index) => {
    singleFaults(attribute, element, `${at}[${index}]`, faults)
  })
  if (value.filter((element) => element?.primary === true).length > 1)
    faults.push(`${at} has two primary elements`)
  const isSimple = attribute.type !== 'complex'
  if (isSimple && new Set(value.map((one) => JSON.stringify(one))).size < value.length)
    faults.push(`${at} repeats an element`)
}

const DATE_TIME = /^-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$/

const IS: Record<string, (value: Body) => boolean> = {
  string: (value) => typeof value === 'string',
  reference: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  decimal: (value) => typeof value === 'number',
  integer: (value) => Number.isSafeInteger(value),
  dateTime: (value) => typeof value === 'string' && DATE_TIME.test(value),
  binary: (value) => typeof value === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(value),
}

function singleFaults(attribute: Body, value: Body, at: string, faults: string[]): void {
  const { type, subAttributes } = attribute
  if (type !== 'complex') {
    if (!IS[type]?.(value)) faults.push(`${at} is no ${type}: ${JSON.stringify(value)}`)
    return
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return void faults.push(`${at} is no object`)
  if (Object.keys(value).length === 0) faults.push(`${at} is empty`)
  membersFaults(subAttributes, value, `${at}.`, faults)
}

/** An error in SCIM's form, from a client's fault: never a 5xx, whatever was sent. */
export function expectClientFault(reply: Reply, sent: unknown): void {
  const shown = `${reply.text} for ${JSON.stringify(sent)}`
  expect(reply.status, shown).toBeWithin(400, 500)
  expect(reply.headers.get('content-type'), shown).toBe('application/scim+json')
  expect(reply.body, shown).toMatchObject({ schemas: [ERROR], status: String(reply.status) })
  expect(reply.body.detail, shown).not.toMatch(/undefined|\[object|is not valid|Expected/)
  // What was found is not what was expected.
  expect(reply.body.detail, shown).not.toMatch(/found the (\w+) .*, expected an? \1(?:$|, as)/)
  expect(reply.body.detail.length, shown).toBeGreaterThan(5)
}
