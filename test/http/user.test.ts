/** Users: names, state, passwords and groups. RFC 7643 sections 4.1 and 9. */

import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { TARGETS } from '../harness.ts'
import { expectError, expectRefused, idsOf, namesOf, sharedServer, USER } from './given.ts'

/** Every file below a directory, as bytes. */
function filesBelow(directory: string): Buffer[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name)
    return statSync(path).isDirectory() ? filesBelow(path) : [readFileSync(path)]
  })
}

for (const target of TARGETS) {
  describe(`users (${target})`, () => {
    const scim = sharedServer({ target })

    test('[R7643-4.1-02] [R7643-4.1-03] [R7644-3.3-06] [R7644-3.12-07] [OKTA-11] a second user with the same name, in any case, is refused', async () => {
      const first = await scim.user({ userName: 'BJensen' })
      expect(first.userName).toBe('BJensen')
      for (const userName of ['BJensen', 'bjensen', 'BJENSEN']) {
        await expectRefused(
          scim,
          `/Users/${first.id}`,
          () => scim.request('POST', '/Users', { schemas: [USER], userName }),
          409,
          'uniqueness',
          'userName',
        )
      }
    })

    test('[R7643-4.1-04] [R7644-3.5.1-14] [PROF-12] a name that is taken is refused to PUT and PATCH too', async () => {
      const { userName } = await scim.user()
      const { id } = await scim.user()
      const taken = userName.toUpperCase()
      const place = `/Users/${id}`
      const put = () => scim.request('PUT', place, { schemas: [USER], userName: taken })
      const patch = () => scim.patch(place, [{ op: 'replace', path: 'userName', value: taken }])
      await expectRefused(scim, place, put, 409, 'uniqueness', 'userName')
      await expectRefused(scim, place, patch, 409, 'uniqueness', 'userName')
    })

    test('[R7643-4.1-05] one’s own name, in another case, is no conflict', async () => {
      const { id, userName } = await scim.user()
      const upper = userName.toUpperCase()
      const put = await scim.request('PUT', `/Users/${id}`, { schemas: [USER], userName: upper })
      expect(put.status).toBe(200)
      expect(put.body.userName).toBe(upper)
      const after = await scim.patched(`/Users/${id}`, {
        op: 'replace',
        path: 'userName',
        value: userName,
      })
      expect(after.userName).toBe(userName)
    })

    test('a name that was given up is free, and the new one is taken', async () => {
      const { id, userName } = await scim.user()
      const renamed = scim.fresh()
      await scim.patched(`/Users/${id}`, { op: 'replace', path: 'userName', value: renamed })
      const second = await scim.user({ userName })
      await expectRefused(
        scim,
        `/Users/${second.id}`,
        () =>
          scim.patch(`/Users/${second.id}`, [{ op: 'replace', path: 'userName', value: renamed }]),
        409,
        'uniqueness',
      )
    })

    test('[R7643-4.1-06] [R7644-3.6-09] [OKTA-09] [ENTRA-18] an inactive user is read, listed, and in the way of a second one', async () => {
      const { id, userName } = await scim.user()
      const after = await scim.patched(`/Users/${id}`, {
        op: 'replace',
        path: 'active',
        value: false,
      })
      expect(after.active).toBe(false)
      expect(idsOf(await scim.find(`userName eq "${userName}" and active eq false`))).toEqual([id])
      const again = () => scim.request('POST', '/Users', { schemas: [USER], userName })
      await expectRefused(scim, `/Users/${id}`, again, 409, 'uniqueness')
    })

    test('[R7643-4.1-07] formatted name and its parts stand side by side', async () => {
      const name = { formatted: 'Dr. A. B.', familyName: 'B', givenName: 'A' }
      expect((await scim.user({ name })).name).toEqual(name)
      expect((await scim.user({ name: { givenName: 'A' } })).name).toEqual({ givenName: 'A' })
    })

    test('[R7643-4.1-08] display names, nicknames, titles and types of user may repeat', async () => {
      const same = { displayName: 'D', nickName: 'N', title: 'T', userType: 'U' }
      for (const user of [await scim.user(same), await scim.user(same)])
        expect(user).toMatchObject(same)
    })

    test('[R7643-4.1-09] [R7643-4.1-10] [R7643-4.1-24] locales, languages and addresses of photos are kept unread', async () => {
      let visits = 0
      await using photographer = Bun.serve({
        port: 0,
        hostname: '127.0.0.1',
        fetch: () => new Response(String(++visits)),
      })
      const given = {
        locale: 'en_US',
        preferredLanguage: 'da, en-gb;q=0.8',
        timezone: 'nowhere',
        photos: [{ value: `${photographer.url}ann.jpg`, type: 'photo' }],
      }
      const { id } = await scim.user(given)
      expect((await scim.get(`/Users/${id}`)).body).toMatchObject(given)
      expect(visits).toBe(0)
    })

    test('[R7643-4.1-16] a type that is no canonical value is kept', async () => {
      const emails = [{ value: 'a@b', type: 'assistant' }]
      expect((await scim.user({ emails })).emails).toEqual(emails)
    })

    test('[R7643-4.1-17] [R7643-4.1-23] formats are advice: countries and certificates are kept', async () => {
      const addresses = [{ country: 'USA', type: 'work' }]
      expect((await scim.user({ addresses })).addresses).toEqual(addresses)
      const x509Certificates = [{ value: 'MIIDMIID' }]
      expect((await scim.user({ x509Certificates })).x509Certificates).toEqual(x509Certificates)
    })

    test('[R7643-4.1-18] groups in a POST or PUT are ignored', async () => {
      const { id, userName } = await scim.user()
      const group = await scim.group({ members: [{ value: id }] })
      for (const groups of [[], [{ value: 'x' }]]) {
        const { status, body } = await scim.request('PUT', `/Users/${id}`, {
          schemas: [USER],
          userName,
          groups,
        })
        expect(status).toBe(200)
        expect(idsOf(body.groups)).toEqual([group.id])
      }
    })

    test('[R7643-4.1-19] a PATCH of groups is refused', async () => {
      const { id } = await scim.user()
      const group = await scim.group()
      for (const op of ['add', 'replace', 'remove']) {
        const patch = () =>
          scim.patch(`/Users/${id}`, [{ op, path: 'groups', value: [{ value: group.id }] }])
        await expectRefused(scim, `/Users/${id}`, patch, 400, 'mutability', 'groups')
      }
      expect((await scim.get(`/Groups/${group.id}`)).body.members).toEqual([])
    })

    test('[R7643-4.1-20] [R7643-4.1-21] [R7643-4.1-22] groups tells direct groups before indirect ones', async () => {
      const { id } = await scim.user()
      const inner = await scim.group()
      const outer = await scim.group({ members: [{ value: inner.id }] })
      await scim.patched(`/Groups/${inner.id}`, {
        op: 'add',
        path: 'members',
        value: [{ value: id }],
      })
      const element = (group: { id: string; displayName: string }, type: string) => ({
        value: group.id,
        $ref: `${scim.url()}/Groups/${group.id}`,
        type,
        display: group.displayName,
      })
      const { groups } = (await scim.get(`/Users/${id}`)).body
      expect(groups).toEqual([element(inner, 'direct'), element(outer, 'indirect')])
    })

    test('[R7644-3.3-04] active is true unless the client says otherwise', async () => {
      expect((await scim.user()).active).toBe(true)
      expect((await scim.user({ active: false })).active).toBe(false)
      expect((await scim.user({ active: null })).active).toBe(true)
    })

    test('[R7644-3.3-05] null is the same as left out: the default, or nothing', async () => {
      const user = await scim.user({ active: null, nickName: null })
      expect(idsOf(await scim.find(`active eq true and id eq "${user.id}"`))).toEqual([user.id])
      expect(user).not.toHaveProperty('nickName')
    })

    test('[R7644-3.3-12] of twenty requests at once for one name, one is granted', async () => {
      const userName = scim.fresh('race')
      const total = await scim.total('/Users')
      const replies = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          scim.request('POST', '/Users', {
            schemas: [USER],
            userName: index % 2 ? userName : userName.toUpperCase(),
          }),
        ),
      )
      const granted = replies.filter(({ status }) => status === 201)
      expect(granted).toHaveLength(1)
      for (const reply of replies.filter((reply) => !granted.includes(reply)))
        expectError(reply, 409, 'uniqueness', 'userName')
      expect(await scim.total('/Users')).toBe(total + 1)
      expect(idsOf(await scim.find(`userName eq "${userName}"`))).toEqual([granted[0]?.body.id])
    })

    test('two users at once cannot be given one name by PATCH', async () => {
      const places = [await scim.user(), await scim.user()].map(({ id }) => `/Users/${id}`)
      const value = scim.fresh('race')
      const replies = await Promise.all(
        places.map((place) => scim.patch(place, [{ op: 'replace', path: 'userName', value }])),
      )
      expect(replies.map(({ status }) => status).sort()).toEqual([200, 409])
      expect(await scim.find(`userName eq "${value}"`)).toHaveLength(1)
    })

    test('[R7644-3.4.2.2-61] [R7644-3.4.2.2-67] [PROF-03] what a filter finds equal is what a POST conflicts with', async () => {
      const { id } = await scim.user({ userName: 'José-ＡＢ-straße' })
      const forms = ['Jose\u0301-ab-STRASSE', 'JOSÉ-AB-straße', 'jose\u0301-ａｂ-strasse']
      for (const userName of forms) {
        expect(idsOf(await scim.find(`userName eq "${userName}"`)), userName).toEqual([id])
        const again = () => scim.request('POST', '/Users', { schemas: [USER], userName })
        await expectRefused(scim, `/Users/${id}`, again, 409, 'uniqueness', 'userName')
      }
      const other = await scim.user({ userName: 'Jose-AB-strase' })
      expect(idsOf(await scim.find('userName eq "jose-ab-strase"'))).toEqual([other.id])
    })

    test('the journal tells each change, and nothing that was refused', async () => {
      await scim.expectJournalOfChanges()
    })
  })

  describe(`passwords (${target})`, () => {
    const scim = sharedServer({ target })
    const SECRETS = ['correct horse battery', 'staple-Ünïcode', 'third time lucky']

    test('[R7643-4.1-11] [R7643-7-08] [R7643-7-10] [R7644-3.5.2-23] [R7644-3.4.2-07] a password is taken and never answered', async () => {
      const create = await scim.request('POST', '/Users?attributes=password,userName', {
        schemas: [USER],
        userName: 'secret',
        password: SECRETS[0],
      })
      expect(create.status).toBe(201)
      const { id } = create.body
      const place = `/Users/${id}`
      const replies = [
        create,
        await scim.request('PUT', place, {
          schemas: [USER],
          userName: 'secret',
          password: SECRETS[1],
        }),
        await scim.patch(place, [{ op: 'replace', path: 'password', value: SECRETS[2] }]),
        await scim.patch(place, [{ op: 'replace', value: { password: SECRETS[2] } }]),
        await scim.get(place),
        await scim.get(`${place}?attributes=password`),
        await scim.get('/Users'),
        await scim.get('/Users?attributes=password'),
        await scim.get('/Users?excludedAttributes=userName'),
        await scim.request('POST', '/Users/.search', {
          schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'],
          attributes: ['userName', 'password'],
        }),
      ]
      for (const { status, text } of replies) {
        expect(status).toBeLessThan(300)
        expect(text).not.toMatch(/password|argon2/i)
        for (const secret of SECRETS) expect(text).not.toInclude(secret)
      }
    })

    test('[R7643-4.1-15] [R7644-3.4.2.2-63] a password is not searched', async () => {
      for (const filter of [
        'password eq "x"',
        'password sw "a"',
        'password pr',
        'not (password pr)',
      ]) {
        const reply = await scim.get(`/Users?filter=${encodeURIComponent(filter)}`)
        expectError(reply, 400, 'invalidFilter', 'password')
      }
    })

    test('[R7643-4.1-13] a new password is a change; a PUT without one leaves it', async () => {
      const { id, userName, meta } = await scim.user({ password: SECRETS[0] })
      const place = `/Users/${id}`
      const without = await scim.request('PUT', place, { schemas: [USER], userName })
      expect(without.body.meta).toEqual(meta)
      const anew = await scim.request('PUT', place, {
        schemas: [USER],
        userName,
        password: SECRETS[1],
      })
      expect(anew.body.meta.version).not.toBe(meta.version)
    })

    test.each([[5], [{ a: 1 }], [['x']]])(
      'a password given %j is refused without being shown',
      async (password) => {
        const { id } = await scim.user()
        const patch = () =>
          scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'password', value: password }])
        await expectRefused(scim, `/Users/${id}`, patch, 400, 'invalidValue', 'password')
        const { body } = await patch()
        expect(body.detail).not.toInclude(JSON.stringify(password))
      },
    )

    test('a password that ends up in a message is not shown there', async () => {
      const reply = await scim.request('POST', '/Users', {
        schemas: [USER],
        userName: 'x',
        password: [SECRETS[0], SECRETS[1]],
      })
      expectError(reply, 400, 'invalidValue', 'password')
      for (const secret of SECRETS) expect(reply.text).not.toInclude(secret)
    })

    test('a password that a failed PATCH would set is not set', async () => {
      const { id, meta } = await scim.user({ password: SECRETS[0] })
      const reply = await scim.patch(`/Users/${id}`, [
        { op: 'replace', path: 'password', value: SECRETS[1] },
        { op: 'remove', path: 'userName' },
      ])
      expectError(reply, 400, 'mutability', 'userName')
      expect((await scim.get(`/Users/${id}`)).body.meta).toEqual(meta)
    })

    test('a password may be removed', async () => {
      const { id, meta } = await scim.user({ password: SECRETS[0] })
      const after = await scim.patched(`/Users/${id}`, { op: 'remove', path: 'password' })
      expect(after.meta.version).not.toBe(meta.version)
      const again = await scim.patched(`/Users/${id}`, { op: 'remove', path: 'password' })
      expect(again.meta).toEqual(after.meta)
    })

    test('[R7643-4.1-12] [R7643-9-01] passwords are kept as argon2id hashes, and no file or log holds one', async () => {
      const users = namesOf((await scim.get('/Users')).body.Resources)
      expect(users).toContain('secret')
      const entries = await scim.expectJournalOfChanges()
      const told = JSON.stringify(entries)
      expect(entries.some(({ secrets }) => secrets.includes('password'))).toBe(true)
      const files = filesBelow(scim.server().data)
      for (const secret of SECRETS) {
        expect(told).not.toInclude(secret)
        expect(scim.server().errors()).not.toInclude(secret)
        for (const file of files) expect(file.includes(secret)).toBe(false)
      }
      expect(told).not.toInclude('argon2')
      expect(files.some((file) => file.includes('$argon2id$v=19$'))).toBe(true)
    })
  })
}
