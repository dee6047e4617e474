/** From disk to state: the newest usable snapshot, then the tail of the log behind it, or the whole log. */
import type { Disk } from '../eventlog/file/disk.ts'
import { readFramesSync } from '../eventlog/file/reader.ts'
import { LogRegressedError } from '../eventlog/errors.ts'
import type { LogHead } from '../eventlog/ports.ts'
import { sameBytes } from '../schemas/frames.ts'
import { createCore, loadCore, type CoreOptions, type WalletCore } from './core/core.ts'
import { loadNewestSnapshot, type PassedOver } from './snapshot.ts'
import type { SnapshotPosition } from './snapshot-file.ts'

/** A state, and where in the log's history it stands. */
export interface LoadedState {
  readonly core: WalletCore
  /** The snapshot that it was loaded from; undefined: it is empty. */
  readonly snapshot: { readonly file: string; readonly position: SnapshotPosition } | undefined
  /** Newer snapshots that could not be used. */
  readonly passedOver: readonly PassedOver[]
}

export interface Replayed {
  readonly frames: number
  readonly events: bigint
}

/** Loads the newest usable snapshot of a partition, or an empty state if there is none. */
export function loadState(disk: Disk, dataDir: string, options: CoreOptions): LoadedState {
  const { usable, passedOver } = loadNewestSnapshot(disk, dataDir, options.partition, ({ sections }) =>
    loadCore(options, sections),
  )
  return usable === undefined
    ? { core: createCore(options), snapshot: undefined, passedOver }
    : { core: usable.state, snapshot: { file: usable.file, position: usable.position }, passedOver }
}

/**
 * Applies what the log holds behind a loaded state, up to `head`, verifying the chain from the snapshot's own frame on.
 * @throws LogCorruptError; LogRegressedError if the log does not hold the frame that the snapshot was taken behind:
 *   then it went backwards, or is another history
 */
export function replayTail(
  disk: Disk,
  dataDir: string,
  partition: number,
  loaded: LoadedState,
  head: LogHead,
): Replayed {
  const { core, snapshot } = loaded
  const fromSequence = snapshot?.position.sequence ?? 1n
  let isBehindSnapshot = snapshot === undefined
  let frames = 0
  let events = 0n
  for (const frame of readFramesSync(disk, dataDir, partition, fromSequence, head)) {
    if (isBehindSnapshot) {
      if (frame.count > 0) core.apply(frame.payload)
      frames++
      events += BigInt(frame.count)
    } else isBehindSnapshot = sameBytes(frame.hash, snapshot!.position.chainHash)
  }
  if (!isBehindSnapshot)
    throw new LogRegressedError(dataDir, head.sequence, fromSequence, `snapshot ${snapshot!.file}`)
  return { frames, events }
}
