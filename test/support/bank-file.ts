/**
 * A small file in the bank's format, made up by a seed: customers, cash, interest, fees and other banks, overdrafts
 * included, with the running balance that a bank would record. For tests, and for those who do not have the real file.
 */
import { writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

/** Park and Miller's minimal standard generator: the same seed, the same file, everywhere. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}

const HEADER =
  'transaction_id,date,account,counterparty,direction,amount_haler,balance_after_haler,operation,purpose'
const COUNTERPARTIES = ['cash', 'cash', 'interest', 'fees', 'YZ-87144583', 'AB-12345678', 'ST-42988401']

/** Lines of a made-up bank file, the header first. */
export function bankLines(transactions: number, seed = 20_261_124): string[] {
  const random = generator(seed)
  const balances = new Map<number, number>()
  const lines = [HEADER]
  for (let index = 0; index < transactions; index++) {
    const account = 100 + random(Math.max(3, Math.floor(transactions / 40)))
    const counterparty = COUNTERPARTIES[random(COUNTERPARTIES.length)]!
    const balance = balances.get(account) ?? 0
    const amount = 1 + random(90_000)
    // Now and then more leaves than is there: a real bank lets some customers overdraw.
    const isDebit = counterparty === 'fees' || (counterparty !== 'interest' && random(100) < (balance > amount ? 55 : 4))
    const after = isDebit ? balance - amount : balance + amount
    balances.set(account, after)
    const date = new Date(Date.UTC(1993, 0, 1 + Math.floor((index * 450) / transactions))).toISOString().slice(0, 10)
    const direction = isDebit ? 'debit' : 'credit'
    lines.push(`${700_000 + index},${date},${account},${counterparty},${direction},${amount},${after},VKLAD,-`)
  }
  return lines
} // prettier-ignore

/** Writes lines as a file; gzip if the name says so. */
export function writeLines(file: string, lines: readonly string[]): void {
  const text = `${lines.join('\n')}\n`
  writeFileSync(file, file.endsWith('.gz') ? gzipSync(text) : text)
}
