/** Whether the stored views are what the log says: everything up to the checkpoint, nothing that the log does not have. */
import type { WalletEvent } from '../../../schemas/events.ts'
import { Fold } from './fold.ts'
import { ROW_TABLES, rowsOf, type Row } from './rows.ts'
import type { SimulatedStore } from './store.ts'
import { ViewsBrokenError, type TableRow } from './tables.ts'

export class ViewsCheck {
  readonly #store: SimulatedStore
  readonly #partition: number
  #fold = new Fold()
  /** Rows up to here have been compared since rows may last have gone. */
  #compared = 0
  #losses = 0

  constructor(store: SimulatedStore, partition: number) {
    this.#store = store
    this.#partition = partition
  }

  /** Views are about to be compared with another log, or anew. */
  restart(): void {
    this.#fold = new Fold()
    this.#compared = 0
  }

  /**
   * Every event up to the checkpoint has all its rows, as summed up from the log.
   * @throws ViewsBrokenError where it has not
   */
  quick(events: readonly WalletEvent[]): void {
    const checkpoint = this.#store.checkpoint(this.#partition)
    const position = Number(checkpoint?.sequence ?? 0n)
    if (position > events.length)
      throw new ViewsBrokenError(`the views hold ${position} events, and the log has ${events.length}`)
    const recordedAtNs = events[position - 1]?.recordedAtNs ?? 0n
    if (checkpoint !== undefined && !checkpoint.text.endsWith(` ${recordedAtNs}`))
      throw new ViewsBrokenError(
        `the checkpoint at ${position} is not of ${recordedAtNs}: ${checkpoint.text}`,
      )
    while (this.#fold.rows.length < position) this.#fold.add(events[this.#fold.rows.length]!)
    if (this.#losses !== this.#store.losses) this.#compared = 0
    this.#losses = this.#store.losses
    for (; this.#compared < position; this.#compared++)
      for (const row of this.#fold.rows[this.#compared]!) this.#find(row)
    this.#compared = Math.min(this.#compared, position)
  }

  /** As `quick`, from the first event on; and no table has a row that no event gave. */
  thorough(events: readonly WalletEvent[]): void {
    this.#compared = 0
    this.quick(events)
    this.#fold.check()
    for (const name of ROW_TABLES)
      for (const row of this.#store.table(name)?.rows() ?? []) this.#known(name, row, events)
  }

  #find(row: Row): void {
    const stored = this.#store.table(row.table)?.row(row.key)
    if (stored === undefined)
      throw new ViewsBrokenError(
        `${row.table} lacks ${row.key} of ${row.sequence}, which the checkpoint covers`,
      )
    if (stored.version > row.version) return
    if (stored.text !== row.text || stored.version !== row.version || stored.sequence !== row.sequence)
      throw new ViewsBrokenError(`${row.table} says ${stored.text} of ${row.key}, the log says ${row.text}`)
  }

  /** Rows beyond the checkpoint are early, not wrong; but no table has a row that no event gave. */
  #known(name: string, { key, sequence, text }: TableRow, events: readonly WalletEvent[]): void {
    const index = Number(sequence) - 1
    const event = events[index]
    const rows = this.#fold.rows[index] ?? (event === undefined ? [] : rowsOf(event))
    if (!rows.some((row) => row.table === name && row.key === key && row.text === text))
      throw new ViewsBrokenError(`${name} has ${key} of ${sequence}, which the log has not: ${text}`)
  }
}
