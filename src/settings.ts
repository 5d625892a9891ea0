/** Every setting of `scimd serve`: its flag, its variable, its default, what it means. */

import { RATE_PER_SECOND_DEFAULT } from './scim/limits.ts'

/** One setting: how it is given, and what it means. */
export interface Setting {
  readonly flag: string | undefined
  readonly variable: string
  readonly value: string | undefined
  readonly otherwise: string
  readonly meaning: string
}

/** Every setting of `scimd serve`, in the order of the README's table. */
export const SETTINGS = {
  data: setting('data', 'SCIMD_DATA', 'DIR', './data', 'where everything is kept'),
  listen: setting(
    'listen',
    'SCIMD_LISTEN',
    'ADDRESS',
    '127.0.0.1:8880',
    'host:port, [ipv6]:port or unix:path; port 0 picks a free one',
  ),
  metricsListen: setting(
    'metrics-listen',
    'SCIMD_METRICS_LISTEN',
    'ADDRESS',
    'none',
    'serve /metrics there, and not beside SCIM; plain HTTP, for your monitoring alone',
  ),
  baseUrl: setting(
    'base-url',
    'SCIMD_BASE_URL',
    'URL',
    'from --listen',
    'the public URL, up to /scim/v2; every Location begins with it',
  ),
  behindProxy: setting(
    'behind-proxy',
    'SCIMD_BEHIND_PROXY',
    undefined,
    'off',
    'a TLS proxy stands in front; without it or a certificate only loopback is listened on',
  ),
  tlsCert: setting(
    'tls-cert',
    'SCIMD_TLS_CERT',
    'FILE',
    'none',
    'serve HTTPS with this certificate (PEM, with those between it and its authority)',
  ),
  tlsKey: setting('tls-key', 'SCIMD_TLS_KEY', 'FILE', 'none', 'the key of the certificate (PEM)'),
  tlsClientCa: setting(
    'tls-client-ca',
    'SCIMD_TLS_CLIENT_CA',
    'FILE',
    'none',
    'take only clients with a certificate of these authorities (PEM)',
  ),
  schemas: setting(
    'schemas',
    'SCIMD_SCHEMAS',
    'DIR',
    'none',
    'further schema and resource type files',
  ),
  token: setting(
    undefined,
    'SCIMD_TOKEN',
    'TOKEN',
    'none',
    'one static bearer token for the default tenant, at least 32 characters',
  ),
  rateLimit: setting(
    'rate-limit',
    'SCIMD_RATE_LIMIT',
    'N',
    String(RATE_PER_SECOND_DEFAULT),
    'requests per second of one credential, twice that at once; 0 for no limit',
  ),
  config: setting(
    'config',
    'SCIMD_CONFIG',
    'FILE',
    'DATA/scimd.json if present',
    "what does not fit a flag: the tenants' settings, proxies, certificates",
  ),
} as const

function setting(
  flag: string | undefined,
  variable: string,
  value: string | undefined,
  otherwise: string,
  meaning: string,
): Setting {
  return { flag, variable, value, otherwise, meaning }
}

export type SettingName = keyof typeof SETTINGS
