/** Whether a command asks for what the one asked for that used its id first. Told by the fields, where gateways compare fingerprints. */
import type { Command } from '../../schemas/commands.ts'
import type { Condition } from '../../schemas/conditions.ts'
import { keyOf } from './wallet.ts'
import type { Used } from './used-ids.ts'

/**
 * What a door fills in of a reversal; and what an event that happens to stand alone does not show: its place in a group, its
 * conditions.
 */
const OF_THE_DOOR: ReadonlySet<string> = new Set(['debit', 'credit', 'amount', 'currency', 'finding', 'linked', 'ifDebit', 'ifCredit', 'part', 'force', 'leftToReverse']) // prettier-ignore

/** True if the command repeats the first one, false if it reuses its id for something else. */
export function isSameBody(command: Command, first: Used): boolean {
  // The refusal of a group that is too long carries no text, and a reversal is told by what its event carries.
  if (command.kind === 'ReverseTransfer' && command.part === true && command.amount !== first.event.amount)
    return false
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
      name !== 'step' &&
      name !== 'across' &&
      name !== 'coordination' &&
      !(command.kind === 'ReverseTransfer' && OF_THE_DOOR.has(name)),
  )
  return entries
    .map(([name, value]) => `${name}=${textOf(value)}`)
    .sort()
    .join('|')
}

function textOf(value: Command[keyof Command]): string {
  if (typeof value !== 'object') return String(value)
  if ('high' in value) return keyOf(value)
  return Object.entries(value as Condition)
    .map(([name, number]) => `${name} ${number}`)
    .join()
}
