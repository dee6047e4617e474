/** Replays a partition of the events topic from its first record, to prove a deployment at rest or while it runs. */
import { openKafkaEventLog, type KafkaEventLog } from '../../eventlog/kafka/events/kafka-event-log.ts'
import type { KafkaSettings } from '../../eventlog/kafka/settings.ts'
import { createCore, type CoreOptions } from '../core/core.ts'
import { TailReplay } from '../recovery/load-state.ts'
import { replayOf, type Replay } from '../recovery/replay-log.ts'

/** Bytes of frames kept in memory: small, because they are read once. */
const WINDOW_BYTES_MAX = 1024 * 1024

export interface TopicReplay extends Replay {
  readonly voids: VoidFrames
  /** The replayed log. The caller closes it. */
  readonly log: KafkaEventLog
}

/** Void frames, which every reader skips. */
export interface VoidFrames {
  readonly count: number
  /** Offset of the first; undefined if there is none. */
  readonly first: bigint | undefined
}

/**
 * Replays what a partition holds at the call, verifying every frame. Others may go on writing. Changes nothing.
 * @param options.core as the writers' own: the digest depends on how many ids are remembered
 * @throws as `openKafkaEventLog`; CoreBrokenError if the events contradict each other
 */
export async function replayTopic(options: {
  readonly settings: KafkaSettings
  readonly partition: number
  /** Number of partitions. */
  readonly partitions: number
  readonly core?: Omit<CoreOptions, 'partition'>
  readonly log: (line: string) => void
}): Promise<TopicReplay> {
  const { settings, partition, partitions } = options
  const core = createCore({ partition, ...options.core })
  const tail = new TailReplay({ core, snapshot: undefined, unusable: [] })
  let voids: VoidFrames = { count: 0, first: undefined }
  const log = await openKafkaEventLog({
    settings,
    partition,
    partitions,
    log: options.log,
    windowBytesMax: WINDOW_BYTES_MAX,
    follows: false,
    onCatchUp: (frame) => tail.apply(frame),
    onVoid: (_frame, logOffset) => {
      voids = { count: voids.count + 1, first: voids.first ?? logOffset }
    },
  })
  const head = log.head()
  return { ...replayOf(core, { ...tail.end(head), head }), voids, log }
}
