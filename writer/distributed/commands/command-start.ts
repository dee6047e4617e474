/**
 * Where a writer begins to take commands. The events are the truth: a frame says up to which place commands are consumed,
 * and in which topic that place is. Where that topic is gone, its place means nothing in the one that stands under the name
 * now: what was taken there and not decided is lost, and the writer goes on from the first record of the new one (of one that
 * only lost its end, from there). It says so
 * in its opening frame, by a place that may be lower, with another mark of the topic beside it (schemas/commands-topic.ts).
 *
 * Nothing is decided twice by that, whatever stands in the new topic: ids take effect once, in the core's memory of them.
 *
 * Only at home is that done unasked. A log that was copied to another cluster finds a strange commands topic there as well;
 * to go on there while the first deployment still runs would make two histories of one. So there an operator has to say it.
 */
import { adoptedTopic, mayBeSameTopic, sameTopic, topicPartOf } from '../../../schemas/commands-topic.ts'
import type { CommandOffset, LogHead } from '../../../eventlog/ports.ts'

/** The commands topic of a partition, as it is now. */
export interface CommandsFound {
  /** As schemas/commands-topic.ts makes it of the topic's id. */
  readonly topicPart: number
  /** It holds offsets from `first` to before `end`. */
  readonly first: bigint
  readonly end: bigint
}

/** How commands go on. */
export type CommandStart =
  /** From where the last frame says. */
  | { readonly kind: 'continued'; readonly start: CommandOffset; readonly commandsTopic: number }
  /** In a topic from the beginning of what there is, in one that lost its end from there: from `left` on, what stood in the topic before was never decided. */
  | {
      readonly kind: 'adopted'
      readonly start: CommandOffset
      readonly commandsTopic: number
      readonly left: CommandOffset
      readonly because: AdoptionReason
    }
  /** Not before an operator says so. */
  | { readonly kind: 'refused'; readonly left: CommandOffset; readonly because: AdoptionReason }

/** Another topic stands under the name; or it is the same, or may be, and ends before what was consumed of it. */
export type AdoptionReason = 'other_topic' | 'went_backwards'

/**
 * @param head where the log ends
 * @param isAllowed true if another topic may be taken up: the events stand where they always have, or an operator says so
 */
export function judgeCommands(
  head: Pick<LogHead, 'sequence' | 'nextCommandOffset' | 'nextCommandIndex' | 'commandsTopic'>,
  { topicPart, first, end }: CommandsFound,
  isAllowed: boolean,
): CommandStart {
  const { commandsTopic = 0 } = head
  const left = { offset: head.nextCommandOffset, index: head.nextCommandIndex }
  const known = topicPartOf(commandsTopic)
  // A record that is consumed in part is one that has to be there still.
  const reaches = left.offset + (left.index > 0 ? 1n : 0n) <= end
  const mayBeSame = mayBeSameTopic(known, topicPart)
  if (mayBeSame && reaches)
    return { kind: 'continued', start: left, commandsTopic: sameTopic(commandsTopic, topicPart) }
  const because = mayBeSame ? 'went_backwards' : 'other_topic'
  // The same topic is at home; and before the first event there is no history to be doubled.
  const isSame = known !== 0 && known === topicPart
  if (!isAllowed && !isSame && head.sequence > 0n) return { kind: 'refused', left, because }
  // What the same one still holds was decided, but for what came since it lost its end: nobody can tell that from the rest.
  const start = { offset: isSame ? end : first, index: 0 }
  return { kind: 'adopted', start, commandsTopic: adoptedTopic(commandsTopic, topicPart), left, because }
}

/** What is known of how long a commands topic was. */
export interface CommandsSeen {
  readonly topicPart: number
  readonly end: bigint
}

/**
 * How many records were lost with a topic: those from `left` on, as far as anybody here has seen them.
 * @returns undefined: nobody here knows
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

/** Topics that are remembered: one is deleted at a time. */
const SEEN_MAX = 4

/** What is known of the topics, the newest first, with one more look at one of them. */
export function withSeen(seen: readonly CommandsSeen[], now: CommandsSeen): readonly CommandsSeen[] {
  const before = seen.find(({ topicPart }) => topicPart === now.topicPart)
  const further = before !== undefined && before.end > now.end ? before : now
  return [further, ...seen.filter((one) => one !== before)].slice(0, SEEN_MAX)
}

/** What an operator is told of it, in sentences. */
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
