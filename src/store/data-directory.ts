/**
 * Turns a path into a data directory that this process may use, and the server into its only user.
 */

import { Database } from 'bun:sqlite'
import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs'
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
  const stats = statSync(directory)
  const { uid, mode } = stats
  if (!stats.isDirectory()) {
    throw new DataDirectoryError(
      `${directory} is not a directory`,
      'name another data directory with --data DIR',
    )
  }
  const user = process.getuid?.()
  if (user !== undefined && user !== uid) {
    throw new DataDirectoryError(
      `the data directory ${directory} belongs to user ${uid}, and this is user ${user}: ` +
        'files made now could not be opened by the server',
      `run it as that user, for example: sudo -u '#${uid}' scimd …`,
    )
  }
  if ((mode & 0o077) !== 0) chmodSync(directory, 0o700)
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
