/** `scimd search`: lists the resources of a type as SCIM would. */

import { listReply } from '../http/reply.ts'
import { search as searchIn } from '../operations/search.ts'
import { PAGE_COUNT_DEFAULT, PAGE_COUNT_MAX } from '../scim/limits.ts'
import { readProjection } from '../scim/projection.ts'
import { searchInQuery } from '../scim/search-request.ts'
import { type Command, CommandError } from './command.ts'
import {
  answerText,
  QUERY_OPTIONS,
  queryOf,
  READER_OPTIONS,
  requireType,
  withReader,
} from './reader.ts'

export const search: Command = {
  name: 'search',
  summary: 'Lists the resources of a type that a filter matches, or all of them.',
  operands: ['TYPE'],
  options: [
    ...QUERY_OPTIONS,
    {
      name: 'count',
      value: 'N',
      meaning: `at most so many (default: ${PAGE_COUNT_DEFAULT}, at most ${PAGE_COUNT_MAX})`,
    },
    { name: 'start', value: 'N', meaning: 'startIndex: the first one to list, from 1' },
    { name: 'attributes', value: 'NAMES', meaning: 'only these, with commas' },
    ...READER_OPTIONS,
  ],
  example: `scimd search User --filter 'userName sw "ada"' --sort-by userName --attributes userName`,

  async run(terminal, options, [name = '']) {
    await withReader(options, terminal.now, async (context) => {
      const type = requireType(context, name)
      const request = searchInQuery(queryOf(options))
      if (request.count !== undefined && request.count > PAGE_COUNT_MAX) {
        throw new CommandError(
          `--count ${request.count}: a page has at most ${PAGE_COUNT_MAX} resources`,
          `scimd search ${name} --count ${PAGE_COUNT_MAX}, then --start ${PAGE_COUNT_MAX + 1}`,
        )
      }
      const projection = readProjection(type, request)
      const result = await searchIn(context, type, request)
      terminal.out(await answerText(await listReply(context, result, () => projection)))
    })
  },
}
