/**
 * The code projection of the simulation: what each account has moved, and its last three events. A state that has seen an
 * event too many or too few is another one for ever. And the same a second time, in plain code, for the check.
 */
import type { CodeProjection } from '../../../projectors/code-projection.ts'
import type { WalletEvent } from '../../../schemas/events.ts'
import type { Row } from './rows.ts'

interface Turnover {
  readonly times: number
  readonly total: bigint
  readonly last: string
}

/** @param poison the event that it cannot take; undefined: it takes all */
export function turnoverOf(poison?: bigint): CodeProjection {
  return {
    kind: 'code',
    name: 'turnover',
    version: 1,
    tables: {
      turnover: { columns: { account: 'UInt32', times: 'UInt32', total: 'Int64', last: 'String' }, key: ['account'] },
    },
    keysOf: ({ refusal, debit, credit }) =>
      refusal === undefined ? [...new Set([debit.number, credit.number])].filter((one) => one !== 0).map((one) => `a${one}`) : [],
    initial: () => ({ times: 0, total: 0n, last: '' }),
    fold: (state, { amount, sequence }) => {
      const { times, total, last } = state as unknown as Turnover
      return { times: times + 1, total: sumOf(total, amount), last: lastOf(last, sequence) }
    },
    project: ({ sequence }, states) => {
      if (sequence === poison) throw new RangeError(`turnover cannot take the event ${sequence}`)
      return {
        turnover: [...states].map(([key, state]) => ({ account: Number(key.slice(1)), ...(state as unknown as Turnover) })),
      }
    },
  }
} // prettier-ignore

/** Amounts go to the bounds, and a column has 64 bits. */
function sumOf(total: bigint, amount: bigint): bigint {
  return BigInt.asUintN(62, total + amount)
}

function lastOf(last: string, sequence: bigint): string {
  return [...last.split(',').filter((one) => one !== ''), String(sequence)].slice(-3).join(',')
}

/** The rows of turnover, event by event, without those that were left out. */
export class TurnoverFold {
  readonly rows: (readonly Row[])[] = []
  readonly #skips: ReadonlySet<bigint>
  readonly #states = new Map<number, Turnover>()

  constructor(skips: ReadonlySet<bigint>) {
    this.#skips = skips
  }

  add({ partition, sequence, refusal, amount, debit, credit }: WalletEvent): void {
    const rows: Row[] = []
    this.rows.push(rows)
    if (this.#skips.has(sequence) || refusal !== undefined) return
    for (const account of new Set([debit.number, credit.number])) {
      if (account === 0) continue
      const before = this.#states.get(account) ?? { times: 0, total: 0n, last: '' }
      const state = { times: before.times + 1, total: sumOf(before.total, amount), last: lastOf(before.last, sequence) }
      this.#states.set(account, state)
      rows.push({
        table: 'turnover',
        key: `${partition}/${account}/${sequence}`,
        sequence,
        version: 0n,
        text: `${partition} ${sequence} ${account} ${state.times} ${state.total} ${state.last}`,
      })
    }
  }
} // prettier-ignore
