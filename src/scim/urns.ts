/** The URNs of schemas and messages: those of RFC 7643 and RFC 7644, and our own. */

import type { JsonValue } from './json.ts'
import { VALUES_COUNT_MAX } from './limits.ts'

const MESSAGES = 'urn:ietf:params:scim:api:messages:2.0:'
/** Messages that no RFC has. */
const OWN = 'urn:scimd:api:messages:2.0:'
const CORE = 'urn:ietf:params:scim:schemas:core:2.0:'

export const URN = {
  listResponse: `${MESSAGES}ListResponse`,
  searchRequest: `${MESSAGES}SearchRequest`,
  bulkRequest: `${MESSAGES}BulkRequest`,
  bulkResponse: `${MESSAGES}BulkResponse`,
  patchOp: `${MESSAGES}PatchOp`,
  error: `${MESSAGES}Error`,
  verifyPassword: `${OWN}VerifyPassword`,
  verifyPasswordResponse: `${OWN}VerifyPasswordResponse`,
  schema: `${CORE}Schema`,
  resourceType: `${CORE}ResourceType`,
  serviceProviderConfig: `${CORE}ServiceProviderConfig`,
} as const

/**
 * Whether `schemas` names a URN, which is compared without case. Of a list that is longer than any
 * that means something, nothing is looked at.
 */
export const namesUrn = (schemas: JsonValue | undefined, urn: string): boolean =>
  Array.isArray(schemas) &&
  schemas.length <= VALUES_COUNT_MAX &&
  schemas.some(
    (uri) =>
      typeof uri === 'string' &&
      uri.length === urn.length &&
      uri.toLowerCase() === urn.toLowerCase(),
  )
