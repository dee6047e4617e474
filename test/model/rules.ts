/** The rules of docs/refusals.md, in the order of its table: why a command with a new id is refused, if it is. */
import type { Command, CommandKind, Coordination } from '../../schemas/commands.ts'
import type { Condition } from '../../schemas/conditions.ts'
import { isUuidV7, sameId } from '../../schemas/ids.ts'
import { AMOUNT_MAX } from '../../schemas/limits.ts'
import type { Refusal } from '../../schemas/refusals.ts'
import type { UsedIds } from './used-ids.ts'
import { availableOf, keyOf, type Account, type Wallet } from './wallet.ts'

export interface ModelBounds {
  readonly accountsMax: number
  readonly holdsMax: number
  readonly idsPerGeneration: number
  /** Of transfers across partitions; as the core's options, with the same defaults. */
  readonly partitions?: number
  readonly transferDeadlineMs?: number
  readonly coordination?: Coordination
}

/** What a command is judged by. */
export interface Situation {
  readonly wallet: Wallet
  readonly used: UsedIds
  readonly bounds: ModelBounds
  /** Keys of the transfers that earlier members of the same linked group reverse: true if they left nothing. */
  readonly reversedInGroup: ReadonlyMap<string, boolean>
  /** Time that the next event carries. */
  readonly atNs: bigint
  /** True of a command that is decided as a member of a linked group. */
  readonly isMember: boolean
}

export function isAboutAccount(kind: CommandKind): boolean {
  return kind.endsWith('Account')
}

export function isEnding(kind: CommandKind): boolean {
  return kind === 'PostHold' || kind === 'VoidHold'
}

/** True for a reversal of what a door found not to be there: nothing is filled in. */
export function isBare({ finding }: Command): boolean {
  return finding === 'transfer_not_found' || finding === 'transfer_not_reversible'
}

/** Why the command is refused, judged by itself; undefined: it happens. */
export function refusalOf(command: Command, situation: Situation): Refusal | undefined {
  if (command.kind === 'ClaimId') return undefined
  if (command.kind === 'OpenAccount') return refuseOpening(command, situation)
  if (command.kind === 'ChangeAccount') return refuseChange(command, situation)
  if (isAboutAccount(command.kind)) return refuseStatus(command, situation)
  if (isEnding(command.kind)) {
    const { holds, accounts } = situation.wallet
    const hold = holds.get(keyOf(command.related!))
    const { debit, credit } = hold ?? { debit: 0, credit: 0 }
    const isAcross = hold?.channel !== undefined
    return (
      refuseEnding(command, situation) ??
      refuseCondition(
        isAcross ? { ...command, ifCredit: undefined } : command,
        accounts.get(debit)!,
        accounts.get(credit)!,
      ) ??
      // By itself, and with no look at an account that lives elsewhere.
      (isAcross && (situation.isMember || command.ifCredit !== undefined) ? 'hold_across' : undefined)
    )
  }
  return isBare(command) ? refuseBare(command, situation) : refuseMove(command, situation)
}

function refuseOpening(command: Command, { wallet, bounds }: Situation): Refusal | undefined {
  if ((command.amount ?? 0n) < 0n) return 'amount_invalid'
  if (wallet.find(command.debit) !== undefined) return 'account_exists'
  if (wallet.accounts.size >= bounds.accountsMax) return 'accounts_full'
  const scale = wallet.scales.get(command.currency!)
  return scale !== undefined && scale !== command.scale ? 'currency_scale_mismatch' : undefined
}

/** A system account has no limit to be changed, and no limit may be below what is drawn or held. */
function refuseChange({ debit, amount: limit }: Command, { wallet }: Situation): Refusal | undefined {
  if (limit !== undefined && limit < 0n) return 'amount_invalid'
  const account = wallet.find(debit)
  if (account === undefined) return 'account_not_found'
  if (account.status === 'closed') return 'account_already_closed'
  if (limit === undefined) return undefined
  const available = availableOf({ ...account, overdraftLimit: account.overdraftLimit < 0n ? -1n : limit })
  if (available === undefined) return 'account_is_system'
  return available < 0n ? 'overdraft_in_use' : undefined
}

function refuseStatus(command: Command, { wallet }: Situation): Refusal | undefined {
  const account = wallet.find(command.debit)
  if (account === undefined) return 'account_not_found'
  const { status, debitsPosted, debitsPending, creditsPosted, creditsPending } = account
  if (status === 'closed') return 'account_already_closed'
  if (command.kind === 'FreezeAccount') return status === 'frozen' ? 'account_already_frozen' : undefined
  if (command.kind === 'UnfreezeAccount') return status === 'frozen' ? undefined : 'account_not_frozen'
  const isEmpty = debitsPosted === creditsPosted && debitsPending === 0n && creditsPending === 0n
  return isEmpty ? undefined : 'account_not_empty'
}

function refuseEnding(command: Command, { wallet, atNs }: Situation): Refusal | undefined {
  const isPost = command.kind === 'PostHold'
  const asked = command.amount
  if (isPost && asked !== undefined && asked <= 0n) return 'amount_invalid'
  const hold = wallet.holds.get(keyOf(command.related!))
  // One that is due is over, whether or not its expiry has been recorded.
  if (hold === undefined || (hold.expiresAtNs !== 0n && hold.expiresAtNs <= atNs)) return 'hold_not_open'
  if (!isPost) return undefined
  if (wallet.accounts.get(hold.debit)!.status === 'frozen') return 'debit_account_frozen'
  if (wallet.accounts.get(hold.credit)!.status === 'frozen') return 'credit_account_frozen'
  return asked !== undefined && asked > hold.amount ? 'amount_exceeds_hold' : undefined
}

/** What has to hold of its accounts right before a command that nothing else speaks against. */
function refuseCondition(
  { ifDebit, ifCredit }: Command,
  debit: Account,
  credit: Account,
): Refusal | undefined {
  return isMet(ifDebit, debit) && isMet(ifCredit, credit) ? undefined : 'condition_failed'
}

/** True if there is no condition, or the account meets it. */
export function isMet(condition: Condition | undefined, account: Account): boolean {
  if (condition === undefined) return true
  if ('version' in condition) return account.version === condition.version
  const available = availableOf(account)
  return available === undefined || available >= condition.availableAtLeast
}

/** What a door found to be no transfer is none, unless it may have been made behind what the door saw. */
function refuseBare({ finding, related, checkedSequence = 0n }: Command, { used }: Situation): Refusal {
  if (finding === 'transfer_not_reversible') return finding
  const isUnchecked = used.isRemembered(related!) || used.mayHaveForgotten(checkedSequence)
  return isUnchecked ? 'reversal_unchecked' : 'transfer_not_found'
}

function refuseMove(command: Command, situation: Situation): Refusal | undefined {
  const { wallet, bounds } = situation
  const amount = command.amount ?? 0n
  if (amount <= 0n) return 'amount_invalid'
  if (command.kind === 'ReverseTransfer' && amount > leftToReverse(command)) return 'amount_exceeds_transfer'
  if (sameId(command.debit!, command.credit!)) return 'same_account'
  const debit = wallet.find(command.debit)
  const credit = wallet.find(command.credit)
  if (debit === undefined) return 'debit_account_not_found'
  if (credit === undefined) return 'credit_account_not_found'
  if (debit.status === 'closed') return 'debit_account_closed'
  if (credit.status === 'closed') return 'credit_account_closed'
  if (debit.status === 'frozen') return 'debit_account_frozen'
  if (credit.status === 'frozen') return 'credit_account_frozen'
  if (debit.currency !== credit.currency) return 'currency_mismatch'
  if (command.currency !== undefined && command.currency !== debit.currency) return 'currency_mismatch'
  const reversal = command.kind === 'ReverseTransfer' ? refuseReversal(command, situation) : undefined
  if (reversal !== undefined) return reversal
  const available = availableOf(debit)
  const isForced = command.kind === 'ReverseTransfer' && command.force === true
  if (available !== undefined && amount > available && !isForced) return 'insufficient_funds'
  if (debit.debitsPosted + debit.debitsPending + amount > AMOUNT_MAX) return 'balance_overflow'
  if (credit.creditsPosted + credit.creditsPending + amount > AMOUNT_MAX) return 'balance_overflow'
  if (command.kind === 'PlaceHold' && wallet.holds.size + wallet.crossings.holding() >= bounds.holdsMax)
    return 'too_many_holds'
  return refuseCondition(command, debit, credit)
}

/** What a door saw to be left of the transfer; where it does not say, all that is asked for. */
export function leftToReverse({ leftToReverse: left = 0n, amount = 0n }: Command): bigint {
  return left === 0n ? amount : left
}

/** A transfer is reversed once, at once or in parts. Whoever asks has looked into a view, and found no reversal up to the checked sequence. */
function refuseReversal(command: Command, { used, reversedInGroup }: Situation): Refusal | undefined {
  const related = command.related!
  // No transfer has such an id, so no view can have been asked about it.
  if (!isUuidV7(related)) return 'reversal_unchecked'
  if (command.finding === 'already_reversed') return command.finding
  const inGroup = reversedInGroup.get(keyOf(related))
  if (inGroup === true || used.isReversed(related)) return 'already_reversed'
  // The next part of it finds less left than this one was told.
  if (inGroup === false || used.isPartReversed(related, leftToReverse(command))) return 'reversal_unchecked'
  return used.mayHaveForgotten(command.checkedSequence ?? 0n) ? 'reversal_unchecked' : undefined
}
