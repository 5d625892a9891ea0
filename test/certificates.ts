/** Makes X.509 certificates for tests: RFC 5280 by hand, as not every machine has openssl. */

import {
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto'

/** A certificate with its key, both as PEM. */
export interface Made {
  readonly cert: string
  readonly key: string
  readonly name: string
  readonly secret: KeyObject
}

export interface Wanted {
  readonly name: string
  /** Who signs it; itself, unless it is given. */
  readonly by?: Made
  readonly isAuthority?: boolean
  /** Its key is one for RSA. */
  readonly isRsa?: boolean
  readonly from?: Date
  readonly to?: Date
}

const DAY_MS = 24 * 60 * 60 * 1000

/** A certificate for localhost and 127.0.0.1, or of an authority. */
export function makeCertificate({
  name,
  by,
  isAuthority = false,
  isRsa = false,
  ...validity
}: Wanted): Made {
  const { privateKey } = isRsa
    ? generateKeyPairSync('rsa', { modulusLength: 2048 })
    : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const signer = by?.secret ?? privateKey
  const from = validity.from ?? new Date(Date.now() - DAY_MS)
  const to = validity.to ?? new Date(Date.now() + 90 * DAY_MS)
  const extensions = [
    extension('551d13', true, isAuthority ? sequence(der(0x01, Buffer.from([0xff]))) : sequence()),
    extension(
      '551d11',
      false,
      sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1]))),
    ),
  ]
  const body = sequence(
    der(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ECDSA_SHA256,
    nameOf(by?.name ?? name),
    sequence(time(from), time(to)),
    nameOf(name),
    createPublicKey(privateKey as never).export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  )
  const signature = sign('sha256', body, signer)
  const whole = sequence(body, ECDSA_SHA256, der(0x03, Buffer.concat([Buffer.of(0), signature])))
  const lines = whole.toString('base64').replace(/.{64}(?=.)/g, '$&\n')
  return {
    name,
    secret: privateKey,
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  }
}

/** Tag, length, content. */
function der(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size =
    length < 0x80
      ? [length]
      : length < 0x100
        ? [0x81, length]
        : [0x82, Math.floor(length / 0x100), length % 0x100]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

const sequence = (...parts: readonly Buffer[]): Buffer => der(0x30, Buffer.concat(parts))
const identifier = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'))
const integer = (bytes: Buffer): Buffer => der(0x02, bytes)
const ECDSA_SHA256 = sequence(identifier('2a8648ce3d040302'))

const nameOf = (name: string): Buffer =>
  sequence(der(0x31, sequence(identifier('550403'), der(0x0c, Buffer.from(name)))))

/** GeneralizedTime, though RFC 5280 wants UTCTime before 2050: every reader takes both. */
const time = (date: Date): Buffer =>
  der(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]|\.\d+/g, '')}`))

const extension = (hex: string, isCritical: boolean, content: Buffer): Buffer =>
  sequence(
    identifier(hex),
    ...(isCritical ? [der(0x01, Buffer.from([0xff]))] : []),
    der(0x04, content),
  )
