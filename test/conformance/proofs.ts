/**
 * Turns the outcomes of tests into what they prove of the RFCs and of what vendors need:
 * requirements that a passed test names in square brackets, once from source and once from the
 * executable.
 */

import type { Target } from '../harness.ts'

export interface Requirement {
  /** Such as R7644-3.5.2.1-09 (the document, its section, a number within it), or OKTA-03. */
  readonly id: string
  readonly section: string
  /** RFC 2119's word, or "semantics" where the text has none. */
  readonly level: string
  /** In our own words. */
  readonly requirement: string
}

/** What this server has no place for, by id, each with the reason. */
export type Exceptions = Readonly<Record<string, string>>

/** One test as it ended. */
export interface Outcome {
  /** Its name and those of the describes around it. */
  readonly name: string
  /** What it ran against; undefined where no name says `from source` or `(executable)`. */
  readonly target: Target | undefined
  /** A test that expects nothing has not passed for our purpose. */
  readonly result: 'passed' | 'failed' | 'skipped'
}

export interface Report {
  /** Faults, then sections, then what is missing, and last the sum. */
  readonly lines: readonly string[]
  readonly isComplete: boolean
}

const TARGETS = ['source', 'executable'] as const

/** Documents whose requirements stand in lists of their own. */
const OTHERS = /^R(?:9967|8417|8935|8936)-/

/** What is meant as an id, also when it is misspelt. */
const ID = /\b(?:R\d{4}|PROF|ENTRA|OKTA)-\d[\w.-]*/g

/**
 * The tests in a report of `bun test --reporter=junit`.
 *
 * @throws Error when the report was cut off, as when the run was
 */
export function outcomesIn(junit: string): Outcome[] {
  if (!junit.trimEnd().endsWith('</testsuites>'))
    throw new Error('the report of the tests ends early')
  // In attributes < and > are escaped, so a tag ends at the first >.
  const cases = junit.matchAll(/<testcase ([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs)
  return [...cases].map(([, attributes = '', content = '']) => {
    const name = `${attributeOf(attributes, 'classname')} > ${attributeOf(attributes, 'name')}`
    const target = /(?:\bfrom |\()(source|executable)\b/.exec(name)?.[1]
    return {
      name,
      target: target as Target | undefined,
      result: resultOf(content, attributeOf(attributes, 'assertions')),
    }
  })
}

function resultOf(content: string, assertions: string): Outcome['result'] {
  if (/<(?:failure|error)\b/.test(content)) return 'failed'
  return content.includes('<skipped') || assertions === '0' ? 'skipped' : 'passed'
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  amp: '&',
}

function attributeOf(attributes: string, name: string): string {
  const escaped = new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes)?.[1] ?? ''
  return escaped.replace(/&(\w+);/g, (whole, entity: string) => ENTITIES[entity] ?? whole)
}

/** The ids that a name holds in square brackets, alone or several in one pair. */
export const idsIn = (name: string): string[] =>
  [...name.matchAll(/\[([^[\]]*)\]/g)].flatMap(([, inside = '']) => inside.match(ID) ?? [])

/** What these tests prove of these requirements. */
export function report(
  outcomes: readonly Outcome[],
  requirements: readonly Requirement[],
  exceptions: Exceptions,
): Report {
  const proofs = Object.fromEntries(
    TARGETS.map((target) => [target, provenBy(outcomes.filter((o) => o.target === target))]),
  ) as Record<Target, ReadonlySet<string>>
  // A test that fails spoils what it names for both targets, and so does one that has no target.
  const spoilt = idsOf(outcomes.filter(({ result }) => result === 'failed'))
  const isProvenBy = (id: string, target: Target) => proofs[target].has(id) && !spoilt.has(id)
  const isProven = (id: string) => TARGETS.every((target) => isProvenBy(id, target))

  const applicable = requirements.filter(({ id }) => exceptions[id] === undefined)
  const missing = applicable.filter(({ id }) => !isProven(id))
  const faults = faultsIn(outcomes, new Set(requirements.map(({ id }) => id)), exceptions, isProven)
  const sections = Map.groupBy(requirements, ({ section }) => section)
  return {
    lines: [
      ...faults,
      ...table([...sections].map(([title, ids]) => row(title, ids, exceptions, isProvenBy))),
      ...Object.entries(exceptions).map(([id, reason]) => `not applicable: ${id} ${reason}`),
      ...missing.map((requirement) => told(requirement, isProvenBy)),
      `${applicable.length - missing.length} proven, ${Object.keys(exceptions).length} not applicable, ${missing.length} missing`,
    ],
    isComplete: faults.length === 0 && missing.length === 0,
  }
}

const idsOf = (outcomes: readonly Outcome[]): Set<string> =>
  new Set(outcomes.flatMap(({ name }) => idsIn(name)))

const provenBy = (outcomes: readonly Outcome[]): ReadonlySet<string> =>
  idsOf(outcomes.filter(({ result }) => result === 'passed'))

/** What makes the report worthless, however much is proven. */
function faultsIn(
  outcomes: readonly Outcome[],
  known: ReadonlySet<string>,
  exceptions: Exceptions,
  isProven: (id: string) => boolean,
): string[] {
  const failed = outcomes.filter(({ result }) => result === 'failed')
  const unknown = [...idsOf(outcomes)].filter((id) => !known.has(id) && !OTHERS.test(id))
  const excepted = Object.keys(exceptions)
  return [
    ...failed.map(({ name }) => `failed: ${name}`),
    ...unknown.map((id) => `unknown: a test names ${id}, which is no requirement`),
    ...excepted.filter((id) => !known.has(id)).map((id) => `unknown: ${id} is not applicable`),
    ...excepted.filter(isProven).map((id) => `not applicable, yet proven: ${id}`),
  ]
}

type Row = readonly [prefix: string, title: string, sum: string, source: string, executable: string]

/** A section: how many of its requirements are proven, on both targets and on each. */
function row(
  title: string,
  requirements: readonly Requirement[],
  exceptions: Exceptions,
  isProvenBy: (id: string, target: Target) => boolean,
): Row {
  const ids = requirements.map(({ id }) => id).filter((id) => exceptions[id] === undefined)
  const count = (targets: readonly Target[]) =>
    ids.filter((id) => targets.every((target) => isProvenBy(id, target))).length
  const prefix = requirements[0]?.id.replace(/-\d+$/, '') ?? ''
  const sum = `${count(TARGETS)} of ${ids.length}`
  return [prefix, title, sum, `source ${count(['source'])}`, `executable ${count(['executable'])}`]
}

function table(rows: readonly Row[]): string[] {
  const widths = [0, 1, 2, 3, 4].map((column) =>
    Math.max(0, ...rows.map((cells) => (cells[column] as string).length)),
  )
  return rows.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] as number))
      .join('  ')
      .trimEnd(),
  )
}

function told(
  { id, level, requirement }: Requirement,
  isProvenBy: (id: string, target: Target) => boolean,
): string {
  const lacking = TARGETS.filter((target) => !isProvenBy(id, target))
  return `missing from ${lacking.join(' and ')}: ${id} (${level}) ${requirement}`
}
