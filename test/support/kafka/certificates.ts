/** Certificates for the length of a test, by openssl: an authority of one's own, and what it vouches for. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

export interface Authority {
  /** PEM file with the certificate that vouches for the others. */
  readonly file: string
  /** @param names whom it is for, as openssl writes them: `IP:127.0.0.1`, `DNS:kafka-1`; none: a client */
  issue(name: string, names?: string): Certificate
}

/** PEM files. */
export interface Certificate {
  readonly certFile: string
  readonly keyFile: string
  /** Key and certificate in one, as Kafka takes them. */
  readonly bothFile: string
}

const DAYS = '2'
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

export function createAuthority(folder: string, name: string): Authority {
  const file = path.join(folder, `${name}.pem`)
  const key = path.join(folder, `${name}.key`)
  openssl('req', '-x509', ...KEY, '-days', DAYS, '-subj', `/CN=${name}`, '-keyout', key, '-out', file)
  return {
    file,
    issue(name, names) {
      const at = (ending: string): string => path.join(folder, `${name}.${ending}`)
      openssl('req', ...KEY, '-subj', `/CN=${name}`, '-keyout', at('key'), '-out', at('csr'))
      writeFileSync(at('ext'), names === undefined ? '' : `subjectAltName=${names}\n`)
      const by = ['-CA', file, '-CAkey', key, '-CAcreateserial', '-days', DAYS, '-extfile', at('ext')]
      openssl('x509', '-req', '-in', at('csr'), ...by, '-out', at('pem'))
      writeFileSync(at('both.pem'), readFileSync(at('key'), 'utf8') + readFileSync(at('pem'), 'utf8'))
      return { certFile: at('pem'), keyFile: at('key'), bothFile: at('both.pem') }
    },
  }
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
