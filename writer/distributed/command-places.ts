/**
 * The core counts the commands that it was given, from 0 on. On Kafka a command stands at (offset of its record, index within
 * it). This is told which records were handed over, and turns a count that the core has consumed into the place of the next
 * command to be consumed: what a frame says, and where the next writer begins.
 */
import type { CommandPlace } from '../../eventlog/ports.ts'

/** Commands of one record that were handed over, one behind the other. */
interface Handed {
  readonly offset: bigint
  /** The first of them within the record. */
  readonly firstIndex: number
  /** Counts as the core counts: of the first of them, and behind the last. */
  readonly first: bigint
  readonly end: bigint
  /** The place behind them, and behind what follows and holds nothing for the core. */
  next: CommandPlace
}

export class CommandPlaces {
  /** Records that are not consumed to their end, in order. */
  private readonly handed: Handed[] = []
  private count = 0n
  /** The place behind everything that is consumed. */
  private consumed: CommandPlace
  private consumedCount = 0n
  /** The place that the next command has at least. */
  private next: CommandPlace

  /** @param start the place of the core's command 0 */
  constructor(start: CommandPlace) {
    this.consumed = start
    this.next = start
  }

  /**
   * Commands of a record from `firstIndex` on, at least one, have been handed over.
   * @param next where what is handed over next may stand: by default in the next record, if they are the record's last
   */
  add(
    offset: bigint,
    firstIndex: number,
    commands: number,
    next: CommandPlace = { offset: offset + 1n, index: 0 },
  ): void {
    if (isBefore({ offset, index: firstIndex }, this.next))
      throw new Error(`record ${offset} is handed over behind record ${this.next.offset}`)
    const first = this.count
    this.count += BigInt(commands)
    this.next = next
    this.handed.push({ offset, firstIndex, first, end: this.count, next })
  }

  /**
   * Behind what was handed over, nothing for the core stands before this place: all of it is consumed when what was handed
   * over is. However much it is, it takes no memory.
   */
  pass(offset: bigint, index = 0): void {
    const next = { offset, index }
    if (isBefore(next, this.next))
      throw new Error(`what stands before ${offset} is passed behind record ${this.next.offset}`)
    this.next = next
    const last = this.handed.at(-1)
    if (last === undefined) this.consumed = next
    else last.next = next
  }

  /** The place behind the first `count` commands. Counts come in order; what is before them is forgotten. */
  placeOf(count: bigint): CommandPlace {
    if (count < this.consumedCount || count > this.count)
      throw new Error(`${count} commands are consumed of ${this.consumedCount} to ${this.count}`)
    this.consumedCount = count
    let done = 0
    for (; done < this.handed.length && this.handed[done]!.end <= count; done++)
      this.consumed = this.handed[done]!.next
    if (done > 0) this.handed.splice(0, done)
    const next = this.handed[0]
    if (next !== undefined && next.first < count)
      return { offset: next.offset, index: next.firstIndex + Number(count - next.first) }
    return this.consumed
  }

  /** Runs of commands that are handed over and not consumed to their end. */
  open(): number {
    return this.handed.length
  }
}

function isBefore(one: CommandPlace, other: CommandPlace): boolean {
  return one.offset < other.offset || (one.offset === other.offset && one.index < other.index)
}
