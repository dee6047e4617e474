/** What tests of the log share: sealed frames with made-up payloads, and a log on a disk of one's own, in one thread. */
import type { Frame } from '../schemas/frames.ts'
import type { LogUnderTest } from './contract.ts'
import type { Disk } from './disk/disk.ts'
import { FileEventLog } from './file/file-event-log.ts'
import { readFramesSync } from './file/read/reader.ts'
import { openLog, type OpenLogOptions, type OpenedLog } from './file/recovery/open-log.ts'
import { seal, sealIdleFrame } from './handoff/seal.ts'
import type { ChainEnd } from './file/layout/segments.ts'

/** A frame of `count` events behind `head`; its payload is `payloadBytes` bytes that depend on the sequence. */
export function nextFrame(
  head: ChainEnd,
  count: number,
  payloadBytes = count * 24,
  durableSequence = head.sequence,
  epoch = head.epoch === 0n ? 1n : head.epoch,
): Frame {
  return seal(
    {
      schemaVersion: 1,
      epoch,
      firstSequence: head.sequence + 1n,
      count,
      timeNs: 1_700_000_000_000_000_000n + head.sequence,
      nextCommandOffset: head.nextCommandOffset + BigInt(count),
      nextCommandIndex: 0,
      payload: new Uint8Array(payloadBytes).fill(Number((head.sequence + 1n) % 251n)),
    },
    head,
    durableSequence,
  )
}

/** Appends one group: frames of the given counts under one sync. Returns them. */
export function appendGroup(
  { appender }: OpenedLog,
  counts: readonly number[],
  payloadBytes?: number,
): Frame[] {
  const frames = counts.map((count) => {
    const frame = nextFrame(appender.head(), count, payloadBytes, appender.durable().sequence)
    appender.append(frame)
    return frame
  })
  appender.sync()
  return frames
}

/** What the log thread does when it rests. */
export function appendIdleFrame({ appender }: OpenedLog): Frame {
  const frame = sealIdleFrame(appender.head(), appender.durable().sequence)
  appender.append(frame)
  appender.sync()
  appender.syncMark()
  return frame
}

export interface LogOnDiskOptions extends OpenLogOptions {
  readonly windowBytesMax?: number
}

/** A log on `disk` with writer and readers in this thread. */
export function openLogUnderTest(disk: Disk, dir: string, options: LogOnDiskOptions): LogUnderTest {
  const opened = openLog(disk, dir, options)
  const { windowBytesMax } = options
  const log = new FileEventLog({
    disk,
    dir,
    partition: options.partition,
    head: opened.appender.head(),
    ...(windowBytesMax === undefined ? {} : { windowBytesMax }),
  })
  return {
    log,
    async append(count, payloadBytes) {
      const [frame] = appendGroup(opened, [count], payloadBytes)
      log.deliver(frame!)
      return frame!
    },
    async close() {
      opened.appender.close()
      log.close()
    },
    async reopen() {
      opened.appender.close()
      log.close()
      return openLogUnderTest(disk, dir, options)
    },
  }
}

/** Every frame of a log, verified. */
export function allFrames(disk: Disk, dir: string, partition: number): Frame[] {
  return [...readFramesSync(disk, dir, partition, 0n)]
}
