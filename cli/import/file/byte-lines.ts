/** Bytes → lines, in bounded memory. A line ends with LF or CRLF; nothing else ends one (not CR alone, not U+2028). */

/** Bytes of one line, or of one CSV record, at most. */
export const LINE_BYTES_MAX = 64 * 1024
export const TOO_LONG = `longer than ${LINE_BYTES_MAX} bytes`

const LF = 0x0a
const CR = 0x0d

/** Lines without their ends; undefined for one that is too long, whose bytes are dropped as they come. */
export async function* byteLines(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer | undefined> {
  let parts: Buffer[] = []
  let bytes = 0
  const finish = (): Buffer | undefined => {
    const line = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    const isWhole = bytes === line.length
    parts = []
    bytes = 0
    const content = line.at(-1) === CR ? line.subarray(0, -1) : line
    return isWhole && content.length <= LINE_BYTES_MAX ? content : undefined
  }
  for await (const chunk of input) {
    let from = 0
    for (;;) {
      const end = chunk.indexOf(LF, from)
      const part = chunk.subarray(from, end === -1 ? chunk.length : end)
      bytes += part.length
      // One byte more may be the carriage return of its end.
      if (bytes > LINE_BYTES_MAX + 1) parts = []
      else if (part.length > 0) parts.push(part)
      if (end === -1) break
      yield finish()
      from = end + 1
    }
  }
  if (bytes > 0) yield finish()
}
