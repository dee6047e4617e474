/**
 * Reads one partition of a topic from an offset, without a consumer group. The reader decides what it reads, so there is no
 * rebalance, no heartbeat and no consumer that dies in silence (docs/decisions/0014-reading-kafka-without-a-group.md).
 */
import { setImmediate as eventLoopTurn } from 'node:timers/promises'
import { CODEC } from '../wire/batch-codecs.ts'
import { READ_UNCOMMITTED, type Broker } from '../kafkajs/client.ts'
import { BatchDamagedError, isOffsetOutOfRange, KafkaOffsetError, type TopicBounds } from '../errors.ts'
import { openPartitionLink, type PartitionLinkOptions } from './partition-link.ts'
import { batchesIn, recordsIn, type RecordBatch, type TopicRecord } from '../wire/record-batches.ts'

export type { TopicRecord } from '../wire/record-batches.ts'

/** Longest wait of one request for records to come. */
const WAIT_MS = 1_000
/** Bytes asked for in one request. A longer batch still comes whole. */
const FETCH_BYTES = 4 * 1024 * 1024
const EARLIEST = -2
const LATEST = -1
/** Records yielded at once, of batches that came together. A compressed batch is yielded alone. */
const RECORDS_TOGETHER_MAX = 65_536

export interface ReadOptions {
  /** Ends the reading when it aborts. */
  readonly signal?: AbortSignal | undefined
  /** Reads no further than before this offset; undefined: waits for more for ever. */
  readonly upTo?: bigint | undefined
  /** Ends after so many answers in a row without records, each after about a second. An outage is no answer. */
  readonly emptyAnswersMax?: number
  /** Called with the next offset, when an answer's records are worked off or it had none. */
  readonly passed?: (next: bigint) => void
}

export interface TopicReader {
  /** The partition's offsets now, up to what all in-sync replicas have. */
  bounds(signal?: AbortSignal): Promise<TopicBounds>
  /** The id of the topic that was read last; undefined before the first answer, and where brokers know no ids. */
  topicId(): Uint8Array | undefined
  /**
   * Asks once for the records at an offset, without waiting for new ones.
   * @throws as `read`
   */
  probe(fromOffset: bigint, signal?: AbortSignal): Promise<void>
  /**
   * Records from `fromOffset` on, in order, each once. It fetches the next ones while the caller works. Batches are
   * decompressed one by one, so memory is bounded whatever the topic holds.
   * @throws KafkaUnreachableError, KafkaRefusedError; KafkaOffsetError if `fromOffset` was deleted or is beyond the end;
   *   BatchDamagedError behind all that stands before it; TopicReplacedError where the reader is pinned
   */
  read(fromOffset: bigint, options?: ReadOptions): AsyncIterable<readonly TopicRecord[]>
  /** Cuts the connection. A reading under way ends. */
  close(): void
}

/** The reader has its own connections: a request that waits for records would hold up others. */
export function openTopicReader(options: PartitionLinkOptions): TopicReader {
  const { topic, partition } = options
  const link = openPartitionLink(options)
  let isClosed = false

  async function bounds(signal?: AbortSignal): Promise<TopicBounds> {
    const [first, end] = await link.ask(
      (broker) => Promise.all([EARLIEST, LATEST].map((timestamp) => offsetAt(broker, timestamp))),
      signal,
    )
    return { first: first!, end: end! }
  }

  async function offsetAt(broker: Broker, timestamp: number): Promise<bigint> {
    const { responses } = await broker.listOffsets({
      isolationLevel: READ_UNCOMMITTED,
      topics: [{ topic, partitions: [{ partition, timestamp }] }],
    })
    return BigInt(responses[0]!.partitions[0]!.offset)
  }

  async function fetch(
    offset: bigint,
    signal: AbortSignal | undefined,
    waitMs = WAIT_MS,
  ): Promise<readonly RecordBatch[]> {
    try {
      const request = { topic, partition, offset, waitMs, bytesMax: FETCH_BYTES }
      const { batches, damage } = batchesIn(await link.ask((broker) => broker.fetch(request), signal), offset)
      // Work off what precedes it first. The next request then begins with it.
      if (batches.length === 0 && damage !== undefined) throw new BatchDamagedError(options, offset, damage)
      return batches
    } catch (error) {
      if (!isOffsetOutOfRange(error)) throw error
      const held = await bounds(signal)
      if (offset < held.first || offset > held.end) throw new KafkaOffsetError(options, offset, held)
      return []
    }
  }

  async function* read(
    fromOffset: bigint,
    { signal, upTo, emptyAnswersMax = Infinity, passed }: ReadOptions = {},
  ): AsyncGenerator<readonly TopicRecord[], void, undefined> {
    const isOver = (): boolean => isClosed || signal?.aborted === true
    if (isOver() || (upTo !== undefined && fromOffset >= upTo)) return
    let from = fromOffset
    let fetching = fetch(from, signal)
    let emptyAnswers = 0
    try {
      for (;;) {
        const batches = await fetching
        // A batch comes whole, with records before the one asked for.
        const next = batches.at(-1)?.end ?? from
        emptyAnswers = batches.length === 0 ? emptyAnswers + 1 : 0
        const isLast = (upTo !== undefined && next >= upTo) || emptyAnswers >= emptyAnswersMax
        if (!isLast) fetching = fetch(next, signal)
        // Handled here, because the caller awaits the next answer only later.
        fetching.catch(() => undefined)
        for await (const records of inGroups(batches, from, upTo ?? next)) {
          yield records
          if (isOver()) return
        }
        passed?.(upTo !== undefined && next > upTo ? upTo : next)
        if (isLast || isOver()) return
        from = next
      }
    } catch (error) {
      if (!isOver()) throw error
    }
  }
  return {
    bounds,
    topicId: () => link.topicId(),
    probe: (offset, signal) => fetch(offset, signal, 0).then(() => undefined),
    read,
    close() {
      isClosed = true
      link.close()
    },
  }
}

/** Records of these batches from one offset on and before another. */
async function* inGroups(
  batches: readonly RecordBatch[],
  from: bigint,
  before: bigint,
): AsyncGenerator<readonly TopicRecord[], void, undefined> {
  let together: TopicRecord[] = []
  for (const batch of batches) {
    const isPacked = batch.codec !== CODEC.none
    if (together.length > 0 && (isPacked || together.length >= RECORDS_TOGETHER_MAX)) {
      yield together
      together = []
    }
    for (const record of recordsIn(batch, from, before)) together.push(record)
    if (!isPacked) continue
    if (together.length > 0) yield together
    together = []
    // A few bytes may decompress to many: let others have a turn.
    await eventLoopTurn()
  }
  if (together.length > 0) yield together
}
