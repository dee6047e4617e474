/** The tables of one version of an SQL projection, as a target: each range is one insert into its feed. */
import { messageOf } from '../../../schemas/errors.ts'
import {
  createVersion,
  dropVersion,
  feedName,
  partsOf,
  type SqlVersion,
} from '../../clickhouse/view-tables.ts'
import { OutageError, type ViewStore } from '../../clickhouse/view-store.ts'
import { tableName, type Layout } from '../../projection.ts'
import { halves } from './cut.ts'
import { insertRange, type Range } from './range.ts'
import { EventFault, type Target } from './target.ts'

/** Errors that say nothing of an event: what it should have gone to is not there, or not allowed. */
const NOT_OF_AN_EVENT = new Set([
  'UNKNOWN_TABLE',
  'UNKNOWN_DATABASE',
  'ACCESS_DENIED',
  'MEMORY_LIMIT_EXCEEDED',
])

export class SqlTarget implements Target {
  readonly version: SqlVersion
  readonly parts: readonly string[]
  readonly #store: ViewStore
  readonly #layout: Layout

  constructor(store: ViewStore, version: SqlVersion, layout: Layout = {}) {
    this.#store = store
    this.#layout = layout
    this.version = version
    this.parts = partsOf(version)
  }

  get tableNames(): readonly string[] {
    return this.version.tables.map(({ name }) => tableName(this.version, name))
  }

  async prepare(): Promise<void> {
    for (const statement of createVersion(this.version, this.#layout)) await this.#store.command(statement)
  }

  async write(range: Range): Promise<void> {
    try {
      await insertRange(this.#store, feedName(this.version), range)
    } catch (error) {
      if (error instanceof OutageError || !isOfAnEvent(error)) throw error
      await this.#narrow(range, error)
    }
  }

  /**
   * Takes away the rows of an event that an operator has left out: another table of the view may have had them already. Where
   * only the newest row of a key counts it stays, until a newer one comes: it may have replaced the one before it for good, and
   * without it the key would have none.
   */
  async forget(partition: number, sequence: bigint): Promise<void> {
    const { cluster, database = '' } = this.#layout
    for (const { name: logical, highest } of this.version.tables) {
      if (highest !== undefined) continue
      const name = tableName(this.version, logical)
      const table = cluster === undefined ? name : `${database}.${name}_local ON CLUSTER '${cluster}'`
      await this.#store.command(
        `ALTER TABLE ${table} DELETE WHERE partition = {partition:UInt16} AND sequence = {sequence:UInt64}
         SETTINGS mutations_sync = 2`,
        { partition, sequence: String(sequence) },
      )
    }
  }

  async drop(): Promise<void> {
    for (const statement of dropVersion(this.version, this.#layout)) await this.#store.command(statement)
  }

  stop(): Promise<void> {
    return Promise.resolve()
  }

  /** Halves the range until one event is left that cannot be taken; what comes before it is then stored. */
  async #narrow(range: Range, cause: unknown): Promise<void> {
    const both = halves(range)
    if (both === undefined)
      throw new EventFault(range.checkpoint.partition, range.first, messageOf(cause), { cause })
    for (const half of both) await this.write(half)
  }
}

/** ClickHouse has judged what it was given: its errors carry a type. */
function isOfAnEvent(error: unknown): boolean {
  const { type } = error as { type?: unknown }
  return typeof type === 'string' && !NOT_OF_AN_EVENT.has(type)
}
