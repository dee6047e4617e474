/** Is it UTF-8? A text that is not must never be guessed at: two names that differ in what cannot be read would become one. */
import { isUtf8 } from 'node:buffer'

/** UTF-8 sequences by their first byte; anything else begins none. */
function sequenceBytes(first: number): number {
  if (first < 0x80) return 1
  if (first < 0xc2) return 0
  if (first < 0xe0) return 2
  if (first < 0xf0) return 3
  return first < 0xf5 ? 4 : 0
}

/** Where bytes stop to be UTF-8 (RFC 3629: no overlong forms, no surrogates), from 0; −1 if they never do. */
export function firstNotUtf8(bytes: Uint8Array): number {
  if (isUtf8(bytes)) return -1
  for (let at = 0; at < bytes.length;) {
    const length = sequenceBytes(bytes[at]!)
    if (length === 0 || at + length > bytes.length || !isUtf8(bytes.subarray(at, at + length))) return at
    at += length
  }
  return -1
}

const SHOWN_BYTES_MAX = 24

/** What is wrong with the text of a line, as the fault of that line; undefined if nothing is. */
export function textFault(bytes: Uint8Array): string | undefined {
  const at = firstNotUtf8(bytes)
  if (at >= 0) {
    const byte = bytes[at]!.toString(16).toUpperCase().padStart(2, '0')
    return `not UTF-8 (byte 0x${byte} ${whereOf(bytes, at)}); save the file as UTF-8`
  }
  const nul = bytes.indexOf(0)
  return nul < 0
    ? undefined
    : `a NUL ${whereOf(bytes, nul)}, which no text has; if the file is UTF-16, save it as UTF-8`
}

function whereOf(bytes: Uint8Array, at: number): string {
  if (at === 0) return 'at its beginning'
  const before = Buffer.from(bytes.subarray(Math.max(0, at - SHOWN_BYTES_MAX), at)).toString('utf8')
  return `behind ${JSON.stringify(before.replace(/^\uFFFD+/, ''))}`
}
