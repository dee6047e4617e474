/** What a code projection stores and reads: rows, and states at a mark. */
import type { ViewStore } from '../clickhouse/view-store.ts'
import type { Layout } from '../projection.ts'
import { MARK_KEY } from './author/evaluator.ts'
import type { StoredStates } from './author/port.ts'
import {
  codeTableName,
  codeTableNames,
  createCodeTables,
  stateTableName,
  type DeclaredCode,
} from './tables.ts'
import type { MadeRows } from './values/table-rows.ts'

/** Text of the keys in one question, in characters: ClickHouse reads a quarter of a MiB of a query at most. */
const KEYS_CHARACTERS_MAX = 100_000
/** Questions for states that are under way at once. */
const QUESTIONS_MAX = 2
const STATES_SECONDS_MAX = 60

/** States, and the mark that they were read with. */
export interface StoredAt {
  readonly states: StoredStates
  /** The lowest, if several questions were asked and somebody stored something in between. */
  readonly mark: bigint
  /** The highest sequence of any of them. */
  readonly newest: bigint
}

/** Where rows and states are stored. What it resolves is stored for good. */
export interface Rows {
  /** Makes what is missing. Safe to repeat. */
  prepare(): Promise<void>
  /** Names of its tables. */
  readonly tables: readonly string[]
  /** Stores rows: each table's are one insert. */
  insertRows(rows: readonly MadeRows[]): Promise<void>
  /** Stores states and the mark behind them: all, or none. */
  insertStates(states: MadeRows): Promise<void>
  /** The last event that the states of a partition include; 0: there are none. */
  mark(partition: number): Promise<bigint>
  /** The states of these keys, as far as there are any. */
  states(partition: number, keys: readonly string[]): Promise<StoredAt>
}

export interface RowsStoreOptions {
  readonly store: ViewStore
  readonly layout: Layout
  readonly projection: DeclaredCode
  readonly version: number
}

export class RowsStore implements Rows {
  readonly #options: RowsStoreOptions
  readonly #stateTable: string

  constructor(options: RowsStoreOptions) {
    this.#options = options
    this.#stateTable = stateTableName(options.projection, options.version, options.layout)
  }

  get tables(): readonly string[] {
    return codeTableNames(this.#options.projection, this.#options.version)
  }

  async prepare(): Promise<void> {
    const { store, layout, projection, version } = this.#options
    for (const statement of createCodeTables(projection, version, layout)) await store.command(statement)
  }

  async insertRows(rows: readonly MadeRows[]): Promise<void> {
    const { layout, version } = this.#options
    for (const made of rows) await this.#insert(codeTableName(made.table, version, layout), made)
  }

  async insertStates(states: MadeRows): Promise<void> {
    await this.#insert(this.#stateTable, states)
  }

  async mark(partition: number): Promise<bigint> {
    return (await this.states(partition, [])).mark
  }

  async states(partition: number, keys: readonly string[]): Promise<StoredAt> {
    const states = new Map<string, Uint8Array>()
    let mark: bigint | undefined
    let newest = 0n
    const questions = cut(keys)
    const askNext = async (): Promise<void> => {
      for (let question = questions.pop(); question !== undefined; question = questions.pop()) {
        let itsMark = 0n
        for (const row of await this.#ask(partition, question)) {
          const sequence = BigInt(row.newest)
          if (row.key === MARK_KEY) itsMark = sequence
          else states.set(row.key, Buffer.from(row.state, 'base64'))
          if (sequence > newest) newest = sequence
        }
        if (mark === undefined || itsMark < mark) mark = itsMark
      }
    }
    await Promise.all(Array.from({ length: QUESTIONS_MAX }, askNext))
    return { states, mark: mark ?? 0n, newest }
  }

  #ask(
    partition: number,
    keys: readonly string[],
  ): Promise<{ key: string; newest: string; state: string }[]> {
    return this.#options.store.query(
      // Its bytes are no text, and answers are.
      `SELECT key, toString(max(sequence)) AS newest, base64Encode(argMax(own.state, sequence)) AS state
       FROM ${this.#stateTable} AS own WHERE partition = {partition:UInt16} AND key IN (${[MARK_KEY, ...keys].map(quoted).join(',')}) GROUP BY key`,
      { partition },
      { timeoutSeconds: STATES_SECONDS_MAX },
    )
  }

  async #insert(table: string, { bytes, count }: MadeRows): Promise<void> {
    await this.#options.store.insertPayload(`INSERT INTO ${table} FORMAT RowBinary`, [bytes], {
      // One block, hence one part: all of it appears at once.
      max_insert_block_size: Math.max(count, 1_048_576),
      min_insert_block_size_rows: Math.max(count, 1_048_576),
      min_insert_block_size_bytes: 1_073_741_824,
      input_format_parallel_parsing: 0,
      optimize_on_insert: 0,
    })
  }
}

/** Keys, in questions of a bounded length; one question at least, for the mark. */
function cut(keys: readonly string[]): string[][] {
  const questions: string[][] = [[]]
  let characters = 0
  for (const key of keys) {
    if (characters > KEYS_CHARACTERS_MAX) {
      questions.push([])
      characters = 0
    }
    questions.at(-1)!.push(key)
    // Each may take twice its length, by what is escaped, and more bytes than characters.
    characters += key.length * 2 + 3
  }
  return questions
}

/** A text as a literal. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
