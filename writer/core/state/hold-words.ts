/** Words (of 64 bits) of a hold's slot; `holds.ts` says what they mean. */
export const HOLD_WORDS = 8
/** Words of a slot that make up the hold itself, in snapshots and when a group is undone. */
export const HOLD_KEPT_WORDS = 6
export const HOLD = {
  idHigh: 0,
  idLow: 1,
  amount: 2,
  expiresAt: 3,
  sequence: 4,
  accounts: 5,
  links: 6,
  /** Of a hold across partitions its channel, else 0. It follows from the channels, so no snapshot keeps it. */
  channel: 7,
} as const
