/** Record batches that no client makes, for tests of who reads them: byte by byte, past kafkajs. */
import { once } from 'node:events'
import net from 'node:net'
import { crc32c } from '@node-rs/crc32'
import {
  ATTRIBUTES_BYTE,
  BATCH_HEADER_BYTES,
  CRC_END,
  CRC_BYTE,
  LAST_OFFSET_DELTA_BYTE,
  LENGTH_END,
  LENGTH_BYTE,
  RECORD_COUNT_BYTE,
} from './batch-layout.ts'
import { encodeProduceRequest, PRODUCE_API_KEY, PRODUCE_API_VERSION } from './produce-request.ts'
import type { KafkaSettings } from '../settings.ts'

/** Of a record whose length takes a byte: behind that, its attributes and its time. */
const OFFSET_DELTA_BYTE = 3

/** A batch as it stands in a topic, its first record at `first`. */
export function recordBatch(values: readonly Uint8Array[], first = 0n): Buffer {
  const batch = batchWithin(produceRequest('a', 0, values), 'a')
  batch.writeBigInt64BE(first)
  return batch
}

/** A batch whose header is right, whatever its records are. */
export function packedBatch(codec: number, records: Uint8Array, count = 1): Buffer {
  const batch = Buffer.concat([recordBatch([Buffer.alloc(1)]).subarray(0, BATCH_HEADER_BYTES), records])
  batch.writeInt32BE(batch.length - LENGTH_END, LENGTH_BYTE)
  batch.writeInt16BE(codec, ATTRIBUTES_BYTE)
  batch.writeInt32BE(count - 1, LAST_OFFSET_DELTA_BYTE)
  batch.writeInt32BE(count, RECORD_COUNT_BYTE)
  return checked(batch)
}

/**
 * Has the records of a batch say these distances from its first offset, and it that its last one is so far; all else is right.
 * @param batch of records shorter than 60 bytes; changed
 * @param deltas from −64 to 63, one for each record
 */
export function withOffsetDeltas(batch: Buffer, deltas: readonly number[], last = deltas.length - 1): Buffer {
  let at = BATCH_HEADER_BYTES
  for (const delta of deltas) {
    batch[at + OFFSET_DELTA_BYTE] = zigzag(delta)
    at += 1 + batch[at]! / 2
  }
  batch.writeInt32BE(last, LAST_OFFSET_DELTA_BYTE)
  return checked(batch)
}

/** Has a broker store records, shorter than 60 bytes, that say such offsets. */
export async function sendWithOffsetDeltas(
  { brokers }: Pick<KafkaSettings, 'brokers'>,
  topic: string,
  partition: number,
  values: readonly Uint8Array[],
  deltas: readonly number[],
): Promise<void> {
  const request = produceRequest(topic, partition, values)
  withOffsetDeltas(batchWithin(request, topic), deltas)
  // One of them leads the partition.
  const codes: number[] = []
  for (const broker of brokers) {
    codes.push(await produced(broker, request, topic))
    if (codes.at(-1) === 0) return
  }
  throw new Error(`the brokers answered with errors ${codes.join(', ')}`)
}

/** @returns the error's number; 0: none */
async function produced(broker: string, request: Buffer, topic: string): Promise<number> {
  const [host, port] = broker.split(':') as [string, string]
  const socket = net.connect(Number(port), host)
  try {
    socket.write(request)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    // Size, correlation, topics, the topic, partitions, the partition.
    return answer.readInt16BE(4 + 4 + 4 + 2 + topic.length + 4 + 4)
  } finally {
    socket.destroy()
  }
}

function produceRequest(topic: string, partition: number, values: readonly Uint8Array[]): Buffer {
  const header = Buffer.from([0, PRODUCE_API_KEY, 0, PRODUCE_API_VERSION, 0, 0, 0, 1, 0xff, 0xff])
  return encodeProduceRequest(header, {
    topic,
    partition,
    acks: -1,
    timeoutMs: 5_000,
    values,
    timestampMs: 1_700_000_000_123,
  })
}

/** It stands at the request's end. */
function batchWithin(request: Buffer, topic: string): Buffer {
  return request.subarray(4 + 10 + 2 + 2 + 4 + 4 + 2 + topic.length + 4 + 4 + 4)
}

function checked(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch.subarray(CRC_END)), CRC_BYTE)
  return batch
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}
