/** What a terminal would act on is shown, and nothing else is changed. */

import { describe, expect, test } from 'bun:test'
import { visible, visibleCell } from '../../src/cli/visible.ts'
import { startTestServer, TARGETS } from '../harness.ts'
import { printed, scimd } from './given.ts'

const HOSTILE = ['\u001b[31m', '\u0007', '\u009b2J', '\u202egnp', '\u2028', '\u200f', '\ufeff']

test.each(HOSTILE)('%j is shown, and JSON that holds it stays what it was', (text) => {
  expect(visible(text)).not.toInclude(text)
  expect(JSON.parse(visible(`"${text.replaceAll('\u001b', '').replaceAll('\u0007', '')}"`))).toBe(
    text.replaceAll('\u001b', '').replaceAll('\u0007', ''),
  )
})

test('letters, line feeds and tabs stay; in a cell of a table line feeds do not', () => {
  const text = 'Zoë 🦊\tمرحبا\nשלום\r'
  expect(visible(text)).toBe(text)
  expect(visibleCell('a\nb\tc')).toBe('a\\nb\\tc')
})

describe.each(TARGETS)('%s', (target) => {
  test('commands show nothing that a terminal acts on', async () => {
    await using server = await startTestServer({ target })
    const place = { cwd: server.data, env: { SCIMD_DATA: server.data } }
    const nickName = 'a\u202eb\u009bc\u2028d'
    const body = {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
      userName: 'ada',
      nickName,
    }
    const { id } = (await server.request('POST', '/Users', body)).body
    const raw = /[\u0080-\u009f\u202a-\u202e\u2028\u2029]/
    for (const words of [
      ['get', 'User', 'ada'],
      ['search', 'User'],
      ['requests', '--json'],
      ['requests'],
    ]) {
      const out = await printed(target, words, place)
      expect(out, words.join(' ')).not.toMatch(raw)
    }
    expect(JSON.parse(await printed(target, ['get', 'User', id], place)).nickName).toBe(nickName)
    const fault = await scimd(target, ['get', 'User', 'x\u202ey\u001b[31m'], place)
    expect(fault.status).toBe(1)
    expect(fault.err).not.toMatch(/[\u202e\u001b]/)
    expect(fault.err).toInclude('x\\u202ey\\u001b[31m')
  })
})
