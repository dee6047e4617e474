/** Texts of strangers and of the log: UTF-8, byte for byte. */

// A mark at the beginning (U+FEFF) is a character like any other: it has been hashed and stored.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Decodes UTF-8 exactly. Throws RangeError where the bytes are none. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (error) {
    throw new RangeError('a text is not UTF-8', { cause: error })
  }
}

/** True if bytes `from` to `end` are UTF-8 without NUL: a text that may stand in the log. */
export function isPlainText(bytes: Uint8Array, from: number, end: number): boolean {
  let isAscii = true
  for (let at = from; at < end; at++) {
    if (bytes[at] === 0) return false
    if (bytes[at]! >= 0x80) isAscii = false
  }
  if (isAscii) return true
  try {
    decoder.decode(bytes.subarray(from, end))
    return true
  } catch {
    return false
  }
}
