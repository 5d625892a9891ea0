/**
 * What the HTTP tests begin with: a server that the tests of one describe share, the bodies they
 * send, and a count of the changes that the server has told of, to hold against its journal.
 */

import { afterAll, beforeAll, expect } from 'bun:test'
import { join } from 'node:path'
import { mintToken, type NewToken } from '../../src/auth/bearer.ts'
import { openLmdbControl } from '../../src/store/lmdb-control.ts'
import type { JournalEntry } from '../../src/store/store.ts'
import { type Reply, startTestServer, type TestOptions, type TestServer } from '../harness.ts'

export const USER = 'urn:ietf:params:scim:schemas:core:2.0:User'
export const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group'
export const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
export const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'
export const LIST_RESPONSE = 'urn:ietf:params:scim:api:messages:2.0:ListResponse'
export const ERROR = 'urn:ietf:params:scim:api:messages:2.0:Error'
export const SERVICE_PROVIDER_CONFIG = 'urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'
export const RESOURCE_TYPE = 'urn:ietf:params:scim:schemas:core:2.0:ResourceType'
export const SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:Schema'

/** Any JSON; tests look into answers without declaring their shape. */
export type Body = Reply['body']

export interface Operation {
  readonly op: string
  readonly path?: string
  readonly value?: unknown
}

export interface Scim {
  readonly url: () => string
  readonly server: () => TestServer
  request(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Reply>
  get(path: string, headers?: Record<string, string>): Promise<Reply>
  /** Creates a user, or fails the test; gives its representation. */
  user(attributes?: object): Promise<Body>
  /** Creates a group, or fails the test; gives its representation. */
  group(attributes?: object): Promise<Body>
  /** Sends operations under the PatchOp schema. */
  patch(
    path: string,
    operations: readonly Operation[],
    headers?: Record<string, string>,
  ): Promise<Reply>
  /** Sends one operation that is expected to succeed, and gives the resource after it. */
  patched(path: string, ...operations: readonly Operation[]): Promise<Body>
  /** What a filter finds among users, as userNames; fails the test when it is refused. */
  find(filter: string, endpoint?: string): Promise<Body[]>
  total(endpoint: string): Promise<number>
  /** A name that no other test has. */
  fresh(prefix?: string): string
  /** Stops the server: the journal has to hold each change that it told of, and nothing else. */
  expectJournalOfChanges(): Promise<readonly JournalEntry[]>
}

/** Makes a token beside the running server. */
export async function tokenOf(
  { data }: TestServer,
  wanted: Partial<NewToken> = {},
): Promise<string> {
  const control = openLmdbControl(join(data, 'control.mdb'))
  const { tenant = 'default' } = wanted
  if (tenant !== 'default') await control.addTenant({ name: tenant, created: 0 })
  const plain = { name: 'test', tenant, scope: 'write', created: 0, expires: undefined }
  const { token } = await mintToken(control, { ...plain, ...wanted })
  await control.close()
  return token
}

/** What `schemas` of a body have to list: the base schema and the extensions that it holds. */
export const schemasOf = (base: string, attributes: object): string[] => [
  base,
  ...Object.keys(attributes).filter((name) => name.startsWith('urn:') && name !== base),
]

/** Starts a server before the tests of this describe, and stops it after them. */
export function sharedServer(options: TestOptions | (() => TestOptions)): Scim {
  let server: TestServer | undefined
  let names = 0
  const tags = new Map<string, string>()
  const changes: string[] = []

  beforeAll(async () => {
    server = await startTestServer(typeof options === 'function' ? options() : options)
  })
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
  })

  const running = (): TestServer => {
    if (!server) throw new Error('the server has not been started')
    return server
  }

  /** Counts a request that has changed something: by its status, and for a write by its tag. */
  function note(method: string, path: string, reply: Reply): void {
    const place = path.replace(/\?.*$/, '')
    const tag = reply.headers.get('etag')
    if (method === 'DELETE' && reply.status === 204) changes.push(`delete ${place}`)
    if (reply.status >= 300 || tag === null) return
    const at = method === 'POST' ? (reply.headers.get('location') ?? place) : place
    const key = at.slice(at.lastIndexOf('/') + 1)
    const isChange = method === 'POST' || (method !== 'GET' && tags.get(key) !== tag)
    if (isChange) changes.push(`${method} ${at}`)
    tags.set(key, tag)
  }

  async function request(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Reply> {
    const reply = await running().request(method, path, body, headers)
    note(method, path, reply)
    return reply
  }

  async function created(endpoint: string, body: object): Promise<Body> {
    const reply = await request('POST', endpoint, body)
    expect(reply.status, reply.text).toBe(201)
    return reply.body
  }

  const fresh = (prefix = 'name'): string => `${prefix}-${++names}`

  const scim: Scim = {
    url: () => running().url,
    server: running,
    request,
    get: (path, headers) => request('GET', path, undefined, headers),
    user: (attributes = {}) =>
      created('/Users', {
        schemas: schemasOf(USER, attributes),
        userName: fresh('user'),
        ...attributes,
      }),
    group: (attributes = {}) =>
      created('/Groups', { schemas: [GROUP], displayName: fresh('group'), ...attributes }),
    patch: (path, operations, headers) =>
      request('PATCH', path, { schemas: [PATCH_OP], Operations: operations }, headers),
    async patched(path, ...operations) {
      const reply = await scim.patch(path, operations)
      expect(reply.status, reply.text).toBeOneOf([200, 204])
      return (await scim.get(path)).body
    },
    async find(filter, endpoint = '/Users') {
      const reply = await scim.get(`${endpoint}?filter=${encodeURIComponent(filter)}&count=1000`)
      expect(reply.status, reply.text).toBe(200)
      return reply.body.Resources
    },
    async total(endpoint) {
      return (await scim.get(`${endpoint}?count=0`)).body.totalResults
    },
    fresh,
    async expectJournalOfChanges() {
      const entries = await running().journal()
      expect(entries.map(({ sequence }) => sequence)).toEqual(changes.map((_, index) => index + 1))
      return entries
    },
  }
  return scim
}

/** An error of this status and scimType, in SCIM's form, whose detail names all of these. */
export function expectError(
  reply: Reply,
  status: number,
  scimType?: string,
  ...mentions: readonly string[]
): void {
  expect({ status: reply.status, scimType: reply.body?.scimType }, reply.text).toEqual({
    status,
    scimType,
  })
  expect(reply.headers.get('content-type')).toBe('application/scim+json')
  expect(reply.body.schemas).toEqual([ERROR])
  expect(reply.body.status).toBe(String(status))
  expect(reply.body.detail).not.toBe('')
  for (const mention of mentions) expect(reply.body.detail).toInclude(mention)
}

/**
 * Sends what has to be refused, and looks that the resource, its tag, and the number of resources
 * beside it are what they were.
 */
export async function expectRefused(
  scim: Scim,
  path: string,
  send: () => Promise<Reply>,
  status: number,
  scimType?: string,
  ...mentions: readonly string[]
): Promise<void> {
  const endpoint = `/${path.split('/')[1]}`
  const before = await scim.get(path)
  const total = await scim.total(endpoint)
  expectError(await send(), status, scimType, ...mentions)
  const after = await scim.get(path)
  expect(after.body).toEqual(before.body)
  expect(after.headers.get('etag')).toBe(before.headers.get('etag'))
  expect(await scim.total(endpoint)).toBe(total)
}

/** The userNames of users, or displayNames of groups. */
export const namesOf = (resources: readonly Body[]): string[] =>
  resources.map((resource) => resource.userName ?? resource.displayName)

/** The ids in a list of members, groups or resources. */
export const idsOf = (elements: readonly Body[] | undefined): string[] =>
  (elements ?? []).map((element) => element.value ?? element.id)

export const query = (parameters: Readonly<Record<string, string>>): string =>
  `?${new URLSearchParams(parameters)}`
