/**
 * A lane: versions that are filled from one partition in one pass, because they are at the same checkpoint. Tables of several
 * are written by one insert; code and sinks always have a lane of their own.
 */
import { messageOf } from '../../../schemas/errors.ts'
import type { EventLog } from '../../../eventlog/ports.ts'
import { createSharedFeed, sharedFeedName, sharedPartsOf } from '../../clickhouse/view-tables.ts'
import { OutageError, type QueryOptions, type ViewStore } from '../../clickhouse/view-store.ts'
import type { Layout } from '../../projection.ts'
import { checkpointsName, createRegistry } from '../../registry/tables.ts'
import { byPartition, readSkips } from '../../registry/skips.ts'
import type { Until } from '../../registry/versions.ts'
import type { Checkpoint } from './chain.ts'
import { versionKey, writeCheckpoint, type VersionKey } from '../checkpoints.ts'
import { endedAt, hasEnded, isEmptyRange, upToFirst, withoutEvents } from './cut.ts'
import {
  PartsMissingError,
  requireAll,
  requireIdentical,
  requireNewest,
  requireSame,
  RowsMissingError,
  shortened,
  standingText,
  type Held,
  type LeftOut,
} from './guard.ts'
import type { Clock } from '../ports.ts'
import { Pump } from './pump.ts'
import { insertRange, RANGES, type Range, type RangeLimits } from './range.ts'
import { SqlTarget } from './sql-target.ts'
import { EventFault, type Target } from './target.ts'
import { Witness, type Parts } from './witness.ts'

/** One version, as lanes fill it. */
export interface Member extends VersionKey {
  readonly target: Target
  readonly isPaused: boolean
  /** Of the time, how much filling it may take while it is behind. */
  readonly share: number
  readonly until: Until | undefined
  /** Those of one group may share a lane. Undefined: this one may not. */
  readonly group: string | undefined
  /** Partition → sequences that an operator has left out. */
  readonly skips: ReadonlyMap<number, ReadonlySet<bigint>>
}

/** What stopped a lane. */
export interface LaneFault {
  /** The event that could not be taken; undefined if it was none. */
  readonly sequence: bigint | undefined
  readonly cause: string
  readonly error: unknown
}

export interface LaneOptions extends RangeLimits {
  readonly store: ViewStore
  readonly layout: Layout
  readonly log: EventLog
  readonly clock: Clock
  readonly lingerMs: number
  readonly isAwaited: () => boolean
  readonly report: (line: string) => void
  readonly advanced: () => void
  readonly failed: (lane: Lane, fault: LaneFault) => void
}

export class Lane {
  readonly members: readonly Member[]
  readonly pump: Pump
  readonly #options: LaneOptions
  #held: readonly Held[]
  readonly #together: readonly Member[]
  readonly #witness: Witness
  #parts: Parts = new Map()
  #checkpoint: Checkpoint
  /** It was to end somewhere, and has. */
  #isComplete = false
  #fault: LaneFault | undefined

  /** @param begun of each member, in their order: the epoch that it has begun, and which tables its rows stand in */
  constructor(
    options: LaneOptions,
    members: readonly Member[],
    begun: readonly Pick<Held, 'epoch' | 'parts'>[],
    from: Checkpoint,
  ) {
    this.#options = options
    this.members = members
    this.#checkpoint = from
    this.#isComplete = members[0]?.until !== undefined && hasEnded(from)
    this.#held = members.map(({ name, version }, index) => ({ name, version, ...begun[index]! }))
    this.#together = members.length > 1 ? members : []
    this.#witness = new Witness(options.store, options.log.partition, options.report)
    const share = Math.min(...members.map((one) => one.share))
    this.pump = new Pump({
      ...options,
      rangeBytesMax: Math.min(options.rangeBytesMax, share < 1 ? RANGES.throttledBytesMax : Infinity),
      from,
      share,
      write: (range) => this.#write(range),
      settle: (checkpoint) => this.#settle(checkpoint),
      look: (signal) => this.#look(signal),
      failed: (error) => this.#failed(error),
    })
  }

  get checkpoint(): Checkpoint {
    return this.pump.checkpoint
  }

  get isComplete(): boolean {
    return this.#isComplete
  }

  get fault(): LaneFault | undefined {
    return this.#fault
  }

  /** Which tables hold the rows of a member, as far as it is known. */
  partsOf(member: Member): string {
    return this.#held.find((_one, index) => this.members[index] === member)?.parts ?? ''
  }

  has({ name, version }: VersionKey): boolean {
    return this.members.some((one) => one.name === name && one.version === version)
  }

  /**
   * Begins to fill. Every checkpoint of an older epoch counts no more from here on.
   * @throws PartsMissingError; OutageError
   */
  async start(isPaused: boolean): Promise<void> {
    const { store, layout } = this.#options
    if (this.#together.length > 0)
      for (const statement of createSharedFeed(this.#together, layout)) await store.command(statement)
    const names = this.members.flatMap(({ target }) => target.parts)
    if (this.#together.length > 0) names.push(...sharedPartsOf(this.#together))
    const there = await this.#witness.parts(names)
    requireAll(names, there)
    // What holds nothing may stand anywhere.
    if (this.#checkpoint.sequence > 0n) await this.#requireSame(there)
    this.#stands(there)
    await this.#say(this.#held, this.#checkpoint)
    // One that has ended takes nothing further, and may stand within a frame, from where nothing goes on.
    if (!this.#isComplete) this.pump.start(isPaused)
  }

  async stop(): Promise<void> {
    await this.pump.stop()
  }

  async #write(whole: Range): Promise<Checkpoint> {
    const range = this.#bounded(whole)
    if (range === undefined) return endedAt(this.#checkpoint)
    const alone = this.members.filter((one) => this.#together.length === 0 || hasSkipIn(one, range))
    const together = this.members.filter((one) => !alone.includes(one))
    const writing = alone.map((one) => writeAlone(one, range))
    if (together.length === this.#together.length && together.length > 0)
      writing.push(insertRange(this.#options.store, sharedFeedName(together), range))
    else writing.push(...together.map((one) => writeAlone(one, range)))
    const failures = (await Promise.allSettled(writing)).flatMap((done) =>
      done.status === 'rejected' ? [done.reason as unknown] : [],
    )
    if (failures.length > 0) throw failures.find((error) => !(error instanceof OutageError)) ?? failures[0]
    return range.checkpoint
  }

  /** Of a range, what is still to be taken; undefined: nothing of it. */
  #bounded(range: Range): Range | undefined {
    const until = this.members[0]?.until
    if (until === undefined) return range
    const { partition } = range.checkpoint
    const bounded = upToFirst(range, ({ sequence, recordedAtNs }) =>
      'position' in until ? sequence <= (until.position.get(partition) ?? 0n) : recordedAtNs <= until.timeNs,
    )
    if (bounded?.last !== range.last) this.#completes()
    return bounded
  }

  /** Whatever comes further is not taken. */
  #completes(): void {
    this.#isComplete = true
    void this.pump.pause()
  }

  async #settle(checkpoint: Checkpoint): Promise<void> {
    await this.#guard()
    await this.#say(this.#held, checkpoint)
    this.#checkpoint = checkpoint
  }

  /** The guard, while there is nothing to write: what somebody takes away has to be seen all the same. */
  async #look(signal: AbortSignal): Promise<void> {
    const lost = await this.#guard({ signal })
    if (lost.length === 0) return
    const names = lost.map(({ name, version }) => `${name} version ${version}`).join(', ')
    await this.#say(lost, this.#checkpoint)
    this.#options.report(`projections: ${names}: the checkpoint was gone, and is written again.`)
  }

  async #say(held: readonly Held[], checkpoint: Checkpoint): Promise<void> {
    const said = held.map((one) => ({ ...one, parts: shortened(one.parts) }))
    await writeCheckpoint(this.#options.store, said, checkpoint)
  }

  /**
   * @returns those of which no checkpoint stands any more
   * @throws PartsMissingError, RowsMissingError, FencedError
   */
  async #guard(options: QueryOptions = {}): Promise<readonly Held[]> {
    const { store, log, layout, report } = this.#options
    const ask = (): ReturnType<Witness['partsAndEpochs']> =>
      this.#witness.partsAndEpochs([...this.#parts.keys()], options)
    const { parts, epochs } = await ask().catch(async (error: unknown) => {
      if (!isTableMissing(error)) throw error
      for (const statement of createRegistry(layout)) await store.command(statement)
      report(`projections: ${checkpointsName()} was gone, and is made again.`)
      return ask()
    })
    requireIdentical(this.#parts, parts)
    requireNewest(log.partition, this.#held, epochs)
    await this.#requireSame(parts)
    this.#stands(parts)
    return this.#held.filter((one) => !epochs.has(versionKey(one)))
  }

  /** What has just been left out may be known to the store and not here: rows of it are missed by nobody. */
  async #requireSame(there: Parts): Promise<void> {
    for (const [index, { parts, ...key }] of this.#held.entries())
      try {
        requireSame(parts, there, leftOutOf(this.members[index]!.skips))
      } catch (error) {
        if (!(error instanceof RowsMissingError)) throw error
        const skips = await readSkips(this.#options.store)
        requireSame(parts, there, leftOutOf(byPartition(skips.filter((skip) => versionKey(skip) === versionKey(key)))))
      }
  } // prettier-ignore

  #stands(parts: Parts): void {
    this.#parts = parts
    // Replicas of a cluster do not have one identity.
    if (this.#options.layout.cluster !== undefined) return
    this.#held = this.#held.map((one, index) => {
      const { target, skips } = this.members[index]!
      return { ...one, parts: standingText(target.parts, parts, leftOutOf(skips).count) }
    })
  }

  #failed(error: unknown): void {
    const missing = missingIn(error)
    const sequence = error instanceof EventFault ? error.sequence : undefined
    const cause = missing ?? messageOf(error)
    this.#fault = { sequence, cause, error }
    const names = this.members.map(({ name, version }) => `${name} version ${version}`).join(', ')
    const { partition } = this.#options.log
    const at = sequence === undefined ? `behind ${partition}:${this.checkpoint.sequence}` : `at ${partition}:${sequence}`
    this.#options.report(`projections: ${names} stopped ${at}: ${cause}`)
    this.#options.failed(this, this.#fault)
  } // prettier-ignore
}

function leftOutOf(skips: Member['skips']): LeftOut {
  return {
    has: (partition, sequence) => skips.get(partition)?.has(sequence) === true,
    count: [...skips.values()].reduce((sum, { size }) => sum + size, 0),
  }
}

function hasSkipIn({ skips }: Member, { first, last, checkpoint }: Range): boolean {
  const own = skips.get(checkpoint.partition)
  return own !== undefined && [...own].some((sequence) => sequence >= first && sequence <= last)
}

async function writeAlone({ target, skips }: Member, range: Range): Promise<void> {
  const left = withoutEvents(range, skips.get(range.checkpoint.partition) ?? new Set())
  // Code counts what it has seen, also where nothing of it is left.
  if (isEmptyRange(left) && target instanceof SqlTarget) return
  await target.write(left)
}

function isTableMissing(error: unknown): boolean {
  const { type } = error as { type?: unknown }
  return type === 'UNKNOWN_TABLE' || type === 'UNKNOWN_DATABASE'
}

/** What ClickHouse says of a table that is gone, in words that say what to do. */
function missingIn(error: unknown): string | undefined {
  if (!isTableMissing(error)) return undefined
  return new PartsMissingError([/(?:Table|Database) (\S+)/.exec(messageOf(error))?.[1] ?? 'a table']).message
}
