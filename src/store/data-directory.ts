/**
 * Turns a path into a data directory that this process may use, and the server into its only user.
 */

import { Database } from 'bun:sqlite'
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  type Stats,
  statSync,
} from 'node:fs'
import { join } from 'node:path'

/** A data directory that cannot be used: the fault, and the cure. */
export class DataDirectoryError extends Error {
  override readonly name = 'DataDirectoryError'
  readonly cure: string

  constructor(fault: string, cure: string) {
    super(fault)
    this.cure = cure
  }
}

/**
 * Makes the directory, with access for its owner alone, or finds it fit.
 *
 * Files made by another user could not be opened by the server, so such a user is refused.
 *
 * @throws DataDirectoryError
 */
export function requireDataDirectory(directory: string): void {
  try {
    if (!existsSync(directory)) mkdirSync(directory, { recursive: true, mode: 0o700 })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new DataDirectoryError(
      `the data directory ${directory} cannot be made: ${reason}`,
      'name another one with --data DIR',
    )
  }
  const stats = statOf(directory)
  const { uid, mode } = stats
  if (!stats.isDirectory()) {
    throw new DataDirectoryError(
      `${directory} is not a directory`,
      'name another data directory with --data DIR',
    )
  }
  const user = process.getuid?.()
  if (user !== undefined && user !== uid) {
    const owner = userNamed(uid)
    throw new DataDirectoryError(
      `the data directory ${directory} belongs to user ${owner ?? uid}, and this is user ` +
        `${userNamed(user) ?? user}: files made now could not be opened by the server`,
      `run it as that user, for example: sudo -u ${owner ?? `'#${uid}'`} scimd …`,
    )
  }
  if ((mode & 0o077) !== 0) chmodSync(directory, 0o700)
  requireAccess(directory)
  requireNoLinks(directory)
}

/** @throws DataDirectoryError where nobody may look */
function statOf(directory: string): Stats {
  try {
    return statSync(directory)
  } catch (error) {
    throw unusable(directory, error)
  }
}

function requireAccess(directory: string): void {
  try {
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw unusable(directory, error)
  }
}

const unusable = (directory: string, error: unknown): DataDirectoryError =>
  new DataDirectoryError(
    `the data directory ${directory} cannot be used: ${error instanceof Error ? error.message : error}`,
    `see that its owner may read and write it: chmod 700 ${directory}`,
  )

/** The name of a user, as /etc/passwd has it. */
function userNamed(uid: number): string | undefined {
  try {
    const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
    return lines.map((line) => line.split(':')).find(([, , id]) => id === String(uid))?.[0]
  } catch {
    return undefined
  }
}

/** What is opened in the directory; the directory itself may be a link. */
const OPENED = ['control.mdb', 'control.mdb-lock', 'serve.lock', 'tenants']

/**
 * A link could lead whoever owns less than the server does to the server's writing elsewhere.
 *
 * @throws DataDirectoryError
 */
function requireNoLinks(directory: string): void {
  const tenants = join(directory, 'tenants')
  const paths = OPENED.map((name) => join(directory, name))
  for (const path of paths) refuseLink(path, lstatSync(path, { throwIfNoEntry: false }))
  if (!existsSync(tenants)) return
  for (const entry of readdirSync(tenants, { withFileTypes: true }))
    refuseLink(join(tenants, entry.name), entry)
}

function refuseLink(path: string, found: { isSymbolicLink(): boolean } | undefined): void {
  if (!found?.isSymbolicLink()) return
  throw new DataDirectoryError(
    `${path} is a symbolic link, and files of the data directory are none`,
    'put the file itself in its place; to keep all of it elsewhere, use --data DIR',
  )
}

/** A handle that nothing refers to is garbage: it would be closed, and its lock lost. */
const held = new Set<Database>()

/**
 * Makes this process the one server of the directory until the result is called or it ends, however
 * it ends. The lock is SQLite's on an empty file: it is the operating system's, works everywhere
 * that Bun does, and needs no process id that may be somebody else's by now.
 *
 * @throws DataDirectoryError when another server holds it
 */
export function lockDataDirectory(directory: string): () => void {
  const path = join(directory, 'serve.lock')
  let database: Database | undefined
  try {
    database = new Database(path, { create: true })
    chmodSync(path, 0o600)
    database.run('PRAGMA journal_mode = MEMORY')
    database.run('PRAGMA locking_mode = EXCLUSIVE')
    database.run('BEGIN EXCLUSIVE')
  } catch (error) {
    database?.close()
    throw lockFault(directory, path, error)
  }
  const lock = database
  held.add(lock)
  return () => {
    held.delete(lock)
    lock.close()
  }
}

function lockFault(directory: string, path: string, error: unknown): DataDirectoryError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (/^SQLITE_(?:BUSY|LOCKED)/.test(code)) {
    return new DataDirectoryError(
      `another scimd serves the data directory ${directory}`,
      'stop it first, or name another directory with --data DIR',
    )
  }
  const reason = error instanceof Error ? error.message : String(error)
  return new DataDirectoryError(
    `${path} cannot be locked: ${reason}`,
    'see that nothing but scimd made it and that the disk can be written, then move it away',
  )
}
