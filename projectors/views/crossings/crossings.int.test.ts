import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rounds } from '../../../test/support/rounds.ts'
import { formatCrossing, parseCrossing } from '../../../schemas/crossing.ts'
import type { EventKind, WalletEvent } from '../../../schemas/events.ts'
import { formatId, type Id } from '../../../schemas/ids.ts'
import { REFUSAL_CODES } from '../../../schemas/refusals.ts'
import type { Position } from '../../../schemas/positions.ts'
import { sampleEvent } from '../../../schemas/sample-event.testing.ts'
import type { ViewStore } from '../../clickhouse/view-store.ts'
import { viewsUnderTest, type ViewsUnderTest } from '../views-under-test.testing.ts'
import { consistentCut } from './consistent-cut.ts'
import { OPEN_KINDS, openCrossings } from './open-crossings.ts'

let under: ViewsUnderTest
let store: ViewStore
/** Every run has partitions of its own, so that they share the tables and nothing else. */
let partitions = 0

beforeAll(async () => {
  under = await viewsUnderTest()
  ;({ store } = under)
})
afterAll(() => under.stop())

/** What happens to a crossing, as far as it comes: at the source (`s`) or the destination (`d`). */
const WAYS: readonly (readonly (readonly ['s' | 'd', EventKind])[])[] = [
  [['s', 'TransferReserved'], ['d', 'CreditReserved'], ['s', 'TransferConfirmed'], ['s', 'TransferReminded'], ['d', 'TransferCredited'], ['s', 'TransferCompleted']],
  [['s', 'TransferReserved'], ['d', 'CreditRefused'], ['s', 'TransferCancelled']],
  [['s', 'TransferReserved'], ['s', 'TransferCancelled'], ['d', 'CreditCancelled'], ['s', 'CancelAcknowledged']],
  [['s', 'TransferDebited'], ['d', 'TransferCredited'], ['s', 'TransferCompleted']],
  [['s', 'TransferDebited'], ['s', 'TransferRecalled'], ['d', 'CreditCancelled'], ['s', 'TransferCompensated']],
] // prettier-ignore
const PARTITIONS = 3

interface Crossing {
  readonly id: Id
  readonly source: number
  readonly destination: number
  readonly way: number
  readonly channel: number
  readonly turn: number
  done: number
  /** Sequence of the newest event of either side. */
  readonly last: { s: bigint; d: bigint }
}

const account = (partition: number): Id => ({ high: 0xacc0_0000n + BigInt(partition), low: 7n })

/** Plays crossings in a drawn order, each at its own pace; what comes of it is what the log of each partition holds. */
function played(draws: readonly number[], first: number): { events: WalletEvent[][]; crossings: Crossing[] } {
  const events: WalletEvent[][] = Array.from({ length: PARTITIONS }, () => [])
  const crossings: Crossing[] = []
  const channels = Array.from({ length: PARTITIONS }, () => ({ free: [] as number[], turns: [] as number[] }))
  let now = 1_700_000_000_000_000_000n
  for (const draw of draws) {
    const open = crossings.filter((one) => one.done < WAYS[one.way]!.length)
    let one = open[draw % (open.length + 1)]
    if (one === undefined) {
      const source = draw % PARTITIONS
      const { free, turns } = channels[source]!
      const channel = free.shift() ?? turns.push(0)
      turns[channel - 1]! += 1
      one = {
        id: { high: 0x7000n, low: 0x8000_0000_0000_0000n + BigInt(crossings.length + 1) },
        source,
        destination: (source + 1 + (draw % (PARTITIONS - 1))) % PARTITIONS,
        way: draw % WAYS.length,
        channel,
        turn: turns[channel - 1]!,
        done: 0,
        last: { s: 0n, d: 0n },
      }
      crossings.push(one)
    }
    const [side, kind] = WAYS[one.way]![one.done++]!
    const at = side === 's' ? one.source : one.destination
    const log = events[at]!
    const timedOut = kind === 'TransferCancelled' && one.way === 2
    log.push(
      sampleEvent({
        partition: first + at,
        sequence: BigInt(log.length + 1),
        recordedAtNs: (now += 1_000n),
        kind,
        transferId: one.id,
        amount: 5n,
        refusal: kind === 'CreditRefused' ? 'credit_account_closed' : undefined,
        fingerprint: BigInt(kind === 'TransferCancelled' ? REFUSAL_CODES[timedOut ? 'transfer_timed_out' : 'credit_account_closed'] : 0),
        namedAccounts: formatCrossing({
          debit: account(one.source),
          credit: account(one.destination),
          source: first + one.source,
          channel: one.channel,
          turn: one.turn,
          answers: side === 's' ? one.last.d : one.last.s,
        }),
      }),
    )
    if (kind !== 'TransferReminded') one.last[side] = BigInt(log.length)
    if (one.done === WAYS[one.way]!.length) channels[one.source]!.free.push(one.channel)
  }
  return { events, crossings }
} // prettier-ignore

/** What is open at a cut, by a plain fold. */
function openAt(events: readonly WalletEvent[], first: number, cut: Position): string[] {
  const newest = new Map<string, WalletEvent>()
  for (const event of events)
    if (event.sequence <= cut.get(event.partition)! && event.kind !== 'TransferReminded' && !event.kind.startsWith('Credit') && event.kind !== 'TransferCredited')
      newest.set(formatId(event.transferId), event)
  return [...newest.values()]
    .filter(({ kind, fingerprint }) => OPEN_KINDS.some((open) => open === kind) && (kind !== 'TransferCancelled' || fingerprint === BigInt(REFUSAL_CODES.transfer_timed_out)))
    .map(({ kind, transferId, partition }) => `${formatId(transferId)} ${kind} ${partition - first}`)
    .sort()
} // prettier-ignore

const isCredit = ({ kind }: WalletEvent): boolean => kind === 'TransferCredited'

/** True if every credit within the cut has the debit that it answers within it. */
function isConsistent(events: readonly WalletEvent[], cut: Position): boolean {
  return events.filter(isCredit).every((event) => {
    const { source, answers } = parseCrossing(event.namedAccounts)!
    return event.sequence > cut.get(event.partition)! || answers <= cut.get(source)!
  })
}

test('at any position the view shows what is under way there, and finds the largest consistent cut below it', async () => {
  const reached = { open: 0, narrowed: 0 }
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(1_000), { minLength: 100, maxLength: 150 }),
      fc.array(fc.tuple(share, share, share), { minLength: CUTS, maxLength: CUTS }),
      async (draws, cuts) => {
        const first = partitions
        partitions += PARTITIONS
        const { events, crossings } = played(draws, first)
        for (const [at, log] of events.entries())
          await under.write({ partition: first + at, events: log } as never)
        for (const shares of cuts) {
          const cut: Position = new Map(
            events.map((log, at) => [first + at, BigInt(Math.round((log.length * shares[at]!) / 100))]),
          )
          reached.open += await expectOpenAt(cut, events.flat(), crossings, first)
          reached.narrowed += await expectConsistentBelow(cut, events.flat())
        }
      },
    ),
    { numRuns: rounds(3, 100), endOnFailure: true },
  )
  expect(Math.min(reached.open, reached.narrowed)).toBeGreaterThan(5)
})
// Near the end: that is where cuts are taken, and where they meet credits on their way.
const share = fc.noBias(fc.integer({ min: 60, max: 100 }))
const CUTS = 8

/** @returns how many are open */
async function expectOpenAt(
  cut: Position,
  events: readonly WalletEvent[],
  crossings: readonly Crossing[],
  first: number,
): Promise<number> {
  const { count, crossings: open } = await openCrossings(store, cut, 1_000)
  const expected = openAt(events, first, cut)
  const told = open.map(({ transferId, kind, source }) => `${transferId} ${kind} ${source - first}`)
  expect(told.sort()).toEqual(expected)
  expect(count).toBe(BigInt(expected.length))
  for (const one of open) {
    const made = crossings.find(({ id }) => formatId(id) === one.transferId)!
    const begun = events.find(
      ({ transferId, partition }) => partition === one.source && formatId(transferId) === one.transferId,
    )!
    expect([one.channel, one.turn, one.begunAtNs, one.debitAccountId, one.creditAccountId]).toEqual([
      made.channel,
      made.turn,
      begun.recordedAtNs,
      formatId(account(made.source)),
      formatId(account(made.destination)),
    ])
  }
  return open.length
}

/** @returns in how many partitions the cut had to be taken earlier */
async function expectConsistentBelow(cut: Position, events: readonly WalletEvent[]): Promise<number> {
  const found = await consistentCut(store, cut)
  expect(isConsistent(events, found)).toBe(true)
  const narrowed = [...found].filter(([partition, sequence]) => sequence !== cut.get(partition))
  // The largest: the next event of a partition that was narrowed is a credit without its debit.
  for (const [partition, sequence] of narrowed)
    expect(isConsistent(events, new Map(found).set(partition, sequence + 1n))).toBe(false)
  return narrowed.length
}
