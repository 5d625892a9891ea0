/** Resource types and extensions of one's own: RFC 7643 sections 2, 3.3 and 7. */

import { afterAll, describe, expect, test } from 'bun:test'
import { rmSync } from 'node:fs'
import userType from '../../schemas/resource-types/User.json' with { type: 'json' }
import { TARGETS } from '../harness.ts'
import {
  type Body,
  ENTERPRISE,
  expectError,
  expectRefused,
  idsOf,
  type Operation,
  sharedServer,
  USER,
} from './given.ts'
import {
  BADGE_SCHEMA,
  DEVICE,
  DEVICE_EXTENSION,
  DEVICE_SCHEMA,
  DEVICE_TYPE,
  ROLE,
  ROLE_SCHEMA,
  ROLE_TYPE,
  schemasDirectory,
  USER_EXTENSION,
  WARRANTY_SCHEMA,
} from './schema-files.ts'

const schemaExtensions = [...userType.schemaExtensions, { schema: USER_EXTENSION, required: false }]

for (const target of TARGETS) {
  describe(`schema files (${target})`, () => {
    const schemas = schemasDirectory({
      'Device.json': DEVICE_SCHEMA,
      'Warranty.json': WARRANTY_SCHEMA,
      'Badge.json': BADGE_SCHEMA,
      'Role.json': ROLE_SCHEMA,
      'resource-types/Device.json': DEVICE_TYPE,
      'resource-types/Role.json': ROLE_TYPE,
      'resource-types/User.json': { ...userType, schemaExtensions },
    })
    const scim = sharedServer({ target, flags: { schemas } })
    afterAll(() => rmSync(schemas, { recursive: true }))

    const bodyOf = (attributes: object = {}) => ({
      schemas: [DEVICE, DEVICE_EXTENSION],
      serial: scim.fresh('SN'),
      [DEVICE_EXTENSION]: { vendor: 'V' },
      ...attributes,
    })
    async function device(attributes: object = {}): Promise<Body> {
      const reply = await scim.request('POST', '/Devices', bodyOf(attributes))
      expect(reply.status, reply.text).toBe(201)
      return reply.body
    }
    const refused = async (attributes: object, scimType: string, ...at: string[]) => {
      const total = await scim.total('/Devices')
      const reply = await scim.request('POST', '/Devices', bodyOf(attributes))
      expectError(reply, scimType === 'uniqueness' ? 409 : 400, scimType, ...at)
      expect(await scim.total('/Devices')).toBe(total)
    }
    const devices = async (filter: string) => idsOf(await scim.find(filter, '/Devices'))
    const patch = (place: string, operation: Operation) => () => scim.patch(place, [operation])

    test('[R7644-3.2-05] [R7644-4-09] a type of one’s own is told and served', async () => {
      const type = (await scim.get('/ResourceTypes/Device')).body
      expect(type).toMatchObject({ endpoint: '/Devices', schema: DEVICE })
      expect((await scim.get(`/Schemas/${DEVICE}`)).body.name).toBe('Device')
      const created = await device({ plain: 'x' })
      expect(created.meta).toMatchObject({
        resourceType: 'Device',
        location: `${scim.url()}/Devices/${created.id}`,
      })
      expect((await scim.get(`/Devices/${created.id}`)).body).toEqual(created)
    })

    test('[R7643-2.2-01] [R7643-7-04] an attribute that says nothing is a string that ignores case', async () => {
      const schema = (await scim.get(`/Schemas/${DEVICE}`)).body
      expect(schema.attributes[0]).toEqual({
        name: 'plain',
        type: 'string',
        multiValued: false,
        description: '',
        required: false,
        caseExact: false,
        mutability: 'readWrite',
        returned: 'default',
        uniqueness: 'none',
      })
      const { id } = await device({ plain: 'aBc' })
      expect(await devices('plain eq "AbC"')).toEqual([id])
    })

    test('[R7643-2.3-04] [R7643-2.3-05] numbers are numbers, and integers have no fraction', async () => {
      const { id, ...held } = await device({ weight: 1.25, count: 42, slot: -7 })
      expect(held).toMatchObject({ weight: 1.25, count: 42, slot: -7 })
      expect((await scim.get(`/Devices/${id}`)).text).toMatch(/"count":42[,}]/)
      await refused({ count: 1.5 }, 'invalidValue', 'count', 'whole')
      for (const count of [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
        expect((await device({ count })).count).toBe(count)
        await refused({ count: count + Math.sign(count) }, 'invalidValue', 'count', 'whole')
      }
      await refused({ count: 1e21 }, 'invalidValue', 'count', 'whole')
      await refused({ weight: true }, 'invalidValue', 'weight')
      await refused({ weight: 'heavy' }, 'invalidValue', 'weight')
      await refused({ sizes: [1, 'x'] }, 'invalidValue', 'sizes[1]')
      await refused({ parts: [{ value: 'a', price: 'x' }] }, 'invalidValue', 'parts[0].price')
    })

    test('[R7643-2.3-06] dateTimes have date and time, and are kept as they were sent', async () => {
      for (const built of [
        '2008-01-23T04:56:22Z',
        '2008-01-23T04:56:22+02:00',
        '2008-01-23T04:56:22.123456',
        '2024-02-29T24:00:00Z',
      ]) {
        expect((await device({ built })).built).toBe(built)
      }
      for (const built of [
        '2008-01-23',
        '04:56:22',
        'yesterday',
        '2008-02-30T00:00:00Z',
        '2008-01-23T25:00:00Z',
        '2008-01-23 04:56:22Z',
        5,
      ]) {
        await refused({ built }, 'invalidValue', 'built')
      }
    })

    test('[R7643-2.4-08] each value of a multi-valued simple attribute is checked, and kept once', async () => {
      expect((await device({ tags: ['a', 'b', 'a'], sizes: [3, 3, 1] })).tags).toEqual(['a', 'b'])
      await refused({ tags: [1] }, 'invalidValue', 'tags[0]')
      await refused({ tags: 1 }, 'invalidValue', 'tags[0]')
      await refused({ tags: [['a']] }, 'invalidValue', 'tags')
      await refused({ tags: [{}] }, 'invalidValue', 'tags')
    })

    test('multi-valued simple attributes are patched value by value', async () => {
      const { id } = await device({ tags: ['a', 'b', 'c'] })
      const place = `/Devices/${id}`
      const tags = async (operation: Operation) => (await scim.patched(place, operation)).tags
      expect(await tags({ op: 'add', path: 'tags', value: ['d', 'a'] })).toEqual([
        'a',
        'b',
        'c',
        'd',
      ])
      expect(await tags({ op: 'remove', path: 'tags', value: ['b', 'x'] })).toEqual(['a', 'c', 'd'])
      expect(await devices('tags eq "C"')).toContain(id)
      expect(await devices(`tags eq "b" and id eq "${id}"`)).toEqual([])
      expect(await tags({ op: 'replace', path: 'tags', value: ['z'] })).toEqual(['z'])
      expect(await tags({ op: 'remove', path: 'tags' })).toBeUndefined()
    })

    test('[R7643-7-04] [R7643-7-05] [R7643-7-14] a unique value is compared as its attribute is', async () => {
      const first = await device({ serial: 'AbC', label: 'Label', slot: 5 })
      expect((await device({ serial: 'aBc' })).serial).toBe('aBc')
      await refused({ serial: 'AbC' }, 'uniqueness', 'serial')
      await refused({ label: 'lABEL' }, 'uniqueness', 'label')
      await refused({ slot: 5 }, 'uniqueness', 'slot')
      const other = await device()
      const place = `/Devices/${other.id}`
      for (const [path, value] of [
        ['label', 'LABEL'],
        ['slot', 5],
      ] as const) {
        const send = patch(place, { op: 'replace', path, value })
        await expectRefused(scim, place, send, 409, 'uniqueness', path)
      }
      await scim.request('DELETE', `/Devices/${first.id}`)
      await scim.patched(place, { op: 'replace', path: 'label', value: 'LABEL' })
    })

    test('[R7643-7-06] readOnly is ignored in bodies and refused in paths', async () => {
      const { id } = await device({ firmware: '1' })
      const place = `/Devices/${id}`
      expect((await scim.get(place)).body).not.toHaveProperty('firmware')
      const send = patch(place, { op: 'add', path: 'firmware', value: '1' })
      await expectRefused(scim, place, send, 400, 'mutability', 'firmware')
    })

    test('[R7643-7-07] [R7644-3.5.1-07] [R7644-3.5.1-08] [R7644-3.5.1-09] [R7644-3.5.2-22] immutable is set once', async () => {
      const { id, serial } = await device()
      const place = `/Devices/${id}`
      const put = (more: object) => () =>
        scim.request('PUT', place, { ...bodyOf(), serial, ...more })
      expect((await put({ model: 'M', place: { site: 'S' } })()).body.model).toBe('M')
      expect((await put({ model: 'M', place: { site: 'S' } })()).status).toBe(200)
      const kept = await put({})()
      expect(kept.body.model).toBe('M')
      await expectRefused(scim, place, put({ model: 'N' }), 400, 'mutability', 'model')
      for (const op of ['add', 'replace']) {
        const send = patch(place, { op, path: 'model', value: 'N' })
        await expectRefused(scim, place, send, 400, 'mutability', 'model')
        const same = await scim.patched(place, { op, path: 'model', value: 'M' })
        expect(same).toEqual(kept.body)
      }
      const remove = patch(place, { op: 'remove', path: 'model' })
      await expectRefused(scim, place, remove, 400, 'mutability', 'model')
      const fresh = await device()
      const added = await scim.patched(`/Devices/${fresh.id}`, {
        op: 'add',
        path: 'model',
        value: 'X',
      })
      expect(added.model).toBe('X')
    })

    test('an immutable sub-attribute is set once too', async () => {
      const { id } = await device({ place: { site: 'S', floor: 1 } })
      const place = `/Devices/${id}`
      for (const operation of [
        { op: 'replace', path: 'place.site', value: 'T' },
        { op: 'replace', path: 'place', value: { site: 'T' } },
        { op: 'add', path: 'place.site', value: 'T' },
        { op: 'remove', path: 'place.site' },
        { op: 'remove', path: 'place' },
      ]) {
        await expectRefused(scim, place, patch(place, operation), 400, 'mutability', 'site')
      }
      const after = await scim.patched(place, { op: 'replace', path: 'place', value: { floor: 2 } })
      expect(after.place).toEqual({ floor: 2, site: 'S' })
    })

    test('[R7643-7-08] [R7643-7-10] writeOnly and never returned is taken and never told', async () => {
      const create = await scim.request(
        'POST',
        '/Devices?attributes=key,place.secret,place.floor',
        bodyOf({ key: 'hush-hush', place: { secret: 'hush-hush', floor: 1 } }),
      )
      expect(create.body.place).toEqual({ floor: 1 })
      const { id, meta } = (await scim.get(`/Devices/${create.body.id}`)).body
      for (const parameters of ['', '?attributes=key,place', '?excludedAttributes=serial']) {
        const { text } = await scim.get(`/Devices/${id}${parameters}`)
        expect(text).not.toMatch(/hush|secret|"key"/)
      }
      for (const filter of ['key eq "hush-hush"', 'place.secret pr', 'place[secret pr]'])
        expectError(
          await scim.get(`/Devices?filter=${encodeURIComponent(filter)}`),
          400,
          'invalidFilter',
        )
      const changed = await scim.patched(`/Devices/${id}`, {
        op: 'replace',
        path: 'key',
        value: 'hush-2',
      })
      expect(changed.meta.version).not.toBe(meta.version)
    })

    test('[R7643-7-09] [R7643-7-11] [R7643-7-13] [R7644-3.4.2.5-11] always is always told, request only where it is asked for', async () => {
      const { id } = await device({
        code: 'C',
        notes: 'N',
        plain: 'P',
        place: { room: 'R', floor: 1, hint: 'H' },
      })
      const read = async (parameters: string) =>
        (await scim.get(`/Devices/${id}${parameters}`)).body
      const plain = await read('')
      expect(plain).toMatchObject({ code: 'C', plain: 'P', place: { room: 'R', floor: 1 } })
      expect(plain).not.toHaveProperty('notes')
      expect(plain.place).not.toHaveProperty('hint')
      expect(await read('?attributes=plain')).toEqual({
        schemas: plain.schemas,
        id,
        code: 'C',
        plain: 'P',
        place: { room: 'R' },
      })
      expect((await read('?attributes=notes')).notes).toBe('N')
      expect((await read('?attributes=place.hint')).place).toEqual({ room: 'R', hint: 'H' })
      const without = await read('?excludedAttributes=code,place,plain')
      expect(without).toMatchObject({ code: 'C', place: { room: 'R' } })
      expect(without).not.toHaveProperty('plain')
      expect(without).not.toHaveProperty('notes')
      expect(await devices('notes eq "n"')).toEqual([id])
    })

    test('[R7644-3.4.2.2-20] [R7644-3.4.2.2-21] [R7644-3.4.2.2-22] [R7644-3.4.2.2-57] numbers and dates compare by value', async () => {
      const { id } = await device({
        plain: 'compare',
        count: 9,
        weight: -1.5,
        built: '2024-01-01T02:00:00+02:00',
        parts: [
          { value: 'a', price: 100 },
          { value: 'b', price: 2 },
        ],
      })
      for (const [filter, holds] of [
        ['count lt 10', true],
        ['count ge 9', true],
        ['count gt 9', false],
        ['count eq 9.0', true],
        ['count eq 0.9e1', true],
        ['count ne 9', false],
        ['weight lt -1', true],
        ['weight eq -15e-1', true],
        ['weight gt -1.4', false],
        ['built eq "2024-01-01T00:00:00Z"', true],
        ['built eq "2024-01-01T00:00:00.000"', true],
        ['built ge "2024-01-01T00:30:00+00:30"', true],
        ['built gt "2024-01-01T00:00:00Z"', false],
        ['parts.price eq 1e2', true],
        ['parts[price lt 10 and value eq "a"]', false],
        ['parts[price lt 10 and value eq "b"]', true],
        ['on eq false', true],
      ] as const) {
        expect(await devices(`plain eq "compare" and ${filter}`), filter).toEqual(holds ? [id] : [])
      }
      for (const filter of ['count co "9"', 'count eq "9"', 'weight sw "-"', 'image gt "a"'])
        expectError(
          await scim.get(`/Devices?filter=${encodeURIComponent(filter)}`),
          400,
          'invalidFilter',
        )
    })

    test('defaults are given where a POST says nothing', async () => {
      expect(await device()).toMatchObject({ on: false, count: 1 })
      expect(await device({ on: true, count: null })).toMatchObject({ on: true, count: 1 })
    })

    test('[R7643-3.3-06] [R7644-3.5.2.2-10] a required extension has to be there, with what it requires', async () => {
      await refused({ [DEVICE_EXTENSION]: undefined }, 'invalidValue', DEVICE_EXTENSION)
      await refused({ [DEVICE_EXTENSION]: {} }, 'invalidValue', DEVICE_EXTENSION)
      await refused({ [DEVICE_EXTENSION]: { until: null } }, 'invalidValue', DEVICE_EXTENSION)
      await refused(
        { [DEVICE_EXTENSION]: { until: '2026-01-01T00:00:00Z' } },
        'invalidValue',
        'vendor',
      )
      const place = `/Devices/${(await device()).id}`
      const whole = patch(place, { op: 'remove', path: DEVICE_EXTENSION })
      await expectRefused(scim, place, whole, 400).catch(async () =>
        expectRefused(scim, place, whole, 400, 'invalidValue', DEVICE_EXTENSION),
      )
      const one = patch(place, { op: 'remove', path: `${DEVICE_EXTENSION}:vendor` })
      await expectRefused(scim, place, one, 400, 'mutability', 'vendor')
    })

    test('[R7643-3.3-07] an optional extension that is there has to hold what it requires', async () => {
      const user = await scim.user({ [ENTERPRISE]: { department: 'D' } })
      const place = `/Users/${user.id}`
      const add = patch(place, { op: 'add', path: `${USER_EXTENSION}:color`, value: 'red' })
      await expectRefused(scim, place, add, 400, 'invalidValue', 'number')
      const after = await scim.patched(place, {
        op: 'add',
        path: USER_EXTENSION,
        value: { number: '1', color: 'red' },
      })
      expect(after.schemas).toEqual([USER, ENTERPRISE, USER_EXTENSION])
      const again = await scim.user()
      const same = patch(`/Users/${again.id}`, {
        op: 'add',
        path: `${USER_EXTENSION}:number`,
        value: '1',
      })
      await expectRefused(scim, `/Users/${again.id}`, same, 409, 'uniqueness', 'number')
    })

    test('[R7644-3.5.2.2-11] a required sub-attribute of an element that stays is not removed', async () => {
      const { id } = await device({ parts: [{ value: 'a', type: 'case', price: 1 }] })
      const place = `/Devices/${id}`
      const send = patch(place, { op: 'remove', path: 'parts[type eq "case"].value' })
      await expectRefused(scim, place, send, 400, 'mutability', 'parts.value')
      const add = patch(place, { op: 'add', path: 'parts', value: [{ price: 2 }] })
      await expectRefused(scim, place, add, 400, 'invalidValue', 'value')
    })

    test('[R7644-3.10-06] of two URNs the longer one wins', async () => {
      const { id } = await device({ [DEVICE_EXTENSION]: { vendor: 'Longest' } })
      expect(await devices(`${DEVICE_EXTENSION}:vendor eq "longest"`)).toEqual([id])
      const after = await scim.patched(`/Devices/${id}`, {
        op: 'replace',
        path: `${DEVICE_EXTENSION}:vendor`,
        value: 'W',
      })
      expect(after[DEVICE_EXTENSION]).toEqual({ vendor: 'W' })
      const { body } = await scim.get(`/Devices/${id}?attributes=${DEVICE_EXTENSION}`)
      expect(Object.keys(body).sort()).toEqual(
        [DEVICE_EXTENSION, 'code', 'id', 'schemas'].filter((name) => name in body).sort(),
      )
      expect(body[DEVICE_EXTENSION]).toEqual({ vendor: 'W' })
    })

    test('a reference of one’s own is derived like manager', async () => {
      const user = await scim.user({ displayName: 'Ann' })
      const created = await device({ owner: { value: user.id, display: 'x' } })
      expect(created.owner).toEqual({
        value: user.id,
        $ref: `${scim.url()}/Users/${user.id}`,
        display: 'Ann',
      })
      expect(await devices(`owner eq "${user.id}"`)).toEqual([created.id])
    })

    test('a multi-valued sub-attribute is kept and searched', async () => {
      const { id, place } = await device({ place: { room: 'multi', codes: ['x', 'y'] } })
      expect(place.codes).toEqual(['x', 'y'])
      expect(await devices('place.codes eq "Y" and place.room eq "multi"')).toEqual([id])
    })

    test('[OKTA-15] a type with Okta’s URN is discovered and read', async () => {
      const types = (await scim.get('/ResourceTypes')).body.Resources
      const { endpoint } = types.find(({ schema }: Body) => schema === ROLE)
      const role = { schemas: [ROLE], displayName: 'Admin', type: 'T', description: 'D' }
      const created = await scim.request('POST', endpoint, role)
      expect(created.status).toBe(201)
      const page = await scim.get(`${endpoint}?count=1&startIndex=1`)
      expect(page.body).toMatchObject({ totalResults: 1, itemsPerPage: 1, Resources: [role] })
    })

    test('types of one’s own are removed and conditional like any other', async () => {
      const { id, meta } = await device()
      const place = `/Devices/${id}`
      const stale = () => scim.request('DELETE', place, undefined, { 'If-Match': 'W/"99"' })
      await expectRefused(scim, place, stale, 412)
      const read = await scim.get(place, { 'If-None-Match': meta.version })
      expect(read.status).toBe(304)
      expect((await scim.request('DELETE', place)).status).toBe(204)
      expectError(await scim.get(place), 404)
    })

    test('the journal tells each change, and no secret', async () => {
      const entries = await scim.expectJournalOfChanges()
      expect(JSON.stringify(entries)).not.toInclude('hush')
    })
  })
}
