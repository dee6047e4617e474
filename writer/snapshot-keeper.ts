/**
 * When the core's state is kept, off the hot path: every so many events it is copied between two frames, and once the
 * frame it was copied behind is durable, a thread of its own writes it. So no snapshot ever knows more than the log.
 */
import type { FrameReceipt } from '../eventlog/file/log-messages.ts'
import type { WalletCore } from './core/core.ts'
import type { Section, Snapshot } from './snapshot-file.ts'

/** Copying stops the loop, so it may take one part in this many of all time: a large state is copied less often. */
const COPY_SHARE = 200

export interface SnapshotKeeperStart {
  /** Writes a snapshot durably, off this thread. Its sections' memory goes with it. Rejects if that failed. */
  readonly save: (snapshot: Snapshot) => Promise<void>
  /** Milliseconds that only go forward: what copying costs is measured by them. */
  readonly nowMs: () => number
  readonly partition: number
  readonly epoch: bigint
  /** Events between two snapshots, at least. */
  readonly everyEvents: bigint
  /** Sequence of the newest usable snapshot, 0 if there is none. */
  readonly newestSequence: bigint
  /** Called when a snapshot has been written. */
  readonly saved: () => void
  /** Takes a line for the operator. */
  readonly notice: (line: string) => void
}

/** A copy of the state that waits until the frame it was taken behind is durable. */
interface Copy {
  readonly sections: readonly Section[]
  /** That frame's number, counted from this writer's first. */
  readonly frame: number
}

export class SnapshotKeeper {
  /** Sequence of the newest snapshot written, 0 if there is none. */
  newestSequence: bigint
  private readonly start: SnapshotKeeperStart
  private copy: Copy | undefined
  private saving: Promise<void> | undefined
  /** Sequence from which the next interval is counted: a failed snapshot is not tried again at once. */
  private countedFrom: bigint
  /** No copy is made before this, by `nowMs`. */
  private restUntilMs = 0

  constructor(start: SnapshotKeeperStart) {
    this.start = start
    this.newestSequence = start.newestSequence
    this.countedFrom = start.newestSequence
  }

  /** Copies the state, if it is time and no other copy is under way. To be called between two frames. */
  offer(core: WalletCore, frames: number): void {
    if (this.copy !== undefined || this.saving !== undefined) return
    const sequence = core.sequence()
    if (sequence - this.countedFrom < this.start.everyEvents) return
    const beganMs = this.start.nowMs()
    if (beganMs < this.restUntilMs) return
    this.countedFrom = sequence
    this.copy = { sections: core.save(), frame: frames }
    const endedMs = this.start.nowMs()
    this.restUntilMs = endedMs + (endedMs - beganMs) * COPY_SHARE
  }

  /** Says that a frame is durable, counted from this writer's first. */
  durable(frame: number, receipt: FrameReceipt): void {
    if (this.copy?.frame !== frame) return
    const { sections } = this.copy
    this.copy = undefined
    this.saving = this.save(sections, receipt)
  }

  /** Keeps the last state, if anything has happened since the newest snapshot. `receipt`: of the last durable frame. */
  async finish(core: WalletCore, receipt: FrameReceipt): Promise<void> {
    await this.saving
    if (core.sequence() > this.newestSequence) await this.save(core.save(), receipt)
  }

  /** A snapshot that cannot be written costs the next start time, not safety: it is told, and the writer goes on. */
  private async save(sections: readonly Section[], receipt: FrameReceipt): Promise<void> {
    const { partition, epoch, saved, notice } = this.start
    const { sequence, hash, nextCommandOffset, nextCommandIndex } = receipt
    try {
      await this.start.save({
        partition,
        sequence,
        epoch,
        chainHash: hash,
        nextCommandOffset,
        nextCommandIndex,
        sections,
      })
      this.newestSequence = sequence
      saved()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      notice(
        `The snapshot at sequence ${sequence} could not be written: ${reason}. The log is whole without it.`,
      )
    } finally {
      this.saving = undefined
    }
  }
}
