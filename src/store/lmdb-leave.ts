/**
 * Turns the deletion of a member of very many owners into changes that go before it.
 *
 * A deletion gives each owner a new version in its own transaction. Of more than a transaction may
 * hold the event loop for, the member is first taken out, a few owners to a commit: changes like
 * those that a client would send. Should the process end in between, the member is in fewer groups,
 * and the deletion, which was not answered, can be sent again.
 */

import { LINKS_PER_COMMIT_MAX } from '../scim/limits.ts'
import type { Link } from '../scim/registry.ts'
import { after } from './lmdb-keys.ts'
import { headerOf } from './lmdb-links.ts'
import { ownerIn, ownersRange } from './lmdb-owners.ts'
import { type Place, placeOf, recordAt, type TenantFile, type TypeFile } from './lmdb-tenant.ts'
import { currentOf, Stale } from './lmdb-write.ts'
import { type Pause, slicer } from './slices.ts'
import type { Change, Client } from './store.ts'

/** Owners that one commit takes the member out of. */
const OWNERS_PER_COMMIT = 100
/** Keys that are read in one go. */
const BATCH_COUNT = 1000

/** Whether a change deletes what may have more owners than its transaction should hold. */
export function hasManyOwners(file: TenantFile, { operation, id }: Change): boolean {
  const place = operation === 'delete' ? placeOf(file, id) : undefined
  if (!place) return false
  let count = 0
  for (const { reverse } of file.links.values()) {
    const range = { ...rangeOf(place), limit: LINKS_PER_COMMIT_MAX + 1 }
    for (const _key of reverse.getKeys(range)) count++
  }
  return count > LINKS_PER_COMMIT_MAX
}

/**
 * The changes to commit before such a deletion, so that it has LINKS_PER_COMMIT_MAX owners left.
 *
 * @throws ScimError what the deletion refuses, before anything is changed
 */
export async function* leavesBefore(
  file: TenantFile,
  deletion: Change,
  client: Client | undefined,
): AsyncGenerator<readonly Change[]> {
  const place = placeOf(file, deletion.id)
  const current = place && recordAt(place)
  if (!place || !current || place.file.type !== deletion.type) return
  deletion.decide(currentOf(current))
  const owners = await ownersOf(file, place, slicer(client))
  const leaving = [...owners].slice(LINKS_PER_COMMIT_MAX)
  for (let at = 0; at < leaving.length; at += OWNERS_PER_COMMIT) {
    const some = leaving.slice(at, at + OWNERS_PER_COMMIT)
    yield some.map(([id, holder]) => leaveOf(id, holder, deletion.id))
  }
}

const rangeOf = ({ file, handle }: Place) => ownersRange({ type: file.number, handle })

interface Holder {
  readonly file: TypeFile
  /** The link attributes by which it holds the member. */
  readonly links: Link[]
}

/** By their ids, those that hold a member, whichever of their link attributes it is in. */
async function ownersOf(
  file: TenantFile,
  place: Place,
  pause: Pause,
): Promise<ReadonlyMap<string, Holder>> {
  const found = new Map<string, Holder>()
  for (const { link, reverse } of file.links.values()) {
    const owners = file.types.get(link.owner)
    const { start, end } = rangeOf(place)
    for (let from = start; owners; ) {
      const keys = [...reverse.getKeys({ start: from, end, limit: BATCH_COUNT })]
      for (const key of keys) {
        const handle = ownerIn(owners, key)
        const owner =
          handle === undefined ? undefined : headerOf(file, { type: owners.number, handle })
        if (!owner) continue
        const holder = found.get(owner.id) ?? { file: owners, links: [] }
        holder.links.push(link)
        found.set(owner.id, holder)
      }
      const last = keys.at(-1)
      if (!last || keys.length < BATCH_COUNT) break
      from = after(last)
      await pause()
    }
  }
  return found
}

const leaveOf = (id: string, { file, links }: Holder, member: string): Change => ({
  operation: 'modify',
  type: file.type,
  id,
  mentions: [member],
  decide(current) {
    // Deleted since it was found: whoever still holds the member has to be found anew.
    if (!current) throw new Stale(`${id} went away while ${member} was leaving it`)
    return {
      document: current.document,
      links: links.map((link) => ({ link, op: 'remove', ids: [member] })),
    }
  },
})
