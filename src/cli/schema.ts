/** `scimd schema`: which resource types and schemas there are, and the files that make them. */

import { processEnvironment, readConfig } from '../config.ts'
import { readSchemaFiles } from '../schemas.ts'
import { buildRegistry, type Registry, type SchemaFile } from '../scim/registry.ts'
import type { SchemaFiles } from '../scim/view.ts'
import { type Command, CommandError, type Option, type Options, recordsText } from './command.ts'
import { DATA_OPTION, JSON_OPTION } from './control.ts'

const SCHEMAS_OPTION: Option = {
  name: 'schemas',
  value: 'DIR',
  meaning: 'schema files of the server (SCIMD_SCHEMAS)',
}

export const schemaList: Command = {
  name: 'schema list',
  summary: 'Lists resource types, schemas and extensions, and the files that they come from.',
  options: [SCHEMAS_OPTION, DATA_OPTION, JSON_OPTION],
  example: 'scimd schema list --schemas /etc/scimd/schemas',

  async run(terminal, options) {
    const { files, registry } = readFiles(options)
    const types = registry.types.map(({ name, endpoint, schema }) => ({
      kind: 'resource type',
      name,
      endpoint,
      schema: schema.id,
      of: null,
      from: sourcesOf(files.types, 'name', name),
    }))
    const schemas = registry.schemas.map(({ name, id }) => {
      const owners = ownersOf(registry, id)
      return {
        kind: owners.length > 0 ? 'extension' : 'schema',
        name,
        endpoint: null,
        schema: id,
        of: owners.join(', ') || null,
        from: sourcesOf(files.schemas, 'id', id),
      }
    })
    terminal.out(recordsText([...types, ...schemas], options['json'] === true))
  },
}

export const schemaPrint: Command = {
  name: 'schema print',
  summary:
    'Prints the file of a resource type or a schema, as --schemas takes it, with all that other ' +
    'files add to it.',
  operands: ['NAME|URN'],
  options: [SCHEMAS_OPTION, DATA_OPTION, { name: 'json', meaning: 'print it as one line' }],
  example: 'scimd schema print urn:ietf:params:scim:schemas:core:2.0:User',

  async run(terminal, options, [name = '']) {
    const { types, schemas } = readFiles(options).files
    const found =
      latest(types, 'name', name) ?? latest(schemas, 'id', name) ?? latest(schemas, 'name', name)
    if (!found) {
      throw new CommandError(
        `there is no resource type and no schema "${name}"`,
        'scimd schema list shows all, with --schemas DIR those of your own too',
      )
    }
    const space = options['json'] === true ? 0 : 2
    terminal.out(`${JSON.stringify(found.json, null, space)}\n`)
  },
}

/** @throws ConfigFaults, SchemaFaults */
function readFiles({ data, schemas }: Options): { files: SchemaFiles; registry: Registry } {
  // Nothing listens here; what would stop a server from doing so is no fault.
  const listen = { listen: '127.0.0.1:8880', behindProxy: true } as const
  const given = {
    ...(typeof data === 'string' ? { data } : {}),
    ...(typeof schemas === 'string' ? { schemas } : {}),
  }
  const config = readConfig({ ...listen, ...given }, processEnvironment())
  const files = readSchemaFiles(config.schemas)
  return { files, registry: buildRegistry(files.schemas, files.types) }
}

/** The resource types that a schema extends. */
const ownersOf = ({ types }: Registry, id: string): string[] =>
  types.flatMap(({ name, extensions }) =>
    extensions
      .filter(({ schema }) => schema.id === id)
      .map(({ required }) => (required ? `${name} (required)` : name)),
  )

/** The file that counts: of several of one name, the last. */
function latest(files: readonly SchemaFile[], key: string, name: string): SchemaFile | undefined {
  const wanted = name.toLowerCase()
  // They have made a registry: each is an object with a name.
  return files.findLast(
    ({ json }) => String((json as Record<string, unknown>)[key]).toLowerCase() === wanted,
  )
}

/** The file itself, and those that add to it. */
function sourcesOf(files: readonly SchemaFile[], key: string, name: string): string {
  const file = latest(files, key, name)
  const added = new Set(file?.origins?.map((origin) => origin.file))
  return [file?.isBuiltIn ? 'built in' : file?.file, ...added].join(', ')
}
