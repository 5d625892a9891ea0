/** Okta's discovery of entitlements, with the schema files that are shipped for it. */

import { describe, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { TARGETS } from '../harness.ts'
import { type Body, expectError, sharedServer } from './given.ts'

const SCHEMAS = resolve(import.meta.dir, '../../schemas/okta')
const ROLE = 'urn:okta:scim:schemas:core:1.0:Role'
const ENTITLEMENT = 'urn:okta:scim:schemas:core:1.0:Entitlement'

for (const target of TARGETS) {
  describe(`entitlements for Okta (${target})`, () => {
    const scim = sharedServer({ target, flags: { schemas: SCHEMAS } })
    const create = async (endpoint: string, schema: string, body: object): Promise<Body> => {
      const reply = await scim.request('POST', endpoint, { schemas: [schema], ...body })
      expect(reply.status, reply.text).toBe(201)
      return reply.body
    }

    test('[OKTA-15] types, schemas and one resource of each are found as Okta asks for them', async () => {
      const admin = await create('/Roles', ROLE, { displayName: 'Admin', description: 'All of it' })
      await create('/Roles', ROLE, { displayName: 'Reader' })
      const licence = { displayName: 'Premium', type: 'License', description: 'Seats' }
      await create('/Entitlements', ENTITLEMENT, licence)

      const { body: types } = await scim.get('/ResourceTypes')
      const { body: schemas } = await scim.get('/Schemas')
      const found: Record<string, Body> = {}
      for (const { endpoint, schema } of types.Resources) {
        expect(schemas.Resources.map(({ id }: Body) => id)).toContain(schema)
        if (!schema.startsWith('urn:okta:')) continue
        const { body } = await scim.get(`${endpoint}?count=1&startIndex=1`)
        expect(body).toMatchObject({ itemsPerPage: 1, startIndex: 1 })
        found[schema] = body.Resources[0]
      }
      expect(found[ROLE]).toEqual(admin)
      expect(found[ENTITLEMENT]).toMatchObject(licence)
    })

    test('[OKTA-15] a user carries roles and entitlements as Okta sends them', async () => {
      const role = await create('/Roles', ROLE, { displayName: 'Writer' })
      const roles = [{ value: role.id, display: role.displayName }]
      const entitlements = [{ value: 'seat', display: 'Seat', type: 'License' }]
      const user = await scim.user({ roles, entitlements })
      expect(user).toMatchObject({ roles, entitlements })
      const path = `/Users/${user.id}`
      const none = await scim.patched(path, { op: 'replace', path: 'roles', value: [] })
      expect(none).not.toHaveProperty('roles')
      const again = await scim.patched(path, { op: 'add', path: 'roles', value: roles })
      expect(again).toMatchObject({ roles, entitlements })
    })

    test('a role without a name is refused', async () => {
      const reply = await scim.request('POST', '/Roles', { schemas: [ROLE], description: 'x' })
      expectError(reply, 400, 'invalidValue', 'displayName')
    })
  })
}
