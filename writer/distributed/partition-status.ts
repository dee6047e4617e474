/** The status of a partition's writer. */
import type { CommandOffset, LogHead } from '../../eventlog/ports.ts'
import { STATUS, type LoadedSnapshot } from '../thread/core-messages.ts'
import type { Replayed } from '../recovery/load-state.ts'
import type { SnapshotPublisher } from '../snapshot-store/publisher.ts'

/** How the writer recovered its state. */
export interface PartitionRecovery {
  /** The snapshot started from; undefined: the log was replayed from its first event. */
  readonly snapshot: { readonly file: string; readonly sequence: bigint } | undefined
  readonly unusable: LoadedSnapshot['unusable']
  readonly replayed: Replayed
  /** Where the log ended, before the opening frame. */
  readonly head: LogHead
  readonly milliseconds: number
}

export interface PartitionWriterStatus {
  readonly epoch: bigint
  readonly sequence: bigint
  readonly accounts: number
  readonly holdsOpen: number
  /** The next command to be consumed. */
  readonly next: CommandOffset
  /** Records of the commands topic that were skipped because they hold no commands. */
  readonly recordsSkipped: number
  /** Invalid commands, in records whose other commands were taken. */
  readonly commandsPassedOver: number
  /** Records of the commands topic that were deleted before they were taken. */
  readonly recordsDeleted: number
  /** Frames of other writers or sent twice that were found void since the start. */
  readonly voids: number
  readonly snapshot: PartitionSnapshotStatus
}

export interface PartitionSnapshotStatus {
  /** Of the newest on this machine; 0: none. */
  readonly sequence: bigint
  /** Wall time of its state, nanoseconds since 1970. */
  readonly takenAtNs: bigint
  readonly bytes: number
  /** Of the newest that this writer took to the store; 0: none yet. */
  readonly publishedSequence: bigint
  /** Why the newest is not in the store, as a sentence. */
  readonly publishFailure: string | undefined
  readonly isUnderWay: boolean
}

/** @param words of the core's status */
export function snapshotStatus(
  words: BigInt64Array,
  { published, failure }: Pick<SnapshotPublisher, 'published' | 'failure'>,
): PartitionSnapshotStatus {
  return {
    sequence: words[STATUS.snapshotSequence]!,
    takenAtNs: words[STATUS.snapshotTakenAtNs]!,
    bytes: Number(words[STATUS.snapshotBytes]!),
    publishedSequence: published,
    publishFailure: failure,
    isUnderWay: words[STATUS.snapshotUnderWay] === 1n,
  }
}
