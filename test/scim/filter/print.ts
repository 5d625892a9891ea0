/** The syntax tree of a filter to a text that parses to the same tree. RFC 7644 section 3.4.2.2. */

import type { Filter } from '../../../src/scim/filter/filter.ts'

/**
 * Prints a filter with no more parentheses than it needs. Parsing the text gives the same tree but
 * for the offsets, given a tree such as parseFilter makes: no `and` right within an `and`, no `or`
 * right within an `or`, no number that is not finite. Sub-attributes that were written behind the
 * brackets of a value path have been moved inside by the parser and are printed there.
 */
export function printFilter(filter: Filter): string {
  switch (filter.kind) {
    case 'or':
      return filter.operands.map(printFilter).join(' or ')
    case 'and':
      return filter.operands.map(printTerm).join(' and ')
    case 'not':
      return `not (${printFilter(filter.operand)})`
    case 'present':
      return `${filter.path.text} pr`
    case 'compare':
      return `${filter.path.text} ${filter.operator} ${JSON.stringify(filter.value)}`
    case 'valuePath':
      return `${filter.path.text}[${printFilter(filter.filter)}]`
  }
}

/** `and` binds tighter than `or`, so an `or` within needs parentheses. */
function printTerm(operand: Filter): string {
  return operand.kind === 'or' ? `(${printFilter(operand)})` : printFilter(operand)
}
