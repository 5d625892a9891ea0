/** `scimd get`: shows one resource as SCIM would, by its id or by a name that is its own. */

import { resourceReply } from '../http/reply.ts'
import type { Context } from '../operations/context.ts'
import { search } from '../operations/search.ts'
import { readProjection } from '../scim/projection.ts'
import type { ResourceType } from '../scim/registry.ts'
import { searchInQuery } from '../scim/search-request.ts'
import type { Stored } from '../store/store.ts'
import { type Command, CommandError } from './command.ts'
import { answerText, READER_OPTIONS, requireType, withReader } from './reader.ts'

export const get: Command = {
  name: 'get',
  summary: 'Shows one resource, by its id or by its unique name: userName, displayName of a group.',
  operands: ['TYPE', 'ID|NAME'],
  options: READER_OPTIONS,
  example: 'scimd get User ada@example.com',

  async run(terminal, options, [type = '', wanted = '']) {
    await withReader(options, terminal.now, async (context) => {
      const found = await find(context, requireType(context, type), wanted)
      const whole = readProjection(found.type, { attributes: [], excludedAttributes: [] })
      terminal.out(await answerText(await resourceReply(context, found, whole)))
    })
  },
}

/** @throws CommandError when there is none, or more than one */
async function find(context: Context, type: ResourceType, wanted: string): Promise<Stored> {
  const stored = await context.store.read(type, wanted)
  if (stored) return stored
  const names = namesOf(type)
  const filter = names.map((path) => `${path} eq ${JSON.stringify(wanted)}`).join(' or ')
  const { page } =
    filter === ''
      ? { page: [] }
      : await search(context, type, searchInQuery(new URLSearchParams({ filter })))
  const [only] = page
  if (only && page.length === 1) return only
  if (only) {
    const ids = page.map(({ id }) => id).join(', ')
    throw new CommandError(`"${wanted}" is the name of ${page.length}`, `by id: ${ids}`)
  }
  throw new CommandError(
    `there is no ${type.name} with the ${['id', ...names].join(' or ')} "${wanted}"`,
    `scimd search ${type.name} lists what there is; --filter narrows it`,
  )
}

/** The attributes by which a resource is the only one of its type, as far as it has them. */
function namesOf(type: ResourceType): string[] {
  const unique = type.schema.attributes.filter(
    (attribute) => attribute.uniqueness === 'server' && attribute.type === 'string',
  )
  return [...new Set([...unique.map(({ name }) => name), ...type.unique.map(({ text }) => text)])]
}
