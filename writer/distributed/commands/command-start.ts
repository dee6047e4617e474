/**
 * Where a writer begins to take commands. The events are the truth: a frame states the offset of the next command, and its
 * topic. If that topic is gone, the offset means nothing in the topic that has its name now. What was taken there and not
 * decided is lost. The writer adopts the new topic from its first record on, or a topic that only lost its end from that end
 * on. Its opening frame states the new offset, which may be lower, and the new topic (schemas/commands-topic.ts).
 *
 * Nothing is decided twice, whatever the new topic holds: the core remembers ids, and they take effect once.
 *
 * A writer adopts a topic unasked only at home. A log that was copied to another cluster finds a strange commands topic there
 * too; going on while the first deployment still runs would split one history into two. So there an operator has to ask.
 */
import { adoptedTopic, mayBeSameTopic, sameTopic, topicPartOf } from '../../../schemas/commands-topic.ts'
import type { CommandOffset, LogHead } from '../../../eventlog/ports.ts'

/** The commands topic of a partition, as it is now. */
export interface CommandsFound {
  /** As schemas/commands-topic.ts makes it of the topic's id. */
  readonly topicPart: number
  /** The topic holds offsets from `first` to before `end`. */
  readonly first: bigint
  readonly end: bigint
}

/** How commands go on. */
export type CommandStart =
  /** From the offset that the last frame states. */
  | { readonly kind: 'continued'; readonly start: CommandOffset; readonly commandsTopic: number }
  /** From another topic's first record, or from the end of a topic that lost its end. Commands of the former one were never decided from `left` on. */
  | {
      readonly kind: 'adopted'
      readonly start: CommandOffset
      readonly commandsTopic: number
      readonly left: CommandOffset
      readonly because: AdoptionReason
    }
  /** Not before an operator asks for it. */
  | { readonly kind: 'refused'; readonly left: CommandOffset; readonly because: AdoptionReason }

/** Another topic has the name; or it is the same, or may be, and ends before what was consumed of it. */
export type AdoptionReason = 'other_topic' | 'went_backwards'

/**
 * @param head where the log ends
 * @param isAllowed true if another topic may be adopted: the events are where they always were, or an operator asked for it
 */
export function judgeCommands(
  head: Pick<LogHead, 'sequence' | 'nextCommandOffset' | 'nextCommandIndex' | 'commandsTopic'>,
  { topicPart, first, end }: CommandsFound,
  isAllowed: boolean,
): CommandStart {
  const { commandsTopic = 0 } = head
  const left = { offset: head.nextCommandOffset, index: head.nextCommandIndex }
  const known = topicPartOf(commandsTopic)
  // A record that is partly consumed still has to be there.
  const reaches = left.offset + (left.index > 0 ? 1n : 0n) <= end
  const mayBeSame = mayBeSameTopic(known, topicPart)
  if (mayBeSame && reaches)
    return { kind: 'continued', start: left, commandsTopic: sameTopic(commandsTopic, topicPart) }
  const because = mayBeSame ? 'went_backwards' : 'other_topic'
  // The same topic is at home, and before the first event there is no history to split.
  const isSame = known !== 0 && known === topicPart
  if (!isAllowed && !isSame && head.sequence > 0n) return { kind: 'refused', left, because }
  // The same topic's records were decided, except those written since it lost its end: nobody can tell them apart.
  const start = { offset: isSame ? end : first, index: 0 }
  return { kind: 'adopted', start, commandsTopic: adoptedTopic(commandsTopic, topicPart), left, because }
}

/** The last known end of a commands topic. */
export interface CommandsSeen {
  readonly topicPart: number
  readonly end: bigint
}

/**
 * Number of records that were lost with a topic: those from `left` on that this process has seen.
 * @returns undefined: unknown
 */
export function recordsLost(
  { offset }: CommandOffset,
  headTopic: number,
  seen: readonly CommandsSeen[],
): bigint | undefined {
  const known = seen.find(({ topicPart }) => mayBeSameTopic(topicPartOf(headTopic), topicPart))
  if (known === undefined) return undefined
  return known.end > offset ? known.end - offset : 0n
}

/** Number of topics remembered. Few will do: one is deleted at a time. */
const SEEN_MAX = 4

/** Adds one look at a topic to what is known of them, the newest first. */
export function withSeen(seen: readonly CommandsSeen[], now: CommandsSeen): readonly CommandsSeen[] {
  const before = seen.find(({ topicPart }) => topicPart === now.topicPart)
  const further = before !== undefined && before.end > now.end ? before : now
  return [further, ...seen.filter((one) => one !== before)].slice(0, SEEN_MAX)
}

/** Sentences on an adoption, for the operator. */
export function describeAdoption(
  { left, start, because }: Extract<CommandStart, { kind: 'adopted' }>,
  source: string,
  lost: bigint | undefined,
): string {
  const from = `offset ${left.offset}${left.index > 0 ? ` (command ${left.index} of that record)` : ''}`
  const what =
    lost === 0n
      ? `Nothing is known to have stood there from ${from} on`
      : lost === undefined
        ? `What stood there from ${from} on is lost: nobody here knows how much that was`
        : `What stood there from ${from} to ${left.offset + lost - 1n} at least is lost (${lost} records)`
  return (
    `${source} ${REASONS[because]}. ${what}. It was never decided, and nobody was told that it was; the same ids may be sent again. ` +
    `Commands are taken from offset ${start.offset} of the topic that is there now.`
  )
}

/** Why commands cannot be taken, and what to do. */
export function describeRefusal(because: AdoptionReason, source: string): string {
  return (
    `${source} ${REASONS[because]}, and it is not known that these events stand where they were written: they may be a copy in ` +
    'another cluster, whose first deployment still runs. Nothing was written. If no writer runs on the first one any more, and none ' +
    'ever will, say so: purser topics --adopt.'
  )
}

const REASONS: Readonly<Record<AdoptionReason, string>> = {
  other_topic: 'is not the one whose commands the log has consumed: it was made anew, or the log is a copy',
  went_backwards: 'ends before what the log has consumed of it: it went backwards, or was made anew',
}
