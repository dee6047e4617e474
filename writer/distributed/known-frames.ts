/**
 * Frames that a partition's log has to hold, because they were read there before: by the last writer here, or by the one that
 * left a witness in the snapshot store. A log without them went backwards.
 */
import { LogError } from '../../eventlog/errors.ts'
import { KafkaOffsetError } from '../../eventlog/kafka/errors.ts'
import { readAnchor } from '../../eventlog/kafka/events/log-anchor.ts'
import type { PartitionLinkOptions } from '../../eventlog/kafka/partition/partition-link.ts'
import { topicNames } from '../../eventlog/kafka/settings.ts'
import { openTopicReader } from '../../eventlog/kafka/partition/topic-reader.ts'
import { sameBytes, type Frame } from '../../schemas/frames.ts'
import type { HeadWitness } from '../snapshot-store/head-witness.ts'

/** A frame, and its source, as a noun for a sentence. */
export interface KnownFrame {
  readonly head: HeadWitness
  readonly knownTo: string
}

/** The frames that a start expects to find while it reads the log. */
export class KnownFrames {
  private missing: readonly KnownFrame[]

  constructor(known: readonly KnownFrame[]) {
    this.missing = known
  }

  /** Notes an accepted frame. */
  saw({ hash }: Pick<Frame, 'hash'>): void {
    if (this.missing.length > 0) this.missing = this.missing.filter(({ head }) => !sameBytes(head.hash, hash))
  }

  /**
   * Call when the log has been read to its end.
   * @param topic for people
   * @throws LogError `log_regressed` if a frame was not there
   */
  check(topic: string): void {
    const [first] = this.missing
    if (first !== undefined) throw missingFrame(first, topic, NOTHING_WRITTEN)
  }
}

export const NOTHING_WRITTEN = 'Nothing was written.'

/**
 * Checks one frame at its offset, without reading the log up to there. A frame whose offset was deleted cannot be checked.
 * @param written a sentence on what was written to the log without it
 * @throws LogError `log_regressed` if it is not there; KafkaUnreachableError, KafkaRefusedError; the signal's reason
 */
export async function requireHeld(
  known: KnownFrame,
  link: Omit<PartitionLinkOptions, 'topic'>,
  written: string,
  signal: AbortSignal,
): Promise<void> {
  const { events: topic } = topicNames(link.settings)
  const reader = openTopicReader({ ...link, topic })
  try {
    if ((await readAnchor(reader, known.head, { signal })).kind === 'frame') return
  } catch (error) {
    if (!(error instanceof KafkaOffsetError)) throw error
    if (error.code === 'kafka_offset_gone') return
  } finally {
    reader.close()
  }
  throw missingFrame(known, topic, written)
}

function missingFrame({ head, knownTo }: KnownFrame, topic: string, written: string): LogError {
  const { partition, sequence, epoch, logOffset } = head
  return new LogError(
    'log_regressed',
    `Partition ${partition} of ${topic} does not hold the frame at offset ${logOffset} (sequence ${sequence}, epoch ${epoch}) that ` +
      `${knownTo} knows: the topic went backwards, or another one stands in its place. ${written} ` +
      'Put the newest copy of the topic back; a deployment that begins anew needs an empty snapshot store as well.',
  )
}
