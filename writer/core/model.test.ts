import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Command, CommandKind } from '../../schemas/commands.ts'
import { NIL_ID, type Id } from '../../schemas/ids.ts'
import { REVERSAL_FINDINGS } from '../../schemas/refusals.ts'
import { eventsDifference, stateDifference } from '../../test/model/differences.ts'
import { Model } from '../../test/model/model.ts'
import { createCore, loadCore } from './core.ts'
import { Harness, NOW_MS, NOW_NS, accountIdOf, differingSections, idOf } from './harness.testing.ts'

const OPTIONS = { partition: 7, accountsMax: 5, holdsMax: 3, idsPerGeneration: 12 }

/** Few accounts, few ids, few amounts: so that commands meet. */
const accountId = fc
  .oneof(
    { weight: 8, arbitrary: fc.integer({ min: 1, max: 4 }) },
    { weight: 1, arbitrary: fc.integer({ min: 5, max: 9 }) },
  )
  .map(accountIdOf)
const amount = fc.oneof(
  { weight: 16, arbitrary: fc.bigInt(1n, 60n) },
  { weight: 1, arbitrary: fc.constantFrom(0n, -1n, -(2n ** 63n), 2n ** 63n - 1n, 2n ** 62n) },
)
const transferId = fc
  .tuple(
    fc.integer({ min: 1, max: 200 }),
    fc.oneof(
      { weight: 30, arbitrary: fc.integer({ min: 0, max: 3 }) },
      { weight: 1, arbitrary: fc.constantFrom(-100_000, 60_000, 60_001, 60_004) },
    ),
  )
  .map(([number, offsetMs]): Id => idOf(number, NOW_MS + offsetMs))

/** Fewer yet: holds and reversed transfers, which have to be named again. */
const namedId = fc.integer({ min: 500, max: 505 }).map((number): Id => idOf(number, NOW_MS + 30))

const opening = fc
  .record({
    kind: fc.constant<CommandKind>('OpenAccount'),
    id: transferId,
    debit: accountId,
    amount: fc.constantFrom(0n, undefined, 50n, -1n, -2n, 2n ** 63n - 1n),
    system: fc.constantFrom(false, false, true),
    currency: fc.constantFrom('CZK', 'CZK', 'CZK', 'EUR'),
    scale: fc.constantFrom(2, 2, 2, 2, 0),
    linked: fc.constantFrom(false, false, false, true),
    owner: fc.constantFrom('', 'somebody'),
  })
  .map((made): Command => (made.system ? { ...made, amount: undefined } : made))
const status = fc.record({
  kind: fc.constantFrom<CommandKind>(
    'FreezeAccount',
    'UnfreezeAccount',
    'UnfreezeAccount',
    'UnfreezeAccount',
    'CloseAccount',
  ),
  id: transferId,
  debit: accountId,
})
const changing = fc.record(
  {
    kind: fc.constant('ChangeAccount' as const),
    id: transferId,
    debit: accountId,
    amount: fc.constantFrom(0n, 5n, 20n, 1_000n, -1n, 2n ** 63n - 1n),
    owner: fc.constantFrom('', 'somebody else'),
  },
  { requiredKeys: ['kind', 'id', 'debit'] },
)
const claiming = fc.record({
  kind: fc.constant('ClaimId' as const),
  id: fc.oneof(transferId, namedId),
  code: fc.nat(2),
})
const linked = fc.constantFrom(false, false, true)
/** Of an account of few versions, and of few amounts. */
const condition = fc.oneof(
  { weight: 6, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.bigInt(1n, 6n).map((version) => ({ version })) },
  { weight: 1, arbitrary: fc.bigInt(0n, 80n).map((availableAtLeast) => ({ availableAtLeast })) },
)
const moving = fc.record(
  {
    kind: fc.constantFrom<CommandKind>('Transfer', 'Transfer', 'PlaceHold', 'PlaceHold', 'ReverseTransfer'),
    id: fc.oneof(transferId, namedId),
    debit: accountId,
    credit: accountId,
    related: namedId,
    amount,
    currency: fc.constantFrom('CZK', 'CZK', 'CZK', 'EUR', 'XYZ'),
    timeoutNs: fc.constantFrom(undefined, 1n, 500n, 2_000n, 2n ** 63n - 1n),
    checkedSequence: fc.constantFrom(0n, 1_000n),
    finding: fc.constantFrom(...REVERSAL_FINDINGS),
    ifDebit: condition,
    ifCredit: condition,
    /** As doors see it: several parts find the same left, or different ones. */
    leftToReverse: fc.constantFrom(0n, 20n, 40n, 60n),
    force: fc.constantFrom(false, false, true),
    linked,
    memo: fc.constantFrom('', 'for the rent, and the rest of it'),
  },
  { requiredKeys: ['kind', 'id', 'debit', 'credit', 'related', 'amount', 'linked'] },
)
const ending = fc.record({
  kind: fc.constantFrom<CommandKind>('PostHold', 'VoidHold'),
  id: transferId,
  related: namedId,
  amount: fc.oneof(fc.constant(undefined), amount),
  isKept: fc.boolean(),
  ifDebit: condition,
  linked,
})
const command: fc.Arbitrary<Command> = fc
  .oneof(
    { weight: 2, arbitrary: opening },
    { weight: 1, arbitrary: status },
    { weight: 2, arbitrary: changing },
    { weight: 1, arbitrary: claiming },
    { weight: 12, arbitrary: moving },
    {
      weight: 4,
      arbitrary: ending.map(({ isKept, ...made }) => ({
        ...made,
        keepOpen: isKept && made.kind === 'PostHold' && made.amount !== undefined,
      })),
    },
  )
  .map((made) => {
    const timeout = made.kind === 'PlaceHold' ? made : { ...made, timeoutNs: undefined }
    const { finding, ...found } = timeout as Command
    const { leftToReverse: _left, force: _force, ...unreversed } = found
    const unfound = made.kind === 'ReverseTransfer' ? found : unreversed
    if (made.kind === 'Transfer') return { ...unfound, related: NIL_ID }
    if (made.kind !== 'ReverseTransfer' || finding === undefined) return unfound
    // As the doors hand it on.
    const isBare = finding !== 'already_reversed'
    return isBare
      ? {
          ...unfound,
          finding,
          debit: NIL_ID,
          credit: NIL_ID,
          amount: undefined,
          currency: undefined,
          leftToReverse: undefined,
        }
      : timeout
  })
const step = fc.record({
  commands: fc.array(command, { minLength: 1, maxLength: 14 }),
  /** The clock may stand still, or go back. */
  passedNs: fc.constantFrom(0n, 1n, 700n, 5_000n, 1_000_000n, -300n),
})
/** Accounts to begin with, so that most commands find some. */
const start: Command[] = [1, 2, 3, 4].map((number) => ({
  kind: 'OpenAccount',
  id: idOf(1_000 + number, NOW_MS + 2),
  debit: accountIdOf(number),
  ...(number === 1 ? { system: true } : { amount: number === 4 ? 0n : 100n }),
  currency: 'CZK',
  scale: 2,
}))

/** The id a few milliseconds later, so that the ids of later steps stay ahead of the horizon. */
function later({ high, low }: Id, ms: number): Id {
  return { high: (low & 0xfffffn) >= 500n ? high : high + (BigInt(ms) << 16n), low }
}

describe('the core and a plain model of the rules', () => {
  it('agree on every field of every event, on every account, every hold; and replay, snapshot and live state are one', () => {
    const reached = new Set<string>()
    const reach = (what: string): unknown => reached.add(what)
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 14 }),
        // The smallest that holds a linked group of a whole step.
        fc.constantFrom(4_600, 5_200, 40_000),
        fc.nat(14),
        (steps, outBytes, snapshotAt) => {
          let harness = new Harness(OPTIONS, outBytes)
          const { payloads } = harness
          const model = new Model(OPTIONS.partition, OPTIONS)
          const all = [{ commands: start, passedNs: 0n }, ...steps]
          all.forEach(({ commands: drawn, passedNs }, index) => {
            const commands = drawn.map((made) => ({ ...made, id: later(made.id, index) }))
            harness.nowNs += passedNs
            const { nowNs } = harness
            const seen = model.events.length
            model.expireDue(nowNs)
            const outcomes = model.decide(commands, nowNs)
            const events = harness.submit(commands)
            const expected = model.events.slice(seen)
            expect(eventsDifference(events, expected)).toBeUndefined()
            for (const { refusal, kind } of expected) reach(refusal ?? kind)
            for (const { kind } of outcomes) if (kind !== 'event') reach(kind)
            if (index === snapshotAt) {
              // From here on a core goes on that knows the others only from a snapshot.
              harness = new Harness(OPTIONS, outBytes, loadCore(OPTIONS, harness.core.save()))
              harness.nowNs = nowNs
              harness.payloads.push(...payloads)
            }
          })
          expect(stateDifference(harness.core, model.wallet)).toBeUndefined()
          expect(model.wallet.fault()).toBeUndefined()
          const replayed = createCore(OPTIONS)
          for (const payload of harness.payloads) replayed.apply(payload)
          expect(differingSections(replayed.save(), harness.core.save())).toEqual([])
        },
      ),
      { numRuns: 3_000, seed: Number(NOW_NS % 1_000_003n) },
    )
    // The property says little unless the commands get that far.
    const missing = [
      'AccountOpened', 'AccountFrozen', 'AccountUnfrozen', 'AccountClosed', 'AccountChanged', 'TransferPosted', 'HoldPlaced',
      'HoldPosted', 'HoldPostedInPart', 'HoldVoided', 'HoldExpired', 'TransferReversed', 'TransferReversedInPart', 'TransferReversedByForce', 'amount_exceeds_transfer', 'repeat', 'id', 'linked_failed', 'linked_too_long', 'amount_invalid',
      'account_exists', 'accounts_full', 'currency_scale_mismatch', 'account_not_found', 'account_already_closed',
      'account_already_frozen', 'account_not_frozen', 'account_not_empty', 'account_is_system', 'overdraft_in_use', 'hold_not_open', 'same_account',
      'debit_account_not_found', 'credit_account_not_found', 'debit_account_closed', 'credit_account_closed',
      'debit_account_frozen', 'credit_account_frozen', 'currency_mismatch', 'amount_exceeds_hold',
      'transfer_not_found', 'transfer_not_reversible', 'already_reversed', 'reversal_unchecked', 'insufficient_funds', 'balance_overflow', 'too_many_holds', 'condition_failed',
    ].filter((outcome) => !reached.has(outcome)) // prettier-ignore
    expect(missing).toEqual([])
  })
})
