/** What one seed of crossings simulates, drawn from it: each class of faults is on in half of the seeds, its rate drawn wide. */
import type { Coordination } from '../../../schemas/commands.ts'
import { drawOptions, type FaultOptions, type WriterOptions } from '../options.ts'
import type { Random } from '../random.ts'

export interface CrossingOptions {
  readonly partitions: number
  readonly coordinators: number
  readonly coordination: Coordination
  readonly transferDeadlineMs: number
  /** Accounts that clients use, in each partition. */
  readonly accounts: number
  /** Accounts that a partition has room for: now and then none for one in transit. */
  readonly accountsMax: number
  /** Chance of an amount that few accounts have room for. */
  readonly hugeAmounts: number
  readonly offers: number
  readonly pauseNs: number
  readonly repeats: number
  /** An id is sent twice at once, the second time with a debit account of another partition. */
  readonly reuses: number
  /** How long a door takes between a claim that is granted and the command. */
  readonly doorNs: number
  /** Commands that are no transfers across: freezes, closes, transfers within a partition. */
  readonly others: number
  /** Commands that place, post or void holds across. */
  readonly holds: number
  readonly network: NetworkOptions
  readonly writer: WriterOptions
  /** Steps of a coordinator that may wait for one partition. */
  readonly stepsMax: number
  /** Of each partition's machine and disk; `coordinatorKilled`, `coordinatorPaused` a turn; `doorKilled` behind a claim. */
  readonly faults: FaultOptions & {
    readonly coordinatorKilled: number
    readonly coordinatorPaused: number
    readonly coordinatorKilledAtOffer: number
    readonly doorKilled: number
  }
}

export interface NetworkOptions {
  readonly lost: number
  readonly repeated: number
  readonly late: number
  /** How late those are at most. */
  readonly lateNsMax: number
  /** Kept, and brought when all is over. */
  readonly kept: number
  /** An offer finds the queue busy, and for how long at most: now and then for longer than a coordinator waits. */
  readonly busy: number
  readonly busyNsMax: number
}

const MS = 1_000_000

export function drawCrossingOptions(random: Random): CrossingOptions {
  const { faults, writer } = drawOptions(random)
  const rate = (most: number): number => (random.chance(0.5) ? most * random.next() ** 2 : 0)
  const often = (most: number): number => (random.chance(0.5) ? most * random.next() : 0)
  // Trouble mostly outlasts a reminder and a deadline.
  const pauseNs = random.pick([1, 20, 200, 200]) * MS
  const accounts = random.between(2, 5)
  const options = {
    partitions: random.pick([2, 2, 3]),
    coordinators: random.pick([1, 1, 2, 3]),
    coordination: random.pick(['tcc', 'saga'] as const),
    // A deadline counts from the first reminder behind it, and that comes after a second.
    transferDeadlineMs: random.pick([1, 900, 1_500, 4_000, 4_000]),
    accounts,
    accountsMax: random.chance(0.1) ? accounts + 1 : 64,
    hugeAmounts: random.chance(0.3) ? 0.3 : 0,
    offers: random.between(6, 24),
    pauseNs,
    repeats: random.next() * 0.2,
    others: random.next() * 0.4,
    network: {
      lost: often(0.4),
      repeated: often(0.4),
      late: often(0.7),
      lateNsMax: random.pick([20, 1_500, 3_000, 6_000]) * MS,
      kept: 0.3,
      busy: often(0.4),
      busyNsMax: random.pick([5, 200, 2_500]) * MS,
    },
    stepsMax: random.pick([1, 2, 8, 1_024]),
    writer: {
      ...writer,
      payloadBytes: random.pick([6_000, 16_000]),
      queueSlotsMax: random.pick([20, 400]),
      snapshotRoomBytes: random.pick([1_024, 16_384]),
      idleFrameMs: random.pick([5, 100]),
      latencyNs: Math.ceil(MS * random.pick([0.02, 0.2, 2])),
      syncNs: Math.ceil(MS * random.pick([0.05, 1, 8])),
    },
    faults: {
      ...faults,
      // A turn comes to each partition: what follows is for several machines.
      kill: rate(0.06),
      powerLoss: rate(0.04),
      powerLossAtOperation: rate(0.15),
      writeFails: rate(0.04),
      syncFails: rate(0.04),
      clockStill: rate(0.1),
      clockJump: rate(0.1),
      coordinatorKilled: rate(0.2),
      coordinatorPaused: rate(0.2),
      coordinatorKilledAtOffer: rate(0.1),
    },
  }
  const holds = random.chance(0.6) ? 0.7 * random.next() : 0
  const doors = { reuses: often(0.4), doorNs: random.pick([1, 20, 2_000]) * MS }
  return { ...options, holds, ...doors, faults: { ...options.faults, doorKilled: often(0.5) } }
}
