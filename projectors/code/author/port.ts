/** Where an author's functions run: in a process of their own, or here. What the target asks of it, and what it answers. */
import type { MadeRows } from '../values/table-rows.ts'

/** A range, as it is handed to an author's functions. */
export interface Work {
  readonly partition: number
  /** Event rows, one behind the other. */
  readonly bytes: Uint8Array
  /** Events up to this one are done with; the states are as they are after it. */
  readonly after: bigint
  /** The range's last sequence. */
  readonly last: bigint
  /** Says how the states stand where the author knows nothing of them, or may no longer go by what he knows. */
  readonly states?: 'none are stored' | 'some are stored'
}

/** States by key, as they are stored. A key that is missing has none. */
export type StoredStates = ReadonlyMap<string, Uint8Array>

/** What an author's functions make of a range. */
export interface Made {
  readonly rows: readonly MadeRows[]
  /** Rows of the state table, the mark among them; undefined: the projection keeps no states. */
  readonly states: MadeRows | undefined
}

/** The functions of a code projection. */
export interface Author {
  /** Loads the file, where that has not been done or what had loaded it is gone. @throws ProjectionLoadError */
  start(): Promise<void>
  /**
   * Runs the functions over a range. What they change is forgotten unless `keep` follows.
   * @param load states that it needs and does not know; a rejection ends the run with it
   * @throws AuthorFault if they cannot take an event
   */
  run(work: Work, load: (keys: readonly string[]) => Promise<StoredStates>): Promise<Made>
  /** Everything that the last run made in this partition is stored. */
  keep(partition: number): void
  stop(): Promise<void>
}

/** An event that an author's functions cannot take. */
export class AuthorFault extends Error {
  override readonly name = 'AuthorFault'
  readonly sequence: bigint

  constructor(sequence: bigint, message: string) {
    super(message)
    this.sequence = sequence
  }
}

/** An author's file that cannot be loaded, or is not what was declared. It has nothing to do with any event. */
export class ProjectionLoadError extends Error {
  override readonly name = 'ProjectionLoadError'
  readonly code = 'PROJECTION_UNLOADABLE'
}
