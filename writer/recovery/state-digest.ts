/** The digest of a core's whole state: what a replay has to come to, bit for bit. */
import { createHash } from 'node:crypto'
import type { CoreSection } from '../core/core.ts'

/** Hashed at a time. */
const CHUNK_BYTES = 4 * 1024 * 1024

/** SHA-256, in hexadecimal, of every section's name, length and bytes, in order. */
export function digestSections(sections: readonly CoreSection[]): string {
  const hash = createHash('sha256')
  for (const { name, bytes } of sections) {
    hash.update(`${name}\0${bytes.length}\0`)
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) hash.update(bytes.subarray(at, at + CHUNK_BYTES))
  }
  return hash.digest('hex')
}
