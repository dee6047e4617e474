/**
 * The wallet's rules a second time, for tests: plain Maps and big integers, nothing shared with the core but the words.
 * Where the two differ, one of them is wrong.
 */
import type { Command } from '../../schemas/commands.ts'
import type { EventKind } from '../../schemas/events.ts'
import { formatId, isUuidV7, uuidV7TimeMs, type Id } from '../../schemas/ids.ts'
import type { Refusal } from '../../schemas/refusals.ts'

/** What a command comes to. `none`: its id makes no event. */
export type Outcome = EventKind | Refusal | 'none'

const MOST = 2n ** 63n - 1n

export interface ModelAccount {
  readonly currency: string
  readonly scale: number
  readonly overdraft: bigint
  status: 'open' | 'frozen' | 'closed'
  version: bigint
  debitsPosted: bigint
  debitsPending: bigint
  creditsPosted: bigint
  creditsPending: bigint
}

interface ModelHold {
  readonly debit: string
  readonly credit: string
  readonly amount: bigint
  readonly expiresAt: bigint
  readonly sequence: bigint
}

interface ModelGeneration {
  readonly keys: Set<string>
  readonly timesMs: number[]
  readonly began: bigint
}

interface Wallet {
  accounts: Map<string, ModelAccount>
  scales: Map<string, number>
  holds: Map<string, ModelHold>
  sequence: bigint
  recordedAt: bigint
}

export interface ModelBounds {
  readonly accountsMax: number
  readonly holdsMax: number
  readonly idsPerGeneration: number
}

export class Model {
  wallet: Wallet = {
    accounts: new Map(),
    scales: new Map(),
    holds: new Map(),
    sequence: 0n,
    recordedAt: 0n,
  }
  private generations: ModelGeneration[] = [{ keys: new Set(), timesMs: [], began: 0n }]
  private horizonMs = -1
  private readonly bounds: ModelBounds

  constructor(bounds: ModelBounds) {
    this.bounds = bounds
  }

  /** Decides a whole batch at one time. One outcome a command. */
  decide(commands: readonly Command[], nowNs: bigint): Outcome[] {
    const outcomes: Outcome[] = []
    while (outcomes.length < commands.length) {
      const first = commands[outcomes.length]!
      if (first.linked !== true || isAboutAccount(first)) {
        outcomes.push(this.decideAlone(first, nowNs))
        continue
      }
      const rest = commands.slice(outcomes.length)
      const stop = rest.findIndex((command) => isAboutAccount(command) || command.linked !== true)
      const ended = stop >= 0 && !isAboutAccount(rest[stop]!)
      const group = rest.slice(0, stop < 0 ? rest.length : ended ? stop + 1 : stop)
      outcomes.push(...this.decideGroup(group, ended && group.length <= 64, nowNs))
    }
    return outcomes
  }

  /** Expires what is due; returns the ids of the holds, in order. */
  expireDue(nowNs: bigint): string[] {
    const expired: string[] = []
    for (;;) {
      const at = this.nextRecordedAt(nowNs)
      const due = [...this.wallet.holds]
        .filter(([, hold]) => hold.expiresAt !== 0n && hold.expiresAt <= at)
        .sort(([, a], [, b]) => Number(a.expiresAt - b.expiresAt || a.sequence - b.sequence))[0]
      if (due === undefined) return expired
      this.endHold(due[0], 0n)
      this.record(nowNs)
      expired.push(due[0])
    }
  }

  private nextRecordedAt(nowNs: bigint): bigint {
    return nowNs > this.wallet.recordedAt ? nowNs : this.wallet.recordedAt + 1n
  }

  private record(nowNs: bigint): void {
    this.wallet.recordedAt = this.nextRecordedAt(nowNs)
    this.wallet.sequence += 1n
  }

  private decideAlone(command: Command, nowNs: bigint): Outcome {
    if (!this.isNew(command.id, nowNs)) return 'none'
    const outcome = this.perform(command, nowNs, new Set())
    this.remember(command, outcome)
    return outcome
  }

  private decideGroup(group: readonly Command[], allowed: boolean, nowNs: bigint): Outcome[] {
    const seen = new Set<string>()
    const fresh = group.map(({ id }) => {
      const isFresh = this.isNew(id, nowNs) && !seen.has(formatId(id))
      seen.add(formatId(id))
      return isFresh
    })
    let culprit = -1
    let reason: Outcome = 'linked_failed'
    if (allowed && fresh.every(Boolean)) {
      const before = copy(this.wallet)
      const reversed = new Set<string>()
      const outcomes: Outcome[] = []
      for (const command of group) {
        const outcome = this.perform(command, nowNs, reversed)
        outcomes.push(outcome)
        if (isRefusal(outcome)) break
        if (command.kind === 'ReverseTransfer') reversed.add(formatId(command.related!))
      }
      const last = outcomes.at(-1)!
      if (!isRefusal(last)) {
        const { sequence } = this.wallet
        group.forEach((command, index) => {
          this.wallet.sequence = sequence - BigInt(group.length - 1 - index)
          this.remember(command, outcomes[index]!)
        })
        return outcomes
      }
      this.wallet = before
      culprit = outcomes.length - 1
      reason = last
    }
    return group.map((command, index) => {
      // A run of any length is refused one by one, and what is remembered moves on meanwhile.
      if (allowed ? !fresh[index]! : !this.isNew(command.id, nowNs)) return 'none'
      this.record(nowNs)
      const outcome = !allowed ? 'linked_too_long' : index === culprit ? reason : 'linked_failed'
      this.remember(command, outcome)
      return outcome
    })
  }

  private isNew(id: Id, nowNs: bigint): boolean {
    if (!isUuidV7(id)) return false
    const timeMs = uuidV7TimeMs(id)
    if (timeMs > Number(nowNs / 1_000_000n) + 60_000 || timeMs <= this.horizonMs) return false
    return !this.generations.some(({ keys }) => keys.has(formatId(id)))
  }

  private remember(command: Command, outcome: Outcome): void {
    this.insert(formatId(command.id), uuidV7TimeMs(command.id))
    if (outcome === 'TransferReversed') this.insert(`reversed ${formatId(command.related!)}`, undefined)
  }

  private insert(key: string, timeMs: number | undefined): void {
    if (this.generations.at(-1)!.keys.size >= this.bounds.idsPerGeneration) {
      this.generations.push({ keys: new Set(), timesMs: [], began: this.wallet.sequence - 1n })
      if (this.generations.length > 2)
        this.horizonMs = Math.max(this.horizonMs, ...this.generations.shift()!.timesMs)
    }
    this.generations.at(-1)!.keys.add(key)
    if (timeMs !== undefined) this.generations.at(-1)!.timesMs.push(timeMs)
  }

  /** Performs a command whose id is new, and records its event, accepted or refused. */
  private perform(command: Command, nowNs: bigint, reversed: Set<string>): Outcome {
    const outcome = isAboutAccount(command)
      ? this.performOnAccount(command)
      : command.kind === 'PostHold' || command.kind === 'VoidHold'
        ? this.performEnd(command, nowNs)
        : this.performMove(command, nowNs, reversed)
    this.record(nowNs)
    return outcome
  }

  private performOnAccount(command: Command): Outcome {
    const { accounts, scales } = this.wallet
    const id = formatId(command.debit!)
    const account = accounts.get(id)
    if (command.kind === 'OpenAccount') {
      const currency = command.currency!
      const scale = command.scale ?? 0
      if ((command.amount ?? 0n) < 0n) return 'amount_invalid'
      if (account !== undefined) return 'account_exists'
      if (accounts.size >= this.bounds.accountsMax) return 'accounts_full'
      if ((scales.get(currency) ?? scale) !== scale) return 'currency_scale_mismatch'
      scales.set(currency, scale)
      accounts.set(id, {
        currency,
        scale,
        overdraft: command.system === true ? -1n : (command.amount ?? 0n),
        status: 'open',
        version: 1n,
        debitsPosted: 0n,
        debitsPending: 0n,
        creditsPosted: 0n,
        creditsPending: 0n,
      })
      return 'AccountOpened'
    }
    if (account === undefined) return 'account_not_found'
    if (account.status === 'closed') return 'account_already_closed'
    if (command.kind === 'FreezeAccount' && account.status === 'frozen') return 'account_already_frozen'
    if (command.kind === 'UnfreezeAccount' && account.status === 'open') return 'account_not_frozen'
    if (command.kind === 'CloseAccount') {
      const pending = account.debitsPending + account.creditsPending
      if (pending !== 0n || account.debitsPosted !== account.creditsPosted) return 'account_not_empty'
    }
    account.version += 1n
    account.status =
      command.kind === 'FreezeAccount' ? 'frozen' : command.kind === 'UnfreezeAccount' ? 'open' : 'closed'
    return account.status === 'frozen'
      ? 'AccountFrozen'
      : account.status === 'open'
        ? 'AccountUnfrozen'
        : 'AccountClosed'
  }

  private performEnd(command: Command, nowNs: bigint): Outcome {
    const id = formatId(command.related!)
    const hold = this.wallet.holds.get(id)
    const asked = command.amount
    const posting = command.kind === 'PostHold'
    if (posting && asked !== undefined && asked <= 0n) return 'amount_invalid'
    if (hold === undefined) return 'hold_not_open'
    if (hold.expiresAt !== 0n && hold.expiresAt <= this.nextRecordedAt(nowNs)) return 'hold_not_open'
    if (!posting) {
      this.endHold(id, 0n)
      return 'HoldVoided'
    }
    if (this.wallet.accounts.get(hold.debit)!.status === 'frozen') return 'debit_account_frozen'
    if (this.wallet.accounts.get(hold.credit)!.status === 'frozen') return 'credit_account_frozen'
    if (asked !== undefined && asked > hold.amount) return 'amount_exceeds_hold'
    this.endHold(id, asked ?? hold.amount)
    return 'HoldPosted'
  }

  private endHold(id: string, posted: bigint): void {
    const hold = this.wallet.holds.get(id)!
    const debit = this.wallet.accounts.get(hold.debit)!
    const credit = this.wallet.accounts.get(hold.credit)!
    debit.version += 1n
    debit.debitsPending -= hold.amount
    debit.debitsPosted += posted
    credit.version += 1n
    credit.creditsPending -= hold.amount
    credit.creditsPosted += posted
    this.wallet.holds.delete(id)
  }

  private isCheckTooOld({ checkedSequence = 0n }: Command): boolean {
    return checkedSequence < this.generations[0]!.began
  }

  private performMove(command: Command, nowNs: bigint, reversed: Set<string>): Outcome {
    const { finding } = command
    if (finding === 'transfer_not_reversible') return finding
    if (finding === 'transfer_not_found') {
      const isKnown = this.generations.some(({ keys }) => keys.has(formatId(command.related!)))
      return isKnown || this.isCheckTooOld(command) ? 'reversal_unchecked' : finding
    }
    const debitId = formatId(command.debit!)
    const creditId = formatId(command.credit!)
    const debit = this.wallet.accounts.get(debitId)
    const credit = this.wallet.accounts.get(creditId)
    const amount = command.amount ?? 0n
    if (amount <= 0n) return 'amount_invalid'
    if (debitId === creditId) return 'same_account'
    if (debit === undefined) return 'debit_account_not_found'
    if (credit === undefined) return 'credit_account_not_found'
    if (debit.status === 'closed') return 'debit_account_closed'
    if (credit.status === 'closed') return 'credit_account_closed'
    if (debit.status === 'frozen') return 'debit_account_frozen'
    if (credit.status === 'frozen') return 'credit_account_frozen'
    if (debit.currency !== credit.currency) return 'currency_mismatch'
    if ((command.currency ?? debit.currency) !== debit.currency) return 'currency_mismatch'
    if (command.kind === 'ReverseTransfer') {
      const key = formatId(command.related!)
      if (!isUuidV7(command.related!)) return 'reversal_unchecked'
      if (finding === 'already_reversed') return finding
      if (reversed.has(key) || this.generations.some(({ keys }) => keys.has(`reversed ${key}`)))
        return 'already_reversed'
      if (this.isCheckTooOld(command)) return 'reversal_unchecked'
    }
    const available = debit.creditsPosted - debit.debitsPosted - debit.debitsPending + debit.overdraft
    if (debit.overdraft !== -1n && amount > available) return 'insufficient_funds'
    if (debit.debitsPosted + debit.debitsPending + amount > MOST) return 'balance_overflow'
    if (credit.creditsPosted + credit.creditsPending + amount > MOST) return 'balance_overflow'
    if (command.kind === 'PlaceHold' && this.wallet.holds.size >= this.bounds.holdsMax)
      return 'too_many_holds'
    debit.version += 1n
    credit.version += 1n
    if (command.kind !== 'PlaceHold') {
      debit.debitsPosted += amount
      credit.creditsPosted += amount
      return command.kind === 'Transfer' ? 'TransferPosted' : 'TransferReversed'
    }
    debit.debitsPending += amount
    credit.creditsPending += amount
    const deadline = this.nextRecordedAt(nowNs) + (command.timeoutNs ?? 0n)
    this.wallet.holds.set(formatId(command.id), {
      debit: debitId,
      credit: creditId,
      amount,
      expiresAt: command.timeoutNs === undefined ? 0n : deadline > MOST ? MOST : deadline,
      sequence: this.wallet.sequence + 1n,
    })
    return 'HoldPlaced'
  }
}

function isAboutAccount({ kind }: Command): boolean {
  return (
    kind === 'OpenAccount' ||
    kind === 'FreezeAccount' ||
    kind === 'UnfreezeAccount' ||
    kind === 'CloseAccount'
  )
}

/** Event kinds begin with a capital letter, refusals do not. */
export function isRefusal(outcome: Outcome): boolean {
  return /^[a-z]/.test(outcome)
}

function copy(wallet: Wallet): Wallet {
  return {
    ...wallet,
    accounts: new Map([...wallet.accounts].map(([id, account]) => [id, { ...account }])),
    scales: new Map(wallet.scales),
    holds: new Map(wallet.holds),
  }
}
