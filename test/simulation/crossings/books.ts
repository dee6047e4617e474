/** The accounts of one partition as its durable events say, added up again: an own fold, apart from the core. */
import type { Side, Totals, WalletEvent } from '../../../schemas/events.ts'
import { isTransitAccountId } from '../../../schemas/crossing.ts'
import type { Id } from '../../../schemas/ids.ts'
import { keyOf } from '../../model/wallet.ts'
import { AMOUNT_MAX } from '../../../schemas/limits.ts'
import type { WalletCore } from '../../../writer/core/core.ts'
import { insist } from '../insist.ts'

export interface Account {
  readonly number: number
  readonly id: Id
  readonly currency: string
  readonly scale: number
  /** Minor units; −1: unlimited. */
  readonly limit: bigint
  readonly isTransit: boolean
  version: bigint
  status: 'open' | 'frozen' | 'closed'
  readonly totals: Record<keyof Totals, bigint>
}

/** What an event adds to a side. */
export type Added = Readonly<Partial<Record<keyof Totals, bigint>>>

const TOTALS = ['debitsPosted', 'debitsPending', 'creditsPosted', 'creditsPending'] as const

export class Books {
  readonly accounts: Account[] = []
  readonly #numbers = new Map<string, Account>()

  find(id: Id): Account | undefined {
    return this.#numbers.get(keyOf(id))
  }

  available(account: Account): bigint | undefined {
    const { creditsPosted, debitsPosted, debitsPending } = account.totals
    return account.limit < 0n ? undefined : creditsPosted - debitsPosted - debitsPending + account.limit
  }

  /** True if a total of the account, or of the one in transit, has no room for an amount. */
  isFull(account: Account, amount: bigint): boolean {
    const transit = this.accounts.filter(
      ({ isTransit, currency }) => isTransit && currency === account.currency,
    )
    return [account, ...transit].some(({ totals }) => {
      const debits = totals.debitsPosted + totals.debitsPending
      const credits = totals.creditsPosted + totals.creditsPending
      return debits + amount > AMOUNT_MAX || credits + amount > AMOUNT_MAX
    })
  }

  /** An event that is of no crossing. */
  take(event: WalletEvent): void {
    const { kind, amount, debit, credit } = event
    switch (kind) {
      case 'AccountOpened':
        this.#open(event)
        return
      case 'TransferPosted':
        this.move(debit, { debitsPosted: amount })
        this.move(credit, { creditsPosted: amount })
        return
      case 'AccountFrozen':
      case 'AccountUnfrozen':
      case 'AccountClosed':
        this.#setStatus(event)
        return
      case 'AccountRefused':
      case 'TransferRefused':
      case 'IdClaimed':
        return
      default:
        insist(false, 'an event that this load makes', kind)
    }
  }

  /** Adds to the account of a side, and holds the side against it. */
  move(side: Side, added: Added): Account {
    const account = this.accounts[side.number - 1]
    insist(account !== undefined, 'a side with an account', side.number)
    account.version += 1n
    for (const [name, by] of Object.entries(added) as [keyof Totals, bigint][]) account.totals[name] += by
    this.#compare(account, side)
    const free = this.available(account)
    insist(free === undefined || free >= 0n, `nothing overdrawn on account ${account.number}`, free)
    const { debitsPosted, debitsPending, creditsPosted, creditsPending } = account.totals
    const most = max(debitsPosted + debitsPending, creditsPosted + creditsPending)
    insist(most <= AMOUNT_MAX, 'totals with what is pending within 64 bits', most)
    for (const name of TOTALS)
      insist(
        account.totals[name] >= 0n,
        `${name} of account ${account.number} not negative`,
        account.totals[name],
      )
    return account
  }

  /** Posted and pending sums of each currency are zero. */
  checkSums(): void {
    const sums = new Map<string, bigint>()
    const add = (key: string, by: bigint): unknown => sums.set(key, (sums.get(key) ?? 0n) + by)
    for (const { currency, totals } of this.accounts) {
      add(currency, totals.creditsPosted - totals.debitsPosted)
      add(`${currency} pending`, totals.creditsPending - totals.debitsPending)
    }
    for (const [currency, sum] of sums) insist(sum === 0n, `${currency} to sum to zero in its partition`, sum)
  }

  compare(core: WalletCore): void {
    insist(core.accounts() === this.accounts.length, `${this.accounts.length} accounts`, core.accounts())
    for (const account of this.accounts) {
      const view = core.account(account.number)!
      insist(keyOf(view.id) === keyOf(account.id), `account ${account.number} of its id`, 'another')
      insist(view.status === account.status, `account ${account.number} ${account.status}`, view.status)
      this.#compare(account, view)
    }
  }

  inTransit(currency: string): bigint {
    return this.accounts
      .filter((account) => account.isTransit && account.currency === currency)
      .reduce((sum, { totals }) => sum + totals.creditsPosted - totals.debitsPosted, 0n)
  }

  #open({ debit, relatedId, currency, scale, amount, owner }: WalletEvent): void {
    insist(debit.number === this.accounts.length + 1, 'the next account number', debit.number)
    const isTransit = isTransitAccountId(relatedId)
    insist(isTransit === (owner === 'in transit'), 'a transit account with its owner alone', owner)
    const account: Account = {
      number: debit.number,
      id: relatedId,
      currency,
      scale,
      limit: amount,
      isTransit,
      version: 1n,
      status: 'open',
      totals: { debitsPosted: 0n, debitsPending: 0n, creditsPosted: 0n, creditsPending: 0n },
    }
    insist(!this.#numbers.has(keyOf(relatedId)), 'an account opened once', debit.number)
    this.accounts.push(account)
    this.#numbers.set(keyOf(relatedId), account)
  }

  #setStatus({ kind, debit }: WalletEvent): void {
    const account = this.move(debit, {})
    account.status = kind === 'AccountFrozen' ? 'frozen' : kind === 'AccountClosed' ? 'closed' : 'open'
    if (kind !== 'AccountClosed') return
    const { debitsPosted, debitsPending, creditsPosted, creditsPending } = account.totals
    const isEmpty = debitsPosted === creditsPosted && debitsPending === 0n && creditsPending === 0n
    insist(isEmpty, 'only empty accounts closed', account.number)
  }

  #compare(account: Account, found: Totals & { readonly version: bigint }): void {
    insist(
      found.version === account.version,
      `version ${account.version} of account ${account.number}`,
      found.version,
    )
    for (const name of TOTALS)
      insist(
        found[name] === account.totals[name],
        `${name} ${account.totals[name]} of account ${account.number}`,
        found[name],
      )
  }
}

function max(left: bigint, right: bigint): bigint {
  return left > right ? left : right
}
