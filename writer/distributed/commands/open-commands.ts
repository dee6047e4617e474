/** Opens a partition's commands for a writer, before it writes anything: a topic that cannot be read costs no epoch. */
import { LogError } from '../../../eventlog/errors.ts'
import type { PartitionLinkOptions } from '../../../eventlog/kafka/partition/partition-link.ts'
import { topicNames } from '../../../eventlog/kafka/settings.ts'
import { openTopicReader, type TopicReader } from '../../../eventlog/kafka/partition/topic-reader.ts'
import type { LogHead } from '../../../eventlog/ports.ts'
import { topicPartOfId } from '../../../schemas/commands-topic.ts'
import {
  describeAdoption,
  describeRefusal,
  judgeCommands,
  recordsLost,
  type CommandsSeen,
  type CommandStart,
} from './command-start.ts'

/** Commands that can be read from `start` on. */
export interface OpenCommands {
  /** Pinned to this topic. The caller closes it. */
  readonly reader: TopicReader
  readonly start: Exclude<CommandStart, { kind: 'refused' }>
  /** For people: `partition 0 of purser.commands`. */
  readonly source: string
  /** Records that are known to be lost with another topic. */
  readonly lost: bigint
}

export interface OpenCommandsOptions {
  /** The log's head. */
  readonly head: LogHead
  /** True if the events are known to be where they were written. */
  readonly isHome: boolean
  /** The last known ends of topics. */
  readonly seen: readonly CommandsSeen[]
  /** Gets a line on what is lost. */
  readonly notice: (line: string) => void
  readonly signal: AbortSignal
}

/**
 * Finds the offset to take commands from, and asks for the record there. Writes nothing.
 * @throws LogError `commands_replaced` if another topic has the name, and it is not known that it may be adopted;
 *   BatchDamagedError; KafkaUnreachableError, KafkaRefusedError; the signal's reason
 */
export async function openCommands(
  link: Omit<PartitionLinkOptions, 'topic'>,
  { head, isHome, seen, notice, signal }: OpenCommandsOptions,
): Promise<OpenCommands> {
  const { commands: topic } = topicNames(link.settings)
  const source = `partition ${link.partition} of ${topic}`
  const reader = openTopicReader({ ...link, topic, isPinned: true })
  try {
    const { first, end } = await reader.bounds(signal)
    const start = judgeCommands(head, { topicPart: topicPartOfId(reader.topicId()), first, end }, isHome)
    if (start.kind === 'refused')
      throw new LogError('commands_replaced', describeRefusal(start.because, capital(source)))
    const from = start.start.offset
    // The intake reports what was deleted before it.
    await reader.probe(from < first ? first : from, signal)
    if (start.kind === 'continued') return { reader, start, source, lost: 0n }
    const lost = recordsLost(start.left, head.commandsTopic ?? 0, seen)
    notice(describeAdoption(start, capital(source), lost))
    return { reader, start, source, lost: lost ?? 0n }
  } catch (error) {
    reader.close()
    throw error
  }
}

/** What a reader of the commands topic sees of it now. */
export async function seenNow(reader: TopicReader, signal: AbortSignal): Promise<CommandsSeen> {
  const { end } = await reader.bounds(signal)
  return { topicPart: topicPartOfId(reader.topicId()), end }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
