/** One partition's part in transfers across partitions: commands and time in, events out, in the plainest way. */
import type { Command } from '../../schemas/commands.ts'
import { formatCrossing, parseCrossing, transitAccountId } from '../../schemas/crossing.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import { sameId } from '../../schemas/ids.ts'
import { AMOUNT_MAX, TRANSFER_DEADLINE_MS_DEFAULT } from '../../schemas/limits.ts'
import type { Refusal } from '../../schemas/refusals.ts'
import { stepEvent, timerEvent, transitOpening } from './crossing-events.ts'
import { reactionOf, timelyEvent } from './crossings.ts'
import { deadline, eventOf } from './event-of.ts'
import { isMet, type ModelBounds } from './rules.ts'
import { availableOf, type Account, type Wallet } from './wallet.ts'

/** What is decided upon, and where. */
export interface Place {
  readonly wallet: Wallet
  readonly partition: number
  readonly bounds: ModelBounds
  /** Time of the next event. */
  readonly atNs: () => bigint
}

export const STEPS_TO_SOURCE: ReadonlySet<string> = new Set([
  'ConfirmTransfer',
  'CancelTransfer',
  'CompleteTransfer',
])
export const STEPS_TO_DESTINATION: ReadonlySet<string> = new Set([
  'TryCredit',
  'CreditTransfer',
  'CancelCredit',
  'DrawCredit',
])

/** Decides a transfer or hold whose credit account lives elsewhere. The last event is its own; the opening of a transit account may come first. */
export function decideAcross(command: Command, place: Place): WalletEvent[] {
  const { wallet, partition, bounds } = place
  const isHold = command.kind === 'PlaceHold'
  const isSaga = !isHold && (command.coordination ?? bounds.coordination ?? 'tcc') === 'saga'
  const refusal = refuseAcross(command, isSaga, place)
  if (refusal !== undefined)
    return [wallet.take(eventOf(command, wallet, { refusal, partition, atNs: place.atNs(), linkIndex: 0 }))]
  const debit = wallet.find(command.debit)!
  const { opened, transit } = transitFor(debit, place)
  const atNs = place.atNs()
  const event = eventOf(command, wallet, { refusal, partition, atNs, linkIndex: 0 })
  const channel = wallet.crossings.freeChannel()!
  const begun = wallet.take({
    ...event,
    kind: isHold ? 'HoldReserved' : isSaga ? 'TransferDebited' : 'TransferReserved',
    expiresAtNs: atNs + BigInt(bounds.transferDeadlineMs ?? TRANSFER_DEADLINE_MS_DEFAULT) * 1_000_000n,
    credit: wallet.side(transit.number),
    namedAccounts: formatCrossing({
      debit: command.debit!, credit: command.credit!, source: partition, channel,
      turn: (wallet.crossings.turns.get(channel) ?? 0) + 1, answers: command.timeoutNs ?? 0n,
    }),
  }) // prettier-ignore
  return [...opened, begun]
}

/** Decides a step. No event: it changes nothing. */
export function decideStep(command: Command, place: Place): WalletEvent[] {
  if (STEPS_TO_SOURCE.has(command.kind)) return decideAtSource(command, place)
  const { wallet, partition } = place
  const reaction = wallet.crossings.reactionTo(command)
  if (reaction === undefined) return []
  const known = wallet.crossings.receivedFor(command)
  const credit = wallet.find(command.credit)
  if (reaction.kind === 'again') {
    const refusal = reaction.event === 'CreditRefused' ? known!.refusal : undefined
    const seen =
      refusal === undefined || credit === undefined ? undefined : { debit: 0, credit: credit.number }
    const more = { refusal, again: reaction.event }
    return [wallet.take(stepEvent('StepAnswered', command, seen, { wallet, partition, atNs: place.atNs() }, more))] // prettier-ignore
  }
  if (reaction.kind === 'event') {
    const isDraw = reaction.event === 'CreditDrawn'
    const from = isDraw ? wallet.crossings.receivedHold(command.step!, command.step!.ofHold!) : known
    // Nobody draws upon what is not reserved.
    if (isDraw && (from === undefined || from.left < command.amount!)) return []
    const isNothing = from === undefined || (reaction.event === 'CreditCancelled' && command.amount === 0n)
    const accounts = isNothing
      ? undefined
      : { debit: from.event.debit.number, credit: from.event.credit.number }
    const more = isDraw ? { expiresAtNs: command.step!.ofHold! } : {}
    return [wallet.take(stepEvent(reaction.event, command, accounts, { wallet, partition, atNs: place.atNs() }, more))] // prettier-ignore
  }
  const refusal = refuseCredit(command, credit, place)
  if (refusal !== undefined) {
    const seen = { debit: 0, credit: credit?.number ?? 0 }
    return [wallet.take(stepEvent('CreditRefused', command, seen, { wallet, partition, atNs: place.atNs() }, { refusal }))] // prettier-ignore
  }
  const { opened, transit } = transitFor(credit!, place)
  const accounts = { debit: transit.number, credit: credit!.number }
  return [...opened, wallet.take(stepEvent(reaction.event, command, accounts, { wallet, partition, atNs: place.atNs() }))] // prettier-ignore
}

function decideAtSource(command: Command, { wallet, partition, atNs }: Place): WalletEvent[] {
  const sent = command.step!.source === partition ? wallet.crossings.sentFor(command) : undefined
  const draws = wallet.crossings.draws(command.step!.channel)
  const kind = sent === undefined ? undefined : reactionOf(sent, command.kind, draws)
  if (sent === undefined || kind === undefined) return []
  const isSaga = sent.first.kind === 'TransferDebited'
  const moves =
    kind !== 'CancelAcknowledged' &&
    kind !== 'ReleaseCompleted' &&
    kind !== 'HoldConfirmed' &&
    (kind !== 'TransferCompleted' || isSaga)
  const accounts = moves ? { debit: sent.first.debit.number, credit: sent.first.credit.number } : undefined
  const { amount } = sent.first
  const expiresAtNs = kind === 'HoldConfirmed' ? expiryAt(sent.first, atNs()) : 0n
  return [
    wallet.take(
      stepEvent(kind, command, accounts, { wallet, partition, atNs: atNs() }, { amount, expiresAtNs }),
    ),
  ]
}

/** When a hold that both sides have come to hold expires: its timeout stands where its first event answers nothing. */
function expiryAt({ namedAccounts }: WalletEvent, atNs: bigint): bigint {
  const { answers } = parseCrossing(namedAccounts)!
  return answers === 0n ? 0n : deadline({ timeoutNs: answers }, atNs)
}

/** What time makes of the crossing that has waited longest; undefined: none has waited too long. */
export function decideTimely({ wallet, partition, atNs }: Place): WalletEvent | undefined {
  const sent = wallet.crossings.silent(atNs())
  if (sent === undefined) return undefined
  const text = formatCrossing({ ...parseCrossing(sent.first.namedAccounts)!, answers: 0n })
  const at = { wallet, partition, atNs: atNs() }
  return wallet.take(timerEvent(timelyEvent(sent, atNs()), sent, text, at))
}

function refuseAcross(command: Command, isSaga: boolean, place: Place): Refusal | undefined {
  const { wallet } = place
  const { amount = 0n } = command
  if (amount <= 0n) return 'amount_invalid'
  const debit = wallet.find(command.debit)
  if (debit !== undefined && !hasRoom(debit, place)) return 'accounts_full'
  if (sameId(command.debit!, command.credit!)) return 'same_account'
  if (debit === undefined) return 'debit_account_not_found'
  if (debit.status !== 'open')
    return debit.status === 'closed' ? 'debit_account_closed' : 'debit_account_frozen'
  if (command.currency !== undefined && command.currency !== debit.currency) return 'currency_mismatch'
  const available = availableOf(debit)
  if (available !== undefined && amount > available) return 'insufficient_funds'
  const transit = transitOf(debit, place)
  const more = [debitsOf(debit), creditsOf(transit)]
  if (isSaga) more.push(creditsOf(debit), debitsOf(transit))
  if (more.some((total) => total + amount > AMOUNT_MAX)) return 'balance_overflow'
  const holds = wallet.holds.size + wallet.crossings.holding()
  if (command.kind === 'PlaceHold' && holds >= place.bounds.holdsMax) return 'too_many_holds'
  if (!isMet(command.ifDebit, debit)) return 'condition_failed'
  return wallet.crossings.freeChannel() === undefined ? 'too_many_in_transit' : undefined
}

function refuseCredit(command: Command, credit: Account | undefined, place: Place): Refusal | undefined {
  if (credit === undefined) return 'credit_account_not_found'
  if (!hasRoom(credit, place)) return 'accounts_full'
  const isSame = command.currency === credit.currency
  if (isSame && command.step!.scale !== credit.scale) return 'currency_scale_mismatch'
  if (credit.status !== 'open')
    return credit.status === 'closed' ? 'credit_account_closed' : 'credit_account_frozen'
  if (!isSame) return 'currency_mismatch'
  const totals = [debitsOf(transitOf(credit, place)), creditsOf(credit)]
  return totals.some((total) => total + command.amount! > AMOUNT_MAX) ? 'balance_overflow' : undefined
}

function debitsOf(account: Account | undefined): bigint {
  return account === undefined ? 0n : account.debitsPosted + account.debitsPending
}

function creditsOf(account: Account | undefined): bigint {
  return account === undefined ? 0n : account.creditsPosted + account.creditsPending
}

function transitOf({ currency }: Account, { wallet, partition, bounds }: Place): Account | undefined {
  return wallet.find(transitAccountId(currency, partition, bounds.partitions ?? 1))
}

function hasRoom(account: Account, place: Place): boolean {
  return transitOf(account, place) !== undefined || place.wallet.accounts.size < place.bounds.accountsMax
}

/** The transit account of an account's currency, opened if this is its first use. */
function transitFor(
  account: Account,
  place: Place,
): { readonly opened: readonly WalletEvent[]; readonly transit: Account } {
  const known = transitOf(account, place)
  if (known !== undefined) return { opened: [], transit: known }
  const { wallet, partition, bounds } = place
  const at = { wallet, partition, atNs: place.atNs() }
  const opened = wallet.take(transitOpening(account, bounds.partitions ?? 1, at))
  return { opened: [opened], transit: transitOf(account, place)! }
}
