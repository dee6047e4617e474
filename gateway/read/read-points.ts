/** Read points: the position at which a whole request is answered, and the waiting until the views are far enough. */
import type { Projections } from '../../projectors/runtime/status.ts'
import { includesPosition, type Position } from '../../schemas/positions.ts'
import { fault } from '../errors.ts'
import { positionAt, type PartitionSequence } from '../positions/tokens.ts'
import type { ViewsGate } from './views-gate.ts'

/** A position at which everything of a request is read. One object per position, so that reads at it can be shared. */
export interface ReadPoint {
  readonly upTo: Position
  /** Up to this recorded time it includes all that there is, in every partition, ns; 0: not known. */
  readonly settledNs: bigint
}

/** Advances of the views that are remembered with their time: what a transfer's timeline can say about itself. */
const ADVANCES_MAX = 4_096

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

  /** @param tokenOf writes a position for the caller */
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

  /** The newest point that all views hold. */
  current(): ReadPoint {
    return (this.#current ??= {
      upTo: this.#projections.position(),
      settledNs: this.#projections.settledNs(),
    })
  }

  /** True if the views may speak for the log now: readers who name no position are answered. */
  get isOpen(): boolean {
    return this.#gate.closed() === undefined
  }

  /**
   * The newest point, if it includes `after`.
   * @throws Fault VIEWS_UNAVAILABLE while the store does not answer
   */
  now(after: Position | undefined): ReadPoint | undefined {
    this.#gate.requireStore()
    const now = this.current()
    return after === undefined || includesPosition(now.upTo, after) ? now : undefined
  }

  /**
   * A point of views that may speak for the log, and that includes `after`, waited for within the bound: for whoever asks
   * how things stand.
   * @throws Fault NOT_YET, VIEWS_UNAVAILABLE
   */
  async whole(after: Position | undefined): Promise<ReadPoint> {
    await this.#gate.opened(this.#waitMs)
    return this.at(after)
  }

  /**
   * A point that includes `after`, waited for within the bound: for whoever knows what has to be in it.
   * @throws Fault NOT_YET; VIEWS_UNAVAILABLE at once while the store does not answer
   */
  async at(after: Position | undefined, waitMs = this.#waitMs): Promise<ReadPoint> {
    const now = this.now(after)
    if (now !== undefined || after === undefined) return now ?? this.current()
    const reached = await this.#projections.waitFor(after, waitMs)
    // The listener may come after the waiter: then what is kept is from before.
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

  atSequence(at: PartitionSequence, waitMs?: number): Promise<ReadPoint> {
    return this.at(positionAt(at), waitMs)
  }

  /** When the views came to include a place: undefined if they do not yet, or if it is too long ago to be remembered. */
  projectedAtNs(place: PartitionSequence): bigint | undefined {
    const includes = ({ upTo }: Advance): boolean => (upTo.get(place.partition) ?? 0n) >= place.sequence
    const first = this.#advances[0]
    if (first === undefined || includes(first)) return undefined
    return this.#advances.find(includes)?.atNs
  }

  /** Seconds by which the views are behind the log now. */
  lagSeconds(): number {
    return this.#projections.status().reduce((most, { lagSeconds }) => Math.max(most, lagSeconds), 0)
  }

  stop(): void {
    this.#stopListening()
  }
}

/**
 * One request's point. Fields of one request that ask in the same tick are answered at one point that includes all of
 * what they ask for; what comes later in the request keeps to it where it can.
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

  /** Says how the request, which was let in, steps aside while it waits. */
  hasPlace(stepAside: StepAside): void {
    this.#slot.stepAside = stepAside
  }

  /**
   * Waits for something without a place among the operations under way.
   * @throws Fault BUSY if as many wait as may
   */
  aside<Result>(wait: () => Promise<Result>): Promise<Result> {
    return this.#slot.aside(wait)
  }

  /** A point of its own for what comes later in the request, because only then it is known to be needed. @throws Fault NOT_YET, BUSY */
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
   * A point for a field that says itself as of which position it is to be answered: if the views hold that, it need not wait
   * until they may speak for all of the log.
   */
  async pinned(position: Position): Promise<ReadPoint> {
    return this.#points.isOpen ? this.at(position) : this.later(position)
  }

  async #gather(): Promise<ReadPoint> {
    await Promise.resolve()
    const wanted = this.#wanted
    this.#wanted = new Map()
    this.#gathering = undefined
    const { isOpen } = this.#points
    this.#point = isOpen ? await this.later(wanted) : await this.aside(() => this.#points.whole(wanted))
    return this.#point
  }
}

/** Leaves an operation's place to others and takes one among those that wait. Returns the way back. @throws Fault BUSY */
export type StepAside = () => () => void

/** One operation's place. Its fields wait side by side; it has left its place while any of them does. */
class WaitingSlot {
  /** Undefined: it has none to leave. */
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
