/**
 * Decodes a broker's answer to a fetch: consecutive record batches, as on its disk (batch-layout.ts). kafkajs decodes all of an
 * answer, or nothing if it does not know one batch's codec, so a stranger's batch would block everything beside it. Here it
 * blocks only itself. Batches are decoded one by one, and what they decompress to is bounded.
 *
 * Only a batch's header says where it ends, and so what to skip with it. The header is believed if the batch's checksum, which
 * the broker verified, is right, and the batch begins where the one before it ends. Anything else is damage.
 */
import { crc32c } from '@node-rs/crc32'
import { messageOf } from '../../../schemas/errors.ts'
import { unpackRecords } from './batch-codecs.ts'
import {
  ATTRIBUTES_BYTE,
  BATCH_HEADER_BYTES,
  CRC_END,
  CRC_BYTE,
  LAST_OFFSET_DELTA_BYTE,
  LENGTH_END,
  LENGTH_BYTE,
  MAGIC,
  MAGIC_BYTE,
  RECORD_COUNT_BYTE,
} from './batch-layout.ts'

export interface TopicRecord {
  readonly offset: bigint
  /** Empty if the record has none. A view of the answer's bytes. */
  readonly value: Buffer
  /** If set, this is no record but stands for a whole batch that cannot be read; the value is empty. */
  readonly unreadable?: UnreadableBatch
}

export interface UnreadableBatch {
  /** The offset behind the last one that cannot be read. */
  readonly end: bigint
  /** The reason, as the rest of a sentence: `its batch cannot be read (…)`. */
  readonly reason: string
}

/** A batch by its header. Its checksum was verified. */
export interface RecordBatch {
  readonly first: bigint
  /** The offset behind its last record. */
  readonly end: bigint
  /** The codec of its records (CODEC). */
  readonly codec: number
  /** From its base offset to its last byte. */
  readonly bytes: Buffer
}

/** The undamaged batches at the beginning of an answer. */
export interface FoundBatches {
  readonly batches: readonly RecordBatch[]
  /** What is wrong behind them, as the rest of a sentence: `the batch there is damaged: …`. */
  readonly damage?: string
}

/** Records in a batch: more than there are frames or commands in what a batch may unpack to. */
export const BATCH_RECORDS_MAX = 131_072

const CODEC_MASK = 0x07
const IS_CONTROL = 0x20

/**
 * The batches of an answer to a fetch from an offset on. The first one holds that offset, and comes whole, however long it is.
 * The last of several is left out if it is cut off.
 */
export function batchesIn(answer: Buffer, from: bigint): FoundBatches {
  const batches: RecordBatch[] = []
  let next = from
  for (let at = 0; at < answer.length;) {
    const isFirst = at === 0
    const batch = batchAt(answer.subarray(at))
    if (batch === CUT_OFF && !isFirst) break
    if (typeof batch === 'string') return { batches, damage: batch }
    const { first, end, bytes } = batch
    // The checksum does not cover the batch's offset.
    if ((isFirst ? first > next : first !== next) || end <= next)
      return { batches, damage: `it says that it holds offsets ${first} to ${end - 1n}` }
    batches.push(batch)
    next = end
    at += bytes.length
  }
  return { batches }
}

const CUT_OFF = 'it is cut off'

/** The batch at the beginning of these bytes, or what is wrong with it. */
function batchAt(rest: Buffer): RecordBatch | string {
  if (rest.length < BATCH_HEADER_BYTES) return CUT_OFF
  const magic = rest.readInt8(MAGIC_BYTE)
  if (magic !== MAGIC) return `its record format is ${magic}, not ${MAGIC}`
  const length = LENGTH_END + rest.readInt32BE(LENGTH_BYTE)
  if (length > rest.length) return CUT_OFF
  if (length < BATCH_HEADER_BYTES) return `it is ${length} bytes long`
  const bytes = rest.subarray(0, length)
  if (crc32c(bytes.subarray(CRC_END)) !== bytes.readUInt32BE(CRC_BYTE)) return 'its checksum is wrong'
  const first = bytes.readBigInt64BE(0)
  return {
    first,
    end: first + BigInt(bytes.readInt32BE(LAST_OFFSET_DELTA_BYTE)) + 1n,
    codec: bytes.readInt16BE(ATTRIBUTES_BYTE) & CODEC_MASK,
    bytes,
  }
}

/**
 * The records of a batch from one offset on and before another. Never throws: if they cannot be read, one entry says so. The
 * broker's own records (transactions) are left out.
 */
export function recordsIn(batch: RecordBatch, from: bigint, before: bigint): TopicRecord[] {
  try {
    return decode(batch).filter(({ offset }) => offset >= from && offset < before)
  } catch (error) {
    const offset = batch.first > from ? batch.first : from
    const end = batch.end < before ? batch.end : before
    if (offset >= end) return []
    const why = messageOf(error)
    const reason = `its batch cannot be read (${why})`
    return [{ offset, value: Buffer.alloc(0), unreadable: { end, reason } }]
  }
}

function decode({ first, codec, bytes }: RecordBatch): TopicRecord[] {
  const attributes = bytes.readInt16BE(ATTRIBUTES_BYTE)
  if ((attributes & IS_CONTROL) !== 0) return []
  const count = bytes.readInt32BE(RECORD_COUNT_BYTE)
  if (count < 0 || count > BATCH_RECORDS_MAX) throw new Error(`${count} records in one batch`)
  const lastDelta = bytes.readInt32BE(LAST_OFFSET_DELTA_BYTE)
  let nextDelta = 0
  const cursor = new Cursor(unpackRecords(codec, bytes.subarray(BATCH_HEADER_BYTES)))
  return Array.from({ length: count }, () => {
    const end = cursor.varint() + cursor.at
    // Attributes: none are in use. The time is ignored: frames and commands have their own.
    cursor.at++
    cursor.varint()
    const delta = cursor.varint()
    // Brokers look at these only where they unpack the batch: else they are what its sender made of them.
    if (!(delta >= nextDelta && delta <= lastDelta)) throw new Error('its offsets are not in order')
    nextDelta = delta + 1
    cursor.block()
    const value = cursor.block()
    // Headers mean nothing.
    cursor.at = end
    return { offset: first + BigInt(delta), value }
  })
}

/** Reads records, the next at `at`. @throws RangeError beyond the end */
class Cursor {
  at = 0
  private readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** A signed whole number, seven bits a byte, the lowest first; exact within 53 bits. */
  varint(): number {
    let zigzag = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.bytes.readUInt8(this.at++)
      zigzag += (byte & 0x7f) * scale
      if (byte < 0x80) return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2
    }
  }

  /** Bytes behind their length; none where that is −1. */
  block(): Buffer {
    const length = Math.max(0, this.varint())
    if (this.at + length > this.bytes.length) throw new RangeError('a record is cut off')
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }
}
