/** `scimd tenant show` and `set`: what a tenant has, and the settings that scimd.json gives it. */

import {
  existsSync,
  lstatSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { requireViews } from '../app.ts'
import { DEFAULT_TENANT } from '../auth/bearer.ts'
import {
  type Config,
  ConfigFaults,
  DEFAULT_SETTINGS,
  type Flags,
  processEnvironment,
  readConfig,
  type TenantSettings,
} from '../config.ts'
import { loadRegistry } from '../schemas.ts'
import { MODES, type Tolerances } from '../scim/tolerance.ts'
import { factsOfTenantFile } from '../store/lmdb-tenants.ts'
import { type Command, type Option, type Options, UsageError } from './command.ts'
import { DATA_OPTION, JSON_OPTION, withControl } from './control.ts'
import { noTenant } from './tenant.ts'

const CONFIG_OPTION: Option = {
  name: 'config',
  value: 'FILE',
  meaning: "where the tenants' settings are (default: DATA/scimd.json; SCIMD_CONFIG)",
}

const flagsOf = ({ data, config }: Options): Flags => ({
  ...(typeof data === 'string' && { data }),
  ...(typeof config === 'string' && { config }),
})

export const tenantShow: Command = {
  name: 'tenant show',
  summary: 'Shows what a tenant has, and the settings that the server takes at its next start.',
  operands: ['NAME'],
  options: [DATA_OPTION, CONFIG_OPTION, JSON_OPTION],
  example: 'scimd tenant show default',

  run: (terminal, options, [name = '']) =>
    withControl(options, async (control) => {
      const tenant = name === DEFAULT_TENANT ? undefined : control.tenant(name)
      if (name !== DEFAULT_TENANT && !tenant) throw noTenant(name)
      const config = readConfig(flagsOf(options), processEnvironment())
      const { bytes, resources } = await factsOfTenantFile(join(config.data, 'tenants'), name)
      const tokens = control.credentials().filter((credential) => credential.tenant === name)
      const facts = {
        name,
        path: name === DEFAULT_TENANT ? '/scim/v2' : `/t/${name}/scim/v2`,
        created: tenant ? new Date(tenant.created).toISOString() : null,
        state: tenant?.isSuspended === true ? 'suspended' : 'served',
        tokens: tokens.map((token) => token.prefix),
        bytes,
        resources,
        settings: settingsOf(config, name),
      }
      terminal.out(
        options['json'] === true ? `${JSON.stringify(facts, null, 2)}\n` : linesOf(facts),
      )
    }),
}

/** The settings in effect; of the tolerances, those that depart from the mode. */
function settingsOf({ tenants }: Config, name: string): object {
  const own: TenantSettings = tenants.get(name) ?? DEFAULT_SETTINGS
  const { tolerances, resourceTypes = 'all', extensions = 'all', ...settings } = own
  const preset = MODES[settings.mode]
  const apart = (Object.keys(tolerances) as (keyof Tolerances)[]).filter(
    (one) => tolerances[one] !== preset[one],
  )
  return {
    ...settings,
    resourceTypes,
    extensions,
    tolerances: Object.fromEntries(apart.map((one) => [one, tolerances[one]])),
  }
}

/** Facts, one to a line; what is nested has its name before a dot. */
function linesOf(facts: object): string {
  const rows = Object.entries(facts).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.entries(value).map(([inner, of]) => [`${name}.${inner}`, shown(of)] as const)
      : [[name, shown(value)] as const],
  )
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('')
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return '-'
  if (Array.isArray(value)) return value.join(', ') || '-'
  if (typeof value !== 'object') return String(value)
  const members = Object.entries(value).map(([name, of]) => `${name} ${of === true ? 'on' : 'off'}`)
  return members.join(', ') || 'as the mode has them'
}

export const tenantSet: Command = {
  name: 'tenant set',
  summary: 'Writes one setting of a tenant to scimd.json, for the next start of the server.',
  operands: ['NAME', 'SETTING', 'VALUE'],
  options: [DATA_OPTION, CONFIG_OPTION],
  example: 'scimd tenant set acme tolerances.booleanStrings off',

  run: (terminal, options, [name = '', setting = '', value = '']) =>
    withControl(options, async (control) => {
      if (name !== DEFAULT_TENANT && !control.tenant(name)) throw noTenant(name)
      const config = readConfig(flagsOf(options), processEnvironment())
      const file = targetOf(config.file)
      const json = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
      json.tenants ??= {}
      json.tenants[name] ??= {}
      put(json.tenants[name], setting, valueIn(setting, value))
      const text = `${JSON.stringify(json, null, 2)}\n`
      exchange(file, text, (draft) =>
        readConfig({ ...flagsOf(options), config: draft }, processEnvironment()),
      )
      terminal.err(
        `scimd: wrote ${setting} of tenant ${name} to ${config.file}; ` +
          'it holds from the next start of the server\n',
      )
    }),
}

/** The file itself, where a link stands for it: the link is to stay. */
function targetOf(path: string): string {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? realpathSync(path) : path
}

const SWITCH: Readonly<Record<string, boolean>> = { on: true, true: true, off: false, false: false }

/** Settings that are lists of names. */
const LISTS = ['resourceTypes', 'extensions', 'sensitive']

/** The value as JSON has it; undefined for `default`, which takes the setting out. */
function valueIn(setting: string, value: string): unknown {
  if (value === 'default') return undefined
  if (LISTS.includes(setting)) return value.split(',').filter((name) => name !== '')
  return SWITCH[value] ?? value
}

/** Puts a value at a name, or at a name within a name: tolerances.NAME. @throws UsageError */
function put(settings: Record<string, unknown>, setting: string, value: unknown): void {
  const [name = '', inner, ...more] = setting.split('.')
  if (!/^[a-zA-Z]+$/.test(name) || (inner !== undefined && !/^[a-zA-Z]+$/.test(inner)) || more[0])
    throw new UsageError(
      `${setting}: expected a setting such as mode, or tolerances.booleanStrings`,
    )
  if (inner === undefined) settings[name] = value
  else settings[name] = { ...(settings[name] as object | undefined), [inner]: value }
}

/**
 * Writes a file anew, as a whole or not at all, when it is one that the server would start with.
 *
 * @throws ConfigFaults
 */
function exchange(file: string, text: string, read: (draft: string) => Config): void {
  const draft = `${file}.new`
  const mode = existsSync(file) ? statSync(file).mode & 0o777 : 0o600
  writeFileSync(draft, text, { mode })
  try {
    const config = read(draft)
    requireViews(config, loadRegistry(config.schemas))
    renameSync(draft, file)
  } catch (error) {
    rmSync(draft, { force: true })
    if (!(error instanceof ConfigFaults)) throw error
    throw new ConfigFaults(error.faults.map((fault) => fault.replace(draft, file)))
  }
}
