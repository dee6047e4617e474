/**
 * One writer's side of a log that others can write to. It chains its frames before any of them is known to be stored, and says
 * what each frame that is read back means. Pure: sending and reading are elsewhere.
 *
 * Only frames that were read back as accepted are acknowledged. A writer whose frame comes back void, or that sees another
 * writer's frame accepted, has been replaced. That is final: everything it sent behind that frame is void as well.
 */
import { sameBytes, type Frame } from '../../../schemas/frames.ts'
import { LogError } from '../../errors.ts'
import { chainAfter, type ChainEnd } from '../../file/layout/segments.ts'
import type { Judgement } from '../../reader-rule.ts'

/** What a frame that was read back means to this writer. */
export type ReadBack =
  /** The next own frame was accepted: it may be acknowledged. */
  | 'durable'
  /**
   * Another writer's frame was accepted. Or a frame of a later epoch came too late to be accepted: its writer has been given
   * the partition, but would lose every race against a writer that never pauses. So the older writer gives way.
   */
  | 'successor'
  /** An own frame is void, and was not accepted before. */
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
    // The predecessor still writes: it learns of its replacement from this writer's opening frame, which is void by now.
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
