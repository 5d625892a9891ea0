/** Files that only add to a resource type or a schema that is there: `"extends": "User"`. */

import { afterAll, describe, expect, test } from 'bun:test'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { printed, scimd, temporary } from '../cli/given.ts'
import { startTestServer, TARGETS } from '../harness.ts'
import { type Body, ENTERPRISE, expectError, GROUP, idsOf, sharedServer, USER } from './given.ts'
import { BADGE_SCHEMA, DEVICE, schemasDirectory, USER_EXTENSION } from './schema-files.ts'

const LOCKER = 'urn:example:schemas:1.0:Locker'

/** Two files that add to User, one of them beside the schemas, and one to each of the others. */
const FILES = {
  'Badge.json': BADGE_SCHEMA,
  'Locker.json': { id: LOCKER, name: 'Locker', attributes: [{ name: 'door' }] },
  'Gate.json': {
    id: DEVICE,
    name: 'Gate',
    attributes: [
      {
        name: 'keepers',
        type: 'complex',
        multiValued: true,
        subAttributes: [
          { name: 'value', caseExact: true },
          { name: '$ref', type: 'reference', referenceTypes: ['User'] },
        ],
      },
    ],
  },
  'user-badge.json': {
    extends: 'user',
    schemaExtensions: [{ schema: USER_EXTENSION }],
    indexed: [`${USER_EXTENSION}:color`, 'costBearer', 'USERNAME'],
    attributes: [
      { name: 'costBearer', uniqueness: 'server' },
      { name: 'floor', type: 'integer' },
      { name: 'gates', type: 'complex', multiValued: true, mutability: 'readOnly' },
    ].map((one) => (one.name === 'gates' ? { ...one, subAttributes: [{ name: 'value' }] } : one)),
    defaults: { floor: 3 },
  },
  'resource-types/user-locker.json': {
    extends: 'User',
    schemaExtensions: [
      { schema: LOCKER, required: false },
      // Said by the other file as well, and meant alike.
      { schema: USER_EXTENSION, required: false },
    ],
    indexed: [`${LOCKER}:door`],
    attributes: [{ name: 'floor', type: 'integer', description: 'Said again.' }],
  },
  'resource-types/Gate.json': { name: 'Gate', endpoint: '/Gates', schema: DEVICE },
  'resource-types/gate-keepers.json': {
    extends: 'Gate',
    links: [{ attribute: 'keepers', reverse: { User: 'gates' } }],
  },
  'resource-types/group-tag.json': {
    extends: 'Group',
    unique: ['tag'],
    attributes: [{ name: 'tag' }],
  },
  'enterprise.json': { extends: ENTERPRISE, attributes: [{ name: 'shift' }] },
}

/** Additions that are refused: each with what is told of it. */
const FAULTS: Readonly<Record<string, readonly [addition: unknown, ...told: string[]]>> = {
  'a-nobody.json': [
    { extends: 'Usr', indexed: ['userName'] },
    '$.extends: found "Usr", expected the name of a resource type (User, Group)',
  ],
  'b-no-name.json': [{ extends: 5 }, '$.extends: found 5, expected a string'],
  'c-nothing.json': [{ extends: 'User' }, '$: found {"extends":"User"}, expected something to add'],
  'd-unknown.json': [
    { extends: 'User', endpoint: '/People', index: [] },
    '$.endpoint: found "endpoint", expected what may be added: one of schemaExtensions',
    '$.index: found "index", expected what may be added',
  ],
  'e-schema.json': [
    { extends: GROUP, indexed: ['tag'], attributes: [{ name: 'tag' }] },
    '$.indexed: found "indexed", expected what may be added: one of attributes',
  ],
  'f-form.json': [
    { extends: 'User', indexed: 'userName', attributes: {}, defaults: [] },
    '$.indexed: found "userName", expected a list of strings',
    '$.attributes: found {}, expected a list of objects',
    '$.defaults: found [], expected an object',
  ],
  'g-taken.json': [
    { extends: 'User', attributes: [{ name: 'nickname', type: 'integer' }] },
    '$.attributes[0]: found {"name":"nickname","type":"integer"}, expected nothing here, as ' +
      'schemas/User.json, $.attributes[4] says otherwise: {"name":"nickName"',
    'leave it out, or put a whole file of your own in place of that one (scimd schema print)',
  ],
  'h-common.json': [
    { extends: 'User', attributes: [{ name: 'Meta' }] },
    '$.attributes[0].name: found "Meta", expected a name that no common attribute has',
  ],
  'i-required.json': [
    { extends: 'User', schemaExtensions: [{ schema: ENTERPRISE, required: true }] },
    '$.schemaExtensions[0]: found',
    'expected nothing here, as schemas/resource-types/User.json, $.schemaExtensions[0] says',
  ],
  'j-default.json': [
    { extends: 'User', defaults: { active: false } },
    '$.defaults.active: found false, expected nothing here, as schemas/resource-types/User.json',
  ],
  'k-one.json': [{ extends: 'User', attributes: [{ name: 'team', type: 'string' }] }],
  'l-two.json': [
    { extends: 'User', attributes: [{ name: 'x' }, { name: 'TEAM', type: 'boolean' }] },
    '$.attributes[1]: found {"name":"TEAM","type":"boolean"}, expected nothing here, as ',
    'k-one.json, $.attributes[0] says otherwise',
    'leave it out here, or there',
  ],
  // What is wrong with the whole is told of the file that added it.
  'm-path.json': [
    { extends: 'User', indexed: ['displayName', 'nope', 'password'] },
    '$.indexed[1]: found "nope", expected the path of a simple attribute',
    '$.indexed[2]: found "password", expected attributes that are stored',
  ],
  'n-urn.json': [
    { extends: 'User', schemaExtensions: [{ schema: 'urn:not:there' }] },
    '$.schemaExtensions[0].schema: found "urn:not:there", expected the id of a schema file',
  ],
  'o-type.json': [
    { extends: 'User', attributes: [{ name: 'odd', type: 'text' }, { name: '1st' }] },
    '$.attributes[0].type: found "text", expected one of string',
    '$.attributes[1].name: found "1st", expected a letter',
  ],
  'p-rest.json': [
    {
      extends: 'User',
      links: [{ attribute: 'userName' }],
      defaults: { nickName: 5 },
      formats: { nickName: 'odd' },
    },
    '$.links[0].attribute: found "userName"',
    '$.defaults.nickName: found 5',
    '$.formats.nickName: found "odd"',
  ],
}

for (const target of TARGETS) {
  describe(`files that add (${target})`, () => {
    const schemas = schemasDirectory(FILES)
    const scim = sharedServer({ target, flags: { schemas } })
    afterAll(() => rmSync(schemas, { recursive: true }))

    test('[R7644-4-09] discovery shows what all files make of it together', async () => {
      const type = (await scim.get('/ResourceTypes/User')).body
      expect(type.schemaExtensions).toEqual([
        { schema: ENTERPRISE, required: false },
        { schema: USER_EXTENSION, required: false },
        { schema: LOCKER, required: false },
      ])
      const namesIn = async (id: string): Promise<string[]> =>
        (await scim.get(`/Schemas/${id}`)).body.attributes.map(({ name }: Body) => name)
      const names = await namesIn(USER)
      expect(names.slice(-3)).toEqual(['costBearer', 'floor', 'gates'])
      expect(new Set(names).size).toBe(names.length)
      expect((await namesIn(ENTERPRISE)).at(-1)).toBe('shift')
      expect((await namesIn(GROUP)).at(-1)).toBe('tag')
      const ids = (await scim.get('/ResourceTypes')).body.Resources.map(({ id }: Body) => id)
      expect(ids).toEqual(['User', 'Group', 'Gate'])
    })

    test('what was added is written, read, patched and found, by an index', async () => {
      const made = await scim.user({
        costBearer: 'C1',
        [USER_EXTENSION]: { number: '7', color: 'red' },
        [LOCKER]: { door: 'north' },
        [ENTERPRISE]: { shift: 'late' },
      })
      expect(made).toMatchObject({ floor: 3, costBearer: 'C1', [LOCKER]: { door: 'north' } })
      expect(made.schemas).toContain(USER_EXTENSION)
      const path = `/Users/${made.id}`
      const changed = await scim.patched(path, {
        op: 'replace',
        path: `${LOCKER}:door`,
        value: 'south',
      })
      expect(changed).toMatchObject({
        [LOCKER]: { door: 'south' },
        [ENTERPRISE]: { shift: 'late' },
      })
      for (const filter of [
        `${LOCKER}:door eq "SOUTH"`,
        'costBearer eq "c1"',
        `${USER_EXTENSION}:color eq "red"`,
        `${ENTERPRISE}:shift eq "late"`,
      ])
        expect(idsOf(await scim.find(filter)), filter).toEqual([made.id])
      const explained = await printed(
        target,
        ['explain', '--filter', 'costBearer eq "c1"', '--json', '--schemas', schemas],
        { cwd: join(scim.server().data, '..'), env: { SCIMD_DATA: scim.server().data } },
      )
      expect(explained).toInclude('costBearer')
      expect(explained).not.toInclude('"missing": [')
      const body = { schemas: [USER], userName: scim.fresh(), costBearer: 'c1' }
      expectError(await scim.request('POST', '/Users', body), 409, 'uniqueness', 'costBearer')
      expectError(
        await scim.request('POST', '/Users', { ...body, floor: 'x' }),
        400,
        'invalidValue',
      )
    })

    test('links and unique names that were added hold', async () => {
      const keeper = await scim.user()
      const schemas = [DEVICE]
      const gate = await scim.request('POST', '/Gates', {
        schemas,
        keepers: [{ value: keeper.id }],
      })
      expect(gate.status, gate.text).toBe(201)
      const { gates } = (await scim.get(`/Users/${keeper.id}`)).body
      expect(gates.map(({ value }: Body) => value)).toEqual([gate.body.id])
      await scim.group({ tag: 'T' })
      const group = { schemas: [GROUP], displayName: scim.fresh(), tag: 't' }
      expectError(await scim.request('POST', '/Groups', group), 409, 'uniqueness', 'tag')
    })

    test('[R7644-4-13] a tenant’s view narrows what was added too', async () => {
      const config = { tenants: { default: { extensions: [LOCKER], resourceTypes: ['User'] } } }
      await using server = await startTestServer({ target, flags: { schemas }, config })
      const type = (await server.request('GET', '/ResourceTypes/User')).body
      expect(type.schemaExtensions).toEqual([{ schema: LOCKER, required: false }])
      const { status, body } = await server.request('POST', '/Users', {
        schemas: [USER],
        userName: 'ada',
        costBearer: 'C1',
        [LOCKER]: { door: 'north' },
        [USER_EXTENSION]: { number: '7' },
      })
      expect(status).toBe(201)
      expect(body).toMatchObject({ costBearer: 'C1', [LOCKER]: { door: 'north' } })
      expect(body).not.toHaveProperty([USER_EXTENSION])
    })

    test('what was printed makes the same types and schemas as the files that added', async () => {
      using place = temporary()
      const words = ['--schemas', schemas, '--json']
      const listed: Body[] = JSON.parse(await printed(target, ['schema', 'list', ...words], place))
      const files: Record<string, unknown> = {}
      for (const { kind, name, schema } of listed) {
        const isType = kind === 'resource type'
        const text = await printed(
          target,
          ['schema', 'print', isType ? name : schema, ...words],
          place,
        )
        files[`${isType ? 'resource-types/' : ''}${name}.json`] = text
      }
      const directory = schemasDirectory(files)
      await using server = await startTestServer({ target, flags: { schemas: directory } })
      for (const path of ['/ResourceTypes', '/Schemas']) {
        const told = (body: Body) =>
          body.Resources.map(({ meta: _, ...rest }: Body) => rest).toSorted((a: Body, b: Body) =>
            a.id < b.id ? -1 : 1,
          )
        expect(told((await server.request('GET', path)).body)).toEqual(
          told((await scim.get(path)).body),
        )
      }
      rmSync(directory, { recursive: true })
    })

    test('what may not be added stops the start, each told with file, place and cure', async () => {
      using place = temporary()
      const additions = Object.entries(FAULTS).map(([name, [addition]]) => [name, addition])
      const directory = schemasDirectory(Object.fromEntries(additions))
      const words = ['serve', '--listen', '127.0.0.1:0', '--schemas', directory]
      const { status, out, err } = await scimd(target, words, place)
      expect({ status, out }).toEqual({ status: 1, out: '' })
      for (const [name, [, ...told]] of Object.entries(FAULTS)) {
        const lines = err
          .split('\n')
          .filter((line) => line.startsWith(`scimd: ${directory}/${name}`))
        expect(lines.length, `${name}\n${err}`).toBe(
          told.filter((one) => one.startsWith('$')).length,
        )
        for (const part of told) expect(lines.join('\n'), name).toInclude(part)
      }
      rmSync(directory, { recursive: true })
    })

    test('an addition to what another file of one’s own has in place of a built-in one', async () => {
      const { out } = await scimd(target, ['schema', 'print', 'Group'], { cwd: '/tmp' })
      const own = { ...JSON.parse(out), description: 'Our own.' }
      const directory = schemasDirectory({
        'a.json': { extends: 'Group', display: ['externalId'] },
        'resource-types/Group.json': own,
      })
      writeFileSync(join(directory, 'ignored.txt'), 'no JSON')
      await using server = await startTestServer({ target, flags: { schemas: directory } })
      const { body } = await server.request('GET', '/ResourceTypes/Group')
      expect(body.description).toBe('Our own.')
      const listed = await printed(target, ['schema', 'list', '--schemas', directory], {
        cwd: '/tmp',
      })
      expect(listed).toInclude(
        `${join(directory, 'resource-types/Group.json')}, ${directory}/a.json`,
      )
      rmSync(directory, { recursive: true })
    })
  })
}
