/** Reads single events of a log again, many at a time: in their order, and each frame once. */
import type { EventLog } from '../../eventlog/ports.ts'
import { FrameRows } from '../../schemas/frame-rows.ts'
import { lastSequence, type Frame } from '../../schemas/frames.ts'

/** An event where it stands. */
export interface EventRow {
  readonly rows: FrameRows
  readonly byte: number
  readonly sequence: bigint
}

/** Frames with events that are read past rather than looked up anew, if the next event is not in them. */
const PASSED_MAX = 16

/**
 * The events with these sequences, each once, in their order. Those that the log does not hold (any more) are left out.
 * @throws what ends the reading of the log
 */
export async function* readEvents(
  log: Pick<EventLog, 'read'>,
  sequences: readonly bigint[],
): AsyncGenerator<EventRow, void, undefined> {
  const wanted = [...new Set(sequences)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  let next = 0
  while (next < wanted.length) {
    const before = next
    let passed = 0
    for await (const frame of log.read(wanted[next]!)) {
      // What is not there stood before what is.
      while (next < wanted.length && wanted[next]! < frame.firstSequence) next += 1
      const first = next
      while (next < wanted.length && wanted[next]! <= lastSequence(frame)) next += 1
      if (next > first) yield* rowsOf(frame, wanted.slice(first, next))
      passed = next > first ? 0 : passed + Math.min(1, frame.count)
      if (next === wanted.length || passed > PASSED_MAX) break
    }
    // Nothing stands from there on.
    if (next === before) return
  }
}

function* rowsOf(frame: Frame, wanted: readonly bigint[]): Generator<EventRow, void, undefined> {
  const rows = new FrameRows(frame)
  let sequence = frame.firstSequence
  let byte = 0
  for (const one of wanted) {
    for (; sequence < one; sequence += 1n) byte = rows.after(byte)
    yield { rows, byte, sequence: one }
  }
}
