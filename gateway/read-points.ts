/** Read points: the position at which a whole request is answered, and the waiting until the views are far enough. */
import type { Projections } from '../projectors/status.ts'
import { includesPosition, type Position } from '../schemas/positions.ts'
import { fault } from './errors.ts'
import { encodePosition, placePosition, type Place } from './tokens.ts'
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
  readonly #stopListening: () => void
  readonly #advances: Advance[] = []
  #current: ReadPoint | undefined

  constructor(
    projections: Projections,
    clock: () => bigint,
    waitMs: number,
    gate: Pick<ViewsGate, 'opened' | 'closed' | 'requireStore'>,
  ) {
    this.#gate = gate
    this.#projections = projections
    this.#waitMs = waitMs
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
    this.#gate.requireStore()
    const now = this.current()
    if (after === undefined || includesPosition(now.upTo, after)) return now
    const reached = await this.#projections.waitFor(after, waitMs)
    // The listener may come after the waiter: then what is kept is from before.
    if (!includesPosition(this.current().upTo, after)) this.#current = undefined
    const point = this.current()
    if (reached && includesPosition(point.upTo, after)) return point
    throw fault(
      'NOT_YET',
      'The views do not include this position yet. Ask again in a moment, or without "after".',
      {
        position: encodePosition(point.upTo),
        lagSeconds: this.lagSeconds(),
      },
    )
  }

  atPlace(place: Place, waitMs?: number): Promise<ReadPoint> {
    return this.at(placePosition(place), waitMs)
  }

  /** When the views came to include a place: undefined if they do not yet, or if it is too long ago to be remembered. */
  projectedAtNs(place: Place): bigint | undefined {
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
  #wanted = new Map<number, bigint>()
  #gathering: Promise<ReadPoint> | undefined
  #point: ReadPoint | undefined

  constructor(points: ReadPoints) {
    this.#points = points
  }

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
    return this.#points.isOpen ? this.at(position) : this.#points.at(position)
  }

  async #gather(): Promise<ReadPoint> {
    await Promise.resolve()
    const wanted = this.#wanted
    this.#wanted = new Map()
    this.#gathering = undefined
    return (this.#point = await this.#points.whole(wanted.size === 0 ? undefined : wanted))
  }
}
