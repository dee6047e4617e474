/** A log on a real topic, with a writer in this process: for the contract suite and for tests of readers. */
import type { Producer } from 'kafkajs'
import { sameBytes, type Frame } from '../../schemas/frames.ts'
import { sendRecords } from '../../test/support/kafka/topics.ts'
import type { LogUnderTest } from '../contract.ts'
import { chainAfter, type ChainEnd } from '../file/layout/segments.ts'
import { nextFrame } from '../log-on-disk.testing.ts'
import { openKafkaEventLog, type KafkaEventLog, type KafkaEventLogOptions } from './events/kafka-event-log.ts'
import { encodeFrameRecord } from './events/record.ts'
import { topicNames } from './settings.ts'

export interface KafkaLogUnderTest extends LogUnderTest {
  readonly log: KafkaEventLog
  reopen(): Promise<KafkaLogUnderTest>
}

export interface OpenUnderTest extends KafkaEventLogOptions {
  /** Connected. */
  readonly producer: Producer
  /** Where the log ended when it was closed last. */
  readonly chain: ChainEnd
  /** True opens it again behind the last frame of its first life, by its place. */
  readonly isAnchored?: boolean
}

/** Opens the log of partition 2 of a topic. */
export async function openKafkaLogUnderTest(options: OpenUnderTest): Promise<KafkaLogUnderTest> {
  const { producer, partition, settings, isAnchored = false } = options
  const { events } = topicNames(settings)
  const log = await openKafkaEventLog(options)
  let chain = options.chain
  let last: Frame | undefined
  const arrived = (frame: Frame): Promise<Frame> =>
    new Promise((resolve, reject) => {
      log.onFailure(reject)
      const end = log.observe((seen) => {
        if (!sameBytes(seen.hash, frame.hash)) return
        end()
        // Observers hear of a frame before readers do; by the next turn both have.
        setImmediate(resolve, seen)
      })
    })
  return {
    log,
    async append(count, payloadBytes) {
      const frame = nextFrame(chain, count, payloadBytes)
      chain = chainAfter(frame)
      const back = arrived(frame)
      await sendRecords(producer, events, partition, [encodeFrameRecord(frame.bytes)])
      last = await back
      return last
    },
    async close() {
      log.close()
    },
    async reopen() {
      log.close()
      const { anchor: _, ...rest } = options
      return openKafkaLogUnderTest({
        ...rest,
        chain,
        ...(isAnchored && last !== undefined
          ? { anchor: { logOffset: log.logOffsetOf(last)!, hash: last.hash } }
          : {}),
      })
    },
  }
}
