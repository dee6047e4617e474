/**
 * Proof of a code projection: its functions, run anew over the log in the process in which they always run, must give the rows
 * that are there. What a state keeps is proven by the rows that follow from it.
 */
import type { EventLog } from '../../eventlog/ports.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import type { CodeProjection } from '../code-projection.ts'
import { codeTableName } from '../code/tables.ts'
import type { Layout } from '../projection.ts'
import { withoutEvents } from '../runtime/lanes/cut.ts'
import type { Target } from '../runtime/lanes/target.ts'
import { compareVersions, type Comparison } from './compare.ts'
import { replayRanges, withReplayDatabase } from './replay.ts'
import { storedTables } from './rows-at.ts'

export interface CodeProofOptions {
  readonly store: ViewStore
  readonly log: EventLog
  /** What the version holds of the log's partition: above 0. */
  readonly upTo: bigint
  readonly projection: CodeProjection
  /** The version that is proven. */
  readonly version: number
  /** Runs the projection's functions into tables that stand there. */
  readonly targetIn: (layout: Layout) => Target
  /** Sequences that operators have left out of it. */
  readonly without?: ReadonlySet<bigint>
}

/**
 * Replays one partition's log up to a sequence that the version holds. In the comparison the replay is on the left, what is
 * stored on the right; a table of which only the newest rows count and that has moved on since is not comparable.
 * @throws EventFault for an event that the functions do not take; ProjectionLoadError; BrokenChainError; RangeError
 */
export function proveCode({ store, log, upTo, projection, version, targetIn, without = new Set() }: CodeProofOptions): Promise<Comparison> {
  return withReplayDatabase(store, async (database) => {
    const target = targetIn({ database })
    try {
      await target.prepare()
      await replayRanges({ log, upTo }, (range) => target.write(withoutEvents(range, without)))
    } finally {
      await target.stop()
    }
    const at = new Map([[log.partition, upTo]])
    const inDatabase = (layout: Layout): { version: number; position: typeof at; tables: ReturnType<typeof storedTables> } => ({
      version,
      position: at,
      tables: storedTables(projection, (table) => codeTableName(table, version, layout)),
    })
    return compareVersions({ store, projection: projection.name, left: inDatabase({ database }), right: inDatabase({}), at })
  })
} // prettier-ignore
