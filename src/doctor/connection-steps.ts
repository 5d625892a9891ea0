/** The first steps: whether the server can be reached, says what it is, and knows its clients. */

import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { Fault, listIn, objectIn, requireError, requireStatus, requireValue } from './answer.ts'
import { connectionFault, reach, shakeHands, speaksTls } from './connection.ts'
import { askMaker, type Step } from './step.ts'
import { filterOf, type Visit } from './visit.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/** A clock that is off by more makes tokens of issuers expire early or begin late. */
const CLOCK_OFF_MS_MAX = 60_000

export const CONNECTION_STEPS: readonly Step[] = [
  {
    title: 'the base URL is one that an identity provider takes',
    area: 'connect',
    cure: 'give the URL up to /scim/v2, as it stands in the identity provider',
    async run({ url, warn }) {
      if (/\/(?:Users|Groups)\/?$/i.test(url.pathname))
        throw new Fault(`${url.pathname}: expected the base URL, without an endpoint`)
      const last = url.searchParams.size === 0 ? url.pathname : ''
      if (last.length > 1 && last.endsWith('/'))
        warn('ends with a slash, and some join "/Users" to it', 'take the slash away')
      if (url.hostname.includes('_')) warn('has an underscore in its host', 'Okta takes none')
      if (url.protocol === 'https:') return
      const isLocal = /^(?:localhost|127\.|\[::1\])/.test(url.hostname)
      warn(
        isLocal ? 'is one of this machine alone' : 'is plain HTTP: the token is sent in the clear',
        'examine the public https URL as well: scimd doctor --url https://… --token …',
      )
    },
  },
  {
    title: 'the server is reached',
    area: 'connect',
    cure: 'start the server, or give its address with --url',
    isVital: true,
    run: ({ url }) => reach(url),
  },
  {
    title: 'the certificate is good, for https',
    area: 'connect',
    cure: 'get a certificate of a public authority for this very host name',
    isVital: true,
    async run(visit) {
      if (visit.url.protocol === 'https:') await examineCertificate(visit)
    },
  },
  {
    title: 'the server answers, and its clock is right',
    area: 'connect',
    cure: 'look into the log of the server, and of the proxy in front of it; then examine it again',
    scimd: 'look into what scimd serve logs (journalctl -u scimd), and what /ready answers',
    isVital: true,
    async run({ ask, now, warn, server, url }) {
      const { status, headers, body } = await ask('GET', '/ServiceProviderConfig').catch((error) =>
        notHttp(error, url),
      )
      if (JSON.stringify(body)?.includes('scimd token create')) server.isScimd = true
      if (status >= 500) throw new Fault(`GET /ServiceProviderConfig: found ${status}`)
      const date = Date.parse(headers.get('date') ?? '')
      const off = Math.abs(date - now())
      if (off > CLOCK_OFF_MS_MAX)
        warn(
          `its clock and ours differ by ${Math.round(off / 1000)} s`,
          'let a time service (NTP) set the clocks of both machines',
        )
    },
  },
  {
    title: 'a right token is taken',
    area: 'sign-in',
    cure: 'make another token at the server, with the right to read and write, and give all of it',
    scimd: 'scimd token create --name NAME --tenant TENANT, and give the token as it is printed',
    isVital: true,
    async run({ ask }) {
      const answer = await ask('GET', '/Users?startIndex=1&count=2')
      if (answer.status === 404)
        throw new Fault(`GET ${answer.path}: found 404, expected 200`, WRONG_URL)
      requireStatus(answer, 200)
    },
  },
  {
    title: 'a wrong token, and none, are refused with 401 and a SCIM error',
    area: 'sign-in',
    cure: askMaker('refuse tokens as RFC 7644 section 3.12 says'),
    async run({ ask }) {
      for (const token of ['wrong', null])
        requireError(await ask('GET', '/Users', undefined, { token }), 401)
    },
  },
  {
    title: 'ServiceProviderConfig, ResourceTypes and Schemas describe the server',
    area: 'connect',
    cure: askMaker('serve the three endpoints of RFC 7644 section 4; Entra ID asks for them'),
    run: examineDiscovery,
  },
  {
    title: 'answers are application/scim+json',
    habits: ['mediaType'],
    area: 'look-up',
    cure: askMaker('send application/scim+json with each answer (RFC 7644 section 3.8)'),
    async run({ ask }) {
      const { headers } = await ask('GET', '/Users?startIndex=1&count=2')
      const found = headers.get('content-type') ?? 'none'
      const [bare = ''] = found.split(';')
      requireValue('Content-Type', bare.trim().toLowerCase(), 'application/scim+json')
    },
  },
  {
    title: 'Test connection: a user who is not there is an empty list',
    area: 'look-up',
    cure: askMaker('answer such a filter with 200 and an empty list, not with 404 or with others'),
    async run({ ask }) {
      const name = crypto.randomUUID()
      for (const attribute of ['userName', 'externalId']) {
        const answer = await ask('GET', `/Users${filterOf(attribute, name)}`)
        if (listIn(answer).length > 0)
          throw new Fault(`${attribute} eq a random value finds ${listIn(answer).length} users`)
        requireValue('totalResults', answer.body.totalResults, 0)
      }
    },
  },
  {
    title: 'a list of groups is answered, also when there is none',
    area: 'group',
    cure: 'switch groups on at the server, or let the identity provider provision users alone',
    scimd: "leave resourceTypes out of the tenant's settings, or list Group there (scimd.json)",
    async run({ ask }) {
      listIn(await ask('GET', '/Groups?startIndex=1&count=100'))
    },
  },
]

/** Plain HTTP at a port of TLS is told as that. @throws Fault */
async function notHttp(error: unknown, url: URL): Promise<never> {
  if (url.protocol === 'http:' && (await speaksTls(url))) {
    throw new Fault(
      `${url.host} speaks TLS at this port, and was asked for plain HTTP`,
      `give ${url.href.replace(/^http:/, 'https:')}`,
    )
  }
  throw connectionFault(error, url)
}

async function examineDiscovery({ ask, warn, server }: Visit): Promise<void> {
  const config = await ask('GET', '/ServiceProviderConfig')
  requireStatus(config, 200)
  const { patch, filter } = objectIn(config)
  for (const [name, feature] of Object.entries({ patch, filter })) {
    if (feature?.supported !== true)
      warn(
        `ServiceProviderConfig: ${name} is not supported`,
        `look whether ${name} can be switched on at the server; Entra ID and Okta need it`,
      )
  }
  const types = listIn(await ask('GET', '/ResourceTypes'))
  server.types = types
  if (!types.some(({ endpoint }) => endpoint === '/Users'))
    throw new Fault('GET /ResourceTypes: found no type at /Users')
  const schemas = listIn(await ask('GET', '/Schemas'))
  server.schemas = schemas
  const ids = schemas.map(({ id }) => id)
  for (const name of ['User', 'Group']) {
    const id = `urn:ietf:params:scim:schemas:core:2.0:${name}`
    if (!ids.includes(id)) {
      warn(
        `GET /Schemas: found no ${id}`,
        'where attributes are discovered, map those of this schema by hand',
      )
    }
  }
}

const WRONG_URL = 'give the base URL: nothing is at /Users behind this one, whatever the token is'
const PUBLIC = 'get a certificate of a public authority for this host name'
const OWN = `${PUBLIC}; for one of your own, name its file here with --ca FILE`
const UNKNOWN = [
  'is of an authority that is not known here, or comes without those between',
  'serve the full chain (fullchain.pem) of a public authority, or name your own with --ca FILE',
] as const

/** What the codes of OpenSSL mean, and what to do about them. */
const CERTIFICATE_FAULTS: Readonly<Record<string, readonly [found: string, cure: string]>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: ['is signed by itself', OWN],
  SELF_SIGNED_CERT_IN_CHAIN: ['is of an authority of your own', OWN],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN,
  CERT_HAS_EXPIRED: ['has expired', 'renew it'],
  CERT_NOT_YET_VALID: ['is not valid yet', 'look at the clocks of the server and of this machine'],
  ERR_TLS_CERT_ALTNAME_INVALID: ['is for another host name', PUBLIC],
}

async function examineCertificate({ url, now, warn, authorities }: Visit): Promise<void> {
  const plain = await shakeHands(url)
  const isOwn = plain.code !== undefined && authorities !== undefined
  const { certificate, code, protocol } = isOwn ? await shakeHands(url, authorities) : plain
  if (isOwn && code === undefined) {
    warn(
      'the certificate is of the authority that you name, which identity providers do not know',
      'let the identity provider or its agent trust that authority, or get a public certificate',
    )
  }
  const name = code ?? nameFault(url, certificate)
  if (name !== undefined) {
    const [found = 'is not trusted', cure = PUBLIC] = CERTIFICATE_FAULTS[name] ?? []
    throw new Fault(`the certificate ${found} (${name})`, cure)
  }
  const days = Math.floor((Date.parse(certificate.valid_to) - now()) / DAY_MS)
  if (days < 14) warn(`the certificate expires in ${days} days`, 'see that it is renewed')
  if (protocol !== 'TLSv1.3' && protocol !== 'TLSv1.2')
    throw new Fault(`speaks ${protocol}, expected TLS 1.2 or later`, 'switch TLS 1.2 and 1.3 on')
}

function nameFault({ hostname }: URL, certificate: PeerCertificate): string | undefined {
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  return checkServerIdentity(host, certificate) && 'ERR_TLS_CERT_ALTNAME_INVALID'
}
