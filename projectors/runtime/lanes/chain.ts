/**
 * Gap proof: what the views take in continues exactly what they have, frame by frame, by sequence and by hash. The log's
 * own reader rule has judged every frame before; this is the second lock, and it knows what the views hold.
 */
import { lastSequence, sameBytes, type Frame } from '../../../schemas/frames.ts'

/** Up to where views hold everything of a partition. Sequence 0: nothing yet, and no hash. */
export interface Checkpoint {
  readonly partition: number
  readonly sequence: bigint
  /** Hash of the frame that ends with `sequence`. */
  readonly hash: Uint8Array
  /** recorded_at of the event at `sequence`, nanoseconds since 1970. */
  readonly recordedAtNs: bigint
  /** Where the log keeps that frame, if a reader can begin there again; 0: unknown, or the log has no such places. */
  readonly logOffset: bigint
}

/** The log does not continue what the views hold: nothing may be added to either until a person has looked. */
export class BrokenChainError extends Error {
  override readonly name = 'BrokenChainError'
  readonly code = 'CHAIN_BROKEN'
}

/** The views hold events that the log has not: it was exchanged, or restored from an older copy. */
export class LogBehindViewsError extends Error {
  override readonly name = 'LogBehindViewsError'
  readonly code = 'LOG_BEHIND_VIEWS'
}

/** Checks frames one after the other against where the views stand. */
export class ChainProof {
  readonly #from: Checkpoint
  #sequence: bigint
  #hash: Uint8Array | undefined
  #repeats = 0
  #joined: boolean

  /** @param from what the views hold; frames are then expected from `readFrom` on */
  constructor(from: Checkpoint) {
    this.#from = from
    this.#sequence = from.sequence
    // A log that was opened at the place of the views' last frame has found it there; what follows names its hash.
    this.#joined = from.sequence === 0n || from.logOffset !== 0n
    if (from.logOffset !== 0n) this.#hash = from.hash
  }

  /**
   * The sequence to read the log from: so that the frame in which the views end comes first and proves the join, or, where
   * its place is known, the one behind it, so that nothing before that place has to be read.
   */
  get readFrom(): bigint {
    return this.#joined ? this.#sequence + 1n : this.#from.sequence
  }

  /** Frames that came although they were held already. */
  get repeats(): number {
    return this.#repeats
  }

  /**
   * @returns true if the frame is the next one; false if the views hold it already
   * @throws BrokenChainError if it neither continues nor repeats
   */
  continues(frame: Frame): boolean {
    return this.#joined ? this.#next(frame) : this.#join(frame)
  }

  /** The views' last frame must be in the log as they remember it; what comes before it does not matter. */
  #join(frame: Frame): false {
    const { sequence, hash } = this.#from
    const last = lastSequence(frame)
    if (frame.count === 0 ? last < sequence : last < sequence && frame.firstSequence <= sequence) return false
    if (last !== sequence || frame.count === 0)
      throw this.#broken(frame, `the views end at ${sequence}, which is not where a frame of the log ends`)
    if (!sameBytes(frame.hash, hash))
      throw this.#broken(frame, `the views were made from another history: the hash of ${sequence} differs`)
    this.#joined = true
    this.#hash = hash
    return false
  }

  #next(frame: Frame): boolean {
    const last = lastSequence(frame)
    const follows = this.#hash === undefined || sameBytes(frame.previousHash, this.#hash)
    if (frame.firstSequence === this.#sequence + 1n && follows) {
      this.#sequence = last
      this.#hash = frame.hash.slice()
      return true
    }
    if (last <= this.#sequence) {
      this.#repeats++
      return false
    }
    throw this.#broken(
      frame,
      frame.firstSequence === this.#sequence + 1n
        ? 'its previous hash is not that of the frame before'
        : `after ${this.#sequence} comes ${frame.firstSequence}`,
    )
  }

  #broken(frame: Frame, cause: string): BrokenChainError {
    const where = `partition ${frame.partition}, frame ${frame.firstSequence} to ${lastSequence(frame)}`
    return new BrokenChainError(`The log does not continue the views at ${where}: ${cause}.`)
  }
}
