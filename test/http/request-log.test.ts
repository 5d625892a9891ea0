/** The log of requests: what is in a record, and what is never in one. */

import { describe, expect, test } from 'bun:test'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RequestRecord } from '../../src/http/record.ts'
import { TOLERANCES, type Tolerance } from '../../src/scim/tolerance.ts'
import { readRequestLog, requestsDirectory } from '../../src/store/request-log.ts'
import { send, startTestServer, TARGETS, type TestServer, TOKEN } from '../harness.ts'
import { ENTERPRISE, PATCH_OP, query, tokenOf, USER } from './given.ts'
import { sendRaw } from './raw.ts'
import { DEVICE, DEVICE_SCHEMA, DEVICE_TYPE, schemasDirectory } from './schema-files.ts'

const SEARCH = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest'
const BULK = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest'
const SECRET = 'hunter2-hunter2'

/** Stops a server and reads what it has noted of a tenant. */
async function recordsOf(server: TestServer, tenant = 'default'): Promise<RequestRecord[]> {
  await server.stop()
  const records: RequestRecord[] = []
  const directory = requestsDirectory(join(server.data, 'tenants'), tenant)
  for await (const record of readRequestLog(directory, 0))
    records.push(record as unknown as RequestRecord)
  return records
}

/** Everything that a server has left on disk and on standard error, as text. */
function leftBy(server: TestServer): string {
  const files = readdirSync(server.data, { recursive: true, withFileTypes: true })
  const texts = files
    .filter((file) => file.isFile())
    .map((file) => readFileSync(join(file.parentPath, file.name), 'latin1'))
  return [...texts, server.errors()].join('\n')
}

const patchOf = (...operations: object[]) => ({ schemas: [PATCH_OP], Operations: operations })

for (const target of TARGETS) {
  describe(`the log of requests (${target})`, () => {
    test('a record tells who asked for what, and what came of it', async () => {
      await using server = await startTestServer({ target })
      const created = await server.request('POST', '/Users', { schemas: [USER], userName: 'ada' })
      const { id } = created.body
      await server.request('GET', `/Users/${id}?attributes=userName`)
      await server.request('POST', '/Users', { schemas: [USER], userName: 'ADA' })
      await server.request('POST', '/Users/.search', { schemas: [SEARCH], filter: 'active pr' })
      await server.request('POST', '/Users/.search', { schemas: [SEARCH], filter: 'nope' })
      await server.request('DELETE', `/Users/${id}`)
      await server.request('POST', '/Users', '{"userName": no}')
      await server.request('DELETE', '/Users')
      const records = await recordsOf(server)

      const shown = records.map(({ time, requestId, ms, address, credential, ...rest }) => {
        const isRead = rest.method === 'GET' || rest.path.includes('/.search')
        expect(time).toMatch(/^2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
        expect(requestId).toMatch(/^[0-9a-f-]{36}$/)
        expect(ms).toBeGreaterThanOrEqual(0)
        // Of what was read, the address tells no more than the credential does.
        if (isRead && rest.status < 400) expect(address).toBeUndefined()
        else expect(address).toMatch(/127\.0\.0\.1$/)
        expect(credential).toEqual({ name: 'SCIMD_TOKEN', prefix: 'SCIMD_TOKEN' })
        return rest
      })
      const users = '/scim/v2/Users'
      const detail = expect.any(String)
      expect(shown).toEqual([
        {
          method: 'POST',
          path: users,
          status: 201,
          location: created.body.meta.location,
          body: { schemas: [USER], userName: 'ada' },
        },
        { method: 'GET', path: `${users}/${id}?attributes=userName`, status: 200 },
        {
          method: 'POST',
          path: users,
          status: 409,
          error: { scimType: 'uniqueness', detail },
          body: { schemas: [USER], userName: 'ADA' },
        },
        { method: 'POST', path: `${users}/.search`, status: 200 },
        {
          method: 'POST',
          path: `${users}/.search`,
          status: 400,
          error: { scimType: 'invalidFilter', detail },
          body: { schemas: [SEARCH], filter: 'nope' },
        },
        { method: 'DELETE', path: `${users}/${id}`, status: 204 },
        {
          method: 'POST',
          path: users,
          status: 400,
          error: { scimType: 'invalidSyntax', detail },
          bodyBytes: 16,
        },
        { method: 'DELETE', path: users, status: 405, error: { detail } },
      ])
    })

    test('operations of a bulk request that failed are told', async () => {
      await using server = await startTestServer({ target })
      const of = (userName: string) => ({
        method: 'POST',
        path: '/Users',
        bulkId: userName,
        data: { schemas: [USER], userName },
      })
      const body = { schemas: [BULK], Operations: [of('ada'), of('Ada')] }
      expect((await server.request('POST', '/Bulk', body)).status).toBe(200)
      const [record] = await recordsOf(server)
      expect(record).toMatchObject({ status: 200, body })
      expect(record?.failed).toMatchObject([
        { bulkId: 'Ada', status: '409', response: { scimType: 'uniqueness' } },
      ])
    })

    test('a long body is cut, and says so', async () => {
      await using server = await startTestServer({ target })
      const body = { schemas: [USER], userName: 'ada', title: 'x'.repeat(9000) }
      await server.request('POST', '/Users', body)
      const [record] = await recordsOf(server)
      expect(record).toMatchObject({ isBodyCut: true, bodyBytes: JSON.stringify(body).length })
      expect(JSON.stringify(record?.body)).toMatch(/"userName":"ada","title":"x{7000,8192}…"/)
    })

    test('failed sign-ins are in the log of the tenant that was asked for', async () => {
      await using server = await startTestServer({ target })
      const token = await tokenOf(server, { name: 'okta', tenant: 'acme' })
      const acme = server.url.replace('/scim/v2', '/t/acme/scim/v2')
      const [, prefix = ''] = /^scimd_([a-z0-9]+)_/.exec(token) ?? []
      const wrong = `scimd_${prefix}_${'A'.repeat(43)}`
      const bearer = (text: string) => ({ Authorization: `Bearer ${text}` })
      await send(`${acme}/Users`, 'GET', undefined, bearer(token))
      await send(`${acme}/Users`, 'GET', undefined, bearer(wrong))
      await send(`${acme}/Users`, 'GET', undefined, bearer('abcdefghijkl'))
      await server.request('GET', '/Users', undefined, { Authorization: undefined })
      await server.request('GET', '/Schemas', undefined, { Authorization: undefined })
      await send(`${server.url.replace('/scim/', '/t/nobody/scim/')}/Users`, 'GET')
      await send(`${server.url.replace('/scim/', '/t/..%2f..%2fx/scim/')}/Users`, 'GET')
      const records = await recordsOf(server, 'acme')
      expect(records.map(({ status, credential }) => ({ status, credential }))).toEqual([
        { status: 200, credential: { name: 'okta', prefix } },
        { status: 401, credential: { prefix } },
        { status: 401, credential: undefined },
      ])
      const own = await recordsOf(server)
      expect(own.map(({ status, path }) => ({ status, path }))).toEqual([
        { status: 401, path: '/scim/v2/Users' },
        { status: 200, path: '/scim/v2/Schemas' },
      ])
      const made = readdirSync(join(server.data, 'tenants')).filter((n) => n.endsWith('.requests'))
      expect(made.sort()).toEqual(['acme.requests', 'default.requests'])
      expect(leftBy(server)).not.toInclude('A'.repeat(43))
    })

    test('a wrong path is noted for a good credential, and for no other', async () => {
      await using server = await startTestServer({ target })
      await server.request('GET', '/user')
      await server.request('GET', '/user', undefined, { Authorization: 'Bearer x' })
      await server.request('GET', '/user', undefined, { Authorization: undefined })
      const records = await recordsOf(server)
      expect(records).toHaveLength(1)
      expect(records[0]).toMatchObject({ method: 'GET', path: '/scim/v2/user', status: 404 })
    })

    test('whoever is refused for the rate of an address pushes out nobody’s records', async () => {
      await using server = await startTestServer({ target, flags: { rateLimit: '1000' } })
      const root = server.url.replace('/scim/v2', '')
      const none = { Authorization: undefined }
      const asks = [
        () => server.request('GET', '/Users', undefined, { Authorization: 'Bearer x' }),
        () => server.request('GET', '/Users', undefined, none),
        () => send(`${root}/oauth/token`, 'POST', 'x', none),
      ]
      const attempts = Array.from({ length: 150 }, () => asks.map((one) => one())).flat()
      const refused = (await Promise.all(attempts)).map(({ status }) => status)
      expect(refused).toContain(429)
      const records = await recordsOf(server)
      const answered = refused.filter((status) => status !== 429).sort()
      expect(new Set(answered)).toEqual(new Set([400, 401]))
      expect(records.map(({ status }) => status).sort()).toEqual(answered)
    })

    test('a log that cannot be written fails no request, and is told once', async () => {
      await using server = await startTestServer({ target })
      const path = requestsDirectory(join(server.data, 'tenants'), 'default')
      mkdirSync(join(server.data, 'tenants'), { recursive: true })
      writeFileSync(path, 'in the way')
      for (const userName of ['ada', 'bob']) {
        const body = { schemas: [USER], userName }
        expect((await server.request('POST', '/Users', body)).status).toBe(201)
        while (!server.errors().includes('log of requests')) await Bun.sleep(10)
      }
      // Writes what is left, which cannot be written either.
      await server.stop()
      expect(server.errors().match(/log of requests/g)).toHaveLength(1)
      rmSync(path)
      expect(server.errors()).not.toInclude('ada')
    })

    test('no secret is on disk or on standard error, wherever it was sent', async () => {
      const schemas = schemasDirectory({
        'Device.json': DEVICE_SCHEMA,
        'resource-types/Device.json': { ...DEVICE_TYPE, schemaExtensions: [] },
      })
      await using server = await startTestServer({
        target,
        flags: { schemas },
        config: { tenants: { default: { sensitive: ['name.familyName', 'title'] } } },
      })
      const user = { schemas: [USER], userName: 'ada', password: SECRET }
      const { id } = (await server.request('POST', '/Users', user)).body
      const { password: _, ...plain } = user
      const other = { method: 'POST', path: '/Users', bulkId: 'x' }
      const sent: [method: string, path: string, body?: unknown, headers?: object][] = [
        ['POST', '/Users', { ...user, PASSWORD: undefined }],
        ['POST', '/Users', { ...plain, PassWord: SECRET, pwd: SECRET, clientSecret: [SECRET] }],
        ['POST', '/Users', { ...plain, [`${USER}:password`]: SECRET }],
        ['POST', '/Users', { ...plain, password: [{ value: SECRET }] }],
        ['POST', '/Users', `{"userName": "x", "password": ${SECRET}}`],
        ['POST', '/Users', `{"password": "${SECRET}"`],
        ['POST', '/Users', `{"password": "${SECRET}", "password": "${SECRET}"}`],
        ['POST', '/Users', `"${SECRET}"`],
        ['POST', '/Users', [SECRET]],
        ['POST', '/Users', `password=${SECRET}`, { 'Content-Type': 'text/plain' }],
        ['PUT', `/Users/${id}`, { ...user, nickName: 5 }],
        ['PATCH', `/Users/${id}`, patchOf({ op: 'replace', path: 'password', value: SECRET })],
        ['PATCH', `/Users/${id}`, patchOf({ value: SECRET, PATH: 'PassWord', op: 'Replace' })],
        ['PATCH', `/Users/${id}`, patchOf({ op: 'add', value: { password: SECRET } })],
        ['PATCH', `/Users/${id}`, patchOf({ op: 'add', value: { [`${USER}:password`]: SECRET } })],
        [
          'PATCH',
          `/Users/${id}`,
          patchOf({ op: 'remove', path: `password[value eq "${SECRET}"]` }),
        ],
        ['PATCH', `/Users/${id}`, patchOf({ op: 'add', path: 'password', value: { a: SECRET } })],
        ['PATCH', `/Users/${id}`, patchOf({ op: 'nope', path: 'password', value: [SECRET] })],
        ['POST', '/Bulk', { schemas: [BULK], Operations: [{ ...other, data: user }] }],
        ['POST', '/Bulk', { schemas: [BULK], Operations: [{ ...other, data: SECRET.length }] }],
        ['POST', `/Users/${id}/.verifyPassword`, { password: SECRET }],
        ['POST', `/Users/${id}/.verifyPassword`, { value: SECRET }],
        ['GET', `/Users${query({ filter: `password eq "${SECRET}"` })}`],
        ['GET', `/Users${query({ filter: `name.familyName eq "${SECRET}"` })}`],
        ['GET', `/Users${query({ filter: `name[familyName eq "${SECRET}"]` })}`],
        ['GET', `/Users${query({ filter: `title gt ${SECRET}` })}`],
        ['GET', `/Users${query({ filter: `name.familyName is "${SECRET}"` })}`],
        ['GET', `/Users${query({ access_token: SECRET, password: SECRET })}`],
        ['GET', '/Users', undefined, { Authorization: `Bearer ${SECRET}` }],
        ['GET', '/Users', undefined, { Authorization: `Basic ${btoa(`x:${SECRET}`)}` }],
        ['GET', '/Users', undefined, { Cookie: `session=${SECRET}` }],
        ['POST', '/Users/.search', { schemas: [SEARCH], filter: `password eq "${SECRET}"` }],
        ['POST', '/Users/.search', { schemas: [SEARCH], filter: `title is "${SECRET}"` }],
        ['POST', '/Users/.search', { schemas: [SEARCH], filter: `title eq ${SECRET}` }],
        ['PATCH', `/Users/${id}`, patchOf({ op: 'remove', path: `x[title eq ${SECRET}]` })],
        ['POST', '/Devices', { schemas: [DEVICE], serial: 's', key: SECRET }],
        ['POST', '/Devices', { schemas: [DEVICE], serial: 't', place: { SECRET, room: 'r' } }],
        ['POST', '/Devices', { schemas: [DEVICE], place: { room: 1, secret: SECRET } }],
      ]
      for (const [method, path, body, headers] of sent) {
        await server.request(method, path, body, headers as Record<string, string>)
      }
      const verify = await tokenOf(server, { scope: 'verify' })
      const asked = await server.request(
        'POST',
        `/Users/${id}/.verifyPassword`,
        { password: SECRET },
        { Authorization: `Bearer ${verify}` },
      )
      expect(asked.status).toBe(200)
      await sendRaw(server.url, { method: 'GET', target: `/scim/v2/Users?x=${verify}` })

      const records = await recordsOf(server)
      expect(records.length).toBe(sent.length + 3)
      const left = leftBy(server)
      expect(left).toInclude('familyName%20eq')
      // A device's key is stored as it is; the log alone has to be without it.
      const log = JSON.stringify(records) + server.errors()
      for (const text of [SECRET, TOKEN, verify, btoa(`x:${SECRET}`)]) {
        expect(log).not.toInclude(text)
        if (text !== SECRET) expect(left).not.toInclude(text)
      }
      rmSync(schemas, { recursive: true })
    })

    test('each tolerance that a request needs is noted, and no other', async () => {
      const schemas = schemasDirectory({
        'Device.json': DEVICE_SCHEMA,
        'resource-types/Device.json': { ...DEVICE_TYPE, schemaExtensions: [] },
      })
      const config = { tenants: { default: { tolerances: { numberForString: true } } } }
      await using server = await startTestServer({ target, config, flags: { schemas } })
      const created = {
        schemas: [USER],
        userName: 'ada',
        name: { givenName: 'A', familyName: 'B' },
      }
      const { id } = (await server.request('POST', '/Users', created)).body
      const user = `/Users/${id}`
      const put = { schemas: [USER], userName: 'ada' }
      const home = { value: 'h@x', type: 'home' }
      const replace = (path: string, value: unknown) => patchOf({ op: 'replace', path, value })
      const needed: [Tolerance[], method: string, path: string, body?: unknown][] = [
        [[], 'PUT', user, { ...put, title: 'T', emails: [home], name: created.name }],
        [[], 'PATCH', user, replace('name', { givenName: 'X', familyName: 'Y' })],
        [[], 'PATCH', user, replace('emails[type eq "home"].value', 'i@x')],
        [['missingSchemas'], 'PUT', user, { userName: 'ada', name: created.name }],
        [['missingSchemas'], 'PATCH', user, { Operations: [{ op: 'remove', path: 'title' }] }],
        [['unknownSchemas'], 'PUT', user, { ...created, schemas: [USER, 'urn:x'] }],
        [['unknownAttributes'], 'PUT', user, { ...created, foo: 1 }],
        [['emptyOperations'], 'PATCH', user, patchOf()],
        [['booleanStrings'], 'PATCH', user, replace('active', 'False')],
        [['booleanStrings'], 'GET', `/Users${query({ filter: 'active eq "True"' })}`],
        [['numericStrings'], 'POST', '/Devices', { schemas: [DEVICE], serial: '1', count: '4' }],
        [['emptyStrings'], 'PUT', user, { ...created, title: '' }],
        [['nullElements'], 'PUT', user, { ...created, emails: [null, home] }],
        [['valueForList'], 'POST', '/Devices', { schemas: [DEVICE], serial: '2', tags: 'a' }],
        [
          ['objectForValue'],
          'POST',
          '/Devices',
          { schemas: [DEVICE], serial: '3', tags: [{ $ref: null, value: 'a' }] },
        ],
        [['numberForString'], 'PUT', user, { ...created, title: 7 }],
        [['stringForComplex', 'valueForList'], 'PUT', user, { ...created, roles: 'r' }],
        [['stringForComplex'], 'PATCH', user, replace(`${ENTERPRISE}:manager`, 'x')],
        [['listForSingular'], 'PATCH', user, replace('title', [{ value: 'T' }])],
        [['objectForList'], 'PUT', user, { ...created, emails: home }],
        [['pathlessPatch'], 'PATCH', user, patchOf({ op: 'add', value: { title: 'T' } })],
        [
          ['pathlessPatch', 'pathsAsKeys'],
          'PATCH',
          user,
          patchOf({ op: 'add', value: { 'name.givenName': 'A' } }),
        ],
        [['createOnReplace'], 'PATCH', user, replace('emails[type eq "work"].value', 'w@x')],
        [
          ['removeByValue'],
          'PATCH',
          user,
          patchOf({ op: 'remove', path: 'emails', value: [{ value: 'w@x' }] }),
        ],
        [['mergeOnReplace'], 'PATCH', user, replace('name', { familyName: 'C' })],
        [
          ['elementPaths'],
          'PATCH',
          user,
          patchOf({ op: 'remove', path: 'emails[type eq "home"]' }),
        ],
        [
          ['extendedFilters'],
          'GET',
          `/Users${query({ filter: 'emails[type eq "work"].value eq "x"' })}`,
        ],
        [['bareNames'], 'GET', `/Users${query({ filter: 'manager eq "x"' })}`],
        [['bareNames'], 'PATCH', user, replace('department', 'D')],
        [[], 'PATCH', user, replace(`${ENTERPRISE}:department`, 'E')],
        [['dotAfterUrn'], 'PATCH', user, replace(`${ENTERPRISE}.department`, 'F')],
        [['dotAfterUrn'], 'GET', `/Users${query({ filter: `${ENTERPRISE}.department eq "x"` })}`],
        [['coreContainer'], 'PUT', user, { ...put, [USER]: { title: 'T' } }],
        [['unlistedExtensions'], 'PUT', user, { ...put, [ENTERPRISE]: { department: 'D' } }],
        [
          ['pathlessPatch', 'readOnlyValues'],
          'PATCH',
          user,
          patchOf({ op: 'replace', value: { id, title: 'R' } }),
        ],
        [['freeFormats'], 'PUT', user, { ...created, addresses: [{ country: 'USA' }] }],
        [[], 'PATCH', user, replace('title', 'U')],
        [['parameterNames'], 'GET', '/Users?Filter=id%20pr&COUNT=1'],
        [['endpointNames'], 'GET', '/users?filter=id%20pr'],
        [['secondQuestionMark'], 'GET', '/Users?aadOptscim062020?filter=id%20pr'],
        [['freeFormats'], 'POST', '/Users', { ...put, userName: 'bob', timezone: 'Pacific' }],
      ]
      for (const [names, method, path, body] of needed) {
        const reply = await server.request(method, path, body)
        expect(reply.status, `${names}: ${reply.text}`).toBeOneOf([200, 201])
      }
      // Not taken in any mode, so nothing was tolerated.
      const foreign = { ...created, schemas: ['urn:scim:schemas:core:1.0'] }
      expect((await server.request('PUT', user, foreign)).status).toBe(400)
      const records = await recordsOf(server)
      expect(records.pop()?.tolerances).toBeUndefined()
      expect(records.slice(1).map(({ tolerances }) => [...(tolerances ?? [])].sort())).toEqual(
        needed.map(([names]) => [...names].sort()),
      )
      const all = new Set(needed.flatMap(([names]) => names))
      expect([...all].sort()).toEqual((Object.keys(TOLERANCES) as Tolerance[]).sort())
      rmSync(schemas, { recursive: true })
    })
  })
}
