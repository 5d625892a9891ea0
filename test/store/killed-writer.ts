/** Begins a large change of the group "g" in a given file, and kills itself in the middle of it. */

import { linkFileOf } from '../../src/store/lmdb-tenant.ts'
import { edit, editMembers, MEMBERS, numbered, openStore, originAt } from './given.ts'

const [, , file = ''] = process.argv
const store = await openStore(file)
const links = linkFileOf(store.file, MEMBERS)
const change = editMembers('g', edit('replace', numbered('u', 20_000)))
const committed = store.commit([change], originAt(9))

const countOf = () => (links.forward.getStats() as { entryCount: number }).entryCount
const before = countOf()
// Some slices are on disk, and not yet all.
while (countOf() < before + 4000) await Bun.sleep(0)
process.kill(process.pid, 'SIGKILL')
await committed
