/**
 * The lanes of one partition: which versions are filled together, and which by themselves. Versions of one group at one
 * checkpoint share a lane. One that is new, behind, throttled, paused or stopped has its own, so that it makes no other late;
 * when two lanes of a group are nearly level, one waits for the other for a moment and they go on as one.
 */
import { OutageError } from '../../clickhouse/view-store.ts'
import { noCheckpoint, versionKey, type Checkpoints, type VersionKey } from '../checkpoints.ts'
import type { Checkpoint } from './chain.ts'
import { messageOf } from '../../../schemas/errors.ts'
import { Lane, type LaneFault, type LaneOptions, type Member } from './lane.ts'
import type { PumpState } from './pump.ts'
import { RANGES } from './range.ts'
import { Wake } from './wake.ts'

export interface PartitionLanesOptions extends Omit<LaneOptions, 'failed'> {
  /** Called when a version stops by a failure of its own, and with undefined when it goes on. */
  readonly faulted: (member: Member, fault: LaneFault | undefined) => void
}

/** How one version is in this partition. */
export interface MemberStatus {
  readonly checkpoint: Checkpoint
  readonly state: PumpState | 'complete'
  readonly failure: string | undefined
  readonly lagEvents: bigint
  readonly oldestNs: bigint | undefined
  readonly movedAtMs: number
}

/** Where a member stands, and under which epoch it writes. */
interface Place {
  member: Member
  epoch: bigint
  /** Which tables its rows stand in. */
  parts: string
  checkpoint: Checkpoint
  fault: LaneFault | undefined
  lane: Lane | undefined
}

/** How many events one lane may be behind another for the two to be joined: as many as a range may hold. */
const LEVEL_EVENTS_MAX = BigInt(RANGES.eventsMax)
/** How long the one in front waits for the other. */
const LEVEL_MS_MAX = 2_000
const LEVEL_EVERY_MS = 250
const LEVEL_AGAIN_MS = 15_000
const OPEN_AGAIN_MS = 500

export class PartitionLanes {
  readonly #options: PartitionLanesOptions
  readonly #places = new Map<string, Place>()
  readonly #wake: Wake
  /** Under which everything is filled here: above whatever was begun in this partition before. */
  #epoch: bigint | undefined
  #isPaused = false
  #isStopped = false
  #changing: Promise<void> = Promise.resolve()
  #callOff: () => void = () => undefined
  #levelFromMs = 0
  #isLevelSoon = false

  constructor(options: PartitionLanesOptions) {
    this.#options = options
    this.#wake = new Wake(options.clock)
  }

  get partition(): number {
    return this.#options.log.partition
  }

  /** How a version is here; undefined if it is not. */
  status(key: VersionKey): MemberStatus | undefined {
    const place = this.#places.get(versionKey(key))
    if (place === undefined) return undefined
    const { lane, fault } = place
    const checkpoint = lane?.checkpoint ?? place.checkpoint
    const behind = this.#options.log.endSequence() - checkpoint.sequence
    const stopped = fault === undefined ? undefined : describe(this.partition, checkpoint, fault)
    return {
      checkpoint,
      state: stopped === undefined ? stateOf(lane, behind > 0n) : 'stopped',
      failure: stopped ?? lane?.pump.failure,
      lagEvents: behind > 0n ? behind : 0n,
      oldestNs: lane?.pump.oldestNs,
      movedAtMs: lane?.pump.movedAtMs ?? 0,
    }
  }

  /**
   * Makes it so that these versions, and no others, are filled here, as they are described. A version whose description is
   * another object than before begins anew where it stands, also if a failure had stopped it.
   * @param checkpoints as the store has them: for versions that come
   */
  change(members: readonly Member[], checkpoints: Checkpoints): Promise<void> {
    return this.#inTurn(async () => {
      const wanted = new Map(members.map((one) => [versionKey(one), one]))
      const changed = [...this.#places].filter(([key, { member }]) => wanted.get(key) !== member)
      await this.#dissolve(changed.map(([, place]) => place))
      for (const [key, place] of changed) {
        const member = wanted.get(key)
        if (member === undefined) this.#places.delete(key)
        else Object.assign(place, { member, fault: undefined })
      }
      // Not counted by version: who comes to a version later than others would take it from a process that is newer than it.
      this.#epoch ??= epochBehind(highestEpoch(checkpoints, this.partition), this.#options.clock.nowMs())
      for (const [key, member] of wanted) {
        if (this.#places.has(key)) continue
        const known = checkpoints.get(key)?.get(this.partition)
        const checkpoint = known ?? noCheckpoint(this.partition)
        this.#places.set(key, { member, epoch: this.#epoch, parts: known?.parts ?? '', checkpoint, fault: undefined, lane: undefined })
      }
      await this.#open()
    })
  } // prettier-ignore

  /** Stops all where they are; resolves when nothing is being written. */
  async pause(): Promise<void> {
    this.#isPaused = true
    await Promise.all(this.#lanes().map((lane) => lane.pump.pause()))
  }

  resume(): void {
    this.#isPaused = false
    for (const lane of this.#lanes()) if (!isPaused(lane) && !lane.isComplete) lane.pump.resume()
  }

  /** Somebody has begun to wait for the views. */
  hurry(): void {
    for (const lane of this.#lanes()) lane.pump.hurry()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#callOff()
    this.#wake.now()
    // Before the changes under way are waited for: they may wait for a lane that only its end lets go on.
    await Promise.all(this.#lanes().map((lane) => lane.stop()))
    await this.#changing
    await Promise.all(this.#lanes().map((lane) => lane.stop()))
  }

  #lanes(): readonly Lane[] {
    return [...new Set([...this.#places.values()].flatMap(({ lane }) => (lane === undefined ? [] : [lane])))]
  }

  #inTurn(change: () => Promise<void>): Promise<void> {
    const changed = this.#changing.then(() => (this.#isStopped ? undefined : change()))
    this.#changing = changed.catch(() => undefined)
    return changed
  }

  /** Ends the lanes in which these are; where each member of them stood is kept. */
  async #dissolve(places: readonly Place[]): Promise<void> {
    for (const lane of new Set(places.map((place) => place.lane)))
      if (lane !== undefined) await this.#end(lane)
  }

  async #end(lane: Lane): Promise<void> {
    await lane.stop()
    for (const place of this.#places.values())
      if (place.lane === lane)
        Object.assign(place, {
          lane: undefined,
          checkpoint: lane.checkpoint,
          parts: lane.partsOf(place.member),
        })
  }

  /** Gives a lane to every member that has none and has not failed. */
  async #open(): Promise<void> {
    const groups = new Map<string, Place[]>()
    for (const [key, place] of this.#places) {
      if (place.lane !== undefined || place.fault !== undefined) continue
      const group = isJoinable(place.member)
        ? `${place.member.group} ${place.checkpoint.sequence} ${Buffer.from(place.checkpoint.hash).toString('hex')}`
        : key
      groups.set(group, [...(groups.get(group) ?? []), place])
    }
    for (const places of groups.values()) await this.#openOne(places)
    this.#levelLater()
  }

  /** Opens one lane for these, or one each if they cannot all have it. */
  async #openOne(places: readonly Place[]): Promise<void> {
    while (!this.#isStopped) {
      const lane = new Lane(
        {
          ...this.#options,
          advanced: () => this.#advanced(),
          failed: (failed, fault) => void this.#inTurn(() => this.#failed(failed, fault)),
        },
        places.map(({ member }) => member),
        places,
        places[0]!.checkpoint,
      )
      try {
        for (const place of places) place.lane = lane
        await lane.start(this.#isPaused || isPaused(lane))
        for (const { member } of places) this.#options.faulted(member, undefined)
        return
      } catch (error) {
        for (const place of places) place.lane = undefined
        if (!(error instanceof OutageError)) return this.#cannotOpen(places, error)
        this.#options.report(`projections: partition ${this.partition} cannot be begun: ${error.message} Trying again.`)
        await this.#wake.sleep(OPEN_AGAIN_MS)
      }
    }
  } // prettier-ignore

  async #cannotOpen(places: readonly Place[], error: unknown): Promise<void> {
    if (places.length > 1) {
      for (const place of places) await this.#openOne([place])
      return
    }
    const { name, version } = places[0]!.member
    this.#options.report(`projections: ${name} version ${version} cannot begin: ${messageOf(error)}`)
    this.#faults(places[0]!, { sequence: undefined, cause: messageOf(error), error })
  }

  /** What one of several could not do makes them go on one by one: so the one that it was is found, and stops alone. */
  async #failed(lane: Lane, fault: LaneFault): Promise<void> {
    const places = [...this.#places.values()].filter((place) => place.lane === lane)
    if (places.length === 0) return
    await this.#end(lane)
    if (places.length === 1) this.#faults(places[0]!, fault)
    else {
      this.#levelFromMs = this.#options.clock.monotonicMs() + LEVEL_EVERY_MS
      for (const place of places) await this.#openOne([place])
    }
    this.#advanced()
  }

  #faults(place: Place, fault: LaneFault): void {
    place.fault = fault
    this.#options.faulted(place.member, fault)
  }

  #advanced(): void {
    this.#options.advanced()
    this.#levelLater()
  }

  /** Once under way it is not put off: lanes that advance more often than that would never be joined. */
  #levelLater(): void {
    if (this.#isLevelSoon || this.#isStopped || this.#isPaused || this.#pair() === undefined) return
    this.#isLevelSoon = true
    this.#callOff = this.#options.clock.after(LEVEL_EVERY_MS, () => {
      this.#isLevelSoon = false
      if (this.#options.clock.monotonicMs() < this.#levelFromMs) this.#levelLater()
      else void this.#inTurn(() => this.#level())
    })
  }

  /** Two lanes that may become one: the one in front first. */
  #pair(): readonly [Lane, Lane] | undefined {
    const lanes = this.#lanes()
      .filter((lane) => lane.members.every(isJoinable) && lane.pump.state !== 'stopped')
      .sort((left, right) => (left.checkpoint.sequence < right.checkpoint.sequence ? 1 : -1))
    for (const [index, front] of lanes.entries())
      for (const behind of lanes.slice(index + 1))
        if (
          front.members[0]!.group === behind.members[0]!.group &&
          front.checkpoint.sequence - behind.checkpoint.sequence <= LEVEL_EVENTS_MAX
        )
          return [front, behind]
    return undefined
  }

  /** The one in front waits until the other is where it is; then both end, and one lane goes on from there. */
  async #level(): Promise<void> {
    const pair = this.#pair()
    if (pair === undefined || this.#isPaused) return
    const [front, behind] = pair
    await front.pump.pause()
    const { sequence } = front.checkpoint
    if (await behind.pump.goTo(sequence, LEVEL_MS_MAX)) {
      await this.#end(front)
      await this.#end(behind)
      // By where each of them stands now: one that was resumed meanwhile has gone on.
      await this.#open()
    } else {
      this.#levelFromMs = this.#options.clock.monotonicMs() + LEVEL_AGAIN_MS
      if (!this.#isPaused) front.pump.resume()
      if (!this.#isPaused) behind.pump.resume()
    }
    this.#levelLater()
  }
}

/** One that has just failed together with others is about to be tried by itself. */
function stateOf(lane: Lane | undefined, isBehind: boolean): PumpState | 'complete' {
  if (lane?.isComplete === true) return 'complete'
  if (lane === undefined || lane.pump.state === 'stopped') return isBehind ? 'catching-up' : 'live'
  return lane.pump.state
}

/** Bits of an epoch below its count: the second in which it was begun. */
const SECONDS_BITS = 32n

/**
 * The epoch behind one. Two runtimes may have read the same one before either has said its own: of these, the one that began
 * later is the newer.
 */
function epochBehind(highest: bigint, nowMs: number): bigint {
  const second = BigInt.asUintN(Number(SECONDS_BITS), BigInt(Math.floor(nowMs / 1_000)))
  return (((highest >> SECONDS_BITS) + 1n) << SECONDS_BITS) + second
}

function highestEpoch(checkpoints: Checkpoints, partition: number): bigint {
  const epochs = [...checkpoints.values()].map((own) => own.get(partition)?.epoch ?? 0n)
  return epochs.reduce((highest, one) => (one > highest ? one : highest), 0n)
}

function isJoinable({ group, isPaused: paused, until }: Member): boolean {
  return group !== undefined && !paused && until === undefined
}

function isPaused({ members }: Lane): boolean {
  return members.some((one) => one.isPaused)
}

function describe(partition: number, { sequence }: Checkpoint, fault: LaneFault): string {
  const at =
    fault.sequence === undefined ? `behind ${partition}:${sequence}` : `at ${partition}:${fault.sequence}`
  return `stopped ${at}: ${fault.cause}`
}
