/**
 * Positions: how far something is, as a vector partition → sequence. Inside it is written `0:1042,1:7`; outside it is
 * one opaque string that clients only hand back and compare for equality.
 */
import { PARTITIONS_MAX } from './limits.ts'

/** Partition → last sequence included. A partition that is missing stands at 0. */
export type Position = ReadonlyMap<number, bigint>

const POSITION_TEXT = /^\d{1,4}:\d{1,19}(,\d{1,4}:\d{1,19}){0,1023}$/

/** Writes a position in its inside form, partitions ascending. The empty position is `0:0`. */
export function formatPosition(position: Position): string {
  const parts = [...position]
    .sort(([left], [right]) => left - right)
    .map(([partition, sequence]) => `${partition}:${sequence}`)
  return parts.length === 0 ? '0:0' : parts.join(',')
}

/** Reads the inside form. Returns undefined for anything else. */
export function parsePosition(text: string): Position | undefined {
  if (text.length > 26 * PARTITIONS_MAX || !POSITION_TEXT.test(text)) return undefined
  const position = new Map<number, bigint>()
  for (const part of text.split(',')) {
    const [partition, sequence] = part.split(':') as [string, string]
    if (Number(partition) >= PARTITIONS_MAX || position.has(Number(partition))) return undefined
    position.set(Number(partition), BigInt(sequence))
  }
  return position
}

/** True if everything up to `wanted` is included in `reached`. */
export function includesPosition(reached: Position, wanted: Position): boolean {
  for (const [partition, sequence] of wanted) if ((reached.get(partition) ?? 0n) < sequence) return false
  return true
}

/** What all of the positions include: in each partition the least of them. Of none: the empty position. */
export function earliestPosition(positions: readonly Position[]): Position {
  const [first, ...others] = positions
  const earliest = new Map<number, bigint>()
  for (const [partition, sequence] of first ?? [])
    earliest.set(
      partition,
      others.reduce((least, other) => {
        const reached = other.get(partition) ?? 0n
        return reached < least ? reached : least
      }, sequence),
    )
  return earliest
}
