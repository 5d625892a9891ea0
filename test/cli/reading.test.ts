/** The commands that read beside a running server: what was sent, and what is stored. */

import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TARGETS, TOKEN } from '../harness.ts'
import { printed, type Served, scimd, serving, temporary } from './given.ts'

/** Processes start slowly on a machine that has much else to do. */
setDefaultTimeout(60_000)

const USER = 'urn:ietf:params:scim:schemas:core:2.0:User'
const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group'

const lines = (text: string) => text.split('\n').filter((line) => line !== '')

for (const target of TARGETS) {
  describe(`scimd requests (${target})`, () => {
    const started = async (cwd: string) => {
      const place = { cwd, env: { SCIMD_TOKEN: TOKEN } }
      const server = await serving(target, place)
      const show = (...words: string[]) => printed(target, ['requests', ...words], place)
      const json = async (...words: string[]) =>
        lines(await show('--json', ...words)).map((line) => JSON.parse(line))
      return { place, server, show, json }
    }

    /** Until what has been answered is in the files. */
    const written = async (cwd: string, text: string) => {
      const directory = join(cwd, 'data/tenants/default.requests')
      const whole = () => readdirSync(directory).map((name) => readFileSync(join(directory, name)))
      for (;;) {
        try {
          if (whole().join('').includes(text)) return directory
        } catch {
          // It is not there yet.
        }
        await Bun.sleep(20)
      }
    }

    const create = (server: Served, userName: string, more: object = {}) =>
      server.request('POST', '/Users', TOKEN, { schemas: [USER], userName, ...more })

    test('a line tells each request, and under it what was wrong or not by the book', async () => {
      using place = temporary()
      const { server, show } = await started(place.cwd)
      await using _ = server
      await create(server, 'ada')
      await server.request('POST', '/Users', TOKEN, { userName: 'bob', active: 'True' })
      await create(server, 'ADA', { title: '\u009b31m\u202e' })
      await server.request('GET', '/Users?filter=userName+eq+%22last%22', undefined)
      await written(place.cwd, 'last')
      const shown = lines(await show())
      const head = (rest: string) => expect.stringMatching(new RegExp(`^2\\S+Z  ${rest}$`))
      expect(shown).toEqual([
        head('POST /scim/v2/Users  201  [\\d.]+ ms  SCIMD_TOKEN'),
        head('POST /scim/v2/Users  201  [\\d.]+ ms  SCIMD_TOKEN'),
        expect.stringMatching(
          /^ {4}sent a body without "schemas", understood .*\(missingSchemas; /,
        ),
        expect.stringMatching(/^ {4}sent "True" or "False" .*\(booleanStrings; as do: Entra ID/),
        '    body {"userName":"bob","active":"True"}',
        head('POST /scim/v2/Users  409  [\\d.]+ ms  SCIMD_TOKEN'),
        expect.stringMatching(/^ {4}error uniqueness: userName: /),
        `    body {"schemas":["${USER}"],"userName":"ADA","title":"\\u{9b}31m\\u{202e}"}`,
        head('GET /scim/v2/Users\\?filter=userName eq "last"  401  [\\d.]+ ms  nobody'),
        expect.stringMatching(/^ {4}error expected an Authorization header/),
      ])
    })

    test('requests are found by status, by user, and by how long ago they were', async () => {
      using place = temporary()
      const { server, json } = await started(place.cwd)
      await using _ = server
      const { id } = (await create(server, 'Ada@x.org')).body
      await create(server, 'bob')
      await server.request('PATCH', `/Users/${id}`, TOKEN, {
        Operations: [{ op: 'replace', path: 'active', value: false }],
      })
      await server.request('GET', '/Users?filter=userName+eq+%22ada%40x.org%22', TOKEN)
      await server.request('GET', '/Users/nope', TOKEN)
      await server.request('POST', '/Groups', TOKEN, { displayName: 'G', members: [{ value: id }] })
      await server.request('GET', '/nothing', TOKEN)
      const directory = await written(place.cwd, '/nothing')
      const shown = async (...words: string[]) =>
        (await json(...words)).map(({ method, status }) => `${method} ${status}`)

      expect(await shown('--status', '404')).toEqual(['GET 404', 'GET 404'])
      expect(await shown('--status', '2XX')).toHaveLength(5)
      expect(await shown('--status', '5xx')).toEqual([])
      const ofAda = ['POST 201', 'PATCH 200', 'GET 200', 'POST 201']
      expect(await shown('--user', 'ada@x.org')).toEqual(ofAda)
      expect(await shown('--user', id)).toEqual(['PATCH 200', 'POST 201'])
      expect(await shown('--user', 'ada@x.org', '--status', '200')).toEqual(ofAda.slice(1, 3))
      expect(await shown('--user', 'nobody')).toEqual([])
      const [, , patch] = await json()
      expect(patch.tolerances).toEqual([
        {
          name: 'missingSchemas',
          sent: 'a body without "schemas"',
          understood: expect.any(String),
          source: expect.any(String),
        },
      ])

      const [segment = ''] = readdirSync(directory)
      const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString()
      const old = { ...patch, time: hoursAgo(25), tolerances: [] }
      appendFileSync(join(directory, segment), `${JSON.stringify(old)}\n{"cut`)
      expect(await json()).toHaveLength(7)
      expect(await json('--since', '26h')).toHaveLength(8)
      expect(await json('--since', '24h')).toHaveLength(7)
    })

    test('a log is followed until the command is interrupted', async () => {
      using place = temporary()
      const { server, place: where } = await started(place.cwd)
      await using _ = server
      await create(server, 'before')
      await written(place.cwd, 'before')
      const program = target === 'source' ? [process.execPath, 'src/main.ts'] : ['dist/scimd']
      const child = Bun.spawn(
        [...program, 'requests', '--follow', '--json', '--data', join(where.cwd, 'data')],
        { cwd: join(import.meta.dir, '../..'), stdout: 'pipe', stderr: 'pipe' },
      )
      const decoder = new TextDecoder()
      const reader = child.stdout.getReader()
      let text = ''
      // It begins with what comes after its own start, whenever that is.
      for (let n = 0; !text.includes('\n'); n++) {
        await create(server, `during-${n}`)
        const next = reader.read()
        const chunk = await Promise.race([next, Bun.sleep(500)])
        if (chunk) text += decoder.decode(chunk.value)
        else void next.then(({ value }) => (text += decoder.decode(value)))
      }
      child.kill('SIGINT')
      expect(await child.exited).toBe(0)
      expect(text).toInclude('during-')
      expect(text).not.toInclude('before')
    })

    test('what was written stays when the server is killed, and goes on after it', async () => {
      using place = temporary()
      const { server, json, place: where } = await started(place.cwd)
      await create(server, 'ada')
      await written(place.cwd, 'ada')
      await server.end('SIGKILL')
      expect(await json()).toHaveLength(1)
      await using again = await serving(target, where)
      await create(again, 'bob')
      await again.end()
      expect((await json()).map(({ body }) => body.userName)).toEqual(['ada', 'bob'])
    })
  })

  describe(`scimd get and search (${target})`, () => {
    test('they show what a client would see, beside the server, and write nothing', async () => {
      using place = temporary()
      const config = { tenants: { default: { extensions: [] } } }
      await Bun.write(join(place.cwd, 'data/scimd.json'), JSON.stringify(config))
      const where = { cwd: place.cwd, env: { SCIMD_TOKEN: TOKEN } }
      await using server = await serving(target, where)
      const user = { schemas: [USER], userName: 'Ada', password: 'hunter2-hunter2', active: false }
      const { id } = (await server.request('POST', '/Users', TOKEN, user)).body
      await server.request('POST', '/Users', TOKEN, { schemas: [USER], userName: 'bob' })
      const members = [{ value: id }]
      const group = { schemas: [GROUP], displayName: 'Staff', members }
      const made = (await server.request('POST', '/Groups', TOKEN, group)).body
      const file = join(place.cwd, 'data/tenants/default.mdb')
      const before = readFileSync(file)

      const run = (...words: string[]) =>
        printed(target, [...words, '--base-url', server.url], where)
      const seen = async (path: string) => (await server.request('GET', path, TOKEN)).body
      const ada = await seen(`/Users/${id}`)
      expect(JSON.parse(await run('get', 'User', id))).toEqual(ada)
      expect(JSON.parse(await run('get', '/users', 'ADA'))).toEqual(ada)
      expect(JSON.parse(await run('get', 'Group', 'staff'))).toEqual(made)
      expect(JSON.parse(await run('search', 'User'))).toEqual(await seen('/Users'))
      const words = ['--filter', 'active ne true', '--attributes', 'userName', '--count', '5']
      const query = 'filter=active+ne+true&attributes=userName&count=5'
      expect(JSON.parse(await run('search', 'User', ...words))).toEqual(
        await seen(`/Users?${query}`),
      )
      const sorted = ['--sort-by', 'userName', '--descending', '--start', '2']
      expect(JSON.parse(await run('search', 'User', ...sorted))).toEqual(
        await seen('/Users?sortBy=userName&sortOrder=descending&startIndex=2'),
      )
      expect(readFileSync(file).equals(before)).toBe(true)
      expect(await run('search', 'User')).not.toInclude('hunter2')
    })

    test('what is not there, and a wrong filter, is told with its cure', async () => {
      using place = temporary()
      const where = { cwd: place.cwd, env: { SCIMD_TOKEN: TOKEN } }
      await using _ = await serving(target, where)
      for (const [words, fault] of [
        [['get', 'User', 'nope'], 'there is no User with the id or userName "nope"'],
        [['get', 'Device', 'x'], 'there is no resource type "Device"'],
        [['search', 'User', '--filter', 'userName'], 'the filter ends at offset 8'],
        [['search', 'User', '--count', 'x'], 'count: found "x"'],
      ] as const) {
        const { status, out, err } = await scimd(target, words, where)
        expect({ status, out }).toEqual({ status: 1, out: '' })
        expect(err).toMatch(/^scimd: .*\ntry: .*\n$/)
        expect(err).toInclude(fault)
      }
    })

    test('explain tells which indexes answer a query, what is read, and which index is missing', async () => {
      using place = temporary()
      const where = { cwd: place.cwd, env: { SCIMD_TOKEN: TOKEN } }
      await using server = await serving(target, where)
      for (const [userName, active] of [
        ['ada', true],
        ['bob', false],
        ['eve', true],
      ]) {
        const emails = [{ value: `${userName}@example.com`, type: 'work' }]
        await server.request('POST', '/Users', TOKEN, { schemas: [USER], userName, active, emails })
      }
      const shown = async (...words: string[]) =>
        (await printed(target, ['explain', ...words], where)).replace(/\d+(\.\d)? ms/, '<ms>')

      expect(await shown('--filter', 'userName eq "ADA"')).toBe(`\
ranges     index userName: eq "ada"
exact      yes: all candidates match
order      of creation
estimated  1
candidates 1
read       0 of their documents
matched    1
took       <ms>
`)
      const both = 'active eq true and emails[type eq "work" and value sw "a"]'
      expect(await shown('User', '--filter', both, '--sort-by', 'userName', '--descending')).toBe(`\
ranges     index emails.value: sw "a"
passed by  index active: eq true (2)
exact      no: the documents of candidates decide
order      along the index of the sort
estimated  1
candidates 1
read       1 of their documents
matched    1
took       <ms>
`)
      expect(await shown('/users', '--filter', 'title pr or nickName eq "x"')).toBe(`\
ranges     none: all of User
exact      no: the documents of candidates decide
order      of creation
estimated  3
candidates 3
read       3 of their documents
matched    0
took       <ms>
advice     "title" and "nickName" under "indexed" in the resource type file of User would serve
`)
      const ranges = async (filter: string) =>
        JSON.parse(await printed(target, ['explain', '--json', '--filter', filter], where)).ranges
      expect(await ranges('userName co "a"')).toEqual(['index userName: co "a", each key'])
      expect(await ranges('userName ew "a"')).toEqual(['index userName: ew "a", each key'])
      expect(await ranges('active ne true')).toEqual([
        'index active: lt true',
        'index active: gt true',
      ])
      expect(await ranges('not (externalId pr)')).toEqual(['all but index externalId: pr'])
      expect(await ranges('groups eq "g"')).toEqual([
        'links Group.members: held by "g" and those in it',
      ])
      expect(await ranges('id eq "u" or userName ge "b"')).toEqual([
        'id: eq "u"',
        'index userName: ge "b"',
      ])
      const sorted = ['explain', '--json', '--sort-by', 'title', '--count', '1', '--start', '2']
      expect(JSON.parse(await printed(target, sorted, where))).toMatchObject({
        type: 'User',
        ranges: [],
        passed: [],
        exact: true,
        order: 'collected and sorted in memory, at most 100000',
        estimated: { count: 3, orMore: false },
        candidates: 3,
        read: 3,
        matched: 3,
        advice: '"title" under "indexed" in the resource type file of User would serve',
      })
      const primary = ['explain', '--filter', 'emails[not (value eq "x")]']
      expect(await printed(target, primary, where)).toInclude('there is no index that would serve')
      const { status, err } = await scimd(target, ['explain', '--filter', 'userName'], where)
      expect({ status, err }).toMatchObject({
        status: 1,
        err: expect.stringContaining('the filter ends at offset 8'),
      })
    })

    test('a store of other schemas is refused, and not re-indexed', async () => {
      using place = temporary()
      const where = { cwd: place.cwd, env: { SCIMD_TOKEN: TOKEN } }
      await using server = await serving(target, where)
      await create(server)
      const schema = JSON.parse(
        readFileSync(join(import.meta.dir, '../../schemas/resource-types/User.json'), 'utf8'),
      )
      const other = { ...schema, indexed: [...schema.indexed, 'nickName'] }
      await Bun.write(join(place.cwd, 'other/resource-types/User.json'), JSON.stringify(other))
      writeFileSync(
        join(place.cwd, 'view.json'),
        JSON.stringify({ tenants: { default: { passwords: 'refuse' } } }),
      )
      const file = join(place.cwd, 'data/tenants/default.mdb')
      const before = readFileSync(file)
      for (const words of [
        ['--schemas', 'other'],
        ['--config', 'view.json'],
      ]) {
        const { status, out, err } = await scimd(target, ['search', 'User', ...words], where)
        expect({ status, out }).toEqual({ status: 1, out: '' })
        expect(err).toInclude('--schemas')
        expect(err).not.toInclude(' at ')
      }
      expect(readFileSync(file).equals(before)).toBe(true)
    })

    const create = (server: Served) =>
      server.request('POST', '/Users', TOKEN, { schemas: [USER], userName: 'ada' })
  })
}
