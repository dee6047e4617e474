import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fixedServing } from '../../projectors/serving.ts'
import { BUILT_IN_PROJECTIONS } from '../../projectors/views/built-in.ts'
import { sealed } from '../../test/support/memory-log.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import type { Frame } from '../../schemas/frames.ts'
import { makeUuidV7, type Id } from '../../schemas/ids.ts'
import { sampleEvent } from '../../schemas/sample-event.testing.ts'
import type { BulkResult } from '../doors/bulk.ts'
import { RecentEvents } from './recent-events.ts'
import { idWords } from '../../schemas/frame-rows.ts'
import { gatewayUnderTest, openAccounts, uuid, type GatewayUnderTest } from '../gateway-under-test.testing.ts'

/** Ids of which every four share the key under which they are looked for. */
function idOf(index: number): Id {
  return makeUuidV7(
    1_700_000_000_000 + (index & 3),
    new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, index >> 10, index >> 2]),
  )
}

function eventOf(index: number, isTimer: boolean): WalletEvent {
  return sampleEvent({
    sequence: BigInt(index),
    kind: isTimer ? 'HoldExpired' : 'TransferPosted',
    command: isTimer ? 'ExpireHold' : 'Transfer',
    transferId: idOf(index),
    memo: index % 5 === 0 ? 'a memo' : '',
  })
}

function frameOf(from: number, count: number, isTimer = false): Frame {
  const events = Array.from({ length: count }, (_, index) => eventOf(from + index, isTimer))
  return sealed(0, events, BigInt(from), new Uint8Array(32))
}

const sequenceOf = (recent: RecentEvents, index: number): bigint | undefined => {
  const found = recent.find(idWords(idOf(index)), 0)
  return found?.rows.sequence(found.byte)
}

describe('recent events', () => {
  test('the last ones are found by their id, whenever it is asked; those long past are forgotten', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ count: fc.nat(40), asked: fc.boolean() }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 60_000 }),
        (steps, generationBytes) => {
          const recent = new RecentEvents(generationBytes)
          const ends: number[] = []
          let next = 0
          for (const { count, asked } of steps) {
            recent.add(frameOf(next, count))
            next += count
            ends.push(next)
            if (asked && next > 0) expect(sequenceOf(recent, next - 1)).toBe(BigInt(next - 1))
          }
          // Whatever fits one generation is there for certain; what is beyond both, and a frame each, is not.
          const oldest = Math.max(0, next - Math.floor(generationBytes / 1_500))
          for (let index = oldest; index < next; index++)
            expect(sequenceOf(recent, index)).toBe(BigInt(index))
          const forgotten = next - 2 * Math.ceil(generationBytes / 216) - 2 * 40
          for (let index = 0; index < forgotten; index++) expect(sequenceOf(recent, index)).toBe(undefined)
          expect(sequenceOf(recent, next)).toBe(undefined)
        },
      ),
      { numRuns: 100 },
    )
  })

  test('a generation of many thousands is found whole, and let go of', () => {
    const recent = new RecentEvents(500_000)
    for (let from = 0; from < 8_000; from += 500) recent.add(frameOf(from, 500))
    for (let index = 6_000; index < 8_000; index++) expect(sequenceOf(recent, index)).toBe(BigInt(index))
    expect(sequenceOf(recent, 0)).toBe(undefined)
  })

  test('the end of a hold by its time is nobody’s outcome, although it carries the hold’s id', () => {
    const recent = new RecentEvents()
    recent.add(frameOf(0, 3, true))
    expect(sequenceOf(recent, 1)).toBe(undefined)
    recent.add(frameOf(0, 3))
    expect(sequenceOf(recent, 1)).toBe(1n)
  })
})

describe('a repeat of what was acknowledged a moment ago', () => {
  let under: GatewayUnderTest
  beforeAll(async () => {
    // Views that never get anywhere.
    const projections = {
      status: () => [],
      position: () => new Map(),
      positionOf: () => new Map(),
      serving: () => fixedServing(BUILT_IN_PROJECTIONS),
      absent: () => undefined,
      recordedAtNs: () => 0n,
      settledNs: () => 0n,
      attend: () => undefined,
      waitFor: () => Promise.resolve(false),
      onAdvance: () => () => undefined,
      stop: () => Promise.resolve(),
    }
    under = await gatewayUnderTest({ projections })
  })
  afterAll(() => under.stop())

  test('is answered with the first outcome, and another body as reused, although the views stand still', async () => {
    const { accounts } = await openAccounts(under, 2)
    const [debitAccountId, creditAccountId] = accounts
    const command = { kind: 'transfer', id: uuid(), debitAccountId, creditAccountId, amount: '7', currency: 'EUR' }
    const poor = { ...command, id: uuid(), amount: '99999999' }
    const send = async (...commands: object[]): Promise<BulkResult[]> =>
      (await under.post('/commands', { commands })).body['results'] as BulkResult[]
    const first = await send(command, poor)
    expect(first).toMatchObject([{ status: 'accepted' }, { code: 'insufficient_funds' }])
    expect(await send(command, poor)).toEqual(first.map((result) => ({ ...result, replayed: true })))
    expect(await send({ ...command, amount: '8' }, { ...poor, amount: '8' })).toMatchObject([
      { status: 'refused', code: 'id_reused', position: first[0]!.position },
      { status: 'refused', code: 'id_reused', position: first[1]!.position },
    ])
  }) // prettier-ignore
})
