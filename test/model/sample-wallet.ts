/** A wallet that tests of the views fill with events of every kind: steps drawn at random become commands that the model decides. */
import { createHash } from 'node:crypto'
import type { Command } from '../../schemas/commands.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import { makeUuidV7, type Id } from '../../schemas/ids.ts'
import { AMOUNT_MAX } from '../../schemas/limits.ts'
import { Model } from './model.ts'
import type { Account, Hold } from './wallet.ts'

/** What is asked of the wallet; numbers choose among what there is. */
export interface Step {
  readonly what:
    | 'open'
    | 'freeze'
    | 'unfreeze'
    | 'change'
    | 'transfer'
    | 'hold'
    | 'post'
    | 'void'
    | 'expire'
    | 'reverse'
    | 'refuse'
  readonly one: number
  readonly other: number
  readonly amount: number
  /** Hours between recorded and effective time. A hold with any has a deadline too. */
  readonly hours: number
  readonly text: string
}

/** A minute before the first event, nanoseconds since 1970. */
export const START_NS = 1_700_000_000_000_000_000n
const MINUTE_NS = 60_000_000_000n
const HOUR_NS = 60n * MINUTE_NS
/** A hold's deadline lies this many hours ahead at most, so that many of them stay within the years that a time may be of. */
const DEADLINE_HOURS_MAX = 48
const CURRENCIES = [
  { currency: 'CZK', scale: 2 },
  { currency: 'BTC', scale: 8 },
] as const
const MIXTURE = [
  'transfer',
  'hold',
  'transfer',
  'post',
  'refuse',
  'reverse',
  'hold',
  'change',
  'void',
] as const
/** More than steps can spend. */
const OVERDRAFT = 10n ** 12n
const BOUNDS = { accountsMax: 1_000, holdsMax: 10_000, idsPerGeneration: 1_000_000 }

export class SampleWallet {
  readonly partition: number
  readonly #model: Model
  /** Transfers that can be reversed. */
  readonly #posted: WalletEvent[] = []

  constructor(partition: number) {
    this.partition = partition
    this.#model = new Model(partition, BOUNDS)
    for (let index = 0; index < 4; index++)
      this.step({ what: 'open', one: index, other: 0, amount: 100, hours: 0, text: `owner ${index % 2}` })
  }

  /** Every event so far, a minute apart unless a hold's deadline lay between. */
  get events(): readonly WalletEvent[] {
    return this.#model.events
  }

  /** The id of an account, by number. */
  accountId(number: number): Id {
    return { high: BigInt(this.partition + 1) << 32n, low: BigInt(number) }
  }

  /** Does one step; returns the events that came of it: none where there was nothing to do it to, and of holds that were due. */
  step(step: Step): WalletEvent[] {
    const model = this.#model
    const before = model.events.length
    const nowNs = this.#nextNs()
    model.expireDue(nowNs)
    if (step.what === 'expire') this.#expireNext()
    else {
      const command = this.#commandOf(step)
      if (command !== undefined) this.#decide(command, step, nowNs)
    }
    return model.events.slice(before)
  }

  /** Does so many steps of a mixture that is the same each time. */
  grow(steps: number): void {
    for (let index = 0; index < steps; index++)
      this.step({
        what: MIXTURE[index % MIXTURE.length]!,
        one: index,
        other: index * 7,
        amount: 1 + (index % 90),
        hours: index % 5,
        text: index % 9 === 0 ? 'memo' : '',
      })
  }

  /** A minute behind the last event. */
  #nextNs(): bigint {
    return (this.#model.events.at(-1)?.recordedAtNs ?? START_NS) + MINUTE_NS
  }

  /** Lets the time come of the first deadline. */
  #expireNext(): void {
    const deadlines = this.#holds().map(({ expiresAtNs }) => expiresAtNs).filter((at) => at !== 0n) // prettier-ignore
    if (deadlines.length > 0) this.#model.expireDue(deadlines.reduce((a, b) => (a < b ? a : b)))
  }

  #decide(command: Omit<Command, 'id'>, step: Step, nowNs: bigint): void {
    const bits = createHash('sha256').update(`${this.partition}:${this.#model.events.length}`).digest()
    const whole: Command = {
      ...command,
      id: makeUuidV7(Number(nowNs / 1_000_000n), bits),
      effectiveAtNs: this.#recordedAtNs(nowNs) - BigInt(step.hours) * HOUR_NS,
      receivedAtNs: nowNs - 1_000_000n,
      reference: step.amount % 3 === 0 ? { high: 5n, low: BigInt(step.amount) } : undefined,
      code: Math.abs(step.hours),
    }
    const [outcome] = this.#model.decide([whole], nowNs)
    if (outcome?.kind === 'event' && outcome.event.kind === 'TransferPosted') this.#posted.push(outcome.event)
  }

  /** The command that a step comes to; undefined if there is nothing to do it to. */
  #commandOf(step: Step): Omit<Command, 'id'> | undefined {
    const memo = step.text
    const amount = BigInt(step.amount)
    const hold = pick(this.#holds(), step.other)
    switch (step.what) {
      case 'open': {
        const debit = this.accountId(this.#accounts().length + 1)
        const currency = CURRENCIES[step.one % CURRENCIES.length]!
        return { kind: 'OpenAccount', debit, ...currency, amount: OVERDRAFT + amount, owner: step.text }
      }
      case 'freeze':
        return { kind: 'FreezeAccount', debit: pick(this.#accounts(), step.one)!.id, memo }
      case 'unfreeze':
        return { kind: 'UnfreezeAccount', debit: pick(this.#accounts(), step.one)!.id, memo }
      case 'change': {
        const debit = pick(this.#accounts(), step.one)!.id
        return { kind: 'ChangeAccount', debit, amount: OVERDRAFT + amount, owner: step.text, memo }
      }
      case 'transfer':
        return { kind: 'Transfer', ...this.#between(step), amount, memo }
      case 'hold': {
        const hours = 1 + (Math.abs(step.hours) % DEADLINE_HOURS_MAX)
        const timeoutNs = step.hours === 0 ? undefined : BigInt(hours) * HOUR_NS
        return { kind: 'PlaceHold', ...this.#between(step), amount, timeoutNs, memo }
      }
      case 'post':
        if (hold === undefined) return undefined
        return { kind: 'PostHold', related: hold.id, amount: amount < hold.amount ? amount : hold.amount, keepOpen: step.one % 2 === 1, memo } // prettier-ignore
      case 'void':
        return hold === undefined ? undefined : { kind: 'VoidHold', related: hold.id, memo }
      case 'reverse':
        return this.#reversal(step)
      case 'refuse':
        return this.#refusable(step, hold)
      case 'expire':
        return undefined
    }
  }

  #reversal({ one, other, text }: Step): Omit<Command, 'id'> | undefined {
    const undone = pick(this.#posted, other)
    if (undone === undefined) return undefined
    this.#posted.splice(this.#posted.indexOf(undone), 1)
    const { transferId: related, amount } = undone
    const [debit, credit] = [undone.credit, undone.debit].map(({ number }) => this.accountId(number))
    const part = amount > 1n && one % 2 === 1
    return { kind: 'ReverseTransfer', related, debit, credit, amount: part ? amount / 2n : amount, part, leftToReverse: amount, memo: text } // prettier-ignore
  }

  /** What cannot happen: to an account that there is not, of more than a hold has, or of more than anybody has. */
  #refusable(step: Step, hold: Hold | undefined): Omit<Command, 'id'> {
    const { debit, credit } = this.#between(step)
    const memo = step.text
    if (step.hours % 2 !== 0)
      return { kind: 'Transfer', debit, credit: { high: 0n, low: 255n }, amount: BigInt(step.amount), memo }
    if (hold === undefined) return { kind: 'Transfer', debit, credit, amount: AMOUNT_MAX, memo }
    return { kind: 'PostHold', related: hold.id, amount: hold.amount + BigInt(step.amount), memo }
  }

  /** Two accounts of one currency that are not frozen, as long as there are such. */
  #between({ one, other }: Step): { readonly debit: Id; readonly credit: Id } {
    const accounts = this.#accounts()
    const open = accounts.filter(({ status }) => status === 'open')
    const peersIn = (all: readonly Account[], { number, currency }: Account): Account[] =>
      all.filter((account) => account.number !== number && account.currency === currency)
    const paired = open.filter((account) => peersIn(open, account).length > 0)
    const among = paired.length > 0 ? open : accounts
    const debit = pick(paired.length > 0 ? paired : accounts, one)!
    return { debit: debit.id, credit: pick(peersIn(among, debit), other)!.id }
  }

  #recordedAtNs(nowNs: bigint): bigint {
    const { recordedAtNs } = this.#model.wallet
    return nowNs > recordedAtNs ? nowNs : recordedAtNs + 1n
  }

  #accounts(): Account[] {
    return [...this.#model.wallet.accounts.values()]
  }

  #holds(): Hold[] {
    return [...this.#model.wallet.holds.values()]
  }
}

function pick<T>(things: readonly T[], number: number): T | undefined {
  return things[number % (things.length || 1)]
}
