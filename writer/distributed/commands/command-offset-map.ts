/**
 * Maps the core's counts to offsets of the queue. The core counts the commands that it gets, from 0 on; on Kafka a command
 * has an offset (of its record) and an index in it. A frame states the offset of the next command to consume, where the next
 * writer begins.
 *
 * Commands that are skipped are consumed by a frame of their own, a skip, which states the reason. So nobody takes them for
 * decided.
 */
import type { CommandOffset } from '../../../eventlog/ports.ts'
import type { SkipReason } from '../../../schemas/frame-notes.ts'

/** Consecutive commands of one record that were given to the core. */
interface Handed {
  readonly kind: 'handed'
  readonly offset: bigint
  /** Index of the first one in the record. */
  readonly firstIndex: number
  /** The core's counts: of the first one, and behind the last. */
  readonly first: bigint
  readonly end: bigint
  /** The offset behind them. */
  readonly next: CommandOffset
}

/** A stretch of the queue that holds nothing for the core. */
interface Skipped {
  readonly kind: 'skipped'
  readonly reason: SkipReason
  /** The offset behind it. */
  next: CommandOffset
  /** The skip that consumes it is on its way. What is skipped later needs another one. */
  isSent: boolean
}

/** The offset behind a skip, and its reason; undefined: nothing was skipped. */
export interface ConsumedSkip {
  readonly offset: CommandOffset
  readonly reason?: SkipReason
}

export class CommandOffsetMap {
  /** Runs that are not consumed to their end, in order. */
  private readonly open: (Handed | Skipped)[] = []
  private count = 0n
  /** The offset behind everything that is consumed. */
  private consumed: CommandOffset
  private consumedCount = 0n
  /** The lowest offset that the next command can have. */
  private next: CommandOffset

  /** @param start offset of the core's command 0 */
  constructor(start: CommandOffset) {
    this.consumed = start
    this.next = start
  }

  /**
   * Adds commands that were given to the core: `commands` of one record, at least one, from `firstIndex` on.
   * @param isLast false: more of the same record follows
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
   * Skips everything before `next`. The skip that is sent next consumes it. Takes constant memory, however much it is.
   */
  pass(next: CommandOffset, reason: SkipReason): void {
    if (isBefore(next, this.next))
      throw new Error(`what stands before ${next.offset} is passed behind record ${this.next.offset}`)
    this.next = next
    const last = this.open.at(-1)
    if (last?.kind === 'skipped' && !last.isSent && last.reason === reason) last.next = next
    else this.open.push({ kind: 'skipped', reason, next, isSent: false })
  }

  /** True if something was skipped and its skip is not on its way. */
  hasUnsentSkip(): boolean {
    const last = this.open.at(-1)
    return last?.kind === 'skipped' && !last.isSent
  }

  /** Notes that a skip is sent to the core, for the first stretch that has none. */
  sendSkip(): void {
    const skipped = this.open.find((one) => one.kind === 'skipped' && !one.isSent) as Skipped | undefined
    if (skipped !== undefined) skipped.isSent = true
  }

  /** The offset behind the first `count` commands. Counts come in order; what is before them is forgotten. */
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

  /** The offset behind the skip that follows the first `count` commands, and its reason. Skips come in order. */
  offsetOfSkip(count: bigint): ConsumedSkip {
    const offset = this.offsetOf(count)
    const skipped = this.open[0]
    if (skipped?.kind !== 'skipped' || !skipped.isSent) return { offset }
    this.open.shift()
    this.consumed = skipped.next
    return { offset: skipped.next, reason: skipped.reason }
  }

  /** Number of runs, given or skipped, that are not consumed to their end. */
  openRuns(): number {
    return this.open.length
  }
}

function isBefore(left: CommandOffset, right: CommandOffset): boolean {
  return left.offset < right.offset || (left.offset === right.offset && left.index < right.index)
}
