/** What a PEM file is looked at for before any broker is: Node takes some that hold nothing, and fails over others late. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { messageOf } from '../../schemas/errors.ts'

const CERTIFICATE = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[\s\S]*?-----END \1-----/g

/** What is wrong with certificates, as a phrase that goes on behind a setting's name; undefined: nothing. */
export function certificatesProblem(pem: string): string | undefined {
  const blocks = [...pem.matchAll(CERTIFICATE)].map(([block]) => block)
  if (blocks.length === 0) return 'holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)'
  for (const [index, block] of blocks.entries())
    try {
      new X509Certificate(block)
    } catch (error) {
      return `holds a certificate that cannot be read, certificate ${index + 1} of ${blocks.length}: ${messageOf(error)}`
    }
  return undefined
}

/** As `certificatesProblem`, of a private key. */
export function privateKeyProblem(pem: string): string | undefined {
  try {
    createPrivateKey(pem)
    return undefined
  } catch (error) {
    return `holds no private key in PEM form that can be read without a passphrase: ${messageOf(error)}`
  }
}

/** True if the key is that of the first certificate. Both have no problem of their own. */
export function belongTogether(certificates: string, key: string): boolean {
  return new X509Certificate(certificates).checkPrivateKey(createPrivateKey(key))
}
