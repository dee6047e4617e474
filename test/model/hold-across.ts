/** The end of a hold whose credit account lives elsewhere, in the plainest way: posts, and the release of what is left. */
import type { Command } from '../../schemas/commands.ts'
import { formatCrossing, parseCrossing } from '../../schemas/crossing.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import { bareEvent, NO_SIDE } from './crossing-events.ts'
import type { Place } from './decide-crossing.ts'
import { eventOf } from './event-of.ts'
import { keyOf, type Hold, type Wallet } from './wallet.ts'

/** The release of what is left of a hold that no client has asked for: the hold is its id. */
export function releaseOf(
  hold: Hold,
  command: 'ExpireHold' | 'PostHold',
  at: { readonly wallet: Wallet; readonly partition: number; readonly atNs: bigint },
  post?: WalletEvent,
): WalletEvent {
  const { first } = at.wallet.crossings.sent.get(hold.channel!)!
  const isNothing = hold.amount === 0n
  return {
    ...bareEvent('HoldReleased', at),
    command,
    transferId: hold.id,
    relatedId: hold.id,
    reference: first.reference,
    effectiveAtNs: post?.effectiveAtNs ?? at.atNs,
    receivedAtNs: post?.receivedAtNs ?? at.atNs,
    currency: first.currency,
    scale: first.scale,
    amount: hold.amount,
    debit: isNothing ? NO_SIDE : at.wallet.side(hold.debit),
    credit: isNothing ? NO_SIDE : at.wallet.side(hold.credit),
    code: first.code,
    namedAccounts: placeOf(hold, at.wallet),
  }
}

/** Ends a hold across, or a part of it, that nothing speaks against; undefined: it is no such hold. The first event is the command's. */
export function endAcross(
  command: Command,
  { wallet, partition, atNs }: Place,
): readonly [WalletEvent, ...WalletEvent[]] | undefined {
  const hold = wallet.holds.get(keyOf(command.related!))
  if (hold?.channel === undefined) return undefined
  const event = eventOf(command, wallet, { refusal: undefined, partition, atNs: atNs(), linkIndex: 0 })
  const credit = wallet.side(hold.credit)
  if (command.kind === 'VoidHold') {
    const namedAccounts = placeOf(hold, wallet)
    return [wallet.take({ ...event, kind: 'HoldReleased', credit, namedAccounts })]
  }
  const channel = wallet.crossings.freeChannel()!
  const { turn } = wallet.crossings.sent.get(hold.channel)!
  const place = {
    ...parseCrossing(placeOf(hold, wallet))!, channel, turn: (wallet.crossings.turns.get(channel) ?? 0) + 1,
  } // prettier-ignore
  const drawn = wallet.take({
    ...event,
    kind: 'HoldDrawn',
    credit,
    expiresAtNs: hold.amount - event.amount,
    namedAccounts: formatCrossing({ ...place, answers: (BigInt(hold.channel) << 32n) | BigInt(turn) }),
  })
  const rest = wallet.holds.get(keyOf(hold.id))!
  if (command.keepOpen === true && rest.amount > 0n) return [drawn]
  return [drawn, wallet.take(releaseOf(rest, 'PostHold', { wallet, partition, atNs: atNs() }, drawn))]
}

/** The text of a hold's events: its accounts, and its place. */
function placeOf(hold: Hold, wallet: Wallet): string {
  const { first } = wallet.crossings.sent.get(hold.channel!)!
  return formatCrossing({ ...parseCrossing(first.namedAccounts)!, answers: 0n })
}
