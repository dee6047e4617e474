/**
 * The core counts the commands that it was given, from 0 on. On Kafka a command stands at (offset of its record, index within
 * it). This is told which records were handed over, and turns a count that the core has consumed into the place of the next
 * command to be consumed: what a frame says, and where the next writer begins.
 */
import type { CommandPlace } from '../../eventlog/ports.ts'

/** Commands of one record that were handed over. */
interface Handed {
  readonly offset: bigint
  /** The first of them within the record. */
  readonly firstIndex: number
  /** Counts as the core counts: of the first of them, and behind the last. */
  readonly first: bigint
  readonly end: bigint
  /** The offset behind it, and behind what follows it and holds nothing for the core. */
  next: bigint
}

export class CommandPlaces {
  /** Records that are not consumed to their end, in order. */
  private readonly handed: Handed[] = []
  private count = 0n
  /** The place behind everything that is consumed. */
  private consumed: CommandPlace
  private consumedCount = 0n
  /** The offset that the next record has at least. */
  private nextOffset: bigint

  /** @param start the place of the core's command 0 */
  constructor(start: CommandPlace) {
    this.consumed = start
    this.nextOffset = start.offset
  }

  /** A record's commands from `firstIndex` to its end, at least one, have been handed over. */
  add(offset: bigint, firstIndex: number, commands: number): void {
    if (offset < this.nextOffset)
      throw new Error(`record ${offset} is handed over behind record ${this.nextOffset}`)
    const first = this.count
    this.count += BigInt(commands)
    this.nextOffset = offset + 1n
    this.handed.push({ offset, firstIndex, first, end: this.count, next: this.nextOffset })
  }

  /**
   * Behind what was handed over, nothing for the core stands before offset `next`: all of it is consumed when what was handed
   * over is. However much it is, it takes no memory.
   */
  pass(next: bigint): void {
    if (next < this.nextOffset)
      throw new Error(`what stands before ${next} is passed behind record ${this.nextOffset}`)
    this.nextOffset = next
    const last = this.handed.at(-1)
    if (last === undefined) this.consumed = { offset: next, index: 0 }
    else last.next = next
  }

  /** The place behind the first `count` commands. Counts come in order; what is before them is forgotten. */
  placeOf(count: bigint): CommandPlace {
    if (count < this.consumedCount || count > this.count)
      throw new Error(`${count} commands are consumed of ${this.consumedCount} to ${this.count}`)
    this.consumedCount = count
    let done = 0
    for (; done < this.handed.length && this.handed[done]!.end <= count; done++)
      this.consumed = { offset: this.handed[done]!.next, index: 0 }
    if (done > 0) this.handed.splice(0, done)
    const next = this.handed[0]
    if (next !== undefined && next.first < count)
      return { offset: next.offset, index: next.firstIndex + Number(count - next.first) }
    return this.consumed
  }

  /** Records that are handed over and not consumed to their end. */
  open(): number {
    return this.handed.length
  }
}
