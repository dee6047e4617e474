/**
 * Kafka's answer to a Fetch request for one partition, up to its records, which are left as they are (record-batches.ts).
 * Big-endian, version 10, the first in which brokers hand out zstd batches; they know it from version 2.1 on:
 *
 *   throttle ms i32 · error i16 · session id i32 · topics i32 (1; 0 behind an error) · topic string · partitions i32 (1) ·
 *   partition i32 · error i16 · high watermark i64 · last stable offset i64 · log start offset i64 ·
 *   aborted transactions i32 (−1: none), of producer id i64 and first offset i64 · bytes of the records i32 (−1: none) ·
 *   the records
 */

export interface FetchResponse {
  /** Kafka's number, of the whole answer or of the partition; 0: none. */
  readonly errorCode: number
  /** Record batches; the last may be cut off. A view of the answer's bytes. */
  readonly batches: Buffer
}

const ERROR_BYTE = 4
const TOPICS_BYTE = 10
const ABORTED_TRANSACTION_BYTES = 16
const NOTHING = Buffer.alloc(0)

/** @throws RangeError if it is cut off, or tells neither of the partition nor of an error */
export function decodeFetchResponse(response: Buffer): FetchResponse {
  const failure = response.readInt16BE(ERROR_BYTE)
  if (failure !== 0) return { errorCode: failure, batches: NOTHING }
  if (response.readInt32BE(TOPICS_BYTE) < 1)
    throw new RangeError('the answer to a fetch does not tell of the partition')
  let at = TOPICS_BYTE + 4
  at += 2 + response.readInt16BE(at)
  // Behind the number of partitions and the partition's own.
  at += 4 + 4
  const errorCode = response.readInt16BE(at)
  at += 2 + 8 + 8 + 8
  at += 4 + Math.max(0, response.readInt32BE(at)) * ABORTED_TRANSACTION_BYTES
  const bytes = Math.max(0, response.readInt32BE(at))
  at += 4
  if (at + bytes > response.length) throw new RangeError('the answer to a fetch is cut off')
  return { errorCode, batches: response.subarray(at, at + bytes) }
}
