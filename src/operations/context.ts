/**
 * What every operation is given: the tenant's store and rules, and what is passed in rather than
 * taken.
 */

import { ScimError } from '../scim/error.ts'
import type { ResourceType } from '../scim/registry.ts'
import type { Rules } from '../scim/tolerance.ts'
import type { View } from '../scim/view.ts'
import type { Origin, Store } from '../store/store.ts'

/** What is the same for all requests. */
export interface Service {
  /** Milliseconds since 1970. */
  now(): number
  /** An id for a new resource; ids made later sort after those made before. */
  newId(): string
  /** A password to the text that is stored in its place. */
  hashPassword(password: string): Promise<string>
  /** Whether a password is the one of a hash; without one it takes as long to say no. */
  verifyPassword(password: string, hash: string | undefined): Promise<boolean>
  /** Seals a text for the client to bring back, bound to another text which is not in it. */
  seal(text: string, bound: string): string
  /** The text again, or undefined for what was not sealed here or was bound to something else. */
  open(sealed: string, bound: string): string | undefined
}

/** Limits how often something may fail. */
export interface Attempts {
  /** Takes one of the attempts at an id. @throws ScimError 429 when none is left */
  take(id: string): void
  /** Gives back an attempt that did not fail. */
  giveBack(id: string): void
}

/** What one tenant sees, and how its requests are understood. */
export interface TenantView extends View {
  readonly rules: Rules
}

/** What an answer keeps while it is sent. */
export interface Held {
  /** How long a client may leave a piece of it unread. */
  readonly stallMs: number
  release(): void
}

/** One request of one tenant. */
export interface Context extends Service, TenantView {
  readonly store: Store
  /** The tenant's base URL, without a slash at its end. */
  readonly baseUrl: string
  readonly origin: Origin
  /** The id of the resource that `/Me` stands for to who asks. */
  readonly user: string | undefined
  /** Limits attempts at the password of one resource. */
  readonly attempts: Attempts
  /** Refuses what the credential may not do. @throws ScimError 403 */
  requireAccess(verb: 'read' | 'write' | 'verify', type: ResourceType, id?: string): void
  /** Whether the credential may search this type. */
  maySearch(type: ResourceType): boolean
  /** Tenant, credential and what it may do, as no other credential has it. */
  readonly subject: string
  /**
   * Waits until its answer may be made, unless that is a small one; undefined when it may.
   *
   * @throws ScimError 503 when other answers hold too much for too long
   */
  turn(): Promise<void> | undefined
  /** Waits for room for an answer of so many bytes, before anything is written. @throws as turn */
  reserve(bytes: number): Promise<void> | undefined
  /** Room for the answer as it is made: that to a write is told even where there is none. */
  room(bytes: number): Promise<void> | undefined
  /** Keeps store and room for an answer that is sent bit by bit. */
  hold(): Held
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal | undefined
}

/** The URI of a resource: meta.location, Location and `$ref`. RFC 7643 section 3.1. */
export const locationOf = (context: Context, type: ResourceType, id: string): string =>
  `${context.baseUrl}${type.endpoint}/${UNRESERVED.test(id) ? id : encodeURIComponent(id)}`

/** RFC 3986 section 2.3: what stands in a URI as it is, as all ids that are made here do. */
const UNRESERVED = /^[\w.~-]*$/

export const notFound = (type: ResourceType, id: string): ScimError =>
  ScimError.status(404, `${type.name} ${id} not found`)
