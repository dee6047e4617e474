/** What waits for outcomes: commands that were offered together, and how each is told what became of it. */
import type { SkipReason } from '../../schemas/frame-notes.ts'
import type { FrameRows } from '../../schemas/frame-rows.ts'
import type { EventlessCommand } from './settle-repeat.ts'

/** Commands of one offer, in order. */
export interface PendingBatch {
  readonly count: number
  /** Their ids, as frame-rows.ts writes them. */
  readonly ids: Int32Array
  /** By a clock that nobody can set: `performance.now()`. */
  readonly offeredAtMs: number
  /** The event of the command at `index` begins at `byte` of the frame's payload. */
  onEvent(index: number, rows: FrameRows, byte: number): void
  /** The command at `index` made no event. Its id had made this one before, so this one is its outcome. */
  onEarlier(index: number, rows: FrameRows, byte: number): void
  /**
   * An event under the id of the command at `index`. It is the command's own, or that of another command with the same
   * id; body and time of receipt tell them apart.
   */
  onFound(index: number, rows: FrameRows, byte: number): void
  /**
   * Whose event it is that stands under the id of the command at `index`: the command's own, that of an earlier command
   * with the same body, or that of another body.
   */
  whose(index: number, rows: FrameRows, byte: number): 'own' | 'repeated' | 'other'
  /**
   * The crossing that the command at `index` began has come to its end: this event is the outcome.
   * @param isRepeat true if an earlier command with this id and body began it
   */
  onEnded(index: number, isRepeat: boolean, rows: FrameRows, byte: number): void
  /**
   * The command at `index` was consumed, and no event of its id is known here.
   * @param awaitEnd to be called if the id turns out to have a crossing under way: `onEnded` or `onUnknown` follows
   */
  onEventless(index: number, silence: EventlessCommand, awaitEnd: (isRepeat: boolean) => void): void
  /** The log says that the command at `index` was skipped, and no event of its id is known here. It was not decided. */
  onSkipped(index: number, reason: SkipReason): void
  /** The outcomes from `index` on will come too late, or never. @param end the index behind the last one */
  onUnknown(index: number, end: number): void
}
