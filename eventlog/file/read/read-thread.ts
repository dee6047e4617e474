/** The program of the thread that reads a log ahead of who applies it: it reads and verifies, and hands on what is right. */
import { workerData, type MessagePort } from 'node:worker_threads'
import type { LogHead } from '../../ports.ts'
import { nodeDisk } from '../../disk/disk.ts'
import { readFramesSync } from './reader.ts'
import { WindowFiller, type FrameExtent, type WindowShare } from './read-windows.ts'

/** The worker's workerData. `port` is in the transfer list. */
export interface ReadThreadStart {
  readonly dir: string
  readonly partition: number
  readonly fromSequence: bigint
  readonly upTo: LogHead | undefined
  readonly share: WindowShare
  readonly port: MessagePort
}

function run({ dir, partition, fromSequence, upTo, share, port }: ReadThreadStart): void {
  const windows = new WindowFiller(share, port)
  let frames: FrameExtent[] | undefined
  const flush = (): void => {
    if (frames !== undefined) windows.send({ kind: 'frames', frames })
    frames = undefined
  }
  try {
    const reading = readFramesSync(nodeDisk, dir, partition, fromSequence, upTo, (file, at, bytes) => {
      flush()
      const window = windows.next().subarray(0, bytes)
      frames = []
      let got = 0
      while (got < window.length) {
        const more = file.read(window.subarray(got), at + got)
        if (more === 0) break
        got += more
      }
      return window.subarray(0, got)
    })
    let step = reading.next()
    for (; step.done !== true; step = reading.next())
      frames!.push({ byte: step.value.bytes.byteOffset, bytes: step.value.bytes.length })
    flush()
    windows.send({ kind: 'end', head: step.value })
  } catch {
    flush()
    windows.send({ kind: 'failed' })
  }
}

run(workerData as ReadThreadStart)
