/**
 * Places that marks of a partition's log say were consumed without being decided (schemas/frame-notes.ts). The last ones are
 * kept: who asks about an older one is told that it is not known.
 */
import type { OfferOffsets, CommandOffset } from '../../eventlog/ports.ts'
import { isAdoption } from '../../schemas/commands-topic.ts'
import { skipReasonOf, type SkipReason } from '../../schemas/frame-notes.ts'
import type { Frame } from '../../schemas/frames.ts'

interface Stretch {
  readonly from: CommandOffset
  /** The place behind it. */
  readonly end: CommandOffset
  readonly reason: SkipReason
}

/** A mark stands for as much as was passed over in one go: a flood of poison takes few. */
const STRETCHES_MAX = 1_024

export class PassedOver {
  #stretches: Stretch[] = []
  /** The place that the last frame names, and what it says of the topic that this is in. */
  #next: CommandOffset | undefined
  #commandsTopic = 0

  /** Takes the partition's next frame. */
  add(frame: Frame): void {
    const end = { offset: frame.nextCommandOffset, index: frame.nextCommandIndex }
    const reason = skipReasonOf(frame.mark)
    if (this.#next !== undefined && isAdoption(this.#commandsTopic, frame.commandsTopic)) {
      // The same offsets are other commands' from here on, and those before it are lost, however they ended.
      this.#stretches = []
      this.#next = undefined
    }
    // What stands before the first frame that came is not known.
    if (reason !== undefined && this.#next !== undefined) {
      this.#stretches.push({ from: this.#next, end, reason })
      if (this.#stretches.length > STRETCHES_MAX) this.#stretches = this.#stretches.slice(STRETCHES_MAX / 2)
    }
    this.#next = end
    this.#commandsTopic = frame.commandsTopic
  }

  /** Why the command at `index` of an offer was passed over; undefined: it was not, as far as is known. */
  reasonFor(offer: OfferOffsets, index: number): SkipReason | undefined {
    return this.#stretches.find(
      ({ from, end }) =>
        offer.before(from.offset, from.index) <= index && index < offer.before(end.offset, end.index),
    )?.reason
  }
}
