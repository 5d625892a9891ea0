/** Keeps at most one element of a list primary while it is patched. RFC 7644 section 3.5.2. */

import { ScimError } from '../error.ts'
import type { JsonValue } from '../json.ts'
import type { Attribute } from '../schema.ts'
import { identityOf, isJsonObject } from '../value.ts'

/** The elements that an operation makes primary: at most one. */
export function primariesOf(
  touched: readonly JsonValue[],
  attribute: Attribute,
  at: string,
): JsonValue | undefined {
  const primaries = touched.filter(
    (element) => isJsonObject(element) && element['primary'] === true,
  )
  if (primaries.length > 1) {
    throw ScimError.of(
      'invalidValue',
      `${at}: makes ${primaries.length} elements of ${attribute.name} primary`,
    )
  }
  return primaries[0]
}

/** Section 3.5.2: when one element becomes primary, the one that was is no longer. */
export function demoted(
  attribute: Attribute,
  elements: readonly JsonValue[],
  primary: JsonValue | undefined,
  touched: readonly JsonValue[],
): JsonValue[] {
  if (!isJsonObject(primary)) return [...elements]
  const last = touched.findLast(
    (element) =>
      isJsonObject(element) &&
      element['primary'] === true &&
      identityOf(attribute, element) === identityOf(attribute, primary),
  )
  return elements.map((element) => {
    if (!isJsonObject(element) || element['primary'] !== true || element === last) return element
    return { ...element, primary: false }
  })
}
