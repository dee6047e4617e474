/**
 * Why a command is refused: a closed list with stable numbers, in the order in which the reasons are checked.
 * A number once given keeps its meaning for ever; a retired one keeps its slot.
 */

/** Reasons that stand in an event (`TransferRefused`, `AccountRefused`), by number, in order of precedence. */
export const REFUSAL_CODES = {
  linked_failed: 1,
  linked_too_long: 2,
  amount_invalid: 3,
  transfer_not_found: 4,
  transfer_not_reversible: 5,
  amount_exceeds_transfer: 6,
  account_exists: 10,
  accounts_full: 11,
  currency_scale_mismatch: 12,
  account_not_found: 13,
  account_already_closed: 14,
  account_already_frozen: 15,
  account_not_frozen: 16,
  account_not_empty: 17,
  account_is_system: 18,
  overdraft_in_use: 19,
  hold_not_open: 20,
  same_account: 21,
  debit_account_not_found: 22,
  credit_account_not_found: 23,
  debit_account_closed: 24,
  credit_account_closed: 25,
  debit_account_frozen: 26,
  credit_account_frozen: 27,
  currency_mismatch: 28,
  amount_exceeds_hold: 29,
  already_reversed: 30,
  reversal_unchecked: 31,
  insufficient_funds: 32,
  balance_overflow: 33,
  too_many_holds: 34,
  condition_failed: 35,
  hold_across: 36,
  too_many_in_transit: 40,
  transfer_timed_out: 41,
} as const

export type Refusal = keyof typeof REFUSAL_CODES

/**
 * What a door has found out about the transfer to reverse, where that is a reason to refuse: the core keeps no list of
 * transfers, so it is told, and makes the event (docs/decisions/0021).
 */
export const REVERSAL_FINDINGS = [
  'transfer_not_found',
  'transfer_not_reversible',
  'already_reversed',
] as const
export type ReversalFinding = (typeof REVERSAL_FINDINGS)[number]

/**
 * Reasons that never make an event, because the id itself is the reason and an event under it would stand beside
 * (or instead of) the id's one outcome. Each is proven by the log, for ever: by the id's event, or by the id horizon.
 */
export const ID_REFUSALS = ['id_reused', 'id_expired'] as const
export type IdRefusal = (typeof ID_REFUSALS)[number]

/** Every code that an answer can carry, events' and ids'. */
export type RefusalCode = Refusal | IdRefusal

const byNumber = new Map<number, Refusal>(
  Object.entries(REFUSAL_CODES).map(([name, number]) => [number, name as Refusal]),
)

/** The reason behind a number, or undefined if the number was never given. */
export function refusalOf(number: number): Refusal | undefined {
  return byNumber.get(number)
}

/** What a person is told: what is wrong, and what to do. */
export const REFUSAL_MESSAGES: Readonly<Record<RefusalCode, string>> = {
  linked_failed:
    'Another transfer of the linked group was refused, so none of the group happened. Fix that one and send the group again with new ids.',
  linked_too_long:
    'The linked group has more transfers than allowed, or does not end within its request. Split it.',
  amount_invalid: 'The amount is not a positive whole number of minor units. Correct it and send a new id.',
  transfer_not_found: 'There is no transfer with the id given as the one to reverse. Check the id.',
  transfer_not_reversible:
    'The id given is not of a transfer that moved money, so there is nothing to reverse. Of a hold, reverse what posted it.',
  amount_exceeds_transfer:
    'The amount is more than is left of the transfer to reverse. Reverse what is left, or less.',
  account_exists:
    'An account with this id is open or was opened before. Use it, or choose another account id.',
  accounts_full: 'This partition holds as many accounts as it can. Ask the operator for more capacity.',
  currency_scale_mismatch:
    'The currency is in use here with another scale. Open the account with the scale that is in use.',
  account_not_found: 'There is no account with this id. Check the id, or open the account first.',
  account_already_closed: 'The account is closed; a closed account does not change any more.',
  account_already_frozen: 'The account is frozen already. Nothing was changed.',
  account_not_frozen: 'The account is not frozen. Nothing was changed.',
  account_not_empty:
    'Only an account with a zero balance and nothing pending can be closed. Move the rest away first.',
  account_is_system:
    'A system account has no overdraft limit, and cannot be given one. Change its owner alone, or open another account.',
  overdraft_in_use:
    'More than this overdraft limit is drawn or held. Move money in first, or choose a higher limit.',
  hold_not_open:
    'No hold with this id is open: it was posted, voided, expired, or never placed. Ask for the transfer by its id.',
  same_account: 'Debit and credit account are the same. Name two different accounts.',
  debit_account_not_found:
    'There is no account with the id given as debit account. Check the id, or open the account first.',
  credit_account_not_found:
    'There is no account with the id given as credit account. Check the id, or open the account first.',
  debit_account_closed: 'The debit account is closed.',
  credit_account_closed: 'The credit account is closed.',
  debit_account_frozen: 'The debit account is frozen. Unfreeze it first.',
  credit_account_frozen: 'The credit account is frozen. Unfreeze it first.',
  currency_mismatch: 'The accounts and the transfer are not all in the same currency.',
  amount_exceeds_hold: 'The amount is more than the hold reserved. Post the reserved amount or less.',
  already_reversed: 'This transfer has been reversed already: nothing is left of it to reverse.',
  reversal_unchecked:
    'The transfer to reverse could not be checked against a fresh enough view, or another part of it was reversed meanwhile. Try again with a new id.',
  insufficient_funds: 'The debit account has less available than the amount.',
  balance_overflow: 'A total of one of the accounts would leave the 64-bit range.',
  too_many_holds:
    'As many holds are open as this partition can keep. Try again with a new id when some have ended.',
  condition_failed:
    'A condition that the command carries does not hold of its account. Look at what was seen, and send a new id.',
  hold_across:
    'The accounts of this hold live in two partitions: it cannot end within a linked group, nor under a condition on its credit account. Post or void it without.',
  too_many_in_transit:
    'As many transfers to other partitions are under way as this partition can keep. Try again with a new id in a moment.',
  transfer_timed_out:
    'The credit account’s partition did not answer in time, so nothing moved. Try again with a new id.',
  id_reused: 'This id was used before for a command with another body. Use a new id.',
  id_expired:
    'This id is older than what is remembered, and it has no outcome. Nothing happened under it and nothing ever will; use a new id.',
}

/** True where the same request, sent again later under a new id, may well succeed. */
export const REFUSAL_TRANSIENT: Readonly<Record<RefusalCode, boolean>> = {
  linked_failed: true, linked_too_long: false, amount_invalid: false, transfer_not_found: true,
  transfer_not_reversible: false, amount_exceeds_transfer: false, account_exists: false, accounts_full: true,
  currency_scale_mismatch: false, account_not_found: true, account_already_closed: false, account_already_frozen: true,
  account_not_frozen: true, account_not_empty: true, account_is_system: false, overdraft_in_use: true, hold_not_open: false, same_account: false,
  debit_account_not_found: true, credit_account_not_found: true, debit_account_closed: false,
  credit_account_closed: false, debit_account_frozen: true, credit_account_frozen: true, currency_mismatch: false,
  amount_exceeds_hold: false, already_reversed: false, reversal_unchecked: true, insufficient_funds: true,
  balance_overflow: true, too_many_holds: true, condition_failed: true, hold_across: false, too_many_in_transit: true, transfer_timed_out: true, id_reused: false, id_expired: true,
} // prettier-ignore
