/**
 * A connection of one's own to whoever leads a partition. Outages are waited out: after any failure the connection is
 * thrown away and another one made, beginning with another broker, until one answers or the bound is reached. So no state
 * of kafkajs outlives a failure.
 */
import { eitherOf, unlessAborted } from '../abort.ts'
import { LogError } from '../errors.ts'
import { connectToLeader, type Broker, type LeaderConnection, type Log } from './client.ts'
import {
  isOffsetOutOfRange,
  isRefusal,
  KafkaRefusedError,
  KafkaUnreachableError,
  type TopicPartition,
} from './errors.ts'
import { OutageWatch, type WatchedLink } from './outage-watch.ts'
import type { KafkaSettings } from './settings.ts'

/** How long nobody may answer for a partition, unless said otherwise. */
export const OUTAGE_MS_MAX_DEFAULT = 60_000
const PAUSE_MS_MIN = 50
const PAUSE_MS_MAX = 1_000

export interface PartitionLinkOptions extends TopicPartition {
  readonly settings: KafkaSettings
  readonly log: Log
  /** How long a request may go unanswered, over all attempts. Default: OUTAGE_MS_MAX_DEFAULT. */
  readonly outageMsMax?: number
  /** Told of what is asked and answered. Default: nobody is. */
  readonly outages?: OutageWatch
}

export interface PartitionLink {
  /**
   * Does one piece of work with the leader, again after each outage: it has to be harmless when done twice.
   * @throws KafkaUnreachableError, KafkaRefusedError; what `isOffsetOutOfRange` tells, as it is; the signal's reason when
   *   it aborts; LogError `log_closed`
   */
  ask<T>(work: (broker: Broker) => Promise<T>, signal?: AbortSignal): Promise<T>
  /** Connects ahead of the first request, so that it has not to wait for that. A failure shows at that request. */
  connect(): void
  /** Cuts the connection; what is asked rejects with `log_closed`. */
  close(): void
}

export function openPartitionLink(options: PartitionLinkOptions): PartitionLink {
  const { settings, topic, partition, log, outageMsMax = OUTAGE_MS_MAX_DEFAULT } = options
  const watched = (options.outages ?? new OutageWatch()).add(options)
  const closing = new AbortController()
  let connection: Promise<LeaderConnection> | undefined
  // Several links begin with different brokers.
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
    return (connection ??= connectToLeader(settings, topic, partition, log, attempts++))
  }

  async function askUntil<T>(over: AbortSignal, work: (broker: Broker) => Promise<T>): Promise<T> {
    const startedMs = performance.now()
    for (let failures = 0; ; failures++) {
      over.throwIfAborted()
      const made = connected()
      try {
        return await unlessAborted(over, async () => work((await made).broker))
      } catch (error) {
        if (isOffsetOutOfRange(error)) throw error
        cut(made)
        over.throwIfAborted()
        watched.failed(error)
        if (isRefusal(error)) throw new KafkaRefusedError(options, settings, error)
        const outageMs = performance.now() - startedMs
        if (outageMs > outageMsMax) throw new KafkaUnreachableError(options, outageMs, error)
        await pause(Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** failures), over)
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

/** What a request that came to nothing says of an outage. */
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
