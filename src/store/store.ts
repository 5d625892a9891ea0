/**
 * The port to what keeps resources: types only, already bound to one tenant.
 *
 * An adapter knows documents, index entries and links; it knows nothing of HTTP, and nothing of
 * what a verb means: that is decided by the `decide` of each change.
 */

import type { Plan } from '../scim/filter/plan.ts'
import type { LinkEdit } from '../scim/link.ts'
import type { Link, ResourceType } from '../scim/registry.ts'
import type { Document } from '../scim/resource.ts'
import type { Position, Sort } from '../scim/sort.ts'

/** At once where the adapter can, else later; `await` takes both. */
export type Soon<T> = T | Promise<T>

/** What is known of a resource without reading its document. */
export interface Header {
  readonly type: ResourceType
  readonly id: string
  /** Counts the changes, from 1. */
  readonly version: number
  /** Milliseconds since 1970. */
  readonly created: number
  readonly lastModified: number
  /** The name that people know it by: what `display` of a reference shows. */
  readonly display: string
  /** Names this resource within the adapter; orders by creation. */
  readonly handle: number
}

/** A stored resource: its header and the text of its document (scim/document.ts), links apart. */
export interface Stored extends Header {
  /** What a plain answer shows, without the closing brace of the object. */
  readonly text: string
  /** Attributes that are never returned, as a JSON object; empty when there are none. */
  readonly hidden: string
  /** Bytes of both as UTF-8. */
  readonly size: number
  /** Which generation of its links is valid. */
  readonly generation: number
}

/** A resource as a decision sees it. */
export interface Current {
  readonly version: number
  readonly document: Document
}

/** What a resource shall be after the change. */
export interface Decision {
  readonly document: Document
  readonly links: readonly LinkEdit[]
}

/** The operations that the journal tells apart. */
export type Operation = 'create' | 'replace' | 'modify' | 'delete'

/**
 * One change of one resource.
 *
 * `decide` runs inside the write transaction on the state it changes. It is synchronous, may throw
 * a ScimError, and returns undefined to delete the resource. It may run more than once.
 */
export interface Change {
  readonly operation: Operation
  readonly type: ResourceType
  readonly id: string
  /** Every id that the edits of `decide` may name: their number tells how much work it is. */
  readonly mentions: readonly string[]
  decide(current: Current | undefined): Decision | undefined
}

/** Who asked, when, and in which request: kept with every change in the journal. */
export interface Origin {
  /** Milliseconds since 1970. */
  readonly time: number
  /** The name of the credential. */
  readonly actor: string
  readonly address: string
  readonly requestId: string
}

/** Whoever waits for the result. The signal is asked for only when work takes long. */
export interface Client {
  readonly signal: AbortSignal | undefined
  /**
   * Waits until it may hold more in memory than a small answer takes; undefined when it may.
   *
   * @throws ScimError 503 when others hold too much for too long
   */
  turn?(): Promise<void> | undefined
}

export interface Committed {
  /** The resource as it is after the change; undefined when it was deleted. */
  readonly stored: Stored | undefined
  /** False when no stored value and no link differs: then nothing was written. */
  readonly changed: boolean
}

/** Which resources to find, in which order, and which part of them to return. */
export interface Query {
  readonly type: ResourceType
  readonly plan: Plan
  /** Decides on a candidate; undefined where the plan alone decides. */
  readonly matches: Predicate | undefined
  /** Without one, the order is that of creation. */
  readonly sort?: Sort | undefined
  /** Resources to leave out at the beginning, from 0. */
  readonly skip: number
  /** Goes on after a resource of an earlier page of the same query; `skip` is then 0. */
  readonly after?: After | undefined
  readonly count: number
  /** Finds positions without reading what stands there: `page` is then empty, and never cut. */
  readonly placesOnly?: boolean
  readonly client?: Client | undefined
  /** Told how the search was carried out. */
  readonly account?: Account | undefined
}

/** How a search was carried out, for who asks why it takes long. The adapter fills it in. */
export interface Account {
  /** What was carried out of the query's plan. */
  plan: Plan
  /** What would have held every match as well and has more candidates, counted up to a maximum. */
  passed: { readonly plan: Plan; readonly counted: number; readonly countMax: number }[]
  /** Candidates that were expected, counted up to a maximum. */
  estimate: { readonly counted: number; readonly countMax: number } | undefined
  /** By creation; along the index of the sort; or collected, and sorted in memory. */
  order: 'creation' | 'index' | 'memory'
  candidates: number
  /** Candidates whose documents were read to decide on them, or to sort them. */
  read: number
}

export interface After {
  readonly position: Position
  /** That of the earlier page: told again where finding it anew means looking at every match. */
  readonly total: number
}

export type Predicate = (candidate: Stored) => boolean | Promise<boolean>

export interface Found {
  /** All matches, not only those returned. */
  readonly total: number
  readonly page: readonly Stored[]
  /** Those of the page, one for one. */
  readonly positions: readonly Position[]
  /** Whether the page ended before its count, for its size (PAGE_BYTES_MAX). */
  readonly isCut: boolean
}

/** A group as a member sees it. */
export interface Owner {
  readonly header: Header
  readonly direct: boolean
}

/** One entry of the journal, as its readers get it. */
export interface JournalEntry {
  readonly sequence: number
  /** Renewed when a tenant is restored from a backup; cursors carry it. */
  readonly epoch: string
  readonly time: string
  readonly actor: string
  readonly address: string
  readonly requestId: string
  readonly operation: Operation
  readonly type: string
  readonly id: string
  readonly version: number
  /** Attributes that the change touched, as they were and as they are; secrets never. */
  readonly before: Document
  readonly after: Document
  /** Names of touched attributes whose values are never told. */
  readonly secrets: readonly string[]
  /** By link attribute: ids that were added and removed. */
  readonly links: Readonly<Record<string, LinkChange>>
  /**
   * Ids that the request wanted linked and that name no resource (`unknownMembers: skip`), the
   * first thousand.
   */
  readonly skipped: readonly string[]
  /** On delete: the resources that lost it as a member, each of which got a new version. */
  readonly left: readonly { readonly type: string; readonly id: string; readonly version: number }[]
  /** SHA-256 of the stored entry before this one, in hex. */
  readonly previous: string
}

export interface LinkChange {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  /** How many further chunks of ids there are; journalChunk reads them. */
  readonly chunks: number
}

export interface Store {
  read(type: ResourceType, id: string): Soon<Stored | undefined>
  /** Finds a resource of any type by its id. */
  find(id: string): Soon<Header | undefined>
  search(query: Query): Promise<Found>
  /** What stands at a position that a search has found; undefined when it has been deleted. */
  at(type: ResourceType, position: Position): Stored | undefined
  /**
   * Applies all changes or none, each of another resource and each decided on the state before the
   * first of them; only links may be to what others of them create. Resolves when they are on disk.
   *
   * @throws ScimError whatever the decisions throw; 409 uniqueness; 413 for too large a resource,
   *   or for too many links in one of several changes; 503 and 507 where the disk is at fault
   * @throws Abandoned when the client has gone while a large change was being worked out
   */
  commit(changes: readonly Change[], origin: Origin, client?: Client): Promise<readonly Committed[]>
  /** The linked resources in batches: by type, and of one type in the order of their creation. */
  linked(owner: Stored, link: Link, client?: Client): AsyncIterable<readonly Header[]>
  isLinked(owner: Stored, link: Link, id: string): Soon<boolean>
  /** How many linked resources there are, counted up to a maximum. */
  linkCount(owner: Header, link: Link, countMax: number): Soon<number>
  /** The resources that link to this one, direct ones first, each once. */
  owners(member: Header, link: Link): Soon<readonly Owner[]>
  /** Journal entries after a sequence number, in order. */
  journal(after: number, countMax: number): Promise<readonly JournalEntry[]>
  /** The further ids of a link change that did not fit into its entry, from chunk 1. */
  journalChunk(sequence: number, link: string, chunk: number): Promise<LinkChange | undefined>
}
