/** The commands of a scenario, as the doors take them in JSON, decided by the real core at times of the author's. */
import { createHash } from 'node:crypto'
import { readInput, toCommand } from '../../gateway/commands/commands.ts'
import { CLIENT_KINDS, INPUT_FIELDS, type ClientKind } from '../../gateway/commands/inputs.ts'
import { parseTime } from '../../gateway/positions/times.ts'
import { Recorder } from '../../platform/projections/recorder.ts'
import type { Command } from '../../schemas/commands.ts'
import { isReversal, leftOf } from '../../schemas/event-left.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import { formatId, makeUuidV7, makeUuidV8, parseId, type Id } from '../../schemas/ids.ts'
import { ISO_CURRENCIES } from '../../schemas/money.ts'
import { NS_PER_MS } from '../../schemas/time.ts'

/**
 * A command as POST /commands takes it (docs/http.md): `{ kind: 'transfer', debitAccountId: 'alice', … }`. Where an id is
 * wanted, a plain name will do; the same name is the same id. An id of its own may be left out.
 */
export interface Given {
  readonly kind: ClientKind
  /** When the core decides it, RFC 3339, not before the one above. Default: a second later. */
  readonly at?: string
  /** All or nothing with the next one. */
  readonly linked?: boolean
  readonly [field: string]: unknown
}

/** When a scenario begins unless it says otherwise. */
export const BEGINNING = '2026-03-01T09:00:00Z'
const SECOND_NS = 1_000_000_000n
const UUID_FIELDS = /^(id|\w+Id|reference)$/

/** What is wrong with a scenario, or what did not come out as it says. */
export class ScenarioError extends Error {
  override readonly name = 'ScenarioError'
}

/** The id that a name stands for where an account is wanted: `debitAccountId: 'alice'`. */
export function accountId(name: string): string {
  return formatId(makeUuidV8(digestOf(name)))
}

/** The id that a name stands for where a transfer or a hold is wanted. */
export function transferId(name: string, beginning = BEGINNING): string {
  return formatId(transferIdAt(name, nanosecondsOf(beginning, 'from')))
}

function transferIdAt(name: string, nowNs: bigint): Id {
  return makeUuidV7(Number(nowNs / NS_PER_MS), digestOf(name).subarray(0, 10))
}

/**
 * The events that come of the commands.
 * @throws ScenarioError for a command that no door would take
 */
export function eventsOf(given: readonly Given[], from: string): readonly WalletEvent[] {
  const beginningNs = nanosecondsOf(from, 'from')
  const recorder = new Recorder(0, beginningNs)
  let group: Command[] = []
  for (const [index, { at, linked, ...fields }] of given.entries()) {
    const place = `given[${index}]`
    if (group.length === 0) {
      const nowNs = at === undefined ? recorder.nowNs + (index === 0 ? 0n : SECOND_NS) : nanosecondsOf(at, place)
      if (nowNs < recorder.nowNs) throw new ScenarioError(`${place}: ${at} lies before the command above it.`)
      recorder.goTo(nowNs)
    }
    const command = commandOf(fields, place, recorder, beginningNs, index)
    group.push(linked === true ? { ...command, linked } : command)
    if (linked === true && index < given.length - 1) continue
    recorder.submit(group)
    group = []
  }
  return recorder.events
} // prettier-ignore

function commandOf(
  { kind, ...fields }: Given,
  place: string,
  recorder: Recorder,
  beginningNs: bigint,
  index: number,
): Command {
  if (!Object.hasOwn(CLIENT_KINDS, kind))
    throw new ScenarioError(`${place}: there is no command ${kind}. There are: ${Object.keys(CLIENT_KINDS).join(', ')}.`)
  const named = Object.entries(fields).map(([name, value]) => [name, idFor(name, value, beginningNs)])
  const raw = Object.fromEntries(named) as Record<string, unknown>
  if (Object.hasOwn(INPUT_FIELDS[kind], 'id')) raw['id'] ??= formatId(transferIdAt(`command ${index}`, beginningNs))
  const context = {
    currencies: ISO_CURRENCIES,
    clock: () => recorder.nowNs,
    randomBits: () => digestOf(`command ${index}`).subarray(0, 10),
 partitions: 1,
  }
  try {
    const command = toCommand(kind, readInput(kind, raw, place), place, context)
    return command.kind === 'ReverseTransfer' ? reversalOf(command, recorder.events) : command
  } catch (error) {
    throw new ScenarioError((error as Error).message, { cause: error })
  }
} // prettier-ignore

/** A name, as the id that it stands for; anything else as it is. */
function idFor(field: string, value: unknown, beginningNs: bigint): unknown {
  if (!UUID_FIELDS.test(field) || typeof value !== 'string' || parseId(value) !== undefined) return value
  if (/AccountId$|^accountId$/.test(field)) return accountId(value)
  return formatId(transferIdAt(value, beginningNs))
}

/** What a door finds out for the core before it hands on a reversal. */
function reversalOf(command: Command, events: readonly WalletEvent[]): Command {
  const id = formatId(command.related!)
  const checkedSequence = BigInt(events.length)
  const original = events.find(({ transferId: own }) => formatId(own) === id)
  if (original?.kind !== 'TransferPosted' && original?.kind !== 'HoldPosted' && original?.kind !== 'HoldPostedInPart') {
    const finding = original === undefined ? 'transfer_not_found' : 'transfer_not_reversible'
    return { ...command, checkedSequence, finding }
  }
  const idOf = (number: number): Id =>
    events.find(({ kind, debit }) => kind === 'AccountOpened' && debit.number === number)!.relatedId
  const { debit, credit, currency } = original
  const newest = events.findLast((event) => isReversal(event) && formatId(event.relatedId) === id)
  const left = newest === undefined ? original.amount : (leftOf(newest) ?? 0n)
  const amount = command.amount ?? (left > 0n ? left : original.amount)
  const sides = { debit: idOf(credit.number), credit: idOf(debit.number), currency }
  return { ...command, ...sides, amount, checkedSequence, leftToReverse: left, ...(left === 0n ? { finding: 'already_reversed' } : {}) }
} // prettier-ignore

function nanosecondsOf(text: string, place: string): bigint {
  const ns = parseTime(text)
  if (ns === undefined) throw new ScenarioError(`${place}: ${text} is no time such as ${BEGINNING}.`)
  return ns
}

function digestOf(name: string): Uint8Array {
  return createHash('sha256').update(name).digest().subarray(0, 16)
}
