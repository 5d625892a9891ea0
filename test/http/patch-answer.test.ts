/**
 * What a PATCH is answered with, by the number of links and by the tenant's `patchAnswers`. RFC
 * 7644 section 3.5.2, DESIGN section 6.
 */

import { afterAll, describe, expect, test } from 'bun:test'
import { rmSync } from 'node:fs'
import { PATCH_ANSWER_LINKS_MAX } from '../../src/scim/limits.ts'
import { type Reply, TARGETS } from '../harness.ts'
import { idsOf, type Scim, sharedServer, USER } from './given.ts'
import { schemasDirectory } from './schema-files.ts'

const TEAM = 'urn:example:schemas:1.0:Team'

const linkAttribute = (name: string, more: object = {}) => ({
  name,
  type: 'complex',
  multiValued: true,
  subAttributes: [{ name: 'value', type: 'string' }],
  ...more,
})

/** A type of one's own with several links, one of which is shown on request alone. */
const directory = schemasDirectory({
  'Team.json': {
    id: TEAM,
    name: 'Team',
    attributes: [
      { name: 'title', type: 'string' },
      linkAttribute('players'),
      linkAttribute('coaches'),
      linkAttribute('fans', { returned: 'request' }),
    ],
  },
  'resource-types/Team.json': {
    name: 'Team',
    endpoint: '/Teams',
    schema: TEAM,
    schemaExtensions: [],
    links: [{ attribute: 'players' }, { attribute: 'coaches' }, { attribute: 'fans' }],
  },
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

async function users(scim: Scim, count: number): Promise<string[]> {
  return idsOf(await Promise.all(Array.from({ length: count }, () => scim.user())))
}
const linksTo = (ids: readonly string[]) => ids.map((value) => ({ value }))

/** 200 with what a GET of the same address shows, with its tag and its places. */
async function expectShown(scim: Scim, reply: Reply, path: string): Promise<void> {
  expect(reply.status, reply.text).toBe(200)
  const got = await scim.get(path)
  expect(reply.body).toEqual(got.body)
  for (const name of ['etag', 'location', 'content-location', 'content-type'])
    expect(reply.headers.get(name)).toBe(got.headers.get(name))
}

function expectBare(reply: Reply): void {
  expect([reply.status, reply.text]).toEqual([204, ''])
  expect(reply.headers.get('etag')).toMatch(/^W\/"\d+"$/)
}

for (const target of TARGETS) {
  describe(`the answer to a PATCH (${target})`, () => {
    const scim = sharedServer({ target, flags: { schemas: directory } })

    test('[R7644-3.5.2-15] a group of 100 members is answered with itself, one of 101 with 204', async () => {
      const ids = await users(scim, PATCH_ANSWER_LINKS_MAX + 1)
      const most = ids.slice(0, PATCH_ANSWER_LINKS_MAX)
      const place = `/Groups/${(await scim.group({ members: linksTo(most.slice(1)) })).id}`
      const add = (id: string | undefined) =>
        scim.patch(place, [{ op: 'add', path: 'members', value: [{ value: id }] }])
      const last = await add(most[0])
      await expectShown(scim, last, place)
      expect(last.body.members).toHaveLength(PATCH_ANSWER_LINKS_MAX)
      expectBare(await add(ids.at(-1)))
      // Nothing changes, and the answer is the same.
      expectBare(await add(ids.at(-1)))
      const remove = [{ op: 'remove', path: `members[value eq "${ids[0]}"]` }]
      await expectShown(scim, await scim.patch(place, remove), place)
    })

    test('members that were deleted do not count', async () => {
      const ids = await users(scim, PATCH_ANSWER_LINKS_MAX + 5)
      const place = `/Groups/${(await scim.group({ members: linksTo(ids) })).id}`
      await Promise.all(ids.slice(0, 5).map((id) => scim.request('DELETE', `/Users/${id}`)))
      const rename = [{ op: 'replace', path: 'displayName', value: scim.fresh() }]
      await expectShown(scim, await scim.patch(place, rename), place)
    })

    test('[R7644-3.5.2-16] a large group is shown as far as is asked for, its members too', async () => {
      const ids = await users(scim, PATCH_ANSWER_LINKS_MAX + 1)
      const place = `/Groups/${(await scim.group({ members: linksTo(ids) })).id}`
      for (const query of ['attributes=id', 'attributes=members', 'excludedAttributes=members']) {
        const rename = [{ op: 'replace', path: 'displayName', value: scim.fresh() }]
        const reply = await scim.patch(`${place}?${query}`, rename)
        await expectShown(scim, reply, `${place}?${query}`)
        expect('members' in reply.body).toBe(query === 'attributes=members')
      }
    })

    test('the links of all attributes that are shown count together, on types of one’s own', async () => {
      const ids = await users(scim, PATCH_ANSWER_LINKS_MAX)
      const half = ids.slice(0, PATCH_ANSWER_LINKS_MAX / 2)
      const given = { schemas: [TEAM], players: linksTo(half), fans: linksTo(ids) }
      const place = `/Teams/${(await scim.request('POST', '/Teams', given)).body.id}`
      const coaches = (count: number) =>
        scim.patch(place, [{ op: 'replace', path: 'coaches', value: linksTo(ids.slice(0, count)) }])
      await expectShown(scim, await coaches(half.length), place)
      expectBare(await coaches(half.length + 1))
      await expectShown(scim, await coaches(0), place)
      // Who names what is returned on request is shown it, and so it counts.
      const fans = [{ op: 'add', path: 'fans', value: [{ value: ids[0] }] }]
      expectBare(await scim.patch(place, fans))
    })

    test('an operation of a bulk request is told as before', async () => {
      const ids = await users(scim, PATCH_ANSWER_LINKS_MAX + 1)
      const groups = [await scim.group(), await scim.group({ members: linksTo(ids) })]
      const schemas = ['urn:ietf:params:scim:api:messages:2.0:BulkRequest']
      const Operations = groups.map(({ id }) => ({
        method: 'PATCH',
        path: `/Groups/${id}`,
        data: {
          schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
          Operations: [{ op: 'replace', path: 'displayName', value: scim.fresh() }],
        },
      }))
      const { body } = await scim.request('POST', '/Bulk', { schemas, Operations })
      for (const [index, result] of body.Operations.entries()) {
        const { meta } = (await scim.get(`/Groups/${groups[index].id}`)).body
        expect(result).toEqual({
          method: 'PATCH',
          location: meta.location,
          version: meta.version,
          status: '200',
        })
      }
    })
  })

  describe.each(['always', 'never'])(`patchAnswers: %s (${target})`, (patchAnswers) => {
    const config = { tenants: { default: { patchAnswers } } }
    const scim = sharedServer({ target, config })

    test('the answer does not depend on the number of links', async () => {
      const ids = await users(scim, PATCH_ANSWER_LINKS_MAX + 1)
      const small = await scim.group({ members: linksTo(ids.slice(0, 1)) })
      const large = await scim.group({ members: linksTo(ids) })
      const user = await scim.user({ schemas: [USER] })
      const operation = { op: 'replace', path: 'displayName' }
      for (const { meta } of [small, large, user]) {
        const place = meta.location.slice(scim.url().length)
        const reply = await scim.patch(place, [{ ...operation, value: scim.fresh() }])
        if (patchAnswers === 'always') await expectShown(scim, reply, place)
        else expectBare(reply)
        const asked = [{ ...operation, value: scim.fresh() }]
        await expectShown(
          scim,
          await scim.patch(`${place}?attributes=id`, asked),
          `${place}?attributes=id`,
        )
      }
    })
  })
}
