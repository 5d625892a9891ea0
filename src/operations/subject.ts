/** The resource that a credential is linked to: RFC 7644 section 3.11. */

import { documentOf } from '../scim/document.ts'
import { ScimError } from '../scim/error.ts'
import type { Header, Store } from '../store/store.ts'

/**
 * Finds what `/Me` stands for.
 *
 * @throws ScimError 501 for a credential that is linked to nothing, 404 when it is gone
 */
export async function subjectOf(store: Store, user: string | undefined): Promise<Header> {
  if (user === undefined) {
    throw ScimError.status(501, '/Me is for credentials made for a user: scimd token create --user')
  }
  const header = await store.find(user)
  if (header) return header
  throw ScimError.status(404, `the resource ${user} of this credential is gone`)
}

/**
 * Nobody acts, or activates again, who was suspended; nor who is deleted, whatever else the
 * credential may do. One that reaches nothing but its resource is told by 404 that it is gone.
 *
 * @throws ScimError 403
 */
export async function requireActive(store: Store, user: string, isAlone: boolean): Promise<void> {
  const header = await store.find(user)
  const stored = header && (await store.read(header.type, user))
  if (!stored && !isAlone) throw ScimError.status(403, 'the user of this credential is gone')
  if (stored && documentOf(stored.text, new Uint8Array(0))['active'] === false) {
    throw ScimError.status(403, 'the user of this credential is not active')
  }
}
