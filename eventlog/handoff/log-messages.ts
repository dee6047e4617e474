/**
 * What the log thread is told and what it tells.
 *
 *   main ──starts──▶ log thread ──ready, frames, failed, stopped──▶ main      (the worker's own port)
 *   core ──frame, stop──▶ log thread ──durable, failed──▶ core                 (the core port)
 *
 * Order: main takes the folder, starts the log thread and awaits `ready` (the tail is repaired by then); the core thread
 * then replays with `readFramesSync` up to `ready.head` and sends its opening frame. Until then the log thread writes
 * nothing of its own.
 */
import type { MessagePort } from 'node:worker_threads'
import type { Frame } from '../../schemas/frames.ts'
import type { LogHead } from '../ports.ts'
import type { FrameMemoryShare, FrameBytesRef } from './frame-memory.ts'
import type { RecoveryReport } from '../file/recovery/open-log.ts'
import type { SlabShare } from './slabs.ts'

/** The log thread's workerData. `corePort` is in the transfer list. */
export interface LogThreadStart {
  /** The data folder; segments go to `<dir>/log/<partition>/`. The caller holds its lock. */
  readonly dir: string
  readonly partition: number
  /** A segment is closed when it has grown to this. Default: SEGMENT_BYTES_MAX_DEFAULT. */
  readonly segmentBytesMax?: number
  /** Quiet time after which the closing empty frame is written. Default: IDLE_FRAME_MS_DEFAULT. */
  readonly idleFrameMs?: number
  /** A sequence that others (snapshot, views) know to have been durable: a log that ends before it is refused. */
  readonly durableAtLeast?: bigint
  readonly slabs: SlabShare
  /** Where frames go on their way to the main thread. */
  readonly frames: FrameMemoryShare
  readonly corePort: MessagePort
}

/** Quiet time after a sync before the log thread writes an empty frame that testifies to it. */
export const IDLE_FRAME_MS_DEFAULT = 100

/**
 * A frame to seal and write. Its payload stands in the slab from byte 136. Magic, partition, durable sequence, previous
 * hash, CRC and hash are the log thread's. Frames without events (the opening frame, a batch of repeated ids or of no
 * commands) have count 0, payloadBytes 0 and the next sequence to come as their first.
 */
export interface FrameToSeal {
  readonly kind: 'frame'
  /** Index of the slab. It is the log thread's from here on; released once the frame has been copied out. */
  readonly slab: number
  /** EVENT_SCHEMA_VERSION. */
  readonly schemaVersion: number
  readonly epoch: bigint
  /** The last frame's last sequence + 1: anything else is broken logic and stops the log thread. */
  readonly firstSequence: bigint
  readonly count: number
  /** Nanoseconds since 1970. */
  readonly timeNs: bigint
  /** Commands consumed up to and with this frame, exclusive. */
  readonly nextCommandOffset: bigint
  readonly nextCommandIndex: number
  /** 0 to FRAME_BYTES_MAX − FRAME_HEADER_BYTES. */
  readonly payloadBytes: number
  /** How it says up to when ids are expired (schemas/frame-notes.ts). Default: it does not. */
  readonly idHorizon?: number
  /** It answers a batch of no commands, and consumes no command: on Kafka it says what was passed over. */
  readonly isSkip?: boolean
}

/** Core thread → log thread. `stop`: write and sync what came before, add the closing mark, close, answer main `stopped`. */
export type CoreToLog = FrameToSeal | { readonly kind: 'stop' }

/** One frame that has become durable. */
export interface FrameReceipt {
  /** Written by the log thread itself as a closing mark; every other receipt answers the next frame sent, in order. */
  readonly isIdleFrame: boolean
  /** Last sequence up to and with this frame. */
  readonly sequence: bigint
  /** The frame's hash: 32 bytes. */
  readonly hash: Uint8Array
  readonly nextCommandOffset: bigint
  readonly nextCommandIndex: number
  /** Where it stands in storage, if a reader can begin there again: in Kafka its record's offset; in files 0. */
  readonly logOffset: bigint
}

/** Why the log thread stopped for ever. The process has to end: what is on disk is known again only after a restart. */
export interface LogFailed {
  readonly kind: 'failed'
  /** A LogErrorCode, or `broken` for broken logic. */
  readonly code: string
  /** For people: what happened and what to do. */
  readonly message: string
}

/** Log thread → core thread. `durable`: one group commit; slabs may have become free since the last message. */
export type LogToCore = { readonly kind: 'durable'; readonly frames: readonly FrameReceipt[] } | LogFailed

/** What the log server tells the main thread. */
export type LogToMain =
  | { readonly kind: 'ready'; readonly head: LogHead; readonly recovery: RecoveryReport }
  /** One group commit: durable, accepted, in order. */
  | { readonly kind: 'frames'; readonly frames: readonly Frame[] }
  | LogFailed
  | { readonly kind: 'stopped'; readonly head: LogHead }

/** A frame between the threads: what is a view of its bytes is made again on the other side. */
export interface FrameSent extends Omit<Frame, 'bytes' | 'payload' | 'hash' | 'previousHash'> {
  readonly bytesRef: FrameBytesRef
}

/** Log thread → main thread. */
export type LogThreadToMain =
  Exclude<LogToMain, { kind: 'frames' }> | { readonly kind: 'frames'; readonly frames: readonly FrameSent[] }
