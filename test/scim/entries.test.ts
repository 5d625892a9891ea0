/** Which values of a document have entries, and which of them a sort goes by. */

import { expect, test } from 'bun:test'
import { entriesOf, isWholeKey, KEY_BYTES_MAX } from '../../src/scim/entries.ts'
import type { JsonObject } from '../../src/scim/value.ts'
import { DEVICE_EXTRA, DEVICE_REGISTRY, typeOf } from '../store/given.ts'

const DEVICE = typeOf('Device', DEVICE_REGISTRY)

/** The keys of one path; the one that sorts is in a list of its own. */
function keysOf(text: string, document: JsonObject) {
  const entries = entriesOf(DEVICE, document, 7).filter(({ path }) => path.text === text)
  return {
    all: entries.map(({ key }) => key),
    sorts: entries.filter(({ sorts }) => sorts).map(({ key }) => key),
  }
}

test.each<[rule: string, path: string, document: JsonObject, all: unknown[], sorts: unknown[]]>([
  ['text is folded', 'label', { label: 'Straße' }, ['strasse'], ['strasse']],
  ['text that is caseExact is not', 'code', { code: 'Ab' }, ['Ab'], ['Ab']],
  ['an empty text is a value', 'label', { label: '' }, [''], ['']],
  ['a number stays one', 'weight', { weight: -1.5 }, [-1.5], [-1.5]],
  ['a dateTime is its instant', 'bought', { bought: '1970-01-01T01:00:00.001+01:00' }, [1], [1]],
  ['a boolean stays one', 'enabled', { enabled: false }, [false], [false]],
  ['what is not there has no entry', 'label', {}, [], []],
  ['a value of another type has no entry', 'weight', { weight: '1' }, [], []],
  ['a text that is no dateTime has no entry', 'bought', { bought: 'yesterday' }, [], []],
  ['equal values have one entry', 'tags', { tags: ['b', 'A', 'a', 'B'] }, ['b', 'a'], ['b']],
  ['a sub-attribute of a single value', 'box.code', { box: { code: 'C' } }, ['c'], ['c']],
  [
    'of many elements the first sorts',
    'parts.value',
    { parts: [{ value: 'b' }, { value: 'a' }] },
    ['b', 'a'],
    ['b'],
  ],
  [
    'of many elements the primary one sorts',
    'parts.value',
    { parts: [{ value: 'b' }, { value: 'a', primary: true }] },
    ['b', 'a'],
    ['a'],
  ],
  [
    'the primary one sorts also when its value stood before it in another case',
    'parts.value',
    { parts: [{ value: 'c' }, { value: 'b' }, { value: 'B', primary: true }] },
    ['c', 'b'],
    ['b'],
  ],
  [
    'an element that sorts and has no value leaves the resource without one',
    'parts.value',
    { parts: [{ type: 'x' }, { value: 'a' }] },
    ['a'],
    [],
  ],
  [
    'a sub-attribute that is multi-valued itself has all its values, and none of them sorts',
    'parts.labels',
    { parts: [{ labels: ['X', 'y'] }, { labels: ['y', 'z'] }] },
    ['x', 'y', 'z'],
    [],
  ],
  [
    'an extension has entries as well',
    `${DEVICE_EXTRA}:rank`,
    { [DEVICE_EXTRA]: { rank: 2 } },
    [2],
    [2],
  ],
  ['the last change is given beside the document', 'meta.lastModified', {}, [7], [7]],
])('%s', (_rule, path, document, all, sorts) => {
  expect(keysOf(path, document)).toEqual({ all, sorts } as ReturnType<typeof keysOf>)
})

test('a key is whole up to its limit of bytes, a NUL counting for two', () => {
  for (const [character, bytes] of [
    ['x', 1],
    ['\u0000', 2],
    ['é', 2],
    ['😀', 4],
  ] as const) {
    expect(isWholeKey(character.repeat(KEY_BYTES_MAX / bytes))).toBe(true)
    expect(isWholeKey(`${character.repeat(KEY_BYTES_MAX / bytes)}x`)).toBe(false)
  }
  expect(isWholeKey(1e300)).toBe(true)
})
