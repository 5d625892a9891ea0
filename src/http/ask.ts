/**
 * Turns a request into what it asks (query, headers, body) and the context that operations run in,
 * each part made when it is needed.
 */

import { type Actor, may, requireAccess } from '../auth/actor.ts'
import { requireRate } from '../auth/rate.ts'
import type { Attempts, Context, Held, Service, TenantView } from '../operations/context.ts'
import { ScimError } from '../scim/error.ts'
import type { Conditions } from '../scim/etag.ts'
import type { JsonValue } from '../scim/json.ts'
import { ANSWER_PIECE_LENGTH, ANSWER_SMALL_BYTES_MAX, RESOURCE_BYTES_MAX } from '../scim/limits.ts'
import { type Projection, readProjection, WHOLE } from '../scim/projection.ts'
import { readQuery } from '../scim/query.ts'
import type { ResourceType } from '../scim/registry.ts'
import { projectionInQuery } from '../scim/search-request.ts'
import type { Rules, Tolerance } from '../scim/tolerance.ts'
import type { JsonObject } from '../scim/value.ts'
import type { Origin, Store } from '../store/store.ts'
import type { AnswerShare } from './answers.ts'
import { bodyBytesOf, readBody } from './body.ts'
import type { Noted } from './record.ts'
import { type Lease, notedAddress, type Raw, rateKeyOf, type Wire } from './wire.ts'

/** Who asks, and where; what of it is noted. */
export interface Asking {
  readonly wire: Wire
  readonly raw: Raw
  readonly actor: Actor
  readonly tenant: string
  /** Absent for discovery, which needs no store. */
  readonly lease: Lease | undefined
  readonly noted: Noted
  /** What its answer takes of the memory, once somebody has asked for some. */
  share?: AnswerShare
}

/** The request, and what has been read from its path, query and headers. */
export class Ask {
  readonly context: Context
  readonly #asking: Asking
  readonly #id: string | undefined

  /** @param id of the resource, where the path does not name it */
  constructor(asking: Asking, id?: string) {
    this.#asking = asking
    this.#id = id
    this.context = new RequestContext(asking)
  }

  /** The same request about another resource than its path names. */
  about(id: string): Ask {
    return new Ask(this.#asking, id)
  }

  get request(): Request {
    return this.#asking.raw.request
  }

  get id(): string {
    return this.#id ?? this.#asking.raw.params?.['id'] ?? ''
  }

  /** @throws ScimError see readQuery */
  get query(): URLSearchParams {
    return readQuery(queryIn(this.request.url), this.context.rules)
  }

  header(name: string): string | undefined {
    return this.request.headers.get(name) ?? undefined
  }

  get conditions(): Conditions {
    return { ifMatch: this.header('if-match'), ifNoneMatch: this.header('if-none-match') }
  }

  /** The body as JSON. @throws ScimError see readBody */
  async body(): Promise<JsonValue> {
    const body = await readBody(this.request)
    this.#asking.noted.body = body
    // What is long may be told again: there has to be room for that before it is written.
    const bytes = bodyBytesOf(this.request) ?? 0
    if (bytes > ANSWER_SMALL_BYTES_MAX) {
      await this.context.reserve(Math.min(bytes, RESOURCE_BYTES_MAX))
    }
    return body
  }

  /** Notes what became of the operations of a bulk request, which the status does not tell. */
  noteResults(answer: JsonObject): void {
    this.#asking.noted.results = answer
  }

  /** The type of this name as the tenant sees it. @throws ScimError 404 when it does not */
  typeNamed(name: string): ResourceType {
    const type = this.context.registry.typeNamed(name)
    if (!type) throw ScimError.status(404, `there is no resource type ${name}`)
    return type
  }

  projection(type: ResourceType): Projection {
    return queryIn(this.request.url) === ''
      ? WHOLE
      : readProjection(type, projectionInQuery(this.query))
  }
}

function queryIn(url: string): string {
  const at = url.indexOf('?')
  return at < 0 ? '' : url.slice(at + 1)
}

/** The piece that is being sent is in memory beside what it was made of. */
const pieceBytes = (bytes: number): number => Math.min(bytes, ANSWER_PIECE_LENGTH)

/** The context of one request; most operations ask for little of it. */
class RequestContext implements Context {
  readonly baseUrl: string
  readonly #asking: Asking
  readonly #service: Service
  readonly #view: TenantView
  #rules: Rules | undefined

  constructor(asking: Asking) {
    const { wire, tenant } = asking
    this.#asking = asking
    this.#service = wire.service
    this.#view = wire.viewOf(tenant)
    this.baseUrl = wire.baseUrl(tenant)
  }

  now(): number {
    return this.#service.now()
  }

  newId(): string {
    return this.#service.newId()
  }

  hashPassword(password: string): Promise<string> {
    return this.#service.hashPassword(password)
  }

  verifyPassword(password: string, hash: string | undefined): Promise<boolean> {
    return this.#service.verifyPassword(password, hash)
  }

  seal(text: string, bound: string): string {
    return this.#service.seal(text, bound)
  }

  open(sealed: string, bound: string): string | undefined {
    return this.#service.open(sealed, bound)
  }

  get registry() {
    return this.#view.registry
  }

  get checks() {
    return this.#view.checks
  }

  get strictChecks() {
    return this.#view.strictChecks
  }

  /** Made for those who ask: reading one resource does not. */
  get rules(): Rules {
    const { noted } = this.#asking
    noted.needed ??= new Set<Tolerance>()
    this.#rules ??= { ...this.#view.rules, needed: noted.needed }
    return this.#rules
  }

  get store(): Store {
    const { lease } = this.#asking
    if (!lease) throw new Error('discovery asks for a store')
    return lease.store
  }

  get origin(): Origin {
    const { wire, raw, actor, noted } = this.#asking
    const { requestId } = noted
    const address = notedAddress(wire, raw, noted)
    return { time: wire.service.now(), actor: actor.name, address, requestId }
  }

  get user(): string | undefined {
    return this.#asking.actor.user
  }

  get subject(): string {
    const { tenant, actor } = this.#asking
    return `${tenant}/${actor.id}/${[...actor.scopes].join(' ')}`
  }

  /** Making a signal costs as much as reading a resource; only long work looks at it. */
  get signal(): AbortSignal {
    return this.#asking.raw.request.signal
  }

  get attempts(): Attempts {
    const { wire, tenant } = this.#asking
    const { attempts } = wire.limits
    return {
      take: (id) => requireRate(attempts, `${tenant}/${id}`, 'attempts at a password'),
      giveBack: (id) => attempts.giveBack(`${tenant}/${id}`),
    }
  }

  requireAccess(verb: 'read' | 'write' | 'verify', { name }: ResourceType, id?: string): void {
    requireAccess(this.#asking.actor, { verb, type: name, id })
  }

  maySearch({ name }: ResourceType): boolean {
    return may(this.#asking.actor, { verb: 'read', type: name })
  }

  get #share(): AnswerShare {
    const { wire, raw, actor, noted } = this.#asking
    this.#asking.share ??= wire.answers.share(rateKeyOf(wire, actor, raw, noted), raw.request)
    return this.#asking.share
  }

  turn(): Promise<void> | undefined {
    return this.#share.turn()
  }

  reserve(bytes: number): Promise<void> | undefined {
    return this.#share.room(bytes + pieceBytes(bytes), false)
  }

  room(bytes: number): Promise<void> | undefined {
    const { verb } = this.#asking.noted
    return this.#share.room(bytes + pieceBytes(bytes), verb === 'write')
  }

  hold(): Held {
    const letGo = this.#asking.lease?.share() ?? (() => undefined)
    const giveBack = this.#share.stream()
    let isHeld = true
    return {
      stallMs: this.#asking.wire.answers.limits.stallMs,
      release() {
        if (!isHeld) return
        isHeld = false
        giveBack()
        letGo()
      },
    }
  }
}
