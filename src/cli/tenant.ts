/** `scimd tenant`: makes and lists tenants, each a directory of its own. */

import { DEFAULT_TENANT } from '../auth/bearer.ts'
import { TENANT_NAME } from '../config.ts'
import { type Command, CommandError, recordsText, UsageError } from './command.ts'
import { DATA_OPTION, JSON_OPTION, withControl } from './control.ts'

export const tenantCreate: Command = {
  name: 'tenant create',
  summary: 'Makes a tenant, served at /t/NAME/scim/v2. It shares nothing with any other.',
  operands: ['NAME'],
  options: [DATA_OPTION],
  example: 'scimd tenant create acme',

  async run(terminal, options, [name = '']) {
    if (!TENANT_NAME.test(name))
      throw new UsageError(`"${name}": a name is 1 to 63 of a-z, 0-9 and -`)
    await withControl(options, async (control) => {
      const added =
        name !== DEFAULT_TENANT && (await control.addTenant({ name, created: terminal.now() }))
      if (!added)
        throw new CommandError(`there is a tenant "${name}" already`, 'scimd tenant list shows all')
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
        { name: DEFAULT_TENANT, path: '/scim/v2', created: null },
        ...control.tenants().map(({ name, created }) => ({
          name,
          path: `/t/${name}/scim/v2`,
          created: new Date(created).toISOString(),
        })),
      ]
      terminal.out(recordsText(records, options['json'] === true))
    }),
}
