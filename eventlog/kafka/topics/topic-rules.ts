/** The rules for a deployment's two topics: what is required, why, and what to do if it is not met. Pure. */
import { PARTITIONS_MAX } from '../../../schemas/limits.ts'
import { RECORD_BATCH_BYTES_MAX, type TopicNames } from '../settings.ts'

/** Default number of partitions of new topics. */
export const PARTITIONS_DEFAULT = 4
/** Commands must not be deleted earlier than this: longer than any time without a writer. */
const COMMANDS_RETENTION_MS_MIN = 7 * 24 * 3_600_000

/** What is required of the topics. */
export interface WantedTopics {
  /** Undefined: any number, the same in both topics. */
  readonly partitions: number | undefined
  /** Brokers that hold each partition. */
  readonly replication: number
}

/** A topic as the brokers describe it. */
export interface FoundTopic {
  readonly name: string
  readonly partitions: readonly {
    /** Brokers that hold it. */
    readonly replicas: number
    /** The in-sync ones of them. */
    readonly inSync: number
    readonly hasLeader: boolean
  }[]
  readonly config: ReadonlyMap<string, string>
}

/** One thing that is wrong with a topic. */
export interface TopicFault {
  readonly topic: string
  /** The topic's property, or `exists`, `partitions`, `replication`, `leader`, `in-sync`. */
  readonly property: string
  readonly found: string
  readonly wanted: string
  /** What is wrong, and why that matters. */
  readonly problem: string
  readonly remedy: string
}

/** Replicas that must have a record before it is acknowledged. One broker may be away. */
export function inSyncReplicas(replication: number): number {
  return Math.max(1, replication - 1)
}

interface Rule {
  readonly property: string
  /** What a topic is created with. */
  readonly value: string
  /** Which values are accepted; by default, `value` alone. */
  readonly accepts?: (found: string) => boolean
  readonly why: string
}

/** The properties of a topic, as it is created and as it is checked. */
export function topicRules(kind: keyof TopicNames, replication: number): readonly Rule[] {
  const isEvents = kind === 'events'
  const minimum = inSyncReplicas(replication)
  return [
    {
      property: 'min.insync.replicas',
      value: String(minimum),
      why:
        replication === 1
          ? 'one broker is all there is'
          : 'with fewer, one broker’s loss can take what was acknowledged with it; with more, it stops the service',
    },
    {
      property: 'unclean.leader.election.enable',
      value: 'false',
      why: 'a broker that missed records could become leader, and records that were acknowledged would be gone',
    },
    {
      property: 'cleanup.policy',
      value: 'delete',
      why: 'compaction deletes all but the newest record of a key',
    },
    isEvents
      ? { property: 'retention.ms', value: '-1', why: 'the events are the truth: none of them may be deleted, ever' }
      : {
          property: 'retention.ms',
          value: '-1',
          accepts: (found) => found === '-1' || Number(found) >= COMMANDS_RETENTION_MS_MIN,
          why: 'commands that no writer has taken yet would be deleted: -1, or seven days (604800000) and more',
        },
    {
      property: 'retention.bytes',
      value: '-1',
      why: isEvents
        ? 'the events are the truth: none of them may be deleted, ever'
        : 'a burst of commands would delete those that no writer has taken yet',
    },
    {
      property: 'max.message.bytes',
      value: String(RECORD_BATCH_BYTES_MAX),
      accepts: (found) => Number(found) >= RECORD_BATCH_BYTES_MAX,
      why: 'a large frame would be refused, and its writer would stop',
    },
    {
      property: 'message.timestamp.type',
      value: 'LogAppendTime',
      why: 'with CreateTime, brokers refuse what comes from a clock that runs an hour ahead',
    },
    {
      property: 'compression.type',
      value: 'uncompressed',
      why: 'ours come compressed within their records; brokers then unpack what a stranger packed, and bound what it comes to',
    },
  ] // prettier-ignore
}

/** Everything that is wrong with the topics, all at once. */
export function judgeTopics(
  names: TopicNames,
  wanted: WantedTopics,
  found: readonly FoundTopic[],
): readonly TopicFault[] {
  const faults: TopicFault[] = []
  const kinds = ['commands', 'events'] as const
  const counts = kinds.map((kind) => found.find(({ name }) => name === names[kind])?.partitions.length)
  for (const kind of kinds) {
    const name = names[kind]
    const topic = found.find((one) => one.name === name)
    if (topic === undefined) {
      faults.push({
        topic: name,
        property: 'exists',
        found: 'no',
        wanted: 'yes',
        problem: 'There is no such topic, or this user may not see it.',
        remedy: 'Create it: purser topics --create. If it exists, allow the user to describe it.',
      })
      continue
    }
    faults.push(...judgePartitions(topic, wanted), ...judgeConfig(kind, topic, wanted.replication))
  }
  const [commands, events] = counts
  if (
    wanted.partitions === undefined &&
    commands !== undefined &&
    events !== undefined &&
    commands !== events
  )
    faults.push(partitionsFault(names.commands, commands, events, `${names.events} has ${events}`))
  return faults
}

/** The problem if the log of some partitions consumes another commands topic than the one that is there. */
export function strangeCommands(names: TopicNames, partitions: readonly number[]): readonly TopicFault[] {
  if (partitions.length === 0) return []
  return [
    {
      topic: names.commands,
      property: 'origin',
      found: 'another topic',
      wanted: 'the one whose commands the log has consumed',
      problem:
        `The log of ${partitions.length === 1 ? 'partition' : 'partitions'} ${partitions.join(', ')} has consumed the commands of ` +
        'another topic: this one was made anew or has lost its end, or the log is a copy. What was taken there and not decided is lost.',
      remedy:
        'Writers take it up by themselves where the events stand where they were written: in a moment, if they run. Where the log ' +
        'is a copy, and no writer of the first deployment runs any more: purser topics --adopt.',
    },
  ]
}

function judgePartitions({ name, partitions }: FoundTopic, wanted: WantedTopics): readonly TopicFault[] {
  const faults: TopicFault[] = []
  const count = partitions.length
  if (wanted.partitions !== undefined && count !== wanted.partitions)
    faults.push(partitionsFault(name, count, wanted.partitions, `there have to be ${wanted.partitions}`))
  if (count > PARTITIONS_MAX)
    faults.push(partitionsFault(name, count, PARTITIONS_MAX, `a deployment has ${PARTITIONS_MAX} at most`))
  const least = (of: (one: FoundTopic['partitions'][number]) => number): number =>
    partitions.reduce((lowest, one) => Math.min(lowest, of(one)), Infinity)
  const replicas = least((one) => one.replicas)
  if (replicas < wanted.replication)
    faults.push({
      topic: name,
      property: 'replication',
      found: String(replicas),
      wanted: String(wanted.replication),
      problem: `A partition is held by ${replicas} of the ${wanted.replication} brokers that should: with fewer than three, no broker may be lost.`,
      remedy: `Give it more brokers: kafka-reassign-partitions.sh. Only to try things out: --replication ${replicas}.`,
    })
  const leaderless = partitions.flatMap(({ hasLeader }, index) => (hasLeader ? [] : [index]))
  if (leaderless.length > 0)
    faults.push({
      topic: name,
      property: 'leader',
      found: 'none',
      wanted: 'one for each partition',
      problem: `Nobody leads ${leaderless.length === 1 ? 'partition' : 'partitions'} ${leaderless.join(', ')}: nothing can be read or written there.`,
      remedy: 'Start the brokers that are down.',
    })
  const lagging = partitions.flatMap((one, index) => (one.hasLeader && one.inSync < one.replicas ? [index] : []))
  if (lagging.length > 0)
    faults.push({
      topic: name,
      property: 'in-sync',
      found: String(least((one) => one.inSync)),
      wanted: String(replicas),
      problem: `Not every broker that holds ${lagging.length === 1 ? 'partition' : 'partitions'} ${lagging.join(', ')} has everything: the next loss may stop the service.`,
      remedy: 'Start the brokers that are down, or wait until they have caught up.',
    })
  return faults
} // prettier-ignore

function partitionsFault(topic: string, found: number, wanted: number, because: string): TopicFault {
  return {
    topic,
    property: 'partitions',
    found: String(found),
    wanted: String(wanted),
    problem: `It has ${found} partitions, and ${because}.`,
    remedy:
      'The number is fixed with the first frame: an account belongs to a partition by its id. If nothing was ever written, ' +
      'delete both topics and create them anew; else say the number that there is, or take another --topic-prefix.',
  }
}

function judgeConfig(kind: keyof TopicNames, { name, config }: FoundTopic, replication: number): readonly TopicFault[] {
  return topicRules(kind, replication).flatMap(({ property, value, accepts, why }) => {
    const found = config.get(property)
    if (found === value || (found !== undefined && accepts?.(found) === true)) return []
    return [{
      topic: name,
      property,
      found: found ?? 'unknown',
      wanted: value,
      problem: `${property} is ${found ?? 'unknown'} and has to be ${value}: ${why}.`,
      remedy: `kafka-configs.sh --alter --topic ${name} --add-config ${property}=${value}`,
    }]
  })
} // prettier-ignore
