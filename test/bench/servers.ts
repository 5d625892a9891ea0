/** Starts what is measured, each as a process of its own on loopback, and ends all of it. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Glob } from 'bun'
import type { Directory } from './directory.ts'
import type { Server } from './load.ts'

const ROOT = resolve(import.meta.dir, '../..')
export const DIST = join(ROOT, 'dist')
const EXECUTABLE = join(DIST, 'scimd')
const PEER = join(DIST, 'bench-peer')
const DEFAULT_TENANT = 'default'
/** Exactly these, so that two runs measure the same. */
const PEER_PACKAGES = { express: '4.21.2', scimmy: '1.3.5', 'scimmy-routers': '1.3.2' }

export const PEER_NAME = `scimmy-routers ${PEER_PACKAGES['scimmy-routers']}`

const children = new Set<Bun.Subprocess>()
const directories: string[] = []

/** A directory that is gone when the benchmark ends. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'scimd-bench-'))
  directories.push(directory)
  return directory
}

/** Has a process ended with the benchmark. */
export function track(child: Bun.Subprocess): void {
  children.add(child)
}

/** Ends every process that was started, and removes what they wrote. */
export async function cleanUp(): Promise<void> {
  await Promise.all([...children].map(stop))
  for (const directory of directories.splice(0)) {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Cleans up when somebody ends the benchmark by Ctrl-C. */
export function cleanUpOnSignals(): void {
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.on(signal, () => void cleanUp().finally(() => process.exit(status)))
  }
}

/** Builds the executable where there is none, or the sources are newer. */
export async function requireExecutable(): Promise<void> {
  const built = statSync(EXECUTABLE, { throwIfNoEntry: false })?.mtimeMs ?? 0
  const patterns = ['src/**/*', 'schemas/**/*', 'test/build.ts', 'package.json', 'bun.lock']
  let newest = 0
  for (const pattern of patterns) {
    for await (const path of new Glob(pattern).scan({ cwd: ROOT })) {
      newest = Math.max(newest, statSync(join(ROOT, path)).mtimeMs)
    }
  }
  if (built >= newest) return
  const { success, stderr } = Bun.spawnSync([process.execPath, join(ROOT, 'test/build.ts')], {
    cwd: ROOT,
  })
  if (!success) throw new Error(`dist/scimd could not be built: ${stderr}`)
}

/** The address and process of something that was started. */
export interface Started {
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
}

/** Starts a process and waits for the line that tells its port. */
async function startProcess(words: string[], line: RegExp, cwd = ROOT): Promise<Started> {
  const child = Bun.spawn(words, {
    cwd,
    stdout: 'pipe',
    stderr: 'ignore',
    env: { PATH: process.env.PATH ?? '', NODE_ENV: 'production' },
  })
  children.add(child)
  let text = ''
  for await (const chunk of child.stdout) {
    text += new TextDecoder().decode(chunk)
    const port = line.exec(text)?.[1]
    if (port === undefined) continue
    return { port: Number(port), pid: child.pid, stop: () => stop(child) }
  }
  throw new Error(`${words[0]} did not start: ${text}`)
}

async function stop(child: Bun.Subprocess): Promise<void> {
  child.kill('SIGTERM')
  await child.exited
  children.delete(child)
}

/**
 * The executable over a data directory, with its log of requests, and without a rate limit unless
 * one is asked for: 'default' is that of the server.
 */
export function startScimd(
  data: string,
  { scimd = EXECUTABLE, rateLimit = '0' }: { scimd?: string; rateLimit?: string } = {},
): Promise<Started> {
  const limit = rateLimit === 'default' ? [] : ['--rate-limit', rateLimit]
  const words = ['serve', '--data', data, '--listen', '127.0.0.1:0', ...limit]
  return startProcess([scimd, ...words], /scimd listening on http:\/\/127\.0\.0\.1:(\d+)/)
}

/** Makes a tenant, if it is not there, and its token, with the commands beside the server. */
export function tenantOf(server: Started, data: string, name = DEFAULT_TENANT): Directory {
  const isDefault = name === DEFAULT_TENANT
  if (!isDefault) scimd(data, 'tenant', 'create', name)
  const { port, pid } = server
  const path = isDefault ? '/scim/v2' : `/t/${name}/scim/v2`
  return { port, pid, path, token: mintToken(data, name) }
}

export const mintToken = (data: string, tenant = DEFAULT_TENANT): string =>
  scimd(data, 'token', 'create', '--name', 'bench', '--tenant', tenant).trim()

/** Where a tenant's resources are. */
export const fileOf = (data: string, tenant = DEFAULT_TENANT): string =>
  join(data, 'tenants', `${tenant}.mdb`)

function scimd(data: string, ...words: string[]): string {
  const { success, stdout, stderr } = Bun.spawnSync([EXECUTABLE, ...words, '--data', data])
  if (!success) throw new Error(`scimd ${words.join(' ')}: ${stderr}`)
  return String(stdout)
}

/** The floors of bare.ts. */
export async function startBare(token: string): Promise<Server> {
  const words = [process.execPath, join(import.meta.dir, 'bare.ts'), scratch(), token]
  return { ...(await startProcess(words, /bare listening on (\d+)/)), token }
}

/** Node where there is one, as the peer was made for it. */
const peerRuntime = (): string => Bun.which('node') ?? process.execPath

/** What runs the peer, with its version. */
export function peerRuntimeName(): string {
  const { stdout } = Bun.spawnSync([peerRuntime(), '--version'])
  const version = String(stdout).trim().replace(/^v/, '')
  return `${Bun.which('node') ? 'Node' : 'Bun'} ${version}`
}

/** Installs the peer into a folder of its own below dist, unless it is there. */
export function installPeer(): void {
  mkdirSync(PEER, { recursive: true })
  const wanted = JSON.stringify({ private: true, type: 'module', dependencies: PEER_PACKAGES })
  const manifest = join(PEER, 'package.json')
  const isThere = PEER_INSTALLED.every(
    (path) => statSync(join(PEER, path), { throwIfNoEntry: false }) !== undefined,
  )
  const script = readFileSync(join(import.meta.dir, 'peer-server.mjs'))
  writeFileSync(join(PEER, 'peer-server.mjs'), script)
  if (isThere && readFileSync(manifest, 'utf8') === wanted) return
  writeFileSync(manifest, wanted)
  const words = [process.execPath, 'install', '--production', '--ignore-scripts', '--silent']
  const { success, stderr } = Bun.spawnSync(words, { cwd: PEER })
  if (!success) throw new Error(`the peer could not be installed: ${stderr}`)
}

const PEER_INSTALLED = ['package.json', 'node_modules/scimmy-routers', 'node_modules/express']

/** The peer as the load reaches it. */
export type Peer = Directory & Pick<Started, 'stop'>

export async function startPeer(token: string): Promise<Peer> {
  const words = [peerRuntime(), 'peer-server.mjs', token]
  const started = await startProcess(words, /peer listening on (\d+)/, PEER)
  return { ...started, token, path: '/scim/v2' }
}
