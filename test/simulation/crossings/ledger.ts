/**
 * What the durable events of all partitions say together: every crossing from its first event to its last, held against the
 * laws of the exploration, the money of each on both sides, and what speaks for or against it. Written apart from the core.
 *
 * Frames come in the order in which they became durable, and coordinators act on nothing else: so between any two frames
 * this is a consistent cut.
 */
import type { Coordination } from '../../../schemas/commands.ts'
import { parseCrossing, type CrossingText } from '../../../schemas/crossing.ts'
import { EVENT_KIND_NAMES, type Totals, type WalletEvent } from '../../../schemas/events.ts'
import { parseId } from '../../../schemas/ids.ts'
import { partitionOf } from '../../../schemas/partitions.ts'
import { refusalOf, type Refusal } from '../../../schemas/refusals.ts'
import { EFFECTS, type Effect, type Party } from '../../exploration/books.ts'
import { isAtRest, lawBrokenBy, LAWS } from '../../exploration/laws.ts'
import { EVENTS, eventsOf, type Happening } from '../../exploration/state.ts'
import { keyOf } from '../../model/wallet.ts'
import { insist } from '../insist.ts'
import { Books, type Account } from './books.ts'
import { Channels, turnOf } from './channels.ts'
import { HoldLedger } from './holds.ts'
import { CountedIds } from './ids.ts'

export interface Crossing {
  readonly by: Coordination
  readonly first: WalletEvent
  readonly text: CrossingText
  readonly destination: number
  /** Bits of EVENTS. */
  happened: number
  /** Its channel is free, and its sender knows. */
  isOver: boolean
  /** Why it was refused at its destination. */
  refusal: Refusal | undefined
  /** The source's last event that is no reminder, and the reminders since. */
  last: bigint
  reminders: number
  /** When its source last wrote an event of it, reminders included. */
  heardAtNs: bigint
  /** Sequences of its events, by partition. */
  readonly sequences: ReadonlyMap<number, Set<bigint>>
}

const AT_SOURCE = new Set<string>([
  'TransferReserved', 'TransferConfirmed', 'TransferCancelled', 'TransferDebited', 'TransferRecalled',
  'TransferCompensated', 'TransferCompleted', 'CancelAcknowledged', 'TransferReminded',
]) // prettier-ignore
const ENDS: readonly Happening[] = ['TransferCompleted', 'TransferCompensated', 'CancelAcknowledged']

export class Ledger {
  readonly books: readonly Books[]
  /** Every event, by partition. */
  readonly events: readonly WalletEvent[][]
  readonly crossings = new Map<string, Crossing>()
  readonly ids: CountedIds
  readonly #accountsMax: number
  readonly #cover: (mark: string) => void
  readonly holds: HoldLedger
  /** Open turns: crossing by source and channel. */
  readonly #open = new Map<string, Crossing>()
  readonly #channels: Channels

  constructor(partitions: number, accountsMax: number, cover: (mark: string) => void) {
    this.#accountsMax = accountsMax
    this.books = Array.from({ length: partitions }, () => new Books())
    this.ids = new CountedIds(partitions)
    this.events = this.books.map(() => [])
    this.#cover = cover
    this.#channels = new Channels(cover)
    this.holds = new HoldLedger(this.books, this.#channels, this.ids, cover)
  }

  /** The next durable events of a partition. */
  take(partition: number, events: readonly WalletEvent[]): void {
    for (const event of events) {
      const known = this.events[partition]!
      insist(event.sequence === BigInt(known.length) + 1n, 'sequences without a gap', event.sequence)
      insist(event.partition === partition, `an event of partition ${partition}`, event.partition)
      known.push(event)
      this.#cover(event.refusal ?? event.kind)
      if (parseCrossing(event.namedAccounts) !== undefined) {
        if (!this.holds.take(partition, event)) this.#takeCrossing(partition, event)
      } else {
        this.#takePlain(partition, event)
        this.books[partition]!.take(event)
      }
      this.books[partition]!.checkSums()
      this.#checkTransit(event.currency)
    }
  }

  /** Everything has ended: no channel open, nothing pending, nothing in transit. */
  isAtRest(): boolean {
    return this.#open.size === 0 && this.holds.isAtRest() && [...this.crossings.values()].every(({ by, happened }) => isAtRest(happened, by, EFFECTS)) // prettier-ignore
  }

  checkRest(): void {
    for (const { accounts } of this.books)
      for (const { number, totals } of accounts) {
        const pending = totals.debitsPending + totals.creditsPending
        insist(pending === 0n, `nothing pending on account ${number} in the end`, pending)
      }
    const currencies = new Set(this.books.flatMap(({ accounts }) => accounts.map(({ currency }) => currency)))
    for (const currency of currencies) {
      const left = this.books.reduce((sum, books) => sum + books.inTransit(currency), 0n)
      insist(left === 0n, `no ${currency} in transit in the end`, left)
    }
  }

  #takePlain(partition: number, event: WalletEvent): void {
    this.ids.take(partition, event)
    if (event.kind !== 'TransferRefused' || (event.command !== 'Transfer' && event.command !== 'PlaceHold'))
      return
    const { accounts } = this.books[partition]!
    const [debit, credit] = [accounts[event.debit.number - 1], accounts[event.credit.number - 1]]
    // Within a partition both accounts have to be there, then neither may be closed, and then neither frozen.
    const isOfCredit =
      credit?.status === 'closed'
        ? debit?.status !== 'closed'
        : credit?.status === 'frozen' && debit?.status === 'open'
    if (debit === undefined) this.#checkRefusal(event, debit, 'debit')
    else if (event.refusal === 'credit_account_not_found') this.#checkUnknown(partition, event.namedAccounts)
    else if (isOfCredit) this.#checkRefusal(event, credit, 'credit')
    else this.#checkRefusal(event, debit, 'debit')
  }

  /** What a refusal names as a credit account that is not there would be of this partition, and is not there. */
  #checkUnknown(partition: number, namedAccounts: string): void {
    const credit = parseId(namedAccounts.split(',')[1] ?? '')
    insist(credit !== undefined && partitionOf(credit, this.books.length) === partition, 'an account of its partition', namedAccounts)
    insist(this.books[partition]!.find(credit) === undefined, 'an account that is not there', namedAccounts)
  } // prettier-ignore

  #takeCrossing(partition: number, event: WalletEvent): void {
    const text = parseCrossing(event.namedAccounts)
    insist(text !== undefined, 'a text of a crossing', event.namedAccounts)
    const key = keyOf(event.transferId)
    if (event.kind === 'TransferReserved' || event.kind === 'TransferDebited')
      this.#begin(partition, event, text)
    const crossing = this.crossings.get(key)
    insist(crossing !== undefined, `a ${event.kind} of a crossing that was begun`, 'none')
    const isSource = AT_SOURCE.has(event.kind)
    insist(
      partition === (isSource ? crossing.text.source : crossing.destination),
      `${event.kind} on its side`,
      partition,
    )
    this.#checkCarried(event, text, crossing)
    const other = crossing.sequences.get(isSource ? crossing.destination : crossing.text.source)!
    if (text.answers !== 0n)
      insist(other.has(text.answers), `${event.kind} to answer an event of its crossing`, text.answers) // prettier-ignore
    else insist(isSource, `${event.kind} to answer something`, 'nothing')
    if (event.kind === 'TransferReminded') this.#remind(event, crossing)
    else if (event.kind === 'StepAnswered') this.#answer(event, crossing)
    else this.#happen(partition, event, crossing, isSource)
    crossing.sequences.get(partition)!.add(event.sequence)
  }

  #begin(partition: number, event: WalletEvent, text: CrossingText): void {
    const key = keyOf(event.transferId)
    this.ids.take(partition, event)
    insist(!this.crossings.has(key), 'a crossing begun once', key)
    const destination = partitionOf(text.credit, this.books.length)
    const crossing: Crossing = {
      by: event.kind === 'TransferDebited' ? 'saga' : 'tcc',
      first: event,
      text,
      destination,
      happened: 0,
      isOver: false,
      refusal: undefined,
      last: event.sequence,
      reminders: 0,
      heardAtNs: event.recordedAtNs,
      sequences: new Map([
        [partition, new Set<bigint>()],
        [destination, new Set<bigint>()],
      ]),
    }
    insist(
      text.source === partition && destination !== partition,
      'a crossing between two partitions',
      destination,
    )
    this.#channels.begin(text)
    this.#open.set(turnOf(text), crossing)
    this.crossings.set(key, crossing)
    const payer = this.books[partition]!.find(text.debit)
    insist(payer?.status === 'open', 'a payer that is open', payer?.status)
  }

  #happen(partition: number, event: WalletEvent, crossing: Crossing, isSource: boolean): void {
    const { by } = crossing
    const happening = event.kind as Happening
    const law = lawBrokenBy(happening, crossing.happened, by, EFFECTS)
    if (law !== undefined)
      insist(false, LAWS[law], `${event.kind} behind ${eventsOf(crossing.happened).join()}`)
    if (happening === 'TransferCancelled' && event.command === 'TimeStep')
      this.#cover('cancelled by the deadline')
    const hadReserved = has(crossing, 'CreditReserved')
    if (happening === 'CreditCancelled' && !hadReserved) this.#cover('mark of an empty Cancel')
    if (!isSource) this.#checkCredit(partition, event, crossing)
    if (happening === 'TransferCancelled' || happening === 'TransferCompensated')
      this.#checkReason(event, crossing)
    crossing.happened |= 1 << EVENTS.indexOf(happening)
    const effects = happening === 'CreditCancelled' && !hadReserved ? [] : (EFFECTS[by][happening] ?? [])
    this.#move(partition, event, crossing, effects, isSource)
    if (!isSource) return
    crossing.last = event.sequence
    crossing.reminders = 0
    crossing.heardAtNs = event.recordedAtNs
    crossing.isOver =
      ENDS.includes(happening) || (happening === 'TransferCancelled' && event.command !== 'TimeStep')
    if (!crossing.isOver) return
    this.#open.delete(turnOf(crossing.text))
    this.#channels.end(crossing.text)
  }

  #move(
    partition: number,
    event: WalletEvent,
    { first }: Crossing,
    effects: readonly Effect[],
    isSource: boolean,
  ): void {
    if (event.refusal !== undefined) return
    const [debit, credit]: readonly Party[] = isSource
      ? ['payer', 'sourceTransit']
      : ['destinationTransit', 'payee']
    const added = (of: Party): Partial<Record<keyof Totals, bigint>> => {
      const sums: Partial<Record<keyof Totals, bigint>> = {}
      for (const [party, total, sign] of effects) if (party === of) sums[total] = BigInt(sign) * first.amount
      return sums
    }
    if (effects.length === 0) {
      insist(
        event.debit.number === 0 && event.credit.number === 0,
        `${event.kind} without sides`,
        event.debit.number,
      )
      return
    }
    const books = this.books[partition]!
    const left = books.move(event.debit, added(debit!))
    const right = books.move(event.credit, added(credit!))
    const [own, transit] = isSource ? [left, right] : [right, left]
    const id = isSource
      ? parseCrossing(first.namedAccounts)!.debit
      : parseCrossing(first.namedAccounts)!.credit
    insist(
      keyOf(own.id) === keyOf(id) && transit.isTransit,
      `${event.kind} between the account and in transit`,
      'others',
    )
  }

  /** What a step passes on is what the transfer said. */
  #checkCarried(event: WalletEvent, text: CrossingText, { first, text: begun }: Crossing): void {
    const place = ({ debit, credit, source, channel, turn }: CrossingText): string =>
      [keyOf(debit), keyOf(credit), source, channel, turn].join()
    insist(place(text) === place(begun), `accounts, channel and turn of ${event.kind} as begun`, place(text))
    const carried = (of: WalletEvent): string =>
      [
        of.amount,
        of.currency,
        of.scale,
        of.code,
        keyOf(of.reference),
        of.effectiveAtNs,
        of.receivedAtNs,
      ].join()
    insist(carried(event) === carried(first), `${event.kind} to carry ${carried(first)}`, carried(event))
  }

  /** What speaks for or against a credit, as the books have it. */
  #checkCredit(partition: number, event: WalletEvent, crossing: Crossing): void {
    const payee = this.books[partition]!.find(crossing.text.credit)
    if (event.kind === 'CreditRefused') {
      crossing.refusal = event.refusal
      this.#checkRefusal(event, payee, 'credit')
    } else if (event.kind !== 'CreditCancelled' && !has(crossing, 'CreditReserved')) {
      const { currency, scale } = crossing.first
      const fits = payee?.status === 'open' && payee.currency === currency && payee.scale === scale
      insist(fits, `${event.kind} to an open account of ${currency}`, payee?.status)
    }
  }

  #checkRefusal(event: WalletEvent, account: Account | undefined, side: 'debit' | 'credit'): void {
    const { refusal } = event
    const books = this.books[event.partition]!
    if (refusal === 'accounts_full') {
      insist(books.accounts.length === this.#accountsMax, 'no room for an account', books.accounts.length)
      return
    }
    const expected =
      account === undefined
        ? `${side}_account_not_found`
        : account.status === 'open'
          ? undefined
          : `${side}_account_${account.status}`
    if (expected !== undefined) insist(refusal === expected, `refused as ${expected}`, refusal)
    else if (refusal === 'insufficient_funds') {
      const free = books.available(account!)!
      insist(free < event.amount, 'too little available', free)
    } else if (refusal === 'balance_overflow')
      insist(books.isFull(account!, event.amount), 'a total without room', event.amount)
    else if (side === 'credit')
      insist(
        refusal === 'currency_mismatch' || refusal === 'currency_scale_mismatch',
        'a reason to refuse',
        refusal,
      )
  }

  #checkReason({ fingerprint, refusal, command }: WalletEvent, crossing: Crossing): void {
    const told = refusalOf(Number(fingerprint))
    const expected =
      command === 'TimeStep' ? 'transfer_timed_out' : (crossing.refusal ?? 'transfer_timed_out')
    insist(refusal === undefined && told === expected, `its sender told ${expected}`, told)
  }

  #remind({ fingerprint, linkIndex, debit, recordedAtNs }: WalletEvent, crossing: Crossing): void {
    this.#cover('TransferReminded')
    const silentNs = recordedAtNs - crossing.heardAtNs
    const leastNs = 1_000_000_000n << BigInt(Math.min(crossing.reminders, 6))
    insist(silentNs >= leastNs, `a reminder after ${leastNs} ns at the earliest`, silentNs)
    const isUndecided = !(['TransferConfirmed', 'TransferCancelled', 'TransferRecalled'] as const).some(
      (one) => has(crossing, one),
    )
    const isInTime = !isUndecided || recordedAtNs < crossing.first.expiresAtNs
    insist(isInTime, 'a decision at the deadline', 'a reminder')
    crossing.heardAtNs = recordedAtNs
    crossing.reminders++
    insist(!crossing.isOver, 'a reminder of an open crossing', 'one that is over')
    insist(fingerprint === crossing.last, `a reminder of event ${crossing.last}`, fingerprint)
    insist(linkIndex === crossing.reminders && debit.number === 0, `attempt ${crossing.reminders}`, linkIndex)
  }

  #answer({ fingerprint, refusal, debit }: WalletEvent, crossing: Crossing): void {
    const said = EVENT_KIND_NAMES.get(Number(fingerprint)) as Happening
    insist(has(crossing, said) && debit.number === 0, 'an answer that was given before', said)
    insist(
      refusal === (said === 'CreditRefused' ? crossing.refusal : undefined),
      'the reason of before',
      refusal,
    )
  }

  /** In transit is what has left its payers, and has not arrived, nor come back. */
  #checkTransit(currency: string): void {
    const found = this.books.reduce((sum, books) => sum + books.inTransit(currency), 0n)
    let expected = this.holds.inTransit(currency)
    for (const crossing of this.#open.values())
      if (crossing.first.currency === currency && isUnderWay(crossing)) expected += crossing.first.amount
    insist(found === expected, `${expected} ${currency} in transit`, found)
  }
}

function has({ happened }: Crossing, event: Happening): boolean {
  return (happened & (1 << EVENTS.indexOf(event))) !== 0
}

function isUnderWay(crossing: Crossing): boolean {
  const isDecided = has(crossing, 'TransferConfirmed') || has(crossing, 'TransferDebited')
  return isDecided && !has(crossing, 'TransferCredited') && !has(crossing, 'TransferCompensated')
}
