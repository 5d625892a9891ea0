/** How names are prepared before they are compared: RFC 7644 section 5, RFC 8265 section 3.3. */

import { describe, expect, test } from 'bun:test'
import { TARGETS } from '../harness.ts'
import { expectError, expectRefused, idsOf, sharedServer, USER } from './given.ts'

for (const target of TARGETS) {
  describe.each(['interop', 'rfc', 'profile'])(`names in mode %s (${target})`, (mode) => {
    const scim = sharedServer({ target, config: { tenants: { default: { mode } } } })
    const post = (userName: string) => scim.request('POST', '/Users', { schemas: [USER], userName })

    test.each([
      ['zoe', 'ＺＯＥ'],
      ['Zoë', 'ZOE\u0308'],
      ['ﾊﾟ', 'パ'],
      ['straße', 'STRASSE'],
    ])(
      '[R7644-5-01] [R7644-5-02] "%s" is returned as sent, and collides with "%s"',
      async (name, other) => {
        const user = await scim.user({ userName: name })
        expect((await scim.get(`/Users/${user.id}`)).body.userName).toBe(name)
        expect(idsOf(await scim.find(`userName eq "${other}"`))).toEqual([user.id])
        const second = () => post(other)
        await expectRefused(scim, `/Users/${user.id}`, second, 409, 'uniqueness', 'userName')
        await scim.request('DELETE', `/Users/${user.id}`)
        const later = await scim.user({ userName: other })
        expect(later.userName).toBe(other)
        await scim.request('DELETE', `/Users/${later.id}`)
      },
    )

    test.each([
      ['U+0000', 'a\u0000'],
      ['U+0009', 'a\tb'],
      ['U+007F', '\u007fa'],
      ['U+0085', 'a\u0085b'],
      ['U+E000', 'a\ue000'],
      ['U+FDD0', 'a\ufdd0'],
      ['U+FFFF', 'a\uffff'],
      ['U+10FFFF', 'a\u{10ffff}'],
      ['U+0378', 'a\u0378'],
    ])('[R7644-5-03] a userName with %s is refused', async (code, userName) => {
      const { id } = await scim.user()
      const place = `/Users/${id}`
      await expectRefused(scim, place, () => post(userName), 400, 'invalidValue', 'userName', code)
      const patch = () => scim.patch(place, [{ op: 'replace', path: 'userName', value: userName }])
      await expectRefused(scim, place, patch, 400, 'invalidValue', 'userName', code)
      const body = { schemas: [USER], userName }
      const put = () => scim.request('PUT', place, body)
      await expectRefused(scim, place, put, 400, 'invalidValue', 'userName', code)
    })

    test('what directories really hold is taken: spaces, symbols, joiners, other scripts', async () => {
      for (const userName of ["d'Arcy O’Neil (ext) #1", 'a+b=c$%&@x', '山田 🦊', 'می\u200cخواهم']) {
        const user = await scim.user({ userName })
        expect(user.userName).toBe(userName)
        expect(idsOf(await scim.find(`userName eq "${userName}"`))).toEqual([user.id])
      }
    })

    test('other attributes keep whatever characters they were sent', async () => {
      const externalId = 'a\u0000\u0378'
      const user = await scim.user({ externalId, displayName: 'a\tb' })
      expect(user).toMatchObject({ externalId, displayName: 'a\tb' })
    })

    test('a filter for what nobody can be called finds nobody', async () => {
      const reply = await scim.get('/Users?filter=userName+eq+%22a%5Cu0000%22')
      expect(reply.body.totalResults).toBe(0)
      expectError(await scim.get('/Users?filter=userName+eq+%22a%00%22'), 400, 'invalidFilter')
    })
  })
}
