/**
 * The value of a record on the commands topic: consecutive commands from one gateway. Little-endian:
 *
 *  0 magic "PRSC" · 4 format version u8 (2) · 5 codec u8 (0: as they are, 1: LZ4) · 6 zero u16 · 8 commands u32
 * 12 bytes of their slots u32 · 16 the slots (schemas/commands.ts), or one LZ4 block of them, to the end
 *
 * The commands of one offer stand together, and one record is decided as one batch. Keys and headers of records mean nothing
 * and are not set. Version 1 is read as well: its slots have the first layout (schemas/first-layout.ts).
 */
import { compressSync, uncompressSync } from 'lz4-napi'
import { sortCommands, type InvalidCommands } from '../../../schemas/check-commands.ts'
import { messageOf } from '../../../schemas/errors.ts'
import { fromFirstLayout } from '../../../schemas/first-layout.ts'
import { BATCH_COMMANDS_MAX, COMMAND_SLOT_BYTES, COMMAND_SLOTS_MAX } from '../../../schemas/limits.ts'

const MAGIC = 0x43535250
const FORMAT_VERSION = 2
const FIRST_FORMAT_VERSION = 1
const CODECS = { none: 0, lz4: 1 } as const
/** The library writes the uncompressed length before the block: that is the field for the slots' bytes. */
const LENGTH_BYTE = 12
const HEADER_BYTES = 16
const COUNT_BYTE = 8
/** Fewer bytes are not compressed: there is nothing to gain. */
const COMPRESSED_BYTES_MIN = 4 * COMMAND_SLOT_BYTES
const SLOTS_BYTES_MAX = BATCH_COMMANDS_MAX * COMMAND_SLOTS_MAX * COMMAND_SLOT_BYTES
const WORD_BYTES = 8

/** What a record's value turned out to be. */
export type CommandRecord =
  | {
      readonly kind: 'commands'
      readonly slots: Uint8Array<ArrayBuffer>
      readonly count: number
      /** The invalid ones among them, in order. They are skipped; the others are decided. */
      readonly invalid: readonly InvalidCommands[]
    }
  | { readonly kind: 'bad'; readonly reason: string }

/**
 * The record's value for commands.
 * @param slots whole commands, checked; copied
 * @param count commands in `slots`, 1 to BATCH_COMMANDS_MAX
 */
export function encodeCommandRecord(slots: Uint8Array, count: number): Buffer {
  if (slots.length < COMPRESSED_BYTES_MIN) return asTheyAre(slots, count)
  const block = compressSync(Buffer.from(slots.buffer, slots.byteOffset, slots.length))
  if (LENGTH_BYTE + block.length >= HEADER_BYTES + slots.length) return asTheyAre(slots, count)
  const value = Buffer.allocUnsafe(LENGTH_BYTE + block.length)
  putHeader(value, CODECS.lz4, count)
  value.set(block, LENGTH_BYTE)
  return value
}

function asTheyAre(slots: Uint8Array, count: number): Buffer {
  const value = Buffer.allocUnsafe(HEADER_BYTES + slots.length)
  putHeader(value, CODECS.none, count)
  value.writeUInt32LE(slots.length, LENGTH_BYTE)
  value.set(slots, HEADER_BYTES)
  return value
}

function putHeader(value: Buffer, codec: number, count: number): void {
  value.writeUInt32LE(MAGIC, 0)
  value.writeUInt32LE(FORMAT_VERSION | (codec << 8), 4)
  value.writeUInt32LE(count, COUNT_BYTE)
}

/**
 * Reads a record's value. Never throws, and allocates no more than the longest batch. The commands are in their own memory.
 * Invalid commands are listed beside the others. All of them are bad only if it is unknown where one ends and the next begins.
 */
export function decodeCommandRecord(value: Uint8Array): CommandRecord {
  if (value.length < HEADER_BYTES) return bad(`only ${value.length} bytes`)
  const view = new DataView(value.buffer, value.byteOffset, value.length)
  if (view.getUint32(0, true) !== MAGIC) return bad('no commands begin here (magic)')
  const version = value[4]!
  if (version !== FORMAT_VERSION && version !== FIRST_FORMAT_VERSION)
    return bad(`unknown format version ${version}`)
  if (view.getUint16(6, true) !== 0) return bad('not zero where nothing stands')
  const count = view.getUint32(COUNT_BYTE, true)
  if (count < 1 || count > BATCH_COMMANDS_MAX) return bad(`${count} commands in one record`)
  const bytes = view.getUint32(LENGTH_BYTE, true)
  if (bytes > SLOTS_BYTES_MAX) return bad(`${bytes} bytes of commands in one record`)
  const slots = unpack(value, value[5]!, bytes)
  if (typeof slots === 'string') return bad(slots)
  if (version === FIRST_FORMAT_VERSION) fromFirstLayout(slots, count)
  const sorting = sortCommands(slots, count)
  if (sorting.kind === 'broken') return bad(sorting.reason)
  return { kind: 'commands', slots, count, invalid: sorting.invalid }
}

/** The slots in memory of their own, or a sentence on what is wrong. */
function unpack(value: Uint8Array, codec: number, bytes: number): Uint8Array<ArrayBuffer> | string {
  switch (codec) {
    case CODECS.none:
      if (value.length - HEADER_BYTES !== bytes)
        return `${value.length - HEADER_BYTES} bytes of commands that say ${bytes}`
      return new Uint8Array(value.subarray(HEADER_BYTES))
    case CODECS.lz4:
      try {
        const unpacked = uncompressSync(value.subarray(LENGTH_BYTE)) as Buffer<ArrayBuffer>
        if (unpacked.length !== bytes)
          return `compressed commands of ${unpacked.length} bytes that say ${bytes}`
        return unpacked.byteOffset % WORD_BYTES === 0
          ? new Uint8Array(unpacked.buffer, unpacked.byteOffset, bytes)
          : new Uint8Array(unpacked)
      } catch (error) {
        return `LZ4: ${messageOf(error)}`
      }
    default:
      return `unknown codec ${codec}`
  }
}

function bad(reason: string): CommandRecord {
  return { kind: 'bad', reason }
}
