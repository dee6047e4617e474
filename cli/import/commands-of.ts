/** Rows of the neutral format → commands. */
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import { fingerprintOf } from '../../schemas/fingerprint.ts'
import { NIL_ID, type Id } from '../../schemas/ids.ts'
import { partitionOf } from '../../schemas/partitions.ts'
import { parseTime } from '../../gateway/positions/times.ts'
import { accountId, referenceId } from '../external-ids.ts'
import type { ImportRow } from './file/rows.ts'

/** Accounts whose ids are kept: most rows name one that others named shortly before. */
const ACCOUNTS_MAX = 65_536

/** Makes the commands of one import. */
export class CommandMaker {
  readonly #accounts = new Map<string, Id>()
  /** Rows that follow each other are often of one day. */
  #time: { readonly text: string; readonly ns: bigint } | undefined

  /** The command of a row under an id. What a row does not give, its command does not have. */
  commandOf(row: ImportRow, id: Id): Command {
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

  /**
   * The fingerprint that a row's event carries.
   * @param openedWithScale decimal places of an account that was opened by a row that left them to the platform
   */
  fingerprintOf(row: ImportRow, openedWithScale: number): bigint {
    const command = this.commandOf(row, NIL_ID)
    const isLeftOpen = command.kind === 'OpenAccount' && command.scale === undefined
    return fingerprintOf(encodeCommands([isLeftOpen ? { ...command, scale: openedWithScale } : command]))
  }

  /** The partition that decides a row, of so many. */
  partitionOf(row: ImportRow, partitions: number): number {
    if (partitions === 1) return 0
    return partitionOf(this.#accountOf(row.type === 'account' ? row.id : row.debit), partitions)
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
