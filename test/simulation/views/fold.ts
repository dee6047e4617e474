/**
 * What the log comes to for the views, event by event: versions counted and totals summed by the model's wallet, where the
 * views take both from the event. Where the two differ, one of them is wrong.
 */
import type { WalletEvent } from '../../../schemas/events.ts'
import { Wallet } from '../../model/wallet.ts'
import { rowsOf, TABLES_OF, type Row } from './rows.ts'
import { ViewsBrokenError } from './store/tables.ts'

export class Fold {
  /** Rows of all views that come of each event, from sequence 1 on at index 0. */
  readonly rows: (readonly Row[])[] = []
  readonly #byProjection = new Map<string, (readonly Row[])[]>()
  readonly #wallet = new Wallet()

  /** Takes in the next event. */
  add(event: WalletEvent): void {
    const rows = rowsOf(this.#wallet.take(event))
    this.rows.push(rows)
    for (const [name, tables] of TABLES_OF) {
      const all = this.#byProjection.get(name) ?? []
      this.#byProjection.set(name, all)
      all.push(rows.filter(({ table }) => tables.includes(table)))
    }
  }

  /** Those of one projection that come of the event at an index. */
  rowsOf(projection: string, index: number): readonly Row[] {
    return this.#byProjection.get(projection)?.[index] ?? []
  }

  /** Throws unless sums are zero, nothing is overdrawn, and what is held on every account is what its open holds say. */
  check(): void {
    const fault = this.#wallet.fault()
    if (fault !== undefined) throw new ViewsBrokenError(fault)
  }
}
