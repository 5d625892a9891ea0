/** Holds the reader of proofs against what `bun test` really reports. */

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Glob } from 'bun'
import { NOT_APPLICABLE } from './not-applicable.ts'
import { idsIn, type Outcome, outcomesIn, type Requirement, report } from './proofs.ts'
import requirements from './requirements.json' with { type: 'json' }

const ROOT = resolve(import.meta.dir, '../..')

const requirement = (id: string): Requirement => ({
  id,
  section: `section ${id.split('-')[1]}`,
  level: 'MUST',
  requirement: `what ${id} asks`,
})

/** Tests of these names on both targets, with one result. */
const onBoth = (result: Outcome['result'], ...names: readonly string[]): Outcome[] =>
  names.flatMap((name) =>
    (['source', 'executable'] as const).map((target) => ({ name, target, result })),
  )

const LIST = ['R7644-1-01', 'R7644-1-02', 'R7644-2-01'].map(requirement)
const ALL = onBoth('passed', 'a [R7644-1-01] [R7644-1-02]', 'b [R7644-2-01]')

const lastLine = (outcomes: readonly Outcome[], exceptions = {}) =>
  report(outcomes, LIST, exceptions).lines.at(-1)

describe('a report', () => {
  test('says of each section how much is proven, and at last the sum', () => {
    const { lines, isComplete } = report(ALL, LIST, {})
    expect(lines).toEqual([
      'R7644-1  section 1  2 of 2  source 2  executable 2',
      'R7644-2  section 2  1 of 1  source 1  executable 1',
      '3 proven, 0 not applicable, 0 missing',
    ])
    expect(isComplete).toBe(true)
  })

  test('of no tests at all has everything missing', () => {
    const { lines, isComplete } = report([], LIST, {})
    expect(lines).toContain(
      'missing from source and executable: R7644-1-01 (MUST) what R7644-1-01 asks',
    )
    expect(lines.at(-1)).toBe('0 proven, 0 not applicable, 3 missing')
    expect(isComplete).toBe(false)
  })

  test('takes nothing for proven that one target alone shows', () => {
    const { lines, isComplete } = report(
      ALL.filter(({ name, target }) => !name.startsWith('b') || target === 'source'),
      LIST,
      {},
    )
    expect(lines).toContain('R7644-2  section 2  0 of 1  source 1  executable 0')
    expect(lines).toContain('missing from executable: R7644-2-01 (MUST) what R7644-2-01 asks')
    expect(lines.at(-1)).toBe('2 proven, 0 not applicable, 1 missing')
    expect(isComplete).toBe(false)
  })

  test('takes nothing for proven by a test without a target', () => {
    const inside = ALL.map((outcome) => ({ ...outcome, target: undefined }))
    expect(lastLine(inside)).toBe('0 proven, 0 not applicable, 3 missing')
  })

  test('takes nothing for proven by a test that was skipped', () => {
    const skipped = [...ALL.slice(0, 2), ...onBoth('skipped', 'b [R7644-2-01]')]
    expect(lastLine(skipped)).toBe('2 proven, 0 not applicable, 1 missing')
    expect(lastLine([...ALL, ...onBoth('skipped', 'c [R7644-2-01]')])).toBe(
      '3 proven, 0 not applicable, 0 missing',
    )
  })

  test('takes nothing for proven that a failed test names, whatever others show', () => {
    for (const target of ['source', 'executable', undefined] as const) {
      const failed: Outcome = { name: 'c [R7644-2-01]', target, result: 'failed' }
      const { lines, isComplete } = report([...ALL, failed], LIST, {})
      expect(lines[0]).toBe('failed: c [R7644-2-01]')
      expect(lines.at(-1)).toBe('2 proven, 0 not applicable, 1 missing')
      expect(isComplete).toBe(false)
    }
  })

  test('is not complete when a test failed that names nothing', () => {
    const { lines, isComplete } = report([...ALL, ...onBoth('failed', 'c')], LIST, {})
    expect(lines.at(-1)).toBe('3 proven, 0 not applicable, 0 missing')
    expect(isComplete).toBe(false)
  })

  test.each(['R7644-1-03', 'R7644-01', 'R7664-1-01', 'R7644-1-1', 'PROF-99', 'OKTA-1'])(
    'is not complete when a test names %s, which is no requirement',
    (id) => {
      const { lines, isComplete } = report([...ALL, ...onBoth('passed', `c [${id}]`)], LIST, {})
      expect(lines[0]).toBe(`unknown: a test names ${id}, which is no requirement`)
      expect(isComplete).toBe(false)
    },
  )

  test('lets alone what belongs to other lists', () => {
    const others = onBoth(
      'passed',
      'c [R8417-2-01] [R8935-2-02, R9967-2-01]',
      'emails[type eq "R-1"]',
    )
    expect(report([...ALL, ...others], LIST, {}).isComplete).toBe(true)
  })

  test('counts what is not applicable, and tells why', () => {
    const { lines, isComplete } = report(ALL.slice(0, 2), LIST, { 'R7644-2-01': 'for a reason' })
    expect(lines).toContain('R7644-2  section 2  0 of 0  source 0  executable 0')
    expect(lines).toContain('not applicable: R7644-2-01 for a reason')
    expect(lines.at(-1)).toBe('2 proven, 1 not applicable, 0 missing')
    expect(isComplete).toBe(true)
  })

  test('does not let the exceptions outlive their reason', () => {
    const proven = report(ALL, LIST, { 'R7644-2-01': 'for a reason' })
    expect(proven.lines[0]).toBe('not applicable, yet proven: R7644-2-01')
    expect(proven.isComplete).toBe(false)
    expect(report(ALL, LIST, { 'R7644-9-01': 'for a reason' }).isComplete).toBe(false)
  })
})

test('ids are read from square brackets alone, one or several in a pair', () => {
  expect(idsIn('[R7644-3.1-01] emails[type eq "a"] [R7643-2.3-06, PROF-01 ENTRA-02]')).toEqual([
    'R7644-3.1-01',
    'R7643-2.3-06',
    'PROF-01',
    'ENTRA-02',
  ])
  expect(idsIn('R7644-3.1-01 (R7644-3.1-02) [PROFANE-1] [UTF-8]')).toEqual([])
})

const SAMPLE = `
import { beforeAll, describe, expect, test } from 'bun:test'
describe.each(['source', 'executable'])('sample [R7644-1-01] (%s)', (target) => {
  describe('inner <&> "quoted"', () => {
    test('passes\\nin two lines [R7644-1-02]', () => expect(target).not.toBe(''))
  })
  test('fails [R7644-2-01]', () => expect('</testcase>').toBe('<testcase name="x" />'))
  test.skip('is skipped [R7644-2-02]', () => expect(1).toBe(1))
  test.todo('is to be done [R7644-2-03]', () => expect(1).toBe(1))
  test('expects nothing [R7644-2-04]', () => {})
})
describe('from source', () => {
  beforeAll(() => { throw new Error('no server') })
  test('never runs [R7644-2-05]', () => expect(1).toBe(1))
})
test('has no target [R7644-2-06]', () => expect(1).toBe(1))
test('says its target itself [R7644-2-07] (source)', () => expect(1).toBe(1))
`

describe('what bun test reports', () => {
  let directory = ''
  let junit = ''
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'scimd-proofs-'))
    await Bun.write(join(directory, 'sample.test.ts'), SAMPLE)
    const reporter = ['--reporter=junit', '--reporter-outfile=junit.xml']
    const child = Bun.spawn([process.execPath, 'test', ...reporter], {
      cwd: directory,
      stdout: 'ignore',
      stderr: 'ignore',
    })
    expect(await child.exited).toBe(1)
    junit = await Bun.file(join(directory, 'junit.xml')).text()
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  test('is read: names, targets and results', () => {
    const outcomes = outcomesIn(junit)
    const of = (id: string) =>
      outcomes
        .filter(({ name }) => idsIn(name).includes(id))
        .map(({ target, result }): [Outcome['target'], Outcome['result']] => [target, result])
    const both = (result: Outcome['result']): [Outcome['target'], Outcome['result']][] => [
      ['source', result],
      ['executable', result],
    ]
    expect(outcomes[0]?.name).toInclude('inner <&> "quoted"')
    expect(of('R7644-1-02')).toEqual(both('passed'))
    expect(of('R7644-2-01')).toEqual(both('failed'))
    expect(of('R7644-2-02')).toEqual(both('skipped'))
    expect(of('R7644-2-03')).toEqual(both('skipped'))
    expect(of('R7644-2-04')).toEqual(both('skipped'))
    expect(of('R7644-2-05')).toEqual([])
    expect(of('R7644-2-06')).toEqual([[undefined, 'passed']])
    expect(of('R7644-2-07')).toEqual([['source', 'passed']])
    expect(of('R7644-1-01')).toHaveLength(10)
    expect(outcomes.filter(({ result }) => result === 'failed')).toHaveLength(3)
  })

  test('is refused when it was cut off', () => {
    expect(() => outcomesIn(junit.slice(0, -20))).toThrow('ends early')
    expect(() => outcomesIn('')).toThrow('ends early')
  })
})

test('each requirement stands in the list once, and few are not applicable', () => {
  const ids = requirements.map(({ id }) => id)
  expect(ids.length).toBeGreaterThan(500)
  expect(new Set(ids).size).toBe(ids.length)
  expect(Object.keys(NOT_APPLICABLE).length).toBeLessThan(10)
  for (const [id, reason] of Object.entries(NOT_APPLICABLE)) {
    expect(ids).toContain(id)
    expect(reason).not.toBe('')
  }
})

test('no test is marked as failing: it would count as passed', async () => {
  for await (const path of new Glob('test/**/*.test.ts').scan({ cwd: ROOT })) {
    const text = await Bun.file(join(ROOT, path)).text()
    expect([path, /^\s*(?:test|it)\.failing\b/m.test(text)]).toEqual([path, false])
  }
})
