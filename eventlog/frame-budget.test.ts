import { expect, it } from 'vitest'
import { FRAME_BYTES_MAX, PARTITIONS_MAX } from '../schemas/limits.ts'
import type { Frame } from '../schemas/frames.ts'
import { chainAfter, emptyChain } from './file/layout/segments.ts'
import { frameBytesOf } from './frame-budget.ts'
import { emptyHead } from './reader-rule.ts'
import { nextFrame } from './log-on-disk.testing.ts'
import { WindowedLog } from './windowed-log.ts'

const MIB = 1024 * 1024

it('a process keeps 256 MiB of frames, or one largest frame of each partition, however many there are', () => {
  expect([1, 4, 5, 8, 32, 64, PARTITIONS_MAX].map((partitions) => frameBytesOf(partitions) / MIB)).toEqual([
    64,
    64,
    Math.floor((256 * MIB) / 5) / MIB,
    32,
    8,
    4,
    4,
  ])
  for (let partitions = 1; partitions <= PARTITIONS_MAX; partitions++)
    expect(frameBytesOf(partitions) * partitions).toBeLessThanOrEqual(Math.max(256 * MIB, FRAME_BYTES_MAX * partitions))
}) // prettier-ignore

/** A log to which a test appends; what it does not keep in memory any more is counted when it is asked for. */
class CountingLog extends WindowedLog {
  readonly frames: readonly Frame[]
  stored = 0

  constructor(partition: number, windowBytesMax: number, count: number) {
    super({
      partition,
      head: emptyHead(partition),
      windowBytesMax,
      readStored: (from) => this.#readStored(from),
    })
    let chain = emptyChain(partition)
    this.frames = Array.from({ length: count }, () => {
      const frame = nextFrame(chain, 1, 400)
      chain = chainAfter(frame)
      this.take(frame)
      return frame
    })
  }

  /** Bytes of the frames that it gives without looking at what is stored. */
  async keptBytes(): Promise<number> {
    let bytes = 0
    for (const frame of [...this.frames].reverse()) {
      const first = await this.read(frame.firstSequence)[Symbol.asyncIterator]().next()
      expect(first.value).toBe(frame)
      if (this.stored > 0) return bytes
      bytes += frame.bytes.length
    }
    return bytes
  }

  async *#readStored(from: bigint): AsyncGenerator<Frame> {
    this.stored++
    for (const frame of this.frames) if (frame.firstSequence >= from) yield frame
  }
}

it('logs of many partitions keep together no more than those of few, and go on giving everything', async () => {
  const budget = { processBytes: 96_000, partitionBytesMax: 24_000, partitionBytesMin: 2_000 }
  for (const partitions of [1, 4, 16, 32]) {
    const bytesMax = frameBytesOf(partitions, budget)
    const logs = Array.from(
      { length: partitions },
      (_, partition) => new CountingLog(partition, bytesMax, 60),
    )
    let kept = 0
    for (const log of logs) kept += await log.keptBytes()
    expect(kept).toBeGreaterThan(0)
    expect(kept).toBeLessThanOrEqual(budget.processBytes)
  }
})
