/** Lists: pages put together are the whole, in its order, whatever is asked for. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { rmSync } from 'node:fs'
import fc from 'fast-check'
import { SEED } from '../cases.ts'
import { TARGETS } from '../harness.ts'
import { type Body, idsOf, query, sharedServer, USER } from '../http/given.ts'
import { fittingBody, GADGET_EXTRA, WORLD, worldDirectory } from './world.ts'

/** So that a slow machine is no fault. */
setDefaultTimeout(120_000)

const RUNS = { source: 150, executable: 40 }
const GADGETS = 150

const FILTERS: readonly [string, (gadget: Body) => boolean][] = [
  ['booleanReadWriteDefault eq true', (one) => one.booleanReadWriteDefault === true],
  ['integerReadWriteDefault gt 0', (one) => one.integerReadWriteDefault > 0],
  ['not (boxes pr)', (one) => !one.boxes],
  ['boxes[type eq "work" and primary eq true]', (one) => elements(one, 'boxes').some(isWork)],
  [`${GADGET_EXTRA}:exact pr or NEEDboolean eq false`, (one) => hasExact(one) || !one.needBoolean],
  ['decimalReadWriteDefaultList ne 0', (one) => hasOther(one.decimalReadWriteDefaultList)],
]
const elements = (gadget: Body, name: string): Body[] => gadget[name] ?? []
const isWork = ({ type, primary }: Body) => type?.toLowerCase() === 'work' && primary === true
const hasExact = (gadget: Body) => (gadget[GADGET_EXTRA]?.exact ?? '') !== ''
const hasOther = (list: number[] | undefined) => !list || list.some((one) => one !== 0)

for (const target of TARGETS) {
  describe(`any list (${target}, SCIMD_SEED=${SEED})`, () => {
    const schemas = worldDirectory()
    const scim = sharedServer({ target, flags: { schemas } })
    afterAll(() => rmSync(schemas, { recursive: true, force: true }))
    /** In the order of their creation. */
    let gadgets: Body[] = []

    beforeAll(async () => {
      const type = WORLD.typeNamed('Gadget')
      if (!type) throw new Error('there are gadgets')
      for (const body of fc.sample(fittingBody(type), { seed: SEED, numRuns: GADGETS * 3 })) {
        const { crew: _, next: __, ...rest } = body
        if (gadgets.length === GADGETS) break
        const { status, body: made } = await scim.request('POST', '/Gadgets', rest)
        if (status === 201) gadgets.push(made)
      }
      expect(gadgets).toHaveLength(GADGETS)
      gadgets = (await scim.get('/Gadgets?count=1000')).body.Resources
    })

    const asked = fc.record({
      filter: fc.option(fc.constantFrom(...FILTERS), { nil: undefined }),
      sortBy: fc.option(
        fc.constantFrom(
          ...['code', 'needString', 'needdecimal', 'integerReadWriteDefault', 'boxes.value'],
          ...['meta.created', 'boxReadWriteDefault.count', `${GADGET_EXTRA}:exact`, 'needDateTime'],
        ),
        { nil: undefined },
      ),
      isDescending: fc.boolean(),
      count: fc.integer({ min: 4, max: GADGETS + 5 }),
    })

    test('[R7644-3.4.2.4-01] [R7644-3.4.2.4-06] pages by index are the whole, each resource once', async () => {
      let found = 0
      await fc.assert(
        fc.asyncProperty(asked, async ({ filter, sortBy, isDescending, count }) => {
          const parameters = {
            ...(filter ? { filter: filter[0] } : {}),
            ...(sortBy ? { sortBy, sortOrder: isDescending ? 'descending' : 'ascending' } : {}),
          }
          const whole = await scim.get(`/Gadgets${query({ ...parameters, count: '1000' })}`)
          expect(whole.status, whole.text).toBe(200)
          const wanted = gadgets.filter((one) => filter?.[1](one) ?? true)
          const ids = idsOf(whole.body.Resources)
          expect(ids.toSorted()).toEqual(idsOf(wanted).toSorted())
          if (!sortBy) expect(ids).toEqual(idsOf(wanted))
          found += ids.length

          const paged: Body[] = []
          for (let start = 1; start <= ids.length; start += count) {
            const page = { ...parameters, startIndex: String(start), count: String(count) }
            const { body } = await scim.get(`/Gadgets${query(page)}`)
            const { totalResults, startIndex, itemsPerPage, Resources } = body
            expect({ totalResults, startIndex }).toEqual({
              totalResults: ids.length,
              startIndex: start,
            })
            expect(itemsPerPage).toBe(Math.min(count, ids.length - start + 1))
            expect(Resources).toHaveLength(itemsPerPage)
            paged.push(...Resources)
          }
          expect(paged).toEqual(whole.body.Resources)
        }),
        { seed: SEED, numRuns: RUNS[target] },
      )
      expect(found).toBeGreaterThan(RUNS[target])
    })

    /** Follows the cursors of a list; between two pages the directory goes on changing. */
    async function walk(parameters: Record<string, string>, between: () => Promise<unknown>) {
      const ids: string[] = []
      let cursor: string | undefined = ''
      while (cursor !== undefined) {
        const reply = await scim.get(`/Users${query({ ...parameters, cursor })}`)
        expect(reply.status, reply.text).toBe(200)
        ids.push(...idsOf(reply.body.Resources))
        expect(reply.body.Resources.length).toBeLessThanOrEqual(Number(parameters['count']))
        cursor = reply.body.nextCursor
        if (cursor !== undefined) await between()
      }
      return ids
    }

    test('[R9865-2-14] pages by cursor hold what nobody touches exactly once', async () => {
      const still = idsOf(await Promise.all(Array.from({ length: 40 }, () => scim.user())))
      const passing = idsOf(await Promise.all(Array.from({ length: 40 }, () => scim.user())))
      const step = fc.constantFrom('create', 'delete', 'change', 'rest')
      const paging = fc.record({
        count: fc.integer({ min: 1, max: 30 }),
        sortBy: fc.option(fc.constantFrom('userName', 'meta.created', 'title'), { nil: undefined }),
        filter: fc.option(fc.constant('userName pr'), { nil: undefined }),
        steps: fc.array(step, { minLength: 1, maxLength: 6 }),
      })
      await fc.assert(
        fc.asyncProperty(paging, async ({ count, steps, sortBy, filter }) => {
          let turn = 0
          const between = async () => {
            // A walk that is overtaken by what is made behind it would have no end.
            if (turn >= 50) return
            const chosen = steps[turn++ % steps.length]
            const body = { schemas: [USER], userName: scim.fresh('a'), title: `t${turn % 7}` }
            if (chosen === 'create') passing.push((await scim.user(body)).id)
            const id = passing[turn % passing.length]
            if (chosen === 'delete' && passing.length > 20) {
              await scim.request('DELETE', `/Users/${id}`)
              passing.splice(turn % passing.length, 1)
            }
            if (chosen === 'change') await scim.request('PUT', `/Users/${id}`, body)
          }
          const parameters = {
            count: String(count),
            ...(sortBy ? { sortBy } : {}),
            ...(filter ? { filter } : {}),
          }
          const ids = await walk(parameters, between)
          for (const id of still) expect(ids.filter((one) => one === id)).toEqual([id])
        }),
        { seed: SEED, numRuns: RUNS[target] / 5 },
      )
    })
  })
}
