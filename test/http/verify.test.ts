/** Verifying passwords for the application, and how passwords are compared: RFC 7644 section 5. */

import { describe, expect, test } from 'bun:test'
import { STRING_LENGTH_MAX, VERIFY_ATTEMPTS_MAX, VERIFY_PERIOD_S } from '../../src/scim/limits.ts'
import { send, TARGETS } from '../harness.ts'
import { expectError, GROUP, PATCH_OP, sharedServer, tokenOf, USER } from './given.ts'

const VERIFY = 'urn:scimd:api:messages:2.0:VerifyPassword'
const RESPONSE = 'urn:scimd:api:messages:2.0:VerifyPasswordResponse'

for (const target of TARGETS) {
  describe(`verifying passwords (${target})`, () => {
    const scim = sharedServer({ target })
    let token: Promise<string> | undefined

    async function ask(path: string, body: unknown) {
      token ??= tokenOf(scim.server(), { scope: 'verify' })
      const Authorization = `Bearer ${await token}`
      return send(`${scim.url()}${path}/.verifyPassword`, 'POST', body, { Authorization })
    }
    async function verified(id: string, password: string): Promise<boolean> {
      const reply = await ask(`/Users/${id}`, { password })
      expect(reply.status, reply.text).toBe(200)
      expect(reply.body).toEqual({ schemas: [RESPONSE], verified: expect.any(Boolean) })
      return reply.body.verified
    }

    test('the right password is verified, any other is not', async () => {
      const { id } = await scim.user({ password: 'correct horse' })
      expect(await verified(id, 'correct horse')).toBe(true)
      for (const wrong of ['correct  horse', 'Correct horse', 'x', ' '])
        expect(await verified(id, wrong)).toBe(false)
      const reply = await ask(`/Users/${id}`, { schemas: [VERIFY], Password: 'correct horse' })
      expect(reply.body.verified).toBe(true)
    })

    test('a changed password is the one that counts, and a removed one is none', async () => {
      const { id, userName } = await scim.user({ password: 'first' })
      await scim.patched(`/Users/${id}`, { op: 'replace', path: 'password', value: 'second' })
      expect([await verified(id, 'first'), await verified(id, 'second')]).toEqual([false, true])
      // A PUT that says nothing of the password leaves it.
      await scim.request('PUT', `/Users/${id}`, { schemas: [USER], userName })
      expect(await verified(id, 'second')).toBe(true)
      await scim.patched(`/Users/${id}`, { op: 'remove', path: 'password' })
      expect(await verified(id, 'second')).toBe(false)
    })

    test('who has no password or is not active is not verified', async () => {
      const none = await scim.user()
      expect(await verified(none.id, 'anything')).toBe(false)
      const suspended = await scim.user({ password: 'right', active: false })
      expect(await verified(suspended.id, 'right')).toBe(false)
      await scim.patched(`/Users/${suspended.id}`, { op: 'replace', path: 'active', value: true })
      expect(await verified(suspended.id, 'right')).toBe(true)
    })

    test('who is suspended or deleted while an attempt waits its turn is not verified', async () => {
      const busy = await scim.user({ password: 'busy' })
      const suspend = { op: 'replace', path: 'active', value: false }
      for (const change of [suspend, undefined]) {
        const { id } = await scim.user({ password: 'right' })
        const path = `/Users/${id}`
        const before = Array.from({ length: 8 }, () => verified(busy.id, 'busy'))
        const attempt = ask(path, { password: 'right' })
        if (change) await scim.patched(path, change)
        else expect((await scim.request('DELETE', path)).status).toBe(204)
        const { status, body } = await attempt
        expect([status, body.verified]).toEqual(change ? [200, false] : [404, undefined])
        expect(await Promise.all(before)).toEqual(before.map(() => true))
      }
    })

    test('nobody without the scope verify may ask, and it allows nothing else', async () => {
      const { id } = await scim.user({ password: 'right' })
      const path = `/Users/${id}/.verifyPassword`
      for (const scope of ['read', 'write', 'read write']) {
        const Authorization = `Bearer ${await tokenOf(scim.server(), { scope })}`
        const reply = await send(
          `${scim.url()}${path}`,
          'POST',
          { password: 'right' },
          { Authorization },
        )
        expectError(reply, 403)
        expect(reply.headers.get('www-authenticate')).toInclude('scope="verify"')
      }
      expectError(await scim.request('POST', path, { password: 'right' }), 403)
      const Authorization = `Bearer ${await tokenOf(scim.server(), { scope: 'verify' })}`
      for (const [method, to] of [
        ['GET', `/Users/${id}`],
        ['GET', '/Users'],
        ['DELETE', `/Users/${id}`],
      ] as const)
        expectError(await send(`${scim.url()}${to}`, method, undefined, { Authorization }), 403)
      expect((await scim.get(`/Users/${id}`)).status).toBe(200)
    })

    test('a body that is the password itself is not told back', async () => {
      const { id } = await scim.user({ password: 'right' })
      for (const body of ['"secret"', '["secret"]', '{"schemas": "secret"}']) {
        const reply = await ask(`/Users/${id}`, body)
        expect(reply.status).toBe(400)
        if (!body.includes('schemas')) expect(reply.text).not.toInclude('secret')
      }
    })

    test('what is not there is 404, and a body that is none is refused', async () => {
      const { id } = await scim.user({ password: 'right' })
      const group = await scim.group()
      expectError(await ask('/Users/no-such-id', { password: 'x' }), 404)
      expectError(await ask(`/Users/${group.id}`, { password: 'x' }), 404)
      expectError(await ask(`/Groups/${group.id}`, { password: 'x' }), 404)
      for (const body of [[], 'x', 5, null, { schemas: [GROUP], password: 'right' }])
        expectError(await ask(`/Users/${id}`, JSON.stringify(body)), 400, 'invalidSyntax')
      const named = { schemas: [VERIFY.toUpperCase()], password: 'right' }
      expect((await ask(`/Users/${id}`, named)).body.verified).toBe(true)
      for (const password of [undefined, '', 5, null, ['right'], 'x'.repeat(STRING_LENGTH_MAX + 1)])
        expectError(await ask(`/Users/${id}`, { password }), 400, 'invalidValue')
      expect(await verified(id, 'x'.repeat(STRING_LENGTH_MAX))).toBe(false)
    })

    test('[R7644-5-01] [R7644-5-02] spaces and accents are compared however they are written', async () => {
      const { id } = await scim.user({ password: 'caf\u00e9\u00a0noir' })
      for (const same of ['caf\u00e9 noir', 'cafe\u0301 noir', 'cafe\u0301\u3000noir'])
        expect(await verified(id, same)).toBe(true)
      // Case and width of letters are the user's own (OpaqueString, RFC 8265 section 4.2).
      for (const other of ['cafe noir', 'CAF\u00c9 noir', '\uff43af\u00e9 noir'])
        expect(await verified(id, other)).toBe(false)
    })

    test('[R7644-5-03] a password with a control character is refused and not told', async () => {
      const { id } = await scim.user({ password: 'before' })
      for (const password of ['secret\u0000word', 'secret\u0007word', 'secret\u0378word']) {
        const body = { schemas: [USER], userName: scim.fresh(), password }
        const value = password
        const operations = {
          schemas: [PATCH_OP],
          Operations: [{ op: 'replace', path: 'password', value }],
        }
        for (const reply of [
          await scim.request('POST', '/Users', body),
          await scim.request('PATCH', `/Users/${id}`, operations),
        ]) {
          expectError(reply, 400, 'invalidValue')
          expect(reply.text).not.toInclude('secret')
        }
        expect(await verified(id, password)).toBe(false)
      }
      expect(await verified(id, 'before')).toBe(true)
    })

    test('after too many wrong passwords nobody gets an answer, for this user alone', async () => {
      const { id } = await scim.user({ password: 'right' })
      const other = await scim.user({ password: 'right' })
      for (let attempt = 0; attempt < VERIFY_ATTEMPTS_MAX * 2; attempt++)
        expect(await verified(id, 'right')).toBe(true)
      for (let attempt = 0; attempt < VERIFY_ATTEMPTS_MAX; attempt++)
        expect(await verified(id, `wrong ${attempt}`)).toBe(false)
      for (const password of ['wrong', 'right']) {
        const reply = await ask(`/Users/${id}`, { password })
        expectError(reply, 429)
        const seconds = reply.headers.get('retry-after') ?? ''
        expect(seconds).toMatch(/^[1-9]\d*$/)
        expect(Number(seconds)).toBeLessThanOrEqual(VERIFY_PERIOD_S / VERIFY_ATTEMPTS_MAX)
        expect(reply.text).not.toInclude(password)
      }
      expect(await verified(other.id, 'right')).toBe(true)
      if (target === 'executable') return
      scim.server().passTime((VERIFY_PERIOD_S / VERIFY_ATTEMPTS_MAX) * 1000)
      expect(await verified(id, 'right')).toBe(true)
    })

    test('[R7643-9-01] no password that was asked about is in the log', async () => {
      const { id } = await scim.user({ password: 'correct-battery' })
      await verified(id, 'wrong-battery')
      await ask(`/Users/${id}`, { password: ['list-battery'] })
      expect(scim.server().errors()).not.toInclude('battery')
    })
  })

  test(`a tenant that takes no passwords verifies none (${target})`, async () => {
    const { startTestServer } = await import('../harness.ts')
    const config = { tenants: { default: { passwords: 'refuse' } } }
    await using server = await startTestServer({ target, config })
    const { body } = await server.request('POST', '/Users', { schemas: [USER], userName: 'u' })
    const Authorization = `Bearer ${await tokenOf(server, { scope: 'verify' })}`
    const url = `${server.url}/Users/${body.id}/.verifyPassword`
    expectError(await send(url, 'POST', { password: 'x' }, { Authorization }), 404)
  })
}
