/** Ranges: consecutive frames of one partition that go to the views in one insert. */
import { EVENT_ROW_BYTES } from '../../schemas/limits.ts'
import { eventRowBytes, ROW_BYTE } from '../../schemas/events.ts'
import { lastSequence, type Frame } from '../../schemas/frames.ts'
import type { Checkpoint } from './chain.ts'
import { insertSettings, insertStatement } from '../clickhouse/view-tables.ts'
import type { Database, ProjectionSet } from '../projection.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'

/** How large a range may get. A single frame is always taken whole. */
export interface RangeLimits {
  readonly rangeEventsMax: number
  readonly rangeBytesMax: number
}

/** Events `first` to `last`, as bytes. */
export interface Range {
  readonly first: bigint
  readonly last: bigint
  readonly payloads: readonly Uint8Array[]
  /** Where the views are once they hold it. */
  readonly checkpoint: Checkpoint
}

/** Frames that wait for their insert: as many as one range may have. */
export class RangeBuffer {
  readonly #limits: RangeLimits
  #frames: Frame[] = []
  #events = 0
  #bytes = 0
  #sinceMs = 0
  #logOffset = 0n

  constructor(limits: RangeLimits) {
    this.#limits = limits
  }

  get isEmpty(): boolean {
    return this.#frames.length === 0
  }

  /** When the oldest frame came, by the clock of `push`. */
  get sinceMs(): number {
    return this.#sinceMs
  }

  /** The writer's time of the oldest frame, nanoseconds since 1970; undefined if empty. */
  get oldestNs(): bigint | undefined {
    return this.#frames[0]?.timeNs
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
    if (this.isEmpty) this.#sinceMs = nowMs
    this.#logOffset = logOffset
    this.#frames.push(frame)
    this.#events += frame.count
    this.#bytes += frame.payload.length
  }

  /** Takes everything as one range. The buffer must not be empty. */
  take(): Range {
    const frames = this.#frames
    this.#frames = []
    this.#events = 0
    this.#bytes = 0
    const last = frames.at(-1)!
    return {
      first: frames[0]!.firstSequence,
      last: lastSequence(last),
      payloads: frames.map((frame) => frame.payload),
      checkpoint: {
        partition: last.partition,
        sequence: lastSequence(last),
        hash: last.hash.slice(),
        recordedAtNs: lastRecordedAtNs(last),
        logOffset: this.#logOffset,
      },
    }
  }
}

/** Writes a range into the views of the projections that run together. Doing it again, in whole or in other cuts, changes no answer. */
export async function insertRange(
  store: ViewStore,
  projections: ProjectionSet,
  range: Range,
  database: Database = '',
): Promise<void> {
  const settings = insertSettings(range.checkpoint.partition, range.first, range.last)
  await store.insertPayload(insertStatement(projections, database), range.payloads, settings)
}

/** The one field that is looked at here: when the last event of a frame was recorded. */
function lastRecordedAtNs({ payload, count }: Frame): bigint {
  let byte = payload.length - EVENT_ROW_BYTES
  if (payload.length !== count * EVENT_ROW_BYTES) {
    byte = 0
    for (let next = 0; next < payload.length; next += eventRowBytes(payload, next)) byte = next
  }
  return new DataView(payload.buffer, payload.byteOffset).getBigInt64(byte + ROW_BYTE.recordedAt, true)
}
