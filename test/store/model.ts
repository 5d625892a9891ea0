/** A store in memory that is too simple to be wrong, and that the real one has to agree with. */

import { fold } from '../../src/scim/fold.ts'
import type { LinkEdit } from '../../src/scim/link.ts'
import type { ResourceType } from '../../src/scim/registry.ts'
import type { Document } from '../../src/scim/resource.ts'
import type { Operation } from '../../src/store/store.ts'

/** One change as a history plans it: what shall become of a resource, given what it is. */
export interface Act {
  readonly operation: Operation
  readonly type: ResourceType
  readonly id: string
  /** The document after the change; undefined for a deletion. */
  readonly next: Document | undefined
  readonly edits: readonly LinkEdit[]
  /** Set when the decision refuses whatever it finds. */
  readonly refuses: boolean
}

export interface Kept {
  readonly type: ResourceType
  readonly id: string
  /** Orders by creation. */
  readonly order: number
  readonly version: number
  readonly created: number
  readonly lastModified: number
  readonly document: Document
  readonly members: ReadonlySet<string>
}

/** What the journal has to say of one change. Ids in alphabetical order. */
export interface Fact {
  readonly operation: Operation
  readonly type: string
  readonly id: string
  readonly version: number
  readonly before: Document
  readonly after: Document
  readonly secrets: readonly string[]
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly left: readonly string[]
}

/** Why a commit is refused, in the order in which the reasons are found. */
export type Refusal = 'refused' | 'missing' | 'unknown member' | 'uniqueness'

export type Outcome = { readonly refusal: Refusal } | { readonly changed: readonly boolean[] }

const NAMES: Readonly<Record<string, string>> = { User: 'userName', Group: 'displayName' }

export class Model {
  readonly kept = new Map<string, Kept>()
  readonly facts: Fact[] = []
  #order = 0

  /** All changes or none, each decided on the state before the commit; deletions come last. */
  commit(acts: readonly Act[], time: number): Outcome {
    const created = new Set(acts.filter((act) => act.operation === 'create').map(({ id }) => id))
    const exists = (id: string) => created.has(id) || this.kept.has(id)
    const claimed = new Set<string>()
    for (const act of acts) {
      const refusal = this.#refusalOf(act, exists, claimed)
      if (refusal) return { refusal }
    }
    const orders = new Map([...created].map((id) => [id, this.#order++]))
    const before = new Map(this.kept)
    const changed = acts.map(
      (act) => act.next === undefined || this.#apply(act, time, orders, before),
    )
    for (const act of acts) if (!act.next) this.#delete(act, time)
    return { changed }
  }

  #refusalOf(act: Act, exists: (id: string) => boolean, claimed: Set<string>): Refusal | undefined {
    if (act.refuses) return 'refused'
    const current = this.kept.get(act.id)
    if (act.operation !== 'create' && current?.type !== act.type) return 'missing'
    for (const edit of act.edits) {
      if (edit.op === 'removeWhere' || edit.op === 'remove') continue
      if (!edit.ids.every(exists)) return 'unknown member'
    }
    const claim = act.next && claimOf(act.type, act.next)
    if (claim === undefined || (current && claimOf(current.type, current.document) === claim)) {
      return undefined
    }
    const others = [...this.kept.values()].filter(({ id }) => id !== act.id)
    const isTaken = others.some(({ type, document }) => claimOf(type, document) === claim)
    if (isTaken || claimed.has(claim)) return 'uniqueness'
    claimed.add(claim)
    return undefined
  }

  #apply(
    act: Act,
    time: number,
    orders: ReadonlyMap<string, number>,
    state: ReadonlyMap<string, Kept>,
  ): boolean {
    if (!act.next) return true
    const current = this.kept.get(act.id)
    const before = current?.members ?? new Set<string>()
    const members = edited(before, act.edits, state)
    const isSame =
      current &&
      JSON.stringify(current.document) === JSON.stringify(act.next) &&
      members.size === before.size &&
      [...members].every((id) => before.has(id))
    if (isSame) return false
    const next: Kept = {
      type: act.type,
      id: act.id,
      order: current?.order ?? orders.get(act.id) ?? -1,
      version: (current?.version ?? 0) + 1,
      created: current?.created ?? time,
      lastModified: Math.max(time, current?.lastModified ?? 0),
      document: act.next,
      members,
    }
    this.kept.set(act.id, next)
    this.facts.push({
      ...difference(current?.document ?? {}, act.next),
      operation: act.operation,
      type: act.type.name,
      id: act.id,
      version: next.version,
      added: [...members].filter((id) => !before.has(id)).sort(),
      removed: [...before].filter((id) => !members.has(id)).sort(),
      left: [],
    })
    return true
  }

  /** Whoever held it loses it, and gets a new version. */
  #delete(act: Act, time: number): void {
    const gone = this.kept.get(act.id)
    if (!gone) throw new Error(`the model has no ${act.id}`)
    this.kept.delete(act.id)
    const left: string[] = []
    for (const owner of this.kept.values()) {
      if (!owner.members.has(act.id)) continue
      const members = new Set(owner.members)
      members.delete(act.id)
      const version = owner.version + 1
      const lastModified = Math.max(time, owner.lastModified)
      this.kept.set(owner.id, { ...owner, members, version, lastModified })
      left.push(`${owner.type.name} ${owner.id} ${version}`)
    }
    this.facts.push({
      ...difference(gone.document, {}),
      operation: 'delete',
      type: gone.type.name,
      id: gone.id,
      version: gone.version + 1,
      added: [],
      removed: [],
      left: left.sort(),
    })
  }

  all(type: ResourceType): Kept[] {
    return [...this.kept.values()]
      .filter((candidate) => candidate.type === type)
      .sort((left, right) => left.order - right.order)
  }

  /** Ids of the resources that link to this one, and of those that do so through others. */
  ownersOf(id: string): {
    readonly direct: readonly string[]
    readonly indirect: readonly string[]
  } {
    const ownersOf = (member: string) =>
      [...this.kept.values()].filter(({ members }) => members.has(member)).map((owner) => owner.id)
    const direct = ownersOf(id)
    const found = new Set(direct)
    // A set that grows while it is walked is walked to its end.
    for (const owner of found) for (const next of ownersOf(owner)) found.add(next)
    return { direct: direct.sort(), indirect: [...found].filter((o) => !direct.includes(o)).sort() }
  }
}

function edited(
  before: ReadonlySet<string>,
  edits: readonly LinkEdit[],
  state: ReadonlyMap<string, Kept>,
): Set<string> {
  const members = new Set(before)
  for (const edit of edits) {
    if (edit.op === 'removeWhere') {
      for (const id of [...members]) {
        const member = state.get(id)
        if (member && edit.matches({ ...member, display: displayOf(member) })) members.delete(id)
      }
      continue
    }
    if (edit.op === 'replace') members.clear()
    for (const id of edit.ids) {
      if (edit.op === 'remove') members.delete(id)
      else members.add(id)
    }
  }
  return members
}

export function displayOf({ type, document }: Kept): string {
  const name = document['displayName'] ?? document[NAMES[type.name] ?? '']
  return typeof name === 'string' ? name : ''
}

/** What has to be unique: the name of a user or group, without regard to case. */
function claimOf(type: ResourceType, document: Document): string | undefined {
  const name = document[NAMES[type.name] ?? '']
  return typeof name === 'string' ? `${type.name} ${fold(name)}` : undefined
}

function difference(before: Document, after: Document) {
  const was: Document = {}
  const is: Document = {}
  const secrets: string[] = []
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const left = before[name]
    const right = after[name]
    if (JSON.stringify(left) === JSON.stringify(right)) continue
    if (name === 'password') secrets.push(name)
    else {
      if (left !== undefined) was[name] = left
      if (right !== undefined) is[name] = right
    }
  }
  return { before: was, after: is, secrets }
}
