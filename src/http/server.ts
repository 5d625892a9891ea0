/** The whole HTTP surface. Each line is a method, a path, and what is done. */

import { type AnyElysia, Elysia } from 'elysia'
import { bulk } from '../operations/bulk.ts'
import { type Context, locationOf } from '../operations/context.ts'
import { create } from '../operations/create.ts'
import { patch } from '../operations/patch.ts'
import { read } from '../operations/read.ts'
import { remove } from '../operations/remove.ts'
import { replace } from '../operations/replace.ts'
import { isOfVersion } from '../operations/represent.ts'
import { search, searchAll } from '../operations/search.ts'
import { subjectOf } from '../operations/subject.ts'
import { verify } from '../operations/verify.ts'
import {
  resourceTypeDocument,
  resourceTypeDocuments,
  schemaDocument,
  schemaDocuments,
  serviceProviderConfig,
} from '../scim/discovery.ts'
import { ScimError } from '../scim/error.ts'
import { etagOf, isKnown } from '../scim/etag.ts'
import { PATCH_ANSWER_LINKS_MAX } from '../scim/limits.ts'
import { type Projection, projectionOfWrite, readProjection } from '../scim/projection.ts'
import type { ResourceType } from '../scim/registry.ts'
import { type SearchRequest, searchInBody, searchInQuery } from '../scim/search-request.ts'
import { requireNothingSensitive } from '../scim/sensitive.ts'
import { tolerated } from '../scim/tolerance.ts'
import type { Stored } from '../store/store.ts'
import type { Ask } from './ask.ts'
import { exchangeIf, type Handlers, noteStray } from './exchange.ts'
import { oauthRoutes } from './oauth.ts'
import { type Endpoints, placeOf, routeAll } from './paths.ts'
import {
  changedReply,
  deletedReply,
  documentReply,
  documentsText,
  errorReply,
  listReply,
  notModifiedReply,
  resourceReply,
  unchangedReply,
} from './reply.ts'
import type { Wire } from './wire.ts'

/** @param isTls whether requests come by HTTPS */
export function createServer(wire: Wire, isTls: boolean) {
  const endpoints = endpointsOf(wire)
  const server = new Elysia({
    // Elysia looks for the path from a fixed place on: the 8th character, or the 12th with the
    // standard. So `http://app/…` needs the one and `https://…` the other; and nothing of ours
    // needs the other two.
    handler: { standardHostname: isTls },
    normalize: false,
    cookie: {},
  })
    .onError(async ({ code, request, server }) => {
      if (!/^https?:/.test(request.url)) {
        return errorReply(ScimError.status(400, 'Host: found no valid host'))
      }
      if (code === 'NOT_FOUND') {
        const fault = notThere(request)
        const place = placeOf(endpoints, pathOf(request.url))
        if (place) {
          const { handlers, params } = place
          return exchangeIf('endpointNames', wire, { request, params, server }, handlers, fault)
        }
        noteStray(wire, { request, params: undefined, server }, fault)
        return errorReply(fault)
      }
      return errorReply(ScimError.status(400, 'the request could not be read'))
    })
    .get('/health', () => new Response('ok\n'))
    .get('/ready', () => {
      const fault = wire.unready()
      if (fault !== undefined) return new Response(`not ready: ${fault}\n`, { status: 503 })
      return new Response(`ready\n${concealedNote(wire.concealed())}`)
    })

  if (wire.hasMetrics) metricsRoute(server, wire)
  oauthRoutes(server, wire)
  routeAll(server, wire, endpoints)
  return server
}

/** The metrics alone, for a listener of their own. */
export function createMetricsServer(wire: Wire) {
  const server = new Elysia({ normalize: false, cookie: {} }).onError(
    () => new Response('the metrics are at /metrics\n', { status: 404 }),
  )
  metricsRoute(server, wire)
  return server
}

function metricsRoute(server: AnyElysia, wire: Wire): void {
  server.get('/metrics', async () => {
    const headers = { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }
    return new Response(await wire.metrics.text(), { headers })
  })
}

/** All that is served of SCIM, below the base URL. */
const endpointsOf = ({ types }: Wire): Endpoints => [
  ['', root],
  ['/.search', dotSearch()],
  ...types.flatMap(
    ({ name, endpoint }): Endpoints => [
      [endpoint, collection(name)],
      [`${endpoint}/.search`, dotSearch(name)],
      [`${endpoint}/:id`, resource(name)],
      [`${endpoint}/:id/.verifyPassword`, verifyPassword(name)],
    ],
  ),
  ['/Me', me],
  ['/Bulk', bulkRequests],
  ['/ServiceProviderConfig', discovery.serviceProviderConfig],
  ['/ResourceTypes', discovery.resourceTypes],
  ['/ResourceTypes/:id', discovery.resourceType],
  ['/Schemas', discovery.schemas],
  ['/Schemas/:id', discovery.schema],
]

/** To whoever asks without a token: that there is something, and where it is told. */
const concealedNote = (count: number): string =>
  count === 0
    ? ''
    : `note: no schema knows ${count} types or attributes that are kept; see the log\n`

/** RFC 7644 sections 3.3 and 3.4.2. */
const collection = (name: string): Handlers => ({
  GET: async (ask) => searchReply(ask, ask.typeNamed(name), searchInQuery(ask.query)),
  POST: async (ask) => {
    const type = ask.typeNamed(name)
    const projection = ask.projection(type)
    const body = await ask.body()
    const created = await create(ask.context, type, body)
    return resourceReply(
      ask.context,
      created,
      projectionOfWrite(type, projection, 'POST', body),
      201,
    )
  },
})

/** RFC 7644 section 3.4.3: a query whose parameters do not show in any log of addresses. */
const dotSearch = (name?: string): Handlers => ({
  needs: 'read',
  POST: async (ask) => {
    const type = name === undefined ? undefined : ask.typeNamed(name)
    return searchReply(ask, type, searchInBody(await ask.body()))
  },
})

/** RFC 7644 section 3.4.2.1: a query over all resource types. */
const root: Handlers = {
  GET: async (ask) => searchReply(ask, undefined, searchInQuery(ask.query)),
}

/** Searches one type, or all that the tenant sees. */
async function searchReply(
  { request: { method }, context }: Ask,
  only: ResourceType | undefined,
  request: SearchRequest,
): Promise<Response> {
  const types = only ? [only] : typesToSearch(context)
  if (method !== 'POST') requireNothingSensitive(types, request.filter, context.rules)
  const projections = new Map(types.map((type) => [type, readProjection(type, request)]))
  const result = only
    ? await search(context, only, request)
    : await searchAll(context, types, request)
  return listReply(
    context,
    result,
    (type) => projections.get(type) ?? readProjection(type, request),
  )
}

/** All that the credential may search; those that it may not are as if they were not there. */
function typesToSearch(context: Context): readonly ResourceType[] {
  const { registry } = context
  const types = registry.types.filter((type) => context.maySearch(type))
  const [first] = registry.types
  if (types.length === 0 && first) context.requireAccess('read', first)
  return types
}

/** RFC 7644 sections 3.4.1, 3.5.1, 3.5.2 and 3.6. */
const resource = (name: string): Handlers => ({
  GET: async (ask) => {
    const type = ask.typeNamed(name)
    const projection = ask.projection(type)
    const stored = await read(ask.context, type, ask.id)
    const isHeld = isKnown(etagOf(stored.version), ask.conditions.ifNoneMatch)
    if (isHeld && (await isOfVersion(ask.context, stored, projection)))
      return unchangedReply(ask.context, stored)
    return resourceReply(ask.context, stored, projection)
  },
  PUT: async (ask) => {
    const type = ask.typeNamed(name)
    const projection = ask.projection(type)
    const body = await ask.body()
    const replaced = await replace(ask.context, type, ask.id, body, ask.conditions)
    return resourceReply(ask.context, replaced, projectionOfWrite(type, projection, 'PUT', body))
  },
  PATCH: async (ask) => {
    const type = ask.typeNamed(name)
    const projection = ask.projection(type)
    const body = await ask.body()
    const patched = await patch(ask.context, type, ask.id, body, ask.conditions)
    const shown = projectionOfWrite(type, projection, 'PATCH', body)
    const isShown = await answersPatch(ask.context, patched, shown)
    return isShown ? resourceReply(ask.context, patched, shown) : changedReply(patched)
  },
  DELETE: async (ask) => {
    await remove(ask.context, ask.typeNamed(name), ask.id, ask.conditions)
    return deletedReply()
  },
})

/**
 * Whether the answer to a PATCH holds the resource. It has to when attributes are asked for;
 * otherwise many links make a long answer, of which most clients read nothing (Entra ID, Okta).
 */
async function answersPatch(
  { store, rules: { patchAnswers } }: Context,
  patched: Stored,
  projection: Projection,
): Promise<boolean> {
  if (!projection.isDefault || patchAnswers === 'always') return true
  if (patchAnswers === 'never') return false
  let left = PATCH_ANSWER_LINKS_MAX
  for (const link of patched.type.links) {
    if (projection.shown(link.attribute, undefined) === false) continue
    left -= await store.linkCount(patched, link, left + 1)
    if (left < 0) return false
  }
  return true
}

/** RFC 7644 section 3.11: another name of the resource that the credential is linked to. */
const me: Handlers = {
  GET: (ask) => asMyself('GET', ask),
  PUT: (ask) => asMyself('PUT', ask),
  PATCH: (ask) => asMyself('PATCH', ask),
  DELETE: (ask) => asMyself('DELETE', ask),
  POST: async () => {
    throw ScimError.status(501, 'nobody registers here; users are created by POST to their type')
  },
}

async function asMyself(method: 'GET' | 'PUT' | 'PATCH' | 'DELETE', ask: Ask): Promise<Response> {
  const { type, id } = await subjectOf(ask.context.store, ask.context.user)
  const handler = resource(type.name)[method]
  if (!handler) throw new Error(`/Me has no ${method}`)
  const reply = await handler(ask.about(id))
  // Section 3.11 wants it in every answer, those without a body included.
  reply.headers.set('Location', locationOf(ask.context, type, id))
  return reply
}

/** For the application, which cannot read passwords. A type without them has no such path. */
const verifyPassword = (name: string): Handlers => ({
  needs: 'verify',
  POST: async (ask) => {
    const type = ask.typeNamed(name)
    const answer = await verify(ask.context, type, ask.id, await ask.body())
    return documentReply(ask.context, JSON.stringify(answer))
  },
})

/** RFC 7644 section 3.7. */
const bulkRequests: Handlers = {
  admits: 'read',
  POST: async (ask) => {
    const answer = await bulk(ask.context, await ask.body())
    ask.noteResults(answer)
    return documentReply(ask.context, JSON.stringify(answer))
  },
}

/** RFC 7644 section 4: GET alone, without credential, without paging, and no filter. */
const discovery = {
  serviceProviderConfig: describe(({ registry, rules, baseUrl }) =>
    JSON.stringify(serviceProviderConfig(baseUrl, registry, rules)),
  ),
  resourceTypes: describe(({ registry, baseUrl }) =>
    documentsText(resourceTypeDocuments(registry, baseUrl)),
  ),
  resourceType: describe(({ registry, baseUrl, rules }, id) => {
    const type = registry.typeNamed(id)
    if (!type || (type.name !== id && !tolerated(rules, 'endpointNames')))
      throw ScimError.status(404, `there is no resource type "${id}"`)
    return JSON.stringify(resourceTypeDocument(type, baseUrl))
  }),
  schemas: describe(({ registry, baseUrl }) => documentsText(schemaDocuments(registry, baseUrl))),
  schema: describe(({ registry, baseUrl }, id) => {
    const schema = registry.schemas.find((one) => one.id.toLowerCase() === id.toLowerCase())
    if (!schema) throw ScimError.status(404, `there is no schema "${id}"`)
    return JSON.stringify(schemaDocument(schema, baseUrl))
  }),
}

function describe(textOf: (context: Context, id: string) => string): Handlers {
  return {
    isPublic: true,
    GET: async (ask: Ask) => {
      if (ask.query.has('filter')) throw ScimError.status(403, 'discovery takes no filter')
      const text = textOf(ask.context, ask.id)
      // A tag of the text: 304 where the client holds it already.
      const tag = `W/"${Bun.hash(text).toString(36)}"`
      if (isKnown(tag, ask.header('if-none-match'))) return notModifiedReply(tag)
      return documentReply(ask.context, text, { ETag: tag })
    },
  }
}

/** What stands between the address and the query. Of an odd Host header Bun makes no whole URL. */
const pathOf = (url: string): string => /^(?:[a-z]+:\/\/[^/?#]*)?([^?#]*)/i.exec(url)?.[1] ?? ''

/** Versions of the protocol that this server does not have are told apart from wrong paths. */
function notThere(request: Request): ScimError {
  const path = pathOf(request.url)
  const version = /^(?:\/t\/[^/]*)?\/scim\/(v\d+)(?:\/|$)/.exec(path)?.[1]
  if (version !== undefined && version !== 'v2') {
    return ScimError.of('invalidVers', `found the version ${version}, expected v2`)
  }
  const there = 'an endpoint such as /scim/v2/Users, or /t/NAME/scim/v2/Users of a tenant'
  return ScimError.status(404, `there is nothing at ${path}; expected ${there}`)
}
