/** How much of a transfer or a hold has moved, is held, or was moved back. */
import { isReversal, leftOf } from '../../../schemas/event-left.ts'
import type { MoneyModel } from '../money.ts'
import type { TransferModel } from './model.ts'

/** What has moved, in minor units; of a hold, all its parts together. 0: nothing. */
export function postedOf({ event, kind, related, state }: TransferModel): bigint {
  if (kind !== 'HOLD') return state === 'POSTED' || state === 'REVERSED' ? event.amount : 0n
  if (state === 'REFUSED') return 0n
  const whole = related.find((other) => other.kind === 'HoldPosted')?.amount ?? 0n
  return event.amount - leftBehindParts({ event, related }) + whole
}

/** What an open hold still reserves, in minor units. 0: it is none. */
export function heldOf({ event, kind, related, state }: TransferModel): bigint {
  return kind === 'HOLD' && state === 'PENDING' ? leftBehindParts({ event, related }) : 0n
}

/** What was moved back of a transfer, in minor units: the newest of its reversals says it. */
export function reversedOf({ event, related }: TransferModel): bigint {
  const newest = related.findLast(isReversal)
  return newest === undefined ? 0n : event.amount - (leftOf(newest) ?? 0n)
}

/** What the parts that were posted of a hold have left of it: the newest of them says it. */
function leftBehindParts({ event, related }: Pick<TransferModel, 'event' | 'related'>): bigint {
  const part = related.findLast((other) => other.kind === 'HoldPostedInPart' || other.kind === 'HoldDrawn')
  return part === undefined ? event.amount : leftOf(part)!
}

/** Minor units in the transfer's currency. Null: nothing. */
export function moneyIn({ event: { currency, scale } }: TransferModel, minor: bigint): MoneyModel | null {
  return minor === 0n ? null : { minor, currency, scale }
}
