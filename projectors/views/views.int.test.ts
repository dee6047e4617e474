import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Totals, WalletEvent } from '../../schemas/events.ts'
import { formatId, isNilId, type Id } from '../../schemas/ids.ts'
import type { Position } from '../../schemas/positions.ts'
import { viewsUnderTest, type ViewsUnderTest } from './views-under-test.testing.ts'
import { accountsByIds, accountsByNumbers, accountsByOwner, accountById } from './balances/accounts.ts'
import { balancesOf, type Moment } from './balances/balances.ts'
import { auditPage, eventsByIds, eventsRelatedTo, reversalOf, transferById } from './audit/events.ts'
import { historyPage } from './history/history.ts'
import { trialBalance } from './balances/trial-balance.ts'
import { SampleWallet, START_NS, type Step } from '../../test/model/sample-wallet.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import { rounds } from '../../test/support/rounds.ts'

let under: ViewsUnderTest
let store: ViewStore
/** Every wallet has a partition of its own, so that tests share the tables and nothing else. */
let partitions = 0

beforeAll(async () => {
  under = await viewsUnderTest()
  ;({ store } = under)
})
afterAll(() => under.stop())

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom('open', 'freeze', 'unfreeze', 'change', 'change', 'transfer', 'transfer', 'transfer', 'hold', 'hold', 'post', 'void', 'expire', 'reverse', 'refuse'), // prettier-ignore
  one: fc.nat(50),
  other: fc.nat(50),
  amount: fc.integer({ min: 1, max: 1_000 }),
  hours: fc.nat(30),
  text: fc.constantFrom('', 'rent', 'a\n\nb', 'žluťoučký kůň 🐎', "it's \\ \0 \"quoted\""),
}) // prettier-ignore

// Drawn evenly: what matters lies in the middle of a history, where fast-check's own draws seldom go.
const share = fc.noBias(fc.integer({ min: 0, max: 100 })).map((percent) => percent / 100)

const ids = (id: Id): string | undefined => (isNilId(id) ? undefined : formatId(id))
const moves = (event: WalletEvent): boolean => event.refusal === undefined

/** Entries of an account, as a plain fold gives them. */
function entries(events: readonly WalletEvent[], account: number) {
  return events.filter(moves).flatMap((event) =>
    (['debit', 'credit'] as const)
      .filter((side) => event[side].number === account)
      .map((direction) => {
        const { number, ...totals } = event[direction]
        return {
          partition: event.partition,
          account: number,
          ...totals,
          sequence: event.sequence,
          recordedAtNs: event.recordedAtNs,
          effectiveAtNs: event.effectiveAtNs,
          kind: event.kind,
          direction,
          counterparty: event[direction === 'debit' ? 'credit' : 'debit'].number,
          amount: event.amount,
          transferId: formatId(event.transferId),
          relatedId: ids(event.relatedId),
          reference: ids(event.reference),
          expiresAtNs: event.expiresAtNs,
          code: event.code,
          memo: event.memo,
        }
      }),
  )
}

const TOTALS = ['debitsPosted', 'debitsPending', 'creditsPosted', 'creditsPending'] as const

function balanceThen(events: readonly WalletEvent[], account: number, moment: Moment | undefined) {
  const all = entries(events, account)
  const countsAtNs = (entry: (typeof all)[number]): bigint => {
    const hold = events.find(
      (event) => event.kind === 'HoldPlaced' && ids(event.transferId) === entry.relatedId,
    )
    const isEnd = /^Hold(Posted|Voided|Expired)$/.test(entry.kind)
    return isEnd && hold!.effectiveAtNs > entry.effectiveAtNs ? hold!.effectiveAtNs : entry.effectiveAtNs
  }
  const counting = all.filter((entry) => {
    if (moment === undefined) return true
    if (moment.kind === 'position') return entry.sequence <= (moment.position.get(entry.partition) ?? 0n)
    return (moment.kind === 'recorded' ? entry.recordedAtNs : countsAtNs(entry)) <= moment.atNs
  })
  const last = counting.at(-1)
  if (last === undefined) return []
  const sums: Record<keyof Totals, bigint> = { debitsPosted: 0n, debitsPending: 0n, creditsPosted: 0n, creditsPending: 0n } // prettier-ignore
  for (const entry of counting) {
    const before = all.find((other) => other.version === entry.version - 1n)
    for (const total of TOTALS) sums[total] += entry[total] - (before?.[total] ?? 0n)
  }
  const { version, sequence, recordedAtNs } = last
  return [{ partition: last.partition, account, version, sequence, recordedAtNs, ...sums }]
}

function eventRow(event: WalletEvent) {
  const { transferId, relatedId, reference, debit, credit, ...rest } = event
  const side = ({ number, ...totals }: typeof debit) => ({ account: number, ...totals })
  return {
    ...rest,
    transferId: formatId(transferId),
    relatedId: ids(relatedId),
    reference: ids(reference),
    debit: side(debit),
    credit: side(credit),
  }
}

it('views at a position equal the fold of the log up to it, however ranges were cut, repeated or run ahead', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }),
      fc.noBias(fc.integer({ min: 1, max: 12 })),
      fc.noBias(fc.integer({ min: 1, max: 40 })),
      share,
      share,
      share,
      async (steps, frameEvents, rangeEventsMax, part, when, again) => {
        const wallet = new SampleWallet(++partitions)
        const { partition } = wallet
        for (const one of steps) wallet.step(one)
        const { events } = wallet
        await under.write(wallet, { frame: frameEvents, range: rangeEventsMax })
        const from = Math.floor(again * events.length)
        await under.write(wallet, { frame: frameEvents + 3, range: rangeEventsMax * 2, from })
        const sequence = BigInt(Math.floor(part * events.length))
        const upTo: Position = new Map([[partition, sequence]])
        const known = events.slice(0, Number(sequence))
        const then = Math.floor(when * events.length)
        const moments: (Moment | undefined)[] = [
          undefined,
          { kind: 'position', position: new Map([[partition, BigInt(then)]]) },
          { kind: 'recorded', atNs: events[then]?.recordedAtNs ?? START_NS },
          { kind: 'effective', atNs: events[then]?.effectiveAtNs ?? START_NS },
        ]
        await compare(wallet, known, upTo, moments)
      },
    ),
    { numRuns: rounds(6, 12), interruptAfterTimeLimit: 60_000 },
  )
}, 120_000)

async function compare(
  wallet: SampleWallet,
  known: readonly WalletEvent[],
  upTo: Position,
  moments: readonly (Moment | undefined)[],
): Promise<void> {
  const { partition } = wallet
  const opened = known.filter(({ kind }) => kind === 'AccountOpened')
  const keys = Array.from({ length: opened.length + 1 }, (_, index) => ({ partition, account: index + 1 }))
  const accounts = opened.map((event) => {
    const account = event.debit.number
    const kinds = known.filter((other) => other.debit.number === account && /^Account[FU]/.test(other.kind))
    const said = known.filter(
      (other) => other.debit.number === account && /^Account(Opened|Changed)/.test(other.kind),
    )
    return {
      partition,
      account,
      accountId: formatId(wallet.accountId(account)),
      owner: said.findLast(({ owner }) => owner !== '')?.owner ?? '',
      currency: event.currency,
      scale: event.scale,
      overdraftLimit: said.at(-1)!.amount,
      limitVersion: said.at(-1)!.debit.version,
      status: kinds.at(-1)?.kind === 'AccountFrozen' ? 'frozen' : 'open',
      openedSequence: event.sequence,
      openedAtNs: event.recordedAtNs,
    }
  })
  expect(await accountsByNumbers(store, keys, upTo)).toEqual(accounts)
  const accountIds = keys.map(({ account }) => formatId(wallet.accountId(account)))
  expect(await accountsByIds(store, accountIds, upTo)).toEqual(accounts)
  for (const owner of new Set(known.map((event) => event.owner)))
    for (const limit of [1, 100])
      expect(await accountsByOwner(store, owner, { limit }, upTo)).toEqual(
        accounts.filter((account) => account.owner === owner).slice(0, limit),
      )
  for (const moment of moments) {
    const expected = keys.flatMap(({ account }) => balanceThen(known, account, moment))
    expect(await balancesOf(store, keys, upTo, moment)).toEqual(expected)
    const sums = ['BTC', 'CZK'].flatMap((currency) => {
      const own = expected.filter(({ account }) => accounts[account - 1]!.currency === currency)
      const sum = (total: keyof Totals): bigint => own.reduce((all, row) => all + row[total], 0n)
      if (own.length === 0) return []
      return [{ currency, scale: currency === 'CZK' ? 2 : 8, accounts: BigInt(own.length), debitsPosted: sum('debitsPosted'), creditsPosted: sum('creditsPosted'), sum: 0n, held: sum('debitsPending'), incoming: sum('debitsPending'), inTransit: 0n }] // prettier-ignore
    })
    expect(await trialBalance(store, upTo, moment)).toEqual(sums)
  }
  for (const key of keys) {
    const page = { limit: 500, order: 'newest first' } as const
    expect(await historyPage(store, key, page, upTo)).toEqual(entries(known, key.account).reverse())
  }
  const rows = known.map(eventRow)
  const audit = { partition, afterSequence: 0n, limit: 1_000 }
  expect(await auditPage(store, audit, upTo)).toEqual(rows)
  const transferIds = [...new Set(rows.map(({ transferId }) => transferId))]
  expect(await eventsByIds(store, transferIds, upTo)).toEqual(rows)
  const naming = rows.filter((row) => row.relatedId !== undefined && row.relatedId !== row.transferId && !row.kind.startsWith('Account')) // prettier-ignore
  expect(await eventsRelatedTo(store, transferIds, upTo)).toEqual(naming)
}

it('a page of history holds exactly what its filter and its cursors leave, oldest or newest first', async () => {
  const wallet = new SampleWallet(++partitions)
  const { partition } = wallet
  for (let index = 0; index < 120; index++)
    wallet.step({
      what: index % 7 === 0 ? 'hold' : 'transfer',
      one: 0,
      other: index,
      amount: index + 1,
      hours: index % 11,
      text: 'memo',
    })
  await under.write(wallet, { frame: 10, range: 30 })
  const key = { partition, account: 1 }
  const upTo = new Map([[partition, 110n]])
  const all = entries(wallet.events, 1).filter((entry) => entry.sequence <= 110n)
  const sample = all[40]!
  const pages = [
    [{ kinds: ['HoldPlaced'] }, (entry) => entry.kind === 'HoldPlaced'],
    [{ kinds: [] }, () => false],
    [{ direction: 'credit' }, (entry) => entry.direction === 'credit'],
    [{ recordedFromNs: sample.recordedAtNs }, (entry) => entry.recordedAtNs >= sample.recordedAtNs],
    [{ recordedToNs: sample.recordedAtNs }, (entry) => entry.recordedAtNs <= sample.recordedAtNs],
    [{ effectiveFromNs: sample.effectiveAtNs }, (entry) => entry.effectiveAtNs >= sample.effectiveAtNs],
    [{ effectiveToNs: sample.effectiveAtNs }, (entry) => entry.effectiveAtNs <= sample.effectiveAtNs],
    [{ counterparty: 3 }, (entry) => entry.counterparty === 3],
    [{ amountMin: 20n, amountMax: 30n }, (entry) => entry.amount >= 20n && entry.amount <= 30n],
    [{ code: 4 }, (entry) => entry.code === 4],
  ] satisfies [object, (entry: (typeof all)[number]) => boolean][]
  for (const [filter, keeps] of pages) {
    const page = { limit: 500, order: 'oldest first', filter } as Parameters<typeof historyPage>[2]
    expect(await historyPage(store, key, page, upTo)).toEqual(all.filter(keeps))
  }
  const oldest = { limit: 5, order: 'oldest first', afterSequence: 50n, beforeSequence: 90n } as const
  const between = all.filter((entry) => entry.sequence > 50n && entry.sequence < 90n)
  expect(await historyPage(store, key, oldest, upTo)).toEqual(between.slice(0, 5))
  const newest = await historyPage(store, key, { ...oldest, order: 'newest first' }, upTo)
  expect(newest).toEqual(between.slice(-5).reverse())
})

it("pages of one owner's accounts come in order, each account once", async () => {
  const wallet = new SampleWallet(++partitions)
  const { partition } = wallet
  for (let index = 0; index < 7; index++)
    wallet.step({ what: 'open', one: 0, other: 0, amount: 1, hours: 0, text: `o'wner\\` })
  await under.write(wallet, { frame: 3, range: 5 })
  await under.write(wallet, { frame: 4, range: 9 })
  const upTo = new Map([[partition, 100n]])
  const seen: number[] = []
  for (let after; ;) {
    const page = await accountsByOwner(store, `o'wner\\`, { limit: 3, ...(after && { after }) }, upTo)
    seen.push(...page.map(({ account }) => account))
    if (page.length < 3) break
    after = page.at(-1)!
  }
  expect(seen).toEqual([5, 6, 7, 8, 9, 10, 11])
  expect(await accountById(store, '00000000-0000-0000-0000-0000000000aa', upTo)).toBeUndefined()
})

it('a transfer by id brings its own events, what came of it and what was refused in trying', async () => {
  const wallet = new SampleWallet(++partitions)
  const { partition } = wallet
  const base = { one: 0, other: 0, amount: 50, hours: 2, text: '' }
  const [hold] = wallet.step({ ...base, what: 'hold' })
  // Asks for so much more than the hold has.
  wallet.step({ ...base, what: 'refuse' })
  wallet.step({ ...base, what: 'post', amount: 20 })
  const [transfer] = wallet.step({ ...base, what: 'transfer' })
  wallet.step({ ...base, what: 'reverse' })
  await under.write(wallet, { frame: 2, range: 2 })
  const upTo = new Map([[partition, 100n]])
  const life = await transferById(store, formatId(hold!.transferId), upTo)
  expect(life.own.map(({ kind }) => kind)).toEqual(['HoldPlaced'])
  expect(life.related.map(({ kind, amount }) => [kind, amount])).toEqual([
    ['TransferRefused', 100n],
    ['HoldPosted', 20n],
  ])
  const undone = formatId(transfer!.transferId)
  expect((await reversalOf(store, undone, upTo))?.sequence).toBe(9n)
  expect(await reversalOf(store, undone, new Map([[partition, 8n]]))).toBeUndefined()
})

it('audit pages go on behind a sequence and keep to their filter', async () => {
  const wallet = new SampleWallet(++partitions)
  const { partition } = wallet
  const base = { one: 0, other: 0, amount: 50, hours: 2, text: '' }
  wallet.step({ ...base, what: 'transfer' })
  wallet.step({ ...base, what: 'refuse' })
  for (let index = 0; index < 3; index++) wallet.step({ ...base, one: 1, what: 'transfer' })
  await under.write(wallet, { frame: 2, range: 4 })
  await under.write(wallet, { frame: 3, range: 3 })
  const upTo = new Map([[partition, 100n]])
  const page = async (filter?: object, afterSequence = 0n, limit = 100) =>
    (await auditPage(store, { partition, afterSequence, limit, ...(filter && { filter }) }, upTo)).map(
      ({ sequence }) => Number(sequence),
    )
  expect(await page(undefined, 3n, 2)).toEqual([4, 5])
  expect(await page({ kinds: ['TransferRefused'] })).toEqual([6])
  expect(await page({ account: 2 })).toEqual([2, 7, 8, 9])
  expect(await page({ refusals: [] })).toEqual([])
  expect(await page({ recordedFromNs: START_NS + 8n * 60_000_000_000n })).toEqual([8, 9])
  expect(await page({ recordedToNs: START_NS + 2n * 60_000_000_000n })).toEqual([1, 2])
})
