/** Turns edits of links into what really changes: which members are added, which are removed. */

import { LINKS_PER_COMMIT_MAX } from '../scim/limits.ts'
import type { LinkEdit } from '../scim/link.ts'
import type { Link } from '../scim/registry.ts'
import { forwardKey } from './lmdb-keys.ts'
import { headerOf, type Member, membersOf } from './lmdb-links.ts'
import { linkFileOf, type Place, placeOf, type TenantFile } from './lmdb-tenant.ts'
import type { Stored } from './store.ts'

/** A change touches more links than one transaction should: it goes the way of lmdb-large.ts. */
export class TooManyLinks extends Error {
  override readonly name = 'TooManyLinks'
}

export interface LinkedMember extends Member {
  readonly id: string
}

/** What an edit that adds or replaces links says of an id. */
type Accepts = Extract<LinkEdit, { ids: readonly string[] }>['accepts']

/**
 * Whether an edit links to an id that was looked up; without a say of its own, to all that exist.
 *
 * @throws ScimError where the edit refuses it
 */
export function isAccepted(
  file: TenantFile,
  accepts: Accepts,
  id: string,
  member: Member | undefined,
): boolean {
  return accepts?.(id, member && file.typeByNumber[member.type]?.type.name) ?? true
}

/** What a removal by ids says of a member beside its id. */
type Matches = Extract<LinkEdit, { ids: readonly string[] }>['matches']

/** Whether a removal means a member that it names. */
export function isMeant(file: TenantFile, matches: Matches, member: Member): boolean {
  if (!matches) return true
  const header = headerOf(file, member)
  return header !== undefined && matches(header)
}

export interface LinkDiff {
  readonly link: Link
  readonly added: readonly LinkedMember[]
  readonly removed: readonly LinkedMember[]
}

/**
 * The differences that edits make, link by link; a link without a difference is not among them.
 * Ids that an edit names and does not accept are told beside them.
 *
 * @param created places of resources that the same commit creates
 * @throws TooManyLinks when an edit would have to look at more than LINKS_PER_COMMIT_MAX links
 */
export function diffLinks(
  file: TenantFile,
  owner: Place,
  current: Stored | undefined,
  edits: readonly LinkEdit[],
  created: ReadonlyMap<string, Place>,
): { readonly links: readonly LinkDiff[]; readonly skipped: readonly string[] } {
  const skipped: string[] = []
  const diffs = new Map<Link, Differ>()
  for (const edit of edits) {
    const differ =
      diffs.get(edit.link) ?? new Differ(file, owner, current, edit.link, created, skipped)
    diffs.set(edit.link, differ)
    differ.apply(edit)
  }
  const links = [...diffs.values()]
    .map((differ) => differ.diff())
    .filter(({ added, removed }) => added.length + removed.length > 0)
  return { links, skipped }
}

/** The links of one attribute as they become, edit by edit, relative to those that are stored. */
class Differ {
  readonly #added = new Map<number, LinkedMember>()
  readonly #removed = new Map<number, LinkedMember>()
  /** Links that its edits have looked at, one edit after the other. */
  #visited = 0
  readonly #file: TenantFile
  readonly #owner: Place
  readonly #current: Stored | undefined
  readonly #link: Link
  readonly #created: ReadonlyMap<string, Place>
  readonly #skipped: string[]

  constructor(
    file: TenantFile,
    owner: Place,
    current: Stored | undefined,
    link: Link,
    created: ReadonlyMap<string, Place>,
    skipped: string[],
  ) {
    this.#file = file
    this.#owner = owner
    this.#current = current
    this.#link = link
    this.#created = created
    this.#skipped = skipped
  }

  apply(edit: LinkEdit): void {
    switch (edit.op) {
      case 'add':
        for (const id of edit.ids) this.#add(id, edit.accepts)
        return
      case 'remove':
        for (const id of edit.ids) this.#removeId(id, edit.matches)
        return
      case 'replace': {
        const kept = new Set(edit.ids)
        for (const member of this.#members()) if (!kept.has(member.id)) this.#remove(member)
        for (const id of edit.ids) this.#add(id, edit.accepts)
        return
      }
      case 'removeWhere':
        for (const member of this.#members()) {
          const header = headerOf(this.#file, member)
          if (header && edit.matches(header)) this.#remove(member)
        }
    }
  }

  diff(): LinkDiff {
    return {
      link: this.#link,
      added: [...this.#added.values()],
      removed: [...this.#removed.values()],
    }
  }

  #add(id: string, accepts: Accepts): void {
    const member = this.#find(id)
    const accepted = isAccepted(this.#file, accepts, id, member)
    if (accepted && !member) throw new Error(`the decision links to ${id}, which does not exist`)
    if (!accepted || !member) {
      this.#skipped.push(id)
      return
    }
    if (this.#removed.delete(member.handle) || this.#isStored(member)) return
    this.#added.set(member.handle, member)
  }

  #removeId(id: string, matches: Matches): void {
    const member = this.#find(id)
    if (!member || !(this.#added.has(member.handle) || this.#isStored(member))) return
    if (isMeant(this.#file, matches, member)) this.#remove(member)
  }

  #remove(member: LinkedMember): void {
    if (this.#added.delete(member.handle)) return
    this.#removed.set(member.handle, member)
  }

  #find(id: string): LinkedMember | undefined {
    const place = this.#created.get(id) ?? placeOf(this.#file, id)
    if (!place) return undefined
    const exists = this.#created.has(id) || place.file.records.doesExist(place.handle)
    return exists ? { type: place.file.number, handle: place.handle, id } : undefined
  }

  #isStored({ type, handle }: Member): boolean {
    if (!this.#current) return false
    const key = forwardKey(this.#owner.handle, this.#current.generation, type, handle)
    return linkFileOf(this.#file, this.#link).forward.doesExist(key)
  }

  /** All members as they are by now; a stored link to a deleted resource is none. */
  #members(): LinkedMember[] {
    const members = [...this.#added.values()]
    if (!this.#current) return members
    const links = linkFileOf(this.#file, this.#link)
    const { generation } = this.#current
    const stored = membersOf(links, this.#owner.handle, generation, LINKS_PER_COMMIT_MAX + 1)
    this.#visited += stored.length
    if (this.#visited > LINKS_PER_COMMIT_MAX) throw new TooManyLinks()
    for (const member of stored) {
      const header = this.#removed.has(member.handle) ? undefined : headerOf(this.#file, member)
      if (header) members.push({ ...member, id: header.id })
    }
    return members
  }
}
