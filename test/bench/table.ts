/** Turns figures into text: aligned columns for a terminal, Markdown for the README. */

import { type Figure, type Goal, GROUPS, isMet, type Latency, type Unit } from './figures.ts'

const HEADS = ['figure', 'scimd', 'p50 / p99 ms', 'against', '', 'p50 / p99 ms', 'ratio', 'cpu']
const GOAL_HEADS = ['goal', 'met']
/** Columns of words, which begin at the left. */
const WORDS = new Set(['figure', 'against', 'goal', 'met', 'target'])

/** A number as it is read: three digits that count. */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (value >= 1000) return Math.round(value).toLocaleString('en-US')
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)
}

const valueText = (value: number, unit: Unit): string =>
  unit === 'req/s' ? `${numberText(value)}/s` : `${numberText(value)} ${unit}`

const latencyText = (latency: Latency | undefined): string =>
  latency ? `${numberText(latency.p50)} / ${numberText(latency.p99)}` : ''

export function goalText({ of, atLeast, atMost }: Goal, unit: Unit): string {
  const bound = (atLeast ?? atMost ?? Number.NaN) as number
  const text = of === 'ratio' ? String(bound) : `${bound} ${unit}`
  return `${atLeast === undefined ? '≤' : '≥'} ${text}`
}

const metText = (figure: Figure): string => {
  const met = isMet(figure)
  return met === undefined ? '' : met ? 'yes' : 'no'
}

const ratioText = ({ reference }: Figure): string =>
  reference
    ? `${numberText(reference.ratio.median)} (${numberText(reference.ratio.low)} to ${numberText(reference.ratio.high)})`
    : ''

function rowOf(figure: Figure): string[] {
  const { name, unit, value, latency, reference, goal, note } = figure
  const isAbsent = Number.isNaN(value)
  return [
    name,
    isAbsent ? '–' : valueText(value, unit),
    latencyText(latency),
    note ?? reference?.name ?? '',
    reference ? valueText(reference.value, unit) : '',
    latencyText(reference?.latency),
    ratioText(figure),
    reference?.cpuRatio === undefined ? '' : numberText(reference.cpuRatio),
    goal ? goalText(goal, unit) : '',
    metText(figure),
  ]
}

/** A heading of the report with its columns and rows; columns that are empty are left out. */
interface Table {
  readonly title: string
  readonly heads: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

function tablesOf(figures: readonly Figure[]): Table[] {
  return GROUPS.flatMap((group) => {
    const rows = figures.filter((figure) => figure.group === group).map(rowOf)
    return rows.length === 0 ? [] : [withoutEmpty(group, [...HEADS, ...GOAL_HEADS], rows)]
  })
}

function withoutEmpty(title: string, heads: readonly string[], rows: string[][]): Table {
  const isUsed = heads.map((_, column) => rows.some((row) => row[column] !== ''))
  const used = (row: readonly string[]) => row.filter((_, column) => isUsed[column])
  return { title, heads: used(heads), rows: rows.map(used) }
}

/** Every target with its figure, whichever run it comes from. */
function targetsOf(figures: readonly Figure[]): Table {
  const rows = figures.flatMap((figure) => {
    const { target, goal, unit, value, name, reference } = figure
    if (target === undefined || !goal) return []
    const found = goal.of === 'ratio' ? ratioText(figure) : valueText(value, unit)
    const against = goal.of === 'ratio' && reference ? `${name}, against ${reference.name}` : name
    return [[target, against, found, goalText(goal, unit), metText(figure)]]
  })
  return { title: 'Targets', heads: ['target', 'figure', 'found', 'goal', 'met'], rows }
}

/** The report of one run, for a terminal. */
export function textOf(figures: readonly Figure[]): string {
  return [...tablesOf(figures), targetsOf(figures)].map(aligned).join('\n\n')
}

/** The same for the README, targets first. */
export function markdownOf(figures: readonly Figure[]): string {
  return [targetsOf(figures), ...tablesOf(figures)].map(markdownTable).join('\n\n')
}

function aligned({ title, heads, rows }: Table): string {
  const all = [heads, ...rows]
  const widths = heads.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  const lines = all.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return WORDS.has(heads[column] ?? '') ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  ')
      .trimEnd(),
  )
  return [title, ...lines].join('\n')
}

function markdownTable({ title, heads, rows }: Table): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  const rule = `|${heads.map((head) => (WORDS.has(head) ? '---' : '--:')).join('|')}|`
  return [`**${title}**`, '', line(heads), rule, ...rows.map(line)].join('\n')
}
