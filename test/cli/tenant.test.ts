/** `scimd tenant` beside a running server: what it does holds from the next request on. */

import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openLmdbControl } from '../../src/store/lmdb-control.ts'
import { startTestServer, TARGETS, type Target, TOKEN } from '../harness.ts'
import { type Place, printed, type Served, scimd, serving, temporary } from './given.ts'

/** Processes start slowly on a machine that has much else to do. */
setDefaultTimeout(30_000)

/** Makes the tenant acme; a token of it. */
async function acmeToken(target: Target, place: Place): Promise<string> {
  await printed(target, ['tenant', 'create', 'acme'], place)
  const words = ['token', 'create', '--name', 'acme', '--tenant', 'acme']
  return (await printed(target, words, place)).trim()
}

const tell = (target: Target, place: Place, ...words: readonly string[]) =>
  scimd(target, ['tenant', ...words], place)

/** Asks the tenant acme. */
async function ask(server: Served, token: string, path = '/Users', body?: object) {
  const response = await fetch(`${server.url.replace('/scim/v2', '/t/acme/scim/v2')}${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/scim+json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  return { status: response.status, text: await response.text() }
}

describe.each(TARGETS)('from %s', (target) => {
  test('a suspended tenant answers like one that is not there, until it is resumed', async () => {
    using directory = temporary()
    const place = { ...directory, env: { SCIMD_TOKEN: TOKEN } }
    const token = await acmeToken(target, place)
    await using server = await serving(target, place)
    expect((await ask(server, token, '/Users', { userName: 'ada' })).status).toBe(201)
    expect((await tell(target, place, 'suspend', 'acme')).status).toBe(0)

    const wrong = await ask(server, `${token.slice(0, -1)}~`)
    expect(wrong.status).toBe(401)
    for (const path of ['/Users', '/Schemas', '/ServiceProviderConfig', '/Bulk'])
      expect(await ask(server, token, path)).toEqual(wrong)
    expect(await ask(server, token, '/Users', { userName: 'eve' })).toEqual(wrong)
    expect((await server.request('GET', '/Users', TOKEN)).status).toBe(200)

    expect((await tell(target, place, 'resume', 'acme')).status).toBe(0)
    const { text } = await ask(server, token)
    expect(JSON.parse(text)).toMatchObject({ totalResults: 1 })
  })

  test('a deleted tenant is gone at once, and one of the same name begins empty', async () => {
    using directory = temporary()
    const place = { ...directory, env: { SCIMD_TOKEN: TOKEN } }
    const file = join(directory.cwd, 'data/tenants/acme.mdb')
    const log = join(directory.cwd, 'data/tenants/acme.requests')
    const token = await acmeToken(target, place)
    await using server = await serving(target, place)
    expect((await ask(server, token, '/Users', { userName: 'ada' })).status).toBe(201)
    expect(existsSync(file)).toBe(true)
    // Records wait a little for others.
    while (!existsSync(log)) await Bun.sleep(20)

    expect(await tell(target, place, 'delete', 'acme', '--confirm', 'other')).toMatchObject({
      status: 2,
    })
    expect((await ask(server, token)).status).toBe(200)
    const deleted = await tell(target, place, 'delete', 'acme', '--confirm', 'acme')
    expect(deleted).toMatchObject({ status: 0, out: '' })
    expect((await ask(server, token)).status).toBe(401)
    expect((await ask(server, token, '/Schemas')).status).toBe(401)
    expect(existsSync(file)).toBe(false)
    expect(existsSync(`${file}-lock`)).toBe(false)
    expect(existsSync(log)).toBe(false)
    expect(await printed(target, ['token', 'list'], place)).toBe('')

    const again = await acmeToken(target, place)
    expect(JSON.parse((await ask(server, again)).text)).toMatchObject({ totalResults: 0 })
    expect((await ask(server, token)).status).toBe(401)
    expect((await ask(server, again, '/Users', { userName: 'ada' })).status).toBe(201)
    expect((await server.end()).status).toBe(0)
    await using next = await serving(target, place)
    expect(JSON.parse((await ask(next, again)).text)).toMatchObject({ totalResults: 1 })
  })

  test('a deletion that was broken off is ended by saying it again', async () => {
    using place = temporary()
    const token = await acmeToken(target, place)
    const control = openLmdbControl(join(place.cwd, 'data/control.mdb'))
    expect(await control.beginTenantRemoval('acme')).toBe(1)
    await control.close()
    await using server = await serving(target, { ...place, env: { SCIMD_TOKEN: TOKEN } })
    expect((await ask(server, token)).status).toBe(401)
    expect(await printed(target, ['tenant', 'list'], place)).not.toContain('acme')
    const refused = await tell(target, place, 'create', 'acme')
    expect(refused).toMatchObject({ status: 1, out: '' })
    expect(refused.err).toInclude('try: scimd tenant delete acme --confirm acme')
    expect((await tell(target, place, 'delete', 'acme', '--confirm', 'acme')).status).toBe(0)
    expect((await tell(target, place, 'create', 'acme')).status).toBe(0)
  })

  test('what a tenant has is counted beside the server', async () => {
    await using server = await startTestServer({ target })
    for (const userName of ['ada', 'eve', 'bob'])
      await server.request('POST', '/Users', { userName })
    await server.request('POST', '/Groups', { displayName: 'all' })
    const place = { cwd: server.data }
    const words = ['tenant', 'show', 'default', '--json', '--data', server.data]
    const shown = JSON.parse(await printed(target, words, place))
    expect(shown).toMatchObject({
      state: 'served',
      resources: { User: 3, Group: 1 },
      bytes: statSync(join(server.data, 'tenants/default.mdb')).size,
      settings: { mode: 'interop', tolerances: {} },
    })
    expect((await server.request('GET', '/Users')).body.totalResults).toBe(3)
  })

  test('a setting is written beside what the file holds, and the next start takes it', async () => {
    using directory = temporary()
    const { cwd } = directory
    const place = { ...directory, env: { SCIMD_TOKEN: TOKEN } }
    const kept = { proxies: ['10.0.0.1'], tenants: { other: { mode: 'rfc' } } }
    await printed(target, ['tenant', 'create', 'acme'], place)
    // The file may be elsewhere: it is exchanged there, and the link stays.
    writeFileSync(join(cwd, 'kept.json'), JSON.stringify(kept), { mode: 0o640 })
    symlinkSync('../kept.json', join(cwd, 'data/scimd.json'))
    const words = ['set', 'default', 'tolerances.booleanStrings', 'off']
    expect((await tell(target, place, ...words)).status).toBe(0)
    expect(JSON.parse(readFileSync(join(cwd, 'kept.json'), 'utf8'))).toEqual({
      proxies: ['10.0.0.1'],
      tenants: { other: { mode: 'rfc' }, default: { tolerances: { booleanStrings: false } } },
    })
    expect(statSync(join(cwd, 'kept.json')).mode & 0o777).toBe(0o640)
    await using server = await serving(target, place)
    const body = { userName: 'ada', active: 'True' }
    expect((await server.request('POST', '/Users', TOKEN, body)).status).toBe(400)

    const before = readFileSync(join(cwd, 'kept.json'), 'utf8')
    const bad = await tell(target, place, 'set', 'default', 'mode', 'odd')
    expect(bad).toMatchObject({ status: 1, out: '' })
    expect(bad.err).toInclude('kept.json: $.tenants.default.mode: expected one of')
    expect(readFileSync(join(cwd, 'kept.json'), 'utf8')).toBe(before)
    expect(existsSync(join(cwd, 'kept.json.new'))).toBe(false)
  })
})
