/**
 * What a code projection is: pure functions over decoded events, for what SQL cannot say. The runtime calls them in a worker
 * of their own, keeps the state of each key in a table, and writes the rows; an author writes none of that.
 *
 * Rules that make a repeated range harmless: `keysOf`, `fold` and `project` are pure (no clock, no randomness, no I/O, nothing
 * remembered between calls), so the same events give the same rows and the same states.
 */
import type { EventKind, Side } from '../schemas/events.ts'
import type { CommandKind } from '../schemas/commands.ts'
import type { Refusal } from '../schemas/refusals.ts'

/** ClickHouse types that a column of a code projection may have. `Time` is stored as `DateTime64(9, 'UTC')`. */
export type ColumnType =
  | 'UInt8'
  | 'UInt16'
  | 'UInt32'
  | 'UInt64'
  | 'Int8'
  | 'Int16'
  | 'Int32'
  | 'Int64'
  | 'Float64'
  | 'Bool'
  | 'String'
  | 'LowCardinality(String)'
  | 'UUID'
  | 'Time'

/** The value that a column takes: 64-bit numbers as bigint, a Time as nanoseconds since 1970, a UUID in its usual text. */
export type ValueOf<Type extends ColumnType> = Type extends 'UInt64' | 'Int64' | 'Time'
  ? bigint
  : Type extends 'String' | 'LowCardinality(String)' | 'UUID'
    ? string
    : Type extends 'Bool'
      ? boolean
      : number

export type CodeColumns = Readonly<Record<string, ColumnType>>

/**
 * One table of a code projection. The runtime puts two columns before those named here: `partition UInt16` and
 * `sequence UInt64`, the place of the event that made the row.
 */
export interface CodeTable<Columns extends CodeColumns = CodeColumns> {
  readonly columns: Columns
  /** Columns that tell the rows of one event apart; with partition and sequence they name a row for ever. */
  readonly key: readonly (keyof Columns & string)[]
  /**
   * Only the newest row of each key counts (`partition` and `key` name it, the highest `sequence` wins). Readers cannot be
   * pinned to a moment that such a row has passed, so a table that keeps every row is the better choice where one is due.
   */
  readonly latest?: boolean
}

export type CodeTables = Readonly<Record<string, CodeTable>>

export type RowOf<Columns extends CodeColumns> = {
  readonly [Name in keyof Columns]: ValueOf<Columns[Name]>
}

/** The rows that one event makes, by table. */
export type RowsOf<Tables extends CodeTables> = {
  readonly [Name in keyof Tables]?: readonly RowOf<Tables[Name]['columns']>[]
}

/** An event as authors see it. Times are nanoseconds since 1970, amounts minor units, ids the usual UUID texts. */
export interface ProjectionEvent {
  readonly partition: number
  readonly sequence: bigint
  readonly recordedAtNs: bigint
  readonly effectiveAtNs: bigint
  readonly receivedAtNs: bigint
  readonly kind: EventKind
  readonly command: CommandKind
  readonly refusal: Refusal | undefined
  readonly transferId: string
  readonly relatedId: string
  readonly reference: string
  readonly currency: string
  readonly scale: number
  readonly amount: bigint
  /** 0: never. */
  readonly expiresAtNs: bigint
  readonly debit: Side
  readonly credit: Side
  readonly code: number
  readonly linkIndex: number
  readonly memo: string
  readonly owner: string
}

/** What a state may be made of: it is kept as bytes, and must come back equal. */
export type StateValue =
  null | boolean | number | bigint | string | readonly StateValue[] | { readonly [key: string]: StateValue }

export interface CodeProjection<
  Tables extends CodeTables = CodeTables,
  State extends StateValue = StateValue,
> {
  readonly kind: 'code'
  /** Lower-case letters, digits and underscores; it names the view everywhere. */
  readonly name: string
  /** The author's own count. Raise it when tables, rows or states change: a new version is then built beside the old one. */
  readonly version: number
  /**
   * `account` (default): keys and rows belong to the partition of their event, and partitions are filled side by side, maybe
   * by several processes. `whole`: one fold over the whole deployment; refused where that has more than one partition.
   */
  readonly partitioning?: 'account' | 'whole'
  readonly tables: Tables
  /** The keys whose state the event changes, in order and without repeats. Without it there is no state. */
  keysOf?(event: ProjectionEvent): readonly string[]
  /** State of a key that no event has changed yet. */
  initial?(key: string): State
  /** The state of `key` after the event. It returns a new value and changes nothing. */
  fold?(state: State, event: ProjectionEvent, key: string): State
  /**
   * The rows that the event makes.
   * @param states of the keys that `keysOf` named, after the event
   */
  project(event: ProjectionEvent, states: ReadonlyMap<string, State>): RowsOf<Tables>
}
