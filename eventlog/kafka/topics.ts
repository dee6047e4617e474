/** Creates the topics of a deployment, and asks the brokers what they are like. */
import { LogError } from '../errors.ts'
import { createKafka, type Log } from './client.ts'
import { userOf } from './errors.ts'
import { topicNames, type KafkaSettings } from './settings.ts'
import {
  judgeTopics,
  PARTITIONS_DEFAULT,
  topicRules,
  type FoundTopic,
  type TopicFault,
  type WantedTopics,
} from './topic-rules.ts'
import { isLasting, troubleOf, type TroubleKind } from './trouble.ts'

/** What the brokers have, and what is wrong with it. */
export interface TopicsReport {
  readonly topics: readonly FoundTopic[]
  readonly faults: readonly TopicFault[]
}

type Admin = ReturnType<ReturnType<typeof createKafka>['admin']>

const RETRIES = 5
/** kafkajs's number for a topic among the things that have a configuration. */
const TOPIC_RESOURCE = 2
const TIMEOUT_MS = 15_000
const POLL_MS = 100

/**
 * Creates whichever of the topics is missing; one that exists is left as it is, because Kafka's client can only replace
 * all of a topic's properties at once.
 * @returns the names of those created
 * @throws LogError `kafka_unreachable`, `kafka_untrusted`, or `kafka_refused` with the broker's reason
 */
export function createTopics(
  settings: KafkaSettings,
  wanted: WantedTopics,
  log: Log,
): Promise<readonly string[]> {
  return withAdmin(settings, log, async (admin) => {
    const names = topicNames(settings)
    const existing = await admin.listTopics()
    const kinds = (['commands', 'events'] as const).filter((kind) => !existing.includes(names[kind]))
    if (kinds.length === 0) return []
    const { replication } = wanted
    const numPartitions = wanted.partitions ?? (await partitionsThere(admin, existing, Object.values(names)))
    await admin.createTopics({
      // Its own waiting fails where somebody else is creating them at the same moment.
      waitForLeaders: false,
      timeout: TIMEOUT_MS,
      topics: kinds.map((kind) => ({
        topic: names[kind],
        numPartitions,
        replicationFactor: replication,
        configEntries: topicRules(kind, replication).map(({ property, value }) => ({
          name: property,
          value,
        })),
      })),
    })
    const created = kinds.map((kind) => names[kind])
    await untilLed(admin, created)
    return created
  })
}

/** Waits, bounded, until every partition has a leader: only then can anything be written or read there. */
async function untilLed(admin: Admin, names: readonly string[]): Promise<void> {
  const deadlineMs = performance.now() + TIMEOUT_MS
  for (;;) {
    try {
      const topics = await describeTopics(admin, names)
      if (topics.every(({ partitions }) => partitions.every(({ hasLeader }) => hasLeader))) return
    } catch (error) {
      if (performance.now() > deadlineMs || (error as { retriable?: unknown }).retriable !== true) throw error
    }
    // What has no leader by then is told by the check.
    if (performance.now() > deadlineMs) return
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** As many as the other topic has, if that one is there already. */
async function partitionsThere(
  admin: Admin,
  existing: readonly string[],
  names: readonly string[],
): Promise<number> {
  const there = names.filter((name) => existing.includes(name))
  if (there.length === 0) return PARTITIONS_DEFAULT
  const { topics } = await admin.fetchTopicMetadata({ topics: there })
  return topics[0]?.partitions.length ?? PARTITIONS_DEFAULT
}

/**
 * Asks the brokers, and judges what they say.
 * @throws LogError `kafka_unreachable`, `kafka_untrusted`, or `kafka_refused` with the broker's reason
 */
export function checkTopics(settings: KafkaSettings, wanted: WantedTopics, log: Log): Promise<TopicsReport> {
  return withAdmin(settings, log, async (admin) => {
    const names = topicNames(settings)
    const existing = await admin.listTopics()
    const there = Object.values<string>({ ...names }).filter((name) => existing.includes(name))
    const topics = there.length === 0 ? [] : await describeTopics(admin, there)
    return { topics, faults: judgeTopics(names, wanted, topics) }
  })
}

/**
 * The partitions of a deployment, which both topics have.
 * @throws LogError `kafka_unreachable`, `kafka_untrusted`; `kafka_refused` if a topic is missing, or they differ
 */
export function countPartitions(settings: KafkaSettings, log: Log): Promise<number> {
  return withAdmin(settings, log, async (admin) => {
    const { commands, events } = topicNames(settings)
    const { topics } = await admin.fetchTopicMetadata({ topics: [commands, events] })
    const [first, second] = [commands, events].map(
      (topic) => topics.find(({ name }) => name === topic)?.partitions.length ?? 0,
    )
    if (first === second && first! > 0) return first!
    throw new LogError(
      'kafka_refused',
      `Topic ${commands} has ${first} partitions and ${events} has ${second}: they have to have the same number. ` +
        'See what purser topics says of them.',
    )
  })
}

async function describeTopics(admin: Admin, names: readonly string[]): Promise<readonly FoundTopic[]> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [...names] })
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: names.map((name) => ({ type: TOPIC_RESOURCE, name })),
  })
  // Brokers answer in an order of their own.
  const inOrder = names.flatMap((wanted) => topics.filter(({ name }) => name === wanted))
  return inOrder.map(({ name, partitions }) => ({
    name,
    partitions: [...partitions]
      .sort((left, right) => left.partitionId - right.partitionId)
      .map(({ replicas, isr, leader }) => ({
        replicas: replicas.length,
        inSync: isr.length,
        hasLeader: leader >= 0,
      })),
    config: new Map(
      resources
        .find(({ resourceName }) => resourceName === name)
        ?.configEntries.map(({ configName, configValue }) => [configName, configValue]) ?? [],
    ),
  }))
}

async function withAdmin<T>(
  settings: KafkaSettings,
  log: Log,
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = createKafka(settings, log).admin({ retry: { retries: RETRIES } })
  try {
    await admin.connect()
    return await work(admin)
  } catch (error) {
    throw failureOf(settings, error)
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}

/** What kafkajs throws, as a sentence that says what to do. */
function failureOf({ brokers, sasl }: KafkaSettings, error: unknown): unknown {
  const reasons = reasonsOf(error).map(troubleOf)
  const trouble = reasons.find(isLasting) ?? reasons[0]
  if (trouble === undefined) return error
  const { kind, code, remedy } = trouble
  const words = [...new Set(reasons.map(({ reason }) => reason))].join('; ')
  return new LogError(code, `${WHAT_HAPPENED[kind](brokers.join(', '), userOf(sasl))}: ${words}. ${remedy}`, {
    cause: error,
  })
}

const WHAT_HAPPENED: Readonly<Record<TroubleKind, (brokers: string, user: string) => string>> = {
  credentials: (_brokers, user) => `Kafka does not let ${user} in`,
  rights: (_brokers, user) => `Kafka refused ${user} what was asked`,
  untrusted: (brokers) => `The certificate of Kafka at ${brokers} cannot be trusted`,
  certificate: (brokers) => `Kafka at ${brokers} does not accept who connects`,
  closed: (brokers) => `Kafka at ${brokers} gives no answer`,
  away: (brokers) => `No broker answers at ${brokers}`,
  refused: () => 'Kafka refused',
}

/** The errors of kafkajs within an error: it wraps what it retried, and gathers those of several topics. */
function reasonsOf(error: unknown): readonly Error[] {
  if (!(error instanceof Error) || !error.name.startsWith('KafkaJS')) return []
  const { cause, errors } = error as { cause?: unknown; errors?: readonly unknown[] }
  const inner = [...(errors ?? []), cause].flatMap(reasonsOf)
  return inner.length > 0 ? inner : [error]
}
