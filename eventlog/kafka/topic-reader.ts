/**
 * Reads one partition of a topic from an offset, without a consumer group: what is read is decided by who reads, so there
 * is no rebalance, no heartbeat and no consumer that dies in silence (docs/decisions/0014-reading-kafka-without-a-group.md).
 */
import type { Broker } from './client.ts'
import { isOffsetOutOfRange, KafkaOffsetError, type TopicBounds } from './errors.ts'
import { openPartitionLink, type PartitionLinkOptions } from './partition-link.ts'

/** Longest wait of one request for records to come. */
const WAIT_MS = 1_000
/** Bytes asked for in one request; a longer batch comes whole all the same. */
const FETCH_BYTES = 4 * 1024 * 1024
const EARLIEST = -2
const LATEST = -1
/** Everything below the high watermark, transactions or not: every reader sees the same. */
const READ_UNCOMMITTED = 0

const NOTHING = Buffer.alloc(0)

export interface TopicRecord {
  readonly offset: bigint
  /** Empty where the record has none. A view of the answer it came in. */
  readonly value: Buffer
  /** Milliseconds since 1970, as the record says. */
  readonly timestampMs: number
}

export interface ReadOptions {
  /** Ends the reading when it aborts. */
  readonly signal?: AbortSignal
  /** Reads no further than before this offset; undefined: waits for more for ever. */
  readonly upTo?: bigint
  /** Ends after so many answers in a row without records, each about a second after its question. An outage is no answer. */
  readonly emptyAnswersMax?: number
  /** Told, when the records of an answer have been worked on, or there were none to give, of the offset that comes next. */
  readonly passed?: (next: bigint) => void
}

export interface TopicReader {
  /** What the partition holds now, up to what all its replicas have. */
  bounds(signal?: AbortSignal): Promise<TopicBounds>
  /**
   * Records from `fromOffset` on, in order, each once. While what was given is worked on, the next is fetched.
   * @throws KafkaUnreachableError, KafkaRefusedError; KafkaOffsetError if `fromOffset` was deleted or is beyond the end
   */
  read(fromOffset: bigint, options?: ReadOptions): AsyncIterable<readonly TopicRecord[]>
  /** Cuts the connection. A reading under way ends. */
  close(): void
}

interface Fetched {
  readonly records: readonly TopicRecord[]
  /** The offset behind the last record that came. */
  readonly next: bigint
}

/** Connections are the reader's own: a request that waits for records would hold up others. */
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

  async function fetch(offset: bigint, signal: AbortSignal | undefined): Promise<Fetched> {
    try {
      const { responses } = await link.ask(
        (broker) =>
          broker.fetch({
            isolationLevel: READ_UNCOMMITTED,
            maxWaitTime: WAIT_MS,
            minBytes: 1,
            maxBytes: FETCH_BYTES,
            topics: [
              { topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes: FETCH_BYTES }] },
            ],
          }),
        signal,
      )
      const messages = responses[0]?.partitions[0]?.messages ?? []
      const wanted = messages.map((message) => ({ ...message, offset: BigInt(message.offset) }))
      return {
        // A batch comes whole: records before the one asked for are in it.
        records: wanted
          .filter((message) => message.offset >= offset && !message.isControlRecord)
          .map(({ offset, value, timestamp }) => ({
            offset,
            value: value ?? NOTHING,
            timestampMs: Number(timestamp),
          })),
        next: wanted.reduce((next, message) => (message.offset >= next ? message.offset + 1n : next), offset),
      }
    } catch (error) {
      if (!isOffsetOutOfRange(error)) throw error
      const held = await bounds(signal)
      if (offset < held.first || offset > held.end) throw new KafkaOffsetError(options, offset, held)
      return { records: [], next: offset }
    }
  }

  async function* read(
    fromOffset: bigint,
    { signal, upTo, emptyAnswersMax = Infinity, passed }: ReadOptions = {},
  ): AsyncGenerator<readonly TopicRecord[], void, undefined> {
    const isOver = (): boolean => isClosed || signal?.aborted === true
    if (isOver() || (upTo !== undefined && fromOffset >= upTo)) return
    let fetching = fetch(fromOffset, signal)
    let emptyAnswers = 0
    try {
      for (;;) {
        const { records, next } = await fetching
        emptyAnswers = records.length === 0 ? emptyAnswers + 1 : 0
        const isLast = (upTo !== undefined && next >= upTo) || emptyAnswers >= emptyAnswersMax
        if (!isLast) fetching = fetch(next, signal)
        // Whoever works on the records looks at the next ones later.
        fetching.catch(() => undefined)
        const given = upTo === undefined ? records : records.filter(({ offset }) => offset < upTo)
        if (given.length > 0) yield given
        passed?.(upTo !== undefined && next > upTo ? upTo : next)
        if (isLast || isOver()) return
      }
    } catch (error) {
      if (!isOver()) throw error
    }
  }
  return {
    bounds,
    read,
    close() {
      isClosed = true
      link.close()
    },
  }
}
