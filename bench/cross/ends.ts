/** How transfers end, across partitions or within one, as their events tell: what a door waits for. */
import { EVENT_KINDS, ROW_BYTE } from '../../schemas/events.ts'
import { FrameRows } from '../../schemas/frame-rows.ts'
import type { Frame } from '../../schemas/frames.ts'
import { COMMAND_KINDS } from '../../schemas/commands.ts'

const { TransferPosted, TransferRefused, TransferCompleted, TransferCancelled, TransferCompensated } =
  EVENT_KINDS

/** By kind: 0 no end, 1 applied, 2 refused. */
const ENDS = new Uint8Array(256)
for (const kind of [TransferPosted, TransferCompleted]) ENDS[kind] = 1
for (const kind of [TransferRefused, TransferCancelled, TransferCompensated]) ENDS[kind] = 2

/** Calls `ended` with the serial number of each transfer that ends in a frame. */
export function endsIn(frame: Frame, ended: (serial: number, isRefused: boolean) => void): void {
  const rows = new FrameRows(frame)
  for (let byte = 0; byte < rows.end; byte = rows.after(byte)) {
    const end = ENDS[rows.kind(byte)]!
    if (end !== 0) ended(rows.words[(byte + ROW_BYTE.code) >>> 2]! >>> 0, end === 2)
  }
}

/** Claims of ids that are granted in a frame. */
export function claimsIn(frame: Frame): number {
  const rows = new FrameRows(frame)
  let count = 0
  for (let byte = 0; byte < rows.end; byte = rows.after(byte))
    if (rows.kind(byte) === EVENT_KINDS.IdClaimed) count += 1
  return count
}

/** Transfers that their deadline has cancelled among those that end in a frame. */
export function timedOutIn(frame: Frame): number {
  const rows = new FrameRows(frame)
  let count = 0
  for (let byte = 0; byte < rows.end; byte = rows.after(byte))
    if (ENDS[rows.kind(byte)] === 2 && rows.command(byte) === COMMAND_KINDS.TimeStep) count += 1
  return count
}
