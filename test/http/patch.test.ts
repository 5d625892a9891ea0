/** PATCH in general: RFC 7644 section 3.5.2. Each op has a file of its own beside this one. */

import { describe, expect, test } from 'bun:test'
import { PATCH_OPERATIONS_MAX } from '../../src/scim/limits.ts'
import { TARGETS } from '../harness.ts'
import {
  ENTERPRISE,
  expectError,
  expectRefused,
  idsOf,
  type Operation,
  PATCH_OP,
  sharedServer,
  USER,
} from './given.ts'

const replaceTitle = { op: 'replace', path: 'title', value: 'new' }

for (const target of TARGETS) {
  describe(`PATCH (${target})`, () => {
    const scim = sharedServer({ target })
    const GIVEN = {
      title: 'old',
      name: { givenName: 'A', familyName: 'B' },
      emails: [
        { value: 'a@b', type: 'work', primary: true },
        { value: 'c@d', type: 'home' },
      ],
    }

    test('[R7644-3.5.2-01] PATCH is supported and says so', async () => {
      expect((await scim.get('/ServiceProviderConfig')).body.patch).toEqual({ supported: true })
    })

    test.each([
      [{ schemas: [USER], Operations: [replaceTitle] }, 'schemas'],
      [{ schemas: 'x', Operations: [replaceTitle] }, 'schemas'],
      [{ schemas: [PATCH_OP] }, 'Operations'],
      [{ schemas: [PATCH_OP], Operations: {} }, 'Operations'],
      [{ schemas: [PATCH_OP], Operations: 'x' }, 'Operations'],
      [{ schemas: [PATCH_OP], Operations: ['x'] }, 'Operations[0]'],
      [{ schemas: [PATCH_OP], Operations: [replaceTitle, null] }, 'Operations[1]'],
      [[replaceTitle], 'body'],
      [{ schemas: [PATCH_OP], Operations: [{ path: 'title', value: 'x' }] }, 'Operations[0].op'],
      [{ schemas: [PATCH_OP], Operations: [{ ...replaceTitle, op: 'move' }] }, 'move'],
      [{ schemas: [PATCH_OP], Operations: [{ ...replaceTitle, op: 5 }] }, 'Operations[0].op'],
      [{ schemas: [PATCH_OP], Operations: [{ ...replaceTitle, op: 'test' }] }, 'test'],
    ])(
      '[R7644-3.5.2-02] [R7644-3.5.2-03] [R7644-3.5.2-04] %j is no PatchOp',
      async (body, mention) => {
        const place = `/Users/${(await scim.user(GIVEN)).id}`
        const patch = () => scim.request('PATCH', place, body)
        await expectRefused(scim, place, patch, 400, 'invalidSyntax', mention)
      },
    )

    test.each(['Add', 'ADD', 'Replace', 'rePlace'])(
      '[R7644-3.5.2-05] [ENTRA-03] op %s is understood',
      async (op) => {
        const { id } = await scim.user()
        const place = `/Users/${id}`
        const after = await scim.patched(place, { op, path: 'title', value: 'x' })
        expect(after.title).toBe('x')
        const removed = await scim.patched(place, { op: 'Remove', path: 'title' })
        expect(removed).not.toHaveProperty('title')
      },
    )

    test('names of the message are understood in any case', async () => {
      const { id } = await scim.user()
      const reply = await scim.request('PATCH', `/Users/${id}`, {
        SCHEMAS: [PATCH_OP.toUpperCase()],
        operations: [{ OP: 'add', Path: 'title', VALUE: 'x' }],
      })
      expect(reply.body.title).toBe('x')
    })

    test.each([
      ['R7644-3.5.2-06 R7644-3.12-10', 'emails[type eq', 'invalidPath'],
      ['R7644-3.5.2-06', 'a..b', 'invalidPath'],
      ['R7644-3.5.2-06 R7644-3.5.2-29', 'emails[0]', 'invalidPath'],
      ['R7644-3.5.2-06', 'emails[type eq "work"]value', 'invalidPath'],
      ['R7644-3.5.2-06', 'emails[type eq "work"].value.x', 'invalidPath'],
      ['R7644-3.5.2-06', 'emails[type eq "work"].foo', 'invalidPath'],
      ['R7644-3.5.2-06', ' ', 'invalidPath'],
      ['R7644-3.5.2-06', 'title[value eq "x"]', 'invalidPath'],
      ['R7644-3.5.2-06', 'title x', 'invalidPath'],
      ['R7644-3.5.2-07', 'foo', 'invalidPath'],
      ['R7644-3.5.2-07', 'name.foo', 'invalidPath'],
      ['R7644-3.5.2-07', 'title.foo', 'invalidPath'],
      ['R7644-3.5.2-07', `${ENTERPRISE}:foo`, 'invalidPath'],
      ['R7644-3.5.2-07', 'urn:nothing:here:title', 'invalidPath'],
      ['R7644-3.5.2-08', 'emails[type zz "a"].value', 'invalidFilter'],
      ['R7644-3.5.2-08', 'emails[foo eq "a"].value', 'invalidFilter'],
      ['R7644-3.5.2-08', 'emails[].value', 'invalidFilter'],
      ['R7644-3.5.2-08', 'emails[primary gt true].value', 'invalidFilter'],
      ['R7644-3.5.2-29', '/emails/0', 'invalidPath'],
      ['R7644-3.5.2-29', '/title', 'invalidPath'],
    ])('[%s] the path "%s" is refused with %s', async (_ids, path, scimType) => {
      const place = `/Users/${(await scim.user(GIVEN)).id}`
      for (const op of ['add', 'replace', 'remove']) {
        const patch = () => scim.patch(place, [{ op, path, value: 'x' }])
        await expectRefused(scim, place, patch, 400, scimType)
      }
    })

    test('a path that is no string is refused', async () => {
      const place = `/Users/${(await scim.user(GIVEN)).id}`
      const body = { schemas: [PATCH_OP], Operations: [{ op: 'add', path: 5, value: 'x' }] }
      const patch = () => scim.request('PATCH', place, body)
      await expectRefused(scim, place, patch, 400, 'invalidPath', 'Operations[0].path')
    })

    test('[R7644-3.5.2-09] [R7644-3.10-01] [R7644-3.10-04] paths are understood in any case and with the URN', async () => {
      const { id } = await scim.user(GIVEN)
      const after = await scim.patched(
        `/Users/${id}`,
        { op: 'replace', path: `${USER.toUpperCase()}:Name.GIVENNAME`, value: 'C' },
        { op: 'replace', path: `${USER}:title`, value: 'T' },
        { op: 'replace', path: `${USER}:emails[Type eq "home"].VALUE`, value: 'e@f' },
        { op: 'add', path: `${ENTERPRISE.toUpperCase()}:DEPARTMENT`, value: 'D' },
      )
      expect(after.name).toEqual({ givenName: 'C', familyName: 'B' })
      expect(after.title).toBe('T')
      expect(after.emails[1]).toEqual({ value: 'e@f', type: 'home' })
      expect(after[ENTERPRISE]).toEqual({ department: 'D' })
    })

    test('[R7644-3.5.2-10] an extension’s URN as path means the whole of it', async () => {
      const held = { department: 'D', employeeNumber: '1' }
      const { id } = await scim.user({ [ENTERPRISE]: held })
      const place = `/Users/${id}`
      const added = await scim.patched(place, {
        op: 'add',
        path: ENTERPRISE,
        value: { costCenter: 'C' },
      })
      expect(added[ENTERPRISE]).toEqual({ employeeNumber: '1', costCenter: 'C', department: 'D' })
      const removed = await scim.patched(place, { op: 'remove', path: ENTERPRISE })
      expect(removed.schemas).toEqual([USER])
      expect(removed).not.toHaveProperty([ENTERPRISE])
      const again = await scim.patched(place, { op: 'remove', path: ENTERPRISE })
      expect(again.meta).toEqual(removed.meta)
    })

    test('[R7644-3.5.2-11] quotes, brackets and colons in a path’s string are data', async () => {
      const value = 'a]b:c [d] "e" \\ and (f)'
      const { id } = await scim.user({ ims: [{ value }, { value: 'other' }] })
      const after = await scim.patched(`/Users/${id}`, {
        op: 'replace',
        path: `ims[value eq ${JSON.stringify(value)}].type`,
        value: 'x',
      })
      expect(after.ims).toEqual([{ value, type: 'x' }, { value: 'other' }])
    })

    test('[R7644-3.5.2-12] operations see what the ones before them did', async () => {
      const { id } = await scim.user()
      const after = await scim.patched(
        `/Users/${id}`,
        { op: 'add', path: 'nickName', value: 'N' },
        { op: 'remove', path: 'nickName' },
        { op: 'add', path: 'ims', value: [{ value: '1', type: 'a' }] },
        { op: 'replace', path: 'ims[type eq "a"].value', value: '2' },
        { op: 'add', path: 'ims[value eq "2"].display', value: 'two' },
      )
      expect(after).not.toHaveProperty('nickName')
      expect(after.ims).toEqual([{ value: '2', type: 'a', display: 'two' }])
    })

    test.each<[string, Operation, string]>([
      ['removes what is required', { op: 'remove', path: 'userName' }, 'mutability'],
      ['has a wrong value', { op: 'replace', path: 'active', value: 5 }, 'invalidValue'],
      ['has a wrong path', { op: 'replace', path: 'foo', value: 5 }, 'invalidPath'],
      [
        'has no target',
        { op: 'replace', path: 'emails[type sw "x"].value', value: 'x' },
        'noTarget',
      ],
      ['has no op', { op: '', path: 'title', value: 'x' }, 'invalidSyntax'],
    ])(
      '[R7644-3.5.2-13] [R7644-3.5.2-14] where one operation %s none is applied',
      async (_what, last, scimType) => {
        const { id } = await scim.user(GIVEN)
        const group = await scim.group()
        const patch = () => scim.patch(`/Users/${id}`, [replaceTitle, last])
        await expectRefused(scim, `/Users/${id}`, patch, 400, scimType)
        const patchGroup = () =>
          scim.patch(`/Groups/${group.id}`, [
            { op: 'add', path: 'members', value: [{ value: id }] },
            { op: 'remove', path: 'displayName' },
          ])
        await expectRefused(
          scim,
          `/Groups/${group.id}`,
          patchGroup,
          400,
          'mutability',
          'displayName',
        )
        expect((await scim.get(`/Users/${id}`)).body).not.toHaveProperty('groups')
      },
    )

    test('[R7644-3.5.2-15] [R7644-3.5.2-17] [ENTRA-09] [ENTRA-10] a user and a small group are answered with 200 and themselves, both with the tag', async () => {
      const user = await scim.user()
      const group = await scim.group()
      const one = await scim.patch(`/Users/${user.id}`, [replaceTitle])
      expect(one.status).toBe(200)
      expect(one.body).toEqual((await scim.get(`/Users/${user.id}`)).body)
      expect(one.headers.get('etag')).toBe(one.body.meta.version)
      const many = await scim.patch(`/Groups/${group.id}`, [
        { op: 'replace', path: 'displayName', value: scim.fresh('group') },
      ])
      expect(many.status).toBe(200)
      expect(many.body).toEqual((await scim.get(`/Groups/${group.id}`)).body)
      expect(many.headers.get('etag')).toBe(many.body.meta.version)
      expect(many.body.meta.version).not.toBe(group.meta.version)
    })

    test('[R7644-3.5.2-16] a group is answered with 200 where attributes are asked for', async () => {
      const group = await scim.group()
      for (const parameters of ['attributes=id', 'excludedAttributes=members']) {
        const reply = await scim.patch(`/Groups/${group.id}?${parameters}`, [
          { op: 'replace', path: 'displayName', value: group.displayName },
        ])
        expect(reply.status).toBe(200)
        expect(reply.body.id).toBe(group.id)
        expect(reply.body).not.toHaveProperty('members')
      }
    })

    test('[R7644-3.5.2-18] [R7644-3.5.2.1-18] [R7644-3.5.2.3-15] what becomes primary takes it from what was', async () => {
      const primaries = (user: { emails: { value: string; primary?: boolean }[] }) =>
        user.emails.filter(({ primary }) => primary).map(({ value }) => value)
      const operations: [Operation, string][] = [
        [{ op: 'add', path: 'emails', value: [{ value: 'n@n', primary: true }] }, 'n@n'],
        [{ op: 'replace', path: 'emails[type eq "home"].primary', value: true }, 'c@d'],
        [{ op: 'add', path: 'emails[type eq "home"]', value: { primary: 'True' } }, 'c@d'],
        [{ op: 'add', value: { emails: [{ value: 'n@n', primary: true }] } }, 'n@n'],
      ]
      for (const [operation, value] of operations) {
        const { id } = await scim.user(GIVEN)
        const after = await scim.patched(`/Users/${id}`, operation)
        expect(primaries(after)).toEqual([value])
        expect(after.emails[0]).toEqual({ value: 'a@b', type: 'work', primary: false })
      }
    })

    test('[R7644-3.5.2-19] two elements made primary at once are refused', async () => {
      const place = `/Users/${(await scim.user(GIVEN)).id}`
      const value = [
        { value: 'x', primary: true },
        { value: 'y', primary: true },
      ]
      for (const op of ['add', 'replace']) {
        const patch = () => scim.patch(place, [{ op, path: 'emails', value }])
        await expectRefused(scim, place, patch, 400, 'invalidValue', 'emails')
      }
      const both = () =>
        scim.patch(place, [{ op: 'replace', path: 'emails[value pr].primary', value: true }])
      await expectRefused(scim, place, both, 400, 'invalidValue', 'emails')
    })

    test.each([
      'id',
      'meta',
      'meta.created',
      'meta.version',
      'groups',
      'groups.value',
      `${USER}:id`,
    ])(
      '[R7644-3.5.2-20] [R7643-7-06] [R7644-3.12-08] [R7644-3.5.2.2-10] the readOnly path %s is refused',
      async (path) => {
        const place = `/Users/${(await scim.user(GIVEN)).id}`
        for (const op of ['add', 'replace', 'remove']) {
          const patch = () => scim.patch(place, [{ op, path, value: 'x' }])
          await expectRefused(scim, place, patch, 400, 'mutability', path)
        }
      },
    )

    test('[R7644-3.5.2-21] [OKTA-06] readOnly members of a value without a path are ignored', async () => {
      const group = await scim.group()
      const displayName = scim.fresh('renamed')
      const after = await scim.patched(`/Groups/${group.id}`, {
        op: 'replace',
        value: { id: group.id, displayName, meta: { created: 'x' }, schemas: group.schemas },
      })
      expect(after.displayName).toBe(displayName)
      expect(after.id).toBe(group.id)
      expect(after.meta.created).toBe(group.meta.created)
    })

    test('[R7644-3.5.2-24] a value under an extension’s URN adds it to schemas', async () => {
      const { id } = await scim.user()
      const after = await scim.patched(`/Users/${id}`, {
        op: 'add',
        path: `${ENTERPRISE}:employeeNumber`,
        value: '1',
      })
      expect(after.schemas).toEqual([USER, ENTERPRISE])
      expect(await scim.find(`schemas eq "${ENTERPRISE}" and id eq "${id}"`)).toHaveLength(1)
    })

    test('[R7644-3.5.2-25] schemas follows from the data, and its base cannot be removed', async () => {
      const user = await scim.user({ [ENTERPRISE]: { department: 'D' } })
      const place = `/Users/${user.id}`
      for (const operation of [
        { op: 'remove', path: 'schemas' },
        { op: 'replace', path: 'schemas', value: [ENTERPRISE] },
        { op: 'remove', path: 'schemas', value: [USER] },
      ]) {
        const patch = () => scim.patch(place, [operation])
        await expectRefused(scim, place, patch, 400, 'mutability', 'schemas')
      }
      const same = await scim.patched(place, { op: 'add', path: 'schemas', value: [ENTERPRISE] })
      expect(same).toEqual(user)
    })

    test.each<[Operation]>([
      [{ op: 'replace', path: 'userName', value: '' }],
      [{ op: 'replace', path: 'userName', value: null }],
      [{ op: 'replace', value: { userName: null } }],
    ])(
      '[R7644-3.5.2-26] [R7644-3.5.2.3-11] %j leaves what is required missing',
      async (operation) => {
        const place = `/Users/${(await scim.user(GIVEN)).id}`
        const patch = () => scim.patch(place, [operation])
        await expectRefused(scim, place, patch, 400, 'invalidValue', 'userName')
      },
    )

    test('[R7644-3.5.2-28] an id that nobody has is not found', async () => {
      expectError(await scim.patch('/Users/nope', [replaceTitle]), 404, undefined, 'nope')
      expectError(await scim.patch('/Groups/nope', []), 404)
    })

    test('[R7644-3.5.2-30] [PROF-15] fifty members come and go in one request', async () => {
      const ids = idsOf(await Promise.all(Array.from({ length: 60 }, () => scim.user())))
      const { id } = await scim.group()
      const place = `/Groups/${id}`
      const each = (op: string) =>
        ids.map((value) =>
          op === 'add'
            ? { op, path: 'members', value: [{ value }] }
            : { op, path: `members[value eq "${value}"]` },
        )
      const full = await scim.patched(place, ...each('add'))
      expect(idsOf(full.members).sort()).toEqual([...ids].sort())
      const empty = await scim.patched(place, ...each('remove'))
      expect(empty.members).toEqual([])
    })

    test('a PATCH has so many operations, and no more', async () => {
      const { id } = await scim.user()
      const operations = Array(PATCH_OPERATIONS_MAX).fill(replaceTitle)
      expect((await scim.patch(`/Users/${id}`, operations)).status).toBe(200)
      const patch = () => scim.patch(`/Users/${id}`, [...operations, replaceTitle])
      const detail = String(PATCH_OPERATIONS_MAX)
      await expectRefused(scim, `/Users/${id}`, patch, 413, undefined, 'Operations', detail)
    })

    test('the journal tells each change, and nothing that was refused', async () => {
      await scim.expectJournalOfChanges()
    })
  })
}
