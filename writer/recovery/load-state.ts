/** From disk to state: the newest usable snapshot, then the tail of the log behind it, or the whole log. */
import type { Disk } from '../../eventlog/disk/disk.ts'
import type { ReadFrames } from '../../eventlog/file/read/read-ahead.ts'
import { readFramesSync } from '../../eventlog/file/read/reader.ts'
import { LogRegressedError } from '../../eventlog/errors.ts'
import type { LogHead } from '../../eventlog/ports.ts'
import { HASH_BYTES, sameBytes, type Frame } from '../../schemas/frames.ts'
import { createCore, loadCore, type CoreOptions, type WalletCore } from '../core/core.ts'
import { loadNewestSnapshot, type UnusableSnapshot } from '../snapshots/snapshot-folder.ts'
import type { SnapshotPosition } from '../snapshots/snapshot-format.ts'

/** A state, and where in the log's history it stands. */
export interface LoadedState {
  readonly core: WalletCore
  /** The snapshot that it was loaded from; undefined: it is empty. */
  readonly snapshot:
    { readonly file: string; readonly fileBytes: number; readonly position: SnapshotPosition } | undefined
  /** Newer snapshots that could not be used. */
  readonly unusable: readonly UnusableSnapshot[]
}

export interface Replayed {
  readonly frames: number
  readonly events: bigint
}

/** Loads the newest usable snapshot of a partition, or an empty state if there is none. */
export function loadNewestState(disk: Disk, dataDir: string, options: CoreOptions): LoadedState {
  const { usable, unusable } = loadNewestSnapshot(disk, dataDir, options.partition, ({ sections }) =>
    loadCore(options, sections),
  )
  if (usable === undefined) return { core: createCore(options), snapshot: undefined, unusable }
  const { state: core, ...snapshot } = usable
  return { core, snapshot, unusable }
}

/**
 * Applies what the log holds behind a loaded state, up to `head`, verifying the chain from the snapshot's own frame on.
 * @param read by default reads on this thread alone
 * @throws LogCorruptError; LogRegressedError if the log does not hold the frame that the snapshot was taken behind:
 *   then it went backwards, or is another history
 */
export function replayTail(
  disk: Disk,
  dataDir: string,
  partition: number,
  loaded: LoadedState,
  head: LogHead,
  read: ReadFrames = readFramesSync,
): Replayed {
  const { core, snapshot } = loaded
  const fromSequence = snapshot?.position.sequence ?? 1n
  const reading = read(disk, dataDir, partition, fromSequence, head)
  if (snapshot !== undefined) {
    let step = reading.next()
    while (step.done !== true && !sameBytes(step.value.hash, snapshot.position.chainHash))
      step = reading.next()
    if (step.done === true)
      throw new LogRegressedError(dataDir, head.sequence, fromSequence, `snapshot ${snapshot.file}`)
  }
  const { frames, events } = applyFrames(core, reading)
  return { frames, events }
}

/**
 * The tail behind a loaded state, as somebody else reads it and hands it over frame by frame. Whoever reads has judged each
 * frame by the reader rule, from the snapshot's own frame on.
 */
export class TailReplay {
  private readonly core: WalletCore
  private hash: Uint8Array
  private frames = 0
  private events = 0n

  constructor({ core, snapshot }: LoadedState) {
    this.core = core
    this.hash = snapshot?.position.chainHash ?? new Uint8Array(HASH_BYTES)
  }

  /** Applies the next frame. Throws CoreBrokenError if its events contradict the state. */
  apply({ hash, count, payload }: Pick<Frame, 'hash' | 'count' | 'payload'>): void {
    if (count > 0) this.core.apply(payload)
    this.hash = hash
    this.frames++
    this.events += BigInt(count)
  }

  /** Nothing more comes: the state stands behind `head`, or what was fed was not this log. */
  end(head: LogHead): Replayed {
    if (this.core.sequence() !== head.sequence || !sameBytes(this.hash, head.hash))
      throw new Error(`the state stands at sequence ${this.core.sequence()}, the log at ${head.sequence}`)
    return { frames: this.frames, events: this.events }
  }
}

/**
 * Applies every frame that is still to be read, each before the next one is asked for.
 * @returns the head that the reading reached as well
 */
export function applyFrames(
  core: WalletCore,
  reading: Generator<Frame, LogHead, undefined>,
): Replayed & { readonly head: LogHead } {
  let frames = 0
  let events = 0n
  try {
    for (;;) {
      const step = reading.next()
      if (step.done === true) return { frames, events, head: step.value }
      const { count, payload } = step.value
      if (count > 0) core.apply(payload)
      frames++
      events += BigInt(count)
    }
  } finally {
    // An event that does not fit the state ends the reading as well.
    reading.return(undefined as never)
  }
}
