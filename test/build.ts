/**
 * Turns src/main.ts into dist/scimd, one executable that needs nothing beside it.
 *
 *     bun run build                                 dist/scimd, for this machine
 *     bun run build --target=bun-linux-arm64-musl   dist/scimd-linux-arm64-musl
 *
 * Never minify identifiers: Elysia reads the source text of its handlers and guesses wrong (500).
 * Never bytecode without ESM: import.meta would be frozen to the path of the building machine.
 * Never read .env or bunfig.toml at run time: whoever owns the current directory could run code.
 */

import { copyFile, exists, mkdir, rename, rm } from 'node:fs/promises'
import { basename, join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { BunPlugin } from 'bun'
import { libc } from '../src/store/lmdb-addon.ts'

const ROOT = resolve(import.meta.dir, '..')
const DIST = join(ROOT, 'dist')
const MEBIBYTE = 1024 * 1024

const USAGE = `usage: bun run build [--target=bun-OS-ARCH]
  OS     linux, darwin or windows
  ARCH   x64 or arm64, then optionally -baseline or -modern, then -musl (linux only)`

interface Target {
  readonly name: Bun.Build.CompileTarget
  /** As in process.platform and process.arch, which is how lmdb names its packages. */
  readonly platform: string
  readonly arch: string
  readonly libc: 'glibc' | 'musl'
}

/** Without a target, for this machine. */
async function build(target: Target | undefined): Promise<void> {
  const started = performance.now()
  const suffix = target ? target.name.replace(/^bun/, '') : ''
  const extension = (target?.platform ?? process.platform) === 'win32' ? '.exe' : ''
  const outfile = join(DIST, `scimd${suffix}${extension}`)
  // A running scimd keeps its file, and nobody starts half of one: write elsewhere, then rename.
  // The same name each time, since the executable carries it and equal sources make equal bytes.
  const scratch = join(DIST, `.build-${process.pid}`)
  const unfinished = join(scratch, 'scimd.exe')

  await mkdir(scratch, { recursive: true })
  try {
    await Bun.build({
      entrypoints: [join(ROOT, 'src/main.ts')],
      target: 'bun',
      format: 'esm',
      bytecode: true,
      minify: { whitespace: true, syntax: true, identifiers: false },
      define: {
        'process.env.NODE_ENV': '"production"',
        SCIMD_LIBC: JSON.stringify(target?.libc ?? libc),
      },
      plugins: target ? [await addonsFor(target)] : [],
      compile: {
        ...(target && { target: target.name }),
        outfile: unfinished,
        autoloadDotenv: false,
        autoloadBunfig: false,
        autoloadTsconfig: false,
        autoloadPackageJson: false,
      },
    })
    await rename(unfinished, outfile)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }

  const size = (Bun.file(outfile).size / MEBIBYTE).toFixed(1)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${relative(process.cwd(), outfile)}: ${size} MiB, built in ${seconds} s`)
}

/** Tells the bundler where lmdb's addon for another platform is, at the version of bun.lock. */
async function addonsFor(target: Target): Promise<BunPlugin> {
  const addon = `node_modules/@lmdb/lmdb-${target.platform}-${target.arch}`
  const home = (await exists(join(ROOT, addon))) ? ROOT : await installApart(target)
  if (!(await exists(join(home, addon)))) throw new Error(`bun.lock has no ${basename(addon)}`)

  return {
    name: 'lmdb addons',
    setup(bundler) {
      const path = (specifier: string) => join(home, 'node_modules', specifier)
      bundler.onResolve({ filter: /^@lmdb\// }, (asked) => ({ path: path(asked.path) }))
    },
  }
}

/** Apart, since an install for another platform in place would replace our own packages. */
async function installApart({ platform, arch }: Target): Promise<string> {
  const apart = join(DIST, `.${platform}-${arch}`)
  await mkdir(apart, { recursive: true })
  for (const file of ['package.json', 'bun.lock']) {
    await copyFile(join(ROOT, file), join(apart, file))
  }

  const flags = ['--frozen-lockfile', '--production', '--ignore-scripts', '--silent']
  const { exitCode, stderr } = Bun.spawnSync(
    [process.execPath, 'install', ...flags, `--os=${platform}`, `--cpu=${arch}`],
    { cwd: apart },
  )
  if (exitCode !== 0) throw new Error(`bun install for ${platform} ${arch} failed:\n${stderr}`)
  return apart
}

function targetOf(name: string): Target {
  const parts = /^bun-(linux|darwin|windows)-(x64|arm64)(-baseline|-modern)?(-musl)?$/.exec(name)
  const [, system, arch, , musl] = parts ?? []
  if (system === undefined || arch === undefined || (musl && system !== 'linux')) {
    throw new UsageError(`"${name}" is not a target\n${USAGE}`)
  }
  return {
    name: name as Bun.Build.CompileTarget,
    platform: system === 'windows' ? 'win32' : system,
    arch,
    libc: musl ? 'musl' : 'glibc',
  }
}

function targetAsked(args: string[]): Target | undefined {
  let target: string | undefined
  try {
    target = parseArgs({ args, options: { target: { type: 'string' } } }).values.target
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${USAGE}`)
  }
  return target === undefined ? undefined : targetOf(target)
}

class UsageError extends Error {}

try {
  await build(targetAsked(process.argv.slice(2)))
} catch (error) {
  const faults: unknown[] = error instanceof AggregateError ? error.errors : [error]
  for (const fault of faults) console.error(fault instanceof UsageError ? fault.message : fault)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
