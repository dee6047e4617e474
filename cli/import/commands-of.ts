/** Rows of the neutral format → commands. */
import type { Command } from '../../schemas/commands.ts'
import type { Id } from '../../schemas/ids.ts'
import { parseTime } from '../../gateway/times.ts'
import { accountId, referenceId, rowCommandId } from '../external-ids.ts'
import type { ImportRow } from './rows.ts'

/** Accounts whose ids are kept: most rows name one that others named shortly before. */
const ACCOUNTS_MAX = 65_536

/** Makes the commands of one import. */
export class CommandMaker {
  readonly #accounts = new Map<string, Id>()
  /** Rows that follow each other are often of one day. */
  #time: { readonly text: string; readonly ns: bigint } | undefined

  /** The command of a row, under the base time of its chunk (milliseconds since 1970). */
  commandOf(row: ImportRow, digest: Uint8Array, baseTimeMs: number): Command {
    const id = rowCommandId(digest, baseTimeMs)
    const effectiveAtNs = row.effectiveAt === undefined ? undefined : this.#timeOf(row.effectiveAt)
    if (row.type === 'account')
      return {
        kind: 'OpenAccount',
        id,
        debit: this.#accountOf(row.id),
        currency: row.currency,
        scale: row.scale,
        ...(row.system === true ? { system: true } : { amount: BigInt(row.overdraftLimit ?? 0) }),
        effectiveAtNs,
        ...(row.owner === undefined ? {} : { owner: row.owner }),
      }
    return {
      kind: 'Transfer',
      id,
      debit: this.#accountOf(row.debit),
      credit: this.#accountOf(row.credit),
      amount: BigInt(row.amount),
      currency: row.currency,
      code: row.code ?? 0,
      linked: row.linked === true,
      effectiveAtNs,
      ...(row.reference === undefined ? {} : { reference: referenceId(row.reference) }),
      ...(row.memo === undefined ? {} : { memo: row.memo }),
    }
  }

  #accountOf(name: string): Id {
    const known = this.#accounts.get(name)
    if (known !== undefined) return known
    if (this.#accounts.size >= ACCOUNTS_MAX) this.#accounts.clear()
    const id = accountId(name)
    this.#accounts.set(name, id)
    return id
  }

  #timeOf(text: string): bigint {
    if (this.#time?.text !== text) this.#time = { text, ns: parseTime(text)! }
    return this.#time.ns
  }
}
