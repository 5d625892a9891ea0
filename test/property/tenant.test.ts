/** Whatever one tenant asks of its own paths, it neither sees nor changes another one. */

import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { mintToken } from '../../src/auth/bearer.ts'
import type { JsonValue } from '../../src/scim/json.ts'
import type { JsonObject } from '../../src/scim/value.ts'
import { openLmdbControl } from '../../src/store/lmdb-control.ts'
import { SEED } from '../cases.ts'
import { type Reply, send, startTestServer, TARGETS } from '../harness.ts'
import { type Body, idsOf, PATCH_OP } from '../http/given.ts'
import { anyOperation, fittingBody, WORLD, withIds, worldDirectory } from './world.ts'

/** So that a slow machine is no fault. */
setDefaultTimeout(120_000)

const RUNS = { source: 250, executable: 60 }
/** In every value that the other tenant holds. */
const MARK = 'belongs-to-the-other'

interface Asked {
  readonly method: string
  readonly path: string
  readonly body?: JsonValue | undefined
}

describe.each(TARGETS)(`tenants (%s, SCIMD_SEED=${SEED})`, (target) => {
  const schemas = worldDirectory()
  afterAll(() => rmSync(schemas, { recursive: true, force: true }))

  test('[R7644-6-01] [R7644-6-02] no request shows or changes what another tenant holds', async () => {
    await using server = await startTestServer({ target, flags: { schemas } })
    const control = openLmdbControl(join(server.data, 'control.mdb'))
    const tenants = ['acme', 'other'] as const
    const asks: ((method: string, path: string, body?: unknown) => Promise<Reply>)[] = []
    for (const tenant of tenants) {
      await control.addTenant({ name: tenant, created: 1 })
      const wanted = { name: tenant, tenant, scope: 'write', created: 1 } as const
      const { token } = await mintToken(control, { ...wanted, expires: undefined })
      const url = server.url.replace('/scim/v2', `/t/${tenant}/scim/v2`)
      const headers = { Authorization: `Bearer ${token}` }
      asks.push((method, path, body) => send(url + path, method, body, headers))
    }
    await control.close()
    const [mine, theirs] = asks
    if (!mine || !theirs) throw new Error('there are two tenants')
    const fill = async (ask: typeof mine, mark: string): Promise<string[]> => {
      const made: Body[] = []
      for (const index of [1, 2, 3]) {
        const user = { userName: `${mark}-${index}`, displayName: mark, externalId: mark }
        made.push((await ask('POST', '/Users', user)).body)
      }
      const members = made.map(({ id }) => ({ value: id }))
      made.push((await ask('POST', '/Groups', { displayName: `${mark}-4`, members })).body)
      return idsOf(made)
    }
    const [own, foreign] = [await fill(mine, 'mine'), await fill(theirs, MARK)]
    const before = (await theirs('GET', '?count=1000')).text
    expect(before).toInclude(MARK)

    const id = fc.constantFrom(...own, ...foreign, ...foreign)
    const type = fc.constantFrom(...WORLD.types)
    const term = fc.oneof(
      id.map((one) => `id eq "${one}"`),
      id.map((one) => `members.value eq "${one}" or groups.value eq "${one}"`),
      fc
        .constantFrom('userName', 'displayName', 'externalId', 'members.display')
        .chain((name) =>
          fc
            .constantFrom('sw', 'co', 'eq', 'ge')
            .map((op) => `${name} ${op} "${MARK.slice(0, 9)}"`),
        ),
    )
    const read = fc.tuple(fc.constantFrom('/Users', '/Groups', '/Gadgets', ''), term).map(
      ([path, filter]): Asked => ({
        method: 'GET',
        path: `${path}?count=1000&filter=${encodeURIComponent(filter)}&sortBy=displayName`,
      }),
    )
    const write = type.chain((one) => {
      const patch = fc
        .array(anyOperation(one), { minLength: 1, maxLength: 2 })
        .map((Operations) => ({ schemas: [PATCH_OP], Operations }) as unknown as JsonObject)
      const body = fittingBody(one)
      return fc
        .tuple(fc.constantFrom('GET', 'PUT', 'PATCH', 'DELETE', 'POST'), id, patch, body)
        .map(([method, at, operations, values]): Asked => {
          if (method === 'POST')
            return { method, path: one.endpoint, body: withIds(one, values, foreign) }
          const sent = withIds(one, method === 'PATCH' ? operations : values, [...foreign, ...own])
          const bare = method === 'GET' || method === 'DELETE'
          return { method, path: `${one.endpoint}/${at}`, body: bare ? undefined : sent }
        })
    })
    const statuses = new Set<number>()
    const isApart = async ({ method, path, body }: Asked) => {
      const reply = await mine(method, path, body)
      statuses.add(reply.status)
      expect(reply.status, reply.text).toBeLessThan(500)
      expect(reply.text).not.toInclude(MARK)
      const place = foreign.find((one) => path.endsWith(`/${one}`))
      if (place !== undefined && method !== 'GET') expect(reply.status).toBeOneOf([400, 404])
      if (place !== undefined && method === 'GET') expect(reply.status).toBe(404)
      if (method === 'GET' && reply.status === 200) {
        // A reference that leads nowhere stays what the client itself has sent.
        for (const one of reply.body.Resources ?? []) expect(foreign).not.toContain(one.id)
      }
    }
    await fc.assert(fc.asyncProperty(fc.oneof(read, write), isApart), {
      seed: SEED,
      numRuns: RUNS[target],
    })
    expect((await theirs('GET', '?count=1000')).text).toBe(before)
    for (const status of [200, 404]) expect(statuses).toContain(status)
    const all = (await mine('GET', '?count=1000')).body
    for (const one of all.Resources) {
      for (const { value } of one.members ?? []) expect(foreign).not.toContain(value)
    }
  })
})
