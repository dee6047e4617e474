/** One event beside what the model expects of it: what it repeats of its command, and the two sides that it shows. */
import { encodeCommands, type Command } from '../../schemas/commands.ts'
import type { Side, WalletEvent } from '../../schemas/events.ts'
import { fingerprintOf } from '../../schemas/fingerprint.ts'
import { formatId, sameId, type Id } from '../../schemas/ids.ts'
import type { Refusal } from '../../schemas/refusals.ts'
import { insist } from './insist.ts'
import { isAboutAccount, isBare, isEnding } from './model-rules.ts'
import { keyOf, type ModelAccount } from './model-state.ts'

const NIL: Id = { high: 0n, low: 0n }

/** What the event repeats of the command. */
export function checkAsked(
  command: Command,
  event: WalletEvent,
  refusal: Refusal | undefined,
  accounts: ReadonlyMap<string, ModelAccount>,
): void {
  const what = `event ${event.sequence}`
  insist(event.effectiveAtNs === (command.effectiveAtNs ?? event.recordedAtNs), `${what} effective as asked`, event.effectiveAtNs) // prettier-ignore
  insist(event.receivedAtNs === (command.receivedAtNs ?? 0n), `${what} received as said`, event.receivedAtNs)
  insist(event.code === (command.code ?? 0), `${what} with the caller's code`, event.code)
  insist(event.fingerprint === fingerprintOf(encodeCommands([command])), `${what} with its body's fingerprint`, event.fingerprint) // prettier-ignore
  const related = isAboutAccount(command.kind) ? command.debit : command.related
  insist(sameId(event.relatedId, related ?? NIL), `${what} about what was named`, formatId(event.relatedId))
  insist(sameId(event.reference, command.reference ?? NIL), `${what} with the caller's reference`, formatId(event.reference)) // prettier-ignore
  const withText = refusal !== 'linked_too_long'
  insist(event.memo === (withText ? (command.memo ?? '') : ''), `${what} with its memo`, event.memo)
  insist(event.owner === (withText ? (command.owner ?? '') : ''), `${what} with its owner`, event.owner)
  const isMove = !isAboutAccount(command.kind) && !isEnding(command.kind) && !isBare(command)
  const named = isMove && withText && refusal !== undefined
      ? [command.debit!, command.credit!].map((id) => (accounts.has(keyOf(id)) ? '' : formatId(id))).join(',')
      : '' // prettier-ignore
  insist(event.namedAccounts === (named === ',' ? '' : named), `${what} naming ${named}`, event.namedAccounts)
}

/** One side of an event, after it. Undefined: no such account. */
export function checkSide(event: WalletEvent, side: Side, account: ModelAccount | undefined): void {
  const isRight =
    side.number === (account?.number ?? 0) &&
    side.version === (account?.version ?? 0n) &&
    side.debitsPosted === (account?.debitsPosted ?? 0n) &&
    side.debitsPending === (account?.debitsPending ?? 0n) &&
    side.creditsPosted === (account?.creditsPosted ?? 0n) &&
    side.creditsPending === (account?.creditsPending ?? 0n)
  if (!isRight)
    throw new Error(`event ${event.sequence} (${event.kind}): ${show(side)}, expected ${show(account)}`)
  if (account === undefined) return
  insist(event.refusal !== undefined || event.currency === account.currency, `event ${event.sequence} in ${account.currency}`, event.currency) // prettier-ignore
  insist(event.refusal !== undefined || event.scale === account.scale, `event ${event.sequence} of scale ${account.scale}`, event.scale) // prettier-ignore
}

/** What a door fills in of a reversal; and its place in a group, which an event that happens to stand alone does not show. */
const OF_THE_DOOR: ReadonlySet<string> = new Set([
  'debit',
  'credit',
  'amount',
  'currency',
  'finding',
  'linked',
])

/** True if the command asks for what the one that made the event asked for. */
export function isSameBody(
  command: Command,
  first: { readonly command: Command; readonly event: WalletEvent },
): boolean {
  // The refusal of a group that is too long carries no text, and a reversal is told by what its event carries.
  const isWithout = command.kind === 'ReverseTransfer' && first.event.refusal === 'linked_too_long'
  const of = (one: Command): string => bodyOf(isWithout ? { ...one, memo: '' } : one)
  return of(command) === of(first.command)
}

/** What the caller asked: all but the id, the time of receipt and what the door found out. */
function bodyOf(command: Command): string {
  const { id: _id, receivedAtNs: _received, checkedSequence: _checked, ...body } = command
  const entries = Object.entries(body).filter(
    ([name, value]) =>
      value !== undefined &&
      value !== '' &&
      (value !== 0n || name === 'effectiveAtNs') &&
      value !== 0 &&
      value !== false &&
      !(command.kind === 'ReverseTransfer' && OF_THE_DOOR.has(name)),
  )
  return entries
    .map(([name, value]) => `${name}=${typeof value === 'object' ? keyOf(value) : String(value)}`)
    .sort()
    .join('|')
}

function show(side: Partial<Side> | ModelAccount | undefined): string {
  if (side === undefined) return 'no account'
  const { number, version, debitsPosted, debitsPending, creditsPosted, creditsPending } = side
  return `account ${number} v${version} −${debitsPosted}(${debitsPending}) +${creditsPosted}(${creditsPending})`
}
