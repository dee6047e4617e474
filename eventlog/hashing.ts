/** The digests of frames, from Node: SHA-256 (OpenSSL) and CRC-32 (zlib). */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Digests } from '../schemas/frames.ts'

export const nodeDigests: Digests = {
  crc32: (first, second) => crc32(second, crc32(first)),
  sha256: (first, second) => createHash('sha256').update(first).update(second).digest(),
}
