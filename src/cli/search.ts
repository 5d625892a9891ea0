/** `scimd search`: lists the resources of a type as SCIM would. */

import { listReply } from '../http/reply.ts'
import { search as searchIn } from '../operations/search.ts'
import { PAGE_COUNT_DEFAULT, PAGE_COUNT_MAX } from '../scim/limits.ts'
import { readProjection } from '../scim/projection.ts'
import { searchInQuery } from '../scim/search-request.ts'
import type { Command, Options } from './command.ts'
import { answerText, READER_OPTIONS, requireType, withReader } from './reader.ts'

export const search: Command = {
  name: 'search',
  summary: 'Lists the resources of a type that a filter matches, or all of them.',
  operands: ['TYPE'],
  options: [
    { name: 'filter', value: 'FILTER', meaning: 'as in a query, such as active eq false' },
    { name: 'sort-by', value: 'ATTRIBUTE', meaning: 'sortBy; the order of creation without it' },
    { name: 'descending', meaning: 'the last first' },
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
      const projection = readProjection(type, request)
      const result = await searchIn(context, type, request)
      terminal.out(await answerText(await listReply(context, result, () => projection)))
    })
  },
}

/** The options as the query of a GET. */
function queryOf(options: Options): URLSearchParams {
  const query = new URLSearchParams()
  const names = { filter: 'filter', 'sort-by': 'sortBy', count: 'count', start: 'startIndex' }
  for (const [option, parameter] of Object.entries({ ...names, attributes: 'attributes' })) {
    const value = options[option]
    if (typeof value === 'string') query.set(parameter, value)
  }
  if (options['descending'] === true) query.set('sortOrder', 'descending')
  return query
}
