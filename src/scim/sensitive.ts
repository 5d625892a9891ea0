/** Keeps what a tenant calls sensitive out of addresses. RFC 7644 section 7.5.2. */

import { ScimError } from './error.ts'
import { parseFilter } from './filter/parse.ts'
import { resolveFilter, type TypedFilter } from './filter/resolve.ts'
import type { AttributePath, ResourceType } from './registry.ts'
import type { Rules } from './tolerance.ts'

/**
 * Refuses a filter in an address that names a sensitive attribute of one of the types, as addresses
 * are logged and kept by whatever they pass through.
 *
 * @throws ScimError sensitive; invalidFilter for no filter at all
 */
export function requireNothingSensitive(
  types: readonly ResourceType[],
  filter: string | undefined,
  rules: Rules,
): void {
  const { sensitive } = rules
  if (sensitive.length === 0 || filter === undefined) return
  const parsed = parseFilter(filter)
  for (const type of types) {
    const named = pathsIn(resolveFilter(parsed, type.resolve, { rules, unknown: 'absent' }))
    for (const text of sensitive) {
      const kept = type.resolve(text)
      const found = named.find((path) => kept?.kind === 'attribute' && isWithin(path, kept))
      if (!found) continue
      const cure = 'send the query by POST to .search (RFC 7644 section 3.4.3)'
      throw ScimError.of('sensitive', `"${found.text}" is kept out of addresses; ${cure}`)
    }
  }
}

function pathsIn(filter: TypedFilter): AttributePath[] {
  if ('operands' in filter) return filter.operands.flatMap(pathsIn)
  if ('operand' in filter) return pathsIn(filter.operand)
  if (filter.kind === 'constant') return []
  return filter.kind === 'valuePath' ? [filter.path, ...pathsIn(filter.filter)] : [filter.path]
}

/** Whether a path names what another one means, or a part of it. */
const isWithin = (path: AttributePath, kept: AttributePath): boolean =>
  path.attribute === kept.attribute &&
  path.extension === kept.extension &&
  (kept.sub === undefined || path.sub === kept.sub)
