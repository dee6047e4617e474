/** The log from zero, folded again: what proves that the writer's state, and so every view, follows from it alone. */
import { nodeDisk, type Disk } from '../../eventlog/disk/disk.ts'
import { readFramesAhead } from '../../eventlog/file/read/read-ahead.ts'
import { readFramesSync } from '../../eventlog/file/read/reader.ts'
import type { LogHead } from '../../eventlog/ports.ts'
import { createCore, type CoreOptions, type WalletCore } from '../core/core.ts'
import { applyFrames, type Replayed } from './load-state.ts'
import { digestSections } from './state-digest.ts'

export interface ReplayOptions {
  /**
   * Where to end. Needed while a writer runs: a head of that log, because behind it frames may be half written. By
   * default the end of the files.
   */
  readonly until?: LogHead
  /** As the writer's own: the digest depends on how many ids are remembered. */
  readonly core?: Omit<CoreOptions, 'partition'>
  /** Default: this machine's. */
  readonly disk?: Disk
}

export interface Replay {
  readonly core: WalletCore
  /** Where the replay ended. */
  readonly head: LogHead
  /** SHA-256 of the state: equal to the writer's `digest()` at the same sequence. */
  readonly digest: string
  /** Sum over all accounts, per currency: zero, or money was made or lost. */
  readonly trialBalance: ReadonlyMap<string, bigint>
  readonly frames: number
  readonly events: bigint
  readonly accounts: number
  readonly holdsOpen: number
}

/**
 * Replays a partition's log from its first event, verifying every frame. Blocks the thread; changes nothing.
 * @throws LogCorruptError, LogRegressedError if `until` is never reached, CoreBrokenError if the events contradict each other
 */
export function replayLog(dataDir: string, partition: number, options: ReplayOptions = {}): Replay {
  const core = createCore({ partition, ...options.core })
  const read = options.disk === undefined ? readFramesAhead : readFramesSync
  const reading = read(options.disk ?? nodeDisk, dataDir, partition, 1n, options.until)
  return replayOf(core, applyFrames(core, reading))
}

/** What a core says that was given all of a log. */
export function replayOf(
  core: WalletCore,
  { head, frames, events }: Replayed & Pick<Replay, 'head'>,
): Replay {
  return {
    core,
    head,
    digest: digestSections(core.save()),
    trialBalance: core.trialBalance(),
    frames,
    events,
    accounts: core.accounts(),
    holdsOpen: core.holdsOpen(),
  }
}
