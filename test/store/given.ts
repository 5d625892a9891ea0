/** What every store test begins with: registries, files that are gone afterwards, and changes. */

import { expect } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { JsonValue } from '../../src/scim/json.ts'
import type { LinkEdit } from '../../src/scim/link.ts'
import {
  buildRegistry,
  type Link,
  type Registry,
  type ResourceType,
  type SchemaFile,
} from '../../src/scim/registry.ts'
import { arrange, type Document } from '../../src/scim/resource.ts'
import { DEFAULT_RULES, type Rules } from '../../src/scim/tolerance.ts'
import type { JsonObject } from '../../src/scim/value.ts'
import { type LmdbStore, openLmdbStore } from '../../src/store/lmdb-store.ts'
import type { Change, Origin, Query, Store, Stored } from '../../src/store/store.ts'

const SCHEMAS = resolve(import.meta.dir, '../../schemas')

/** A schema or resource type file of the product. */
export const builtIn = (file: string): SchemaFile => ({
  file,
  json: JSON.parse(readFileSync(join(SCHEMAS, file), 'utf8')),
})

export const BUILT_IN_SCHEMAS = ['User.json', 'Group.json', 'EnterpriseUser.json'].map(builtIn)
export const BUILT_IN_TYPES = ['resource-types/User.json', 'resource-types/Group.json'].map(builtIn)

/** A sub-attribute or attribute of a test's schema, what is not said being as in section 2.2. */
export const attribute = (name: string, type: string, more: object = {}) => ({
  name,
  type,
  ...more,
})

export const DEVICE = 'urn:example:2.0:Device'
export const DEVICE_EXTRA = 'urn:example:2.0:DeviceExtra'

const LINKED_SUBS = (...targets: string[]) => [
  attribute('value', 'string', { caseExact: true, mutability: 'immutable' }),
  attribute('$ref', 'reference', { referenceTypes: targets, mutability: 'immutable' }),
  attribute('type', 'string', { mutability: 'immutable' }),
  attribute('display', 'string', { mutability: 'immutable' }),
]

/** Every attribute type, single and multi-valued, unique ones, secrets, and two link attributes. */
export const DEVICE_SCHEMA = {
  id: DEVICE,
  name: 'Device',
  attributes: [
    attribute('serial', 'reference', { referenceTypes: ['uri'], uniqueness: 'server' }),
    attribute('label', 'string'),
    attribute('code', 'string', { caseExact: true }),
    attribute('weight', 'decimal'),
    attribute('count', 'integer'),
    attribute('bought', 'dateTime'),
    attribute('enabled', 'boolean'),
    attribute('tags', 'string', { multiValued: true }),
    attribute('dates', 'dateTime', { multiValued: true }),
    attribute('certificate', 'binary'),
    attribute('secret', 'string', { returned: 'never', mutability: 'writeOnly' }),
    attribute('box', 'complex', {
      subAttributes: [
        attribute('code', 'string'),
        attribute('made', 'dateTime'),
        attribute('pin', 'string', { returned: 'never', mutability: 'writeOnly' }),
      ],
    }),
    attribute('parts', 'complex', {
      multiValued: true,
      subAttributes: [
        attribute('value', 'string'),
        attribute('type', 'string'),
        attribute('count', 'integer'),
        attribute('checked', 'dateTime'),
        attribute('primary', 'boolean'),
        attribute('labels', 'string', { multiValued: true }),
      ],
    }),
    attribute('holders', 'complex', {
      multiValued: true,
      subAttributes: LINKED_SUBS('User', 'Device'),
    }),
    attribute('spares', 'complex', { multiValued: true, subAttributes: LINKED_SUBS('Device') }),
    attribute('spareOf', 'complex', {
      multiValued: true,
      mutability: 'readOnly',
      subAttributes: LINKED_SUBS('Device'),
    }),
  ],
}

export const DEVICE_EXTRA_SCHEMA = {
  id: DEVICE_EXTRA,
  name: 'DeviceExtra',
  attributes: [
    attribute('shelf', 'string', { uniqueness: 'server' }),
    attribute('rank', 'decimal'),
    attribute('pin', 'string', { returned: 'never', mutability: 'writeOnly' }),
    attribute('vault', 'complex', {
      subAttributes: [
        attribute('label', 'string'),
        attribute('key', 'string', { returned: 'never', mutability: 'writeOnly' }),
        // Not secret, though the extension has a secret of this name.
        attribute('pin', 'string'),
      ],
    }),
  ],
}

export const DEVICE_TYPE = {
  name: 'Device',
  endpoint: '/Devices',
  schema: DEVICE,
  schemaExtensions: [{ schema: DEVICE_EXTRA, required: false }],
  display: ['label', 'serial'],
  indexed: [
    'label',
    'code',
    'weight',
    'count',
    'bought',
    'enabled',
    'tags',
    'dates',
    'box.code',
    'box.made',
    'parts.value',
    'parts.count',
    'parts.checked',
    'parts.primary',
    'parts.labels',
    'externalId',
    'meta.lastModified',
    `${DEVICE_EXTRA}:rank`,
    `${DEVICE_EXTRA}:vault.label`,
  ],
  links: [{ attribute: 'holders' }, { attribute: 'spares', reverse: { Device: 'spareOf' } }],
}

/** The built-in types, and others in the same form as an administrator's files. */
export const registryOf = (schemas: readonly object[] = [], types: readonly object[] = []) =>
  buildRegistry(
    [...BUILT_IN_SCHEMAS, ...schemas.map((json) => ({ file: 'schema.json', json }))],
    [...BUILT_IN_TYPES, ...types.map((json) => ({ file: 'type.json', json }))],
  )

export const REGISTRY = registryOf()
export const DEVICE_REGISTRY = registryOf([DEVICE_SCHEMA, DEVICE_EXTRA_SCHEMA], [DEVICE_TYPE])

export function typeOf(name: string, registry: Registry = REGISTRY): ResourceType {
  const type = registry.typeNamed(name)
  if (!type) throw new Error(`the test's registry has no ${name}`)
  return type
}

export function linkOf(type: ResourceType, attributeName: string): Link {
  const link = type.links.find((candidate) => candidate.attribute.name === attributeName)
  if (!link) throw new Error(`${type.name} has no link ${attributeName}`)
  return link
}

export const USER = typeOf('User')
export const GROUP = typeOf('Group')
export const MEMBERS = linkOf(GROUP, 'members')

/** A directory that is gone when the test's scope ends. */
export function temporaryDirectory(): Disposable & { readonly file: string } {
  const directory = mkdtempSync(join(tmpdir(), 'scimd-store-'))
  return {
    file: join(directory, 'tenant.mdb'),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  }
}

export const openStore = (
  file: string,
  registry: Registry = REGISTRY,
  rules: Rules = DEFAULT_RULES,
): Promise<LmdbStore> => openLmdbStore(file, 'test', registry, rules)

/** A store in a directory of its own; both are gone when the test's scope ends. */
export async function temporaryStore(
  registry: Registry = REGISTRY,
): Promise<AsyncDisposable & { readonly store: LmdbStore; readonly file: string }> {
  const directory = temporaryDirectory()
  const store = await openStore(directory.file, registry)
  return {
    store,
    file: directory.file,
    async [Symbol.asyncDispose]() {
      await store.close()
      directory[Symbol.dispose]()
    },
  }
}

export const originAt = (time: number): Origin => ({
  time,
  actor: 'test',
  address: '127.0.0.1',
  requestId: `request-${time}`,
})

/** A document in canonical order, `schemas` included. */
export function documentFor(type: ResourceType, values: JsonObject): Document {
  const base = new Map(Object.entries(values))
  const held = type.extensions.flatMap(({ schema }) => {
    const value = base.get(schema.id)
    base.delete(schema.id)
    return value === undefined ? [] : [[schema, value as JsonObject] as const]
  })
  return arrange(type, base, new Map(held))
}

/** The ids that edits name. */
const namedIn = (edits: readonly LinkEdit[]): string[] =>
  edits.flatMap((edit) => (edit.op === 'removeWhere' ? [] : edit.ids))

export function creation(
  type: ResourceType,
  id: string,
  values: JsonObject,
  edits: readonly LinkEdit[] = [],
): Change {
  const document = documentFor(type, values)
  const decide = () => ({ document, links: edits })
  return {
    operation: 'create',
    type,
    id,
    mentions: namedIn(edits),
    decide,
  }
}

/** Changes the document by the given values, removing undefined ones, and the links by edits. */
export function modification(
  type: ResourceType,
  id: string,
  values: { [name: string]: JsonValue | undefined },
  edits: readonly LinkEdit[] = [],
): Change {
  return {
    operation: 'modify',
    type,
    id,
    mentions: namedIn(edits),
    decide(current) {
      if (!current) throw new Error(`there is no ${id}`)
      const merged = Object.entries({ ...current.document, ...values })
      const { schemas: _schemas, ...kept } = Object.fromEntries(
        merged.filter((member): member is [string, JsonValue] => member[1] !== undefined),
      )
      return { document: documentFor(type, kept), links: edits }
    },
  }
}

export const deletion = (type: ResourceType, id: string): Change => ({
  operation: 'delete',
  type,
  id,
  mentions: [],
  decide: () => undefined,
})

export const user = (id: string, values: JsonObject = {}): Change =>
  creation(USER, id, { userName: id, ...values })

export const group = (id: string, members: readonly string[] = [], displayName = id): Change =>
  creation(GROUP, id, { displayName }, [{ link: MEMBERS, op: 'add', ids: members }])

export const edit = (op: 'add' | 'remove' | 'replace', ids: readonly string[]): LinkEdit => ({
  link: MEMBERS,
  op,
  ids,
})

/** Changes the members of a group, and nothing else of it. */
export const editMembers = (id: string, ...edits: readonly LinkEdit[]): Change =>
  modification(GROUP, id, {}, edits)

/** Many users, a few hundred to a commit. */
export async function createUsers(store: Store, ids: readonly string[]): Promise<void> {
  for (let at = 0; at < ids.length; at += 500) {
    const changes = ids.slice(at, at + 500).map((id) => user(id))
    await store.commit(changes, originAt(1))
  }
}

export const numbered = (prefix: string, count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${from + index}`)

export async function stored(store: Store, type: ResourceType, id: string): Promise<Stored> {
  const found = await store.read(type, id)
  if (!found) throw new Error(`there is no ${type.name} ${id}`)
  return found
}

/** The ids that a resource links to, in the order in which the store gives them. */
export async function linkedIds(store: Store, owner: Stored, link: Link): Promise<string[]> {
  const ids: string[] = []
  for await (const batch of store.linked(owner, link)) ids.push(...batch.map(({ id }) => id))
  return ids
}

export const membersOf = async (store: Store, id: string): Promise<string[]> =>
  linkedIds(store, await stored(store, GROUP, id), MEMBERS)

/** Numbers that look random and follow from a seed (mulberry32): a failure can be repeated. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** At least 0 and below 1. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from 0, below `bound`. */
  below(bound: number): number {
    return Math.floor(this.fraction() * bound)
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T
  }

  some<T>(choices: readonly T[], countMax: number): T[] {
    return Array.from({ length: Math.min(this.below(countMax + 1), choices.length) }, () =>
      this.pick(choices),
    )
  }
}

/** SCIMD_SEED repeats one history; without it there are as many new ones as wanted. */
export function seeds(count: number): number[] {
  const given = process.env['SCIMD_SEED']
  if (given !== undefined) return [Number(given)]
  return Array.from({ length: count }, () => Math.floor(Math.random() * 2 ** 32))
}

/** The ids of all pages, each of which goes on after the last resource of the one before. */
export async function walkedBy(store: Store, query: Query): Promise<string[]> {
  const ids: string[] = []
  let found = await store.search(query)
  for (;;) {
    ids.push(...found.page.map(({ id }) => id))
    const position = found.positions.at(-1)
    if (!position) return ids
    const { total } = found
    found = await store.search({ ...query, after: { position, total } })
    expect(found.total).toBe(total)
  }
}
