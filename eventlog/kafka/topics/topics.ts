/** Creates the topics of a deployment, and asks the brokers what they are like. */
import { mayBeSameTopic, topicPartOf, topicPartOfId } from '../../../schemas/commands-topic.ts'
import { LogError } from '../../errors.ts'
import { retryOutage } from '../../retry-outage.ts'
import { createKafka, knowsLeaders, type Log } from '../kafkajs/client.ts'
import { KafkaRefusedError, KafkaUnreachableError, missingSentence, userOf } from '../errors.ts'
import { newestFrame, partitionsBegun } from '../events/partitions-begun.ts'
import { topicNames, type KafkaSettings } from '../settings.ts'
import { openTopicReader } from '../partition/topic-reader.ts'
import {
  judgeTopics,
  strangeCommands,
  PARTITIONS_DEFAULT,
  topicRules,
  type FoundTopic,
  type TopicFault,
  type WantedTopics,
} from './topic-rules.ts'
import { isLasting, classifyError, type KafkaErrorKind } from '../kafkajs/classify-error.ts'

/** What the brokers have, and what is wrong with it. */
export interface TopicsReport {
  /** With the partitions that are in use. */
  readonly topics: readonly FoundTopic[]
  /** Partitions that a topic has beside those that the log was begun with: they were added later, and nothing uses them. */
  readonly unused: number
  readonly faults: readonly TopicFault[]
}

type Admin = ReturnType<ReturnType<typeof createKafka>['admin']>

/** Retries take some two seconds with kafkajs's pauses: a mistyped address is reported within five. */
const RETRY = { retries: 2 }
/** Kafka's number for a topic among the things that have a configuration. */
export const TOPIC_RESOURCE = 2
const TIMEOUT_MS = 15_000
const POLL_MS = 100
/** How long to wait for one partition among several that are checked. */
const ANSWER_MS_MAX = 5_000
/** How long a role waits for topics that a broker does not know, in ms. */
const MISSING_MS_MAX = 2_000

/**
 * Creates the topics that are missing. An existing one is left as it is, because Kafka's client can only replace all of a
 * topic's properties at once.
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
      // kafkajs's own wait fails if somebody else creates them at the same moment.
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
    await untilLed(settings, admin, created, log)
    return created
  })
}

/**
 * Waits, within a bound, until every broker knows the leader of every partition: brokers learn of new topics one by one, and
 * a client may ask any of them first.
 */
async function untilLed(
  settings: KafkaSettings,
  admin: Admin,
  names: readonly string[],
  log: Log,
): Promise<void> {
  const deadlineMs = performance.now() + TIMEOUT_MS
  const { brokers } = await admin.describeCluster()
  const waiting = new Set(brokers.map(({ host, port }) => `${host}:${port}`))
  for (;;) {
    await Promise.all(
      [...waiting].map(async (address) => {
        // This broker is away, or does not know the topics yet.
        if (await knowsLeaders(settings, address, names, log).catch(() => false)) waiting.delete(address)
      }),
    )
    // The check reports what is still missing.
    if (waiting.size === 0 || performance.now() > deadlineMs) return
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** The other topic's number of partitions, if that topic exists. */
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
 * Asks the brokers about the topics, and checks them by the rules.
 * @throws LogError `kafka_unreachable`, `kafka_untrusted`, or `kafka_refused` with the broker's reason
 */
export function checkTopics(settings: KafkaSettings, wanted: WantedTopics, log: Log): Promise<TopicsReport> {
  return withAdmin(settings, log, async (admin) => {
    const names = topicNames(settings)
    const existing = await admin.listTopics()
    const there = Object.values<string>({ ...names }).filter((name) => existing.includes(name))
    const found = there.length === 0 ? [] : await describeTopics(admin, there)
    const events = found.find(({ name }) => name === names.events)
    const begun = await begunIfTold(settings, events?.partitions.length ?? 0, log)
    const topics = found.map((topic) => ({ ...topic, partitions: topic.partitions.slice(0, begun) }))
    const strange =
      found.length < 2 ? [] : await strangeIfTold(settings, topics[0]?.partitions.length ?? 0, log)
    const most = Math.max(0, ...found.map(({ partitions }) => partitions.length))
    return {
      topics,
      unused: begun === undefined ? 0 : Math.max(0, most - begun),
      faults: [
        ...judgeTopics(names, { ...wanted, partitions: wanted.partitions ?? begun }, topics),
        ...strangeCommands(names, strange),
      ],
    }
  })
}

/**
 * A deployment's number of partitions: the one its log was begun with, or the topics' while there is no frame. Partitions that
 * were added to the topics later are not used, and reported.
 * @throws LogError `kafka_unreachable`, `kafka_untrusted`; `topics_missing`; `kafka_refused` if they differ before the
 *   first frame; `partitions_differ` if a topic has fewer than the log was begun with; the signal's reason when it aborts
 */
export function settledPartitions(
  settings: KafkaSettings,
  log: Log,
  { outageMsMax = 0, signal }: SettledOptions = {},
): Promise<number> {
  return retryOutage(() => askPartitions(settings, log, signal), {
    isOutage: (error) => error instanceof LogError && error.code === 'kafka_unreachable',
    forMs: outageMsMax,
    pauseMs: POLL_MS,
    log,
    signal,
  })
}

export interface SettledOptions {
  /** How long to wait out an outage, in ms. Default: no longer than one request takes. */
  readonly outageMsMax?: number
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined
}

function askPartitions(settings: KafkaSettings, log: Log, signal: AbortSignal | undefined): Promise<number> {
  return withAdmin(settings, log, async (admin) => {
    const { commands, events } = topicNames(settings)
    await untilThere(admin, [commands, events], signal)
    const { topics } = await admin.fetchTopicMetadata({ topics: [commands, events] })
    const [first = 0, second = 0] = [commands, events].map(
      (topic) => topics.find(({ name }) => name === topic)?.partitions.length,
    )
    const begun = await partitionsBegun(settings, second, log, signal)
    if (begun === undefined) {
      if (first === second && first > 0) return first
      throw new LogError(
        'kafka_refused',
        `Topic ${commands} has ${first} partitions and ${events} has ${second}: they have to have the same number. ` +
          'See what purser topics says of them.',
      )
    }
    if (Math.min(first, second) < begun)
      throw new LogError(
        'partitions_differ',
        `Topic ${commands} has ${first} partitions and ${events} has ${second}, but what stands in ${events} was written as one ` +
          `of ${begun}: a topic was made anew with fewer. Nothing was changed. Make it with ${begun} again, and put back what it held.`,
      )
    if (Math.max(first, second) > begun)
      log(
        `kafka: ${commands} has ${first} partitions and ${events} has ${second}, but the log was begun with ${begun}: ` +
          `those from ${begun} on were added later, and are not used.`,
      )
    return begun
  })
}

/**
 * Waits a moment for topics that were just created: brokers learn of them one by one.
 * @throws LogError `topics_missing`, naming those that are not there
 */
async function untilThere(admin: Admin, names: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  const deadlineMs = performance.now() + MISSING_MS_MAX
  for (;;) {
    signal?.throwIfAborted()
    const existing = await admin.listTopics()
    const missing = names.filter((name) => !existing.includes(name))
    if (missing.length === 0) return
    if (performance.now() > deadlineMs) {
      await refuseHidden(admin, missing)
      throw new LogError('topics_missing', missingSentence(missing))
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
} // prettier-ignore

/** Brokers do not list topics that the user may not see, but refuse them by name. @throws kafkajs's own error then */
async function refuseHidden(admin: Admin, names: readonly string[]): Promise<void> {
  try {
    await admin.fetchTopicMetadata({ topics: [...names] })
  } catch (error) {
    if (reasonsOf(error).some((reason) => isLasting(classifyError(reason)))) throw error
  }
}

/**
 * The log's number of partitions; undefined if the user may not read the topic, or a leader is missing. Managing topics needs
 * no right to read them, and the check reports a missing leader.
 */
async function begunIfTold(settings: KafkaSettings, count: number, log: Log): Promise<number | undefined> {
  try {
    return await partitionsBegun(settings, count, log)
  } catch (error) {
    if (error instanceof KafkaRefusedError || error instanceof KafkaUnreachableError) return undefined
    throw error
  }
}

/** Partitions whose log consumes another commands topic than the one that is there; none where that is unknown. */
async function strangeIfTold(settings: KafkaSettings, count: number, log: Log): Promise<readonly number[]> {
  const { commands: topic } = topicNames(settings)
  const strange: number[] = []
  for (let partition = 0; partition < count; partition++) {
    const reader = openTopicReader({ settings, topic, partition, log, outageMsMax: ANSWER_MS_MAX })
    try {
      const frame = await newestFrame(settings, partition, log)
      const { end } = await reader.bounds()
      const known = topicPartOf(frame?.commandsTopic ?? 0)
      const isSame = mayBeSameTopic(known, topicPartOfId(reader.topicId()))
      if (!isSame || (frame?.nextCommandOffset ?? 0n) > end) strange.push(partition)
    } catch (error) {
      // A user without the right to read still gets the other problems. Outages and damage are reported elsewhere.
      if (!(error instanceof LogError)) throw error
      if (error instanceof KafkaRefusedError) return strange
    } finally {
      reader.close()
    }
  }
  return strange
}

async function describeTopics(admin: Admin, names: readonly string[]): Promise<readonly FoundTopic[]> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [...names] })
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: names.map((name) => ({ type: TOPIC_RESOURCE, name })),
  })
  // Brokers answer in any order.
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
  const admin = createKafka(settings, log, RETRY).admin({ retry: RETRY })
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
  const reasons = reasonsOf(error).map(classifyError)
  const classified = reasons.find(isLasting) ?? reasons[0]
  if (classified === undefined) return error
  const { kind, code, remedy } = classified
  const words = [...new Set(reasons.map(({ reason }) => reason))].join('; ')
  return new LogError(code, `${WHAT_HAPPENED[kind](brokers.join(', '), userOf(sasl))}: ${words}. ${remedy}`, {
    cause: error,
  })
}

const WHAT_HAPPENED: Readonly<Record<KafkaErrorKind, (brokers: string, user: string) => string>> = {
  credentials: (_brokers, user) => `Kafka does not let ${user} in`,
  rights: (_brokers, user) => `Kafka refused ${user} what was asked`,
  untrusted: (brokers) => `The certificate of Kafka at ${brokers} cannot be trusted`,
  certificate: (brokers) => `Kafka at ${brokers} does not accept who connects`,
  closed: (brokers) => `Kafka at ${brokers} gives no answer`,
  away: (brokers) => `No broker answers at ${brokers}`,
  missing: (brokers) => `Something is missing in Kafka at ${brokers}`,
  refused: () => 'Kafka refused',
}

/** The errors inside an error of kafkajs: it wraps what it retried, and collects those of several topics. */
function reasonsOf(error: unknown): readonly Error[] {
  if (!(error instanceof Error) || !error.name.startsWith('KafkaJS')) return []
  const { cause, errors } = error as { cause?: unknown; errors?: readonly unknown[] }
  const inner = [...(errors ?? []), cause].flatMap(reasonsOf)
  return inner.length > 0 ? inner : [error]
}
