/** Writers at the same time: whatever they do, nobody's change is lost and all counts agree. */

import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import fc from 'fast-check'
import { SEED } from '../cases.ts'
import { TARGETS } from '../harness.ts'
import { type Body, GROUP, idsOf, PATCH_OP, sharedServer, USER } from '../http/given.ts'

/** So that a slow machine is no fault. */
setDefaultTimeout(120_000)

const RUNS = { source: 60, executable: 20 }
const WRITERS = 4
/** Members that one writer alone adds and removes. */
const OWN = 5

interface Move {
  readonly op: 'add' | 'remove' | 'removeByFilter' | 'title'
  readonly member: number
}

const move = fc.record({
  op: fc.constantFrom('add', 'add', 'remove', 'removeByFilter', 'title') as fc.Arbitrary<
    Move['op']
  >,
  member: fc.nat(OWN - 1),
})

for (const target of TARGETS) {
  describe(`random writers (${target}, SCIMD_SEED=${SEED})`, () => {
    const scim = sharedServer({ target })

    test('[R7644-3.5.2-13] members that each adds and removes are as each has left them', async () => {
      const users = await Promise.all(Array.from({ length: WRITERS * OWN }, () => scim.user()))
      const ids = idsOf(users)
      const shared = (await scim.user()).id
      const isKept = async (histories: readonly (readonly Move[])[]) => {
        const group = `/Groups/${(await scim.group()).id}`
        let changes = 0
        const write = async (moves: readonly Move[], writer: number) => {
          const held = new Set<string>()
          for (const { op, member } of moves) {
            const id = ids[writer * OWN + member] as string
            const isChange = op === 'title' ? false : op === 'add' ? !held.has(id) : held.has(id)
            const reply =
              op === 'title'
                ? await scim.patch(`/Users/${shared}`, [
                    { op: 'replace', path: `name.${NAMES[writer]}`, value: `${member}` },
                  ])
                : await scim.patch(group, [operationOf(op, id)])
            expect(reply.status, reply.text).toBeOneOf([200, 204])
            if (op === 'add') held.add(id)
            else if (op !== 'title') held.delete(id)
            if (isChange) changes++
          }
          return held
        }
        const held = await Promise.all(histories.map(write))
        const { body } = await scim.get(group)
        const expected = held.flatMap((one) => [...one]).toSorted()
        expect(idsOf(body.members).toSorted()).toEqual(expected)
        // Each change moved the version by one: none was carried out on what another had seen.
        expect(body.meta.version).toBe(`W/"${changes + 1}"`)
        const filter = encodeURIComponent(`groups.value eq "${body.id}"`)
        const found = await scim.get(`/Users?count=1000&filter=${filter}`)
        expect(idsOf(found.body.Resources).toSorted()).toEqual(expected)

        const { name = {} } = (await scim.get(`/Users/${shared}`)).body
        histories.forEach((moves, writer) => {
          const last = moves.findLast(({ op }) => op === 'title')
          if (last) expect(name[NAMES[writer] as string]).toBe(`${last.member}`)
        })
      }
      const histories = fc.array(fc.array(move, { minLength: 1, maxLength: 8 }), {
        minLength: WRITERS,
        maxLength: WRITERS,
      })
      await fc.assert(fc.asyncProperty(histories, isKept), { seed: SEED, numRuns: RUNS[target] })
    })

    test('[R7644-3.3-12] of those who create one name at once, one is told 201 and all others 409', async () => {
      const spelling = fc.array(fc.boolean(), { minLength: 6, maxLength: 6 })
      const isOne = async (spellings: readonly (readonly boolean[])[]) => {
        const name = scim.fresh('racers')
        const before = await scim.total('/Users')
        const replies = await Promise.all(
          spellings.map((upper) => {
            const userName = [...name]
              .map((letter, at) => (upper[at] ? letter.toUpperCase() : letter))
              .join('')
            return scim.request('POST', '/Users', { schemas: [USER], userName })
          }),
        )
        const statuses = replies.map(({ status }) => status).toSorted()
        expect(statuses).toEqual([201, ...replies.slice(1).map(() => 409)])
        expect(await scim.total('/Users')).toBe(before + 1)
      }
      const all = fc.array(spelling, { minLength: 2, maxLength: 8 })
      await fc.assert(fc.asyncProperty(all, isOne), { seed: SEED, numRuns: RUNS[target] })
    })

    test('[R7644-3.14-08] of those who write over one version at once, one succeeds', async () => {
      const { id } = await scim.group()
      const isOne = async (names: readonly string[]) => {
        const place = `/Groups/${id}`
        const seen = (await scim.get(place)).body
        const bodies = names.map((one, index) => ({
          schemas: [GROUP],
          displayName: `${one}${scim.fresh()}-${index}`,
        }))
        const replies = await Promise.all(
          bodies.map((body) => scim.request('PUT', place, body, { 'If-Match': seen.meta.version })),
        )
        const won = replies.findIndex(({ status }) => status === 200)
        expect(replies.filter(({ status }) => status === 412)).toHaveLength(names.length - 1)
        expect((await scim.get(place)).body.displayName).toBe(bodies[won]?.displayName as string)
      }
      const names = fc.array(fc.string({ maxLength: 5 }), { minLength: 2, maxLength: 6 })
      await fc.assert(fc.asyncProperty(names, isOne), { seed: SEED, numRuns: RUNS[target] })
    })

    test('deletions and additions at once leave no member that is not there', async () => {
      const step = fc.record({ victim: fc.nat(4), isDeleted: fc.boolean() })
      const isSound = async (steps: readonly { victim: number; isDeleted: boolean }[]) => {
        const victims = idsOf(await Promise.all(Array.from({ length: 5 }, () => scim.user())))
        const group = `/Groups/${(await scim.group()).id}`
        const gone = new Set<string>()
        await Promise.all(
          steps.map(async ({ victim, isDeleted }) => {
            const value = victims[victim] as string
            if (isDeleted) {
              const { status } = await scim.request('DELETE', `/Users/${value}`)
              expect(status).toBeOneOf([204, 404])
              if (status === 404) return
              expect(gone.has(value)).toBeFalse()
              gone.add(value)
              return
            }
            const reply = await scim.request('PATCH', group, {
              schemas: [PATCH_OP],
              Operations: [{ op: 'add', path: 'members', value: [{ value }] }],
            })
            expect(reply.status, reply.text).toBeOneOf([200, 204, 400])
          }),
        )
        const deleted = steps.flatMap(({ victim, isDeleted }) =>
          isDeleted ? [victims[victim]] : [],
        )
        expect([...gone].toSorted()).toEqual([...new Set(deleted as string[])].toSorted())
        const members: Body[] = (await scim.get(group)).body.members
        for (const { value, $ref } of members) {
          expect(gone.has(value)).toBeFalse()
          expect((await scim.get($ref.slice(scim.url().length))).status).toBe(200)
        }
        expect(new Set(idsOf(members)).size).toBe(members.length)
      }
      const steps = fc.array(step, { minLength: 2, maxLength: 12 })
      await fc.assert(fc.asyncProperty(steps, isSound), { seed: SEED, numRuns: RUNS[target] })
    })
  })
}

const NAMES = ['givenName', 'familyName', 'middleName', 'honorificPrefix']

function operationOf(op: Move['op'], id: string) {
  if (op === 'add') return { op, path: 'members', value: [{ value: id }] }
  if (op === 'remove') return { op, path: 'members', value: [{ value: id }] }
  return { op: 'remove', path: `members[value eq "${id}"]` }
}
