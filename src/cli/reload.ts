/** What SIGHUP does: reads settings and schema files again, and says what waits for a restart. */

import { type Config, ConfigFaults } from '../config.ts'
import type { Log } from '../log.ts'
import { readSchemaFiles } from '../schemas.ts'
import { SchemaFaults } from '../scim/schema.ts'

/** Settings as the server was started with: their names, and what they are compared by. */
export type Snapshot = ReadonlyMap<string, string>

/** @throws SchemaFaults */
export function snapshotOf(config: Config): Snapshot {
  const { tenants, ...settings } = config
  const parts = new Map<string, string>()
  for (const [name, value] of Object.entries(settings)) parts.set(name, textOf(value))
  for (const [name, value] of tenants) parts.set(`tenants.${name}`, textOf(value))
  parts.set('the schema files', textOf(readSchemaFiles(config.schemas)))
  return parts
}

const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, held) => (held instanceof Map ? [...held] : held)) ?? ''

/**
 * Reads everything again. Nothing is taken over while requests are in flight: views, indexes and
 * issuers are made at the start. A renewed certificate needs no signal.
 */
export function reload(known: Snapshot, read: () => Config, log: Log): void {
  let next: Snapshot
  try {
    next = snapshotOf(read())
  } catch (error) {
    for (const fault of faultsOf(error))
      log('error', 'the settings cannot be read again; nothing has changed', { fault })
    return
  }
  const names = new Set([...known.keys(), ...next.keys()])
  const changed = [...names].filter((name) => known.get(name) !== next.get(name))
  for (const setting of changed)
    log('warn', 'a setting has changed, and waits for a restart', { setting })
  if (changed.length === 0) log('info', 'the settings have been read again; none has changed')
}

function faultsOf(error: unknown): string[] {
  if (error instanceof ConfigFaults) return [...error.faults]
  if (error instanceof SchemaFaults)
    return error.faults.map(
      ({ file, at, found, expected }) => `${file}: ${at}: found ${found}, expected ${expected}`,
    )
  return [error instanceof Error ? error.message : String(error)]
}
