/** Runs a sink projection over a range and hands its messages to the sink, in the order of their events. */
import type { StateValue } from '../../code-projection.ts'
import type { Sink, SinkMessage, SinkOutageError, SinkProjection } from '../../sink-projection.ts'
import { EventRows } from '../values/event-row.ts'
import { stateText } from '../values/state-text.ts'
import { told } from '../values/table-rows.ts'
import { calling, type Watch } from './evaluator.ts'
import { AuthorFault, type Work } from './port.ts'
import { thrownBy } from './thrown.ts'

/** Messages that are handed over at once; those of one event always are. */
const MESSAGES_PER_DELIVERY = 1_000
/** Messages of one event, at most. */
const MESSAGES_PER_EVENT_MAX = 1_000

/** The sink has not taken a delivery. */
export class SinkFault extends Error {
  override readonly name = 'SinkFault'
  readonly isOutage: boolean

  constructor(error: unknown, doing: string) {
    super(`the sink, ${doing}: ${thrownBy(error)}`, { cause: error })
    this.isOutage = isOutage(error)
  }
}

export class SinkDeliverer {
  readonly #projection: SinkProjection
  readonly #watch: Watch
  #sink: Sink<StateValue> | undefined

  constructor(projection: SinkProjection, watch: Watch) {
    this.#projection = projection
    this.#watch = watch
  }

  /**
   * Delivers what the range makes behind `after`.
   * @param delivered called with the last sequence of each delivery that the sink has taken
   * @throws AuthorFault if an event's messages cannot be had; SinkFault if the sink does not take them
   */
  async deliver({ partition, bytes, after, last }: Work, delivered: (last: bigint) => void): Promise<void> {
    let first = after + 1n
    let messages: SinkMessage<StateValue>[] = []
    const handOver = async (upTo: bigint): Promise<void> => {
      this.#watch.idle()
      if (messages.length > 0) await this.#handOver({ partition, first, last: upTo, messages })
      delivered(upTo)
      first = upTo + 1n
      messages = []
    }
    try {
      const rows = new EventRows(bytes)
      for (const place of rows.placesBehind(after)) {
        const event = rows.at(place)
        const { sequence } = event
        this.#watch.at(sequence)
        const made: unknown = calling(event, 'project', () => this.#projection.project(event))
        for (const [index, message] of checked(sequence, made).entries())
          messages.push({ idempotencyKey: `${partition}:${sequence}:${index}`, message })
        await this.#watch.turn?.()
        if (messages.length >= MESSAGES_PER_DELIVERY) await handOver(sequence)
      }
    } finally {
      this.#watch.idle()
    }
    await handOver(last)
  }

  async #handOver(delivery: Parameters<Sink<StateValue>['deliver']>[0]): Promise<void> {
    let doing = 'as it was opened'
    try {
      this.#sink ??= await this.#projection.open()
      doing = `as it was given ${delivery.first} to ${delivery.last} of partition ${delivery.partition}`
      await this.#sink.deliver(delivery)
    } catch (error) {
      await this.close()
      throw new SinkFault(error, doing)
    }
  }

  /** The way that has failed is closed, and another is opened for the next delivery. */
  async close(): Promise<void> {
    const sink = this.#sink
    this.#sink = undefined
    // What it says as it goes adds nothing: the delivery counts as not taken already.
    await sink?.close().catch(() => undefined)
  }
}

/** By its code, not its class: an author's file may bring another copy of it. */
function isOutage(error: unknown): boolean {
  const code: SinkOutageError['code'] = 'SINK_UNAVAILABLE'
  return error instanceof Error && (error as { code?: unknown }).code === code
}

function checked(sequence: bigint, made: unknown): readonly StateValue[] {
  if (!Array.isArray(made)) throw new AuthorFault(sequence, `project gave ${told(made)}, not a list of messages`)
  if (made.length > MESSAGES_PER_EVENT_MAX)
    throw new AuthorFault(sequence, `project gave ${made.length} messages: ${MESSAGES_PER_EVENT_MAX} at most`)
  try {
    for (const message of made) stateText(message)
  } catch (error) {
    throw new AuthorFault(sequence, `a message that project gave: ${thrownBy(error)}`)
  }
  return made as StateValue[]
} // prettier-ignore
