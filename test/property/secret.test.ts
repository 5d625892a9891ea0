/**
 * Whatever the shape of a request around a secret: no answer, no header, no log and no line on
 * standard error repeats it. The counterpart of what `shown` and the log of requests leave out.
 */

import { expect, test } from 'bun:test'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { SEED } from '../cases.ts'
import { type Reply, startTestServer, TARGETS } from '../harness.ts'
import { PATCH_OP, USER } from '../http/given.ts'

const BULK_REQUEST = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest'
const SEARCH_REQUEST = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest'
const MARKER = 'Zq7MarkerSecret9x'

/** The secret as it is, or within a wrong shape. */
const secretValue = fc.constantFrom<unknown>(
  MARKER,
  [MARKER],
  { value: MARKER },
  [{ value: MARKER }, {}],
  { password: MARKER },
  [{ password: MARKER }, {}],
  [[MARKER]],
  { a: { secret: [MARKER] } },
)

const name = fc.constantFrom('password', 'PASSWORD', 'clientSecret', 'apiKey', `${USER}:password`)
const holder = fc.tuple(name, secretValue).map(([key, value]) => ({ [key]: value }))

/** A body that holds the secret under a name of one, at a random place. */
const anywhere = fc.oneof(
  holder,
  fc.array(holder, { minLength: 1, maxLength: 3 }),
  holder.map((value) => ({ name: [value, {}] })),
  holder.map((value) => ({ name: value, emails: [value] })),
  holder.map((value) => ({ [USER]: value })),
  holder.map((value) => ({ [USER]: [value] })),
)

const path = fc.constantFrom<unknown>(
  'password',
  'Password',
  `${USER}:password`,
  'password[value eq "x"]',
  'password.value',
  ['password'],
  { password: MARKER },
)
const op = fc.constantFrom('add', 'replace', 'remove', 'set')
const operation = fc.oneof(
  fc.record({ op, path, value: fc.oneof(secretValue, anywhere) }),
  fc.record({ op, value: anywhere }),
)

const request = fc.oneof(
  anywhere.map((body) => ['POST', '/Users', body] as const),
  anywhere.map((body) => ['POST', '/Users', { schemas: [USER], userName: 'u', ...body }] as const),
  anywhere.map(
    (body) => ['PUT', '/Users/ID', { schemas: [USER], userName: 'u', ...body }] as const,
  ),
  fc
    .oneof(fc.array(operation, { maxLength: 2 }), operation)
    .map((Operations) => ['PATCH', '/Users/ID', { schemas: [PATCH_OP], Operations }] as const),
  fc
    .tuple(fc.constantFrom('POST', 'PUT', 'PATCH'), fc.oneof(anywhere, fc.array(operation)))
    .map(([method, data]) => {
      const Operations = [{ method, path: method === 'POST' ? '/Users' : '/Users/ID', data }]
      return ['POST', '/Bulk', { schemas: [BULK_REQUEST], Operations }] as const
    }),
  anywhere.map((data) => ['POST', '/Bulk', { schemas: [BULK_REQUEST], Operations: data }] as const),
  fc
    .constantFrom<unknown>(
      { filter: `password eq "${MARKER}"` },
      { filter: `password eq ${MARKER}` },
      { filter: [`password eq "${MARKER}"`] },
      { attributes: [{ password: MARKER }] },
      { count: { password: MARKER } },
    )
    .map(
      (body) =>
        ['POST', '/Users/.search', { schemas: [SEARCH_REQUEST], ...(body as object) }] as const,
    ),
)

const filesBelow = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

test.each(TARGETS)(
  `no secret is repeated, whatever its place and shape (%s, SCIMD_SEED=${SEED})`,
  async (target) => {
    const server = await startTestServer({ target, keep: true })
    const user = { schemas: [USER], userName: 'kept' }
    const { id } = (await server.request('POST', '/Users', user)).body
    const requireSilence = (reply: Reply, sent: unknown) => {
      const told = `${reply.text}${JSON.stringify([...reply.headers])}`
      expect(told, JSON.stringify(sent)).not.toInclude(MARKER)
      expect(reply.status).toBeLessThan(500)
    }
    await fc.assert(
      fc.asyncProperty(request, async ([method, place, body]) => {
        const sent = JSON.parse(JSON.stringify(body).replaceAll('/Users/ID', `/Users/${id}`))
        requireSilence(await server.request(method, place.replace('ID', id), sent), [
          method,
          place,
          sent,
        ])
      }),
      { seed: SEED, numRuns: 400 },
    )
    expect(server.errors()).not.toInclude(MARKER)
    await server.stop()
    for (const file of filesBelow(server.data))
      expect(readFileSync(file).includes(MARKER), file).toBe(false)
    rmSync(server.data, { recursive: true })
  },
)
