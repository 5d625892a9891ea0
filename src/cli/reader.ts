/** Opens one tenant's store for the commands that read it beside a running server. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_TENANT } from '../auth/bearer.ts'
import { DEFAULT_SETTINGS, type Flags, processEnvironment, readConfig } from '../config.ts'
import type { Context } from '../operations/context.ts'
import { readSchemaFiles } from '../schemas.ts'
import { ScimError } from '../scim/error.ts'
import { buildRegistry, type ResourceType } from '../scim/registry.ts'
import { viewsOf } from '../scim/view.ts'
import { openLmdbReader } from '../store/lmdb-store.ts'
import { CommandError, type Option, type Options } from './command.ts'
import { DATA_OPTION, requireTenant, TENANT_OPTION } from './control.ts'

/** What a command has to know of the server's settings to read as it does. */
export const READER_OPTIONS: readonly Option[] = [
  TENANT_OPTION,
  DATA_OPTION,
  { name: 'schemas', value: 'DIR', meaning: 'schema files of the server (SCIMD_SCHEMAS)' },
  {
    name: 'config',
    value: 'FILE',
    meaning: "the tenants' settings (default: DATA/scimd.json if present; SCIMD_CONFIG)",
  },
  { name: 'base-url', value: 'URL', meaning: 'the public URL of the server (SCIMD_BASE_URL)' },
]

/** What is searched for, and in which order. */
export const QUERY_OPTIONS: readonly Option[] = [
  { name: 'filter', value: 'FILTER', meaning: 'as in a query, such as active eq false' },
  { name: 'sort-by', value: 'ATTRIBUTE', meaning: 'sortBy; the order of creation without it' },
  { name: 'descending', meaning: 'the last first' },
]

/** The options of a command as the query of a GET. */
export function queryOf(options: Options): URLSearchParams {
  const query = new URLSearchParams()
  const names = { filter: 'filter', 'sort-by': 'sortBy', count: 'count', start: 'startIndex' }
  for (const [option, parameter] of Object.entries({ ...names, attributes: 'attributes' })) {
    const value = options[option]
    if (typeof value === 'string') query.set(parameter, value)
  }
  if (options['descending'] === true) query.set('sortOrder', 'descending')
  return query
}

/** Nothing listens here; what would stop a server from doing so is no fault. */
const NO_LISTENER: Flags = { listen: '127.0.0.1:8880', behindProxy: true }

/**
 * Reads as the administrator, who may read everything, and closes the store, whatever happens.
 * Nothing is written.
 *
 * @throws CommandError, with what a client would be told for a wrong filter or id
 */
export async function withReader<T>(
  options: Options,
  now: () => number,
  use: (context: Context) => Promise<T>,
): Promise<T> {
  const { data, schemas, config: file, 'base-url': baseUrl } = options
  const given = Object.entries({ data, schemas, config: file, baseUrl })
  const flags = Object.fromEntries(given.filter(([, value]) => value !== undefined)) as Flags
  const config = readConfig({ ...NO_LISTENER, ...flags }, processEnvironment())
  const tenant = await requireTenant(options)
  const files = readSchemaFiles(config.schemas)
  const rules = config.tenants.get(tenant) ?? DEFAULT_SETTINGS
  const view = viewsOf(files, buildRegistry(files.schemas, files.types))(rules)
  const path = join(config.data, 'tenants', `${tenant}.mdb`)
  if (!existsSync(path)) {
    const cure = 'start scimd serve once, or name its data directory with --data DIR'
    throw new CommandError(`${path}: there is no such store`, cure)
  }
  const store = await openLmdbReader(path, tenant, view.registry, rules)
  const own = config.baseUrl ?? 'http://127.0.0.1:8880/scim/v2'
  try {
    return await use({
      ...view,
      rules,
      store: { ...store, commit: notHere },
      baseUrl: tenant === DEFAULT_TENANT ? own : own.replace(/\/scim\/v2$/, `/t/${tenant}/scim/v2`),
      origin: { time: now(), actor: 'administrator', address: '', requestId: '' },
      subject: 'administrator',
      user: undefined,
      signal: undefined,
      attempts: { take: () => undefined, giveBack: () => undefined },
      requireAccess: () => undefined,
      maySearch: () => true,
      turn: () => undefined,
      reserve: () => undefined,
      room: () => undefined,
      hold: () => ({ stallMs: 0, release: () => undefined }),
      now,
      newId: notHere,
      hashPassword: notHere,
      verifyPassword: notHere,
      seal: notHere,
      open: notHere,
    })
  } catch (error) {
    if (!(error instanceof ScimError)) throw error
    throw new CommandError(error.message, 'scimd search --help shows an example')
  } finally {
    await store.close()
  }
}

function notHere(): never {
  throw new Error('a command that reads does nothing else')
}

/** The resource type of this name or endpoint, whatever its case. @throws CommandError */
export function requireType({ registry }: Context, given: string): ResourceType {
  const name = given.replace(/^\//, '').toLowerCase()
  const found = registry.types.find(
    (type) => type.name.toLowerCase() === name || type.endpoint.toLowerCase() === `/${name}`,
  )
  if (found) return found
  const names = registry.types.map((type) => type.name).join(', ')
  throw new CommandError(`there is no resource type "${given}"`, `one of: ${names}`)
}

/** The JSON of an answer, laid out for people. */
export const answerText = async (answer: Response): Promise<string> =>
  `${JSON.stringify(await answer.json(), null, 2)}\n`
