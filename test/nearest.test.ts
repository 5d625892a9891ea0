/** What somebody meant who mistyped a word. */

import { describe, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nearestOf } from '../src/nearest.ts'
import { scimd, serving, temporary } from './cli/given.ts'
import { TARGETS } from './harness.ts'

test.each([
  ['defualt', 'default'],
  ['DEFAULT', 'default'],
  ['acm', 'acme'],
  ['zzz', undefined],
  ['', undefined],
])('%p is meant as %p', (word, meant) => {
  expect(nearestOf(word, ['default', 'acme', 'x'.repeat(100)])).toBe(meant)
})

describe.each(TARGETS)('%s', (target) => {
  test('mistyped commands and options are told what was meant', async () => {
    using place = temporary()
    const errorOf = async (...words: string[]) => {
      const { status, err } = await scimd(target, words, place)
      expect(status).toBe(2)
      return err
    }
    expect(await errorOf('sreve')).toInclude(
      'there is no command "sreve"; did you mean scimd serve?',
    )
    expect(await errorOf('xyzzy')).toInclude('there is no command "xyzzy"\n')
    expect(await errorOf('serve', '--lisen', 'x')).toInclude('did you mean --listen?')
    expect(await errorOf('serve', '--rate-limit', '-4')).toInclude('write --rate-limit=VALUE')
    const { status, err } = await scimd(target, ['serve', '--rate-limit=-4'], place)
    expect({ status, err }).toEqual({
      status: 1,
      err: 'scimd: --rate-limit -4: expected a whole number of requests per second, or 0\n',
    })
    expect(await errorOf('serve', '--nothing')).not.toInclude('did you mean')
  })

  test('settings of a tenant that does not exist are told at the start', async () => {
    using place = temporary()
    mkdirSync(join(place.cwd, 'data'), { mode: 0o700 })
    writeFileSync(join(place.cwd, 'data/scimd.json'), '{"tenants":{"defualt":{"mode":"rfc"}}}')
    await using server = await serving(target, place)
    const lines = server
      .errors()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines).toContainEqual(
      expect.objectContaining({ level: 'warn', tenant: 'defualt', meant: 'default' }),
    )
    expect((await server.end()).status).toBe(0)
  })

  test('a page that is too long is refused, and the cure is a command', async () => {
    using place = temporary()
    await using server = await serving(target, place)
    const { status, err } = await scimd(target, ['search', 'User', '--count', '5000'], place)
    expect(status).toBe(1)
    expect(err).toInclude('at most 1000')
    expect(err).toInclude('try: scimd search User --count 1000')
    expect((await server.end()).status).toBe(0)
  })
})
