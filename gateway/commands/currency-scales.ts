/**
 * One scale for a currency in the whole deployment, whichever gateway and door its first account comes through.
 *
 * The currencies of ISO 4217 have theirs by the list that every gateway has, and no setting changes it. Any other currency
 * gets it with its first account. Within a partition the writer sees to that. Where there are several, nobody sees all of
 * them, so one account decides: its id is made of the currency's code, so it belongs to one partition, and opens once. Who
 * opens the first account in a currency opens that one before, and takes the scale that it has got. It is closed at once,
 * so that no money ever gets into it. (docs/decisions/0020)
 */
import { createHash } from 'node:crypto'
import { scalesInUse } from '../../projectors/views/balances/accounts.ts'
import type { Command } from '../../schemas/commands.ts'
import { formatId, makeUuidV7, makeUuidV8, type Id } from '../../schemas/ids.ts'
import { ISO_CURRENCIES } from '../../schemas/money.ts'
import { partitionOf } from '../../schemas/partitions.ts'
import { NS_PER_MS } from '../../schemas/time.ts'
import type { CommandContext } from './commands.ts'
import { badInput, fault } from '../errors.ts'
import { LruMap } from '../read/lru.ts'
import type { Outcome } from '../outcomes/outcomes.ts'
import type { Submitter } from '../submit/submit.ts'
import type { Views } from '../read/views.ts'

/** Currencies whose scale is kept in mind. */
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

  /** True if nobody has to be asked whether a currency may have this scale: the writer's own check is enough, or it has it. */
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

  /** The scale of the account that decides; opens it with this one, where it is not open yet. */
  async #settle(code: string, scale: number): Promise<number> {
    const id = decidingAccount(code)
    const { points, store } = this.#views
    // Views that are made anew know of no account, and so of no scale.
    const now = await points.whole(undefined)
    const known = await this.#views.identity(now, formatId(id))
    if (known !== undefined) return this.#scaleOf(known, code)
    // Opened before there was an account that decides.
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
    const newId = (): Id => makeUuidV7(Number(nowNs / NS_PER_MS), this.#context.randomBits())
    const open: Command = {
      ...common,
      kind: 'OpenAccount',
      id: newId(),
      currency: code,
      scale,
      owner: 'purser',
    }
    const close: Command = { ...common, kind: 'CloseAccount', id: newId() }
    const [opened] = await this.#submitter.all([open, close], partitionOf(id, this.#submitter.partitions))
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

/** The account that decides which scale a currency has: a UUIDv8 made of its code. */
export function decidingAccount(code: string): Id {
  return makeUuidV8(createHash('sha256').update(`purser: the scale of ${code}`).digest().subarray(0, 16))
}
