/** Requirements that this server has no place for: the only ones that need no proof. */

import type { Exceptions } from './proofs.ts'

export const NOT_APPLICABLE: Exceptions = {
  'R7644-3.4.2.3-12': 'is for servers that do not sort; here sort.supported is true',
  'PROF-13': 'is for an authorization server; there is no token endpoint, tokens are made by hand',
}
