/** The rules of docs/refusals.md, in their order, on the model's plain state: what a command with a new id comes to. */
import type { Command, CommandKind } from '../../schemas/commands.ts'
import type { EventKind } from '../../schemas/events.ts'
import { isUuidV7, type Id } from '../../schemas/ids.ts'
import { AMOUNT_MAX } from '../../schemas/limits.ts'
import type { Refusal } from '../../schemas/refusals.ts'
import { keyOf, type ModelAccount, type UsedIds, type Wallet } from './model-state.ts'

export interface ModelBounds {
  readonly accountsMax: number
  readonly holdsMax: number
  readonly idsPerGeneration: number
}

/** What a command comes to, and the accounts that its event shows, if they exist. */
export interface Verdict {
  readonly kind: EventKind
  /** Undefined: it happens. */
  readonly refusal: Refusal | undefined
  readonly debit: string | undefined
  readonly credit: string | undefined
  readonly amount: bigint
  readonly expiresAt: bigint
}

export function isAboutAccount(kind: CommandKind): boolean {
  return kind.endsWith('Account')
}

export function isEnding(kind: CommandKind): boolean {
  return kind === 'PostHold' || kind === 'VoidHold'
}

export interface Judging {
  readonly wallet: Wallet
  readonly used: UsedIds
  readonly bounds: ModelBounds
  /** Transfers that earlier members of the same group reverse. */
  readonly reversedInGroup: ReadonlySet<string>
  /** Time that the next event carries. */
  readonly atNs: bigint
  /** What the event says: where the core may have forgotten a reversal, either answer is right. */
  readonly seen: Refusal | undefined
}

const DONE: Readonly<Partial<Record<CommandKind, EventKind>>> = {
  OpenAccount: 'AccountOpened',
  FreezeAccount: 'AccountFrozen',
  UnfreezeAccount: 'AccountUnfrozen',
  CloseAccount: 'AccountClosed',
  Transfer: 'TransferPosted',
  PlaceHold: 'HoldPlaced',
  PostHold: 'HoldPosted',
  VoidHold: 'HoldVoided',
  ReverseTransfer: 'TransferReversed',
}

/** Judges one command by itself. Changes nothing. */
export function judge(command: Command, judging: Judging): Verdict {
  const { wallet, atNs } = judging
  const asked = amountAsked(command)
  if (isAboutAccount(command.kind)) {
    const debit = keyOf(command.debit!)
    return verdict(command, refuseAccount(command, judging), debit, undefined, asked, 0n)
  }
  if (isEnding(command.kind)) {
    const hold = wallet.holds.get(keyOf(command.related!))
    const refusal = refuseEnding(command, judging)
    const isWhole = command.kind === 'VoidHold' || command.amount === undefined
    const amount = refusal === undefined && isWhole ? hold!.amount : asked
    return verdict(command, refusal, hold?.debit, hold?.credit, amount, 0n)
  }
  const debit = isBare(command) ? undefined : keyOf(command.debit!)
  const credit = isBare(command) ? undefined : keyOf(command.credit!)
  const refusal = refuseAbsence(command, judging) ?? refuseMove(command, judging)
  const { timeoutNs } = command
  const expires = command.kind === 'PlaceHold' && refusal === undefined && timeoutNs !== undefined
  const deadline = atNs + (timeoutNs ?? 0n)
  const expiresAt = !expires ? 0n : deadline > AMOUNT_MAX ? AMOUNT_MAX : deadline
  return verdict(command, refusal, debit, credit, asked, expiresAt)
}

/** The verdict on a member of a group that does not happen. */
export function refused(command: Command, judging: Judging, refusal: Refusal): Verdict {
  const { kind } = command
  const hold = isEnding(kind) ? judging.wallet.holds.get(keyOf(command.related!)) : undefined
  const isNamed = !isEnding(kind) && !isBare(command)
  const debit = isNamed ? keyOf(command.debit!) : hold?.debit
  const credit = isNamed ? keyOf(command.credit!) : hold?.credit
  return verdict(command, refusal, debit, credit, amountAsked(command), 0n)
}

/** What the event says was asked: a system account's limit is told as −1. */
function amountAsked({ kind, system, amount = 0n }: Command): bigint {
  return kind === 'OpenAccount' && system === true ? -1n : amount
}

function verdict(
  command: Command,
  refusal: Refusal | undefined,
  debit: string | undefined,
  credit: string | undefined,
  amount: bigint,
  expiresAt: bigint,
): Verdict {
  const refusedKind = isAboutAccount(command.kind) ? 'AccountRefused' : 'TransferRefused'
  return {
    kind: refusal === undefined ? DONE[command.kind]! : refusedKind,
    refusal,
    debit,
    credit,
    amount,
    expiresAt,
  }
}

function refuseAccount(command: Command, { wallet, bounds }: Judging): Refusal | undefined {
  const account = wallet.accounts.get(keyOf(command.debit!))
  if (command.kind === 'OpenAccount') {
    if ((command.amount ?? 0n) < 0n) return 'amount_invalid'
    if (account !== undefined) return 'account_exists'
    if (wallet.accounts.size >= bounds.accountsMax) return 'accounts_full'
    const scale = wallet.scales.get(command.currency!)
    return scale !== undefined && scale !== (command.scale ?? 0) ? 'currency_scale_mismatch' : undefined
  }
  if (account === undefined) return 'account_not_found'
  if (account.status === 'closed') return 'account_already_closed'
  if (command.kind === 'FreezeAccount')
    return account.status === 'frozen' ? 'account_already_frozen' : undefined
  if (command.kind === 'UnfreezeAccount')
    return account.status === 'frozen' ? undefined : 'account_not_frozen'
  const isEmpty =
    account.debitsPosted === account.creditsPosted &&
    account.debitsPending === 0n &&
    account.creditsPending === 0n
  return isEmpty ? undefined : 'account_not_empty'
}

function refuseEnding(command: Command, { wallet, atNs }: Judging): Refusal | undefined {
  const isPost = command.kind === 'PostHold'
  const asked = command.amount
  if (isPost && asked !== undefined && asked <= 0n) return 'amount_invalid'
  const hold = wallet.holds.get(keyOf(command.related!))
  if (hold === undefined || (hold.expiresAt !== 0n && hold.expiresAt <= atNs)) return 'hold_not_open'
  if (!isPost) return undefined
  if (wallet.accounts.get(hold.debit)!.status === 'frozen') return 'debit_account_frozen'
  if (wallet.accounts.get(hold.credit)!.status === 'frozen') return 'credit_account_frozen'
  return asked !== undefined && asked > hold.amount ? 'amount_exceeds_hold' : undefined
}

function refuseMove(command: Command, judging: Judging): Refusal | undefined {
  const { wallet, bounds } = judging
  const amount = command.amount ?? 0n
  if (amount <= 0n) return 'amount_invalid'
  if (keyOf(command.debit!) === keyOf(command.credit!)) return 'same_account'
  const debit = wallet.accounts.get(keyOf(command.debit!))
  const credit = wallet.accounts.get(keyOf(command.credit!))
  if (debit === undefined) return 'debit_account_not_found'
  if (credit === undefined) return 'credit_account_not_found'
  if (debit.status === 'closed') return 'debit_account_closed'
  if (credit.status === 'closed') return 'credit_account_closed'
  if (debit.status === 'frozen') return 'debit_account_frozen'
  if (credit.status === 'frozen') return 'credit_account_frozen'
  if (debit.currency !== credit.currency) return 'currency_mismatch'
  if (command.currency !== undefined && command.currency !== debit.currency) return 'currency_mismatch'
  if (command.kind === 'ReverseTransfer') {
    if (command.finding === 'already_reversed') return command.finding
    const reversal = refuseReversal(command.related!, command.checkedSequence ?? 0n, judging)
    if (reversal !== undefined) return reversal
  }
  if (debit.overdraft !== -1n && amount > availableOf(debit)) return 'insufficient_funds'
  if (debit.debitsPosted + debit.debitsPending + amount > AMOUNT_MAX) return 'balance_overflow'
  if (credit.creditsPosted + credit.creditsPending + amount > AMOUNT_MAX) return 'balance_overflow'
  if (command.kind === 'PlaceHold' && wallet.holds.size >= bounds.holdsMax) return 'too_many_holds'
  return undefined
}

/** True for a reversal of what the door found not to be there: nothing is filled in. */
export function isBare({ finding }: Command): boolean {
  return finding === 'transfer_not_found' || finding === 'transfer_not_reversible'
}

/** What a door found to be no transfer is none; unless it may have been made behind what the door saw. */
function refuseAbsence(command: Command, { used, seen }: Judging): Refusal | undefined {
  if (!isBare(command)) return undefined
  const { finding, checkedSequence = 0n } = command
  if (finding === 'transfer_not_reversible') return finding
  const isKnown = used.first.has(keyOf(command.related!))
  const forgotten = used.forgottenSequence()
  if (isKnown && forgotten === 0n) return 'reversal_unchecked'
  return (isKnown || checkedSequence < forgotten) && seen === 'reversal_unchecked' ? seen : finding
}

/** A transfer is reversed once. Whoever asks has looked into a view up to `checked`, and found no reversal there. */
function refuseReversal(
  related: Id,
  checked: bigint,
  { used, reversedInGroup, seen }: Judging,
): Refusal | undefined {
  if (!isUuidV7(related)) return 'reversal_unchecked'
  const key = keyOf(related)
  if (reversedInGroup.has(key)) return 'already_reversed'
  if (checked < used.forgottenSequence() && seen === 'reversal_unchecked') return seen
  return used.reversed.has(key) ? 'already_reversed' : undefined
}

/** `balance − held + overdraft limit`; only of accounts that have a limit. */
export function availableOf(account: ModelAccount): bigint {
  return account.creditsPosted - account.debitsPosted - account.debitsPending + account.overdraft
}
