/**
 * Frames that the log of a partition has to hold, because somebody has read them there before: the writer that ran here
 * before, or whoever left a witness in the snapshot store. A log without them went backwards, and is not written to.
 */
import { LogError } from '../../eventlog/errors.ts'
import { sameBytes, type Frame } from '../../schemas/frames.ts'
import type { HeadWitness } from '../snapshot-store/head-witness.ts'

/** A frame, and who knows of it: a noun for a sentence. */
export interface KnownFrame {
  readonly head: HeadWitness
  readonly knownTo: string
}

export class KnownFrames {
  private missing: readonly KnownFrame[]

  /** @param from offset of the frame from which the log is read: what stands up to there is proven by that frame's hash */
  constructor(known: readonly KnownFrame[], from: bigint | undefined) {
    this.missing = known.filter(({ head }) => from === undefined || head.place > from)
  }

  /** An accepted frame. */
  saw({ hash }: Pick<Frame, 'hash'>): void {
    if (this.missing.length > 0) this.missing = this.missing.filter(({ head }) => !sameBytes(head.hash, hash))
  }

  /**
   * The log has been read to its end.
   * @param topic for people
   * @throws LogError `log_regressed` if a frame was not there
   */
  check(topic: string): void {
    const [first] = this.missing
    if (first === undefined) return
    const { partition, sequence, epoch, place } = first.head
    throw new LogError(
      'log_regressed',
      `Partition ${partition} of ${topic} does not hold the frame at offset ${place} (sequence ${sequence}, epoch ${epoch}) that ` +
        `${first.knownTo} knows: the topic went backwards, or another one stands in its place. Nothing was written. ` +
        'Put the newest copy of the topic back; a deployment that begins anew needs an empty snapshot store as well.',
    )
  }
}
