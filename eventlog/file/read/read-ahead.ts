/** Reading a long log on two threads: one reads and verifies, this one takes the frames. For replays, which block. */
import { MessageChannel, Worker } from 'node:worker_threads'
import { sameBytes, viewFrame, type Frame } from '../../../schemas/frames.ts'
import type { LogHead } from '../../ports.ts'
import { headAfter } from '../../reader-rule.ts'
import { runtimeEntry } from '../../runtime-entry.ts'
import type { Disk } from '../../disk/disk.ts'
import { openSegmentAt, locateSegments } from '../layout/segment-locations.ts'
import { readFramesSync } from './reader.ts'
import type { ReadThreadStart } from './read-thread.ts'
import { createWindowShare, WindowTaker } from './read-windows.ts'

/** Bytes from which a second thread pays: it takes some 50 ms to start. */
export const AHEAD_BYTES_MIN = 64 * 1024 * 1024
/** A thread that hands on nothing for so long is not waited for any more. */
const SILENCE_MS_MAX = 60_000

/** How a replay reads its log: `readFramesSync` on any disk, `readFramesAhead` on this machine's. */
export type ReadFrames = (
  disk: Disk,
  dir: string,
  partition: number,
  fromSequence: bigint,
  upTo?: LogHead,
) => Generator<Frame, LogHead, undefined>

/**
 * As `readFramesSync`, with the same errors, but on two threads where there is much to read: the other thread opens the
 * files of this machine. A frame is valid until the next one is asked for.
 * @param bytesMin reads on this thread alone what is less than that
 */
export function* readFramesAhead(
  disk: Disk,
  dir: string,
  partition: number,
  fromSequence: bigint,
  upTo?: LogHead,
  bytesMin: number = AHEAD_BYTES_MIN,
): Generator<Frame, LogHead, undefined> {
  let after: LogHead | undefined
  if (bytesFrom(disk, dir, partition, fromSequence) >= bytesMin) {
    const reading = readOnThread({ dir, partition, fromSequence, upTo })
    let step = reading.next()
    for (; step.done !== true; step = reading.next()) {
      after = headAfter(step.value)
      yield step.value
    }
    if (step.value !== undefined) return step.value
  }
  // Where the thread could not go on, this one does, from the last frame it got: it either finds what is wrong and says
  // so, or was only stopped from outside.
  const reading = readFramesSync(disk, dir, partition, after?.sequence ?? fromSequence, upTo)
  let isBehind = after === undefined
  let step = reading.next()
  for (; step.done !== true; step = reading.next())
    if (isBehind) yield step.value
    else isBehind = sameBytes(step.value.hash, after!.hash)
  return step.value
}

/** Frames as the other thread hands them on; returns the head reached, or undefined if it did not come to an end. */
function* readOnThread(
  what: Omit<ReadThreadStart, 'share' | 'port'>,
): Generator<Frame, LogHead | undefined, undefined> {
  const share = createWindowShare()
  const { port1, port2 } = new MessageChannel()
  const workerData: ReadThreadStart = { ...what, share, port: port2 }
  const worker = new Worker(runtimeEntry(new URL('./read-thread.ts', import.meta.url)), {
    name: 'reader',
    workerData,
    transferList: [port2],
  })
  // A thread that breaks down is silent, and its part is read again.
  worker.on('error', () => undefined)
  worker.unref()
  const windows = new WindowTaker(share, port1)
  try {
    for (;;) {
      const message = windows.next(SILENCE_MS_MAX)
      if (message === undefined || message.kind === 'failed') return undefined
      if (message.kind === 'end') return message.head
      for (const { byte, bytes } of message.frames) yield viewFrame(windows.bytes, byte, bytes)
      windows.release()
    }
  } finally {
    port1.close()
    void worker.terminate()
  }
}

/** Bytes of the segments that a reader from this sequence on opens. */
function bytesFrom(disk: Disk, dir: string, partition: number, fromSequence: bigint): number {
  let bytes = 0
  for (const location of locateSegments(disk, dir, partition, fromSequence)) {
    const file = openSegmentAt(disk, location, dir, partition)
    bytes += file.size()
    file.close()
  }
  return bytes
}
