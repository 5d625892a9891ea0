/**
 * A start without the schema files of before: what no schema knows is kept out of sight, through
 * whatever is written meanwhile, and is there again when its schema is. DESIGN section 3.
 */

import { afterAll, expect, test } from 'bun:test'
import { rmSync } from 'node:fs'
import { startTestServer, TARGETS, type TestServer } from '../harness.ts'
import { type Body, ENTERPRISE, PATCH_OP, USER } from './given.ts'
import { schemasDirectory } from './schema-files.ts'

const BADGE = 'urn:example:badge:1.0'
const DEVICE = 'urn:example:device:1.0'
const attribute = (name: string, type: string, more: object = {}) => ({ name, type, ...more })

const badge = (attributes: object[]) => ({ id: BADGE, name: 'Badge', attributes })
const NUMBER = attribute('number', 'string', { uniqueness: 'server' })
const COLOR = attribute('color', 'string')
const PIN = attribute('pin', 'string', { returned: 'never', mutability: 'writeOnly' })
const EXTENDED = {
  extends: 'User',
  schemaExtensions: [{ schema: BADGE, required: false }],
  indexed: [`${BADGE}:number`],
}
const DEVICES = {
  'Device.json': { id: DEVICE, name: 'Device', attributes: [attribute('serial', 'string')] },
  'resource-types/Device.json': { name: 'Device', endpoint: '/Devices', schema: DEVICE },
}

const whole = schemasDirectory({
  'Badge.json': badge([NUMBER, COLOR, PIN]),
  'User.json': EXTENDED,
  ...DEVICES,
})
/** The same without two of the attributes. */
const smaller = schemasDirectory({
  'Badge.json': badge([NUMBER]),
  'User.json': EXTENDED,
  ...DEVICES,
})
afterAll(() => {
  for (const directory of [whole, smaller]) rmSync(directory, { recursive: true })
})

for (const target of TARGETS) {
  const start = (data: string | undefined, schemas: string | undefined): Promise<TestServer> =>
    startTestServer({
      target,
      keep: true,
      ...(data === undefined ? {} : { data }),
      flags: schemas === undefined ? {} : { schemas },
    })

  test(`a start without schema files loses nothing (${target})`, async () => {
    const held = { number: 'B-1', color: 'red', pin: '1234' }
    const post = async (server: TestServer, path: string, body: object): Promise<Body> => {
      const reply = await server.request('POST', path, body)
      expect(reply.status, reply.text).toBe(201)
      return reply.body
    }
    const patchOf = (...operations: object[]) => ({ schemas: [PATCH_OP], Operations: operations })
    let server = await start(undefined, whole)
    const { data } = server
    const schemas = [USER, BADGE]
    const patched = await post(server, '/Users', { schemas, userName: 'a', [BADGE]: held })
    const replaced = await post(server, '/Users', {
      schemas,
      userName: 'b',
      [BADGE]: { ...held, number: 'B-2' },
    })
    const removed = await post(server, '/Users', {
      schemas,
      userName: 'c',
      [BADGE]: { ...held, number: 'B-3' },
    })
    const device = await post(server, '/Devices', { schemas: [DEVICE], serial: 'S' })
    const write = async (title: string) => {
      const path = `/Users/${patched.id}`
      const changes = patchOf(
        { op: 'replace', path: 'title', value: title },
        { op: 'add', path: `${ENTERPRISE}:department`, value: title },
      )
      const one = await server.request('PATCH', path, changes)
      expect(one.body, one.text).toMatchObject({ title, [ENTERPRISE]: { department: title } })
      const body = { schemas: [USER], userName: 'b', title }
      const other = await server.request('PUT', `/Users/${replaced.id}`, body)
      expect(other.body, other.text).toMatchObject({ title })
    }

    // Without any of them: nothing of it is shown, found or named, and all of it stays.
    await server[Symbol.asyncDispose]()
    server = await start(data, undefined)
    await write('without')
    for (const { id } of [patched, replaced]) {
      const { body, text } = await server.request('GET', `/Users/${id}`)
      expect(body.schemas).not.toContain(BADGE)
      for (const secret of [BADGE, 'B-', 'red', '1234']) expect(text).not.toInclude(secret)
    }
    expect((await server.request('DELETE', `/Users/${removed.id}`)).status).toBe(204)
    expect((await server.request('GET', `/Devices/${device.id}`)).status).toBe(404)
    const filter = encodeURIComponent(`${BADGE}:number eq "B-1"`)
    expect((await server.request('GET', `/Users?filter=${filter}`)).status).toBe(400)
    const ready = await fetch(`${new URL(server.url).origin}/ready`)
    expect(ready.status).toBe(200)
    expect(await ready.text()).toInclude('no schema knows 2 types or attributes')
    if (target === 'executable') {
      for (const told of [`"name":"${BADGE}","resources":3`, '"type":"Device","resources":1'])
        expect(server.errors()).toInclude(told)
    }

    // With a smaller schema: one attribute is back, the others wait.
    await server[Symbol.asyncDispose]()
    server = await start(data, smaller)
    for (const [{ id }, number] of [
      [patched, 'B-1'],
      [replaced, 'B-2'],
    ] as const) {
      const { body } = await server.request('GET', `/Users/${id}`)
      expect(body[BADGE]).toEqual({ number })
      expect(body.schemas).toContain(BADGE)
    }
    await server.request(
      'PATCH',
      `/Users/${patched.id}`,
      patchOf({ op: 'replace', path: `${BADGE}:number`, value: 'B-9' }),
    )
    await write('smaller')
    const cleared = (await server.request('GET', `/Users/${replaced.id}`)).body
    expect(cleared).not.toHaveProperty(BADGE)

    // And whole again: what nobody could see nobody has changed.
    await server[Symbol.asyncDispose]()
    server = await start(data, whole)
    const shown = (await server.request('GET', `/Users/${patched.id}`)).body
    expect(shown).toMatchObject({ title: 'smaller', [BADGE]: { number: 'B-9', color: 'red' } })
    expect(shown[BADGE]).not.toHaveProperty('pin')
    const other = (await server.request('GET', `/Users/${replaced.id}`)).body
    expect(other[BADGE]).toEqual({ color: 'red' })
    expect((await server.request('GET', `/Devices/${device.id}`)).body.serial).toBe('S')
    const found = await server.request(
      'GET',
      `/Users?filter=${encodeURIComponent(`${BADGE}:number eq "b-9"`)}`,
    )
    expect(found.body.Resources.map(({ id }: Body) => id)).toEqual([patched.id])
    const taken = { schemas, userName: 'd', [BADGE]: { number: 'B-9' } }
    expect((await server.request('POST', '/Users', taken)).status).toBe(409)
    expect(await (await fetch(`${new URL(server.url).origin}/ready`)).text()).toBe('ready\n')
    await server[Symbol.asyncDispose]()
    rmSync(data, { recursive: true })
  })
}
