/** The executable needs nothing beside it, and trusts nothing that lies beside it. */

import { expect, setDefaultTimeout, test } from 'bun:test'
import { copyFileSync, existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EXECUTABLE, isBuilt, listeningUrl, send } from '../harness.ts'
import { temporary } from './given.ts'

/** Processes start slowly on a machine that has much else to do. */
setDefaultTimeout(30_000)

test.skipIf(!isBuilt)('alone in an empty directory, without environment, it serves', async () => {
  using place = temporary()
  copyFileSync(EXECUTABLE, join(place.cwd, 'scimd'))
  const { url, end } = await startIn(place.cwd, './scimd')
  const token = (await Bun.file(join(place.cwd, 'data/first-token')).text()).trim()
  const headers = { Authorization: `Bearer ${token}` }
  const user = { userName: 'ada', password: 'a long enough password', active: true }

  const made = await send(`${url}/Users`, 'POST', user, headers)
  expect(made.status).toBe(201)
  const found = await send(`${url}/Users?filter=userName eq "ADA"`, 'GET', undefined, headers)
  expect(found.body.Resources.map(({ id }: { id: string }) => id)).toEqual([made.body.id])
  expect((await send(`${url}/Schemas`, 'GET', undefined, headers)).status).toBe(200)
  expect(await end()).toBe(0)
  expect(readdirSync(place.cwd).sort()).toEqual(['data', 'scimd'])
})

test.skipIf(!isBuilt)(
  'it reads no .env, bunfig.toml, package.json or tsconfig.json of the directory it is run in',
  async () => {
    using place = temporary()
    const write = (name: string, text: string) => writeFileSync(join(place.cwd, name), text)
    for (const name of ['.env', '.env.local', '.env.production']) {
      write(name, 'SCIMD_DATA=elsewhere\nSCIMD_LISTEN=nonsense\n')
    }
    write('bunfig.toml', 'preload = ["./preload.ts"]\n')
    write('preload.ts', "import { writeFileSync } from 'node:fs'\nwriteFileSync('ran', '')\n")
    write('package.json', '{"type": "commonjs", "imports": {"#x": "./preload.ts"}}')
    write('tsconfig.json', '{"compilerOptions": {"paths": {"lmdb": ["./preload.ts"]}}}')

    const { url, end } = await startIn(place.cwd, EXECUTABLE)
    expect((await fetch(`${url}/Users`)).status).toBe(401)
    expect(await end()).toBe(0)
    expect(existsSync(join(place.cwd, 'data/first-token'))).toBe(true)
    expect(existsSync(join(place.cwd, 'elsewhere'))).toBe(false)
    expect(existsSync(join(place.cwd, 'ran'))).toBe(false)
  },
)

async function startIn(cwd: string, program: string) {
  const child = Bun.spawn([program, 'serve', '--listen', '127.0.0.1:0'], {
    cwd,
    env: {},
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
  })
  return {
    url: await listeningUrl(child.stdout),
    end: () => {
      child.kill('SIGTERM')
      return child.exited
    },
  }
}
