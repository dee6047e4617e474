/**
 * The core counts the commands that it was given, from 0 on. On Kafka a command stands at (offset of its record, index within
 * it). This is told which of them were handed over and which were passed over, and turns a count that the core has consumed
 * into the place of the next command to be consumed: what a frame says, and where the next writer begins.
 *
 * What was passed over is consumed by a frame of its own, a mark, which says why: so nobody takes for decided what was not.
 */
import type { CommandOffset } from '../../../eventlog/ports.ts'
import type { SkipReason } from '../../../schemas/frame-notes.ts'

/** Commands of one record that were handed over, one right behind the other. */
interface Handed {
  readonly kind: 'handed'
  readonly offset: bigint
  /** The first of them within the record. */
  readonly firstIndex: number
  /** Counts as the core counts: of the first of them, and behind the last. */
  readonly first: bigint
  readonly end: bigint
  /** The place behind them. */
  readonly next: CommandOffset
}

/** Places that hold nothing for the core. */
interface Skipped {
  readonly kind: 'skipped'
  readonly reason: SkipReason
  /** The place behind them. */
  next: CommandOffset
  /** The mark that consumes them is on its way: what is passed later needs another one. */
  isSent: boolean
}

/** Why places were consumed without being decided; undefined: nothing was passed over. */
export interface ConsumedSkip {
  readonly offset: CommandOffset
  readonly reason?: SkipReason
}

export class CommandOffsetMap {
  /** Not consumed to their end, in order. */
  private readonly open: (Handed | Skipped)[] = []
  private count = 0n
  /** The place behind everything that is consumed. */
  private consumed: CommandOffset
  private consumedCount = 0n
  /** The place that the next command has at least. */
  private next: CommandOffset

  /** @param start the place of the core's command 0 */
  constructor(start: CommandOffset) {
    this.consumed = start
    this.next = start
  }

  /**
   * A record's commands from `firstIndex` on, at least one, have been handed over.
   * @param isLast false: more of the same record follows behind them
   */
  add(offset: bigint, firstIndex: number, commands: number, isLast = true): void {
    if (isBefore({ offset, index: firstIndex }, this.next))
      throw new Error(`record ${offset} is handed over behind record ${this.next.offset}`)
    if (this.hasUnsentSkip()) throw new Error(`record ${offset} is handed over behind what is not marked`)
    const first = this.count
    this.count += BigInt(commands)
    this.next = isLast ? { offset: offset + 1n, index: 0 } : { offset, index: firstIndex + commands }
    this.open.push({ kind: 'handed', offset, firstIndex, first, end: this.count, next: this.next })
  }

  /**
   * Behind what was handed over, nothing for the core stands before the place `next`. It is consumed by the mark that is sent
   * next. However much it is, it takes no memory.
   */
  pass(next: CommandOffset, reason: SkipReason): void {
    if (isBefore(next, this.next))
      throw new Error(`what stands before ${next.offset} is passed behind record ${this.next.offset}`)
    this.next = next
    const last = this.open.at(-1)
    if (last?.kind === 'skipped' && !last.isSent && last.reason === reason) last.next = next
    else this.open.push({ kind: 'skipped', reason, next, isSent: false })
  }

  /** True if something was passed over for which no mark is on its way. */
  hasUnsentSkip(): boolean {
    const last = this.open.at(-1)
    return last?.kind === 'skipped' && !last.isSent
  }

  /** A mark is sent to the core, behind all that was handed over: for what was passed over first of what has none. */
  sendSkip(): void {
    const skipped = this.open.find((one) => one.kind === 'skipped' && !one.isSent) as Skipped | undefined
    if (skipped !== undefined) skipped.isSent = true
  }

  /** The place behind the first `count` commands. Counts come in order; what is before them is forgotten. */
  offsetOf(count: bigint): CommandOffset {
    if (count < this.consumedCount || count > this.count)
      throw new Error(`${count} commands are consumed of ${this.consumedCount} to ${this.count}`)
    this.consumedCount = count
    const { open } = this
    let done = 0
    for (let one = open[0]; one?.kind === 'handed' && one.end <= count; one = open[++done])
      this.consumed = one.next
    if (done > 0) open.splice(0, done)
    const next = open[0]
    if (next?.kind === 'handed' && next.first < count)
      return { offset: next.offset, index: next.firstIndex + Number(count - next.first) }
    return this.consumed
  }

  /** The place behind the mark that comes behind the first `count` commands, and why it was made. Marks come in order. */
  offsetOfSkip(count: bigint): ConsumedSkip {
    const offset = this.offsetOf(count)
    const skipped = this.open[0]
    if (skipped?.kind !== 'skipped' || !skipped.isSent) return { offset }
    this.open.shift()
    this.consumed = skipped.next
    return { offset: skipped.next, reason: skipped.reason }
  }

  /** Runs of commands, and of what is passed over, that are not consumed to their end. */
  openRuns(): number {
    return this.open.length
  }
}

function isBefore(left: CommandOffset, right: CommandOffset): boolean {
  return left.offset < right.offset || (left.offset === right.offset && left.index < right.index)
}
