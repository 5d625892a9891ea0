/** Loaded before all tests: a seed for each property, and the sum of generated cases at the end. */

import { afterAll } from 'bun:test'
import fc from 'fast-check'
import { casesCounted, countCases, SEED } from './cases.ts'

fc.configureGlobal({
  seed: SEED,
  reporter(run) {
    countCases(run.numRuns)
    if (run.failed) throw new Error(fc.defaultReportMessage(run), { cause: run.errorInstance })
  },
})

afterAll(() => {
  if (casesCounted() > 0) console.log(`generated cases: ${casesCounted()}`)
})
