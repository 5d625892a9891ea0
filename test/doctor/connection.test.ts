/** What an error of a connection is told as; those that can be had quickly are in cli/doctor. */

import { expect, test } from 'bun:test'
import { Fault } from '../../src/doctor/answer.ts'
import { connectionFault } from '../../src/doctor/connection.ts'

const URL_OF = new URL('https://scim.example.com:8443/scim/v2')
const failing = (code: string) => Object.assign(new Error('odd'), { code })

test.each<[Error & { code?: unknown }, string]>([
  [new DOMException('The operation timed out.', 'TimeoutError'), 'does not answer in time'],
  [failing('ETIMEDOUT'), 'does not answer in time'],
  [failing('EAI_AGAIN'), 'the name scim.example.com leads to no address (EAI_AGAIN)'],
  [failing('EHOSTUNREACH'), 'there is no way from this machine to'],
  [failing('ConnectionRefused'), 'nothing listens at https://scim.example.com:8443'],
  [failing('ERR_SSL_UNSUPPORTED_PROTOCOL'), 'agree on no TLS (ERR_SSL_UNSUPPORTED_PROTOCOL)'],
  [failing('Malformed_HTTP_Response'), 'speaks something else than HTTP'],
])('%# an error is told as what it is, and never as a fault of a certificate', (error, found) => {
  const fault = connectionFault(error, URL_OF)
  expect(fault.message).toInclude(found)
  expect(fault.cure).toBeString()
  expect(`${fault.message} ${fault.cure}`).not.toMatch(/public authority|is not trusted/)
})

test('what was told already is told as it was, and what nobody knows as it is', () => {
  const told = new Fault('something', 'a cure')
  expect(connectionFault(told, URL_OF)).toBe(told)
  const odd = connectionFault(failing('EODD'), URL_OF)
  expect(odd.message).toBe('https://scim.example.com:8443: odd')
})
