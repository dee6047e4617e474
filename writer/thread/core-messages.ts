/**
 * What the core thread is told and what it tells.
 *
 *   main ──replay, recover, commands, digest, stop──▶ core thread
 *   core thread ──loaded, replayed, serving, wanted, kept, digest, notice, failed, stopped──▶ main
 *
 * Order: main starts the core thread, which loads a snapshot and says how far it reaches (`loaded`); main then opens the
 * log, which must reach at least as far, and sends `recover`; the core thread replays the tail, appends its opening frame
 * and says `serving` when that is durable. The tail it reads from files by itself, or main has fed it before (`replay`,
 * each answered by `replayed`, so that no more is under way than main allows). From then on it asks for each batch of commands (`wanted`). What passes between
 * core and log thread stands in eventlog/handoff/log-messages.ts.
 */
import type { MessagePort } from 'node:worker_threads'
import type { LogErrorCode } from '../../eventlog/errors.ts'
import type { SlabShare } from '../../eventlog/handoff/slabs.ts'
import type { LogHead } from '../../eventlog/ports.ts'
import type { CoreOptions } from '../core/core.ts'
import type { Replayed } from '../recovery/load-state.ts'
import type { SnapshotRuleOptions } from '../snapshots/snapshot-rule.ts'
import type { UnusableSnapshot } from '../snapshots/snapshot-folder.ts'

/** The core thread's workerData. */
export interface CoreThreadStart {
  readonly dataDir: string
  readonly core: CoreOptions
  readonly snapshotRule: SnapshotRuleOptions
  /** Snapshots to keep, the newest included. */
  readonly snapshotsKept: number
  /** STATUS_WORDS words of 64 bits, which the core thread keeps up to date. */
  readonly status: SharedArrayBuffer
}

/** Words of the shared status. */
export const STATUS = {
  accounts: 0,
  holdsOpen: 1,
  /** Of the newest usable snapshot; 0 where there is none. */
  snapshotSequence: 2,
  snapshotTakenAtNs: 3,
  snapshotBytes: 4,
  /** −1: an earlier writer made it. */
  snapshotDurationMs: 5,
  /** 1 while one is made. */
  snapshotUnderWay: 6,
} as const
export const STATUS_WORDS = 7

/** Main thread → core thread. */
export type MainToCore = ReplayFrame | Recover | FromThenOn

/** The next accepted frame behind the snapshot, or behind the one fed before. */
export interface ReplayFrame {
  readonly kind: 'replay'
  readonly hash: Uint8Array
  readonly count: number
  /** In memory of its own, in the transfer list; it begins at a multiple of 8 bytes. */
  readonly payload: Uint8Array
}

export interface Recover {
  readonly kind: 'recover'
  /** Where the tail behind the snapshot comes from: the data folder's own log, or what was fed. */
  readonly tail: 'files' | 'fed'
  /** Where the log ends. */
  readonly head: LogHead
  readonly slabs: SlabShare
  /** To the log thread; in the transfer list. */
  readonly logPort: MessagePort
}

export type FromThenOn =
  /**
   * A batch that was wanted: whole slots in shared memory, as they are until their frame is durable. With count 0, a frame
   * without events says how far commands are consumed.
   */
  | { readonly kind: 'commands'; readonly slots: Uint8Array; readonly count: number }
  | { readonly kind: 'digest'; readonly id: number }
  /** Decide what was taken, wait until it is durable, write a snapshot, stop the log thread. */
  | { readonly kind: 'stop' }

/** Core thread → main thread. */
export type CoreToMain =
  | LoadedSnapshot
  | { readonly kind: 'serving'; readonly epoch: bigint; readonly replayed: Replayed }
  /** One more batch of commands is wanted. */
  | { readonly kind: 'wanted' }
  /** A fed frame is applied. */
  | { readonly kind: 'replayed' }
  /** A snapshot is durable in the data folder. */
  | { readonly kind: 'kept'; readonly sequence: bigint }
  | DigestAnswer
  /** A line for the operator. */
  | { readonly kind: 'notice'; readonly line: string }
  /** The state could not be recovered. */
  | { readonly kind: 'failed'; readonly code: LogErrorCode; readonly message: string }
  | { readonly kind: 'stopped' }

/** What the core thread starts from. */
export interface LoadedSnapshot {
  readonly kind: 'loaded'
  /** Path relative to the data folder; undefined: it starts from the log's first event. */
  readonly file: string | undefined
  /** 0 if there is none. */
  readonly sequence: bigint
  /** The frame that it was taken behind; undefined if there is no snapshot. */
  readonly anchor: { readonly logOffset: bigint; readonly hash: Uint8Array } | undefined
  readonly unusable: readonly UnusableSnapshot[]
}

/** Answers the `digest` with the same id: one of the two is given. */
export interface DigestAnswer {
  readonly kind: 'digest'
  readonly id: number
  readonly digest: string | undefined
  readonly failure: string | undefined
}
