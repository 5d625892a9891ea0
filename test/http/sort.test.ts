/** Lists in an order that the client asks for: RFC 7644 section 3.4.2.3. */

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { fold } from '../../src/scim/fold.ts'
import { TARGETS } from '../harness.ts'
import { type Body, ENTERPRISE, expectError, namesOf, query, sharedServer, USER } from './given.ts'
import { schemasDirectory } from './schema-files.ts'

const SEED = Number(process.env['SCIMD_SEED'] ?? Date.now() % 2 ** 31)

for (const target of TARGETS) {
  describe(`sorted lists (${target})`, () => {
    const scim = sharedServer({ target })

    /** A tag that only the users of one test have, and a list of them in order. */
    async function given(...users: readonly object[]) {
      const nickName = scim.fresh('of')
      for (const [index, user] of users.entries()) {
        await scim.user({ nickName, displayName: `${index}`, ...user })
      }
      const filter = `nickName eq "${nickName}"`
      const list = async (parameters: Record<string, string>): Promise<Body[]> => {
        const reply = await scim.get(`/Users${query({ filter, ...parameters })}`)
        expect(reply.status, reply.text).toBe(200)
        expect(reply.body.totalResults).toBe(users.length)
        return reply.body.Resources
      }
      const places = async (sortBy: string, sortOrder?: string): Promise<string> => {
        const found = await list({ sortBy, ...(sortOrder ? { sortOrder } : {}) })
        return found.map(({ displayName }) => displayName).join('')
      }
      return { list, places }
    }

    test('[R7644-3.4.2.3-01] [R7644-3.4.2.3-02] [R7644-3.4.2.3-03] ascending is the default, descending the reverse', async () => {
      const { places } = await given({ title: 'b' }, { title: 'C' }, { title: 'a' })
      for (const order of [undefined, 'ascending', 'ASCENDING']) {
        expect(await places('title', order)).toBe('201')
      }
      for (const order of ['descending', 'Descending']) {
        expect(await places('TITLE', order)).toBe('102')
      }
    })

    test.each([['up'], ['asc'], ['']])(
      '[R7644-3.4.2.3-03] the order %j is refused',
      async (sortOrder) => {
        const path = `/Users${query({ sortBy: 'userName', sortOrder })}`
        expectError(await scim.get(path), 400, 'invalidValue', 'sortOrder')
      },
    )

    test('[R7644-3.4.2.3-04] of many values the primary one counts, else the first', async () => {
      // emails have an index and phoneNumbers have none.
      const both = (...values: readonly object[]) => ({ emails: values, phoneNumbers: values })
      const { places } = await given(
        both({ value: 'a@x' }, { value: 'z@x', primary: true, type: 'work' }),
        both({ value: 'b@x', primary: false }, { value: 'a@x' }),
        both({ value: 'c@x', primary: true }),
      )
      for (const sortBy of ['emails.value', 'emails', 'phoneNumbers.value', 'phoneNumbers']) {
        expect(await places(sortBy), sortBy).toBe('120')
        expect(await places(sortBy, 'descending'), sortBy).toBe('021')
      }
      expect(await places('emails.type')).toBe('012')
    })

    test('[R7644-3.4.2.3-05] a complex attribute needs a sub-attribute, many of them mean their value', async () => {
      const { places } = await given(
        { name: { familyName: 'b', givenName: 'x' }, phoneNumbers: [{ value: '2' }] },
        { name: { familyName: 'A', givenName: 'z' }, phoneNumbers: [{ value: '3' }] },
        { name: { familyName: 'c', givenName: 'y' }, phoneNumbers: [{ value: '1' }] },
      )
      expect(await places('name.familyName')).toBe('102')
      expect(await places('name.givenName')).toBe('021')
      expect(await places('phoneNumbers')).toBe('201')
      const path = '/Users?sortBy=name'
      expectError(await scim.get(path), 400, 'invalidValue', 'sub-attributes')
    })

    test.each([['title'], ['externalId'], ['name.familyName'], ['emails'], ['entitlements']])(
      '[R7644-3.4.2.3-06] those without %s are last when ascending, first when descending',
      async (sortBy) => {
        const [attribute = '', sub] = sortBy.split('.')
        const isMany = attribute === 'emails' || attribute === 'entitlements'
        const holding = (value: string) => ({
          [attribute]: sub ? { [sub]: value } : isMany ? [{ value }] : value,
        })
        const { places } = await given({}, holding('b'), {}, holding('a'), {})
        expect(await places(sortBy)).toBe('31024')
        expect(await places(sortBy, 'descending')).toBe('02413')
      },
    )

    test('[R7644-3.4.2.3-07] texts fold unless caseExact, and are in Unicode order', async () => {
      const texts = ['B', 'a', 'C', 'é', 'Zoë', 'É2', '😀', '\ue000']
      const { places } = await given(...texts.map((title) => ({ title })))
      expect(await places('title')).toBe('10243576')
      const exact = await given(...['b', 'A', 'B', 'a'].map((profileUrl) => ({ profileUrl })))
      expect(await exact.places('profileUrl')).toBe('1230')
    })

    test('[R7644-3.4.2.3-07] booleans and instants sort by their kind', async () => {
      const { places, list } = await given({ active: true }, { active: false }, { active: true })
      expect(await places('active')).toBe('102')
      expect(await places('active', 'descending')).toBe('021')
      expect(await places('meta.created')).toBe('012')
      const [first] = await list({})
      await scim.patched(`/Users/${first.id}`, { op: 'add', path: 'title', value: 'x' })
      const byChange = await list({ sortBy: 'meta.lastModified' })
      const instants = byChange.map(({ meta }) => Date.parse(meta.lastModified))
      expect([...instants].sort((a, b) => a - b)).toEqual(instants)
    })

    test('[R7644-3.4.2.3-08] sortBy takes the path of an extension, and of the schema itself', async () => {
      const { places } = await given(
        { [ENTERPRISE]: { department: 'b', employeeNumber: '1' }, title: 'z' },
        { title: 'y' },
        { [ENTERPRISE]: { department: 'A', employeeNumber: '2' }, title: 'x' },
      )
      expect(await places(`${ENTERPRISE}:department`)).toBe('201')
      expect(await places(`${ENTERPRISE.toUpperCase()}:DEPARTMENT`, 'descending')).toBe('102')
      expect(await places(`${ENTERPRISE}:employeeNumber`)).toBe('021')
      expect(await places(`${USER}:title`)).toBe('210')
    })

    test.each([
      ['foo'],
      ['name.foo'],
      ['members'],
      ['groups'],
      ['groups.value'],
      ['password'],
      ['x509Certificates'],
      ['addresses'],
      ['meta'],
      [ENTERPRISE],
      ['urn:x:y:title'],
      ['userName,title'],
      ['emails[type eq "work"]'],
    ])('[R7644-3.4.2.3-09] sortBy %s is refused', async (sortBy) => {
      expectError(await scim.get(`/Users${query({ sortBy })}`), 400, 'invalidValue', sortBy)
    })

    test('[R7644-3.4.2.3-10] ties are in the order of creation, whichever way the sort goes', async () => {
      const same = { title: 'Same', name: { familyName: 'Same' }, active: false }
      const other = { title: 'other', name: { familyName: 'Other' }, active: true }
      const { places } = await given(same, other, same, other, same)
      for (const sortBy of ['title', 'name.familyName']) {
        expect(await places(sortBy)).toBe('13024')
        expect(await places(sortBy, 'descending')).toBe('02413')
      }
      expect(await places('active')).toBe('02413')
      expect(await places('active', 'descending')).toBe('13024')
    })

    test('[R7644-3.4.2.3-10] [R7644-3.4.2.3-11] pages of an order are the order, without gap or repeat', async () => {
      for (const path of ['', 'title', 'active', 'userName', 'name.familyName', 'emails']) {
        for (const sortOrder of ['ascending', 'descending']) {
          const order = path === '' ? { sortOrder } : { sortBy: path, sortOrder }
          const whole = (await scim.get(`/Users${query({ ...order, count: '1000' })}`)).body
          const ids = whole.Resources.map(({ id }: Body) => id)
          expect(new Set(ids).size).toBe(whole.totalResults)
          const paged: string[] = []
          for (let startIndex = 1; startIndex <= whole.totalResults; startIndex += 7) {
            const parameters = { ...order, startIndex: String(startIndex), count: '7' }
            const { body } = await scim.get(`/Users${query(parameters)}`)
            expect(body).toMatchObject({ startIndex, totalResults: whole.totalResults })
            paged.push(...body.Resources.map(({ id }: Body) => id))
          }
          expect(paged).toEqual(ids)
        }
      }
    })

    test('[R7644-3.4.2.3-01] sorting is supported, and said to be', async () => {
      const { body } = await scim.get('/ServiceProviderConfig')
      expect(body.sort).toEqual({ supported: true })
    })

    test('[R7644-3.4.2.3-01] a projection leaves out what is sorted by, and the order stays', async () => {
      const { list } = await given({ title: 'b' }, { title: 'a' })
      const found = await list({ sortBy: 'title', attributes: 'displayName' })
      expect(namesOf(found)).toEqual(['1', '0'])
      expect(found[0]).not.toHaveProperty('title')
    })
  })
}

const THING = 'urn:example:2.0:Thing'
const KINDS = [
  'string',
  'exact',
  'integer',
  'decimal',
  'dateTime',
  'boolean',
  'tags',
  'parts',
] as const
type Kind = (typeof KINDS)[number]

/** Each kind of attribute twice: `aX` has an index, `bX` has none. */
const attributeOf = (letter: string, kind: Kind) => {
  const name = `${letter}${kind}`
  if (kind === 'exact') return { name, type: 'string', caseExact: true }
  if (kind === 'tags') return { name, type: 'string', multiValued: true }
  if (kind !== 'parts') return { name, type: kind }
  const subAttributes = [
    { name: 'value', type: 'decimal' },
    { name: 'primary', type: 'boolean' },
  ]
  return { name, type: 'complex', multiValued: true, subAttributes }
}

function schemaDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'scimd-schemas-'))
  mkdirSync(join(directory, 'resource-types'))
  const attributes = ['a', 'b'].flatMap((letter) => KINDS.map((kind) => attributeOf(letter, kind)))
  const indexed = KINDS.map((kind) => (kind === 'parts' ? 'aparts.value' : `a${kind}`))
  const type = { name: 'Thing', endpoint: '/Things', schema: THING, indexed }
  const named = { name: 'number', type: 'integer' }
  const schema = { id: THING, name: 'Thing', attributes: [named, ...attributes] }
  writeFileSync(join(directory, 'Thing.json'), JSON.stringify(schema))
  writeFileSync(join(directory, 'resource-types', 'Thing.json'), JSON.stringify(type))
  return directory
}

const WORDS = [
  'a',
  'A',
  'b',
  'ab',
  'É',
  'e\u0301',
  'ß',
  'SS',
  'Σς',
  '李',
  '😀',
  '\ue000',
  '\u0000',
  '~',
]
const word = fc.constantFrom(...WORDS, ...WORDS.map((text) => `a${text}`))
const number = fc.constantFrom(-1e9, -1.5, -1, 0, 0.25, 9, 10, 1e21)
const values: Record<Kind, fc.Arbitrary<unknown>> = {
  string: word,
  exact: word,
  integer: fc.constantFrom(-10, -9, 0, 9, 10, 2 ** 40),
  decimal: number,
  dateTime: fc.constantFrom(
    '2026-01-31T09:30:00Z',
    '2026-01-31T10:30:00+01:00',
    '2026-01-31T09:30:00.001Z',
    '1969-12-31T23:59:59Z',
    '2026-01-31T10:00:00+02:00',
  ),
  boolean: fc.boolean(),
  tags: fc.array(word, { minLength: 1, maxLength: 3 }),
  parts: fc
    .array(fc.record({ value: number }), { minLength: 1, maxLength: 3 })
    .chain((parts) =>
      fc
        .constantFrom(-1, ...parts.keys())
        .map((primary) =>
          parts.map((part, index) => (index === primary ? { ...part, primary: true } : part)),
        ),
    ),
}
const thing = fc.record(
  Object.fromEntries(KINDS.map((kind) => [kind, fc.option(values[kind], { nil: undefined })])),
)

/** What one random request asks for. */
interface Run {
  readonly name: string
  readonly isDescending: boolean
  /** The least number of the things that a filter selects. */
  readonly above: number | undefined
  /** Whether the filter has an indexed term as well. */
  readonly isIndexed: boolean
  readonly startIndex: number
  readonly count: number
}

type Key = string | number | boolean | undefined

/** What a resource as it is answered is sorted by, worked out as plainly as can be. */
function keyOf(resource: Body, name: string): Key {
  const value = resource[name]
  const kind = name.slice(1) as Kind
  if (value === undefined) return undefined
  if (kind === 'parts') return (value.find(({ primary }: Body) => primary) ?? value[0]).value
  if (kind === 'tags') return fold(value[0])
  if (kind === 'string') return fold(value)
  return kind === 'dateTime' ? Date.parse(value) : value
}

function compare(left: Key, right: Key): number {
  if (left === undefined || right === undefined) {
    return Number(left === undefined) - Number(right === undefined)
  }
  if (typeof left !== 'string' || typeof right !== 'string') return Number(left) - Number(right)
  const [a, b] = [left, right].map((text) => [...text].map((point) => point.codePointAt(0) ?? 0))
  const at = (a ?? []).findIndex((point, index) => point !== b?.[index])
  if (at < 0) return (a?.length ?? 0) - (b?.length ?? 0)
  return (a?.[at] ?? 0) - (b?.[at] ?? -1)
}

for (const target of TARGETS) {
  describe(`random sorts (${target}, SCIMD_SEED=${SEED})`, () => {
    const schemas = schemaDirectory()
    afterAll(() => rmSync(schemas, { recursive: true, force: true }))
    const scim = sharedServer({ target, flags: { schemas } })
    /** All things, in the order of their creation. */
    let things: Body[] = []

    const bodyOf = (held: Record<string, unknown>, number: number) => ({
      schemas: [THING],
      number,
      ...Object.fromEntries(
        ['a', 'b'].flatMap((letter) => KINDS.map((kind) => [`${letter}${kind}`, held[kind]])),
      ),
    })

    beforeAll(async () => {
      const samples = fc.sample(thing, { seed: SEED, numRuns: 180 })
      const ids: string[] = []
      for (const [index, held] of samples.slice(0, 120).entries()) {
        const { status, body } = await scim.request('POST', '/Things', bodyOf(held, index))
        expect(status).toBe(201)
        ids.push(body.id)
      }
      // What is changed and deleted leaves its old place in every index.
      for (const [index, held] of samples.slice(120).entries()) {
        const path = `/Things/${ids[index * 2]}`
        if (index % 5 === 0) await scim.request('DELETE', path)
        else await scim.request('PUT', path, bodyOf(held, index * 2))
      }
      things = (await scim.get('/Things?count=1000')).body.Resources
      expect(things).toHaveLength(108)
    })

    test('[R7644-3.4.2.3-07] [R7644-3.4.2.3-10] [R7644-3.4.2.3-11] a sort along an index or in memory is the plain sort', async () => {
      const names = ['a', 'b'].flatMap((letter) => KINDS.map((kind) => `${letter}${kind}`))
      const runs = fc.record({
        name: fc.constantFrom(...names),
        isDescending: fc.boolean(),
        above: fc.option(fc.integer({ min: 0, max: 120 }), { nil: undefined }),
        isIndexed: fc.boolean(),
        startIndex: fc.integer({ min: 1, max: 110 }),
        count: fc.integer({ min: 0, max: 120 }),
      })
      const sorted = async ({ name, isDescending, above, ...page }: Run) => {
        const filters = [
          ...(above === undefined ? [] : [`number ge ${above}`]),
          ...(above !== undefined && page.isIndexed ? ['aboolean eq true'] : []),
        ]
        const matching = things.filter(
          (one) =>
            above === undefined ||
            (one.number >= above && (!page.isIndexed || one.aboolean === true)),
        )
        const sign = isDescending ? -1 : 1
        // The sort of lists is stable, so that ties keep the order of creation.
        const expected = [...matching].sort(
          (left, right) => sign * compare(keyOf(left, name), keyOf(right, name)),
        )
        const parameters = {
          sortBy: name,
          sortOrder: isDescending ? 'descending' : 'ascending',
          startIndex: String(page.startIndex),
          count: String(page.count),
          attributes: 'number',
          ...(filters.length > 0 ? { filter: filters.join(' and ') } : {}),
        }
        const { status, body } = await scim.get(`/Things${query(parameters)}`)
        expect(status).toBe(200)
        expect(body.totalResults).toBe(expected.length)
        const from = page.startIndex - 1
        expect(body.Resources.map(({ number }: Body) => number)).toEqual(
          expected.slice(from, from + page.count).map(({ number }) => number),
        )
      }
      for (const name of names) {
        for (const isDescending of [false, true]) {
          const whole = { above: undefined, isIndexed: false, startIndex: 1, count: 200 }
          await sorted({ name, isDescending, ...whole })
        }
      }
      await fc.assert(fc.asyncProperty(runs, sorted), { seed: SEED, numRuns: 250 })
    })
  })
}

for (const target of TARGETS) {
  describe(`a sort by a list within a complex attribute (${target})`, () => {
    const BOX = 'urn:example:schemas:1.0:Box'
    const items = { name: 'items', type: 'string', multiValued: true }
    const box = { name: 'box', type: 'complex', subAttributes: [items] }
    const schemas = schemasDirectory({
      'Box.json': { id: BOX, name: 'Box', attributes: [box] },
      'resource-types/Box.json': {
        name: 'Box',
        endpoint: '/Boxes',
        schema: BOX,
        indexed: ['box.items'],
      },
    })
    afterAll(() => rmSync(schemas, { recursive: true, force: true }))
    const scim = sharedServer({ target, flags: { schemas } })

    test('[R7644-3.4.2.3-06] what no value stands for is not lost when its index has as many entries', async () => {
      const ids: string[] = []
      for (const item of ['b', 'a', 'c']) {
        const body = { schemas: [BOX], box: { items: [item] } }
        ids.push((await scim.request('POST', '/Boxes', body)).body.id)
      }
      for (const sortOrder of ['ascending', 'descending']) {
        const { body } = await scim.get(`/Boxes${query({ sortBy: 'box.items', sortOrder })}`)
        expect(body.totalResults).toBe(3)
        expect(body.Resources.map(({ id }: Body) => id)).toEqual(ids)
      }
    })
  })
}
