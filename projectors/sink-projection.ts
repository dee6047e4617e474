/**
 * What a sink projection is: a view that stands somewhere else than in ClickHouse. The runtime hands every range over at
 * least once and in order, and repeats it until the sink has taken it; the sink makes a repeat harmless by the key.
 */
import type { ProjectionEvent, StateValue } from './code-projection.ts'

/** What is handed over at once: the messages of consecutive events of one partition. */
export interface Delivery<Message> {
  readonly partition: number
  /** Sequences of the first and the last event. */
  readonly first: bigint
  readonly last: bigint
  readonly messages: readonly SinkMessage<Message>[]
}

export interface SinkMessage<Message> {
  /** `partition:sequence:index`: the same message has the same key for ever, and no other message has it. */
  readonly idempotencyKey: string
  readonly message: Message
}

/** The port to wherever the messages go. */
export interface Sink<Message> {
  /**
   * Resolves when everything is stored for good. It may be called again with what it has taken already, in the same cuts or
   * in others.
   * @throws SinkOutageError for what passes by itself; anything else stops the projection
   */
  deliver(delivery: Delivery<Message>): Promise<void>
  close(): Promise<void>
}

export interface SinkProjection<Message extends StateValue = StateValue> {
  readonly kind: 'sink'
  readonly name: string
  readonly version: number
  /** The messages that an event makes, none for most. Pure. */
  project(event: ProjectionEvent): readonly Message[]
  /** Opens the way to where messages go. Called once before the first delivery, and again after an outage. */
  open(): Promise<Sink<Message>>
}

/** The sink cannot be reached just now; the delivery is repeated. */
export class SinkOutageError extends Error {
  override readonly name = 'SinkOutageError'
  readonly code = 'SINK_UNAVAILABLE'
}
