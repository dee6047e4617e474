/**
 * Bulk over HTTP: many commands in one request, one result for each, in the same order.
 *
 *   POST /commands  {"commands": [{"kind": "transfer", "id": …, …}, …]}  (1 to 8192)
 *
 * Fields are those of the GraphQL inputs. `"linked": true` ties a command to the next one: both happen or neither does.
 * A command that is wrong fails alone, or with the group that it is linked into; the other commands go on. The commands
 * of one partition are decided in order, one right behind the other. A reversal's transfer must have been acknowledged
 * before the request.
 */
import type { Command } from '../../schemas/commands.ts'
import { formatId } from '../../schemas/ids.ts'
import { BATCH_COMMANDS_MAX } from '../../schemas/limits.ts'
import type { Position } from '../../schemas/positions.ts'
import { REFUSAL_MESSAGES } from '../../schemas/refusals.ts'
import {
  failGroups,
  isAboutAccount,
  offerItems,
  routeItems,
  type CommandItem,
} from '../commands/command-items.ts'
import { readInput, toCommand } from '../commands/commands.ts'
import { badInput, codeOf, type Fault } from '../errors.ts'
import { CLIENT_KINDS, isLinkable, type ClientKind } from '../commands/inputs.ts'
import { positionOfOutcome } from '../outcomes/outcomes.ts'
import type { Services } from '../services.ts'
import type { DeploymentTokens } from '../positions/deployment-tokens.ts'

export interface BulkResult {
  readonly id?: string
  /** accepted: it has happened. refused: `code` says why. error: never decided, or its outcome is not known. */
  readonly status: 'accepted' | 'refused' | 'error'
  /** True if the id had this outcome before this request. */
  readonly replayed?: boolean
  readonly position?: string
  readonly code?: string
  readonly message?: string
  readonly field?: string
  readonly retryable?: boolean
}

export interface BulkAnswer {
  readonly results: readonly BulkResult[]
  /** The highest position of all results. A read "after" it sees every one. */
  readonly position: string
}

/**
 * Runs the commands of one request.
 * @param waits called before anything is offered, with the partitions that the request will wait for; if it throws, the
 *   request ends
 * @throws Fault BAD_USER_INPUT if the body holds no list of commands; BUSY or WRITER_STOPPED if no command was taken
 */
export async function runCommands(
  services: Services,
  body: Readonly<Record<string, unknown>>,
  waits?: (partitions: readonly number[]) => void,
): Promise<BulkAnswer> {
  const { commands: raws } = body
  if (!Array.isArray(raws)) throw badInput('commands', 'Expected a list of commands.')
  if (raws.length < 1 || raws.length > BATCH_COMMANDS_MAX)
    throw badInput('commands', `Expected 1 to ${BATCH_COMMANDS_MAX} commands, got ${raws.length}.`)
  const items = raws.map((raw: unknown, index) => readItem(services, raw, index, raws.length))
  failLinksWithAccounts(items)
  await routeItems(services, items)
  failGroups(items)
  await offerItems(services, items, waits)
  return answerOf(items, services.tokens)
}

function readItem(services: Services, raw: unknown, index: number, count: number): CommandItem {
  const path = `commands[${index}]`
  try {
    const command = readCommand(services, raw, path, index === count - 1)
    return { command, linked: command.linked === true, partition: 0, settled: undefined }
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return { command: undefined, linked: saysLinked(raw), partition: 0, settled: error as Fault }
  }
}

/** True if an invalid command claims to be linked with the next one. The next one must then not happen alone. */
function saysLinked(raw: unknown): boolean {
  if (typeof raw !== 'object' || raw === null) return false
  const { linked } = raw as { readonly linked?: unknown }
  return linked !== undefined && linked !== null && linked !== false
}

function readCommand(services: Services, raw: unknown, path: string, isLast: boolean): Command {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    throw badInput(path, 'Expected an object with a "kind".')
  const fields = raw as Readonly<Record<string, unknown>>
  const kind = fields['kind']
  if (typeof kind !== 'string' || !Object.hasOwn(CLIENT_KINDS, kind))
    throw badInput(`${path}.kind`, `Expected one of ${Object.keys(CLIENT_KINDS).join(', ')}.`)
  const linked = fields['linked'] ?? false
  if (typeof linked !== 'boolean') throw badInput(`${path}.linked`, 'Expected true or false.')
  if (linked && !isLinkable(kind as ClientKind))
    throw badInput(`${path}.linked`, 'Only transfers, holds and what ends them can be linked.')
  if (linked && isLast) throw badInput(`${path}.linked`, 'Nothing follows that it could be linked with.')
  const values = readInput(kind as ClientKind, fields, path)
  return { ...toCommand(kind as ClientKind, values, path, services.commands), linked }
}

/**
 * A command about an account stands alone. A command that is linked with one is wrong; the one about the account is
 * not.
 */
function failLinksWithAccounts(items: readonly CommandItem[]): void {
  items.forEach((item, index) => {
    const next = items[index + 1]
    if (!item.linked || item.settled !== undefined || next === undefined || !isAboutAccount(next)) return
    item.settled = badInput(
      `commands[${index}].linked`,
      'A command about an account follows, and that stands alone.',
    )
  })
}

function answerOf(items: readonly CommandItem[], tokens: DeploymentTokens): BulkAnswer {
  const reached = new Map<number, bigint>()
  const results = items.map(({ command, settled }): BulkResult => {
    const id = command === undefined ? {} : { id: formatId(command.id) }
    if (settled instanceof Error) return { ...id, ...errorResult(settled) }
    const { refusal, replayed } = settled!
    const position = positionOfOutcome(settled!)
    for (const [partition, sequence] of position)
      if (sequence > (reached.get(partition) ?? 0n)) reached.set(partition, sequence)
    const told = { ...id, replayed, position: tokens.position(position) }
    return refusal === undefined
      ? { ...told, status: 'accepted' }
      : { ...told, status: 'refused', code: refusal, message: REFUSAL_MESSAGES[refusal] }
  })
  return { results, position: tokens.position(reached satisfies Position) }
}

function errorResult({ message, extensions }: Fault): BulkResult {
  return { status: 'error', message, ...(extensions as Pick<BulkResult, 'code' | 'field' | 'retryable'>) }
}
