/** Signals to a server that runs: SIGHUP reads the settings again, and only two end it. */

import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TARGETS } from '../harness.ts'
import { printed, serving, temporary } from './given.ts'

/** Asks until it is so. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await Bun.sleep(10)
}

describe.each(TARGETS)('%s', (target) => {
  test('SIGHUP says what waits for a restart, and a faulty file changes nothing', async () => {
    using directory = temporary()
    const file = join(directory.cwd, 'data/scimd.json')
    const token = (await printed(target, ['token', 'create', '--name', 't'], directory)).trim()
    writeFileSync(file, '{"tenants":{"default":{"mode":"rfc"}}}')
    await using server = await serving(target, directory)
    const hangUp = () => void process.kill(server.pid, 'SIGHUP')
    const told = (text: string) => until(() => server.errors().includes(text))

    hangUp()
    await told('none has changed')
    writeFileSync(file, '{"tenants":{"default":{"mode":"interop"},"hr":{}}}')
    hangUp()
    await told('"setting":"tenants.default"')
    await told('"setting":"tenants.hr"')
    writeFileSync(file, '{"tenants":{"default":{"mode":"other"}}}')
    hangUp()
    await told('expected one of interop, rfc, profile')
    for (const line of server.errors().trim().split('\n')) JSON.parse(line)

    // All the while the tenant's mode is that of the start: "schemas" has to be there.
    const bare = await server.request('POST', '/Users', token, { userName: 'a' })
    expect(bare.status).toBe(400)
    expect((await server.request('GET', '/Users', token)).status).toBe(200)
    expect((await server.end()).status).toBe(0)
  })

  test('no other signal ends it', async () => {
    using directory = temporary()
    await using server = await serving(target, directory)
    for (const signal of ['SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGPIPE', 'SIGQUIT', 'SIGHUP'] as const)
      process.kill(server.pid, signal)
    await until(() => server.errors().includes('none has changed'))
    expect((await server.request('GET', '/ServiceProviderConfig', undefined)).status).toBe(200)
    expect((await server.end('SIGINT')).status).toBe(0)
  })
})
