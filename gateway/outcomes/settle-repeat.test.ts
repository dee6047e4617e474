/** A command that was consumed without an event is refused only if the log proves that it never will have one. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { PublicEvent } from '../../projectors/views/audit/events.ts'
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import { formatCrossing } from '../../schemas/crossing.ts'
import type { EventKind, WalletEvent } from '../../schemas/events.ts'
import { fingerprintOf } from '../../schemas/fingerprint.ts'
import type { Frame } from '../../schemas/frames.ts'
import { makeUuidV7, NIL_ID } from '../../schemas/ids.ts'
import { partitionOf } from '../../schemas/partitions.ts'
import { REFUSAL_CODES } from '../../schemas/refusals.ts'
import { sampleEvent } from '../../schemas/sample-event.testing.ts'
import { publicEvent } from './outcomes.ts'
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

describe('a command without an event whose id has a crossing in the views', () => {
  const command: Command = { ...commandAt(NOW_MS), receivedAtNs: 7n }
  const fingerprint = fingerprintOf(encodeCommands([command]))
  const text = (answers: bigint): string =>
    formatCrossing({ debit: NIL_ID, credit: NIL_ID, source: 1, channel: 1, turn: 1, answers })
  const step = (kind: EventKind, sequence: bigint, more: Partial<WalletEvent> = {}): PublicEvent =>
    publicEvent(
      sampleEvent({ kind, sequence, partition: 1, receivedAtNs: 7n, namedAccounts: text(40n), ...more }),
    )
  const begun = step('TransferReserved', 3n, { fingerprint, namedAccounts: text(0n) })
  const reserved = step('CreditReserved', 40n, { partition: 0 })
  const reminded = step('TransferReminded', 4n, { command: 'TimeStep' })
  const asked = (events: readonly PublicEvent[], mayBeOwn: boolean, body = command) =>
    settleRepeat(
      {
        views: { points: nothingFound.points, events: () => Promise.resolve(events) } as unknown as Views,
        outcomeWaitMs: 0,
        partitions: 2,
      },
      body,
      {
        frame: { partition: 1, firstSequence: 8n, count: 1, timeNs: BigInt(NOW_MS) * 1_000_000n } as Frame,
        mayBeOwn,
        horizonMs: -1,
      },
      () => NOW_MS,
    )
  const claimed = step('IdClaimed', 2n, { command: 'ClaimId', code: 0, namedAccounts: '' })

  test('is told that the id is in use where it was claimed for another partition, and nothing else of a claim', async () => {
    expect(await asked([claimed], true)).toMatchObject({
      refusal: 'id_reused',
      at: { partition: 1, sequence: 2n },
    })
    // A claim at another partition says nothing here, and is no part of what became of the id.
    expect(await asked([{ ...claimed, partition: 0 }], true)).toEqual({ undecided: 'unknown' })
    expect(await asked([{ ...claimed, partition: 0 }, begun], true)).toEqual({
      underWay: true,
      isRepeat: false,
    })
  })

  test('is under way as long as that has no end, whichever partition comes first', async () => {
    for (const [mayBeOwn, isRepeat] of [[true, false], [false, true]] as const)
      expect(await asked([reserved, begun, reminded], mayBeOwn)).toEqual({ underWay: true, isRepeat })
    expect(await asked([reserved, begun], true, { ...command, receivedAtNs: 8n })).toEqual({ underWay: true, isRepeat: true })
  }) // prettier-ignore

  test('has the outcome of its end, which says where both sides stand and why it was refused', async () => {
    const at = { partition: 1, sequence: 9n }
    const other = { partition: partitionOf(NIL_ID, 2), sequence: 40n }
    expect(await asked([reserved, begun, step('TransferCompleted', 9n)], false)).toMatchObject({ at, other, refusal: undefined, replayed: true })
    const cancelled = step('TransferCancelled', 9n, { fingerprint: BigInt(REFUSAL_CODES.credit_account_frozen) })
    expect(await asked([begun, cancelled], true)).toMatchObject({ at, refusal: 'credit_account_frozen', replayed: false })
    const timedOut = step('TransferCancelled', 9n, { command: 'TimeStep', fingerprint: BigInt(REFUSAL_CODES.transfer_timed_out), namedAccounts: text(0n) })
    expect(await asked([begun, timedOut, step('CancelAcknowledged', 12n)], true)).toMatchObject({ at, other: undefined, refusal: 'transfer_timed_out' })
  }) // prettier-ignore

  test('is reused with another body, under way or not', async () => {
    for (const end of [[], [step('TransferCompleted', 9n)]])
      expect(await asked([begun, ...end], true, { ...command, amount: 2n })).toMatchObject({
        refusal: 'id_reused',
        at: { partition: 1, sequence: 3n },
      })
  })

  test('is free where the id is that of another partition’s crossing alone', async () => {
    expect(await asked([reserved], true)).toEqual({ undecided: 'unknown' })
  })
})
