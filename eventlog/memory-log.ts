/** For tests, of authors too, and for the simulation: a log in memory. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { EventLog, LogHead } from './ports.ts'
import { encodeEvent } from '../schemas/encode-event.ts'
import { EVENT_SCHEMA_VERSION, type WalletEvent } from '../schemas/events.ts'
import { lastSequence, readFrame, sealFrame, type Digests, type Frame } from '../schemas/frames.ts'
import { FRAME_HEADER_BYTES } from '../schemas/limits.ts'

const digests: Digests = {
  crc32: (first, second) => crc32(second, crc32(first)),
  sha256: (first, second) => createHash('sha256').update(first).update(second).digest(),
}

/** An event log in memory. What a test does wrong with it, it delivers. */
export class MemoryLog implements EventLog {
  readonly partition: number
  readonly frames: Frame[] = []
  #changed: (() => void)[] = []

  constructor(partition: number) {
    this.partition = partition
  }

  head(): LogHead {
    const last = this.frames.at(-1)
    return {
      partition: this.partition,
      epoch: 1n,
      sequence: last === undefined ? 0n : lastSequence(last),
      hash: last?.hash ?? new Uint8Array(32),
      nextCommandOffset: 0n,
      nextCommandIndex: 0,
    }
  }

  async currentHead(): Promise<LogHead> {
    return this.head()
  }

  endSequence(): bigint {
    return this.head().sequence
  }

  logOffsetOf(_frame: Frame): bigint | undefined {
    return undefined
  }

  /** Appends one frame; without events, an idle mark. */
  append(events: readonly WalletEvent[]): Frame {
    const { sequence, hash } = this.head()
    const frame = sealed(this.partition, events, sequence + 1n, hash)
    this.push(frame)
    return frame
  }

  /**
   * Appends what it lacks of all events of the partition, in frames of seven.
   * @param withIdleMarks an idle mark stands behind every third frame or so
   */
  catchUp(events: readonly WalletEvent[], withIdleMarks = false): void {
    for (let at = Number(this.head().sequence); at < events.length; at += 7) {
      this.append(events.slice(at, at + 7))
      if (withIdleMarks && at % 3 === 0) this.append([])
    }
  }

  /** Appends a frame as it is. */
  push(frame: Frame): void {
    this.frames.push(frame)
    this.#wake()
  }

  #wake(): void {
    const changed = this.#changed
    this.#changed = []
    for (const wake of changed) wake()
  }

  async *read(fromSequence: bigint): AsyncIterable<Frame> {
    for (const frame of [...this.frames]) if (lastSequence(frame) >= fromSequence) yield frame
  }

  async *tail(fromSequence: bigint, signal: AbortSignal): AsyncIterable<Frame> {
    signal.addEventListener('abort', () => this.#wake(), { once: true })
    for (let index = 0; !signal.aborted;) {
      const frame = this.frames[index]
      if (frame !== undefined) {
        index++
        if (lastSequence(frame) >= fromSequence) yield frame
        continue
      }
      await new Promise<void>((resolve) => this.#changed.push(resolve))
    }
  }
}

/** Seals events as one frame behind another. */
export function sealed(
  partition: number,
  events: readonly WalletEvent[],
  firstSequence: bigint,
  previousHash: Uint8Array,
): Frame {
  const payload = Buffer.concat(events.map(encodeEvent))
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + payload.length)
  bytes.set(payload, FRAME_HEADER_BYTES)
  const header = {
    schemaVersion: EVENT_SCHEMA_VERSION,
    partition,
    partitions: 0,
    epoch: 1n,
    firstSequence,
    count: events.length,
    durableSequence: firstSequence - 1n,
    timeNs: events[0]?.recordedAtNs ?? 0n,
    nextCommandOffset: 0n,
    nextCommandIndex: 0,
    commandsTopic: 0,
    payloadBytes: payload.length,
    previousHash,
  }
  sealFrame(bytes, header, digests)
  const reading = readFrame(bytes, 0, digests)
  if (reading.kind !== 'frame') throw new Error('not a frame')
  return reading.frame
}
