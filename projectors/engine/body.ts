import type { Readable } from 'node:stream'
import { queryError } from './errors.ts'
import { QUERY_TEXT_BYTES_MAX } from './limits.ts'

const PART_HEAD = /^Content-Disposition: form-data; name="([A-Za-z0-9_.-]+)"$/i

/**
 * Reads a form, in which the client sends a query whose parameters are too long for a URL.
 * Only what the client writes is understood: plain text parts, one header each.
 * @returns name and value of each part; nothing if the body is no form
 * @throws QueryError
 */
export async function readForm(
  contentType: string | undefined,
  body: Readable,
): Promise<[string, string][] | undefined> {
  if (!contentType?.startsWith('multipart/form-data')) return undefined
  const boundary = /boundary="?([A-Za-z0-9'()+_,./:=?-]{1,70})"?$/.exec(contentType)?.[1]
  if (boundary === undefined) throw queryError('BAD_ARGUMENTS', 'A form without a boundary.')
  const text = `\r\n${await readText(body)}`
  const pieces = text.split(`\r\n--${boundary}`)
  if (pieces.length < 2 || !pieces.at(-1)!.startsWith('--'))
    throw queryError('BAD_ARGUMENTS', 'A form without an end.')
  return pieces.slice(1, -1).map((piece) => {
    const end = piece.indexOf('\r\n\r\n')
    const name = PART_HEAD.exec(piece.slice(2, end))?.[1]
    if (end < 0 || name === undefined)
      throw queryError('BAD_ARGUMENTS', 'A form with a part that is no plain field.')
    return [name, piece.slice(end + 4)]
  })
}

/**
 * Reads a body that is a query's text.
 * The stream is not destroyed when it is too long: its socket still has to carry the answer.
 * @throws QueryError (QUERY_IS_TOO_LARGE)
 */
export async function readText(body: Readable): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > QUERY_TEXT_BYTES_MAX) {
      throw queryError('QUERY_IS_TOO_LARGE', `A query's text may have at most ${QUERY_TEXT_BYTES_MAX} bytes.`)
    }
    parts.push(chunk)
  }
  return Buffer.concat(parts).toString()
}
