/**
 * An own connection to the leader of a partition. It waits out outages: after any failure it drops the connection and makes
 * another, beginning with another broker, until one answers or the bound is reached. So no state of kafkajs outlives a
 * failure.
 */
import { eitherOf, unlessAborted } from '../../abort.ts'
import { sameBytes } from '../../../schemas/frames.ts'
import { LogError } from '../../errors.ts'
import {
  askForLeader,
  connectToLeader,
  type Broker,
  type LeaderConnection,
  type Log,
} from '../kafkajs/client.ts'
import {
  isOffsetOutOfRange,
  isRefusal,
  KafkaRefusedError,
  KafkaUnreachableError,
  TopicReplacedError,
  type TopicPartition,
} from '../errors.ts'
import { unlessLeaderMoves } from './leader-watch.ts'
import { OutageWatch, type WatchedLink } from '../kafkajs/outage-watch.ts'
import type { KafkaSettings } from '../settings.ts'

/** How long nobody may answer for a partition, by default. */
export const OUTAGE_MS_MAX_DEFAULT = 60_000
const PAUSE_MS_MIN = 50
/** Longest pause while brokers elect a new leader: short, to find it soon. */
const PAUSE_MS_SOON = 250
/** How long the pauses stay short: an election takes no longer. */
const SOON_MS = 15_000
/** Within this time nobody can delete a topic, create it again and fill it beyond what was known of it. */
const UNSEEN_MS_MAX = 100
const PAUSE_MS_MAX = 1_000

export interface PartitionLinkOptions extends TopicPartition {
  readonly settings: KafkaSettings
  readonly log: Log
  /** How long a request may go unanswered, over all attempts. Default: OUTAGE_MS_MAX_DEFAULT. */
  readonly outageMsMax?: number
  /** Gets the requests and their ends, for health reports. Default: none. */
  readonly outages?: OutageWatch
  /** True: stays with the topic that it finds first, and rejects once another topic has the name. Default: false. */
  readonly isPinned?: boolean
}

export interface PartitionLink {
  /**
   * Does `work` with the leader, again after each outage: doing it twice has to be harmless.
   * @throws KafkaUnreachableError, KafkaRefusedError; what `isOffsetOutOfRange` tells, as it is; the signal's reason when
   *   it aborts; LogError `log_closed`; where the link is pinned, TopicReplacedError
   */
  ask<T>(work: (broker: Broker) => Promise<T>, signal?: AbortSignal): Promise<T>
  /**
   * The topic's id after the last answer. If it is the same before and after a request, that topic served it. Undefined before
   * the first answer, and where brokers know no ids.
   */
  topicId(): Uint8Array | undefined
  /** Connects ahead of the first request. A failure shows at that request. */
  connect(): void
  /** Cuts the connection; requests reject with `log_closed`. */
  close(): void
}

export function openPartitionLink(options: PartitionLinkOptions): PartitionLink {
  const { settings, topic, partition, log, outageMsMax = OUTAGE_MS_MAX_DEFAULT } = options
  const watched = (options.outages ?? new OutageWatch()).add(options)
  const closing = new AbortController()
  let connection: Promise<LeaderConnection> | undefined
  /** The node of the current connection. */
  let leader: string | undefined
  let topicId: Uint8Array | undefined
  /** By connection: what its broker said last, and when it last answered. */
  const seen = new WeakMap<LeaderConnection, Uint8Array>()
  const answeredMs = new WeakMap<LeaderConnection, number>()
  // So that several links begin with different brokers.
  let attempts = Math.floor(Math.random() * settings.brokers.length)

  function cut(made: Promise<LeaderConnection> | undefined): void {
    if (connection === made) connection = undefined
    made?.then(
      ({ destroy }) => {
        destroy()
      },
      () => undefined,
    )
  }

  function connected(): Promise<LeaderConnection> {
    if (connection === undefined) {
      leader = undefined
      connection = connectToLeader(settings, topic, partition, log, attempts++, (nodeId) => {
        leader = nodeId
      })
    }
    return connection
  }

  const watch = {
    leader: () => leader,
    askForLeader: () => askForLeader(settings, topic, partition, attempts++),
  }

  /** Deleting a topic ends pending requests. A link that was idle for a while checks which topic has the name now. */
  async function lookAt(made: LeaderConnection, sinceMs: number): Promise<void> {
    const isLate = made.topicId !== undefined && sinceMs > UNSEEN_MS_MAX
    const now = isLate ? await made.broker.topicId(topic) : (seen.get(made) ?? made.topicId)
    if (now === undefined) return
    seen.set(made, now)
    if (options.isPinned === true && topicId !== undefined && !sameBytes(topicId, now))
      throw new TopicReplacedError(options)
    topicId = now
  }

  /** As `work`, and then what topic that was in. */
  async function workWith<T>(made: LeaderConnection, work: (broker: Broker) => Promise<T>): Promise<T> {
    const askedMs = performance.now()
    const sinceMs = askedMs - (answeredMs.get(made) ?? askedMs)
    if (!seen.has(made)) await lookAt(made, 0)
    const answer = await work(made.broker)
    await lookAt(made, sinceMs)
    answeredMs.set(made, performance.now())
    return answer
  }

  async function askUntil<T>(over: AbortSignal, work: (broker: Broker) => Promise<T>): Promise<T> {
    const startedMs = performance.now()
    for (let failures = 0; ; failures++) {
      over.throwIfAborted()
      const made = connected()
      try {
        return await unlessAborted(over, () =>
          unlessLeaderMoves(watch, async () => workWith(await made, work)),
        )
      } catch (error) {
        if (isOffsetOutOfRange(error) || error instanceof TopicReplacedError) throw error
        cut(made)
        over.throwIfAborted()
        watched.failed(error)
        if (isRefusal(error)) throw new KafkaRefusedError(options, settings, error)
        const outageMs = performance.now() - startedMs
        if (outageMs > outageMsMax) throw new KafkaUnreachableError(options, outageMs, error)
        const pauseMsMax = outageMs < SOON_MS ? PAUSE_MS_SOON : PAUSE_MS_MAX
        await pause(Math.min(pauseMsMax, PAUSE_MS_MIN * 2 ** failures), over)
      }
    }
  }

  return {
    async ask(work, signal) {
      const either = eitherOf(closing.signal, signal)
      watched.asked()
      try {
        const answer = await askUntil(either.signal, work)
        watched.answered()
        return answer
      } catch (error) {
        tellEnd(watched, error)
        throw error
      } finally {
        either.release()
      }
    },
    topicId: () => topicId,
    connect() {
      connected().catch(() => undefined)
    },
    close() {
      closing.abort(new LogError('log_closed', 'The connection to Kafka was closed from this side.'))
      cut(connection)
      watched.close()
    },
  }
}

/** Reports a failed request to the outage watch. */
function tellEnd(watched: WatchedLink, error: unknown): void {
  if (isOffsetOutOfRange(error)) watched.answered()
  else if (error instanceof KafkaUnreachableError || error instanceof KafkaRefusedError) watched.gaveUp(error)
  else watched.withdrawn()
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms / 2 + (Math.random() * ms) / 2)
    signal.addEventListener('abort', end, { once: true })
  })
}
