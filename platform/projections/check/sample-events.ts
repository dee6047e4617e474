/** A day and a half of a small ledger, with events of every kind: what a projection is tried on before it reads real ones. */
import type { Command, CommandKind } from '../../../schemas/commands.ts'
import type { WalletEvent } from '../../../schemas/events.ts'
import type { Id } from '../../../schemas/ids.ts'
import { accountIdOf, commandIdOf, Recorder } from '../recorder.ts'
import { addCrossings } from './sample-crossings.ts'

/** 2026-03-01 21:00:00 UTC: midnight, and the end of a month, come between. */
const START_NS = 1_772_398_800_000_000_000n
const MINUTE_NS = 60_000_000_000n
const HOUR_NS = 60n * MINUTE_NS
const ROUNDS = 3

const [BANK, ALICE, BOB, FEES, COINS, CAROL, NOBODY] = Array.from({ length: 7 }, (_, index) => accountIdOf(index + 1)) as [Id, Id, Id, Id, Id, Id, Id] // prettier-ignore

/** The same events each time, in the order of the log. */
export function sampleEvents(partition = 0): readonly WalletEvent[] {
  const recorder = new Recorder(partition, START_NS, partition + 2)
  let count = 0
  const ask = (kind: CommandKind, fields: Omit<Command, 'kind' | 'id'>, isFirstOfTwo = false): Id => {
    const id = commandIdOf(++count, recorder.nowNs)
    waiting.push({ kind, id, ...fields })
    if (!isFirstOfTwo) recorder.submit(waiting.splice(0))
    return id
  }
  const waiting: Command[] = []
  const later = (ns: bigint): void => recorder.goTo(recorder.nowNs + ns)
  const eur = { currency: 'EUR' } as const

  ask('OpenAccount', { debit: BANK, ...eur, scale: 2, system: true })
  ask('OpenAccount', { debit: ALICE, ...eur, scale: 2, owner: 'alice', memo: 'current account' })
  ask('OpenAccount', { debit: BOB, ...eur, scale: 2, owner: 'bob', amount: 50_00n })
  ask('OpenAccount', { debit: FEES, ...eur, scale: 2 })
  ask('OpenAccount', { debit: COINS, currency: 'USDC', scale: 6, system: true })
  ask('OpenAccount', { debit: CAROL, currency: 'USDC', scale: 6, owner: 'carol' })
  // Refused: it is there already.
  ask('OpenAccount', { debit: ALICE, ...eur, scale: 2 })
  for (let round = 1; round <= ROUNDS; round++) {
    const more = BigInt(round)
    later(MINUTE_NS * more)
    ask('Transfer', { debit: BANK, credit: ALICE, amount: 100_00n * more, ...eur, code: 1 })
    ask('Transfer', { debit: COINS, credit: CAROL, amount: 5_000_000n, currency: 'USDC', code: 1, memo: "coin's\\" })
    for (let index = 0n; index < 4n; index++) {
      later(MINUTE_NS * 7n)
      const effectiveAtNs = index === 3n ? recorder.nowNs - 24n * HOUR_NS : undefined
      ask('Transfer', { debit: ALICE, credit: BOB, amount: 1_25n + index, ...eur, code: 2, effectiveAtNs })
    }
    const undone = ask('Transfer', { debit: ALICE, credit: BOB, amount: 3_00n, ...eur, code: 2 })
    // Linked: a payment and its fee, or neither.
    ask('Transfer', { debit: BOB, credit: ALICE, amount: 2_00n, ...eur, code: 3, linked: true }, true)
    ask('Transfer', { debit: BOB, credit: FEES, amount: 5n, ...eur, code: 4 })
    const held = { debit: ALICE, credit: BOB, amount: 10_00n, ...eur, code: 5 }
    const posted = ask('PlaceHold', held)
    const voided = ask('PlaceHold', { ...held, reference: accountIdOf(99) })
    ask('PlaceHold', { ...held, timeoutNs: HOUR_NS * 2n })
    later(MINUTE_NS)
    ask('PostHold', { related: posted, amount: 2_00n, keepOpen: true })
    ask('PostHold', { related: posted, amount: 7_50n })
    ask('VoidHold', { related: voided })
    ask('ReverseTransfer', { related: undone, debit: BOB, credit: ALICE, amount: 1_00n, part: true, leftToReverse: 3_00n, ...eur, checkedSequence: BigInt(recorder.events.length) })
    ask('ReverseTransfer', { related: undone, debit: BOB, credit: ALICE, amount: 2_00n, leftToReverse: 2_00n, ...eur, checkedSequence: BigInt(recorder.events.length) })
    // Refused: too much, and to nobody.
    ask('Transfer', { debit: ALICE, credit: BOB, amount: 9_999_999_00n, ...eur, code: 2 })
    ask('Transfer', { debit: ALICE, credit: NOBODY, amount: 1n, ...eur, code: 2 })
    ask('FreezeAccount', { debit: BOB, memo: 'asked for' })
    ask('Transfer', { debit: ALICE, credit: BOB, amount: 1n, ...eur, code: 2 })
    ask('UnfreezeAccount', { debit: BOB })
    ask('ChangeAccount', { debit: BOB, amount: 60_00n + more, owner: round === 2 ? 'robert' : '' })
    // Refused: no account's limit is below what it has drawn, and a system account has none.
    ask('ChangeAccount', { debit: BANK, amount: 1n })
    later(HOUR_NS * 3n)
  }
  // By force: who was paid has spent it.
  const spent = ask('Transfer', { debit: ALICE, credit: FEES, amount: 40n, ...eur, code: 4 })
  ask('Transfer', { debit: FEES, credit: BANK, amount: 40n, ...eur, code: 6 })
  ask('ReverseTransfer', { related: spent, debit: FEES, credit: ALICE, amount: 40n, leftToReverse: 40n, force: true, ...eur, checkedSequence: BigInt(recorder.events.length) })
  addCrossings(recorder, partition, ALICE)
  // An id that counts in the next partition.
  ask('ClaimId', { code: partition + 1 })
  const closed = accountIdOf(100)
  ask('OpenAccount', { debit: closed, ...eur, scale: 2 })
  ask('CloseAccount', { debit: closed })
  return [...recorder.events, idsForgottenBehind(recorder.events.at(-1)!)]
} // prettier-ignore

const NIL: Id = { high: 0n, low: 0n }
const NO_SIDE = { number: 0, version: 0n, debitsPosted: 0n, debitsPending: 0n, creditsPosted: 0n, creditsPending: 0n } // prettier-ignore

/** What a repartition ends a log with. No core decides it. */
function idsForgottenBehind(last: WalletEvent): WalletEvent {
  const recordedAtNs = last.recordedAtNs + 1n
  return {
    sequence: last.sequence + 1n,
    recordedAtNs,
    effectiveAtNs: recordedAtNs,
    receivedAtNs: recordedAtNs,
    kind: 'IdsForgotten',
    command: 'TimeStep',
    refusal: undefined,
    transferId: NIL,
    relatedId: NIL,
    reference: NIL,
    fingerprint: 0n,
    currency: '',
    scale: 0,
    amount: START_NS / 1_000_000n,
    expiresAtNs: 0n,
    debit: NO_SIDE,
    credit: NO_SIDE,
    code: 0,
    partition: last.partition,
    linkIndex: 0,
    memo: '',
    owner: '',
    namedAccounts: '',
  }
}
