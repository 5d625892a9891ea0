/** What a tenant sees of the resource types and schemas, and what becomes of the rest. */

import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { start } from '../../src/app.ts'
import { ConfigFaults, readConfig } from '../../src/config.ts'
import { type Reply, startTestServer, TARGETS, type Target, type TestServer } from '../harness.ts'
import {
  type Body,
  ENTERPRISE,
  ERROR,
  expectError,
  expectRefused,
  GROUP,
  idsOf,
  PATCH_OP,
  query,
  sharedServer,
  USER,
} from './given.ts'
import {
  DEVICE,
  DEVICE_EXTENSION,
  DEVICE_SCHEMA,
  DEVICE_TYPE,
  schemasDirectory,
  WARRANTY_SCHEMA,
} from './schema-files.ts'

const settings = (own: object) => ({ config: { tenants: { default: own } } })
const idsAt = async (get: (path: string) => Promise<Reply>, path: string): Promise<string[]> =>
  (await get(path)).body.Resources.map(({ id }: Body) => id)

/** Runs a server on a data directory that outlives it. */
async function during<T>(
  target: Target,
  data: string,
  own: object,
  act: (server: TestServer) => Promise<T>,
): Promise<T> {
  // One address for all of them, or references would differ.
  const flags = { baseUrl: 'https://scim.example.com/scim/v2' }
  const options = { target, data, keep: true, flags, ...settings(own) }
  await using server = await startTestServer(options)
  return await act(server)
}

const patchOf = (...Operations: object[]) => ({ schemas: [PATCH_OP], Operations })

for (const target of TARGETS) {
  describe(`a tenant that sees users alone (${target})`, () => {
    const scim = sharedServer({ target, ...settings({ resourceTypes: ['user'], extensions: [] }) })

    test('[R7644-4-13] discovery tells of nothing else', async () => {
      expect(await idsAt(scim.get, '/ResourceTypes')).toEqual(['User'])
      const ids = await idsAt(scim.get, '/Schemas')
      expect(ids).toContain(USER)
      expect(ids).not.toContain(GROUP)
      expect(ids).not.toContain(ENTERPRISE)
      const type = (await scim.get('/ResourceTypes/User')).body
      expect(type.schemaExtensions).toEqual([])
      for (const path of ['/ResourceTypes/Group', `/Schemas/${GROUP}`, `/Schemas/${ENTERPRISE}`])
        expectError(await scim.get(path), 404)
    })

    test('other types are not there, by any verb', async () => {
      const body = { schemas: [GROUP], displayName: 'g' }
      for (const [method, path] of [
        ['GET', '/Groups'],
        ['POST', '/Groups'],
        ['POST', '/Groups/.search'],
        ['GET', '/Groups/x'],
        ['PUT', '/Groups/x'],
        ['PATCH', '/Groups/x'],
        ['DELETE', '/Groups/x'],
      ] as const) {
        const sent = method === 'GET' || method === 'DELETE' ? undefined : body
        expectError(await scim.request(method, path, sent), 404, undefined, 'Group')
      }
      const bulk = await scim.request('POST', '/Bulk', {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
        Operations: [{ method: 'POST', path: '/Groups', bulkId: 'a', data: body }],
      })
      expect(bulk.body.Operations[0].status).toBe('400')
      expect(bulk.body.Operations[0].response.schemas).toEqual([ERROR])
    })

    test('attributes of a hidden extension are as good as unknown', async () => {
      const user = await scim.user({ [ENTERPRISE]: { department: 'D' } })
      expect(user).not.toHaveProperty(ENTERPRISE)
      expect(user.schemas).toEqual([USER])
      const filter = query({ filter: `${ENTERPRISE}:department eq "D"` })
      expectError(await scim.get(`/Users${filter}`), 400, 'invalidFilter')
      const path = `${ENTERPRISE}:department`
      const patch = () => scim.patch(`/Users/${user.id}`, [{ op: 'add', path, value: 'D' }])
      await expectRefused(scim, `/Users/${user.id}`, patch, 400, 'invalidPath')
      const unknown = await scim.user({ groups: [] })
      expect(unknown).not.toHaveProperty('groups')
    })

    test('a search from the root finds users, and takes what they lack as absent', async () => {
      const { id, userName } = await scim.user()
      const filter = `userName eq "${userName}" or members pr`
      const found = await scim.get(`/${query({ filter })}`)
      expect(idsOf(found.body.Resources)).toEqual([id])
      expect((await scim.get('/')).body.Resources.every(isUser)).toBe(true)
      const none = await scim.get(`/${query({ filter: 'groups.value eq "x"' })}`)
      expect(none.body.totalResults).toBe(0)
    })

    test('the journal tells each change, and nothing that was refused', async () => {
      await scim.expectJournalOfChanges()
    })
  })

  describe(`types and extensions that come back (${target})`, () => {
    const data = mkdtempSync(join(tmpdir(), 'scimd-view-'))
    const onlyUsers = { resourceTypes: ['User'], extensions: [], passwords: 'refuse' }
    afterAll(() => rmSync(data, { recursive: true }))

    test('what was stored before is hidden, kept over every write, and there again', async () => {
      const before = await during(target, data, {}, async (server) => {
        const boss = await created(server, '/Users', { userName: 'boss', password: 'secret-1' })
        const manager = { value: boss.id }
        const ada = await created(server, '/Users', {
          userName: 'ada',
          password: 'secret-2',
          [ENTERPRISE]: { employeeNumber: '7', manager },
        })
        const eve = await created(server, '/Users', { userName: 'eve' })
        const members = idsOf([boss, ada, eve]).map((value) => ({ value }))
        const group = await created(server, '/Groups', { displayName: 'g', members })
        return {
          boss,
          ada,
          eve,
          group,
          read: (await server.request('GET', `/Users/${ada.id}`)).body,
        }
      })
      const { boss, ada, eve, group } = before

      await during(target, data, onlyUsers, async (server) => {
        const place = `/Users/${ada.id}`
        const seen = await server.request('GET', place)
        expect(seen.body).not.toHaveProperty(ENTERPRISE)
        expect(seen.body).not.toHaveProperty('groups')
        expect(seen.body.schemas).toEqual([USER])
        expect(seen.body.meta.version).toBe(ada.meta.version)
        expect(seen.text).not.toInclude('employeeNumber')
        expectError(await server.request('GET', `/Groups/${group.id}`), 404)
        const same = { schemas: [USER], userName: 'ada' }
        const unchanged = await server.request('PUT', place, same)
        expect(unchanged.body.meta.version).toBe(ada.meta.version)
        const put = await server.request('PUT', place, { ...same, title: 'T' })
        expect(put.body).toMatchObject({ title: 'T' })
        const patch = patchOf({ op: 'add', path: 'nickName', value: 'N' })
        expect((await server.request('PATCH', place, patch)).body.nickName).toBe('N')
        const all = await server.request('GET', '/Users?count=10')
        expect(all.text).not.toInclude('employeeNumber')
        expect((await server.request('DELETE', `/Users/${eve.id}`)).status).toBe(204)
        const kim = await created(server, '/Users', { userName: 'kim' })
        expect(kim.id).toBeString()
      })

      await during(target, data, {}, async (server) => {
        const place = `/Users/${ada.id}`
        const { body } = await server.request('GET', place)
        expect(body).toMatchObject({ title: 'T', nickName: 'N', groups: [{ value: group.id }] })
        expect(body[ENTERPRISE]).toEqual(before.read[ENTERPRISE])
        expect(body[ENTERPRISE].manager.$ref).toEndWith(boss.id)
        expect(body.schemas).toEqual([USER, ENTERPRISE])
        const filter = query({ filter: `${ENTERPRISE}:employeeNumber eq "7"` })
        const found = await server.request('GET', `/Users${filter}`)
        expect(idsOf(found.body.Resources)).toEqual([ada.id])
        const back = (await server.request('GET', `/Groups/${group.id}`)).body
        expect(idsOf(back.members)).toEqual(idsOf([boss, ada]))
        const version = body.meta.version
        const again = patchOf({ op: 'replace', path: 'title', value: 'T' })
        const unmoved = await server.request('PATCH', place, again)
        expect(unmoved.body.meta.version).toBe(version)
      })
    })

    test('groups whose members cannot be seen show none, and keep them', async () => {
      const ids = await during(target, data, {}, async (server) => {
        const user = await created(server, '/Users', { userName: 'zoe' })
        const inner = await created(server, '/Groups', { displayName: 'inner' })
        const members = idsOf([user, inner]).map((value) => ({ value }))
        const outer = await created(server, '/Groups', { displayName: 'outer', members })
        return { user: user.id, inner: inner.id, outer: outer.id }
      })
      const place = `/Groups/${ids.outer}`
      await during(target, data, { resourceTypes: ['Group'] }, async (server) => {
        const shown = await server.request('GET', place)
        expect(idsOf(shown.body.members)).toEqual([ids.inner])
        const group = (await server.request('GET', `/Schemas/${GROUP}`)).body
        const membersOf = group.attributes.find(({ name }: Body) => name === 'members')
        const ref = membersOf.subAttributes.find(({ name }: Body) => name === '$ref')
        expect(ref.referenceTypes).toEqual(['Group'])
        const add = patchOf({ op: 'add', path: 'members', value: [{ value: ids.user }] })
        expectError(await server.request('PATCH', place, add), 400, 'invalidValue', ids.user)
        const remove = patchOf({ op: 'remove', path: 'members', value: [{ value: ids.inner }] })
        expect((await server.request('PATCH', place, remove)).status).toBe(200)
        expect((await server.request('GET', place)).body.members).toEqual([])
      })
      await during(target, data, {}, async (server) => {
        expect(idsOf((await server.request('GET', place)).body.members)).toEqual([ids.user])
      })
    })

    test('a password that was kept out of sight is in no journal', async () => {
      const id = await during(target, data, {}, async (server) => {
        return (await created(server, '/Users', { userName: 'pat', password: 'secret-3' })).id
      })
      await during(target, data, onlyUsers, async (server) => {
        expect((await server.request('DELETE', `/Users/${id}`)).status).toBe(204)
        const entries = await server.journal()
        expect(entries.at(-1)).toMatchObject({ operation: 'delete', id })
        expect(JSON.stringify(entries)).not.toInclude('argon2')
      })
    })
  })

  describe(`passwords: refuse (${target})`, () => {
    const scim = sharedServer({ target, ...settings({ passwords: 'refuse' }) })
    const secret = 'correct horse'
    const whole = (more: object) => ({ schemas: [USER], userName: scim.fresh(), ...more })

    test('[PROF-16] [R7644-4-13] [R7643-5-04] discovery tells of no password', async () => {
      const { attributes } = (await scim.get(`/Schemas/${USER}`)).body
      expect(attributes.map(({ name }: Body) => name)).not.toContain('password')
      const { changePassword } = (await scim.get('/ServiceProviderConfig')).body
      expect(changePassword).toEqual({ supported: false })
      expect(await idsAt(scim.get, '/Schemas')).toContain(ENTERPRISE)
    })

    test('[PROF-16] [R7643-4.1-14] who sends one is told, and nothing is stored', async () => {
      const { id } = await scim.user()
      const place = `/Users/${id}`
      for (const body of [{ password: secret }, { PassWord: secret }, { password: 5 }]) {
        const post = () => scim.request('POST', '/Users', whole(body))
        await expectRefused(scim, place, post, 400, 'invalidValue', 'password')
        const put = () => scim.request('PUT', place, whole(body))
        await expectRefused(scim, place, put, 400, 'invalidValue', 'password')
      }
      for (const operation of [
        { op: 'add', path: 'password', value: secret },
        { op: 'replace', path: `${USER}:password`, value: secret },
        { op: 'replace', value: { title: 'T', password: secret } },
        { op: 'replace', value: { title: 'T', [`${USER}:password`]: secret } },
      ]) {
        const patch = () => scim.patch(place, [operation])
        await expectRefused(scim, place, patch, 400, 'mutability', 'password')
      }
    })

    test('no value is no password', async () => {
      for (const password of [null, '']) {
        const user = await scim.user({ password })
        const put = await scim.request('PUT', `/Users/${user.id}`, whole({ password, title: 'T' }))
        expect(put.body).toMatchObject({ title: 'T' })
        const after = await scim.patched(`/Users/${user.id}`, {
          op: 'replace',
          value: { password, title: 'U' },
        })
        expect(after.title).toBe('U')
      }
    })

    test('[R7644-3.4.2.2-63] no filter and no sort asks for it', async () => {
      for (const filter of ['password pr', 'password eq "x"', `${USER}:password sw "$"`])
        expectError(await scim.get(`/Users${query({ filter })}`), 400, 'invalidFilter')
      const { id } = await scim.user()
      const read = await scim.get(`/Users/${id}?attributes=password`)
      expect(read.body).not.toHaveProperty('password')
    })

    test('the journal tells each change, and nothing that was refused', async () => {
      const entries = await scim.expectJournalOfChanges()
      expect(JSON.stringify(entries)).not.toInclude('argon2')
    })
  })
}

describe('settings that name what no schema file has', () => {
  const room = {
    id: 'urn:example:Room',
    name: 'Room',
    attributes: [
      {
        name: 'things',
        type: 'complex',
        multiValued: true,
        subAttributes: [
          { name: 'value', type: 'string', caseExact: true },
          { name: '$ref', type: 'reference', referenceTypes: ['Device'] },
        ],
      },
    ],
  }
  const schemas = schemasDirectory({
    'Device.json': DEVICE_SCHEMA,
    'Warranty.json': WARRANTY_SCHEMA,
    'Room.json': room,
    'resource-types/Device.json': DEVICE_TYPE,
    'resource-types/Room.json': {
      name: 'Room',
      endpoint: '/Rooms',
      schema: 'urn:example:Room',
      links: [{ attribute: 'things' }],
    },
  })
  afterAll(() => rmSync(schemas, { recursive: true }))

  test.each<[own: object, ...faults: string[]]>([
    [
      { resourceTypes: ['User', 'Nope'] },
      '.resourceTypes[1]: there is no "Nope", expected one of User, Group, Device, Room',
    ],
    [
      { resourceTypes: [] },
      '.resourceTypes: found an empty list, expected one of User, Group, Device, Room at least',
    ],
    [
      { resourceTypes: ['User'], extensions: ['urn:x'] },
      `.extensions[0]: no resource type has "urn:x", expected ${ENTERPRISE}, ${DEVICE_EXTENSION}`,
    ],
    [
      { resourceTypes: ['Device'], extensions: [] },
      `.extensions: Device requires ${DEVICE_EXTENSION}; list it, or not Device`,
    ],
    [
      { resourceTypes: ['User', 'Room'] },
      '.resourceTypes: Room.things links to Device alone; list one of them, or leave Room out',
    ],
    [
      { resourceTypes: ['User'], sensitive: ['userName', 'displayname', 'members', 'name.x'] },
      '.sensitive[2]: found "members", expected the path of an attribute of User',
      '.sensitive[3]: found "name.x", expected the path of an attribute of User',
    ],
  ])('%j', async (own, ...faults) => {
    const data = mkdtempSync(join(tmpdir(), 'scimd-view-'))
    const file = join(data, 'scimd.json')
    await Bun.write(file, JSON.stringify({ tenants: { default: {}, acme: own } }))
    const config = readConfig({ data, schemas, listen: '127.0.0.1:0' }, {})
    const starting = start(config, {
      log: () => undefined,
      now: () => 0,
      newId: () => Bun.randomUUIDv7(),
    })
    const error = await starting.then(
      (running) => running.stop(),
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(ConfigFaults)
    expect((error as ConfigFaults).faults).toEqual(
      faults.map((fault) => `${file}: $.tenants.acme${fault}`),
    )
    rmSync(data, { recursive: true })
  })

  test('a tenant may see a type of its own alone', async () => {
    const own = settings({ resourceTypes: ['Device', 'Room'] })
    await using server = await startTestServer({ ...own, flags: { schemas } })
    const { body } = await server.request('POST', '/Devices', {
      schemas: [DEVICE, DEVICE_EXTENSION],
      serial: '1',
      owner: { value: 'a user whom nobody sees' },
      [DEVICE_EXTENSION]: { vendor: 'V' },
    })
    expect(body.owner).toEqual({ value: 'a user whom nobody sees' })
    const made = await server.request('POST', '/Rooms', {
      schemas: ['urn:example:Room'],
      things: [{ value: body.id }],
    })
    expect(idsOf(made.body.things)).toEqual([body.id])
    expectError(await server.request('GET', '/Users'), 404)
  })
})

const isUser = ({ meta }: Body): boolean => meta.resourceType === 'User'

async function created(server: TestServer, path: string, attributes: object): Promise<Body> {
  const schemas = [path === '/Users' ? USER : GROUP]
  const reply = await server.request('POST', path, { schemas, ...attributes })
  expect(reply.status, reply.text).toBe(201)
  return reply.body
}
