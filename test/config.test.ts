/** Settings from flags, environment and file; and every fault of theirs, at once. */

import { expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import {
  ConfigFaults,
  DEFAULT_SETTINGS,
  type Environment,
  type Flags,
  readConfig,
} from '../src/config.ts'
import { CLOCK_SKEW_S_MAX } from '../src/scim/limits.ts'
import { MODES } from '../src/scim/tolerance.ts'
import { temporary } from './cli/given.ts'

const LONG = 'x'.repeat(32)
const GUID = '11111111-2222-3333-4444-555555555555'

function faultsOf(flags: Flags, environment: Environment = {}): readonly string[] {
  try {
    readConfig({ data: '/nowhere', ...flags }, environment)
    return []
  } catch (error) {
    if (error instanceof ConfigFaults) return error.faults
    throw error
  }
}

test('without flags and environment there are defaults', () => {
  expect(readConfig({ data: '/nowhere' }, {})).toEqual({
    data: '/nowhere',
    listen: { kind: 'tcp', host: '127.0.0.1', port: 8880 },
    metricsListen: undefined,
    baseUrl: undefined,
    tls: undefined,
    proxies: [],
    forwardedHeader: 'X-Forwarded-For',
    clientCertificates: undefined,
    schemas: undefined,
    token: undefined,
    rateLimit: 2000,
    file: '/nowhere/scimd.json',
    tenants: new Map(),
  })
  expect(readConfig({}, { SCIMD_DATA: '' }).data).toBe('./data')
})

test('a rate limit is a whole number of requests, and 0 for none', () => {
  const rateOf = (flags: Flags, environment: Environment = {}) =>
    readConfig({ data: '/nowhere', ...flags }, environment).rateLimit
  expect(rateOf({ rateLimit: '50' })).toBe(50)
  expect(rateOf({}, { SCIMD_RATE_LIMIT: '0' })).toBe(0)
  for (const rateLimit of ['-1', '1.5', 'many', '1e3']) {
    expect(faultsOf({ rateLimit })).toEqual([
      `--rate-limit ${rateLimit}: expected a whole number of requests per second, or 0`,
    ])
  }
})

test('a flag wins over its variable', () => {
  const environment = {
    SCIMD_DATA: '/env',
    SCIMD_LISTEN: '127.0.0.1:1',
    SCIMD_BASE_URL: 'https://env/scim/v2',
    SCIMD_TOKEN: LONG,
  }
  expect(readConfig({}, environment)).toMatchObject({
    data: '/env',
    listen: { port: 1 },
    baseUrl: 'https://env/scim/v2',
    token: LONG,
  })
  const flags = { data: '/flag', listen: '127.0.0.1:2', baseUrl: 'https://flag/scim/v2' }
  expect(readConfig(flags, environment)).toMatchObject({
    data: '/flag',
    listen: { port: 2 },
    baseUrl: 'https://flag/scim/v2',
    token: LONG,
  })
})

test.each<[address: string, expected: object]>([
  ['127.0.0.1:0', { kind: 'tcp', host: '127.0.0.1', port: 0 }],
  ['127.9.9.9:65535', { kind: 'tcp', host: '127.9.9.9', port: 65535 }],
  ['localhost:80', { kind: 'tcp', host: 'localhost', port: 80 }],
  ['[::1]:8880', { kind: 'tcp', host: '::1', port: 8880 }],
  ['unix:/run/scimd.socket', { kind: 'unix', path: '/run/scimd.socket' }],
])('--listen %s is read', (listen, expected) => {
  expect(readConfig({ data: '/nowhere', listen }, {}).listen).toEqual(expected as never)
})

test.each(['8880', ':8880', 'localhost', '127.0.0.1:65536', '::1:80', 'unix:', 'a b:1', 'h:-1'])(
  '--listen %s is refused',
  (listen) => {
    expect(faultsOf({ listen })).toEqual([
      `--listen ${listen}: expected host:port, [ipv6]:port or unix:path`,
    ])
  },
)

test('off loopback there has to be a proxy', () => {
  for (const listen of ['0.0.0.0:80', '[::]:80', '192.0.2.1:80', 'scim.example.com:80']) {
    expect(faultsOf({ listen })).toEqual([expect.stringContaining('--behind-proxy')])
    expect(faultsOf({ listen, behindProxy: true })).toEqual([])
    expect(faultsOf({ listen }, { SCIMD_BEHIND_PROXY: '1' })).toEqual([])
    expect(faultsOf({ listen }, { SCIMD_BEHIND_PROXY: 'off' })).toHaveLength(1)
  }
  expect(faultsOf({}, { SCIMD_BEHIND_PROXY: 'maybe' })).toEqual([
    'SCIMD_BEHIND_PROXY: found "maybe", expected 1 or 0',
  ])
})

test.each([
  ['https://scim.example.com/scim/v2', 'https://scim.example.com/scim/v2'],
  ['https://scim.example.com/a/b/scim/v2//', 'https://scim.example.com/a/b/scim/v2'],
  ['HTTPS://Example.COM:443/scim/v2', 'https://example.com/scim/v2'],
  ['http://10.0.0.1:8080/scim/v2', 'http://10.0.0.1:8080/scim/v2'],
  ['https://a/x y/scim/v2', 'https://a/x%20y/scim/v2'],
  ['https://a/x\r\ny/scim/v2', 'https://a/xy/scim/v2'],
])('--base-url %s becomes a URL that a header can carry', (baseUrl, expected) => {
  expect(readConfig({ data: '/nowhere', baseUrl }, {}).baseUrl).toBe(expected)
})

test.each([
  'scim.example.com',
  'ftp://a/scim/v2',
  'https://a/scim/v2?x=1',
  'https://a/scim/v2?',
  'https://a/scim/v2#x',
  'https://u@a/scim/v2',
  'https://:p@a/scim/v2',
  'https://a/',
  'https://a/scim/v1',
  '/scim/v2',
])('--base-url %s is refused', (baseUrl) => {
  expect(faultsOf({ baseUrl })).toEqual([expect.stringContaining(`--base-url ${baseUrl}: `)])
})

test('a static token has 32 characters or more, and only such as a header can carry', () => {
  expect(faultsOf({}, { SCIMD_TOKEN: LONG })).toEqual([])
  expect(faultsOf({}, { SCIMD_TOKEN: LONG.slice(1) })).toEqual([
    'SCIMD_TOKEN: has 31 characters, expected at least 32',
  ])
  for (const token of [`${LONG} x`, `${LONG}\n`, `${LONG}é`]) {
    const faults = faultsOf({}, { SCIMD_TOKEN: token })
    expect(faults).toEqual([expect.stringContaining('no header can carry')])
    expect(faults.join()).not.toContain(LONG)
  }
})

test('the file gives tenants their rules, and a tenant that it does not name has the default ones', () => {
  using place = temporary()
  mkdirSync(join(place.cwd, 'data'))
  const file = join(place.cwd, 'data/scimd.json')
  const tolerances = { booleanStrings: false }
  writeFileSync(
    file,
    JSON.stringify({
      tenants: {
        a: {},
        b: {
          mode: 'rfc',
          unknownMembers: 'skip',
          uniqueNames: false,
          patchAnswers: 'never',
        },
        c: {
          mode: 'profile',
          resourceTypes: ['User'],
          extensions: [],
          passwords: 'refuse',
          sensitive: ['userName'],
        },
        default: { tolerances },
      },
    }),
  )
  const { tenants } = readConfig({ data: join(place.cwd, 'data') }, {})
  expect([...tenants.keys()]).toEqual(['a', 'b', 'c', 'default'])
  expect(tenants.get('a')).toEqual(DEFAULT_SETTINGS)
  expect(tenants.get('b')).toEqual({
    mode: 'rfc',
    tolerances: MODES.rfc,
    unknownMembers: 'skip',
    patchAnswers: 'never',
    uniqueNames: false,
    sensitive: [],
    resourceTypes: undefined,
    extensions: undefined,
    passwords: 'accept',
    issuers: [],
  })
  expect(tenants.get('c')).toEqual({
    ...DEFAULT_SETTINGS,
    mode: 'profile',
    tolerances: MODES.profile,
    resourceTypes: ['User'],
    extensions: [],
    passwords: 'refuse',
    sensitive: ['userName'],
  })
  expect(tenants.get('default')?.tolerances).toEqual({ ...MODES.interop, ...tolerances })
  const other = join(place.cwd, 'other.json')
  writeFileSync(other, '{}')
  expect(readConfig({ data: join(place.cwd, 'data'), config: other }, {}).tenants.size).toBe(0)
})

const GOOD = { issuer: 'https://idp.example', audience: 'a' }

test.each<[issuer: unknown, at: string, expected: string]>([
  ['x', '', 'an object'],
  [{ ...GOOD, more: 1 }, '.more', 'one of issuer, entraTenant'],
  [{ audience: 'a' }, '.issuer', 'the issuer as its tokens name it'],
  [{ ...GOOD, issuer: 7 }, '.issuer', 'a string'],
  [{ ...GOOD, issuer: 'http://idp.example' }, '.issuer', 'an https URL'],
  [{ ...GOOD, issuer: 'https://u:p@idp.example' }, '.issuer', 'an https URL'],
  [{ issuer: GOOD.issuer }, '.audience', 'a string or a list of strings'],
  [{ ...GOOD, audience: [] }, '.audience', 'a string or a list of strings'],
  [{ ...GOOD, audience: '' }, '.audience', 'a string or a list of strings'],
  [{ ...GOOD, algorithms: ['none'] }, '.algorithms', 'a list of RS256'],
  [{ ...GOOD, algorithms: ['RS256', 'HS256'] }, '.algorithms', 'a list of RS256'],
  [{ ...GOOD, algorithms: [] }, '.algorithms', 'a list of RS256'],
  [{ ...GOOD, jwks: 'http://idp.example/keys' }, '.jwks', 'an https URL'],
  [{ ...GOOD, jwks: 'ftp://idp.example/keys' }, '.jwks', 'an https URL'],
  [{ ...GOOD, jwks: 'nowhere.json' }, '.jwks', 'a file with a JWK Set'],
  [{ ...GOOD, jwks: 'scimd.json' }, '.jwks', 'a file with a JWK Set'],
  [{ ...GOOD, jwks: 1 }, '.jwks', '"discovery", a URL or the path of a file'],
  [{ ...GOOD, grants: 'all' }, '.grants', 'names of scopes'],
  [{ ...GOOD, grants: 'users' }, '.grants', 'names of scopes'],
  [{ ...GOOD, grants: 'read', scope: {} }, '.grants', 'nothing beside scope'],
  [{ ...GOOD, scope: 'scp' }, '.scope', 'an object with claim and map'],
  [{ ...GOOD, scope: { claims: 'scp' } }, '.scope.claims', 'one of claim, map'],
  [{ ...GOOD, scope: { map: { a: 'b' } } }, '.scope.map.a', 'names of scopes'],
  [{ ...GOOD, scope: { map: ['a'] } }, '.scope.map', 'an object whose values are strings'],
  [{ ...GOOD, subject: '' }, '.subject', 'a string that is not empty'],
  [{ ...GOOD, user: 1 }, '.user', 'a claim, or an object'],
  [{ ...GOOD, user: { claim: 'a', attribute: 'title' } }, '.user.attribute', 'id, externalId'],
  [{ ...GOOD, user: { attribute: 'id' } }, '.user.claim', 'the name of a claim'],
  [{ ...GOOD, claims: { a: 1 } }, '.claims', 'an object whose values are strings'],
  [{ ...GOOD, clockSkew: -1 }, '.clockSkew', 'whole seconds from 0 to 300'],
  [{ ...GOOD, clockSkew: 0.5 }, '.clockSkew', 'whole seconds'],
  [{ ...GOOD, clockSkew: CLOCK_SKEW_S_MAX + 1 }, '.clockSkew', 'whole seconds'],
  [{ entraTenant: 'contoso.com' }, '.entraTenant', 'the tenant id, a GUID'],
  [{ entraTenant: GUID, issuer: 'https://a' }, '.issuer', 'nothing, as entraTenant says it'],
])('an issuer %j is refused at %s', (issuer, at, expected) => {
  using place = temporary()
  const config = join(place.cwd, 'scimd.json')
  writeFileSync(config, JSON.stringify({ tenants: { acme: { issuers: [GOOD, issuer] } } }))
  expect(faultsOf({ config })).toEqual([
    expect.stringContaining(`${config}: $.tenants.acme.issuers[1]${at}: expected ${expected}`),
  ])
})

test('issuers are a list, and all that is right about one is read', () => {
  using place = temporary()
  const config = join(place.cwd, 'scimd.json')
  const write = (issuers: unknown) =>
    writeFileSync(config, JSON.stringify({ tenants: { acme: { issuers } } }))
  write({})
  expect(faultsOf({ config })).toEqual([expect.stringContaining('issuers: expected a list')])
  writeFileSync(join(place.cwd, 'keys.json'), JSON.stringify({ keys: [{ kty: 'OKP', x: 'x' }] }))
  const clockSkew = CLOCK_SKEW_S_MAX
  const more = { clockSkew, user: 'sub', jwks: 'keys.json', algorithms: ['EdDSA'] }
  write([{ ...GOOD, issuer: 'urn:idp', ...more }, GOOD, { entraTenant: GUID, scope: {} }])
  expect(readConfig({ data: '/nowhere', config }, {}).tenants.get('acme')?.issuers).toMatchObject([
    {
      issuer: 'urn:idp',
      audience: ['a'],
      keys: { kind: 'file', path: join(place.cwd, 'keys.json') },
      algorithms: ['EdDSA'],
      user: { claim: 'sub', attribute: 'id' },
      clockSkewS: clockSkew,
    },
    { issuer: GOOD.issuer, keys: { kind: 'discovery' }, clockSkewS: 60, grants: undefined },
    { issuer: `https://sts.windows.net/${GUID}/`, grants: undefined },
    { issuer: `https://login.microsoftonline.com/${GUID}/v2.0`, grants: undefined },
  ])
})

test('whatever is in the file, it is read or its faults are told', () => {
  using place = temporary()
  const config = join(place.cwd, 'scimd.json')
  const settings = [
    'mode',
    'tolerances',
    'unknownMembers',
    'patchAnswers',
    'uniqueNames',
    'passwords',
    'sensitive',
  ]
  const ofIssuers = ['issuers', 'issuer', 'audience', 'jwks', 'scope', 'map', 'user', 'grants']
  const names = [
    'tenants',
    ...settings,
    ...ofIssuers,
    'resourceTypes',
    'extensions',
    'a',
    '__proto__',
  ]
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, 1, 'rfc', 'skip', ''),
      fc.array(tie('tree'), { maxLength: 2 }),
      fc.dictionary(fc.constantFrom(...names), tie('tree'), { maxKeys: 4 }),
    ),
  }))
  fc.assert(
    fc.property(tree, (json) => {
      writeFileSync(config, JSON.stringify({ tenants: json }))
      for (const fault of faultsOf({ config })) expect(fault).toStartWith(`${config}: $`)
    }),
    { numRuns: 200 },
  )
})

test('proxies are addresses and networks', () => {
  using place = temporary()
  const file = join(place.cwd, 'scimd.json')
  const read = (proxies: unknown) => {
    writeFileSync(file, JSON.stringify({ proxies }))
    return faultsOf({ data: place.cwd })
  }
  expect(read(['10.0.0.0/8', '192.0.2.1', 'fd00::/8', '::1', 'unix', '0.0.0.0/0'])).toEqual([])
  for (const wrong of ['10.0.0.0/8', [''], ['example.com'], ['10.0.0.0/33'], ['::/129'], [1], {}])
    expect(read(wrong)).toEqual([
      `${file}: $.proxies: expected a list of addresses and networks such as "10.0.0.0/8", or "unix"`,
    ])
})

test('certificates that proxies pass on are named by fingerprints, beside the proxies', () => {
  using place = temporary()
  const file = join(place.cwd, 'scimd.json')
  const read = (clientCertificates: unknown, proxies = ['127.0.0.1']) => {
    writeFileSync(file, JSON.stringify({ proxies, clientCertificates }))
    return faultsOf({ data: place.cwd })
  }
  const hex = '0f'.repeat(32)
  const spaced = hex.toUpperCase().replace(/..(?=.)/g, '$&:')
  expect(read({ fingerprints: [hex, spaced] })).toEqual([])
  expect(readConfig({ data: place.cwd }, {}).clientCertificates).toEqual({
    header: 'Client-Cert',
    fingerprints: [hex, hex],
  })
  const at = `${file}: $.clientCertificates`
  expect(read({ fingerprints: [hex] }, [])).toEqual([
    `${at}: expected proxies beside it, as nobody else is believed`,
  ])
  for (const header of ['', 'a b', 'Authorization', 'x-forwarded-for', 1, null])
    expect(read({ header, fingerprints: [hex] })).toEqual([
      `${at}.header: expected the name of a header such as "Client-Cert"`,
    ])
  for (const fingerprints of [undefined, [], [hex.slice(2)], [`${hex}00`], hex, ['x'], [1]])
    expect(read({ fingerprints })).toEqual([
      `${at}.fingerprints: expected a list of SHA-256 fingerprints, as of ` +
        'openssl x509 -in client.pem -noout -fingerprint -sha256',
    ])
  for (const wrong of ['x', [], null]) expect(read(wrong)[0]).toStartWith(`${at}: expected`)
  expect(read({ fingerprints: [hex], more: 1 })).toEqual([
    `${at}.more: expected one of header, fingerprints`,
  ])
})
