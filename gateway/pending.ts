/**
 * Commands that were taken and whose outcome is not known yet, matched with what the feed brings.
 *
 * Events of a frame stand in the order of the commands, and a frame says how many commands are consumed with it. So one
 * walk over the frame and the waiting commands side by side settles them all: a command has its event, or it is consumed
 * without one, which means that its id was known before.
 *
 * Whose event is it, where two commands carry one id? The first one's that the frame consumes: an id makes one event, ever.
 * Walked in their order, the first one finds the row and the second finds none. That holds for as long as every command
 * that the frame consumed up to there waits here. Behind one that does not (it was given up, or some other door offered
 * it) a row may be the outcome of what that one asked, so it is handed over as uncertain: its body has to be compared.
 */
import type { Frame } from '../schemas/frames.ts'
import { RecentEvents } from './recent-events.ts'
import { FrameRows, ID_WORDS } from './rows.ts'

/** Commands of one offer, in order. */
export interface PendingBatch {
  readonly count: number
  /** Their ids, as rows.ts writes them. */
  readonly ids: Int32Array
  /** By a clock that nobody sets: `performance.now()`. */
  readonly offeredAtMs: number
  /**
   * The event under the id of the command at `index` begins at `byte` of the frame's payload.
   * @param isCertain false: it may be the outcome of another command with the same id; compare the fingerprints
   */
  onEvent(index: number, rows: FrameRows, byte: number, isCertain: boolean): void
  /** The command at `index` made no event: its id had made this one before, which is therefore the id's outcome. */
  onEarlier(index: number, rows: FrameRows, byte: number): void
  /** The command at `index` was consumed with this frame and made no event, nor did its id lately. */
  onSilent(index: number, frame: Frame): void
  /** The outcomes from `index` on will not be known in time, or never. */
  onUnknown(index: number): void
}

interface Entry {
  readonly batch: PendingBatch
  readonly firstOffset: bigint
  /** Commands settled so far. */
  settled: number
}

/** One partition's pending commands. Bounded by who adds to it. */
export class PendingCommands {
  #entries: Entry[] = []
  #count = 0
  /** Offset behind the last command that a frame consumed; undefined before the first frame. */
  #consumed: bigint | undefined
  readonly #recent: RecentEvents

  constructor(recent = new RecentEvents()) {
    this.#recent = recent
  }

  /** Commands whose outcome is waited for. */
  get count(): number {
    return this.#count
  }

  /** @param firstOffset of the batch's first command; batches come in the order of their offsets */
  add(batch: PendingBatch, firstOffset: bigint): void {
    this.#entries.push({ batch, firstOffset, settled: 0 })
    this.#count += batch.count
  }

  settle(frame: Frame): void {
    const consumed = this.#consumed
    this.#consumed = frame.nextCommandOffset
    this.#recent.add(frame)
    const first = this.#entries[0]
    if (first === undefined || first.firstOffset + BigInt(first.settled) >= frame.nextCommandOffset) return
    const matcher = new Matcher(new FrameRows(frame))
    let next = consumed
    let done = 0
    for (const entry of this.#entries) {
      if (entry.firstOffset >= frame.nextCommandOffset) break
      if (next !== entry.firstOffset + BigInt(entry.settled)) next = undefined
      this.#settleEntry(entry, frame, matcher, next !== undefined)
      if (entry.settled < entry.batch.count) break
      if (next !== undefined) next = entry.firstOffset + BigInt(entry.batch.count)
      done++
    }
    if (done > 0) this.#entries = this.#entries.slice(done)
  }

  #settleEntry(entry: Entry, frame: Frame, matcher: Matcher, isCertain: boolean): void {
    const { batch, firstOffset } = entry
    const consumed = frame.nextCommandOffset - firstOffset
    const end = consumed >= BigInt(batch.count) ? batch.count : Number(consumed)
    const from = entry.settled
    entry.settled = end
    this.#count -= end - from
    for (let index = from; index < end; index++) {
      const byte = isCertain
        ? matcher.next(batch.ids, index * ID_WORDS)
        : matcher.find(batch.ids, index * ID_WORDS)
      if (byte >= 0) batch.onEvent(index, matcher.rows, byte, isCertain)
      else this.#settleSilent(batch, index, frame)
    }
  }

  #settleSilent(batch: PendingBatch, index: number, frame: Frame): void {
    const earlier = this.#recent.find(batch.ids, index * ID_WORDS)
    if (earlier === undefined) batch.onSilent(index, frame)
    else batch.onEarlier(index, earlier.rows, earlier.byte)
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

const NONE = -1

/** Finds the row of an id, each row once. */
class Matcher {
  readonly rows: FrameRows
  readonly #end: number
  #byte = 0
  /** Key → rows not yet found, once rows may stand between ours that are not. */
  #index: Map<number, number[]> | undefined

  constructor(rows: FrameRows) {
    this.rows = rows
    this.#end = rows.end
  }

  /**
   * For as long as every command of the frame is ours: the next row is that of the id at `ids[at]`, or of one behind it.
   * @returns the byte at which the id's row begins, or a negative number
   */
  next(ids: Int32Array, at: number): number {
    const { rows } = this
    let byte = this.#byte
    while (byte < this.#end && rows.isTimer(byte)) byte = rows.after(byte)
    if (byte < this.#end && rows.isTransfer(byte, ids, at)) {
      this.#byte = rows.after(byte)
      return byte
    }
    this.#byte = byte
    return NONE
  }

  /** Whatever rows stand between. @returns as `next` */
  find(ids: Int32Array, at: number): number {
    this.#index ??= this.#indexRest()
    const candidates = this.#index.get(ids[at + 2]!)
    if (candidates === undefined) return NONE
    for (let index = 0; index < candidates.length; index++)
      if (this.rows.isTransfer(candidates[index]!, ids, at)) return candidates.splice(index, 1)[0]!
    return NONE
  }

  #indexRest(): Map<number, number[]> {
    const index = new Map<number, number[]>()
    for (; this.#byte < this.#end; this.#byte = this.rows.after(this.#byte)) {
      if (this.rows.isTimer(this.#byte)) continue
      const key = this.rows.transferKey(this.#byte)
      const known = index.get(key)
      if (known === undefined) index.set(key, [this.#byte])
      else known.push(this.#byte)
    }
    return index
  }
}
