/** What an address says: its bytes, the names in it, and what the tenant tolerates of them. */

import { afterAll, describe, expect, test } from 'bun:test'
import { rmSync } from 'node:fs'
import { TARGETS, TOKEN } from '../harness.ts'
import { type Body, expectError, idsOf, PATCH_OP, type Scim, sharedServer, USER } from './given.ts'
import { sendRaw } from './raw.ts'
import { DEVICE, DEVICE_SCHEMA, DEVICE_TYPE, schemasDirectory } from './schema-files.ts'

const schemas = schemasDirectory({
  'Device.json': DEVICE_SCHEMA,
  'resource-types/Device.json': { ...DEVICE_TYPE, schemaExtensions: [] },
})
afterAll(() => rmSync(schemas, { recursive: true }))

const SEARCH_REQUEST = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest'
const BULK_REQUEST = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest'
const QUOTED = (text: string) => encodeURIComponent(`userName eq "${text}"`)

const bulkOf = (...Operations: object[]) => ({ schemas: [BULK_REQUEST], Operations })

for (const target of TARGETS) {
  for (const mode of ['interop', 'rfc', 'profile']) {
    const isTolerant = mode === 'interop'
    describe(`addresses in mode ${mode} (${target})`, () => {
      const config = { tenants: { default: { mode } } }
      const scim = sharedServer({ target, config, flags: { schemas } })

      test('bytes that are not UTF-8 are refused by every endpoint, and find nothing', async () => {
        const { id } = await scim.user({ schemas: [USER], userName: `é-${scim.fresh()}` })
        const user = `/Users/${id}`
        const patch = { schemas: [PATCH_OP], Operations: [{ op: 'remove', path: 'title' }] }
        const asked: [method: string, path: string, body?: unknown][] = [
          ['GET', '/Users'],
          ['GET', ''],
          ['GET', user],
          ['HEAD', user],
          ['POST', '/Users', { schemas: [USER], userName: scim.fresh('never') }],
          ['PUT', user, { schemas: [USER], userName: scim.fresh('never') }],
          ['PATCH', user, patch],
          ['DELETE', user],
          ['POST', '/.search', { schemas: [SEARCH_REQUEST] }],
          ['POST', '/Users/.search', { schemas: [SEARCH_REQUEST] }],
          ['POST', '/Bulk', bulkOf({ method: 'DELETE', path: user })],
          ['GET', '/Me'],
          ['GET', '/Schemas'],
          ['GET', '/ResourceTypes/User'],
          ['GET', '/ServiceProviderConfig'],
        ]
        const before = await scim.total('/Users')
        // Raw bytes, which fetch would not send, go by a socket.
        const broken = ['%E9', '%', '%zz', '%C3', '%ED%A0%80', '%C0%80', '\xe9']
        for (const [method, path, body] of asked) {
          for (const text of path === '/Users' && method === 'GET' ? broken : broken.slice(0, 1)) {
            for (const query of [
              `attributes=${text}`,
              `x${text}=1`,
              `filter=title%20eq%20%22${text}%22`,
            ]) {
              const { pathname } = new URL(scim.url())
              const reply = await sendRaw(scim.url(), {
                method,
                target: `${pathname}${path}?${query}`,
                headers: {
                  Authorization: `Bearer ${TOKEN}`,
                  ...(body === undefined ? {} : { 'Content-Type': 'application/scim+json' }),
                },
                ...(body === undefined ? {} : { body: JSON.stringify(body) }),
              })
              const what = `${method} ${path}?${query}`
              expect(reply.status, what).toBe(400)
              if (method === 'HEAD') continue
              const scimType = query.startsWith('filter') ? 'invalidFilter' : 'invalidValue'
              expect(JSON.parse(reply.text), what).toMatchObject({ status: '400', scimType })
            }
          }
        }
        expect(await scim.total('/Users')).toBe(before)
        expect((await scim.get(user)).body.id).toBe(id)
      })

      test('what is UTF-8 is found, escaped or not', async () => {
        const userName = `é&?+%-${scim.fresh()}`
        const { id } = await scim.user({ schemas: [USER], userName })
        expect(idsOf(await scim.find(`userName eq "${userName}"`))).toEqual([id])
        const { pathname } = new URL(scim.url())
        const escaped = QUOTED(userName).replace('%C3%A9', Buffer.from('é').toString('latin1'))
        for (const query of [`filter=${escaped}`, `filter=${escaped.replaceAll('%20', '+')}`]) {
          const reply = await sendRaw(scim.url(), {
            method: 'GET',
            target: `${pathname}/Users?${query}`,
            headers: { Authorization: `Bearer ${TOKEN}` },
          })
          expect(idsOf(JSON.parse(reply.text).Resources)).toEqual([id])
        }
      })

      test('a segment of the path with a broken escape is refused, and not looked for', async () => {
        for (const id of ['%E9', '%zz', '%', 'a%C3', '%EF%BF%BD']) {
          for (const path of [`/Users/${id}`, `/Schemas/${id}`, `/ResourceTypes/${id}`])
            expectError(await scim.get(path), 400, 'invalidValue', 'path')
          expectError(await scim.request('DELETE', `/Groups/${id}`), 400, 'invalidValue', 'path')
          const operation = { method: 'DELETE', path: `/Users/${id}` }
          const { body } = await scim.request('POST', '/Bulk', bulkOf(operation))
          const status = id === '%EF%BF%BD' ? '404' : '400'
          expect(body.Operations, id).toMatchObject([{ method: 'DELETE', status }])
        }
        expectError(await scim.get('/Users/%C3%A9'), 404, undefined, 'é')
      })

      test('the name of a parameter in other letters is understood or refused, never passed over', async () => {
        const { userName, id } = await scim.user({ schemas: [USER], title: 'T' })
        const filter = QUOTED(userName)
        for (const [query, expected] of [
          [`FILTER=${filter}`, { Resources: [{ id }], totalResults: 1 }],
          [`%46ilter=${filter}`, { Resources: [{ id }], totalResults: 1 }],
          [`filter=${filter}&startindex=2`, { startIndex: 2, totalResults: 1, Resources: [] }],
          ['Count=0', { itemsPerPage: 0 }],
          [`filter=${filter}&ATTRIBUTES=title&attributes=id`, { Resources: [{ id, title: 'T' }] }],
          [`filter=${filter}&sortby=id&SORTORDER=descending`, { totalResults: 1 }],
          [`filter=${filter}&Cursor=&count=1`, { totalResults: 1, Resources: [{ id }] }],
        ] as const) {
          const reply = await scim.get(`/Users?${query}`)
          if (isTolerant) expect(reply.body, query).toMatchObject(expected)
          else expectError(reply, 400, 'invalidValue', 'the query: found')
        }
        const one = await scim.get(`/Users/${id}?excludedattributes=title`)
        if (isTolerant) expect(one.body.title).toBeUndefined()
        else expectError(one, 400, 'invalidValue', 'excludedAttributes')
        const discovery = await scim.get('/Schemas?FILTER=id%20pr')
        expect(discovery.status).toBe(isTolerant ? 403 : 400)
      })

      test('parameters that differ in case alone are one that is given twice', async () => {
        for (const [query, scimType] of [
          ['filter=id%20pr&Filter=title%20pr', 'invalidFilter'],
          ['count=1&COUNT=2', 'invalidValue'],
          ['startIndex=1&startindex=1', 'invalidValue'],
          ['attributes=id&EXCLUDEDATTRIBUTES=id', 'invalidValue'],
        ] as const)
          expectError(
            await scim.get(`/Users?${query}`),
            400,
            isTolerant ? scimType : 'invalidValue',
          )
      })

      test('a second question mark never loses the filter', async () => {
        const { userName, id } = await scim.user({ schemas: [USER] })
        const filter = QUOTED(userName)
        for (const query of [
          `aadOptscim062020?filter=${filter}`,
          `aadOptscim062020%3Ffilter=${filter}`,
          `aadOptscim062020=true?filter=${filter}&count=5`,
          `?filter=${filter}`,
          `x=1&aadOptscim062020?count=5&filter=${filter}`,
        ]) {
          const reply = await scim.get(`/Users?${query}`)
          if (isTolerant) expect(idsOf(reply.body.Resources), query).toEqual([id])
          else expectError(reply, 400, 'invalidValue', 'a second "?"')
        }
        const one = await scim.get(`/Users/${id}?aadOptscim062020?attributes=title`)
        if (isTolerant) expect(one.body).toEqual({ schemas: [USER], id })
        else expectError(one, 400, 'invalidValue', 'a second "?"')
        // It is a character like any other in what is compared, and in what nobody asks for.
        for (const value of ['a?b', 'a?count=1']) {
          const marked = await scim.user({ schemas: [USER], title: `${value}-${userName}` })
          const asked = encodeURIComponent(`title eq "${marked.title}"`).replaceAll('%3F', '?')
          const { body } = await scim.get(`/Users?x=a?b&filter=${asked.replaceAll('%3D', '=')}`)
          expect(idsOf(body.Resources), asked).toEqual([marked.id])
        }
      })

      test('the name of an endpoint in other letters is that endpoint, whose location is as it is defined', async () => {
        const { id, meta, userName } = await scim.user({ schemas: [USER] })
        const at = (path: string) => `${scim.url()}${path}`
        const device = { schemas: [DEVICE], serial: scim.fresh() }
        const search = { schemas: [SEARCH_REQUEST], filter: `userName eq "${userName}"` }
        const put = { schemas: [USER], userName }
        const config = (await scim.get('/ServiceProviderConfig')).body
        const asked: [method: string, path: string, body: unknown, check: (body: Body) => void][] =
          [
            ['GET', `/users/${id}`, undefined, (body) => expect(body.meta).toEqual(meta)],
            ['GET', `/USERS/${id}/`, undefined, (body) => expect(body.id).toBe(id)],
            ['PUT', `/uSERS/${id}`, put, (body) => expect(body.meta.location).toBe(meta.location)],
            [
              'GET',
              `/users?filter=${QUOTED(userName)}`,
              undefined,
              (body) => expect(idsOf(body.Resources)).toEqual([id]),
            ],
            [
              'POST',
              '/users/.Search',
              search,
              (body) => expect(idsOf(body.Resources)).toEqual([id]),
            ],
            ['POST', '/.SEARCH', search, (body) => expect(idsOf(body.Resources)).toEqual([id])],
            [
              'POST',
              '/bulk',
              bulkOf({ method: 'DELETE', path: '/users/nobody' }),
              (body) =>
                expect(body.Operations).toMatchObject([
                  { status: '404', location: at('/Users/nobody') },
                ]),
            ],
            [
              'POST',
              '/DEVICES',
              device,
              (body) => expect(body.meta.location).toBe(at(`/Devices/${body.id}`)),
            ],
            ['GET', '/groups', undefined, (body) => expect(body.totalResults).toBe(0)],
            ['GET', '/serviceproviderconfig', undefined, (body) => expect(body).toEqual(config)],
            [
              'GET',
              '/SCHEMAS',
              undefined,
              (body) => expect(body.Resources[0].meta.location).toStartWith(at('/Schemas/')),
            ],
            ['GET', `/schemas/${USER}`, undefined, (body) => expect(body.id).toBe(USER)],
            ['GET', '/resourcetypes/User', undefined, (body) => expect(body.id).toBe('User')],
            ['GET', '/ResourceTypes/user', undefined, (body) => expect(body.id).toBe('User')],
          ]
        for (const [method, path, body, check] of asked) {
          const reply = await scim.server().request(method, path, body)
          if (isTolerant) {
            expect(reply.status, `${method} ${path}: ${reply.text}`).toBeOneOf([200, 201])
            check(reply.body)
          } else expectError(reply, 404)
        }
        const operation = { method: 'PUT', path: `/USERS/${id}`, data: put }
        const bulk = await scim.request('POST', '/Bulk', bulkOf(operation))
        const { status, location } = bulk.body.Operations[0]
        expect([status, location]).toEqual(isTolerant ? ['200', meta.location] : ['400', undefined])
      })

      test('other letters change nothing of what is refused', async () => {
        const id = (await scim.user({ schemas: [USER] })).id
        const bare = { Authorization: undefined } as unknown as Record<string, string>
        const nobody = await scim.request('GET', `/users/${id}`, undefined, bare)
        expectError(nobody, 401)
        expect(nobody.headers.get('www-authenticate')).toBe('Bearer realm="scimd"')
        expectError(await scim.get('/me'), isTolerant ? 501 : 404)
        const wrong = await scim.request('DELETE', '/users')
        expectError(wrong, isTolerant ? 405 : 404)
        expect(wrong.headers.get('allow')).toBe(isTolerant ? 'GET, POST, HEAD' : null)
        const head = await scim.request('HEAD', `/users/${id}`)
        expect([head.status, head.text]).toEqual([isTolerant ? 200 : 404, ''])
        for (const path of ['/user', '/users/a/b', '/.searches', '/v3/users'])
          expect((await scim.get(path)).status).toBeOneOf([400, 404])
        // An id is no name: it is found as it was written alone.
        expectError(await scim.get(`/users/${id.toUpperCase()}`), 404)
      })

      test('the version may be left out, and the tenant be named', async () => {
        const bare = scim.url().replace('/v2', '')
        const headers = { Authorization: `Bearer ${TOKEN}` }
        const plain = await fetch(`${bare}/users?count=0`, { headers })
        expect(plain.status).toBe(isTolerant ? 200 : 404)
        const tenant = bare.replace('/scim', '/t/acme/scim')
        for (const path of ['/users', '/v2/users', '/serviceproviderconfig'])
          expect((await fetch(`${tenant}${path}`, { headers })).status).toBe(401)
      })

      test('the journal tells each change, and nothing that was refused', async () => {
        await expectNothingElse(scim)
      })
    })
  }
}

/** Only what the tests said that it was created, or replaced. */
async function expectNothingElse(scim: Scim): Promise<void> {
  const entries = await scim.server().journal()
  const operations = new Set(entries.map(({ operation }) => operation))
  expect([...operations]).toEqual(['create'])
}
