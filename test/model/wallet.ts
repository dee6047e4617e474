/**
 * The model's wallet: plain maps and big integers, moved by events. An event says what happened and how much; versions are
 * counted and totals are summed here. The core and the views have their own ways: where two differ, one of them is wrong.
 *
 * Nothing in test/model shares a line with what it is held against: it imports the words (schemas/), and nothing else of ours.
 */
import type { Side, Totals, WalletEvent } from '../../schemas/events.ts'
import { formatId, type Id } from '../../schemas/ids.ts'
import { Crossings } from './crossings.ts'

export interface Account extends Side {
  readonly id: Id
  readonly currency: string
  readonly scale: number
  /** In minor units; −1n: unlimited. */
  readonly overdraftLimit: bigint
  readonly status: 'open' | 'frozen' | 'closed'
}

export interface Hold {
  readonly id: Id
  /** Numbers of its accounts. */
  readonly debit: number
  readonly credit: number
  readonly amount: bigint
  /** 0n: never. */
  readonly expiresAtNs: bigint
  /** Of the event that placed it. */
  readonly sequence: bigint
  /** Its channel, if its credit account lives in another partition: then `credit` is the transit account. */
  readonly channel?: number
}

/** Events that do not go together. */
export class ModelBrokenError extends Error {
  override readonly name = 'ModelBrokenError'
}

const NO_TOTALS: Totals = { debitsPosted: 0n, debitsPending: 0n, creditsPosted: 0n, creditsPending: 0n }
const NO_SIDE: Side = { number: 0, version: 0n, ...NO_TOTALS }

/** A map key for an id. */
export function keyOf(id: Id): string {
  return `${id.high.toString(36)}.${id.low.toString(36)}`
}

/** `balance − held + overdraft limit`; undefined for an account without a limit. */
export function availableOf(account: Account): bigint | undefined {
  const { creditsPosted, debitsPosted, debitsPending, overdraftLimit } = account
  return overdraftLimit < 0n ? undefined : creditsPosted - debitsPosted - debitsPending + overdraftLimit
}

export class Wallet {
  /** By number. An account is never changed, only replaced; so is a hold. */
  readonly accounts = new Map<number, Account>()
  /** Open holds, by the key of their ids, in the order of placing. */
  readonly holds = new Map<string, Hold>()
  /** Transfers across partitions. No linked group changes any, so a copy has the same. */
  crossings = new Crossings()
  /** Decimal places of each currency in use. */
  readonly scales = new Map<string, number>()
  /** Numbers of accounts that a reversal by force has taken money from: they may have less than nothing available. */
  readonly overdrawn = new Set<number>()
  /** Of the last event. */
  sequence = 0n
  recordedAtNs = 0n
  readonly #numbers = new Map<string, number>()

  /** The wallet as it is now, for a linked group that may have to be taken back. */
  copy(): Wallet {
    const copy = new Wallet()
    for (const [number, account] of this.accounts) copy.accounts.set(number, account)
    for (const [key, hold] of this.holds) copy.holds.set(key, hold)
    for (const [currency, scale] of this.scales) copy.scales.set(currency, scale)
    for (const [key, number] of this.#numbers) copy.#numbers.set(key, number)
    for (const number of this.overdrawn) copy.overdrawn.add(number)
    copy.crossings = this.crossings
    copy.sequence = this.sequence
    copy.recordedAtNs = this.recordedAtNs
    return copy
  }

  /** The account with this id, if it was ever opened. */
  find(id: Id | undefined): Account | undefined {
    return id === undefined ? undefined : this.accounts.get(this.#numbers.get(keyOf(id)) ?? 0)
  }

  /** The account's version and totals as they stand. Number 0, and one that was never given: none. */
  side(number: number): Side {
    const account = this.accounts.get(number)
    if (account === undefined) return NO_SIDE
    const { version, debitsPosted, debitsPending, creditsPosted, creditsPending } = account
    return { number, version, debitsPosted, debitsPending, creditsPosted, creditsPending }
  }

  /**
   * Takes in the next event; of its two sides only the numbers are looked at.
   * @returns the event with both sides as the wallet has them after it
   * @throws ModelBrokenError if it is not the next one, opens an account under a wrong number, or ends a hold that is not open
   */
  take(event: WalletEvent): WalletEvent {
    if (event.sequence !== this.sequence + 1n)
      throw new ModelBrokenError(`event ${event.sequence} comes behind ${this.sequence}`)
    this.sequence = event.sequence
    this.recordedAtNs = event.recordedAtNs
    this.#change(event)
    return { ...event, debit: this.side(event.debit.number), credit: this.side(event.credit.number) }
  }

  /** What does not hold of the wallet as it stands, in words; undefined if all does. */
  fault(): string | undefined {
    const sums = new Map<string, bigint>()
    const pending = new Map<number, { debits: bigint; credits: bigint }>()
    for (const { number } of this.accounts.values()) pending.set(number, { debits: 0n, credits: 0n })
    for (const { debit, credit, amount } of this.holds.values()) {
      pending.get(debit)!.debits += amount
      pending.get(credit)!.credits += amount
    }
    for (const [number, { debitsPending = 0n, creditsPending = 0n }] of this.crossings.pending()) {
      pending.get(number)!.debits += debitsPending
      pending.get(number)!.credits += creditsPending
    }
    for (const account of this.accounts.values()) {
      const { number, currency, debitsPosted, debitsPending, creditsPosted, creditsPending } = account
      sums.set(currency, (sums.get(currency) ?? 0n) + creditsPosted - debitsPosted)
      const available = availableOf(account) ?? 0n
      if (available < 0n && !this.overdrawn.has(number)) return `account ${number} has ${available} available`
      const { debits, credits } = pending.get(number)!
      if (debits !== debitsPending || credits !== creditsPending)
        return `account ${number} has ${debitsPending} and ${creditsPending} pending, its open holds and crossings say ${debits} and ${credits}`
    }
    for (const [currency, sum] of sums) if (sum !== 0n) return `${currency} sums to ${sum}`
    return undefined
  }

  #change(event: WalletEvent): void {
    const { kind, amount, debit, credit } = event
    switch (kind) {
      case 'AccountOpened':
        this.#open(event)
        return
      case 'AccountFrozen':
        this.#move(debit.number, {}, 'frozen')
        return
      case 'AccountUnfrozen':
        this.#move(debit.number, {}, 'open')
        return
      case 'AccountClosed':
        this.#move(debit.number, {}, 'closed')
        return
      case 'AccountChanged':
        this.#move(debit.number, {})
        this.accounts.set(debit.number, { ...this.accounts.get(debit.number)!, overdraftLimit: amount })
        return
      case 'TransferReversedByForce':
        this.overdrawn.add(debit.number)
        this.#move(debit.number, { debitsPosted: amount })
        this.#move(credit.number, { creditsPosted: amount })
        return
      case 'TransferPosted':
      case 'TransferReversed':
      case 'TransferReversedInPart':
        this.#move(debit.number, { debitsPosted: amount })
        this.#move(credit.number, { creditsPosted: amount })
        return
      case 'HoldPlaced':
        this.#move(debit.number, { debitsPending: amount })
        this.#move(credit.number, { creditsPending: amount })
        this.holds.set(keyOf(event.transferId), {
          id: event.transferId,
          debit: debit.number,
          credit: credit.number,
          amount,
          expiresAtNs: event.expiresAtNs,
          sequence: event.sequence,
        })
        return
      case 'HoldPosted':
        this.#endHold(event.relatedId, amount)
        return
      case 'HoldPostedInPart':
        this.#postPart(event.relatedId, amount)
        return
      case 'HoldVoided':
      case 'HoldExpired':
        this.#endHold(event.relatedId, 0n)
        return
      case 'AccountRefused':
      case 'TransferRefused':
      case 'IdsForgotten':
      case 'IdClaimed':
        return
      case 'TransferReserved':
      case 'TransferConfirmed':
      case 'TransferCancelled':
      case 'TransferDebited':
      case 'TransferRecalled':
      case 'TransferCompensated':
      case 'TransferCompleted':
      case 'CancelAcknowledged':
      case 'TransferReminded':
      case 'CreditReserved':
      case 'CreditRefused':
      case 'TransferCredited':
      case 'CreditCancelled':
      case 'StepAnswered':
      case 'HoldReserved':
      case 'ReleaseCompleted':
      case 'CreditDrawn':
        for (const [number, added] of this.crossings.take(event)) this.#move(number, added)
        return
      case 'HoldConfirmed': {
        const { first, channel } = this.crossings.confirmHold(event)
        const { transferId: id, amount, expiresAtNs, sequence } = event
        const accounts = { debit: first.debit.number, credit: first.credit.number }
        this.holds.set(keyOf(id), { id, ...accounts, amount, expiresAtNs, sequence, channel })
        return
      }
      case 'HoldDrawn':
        this.#postPart(event.relatedId, amount)
        for (const [number, added] of this.crossings.take(event)) this.#move(number, added)
        return
      case 'HoldReleased':
        this.holds.delete(keyOf(event.relatedId))
        for (const [number, added] of this.crossings.take(event)) this.#move(number, added)
    }
  }

  #open({ debit, relatedId, currency, scale, amount }: WalletEvent): void {
    const number = this.accounts.size + 1
    if (debit.number !== number)
      throw new ModelBrokenError(`account ${debit.number} is opened where ${number} comes next`)
    this.scales.set(currency, scale)
    this.#numbers.set(keyOf(relatedId), number)
    this.accounts.set(number, {
      ...NO_TOTALS,
      number,
      version: 1n,
      id: relatedId,
      currency,
      scale,
      overdraftLimit: amount,
      status: 'open',
    })
  }

  #endHold(id: Id, posted: bigint): void {
    const hold = this.holds.get(keyOf(id))
    if (hold === undefined) throw new ModelBrokenError(`the hold ${formatId(id)} ends, and is not open`)
    this.holds.delete(keyOf(id))
    this.#move(hold.debit, { debitsPending: -hold.amount, debitsPosted: posted })
    this.#move(hold.credit, { creditsPending: -hold.amount, creditsPosted: posted })
  }

  #postPart(id: Id, posted: bigint): void {
    const hold = this.holds.get(keyOf(id))
    if (hold === undefined || hold.amount < posted)
      throw new ModelBrokenError(`a part of the hold ${formatId(id)} is posted that it does not have`)
    this.holds.set(keyOf(id), { ...hold, amount: hold.amount - posted })
    this.#move(hold.debit, { debitsPending: -posted, debitsPosted: posted })
    this.#move(hold.credit, { creditsPending: -posted, creditsPosted: posted })
  }

  /** Adds to an account's totals, and counts its version. */
  #move(number: number, added: Partial<Totals>, status?: Account['status']): void {
    const account = this.accounts.get(number)
    if (account === undefined) throw new ModelBrokenError(`account ${number} was never opened`)
    this.accounts.set(number, {
      ...account,
      version: account.version + 1n,
      debitsPosted: account.debitsPosted + (added.debitsPosted ?? 0n),
      debitsPending: account.debitsPending + (added.debitsPending ?? 0n),
      creditsPosted: account.creditsPosted + (added.creditsPosted ?? 0n),
      creditsPending: account.creditsPending + (added.creditsPending ?? 0n),
      status: status ?? account.status,
    })
  }
}
