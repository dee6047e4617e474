/** In what an event, or a state, differs from the model's, in words. */
import type { WalletEvent } from '../../schemas/events.ts'
import type { Id } from '../../schemas/ids.ts'
import type { Account, Wallet } from './wallet.ts'

/** Where events are not, field by field and one by one, what the model expects; undefined if they are. */
export function eventsDifference(
  found: readonly WalletEvent[],
  expected: readonly WalletEvent[],
): string | undefined {
  for (let at = 0; at < Math.max(found.length, expected.length); at++) {
    const difference = eventDifference(found[at], expected[at])
    if (difference !== undefined) return difference
  }
  return undefined
}

function eventDifference(
  found: WalletEvent | undefined,
  expected: WalletEvent | undefined,
): string | undefined {
  if (found === undefined || expected === undefined) return `${nameOf(found)}, expected ${nameOf(expected)}`
  const wrong: string[] = []
  for (const field in expected) {
    const name = field as keyof WalletEvent
    const one = difference(name, found[name], expected[name])
    if (one !== undefined) wrong.push(one)
  }
  return wrong.length === 0 ? undefined : `${nameOf(found)}: ${wrong.join('; ')}`
}

/** What of a core's state can be looked at. */
export interface VisibleState {
  sequence(): bigint
  recordedAtNs(): bigint
  accounts(): number
  holdsOpen(): number
  crossingsOpen(): number
  nextDeadlineNs(): bigint
  lookup(id: Id): number | undefined
  account(number: number): Partial<Record<keyof Account, unknown>> | undefined
  trialBalance(): Iterable<readonly [string, bigint]>
}

/** What of a state is not what the model's wallet has; undefined if nothing is. Texts are made on a difference only. */
export function stateDifference(state: VisibleState, wallet: Wallet): string | undefined {
  const whole =
    difference('sequence', state.sequence(), wallet.sequence) ??
    difference('recorded at', state.recordedAtNs(), wallet.recordedAtNs) ??
    difference('accounts', state.accounts(), wallet.accounts.size) ??
    difference('open holds', state.holdsOpen(), wallet.holds.size) ??
    difference('open crossings', state.crossingsOpen(), wallet.crossings.waiting().length) ??
    difference('next deadline', state.nextDeadlineNs(), nextDeadline(wallet))
  if (whole !== undefined) return whole
  for (const account of wallet.accounts.values()) {
    const { number } = account
    const found = state.account(number)
    for (const field of ACCOUNT_FIELDS) {
      const wrong = difference(field, found?.[field], account[field])
      if (wrong !== undefined) return `account ${number}: ${wrong}`
    }
    const byId = state.lookup(account.id)
    if (byId !== number) return `account ${number} is found by its id as ${shown(byId)}`
  }
  for (const [currency, sum] of state.trialBalance()) if (sum !== 0n) return `${currency} sums to ${sum}`
  return undefined
}

const ACCOUNT_FIELDS = [
  'status', 'version', 'debitsPosted', 'debitsPending', 'creditsPosted', 'creditsPending', 'overdraftLimit', 'id',
  'currency', 'scale',
] as const satisfies readonly (keyof Account)[] // prettier-ignore

/** The first deadline of an open hold or reminder of a crossing; 0n: none. */
function nextDeadline({ holds, crossings }: Wallet): bigint {
  let first = crossings.nextSilentNs()
  for (const { expiresAtNs } of holds.values())
    if (expiresAtNs !== 0n && (first === 0n || expiresAtNs < first)) first = expiresAtNs
  return first
}

/** Of two values, each of which may be an id or a side. */
function difference(what: string, found: unknown, expected: unknown): string | undefined {
  if (found === expected || (isObject(found) && isObject(expected) && isSameObject(found, expected)))
    return undefined
  return `${what} ${shown(found)}, expected ${shown(expected)}`
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function isSameObject(
  found: Readonly<Record<string, unknown>>,
  expected: Readonly<Record<string, unknown>>,
): boolean {
  for (const name in expected) if (found[name] !== expected[name]) return false
  return true
}

function nameOf(event: WalletEvent | undefined): string {
  return event === undefined ? 'no event' : `event ${event.sequence} (${event.refusal ?? event.kind})`
}

function shown(value: unknown): string {
  return isObject(value)
    ? JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner))
    : String(value)
}
