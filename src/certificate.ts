/** Turns a certificate's files into what a TLS server needs, or says what is wrong with them. */

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'

/** Paths of PEM files. */
export interface CertificateFiles {
  /** The certificate of the server, and those between it and its authority. */
  readonly cert: string
  readonly key: string
  /** The authorities whose client certificates are good; without them none is asked for. */
  readonly clientCa: string | undefined
}

/** What the files hold, as PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
  readonly clientCa: string | undefined
  /** The last moment at which the certificate is good, in milliseconds since 1970. */
  readonly validTo: number
  /** What an administrator should know, each with its cure. */
  readonly warnings: readonly string[]
}

/**
 * Reads the files.
 *
 * @param now milliseconds since 1970, to tell what has expired
 * @returns the certificate, or every fault with its cure
 */
export function readCertificate(
  files: CertificateFiles,
  now: number,
): Certificate | { readonly faults: readonly string[] } {
  const faults: string[] = []
  const told = (fault: string) => void faults.push(fault)
  const cert = textOf('--tls-cert', files.cert, told)
  const key = textOf('--tls-key', files.key, told)
  const clientCa = files.clientCa && textOf('--tls-client-ca', files.clientCa, told)
  const [leaf] = cert === undefined ? [] : certificatesIn('--tls-cert', files.cert, cert, told)
  const secret = key === undefined ? undefined : keyIn(files.key, key, told)
  if (clientCa) certificatesIn('--tls-client-ca', files.clientCa ?? '', clientCa, told)
  if (leaf && secret && !leaf.checkPrivateKey(secret)) {
    told(
      `--tls-key ${files.key}: is not the key of ${files.cert}; ` +
        'name the key that the certificate was asked for with',
    )
  }
  if (cert === undefined || key === undefined || !leaf || faults.length > 0) return { faults }
  const validTo = Date.parse(leaf.validTo)
  const warnings = [...warningsOf(leaf, files, now)]
  return { cert, key, clientCa, validTo, warnings }
}

type Tell = (fault: string) => void

function textOf(flag: string, path: string, tell: Tell): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code, message = String(error) } = error as { code?: string; message?: string }
    if (code === 'ENOENT') tell(`${flag} ${path}: there is no such file`)
    else if (code === 'EACCES')
      tell(`${flag} ${path}: may not be read by this user; give it to the user that scimd runs as`)
    else tell(`${flag} ${path}: cannot be read: ${message}`)
    return undefined
  }
}

/** Reads authorities that are believed, or tells what is wrong with their file. */
export function readAuthorities(flag: string, path: string): readonly string[] | { fault: string } {
  let fault = ''
  const told = (text: string) => {
    fault ||= text
  }
  const text = textOf(flag, path, told)
  if (text !== undefined) certificatesIn(flag, path, text, told)
  return text === undefined || fault !== '' ? { fault } : (text.match(PEM) ?? [])
}

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

function certificatesIn(flag: string, path: string, text: string, tell: Tell): X509Certificate[] {
  const blocks = text.match(PEM) ?? []
  try {
    if (blocks.length > 0) return blocks.map((block) => new X509Certificate(block))
  } catch {
    // Told below, as for a file without any.
  }
  tell(`${flag} ${path}: found no certificate, expected PEM (-----BEGIN CERTIFICATE-----)`)
  return []
}

function keyIn(path: string, text: string, tell: Tell): KeyObject | undefined {
  if (/ENCRYPTED/.test(text)) {
    tell(
      `--tls-key ${path}: is encrypted, and there is nobody to ask for its passphrase; ` +
        'write it without one: openssl pkey -in KEY -out NEW',
    )
    return undefined
  }
  try {
    return createPrivateKey(text)
  } catch {
    tell(`--tls-key ${path}: found no private key, expected PEM (-----BEGIN PRIVATE KEY-----)`)
    return undefined
  }
}

function* warningsOf(leaf: X509Certificate, files: CertificateFiles, now: number) {
  if (Date.parse(leaf.validTo) <= now) {
    yield `${files.cert}: expired on ${dayOf(leaf.validTo)}; renew it, as no client will connect`
  } else if (Date.parse(leaf.validFrom) > now) {
    yield `${files.cert}: is not valid before ${dayOf(leaf.validFrom)}; look at the clock`
  }
  if ((statSync(files.key).mode & 0o007) !== 0) {
    yield `${files.key}: every user of this machine may read the key; chmod o= ${files.key}`
  }
}

const dayOf = (date: string): string => new Date(date).toISOString().slice(0, 10)

/** Changes whenever one of the files does, also when a link is turned to another file. */
export const stampOf = ({ cert, key, clientCa }: CertificateFiles): string =>
  [cert, key, clientCa]
    .map((path) => {
      const stats = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false })
      return stats ? `${stats.ino}/${stats.size}/${stats.mtimeMs}` : ''
    })
    .join(' ')
