/**
 * Gives each currency one scale in the whole deployment, whichever gateway and door its first account comes through.
 *
 * Currencies of ISO 4217 have their scale from a list that every gateway has; no setting changes it. Any other currency
 * gets its scale with its first account. Within one partition the writer enforces that.
 *
 * With several partitions no writer sees all accounts, so one account per currency decides. Its id is derived from the
 * currency's code, so it belongs to one partition and opens only once. A gateway that opens the first account in a
 * currency opens the deciding account before, and takes the scale that this one has got. The deciding account is closed
 * at once, so that no money ever gets into it. (docs/decisions/0020)
 */
import { createHash } from 'node:crypto'
import { scalesInUse } from '../../projectors/views/balances/accounts.ts'
import type { Command } from '../../schemas/commands.ts'
import { formatId, makeUuidV7, makeUuidV8, type Id } from '../../schemas/ids.ts'
import { ISO_CURRENCIES } from '../../schemas/money.ts'
import { idBeside, partitionOf } from '../../schemas/partitions.ts'
import { NS_PER_MS } from '../../schemas/time.ts'
import type { CommandContext } from './commands.ts'
import { badInput, fault } from '../errors.ts'
import { LruMap } from '../read/lru.ts'
import type { Outcome } from '../outcomes/outcomes.ts'
import type { Submitter } from '../submit/submit.ts'
import type { Views } from '../read/views.ts'

/** Currencies whose scale is remembered. */
const KEPT_MAX = 10_000

export class CurrencyScales {
  readonly #submitter: Pick<Submitter, 'all' | 'partitions'>
  readonly #views: Views
  readonly #context: CommandContext
  readonly #fixed = new LruMap<string, number>(KEPT_MAX)
  readonly #underWay = new Map<string, Promise<number>>()

  constructor(submitter: Pick<Submitter, 'all' | 'partitions'>, views: Views, context: CommandContext) {
    this.#submitter = submitter
    this.#views = views
    this.#context = context
  }

  /**
   * True if the scale needs no check against the deployment: the writer's own check is enough, or the scale is known.
   */
  isFixed(code: string, scale: number): boolean {
    return this.#submitter.partitions === 1 || ISO_CURRENCIES.has(code) || this.#fixed.get(code) === scale
  }

  /**
   * Makes sure that an account is opened with the deployment's scale of its currency. Other commands pass.
   * @throws Fault BAD_USER_INPUT that names the field, and what the submitter and the views throw
   */
  async check(command: Command, path: string): Promise<void> {
    const { kind, currency, scale } = command
    if (kind !== 'OpenAccount' || currency === undefined || scale === undefined) return
    if (this.#submitter.partitions === 1 || ISO_CURRENCIES.has(currency)) return
    const fixed = this.#fixed.get(currency) ?? (await this.#fix(currency, scale))
    if (fixed !== scale)
      throw badInput(
        `${path}.scale`,
        `${currency} has ${fixed} decimal places in this deployment, not ${scale}.`,
      )
  }

  async #fix(code: string, scale: number): Promise<number> {
    const underWay = this.#underWay.get(code)
    if (underWay !== undefined) return underWay
    const fixing = this.#settle(code, scale)
    this.#underWay.set(code, fixing)
    try {
      const fixed = await fixing
      this.#fixed.set(code, fixed)
      return fixed
    } finally {
      this.#underWay.delete(code)
    }
  }

  /** The scale of the deciding account. Opens that account with this scale if it is not open yet. */
  async #settle(code: string, scale: number): Promise<number> {
    const id = decidingAccount(code)
    const { points, store } = this.#views
    // Views that are being rebuilt lack accounts and so scales: wait until they are whole.
    const now = await points.whole(undefined)
    const known = await this.#views.identity(now, formatId(id))
    if (known !== undefined) return this.#scaleOf(known, code)
    // An older version may have opened accounts in this currency before deciding accounts existed.
    const inUse = await scalesInUse(store, code, now.upTo)
    if (inUse.length > 0 && !inUse.includes(scale)) return inUse[0]!
    const { refusal, at } = await this.#open(id, code, scale)
    if (refusal === undefined) return scale
    const point = await points.atSequence(at)
    const found = await this.#views.identity(point, formatId(id))
    if (found !== undefined) return this.#scaleOf(found, code)
    const [other] = await scalesInUse(store, code, point.upTo)
    if (refusal === 'currency_scale_mismatch' && other !== undefined) return other
    throw fault('NOT_YET', `The scale of ${code} cannot be fixed just now (${refusal}). Nothing happened.`)
  }

  async #open(id: Id, code: string, scale: number): Promise<Outcome> {
    const nowNs = this.#context.clock()
    const common = { debit: id, receivedAtNs: nowNs, memo: `Fixes the scale of ${code} in this deployment.` }
    const { partitions } = this.#submitter
    const newId = (): Id =>
      idBeside(id, partitions, () => makeUuidV7(Number(nowNs / NS_PER_MS), this.#context.randomBits()))
    const open: Command = {
      ...common,
      kind: 'OpenAccount',
      id: newId(),
      currency: code,
      scale,
      owner: 'purser',
    }
    const close: Command = { ...common, kind: 'CloseAccount', id: newId() }
    const [opened] = await this.#submitter.all([open, close], partitionOf(id, partitions))
    if (opened instanceof Error) throw opened
    return opened!
  }

  #scaleOf(account: { readonly currency: string; readonly scale: number }, code: string): number {
    if (account.currency === code) return account.scale
    throw badInput(
      undefined,
      `The account ${formatId(decidingAccount(code))}, which fixes the scale of ${code}, was opened in ${account.currency}.`,
    )
  }
}

/** The deciding account of a currency: a UUIDv8 derived from its code. */
export function decidingAccount(code: string): Id {
  return makeUuidV8(createHash('sha256').update(`purser: the scale of ${code}`).digest().subarray(0, 16))
}
