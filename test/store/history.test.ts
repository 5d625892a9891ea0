/** Random histories of changes, in which the LMDB adapter has to agree with a naive model. */

import { expect, setDefaultTimeout, test } from 'bun:test'
import { documentOf } from '../../src/scim/document.ts'
import { ScimError } from '../../src/scim/error.ts'
import type { LinkEdit } from '../../src/scim/link.ts'
import type { ResourceType } from '../../src/scim/registry.ts'
import type { Document } from '../../src/scim/resource.ts'
import type { JsonObject } from '../../src/scim/value.ts'
import type { LmdbStore } from '../../src/store/lmdb-store.ts'
import type { Change, JournalEntry, Store } from '../../src/store/store.ts'
import {
  documentFor,
  edit,
  GROUP,
  linkedIds,
  MEMBERS,
  openStore,
  originAt,
  Random,
  seeds,
  stored,
  temporaryDirectory,
  USER,
} from './given.ts'
import { type Act, displayOf, type Fact, type Kept, Model, type Outcome } from './model.ts'
import { faultsIn } from './sound.ts'

/** So that a slow machine is no fault. */
setDefaultTimeout(120_000)

const STEPS = 600
/** Everything is compared now and then, and what a step touched at once. */
const STEPS_TO_COMPARISON = 35
const STEPS_TO_REOPENING = 230
const CONCURRENT_MAX = 6
const RESOURCES_MAX = 90

const NAMES = [
  'Anna',
  'anna',
  'Zoë',
  'ZOE\u0308',
  'straße',
  'STRASSE',
  '李',
  '👩‍🚀',
  'O’Neil',
  'Σίσυφος',
]

test.each(seeds(4))(
  'the store agrees with a naive model over a random history (SCIMD_SEED=%d)',
  async (seed) => {
    using directory = temporaryDirectory()
    const random = new Random(seed)
    const model = new Model()
    const plan = new History(random, model)
    let store = await openStore(directory.file)
    let told = 0
    for (let step = 1; step <= STEPS; step++) {
      const commits = plan.concurrentCommits()
      const time = 1_700_000_000_000 + step * random.below(3)
      const expected = commits.map((acts) => model.commit(acts, time))
      // None awaited before the next is called: they are applied in this order all the same.
      const found = await Promise.all(commits.map((acts) => outcomeOf(store, acts, time)))
      expect(found).toEqual(expected)
      told = await compareJournal(store, model, told)
      for (const { id } of commits.flat()) await compareResource(store, model, id)
      if (step % STEPS_TO_COMPARISON === 0) await compareAll(store, model)
      if (step % STEPS_TO_REOPENING === 0) {
        await store.close()
        store = await openStore(directory.file)
        await compareAll(store, model)
      }
    }
    await compareAll(store, model)
    await store.swept()
    expect(faultsIn(store.file)).toEqual([])
    await store.close()
  },
)

/** Makes up what happens next, mostly sensible, on what the model knows. */
class History {
  readonly #random: Random
  readonly #model: Model
  #created = 0

  constructor(random: Random, model: Model) {
    this.#random = random
    this.#model = model
  }

  concurrentCommits(): Act[][] {
    const random = this.#random
    const count = random.chance(0.2) ? 1 + random.below(CONCURRENT_MAX) : 1
    return Array.from({ length: count }, () => {
      const size = random.chance(0.15) ? 2 + random.below(4) : 1
      const acts = new Map<string, Act>()
      const fresh: string[] = []
      for (let index = 0; index < size; index++) {
        const act = this.#act(fresh)
        // A commit changes each resource once.
        if (!acts.has(act.id)) acts.set(act.id, act)
      }
      return [...acts.values()]
    })
  }

  /** @param fresh ids that the same commit creates before */
  #act(fresh: string[]): Act {
    const random = this.#random
    const known = [...this.#model.kept.values()]
    const dice = random.fraction()
    const refuses = random.chance(0.04)
    if (known.length < 4 || (dice < 0.3 && known.length < RESOURCES_MAX)) {
      const type = random.chance(0.35) ? GROUP : USER
      const id = `${type.name}-${this.#created++}${random.chance(0.1) ? '-é\u0000🚀' : ''}`
      fresh.push(id)
      const next = documentFor(type, this.#values(type))
      return { operation: 'create', type, id, next, edits: this.#edits(type, id, fresh), refuses }
    }
    const target = random.pick(known)
    const { id } = target
    if (dice < 0.4)
      return { operation: 'delete', type: target.type, id, next: undefined, edits: [], refuses }
    if (random.chance(0.02)) return this.#missing(refuses)
    const { type } = target
    const edits = this.#edits(type, id, fresh)
    const operation = random.chance(0.3) ? 'replace' : 'modify'
    return { operation, type, id, next: this.#next(target), edits, refuses }
  }

  /** A change of what is not there, or is of another type, or is gone. */
  #missing(refuses: boolean): Act {
    const next = documentFor(USER, { userName: 'nobody' })
    const groups = this.#model.all(GROUP)
    const id = groups.length > 0 ? this.#random.pick(groups).id : 'never-there'
    return { operation: 'modify', type: USER, id, next, edits: [], refuses }
  }

  /** The same document, a new one, or one that differs by one attribute. */
  #next({ type, document }: Kept): Document {
    const random = this.#random
    const dice = random.fraction()
    if (dice < 0.4) return document
    if (dice < 0.6) return documentFor(type, this.#values(type))
    const { schemas: _schemas, ...values } = document
    return documentFor(type, { ...values, externalId: `e${random.below(5)}` })
  }

  #values(type: ResourceType): JsonObject {
    const random = this.#random
    const name = `${random.pick(NAMES)}${random.chance(0.7) ? random.below(60) : ''}`
    if (type === GROUP)
      return { displayName: name, ...this.#maybe('externalId', `e${random.below(5)}`) }
    return {
      userName: name,
      ...this.#maybe('externalId', random.pick(NAMES)),
      ...this.#maybe('displayName', random.pick(NAMES)),
      ...this.#maybe('active', random.chance(0.5)),
      ...this.#maybe('password', `secret${random.below(3)}`),
      ...(random.chance(0.5) ? { emails: this.#emails() } : {}),
    }
  }

  #maybe(name: string, value: string | boolean): JsonObject {
    return this.#random.chance(0.5) ? { [name]: value } : {}
  }

  #emails(): JsonObject[] {
    const random = this.#random
    const primary = random.below(4)
    return Array.from({ length: 1 + random.below(3) }, (_, index) => ({
      value: `${random.pick(NAMES)}@example.com`,
      ...(index === primary ? { primary: true } : {}),
    }))
  }

  #edits(type: ResourceType, id: string, fresh: readonly string[]): LinkEdit[] {
    if (type !== GROUP) return []
    const random = this.#random
    const users = this.#model.all(USER).map((kept) => kept.id)
    const groups = [...this.#model.all(GROUP).map((kept) => kept.id), id]
    const ids = () => [
      ...random.some(users, 5),
      ...(random.chance(0.4) ? random.some(groups, 2) : []),
      ...(random.chance(0.3) ? fresh : []),
    ]
    return Array.from({ length: random.below(4) }, (): LinkEdit => {
      const dice = random.fraction()
      if (dice < 0.1) return { link: MEMBERS, op: 'removeWhere', matches: this.#matcher() }
      const unknown = random.chance(0.03) ? ['nobody'] : []
      if (dice < 0.55) return edit('add', [...ids(), ...unknown])
      return dice < 0.85 ? edit('remove', [...ids(), ...unknown]) : edit('replace', ids())
    })
  }

  #matcher(): Extract<LinkEdit, { op: 'removeWhere' }>['matches'] {
    const name = this.#random.pick(NAMES)
    const typeName = this.#random.pick(['User', 'Group'])
    return this.#random.chance(0.5)
      ? ({ display }) => display.startsWith(name)
      : ({ type }) => type.name === typeName
  }
}

async function outcomeOf(store: Store, acts: readonly Act[], time: number): Promise<Outcome> {
  try {
    const committed = await store.commit(acts.map(changeOf), originAt(time))
    return { changed: committed.map(({ changed }) => changed) }
  } catch (error) {
    if (!(error instanceof ScimError)) throw error
    if (error.status === 412) return { refusal: 'refused' }
    if (error.status === 404) return { refusal: 'missing' }
    return { refusal: error.scimType === 'uniqueness' ? 'uniqueness' : 'unknown member' }
  }
}

function changeOf({ operation, type, id, next, edits, refuses }: Act): Change {
  const added = edits.flatMap((one) => (one.op === 'add' || one.op === 'replace' ? one.ids : []))
  const removed = edits.flatMap((one) => (one.op === 'remove' ? one.ids : []))
  return {
    operation,
    type,
    id,
    mentions: [...added, ...removed],
    decide(current) {
      if (refuses) throw ScimError.status(412, 'refused')
      if (operation !== 'create' && !current) throw ScimError.status(404, `no ${id}`)
      return next && { document: next, links: edits.map(refusing) }
    },
  }
}

/** The same edit, refusing what does not exist. */
function refusing(edit: LinkEdit): LinkEdit {
  if (edit.op !== 'add' && edit.op !== 'replace') return edit
  const accepts = (id: string, type: string | undefined): boolean => {
    if (type === undefined) throw ScimError.of('invalidValue', `no ${id}`)
    return true
  }
  return { ...edit, accepts }
}

async function compareAll(store: LmdbStore, model: Model): Promise<void> {
  for (const type of [USER, GROUP]) {
    const found = await store.search({
      type,
      plan: { kind: 'all' },
      matches: undefined,
      skip: 0,
      count: 1000,
    })
    const ids = model.all(type).map(({ id }) => id)
    expect(found.page.map(({ id }) => id)).toEqual(ids)
    expect(found.total).toBe(ids.length)
    for (const id of ids) await compareResource(store, model, id)
  }
}

async function compareResource(store: LmdbStore, model: Model, id: string): Promise<void> {
  const kept = model.kept.get(id)
  if (!kept) {
    expect(await store.find(id)).toBeUndefined()
    expect(await store.read(USER, id)).toBeUndefined()
    return
  }
  const other = kept.type === USER ? GROUP : USER
  expect(await store.read(other, id)).toBeUndefined()
  const resource = await stored(store, kept.type, id)
  expect({
    version: resource.version,
    created: resource.created,
    lastModified: resource.lastModified,
    display: resource.display,
    document: documentOf(resource.text, resource.hidden),
  }).toEqual({
    version: kept.version,
    created: kept.created,
    lastModified: kept.lastModified,
    display: displayOf(kept),
    document: kept.document,
  })
  await compareOwners(store, model, kept)
  if (kept.type !== GROUP) return
  const members = [...model.all(USER), ...model.all(GROUP)].filter((m) => kept.members.has(m.id))
  expect(await linkedIds(store, resource, MEMBERS)).toEqual(members.map((member) => member.id))
  for (const candidate of [...model.kept.keys()].slice(0, 10)) {
    expect(await store.isLinked(resource, MEMBERS, candidate)).toBe(kept.members.has(candidate))
  }
}

async function compareOwners(store: LmdbStore, model: Model, kept: Kept): Promise<void> {
  const header = await stored(store, kept.type, kept.id)
  const owners = await store.owners(header, MEMBERS)
  const { direct, indirect } = model.ownersOf(kept.id)
  const isDirect = owners.map((owner) => owner.direct)
  expect(isDirect).toEqual([...isDirect].sort((left, right) => Number(right) - Number(left)))
  const ids = (wanted: boolean) =>
    owners
      .filter((owner) => owner.direct === wanted)
      .map((owner) => owner.header.id)
      .sort()
  expect({ direct: ids(true), indirect: ids(false) }).toEqual({
    direct: [...direct],
    indirect: [...indirect],
  })
}

/** Compares what the journal has got since; returns how many entries there are. */
async function compareJournal(store: Store, model: Model, told: number): Promise<number> {
  const entries = await store.journal(told, 1000)
  expect(entries.map(({ sequence }) => sequence)).toEqual(
    entries.map((_entry, index) => told + 1 + index),
  )
  expect(entries.map(factOf)).toEqual(model.facts.slice(told))
  return told + entries.length
}

function factOf(entry: JournalEntry): Fact {
  const { operation, type, id, version, before, after, secrets, links, left } = entry
  const members = links['members']
  return {
    operation,
    type,
    id,
    version,
    before,
    after,
    secrets,
    added: [...(members?.added ?? [])].sort(),
    removed: [...(members?.removed ?? [])].sort(),
    left: left.map((owner) => `${owner.type} ${owner.id} ${owner.version}`).sort(),
  }
}
