/** Where a lane's ranges go: one version of one projection. Tables, code or a sink stand behind it. */
import type { Range } from './range.ts'

export interface Target {
  /** Makes what is missing, and loads what is needed. Safe to repeat. @throws EventFault never; OutageError */
  prepare(): Promise<void>
  /**
   * Resolves when everything that the range makes is stored for good. The same events may come again, in the same cuts or in
   * others; they come in order, and nothing is left out between two ranges of a partition.
   * @throws EventFault if one event cannot be taken; OutageError for what passes; anything else is broken logic
   */
  write(range: Range): Promise<void>
  /** Names of tables, and of what fills them, that must be there for the rows to be whole. */
  readonly parts: readonly string[]
  /** Takes away what an event has made: an operator has left it out. */
  forget?(partition: number, sequence: bigint): Promise<void>
  stop(): Promise<void>
}

/** An event that a projection cannot take. It stops that projection alone. */
export class EventFault extends Error {
  override readonly name = 'EventFault'
  readonly code = 'EVENT_REFUSED'
  readonly partition: number
  readonly sequence: bigint

  /** @param message the cause, as its author or an operator reads it */
  constructor(partition: number, sequence: bigint, message: string, options?: ErrorOptions) {
    super(message, options)
    this.partition = partition
    this.sequence = sequence
  }
}
