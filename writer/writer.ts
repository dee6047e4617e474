/** What a running writer shows to the rest: the queue into it, the log out of it, and how it does. */
import type { CommandQueue, EventLog } from '../eventlog/ports.ts'

export interface WriterStatus {
  /** `unreachable`: it decides in another process, and what leads there does not answer just now. */
  readonly state: 'unreachable' | 'ready' | 'failed' | 'stopped'
  /** What stopped it or stands in between, for people: a sentence and what to do. */
  readonly failure: string | undefined
  readonly epoch: bigint
  readonly accounts: number
  readonly holdsOpen: number
  /** Undefined if it decides in another process, which keeps them. */
  readonly snapshot: SnapshotStatus | undefined
}

/** How far back a start would have to begin, and what it costs to keep that short. */
export interface SnapshotStatus {
  /** The newest snapshot that a start can use; undefined: it would replay the log from its first event. */
  readonly newest: NewestSnapshot | undefined
  /** True while another one is made. */
  readonly isUnderWay: boolean
}

export interface NewestSnapshot {
  /** Sequence of the last event in it. */
  readonly sequence: bigint
  /** Wall time of the state that it holds, nanoseconds since 1970. */
  readonly takenAtNs: bigint
  /** Size of its file. */
  readonly bytes: number
  /** From its beginning until it was durable; undefined if an earlier run made it. */
  readonly durationMs: number | undefined
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
