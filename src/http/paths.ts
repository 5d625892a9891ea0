/** Finds the endpoint that a path names in other letters than its own. */

import type { AnyElysia } from 'elysia'
import { type Handlers, route } from './exchange.ts'
import type { Raw, Wire } from './wire.ts'

/**
 * Paths of the default tenant, and of the tenant that the path names. Without a version the newest
 * one is served, as RFC 7644 section 3.13 wants it; Locations name it.
 */
const PREFIXES = ['/scim/v2', '/scim', '/t/:tenant/scim/v2', '/t/:tenant/scim']
const PREFIX = /^(?:\/t\/([^/]+))?\/scim(?:\/v2)?(?=\/)/

/** What is served: the path below the prefix, where `:id` is any segment, and its methods. */
export type Endpoints = readonly (readonly [path: string, handlers: Handlers])[]

/** An endpoint, and what its path says. */
export interface Place {
  readonly handlers: Handlers
  readonly params: NonNullable<Raw['params']>
}

/** Serves endpoints under every prefix. */
export function routeAll(server: AnyElysia, wire: Wire, endpoints: Endpoints): void {
  for (const prefix of PREFIXES)
    for (const [path, handlers] of endpoints) route(server, wire, `${prefix}${path}`, handlers)
}

/** The endpoint of a path whose names may be in any letters. What is no name is as it is. */
export function placeOf(endpoints: Endpoints, path: string): Place | undefined {
  const prefix = PREFIX.exec(path)
  if (!prefix) return undefined
  const [whole, tenant] = prefix
  const segments = path.slice(whole.length).replace(/\/$/, '').split('/')
  for (const [pattern, handlers] of endpoints) {
    const names = pattern.split('/')
    const fits = (segment: string, index: number): boolean =>
      names[index] === ':id'
        ? segment !== ''
        : names[index]?.toLowerCase() === segment.toLowerCase()
    if (names.length !== segments.length || !segments.every(fits)) continue
    const id = segments[names.indexOf(':id')]
    return {
      handlers,
      params: {
        ...(tenant === undefined ? {} : { tenant: decoded(tenant) }),
        ...(id === undefined ? {} : { id: decoded(id) }),
      },
    }
  }
  return undefined
}

/** As the router gives parameters. */
function decoded(segment: string): string | null {
  try {
    return decodeURIComponent(segment)
  } catch {
    return null
  }
}
