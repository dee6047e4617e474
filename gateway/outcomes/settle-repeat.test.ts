/** A command that was consumed without an event is refused only if the log proves that it never will have one. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../schemas/commands.ts'
import type { Frame } from '../../schemas/frames.ts'
import { makeUuidV7, NIL_ID } from '../../schemas/ids.ts'
import { settleRepeat } from './settle-repeat.ts'
import type { Views } from '../read/views.ts'

const NOW_MS = 1_790_000_000_000
const nothingFound = {
  points: { atSequence: () => Promise.resolve({}) },
  events: () => Promise.resolve([]),
} as unknown as Views

function commandAt(timeMs: number): Command {
  const id = makeUuidV7(timeMs, new Uint8Array(10))
  return { kind: 'Transfer', id, debit: NIL_ID, credit: NIL_ID, amount: 1n, currency: 'EUR' }
}

const settle = (timeMs: number, horizonMs: number, frameMs = NOW_MS, wallMs = NOW_MS) =>
  settleRepeat(
    { views: nothingFound, outcomeWaitMs: 0, partitions: 1 },
    commandAt(timeMs),
    {
      frame: { partition: 0, firstSequence: 8n, count: 1, timeNs: BigInt(frameMs) * 1_000_000n } as Frame,
      mayBeOwn: false,
      horizonMs,
    },
    () => wallMs,
  )

describe('a command without an event, of which the views hold none either', () => {
  test('is refused as expired if, and only if, the log says that its id never gets one', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: -100_000, max: 100_000 }),
        fc.nat(200_000),
        async (offset, behind) => {
          const timeMs = NOW_MS + offset
          const answer = await settle(timeMs, NOW_MS + 50_000 - behind)
          expect('refusal' in answer && answer.refusal).toBe(
            timeMs <= NOW_MS + 50_000 - behind ? 'id_expired' : false,
          )
        },
      ),
    )
  })

  test('is not refused where no horizon is known, however old its id is', async () => {
    expect(await settle(1, -1)).toEqual({ undecided: 'unknown' })
  })

  test('is told by how much its time is ahead, by the clock that is behind: a writer whose clock was set back takes none of now', async () => {
    expect(await settle(NOW_MS + 60_001, -1)).toEqual({ undecided: 'future', aheadMs: 1 })
    expect(await settle(NOW_MS + 60_000, -1)).toEqual({ undecided: 'unknown' })
    expect(await settle(NOW_MS, -1, NOW_MS, NOW_MS - 3_600_000)).toEqual({
      undecided: 'future',
      aheadMs: 3_540_000,
    })
  })
})
