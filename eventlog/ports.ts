/** The two ports between the doors, the writer and the views: where commands wait, and where events stand. */
import type { Frame } from '../schemas/frames.ts'

/** Where a log's accepted chain ends. `sequence` 0 and a zero hash: nothing has been accepted yet. */
export interface LogHead {
  readonly partition: number
  readonly epoch: bigint
  /** Last accepted sequence. */
  readonly sequence: bigint
  /** Hash of the last accepted frame: 32 bytes. */
  readonly hash: Uint8Array
  /** Commands consumed, exclusive, as the last accepted frame says. */
  readonly nextCommandOffset: bigint
}

/**
 * One partition of the event log, as its readers see it: only frames that the reader rule accepts and that are durable,
 * each once, in order. Void frames are counted, never delivered. Corruption rejects with LogCorruptError.
 */
export interface EventLog {
  readonly partition: number
  /** The newest accepted, durable frame known here. */
  head(): LogHead
  /**
   * Frames from the one that holds `fromSequence` (or the next that has it behind it) up to the head at the time of the
   * call. Frames without events are delivered too. Frame bytes stay valid for as long as they are referenced.
   */
  read(fromSequence: bigint): AsyncIterable<Frame>
  /**
   * As `read`, and then each further frame when it is durable, until `signal` aborts. A reader that falls behind costs no
   * memory: it is served from storage until it has caught up.
   */
  tail(fromSequence: bigint, signal: AbortSignal): AsyncIterable<Frame>
}

/** The answer to an offer of commands. */
export type Offer =
  /** Taken: the command at index i of the offer has the offset `firstOffset + i`. Not yet decided, not yet durable. */
  | { readonly kind: 'taken'; readonly firstOffset: bigint }
  /** The queue is full: nothing was taken. Try again after a pause. */
  | { readonly kind: 'busy' }
  /** The writer behind the queue has stopped: nothing was taken, and nothing will be. */
  | { readonly kind: 'stopped' }

/**
 * Where commands wait for the writer of one partition: bounded, in order. An offset counts commands since the creation of
 * the deployment; a frame's next command offset says how far the writer has consumed.
 */
export interface CommandQueue {
  readonly partition: number
  /**
   * Offers whole commands (slots as of schemas/commands.ts). All or none is taken, and commands of one offer are decided
   * one right behind the other, so a linked group never straddles. The queue copies the bytes.
   * @param count commands in `slots`, 1 to BATCH_COMMANDS_MAX
   */
  offer(slots: Uint8Array, count: number): Offer
  /** Commands taken whose frame is not yet durable. */
  waiting(): number
}
