/** What accounts had at moments of every axis, with effective times in any order: held against a model without any SQL. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isReversal } from '../../../schemas/event-left.ts'
import type { WalletEvent } from '../../../schemas/events.ts'
import type { Position } from '../../../schemas/positions.ts'
import { viewsUnderTest, type ViewsUnderTest } from '../views-under-test.testing.ts'
import { balancesOf, type Moment } from './balances.ts'
import type { BalanceRow } from '../totals.ts'
import { trialBalance } from './trial-balance.ts'
import { SampleWallet, START_NS, type Step } from '../../../test/model/sample-wallet.ts'
import type { ViewStore } from '../../clickhouse/view-store.ts'
import { rounds } from '../../../test/support/rounds.ts'

const HOUR_NS = 3_600_000_000_000n
/** Every account of a sample wallet that steps here open: two currencies, two accounts each. */
const ACCOUNTS = [1, 2, 3, 4]

let under: ViewsUnderTest
let store: ViewStore
/** Every wallet has a partition of its own. */
let partitions = 500

beforeAll(async () => {
  under = await viewsUnderTest()
  ;({ store } = under)
})
afterAll(() => under.stop())

/** Hours from recorded time to effective time: past 1970, ahead by weeks, and a few that fall on each other. */
const hours = fc.oneof(
  fc.integer({ min: -6, max: 6 }),
  fc.integer({ min: -2_000, max: 2_000 }),
  fc.constantFrom(480_000, -100_000, 0),
)

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom('transfer', 'hold', 'hold', 'hold', 'post', 'void', 'expire', 'reverse'),
  one: fc.nat(50),
  other: fc.nat(50),
  amount: fc.integer({ min: 1, max: 1_000 }),
  hours,
  text: fc.constant(''),
})

interface Had {
  balance: bigint
  held: bigint
  incoming: bigint
}

/** What each account had by effective time, told hold by hold: a hold reserves from its date to that of its end. */
function hadAt(events: readonly WalletEvent[], atNs: bigint): ReadonlyMap<number, Had> {
  const had = new Map(ACCOUNTS.map((account) => [account, { balance: 0n, held: 0n, incoming: 0n }]))
  const move = ({ debit, credit, amount }: WalletEvent): void => {
    had.get(debit.number)!.balance -= amount
    had.get(credit.number)!.balance += amount
  }
  for (const event of events) {
    const isDue = event.effectiveAtNs <= atNs
    if (isDue && (event.kind === 'TransferPosted' || isReversal(event))) move(event)
    if (!isDue || event.kind !== 'HoldPlaced') continue
    const ofHold = events.filter(
      (other) => other.kind !== 'HoldPlaced' && other.relatedId.low === event.transferId.low,
    )
    const parts = ofHold.filter(({ kind }) => kind === 'HoldPostedInPart')
    let held = event.amount - parts.reduce((sum, { amount }) => sum + amount, 0n)
    const end = ofHold.find(({ kind }) => kind !== 'HoldPostedInPart')
    if (end !== undefined && end.effectiveAtNs <= atNs) {
      held = 0n
      if (end.kind === 'HoldPosted') move(end)
    }
    for (const part of parts)
      if (part.effectiveAtNs <= atNs) move(part)
      else held += part.amount
    had.get(event.debit.number)!.held += held
    had.get(event.credit.number)!.incoming += held
  }
  return had
}

function figuresOf(row: BalanceRow): Had {
  return {
    balance: row.creditsPosted - row.debitsPosted,
    held: row.debitsPending,
    incoming: row.creditsPending,
  }
}

async function written(steps: readonly Step[]): Promise<SampleWallet> {
  const wallet = new SampleWallet(++partitions)
  for (const one of steps) wallet.step(one)
  await under.write(wallet)
  return wallet
}

const then = (wallet: SampleWallet, moment?: Moment, upTo?: Position): Promise<BalanceRow[]> =>
  balancesOf(
    store,
    ACCOUNTS.map((account) => ({ partition: wallet.partition, account })),
    upTo ?? new Map([[wallet.partition, BigInt(wallet.events.length)]]),
    moment,
  )

test('at no moment of any axis does an account hold less than nothing, or have more available than balance and limit', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 18, size: 'max' }), async (steps) => {
      const wallet = await written(steps)
      const { events, partition } = wallet
      const times = [...new Set(events.flatMap((event) => [event.effectiveAtNs, event.recordedAtNs]))]
      const moments: Moment[] = times.flatMap((atNs) => [
        { kind: 'effective', atNs },
        { kind: 'effective', atNs: atNs - 1n },
        { kind: 'recorded', atNs },
      ])
      events.forEach(({ sequence }) =>
        moments.push({ kind: 'position', position: new Map([[partition, sequence]]) }),
      )
      for (const moment of moments) {
        const rows = await then(wallet, moment)
        for (const row of rows) {
          // What is available is balance less held plus the limit: so the two laws are one.
          expect(row.debitsPending).toBeGreaterThanOrEqual(0n)
          expect(row.creditsPending).toBeGreaterThanOrEqual(0n)
        }
        if (moment.kind !== 'effective') continue
        const had = hadAt(events, moment.atNs)
        for (const row of rows) expect(figuresOf(row)).toEqual(had.get(row.account))
      }
      const upTo = new Map([[partition, BigInt(events.length)]])
      for (const atNs of times.slice(-6))
        for (const sums of await trialBalance(store, upTo, { kind: 'effective', atNs })) {
          expect(sums.sum).toBe(0n)
          expect(sums.held).toBe(sums.incoming)
          expect(sums.held).toBeGreaterThanOrEqual(0n)
        }
    }),
    { numRuns: rounds(3, 6), interruptAfterTimeLimit: 90_000 },
  )
}, 150_000)

const base = { one: 0, other: 0, amount: 100, text: '' }

test.each(['void', 'expire'] as const)(
  'a hold dated ahead that ends today by %s has reserved nothing at any moment',
  async (what) => {
    const wallet = await written([
      { ...base, what: 'hold', hours: -240 },
      { ...base, what, hours: 0 },
    ])
    for (const days of [-1n, 0n, 1n, 9n, 11n]) {
      const rows = await then(wallet, { kind: 'effective', atNs: START_NS + days * 24n * HOUR_NS })
      for (const row of rows) expect(figuresOf(row)).toEqual({ balance: 0n, held: 0n, incoming: 0n })
    }
  },
)

test('a hold that is posted with a date before its own counts as posted from its own date on, whole and in part', async () => {
  const wallet = await written([
    { ...base, what: 'hold', hours: 24 },
    { ...base, what: 'post', hours: 24 * 40, amount: 60 },
  ])
  const [hold] = wallet.events.slice(-2)
  const at = (atNs: bigint) => then(wallet, { kind: 'effective', atNs })
  const before = await at(hold!.effectiveAtNs - 1n)
  expect(before.map(figuresOf)).not.toContainEqual(expect.objectContaining({ held: -100n }))
  for (const row of before) expect(figuresOf(row)).toEqual({ balance: 0n, held: 0n, incoming: 0n })
  const since = await at(hold!.effectiveAtNs)
  expect(since.map((row) => [row.account, figuresOf(row).balance, figuresOf(row).held])).toEqual(
    expect.arrayContaining([
      [hold!.debit.number, -60n, 0n],
      [hold!.credit.number, 60n, 0n],
    ]),
  )
})

test('two partitions that have a hold under one id each go by their own', async () => {
  const steps: Step[] = [
    { ...base, what: 'hold', hours: -240 },
    { ...base, what: 'void', hours: 0 },
  ]
  const ahead = new SampleWallet(++partitions)
  for (const one of steps) ahead.step(one)
  const plain = new SampleWallet(++partitions)
  plain.step({ ...base, what: 'hold', hours: 0 })
  plain.step({ ...base, what: 'void', hours: 0 })
  // The same ids in both.
  plain.events.forEach((event, index) => {
    Object.assign(event, {
      transferId: ahead.events[index]!.transferId,
      relatedId: ahead.events[index]!.relatedId,
    })
  })
  for (const wallet of [ahead, plain]) await under.write(wallet)
  const [hold, end] = plain.events.slice(-2)
  const upTo = new Map([ahead, plain].map(({ partition }) => [partition, 10n]))
  const heldAt = async (atNs: bigint): Promise<bigint[]> =>
    (await trialBalance(store, upTo, { kind: 'effective', atNs })).map(({ held }) => held)
  expect(await heldAt(hold!.effectiveAtNs)).toContain(100n)
  expect(await heldAt(end!.effectiveAtNs)).not.toContain(100n)
})
