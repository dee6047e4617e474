/** For tests: rows and states in memory, read back from the bytes that would have gone to ClickHouse. */
import type { ColumnType } from '../code-projection.ts'
import { MARK_KEY } from './author/evaluator.ts'
import type { Rows, StoredAt } from './rows-store.ts'
import type { DeclaredCode } from './tables.ts'
import { readState } from './values/state-bytes.ts'
import { stateText } from './values/state-text.ts'
import { uuidAt } from './values/uuid.ts'
import type { MadeRows } from './values/table-rows.ts'

type Value = bigint | number | string | boolean

/** Reads RowBinary. */
class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes)
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  value(type: ColumnType): Value {
    const bytes = this.#bytes
    const at = this.#at
    const took = (size: number): number => (this.#at += size)
    switch (type) {
      case 'UInt8': took(1); return bytes.readUInt8(at)
      case 'Int8': took(1); return bytes.readInt8(at)
      case 'Bool': took(1); return bytes.readUInt8(at) === 1
      case 'UInt16': took(2); return bytes.readUInt16LE(at)
      case 'Int16': took(2); return bytes.readInt16LE(at)
      case 'UInt32': took(4); return bytes.readUInt32LE(at)
      case 'Int32': took(4); return bytes.readInt32LE(at)
      case 'UInt64': took(8); return bytes.readBigUInt64LE(at)
      case 'Int64': case 'Time': took(8); return bytes.readBigInt64LE(at)
      case 'Float64': took(8); return bytes.readDoubleLE(at)
      case 'UUID': took(16); return uuidAt(bytes, at)
      case 'String': case 'LowCardinality(String)': return this.#text()
    }
  } // prettier-ignore

  #text(): string {
    return this.bytes().toString('utf8')
  }

  /** What a String holds. */
  bytes(): Buffer {
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#at++]!
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }
}

/** Rows of RowBinary, as lists of values. */
export function readRows(bytes: Uint8Array, types: readonly ColumnType[]): Value[][] {
  const reader = new Reader(bytes)
  const rows: Value[][] = []
  while (!reader.isAtEnd) rows.push(types.map((type) => reader.value(type)))
  return rows
}

export class MemoryRows implements Rows {
  readonly tables = []
  readonly #projection: DeclaredCode
  /** By table and key of a row: what readers see, whatever came twice. */
  readonly rows = new Map<string, string>()
  /** By partition and key. */
  readonly #states = new Map<string, { sequence: bigint; bytes: Uint8Array }>()
  /** Called before each step; what it throws is what a crash leaves. */
  before: (step: 'rows' | 'states' | 'stored') => void = () => undefined

  constructor(projection: DeclaredCode) {
    this.#projection = projection
  }

  async prepare(): Promise<void> {
    // There is nothing to make.
  }

  async insertRows(made: readonly MadeRows[]): Promise<void> {
    this.before('rows')
    for (const { table, bytes, count } of made) {
      const { columns, key } = this.#projection.tables[table]!
      const rows = readRows(bytes, ['UInt16', 'UInt64', ...Object.values(columns)])
      if (rows.length !== count) throw new Error(`${rows.length} rows, not ${count}`)
      for (const [partition, sequence, ...values] of rows) {
        const named = Object.fromEntries(Object.keys(columns).map((name, index) => [name, values[index]]))
        const id = [table, partition, sequence, ...key.map((name) => named[name])].join('|')
        const row = [...values].join('|')
        const other = this.rows.get(id)
        if (other !== undefined && other !== row) throw new Error(`${id}: ${row} after ${other}`)
        this.rows.set(id, row)
      }
    }
  }

  async insertStates({ bytes }: MadeRows): Promise<void> {
    this.before('states')
    const reader = new Reader(bytes)
    while (!reader.isAtEnd) {
      const [partition, key, sequence] = (['UInt16', 'String', 'UInt64'] as const).map((type) =>
        reader.value(type),
      )
      const state = reader.bytes()
      const id = `${String(partition)}:${String(key)}`
      if ((this.#states.get(id)?.sequence ?? 0n) <= (sequence as bigint))
        this.#states.set(id, { sequence: sequence as bigint, bytes: state })
    }
    this.before('stored')
  }

  async mark(partition: number): Promise<bigint> {
    return this.#states.get(`${partition}:${MARK_KEY}`)?.sequence ?? 0n
  }

  async states(partition: number, keys: readonly string[]): Promise<StoredAt> {
    const found = keys.flatMap((key) => {
      const state = this.#states.get(`${partition}:${key}`)
      return state === undefined ? [] : [{ key, ...state }]
    })
    return {
      mark: await this.mark(partition),
      states: new Map(found.map(({ key, bytes }) => [key, bytes])),
      newest: found.reduce((newest, { sequence }) => (sequence > newest ? sequence : newest), 0n),
    }
  }

  /** Every state as text, by partition and key, without the marks. */
  allStates(): Record<string, string> {
    return Object.fromEntries(
      [...this.#states]
        .filter(([id]) => !id.endsWith(':'))
        .map(([id, { bytes }]) => [id, stateText(readState(bytes))]),
    )
  }
}
