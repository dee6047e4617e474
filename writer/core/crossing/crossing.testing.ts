/** Several partitions' cores and a coordinator between them, for tests: each event of a crossing, and the step that follows. */
import type { Command, CommandKind, Coordination } from '../../../schemas/commands.ts'
import { parseCrossing } from '../../../schemas/crossing.ts'
import { EVENT_KIND_NAMES, type EventKind, type WalletEvent } from '../../../schemas/events.ts'
import type { Id } from '../../../schemas/ids.ts'
import { partitionOf } from '../../../schemas/partitions.ts'
import { refusalOf } from '../../../schemas/refusals.ts'
import type { CoreOptions } from '../core.ts'
import { Harness, accountIdOf, idOf } from '../harness.testing.ts'

/** The id of the `number`-th account (from 1) that lives in this partition. */
export function accountIn(partition: number, partitions: number, number: number): Id {
  for (let candidate = 1, found = 0; ; candidate++) {
    const id = accountIdOf(candidate)
    if (partitionOf(id, partitions) === partition && ++found === number) return id
  }
}

/** A step, and the partition that it goes to. */
export interface Sent {
  readonly to: number
  readonly command: Command
}

/** Which step follows from an event, and whether it goes back to the source. */
const FOLLOWS: Readonly<
  Partial<Record<EventKind, readonly [CommandKind, 'source' | 'destination', Coordination]>>
> = {
  TransferReserved: ['TryCredit', 'destination', 'tcc'],
  CreditReserved: ['ConfirmTransfer', 'source', 'tcc'],
  TransferConfirmed: ['CreditTransfer', 'destination', 'tcc'],
  TransferDebited: ['CreditTransfer', 'destination', 'saga'],
  TransferCredited: ['CompleteTransfer', 'source', 'tcc'],
  CreditRefused: ['CancelTransfer', 'source', 'tcc'],
  TransferCancelled: ['CancelCredit', 'destination', 'tcc'],
  TransferRecalled: ['CancelCredit', 'destination', 'saga'],
  CreditCancelled: ['CancelTransfer', 'source', 'tcc'],
  HoldReserved: ['TryCredit', 'destination', 'tcc'],
  HoldDrawn: ['DrawCredit', 'destination', 'tcc'],
  CreditDrawn: ['CompleteTransfer', 'source', 'tcc'],
  HoldReleased: ['CancelCredit', 'destination', 'tcc'],
}

export class Deployment {
  readonly harnesses: readonly Harness[]
  /** Every event of every partition so far. */
  readonly events: WalletEvent[][]
  private made = 0

  constructor(partitions: number, options: Partial<CoreOptions> = {}) {
    this.harnesses = Array.from(
      { length: partitions },
      (_, partition) => new Harness({ ...options, partition, partitions }),
    )
    this.events = this.harnesses.map(() => [])
  }

  /** Has a partition decide commands; returns its events, those of its timers included. */
  submit(partition: number, commands: readonly Command[]): WalletEvent[] {
    const events = this.harnesses[partition]!.submit(commands)
    this.events[partition]!.push(...events)
    return events
  }

  /** Lets time pass everywhere; returns what the timers made of it. */
  pass(milliseconds: number): WalletEvent[] {
    for (const harness of this.harnesses) harness.nowNs += BigInt(milliseconds) * 1_000_000n
    return this.harnesses.flatMap((_, partition) => this.submit(partition, []))
  }

  /** Opens an account in each partition with so much on it, from one that may be overdrawn; returns their ids. */
  open(balance: bigint, currency = 'CZK'): Id[] {
    return this.harnesses.map((_, partition) => {
      const [bank, account] = [1, 2].map((number) => accountIn(partition, this.harnesses.length, number))
      const opening = { kind: 'OpenAccount', currency, scale: 2 } as const
      this.submit(partition, [
        { ...opening, id: this.id(), debit: bank!, system: true },
        { ...opening, id: this.id(), debit: account!, amount: 0n },
        ...(balance === 0n ? [] : [{ kind: 'Transfer', id: this.id(), debit: bank!, credit: account!, amount: balance } as const]),
      ]) // prettier-ignore
      return account!
    })
  }

  id(): Id {
    return idOf(++this.made)
  }

  /** The step that follows from an event: of a coordinator that knows this one row, and can look another up in its log. */
  follows(event: WalletEvent, attempt = 0): Sent | undefined {
    if (event.kind === 'TransferReminded') {
      const again = this.events[event.partition]![Number(event.fingerprint) - 1]!
      return this.follows(again, event.linkIndex)
    }
    const kind = event.kind === 'StepAnswered' ? EVENT_KIND_NAMES.get(Number(event.fingerprint))! : event.kind
    const follows = FOLLOWS[kind]
    if (follows === undefined || (kind === 'TransferCancelled' && event.command !== 'TimeStep'))
      return undefined
    const text = parseCrossing(event.namedAccounts)!
    const [step, side, by] = follows
    const command: Command = {
      kind: step,
      id: event.transferId,
      debit: text.debit,
      credit: text.credit,
      related: event.relatedId,
      amount: event.amount,
      effectiveAtNs: event.effectiveAtNs,
      receivedAtNs: event.receivedAtNs,
      currency: event.currency,
      code: event.code,
      ...(event.reference.high === 0n && event.reference.low === 0n ? {} : { reference: event.reference }),
      memo: event.memo,
      coordination: by,
      step: {
        source: text.source,
        channel: text.channel,
        turn: text.turn,
        attempt,
        answers: event.sequence,
        scale: event.scale,
        ofHold: step === 'DrawCredit' ? text.answers : undefined,
        refusal: step !== 'CancelTransfer' ? undefined : (event.refusal ?? refusalOf(41)),
      },
    }
    const partitions = this.harnesses.length
    const to = side === 'source' ? text.source : partitionOf(text.credit, partitions)
    return { to, command }
  }

  /** Carries every step at once, in order, until none follows any more. Returns the events that came of them. */
  settle(events: readonly WalletEvent[]): WalletEvent[] {
    const seen: WalletEvent[] = []
    const open = [...events]
    for (let event = open.shift(); event !== undefined; event = open.shift()) {
      const sent = this.follows(event)
      if (sent === undefined) continue
      const answers = this.submit(sent.to, [sent.command])
      seen.push(...answers)
      open.push(...answers)
    }
    return seen
  }
}
