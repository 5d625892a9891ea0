/** A bad day of the disk: it is full, or the data directory goes away under a running server. */

import { describe, expect, test } from 'bun:test'
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { TARGETS } from '../harness.ts'
import { printed, scimd, serving, temporary } from './given.ts'

const USER = 'urn:ietf:params:scim:schemas:core:2.0:User'

/** Asks until it is so. */
async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await Bun.sleep(20)
}

describe.each(TARGETS)('%s', (target) => {
  test('a full disk is told in single lines of JSON, and not with each request', async () => {
    using directory = temporary()
    const token = (await printed(target, ['token', 'create', '--name', 't'], directory)).trim()
    // No file may get larger; in blocks of 512 bytes, as the shell counts.
    const before = ['sh', '-c', 'ulimit -f 6000; exec "$@"', 'sh']
    await using server = await serving(target, { ...directory, before })
    const title = 'x'.repeat(60_000)
    const statuses: number[] = []
    for (let count = 0; count < 120; count++) {
      const body = { schemas: [USER], userName: `u${count}`, title }
      statuses.push((await server.request('POST', '/Users', token, body)).status)
    }
    expect(statuses[0]).toBe(201)
    const refused = statuses.filter((status) => status !== 201)
    expect(refused.length).toBeGreaterThan(20)
    for (const status of refused) expect(status).toBeOneOf([503, 507])
    expect((await server.request('GET', '/Users', token)).status).toBe(200)

    const lines = server.errors().trim().split('\n')
    for (const line of lines) expect(JSON.parse(line), line).toHaveProperty('level')
    expect(lines.length).toBeLessThan(refused.length)
    expect(lines.filter((line) => line.includes('could not be written')).length).toBeLessThan(10)
  })

  test('nothing is answered as written when the data directory is gone', async () => {
    using directory = temporary()
    const token = (await printed(target, ['token', 'create', '--name', 't'], directory)).trim()
    await using server = await serving(target, directory)
    const post = (userName: string) =>
      server.request('POST', '/Users', token, { schemas: [USER], userName })
    const ready = () => fetch(new URL('/ready', server.url))
    const { id } = (await post('before')).body
    const data = join(directory.cwd, 'data')
    const away = join(directory.cwd, 'away')

    renameSync(data, away)
    for (const userName of ['lost', 'lost too']) {
      const reply = await post(userName)
      expect(reply.status).toBe(503)
      expect(reply.headers.get('retry-after')).not.toBeNull()
      expect(reply.body.detail).not.toInclude(directory.cwd)
    }
    const patched = await server.request('DELETE', `/Users/${id}`, token)
    expect(patched.status).toBe(503)
    expect((await server.request('GET', `/Users/${id}`, token)).status).toBe(200)
    const unready = await ready()
    expect(unready.status).toBe(503)
    expect(await unready.text()).toInclude('gone')
    await until(() => server.errors().includes('the data directory is not what it was'))

    renameSync(away, data)
    expect((await ready()).status).toBe(200)
    expect((await post('after')).status).toBe(201)
    await until(() => server.errors().includes('there again'))

    // A copy in its place is not what the server writes to.
    renameSync(data, away)
    const copied = Bun.spawnSync(['cp', '-r', away, data])
    expect(copied.exitCode).toBe(0)
    expect((await post('into the old one')).status).toBe(503)
    expect(await (await ready()).text()).toInclude('restart')
    rmSync(away, { recursive: true })
    expect((await server.end()).status).toBe(0)
    const found = JSON.parse(await printed(target, ['search', 'User'], directory))
    const names = found.Resources.map(({ userName }: { userName: string }) => userName)
    expect(names.sort()).toEqual(['after', 'before'])
    expect((await scimd(target, ['get', 'User', 'lost'], directory)).status).toBe(1)
  })
})
