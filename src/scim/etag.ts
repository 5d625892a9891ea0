/** Resource versions as weak entity tags. RFC 7644 section 3.14, RFC 9110 section 13.1. */

import { ScimError } from './error.ts'

export const etagOf = (version: number): string => `W/"${version}"`

/**
 * If-Match: refuses to write over a version that the client has not seen. Compared weakly, as
 * the tags of SCIM are weak; RFC 9110 would have no weak tag match at all.
 *
 * @throws ScimError 412
 */
export function requireMatch(version: number, ifMatch: string | undefined): void {
  if (ifMatch === undefined || ifMatch.trim() === '*') return
  if (listsTag(ifMatch, etagOf(version))) return
  throw ScimError.status(
    412,
    `the resource is at ${etagOf(version)}, the request expects ${ifMatch}`,
  )
}

/** If-None-Match: whether the client already holds this version. */
export const isKnown = (tag: string, ifNoneMatch: string | undefined): boolean =>
  ifNoneMatch !== undefined && (ifNoneMatch.trim() === '*' || listsTag(ifNoneMatch, tag))

function listsTag(header: string, tag: string): boolean {
  const bare = (text: string) => text.trim().replace(/^W\//i, '')
  return header.split(',').some((listed) => bare(listed) === bare(tag))
}
