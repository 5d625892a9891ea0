/** Holds the arithmetic, the reader and the pictures of the benchmark to what they should say. */

import { describe, expect, test } from 'bun:test'
import { type Panel, svgOf } from './chart.ts'
import {
  comparison,
  type Figure,
  isMet,
  latencyFigure,
  latencyOf,
  median,
  quantileOf,
  rateFigure,
} from './figures.ts'
import { answerReader, type Measured } from './load.ts'
import { memoryIn } from './process-facts.ts'
import { betweenMarks } from './report.ts'
import { markdownOf, numberText, textOf } from './table.ts'
import { takeTurns } from './turns.ts'

const measured = (perSecond: number, latencies: number[] = [1]): Measured => ({
  count: latencies.length,
  perSecond,
  latencies,
  cpuMicros: undefined,
})

const naming = { group: 'Floors', name: 'GET', against: 'bare' } as const

describe('figures', () => {
  test('a median is in the middle, of an even number between the two', () => {
    expect(median([9, 1, 5])).toBe(5)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(median([])).toBeNaN()
  })

  test('a quantile of sorted values is one of them', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1)
    expect(quantileOf(hundred, 0.5)).toBe(51)
    expect(quantileOf(hundred, 0.99)).toBe(100)
    expect(quantileOf([7], 0.99)).toBe(7)
    expect(quantileOf([], 0.5)).toBeNaN()
  })

  test('a latency is of all rounds together', () => {
    const rounds = [measured(1, [1, 2, 10]), measured(1, [3, 4])]
    expect(latencyOf(rounds)).toEqual({ p50: 3, p99: 10 })
  })

  test('a ratio is the median of neighbouring rounds, not the ratio of medians', () => {
    const rounds = {
      ours: [measured(10), measured(100), measured(30)],
      theirs: [measured(10), measured(50), measured(10)],
    }
    const figure = rateFigure(naming, rounds)
    expect(figure.value).toBe(30)
    expect(figure.reference?.value).toBe(10)
    expect(figure.reference?.ratio).toEqual({ median: 2, low: 1, high: 3 })
  })

  test('a figure of latencies compares the same quantile of both', () => {
    const rounds = { ours: [measured(1, [1, 2, 30])], theirs: [measured(1, [1, 1, 10])] }
    expect(latencyFigure(naming, rounds).reference?.ratio.median).toBe(2)
    expect(latencyFigure(naming, rounds, 0.99).reference?.ratio.median).toBe(3)
  })

  test('what runs past HTTP has no latency', () => {
    const figure = rateFigure(naming, { ours: [measured(1)], theirs: [measured(1, [])] })
    expect(figure.latency).toEqual({ p50: 1, p99: 1 })
    expect(figure.reference).not.toHaveProperty('latency')
  })

  test('processor time is weighed by the requests of each round', () => {
    const round = (count: number, cpuMicros: number): Measured => ({
      ...measured(1),
      count,
      cpuMicros,
    })
    const rounds = { ours: [round(1, 40), round(3, 80)], theirs: [round(2, 10), round(2, 10)] }
    expect(rateFigure(naming, rounds).reference?.cpuRatio).toBe(7)
  })

  test.each([
    ['at least, met', { of: 'ratio', atLeast: 0.5 }, true],
    ['at least, missed', { of: 'ratio', atLeast: 0.51 }, false],
    ['at most, met', { of: 'value', atMost: 5 }, true],
    ['at most, missed', { of: 'value', atMost: 4.9 }, false],
  ] as const)('a goal is met at its bound and not past it: %s', (_, goal, met) => {
    expect(isMet(comparison({ ...naming, goal }, 'ms', [5], [10]))).toBe(met)
  })

  test('without a goal nothing is met, and what was not measured meets none', () => {
    expect(isMet(comparison(naming, 'ms', [5], [10]))).toBeUndefined()
    const goal = { of: 'ratio', atMost: 3 } as const
    expect(isMet(comparison({ ...naming, goal }, 'ms', [], []))).toBe(false)
  })

  test('turns go forth and back, and the first ones do not count', async () => {
    const order: string[] = []
    const turn = (name: string) => async () => order.push(name)
    const taken = await takeTurns([turn('a'), turn('b')], 2)
    expect(order.join('')).toBe('ababba')
    expect(taken).toEqual([
      [3, 6],
      [4, 5],
    ])
  })
})

describe('tables', () => {
  const figures: Figure[] = [
    {
      ...comparison({ ...naming, goal: { of: 'ratio', atLeast: 0.85 } }, 'req/s', [900], [1000]),
      target: 'GET by id',
    },
    { group: 'Memory and start', name: 'memory | most', unit: 'MiB', value: 150.4 },
  ]

  test.each([
    [0.1234, '0.12'],
    [12.34, '12.3'],
    [123.4, '123'],
    [12345.6, '12,346'],
    [Number.NaN, '–'],
  ])('%d is read as %s', (value, text) => {
    expect(numberText(value)).toBe(text)
  })

  test('a terminal gets aligned columns, the targets at the end', () => {
    expect(textOf(figures).split('\n')).toEqual([
      'Floors',
      'figure  scimd  against                         ratio  goal    met',
      'GET     900/s  bare     1,000/s  0.90 (0.90 to 0.90)  ≥ 0.85  yes',
      '',
      'Memory and start',
      'figure           scimd',
      'memory | most  150 MiB',
      '',
      'Targets',
      'target     figure                           found  goal    met',
      'GET by id  GET, against bare  0.90 (0.90 to 0.90)  ≥ 0.85  yes',
    ])
  })

  test('Markdown begins with the targets, and no cell breaks its row', () => {
    const text = markdownOf(figures)
    expect(text.startsWith('**Targets**\n\n| target | figure |')).toBe(true)
    expect(text).toContain('| memory \\| most | 150 MiB |')
    for (const table of text.split('\n\n').filter((part) => part.startsWith('|'))) {
      const columns = table.split('\n').map((line) => line.replaceAll('\\|', '').split('|').length)
      expect(new Set(columns).size).toBe(1)
    }
  })

  test('the README changes between its marks alone', () => {
    const begin = '<!-- figures of the benchmark -->'
    const end = '<!-- end of the figures -->'
    const text = betweenMarks(`before\n${begin}\nold\n${end}\nafter`, 'new')
    expect(text).toBe(`before\n${begin}\n\nnew\n\n${end}\nafter`)
    expect(betweenMarks(text, 'new')).toBe(text)
    expect(() => betweenMarks('no marks', 'new')).toThrow('README.md lacks')
  })

  test('README.md has the marks', async () => {
    const readme = await Bun.file(new URL('../../README.md', import.meta.url)).text()
    expect(() => betweenMarks(readme, '')).not.toThrow()
  })
})

describe('the chart', () => {
  const panel: Panel = {
    title: 'a <b> & "c"',
    across: 'users',
    up: 'ms',
    series: [
      {
        name: 'flat',
        points: [
          [10, 1],
          [1000, 1],
        ],
      },
      {
        name: 'steep',
        points: [
          [10, 1],
          [100, 10],
          [1000, 100],
        ],
      },
    ],
  }
  const places = (svg: string): number[][] =>
    [...svg.matchAll(/<circle[^>]* cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [
      Number(x),
      Number(y),
    ])

  test('is well-formed, whatever its words are', () => {
    const open: string[] = []
    const svg = svgOf([panel, panel])
    for (const [, slash, name, , closed] of svg.matchAll(
      /<(\/?)(\w+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g,
    )) {
      if (slash === '/') expect(open.pop()).toBe(name)
      else if (closed !== '/') open.push(name as string)
    }
    expect(open).toEqual([])
    expect(svg).toContain('a &lt;b&gt; &amp; &quot;c&quot;')
    expect(svg.split('<').length).toBe(svg.split('>').length)
  })

  test('a tenfold value is as far from its neighbour wherever it is', () => {
    const [, , first = [], second = [], third = []] = places(svgOf([panel]))
    const step = (from: number[], to: number[], axis: number) =>
      (to[axis] as number) - (from[axis] as number)
    expect(step(first, second, 0)).toBeCloseTo(step(second, third, 0), 0)
    expect(step(first, second, 1)).toBeCloseTo(step(second, third, 1), 0)
    expect(step(first, second, 1)).toBeLessThan(0)
  })

  test('what has no place on a logarithmic axis is left out', () => {
    const points = [
      [0, 1],
      [10, 0],
      [10, Number.NaN],
      [10, 5],
    ] as const
    expect(places(svgOf([{ ...panel, series: [{ name: 'one', points }] }]))).toHaveLength(1)
    const none = { ...panel, series: [{ name: 'none', points: [] }] }
    expect(() => svgOf([none])).toThrow('nothing to draw')
  })

  test('names do not cover each other, and stay within the panel', () => {
    const series = Array.from({ length: 8 }, (_, index) => ({
      name: `series ${index}`,
      points: [[10, 1 + index / 1000]] as const,
    }))
    const ys = [...svgOf([{ ...panel, series }]).matchAll(/<text class="f\d" [^>]*y="([\d.]+)"/g)]
      .map(([, y]) => Number(y))
      .sort((left, right) => left - right)
    expect(ys).toHaveLength(8)
    for (const [index, y] of ys.entries()) {
      if (index > 0) expect(y - (ys[index - 1] as number)).toBeGreaterThanOrEqual(16)
    }
    expect(ys.at(-1)).toBeLessThan(400)
  })
})

describe('the client', () => {
  /** Gives an answer to the reader in pieces of this length. */
  function read(text: string, length: number) {
    const reader = answerReader(true)
    const bytes = Buffer.from(text)
    let wholeAt: number | undefined
    for (let at = 0; at < bytes.length && wholeAt === undefined; at += length) {
      if (reader.take(bytes.subarray(at, at + length)))
        wholeAt = Math.min(at + length, bytes.length)
    }
    return { wholeAt, body: reader.body(), isSuccess: reader.isSuccess() }
  }

  const withLength = 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}'
  const inChunks =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n3\r\n:0}\r\n0\r\n\r\n'
  const withoutBody = 'HTTP/1.1 204 No Content\r\n\r\n'

  test.each([1, 2, 3, 7, 1000])('reads answers that come in pieces of %d bytes', (length) => {
    for (const [text, body] of [
      [withLength, '{"a":1}'],
      [inChunks, '{"a":0}'],
      [withoutBody, ''],
    ] as const) {
      expect(read(text, length)).toEqual({ wholeAt: text.length, body, isSuccess: true })
    }
  })

  test('tells a refusal', () => {
    const refused = 'HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}'
    expect(read(refused, 1000).isSuccess).toBe(false)
  })

  test('refuses an answer whose end nobody could see', () => {
    expect(() => read('HTTP/1.1 200 OK\r\n\r\n{}', 1000)).toThrow('has no length')
  })

  test('reads memory as the kernel tells it', () => {
    const status = 'VmHWM:\t  204800 kB\nVmRSS:\t 1000 kB\nRssAnon:\t   51200 kB\n'
    expect(memoryIn(status)).toEqual({ anonymous: 50, residentMost: 200 })
  })
})
