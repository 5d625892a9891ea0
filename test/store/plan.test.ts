/** Random filters over random documents: a planned search answers what a full scan answers. */

import { expect, setDefaultTimeout, test } from 'bun:test'
import { documentOf } from '../../src/scim/document.ts'
import { ScimError } from '../../src/scim/error.ts'
import type { CompareOperator, Filter, Literal } from '../../src/scim/filter/filter.ts'
import { parseFilter } from '../../src/scim/filter/parse.ts'
import { type Plan, planFilter } from '../../src/scim/filter/plan.ts'
import { resolveFilter } from '../../src/scim/filter/resolve.ts'
import type { JsonValue } from '../../src/scim/json.ts'
import { FILTER_BYTES_MAX } from '../../src/scim/limits.ts'
import type { AttributePath, ResourceType } from '../../src/scim/registry.ts'
import { ATTRIBUTE_TYPES, type Attribute, type Schema } from '../../src/scim/schema.ts'
import { comparePositions, readSort, sortKeyOf } from '../../src/scim/sort.ts'
import { DEFAULT_RULES } from '../../src/scim/tolerance.ts'
import type { JsonObject } from '../../src/scim/value.ts'
import { valueKey } from '../../src/store/lmdb-keys.ts'
import type { LmdbStore } from '../../src/store/lmdb-store.ts'
import type { Account, Query } from '../../src/store/store.ts'
import { countCases } from '../cases.ts'
import { printFilter } from '../scim/filter/print.ts'
import {
  attribute,
  creation,
  DEVICE_EXTRA_SCHEMA,
  DEVICE_SCHEMA,
  DEVICE_TYPE,
  deletion,
  modification,
  originAt,
  Random,
  registryOf,
  seeds,
  temporaryStore,
  typeOf,
  walkedBy,
} from './given.ts'
import { predicateOver } from './predicate.ts'
import { faultsIn } from './sound.ts'

/** So that a slow machine is no fault. */
setDefaultTimeout(120_000)

const EVERY = 'urn:example:2.0:Every'
const SIMPLE = ATTRIBUTE_TYPES.filter((type) => type !== 'complex')
const everyType = () => [
  ...SIMPLE.map((type) => attribute(`${type}One`, type)),
  ...SIMPLE.map((type) => attribute(`${type}List`, type, { multiValued: true })),
  attribute('exactOne', 'string', { caseExact: true }),
]

/** An extension with each type: single, in a list, within a complex attribute, and in its list. */
const EVERY_SCHEMA = {
  id: EVERY,
  name: 'Every',
  attributes: [
    ...everyType(),
    attribute('box', 'complex', { subAttributes: everyType() }),
    attribute('boxes', 'complex', {
      multiValued: true,
      subAttributes: [attribute('value', 'string'), ...everyType()],
    }),
  ],
}

/** Every second path that may be indexed is, so that each type is found both ways. */
const EVERY_INDEXED = ['', 'box.', 'boxes.']
  .flatMap((at) => everyType().map(({ name, type }) => ({ path: `${EVERY}:${at}${name}`, type })))
  .filter(({ type }, index) => type !== 'binary' && index % 2 === 0)
  .map(({ path }) => path)

const REGISTRY = registryOf(
  [DEVICE_SCHEMA, DEVICE_EXTRA_SCHEMA, EVERY_SCHEMA],
  [
    {
      ...DEVICE_TYPE,
      schemaExtensions: [...DEVICE_TYPE.schemaExtensions, { schema: EVERY, required: false }],
      indexed: [...DEVICE_TYPE.indexed, ...EVERY_INDEXED],
    },
  ],
)
const USERS = typeOf('User', REGISTRY)
const GROUPS = typeOf('Group', REGISTRY)
const DEVICES = typeOf('Device', REGISTRY)
const TYPES = [USERS, GROUPS, DEVICES]

const RESOURCES = 130
const FILTERS = 260

const LONG = 'x'.repeat(996)
const TEXTS = [
  ...[
    '',
    'a',
    'A',
    'b',
    'ab',
    'anna',
    'ANNA',
    'Annabel',
    'straße',
    'STRASSE',
    'Strasse',
    'ﬁ',
    'fi',
  ],
  ...[
    'Zoë',
    'Zoe\u0308',
    'Σίσυφος',
    'σισυφοσ',
    '李',
    '😀',
    '😀😀',
    '👩‍🚀',
    '\ue000',
    '\uffff',
    '\ufffd',
  ],
  ...[
    '\u{10ffff}',
    '\u{10ffff}a',
    'a\u{10ffff}',
    '\u0000',
    '\u0000\u0000',
    '\u0001',
    'a\u0000',
    'a\u0000b',
  ],
  ...['a\u0001', 'a\u007f', '"quoted\\"', 'a b', '%', 'İ', 'ı', '\u0000ÿ', '1', '-1', 'true'],
  ...[
    '',
    'x',
    'xxxx',
    'xxxxx',
    'xxxxy',
    'xxx\u0000',
    'xxx\u0000\u0000',
    'x\u0000xx',
    '😀',
    '😀y',
    'x😀',
  ].map((tail) => LONG + tail),
  ...['a', 'b', 'c', '\u0000', '😀', '\u{10ffff}'].map((tail) => `${LONG}xxxx${tail}`),
  ...[
    'é'.repeat(499),
    'é'.repeat(500),
    'é'.repeat(501),
    `é${'é'.repeat(500)}`,
    `${'é'.repeat(500)}Y`,
  ],
  ...['\u0000'.repeat(499), '\u0000'.repeat(500), '\u0000'.repeat(501), `a${'\u0000'.repeat(700)}`],
  '\u0000'.repeat(1000),
  ...['\u{10ffff}'.repeat(250), '\u{10ffff}'.repeat(251), 'ß'.repeat(450), 'SS'.repeat(450)],
]
const NUMBERS = [0, 1, -1, 2, 1.5, -1.5, 1e300, -1e300, 5e-324, -5e-324, 2 ** 53, 255, 256, -256]
const WHOLE_NUMBERS = NUMBERS.filter(Number.isInteger)
const DATES = [
  ...['2026-01-31T09:30:00Z', '2026-01-31T10:30:00+01:00', '2026-01-31T09:30:00.000Z'],
  ...['2026-01-31T09:30:00.0001Z', '1969-12-31T23:59:59.999Z', '1970-01-01T00:00:00Z'],
  ...['0001-01-01T00:00:00Z', '9999-12-31T24:00:00Z', '2026-01-31T09:30:00'],
]
const BINARIES = ['', 'AAAA', 'aaaa', 'AAA=']

test.each(seeds(2))(
  'a planned search answers what a full scan answers, page by page (SCIMD_SEED=%d)',
  async (seed) => {
    await using opened = await temporaryStore(REGISTRY)
    const { store } = opened
    const random = new Random(seed)
    const ids = await populate(store, random)
    expect(faultsIn(store.file)).toEqual([])

    const tried = new Set<Plan['kind']>()
    const orders = new Set<Account['order']>()
    for (let count = 0; count < FILTERS; count++) {
      const type = random.pick(TYPES)
      const text = printFilter(new Filters(random, type, ids).filter(random.below(4)))
      if (Buffer.byteLength(text) > FILTER_BYTES_MAX) continue
      const filter = resolveFilter(parseFilter(text), type.resolve, { rules: DEFAULT_RULES })
      const matches = predicateOver(store, filter)
      const all = { type, skip: 0, count: 1000 }
      const scan = await store.search({ ...all, plan: { kind: 'all' }, matches })
      const wanted = scan.page.map(({ id }) => id)
      const { plan, exact } = planFilter(type, filter)
      for (const kind of kindsIn(plan)) tried.add(kind)
      const planned = exact ? { plan, matches: undefined } : { plan, matches }
      const step = 1 + random.below(1 + Math.ceil(wanted.length / 2))
      for (let skip = 0; skip <= wanted.length + step; skip += step) {
        const { total, page } = await store.search({ ...all, ...planned, skip, count: step })
        expect({ text, skip, total, ids: page.map(({ id }) => id) }).toEqual({
          text,
          skip,
          total: wanted.length,
          ids: wanted.slice(skip, skip + step),
        })
      }
      const counted = await store.search({ ...all, ...planned, count: 0 })
      expect({ text, ...counted }).toMatchObject({ text, total: wanted.length, page: [] })
      const query = { ...all, ...planned, count: step }
      expect({ text, ids: await walkedBy(store, query) }).toEqual({ text, ids: wanted })
      countCases(1)

      if (count % 2 === 1) continue
      const sort = readSort(type, random.pick(sortable(type)), random.pick(ORDERS))
      if (!sort) throw new Error('nothing to sort by')
      const inOrder = await sortedScan(store, { ...all, matches, sort })
      const about = { text, sort: [sort.path.text, sort.isDescending] }
      const account = { plan, passed: [], estimate: undefined, candidates: 0, read: 0 }
      const told: Account = { ...account, order: 'creation' }
      const first = await store.search({ ...all, ...planned, sort, count: step, account: told })
      orders.add(told.order)
      expect({ about, total: first.total, ids: first.page.map(({ id }) => id) }).toEqual({
        about,
        total: inOrder.length,
        ids: inOrder.slice(0, step),
      })
      const walked = await walkedBy(store, { ...all, ...planned, sort, count: step })
      expect({ about, ids: walked }).toEqual({ about, ids: inOrder })
      countCases(1)
    }
    expect([...tried].sort()).toEqual(EVERY_KIND)
    expect([...orders].sort()).toEqual(['index', 'memory'])
  },
)

const ORDERS = ['ascending', 'descending']

/** Paths that a resource can be sorted by, indexed ones and others. */
const sortable = (type: ResourceType): string[] => [
  ...type.indexed.map(({ text }) => text),
  ...['id', 'meta.created', 'meta.version'],
]

/** The ids of all matches in the order of a sort, without any index. */
async function sortedScan(store: LmdbStore, query: Omit<Query, 'plan'>): Promise<string[]> {
  const { sort } = query
  if (!sort) throw new Error('no sort')
  const scan = await store.search({ ...query, plan: { kind: 'all' }, sort: undefined })
  const placed = scan.page.map((stored) => {
    const meta = {
      lastModified: new Date(stored.lastModified).toISOString(),
      created: new Date(stored.created).toISOString(),
      version: String(stored.version),
    }
    const document = documentOf(stored.text)
    const key = sortKeyOf(sort, { ...document, id: stored.id, meta })
    const { id, handle } = stored
    const bytes = key === undefined ? undefined : valueKey(key).toString('latin1')
    return { id, position: { key: bytes, handle } }
  })
  placed.sort((a, b) => comparePositions(sort, a.position, b.position))
  return placed.map(({ id }) => id)
}

const OF_TEXT: Record<string, (value: string, operand: string) => boolean> = {
  eq: (value, operand) => value === operand,
  ne: (value, operand) => value !== operand,
  sw: (value, operand) => value.startsWith(operand),
  ew: (value, operand) => value.endsWith(operand),
  co: (value, operand) => value.includes(operand),
  gt: (value, operand) => Buffer.compare(Buffer.from(value), Buffer.from(operand)) > 0,
  ge: (value, operand) => Buffer.compare(Buffer.from(value), Buffer.from(operand)) >= 0,
  lt: (value, operand) => Buffer.compare(Buffer.from(value), Buffer.from(operand)) < 0,
  le: (value, operand) => Buffer.compare(Buffer.from(value), Buffer.from(operand)) <= 0,
}

test('values that an index cuts off are found by every operator, and no others', async () => {
  await using opened = await temporaryStore(REGISTRY)
  const { store } = opened
  const long = 'x'.repeat(997)
  const tails = [
    '',
    'a',
    'xxx',
    'xxxx',
    'xxxa',
    'xxxb',
    'xxxz',
    '3',
    '9',
    'z',
    '😀',
    '😀a',
    '\u0000',
  ]
  tails.push('xx\u0000', 'xx\u0000a', 'xxx\u0000', 'x\u0000\u0000', 'é', 'xé', 'xxé', 'xxéa')
  const values = tails.map((tail) => long + tail).concat('x', 'y', '\u0000'.repeat(1000))
  await store.commit(
    values.map((code, index) => creation(DEVICES, `${index}`, { code })),
    originAt(1),
  )
  for (const [operator, holds] of Object.entries(OF_TEXT)) {
    for (const operand of values) {
      const text = `code ${operator} ${JSON.stringify(operand)}`
      const filter = resolveFilter(parseFilter(text), DEVICES.resolve, { rules: DEFAULT_RULES })
      const { plan, exact } = planFilter(DEVICES, filter)
      const matches = exact ? undefined : predicateOver(store, filter)
      const query = { type: DEVICES, plan, matches, skip: 0, count: 100 }
      const { total, page } = await store.search(query)
      const wanted = values.flatMap((value, index) => (holds(value, operand) ? [`${index}`] : []))
      expect({ text, ids: page.map(({ id }) => id) }).toEqual({ text, ids: wanted })
      expect(total).toBe(wanted.length)
    }
  }
})

const EVERY_KIND: Plan['kind'][] = [
  ...(['all', 'anyOf', 'except', 'id', 'membersOf', 'ownersOf', 'range', 'union'] as const),
]

const kindsIn = (plan: Plan): Plan['kind'][] => [
  plan.kind,
  ...('plans' in plan ? plan.plans.flatMap(kindsIn) : []),
  ...('plan' in plan ? kindsIn(plan.plan) : []),
]

/** Fills the store by creations, changes and deletions; returns ids, those of deleted ones too. */
async function populate(store: LmdbStore, random: Random): Promise<string[]> {
  const ids: string[] = []
  for (let count = 0; count < RESOURCES; count++) {
    const type = random.pick(TYPES)
    const id = `${type.name.toLowerCase()}-${count}`
    const time = 1_700_000_000_000 + random.below(5) * 1000
    const edits = type.links.map(
      (link) => ({ link, op: 'add', ids: linkable(random, ids, link.targets) }) as const,
    )
    await unlessTaken(
      store.commit([creation(type, id, valuesOf(random, type), edits)], originAt(time)),
    )
    if (await store.find(id)) ids.push(id)
  }
  for (const id of ids) {
    const header = await store.find(id)
    if (!header || random.chance(0.6)) continue
    const values = valuesOf(random, header.type)
    const change = random.chance(0.3)
      ? deletion(header.type, id)
      : modification(header.type, id, values)
    await unlessTaken(store.commit([change], originAt(1_700_000_009_000)))
  }
  await store.swept()
  return ids
}

/** Random names are taken now and then; that is not what is tested here. */
async function unlessTaken(commit: Promise<unknown>): Promise<void> {
  try {
    await commit
  } catch (error) {
    if (!(error instanceof ScimError && error.scimType === 'uniqueness')) throw error
  }
}

function linkable(random: Random, ids: readonly string[], targets: readonly string[]): string[] {
  const fitting = ids.filter((id) => targets.some((name) => id.startsWith(name.toLowerCase())))
  return random.some(fitting, 6)
}

function valuesOf(random: Random, type: ResourceType): JsonObject {
  const values: JsonObject = {}
  for (const attribute of type.attributes.values()) {
    if (attribute.name === 'schemas' || attribute.mutability === 'readOnly') continue
    if (type.links.some((link) => link.attribute === attribute)) continue
    const mustBe = attribute.required || type.unique.some((path) => path.attribute === attribute)
    if (!mustBe && random.chance(0.5)) continue
    values[attribute.name] = someValue(random, attribute)
  }
  for (const { schema } of type.extensions) {
    if (random.chance(0.6)) values[schema.id] = extensionOf(random, schema)
  }
  return values
}

function extensionOf(random: Random, schema: Schema): JsonObject {
  const held: JsonObject = {}
  for (const attribute of schema.attributes) {
    if (random.chance(0.6)) held[attribute.name] = someValue(random, attribute)
  }
  return Object.keys(held).length > 0 ? held : { [schema.attributes[0]?.name ?? '']: '' }
}

function someValue(random: Random, attribute: Attribute): JsonValue {
  if (!attribute.multiValued) return singleValue(random, attribute)
  return Array.from({ length: 1 + random.below(4) }, () => singleValue(random, attribute))
}

function singleValue(random: Random, attribute: Attribute): JsonValue {
  if (attribute.type !== 'complex') return simpleValue(random, attribute.type)
  const value: JsonObject = {}
  for (const sub of attribute.subAttributes) {
    if (sub.mutability === 'readOnly' || sub.name === '$ref' || random.chance(0.3)) continue
    value[sub.name] = someValue(random, sub)
  }
  return value
}

function simpleValue(random: Random, type: Attribute['type']): Exclude<Literal, null> {
  switch (type) {
    case 'boolean':
      return random.chance(0.5)
    case 'integer':
      return random.pick(WHOLE_NUMBERS)
    case 'decimal':
      return random.pick(NUMBERS)
    case 'dateTime':
      return random.pick(DATES)
    case 'binary':
      return random.pick(BINARIES)
    default:
      return textOf(random)
  }
}

/** A text of the list, or one near to it: another case, a part, a character more. */
function textOf(random: Random): string {
  const text = random.pick(TEXTS)
  const characters = [...text]
  switch (random.below(8)) {
    case 0:
      return text.toUpperCase()
    case 1:
      return characters.slice(0, random.below(characters.length + 1)).join('')
    case 2:
      return characters.slice(0, -1).join('')
    case 3:
      return text.length < 1000 ? text + random.pick(['\u0000', '\u0001', 'a', 'z', '😀']) : text
    default:
      return text
  }
}

const TEXT_OPERATORS: CompareOperator[] = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le']
const OPERATORS: Record<Attribute['type'], CompareOperator[]> = {
  string: TEXT_OPERATORS,
  reference: TEXT_OPERATORS,
  dateTime: TEXT_OPERATORS,
  integer: ['eq', 'ne', 'gt', 'ge', 'lt', 'le'],
  decimal: ['eq', 'ne', 'gt', 'ge', 'lt', 'le'],
  boolean: ['eq', 'ne'],
  binary: ['eq', 'ne'],
  complex: [],
}

/** Makes up filters that a resource type understands. */
class Filters {
  readonly #random: Random
  readonly #type: ResourceType
  readonly #ids: readonly string[]
  readonly #indexed: readonly string[]
  readonly #paths: readonly string[]

  constructor(random: Random, type: ResourceType, ids: readonly string[]) {
    this.#random = random
    this.#type = type
    this.#ids = ids
    this.#indexed = type.indexed.map(({ text }) => text)
    this.#paths = pathsOf(type)
  }

  filter(depth: number): Filter {
    const random = this.#random
    const dice = depth === 0 ? 1 : random.fraction()
    if (dice < 0.3) return { kind: 'and', operands: this.#operands(depth, 'and') }
    if (dice < 0.55) return { kind: 'or', operands: this.#operands(depth, 'or') }
    if (dice < 0.65) return { kind: 'not', operand: this.filter(depth - 1) }
    const kinds = [this.#indexed, this.#indexed, this.#paths, linkPathsOf(this.#type)]
    return this.#term(random.pick(random.pick(kinds)))
  }

  #operands(depth: number, kind: 'and' | 'or'): Filter[] {
    return Array.from({ length: 2 + this.#random.below(2) }, () => this.filter(depth - 1)).flatMap(
      (operand) => (operand.kind === kind ? operand.operands : operand),
    )
  }

  #term(text: string): Filter {
    const random = this.#random
    const path = this.#type.resolve(text)
    if (path?.kind !== 'attribute') throw new Error(`${text} is no attribute`)
    if (!path.sub && path.leaf.type === 'complex') {
      if (random.chance(0.6)) return this.#valuePath(path)
      if (!path.attribute.subs.has('value') || random.chance(0.3)) return this.#present(text)
      return this.#comparison(text, path, path.attribute.subs.get('value') ?? path.leaf)
    }
    return random.chance(0.12) ? this.#present(text) : this.#comparison(text, path, path.leaf)
  }

  #valuePath(outer: AttributePath): Filter {
    const random = this.#random
    const subs = outer.attribute.subAttributes.filter(({ returned }) => returned !== 'never')
    const term = (): Filter => {
      const sub = random.pick(subs)
      const path = { ...outer, sub, leaf: sub }
      return random.chance(0.1) ? this.#present(sub.name) : this.#comparison(sub.name, path, sub)
    }
    const terms = [term(), term()]
    const inner: Filter[] = [
      term(),
      { kind: 'not', operand: term() },
      { kind: 'and', operands: terms },
      { kind: 'or', operands: terms },
    ]
    return { kind: 'valuePath', path: written(outer.text), filter: random.pick(inner) }
  }

  #present = (text: string): Filter => ({ kind: 'present', path: written(text) })

  #comparison(text: string, path: AttributePath, leaf: Attribute): Filter {
    const random = this.#random
    const isNull = random.chance(0.03)
    const isEq = random.chance(leaf.name === 'value' || leaf.name === 'id' ? 0.5 : 0.1)
    const operators: CompareOperator[] = isNull ? ['eq', 'ne'] : OPERATORS[leaf.type]
    const operator = isEq ? 'eq' : random.pick(operators)
    const spelled = random.chance(0.1) ? text.toUpperCase() : text
    return {
      kind: 'compare',
      path: written(spelled),
      operator,
      operatorOffset: 0,
      value: isNull ? null : this.#value(path, leaf, operator),
      valueOffset: 0,
    }
  }

  #value(path: AttributePath, leaf: Attribute, operator: CompareOperator): Literal {
    const random = this.#random
    const isId =
      path.attribute.name === 'id' || path.link || path.reverse || leaf.name === 'manager'
    if (isId && leaf.type !== 'complex' && random.chance(0.8)) {
      if (leaf.name === 'type')
        return random.pick(['User', 'group', 'DEVICE', 'direct', 'indirect'])
      return random.chance(0.1) ? random.pick(['', 'nobody']) : random.pick(this.#ids)
    }
    if (path.attribute.name === 'meta' && leaf.type === 'dateTime') {
      return new Date(1_700_000_000_000 + random.below(10) * 1000).toISOString()
    }
    const isTextual = operator === 'co' || operator === 'sw' || operator === 'ew'
    if (leaf.type === 'dateTime' && isTextual) return random.pick(['2026', 'Z', '09:30', ''])
    if (leaf.type === 'boolean' && random.chance(0.2)) return random.pick(['True', 'false'])
    return simpleValue(random, leaf.type)
  }
}

const written = (text: string) => ({ text, offset: 0 })

/** Every path that a filter may name. */
function pathsOf(type: ResourceType): string[] {
  const inSchema = (attributes: Iterable<Attribute>, prefix: string): string[] =>
    [...attributes]
      .filter(({ returned }) => returned !== 'never')
      .flatMap(({ name, subAttributes }) => [
        `${prefix}${name}`,
        ...subAttributes
          .filter(({ returned }) => returned !== 'never')
          .map((sub) => `${prefix}${name}.${sub.name}`),
      ])
  return [
    ...inSchema(type.attributes.values(), ''),
    ...type.extensions.flatMap(({ schema }) => inSchema(schema.attributes, `${schema.id}:`)),
  ]
}

/** Paths that are answered from ids and links, whatever the documents hold. */
function linkPathsOf({ links, reverse }: ResourceType): string[] {
  const names = [...links, ...reverse].map(({ attribute }) => attribute.name)
  return ['id', ...names, ...names.map((name) => `${name}.value`)]
}
