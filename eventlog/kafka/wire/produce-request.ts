/**
 * Kafka's Produce request with one record batch for one partition, written in one pass. kafkajs copies the same bytes seven
 * times from buffer to larger buffer, which costs the client more than checksum and socket together, and garbage-collects at
 * each large record. Big-endian, as Kafka's protocol is (Produce version 7, record batch version 2):
 *
 *   request      size i32 · header (api key i16, api version i16, correlation id i32, client id string) ·
 *                transactional id i16 (−1: none) · acks i16 · timeout ms i32 · topics i32 (1) · topic string ·
 *                partitions i32 (1) · partition i32 · bytes of the batch i32 · the batch
 *   record batch base offset i64 · bytes behind this i32 · leader epoch i32 · magic i8 (2) · CRC-32C u32 of all that follows ·
 *                attributes i16 · last offset delta i32 · first and last timestamp i64 · producer id i64 (−1: none) ·
 *                producer epoch i16 (−1) · base sequence i32 (−1) · records i32 · the records
 *   record       bytes behind this varint · attributes i8 · timestamp delta varint · offset delta varint ·
 *                key length varint (−1: none) · value length varint · value · headers varint (0)
 */
import { crc32c } from '@node-rs/crc32'
import { BATCH_HEADER_BYTES, CRC_END, CRC_BYTE, LENGTH_END, MAGIC } from './batch-layout.ts'

export const PRODUCE_API_KEY = 0
/** The newest whose answer kafkajs can decode; brokers know it from version 2.1 on. */
export const PRODUCE_API_VERSION = 7

export interface ProduceRequest {
  readonly topic: string
  readonly partition: number
  /** −1: all in-sync replicas. */
  readonly acks: number
  /** How long the broker may wait for them, in ms. */
  readonly timeoutMs: number
  readonly values: readonly Uint8Array[]
  /** Of every record, milliseconds since 1970. */
  readonly timestampMs: number
}

const NONE = -1
/** Attributes, timestamp delta, no key, no headers: a byte each. */
const RECORD_FIXED_BYTES = 4

/**
 * The whole request as it goes into the socket.
 * @param header the request's header; the size in front of it is written here
 */
export function encodeProduceRequest(header: Uint8Array, request: ProduceRequest): Buffer {
  const { topic, partition, acks, timeoutMs, values, timestampMs } = request
  const records = values.map((value, index) => recordBytes(value.length, index))
  const batchBytes = records.reduce((sum, bytes) => sum + varintBytes(bytes) + bytes, BATCH_HEADER_BYTES)
  const topicBytes = Buffer.byteLength(topic)
  const requestBytes = header.length + 2 + 2 + 4 + 4 + 2 + topicBytes + 4 + 4 + 4 + batchBytes
  const out = Buffer.allocUnsafe(4 + requestBytes)
  let at = out.writeInt32BE(requestBytes, 0)
  out.set(header, at)
  at += header.length
  at = out.writeInt16BE(NONE, at)
  at = out.writeInt16BE(acks, at)
  at = out.writeInt32BE(timeoutMs, at)
  at = out.writeInt32BE(1, at)
  at = out.writeInt16BE(topicBytes, at)
  at += out.write(topic, at)
  at = out.writeInt32BE(1, at)
  at = out.writeInt32BE(partition, at)
  at = out.writeInt32BE(batchBytes, at)
  const batch = out.subarray(at)
  putBatchHeader(batch, values.length, timestampMs)
  at = BATCH_HEADER_BYTES
  for (const [index, value] of values.entries()) at = putRecord(batch, at, value, index, records[index]!)
  batch.writeUInt32BE(crc32c(batch.subarray(CRC_END)), CRC_BYTE)
  return out
}

function putBatchHeader(batch: Buffer, records: number, timestampMs: number): void {
  const time = BigInt(timestampMs)
  let at = batch.writeBigInt64BE(0n, 0)
  at = batch.writeInt32BE(batch.length - LENGTH_END, at)
  at = batch.writeInt32BE(0, at)
  at = batch.writeInt8(MAGIC, at)
  // The checksum's place.
  at = batch.writeUInt32BE(0, at)
  at = batch.writeInt16BE(0, at)
  at = batch.writeInt32BE(records - 1, at)
  at = batch.writeBigInt64BE(time, at)
  at = batch.writeBigInt64BE(time, at)
  at = batch.writeBigInt64BE(BigInt(NONE), at)
  at = batch.writeInt16BE(NONE, at)
  at = batch.writeInt32BE(NONE, at)
  batch.writeInt32BE(records, at)
}

/** Bytes of a record behind its own length. */
function recordBytes(valueBytes: number, offsetDelta: number): number {
  return RECORD_FIXED_BYTES + varintBytes(offsetDelta) + varintBytes(valueBytes) + valueBytes
}

function putRecord(
  batch: Buffer,
  from: number,
  value: Uint8Array,
  offsetDelta: number,
  bytes: number,
): number {
  let at = putVarint(batch, from, bytes)
  at = batch.writeInt8(0, at)
  at = putVarint(batch, at, 0)
  at = putVarint(batch, at, offsetDelta)
  at = putVarint(batch, at, NONE)
  at = putVarint(batch, at, value.length)
  batch.set(value, at)
  return putVarint(batch, at + value.length, 0)
}

/** Zigzag: small numbers of either sign are short. */
function zigzag(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = zigzag(value); rest > 0x7f; rest >>>= 7) bytes++
  return bytes
}

function putVarint(out: Buffer, from: number, value: number): number {
  let at = from
  let rest = zigzag(value)
  for (; rest > 0x7f; rest >>>= 7) out[at++] = (rest & 0x7f) | 0x80
  out[at++] = rest
  return at
}
