/** Read points: the position at which a whole request is answered, and the waiting until the views have reached it. */
import type { Projections, ProjectionStatus } from '../../projectors/runtime/status.ts'
import { includesPosition, type Position } from '../../schemas/positions.ts'
import { fault } from '../errors.ts'
import { positionAt, type PartitionSequence } from '../positions/tokens.ts'
import type { ViewsGate } from './views-gate.ts'

/**
 * A position at which everything of a request is read. There is one object per position, so that reads can be shared by
 * it.
 */
export interface ReadPoint {
  readonly upTo: Position
  /** All events recorded up to this time are included, in every partition. Nanoseconds since 1970; 0: not known. */
  readonly settledNs: bigint
}

/** Advances of the views that are remembered with their time. A transfer's timeline shows them. */
const ADVANCES_MAX = 4_096

/** Why a view does not come to hold a position, where its state says so. */
const WHY: Readonly<Partial<Record<ProjectionStatus['state'], string>>> = {
  stopped: 'has stopped before this position',
  paused: 'is paused before this position',
  stalled: 'does not move, and does not include this position',
}

interface Advance {
  readonly upTo: Position
  readonly atNs: bigint
}

export class ReadPoints {
  readonly #projections: Projections
  readonly #waitMs: number
  readonly #gate: Pick<ViewsGate, 'opened' | 'closed' | 'requireStore'>
  readonly #tokenOf: (position: Position) => string
  readonly #stopListening: () => void
  readonly #advances: Advance[] = []
  #current: ReadPoint | undefined

  /** @param tokenOf makes the token of a position, for the client */
  constructor(
    projections: Projections,
    clock: () => bigint,
    waitMs: number,
    gate: Pick<ViewsGate, 'opened' | 'closed' | 'requireStore'>,
    tokenOf: (position: Position) => string,
  ) {
    this.#gate = gate
    this.#projections = projections
    this.#waitMs = waitMs
    this.#tokenOf = tokenOf
    this.#stopListening = projections.onAdvance(() => {
      this.#current = undefined
      this.#advances.push({ upTo: projections.position(), atNs: clock() })
      if (this.#advances.length > ADVANCES_MAX) this.#advances.splice(0, ADVANCES_MAX / 2)
    })
  }

  /** The newest point that all required views have reached. */
  current(): ReadPoint {
    return (this.#current ??= {
      upTo: this.#projections.position(),
      settledNs: this.#projections.settledNs(),
    })
  }

  /** As of Projections. */
  attend(): Promise<unknown> | undefined {
    return this.#projections.attend()
  }

  /** True if reads without a position are answered now. */
  get isOpen(): boolean {
    return this.#gate.closed() === undefined
  }

  /**
   * The newest point if it includes `after`, else undefined.
   * @throws Fault VIEWS_UNAVAILABLE while the store does not answer
   */
  now(after: Position | undefined): ReadPoint | undefined {
    this.#gate.requireStore()
    const now = this.current()
    return after === undefined || includesPosition(now.upTo, after) ? now : undefined
  }

  /**
   * Waits, within the bound, for the gate to open and for a point that includes `after`. For reads of the current
   * state.
   * @throws Fault NOT_YET, VIEWS_UNAVAILABLE
   */
  async whole(after: Position | undefined): Promise<ReadPoint> {
    await this.#gate.opened(this.#waitMs)
    return this.at(after)
  }

  /**
   * Waits, within the bound, for a point that includes `after`, whether the gate is open or not. For reads that know
   * what has to be in it.
   * @throws Fault NOT_YET; VIEWS_UNAVAILABLE at once while the store does not answer
   */
  async at(after: Position | undefined, waitMs = this.#waitMs): Promise<ReadPoint> {
    const now = this.now(after)
    if (now !== undefined || after === undefined) return now ?? this.current()
    const reached = await this.#projections.waitFor(after, waitMs)
    // The waiter may be called before the listener that drops the cached point: the cached one is then too old.
    if (!includesPosition(this.current().upTo, after)) this.#current = undefined
    const point = this.current()
    if (reached && includesPosition(point.upTo, after)) return point
    throw fault(
      'NOT_YET',
      'The views do not include this position yet. Ask again in a moment, or without "after".',
      {
        position: this.#tokenOf(point.upTo),
        lagSeconds: this.lagSeconds(),
      },
    )
  }

  /**
   * Waits, within the bound, until a view that need not hold everything holds what a point includes. What is read from it
   * and from the others is then read at one position.
   * @throws Fault NOT_YET, naming the view
   */
  async heldBy(view: string, point: ReadPoint): Promise<void> {
    if (this.isHeldBy(view, point)) return
    const status = this.#projections.status().find(({ name }) => name === view)
    // One that an operator has to set going again does so in no request's time.
    const isOver = status === undefined || status.state === 'stopped' || status.state === 'paused'
    if (!isOver && (await this.#projections.waitFor(point.upTo, this.#waitMs, view))) return
    const why =
      status === undefined ? 'is not there' : (WHY[status.state] ?? 'does not include this position yet')
    throw fault('NOT_YET', `The view ${view} ${why}. Ask again in a moment, or without its fields.`, {
      view,
      position: this.#tokenOf(this.#projections.positionOf(view)),
      lagSeconds: status?.lagSeconds ?? 0,
    })
  }

  /** True if a view holds what a point includes: nothing has to be waited for. */
  isHeldBy(view: string, point: ReadPoint): boolean {
    return includesPosition(this.#projections.positionOf(view), point.upTo)
  }

  atSequence(at: PartitionSequence, waitMs?: number): Promise<ReadPoint> {
    return this.at(positionAt(at), waitMs)
  }

  /**
   * When the views came to include a partition sequence. Undefined: they do not yet, or it is too long ago to be
   * remembered.
   */
  projectedAtNs(place: PartitionSequence): bigint | undefined {
    const includes = ({ upTo }: Advance): boolean => (upTo.get(place.partition) ?? 0n) >= place.sequence
    const first = this.#advances[0]
    if (first === undefined || includes(first)) return undefined
    return this.#advances.find(includes)?.atNs
  }

  /** Of the required view that is furthest behind. */
  lagSeconds(): number {
    return this.#projections
      .status()
      .reduce((most, { isRequired, lagSeconds }) => (isRequired ? Math.max(most, lagSeconds) : most), 0)
  }

  stop(): void {
    this.#stopListening()
  }
}

/**
 * The read point of one request. Fields that ask in the same tick are answered at one point that includes everything
 * they ask for. Later fields of the request use the same point if it suffices.
 */
export class RequestPoint {
  readonly #points: ReadPoints
  readonly #slot: WaitingSlot
  #wanted = new Map<number, bigint>()
  #gathering: Promise<ReadPoint> | undefined
  #point: ReadPoint | undefined

  constructor(points: ReadPoints) {
    this.#points = points
    this.#slot = new WaitingSlot()
  }

  /** Sets how the admitted request frees its slot while it waits. */
  hasPlace(stepAside: StepAside): void {
    this.#slot.stepAside = stepAside
  }

  /**
   * Waits without occupying a slot among the operations under way.
   * @throws Fault BUSY if too many wait already
   */
  aside<Result>(wait: () => Promise<Result>): Promise<Result> {
    return this.#slot.aside(wait)
  }

  /**
   * A separate point for a later part of the request, whose need shows only then.
   * @throws Fault NOT_YET, BUSY
   */
  async later(after: Position): Promise<ReadPoint> {
    return this.#points.now(after) ?? this.aside(() => this.#points.at(after))
  }

  /** @throws Fault NOT_YET, BUSY */
  async at(after: Position | undefined | null): Promise<ReadPoint> {
    if (
      this.#point !== undefined &&
      this.#points.isOpen &&
      (!after || includesPosition(this.#point.upTo, after))
    )
      return this.#point
    for (const [partition, sequence] of after ?? [])
      if (sequence > (this.#wanted.get(partition) ?? 0n)) this.#wanted.set(partition, sequence)
    this.#gathering ??= this.#gather()
    return this.#gathering
  }

  /**
   * A point for a field of a view, by its name: one at which that view and all required ones hold everything. It is the
   * request's own point where that suffices. A view that has stopped or lags holds up its own fields, and no others.
   * @throws Fault NOT_YET, naming the view; BUSY
   */
  async of(view: string, after?: Position | null): Promise<ReadPoint> {
    const point = await this.at(after)
    await this.alsoOf(view, point)
    return point
  }

  /** Waits until a view holds a point as well that was taken for others. @throws Fault NOT_YET */
  async alsoOf(view: string, point: ReadPoint): Promise<void> {
    if (!this.#points.isHeldBy(view, point)) await this.aside(() => this.#points.heldBy(view, point))
  }

  /**
   * A point for a field that names the position at which it is to be answered. If the views hold that position, it is
   * not necessary to wait until the gate opens.
   */
  async pinned(position: Position): Promise<ReadPoint> {
    return this.#points.isOpen ? this.at(position) : this.later(position)
  }

  async #gather(): Promise<ReadPoint> {
    await Promise.resolve()
    const wanted = this.#wanted
    this.#wanted = new Map()
    this.#gathering = undefined
    if (wanted.size === 0) await this.#points.attend()
    const { isOpen } = this.#points
    this.#point = isOpen ? await this.later(wanted) : await this.aside(() => this.#points.whole(wanted))
    return this.#point
  }
}

/**
 * Frees an operation's slot and counts it among those that wait.
 * @returns takes the slot back
 * @throws Fault BUSY
 */
export type StepAside = () => () => void

/** One operation's slot. Its fields wait side by side; the slot is free while any of them waits. */
class WaitingSlot {
  /** Undefined if it has no slot. */
  stepAside: StepAside | undefined
  #waiting = 0
  #stepBack: () => void = () => undefined

  async aside<Result>(wait: () => Promise<Result>): Promise<Result> {
    if (this.stepAside === undefined) return wait()
    if (this.#waiting === 0) this.#stepBack = this.stepAside()
    this.#waiting++
    try {
      return await wait()
    } finally {
      if (--this.#waiting === 0) this.#stepBack()
    }
  }
}
