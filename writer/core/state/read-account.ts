/** Reads for tests and reports. None of it is on the path of a command. */
import type { Id } from '../../../schemas/ids.ts'
import { unpackCurrency } from '../../../schemas/money.ts'
import type { Totals } from '../../../schemas/events.ts'
import { LINE, LINE_WORDS, STATUS_CLOSED, STATUS_FROZEN } from './account-lines.ts'
import { hashId } from './hash-id.ts'
import type { CoreState } from './state.ts'

/** An account as it is now. */
export interface AccountView extends Totals {
  readonly number: number
  readonly id: Id
  readonly version: bigint
  readonly currency: string
  readonly scale: number
  /** Minor units; −1 unlimited. */
  readonly overdraftLimit: bigint
  readonly status: 'open' | 'frozen' | 'closed'
}

export function accountAt(state: CoreState, number: number): AccountView | undefined {
  const { accounts, currencies } = state
  if (!Number.isInteger(number) || number < 1 || number > accounts.count) return undefined
  const word = (name: keyof typeof LINE): bigint => accounts.words[number * LINE_WORDS + LINE[name]]!
  const status = accounts.status(number)
  const currency = accounts.currency(number)
  return {
    number,
    id: { high: BigInt.asUintN(64, word('idHigh')), low: BigInt.asUintN(64, word('idLow')) },
    version: word('version'),
    debitsPosted: word('debitsPosted'),
    debitsPending: word('debitsPending'),
    creditsPosted: word('creditsPosted'),
    creditsPending: word('creditsPending'),
    currency: unpackCurrency(currencies.codes[currency]!),
    scale: currencies.scales[currency]!,
    overdraftLimit: word('overdraft'),
    status: status === STATUS_CLOSED ? 'closed' : status === STATUS_FROZEN ? 'frozen' : 'open',
  }
}

export function lookUp(state: CoreState, id: Id): number | undefined {
  const words = new BigInt64Array([BigInt.asIntN(64, id.high), BigInt.asIntN(64, id.low)])
  const words32 = new Int32Array(words.buffer)
  const number = state.accounts.find(hashId(words32, 0), words32, 0)
  return number === 0 ? undefined : number
}

/** Credits posted less debits posted, summed over all accounts of each currency. */
export function trialBalance(state: CoreState): ReadonlyMap<string, bigint> {
  const { accounts, currencies } = state
  const sums = Array.from({ length: currencies.count + 1 }, () => 0n)
  for (let number = 1; number <= accounts.count; number++) {
    const line = number * LINE_WORDS
    sums[accounts.currency(number)]! +=
      accounts.words[line + LINE.creditsPosted]! - accounts.words[line + LINE.debitsPosted]!
  }
  return new Map(
    sums.slice(1).map((sum, index) => [unpackCurrency(currencies.codes[index + 1]!), sum] as const),
  )
}
