/** A bulk request without references does what its requests do one by one, whatever they say. */

import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { rmSync } from 'node:fs'
import fc from 'fast-check'
import type { JsonValue } from '../../src/scim/json.ts'
import type { ResourceType } from '../../src/scim/registry.ts'
import type { JsonObject } from '../../src/scim/value.ts'
import { SEED } from '../cases.ts'
import { TARGETS } from '../harness.ts'
import { type Body, PATCH_OP, type Scim, sharedServer } from '../http/given.ts'
import { expectClientFault } from './sound.ts'
import { anyBody, anyOperation, fittingBody, WORLD, withIds, worldDirectory } from './world.ts'

/** So that a slow machine is no fault. */
setDefaultTimeout(120_000)

const RUNS = { source: 40, executable: 20 }
const BULK = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest'
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g

interface Asked {
  readonly type: ResourceType
  readonly method: string
  /** Which of the resources that were there before, or none that is. */
  readonly at: number
  readonly data: JsonObject
  readonly version: string | undefined
}

const askedOf = (type: ResourceType): fc.Arbitrary<Asked> => {
  const operations = fc.array(anyOperation(type), { minLength: 1, maxLength: 3 })
  const patch = operations.map(
    (list): JsonObject => ({ schemas: [PATCH_OP], Operations: list as JsonValue[] }),
  )
  const request = fc.oneof(
    { weight: 3, arbitrary: fc.record({ method: fc.constant('PATCH'), data: patch }) },
    {
      weight: 3,
      arbitrary: fc.record({ method: fc.constantFrom('POST', 'PUT'), data: anyBody(type) }),
    },
    // Often enough that some of the fewest runs have one that succeeds.
    {
      weight: 2,
      arbitrary: fc.record({ method: fc.constant('DELETE'), data: fc.constant({}) }),
    },
  )
  const version = fc.constantFrom(undefined, undefined, undefined, 'W/"1"', '*')
  return fc
    .tuple(request, fc.nat(4), version)
    .map(([asked, at, tag]) => ({ ...asked, type, at, version: tag }))
}

for (const target of TARGETS) {
  describe(`any bulk request (${target}, SCIMD_SEED=${SEED})`, () => {
    const schemas = worldDirectory()
    const flags = { schemas }
    const [together, apart] = [sharedServer({ target, flags }), sharedServer({ target, flags })]
    afterAll(() => rmSync(schemas, { recursive: true, force: true }))

    /** Four resources of a type; the fifth is none. */
    async function begin(scim: Scim, bodies: ReadonlyMap<ResourceType, readonly JsonObject[]>) {
      const ids = new Map<ResourceType, string[]>()
      for (const [type, list] of bodies) {
        const made: string[] = []
        for (const body of list) {
          const { id = 'nobody' } = (await scim.request('POST', type.endpoint, body)).body
          made.push(id)
        }
        ids.set(type, [...made, 'nobody'])
      }
      return ids
    }

    /** Answers with places in their order in place of ids, and without time and address. */
    function plain(scim: Scim, ...parts: unknown[]): unknown {
      const names = new Map<string, string>()
      const text = JSON.stringify(parts)
        .replaceAll(scim.url(), '')
        .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'time')
        .replace(UUID, (id) => {
          const name = names.get(id) ?? `id-${names.size}`
          names.set(id, name)
          return name
        })
      return JSON.parse(text)
    }

    test('[R7644-3.7-26] [R7644-3.7-31] has the statuses, the errors and the state of its requests', async () => {
      const statuses = new Set<string>()
      const begun = fc.tuple(
        ...WORLD.types.map((type) => fc.array(fittingBody(type), { minLength: 4, maxLength: 4 })),
      )
      const requests = fc.array(fc.oneof(...WORLD.types.map(askedOf)), {
        minLength: 1,
        maxLength: 8,
      })
      const isSame = async (lists: JsonObject[][], asked: readonly Asked[]) => {
        const bodies = new Map(
          WORLD.types.map((type, index) => [
            type,
            (lists[index] ?? []).map(({ members: _, crew: __, next: ___, ...rest }) => rest),
          ]),
        )
        const [here, there] = [await begin(together, bodies), await begin(apart, bodies)]
        const of = (ids: Map<ResourceType, string[]>) =>
          asked.map(({ type, method, at, data, version }) => ({
            method,
            path: method === 'POST' ? type.endpoint : `${type.endpoint}/${ids.get(type)?.[at]}`,
            data: withIds(type, data, [...ids.values()].flat()),
            ...(version ? { version } : {}),
          }))

        const Operations = of(here).map((one, index) => ({ ...one, bulkId: `b${index}` }))
        const sent = { schemas: [BULK], Operations }
        const bulk = await together.request('POST', '/Bulk', sent)
        expect(bulk.status, bulk.text).toBe(200)
        const bulked: Body[] = bulk.body.Operations
        const singly: Body[] = []
        for (const { method, path, data, version } of of(there)) {
          const headers: Record<string, string> = version ? { 'If-Match': version } : {}
          const body = method === 'DELETE' ? undefined : data
          const reply = await apart.request(method, path, body, headers)
          if (reply.status >= 400) expectClientFault(reply, data)
          singly.push({
            status: method === 'PATCH' && reply.status < 300 ? '200' : String(reply.status),
            ...(reply.status >= 400 ? { response: reply.body } : {}),
          })
        }
        const shown = bulked.map(({ status, response }) => ({
          status,
          ...(response ? { response } : {}),
        }))
        for (const { status } of shown) statuses.add(status)
        const state = async (scim: Scim) => (await scim.get('?count=1000')).body
        expect(plain(together, await state(together), shown)).toEqual(
          plain(apart, await state(apart), singly),
        )
        for (const scim of [together, apart]) {
          for (const { meta } of (await state(scim)).Resources) {
            await scim.request('DELETE', meta.location.slice(scim.url().length))
          }
        }
      }
      await fc.assert(fc.asyncProperty(begun as fc.Arbitrary<JsonObject[][]>, requests, isSame), {
        seed: SEED,
        numRuns: RUNS[target],
      })
      for (const status of ['200', '201', '204', '400', '404']) expect(statuses).toContain(status)
    })

    test('both have told their journals the same number of changes', async () => {
      const [one, other] = [await together.server().journal(), await apart.server().journal()]
      expect(one.length).toBeGreaterThan(RUNS[target])
      expect(one.length).toBe(other.length)
    })
  })
}
