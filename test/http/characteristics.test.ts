/** Every attribute type with every characteristic, on a type and a User extension of one's own. */

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { rmSync } from 'node:fs'
import { TARGETS } from '../harness.ts'
import { BADGE, GADGET, GADGET_EXTRA, worldDirectory } from '../property/world.ts'
import {
  type Body,
  expectError,
  expectRefused,
  idsOf,
  type Operation,
  query,
  sharedServer,
  USER,
} from './given.ts'

interface Sample {
  readonly type: string
  /** Two values of the type, the lesser one first where they have an order. */
  readonly first: unknown
  readonly second: unknown
  /** None, and nothing that a client's habit makes one. */
  readonly wrong: unknown
  readonly operators: readonly string[]
}

const TEXT = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le']
const ORDER = ['eq', 'ne', 'gt', 'ge', 'lt', 'le']

const SAMPLES: readonly Sample[] = [
  { type: 'string', first: 'Anna', second: 'Bert', wrong: 5, operators: TEXT },
  { type: 'boolean', first: true, second: false, wrong: 'yes', operators: ['eq', 'ne'] },
  { type: 'decimal', first: -1.25, second: 1e21, wrong: 'much', operators: ORDER },
  { type: 'integer', first: -7, second: 42, wrong: 1.5, operators: ORDER },
  {
    type: 'dateTime',
    first: '2026-01-31T10:30:00+02:00',
    second: '2026-01-31T09:30:00Z',
    wrong: '2026-01-31',
    operators: TEXT,
  },
  { type: 'reference', first: 'https://h/A', second: '../Users/x', wrong: 5, operators: TEXT },
  { type: 'binary', first: 'QUJD', second: 'QUI', wrong: '***', operators: ['eq', 'ne'] },
]
const capital = (word: string) => word[0]?.toUpperCase() + word.slice(1)
const NEEDED = Object.fromEntries(SAMPLES.map(({ type, first }) => [`need${capital(type)}`, first]))
const RETURNED = ['Always', 'Default', 'Request', 'Never']

/** Where attributes are: in the base schema of a type, and in an extension. */
const OWNERS = [
  { name: 'a Gadget', endpoint: '/Gadgets', urn: GADGET, prefix: '' },
  { name: 'an extension of Gadget', endpoint: '/Gadgets', urn: GADGET_EXTRA, prefix: GADGET_EXTRA },
  { name: 'an extension of User', endpoint: '/Users', urn: BADGE, prefix: BADGE },
] as const
type Owner = (typeof OWNERS)[number]

for (const target of TARGETS) {
  describe(`characteristics (${target})`, () => {
    const schemas = worldDirectory()
    const scim = sharedServer({ target, flags: { schemas } })
    afterAll(() => rmSync(schemas, { recursive: true, force: true }))

    function bodyOf({ endpoint, prefix }: Owner, attributes: object): object {
      const gadget = { code: scim.fresh('code'), ...NEEDED, needList: ['x'] }
      const base =
        endpoint === '/Users'
          ? { schemas: [USER], userName: scim.fresh('user') }
          : { schemas: [GADGET], ...gadget }
      if (prefix === '') return { ...base, ...attributes }
      const number = prefix === BADGE ? { number: scim.fresh('number') } : {}
      return { ...base, [prefix]: { ...number, ...attributes } }
    }
    async function made(owner: Owner, attributes: object): Promise<string> {
      const reply = await scim.request('POST', owner.endpoint, bodyOf(owner, attributes))
      expect(reply.status, reply.text).toBe(201)
      return `${owner.endpoint}/${reply.body.id}`
    }
    const within = ({ prefix }: Owner, body: Body): Body =>
      prefix === '' ? body : (body[prefix] ?? {})
    const pathOf = ({ prefix }: Owner, name: string) => (prefix === '' ? name : `${prefix}:${name}`)
    const read = async (owner: Owner, place: string, parameters: Record<string, string> = {}) =>
      within(owner, (await scim.get(`${place}${query(parameters)}`)).body)
    async function found(owner: Owner, place: string, filter: string): Promise<boolean> {
      const id = place.slice(place.lastIndexOf('/') + 1)
      const parameters = { filter: `id eq "${id}" and ${filter}` }
      const { body, status, text } = await scim.get(`${owner.endpoint}${query(parameters)}`)
      expect(status, text).toBe(200)
      return idsOf(body.Resources).includes(id)
    }
    const refuse = (place: string, scimType: string, at: string, operation: Operation) =>
      expectRefused(scim, place, () => scim.patch(place, [operation]), 400, scimType, at)

    for (const owner of OWNERS) {
      describe.each(SAMPLES)(
        `${owner.name}, $type`,
        ({ type, first, second, wrong, operators }) => {
          const named = (mutability: string, returned: string) => `${type}${mutability}${returned}`
          const path = (name: string) => pathOf(owner, name)

          test('[R7643-2.3-02] a value of another type is refused, at the top, in lists and within', async () => {
            const name = named('ReadWrite', 'Default')
            for (const [attributes, at] of [
              [{ [name]: wrong }, name],
              [{ [`${name}List`]: [first, wrong] }, `${name}List[1]`],
              [{ box: { [name]: wrong } }, `box.${name}`],
              [{ boxes: [{ [name]: first }, { [name]: wrong }] }, `boxes[1].${name}`],
              [{ [name]: [first, second] }, name],
              [{ [name]: { value: first } }, name],
              [{ [`${name}List`]: { other: first } }, `${name}List`],
            ] as const) {
              const reply = await scim.request('POST', owner.endpoint, bodyOf(owner, attributes))
              expectError(reply, 400, 'invalidValue', at)
            }
          })

          test('[R7643-7-06] readOnly is dropped from bodies and refused in paths', async () => {
            const sent = Object.fromEntries(
              RETURNED.flatMap((returned) => [
                [named('ReadOnly', returned), first],
                [`${named('ReadOnly', returned)}List`, [first]],
              ]),
            )
            const place = await made(owner, { ...sent, box: { ...sent, value: 'v' }, exact: 'x' })
            const names = Object.keys(sent)
            const attributes = [
              ...names,
              ...names.map((name) => `box.${name}`),
              'exact',
              'box.value',
            ]
            const held = await read(owner, place, { attributes: attributes.map(path).join() })
            expect(held['exact']).toBe('x')
            expect(held['box']).toMatchObject({ value: 'v' })
            for (const name of names) {
              expect(held).not.toHaveProperty(name)
              expect(held['box']).not.toHaveProperty(name)
              await refuse(place, 'mutability', name, { op: 'add', path: path(name), value: first })
            }
            const at = path(`box.${named('ReadOnly', 'Default')}`)
            await refuse(place, 'mutability', 'box', { op: 'replace', path: at, value: first })
          })

          test('readWrite is set, changed, and removed', async () => {
            const name = named('ReadWrite', 'Default')
            const place = await made(owner, { [name]: first, exact: 'x' })
            expect((await read(owner, place))[name]).toEqual(first)
            await scim.patched(place, { op: 'replace', path: path(name), value: second })
            expect((await read(owner, place))[name]).toEqual(second)
            await scim.patched(place, { op: 'remove', path: path(name) })
            expect(await read(owner, place)).not.toHaveProperty(name)
            const list = `${name}List`
            await scim.patched(place, {
              op: 'add',
              path: path(list),
              value: [first, second, first],
            })
            expect((await read(owner, place))[list]).toEqual([first, second])
            await scim.patched(place, { op: 'remove', path: path(list), value: [first] })
            expect((await read(owner, place))[list]).toEqual([second])
          })

          test('[R7643-7-07] immutable is set once, alone, in a list and within', async () => {
            const name = named('Immutable', 'Default')
            const list = `${name}List`
            const place = await made(owner, { exact: 'x' })
            await scim.patched(place, { op: 'add', path: path(name), value: first })
            await scim.patched(place, { op: 'add', path: path(list), value: [first] })
            await scim.patched(place, { op: 'add', path: path('box'), value: { [name]: first } })
            const before = await read(owner, place)
            expect(before).toMatchObject({ [name]: first, [list]: [first], box: { [name]: first } })
            for (const [at, value] of [
              [name, second],
              [list, [first, second]],
              [`box.${name}`, second],
            ] as const) {
              await refuse(place, 'mutability', name, { op: 'replace', path: path(at), value })
              await refuse(place, 'mutability', name, { op: 'remove', path: path(at) })
            }
            await scim.patched(place, { op: 'replace', path: path(name), value: first })
            expect(await read(owner, place)).toEqual(before)
          })

          test('[R7643-7-08] writeOnly and what is never returned are kept and never told', async () => {
            const names = [named('WriteOnly', 'Never'), named('ReadWrite', 'Never')]
            const hidden = Object.fromEntries(names.map((name) => [name, first]))
            const place = await made(owner, {
              ...hidden,
              box: { ...hidden, value: 'v' },
              exact: 'x',
            })
            const attributes = [...names, 'box', ...names.map((name) => `box.${name}`), 'exact']
            for (const parameters of [{}, { attributes: attributes.map(path).join() }]) {
              const held = await read(owner, place, parameters)
              expect(held['box']).toEqual({ value: 'v' })
              for (const name of names) expect(held).not.toHaveProperty(name)
            }
            for (const name of names) {
              const filter = `${path(name)} pr`
              const search = await scim.get(`${owner.endpoint}${query({ filter })}`)
              expectError(search, 400, 'invalidFilter', name)
              const before = (await scim.get(place)).body.meta.version
              await scim.patched(place, { op: 'replace', path: path(name), value: first })
              expect((await scim.get(place)).body.meta.version).toBe(before)
              await scim.patched(place, { op: 'replace', path: path(name), value: second })
              expect((await scim.get(place)).body.meta.version).not.toBe(before)
            }
          })

          test('[R7644-3.5.1-04] a PUT of what was read keeps what nobody reads back', async () => {
            const names = [named('WriteOnly', 'Never'), named('ReadWrite', 'Never')]
            const hidden = Object.fromEntries(names.map((name) => [name, first]))
            const place = await made(owner, {
              ...hidden,
              box: { ...hidden, value: 'v' },
              exact: 'x',
            })
            const { text, body } = await scim.get(place)
            const put = await scim.request('PUT', place, body)
            expect(put.status, put.text).toBe(200)
            expect((await scim.get(place)).text).toBe(text)
          })

          test('[R7643-7-09] [R7643-7-11] [R7643-7-12] [R7643-7-13] returned says what an answer shows', async () => {
            const [always, byDefault, onRequest] = RETURNED.map((one) => named('ReadWrite', one))
            if (!always || !byDefault || !onRequest) throw new Error('there are three')
            const all = { [always]: first, [byDefault]: first, [onRequest]: first }
            const place = await made(owner, { ...all, box: all, boxes: [all] })
            const shown = async (parameters: Record<string, string>) => {
              const held = await read(owner, place, parameters)
              const [element = {}] = held['boxes'] ?? []
              return [held, held['box'] ?? {}, element].map((one) =>
                Object.keys(all).filter((name) => name in one),
              )
            }
            const plain = [always, byDefault]
            expect(await shown({})).toEqual([plain, plain, plain])
            expect(await shown({ attributes: 'id' })).toEqual([[always], [always], [always]])
            const asked = ['', 'box.', 'boxes.'].map((at) => path(at + onRequest)).join()
            const both = [always, onRequest]
            expect(await shown({ attributes: asked })).toEqual([both, both, both])
            const whole = `${asked},${['box', 'boxes'].map(path).join()}`
            const every = [always, byDefault, onRequest]
            expect(await shown({ attributes: whole })).toEqual([both, every, every])
            const without = ['', 'box.', 'boxes.']
              .flatMap((at) => [always, byDefault].map((name) => path(at + name)))
              .join()
            const left = await shown({ excludedAttributes: without })
            expect(left).toEqual([[always], [always], [always]])
          })

          test('a filter compares by the type, and refuses what the type has no meaning for', async () => {
            const name = named('ReadWrite', 'Default')
            const place = await made(owner, {
              [name]: first,
              [`${name}List`]: [first],
              box: { [name]: first },
            })
            const value = JSON.stringify(first)
            for (const at of [name, `${name}List`, `box.${name}`]) {
              expect(await found(owner, place, `${path(at)} eq ${value}`)).toBeTrue()
              expect(await found(owner, place, `${path(at)} pr`)).toBeTrue()
              expect(await found(owner, place, `${path(at)} ne ${value}`)).toBeFalse()
              expect(await found(owner, place, `not (${path(at)} eq ${value})`)).toBeFalse()
            }
            expect(
              await found(owner, place, `${path(name)} eq ${JSON.stringify(second)}`),
            ).toBeFalse()
            for (const operator of TEXT) {
              const filter = `${path(name)} ${operator} ${value}`
              const reply = await scim.get(`${owner.endpoint}${query({ filter })}`)
              if (operators.includes(operator)) expect(reply.status, filter).toBe(200)
              else expectError(reply, 400, 'invalidFilter', name)
            }
            if (!operators.includes('lt')) return
            const [less, more] = [first, second]
              .toSorted(byInstantOrValue)
              .map((one) => JSON.stringify(one))
            expect(await found(owner, place, `${path(name)} ge ${less}`)).toBeTrue()
            expect(await found(owner, place, `${path(name)} le ${more}`)).toBeTrue()
            expect(await found(owner, place, `${path(name)} lt ${less}`)).toBeFalse()
            expect(await found(owner, place, `${path(name)} gt ${more}`)).toBeFalse()
          })

          test('a required sub-attribute has to be there where its attribute is', async () => {
            const name = `need${capital(type)}`
            const { [name]: _, ...rest } = NEEDED
            for (const [attributes, at] of [
              [{ full: rest }, `full.${name}`],
              [{ full: { ...NEEDED, [name]: null } }, `full.${name}`],
              [{ fulls: [NEEDED, rest] }, `fulls[1].${name}`],
            ] as const) {
              const reply = await scim.request('POST', owner.endpoint, bodyOf(owner, attributes))
              expectError(reply, 400, 'invalidValue', at)
            }
            const place = await made(owner, { full: NEEDED, fulls: [NEEDED] })
            for (const at of [`full.${name}`, `fulls[${name} pr].${name}`]) {
              await refuse(place, 'mutability', name, { op: 'remove', path: path(at) })
            }
          })
        },
      )
    }

    describe.each(SAMPLES)('a required $type', ({ type }) => {
      test('[R7643-7-14] has to be there, in POST, PUT and PATCH', async () => {
        const [gadget] = OWNERS
        const name = `need${capital(type)}`
        const { [name]: _, ...without } = bodyOf(gadget, {}) as Body
        for (const body of [without, { ...without, [name]: null }]) {
          expectError(await scim.request('POST', '/Gadgets', body), 400, 'invalidValue', name)
        }
        const place = await made(gadget, {})
        const put = () => scim.request('PUT', place, without)
        await expectRefused(scim, place, put, 400, 'invalidValue', name)
        await refuse(place, 'mutability', name, { op: 'remove', path: name })
      })
    })

    test.each([
      ['uniqueText', 'Name', 'nAME', 'Name2'],
      ['uniqueExact', 'Name', 'Name', 'nAME'],
      ['uniqueNumber', 42, 42, 43],
      ['uniqueMoment', '2026-01-31T09:30:00Z', '2026-01-31T10:30:00+01:00', '2026-01-31T09:30:01Z'],
      ['uniqueAddress', 'https://h/x', 'https://h/x', 'https://h/X'],
    ])(
      '[R7643-7-14] [R7643-7-04] %s: %j is taken for %j, and %j is free',
      async (name, held, same, other) => {
        const [gadget] = OWNERS
        const first = await made(gadget, { [name]: held })
        const total = await scim.total('/Gadgets')
        const again = await scim.request('POST', '/Gadgets', bodyOf(gadget, { [name]: same }))
        expectError(again, 409, 'uniqueness', name)
        expect(await scim.total('/Gadgets')).toBe(total)
        const place = await made(gadget, { [name]: other })
        const take = () => scim.patch(place, [{ op: 'replace', path: name, value: same }])
        await expectRefused(scim, place, take, 409, 'uniqueness', name)
        await scim.request('DELETE', first)
        expect((await take()).status).toBe(200)
      },
    )

    test('[R7643-4.1-16] canonical values are suggestions: others are kept', async () => {
      const [gadget] = OWNERS
      const schema = (await scim.get(`/Schemas/${GADGET}`)).body
      const kind = schema.attributes.find(({ name }: Body) => name === 'kind')
      expect(kind.canonicalValues).toEqual(['small', 'large'])
      const place = await made(gadget, { kind: 'middling' })
      expect((await scim.get(place)).body.kind).toBe('middling')
      expect((await scim.get(await made(gadget, {}))).body.kind).toBe('small')
    })

    describe('references to resources of this server', () => {
      const [gadget] = OWNERS
      let user: Body
      beforeAll(async () => {
        user = await scim.user({ displayName: 'Ann' })
      })

      test('[R7643-7-16] [R7643-2.3-11] are told with what they refer to, of any of their types', async () => {
        const group = await scim.group({ displayName: 'Crew of one' })
        const other = await made(gadget, {})
        const keepers = [user.id, group.id, other.slice('/Gadgets/'.length)]
        const place = await made(gadget, {
          keeper: { value: user.id, display: 'not so' },
          keepers: keepers.map((value) => ({ value })),
          parent: '../Gadgets/anything',
        })
        const { body } = await scim.get(place)
        const $ref = `${scim.url()}/Users/${user.id}`
        expect(body.keeper).toEqual({ value: user.id, $ref, display: 'Ann' })
        expect(body.parent).toBe('../Gadgets/anything')
        expect(body.keepers.map(({ display }: Body) => display).slice(0, 2)).toEqual([
          'Ann',
          'Crew of one',
        ])
        for (const one of body.keepers) {
          expect((await scim.get(one.$ref.slice(scim.url().length))).body.id).toBe(one.value)
        }
        expect(await found(gadget, place, `keepers.value eq "${group.id}"`)).toBeTrue()
        expect(await found(gadget, place, `keeper.display eq "ann"`)).toBeTrue()
      })

      test('[R7643-2.3-10] are understood by $ref alone, absolute or relative', async () => {
        for (const $ref of [
          `${scim.url()}/Users/${user.id}`,
          `Users/${user.id}`,
          `../Users/${user.id}`,
        ]) {
          const place = await made(gadget, { keeper: { $ref } })
          expect((await scim.get(place)).body.keeper.value).toBe(user.id)
        }
      })

      test('links take resources of their types alone, and show on the other side', async () => {
        const group = await scim.group()
        const first = await made(gadget, { crew: [{ value: user.id }] })
        const id = first.slice('/Gadgets/'.length)
        const second = await made(gadget, { next: [{ value: id }] })
        expect((await scim.get(first)).body).toMatchObject({
          crew: [{ value: user.id, type: 'User', display: 'Ann' }],
          previous: [{ value: second.slice('/Gadgets/'.length) }],
        })
        for (const [path, value] of [
          ['crew', group.id],
          ['next', user.id],
          ['crew', 'nobody'],
        ] as const) {
          const operation = { op: 'add', path, value: [{ value }] }
          await refuse(first, 'invalidValue', value, operation)
        }
      })
    })

    test('every type and characteristic that is tested here is published', async () => {
      for (const { urn } of OWNERS) {
        const { attributes } = (await scim.get(`/Schemas/${urn}`)).body
        const seen = new Set(
          attributes.map(
            (one: Body) => `${one.type} ${one.multiValued} ${one.mutability} ${one.returned}`,
          ),
        )
        for (const type of [...SAMPLES.map((one) => one.type), 'complex']) {
          for (const isMany of [true, false]) {
            for (const mutability of ['readOnly', 'readWrite', 'immutable']) {
              for (const returned of ['always', 'never', 'default', 'request'])
                expect([...seen]).toContain(`${type} ${isMany} ${mutability} ${returned}`)
            }
            expect([...seen]).toContain(`${type} ${isMany} writeOnly never`)
          }
        }
      }
    })
  })
}

/** dateTimes by their instant, texts by their letters, numbers by their size. */
function byInstantOrValue(left: unknown, right: unknown): number {
  if (typeof left === 'number') return left - Number(right)
  const [a, b] = [left, right].map((one) => Date.parse(String(one)))
  if (a !== undefined && b !== undefined && !Number.isNaN(a + b)) return a - b
  return String(left).toLowerCase() < String(right).toLowerCase() ? -1 : 1
}
