/** What may go wrong between the views' runtime and their store, how often, and how one call ends. */
import type { Random } from '../../random.ts'

/** Chances per call, from 0 to 1. */
export interface StoreFaults {
  /** The connection is refused: nothing has arrived. */
  readonly refused: number
  /** The connection breaks before anything was done. */
  readonly reset: number
  /** It breaks midway: some tables have the rows, one has the first of them, others have none. */
  readonly partial: number
  /** All is done, and the answer is lost. */
  readonly replyLost: number
  /** The caller gives up; what it asked for is done afterwards. */
  readonly late: number
  /** What was asked for is done a second time, later, past the memory of tokens. */
  readonly twice: number
  /** Steps take seconds. */
  readonly slow: number
  /** The store is killed during the call. */
  readonly killed: number
}

export type Fate = 'ok' | Exclude<keyof StoreFaults, 'slow'>

const FATES = ['refused', 'reset', 'partial', 'replyLost', 'late', 'twice', 'killed'] as const
const RATE_MAX = 0.2

export const NO_STORE_FAULTS: StoreFaults = {
  refused: 0, reset: 0, partial: 0, replyLost: 0, late: 0, twice: 0, slow: 0, killed: 0,
} // prettier-ignore

/** Each kind of fault is there or not, and where it is, often or rarely. */
export function drawStoreFaults(random: Random): StoreFaults {
  const rate = (): number => (random.chance(0.5) ? random.next() * RATE_MAX : 0)
  return {
    refused: rate(), reset: rate(), partial: rate(), replyLost: rate(),
    late: rate(), twice: rate(), slow: rate(), killed: rate() / 3,
  } // prettier-ignore
}

export function drawFate(faults: StoreFaults, random: Random): Fate {
  let at = random.next()
  for (const fate of FATES) {
    at -= faults[fate]
    if (at < 0) return fate
  }
  return 'ok'
}

/** How long a step of a call takes, in ns: milliseconds, or seconds where the store is slow. */
export function drawStepNs(faults: StoreFaults, random: Random): bigint {
  const us = random.chance(faults.slow) ? random.between(300_000, 6_000_000) : random.between(100, 12_000)
  return BigInt(us) * 1_000n
}
