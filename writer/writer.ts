/** What a running writer shows to the rest: the queue into it, the log out of it, and how it does. */
import type { CommandQueue, EventLog } from '../eventlog/ports.ts'

export interface WriterStatus {
  readonly state: 'starting' | 'ready' | 'failed' | 'stopped'
  /** What stopped it, for people: a sentence and what to do. */
  readonly failure: string | undefined
  readonly epoch: bigint
  readonly accounts: number
  readonly holdsOpen: number
  /** Sequence of the newest usable snapshot; 0 if there is none. */
  readonly snapshotSequence: bigint
}

/** One writer per partition. Nothing but the log tells what it decided. */
export interface Writer {
  readonly queue: CommandQueue
  readonly log: EventLog
  status(): WriterStatus
  /** Called once when the writer stops by itself: a failed write or fsync, broken logic. The process should end. */
  onFailure(listener: (reason: string) => void): void
  /** Takes no more commands, commits what was taken, writes a snapshot, lets go of the folder. */
  stop(): Promise<void>
}
