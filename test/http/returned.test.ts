/** What is returned on request: RFC 7643 section 7. The rest is in schema-files.test.ts. */

import { afterAll, describe, expect, test } from 'bun:test'
import { rmSync } from 'node:fs'
import { TARGETS } from '../harness.ts'
import { type Operation, sharedServer } from './given.ts'
import {
  DEVICE,
  DEVICE_EXTENSION,
  DEVICE_SCHEMA,
  DEVICE_TYPE,
  schemasDirectory,
  WARRANTY_SCHEMA,
} from './schema-files.ts'

for (const target of TARGETS) {
  describe(`returned on request (${target})`, () => {
    const schemas = schemasDirectory({
      'Device.json': DEVICE_SCHEMA,
      'Warranty.json': WARRANTY_SCHEMA,
      'resource-types/Device.json': DEVICE_TYPE,
    })
    const scim = sharedServer({ target, flags: { schemas } })
    afterAll(() => rmSync(schemas, { recursive: true }))
    const bodyOf = (attributes: object = {}) => ({
      schemas: [DEVICE, DEVICE_EXTENSION],
      serial: scim.fresh('SN'),
      [DEVICE_EXTENSION]: { vendor: 'V' },
      ...attributes,
    })

    test('[R7643-7-11] [R7643-7-13] what is told on request is told to the write that sets it', async () => {
      const given = { notes: 'N', place: { room: 'R', hint: 'H' } }
      const create = await scim.request('POST', '/Devices', bodyOf(given))
      expect(create.body).toMatchObject(given)
      const { id, serial } = create.body
      const place = `/Devices/${id}`
      const quiet = async () => {
        const { body } = await scim.get(place)
        expect(body).not.toHaveProperty('notes')
        expect(body.place).toEqual({ room: 'R' })
      }
      await quiet()
      const put = await scim.request('PUT', place, { ...bodyOf(), serial, ...given })
      expect(put.body).toMatchObject(given)
      const patched = async (operation: Operation, parameters = '') => {
        const { status, body } = await scim.patch(`${place}${parameters}`, [operation])
        expect(status).toBe(200)
        return [body.notes, body.place?.hint]
      }
      expect(await patched({ op: 'replace', path: 'plain', value: 'P' })).toEqual([
        undefined,
        undefined,
      ])
      expect(await patched({ op: 'replace', path: 'NOTES', value: 'M' })).toEqual(['M', undefined])
      expect(await patched({ op: 'add', path: `${DEVICE}:place.hint`, value: 'I' })).toEqual([
        undefined,
        'I',
      ])
      expect(await patched({ op: 'add', path: 'place', value: { floor: 2 } })).toEqual([
        undefined,
        undefined,
      ])
      expect(await patched({ op: 'add', path: 'place', value: { Hint: 'J' } })).toEqual([
        undefined,
        'J',
      ])
      const both = { op: 'replace', value: { notes: 'K', 'place.hint': 'L' } }
      expect(await patched(both)).toEqual(['K', 'L'])
      // Who asks for attributes gets these and no others.
      expect(await patched(both, '?attributes=plain')).toEqual([undefined, undefined])
      expect(await patched({ op: 'remove', path: 'notes' })).toEqual([undefined, undefined])
      const without = await scim.request('PUT', place, {
        ...bodyOf(),
        serial,
        place: { room: 'R' },
      })
      expect(without.body).not.toHaveProperty('notes')
      expect(without.body.place).toEqual({ room: 'R' })
      await quiet()
    })
  })
}
