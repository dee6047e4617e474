/** Proof by replay: the log, read again from zero into tables of its own, must give the views that are there. */
import { randomBytes } from 'node:crypto'
import type { EventLog } from '../../eventlog/ports.ts'
import { lastSequence } from '../../schemas/frames.ts'
import { ChainProof } from '../runtime/lanes/chain.ts'
import { noCheckpoint } from '../runtime/checkpoints.ts'
import { digestViews, type NameOf, type ViewDigest } from './digest.ts'
import { createSharedFeed, createVersion, feedName, sharedFeedName } from '../clickhouse/view-tables.ts'
import { tableNameAmong, type SqlProjection } from '../projection.ts'
import { fixedServing, type Serving } from '../serving.ts'
import { isEmptyRange, withoutEvents } from '../runtime/lanes/cut.ts'
import { insertRange, RangeBuffer, type Range } from '../runtime/lanes/range.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'

export interface ReplayProof {
  readonly equal: boolean
  /** Tables whose rows differ: what the replay gave against what stands in the view. */
  readonly differences: readonly { readonly replayed: ViewDigest; readonly live: ViewDigest }[]
  /** Events replayed. */
  readonly events: bigint
  readonly digests: readonly ViewDigest[]
  readonly seconds: number
}

const RANGE = { rangeEventsMax: 262_144, rangeBytesMax: 96 * 1024 * 1024 }
const DATABASE_PREFIX = 'purser_replay_'
/** Databases that a killed proof left are removed by a later one when they are this old. */
const LEFT_OVER_MS = 24 * 60 * 60 * 1_000

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
  await removeLeftOvers(store)
  const database = `${DATABASE_PREFIX}${Date.now()}_${randomBytes(4).toString('hex')}`
  await store.command(`CREATE DATABASE ${database} ENGINE = Atomic`)
  try {
    for (const projection of projections)
      for (const statement of createVersion(projection, { database })) await store.command(statement)
    for (const statement of createSharedFeed(projections, { database })) await store.command(statement)
    await replay(options, database)
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
  } finally {
    await store.command(`DROP DATABASE IF EXISTS ${database} SYNC`)
  }
}

function servedName(serving: Serving): NameOf {
  return (table) => {
    const name = serving.tables()[table]
    if (name === undefined) throw new RangeError(`no projection that serves has a table ${table}`)
    return name
  }
}

async function replay(options: Parameters<typeof proveByReplay>[0], database: string): Promise<void> {
  const { log, upTo, progress } = options
  const chain = new ChainProof(noCheckpoint(log.partition))
  const buffer = new RangeBuffer(RANGE)
  let sequence = 0n
  const flush = async (): Promise<void> => {
    const range = buffer.take()
    if (range === undefined) return
    await insert(options, database, range)
    progress?.(sequence)
  }
  for await (const frame of upTo === 0n ? [] : log.read(1n)) {
    if (!chain.continues(frame) || frame.count === 0) continue
    if (!buffer.hasRoom(frame)) await flush()
    buffer.push(frame, 0)
    sequence = lastSequence(frame)
    if (sequence >= upTo) break
  }
  await flush()
  if (sequence < upTo) throw new RangeError(`the log ends at ${sequence}, before ${upTo}`)
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

async function removeLeftOvers(store: ViewStore): Promise<void> {
  const databases = await store.query<{ name: string }>(
    `SELECT name FROM system.databases WHERE startsWith(name, {prefix:String})`,
    { prefix: DATABASE_PREFIX },
  )
  for (const { name } of databases) {
    const madeMs = Number(/^purser_replay_(\d{13})_[0-9a-f]{8}$/.exec(name)?.[1] ?? NaN)
    if (Date.now() - madeMs > LEFT_OVER_MS) await store.command(`DROP DATABASE IF EXISTS ${name} SYNC`)
  }
}
