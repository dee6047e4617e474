/**
 * What one seed simulates, drawn from it: each class of faults is on with probability one half, and its rate is drawn wide,
 * so that seeds differ in kind and not only in detail. Everything stands in one object, which a failing seed prints.
 */
import type { SnapshotRuleOptions } from '../../writer/snapshots/snapshot-rule.ts'
import type { Random } from './random.ts'

export interface SeedOptions {
  /** `file`: the embedded deployment, its log in files. `shared`: writers that replace each other on one shared log. */
  readonly deployment: 'file' | 'shared'
  /** The projections follow the log of a file deployment. */
  readonly views: boolean
  /** Offers that the clients make before the end is begun. */
  readonly offers: number
  readonly load: LoadOptions
  readonly core: CoreBounds
  readonly writer: WriterOptions
  /** Chances a turn of trouble; 0: this class of faults is off. Trouble has its turn about once for each offer. */
  readonly faults: FaultOptions
}

export interface LoadOptions {
  readonly accounts: number
  readonly commandsPerOfferMax: number
  readonly linked: number
  readonly holds: number
  readonly repeats: number
  readonly reused: number
  readonly oddIds: number
  readonly oddAmounts: number
  readonly holdTimeoutMsMax: number
  /** Mean time between offers. */
  readonly pauseNs: number
}

export interface CoreBounds {
  readonly accountsMax: number
  readonly holdsMax: number
  readonly idsPerGeneration: number
  readonly accountsInitial: number
}

export interface WriterOptions {
  readonly slabs: number
  /** Bytes of events that a frame holds at most. */
  readonly payloadBytes: number
  readonly segmentBytesMax: number
  readonly queueSlotsMax: number
  readonly snapshotRule: SnapshotRuleOptions
  readonly snapshotsKept: number
  /** Bytes of a slice of a snapshot. */
  readonly snapshotRoomBytes: number
  readonly windowBytesMax: number
  readonly idleFrameMs: number
  readonly latencyNs: number
  readonly syncNs: number
}

export interface FaultOptions {
  readonly kill: number
  readonly powerLoss: number
  /** Power is lost in the middle of the disk's work. */
  readonly powerLossAtOperation: number
  readonly cleanStop: number
  readonly writeFails: number
  readonly syncFails: number
  readonly shortWrite: number
  readonly diskFull: number
  readonly readFails: number
  readonly writeBack: number
  readonly bitFlip: number
  readonly snapshotDamage: number
  readonly oldCopy: number
  readonly clockStill: number
  readonly clockJump: number
  readonly viewsCrash: number
  readonly takeover: number
  readonly hostileFrame: number
  readonly repeatedAppend: number
}

/** Draws the options of a seed from its own chance. */
export function drawOptions(random: Random): SeedOptions {
  const deployment = random.chance(0.75) ? 'file' : 'shared'
  const payloadBytes = random.pick([6_000, 16_000, 16_000, 60_000])
  const commandsPerOfferMax = random.pick([1, 4, 12])
  const pauseNs = random.pick([20_000, 200_000, 2_000_000])
  // Ids carry milliseconds: what is forgotten has to be older than the last one, or nothing new would pass.
  const commandsPerMs = ((1 + commandsPerOfferMax) / 2) * (1_000_000 / pauseNs)
  const idsPerGeneration = Math.round(6 + commandsPerMs * random.pick([1, 3, 20]))
  const rate = (most: number): number => (random.chance(0.5) ? most * random.next() ** 2 : 0)
  return {
    deployment,
    views: deployment === 'file' && random.chance(0.4),
    offers: random.between(10, 60),
    load: {
      accounts: random.between(4, 14),
      commandsPerOfferMax,
      linked: random.chance(0.6) ? random.next() * 0.25 : 0,
      holds: random.next() * 0.5,
      repeats: 0.15 + random.next() * 0.15,
      reused: random.next() * 0.05,
      oddIds: random.chance(0.5) ? random.next() * 0.06 : 0,
      oddAmounts: random.next() * 0.06,
      holdTimeoutMsMax: random.pick([1, 20, 500]),
      pauseNs,
    },
    core: {
      accountsMax: random.between(6, 12),
      holdsMax: random.between(2, 12),
      idsPerGeneration,
      accountsInitial: 4,
    },
    writer: {
      slabs: random.between(1, 6),
      payloadBytes,
      segmentBytesMax: random.pick([16_000, 40_000, 200_000]),
      queueSlotsMax: Math.max(random.pick([20, 60, 400]), 8),
      snapshotRule: {
        everyEvents: random.pick([10, 40, 150]),
        logRatio: random.pick([0, 0, 1]),
        quietMs: random.pick([5, 10_000, 10_000]),
      },
      snapshotsKept: random.pick([1, 2, 3]),
      snapshotRoomBytes: random.pick([192, 1_024, 16_384]),
      windowBytesMax: random.pick([1, 8_000, 200_000]),
      idleFrameMs: random.pick([1, 5, 100]),
      latencyNs: Math.ceil(pauseNs * random.pick([0.01, 0.1, 0.5])),
      syncNs: Math.ceil(pauseNs * random.pick([0.05, 1, 8, 8])),
    },
    faults: {
      kill: rate(0.15),
      powerLoss: rate(0.15),
      powerLossAtOperation: rate(0.6),
      cleanStop: rate(0.1),
      writeFails: rate(0.1),
      syncFails: rate(0.1),
      shortWrite: rate(0.5),
      diskFull: rate(0.08),
      readFails: rate(0.1),
      writeBack: rate(0.5),
      bitFlip: rate(0.5),
      snapshotDamage: rate(0.6),
      oldCopy: rate(0.4),
      clockStill: rate(0.2),
      clockJump: rate(0.2),
      viewsCrash: rate(0.1),
      takeover: rate(0.2),
      hostileFrame: rate(0.2),
      repeatedAppend: rate(0.3),
    },
  }
}
