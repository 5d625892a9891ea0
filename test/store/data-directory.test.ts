/** A data directory has one owner and one server at a time. */

import { expect, test } from 'bun:test'
import { mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  DataDirectoryError,
  lockDataDirectory,
  requireDataDirectory,
} from '../../src/store/data-directory.ts'
import { temporary } from '../cli/given.ts'

const modeOf = (path: string): number => statSync(path).mode & 0o777

test('it is made with all that leads to it, for its owner alone', () => {
  using place = temporary()
  const path = join(place.cwd, 'a/b')
  requireDataDirectory(path)
  expect(modeOf(path)).toBe(0o700)
  requireDataDirectory(path)
})

test('others lose their access to one that is there', () => {
  using place = temporary()
  const path = join(place.cwd, 'data')
  mkdirSync(path)
  requireDataDirectory(path)
  expect(modeOf(path)).toBe(0o700)
})

test('what is not a directory is refused and left as it is', () => {
  using place = temporary()
  const path = join(place.cwd, 'file')
  writeFileSync(path, '', { mode: 0o644 })
  const link = join(place.cwd, 'link')
  symlinkSync(join(place.cwd, 'nowhere'), link)
  expect(() => requireDataDirectory(path)).toThrow(DataDirectoryError)
  expect(() => requireDataDirectory(join(path, 'data'))).toThrow('cannot be made')
  expect(() => requireDataDirectory(link)).toThrow(DataDirectoryError)
  expect(modeOf(path)).toBe(0o644)
})

test.each(['control.mdb', 'control.mdb-lock', 'serve.lock', 'tenants', 'tenants/acme.mdb'])(
  'a symbolic link in the place of %s is refused, and what it leads to left alone',
  (name) => {
    using place = temporary()
    const data = join(place.cwd, 'data')
    const elsewhere = join(place.cwd, 'elsewhere')
    mkdirSync(join(data, 'tenants'), { recursive: true })
    writeFileSync(elsewhere, 'of somebody else', { mode: 0o644 })
    if (name === 'tenants') rmSync(join(data, name), { recursive: true })
    symlinkSync(elsewhere, join(data, name))
    expect(() => requireDataDirectory(data)).toThrow(`${name} is a symbolic link`)
    expect(modeOf(elsewhere)).toBe(0o644)
  },
)

test('the data directory as a whole may be a link', () => {
  using place = temporary()
  const data = join(place.cwd, 'data')
  mkdirSync(join(place.cwd, 'disk'), { mode: 0o700 })
  symlinkSync(join(place.cwd, 'disk'), data)
  requireDataDirectory(data)
})

test('it is locked once, until it is unlocked', () => {
  using place = temporary()
  const unlock = lockDataDirectory(place.cwd)
  expect(modeOf(join(place.cwd, 'serve.lock'))).toBe(0o600)
  expect(() => lockDataDirectory(place.cwd)).toThrow('another scimd serves')
  unlock()
  lockDataDirectory(place.cwd)()
})

test('a lock is not lost to the garbage collector', async () => {
  using place = temporary()
  const module = join(import.meta.dir, '../../src/store/data-directory.ts')
  const script = `
    import { lockDataDirectory } from ${JSON.stringify(module)}
    const lock = () => void lockDataDirectory(${JSON.stringify(place.cwd)})
    lock()
    for (let turn = 0; turn < 5; turn++) {
      Bun.gc(true)
      await new Promise(setImmediate)
    }
    try { lock() } catch (error) { console.log(error.message) }`
  const child = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe' })
  expect(await new Response(child.stdout).text()).toContain('another scimd serves')
})

test('a lock ends with the process that holds it, however that ends', async () => {
  using place = temporary()
  const module = join(import.meta.dir, '../../src/store/data-directory.ts')
  const script = `
    import { lockDataDirectory } from ${JSON.stringify(module)}
    lockDataDirectory(${JSON.stringify(place.cwd)})
    console.log('locked')
    setInterval(() => {}, 1000)`
  const child = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe' })
  await child.stdout.getReader().read()
  expect(() => lockDataDirectory(place.cwd)).toThrow('another scimd serves')
  child.kill('SIGKILL')
  await child.exited
  lockDataDirectory(place.cwd)()
})

test('a lock file that is none is told apart from a lock that is held', () => {
  using place = temporary()
  const path = join(place.cwd, 'serve.lock')
  writeFileSync(path, Buffer.alloc(20_000, 'no lock'))
  expect(() => lockDataDirectory(place.cwd)).toThrow('serve.lock cannot be locked')
  rmSync(path)
  mkdirSync(path)
  expect(() => lockDataDirectory(place.cwd)).toThrow('serve.lock cannot be locked')
})
