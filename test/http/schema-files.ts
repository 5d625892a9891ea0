/** Schema files for tests: a Device with an attribute of every type and characteristic. */

import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const DEVICE = 'urn:example:schemas:1.0:Device'
/** Its URN begins with that of the base schema: the longest one has to win. */
export const DEVICE_EXTENSION = 'urn:example:schemas:1.0:Device:Warranty'
export const USER_EXTENSION = 'urn:example:schemas:1.0:Badge'
export const ROLE = 'urn:okta:scim:schemas:core:1.0:Role'

const attribute = (name: string, type: string, more: object = {}) => ({ name, type, ...more })

export const DEVICE_SCHEMA = {
  id: DEVICE,
  name: 'Device',
  description: 'A thing with a serial number.',
  attributes: [
    { name: 'plain' },
    attribute('serial', 'string', { required: true, caseExact: true, uniqueness: 'server' }),
    attribute('label', 'string', { uniqueness: 'server' }),
    attribute('count', 'integer'),
    attribute('slot', 'integer', { uniqueness: 'server' }),
    attribute('weight', 'decimal'),
    attribute('on', 'boolean'),
    attribute('built', 'dateTime'),
    attribute('image', 'binary'),
    attribute('home', 'reference', { referenceTypes: ['external'] }),
    attribute('tags', 'string', { multiValued: true }),
    attribute('sizes', 'integer', { multiValued: true }),
    attribute('model', 'string', { mutability: 'immutable' }),
    attribute('firmware', 'string', { mutability: 'readOnly' }),
    attribute('key', 'string', { mutability: 'writeOnly', returned: 'never' }),
    attribute('code', 'string', { returned: 'always' }),
    attribute('notes', 'string', { returned: 'request' }),
    attribute('owner', 'complex', {
      subAttributes: [
        attribute('value', 'string', { caseExact: true }),
        attribute('$ref', 'reference', { referenceTypes: ['User'] }),
        attribute('display', 'string', { mutability: 'readOnly' }),
      ],
    }),
    attribute('place', 'complex', {
      subAttributes: [
        attribute('room', 'string', { returned: 'always' }),
        attribute('floor', 'integer'),
        attribute('secret', 'string', { mutability: 'writeOnly', returned: 'never' }),
        attribute('hint', 'string', { returned: 'request' }),
        attribute('site', 'string', { mutability: 'immutable' }),
        attribute('codes', 'string', { multiValued: true }),
      ],
    }),
    attribute('parts', 'complex', {
      multiValued: true,
      subAttributes: [
        attribute('value', 'string', { required: true }),
        attribute('type', 'string', { canonicalValues: ['screen', 'case'] }),
        attribute('primary', 'boolean'),
        attribute('price', 'decimal'),
        attribute('since', 'dateTime'),
      ],
    }),
  ],
}

export const WARRANTY_SCHEMA = {
  id: DEVICE_EXTENSION,
  name: 'Warranty',
  attributes: [
    attribute('vendor', 'string', { required: true }),
    attribute('until', 'dateTime'),
    attribute('contract', 'string', { mutability: 'immutable', uniqueness: 'server' }),
  ],
}

export const DEVICE_TYPE = {
  name: 'Device',
  endpoint: '/Devices',
  description: 'Things.',
  schema: DEVICE,
  schemaExtensions: [{ schema: DEVICE_EXTENSION, required: true }],
  display: ['label'],
  indexed: ['plain', 'count', 'weight', 'built', 'on', 'tags', 'parts.value'],
  defaults: { on: false, count: 1 },
}

/** An extension of User whose attributes count once it is there. */
export const BADGE_SCHEMA = {
  id: USER_EXTENSION,
  name: 'Badge',
  attributes: [
    attribute('number', 'string', { required: true, uniqueness: 'server' }),
    attribute('color', 'string'),
  ],
}

/** What Okta reads as an entitlement. */
export const ROLE_SCHEMA = {
  id: ROLE,
  name: 'Role',
  attributes: [
    attribute('displayName', 'string', { required: true }),
    attribute('type', 'string'),
    attribute('description', 'string'),
  ],
}

export const ROLE_TYPE = { name: 'Role', endpoint: '/Roles', schema: ROLE, schemaExtensions: [] }

/** A directory of these files; a text is written as it is. Names may hold `resource-types/`. */
export function schemasDirectory(files: Readonly<Record<string, unknown>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'scimd-schemas-'))
  mkdirSync(join(directory, 'resource-types'))
  for (const [name, content] of Object.entries(files)) {
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    writeFileSync(join(directory, name), text)
  }
  return directory
}
