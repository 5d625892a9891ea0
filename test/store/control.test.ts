/** The control store, which the server and commands beside it have open at the same time. */

import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { openLmdbControl } from '../../src/store/lmdb-control.ts'
import { temporary } from '../cli/given.ts'

test('what another process has committed is seen by the next turn, however late timers are', async () => {
  using place = temporary()
  const path = join(place.cwd, 'control.mdb')
  const control = openLmdbControl(path)
  const module = join(import.meta.dir, '../../src/store/lmdb-control.ts')
  const beside = (call: string) => {
    const script = `
      import { openLmdbControl } from ${JSON.stringify(module)}
      const control = openLmdbControl(${JSON.stringify(path)})
      await control.${call}
      await control.close()`
    // Nothing of this process runs meanwhile, no timer either.
    const { exitCode, stderr } = Bun.spawnSync([process.execPath, '-e', script])
    expect(exitCode, String(stderr)).toBe(0)
  }
  const kept = { name: 'x', tenant: 'default', scope: 'read', hash: '', created: 0 }
  const credential = JSON.stringify({ ...kept, prefix: 'k3v9x2m4q7ab' })
  const client = JSON.stringify({ ...kept, id: 'client_k3v9x2m4q7ab', secrets: [] })
  const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

  expect(control.credential('k3v9x2m4q7ab')).toBeUndefined()
  beside(`addCredential(${credential})`)
  await nextTurn()
  expect(control.credential('k3v9x2m4q7ab')?.name).toBe('x')
  beside(`removeCredential('k3v9x2m4q7ab')`)
  await nextTurn()
  expect(control.credential('k3v9x2m4q7ab')).toBeUndefined()

  expect(control.client('client_k3v9x2m4q7ab')).toBeUndefined()
  beside(`addClient(${client})`)
  await nextTurn()
  expect(control.client('client_k3v9x2m4q7ab')?.name).toBe('x')
  beside(`addTenant({ name: 'acme', created: 0 })`)
  await nextTurn()
  expect(control.tenant('acme')?.name).toBe('acme')
  await control.close()
})
