/** What holds for every resource, whatever bodies and operations have made it. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { rmSync } from 'node:fs'
import fc from 'fast-check'
import type { JsonValue } from '../../src/scim/json.ts'
import type { ResourceType } from '../../src/scim/registry.ts'
import type { JsonObject } from '../../src/scim/value.ts'
import { SEED } from '../cases.ts'
import { TARGETS } from '../harness.ts'
import { idsOf, PATCH_OP, sharedServer } from '../http/given.ts'
import { type Discovered, discover, expectClientFault, faultsIn } from './sound.ts'
import { anyBody, anyOperation, WORLD, withIds, worldDirectory } from './world.ts'

/** So that a slow machine is no fault. */
setDefaultTimeout(120_000)

const SEARCH = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest'
const RUNS = { source: 220, executable: 40 }

type Step =
  | { readonly verb: 'PATCH' | 'broken'; readonly operations: readonly JsonObject[] }
  | { readonly verb: 'PUT'; readonly body: JsonObject }

const stepOf = (type: ResourceType): fc.Arbitrary<Step> => {
  const operations = fc.array(anyOperation(type), { minLength: 1, maxLength: 3 })
  const some = operations.map((list): Step => ({ verb: 'PATCH', operations: list }))
  return fc.oneof(
    { weight: 6, arbitrary: some },
    {
      weight: 1,
      arbitrary: operations.map((list): Step => ({ verb: 'broken', operations: list })),
    },
    { weight: 2, arbitrary: anyBody(type).map((body): Step => ({ verb: 'PUT', body })) },
  )
}

/** Whether elements with secrets may be in it, which nobody reads back. */
const hides = (sent: unknown): boolean => /\bboxes\b/i.test(JSON.stringify(sent))

/** Operations of which the last one cannot be carried out. */
const broken = (operations: readonly JsonObject[]) => [
  ...operations,
  { op: 'replace', path: 'noSuchAttribute', value: 1 },
]

for (const target of TARGETS) {
  describe(`any resource (${target}, SCIMD_SEED=${SEED})`, () => {
    const schemas = worldDirectory()
    const scim = sharedServer({ target, flags: { schemas } })
    afterAll(() => rmSync(schemas, { recursive: true, force: true }))
    let types: Discovered
    let ids: string[]

    beforeAll(async () => {
      types = await discover(scim)
      const made = [await scim.user(), await scim.user(), await scim.group()]
      ids = idsOf(made)
    })

    /** All that can be told of a resource: what it shows by default, and what it is asked for. */
    async function whole(type: ResourceType, place: string, names: readonly string[]) {
      const shown = await scim.get(place)
      expect(shown.status, shown.text).toBe(200)
      expect(faultsIn(types, type.endpoint, shown.body), shown.text).toEqual([])
      expect(shown.headers.get('etag')).toBe(shown.body.meta.version)
      const filter = `id eq ${JSON.stringify(shown.body.id)}`
      const search = { schemas: [SEARCH], filter, attributes: names }
      const all = await scim.request('POST', `${type.endpoint}/.search`, search)
      expect(all.body.totalResults, all.text).toBe(1)
      const [asked] = all.body.Resources
      return { text: shown.text, tag: shown.headers.get('etag'), body: shown.body, asked }
    }

    for (const type of WORLD.types) {
      test(`[R7644-3.5.2-13] [R7643-3.3-05] any POST, PUT and PATCH of ${type.name} gives what its schemas allow, or a refusal that changes nothing`, async () => {
        const asked = namesOf(type)
        let accepted = 0
        let refused = 0
        const steps = fc.array(stepOf(type), { maxLength: 5 })
        const isSound = async (first: JsonObject, following: readonly Step[]) => {
          const body = withIds(type, first, ids)
          const created = await scim.request('POST', type.endpoint, body)
          if (created.status !== 201) return expectClientFault(created, body)
          const place = `${type.endpoint}/${encodeURIComponent(created.body.id)}`
          expect(created.headers.get('location')).toBe(`${scim.url()}${place}`)
          let before = await whole(type, place, asked)
          expect(before.body).toEqual(created.body)

          for (const step of following) {
            const sent = withIds(type, requestOf(step), ids)
            const method = step.verb === 'PUT' ? 'PUT' : 'PATCH'
            const reply = await scim.request(method, place, sent)
            const after = await whole(type, place, asked)
            if (reply.status >= 300) {
              refused++
              expectClientFault(reply, sent)
              expect(after).toEqual(before)
            } else {
              accepted++
              expect(step.verb).not.toBe('broken')
              if (reply.status === 200) expect(reply.body).toEqual(after.body)
              else expect(reply.status).toBe(204)
              expect(after.body.meta.created).toBe(before.body.meta.created)
              const isSame = Bun.deepEquals(before.asked, after.asked)
              if (!isSame) expect(after.tag).not.toBe(before.tag)
            }
            before = after
          }
          const again = await scim.request('PUT', place, before.asked)
          expect(again.status, again.text).toBe(200)
          const after = await whole(type, place, asked)
          expect({ ...after.body, meta: 0 }).toEqual({ ...before.body, meta: 0 })
          // A PUT replaces the elements of a list, and with them what they hide.
          if (!hides([first, following])) expect(after).toEqual(before)
        }
        await fc.assert(fc.asyncProperty(anyBody(type), steps, isSound), {
          seed: SEED,
          numRuns: RUNS[target],
        })
        expect(accepted).toBeGreaterThan(RUNS[target] / 10)
        expect(refused).toBeGreaterThan(RUNS[target] / 10)
      })
    }

    test('the journal has every change that was told of, and nothing of what was refused', async () => {
      expect((await scim.expectJournalOfChanges()).length).toBeGreaterThan(RUNS[target])
      expect(scim.server().errors()).not.toInclude('"level":"error"')
    })
  })
}

const requestOf = (step: Step): JsonObject => {
  if (step.verb === 'PUT') return step.body
  const operations = step.verb === 'broken' ? broken(step.operations) : step.operations
  return { schemas: [PATCH_OP], Operations: operations as JsonValue[] }
}

/** Every name that an answer shows where it is asked for, sub-attributes by themselves included. */
function namesOf(type: ResourceType): string[] {
  const owners = [type.schema, ...type.extensions.map(({ schema }) => schema)]
  const named = owners.flatMap(({ id, attributes }) =>
    attributes.flatMap(({ name, subAttributes }) => [
      `${id}:${name}`,
      ...subAttributes
        .filter(({ returned }) => returned === 'request')
        .map((sub) => `${id}:${name}.${sub.name}`),
    ]),
  )
  return ['externalId', ...named]
}
