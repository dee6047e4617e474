/**
 * What a frame says beside its events, in two places of its header that were zero before:
 *
 *   7   u8   a mark: why the commands from the place that the frame before names, up to this frame's own place, were
 *            consumed without being decided (SKIP_REASONS; 0: it is no mark). Events that a mark may hold are the writer's
 *            own timers
 *  58   u16  the id horizon: every id that was made at this time or before, and that has no event in this partition up to this
 *            frame, never gets one. 0: nothing is said. Up to 57,344, one more than its age before the frame's own time: 5 bits
 *            exponent, 11 bits mantissa, in milliseconds, rounded up. Above that, 57,345 more than the rest of its
 *            milliseconds since 1970 by 8,191. A writer's frames say the one and the other in turn
 *
 * Both are facts of the log, the same for every gateway that reads it and for every writer that comes after. A refusal
 * `id_expired` rests on the horizon and on nothing else (docs/decisions/0021). What is said is never later than the true
 * horizon, and that it never goes back makes two frames one statement: the age says it to a thousandth, and of the times from
 * there on, the first with the rest that is said is not later either, and is soon the true one, to the millisecond. It has to
 * be: all rows of an import carry one time, and when some of them are forgotten, that very time is the horizon.
 */
import { NS_PER_MS } from './time.ts'

/** Why commands were passed over; numbers are stable for ever. */
export const SKIP_REASONS = {
  /** Nothing that can be read as commands: some other program wrote it, or it was damaged. */
  unreadable: 1,
  /** A command that no door lets through, or that is linked with one. */
  malformed: 2,
  /** Deleted from the topic before a writer took it. */
  deleted: 3,
} as const
export type SkipReason = keyof typeof SKIP_REASONS

const reasonNames = new Map<number, SkipReason>(
  Object.entries(SKIP_REASONS).map(([name, number]) => [number, name as SkipReason]),
)

const MANTISSA_BITS = 11
const MANTISSAS = 2 ** MANTISSA_BITS
/** Larger ones, of ages above eight years, leave room for the rest. */
const EXPONENTS = 28
const FIRST_REST = EXPONENTS * MANTISSAS + 1
const RESTS = 0xffff - FIRST_REST + 1

/** Why a frame passes over commands, by the number in its header; undefined: it does not. */
export function skipReasonOf(skip: number | undefined): SkipReason | undefined {
  // A reason of a later version is none that this one could explain.
  return skip === undefined || skip === 0 ? undefined : (reasonNames.get(skip) ?? 'unreadable')
}

/**
 * The 16 bits that say an id horizon by its age.
 * @param timeNs the frame's time, nanoseconds since 1970
 * @param horizonMs milliseconds since 1970; below 0: no id was ever forgotten, so nothing is said; nor is an age of more than
 *   eight years
 */
export function encodeHorizonAge(timeNs: bigint, horizonMs: number): number {
  if (horizonMs < 0) return 0
  // It may lie ahead of a frame whose clock was set back: an earlier one is true as well.
  let mantissa = Math.max(0, Number(timeNs / NS_PER_MS) - horizonMs)
  let exponent = 0
  for (; mantissa >= MANTISSAS; exponent++) mantissa = Math.ceil(mantissa / 2)
  const said = exponent * MANTISSAS + mantissa + 1
  return said < FIRST_REST ? said : 0
}

/** The 16 bits that say an id horizon by its rest, for whoever knows it roughly. @param horizonMs as `sayHorizon` */
export function encodeHorizonRest(horizonMs: number): number {
  return horizonMs < 0 ? 0 : FIRST_REST + (horizonMs % RESTS)
}

/**
 * The latest id horizon that is known behind a frame, milliseconds since 1970; −1: none is.
 * @param knownMs the latest that was known before it
 */
export function horizonAfter(
  knownMs: number,
  frame: { readonly timeNs: bigint; readonly idHorizon?: number },
): number {
  const { timeNs, idHorizon = 0 } = frame
  if (idHorizon === 0) return knownMs
  if (idHorizon >= FIRST_REST) {
    if (knownMs < 0) return knownMs
    const rest = idHorizon - FIRST_REST
    return knownMs + ((rest - (knownMs % RESTS) + RESTS) % RESTS)
  }
  const said = idHorizon - 1
  const saidMs = Number(timeNs / NS_PER_MS) - (said % MANTISSAS) * 2 ** Math.floor(said / MANTISSAS)
  return Math.max(knownMs, saidMs)
}
