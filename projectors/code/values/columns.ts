/** Values of columns as ClickHouse takes them: for each type what it is called there, what it takes, and its bytes. */
import type { ColumnType } from '../../code-projection.ts'
import type { RowBytes } from './row-bytes.ts'
import { putUuid } from './uuid.ts'

interface Column {
  /** Its type in ClickHouse. */
  readonly type: string
  /** What it takes, in an author's words. */
  readonly takes: string
  /** Writes the value. @returns false if the column does not take it; what it has written by then does not count */
  readonly write: (out: RowBytes, value: unknown) => boolean
}

export const COLUMNS: Readonly<Record<ColumnType, Column>> = {
  UInt8: whole('UInt8', 1, 0, 2 ** 8 - 1),
  UInt16: whole('UInt16', 2, 0, 2 ** 16 - 1),
  UInt32: whole('UInt32', 4, 0, 2 ** 32 - 1),
  Int8: whole('Int8', 1, -(2 ** 7), 2 ** 7 - 1),
  Int16: whole('Int16', 2, -(2 ** 15), 2 ** 15 - 1),
  Int32: whole('Int32', 4, -(2 ** 31), 2 ** 31 - 1),
  UInt64: large('UInt64', 0n, 2n ** 64n - 1n),
  Int64: large('Int64', -(2n ** 63n), 2n ** 63n - 1n),
  Time: large("DateTime64(9, 'UTC')", -(2n ** 63n), 2n ** 63n - 1n, ' (nanoseconds since 1970)'),
  Float64: {
    type: 'Float64',
    takes: 'a finite number',
    write: (out, value) => {
      if (typeof value !== 'number' || !Number.isFinite(value)) return false
      out.f64(value)
      return true
    },
  },
  Bool: {
    type: 'Bool',
    takes: 'true or false',
    write: (out, value) => {
      if (typeof value !== 'boolean') return false
      out.u8(value ? 1 : 0)
      return true
    },
  },
  String: text('String'),
  'LowCardinality(String)': text('LowCardinality(String)'),
  UUID: {
    type: 'UUID',
    takes: 'the text of a UUID',
    write: (out, value) => {
      if (typeof value !== 'string') return false
      const at = out.leave(16)
      return putUuid(out.bytes, at, value)
    },
  },
}

function whole(type: string, bytes: number, least: number, greatest: number): Column {
  return {
    type,
    takes: `a whole number from ${least} to ${greatest}`,
    write: (out, value) => {
      if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > greatest)
        return false
      out.whole(value, bytes)
      return true
    },
  }
}

function large(type: string, least: bigint, greatest: bigint, meaning = ''): Column {
  return {
    type,
    takes: `a bigint from ${least} to ${greatest}${meaning}`,
    write: (out, value) => {
      if (typeof value !== 'bigint' || value < least || value > greatest) return false
      out.u64(value)
      return true
    },
  }
}

function text(type: string): Column {
  return {
    type,
    takes: 'a well-formed text',
    write: (out, value) => {
      if (typeof value !== 'string' || !value.isWellFormed()) return false
      out.text(value)
      return true
    },
  }
}
