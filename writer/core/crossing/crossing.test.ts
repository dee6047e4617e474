import { describe, expect, it } from 'vitest'
import type { Command } from '../../../schemas/commands.ts'
import { isTransitAccountId, parseCrossing } from '../../../schemas/crossing.ts'
import type { WalletEvent } from '../../../schemas/events.ts'
import type { Id } from '../../../schemas/ids.ts'
import { createCore, loadCore } from '../core.ts'
import { NOW_NS, differingSections } from '../harness.testing.ts'
import { Deployment } from './crossing.testing.ts'

const across = (id: Id, debit: Id, credit: Id, more: Partial<Command> = {}): Command => ({
  kind: 'Transfer', id, debit, credit, amount: 30n, across: true, ...more,
}) // prettier-ignore
const kinds = (events: readonly WalletEvent[]): readonly string[] =>
  events.map(({ kind, refusal }) => (refusal === undefined ? kind : `${kind} ${refusal}`))

/** Balance and pending totals of an account: `credits − debits`, what is to be debited, what is to be credited. */
function moneyOf(deployment: Deployment, partition: number, id: Id): readonly bigint[] {
  const { core } = deployment.harnesses[partition]!
  const account = core.account(core.lookup(id)!)!
  return [account.creditsPosted - account.debitsPosted, account.debitsPending, account.creditsPending]
}

/** The same of the transit account, found by its event. */
function transitOf(deployment: Deployment, partition: number): readonly bigint[] {
  const opened = deployment.events[partition]!.find(({ relatedId }) => isTransitAccountId(relatedId))
  return moneyOf(deployment, partition, opened!.relatedId)
}

/** Names of sections in which a replay of all rows, or a core loaded from a snapshot, differs from a live core. */
function replayed(deployment: Deployment): readonly string[] {
  return deployment.harnesses.flatMap(({ core, payloads }, partition) => {
    // A replay is told neither how many partitions there are nor how crossings are coordinated.
    const again = createCore({ partition })
    for (const payload of payloads) again.apply(payload)
    const saved = core.save()
    return [
      ...differingSections(again.save(), saved),
      ...differingSections(loadCore({ partition }, saved).save(), saved),
    ]
  })
}

describe('a transfer across partitions', () => {
  it('by Try-Confirm/Cancel reserves on both sides, is confirmed once, and is completed', () => {
    const deployment = new Deployment(2)
    const [from, to] = deployment.open(100n) as [Id, Id]
    const command = across(deployment.id(), from, to, {
      memo: 'rent', code: 7, reference: deployment.id(), effectiveAtNs: 5n, receivedAtNs: 6n,
    }) // prettier-ignore
    const begun = deployment.submit(0, [command])
    expect(kinds(begun)).toEqual(['AccountOpened', 'TransferReserved'])
    expect(begun[0]).toMatchObject({
      owner: 'in transit',
      amount: -1n,
      command: 'TimeStep',
      currency: 'CZK',
      scale: 2,
    })
    expect(begun[1]!.expiresAtNs).toBe(begun[1]!.recordedAtNs + 10_000_000_000n)
    expect(moneyOf(deployment, 0, from)).toEqual([100n, 30n, 0n])
    expect(transitOf(deployment, 0)).toEqual([0n, 0n, 30n])
    const then = deployment.settle(begun)
    expect(kinds(then)).toEqual([
      'AccountOpened', 'CreditReserved', 'TransferConfirmed', 'TransferCredited', 'TransferCompleted',
    ]) // prettier-ignore
    expect(moneyOf(deployment, 0, from)).toEqual([70n, 0n, 0n])
    expect(transitOf(deployment, 0)).toEqual([30n, 0n, 0n])
    expect(transitOf(deployment, 1)).toEqual([-30n, 0n, 0n])
    expect(moneyOf(deployment, 1, to)).toEqual([130n, 0n, 0n])
    expect(then[4]).toMatchObject({ debit: { number: 0 }, credit: { number: 0 } })
    const [, reserved, confirmed, credited, completed] = then
    for (const [event, answered] of [[reserved!, begun[1]!], [confirmed!, reserved!], [credited!, confirmed!], [completed!, credited!]] as const) {
      expect(parseCrossing(event.namedAccounts)).toEqual({
        debit: from, credit: to, source: 0, channel: 1, turn: 1, answers: answered.sequence,
      })
      expect(event).toMatchObject({
        transferId: command.id, memo: 'rent', code: 7, reference: command.reference, effectiveAtNs: 5n, receivedAtNs: 6n,
        amount: 30n, currency: 'CZK', scale: 2, fingerprint: 0n,
      })
    } // prettier-ignore
    expect(deployment.harnesses[0]!.core.nextDeadlineNs()).toBe(0n)
    expect(replayed(deployment)).toEqual([])
  })

  it('by Saga debits at once, keeps the way back open, and is completed', () => {
    const deployment = new Deployment(2)
    const [from, to] = deployment.open(100n) as [Id, Id]
    const begun = deployment.submit(0, [across(deployment.id(), from, to, { coordination: 'saga' })])
    expect(kinds(begun)).toEqual(['AccountOpened', 'TransferDebited'])
    expect(moneyOf(deployment, 0, from)).toEqual([70n, 0n, 30n])
    expect(transitOf(deployment, 0)).toEqual([30n, 30n, 0n])
    expect(kinds(deployment.settle(begun))).toEqual([
      'AccountOpened',
      'TransferCredited',
      'TransferCompleted',
    ])
    expect(moneyOf(deployment, 0, from)).toEqual([70n, 0n, 0n])
    expect(transitOf(deployment, 0)).toEqual([30n, 0n, 0n])
    expect(moneyOf(deployment, 1, to)).toEqual([130n, 0n, 0n])
    expect(replayed(deployment)).toEqual([])
  })

  it.each(['tcc', 'saga'] as const)('by %s is undone where the credit side refuses', (coordination) => {
    const deployment = new Deployment(2, { coordination })
    const [from, to] = deployment.open(100n) as [Id, Id]
    deployment.submit(1, [{ kind: 'FreezeAccount', id: deployment.id(), debit: to }])
    const begun = deployment.submit(0, [across(deployment.id(), from, to)])
    const then = deployment.settle(begun)
    const undone = coordination === 'tcc' ? 'TransferCancelled' : 'TransferCompensated'
    expect(kinds(then)).toEqual(['CreditRefused credit_account_frozen', undone])
    expect(then[1]!.fingerprint).toBe(27n)
    expect(moneyOf(deployment, 0, from)).toEqual([100n, 0n, 0n])
    expect(transitOf(deployment, 0)).toEqual([0n, 0n, 0n])
    expect(replayed(deployment)).toEqual([])
  })
})

describe('a deadline', () => {
  it.each(['tcc', 'saga'] as const)(
    'by %s takes everything back, whatever came of the other side',
    (coordination) => {
      for (const isTried of [false, true]) {
        const deployment = new Deployment(2, { coordination, transferDeadlineMs: 2_500 })
        const [from, to] = deployment.open(100n) as [Id, Id]
        const begun = deployment.submit(0, [across(deployment.id(), from, to)])
        const tried = deployment.follows(begun[1]!)!
        if (isTried) deployment.submit(1, [tried.command])
        expect(kinds(deployment.pass(999))).toEqual([])
        expect(kinds(deployment.pass(2))).toEqual(['TransferReminded'])
        expect(kinds(deployment.pass(1_001))).toEqual(['TransferReminded'])
        const late = deployment.pass(1_001)
        expect(kinds(late)).toEqual([coordination === 'tcc' ? 'TransferCancelled' : 'TransferRecalled'])
        const then = deployment.settle(late)
        if (coordination === 'saga' && isTried) {
          expect(kinds(then)).toEqual(['StepAnswered', 'TransferCompleted'])
          expect(moneyOf(deployment, 1, to)).toEqual([130n, 0n, 0n])
          expect(moneyOf(deployment, 0, from)).toEqual([70n, 0n, 0n])
        } else {
          const end = coordination === 'tcc' ? 'CancelAcknowledged' : 'TransferCompensated'
          expect(kinds(then)).toEqual(['CreditCancelled', end])
          expect((coordination === 'tcc' ? late[0]! : then[1]!).fingerprint).toBe(41n)
          expect(moneyOf(deployment, 0, from)).toEqual([100n, 0n, 0n])
          expect(moneyOf(deployment, 1, to)).toEqual([100n, 0n, 0n])
          // The late Try is refused for ever, and makes no event.
          expect(deployment.submit(1, [tried.command])).toEqual([])
        }
        expect(deployment.harnesses[0]!.core.nextDeadlineNs()).toBe(0n)
        expect(replayed(deployment)).toEqual([])
      }
    },
  )
})

it('what is reserved or debited reminds of itself after a second, once a second, counting', () => {
  const deployment = new Deployment(2)
  const [from, to] = deployment.open(100n) as [Id, Id]
  const begun = deployment.submit(0, [across(deployment.id(), from, to)])
  const { core } = deployment.harnesses[0]!
  expect(core.nextDeadlineNs()).toBe(begun[1]!.recordedAtNs + 1_000_000_000n)
  for (const attempt of [1, 2]) {
    const [reminded] = deployment.pass(1_001)
    expect(reminded).toMatchObject({
      kind: 'TransferReminded', command: 'TimeStep', linkIndex: attempt, fingerprint: begun[1]!.sequence, debit: { number: 0 },
    }) // prettier-ignore
    expect(core.nextDeadlineNs()).toBe(reminded!.recordedAtNs + 1_000_000_000n)
    const again = deployment.follows(reminded!)!
    expect(again.command.step!.attempt).toBe(attempt)
    // The first time it gets there, then it is answered again, because it says that it was reminded of.
    const answers = deployment.submit(again.to, [again.command])
    expect(kinds(answers).at(-1)).toBe(attempt === 1 ? 'CreditReserved' : 'StepAnswered')
    // A coordinator beside this one repeats it without having been reminded: nothing.
    expect(deployment.submit(again.to, [deployment.follows(begun[1]!)!.command])).toEqual([])
  }
  expect(core.recordedAtNs()).toBeGreaterThan(NOW_NS)
  expect(replayed(deployment)).toEqual([])
})
