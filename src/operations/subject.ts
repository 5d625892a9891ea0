/** The resource that a credential is linked to: RFC 7644 section 3.11. */

import { unauthorized } from '../auth/actor.ts'
import { documentOf } from '../scim/document.ts'
import { ScimError } from '../scim/error.ts'
import { parseFilter } from '../scim/filter/parse.ts'
import type { ResourceType } from '../scim/registry.ts'
import type { Document } from '../scim/resource.ts'
import type { Header, Store } from '../store/store.ts'
import type { Context } from './context.ts'
import { queryOf } from './search.ts'

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
  const which = user === '' ? 'the user of this credential is not here' : `${user} is gone`
  throw ScimError.status(404, `/Me: ${which}`)
}

/**
 * The id of the user whose attribute has this value, or an empty one, which no resource has, where
 * there is none or more than one. Users are what has a userName.
 */
export async function userNamed(
  context: Context,
  { attribute, value }: { readonly attribute: string; readonly value: string },
): Promise<string> {
  const type = context.registry.types.find((one) => one.resolve('userName'))
  if (!type) return ''
  const filter = parseFilter(`${attribute} eq ${JSON.stringify(value)}`)
  const { typed: _, ...query } = queryOf(context, type, filter, 'refuse')
  const found = await context.store.search({
    ...query,
    sort: undefined,
    skip: 0,
    after: undefined,
    count: 2,
  })
  const [only, other] = found.page
  return only && !other ? only.id : ''
}

/**
 * Nobody acts, or activates again, who was suspended; nor who is deleted, whatever else the
 * credential may do: it stands for somebody, and so for nobody any more.
 *
 * @throws ScimError 401 for who is not there, 403 for who is not active
 */
export async function requireActive(store: Store, user: string): Promise<void> {
  const header = await store.find(user)
  const stored = header && (await store.read(header.type, user))
  if (!stored) throw unauthorized(true, 'gone')
  if (!isActive(stored.type, documentOf(stored.text))) {
    throw ScimError.status(403, 'the user of this credential is not active')
  }
}

/**
 * Whether a resource may sign in: as it is shown, and as a filter finds it. Where `active` has a
 * default, having none is not being active.
 */
export const isActive = ({ defaults }: ResourceType, { active }: Document): boolean =>
  Object.hasOwn(defaults, 'active') ? active === true : active !== false
