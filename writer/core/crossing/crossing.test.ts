import { describe, expect, it } from 'vitest'
import { encodeCommands } from '../../../schemas/command-codec.ts'
import type { Command } from '../../../schemas/commands.ts'
import { isTransitAccountId, parseCrossing } from '../../../schemas/crossing.ts'
import type { WalletEvent } from '../../../schemas/events.ts'
import type { Id } from '../../../schemas/ids.ts'
import { CHANNELS_MAX, EVENT_ROW_BYTES } from '../../../schemas/limits.ts'
import { CoreBrokenError, createCore, loadCore } from '../core.ts'
import { NOW_MS, NOW_NS, differingSections } from '../harness.testing.ts'
import { Deployment, accountIn } from './crossing.testing.ts'

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

describe('a condition on the debit account', () => {
  it.each(['tcc', 'saga'] as const)('is judged as the transfer begins, by %s, and last of what the account says', (coordination) => {
    const deployment = new Deployment(2, { coordination })
    const [from, to] = deployment.open(100n) as [Id, Id]
    const begin = (more: Partial<Command>): readonly string[] =>
      kinds(deployment.submit(0, [across(deployment.id(), from, to, more)])).filter((kind) => kind !== 'AccountOpened')
    const { core } = deployment.harnesses[0]!
    const { version } = core.account(core.lookup(from)!)!
    expect(begin({ ifDebit: { version: version + 1n } })).toEqual(['TransferRefused condition_failed'])
    expect(begin({ ifDebit: { availableAtLeast: 101n } })).toEqual(['TransferRefused condition_failed'])
    expect(begin({ ifDebit: { version: version + 1n }, amount: 101n })).toEqual(['TransferRefused insufficient_funds'])
    const begun = coordination === 'tcc' ? 'TransferReserved' : 'TransferDebited'
    expect(begin({ ifDebit: { version } })).toEqual([begun])
    expect(begin({ ifDebit: { version } })).toEqual(['TransferRefused condition_failed'])
    expect(begin({ ifDebit: { availableAtLeast: 70n } })).toEqual([begun])
    expect(replayed(deployment)).toEqual([])
  }) // prettier-ignore
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
        const deadlineNs = begun[1]!.expiresAtNs
        expect(deployment.harnesses[0]!.core.nextDeadlineNs()).toBe(deadlineNs)
        for (const harness of deployment.harnesses) harness.nowNs = deadlineNs - 1n
        expect(kinds(deployment.pass(0))).toEqual([])
        for (const harness of deployment.harnesses) harness.nowNs = deadlineNs
        const late = deployment.pass(0)
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

it('what is reserved or debited reminds of itself after a second, then after twice as long each time, counting', () => {
  const deployment = new Deployment(2)
  const [from, to] = deployment.open(100n) as [Id, Id]
  const begun = deployment.submit(0, [across(deployment.id(), from, to)])
  const { core } = deployment.harnesses[0]!
  expect(core.nextDeadlineNs()).toBe(begun[1]!.recordedAtNs + 1_000_000_000n)
  for (const attempt of [1, 2]) {
    // To the nanosecond, in the other partition as well.
    const dueNs = core.nextDeadlineNs()
    for (const harness of deployment.harnesses) harness.nowNs = dueNs - 1n
    expect(deployment.pass(0)).toEqual([])
    for (const harness of deployment.harnesses) harness.nowNs = dueNs
    const [reminded] = deployment.pass(0)
    expect(reminded!.recordedAtNs).toBe(dueNs)
    expect(reminded).toMatchObject({
      kind: 'TransferReminded', command: 'TimeStep', linkIndex: attempt, fingerprint: begun[1]!.sequence, debit: { number: 0 },
    }) // prettier-ignore
    expect(core.nextDeadlineNs()).toBe(reminded!.recordedAtNs + (1_000_000_000n << BigInt(attempt)))
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

it('what is decided reminds of itself after 1, 2, 4 seconds and so on up to 64, also behind its deadline', () => {
  const deployment = new Deployment(2, { transferDeadlineMs: 5_000 })
  const [from, to] = deployment.open(100n) as [Id, Id]
  const begun = deployment.submit(0, [across(deployment.id(), from, to)])
  const tried = deployment.follows(begun[1]!)!
  const answer = deployment.follows(deployment.submit(1, [tried.command]).at(-1)!)!
  let [last] = deployment.submit(0, [answer.command])
  const { core } = deployment.harnesses[0]!
  const seconds: number[] = []
  for (let times = 0; times < 9; times++) {
    const dueNs = core.nextDeadlineNs()
    seconds.push(Number(dueNs - last!.recordedAtNs) / 1e9)
    for (const harness of deployment.harnesses) harness.nowNs = dueNs
    const passed = deployment.pass(0)
    expect(kinds(passed)).toEqual(['TransferReminded'])
    last = passed[0]
  }
  expect(seconds).toEqual([1, 2, 4, 8, 16, 32, 64, 64, 64])
  expect(replayed(deployment)).toEqual([])
})

describe('what a crossing has reserved', () => {
  it.each(['tcc', 'saga'] as const)('by %s keeps its accounts from being closed, and survives their freezing', (coordination) => {
    const deployment = new Deployment(2, { coordination })
    const [from, to] = deployment.open(30n) as [Id, Id]
    const other = accountIn(1, 2, 3)
    deployment.submit(1, [{ kind: 'OpenAccount', id: deployment.id(), debit: other, currency: 'CZK', scale: 2, amount: 0n }])
    const close = (partition: number, debit: Id): readonly string[] =>
      kinds(deployment.submit(partition, [{ kind: 'CloseAccount', id: deployment.id(), debit }]))
    const freeze = (partition: number, debit: Id): unknown =>
      deployment.submit(partition, [{ kind: 'FreezeAccount', id: deployment.id(), debit }])
    // All that there is is on its way, to an account without anything.
    const begun = deployment.submit(0, [across(deployment.id(), from, other)])
    expect(close(0, from)).toEqual(['AccountRefused account_not_empty'])
    freeze(0, from)
    const tried = deployment.submit(1, [deployment.follows(begun[1]!)!.command])
    if (coordination === 'tcc') {
      expect(close(1, other)).toEqual(['AccountRefused account_not_empty'])
      freeze(1, other)
    }
    const then = deployment.settle(tried)
    expect(kinds(then).at(-1)).toBe('TransferCompleted')
    expect(moneyOf(deployment, 1, other)).toEqual([30n, 0n, 0n])
    expect(close(0, from)).toEqual(['AccountClosed'])
    expect(moneyOf(deployment, 1, to)).toEqual([30n, 0n, 0n])
  }) // prettier-ignore

  it('is not there to be spent again', () => {
    const deployment = new Deployment(2)
    const [from, to] = deployment.open(40n) as [Id, Id]
    deployment.submit(0, [across(deployment.id(), from, to)])
    expect(kinds(deployment.submit(0, [across(deployment.id(), from, to)]))).toEqual([
      'TransferRefused insufficient_funds',
    ])
  })
})

describe('a step', () => {
  it('of an earlier turn, of another crossing, or to another partition changes nothing, a day late', () => {
    const deployment = new Deployment(3)
    const [from, to] = deployment.open(100n) as [Id, Id]
    const first = deployment.submit(0, [across(deployment.id(), from, to)])
    const events = [...first, ...deployment.settle(first)]
    const steps = events.flatMap((event) => deployment.follows(event) ?? [])
    expect(steps.map(({ command }) => command.kind)).toEqual([
      'TryCredit', 'ConfirmTransfer', 'CreditTransfer', 'CompleteTransfer',
    ]) // prettier-ignore
    deployment.pass(86_400_000)
    const second = deployment.submit(0, [across(deployment.id(), from, to)])
    expect(parseCrossing(second[0]!.namedAccounts)).toMatchObject({ channel: 1, turn: 2 })
    deployment.submit(1, [deployment.follows(second[0]!)!.command])
    for (const { to: partition, command } of steps) {
      for (const attempt of [0, 7])
        expect(deployment.submit(partition, [{ ...command, step: { ...command.step!, attempt } }])).toEqual(
          [],
        )
      const wrongId = { ...command, id: deployment.id(), step: { ...command.step!, turn: 2 } }
      if (partition === 0) expect(deployment.submit(0, [wrongId])).toEqual([])
      const wrongTurn = { ...command, id: second[0]!.transferId }
      expect(deployment.submit(partition, [wrongTurn])).toEqual([])
      if (partition === 0) expect(deployment.submit(2, [command])).toEqual([])
    }
    expect(deployment.harnesses[0]!.core.crossingsOpen()).toBe(1)
    expect(replayed(deployment)).toEqual([])
  })

  it('that is of no channel, turn or partition stops the core: no door lets it pass', () => {
    const deployment = new Deployment(2)
    const [from, to] = deployment.open(100n) as [Id, Id]
    const [, begun] = deployment.submit(0, [across(deployment.id(), from, to)])
    const { command } = deployment.follows(begun!)!
    for (const wrong of [{ channel: 0 }, { channel: CHANNELS_MAX + 1 }, { turn: 0 }, { source: 1_024 }])
      expect(() => deployment.submit(1, [{ ...command, step: { ...command.step!, ...wrong } }])).toThrow(
        CoreBrokenError,
      )
  })
})

describe('the id of a crossing', () => {
  it('is remembered at its source, once, and nowhere else', () => {
    const deployment = new Deployment(2, { idsPerGeneration: 100 })
    const [from, to] = deployment.open(100n) as [Id, Id]
    const command = across(deployment.id(), from, to)
    const begun = deployment.submit(0, [command])
    expect(deployment.submit(0, [command, { ...command, across: undefined }])).toEqual([])
    const then = deployment.settle(begun)
    expect(kinds(then).at(-1)).toBe('TransferCompleted')
    expect(deployment.submit(0, [command])).toEqual([])
    // The channel keeps repeats apart there; the core of another partition has never used it.
    const there = { ...command, debit: to, credit: accountIn(1, 2, 1), across: undefined }
    expect(kinds(deployment.submit(1, [there]))).toEqual(['TransferPosted'])
  })
})

it('the opening of a transit account takes no place among the remembered ids, and moves no horizon', () => {
  const deployment = new Deployment(2, { idsPerGeneration: 4 })
  const [from, to] = deployment.open(100n) as [Id, Id]
  deployment.submit(0, [across(deployment.id(), from, to)])
  for (let index = 0; index < 8; index++)
    deployment.submit(0, [{ kind: 'FreezeAccount', id: deployment.id(), debit: from }])
  expect(deployment.harnesses[0]!.core.idHorizonMs()).toBe(NOW_MS)
})

describe('a member of a linked group', () => {
  it('that would go to another partition is refused, and the group with it', () => {
    const deployment = new Deployment(2)
    const [from, to] = deployment.open(100n) as [Id, Id]
    const bank = accountIn(0, 2, 1)
    const group: Command[] = [
      { kind: 'Transfer', id: deployment.id(), debit: from, credit: bank, amount: 1n, linked: true },
      across(deployment.id(), from, to, { linked: true }),
      { kind: 'Transfer', id: deployment.id(), debit: from, credit: bank, amount: 1n },
    ]
    expect(kinds(deployment.submit(0, group))).toEqual([
      'TransferRefused linked_failed', 'TransferRefused credit_account_not_found', 'TransferRefused linked_failed',
    ]) // prettier-ignore
    // The route stands where an opening has its scale: it is no scale, not even of a currency that nobody knows here.
    const unknown = across(deployment.id(), from, to, { currency: 'XYZ', coordination: 'saga' })
    expect(deployment.submit(0, [unknown])).toMatchObject([{ refusal: 'currency_mismatch', scale: 0 }])
    expect(deployment.harnesses[0]!.core.crossingsOpen()).toBe(0)
  })
})

describe('a call that has too little room', () => {
  it('stops before a crossing whose two rows might not fit, and before a timer’s row', () => {
    const deployment = new Deployment(2)
    const [from, to] = deployment.open(100n) as [Id, Id]
    const { core } = deployment.harnesses[0]!
    const slots = encodeCommands([across(deployment.id(), from, to, { memo: 'm'.repeat(256) })])
    const whole = 232 + Math.ceil((EVENT_ROW_BYTES + 256 + 64 + 2) / 8) * 8
    const out = new Uint8Array(whole + 64).fill(0xee)
    const before = core.save()
    expect(core.decide(slots, 1, NOW_NS, out, 0, whole - 8)).toMatchObject({ commands: 0, bytes: 0 })
    expect(differingSections(core.save(), before)).toEqual([])
    const { bytes, events } = core.decide(slots, 1, NOW_NS, out, 0, whole)
    expect([bytes, events]).toEqual([whole, 2])
    expect(out.subarray(whole).every((byte) => byte === 0xee)).toBe(true)
    const later = NOW_NS + 2_000_000_000n
    expect(core.expireDue(later, out, 0, 272)).toMatchObject({ events: 0, bytes: 0 })
    expect(core.expireDue(later, out, 0, 280)).toMatchObject({ events: 1, bytes: 280 })
  })
})
