/** The rows that a code projection makes, checked against what it declares and turned into RowBinary. */
import type { CodeTables } from '../../code-projection.ts'
import { COLUMNS } from './columns.ts'
import { RowBytes } from './row-bytes.ts'

/** A row, or what should have been one, that its table does not take; told in the author's words. */
export class RowError extends Error {
  override readonly name = 'RowError'
}

/** Rows of one table, in RowBinary. */
export interface MadeRows {
  readonly table: string
  readonly count: number
  readonly bytes: Uint8Array
}

/** Rows of all tables of a projection, as they are made. */
export class TablesRows {
  readonly #tables: ReadonlyMap<string, TableRows>

  constructor(tables: CodeTables) {
    this.#tables = new Map(
      Object.entries(tables).map(([name, { columns, key }]) => [
        name,
        new TableRows(name, Object.entries(columns), key),
      ]),
    )
  }

  /** Adds the rows that one event makes. @throws RowError */
  add(partition: number, sequence: bigint, made: unknown): void {
    if (typeof made !== 'object' || made === null || Array.isArray(made) || made instanceof Promise)
      throw new RowError(`project gave ${told(made)}, not rows by table`)
    for (const name in made) {
      const table = this.#tables.get(name)
      if (table === undefined)
        throw new RowError(`there is no table ${name}: the projection declares ${[...this.#tables.keys()].join(', ')}`)
      const rows = (made as Record<string, unknown>)[name]
      if (rows === undefined) continue
      if (!Array.isArray(rows)) throw new RowError(`table ${name}: project gave ${told(rows)}, not a list of rows`)
      table.add(partition, sequence, rows)
    }
  } // prettier-ignore

  get bytes(): number {
    let sum = 0
    for (const table of this.#tables.values()) sum += table.bytes
    return sum
  }

  /** Forgets what has been added. */
  clear(): void {
    for (const table of this.#tables.values()) table.clear()
  }

  /** What has been added, of each table that has any. */
  take(): MadeRows[] {
    return [...this.#tables.values()].flatMap((table) => table.take())
  }
}

class TableRows {
  readonly #name: string
  readonly #names: readonly string[]
  readonly #columns: readonly (typeof COLUMNS)[keyof typeof COLUMNS][]
  /** Places of the key's columns among all. */
  readonly #key: readonly number[]
  readonly #out = new RowBytes()
  /** Where the columns of the row begin that is being written, and where the last one ends. */
  readonly #starts: number[] = []
  #count = 0

  constructor(
    name: string,
    columns: readonly (readonly [string, keyof typeof COLUMNS])[],
    key: readonly string[],
  ) {
    this.#name = name
    this.#names = columns.map(([column]) => column)
    this.#columns = columns.map(([, type]) => COLUMNS[type])
    this.#key = key.map((column) => this.#names.indexOf(column))
  }

  get bytes(): number {
    return this.#out.length
  }

  add(partition: number, sequence: bigint, rows: readonly unknown[]): void {
    if (rows.length === 1) return this.#row(partition, sequence, rows[0])
    const keys = new Map<string, number>()
    for (const [index, row] of rows.entries()) {
      this.#row(partition, sequence, row)
      const key = this.#keyBytes()
      const same = keys.get(key)
      if (same !== undefined)
        throw new RowError(
          `table ${this.#name}: rows ${same} and ${index} of one event have the same ${this.#key.map((at) => this.#names[at]).join(', ') || 'key, which has no column'}`,
        )
      keys.set(key, index)
    }
  }

  #row(partition: number, sequence: bigint, row: unknown): void {
    if (typeof row !== 'object' || row === null)
      throw new RowError(`table ${this.#name}: ${told(row)} is not a row`)
    const out = this.#out
    out.whole(partition, 2)
    out.u64(sequence)
    const names = this.#names
    for (let index = 0; index < names.length; index++) {
      this.#starts[index] = out.length
      const value = (row as Record<string, unknown>)[names[index]!]
      if (!this.#columns[index]!.write(out, value)) throw this.#refusal(index, value)
    }
    this.#starts[names.length] = out.length
    this.#count++
    let given = 0
    for (const _ in row) given++
    if (given !== names.length) this.#refuseUnknown(row)
  }

  /** The bytes that the last row has in the key's columns: equal for equal values, however they were written. */
  #keyBytes(): string {
    return this.#key
      .map((at) =>
        Buffer.from(this.#out.bytes.subarray(this.#starts[at], this.#starts[at + 1])).toString('latin1'),
      )
      .join('')
  }

  #refusal(index: number, value: unknown): RowError {
    const where = `table ${this.#name}, column ${this.#names[index]!}`
    return new RowError(
      value === undefined
        ? `${where}: the row has no value`
        : `${where}: takes ${this.#columns[index]!.takes}, not ${told(value)}`,
    )
  }

  #refuseUnknown(row: object): void {
    const unknown = Object.keys(row).find((name) => !this.#names.includes(name))
    if (unknown !== undefined)
      throw new RowError(
        `table ${this.#name}: there is no column ${unknown}: it has ${this.#names.join(', ')}`,
      )
  }

  clear(): void {
    this.#out.clear()
    this.#count = 0
  }

  take(): MadeRows[] {
    const count = this.#count
    this.#count = 0
    return count === 0 ? [] : [{ table: this.#name, count, bytes: this.#out.take() }]
  }
}

/** A value in an error's words, with its type where the text alone does not tell. */
export function told(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value)
  if (typeof value === 'bigint') return `${value} (a bigint)`
  if (typeof value === 'number') return `${value} (a number)`
  if (value === undefined || value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'function') return 'a function'
  return Array.isArray(value) ? 'a list' : value instanceof Promise ? 'a promise' : 'an object'
}
