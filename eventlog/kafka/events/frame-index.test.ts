import { describe, expect, it } from 'vitest'
import { emptyChain } from '../../file/layout/segments.ts'
import { FrameIndex } from './frame-index.ts'

describe('the index of places', () => {
  const head = (sequence: bigint) => ({ ...emptyChain(0), sequence })
  it('is bounded, and never gives a place behind what is asked for', () => {
    const index = new FrameIndex(8, 1)
    for (let frame = 0n; frame < 1_000n; frame++) {
      index.add(head(frame), frame * 2n)
      for (const asked of [1n, frame / 2n, frame + 1n]) {
        const found = index.entryBefore(asked)
        if (found !== undefined) expect(found.before.sequence + 1n).toBeLessThan(asked)
      }
    }
    // Near the end it knows a place within a third of the log.
    expect(index.entryBefore(1_000n)!.logOffset).toBeGreaterThan(1_400n)
    expect(index.entryBefore(1n)).toBeUndefined()
  })
})
