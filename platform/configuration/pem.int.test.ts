import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { createAuthority } from '../../test/support/kafka/certificates.ts'
import { haveTools } from '../../test/support/tools.ts'
import { belongTogether, certificatesProblem, privateKeyProblem } from './pem.ts'

if (haveTools('PEM files', 'openssl'))
  test('what openssl makes has no problem; a key belongs to its own certificate alone', () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'purser-pem-'))
    const authority = createAuthority(folder, 'authority')
    const [one, other] = ['one', 'other'].map((name) => authority.issue(name))
    const text = (file: string): string => readFileSync(file, 'utf8')
    const chain = text(one!.certFile) + text(authority.file)
    expect(certificatesProblem(chain)).toBeUndefined()
    expect(certificatesProblem(text(one!.bothFile))).toBeUndefined()
    expect(privateKeyProblem(text(one!.keyFile))).toBeUndefined()
    expect(belongTogether(chain, text(one!.keyFile))).toBe(true)
    expect(belongTogether(chain, text(other!.keyFile))).toBe(false)
    rmSync(folder, { recursive: true })
  })

test('a chain is as good as its worst certificate', () => {
  const cut = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
  expect(certificatesProblem(cut)).toContain('certificate 1 of 1')
  expect(certificatesProblem('')).toContain('no certificate')
  expect(privateKeyProblem(cut)).toContain('no private key')
})
