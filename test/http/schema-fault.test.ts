/** Faults in schema files: nothing starts, and each is told with file, place, finding and cure. */

import { describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { EXECUTABLE, TARGETS, type Target, TOKEN } from '../harness.ts'
import { DEVICE, DEVICE_SCHEMA, DEVICE_TYPE, schemasDirectory } from './schema-files.ts'

const MAIN = resolve(import.meta.dir, '../../src/main.ts')

const schema = (name: string, attributes: unknown, more: object = {}) => ({
  id: `urn:example:${name}`,
  name,
  attributes,
  ...more,
})

const complex = (subAttributes: unknown[], more: object = {}) => ({
  name: 'c',
  type: 'complex',
  subAttributes,
  ...more,
})

/** File, content, and what is told of it. */
const FAULTS: readonly (readonly [file: string, content: unknown, told: readonly string[]])[] = [
  ['a-broken.json', '{"id": ', ['a-broken.json: $', 'a JSON document']],
  ['b-list.json', [], ['b-list.json: $: found []', 'a JSON object']],
  ['c-id.json', schema('c', [{ name: 'a' }], { id: 'no urn' }), ['$.id: found "no urn"', 'URN']],
  ['d-empty.json', schema('d', []), ['d-empty.json: $.attributes', 'at least one attribute']],
  [
    'e-name.json',
    schema('e', [{ name: '1st' }]),
    ['$.attributes[0].name: found "1st"', 'a letter'],
  ],
  [
    'f-twice.json',
    schema('f', [{ name: 'a' }, { name: 'A' }]),
    ['$.attributes[1].name: found "A"', 'a name that no other'],
  ],
  [
    'g-type.json',
    schema('g', [{ name: 'a', type: 'text' }]),
    ['$.attributes[0].type: found "text"', 'string, boolean, decimal'],
  ],
  [
    'h-misspelt.json',
    schema('h', [{ name: 'a', multivalued: true }]),
    ['$.attributes[0].multivalued', 'multiValued'],
  ],
  [
    'i-flag.json',
    schema('i', [{ name: 'a', required: 'yes' }]),
    ['$.attributes[0].required: found "yes"', 'true or false'],
  ],
  [
    'j-nested.json',
    schema('j', [complex([{ ...complex([{ name: 'x' }]), name: 'd' }])]),
    ['$.attributes[0].subAttributes[0].type: found "complex"', 'a simple type'],
  ],
  [
    'k-no-subs.json',
    schema('k', [{ name: 'a', type: 'complex' }]),
    ['$.attributes[0].subAttributes', 'sub-attributes'],
  ],
  [
    'l-subs.json',
    schema('l', [{ name: 'a', type: 'string', subAttributes: [{ name: 'b' }] }]),
    ['$.attributes[0].type: found "string"', '"complex"'],
  ],
  [
    'm-global.json',
    schema('m', [{ name: 'a', uniqueness: 'global' }]),
    ['$.attributes[0].uniqueness: found "global"', '"server"'],
  ],
  [
    'n-words.json',
    schema('n', [{ name: 'a', mutability: 'readonly', returned: 'Default' }]),
    ['$.attributes[0].mutability: found "readonly"', '$.attributes[0].returned: found "Default"'],
  ],
  [
    'resource-types/a-schema.json',
    { name: 'Aa', endpoint: '/Aa', schema: 'urn:not:there' },
    ['$.schema: found "urn:not:there"', 'schema file'],
  ],
  [
    'resource-types/b-endpoint.json',
    { name: 'Bb', endpoint: 'Bb/x', schema: DEVICE },
    ['$.endpoint: found "Bb/x"', 'one path segment'],
  ],
  [
    'resource-types/c-taken.json',
    { name: 'Cc', endpoint: '/users', schema: DEVICE },
    ['/users', 'an endpoint that'],
  ],
  [
    'resource-types/d-reserved.json',
    { name: 'Dd', endpoint: '/Bulk', schema: DEVICE },
    ['$.endpoint: found "/Bulk"', 'the protocol'],
  ],
  [
    'resource-types/e-indexed.json',
    { name: 'Ee', endpoint: '/Ee', schema: DEVICE, indexed: ['nope', 'place'] },
    ['$.indexed[0]: found "nope"', '$.indexed[1]: found "place"'],
  ],
  [
    'resource-types/f-secret.json',
    { name: 'Ff', endpoint: '/Ff', schema: DEVICE, indexed: ['key'] },
    ['$.indexed', 'neither secret, binary nor derived'],
  ],
  [
    'resource-types/g-defaults.json',
    { name: 'Gg', endpoint: '/Gg', schema: DEVICE, defaults: { on: 'yes' } },
    ['$.defaults.on: found "yes"', 'a value of the type'],
  ],
  [
    'resource-types/h-links.json',
    { name: 'Hh', endpoint: '/Hh', schema: DEVICE, links: [{ attribute: 'plain' }] },
    ['$.links[0].attribute: found "plain"', 'multi-valued complex'],
  ],
  [
    'resource-types/i-extension.json',
    { name: 'Ii', endpoint: '/Ii', schema: DEVICE, schemaExtensions: [{ schema: 'urn:x:y' }] },
    ['$.schemaExtensions[0].schema: found "urn:x:y"', 'schema file'],
  ],
  [
    'resource-types/j-keyword.json',
    { name: 'Jj', endpoint: '/Jj', schema: DEVICE, index: [] },
    ['$.index', 'indexed'],
  ],
]

/** Starts the server on these files; it has to end by itself. */
async function serve(target: Target, files: Readonly<Record<string, unknown>>) {
  const schemas = schemasDirectory(files)
  const data = join(mkdtempSync(join(tmpdir(), 'scimd-faults-')), 'data')
  const program = target === 'source' ? [process.execPath, MAIN] : [EXECUTABLE]
  const words = ['serve', '--data', data, '--listen', '127.0.0.1:0', '--schemas', schemas]
  const child = Bun.spawn([...program, ...words], {
    env: { PATH: process.env['PATH'] ?? '', SCIMD_TOKEN: TOKEN },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [status, out, errors] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  const hasTenants = existsSync(join(data, 'tenants', 'default.mdb'))
  for (const directory of [schemas, resolve(data, '..')]) rmSync(directory, { recursive: true })
  return { status, out, errors, hasTenants }
}

for (const target of TARGETS) {
  describe(`faults in schema files (${target})`, () => {
    test('files that cannot be read are told before their content is looked at', async () => {
      const [first] = FAULTS
      const { status, out, errors, hasTenants } = await serve(target, {
        [String(first?.[0])]: first?.[1],
        'resource-types/broken.json': 'no json',
      })
      expect(status).toBe(1)
      expect(out).toBe('')
      for (const told of [...(first?.[2] ?? []), 'resource-types/broken.json: $'])
        expect(errors).toInclude(told)
      expect(hasTenants).toBe(false)
    })

    test('[R7643-7-15] schema files with faults stop the start, with all faults at once', async () => {
      const some = FAULTS.slice(1).filter(([file]) => !file.startsWith('resource-types/'))
      const files = Object.fromEntries(some.map(([file, content]) => [file, content]))
      const { status, out, errors, hasTenants } = await serve(target, files)
      expect(status).toBe(1)
      expect(out).toBe('')
      expect(hasTenants).toBe(false)
      for (const [file, , told] of some) {
        const lines = errors.split('\n').filter((line) => line.includes(file))
        expect(lines, file).not.toBeEmpty()
        for (const part of told) expect(lines.join('\n')).toInclude(part)
      }
      expect(errors).not.toMatch(/\n\s+at /)
    })

    test('resource type files with faults stop the start, with all faults at once', async () => {
      const some = FAULTS.filter(([file]) => file.startsWith('resource-types/'))
      const { status, out, errors, hasTenants } = await serve(target, {
        'Device.json': DEVICE_SCHEMA,
        'resource-types/Device.json': { ...DEVICE_TYPE, schemaExtensions: [] },
        ...Object.fromEntries(some.map(([file, content]) => [file, content])),
      })
      expect(status).toBe(1)
      expect(out).toBe('')
      expect(hasTenants).toBe(false)
      for (const [file, , told] of some) {
        const lines = errors.split('\n').filter((line) => line.includes(file))
        for (const part of told) expect(lines.join('\n'), file).toInclude(part)
      }
    })
  })
}
