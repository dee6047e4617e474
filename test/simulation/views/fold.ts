/**
 * What the log comes to, event by event, written apart from the core and from the views: versions are counted and totals
 * are summed from amounts here, where the views take both from the event. Where the two differ, one of them is wrong.
 */
import type { Side, Totals, WalletEvent } from '../../../schemas/events.ts'
import { formatId } from '../../../schemas/ids.ts'
import { rowsOf, type Row } from './rows.ts'
import { ViewsBrokenError } from './tables.ts'

type Account = { -readonly [Key in keyof Side]: Side[Key] }

interface Hold {
  readonly debit: number
  readonly credit: number
  readonly amount: bigint
}

export class Fold {
  /** Rows of all views that come of each event, from sequence 1 on at index 0. */
  readonly rows: (readonly Row[])[] = []
  readonly #accounts = new Map<number, Account>()
  readonly #holds = new Map<string, Hold>()

  /** Sequence of the last event. */
  get sequence(): bigint {
    return BigInt(this.rows.length)
  }

  /** Takes in the next event. */
  add(event: WalletEvent): void {
    if (event.sequence !== this.sequence + 1n)
      throw new ViewsBrokenError(`the log has ${event.sequence} behind ${this.sequence}`)
    this.rows.push(rowsOf(event.refusal === undefined ? this.#moved(event) : event))
  }

  /** What is held on every account is what its open holds say. */
  checkHolds(): void {
    const debits = new Map<number, bigint>()
    const credits = new Map<number, bigint>()
    for (const { debit, credit, amount } of this.#holds.values()) {
      debits.set(debit, (debits.get(debit) ?? 0n) + amount)
      credits.set(credit, (credits.get(credit) ?? 0n) + amount)
    }
    for (const [number, { debitsPending, creditsPending }] of this.#accounts)
      if (debitsPending !== (debits.get(number) ?? 0n) || creditsPending !== (credits.get(number) ?? 0n))
        throw new ViewsBrokenError(`account ${number} holds ${debitsPending}, its open holds differ`)
  }

  /** The event with versions and totals as they are summed here. */
  #moved(event: WalletEvent): WalletEvent {
    const debit = this.#account(event.debit.number)
    const credit = this.#account(event.credit.number)
    const { amount } = event
    switch (event.kind) {
      case 'TransferPosted':
      case 'TransferReversed':
        debit.debitsPosted += amount
        credit.creditsPosted += amount
        break
      case 'HoldPlaced':
        debit.debitsPending += amount
        credit.creditsPending += amount
        this.#holds.set(formatId(event.transferId), { debit: debit.number, credit: credit.number, amount })
        break
      case 'HoldPosted':
      case 'HoldVoided':
      case 'HoldExpired': {
        const hold = this.#endHold(formatId(event.relatedId))
        debit.debitsPending -= hold.amount
        credit.creditsPending -= hold.amount
        if (event.kind !== 'HoldPosted') break
        debit.debitsPosted += amount
        credit.creditsPosted += amount
        break
      }
      default:
      // About an account: only its version moves.
    }
    for (const side of [debit, credit]) if (side.number !== 0) side.version++
    return { ...event, debit: { ...debit }, credit: { ...credit } }
  }

  #endHold(id: string): Hold {
    const hold = this.#holds.get(id)
    if (hold === undefined) throw new ViewsBrokenError(`the log ends the hold ${id}, which is not open`)
    this.#holds.delete(id)
    return hold
  }

  #account(number: number): Account {
    if (number === 0) return { number, version: 0n, ...NOTHING }
    const known = this.#accounts.get(number)
    if (known !== undefined) return known
    const account = { number, version: 0n, ...NOTHING }
    this.#accounts.set(number, account)
    return account
  }
}

const NOTHING: Totals = { debitsPosted: 0n, debitsPending: 0n, creditsPosted: 0n, creditsPending: 0n }
