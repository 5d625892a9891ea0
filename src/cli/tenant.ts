/** `scimd tenant`: makes, lists, suspends and deletes tenants, each a directory of its own. */

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_TENANT } from '../auth/bearer.ts'
import { dataDirectory, processEnvironment, TENANT_NAME } from '../config.ts'
import { removeTenantFile } from '../store/lmdb-tenants.ts'
import { requestsDirectory } from '../store/request-log.ts'
import {
  type Command,
  CommandError,
  type Options,
  recordsText,
  type Terminal,
  UsageError,
} from './command.ts'
import { DATA_OPTION, JSON_OPTION, withControl, withControlBegun } from './control.ts'

export const tenantCreate: Command = {
  name: 'tenant create',
  summary: 'Makes a tenant, served at /t/NAME/scim/v2. It shares nothing with any other.',
  operands: ['NAME'],
  options: [DATA_OPTION],
  example: 'scimd tenant create acme',

  async run(terminal, options, [name = '']) {
    if (!TENANT_NAME.test(name))
      throw new UsageError(`"${name}": a name is 1 to 63 of a-z, 0-9 and -`)
    await withControlBegun(terminal, options, async (control) => {
      const added =
        name !== DEFAULT_TENANT && (await control.addTenant({ name, created: terminal.now() }))
      if (!added) {
        if (name !== DEFAULT_TENANT && !control.tenant(name)) {
          throw new CommandError(
            `the tenant "${name}" was not deleted to its end`,
            `scimd tenant delete ${name} --confirm ${name}`,
          )
        }
        throw new CommandError(`there is a tenant "${name}" already`, 'scimd tenant list shows all')
      }
      terminal.err(
        `scimd: made tenant ${name}, at /t/${name}/scim/v2; ` +
          `give it a token with: scimd token create --tenant ${name} --name …\n`,
      )
    })
  },
}

export const tenantList: Command = {
  name: 'tenant list',
  summary: 'Lists the tenants.',
  options: [DATA_OPTION, JSON_OPTION],
  example: 'scimd tenant list --json',

  run: (terminal, options) =>
    withControl(options, async (control) => {
      const records = [
        { name: DEFAULT_TENANT, path: '/scim/v2', created: null, state: 'served' },
        ...control.tenants().map(({ name, created, isSuspended }) => ({
          name,
          path: `/t/${name}/scim/v2`,
          created: new Date(created).toISOString(),
          state: isSuspended === true ? 'suspended' : 'served',
        })),
      ]
      terminal.out(recordsText(records, options['json'] === true))
    }),
}

export const tenantSuspend: Command = {
  name: 'tenant suspend',
  summary: 'Refuses all requests of a tenant, as if it were not there, until it is resumed.',
  operands: ['NAME'],
  options: [DATA_OPTION],
  example: 'scimd tenant suspend acme',
  run: (terminal, options, [name = '']) => suspend(terminal, options, name, true),
}

export const tenantResume: Command = {
  name: 'tenant resume',
  summary: 'Serves a suspended tenant again, with all that it had.',
  operands: ['NAME'],
  options: [DATA_OPTION],
  example: 'scimd tenant resume acme',
  run: (terminal, options, [name = '']) => suspend(terminal, options, name, false),
}

async function suspend(
  terminal: Terminal,
  options: Options,
  name: string,
  isSuspended: boolean,
): Promise<void> {
  requireOther(name, 'suspended')
  await withControl(options, async (control) => {
    if (!(await control.suspendTenant(name, isSuspended))) throw noTenant(name)
    terminal.err(`scimd: tenant ${name} is ${isSuspended ? 'suspended' : 'served'}\n`)
  })
}

export const tenantDelete: Command = {
  name: 'tenant delete',
  summary: 'Deletes a tenant for good: its tokens, its resources, its journal and log.',
  operands: ['NAME'],
  options: [
    { name: 'confirm', value: 'NAME', meaning: 'the name once more', required: true },
    DATA_OPTION,
  ],
  example: 'scimd tenant delete acme --confirm acme',

  async run(terminal, options, [name = '']) {
    requireOther(name, 'deleted')
    if (options['confirm'] !== name)
      throw new UsageError(`--confirm ${options['confirm']}: expected ${name}, the name once more`)
    const { data } = options
    const directory = dataDirectory(typeof data === 'string' ? { data } : {}, processEnvironment())
    await withControl(options, async (control) => {
      // First of all nobody gets in any more. If we end in between, it can be said again.
      const tokens = await control.beginTenantRemoval(name)
      if (tokens === undefined) throw noTenant(name)
      const tenants = join(directory, 'tenants')
      removeTenantFile(tenants, name)
      rmSync(requestsDirectory(tenants, name), { recursive: true, force: true })
      await control.endTenantRemoval(name)
      terminal.err(
        `scimd: deleted tenant ${name} and ${tokens} of its tokens; ` +
          'its settings in scimd.json, if there are any, are left\n',
      )
    })
  },
}

/** The default tenant has to be there. @throws CommandError */
function requireOther(name: string, done: string): void {
  if (name !== DEFAULT_TENANT) return
  throw new CommandError(
    `the default tenant cannot be ${done}`,
    'scimd token list shows its tokens; revoke them, and nobody gets in',
  )
}

/** There is no tenant of this name. */
export const noTenant = (name: string): CommandError =>
  new CommandError(`there is no tenant "${name}"`, 'scimd tenant list shows all')
