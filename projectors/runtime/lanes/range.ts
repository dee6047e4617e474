/** Ranges: consecutive frames of one partition that go to the views in one insert. */
import { EVENT_ROW_BYTES } from '../../../schemas/limits.ts'
import { eventRowBytes, ROW_BYTE } from '../../../schemas/events.ts'
import { lastSequence, type Frame } from '../../../schemas/frames.ts'
import type { Checkpoint } from './chain.ts'
import { insertSettings, insertStatement } from '../../clickhouse/view-tables.ts'
import type { ViewStore } from '../../clickhouse/view-store.ts'

/** How large a range may get. A single frame is always taken whole. */
export interface RangeLimits {
  readonly rangeEventsMax: number
  readonly rangeBytesMax: number
}

/**
 * How ranges are cut: the one place. A range costs the engine about 75 ms of CPU time before its first event, and 2.5 µs for
 * each (docs/benchmarks.md), so as long as nobody waits for the views a range is given time to grow. What somebody waits for
 * is written at once, as is what was in the log when the views began.
 */
export const RANGES = {
  /** At most; `rangeBytesMax` is the process's frame budget, and about 310,000 events without text. */
  eventsMax: 524_288,
  /**
   * Of a version that is throttled while it is behind. Two full ranges in memory keep the thread that answers commands at
   * collecting garbage, and each stands in its way for as long as it is sent.
   */
  throttledBytesMax: 16 * 1024 * 1024,
  /** How long the first events of a range wait for more, in ms, while nobody waits for them. */
  lingerMs: 4_000,
  /** The same while somebody does; longer while the writing of a range takes longer than that. */
  lingerAwaitedMs: 40,
} as const

/** Events `first` to `last`, as bytes. */
export interface Range {
  readonly first: bigint
  readonly last: bigint
  readonly payloads: readonly Uint8Array[]
  /** Sequences of events that are not in the payloads, because an operator said so; none if undefined. */
  readonly without?: readonly bigint[]
  /** Where the views are once they hold it. */
  readonly checkpoint: Checkpoint
}

/** Frames that wait for their insert: as many as one range may have. */
export class RangeBuffer {
  readonly #limits: RangeLimits
  #frames: { readonly frame: Frame; readonly logOffset: bigint; readonly sinceMs: number }[] = []
  #events = 0
  #bytes = 0

  constructor(limits: RangeLimits) {
    this.#limits = limits
  }

  get isEmpty(): boolean {
    return this.#frames.length === 0
  }

  /** When the oldest frame came, by the clock of `push`. */
  get sinceMs(): number {
    return this.#frames[0]?.sinceMs ?? 0
  }

  /** The writer's time of the oldest frame, nanoseconds since 1970; undefined if empty. */
  get oldestNs(): bigint | undefined {
    return this.#frames[0]?.frame.timeNs
  }

  /** True if the frame would still belong to the same range. */
  hasRoom(frame: Frame): boolean {
    return (
      this.isEmpty ||
      (this.#events + frame.count <= this.#limits.rangeEventsMax &&
        this.#bytes + frame.payload.length <= this.#limits.rangeBytesMax)
    )
  }

  /** @param logOffset where the log keeps the frame; 0: unknown */
  push(frame: Frame, nowMs: number, logOffset = 0n): void {
    this.#frames.push({ frame, logOffset, sinceMs: nowMs })
    this.#events += frame.count
    this.#bytes += frame.payload.length
  }

  /**
   * Takes what there is as one range, up to the frame that ends with `upTo` at most.
   * @returns undefined if there is nothing up to there
   */
  take(upTo?: bigint): Range | undefined {
    const beyond = this.#frames.findIndex(({ frame }) => upTo !== undefined && lastSequence(frame) > upTo)
    const taken = this.#frames.splice(0, beyond < 0 ? this.#frames.length : beyond)
    if (taken.length === 0) return undefined
    for (const { frame } of taken) {
      this.#events -= frame.count
      this.#bytes -= frame.payload.length
    }
    const { frame: last, logOffset } = taken.at(-1)!
    return {
      first: taken[0]!.frame.firstSequence,
      last: lastSequence(last),
      payloads: taken.map(({ frame }) => frame.payload),
      checkpoint: {
        partition: last.partition,
        sequence: lastSequence(last),
        hash: last.hash.slice(),
        recordedAtNs: lastRecordedAtNs(last.payload, last.payload.length === last.count * EVENT_ROW_BYTES),
        logOffset,
      },
    }
  }
}

/** Writes a range into the tables behind a feed. Doing it again, in whole or in other cuts, changes no answer. */
export async function insertRange(store: ViewStore, feed: string, range: Range): Promise<void> {
  const settings = insertSettings(range.checkpoint.partition, range.first, range.last, range.without)
  await store.insertPayload(insertStatement(feed), range.payloads, settings)
}

/**
 * The one field that is looked at here: when the last event of a payload was recorded.
 * @param isPlain true if no event of it has texts, so that every row is as long as the next
 */
function lastRecordedAtNs(payload: Uint8Array, isPlain: boolean): bigint {
  let byte = payload.length - EVENT_ROW_BYTES
  if (!isPlain) {
    byte = 0
    for (let next = 0; next < payload.length; next += eventRowBytes(payload, next)) byte = next
  }
  return new DataView(payload.buffer, payload.byteOffset).getBigInt64(byte + ROW_BYTE.recordedAt, true)
}
