/**
 * The schema and resource type files: those embedded in the executable, and those of a directory.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import enterpriseUser from '../schemas/EnterpriseUser.json'
import group from '../schemas/Group.json'
import resourceType from '../schemas/ResourceType.json'
import groupType from '../schemas/resource-types/Group.json'
import userType from '../schemas/resource-types/User.json'
import schema from '../schemas/Schema.json'
import serviceProviderConfig from '../schemas/ServiceProviderConfig.json'
import user from '../schemas/User.json'
import { extended } from './scim/extend.ts'
import { buildRegistry, type Registry, type SchemaFile } from './scim/registry.ts'
import { type SchemaFault, SchemaFaults } from './scim/schema.ts'
import type { SchemaFiles } from './scim/view.ts'

const builtIn = (file: string, json: unknown): SchemaFile => ({ file, json, isBuiltIn: true })

const SCHEMAS: readonly SchemaFile[] = [
  builtIn('schemas/User.json', user),
  builtIn('schemas/Group.json', group),
  builtIn('schemas/EnterpriseUser.json', enterpriseUser),
  builtIn('schemas/ServiceProviderConfig.json', serviceProviderConfig),
  builtIn('schemas/ResourceType.json', resourceType),
  builtIn('schemas/Schema.json', schema),
]

const TYPES: readonly SchemaFile[] = [
  builtIn('schemas/resource-types/User.json', userType),
  builtIn('schemas/resource-types/Group.json', groupType),
]

/**
 * Reads the built-in files and those of a directory, which has the same shape as `schemas/`: a file
 * of the same id or name takes the place of a built-in one, and one with `extends` adds to another.
 *
 * @throws SchemaFaults for a file that holds no JSON, or extends what it may not
 */
export function readSchemaFiles(directory: string | undefined): SchemaFiles {
  if (directory === undefined) return { schemas: SCHEMAS, types: TYPES }
  const faults: SchemaFault[] = []
  const schemas = filesIn(directory, faults)
  const types = filesIn(join(directory, 'resource-types'), faults)
  // What is not read at all would show as many faults elsewhere.
  if (faults.length > 0) throw new SchemaFaults(faults)
  const files = { schemas: [...SCHEMAS, ...schemas], types: [...TYPES, ...types] }
  const whole = extended(files, faults)
  if (faults.length > 0) throw new SchemaFaults([...faults, ...faultsOf(whole)])
  return whole
}

/** What is wrong with these files. */
function faultsOf({ schemas, types }: SchemaFiles): readonly SchemaFault[] {
  try {
    buildRegistry(schemas, types)
    return []
  } catch (error) {
    if (error instanceof SchemaFaults) return error.faults
    throw error
  }
}

/**
 * Builds the registry of all these files.
 *
 * @throws SchemaFaults with file, JSON path, what was found and what would be right
 */
export function loadRegistry(directory: string | undefined): Registry {
  const { schemas, types } = readSchemaFiles(directory)
  return buildRegistry(schemas, types)
}

function filesIn(directory: string, faults: SchemaFault[]): SchemaFile[] {
  if (!existsSync(directory)) return []
  const names = readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .sort()
  return names.flatMap((name) => {
    const file = join(directory, name)
    try {
      return [{ file, json: JSON.parse(readFileSync(file, 'utf8')) as unknown }]
    } catch (error) {
      const found = error instanceof Error ? error.message : String(error)
      faults.push({ file, at: '$', found, expected: 'a JSON document' })
      return []
    }
  })
}
