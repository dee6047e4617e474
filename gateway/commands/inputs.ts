/**
 * The fields of each command's input, in one table. The GraphQL input types are made from it, and bulk HTTP reads by
 * it. So a field has one name, one type and one description at every door.
 */
import { LINKED_TRANSFERS_MAX, MEMO_BYTES_MAX, OWNER_BYTES_MAX } from '../../schemas/limits.ts'
import type { CommandKind } from '../../schemas/commands.ts'
import type { ValueType } from './values.ts'

export interface InputField {
  readonly type: ValueType
  readonly required: boolean
  readonly description: string
}

/** The kinds of commands that clients may send: the name outside, and the command it stands for. */
export const CLIENT_KINDS = {
  openAccount: 'OpenAccount',
  freezeAccount: 'FreezeAccount',
  unfreezeAccount: 'UnfreezeAccount',
  closeAccount: 'CloseAccount',
  changeAccount: 'ChangeAccount',
  transfer: 'Transfer',
  placeHold: 'PlaceHold',
  postHold: 'PostHold',
  voidHold: 'VoidHold',
  reverseTransfer: 'ReverseTransfer',
} as const satisfies Readonly<Record<string, CommandKind>>
export type ClientKind = keyof typeof CLIENT_KINDS

const required = (type: ValueType, description: string): InputField => ({ type, required: true, description })
const optional = (type: ValueType, description: string): InputField => ({
  type,
  required: false,
  description,
})

const moneyId = required(
  'UUID',
  'UUIDv7, chosen by the caller: takes effect at most once, for ever. Send the same one when you retry.',
)
const commandId = optional(
  'UUID',
  'UUIDv7, chosen by the caller: takes effect at most once. Made for you if left out.',
)
const accountId = required('UUID', 'The account.')
const labels = {
  code: optional('UInt32', 'Your own classification, 0 to 4294967295. Default 0.'),
  reference: optional('UUID', 'Your own reference, any UUID but the nil one.'),
  memo: optional('String', `At most ${MEMO_BYTES_MAX} bytes of UTF-8.`),
  effectiveAt: optional('DateTime', 'Business time, from 1900 to 2261. Default: when recorded.'),
}
const sides = {
  debitAccountId: required('UUID', 'The account that pays.'),
  creditAccountId: required('UUID', 'The account that receives.'),
  amount: required('MinorUnits', 'Above zero.'),
  currency: required('String', 'Code of the currency; both accounts have to be in it.'),
}

const condition = 'Or it is refused (condition_failed), and says what was seen.'
const conditions = {
  ifDebitVersion: optional('UInt64', `Only if the paying account has this version. ${condition}`),
  ifDebitAvailableAtLeast: optional(
    'MinorUnits',
    `Only if the paying account has this much available before it: zero or more. ${condition}`,
  ),
  ifCreditVersion: optional('UInt64', `Only if the receiving account has this version. ${condition}`),
  ifCreditAvailableAtLeast: optional(
    'MinorUnits',
    `Only if the receiving account has this much available before it: zero or more. ${condition}`,
  ),
}

export const INPUT_FIELDS: Readonly<Record<ClientKind, Readonly<Record<string, InputField>>>> = {
  openAccount: {
    id: commandId,
    accountId: required('UUID', 'The id of the new account, any UUID but the nil one, chosen by the caller.'),
    currency: required('String', 'Code of the currency: 1 to 8 characters A-Z 0-9.'),
    scale: optional(
      'Int',
      'Decimal places, 0 to 18. Default: those of the currency, where it is known here.',
    ),
    overdraftLimit: optional('MinorUnits', 'How far below zero it may go. Default "0".'),
    system: optional(
      'Boolean',
      'A system account: money enters and leaves here, unlimited overdraft. Default false.',
    ),
    owner: optional('String', `Whose it is: at most ${OWNER_BYTES_MAX} bytes of UTF-8.`),
    code: labels.code,
    reference: labels.reference,
    memo: labels.memo,
    effectiveAt: labels.effectiveAt,
  },
  freezeAccount: { id: commandId, accountId, ...labels },
  unfreezeAccount: { id: commandId, accountId, ...labels },
  closeAccount: { id: commandId, accountId, ...labels },
  changeAccount: {
    id: commandId,
    accountId,
    overdraftLimit: optional(
      'MinorUnits',
      'How far below zero it may go from now on; no less than what is drawn and held. Default: as before.',
    ),
    owner: optional(
      'String',
      `Whose it is from now on: 1 to ${OWNER_BYTES_MAX} bytes of UTF-8. Default: as before.`,
    ),
    ...labels,
  },
  transfer: {
    id: moneyId,
    ...sides,
    coordination: optional(
      'Coordination',
      'How it is coordinated where its accounts live in two partitions: TCC or SAGA. Default: as the platform is told.',
    ),
    ...conditions,
    ...labels,
  },
  placeHold: {
    id: moneyId,
    ...sides,
    timeoutSeconds: optional('Int', 'Seconds after which the hold expires. Default: never.'),
    ...conditions,
    ...labels,
  },
  postHold: {
    id: moneyId,
    holdId: required('UUID', 'The hold to post.'),
    amount: optional('MinorUnits', 'How much of it: above zero. Default: all. The rest is released.'),
    keepOpen: optional(
      'Boolean',
      'What is not posted stays held, for further posts. Then an amount is given. Default false.',
    ),
    ...conditions,
    ...labels,
  },
  voidHold: { id: moneyId, holdId: required('UUID', 'The hold to void.'), ...conditions, ...labels },
  reverseTransfer: {
    id: moneyId,
    transferId: required('UUID', 'The transfer to reverse.'),
    amount: optional(
      'MinorUnits',
      'How much of it: above zero, together at most the transfer. Default: all that is left.',
    ),
    force: optional(
      'Boolean',
      'For operators: also where who was paid has less available; he is then overdrawn beyond his limit. Default false.',
    ),
    ...conditions,
    ...labels,
  },
}

/** True if commands of this kind may be linked. Commands about accounts stand alone. */
export function isLinkable(kind: ClientKind): boolean {
  return !Object.hasOwn(INPUT_FIELDS[kind], 'accountId')
}
export { LINKED_TRANSFERS_MAX }
