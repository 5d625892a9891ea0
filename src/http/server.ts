/** The whole HTTP surface. Each line is a method, a path, and what is done. */

import { Elysia } from 'elysia'
import { bulk } from '../operations/bulk.ts'
import type { Context } from '../operations/context.ts'
import { create } from '../operations/create.ts'
import { patch } from '../operations/patch.ts'
import { read } from '../operations/read.ts'
import { remove } from '../operations/remove.ts'
import { replace } from '../operations/replace.ts'
import { search, searchAll } from '../operations/search.ts'
import {
  resourceTypeDocument,
  resourceTypeDocuments,
  schemaDocument,
  schemaDocuments,
  serviceProviderConfig,
} from '../scim/discovery.ts'
import { ScimError } from '../scim/error.ts'
import { etagOf, isKnown } from '../scim/etag.ts'
import { readProjection } from '../scim/projection.ts'
import type { ResourceType } from '../scim/registry.ts'
import { type SearchRequest, searchInBody, searchInQuery } from '../scim/search-request.ts'
import { readBody } from './body.ts'
import { type Ask, type Discovery, type Handlers, route, type Wire } from './exchange.ts'
import {
  changedReply,
  deletedReply,
  documentReply,
  documentsReply,
  errorReply,
  listReply,
  notModifiedReply,
  resourceReply,
} from './reply.ts'

/** Paths of the default tenant, and of the tenant that the path names. */
const PREFIXES = ['/scim/v2', '/t/:tenant/scim/v2']

export function createServer(wire: Wire) {
  const server = new Elysia({
    // With the standard, `http://app/…` is no route at all; and nothing of ours needs the other
    // two.
    handler: { standardHostname: false },
    normalize: false,
    cookie: {},
  })
    .onError(({ code, request }) => {
      if (!/^https?:/.test(request.url)) {
        return errorReply(ScimError.status(400, 'Host: found no valid host'))
      }
      if (code === 'NOT_FOUND') return errorReply(notThere(request))
      return errorReply(ScimError.status(400, 'the request could not be read'))
    })
    .get('/health', () => new Response('ok\n'))
    .get(
      '/ready',
      () =>
        new Response(wire.isReady() ? 'ready\n' : 'not ready\n', {
          status: wire.isReady() ? 200 : 503,
        }),
    )

  for (const prefix of PREFIXES) {
    const { types } = wire.service.registry
    route(server, wire, prefix, root(types))
    route(server, wire, `${prefix}/.search`, dotSearch(types))
    for (const type of types) {
      route(server, wire, `${prefix}${type.endpoint}`, collection(type))
      route(server, wire, `${prefix}${type.endpoint}/.search`, dotSearch([type]))
      route(server, wire, `${prefix}${type.endpoint}/:id`, resource(type))
    }
    route(server, wire, `${prefix}/Bulk`, bulkRequests)
    route(server, wire, `${prefix}/ServiceProviderConfig`, discovery.serviceProviderConfig)
    route(server, wire, `${prefix}/ResourceTypes`, discovery.resourceTypes)
    route(server, wire, `${prefix}/ResourceTypes/:id`, discovery.resourceType)
    route(server, wire, `${prefix}/Schemas`, discovery.schemas)
    route(server, wire, `${prefix}/Schemas/:id`, discovery.schema)
  }
  return server
}

/** RFC 7644 sections 3.3 and 3.4.2. */
const collection = (type: ResourceType): Handlers => ({
  GET: async (ask) => {
    return searchReply(ask.context, [type], searchInQuery(ask.query))
  },
  POST: async (ask) => {
    const projection = ask.projection(type)
    const created = await create(ask.context, type, await readBody(ask.request))
    return resourceReply(ask.context, created, projection, 201)
  },
})

/** RFC 7644 section 3.4.3: a query whose parameters do not show in any log of addresses. */
const dotSearch = (types: readonly ResourceType[]): Handlers => ({
  isSearch: true,
  POST: async (ask) => searchReply(ask.context, types, searchInBody(await readBody(ask.request))),
})

/** RFC 7644 section 3.4.2.1: a query over all resource types. */
const root = (types: readonly ResourceType[]): Handlers => ({
  GET: async (ask) => searchReply(ask.context, types, searchInQuery(ask.query)),
})

async function searchReply(
  context: Context,
  types: readonly ResourceType[],
  request: SearchRequest,
): Promise<Response> {
  const projections = new Map(types.map((type) => [type, readProjection(type, request)]))
  const [only] = types
  const result =
    only && types.length === 1
      ? await search(context, only, request)
      : await searchAll(context, types, request)
  return listReply(
    context,
    result,
    (type) => projections.get(type) ?? readProjection(type, request),
  )
}

/** RFC 7644 sections 3.4.1, 3.5.1, 3.5.2 and 3.6. */
const resource = (type: ResourceType): Handlers => ({
  GET: async (ask) => {
    const projection = ask.projection(type)
    const stored = await read(ask.context, type, ask.id)
    const tag = etagOf(stored.version)
    if (isKnown(tag, ask.header('if-none-match'))) return notModifiedReply(tag)
    return resourceReply(ask.context, stored, projection)
  },
  PUT: async (ask) => {
    const projection = ask.projection(type)
    const body = await readBody(ask.request)
    const replaced = await replace(ask.context, type, ask.id, body, ask.header('if-match'))
    return resourceReply(ask.context, replaced, projection)
  },
  PATCH: async (ask) => {
    const projection = ask.projection(type)
    const body = await readBody(ask.request)
    const patched = await patch(ask.context, type, ask.id, body, ask.header('if-match'))
    // A type with links may be very long, and its clients do not read the answer (Entra ID, Okta).
    if (type.links.length > 0 && projection.isDefault) return changedReply(patched)
    return resourceReply(ask.context, patched, projection)
  },
  DELETE: async (ask) => {
    await remove(ask.context, type, ask.id, ask.header('if-match'))
    return deletedReply()
  },
})

/** RFC 7644 section 3.7. */
const bulkRequests: Handlers = {
  POST: async (ask) => documentReply(await bulk(ask.context, await readBody(ask.request))),
}

/** RFC 7644 section 4: GET alone, without credential, without paging, and no filter. */
const discovery = {
  serviceProviderConfig: describe(({ baseUrl }) => documentReply(serviceProviderConfig(baseUrl))),
  resourceTypes: describe(({ registry, baseUrl }) =>
    documentsReply(resourceTypeDocuments(registry, baseUrl)),
  ),
  resourceType: describe(({ registry, baseUrl, id }) => {
    const type = registry.types.find(({ name }) => name === id)
    if (!type) throw ScimError.status(404, `there is no resource type "${id}"`)
    return documentReply(resourceTypeDocument(type, baseUrl))
  }),
  schemas: describe(({ registry, baseUrl }) => documentsReply(schemaDocuments(registry, baseUrl))),
  schema: describe(({ registry, baseUrl, id }) => {
    const schema = registry.schemas.find((one) => one.id.toLowerCase() === id.toLowerCase())
    if (!schema) throw ScimError.status(404, `there is no schema "${id}"`)
    return documentReply(schemaDocument(schema, baseUrl))
  }),
}

function describe(answer: (discovery: Discovery) => Response): Handlers {
  return {
    isPublic: true,
    GET: async (ask: Ask) => {
      if (ask.query.has('filter')) throw ScimError.status(403, 'discovery takes no filter')
      return revalidated(answer(ask.discovery()), ask.header('if-none-match'))
    },
  }
}

/** The same answer with a tag of its text, or 304 where the client holds it already. */
async function revalidated(reply: Response, ifNoneMatch: string | undefined): Promise<Response> {
  const text = await reply.text()
  const tag = `W/"${Bun.hash(text).toString(36)}"`
  if (isKnown(tag, ifNoneMatch)) return notModifiedReply(tag)
  reply.headers.set('ETag', tag)
  return new Response(text, { headers: reply.headers })
}

/** What stands between the address and the query. Of an odd Host header Bun makes no whole URL. */
const pathOf = (url: string): string => /^(?:[a-z]+:\/\/[^/?#]*)?([^?#]*)/i.exec(url)?.[1] ?? ''

/**
 * Optional parts of the protocol that this server does not have are told apart from wrong paths.
 */
function notThere(request: Request): ScimError {
  const path = pathOf(request.url)
  if (/\/scim\/v2\/Me\/?$/.test(path)) {
    return ScimError.status(501, `${path} is not supported`)
  }
  return ScimError.status(404, `there is nothing at ${path}`)
}
