/** Conditions on a command's accounts, and where they stand in its slot. `FLAG_CONDITIONS` says that there are some. */

/** What a condition is about, in the bytes `CONDITION_BYTE`; 0: there is none for this account. */
export const CONDITION_VERSION = 1
export const CONDITION_AVAILABLE = 2
/** Words, and bytes, of a slot at which the conditions of its accounts stand. */
export const CONDITION_WORD = { debit: 18, credit: 19 } as const
export const CONDITION_BYTE = { debit: 140, credit: 141 } as const

/** What has to hold of an account right before the command, or it is refused: its version, or what it has available. */
export type Condition =
  | { readonly version: bigint }
  /** Minor units, zero or more. An account without a limit has any amount available. */
  | { readonly availableAtLeast: bigint }

/** Writes a condition, if there is one, into the slot at `byte`. */
export function putCondition(
  view: DataView,
  byte: number,
  side: 'debit' | 'credit',
  condition: Condition | undefined,
): void {
  if (condition === undefined) return
  const isVersion = 'version' in condition
  view.setUint8(byte + CONDITION_BYTE[side], isVersion ? CONDITION_VERSION : CONDITION_AVAILABLE)
  const value = isVersion ? condition.version : condition.availableAtLeast
  view.setBigInt64(byte + CONDITION_WORD[side] * 8, value, true)
}

/** The condition that the slot at `byte` has for an account; undefined: none. */
export function conditionAt(view: DataView, byte: number, side: 'debit' | 'credit'): Condition | undefined {
  const test = view.getUint8(byte + CONDITION_BYTE[side])
  if (test === 0) return undefined
  const value = view.getBigInt64(byte + CONDITION_WORD[side] * 8, true)
  return test === CONDITION_VERSION ? { version: value } : { availableAtLeast: value }
}
