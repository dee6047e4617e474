/** Cuts through ranges by event: what is left out, what comes before a bound, and one half and the other. */
import { eventRowBytes, ROW_BYTE } from '../../../schemas/events.ts'
import { HASH_BYTES, sameBytes } from '../../../schemas/frames.ts'
import type { Checkpoint } from './chain.ts'
import type { Range } from './range.ts'

interface Row {
  readonly sequence: bigint
  readonly recordedAtNs: bigint
  readonly bytes: Uint8Array
}

/** The rows of a range, in order. Their bytes are the payloads' own. */
function* rowsOf({ payloads }: Range): Generator<Row> {
  for (const payload of payloads) {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
    for (let byte = 0; byte < payload.length;) {
      const length = eventRowBytes(payload, byte)
      yield {
        sequence: view.getBigUint64(byte + ROW_BYTE.sequence, true),
        recordedAtNs: view.getBigInt64(byte + ROW_BYTE.recordedAt, true),
        bytes: payload.subarray(byte, byte + length),
      }
      byte += length
    }
  }
}

/** The range without these events. It ends where it ended, whatever is left of it. */
export function withoutEvents(range: Range, sequences: ReadonlySet<bigint>): Range {
  const without = [...sequences].filter((sequence) => sequence >= range.first && sequence <= range.last)
  if (without.length === 0) return range
  const payloads = [...rowsOf(range)].filter(({ sequence }) => !sequences.has(sequence)).map(({ bytes }) => bytes)
  return { ...range, payloads, without: [...(range.without ?? []), ...without].sort((left, right) => (left < right ? -1 : 1)) }
} // prettier-ignore

/**
 * The part of a range whose events satisfy the condition, up to the first that does not.
 * @returns undefined if the first one does not
 */
export function upToFirst(range: Range, isWithin: (row: Omit<Row, 'bytes'>) => boolean): Range | undefined {
  const rows: Row[] = []
  for (const row of rowsOf(range)) {
    if (!isWithin(row)) break
    rows.push(row)
  }
  return partOf(range, rows)
}

/** Both halves of a range, by events; undefined if it holds only one. */
export function halves(range: Range): readonly [Range, Range] | undefined {
  const rows = [...rowsOf(range)]
  if (rows.length < 2) return undefined
  const middle = rows.length >> 1
  return [partOf(range, rows.slice(0, middle))!, partOf(range, rows.slice(middle))!]
}

/** Whether there is any event in it. */
export function isEmptyRange({ payloads }: Range): boolean {
  return payloads.every(({ length }) => length === 0)
}

/** In the place of a frame's hash: nothing goes on from there, whatever the log holds. No SHA-256 is known to give it. */
const ENDED_HASH = new Uint8Array(HASH_BYTES).fill(0xff)

/** The checkpoint of what takes nothing further, so that whoever reads it knows that. */
export function endedAt(checkpoint: Checkpoint): Checkpoint {
  return { ...checkpoint, hash: ENDED_HASH }
}

/** True for the checkpoint of what was to end somewhere, and has. */
export function hasEnded({ hash }: Checkpoint): boolean {
  return sameBytes(hash, ENDED_HASH)
}

/** A checkpoint in the middle of a range may be within a frame, from where nothing goes on. */
function partOf(range: Range, rows: readonly Row[]): Range | undefined {
  const [first] = rows
  const last = rows.at(-1)
  if (first === undefined || last === undefined) return undefined
  const { sequence, recordedAtNs } = last
  const ends = sequence === range.checkpoint.sequence
  return {
    first: first.sequence,
    last: sequence,
    payloads: rows.map(({ bytes }) => bytes),
    checkpoint: ends
      ? range.checkpoint
      : endedAt({ ...range.checkpoint, sequence, recordedAtNs, logOffset: 0n }),
  }
}
