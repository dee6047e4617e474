/**
 * The phases of one transfer across partitions, handed on in the order of cause and effect. Its events come by the feeds of
 * two partitions, of which either may be behind the other.
 */
import type { PublicEvent } from '../../projectors/views/audit/events.ts'
import { PHASES, phaseOf, type TransferPhase } from '../outcomes/crossings/life.ts'

/** Phases of which one has to be told before. */
const CAUSES: Readonly<Record<TransferPhase, readonly TransferPhase[]>> = {
  RESERVED: [],
  DEBITED: [],
  CONFIRMED: ['RESERVED'],
  CANCELLED: ['RESERVED'],
  RECALLED: ['DEBITED'],
  CREDITED: ['CONFIRMED', 'DEBITED', 'DRAWN'],
  COMPENSATED: ['DEBITED'],
  COMPLETED: ['CREDITED', 'RELEASED'],
  HELD: ['RESERVED'],
  DRAWN: [],
  RELEASED: [],
}
const ENDS: readonly TransferPhase[] = ['CANCELLED', 'COMPENSATED', 'COMPLETED']

export class CrossingPhases {
  readonly #known = new Map<TransferPhase, PublicEvent>()
  /** Those that were told, or need not be. */
  readonly #done = new Set<TransferPhase>()

  /** Takes an event that led to a phase. One that is known already changes nothing. */
  add(event: PublicEvent): void {
    const phase = phaseOf(event)!
    if (!this.#known.has(phase)) this.#known.set(phase, event)
  }

  /** The next phase's event, once all that caused it has been told. */
  next(): PublicEvent | undefined {
    const due = PHASES.find(
      (phase) =>
        this.#known.has(phase) &&
        !this.#done.has(phase) &&
        (CAUSES[phase].length === 0 || CAUSES[phase].some((cause) => this.#done.has(cause))),
    )
    if (due === undefined) return undefined
    this.#done.add(due)
    return this.#known.get(due)
  }

  /** The event of the end, if it has come and something that caused it has not. */
  get heldEnd(): PublicEvent | undefined {
    return ENDS.filter((phase) => !this.#done.has(phase)).flatMap((phase) => this.#known.get(phase) ?? [])[0]
  }

  /**
   * For a subscriber that begins. It is told where the transfer stands, and not how it came there. Has no effect once
   * something was told.
   */
  skipToNewest(): void {
    if (this.#done.size > 0) return
    const newest = PHASES.findLast((phase) => this.#known.has(phase))
    for (const phase of PHASES) {
      if (phase === newest) return
      this.#done.add(phase)
    }
  }

  /** For a subscriber that goes on. It is not told again what it has, unless that is the end, which says so. */
  skip(isHad: (event: PublicEvent) => boolean): void {
    for (const [phase, event] of this.#known) if (!this.#isEnd(phase) && isHad(event)) this.#done.add(phase)
  }

  /** A hold ends with its release, and the command that voids it goes on from there. */
  #isEnd(phase: TransferPhase): boolean {
    return ENDS.includes(phase) || (phase === 'RELEASED' && this.#known.has('HELD'))
  }
}
