/** Turns a header in which a proxy passes a client's certificate on into a yes, or why not. */

import { X509Certificate } from 'node:crypto'
import { bareFingerprint, type PassedCertificates } from '../config.ts'
import { CERTIFICATES_SEEN_MAX } from '../scim/limits.ts'

/**
 * What is wrong with the value of the header; undefined for a certificate that is taken.
 *
 * @param now milliseconds since 1970
 */
export type CertificateCheck = (value: string | null, now: number) => string | undefined

interface Validity {
  readonly from: number
  readonly to: number
}

/**
 * Takes the certificates that are listed. Who signed one is not asked: it is known by its
 * fingerprint, and the proxy has seen that the client holds its key.
 */
export function certificateCheck({ header, fingerprints }: PassedCertificates): CertificateCheck {
  const listed = new Set(fingerprints)
  // Values that held one that is listed: the same client sends the same with each request.
  const seen = new Map<string, Validity>()
  return (value, now) => {
    // HAProxy sends an empty header where there is none, nginx no header.
    if (value === null || value === '') return `there is no certificate of the client in ${header}`
    let validity = seen.get(value)
    if (!validity) {
      const certificate = certificateIn(value)
      if (!certificate) return `${header} holds no certificate that can be read`
      if (!listed.has(bareFingerprint(certificate.fingerprint256)))
        return 'the certificate of the client is not listed'
      const { validFrom, validTo } = certificate
      validity = { from: Date.parse(validFrom), to: Date.parse(validTo) }
      if (seen.size >= CERTIFICATES_SEEN_MAX) seen.clear()
      seen.set(value, validity)
    }
    if (now > validity.to) return 'the certificate of the client has expired'
    return now < validity.from ? 'the certificate of the client is not valid yet' : undefined
  }
}

/** RFC 9440 section 2.1 (`:base64:`), the same without colons (HAProxy), or escaped PEM (nginx). */
function certificateIn(value: string): X509Certificate | undefined {
  const encoded = /^(:?)([A-Za-z0-9+/]+={0,2})\1$/.exec(value)?.[2]
  try {
    const text = encoded === undefined ? decodeURIComponent(value) : Buffer.from(encoded, 'base64')
    return new X509Certificate(text)
  } catch {
    return undefined
  }
}
