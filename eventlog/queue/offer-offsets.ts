/** Where the commands of an offer stand, in the two numberings that queues have. */
import { isAdoption, mayBeSameTopic, topicPartOf } from '../../schemas/commands-topic.ts'
import type { Frame } from '../../schemas/frames.ts'
import type { CommandOffset, OfferOffsets } from '../ports.ts'

/** Each command has an offset of its own, one more than that of the command before it. */
export function offsetsFrom(firstOffset: bigint, count: number): OfferOffsets {
  return new Offsets(firstOffset, count)
}

class Offsets implements OfferOffsets {
  readonly offset: bigint
  readonly index = 0
  readonly isRepeated = false
  readonly topic = 0
  readonly #count: number

  constructor(firstOffset: bigint, count: number) {
    this.offset = firstOffset
    this.#count = count
  }

  get end(): CommandOffset {
    return { offset: this.offset + BigInt(this.#count), index: 0 }
  }

  before(offset: bigint): number {
    if (offset <= this.offset) return 0
    const before = offset - this.offset
    return before >= BigInt(this.#count) ? this.#count : Number(before)
  }
}

/**
 * The commands `index` to `index + count − 1` of the record at `offset`. Behind a record's last command comes the first one
 * of the next record.
 */
export function withinRecord(
  offset: bigint,
  index: number,
  count: number,
  of: { readonly recordCount: number; readonly isRepeated: boolean; readonly topic?: number },
): OfferOffsets {
  return new WithinRecord(offset, index, count, of.recordCount, of.isRepeated, of.topic ?? 0)
}

class WithinRecord implements OfferOffsets {
  readonly offset: bigint
  readonly index: number
  readonly isRepeated: boolean
  readonly topic: number
  readonly #count: number
  readonly #recordCount: number

  constructor(
    offset: bigint,
    index: number,
    count: number,
    recordCount: number,
    isRepeated: boolean,
    topic: number,
  ) {
    this.offset = offset
    this.index = index
    this.isRepeated = isRepeated
    this.topic = topic
    this.#count = count
    this.#recordCount = recordCount
  }

  get end(): CommandOffset {
    const index = this.index + this.#count
    return index < this.#recordCount ? { offset: this.offset, index } : { offset: this.offset + 1n, index: 0 }
  }

  before(offset: bigint, index: number): number {
    if (offset > this.offset) return this.#count
    if (offset < this.offset) return 0
    return Math.min(this.#count, Math.max(0, index - this.index))
  }
}

/** True if (offset, index) names `offsets`. */
export function isAtOffset(offsets: CommandOffset, offset: bigint, index: number): boolean {
  return offsets.offset === offset && offsets.index === index
}

/** What a frame, or the head of a log, says of commands. */
export type Consumed = Pick<Frame, 'nextCommandOffset' | 'nextCommandIndex' | 'commandsTopic'>

/** How many commands of an offer a frame has consumed, it and those before it: none of a topic that it does not go by. */
export function consumedOf(place: OfferOffsets, frame: Consumed | undefined): number {
  if (frame === undefined || !mayBeSameTopic(place.topic, topicPartOf(frame.commandsTopic))) return 0
  return place.before(frame.nextCommandOffset, frame.nextCommandIndex)
}

/**
 * Which topics frames go by, one after the other. Where a writer has taken up another one, or another place of the same, no
 * frame will ever consume what stood before that in any other: nobody decided it, and nobody will.
 */
export class TopicTrail {
  #newest: number | undefined
  /** Topics that frames have gone by before. */
  readonly #left: number[] = []

  /** The topic that frames go by; 0: not said. */
  get part(): number {
    return this.#newest === undefined ? 0 : topicPartOf(this.#newest)
  }

  /**
   * The next frame, in order.
   * @returns undefined, or, if another place was taken up with it, whether an offer that has this place by now is lost
   */
  next({ commandsTopic }: Consumed): ((place: OfferOffsets) => boolean) | undefined {
    const before = this.#newest
    this.#newest = commandsTopic
    if (before === undefined || !isAdoption(before, commandsTopic)) return undefined
    const [old, part] = [topicPartOf(before), topicPartOf(commandsTopic)]
    if (old !== part) {
      this.#left.push(old)
      if (this.#left.length > LEFT_MAX) this.#left.shift()
    }
    // Of the same topic it is not known what still stands there; of another one, what has come to stand there is to come.
    return (place) => old === part || place.topic !== part
  }

  /** True if what comes to be known to stand there is in a topic that no frame goes by any more. */
  isLeft({ topic }: OfferOffsets): boolean {
    return topic !== 0 && topic !== this.part && this.#left.includes(topic)
  }
}

/** Topics that are remembered as left. */
const LEFT_MAX = 16
