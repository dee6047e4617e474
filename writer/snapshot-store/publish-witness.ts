/**
 * Takes a witness of the log to the store that all writers share, in place of the one that is there. That one is looked at
 * first: the store may not have answered when the writer started. If the log does not hold what it knows, it is the proof
 * that the log went backwards; it stays, and so does one that cannot be read.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../../schemas/errors.ts'
import { sameBytes } from '../../schemas/frames.ts'
import type { HeadWitness } from './head-witness.ts'
import type { SnapshotStore } from './snapshot-store.ts'

const RETRY_MS_DEFAULT = 60_000

export interface WitnessPublisherOptions {
  readonly store: SnapshotStore
  /** Rejects if the log does not hold the frame of another writer's witness, or if that cannot be found out. */
  readonly requireHeld: (found: HeadWitness) => Promise<void>
  readonly notice: (line: string) => void
  /** Ends it, whether it is done or not. */
  readonly signal: AbortSignal
  /** Pause after a failure, in ms. Default: one minute. */
  readonly retryMs?: number
}

export class WitnessPublisher {
  private readonly witness: HeadWitness
  private readonly options: WitnessPublisherOptions
  private trying: Promise<void> | undefined

  /** @param witness the writer's opening frame, read back */
  constructor(witness: HeadWitness, options: WitnessPublisherOptions) {
    this.witness = witness
    this.options = options
  }

  /**
   * Resolves when the store knows of this writer's log or of a later one's; one try is shared by all who ask meanwhile.
   * @throws SnapshotStoreError; what `requireHeld` rejects with
   */
  published(): Promise<void> {
    return (this.trying ??= this.publish().catch((error: unknown) => {
      this.trying = undefined
      throw error
    }))
  }

  /** Tries for as long as it is not there. Never rejects. */
  async keepTrying(): Promise<void> {
    const { notice, signal, retryMs = RETRY_MS_DEFAULT } = this.options
    while (!signal.aborted) {
      try {
        await this.published()
        return
      } catch (error) {
        if (signal.aborted) return
        const reason = messageOf(error)
        notice(
          `The store does not know yet how far the log of partition ${this.witness.partition} is: ${reason}`,
        )
        await sleep(retryMs, undefined, { signal, ref: false }).catch(() => undefined)
      }
    }
  }

  private async publish(): Promise<void> {
    const { witness, options } = this
    const { store, requireHeld, signal } = options
    const found = await store.readWitness(witness.partition, signal)
    if (found !== undefined) {
      if (sameBytes(found.hash, witness.hash)) return
      await requireHeld(found)
      // Whoever opened a later epoch has taken over, and says more.
      if (found.epoch > witness.epoch) return
    }
    await store.writeWitness(witness, signal)
  }
}
