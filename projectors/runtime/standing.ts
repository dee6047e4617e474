/** Where the views stand: what readers read and how far it is, and how each view is, over all partitions. */
import type { EventLog } from '../../eventlog/ports.ts'
import { earliestPosition, includesPosition, type Position } from '../../schemas/positions.ts'
import { NS_PER_MS } from '../../schemas/time.ts'
import type { Projection } from '../projection.ts'
import { knownVersions, type Version } from '../registry/versions.ts'
import { PointedServing } from '../serving-pointer.ts'
import type { Serving } from '../serving.ts'
import { noCheckpoint, settledNsOf, type VersionKey } from './checkpoints.ts'
import type { MemberStatus, PartitionLanes } from './lanes/partition-lanes.ts'
import type { Clock } from './ports.ts'
import type { ProjectionState, ProjectionStatus } from './status.ts'

export interface StandingOptions {
  /** Those that run here. */
  readonly running: readonly Projection[]
  /** Names of those that reads go by. */
  readonly required: readonly string[]
  /** By partition: those that are followed. */
  readonly logs: ReadonlyMap<number, EventLog>
  readonly lanes: ReadonlyMap<number, PartitionLanes>
  readonly clock: Clock
}

export class Standing {
  readonly #options: StandingOptions
  readonly #serving = new PointedServing()
  #settledNs = 0n

  constructor(options: StandingOptions) {
    this.#options = options
  }

  status(): readonly ProjectionStatus[] {
    const { running, required, logs } = this.#options
    const head = new Map([...logs.values()].map((log) => [log.partition, log.endSequence()]))
    return running.map(({ name, version: declared }) => {
      const version = this.#serving.versionOf(name) ?? declared
      const own = [...this.versionStatus({ name, version }).values()]
      return {
        name,
        version,
        isRequired: required.includes(name),
        state: own.length < logs.size ? 'catching-up' : worst(own.map(({ state }) => state)),
        position: this.positionOf(name),
        head,
        lagEvents: own.reduce((sum, { lagEvents }) => sum + lagEvents, 0n),
        lagSeconds: this.#lagSeconds(own),
        pumpAgeSeconds: this.#pumpAgeSeconds(own),
        recordedAtNs: own.reduce((latest, { checkpoint }) => (checkpoint.recordedAtNs > latest ? checkpoint.recordedAtNs : latest), 0n),
        failure: own.find(({ failure }) => failure !== undefined)?.failure,
      }
    })
  } // prettier-ignore

  #lagSeconds(own: readonly MemberStatus[]): number {
    const nowMs = this.#options.clock.nowMs()
    const oldest = own
      .map(({ oldestNs, lagEvents, checkpoint }) =>
        lagEvents === 0n ? undefined : (oldestNs ?? (checkpoint.recordedAtNs || undefined)),
      )
      .filter((time) => time !== undefined)
    return (nowMs - Math.min(nowMs, ...oldest.map((time) => Number(time / NS_PER_MS)))) / 1_000
  }

  #pumpAgeSeconds(own: readonly MemberStatus[]): number {
    const nowMs = this.#options.clock.monotonicMs()
    return (nowMs - Math.min(nowMs, ...own.map(({ movedAtMs }) => movedAtMs))) / 1_000
  }

  position(): Position {
    return earliestPosition(this.#options.required.map((name) => this.positionOf(name)))
  }

  positionOf(name: string): Position {
    return this.#serving.positionOf(name)
  }

  serving(): Serving {
    return this.#serving
  }

  /** Tells readers what there is to read, and how far it is. */
  point(versions: readonly Version[]): void {
    const { required, clock } = this.#options
    const known = knownVersions(versions, (version) => this.#positionOfVersion(version))
    this.#serving.take(known, clock.monotonicMs())
    const isHeld = required.some((name) => {
      const version = this.#serving.versionOf(name) ?? 0
      return !includesPosition(this.positionOf(name), this.#positionOfVersion({ name, version }))
    })
    // Readers who are kept where they are do not see all that is settled by now.
    if (!isHeld) this.#settledNs = this.#settledNow()
  }

  #positionOfVersion(key: VersionKey): Position {
    const own = [...this.#options.lanes].map(
      ([partition, lanes]) => [partition, lanes.status(key)?.checkpoint.sequence ?? 0n] as const,
    )
    return new Map(own)
  }

  settledNs(): bigint {
    return this.#settledNs
  }

  #settledNow(): bigint {
    const { lanes, logs, required } = this.#options
    const held = [...lanes].map(([partition, filled]) => {
      const own = required.map((name) => {
        const version = this.#serving.versionOf(name) ?? 0
        return filled.status({ name, version })?.checkpoint ?? noCheckpoint(partition)
      })
      return [partition, own.reduce((least, one) => (one.sequence < least.sequence ? one : least))] as const
    })
    return settledNsOf([...logs.values()], new Map(held))
  }

  versionStatus(key: VersionKey): ReadonlyMap<number, MemberStatus> {
    const own = [...this.#options.lanes].flatMap(([partition, lanes]) => {
      const status = lanes.status(key)
      return status === undefined ? [] : [[partition, status] as const]
    })
    return new Map(own)
  }
}

/** The state an operator has to know of, where partitions differ. */
function worst(states: readonly ProjectionState[]): ProjectionState {
  const order = ['stopped', 'retrying', 'stalled', 'paused', 'catching-up', 'complete', 'live'] as const
  // Nothing to follow is no fault: other processes have the partitions.
  return order.find((state) => states.includes(state)) ?? 'live'
}
