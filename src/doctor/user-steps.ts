/** What an identity provider does with users: create, find, change, suspend, bring back, delete. */

import {
  type Answer,
  Fault,
  type Json,
  listIn,
  objectIn,
  requireError,
  requireStatus,
  requireValue,
} from './answer.ts'
import { filledIn } from './required.ts'
import { askMaker, patchOf, type Step, tolerance } from './step.ts'
import { filterOf, nameOf, type Visit } from './visit.ts'

const USER = 'urn:ietf:params:scim:schemas:core:2.0:User'
const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'

/** The user of this key, as Entra ID and Okta create one, with what the server requires besides. */
const userOf = (visit: Visit, key: string) =>
  filledIn(visit, '/Users', key, {
    schemas: [USER, ENTERPRISE],
    externalId: `${visit.name}-${key}`,
    userName: nameOf(visit, key),
    active: true,
    displayName: 'Scimd Doctor',
    name: { formatted: 'Scimd Doctor', givenName: 'Scimd', familyName: 'Doctor' },
    emails: [{ primary: true, type: 'work', value: nameOf(visit, key) }],
  })

async function create(visit: Visit, key: string): Promise<Answer> {
  const answer = await visit.ask('POST', '/Users', userOf(visit, key).body)
  requireStatus(answer, 201)
  const { id } = objectIn(answer)
  if (typeof id !== 'string' || id === '') throw new Fault('POST /Users: the answer has no id')
  visit.made.set(key, id)
  return answer
}

/** The path of what an earlier step made. */
export function pathOf({ made }: Visit, key: string, endpoint = '/Users'): string {
  return `${endpoint}/${encodeURIComponent(made.get(key) ?? '')}`
}

async function read(visit: Visit, key: string): Promise<Json> {
  const answer = await visit.ask('GET', pathOf(visit, key))
  requireStatus(answer, 200)
  return objectIn(answer)
}

/** The user as it is read, changed, and with what is required and not shown, such as a password. */
async function replacement(visit: Visit, change: object): Promise<Json> {
  const user = await read(visit, 'user')
  return filledIn(visit, '/Users', 'user', { ...user, ...change }).body
}

/** Changes the user, and looks that it is as it should be. */
async function change(visit: Visit, ...operations: readonly object[]): Promise<Json> {
  const answer = await visit.ask('PATCH', pathOf(visit, 'user'), patchOf(...operations))
  requireStatus(answer, 200, 204)
  if (answer.status === 200) objectIn(answer)
  return read(visit, 'user')
}

/** The one user whom a filter finds. @throws Fault for none, and for others */
async function find(visit: Visit, attribute: string, value: string): Promise<Json> {
  const found = listIn(await visit.ask('GET', `/Users${filterOf(attribute, value)}`))
  if (found.length !== 1)
    throw new Fault(`filter ${attribute} eq "${value}": found ${found.length} users, expected 1`)
  requireValue(`filter ${attribute}: id`, found[0].id, visit.made.get('user'))
  return found[0]
}

/** `active` of the user, by its id and by a look-up, which must agree. */
async function requireActive(visit: Visit, active: boolean): Promise<void> {
  const answer = await visit.ask('GET', pathOf(visit, 'user'))
  if (answer.status === 404)
    throw new Fault('the user is gone (404); expected it to stay, with active false')
  requireStatus(answer, 200)
  requireValue('active', objectIn(answer).active, active)
  const found = await find(visit, 'userName', nameOf(visit, 'user'))
  requireValue('active, by a look-up', found.active, active)
}

const workEmail = (user: Json): unknown =>
  user.emails?.find?.(({ type }: Json) => type === 'work')?.value

const SUSPENDED = askMaker('keep who is suspended, with active false as a boolean')

/** The steps that suspend the user in one style, and bring it back. */
const suspension = (
  title: string,
  habit: NonNullable<Step['habits']>[number],
  scimd: string | undefined,
  act: (visit: Visit, active: boolean) => Promise<Answer>,
): readonly Step[] =>
  [false, true].map((active) => ({
    title: `${active ? 'the user is brought back' : 'the user is suspended, and stays'}: ${title}`,
    habits: [habit],
    needs: ['user'],
    area: 'suspend',
    cure: active
      ? askMaker('set active to true again, and show it at once')
      : `${SUSPENDED}; until then, whoever leaves has to be taken out at the server by hand`,
    ...(scimd && { scimd }),
    async run(visit) {
      requireStatus(await act(visit, active), 200, 204)
      await requireActive(visit, active)
    },
  }))

export const USER_STEPS: readonly Step[] = [
  {
    title: 'a user is created',
    area: 'create',
    cure: 'look in the log of the server for why; what it asks for has to be mapped in the portal',
    scimd: 'scimd requests --tenant TENANT --status 4xx shows what was sent, and why it is refused',
    async run(visit) {
      const { paths } = userOf(visit, 'user')
      if (paths.length > 0) {
        visit.warn(
          `requires what identity providers do not send by themselves: ${paths.join(', ')}`,
          'map each of them in the identity provider, or let the schema not require it',
        )
      }
      const answer = await create(visit, 'user')
      const { userName, active, externalId, meta } = answer.body
      requireValue('userName', userName, nameOf(visit, 'user'))
      requireValue('active', active, true)
      if (visit.habits.has('externalId'))
        requireValue('externalId', externalId, `${visit.name}-user`)
      if (!answer.headers.has('location') || typeof meta?.location !== 'string')
        visit.warn(
          'the answer has no Location or meta.location',
          'most identity providers do without; the maker of the server can add both',
        )
    },
  },
  {
    title: 'a second user of the same userName is refused with 409',
    needs: ['user'],
    area: 'create',
    cure: askMaker('answer 409 to that: identity providers then look the user up, or make two'),
    async run(visit) {
      requireError(await visit.ask('POST', '/Users', userOf(visit, 'user').body), 409)
    },
  },
  {
    title: 'the user is found by userName, in another case too',
    needs: ['user'],
    area: 'look-up',
    cure: askMaker('compare userName without regard to case, or match by another attribute'),
    async run(visit) {
      await find(visit, 'userName', nameOf(visit, 'user'))
      await find(visit, 'userName', nameOf(visit, 'user').toUpperCase())
    },
  },
  {
    title: 'the user is found by externalId',
    habits: ['externalId'],
    needs: ['user'],
    area: 'look-up',
    cure: 'match by userName in the identity provider, or have the server keep externalId',
    async run(visit) {
      await find(visit, 'externalId', `${visit.name}-user`)
    },
  },
  {
    title: 'the user is read by id, and an unknown id is 404',
    needs: ['user'],
    area: 'look-up',
    cure: askMaker('answer GET /Users/ID with the user, or with 404 and a SCIM error'),
    async run(visit) {
      requireValue('id', (await read(visit, 'user')).id, visit.made.get('user'))
      requireError(await visit.ask('GET', `/Users/${crypto.randomUUID()}`), 404)
    },
  },
  {
    title: 'pages hold each user once, in the same order each time',
    needs: ['user'],
    area: 'import',
    cure: askMaker('page in an order that stays; do without imports until it does'),
    async run(visit) {
      for (const key of ['second', 'third']) await create(visit, key)
      const page = async (startIndex: number) => {
        const answer = await visit.ask('GET', `/Users?startIndex=${startIndex}&count=2`)
        const ids = listIn(answer).map(({ id }) => id)
        if (answer.body.startIndex !== undefined)
          requireValue('startIndex', answer.body.startIndex, startIndex)
        if (ids.length > 2) throw new Fault(`count=2: found ${ids.length} users`)
        return ids
      }
      const [first, again, next] = [await page(1), await page(1), await page(3)]
      requireValue('the first page, asked again', again.join(' '), first.join(' '))
      const repeated = next.find((id) => first.includes(id))
      if (repeated) throw new Fault(`${repeated} is on the first page and on the second`)
      if (first.length < 2 || next.length === 0)
        throw new Fault('pages of 2 show fewer users than there are')
    },
  },
  {
    title: 'attributes are changed, one operation with a path each',
    habits: ['pathPatch'],
    needs: ['user'],
    area: 'update',
    cure:
      'delete the mappings of what is refused, or append ?aadOptscim062020 to the URL in Entra ID; ' +
      'scimd doctor --url …?aadOptscim062020 tries that',
    scimd: 'scimd tenant set TENANT mode interop, and start the server anew',
    async run(visit) {
      const email = `new-${nameOf(visit, 'user')}`
      const user = await change(
        visit,
        { op: 'Replace', path: 'displayName', value: 'Doctor One' },
        { op: 'Replace', path: 'name.givenName', value: 'One' },
        { op: 'Replace', path: 'emails[type eq "work"].value', value: email },
        { op: 'Add', path: `${ENTERPRISE}:department`, value: 'Surgery' },
      )
      requireValue('displayName', user.displayName, 'Doctor One')
      requireValue('name.givenName', user.name?.givenName, 'One')
      requireValue('emails[type eq "work"].value', workEmail(user), email)
      requireValue('department', user[ENTERPRISE]?.department, 'Surgery')
    },
  },
  {
    title: 'an element that is not there is created by a path with a filter',
    habits: ['pathPatch'],
    needs: ['user'],
    area: 'update',
    cure: 'delete the mappings of such paths (phoneNumbers[type eq "mobile"].value) in the portal',
    scimd: tolerance('createOnReplace'),
    async run(visit) {
      const user = await change(visit, {
        op: 'Replace',
        path: 'phoneNumbers[type eq "mobile"].value',
        value: '+1 555 0100',
      })
      const [phone] = user.phoneNumbers ?? []
      requireValue('phoneNumbers[0].value', phone?.value, '+1 555 0100')
      requireValue('phoneNumbers[0].type', phone?.type, 'mobile')
    },
  },
  {
    title: 'a manager is set by the bare id',
    habits: ['pathPatch'],
    needs: ['user', 'second'],
    area: 'update',
    cure: 'delete the mapping of manager in the portal, or switch its enterprise schema on',
    scimd: tolerance('stringForComplex'),
    async run(visit) {
      const value = visit.made.get('second')
      const user = await change(visit, { op: 'Add', path: `${ENTERPRISE}:manager`, value })
      requireValue('manager.value', user[ENTERPRISE]?.manager?.value, value)
    },
  },
  {
    title: 'attributes are changed by one operation with paths as keys',
    habits: ['keyPatch'],
    needs: ['user'],
    area: 'update',
    cure: 'leave ?aadOptscim062020 out of the URL in the portal',
    scimd: tolerance('pathsAsKeys'),
    async run(visit) {
      const user = await change(visit, {
        op: 'replace',
        value: {
          displayName: 'Doctor Two',
          'name.givenName': 'Two',
          [`${ENTERPRISE}:department`]: 'Medicine',
        },
      })
      requireValue('displayName', user.displayName, 'Doctor Two')
      requireValue('name.givenName', user.name?.givenName, 'Two')
      requireValue('department', user[ENTERPRISE]?.department, 'Medicine')
    },
  },
  {
    title: 'the user is replaced by PUT, as it was read and with a new name',
    habits: ['put'],
    needs: ['user'],
    area: 'update',
    cure: askMaker('take a PUT with id, meta and groups in it, and answer with the user'),
    scimd: 'scimd tenant set TENANT mode interop, and start the server anew',
    async run(visit) {
      const sent = await replacement(visit, { displayName: 'Doctor Three' })
      const answer = await visit.ask('PUT', pathOf(visit, 'user'), sent)
      requireStatus(answer, 200)
      requireValue('displayName', objectIn(answer).displayName, 'Doctor Three')
      requireValue('displayName', (await read(visit, 'user')).displayName, 'Doctor Three')
    },
  },
  ...suspension(
    'PATCH with "False" for a boolean',
    'pathPatch',
    tolerance('booleanStrings'),
    (visit, active) => {
      const value = active ? 'True' : 'False'
      const operation = { op: 'Replace', path: 'active', value }
      return visit.ask('PATCH', pathOf(visit, 'user'), patchOf(operation))
    },
  ),
  ...suspension(
    'PATCH without a path',
    'pathlessPatch',
    tolerance('pathlessPatch'),
    (visit, active) =>
      visit.ask('PATCH', pathOf(visit, 'user'), patchOf({ op: 'replace', value: { active } })),
  ),
  ...suspension('PUT', 'put', undefined, async (visit, active) =>
    visit.ask('PUT', pathOf(visit, 'user'), await replacement(visit, { active })),
  ),
]

/** After the groups, whose members they are. */
export const DELETION_STEPS: readonly Step[] = [
  {
    title: 'a user is deleted, and is not found any more',
    habits: ['deleteUser'],
    needs: ['third'],
    area: 'delete',
    cure: askMaker('answer DELETE with 204, and 404 from then on'),
    async run(visit) {
      requireStatus(await visit.ask('DELETE', pathOf(visit, 'third')), 204)
      requireError(await visit.ask('GET', pathOf(visit, 'third')), 404)
      const query = filterOf('userName', nameOf(visit, 'third'))
      requireValue('found by userName', listIn(await visit.ask('GET', `/Users${query}`)).length, 0)
      visit.made.delete('third')
    },
  },
]
