/** What the server says about itself: RFC 7643 sections 5 to 7, RFC 7644 section 4. */

import { describe, expect, test } from 'bun:test'
import { BODY_BYTES_MAX, PAGE_COUNT_MAX } from '../../src/scim/limits.ts'
import { send, TARGETS } from '../harness.ts'
import {
  type Body,
  ENTERPRISE,
  ERROR,
  expectError,
  GROUP,
  LIST_RESPONSE,
  RESOURCE_TYPE,
  SCHEMA,
  SERVICE_PROVIDER_CONFIG,
  sharedServer,
  USER,
} from './given.ts'

const PLACES = [
  '/ServiceProviderConfig',
  '/ResourceTypes',
  '/ResourceTypes/User',
  '/Schemas',
  `/Schemas/${USER}`,
]

const TYPES = [
  'string',
  'boolean',
  'decimal',
  'integer',
  'dateTime',
  'reference',
  'binary',
  'complex',
]

/** Every attribute and sub-attribute of a list of schemas. */
const attributesOf = (schemas: Body[]): Body[] =>
  schemas.flatMap((schema) =>
    schema.attributes.flatMap((attribute: Body) => [attribute, ...(attribute.subAttributes ?? [])]),
  )

for (const target of TARGETS) {
  describe(`discovery (${target})`, () => {
    const scim = sharedServer({ target })
    const schemas = async (): Promise<Body[]> => (await scim.get('/Schemas')).body.Resources

    test('[R7643-5-01] [R7643-5-05] [R7644-4-01] the configuration is one object that tells of every feature', async () => {
      const { body } = await scim.get('/ServiceProviderConfig')
      expect(body.schemas).toEqual([SERVICE_PROVIDER_CONFIG])
      for (const name of ['patch', 'bulk', 'filter', 'changePassword', 'sort', 'etag'])
        expect(body[name].supported, name).toBeBoolean()
      expect(body.bulk.maxOperations).toBeInteger()
      expect(body.bulk.maxPayloadSize).toBe(BODY_BYTES_MAX)
      expect(body.filter).toEqual({ supported: true, maxResults: PAGE_COUNT_MAX })
      expect(body.meta).toEqual({
        resourceType: 'ServiceProviderConfig',
        location: `${scim.url()}/ServiceProviderConfig`,
      })
    })

    test('the configuration says where to read on, and holds no member that is false for nothing', async () => {
      const { body } = await scim.get('/ServiceProviderConfig')
      expect(new URL(body.documentationUri).protocol).toBe('https:')
      expect(body).not.toHaveProperty('interopProfileConformant')
      const published = (await scim.get(`/Schemas/${SERVICE_PROVIDER_CONFIG}`)).body.attributes
      const names = published.map(({ name }: Body) => name)
      const common = ['schemas', 'id', 'externalId', 'meta']
      for (const name of Object.keys(body).filter((one) => !common.includes(one)))
        expect(names).toContain(name)
    })

    test('the schema of users is told by its description, as collections of requests look for it', async () => {
      const { description } = (await scim.get(`/Schemas/${USER}`)).body
      expect(description).toInclude('User Account')
    })

    test('what is derived of a reference is told to be readOnly, and what is sent for it is dropped', async () => {
      const { attributes } = (await scim.get(`/Schemas/${GROUP}`)).body
      const { subAttributes } = attributes.find(({ name }: Body) => name === 'members')
      const facts = subAttributes.map(({ name, mutability }: Body) => [name, mutability])
      expect(Object.fromEntries(facts)).toEqual({
        value: 'immutable',
        $ref: 'immutable',
        type: 'immutable',
        display: 'readOnly',
      })
      const user = await scim.user({ displayName: 'True' })
      const members = [{ value: user.id, display: 'Sent' }]
      const { id, displayName } = await scim.group({ members })
      const place = `/Groups/${id}`
      const shown = async () => (await scim.get(place)).body.members[0].display
      expect(await shown()).toBe('True')
      await scim.request('PUT', place, { schemas: [GROUP], displayName, members })
      expect(await shown()).toBe('True')
      await scim.patched(place, { op: 'replace', path: 'members', value: members })
      expect(await shown()).toBe('True')
      for (const path of ['members.display', `members[value eq "${user.id}"].display`]) {
        const patch = await scim.patch(place, [{ op: 'replace', path, value: 'Sent' }])
        expectError(patch, 400, 'mutability')
      }
      expect(await shown()).toBe('True')
    })

    test('[R7643-5-02] every authentication scheme has its type, name and description', async () => {
      const { authenticationSchemes } = (await scim.get('/ServiceProviderConfig')).body
      expect(authenticationSchemes).not.toBeEmpty()
      const types = ['oauth', 'oauth2', 'oauthbearertoken', 'httpbasic', 'httpdigest']
      for (const { type, name, description } of authenticationSchemes) {
        expect(type).toBeOneOf(types)
        expect(name).toBeString()
        expect(description).toBeString()
      }
    })

    test('[R7643-5-03] discovery is read without a token, and a token that is given has to be good', async () => {
      for (const place of PLACES) {
        const open = await fetch(`${scim.url()}${place}`)
        expect(open.status).toBe(200)
        expect((await open.json()) as Body).toEqual((await scim.get(place)).body)
        const wrong = await send(`${scim.url()}${place}`, 'GET', undefined, {
          Authorization: 'Bearer wrong',
        })
        expectError(wrong, 401)
      }
    })

    test('[R7643-5-04] [R7643-4.1-14] what is said to be supported works', async () => {
      const { body } = await scim.get('/ServiceProviderConfig')
      expect(body.changePassword.supported).toBe(true)
      const { id } = await scim.user()
      const set = await scim.patch(`/Users/${id}`, [{ op: 'add', path: 'password', value: 'new' }])
      expect(set.status).toBe(200)
      const features = ['patch', 'bulk', 'filter', 'sort', 'etag']
      expect(features.map((name) => body[name].supported)).toEqual(features.map(() => true))
      expect(set.headers.get('etag')).toBe(set.body.meta.version)
      const found = await scim.get(`/Users?filter=id+eq+%22${id}%22&sortBy=userName`)
      expect(found.body.totalResults).toBe(1)
      const bulk = await scim.request('POST', '/Bulk', {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
        Operations: [{ method: 'DELETE', path: `/Users/${id}` }],
      })
      expect(bulk.body.Operations).toMatchObject([{ status: '204' }])
    })

    test.each(PLACES)(
      '[R7643-5-06] [R7644-4-07] [R7643-7-17] %s is read and nothing else',
      async (place) => {
        for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
          const reply = await scim.request(method, place, {})
          expectError(reply, 405, undefined, method)
          expect(reply.headers.get('allow')).toBe('GET, HEAD')
        }
      },
    )

    test('[R7643-6-01] [R7643-6-02] [R7643-6-03] [R7643-6-04] [R7643-6-05] [PROF-02] [R7644-4-04] each resource type is told, by its name', async () => {
      const { body } = await scim.get('/ResourceTypes')
      expect(body.schemas).toEqual([LIST_RESPONSE])
      expect(body.Resources).toMatchObject([
        {
          schemas: [RESOURCE_TYPE],
          id: 'User',
          name: 'User',
          endpoint: '/Users',
          schema: USER,
          schemaExtensions: [{ schema: ENTERPRISE, required: false }],
        },
        { id: 'Group', name: 'Group', endpoint: '/Groups', schema: GROUP, schemaExtensions: [] },
      ])
      for (const type of body.Resources) {
        expect((await scim.get(`/ResourceTypes/${type.id}`)).body).toEqual(type)
        expect(type.meta).toEqual({
          resourceType: 'ResourceType',
          location: `${scim.url()}/ResourceTypes/${type.id}`,
        })
        const uris = [type.schema, ...type.schemaExtensions.map((one: Body) => one.schema)]
        for (const uri of uris) expect((await scim.get(`/Schemas/${uri}`)).body.id).toBe(uri)
      }
      expectError(await scim.get('/ResourceTypes/Nope'), 404, undefined, 'Nope')
    })

    test('[R7644-4-02] [R7644-4-10] [R7644-4-12] [ENTRA-20] all schemas are told in one list', async () => {
      const { body } = await scim.get('/Schemas')
      expect(body.schemas).toEqual([LIST_RESPONSE])
      const ids = body.Resources.map((schema: Body) => schema.id)
      expect(ids).toEqual(expect.arrayContaining([USER, GROUP, ENTERPRISE]))
      expect(new Set(ids).size).toBe(ids.length)
      const size = ids.length
      expect(body).toMatchObject({ totalResults: size, itemsPerPage: size, startIndex: 1 })
    })

    test('[R7643-7-01] every schema that a resource names is told', async () => {
      await scim.user({ [ENTERPRISE]: { department: 'D' } })
      await scim.group()
      const found = (await scim.get('?count=1000')).body.Resources
      const documents = [...found, ...(await schemas())]
      for (const place of ['/ResourceTypes', '/ServiceProviderConfig']) {
        const { body } = await scim.get(place)
        documents.push(...(body.Resources ?? [body]))
      }
      const named = new Set<string>(documents.flatMap((one: Body) => one.schemas))
      expect(named.size).toBe(6)
      for (const urn of named) expect((await scim.get(`/Schemas/${urn}`)).body.id).toBe(urn)
    })

    test('[R7644-4-03] [R7644-3.1-03] one schema is told by its URN, encoded or not, in any case', async () => {
      for (const schema of await schemas()) {
        for (const id of [schema.id, encodeURIComponent(schema.id), schema.id.toLowerCase()])
          expect((await scim.get(`/Schemas/${id}`)).body).toEqual(schema)
      }
      for (const id of ['urn:nope', ERROR, LIST_RESPONSE, 'User'])
        expectError(await scim.get(`/Schemas/${id}`), 404, undefined, id)
    })

    test('[R7644-4-05] parameters of pages, sorts and projections are ignored', async () => {
      for (const place of PLACES) {
        const { body } = await scim.get(place)
        const parameters = '?count=1&startIndex=2&attributes=name&sortBy=id&excludedAttributes=id'
        expect((await scim.get(`${place}${parameters}`)).body).toEqual(body)
      }
    })

    test.each(PLACES)('[R7644-4-06] %s takes no filter', async (place) => {
      expectError(await scim.get(`${place}?filter=id+pr`), 403, undefined, 'filter')
    })

    test('[R7644-4-08] [R7643-7-17] every entry has schemas, id, name and meta', async () => {
      for (const schema of await schemas()) {
        expect(schema.schemas).toEqual([SCHEMA])
        expect(schema.id).toMatch(/^urn:/)
        expect(schema.name).toBeString()
        expect(schema.meta).toEqual({
          resourceType: 'Schema',
          location: `${scim.url()}/Schemas/${schema.id}`,
        })
      }
    })

    test('[R7644-4-11] [ENTRA-20] [R7643-2.1-02] [R7643-7-02] [R7643-7-03] [R7643-7-16] [R7643-7-18] [R7643-2.2-01] attributes are told in the words of the RFC, every characteristic spelled out', async () => {
      const text = (await scim.get('/Schemas')).text
      expect(text).not.toInclude('null')
      for (const attribute of attributesOf(await schemas())) {
        const { name, type } = attribute
        expect(name).toMatch(/^(?:[A-Za-z][A-Za-z0-9_$-]*|\$ref)$/)
        expect(type, name).toBeOneOf(TYPES)
        expect(attribute.multiValued).toBeBoolean()
        expect(attribute.required).toBeBoolean()
        expect(attribute.mutability).toBeOneOf(['readOnly', 'readWrite', 'immutable', 'writeOnly'])
        expect(attribute.returned).toBeOneOf(['always', 'never', 'default', 'request'])
        const isText = ['string', 'reference', 'binary'].includes(type)
        expect('caseExact' in attribute, name).toBe(isText)
        if (isText) expect(attribute.uniqueness).toBeOneOf(['none', 'server', 'global'])
        if ('referenceTypes' in attribute) expect(type).toBe('reference')
        expect('subAttributes' in attribute, name).toBe(type === 'complex')
        if (type === 'complex') expect(attribute).not.toHaveProperty('uniqueness')
      }
    })

    test('[R7643-2.3-13] no complex attribute holds another, but for Schema itself', async () => {
      for (const schema of await schemas()) {
        if (schema.id === SCHEMA) continue
        for (const { subAttributes = [] } of schema.attributes)
          for (const sub of subAttributes) expect(sub.type).not.toBe('complex')
      }
    })

    test('[R7644-4-09] what is published is what is enforced', async () => {
      const user = (await schemas()).find(({ id }) => id === USER)
      const probe = { string: 5, boolean: 'x', reference: 5, complex: 5, binary: 5 }
      for (const { name, type, mutability, multiValued } of user.attributes) {
        const value = probe[type as keyof typeof probe]
        const given = {
          schemas: [USER],
          userName: scim.fresh(),
          [name]: multiValued ? [value] : value,
        }
        const reply = await scim.request('POST', '/Users', given)
        if (mutability === 'readOnly') {
          expect(reply.status, name).toBe(201)
          expect(reply.body).not.toHaveProperty(name)
        } else expectError(reply, 400, 'invalidValue', name)
      }
      const { id } = await scim.user()
      for (const { name, mutability, returned, required } of user.attributes) {
        const remove = await scim.patch(`/Users/${id}`, [{ op: 'remove', path: name }])
        expect(remove.status, name).toBe(mutability === 'readOnly' || required ? 400 : 200)
        const search = await scim.get(`/Users?filter=${name}+pr`)
        expect(search.status, name).toBe(returned === 'never' ? 400 : 200)
      }
    })

    test('[R7644-4-14] what has not changed need not be sent again', async () => {
      const tags = new Set<string>()
      for (const place of PLACES) {
        const read = await scim.get(place)
        const tag = read.headers.get('etag') ?? ''
        expect(tag).toMatch(/^W\/"[^"]+"$/)
        tags.add(tag)
        const again = await scim.get(place, { 'If-None-Match': tag })
        expect(again.status).toBe(304)
        expect(again.text).toBe('')
        expect(again.headers.get('etag')).toBe(tag)
        const other = await scim.get(place, { 'If-None-Match': 'W/"other"' })
        expect(other.body).toEqual(read.body)
      }
      expect(tags.size).toBe(PLACES.length)
    })

    test('[R7643-3.1-21] common attributes keep their rules, listed in a schema or not', async () => {
      const list = await schemas()
      const user = list.find(({ id }) => id === USER)
      const names = user.attributes.map(({ name }: Body) => name)
      expect(names).not.toContain('id')
      expect(names).not.toContain('meta')
      for (const id of [USER, GROUP]) {
        const schema = list.find((one) => one.id === id)
        const externalId = schema.attributes.find(({ name }: Body) => name === 'externalId')
        expect(externalId).toMatchObject({ caseExact: true, mutability: 'readWrite' })
      }
    })

    test('[PROF-05] addresses and numbers have canonical types, roles have none', async () => {
      const user = (await schemas()).find(({ id }) => id === USER)
      const typeOf = (name: string) =>
        user.attributes
          .find((attribute: Body) => attribute.name === name)
          .subAttributes.find((sub: Body) => sub.name === 'type')
      for (const name of ['emails', 'phoneNumbers', 'addresses'])
        expect(typeOf(name).canonicalValues).toContain('work')
      expect(typeOf('roles')).not.toHaveProperty('canonicalValues')
    })
  })
}
