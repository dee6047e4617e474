/**
 * Commands that were taken and whose outcome is not known yet, matched with what the feed brings.
 *
 * Events of a frame stand in the order of the commands, and a frame says how many commands are consumed with it. So one
 * walk over the frame and the waiting commands side by side settles them all: a command has its event, or it is consumed
 * without one, which means that its id was known before.
 */
import type { Frame } from '../schemas/frames.ts'
import { FrameRows, ID_WORDS } from './rows.ts'

/** Commands of one offer, in order. */
export interface PendingBatch {
  readonly firstOffset: bigint
  readonly count: number
  /** Their ids, as rows.ts writes them. */
  readonly ids: Int32Array
  readonly offeredAtMs: number
  /** The event of the command at `index` begins at `byte` of the frame's payload. */
  onEvent(index: number, rows: FrameRows, byte: number): void
  /** The command at `index` was consumed with this frame and made no event. */
  onSilent(index: number, frame: Frame): void
  /** The outcomes from `index` on will not be known in time, or never. */
  onUnknown(index: number): void
}

interface Entry {
  readonly batch: PendingBatch
  /** Commands settled so far. */
  settled: number
}

/** One partition's pending commands. Bounded by who adds to it. */
export class PendingCommands {
  #entries: Entry[] = []
  #count = 0

  /** Commands whose outcome is waited for. */
  get count(): number {
    return this.#count
  }

  add(batch: PendingBatch): void {
    this.#entries.push({ batch, settled: 0 })
    this.#count += batch.count
  }

  settle(frame: Frame): void {
    const first = this.#entries[0]
    if (first === undefined || first.batch.firstOffset + BigInt(first.settled) >= frame.nextCommandOffset)
      return
    const matcher = new Matcher(new FrameRows(frame))
    let done = 0
    for (const entry of this.#entries) {
      const { batch } = entry
      const consumed = frame.nextCommandOffset - batch.firstOffset
      const end = consumed >= BigInt(batch.count) ? batch.count : Number(consumed)
      for (; entry.settled < end; this.#count--) {
        const index = entry.settled++
        const byte = matcher.find(batch.ids, index * ID_WORDS)
        if (byte === undefined) batch.onSilent(index, frame)
        else batch.onEvent(index, matcher.rows, byte)
      }
      if (entry.settled < batch.count) break
      done++
    }
    if (done > 0) this.#entries = this.#entries.slice(done)
  }

  /** Gives up on offers from before `beforeMs`; offers are in order of age. */
  giveUp(beforeMs: number): void {
    let done = 0
    while ((this.#entries[done]?.batch.offeredAtMs ?? Infinity) < beforeMs) {
      const { batch, settled } = this.#entries[done++]!
      this.#count -= batch.count - settled
      batch.onUnknown(settled)
    }
    if (done > 0) this.#entries = this.#entries.slice(done)
  }
}

/** Finds the row of an id, each row once. As long as rows and ids come in step it compares one row per id. */
class Matcher {
  readonly rows: FrameRows
  #byte = 0
  /** Key → rows not yet found, once the two have come out of step. */
  #index: Map<number, number[]> | undefined

  constructor(rows: FrameRows) {
    this.rows = rows
  }

  find(ids: Int32Array, at: number): number | undefined {
    if (this.#index === undefined) {
      while (this.#byte < this.rows.end && this.rows.isTimer(this.#byte))
        this.#byte = this.rows.after(this.#byte)
      if (this.#byte < this.rows.end && this.rows.isTransfer(this.#byte, ids, at)) {
        const found = this.#byte
        this.#byte = this.rows.after(found)
        return found
      }
      this.#index = this.#indexRest()
    }
    const candidates = this.#index.get(ids[at + 2]!)
    if (candidates === undefined) return undefined
    for (let index = 0; index < candidates.length; index++)
      if (this.rows.isTransfer(candidates[index]!, ids, at)) return candidates.splice(index, 1)[0]
    return undefined
  }

  #indexRest(): Map<number, number[]> {
    const index = new Map<number, number[]>()
    for (; this.#byte < this.rows.end; this.#byte = this.rows.after(this.#byte)) {
      if (this.rows.isTimer(this.#byte)) continue
      const key = this.rows.transferKey(this.#byte)
      const known = index.get(key)
      if (known === undefined) index.set(key, [this.#byte])
      else known.push(this.#byte)
    }
    return index
  }
}
