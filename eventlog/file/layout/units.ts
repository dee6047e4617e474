/**
 * Units: a frame and the zeros that fill its last block. A frame and its padding are whole or bad together, so that not a
 * bit of a segment can change unseen. The scan is written once, as a coroutine that asks for bytes and yields units;
 * `unitsSync` and `unitsLater` feed it from a file.
 */
import { peekFrame, readFrame, type Frame } from '../../../schemas/frames.ts'
import { nodeDigests } from '../../hashing.ts'
import { readUpTo, readUpToLater, type DiskFile } from '../../disk/disk.ts'
import { BLOCK_BYTES, wholeBlocks } from './segments.ts'

/** A whole frame and where it stands in its segment. */
export interface Unit {
  readonly frame: Frame
  /** First byte in the segment file. */
  readonly byte: number
  /** Frame and padding. */
  readonly bytes: number
}

export type UnitReading =
  | { readonly kind: 'unit'; readonly unit: Unit }
  | { readonly kind: 'short'; readonly bytesNeeded: number }
  | { readonly kind: 'bad'; readonly reason: string }

const ZEROS = new Uint8Array(BLOCK_BYTES)

/** Reads the unit that begins at `bytes[at]`, which is byte `at + base` of its file. */
export function readUnit(bytes: Uint8Array, at: number, base: number): UnitReading {
  const reading = readFrame(bytes, at, nodeDigests)
  if (reading.kind !== 'frame') return reading
  const frameBytes = reading.frame.bytes.length
  const unitBytes = wholeBlocks(frameBytes)
  if (at + unitBytes > bytes.length) return { kind: 'short', bytesNeeded: unitBytes }
  const padding = bytes.subarray(at + frameBytes, at + unitBytes)
  if (Buffer.compare(padding, ZEROS.subarray(0, padding.length)) !== 0)
    return { kind: 'bad', reason: 'the padding behind the frame is not zero' }
  return { kind: 'unit', unit: { frame: reading.frame, byte: at + base, bytes: unitBytes } }
}

/** How a scan ended: at the end of the file, or at bytes that are no unit. */
export type ScanEnd =
  | { readonly kind: 'end'; readonly byte: number }
  | { readonly kind: 'bad'; readonly byte: number; readonly reason: string }

interface ReadRequest {
  readonly kind: 'read'
  readonly at: number
  readonly bytes: number
}
interface UnitFound {
  readonly kind: 'unit'
  readonly unit: Unit
}

/** Bytes asked for at a time: two frames at least, since a frame cut off by the window's end is read again. */
export const READ_BYTES = 8 * 1024 * 1024
/** Asked for at a time by who only looks at headers: many small frames, or the header of a large one. */
const HOP_READ_BYTES = 256 * 1024
const HEADER_READ_BYTES = BLOCK_BYTES

/**
 * Scans a segment's units from byte `from`. Frames are views of what was read: valid for as long as that memory is.
 * @param skipBefore frames that end before this sequence are passed over by their headers, unverified
 */
function* scanUnits(
  from: number,
  skipBefore: bigint,
): Generator<ReadRequest | UnitFound, ScanEnd, Uint8Array | undefined> {
  let window: Uint8Array = new Uint8Array(0)
  let windowAt = from
  let at = from
  let isHopping = skipBefore > 0n
  let hopBytes = HOP_READ_BYTES
  for (;;) {
    let bytesNeeded: number
    if (isHopping) {
      const peeked = peekFrame(window, at - windowAt)
      if (peeked.kind === 'frame' && peeked.firstSequence + BigInt(peeked.count) > skipBefore - 1n) {
        // From here on frames are verified, and read in big pieces.
        isHopping = false
        continue
      }
      if (peeked.kind === 'frame') {
        at += wholeBlocks(peeked.frameBytes)
        hopBytes = peeked.frameBytes * 2 > HOP_READ_BYTES ? HEADER_READ_BYTES : HOP_READ_BYTES
        continue
      }
      if (peeked.kind === 'bad') return { kind: 'bad', byte: at, reason: peeked.reason }
      bytesNeeded = peeked.bytesNeeded
    } else {
      const reading = readUnit(window, at - windowAt, windowAt)
      if (reading.kind === 'unit') {
        yield { kind: 'unit', unit: reading.unit }
        at += reading.unit.bytes
        continue
      }
      if (reading.kind === 'bad') return { kind: 'bad', byte: at, reason: reading.reason }
      bytesNeeded = reading.bytesNeeded
    }
    const asked = Math.max(isHopping ? hopBytes : READ_BYTES, bytesNeeded)
    window = (yield { kind: 'read', at, bytes: asked })!
    windowAt = at
    if (window.length === 0) return { kind: 'end', byte: at }
    if (window.length < bytesNeeded) return { kind: 'bad', byte: at, reason: 'the frame is cut off' }
  }
}

/** Reads `bytes` bytes of a file from `at`, READ_BYTES at most, or as many as there are. */
export type ReadBytes = (file: DiskFile, at: number, bytes: number) => Uint8Array

/**
 * The units of an open segment file from byte `from`; returns how it ended.
 * @param read by default reads into memory of its own, so that frames stay valid while referenced
 */
export function* unitsSync(
  file: DiskFile,
  from: number,
  skipBefore = 0n,
  read: ReadBytes = readUpTo,
): Generator<Unit, ScanEnd, undefined> {
  const scan = scanUnits(from, skipBefore)
  let step = scan.next()
  while (step.done !== true) {
    if (step.value.kind === 'read') step = scan.next(read(file, step.value.at, step.value.bytes))
    else {
      yield step.value.unit
      step = scan.next()
    }
  }
  return step.value
}

/** As `unitsSync`, without blocking the thread on reads. */
export async function* unitsLater(
  file: DiskFile,
  from: number,
  skipBefore = 0n,
): AsyncGenerator<Unit, ScanEnd, undefined> {
  const scan = scanUnits(from, skipBefore)
  let step = scan.next()
  while (step.done !== true) {
    if (step.value.kind === 'read')
      step = scan.next(await readUpToLater(file, step.value.at, step.value.bytes))
    else {
      yield step.value.unit
      step = scan.next()
    }
  }
  return step.value
}
