/**
 * What the log comes to for the views, event by event: versions counted and totals summed by the model's wallet, where the
 * views take both from the event. Where the two differ, one of them is wrong.
 */
import type { WalletEvent } from '../../../schemas/events.ts'
import { Wallet } from '../../model/wallet.ts'
import { rowsOf, type Row } from './rows.ts'
import { ViewsBrokenError } from './tables.ts'

export class Fold {
  /** Rows of all views that come of each event, from sequence 1 on at index 0. */
  readonly rows: (readonly Row[])[] = []
  readonly #wallet = new Wallet()

  /** Takes in the next event. */
  add(event: WalletEvent): void {
    this.rows.push(rowsOf(this.#wallet.take(event)))
  }

  /** Throws unless sums are zero, nothing is overdrawn, and what is held on every account is what its open holds say. */
  check(): void {
    const fault = this.#wallet.fault()
    if (fault !== undefined) throw new ViewsBrokenError(fault)
  }
}
