/**
 * What a PATCH operation comes to: assignments, each to one attribute, as plain data. RFC 7644
 * section 3.5.2.
 */

import { ScimError } from '../error.ts'
import type { TypedFilter } from '../filter/resolve.ts'
import type { JsonValue } from '../json.ts'
import type { AttributePath } from '../registry.ts'
import type { Attribute, Schema } from '../schema.ts'
import { type Rules, tolerated } from '../tolerance.ts'

export type PatchOp = 'add' | 'remove' | 'replace'

/** One operation on one attribute; an operation without a path has become several of these. */
export interface Assignment {
  readonly op: PatchOp
  readonly target: AttributePath | ExtensionRoot
  /** The elements of a multi-valued attribute that are meant. */
  readonly selection: Selection | undefined
  /** As it was sent; undefined when the operation has none. */
  readonly value: JsonValue | undefined
  /** The ids that its value names, when that is of a link attribute. */
  readonly ids?: readonly string[]
  /** Where in the request, for messages. */
  readonly at: string
}

export interface ExtensionRoot {
  readonly kind: 'extension'
  readonly extension: Schema
}

/** The filter of a value path: what it selects, and what an element made from it would hold. */
export interface Selection {
  readonly typed: TypedFilter
  readonly matches: (element: JsonValue) => boolean
  /** Whether it is asked of the values of a list of simple ones, and not of objects. */
  readonly isOfValues: boolean
  /** Sub-attributes and values of its `eq` terms, or undefined when there are other terms. */
  readonly seed: readonly { readonly sub: Attribute; readonly value: JsonValue }[] | undefined
}

/** Without the tolerance the value is refused: to ignore it would empty the attribute. */
export function requireRemoveByValue(attribute: Attribute, at: string, rules: Rules): void {
  if (tolerated(rules, 'removeByValue')) return
  throw ScimError.of(
    'invalidValue',
    `${at}.value: remove takes no value; select elements by a path such as ${attribute.name}[value eq "…"]`,
  )
}
