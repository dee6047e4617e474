/** Proof by replay: the log, read again from zero into tables of its own, must give the views that are there. */
import type { EventLog } from '../../eventlog/ports.ts'
import { digestViews, type NameOf, type ViewDigest } from './digest.ts'
import { createSharedFeed, createVersion, feedName, sharedFeedName } from '../clickhouse/view-tables.ts'
import { tableNameAmong, type SqlProjection } from '../projection.ts'
import { fixedServing, type Serving } from '../serving.ts'
import { isEmptyRange, withoutEvents } from '../runtime/lanes/cut.ts'
import { insertRange, type Range } from '../runtime/lanes/range.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import { replayRanges, withReplayDatabase } from './replay.ts'

export interface ReplayProof {
  readonly equal: boolean
  /** Tables whose rows differ: what the replay gave against what stands in the view. */
  readonly differences: readonly { readonly replayed: ViewDigest; readonly live: ViewDigest }[]
  /** Events replayed. */
  readonly events: bigint
  readonly digests: readonly ViewDigest[]
  readonly seconds: number
}

/**
 * Replays one partition's log up to a sequence that the views hold and compares row for row, by digest. Other reads and
 * writes go on meanwhile; what the replay needs is removed in the end.
 * @throws BrokenChainError if the log itself has a gap; RangeError if it ends before `upTo`
 */
export async function proveByReplay(options: {
  readonly store: ViewStore
  readonly log: EventLog
  readonly upTo: bigint
  /** Those whose views are replayed and compared, with those whose tables they lean on (`past`). */
  readonly projections: readonly SqlProjection[]
  /** The versions that are compared with the replay, made by these projections; by default as declared. */
  readonly serving?: Serving
  /** Sequences that operators have left out of a projection, by its name: its replay leaves them out as well. */
  readonly without?: ReadonlyMap<string, ReadonlySet<bigint>>
  /** Called with the sequence up to which the replay has come. */
  readonly progress?: (sequence: bigint) => void
}): Promise<ReplayProof> {
  const { store, log, upTo, projections } = options
  const startedMs = performance.now()
  return withReplayDatabase(store, async (database) => {
    for (const projection of projections)
      for (const statement of createVersion(projection, { database })) await store.command(statement)
    for (const statement of createSharedFeed(projections, { database })) await store.command(statement)
    await replayRanges({ log, upTo }, async (range) => {
      await insert(options, database, range)
      options.progress?.(range.last)
    })
    const position = new Map([[log.partition, upTo]])
    const replayed = await digestViews(store, projections, position, (table) =>
      tableNameAmong(projections, table, database),
    )
    const live = await digestViews(
      store,
      projections,
      position,
      servedName(options.serving ?? fixedServing(projections)),
    )
    const differences = replayed
      .map((digest, index) => ({ replayed: digest, live: live[index]! }))
      .filter((pair) => pair.replayed.digest !== pair.live.digest || pair.replayed.rows !== pair.live.rows)
    return {
      equal: differences.length === 0,
      differences,
      events: upTo,
      digests: replayed,
      seconds: (performance.now() - startedMs) / 1_000,
    }
  })
}

function servedName(serving: Serving): NameOf {
  return (table) => {
    const name = serving.tables()[table]
    if (name === undefined) throw new RangeError(`no projection that serves has a table ${table}`)
    return name
  }
}

/** A range of which something is left out goes to each projection by itself: the others take all of it. */
async function insert(
  {
    store,
    projections,
    without = new Map<string, ReadonlySet<bigint>>(),
  }: Parameters<typeof proveByReplay>[0],
  database: string,
  range: Range,
): Promise<void> {
  const isWhole = [...without.values()].every((sequences) =>
    [...sequences].every((sequence) => sequence < range.first || sequence > range.last),
  )
  if (isWhole) return insertRange(store, sharedFeedName(projections, database), range)
  for (const projection of projections) {
    const left = withoutEvents(range, without.get(projection.name) ?? new Set())
    if (!isEmptyRange(left)) await insertRange(store, feedName(projection, database), left)
  }
}
