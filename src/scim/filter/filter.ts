/**
 * The syntax tree of a filter: plain data, before any schema has been asked. RFC 7644 section
 * 3.4.2.2.
 */

export type CompareOperator = 'eq' | 'ne' | 'co' | 'sw' | 'ew' | 'gt' | 'ge' | 'lt' | 'le'

/** A comparison value: any JSON literal that is neither array nor object. */
export type Literal = string | number | boolean | null

/** An attribute path as written, with where it begins (UTF-16 units from the start of the text). */
export interface PathText {
  readonly text: string
  readonly offset: number
}

export type Filter =
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Filter[] }
  | { readonly kind: 'not'; readonly operand: Filter }
  | { readonly kind: 'present'; readonly path: PathText }
  | {
      readonly kind: 'compare'
      readonly path: PathText
      readonly operator: CompareOperator
      /** Where the operator begins. */
      readonly operatorOffset: number
      readonly value: Literal
      /** Where the value begins. */
      readonly valueOffset: number
    }
  | {
      readonly kind: 'valuePath'
      readonly path: PathText
      readonly filter: Filter
      /** The last term stood behind the brackets, where figure 1 has nothing. */
      readonly isExtended?: true
    }
