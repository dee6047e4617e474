/**
 * The mark: a small file beside the segments that says how far the log was durable, for the last frames, behind which no
 * later frame stands to testify. Two slots of 512 bytes, written in turn, so that a torn write leaves the other one whole.
 * It is written after each sync of the log, never before, and made durable itself whenever the log is quiet.
 *
 *  0 magic "PMRK" · 4 format version u16 · 6 partition u16 · 8 turn u64 · 16 sequence u64
 * 24 segment's first sequence u64 · 32 end byte in that segment u64 · 40 hash of the last frame, 32 bytes
 * 72 CRC-32 u32 of bytes 0 to 71
 */
import path from 'node:path'
import { HASH_BYTES } from '../../../schemas/frames.ts'
import { nodeDigests } from '../../hashing.ts'
import { isAbsent, readUpTo, writeAll, type Disk, type DiskFile } from '../../disk/disk.ts'
import { logFolder } from './segments.ts'

/** Up to here everything was durable. */
export interface DurableMark {
  readonly sequence: bigint
  /** First sequence of the segment in which the last durable frame stands. */
  readonly segment: bigint
  /** End of that frame's unit within the segment. */
  readonly endByte: number
  readonly hash: Uint8Array
}

export interface DurableMarkFile {
  /** What the file said when it was opened. */
  readonly found: DurableMark | undefined
  /** Writes the mark; it survives the process at once, the machine only after `sync`. */
  write(mark: DurableMark): void
  sync(): void
  close(): void
}

const MAGIC = 0x4b524d50
const FORMAT_VERSION = 1
const SLOT_BYTES = 512
const CRC_BYTE = 72
const NOTHING = new Uint8Array(0)

function encodeSlot(partition: number, turn: bigint, mark: DurableMark): Uint8Array {
  const bytes = new Uint8Array(SLOT_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint16(4, FORMAT_VERSION, true)
  view.setUint16(6, partition, true)
  view.setBigUint64(8, turn, true)
  view.setBigUint64(16, mark.sequence, true)
  view.setBigUint64(24, mark.segment, true)
  view.setBigUint64(32, BigInt(mark.endByte), true)
  bytes.set(mark.hash, 40)
  view.setUint32(CRC_BYTE, nodeDigests.crc32(bytes.subarray(0, CRC_BYTE), NOTHING), true)
  return bytes
}

function decodeSlot(bytes: Uint8Array, partition: number): { turn: bigint; mark: DurableMark } | undefined {
  if (bytes.length < SLOT_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, SLOT_BYTES)
  const isWhole =
    view.getUint32(0, true) === MAGIC &&
    view.getUint16(4, true) === FORMAT_VERSION &&
    view.getUint16(6, true) === partition &&
    view.getUint32(CRC_BYTE, true) === nodeDigests.crc32(bytes.subarray(0, CRC_BYTE), NOTHING)
  if (!isWhole) return undefined
  return {
    turn: view.getBigUint64(8, true),
    mark: {
      sequence: view.getBigUint64(16, true),
      segment: view.getBigUint64(24, true),
      endByte: Number(view.getBigUint64(32, true)),
      hash: bytes.slice(40, 40 + HASH_BYTES),
    },
  }
}

/**
 * Opens a partition's mark. The file is made at the first write, so that a log which is refused is left as it is. A slot
 * that is torn or damaged counts as not written.
 */
export function openDurableMark(disk: Disk, dir: string, partition: number): DurableMarkFile {
  const folder = path.join(dir, logFolder(partition))
  const name = path.join(folder, 'mark')
  let file = openExisting(disk, name)
  const bytes = file === undefined ? new Uint8Array(0) : readUpTo(file, 0, 2 * SLOT_BYTES)
  const slots = [bytes.subarray(0, SLOT_BYTES), bytes.subarray(SLOT_BYTES)]
    .map((slot) => decodeSlot(slot, partition))
    .filter((slot) => slot !== undefined)
    .sort((left, right) => (left.turn < right.turn ? 1 : -1))
  const newest = slots[0]
  let turn = newest?.turn ?? 0n

  return {
    found: newest?.mark,
    write(mark) {
      if (file === undefined) {
        file = disk.open(name, 'create')
        disk.syncFolder(folder)
      }
      turn++
      writeAll(file, [encodeSlot(partition, turn, mark)], Number(turn % 2n) * SLOT_BYTES)
    },
    sync: () => {
      file?.sync()
    },
    close: () => {
      file?.close()
    },
  }
}

function openExisting(disk: Disk, name: string): DiskFile | undefined {
  try {
    return disk.open(name, 'write')
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}
