/** What a request changes about the links of a resource, before any store has been asked. */

import type { Link } from './registry.ts'

/** A linked resource as a value path sees it: `members[type eq "User"]`. */
export interface LinkedResource {
  readonly id: string
  readonly type: { readonly name: string }
  readonly display: string
}

/** One edit of a set of links. Edits apply in their order. */
export type LinkEdit =
  | {
      readonly link: Link
      readonly op: 'add' | 'remove' | 'replace'
      readonly ids: readonly string[]
      /**
       * Whether an id is linked to, given the name of its resource type, or undefined when there is
       * no such resource. May throw a ScimError. Where it is not said, all ids have to exist.
       */
      readonly accepts?: (id: string, type: string | undefined) => boolean
      /** Which of the ids a removal means; all, where it is not said. */
      readonly matches?: (member: LinkedResource) => boolean
    }
  | {
      readonly link: Link
      readonly op: 'removeWhere'
      readonly matches: (member: LinkedResource) => boolean
    }
