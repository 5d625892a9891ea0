/** Turns curves into an SVG: one panel below the other, both axes logarithmic. */

/** Values of one thing, by the size of another. */
export interface Series {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface Panel {
  readonly title: string
  /** What the horizontal axis counts. */
  readonly across: string
  /** What the vertical axis measures, with its unit. */
  readonly up: string
  readonly series: readonly Series[]
}

const WIDTH = 900
const PANEL_HEIGHT = 400
const PLOT = { left: 70, right: WIDTH - 270, top: 50, bottom: PANEL_HEIGHT - 55 }
const LABEL_X = PLOT.right + 14
const LABEL_HEIGHT = 17

/** A colour for light and one for dark surroundings; each is readable on the ground below. */
const COLOURS = [
  ['#0550ae', '#79c0ff'],
  ['#a40e26', '#ff9492'],
  ['#116329', '#56d364'],
  ['#6639ba', '#d2a8ff'],
  ['#953800', '#ffa657'],
  ['#99286e', '#ff9bce'],
  ['#57606a', '#c9d1d9'],
  ['#0a6c74', '#76e3ea'],
] as const

/** The chart brings its own ground, so that it is legible wherever it is shown. */
const STYLE = [
  'text{font:13px system-ui,sans-serif;fill:#1f2328}',
  '.title{font-weight:600;font-size:15px}',
  '.ground{fill:#ffffff}.grid{stroke:#d1d9e0;stroke-width:1}',
  'path{fill:none;stroke-width:2}',
  ...COLOURS.map(([light], index) => `.s${index}{stroke:${light}}.f${index}{fill:${light}}`),
  '@media (prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.grid{stroke:#30363d}',
  ...COLOURS.map(([, dark], index) => `.s${index}{stroke:${dark}}.f${index}{fill:${dark}}`),
  '}',
].join('')

/**
 * Draws panels. Points that have no place on a logarithmic axis are left out.
 *
 * @throws Error for a panel without any point
 */
export function svgOf(panels: readonly Panel[]): string {
  const height = PANEL_HEIGHT * panels.length
  const label = escaped(panels.map(({ title }) => title).join('; '))
  const box = `viewBox="0 0 ${WIDTH} ${height}"`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${box} role="img" aria-label="${label}">`,
    `<style>${STYLE}</style>`,
    `<rect class="ground" width="${WIDTH}" height="${height}"/>`,
    ...panels.flatMap((panel, index) => [
      `<g transform="translate(0 ${index * PANEL_HEIGHT})">`,
      ...panelOf(panel),
      '</g>',
    ]),
    '</svg>\n',
  ].join('\n')
}

const escaped = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')

/** An axis: where a value is, and the powers of ten that are marked. */
interface Axis {
  readonly powers: readonly number[]
  at(value: number): number
}

function axisOf(values: readonly number[], from: number, to: number): Axis {
  const low = Math.floor(Math.log10(Math.min(...values)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))))
  return {
    powers: Array.from({ length: high - low + 1 }, (_, index) => low + index),
    at: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from),
  }
}

const hasPlace = ([x, y]: readonly [number, number]): boolean =>
  x > 0 && y > 0 && Number.isFinite(x) && Number.isFinite(y)

function panelOf({ title, across, up, series }: Panel): string[] {
  const drawn = series.map(({ name, points }) => ({ name, points: points.filter(hasPlace) }))
  const all = drawn.flatMap(({ points }) => points)
  if (all.length === 0) throw new Error(`nothing to draw: ${title}`)
  const horizontal = axisOf(
    all.map(([x]) => x),
    PLOT.left,
    PLOT.right,
  )
  const vertical = axisOf(
    all.map(([, y]) => y),
    PLOT.bottom,
    PLOT.top,
  )
  return [
    `<text class="title" x="${PLOT.left}" y="24">${escaped(title)}</text>`,
    ...gridOf(horizontal, vertical),
    textAt((PLOT.left + PLOT.right) / 2, PANEL_HEIGHT - 14, across, 'middle'),
    textAt(PLOT.left, PLOT.top - 10, up, 'start'),
    ...drawn.flatMap(({ points }, index) => lineOf(points, index, horizontal, vertical)),
    ...labelsOf(drawn, vertical),
  ]
}

function gridOf(horizontal: Axis, vertical: Axis): string[] {
  const line = (x1: number, y1: number, x2: number, y2: number) =>
    `<line class="grid" x1="${px(x1)}" y1="${px(y1)}" x2="${px(x2)}" y2="${px(y2)}"/>`
  return [
    ...horizontal.powers.flatMap((power) => {
      const x = horizontal.at(10 ** power)
      const text = powerText(power)
      return [line(x, PLOT.top, x, PLOT.bottom), textAt(x, PLOT.bottom + 18, text, 'middle')]
    }),
    ...vertical.powers.flatMap((power) => {
      const y = vertical.at(10 ** power)
      const text = powerText(power)
      return [line(PLOT.left, y, PLOT.right, y), textAt(PLOT.left - 8, y + 4, text, 'end')]
    }),
  ]
}

const powerText = (power: number): string =>
  power < 0 ? (10 ** power).toFixed(-power) : (10 ** power).toLocaleString('en-US')

const px = (value: number): string => value.toFixed(1)

const textAt = (x: number, y: number, text: string, anchor: string): string =>
  `<text x="${px(x)}" y="${px(y)}" text-anchor="${anchor}">${escaped(text)}</text>`

function lineOf(
  points: Series['points'],
  index: number,
  horizontal: Axis,
  vertical: Axis,
): string[] {
  const colour = index % COLOURS.length
  const places = points.map(([x, y]) => [px(horizontal.at(x)), px(vertical.at(y))] as const)
  const path = places.map(([x, y]) => `${x} ${y}`).join('L')
  return [
    ...(places.length > 1 ? [`<path class="s${colour}" d="M${path}"/>`] : []),
    ...places.map(([x, y]) => `<circle class="f${colour}" cx="${x}" cy="${y}" r="3.5"/>`),
  ]
}

/** Names at the end of each curve, moved apart where they would cover each other. */
function labelsOf(series: readonly Series[], vertical: Axis): string[] {
  const labels = series.flatMap(({ name, points }, index) => {
    const last = points.at(-1)
    return last ? [{ name, index, y: vertical.at(last[1]) + 4 }] : []
  })
  labels.sort((left, right) => left.y - right.y)
  const lowest = PLOT.bottom + 4
  let above = Number.NEGATIVE_INFINITY
  for (const [place, label] of labels.entries()) {
    const below = labels.length - 1 - place
    // Room is left for those below.
    const y = Math.min(Math.max(label.y, above + LABEL_HEIGHT), lowest - below * LABEL_HEIGHT)
    label.y = Math.max(y, above + LABEL_HEIGHT)
    above = label.y
  }
  return labels.map(
    ({ name, index, y }) =>
      `<text class="f${index % COLOURS.length}" x="${LABEL_X}" y="${px(y)}">${escaped(name)}</text>`,
  )
}
