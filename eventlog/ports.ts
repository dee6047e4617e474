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
  /** Commands consumed, exclusive, as the last accepted frame says: the place of the next one. */
  readonly nextCommandOffset: bigint
  readonly nextCommandIndex: number
  /** Which topic that place is in (schemas/commands-topic.ts); 0, or left out: not said. */
  readonly commandsTopic?: number
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
   * The head as soon as everything is known here that was durable at the call, wherever it was written.
   * @throws what ends the reading of the log; the signal's reason when it aborts
   */
  currentHead(signal?: AbortSignal): Promise<LogHead>
  /**
   * The sequence with which what is stored ends, as far as that is known: the head's, or a later one while not all is read
   * that was there when the log was opened. Nobody has judged the frame that says so: it tells how much is left to read, and
   * nothing may rest on it.
   */
  endSequence(): bigint
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
  /**
   * Where a delivered frame stands in storage, if a reader can begin there again (Kafka: its record's offset); undefined
   * where storage is found by sequence, or if the place is not known any more.
   */
  logOffsetOf(frame: Frame): bigint | undefined
}

/** A command's place in its queue: what a frame's (next command offset, next command index) is of the next to consume. */
export interface CommandOffset {
  readonly offset: bigint
  readonly index: number
}

/**
 * Where the commands of one offer stand, one right behind the other: the place of the first one, and how far a frame's place
 * reaches into the rest. In memory each command has an offset of its own; in Kafka a record has one, and its commands are
 * counted within it.
 */
export interface OfferOffsets extends CommandOffset {
  /** The place behind its last command. */
  readonly end: CommandOffset
  /** How many of its commands stand before a place: 0 to all. */
  before(offset: bigint, index: number): number
  /** True if the same commands may stand at an earlier place as well: they were sent again, for want of an answer. */
  readonly isRepeated: boolean
  /** The topic that it stands in, as frames name it (schemas/commands-topic.ts); 0: there is one only, or it is not known. */
  readonly topic: number
}

/** Told where an offer stands; undefined: it cannot be known whether it was stored, because the queue is out of reach. */
export type OfferStored = (offsets: OfferOffsets | undefined) => void

/** The answer to an offer of commands. */
export type Offer =
  /** Taken, and not yet decided, not yet durable: `stored` says where. */
  | { readonly kind: 'taken' }
  /** The queue is full: nothing was taken. Try again after a pause. */
  | { readonly kind: 'busy' }
  /** The writer behind the queue has stopped: nothing was taken, and nothing will be. */
  | { readonly kind: 'stopped' }

/**
 * Where commands wait for the writer of one partition: bounded, in order. Places go on from the creation of the deployment;
 * a frame's next command place says how far the writer has consumed.
 */
export interface CommandQueue {
  readonly partition: number
  /**
   * Offers whole commands (slots as of schemas/commands.ts). All or none is taken, and commands of one offer are decided
   * one right behind the other, so a linked group never straddles. The queue copies the bytes.
   *
   * `stored` is called exactly once if the offer is taken, and never if not; offers are placed in their order. A queue in
   * memory calls it before it returns. Another one sends one record at a time, and the next when it has told all offers of
   * the last one where they stand: so what waits when an offer is placed at the end of a record has not been sent.
   * @param count commands in `slots`, 1 to BATCH_COMMANDS_MAX
   */
  offer(slots: Uint8Array, count: number, stored: OfferStored): Offer
  /** Commands taken whose frame is not yet durable. */
  waiting(): number
}
