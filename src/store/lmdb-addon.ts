/**
 * Turns "the native half of lmdb for this machine" into a loaded addon.
 *
 * lmdb looks for its addon at run time with node-gyp-build-optional-packages, which an executable
 * of one file cannot do: tsconfig.json `paths` puts this module in that package's place. Each
 * `require` below names one file, so the compiler embeds it, and only the branch of the target is
 * followed: process.platform and process.arch are constants to `bun build --compile`, so the
 * packages of other platforms need not be installed.
 *
 * msgpackr-extract asks the same package for its own addon. It is optional and we store no
 * msgpack: as a CommonJS caller it gets this module's namespace, cannot call it, and does without.
 */

/** Set by test/build.ts, so that the addon of the other C library is not embedded. */
declare const SCIMD_LIBC: 'glibc' | 'musl' | undefined

/** The C library of this process; 'glibc' where the platform is not Linux. */
export const libc = typeof SCIMD_LIBC === 'string' ? SCIMD_LIBC : libcOfProcess()

/** Called by lmdb with its own directory, which we have no use for. */
export default function loadAddon(): unknown {
  try {
    return addonOfPlatform()
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error)
    throw new Error(`the store's native addon cannot be loaded: ${fault}\n${cureOf(error)}`)
  }
}

/** The executable unpacks the addon into a temporary directory, so that is where loading fails. */
function cureOf(error: unknown): string {
  const isUnpacked = error instanceof Error && 'code' in error && error.code === 'ERR_DLOPEN_FAILED'
  if (!isUnpacked) return 'run bun install, on a platform that lmdb has an addon for'
  const cure = 'set BUN_TMPDIR to a directory that is writable and not mounted noexec'
  return libc === 'musl' ? `apk add libstdc++, or ${cure}` : cure
}

/** No try around these: the bundler takes a `require` inside one for optional and leaves it out. */
function addonOfPlatform(): unknown {
  if (process.platform === 'linux' && process.arch === 'x64') {
    return libc === 'musl'
      ? require('@lmdb/lmdb-linux-x64/node.napi.musl.node')
      : require('@lmdb/lmdb-linux-x64/node.napi.glibc.node')
  }
  if (process.platform === 'linux' && process.arch === 'arm64') {
    return libc === 'musl'
      ? require('@lmdb/lmdb-linux-arm64/node.napi.musl.node')
      : require('@lmdb/lmdb-linux-arm64/node.napi.glibc.node')
  }
  if (process.platform === 'darwin' && process.arch === 'x64') {
    return require('@lmdb/lmdb-darwin-x64/node.napi.node')
  }
  if (process.platform === 'darwin' && process.arch === 'arm64') {
    return require('@lmdb/lmdb-darwin-arm64/node.napi.node')
  }
  if (process.platform === 'win32' && process.arch === 'x64') {
    return require('@lmdb/lmdb-win32-x64/node.napi.node')
  }
  if (process.platform === 'win32' && process.arch === 'arm64') {
    return require('@lmdb/lmdb-win32-arm64/node.napi.node')
  }
  throw new Error(`there is none for ${process.platform} on ${process.arch}`)
}

/** Only a runtime linked with glibc tells its version; Bun's musl build has no such member. */
function libcOfProcess(): 'glibc' | 'musl' {
  if (process.platform !== 'linux') return 'glibc'
  const { header } = process.report.getReport() as { header: object }
  return 'glibcVersionRuntime' in header ? 'glibc' : 'musl'
}
