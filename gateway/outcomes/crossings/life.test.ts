/** What is under the id of a hold across partitions, of a post of it, and of the command that voids it. */
import { describe, expect, test } from 'vitest'
import type { PublicEvent } from '../../../projectors/views/audit/events.ts'
import { formatCrossing } from '../../../schemas/crossing.ts'
import type { EventKind, WalletEvent } from '../../../schemas/events.ts'
import { partitionOf } from '../../../schemas/partitions.ts'
import { sampleEvent } from '../../../schemas/sample-event.testing.ts'
import { stateOf } from '../../live/transfer-state.ts'
import { publicEvent } from '../outcomes.ts'
import { answeredBy, lifeOf, newestOf, phaseOf, timelineOf } from './life.ts'

const HOLD = { high: 1n, low: 7n }
const OTHER = { high: 1n, low: 8n }
const PARTITIONS = 64
const accounts = { debit: { high: 1n, low: 1n }, credit: { high: 1n, low: 3n } }
const SOURCE = partitionOf(accounts.debit, PARTITIONS)
const DESTINATION = partitionOf(accounts.credit, PARTITIONS)

function event(
  sequence: bigint,
  kind: EventKind,
  more: Partial<WalletEvent> = {},
  answers = 9n,
): PublicEvent {
  const partition = kind.startsWith('Credit') ? DESTINATION : SOURCE
  const namedAccounts = formatCrossing({ ...accounts, source: SOURCE, channel: 1, turn: 1, answers })
  return publicEvent(sampleEvent({ kind, sequence, partition, transferId: HOLD, namedAccounts, ...more }))
}

const placed = [event(1n, 'HoldReserved', { command: 'PlaceHold' }), event(2n, 'HoldConfirmed'), event(1n, 'CreditReserved')] // prettier-ignore
const ofHold = { relatedId: HOLD }
const released = (command: 'ExpireHold' | 'PostHold'): PublicEvent[] => [
  event(3n, 'HoldReleased', { ...ofHold, command }),
  event(2n, 'CreditCancelled', ofHold),
  event(4n, 'ReleaseCompleted', ofHold),
]
const ofVoid = { transferId: OTHER, relatedId: HOLD }
const voided = [
  event(3n, 'HoldReleased', { ...ofVoid, command: 'VoidHold' }),
  event(4n, 'ReleaseCompleted', ofVoid),
  event(2n, 'CreditCancelled', ofVoid),
]

describe('the outcome', () => {
  test('of a hold is that both sides hold it, whatever becomes of it later', () => {
    for (const events of [placed, [...placed, ...released('ExpireHold')]]) {
      const life = lifeOf(events)!
      expect([life.first.kind, life.end?.kind]).toEqual(['HoldReserved', 'HoldConfirmed'])
    }
    expect(lifeOf(placed.slice(0, 1))!.end).toBeUndefined()
  })

  test('of what voids a hold is that both sides have let go', () => {
    const life = lifeOf(voided)!
    expect([life.first.kind, life.end?.kind, life.elsewhere.length]).toEqual(['HoldReleased', 'ReleaseCompleted', 1])
    expect(lifeOf(voided.slice(0, 1))!.end).toBeUndefined()
  }) // prettier-ignore

  test('of a post is that both sides know of it', () => {
    const drawn = event(3n, 'HoldDrawn', { ...ofVoid, command: 'PostHold' }, (1n << 32n) | 1n)
    const life = lifeOf([drawn, event(4n, 'TransferCompleted', ofVoid), event(2n, 'CreditDrawn', ofVoid)])!
    expect([life.end?.kind, newestOf(life).kind]).toEqual(['TransferCompleted', 'TransferCompleted'])
    expect(timelineOf(life).map((one) => phaseOf(one))).toEqual(['DRAWN', 'CREDITED', 'COMPLETED'])
  })
})

test('a hold that is open is pending; what ends it says how, and its release there says nothing more', () => {
  const state = (own: readonly PublicEvent[], related: readonly PublicEvent[] = []): string =>
    stateOf(lifeOf(own)!, related)
  expect(state(placed)).toBe('PENDING')
  expect(state([...placed, ...released('ExpireHold')])).toBe('EXPIRED')
  expect(state([...placed, ...released('PostHold')])).toBe('POSTED')
  expect(state(placed, voided.slice(0, 1))).toBe('VOIDED')
  expect(state(voided.slice(0, 1))).toBe('PENDING')
  expect(state(voided)).toBe('VOIDED')
  const phases = timelineOf(lifeOf([...placed, ...released('PostHold')])!).map((one) => phaseOf(one))
  expect(phases).toEqual(['RESERVED', undefined, 'HELD', 'RELEASED', undefined, undefined])
})

test('the first events of a hold and of a post answer none, though their text has something in that place', () => {
  const something = 5_000_000_000n
  for (const kind of ['HoldReserved', 'HoldDrawn'] as const)
    expect(answeredBy(event(1n, kind, {}, something), PARTITIONS)).toBeUndefined()
  expect(answeredBy(event(2n, 'HoldConfirmed'), PARTITIONS)).toEqual({ partition: DESTINATION, sequence: 9n })
})
