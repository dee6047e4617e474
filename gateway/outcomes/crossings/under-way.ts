/**
 * Commands whose crossings are under way (docs/coordination.md). Each waits for the row that ends its crossing. That row
 * comes in the same partition, under the same id. One look-up a row that ends a crossing; nothing at all while nobody
 * waits.
 */
import { ID_WORDS, type FrameRows } from '../../../schemas/frame-rows.ts'
import type { PendingBatch } from '../pending-batch.ts'

interface Waiting {
  readonly batch: PendingBatch
  readonly index: number
  readonly isRepeat: boolean
  /** Those that wait under the same key since before this one, and since after it. Several ids may share a key. */
  older: Waiting | undefined
  newer: Waiting | undefined
}

export class CrossingsUnderWay {
  /** Nearly in the order in which they were offered. */
  readonly #all = new Set<Waiting>()
  /** The newest one of each key (frame-rows.ts). */
  readonly #byKey = new Map<number, Waiting>()

  get count(): number {
    return this.#all.size
  }

  /** @param isRepeat true if an earlier command with this id and body began the crossing */
  add(batch: PendingBatch, index: number, isRepeat: boolean): void {
    const key = keyOf(batch, index)
    const older = this.#byKey.get(key)
    const waiting: Waiting = { batch, index, isRepeat, older, newer: undefined }
    if (older !== undefined) older.newer = waiting
    this.#byKey.set(key, waiting)
    this.#all.add(waiting)
  }

  /** Settles those whose crossings end in these rows. */
  settle(rows: FrameRows): void {
    for (let byte = 0, end = rows.end; byte < end && this.#all.size > 0; byte = rows.after(byte))
      if (rows.endsCrossing(byte)) this.#settle(rows, byte)
  }

  /** Gives up those that were offered before `beforeMs`. */
  giveUp(beforeMs: number): void {
    for (const waiting of this.#all) {
      // A repeat that was looked up first may stand behind newer ones. It is given up with them.
      if (waiting.batch.offeredAtMs >= beforeMs) return
      this.#remove(waiting)
      waiting.batch.onUnknown(waiting.index, waiting.index + 1)
    }
  }

  #settle(rows: FrameRows, byte: number): void {
    let waiting = this.#byKey.get(rows.transferKey(byte))
    while (waiting !== undefined) {
      const { batch, index, isRepeat, older }: Waiting = waiting
      if (rows.isTransfer(byte, batch.ids, index * ID_WORDS)) {
        this.#remove(waiting)
        batch.onEnded(index, isRepeat, rows, byte)
      }
      waiting = older
    }
  }

  #remove(waiting: Waiting): void {
    const { older, newer } = waiting
    this.#all.delete(waiting)
    if (older !== undefined) older.newer = newer
    if (newer !== undefined) newer.older = older
    else if (older !== undefined) this.#byKey.set(keyOf(waiting.batch, waiting.index), older)
    else this.#byKey.delete(keyOf(waiting.batch, waiting.index))
  }
}

function keyOf({ ids }: PendingBatch, index: number): number {
  return ids[index * ID_WORDS + 2]!
}
