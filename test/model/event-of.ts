/** The event that answers a command, field by field, as docs/event-format.md and schemas/events.ts have it. */
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command, CommandKind } from '../../schemas/commands.ts'
import type { EventKind, Side, WalletEvent } from '../../schemas/events.ts'
import { fingerprintOf } from '../../schemas/fingerprint.ts'
import { formatId, isNilId, NIL_ID } from '../../schemas/ids.ts'
import { AMOUNT_MAX } from '../../schemas/limits.ts'
import type { Refusal } from '../../schemas/refusals.ts'
import { isAboutAccount, isBare, isEnding, leftToReverse } from './rules.ts'
import { availableOf, keyOf, type Account, type Hold, type Wallet } from './wallet.ts'

const DONE: Readonly<Partial<Record<CommandKind, EventKind>>> = {
  OpenAccount: 'AccountOpened',
  FreezeAccount: 'AccountFrozen',
  UnfreezeAccount: 'AccountUnfrozen',
  CloseAccount: 'AccountClosed',
  Transfer: 'TransferPosted',
  PlaceHold: 'HoldPlaced',
  PostHold: 'HoldPosted',
  VoidHold: 'HoldVoided',
  ExpireHold: 'HoldExpired',
  ReverseTransfer: 'TransferReversed',
  ChangeAccount: 'AccountChanged',
  ClaimId: 'IdClaimed',
}

/** What an event says beside its command. */
export interface Verdict {
  /** Undefined: it happens. */
  readonly refusal: Refusal | undefined
  readonly partition: number
  readonly atNs: bigint
  /** 1, 2, … within a linked group, else 0. */
  readonly linkIndex: number
}

/** The next event of the wallet, answering the command. Of its sides only the numbers are right: `Wallet.take` tells the rest. */
export function eventOf(command: Command, wallet: Wallet, verdict: Verdict): WalletEvent {
  const { kind } = command
  const { refusal, atNs } = verdict
  const hold = isEnding(kind) ? wallet.holds.get(keyOf(command.related!)) : undefined
  const { debit, credit } = accountsOf(command, wallet, hold)
  const isDone = refusal === undefined
  const newNumber = isDone && kind === 'OpenAccount' ? wallet.accounts.size + 1 : undefined
  // A group that is too long is refused without texts, so that its rows fit a frame however many they are.
  const withText = refusal !== 'linked_too_long'
  return {
    sequence: wallet.sequence + 1n,
    recordedAtNs: atNs,
    effectiveAtNs: command.effectiveAtNs ?? atNs,
    receivedAtNs: command.receivedAtNs ?? 0n,
    kind: isDone
      ? doneKind(command, wallet, hold, debit)
      : isAboutAccount(kind)
        ? 'AccountRefused'
        : 'TransferRefused',
    command: kind,
    refusal,
    transferId: command.id,
    relatedId: (isAboutAccount(kind) ? command.debit : command.related) ?? NIL_ID,
    reference: command.reference ?? NIL_ID,
    fingerprint: fingerprintOf(encodeCommands([command])),
    ...currencyOf(command, wallet, isDone, debit ?? credit),
    amount: isDone ? amountDone(command, hold, debit) : amountAsked(command),
    expiresAtNs: isDone ? leftOrDeadline(command, hold, atNs) : 0n,
    debit: sideOf(newNumber ?? debit?.number),
    credit: sideOf(credit?.number),
    code: command.code ?? 0,
    partition: verdict.partition,
    linkIndex: verdict.linkIndex,
    memo: withText ? (command.memo ?? '') : '',
    owner: withText ? (command.owner ?? '') : '',
    namedAccounts: isDone || !withText ? '' : namedAccounts(command, debit, credit),
  }
}

/** The event of a hold's expiry. No command asks for it: the hold is its id, the time its times. */
export function expiryOf(hold: Hold, wallet: Wallet, partition: number, atNs: bigint): WalletEvent {
  const { currency, scale } = wallet.accounts.get(hold.debit)!
  return {
    sequence: wallet.sequence + 1n,
    recordedAtNs: atNs,
    effectiveAtNs: atNs,
    receivedAtNs: atNs,
    kind: 'HoldExpired',
    command: 'ExpireHold',
    refusal: undefined,
    transferId: hold.id,
    relatedId: hold.id,
    reference: NIL_ID,
    fingerprint: 0n,
    currency,
    scale,
    amount: hold.amount,
    expiresAtNs: hold.expiresAtNs,
    debit: sideOf(hold.debit),
    credit: sideOf(hold.credit),
    code: 0,
    partition,
    linkIndex: 0,
    memo: '',
    owner: '',
    namedAccounts: '',
  }
}

/** The accounts that the event shows, those that there are. */
function accountsOf(
  command: Command,
  wallet: Wallet,
  hold: Hold | undefined,
): { readonly debit: Account | undefined; readonly credit: Account | undefined } {
  if (isEnding(command.kind))
    return {
      debit: wallet.accounts.get(hold?.debit ?? 0),
      credit: hold?.channel === undefined ? wallet.accounts.get(hold?.credit ?? 0) : undefined,
    }
  if (isAboutAccount(command.kind)) return { debit: wallet.find(command.debit), credit: undefined }
  if (isBare(command)) return { debit: undefined, credit: undefined }
  return { debit: wallet.find(command.debit), credit: wallet.find(command.credit) }
}

/** What happens is in its account's currency; a refusal says the one that was asked for, else its account's. */
function currencyOf(
  command: Command,
  wallet: Wallet,
  isDone: boolean,
  account: Account | undefined,
): { readonly currency: string; readonly scale: number } {
  const asked = isDone && account !== undefined ? undefined : command.currency
  const currency = asked ?? account?.currency ?? ''
  return { currency, scale: wallet.scales.get(currency) ?? command.scale ?? 0 }
}

/** A system account's limit is told as −1. */
function amountAsked({ kind, system, amount = 0n }: Command): bigint {
  return kind === 'OpenAccount' && system === true ? -1n : amount
}

/** What has happened says how much: of a hold what it came to, of a change the limit from then on, given or not. */
function amountDone(command: Command, hold: Hold | undefined, account: Account | undefined): bigint {
  const { kind, amount } = command
  if (hold !== undefined) return kind === 'VoidHold' ? hold.amount : (amount ?? hold.amount)
  return kind === 'ChangeAccount' ? (amount ?? account!.overdraftLimit) : amountAsked(command)
}

/** A part is posted and the rest kept, unless nothing would be left. */
function isPart({ keepOpen, amount }: Command, hold: Hold | undefined): boolean {
  return keepOpen === true && hold !== undefined && amount! < hold.amount
}

function doneKind(
  command: Command,
  wallet: Wallet,
  hold: Hold | undefined,
  debit: Account | undefined,
): EventKind {
  if (isPart(command, hold)) return 'HoldPostedInPart'
  if (command.kind !== 'ReverseTransfer') return DONE[command.kind]!
  const available = availableOf(wallet.accounts.get(debit!.number)!)
  if (available !== undefined && available < command.amount!) return 'TransferReversedByForce'
  return command.amount === leftToReverse(command) ? 'TransferReversed' : 'TransferReversedInPart'
}

/** What is left of a hold or of a transfer; of a new hold, when it expires. */
function leftOrDeadline(command: Command, hold: Hold | undefined, atNs: bigint): bigint {
  if (isPart(command, hold)) return hold!.amount - command.amount!
  if (command.kind === 'ReverseTransfer') return leftToReverse(command) - command.amount!
  return command.kind === 'PlaceHold' ? deadline(command, atNs) : 0n
}

/** When a hold expires: 0n if never, and no later than can be told. */
export function deadline({ timeoutNs }: Pick<Command, 'timeoutNs'>, atNs: bigint): bigint {
  if (timeoutNs === undefined) return 0n
  return atNs + timeoutNs > AMOUNT_MAX ? AMOUNT_MAX : atNs + timeoutNs
}

/** `debit,credit` ids that a refused move names and that have no account; empty if both have one. */
function namedAccounts(command: Command, debit: Account | undefined, credit: Account | undefined): string {
  const { kind } = command
  if (isAboutAccount(kind) || isEnding(kind) || isNilId(command.debit ?? NIL_ID)) return ''
  if (debit !== undefined && credit !== undefined) return ''
  return `${debit === undefined ? formatId(command.debit!) : ''},${credit === undefined ? formatId(command.credit!) : ''}`
}

function sideOf(number = 0): Side {
  return { number, version: 0n, debitsPosted: 0n, debitsPending: 0n, creditsPosted: 0n, creditsPending: 0n }
}
