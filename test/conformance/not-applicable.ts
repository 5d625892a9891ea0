/** Requirements that this server has no place for: the only ones that need no proof. */

import type { Exceptions } from './proofs.ts'

export const NOT_APPLICABLE: Exceptions = {
  'R7644-3.4.2.3-12': 'is for servers that do not sort; here sort.supported is true',
  'R9865-2-16':
    'is a MAY for servers that page by cursor alone; here paging by index is the default',
}
