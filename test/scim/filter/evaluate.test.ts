/** Filters evaluated in steps: as many as keep each of them short. */

import { expect, test } from 'bun:test'
import { matchSteps, predicateOf, termsIn } from '../../../src/scim/filter/evaluate.ts'
import { parseFilter } from '../../../src/scim/filter/parse.ts'
import { resolveFilter } from '../../../src/scim/filter/resolve.ts'
import { DEFAULT_RULES } from '../../../src/scim/tolerance.ts'
import { WORLD } from '../../property/world.ts'

const USERS = WORLD.typeNamed('User')
if (!USERS) throw new Error('there are users')
const EMAILS = Array.from({ length: 1000 }, (_, index) => ({ value: `Mail-${index}` }))
const candidate = {
  resource: { id: 'x', userName: 'u', emails: EMAILS },
  elements: () => [],
  holds: () => false,
}

const typed = (text: string) =>
  resolveFilter(parseFilter(text), USERS.resolve, { rules: DEFAULT_RULES, unknown: 'refuse' })

const many = (word: string, make: (index: number) => string) =>
  Array.from({ length: 190 }, (_, index) => make(index)).join(` ${word} `)

test.each([
  ['terms over a list', many('or', (i) => `emails.value eq "no-${i}"`), 190, false, 190 * 15],
  ['terms in a value path', `emails[${many('or', (i) => `value co "no-${i}"`)}]`, 190, false, 1000],
  ['what the last element decides', 'emails[value eq "mail-999"]', 1, true, 1000],
  ['what the first element decides', 'not (emails.value eq "MAIL-0")', 1, false, 1],
])('%s is evaluated in steps', (_what, filter, terms, expected, stepsMin) => {
  const resolved = typed(filter)
  expect(termsIn(resolved)).toBe(terms)
  const work = matchSteps(resolved, candidate)
  let steps = 0
  let step = work.next()
  for (; !step.done; step = work.next()) steps++
  expect(step.value).toBe(expected)
  expect(predicateOf(resolved)(candidate)).toBe(expected)
  expect(steps).toBeGreaterThanOrEqual(stepsMin)
})
