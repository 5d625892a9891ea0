/** What the server says about itself: RFC 7643 sections 5 to 7, RFC 7644 section 4. */

import type { JsonValue } from './json.ts'
import {
  BODY_BYTES_MAX,
  BULK_OPERATIONS_MAX,
  CURSOR_LIFETIME_MS,
  PAGE_COUNT_DEFAULT,
  PAGE_COUNT_MAX,
} from './limits.ts'
import type { Registry, ResourceType } from './registry.ts'
import { isPassword, publishedAttribute, type Schema } from './schema.ts'
import { isProfile, type Rules } from './tolerance.ts'
import { URN } from './urns.ts'
import type { JsonObject } from './value.ts'

/** What people may read on the server's protocol, wherever the server stands. */
const DOCUMENTATION_URI = 'https://www.rfc-editor.org/info/rfc7644'

/** The configuration of this server for a tenant of these rules; true in every line. */
export const serviceProviderConfig = (
  baseUrl: string,
  registry: Registry,
  rules: Rules,
): JsonObject => ({
  schemas: [URN.serviceProviderConfig],
  documentationUri: DOCUMENTATION_URI,
  patch: { supported: true },
  bulk: {
    supported: true,
    maxOperations: BULK_OPERATIONS_MAX,
    maxPayloadSize: BODY_BYTES_MAX,
  },
  filter: { supported: true, maxResults: PAGE_COUNT_MAX },
  changePassword: {
    supported: registry.types.some(({ schema }) => schema.attributes.some(isPassword)),
  },
  sort: { supported: true },
  etag: { supported: true },
  pagination: {
    cursor: true,
    index: true,
    defaultPaginationMethod: 'index',
    defaultPageSize: PAGE_COUNT_DEFAULT,
    maxPageSize: PAGE_COUNT_MAX,
    cursorTimeout: CURSOR_LIFETIME_MS / 1000,
  },
  // Left out where it is false: strict client libraries refuse what RFC 7643 does not name.
  ...(isProfile(rules) ? { interopProfileConformant: true } : {}),
  authenticationSchemes: [
    {
      type: 'oauthbearertoken',
      name: 'Bearer token',
      description:
        'A token made by "scimd token create", or an access token of an issuer that is trusted, sent in the Authorization header',
      specUri: 'https://www.rfc-editor.org/info/rfc6750',
      primary: true,
    },
    {
      type: 'oauth2',
      name: 'OAuth client credentials',
      description:
        'An access token of the token endpoint, whose metadata are at /.well-known/oauth-authorization-server, for a client made by "scimd client create"',
      specUri: 'https://www.rfc-editor.org/info/rfc6749',
    },
  ],
  meta: {
    resourceType: 'ServiceProviderConfig',
    location: `${baseUrl}/ServiceProviderConfig`,
  },
})

export const resourceTypeDocument = (type: ResourceType, baseUrl: string): JsonObject => ({
  schemas: [URN.resourceType],
  id: type.name,
  name: type.name,
  endpoint: type.endpoint,
  description: type.description,
  schema: type.schema.id,
  schemaExtensions: type.extensions.map(({ schema, required }) => ({
    schema: schema.id,
    required,
  })),
  meta: { resourceType: 'ResourceType', location: `${baseUrl}/ResourceTypes/${type.name}` },
})

export const schemaDocument = (schema: Schema, baseUrl: string): JsonObject => ({
  schemas: [URN.schema],
  id: schema.id,
  name: schema.name,
  description: schema.description,
  attributes: schema.attributes.map(publishedAttribute) as JsonValue,
  meta: { resourceType: 'Schema', location: `${baseUrl}/Schemas/${schema.id}` },
})

export const resourceTypeDocuments = (registry: Registry, baseUrl: string): JsonObject[] =>
  registry.types.map((type) => resourceTypeDocument(type, baseUrl))

export const schemaDocuments = (registry: Registry, baseUrl: string): JsonObject[] =>
  registry.schemas.map((schema) => schemaDocument(schema, baseUrl))
