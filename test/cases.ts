/** The seed of generated cases, and how many there have been in this run of the tests. */

/** SCIMD_SEED repeats a run; the tests of generated cases have it in their names. */
export const SEED = Number(process.env['SCIMD_SEED'] ?? Date.now() % 2 ** 31)

/** Each test file loads this module anew, so the count is kept beside the modules. */
const COUNT = Symbol.for('scimd.generatedCases')
const counts = globalThis as { [COUNT]?: number }

/** Adds to the sum that is told at the end. What fast-check generates is added by itself. */
export function countCases(count: number): void {
  counts[COUNT] = (counts[COUNT] ?? 0) + count
}

export const casesCounted = (): number => counts[COUNT] ?? 0
