/** The events of crossings, field by field, as schemas/events.ts has them. Of their sides only the numbers are right. */
import type { Command } from '../../schemas/commands.ts'
import { formatCrossing, transitAccountId } from '../../schemas/crossing.ts'
import { EVENT_KINDS, type EventKind, type WalletEvent } from '../../schemas/events.ts'
import { NIL_ID } from '../../schemas/ids.ts'
import { REFUSAL_CODES, type Refusal } from '../../schemas/refusals.ts'
import type { Sent } from './crossings.ts'
import type { Account, Wallet } from './wallet.ts'

export const NO_SIDE = {
  number: 0,
  version: 0n,
  debitsPosted: 0n,
  debitsPending: 0n,
  creditsPosted: 0n,
  creditsPending: 0n,
}

/** When and where an event is recorded. */
interface Place {
  readonly wallet: Wallet
  readonly partition: number
  readonly atNs: bigint
}

/** Accounts by number; 0: none. */
interface Accounts {
  readonly debit: number
  readonly credit: number
}

/** The opening of the account for money in transit: nobody asked for it. */
export function transitOpening({ currency, scale }: Account, partitions: number, place: Place): WalletEvent {
  const id = transitAccountId(currency, place.partition, partitions)
  const number = place.wallet.accounts.size + 1
  return {
    ...bareEvent('AccountOpened', place),
    command: 'TimeStep', transferId: id, relatedId: id, currency, scale, amount: -1n,
    effectiveAtNs: place.atNs, receivedAtNs: place.atNs, debit: { ...NO_SIDE, number }, owner: 'in transit',
  } // prettier-ignore
}

/** The event that answers a step. */
export function stepEvent(
  kind: EventKind,
  command: Command,
  accounts: Accounts | undefined,
  place: Place,
  more: {
    readonly refusal?: Refusal | undefined
    readonly again?: EventKind
    readonly amount?: bigint
    readonly expiresAtNs?: bigint
  } = {},
): WalletEvent {
  const step = command.step!
  const told = kind === 'TransferCancelled' || kind === 'TransferCompensated'
  return {
    ...bareEvent(kind, place),
    command: command.kind,
    refusal: more.refusal,
    transferId: command.id,
    relatedId: command.related ?? NIL_ID,
    reference: command.reference ?? NIL_ID,
    fingerprint: told
      ? BigInt(REFUSAL_CODES[step.refusal ?? 'transfer_timed_out'])
      : more.again === undefined
        ? 0n
        : BigInt(EVENT_KINDS[more.again]),
    effectiveAtNs: command.effectiveAtNs!,
    receivedAtNs: command.receivedAtNs ?? 0n,
    currency: command.currency!,
    scale: step.scale,
    amount: more.amount ?? command.amount!,
    expiresAtNs: more.expiresAtNs ?? 0n,
    debit: { ...NO_SIDE, number: accounts?.debit ?? 0 },
    credit: { ...NO_SIDE, number: accounts?.credit ?? 0 },
    code: command.code ?? 0,
    memo: command.memo ?? '',
    namedAccounts: formatCrossing({ ...step, debit: command.debit!, credit: command.credit! }),
  }
}

/** What time makes of a crossing: all that its first event said but the memo. */
export function timerEvent(kind: EventKind, sent: Sent, namedAccounts: string, place: Place): WalletEvent {
  const { first } = sent
  const moves = kind === 'TransferCancelled'
  const isReminder = kind === 'TransferReminded'
  return {
    ...first,
    ...bareEvent(kind, place),
    command: 'TimeStep',
    transferId: first.transferId,
    reference: first.reference,
    fingerprint: isReminder ? sent.last : moves ? BigInt(REFUSAL_CODES.transfer_timed_out) : 0n,
    effectiveAtNs: first.effectiveAtNs,
    receivedAtNs: first.receivedAtNs,
    currency: first.currency,
    scale: first.scale,
    amount: first.amount,
    debit: moves ? first.debit : NO_SIDE,
    credit: moves ? first.credit : NO_SIDE,
    code: first.code,
    linkIndex: isReminder ? Math.min(sent.reminded + 1, 65_535) : 0,
    namedAccounts,
  }
}

export function bareEvent(kind: EventKind, { wallet, partition, atNs }: Place): WalletEvent {
  return {
    sequence: wallet.sequence + 1n,
    recordedAtNs: atNs,
    effectiveAtNs: atNs,
    receivedAtNs: 0n,
    kind,
    command: 'TimeStep',
    refusal: undefined,
    transferId: NIL_ID,
    relatedId: NIL_ID,
    reference: NIL_ID,
    fingerprint: 0n,
    currency: '',
    scale: 0,
    amount: 0n,
    expiresAtNs: 0n,
    debit: NO_SIDE,
    credit: NO_SIDE,
    code: 0,
    partition,
    linkIndex: 0,
    memo: '',
    owner: '',
    namedAccounts: '',
  }
}
