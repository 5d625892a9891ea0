/** How names are prepared before they are compared: RFC 7644 section 5, RFC 8265 section 3.3. */

import { afterAll, describe, expect, test } from 'bun:test'
import { rmSync } from 'node:fs'
import { TARGETS } from '../harness.ts'
import { expectError, expectRefused, idsOf, sharedServer, USER } from './given.ts'
import { DEVICE, DEVICE_SCHEMA, DEVICE_TYPE, schemasDirectory } from './schema-files.ts'

const DIRECTORY = {
  'Device.json': DEVICE_SCHEMA,
  'resource-types/Device.json': { ...DEVICE_TYPE, schemaExtensions: [] },
}

for (const target of TARGETS) {
  describe(`names of a type of one’s own (${target})`, () => {
    const schemas = schemasDirectory(DIRECTORY)
    const scim = sharedServer({ target, flags: { schemas } })
    afterAll(() => rmSync(schemas, { recursive: true }))

    test('[R7644-5-03] what is unique without regard to case is prepared alike, and nothing else', async () => {
      const post = (more: object) =>
        scim.request('POST', '/Devices', { schemas: [DEVICE], serial: scim.fresh(), ...more })
      for (const label of ['lab\u200bel', 'label ', '\u202elabel'])
        expectError(await post({ label }), 400, 'invalidValue', 'label', 'U+')
      expect(await scim.total('/Devices')).toBe(0)
      const kept = { serial: 'S\u200b ', plain: ' p\u200b' }
      const reply = await post({ label: 'label', ...kept })
      expect(reply.status, reply.text).toBe(201)
      expect(reply.body).toMatchObject(kept)
    })
  })

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
      ['U+00AD', 'a\u00adb'],
      ['U+034F', 'a\u034fb'],
      ['U+200B', 'adm\u200bin'],
      ['U+200B', 'admin\u200b'],
      ['U+200E', 'a\u200eb'],
      ['U+202E', 'a\u202eb'],
      ['U+2028', 'a\u2028b'],
      ['U+2060', 'a\u2060b'],
      ['U+2066', 'a\u2066b'],
      ['U+3164', 'a\u3164b'],
      ['U+FE0F', '❤\ufe0f'],
      ['U+FEFF', '\ufeffa'],
      ['U+E0041', 'a\u{e0041}'],
      ['U+0600', 'a\u0600'],
      ['U+0020', ' ann'],
      ['U+0020', 'ann '],
      ['U+0020', ' '],
      ['U+00A0', 'ann\u00a0'],
      ['U+3000', '\u3000ann'],
      // Joiners, and marks of one script, where they have no place: RFC 5892 appendix A.
      ['U+200C', 'a\u200cb'],
      ['U+200C', 'می\u200c'],
      ['U+200D', 'a\u200db'],
      ['U+200D', '👨\u200d👩'],
      ['U+00B7', 'a·b'],
      ['U+0375', 'α\u0375a'],
      ['U+05F3', 'a\u05f3'],
      ['U+05F4', '\u05f4א'],
      ['U+30FB', 'a・b'],
      ['U+0661', '\u0661\u06f1'],
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
      for (const userName of [
        "d'Arcy O’Neil (ext) #1",
        'a+b=c$%&@x',
        '山田 🦊',
        'می\u200cخواهم',
        'क्\u200dष',
        'क्\u200cष',
        'Col·legi',
        '佐藤・太郎',
        'ｱ･ｲ',
        'α\u0375β',
        'א\u05f3',
        '\u0661\u0662',
        '\u06f1\u06f2',
      ]) {
        const user = await scim.user({ userName })
        expect(user.userName).toBe(userName)
        expect(idsOf(await scim.find(`userName eq "${userName}"`))).toEqual([user.id])
      }
    })

    test('other attributes keep whatever characters they were sent', async () => {
      const externalId = 'a\u0000\u0378\u200b '
      const user = await scim.user({ externalId, displayName: ' a\tb\u200b' })
      expect(user).toMatchObject({ externalId, displayName: ' a\tb\u200b' })
    })

    test('a filter for what nobody can be called finds nobody', async () => {
      await scim.user({ userName: 'ann' })
      for (const name of ['a\\u0000', 'ann\\u200b', 'an\u200bn', 'ann ', '\ufeffann']) {
        const filter = encodeURIComponent(`userName eq "${name}"`)
        const reply = await scim.get(`/Users?filter=${filter}`)
        expect(reply.status, reply.text).toBe(200)
        expect(reply.body.totalResults).toBe(0)
      }
      expectError(await scim.get('/Users?filter=userName+eq+%22a%00%22'), 400, 'invalidFilter')
    })
  })
}
