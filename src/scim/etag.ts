/** Resource versions as weak entity tags. RFC 7644 section 3.14, RFC 9110 section 13.1. */

import { ScimError } from './error.ts'

export const etagOf = (version: number): string => `W/"${version}"`

/** The headers that make a request conditional on a version. */
export interface Conditions {
  readonly ifMatch: string | undefined
  readonly ifNoneMatch: string | undefined
}

/**
 * What has to hold of a resource that is there before it is changed. If-Match: it is a version
 * that the client has seen; If-None-Match: it is none of those listed, and `*` lists all. Compared
 * weakly, as the tags of SCIM are weak; RFC 9110 would have no weak tag match If-Match at all.
 *
 * @throws ScimError 412
 */
export function requireMatch(version: number, { ifMatch, ifNoneMatch }: Conditions): void {
  const tag = etagOf(version)
  if (ifMatch !== undefined && !isKnown(tag, ifMatch)) {
    throw ScimError.status(412, `the resource is at ${tag}, the request expects ${ifMatch}`)
  }
  if (isKnown(tag, ifNoneMatch)) {
    const expected = `If-None-Match expects none of ${ifNoneMatch}`
    throw ScimError.status(412, `the resource is there, at ${tag}; ${expected}`)
  }
}

/** If-None-Match: whether the client already holds this version. */
export const isKnown = (tag: string, ifNoneMatch: string | undefined): boolean =>
  ifNoneMatch !== undefined && (ifNoneMatch.trim() === '*' || listsTag(ifNoneMatch, tag))

function listsTag(header: string, tag: string): boolean {
  const bare = (text: string) => text.trim().replace(/^W\//i, '')
  return header.split(',').some((listed) => bare(listed) === bare(tag))
}
