/**
 * The one writer's side of a log that others can write to as well: chains its frames one behind the other before any of them
 * is known to stand, and says what each frame means that is read back. Pure: what sends and what reads is elsewhere.
 *
 * Nothing is acknowledged but what was read back as accepted. A writer whose frame comes back void, or that sees another
 * one's frame accepted, has been replaced: for good, because all that it sent behind it is void as well.
 */
import { sameBytes, type Frame } from '../../../schemas/frames.ts'
import { LogError } from '../../errors.ts'
import { chainAfter, type ChainEnd } from '../../file/layout/segments.ts'
import type { Judgement } from '../../reader-rule.ts'

/** What a frame that was read back means to this writer. */
export type ReadBack =
  /** Its own next one, accepted: it may be acknowledged. */
  | 'durable'
  /**
   * Another writer's frame was accepted: that one follows the chain now. Or one of a later epoch came too late to be accepted:
   * its writer has been given the partition, and would lose every race against one that writes without a pause. So the older
   * one gives way, and the next try succeeds.
   */
  | 'successor'
  /** One of its own is void, and has not been accepted before. */
  | 'void'
  /** Nothing: a repeat, or a stranger's void frame. Or this writer has been replaced already. */
  | 'ignored'

export class SharedAppender {
  #chain: ChainEnd
  #durableSequence: bigint
  #isReplaced = false
  /** Its opening frame was accepted. */
  #isOpen = false
  /** Hashes of frames that were sealed here and have not been read back, in order. */
  readonly #pending: Uint8Array[] = []

  /** @param head where the accepted chain ends, as far as it has been read */
  constructor(head: ChainEnd) {
    this.#chain = head
    this.#durableSequence = head.sequence
  }

  /** Where its own frames end, accepted or not. */
  chain(): ChainEnd {
    return this.#chain
  }

  /** Frames that were sealed and not read back. */
  pending(): number {
    return this.#pending.length
  }

  isReplaced(): boolean {
    return this.#isReplaced
  }

  /**
   * Chains the next frame.
   * @param sealed seals it behind a chain; the second argument is the last sequence known durable
   * @throws LogError `log_broken` if it does not continue the chain; `log_replaced` if this writer has been
   */
  append(sealed: (chain: ChainEnd, durableSequence: bigint) => Frame): Frame {
    if (this.#isReplaced) throw replacedError(this.#chain)
    const frame = sealed(this.#chain, this.#durableSequence)
    if (frame.firstSequence !== this.#chain.sequence + 1n)
      throw new LogError(
        'log_broken',
        `A frame from sequence ${frame.firstSequence} does not continue the log at ${this.#chain.sequence}. ` +
          'This is a fault of the program; nothing of the frame was sent.',
      )
    this.#chain = chainAfter(frame)
    this.#pending.push(frame.hash.slice())
    return frame
  }

  /** Takes a frame that was read back, with what the reader rule says of it. Frames are given in the log's order. */
  readBack(frame: Frame, judgement: Judgement): ReadBack {
    if (this.#isReplaced) return 'ignored'
    const isAccepted = judgement.kind === 'accepted'
    if (isAccepted && this.#pending[0] !== undefined && sameBytes(this.#pending[0], frame.hash)) {
      this.#pending.shift()
      this.#isOpen = true
      this.#durableSequence = frame.firstSequence + BigInt(frame.count) - 1n
      return 'durable'
    }
    // Whoever writes now does not know yet that it is to be replaced: its opening frame, void by now, will tell it.
    if (isAccepted && this.#isOfPredecessor(frame)) return 'ignored'
    const isOwn = this.#pending.some((hash) => sameBytes(hash, frame.hash))
    const isSuccessor = isAccepted || this.#isChallenge(frame, judgement)
    if (!isSuccessor && !isOwn) return 'ignored'
    this.#isReplaced = true
    return isSuccessor ? 'successor' : 'void'
  }

  #isOfPredecessor(frame: Frame): boolean {
    if (this.#isOpen) return false
    return this.#pending.length === 0 ? frame.epoch <= this.#chain.epoch : frame.epoch < this.#chain.epoch
  }

  #isChallenge(frame: Frame, judgement: Judgement): boolean {
    const isOfThisLog = judgement.kind === 'void' && judgement.reason !== 'other_partition'
    return isOfThisLog && frame.epoch > this.#chain.epoch
  }
}

/** What a writer fails with that has been replaced. */
export function replacedError({ partition, sequence }: ChainEnd): LogError {
  return new LogError(
    'log_replaced',
    `Another writer has taken over partition ${partition}: what this one wrote up to sequence ${sequence} without an answer was not accepted. ` +
      'It has stopped; nothing of that was acknowledged.',
  )
}
