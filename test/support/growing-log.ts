/** A log that is the same wherever it is drawn, by how often it has grown; and a view of it that has a row for each event. */
import type { SqlProjection } from '../../projectors/projection.ts'
import { SampleWallet } from '../model/sample-wallet.ts'
import { MemoryLog } from './memory-log.ts'

const STEPS = 16

export class GrowingLog {
  readonly log = new MemoryLog(0)
  readonly #wallet = new SampleWallet(0)
  #ticks = 0

  get ticks(): number {
    return this.#ticks
  }

  get events(): SampleWallet['events'] {
    return this.#wallet.events
  }

  /** Makes it as it is after so many ticks; it never shrinks. */
  growTo(ticks: number): void {
    for (; this.#ticks < ticks; this.#ticks++) {
      this.#wallet.grow(STEPS)
      this.log.catchUp(this.#wallet.events, true)
    }
  }
}

export const AMOUNTS: SqlProjection = {
  kind: 'sql',
  name: 'amounts',
  version: 1,
  tables: [
    {
      name: 'amounts',
      columns: [
        ['partition', 'UInt16'],
        ['sequence', 'UInt64'],
        ['amount', 'Int64'],
      ],
      key: ['sequence'],
      select: 'partition, sequence, amount',
    },
  ],
}
