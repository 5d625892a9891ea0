/** How any command behaves, whatever it does. */

import { expect, setDefaultTimeout, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { openLmdbControl } from '../../src/store/lmdb-control.ts'
import { QUICKEST, TARGETS } from '../harness.ts'
import { printed, scimd, temporary } from './given.ts'

/** Processes start slowly on a machine that has much else to do. */
setDefaultTimeout(30_000)

test('help is the same however it is asked for', async () => {
  using place = temporary()
  const help = (...words: string[]) => printed(QUICKEST, words, place)
  const overview = await help()
  const ofCreate = await help('token', 'create', '--help')

  expect(overview).toContain('usage: scimd COMMAND')
  expect(await Promise.all([help('help'), help('--help'), help('-h')])).toEqual([
    overview,
    overview,
    overview,
  ])
  expect(
    await Promise.all([
      help('token', 'create', '-h'),
      help('help', 'token', 'create'),
      help('token', 'create', '--name', 'x', '--help'),
    ]),
  ).toEqual([ofCreate, ofCreate, ofCreate])
  expect(readdirSync(place.cwd)).toEqual([])
})

test('each command in the overview has a help with its summary, and an example of itself', async () => {
  using place = temporary()
  const overview = await printed(QUICKEST, [], place)
  const commands = [...overview.matchAll(/^ {2}(\S+(?: \S+)?) {2,}(.+)$/gm)]

  expect(commands.length).toBeGreaterThan(5)
  for (const [, name = '', summary = ''] of commands) {
    const help = await printed(QUICKEST, [...name.split(' '), '--help'], place)
    expect(help).toStartWith(`${summary}\n\nusage: scimd ${name}`)
    expect(help).toContain(`\nexample:\n  scimd ${name}`)
  }
})

test('wrong use of a command makes nothing', async () => {
  using place = temporary()
  for (const words of [
    'serve now',
    'token create',
    'token create --name x --scope all',
    'token create --name x --expires soon',
    'token create --name x --tenant A',
    'tenant create A',
    'token revoke',
    'token list --all',
  ]) {
    const { status, out, err } = await scimd(QUICKEST, words.split(' '), place)
    expect({ words, status, out }).toEqual({ words, status: 2, out: '' })
    expect(err).toMatch(/^scimd: .+\ntry: scimd .+ --help\n$/)
  }
  expect(readdirSync(place.cwd)).toEqual([])
})

test.each(TARGETS)(
  'what is printed arrives whole, however slowly it is read: %s',
  async (target) => {
    using place = temporary()
    await printed(target, ['tenant', 'create', 'acme'], place)
    const control = openLmdbControl(join(place.cwd, 'data/control.mdb'))
    const names = Array.from({ length: 3000 }, (_, index) => `tenant-${10_000 + index}`)
    await Promise.all(names.map((name) => control.addTenant({ name, created: 0 })))
    await control.close()

    const words = { source: [process.execPath, join(import.meta.dir, '../../src/main.ts')] }
    const program = target === 'source' ? words.source : [join(import.meta.dir, '../../dist/scimd')]
    const list = [...program, 'tenant', 'list', '--json'].join(' ')
    const slow = Bun.spawn(['sh', '-c', `${list} | { read first; cat; }`], {
      cwd: place.cwd,
      stdout: 'pipe',
    })
    const rest = await new Response(slow.stdout).text()
    expect(JSON.parse(`[${rest}`)).toHaveLength(names.length + 2)

    const short = Bun.spawnSync(['sh', '-c', `${list} | head -n 1`], { cwd: place.cwd })
    expect(String(short.stdout)).toBe('[\n')
    expect(String(short.stderr)).toBe('')
  },
)
