/** What the server needs of the rest of the house, and what Elysia hands on of a request. */

import type { Actor } from '../auth/actor.ts'
import type { TokenCheck } from '../auth/bearer.ts'
import type { TokenEndpoint } from '../auth/oauth.ts'
import { type Limiter, networkOf } from '../auth/rate.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Service, TenantView } from '../operations/context.ts'
import type { Names } from '../scim/redact.ts'
import type { ResourceType } from '../scim/registry.ts'
import type { RequestLog } from '../store/request-log.ts'
import type { Soon, Store } from '../store/store.ts'
import type { Answers } from './answers.ts'
import type { AddressOf } from './forwarded.ts'
import type { Noted } from './record.ts'

/** A tenant's store, which stays open until the lease and every share of it have ended. */
export interface Lease {
  readonly store: Store
  /** For a body that is still being sent; the result ends the share. */
  share(): () => void
  end(): void
}

/** What the server needs of the rest of the house. */
export interface Wire {
  readonly service: Service
  /** The resource types of all tenants: each of them sees all of these or some. */
  readonly types: readonly ResourceType[]
  readonly log: Log
  /** For what may go wrong with every request. */
  readonly sparingLog: Log
  readonly check: TokenCheck
  readonly endpoint: TokenEndpoint
  readonly addressOf: AddressOf
  /** Whether clients come by a Unix socket, and have no address. */
  readonly isSocket: boolean
  /** Why a connection is not let in, for want of a client's certificate that a proxy passes on. */
  readonly uncertified: ((peer: string, headers: Headers) => string | undefined) | undefined
  /** What is limited; requests and failed sign-ins are not when a setting says so. */
  readonly limits: {
    readonly requests: Limiter | undefined
    readonly signIns: Limiter | undefined
    readonly attempts: Limiter
  }
  /** The memory that answers may take. */
  readonly answers: Answers
  viewOf(tenant: string): TenantView
  /** The base URL of a tenant, without a slash at its end. */
  baseUrl(tenant: string): string
  /** The store of a tenant, or undefined when there is no such tenant. */
  lease(tenant: string): Soon<Lease | undefined>
  /** Whether there is such a tenant, and it is not suspended. */
  isServed(tenant: string): boolean
  readonly metrics: Metrics
  /** Whether the metrics are served beside SCIM. */
  readonly hasMetrics: boolean
  /** Why the server cannot do all of its work, or undefined. */
  unready(): string | undefined
  /** How many types and attributes of all tenants are kept out of sight: no schema knows them. */
  concealed(): number
  /** Where each request of a tenant is noted, for its administrator. */
  readonly requests: RequestLog
  /** What speaks of a secret, in any tenant. */
  readonly isSecret: Names
  isTenant(name: string): boolean
}

/**
 * What Elysia hands on. Parameters are decoded once, null when they cannot be; a fixed path has
 * none.
 */
export interface Raw {
  readonly request: Request
  readonly params: Readonly<Record<string, string | null>> | undefined
  readonly server: { requestIP(request: Request): { address: string } | null } | null
}

/** The other end of the connection: empty for a Unix socket, no address once it has gone. */
export const peerOf = (wire: Wire, { request, server }: Pick<Raw, 'request' | 'server'>): string =>
  server?.requestIP(request)?.address ?? (wire.isSocket ? '' : 'gone')

/** The address of the client, found once for each request; empty for a Unix socket. */
export function notedAddress(
  wire: Wire,
  raw: Pick<Raw, 'request' | 'server'>,
  noted: Noted,
): string {
  noted.address ??= wire.addressOf(peerOf(wire, raw), raw.request.headers)
  return noted.address
}

/** Credentials have a rate of their own each; visitors share that of their address. */
export const rateKeyOf = (wire: Wire, { id, tenant }: Actor, raw: Raw, noted: Noted): string =>
  id === '' ? `/${networkOf(notedAddress(wire, raw, noted))}` : `${tenant}/${id}`
