/**
 * What the log comes to for the views, event by event: versions counted and totals summed by the model's wallet, where the
 * views take both from the event. Where the two differ, one of them is wrong.
 */
import type { WalletEvent } from '../../../schemas/events.ts'
import { Wallet } from '../../model/wallet.ts'
import { rowsOf, TABLES_OF, type Row } from './rows.ts'
import { ViewsBrokenError } from './store/tables.ts'
import { TurnoverFold } from './turnover.ts'

export class Fold {
  readonly #events: WalletEvent[] = []
  readonly #byProjection = new Map<string, (readonly Row[])[]>()
  /** By what is left out. */
  readonly #turnover = new Map<string, TurnoverFold>()
  readonly #wallet = new Wallet()

  /** Takes in events up to this many. */
  upTo(count: number, events: readonly WalletEvent[]): void {
    for (let index = this.#events.length; index < count; index++) this.#add(events[index]!)
  }

  #add(event: WalletEvent): void {
    this.#events.push(event)
    const rows = rowsOf(this.#wallet.take(event))
    for (const [name, tables] of TABLES_OF) {
      const all = this.#byProjection.get(name) ?? []
      this.#byProjection.set(name, all)
      all.push(rows.filter(({ table }) => tables.includes(table)))
    }
  }

  /** The rows of one projection that come of the event at an index, where these events are left out. */
  rowsOf(projection: string, index: number, skips: ReadonlySet<bigint>): readonly Row[] {
    if (projection === 'turnover') return this.#turnoverWithout(skips, index).rows[index] ?? []
    return skips.has(BigInt(index + 1)) ? [] : (this.#byProjection.get(projection)?.[index] ?? [])
  }

  #turnoverWithout(skips: ReadonlySet<bigint>, index: number): TurnoverFold {
    const key = skips.size === 0 ? '' : [...skips].sort().join()
    const fold = this.#turnover.get(key) ?? new TurnoverFold(skips)
    this.#turnover.set(key, fold)
    while (fold.rows.length <= index && fold.rows.length < this.#events.length)
      fold.add(this.#events[fold.rows.length]!)
    return fold
  }

  /** Throws unless sums are zero, nothing is overdrawn, and what is held on every account is what its open holds say. */
  check(): void {
    const fault = this.#wallet.fault()
    if (fault !== undefined) throw new ViewsBrokenError(fault)
  }
}
