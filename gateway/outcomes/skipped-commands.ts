/**
 * The commands of a partition that were consumed without being decided, as skip frames of its log say
 * (schemas/frame-notes.ts). Only the newest are kept. For older ones the answer is "not known".
 */
import type { OfferOffsets, CommandOffset } from '../../eventlog/ports.ts'
import { isAdoption } from '../../schemas/commands-topic.ts'
import { skipReasonOf, type SkipReason } from '../../schemas/frame-notes.ts'
import type { Frame } from '../../schemas/frames.ts'

interface Stretch {
  readonly from: CommandOffset
  /** The offset behind it. */
  readonly end: CommandOffset
  readonly reason: SkipReason
}

/** One skip frame covers everything that was skipped in one go, so that a flood of invalid commands takes few. */
const STRETCHES_MAX = 1_024

export class SkippedCommands {
  #stretches: Stretch[] = []
  /** The offset that the last frame names, and the topic that this offset is in. */
  #next: CommandOffset | undefined
  #commandsTopic = 0

  add(frame: Frame): void {
    const end = { offset: frame.nextCommandOffset, index: frame.nextCommandIndex }
    const reason = skipReasonOf(frame.skip)
    if (this.#next !== undefined && isAdoption(this.#commandsTopic, frame.commandsTopic)) {
      // The commands topic was replaced. From here on the same offsets belong to other commands, and commands of the
      // old topic are lost, however they ended.
      this.#stretches = []
      this.#next = undefined
    }
    // It is not known what stands before the first frame.
    if (reason !== undefined && this.#next !== undefined) {
      this.#stretches.push({ from: this.#next, end, reason })
      if (this.#stretches.length > STRETCHES_MAX) this.#stretches = this.#stretches.slice(STRETCHES_MAX / 2)
    }
    this.#next = end
    this.#commandsTopic = frame.commandsTopic
  }

  /** Why the command at `index` of an offer was skipped. Undefined: it was not, as far as is known. */
  reasonFor(offer: OfferOffsets, index: number): SkipReason | undefined {
    return this.#stretches.find(
      ({ from, end }) =>
        offer.before(from.offset, from.index) <= index && index < offer.before(end.offset, end.index),
    )?.reason
  }
}
