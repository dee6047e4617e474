/** What a command may make a condition of: that an account has a version, or at least an amount available. */
import { FLAG_CONDITIONS, HEAD_SHIFT, SLOT, SLOT_WORDS } from '../../../schemas/commands.ts'
import { CONDITION_AVAILABLE, CONDITION_VERSION, CONDITION_WORD } from '../../../schemas/conditions.ts'
import { REFUSAL_CODES } from '../../../schemas/refusals.ts'
import { LINE_WORDS } from '../state/account-lines.ts'
import { hasFunds } from '../state/totals.ts'
import type { CoreState } from '../state/state.ts'
import type { CallBuffers } from './call-buffers.ts'
import type { Decision } from './decision.ts'
import { hasFlagAt } from './row-writer.ts'

/**
 * What the command's conditions say against it, judged on its accounts before it: the number of a refusal, 0 for nothing.
 * They come last of what the accounts say: whatever else is in the way is the reason. Of a transfer to another partition
 * only the debit account is here, and doors let no condition on the other pass; of a hold that is open across partitions
 * `testsCredit` says whether there is one.
 */
export function conditionRefusal(
  state: CoreState,
  buffers: CallBuffers,
  { slot, debit, credit }: Decision,
): number {
  if (!hasFlagAt(buffers, slot, FLAG_CONDITIONS)) return 0
  const from = slot * SLOT_WORDS
  const tests = buffers.slots32[(from + SLOT.textLengths) * 2 + 1]!
  return isMet(state, buffers, tests & 0xff, debit, from + CONDITION_WORD.debit) &&
    (credit === 0 || isMet(state, buffers, (tests >>> 8) & 0xff, credit, from + CONDITION_WORD.credit))
    ? 0
    : REFUSAL_CODES.condition_failed
}

/** True if the command at `slot` carries a condition on its credit account. */
export function testsCredit({ slots32 }: CallBuffers, slot: number): boolean {
  const word = slot * SLOT_WORDS * 2
  const hasConditions = ((slots32[word]! >>> HEAD_SHIFT.flags) & FLAG_CONDITIONS) !== 0
  return hasConditions && ((slots32[word + SLOT.textLengths * 2 + 1]! >>> 8) & 0xff) !== 0
}

function isMet(
  { accounts }: CoreState,
  { slots }: CallBuffers,
  test: number,
  number: number,
  at: number,
): boolean {
  if (test === CONDITION_VERSION) return accounts.words[number * LINE_WORDS] === slots[at]
  return test !== CONDITION_AVAILABLE || hasFunds(accounts, number * LINE_WORDS, slots, at)
}
