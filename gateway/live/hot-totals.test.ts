import { expect, test } from 'vitest'
import type { BalanceRow } from '../../projectors/views/totals.ts'
import { sealed } from '../../test/support/memory-log.ts'
import type { Frame } from '../../schemas/frames.ts'
import { NO_SIDE, sampleEvent } from '../../schemas/sample-event.testing.ts'
import type { Feed } from './feed.ts'
import { HotTotals } from './hot-totals.ts'
import type { AccountIdentity, Views } from '../read/views.ts'

/** An entry of account 5: its version, and so much credited in all. */
function frameOf(version: bigint): Frame {
  const credit = { ...NO_SIDE, number: 5, version, creditsPosted: version * 10n }
  const event = sampleEvent({ sequence: version, recordedAtNs: version, credit })
  return sealed(0, [event], version, new Uint8Array(32))
}

function identityOf(account: number): AccountIdentity {
  return {
    partition: 0, account, accountId: String(account), owner: '', currency: 'EUR', scale: 2, limitVersion: 1n,
    overdraftLimit: 0n,
    openedSequence: 1n, openedAtNs: 0n,
  } // prettier-ignore
}

/** A view that answers when it is told to: the one order of things that a real one gives too rarely. */
function slowViews(): { views: Views; answer: (row: BalanceRow) => Promise<void> } {
  let resolve: (row: BalanceRow) => void = () => undefined
  const views = {
    points: { at: () => Promise.resolve({}) },
    balance: () => new Promise<BalanceRow>((onAnswer) => (resolve = onAnswer)),
  } as unknown as Views
  return {
    views,
    answer: async (row) => {
      resolve(row)
      await new Promise((done) => setImmediate(done))
    },
  }
}

function rowOf(version: bigint): BalanceRow {
  return {
    partition: 0, account: 5, version, sequence: version, recordedAtNs: version,
    debitsPosted: 0n, debitsPending: 0n, creditsPosted: version * 10n, creditsPending: 0n,
  } // prettier-ignore
}

const feed = { position: () => new Map([[0, 9n]]) } as unknown as Feed
const settled = (): Promise<void> => new Promise((done) => setImmediate(done))

test.each([
  ['an event that overtakes the read stands', [3n], 2n, 3n],
  ['a read that is newer than every event noted stands', [2n], 4n, 4n],
  ['events behind the read move it on', [], 2n, 2n],
])('%s', async (_law, meanwhile, stored, expected) => {
  const { views, answer } = slowViews()
  const hot = new HotTotals(views, 10)
  expect(hot.read(identityOf(5), feed)).toBeUndefined()
  await settled()
  for (const version of meanwhile) hot.onFrame(frameOf(version))
  // What the view has not told yet is not known, whatever the feed brought: an older event may be missing.
  expect(hot.read(identityOf(5), feed)).toBeUndefined()
  await answer(rowOf(stored))
  expect(hot.read(identityOf(5), feed)?.totals).toMatchObject({
    version: expected,
    creditsPosted: expected * 10n,
  })
  hot.onFrame(frameOf(expected + 1n))
  expect(hot.read(identityOf(5), feed)).toMatchObject({
    totals: { version: expected + 1n },
    position: new Map([[0, 9n]]),
  })
})

test('no more accounts are kept than the bound; the one asked for least lately goes', async () => {
  const views = {
    points: { at: () => Promise.resolve({}) },
    balance: () => Promise.resolve(rowOf(1n)),
  } as unknown as Views
  const hot = new HotTotals(views, 2)
  for (const account of [5, 6]) hot.read(identityOf(account), feed)
  await settled()
  expect(hot.read(identityOf(5), feed)).toBeDefined()
  hot.read(identityOf(7), feed)
  await settled()
  expect(hot.read(identityOf(5), feed)).toBeDefined()
  expect(hot.read(identityOf(6), feed)).toBeUndefined()
})
