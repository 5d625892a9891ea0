/** `scimd explain`: shows how a query is answered, for whoever wonders why it takes long. */

import { type Explanation, explain as explainIn, type Missing } from '../operations/explain.ts'
import type { EntryKey } from '../scim/entries.ts'
import type { Plan, Range } from '../scim/filter/plan.ts'
import { PAGE_COUNT_DEFAULT, PAGE_COUNT_MAX, SORT_COUNT_MAX } from '../scim/limits.ts'
import type { AttributePath, ResourceType } from '../scim/registry.ts'
import { searchInQuery } from '../scim/search-request.ts'
import type { Command } from './command.ts'
import { JSON_OPTION } from './control.ts'
import { QUERY_OPTIONS, queryOf, READER_OPTIONS, requireType, withReader } from './reader.ts'

export const explain: Command = {
  name: 'explain',
  summary:
    'Shows how a query is answered: by which indexes, how many resources it looks at and finds.',
  operands: ['[TYPE]'],
  options: [
    ...QUERY_OPTIONS,
    {
      name: 'count',
      value: 'N',
      meaning: `the size of the page (default: ${PAGE_COUNT_DEFAULT}, at most ${PAGE_COUNT_MAX})`,
    },
    { name: 'start', value: 'N', meaning: 'startIndex: the first one of the page, from 1' },
    ...READER_OPTIONS,
    JSON_OPTION,
  ],
  example: `scimd explain User --filter 'emails.value sw "ada" and active eq true'`,

  async run(terminal, options, [name = 'User']) {
    await withReader(options, terminal.now, async (context) => {
      const type = requireType(context, name)
      const request = searchInQuery(queryOf(options))
      const started = performance.now()
      const explanation = await explainIn(context, type, request)
      const told = tell(type, explanation, performance.now() - started)
      terminal.out(options['json'] ? `${JSON.stringify(told, null, 2)}\n` : textOf(told))
    })
  },
}

/** What is printed, as JSON shows it. */
interface Told {
  readonly type: string
  /** Where the candidates come from; none when all resources of the type are looked at. */
  readonly ranges: readonly string[]
  /** What would have done as well, with more candidates. */
  readonly passed: readonly { readonly ranges: readonly string[]; readonly candidates: Counted }[]
  readonly exact: boolean
  readonly order: string
  readonly estimated: Counted
  readonly candidates: number
  /** Documents that were read to find the matches among the candidates, or to sort them. */
  readonly read: number
  readonly matched: number
  readonly milliseconds: number
  readonly advice: string | null
}

interface Counted {
  readonly count: number
  /** Whether it was counted no further. */
  readonly orMore: boolean
}

function tell(type: ResourceType, explanation: Explanation, milliseconds: number): Told {
  const { account, isExact, matched, missing } = explanation
  const { counted = 0, countMax = 0 } = account.estimate ?? {}
  return {
    type: type.name,
    ranges: rangesOf(account.plan),
    passed: account.passed.map((one) => ({
      ranges: rangesOf(one.plan),
      candidates: { count: one.counted, orMore: one.counted >= one.countMax },
    })),
    exact: isExact,
    order: ORDERS[account.order],
    estimated: { count: counted, orMore: counted >= countMax },
    candidates: account.candidates,
    read: account.read,
    matched,
    milliseconds: Math.round(milliseconds * 10) / 10,
    advice: missing ? adviceOf(type, missing) : null,
  }
}

const ORDERS = {
  creation: 'of creation',
  index: 'along the index of the sort',
  memory: `collected and sorted in memory, at most ${SORT_COUNT_MAX}`,
} as const

function adviceOf({ name }: ResourceType, { paths, isAnyEnough }: Missing): string {
  if (paths.length === 0) return 'there is no index that would serve such a filter'
  const names = paths.map((path) => JSON.stringify(path)).join(isAnyEnough ? ' or ' : ' and ')
  return `${names} under "indexed" in the resource type file of ${name} would serve`
}

/** The ranges of a plan, one to a line. */
function rangesOf(plan: Plan): string[] {
  switch (plan.kind) {
    case 'all':
      return []
    case 'id':
      return [`id: eq ${JSON.stringify(plan.id)}`]
    case 'range':
      return [`index ${plan.path.text}: ${boundsText(plan)}`]
    case 'ownersOf':
      return [`links ${plan.link.name}: those that hold ${JSON.stringify(plan.id)}`]
    case 'membersOf':
      return [`links ${plan.link.name}: held by ${JSON.stringify(plan.id)} and those in it`]
    case 'union':
    case 'anyOf':
      return plan.plans.flatMap(rangesOf)
    case 'except':
      return rangesOf(plan.plan).map((range) => `all but ${range}`)
  }
}

/** The bounds of a range in the words of a filter. */
function boundsText({ path, from, to, prefix, text }: Range): string {
  if (prefix !== undefined) return `sw ${JSON.stringify(prefix)}`
  if (text) return `${text.at === 'end' ? 'ew' : 'co'} ${JSON.stringify(text.value)}, each key`
  if (from && to && from.key === to.key) return `eq ${keyText(path, from.key)}`
  const bounds = [
    ...(from ? [`${from.inclusive ? 'ge' : 'gt'} ${keyText(path, from.key)}`] : []),
    ...(to ? [`${to.inclusive ? 'le' : 'lt'} ${keyText(path, to.key)}`] : []),
  ]
  return bounds.length === 0 || (from?.key === '' && !to) ? 'pr' : bounds.join(' and ')
}

const keyText = ({ leaf }: AttributePath, key: EntryKey): string =>
  leaf.type === 'dateTime' ? new Date(Number(key)).toISOString() : JSON.stringify(key)

function textOf(told: Told): string {
  const counted = ({ count, orMore }: Counted) => `${count}${orMore ? ' or more' : ''}`
  const { ranges, passed, exact } = told
  const isAll = ranges.length === 0
  const lines: [name: string, value: string][] = [
    ...(isAll
      ? [['ranges', `none: all of ${told.type}`] as [string, string]]
      : ranges.map((range, at): [string, string] => [at === 0 ? 'ranges' : '', range])),
    ...passed.flatMap((one) =>
      one.ranges.map((range): [string, string] => [
        'passed by',
        `${range} (${counted(one.candidates)})`,
      ]),
    ),
    ['exact', exact ? 'yes: all candidates match' : 'no: the documents of candidates decide'],
    ['order', told.order],
    ['estimated', counted(told.estimated)],
    ['candidates', String(told.candidates)],
    ['read', `${told.read} of their documents`],
    ['matched', String(told.matched)],
    ['took', `${told.milliseconds} ms`],
    ...(told.advice === null ? [] : [['advice', told.advice] as [string, string]]),
  ]
  return lines.map(([name, value]) => `${name.padEnd(11)}${value}\n`).join('')
}
