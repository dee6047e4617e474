/** Rows of a code projection, back from RowBinary. */
import type { CreateTable } from './statements.ts'
import type { TableRow } from './tables.ts'

/** @throws Error at a type that no table of the simulation has */
export function decodedRows({ columns, key, highest }: CreateTable, bytes: Uint8Array): TableRow[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const whole = (size: number): bigint => {
    at += size
    return size === 8
      ? view.getBigUint64(at - 8, true)
      : BigInt(size === 4 ? view.getUint32(at - 4, true) : view.getUint16(at - 2, true))
  }
  const text = (encoding: 'utf8' | 'base64'): string => {
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = view.getUint8(at++)
      length |= (byte & 127) << shift
      if (byte < 128) break
    }
    at += length
    return Buffer.from(bytes.buffer, bytes.byteOffset + at - length, length).toString(encoding)
  }
  const value = (name: string, type: string): bigint | string => {
    if (type === 'UInt16') return whole(2)
    if (type === 'UInt32') return whole(4)
    if (type === 'UInt64') return whole(8)
    if (type === 'Int64') return BigInt.asIntN(64, whole(8))
    // The state of a key is bytes that are no text.
    if (type === 'String') return text(name === 'state' ? 'base64' : 'utf8')
    throw new Error(`the simulated store does not know the type ${type}`)
  }
  const rows: TableRow[] = []
  while (at < bytes.byteLength) {
    const row = Object.fromEntries(columns.map(([name, type]) => [name, value(name, type)]))
    const sequence = row['sequence'] as bigint
    rows.push({
      key: ['partition', ...key].map((name) => String(row[name])).join('/'),
      sequence,
      version: highest === undefined ? 0n : (row[highest] as bigint),
      text: columns.map(([name]) => String(row[name])).join(' '),
    })
  }
  return rows
}
