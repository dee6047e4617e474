/** Commands of callers → slots, checked before anything is sent: a wrong one must not take others of its batch with it. */
import { checkCommands } from '../schemas/check-commands.ts'
import { encodeCommands } from '../schemas/command-codec.ts'
import type { Command } from '../schemas/commands.ts'
import type { Id } from '../schemas/ids.ts'
import { LINKED_TRANSFERS_MAX } from '../schemas/limits.ts'
import { RefusedError } from './errors.ts'

/**
 * Encodes one command, or a group of commands that are linked. An account whose scale is left out gets the platform's own
 * for its currency.
 * @throws RefusedError `malformed`
 */
export function encodeGroup(group: readonly Command[]): Uint8Array {
  if (group.length === 0 || group.length > LINKED_TRANSFERS_MAX)
    throw new RefusedError('malformed', `A group has 1 to ${LINKED_TRANSFERS_MAX} commands, not ${group.length}.`)
  const commands = group.map((command, index) => prepared(command, index, group.length))
  let slots: Uint8Array
  try {
    slots = encodeCommands(commands)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new RefusedError('malformed', `The command was not sent: ${error.message}.`)
  }
  const wrong = checkCommands(slots, commands.length)
  if (wrong !== undefined) throw new RefusedError('malformed', `Nothing was sent: ${wrong}.`)
  return slots
} // prettier-ignore

function prepared(command: Command, index: number, count: number): Command {
  if (command.linked === true && count === 1)
    throw new RefusedError('malformed', 'Nothing was sent: a linked command goes with its group, by submitLinked().')
  const wrong = wrongField(command)
  if (wrong !== undefined) throw new RefusedError('malformed', `Nothing was sent: ${wrong} of command ${index}.`)
  return { ...command, linked: index < count - 1 }
} // prettier-ignore

/** What encoding would bend without a word: numbers beyond their width, texts that are none. */
function wrongField(command: Command): string | undefined {
  const { amount = 0n, effectiveAtNs = 0n, timeoutNs = 0n, code = 0, scale = 0, memo = '', owner = '' } = command
  if (!fits64(amount)) return 'the amount is out of range'
  if (command.system === true && command.amount !== undefined) return 'there is an overdraft limit beside the flag of a system account'
  if (!fits64(effectiveAtNs) || !fits64(timeoutNs)) return 'a time is out of range'
  if (!Number.isInteger(code) || code < 0 || code > 0xffff_ffff) return 'the code is out of range'
  if (!Number.isInteger(scale) || scale < 0 || scale > 0xff) return 'the scale is out of range'
  for (const text of [memo, owner])
    if (!text.isWellFormed() || text.includes('\0')) return 'a text has a NUL or half a surrogate pair'
  for (const id of [command.id, command.debit, command.credit, command.related, command.reference])
    if (id !== undefined && !isId(id)) return 'an id has more than 128 bits'
  return undefined
} // prettier-ignore

function fits64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value
}

function isId({ high, low }: Id): boolean {
  return BigInt.asUintN(64, high) === high && BigInt.asUintN(64, low) === low
}
