/**
 * Transfers across partitions in the model, in words: what each side knows of one, what a step or the passing of time makes of
 * it, and what its events do to totals. Written from docs/coordination.md, not from the tables of the core.
 */
import type { Command, CommandKind, Coordination } from '../../schemas/commands.ts'
import { parseCrossing } from '../../schemas/crossing.ts'
import type { EventKind, Totals, WalletEvent } from '../../schemas/events.ts'
import type { Refusal } from '../../schemas/refusals.ts'

/** A crossing at its source. */
export interface Sent {
  readonly channel: number
  readonly turn: number
  readonly phase:
    | 'reserved'
    | 'confirmed'
    | 'cancelled'
    | 'debited'
    | 'recalled'
    | 'holding'
    | 'held'
    | 'released'
    | 'drawn'
  /** Its first event: what was asked, its accounts, its deadline. Of a hold that was released, the event that did. */
  readonly first: WalletEvent
  /** Sequence of its last event that was no reminder. */
  readonly last: bigint
  /** When its last event was recorded, reminders included. */
  readonly heardAtNs: bigint
  /** Reminders since the last other event. */
  readonly reminded: number
  /** Of a post, the channel of its hold. */
  readonly ofHold?: number
}

/** The latest turn of a source's channel at its destination. */
export interface Received {
  readonly turn: number
  readonly outcome: 'reserved' | 'credited' | 'refused' | 'cancelled'
  readonly refusal: Refusal | undefined
  /** The event that reserved: its amount and its accounts. */
  readonly event: WalletEvent
  /** What is still reserved. */
  readonly left: bigint
}

/** What happens at a destination: an event, or an earlier one said again. `try`: unless the credit side refuses. */
export type Reaction =
  | { readonly kind: 'try'; readonly event: 'CreditReserved' | 'TransferCredited' }
  | { readonly kind: 'event'; readonly event: 'TransferCredited' | 'CreditCancelled' | 'CreditDrawn' }
  | { readonly kind: 'again'; readonly event: EventKind }

type Move = readonly [account: number, added: Partial<Totals>]

const REMIND_AFTER_NS = 1_000_000_000n
const REMIND_AFTER_NS_MAX = 64_000_000_000n
/** Channels that a partition has. */
const CHANNELS = 2 ** 20 - 1
const OUTCOME_EVENT = {
  reserved: 'CreditReserved',
  credited: 'TransferCredited',
  refused: 'CreditRefused',
  cancelled: 'CreditCancelled',
} as const

export class Crossings {
  /** By channel. */
  readonly sent = new Map<number, Sent>()
  /** How many crossings have had each channel. */
  readonly turns = new Map<number, number>()
  /** By source and channel. */
  readonly received = new Map<string, Received>()

  /** The lowest channel that is free; undefined: none is. */
  freeChannel(): number | undefined {
    for (let channel = 1; channel <= CHANNELS; channel++) if (!this.sent.has(channel)) return channel
    return undefined
  }

  /** Those that wait for the other side: a hold that is held waits for its client. */
  waiting(): Sent[] {
    return [...this.sent.values()].filter(({ phase }) => phase !== 'held')
  }

  /** Posts under way of the hold with this channel. */
  draws(channel: number): number {
    return [...this.sent.values()].filter(({ ofHold }) => ofHold === channel).length
  }

  /** Holds that another partition is yet to answer for. */
  holding(): number {
    return [...this.sent.values()].filter(({ phase }) => phase === 'holding').length
  }

  /** The crossing that time comes for next, if it has come. */
  silent(atNs: bigint): Sent | undefined {
    const [first] = this.waiting().sort(
      (a, b) => Number(wakesAtNs(a) - wakesAtNs(b)) || a.channel - b.channel,
    )
    return first !== undefined && wakesAtNs(first) <= atNs ? first : undefined
  }

  /** When that will be; 0n: nothing is under way. */
  nextSilentNs(): bigint {
    const times = this.waiting().map(wakesAtNs)
    return times.reduce((first, at) => (at < first ? at : first), times[0] ?? 0n)
  }

  /** The crossing that a step to a source is about, if it is still under way in that turn. */
  sentFor({ id, step }: Command): Sent | undefined {
    const sent = this.sent.get(step!.channel)
    if (sent?.turn !== step!.turn) return undefined
    return sent.first.transferId.low === id.low && sent.first.transferId.high === id.high ? sent : undefined
  }

  /** What is to be done of a step at a destination; undefined: nothing. */
  reactionTo(command: Command): Reaction | undefined {
    const { source, channel, turn, attempt } = command.step!
    const known = this.received.get(keyOf(source, channel))
    if (known !== undefined && turn < known.turn) return undefined
    if (known !== undefined && turn > known.turn && known.outcome === 'reserved') return undefined
    const same = known?.turn === turn ? known : undefined
    const isSaga = command.coordination === 'saga'
    const again = (toAll: boolean): Reaction | undefined =>
      toAll || attempt > 0 ? { kind: 'again', event: OUTCOME_EVENT[same!.outcome] } : undefined
    switch (command.kind) {
      case 'TryCredit':
        if (isSaga) return undefined
        if (same === undefined) return { kind: 'try', event: 'CreditReserved' }
        return same.outcome === 'reserved' || same.outcome === 'refused' ? again(false) : undefined
      case 'CreditTransfer':
        if (same === undefined) return isSaga ? { kind: 'try', event: 'TransferCredited' } : undefined
        if (same.outcome === 'reserved')
          return isSaga ? undefined : { kind: 'event', event: 'TransferCredited' }
        if (same.outcome === 'credited') return again(false)
        return same.outcome === 'refused' && isSaga ? again(false) : undefined
      case 'CancelCredit':
        if (same === undefined) return { kind: 'event', event: 'CreditCancelled' }
        if (same.outcome === 'reserved')
          return isSaga ? undefined : { kind: 'event', event: 'CreditCancelled' }
        if (same.outcome === 'credited') return isSaga ? again(true) : undefined
        return again(same.outcome === 'refused')
      case 'DrawCredit':
        if (same === undefined) return { kind: 'event', event: 'CreditDrawn' }
        return same.outcome === 'credited' && attempt > 0
          ? { kind: 'again', event: 'CreditDrawn' }
          : undefined
      default:
        return undefined
    }
  }

  /** What was seen of the turn that a step is about. */
  receivedFor({ step }: Command): Received | undefined {
    const known = this.received.get(keyOf(step!.source, step!.channel))
    return known?.turn === step!.turn ? known : undefined
  }

  /** What was seen of the hold that a post says it is a part of. */
  receivedHold({ source }: { readonly source: number }, place: bigint): Received | undefined {
    const known = this.received.get(keyOf(source, Number(place >> 32n)))
    return known?.turn === Number(BigInt.asUintN(32, place)) ? known : undefined
  }

  /** Takes in that both sides hold it. Returns the hold's crossing. */
  confirmHold(event: WalletEvent): Sent {
    const { channel } = parseCrossing(event.namedAccounts)!
    this.#goOn(channel, event, 'held')
    return this.sent.get(channel)!
  }

  /** Takes in the event of a crossing. Returns what it does to totals. */
  take(event: WalletEvent): readonly Move[] {
    const text = parseCrossing(event.namedAccounts)
    if (text === undefined) throw new Error(`${event.kind} does not say which crossing it is of`)
    const { amount, debit, credit } = event
    const both = (onDebit: Partial<Totals>, onCredit: Partial<Totals>): readonly Move[] => [
      [debit.number, onDebit],
      [credit.number, onCredit],
    ]
    const received = this.received.get(keyOf(text.source, text.channel))
    const isReserved = received?.turn === text.turn && received.outcome === 'reserved'
    const settled = (outcome: Received['outcome'], left = 0n): unknown =>
      this.received.set(keyOf(text.source, text.channel), {
        turn: text.turn,
        outcome,
        refusal: event.refusal,
        event: outcome === 'cancelled' && isReserved ? received.event : event,
        left,
      })
    switch (event.kind) {
      case 'HoldReserved':
        this.#begin(text, event, 'holding')
        return both({ debitsPending: amount }, { creditsPending: amount })
      case 'HoldDrawn':
        this.#begin(text, event, 'drawn', Number(text.answers >> 32n))
        return []
      case 'HoldReleased':
        this.#goOn(text.channel, event, 'released')
        this.sent.set(text.channel, { ...this.sent.get(text.channel)!, first: event })
        return amount === 0n ? [] : both({ debitsPending: -amount }, { creditsPending: -amount })
      case 'ReleaseCompleted':
        this.sent.delete(text.channel)
        return []
      case 'CreditDrawn': {
        const hold = this.receivedHold(text, event.expiresAtNs)!
        this.received.set(keyOf(text.source, Number(event.expiresAtNs >> 32n)), {
          ...hold,
          left: hold.left - amount,
        })
        settled('credited')
        return both(
          { debitsPending: -amount, debitsPosted: amount },
          { creditsPending: -amount, creditsPosted: amount },
        )
      }
      case 'TransferReserved':
        this.#begin(text, event, 'reserved')
        return both({ debitsPending: amount }, { creditsPending: amount })
      case 'TransferDebited':
        this.#begin(text, event, 'debited')
        return both(
          { debitsPosted: amount, creditsPending: amount },
          { creditsPosted: amount, debitsPending: amount },
        )
      case 'TransferConfirmed':
        this.#goOn(text.channel, event, 'confirmed')
        return both(
          { debitsPending: -amount, debitsPosted: amount },
          { creditsPending: -amount, creditsPosted: amount },
        )
      case 'TransferCancelled':
        if (event.command === 'TimeStep') this.#goOn(text.channel, event, 'cancelled')
        else this.sent.delete(text.channel)
        return both({ debitsPending: -amount }, { creditsPending: -amount })
      case 'TransferRecalled':
        this.#goOn(text.channel, event, 'recalled')
        return []
      case 'TransferCompensated':
        this.sent.delete(text.channel)
        return both(
          { creditsPending: -amount, creditsPosted: amount },
          { debitsPending: -amount, debitsPosted: amount },
        )
      case 'TransferCompleted': {
        const isSaga = coordinationOf(this.sent.get(text.channel)!) === 'saga'
        this.sent.delete(text.channel)
        return isSaga ? both({ creditsPending: -amount }, { debitsPending: -amount }) : []
      }
      case 'CancelAcknowledged':
        this.sent.delete(text.channel)
        return []
      case 'TransferReminded': {
        const sent = this.sent.get(text.channel)!
        this.sent.set(text.channel, { ...sent, heardAtNs: event.recordedAtNs, reminded: event.linkIndex })
        return []
      }
      case 'CreditReserved':
        settled('reserved', amount)
        return both({ debitsPending: amount }, { creditsPending: amount })
      case 'CreditRefused':
        settled('refused')
        return []
      case 'TransferCredited':
        settled('credited')
        return isReserved
          ? both(
              { debitsPending: -amount, debitsPosted: amount },
              { creditsPending: -amount, creditsPosted: amount },
            )
          : both({ debitsPosted: amount }, { creditsPosted: amount })
      case 'CreditCancelled':
        settled('cancelled', isReserved ? received.left - amount : 0n)
        return isReserved && amount > 0n ? both({ debitsPending: -amount }, { creditsPending: -amount }) : []
      default:
        return []
    }
  }

  /** What is pending because of crossings, as they stand. */
  pending(): readonly Move[] {
    const moves: Move[] = []
    for (const { phase, first } of this.sent.values()) {
      const { amount, debit, credit } = first
      if (phase === 'reserved' || phase === 'holding')
        moves.push([debit.number, { debitsPending: amount }], [credit.number, { creditsPending: amount }])
      if (phase === 'debited' || phase === 'recalled')
        moves.push([debit.number, { creditsPending: amount }], [credit.number, { debitsPending: amount }])
    }
    for (const { event, left } of this.received.values())
      if (left > 0n)
        moves.push(
          [event.debit.number, { debitsPending: left }],
          [event.credit.number, { creditsPending: left }],
        )
    return moves
  }

  #begin(
    { channel, turn }: { readonly channel: number; readonly turn: number },
    event: WalletEvent,
    phase: Sent['phase'],
    ofHold?: number,
  ): void {
    if (channel !== this.freeChannel() || turn !== (this.turns.get(channel) ?? 0) + 1)
      throw new Error(`a crossing begins in turn ${turn} of channel ${channel}, which is not next`)
    this.turns.set(channel, turn)
    const { sequence: last, recordedAtNs: heardAtNs } = event
    const more = ofHold === undefined ? {} : { ofHold }
    this.sent.set(channel, { channel, turn, phase, first: event, last, heardAtNs, reminded: 0, ...more })
  }

  #goOn(
    channel: number,
    { sequence: last, recordedAtNs: heardAtNs }: WalletEvent,
    phase: Sent['phase'],
  ): void {
    this.sent.set(channel, { ...this.sent.get(channel)!, phase, last, heardAtNs, reminded: 0 })
  }
}

export function coordinationOf({ first }: Sent): Coordination {
  return first.kind === 'TransferDebited' ? 'saga' : 'tcc'
}

/**
 * What a step makes of a crossing at its source; undefined: nothing.
 * @param draws posts of it that are under way, if it is a hold
 */
export function reactionOf({ phase }: Sent, step: CommandKind, draws: number): EventKind | undefined {
  const isSaga = phase === 'debited' || phase === 'recalled'
  if (step === 'ConfirmTransfer') {
    if (phase === 'holding') return 'HoldConfirmed'
    return phase === 'reserved' ? 'TransferConfirmed' : undefined
  }
  if (step === 'CompleteTransfer')
    return isSaga || phase === 'confirmed' || phase === 'drawn' ? 'TransferCompleted' : undefined
  if (step !== 'CancelTransfer') return undefined
  if (isSaga) return 'TransferCompensated'
  if (phase === 'reserved' || phase === 'holding') return 'TransferCancelled'
  // Whatever was posted of a hold has to arrive first.
  if (phase === 'released') return draws === 0 ? 'ReleaseCompleted' : undefined
  return phase === 'cancelled' ? 'CancelAcknowledged' : undefined
}

/** It is reminded of after a second, and after each time twice as late, up to 64 s; the deadline comes at its time, if it decides. */
function wakesAtNs(sent: Sent): bigint {
  const { heardAtNs, reminded, phase, first } = sent
  let waitNs = REMIND_AFTER_NS
  for (let times = 0; times < reminded && waitNs < REMIND_AFTER_NS_MAX; times++) waitNs *= 2n
  const remindNs = heardAtNs + waitNs
  const isDecided = phase !== 'reserved' && phase !== 'debited' && phase !== 'holding'
  return isDecided || first.expiresAtNs > remindNs ? remindNs : first.expiresAtNs
}

/** What the passing of time makes of it. */
export function timelyEvent({ phase, first }: Sent, atNs: bigint): EventKind {
  if (first.expiresAtNs > atNs) return 'TransferReminded'
  if (phase === 'reserved' || phase === 'holding') return 'TransferCancelled'
  return phase === 'debited' ? 'TransferRecalled' : 'TransferReminded'
}

function keyOf(source: number, channel: number): string {
  return `${source} ${channel}`
}
