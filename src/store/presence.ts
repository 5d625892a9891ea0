/** Tells whether an open file is still the one that its path names. */

import { statSync } from 'node:fs'

/**
 * Looks at a file that has just been opened, and gives what to ask later: what is wrong with its
 * path, or undefined while it names the same file. What is written to a file that has no name any
 * more is lost as soon as the process ends.
 */
export function presenceOf(path: string): () => string | undefined {
  const opened = statSync(path)
  return () => {
    const found = statSync(path, { throwIfNoEntry: false })
    if (!found) return `${path} is gone; bring it back, or stop the server and restore it`
    const isSame = found.ino === opened.ino && found.dev === opened.dev
    return isSame ? undefined : `${path} is another file than the one in use; restart the server`
  }
}
