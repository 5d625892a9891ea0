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
import { buildRegistry, type Registry, type SchemaFile } from './scim/registry.ts'
import { type SchemaFault, SchemaFaults } from './scim/schema.ts'
import type { SchemaFiles } from './scim/view.ts'

const SCHEMAS: readonly SchemaFile[] = [
  { file: 'schemas/User.json', json: user },
  { file: 'schemas/Group.json', json: group },
  { file: 'schemas/EnterpriseUser.json', json: enterpriseUser },
  { file: 'schemas/ServiceProviderConfig.json', json: serviceProviderConfig },
  { file: 'schemas/ResourceType.json', json: resourceType },
  { file: 'schemas/Schema.json', json: schema },
]

const TYPES: readonly SchemaFile[] = [
  { file: 'schemas/resource-types/User.json', json: userType },
  { file: 'schemas/resource-types/Group.json', json: groupType },
]

/**
 * Reads the built-in files and those of a directory, which has the same shape as `schemas/`: a file
 * of the same id or name takes the place of a built-in one.
 *
 * @throws SchemaFaults for a file that holds no JSON
 */
export function readSchemaFiles(directory: string | undefined): SchemaFiles {
  if (directory === undefined) return { schemas: SCHEMAS, types: TYPES }
  const faults: SchemaFault[] = []
  const schemas = filesIn(directory, faults)
  const types = filesIn(join(directory, 'resource-types'), faults)
  if (faults.length > 0) throw new SchemaFaults(faults)
  return { schemas: [...SCHEMAS, ...schemas], types: [...TYPES, ...types] }
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
