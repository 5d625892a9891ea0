/** What an identity provider does with groups: create, find, fill, empty, rename, delete. */

import { Fault, type Json, listIn, objectIn, requireStatus, requireValue } from './answer.ts'
import { filledIn } from './required.ts'
import { askMaker, patchOf, type Step, tolerance } from './step.ts'
import { pathOf } from './user-steps.ts'
import { filterOf, nameOf, type Visit } from './visit.ts'

const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group'

const ADD_CURE = askMaker('take op add with the path members and a list of {"value": ID}')

async function read(visit: Visit): Promise<Json> {
  const answer = await visit.ask('GET', pathOf(visit, 'group', '/Groups'))
  requireStatus(answer, 200)
  return objectIn(answer)
}

async function change(visit: Visit, ...operations: readonly object[]): Promise<void> {
  const path = pathOf(visit, 'group', '/Groups')
  requireStatus(await visit.ask('PATCH', path, patchOf(...operations)), 200, 204)
}

/** Looks that the members are these and no others. @throws Fault */
async function requireMembers(visit: Visit, ...keys: readonly string[]): Promise<void> {
  const { members = [] } = await read(visit)
  const found = members.map(({ value }: Json) => value).toSorted()
  const expected = keys.map((key) => visit.made.get(key)).toSorted()
  if (found.join(' ') !== expected.join(' '))
    throw new Fault(`members: found ${found.length} (${found.join(', ')}), expected ${expected}`)
}

const add = (visit: Visit, ...keys: readonly string[]): object => ({
  op: 'add',
  path: 'members',
  value: keys.map((key) => ({ value: visit.made.get(key) })),
})

const NEEDS = ['group', 'user', 'second'] as const

export const GROUP_STEPS: readonly Step[] = [
  {
    title: 'a group is created',
    needs: ['user'],
    area: 'group',
    cure: 'look in the log of the server for why; groups may have to be switched on there',
    scimd: 'scimd requests --tenant TENANT --status 4xx shows what was sent, and why it is refused',
    async run(visit) {
      const { body, paths } = filledIn(visit, '/Groups', 'group', {
        // What Entra ID sends beside the schema of the RFC, it sends for groups alone.
        schemas: [
          GROUP,
          ...(visit.habits.has('pathPatch')
            ? ['http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group']
            : []),
        ],
        externalId: visit.name,
        displayName: nameOf(visit, 'group'),
        members: [],
      })
      if (paths.length > 0) {
        visit.warn(
          `requires what identity providers do not send by themselves: ${paths.join(', ')}`,
          'map each of them in the identity provider, or let the schema not require it',
        )
      }
      const answer = await visit.ask('POST', '/Groups', body)
      requireStatus(answer, 201)
      const { id, displayName } = objectIn(answer)
      if (typeof id !== 'string' || id === '') throw new Fault('POST /Groups: no id')
      visit.made.set('group', id)
      requireValue('displayName', displayName, nameOf(visit, 'group'))
    },
  },
  {
    title: 'the group is found by displayName, without its members',
    needs: ['group'],
    area: 'group',
    cure: askMaker('find groups by displayName, and by nothing else than was asked for'),
    async run(visit) {
      const query = `${filterOf('displayName', nameOf(visit, 'group'))}&excludedAttributes=members`
      const [found, ...others] = listIn(await visit.ask('GET', `/Groups${query}`))
      if (others.length > 0) throw new Fault(`found ${others.length + 1} groups, expected 1`)
      requireValue('id', found?.id, visit.made.get('group'))
      if (found?.members !== undefined)
        visit.warn(
          'members are there though they were excluded',
          'expect look-ups of large groups to be slow, and assign small ones',
        )
    },
  },
  {
    title: 'members are added, and adding one again changes nothing',
    needs: NEEDS,
    area: 'group',
    cure: ADD_CURE,
    async run(visit) {
      await change(visit, add(visit, 'user'))
      await change(visit, add(visit, 'second'))
      await change(visit, add(visit, 'second'))
      await requireMembers(visit, 'user', 'second')
    },
  },
  {
    title: 'one member is taken out by a list of values, and the others stay',
    habits: ['removeByValue'],
    needs: NEEDS,
    area: 'group',
    cure: 'append ?aadOptscim062020 to the URL in Entra ID, which then asks in another way',
    scimd: tolerance('removeByValue'),
    async run(visit) {
      const value = [{ $ref: null, value: visit.made.get('second') }]
      await change(visit, { op: 'Remove', path: 'members', value })
      await requireMembers(visit, 'user')
      await change(visit, add(visit, 'second'))
    },
  },
  {
    title: 'one member is taken out by a path with a filter, and the others stay',
    habits: ['removeByFilter'],
    needs: NEEDS,
    area: 'group',
    cure: askMaker('take the path members[value eq "ID"] (RFC 7644 section 3.5.2.2)'),
    scimd: tolerance('elementPaths'),
    async run(visit) {
      const path = `members[value eq "${visit.made.get('second')}"]`
      await change(visit, { op: 'remove', path })
      await requireMembers(visit, 'user')
    },
  },
  {
    title: 'the members are replaced by a PATCH without "schemas" (Push now)',
    habits: ['pathlessPatch'],
    needs: NEEDS,
    area: 'group',
    cure: 'do without Push now in Okta, or ask the maker of the server to take it',
    scimd: tolerance('missingSchemas'),
    async run(visit) {
      const path = pathOf(visit, 'group', '/Groups')
      const value = ['user', 'second'].map((key) => ({ value: visit.made.get(key) }))
      const body = { Operations: [{ op: 'replace', path: 'members', value }] }
      requireStatus(await visit.ask('PATCH', path, body), 200, 204)
      await requireMembers(visit, 'user', 'second')
    },
  },
  {
    title: 'the group is replaced with its members by PUT',
    habits: ['putGroup'],
    needs: NEEDS,
    area: 'group',
    cure: askMaker('take a PUT of the whole group; its members are then those in it'),
    async run(visit) {
      const members = [{ value: visit.made.get('second') }]
      const path = pathOf(visit, 'group', '/Groups')
      const group = { ...(await read(visit)), members }
      const { body } = filledIn(visit, '/Groups', 'group', group)
      requireStatus(await visit.ask('PUT', path, body), 200, 204)
      await requireMembers(visit, 'second')
    },
  },
  {
    title: 'the group is renamed by a path',
    habits: ['pathPatch'],
    needs: ['group'],
    area: 'group',
    cure: 'delete the mapping of displayName once groups are made, or do not rename groups',
    async run(visit) {
      const displayName = `${visit.name}-renamed`
      await change(visit, { op: 'Replace', path: 'displayName', value: displayName })
      requireValue('displayName', (await read(visit)).displayName, displayName)
    },
  },
  {
    title: 'the group is renamed without a path, with its id in the value',
    habits: ['pathlessPatch'],
    needs: ['group'],
    area: 'group',
    cure: 'do not rename groups in Okta, or ask the maker of the server to take an id in the value',
    scimd: tolerance('pathlessPatch'),
    async run(visit) {
      const displayName = `${visit.name}-renamed-again`
      const value = { id: visit.made.get('group'), displayName }
      await change(visit, { op: 'replace', value })
      requireValue('displayName', (await read(visit)).displayName, displayName)
    },
  },
  {
    title: 'the group is deleted',
    needs: ['group'],
    area: 'delete',
    cure: askMaker('answer DELETE with 204, and 404 from then on'),
    async run(visit) {
      const path = pathOf(visit, 'group', '/Groups')
      requireStatus(await visit.ask('DELETE', path), 204)
      requireStatus(await visit.ask('GET', path), 404)
      visit.made.delete('group')
    },
  },
]
