/** The users and groups of the benchmark as JSON bodies, and how they get into a server. */

import { type Request, run, type Server } from './load.ts'

/** A server, or one tenant of it, as the load reaches it. */
export interface Directory extends Server {
  readonly path: string
}

const USER = 'urn:ietf:params:scim:schemas:core:2.0:User'
const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group'
const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'
const LOAD_CONNECTIONS = 64

export const numberText = (number: number): string => String(number).padStart(7, '0')
export const userNameOf = (number: number): string => `user${numberText(number)}@example.com`

/** A user as Entra ID sends one. */
export function userBody(number: number, title = 'Engineer'): string {
  const text = numberText(number)
  const userName = userNameOf(number)
  return JSON.stringify({
    schemas: [USER, ENTERPRISE],
    externalId: `00000000-0000-4000-8000-00000${text}`,
    userName,
    displayName: `Ada Example ${text}`,
    name: { formatted: `Ada Example ${text}`, familyName: 'Example', givenName: 'Ada' },
    emails: [{ value: userName, type: 'work', primary: true }],
    phoneNumbers: [{ value: '+44 20 7946 0000', type: 'work' }],
    title,
    preferredLanguage: 'en-GB',
    active: true,
    [ENTERPRISE]: { employeeNumber: text, department: 'Engines' },
  })
}

export const groupBody = (displayName: string, ids: readonly string[] = []): string =>
  JSON.stringify({ schemas: [GROUP], displayName, members: ids.map((value) => ({ value })) })

export const creating = ({ path }: Directory, number: number): Request => ({
  method: 'POST',
  path: `${path}/Users`,
  body: userBody(number),
})

export const byUserName = ({ path }: Directory, number: number): string =>
  `${path}/Users?filter=${encodeURIComponent(`userName eq "${userNameOf(number)}"`)}`

export const patching = (
  { path }: Directory,
  resource: string,
  operation: { op: string; path: string; value: unknown },
): Request => ({
  method: 'PATCH',
  path: `${path}/${resource}`,
  body: JSON.stringify({ schemas: [PATCH_OP], Operations: [operation] }),
})

export const patchingMembers = (
  directory: Directory,
  group: string,
  op: 'add' | 'remove',
  ids: readonly string[],
): Request =>
  patching(directory, `Groups/${group}`, {
    op,
    path: 'members',
    value: ids.map((value) => ({ value })),
  })

/** Creates users and returns their ids in the order of their numbers. */
export async function loadUsers(
  directory: Directory,
  from: number,
  count: number,
): Promise<string[]> {
  const ids = new Array<string>(count)
  const asked: number[] = []
  let index = 0
  await run(directory, {
    connections: Math.min(LOAD_CONNECTIONS, count),
    next(connection) {
      if (index === count) return undefined
      asked[connection] = index
      return creating(directory, from + index++)
    },
    answered(connection, body) {
      ids[asked[connection] as number] = idIn(body)
    },
  })
  return ids
}

/** Creates a group with all its members in one request. */
export async function loadGroup(
  directory: Directory,
  displayName: string,
  ids: readonly string[],
): Promise<string> {
  const { path } = directory
  const answer = await ask(directory, {
    method: 'POST',
    path: `${path}/Groups?excludedAttributes=members`,
    body: groupBody(displayName, ids),
  })
  return idIn(answer)
}

export const idIn = (body: string): string => /"id":"([^"]+)"/.exec(body)?.[1] ?? ''

/** One request by fetch, outside of what is measured; gives the body of its answer. */
export async function ask(
  { port, token }: Server,
  { method, path, body }: Request,
): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/scim+json' },
    ...(body === undefined ? {} : { body }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`)
  return text
}
