/** The attributes that every resource has, whatever its schema. RFC 7643 sections 3 and 3.1. */

import type { Attribute } from './schema.ts'

const common = (
  name: string,
  type: Attribute['type'],
  more: Partial<Attribute> = {},
): Attribute => ({
  name,
  type,
  multiValued: false,
  description: '',
  required: false,
  caseExact: true,
  mutability: 'readOnly',
  returned: 'default',
  uniqueness: 'none',
  canonicalValues: [],
  referenceTypes: [],
  subAttributes: [],
  subs: new Map(),
  ...more,
})

const META_SUBS = [
  common('resourceType', 'string'),
  common('created', 'dateTime'),
  common('lastModified', 'dateTime'),
  common('location', 'reference', { referenceTypes: ['uri'] }),
  common('version', 'string'),
]

export const COMMON_ATTRIBUTES: readonly Attribute[] = [
  common('schemas', 'reference', {
    multiValued: true,
    required: true,
    mutability: 'readWrite',
    returned: 'always',
    // Section 3: URIs of schemas are told apart without regard to case.
    caseExact: false,
  }),
  common('id', 'string', { returned: 'always', uniqueness: 'server' }),
  common('externalId', 'string', { mutability: 'readWrite' }),
  common('meta', 'complex', {
    subAttributes: META_SUBS,
    subs: new Map(META_SUBS.map((sub) => [sub.name.toLowerCase(), sub])),
  }),
]
