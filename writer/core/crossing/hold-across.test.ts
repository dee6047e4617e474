import { describe, expect, it } from 'vitest'
import { encodeCommands } from '../../../schemas/command-codec.ts'
import type { Command } from '../../../schemas/commands.ts'
import { isTransitAccountId, parseCrossing } from '../../../schemas/crossing.ts'
import type { WalletEvent } from '../../../schemas/events.ts'
import type { Id } from '../../../schemas/ids.ts'
import { createCore, loadCore } from '../core.ts'
import { differingSections } from '../harness.testing.ts'
import { Deployment, accountIn, type Sent } from './crossing.testing.ts'

const kinds = (events: readonly WalletEvent[]): readonly string[] =>
  events.map(({ kind, refusal }) => (refusal === undefined ? kind : `${kind} ${refusal}`))

/** Two partitions, and a hold of 100 from the first one's account to the second one's. */
class HeldTown {
  readonly deployment: Deployment
  readonly from: Id
  readonly to: Id
  readonly hold: Id

  constructor(more: Partial<Command> = {}, options: ConstructorParameters<typeof Deployment>[1] = {}) {
    this.deployment = new Deployment(2, options)
    const [from, to] = this.deployment.open(150n) as [Id, Id]
    this.from = from
    this.to = to
    this.hold = this.deployment.id()
    const placed = this.ask({ kind: 'PlaceHold', id: this.hold, debit: from, credit: to, amount: 100n, across: true, ...more }) // prettier-ignore
    this.deployment.settle(placed)
  }

  ask(command: Partial<Command> & Pick<Command, 'kind'>): WalletEvent[] {
    return this.deployment.submit(0, [{ id: this.deployment.id(), ...command }])
  }

  post(amount: bigint | undefined, keepOpen?: boolean): WalletEvent[] {
    return this.ask({ kind: 'PostHold', related: this.hold, amount, keepOpen })
  }

  /** Balance, what is to be debited and what is to be credited: of both accounts, and of both transit accounts. */
  money(): readonly (readonly bigint[])[] {
    const transits = [0, 1].map(
      (at) => this.deployment.events[at]!.find(({ relatedId }) => isTransitAccountId(relatedId))!.relatedId,
    )
    return ([[0, this.from], [1, this.to], [0, transits[0]!], [1, transits[1]!]] as const).map(([at, id]) => {
      const { core } = this.deployment.harnesses[at]!
      const account = core.account(core.lookup(id)!)!
      return [account.creditsPosted - account.debitsPosted, account.debitsPending, account.creditsPending]
    }) // prettier-ignore
  }

  /** Names of sections in which a replay of all rows, or a core loaded from a snapshot, differs from a live core. */
  replayed(): readonly string[] {
    return this.deployment.harnesses.flatMap(({ core, payloads }, partition) => {
      const again = createCore({ partition })
      for (const payload of payloads) again.apply(payload)
      const saved = core.save()
      const loaded = loadCore({ partition }, saved)
      return [...differingSections(again.save(), saved), ...differingSections(loaded.save(), saved)]
    })
  }
}

describe('a hold across partitions', () => {
  it('reserves on both sides, and then waits for its client and for nobody else', () => {
    const { deployment, hold, from, to } = new HeldTown()
    const placed = deployment.events.flat().filter(({ transferId }) => transferId.low === hold.low)
    expect(kinds(placed)).toEqual(['HoldReserved', 'HoldConfirmed', 'CreditReserved'])
    const { core } = deployment.harnesses[0]!
    expect([core.holdsOpen(), core.crossingsOpen(), core.nextDeadlineNs()]).toEqual([1, 0, 0n])
    expect(kinds(deployment.pass(3_600_000))).toEqual([])
    const closes = [0, 1].map((at) => deployment.submit(at, [{ kind: 'CloseAccount', id: deployment.id(), debit: [from, to][at]! }])) // prettier-ignore
    expect(kinds(closes.flat())).toEqual([
      'AccountRefused account_not_empty', 'AccountRefused account_not_empty',
    ]) // prettier-ignore
  })

  it('is posted in parts, each with its own id; the last one closes it', () => {
    const town = new HeldTown()
    const { deployment } = town
    const first = town.post(30n, true)
    expect(kinds(first)).toEqual(['HoldDrawn'])
    expect(town.money()).toEqual([[120n, 70n, 0n], [150n, 0n, 100n], [30n, 0n, 70n], [0n, 100n, 0n]]) // prettier-ignore
    expect(kinds(deployment.settle(first))).toEqual(['CreditDrawn', 'TransferCompleted'])
    expect(town.money()).toEqual([[120n, 70n, 0n], [180n, 0n, 70n], [30n, 0n, 70n], [-30n, 70n, 0n]]) // prettier-ignore
    expect(kinds(town.post(71n))).toEqual(['TransferRefused amount_exceeds_hold'])
    const last = town.post(20n)
    expect(kinds(last)).toEqual(['HoldDrawn', 'HoldReleased'])
    expect(last[1]).toMatchObject({
      amount: 50n,
      transferId: town.hold,
      relatedId: town.hold,
      command: 'PostHold',
    })
    expect(kinds(deployment.settle(last))).toEqual([
      'CreditDrawn', 'CreditCancelled', 'TransferCompleted', 'ReleaseCompleted',
    ]) // prettier-ignore
    expect(town.money()).toEqual([[100n, 0n, 0n], [200n, 0n, 0n], [50n, 0n, 0n], [-50n, 0n, 0n]]) // prettier-ignore
    expect(kinds(town.post(1n))).toEqual(['TransferRefused hold_not_open'])
    expect(town.replayed()).toEqual([])
  })

  it('that is posted whole leaves nothing to release, and its channel is free again', () => {
    const town = new HeldTown()
    const posted = town.post(undefined)
    expect(posted.map(({ amount, debit }) => [amount, debit.number > 0])).toEqual([[100n, true], [0n, false]]) // prettier-ignore
    expect(kinds(town.deployment.settle(posted)).slice(-2)).toEqual(['TransferCompleted', 'ReleaseCompleted'])
    expect(town.money()).toEqual([[50n, 0n, 0n], [250n, 0n, 0n], [100n, 0n, 0n], [-100n, 0n, 0n]]) // prettier-ignore
    const again = town.ask({ kind: 'PlaceHold', debit: town.from, credit: town.to, amount: 1n, across: true })
    expect(parseCrossing(again[0]!.namedAccounts)).toMatchObject({ channel: 1, turn: 2 })
    expect(town.replayed()).toEqual([])
  })

  it('is released whole by a void, under the id of the void', () => {
    const town = new HeldTown()
    const voided = town.ask({ kind: 'VoidHold', related: town.hold, memo: 'not today' })
    const then = town.deployment.settle(voided)
    expect(kinds([...voided, ...then])).toEqual(['HoldReleased', 'CreditCancelled', 'ReleaseCompleted'])
    for (const event of [...voided, ...then])
      expect(event).toMatchObject({
        transferId: voided[0]!.transferId, relatedId: town.hold, amount: 100n, memo: 'not today',
      }) // prettier-ignore
    expect(town.money()).toEqual([[150n, 0n, 0n], [150n, 0n, 0n], [0n, 0n, 0n], [0n, 0n, 0n]]) // prettier-ignore
    expect(kinds(town.ask({ kind: 'VoidHold', related: town.hold }))).toEqual([
      'TransferRefused hold_not_open',
    ])
    expect(town.replayed()).toEqual([])
  })

  it('expires by itself once its timeout has passed since both sides held it', () => {
    const town = new HeldTown({ timeoutNs: 5_000_000_000n })
    const { deployment } = town
    const confirmed = deployment.events[0]!.find(({ kind }) => kind === 'HoldConfirmed')!
    expect(confirmed.expiresAtNs).toBe(confirmed.recordedAtNs + 5_000_000_000n)
    expect(deployment.harnesses[0]!.core.nextDeadlineNs()).toBe(confirmed.expiresAtNs)
    deployment.settle(town.post(40n, true))
    expect(kinds(deployment.pass(4_900))).toEqual([])
    const expired = deployment.pass(101)
    expect(kinds(expired)).toEqual(['HoldReleased'])
    expect(expired[0]).toMatchObject({ command: 'ExpireHold', amount: 60n, transferId: town.hold })
    expect(kinds(deployment.settle(expired))).toEqual(['CreditCancelled', 'ReleaseCompleted'])
    expect(town.money()).toEqual([[110n, 0n, 0n], [190n, 0n, 0n], [40n, 0n, 0n], [-40n, 0n, 0n]]) // prettier-ignore
    expect(town.replayed()).toEqual([])
  })

  it('is refused by the other side, or by the deadline, like a transfer', () => {
    const deployment = new Deployment(2, { transferDeadlineMs: 2_500 })
    const [from, to] = deployment.open(100n) as [Id, Id]
    const place = (credit: Id): WalletEvent[] =>
      deployment.submit(0, [{ kind: 'PlaceHold', id: deployment.id(), debit: from, credit, amount: 100n, across: true }]) // prettier-ignore
    const nowhere = deployment.settle(place(accountIn(1, 2, 9)))
    expect(kinds(nowhere)).toEqual(['CreditRefused credit_account_not_found', 'TransferCancelled'])
    const silent = place(to)
    expect(deployment.pass(1_001).concat(deployment.pass(1_001), deployment.pass(1_001)).map(({ kind }) => kind)).toEqual([
      'TransferReminded', 'TransferCancelled',
    ]) // prettier-ignore
    const cancelled = deployment.events[0]!.at(-1)!
    expect(kinds(deployment.settle([cancelled]))).toEqual(['CreditCancelled', 'CancelAcknowledged'])
    // The late Try finds the mark.
    expect(deployment.submit(1, [deployment.follows(silent.at(-1)!)!.command])).toEqual([])
    expect(deployment.harnesses[0]!.core.holdsOpen()).toBe(0)
  })
})

describe('posts and the release of a hold across', () => {
  it('may come in any order, each any number of times: each takes its own amount, once', () => {
    const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] // prettier-ignore
    for (const order of orders) {
      const town = new HeldTown()
      const { deployment } = town
      const begun = [town.post(30n, true), town.post(20n, true), town.ask({ kind: 'VoidHold', related: town.hold })].flat() // prettier-ignore
      const steps = begun.map((event) => deployment.follows(event)!)
      const answers = order.flatMap((at) => [
        ...deployment.submit(1, [steps[at]!.command]),
        ...deployment.submit(1, [steps[at]!.command, steps[order[0]!]!.command]),
      ])
      expect(kinds(answers).toSorted()).toEqual(['CreditCancelled', 'CreditDrawn', 'CreditDrawn'])
      // Whatever was posted has to have arrived before the channel of the hold is free.
      const back = answers.map((event) => deployment.follows(event)!)
      const release = back.find(({ command }) => command.kind === 'CancelTransfer')!
      const draws = back.filter(({ command }) => command.kind === 'CompleteTransfer')
      for (const { command } of draws) {
        expect(deployment.submit(0, [release.command])).toEqual([])
        expect(kinds(deployment.submit(0, [command]))).toEqual(['TransferCompleted'])
      }
      expect(kinds(deployment.submit(0, [release.command]))).toEqual(['ReleaseCompleted'])
      expect(town.money()).toEqual([[100n, 0n, 0n], [200n, 0n, 0n], [50n, 0n, 0n], [-50n, 0n, 0n]]) // prettier-ignore
      // A day late, all of it changes nothing.
      deployment.pass(86_400_000)
      for (const { to, command } of [...steps, ...back] satisfies Sent[])
        expect(deployment.submit(to, [{ ...command, step: { ...command.step!, attempt: 9 } }]).length).toBe(to === 0 ? 0 : 1) // prettier-ignore
      expect(town.replayed()).toEqual([])
    }
  })

  it('remind of themselves until they are answered, and what was held is not', () => {
    const town = new HeldTown()
    const { deployment } = town
    town.post(30n, true)
    expect(kinds(deployment.pass(1_001))).toEqual(['TransferReminded'])
    const [again] = deployment.pass(2_001)
    const sent = deployment.follows(again!)!
    expect([sent.command.kind, sent.command.step!.attempt]).toEqual(['DrawCredit', 2])
    expect(kinds(deployment.settle([again!]))).toEqual(['CreditDrawn', 'TransferCompleted'])
    expect(kinds(deployment.pass(5_000))).toEqual([])
  })

  it('go on when either account is frozen; a new post is refused where the payer is', () => {
    const town = new HeldTown()
    const { deployment } = town
    const post = town.post(30n, true)
    deployment.submit(0, [{ kind: 'FreezeAccount', id: deployment.id(), debit: town.from }])
    deployment.submit(1, [{ kind: 'FreezeAccount', id: deployment.id(), debit: town.to }])
    expect(kinds(deployment.settle(post))).toEqual(['CreditDrawn', 'TransferCompleted'])
    expect(kinds(town.post(1n))).toEqual(['TransferRefused debit_account_frozen'])
    const voided = town.ask({ kind: 'VoidHold', related: town.hold })
    expect(kinds(deployment.settle(voided)).at(-1)).toBe('ReleaseCompleted')
  })

  it('judge a condition on the payer, and refuse one on the payee, and a linked group', () => {
    const town = new HeldTown()
    const { deployment } = town
    const end = (more: Partial<Command>): readonly string[] =>
      kinds(town.ask({ kind: 'PostHold', related: town.hold, amount: 1n, keepOpen: true, ...more }))
    expect(end({ ifDebit: { availableAtLeast: 51n } })).toEqual(['TransferRefused condition_failed'])
    expect(end({ ifDebit: { availableAtLeast: 50n } })).toEqual(['HoldDrawn'])
    expect(end({ ifCredit: { availableAtLeast: 0n } })).toEqual(['TransferRefused hold_across'])
    const bank = accountIn(0, 2, 1)
    const group: Command[] = [
      { kind: 'VoidHold', id: deployment.id(), related: town.hold, linked: true },
      { kind: 'Transfer', id: deployment.id(), debit: town.from, credit: bank, amount: 1n },
    ]
    expect(kinds(deployment.submit(0, group))).toEqual([
      'TransferRefused hold_across', 'TransferRefused linked_failed',
    ]) // prettier-ignore
    expect(deployment.events[0]!.at(-2)).toMatchObject({ credit: { number: 0 } })
  })

  it('use their ids once: a repeat makes no event', () => {
    const town = new HeldTown()
    const { deployment } = town
    const post = { kind: 'PostHold', id: deployment.id(), related: town.hold, amount: 30n } as const
    deployment.settle(deployment.submit(0, [post]))
    expect(deployment.submit(0, [post])).toEqual([])
    const other = new HeldTown()
    const end = { kind: 'VoidHold', id: other.deployment.id(), related: other.hold } as const
    other.deployment.settle(other.deployment.submit(0, [end, end]))
    expect(other.deployment.submit(0, [end, { ...end, kind: 'PostHold' }])).toEqual([])
    expect(other.replayed()).toEqual([])
  })
})

it('holds that another partition is yet to answer for count among those that may be open', () => {
  const town = new HeldTown({}, { holdsMax: 2 })
  const { deployment } = town
  const place = { kind: 'PlaceHold', debit: town.from, credit: town.to, amount: 1n } as const
  expect(kinds(town.ask({ ...place, across: true }))).toEqual(['HoldReserved'])
  expect(kinds(town.ask({ ...place, across: true }))).toEqual(['TransferRefused too_many_holds'])
  expect(kinds(town.ask({ ...place, credit: accountIn(0, 2, 1) }))).toEqual([
    'TransferRefused too_many_holds',
  ])
  expect(deployment.harnesses[0]!.core.holdsOpen()).toBe(1)
})

it('a call that has too little room stops before a post whose two rows might not fit', () => {
  const town = new HeldTown()
  const { core, nowNs } = town.deployment.harnesses[0]!
  const slots = encodeCommands([{ kind: 'PostHold', id: town.deployment.id(), related: town.hold, memo: 'm'.repeat(256) }]) // prettier-ignore
  const whole = 280 + Math.ceil((216 + 256 + 64 + 2) / 8) * 8
  const out = new Uint8Array(whole + 64).fill(0xee)
  expect(core.decide(slots, 1, nowNs, out, 0, whole - 8)).toMatchObject({ commands: 0, bytes: 0 })
  expect(core.decide(slots, 1, nowNs, out, 0, whole)).toMatchObject({ commands: 1, events: 2, bytes: whole })
  expect(out.subarray(whole).every((byte) => byte === 0xee)).toBe(true)
})
