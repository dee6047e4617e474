/**
 * The decision that is being made: a command, its accounts, and what comes of it. One object serves for all of them, filled
 * anew for each, so that deciding allocates nothing and no number can stand in another one's place.
 */
export class Decision {
  /** Slot of the command. */
  slot = 0
  /** Byte of the output at which its row begins. */
  rowByte = 0
  /** Hashes of the ids of its accounts. */
  debitHash = 0
  creditHash = 0
  /** 1, 2, … within a linked group, else 0. */
  linkIndex = 0
  /** True if an earlier member of the same linked group reverses the same transfer, or a part of it and leaves some. */
  isReversedInGroup = false
  isPartReversedInGroup = false
  /** Numbers of its accounts; 0: there is no such account, or it names none. */
  debit = 0
  credit = 0
  /** Kind of the event, number of the refusal (0: none), index of the currency (0: as the command asks). */
  kind = 0
  refusal = 0
  currency = 0
}
