/** Commits one change and hands on what came of it. */

import type { Change, Stored } from '../store/store.ts'
import { type Context, notFound } from './context.ts'

/** Commits a change that leaves a resource, and returns the resource as it is stored. */
export async function commitOne(context: Context, change: Change): Promise<Stored> {
  const [committed] = await context.store.commit([change], context.origin, context)
  if (!committed?.stored) throw notFound(change.type, change.id)
  return committed.stored
}
