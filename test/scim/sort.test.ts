/** What a sort goes by, and the order of values: RFC 7644 section 3.4.2.3. */

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { SORT_COUNT_MAX } from '../../src/scim/limits.ts'
import { compareKeys, compareText } from '../../src/scim/order.ts'
import { readSort, type Sort, sortKeyOf } from '../../src/scim/sort.ts'
import type { JsonObject } from '../../src/scim/value.ts'
import { sorter } from '../../src/store/lmdb-sort.ts'
import { slicer } from '../../src/store/slices.ts'
import type { Stored } from '../../src/store/store.ts'
import {
  ENTERPRISE,
  EXTRA,
  groupTypeOf,
  refusalOf,
  SEED,
  USER,
  userTypeOf,
  widgetTypeOf,
} from './given.ts'

function sortOf(sortBy: string, sortOrder?: string, type = widgetTypeOf): Sort {
  const sort = readSort(type, sortBy, sortOrder)
  if (!sort) throw new Error('was no sort')
  return sort
}

describe('the parameters', () => {
  test('[R7644-3.4.2.3-02] [R7644-3.4.2.3-03] the order is ascending unless descending is asked for, in any case', () => {
    for (const order of [undefined, 'ascending', 'Ascending', 'ASCENDING']) {
      expect(sortOf('note', order).isDescending).toBe(false)
    }
    for (const order of ['descending', 'DeScending']) {
      expect(sortOf('note', order).isDescending).toBe(true)
    }
  })

  test.each([['up'], ['asc'], ['desc'], [''], [' ascending']])(
    '[R7644-3.4.2.3-03] the order %j is refused, also without sortBy',
    (order) => {
      for (const sortBy of ['note', undefined]) {
        expect(refusalOf(() => readSort(widgetTypeOf, sortBy, order))).toMatchObject({
          scimType: 'invalidValue',
          message: expect.stringContaining('sortOrder'),
        })
      }
    },
  )

  test('without sortBy there is no sort', () => {
    for (const sortBy of [undefined, '']) {
      expect(readSort(widgetTypeOf, sortBy, 'descending')).toBeUndefined()
    }
  })

  test.each([
    ['note', 'note'],
    ['NOTE', 'note'],
    ['box.count', 'box.count'],
    ['tags', 'tags'],
    ['parts', 'parts.value'],
    ['parts.Value', 'parts.value'],
    ['parts.type', 'parts.type'],
    ['keepers', 'keepers.value'],
    ['meta.created', 'meta.created'],
    ['id', 'id'],
    [`${EXTRA}:grade`, `${EXTRA}:grade`],
    [`${EXTRA.toLowerCase()}:PARTS`, `${EXTRA}:parts.value`],
    ['urn:example:2.0:Widget:box.count', 'box.count'],
  ])('[R7644-3.4.2.3-05] [R7644-3.4.2.3-08] sortBy %s goes by %s', (sortBy, text) => {
    const { path } = sortOf(sortBy)
    expect(path.text).toBe(text)
    expect(path.leaf.type).not.toBe('complex')
  })

  test.each([
    ['an unknown attribute', widgetTypeOf, 'foo'],
    ['an unknown sub-attribute', widgetTypeOf, 'box.foo'],
    ['an unknown extension', widgetTypeOf, 'urn:x:y:note'],
    ['an extension', widgetTypeOf, EXTRA],
    ['the schema', userTypeOf, USER],
    ['an attribute of another type', groupTypeOf, 'userName'],
    ['a filter', userTypeOf, 'emails[type eq "work"].value'],
    ['a complex attribute', widgetTypeOf, 'box'],
    ['a complex attribute of many without a value', widgetTypeOf, 'plates'],
    ['meta', widgetTypeOf, 'meta'],
    ['links', groupTypeOf, 'members'],
    ['what links hold', groupTypeOf, 'members.value'],
    ['the other side of links', userTypeOf, 'groups.display'],
    ['a password', userTypeOf, 'password'],
    ['what is never returned', widgetTypeOf, 'hush'],
    ['what is never returned of a complex attribute', widgetTypeOf, 'parts.hush'],
    ['a binary attribute', widgetTypeOf, 'blob'],
    ['a binary sub-attribute', widgetTypeOf, 'box.blob'],
    ['certificates', userTypeOf, 'x509Certificates'],
    ['two names', userTypeOf, 'userName,title'],
  ])('[R7644-3.4.2.3-09] [R7644-3.4.2.3-05] %s is nothing to sort by', (_what, type, sortBy) => {
    expect(refusalOf(() => readSort(type, sortBy, undefined))).toMatchObject({
      scimType: 'invalidValue',
      message: expect.stringContaining(`"${sortBy}"`),
    })
  })
})

describe('the value that a resource is sorted by', () => {
  const key = (sortBy: string, resource: JsonObject) => sortKeyOf(sortOf(sortBy), resource)

  test('[R7644-3.4.2.3-04] of many, the primary one', () => {
    const parts = [{ value: 'a', primary: false }, { value: 'b', primary: true }, { value: 'c' }]
    expect(key('parts', { parts })).toBe('b')
    expect(key('parts.value', { parts })).toBe('b')
  })

  test('[R7644-3.4.2.3-04] of many without a primary one, the first', () => {
    expect(key('parts', { parts: [{ value: 'b', primary: false }, { value: 'a' }] })).toBe('b')
    expect(key('tags', { tags: ['z', 'a'] })).toBe('z')
    expect(key('counts', { counts: [3, 1] })).toBe(3)
  })

  test('[R7644-3.4.2.3-06] a primary or first one without the value stands for no value', () => {
    expect(key('parts.count', { parts: [{ value: 'a' }, { count: 1 }] })).toBeUndefined()
    const parts = [{ count: 1 }, { value: 'a', primary: true }]
    expect(key('parts.count', { parts })).toBeUndefined()
  })

  test('[R7644-3.4.2.3-06] nothing, and lists of nothing, are no value', () => {
    for (const sortBy of ['note', 'tags', 'parts', 'box.count', `${EXTRA}:grade`]) {
      expect(key(sortBy, {})).toBeUndefined()
    }
    expect(key('tags', { tags: [] })).toBeUndefined()
    expect(key(`${EXTRA}:grade`, { grade: 5 })).toBeUndefined()
    expect(key('box.count', { box: { value: 'x' } })).toBeUndefined()
  })

  test('[R7644-3.4.2.3-07] each type has its own kind of key', () => {
    expect(key('note', { note: 'Zoë STRASSE' })).toBe('zoë strasse')
    expect(key('code', { code: 'AbC' })).toBe('AbC')
    expect(key('count', { count: -7 })).toBe(-7)
    expect(key('flag', { flag: false })).toBe(false)
    expect(key('moment', { moment: '1970-01-01T01:00:00.5+01:00' })).toBe(500)
    expect(key(`${EXTRA}:grade`, { [EXTRA]: { grade: 3 } })).toBe(3)
    expect(key('meta.created', { meta: { created: '1970-01-01T00:00:01Z' } })).toBe(1000)
  })
})

describe('the order of values', () => {
  test('[R7644-3.4.2.3-07] texts are in the order of their code points', () => {
    const ordered = [
      '',
      'a',
      'aa',
      'b',
      '~',
      'é',
      'α',
      '李',
      '\ue000',
      '\uffff',
      '😀',
      '\u{10ffff}',
    ]
    expect([...ordered].reverse().sort(compareText)).toEqual(ordered)
  })

  test('[R7644-3.4.2.3-07] numbers are in the order of their size, false is before true', () => {
    expect([10, 9, -1, 0.5, 100].sort(compareKeys)).toEqual([-1, 0.5, 9, 10, 100])
    expect([true, false].sort(compareKeys)).toEqual([false, true])
  })

  test(`[R7644-3.4.2.3-07] the order of texts is that of their UTF-8 (SCIMD_SEED=${SEED})`, () => {
    const bytes = (text: string) => new TextEncoder().encode(text)
    const text = fc.string({ unit: 'binary' })
    fc.assert(
      fc.property(text, text, (left, right) => {
        const expected = Buffer.compare(bytes(left), bytes(right))
        expect(Math.sign(compareText(left, right))).toBe(expected)
      }),
      { seed: SEED, numRuns: 2000 },
    )
  })
})

test('[R7644-3.4.2.1-03] as many matches are sorted in memory as the limit says, and not one more', async () => {
  const matches = sorter(sortOf(`${ENTERPRISE}:department`, 'descending', userTypeOf))
  const stored = (handle: number): Stored => ({
    type: userTypeOf,
    id: `u-${handle}`,
    version: 1,
    created: 0,
    lastModified: 0,
    display: '',
    handle,
    text: '{"schemas":[]',
    hidden: '',
    size: 13,
    generation: 0,
  })
  for (let handle = SORT_COUNT_MAX; handle > 0; handle--) matches.add(stored(handle))
  expect(refusalOf(() => matches.add(stored(0)))).toMatchObject({
    scimType: 'tooMany',
    message: expect.stringContaining(String(SORT_COUNT_MAX)),
  })
  const ordered = await matches.positions(slicer())
  expect(ordered.map(({ handle }) => handle).slice(0, 3)).toEqual([1, 2, 3])
  expect(ordered).toBeArrayOfSize(SORT_COUNT_MAX)
})
