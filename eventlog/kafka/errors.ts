/** Errors of a partition's reader or writer: an outage to wait out, a refusal that lasts, an offset that is gone. */
import { LogError } from '../errors.ts'
import type { KafkaSettings } from './settings.ts'
import { isLasting, rootOf, classifyError } from './kafkajs/classify-error.ts'

/** Which partition of which topic. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** No trusted broker answered for the partition within the bound. */
export class KafkaUnreachableError extends LogError {
  override name = 'KafkaUnreachableError'
  constructor({ topic, partition }: TopicPartition, outageMs: number, cause: unknown) {
    const classified = classifyError(cause)
    const { kind, reason, remedy } = classified
    if (kind === 'missing') {
      super('topics_missing', missingSentence({ topic, partition }), { cause })
      return
    }
    super(
      isLasting(classified) ? classified.code : 'kafka_unreachable',
      `Kafka did not answer for partition ${partition} of ${topic} for ${Math.round(outageMs / 1000)} s: ${reason}. ` +
        (kind === 'refused'
          ? 'Check that the brokers run, that the partition has a leader, and that they can be reached from here.'
          : remedy),
      { cause },
    )
  }
}

/** What is missing, and what to do: sentences. */
export function missingSentence(what: TopicPartition | readonly string[]): string {
  const named =
    'topic' in what
      ? `topic ${what.topic} with a partition ${what.partition}`
      : `topic ${what.join(' and no topic ')}`
  return (
    `There is no ${named} at these brokers, or this user may not see it. ` +
    'Create what is missing: purser topics --create. If it was there before, ask first who deleted it.'
  )
}

/** The broker refused a request for a reason that does not pass by itself. */
export class KafkaRefusedError extends LogError {
  override name = 'KafkaRefusedError'
  /** True if the refusal is about the user, not the request: another process may succeed. */
  readonly isAboutUser: boolean
  constructor(where: TopicPartition, { sasl }: Pick<KafkaSettings, 'sasl'>, cause: unknown) {
    const { kind, reason, remedy } = classifyError(cause)
    super(
      'kafka_refused',
      `Kafka refused ${userOf(sasl)} a request for partition ${where.partition} of ${where.topic}: ${reason}. ${remedy}`,
      { cause },
    )
    this.isAboutUser = kind === 'rights' || kind === 'credentials'
  }
}

/** The user, within a sentence. */
export function userOf(sasl: KafkaSettings['sasl']): string {
  return sasl === undefined ? 'this client' : `user ${sasl.username}`
}

/** An offset that the topic does not hold: deleted from its beginning, or beyond its end. */
export class KafkaOffsetError extends LogError {
  override name = 'KafkaOffsetError'
  readonly offset: bigint
  readonly bounds: TopicBounds
  constructor({ topic, partition }: TopicPartition, offset: bigint, bounds: TopicBounds) {
    const isDeleted = offset < bounds.first
    super(
      isDeleted ? 'kafka_offset_gone' : 'log_regressed',
      `Partition ${partition} of ${topic} holds offsets ${bounds.first} to ${bounds.end - 1n}, but offset ${offset} is needed: ` +
        (isDeleted
          ? 'older records were deleted. The topic must keep them for ever (retention.ms=-1, retention.bytes=-1).'
          : 'the topic went backwards, or another one stands in its place. Nothing was changed.'),
    )
    this.offset = offset
    this.bounds = bounds
  }
}

/** The topic that was read or written here is gone, and another one has its name. */
export class TopicReplacedError extends LogError {
  override name = 'TopicReplacedError'
  constructor({ topic, partition }: TopicPartition) {
    super(
      'log_regressed',
      `Topic ${topic} was deleted and made anew while partition ${partition} of it was in use: what its offsets meant is gone. Nothing was changed.`,
    )
  }
}

/** The log was begun with another number of partitions, so accounts would be looked for in the wrong one. */
export class PartitionsDifferError extends LogError {
  override name = 'PartitionsDifferError'
  constructor(where: string, said: number, found: number) {
    super(
      'partitions_differ',
      `${where} was written as one of ${said} partitions, and this process knows of ${found}. The number is fixed for ever when ` +
        'the first frame is written, because an account belongs to a partition by its id. Nothing was changed. Start this ' +
        'process again: it takes the number from the log. If it says the same then, two deployments have written to this topic.',
    )
  }
}

/** A record of the events topic holds no whole frame. It is neither skipped nor repaired. */
export class TopicCorruptError extends LogError {
  override name = 'TopicCorruptError'
  readonly offset: bigint
  constructor({ topic, partition }: TopicPartition, offset: bigint, sequence: bigint, reason: string) {
    super(
      'log_corrupt',
      `The log is corrupt at sequence ${sequence}, offset ${offset} of partition ${partition} of ${topic}: ${reason}. ` +
        'Nothing was skipped. Only writers may have the right to write to this topic: find out who wrote that record.',
    )
    this.offset = offset
  }
}

/** The leader's batch is not as the broker took it. It is neither skipped nor repaired: its end is unknown. */
export class BatchDamagedError extends LogError {
  override name = 'BatchDamagedError'
  /** The first one that cannot be read. */
  readonly offset: bigint
  constructor({ topic, partition }: TopicPartition, offset: bigint, reason: string) {
    super(
      'log_corrupt',
      `The batch that should hold offset ${offset} of partition ${partition} of ${topic} is damaged: ${reason}. Brokers check ` +
        'what they take, so this came later, on the disk of the partition’s leader or on the way from it. Nothing was skipped. ' +
        'Have a broker lead whose copy is whole: docs/distributed.md says how, and what to do where there is none.',
    )
    this.offset = offset
  }
}

/** Offsets that a partition holds: from `first` to before `end`. */
export interface TopicBounds {
  readonly first: bigint
  readonly end: bigint
}

const REFUSALS = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'UNSUPPORTED_VERSION',
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TOPIC_EXCEPTION',
  'POLICY_VIOLATION',
])

/** True if trying again cannot help. */
export function isRefusal(error: unknown): boolean {
  const root = rootOf(error)
  if (!(root instanceof Error)) return false
  if (root.name === 'KafkaJSSASLAuthenticationError' || root.name === 'KafkaJSNotImplemented') return true
  return 'type' in root && typeof root.type === 'string' && REFUSALS.has(root.type)
}

export function isOffsetOutOfRange(error: unknown): boolean {
  const root = rootOf(error)
  return root instanceof Error && 'type' in root && root.type === 'OFFSET_OUT_OF_RANGE'
}
