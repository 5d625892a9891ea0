/** Turns a filter into a predicate over stored resources, links being looked up in the store. */

import { documentOf } from '../../src/scim/document.ts'
import { needsOf, predicateOf } from '../../src/scim/filter/evaluate.ts'
import type { TypedFilter } from '../../src/scim/filter/resolve.ts'
import type { JsonValue } from '../../src/scim/json.ts'
import type { AttributePath } from '../../src/scim/registry.ts'
import type { JsonObject } from '../../src/scim/value.ts'
import type { Header, Predicate, Store, Stored } from '../../src/store/store.ts'

/** The predicate of a filter; what it needs of links is fetched for each resource. */
export function predicateOver(store: Store, filter: TypedFilter): Predicate {
  const matches = predicateOf(filter)
  const needs = needsOf(filter)
  return async (resource) => {
    const elements = new Map<string, readonly JsonValue[]>()
    for (const path of needs.elements) {
      elements.set(path.attribute.name, await elementsOf(store, resource, path))
    }
    const held = new Set<string>()
    for (const { path, id } of needs.ids) {
      if (await holds(store, resource, path, id)) held.add(`${path.attribute.name} ${id}`)
    }
    const found = (name: string): readonly JsonValue[] => {
      const known = elements.get(name)
      if (!known) throw new Error(`needsOf did not announce the elements of ${name}`)
      return known
    }
    return matches({
      resource: resourceOf(resource),
      elements: (path) => found(path.attribute.name),
      holds: (path, id) => held.has(`${path.attribute.name} ${id}`),
    })
  }
}

const resourceOf = (stored: Stored): JsonObject => ({
  ...documentOf(stored.text, stored.hidden),
  id: stored.id,
  meta: {
    resourceType: stored.type.name,
    created: new Date(stored.created).toISOString(),
    lastModified: new Date(stored.lastModified).toISOString(),
    location: locationOf(stored),
    version: `W/"${stored.version}"`,
  },
})

const locationOf = ({ type, id }: Header): string =>
  `https://example.com/scim/v2${type.endpoint}/${encodeURIComponent(id)}`

const elementOf = (header: Header, type: string): JsonObject => ({
  value: header.id,
  $ref: locationOf(header),
  type,
  display: header.display,
})

async function elementsOf(
  store: Store,
  resource: Stored,
  path: AttributePath,
): Promise<JsonValue[]> {
  const elements: JsonValue[] = []
  if (path.link) {
    for await (const batch of store.linked(resource, path.link)) {
      elements.push(...batch.map((member) => elementOf(member, member.type.name)))
    }
  } else if (path.reverse) {
    const owners = await store.owners(resource, path.reverse)
    const kind = (direct: boolean) => (direct ? 'direct' : 'indirect')
    elements.push(...owners.map(({ header, direct }) => elementOf(header, kind(direct))))
  }
  return elements
}

async function holds(
  store: Store,
  resource: Stored,
  path: AttributePath,
  id: string,
): Promise<boolean> {
  if (path.link) return store.isLinked(resource, path.link, id)
  if (!path.reverse) return false
  return (await store.owners(resource, path.reverse)).some(({ header }) => header.id === id)
}
