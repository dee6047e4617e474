/** What the projections are started with, and what may be done to them while they run. */
import type { EventLog } from '../../eventlog/ports.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import type { Layout, Projection, ProjectionSet } from '../projection.ts'
import type { Version } from '../registry/versions.ts'
import type { VersionKey } from './checkpoints.ts'
import type { MemberStatus } from './lanes/partition-lanes.ts'
import type { RangeLimits } from './lanes/range.ts'
import type { Target } from './lanes/target.ts'
import type { Clock } from './ports.ts'
import type { Projections } from './status.ts'

export interface ProjectionsOptions extends Partial<RangeLimits> {
  readonly store: ViewStore
  /** One log per partition; more may come, and these may go, while they run. */
  readonly logs: readonly EventLog[]
  /** How many partitions may have to be followed here: they share the memory for ranges. Default: as many as `logs`. */
  readonly partitions?: number
  /** Those of the deployment, and which of them run here. */
  readonly projections: ProjectionSet
  /** Names of those that reads wait for and go by; default, and where none of them is here: all. */
  readonly required?: readonly string[]
  /** Makes the target of a version that needs code. Default: there is none. */
  readonly targetOfCode?: (version: Version, projection: Projection) => Target
  /** Default: one server, the database of the store. */
  readonly layout?: Layout
  /** Gets a line of text for whatever an operator should see. */
  readonly log?: (line: string) => void
  /** Called when another process has begun to fill a version in a partition that is followed here. */
  readonly fenced?: (partition: number) => void
  /** How long the first events of a range wait for more, in ms, while nobody waits for them; default as in range.ts. */
  readonly lingerMs?: number
  /** How often the registry is read for what others have said there, in ms. Default: only when `refresh` is called. */
  readonly pollMs?: number
  /** Default: the machine's. */
  readonly clock?: Clock
}

/** Running projections, with what an operator may do to them. */
export interface RunningProjections extends Projections {
  /**
   * Stops all views where they are; resolves when nothing is being written, or `resume` was called. Lasts until `resume` or
   * the process ends, also across a reset.
   */
  pause(): Promise<void>
  resume(): void
  /**
   * Gives every view that runs here a new version that serves at once and is filled from the beginning of the log; the
   * versions before it are dropped.
   * @throws OutageError if the store went away before that was said: nothing has changed then
   */
  reset(): Promise<void>
  /** Reads the registry again, and acts on what is new in it. @throws OutageError */
  refresh(): Promise<void>
  /**
   * Follows one more log, from where the views are in its partition. Where they are further than what is known of the log,
   * that is waited for first: another process may just have written both.
   * @param signal ends that waiting
   * @throws as `startProjections`; what ends the log; RangeError if a log of that partition is followed already
   */
  add(log: EventLog, signal?: AbortSignal): Promise<void>
  /** Follows a partition's log no longer; resolves when nothing of it is being written. Harmless if it is not followed. */
  remove(partition: number): Promise<void>
  /** How a version is here, in each partition that is followed. */
  versionStatus(key: VersionKey): ReadonlyMap<number, MemberStatus>
}
